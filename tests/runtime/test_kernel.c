/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/fairy.h"
#include "runtime/half.h"
#include "runtime/kernel.h"

enum { TILES_MAX = 5, QUADS_MAX = 38, COLS_MAX = QUADS_MAX * KG_TILE_COLS };

/* How inputs are drawn. */
typedef enum { RANDOM, EXTREME, TINY, KINDS } kind;

static int8_t draw(kg_rng *rng, kind k)
{
	if (k == EXTREME)
		return (kg_rng_u64(rng) & 1) != 0 ? 127 : -127;
	if (k == TINY)
		return (int8_t)((int)kg_rng_below(rng, 3) - 1);
	return (int8_t)((int)kg_rng_below(rng, 255) - 127);
}

static void fill(int8_t *out, size_t n, kg_rng *rng, kind k)
{
	for (size_t i = 0; i < n; i++)
		out[i] = draw(rng, k);
}

static uint8_t *lines(size_t count)
{
	uint8_t *at = aligned_alloc(KG_LINE_SIZE, (count + 1) * KG_LINE_SIZE);

	assert_non_null(at);
	return at;
}

/* Calls `check` with each table this machine can run but the definition itself. */
static void each_table(void (*check)(const kg_kernel *scalar, const kg_kernel *table))
{
	for (uint32_t i = 1; i < kg_kernel_count(); i++)
		if (kg_kernel_at(i)->usable())
			check(kg_kernel_at(0), kg_kernel_at(i));
}

static void check_tile_i8(const kg_kernel *scalar, const kg_kernel *table)
{
	uint8_t *line = lines(TILES_MAX * QUADS_MAX);
	int8_t x[COLS_MAX];
	kg_rng rng;

	kg_rng_init_u64(&rng, 10);
	for (int k = 0; k < KINDS; k++)
		for (uint32_t tiles = 0; tiles <= TILES_MAX; tiles++)
			for (uint32_t quads = 0; quads <= QUADS_MAX; quads++) {
				int32_t want[TILES_MAX * KG_TILE_ROWS] = {0};
				int32_t got[TILES_MAX * KG_TILE_ROWS] = {0};

				fill((int8_t *)line, (size_t)tiles * quads * KG_LINE_SIZE, &rng,
				     (kind)k);
				fill(x, (size_t)quads * KG_TILE_COLS, &rng, (kind)k);
				scalar->tile_i8(want, (int8_t *)line, x, tiles, quads);
				table->tile_i8(got, (int8_t *)line, x, tiles, quads);
				assert_memory_equal(want, got, sizeof(want));
			}
	free(line);
}

static void test_tile_i8__is_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_tile_i8);
}

static void test_tile_i8__is_the_matrix_product(void **state)
{
	enum { ROWS = 32, COLS = 20 };
	uint8_t *line = lines(2 * COLS / 4);
	int8_t x[COLS];
	int32_t y[ROWS];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 11);
	fill((int8_t *)line, ROWS * COLS, &rng, RANDOM);
	fill(x, COLS, &rng, RANDOM);
	kg_kernel_at(0)->tile_i8(y, (int8_t *)line, x, 2, COLS / 4);
	for (int r = 0; r < ROWS; r++) {
		int32_t want = 0;

		for (int c = 0; c < COLS; c++) {
			int at = ((r / 16) * (COLS / 4) + c / 4) * 64 + 4 * (r % 16) + c % 4;

			want += (int8_t)line[at] * x[c];
		}
		assert_int_equal(y[r], want);
	}
	free(line);
}

static const uint8_t weights[][4] = {{25, 12, 18, 9}, {16, 16, 16, 16}, {1, 0, 0, 0},
				     {40, 0, 24, 0},  {2, 1, 2, 1},     {61, 1, 1, 1}};

enum { WEIGHTS = sizeof(weights) / sizeof(*weights) };

static void plane_product(const kg_kernel *kernel, int32_t *y, const kg_kernel_plane *plane,
			  const int8_t *x_r, const int8_t *x_i)
{
	int8_t x[2 * COLS_MAX] __attribute__((aligned(64)));
	uint32_t cols = plane->lines * KG_TILE_COLS;
	kg_kernel_job job = {.x = x, .y = y, .count = 1, .last = plane->tiles};

	memcpy(x, x_r, cols);
	memcpy(x + cols, x_i, cols);
	kernel->plane(plane, &job);
}

static void check_plane(const kg_kernel *scalar, const kg_kernel *table)
{
	uint8_t *line = lines(TILES_MAX * QUADS_MAX);
	int8_t x[2][COLS_MAX];
	kg_rng rng;

	kg_rng_init_u64(&rng, 12);
	for (int k = 0; k < KINDS; k++)
		for (uint32_t tiles = 0; tiles <= TILES_MAX; tiles++)
			for (uint32_t quads = 0; quads <= QUADS_MAX; quads += 2) {
				kg_kernel_plane plane = {
					.stages = 2, .line = line, .tiles = tiles, .lines = quads};
				const uint8_t *w = weights[kg_rng_below(&rng, WEIGHTS)];
				int32_t want[2][TILES_MAX * KG_TILE_ROWS] = {{0}};
				int32_t got[2][TILES_MAX * KG_TILE_ROWS] = {{0}};

				kg_kernel_plane_tables(&plane, w[0], w[1], w[2], w[3]);
				for (size_t i = 0; i < (size_t)tiles * quads * KG_LINE_SIZE; i++)
					line[i] = (uint8_t)kg_rng_u64(&rng);
				fill(x[0], (size_t)quads * KG_TILE_COLS, &rng, (kind)k);
				fill(x[1], (size_t)quads * KG_TILE_COLS, &rng, (kind)k);
				plane_product(scalar, want[0], &plane, x[0], x[1]);
				plane_product(table, got[0], &plane, x[0], x[1]);
				assert_memory_equal(want, got, sizeof(want));
			}
	free(line);
}

static void test_plane__is_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_plane);
}

/* Every code byte at every place against y = U x + W conj(x) written with complex parts. */
static void test_plane__is_the_widely_linear_product(void **state)
{
	static const int re[4] = {1, -1, 0, 0};
	static const int im[4] = {0, 0, 1, -1};
	enum { N = 16, M = 16 };
	uint8_t *line = lines(M / 4);
	int8_t x[2][M];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 13);
	for (int w = 0; w < WEIGHTS; w++) {
		kg_kernel_plane plane = {.stages = 2, .line = line, .tiles = 1, .lines = M / 4};
		int32_t y[2][N];

		kg_kernel_plane_tables(&plane, weights[w][0], weights[w][1], weights[w][2],
				       weights[w][3]);
		for (int i = 0; i < N * M; i++)
			line[i] = (uint8_t)i; /* all 256 */
		fill(x[0], M, &rng, RANDOM);
		fill(x[1], M, &rng, EXTREME);
		plane_product(kg_kernel_at(0), y[0], &plane, x[0], x[1]);
		for (int r = 0; r < N; r++) {
			int want_r = 0;
			int want_i = 0;

			for (int c = 0; c < M; c++) {
				int byte = line[(c / 4) * 64 + 4 * r + c % 4];
				int part[4]; /* U_r, U_i, W_r, W_i */

				for (int s = 0; s < 4; s++) {
					int code = (byte >> s & 1) | (byte >> (4 + s) & 1) << 1;
					int at = s / 2 * 2;

					if (s % 2 == 0)
						part[at] = part[at + 1] = 0;
					part[at] += weights[w][s] * re[code];
					part[at + 1] += weights[w][s] * im[code];
				}
				want_r += part[0] * x[0][c] - part[1] * x[1][c];
				want_i += part[0] * x[1][c] + part[1] * x[0][c];
				/* W times the conjugate of x */
				want_r += part[2] * x[0][c] + part[3] * x[1][c];
				want_i += part[3] * x[0][c] - part[2] * x[1][c];
			}
			assert_int_equal(y[0][r], want_r);
			assert_int_equal(y[1][r], want_i);
		}
	}
	free(line);
}

static float draw_float(kg_rng *rng, kind k)
{
	float x = kg_rng_float(rng) - 0.5f;

	if (k == EXTREME)
		return x * 1e18f;
	if (k == TINY)
		return x * 1e-30f; /* products are denormal or zero */
	return x;
}

static void check_mix_i8(const kg_kernel *scalar, const kg_kernel *table)
{
	static int8_t v[40 * 64];
	float p[40];
	kg_rng rng;

	kg_rng_init_u64(&rng, 14);
	for (int k = 0; k < KINDS; k++)
		for (uint32_t count = 0; count <= 40; count++)
			for (uint32_t width = 16; width <= 64; width += 16) {
				float want[64] = {0};
				float got[64] = {0};

				fill(v, (size_t)count * width, &rng, (kind)k);
				for (uint32_t t = 0; t < count; t++)
					p[t] = draw_float(&rng, (kind)k);
				scalar->mix_i8(want, 0, v, width, p, 0, count, 1);
				table->mix_i8(got, 0, v, width, p, 0, count, 1);
				assert_memory_equal(want, got, sizeof(want));
			}
}

static void test_mix_i8__is_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_mix_i8);
}

static void check_dots(const kg_kernel *scalar, const kg_kernel *table)
{
	float a[100];
	float b[100];
	uint16_t h[100];
	kg_rng rng;

	kg_rng_init_u64(&rng, 15);
	for (int k = 0; k < KINDS; k++)
		for (size_t n = 0; n <= 100; n++) {
			float want;
			float got;

			for (size_t i = 0; i < n; i++) {
				a[i] = draw_float(&rng, (kind)k);
				b[i] = draw_float(&rng, (kind)k);
				h[i] = kg_half_from_float(
					k == TINY ? a[i] * 1e24f
						  : a[i] * (k == EXTREME ? 1e-14f : 1.0f));
			}
			want = scalar->dot_f32(a, b, n);
			got = table->dot_f32(a, b, n);
			assert_memory_equal(&want, &got, sizeof(want));
			want = scalar->dot_f16(h, b, n);
			got = table->dot_f16(h, b, n);
			assert_memory_equal(&want, &got, sizeof(want));
		}
}

static void test_dots__are_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_dots);
}

static void check_loops(const kg_kernel *scalar, const kg_kernel *table)
{
	float a[100];
	float b[100];
	kg_rng rng;

	kg_rng_init_u64(&rng, 17);
	for (int k = 0; k < KINDS; k++)
		for (size_t n = 1; n <= 100; n++) {
			float want[100];
			float got[100];
			int8_t want_q[100];
			int8_t got_q[100];
			float want_step;
			float got_step;

			for (size_t i = 0; i < n; i++) {
				a[i] = draw_float(&rng, (kind)k) * 40.0f;
				b[i] = draw_float(&rng, (kind)k);
			}
			want_step = scalar->quantize(want_q, a, n);
			got_step = table->quantize(got_q, a, n);
			assert_memory_equal(&want_step, &got_step, sizeof(want_step));
			assert_memory_equal(want_q, got_q, n);
			memcpy(want, a, sizeof(a));
			memcpy(got, a, sizeof(a));
			scalar->swiglu(want, b, n);
			table->swiglu(got, b, n);
			assert_memory_equal(want, got, n * sizeof(*want));
			memcpy(want, a, sizeof(a));
			memcpy(got, a, sizeof(a));
			scalar->softmax(want, n);
			table->softmax(got, n);
			assert_memory_equal(want, got, n * sizeof(*want));
		}
}

static void test_loops__are_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_loops);
}

/* The worked position of docs/math.md, at row 5, column 2. */
static void test_plane__of_the_worked_position(void **state)
{
	uint8_t *line = lines(2);
	int8_t x[2][8] = {{0}};

	(void)state;
	x[0][2] = 10;
	x[1][2] = 20;
	memset(line, 0, 2 * KG_LINE_SIZE);
	line[4 * 5 + 2] = 0x9A;
	for (uint32_t i = 0; i < kg_kernel_count(); i++) {
		kg_kernel_plane plane = {.stages = 2, .line = line, .tiles = 1, .lines = 2};
		int32_t y[2][KG_TILE_ROWS];

		kg_kernel_plane_tables(&plane, 3, 1, 2, 1);
		if (!kg_kernel_at(i)->usable())
			continue;
		plane_product(kg_kernel_at(i), y[0], &plane, x[0], x[1]);
		assert_int_equal(y[0][5], -70);
		assert_int_equal(y[1][5], -40);
	}
	free(line);
}

static void test_dot_f16__converts_all_halves_exactly(void **state)
{
	const float one = 1.0f;

	(void)state;
	for (uint32_t i = 0; i < kg_kernel_count(); i++) {
		if (!kg_kernel_at(i)->usable())
			continue;
		for (uint32_t bits = 0; bits < 0x7c00; bits++) {
			uint16_t h = (uint16_t)bits;

			assert_true(kg_kernel_at(i)->dot_f16(&h, &one, 1) == kg_half_to_float(h));
		}
	}
}

static void test_dot_f32__is_close_to_double(void **state)
{
	float a[300];
	float b[300];
	double want = 0.0;
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 16);
	for (int i = 0; i < 300; i++) {
		a[i] = draw_float(&rng, RANDOM);
		b[i] = draw_float(&rng, RANDOM);
		want += (double)a[i] * (double)b[i];
	}
	assert_true(fabs((double)kg_kernel_at(0)->dot_f32(a, b, 300) - want) < 1e-5);
}

static void test_pick__by_name_or_the_strongest(void **state)
{
	const kg_kernel *kernel;

	(void)state;
	assert_int_equal(kg_kernel_pick(&kernel, "scalar"), KG_OK);
	assert_ptr_equal(kernel, kg_kernel_at(0));
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
		cmocka_unit_test(test_tile_i8__is_the_same_in_every_table),
		cmocka_unit_test(test_tile_i8__is_the_matrix_product),
		cmocka_unit_test(test_plane__is_the_same_in_every_table),
		cmocka_unit_test(test_plane__is_the_widely_linear_product),
		cmocka_unit_test(test_mix_i8__is_the_same_in_every_table),
		cmocka_unit_test(test_dots__are_the_same_in_every_table),
		cmocka_unit_test(test_loops__are_the_same_in_every_table),
		cmocka_unit_test(test_plane__of_the_worked_position),
		cmocka_unit_test(test_dot_f16__converts_all_halves_exactly),
		cmocka_unit_test(test_dot_f32__is_close_to_double),
		cmocka_unit_test(test_pick__by_name_or_the_strongest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
