/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/merges.h"

static void test_merges__ranks_are_the_order_of_putting(void **state)
{
	enum { COUNT = 5000 };
	kg_merges m = {0};

	(void)state;
	assert_null(kg_merges_find(&m, 1, 2));
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(kg_merges_put(&m, i / 70, i % 70, i + 7), KG_OK);
	for (uint32_t i = 0; i < COUNT; i++) {
		const kg_merge *found = kg_merges_find(&m, i / 70, i % 70);

		assert_non_null(found);
		assert_int_equal(found - m.list, i);
		assert_int_equal(found->joined, i + 7);
	}
	assert_null(kg_merges_find(&m, 0, 70));
	assert_null(kg_merges_find(&m, UINT32_MAX, UINT32_MAX));
	kg_merges_release(&m);
	assert_null(kg_merges_find(&m, 0, 0));
}

static void test_merges__a_pair_keeps_its_first_rank(void **state)
{
	kg_merges m = {0};

	(void)state;
	assert_int_equal(kg_merges_put(&m, 3, 4, 9), KG_OK);
	assert_int_equal(kg_merges_put(&m, 4, 3, 8), KG_OK);
	assert_int_equal(kg_merges_put(&m, 3, 4, 7), KG_OK);
	assert_int_equal(m.count, 2);
	assert_int_equal(kg_merges_find(&m, 3, 4)->joined, 9);
	assert_int_equal(kg_merges_find(&m, 4, 3)->joined, 8);
	kg_merges_release(&m);
}

static void test_merges__have_a_maximum(void **state)
{
	kg_merges m = {0};

	(void)state;
	for (uint32_t i = 0; i < KG_MERGES_MAX; i++)
		assert_int_equal(kg_merges_put(&m, i >> 11, i & 2047, 0), KG_OK);
	assert_int_equal(kg_merges_put(&m, 5000, 5000, 0), KG_EFULL);
	assert_int_equal(m.count, KG_MERGES_MAX);
	kg_merges_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merges__ranks_are_the_order_of_putting),
		cmocka_unit_test(test_merges__a_pair_keeps_its_first_rank),
		cmocka_unit_test(test_merges__have_a_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
