/* SPDX-License-Identifier: MIT */
#include "agent/life.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/part.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "base/hex.h"
#include "base/json.h"

struct kg_life {
	char name[KG_NAME_SIZE];
	kg_pubkey swarm;
	const kg_key *key;
	const kg_model *model;
	kg_mind *mind;
	kg_outbox *outbox; /* NULL until joined */
	kg_coefficient coefficient;
	kg_coefficient traced; /* as the last entry told it */
	int64_t restored_ms;   /* time of the own entry that the coefficient came from; 0: none */
	kg_share_rule share;
	kg_learn_rule learn;
	kg_learned learned; /* insights learned */
	kg_learned own;     /* own insights */
	uint64_t learned_by_others;
	kg_parts parts;
	bool due;
	uint64_t rounds; /* settled */
	uint64_t beaten; /* of them, at the last heartbeat */
	struct {
		kg_pubkey agent;
		kg_chain_head head;
	} seen[KG_LIFE_SEEN_MAX]; /* heard of since the last own entry, the oldest first */
	uint32_t seen_count;
	kg_buf text; /* of the last settled round */
};

static kg_err take_rules(kg_life *life, const kg_conf *conf)
{
	const char *tag = kg_conf_text(conf, "agent.learn_tag");
	kg_err err = kg_share_rule_init(&life->share, kg_conf_text(conf, "agent.share_words"),
					kg_conf_double(conf, "agent.share_capacity"));
	if (err != KG_OK) {
		return err;
	}
	if (strlen(tag) >= KG_LEARN_TAG_SIZE) {
		return kg_fail(KG_EINVAL, "the tag to learn from is too long");
	}
	life->learn = (kg_learn_rule){
		.hours = kg_conf_double(conf, "agent.learn_hours"),
		.min_consciousness = kg_conf_double(conf, "agent.learn_min_consciousness"),
		.step = kg_conf_double(conf, "agent.learn_step"),
		.limit = (uint32_t)kg_conf_int(conf, "agent.learn_limit"),
	};
	memcpy(life->learn.tag, tag, strlen(tag) + 1);
	return kg_learn_rule_check(&life->learn);
}

kg_err kg_life_new(kg_life **out, const kg_life_options *options)
{
	kg_err err = kg_name_check(options->name);
	if (err != KG_OK) {
		return err;
	}
	kg_life *life = calloc(1, sizeof(*life));
	if (!life) {
		return kg_fail(KG_ENOMEM, "no memory for an agent");
	}
	memcpy(life->name, options->name, strlen(options->name) + 1);
	life->swarm = *options->swarm;
	life->key = options->key;
	life->model = options->model;
	life->coefficient = kg_coefficient_nascent();
	life->traced = life->coefficient;
	kg_buf_init(&life->text, (size_t)2 * KG_PROMPT_SIZE_MAX);
	err = take_rules(life, options->conf);
	if (err == KG_OK) {
		err = kg_learned_init(&life->learned);
	}
	if (err == KG_OK) {
		err = kg_learned_init(&life->own);
	}
	if (err == KG_OK) {
		err = kg_mind_new(&life->mind, options->model, options->genome);
	}
	if (err != KG_OK) {
		kg_life_free(life);
		return err;
	}
	*out = life;
	return KG_OK;
}

void kg_life_free(kg_life *life)
{
	if (!life) {
		return;
	}
	kg_parts_release(&life->parts);
	kg_outbox_free(life->outbox);
	kg_mind_free(life->mind);
	kg_learned_release(&life->own);
	kg_learned_release(&life->learned);
	kg_buf_release(&life->text);
	free(life);
}

kg_mind *kg_life_mind(kg_life *life)
{
	return life->mind;
}

const kg_coefficient *kg_life_coefficient(const kg_life *life)
{
	return &life->coefficient;
}

double kg_life_level(const kg_life *life)
{
	double level = 0;
	KG_ASSERT(kg_coefficient_level(&level, &life->coefficient) == KG_OK);
	return level;
}

kg_stage kg_life_stage(const kg_life *life)
{
	kg_stage stage = KG_STAGE_NASCENT;
	KG_ASSERT(kg_coefficient_stage(&stage, kg_life_level(life)) == KG_OK);
	return stage;
}

json_t *kg_life_wish(const kg_life *life, const char *question)
{
	const kg_model_prompt *form = kg_model_get_prompt(life->model);
	if (life->learn.limit == 0 || !form->prefix || !form->suffix) {
		return NULL;
	}
	/* More than is used: own insights are among them, and some may not fit. */
	return json_pack("{s:s, s:s, s:f, s:f, s:i}", "query", question, "tag", life->learn.tag,
			 "hours", life->learn.hours, "min_consciousness",
			 life->learn.min_consciousness, "limit", 4 * KG_PROMPT_RECALLED_MAX);
}

kg_err kg_life_join(kg_life *life, const char *state_dir, kg_outbox_done done, void *data)
{
	KG_ASSERT(!life->outbox);
	return kg_outbox_new(&life->outbox, &life->swarm, life->key, life->name, state_dir, done,
			     data);
}

kg_outbox *kg_life_outbox(kg_life *life)
{
	return life->outbox;
}

/* Signs the entry, with what was seen since the last one. Takes its content. */
static kg_err publish(kg_life *life, kg_entry *entry, int64_t now_ms, uint64_t *ticket)
{
	kg_err err = KG_OK;
	entry->seen_count = 0;
	for (uint32_t i = 0; err == KG_OK && i < life->seen_count; i++) {
		err = kg_entry_add_seen(entry, &life->seen[i].agent, &life->seen[i].head);
	}
	if (err != KG_OK) {
		kg_entry_release(entry);
		return err;
	}
	err = kg_outbox_put(life->outbox, entry, now_ms, ticket);
	if (err == KG_OK) {
		life->seen_count = 0;
	}
	return err;
}

/* The latest of each chain, and of several chains the latest; but a word of the swarm itself, which
 * witnesses all of them, makes no room for others. */
static void see(kg_life *life, const kg_pubkey *agent, const kg_chain_head *head)
{
	uint32_t at = 0;
	while (at < life->seen_count && !kg_pubkey_equal(&life->seen[at].agent, agent)) {
		at++;
	}
	if (at < life->seen_count && life->seen[at].head.sequence >= head->sequence) {
		return;
	}
	if (at == KG_LIFE_SEEN_MAX) {
		at = kg_pubkey_equal(&life->seen[0].agent, &life->swarm) ? 1 : 0;
	}
	if (at < life->seen_count) {
		life->seen_count--;
		memmove(&life->seen[at], &life->seen[at + 1],
			(life->seen_count - at) * sizeof(life->seen[0]));
	}
	life->seen[life->seen_count].agent = *agent;
	life->seen[life->seen_count++].head = *head;
}

void kg_life_remember(kg_life *life, const kg_heard *own)
{
	if (!kg_pubkey_equal(&own->agent, kg_key_public(life->key))) {
		return;
	}
	if (own->has_coefficient && own->time_ms > life->restored_ms &&
	    kg_coefficient_check(&own->coefficient) == KG_OK) {
		life->coefficient = own->coefficient;
		life->traced = own->coefficient;
		life->restored_ms = own->time_ms;
	}
	if (own->type == KG_ENTRY_INSIGHT) {
		kg_learned_add(&life->own, own->id.bytes);
	}
	for (uint32_t i = 0; own->type == KG_ENTRY_LEARNING && i < own->reference_count; i++) {
		kg_learned_add(&life->learned, own->references[i].bytes);
	}
}

kg_err kg_life_be_born(kg_life *life, int64_t now_ms, uint64_t *ticket)
{
	kg_entry entry;
	kg_err err = kg_record_birth(&entry, life->name, kg_model_name(life->model), life->mind,
				     &life->coefficient);
	if (err != KG_OK) {
		return err;
	}
	return publish(life, &entry, now_ms, ticket);
}

/* What of `recalled` the rule accepts, most relevant first. */
static uint32_t choose_lore(const kg_life *life, const json_t *recalled, int64_t now_ms,
			    kg_heard heard[KG_PROMPT_RECALLED_MAX])
{
	uint32_t count = 0;
	uint32_t most = life->learn.limit < KG_PROMPT_RECALLED_MAX ? life->learn.limit
								   : KG_PROMPT_RECALLED_MAX;
	for (size_t i = 0; i < json_array_size(recalled) && count < most; i++) {
		kg_heard *h = &heard[count];
		/* One bad row of an answer does not spoil the others. */
		if (kg_heard_read(h, json_array_get(recalled, i)) != KG_OK) {
			continue;
		}
		kg_lore lore = {
			.author = h->agent,
			.time_ms = h->time_ms,
			.consciousness = h->consciousness,
			.tags = h->tags,
			.tag_count = h->tag_count,
		};
		memcpy(lore.id, h->id.bytes, KG_HASH_SIZE);
		/* What several agents found is read, and learned, once. */
		bool said = false;
		for (uint32_t k = 0; k < count && !said; k++) {
			said = strcmp(heard[k].text, h->text) == 0;
		}
		if (!said &&
		    kg_learn_rule_accepts(&life->learn, &lore, kg_key_public(life->key), now_ms)) {
			count++;
		}
	}
	return count;
}

/* The prompt with its sources, into the part. */
static kg_err compose(kg_life *life, kg_part *part, const kg_think *order, const json_t *recalled,
		      int64_t now_ms)
{
	kg_heard *heard = calloc(KG_PROMPT_RECALLED_MAX, sizeof(*heard));
	if (!heard) {
		return kg_fail(KG_ENOMEM, "no memory for insights");
	}
	const char *lines[KG_PROMPT_RECALLED_MAX] = {NULL};
	uint32_t count = choose_lore(life, recalled, now_ms, heard);
	for (uint32_t i = 0; i < count; i++) {
		lines[i] = heard[i].text;
	}
	uint32_t used = 0;
	kg_err err = kg_prompt_build(&part->prompt, &used, life->model, order->max_tokens,
				     order->prompt, lines, count);
	for (uint32_t i = 0; err == KG_OK && i < count; i++) {
		if (used & 1u << i) {
			bool teaches = !kg_learned_has(&life->learned, heard[i].id.bytes);
			err = kg_part_add_source(part, &heard[i].id, lines[i], teaches);
		}
	}
	free(heard);
	return err;
}

kg_err kg_life_think(kg_life *life, const kg_think *order, const json_t *recalled, int64_t now_ms,
		     int64_t (*clock_ms)(void), json_t **thought)
{
	int64_t start = clock_ms ? clock_ms() : 0;
	kg_part *part = kg_parts_begin(&life->parts, order->round);
	part->sampler = order->sampler;
	part->max_tokens = order->max_tokens;
	kg_err err = compose(life, part, order, recalled, now_ms);
	if (err == KG_OK) {
		err = kg_mind_think(life->mind, &part->thought, part->prompt.data,
				    part->prompt.size, &order->sampler, order->max_tokens);
	}
	json_t *body = NULL;
	if (err == KG_OK) {
		double seconds = clock_ms ? (double)(clock_ms() - start) / 1e3 : 0;
		body = kg_thought_json(order->round, &part->thought, &part->prompt, part->sources,
				       part->source_count, seconds);
		if (!body) {
			err = kg_fail(KG_ENOMEM, "no memory for a thought");
		}
	}
	if (err != KG_OK) {
		kg_part_release(part);
		return err;
	}
	*thought = body;
	return KG_OK;
}

/* One candidate into `list`. */
static kg_err score_one(kg_life *life, const kg_score_order *order, size_t index,
			const kg_buf *prompt, json_t *list)
{
	int64_t id = 0;
	uint8_t *bytes = NULL;
	size_t size = 0;
	kg_err err = kg_score_order_at(order, index, &id, &bytes, &size);
	if (err != KG_OK) {
		return err;
	}
	double loglik = 0;
	uint32_t judged = 0;
	err = kg_mind_score(life->mind, &loglik, &judged, prompt->data, prompt->size, bytes, size);
	free(bytes);
	if (err == KG_EFULL) {
		loglik = KG_SCORE_UNREADABLE;
		judged = (uint32_t)size;
	} else if (err != KG_OK) {
		return err;
	}
	json_t *score = json_pack("{s:I, s:f, s:I}", "id", (json_int_t)id, "loglik", loglik,
				  "bytes", (json_int_t)judged);
	if (json_array_append_new(list, score) < 0) {
		return kg_fail(KG_ENOMEM, "no memory for scores");
	}
	return KG_OK;
}

kg_err kg_life_score(kg_life *life, const json_t *body, json_t **scores)
{
	kg_score_order order = {.count = 0};
	kg_buf prompt;
	kg_buf_init(&prompt, KG_PROMPT_SIZE_MAX);
	json_t *list = json_array();
	kg_err err = list ? kg_score_order_read(&order, body)
			  : kg_fail(KG_ENOMEM, "no memory for scores");
	if (err == KG_OK) {
		/* The bare question: all agents judge the candidates from the same ground,
		 * whatever each of them recalled. */
		uint32_t used = 0;
		err = kg_prompt_build(&prompt, &used, life->model, 0, order.prompt, NULL, 0);
	}
	for (size_t i = 0; err == KG_OK && i < order.count; i++) {
		err = score_one(life, &order, i, &prompt, list);
	}
	json_t *answer = NULL;
	if (err == KG_OK) {
		answer = json_pack("{s:s, s:O}", "round", order.round, "scores", list);
		if (!answer) {
			err = kg_fail(KG_ENOMEM, "no memory for scores");
		}
	}
	json_decref(list);
	kg_buf_release(&prompt);
	if (err == KG_OK) {
		*scores = answer;
	}
	return err;
}

/* Signs an insight when the rule says so. */
static kg_err share(kg_life *life, const kg_part *part, int64_t now_ms, uint64_t *ticket)
{
	*ticket = 0;
	/* An empty answer says nothing, whatever the question's words are. */
	if (part->thought.text.size == 0 ||
	    !kg_share_rule_allows(&life->share, life->text.data, life->text.size,
				  life->coefficient.pedagogical_capacity)) {
		return KG_OK;
	}
	const kg_insight insight = {
		.mind = life->mind,
		.round = part->round,
		.tag = life->learn.tag,
		.coefficient = &life->coefficient,
		.prompt = &part->prompt,
		.thought = &part->thought,
		.sampler = &part->sampler,
		.max_tokens = part->max_tokens,
		.sources = part->sources,
		.source_count = part->source_count,
	};
	kg_entry entry;
	kg_err err = kg_record_insight(&entry, &insight);
	if (err != KG_OK) {
		return err;
	}
	return publish(life, &entry, now_ms, ticket);
}

/* Records what the part taught for the first time. */
static kg_err learn(kg_life *life, const kg_part *part, int64_t now_ms, uint64_t *ticket)
{
	kg_entry_id ids[KG_PROMPT_RECALLED_MAX];
	const char *lines[KG_PROMPT_RECALLED_MAX] = {NULL};
	uint32_t count = 0;
	*ticket = 0;
	for (uint32_t i = 0; i < part->source_count; i++) {
		/* Another round may have taught it meanwhile. */
		if (part->teaches[i] && !kg_learned_has(&life->learned, part->sources[i].bytes)) {
			ids[count] = part->sources[i];
			lines[count++] = part->lines[i];
		}
	}
	if (count == 0) {
		return KG_OK;
	}
	kg_coefficient raised = life->coefficient;
	kg_err err = kg_coefficient_learn(&raised, count, life->learn.step);
	kg_entry entry;
	if (err == KG_OK) {
		err = kg_record_learning(&entry, part->round, &raised, ids, lines, count);
	}
	if (err == KG_OK) {
		err = publish(life, &entry, now_ms, ticket);
	}
	if (err != KG_OK) {
		return err;
	}
	life->coefficient = raised;
	for (uint32_t i = 0; i < count; i++) {
		kg_learned_add(&life->learned, ids[i].bytes);
	}
	return KG_OK;
}

kg_err kg_life_settle(kg_life *life, const kg_settle *order, int64_t now_ms,
		      uint64_t tickets[KG_SETTLE_ENTRIES_MAX], uint32_t *count)
{
	kg_part *part = kg_parts_find(&life->parts, order->round);
	*count = 0;
	if (!part) {
		return KG_OK;
	}
	uint64_t ticket = 0;
	kg_buf_clear(&life->text);
	kg_part_text(part, &life->text);
	kg_err err = kg_buf_ok(&life->text);
	if (err == KG_OK) {
		err = share(life, part, now_ms, &ticket);
	}
	if (err == KG_OK && ticket != 0) {
		tickets[(*count)++] = ticket;
	}
	if (err == KG_OK) {
		err = learn(life, part, now_ms, &ticket);
	}
	if (err == KG_OK && ticket != 0) {
		tickets[(*count)++] = ticket;
	}
	kg_part_release(part);
	life->due = err == KG_OK;
	life->rounds += err == KG_OK;
	return err;
}

void kg_life_hear(kg_life *life, const kg_heard *heard)
{
	if (kg_pubkey_equal(&heard->agent, kg_key_public(life->key))) {
		if (heard->type == KG_ENTRY_INSIGHT) {
			kg_learned_add(&life->own, heard->id.bytes);
		}
		return;
	}
	if (heard->head.sequence > 0) {
		see(life, &heard->agent, &heard->head);
	}
	for (uint32_t i = 0; heard->type == KG_ENTRY_LEARNING && i < heard->reference_count; i++) {
		if (kg_learned_has(&life->own, heard->references[i].bytes)) {
			life->learned_by_others++;
		}
	}
}

kg_err kg_life_say(kg_life *life, kg_entry *entry, int64_t now_ms, uint64_t *ticket)
{
	return publish(life, entry, now_ms, ticket);
}

bool kg_life_is_due(const kg_life *life)
{
	return life->due;
}

static bool same_coefficient(const kg_coefficient *a, const kg_coefficient *b)
{
	return a->quantization_awareness == b->quantization_awareness &&
	       a->complex_understanding == b->complex_understanding &&
	       a->compression_readiness == b->compression_readiness &&
	       a->pedagogical_capacity == b->pedagogical_capacity;
}

kg_err kg_life_evaluate(kg_life *life, uint64_t lesson_seed, int64_t now_ms)
{
	kg_measures measures;
	life->due = false;
	kg_err err = kg_mind_measure(life->mind, &measures, life->text.data, life->text.size,
				     lesson_seed);
	if (err != KG_OK) {
		return err;
	}
	measures.learned_by_others = life->learned_by_others;
	kg_coefficient raised = life->coefficient;
	err = kg_coefficient_evaluate(&raised, &measures, NULL);
	if (err != KG_OK) {
		return err;
	}
	life->learned_by_others = 0;
	life->coefficient = raised;
	kg_entry entry;
	if (!same_coefficient(&life->traced, &raised)) {
		err = kg_record_trace(&entry, &life->traced, &raised, &measures);
		if (err == KG_OK) {
			err = publish(life, &entry, now_ms, NULL);
		}
		if (err == KG_OK) {
			life->traced = raised;
		}
	}
	if (err == KG_OK && life->rounds - life->beaten >= KG_HEARTBEAT_ROUNDS) {
		err = kg_record_heartbeat(&entry, life->rounds, &life->coefficient);
		if (err == KG_OK) {
			err = publish(life, &entry, now_ms, NULL);
		}
		if (err == KG_OK) {
			life->beaten = life->rounds;
		}
	}
	return err;
}
