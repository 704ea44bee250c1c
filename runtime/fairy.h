/* SPDX-License-Identifier: MIT */
/*
 * fairy – two-bit complex weights: a real matrix as residual stages of {+1, -1, +i, -i}.
 *
 * The widely-linear form of Fairy2i (arXiv 2512.02901): a real 2n x 2m matrix R is, exactly,
 *
 *     y = U x + W conj(x),   x = top half + i bottom half of the input, y likewise,
 *     U = (R11+R22)/2 + i (R21-R12)/2,   W = (R11-R22)/2 + i (R12+R21)/2
 *
 * with complex n x m matrices U and W. Each is coded in T stages: every element gets the nearest of
 * {+1, +i, -1, -i} by angle, one scale s per stage and matrix (the mean of the component that the
 * code keeps, real and imaginary axis together), and the next stage codes what is left.
 *
 * Two stages make a plane. The four scales of a plane (u0, u1, w0, w1) are small integers times one
 * float unit, so that a plane is an exact small-integer real matrix and a product with int8
 * activations is an exact integer sum in any order. T = 3 uses a second plane with the unused
 * weights zero; so does T = 1 with one plane.
 *
 * A pairing is what an agent's seed does: a signed permutation of rows and of columns before the
 * halves are paired into complex numbers, undone around the product. Without rounding the function
 * is unchanged; with rounding every seed is another equally good member.
 *
 * This file is the definition: trainer, files and kernels must agree with it bit for bit.
 */
#ifndef KG_RUNTIME_FAIRY_H
#define KG_RUNTIME_FAIRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

enum {
	KG_FAIRY_STAGES_MAX = 3,
	KG_FAIRY_PLANES_MAX = 2,
	/* u0+u1+w0+w1 of a plane: 16-entry tables offset to u8 stay <= 128, so that an AVX2 pair
	 * product fits int16 (128 * 127 * 2 < 32,768). */
	KG_FAIRY_WEIGHT_SUM_MAX = 64,
};

/* Codes of one complex weight, two bits each. */
enum { KG_CODE_PLUS_1 = 0, KG_CODE_MINUS_1 = 1, KG_CODE_PLUS_I = 2, KG_CODE_MINUS_I = 3 };

/* Two stages of U and W. Complex position (i, j) is code[i * m + j]: bits 0..1 U first stage,
 * 2..3 U second stage, 4..5 W first, 6..7 W second. An unused stage has weight 0 and code 0. */
typedef struct {
	uint8_t u0, u1, w0, w1; /* integer weights of the stages, sum 1..KG_FAIRY_WEIGHT_SUM_MAX */
	float unit;             /* value of weight 1, in units of the real matrix; finite, > 0 */
	uint8_t *code;          /* n * m bytes, caller's storage */
} kg_fairy_plane;

typedef struct {
	uint32_t rows;  /* of the real matrix: 2n */
	uint32_t cols;  /* of the real matrix: 2m */
	uint8_t stages; /* T: 1..3 */
	kg_fairy_plane plane[KG_FAIRY_PLANES_MAX];
} kg_fairy;

/* Planes that T stages need: 1, 1, 2. */
uint32_t kg_fairy_plane_count(uint32_t stages);

/* Bytes of code storage per plane for a rows x cols real matrix: (rows/2) * (cols/2). */
size_t kg_fairy_plane_size(uint32_t rows, uint32_t cols);

/* Nearest code by angle; sectors are closed at their lower edge; zero is +1. */
uint8_t kg_fairy_phase(float re, float im);

/*
 * Quantizes `r` (rows x cols, row-major, already paired) into `out`, whose plane[].code point to
 * caller's storage. `residual` is scratch for rows * cols floats. KG_EINVAL for odd or zero sizes,
 * stages outside 1..3, or values that are not finite or whose scale is not.
 */
KG_NODISCARD kg_err kg_fairy_quantize(kg_fairy *out, const float *r, uint32_t rows, uint32_t cols,
				      uint32_t stages, float *residual);

/* Four scales of a plane, finite and not all zero, as u0 u1 w0 w1 with a sum of at most
 * KG_FAIRY_WEIGHT_SUM_MAX; returns the unit. A scale above zero gets at least 1. For every number
 * of parts from the maximum down to its half the scales are rounded to whole parts of their sum and
 * the unit is fitted by least squares; the least squared error of the four counts, of equals the
 * first.
 */
float kg_fairy_weights(uint8_t weight[4], const float s[4]);

/* The real matrix a kg_fairy stands for, rows x cols row-major: plane units times exact integers,
 * planes added in order. */
void kg_fairy_dequantize(float *r, const kg_fairy *q);

/* A signed permutation of rows and columns. Paired element (i, j) is
 * row_sign[i] * col_sign[j] * R[row[i]][col[j]]. */
typedef struct {
	uint32_t rows;
	uint32_t cols;
	uint32_t *row;    /* rows entries */
	uint32_t *col;    /* cols entries */
	int8_t *row_sign; /* +1 or -1 */
	int8_t *col_sign;
} kg_pairing;

/* Bytes of storage kg_pairing_init takes from its caller. */
size_t kg_pairing_size(uint32_t rows, uint32_t cols);

/*
 * The pairing of tensor `name` under `seed`; NULL seed = the plain pairing (identity). Stream
 * number is FNV-1a 64 of the name; drawn in order: row permutation, column permutation, row signs,
 * column signs (low bit of one 64-bit number each). `storage` is 8-byte aligned and outlives the
 * pairing.
 */
void kg_pairing_init(kg_pairing *pairing, void *storage, uint32_t rows, uint32_t cols,
		     const uint8_t *seed, const char *name);

/* paired[i][j] = row_sign[i] col_sign[j] r[row[i]][col[j]]; out and in do not overlap. */
void kg_pairing_apply(const kg_pairing *pairing, float *paired, const float *r);

/* The inverse: r[row[i]][col[j]] = row_sign[i] col_sign[j] paired[i][j]. */
void kg_pairing_undo(const kg_pairing *pairing, float *r, const float *paired);

#endif
