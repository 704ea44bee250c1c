/* SPDX-License-Identifier: MIT */
/* The definition: plain C, read it to know what a kernel computes. */
#include <string.h>

#include "runtime/fmath.h"
#include "runtime/fmath_loops.h"
#include "runtime/half.h"
#include "runtime/kernel/tables.h"

enum { LANES = 16, PARTS = 4, COLUMNS_MAX = 16 /* of a line */ };

static bool usable(void)
{
	return true;
}

/* The whole numbers of one line: w[row][column]. `palette` is that of the line's tile. */
static void decode(int8_t w[KG_TILE_ROWS][COLUMNS_MAX], kg_lines_kind kind, const uint8_t *line,
		   const int8_t *palette)
{
	for (int r = 0; r < KG_TILE_ROWS; r++)
		for (int c = 0; c < KG_TILE_COLS; c++) {
			uint8_t byte = line[KG_TILE_COLS * r + c];

			switch (kind) {
			case KG_LINES_INT8:
				w[r][c] = (int8_t)byte;
				break;
			case KG_LINES_PALETTE256:
				w[r][c] = palette[byte];
				break;
			case KG_LINES_INT4:
				w[r][c] = (int8_t)((byte & 15) - 8);
				w[r][4 + c] = (int8_t)((byte >> 4) - 8);
				break;
			case KG_LINES_PALETTE16:
				w[r][c] = palette[byte & 15];
				w[r][4 + c] = palette[byte >> 4];
				break;
			case KG_LINES_INT2:
				for (int k = 0; k < 4; k++)
					w[r][4 * k + c] = (int8_t)(2 * (byte >> 2 * k & 3) - 3);
				break;
			case KG_LINES_TERNARY:
				for (int k = 0; k < 4; k++)
					w[r][4 * k + c] = (int8_t)((byte >> 2 * k & 3) - 1);
				break;
			case KG_LINES_PALETTE4:
				for (int k = 0; k < 4; k++)
					w[r][4 * k + c] = palette[4 * r + (byte >> 2 * k & 3)];
				break;
			}
		}
}

static const int8_t *palette_of(const kg_kernel_lines *w, uint32_t tile)
{
	return w->kind == KG_LINES_PALETTE4 ? w->palette + (size_t)tile * 4 * KG_TILE_ROWS
					    : w->palette;
}

/* sum[r] = those of lines from..to-1 of a tile; x is the vector from its column 0. */
static void tile_sums(int32_t sum[KG_TILE_ROWS], const kg_kernel_lines *w, uint32_t tile,
		      uint32_t from, uint32_t to, const int8_t *x)
{
	uint32_t columns = kg_lines_columns(w->kind);
	const uint8_t *line = w->line + (size_t)tile * w->lines * KG_LINE_SIZE;
	int8_t part[KG_TILE_ROWS][COLUMNS_MAX];

	memset(sum, 0, KG_TILE_ROWS * sizeof(*sum));
	for (uint32_t at = from; at < to; at++) {
		decode(part, w->kind, line + (size_t)at * KG_LINE_SIZE, palette_of(w, tile));
		for (int r = 0; r < KG_TILE_ROWS; r++)
			for (uint32_t c = 0; c < columns; c++)
				sum[r] += part[r][c] * x[(size_t)at * columns + c];
	}
}

static void lines(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	for (uint32_t tile = job->first; tile < job->last; tile++)
		for (uint32_t v = 0; v < job->count; v++)
			tile_sums(job->y + v * job->y_stride + (size_t)tile * KG_TILE_ROWS, w, tile,
				  0, w->lines, job->x + v * job->x_stride);
}

static void groups(float *out, size_t out_stride, const kg_kernel_lines *w, const uint16_t *scale,
		   const float *step, const kg_kernel_job *job)
{
	uint32_t count = (w->lines + KG_GROUP_LINES - 1) / KG_GROUP_LINES;

	for (uint32_t tile = job->first; tile < job->last; tile++)
		for (uint32_t v = 0; v < job->count; v++) {
			const uint16_t *s = scale + (size_t)tile * count * KG_TILE_ROWS;
			float *y = out + v * out_stride + (size_t)tile * KG_TILE_ROWS;
			float part[KG_TILE_ROWS] = {0};

			for (uint32_t from = 0; from < w->lines; from += KG_GROUP_LINES) {
				uint32_t to = from + KG_GROUP_LINES < w->lines
						      ? from + KG_GROUP_LINES
						      : w->lines;
				int32_t sum[KG_TILE_ROWS];

				tile_sums(sum, w, tile, from, to, job->x + v * job->x_stride);
				for (int r = 0; r < KG_TILE_ROWS; r++)
					part[r] += (float)sum[r] * kg_half_to_float(*s++);
			}
			for (int r = 0; r < KG_TILE_ROWS; r++)
				y[r] = part[r] * step[v];
		}
}

/* Indices of the tables of P (p) and of Q (q) for the code pair of one complex column. */
typedef struct {
	uint8_t p;
	uint8_t q;
} code_index;

/* Those of a line's byte `c` (of a row) in column 4 * k + c of the line. */
static code_index plane_index(const kg_kernel_plane *p, uint8_t byte, uint32_t k)
{
	uint8_t half = k == 0 ? byte & 15 : byte >> 4;

	if (p->stages == 1)
		return (code_index){half, half};
	return (code_index){(byte ^ byte >> 4) & 15, byte & 15};
}

static void plane_tile(int32_t *y_r, int32_t *y_i, const kg_kernel_plane *p, uint32_t tile,
		       const int8_t *x)
{
	uint32_t quads = p->stages == 1 ? 2 : 1; /* of a line */
	const uint8_t *line = p->line + (size_t)tile * p->lines * KG_LINE_SIZE;
	const int8_t *x_i = x + (size_t)p->lines * quads * KG_TILE_COLS;
	int32_t a[KG_TILE_ROWS] = {0};
	int32_t d[KG_TILE_ROWS] = {0};

	for (uint32_t quad = 0; quad < p->lines * quads; quad++)
		for (uint32_t at = 0; at < KG_LINE_SIZE; at++) {
			uint8_t byte = line[(size_t)(quad / quads) * KG_LINE_SIZE + at];
			code_index i = plane_index(p, byte, quad % quads);
			uint32_t r = at / KG_TILE_COLS;
			size_t column = (size_t)quad * KG_TILE_COLS + at % KG_TILE_COLS;

			a[r] += (p->table[0][i.p] - p->offset) * x[column] +
				(p->table[1][i.q] - p->offset) * x_i[column];
			d[r] += (p->table[2][i.q] - p->offset) * x[column] +
				(p->table[3][i.p] - p->offset) * x_i[column];
		}
	for (uint32_t r = 0; r < KG_TILE_ROWS; r++) {
		y_r[r] = (a[r] + d[r]) / 2; /* always even */
		y_i[r] = (d[r] - a[r]) / 2;
	}
}

static void plane(const kg_kernel_plane *p, const kg_kernel_job *job)
{
	for (uint32_t tile = job->first; tile < job->last; tile++)
		for (uint32_t v = 0; v < job->count; v++) {
			int32_t *y = job->y + v * job->y_stride + (size_t)tile * KG_TILE_ROWS;

			plane_tile(y, y + (size_t)p->tiles * KG_TILE_ROWS, p, tile,
				   job->x + v * job->x_stride);
		}
}

/* Adds the line's codes of column 4 * k + c, which meet re and im, to the sums of row r. */
static void add_phase(int32_t sum[4][KG_TILE_ROWS], int r, int byte, int k, int re, int im)
{
	int sign = (byte >> k & 1) != 0 ? -1 : 1;
	int axis = byte >> (4 + k) & 1;

	sum[2 * axis][r] += sign * re;
	sum[2 * axis + 1][r] += sign * im;
}

static void phases(const kg_kernel_phases *p, const kg_kernel_job *job)
{
	size_t half = (size_t)p->lines * COLUMNS_MAX;
	size_t rows = (size_t)p->tiles * KG_TILE_ROWS;

	for (uint32_t tile = job->first; tile < job->last; tile++)
		for (uint32_t v = 0; v < job->count; v++) {
			const uint8_t *line = p->line + (size_t)tile * p->lines * KG_LINE_SIZE;
			const int8_t *x = job->x + v * job->x_stride;
			int32_t *y = job->y + v * job->y_stride + (size_t)tile * KG_TILE_ROWS;
			int32_t sum[4][KG_TILE_ROWS] = {{0}};

			for (uint32_t at = 0; at < p->lines * KG_LINE_SIZE; at++) {
				const int8_t *re = x + (size_t)(at / KG_LINE_SIZE) * COLUMNS_MAX +
						   at % KG_TILE_COLS;
				int r = (int)(at % KG_LINE_SIZE / KG_TILE_COLS);

				for (int k = 0; k < 4; k++)
					add_phase(sum, r, line[at], k, re[4 * k],
						  re[half + 4 * (size_t)k]);
			}
			for (size_t k = 0; k < 4; k++)
				memcpy(y + k * rows, sum[k], sizeof(sum[k]));
		}
}

void kg_kernel__gather(int8_t *out, const int8_t *x, uint32_t reach, const uint16_t *index,
		       const int8_t *sign, uint32_t n)
{
	(void)reach;
	for (uint32_t i = 0; i < n; i++)
		out[i] = (int8_t)(sign[i] * x[index[i]]);
}

/* What entry i of vector v becomes. */
static float scattered(const kg_kernel_scatter *from, uint32_t i, size_t v)
{
	float part = (float)from->sum[v * from->stride + i] * from->step[v];

	if (from->second != NULL)
		part += (float)from->second[v * from->stride + i] * from->second_step[v];
	return (float)from->sign[i] * part;
}

void kg_kernel__scatter(float *y, const kg_kernel_scatter *from)
{
	for (uint32_t i = 0; i < from->n; i++)
		y[from->index[i]] = scattered(from, i, 0);
}

void kg_kernel__scatter_four(float *room, const kg_kernel_scatter *from)
{
	for (uint32_t i = 0; i < from->n; i++)
		for (size_t v = 0; v < KG_KERNEL_FOUR; v++)
			room[(size_t)KG_KERNEL_FOUR * from->index[i] + v] = scattered(from, i, v);
}

void kg_kernel__spread_four(float *y, size_t y_stride, const float *room, uint32_t n)
{
	for (size_t r = 0; r < n; r++)
		for (size_t v = 0; v < KG_KERNEL_FOUR; v++)
			y[v * y_stride + r] = room[KG_KERNEL_FOUR * r + v];
}

static void scale_f32(float *y, const int32_t *sum, const float *scale, float step, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		y[i] = (float)sum[i] * (scale[i] * step);
}

static void scale_f16(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
		      float step, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		y[i] = (float)sum[i] * (kg_half_to_float(scale[i]) / divisor * step);
}

static void weigh(float *p, const kg_kernel_scores *from)
{
	kg_kernel__weigh_by(p, from, kg_fmath_softmax);
}

static void mix_one(float *y, const int8_t *value, uint32_t width, const float *p, uint32_t count)
{
	for (uint32_t at = 0; at < width; at += LANES) {
		float part[PARTS][LANES] = {{0}};

		for (uint32_t t = 0; t < count; t++) {
			const int8_t *row = value + (size_t)t * width + at;
			float *sum = part[t % PARTS];

			for (int l = 0; l < LANES; l++)
				sum[l] += p[t] * (float)row[l];
		}
		for (int l = 0; l < LANES; l++)
			y[at + (uint32_t)l] = (part[0][l] + part[1][l]) + (part[2][l] + part[3][l]);
	}
}

static void mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width, const float *p,
		   size_t p_stride, uint32_t count, uint32_t vectors)
{
	for (uint32_t v = 0; v < vectors; v++)
		mix_one(y + v * y_stride, value, width, p + v * p_stride, count);
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

static void rows_f32(float *y, size_t y_stride, const float *w, const float *x, size_t x_stride,
		     uint32_t rows, uint32_t cols, uint32_t count)
{
	for (uint32_t v = 0; v < count; v++)
		for (uint32_t r = 0; r < rows; r++)
			y[v * y_stride + r] = dot_f32(w + (size_t)r * cols, x + v * x_stride, cols);
}

static void rows_f16(float *y, size_t y_stride, const uint16_t *w, const float *x, size_t x_stride,
		     uint32_t rows, uint32_t cols, uint32_t count)
{
	for (uint32_t v = 0; v < count; v++)
		for (uint32_t r = 0; r < rows; r++)
			y[v * y_stride + r] = dot_f16(w + (size_t)r * cols, x + v * x_stride, cols);
}

static uint32_t argmax(const float *x, size_t n)
{
	float best = -INFINITY;
	uint32_t at = 0;

	for (size_t i = 0; i < n; i++)
		if (x[i] > best) {
			best = x[i];
			at = (uint32_t)i;
		}
	return at;
}

static void add(float *x, const float *y, size_t n)
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

const kg_kernel kg_kernel_scalar = {
	.name = "scalar",
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
	.add = add,
	.norm = norm,
	.turn = turn,
	.softmax = kg_fmath_softmax,
	.swiglu = kg_fmath_swiglu,
	.quantize = kg_fmath_quantize,
};
