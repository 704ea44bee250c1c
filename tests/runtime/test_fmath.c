/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/fmath.h"

static void test_expf__within_2e_7_of_libm(void **state)
{
	(void)state;
	for (int i = -87000; i <= 88000; i += 7) {
		float x = (float)i / 1000.0f;
		double want = exp((double)x);

		assert_true(fabs((double)kg_fmath_expf(x) - want) <= 2e-7 * want);
	}
	assert_true(kg_fmath_expf(0.0f) == 1.0f);
}

static void test_expf__is_bounded_outside_its_range(void **state)
{
	(void)state;
	assert_true(kg_fmath_expf(-1e30f) == kg_fmath_expf(-87.0f));
	assert_true(kg_fmath_expf(-INFINITY) > 0.0f);
	assert_true(kg_fmath_expf(1e30f) == kg_fmath_expf(88.0f));
	assert_true(isfinite(kg_fmath_expf(INFINITY)));
	assert_true(isnan(kg_fmath_expf(NAN)));
}

static void test_exp__within_4e_16_of_libm(void **state)
{
	(void)state;
	for (int i = -700000; i <= 700000; i += 37) {
		double x = (double)i / 1000.0;
		double want = exp(x);

		assert_true(fabs(kg_fmath_exp(x) - want) <= 4.5e-16 * want);
	}
	assert_true(kg_fmath_exp(0.0) == 1.0);
	assert_true(kg_fmath_exp(-1e9) == kg_fmath_exp(-700.0));
}

static void test_log__within_4e_16_of_libm(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 1);
	for (int i = 0; i < 40000; i++) {
		double x = exp((kg_rng_double(&rng) - 0.5) * (i % 2 == 0 ? 1000.0 : 2.0));
		double want = log(x);

		assert_true(fabs(kg_fmath_log(x) - want) <= 4e-16 * fmax(1.0, fabs(want)));
	}
	assert_true(kg_fmath_log(1.0) == 0.0);
}

static void test_sincos__within_1e_15_of_libm(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 2);
	for (int i = 0; i < 40000; i++) {
		double x = kg_rng_double(&rng) * (i % 2 == 0 ? 10.0 : 1e6);
		double sine;
		double cosine;

		kg_fmath_sincos(x, &sine, &cosine);
		assert_true(fabs(sine - sin(x)) <= 1e-15);
		assert_true(fabs(cosine - cos(x)) <= 1e-15);
	}
}

static void test_silu__follows_its_formula(void **state)
{
	(void)state;
	for (int i = -3000; i <= 3000; i++) {
		float x = (float)i / 100.0f;
		double want = (double)x / (1.0 + exp(-(double)x));

		assert_true(fabs((double)kg_fmath_siluf(x) - want) <= 4e-7 * fabs(want) + 1e-12);
	}
}

static void test_swiglu__is_silu_times_up_in_every_bit(void **state)
{
	float gate[37];
	float up[37];

	(void)state;
	for (int i = 0; i < 37; i++) {
		gate[i] = (float)(i - 18) * 0.37f;
		up[i] = (float)(i % 5) - 2.3f;
	}
	for (size_t n = 0; n <= 37; n++) {
		float got[37];

		memcpy(got, gate, sizeof(got));
		kg_fmath_swiglu(got, up, n);
		for (size_t i = 0; i < 37; i++)
			assert_true(got[i] == (i < n ? kg_fmath_siluf(gate[i]) * up[i] : gate[i]));
	}
}

static void test_softmax__sums_to_one_and_ignores_a_shift(void **state)
{
	float x[45];
	float shifted[45];
	double sum = 0.0;

	(void)state;
	for (int i = 0; i < 45; i++) {
		x[i] = (float)(i * 7 % 45) * 0.25f;
		shifted[i] = x[i] + 64.0f; /* exact */
	}
	kg_fmath_softmax(x, 45);
	kg_fmath_softmax(shifted, 45);
	for (int i = 0; i < 45; i++)
		sum += (double)x[i];
	assert_true(fabs(sum - 1.0) < 1e-6);
	assert_memory_equal(x, shifted, sizeof(x));
	kg_fmath_softmax(x, 1);
	assert_true(x[0] == 1.0f);
}

static void test_log_softmax__agrees_with_libm(void **state)
{
	float x[100];
	double sum = 0.0;

	(void)state;
	for (int i = 0; i < 100; i++)
		x[i] = (float)((i * 37) % 100) * 0.3f - 9.0f;
	for (int i = 0; i < 100; i++)
		sum += exp((double)x[i]);
	for (size_t i = 0; i < 100; i++)
		assert_true(fabs(kg_fmath_log_softmax(x, 100, i) - ((double)x[i] - log(sum))) <
			    1e-13);
}

static void test_quantize__rounds_half_to_even_within_127(void **state)
{
	/* max 127 makes one step exactly 1. */
	const float x[] = {127.0f, -127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.49f, 126.5f};
	const int8_t want[] = {127, -127, 0, 2, 2, 0, -2, 0, 126};
	int8_t q[9];

	(void)state;
	assert_true(kg_fmath_quantize(q, x, 9) == 1.0f);
	assert_memory_equal(q, want, sizeof(want));
}

static void test_quantize__is_within_half_a_step_of_nearbyint(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 3);
	for (size_t n = 1; n < 70; n++) {
		float x[70];
		int8_t q[70];
		float max = 1e-5f;
		float g;

		for (size_t i = 0; i < n; i++) {
			x[i] = (kg_rng_float(&rng) - 0.5f) * ldexpf(1.0f, (int)(n % 40) - 20);
			max = fmaxf(max, fabsf(x[i]));
		}
		g = 127.0f / max;
		assert_true(kg_fmath_quantize(q, x, n) == 1.0f / g);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(q[i], (int)fmaxf(-127, fminf(127, nearbyintf(x[i] * g))));
	}
}

static void test_quantize__of_nothing_but_zeros_is_zeros(void **state)
{
	const float x[5] = {0};
	int8_t q[5] = {1, 1, 1, 1, 1};

	(void)state;
	assert_true(kg_fmath_quantize(q, x, 5) > 0.0f);
	for (int i = 0; i < 5; i++)
		assert_int_equal(q[i], 0);
}

static void test_sum__adds_lanes_then_a_tree(void **state)
{
	float x[35];
	float lane[16] = {0};

	(void)state;
	for (int i = 0; i < 35; i++) {
		x[i] = 1.0f / (float)(i + 3);
		lane[i % 16] += x[i];
	}
	for (int half = 8; half > 0; half /= 2)
		for (int l = 0; l < half; l++)
			lane[l] = lane[l] + lane[l + half];
	assert_true(kg_fmath_sum(x, 35) == lane[0]);
	assert_true(kg_fmath_sum(x, 0) == 0.0f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expf__within_2e_7_of_libm),
		cmocka_unit_test(test_expf__is_bounded_outside_its_range),
		cmocka_unit_test(test_exp__within_4e_16_of_libm),
		cmocka_unit_test(test_log__within_4e_16_of_libm),
		cmocka_unit_test(test_sincos__within_1e_15_of_libm),
		cmocka_unit_test(test_silu__follows_its_formula),
		cmocka_unit_test(test_swiglu__is_silu_times_up_in_every_bit),
		cmocka_unit_test(test_softmax__sums_to_one_and_ignores_a_shift),
		cmocka_unit_test(test_log_softmax__agrees_with_libm),
		cmocka_unit_test(test_quantize__rounds_half_to_even_within_127),
		cmocka_unit_test(test_quantize__is_within_half_a_step_of_nearbyint),
		cmocka_unit_test(test_quantize__of_nothing_but_zeros_is_zeros),
		cmocka_unit_test(test_sum__adds_lanes_then_a_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
