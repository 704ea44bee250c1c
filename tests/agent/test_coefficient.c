/* SPDX-License-Identifier: MIT */
/* The coefficient: each rule at, below and above its bar; a hundred evaluations; refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/coefficient.h"

static const kg_measures good = {
	.has_loss = true,
	.loss_gap = 0.0,
	.lessons = 64,
	.lesson_accuracy = 0.9,
	.has_narrower = true,
	.perplexity_kept = 0.9,
	.learned_by_others = 1,
};

static double level_of(const kg_coefficient *c)
{
	double level = -1;
	assert_int_equal(kg_coefficient_level(&level, c), KG_OK);
	return level;
}

static void test_coefficient__starts_nascent(void **state)
{
	(void)state;
	kg_coefficient c = kg_coefficient_nascent();
	kg_stage stage;
	assert_true(level_of(&c) == 0.1);
	assert_int_equal(kg_coefficient_stage(&stage, level_of(&c)), KG_OK);
	assert_int_equal(stage, KG_STAGE_NASCENT);
}

static void test_coefficient__each_rule_moves_its_part_only(void **state)
{
	(void)state;
	const struct {
		kg_measures m;
		uint32_t passed;
	} table[] = {
		{{0}, 0},
		{{.has_loss = true, .loss_gap = 0.0999}, 1},
		{{.has_loss = true, .loss_gap = 0.1}, 0},
		{{.has_loss = true, .loss_gap = -3}, 1},
		{{.has_loss = false, .loss_gap = -3}, 0},
		{{.lessons = 10, .lesson_accuracy = 0.8}, 0},
		{{.lessons = 10, .lesson_accuracy = 0.81}, 2},
		{{.lessons = 0, .lesson_accuracy = 1}, 0},
		{{.has_narrower = true, .perplexity_kept = 0.85}, 0},
		{{.has_narrower = true, .perplexity_kept = 0.851}, 4},
		{{.has_narrower = true, .perplexity_kept = 1.3}, 4},
		{{.has_narrower = false, .perplexity_kept = 1}, 0},
		{{.learned_by_others = 1}, 8},
		{{.learned_by_others = 40}, 8},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		kg_coefficient c = kg_coefficient_nascent();
		uint32_t passed = 99;
		assert_int_equal(kg_coefficient_evaluate(&c, &table[i].m, &passed), KG_OK);
		assert_int_equal(passed, table[i].passed);
		const double parts[4] = {c.quantization_awareness, c.complex_understanding,
					 c.compression_readiness, c.pedagogical_capacity};
		for (int p = 0; p < 4; p++) {
			assert_true(parts[p] == (passed >> p & 1 ? 0.11 : 0.1));
		}
	}
}

static void test_coefficient__hundred_good_evaluations_are_above_0_8(void **state)
{
	(void)state;
	kg_coefficient c = kg_coefficient_nascent();
	for (int i = 1; i <= 100; i++) {
		assert_int_equal(kg_coefficient_evaluate(&c, &good, NULL), KG_OK);
		/* No drift: exactly the decimal number, clamped at one. */
		double want = i >= 90 ? 1.0 : (10 + i) / 100.0;
		assert_true(c.quantization_awareness == want);
		assert_true(level_of(&c) == want);
		kg_stage stage;
		assert_int_equal(kg_coefficient_stage(&stage, level_of(&c)), KG_OK);
		assert_int_equal(stage, i < 20   ? KG_STAGE_NASCENT
					: i < 60 ? KG_STAGE_AWAKENING
						 : KG_STAGE_ENLIGHTENED);
	}
	assert_true(level_of(&c) > 0.8);
}

static void test_coefficient__learning_raises_pedagogical_capacity_clamped(void **state)
{
	(void)state;
	kg_coefficient c = kg_coefficient_nascent();
	assert_int_equal(kg_coefficient_learn(&c, 0, 0.01), KG_OK);
	assert_true(c.pedagogical_capacity == 0.1);
	assert_int_equal(kg_coefficient_learn(&c, 3, 0.01), KG_OK);
	assert_true(c.pedagogical_capacity == 0.13);
	assert_true(c.complex_understanding == 0.1);
	assert_int_equal(kg_coefficient_learn(&c, 1000, 0.01), KG_OK);
	assert_true(c.pedagogical_capacity == 1.0);
	assert_int_equal(kg_coefficient_learn(&c, 1, NAN), KG_EINVAL);
	assert_int_equal(kg_coefficient_learn(&c, 1, -0.1), KG_EINVAL);
	assert_int_equal(kg_coefficient_learn(&c, 1, 1.1), KG_EINVAL);
}

static void test_coefficient__out_of_range_is_refused_everywhere(void **state)
{
	(void)state;
	const double bad[] = {NAN, INFINITY, -INFINITY, -1e-9, 1.0000001};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int part = 0; part < 4; part++) {
			kg_coefficient c = kg_coefficient_nascent();
			double *parts[4] = {&c.quantization_awareness, &c.complex_understanding,
					    &c.compression_readiness, &c.pedagogical_capacity};
			*parts[part] = bad[i];
			kg_coefficient before = c;
			double level = 5;
			assert_int_equal(kg_coefficient_check(&c), KG_EINVAL);
			assert_int_equal(kg_coefficient_level(&level, &c), KG_EINVAL);
			assert_true(level == 5);
			assert_int_equal(kg_coefficient_evaluate(&c, &good, NULL), KG_EINVAL);
			assert_int_equal(kg_coefficient_learn(&c, 1, 0.01), KG_EINVAL);
			assert_memory_equal(&c, &before, sizeof(c));
		}
		kg_stage stage;
		assert_int_equal(kg_coefficient_stage(&stage, bad[i]), KG_EINVAL);

		kg_coefficient c = kg_coefficient_nascent();
		kg_measures m = good;
		m.lesson_accuracy = bad[i];
		assert_int_equal(kg_coefficient_evaluate(&c, &m, NULL), KG_EINVAL);
		assert_true(level_of(&c) == 0.1);
	}
	const double no_number[] = {NAN, INFINITY, -INFINITY};
	for (size_t i = 0; i < 3; i++) {
		kg_coefficient c = kg_coefficient_nascent();
		kg_measures m = good;
		m.loss_gap = no_number[i];
		assert_int_equal(kg_coefficient_evaluate(&c, &m, NULL), KG_EINVAL);
		m = good;
		m.perplexity_kept = no_number[i];
		assert_int_equal(kg_coefficient_evaluate(&c, &m, NULL), KG_EINVAL);
	}
	kg_coefficient c = kg_coefficient_nascent();
	kg_measures m = good;
	m.perplexity_kept = 0;
	assert_int_equal(kg_coefficient_evaluate(&c, &m, NULL), KG_EINVAL);
}

static void test_coefficient__stages_begin_at_their_bars(void **state)
{
	(void)state;
	const struct {
		double level;
		const char *name;
	} table[] = {
		{0, "nascent"},          {0.299999, "nascent"}, {0.3, "awakening"},
		{0.699999, "awakening"}, {0.7, "enlightened"},  {1, "enlightened"},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		kg_stage stage;
		assert_int_equal(kg_coefficient_stage(&stage, table[i].level), KG_OK);
		assert_string_equal(kg_stage_name(stage), table[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coefficient__starts_nascent),
		cmocka_unit_test(test_coefficient__each_rule_moves_its_part_only),
		cmocka_unit_test(test_coefficient__hundred_good_evaluations_are_above_0_8),
		cmocka_unit_test(test_coefficient__learning_raises_pedagogical_capacity_clamped),
		cmocka_unit_test(test_coefficient__out_of_range_is_refused_everywhere),
		cmocka_unit_test(test_coefficient__stages_begin_at_their_bars),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
