/* SPDX-License-Identifier: MIT */
#include "runtime/coded_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/half.h"

enum { ROUNDS_MAX = 300 };

static int ascending(const void *a, const void *b)
{
	const float *x = a;
	const float *y = b;

	return (*x > *y) - (*x < *y);
}

static kg_err to_half(uint16_t *out, double value)
{
	*out = kg_half_from_float((float)value);
	if ((*out & 0x7c00) == 0x7c00)
		return kg_fail(KG_EINVAL, "a scale of %g is beyond half floats", value);
	return KG_OK;
}

/* Not below `value`, so that an integer grid reaches it. */
static kg_err to_half_up(uint16_t *out, float value)
{
	kg_err err = to_half(out, (double)value);

	if (err == KG_OK && kg_half_to_float(*out) < value)
		err = to_half(out, (double)kg_half_to_float((uint16_t)(*out + 1)));
	return err;
}

static kg_err fit_int4(kg_coded *coded, const float *r)
{
	for (uint32_t i = 0; i < coded->rows; i++)
		for (uint32_t j = 0; j < coded->cols;) {
			uint16_t *scale = kg_coded_scale(coded, i, j);
			float extreme = 0.0f;
			kg_err err;

			do {
				float w = r[(size_t)i * coded->cols + j];

				if (fabsf(w) > fabsf(extreme))
					extreme = w;
			} while (++j < coded->cols && j % KG_CODED_GROUP != 0);
			err = to_half(scale, (double)extreme / -8.0);
			if (err != KG_OK)
				return err;
		}
	return KG_OK;
}

/*
 * The scale of least error of a row whose codes are `small` or `large` times a sign: with the k
 * greatest magnitudes large, s = <|w|, c> / <c, c> takes <|w|, c>^2 / <c, c> off the squared error,
 * and no other choice of k of them takes more. `sorted` is room for the row.
 */
static double best_scale(float *sorted, const float *row, uint32_t n, double small, double large)
{
	double product = 0.0;
	double square = small * small * (double)n;
	double best = 0.0;
	double scale = 0.0;

	for (uint32_t j = 0; j < n; j++)
		sorted[j] = fabsf(row[j]);
	qsort(sorted, n, sizeof(*sorted), ascending);
	for (uint32_t j = 0; j < n; j++)
		product += small * (double)sorted[j];
	for (uint32_t k = n;; k--) {
		if (square > 0.0 && product * product > best * square) {
			best = product * product / square;
			scale = product / square;
		}
		if (k == 0)
			return scale;
		product += (large - small) * (double)sorted[k - 1];
		square += large * large - small * small;
	}
}

static kg_err fit_rows(kg_coded *coded, const float *r, double small, double large)
{
	float *sorted = malloc(coded->cols * sizeof(*sorted));
	kg_err err = KG_OK;

	if (sorted == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a row");
	for (uint32_t i = 0; i < coded->rows && err == KG_OK; i++)
		err = to_half(&coded->scale[i], best_scale(sorted, r + (size_t)i * coded->cols,
							   coded->cols, small, large));
	free(sorted);
	return err;
}

/* Values in order with the sums before each, and where the clusters begin. */
typedef struct {
	float *sorted;
	double *before;
	size_t n;
	size_t begin[257];
	double center[256];
} clusters;

/* The first value that belongs above `border`. */
static size_t first_above(const clusters *c, double border)
{
	size_t low = 0;
	size_t high = c->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((double)c->sorted[middle] <= border)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void lloyd(clusters *c, unsigned k)
{
	for (unsigned i = 0; i < k; i++) {
		c->center[i] = (double)c->sorted[(2 * (size_t)i + 1) * c->n / (2 * (size_t)k)];
		c->begin[i] = 0;
	}
	c->begin[k] = c->n;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		bool moved = round == 0;

		for (unsigned i = 1; i < k; i++) {
			size_t at = first_above(c, (c->center[i - 1] + c->center[i]) / 2.0);

			moved |= at != c->begin[i];
			c->begin[i] = at;
		}
		if (!moved)
			return;
		for (unsigned i = 0; i < k; i++) {
			size_t count = c->begin[i + 1] - c->begin[i];

			if (count != 0)
				c->center[i] =
					(c->before[c->begin[i + 1]] - c->before[c->begin[i]]) /
					(double)count;
		}
	}
}

/* Centers as integers up to `max` in units of the scale. */
static kg_err put_palette(const clusters *c, uint16_t *scale, int8_t *palette, unsigned k, int max)
{
	double greatest = fmax(fabs(c->center[0]), fabs(c->center[k - 1]));
	kg_err err = to_half_up(scale, (float)greatest);
	double unit = (double)kg_half_to_float(*scale) / (double)max;

	for (unsigned i = 0; i < k && err == KG_OK; i++) {
		int entry = unit == 0.0 ? 0 : (int)rint(c->center[i] / unit);

		entry = entry > max ? max : entry < -max ? -max : entry;
		if (max == KG_CODED_WIDE_MAX) {
			int low = ((entry + 64) & (KG_CODED_HIGH - 1)) - 64;

			palette[i] = (int8_t)((entry - low) / KG_CODED_HIGH);
			palette[256 + i] = (int8_t)low;
		} else {
			palette[i] = (int8_t)entry;
		}
	}
	return err;
}

/* One palette of k entries for every `n` values. */
static kg_err fit_palettes(kg_coded *coded, const float *r, size_t n, unsigned k, int max)
{
	size_t parts = (size_t)coded->rows * coded->cols / n;
	clusters *c = malloc(sizeof(*c));
	float *sorted = malloc(n * sizeof(*sorted));
	double *before = malloc((n + 1) * sizeof(*before));
	kg_err err = KG_OK;

	if (c == NULL || sorted == NULL || before == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for a palette of %zu values", n);
	for (size_t p = 0; p < parts && err == KG_OK; p++) {
		memcpy(sorted, r + p * n, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), ascending);
		before[0] = 0.0;
		for (size_t j = 0; j < n; j++)
			before[j + 1] = before[j] + (double)sorted[j];
		c->sorted = sorted;
		c->before = before;
		c->n = n;
		lloyd(c, k);
		err = put_palette(c, &coded->scale[p], coded->palette + p * k, k, max);
	}
	free(c);
	free(sorted);
	free(before);
	return err;
}

kg_err kg_coded__fit(kg_coded *coded, const float *r)
{
	size_t all = (size_t)coded->rows * coded->cols;

	switch (coded->format) {
	case KG_FORMAT_INT4:
		return fit_int4(coded, r);
	case KG_FORMAT_INT2:
		return fit_rows(coded, r, 1.0, 3.0);
	case KG_FORMAT_TERNARY:
		return fit_rows(coded, r, 0.0, 1.0);
	case KG_FORMAT_PALETTE4:
		return fit_palettes(coded, r, coded->cols, 4, 127);
	case KG_FORMAT_PALETTE16:
		return fit_palettes(coded, r, all, 16, 127);
	default:
		return fit_palettes(coded, r, all, 256, KG_CODED_WIDE_MAX);
	}
}
