/* SPDX-License-Identifier: MIT */
/* tokenizer_impl – what the files of the tokenizer share. */
#ifndef KG_RUNTIME_TOKENIZER_IMPL_H
#define KG_RUNTIME_TOKENIZER_IMPL_H

#include "runtime/merges.h"
#include "runtime/tokenizer.h"

/* Small, because a process reads all of them before its first word. */
typedef struct {
	uint32_t at; /* in pieces: text, NUL and, for byte tokens, the byte */
	uint32_t hash;
	float score;
	uint16_t size;
	uint8_t kind; /* 0: not put yet */
} kg_token;

_Static_assert((uint64_t)KG_TOKENIZER_COUNT_MAX *(KG_TOKENIZER_PIECE_MAX + 2) <= UINT32_MAX,
	       "a place in pieces has 32 bits");

struct kg_tokenizer {
	char *pieces; /* all in a row */
	size_t pieces_size;
	size_t pieces_room;
	kg_token *tokens;
	int32_t *slots; /* ids by hash of their piece; -1 is free */
	uint32_t count;
	uint32_t put;     /* how many of them are there */
	uint32_t special; /* how many of these may be specials */
	uint32_t slots_mask;
	uint32_t byte_ids[256]; /* until finish those of byte tokens, else KG_TOKENIZER_NONE */
	kg_tokenizer_rules rules;
	kg_merges merges;          /* of ranked tokenizers */
	kg_pretokenizer *words;    /* NULL: no words are cut */
	uint32_t *specials;        /* ids matched before anything is merged, by their pieces */
	uint32_t specials_at[257]; /* where the pieces of each first byte start */
};

/* FNV-1a, which continues: hash(ab) = hash_more(hash(a), b). */
enum { KG_TOKENIZER__HASH_PRIME = 0x01000193 };
static const uint32_t kg_tokenizer__hash_empty = 0x811c9dc5;

static inline uint32_t kg_tokenizer__hash_more(uint32_t hash, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)text[i]) * KG_TOKENIZER__HASH_PRIME;
	return hash;
}

static inline const char *kg_tokenizer__text(const kg_tokenizer *t, const kg_token *k)
{
	return t->pieces + k->at;
}

/* Tokens that come from the spelling of a text. */
static inline bool kg_tokenizer__spelled(const kg_token *k)
{
	return (k->kind == KG_TOKEN_NORMAL || k->kind == KG_TOKEN_USER) && k->size > 0;
}

/* The id of the piece a + b, or -1; `hash` is its hash. */
int32_t kg_tokenizer__look_up(const kg_tokenizer *t, uint32_t hash, const char *a, size_t a_size,
			      const char *b, size_t b_size);

/* Room for pieces of so many bytes in all, so that putting them moves nothing. */
KG_NODISCARD kg_err kg_tokenizer__reserve(kg_tokenizer *t, size_t bytes);

#endif
