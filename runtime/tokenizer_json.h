/* SPDX-License-Identifier: MIT */
/*
 * tokenizer_json – a tokenizer from the tokenizer.json of a Hugging Face folder.
 *
 * Known are BPE models of two shapes. Byte-level: a ByteLevel pre-tokenizer, alone or after the
 * pieces that make up a family of runtime/pretokenizer.h, whose published pattern a Split spells to
 * the letter. SentencePiece-style: spaces become U+2581 by a Replace normalizer or a Metaspace
 * pre-tokenizer, what is not in the vocabulary becomes bytes or the unknown token.
 *
 * Special tokens become control tokens, other added tokens user tokens. With the normalizer NFC
 * texts are composed. What would change ids and is not known here (another normalizer, pattern or
 * post-processor; lstrip, rstrip and single_word; affixes of subwords) is refused by name.
 */
#ifndef KG_RUNTIME_TOKENIZER_JSON_H
#define KG_RUNTIME_TOKENIZER_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/tokenizer.h"

enum { KG_TOKENIZER_JSON_SIZE_MAX = 64 << 20 };

/* What tokenizer.json does not say and config.json does. */
typedef struct {
	uint32_t count; /* of the model; ids beyond the tokenizer's are unused tokens. 0: as many as
			   the tokenizer has */
	uint32_t bos;   /* or KG_TOKENIZER_NONE; the one the post-processor puts first wins */
	uint32_t eos;   /* or KG_TOKENIZER_NONE; the one the post-processor puts last wins */
} kg_tokenizer_hints;

/* KG_EFULL beyond a limit, KG_EINVAL naming what is not known here or does not fit the hints,
 * KG_ECORRUPT for the rest. */
KG_NODISCARD kg_err kg_tokenizer_from_json(kg_tokenizer **out, const void *data, size_t size,
					   const kg_tokenizer_hints *hints);

#endif
