/* SPDX-License-Identifier: MIT */
/*
 * kernel – the inner loops of inference, one table per instruction set, all equal in every bit.
 *
 * kernel/scalar.c is the definition. Integer products are exact, so their order is free; float
 * sums have one written order that every table keeps. A table that differs from scalar in one bit
 * is wrong: tests/runtime/test_kernel.c compares all of them.
 *
 * Lines: a matrix is cut into row tiles of 16; a tile is a sequence of 64-byte lines; byte 4 r + c
 * of a line belongs to row r of the tile and to a few columns, the same for all rows. No horizontal
 * sum is ever needed, and a line is used where it lies. Tiles follow each other. Rows are padded to
 * whole tiles and columns to whole lines; padding holds code 0 and meets activations of 0; sums of
 * padding rows are written and ignored.
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
	KG_KERNEL_BATCH = 64, /* vectors of one call at most */
	KG_GROUP_LINES = 4,   /* of a group of kg_kernel.groups: 32 columns */
	KG_KERNEL_FOUR = 4,   /* vectors whose results lie side by side on their way */
};

/* What a line holds: its columns, where they are, and the whole number that a code stands for. */
typedef enum {
	KG_LINES_INT8,       /* 4: byte c is column c, -127..127 */
	KG_LINES_INT4,       /* 8: low half of byte c column c, high half 4 + c; code - 8 */
	KG_LINES_PALETTE16,  /* 8, the same; palette[code] */
	KG_LINES_INT2,       /* 16: bits 2k, 2k+1 of byte c are column 4k + c; 2 code - 3 */
	KG_LINES_TERNARY,    /* 16, the same; code - 1, code 3 never occurs */
	KG_LINES_PALETTE4,   /* 16, the same; palette[4 * row + code], row among all tiles */
	KG_LINES_PALETTE256, /* 4, as int8; palette[code] */
} kg_lines_kind;

enum { KG_LINES_KINDS = KG_LINES_PALETTE256 + 1 };

/* Columns of a line. */
static inline uint32_t kg_lines_columns(kg_lines_kind kind)
{
	if (kind == KG_LINES_INT8 || kind == KG_LINES_PALETTE256)
		return 4;
	return kind == KG_LINES_INT4 || kind == KG_LINES_PALETTE16 ? 8 : 16;
}

/* Weights in lines. */
typedef struct {
	kg_lines_kind kind;
	uint32_t tiles;
	uint32_t lines;        /* of a tile; at most 2^17 columns */
	const uint8_t *line;   /* tiles * lines, 64-byte aligned */
	const int8_t *palette; /* of the palette kinds, entries -127..127 */
} kg_kernel_lines;

/* What to multiply with, and where to put the sums. */
typedef struct {
	/* Vector v at x + v * x_stride: -127..127, zero-padded to whole lines (planes: line pairs).
	 * Aligned to 64 bytes, and x_stride is a multiple of 64. */
	const int8_t *x;
	size_t x_stride;
	/* Sums of vector v at y + v * y_stride; row i of the matrix is entry i, whatever `first`.
	 */
	int32_t *y;
	size_t y_stride;
	uint32_t count; /* vectors, 1..KG_KERNEL_BATCH */
	uint32_t first; /* tiles first .. last-1 are computed, all their 16 rows are written */
	uint32_t last;
} kg_kernel_job;

/*
 * One plane of complex weights in one or two stages (runtime/fairy.h), turned by 45 degrees: with
 * P = u0 p(U0) + u1 p(U1), Q likewise with q, P' and Q' for W, where p = sign(Re - Im) and
 * q = sign(Re + Im) of a code,
 *     A = (P + P') x_r + (Q' - Q) x_i     y_r = (A + D) / 2
 *     D = (Q + Q') x_r + (P - P') x_i     y_i = (D - A) / 2.
 * A code has a sign bit (bit 0) and an axis bit (bit 1); q is negative iff sign, p iff sign xor
 * axis.
 *
 * Two stages: a line holds 4 complex columns. Bits 0..3 of byte 4 r + c are the sign bits of the
 * codes U0, U1, W0, W1, bits 4..7 their axis bits. So b & 15 indexes the tables of Q (1 and 2) and
 * (b ^ b >> 4) & 15 those of P (0 and 3).
 * One stage: 8 complex columns, the low half of byte 4 r + c column c, the high half 4 + c. A half
 * is sign U, sign W, axis U, axis W from bit 0 up, and indexes all four tables.
 */
typedef struct {
	uint8_t stages;      /* 1 or 2 */
	uint8_t offset;      /* u0+u1+w0+w1: added to table entries to make them unsigned, <= 64 */
	uint32_t tiles;      /* of 16 complex rows */
	uint32_t lines;      /* of a tile; even (padding columns meet activations of 0) */
	const uint8_t *line; /* tiles * lines, 64-byte aligned */
	uint8_t table[4][16]
		__attribute__((aligned(16))); /* P+P', Q'-Q, Q+Q', P-P', all + offset */
} kg_kernel_plane;

/* Fills offset and table from the integer weights of a plane, whose stages are set; u1 and w1 are
 * 0 where there is one. */
void kg_kernel_plane_tables(kg_kernel_plane *plane, uint8_t u0, uint8_t u1, uint8_t w0, uint8_t w1);

/*
 * Complex weights of {+1, -1, +i, -i} whose two axes have scales of their own. A line holds 16
 * complex columns: bit k (0..3) of byte 4 r + c is the sign bit of column 4 k + c, bit 4 + k its
 * axis bit.
 */
typedef struct {
	uint32_t tiles;      /* of 16 complex rows */
	uint32_t lines;      /* of a tile */
	const uint8_t *line; /* tiles * lines, 64-byte aligned */
} kg_kernel_phases;

/* Sums of one or two planes that become numbers of y here and there. */
typedef struct {
	const int32_t *sum;    /* of scatter_four: vector v at sum + v * stride, second likewise */
	const int32_t *second; /* NULL where there is one plane */
	size_t stride;
	float step[KG_KERNEL_FOUR]; /* of each vector */
	float second_step[KG_KERNEL_FOUR];
	const uint16_t *index; /* each once */
	const int8_t *sign;    /* +1 or -1 */
	uint32_t n;            /* all of them can be read up to the next multiple of 16 */
} kg_kernel_scatter;

/* What some queries make of the tokens of a head. */
typedef struct {
	const int32_t *sum;    /* query times key: query v at sum + v * stride */
	size_t stride;         /* also of what comes out */
	const float *step;     /* of each query */
	const float *scale;    /* of 16 tokens that of each key, then of each value; the next 16 */
	const uint32_t *count; /* tokens that each query sees, 1 at least */
	uint32_t end;          /* not less than any of them */
	uint32_t vectors;      /* queries, 1..KG_KERNEL_BATCH */
} kg_kernel_scores;

typedef struct {
	const char *name;
	bool (*usable)(void); /* on this machine */

	/* Exact sums: y[row] = sum over the columns of w[row][column] x[column]. */
	void (*lines)(const kg_kernel_lines *w, const kg_kernel_job *job);

	/* Lines of int4 with scales, halves: 16 (one a row) for each group of 4 lines, group after
	 * group, tile after tile; the last group of a tile may have fewer lines. out of vector v is
	 * at out + v * out_stride, entries as job->y, which is not used:
	 * out[row] = (sum over the groups in order of (float)sum * scale) * step[v]. */
	void (*groups)(float *out, size_t out_stride, const kg_kernel_lines *w,
		       const uint16_t *scale, const float *step, const kg_kernel_job *job);

	/* The exact integers y_r, at y, and y_i, at y + 16 * tiles. x is the real half, then, at
	 * x + columns of all lines, the imaginary half. */
	void (*plane)(const kg_kernel_plane *plane, const kg_kernel_job *job);

	/* Four exact sums a row, at y + k * 16 * tiles: 0 and 1 of the codes +-1 with the real and
	 * with the imaginary half of x, 2 and 3 of the codes +-i (i counted as 1). Halves as in
	 * `plane`. */
	void (*phases)(const kg_kernel_phases *phases, const kg_kernel_job *job);

	/* out[i] = sign[i] * x[index[i]], sign +1 or -1, index[i] < reach. x can be read up to the
	 * next multiple of 64 after `reach`; out does not overlap it. */
	void (*gather)(int8_t *out, const int8_t *x, uint32_t reach, const uint16_t *index,
		       const int8_t *sign, uint32_t n);

	/* y[index[i]] = sign[i] * ((float)sum[i] * step[0]), with a second plane
	 * sign[i] * ((float)sum[i] * step[0] + (float)second[i] * second_step[0]). */
	void (*scatter)(float *y, const kg_kernel_scatter *from);

	/* The same for four vectors side by side, what vector v gets at entry r at room[4 * r + v],
	 * so that an index is read and a place is found once for all; then out of the room: y[r] of
	 * vector v, at y + v * y_stride, = room[4 * r + v], r < n. room is aligned to 64 bytes. */
	void (*scatter_four)(float *room, const kg_kernel_scatter *from);
	void (*spread_four)(float *y, size_t y_stride, const float *room, uint32_t n);

	/* y[i] = (float)sum[i] * (scale[i] * step). */
	void (*scale_f32)(float *y, const int32_t *sum, const float *scale, float step, uint32_t n);

	/* y[i] = (float)sum[i] * (scale[i] / divisor * step), scale[i] converted exactly. */
	void (*scale_f16)(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
			  float step, uint32_t n);

	/* p[v][t] = softmax, over t < count[v], of ((float)sum[t] * scale of key t) * step[v],
	 * times the scale of value t; zeros from there to `end`. p of vector v at p + v * stride,
	 * which may be where the sums are. */
	void (*weigh)(float *p, const kg_kernel_scores *from);

	/* y[v][d] = sum over t < count of p[v][t] * value[t][d], d < width, a multiple of 16. Four
	 * partial sums per d by t mod 4, each in order of t, multiply then add; then (0+1) + (2+3).
	 * So zeros behind a vector's last p do not change its bits. value is token after token, p
	 * and y of vector v at v * stride. */
	void (*mix_i8)(float *y, size_t y_stride, const int8_t *value, uint32_t width,
		       const float *p, size_t p_stride, uint32_t count, uint32_t vectors);

	/* y[v][r] = dot_f32 (dot_f16) of row r of w, cols values a row, with x[v]. y and x of
	 * vector v at v * stride. */
	void (*rows_f32)(float *y, size_t y_stride, const float *w, const float *x, size_t x_stride,
			 uint32_t rows, uint32_t cols, uint32_t count);
	void (*rows_f16)(float *y, size_t y_stride, const uint16_t *w, const float *x,
			 size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count);

	/* The lowest index of the greatest value; NaN counts as minus infinity. n >= 1. */
	uint32_t (*argmax)(const float *x, size_t n);

	/* Sum of a[i] * b[i] in 16 lanes (i mod 16), each in order of i, multiply then add; then
	 * lanes l and l+8, l+4, l+2, l+1 are added. */
	float (*dot_f32)(const float *a, const float *b, size_t n);

	/* The same; `a` holds IEEE halves, converted exactly. */
	float (*dot_f16)(const uint16_t *a, const float *b, size_t n);

	/* x[i] += y[i]. They do not overlap. */
	void (*add)(float *x, const float *y, size_t n);

	/* out[i] = gain[i] * (x[i] * r), r = 1 / sqrt(dot_f32(x, x, n) / divisor + eps). out
	 * overlaps neither of the others. */
	void (*norm)(float *out, const float *x, const float *gain, size_t n, float divisor,
		     float eps);

	/* Turns n pairs (2 i, 2 i + 1) of x, 2 n floats, by n angles: re * cosine[i] - im *
	 * sine[i], re * sine[i] + im * cosine[i]. */
	void (*turn)(float *x, const float *cosine, const float *sine, size_t n);

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
