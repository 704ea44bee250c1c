/* SPDX-License-Identifier: MIT */
#include "runtime/hessian.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 8 /* columns that are taken off the rest in one pass */ };

kg_err kg_hessian_init(kg_hessian *hessian, uint32_t cols)
{
	*hessian = (kg_hessian){.cols = cols};
	if (cols > KG_HESSIAN_COLS_MAX)
		return kg_fail(KG_EFULL, "a matrix of %u columns: calibration takes up to %d", cols,
			       KG_HESSIAN_COLS_MAX);
	hessian->sum = calloc((size_t)cols * cols, sizeof(double));
	hessian->held = calloc((size_t)cols * KG_HESSIAN_BATCH, sizeof(double));
	if (hessian->sum != NULL && hessian->held != NULL)
		return KG_OK;
	kg_hessian_release(hessian);
	return kg_fail(KG_ENOMEM, "no memory for the moments of %u inputs", cols);
}

void kg_hessian_release(kg_hessian *hessian)
{
	free(hessian->sum);
	free(hessian->held);
	*hessian = (kg_hessian){0};
}

uint64_t kg_hessian_bytes(uint32_t cols)
{
	return ((uint64_t)cols + KG_HESSIAN_BATCH) * cols * sizeof(double);
}

/* Vectors one after the other to every sum; four at a time only saves loads and stores. */
static void take_up(kg_hessian *h)
{
	size_t n = h->cols;
	uint32_t t = 0;

	/* What is missing to a four is zero and changes no sum. */
	memset(h->held + h->waiting * n, 0, (KG_HESSIAN_BATCH - h->waiting) * n * sizeof(double));
	for (size_t i = 0; i < n; i++) {
		double *restrict sum = h->sum + i * n;

		for (t = 0; t < h->waiting; t += 4) {
			const double *a = h->held + t * n;
			const double *b = a + n;
			const double *c = b + n;
			const double *d = c + n;
			double ai = a[i];
			double bi = b[i];
			double ci = c[i];
			double di = d[i];

			for (size_t j = i; j < n; j++)
				sum[j] = sum[j] + ai * a[j] + bi * b[j] + ci * c[j] + di * d[j];
		}
	}
	h->waiting = 0;
}

void kg_hessian_add(kg_hessian *hessian, const float *x)
{
	double *to = hessian->held + (size_t)hessian->waiting * hessian->cols;

	for (uint32_t i = 0; i < hessian->cols; i++)
		to[i] = (double)x[i];
	if (++hessian->waiting == KG_HESSIAN_BATCH)
		take_up(hessian);
}

/* A column, or two that belong together, and what it is sorted by. */
typedef struct {
	double moment;
	uint32_t column;
} place;

static int by_moment(const void *a, const void *b)
{
	const place *x = a;
	const place *y = b;

	if (x->moment > y->moment || x->moment < y->moment)
		return x->moment > y->moment ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

static void put_in_order(kg_factor *f, const kg_hessian *h, const uint32_t *column, place *room)
{
	uint32_t together = column == NULL ? 1 : 2;
	uint32_t count = f->cols / together;

	for (uint32_t c = 0; c < count; c++) {
		room[c] = (place){.column = c};
		for (uint32_t k = c; k < f->cols; k += count) {
			size_t at = column == NULL ? k : column[k];

			room[c].moment += h->sum[at * h->cols + at];
		}
	}
	qsort(room, count, sizeof(*room), by_moment);
	for (uint32_t c = 0; c < count; c++)
		for (uint32_t k = 0; k < together; k++)
			f->order[together * c + k] = room[c].column + k * count;
}

/* H in the order of the places, damped; upper triangle. */
static void arrange(kg_factor *f, const kg_hessian *h, const uint32_t *column, const int8_t *sign)
{
	size_t n = f->cols;
	double mean = 0.0;

	for (size_t i = 0; i < n; i++)
		mean += h->sum[i * n + i];
	mean /= (double)n;
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++) {
			size_t a = f->order[i];
			size_t b = f->order[j];
			double s = sign == NULL ? 1.0 : (double)(sign[a] * sign[b]);

			if (column != NULL) {
				a = column[a];
				b = column[b];
			}
			f->upper[i * n + j] = s * (a <= b ? h->sum[a * n + b] : h->sum[b * n + a]);
		}
	/* A layer that nothing ever entered has no moments; any weights do as well as others. */
	for (size_t i = 0; i < n; i++)
		f->upper[i * n + i] += mean > 0.0 ? KG_HESSIAN_DAMPING * mean : 1.0;
}

/* The columns low..high-1 of V, from what all columns behind them have been taken off. */
static bool factor_panel(double *a, size_t n, size_t low, size_t high)
{
	for (size_t j = high; j-- > low;) {
		double *row = a + j * n;
		double root;

		for (size_t i = 0; i <= j; i++) {
			double *at = a + i * n;

			for (size_t c = j + 1; c < high; c++)
				at[j] -= at[c] * row[c];
		}
		root = sqrt(row[j]);
		if (!(root > 0.0) || !isfinite(root))
			return false;
		row[j] = root;
		for (size_t i = 0; i < j; i++)
			a[i * n + j] /= root;
	}
	return true;
}

/* A = V V' in place, from the last column to the first. `panel` is room for PANEL columns. */
static bool factorize(double *a, size_t n, double *panel)
{
	for (size_t high = n; high > 0;) {
		size_t low = high > PANEL ? high - PANEL : 0;

		if (!factor_panel(a, n, low, high))
			return false;
		/* Here low is 0 or the panel is whole. */
		for (size_t k = 0; k < low; k++)
			for (size_t c = 0; c < PANEL; c++)
				panel[c * n + k] = a[k * n + low + c];
		for (size_t i = 0; i < low; i++) {
			double *restrict row = a + i * n;
			double v[PANEL];

			memcpy(v, row + low, sizeof(v));
			for (size_t k = i; k < low; k++) {
				double x = row[k];

				for (size_t c = 0; c < PANEL; c++)
					x -= v[c] * panel[c * n + k];
				row[k] = x;
			}
		}
		high = low;
	}
	return true;
}

kg_err kg_factor_init(kg_factor *factor, kg_hessian *hessian, const uint32_t *column,
		      const int8_t *sign)
{
	size_t n = hessian->cols;
	place *room = calloc(n, sizeof(*room));
	double *panel = calloc(n * PANEL, sizeof(*panel));
	kg_err err = KG_OK;

	*factor = (kg_factor){.cols = hessian->cols};
	factor->order = calloc(n, sizeof(*factor->order));
	factor->upper = calloc(n * n, sizeof(*factor->upper));
	if (room == NULL || panel == NULL || factor->order == NULL || factor->upper == NULL) {
		err = kg_fail(KG_ENOMEM, "no memory to factor the moments of %zu inputs", n);
		goto done;
	}
	if (hessian->waiting != 0)
		take_up(hessian);
	for (size_t i = 0; i < n && err == KG_OK; i++)
		if (!isfinite(hessian->sum[i * n + i]))
			err = kg_fail(KG_EINVAL, "the model's numbers overflow on the text");
	if (err != KG_OK)
		goto done;
	put_in_order(factor, hessian, column, room);
	arrange(factor, hessian, column, sign);
	if (!factorize(factor->upper, n, panel))
		err = kg_fail(KG_EINVAL, "the moments of %zu inputs have no factor", n);
done:
	free(room);
	free(panel);
	if (err != KG_OK)
		kg_factor_release(factor);
	return err;
}

void kg_factor_release(kg_factor *factor)
{
	free(factor->order);
	free(factor->upper);
	*factor = (kg_factor){0};
}
