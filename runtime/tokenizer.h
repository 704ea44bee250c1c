/* SPDX-License-Identifier: MIT */
/*
 * tokenizer – text to token ids and back: BPE by scores or by ranks.
 *
 * User tokens are found first, the leftmost first and of these the longest; what is between them is
 * cut into words (runtime/pretokenizer.h) and merged.
 *
 * By scores, as SentencePiece does: a text is split into characters (a byte and the UTF-8
 * continuation bytes after it, four at most); each is looked up; one that is not in the vocabulary
 * becomes its bytes' tokens, or the unknown token where not all of them have one. Then, again and
 * again, the adjacent pair whose joined piece has the highest score is merged, the
 * leftmost first among equals; a piece that is there twice means its lowest id. This is what
 * llama2.c does, with one restriction: control, unknown, unused and byte tokens never come from
 * the spelling of a text.
 *
 * By ranks, as GPT-2 does: the pair that stands earliest in the list of merges is merged first.
 * A byte-level vocabulary starts from bytes instead of characters.
 *
 * Any bytes can be encoded, NUL included, and any ids below the count decoded. What a vocabulary
 * with all bytes encoded decodes to the same bytes, or to their composed form where it wants that.
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
#include "runtime/merges.h"
#include "runtime/pretokenizer.h"

enum {
	KG_TOKENIZER_COUNT_MAX = 1 << 20,
	KG_TOKENIZER_PIECE_MAX = 1024,                    /* bytes of one piece */
	KG_TOKENIZER_TEXT_MAX = KG_PRETOKENIZER_TEXT_MAX, /* bytes of one text to encode */
	KG_TOKENIZER_BYTE_MODEL_COUNT = 259,              /* <unk> <s> </s> and 256 bytes */
};

/* No such token: what a rule may say instead of an id. */
#define KG_TOKENIZER_NONE UINT32_MAX

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

/* Building: a tokenizer of `count` ids, each put once, then merges if there are, then finish. */
KG_NODISCARD kg_err kg_tokenizer_new(kg_tokenizer **out, uint32_t count);
void kg_tokenizer_free(kg_tokenizer *tokenizer);

/* Copies a piece; U+2581, SentencePiece's mark, becomes the space it stands for in normal and user
 * tokens. KG_EINVAL for an id out of range or put twice, a piece
 * too long, a score that is not finite, a byte token not spelled "<0xNN>". */
KG_NODISCARD kg_err kg_tokenizer_put(kg_tokenizer *tokenizer, uint32_t id, const void *piece,
				     size_t size, float score, kg_token_kind kind);

/* Copies a piece of a byte-level vocabulary: normal ones are written in the alphabet of
 * runtime/alphabet.h, others as they are. KG_EINVAL as above. */
KG_NODISCARD kg_err kg_tokenizer_put_letters(kg_tokenizer *tokenizer, uint32_t id,
					     const char *piece, size_t size, kg_token_kind kind);

/* Appends the merge of two pieces, written as they were put, after all ids were; `letters` for
 * byte-level vocabularies. KG_EINVAL when an id is missing, or when one of the two, or what they
 * make, is not in the vocabulary; KG_EFULL beyond KG_MERGES_MAX. */
KG_NODISCARD kg_err kg_tokenizer_put_merge(kg_tokenizer *tokenizer, bool letters, const char *left,
					   size_t left_size, const char *right, size_t right_size);

/* The same from "left right". */
KG_NODISCARD kg_err kg_tokenizer_put_merge_line(kg_tokenizer *tokenizer, bool letters,
						const char *line, size_t size);

typedef struct {
	uint32_t bos; /* or KG_TOKENIZER_NONE, as the two below */
	uint32_t eos;
	uint32_t unknown;
	bool add_bos;          /* generation starts with bos */
	bool add_eos;          /* a text for training ends with eos */
	bool add_space_prefix; /* a text that is not empty gets a leading space, after user tokens
				  too */
	bool prefix_once;      /* ... only where the text starts */
	bool prefix_missing;   /* ... only where there is none */
	bool ranked;           /* merges by ranks */
	bool byte_level;       /* ranked, from bytes */
	bool ignore_merges;    /* a word that is a piece is that token, however it would merge */
	bool compose;          /* text between special tokens is composed first (runtime/nfc.h) */
	bool squeeze_spaces;   /* ... and keeps one space of several, and none at its ends */
	bool fuse_unknown;     /* one unknown token for several unknown characters in a row */
	kg_pretokenizer_kind words;
} kg_tokenizer_rules;

/* Builds the look-up. KG_EINVAL when an id is missing or a rule names an id out of range. */
KG_NODISCARD kg_err kg_tokenizer_finish(kg_tokenizer *tokenizer, const kg_tokenizer_rules *rules);

/* The tokenizer of byte models: 0 <unk>, 1 <s>, 2 </s>, 3 + byte; no merges, no space prefix. */
KG_NODISCARD kg_err kg_tokenizer_byte_model(kg_tokenizer **out);

uint32_t kg_tokenizer_count(const kg_tokenizer *tokenizer);
const kg_tokenizer_rules *kg_tokenizer_get_rules(const kg_tokenizer *tokenizer);
const kg_merges *kg_tokenizer_get_merges(const kg_tokenizer *tokenizer);

/* The stored piece, its score and kind; id < count. Borrowed; a NUL follows the last byte. */
const char *kg_tokenizer_piece(const kg_tokenizer *tokenizer, uint32_t id, size_t *size);
float kg_tokenizer_score(const kg_tokenizer *tokenizer, uint32_t id);
kg_token_kind kg_tokenizer_kind(const kg_tokenizer *tokenizer, uint32_t id);

/* The lowest id of a control, unknown or user token spelled so, or KG_TOKENIZER_NONE. */
uint32_t kg_tokenizer_special(const kg_tokenizer *tokenizer, const char *piece, size_t size);

/* Ids of a text, after bos when `bos` and there is one; free(*ids). *ids is never NULL on success.
 * "<s>" in the text is three characters, not a token. KG_EINVAL beyond KG_TOKENIZER_TEXT_MAX, and
 * for a byte that has no token where there is no unknown token either. */
KG_NODISCARD kg_err kg_tokenizer_encode(const kg_tokenizer *tokenizer, const void *text,
					size_t size, bool bos, uint32_t **ids, size_t *count);

/* A part of a text; neighbours of one kind are one part. No special token goes over the end of a
 * part; control and unknown tokens are recognised where `markup`. */
typedef struct {
	const char *text;
	size_t size;
	bool markup;
} kg_tokenizer_part;

/* Ids of the parts in a row, merged as one text, after bos when `bos`: prompts that hold both a
 * template's tokens and words of others, who cannot write tokens. As kg_tokenizer_encode. */
KG_NODISCARD kg_err kg_tokenizer_encode_parts(const kg_tokenizer *tokenizer,
					      const kg_tokenizer_part *parts, size_t parts_count,
					      bool bos, uint32_t **ids, size_t *count);

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
