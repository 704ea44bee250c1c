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

#include "runtime/format.h"
#include "runtime/half.h"

static void test_format__names_go_both_ways(void **state)
{
	(void)state;
	for (int f = 0; f < KG_FORMAT_COUNT; f++) {
		kg_format got = KG_FORMAT_COUNT;

		assert_int_equal(kg_format_parse(&got, kg_format_name((kg_format)f)), KG_OK);
		assert_int_equal(got, f);
	}
}

static void test_format__every_spelling_of_a_fairy_is_known(void **state)
{
	static const char *const good[] = {"fairy2", "fairyx2", "fairy\303\2272"};
	static const char *const bad[] = {"",       "fairy",  "fairy0",   "fairy4",     "fairy22",
					  "fairyx", "Fairy2", "fairyxx2", "fairy\3032", "int3"};
	kg_format format;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(kg_format_parse(&format, good[i]), KG_OK);
		assert_int_equal(format, KG_FORMAT_FAIRY2);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kg_format_parse(&format, bad[i]), KG_EINVAL);
}

static void test_format__tables_follow_the_strategy(void **state)
{
	(void)state;
	assert_int_equal(kg_strategy_of(KG_FORMAT_F32).table, KG_FORMAT_F32);
	assert_int_equal(kg_strategy_of(KG_FORMAT_F16).table, KG_FORMAT_F16);
	assert_int_equal(kg_strategy_of(KG_FORMAT_INT8).table, KG_FORMAT_INT8);
	assert_int_equal(kg_strategy_of(KG_FORMAT_FAIRY1).table, KG_FORMAT_INT8);
	assert_int_equal(kg_strategy_of(KG_FORMAT_INT2).table, KG_FORMAT_INT8);
}

static kg_err narrower(kg_strategy *out, kg_format from)
{
	kg_strategy strategy = kg_strategy_of(from);

	return kg_strategy_narrower(out, &strategy);
}

static void test_format__narrower_steps_end(void **state)
{
	static const struct {
		kg_format from;
		kg_format to;
	} steps[] = {{KG_FORMAT_FAIRY3, KG_FORMAT_FAIRY2},
		     {KG_FORMAT_FAIRY2, KG_FORMAT_FAIRY1},
		     {KG_FORMAT_INT8, KG_FORMAT_INT4},
		     {KG_FORMAT_INT4, KG_FORMAT_INT2},
		     {KG_FORMAT_PALETTE256, KG_FORMAT_PALETTE16},
		     {KG_FORMAT_PALETTE16, KG_FORMAT_PALETTE4}};
	static const kg_format ends[] = {KG_FORMAT_F32,  KG_FORMAT_F16,     KG_FORMAT_FAIRY1,
					 KG_FORMAT_INT2, KG_FORMAT_TERNARY, KG_FORMAT_PALETTE4};
	kg_strategy got;

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_equal(narrower(&got, steps[i].from), KG_OK);
		assert_int_equal(got.linear, steps[i].to);
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		assert_int_equal(narrower(&got, ends[i]), KG_ENOTFOUND);
}

static void test_format__grid_is_within_half_a_step(void **state)
{
	static const int grids[] = {127, 7, 1};
	float row[64];
	int8_t q[64];
	float scale;

	(void)state;
	for (int j = 0; j < 64; j++)
		row[j] = sinf((float)j * 1.7f) * 3.0f;
	for (size_t g = 0; g < sizeof(grids) / sizeof(grids[0]); g++) {
		int greatest = 0;

		assert_int_equal(kg_grid_quantize(q, &scale, row, 64, grids[g]), KG_OK);
		for (int j = 0; j < 64; j++) {
			assert_true(q[j] >= -grids[g] && q[j] <= grids[g]);
			assert_true(fabs((double)row[j] - (double)scale * q[j]) <=
				    0.5000001 * (double)scale);
			greatest = abs(q[j]) > greatest ? abs(q[j]) : greatest;
		}
		assert_int_equal(greatest, grids[g]);
	}
}

static void test_format__grid_rounds_half_to_even(void **state)
{
	static const float row[] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f};
	static const int8_t expected[] = {127, 0, 2, 2, 0, -2};
	int8_t q[6];
	float scale;

	(void)state;
	assert_int_equal(kg_grid_quantize(q, &scale, row, 6, 127), KG_OK);
	assert_true(scale == 1.0f);
	assert_memory_equal(q, expected, sizeof(q));
}

static void test_format__grid_edges(void **state)
{
	static const float zeros[3] = {0};
	static const float tiny[3] = {1e-45f, -1e-45f, 0.0f};
	static const float infinite[2] = {1.0f, INFINITY};
	static const float nan[2] = {NAN, 1.0f};
	int8_t q[3];
	float scale;

	(void)state;
	assert_int_equal(kg_grid_quantize(q, &scale, zeros, 3, 127), KG_OK);
	assert_true(scale == 0.0f && q[0] == 0 && q[2] == 0);
	assert_int_equal(kg_grid_quantize(q, &scale, tiny, 3, 127), KG_OK);
	assert_true(q[0] >= -127);
	assert_int_equal(kg_grid_quantize(q, &scale, infinite, 2, 127), KG_EINVAL);
	assert_int_equal(kg_grid_quantize(q, &scale, nan, 2, 127), KG_EINVAL);
}

/* The value of a half by its definition in IEEE 754. */
static double half_value(uint16_t half)
{
	int exponent = half >> 10 & 31;
	double fraction = half & 0x3ff;
	double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;

	if (exponent == 0)
		return sign * ldexp(fraction, -24);
	return sign * ldexp(1024.0 + fraction, exponent - 25);
}

static void test_half__every_finite_half_is_exact(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 65536; h++) {
		float f = kg_half_to_float((uint16_t)h);

		if ((h & 0x7c00) == 0x7c00) {
			assert_true((h & 0x3ff) != 0 ? isnan(f) : isinf(f));
			if ((h & 0x3ff) == 0)
				assert_int_equal(kg_half_from_float(f), h);
			else
				assert_true((kg_half_from_float(f) & 0x7fff) > 0x7c00);
			continue;
		}
		assert_true((double)f == half_value((uint16_t)h));
		assert_int_equal(kg_half_from_float(f), h);
	}
}

/* Between two neighbouring halves: below the middle the lower, above it the upper, on it even. */
static void test_half__rounds_to_nearest_even(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 0x7bff; h++) {
		double low = half_value((uint16_t)h);
		double high = half_value((uint16_t)(h + 1));
		float middle = (float)((low + high) / 2); /* exact: one bit more than a half */
		uint16_t even = (uint16_t)((h & 1) == 0 ? h : h + 1);

		assert_int_equal(kg_half_from_float(middle), even);
		assert_int_equal(kg_half_from_float(nextafterf(middle, 0.0f)), h);
		assert_int_equal(kg_half_from_float(nextafterf(middle, INFINITY)), h + 1);
		assert_int_equal(kg_half_from_float(-middle), even | 0x8000);
	}
	assert_int_equal(kg_half_from_float(65519.996f), 0x7bff);
	assert_int_equal(kg_half_from_float(65520.0f), 0x7c00);
	assert_int_equal(kg_half_from_float(-1e30f), 0xfc00);
	assert_int_equal(kg_half_from_float(0x1p-25f), 0);
	assert_int_equal(kg_half_from_float(nextafterf(0x1p-25f, 1.0f)), 1);
	assert_int_equal(kg_half_from_float(-0.0f), 0x8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format__names_go_both_ways),
		cmocka_unit_test(test_format__every_spelling_of_a_fairy_is_known),
		cmocka_unit_test(test_format__tables_follow_the_strategy),
		cmocka_unit_test(test_format__narrower_steps_end),
		cmocka_unit_test(test_format__grid_is_within_half_a_step),
		cmocka_unit_test(test_format__grid_rounds_half_to_even),
		cmocka_unit_test(test_format__grid_edges),
		cmocka_unit_test(test_half__every_finite_half_is_exact),
		cmocka_unit_test(test_half__rounds_to_nearest_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
