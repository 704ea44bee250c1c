/* SPDX-License-Identifier: MIT */
#include "runtime/fairy_fit.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
	ROUNDS_MAX = 30,
	TURNS_MAX = 4,
	PARTS_MAX = 2 * KG_FAIRY_STAGES_MAX, /* scales: of U's stages, then of W's */
};

/* Products of the parts that the scales belong to, with each other and with the matrix. */
typedef struct {
	double gram[PARTS_MAX][PARTS_MAX];
	double target[PARTS_MAX];
} normal_equations;

#define GAIN_MIN  1e-4 /* a round that takes off less than this share of the error is the last */
#define SCALE_MIN 1e-9 /* of the greatest scale: below that it would not show */

static const int8_t code_re[4] = {1, -1, 0, 0};
static const int8_t code_im[4] = {0, 0, 1, -1};

/* Where stage t keeps its codes and its weight. */
static unsigned shift_of(uint32_t t, bool of_w)
{
	return 2 * (t & 1) + (of_w ? 4 : 0);
}

static uint8_t *weight_of(kg_fairy_plane *plane, uint32_t t, bool of_w)
{
	if (of_w)
		return (t & 1) == 0 ? &plane->w0 : &plane->w1;
	return (t & 1) == 0 ? &plane->u0 : &plane->u1;
}

void kg_fairy_choices_init(kg_fairy_choices *choices, const kg_fairy *q)
{
	choices->count = 1u << (2 * q->stages);
	for (uint32_t x = 0; x < choices->count; x++) {
		double sum[4] = {0};

		for (uint32_t t = 0; t < q->stages; t++) {
			kg_fairy_plane plane = q->plane[t / 2];
			double unit = (double)plane.unit;
			unsigned c = x >> (2 * t) & 3;

			sum[0] += unit * *weight_of(&plane, t, false) * code_re[c];
			sum[1] += unit * *weight_of(&plane, t, false) * code_im[c];
			sum[2] += unit * *weight_of(&plane, t, true) * code_re[c];
			sum[3] += unit * *weight_of(&plane, t, true) * code_im[c];
		}
		memcpy(choices->u[x], sum, sizeof(choices->u[x]));
		memcpy(choices->w[x], sum + 2, sizeof(choices->w[x]));
	}
}

static uint32_t nearest(const double of[][2], uint32_t count, double re, double im)
{
	uint32_t best = 0;
	double least = DBL_MAX;

	for (uint32_t x = 0; x < count; x++) {
		double dr = of[x][0] - re;
		double di = of[x][1] - im;

		if (dr * dr + di * di < least) {
			least = dr * dr + di * di;
			best = x;
		}
	}
	return best;
}

static double cost(const double d[4], const double m[3])
{
	return m[0] * (d[0] * d[0] + d[2] * d[2]) + 2.0 * m[1] * (d[0] * d[1] + d[2] * d[3]) +
	       m[2] * (d[1] * d[1] + d[3] * d[3]);
}

/* What is left of `value` when U is `u` and W is `w`. */
static void left_of(double d[4], const double value[4], const double u[2], const double w[2])
{
	d[0] = value[0] - (u[0] + w[0]);
	d[1] = value[1] - (w[1] - u[1]);
	d[2] = value[2] - (u[1] + w[1]);
	d[3] = value[3] - (u[0] - w[0]);
}

/* The best U for a W, or the best W for a U. */
static uint32_t best_for(const kg_fairy_choices *c, const double value[4], const double metric[3],
			 uint32_t other, bool of_w)
{
	uint32_t best = 0;
	double least = DBL_MAX;

	for (uint32_t x = 0; x < c->count; x++) {
		double d[4];
		double now;

		left_of(d, value, c->u[of_w ? other : x], c->w[of_w ? x : other]);
		now = cost(d, metric);
		if (now < least) {
			least = now;
			best = x;
		}
	}
	return best;
}

void kg_fairy_choose(kg_fairy *q, const kg_fairy_choices *choices, uint32_t i, uint32_t j,
		     double value[4], const double metric[3])
{
	size_t at = (size_t)i * (q->cols / 2) + j;
	uint32_t u = nearest(choices->u, choices->count, (value[0] + value[3]) / 2.0,
			     (value[2] - value[1]) / 2.0);
	uint32_t w = nearest(choices->w, choices->count, (value[0] - value[3]) / 2.0,
			     (value[1] + value[2]) / 2.0);
	bool round = metric[1] == 0.0 && metric[0] == metric[2];
	double d[4];

	/* Where errors cost the same in every direction, U and W are independent. */
	for (int turn = 0; turn < TURNS_MAX && !round; turn++) {
		uint32_t u_now = best_for(choices, value, metric, w, false);
		uint32_t w_now = best_for(choices, value, metric, u_now, true);

		round = u_now == u && w_now == w;
		u = u_now;
		w = w_now;
	}
	left_of(d, value, choices->u[u], choices->w[w]);
	for (int k = 0; k < 4; k++)
		value[k] -= d[k];
	for (uint32_t p = 0; p < kg_fairy_plane_count(q->stages); p++)
		q->plane[p].code[at] = (uint8_t)((u >> (4 * p) & 15) | (w >> (4 * p) & 15) << 4);
}

/* Solves a x = b for symmetric positive a of n rows, in place; false where it is not. */
static bool solve(double a[][PARTS_MAX], double *b, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		if (!(a[k][k] > 0.0))
			return false;
		for (uint32_t i = k + 1; i < n; i++) {
			double f = a[i][k] / a[k][k];

			for (uint32_t j = k; j < n; j++)
				a[i][j] -= f * a[k][j];
			b[i] -= f * b[k];
		}
	}
	for (uint32_t k = n; k-- > 0;) {
		for (uint32_t j = k + 1; j < n; j++)
			b[k] -= a[k][j] * b[j];
		b[k] /= a[k][k];
	}
	return true;
}

/* With the ratios of the weights settled, units of least squares. */
static void solve_units(kg_fairy *q, const normal_equations *normal)
{
	uint32_t planes = kg_fairy_plane_count(q->stages);
	double a[PARTS_MAX][PARTS_MAX] = {{0}};
	double b[PARTS_MAX] = {0};

	for (uint32_t x = 0; x < 2u * q->stages; x++) {
		uint32_t s = x % q->stages;
		double first = *weight_of(&q->plane[s / 2], s, x >= q->stages);

		b[s / 2] += first * normal->target[x];
		for (uint32_t y = 0; y < 2u * q->stages; y++) {
			uint32_t t = y % q->stages;

			a[s / 2][t / 2] += first * normal->gram[x][y] *
					   *weight_of(&q->plane[t / 2], t, y >= q->stages);
		}
	}
	if (!solve(a, b, planes))
		return;
	for (uint32_t p = 0; p < planes; p++)
		if (isfinite((float)b[p]) && (float)b[p] > 0.0f)
			q->plane[p].unit = (float)b[p];
}

/* Weights and units of least squares; q is unchanged where there are none. */
static void solve_scales(kg_fairy *q, const normal_equations *normal)
{
	uint32_t parts = 2u * q->stages;
	normal_equations work = *normal;
	double greatest = 0.0;

	if (!solve(work.gram, work.target, parts))
		return;
	for (uint32_t x = 0; x < parts; x++)
		greatest = fmax(greatest, work.target[x]);
	if (!(greatest > 0.0) || !isfinite((float)greatest))
		return;
	for (uint32_t p = 0; p < kg_fairy_plane_count(q->stages); p++) {
		kg_fairy_plane *plane = &q->plane[p];
		float s[4] = {0};
		uint8_t weight[4];

		for (uint32_t t = 2 * p; t < q->stages && t < 2 * p + 2; t++) {
			double least = greatest * SCALE_MIN;

			s[t & 1] = (float)fmax(work.target[t], least);
			s[2 + (t & 1)] = (float)fmax(work.target[q->stages + t], least);
		}
		if (!isfinite(s[0] + s[1] + s[2] + s[3]) || !(s[0] + s[1] + s[2] + s[3] > 0.0f))
			return;
		plane->unit = kg_fairy_weights(weight, s);
		plane->u0 = weight[0];
		plane->u1 = weight[1];
		plane->w0 = weight[2];
		plane->w1 = weight[3];
	}
	solve_units(q, normal);
}

/* Complex U, or W, of position (i, j) of r. */
static void split(double out[2], const float *r, const kg_fairy *q, size_t i, size_t j, bool of_w)
{
	size_t m = q->cols / 2;
	const float *top = r + i * q->cols + j;
	const float *low = r + (i + q->rows / 2) * q->cols + j;
	double sign = of_w ? -1.0 : 1.0;

	out[0] = ((double)top[0] + sign * (double)low[m]) / 2.0;
	out[1] = ((double)low[0] - sign * (double)top[m]) / 2.0;
}

/* The normal equations where every weight counts the same: U and W do not meet. */
static void add_up(normal_equations *normal, const kg_fairy *q, const float *r)
{
	size_t m = q->cols / 2;

	*normal = (normal_equations){0};
	for (size_t k = 0; k < (size_t)(q->rows / 2) * m; k++)
		for (uint32_t of_w = 0; of_w < 2; of_w++) {
			double z[2];

			split(z, r, q, k / m, k % m, of_w != 0);
			for (uint32_t s = 0; s < q->stages; s++) {
				uint32_t x = of_w * q->stages + s;
				unsigned a = q->plane[s / 2].code[k] >> shift_of(s, of_w != 0) & 3;

				normal->target[x] += code_re[a] * z[0] + code_im[a] * z[1];
				for (uint32_t t = 0; t < q->stages; t++) {
					unsigned b =
						q->plane[t / 2].code[k] >> shift_of(t, of_w != 0) &
						3;

					normal->gram[x][of_w * q->stages + t] +=
						code_re[a] * code_re[b] + code_im[a] * code_im[b];
				}
			}
		}
}

/* Codes under the scales as they are; the squared error. */
static double choose_all(kg_fairy *q, const float *r)
{
	static const double round[3] = {1.0, 0.0, 1.0};
	size_t m = q->cols / 2;
	size_t n = q->rows / 2;
	kg_fairy_choices choices;
	double error = 0.0;

	kg_fairy_choices_init(&choices, q);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m; j++) {
			const float *top = r + i * q->cols + j;
			const float *low = top + n * q->cols;
			double value[4] = {(double)top[0], (double)top[m], (double)low[0],
					   (double)low[m]};

			kg_fairy_choose(q, &choices, (uint32_t)i, (uint32_t)j, value, round);
			value[0] -= (double)top[0];
			value[1] -= (double)top[m];
			value[2] -= (double)low[0];
			value[3] -= (double)low[m];
			error += cost(value, round);
		}
	return error;
}

kg_err kg_fairy_fit(kg_fairy *out, const float *r, uint32_t rows, uint32_t cols, uint32_t stages,
		    float *residual)
{
	kg_err err = kg_fairy_quantize(out, r, rows, cols, stages, residual);
	double error;

	if (err != KG_OK)
		return err;
	error = choose_all(out, r);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		kg_fairy before = *out; /* its codes are shared, but they follow from its scales */
		normal_equations normal;
		double now;

		add_up(&normal, out, r);
		solve_scales(out, &normal);
		now = choose_all(out, r);
		if (now >= error) {
			*out = before;
			(void)choose_all(out, r);
			break;
		}
		if (now > error * (1.0 - GAIN_MIN))
			break;
		error = now;
	}
	return KG_OK;
}
