/* SPDX-License-Identifier: MIT */
#include "cli/bench_author.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "identity/wordlist.h"
#include "memory/witness.h"

enum { SENTENCE_MIN = 10, SENTENCE_MAX = 30, FREQUENT = 40 };

/* The words that hold sentences together come first. */
static const char *const frequent[FREQUENT] = {
	"the",  "of",   "and",  "a",    "to",   "in",    "is",   "that", "it",   "for",
	"as",   "with", "on",   "be",   "by",   "this",  "are",  "from", "or",   "an",
	"at",   "not",  "when", "more", "than", "which", "what", "if",   "its",  "all",
	"they", "one",  "two",  "only", "so",   "we",    "how",  "less", "most", "each"};

uint64_t kg_bench_rank(kg_rng *rng, uint64_t n)
{
	uint64_t rank = (uint64_t)exp(kg_rng_double(rng) * log((double)n + 1)) - 1;

	return rank < n ? rank : n - 1;
}

/* Spread over the list, so that neighbours in rank are none in the alphabet. */
static const char *listed(uint64_t i)
{
	return kg_wordlist[i * 997 % KG_WORDLIST_COUNT];
}

void kg_bench_word(char out[KG_BENCH_WORD_SIZE], uint64_t rank)
{
	if (rank < FREQUENT)
		(void)snprintf(out, KG_BENCH_WORD_SIZE, "%s", frequent[rank]);
	else if (rank - FREQUENT < KG_WORDLIST_COUNT)
		(void)snprintf(out, KG_BENCH_WORD_SIZE, "%s", listed(rank - FREQUENT));
	else
		(void)snprintf(out, KG_BENCH_WORD_SIZE, "%s%s", listed(rank),
			       listed(rank / KG_WORDLIST_COUNT * 31 + rank * 7));
}

void kg_bench_tag(char out[KG_BENCH_WORD_SIZE], uint64_t rank)
{
	(void)snprintf(out, KG_BENCH_WORD_SIZE, "%s", listed(1000 + rank));
}

/* ---- authors ---- */

kg_err kg_bench_authors_init(kg_bench_authors *authors, size_t count, uint64_t seed)
{
	kg_err err = kg_key_generate(&authors->swarm);

	KG_ASSERT(count <= KG_BENCH_AUTHORS_MAX);
	kg_rng_init_u64(&authors->rng, seed);
	for (; err == KG_OK && authors->count < count; authors->count++) {
		kg_bench_author *a = &authors->authors[authors->count];

		(void)snprintf(a->name, sizeof(a->name), "agent-%zu", authors->count);
		err = kg_key_generate(&a->key);
	}
	return err;
}

void kg_bench_authors_release(kg_bench_authors *authors)
{
	kg_key_free(authors->swarm);
	for (size_t i = 0; i < authors->count; i++)
		kg_key_free(authors->authors[i].key);
	memset(authors, 0, sizeof(*authors));
}

kg_err kg_bench_authors_admit(kg_buf *object, const kg_bench_authors *authors, int64_t now_ms)
{
	kg_entry_member members[KG_BENCH_AUTHORS_MAX] = {0};
	const kg_chain_head none = {0};
	kg_entry entry;
	kg_err err;

	for (size_t i = 0; i < authors->count; i++) {
		members[i].agent = *kg_key_public(authors->authors[i].key);
		memcpy(members[i].name, authors->authors[i].name, sizeof(members[i].name));
	}
	err = kg_membership_make(&entry, authors->swarm, &none, members, authors->count, now_ms);
	if (err != KG_OK)
		return err;
	err = kg_entry_sign(object, NULL, &entry, authors->swarm, NULL);
	kg_entry_release(&entry);
	return err;
}

/* ---- entries ---- */

static kg_err write_text(kg_entry *entry, kg_rng *rng)
{
	uint64_t words =
		SENTENCE_MIN + kg_rng_below(rng, (uint64_t)(SENTENCE_MAX - SENTENCE_MIN + 1));
	char text[SENTENCE_MAX * KG_BENCH_WORD_SIZE];
	size_t size = 0;

	for (uint64_t i = 0; i < words; i++) {
		char word[KG_BENCH_WORD_SIZE];
		size_t length;

		kg_bench_word(word, kg_bench_rank(rng, KG_BENCH_WORDS));
		length = strlen(word);
		memcpy(text + size, word, length);
		size += length;
		text[size++] = i + 1 < words ? ' ' : '.';
	}
	return kg_entry_set_text(entry, text, size);
}

static kg_err write_tags(kg_entry *entry, kg_rng *rng)
{
	uint64_t count = kg_rng_below(rng, 4);
	kg_err err = KG_OK;

	for (uint64_t i = 0; err == KG_OK && i < count; i++) {
		char tag[KG_BENCH_WORD_SIZE];

		kg_bench_tag(tag, kg_bench_rank(rng, KG_BENCH_TAGS));
		if (!kg_entry_has_tag(entry, tag))
			err = kg_entry_add_tag(entry, tag);
	}
	return err;
}

/* Every fifth entry cites the last one of another author; every one tells which it has seen. */
static kg_err look_around(kg_entry *entry, kg_bench_authors *authors, size_t author)
{
	size_t other = (size_t)kg_rng_below(&authors->rng, authors->count);
	const kg_bench_author *o = &authors->authors[other];
	bool cites = kg_rng_below(&authors->rng, 5) == 0;
	kg_entry_head *seen = &entry->seen[0];

	if (other == author || o->head.sequence == 0)
		return KG_OK;
	seen->agent = *kg_key_public(o->key);
	seen->sequence = o->head.sequence;
	seen->commit = o->head.commit;
	entry->seen_count = 1;
	return cites ? kg_entry_add_reference(entry, &o->last) : KG_OK;
}

static kg_entry_type draw_type(kg_rng *rng)
{
	static const kg_entry_type types[] = {
		KG_ENTRY_INSIGHT,     KG_ENTRY_INSIGHT,  KG_ENTRY_INSIGHT,    KG_ENTRY_OBSERVATION,
		KG_ENTRY_OBSERVATION, KG_ENTRY_LEARNING, KG_ENTRY_REFLECTION, KG_ENTRY_QUESTION};

	return types[kg_rng_below(rng, sizeof(types) / sizeof(types[0]))];
}

kg_err kg_bench_author_write(kg_buf *object, kg_bench_authors *authors, size_t author,
			     int64_t now_ms)
{
	kg_bench_author *a = &authors->authors[author];
	kg_rng *rng = &authors->rng;
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err;

	kg_entry_init(&entry, draw_type(rng));
	err = write_text(&entry, rng);
	if (err == KG_OK)
		err = write_tags(&entry, rng);
	if (err == KG_OK)
		err = look_around(&entry, authors, author);
	kg_entry_set_confidence(&entry, (double)(50 + kg_rng_below(rng, 51)) / 100);
	kg_entry_set_level(&entry, (double)kg_rng_below(rng, 101) / 100);
	if (err == KG_OK)
		err = kg_entry_place(&entry, kg_key_public(authors->swarm), a->key, a->name,
				     &a->head, now_ms);
	if (err == KG_OK)
		err = kg_entry_sign(object, &proof, &entry, a->key,
				    a->head.sequence > 0 ? &a->head.commit : NULL);
	if (err == KG_OK) {
		a->head = (kg_chain_head){entry.sequence, entry.time_ms, entry.time_counter,
					  proof.commit};
		a->last = proof.id;
	}
	kg_entry_release(&entry);
	return err;
}
