/* SPDX-License-Identifier: MIT */
/*
 * bench_author – makes entries such as a swarm's agents write, any number of them, the same ones
 * for the same seed.
 *
 * Texts of ten to thirty words whose frequencies fall as in language (Zipf): common English words,
 * and rare ones put together from two. Tags, types, levels, citations and the last entry seen of
 * another author are as agents have them. Signed as every entry is.
 */
#ifndef KG_CLI_BENCH_AUTHOR_H
#define KG_CLI_BENCH_AUTHOR_H

#include "base/rng.h"
#include "identity/key.h"
#include "memory/entry.h"

enum {
	KG_BENCH_AUTHORS_MAX = 64,
	KG_BENCH_WORDS = 60000, /* that occur in texts */
	KG_BENCH_TAGS = 48
};

typedef struct {
	kg_key *key;
	char name[KG_NAME_SIZE];
	kg_chain_head head;
	kg_entry_id last; /* of its entries */
} kg_bench_author;

typedef struct {
	kg_key *swarm;
	kg_bench_author authors[KG_BENCH_AUTHORS_MAX];
	size_t count;
	kg_rng rng;
} kg_bench_authors;

/* Keys of a swarm and its agents. */
KG_NODISCARD kg_err kg_bench_authors_init(kg_bench_authors *authors, size_t count, uint64_t seed);
void kg_bench_authors_release(kg_bench_authors *authors);

/* The entry of the swarm by which all of them may write. */
KG_NODISCARD kg_err kg_bench_authors_admit(kg_buf *object, const kg_bench_authors *authors,
					   int64_t now_ms);

/* Appends the next entry of the chain of `author`, signed. */
KG_NODISCARD kg_err kg_bench_author_write(kg_buf *object, kg_bench_authors *authors, size_t author,
					  int64_t now_ms);

/* The word of that rank, 0 is the most common; the tag of that rank. */
enum { KG_BENCH_WORD_SIZE = 32 };
void kg_bench_word(char out[KG_BENCH_WORD_SIZE], uint64_t rank);
void kg_bench_tag(char out[KG_BENCH_WORD_SIZE], uint64_t rank);

/* A rank in 0..n-1: each is drawn as often as its place is small. */
uint64_t kg_bench_rank(kg_rng *rng, uint64_t n);

#endif
