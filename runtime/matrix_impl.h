/* SPDX-License-Identifier: MIT */
/* matrix_impl – what matrix.c and matrix_coded.c share: where elements lie, and the coded formats.
 */
#ifndef KG_RUNTIME_MATRIX_IMPL_H
#define KG_RUNTIME_MATRIX_IMPL_H

#include "runtime/matrix.h"

static inline uint32_t tiles_of(uint32_t rows)
{
	return (rows + KG_TILE_ROWS - 1) / KG_TILE_ROWS;
}

static inline uint32_t quads_of(uint32_t cols)
{
	return (cols + KG_TILE_COLS - 1) / KG_TILE_COLS;
}

/* Planes are read two lines at a time. */
static inline uint32_t even_quads_of(uint32_t cols)
{
	return (quads_of(cols) + 1) / 2 * 2;
}

/* Where element (row, col) lies in lines of `quads` to a tile. */
static inline size_t place(uint32_t row, uint32_t col, uint32_t quads)
{
	size_t line = (size_t)(row / KG_TILE_ROWS) * quads + col / KG_TILE_COLS;

	return line * KG_LINE_SIZE + (size_t)KG_TILE_COLS * (row % KG_TILE_ROWS) +
	       col % KG_TILE_COLS;
}

/* Zeroed memory that belongs to the matrix from here on; lines want 64-byte alignment. */
void *kg_matrix__own(kg_matrix *matrix, unsigned slot, size_t size);

/* Tiles and scales of a coded matrix. KG_ENOMEM. */
KG_NODISCARD kg_err kg_matrix__take_coded(kg_matrix *matrix, const kg_coded *coded);

/* The same from the floats. */
KG_NODISCARD kg_err kg_matrix__quantize_coded(kg_matrix *matrix, const float *r);

/* The tiles that one vector is multiplied with. */
typedef struct {
	const kg_matrix *matrix;
	const kg_kernel *kernel;
	uint32_t first, last; /* tiles; no more than the sums have room for */
	int32_t *sum;
} kg_matrix__part;

/* Products of int4 and palette256 with one vector; the other coded formats are grids. */
void kg_matrix__multiply_coded(float *y, const kg_matrix__part *part, const int8_t *q, float step);

/* A phase matrix (matrix_phase.c), borrowed where the model has it. KG_EINVAL for other formats. */
KG_NODISCARD kg_err kg_matrix__take_phase(kg_matrix *matrix, const kg_tensor *tensor);
void kg_matrix__multiply_phase(float *y, size_t y_stride, const kg_matrix *matrix,
			       const kg_kernel *kernel, const kg_activation *activation,
			       int32_t *sums, uint32_t first, uint32_t last);
void kg_matrix__visit_phase(const kg_matrix *matrix, kg_visitor *visit, void *context);

/* Integers and scales, as kg_matrix_visit has them; `row` is room for one row. */
void kg_matrix__visit_integers(const kg_matrix *matrix, uint8_t *row, kg_visitor *visit,
			       void *context);

#endif
