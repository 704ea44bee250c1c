/* SPDX-License-Identifier: MIT */
#include "memory/view.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "memory/quote.h"

enum { NEWS_TEXT = 512, QUOTED_MAX = 8 * KG_ENTRY_TEXT_MAX };

static json_t *hex_of(const uint8_t *data, size_t size)
{
	char text[KG_HASH_TEXT_SIZE];

	KG_ASSERT(size <= KG_HASH_SIZE);
	kg_hex_encode(text, data, size);
	return json_string(text);
}

static json_t *number_or_null(bool has, double value)
{
	return has ? json_real(value) : json_null();
}

static json_t *time_of(const kg_entry *e)
{
	char text[KG_TIME_TEXT_SIZE];

	kg_clock_format(text, e->time_ms);
	return json_string(text);
}

static json_t *tags_of(const kg_entry *e)
{
	json_t *tags = json_array();

	for (size_t i = 0; i < e->tag_count; i++)
		(void)json_array_append_new(tags, json_string(e->tags[i]));
	return tags;
}

static json_t *references_of(const kg_entry *e)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < e->reference_count; i++)
		(void)json_array_append_new(ids, hex_of(e->references[i].bytes, KG_HASH_SIZE));
	return ids;
}

static json_t *text_of(const kg_entry_bytes *text)
{
	return json_stringn(text->size > 0 ? (const char *)text->data : "", text->size);
}

static void put_coefficient(json_t *view, const kg_entry *e)
{
	const kg_entry_parts *p = &e->parts;

	if (view == NULL || !e->has_parts)
		return;
	(void)json_object_set_new(view, "coefficient",
				  json_pack("{s:f, s:f, s:f, s:f}", "quantization_awareness",
					    p->quantization_awareness, "complex_understanding",
					    p->complex_understanding, "compression_readiness",
					    p->compression_readiness, "pedagogical_capacity",
					    p->pedagogical_capacity));
}

json_t *kg_view_entry(const kg_entry *e, const kg_entry_proof *proof, bool verified)
{
	json_t *view = json_pack(
		"{s:o, s:o, s:s, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "id",
		hex_of(proof->id.bytes, KG_HASH_SIZE), "commit",
		hex_of(proof->commit.bytes, KG_COMMIT_SIZE), "type", kg_entry_type_name(e->type),
		"agent", hex_of(e->agent.bytes, KG_PUBKEY_SIZE), "agent_name", e->agent_name,
		"sequence", (json_int_t)e->sequence, "time", time_of(e), "text", text_of(&e->text),
		"tags", tags_of(e), "confidence", number_or_null(e->has_confidence, e->confidence),
		"consciousness", number_or_null(e->has_level, e->level), "references",
		references_of(e), "verified", verified);

	put_coefficient(view, e);
	return view;
}

json_t *kg_view_rows(const kg_index_rows *rows, size_t size_max)
{
	json_t *entries = json_array();
	size_t size = 32;

	for (size_t i = 0; i < rows->count; i++) {
		const kg_index_row *row = &rows->rows[i];
		json_t *one = kg_view_entry(&row->entry, &row->proof, row->verified);

		size += one != NULL ? json_dumpb(one, NULL, 0, JSON_COMPACT) + 2 : 0;
		if (one == NULL || size > size_max) {
			json_decref(one);
			break;
		}
		(void)json_array_append_new(entries, one);
	}
	return json_pack("{s:o}", "entries", entries);
}

/* The bytes as text when they are that, else in the form of the trailer. */
static json_t *bytes_of(const kg_entry_bytes *bytes)
{
	json_t *text = text_of(bytes);
	kg_buf quoted;

	if (text != NULL)
		return text;
	kg_buf_init(&quoted, QUOTED_MAX);
	kg_quote_put(&quoted, bytes->data, bytes->size);
	text = json_string(kg_buf_text(&quoted));
	kg_buf_release(&quoted);
	return text;
}

static void put_generated(json_t *whole, const kg_entry *e)
{
	const kg_entry_genome *g = &e->genome;
	const kg_entry_sampler *s = &e->sampler;
	char seed[24];

	if (e->has_genome)
		(void)json_object_set_new(
			whole, "genome",
			json_pack("{s:o, s:o, s:s, s:o}", "base_digest",
				  hex_of(g->base_digest, KG_HASH_SIZE), "weights_digest",
				  hex_of(g->weights_digest, KG_HASH_SIZE), "strategy", g->strategy,
				  "seed", hex_of(g->seed, KG_HASH_SIZE)));
	if (!e->has_sampler)
		return;
	/* 64 bits do not fit in a JSON number of every reader. */
	(void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)s->seed);
	(void)json_object_set_new(
		whole, "sampler",
		json_pack("{s:f, s:I, s:f, s:s, s:I, s:I}", "temperature", s->temperature, "top_k",
			  (json_int_t)s->top_k, "top_p", s->top_p, "seed", seed, "max_tokens",
			  (json_int_t)s->max_tokens, "tokens", (json_int_t)s->tokens));
	(void)json_object_set_new(whole, "prompt", bytes_of(&e->prompt));
	(void)json_object_set_new(whole, "answer", bytes_of(&e->answer));
}

static void put_witness(json_t *whole, const kg_entry *e)
{
	json_t *heads = json_array();
	json_t *members = json_array();

	for (size_t i = 0; i < e->head_count; i++)
		(void)json_array_append_new(
			heads, json_pack("{s:o, s:I, s:o}", "agent",
					 hex_of(e->heads[i].agent.bytes, KG_PUBKEY_SIZE),
					 "sequence", (json_int_t)e->heads[i].sequence, "commit",
					 hex_of(e->heads[i].commit.bytes, KG_COMMIT_SIZE)));
	for (size_t i = 0; i < e->member_count; i++)
		(void)json_array_append_new(
			members, json_pack("{s:o, s:s}", "agent",
					   hex_of(e->members[i].agent.bytes, KG_PUBKEY_SIZE),
					   "name", e->members[i].name));
	if (e->head_count > 0)
		(void)json_object_set(whole, "heads", heads);
	if (e->member_count > 0)
		(void)json_object_set(whole, "members", members);
	json_decref(heads);
	json_decref(members);
}

json_t *kg_view_whole(const kg_entry *e, const kg_entry_proof *proof, bool verified)
{
	json_t *whole = kg_view_entry(e, proof, verified);

	if (whole == NULL)
		return NULL;
	(void)json_object_set_new(whole, "swarm", hex_of(e->swarm.bytes, KG_PUBKEY_SIZE));
	(void)json_object_set_new(whole, "time_counter", json_integer(e->time_counter));
	(void)json_object_set_new(whole, "parent",
				  proof->has_parent ? hex_of(proof->parent.bytes, KG_COMMIT_SIZE)
						    : json_null());
	put_generated(whole, e);
	put_witness(whole, e);
	return whole;
}

json_t *kg_view_news(const kg_entry *e, const kg_entry_proof *proof)
{
	size_t size = 0;

	while (size < e->text.size) {
		uint32_t point;
		size_t step = kg_utf8_step(&point, e->text.data + size, e->text.size - size);

		if (step == 0 || size + step > NEWS_TEXT)
			break;
		size += step;
	}
	return json_pack("{s:o, s:o, s:I, s:i, s:s, s:o, s:s, s:I, s:o, s:o, s:o, s:s%}", "id",
			 hex_of(proof->id.bytes, KG_HASH_SIZE), "commit",
			 hex_of(proof->commit.bytes, KG_COMMIT_SIZE), "time_ms",
			 (json_int_t)e->time_ms, "counter", (int)e->time_counter, "type",
			 kg_entry_type_name(e->type), "agent",
			 hex_of(e->agent.bytes, KG_PUBKEY_SIZE), "agent_name", e->agent_name,
			 "sequence", (json_int_t)e->sequence, "tags", tags_of(e), "level",
			 number_or_null(e->has_level, e->level), "references", references_of(e),
			 "text", size > 0 ? (const char *)e->text.data : "", size);
}
