/* SPDX-License-Identifier: MIT */
/* Integer products: every table against the definition, and the definition against sums written
 * from the description of the layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/kernel.h"

enum {
	TILES_MAX = 4,
	LINES_MAX = 38,
	ROWS_MAX = TILES_MAX * KG_TILE_ROWS,
	X_MAX = 2 * 16 * (LINES_MAX + 2), /* two halves of the widest lines */
	X_STRIDE = (X_MAX + 63) / 64 * 64,
	Y_MAX = 4 * ROWS_MAX, /* phases have four sums a row */
	Y_STRIDE = Y_MAX + 3,
	COUNTS = 18, /* 1..17 vectors, and a whole batch */
	NOTHING = 0x5a5a5a5a,
};

/* How inputs are drawn. */
typedef enum { RANDOM, EXTREME, CONSTANT, TINY, KINDS } kind;

/* Inputs and outputs of one call. */
typedef struct {
	kg_rng rng;
	uint8_t *line;
	int8_t *x;
	int8_t palette[ROWS_MAX * 4];
	uint16_t scale[TILES_MAX * (LINES_MAX / KG_GROUP_LINES + 1) * KG_TILE_ROWS];
	float step[KG_KERNEL_BATCH];
	uint32_t tiles;
	uint32_t lines;
	kg_kernel_job job;
	int32_t *want;
	int32_t *got;
} bench;

static void *aligned(size_t size)
{
	void *at = aligned_alloc(KG_LINE_SIZE,
				 (size + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE);

	assert_non_null(at);
	return at;
}

static bench *bench_new(uint64_t seed)
{
	bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	kg_rng_init_u64(&b->rng, seed);
	b->line = aligned((size_t)TILES_MAX * (LINES_MAX + 1) * KG_LINE_SIZE);
	b->x = aligned((size_t)KG_KERNEL_BATCH * X_STRIDE);
	b->want = aligned((size_t)KG_KERNEL_BATCH * Y_STRIDE * sizeof(int32_t));
	b->got = aligned((size_t)KG_KERNEL_BATCH * Y_STRIDE * sizeof(int32_t));
	return b;
}

static void bench_free(bench *b)
{
	free(b->line);
	free(b->x);
	free(b->want);
	free(b->got);
	free(b);
}

static int8_t draw(kg_rng *rng, kind k)
{
	if (k == EXTREME)
		return (kg_rng_u64(rng) & 1) != 0 ? 127 : -127;
	if (k == CONSTANT)
		return 127;
	if (k == TINY)
		return (int8_t)((int)kg_rng_below(rng, 3) - 1);
	return (int8_t)((int)kg_rng_below(rng, 255) - 127);
}

static uint8_t draw_code(kg_rng *rng, kg_lines_kind lines, kind k, uint8_t same)
{
	uint8_t byte = k == CONSTANT ? same : (uint8_t)kg_rng_u64(rng);

	if (lines == KG_LINES_INT8)
		return (uint8_t)draw(rng, k);
	if (lines == KG_LINES_TERNARY)
		for (int bit = 0; bit < 8; bit += 2)
			if ((byte >> bit & 3) == 3)
				byte = (uint8_t)(byte & ~(1 << bit));
	return byte;
}

/* Sizes, ranges, codes and activations; `even` lines for planes. */
static void bench_draw(bench *b, kg_lines_kind lines, kind k, uint32_t count, bool even)
{
	/* All bits and none among them: the greatest sums there are. */
	const uint8_t codes[] = {0, 255, (uint8_t)kg_rng_u64(&b->rng)};
	uint8_t same = codes[kg_rng_below(&b->rng, 3)];
	uint32_t first;

	b->tiles = 1 + (uint32_t)kg_rng_below(&b->rng, TILES_MAX);
	b->lines = (uint32_t)kg_rng_below(&b->rng, LINES_MAX + 1);
	if (even)
		b->lines += b->lines % 2;
	first = (uint32_t)kg_rng_below(&b->rng, b->tiles);
	b->job = (kg_kernel_job){
		.x = b->x,
		.x_stride = X_STRIDE,
		.y_stride = Y_STRIDE,
		.count = count,
		.first = first,
		.last = first + (uint32_t)kg_rng_below(&b->rng, b->tiles - first + 1),
	};
	for (size_t i = 0; i < (size_t)b->tiles * b->lines * KG_LINE_SIZE; i++)
		b->line[i] = draw_code(&b->rng, lines, k, same);
	for (size_t i = 0; i < (size_t)count * X_STRIDE; i++)
		b->x[i] = draw(&b->rng, k);
	for (size_t i = 0; i < sizeof(b->palette); i++)
		b->palette[i] = draw(&b->rng, k);
	for (size_t i = 0; i < (size_t)KG_KERNEL_BATCH * Y_STRIDE; i++)
		b->want[i] = b->got[i] = NOTHING;
}

/* What is outside the job stays as it was. */
static void bench_compare(const bench *b)
{
	assert_memory_equal(b->want, b->got, (size_t)KG_KERNEL_BATCH * Y_STRIDE * sizeof(int32_t));
}

static uint32_t count_at(uint32_t i)
{
	return i == COUNTS - 1 ? KG_KERNEL_BATCH : i + 1;
}

/* Calls `check` with each table this machine can run, the definition first. */
static void each_table(void (*check)(const kg_kernel *table))
{
	for (uint32_t i = 0; i < kg_kernel_count(); i++)
		if (kg_kernel_at(i)->usable())
			check(kg_kernel_at(i));
}

static kg_kernel_lines lines_of(const bench *b, kg_lines_kind lines)
{
	return (kg_kernel_lines){lines, b->tiles, b->lines, b->line, b->palette};
}

/* The whole number at a row and column, from the table of kinds in runtime/kernel.h. */
static int naive_weight(const kg_kernel_lines *w, uint32_t row, uint32_t column)
{
	uint32_t columns = w->kind == KG_LINES_INT8 || w->kind == KG_LINES_PALETTE256  ? 4
			   : w->kind == KG_LINES_INT4 || w->kind == KG_LINES_PALETTE16 ? 8
										       : 16;
	uint32_t bits = 32 / columns;
	size_t line = (size_t)(row / 16) * w->lines + column / columns;
	uint8_t byte = w->line[line * 64 + 4 * (row % 16) + column % 4];
	int code = byte >> (column % columns / 4 * bits) & ((1 << bits) - 1);

	switch (w->kind) {
	case KG_LINES_INT8:
		return (int8_t)byte;
	case KG_LINES_INT4:
		return code - 8;
	case KG_LINES_INT2:
		return 2 * code - 3;
	case KG_LINES_TERNARY:
		return code - 1;
	case KG_LINES_PALETTE4:
		return w->palette[4 * row + (uint32_t)code];
	default:
		return w->palette[code];
	}
}

/* The sum over the columns from..to-1. */
static int64_t naive_sum(const kg_kernel_lines *w, uint32_t row, uint32_t from, uint32_t to,
			 const int8_t *x)
{
	int64_t sum = 0;

	for (uint32_t column = from; column < to; column++)
		sum += (int64_t)naive_weight(w, row, column) * x[column];
	return sum;
}

static void naive_lines(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	for (uint32_t v = 0; v < job->count; v++)
		for (uint32_t row = 16 * job->first; row < 16 * job->last; row++)
			job->y[v * job->y_stride + row] =
				(int32_t)naive_sum(w, row, 0, w->lines * kg_lines_columns(w->kind),
						   job->x + v * job->x_stride);
}

static void check_lines(const kg_kernel *table)
{
	bench *b = bench_new(10);

	for (int lines = 0; lines < KG_LINES_KINDS; lines++)
		for (int k = 0; k < KINDS; k++)
			for (uint32_t i = 0; i < COUNTS; i++) {
				kg_kernel_lines w;

				bench_draw(b, (kg_lines_kind)lines, (kind)k, count_at(i), false);
				w = lines_of(b, (kg_lines_kind)lines);
				b->job.y = b->want;
				naive_lines(&w, &b->job);
				b->job.y = b->got;
				table->lines(&w, &b->job);
				bench_compare(b);
			}
	bench_free(b);
}

static void test_lines__are_the_matrix_product_in_every_table(void **state)
{
	(void)state;
	each_table(check_lines);
}

/* Halves whose values are exact in few bits and as good in the naive sum below. */
static void draw_scales(bench *b, kind k)
{
	for (size_t i = 0; i < sizeof(b->scale) / sizeof(*b->scale); i++) {
		/* Any finite half: sign, exponent below 31, mantissa. */
		uint16_t half =
			(uint16_t)(kg_rng_below(&b->rng, 0x7c00) | (kg_rng_u64(&b->rng) & 0x8000));

		b->scale[i] = k == TINY ? half & 0x83ff : half;
	}
	for (int v = 0; v < KG_KERNEL_BATCH; v++)
		b->step[v] = kg_rng_float(&b->rng) * (k == EXTREME ? 1e30f : 1.0f);
}

static float half_value(uint16_t half)
{
	float size = (half & 0x7c00) == 0 ? (float)(half & 0x3ff) / 16777216.0f
					  : (float)(0x400 | (half & 0x3ff)) / 33554432.0f *
						    (float)(1u << (half >> 10 & 31));

	return (half & 0x8000) != 0 ? -size : size;
}

static void naive_groups(float *out, size_t stride, const bench *b, const kg_kernel_lines *w)
{
	uint32_t columns = b->lines * 8;
	uint32_t groups = (columns + 31) / 32;

	for (uint32_t v = 0; v < b->job.count; v++)
		for (uint32_t row = 16 * b->job.first; row < 16 * b->job.last; row++) {
			float part = 0.0f;

			for (uint32_t g = 0; g < groups; g++) {
				uint32_t to = 32 * g + 32 < columns ? 32 * g + 32 : columns;
				uint16_t half = b->scale[(row / 16 * groups + g) * 16 + row % 16];
				int64_t sum = naive_sum(w, row, 32 * g, to,
							b->job.x + v * b->job.x_stride);

				part += (float)sum * half_value(half);
			}
			out[v * stride + row] = part * b->step[v];
		}
}

static void check_groups(const kg_kernel *table)
{
	bench *b = bench_new(11);

	for (int k = 0; k < KINDS; k++)
		for (uint32_t i = 0; i < COUNTS; i++) {
			kg_kernel_lines w;

			bench_draw(b, KG_LINES_INT4, (kind)k, count_at(i), false);
			draw_scales(b, (kind)k);
			w = lines_of(b, KG_LINES_INT4);
			naive_groups((float *)b->want, Y_STRIDE, b, &w);
			table->groups((float *)b->got, Y_STRIDE, &w, b->scale, b->step, &b->job);
			bench_compare(b);
		}
	bench_free(b);
}

static void test_groups__are_scaled_in_order_in_every_table(void **state)
{
	(void)state;
	each_table(check_groups);
}

/* Wide enough that the starts of a batch do not fit at once where a table keeps them. */
static void check_wide(const kg_kernel *table)
{
	enum { WIDE = 16384, VECTORS = 7 };
	uint8_t *line = aligned((size_t)WIDE / 8 * KG_LINE_SIZE);
	int8_t *x = aligned((size_t)VECTORS * WIDE);
	uint16_t *scale = aligned((size_t)WIDE / 32 * 16 * sizeof(*scale));
	kg_kernel_lines w = {KG_LINES_INT4, 1, WIDE / 8, line, NULL};
	kg_kernel_job job = {.x = x, .x_stride = WIDE, .count = VECTORS, .last = 1};
	const float step[VECTORS] = {1, 2, 3, 4, 5, 6, 7};
	float got[VECTORS][KG_TILE_ROWS];
	int32_t sum[VECTORS][KG_TILE_ROWS];
	kg_rng rng;

	kg_rng_init_u64(&rng, 12);
	for (size_t i = 0; i < (size_t)WIDE / 8 * KG_LINE_SIZE; i++)
		line[i] = (uint8_t)kg_rng_u64(&rng);
	for (size_t i = 0; i < (size_t)VECTORS * WIDE; i++)
		x[i] = draw(&rng, TINY);
	for (size_t i = 0; i < (size_t)WIDE / 32 * 16; i++)
		scale[i] = 0x3c00; /* 1: every sum below 2^24 is exact */
	job.y = sum[0];
	job.y_stride = KG_TILE_ROWS;
	table->lines(&w, &job);
	table->groups(got[0], KG_TILE_ROWS, &w, scale, step, &job);
	for (int v = 0; v < VECTORS; v++)
		for (int r = 0; r < KG_TILE_ROWS; r++)
			assert_true(got[v][r] == (float)sum[v][r] * step[v]);
	free(line);
	free(x);
	free(scale);
}

static void test_groups__of_wide_matrices(void **state)
{
	(void)state;
	each_table(check_wide);
}

static const int code_re[4] = {1, -1, 0, 0};
static const int code_im[4] = {0, 0, 1, -1};

/* Parts of U (0, 1) and W (2, 3) of a complex position with the weights u0 u1 w0 w1. */
static void naive_position(int part[4], const kg_kernel_plane *p, const uint8_t weight[4],
			   uint32_t row, uint32_t column)
{
	uint32_t columns = p->stages == 2 ? 4 : 8;
	size_t line = (size_t)(row / 16) * p->lines + column / columns;
	int byte = p->line[line * 64 + 4 * (row % 16) + column % 4];
	int half = column % columns / 4 == 0 ? byte & 15 : byte >> 4;

	memset(part, 0, 4 * sizeof(*part));
	for (int m = 0; m < 4; m++) { /* U0, U1, W0, W1 */
		int code;

		if (p->stages == 2)
			code = (byte >> m & 1) | (byte >> (4 + m) & 1) << 1;
		else if (m % 2 == 0)
			code = (half >> m / 2 & 1) | (half >> (2 + m / 2) & 1) << 1;
		else
			continue;
		part[m / 2 * 2] += weight[m] * code_re[code];
		part[m / 2 * 2 + 1] += weight[m] * code_im[code];
	}
}

/* y = U x + W conj(x) with complex parts. */
static void naive_plane(const kg_kernel_plane *p, const uint8_t weight[4], const kg_kernel_job *job)
{
	uint32_t columns = p->lines * (p->stages == 2 ? 4 : 8);

	for (uint32_t v = 0; v < job->count; v++)
		for (uint32_t row = 16 * job->first; row < 16 * job->last; row++) {
			const int8_t *re = job->x + v * job->x_stride;
			const int8_t *im = re + columns;
			int32_t *y = job->y + v * job->y_stride + row;
			int64_t sum_re = 0;
			int64_t sum_im = 0;

			for (uint32_t c = 0; c < columns; c++) {
				int w[4];

				naive_position(w, p, weight, row, c);
				sum_re += w[0] * re[c] - w[1] * im[c];
				sum_im += w[0] * im[c] + w[1] * re[c];
				sum_re += w[2] * re[c] + w[3] * im[c];
				sum_im += w[3] * re[c] - w[2] * im[c];
			}
			y[0] = (int32_t)sum_re;
			y[16 * (size_t)p->tiles] = (int32_t)sum_im;
		}
}

static const uint8_t weights[2][6][4] = {
	{{1, 0, 1, 0}, {64, 0, 0, 0}, {32, 0, 32, 0}, {0, 0, 64, 0}, {25, 0, 18, 0}, {1, 0, 63, 0}},
	{{25, 12, 18, 9},
	 {16, 16, 16, 16},
	 {1, 0, 0, 0},
	 {40, 0, 24, 0},
	 {2, 1, 2, 1},
	 {61, 1, 1, 1}},
};

static void check_plane(const kg_kernel *table)
{
	bench *b = bench_new(13);

	for (uint8_t stages = 1; stages <= 2; stages++)
		for (int k = 0; k < KINDS; k++)
			for (uint32_t i = 0; i < COUNTS; i++) {
				const uint8_t *w = weights[stages - 1][kg_rng_below(&b->rng, 6)];
				kg_kernel_plane plane = {.stages = stages, .line = b->line};

				bench_draw(b, KG_LINES_INT2, (kind)k, count_at(i), true);
				plane.tiles = b->tiles;
				plane.lines = b->lines;
				kg_kernel_plane_tables(&plane, w[0], w[1], w[2], w[3]);
				b->job.y = b->want;
				naive_plane(&plane, w, &b->job);
				b->job.y = b->got;
				table->plane(&plane, &b->job);
				bench_compare(b);
			}
	bench_free(b);
}

static void test_plane__is_the_widely_linear_product_in_every_table(void **state)
{
	(void)state;
	each_table(check_plane);
}

static void naive_phases(const kg_kernel_phases *p, const kg_kernel_job *job)
{
	uint32_t columns = p->lines * 16;

	for (uint32_t v = 0; v < job->count; v++)
		for (uint32_t row = 16 * job->first; row < 16 * job->last; row++) {
			int64_t sum[4] = {0};

			for (uint32_t c = 0; c < columns; c++) {
				size_t line = (size_t)(row / 16) * p->lines + c / 16;
				int byte = p->line[line * 64 + 4 * (row % 16) + c % 4];
				int code = (byte >> c % 16 / 4 & 1) | (byte >> (4 + c % 16 / 4) & 1)
									      << 1;

				for (uint32_t half = 0; half < 2; half++) {
					int x = job->x[v * job->x_stride + half * columns + c];

					sum[half] += code_re[code] * x;
					sum[2 + half] += code_im[code] * x;
				}
			}
			for (uint32_t k = 0; k < 4; k++)
				job->y[v * job->y_stride + row + 16 * k * (size_t)p->tiles] =
					(int32_t)sum[k];
		}
}

static void check_phases(const kg_kernel *table)
{
	bench *b = bench_new(14);

	for (int k = 0; k < KINDS; k++)
		for (uint32_t i = 0; i < COUNTS; i++) {
			kg_kernel_phases phases;

			bench_draw(b, KG_LINES_INT2, (kind)k, count_at(i), false);
			phases = (kg_kernel_phases){b->tiles, b->lines, b->line};
			b->job.y = b->want;
			naive_phases(&phases, &b->job);
			b->job.y = b->got;
			table->phases(&phases, &b->job);
			bench_compare(b);
		}
	bench_free(b);
}

static void test_phases__are_four_sums_of_codes_in_every_table(void **state)
{
	(void)state;
	each_table(check_phases);
}

/* The worked position of docs/math.md, at row 5, column 2. */
static void test_plane__of_the_worked_position(void **state)
{
	uint8_t *line = aligned(2 * KG_LINE_SIZE);
	int8_t *x = aligned(16);

	(void)state;
	memset(x, 0, 16);
	x[2] = 10;
	x[8 + 2] = 20;
	memset(line, 0, 2 * KG_LINE_SIZE);
	line[4 * 5 + 2] = 0x9A;
	for (uint32_t i = 0; i < kg_kernel_count(); i++) {
		kg_kernel_plane plane = {.stages = 2, .line = line, .tiles = 1, .lines = 2};
		int32_t y[2][KG_TILE_ROWS];
		kg_kernel_job job = {.x = x, .y = y[0], .count = 1, .last = 1};

		kg_kernel_plane_tables(&plane, 3, 1, 2, 1);
		if (!kg_kernel_at(i)->usable())
			continue;
		kg_kernel_at(i)->plane(&plane, &job);
		assert_int_equal(y[0][5], -70);
		assert_int_equal(y[1][5], -40);
	}
	free(line);
	free(x);
}

/* Columns up to those that a byte, seven bits, and more than all special cases can name. */
static void check_gather(const kg_kernel *table)
{
	static const uint32_t widths[] = {1,   5,   64,   100,  128,  129,  256,  300,
					  512, 700, 1024, 1100, 2048, 5000, 65536};
	int8_t *x = aligned(65536);
	uint16_t index[300];
	int8_t sign[300];
	kg_rng rng;

	kg_rng_init_u64(&rng, 15);
	for (int i = 0; i < 65536; i++)
		x[i] = draw(&rng, RANDOM);
	for (size_t w = 0; w < sizeof(widths) / sizeof(*widths); w++)
		for (uint32_t n = 0; n <= 300; n += 1 + (uint32_t)kg_rng_below(&rng, 20)) {
			int8_t got[301];

			for (uint32_t i = 0; i < n; i++) {
				index[i] = (uint16_t)kg_rng_below(&rng, widths[w]);
				sign[i] = (kg_rng_u64(&rng) & 1) != 0 ? 1 : -1;
			}
			got[n] = 77;
			table->gather(got, x, widths[w], index, sign, n);
			for (uint32_t i = 0; i < n; i++)
				assert_int_equal(got[i], sign[i] * x[index[i]]);
			assert_int_equal(got[n], 77);
		}
	free(x);
}

static void test_gather__picks_and_signs_in_every_table(void **state)
{
	(void)state;
	each_table(check_gather);
}

static void test_pick__by_name_or_the_strongest(void **state)
{
	const kg_kernel *kernel;

	(void)state;
	for (uint32_t i = 0; i < kg_kernel_count(); i++) {
		if (kg_kernel_at(i)->usable()) {
			assert_int_equal(kg_kernel_pick(&kernel, kg_kernel_at(i)->name), KG_OK);
			assert_ptr_equal(kernel, kg_kernel_at(i));
		} else {
			assert_int_equal(kg_kernel_pick(&kernel, kg_kernel_at(i)->name), KG_EINVAL);
		}
	}
	assert_int_equal(kg_kernel_pick(&kernel, NULL), KG_OK);
	assert_true(kernel->usable());
	for (uint32_t i = kg_kernel_count(); i-- > 0;)
		if (kg_kernel_at(i)->usable()) {
			assert_ptr_equal(kernel, kg_kernel_at(i));
			break;
		}
	assert_int_equal(kg_kernel_pick(&kernel, "abacus"), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "scalar"));
	assert_int_equal(kg_kernel_set("scalar"), KG_OK);
	assert_ptr_equal(kg_kernel_current(), kg_kernel_at(0));
	assert_int_equal(kg_kernel_set("abacus"), KG_EINVAL);
	assert_ptr_equal(kg_kernel_current(), kg_kernel_at(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines__are_the_matrix_product_in_every_table),
		cmocka_unit_test(test_groups__are_scaled_in_order_in_every_table),
		cmocka_unit_test(test_groups__of_wide_matrices),
		cmocka_unit_test(test_plane__is_the_widely_linear_product_in_every_table),
		cmocka_unit_test(test_phases__are_four_sums_of_codes_in_every_table),
		cmocka_unit_test(test_plane__of_the_worked_position),
		cmocka_unit_test(test_gather__picks_and_signs_in_every_table),
		cmocka_unit_test(test_pick__by_name_or_the_strongest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
