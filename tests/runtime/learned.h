/* SPDX-License-Identifier: MIT */
/* learned – a small byte-level BPE learned from random texts, encoding in the plainest way. */
#ifndef KG_TESTS_RUNTIME_LEARNED_H
#define KG_TESTS_RUNTIME_LEARNED_H

#include <stdbool.h>

#include "runtime/tokenizer.h"
#include "tests/runtime/naive_words.h"

enum { LEARNED_MERGES = 150, LEARNED_PIECE_MAX = 12, LEARNED_COUNT_MAX = 256 + LEARNED_MERGES };

typedef struct {
	kg_pretokenizer_kind kind;
	bool ignore_merges;
	struct {
		char bytes[LEARNED_PIECE_MAX];
		size_t size;
	} pieces[LEARNED_COUNT_MAX];
	uint32_t count;
	kg_merge merges[LEARNED_MERGES];
	uint32_t merges_count;
} learned;

void learned_make(learned *l, kg_pretokenizer_kind kind, bool ignore_merges, kg_rng *rng);

/* Ids of UTF-8 text into room for `size`: all pairs anew after each merge. Returns how many. */
size_t learned_encode(const learned *l, const char *text, size_t size, uint32_t *ids);

/* The same vocabulary as a tokenizer; the first `extra` ids after it are left to be put. */
kg_tokenizer *learned_tokenizer(const learned *l);
kg_tokenizer *learned_start(const learned *l, uint32_t extra);
void learned_finish(const learned *l, kg_tokenizer *t);

/* The tokenizer.json of it. */
void learned_json(const learned *l, kg_buf *out);

#endif
