/* SPDX-License-Identifier: MIT */
/*
 * matrix – one weight matrix as the kernels multiply from it.
 *
 * A kg_matrix holds one matrix in one format: floats or halves row by row, integers or codes in
 * lines with their scales, or planes of complex codes in lines, those of fairy with the pairing
 * around them. Whatever a model file holds in that format is used where it is mapped; the indices
 * of a pairing, and what is quantized from floats, are memory of the matrix. The layout carries no
 * information: kg_matrix_visit gives back the canonical bytes, whatever it is.
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
	const float *f32;      /* rows * cols */
	const uint16_t *f16;   /* the same in halves */
	kg_kernel_lines lines; /* int8 and coded formats; of palette256 with the high parts */
	const float *scale;    /* int8: one per row */
	kg_coded coded;        /* coded formats: what lines are made of, with the scales */
	uint32_t plane_count;  /* fairy formats */
	kg_kernel_plane plane[KG_FAIRY_PLANES_MAX];
	kg_fairy_plane weight[KG_FAIRY_PLANES_MAX]; /* integer weights and units; code is NULL */
	uint16_t *row; /* the pairing (kg_pairing), for the gather of kernels */
	uint16_t *col;
	int8_t *row_sign;
	int8_t *col_sign;
	kg_kernel_phases phases; /* phase: borrowed lines; rows and cols are complex */
	float axis[2];           /* phase: s_re, s_im */
	void *owned[2];          /* what release frees */
	size_t owned_bytes;
} kg_matrix;

enum {
	KG_MATRIX_BATCH = KG_KERNEL_BATCH, /* vectors of one product at most */
	KG_MATRIX_SUMS = 16384,            /* entries of the room for exact sums */
};

/* Vectors to multiply, for every format. A complex vector (phase) is its real half, then, in q
 * behind whole lines of KG_PHASE_COLS, its imaginary half; it has two steps, of the real half
 * first. */
typedef struct {
	const float *x;    /* vector v at x + v * x_stride */
	size_t x_stride;   /* floats */
	const int8_t *q;   /* the same in steps, zeros up to q_stride, 64-byte aligned; NULL where
			    * all matrices are floats */
	size_t q_stride;   /* bytes, a multiple of KG_LINE_SIZE */
	const float *step; /* value of one step of each vector */
	uint32_t count;    /* 1..KG_MATRIX_BATCH */
} kg_activation;

/*
 * Takes tensor `tensor` of `model` in `format`. A tensor that is f32 or f16 can become anything;
 * one that is narrower only what it is. Fairy formats of odd sizes become int8. `seed` is that of
 * the pairing or NULL for the plain one; for a fairy tensor of the file it must be the model's.
 * Temporary memory: up to three times the floats. KG_EINVAL, KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_matrix_init(kg_matrix *matrix, const kg_model *model,
				   const kg_tensor *tensor, kg_format format, const uint8_t *seed);
void kg_matrix_release(kg_matrix *matrix);

/* Parts that a product can be cut in. */
uint32_t kg_matrix_tiles(const kg_matrix *matrix);

/* Whether four vectors cost less together when a product is not cut in parts. */
bool kg_matrix_takes_fours(const kg_matrix *matrix);

/* Bytes of room that kg_matrix_prepare fills for one vector of at most `cols` numbers, a multiple
 * of KG_LINE_SIZE. */
size_t kg_matrix_room(uint32_t cols);

/* What is done once for all parts of a product: the gather of a fairy matrix. `room`: activation
 * count times kg_matrix_room bytes, 64-byte aligned; the other formats do not touch it. */
void kg_matrix_prepare(const kg_matrix *matrix, const kg_kernel *kernel,
		       const kg_activation *activation, int8_t *room);

/*
 * The rows of tiles first..last-1 of y = M x, vector v at y + v * y_stride; a fairy tile is 16 rows
 * here and there, the tiles together are all rows. Parts may run in different threads, each with
 * its own KG_MATRIX_SUMS entries of `sums`, 64-byte aligned; any cut and any count of vectors gives
 * the same bits.
 *
 * Floats: dot_f32 or dot_f16 of each row with x. Int8 and coded: (float)sum * (scale of the row *
 * step), the sum of palette256 being 128 times that of the high parts plus that of the low; int4:
 * (sum over the groups, in order, of (float)sum * scale) * step. Fairy: (float)sum * (unit * step)
 * of the first plane, plus the same of the second; then the row's sign. Phase, y = M conj(x), all
 * real parts of y before all imaginary ones, A the sums of the codes +-1 and B of +-i with the
 * halves of x: y_r = A_r * (s_re * step_r) + B_i * (s_im * step_i), y_i = B_r * (s_im * step_r) -
 * A_i * (s_re * step_i).
 */
void kg_matrix_multiply(float *y, size_t y_stride, const kg_matrix *matrix, const kg_kernel *kernel,
			const kg_activation *activation, const int8_t *room, int32_t *sums,
			uint32_t first, uint32_t last);

/* Row `row` as floats (look-up in a table): floats, int8 and coded formats. */
void kg_matrix_row(float *out, const kg_matrix *matrix, uint32_t row);

/* Bytes to a visitor, in order. */
typedef void kg_visitor(void *context, const void *data, size_t size);

/*
 * Canonical bytes, little-endian: name and format name, each with its NUL; rows, cols (u32). Then,
 * floats: the values row by row; int8 and coded: the integers row by row (palette256: the low
 * parts, then the high parts), then the scales, one per row (int4: all rows of a group, group by
 * group); fairy: per plane u0 u1 w0 w1, the unit, the codes row by row as in fairy.h; then the
 * pairing: row and column permutation (u32), row and column signs (i8); phase: s_re, s_im, the
 * lines of phase.h. KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_matrix_visit(const kg_matrix *matrix, kg_visitor *visit, void *context);

#endif
