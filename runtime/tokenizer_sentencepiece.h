/* SPDX-License-Identifier: MIT */
/*
 * tokenizer_sentencepiece – a tokenizer from a SentencePiece model, the tokenizer.model of a
 * Hugging Face folder.
 *
 * Known are models of the types bpe and char whose normalizer is the identity. What would change
 * ids and is not known here (unigram and word models, tables of a normalizer, spaces that are not
 * escaped or come after words, unused pieces, user-defined pieces where spaces are added or taken
 * away) is refused by name. Generation starts with bos where there is one.
 */
#ifndef KG_RUNTIME_TOKENIZER_SENTENCEPIECE_H
#define KG_RUNTIME_TOKENIZER_SENTENCEPIECE_H

#include <stddef.h>

#include "base/err.h"
#include "runtime/tokenizer_json.h"

/* Hints as for tokenizer.json, but their bos and eos win. KG_EINVAL naming what is wrong with the
 * pieces, not known here or does not fit the hints, KG_ECORRUPT, KG_EFULL beyond
 * KG_TOKENIZER_JSON_SIZE_MAX, KG_ENOMEM. */
KG_NODISCARD kg_err kg_tokenizer_from_sentencepiece(kg_tokenizer **out, const void *data,
						    size_t size, const kg_tokenizer_hints *hints);

#endif
