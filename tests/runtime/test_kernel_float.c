/* SPDX-License-Identifier: MIT */
/* Float members: every table has the bits of the definition, and the definition is close to sums in
 * double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/half.h"
#include "runtime/kernel.h"

/* How inputs are drawn. */
typedef enum { RANDOM, EXTREME, TINY, KINDS } kind;

static float draw_float(kg_rng *rng, kind k)
{
	float x = kg_rng_float(rng) - 0.5f;

	if (k == EXTREME)
		return x * 1e18f;
	if (k == TINY)
		return x * 1e-30f; /* products are denormal or zero */
	return x;
}

static void fill_floats(float *out, size_t n, kg_rng *rng, kind k)
{
	for (size_t i = 0; i < n; i++)
		out[i] = draw_float(rng, k);
}

static void fill_halves(uint16_t *out, size_t n, kg_rng *rng, kind k)
{
	for (size_t i = 0; i < n; i++) {
		float x = draw_float(rng, k);

		out[i] = kg_half_from_float(k == TINY ? x * 1e24f : k == EXTREME ? x * 1e-14f : x);
	}
}

static void fill_bytes(int8_t *out, size_t n, kg_rng *rng, kind k)
{
	for (size_t i = 0; i < n; i++)
		out[i] = k == EXTREME ? (int8_t)((kg_rng_u64(rng) & 1) != 0 ? 127 : -127)
			 : k == TINY  ? (int8_t)((int)kg_rng_below(rng, 3) - 1)
				      : (int8_t)((int)kg_rng_below(rng, 255) - 127);
}

/* Calls `check` with each table this machine can run but the definition itself. */
static void each_table(void (*check)(const kg_kernel *scalar, const kg_kernel *table))
{
	for (uint32_t i = 1; i < kg_kernel_count(); i++)
		if (kg_kernel_at(i)->usable())
			check(kg_kernel_at(0), kg_kernel_at(i));
}

static void check_mix_i8(const kg_kernel *scalar, const kg_kernel *table)
{
	enum {
		TOKENS = 40,
		WIDTH = 144,
		VECTORS = 11,
		P_STRIDE = TOKENS + 1,
		Y_STRIDE = WIDTH + 5
	};
	static int8_t value[TOKENS * WIDTH];
	static float p[VECTORS * P_STRIDE];
	kg_rng rng;

	kg_rng_init_u64(&rng, 14);
	for (int k = 0; k < KINDS; k++)
		for (uint32_t count = 0; count <= TOKENS; count++)
			for (uint32_t width = 16; width <= WIDTH; width += 16) {
				uint32_t vectors = 1 + (uint32_t)kg_rng_below(&rng, VECTORS);
				float want[VECTORS * Y_STRIDE] = {0};
				float got[VECTORS * Y_STRIDE] = {0};

				fill_bytes(value, (size_t)count * width, &rng, (kind)k);
				fill_floats(p, VECTORS * P_STRIDE, &rng, (kind)k);
				scalar->mix_i8(want, Y_STRIDE, value, width, p, P_STRIDE, count,
					       vectors);
				table->mix_i8(got, Y_STRIDE, value, width, p, P_STRIDE, count,
					      vectors);
				assert_memory_equal(want, got, sizeof(want));
			}
}

static void test_mix_i8__is_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_mix_i8);
}

/* Vectors of different lengths share a call. */
static void test_mix_i8__zeros_behind_the_last_change_nothing(void **state)
{
	enum { TOKENS = 23, WIDTH = 32 };
	int8_t value[TOKENS * WIDTH];
	float p[TOKENS];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 20);
	fill_bytes(value, sizeof(value), &rng, RANDOM);
	fill_floats(p, TOKENS, &rng, RANDOM);
	for (uint32_t i = 0; i < kg_kernel_count(); i++) {
		if (!kg_kernel_at(i)->usable())
			continue;
		for (uint32_t count = 0; count < TOKENS; count++) {
			float padded[TOKENS] = {0};
			float want[WIDTH];
			float got[WIDTH];

			memcpy(padded, p, count * sizeof(*p));
			kg_kernel_at(i)->mix_i8(want, 0, value, WIDTH, p, 0, count, 1);
			kg_kernel_at(i)->mix_i8(got, 0, value, WIDTH, padded, 0, TOKENS, 1);
			assert_memory_equal(want, got, sizeof(want));
		}
	}
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

			fill_floats(a, n, &rng, (kind)k);
			fill_floats(b, n, &rng, (kind)k);
			fill_halves(h, n, &rng, (kind)k);
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

/* Lanes that hold -0 must keep it: the definition adds nothing to the lanes of a missing tail. */
static void test_dots__keep_the_sign_of_zero(void **state)
{
	const float minus[17] = {-0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f,
				 -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f};
	float plus[17];

	(void)state;
	for (int i = 0; i < 17; i++)
		plus[i] = 1.0f;
	for (size_t n = 0; n <= 17; n++) {
		float want = kg_kernel_at(0)->dot_f32(minus, plus, n);

		for (uint32_t i = 1; i < kg_kernel_count(); i++) {
			float got;

			if (!kg_kernel_at(i)->usable())
				continue;
			got = kg_kernel_at(i)->dot_f32(minus, plus, n);
			assert_memory_equal(&want, &got, sizeof(want));
		}
	}
}

/* Rows are the dots of the same table, so of the definition. */
static void check_rows(const kg_kernel *table)
{
	enum { ROWS = 19, COLS = 70, VECTORS = 9, X_STRIDE = COLS + 2, Y_STRIDE = ROWS + 3 };
	static float w[ROWS * COLS];
	static uint16_t h[ROWS * COLS];
	static float x[VECTORS * X_STRIDE];
	kg_rng rng;

	kg_rng_init_u64(&rng, 18);
	for (int k = 0; k < KINDS; k++)
		for (uint32_t cols = 0; cols <= COLS; cols += 1 + (uint32_t)kg_rng_below(&rng, 4)) {
			uint32_t rows = (uint32_t)kg_rng_below(&rng, ROWS + 1);
			uint32_t count = 1 + (uint32_t)kg_rng_below(&rng, VECTORS);
			float y[2][VECTORS * Y_STRIDE];

			fill_floats(w, (size_t)rows * cols, &rng, (kind)k);
			fill_halves(h, (size_t)rows * cols, &rng, (kind)k);
			fill_floats(x, VECTORS * X_STRIDE, &rng, (kind)k);
			memset(y, 0x5a, sizeof(y));
			table->rows_f32(y[0], Y_STRIDE, w, x, X_STRIDE, rows, cols, count);
			table->rows_f16(y[1], Y_STRIDE, h, x, X_STRIDE, rows, cols, count);
			for (uint32_t v = 0; v < VECTORS; v++)
				for (uint32_t r = 0; r < Y_STRIDE; r++) {
					const float *vector = x + v * X_STRIDE;
					float want[2];

					memset(want, 0x5a, sizeof(want));
					if (v < count && r < rows) {
						want[0] =
							table->dot_f32(w + r * cols, vector, cols);
						want[1] =
							table->dot_f16(h + r * cols, vector, cols);
					}
					assert_memory_equal(&want[0], &y[0][v * Y_STRIDE + r],
							    sizeof(float));
					assert_memory_equal(&want[1], &y[1][v * Y_STRIDE + r],
							    sizeof(float));
				}
		}
}

static void test_rows__are_dots(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < kg_kernel_count(); i++)
		if (kg_kernel_at(i)->usable())
			check_rows(kg_kernel_at(i));
}

static void check_scale(const kg_kernel *scalar, const kg_kernel *table)
{
	int32_t sum[50];
	float scale[50];
	uint16_t half[50];
	kg_rng rng;

	kg_rng_init_u64(&rng, 19);
	for (int k = 0; k < KINDS; k++)
		for (uint32_t n = 0; n <= 50; n++) {
			float want[51] = {0};
			float got[51] = {0};
			float step = draw_float(&rng, (kind)k);

			for (uint32_t i = 0; i < n; i++)
				sum[i] = (int32_t)kg_rng_u64(&rng);
			fill_floats(scale, n, &rng, (kind)k);
			fill_halves(half, n, &rng, (kind)k);
			scalar->scale_f32(want, sum, scale, step, n);
			table->scale_f32(got, sum, scale, step, n);
			assert_memory_equal(want, got, sizeof(want));
			for (uint32_t i = 0; i < n; i++)
				assert_true(want[i] == (float)sum[i] * (scale[i] * step));
			scalar->scale_f16(want, sum, half, 37.0f, step, n);
			table->scale_f16(got, sum, half, 37.0f, step, n);
			assert_memory_equal(want, got, sizeof(want));
			for (uint32_t i = 0; i < n; i++) {
				float one = kg_half_to_float(half[i]) / 37.0f * step;

				assert_true(want[i] == (float)sum[i] * one);
			}
		}
}

static void check_scatter(const kg_kernel *scalar, const kg_kernel *table)
{
	enum { N = 50, ROOM = 64 };
	int32_t sum[2][ROOM] = {{0}};
	int8_t sign[ROOM] = {0};
	uint16_t index[ROOM] = {0};
	uint32_t order[N];
	kg_rng rng;

	kg_rng_init_u64(&rng, 23);
	for (uint32_t n = 0; n <= N; n++)
		for (int planes = 1; planes <= 2; planes++) {
			float want[N + 1] = {0};
			float got[N + 1] = {0};
			kg_kernel_scatter from = {.sum = sum[0],
						  .step = {kg_rng_float(&rng)},
						  .second = planes == 2 ? sum[1] : NULL,
						  .second_step = {kg_rng_float(&rng)},
						  .index = index,
						  .sign = sign,
						  .n = n};

			kg_rng_permutation(&rng, order, n);
			kg_rng_signs(&rng, sign, n);
			for (uint32_t i = 0; i < n; i++) {
				sum[0][i] = i % 7 == 0 ? 0 : (int32_t)kg_rng_u64(&rng);
				sum[1][i] = i % 7 == 0 ? 0 : (int32_t)kg_rng_u64(&rng);
				index[i] = (uint16_t)order[i];
			}
			scalar->scatter(want, &from);
			table->scatter(got, &from);
			assert_memory_equal(want, got, sizeof(want));
			for (uint32_t i = 0; i < n; i++) {
				float y = (float)sum[0][i] * from.step[0];

				if (planes == 2)
					y += (float)sum[1][i] * from.second_step[0];
				assert_true(want[index[i]] == (sign[i] < 0 ? -y : y));
			}
			assert_true(want[n] == 0.0f);
		}
}

/* Four vectors side by side and spread: each is what scatter makes of it alone. */
static void check_scatter_four(const kg_kernel *scalar, const kg_kernel *table)
{
	enum { N = 50, ROOM = 64, FOUR = KG_KERNEL_FOUR };
	static int32_t sum[2 * FOUR * ROOM];
	static float room[FOUR * ROOM] __attribute__((aligned(64)));
	int8_t sign[ROOM] = {0};
	uint16_t index[ROOM] = {0};
	uint32_t order[N];
	kg_rng rng;

	kg_rng_init_u64(&rng, 24);
	for (uint32_t n = 0; n <= N; n++)
		for (int planes = 1; planes <= 2; planes++) {
			float got[FOUR][N + 1] = {{0}};
			kg_kernel_scatter from = {.sum = sum,
						  .second = planes == 2 ? sum + FOUR * ROOM : NULL,
						  .stride = ROOM,
						  .index = index,
						  .sign = sign,
						  .n = n};

			kg_rng_permutation(&rng, order, n);
			kg_rng_signs(&rng, sign, n);
			for (uint32_t i = 0; i < n; i++)
				index[i] = (uint16_t)order[i];
			for (uint32_t i = 0; i < 2 * FOUR * ROOM; i++)
				sum[i] = i % 7 == 0 ? 0 : (int32_t)kg_rng_u64(&rng);
			for (int v = 0; v < FOUR; v++) {
				from.step[v] = kg_rng_float(&rng);
				from.second_step[v] = kg_rng_float(&rng);
			}
			table->scatter_four(room, &from);
			table->spread_four(got[0], N + 1, room, n);
			for (size_t v = 0; v < FOUR; v++) {
				float want[N + 1] = {0};
				kg_kernel_scatter one = from;

				one.sum += v * ROOM;
				if (one.second != NULL)
					one.second += v * ROOM;
				one.step[0] = from.step[v];
				one.second_step[0] = from.second_step[v];
				scalar->scatter(want, &one);
				assert_memory_equal(want, got[v], sizeof(want));
			}
		}
}

static void test_scatter__is_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_scatter);
	each_table(check_scatter_four);
}

static void test_scale__is_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_scale);
}

static uint32_t naive_argmax(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double own = isnan(x[i]) ? -INFINITY : (double)x[i];
		bool greatest = true;

		for (size_t j = 0; j < n && greatest; j++)
			greatest = isnan(x[j]) || (double)x[j] <= own;
		if (greatest)
			return (uint32_t)i;
	}
	return 0;
}

static void test_argmax__is_the_lowest_index_of_the_greatest(void **state)
{
	float x[150];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 21);
	for (int round = 0; round < 2000; round++) {
		size_t n = 1 + (size_t)kg_rng_below(&rng, 150);

		/* Few values, so that the greatest is there more than once. */
		for (size_t i = 0; i < n; i++) {
			uint64_t pick = kg_rng_below(&rng, (uint64_t)(round % 40 + 1));

			x[i] = pick == 0   ? -INFINITY
			       : pick == 1 ? NAN
			       : pick == 2 ? -0.0f
					   : (float)pick - 3.0f;
		}
		for (uint32_t i = 0; i < kg_kernel_count(); i++)
			if (kg_kernel_at(i)->usable())
				assert_int_equal(kg_kernel_at(i)->argmax(x, n), naive_argmax(x, n));
	}
}

static void check_loops(const kg_kernel *scalar, const kg_kernel *table)
{
	float a[200];
	float b[200];
	kg_rng rng;

	kg_rng_init_u64(&rng, 17);
	for (int k = 0; k < KINDS; k++)
		for (size_t n = 1; n <= 200; n++) {
			float want[200];
			float got[200];
			int8_t want_q[201] = {0};
			int8_t got_q[201] = {0};
			float want_step;
			float got_step;

			for (size_t i = 0; i < n; i++) {
				a[i] = draw_float(&rng, (kind)k) * 40.0f;
				b[i] = draw_float(&rng, (kind)k);
			}
			want_step = scalar->quantize(want_q, a, n);
			got_step = table->quantize(got_q, a, n);
			assert_memory_equal(&want_step, &got_step, sizeof(want_step));
			assert_memory_equal(want_q, got_q, sizeof(want_q));
			memcpy(want, a, sizeof(a));
			memcpy(got, a, sizeof(a));
			scalar->swiglu(want, b, n);
			table->swiglu(got, b, n);
			assert_memory_equal(want, got, n * sizeof(*want));
			memcpy(want, a, sizeof(a));
			memcpy(got, a, sizeof(a));
			scalar->turn(want, b, b + n / 2, n / 2);
			table->turn(got, b, b + n / 2, n / 2);
			assert_memory_equal(want, got, sizeof(want));
			scalar->add(want, b, n);
			table->add(got, b, n);
			assert_memory_equal(want, got, sizeof(want));
			scalar->norm(want, a, b, n, (float)n, 1e-5f);
			table->norm(got, a, b, n, (float)n, 1e-5f);
			assert_memory_equal(want, got, sizeof(want));
			memcpy(want, a, sizeof(a));
			memcpy(got, a, sizeof(a));
			scalar->softmax(want, n);
			table->softmax(got, n);
			assert_memory_equal(want, got, n * sizeof(*want));
		}
}

/* Queries that see more and more tokens, in place of their sums. */
static void check_weigh(const kg_kernel *scalar, const kg_kernel *table)
{
	enum { TOKENS = 70, QUERIES = 5 };
	float scale[(TOKENS + 15) / 16][2][16]; /* of keys, of values */
	float step[QUERIES];
	uint32_t count[QUERIES];
	kg_rng rng;

	kg_rng_init_u64(&rng, 25);
	for (uint32_t first = 1; first + QUERIES <= TOKENS; first++) {
		int32_t sum[QUERIES * TOKENS];
		float want[QUERIES * TOKENS];
		kg_kernel_scores from = {.sum = sum,
					 .stride = TOKENS,
					 .step = step,
					 .scale = scale[0][0],
					 .count = count,
					 .end = first + QUERIES,
					 .vectors = QUERIES};

		for (int t = 0; t < QUERIES * TOKENS; t++) {
			sum[t] = (int32_t)kg_rng_below(&rng, 20001) - 10000;
			want[t] = 0.0f;
		}
		for (int t = 0; t < TOKENS; t++) {
			scale[t / 16][0][t % 16] = kg_rng_float(&rng) + 0.1f;
			scale[t / 16][1][t % 16] = kg_rng_float(&rng) + 0.1f;
		}
		for (uint32_t v = 0; v < QUERIES; v++) {
			float *w = want + (size_t)v * TOKENS;

			count[v] = first + v;
			step[v] = kg_rng_float(&rng) * 1e-3f;
			for (uint32_t t = 0; t < count[v]; t++)
				w[t] = ((float)sum[v * TOKENS + t] * scale[t / 16][0][t % 16]) *
				       step[v];
			scalar->softmax(w, count[v]);
			for (uint32_t t = 0; t < count[v]; t++)
				w[t] *= scale[t / 16][1][t % 16];
		}
		table->weigh((float *)(void *)sum, &from);
		for (size_t v = 0; v < QUERIES; v++)
			assert_memory_equal(want + v * TOKENS, sum + v * TOKENS,
					    from.end * sizeof(*want));
	}
}

static void test_loops__are_the_same_in_every_table(void **state)
{
	(void)state;
	each_table(check_loops);
	each_table(check_weigh);
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
	fill_floats(a, 300, &rng, RANDOM);
	fill_floats(b, 300, &rng, RANDOM);
	for (int i = 0; i < 300; i++)
		want += (double)a[i] * (double)b[i];
	assert_true(fabs((double)kg_kernel_at(0)->dot_f32(a, b, 300) - want) < 1e-5);
}

static void test_mix_i8__is_close_to_double(void **state)
{
	enum { TOKENS = 101, WIDTH = 16 };
	int8_t value[TOKENS * WIDTH];
	float p[TOKENS];
	float y[WIDTH];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 22);
	fill_bytes(value, sizeof(value), &rng, RANDOM);
	fill_floats(p, TOKENS, &rng, RANDOM);
	kg_kernel_at(0)->mix_i8(y, 0, value, WIDTH, p, 0, TOKENS, 1);
	for (int d = 0; d < WIDTH; d++) {
		double want = 0.0;

		for (int t = 0; t < TOKENS; t++)
			want += (double)p[t] * value[t * WIDTH + d];
		assert_true(fabs((double)y[d] - want) < 1e-2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mix_i8__is_the_same_in_every_table),
		cmocka_unit_test(test_mix_i8__zeros_behind_the_last_change_nothing),
		cmocka_unit_test(test_mix_i8__is_close_to_double),
		cmocka_unit_test(test_dots__are_the_same_in_every_table),
		cmocka_unit_test(test_dots__keep_the_sign_of_zero),
		cmocka_unit_test(test_rows__are_dots),
		cmocka_unit_test(test_scatter__is_the_same_in_every_table),
		cmocka_unit_test(test_scale__is_the_same_in_every_table),
		cmocka_unit_test(test_argmax__is_the_lowest_index_of_the_greatest),
		cmocka_unit_test(test_loops__are_the_same_in_every_table),
		cmocka_unit_test(test_dot_f16__converts_all_halves_exactly),
		cmocka_unit_test(test_dot_f32__is_close_to_double),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
