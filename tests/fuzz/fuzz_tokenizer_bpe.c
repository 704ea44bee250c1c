/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tokenizer_bpe – merges and a text from any bytes: what is encoded decodes to the text, or to
 * a composed one that stays as it is.
 *
 * Input: the family (low 3 bits), whether merges are ignored, whether texts are composed; the
 * number of merges; two bytes for each, ids of those before it; a user token's length and bytes;
 * the rest is the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/alphabet.h"
#include "runtime/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECE_MAX = 16, MERGES_MAX = 256, COUNT_MAX = 256 + MERGES_MAX + 1 };

typedef struct {
	char bytes[PIECE_MAX];
	size_t size;
} piece;

typedef struct {
	const uint8_t *data;
	size_t size;
} input;

static uint8_t take(input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static void put(kg_tokenizer *t, uint32_t id, const piece *p, kg_token_kind kind)
{
	char letters[KG_ALPHABET_LETTER_MAX * PIECE_MAX];
	size_t size = kg_alphabet_encode(letters, p->bytes, p->size);
	kg_err err = kind == KG_TOKEN_NORMAL
			     ? kg_tokenizer_put_letters(t, id, letters, size, kind)
			     : kg_tokenizer_put_letters(t, id, p->bytes, p->size, kind);

	if (err != KG_OK)
		abort();
}

/* Pieces by merging earlier ones; those that would be too long are not made. */
static uint32_t make_pieces(input *in, piece *pieces, uint32_t pairs[][2])
{
	uint32_t wanted = take(in);
	uint32_t made = 0;

	for (uint32_t id = 0; id < 256; id++)
		pieces[id] = (piece){{(char)id}, 1};
	for (uint32_t i = 0; i < wanted; i++) {
		/* The latest pieces, or bytes: 128 and up stand for what was made. */
		uint32_t a = take(in);
		uint32_t b = take(in);
		piece *p = &pieces[256 + made];

		a = a >= 128 && a - 128 < made ? 256 + a - 128 : a;
		b = b >= 128 && b - 128 < made ? 256 + b - 128 : b;
		if (pieces[a].size + pieces[b].size > PIECE_MAX)
			continue;
		*p = pieces[a];
		memcpy(p->bytes + p->size, pieces[b].bytes, pieces[b].size);
		p->size += pieces[b].size;
		pairs[made][0] = a;
		pairs[made][1] = b;
		made++;
	}
	return made;
}

static kg_tokenizer *build(input *in)
{
	static piece pieces[COUNT_MAX];
	uint32_t pairs[MERGES_MAX][2];
	kg_tokenizer_rules rules = {.bos = KG_TOKENIZER_NONE,
				    .eos = KG_TOKENIZER_NONE,
				    .unknown = KG_TOKENIZER_NONE,
				    .ranked = true,
				    .byte_level = true};
	uint8_t first = take(in);
	uint32_t made = make_pieces(in, pieces, pairs);
	piece user = {.size = take(in) % PIECE_MAX};
	kg_tokenizer *t = NULL;

	for (size_t i = 0; i < user.size; i++)
		user.bytes[i] = (char)take(in);
	rules.words = (kg_pretokenizer_kind)((first & 7) % KG_PRETOKENIZER_COUNT);
	rules.ignore_merges = (first & 8) != 0;
	rules.compose = (first & 16) != 0;
	if (kg_tokenizer_new(&t, 256 + made + 1) != KG_OK)
		abort();
	for (uint32_t id = 0; id < 256 + made; id++)
		put(t, id, &pieces[id], KG_TOKEN_NORMAL);
	put(t, 256 + made, &user, KG_TOKEN_USER);
	for (uint32_t i = 0; i < made; i++) {
		char left[KG_ALPHABET_LETTER_MAX * PIECE_MAX];
		char right[KG_ALPHABET_LETTER_MAX * PIECE_MAX];
		const piece *a = &pieces[pairs[i][0]];
		const piece *b = &pieces[pairs[i][1]];
		size_t left_size = kg_alphabet_encode(left, a->bytes, a->size);
		size_t right_size = kg_alphabet_encode(right, b->bytes, b->size);

		if (kg_tokenizer_put_merge(t, true, left, left_size, right, right_size) != KG_OK)
			abort();
	}
	if (kg_tokenizer_finish(t, &rules) != KG_OK)
		abort();
	return t;
}

/* Appends what the ids of a text decode to; false for a text that cannot be composed. */
static bool there_and_back(const kg_tokenizer *t, const void *text, size_t size, kg_buf *out)
{
	uint32_t *ids = NULL;
	size_t count;

	if (kg_tokenizer_encode(t, text, size, true, &ids, &count) != KG_OK) {
		if (!kg_tokenizer_get_rules(t)->compose)
			abort();
		return false;
	}
	if (kg_tokenizer_decode(t, ids, count, out) != KG_OK)
		abort();
	free(ids);
	return true;
}

static bool same(const kg_buf *a, const void *b, size_t size)
{
	return a->size == size && (size == 0 || memcmp(a->data, b, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input in = {data, size};
	kg_tokenizer *t = build(&in);
	kg_buf out;
	kg_buf again;

	kg_buf_init(&out, 1 << 24);
	kg_buf_init(&again, 1 << 24);
	if (there_and_back(t, in.data, in.size, &out)) {
		if (!kg_tokenizer_get_rules(t)->compose && !same(&out, in.data, in.size))
			abort();
		if (!there_and_back(t, kg_buf_text(&out), out.size, &again) ||
		    !same(&again, kg_buf_text(&out), out.size))
			abort();
	}
	kg_buf_release(&out);
	kg_buf_release(&again);
	kg_tokenizer_free(t);
	return 0;
}
