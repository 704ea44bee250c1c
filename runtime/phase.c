/* SPDX-License-Identifier: MIT */
#include "runtime/phase.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The clamp of the published code. */
static const double scale_min = 1e-5;

uint32_t kg_phase_tiles(uint32_t rows)
{
	return (rows + KG_PHASE_ROWS - 1) / KG_PHASE_ROWS;
}

uint32_t kg_phase_lines(uint32_t cols)
{
	return (cols + KG_PHASE_COLS - 1) / KG_PHASE_COLS;
}

size_t kg_phase_size(uint32_t rows, uint32_t cols)
{
	return (size_t)kg_phase_tiles(rows) * kg_phase_lines(cols) * KG_PHASE_LINE_SIZE;
}

/* The byte that holds an element, and which of its four. */
static uint8_t *place(const kg_phase *phase, uint32_t row, uint32_t col, unsigned *k)
{
	size_t line =
		(size_t)(row / KG_PHASE_ROWS) * kg_phase_lines(phase->cols) + col / KG_PHASE_COLS;

	*k = col % KG_PHASE_COLS / 4;
	return phase->line + line * KG_PHASE_LINE_SIZE + (size_t)4 * (row % KG_PHASE_ROWS) +
	       col % 4;
}

uint8_t kg_phase_get(const kg_phase *phase, uint32_t row, uint32_t col)
{
	unsigned k;
	const uint8_t *byte = place(phase, row, col, &k);

	KG_DASSERT(row < phase->rows && col < phase->cols);
	return (uint8_t)((*byte >> k & 1) | (*byte >> (4 + k) & 1) << 1);
}

void kg_phase_put(kg_phase *phase, uint32_t row, uint32_t col, uint8_t code)
{
	unsigned k;
	uint8_t *byte = place(phase, row, col, &k);
	unsigned kept = *byte & ~(0x11u << k);

	KG_DASSERT(row < phase->rows && col < phase->cols && code < 4);
	*byte = (uint8_t)(kept | (code & 1u) << k | (code >> 1 & 1u) << (4 + k));
}

static float mean(double sum, uint64_t count)
{
	double value = count == 0 ? 0.0 : sum / (double)count;

	return (float)(value < scale_min ? scale_min : value);
}

kg_err kg_phase_quantize(kg_phase *phase, const float *re, const float *im)
{
	double sum[2] = {0.0, 0.0};
	uint64_t count[2] = {0, 0};

	memset(phase->line, 0, kg_phase_size(phase->rows, phase->cols));
	for (uint32_t i = 0; i < phase->rows; i++) {
		const float *a = re + (size_t)i * phase->cols;
		const float *b = im + (size_t)i * phase->cols;
		double row[2] = {0.0, 0.0}; /* partial sums: the written order of additions */

		for (uint32_t j = 0; j < phase->cols; j++) {
			uint8_t code = kg_fairy_phase(a[j], b[j]);
			int axis = code >> 1;

			if (!isfinite(a[j]) || !isfinite(b[j]))
				return kg_fail(KG_EINVAL, "weight %u of row %u is not finite", j,
					       i);
			kg_phase_put(phase, i, j, code);
			row[axis] += (double)fabsf(axis == 0 ? a[j] : b[j]);
			count[axis]++;
		}
		sum[0] += row[0];
		sum[1] += row[1];
	}
	phase->re = mean(sum[0], count[0]);
	phase->im = mean(sum[1], count[1]);
	return KG_OK;
}

/* Rows of the last tile and columns of the last line of each that do not exist. */
static bool padding_is_zero(const kg_phase *phase)
{
	uint32_t lines = kg_phase_lines(phase->cols);
	uint32_t tiles = kg_phase_tiles(phase->rows);
	uint32_t rows = phase->rows % KG_PHASE_ROWS;
	uint32_t cols = phase->cols % KG_PHASE_COLS;
	unsigned bad = 0;

	for (uint32_t l = 0; l < lines && rows != 0; l++) {
		size_t line = (size_t)(tiles - 1) * lines + l;

		for (uint32_t b = 4 * rows; b < KG_PHASE_LINE_SIZE; b++)
			bad |= phase->line[line * KG_PHASE_LINE_SIZE + b];
	}
	for (uint32_t t = 0; t < tiles && cols != 0; t++) {
		const uint8_t *last =
			phase->line + ((size_t)(t + 1) * lines - 1) * KG_PHASE_LINE_SIZE;

		for (uint32_t b = 0; b < KG_PHASE_LINE_SIZE; b++)
			for (uint32_t col = cols; col < KG_PHASE_COLS; col++)
				if (col % 4 == b % 4)
					bad |= last[b] & 0x11u << col / 4;
	}
	return bad == 0;
}

kg_err kg_phase_check(const kg_phase *phase)
{
	if (!isfinite(phase->re) || phase->re <= 0.0f || !isfinite(phase->im) || phase->im <= 0.0f)
		return kg_fail(KG_ECORRUPT, "a scale is not a positive number");
	if (!padding_is_zero(phase))
		return kg_fail(KG_ECORRUPT, "codes stand behind the last row or column");
	return KG_OK;
}
