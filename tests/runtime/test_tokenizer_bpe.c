/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/tokenizer_gguf.h"
#include "tests/runtime/learned.h"

static void check_ids(const kg_tokenizer *t, const char *text, size_t size,
		      const uint32_t *expected, size_t expected_count)
{
	uint32_t *ids = NULL;
	size_t count = 0;

	assert_int_equal(kg_tokenizer_encode(t, text, size, true, &ids, &count), KG_OK);
	assert_int_equal(count, expected_count);
	if (count > 0)
		assert_memory_equal(ids, expected, count * sizeof(*ids));
	free(ids);
}

static void test_tokenizer_bpe__equals_the_naive_algorithm(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 21);
	for (int kind = KG_PRETOKENIZER_GPT2; kind < KG_PRETOKENIZER_COUNT; kind++) {
		learned l;
		kg_tokenizer *t;

		learned_make(&l, (kg_pretokenizer_kind)kind, kind % 2 == 0, &rng);
		t = learned_tokenizer(&l);
		for (int round = 0; round < 200; round++) {
			char text[NAIVE_TEXT_MAX];
			uint32_t expected[NAIVE_TEXT_MAX];
			size_t size = naive_text(&rng, text);

			check_ids(t, text, size, expected,
				  learned_encode(&l, text, size, expected));
		}
		kg_tokenizer_free(t);
	}
}

static void test_tokenizer_bpe__gives_any_bytes_back(void **state)
{
	learned l;
	kg_tokenizer *t;
	kg_rng rng;
	kg_buf back;

	(void)state;
	kg_rng_init_u64(&rng, 22);
	learned_make(&l, KG_PRETOKENIZER_QWEN2, false, &rng);
	t = learned_tokenizer(&l);
	kg_buf_init(&back, NAIVE_TEXT_MAX);
	for (int round = 0; round < 500; round++) {
		char text[NAIVE_TEXT_MAX];
		uint32_t *ids = NULL;
		size_t count = 0;
		size_t size = naive_text(&rng, text);

		for (size_t i = 0; i < size / 4; i++)
			text[kg_rng_below(&rng, size)] = (char)kg_rng_below(&rng, 256);
		kg_buf_clear(&back);
		assert_int_equal(kg_tokenizer_encode(t, text, size, false, &ids, &count), KG_OK);
		assert_int_equal(kg_tokenizer_decode(t, ids, count, &back), KG_OK);
		assert_int_equal(back.size, size);
		assert_memory_equal(kg_buf_text(&back), text, size);
		free(ids);
	}
	kg_buf_release(&back);
	kg_tokenizer_free(t);
}

/* Two vocabularies of the bytes and what is put by hand: no merges. */
static kg_tokenizer *with_specials(learned *l)
{
	kg_tokenizer *t;
	kg_rng rng;

	kg_rng_init_u64(&rng, 23);
	learned_make(l, KG_PRETOKENIZER_GPT2, false, &rng);
	l->count = 256;
	l->merges_count = 0;
	t = learned_start(l, 5);
	assert_int_equal(kg_tokenizer_put_letters(t, 256, "<|a|>", 5, KG_TOKEN_USER), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 257, "<|a|>b c", 8, KG_TOKEN_USER), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 258, "<|end|>", 7, KG_TOKEN_CONTROL), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 259, "  ", 2, KG_TOKEN_USER), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 260, "<|a|>", 5, KG_TOKEN_CONTROL), KG_OK);
	learned_finish(l, t);
	return t;
}

static uint32_t id_of(uint8_t byte)
{
	return (byte * 7u + 3) % 256;
}

static void test_tokenizer_bpe__user_tokens_come_first_and_longest(void **state)
{
	learned l;
	kg_tokenizer *t = with_specials(&l);

	(void)state;
	check_ids(t, "<|a|>", 5, (uint32_t[]){256}, 1);
	check_ids(t, "x<|a|>b c", 9, (uint32_t[]){id_of('x'), 257}, 2);
	check_ids(t, "<|a|>b", 6, (uint32_t[]){256, id_of('b')}, 2);
	check_ids(t, "   <|a|><|a|>", 13, (uint32_t[]){259, id_of(' '), 256, 256}, 4);
	check_ids(t, "<|a|", 4, (uint32_t[]){id_of('<'), id_of('|'), id_of('a'), id_of('|')}, 4);
	assert_int_equal(kg_tokenizer_special(t, "<|a|>", 5), 256);
	assert_int_equal(kg_tokenizer_special(t, "<|end|>", 7), 258);
	assert_int_equal(kg_tokenizer_special(t, "<|end|", 6), KG_TOKENIZER_NONE);
	assert_int_equal(kg_tokenizer_special(t, "a", 1), KG_TOKENIZER_NONE);
	assert_int_equal(kg_tokenizer_special(t, "", 0), KG_TOKENIZER_NONE);
	kg_tokenizer_free(t);
}

static void test_tokenizer_bpe__only_markup_writes_control_tokens(void **state)
{
	static const kg_tokenizer_part parts[] = {
		{"<|end|>", 7, true},       {"", 0, true},     {"<|en", 4, true},
		{"d|><|a|><|en", 12, true}, {"d|>", 3, false}, {"<|end|>", 7, false},
		{"<|end|>", 7, true},
	};
	static const char spelled[] = "<|end|>";
	uint32_t expected[32];
	size_t expected_count = 0;
	uint32_t *ids = NULL;
	size_t count = 0;
	learned l;
	kg_tokenizer *t = with_specials(&l);

	(void)state;
	expected[expected_count++] = 258;
	expected[expected_count++] = 258;
	expected[expected_count++] = 256;
	for (size_t i = 0; i < 14; i++)
		expected[expected_count++] = id_of((uint8_t)spelled[i % 7]);
	check_ids(t, spelled, 7, expected + 3, 7);
	expected[expected_count++] = 258;
	assert_int_equal(kg_tokenizer_encode_parts(t, parts, sizeof(parts) / sizeof(parts[0]),
						   false, &ids, &count),
			 KG_OK);
	assert_int_equal(count, expected_count);
	assert_memory_equal(ids, expected, count * sizeof(*ids));
	free(ids);
	assert_int_equal(kg_tokenizer_encode_parts(t, NULL, 0, false, &ids, &count), KG_OK);
	assert_int_equal(count, 0);
	free(ids);
	kg_tokenizer_free(t);
}

static void test_tokenizer_bpe__a_byte_without_token_is_unknown_or_an_error(void **state)
{
	kg_tokenizer_rules rules = {.bos = KG_TOKENIZER_NONE,
				    .eos = KG_TOKENIZER_NONE,
				    .unknown = KG_TOKENIZER_NONE,
				    .ranked = true,
				    .byte_level = true};
	uint32_t *ids = NULL;
	size_t count;

	(void)state;
	for (int known = 0; known < 2; known++) {
		kg_tokenizer *t = NULL;

		assert_int_equal(kg_tokenizer_new(&t, 2), KG_OK);
		assert_int_equal(kg_tokenizer_put_letters(t, 0, "a", 1, KG_TOKEN_NORMAL), KG_OK);
		assert_int_equal(kg_tokenizer_put_letters(t, 1, "<unk>", 5, KG_TOKEN_UNKNOWN),
				 KG_OK);
		rules.unknown = known == 0 ? KG_TOKENIZER_NONE : 1;
		assert_int_equal(kg_tokenizer_finish(t, &rules), KG_OK);
		if (known == 0)
			assert_int_equal(kg_tokenizer_encode(t, "ab", 2, true, &ids, &count),
					 KG_EINVAL);
		else
			check_ids(t, "aba", 3, (uint32_t[]){0, 1, 0}, 3);
		kg_tokenizer_free(t);
	}
}

static void test_tokenizer_bpe__refuses_merges_of_nothing(void **state)
{
	char longer[2 * KG_TOKENIZER_PIECE_MAX + 1] = {0};
	kg_tokenizer *t = NULL;

	(void)state;
	assert_int_equal(kg_tokenizer_new(&t, 3), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 0, "a", 1, KG_TOKEN_NORMAL), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 1, "aa", 2, KG_TOKEN_NORMAL), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 2, "<0x61>", 6, KG_TOKEN_BYTE), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_letters(t, 2, longer, sizeof(longer), KG_TOKEN_NORMAL),
			 KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "a a", 3), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_letters(t, 2, "b", 1, KG_TOKEN_CONTROL), KG_OK);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "a a", 3), KG_OK);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "a b", 3), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "aa a", 4), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "aa", 2), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, " a", 2), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "a ", 2), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "", 0), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put_merge(t, true, longer, sizeof(longer), "a", 1),
			 KG_EINVAL);
	kg_tokenizer_free(t);
}

/* One word of a million letters: a merge that looked at all pairs again would take hours. */
static void test_tokenizer_bpe__a_long_word_is_no_trouble(void **state)
{
	enum { SIZE = 1 << 20 };
	kg_tokenizer_rules rules = {.bos = 0,
				    .eos = 0,
				    .unknown = 0,
				    .ranked = true,
				    .byte_level = true,
				    .words = KG_PRETOKENIZER_GPT2};
	kg_tokenizer *t = NULL;
	uint32_t *ids = NULL;
	char *text = malloc(SIZE);
	size_t count = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', SIZE);
	assert_int_equal(kg_tokenizer_new(&t, 3), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 0, "a", 1, KG_TOKEN_NORMAL), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 1, "aa", 2, KG_TOKEN_NORMAL), KG_OK);
	assert_int_equal(kg_tokenizer_put_letters(t, 2, "aaaa", 4, KG_TOKEN_NORMAL), KG_OK);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "a a", 3), KG_OK);
	assert_int_equal(kg_tokenizer_put_merge_line(t, true, "aa aa", 5), KG_OK);
	assert_int_equal(kg_tokenizer_finish(t, &rules), KG_OK);
	assert_int_equal(kg_tokenizer_encode(t, text, SIZE, false, &ids, &count), KG_OK);
	assert_int_equal(count, SIZE / 4);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(ids[i], 2);
	free(ids);
	free(text);
	kg_tokenizer_free(t);
}

/* A vocabulary-only file. */
static void write_file(const kg_tokenizer *t, kg_buf *file)
{
	kg_gguf_writer writer;

	kg_gguf_writer_init(&writer, KG_GGUF_ALIGNMENT);
	kg_buf_init(file, 1 << 20);
	assert_int_equal(kg_tokenizer_to_gguf(t, &writer), KG_OK);
	assert_int_equal(kg_gguf_writer_finish(&writer, file), KG_OK);
	kg_gguf_writer_release(&writer);
}

static kg_err read_file(kg_tokenizer **out, const uint8_t *file, size_t size)
{
	kg_gguf *gguf = NULL;
	kg_err err = kg_gguf_open(&gguf, file, size);

	if (err == KG_OK)
		err = kg_tokenizer_from_gguf(out, gguf);
	kg_gguf_free(gguf);
	return err;
}

static void check_rules(const kg_tokenizer_rules *a, const kg_tokenizer_rules *b)
{
	assert_int_equal(a->bos, b->bos);
	assert_int_equal(a->eos, b->eos);
	assert_int_equal(a->unknown, b->unknown);
	assert_int_equal(a->add_bos, b->add_bos);
	assert_int_equal(a->add_eos, b->add_eos);
	assert_int_equal(a->add_space_prefix, b->add_space_prefix);
	assert_int_equal(a->prefix_once, b->prefix_once);
	assert_int_equal(a->prefix_missing, b->prefix_missing);
	assert_int_equal(a->ranked, b->ranked);
	assert_int_equal(a->byte_level, b->byte_level);
	assert_int_equal(a->ignore_merges, b->ignore_merges);
	assert_int_equal(a->words, b->words);
}

static void test_tokenizer_bpe__goes_through_a_file(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 24);
	for (int kind = KG_PRETOKENIZER_GPT2; kind < KG_PRETOKENIZER_COUNT; kind++) {
		learned l;
		kg_tokenizer *t;
		kg_tokenizer *again = NULL;
		kg_buf file;

		learned_make(&l, (kg_pretokenizer_kind)kind, kind % 2 == 1, &rng);
		t = learned_tokenizer(&l);
		write_file(t, &file);
		assert_int_equal(read_file(&again, file.data, file.size), KG_OK);
		check_rules(kg_tokenizer_get_rules(again), kg_tokenizer_get_rules(t));
		for (int round = 0; round < 20; round++) {
			char text[NAIVE_TEXT_MAX];
			uint32_t expected[NAIVE_TEXT_MAX];
			size_t size = naive_text(&rng, text);

			check_ids(again, text, size, expected,
				  learned_encode(&l, text, size, expected));
		}
		kg_buf_release(&file);
		kg_tokenizer_free(again);
		kg_tokenizer_free(t);
	}
}

static void test_tokenizer_bpe__a_cut_file_is_refused(void **state)
{
	learned l;
	kg_tokenizer *t = with_specials(&l);
	kg_buf file;

	(void)state;
	write_file(t, &file);
	for (size_t size = 0; size < file.size; size++) {
		uint8_t *cut = malloc(size + 1);
		kg_tokenizer *again = NULL;

		assert_non_null(cut);
		memcpy(cut, file.data, size);
		/* The last bytes are padding before tensors that are not there. */
		if (read_file(&again, cut, size) == KG_OK)
			assert_true(file.size - size < KG_GGUF_ALIGNMENT);
		kg_tokenizer_free(again);
		free(cut);
	}
	kg_buf_release(&file);
	kg_tokenizer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokenizer_bpe__equals_the_naive_algorithm),
		cmocka_unit_test(test_tokenizer_bpe__gives_any_bytes_back),
		cmocka_unit_test(test_tokenizer_bpe__user_tokens_come_first_and_longest),
		cmocka_unit_test(test_tokenizer_bpe__only_markup_writes_control_tokens),
		cmocka_unit_test(test_tokenizer_bpe__a_byte_without_token_is_unknown_or_an_error),
		cmocka_unit_test(test_tokenizer_bpe__refuses_merges_of_nothing),
		cmocka_unit_test(test_tokenizer_bpe__a_long_word_is_no_trouble),
		cmocka_unit_test(test_tokenizer_bpe__goes_through_a_file),
		cmocka_unit_test(test_tokenizer_bpe__a_cut_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
