/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/naive_words.h"

static const kg_pretokenizer_kind patterns[] = {
	KG_PRETOKENIZER_GPT2,      KG_PRETOKENIZER_LLAMA3, KG_PRETOKENIZER_QWEN2,
	KG_PRETOKENIZER_STARCODER, KG_PRETOKENIZER_FALCON,
};

enum { PATTERNS = sizeof(patterns) / sizeof(patterns[0]) };

static kg_pretokenizer *make(kg_pretokenizer_kind kind)
{
	kg_pretokenizer *p = NULL;

	assert_int_equal(kg_pretokenizer_new(&p, kind), KG_OK);
	return p;
}

/* `words` is the text with '/' where words end. */
static void check(kg_pretokenizer_kind kind, const char *words)
{
	kg_pretokenizer *p = make(kind);
	char text[NAIVE_TEXT_MAX];
	uint32_t *ends = NULL;
	size_t count = 0;
	size_t size = 0;
	size_t at = 0;

	for (const char *c = words; *c != '\0'; c++)
		if (*c != '/')
			text[size++] = *c;
	assert_int_equal(kg_pretokenizer_split(p, text, size, &ends, &count), KG_OK);
	for (size_t i = 0; i < count; i++) {
		size_t length = ends[i] - at;

		assert_memory_equal(words, text + at, length);
		words += length;
		assert_int_equal(*words, i + 1 < count ? '/' : '\0');
		words += i + 1 < count;
		at = ends[i];
	}
	assert_int_equal(at, size);
	free(ends);
	kg_pretokenizer_free(p);
}

/* Worked out from the patterns by hand. */
static void test_pretokenizer__cuts_as_the_patterns_say(void **state)
{
	(void)state;
	check(KG_PRETOKENIZER_NONE, "a b  c");
	check(KG_PRETOKENIZER_SPACES, "a/ b/ / c\nd");
	check(KG_PRETOKENIZER_GPT2, "Hello/ world/'s/ 123/abc/!?/\n/\n/x/  / y/  ");
	check(KG_PRETOKENIZER_GPT2, "I/'/LL/ I/'ll");
	check(KG_PRETOKENIZER_LLAMA3, "Hello/ world/'S/ /123/456/7/abc/!?\n/ \n\n/\tx/  / y/  ");
	check(KG_PRETOKENIZER_QWEN2, "a/1/2/ /3/(b/).\r\n/ / c");
	check(KG_PRETOKENIZER_STARCODER, "a/ /1/2/b/ c");
	check(KG_PRETOKENIZER_FALCON, "a/ /123/45/,/ b/$+/c");
}

static void test_pretokenizer__equals_the_patterns_written_out(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 11);
	for (int k = 0; k < PATTERNS; k++) {
		kg_pretokenizer *p = make(patterns[k]);

		for (int round = 0; round < 400; round++) {
			char text[NAIVE_TEXT_MAX];
			uint32_t expected[NAIVE_TEXT_MAX];
			uint32_t *ends = NULL;
			size_t size = naive_text(&rng, text);
			size_t count = 0;

			assert_int_equal(kg_pretokenizer_split(p, text, size, &ends, &count),
					 KG_OK);
			assert_int_equal(count, naive_words(patterns[k], text, size, expected));
			if (count > 0)
				assert_memory_equal(ends, expected, count * sizeof(*ends));
			free(ends);
		}
		kg_pretokenizer_free(p);
	}
}

/* Bytes that are no UTF-8: each run is a word, and what is around is cut as if alone. */
static void test_pretokenizer__sets_other_bytes_apart(void **state)
{
	(void)state;
	check(KG_PRETOKENIZER_GPT2, "a/\xff\xfe/ b/\xc3/c/\xe4\xb8");
	check(KG_PRETOKENIZER_GPT2, "\xed\xa0\x80/ /\xc0\xaf\xf4\x90\x80\x80/\xf4\x8f\xbf\xbf");
	check(KG_PRETOKENIZER_GPT2, "\xe0\x9f\xbf/z/\xf0\x8f\xbf\xbf/a\xc3\xa9/\xf5\x80");
}

static void test_pretokenizer__words_make_up_any_bytes(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 12);
	for (int round = 0; round < 1000; round++) {
		kg_pretokenizer *p = make(patterns[round % PATTERNS]);
		char text[NAIVE_TEXT_MAX];
		uint32_t *ends = NULL;
		size_t size = naive_text(&rng, text);
		size_t count = 0;

		for (size_t i = 0; i < size / 8; i++)
			text[kg_rng_below(&rng, size)] = (char)kg_rng_below(&rng, 256);
		assert_int_equal(kg_pretokenizer_split(p, text, size, &ends, &count), KG_OK);
		for (size_t i = 0; i < count; i++)
			assert_true(ends[i] > (i == 0 ? 0 : ends[i - 1]));
		assert_int_equal(count == 0 ? 0 : ends[count - 1], size);
		free(ends);
		kg_pretokenizer_free(p);
	}
}

/* A pattern that went back over what it read would take hours. */
static void test_pretokenizer__a_long_run_is_no_trouble(void **state)
{
	enum { SIZE = 1 << 20 };
	static const char *const runs[] = {" ", "\n", " \n", "a", "1", "!", "'", "\xff", "\xff!"};
	char *text = malloc(SIZE);

	(void)state;
	assert_non_null(text);
	for (size_t k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
		for (size_t i = 0; i < SIZE - 1; i++)
			text[i] = runs[k][i % strlen(runs[k])];
		text[SIZE - 1] = 'x';
		for (int i = 0; i < PATTERNS; i++) {
			kg_pretokenizer *p = make(patterns[i]);
			uint32_t *ends = NULL;
			size_t count = 0;

			assert_int_equal(kg_pretokenizer_split(p, text, SIZE, &ends, &count),
					 KG_OK);
			assert_int_equal(ends[count - 1], SIZE);
			free(ends);
			kg_pretokenizer_free(p);
		}
	}
	free(text);
}

static void test_pretokenizer__has_names(void **state)
{
	kg_pretokenizer_kind kind;

	(void)state;
	for (int i = 0; i < PATTERNS; i++) {
		const char *name = kg_pretokenizer_name(patterns[i]);

		assert_int_equal(kg_pretokenizer_from_name(&kind, name, strlen(name)), KG_OK);
		assert_int_equal(kind, patterns[i]);
	}
	assert_int_equal(kg_pretokenizer_from_name(&kind, "smollm", 6), KG_OK);
	assert_int_equal(kind, KG_PRETOKENIZER_STARCODER);
	assert_int_equal(kg_pretokenizer_from_name(&kind, "none", 4), KG_ENOTFOUND);
	assert_int_equal(kg_pretokenizer_from_name(&kind, "gpt-2x", 6), KG_ENOTFOUND);
	assert_int_equal(kg_pretokenizer_from_name(&kind, "", 0), KG_ENOTFOUND);
}

static void test_pretokenizer__a_text_has_a_limit(void **state)
{
	kg_pretokenizer *p = make(KG_PRETOKENIZER_GPT2);
	uint32_t *ends = NULL;
	size_t count = 7;

	(void)state;
	assert_int_equal(
		kg_pretokenizer_split(p, "", (size_t)KG_PRETOKENIZER_TEXT_MAX + 1, &ends, &count),
		KG_EINVAL);
	assert_int_equal(kg_pretokenizer_split(p, "", 0, &ends, &count), KG_OK);
	assert_int_equal(count, 0);
	assert_null(ends);
	kg_pretokenizer_free(p);
	kg_pretokenizer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pretokenizer__cuts_as_the_patterns_say),
		cmocka_unit_test(test_pretokenizer__equals_the_patterns_written_out),
		cmocka_unit_test(test_pretokenizer__sets_other_bytes_apart),
		cmocka_unit_test(test_pretokenizer__words_make_up_any_bytes),
		cmocka_unit_test(test_pretokenizer__a_long_run_is_no_trouble),
		cmocka_unit_test(test_pretokenizer__has_names),
		cmocka_unit_test(test_pretokenizer__a_text_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
