/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "memory/entry.h"
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

	kg_buf_printf(out, "%s:", type);
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

static void put_hex(kg_buf *out, const char *key, const uint8_t *data, size_t size)
{
	char text[2 * KG_HASH_SIZE + 1];

	KG_ASSERT(size <= KG_HASH_SIZE);
	kg_hex_encode(text, data, size);
	kg_buf_printf(out, "%s: %s\n", key, text);
}

/* Steps of 1e-6, so that the text of a number is exact and has one form. */
static void put_number(kg_buf *out, const char *key, double value)
{
	unsigned long long steps = (unsigned long long)llround(value * 1e6);

	kg_buf_printf(out, "%s: %llu.%06llu\n", key, steps / 1000000, steps % 1000000);
}

static void put_tags(kg_buf *out, const kg_entry *e)
{
	if (e->tag_count == 0)
		return;
	kg_buf_puts(out, "Tags: ");
	for (size_t i = 0; i < e->tag_count; i++)
		kg_buf_printf(out, "%s%s", i > 0 ? ", " : "", e->tags[i]);
	kg_buf_puts(out, "\n");
}

static void put_coefficient(kg_buf *out, const kg_entry *e)
{
	if (e->has_confidence)
		put_number(out, "Confidence", e->confidence);
	if (e->has_level)
		put_number(out, "Consciousness", e->level);
	if (!e->has_parts)
		return;
	put_number(out, "Quantization-Awareness", e->parts.quantization_awareness);
	put_number(out, "Complex-Understanding", e->parts.complex_understanding);
	put_number(out, "Compression-Readiness", e->parts.compression_readiness);
	put_number(out, "Pedagogical-Capacity", e->parts.pedagogical_capacity);
}

static void put_generated(kg_buf *out, const kg_entry *e)
{
	const kg_entry_sampler *s = &e->sampler;

	if (e->has_genome) {
		put_hex(out, "Genome-Base", e->genome.base_digest, KG_HASH_SIZE);
		put_hex(out, "Genome-Weights", e->genome.weights_digest, KG_HASH_SIZE);
		kg_buf_printf(out, "Genome-Strategy: %s\n", e->genome.strategy);
		put_hex(out, "Genome-Seed", e->genome.seed, KG_HASH_SIZE);
	}
	if (!e->has_sampler)
		return;
	put_number(out, "Sampler-Temperature", s->temperature);
	kg_buf_printf(out, "Sampler-Top-K: %lu\n", (unsigned long)s->top_k);
	put_number(out, "Sampler-Top-P", s->top_p);
	kg_buf_printf(out, "Sampler-Seed: %llu\n", (unsigned long long)s->seed);
	kg_buf_printf(out, "Sampler-Max-Tokens: %lu\n", (unsigned long)s->max_tokens);
	kg_buf_printf(out, "Sampler-Tokens: %lu\n", (unsigned long)s->tokens);
	kg_buf_puts(out, "Prompt: ");
	kg_quote_put(out, e->prompt.data, e->prompt.size);
	kg_buf_puts(out, "\nAnswer: ");
	kg_quote_put(out, e->answer.data, e->answer.size);
	kg_buf_puts(out, "\n");
}

static void put_witness(kg_buf *out, const kg_entry *e)
{
	char agent[KG_PUBKEY_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];

	for (size_t i = 0; i < e->head_count; i++) {
		kg_pubkey_format(agent, &e->heads[i].agent);
		kg_commit_format(commit, &e->heads[i].commit);
		kg_buf_printf(out, "Head: %s %llu %s\n", agent,
			      (unsigned long long)e->heads[i].sequence, commit);
	}
	for (size_t i = 0; i < e->member_count; i++) {
		kg_pubkey_format(agent, &e->members[i].agent);
		kg_buf_printf(out, "Member: %s %s\n", agent, e->members[i].name);
	}
}

static void put_trailers(kg_buf *out, const kg_entry *e)
{
	char time[KG_TIME_TEXT_SIZE];

	kg_clock_format(time, e->time_ms);
	kg_buf_puts(out, "Kindergarten-Format: 1\n");
	put_hex(out, "Swarm", e->swarm.bytes, KG_PUBKEY_SIZE);
	put_hex(out, "Agent", e->agent.bytes, KG_PUBKEY_SIZE);
	kg_buf_printf(out, "Agent-Name: %s\nSequence: %llu\nTime: %s\nTime-Counter: %u\n",
		      e->agent_name, (unsigned long long)e->sequence, time,
		      (unsigned)e->time_counter);
	put_tags(out, e);
	put_coefficient(out, e);
	for (size_t i = 0; i < e->reference_count; i++)
		put_hex(out, "Reference", e->references[i].bytes, KG_HASH_SIZE);
	put_generated(out, e);
	put_witness(out, e);
}

static void put_header(kg_buf *out, const kg_entry *e, const kg_commit *parent)
{
	static const char *const roles[] = {"author", "committer"};
	char text[KG_PUBKEY_TEXT_SIZE];

	kg_buf_printf(out, "tree %s\n", empty_tree);
	if (parent != NULL) {
		kg_commit_format(text, parent);
		kg_buf_printf(out, "parent %s\n", text);
	}
	kg_pubkey_format(text, &e->agent);
	for (size_t i = 0; i < 2; i++)
		kg_buf_printf(out, "%s %s <%s@kindergarten> %lld +0000\n", roles[i], e->agent_name,
			      text, (long long)(e->time_ms / 1000));
	kg_buf_puts(out, "\n");
}

kg_err kg_entry_encode(kg_buf *out, const kg_entry *e, const kg_commit *parent)
{
	kg_err err = kg_entry_check(e);

	if (err != KG_OK)
		return err;
	if ((e->sequence == 1) != (parent == NULL))
		return kg_fail(KG_EINVAL, "entry %llu %s a parent", (unsigned long long)e->sequence,
			       parent == NULL ? "without" : "with");
	put_header(out, e, parent);
	put_subject(out, e);
	kg_buf_puts(out, "\n");
	kg_buf_put(out, e->text.data, e->text.size);
	kg_buf_puts(out, "\n\n");
	put_trailers(out, e);
	return kg_buf_ok(out);
}
