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
	if (view != NULL && e->has_sealed)
		(void)json_object_set_new(view, "sealed", json_true());
	return view;
}

void kg_view_mark(json_t *view, bool marked, const kg_entry_id *origin, const kg_entry_id *id)
{
	if (view == NULL)
		return;
	(void)json_object_set_new(view, "quarantined", json_boolean(marked));
	if (marked && memcmp(origin->bytes, id->bytes, sizeof(id->bytes)) != 0)
		(void)json_object_set_new(view, "derived_from",
					  hex_of(origin->bytes, KG_HASH_SIZE));
}

static json_t *why_of(const kg_index_weight *w, const kg_index_rows *of)
{
	json_t *words = json_array();

	for (size_t i = 0; i < of->word_count; i++)
		(void)json_array_append_new(words,
					    json_pack("{s:s, s:i}", "word", of->words[i].word,
						      "count", (int)w->counts[i]));
	return json_pack("{s:f, s:f, s:f, s:i, s:I, s:o}", "score", w->score, "relevance",
			 w->relevance, "trust", w->trust, "corroboration", (int)w->witnesses,
			 "length", (json_int_t)w->length, "words", words);
}

json_t *kg_view_row(const kg_index_row *row, const kg_index_rows *of)
{
	json_t *view = kg_view_entry(&row->entry, &row->proof, row->verified);

	kg_view_mark(view, row->marked, &row->origin, &row->proof.id);
	if (view != NULL && of != NULL)
		(void)json_object_set_new(view, "why", why_of(&row->weight, of));
	return view;
}

json_t *kg_view_explained(const kg_index_rows *rows)
{
	json_t *entries = json_array();
	json_t *words = json_array();

	for (size_t i = 0; i < rows->count; i++)
		(void)json_array_append_new(entries, kg_view_row(&rows->rows[i], rows));
	for (size_t i = 0; i < rows->word_count; i++)
		(void)json_array_append_new(words, json_pack("{s:s, s:I, s:f, s:b}", "word",
							     rows->words[i].word, "entries",
							     (json_int_t)rows->words[i].entries,
							     "weight", rows->words[i].weight,
							     "left_out", rows->words[i].left_out));
	return json_pack("{s:o, s:{s:I, s:f, s:I, s:b, s:o}}", "entries", entries, "explain",
			 "entries", (json_int_t)rows->entries, "length_mean", rows->length_mean,
			 "weighed", (json_int_t)rows->weighed, "cut", rows->cut, "words", words);
}

json_t *kg_view_rows(const kg_index_rows *rows, size_t size_max)
{
	json_t *entries = json_array();
	size_t size = 32;

	for (size_t i = 0; i < rows->count; i++) {
		const kg_index_row *row = &rows->rows[i];
		json_t *one = kg_view_row(row, NULL);

		if (one != NULL && rows->similar)
			(void)json_object_set_new(one, "similarity", json_real(row->weight.score));

		size += one != NULL ? json_dumpb(one, NULL, 0, JSON_COMPACT) + 2 : 0;
		if (one == NULL || size > size_max) {
			json_decref(one);
			break;
		}
		(void)json_array_append_new(entries, one);
	}
	/* With words that is how it always is, and told by kg_view_explained. */
	if (rows->cut && rows->word_count == 0 && !rows->similar)
		return json_pack("{s:o, s:b}", "entries", entries, "cut", true);
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

static json_t *head_of(const kg_entry_head *h)
{
	return json_pack("{s:o, s:I, s:o}", "agent", hex_of(h->agent.bytes, KG_PUBKEY_SIZE),
			 "sequence", (json_int_t)h->sequence, "commit",
			 hex_of(h->commit.bytes, KG_COMMIT_SIZE));
}

static void put_heads(json_t *whole, const char *name, const kg_entry_head *heads, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, head_of(&heads[i]));
	if (count > 0)
		(void)json_object_set(whole, name, list);
	json_decref(list);
}

static void put_members(json_t *whole, const char *name, const char *key,
			const kg_entry_member *members, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(
			list,
			json_pack("{s:o, s:s}", key, hex_of(members[i].agent.bytes, KG_PUBKEY_SIZE),
				  "name", members[i].name));
	if (count > 0)
		(void)json_object_set(whole, name, list);
	json_decref(list);
}

static void put_succession(json_t *whole, const kg_entry *e)
{
	const kg_entry_epoch *p = &e->epoch;

	if (e->has_successor)
		(void)json_object_set_new(whole, "successor",
					  hex_of(e->successor.bytes, KG_PUBKEY_SIZE));
	if (e->has_predecessor)
		(void)json_object_set_new(whole, "predecessor", head_of(&e->predecessor));
	if (e->carried > 0)
		(void)json_object_set_new(whole, "carried", json_integer((json_int_t)e->carried));
	if (e->has_epoch)
		(void)json_object_set_new(whole, "epoch",
					  json_pack("{s:I, s:o, s:I, s:I, s:o}", "number",
						    (json_int_t)p->number, "old", head_of(&p->old),
						    "kept", (json_int_t)p->kept, "dropped",
						    (json_int_t)p->dropped, "digest",
						    hex_of(p->digest, KG_HASH_SIZE)));
}

static void put_seal(json_t *whole, const kg_entry *e)
{
	json_t *keys;

	if (!e->has_sealed)
		return;
	keys = json_array();
	for (size_t i = 0; i < e->sealed.recipient_count; i++)
		(void)json_array_append_new(keys,
					    hex_of(e->sealed.recipients[i].bytes, KG_PUBKEY_SIZE));
	(void)json_object_set_new(whole, "seal",
				  json_pack("{s:o, s:I, s:o}", "digest",
					    hex_of(e->sealed.digest, KG_HASH_SIZE), "size",
					    (json_int_t)e->sealed.size, "for", keys));
}

static void put_origin(json_t *whole, const kg_entry *e)
{
	if (e->has_origin)
		(void)json_object_set_new(
			whole, "origin",
			json_pack("{s:s, s:o, s:s, s:o}", "protocol", "mmogit", "author",
				  hex_of(e->origin.author.bytes, KG_PUBKEY_SIZE), "time",
				  e->origin.time, "content", bytes_of(&e->origin.content)));
}

static void put_witness(json_t *whole, const kg_entry *e)
{
	put_heads(whole, "heads", e->heads, e->head_count);
	put_members(whole, "members", "agent", e->members, e->member_count);
	put_members(whole, "peers", "swarm", e->peers, e->peer_count);
	put_heads(whole, "seen", e->seen, e->seen_count);
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
	put_succession(whole, e);
	put_seal(whole, e);
	put_origin(whole, e);
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
