/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "runtime/matrix_impl.h"

enum { GROUP_QUADS = KG_CODED_GROUP / KG_TILE_COLS };

static uint32_t padded_rows(const kg_matrix *matrix)
{
	return tiles_of(matrix->rows) * KG_TILE_ROWS;
}

static uint32_t groups_of(const kg_matrix *matrix)
{
	return matrix->format == KG_FORMAT_INT4
		       ? (matrix->cols + KG_CODED_GROUP - 1) / KG_CODED_GROUP
		       : 1;
}

static kg_err own_room(kg_matrix *matrix)
{
	size_t size = (size_t)tiles_of(matrix->rows) * quads_of(matrix->cols) * KG_LINE_SIZE;
	bool wide = matrix->format == KG_FORMAT_PALETTE256;

	matrix->line = kg_matrix__own(matrix, 0, size);
	matrix->scale = kg_matrix__own(
		matrix, 1, (size_t)groups_of(matrix) * padded_rows(matrix) * sizeof(float));
	if (wide)
		matrix->high = kg_matrix__own(matrix, 2, size);
	return matrix->line == NULL || matrix->scale == NULL || (wide && matrix->high == NULL)
		       ? KG_ENOMEM
		       : KG_OK;
}

kg_err kg_matrix__take_coded(kg_matrix *matrix, const kg_coded *coded)
{
	uint32_t quads = quads_of(matrix->cols);
	int8_t *row = malloc(2 * (size_t)matrix->cols);
	kg_err err;

	if (row == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for a row", matrix->name);
	err = own_room(matrix);
	for (uint32_t i = 0; i < matrix->rows && err == KG_OK; i++) {
		int8_t *high = matrix->high == NULL ? NULL : row + matrix->cols;

		kg_coded_integers(coded, i, row, high);
		for (uint32_t j = 0; j < matrix->cols; j++) {
			matrix->line[place(i, j, quads)] = row[j];
			if (high != NULL)
				matrix->high[place(i, j, quads)] = high[j];
		}
		for (uint32_t g = 0; g < groups_of(matrix); g++)
			matrix->scale[(size_t)g * padded_rows(matrix) + i] =
				kg_coded_unit(coded, i, g * KG_CODED_GROUP);
	}
	free(row);
	return err;
}

kg_err kg_matrix__quantize_coded(kg_matrix *matrix, const float *r)
{
	void *storage = malloc(kg_coded_size(matrix->format, matrix->rows, matrix->cols));
	kg_coded coded;
	kg_err err;

	if (storage == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory to quantize", matrix->name);
	kg_coded_init(&coded, storage, matrix->format, matrix->rows, matrix->cols);
	err = kg_coded_quantize(&coded, r);
	if (err == KG_OK)
		err = kg_matrix__take_coded(matrix, &coded);
	else
		err = kg_fail_context(err, "%s", matrix->name);
	free(storage);
	return err;
}

static void multiply_groups(float *y, const kg_matrix__part *at, const int8_t *q, float step)
{
	const kg_matrix *matrix = at->matrix;
	uint32_t quads = quads_of(matrix->cols);
	uint32_t rows = padded_rows(matrix);

	for (uint32_t tile = at->first; tile < at->last; tile++) {
		uint32_t i = tile * KG_TILE_ROWS;
		uint32_t count = matrix->rows - i < KG_TILE_ROWS ? matrix->rows - i : KG_TILE_ROWS;
		const int8_t *line = matrix->line + (size_t)tile * quads * KG_LINE_SIZE;
		float part[KG_TILE_ROWS] = {0};

		for (uint32_t quad = 0, g = 0; quad < quads; quad += GROUP_QUADS, g++) {
			uint32_t width = quads - quad < GROUP_QUADS ? quads - quad : GROUP_QUADS;
			const float *scale = matrix->scale + (size_t)g * rows + i;
			int32_t sum[KG_TILE_ROWS];

			at->kernel->tile_i8(sum, line + (size_t)quad * KG_LINE_SIZE,
					    q + (size_t)quad * KG_TILE_COLS, 1, width);
			for (int r = 0; r < KG_TILE_ROWS; r++)
				part[r] += (float)sum[r] * scale[r];
		}
		for (uint32_t r = 0; r < count; r++)
			y[i + r] = part[r] * step;
	}
}

void kg_matrix__multiply_coded(float *y, const kg_matrix__part *part, const int8_t *q, float step)
{
	const kg_matrix *matrix = part->matrix;
	uint32_t tiles = part->last - part->first;
	uint32_t quads = quads_of(matrix->cols);
	size_t at = (size_t)part->first * quads * KG_LINE_SIZE;
	uint32_t begin = part->first * KG_TILE_ROWS;
	uint32_t rows = matrix->rows - begin;
	int32_t *high = part->sum + (size_t)tiles * KG_TILE_ROWS;

	if (matrix->format == KG_FORMAT_INT4) {
		multiply_groups(y, part, q, step);
		return;
	}
	if (rows > tiles * KG_TILE_ROWS)
		rows = tiles * KG_TILE_ROWS;
	part->kernel->tile_i8(part->sum, matrix->line + at, q, tiles, quads);
	part->kernel->tile_i8(high, matrix->high + at, q, tiles, quads);
	for (uint32_t i = 0; i < rows; i++) {
		int64_t whole = KG_CODED_HIGH * (int64_t)high[i] + part->sum[i];

		y[begin + i] = (float)whole * (matrix->scale[begin + i] * step);
	}
}

static void visit_tiles(const kg_matrix *matrix, const int8_t *line, uint8_t *row,
			kg_visitor *visit, void *context)
{
	uint32_t quads = quads_of(matrix->cols);

	for (uint32_t i = 0; i < matrix->rows; i++) {
		for (uint32_t j = 0; j < matrix->cols; j++)
			row[j] = (uint8_t)line[place(i, j, quads)];
		visit(context, row, matrix->cols);
	}
}

void kg_matrix__visit_integers(const kg_matrix *matrix, uint8_t *row, kg_visitor *visit,
			       void *context)
{
	visit_tiles(matrix, matrix->line, row, visit, context);
	if (matrix->high != NULL)
		visit_tiles(matrix, matrix->high, row, visit, context);
	for (uint32_t g = 0; g < groups_of(matrix); g++)
		visit(context, matrix->scale + (size_t)g * padded_rows(matrix),
		      matrix->rows * sizeof(float));
}
