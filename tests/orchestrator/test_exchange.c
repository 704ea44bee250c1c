/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "orchestrator/exchange.h"

static json_t *ask_body(void)
{
	return json_pack("{s:s, s:i, s:i, s:f, s:i, s:f, s:s}", "prompt", "why?", "k", 3,
			 "max_tokens", 20, "temperature", 0.5, "top_k", 7, "top_p", 0.9, "seed",
			 "18446744073709551615");
}

static void test_exchange__a_question_is_read(void **state)
{
	kg_question q;
	json_t *body = ask_body();

	(void)state;
	assert_int_equal(kg_question_read(&q, body), KG_OK);
	assert_string_equal(q.prompt, "why?");
	assert_true(q.k == 3 && q.max_tokens == 20 && q.top_k == 7);
	assert_true(q.temperature == 0.5 && q.top_p == 0.9);
	assert_true(q.has_seed && q.seed == UINT64_MAX);
	kg_question_release(&q);
	json_decref(body);
}

static void test_exchange__a_question_out_of_range_is_refused(void **state)
{
	static const struct {
		const char *key, *value;
	} bad[] = {{"prompt", "\"\""},
		   {"prompt", "3"},
		   {"k", "65"},
		   {"k", "-1"},
		   {"max_tokens", "0"},
		   {"max_tokens", "4097"},
		   {"temperature", "-0.1"},
		   {"temperature", "101"},
		   {"top_k", "-1"},
		   {"top_p", "1.1"},
		   {"seed", "\"-1\""},
		   {"seed", "\"x\""},
		   {"seed", "\"\""},
		   {"seed", "7"},
		   {"seed", "\"18446744073709551616\""}};
	kg_question q;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *body = ask_body();

		json_object_set_new(body, bad[i].key,
				    json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		assert_int_not_equal(kg_question_read(&q, body), KG_OK);
		json_decref(body);
	}
}

/* splitmix64 seeded with 0 begins 16294208416658607535, 7960286522194355700 (Vigna's own C). */
static void test_exchange__agents_draw_from_different_seeds(void **state)
{
	(void)state;
	assert_true(kg_exchange_agent_seed(0, 0) == 16294208416658607535U);
	assert_true(kg_exchange_agent_seed(0, 1) == 7960286522194355700U);
}

static json_t *thought(const char *round, const char *text, const char *encoded)
{
	return json_pack("{s:s, s:s, s:s, s:i}", "round", round, "text", text, "bytes_b64", encoded,
			 "tokens", 2);
}

static void test_exchange__a_round_by_messages(void **state)
{
	static const unsigned agents[] = {0, 1};
	kg_question q = {.prompt = strdup("p")};
	json_t *body, *settle;
	kg_round *r;

	(void)state;
	assert_int_equal(kg_round_new(&r, agents, 2), KG_OK);
	body = thought("r1", "hi", "aGk="); /* RFC 4648: "hi" */
	assert_int_equal(kg_exchange_thought(r, 0, "r2", body), KG_ECONFLICT);
	assert_int_equal(kg_exchange_thought(r, 0, "r1", body), KG_OK);
	json_decref(body);
	body = thought("r1", "?", "aGk");
	assert_int_not_equal(kg_exchange_thought(r, 1, "r1", body), KG_OK);
	json_decref(body);
	body = thought("r1", "f", "Zg==");
	assert_int_equal(kg_exchange_thought(r, 1, "r1", body), KG_OK);
	json_decref(body);

	body = kg_exchange_score("r1", &q, r);
	assert_int_equal(json_array_size(json_object_get(body, "candidates")), 2);
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(body, "candidates"), 1), "bytes_b64")),
		"Zg==");
	json_decref(body);

	body = json_pack("{s:s, s:[{s:i, s:f}]}", "round", "r1", "scores", "id", 1, "loglik", -1.0);
	assert_int_equal(kg_exchange_scores(r, 0, "r1", body), KG_ECORRUPT);
	json_decref(body);
	body = json_pack("{s:s, s:[{s:i, s:f}, {s:i, s:f}]}", "round", "r1", "scores", "id", 1,
			 "loglik", -1.0, "id", 0, "loglik", -8.0);
	assert_int_equal(kg_exchange_scores(r, 0, "r1", body), KG_OK);
	assert_int_equal(kg_exchange_scores(r, 1, "r1", body), KG_OK);
	json_decref(body);
	assert_int_equal(kg_round_winner(r), 1);
	settle = kg_exchange_settle("r1", r, 1);
	assert_true(json_is_true(json_object_get(settle, "winner")));
	assert_int_equal(json_integer_value(json_object_get(settle, "answer_id")), 1);
	json_decref(settle);

	body = json_pack("{s:s, s:[{s:s, s:s}]}", "round", "r1", "entries", "id", "abc", "type",
			 "insight");
	assert_int_equal(kg_exchange_published(r, 0, "r1", body), KG_ECORRUPT);
	json_decref(body);
	body = json_pack("{s:s, s:[]}", "round", "r1", "entries");
	assert_int_equal(kg_exchange_published(r, 0, "r1", body), KG_OK);
	json_decref(body);
	kg_round_free(r);
	kg_question_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange__a_question_is_read),
		cmocka_unit_test(test_exchange__a_question_out_of_range_is_refused),
		cmocka_unit_test(test_exchange__agents_draw_from_different_seeds),
		cmocka_unit_test(test_exchange__a_round_by_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
