/* SPDX-License-Identifier: MIT */
#include "runtime/coded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/coded_fit.h"
#include "runtime/half.h"

enum { STORAGE_ALIGNMENT = 64 };

kg_lines_kind kg_coded_kind(kg_format format)
{
	switch (format) {
	case KG_FORMAT_INT4:
		return KG_LINES_INT4;
	case KG_FORMAT_INT2:
		return KG_LINES_INT2;
	case KG_FORMAT_TERNARY:
		return KG_LINES_TERNARY;
	case KG_FORMAT_PALETTE4:
		return KG_LINES_PALETTE4;
	case KG_FORMAT_PALETTE16:
		return KG_LINES_PALETTE16;
	default:
		KG_ASSERT(format == KG_FORMAT_PALETTE256);
		return KG_LINES_PALETTE256;
	}
}

kg_lines kg_coded_lines(kg_format format, uint32_t rows, uint32_t cols)
{
	return kg_lines_of(kg_coded_kind(format), rows, cols);
}

static kg_lines lines_of(const kg_coded *coded)
{
	return kg_coded_lines(coded->format, coded->rows, coded->cols);
}

static uint32_t padded(uint32_t rows)
{
	return (rows + KG_TILE_ROWS - 1) / KG_TILE_ROWS * KG_TILE_ROWS;
}

static uint32_t groups_of(uint32_t cols)
{
	return (cols + KG_CODED_GROUP - 1) / KG_CODED_GROUP;
}

/* One scale for the whole matrix. */
static bool has_one_scale(kg_format format)
{
	return format == KG_FORMAT_PALETTE16 || format == KG_FORMAT_PALETTE256;
}

size_t kg_coded_scales(kg_format format, uint32_t rows, uint32_t cols)
{
	if (has_one_scale(format))
		return 1;
	return format == KG_FORMAT_INT4 ? (size_t)padded(rows) * groups_of(cols) : rows;
}

uint16_t *kg_coded_scale(const kg_coded *coded, uint32_t row, uint32_t col)
{
	size_t tile = row / KG_TILE_ROWS;

	if (has_one_scale(coded->format))
		return coded->scale;
	if (coded->format != KG_FORMAT_INT4)
		return coded->scale + row;
	return coded->scale +
	       (tile * groups_of(coded->cols) + col / KG_CODED_GROUP) * KG_TILE_ROWS +
	       row % KG_TILE_ROWS;
}

size_t kg_coded_palette(kg_format format, uint32_t rows)
{
	switch (format) {
	case KG_FORMAT_PALETTE4:
		return 4 * (size_t)padded(rows);
	case KG_FORMAT_PALETTE16:
		return 16;
	case KG_FORMAT_PALETTE256:
		return (size_t)2 * 256;
	default:
		return 0;
	}
}

size_t kg_coded_size(kg_format format, uint32_t rows, uint32_t cols)
{
	kg_lines lines = kg_coded_lines(format, rows, cols);
	size_t size = kg_lines_size(&lines) + kg_coded_palette(format, rows) +
		      kg_coded_scales(format, rows, cols) * sizeof(uint16_t);

	return (size + STORAGE_ALIGNMENT - 1) / STORAGE_ALIGNMENT * STORAGE_ALIGNMENT;
}

void kg_coded_init(kg_coded *coded, void *storage, kg_format format, uint32_t rows, uint32_t cols)
{
	kg_lines lines = kg_coded_lines(format, rows, cols);
	int8_t *palette = (int8_t *)storage + kg_lines_size(&lines);
	size_t palette_size = kg_coded_palette(format, rows); /* even */

	memset(storage, 0, kg_coded_size(format, rows, cols));
	*coded = (kg_coded){.format = format,
			    .rows = rows,
			    .cols = cols,
			    .line = storage,
			    .scale = (uint16_t *)(void *)(palette + palette_size),
			    .palette = palette_size == 0 ? NULL : palette};
}

float kg_coded_unit(const kg_coded *coded, uint32_t row, uint32_t col)
{
	float scale = kg_half_to_float(*kg_coded_scale(coded, row, col));

	switch (coded->format) {
	case KG_FORMAT_PALETTE4:
	case KG_FORMAT_PALETTE16:
		return scale / 127.0f;
	case KG_FORMAT_PALETTE256:
		return scale / (float)KG_CODED_WIDE_MAX;
	default:
		return scale;
	}
}

/* The integer of a code. */
static int integer(const kg_coded *coded, uint32_t row, uint8_t code)
{
	switch (coded->format) {
	case KG_FORMAT_INT4:
		return code - 8;
	case KG_FORMAT_INT2:
		return 2 * code - 3;
	case KG_FORMAT_TERNARY:
		return code - 1;
	case KG_FORMAT_PALETTE4:
		return coded->palette[4 * (size_t)row + code];
	case KG_FORMAT_PALETTE16:
		return coded->palette[code];
	default:
		return KG_CODED_HIGH * coded->palette[code] + coded->palette[256 + code];
	}
}

float kg_coded_value(const kg_coded *coded, uint32_t row, uint32_t col, uint8_t code)
{
	return (float)integer(coded, row, code) * kg_coded_unit(coded, row, col);
}

/* Of a palette. */
static int entries_of(kg_format format)
{
	if (format == KG_FORMAT_PALETTE4)
		return 4;
	return format == KG_FORMAT_PALETTE16 ? 16 : 256;
}

/* The entry nearest to x, the lower of two; entries ascend. */
static uint8_t nearest_entry(const float *entry, unsigned count, float x)
{
	unsigned low = 0;

	/* The first entry that is not below x, or the last one. */
	for (unsigned step = count / 2; step != 0; step /= 2)
		low += entry[low + step - 1] < x ? step : 0;
	if (low > 0 && x - entry[low - 1] <= entry[low] - x)
		low--;
	return (uint8_t)low;
}

static void nearest_entries(const kg_coded *coded, uint32_t row, uint8_t *codes, const float *value,
			    uint32_t n, float unit)
{
	unsigned count = (unsigned)entries_of(coded->format);
	float entry[256];

	for (unsigned c = 0; c < count; c++)
		entry[c] = (float)integer(coded, row, (uint8_t)c);
	for (uint32_t j = 0; j < n; j++)
		codes[j] = nearest_entry(entry, count, value[j] / unit);
}

/* Added and taken away again, a small float is rounded half to even, by the addition. */
static const float half_to_even = 12582912.0f; /* 3 * 2^22 */

/* The codes nearest to `n` values of a row from `col` on, which share a unit. */
static void nearest(const kg_coded *coded, uint32_t row, uint32_t col, uint8_t *codes,
		    const float *value, uint32_t n)
{
	float unit = kg_coded_unit(coded, row, col);

	if (unit == 0.0f)
		unit = INFINITY; /* everything is nearest to what stands for 0 */
	switch (coded->format) {
	case KG_FORMAT_INT4:
		for (uint32_t j = 0; j < n; j++) {
			float x = value[j] / unit;

			x = x > -8.0f ? x : -8.0f;
			x = x < 7.0f ? x : 7.0f;
			codes[j] = (uint8_t)(int)((x + half_to_even) - half_to_even + 8.0f);
		}
		break;
	case KG_FORMAT_INT2:
		for (uint32_t j = 0; j < n; j++) {
			float x = value[j] / unit;

			codes[j] = (uint8_t)(2 - (x < 0.0f) - (x < -2.0f) + (x > 2.0f));
		}
		break;
	case KG_FORMAT_TERNARY:
		for (uint32_t j = 0; j < n; j++) {
			float x = value[j] / unit;

			codes[j] = (uint8_t)(1 + (x > 0.5f) - (x < -0.5f));
		}
		break;
	default:
		nearest_entries(coded, row, codes, value, n, unit);
	}
}

uint8_t kg_coded_nearest(const kg_coded *coded, uint32_t row, uint32_t col, float value)
{
	uint8_t code;

	nearest(coded, row, col, &code, &value, 1);
	return code;
}

void kg_coded_pack(kg_coded *coded, uint32_t row, const uint8_t *codes)
{
	kg_lines lines = lines_of(coded);

	kg_lines_pack(&lines, coded->line, row, codes);
}

void kg_coded_unpack(const kg_coded *coded, uint32_t row, uint8_t *codes)
{
	kg_lines lines = lines_of(coded);

	kg_lines_unpack(&lines, coded->line, row, codes);
}

kg_err kg_coded_fit(kg_coded *coded, const float *r)
{
	for (size_t k = 0; k < (size_t)coded->rows * coded->cols; k++)
		if (!isfinite(r[k]))
			return kg_fail(KG_EINVAL, "weight %zu is not finite", k);
	return kg_coded__fit(coded, r);
}

kg_err kg_coded_quantize(kg_coded *coded, const float *r)
{
	uint32_t run = coded->format == KG_FORMAT_INT4 ? KG_CODED_GROUP : coded->cols;
	uint8_t *codes;
	kg_err err = kg_coded_fit(coded, r);

	if (err != KG_OK)
		return err;
	codes = malloc(coded->cols);
	if (codes == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a row of codes");
	for (uint32_t i = 0; i < coded->rows; i++) {
		const float *row = r + (size_t)i * coded->cols;

		for (uint32_t j = 0; j < coded->cols; j += run) {
			uint32_t left = coded->cols - j;

			nearest(coded, i, j, codes + j, row + j, left < run ? left : run);
		}
		kg_coded_pack(coded, i, codes);
	}
	free(codes);
	return KG_OK;
}

/* Codes that are some, and nothing in the padding. */
static bool codes_good(const kg_coded *coded)
{
	kg_lines lines = lines_of(coded);
	size_t size = kg_lines_size(&lines);
	uint8_t threes = 0;

	if (coded->format == KG_FORMAT_TERNARY)
		for (size_t i = 0; i < size; i++)
			threes |= (uint8_t)(coded->line[i] & coded->line[i] >> 1);
	return (threes & 0x55) == 0 && kg_lines_padded(&lines, coded->line);
}

/* Finite, not negative but for int4, and 0 for rows that only fill a tile. */
static bool scales_good(const kg_coded *coded)
{
	size_t scales = kg_coded_scales(coded->format, coded->rows, coded->cols);
	unsigned bad = 0;

	if (coded->format != KG_FORMAT_INT4) {
		for (size_t k = 0; k < scales; k++)
			bad |= coded->scale[k] > 0x8000;
	} else {
		for (uint32_t i = coded->rows; i < padded(coded->rows); i++)
			for (uint32_t j = 0; j < coded->cols; j += KG_CODED_GROUP)
				bad |= *kg_coded_scale(coded, i, j) != 0;
	}
	for (size_t k = 0; k < scales; k++)
		bad |= (coded->scale[k] & 0x7c00) == 0x7c00;
	return bad == 0;
}

static bool palette_good(const kg_coded *coded)
{
	size_t size = kg_coded_palette(coded->format, coded->rows);
	int count = entries_of(coded->format);
	uint32_t palettes = coded->format == KG_FORMAT_PALETTE4 ? coded->rows : 1;

	for (size_t k = 0; k < size; k++)
		if (coded->palette[k] == -128)
			return false;
	for (size_t k = 256; k < size && coded->format == KG_FORMAT_PALETTE256; k++)
		if (coded->palette[k] < -64 || coded->palette[k] > 63)
			return false;
	for (size_t k = 4 * (size_t)coded->rows; k < size && coded->format == KG_FORMAT_PALETTE4;
	     k++)
		if (coded->palette[k] != 0)
			return false;
	for (uint32_t i = 0; i < palettes; i++)
		for (int c = 1; c < count; c++)
			if (integer(coded, i, (uint8_t)(c - 1)) > integer(coded, i, (uint8_t)c))
				return false;
	return true;
}

kg_err kg_coded_check(const kg_coded *coded)
{
	if (!scales_good(coded))
		return kg_fail(KG_ECORRUPT, "a scale is negative, not finite or of no row");
	if (!codes_good(coded))
		return kg_fail(KG_ECORRUPT, "a code is none, or the padding is not zero");
	if (coded->palette != NULL && !palette_good(coded))
		return kg_fail(KG_ECORRUPT, "a palette is out of its range or order");
	return KG_OK;
}

void kg_coded_integers(const kg_coded *coded, uint32_t row, int8_t *low, int8_t *high)
{
	uint8_t *codes = (uint8_t *)low;

	KG_ASSERT((high != NULL) == (coded->format == KG_FORMAT_PALETTE256));
	kg_coded_unpack(coded, row, codes);
	for (uint32_t j = 0; j < coded->cols; j++) {
		uint8_t code = codes[j];

		if (high != NULL) {
			high[j] = coded->palette[code];
			low[j] = coded->palette[256 + code];
		} else {
			low[j] = (int8_t)integer(coded, row, code);
		}
	}
}

void kg_coded_dequantize(float *r, const kg_coded *coded)
{
	for (uint32_t i = 0; i < coded->rows; i++) {
		float *row = r + (size_t)i * coded->cols;
		/* A row of floats has room for its codes; they are read from the end. */
		uint8_t *codes = (uint8_t *)row;

		kg_coded_unpack(coded, i, codes);
		for (uint32_t j = coded->cols; j-- > 0;)
			row[j] = kg_coded_value(coded, i, j, codes[j]);
	}
}
