/* SPDX-License-Identifier: MIT */
#include "agent/speech.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"

static kg_err get_round(char round[KG_ROUND_SIZE], const json_t *body)
{
	const char *text = NULL;
	kg_err err = kg_json_get_text(&text, body, "round", KG_ROUND_SIZE - 1);
	if (err != KG_OK) {
		return err;
	}
	if (strlen(text) != KG_ROUND_SIZE - 1 || !kg_hex_is(text, KG_ROUND_SIZE - 1)) {
		return kg_fail(KG_ECORRUPT, "\"round\" is not sixteen hex digits");
	}
	memcpy(round, text, KG_ROUND_SIZE);
	return KG_OK;
}

/* Seeds are 64 bits, more than a JSON number keeps everywhere: they travel as decimal text. */
static kg_err get_seed(uint64_t *seed, const json_t *body)
{
	const char *text = NULL;
	kg_err err = kg_json_get_text(&text, body, "seed", 20);
	if (err != KG_OK) {
		return err;
	}
	char *end = NULL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
		return kg_fail(KG_ECORRUPT, "\"seed\" is not a number of 64 bits");
	}
	*seed = value;
	return KG_OK;
}

kg_err kg_think_read(kg_think *out, const json_t *body)
{
	kg_think t = {0};
	int64_t max_tokens = 0;
	int64_t top_k = 0;
	double temperature = 0;
	double top_p = 1;
	kg_err err = get_round(t.round, body);
	if (err == KG_OK) {
		err = kg_json_get_text(&t.prompt, body, "prompt", KG_QUESTION_MAX);
	}
	if (err == KG_OK) {
		err = kg_json_get_i64(&max_tokens, body, "max_tokens", 1, KG_MAX_TOKENS_MAX);
	}
	if (err == KG_OK) {
		err = kg_json_get_double(&temperature, body, "temperature", 0, 100);
	}
	if (err == KG_OK) {
		err = kg_json_get_i64(&top_k, body, "top_k", 0, UINT32_MAX);
	}
	if (err == KG_OK) {
		err = kg_json_get_double(&top_p, body, "top_p", 0, 1);
	}
	if (err == KG_OK) {
		err = get_seed(&t.sampler.seed, body);
	}
	if (err == KG_OK && json_object_get(body, "deadline_ms")) {
		err = kg_json_get_i64(&t.deadline_ms, body, "deadline_ms", 0, 86400000);
	}
	if (err != KG_OK) {
		return err;
	}
	/* An entry keeps these in steps of 1e-6; drawn with the same numbers, it replays. */
	t.sampler.temperature = (float)(round(temperature * 1e6) / 1e6);
	t.sampler.top_p = (float)(round(top_p * 1e6) / 1e6);
	t.sampler.top_k = (uint32_t)top_k;
	t.max_tokens = (uint32_t)max_tokens;
	*out = t;
	return KG_OK;
}

kg_err kg_score_order_read(kg_score_order *out, const json_t *body)
{
	kg_score_order o = {0};
	json_t *candidates = NULL;
	kg_err err = get_round(o.round, body);
	if (err == KG_OK) {
		err = kg_json_get_text(&o.prompt, body, "prompt", KG_QUESTION_MAX);
	}
	if (err == KG_OK) {
		err = kg_json_get_array(&candidates, body, "candidates", KG_CANDIDATES_MAX);
	}
	if (err != KG_OK) {
		return err;
	}
	o.candidates = candidates;
	o.count = json_array_size(candidates);
	*out = o;
	return KG_OK;
}

kg_err kg_score_order_at(const kg_score_order *order, size_t index, int64_t *id, uint8_t **bytes,
			 size_t *size)
{
	const json_t *candidate = json_array_get(order->candidates, index);
	const char *text = NULL;
	int64_t number = 0;
	kg_err err = kg_json_get_i64(&number, candidate, "id", 0, UINT32_MAX);
	if (err == KG_OK) {
		err = kg_json_get_text(&text, candidate, "bytes_b64",
				       kg_base64_size(KG_ENTRY_TEXT_MAX));
	}
	if (err != KG_OK) {
		return err;
	}
	size_t length = strlen(text);
	size_t room = length / 4 * 3 + 3;
	uint8_t *data = malloc(room);
	if (!data) {
		return kg_fail(KG_ENOMEM, "no memory for a candidate");
	}
	err = kg_base64_decode(data, &room, text, length);
	if (err != KG_OK) {
		free(data);
		return kg_fail(KG_ECORRUPT, "\"bytes_b64\" of a candidate is not base64");
	}
	*id = number;
	*bytes = data;
	*size = room;
	return KG_OK;
}

kg_err kg_settle_read(kg_settle *out, const json_t *body)
{
	kg_settle s = {0};
	kg_err err = get_round(s.round, body);
	if (err == KG_OK) {
		err = kg_json_get_double(&s.agreement, body, "agreement", 0, 1);
	}
	if (err == KG_OK) {
		err = kg_json_get_bool(&s.winner, body, "winner");
	}
	if (err == KG_OK) {
		*out = s;
	}
	return err;
}

kg_err kg_head_read(kg_chain_head *out, const json_t *body)
{
	kg_chain_head head = {0};
	int64_t sequence = 0;
	int64_t counter = 0;
	const char *commit = NULL;
	kg_err err = kg_json_get_i64(&sequence, body, "sequence", 0, INT64_MAX);
	if (err != KG_OK || sequence == 0) {
		*out = err == KG_OK ? head : *out;
		return err;
	}
	head.sequence = (uint64_t)sequence;
	err = kg_json_get_text(&commit, body, "commit", KG_COMMIT_TEXT_SIZE - 1);
	if (err == KG_OK && kg_commit_parse(&head.commit, commit) != KG_OK) {
		err = kg_fail(KG_ECORRUPT, "\"commit\" of a head is no commit id");
	}
	if (err == KG_OK) {
		err = kg_json_get_i64(&head.time_ms, body, "time_ms", 0, INT64_MAX);
	}
	if (err == KG_OK) {
		err = kg_json_get_i64(&counter, body, "counter", 0, UINT16_MAX);
	}
	if (err != KG_OK) {
		return err;
	}
	head.time_counter = (uint16_t)counter;
	*out = head;
	return KG_OK;
}

static kg_err get_lists(kg_heard *h, const json_t *entry)
{
	json_t *tags = NULL;
	json_t *references = NULL;
	kg_err err = kg_json_get_array(&tags, entry, "tags", KG_ENTRY_TAGS_MAX);
	if (err == KG_OK) {
		err = kg_json_get_array(&references, entry, "references", KG_ENTRY_REFERENCES_MAX);
	}
	if (err != KG_OK) {
		return err;
	}
	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));
		if (!tag) {
			return kg_fail(KG_ECORRUPT, "a tag is not text");
		}
		h->tags[h->tag_count++] = tag;
	}
	for (size_t i = 0; i < json_array_size(references); i++) {
		const char *id = json_string_value(json_array_get(references, i));
		if (!id || kg_entry_id_parse(&h->references[h->reference_count], id) != KG_OK) {
			return kg_fail(KG_ECORRUPT, "a reference is no entry id");
		}
		h->reference_count++;
	}
	return KG_OK;
}

static kg_err get_coefficient(kg_heard *h, const json_t *entry)
{
	const json_t *parts = json_object_get(entry, "coefficient");
	kg_coefficient *c = &h->coefficient;
	if (!json_is_object(parts)) {
		return KG_OK;
	}
	kg_err err = kg_json_get_double(&c->quantization_awareness, parts, "quantization_awareness",
					0, 1);
	if (err == KG_OK) {
		err = kg_json_get_double(&c->complex_understanding, parts, "complex_understanding",
					 0, 1);
	}
	if (err == KG_OK) {
		err = kg_json_get_double(&c->compression_readiness, parts, "compression_readiness",
					 0, 1);
	}
	if (err == KG_OK) {
		err = kg_json_get_double(&c->pedagogical_capacity, parts, "pedagogical_capacity", 0,
					 1);
	}
	h->has_coefficient = err == KG_OK;
	return err;
}

/* The place of an entry on its chain, as the feed tells it; none is fine. */
static kg_err get_head(kg_heard *h, const json_t *entry)
{
	int64_t sequence = 0;
	int64_t counter = 0;
	const char *commit = NULL;
	kg_chain_head head = {0};
	if (!json_object_get(entry, "time_ms")) {
		return KG_OK;
	}
	kg_err err = kg_json_get_i64(&sequence, entry, "sequence", 1, INT64_MAX);
	if (err == KG_OK) {
		err = kg_json_get_i64(&head.time_ms, entry, "time_ms", 0, INT64_MAX);
	}
	if (err == KG_OK) {
		err = kg_json_get_i64(&counter, entry, "counter", 0, UINT16_MAX);
	}
	if (err == KG_OK) {
		err = kg_json_get_text(&commit, entry, "commit", KG_COMMIT_TEXT_SIZE - 1);
	}
	if (err != KG_OK) {
		return err;
	}
	if (kg_commit_parse(&head.commit, commit) != KG_OK) {
		return kg_fail(KG_ECORRUPT, "commit of an entry is none");
	}
	head.sequence = (uint64_t)sequence;
	head.time_counter = (uint16_t)counter;
	h->head = head;
	h->time_ms = head.time_ms;
	return KG_OK;
}

kg_err kg_heard_read(kg_heard *out, const json_t *entry)
{
	kg_heard h = {.consciousness = NAN};
	const char *id = NULL;
	const char *type = NULL;
	const char *agent = NULL;
	kg_err err = kg_json_get_text(&id, entry, "id", KG_HASH_TEXT_SIZE - 1);
	if (err == KG_OK) {
		err = kg_json_get_text(&type, entry, "type", 32);
	}
	if (err == KG_OK) {
		err = kg_json_get_text(&agent, entry, "agent", KG_PUBKEY_TEXT_SIZE - 1);
	}
	if (err == KG_OK) {
		err = kg_json_get_text(&h.text, entry, "text", KG_ENTRY_TEXT_MAX);
	}
	if (err != KG_OK) {
		return err;
	}
	if (kg_entry_id_parse(&h.id, id) != KG_OK || kg_pubkey_parse(&h.agent, agent) != KG_OK ||
	    kg_entry_type_parse(&h.type, type) != KG_OK) {
		return kg_fail(KG_ECORRUPT, "id, agent or type of an entry is none");
	}
	const char *time = json_string_value(json_object_get(entry, "time"));
	if (time && kg_clock_parse(&h.time_ms, time) != KG_OK) {
		return kg_fail(KG_ECORRUPT, "time of an entry is none");
	}
	const json_t *level = json_object_get(entry, "consciousness");
	if (json_is_number(level)) {
		h.consciousness = json_number_value(level);
	}
	err = get_head(&h, entry);
	if (err == KG_OK) {
		err = get_lists(&h, entry);
	}
	if (err == KG_OK) {
		err = get_coefficient(&h, entry);
	}
	if (err == KG_OK) {
		*out = h;
	}
	return err;
}

static bool is_said_by_hand(const kg_entry *entry)
{
	switch (entry->type) {
	case KG_ENTRY_BIRTH:
	case KG_ENTRY_LINEAGE:
	case KG_ENTRY_CHECKPOINT:
	case KG_ENTRY_REVOCATION:
		return false;
	default:
		/* What was generated is told by whoever generated it. */
		return !entry->has_sampler && !entry->has_genome && !entry->has_parts;
	}
}

kg_err kg_say_read(kg_entry *out, const json_t *body)
{
	const char *text = NULL;
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err = kg_json_get_text(&text, body, "entry_b64", KG_SAY_MAX);
	if (err != KG_OK) {
		return err;
	}
	size_t length = strlen(text);
	size_t size = length;
	uint8_t *bytes = malloc(length + 1);
	if (!bytes) {
		return kg_fail(KG_ENOMEM, "no memory for an entry");
	}
	err = kg_base64_decode(bytes, &size, text, length);
	if (err == KG_OK) {
		err = kg_entry_decode(&entry, &proof, bytes, size);
	}
	free(bytes);
	if (err == KG_OK && !is_said_by_hand(&entry)) {
		err = kg_fail(KG_EINVAL, "a %s is not said for someone else",
			      kg_entry_type_name(entry.type));
		kg_entry_release(&entry);
	}
	if (err == KG_OK) {
		*out = entry;
	}
	return err;
}

json_t *kg_coefficient_json(const kg_coefficient *coefficient)
{
	return json_pack("{s:f, s:f, s:f, s:f}", "quantization_awareness",
			 coefficient->quantization_awareness, "complex_understanding",
			 coefficient->complex_understanding, "compression_readiness",
			 coefficient->compression_readiness, "pedagogical_capacity",
			 coefficient->pedagogical_capacity);
}

static json_t *base64_json(const void *data, size_t size)
{
	char *text = malloc(kg_base64_size(size));
	if (!text) {
		return NULL;
	}
	kg_base64_encode(text, data, size);
	json_t *value = json_string(text);
	free(text);
	return value;
}

static json_t *ids_json(const kg_entry_id *ids, uint32_t count)
{
	json_t *list = json_array();
	for (uint32_t i = 0; list && i < count; i++) {
		char text[KG_HASH_TEXT_SIZE];
		kg_entry_id_format(text, &ids[i]);
		if (json_array_append_new(list, json_string(text)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* For people: without the space that sets an answer off from its question. */
static void readable_trimmed(kg_buf *text, const kg_thought *thought)
{
	static const char space[] = " \t\r\n";
	const uint8_t *data = thought->text.data;
	size_t size = thought->text.size;

	while (size > 0 && memchr(space, data[size - 1], sizeof(space) - 1) != NULL)
		size--;
	while (size > 0 && memchr(space, data[0], sizeof(space) - 1) != NULL) {
		data++;
		size--;
	}
	kg_entry_readable(text, data, size);
}

json_t *kg_thought_json(const char *round, const kg_thought *thought, const kg_buf *prompt,
			const kg_entry_id *recalled, uint32_t recalled_count, double seconds)
{
	size_t size = thought->text.size;
	kg_buf text;

	kg_buf_init(&text, KG_ENTRY_TEXT_MAX);
	readable_trimmed(&text, thought);
	/* A failed readable text is an empty one; the exact bytes are beside it. */
	json_t *body =
		json_pack("{s:s, s:s, s:o, s:I, s:f, s:f, s:o, s:o, s:f}", "round", round, "text",
			  kg_buf_ok(&text) == KG_OK ? kg_buf_text(&text) : "", "bytes_b64",
			  base64_json(thought->text.data, size), "tokens",
			  (json_int_t)thought->tokens, "logprob_sum", thought->logprob_sum,
			  "logprob_per_byte", size > 0 ? thought->logprob_sum / (double)size : 0.0,
			  "model_prompt_b64", base64_json(prompt->data, prompt->size), "recalled",
			  ids_json(recalled, recalled_count), "seconds", seconds);
	kg_buf_release(&text);
	return body;
}
