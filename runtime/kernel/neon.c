/* SPDX-License-Identifier: MIT */
/*
 * NEON with the dot product (ARMv8.2); this file alone is compiled for it. A line is four quarters
 * of four rows, a row one 32-bit lane; codes become signed integers by a table look-up and meet
 * four columns at a time. Both sides of the dot product are signed, so nothing needs an offset.
 */
#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#include "runtime/fmath_loops.h"
#include "runtime/half.h"
#include "runtime/kernel/tables.h"

#ifndef HWCAP_ASIMDDP
# define HWCAP_ASIMDDP (1UL << 20)
#endif

/* Bodies with a kind or a count of vectors that is constant where they are used: only inlined do
 * their sums stay in registers. */
#define BODY static inline __attribute__((always_inline))

enum {
	LANES = 16,
	PARTS = 4,
	QUARTERS = 4, /* of a line, and of 16 lanes */
	QUARTER = KG_LINE_SIZE / QUARTERS,
	BLOCK = 4,       /* vectors at once where a row has one sum: 16 registers of sums */
	PLANE_BLOCK = 2, /* where it has two */
};

static bool usable(void)
{
	return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}

/* Four activations, broadcast to all rows. */
static inline int8x16_t four(const int8_t *x)
{
	int32_t bytes;

	memcpy(&bytes, x, sizeof(bytes));
	return vreinterpretq_s8_s32(vdupq_n_s32(bytes));
}

/* The whole numbers of the codes of one tile. */
typedef struct {
	int8x16_t entry[QUARTERS]; /* of each quarter's rows */
	int8x16x4_t wide[4];       /* PALETTE256: 64 entries each */
} lookup;

/* Four rows of a quarter have four entries each (PALETTE4): where a row's begin. */
static const uint8_t row_start[QUARTER] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};

BODY lookup lookup_of(kg_lines_kind kind, const int8_t *palette, uint32_t tile)
{
	static const int8_t int4[16] = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};
	static const int8_t int2[16] = {-3, -1, 1, 3};
	static const int8_t ternary[16] = {-1, 0, 1};
	const int8_t *from = kind == KG_LINES_INT4      ? int4
			     : kind == KG_LINES_INT2    ? int2
			     : kind == KG_LINES_TERNARY ? ternary
							: palette;
	size_t step = 0;
	lookup t = {0};

	if (kind == KG_LINES_PALETTE256) {
		for (int i = 0; i < 4; i++)
			t.wide[i] = vld1q_s8_x4(palette + 64 * i);
		return t;
	}
	if (kind == KG_LINES_PALETTE4) {
		from += (size_t)tile * 4 * KG_TILE_ROWS;
		step = QUARTER;
	}
	for (size_t q = 0; kind != KG_LINES_INT8 && q < QUARTERS; q++)
		t.entry[q] = vld1q_s8(from + q * step);
	return t;
}

/* The weights of columns 4 * part .. 4 * part + 3 in quarter q of a line. */
BODY int8x16_t decode(kg_lines_kind kind, const lookup *t, int q, uint8x16_t code, int part)
{
	int8x16_t w;

	switch (kind) {
	case KG_LINES_INT4:
	case KG_LINES_PALETTE16:
		return vqtbl1q_s8(t->entry[q], part == 0 ? code & 15 : code >> 4);
	case KG_LINES_INT2:
	case KG_LINES_TERNARY:
		return vqtbl1q_s8(t->entry[q], code >> (uint8_t)(2 * part) & 3);
	case KG_LINES_PALETTE4:
		return vqtbl1q_s8(t->entry[q],
				  (code >> (uint8_t)(2 * part) & 3) | vld1q_u8(row_start));
	case KG_LINES_PALETTE256:
		w = vqtbl4q_s8(t->wide[0], code);
		for (int i = 1; i < 4; i++)
			w = vqtbx4q_s8(w, t->wide[i], code - (uint8_t)(64 * i));
		return w;
	case KG_LINES_INT8:
		break;
	}
	return vreinterpretq_s8_u8(code);
}

/* Adds `lines` lines to the sums of some vectors; x at the first of their columns. */
BODY void add_lines(int32x4_t sum[][QUARTERS], kg_lines_kind kind, const lookup *t,
		    const uint8_t *line, uint32_t lines, const int8_t *x, size_t x_stride,
		    const uint32_t vectors)
{
	const int parts = (int)kg_lines_columns(kind) / KG_TILE_COLS;

	for (uint32_t at = 0; at < lines; at++, line += KG_LINE_SIZE, x += KG_TILE_COLS * parts)
#pragma GCC unroll 4
		for (int part = 0; part < parts; part++)
#pragma GCC unroll 4
			for (int q = 0; q < QUARTERS; q++) {
				int8x16_t w =
					decode(kind, t, q, vld1q_u8(line + QUARTER * q), part);

#pragma GCC unroll 4
				for (uint32_t v = 0; v < vectors; v++)
					sum[v][q] = vdotq_s32(
						sum[v][q], w,
						four(x + v * x_stride + KG_TILE_COLS * part));
			}
}

BODY void clear(int32x4_t sum[][QUARTERS], uint32_t vectors)
{
	for (uint32_t v = 0; v < vectors; v++)
		for (int q = 0; q < QUARTERS; q++)
			sum[v][q] = vdupq_n_s32(0);
}

BODY void lines_block(kg_lines_kind kind, const kg_kernel_lines *w, const kg_kernel_job *job,
		      uint32_t tile, uint32_t from, const uint32_t vectors)
{
	lookup t = lookup_of(kind, w->palette, tile);
	int32_t *y = job->y + from * job->y_stride + (size_t)tile * KG_TILE_ROWS;
	int32x4_t sum[BLOCK][QUARTERS];

	clear(sum, vectors);
	add_lines(sum, kind, &t, w->line + (size_t)tile * w->lines * KG_LINE_SIZE, w->lines,
		  job->x + from * job->x_stride, job->x_stride, vectors);
	for (uint32_t v = 0; v < vectors; v++)
		for (int q = 0; q < QUARTERS; q++)
			vst1q_s32(y + v * job->y_stride + 4 * q, sum[v][q]);
}

BODY void lines_of(kg_lines_kind kind, const kg_kernel_lines *w, const kg_kernel_job *job)
{
	for (uint32_t tile = job->first; tile < job->last; tile++) {
		uint32_t v = 0;

		for (; v + BLOCK <= job->count; v += BLOCK)
			lines_block(kind, w, job, tile, v, BLOCK);
		for (; v < job->count; v++)
			lines_block(kind, w, job, tile, v, 1);
	}
}

static void lines(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	switch (w->kind) {
	case KG_LINES_INT8:
		lines_of(KG_LINES_INT8, w, job);
		break;
	case KG_LINES_INT4:
		lines_of(KG_LINES_INT4, w, job);
		break;
	case KG_LINES_PALETTE16:
		lines_of(KG_LINES_PALETTE16, w, job);
		break;
	case KG_LINES_INT2:
		lines_of(KG_LINES_INT2, w, job);
		break;
	case KG_LINES_TERNARY:
		lines_of(KG_LINES_TERNARY, w, job);
		break;
	case KG_LINES_PALETTE4:
		lines_of(KG_LINES_PALETTE4, w, job);
		break;
	case KG_LINES_PALETTE256:
		lines_of(KG_LINES_PALETTE256, w, job);
		break;
	}
}

typedef struct {
	float32x4_t at[QUARTERS];
} lanes;

static inline lanes zero(void)
{
	return (lanes){{vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)}};
}

static inline lanes load(const float *x)
{
	return (lanes){{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
}

static inline void store(float *x, lanes v)
{
	for (int k = 0; k < QUARTERS; k++)
		vst1q_f32(x + 4 * k, v.at[k]);
}

static inline float32x4_t halves4(const uint16_t *x)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x)));
}

static inline lanes halves(const uint16_t *x)
{
	return (lanes){{halves4(x), halves4(x + 4), halves4(x + 8), halves4(x + 12)}};
}

static inline lanes add(lanes a, lanes b)
{
	for (int k = 0; k < QUARTERS; k++)
		a.at[k] = vaddq_f32(a.at[k], b.at[k]);
	return a;
}

/* sum + a * b, rounded twice. */
static inline lanes add_product(lanes sum, lanes a, lanes b)
{
	for (int k = 0; k < QUARTERS; k++)
		sum.at[k] = vaddq_f32(sum.at[k], vmulq_f32(a.at[k], b.at[k]));
	return sum;
}

BODY void groups_block(float *out, size_t out_stride, const kg_kernel_lines *w,
		       const uint16_t *scale, const float *step, const kg_kernel_job *job,
		       uint32_t tile, uint32_t from, const uint32_t vectors)
{
	lookup t = lookup_of(KG_LINES_INT4, NULL, tile);
	uint32_t columns = kg_lines_columns(KG_LINES_INT4);
	const uint8_t *line = w->line + (size_t)tile * w->lines * KG_LINE_SIZE;
	const int8_t *x = job->x + from * job->x_stride;
	lanes total[BLOCK];

	for (uint32_t v = 0; v < vectors; v++)
		total[v] = zero();
	for (uint32_t at = 0; at < w->lines; at += KG_GROUP_LINES, scale += KG_TILE_ROWS) {
		uint32_t left = w->lines - at;
		lanes s = halves(scale);
		int32x4_t sum[BLOCK][QUARTERS];

		clear(sum, vectors);
		add_lines(sum, KG_LINES_INT4, &t, line + (size_t)at * KG_LINE_SIZE,
			  left < KG_GROUP_LINES ? left : KG_GROUP_LINES, x + (size_t)at * columns,
			  job->x_stride, vectors);
		for (uint32_t v = 0; v < vectors; v++)
			for (int q = 0; q < QUARTERS; q++)
				total[v].at[q] =
					vaddq_f32(total[v].at[q],
						  vmulq_f32(vcvtq_f32_s32(sum[v][q]), s.at[q]));
	}
	for (uint32_t v = 0; v < vectors; v++)
		for (int q = 0; q < QUARTERS; q++)
			vst1q_f32(out + (from + v) * out_stride + (size_t)tile * KG_TILE_ROWS +
					  4 * q,
				  vmulq_n_f32(total[v].at[q], step[from + v]));
}

static void groups(float *out, size_t out_stride, const kg_kernel_lines *w, const uint16_t *scale,
		   const float *step, const kg_kernel_job *job)
{
	size_t per_tile = (size_t)((w->lines + KG_GROUP_LINES - 1) / KG_GROUP_LINES) * KG_TILE_ROWS;

	for (uint32_t tile = job->first; tile < job->last; tile++) {
		const uint16_t *s = scale + tile * per_tile;
		uint32_t v = 0;

		for (; v + PLANE_BLOCK <= job->count; v += PLANE_BLOCK)
			groups_block(out, out_stride, w, s, step, job, tile, v, PLANE_BLOCK);
		for (; v < job->count; v++)
			groups_block(out, out_stride, w, s, step, job, tile, v, 1);
	}
}

/* Indices of the tables of P and Q for four complex columns of a quarter. */
typedef struct {
	uint8x16_t p;
	uint8x16_t q;
} code_index;

BODY code_index index_of(uint32_t stages, uint8x16_t code, uint32_t part)
{
	uint8x16_t low = code & 15;
	uint8x16_t high = code >> 4;

	if (stages == 2)
		return (code_index){low ^ high, low};
	return part == 0 ? (code_index){low, low} : (code_index){high, high};
}

/* The two sums of each row of a tile for some vectors; x of the real and of the imaginary half. */
BODY void add_plane(int32x4_t a[][QUARTERS], int32x4_t d[][QUARTERS], uint32_t stages,
		    const kg_kernel_plane *p, const uint8_t *line, const int8_t *x_r,
		    const int8_t *x_i, size_t x_stride, const uint32_t vectors)
{
	const uint32_t parts = stages == 1 ? 2 : 1;
	int8x16_t table[4];

	for (int i = 0; i < 4; i++)
		table[i] =
			vreinterpretq_s8_u8(vsubq_u8(vld1q_u8(p->table[i]), vdupq_n_u8(p->offset)));
	for (uint32_t at = 0; at < p->lines * parts; at++, x_r += KG_TILE_COLS, x_i += KG_TILE_COLS)
#pragma GCC unroll 4
		for (int q = 0; q < QUARTERS; q++) {
			const uint8_t *from = line + (size_t)(at / parts) * KG_LINE_SIZE;
			code_index i = index_of(stages, vld1q_u8(from + QUARTER * q), at % parts);
			int8x16_t w0 = vqtbl1q_s8(table[0], i.p);
			int8x16_t w1 = vqtbl1q_s8(table[1], i.q);
			int8x16_t w2 = vqtbl1q_s8(table[2], i.q);
			int8x16_t w3 = vqtbl1q_s8(table[3], i.p);

#pragma GCC unroll 2
			for (uint32_t v = 0; v < vectors; v++) {
				int8x16_t re = four(x_r + v * x_stride);
				int8x16_t im = four(x_i + v * x_stride);

				a[v][q] = vdotq_s32(vdotq_s32(a[v][q], w0, re), w1, im);
				d[v][q] = vdotq_s32(vdotq_s32(d[v][q], w2, re), w3, im);
			}
		}
}

BODY void plane_block(uint32_t stages, const kg_kernel_plane *p, const kg_kernel_job *job,
		      uint32_t tile, uint32_t from, const uint32_t vectors)
{
	size_t cols = (size_t)p->lines * KG_TILE_COLS * (stages == 1 ? 2 : 1);
	const int8_t *x = job->x + from * job->x_stride;
	int32_t *y = job->y + from * job->y_stride + (size_t)tile * KG_TILE_ROWS;
	int32x4_t a[PLANE_BLOCK][QUARTERS];
	int32x4_t d[PLANE_BLOCK][QUARTERS];

	clear(a, vectors);
	clear(d, vectors);
	add_plane(a, d, stages, p, p->line + (size_t)tile * p->lines * KG_LINE_SIZE, x, x + cols,
		  job->x_stride, vectors);
	for (uint32_t v = 0; v < vectors; v++, y += job->y_stride)
		for (int q = 0; q < QUARTERS; q++) {
			int32_t *y_i = y + (size_t)p->tiles * KG_TILE_ROWS;

			/* The sums are even, so the arithmetic shift is the exact half. */
			vst1q_s32(y + 4 * q, vshrq_n_s32(vaddq_s32(a[v][q], d[v][q]), 1));
			vst1q_s32(y_i + 4 * q, vshrq_n_s32(vsubq_s32(d[v][q], a[v][q]), 1));
		}
}

BODY void plane_of(uint32_t stages, const kg_kernel_plane *p, const kg_kernel_job *job)
{
	for (uint32_t tile = job->first; tile < job->last; tile++) {
		uint32_t v = 0;

		for (; v + PLANE_BLOCK <= job->count; v += PLANE_BLOCK)
			plane_block(stages, p, job, tile, v, PLANE_BLOCK);
		for (; v < job->count; v++)
			plane_block(stages, p, job, tile, v, 1);
	}
}

static void plane(const kg_kernel_plane *p, const kg_kernel_job *job)
{
	if (p->stages == 1)
		plane_of(1, p, job);
	else
		plane_of(2, p, job);
}

/* Index 0 or 1, the sign, looks up +1 or -1; with the axis bit it is 16 or more, which looks up 0:
 * so one table gives the codes +-1, and with the axis turned over those of +-i. */
static void phases_tile(int32x4_t sum[4][QUARTERS], const uint8_t *line, uint32_t lines_count,
			const int8_t *x_r, const int8_t *x_i)
{
	static const int8_t entries[16] = {1, -1};
	const int8x16_t sign = vld1q_s8(entries);

	for (uint32_t at = 0; at < lines_count; at++, line += KG_LINE_SIZE)
#pragma GCC unroll 4
		for (int k = 0; k < 4; k++, x_r += KG_TILE_COLS, x_i += KG_TILE_COLS) {
			int8x16_t re = four(x_r);
			int8x16_t im = four(x_i);

#pragma GCC unroll 4
			for (int q = 0; q < QUARTERS; q++) {
				uint8x16_t code = vld1q_u8(line + QUARTER * q) >> (uint8_t)k & 0x11;
				int8x16_t real = vqtbl1q_s8(sign, code);
				int8x16_t imaginary = vqtbl1q_s8(sign, code ^ 0x10);

				sum[0][q] = vdotq_s32(sum[0][q], real, re);
				sum[1][q] = vdotq_s32(sum[1][q], real, im);
				sum[2][q] = vdotq_s32(sum[2][q], imaginary, re);
				sum[3][q] = vdotq_s32(sum[3][q], imaginary, im);
			}
		}
}

static void phases(const kg_kernel_phases *p, const kg_kernel_job *job)
{
	size_t rows = (size_t)p->tiles * KG_TILE_ROWS;

	for (uint32_t tile = job->first; tile < job->last; tile++)
		for (uint32_t v = 0; v < job->count; v++) {
			const int8_t *x = job->x + v * job->x_stride;
			int32_t *y = job->y + v * job->y_stride + (size_t)tile * KG_TILE_ROWS;
			int32x4_t sum[4][QUARTERS];

			clear(sum, 4);
			phases_tile(sum, p->line + (size_t)tile * p->lines * KG_LINE_SIZE, p->lines,
				    x, x + (size_t)p->lines * LANES);
			for (size_t k = 0; k < 4; k++)
				for (size_t q = 0; q < QUARTERS; q++)
					vst1q_s32(y + k * rows + 4 * q, sum[k][q]);
		}
}

static void scale_f32(float *y, const int32_t *sum, const float *scale, float step, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		y[i] = (float)sum[i] * (scale[i] * step);
}

static void scale_f16(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
		      float step, uint32_t n)
{
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4) {
		float32x4_t s = vdivq_f32(halves4(scale + i), vdupq_n_f32(divisor));

		vst1q_f32(y + i,
			  vmulq_f32(vcvtq_f32_s32(vld1q_s32(sum + i)), vmulq_n_f32(s, step)));
	}
	for (; i < n; i++)
		y[i] = (float)sum[i] * (kg_half_to_float(scale[i]) / divisor * step);
}

static inline lanes bytes(const int8_t *x)
{
	int8x16_t v = vld1q_s8(x);
	int16x8_t low = vmovl_s8(vget_low_s8(v));
	int16x8_t high = vmovl_s8(vget_high_s8(v));

	return (lanes){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
			vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
			vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
			vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}

static inline lanes add_scaled(lanes sum, float p, const int8_t *v)
{
	lanes row = bytes(v);

	for (int k = 0; k < QUARTERS; k++)
		sum.at[k] = vaddq_f32(sum.at[k], vmulq_n_f32(row.at[k], p));
	return sum;
}

static void mix_one(float *y, const int8_t *value, uint32_t width, const float *p, uint32_t count)
{
	uint32_t whole = count - count % PARTS;

	for (uint32_t at = 0; at < width; at += LANES) {
		lanes part[PARTS] = {zero(), zero(), zero(), zero()};
		const int8_t *row = value + at;

		for (uint32_t t = 0; t < whole; t += PARTS)
			for (uint32_t k = 0; k < PARTS; k++, row += width)
				part[k] = add_scaled(part[k], p[t + k], row);
		/* One by one: an index that varies would move all four sums to the stack. */
		if (whole < count)
			part[0] = add_scaled(part[0], p[whole], row);
		if (whole + 1 < count)
			part[1] = add_scaled(part[1], p[whole + 1], row + width);
		if (whole + 2 < count)
			part[2] = add_scaled(part[2], p[whole + 2], row + 2 * (size_t)width);
		store(y + at, add(add(part[0], part[1]), add(part[2], part[3])));
	}
}

static void mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width, const float *p,
		   size_t p_stride, uint32_t count, uint32_t vectors)
{
	for (uint32_t v = 0; v < vectors; v++)
		mix_one(y + v * y_stride, value, width, p + v * p_stride, count);
}

/* The tail is added lane by lane, as nothing else is. */
static float finish(lanes sum, const float *a, const float *b, size_t n)
{
	float lane[LANES];

	store(lane, sum);
	for (size_t l = 0; l < n; l++)
		lane[l] += a[l] * b[l];
	return loops_tree(lane);
}

static float finish_f16(lanes sum, const uint16_t *a, const float *b, size_t n)
{
	uint16_t rest[LANES] = {0};
	float tail[LANES];

	memcpy(rest, a, n * sizeof(*a));
	store(tail, halves(rest));
	return finish(sum, tail, b, n);
}

/* One row and some vectors; `wide` rows are floats, others halves. */
BODY void row_block(float *y, size_t y_stride, bool wide, const void *row, const float *x,
		    size_t x_stride, uint32_t cols, const uint32_t vectors)
{
	const float *f32 = row;
	const uint16_t *f16 = row;
	uint32_t whole = cols - cols % LANES;
	lanes sum[BLOCK];

	for (uint32_t v = 0; v < vectors; v++)
		sum[v] = zero();
	for (uint32_t i = 0; i < whole; i += LANES) {
		lanes w = wide ? load(f32 + i) : halves(f16 + i);

#pragma GCC unroll 4
		for (uint32_t v = 0; v < vectors; v++)
			sum[v] = add_product(sum[v], w, load(x + v * x_stride + i));
	}
	for (uint32_t v = 0; v < vectors; v++) {
		const float *rest = x + v * x_stride + whole;

		y[v * y_stride] = wide ? finish(sum[v], f32 + whole, rest, cols - whole)
				       : finish_f16(sum[v], f16 + whole, rest, cols - whole);
	}
}

BODY void rows(float *y, size_t y_stride, bool wide, const void *w, const float *x, size_t x_stride,
	       uint32_t rows_count, uint32_t cols, uint32_t count)
{
	size_t row_bytes = cols * (wide ? sizeof(float) : sizeof(uint16_t));
	uint32_t v = 0;

	for (; v + BLOCK <= count; v += BLOCK)
		for (uint32_t r = 0; r < rows_count; r++)
			row_block(y + v * y_stride + r, y_stride, wide,
				  (const uint8_t *)w + r * row_bytes, x + v * x_stride, x_stride,
				  cols, BLOCK);
	for (; v < count; v++)
		for (uint32_t r = 0; r < rows_count; r++)
			row_block(y + v * y_stride + r, y_stride, wide,
				  (const uint8_t *)w + r * row_bytes, x + v * x_stride, x_stride,
				  cols, 1);
}

static void rows_f32(float *y, size_t y_stride, const float *w, const float *x, size_t x_stride,
		     uint32_t rows_count, uint32_t cols, uint32_t count)
{
	rows(y, y_stride, true, w, x, x_stride, rows_count, cols, count);
}

static void rows_f16(float *y, size_t y_stride, const uint16_t *w, const float *x, size_t x_stride,
		     uint32_t rows_count, uint32_t cols, uint32_t count)
{
	rows(y, y_stride, false, w, x, x_stride, rows_count, cols, count);
}

static float dot_f32(const float *a, const float *b, size_t n)
{
	float y;

	KG_DASSERT(n <= UINT32_MAX);
	row_block(&y, 0, true, a, b, 0, (uint32_t)n, 1);
	return y;
}

static float dot_f16(const uint16_t *a, const float *b, size_t n)
{
	float y;

	KG_DASSERT(n <= UINT32_MAX);
	row_block(&y, 0, false, a, b, 0, (uint32_t)n, 1);
	return y;
}

/* Four maxima, each with its lowest index; then the greatest of them, the lowest where equal. */
static uint32_t argmax(const float *x, size_t n)
{
	uint32x4_t i = {0, 1, 2, 3};
	uint32x4_t at = vdupq_n_u32(0);
	float32x4_t best = vdupq_n_f32(-INFINITY);
	size_t whole = n - n % 4;
	float greatest;
	uint32_t lowest;

	for (size_t k = 0; k < whole; k += 4, i += 4) {
		float32x4_t v = vld1q_f32(x + k);
		uint32x4_t more = vcgtq_f32(v, best);

		best = vbslq_f32(more, v, best);
		at = vbslq_u32(more, i, at);
	}
	greatest = vmaxvq_f32(best);
	lowest = vminvq_u32(
		vbslq_u32(vceqq_f32(best, vdupq_n_f32(greatest)), at, vdupq_n_u32(UINT32_MAX)));
	for (size_t k = whole; k < n; k++)
		if (x[k] > greatest) {
			greatest = x[k];
			lowest = (uint32_t)k;
		}
	return lowest;
}

static void weigh(float *p, const kg_kernel_scores *from)
{
	kg_kernel__weigh_by(p, from, loops_softmax);
}

static void add_floats(float *x, const float *y, size_t n)
{
	kg_kernel__add_by(x, y, n);
}

static void norm(float *out, const float *x, const float *gain, size_t n, float divisor, float eps)
{
	kg_kernel__norm_by(out, x, gain, n, divisor, eps, dot_f32);
}

static void turn(float *x, const float *cosine, const float *sine, size_t n)
{
	kg_kernel__turn_by(x, cosine, sine, n);
}

const kg_kernel kg_kernel_neon = {
	.name = "neon",
	.usable = usable,
	.lines = lines,
	.groups = groups,
	.plane = plane,
	.phases = phases,
	.gather = kg_kernel__gather,
	.scatter = kg_kernel__scatter,
	.scatter_four = kg_kernel__scatter_four,
	.spread_four = kg_kernel__spread_four,
	.scale_f32 = scale_f32,
	.scale_f16 = scale_f16,
	.weigh = weigh,
	.mix_i8 = mix_i8,
	.rows_f32 = rows_f32,
	.rows_f16 = rows_f16,
	.argmax = argmax,
	.dot_f32 = dot_f32,
	.dot_f16 = dot_f16,
	.add = add_floats,
	.norm = norm,
	.turn = turn,
	.softmax = loops_softmax,
	.swiglu = loops_swiglu,
	.quantize = loops_quantize,
};
