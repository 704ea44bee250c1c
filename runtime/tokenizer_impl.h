/* SPDX-License-Identifier: MIT */
/* tokenizer_impl – what the files of the tokenizer share. */
#ifndef KG_RUNTIME_TOKENIZER_IMPL_H
#define KG_RUNTIME_TOKENIZER_IMPL_H

#include "runtime/merges.h"
#include "runtime/tokenizer.h"

typedef struct {
	size_t at; /* in pieces: text, NUL and, for byte tokens, the byte */
	uint64_t hash;
	float score;
	uint16_t size;
	uint8_t kind; /* 0: not put yet */
} kg_token;

struct kg_tokenizer {
	kg_buf pieces;
	kg_token *tokens;
	int32_t *slots; /* ids by hash of their piece; -1 is free */
	uint32_t count;
	uint32_t slots_mask;
	uint32_t byte_ids[256];
	kg_tokenizer_rules rules;
	kg_merges merges;          /* of ranked tokenizers */
	kg_pretokenizer *words;    /* NULL: no words are cut */
	uint32_t *specials;        /* ids matched before anything is merged, by their pieces */
	uint32_t specials_at[257]; /* where the pieces of each first byte start */
};

/* FNV-1a, which continues: hash(ab) = hash_more(hash(a), b). */
extern const uint64_t kg_tokenizer__hash_empty;
uint64_t kg_tokenizer__hash_more(uint64_t hash, const char *text, size_t size);

static inline const char *kg_tokenizer__text(const kg_tokenizer *t, const kg_token *k)
{
	return (const char *)t->pieces.data + k->at;
}

/* Tokens that come from the spelling of a text. */
static inline bool kg_tokenizer__spelled(const kg_token *k)
{
	return (k->kind == KG_TOKEN_NORMAL || k->kind == KG_TOKEN_USER) && k->size > 0;
}

/* The id of the piece a + b, or -1; `hash` is its hash. */
int32_t kg_tokenizer__look_up(const kg_tokenizer *t, uint64_t hash, const char *a, size_t a_size,
			      const char *b, size_t b_size);

#endif
