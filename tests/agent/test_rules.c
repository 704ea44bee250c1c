/* SPDX-License-Identifier: MIT */
/* Sharing and learning: every condition alone, at its border. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/rules.h"

static kg_share_rule rule_of(const char *words, double capacity)
{
	kg_share_rule rule;
	assert_int_equal(kg_share_rule_init(&rule, words, capacity), KG_OK);
	return rule;
}

static bool allows(const kg_share_rule *rule, const char *text, double capacity)
{
	return kg_share_rule_allows(rule, text, strlen(text), capacity);
}

static void test_rules__words_are_found_in_any_case_and_place(void **state)
{
	(void)state;
	kg_share_rule rule = rule_of("insight, discovered ,pattern", 0.8);
	assert_int_equal(rule.count, 3);
	assert_true(allows(&rule, "An INSIGHT", 0));
	assert_true(allows(&rule, "we Discovered it", 0));
	assert_true(allows(&rule, "patterns", 0));
	assert_false(allows(&rule, "patter", 0));
	assert_false(allows(&rule, "discover", 0));
	assert_false(allows(&rule, "", 0));
	assert_true(kg_share_rule_allows(&rule, "a\0pattern", 9, 0));
	assert_false(kg_share_rule_allows(&rule, "a\0pattern", 8, 0));
}

static void test_rules__capacity_shares_above_the_bar_only(void **state)
{
	(void)state;
	kg_share_rule rule = rule_of("insight", 0.8);
	assert_false(allows(&rule, "nothing", 0.8));
	assert_true(allows(&rule, "nothing", 0.81));
	rule = rule_of("", 1);
	assert_int_equal(rule.count, 0);
	assert_false(allows(&rule, "insight", 1));
}

static void test_rules__bad_settings_are_refused(void **state)
{
	(void)state;
	kg_share_rule rule;
	assert_int_equal(kg_share_rule_init(&rule, "a", -0.1), KG_EINVAL);
	assert_int_equal(kg_share_rule_init(&rule, "a", NAN), KG_EINVAL);
	assert_int_equal(kg_share_rule_init(&rule, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", 0.5), KG_OK);
	assert_int_equal(kg_share_rule_init(&rule, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", 0.5),
			 KG_EINVAL);
	assert_int_equal(kg_share_rule_init(&rule, "abcdefghijklmnopqrstuvwxyzabcde", 0.5), KG_OK);
	assert_int_equal(kg_share_rule_init(&rule, "abcdefghijklmnopqrstuvwxyzabcdef", 0.5),
			 KG_EINVAL);

	const kg_learn_rule good = {"t", 24, 0.7, 0.01, 3};
	assert_int_equal(kg_learn_rule_check(&good), KG_OK);
	const kg_learn_rule bad[] = {
		{"", 24, 0.7, 0.01, 3},  {"t", 0, 0.7, 0.01, 3},  {"t", NAN, 0.7, 0.01, 3},
		{"t", 24, 1.1, 0.01, 3}, {"t", 24, NAN, 0.01, 3}, {"t", 24, 0.7, -0.01, 3},
		{"t", 24, 0.7, NAN, 3},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(kg_learn_rule_check(&bad[i]), KG_EINVAL);
	}
}

static void test_rules__learning_wants_tag_age_consciousness_and_another_author(void **state)
{
	(void)state;
	const kg_learn_rule rule = {"collective-insight", 24, 0.7, 0.01, 3};
	const kg_pubkey self = {.bytes = {1}};
	const kg_pubkey other = {.bytes = {2}};
	const int64_t now = 1700000000000, hour = 3600 * 1000;
	const char *const tags[] = {"x", "collective-insight"};
	const kg_lore good = {{7}, other, now - hour, 0.7, tags, 2};
	assert_true(kg_learn_rule_accepts(&rule, &good, &self, now));

	kg_lore lore = good;
	lore.tag_count = 1;
	assert_false(kg_learn_rule_accepts(&rule, &lore, &self, now));
	lore = good;
	lore.time_ms = now - 24 * hour;
	assert_true(kg_learn_rule_accepts(&rule, &lore, &self, now));
	lore.time_ms = now - 24 * hour - 1;
	assert_false(kg_learn_rule_accepts(&rule, &lore, &self, now));
	lore = good;
	lore.consciousness = 0.699999;
	assert_false(kg_learn_rule_accepts(&rule, &lore, &self, now));
	lore.consciousness = NAN;
	assert_false(kg_learn_rule_accepts(&rule, &lore, &self, now));
	lore.consciousness = 1.5;
	assert_false(kg_learn_rule_accepts(&rule, &lore, &self, now));
	lore = good;
	lore.author = self;
	assert_false(kg_learn_rule_accepts(&rule, &lore, &self, now));
}

static void test_rules__an_insight_teaches_once(void **state)
{
	(void)state;
	const kg_learn_rule rule = {"t", 24, 0.7, 0.01, 3};
	const kg_pubkey self = {.bytes = {1}};
	const char *const tags[] = {"t"};
	const kg_lore lore = {{7}, {.bytes = {2}}, 1000, 1, tags, 1};
	kg_learned learned;
	assert_int_equal(kg_learned_init(&learned), KG_OK);
	assert_true(kg_learn_rule_teaches(&rule, &lore, &self, 1000, &learned));
	kg_learned_add(&learned, lore.id);
	kg_learned_add(&learned, lore.id);
	assert_int_equal(learned.count, 1);
	assert_false(kg_learn_rule_teaches(&rule, &lore, &self, 1000, &learned));
	assert_true(kg_learn_rule_accepts(&rule, &lore, &self, 1000));
	kg_learned_release(&learned);
}

static void test_rules__the_oldest_learned_are_forgotten_first(void **state)
{
	(void)state;
	kg_learned learned;
	assert_int_equal(kg_learned_init(&learned), KG_OK);
	for (uint32_t i = 0; i <= KG_LEARNED_MAX; i++) {
		uint8_t id[KG_HASH_SIZE] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16), 1};
		kg_learned_add(&learned, id);
	}
	const uint8_t first[KG_HASH_SIZE] = {0, 0, 0, 1}, second[KG_HASH_SIZE] = {1, 0, 0, 1};
	assert_int_equal(learned.count, KG_LEARNED_MAX);
	assert_false(kg_learned_has(&learned, first));
	assert_true(kg_learned_has(&learned, second));
	kg_learned_release(&learned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules__words_are_found_in_any_case_and_place),
		cmocka_unit_test(test_rules__capacity_shares_above_the_bar_only),
		cmocka_unit_test(test_rules__bad_settings_are_refused),
		cmocka_unit_test(
			test_rules__learning_wants_tag_age_consciousness_and_another_author),
		cmocka_unit_test(test_rules__an_insight_teaches_once),
		cmocka_unit_test(test_rules__the_oldest_learned_are_forgotten_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
