/* SPDX-License-Identifier: MIT */
#include "runtime/coded_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/half.h"

enum { ROUNDS_MAX = 300 };

enum { DIGIT_MAX = 11, MANY = 1 << 14 };

/* Bits whose order is that of the floats: negative ones turned round, the others above them. */
static uint32_t key_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits >> 31 != 0 ? ~bits : bits | UINT32_C(1) << 31;
}

static float value_of(uint32_t key)
{
	uint32_t bits = key >> 31 != 0 ? key & ~(UINT32_C(1) << 31) : ~key;
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* One round of a radix sort, by the `digit` bits at `shift`. */
static void sort_round(uint32_t *to, const uint32_t *from, size_t n, unsigned shift, unsigned digit)
{
	size_t begin[1 << DIGIT_MAX];
	uint32_t mask = (UINT32_C(1) << digit) - 1;
	size_t at = 0;

	memset(begin, 0, (mask + 1) * sizeof(*begin));
	for (size_t i = 0; i < n; i++)
		begin[from[i] >> shift & mask]++;
	for (uint32_t d = 0; d <= mask; d++) {
		size_t count = begin[d];

		begin[d] = at;
		at += count;
	}
	for (size_t i = 0; i < n; i++)
		to[begin[from[i] >> shift & mask]++] = from[i];
}

/* Ascending; none is NaN. `room` for twice as many keys. Comparing them took most of the time that
 * quantizing takes. */
static void sort(float *values, uint32_t *room, size_t n)
{
	unsigned digit = n < MANY ? 8 : DIGIT_MAX;
	uint32_t *from = room;
	uint32_t *to = room + n;

	for (size_t i = 0; i < n; i++)
		from[i] = key_of(values[i]);
	for (unsigned shift = 0; shift < 32; shift += digit) {
		uint32_t *swap = from;

		sort_round(to, from, n, shift, digit);
		from = to;
		to = swap;
	}
	for (size_t i = 0; i < n; i++)
		values[i] = value_of(from[i]);
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
 * and no other choice of k of them takes more. `sorted` is room for the
 * row, `room` for sorting it.
 */
static double best_scale(float *sorted, uint32_t *room, const float *row, uint32_t n, double small,
			 double large)
{
	double product = 0.0;
	double square = small * small * (double)n;
	double best = 0.0;
	double scale = 0.0;

	for (uint32_t j = 0; j < n; j++)
		sorted[j] = fabsf(row[j]);
	sort(sorted, room, n);
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
	uint32_t *room = malloc(2 * (size_t)coded->cols * sizeof(*room));
	kg_err err = KG_OK;

	if (sorted == NULL || room == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for a row");
	for (uint32_t i = 0; i < coded->rows && err == KG_OK; i++)
		err = to_half(&coded->scale[i],
			      best_scale(sorted, room, r + (size_t)i * coded->cols, coded->cols,
					 small, large));
	free(sorted);
	free(room);
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

/*
 * Where the centers begin. Of many clusters those err least that lie as dense as the cube root of
 * the values' density; a gap between neighbours is one over that density, so that gap^(2/3) adds up
 * to what each cluster is to have as much of. gap^(5/8) begins as well, and roots are exact
 * everywhere.
 */
static double spread(const clusters *c, size_t j)
{
	double root = sqrt((double)c->sorted[j] - (double)c->sorted[j - 1]);

	return root * sqrt(sqrt(root));
}

static void begin(clusters *c, unsigned k)
{
	double total = 0.0;
	double sum = 0.0;
	unsigned i = 0;

	for (size_t j = 1; j < c->n; j++)
		total += spread(c, j);
	for (size_t j = 1; j < c->n; j++) {
		sum += spread(c, j);
		for (; i < k && 2.0 * k * sum >= (2.0 * i + 1.0) * total; i++)
			c->center[i] = ((double)c->sorted[j - 1] + (double)c->sorted[j]) / 2.0;
	}
	for (; i < k; i++)
		c->center[i] = (double)c->sorted[c->n - 1];
	for (i = 0; i < k; i++)
		c->begin[i] = 0;
}

static void lloyd(clusters *c, unsigned k)
{
	begin(c, k);
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
	uint32_t *room = malloc(2 * n * sizeof(*room));
	kg_err err = KG_OK;

	if (c == NULL || sorted == NULL || before == NULL || room == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for a palette of %zu values", n);
	for (size_t p = 0; p < parts && err == KG_OK; p++) {
		memcpy(sorted, r + p * n, n * sizeof(*sorted));
		sort(sorted, room, n);
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
	free(room);
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
