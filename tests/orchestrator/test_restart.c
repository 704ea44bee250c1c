/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "orchestrator/restart.h"

static const kg_restart_policy policy = {4, 10000, 100, 300, 5000};

static void test_restart__the_delay_doubles_up_to_its_limit(void **state)
{
	static const int64_t whole[] = {100, 200, 300, 300};
	kg_restart lowest = {0}, highest = {0};

	(void)state;
	for (int i = 0; i < 4; i++) {
		int64_t delay;

		assert_true(kg_restart_next(&lowest, &policy, 1000 + i, 10, 0, &delay));
		assert_int_equal(delay, whole[i] / 2);
		assert_true(kg_restart_next(&highest, &policy, 1000 + i, 10, 0.999999, &delay));
		assert_in_range(delay, whole[i] - 1, whole[i]);
	}
	assert_int_equal(lowest.total, 4);
}

static void test_restart__beyond_the_budget_it_is_parked_until_released(void **state)
{
	kg_restart r = {0};
	int64_t delay = -1;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_true(kg_restart_next(&r, &policy, 1000 * i, 10, 0.5, &delay));
	delay = -1;
	assert_false(kg_restart_next(&r, &policy, 4000, 10, 0.5, &delay));
	assert_true(r.parked && delay == -1);
	assert_false(kg_restart_next(&r, &policy, 900000, 10, 0.5, &delay));
	kg_restart_release(&r);
	assert_true(kg_restart_next(&r, &policy, 900001, 10, 0, &delay));
	assert_int_equal(delay, 50);
	assert_int_equal(r.total, 5);
}

static void test_restart__the_budget_is_of_a_period(void **state)
{
	kg_restart r = {0};
	int64_t delay;

	(void)state;
	for (int i = 0; i < 100; i++) /* four in ten seconds, for ever */
		assert_true(kg_restart_next(&r, &policy, 2500 * i, 10, 0.5, &delay));
	assert_int_equal(r.total, 100);
}

static void test_restart__a_long_life_ends_the_row(void **state)
{
	kg_restart r = {0};
	int64_t delay;

	(void)state;
	assert_true(kg_restart_next(&r, &policy, 0, 10, 0, &delay));
	assert_true(kg_restart_next(&r, &policy, 1, 10, 0, &delay));
	assert_int_equal(delay, 100);
	assert_true(kg_restart_next(&r, &policy, 6000, 5000, 0, &delay));
	assert_int_equal(delay, 50);
}

static void test_restart__no_budget_parks_at_once(void **state)
{
	kg_restart_policy none = policy;
	kg_restart r = {0};
	int64_t delay;

	(void)state;
	none.intensity = 0;
	assert_false(kg_restart_next(&r, &none, 0, 10, 0, &delay));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart__the_delay_doubles_up_to_its_limit),
		cmocka_unit_test(test_restart__beyond_the_budget_it_is_parked_until_released),
		cmocka_unit_test(test_restart__the_budget_is_of_a_period),
		cmocka_unit_test(test_restart__a_long_life_ends_the_row),
		cmocka_unit_test(test_restart__no_budget_parks_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
