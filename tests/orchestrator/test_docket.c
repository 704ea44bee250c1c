/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "orchestrator/docket.h"

enum { AGENTS = 3, SENT_MAX = 256, THINK_MS = 1000 };

/* The world around a docket: what it sent, and agents that can be reached or not. */
typedef struct {
	kg_docket *docket;
	kg_crew_agent agents[AGENTS];
	bool unreachable[AGENTS];
	struct {
		int agent; /* -1: the client */
		kg_message_kind kind;
		uint64_t id;
		json_t *body;
	} sent[SENT_MAX];
	size_t count;
	int64_t now;
} world;

static kg_err to_agent(void *data, unsigned agent, kg_message_kind kind, uint64_t id, json_t *body)
{
	world *w = data;

	assert_non_null(body);
	if (w->unreachable[agent]) {
		json_decref(body);
		return kg_fail(KG_ENOTFOUND, "the peer is gone");
	}
	assert_true(w->count < SENT_MAX);
	w->sent[w->count].agent = (int)agent;
	w->sent[w->count].kind = kind;
	w->sent[w->count].id = id;
	w->sent[w->count++].body = body;
	return KG_OK;
}

static void to_client(void *data, const kg_message *client, kg_message_kind kind, json_t *body)
{
	world *w = data;

	assert_true(w->count < SENT_MAX);
	w->sent[w->count].agent = -1;
	w->sent[w->count].kind = kind;
	w->sent[w->count].id = client->id;
	w->sent[w->count++].body = body;
}

static void move(void *data, unsigned agent, kg_crew_event event)
{
	world *w = data;

	assert_int_equal(kg_crew_move(&w->agents[agent].state, event), KG_OK);
}

static uint64_t counter(void *data)
{
	(void)data;
	return 42;
}

static int setup(void **state)
{
	world *w = calloc(1, sizeof(*w));
	const kg_docket_port port = {w, to_agent, to_client, move, counter};

	assert_non_null(w);
	for (int i = 0; i < AGENTS; i++) {
		(void)snprintf(w->agents[i].name, KG_NAME_SIZE, "agent-%d", i);
		w->agents[i].state = KG_CREW_READY;
	}
	assert_int_equal(kg_docket_new(&w->docket, &port, w->agents, AGENTS, THINK_MS), KG_OK);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world *w = *state;

	kg_docket_free(w->docket);
	for (size_t i = 0; i < w->count; i++)
		json_decref(w->sent[i].body);
	free(w);
	return 0;
}

static void ask(world *w, uint64_t id, int k)
{
	kg_message m = {.kind = KG_MESSAGE_ASK, .id = id};

	m.json = json_pack("{s:s, s:i, s:i, s:f, s:i, s:f}", "prompt", "why?", "k", k, "max_tokens",
			   8, "temperature", 0.0, "top_k", 0, "top_p", 1.0);
	kg_docket_ask(w->docket, &m);
	json_decref(m.json);
	kg_docket_tick(w->docket, w->now);
}

/* The last message of this kind to the agent (-1: client), or NULL. */
static json_t *last(const world *w, int agent, kg_message_kind kind, uint64_t *id)
{
	for (size_t i = w->count; i-- > 0;)
		if (w->sent[i].agent == agent && w->sent[i].kind == kind) {
			*id = w->sent[i].id;
			return w->sent[i].body;
		}
	return NULL;
}

static kg_err say(world *w, unsigned agent, kg_message_kind kind, json_t *body)
{
	kg_message m = {.kind = kind, .json = body};
	kg_err err;

	(void)last(w, (int)agent, KG_MESSAGE_THINK, &m.id);
	json_object_set_new(body, "round", json_string("000000000000002a"));
	err = kg_docket_hear(w->docket, agent, &m, w->now);
	json_decref(body);
	return err;
}

static kg_err say_thought(world *w, unsigned agent, const char *encoded)
{
	return say(
		w, agent, KG_MESSAGE_THOUGHT,
		json_pack("{s:s, s:s, s:i}", "text", encoded, "bytes_b64", encoded, "tokens", 1));
}

static kg_err say_scores(world *w, unsigned agent, double a, double b)
{
	return say(w, agent, KG_MESSAGE_SCORES,
		   json_pack("{s:[{s:i, s:f}, {s:i, s:f}]}", "scores", "id", 0, "loglik", a, "id",
			     1, "loglik", b));
}

static kg_err say_published(world *w, unsigned agent)
{
	return say(w, agent, KG_MESSAGE_PUBLISHED, json_pack("{s:[]}", "entries"));
}

static void test_docket__a_question_walks_to_its_answer(void **state)
{
	world *w = *state;
	json_t *answer;
	uint64_t id;

	ask(w, 77, 0);
	for (unsigned i = 0; i < AGENTS; i++) {
		assert_non_null(last(w, (int)i, KG_MESSAGE_THINK, &id));
		assert_int_equal(w->agents[i].state, KG_CREW_BUSY);
	}
	assert_int_equal(say_thought(w, 0, "YQ=="), KG_OK);
	assert_int_equal(say_thought(w, 1, "Yg=="), KG_OK);
	assert_null(last(w, 0, KG_MESSAGE_SCORE, &id));
	assert_int_equal(say_thought(w, 2, "Yg=="), KG_OK);
	assert_non_null(last(w, 2, KG_MESSAGE_SCORE, &id));
	for (unsigned i = 0; i < AGENTS; i++)
		assert_int_equal(say_scores(w, i, -2, -1), KG_OK);
	assert_true(json_is_true(json_object_get(last(w, 1, KG_MESSAGE_SETTLE, &id), "winner")));
	assert_true(json_is_false(json_object_get(last(w, 2, KG_MESSAGE_SETTLE, &id), "winner")));
	w->now = 500;
	for (unsigned i = 0; i < AGENTS; i++)
		assert_int_equal(say_published(w, i), KG_OK);
	answer = last(w, -1, KG_MESSAGE_ANSWER, &id);
	assert_non_null(answer);
	assert_int_equal(id, 77);
	assert_string_equal(json_string_value(json_object_get(answer, "answer")), "Yg==");
	assert_true(json_real_value(json_object_get(answer, "seconds")) == 0.5);
	for (unsigned i = 0; i < AGENTS; i++)
		assert_int_equal(w->agents[i].state, KG_CREW_READY);
}

static void test_docket__those_who_answered_least_are_asked(void **state)
{
	world *w = *state;
	uint64_t id;

	w->agents[0].answers = 5;
	w->agents[1].answers = 1;
	w->agents[2].answers = 1;
	ask(w, 1, 2);
	assert_null(last(w, 0, KG_MESSAGE_THINK, &id));
	assert_non_null(last(w, 1, KG_MESSAGE_THINK, &id));
	assert_non_null(last(w, 2, KG_MESSAGE_THINK, &id));
}

static void test_docket__whoever_is_late_is_left_behind(void **state)
{
	world *w = *state;
	uint64_t id;

	ask(w, 1, 0);
	assert_int_equal(say_thought(w, 1, "YQ=="), KG_OK);
	w->now = THINK_MS - 1;
	kg_docket_tick(w->docket, w->now);
	assert_null(last(w, 1, KG_MESSAGE_SCORE, &id));
	w->now = THINK_MS;
	kg_docket_tick(w->docket, w->now);
	assert_non_null(last(w, 1, KG_MESSAGE_SCORE, &id));
	assert_null(last(w, 0, KG_MESSAGE_SCORE, &id));
	assert_int_equal(say_thought(w, 0, "Yg=="), KG_OK); /* too late, and harmless */
	assert_int_equal(say(w, 1, KG_MESSAGE_SCORES,
			     json_pack("{s:[{s:i, s:f}]}", "scores", "id", 1, "loglik", -1.0)),
			 KG_OK);
	kg_docket_lose(w->docket, 1, "signal 9", w->now);
	assert_non_null(last(w, -1, KG_MESSAGE_ANSWER, &id));
}

static void test_docket__with_nobody_left_the_client_hears_why(void **state)
{
	world *w = *state;
	kg_message m = {.kind = KG_MESSAGE_FAILED};
	uint64_t id;

	w->unreachable[0] = true;
	ask(w, 9, 0);
	kg_docket_lose(w->docket, 1, "signal 9", w->now);
	(void)last(w, 2, KG_MESSAGE_THINK, &m.id);
	m.json = kg_message_failure(kg_fail(KG_ENOMEM, "too small a world"));
	assert_int_equal(kg_docket_hear(w->docket, 2, &m, w->now), KG_ENOMEM);
	json_decref(m.json);
	m.json = last(w, -1, KG_MESSAGE_FAILED, &id);
	assert_non_null(m.json);
	assert_int_equal(id, 9);
	assert_int_equal(kg_message_fail(&m), KG_EFAIL);
	assert_non_null(strstr(kg_err_text(), "too small a world"));
}

static void test_docket__nonsense_loses_the_agent(void **state)
{
	world *w = *state;
	uint64_t id;

	ask(w, 1, 0);
	assert_int_not_equal(say_thought(w, 0, "not base64"), KG_OK);
	assert_int_equal(say_thought(w, 1, "YQ=="), KG_OK);
	assert_int_equal(say_thought(w, 2, "YQ=="), KG_OK);
	assert_null(last(w, 0, KG_MESSAGE_SCORE, &id));
	assert_non_null(last(w, 1, KG_MESSAGE_SCORE, &id));
}

static void test_docket__questions_wait_for_their_turn(void **state)
{
	world *w = *state;
	uint64_t id = 0;

	for (uint64_t q = 1; q <= KG_DOCKET_MAX + 1; q++)
		ask(w, q, 0);
	assert_null(last(w, -1, KG_MESSAGE_FAILED, &id));
	ask(w, 1000, 0);
	assert_non_null(last(w, -1, KG_MESSAGE_FAILED, &id));
	assert_int_equal(id, 1000);
	assert_int_equal(kg_docket_rounds(w->docket), 1);
	for (unsigned i = 0; i < AGENTS; i++)
		kg_docket_lose(w->docket, i, "gone", w->now);
	assert_non_null(last(w, -1, KG_MESSAGE_FAILED, &id));
	assert_int_equal(id, 1);
	kg_docket_tick(w->docket, w->now);
	assert_int_equal(kg_docket_rounds(w->docket), 2);
	while (w->count > 0)
		json_decref(w->sent[--w->count].body);
	w->now = 6000;
	kg_docket_end(w->docket);
	assert_non_null(last(w, -1, KG_MESSAGE_FAILED, &id));
	assert_int_equal(id, 2);
	assert_int_equal(w->count, KG_DOCKET_MAX);
	ask(w, 5, 0);
	assert_int_equal(w->count, KG_DOCKET_MAX + 1);
}

static void test_docket__nobody_is_asked_before_somebody_is_ready(void **state)
{
	world *w = *state;
	uint64_t id;

	for (unsigned i = 0; i < AGENTS; i++)
		w->agents[i].state = i == 0 ? KG_CREW_STARTING : KG_CREW_PARKED;
	ask(w, 1, 0);
	assert_int_equal(kg_docket_rounds(w->docket), 0);
	w->now = 5000;
	kg_docket_tick(w->docket, w->now);
	assert_non_null(last(w, -1, KG_MESSAGE_PROGRESS, &id)); /* a word to who waits */
	w->agents[0].state = KG_CREW_READY;
	kg_docket_tick(w->docket, w->now);
	assert_int_equal(kg_docket_rounds(w->docket), 1);
	kg_docket_lose(w->docket, 0, "gone", w->now);
	w->agents[0].state = KG_CREW_PARKED;
	ask(w, 2, 0);
	assert_non_null(last(w, -1, KG_MESSAGE_FAILED, &id));
	assert_int_equal(id, 2);
}

#define WORLD(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_docket__a_question_walks_to_its_answer),
		WORLD(test_docket__those_who_answered_least_are_asked),
		WORLD(test_docket__whoever_is_late_is_left_behind),
		WORLD(test_docket__with_nobody_left_the_client_hears_why),
		WORLD(test_docket__nonsense_loses_the_agent),
		WORLD(test_docket__questions_wait_for_their_turn),
		WORLD(test_docket__nobody_is_asked_before_somebody_is_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
