/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/tokenizer_gguf.h"
#include "runtime/tokenizer_sentencepiece.h"

static const kg_tokenizer_hints no_hints = {.bos = KG_TOKENIZER_NONE, .eos = KG_TOKENIZER_NONE};

enum { KIND_DEFAULT = 0 };

/* Fields of protocol buffers. */
static void put_varint(kg_buf *out, uint64_t value)
{
	for (; value > 127; value >>= 7)
		kg_buf_put_u8(out, (uint8_t)(value | 128));
	kg_buf_put_u8(out, (uint8_t)value);
}

static void put_number(kg_buf *out, uint32_t field, uint64_t value)
{
	put_varint(out, field << 3);
	put_varint(out, value);
}

static void put_bytes(kg_buf *out, uint32_t field, const void *data, size_t size)
{
	put_varint(out, field << 3 | 2);
	put_varint(out, size);
	kg_buf_put(out, data, size);
}

static void put_piece(kg_buf *out, const char *text, float score, int kind)
{
	kg_buf piece;
	uint32_t bits;

	memcpy(&bits, &score, sizeof(bits));
	kg_buf_init(&piece, 1 << 12);
	put_bytes(&piece, 1, text, strlen(text));
	put_varint(&piece, 2 << 3 | 5);
	kg_buf_put_u32le(&piece, bits);
	if (kind != KIND_DEFAULT)
		put_number(&piece, 3, (uint64_t)kind);
	put_bytes(out, 1, piece.data, piece.size);
	kg_buf_release(&piece);
}

/* What a model is made of, as far as tests differ. */
typedef struct {
	uint64_t type;
	bool bytes;
	bool space_after;
	bool keep_spaces; /* remove_extra_whitespaces is false */
	bool no_prefix;
	bool no_escape;
	const char *table;
	const char *extra; /* a piece of kind `extra_kind` */
	int extra_kind;
} shape;

static void put_settings(kg_buf *out, const shape *s)
{
	kg_buf part;

	kg_buf_init(&part, 1 << 12);
	put_bytes(&part, 2, "prefix of files", 15); /* a field of no interest */
	put_number(&part, 3, s->type);
	if (s->space_after)
		put_number(&part, 24, 1);
	if (s->bytes)
		put_number(&part, 35, 1);
	put_number(&part, 40, 0);
	put_number(&part, 41, 1);
	put_number(&part, 42, UINT64_MAX); /* -1: no eos */
	put_bytes(out, 2, part.data, part.size);
	kg_buf_clear(&part);
	put_bytes(&part, 1, "nmt_nfkc", 8);
	if (s->table != NULL)
		put_bytes(&part, 2, s->table, strlen(s->table));
	if (s->no_prefix)
		put_number(&part, 3, 0);
	if (s->keep_spaces)
		put_number(&part, 4, 0);
	if (s->no_escape)
		put_number(&part, 5, 0);
	put_bytes(out, 3, part.data, part.size);
	kg_buf_release(&part);
}

/* Ids: <unk> 0, <s> 1, space 2, a 3, b 4, c 5, ab 6, bc 7, " a" 8; then bytes or `extra`. */
static kg_buf file_of(const shape *s)
{
	kg_buf out;

	kg_buf_init(&out, 1 << 16);
	put_piece(&out, "<unk>", 0, KG_TOKEN_UNKNOWN);
	put_piece(&out, "<s>", 0, KG_TOKEN_CONTROL);
	put_piece(&out, "\u2581", -4, KIND_DEFAULT);
	put_piece(&out, "a", -5, KG_TOKEN_NORMAL);
	put_piece(&out, "b", -6, KIND_DEFAULT);
	put_piece(&out, "c", -7, KIND_DEFAULT);
	put_piece(&out, "ab", -2, KIND_DEFAULT);
	put_piece(&out, "bc", -1, KIND_DEFAULT);
	put_piece(&out, "\u2581a", -3, KIND_DEFAULT);
	if (s->bytes) {
		put_piece(&out, "<0xC3>", 0, KG_TOKEN_BYTE);
		put_piece(&out, "<0xA9>", 0, KG_TOKEN_BYTE);
	}
	if (s->extra != NULL)
		put_piece(&out, s->extra, 0, s->extra_kind);
	put_settings(&out, s);
	assert_int_equal(kg_buf_ok(&out), KG_OK);
	return out;
}

static kg_tokenizer *load(const shape *s)
{
	kg_buf file = file_of(s);
	kg_tokenizer *t = NULL;

	if (kg_tokenizer_from_sentencepiece(&t, file.data, file.size, &no_hints) != KG_OK)
		fail_msg("%s", kg_err_text());
	kg_buf_release(&file);
	return t;
}

static void check_ids(const kg_tokenizer *t, const char *text, const uint32_t *expected,
		      size_t expected_count)
{
	uint32_t *ids = NULL;
	size_t count = 0;

	assert_int_equal(kg_tokenizer_encode(t, text, strlen(text), false, &ids, &count), KG_OK);
	assert_int_equal(count, expected_count);
	if (count > 0)
		assert_memory_equal(ids, expected, count * sizeof(*ids));
	free(ids);
}

#define IDS(...) \
 (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)

static void test_sentencepiece__merges_by_score(void **state)
{
	const shape s = {.type = 2, .bytes = true, .keep_spaces = true};
	kg_tokenizer *t = load(&s);
	const kg_tokenizer_rules *rules = kg_tokenizer_get_rules(t);

	(void)state;
	assert_int_equal(kg_tokenizer_count(t), 11);
	assert_int_equal(rules->bos, 1);
	assert_int_equal(rules->eos, KG_TOKENIZER_NONE);
	assert_true(rules->add_bos);
	check_ids(t, "abc", IDS(8, 7));
	check_ids(t, "a  b", IDS(8, 2, 2, 4));
	check_ids(t, "\u00e9", IDS(2, 9, 10));
	/* One byte of two has a token: the character is unknown. */
	check_ids(t, "\u00e8a", IDS(2, 0, 3));
	kg_tokenizer_free(t);
}

/* Defaults of the format: spaces are squeezed; without bytes unknown characters become one. */
static void test_sentencepiece__by_its_defaults(void **state)
{
	const shape s = {.type = 4};
	kg_tokenizer *t = load(&s);

	(void)state;
	check_ids(t, "  a   b ", IDS(8, 2, 4));
	check_ids(t, "a\u00e9\u00e8 xb", IDS(8, 0, 2, 0, 4));
	check_ids(t, "   ", NULL, 0);
	kg_tokenizer_free(t);
}

static void test_sentencepiece__goes_through_a_model_file(void **state)
{
	const shape s = {.type = 2};
	kg_tokenizer *t = load(&s);
	kg_tokenizer *again = NULL;
	kg_gguf_writer writer;
	kg_gguf *gguf = NULL;
	kg_buf file;

	(void)state;
	kg_gguf_writer_init(&writer, KG_GGUF_ALIGNMENT);
	kg_buf_init(&file, 1 << 20);
	assert_int_equal(kg_tokenizer_to_gguf(t, &writer), KG_OK);
	assert_int_equal(kg_gguf_writer_finish(&writer, &file), KG_OK);
	assert_int_equal(kg_gguf_open(&gguf, file.data, file.size), KG_OK);
	assert_int_equal(kg_tokenizer_from_gguf(&again, gguf), KG_OK);
	check_ids(again, " \u00e9\u00e8  abc", IDS(2, 0, 8, 7));
	kg_gguf_free(gguf);
	kg_gguf_writer_release(&writer);
	kg_buf_release(&file);
	kg_tokenizer_free(again);
	kg_tokenizer_free(t);
}

static void test_sentencepiece__takes_hints(void **state)
{
	const shape s = {.type = 2, .bytes = true};
	const kg_tokenizer_hints hints = {.count = 13, .bos = 2, .eos = 3};
	const kg_tokenizer_hints few = {.count = 10, .bos = 2, .eos = 3};
	kg_buf file = file_of(&s);
	kg_tokenizer *t = NULL;

	(void)state;
	assert_int_equal(kg_tokenizer_from_sentencepiece(&t, file.data, file.size, &few),
			 KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "11 tokens; the model has 10"));
	assert_int_equal(kg_tokenizer_from_sentencepiece(&t, file.data, file.size, &hints), KG_OK);
	assert_int_equal(kg_tokenizer_count(t), 13);
	assert_int_equal(kg_tokenizer_kind(t, 12), KG_TOKEN_UNUSED);
	assert_int_equal(kg_tokenizer_get_rules(t)->bos, 2);
	assert_int_equal(kg_tokenizer_get_rules(t)->eos, 3);
	kg_tokenizer_free(t);
	kg_buf_release(&file);
}

static void refuses(const shape *s, kg_err code, const char *because)
{
	kg_buf file = file_of(s);
	kg_tokenizer *t = NULL;

	assert_int_equal(kg_tokenizer_from_sentencepiece(&t, file.data, file.size, &no_hints),
			 code);
	assert_null(t);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	kg_buf_release(&file);
}

static void test_sentencepiece__names_what_is_not_known(void **state)
{
	(void)state;
	refuses(&(shape){.type = 1}, KG_EINVAL, "unigram");
	refuses(&(shape){.type = 3}, KG_EINVAL, "word model");
	refuses(&(shape){.type = 9}, KG_ECORRUPT, "type");
	refuses(&(shape){.type = 2, .table = "x"}, KG_EINVAL, "nmt_nfkc");
	refuses(&(shape){.type = 2, .no_escape = true}, KG_EINVAL, "not escaped");
	refuses(&(shape){.type = 2, .space_after = true}, KG_EINVAL, "after words");
	refuses(&(shape){.type = 2, .extra = "d", .extra_kind = KG_TOKEN_UNUSED}, KG_EINVAL,
		"unused");
	refuses(&(shape){.type = 2, .extra = "d", .extra_kind = 7}, KG_ECORRUPT, "kind");
	refuses(&(shape){.type = 2, .extra = "<u>", .extra_kind = KG_TOKEN_USER}, KG_EINVAL,
		"user-defined");
	refuses(&(shape){.type = 2, .extra = "<0xZZ>", .extra_kind = KG_TOKEN_BYTE}, KG_EINVAL,
		"<0xNN>");
}

static void test_sentencepiece__user_pieces_where_spaces_stay(void **state)
{
	const shape s = {.type = 2,
			 .keep_spaces = true,
			 .no_prefix = true,
			 .extra = "<u>",
			 .extra_kind = KG_TOKEN_USER};
	kg_tokenizer *t = load(&s);

	(void)state;
	check_ids(t, "a<u> a", IDS(3, 9, 8));
	kg_tokenizer_free(t);
}

/* The settings come last, so a cut loses them or a piece. Every cut in a block of its own. */
static void test_sentencepiece__a_cut_file_is_refused(void **state)
{
	const shape s = {.type = 2, .bytes = true};
	kg_buf file = file_of(&s);
	size_t normalizer = file.size - 12; /* without its message all is the default */

	(void)state;
	for (size_t size = 0; size < file.size; size++) {
		uint8_t *part = malloc(size + 1);
		kg_tokenizer *t = NULL;

		assert_non_null(part);
		memcpy(part, file.data, size);
		if (size == normalizer) {
			assert_int_equal(kg_tokenizer_from_sentencepiece(&t, part, size, &no_hints),
					 KG_OK);
			kg_tokenizer_free(t);
		} else {
			assert_int_not_equal(
				kg_tokenizer_from_sentencepiece(&t, part, size, &no_hints), KG_OK);
			assert_null(t);
			assert_non_null(strstr(kg_err_text(), "tokenizer.model"));
		}
		free(part);
	}
	kg_buf_release(&file);
}

static void test_sentencepiece__broken_fields_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {
		{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}, /* a number without end */
		{"\x0b", 1},                                          /* a group */
		{"\x0a\xff\xff\xff\xff\x0f", 6},                      /* longer than the file */
		{"\x09\x00\x00", 3},                                  /* 64 bits cut off */
		{"\x0d\x00\x00", 3},                                  /* 32 bits cut off */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		kg_tokenizer *t = NULL;

		assert_int_equal(kg_tokenizer_from_sentencepiece(&t, cases[i].bytes, cases[i].size,
								 &no_hints),
				 KG_ECORRUPT);
		assert_null(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentencepiece__merges_by_score),
		cmocka_unit_test(test_sentencepiece__by_its_defaults),
		cmocka_unit_test(test_sentencepiece__goes_through_a_model_file),
		cmocka_unit_test(test_sentencepiece__takes_hints),
		cmocka_unit_test(test_sentencepiece__names_what_is_not_known),
		cmocka_unit_test(test_sentencepiece__user_pieces_where_spaces_stay),
		cmocka_unit_test(test_sentencepiece__a_cut_file_is_refused),
		cmocka_unit_test(test_sentencepiece__broken_fields_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
