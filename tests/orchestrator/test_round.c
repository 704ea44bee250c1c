/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "orchestrator/round.h"

static const unsigned four[] = {0, 1, 2, 5};

static kg_round *round_of(size_t count)
{
	kg_round *r;

	assert_int_equal(kg_round_new(&r, four, count), KG_OK);
	return r;
}

static void think(kg_round *r, size_t slot, const char *text)
{
	kg_round_thought t = {(const uint8_t *)text, strlen(text), text, 3};

	assert_int_equal(kg_round_think(r, slot, &t), KG_OK);
}

static void score(kg_round *r, size_t slot, double a, double b)
{
	double loglik[] = {a, b};

	assert_int_equal(kg_round_score(r, slot, loglik, 2), KG_OK);
}

/* Two candidates, "yes!" (4 bytes) said by three and "no" (2 bytes) said by one. Per byte:
 *
 *            yes!            no
 *   slot 0   -2.0/4 = -0.50  -1.0/2 = -0.50
 *   slot 1   -4.0/4 = -1.00  -1.0/2 = -0.50
 *   slot 2   -1.0/4 = -0.25  -3.0/2 = -1.50
 *   slot 3   -1.0/4 = -0.25  -1.0/2 = -0.50
 *   mean            -0.50           -0.75
 */
static void test_round__the_best_mean_per_byte_wins(void **state)
{
	kg_round *r = round_of(4);
	const uint8_t *bytes;
	size_t size;
	double s;

	(void)state;
	think(r, 2, "yes!");
	think(r, 0, "yes!");
	think(r, 1, "no");
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_THINKING);
	think(r, 3, "yes!");
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_SCORING);
	assert_int_equal(kg_round_candidates(r), 2);
	assert_int_equal(kg_round_candidate(r, 0, &bytes, &size), 0);
	assert_true(size == 4 && memcmp(bytes, "yes!", 4) == 0);
	assert_int_equal(kg_round_candidate(r, 1, &bytes, &size), 1);
	assert_true(size == 2 && memcmp(bytes, "no", 2) == 0);
	score(r, 0, -2, -1);
	score(r, 3, -1, -1);
	score(r, 1, -4, -1);
	score(r, 2, -1, -3);
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_PUBLISHING);
	assert_int_equal(kg_round_winner(r), 0);
	assert_true(kg_round_agreement(r) == 0.75);
	assert_true(kg_round_scored(r, 3, &s) && fabs(s - -0.5) < 1e-12);
	assert_true(kg_round_scored(r, 1, &s) && fabs(s - -0.75) < 1e-12);
	kg_round_free(r);
}

static void test_round__length_alone_does_not_lose(void **state)
{
	kg_round *r = round_of(2);

	(void)state;
	think(r, 0, "a");
	think(r, 1, "a longer answer"); /* 15 bytes, -15 nats: -1 per byte against -2 */
	score(r, 0, -2, -15);
	score(r, 1, -2, -15);
	assert_int_equal(kg_round_winner(r), 1);
	kg_round_free(r);
}

static void test_round__of_equal_scores_the_lowest_agent_wins(void **state)
{
	kg_round *r = round_of(2);

	(void)state;
	think(r, 0, "ab");
	think(r, 1, "cd");
	score(r, 0, -1, -2);
	score(r, 1, -2, -1);
	assert_int_equal(kg_round_winner(r), 0);
	assert_true(kg_round_agreement(r) == 0.5);
	kg_round_free(r);
}

static void test_round__an_empty_candidate_wins_only_among_its_like(void **state)
{
	kg_round *r = round_of(2);
	double one = -1000, s;

	(void)state;
	think(r, 0, "");
	think(r, 1, "x");
	assert_int_equal(kg_round_candidates(r), 1);
	assert_int_equal(kg_round_score(r, 0, &one, 1), KG_OK);
	assert_int_equal(kg_round_score(r, 1, &one, 1), KG_OK);
	assert_int_equal(kg_round_winner(r), 1);
	assert_false(kg_round_scored(r, 0, &s));
	kg_round_free(r);
	r = round_of(2);
	think(r, 0, "");
	think(r, 1, "");
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_PUBLISHING);
	assert_int_equal(kg_round_winner(r), 0);
	assert_true(kg_round_agreement(r) == 1);
	kg_round_free(r);
}

static void publish(kg_round *r, size_t slot, char digit)
{
	char ids[1][KG_HASH_TEXT_SIZE];

	memset(ids[0], digit, sizeof(ids[0]) - 1);
	ids[0][sizeof(ids[0]) - 1] = '\0';
	assert_int_equal(kg_round_publish(r, slot, (const char(*)[KG_HASH_TEXT_SIZE])ids, 1),
			 KG_OK);
}

static void test_round__the_loss_of_agents_does_not_end_it(void **state)
{
	static const char *const names[] = {"agent-0", "agent-1", "agent-2", "agent-5"};
	kg_round *r = round_of(4);
	size_t done, of;
	json_t *doc;

	(void)state;
	think(r, 0, "one");
	kg_round_lose(r, 1, "signal 9");
	think(r, 2, "two");
	kg_round_progress(r, &done, &of);
	assert_true(done == 3 && of == 4);
	think(r, 3, "two");
	/* The one that thinks of "one" dies before it scores; what it said is still judged. */
	kg_round_lose(r, 0, "signal 9");
	kg_round_progress(r, &done, &of);
	assert_true(done == 1 && of == 3);
	score(r, 2, -3, -6);
	kg_round_expire(r);
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_PUBLISHING);
	assert_string_equal(kg_round_why(r), "no answer before the deadline");
	assert_int_equal(kg_round_winner(r), 0);
	assert_true(fabs(kg_round_agreement(r) - 1.0 / 3) < 1e-12);
	assert_false(kg_round_is_owing(r, 0) || kg_round_is_owing(r, 3));
	publish(r, 2, 'a');
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_DONE);
	doc = kg_round_json(r, names, 1.5);
	assert_string_equal(json_string_value(json_object_get(doc, "answer")), "one");
	assert_int_equal(json_array_size(json_object_get(doc, "candidates")), 3);
	assert_int_equal(json_array_size(json_object_get(doc, "entries")), 1);
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(doc, "candidates"), 2), "agent")),
		"agent-5");
	json_decref(doc);
	kg_round_free(r);
}

static void test_round__with_nobody_left_it_fails(void **state)
{
	kg_round *r = round_of(2);

	(void)state;
	kg_round_lose(r, 0, "first");
	kg_round_lose(r, 1, "second");
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_FAILED);
	assert_string_equal(kg_round_why(r), "second");
	kg_round_lose(r, 1, "again");
	kg_round_expire(r);
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_FAILED);
	kg_round_free(r);
	r = round_of(2);
	think(r, 0, "a");
	think(r, 1, "b");
	kg_round_lose(r, 0, "x");
	kg_round_lose(r, 1, "y");
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_FAILED);
	kg_round_free(r);
}

static void test_round__losing_all_while_publishing_still_answers(void **state)
{
	kg_round *r = round_of(1);
	double one = -1;

	(void)state;
	think(r, 0, "a");
	assert_int_equal(kg_round_score(r, 0, &one, 1), KG_OK);
	kg_round_lose(r, 0, "signal 9");
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_DONE);
	assert_int_equal(kg_round_winner(r), 0);
	kg_round_free(r);
}

/* Every delivery in every stage: only the one that is asked for, once, from who is present. */
static void test_round__deliveries_out_of_turn_are_conflicts(void **state)
{
	kg_round_thought t = {(const uint8_t *)"z", 1, "z", 1};
	kg_round *r = round_of(2);
	double two[] = {-1, -1};

	(void)state;
	assert_int_equal(kg_round_score(r, 0, two, 2), KG_ECONFLICT);
	assert_int_equal(kg_round_publish(r, 0, NULL, 0), KG_ECONFLICT);
	assert_int_equal(kg_round_think(r, 7, &t), KG_ECONFLICT);
	think(r, 0, "a");
	assert_int_equal(kg_round_think(r, 0, &t), KG_ECONFLICT);
	think(r, 1, "b");
	assert_int_equal(kg_round_think(r, 1, &t), KG_ECONFLICT);
	assert_int_equal(kg_round_publish(r, 0, NULL, 0), KG_ECONFLICT);
	score(r, 0, -1, -1);
	assert_int_equal(kg_round_score(r, 0, two, 2), KG_ECONFLICT);
	score(r, 1, -1, -1);
	assert_int_equal(kg_round_score(r, 1, two, 2), KG_ECONFLICT);
	assert_int_equal(kg_round_publish(r, 0, NULL, 0), KG_OK);
	assert_int_equal(kg_round_publish(r, 0, NULL, 0), KG_ECONFLICT);
	assert_int_equal(kg_round_publish(r, 1, NULL, 0), KG_OK);
	assert_int_equal(kg_round_publish(r, 1, NULL, 0), KG_ECONFLICT);
	assert_int_equal(kg_round_get_stage(r), KG_ROUND_DONE);
	kg_round_free(r);
}

static void test_round__what_is_no_number_is_refused(void **state)
{
	static const double bad[][2] = {
		{-1, NAN}, {INFINITY, -1}, {-INFINITY, -1}, {-1, 0.001}, {-1, -1}};
	kg_round *r = round_of(2);

	(void)state;
	think(r, 0, "a");
	think(r, 1, "b");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(kg_round_score(r, 0, bad[i], 2), KG_ECORRUPT);
	assert_int_equal(kg_round_score(r, 0, bad[4], 1), KG_ECORRUPT);
	assert_int_equal(kg_round_score(r, 0, bad[4], 2), KG_OK);
	kg_round_free(r);
}

static void test_round__sizes_have_limits(void **state)
{
	static const unsigned disorder[] = {1, 1};
	static uint8_t large[KG_ROUND_CANDIDATE_MAX + 1];
	kg_round_thought t = {large, sizeof(large), "", 1};
	unsigned many[KG_ROUND_AGENTS_MAX + 1];
	kg_round *r;

	(void)state;
	for (unsigned i = 0; i <= KG_ROUND_AGENTS_MAX; i++)
		many[i] = i;
	assert_int_equal(kg_round_new(&r, many, 0), KG_EINVAL);
	assert_int_equal(kg_round_new(&r, many, KG_ROUND_AGENTS_MAX + 1), KG_EINVAL);
	assert_int_equal(kg_round_new(&r, disorder, 2), KG_EINVAL);
	assert_int_equal(kg_round_new(&r, many, KG_ROUND_AGENTS_MAX), KG_OK);
	assert_int_equal(kg_round_think(r, 0, &t), KG_EFULL);
	t.size--;
	assert_int_equal(kg_round_think(r, 0, &t), KG_OK);
	assert_int_equal(kg_round_slot(r, 63), 63);
	assert_int_equal(kg_round_slot(r, 64), KG_ROUND_AGENTS_MAX);
	kg_round_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round__the_best_mean_per_byte_wins),
		cmocka_unit_test(test_round__length_alone_does_not_lose),
		cmocka_unit_test(test_round__of_equal_scores_the_lowest_agent_wins),
		cmocka_unit_test(test_round__an_empty_candidate_wins_only_among_its_like),
		cmocka_unit_test(test_round__the_loss_of_agents_does_not_end_it),
		cmocka_unit_test(test_round__with_nobody_left_it_fails),
		cmocka_unit_test(test_round__losing_all_while_publishing_still_answers),
		cmocka_unit_test(test_round__deliveries_out_of_turn_are_conflicts),
		cmocka_unit_test(test_round__what_is_no_number_is_refused),
		cmocka_unit_test(test_round__sizes_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
