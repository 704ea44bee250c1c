/* SPDX-License-Identifier: MIT */
/*
 * kernel – the inner loops of inference, one table per instruction set, all equal in every bit.
 *
 * kernel/scalar.c is the definition. Integer products are exact, so their order is free; float
 * sums have one written order that every table keeps. A table that differs from scalar in one bit
 * is wrong: tests/runtime/test_kernel.c compares all of them.
 *
 * Tiles ("16x4"): a matrix is cut into row tiles of 16; inside a tile, column quads; each quad is
 * one 64-byte line in which byte 4 * r + c is row r, column c of the quad. No horizontal sum is
 * ever needed. Lines of a tile follow each other, tiles follow each other. Rows and columns are
 * padded to whole lines; results of padding rows are written and ignored.
 */
#ifndef KG_RUNTIME_KERNEL_H
#define KG_RUNTIME_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	KG_TILE_ROWS = 16,
	KG_TILE_COLS = 4,
	KG_LINE_SIZE = 64,
	KG_KERNELS_MAX = 8,
};

/*
 * One plane of two-bit complex weights (runtime/fairy.h), turned by 45 degrees: with
 * P = u0 p(U0) + u1 p(U1), Q likewise with q, P' and Q' for W, where p = sign(Re - Im) and
 * q = sign(Re + Im) of a code,
 *     A = (P + P') x_r + (Q' - Q) x_i     y_r = (A + D) / 2
 *     D = (Q + Q') x_r + (P - P') x_i     y_i = (D - A) / 2.
 * A byte of a line is one complex position: bits 0..3 the sign bits of the codes U0, U1, W0, W1
 * (bit 0 of the code), bits 4..7 their axis bits (bit 1). q is negative iff sign, p iff sign xor
 * axis, so x & 15 indexes the tables of Q and (x ^ x >> 4) & 15 those of P.
 */
typedef struct {
	const uint8_t *line; /* tiles * quads lines, 64-byte aligned */
	uint32_t tiles;      /* of 16 complex rows */
	uint32_t quads;      /* lines of a tile; even (padding columns meet activations of 0) */
	uint8_t offset;      /* u0+u1+w0+w1: added to table entries to make them unsigned, <= 64 */
	uint8_t table[4][16]
		__attribute__((aligned(16))); /* P+P', Q'-Q, Q+Q', P-P', all + offset */
} kg_kernel_plane;

/* Fills offset and table from the integer weights of a plane. */
void kg_kernel_plane_tables(kg_kernel_plane *plane, uint8_t u0, uint8_t u1, uint8_t w0, uint8_t w1);

typedef struct {
	const char *name;
	bool (*usable)(void); /* on this machine */

	/* y[r] = sum w[r][c] x[c], exact, for tiles * 16 rows. Weights and activations are
	 * -127..127; x has quads * 4 values; quads < 2^17. */
	void (*tile_i8)(int32_t *y, const int8_t *line, const int8_t *x, uint32_t tiles,
			uint32_t quads);

	/* The exact integers y_r and y_i of a plane for tiles * 16 complex rows; x_r and x_i have
	 * quads * 4 values each. */
	void (*plane)(int32_t *y_r, int32_t *y_i, const kg_kernel_plane *plane, const int8_t *x_r,
		      const int8_t *x_i);

	/* y[d] = sum over t of p[t] * v[t * width + d], d < width, a multiple of 16. Four partial
	 * sums per d by t mod 4, each in order of t, multiply then add; then (0+1) + (2+3). */
	void (*mix_i8)(float *y, const int8_t *v, const float *p, uint32_t count, uint32_t width);

	/* Sum of a[i] * b[i] in 16 lanes (i mod 16), each in order of i, multiply then add; then
	 * lanes l and l+8, l+4, l+2, l+1 are added. */
	float (*dot_f32)(const float *a, const float *b, size_t n);

	/* The same; `a` holds IEEE halves, converted exactly. */
	float (*dot_f16)(const uint16_t *a, const float *b, size_t n);

	/* kg_fmath_softmax, kg_fmath_swiglu and kg_fmath_quantize in wider vectors. */
	void (*softmax)(float *x, size_t n);
	void (*swiglu)(float *gate, const float *up, size_t n);
	float (*quantize)(int8_t *q, const float *x, size_t n);
} kg_kernel;

/* The tables compiled in, weakest first, usable here or not. Borrowed, static. */
uint32_t kg_kernel_count(void);
const kg_kernel *kg_kernel_at(uint32_t index);

/* The table called `want`; NULL or "" means the strongest that this machine can run. KG_EINVAL for
 * an unknown name (the message lists the known ones) or one this machine cannot run. */
KG_NODISCARD kg_err kg_kernel_pick(const kg_kernel **out, const char *want);

/* Picks and makes it the choice of this process. Called once at start, by main. */
KG_NODISCARD kg_err kg_kernel_set(const char *want);

/* The choice of this process: what was set, else the strongest. */
const kg_kernel *kg_kernel_current(void);

#endif
