/* SPDX-License-Identifier: MIT */
#include "runtime/coded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/coded_fit.h"
#include "runtime/half.h"

enum { TRITS = 5, TRIT_BYTES = 243 /* 3^5 */ };

/* Bits of a code; 0 for ternary, which packs in another way. */
static unsigned bits_of(kg_format format)
{
	switch (format) {
	case KG_FORMAT_INT4:
	case KG_FORMAT_PALETTE16:
		return 4;
	case KG_FORMAT_INT2:
	case KG_FORMAT_PALETTE4:
		return 2;
	case KG_FORMAT_PALETTE256:
		return 8;
	default:
		return 0;
	}
}

size_t kg_coded_row_bytes(kg_format format, uint32_t cols)
{
	if (format == KG_FORMAT_TERNARY)
		return ((size_t)cols + TRITS - 1) / TRITS;
	return ((size_t)cols * bits_of(format) + 7) / 8;
}

uint32_t kg_coded_row_scales(kg_format format, uint32_t cols)
{
	if (format == KG_FORMAT_PALETTE16 || format == KG_FORMAT_PALETTE256)
		return 0;
	return format == KG_FORMAT_INT4 ? (cols + KG_CODED_GROUP - 1) / KG_CODED_GROUP : 1;
}

size_t kg_coded_scales(kg_format format, uint32_t rows, uint32_t cols)
{
	uint32_t per_row = kg_coded_row_scales(format, cols);

	return per_row == 0 ? 1 : (size_t)rows * per_row;
}

size_t kg_coded_palette(kg_format format, uint32_t rows)
{
	switch (format) {
	case KG_FORMAT_PALETTE4:
		return 4 * (size_t)rows;
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
	return kg_coded_scales(format, rows, cols) * sizeof(uint16_t) +
	       kg_coded_palette(format, rows) + kg_coded_row_bytes(format, cols) * rows;
}

void kg_coded_init(kg_coded *coded, void *storage, kg_format format, uint32_t rows, uint32_t cols)
{
	uint16_t *scale = storage;
	int8_t *palette = (int8_t *)(scale + kg_coded_scales(format, rows, cols));
	size_t palette_size = kg_coded_palette(format, rows);

	*coded = (kg_coded){.format = format,
			    .rows = rows,
			    .cols = cols,
			    .code = (uint8_t *)palette + palette_size,
			    .scale = scale,
			    .palette = palette_size == 0 ? NULL : palette};
}

float kg_coded_unit(const kg_coded *coded, uint32_t row, uint32_t col)
{
	switch (coded->format) {
	case KG_FORMAT_INT4: {
		uint32_t groups = kg_coded_row_scales(KG_FORMAT_INT4, coded->cols);

		return kg_half_to_float(coded->scale[(size_t)row * groups + col / KG_CODED_GROUP]);
	}
	case KG_FORMAT_PALETTE4:
		return kg_half_to_float(coded->scale[row]) / 127.0f;
	case KG_FORMAT_PALETTE16:
		return kg_half_to_float(coded->scale[0]) / 127.0f;
	case KG_FORMAT_PALETTE256:
		return kg_half_to_float(coded->scale[0]) / (float)KG_CODED_WIDE_MAX;
	default:
		return kg_half_to_float(coded->scale[row]);
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

/* The entry nearest to x, the lower of two; entries ascend. */
static uint8_t nearest_entry(const kg_coded *coded, uint32_t row, float x)
{
	int count = 1 << bits_of(coded->format);
	int low = 0;
	int high = count - 1;

	/* The first entry that is not below x, or the last one. */
	while (low < high) {
		int middle = (low + high) / 2;

		if ((float)integer(coded, row, (uint8_t)middle) < x)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0 && x - (float)integer(coded, row, (uint8_t)(low - 1)) <=
			       (float)integer(coded, row, (uint8_t)low) - x)
		low--;
	return (uint8_t)low;
}

uint8_t kg_coded_nearest(const kg_coded *coded, uint32_t row, uint32_t col, float value)
{
	float unit = kg_coded_unit(coded, row, col);
	float x = unit == 0.0f ? 0.0f : value / unit;

	switch (coded->format) {
	case KG_FORMAT_INT4:
		return (uint8_t)(fminf(fmaxf(rintf(x), -8.0f), 7.0f) + 8.0f);
	case KG_FORMAT_INT2:
		if (x < 0.0f)
			return x < -2.0f ? 0 : 1;
		return x > 2.0f ? 3 : 2;
	case KG_FORMAT_TERNARY:
		return (uint8_t)(1 + (x > 0.5f) - (x < -0.5f));
	default:
		return nearest_entry(coded, row, x);
	}
}

void kg_coded_pack(kg_coded *coded, uint32_t row, const uint8_t *codes)
{
	size_t bytes = kg_coded_row_bytes(coded->format, coded->cols);
	unsigned bits = bits_of(coded->format);
	uint8_t *to = coded->code + row * bytes;

	memset(to, 0, bytes);
	if (bits != 0) {
		for (size_t j = 0; j < coded->cols; j++)
			to[j * bits / 8] |= (uint8_t)(codes[j] << j * bits % 8);
		return;
	}
	for (size_t b = 0; b < bytes; b++) {
		unsigned digits = 0;

		for (size_t k = TRITS; k-- > 0;) {
			size_t j = b * TRITS + k;

			digits = 3 * digits + (j < coded->cols ? codes[j] : 0);
		}
		to[b] = (uint8_t)digits;
	}
}

void kg_coded_unpack(const kg_coded *coded, uint32_t row, uint8_t *codes)
{
	size_t bytes = kg_coded_row_bytes(coded->format, coded->cols);
	unsigned bits = bits_of(coded->format);
	const uint8_t *from = coded->code + row * bytes;

	if (bits != 0) {
		unsigned mask = (1U << bits) - 1;

		for (size_t j = 0; j < coded->cols; j++)
			codes[j] = (uint8_t)((unsigned)from[j * bits / 8] >> j * bits % 8 & mask);
		return;
	}
	for (size_t b = 0; b < bytes; b++) {
		unsigned digits = from[b];

		for (size_t j = b * TRITS; j < coded->cols && j < (b + 1) * TRITS; j++) {
			codes[j] = (uint8_t)(digits % 3);
			digits /= 3;
		}
	}
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
	uint8_t *codes;
	kg_err err = kg_coded_fit(coded, r);

	if (err != KG_OK)
		return err;
	codes = malloc(coded->cols);
	if (codes == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a row of codes");
	for (uint32_t i = 0; i < coded->rows; i++) {
		for (uint32_t j = 0; j < coded->cols; j++)
			codes[j] = kg_coded_nearest(coded, i, j, r[(size_t)i * coded->cols + j]);
		kg_coded_pack(coded, i, codes);
	}
	free(codes);
	return KG_OK;
}

/* Bytes of ternary digits, and nothing behind the last code of a row. */
static bool codes_good(const kg_coded *coded)
{
	size_t bytes = kg_coded_row_bytes(coded->format, coded->cols);
	unsigned bits = bits_of(coded->format);
	unsigned used = bits == 0 ? coded->cols % TRITS : coded->cols * bits % 8;
	unsigned limit = bits == 0 ? TRIT_BYTES : 256;
	unsigned last = limit;

	if (used != 0) {
		last = 1;
		for (unsigned k = 0; k < used; k++)
			last *= bits == 0 ? 3 : 2;
	}
	for (size_t i = 0; i < coded->rows; i++) {
		const uint8_t *row = coded->code + i * bytes;

		for (size_t b = 0; b + 1 < bytes; b++)
			if (row[b] >= limit)
				return false;
		if (row[bytes - 1] >= last)
			return false;
	}
	return true;
}

static bool palette_good(const kg_coded *coded)
{
	size_t size = kg_coded_palette(coded->format, coded->rows);
	int count = 1 << bits_of(coded->format);
	uint32_t palettes = coded->format == KG_FORMAT_PALETTE4 ? coded->rows : 1;

	for (size_t k = 0; k < size; k++)
		if (coded->palette[k] == -128)
			return false;
	for (size_t k = 256; k < size && coded->format == KG_FORMAT_PALETTE256; k++)
		if (coded->palette[k] < -64 || coded->palette[k] > 63)
			return false;
	for (uint32_t i = 0; i < palettes; i++)
		for (int c = 1; c < count; c++)
			if (integer(coded, i, (uint8_t)(c - 1)) > integer(coded, i, (uint8_t)c))
				return false;
	return true;
}

kg_err kg_coded_check(const kg_coded *coded)
{
	size_t scales = kg_coded_scales(coded->format, coded->rows, coded->cols);

	for (size_t k = 0; k < scales; k++) {
		unsigned s = coded->scale[k];

		if ((s & 0x7c00) == 0x7c00 || (s > 0x8000 && coded->format != KG_FORMAT_INT4))
			return kg_fail(KG_ECORRUPT, "scale %zu is negative or not finite", k);
	}
	if (!codes_good(coded))
		return kg_fail(KG_ECORRUPT, "a code is none, or bits lie behind the last");
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
