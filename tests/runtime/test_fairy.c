/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/fairy.h"

enum { ROWS = 24, COLS = 40, N = ROWS / 2, M = COLS / 2 };

typedef struct {
	float r[ROWS * COLS];
	float back[ROWS * COLS];
	float residual[ROWS * COLS];
	uint8_t code[KG_FAIRY_PLANES_MAX][N * M];
	kg_fairy q;
} bench;

static void fill(bench *b, uint64_t seed)
{
	kg_rng rng;

	kg_rng_init_u64(&rng, seed);
	for (size_t i = 0; i < ROWS * COLS; i++)
		b->r[i] = (kg_rng_float(&rng) + kg_rng_float(&rng) - 1.0f) * 0.3f;
	for (int p = 0; p < KG_FAIRY_PLANES_MAX; p++)
		b->q.plane[p].code = b->code[p];
}

static double error_of(const bench *b)
{
	double wrong = 0;
	double all = 0;

	for (size_t i = 0; i < ROWS * COLS; i++) {
		wrong += pow((double)b->r[i] - (double)b->back[i], 2);
		all += pow((double)b->r[i], 2);
	}
	return wrong / all;
}

/* The sectors of the paper, by the angle itself. */
static uint8_t phase_by_angle(double re, double im)
{
	double p = atan2(im, re);
	double quarter = atan(1.0);

	if (re == 0 && im == 0)
		return KG_CODE_PLUS_1;
	if (p >= -quarter && p < quarter)
		return KG_CODE_PLUS_1;
	if (p >= quarter && p < 3 * quarter)
		return KG_CODE_PLUS_I;
	if (p >= -3 * quarter && p < -quarter)
		return KG_CODE_MINUS_I;
	return KG_CODE_MINUS_1;
}

static void test_fairy__phase_is_the_nearest_angle(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 1);
	for (int i = 0; i < 20000; i++) {
		float re = kg_rng_float(&rng) - 0.5f;
		float im = kg_rng_float(&rng) - 0.5f;

		if (fabsf(fabsf(re) - fabsf(im)) > 1e-6f)
			assert_int_equal(kg_fairy_phase(re, im), phase_by_angle(re, im));
	}
}

static void test_fairy__sectors_are_closed_at_their_lower_edge(void **state)
{
	(void)state;
	assert_int_equal(kg_fairy_phase(0, 0), KG_CODE_PLUS_1);
	assert_int_equal(kg_fairy_phase(1, -1), KG_CODE_PLUS_1);
	assert_int_equal(kg_fairy_phase(1, 1), KG_CODE_PLUS_I);
	assert_int_equal(kg_fairy_phase(-1, 1), KG_CODE_MINUS_1);
	assert_int_equal(kg_fairy_phase(-1, -1), KG_CODE_MINUS_I);
	assert_int_equal(kg_fairy_phase(2, 0), KG_CODE_PLUS_1);
	assert_int_equal(kg_fairy_phase(0, 2), KG_CODE_PLUS_I);
	assert_int_equal(kg_fairy_phase(-2, 0), KG_CODE_MINUS_1);
	assert_int_equal(kg_fairy_phase(0, -2), KG_CODE_MINUS_I);
}

static double part(uint8_t code, bool imaginary)
{
	static const double re[4] = {1, -1, 0, 0};
	static const double im[4] = {0, 0, 1, -1};

	return imaginary ? im[code & 3] : re[code & 3];
}

/* y = U x + W conj(x) computed with complex arithmetic in double, straight from the codes. */
static void test_fairy__dequantized_matrix_is_the_widely_linear_map(void **state)
{
	bench *b = calloc(1, sizeof(*b));
	double x[COLS];
	kg_rng rng;

	(void)state;
	assert_non_null(b);
	for (uint32_t stages = 1; stages <= 3; stages++) {
		fill(b, stages);
		assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, stages, b->residual),
				 KG_OK);
		kg_fairy_dequantize(b->back, &b->q);
		kg_rng_init_u64(&rng, 77);
		for (int j = 0; j < COLS; j++)
			x[j] = kg_rng_double(&rng) - 0.5;
		for (int i = 0; i < N; i++) {
			double yr = 0;
			double yi = 0;
			double real_top = 0;
			double real_low = 0;

			for (int j = 0; j < M; j++) {
				for (uint32_t p = 0; p < kg_fairy_plane_count(stages); p++) {
					const kg_fairy_plane *plane = &b->q.plane[p];
					uint8_t c = plane->code[i * M + j];
					double ur = plane->u0 * part(c, false) +
						    plane->u1 * part(c >> 2, false);
					double ui = plane->u0 * part(c, true) +
						    plane->u1 * part(c >> 2, true);
					double wr = plane->w0 * part(c >> 4, false) +
						    plane->w1 * part(c >> 6, false);
					double wi = plane->w0 * part(c >> 4, true) +
						    plane->w1 * part(c >> 6, true);
					double unit = (double)plane->unit;

					yr += unit * (ur * x[j] - ui * x[j + M] + wr * x[j] +
						      wi * x[j + M]);
					yi += unit * (ur * x[j + M] + ui * x[j] - wr * x[j + M] +
						      wi * x[j]);
				}
			}
			for (int j = 0; j < COLS; j++) {
				real_top += (double)b->back[i * COLS + j] * x[j];
				real_low += (double)b->back[(i + N) * COLS + j] * x[j];
			}
			assert_true(fabs(real_top - yr) < 1e-5);
			assert_true(fabs(real_low - yi) < 1e-5);
		}
	}
	free(b);
}

static void test_fairy__every_stage_lowers_the_error(void **state)
{
	bench *b = calloc(1, sizeof(*b));
	double before = 1.0;

	(void)state;
	assert_non_null(b);
	fill(b, 5);
	for (uint32_t stages = 1; stages <= 3; stages++) {
		assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, stages, b->residual),
				 KG_OK);
		kg_fairy_dequantize(b->back, &b->q);
		assert_true(error_of(b) < before * 0.7);
		before = error_of(b);
	}
	free(b);
}

static void test_fairy__weights_fit_the_kernel_tables(void **state)
{
	bench *b = calloc(1, sizeof(*b));

	(void)state;
	assert_non_null(b);
	for (uint64_t seed = 0; seed < 50; seed++) {
		fill(b, seed);
		for (size_t i = 0; seed % 3 == 0 && i < ROWS * COLS; i += 7)
			b->r[i] *= 1e6f; /* a few huge outliers */
		for (uint32_t stages = 1; stages <= 3; stages++) {
			assert_int_equal(
				kg_fairy_quantize(&b->q, b->r, ROWS, COLS, stages, b->residual),
				KG_OK);
			for (uint32_t p = 0; p < kg_fairy_plane_count(stages); p++) {
				const kg_fairy_plane *plane = &b->q.plane[p];
				int sum = plane->u0 + plane->u1 + plane->w0 + plane->w1;

				assert_in_range(sum, 1, KG_FAIRY_WEIGHT_SUM_MAX);
				assert_true(isfinite(plane->unit) && plane->unit > 0);
			}
		}
	}
	free(b);
}

/* R11 = R22 = 1, the rest 0: U is 1 everywhere, W and what the first stage leaves are nothing. */
static void test_fairy__one_scale_beside_three_of_nothing_fits(void **state)
{
	bench *b = calloc(1, sizeof(*b));

	(void)state;
	assert_non_null(b);
	fill(b, 1);
	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < COLS; j++)
			b->r[i * COLS + j] = (i < N) == (j < M) ? 1.0f : 0.0f;
	for (uint32_t stages = 1; stages <= 3; stages++) {
		const kg_fairy_plane *plane = b->q.plane;

		assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, stages, b->residual),
				 KG_OK);
		assert_in_range(plane->u0 + plane->u1 + plane->w0 + plane->w1, 1,
				KG_FAIRY_WEIGHT_SUM_MAX);
		kg_fairy_dequantize(b->back, &b->q);
		assert_true(error_of(b) < 0.01);
	}
	free(b);
}

/* Squared distance of four scales from whole multiples of a unit. */
static double weights_error(const float s[4], const double w[4], double unit)
{
	double error = 0;

	for (int i = 0; i < 4; i++)
		error += (s[i] - unit * w[i]) * (s[i] - unit * w[i]);
	return error;
}

static void test_fairy__scales_are_the_nearest_whole_weights(void **state)
{
	static const float exact[4] = {5.25f, 1.5f, 4.5f, 0.75f}; /* 7, 2, 6, 1 times 0.75 */
	uint8_t weight[4];
	kg_rng rng;

	(void)state;
	assert_true(fabsf(kg_fairy_weights(weight, exact) * (float)weight[3] - 0.75f) < 1e-6f);
	assert_int_equal(weight[0], 7 * weight[3]);
	assert_int_equal(weight[1], 2 * weight[3]);
	assert_int_equal(weight[2], 6 * weight[3]);
	kg_rng_init_u64(&rng, 1);
	for (int round = 0; round < 200; round++) {
		float s[4];
		double w[4];
		double total = 0;
		double found;
		float unit;

		for (int i = 0; i < 4; i++) {
			s[i] = kg_rng_float(&rng) + 0.05f;
			total += s[i];
		}
		unit = kg_fairy_weights(weight, s);
		for (int i = 0; i < 4; i++)
			w[i] = weight[i];
		found = weights_error(s, w, (double)unit);
		for (int parts = 32; parts <= 62;
		     parts++) { /* 62 have room whatever is rounded up */
			for (int i = 0; i < 4; i++)
				w[i] = fmax(1.0, floor(s[i] / total * parts + 0.5));
			assert_true(found <= weights_error(s, w, total / parts) + 1e-12);
		}
	}
}

static void test_fairy__all_zero_is_quantized(void **state)
{
	bench *b = calloc(1, sizeof(*b));

	(void)state;
	assert_non_null(b);
	fill(b, 1);
	memset(b->r, 0, sizeof(b->r));
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, 2, b->residual), KG_OK);
	kg_fairy_dequantize(b->back, &b->q);
	for (size_t i = 0; i < ROWS * COLS; i++)
		assert_true(fabsf(b->back[i]) < 1e-5f);
	free(b);
}

static void test_fairy__refuses_what_it_cannot_code(void **state)
{
	bench *b = calloc(1, sizeof(*b));

	(void)state;
	assert_non_null(b);
	fill(b, 1);
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, 23, 40, 2, b->residual), KG_EINVAL);
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, 24, 39, 2, b->residual), KG_EINVAL);
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, 0, 40, 2, b->residual), KG_EINVAL);
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, 0, b->residual), KG_EINVAL);
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, 4, b->residual), KG_EINVAL);
	b->r[7] = NAN;
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, 2, b->residual), KG_EINVAL);
	b->r[7] = INFINITY;
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, 2, b->residual), KG_EINVAL);
	/* Finite, but a scale of them would not be. */
	for (size_t i = 0; i < ROWS * COLS; i++)
		b->r[i] = 3e38f;
	assert_int_equal(kg_fairy_quantize(&b->q, b->r, ROWS, COLS, 2, b->residual), KG_EINVAL);
	free(b);
}

static void test_pairing__undo_is_the_inverse_and_seeds_matter(void **state)
{
	static uint64_t storage[2][(ROWS + COLS) * 5 / 8 + 1];
	static const uint8_t seed_a[KG_SEED_SIZE] = {1};
	static const uint8_t seed_b[KG_SEED_SIZE] = {2};
	bench *b = calloc(1, sizeof(*b));
	kg_pairing pairing;
	kg_pairing again;

	(void)state;
	assert_non_null(b);
	assert_true(kg_pairing_size(ROWS, COLS) <= sizeof(storage[0]));
	fill(b, 9);
	kg_pairing_init(&pairing, storage[0], ROWS, COLS, seed_a, "blk.0.attn_q.weight");
	kg_pairing_apply(&pairing, b->residual, b->r);
	assert_memory_not_equal(b->residual, b->r, sizeof(b->r));
	kg_pairing_undo(&pairing, b->back, b->residual);
	assert_memory_equal(b->back, b->r, sizeof(b->r));

	kg_pairing_init(&again, storage[1], ROWS, COLS, seed_a, "blk.0.attn_q.weight");
	assert_memory_equal(storage[0], storage[1], kg_pairing_size(ROWS, COLS));
	kg_pairing_init(&again, storage[1], ROWS, COLS, seed_a, "blk.0.attn_k.weight");
	assert_memory_not_equal(storage[0], storage[1], kg_pairing_size(ROWS, COLS));
	kg_pairing_init(&again, storage[1], ROWS, COLS, seed_b, "blk.0.attn_q.weight");
	assert_memory_not_equal(storage[0], storage[1], kg_pairing_size(ROWS, COLS));

	kg_pairing_init(&again, storage[1], ROWS, COLS, NULL, "blk.0.attn_q.weight");
	kg_pairing_apply(&again, b->residual, b->r);
	assert_memory_equal(b->residual, b->r, sizeof(b->r));
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fairy__phase_is_the_nearest_angle),
		cmocka_unit_test(test_fairy__sectors_are_closed_at_their_lower_edge),
		cmocka_unit_test(test_fairy__dequantized_matrix_is_the_widely_linear_map),
		cmocka_unit_test(test_fairy__every_stage_lowers_the_error),
		cmocka_unit_test(test_fairy__weights_fit_the_kernel_tables),
		cmocka_unit_test(test_fairy__one_scale_beside_three_of_nothing_fits),
		cmocka_unit_test(test_fairy__scales_are_the_nearest_whole_weights),
		cmocka_unit_test(test_fairy__all_zero_is_quantized),
		cmocka_unit_test(test_fairy__refuses_what_it_cannot_code),
		cmocka_unit_test(test_pairing__undo_is_the_inverse_and_seeds_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
