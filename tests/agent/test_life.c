/* SPDX-License-Identifier: MIT */
/* An agent's life without sockets: birth, a round, sharing, learning, evaluation, restart; each
 * entry opened and verified as the keeper would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/life.h"
#include "base/clock.h"
#include "memory/entry.h"
#include "tests/agent/sprout.h"

#define ROUND "0123456789abcdef"

enum { KEPT_MAX = 32 };

static const int64_t now = 1700000000000;

typedef struct {
	sprout base;
	kg_conf *conf;
	kg_key *key;
	kg_pubkey swarm;
	kg_life *life;
	kg_entry kept[KEPT_MAX]; /* what the keeper has taken, in order */
	kg_entry_id ids[KEPT_MAX];
	size_t count;
	kg_chain_head head;
} scene;

static kg_pubkey some_pubkey(void)
{
	kg_key *key = NULL;
	assert_int_equal(kg_key_generate(&key), KG_OK);
	kg_pubkey pubkey = *kg_key_public(key);
	kg_key_free(key);
	return pubkey;
}

static void wake(scene *s)
{
	kg_genome g;
	bool moved;
	assert_int_equal(kg_base_digest(g.base_digest, s->base.model), KG_OK);
	assert_int_equal(kg_genome_choose(&g, s->base.model, "fairy2", "x/agent-0"), KG_OK);
	const kg_life_options options = {.name = "agent-0",
					 .swarm = &s->swarm,
					 .key = s->key,
					 .model = s->base.model,
					 .genome = &g,
					 .conf = s->conf};
	assert_int_equal(kg_life_new(&s->life, &options), KG_OK);
	assert_int_equal(kg_life_join(s->life, NULL, NULL, NULL), KG_OK);
	assert_int_equal(kg_outbox_rebase(kg_life_outbox(s->life), &s->head, 0, &moved), KG_OK);
}

static void begin(scene *s, bool form)
{
	const uint8_t seed[KG_KEY_SEED_SIZE] = {3};
	memset(s, 0, sizeof(*s));
	sprout_grow(&s->base, 3, form, KG_FORMAT_F16, NULL);
	assert_int_equal(kg_conf_new(&s->conf), KG_OK);
	assert_int_equal(kg_key_new(&s->key, seed), KG_OK);
	s->swarm = some_pubkey();
	wake(s);
}

static void end(scene *s)
{
	for (size_t i = 0; i < s->count; i++) {
		kg_entry_release(&s->kept[i]);
	}
	kg_life_free(s->life);
	kg_key_free(s->key);
	kg_conf_free(s->conf);
	sprout_release(&s->base);
}

/* The keeper takes everything that waits. */
static size_t keep(scene *s)
{
	kg_outbox *outbox = kg_life_outbox(s->life);
	uint64_t ticket;
	const uint8_t *object;
	size_t size, taken = 0;
	while (kg_outbox_due(outbox, -1, &ticket, &object, &size)) {
		kg_entry_proof proof;
		kg_entry *e = &s->kept[s->count];
		assert_true(s->count < KEPT_MAX);
		assert_int_equal(kg_entry_open(e, &proof, object, size), KG_OK);
		assert_int_equal(e->sequence, s->head.sequence + 1);
		s->head = (kg_chain_head){e->sequence, e->time_ms, e->time_counter, proof.commit};
		s->ids[s->count++] = proof.id;
		taken++;
		assert_true(kg_outbox_acknowledge(outbox, &proof.id));
	}
	return taken;
}

static kg_think order_of(const char *round, const char *prompt)
{
	kg_think order = {.prompt = prompt,
			  .sampler = {.temperature = 0.8f, .top_p = 1, .seed = 5},
			  .max_tokens = 24};
	strcpy(order.round, round);
	return order;
}

static json_t *think(scene *s, const char *round, const char *prompt, const json_t *recalled)
{
	const kg_think order = order_of(round, prompt);
	json_t *thought = NULL;
	assert_int_equal(kg_life_think(s->life, &order, recalled, now, NULL, &thought), KG_OK);
	return thought;
}

static uint32_t settle(scene *s, const char *round)
{
	kg_settle order = {.agreement = 1, .winner = true};
	uint64_t tickets[KG_SETTLE_ENTRIES_MAX];
	uint32_t count = 99;
	strcpy(order.round, round);
	assert_int_equal(kg_life_settle(s->life, &order, now, tickets, &count), KG_OK);
	return count;
}

/* An insight of someone else as recalled. */
static json_t *lore(const char *text, uint8_t id, double consciousness, int64_t time_ms)
{
	char hex[KG_HASH_TEXT_SIZE], key[KG_PUBKEY_TEXT_SIZE], time[KG_TIME_TEXT_SIZE];
	const kg_entry_id entry = {{id}};
	const kg_pubkey author = some_pubkey();
	kg_entry_id_format(hex, &entry);
	kg_pubkey_format(key, &author);
	kg_clock_format(time, time_ms);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s], s:[], s:f}", "id", hex, "type",
			 "insight", "agent", key, "time", time, "text", text, "tags",
			 "collective-insight", "references", "consciousness", consciousness);
}

static void test_life__birth_tells_what_it_is(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	assert_int_equal(kg_life_be_born(s.life, now, NULL), KG_OK);
	assert_int_equal(keep(&s), 1);
	const kg_entry *e = &s.kept[0];
	assert_int_equal(e->type, KG_ENTRY_BIRTH);
	assert_int_equal(e->sequence, 1);
	assert_true(kg_entry_has_tag(e, "birth") && kg_entry_has_tag(e, "kindergarten"));
	assert_true(e->has_confidence && e->confidence == 1.0);
	assert_true(e->has_parts && e->level == 0.1);
	assert_true(e->has_genome);
	assert_string_equal(e->genome.strategy, "fairy2");
	assert_memory_equal(e->genome.weights_digest, kg_mind_weights_digest(kg_life_mind(s.life)),
			    KG_HASH_SIZE);
	end(&s);
}

static void test_life__shares_by_its_rule_and_can_be_replayed(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	json_decref(think(&s, ROUND, "Which pattern is this?", NULL));
	assert_int_equal(settle(&s, ROUND), 1);
	assert_int_equal(keep(&s), 1);
	const kg_entry *e = &s.kept[0];
	assert_int_equal(e->type, KG_ENTRY_INSIGHT);
	assert_true(kg_entry_has_tag(e, "collective-insight"));
	assert_true(kg_entry_has_tag(e, "round-" ROUND));
	assert_true(e->has_sampler);
	assert_memory_equal(e->prompt.data, "Q: Which pattern is this? A:", e->prompt.size);
	assert_true(strncmp((const char *)e->text.data, "Q: Which pattern is this? A:", 28) == 0);

	/* From the entry alone: the same bytes. */
	kg_genome g;
	kg_mind *mind = NULL;
	kg_thought again;
	const kg_sampler_settings sampler = {(float)e->sampler.temperature, e->sampler.top_k,
					     (float)e->sampler.top_p, e->sampler.seed};
	memcpy(g.base_digest, e->genome.base_digest, KG_HASH_SIZE);
	memcpy(g.seed, e->genome.seed, KG_SEED_SIZE);
	assert_int_equal(kg_strategy_parse(&g.strategy, e->genome.strategy), KG_OK);
	assert_int_equal(kg_mind_new(&mind, s.base.model, &g), KG_OK);
	assert_int_equal(kg_mind_think(mind, &again, e->prompt.data, e->prompt.size, &sampler,
				       e->sampler.max_tokens),
			 KG_OK);
	assert_int_equal(again.text.size, e->answer.size);
	assert_memory_equal(again.text.data, e->answer.data, e->answer.size);
	assert_int_equal(again.tokens, e->sampler.tokens);
	kg_thought_release(&again);
	kg_mind_free(mind);

	/* Nothing to share; a round it does not know; a round settled twice. */
	json_decref(think(&s, "1123456789abcdef", "What is one?", NULL));
	assert_int_equal(settle(&s, "1123456789abcdef"), 0);
	assert_int_equal(settle(&s, "2123456789abcdef"), 0);
	assert_int_equal(settle(&s, ROUND), 0);
	end(&s);
}

static void test_life__learns_once_from_others(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	json_t *recalled = json_pack(
		"[o, o, o, o, s]", lore("Q: a? A: b", 1, 0.9, now - 1000),
		lore("Q: too old? A: c", 2, 0.9, now - 25 * 3600 * INT64_C(1000)),
		lore("Q: too low? A: d", 3, 0.69, now), lore("Q: a? A: b", 4, 0.9, now), "rubbish");
	json_t *thought = think(&s, ROUND, "What is one?", recalled);
	assert_int_equal(json_array_size(json_object_get(thought, "recalled")), 1);
	json_decref(thought);
	assert_int_equal(settle(&s, ROUND), 1);
	assert_int_equal(keep(&s), 1);
	const kg_entry *e = &s.kept[0];
	assert_int_equal(e->type, KG_ENTRY_LEARNING);
	assert_int_equal(e->reference_count, 1);
	assert_int_equal(e->references[0].bytes[0], 1);
	assert_true(kg_life_coefficient(s.life)->pedagogical_capacity == 0.11);

	/* The same again is read again, but teaches nothing. */
	thought = think(&s, "1123456789abcdef", "What is one?", recalled);
	assert_int_equal(json_array_size(json_object_get(thought, "recalled")), 1);
	json_decref(thought);
	assert_int_equal(settle(&s, "1123456789abcdef"), 0);
	assert_true(kg_life_coefficient(s.life)->pedagogical_capacity == 0.11);
	json_decref(recalled);
	end(&s);
}

static kg_heard heard_of(kg_entry_type type, const kg_pubkey *agent, uint8_t id, uint8_t reference)
{
	kg_heard h = {.id = {{id}}, .type = type, .agent = *agent, .time_ms = now + id};
	if (reference != 0) {
		h.references[0] = (kg_entry_id){{reference}};
		h.reference_count = 1;
	}
	return h;
}

static void test_life__teaching_raises_its_capacity_by_one_step(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	const kg_pubkey other = some_pubkey(), *self = kg_key_public(s.key);
	const kg_heard heard[] = {
		heard_of(KG_ENTRY_INSIGHT, self, 1, 0),
		heard_of(KG_ENTRY_LEARNING, &other, 2, 9), /* of someone else's insight */
		heard_of(KG_ENTRY_REFLECTION, &other, 3, 1),
		heard_of(KG_ENTRY_LEARNING, self, 4, 1),
	};
	for (size_t i = 0; i < 4; i++) {
		kg_life_hear(s.life, &heard[i]);
	}
	json_decref(think(&s, ROUND, "What is one?", NULL));
	assert_int_equal(settle(&s, ROUND), 0);
	assert_true(kg_life_is_due(s.life));
	assert_int_equal(kg_life_evaluate(s.life, 1, now), KG_OK);
	assert_false(kg_life_is_due(s.life));
	assert_true(kg_life_coefficient(s.life)->pedagogical_capacity == 0.1);

	const kg_heard learned = heard_of(KG_ENTRY_LEARNING, &other, 5, 1);
	kg_life_hear(s.life, &learned);
	kg_life_hear(s.life, &learned);
	assert_int_equal(kg_life_evaluate(s.life, 2, now), KG_OK);
	assert_true(kg_life_coefficient(s.life)->pedagogical_capacity == 0.11);
	assert_int_equal(kg_life_evaluate(s.life, 3, now), KG_OK);
	assert_true(kg_life_coefficient(s.life)->pedagogical_capacity == 0.11);
	end(&s);
}

static void test_life__every_move_of_the_coefficient_is_an_entry(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	kg_coefficient last = *kg_life_coefficient(s.life);
	for (int i = 0; i < 6; i++) {
		json_decref(think(&s, ROUND, "What is one?", NULL));
		assert_int_equal(settle(&s, ROUND), 0);
		assert_int_equal(kg_life_evaluate(s.life, (uint64_t)i, now), KG_OK);
		bool moved = memcmp(&last, kg_life_coefficient(s.life), sizeof(last)) != 0;
		assert_int_equal(keep(&s), moved ? 1 : 0);
		last = *kg_life_coefficient(s.life);
		if (moved) {
			const kg_entry *e = &s.kept[s.count - 1];
			assert_int_equal(e->type, KG_ENTRY_TRACE);
			assert_memory_equal(&e->parts, &last, sizeof(last));
		}
	}
	end(&s);
}

static void hear_at(scene *s, const kg_pubkey *agent, uint64_t sequence, int64_t time_ms)
{
	kg_heard h = heard_of(KG_ENTRY_OBSERVATION, agent, 7, 8);
	h.head = (kg_chain_head){
		.sequence = sequence, .time_ms = time_ms, .commit = {{(uint8_t)sequence, 0x55}}};
	kg_life_hear(s->life, &h);
}

static const kg_entry *say(scene *s)
{
	kg_entry entry;
	uint64_t ticket;
	kg_entry_init(&entry, KG_ENTRY_OBSERVATION);
	assert_int_equal(kg_entry_set_text(&entry, "x", 1), KG_OK);
	assert_int_equal(kg_life_say(s->life, &entry, now, &ticket), KG_OK);
	assert_int_equal(keep(s), 1);
	return &s->kept[s->count - 1];
}

static void test_life__an_entry_names_what_was_heard_and_is_later(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	kg_pubkey others[6];
	for (size_t i = 0; i < 6; i++) {
		others[i] = some_pubkey();
	}
	assert_int_equal(say(&s)->seen_count, 0);
	hear_at(&s, &s.swarm, 40, now + 1);
	for (size_t i = 0; i < 6; i++) {
		hear_at(&s, &others[i], 1, now + 2);
	}
	hear_at(&s, &others[5], 3, now + 9);
	hear_at(&s, &others[5], 2, now + 5); /* told late */
	hear_at(&s, kg_key_public(s.key), 99, now + 99);
	const kg_entry *e = say(&s);
	assert_int_equal(e->seen_count, KG_LIFE_SEEN_MAX);
	assert_true(e->time_ms > now + 9 || (e->time_ms == now + 9 && e->time_counter > 0));
	size_t swarm = 0, last = 0;
	for (size_t i = 0; i < e->seen_count; i++) {
		swarm += kg_pubkey_equal(&e->seen[i].agent, &s.swarm) && e->seen[i].sequence == 40;
		last += kg_pubkey_equal(&e->seen[i].agent, &others[5]) && e->seen[i].sequence == 3;
		assert_false(kg_pubkey_equal(&e->seen[i].agent, kg_key_public(s.key)));
		assert_false(kg_pubkey_equal(&e->seen[i].agent, &others[0]));
	}
	assert_int_equal(swarm, 1);
	assert_int_equal(last, 1);
	/* Said once. */
	assert_int_equal(say(&s)->seen_count, 0);
	end(&s);
}

static void test_life__its_heart_beats_every_so_many_rounds(void **state)
{
	(void)state;
	scene s;
	size_t beats = 0;
	begin(&s, true);
	for (uint64_t i = 0; i < KG_HEARTBEAT_ROUNDS; i++) {
		assert_int_equal(beats, 0);
		json_decref(think(&s, ROUND, "What is one?", NULL));
		assert_int_equal(settle(&s, ROUND), 0);
		assert_int_equal(kg_life_evaluate(s.life, i, now), KG_OK);
		keep(&s);
		for (; s.count > 0; s.count--) {
			const kg_entry *e = &s.kept[s.count - 1];
			if (e->type == KG_ENTRY_HEARTBEAT) {
				assert_true(kg_entry_has_tag(e, "heartbeat") &&
					    kg_entry_has_tag(e, "state"));
				assert_true(e->confidence == 0.9 && e->has_parts);
				beats++;
			}
			kg_entry_release(&s.kept[s.count - 1]);
		}
	}
	assert_int_equal(beats, 1);
	end(&s);
}

static void test_life__a_restart_restores_it_from_its_chain(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	const kg_pubkey *self = kg_key_public(s.key);
	kg_heard trace = heard_of(KG_ENTRY_TRACE, self, 10, 0);
	kg_heard newer = heard_of(KG_ENTRY_LEARNING, self, 11, 1);
	kg_heard older = heard_of(KG_ENTRY_BIRTH, self, 9, 0);
	const kg_pubkey other = some_pubkey();
	kg_heard strange = heard_of(KG_ENTRY_TRACE, &other, 50, 0);
	trace.has_coefficient = newer.has_coefficient = older.has_coefficient = true;
	strange.has_coefficient = true;
	trace.coefficient = (kg_coefficient){0.2, 0.3, 0.1, 0.4};
	newer.coefficient = (kg_coefficient){0.2, 0.3, 0.1, 0.41};
	older.coefficient = kg_coefficient_nascent();
	strange.coefficient = (kg_coefficient){1, 1, 1, 1};
	kg_life_remember(s.life, &trace);
	kg_life_remember(s.life, &newer);
	kg_life_remember(s.life, &older);
	kg_life_remember(s.life, &strange);
	assert_memory_equal(kg_life_coefficient(s.life), &newer.coefficient,
			    sizeof(kg_coefficient));
	/* What was learned before is not learned again. */
	json_t *recalled = json_pack("[o]", lore("Q: a? A: b", 1, 0.9, now));
	json_decref(think(&s, ROUND, "What is one?", recalled));
	assert_int_equal(settle(&s, ROUND), 0);
	json_decref(recalled);
	end(&s);
}

static void test_life__scores_every_candidate(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	char big[400];
	memset(big, 'A', sizeof(big) - 1);
	big[396] = '\0';
	json_t *body = json_pack("{s:s, s:s, s:[{s:i, s:s}, {s:i, s:s}]}", "round", ROUND, "prompt",
				 "What is one?", "candidates", "id", 3, "bytes_b64", "IDQ2", "id",
				 5, "bytes_b64", big);
	json_t *scores = NULL;
	assert_int_equal(kg_life_score(s.life, body, &scores), KG_OK);
	const json_t *list = json_object_get(scores, "scores");
	assert_int_equal(json_array_size(list), 2);
	const json_t *first = json_array_get(list, 0), *second = json_array_get(list, 1);
	assert_int_equal(json_integer_value(json_object_get(first, "id")), 3);
	double loglik = json_real_value(json_object_get(first, "loglik"));
	assert_true(loglik < 0 && loglik > -100);
	assert_int_equal(json_integer_value(json_object_get(second, "id")), 5);
	assert_true(json_real_value(json_object_get(second, "loglik")) == KG_SCORE_UNREADABLE);
	json_decref(scores);
	json_decref(body);
	end(&s);
}

static void test_life__a_story_model_recalls_nothing(void **state)
{
	(void)state;
	scene s;
	begin(&s, false);
	assert_null(kg_life_wish(s.life, "Once"));
	json_t *recalled = json_pack("[o]", lore("Q: a? A: b", 1, 0.9, now));
	json_t *thought = think(&s, ROUND, "Once upon a time", recalled);
	assert_int_equal(json_array_size(json_object_get(thought, "recalled")), 0);
	json_decref(thought);
	json_decref(recalled);
	end(&s);
	begin(&s, true);
	json_t *wish = kg_life_wish(s.life, "What?");
	assert_string_equal(json_string_value(json_object_get(wish, "tag")), "collective-insight");
	json_decref(wish);
	end(&s);
}

static void test_life__forgets_the_oldest_of_many_rounds(void **state)
{
	(void)state;
	scene s;
	begin(&s, true);
	char round[KG_ROUND_SIZE] = ROUND;
	for (char c = '0'; c <= '8'; c++) {
		round[0] = c;
		json_decref(think(&s, round, "Which pattern?", NULL));
	}
	round[0] = '0';
	assert_int_equal(settle(&s, round), 0);
	round[0] = '8';
	assert_int_equal(settle(&s, round), 1);
	round[0] = '1';
	assert_int_equal(settle(&s, round), 1);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life__birth_tells_what_it_is),
		cmocka_unit_test(test_life__shares_by_its_rule_and_can_be_replayed),
		cmocka_unit_test(test_life__learns_once_from_others),
		cmocka_unit_test(test_life__teaching_raises_its_capacity_by_one_step),
		cmocka_unit_test(test_life__every_move_of_the_coefficient_is_an_entry),
		cmocka_unit_test(test_life__an_entry_names_what_was_heard_and_is_later),
		cmocka_unit_test(test_life__its_heart_beats_every_so_many_rounds),
		cmocka_unit_test(test_life__a_restart_restores_it_from_its_chain),
		cmocka_unit_test(test_life__scores_every_candidate),
		cmocka_unit_test(test_life__a_story_model_recalls_nothing),
		cmocka_unit_test(test_life__forgets_the_oldest_of_many_rounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
