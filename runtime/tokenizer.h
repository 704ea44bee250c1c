/* SPDX-License-Identifier: MIT */
/*
 * tokenizer – text to token ids and back: SentencePiece-style BPE by scores.
 *
 * Text is split into characters (a byte and the UTF-8 continuation bytes after it, four at most);
 * each is looked up; one that is not in the vocabulary becomes its bytes' tokens, or the unknown
 * token where the vocabulary has no byte tokens. Then, again and again, the adjacent pair whose
 * joined piece has the highest score is merged, the leftmost first among equals; a piece that is
 * there twice means its lowest id. This is what llama2.c does, with one restriction: control,
 * unknown, unused and byte tokens never come from the spelling of a text. Any bytes can be encoded,
 * NUL included, and any ids below the count decoded.
 *
 * A kg_tokenizer does not change after kg_tokenizer_finish; threads may share it.
 */
#ifndef KG_RUNTIME_TOKENIZER_H
#define KG_RUNTIME_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	KG_TOKENIZER_COUNT_MAX = 1 << 20,
	KG_TOKENIZER_PIECE_MAX = 1024,       /* bytes of one piece */
	KG_TOKENIZER_TEXT_MAX = 16 << 20,    /* bytes of one text to encode */
	KG_TOKENIZER_BYTE_MODEL_COUNT = 259, /* <unk> <s> </s> and 256 bytes */
};

/* As GGUF numbers them. */
typedef enum {
	KG_TOKEN_NORMAL = 1,
	KG_TOKEN_UNKNOWN = 2,
	KG_TOKEN_CONTROL = 3,
	KG_TOKEN_USER = 4,
	KG_TOKEN_UNUSED = 5,
	KG_TOKEN_BYTE = 6, /* piece "<0xNN>" */
} kg_token_kind;

typedef struct kg_tokenizer kg_tokenizer;

/* The byte that a piece spelled "<0xNN>" stands for, -1 for any other spelling. */
int kg_tokenizer_byte_of(const char *piece, size_t size);

/* Building: a tokenizer of `count` ids, each put once, then finish. */
KG_NODISCARD kg_err kg_tokenizer_new(kg_tokenizer **out, uint32_t count);
void kg_tokenizer_free(kg_tokenizer *tokenizer);

/* Copies a piece; U+2581, SentencePiece's mark, becomes the space it stands for in normal and user
 * tokens. KG_EINVAL for an id out of range or put twice, a piece
 * too long, a score that is not finite, a byte token not spelled "<0xNN>". */
KG_NODISCARD kg_err kg_tokenizer_put(kg_tokenizer *tokenizer, uint32_t id, const void *piece,
				     size_t size, float score, kg_token_kind kind);

typedef struct {
	uint32_t bos;
	uint32_t eos;
	uint32_t unknown;
	bool add_bos;          /* generation starts with bos */
	bool add_space_prefix; /* a text that is not empty gets a leading space */
} kg_tokenizer_rules;

/* Builds the look-up. KG_EINVAL when an id is missing or a rule names an id out of range. */
KG_NODISCARD kg_err kg_tokenizer_finish(kg_tokenizer *tokenizer, const kg_tokenizer_rules *rules);

/* The tokenizer of byte models: 0 <unk>, 1 <s>, 2 </s>, 3 + byte; no merges, no space prefix. */
KG_NODISCARD kg_err kg_tokenizer_byte_model(kg_tokenizer **out);

uint32_t kg_tokenizer_count(const kg_tokenizer *tokenizer);
const kg_tokenizer_rules *kg_tokenizer_get_rules(const kg_tokenizer *tokenizer);

/* The stored piece, its score and kind; id < count. Borrowed; a NUL follows the last byte. */
const char *kg_tokenizer_piece(const kg_tokenizer *tokenizer, uint32_t id, size_t *size);
float kg_tokenizer_score(const kg_tokenizer *tokenizer, uint32_t id);
kg_token_kind kg_tokenizer_kind(const kg_tokenizer *tokenizer, uint32_t id);

/* Ids of a text, after bos when `bos`; free(*ids). *ids is never NULL on success.
 * KG_EINVAL beyond KG_TOKENIZER_TEXT_MAX. */
KG_NODISCARD kg_err kg_tokenizer_encode(const kg_tokenizer *tokenizer, const void *text,
					size_t size, bool bos, uint32_t **ids, size_t *count);

/* What `id` adds to a text when it follows `previous`: a byte token is its byte, a control token
 * nothing; one leading space is dropped after bos where spaces are prefixed. Both ids < count.
 * Borrowed, not terminated. */
const char *kg_tokenizer_decode_one(const kg_tokenizer *tokenizer, uint32_t previous, uint32_t id,
				    size_t *size);

/* Appends the text of ids; KG_EINVAL names an id that does not exist. The leading space is dropped
 * only when ids start with bos. */
KG_NODISCARD kg_err kg_tokenizer_decode(const kg_tokenizer *tokenizer, const uint32_t *ids,
					size_t count, kg_buf *out);

#endif
