/* SPDX-License-Identifier: MIT */
/*
 * pretokenizer – where a text is cut into words before its letters are merged.
 *
 * The published patterns of each family, matched by PCRE2 with Unicode properties; "\s" in them is
 * Unicode's White_Space. A family may have several stages: each cuts the words of the one before,
 * as if a word were a whole text. What a pattern leaves out is a word of its own, and so is a run
 * of bytes that are not UTF-8. Words are never empty and make up the whole text.
 *
 * A kg_pretokenizer does not change; threads may share it.
 */
#ifndef KG_RUNTIME_PRETOKENIZER_H
#define KG_RUNTIME_PRETOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	KG_PRETOKENIZER_TEXT_MAX = 16 << 20, /* bytes of one text */
	KG_PRETOKENIZER_STAGES_MAX = 4,
};

typedef enum {
	KG_PRETOKENIZER_NONE,      /* the text is one word */
	KG_PRETOKENIZER_SPACES,    /* every space starts a word */
	KG_PRETOKENIZER_GPT2,      /* contractions, letters, digits, others, white space */
	KG_PRETOKENIZER_LLAMA3,    /* up to three digits, line ends after marks */
	KG_PRETOKENIZER_QWEN2,     /* the same with single digits */
	KG_PRETOKENIZER_STARCODER, /* single digits, then GPT-2; SmolLM too */
	KG_PRETOKENIZER_FALCON,    /* marks, then GPT-2, then three digits */
	KG_PRETOKENIZER_COUNT,
} kg_pretokenizer_kind;

/* The family that tokenizer.ggml.pre names; KG_ENOTFOUND when unknown. */
KG_NODISCARD kg_err kg_pretokenizer_from_name(kg_pretokenizer_kind *out, const char *name,
					      size_t size);

/* The name to write for a byte-level family. */
const char *kg_pretokenizer_name(kg_pretokenizer_kind kind);

/* The published pattern of a Split, or the stage of its family that is one: what a tokenizer.json
 * spells. NULL where the family has no pattern of its own. */
const char *kg_pretokenizer_published(kg_pretokenizer_kind kind);

typedef struct kg_pretokenizer kg_pretokenizer;

/* KG_ENOMEM; KG_EFAIL with a PCRE2 that was built without Unicode. */
KG_NODISCARD kg_err kg_pretokenizer_new(kg_pretokenizer **out, kg_pretokenizer_kind kind);
void kg_pretokenizer_free(kg_pretokenizer *pretokenizer);

/* Ends of the words, ascending; the last is `size`. free(*ends); NULL and 0 for an empty text.
 * KG_EINVAL beyond KG_PRETOKENIZER_TEXT_MAX or when matching takes more steps than it may. */
KG_NODISCARD kg_err kg_pretokenizer_split(const kg_pretokenizer *pretokenizer, const void *text,
					  size_t size, uint32_t **ends, size_t *count);

#endif
