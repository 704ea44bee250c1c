/* SPDX-License-Identifier: MIT */
/*
 * matrix – one weight matrix in the layout the kernels multiply from.
 *
 * A kg_matrix holds one matrix in one format: floats or halves row by row (borrowed where the model
 * already has them so), integers in tiles with their scales, or one or two planes of two-bit
 * complex codes in tiles with the pairing around them. The layout carries no information:
 * kg_matrix_visit gives back the canonical bytes, whatever it is.
 */
#ifndef KG_RUNTIME_MATRIX_H
#define KG_RUNTIME_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/kernel.h"
#include "runtime/model.h"

typedef struct {
	const char *name; /* the tensor's, borrowed from the model */
	kg_format format;
	uint32_t rows;
	uint32_t cols;
	const float *f32;    /* rows * cols, borrowed or in `owned` */
	const uint16_t *f16; /* the same in halves */
	int8_t *line; /* int8 and coded formats: tiles of the integers, or of their low parts */
	int8_t *high; /* palette256: tiles of the high parts */
	float *scale; /* one per row; int4: rows padded to whole tiles, group after group */
	uint32_t plane_count;
	kg_kernel_plane plane[KG_FAIRY_PLANES_MAX];
	kg_fairy_plane weight[KG_FAIRY_PLANES_MAX]; /* integer weights and units; code is NULL */
	kg_pairing pairing;
	void *owned[4]; /* what release frees */
	size_t owned_bytes;
} kg_matrix;

/* Activations of one vector, for every format. */
typedef struct {
	const float *x; /* the floats */
	int8_t *q;      /* x in steps, or NULL where all matrices are floats; room padded to 64 */
	float step;     /* value of one step */
} kg_activation;

/* Room that a product needs; sized by kg_matrix_scratch_*. */
typedef struct {
	int8_t *x;   /* gathered activations: two halves, each padded to whole line pairs */
	int32_t *y;  /* exact sums */
	float *part; /* reassembled rows of a fairy product, before they are scattered */
} kg_matrix_scratch;

/*
 * Takes tensor `tensor` of `model` in `format`. A tensor that is f32 or f16 can become anything;
 * one that is narrower only what it is. Fairy formats of odd sizes become int8. `seed` is that of
 * the pairing or NULL for the plain one; for a fairy tensor of the file it must be the model's.
 * Temporary memory: up to three times the floats. KG_EINVAL, KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_matrix_init(kg_matrix *matrix, const kg_model *model,
				   const kg_tensor *tensor, kg_format format, const uint8_t *seed);
void kg_matrix_release(kg_matrix *matrix);

/* Entries of the scratch arrays that a rows x cols product needs at most. */
size_t kg_matrix_scratch_x(uint32_t cols);
size_t kg_matrix_scratch_y(uint32_t rows);

/*
 * y = M x, rows floats. Floats: dot_f32 or dot_f16 of each row with x. Int8 and coded:
 * (float)sum * (scale of the row * step), the sum of palette256 being 128 times that of the high
 * parts plus that of the low; int4: (sum over the groups, in order, of (float)sum * scale) * step.
 * Fairy: (float)sum * (unit * step) of the first plane, plus the same of the
 * second; then the row's sign.
 */
void kg_matrix_multiply(float *y, const kg_matrix *matrix, const kg_kernel *kernel,
			const kg_activation *activation, const kg_matrix_scratch *scratch);

/* Row `row` as floats (look-up in a table); floats and int8 only. */
void kg_matrix_row(float *out, const kg_matrix *matrix, uint32_t row);

/* Bytes to a visitor, in order. */
typedef void kg_visitor(void *context, const void *data, size_t size);

/*
 * Canonical bytes, little-endian: name and format name, each with its NUL; rows, cols (u32). Then,
 * floats: the values row by row; int8 and coded: the integers row by row (palette256: the low
 * parts, then the high parts), then the scales, one per row (int4: all rows of a group, group by
 * group); fairy: per plane u0 u1 w0 w1, the unit, the codes row by row as in fairy.h; then the
 * pairing: row and column permutation (u32), row and column signs (i8). KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_matrix_visit(const kg_matrix *matrix, kg_visitor *visit, void *context);

#endif
