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
#include "runtime/tokenizer_json.h"
#include "tests/runtime/learned.h"

static const kg_tokenizer_hints no_hints = {.bos = KG_TOKENIZER_NONE, .eos = KG_TOKENIZER_NONE};

/* Llama 2's shape: "<unk>" 0, "<s>" 1, "</s>" 2, bytes 3 and 4, then pieces. */
static const char llama2[] =
	"{\"version\":\"1.0\",\"truncation\":null,\"added_tokens\":["
	"{\"id\":0,\"content\":\"<unk>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
	"\"normalized\":true,\"special\":true},"
	"{\"id\":1,\"content\":\"<s>\",\"special\":true},"
	"{\"id\":2,\"content\":\"</s>\",\"special\":true},"
	"{\"id\":13,\"content\":\"<user>\",\"special\":false}],"
	"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
	"{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},"
	"{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}]},"
	"\"pre_tokenizer\":null,"
	"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
	"{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\"}}]},"
	"\"decoder\":null,"
	"\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,"
	"\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"<0x0A>\":3,"
	"\"<0xC3>\":4,\"\xe2\x96\x81\":5,\"a\":6,\"b\":7,\"c\":8,\"ab\":9,\"bc\":10,"
	"\"\xe2\x96\x81\xe2\x96\x81\":11,\"abc\":12},"
	"\"merges\":[\"b c\",\"\xe2\x96\x81 \xe2\x96\x81\",\"a b\",\"ab c\"]}}";

static void check_ids(const kg_tokenizer *t, const char *text, const uint32_t *expected,
		      size_t expected_count)
{
	uint32_t *ids = NULL;
	size_t count = 0;

	assert_int_equal(kg_tokenizer_encode(t, text, strlen(text),
					     kg_tokenizer_get_rules(t)->add_bos, &ids, &count),
			 KG_OK);
	assert_int_equal(count, expected_count);
	if (count > 0)
		assert_memory_equal(ids, expected, count * sizeof(*ids));
	free(ids);
}

/* A copy with the first `from` replaced; free(). */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	kg_buf out;

	assert_non_null(at);
	kg_buf_init(&out, 1 << 20);
	kg_buf_put(&out, text, (size_t)(at - text));
	kg_buf_puts(&out, to);
	kg_buf_puts(&out, at + strlen(from));
	assert_int_equal(kg_buf_ok(&out), KG_OK);
	return (char *)kg_buf_take(&out, &(size_t){0});
}

static kg_tokenizer *load(const char *text)
{
	kg_tokenizer *t = NULL;

	assert_int_equal(kg_tokenizer_from_json(&t, text, strlen(text), &no_hints), KG_OK);
	return t;
}

static kg_tokenizer *load_with(const char *from, const char *to)
{
	char *text = replaced(llama2, from, to);
	kg_tokenizer *t = load(text);

	free(text);
	return t;
}

static void test_tokenizer_json__equals_the_naive_algorithm(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 31);
	for (int kind = KG_PRETOKENIZER_GPT2; kind < KG_PRETOKENIZER_COUNT; kind++) {
		kg_tokenizer *t;
		learned l;
		kg_buf file;

		kg_buf_init(&file, 1 << 20);
		learned_make(&l, (kg_pretokenizer_kind)kind, kind % 2 == 0, &rng);
		learned_json(&l, &file);
		t = load(kg_buf_text(&file));
		for (int round = 0; round < 50; round++) {
			char text[NAIVE_TEXT_MAX];
			uint32_t expected[NAIVE_TEXT_MAX];
			size_t size = naive_text(&rng, text);

			text[size] = '\0';
			check_ids(t, text, expected, learned_encode(&l, text, size, expected));
		}
		kg_tokenizer_free(t);
		kg_buf_release(&file);
	}
}

/* By hand: "b c" is merged before "a b", so that "abc" is a, bc and never abc; after a user token
 * the text starts anew. */
static void test_tokenizer_json__merges_by_rank_and_falls_back_to_bytes(void **state)
{
	kg_tokenizer *t = load(llama2);
	const kg_tokenizer_rules *rules = kg_tokenizer_get_rules(t);

	(void)state;
	assert_int_equal(kg_tokenizer_count(t), 14);
	assert_int_equal(rules->bos, 1);
	assert_true(rules->add_bos);
	assert_int_equal(rules->eos, KG_TOKENIZER_NONE);
	assert_int_equal(rules->unknown, 0);
	check_ids(t, "", (uint32_t[]){1}, 1);
	check_ids(t, "abc", (uint32_t[]){1, 5, 6, 10}, 4);
	check_ids(t, "ab", (uint32_t[]){1, 5, 9}, 3);
	check_ids(t, "  a", (uint32_t[]){1, 11, 5, 6}, 4);
	/* Not both bytes of the first have a token; unknown characters in a row are one. */
	check_ids(t, "\n\xc3\xa9z", (uint32_t[]){1, 5, 3, 0}, 4);
	check_ids(t, "a<user>a", (uint32_t[]){1, 5, 6, 13, 5, 6}, 6);
	check_ids(t, "<s>", (uint32_t[]){1, 5, 0}, 3);
	kg_tokenizer_free(t);
	t = load_with("\"fuse_unk\":true", "\"fuse_unk\":false");
	check_ids(t, "<s>", (uint32_t[]){1, 5, 0, 0, 0}, 5);
	check_ids(t, "\xc3\xa9z", (uint32_t[]){1, 5, 0, 0}, 4);
	kg_tokenizer_free(t);
}

static void test_tokenizer_json__knows_metaspace(void **state)
{
	static const char normalizer[] =
		"{\"type\":\"Sequence\",\"normalizers\":["
		"{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},"
		"{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}"
		"]},\"pre_tokenizer\":null";
	kg_tokenizer *t;

	(void)state;
	t = load_with(normalizer, "null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
				  "\"\xe2\x96\x81\",\"prepend_scheme\":\"first\",\"split\":true}");
	/* Words start at each space, so that two spaces are never one token; no prefix where there
	 * is a space. */
	check_ids(t, "  a<user>a", (uint32_t[]){1, 5, 5, 6, 13, 6}, 6);
	check_ids(t, "a a", (uint32_t[]){1, 5, 6, 5, 6}, 5);
	check_ids(t, "<user>a", (uint32_t[]){1, 13, 6}, 3);
	kg_tokenizer_free(t);
	t = load_with(normalizer, "null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
				  "\"\xe2\x96\x81\",\"prepend_scheme\":\"never\",\"split\":false}");
	check_ids(t, "  a", (uint32_t[]){1, 11, 6}, 3);
	kg_tokenizer_free(t);
	t = load_with(normalizer, "null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
				  "\"\xe2\x96\x81\",\"add_prefix_space\":true}");
	check_ids(t, "a<user>a", (uint32_t[]){1, 5, 6, 13, 5, 6}, 6);
	kg_tokenizer_free(t);
}

/* The tokenizer after a way through a model file. */
static kg_tokenizer *copy(const kg_tokenizer *t)
{
	kg_tokenizer *again = NULL;
	kg_gguf_writer writer;
	kg_gguf *gguf = NULL;
	kg_buf file;

	kg_gguf_writer_init(&writer, KG_GGUF_ALIGNMENT);
	kg_buf_init(&file, 1 << 20);
	assert_int_equal(kg_tokenizer_to_gguf(t, &writer), KG_OK);
	assert_int_equal(kg_gguf_writer_finish(&writer, &file), KG_OK);
	assert_int_equal(kg_gguf_open(&gguf, file.data, file.size), KG_OK);
	assert_int_equal(kg_tokenizer_from_gguf(&again, gguf), KG_OK);
	kg_gguf_free(gguf);
	kg_gguf_writer_release(&writer);
	kg_buf_release(&file);
	return again;
}

/* The ranked SentencePiece kind has no GGUF of its own: the rest goes into keys of ours. */
static void test_tokenizer_json__goes_through_a_model_file(void **state)
{
	kg_tokenizer *t = load(llama2);
	kg_tokenizer *again = copy(t);

	(void)state;
	check_ids(again, "abc", (uint32_t[]){1, 5, 6, 10}, 4);
	check_ids(again, "a<user>a", (uint32_t[]){1, 5, 6, 13, 5, 6}, 6);
	assert_int_equal(kg_tokenizer_get_rules(again)->eos, KG_TOKENIZER_NONE);
	/* Scores put pieces in the order of their merges. */
	assert_true(kg_tokenizer_score(again, 10) > kg_tokenizer_score(again, 9));
	assert_true(kg_tokenizer_score(again, 9) > kg_tokenizer_score(again, 12));
	assert_true(kg_tokenizer_score(again, 12) > kg_tokenizer_score(again, 6));
	kg_tokenizer_free(again);
	kg_tokenizer_free(t);
}

static void test_tokenizer_json__takes_hints(void **state)
{
	const kg_tokenizer_hints hints = {.count = 16, .bos = 2, .eos = 2};
	const kg_tokenizer_hints few = {
		.count = 13, .bos = KG_TOKENIZER_NONE, .eos = KG_TOKENIZER_NONE};
	const kg_tokenizer_hints high = {.bos = 14, .eos = 14};
	kg_tokenizer *t = NULL;
	size_t size;

	(void)state;
	assert_int_equal(kg_tokenizer_from_json(&t, llama2, strlen(llama2), &hints), KG_OK);
	assert_int_equal(kg_tokenizer_count(t), 16);
	assert_int_equal(kg_tokenizer_kind(t, 13), KG_TOKEN_USER);
	assert_int_equal(kg_tokenizer_kind(t, 14), KG_TOKEN_UNUSED);
	assert_string_equal(kg_tokenizer_piece(t, 15, &size), "[PAD15]");
	assert_int_equal(kg_tokenizer_get_rules(t)->bos, 1);
	assert_int_equal(kg_tokenizer_get_rules(t)->eos, 2);
	kg_tokenizer_free(t);
	assert_int_equal(kg_tokenizer_from_json(&t, llama2, strlen(llama2), &few), KG_EINVAL);
	assert_int_equal(kg_tokenizer_from_json(&t, llama2, strlen(llama2), &high), KG_ECORRUPT);
}

static void refuses(const char *from, const char *to, kg_err err, const char *why)
{
	char *text = replaced(llama2, from, to);
	kg_tokenizer *t = NULL;

	assert_int_equal(kg_tokenizer_from_json(&t, text, strlen(text), &no_hints), err);
	if (strstr(kg_err_text(), why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), why);
	free(text);
}

static void test_tokenizer_json__refuses_what_it_does_not_know(void **state)
{
	(void)state;
	refuses("\"type\":\"BPE\"", "\"type\":\"Unigram\"", KG_EINVAL, "Unigram");
	refuses("\"type\":\"Prepend\"", "\"type\":\"Lowercase\"", KG_EINVAL, "Lowercase");
	refuses("\"pre_tokenizer\":null", "\"pre_tokenizer\":{\"type\":\"Whitespace\"}", KG_EINVAL,
		"Whitespace");
	refuses("\"pre_tokenizer\":null",
		"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
		"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a-z]+\"},\"behavior\":\"Isolated\","
		"\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
		"\"use_regex\":false}]}",
		KG_EINVAL, "Split [a-z]+, ByteLevel");
	refuses("\"pre_tokenizer\":null",
		"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}", KG_EINVAL,
		"both");
	refuses("\"TemplateProcessing\"", "\"BertProcessing\"", KG_EINVAL, "BertProcessing");
	refuses("\"lstrip\":false", "\"lstrip\":true", KG_EINVAL, "lstrip");
	refuses("\"fuse_unk\"", "\"end_of_word_suffix\":\"</w>\",\"fuse_unk\"", KG_EINVAL,
		"affixes");
	refuses("\"fuse_unk\"", "\"dropout\":0.1,\"fuse_unk\"", KG_EINVAL, "dropout");
}

static void test_tokenizer_json__refuses_what_does_not_fit(void **state)
{
	(void)state;
	refuses("\"ab c\"", "\"ab d\"", KG_ECORRUPT, "merge");
	refuses("\"ab c\"", "\"abc\"", KG_ECORRUPT, "two pieces");
	refuses("\"ab c\"", "7", KG_ECORRUPT, "two pieces");
	refuses("\"ab c\"", "[\"ab\",7]", KG_ECORRUPT, "two pieces");
	refuses("\"abc\":12", "\"abc\":11", KG_ECORRUPT, "two tokens");
	refuses("\"abc\":12", "\"abc\":-1", KG_ECORRUPT, "id");
	refuses("\"abc\":12", "\"abc\":1048576", KG_ECORRUPT, "id");
	refuses("\"abc\":12", "\"abc\":\"12\"", KG_ECORRUPT, "id");
	refuses("\"id\":13", "\"id\":12", KG_ECORRUPT, "two tokens");
	refuses("\"id\":13", "\"no\":13", KG_ECORRUPT, "id");
	refuses("\"content\":\"<user>\"", "\"content\":7", KG_ECORRUPT, "content");
	refuses("{\"id\":\"<s>\"", "{\"id\":\"<t>\"", KG_ECORRUPT, "<t>");
	refuses("\"merges\"", "\"merge\"", KG_ECORRUPT, "merges");
	refuses("\"vocab\":{", "\"vocab\":[],\"v\":{", KG_ECORRUPT, "vocab");
}

/* Three letters of a byte-level vocabulary: e, e with its acute, the acute alone; and a token. */
static const char composing[] =
	"{\"added_tokens\":[{\"id\":6,\"content\":\"e\u0301!\",\"special\":false}],"
	"\"normalizer\":{\"type\":\"NFC\"},"
	"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
	"\"model\":{\"type\":\"BPE\",\"vocab\":{\"e\":0,\"\u00C3\":1,\"\u00A9\":2,"
	"\"\u00C3\u00A9\":3,\"\u00CC\":4,\"\u0123\":5},\"merges\":[\"\u00C3 \u00A9\"]}}";

static void test_tokenizer_json__a_normalizer_composes(void **state)
{
	static const uint32_t one[] = {3};
	static const uint32_t apart[] = {0, 4, 5};
	static const uint32_t with_token[] = {3, 6, 3};
	kg_tokenizer *t = NULL;
	kg_tokenizer *again;
	char *plain = replaced(composing, "{\"type\":\"NFC\"}", "null");

	(void)state;
	assert_int_equal(kg_tokenizer_from_json(&t, composing, strlen(composing), &no_hints),
			 KG_OK);
	again = copy(t);
	check_ids(t, "\u00e9", one, 1);
	check_ids(t, "e\u0301", one, 1);
	check_ids(t, "e\u0301e\u0301!e\u0301", with_token, 3);
	check_ids(again, "e\u0301", one, 1);
	kg_tokenizer_free(t);
	kg_tokenizer_free(again);
	assert_int_equal(kg_tokenizer_from_json(&t, plain, strlen(plain), &no_hints), KG_OK);
	check_ids(t, "\u00e9", one, 1);
	check_ids(t, "e\u0301", apart, 3);
	kg_tokenizer_free(t);
	free(plain);
}

static void test_tokenizer_json__a_cut_file_is_refused(void **state)
{
	size_t whole = strlen(llama2);
	kg_tokenizer *t = NULL;

	(void)state;
	for (size_t size = 0; size < whole; size++) {
		char *cut = malloc(size + 1);

		assert_non_null(cut);
		memcpy(cut, llama2, size);
		assert_int_equal(kg_tokenizer_from_json(&t, cut, size, &no_hints), KG_ECORRUPT);
		free(cut);
	}
	assert_null(t);
}

static void test_tokenizer_json__a_file_has_a_limit(void **state)
{
	size_t size = (size_t)KG_TOKENIZER_JSON_SIZE_MAX + 1;
	kg_tokenizer *t = NULL;

	(void)state;
	assert_int_equal(kg_tokenizer_from_json(&t, llama2, size, &no_hints), KG_EFULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokenizer_json__equals_the_naive_algorithm),
		cmocka_unit_test(test_tokenizer_json__merges_by_rank_and_falls_back_to_bytes),
		cmocka_unit_test(test_tokenizer_json__knows_metaspace),
		cmocka_unit_test(test_tokenizer_json__goes_through_a_model_file),
		cmocka_unit_test(test_tokenizer_json__takes_hints),
		cmocka_unit_test(test_tokenizer_json__refuses_what_it_does_not_know),
		cmocka_unit_test(test_tokenizer_json__refuses_what_does_not_fit),
		cmocka_unit_test(test_tokenizer_json__a_normalizer_composes),
		cmocka_unit_test(test_tokenizer_json__a_cut_file_is_refused),
		cmocka_unit_test(test_tokenizer_json__a_file_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
