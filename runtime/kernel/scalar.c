/* SPDX-License-Identifier: MIT */
/* The definition: plain C, read it to know what a kernel computes. */
#include <string.h>

#include "runtime/fmath.h"
#include "runtime/fmath_loops.h"
#include "runtime/half.h"
#include "runtime/kernel/tables.h"

enum { LANES = 16, PARTS = 4 };

static bool usable(void)
{
	return true;
}

static void tile_i8(int32_t *y, const int8_t *line, const int8_t *x, uint32_t tiles, uint32_t quads)
{
	for (uint32_t tile = 0; tile < tiles; tile++, y += KG_TILE_ROWS) {
		memset(y, 0, KG_TILE_ROWS * sizeof(*y));
		for (uint32_t quad = 0; quad < quads; quad++, line += KG_LINE_SIZE)
			for (int r = 0; r < KG_TILE_ROWS; r++)
				for (int c = 0; c < KG_TILE_COLS; c++)
					y[r] += line[KG_TILE_COLS * r + c] *
						x[KG_TILE_COLS * quad + (uint32_t)c];
	}
}

static void plane(int32_t *y_r, int32_t *y_i, const kg_kernel_plane *p, const int8_t *x_r,
		  const int8_t *x_i)
{
	const uint8_t *line = p->line;

	for (uint32_t tile = 0; tile < p->tiles; tile++) {
		int32_t a[KG_TILE_ROWS] = {0};
		int32_t d[KG_TILE_ROWS] = {0};

		for (uint32_t quad = 0; quad < p->quads; quad++, line += KG_LINE_SIZE) {
			for (int at = 0; at < KG_LINE_SIZE; at++) {
				int byte = line[at];
				int q = byte & 15;
				int h = (byte ^ byte >> 4) & 15;
				int r = at / KG_TILE_COLS;
				int re = x_r[quad * KG_TILE_COLS + (uint32_t)at % KG_TILE_COLS];
				int im = x_i[quad * KG_TILE_COLS + (uint32_t)at % KG_TILE_COLS];

				a[r] += (p->table[0][h] - p->offset) * re +
					(p->table[1][q] - p->offset) * im;
				d[r] += (p->table[2][q] - p->offset) * re +
					(p->table[3][h] - p->offset) * im;
			}
		}
		for (int r = 0; r < KG_TILE_ROWS; r++) {
			*y_r++ = (a[r] + d[r]) / 2; /* always even */
			*y_i++ = (d[r] - a[r]) / 2;
		}
	}
}

static void mix_i8(float *y, const int8_t *v, const float *p, uint32_t count, uint32_t width)
{
	for (uint32_t at = 0; at < width; at += LANES) {
		float part[PARTS][LANES] = {{0}};

		for (uint32_t t = 0; t < count; t++) {
			const int8_t *row = v + (size_t)t * width + at;
			float *sum = part[t % PARTS];

			for (int l = 0; l < LANES; l++)
				sum[l] += p[t] * (float)row[l];
		}
		for (int l = 0; l < LANES; l++)
			y[at + (uint32_t)l] = (part[0][l] + part[1][l]) + (part[2][l] + part[3][l]);
	}
}

static float dot_f32(const float *a, const float *b, size_t n)
{
	float lane[LANES] = {0};
	size_t whole = n - n % LANES;

	for (size_t i = 0; i < whole; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] += a[i + l] * b[i + l];
	for (size_t l = 0; l < n - whole; l++)
		lane[l] += a[whole + l] * b[whole + l];
	return loops_tree(lane);
}

static float dot_f16(const uint16_t *a, const float *b, size_t n)
{
	float lane[LANES] = {0};

	for (size_t i = 0; i < n; i++)
		lane[i % LANES] += kg_half_to_float(a[i]) * b[i];
	return loops_tree(lane);
}

const kg_kernel kg_kernel_scalar = {
	.name = "scalar",
	.usable = usable,
	.tile_i8 = tile_i8,
	.plane = plane,
	.mix_i8 = mix_i8,
	.dot_f32 = dot_f32,
	.dot_f16 = dot_f16,
	.softmax = kg_fmath_softmax,
	.swiglu = kg_fmath_swiglu,
	.quantize = kg_fmath_quantize,
};
