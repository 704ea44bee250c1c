/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/alphabet.h"
#include "tests/runtime/learned.h"

/* Ids of bytes are not in the order of bytes. */
static uint32_t byte_id(uint8_t byte)
{
	return (byte * 7u + 3) % 256;
}

static int64_t find_piece(const learned *l, const char *bytes, size_t size)
{
	for (uint32_t id = 0; id < l->count; id++)
		if (l->pieces[id].size == size && memcmp(l->pieces[id].bytes, bytes, size) == 0)
			return id;
	return -1;
}

static size_t encode_word(const learned *l, const char *word, size_t size, uint32_t *ids)
{
	size_t count = 0;

	if (l->ignore_merges && find_piece(l, word, size) >= 0) {
		ids[0] = (uint32_t)find_piece(l, word, size);
		return 1;
	}
	for (size_t i = 0; i < size; i++)
		ids[count++] = byte_id((uint8_t)word[i]);
	for (uint32_t rank = 0; rank < l->merges_count; rank++) {
		const kg_merge *m = &l->merges[rank];
		bool found = false;

		for (size_t i = 0; i + 1 < count && !found; i++) {
			found = ids[i] == m->left && ids[i + 1] == m->right;
			if (!found)
				continue;
			ids[i] = m->joined;
			memmove(ids + i + 1, ids + i + 2, (count - i - 2) * sizeof(*ids));
			count--;
		}
		/* From the start again: this merge may have made an earlier one possible. */
		if (found)
			rank = UINT32_MAX;
	}
	return count;
}

size_t learned_encode(const learned *l, const char *text, size_t size, uint32_t *ids)
{
	uint32_t ends[NAIVE_TEXT_MAX];
	size_t words = naive_words(l->kind, text, size, ends);
	size_t count = 0;
	size_t at = 0;

	for (size_t i = 0; i < words; i++) {
		count += encode_word(l, text + at, ends[i] - at, ids + count);
		at = ends[i];
	}
	return count;
}

/* Makes a merge of two neighbours of a word, if it is a new one and not too long. */
static void learn(learned *l, const char *word, size_t size, kg_rng *rng)
{
	char joined[2 * LEARNED_PIECE_MAX];
	uint32_t ids[NAIVE_TEXT_MAX];
	size_t count = encode_word(l, word, size, ids);
	kg_merge m;
	size_t at;
	int64_t id;

	if (count < 2)
		return;
	at = kg_rng_below(rng, count - 1);
	m = (kg_merge){ids[at], ids[at + 1], 0};
	size = l->pieces[m.left].size + l->pieces[m.right].size;
	if (size > LEARNED_PIECE_MAX)
		return;
	memcpy(joined, l->pieces[m.left].bytes, l->pieces[m.left].size);
	memcpy(joined + l->pieces[m.left].size, l->pieces[m.right].bytes, l->pieces[m.right].size);
	id = find_piece(l, joined, size);
	if (id < 0) {
		id = l->count++;
		memcpy(l->pieces[id].bytes, joined, size);
		l->pieces[id].size = size;
	}
	m.joined = (uint32_t)id;
	l->merges[l->merges_count++] = m;
}

void learned_make(learned *l, kg_pretokenizer_kind kind, bool ignore_merges, kg_rng *rng)
{
	*l = (learned){.kind = kind, .count = 256};
	for (int byte = 0; byte < 256; byte++) {
		uint32_t id = byte_id((uint8_t)byte);

		l->pieces[id].bytes[0] = (char)byte;
		l->pieces[id].size = 1;
	}
	while (l->merges_count < LEARNED_MERGES) {
		uint32_t ends[NAIVE_TEXT_MAX];
		char text[NAIVE_TEXT_MAX];
		size_t size = naive_text(rng, text);
		size_t words = naive_words(kind, text, size, ends);
		size_t at = 0;

		for (size_t i = 0; i < words && l->merges_count < LEARNED_MERGES; i++) {
			learn(l, text + at, ends[i] - at, rng);
			at = ends[i];
		}
	}
	l->ignore_merges = ignore_merges;
}

kg_tokenizer *learned_start(const learned *l, uint32_t extra)
{
	kg_tokenizer *t = NULL;

	assert_int_equal(kg_tokenizer_new(&t, l->count + extra), KG_OK);
	for (uint32_t id = 0; id < l->count; id++) {
		char letters[KG_ALPHABET_LETTER_MAX * LEARNED_PIECE_MAX];
		size_t size = kg_alphabet_encode(letters, l->pieces[id].bytes, l->pieces[id].size);

		assert_int_equal(kg_tokenizer_put_letters(t, id, letters, size, KG_TOKEN_NORMAL),
				 KG_OK);
	}
	return t;
}

/* A piece of the vocabulary in letters, with what JSON wants escaped. */
static void put_piece(const learned *l, uint32_t id, bool escape, kg_buf *out)
{
	char letters[KG_ALPHABET_LETTER_MAX * LEARNED_PIECE_MAX];
	size_t size = kg_alphabet_encode(letters, l->pieces[id].bytes, l->pieces[id].size);

	for (size_t i = 0; i < size; i++) {
		if (escape && (letters[i] == '"' || letters[i] == '\\'))
			kg_buf_puts(out, "\\");
		kg_buf_put(out, &letters[i], 1);
	}
}

static void put_merge(const learned *l, uint32_t rank, bool escape, kg_buf *out)
{
	put_piece(l, l->merges[rank].left, escape, out);
	kg_buf_puts(out, " ");
	put_piece(l, l->merges[rank].right, escape, out);
}

void learned_finish(const learned *l, kg_tokenizer *t)
{
	kg_tokenizer_rules rules = {.bos = KG_TOKENIZER_NONE,
				    .eos = KG_TOKENIZER_NONE,
				    .unknown = KG_TOKENIZER_NONE,
				    .ranked = true,
				    .byte_level = true,
				    .ignore_merges = l->ignore_merges,
				    .words = l->kind};
	kg_buf line;

	kg_buf_init(&line, 1024);
	for (uint32_t rank = 0; rank < l->merges_count; rank++) {
		kg_buf_clear(&line);
		put_merge(l, rank, false, &line);
		assert_int_equal(
			kg_tokenizer_put_merge_line(t, true, kg_buf_text(&line), line.size), KG_OK);
	}
	assert_int_equal(kg_tokenizer_finish(t, &rules), KG_OK);
	kg_buf_release(&line);
}

kg_tokenizer *learned_tokenizer(const learned *l)
{
	kg_tokenizer *t = learned_start(l, 0);

	learned_finish(l, t);
	return t;
}

/* As the tokenizers library writes the families. */
static const char *pretokenizer_json(kg_pretokenizer_kind kind)
{
#define BYTE_LEVEL(pattern)                                                  \
 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true," \
 "\"use_regex\":" pattern "}"
#define SEQUENCE(steps) "{\"type\":\"Sequence\",\"pretokenizers\":[" steps "]}"
#define SPLIT(pattern)                                   \
 "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern \
 "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define DIGITS_AND(digits)                                                              \
 SPLIT("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits   \
       "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|" \
       "\\\\s+")
	switch (kind) {
	case KG_PRETOKENIZER_LLAMA3:
		return SEQUENCE(DIGITS_AND("\\\\p{N}{1,3}") "," BYTE_LEVEL("false"));
	case KG_PRETOKENIZER_QWEN2:
		return SEQUENCE(DIGITS_AND("\\\\p{N}") "," BYTE_LEVEL("false"));
	case KG_PRETOKENIZER_STARCODER:
		return SEQUENCE(
			"{\"type\":\"Digits\",\"individual_digits\":true}," BYTE_LEVEL("true"));
	case KG_PRETOKENIZER_FALCON:
		return SEQUENCE("{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}"
				"," BYTE_LEVEL("true") ",{\"type\":\"Digits\",\"individual_"
						       "digits\":false}," SPLIT("[0-9][0-9][0-9]"));
	default:
		return BYTE_LEVEL("true");
	}
}

void learned_json(const learned *l, kg_buf *out)
{
	kg_buf_printf(out,
		      "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
		      "\"pre_tokenizer\":%s,\"post_processor\":null,\"decoder\":null,"
		      "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
		      "\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"\","
		      "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":%s,"
		      "\"vocab\":{",
		      pretokenizer_json(l->kind), l->ignore_merges ? "true" : "false");
	for (uint32_t id = 0; id < l->count; id++) {
		kg_buf_puts(out, id == 0 ? "\"" : ",\"");
		put_piece(l, id, true, out);
		kg_buf_printf(out, "\":%u", id);
	}
	kg_buf_puts(out, "},\"merges\":[");
	for (uint32_t rank = 0; rank < l->merges_count; rank++) {
		kg_buf_puts(out, rank == 0 ? "\"" : ",\"");
		put_merge(l, rank, true, out);
		kg_buf_puts(out, "\"");
	}
	kg_buf_puts(out, "]}}");
	assert_int_equal(kg_buf_ok(out), KG_OK);
}
