/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "memory/entry_impl.h"
#include "memory/quote.h"

static const char empty_tree[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/* "<type>: <first words>": the words of the text, one space between them, as many whole ones as
 * fit; a first word that is too long is cut. */
static void put_subject(kg_buf *out, const kg_entry *e)
{
	const char *type = kg_entry_type_name(e->type);
	const uint8_t *at = e->text.data;
	size_t left = e->text.size;
	size_t room = KG_ENTRY_SUBJECT_MAX - strlen(type) - 2 - 2; /* ": ", and " …" at the end */
	size_t words = 0;

	kg_buf_puts(out, type);
	kg_buf_put_u8(out, ':');
	for (;;) {
		size_t bytes = 0;
		size_t characters = 0;

		while (left > 0 && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
			at++;
			left--;
		}
		while (bytes < left && characters < room && at[bytes] != ' ' && at[bytes] != '\t' &&
		       at[bytes] != '\n' && at[bytes] != '\r') {
			uint32_t point;
			size_t step = kg_utf8_step(&point, at + bytes, left - bytes);

			bytes += step > 0 ? step : 1;
			characters++;
		}
		if (bytes == 0)
			break;
		if (characters == room && words > 0)
			break;
		kg_buf_put_u8(out, ' ');
		kg_buf_put(out, at, bytes);
		words++;
		at += bytes;
		left -= bytes;
		if (characters + 1 >= room)
			break;
		room -= characters + 1;
	}
	if (left > 0 || words == 0)
		kg_buf_puts(out, " \xe2\x80\xa6");
	kg_buf_puts(out, "\n");
}

/* Not by printf, which would be the larger part of the cost of opening an entry. */
static void put_count(kg_buf *out, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	kg_buf_put(out, digits + at, sizeof(digits) - at);
}

static void put_digits(kg_buf *out, const uint8_t *data, size_t size)
{
	uint8_t *at = kg_buf_reserve(out, 2 * size);

	if (at == NULL)
		return;
	kg_hex_encode((char *)at, data, size);
	kg_buf_added(out, 2 * size);
}

/* Keys come with ": " behind them, and lines end with what puts their last value. */
static void put_hex(kg_buf *out, const char *key, const uint8_t *data, size_t size)
{
	kg_buf_puts(out, key);
	put_digits(out, data, size);
	kg_buf_put_u8(out, '\n');
}

static void put_number(kg_buf *out, const char *key, uint64_t value)
{
	kg_buf_puts(out, key);
	put_count(out, value);
	kg_buf_put_u8(out, '\n');
}

static void put_word(kg_buf *out, const char *key, const char *value)
{
	kg_buf_puts(out, key);
	kg_buf_puts(out, value);
	kg_buf_put_u8(out, '\n');
}

static void put_quoted(kg_buf *out, const char *key, const kg_entry_bytes *bytes)
{
	kg_buf_puts(out, key);
	kg_quote_put(out, bytes->data, bytes->size);
	kg_buf_put_u8(out, '\n');
}

/* Steps of 1e-6, so that the text of a number is exact and has one form. */
static void put_real(kg_buf *out, const char *key, double value)
{
	uint64_t steps = (uint64_t)llround(value * 1e6);
	char digits[8] = {'.', '0', '0', '0', '0', '0', '0', '\n'};

	kg_buf_puts(out, key);
	put_count(out, steps / 1000000);
	steps %= 1000000;
	for (size_t i = 6; steps > 0; i--, steps /= 10)
		digits[i] = (char)('0' + steps % 10);
	kg_buf_put(out, digits, sizeof(digits));
}

static void put_head(kg_buf *out, const char *key, const kg_entry_head *head)
{
	kg_buf_puts(out, key);
	put_digits(out, head->agent.bytes, KG_PUBKEY_SIZE);
	kg_buf_put_u8(out, ' ');
	put_count(out, head->sequence);
	kg_buf_put_u8(out, ' ');
	put_digits(out, head->commit.bytes, KG_COMMIT_SIZE);
	kg_buf_put_u8(out, '\n');
}

static void put_names(kg_buf *out, const char *key, const kg_entry_member *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		kg_buf_puts(out, key);
		put_digits(out, names[i].agent.bytes, KG_PUBKEY_SIZE);
		kg_buf_put_u8(out, ' ');
		kg_buf_puts(out, names[i].name);
		kg_buf_put_u8(out, '\n');
	}
}

static void put_tags(kg_buf *out, const kg_entry *e)
{
	for (size_t i = 0; i < e->tag_count; i++) {
		kg_buf_puts(out, i > 0 ? ", " : "Tags: ");
		kg_buf_puts(out, e->tags[i]);
	}
	if (e->tag_count > 0)
		kg_buf_put_u8(out, '\n');
}

static void put_coefficient(kg_buf *out, const kg_entry *e)
{
	if (e->has_confidence)
		put_real(out, "Confidence: ", e->confidence);
	if (e->has_level)
		put_real(out, "Consciousness: ", e->level);
	if (!e->has_parts)
		return;
	put_real(out, "Quantization-Awareness: ", e->parts.quantization_awareness);
	put_real(out, "Complex-Understanding: ", e->parts.complex_understanding);
	put_real(out, "Compression-Readiness: ", e->parts.compression_readiness);
	put_real(out, "Pedagogical-Capacity: ", e->parts.pedagogical_capacity);
}

static void put_generated(kg_buf *out, const kg_entry *e)
{
	const kg_entry_sampler *s = &e->sampler;

	if (e->has_genome) {
		put_hex(out, "Genome-Base: ", e->genome.base_digest, KG_HASH_SIZE);
		put_hex(out, "Genome-Weights: ", e->genome.weights_digest, KG_HASH_SIZE);
		put_word(out, "Genome-Strategy: ", e->genome.strategy);
		put_hex(out, "Genome-Seed: ", e->genome.seed, KG_HASH_SIZE);
	}
	if (!e->has_sampler)
		return;
	put_real(out, "Sampler-Temperature: ", s->temperature);
	put_number(out, "Sampler-Top-K: ", s->top_k);
	put_real(out, "Sampler-Top-P: ", s->top_p);
	put_number(out, "Sampler-Seed: ", s->seed);
	put_number(out, "Sampler-Max-Tokens: ", s->max_tokens);
	put_number(out, "Sampler-Tokens: ", s->tokens);
	put_quoted(out, "Prompt: ", &e->prompt);
	put_quoted(out, "Answer: ", &e->answer);
}

static void put_origin(kg_buf *out, const kg_entry *e)
{
	const kg_entry_origin *o = &e->origin;

	if (!e->has_origin)
		return;
	kg_buf_puts(out, "Origin-Protocol: mmogit\n");
	put_hex(out, "Origin-Author: ", o->author.bytes, KG_PUBKEY_SIZE);
	put_word(out, "Origin-Time: ", o->time);
	put_hex(out, "Origin-Signature: ", o->signature, KG_SIGNATURE_SIZE);
	put_quoted(out, "Origin-Content: ", &o->content);
}

static void put_sealed(kg_buf *out, const kg_entry *e)
{
	const kg_entry_sealed *s = &e->sealed;

	if (!e->has_sealed)
		return;
	kg_buf_puts(out, "Sealed: ");
	put_digits(out, s->digest, KG_HASH_SIZE);
	put_number(out, " ", s->size);
	for (size_t i = 0; i < s->recipient_count; i++)
		put_hex(out, "Sealed-For: ", s->recipients[i].bytes, KG_PUBKEY_SIZE);
}

static void put_witness(kg_buf *out, const kg_entry *e)
{
	const kg_entry_epoch *epoch = &e->epoch;

	for (size_t i = 0; i < e->head_count; i++)
		put_head(out, "Head: ", &e->heads[i]);
	put_names(out, "Member: ", e->members, e->member_count);
	put_names(out, "Peer: ", e->peers, e->peer_count);
	if (e->has_successor)
		put_hex(out, "Successor: ", e->successor.bytes, KG_PUBKEY_SIZE);
	if (e->has_predecessor)
		put_head(out, "Predecessor: ", &e->predecessor);
	if (!e->has_epoch)
		return;
	kg_buf_puts(out, "Epoch: ");
	put_count(out, epoch->number);
	kg_buf_put_u8(out, ' ');
	put_count(out, epoch->old.sequence);
	kg_buf_put_u8(out, ' ');
	put_digits(out, epoch->old.commit.bytes, KG_COMMIT_SIZE);
	kg_buf_put_u8(out, ' ');
	put_count(out, epoch->kept);
	kg_buf_put_u8(out, ' ');
	put_count(out, epoch->dropped);
	put_hex(out, " ", epoch->digest, KG_HASH_SIZE);
}

static void put_place(kg_buf *out, kg_entry__places *places, size_t which, const char *key,
		      uint64_t value)
{
	places->at[which] = out->size;
	put_number(out, key, value);
	places->size[which] = out->size - places->at[which];
}

static void put_trailers(kg_buf *out, kg_entry__places *places, const kg_entry *e)
{
	char time[KG_TIME_TEXT_SIZE];

	kg_clock_format(time, e->time_ms);
	kg_buf_puts(out, "Kindergarten-Format: 1\n");
	put_hex(out, "Swarm: ", e->swarm.bytes, KG_PUBKEY_SIZE);
	put_hex(out, "Agent: ", e->agent.bytes, KG_PUBKEY_SIZE);
	put_word(out, "Agent-Name: ", e->agent_name);
	put_place(out, places, 1, "Sequence: ", e->sequence);
	put_word(out, "Time: ", time);
	put_number(out, "Time-Counter: ", e->time_counter);
	if (e->carried > 0)
		put_place(out, places, 2, "Carried: ", e->carried);
	put_tags(out, e);
	put_coefficient(out, e);
	for (size_t i = 0; i < e->reference_count; i++)
		put_hex(out, "Reference: ", e->references[i].bytes, KG_HASH_SIZE);
	for (size_t i = 0; i < e->seen_count; i++)
		put_head(out, "Seen: ", &e->seen[i]);
	put_generated(out, e);
	put_origin(out, e);
	put_sealed(out, e);
	put_witness(out, e);
}

static void put_header(kg_buf *out, kg_entry__places *places, const kg_entry *e,
		       const kg_commit *parent)
{
	static const char *const roles[] = {"author ", "committer "};

	put_word(out, "tree ", empty_tree);
	places->at[0] = out->size;
	if (parent != NULL)
		put_hex(out, "parent ", parent->bytes, KG_COMMIT_SIZE);
	places->size[0] = out->size - places->at[0];
	for (size_t i = 0; i < 2; i++) {
		kg_buf_puts(out, roles[i]);
		kg_buf_puts(out, e->agent_name);
		kg_buf_puts(out, " <");
		put_digits(out, e->agent.bytes, KG_PUBKEY_SIZE);
		kg_buf_puts(out, "@kindergarten> ");
		put_count(out, (uint64_t)(e->time_ms / 1000));
		kg_buf_puts(out, " +0000\n");
	}
	kg_buf_put_u8(out, '\n');
}

kg_err kg_entry__encode(kg_buf *out, kg_entry__places *places, const kg_entry *e,
			const kg_commit *parent)
{
	size_t start = out->size;
	kg_err err = kg_entry_check(e);

	*places = (kg_entry__places){0};
	if (err != KG_OK)
		return err;
	if ((e->sequence == 1 || e->has_epoch) != (parent == NULL))
		return kg_fail(KG_EINVAL, "entry %llu %s a parent", (unsigned long long)e->sequence,
			       parent == NULL ? "without" : "with");
	put_header(out, places, e, parent);
	put_subject(out, e);
	kg_buf_put_u8(out, '\n');
	kg_buf_put(out, e->text.data, e->text.size);
	kg_buf_puts(out, "\n\n");
	put_trailers(out, places, e);
	for (size_t i = 0; i < KG_ENTRY__PLACES; i++)
		places->at[i] -= places->size[i] > 0 ? start : places->at[i];
	return kg_buf_ok(out);
}

kg_err kg_entry_encode(kg_buf *out, const kg_entry *e, const kg_commit *parent)
{
	kg_entry__places places;

	return kg_entry__encode(out, &places, e, parent);
}

void kg_entry__id(kg_entry_id *id, const void *payload, size_t size, const kg_entry__places *places)
{
	const uint8_t *bytes = payload;
	kg_hash_stream stream;
	size_t done = 0;

	kg_hash_init(&stream, "kindergarten entry id v1");
	for (size_t i = 0; i < KG_ENTRY__PLACES; i++) {
		if (places->size[i] == 0)
			continue;
		kg_hash_update(&stream, bytes + done, places->at[i] - done);
		done = places->at[i] + places->size[i];
	}
	kg_hash_update(&stream, bytes + done, size - done);
	kg_hash_final(&stream, id->bytes);
}
