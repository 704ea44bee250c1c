/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/rotary.h"

static void test_rotary__halves_become_pairs(void **state)
{
	/* Two heads of six rows of two numbers; the row's number is its place, head * 10 + row. */
	static const float order[12] = {0, 3, 1, 4, 2, 5, 10, 13, 11, 14, 12, 15};
	float rows[24];
	float before[24];

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		size_t place = i / 6 * 10 + i % 6;

		rows[2 * i] = (float)place;
		rows[2 * i + 1] = -rows[2 * i];
	}
	memcpy(before, rows, sizeof(rows));
	assert_int_equal(kg_rotary_interleave(rows, 2, 6, 2), KG_OK);
	for (size_t i = 0; i < 12; i++) {
		assert_true(rows[2 * i] == order[i]);
		assert_true(rows[2 * i + 1] == -order[i]);
	}
	assert_int_equal(kg_rotary_split(rows, 2, 6, 2), KG_OK);
	assert_memory_equal(rows, before, sizeof(rows));
}

static void test_rotary__turning_pairs_is_turning_halves(void **state)
{
	static const float query[4] = {1, 2, 3, 4};
	static const float key[4] = {0.5f, -1, 2, 1};
	float x[4];
	float y[4];
	double halves = 0.0;
	double pairs = 0.0;
	double angle[2] = {0.7, 0.01};

	(void)state;
	/* The query turned by the angle against the key unturned, both ways. */
	for (size_t i = 0; i < 2; i++) {
		double c = cos(angle[i]);
		double s = sin(angle[i]);

		halves += ((double)query[i] * c - (double)query[i + 2] * s) * (double)key[i];
		halves += ((double)query[i + 2] * c + (double)query[i] * s) * (double)key[i + 2];
	}
	memcpy(x, query, sizeof(x));
	memcpy(y, key, sizeof(y));
	assert_int_equal(kg_rotary_interleave(x, 1, 4, 1), KG_OK);
	assert_int_equal(kg_rotary_interleave(y, 1, 4, 1), KG_OK);
	for (size_t i = 0; i < 2; i++) {
		double c = cos(angle[i]);
		double s = sin(angle[i]);
		double re = (double)x[2 * i];
		double im = (double)x[2 * i + 1];

		pairs += (re * c - im * s) * (double)y[2 * i];
		pairs += (re * s + im * c) * (double)y[2 * i + 1];
	}
	assert_true(fabs(halves - pairs) < 1e-12);
}

static void test_rotary__long_waves_are_stretched(void **state)
{
	/* theta 10,000 over 4 pairs: frequencies 1, 0.1, 0.01, 0.001; waves of 2 pi times 1, 10,
	 * 100, 1,000. In 1,024 positions: 163, 16.3, 1.63, 0.163 of them. */
	static const kg_rotary_llama3 rule = {
		.theta = 10000.0, .factor = 8.0, .low = 1.0, .high = 4.0, .old_context = 1024.0};
	double share = (1024.0 / (2.0 * 3.14159265358979323846 * 100.0) - 1.0) / 3.0;
	float factor[4];

	(void)state;
	kg_rotary_llama3_factors(factor, 8, &rule);
	assert_true(factor[0] == 1.0f);
	assert_true(factor[1] == 1.0f);
	assert_true(fabs((double)factor[2] - 1.0 / ((1.0 - share) / 8.0 + share)) < 1e-6);
	assert_true(factor[3] == 8.0f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotary__halves_become_pairs),
		cmocka_unit_test(test_rotary__turning_pairs_is_turning_halves),
		cmocka_unit_test(test_rotary__long_waves_are_stretched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
