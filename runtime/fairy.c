/* SPDX-License-Identifier: MIT */
#include "runtime/fairy.h"

#include <math.h>
#include <string.h>

#define SCALE_MIN 1e-6 /* the paper's clamp */

enum {
	ROWS = 4, /* that are added up side by side */
	RUN = 64, /* values coded at a time */
};

/* Real and imaginary part of each code. */
static const int8_t code_re[4] = {1, -1, 0, 0};
static const int8_t code_im[4] = {0, 0, 1, -1};

uint32_t kg_fairy_plane_count(uint32_t stages)
{
	return (stages + 1) / 2;
}

size_t kg_fairy_plane_size(uint32_t rows, uint32_t cols)
{
	return (size_t)(rows / 2) * (cols / 2);
}

uint8_t kg_fairy_phase(float re, float im)
{
	float d = re - im;
	float s = re + im;

	/* Angle in [-45, 45): d > 0, s >= 0; [45, 135): d <= 0, s > 0; [-135, -45): d >= 0, s < 0.
	 */
	if ((d > 0 && s >= 0) || (re == 0 && im == 0))
		return KG_CODE_PLUS_1;
	if (d <= 0 && s > 0)
		return KG_CODE_PLUS_I;
	if (d >= 0 && s < 0)
		return KG_CODE_MINUS_I;
	return KG_CODE_MINUS_1;
}

/* Splits r into U and W, in place of their layout: U at out[0..2nm), W at out[2nm..4nm), each as
 * a plane of real parts then a plane of imaginary parts. */
static void split(float *out, const float *r, size_t n, size_t m)
{
	size_t nm = n * m;
	size_t cols = 2 * m;

	for (size_t i = 0; i < n; i++) {
		const float *top = r + i * cols;
		const float *low = r + (i + n) * cols;

		for (size_t j = 0; j < m; j++) {
			float r11 = top[j];
			float r12 = top[j + m];
			float r21 = low[j];
			float r22 = low[j + m];
			float *at = out + i * m + j;

			at[0] = (r11 + r22) * 0.5f;
			at[nm] = (r21 - r12) * 0.5f;
			at[2 * nm] = (r11 - r22) * 0.5f;
			at[3 * nm] = (r12 + r21) * 0.5f;
		}
	}
}

/* kg_fairy_phase of `count` values into bits `shift` of code[]; magnitude[] gets the parts that the
 * codes stand for. Without branches, which half the values would take: the sectors exclude each
 * other. */
static void code_run(float *magnitude, uint8_t *code, unsigned shift, const float *re,
		     const float *im, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		float d = re[k] - im[k];
		float s = re[k] + im[k];
		int plus_1 = ((d > 0) & (s >= 0)) | ((re[k] == 0) & (im[k] == 0));
		int plus_i = (d <= 0) & (s > 0);
		int minus_i = (d >= 0) & (s < 0);
		int c = 1 - plus_1 + plus_i + 2 * minus_i;

		code[k] = (uint8_t)(code[k] | c << shift);
		magnitude[k] = (plus_i | minus_i) != 0 ? fabsf(im[k]) : fabsf(re[k]);
	}
}

/* The same for `rows` <= ROWS rows of m values; adds the sum of each row to `total`. The magnitudes
 * of a row are added one after the other, and then the rows, which is the written order; rows
 * beside each other hide how long an addition takes. */
static double code_rows(double total, uint8_t *code, unsigned shift, const float *re,
			const float *im, size_t m, size_t rows)
{
	float magnitude[ROWS][RUN] = {{0}};
	double sum[ROWS] = {0};

	for (size_t from = 0; from < m; from += RUN) {
		size_t count = m - from < RUN ? m - from : RUN;

		for (size_t r = 0; r < rows; r++)
			code_run(magnitude[r], code + r * m + from, shift, re + r * m + from,
				 im + r * m + from, count);
		for (size_t k = 0; k < count; k++)
			for (size_t r = 0; r < ROWS; r++)
				sum[r] += magnitude[r][k];
	}
	for (size_t r = 0; r < rows; r++)
		total += sum[r];
	return total;
}

/* Codes one stage of one complex n x m matrix into bits `shift` of code[], subtracts what is
 * coded, returns the scale. */
static float stage(uint8_t *code, unsigned shift, float *re, float *im, size_t n, size_t m)
{
	double total = 0.0;
	float scale;

	for (size_t i = 0; i < n; i += ROWS)
		total = code_rows(total, code + i * m, shift, re + i * m, im + i * m, m,
				  n - i < ROWS ? n - i : ROWS);
	total /= (double)(n * m);
	scale = (float)(total < SCALE_MIN ? SCALE_MIN : total);
	for (size_t k = 0; k < n * m; k++) {
		int c = code[k] >> shift & 3;

		/* code_re and code_im of c, without looking them up. */
		re[k] -= scale * (float)((c == KG_CODE_PLUS_1) - (c == KG_CODE_MINUS_1));
		im[k] -= scale * (float)((c == KG_CODE_PLUS_I) - (c == KG_CODE_MINUS_I));
	}
	return scale;
}

/* Weights for a unit of total / parts; returns the unit that fits them best, 0 when they have no
 * room. */
static double weigh(uint8_t weight[4], const float s[4], double total, int parts)
{
	double products = 0.0;
	double squares = 0.0;
	int sum = 0;

	for (int i = 0; i < 4; i++) {
		weight[i] = (uint8_t)((double)s[i] * parts / total + 0.5);
		if (s[i] > 0 && weight[i] == 0)
			weight[i] = 1;
		products += (double)s[i] * weight[i];
		squares += (double)weight[i] * weight[i];
		sum += weight[i];
	}
	return sum > KG_FAIRY_WEIGHT_SUM_MAX ? 0.0 : products / squares;
}

float kg_fairy_weights(uint8_t weight[4], const float s[4])
{
	double total = (double)s[0] + (double)s[1] + (double)s[2] + (double)s[3];
	double least = INFINITY;
	double best = 0.0;

	KG_ASSERT(isfinite(total) && total > 0.0);
	for (int parts = KG_FAIRY_WEIGHT_SUM_MAX; parts >= KG_FAIRY_WEIGHT_SUM_MAX / 2; parts--) {
		uint8_t w[4];
		double unit = weigh(w, s, total, parts);
		double error = 0.0;

		for (int i = 0; i < 4; i++)
			error += ((double)s[i] - unit * w[i]) * ((double)s[i] - unit * w[i]);
		if (unit > 0.0 && error < least) {
			least = error;
			best = unit;
			memcpy(weight, w, sizeof(w));
		}
	}
	return (float)best;
}

kg_err kg_fairy_quantize(kg_fairy *out, const float *r, uint32_t rows, uint32_t cols,
			 uint32_t stages, float *residual)
{
	size_t n = rows / 2;
	size_t m = cols / 2;
	size_t nm = n * m;

	if (rows == 0 || cols == 0 || rows % 2 != 0 || cols % 2 != 0)
		return kg_fail(KG_EINVAL,
			       "fairy: a %ux%u matrix cannot be paired: sizes must be even", rows,
			       cols);
	if (stages < 1 || stages > KG_FAIRY_STAGES_MAX)
		return kg_fail(KG_EINVAL, "fairy: %u stages: 1..3 are defined", stages);
	for (size_t k = 0; k < (size_t)rows * cols; k++)
		if (!isfinite(r[k]))
			return kg_fail(KG_EINVAL, "fairy: weight %zu is not finite", k);
	split(residual, r, n, m);
	out->rows = rows;
	out->cols = cols;
	out->stages = (uint8_t)stages;
	for (uint32_t p = 0; p < kg_fairy_plane_count(stages); p++) {
		kg_fairy_plane *plane = &out->plane[p];
		float s[4] = {0};
		uint8_t weight[4];

		memset(plane->code, 0, nm);
		for (uint32_t t = 2 * p; t < stages && t < 2 * p + 2; t++) {
			unsigned second = t & 1;

			s[second] = stage(plane->code, 2 * second, residual, residual + nm, n, m);
			s[2 + second] = stage(plane->code, 4 + 2 * second, residual + 2 * nm,
					      residual + 3 * nm, n, m);
		}
		/* Halves of finite weights may add up beyond float. */
		if (!isfinite(s[0] + s[1] + s[2] + s[3]))
			return kg_fail(KG_EINVAL, "fairy: the weights are too large for a scale");
		plane->unit = kg_fairy_weights(weight, s);
		plane->u0 = weight[0];
		plane->u1 = weight[1];
		plane->w0 = weight[2];
		plane->w1 = weight[3];
	}
	return KG_OK;
}

/* Adds unit * (the four integers of each block) of one plane into r. */
static void add_plane(float *r, const kg_fairy_plane *plane, size_t n, size_t m)
{
	int16_t ur[16];
	int16_t ui[16];
	int16_t wr[16];
	int16_t wi[16];
	size_t cols = 2 * m;

	for (unsigned x = 0; x < 16; x++) {
		ur[x] = (int16_t)(plane->u0 * code_re[x & 3] + plane->u1 * code_re[x >> 2]);
		ui[x] = (int16_t)(plane->u0 * code_im[x & 3] + plane->u1 * code_im[x >> 2]);
		wr[x] = (int16_t)(plane->w0 * code_re[x & 3] + plane->w1 * code_re[x >> 2]);
		wi[x] = (int16_t)(plane->w0 * code_im[x & 3] + plane->w1 * code_im[x >> 2]);
	}
	for (size_t i = 0; i < n; i++) {
		float *top = r + i * cols;
		float *low = r + (i + n) * cols;

		for (size_t j = 0; j < m; j++) {
			uint8_t u = plane->code[i * m + j] & 15;
			uint8_t w = plane->code[i * m + j] >> 4;

			top[j] += plane->unit * (float)(ur[u] + wr[w]);
			top[j + m] += plane->unit * (float)(wi[w] - ui[u]);
			low[j] += plane->unit * (float)(ui[u] + wi[w]);
			low[j + m] += plane->unit * (float)(ur[u] - wr[w]);
		}
	}
}

void kg_fairy_dequantize(float *r, const kg_fairy *q)
{
	memset(r, 0, (size_t)q->rows * q->cols * sizeof(*r));
	for (uint32_t p = 0; p < kg_fairy_plane_count(q->stages); p++)
		add_plane(r, &q->plane[p], q->rows / 2, q->cols / 2);
}

size_t kg_pairing_size(uint32_t rows, uint32_t cols)
{
	return ((size_t)rows + cols) * (sizeof(uint32_t) + sizeof(int8_t));
}

static uint64_t fnv1a(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ULL;
	return h;
}

void kg_pairing_init(kg_pairing *pairing, void *storage, uint32_t rows, uint32_t cols,
		     const uint8_t *seed, const char *name)
{
	kg_rng rng;

	pairing->rows = rows;
	pairing->cols = cols;
	pairing->row = storage;
	pairing->col = pairing->row + rows;
	pairing->row_sign = (int8_t *)(pairing->col + cols);
	pairing->col_sign = pairing->row_sign + rows;
	if (seed == NULL) {
		for (uint32_t i = 0; i < rows; i++)
			pairing->row[i] = i;
		for (uint32_t j = 0; j < cols; j++)
			pairing->col[j] = j;
		memset(pairing->row_sign, 1, (size_t)rows + cols);
		return;
	}
	kg_rng_init(&rng, seed, fnv1a(name));
	kg_rng_permutation(&rng, pairing->row, rows);
	kg_rng_permutation(&rng, pairing->col, cols);
	kg_rng_signs(&rng, pairing->row_sign, rows);
	kg_rng_signs(&rng, pairing->col_sign, cols);
}

void kg_pairing_apply(const kg_pairing *pairing, float *paired, const float *r)
{
	for (uint32_t i = 0; i < pairing->rows; i++) {
		const float *from = r + (size_t)pairing->row[i] * pairing->cols;
		float *to = paired + (size_t)i * pairing->cols;

		for (uint32_t j = 0; j < pairing->cols; j++)
			to[j] = (float)(pairing->row_sign[i] * pairing->col_sign[j]) *
				from[pairing->col[j]];
	}
}

void kg_pairing_undo(const kg_pairing *pairing, float *r, const float *paired)
{
	for (uint32_t i = 0; i < pairing->rows; i++) {
		float *to = r + (size_t)pairing->row[i] * pairing->cols;
		const float *from = paired + (size_t)i * pairing->cols;

		for (uint32_t j = 0; j < pairing->cols; j++)
			to[pairing->col[j]] =
				(float)(pairing->row_sign[i] * pairing->col_sign[j]) * from[j];
	}
}
