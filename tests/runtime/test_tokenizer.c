/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/tokenizer.h"
#include "tests/runtime/tiny.h"

static bool mergeable(const kg_tokenizer *t, uint32_t id)
{
	kg_token_kind kind = kg_tokenizer_kind(t, id);

	return kind == KG_TOKEN_NORMAL || kind == KG_TOKEN_USER;
}

/* The first id whose piece is a + b, by looking at all of them; -1 for none. */
static int64_t naive_find(const kg_tokenizer *t, const char *a, size_t a_size, const char *b,
			  size_t b_size)
{
	for (uint32_t id = 0; id < kg_tokenizer_count(t); id++) {
		size_t size;
		const char *piece = kg_tokenizer_piece(t, id, &size);

		if (mergeable(t, id) && size == a_size + b_size && size > 0 &&
		    memcmp(piece, a, a_size) == 0 && memcmp(piece + a_size, b, b_size) == 0)
			return id;
	}
	return -1;
}

static uint32_t naive_byte(const kg_tokenizer *t, uint8_t byte)
{
	for (uint32_t id = 0; id < kg_tokenizer_count(t); id++) {
		size_t size;
		const char *piece = kg_tokenizer_piece(t, id, &size);

		if (kg_tokenizer_kind(t, id) == KG_TOKEN_BYTE &&
		    kg_tokenizer_byte_of(piece, size) == byte)
			return id;
	}
	return kg_tokenizer_get_rules(t)->unknown;
}

/* The tokens of a character's bytes, or the unknown token. */
static size_t naive_bytes(const kg_tokenizer *t, const uint8_t *text, size_t size, uint32_t *ids)
{
	uint32_t unknown = kg_tokenizer_get_rules(t)->unknown;

	for (size_t b = 0; b < size; b++)
		ids[b] = naive_byte(t, text[b]);
	for (size_t b = 0; b < size; b++)
		if (ids[b] == unknown) {
			ids[0] = unknown;
			return 1;
		}
	return size;
}

/* The algorithm as its header states it, in the plainest way: all pairs anew after each merge. */
static size_t naive_encode(const kg_tokenizer *t, const uint8_t *text, size_t size, uint32_t *ids)
{
	size_t count = 0;
	size_t length;

	for (size_t i = 0; i < size; i += length) {
		int64_t id;

		for (length = 1; length < 4 && i + length < size; length++)
			if ((text[i + length] & 0xc0) != 0x80)
				break;
		id = naive_find(t, (const char *)text + i, length, "", 0);
		if (id >= 0) {
			ids[count++] = (uint32_t)id;
			continue;
		}
		count += naive_bytes(t, text + i, length, ids + count);
	}
	for (;;) {
		float best_score = -1e10f;
		int64_t best = -1;
		size_t at = 0;

		for (size_t i = 0; i + 1 < count; i++) {
			size_t a_size;
			size_t b_size;
			const char *a = kg_tokenizer_piece(t, ids[i], &a_size);
			const char *b = kg_tokenizer_piece(t, ids[i + 1], &b_size);
			int64_t id;

			if (!mergeable(t, ids[i]) || !mergeable(t, ids[i + 1]))
				continue;
			id = naive_find(t, a, a_size, b, b_size);
			if (id >= 0 && kg_tokenizer_score(t, (uint32_t)id) > best_score) {
				best_score = kg_tokenizer_score(t, (uint32_t)id);
				best = id;
				at = i;
			}
		}
		if (best < 0)
			return count;
		ids[at] = (uint32_t)best;
		memmove(ids + at + 1, ids + at + 2, (count - at - 2) * sizeof(*ids));
		count--;
	}
}

/* A vocabulary of short strings over few letters, scores with many ties, some bytes. */
static kg_tokenizer *random_tokenizer(kg_rng *rng)
{
	static const kg_tokenizer_rules rules = {.bos = 1, .eos = 2};
	static const char letters[] = "ab \xc3\xa9x";
	uint32_t count = 20 + (uint32_t)kg_rng_below(rng, 60);
	kg_tokenizer *t = NULL;

	assert_int_equal(kg_tokenizer_new(&t, count), KG_OK);
	for (uint32_t id = 0; id < count; id++) {
		float score = (float)kg_rng_below(rng, 8) - 4.0f;
		char piece[8];
		size_t size = 1 + kg_rng_below(rng, id < 12 ? 2 : 6);
		kg_token_kind kind = KG_TOKEN_NORMAL;

		for (size_t i = 0; i < size; i++)
			piece[i] = letters[kg_rng_below(rng, sizeof(letters) - 1)];
		if (id < 3) {
			kind = id == 0 ? KG_TOKEN_UNKNOWN : KG_TOKEN_CONTROL;
		} else if (kg_rng_below(rng, 10) == 0) {
			memcpy(piece, "<0x61>", 6);
			size = 6;
			kind = KG_TOKEN_BYTE;
		} else if (kg_rng_below(rng, 20) == 0) {
			score = -2e10f;
		}
		assert_int_equal(kg_tokenizer_put(t, id, piece, size, score, kind), KG_OK);
	}
	assert_int_equal(kg_tokenizer_finish(t, &rules), KG_OK);
	return t;
}

static void test_tokenizer__equals_the_naive_algorithm(void **state)
{
	static const char letters[] = "aabb  \xc3\xa9x\x80z";
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 7);
	for (int round = 0; round < 300; round++) {
		kg_tokenizer *t = random_tokenizer(&rng);

		for (int k = 0; k < 5; k++) {
			uint8_t text[96];
			uint32_t expected[97];
			uint32_t *ids = NULL;
			size_t size = kg_rng_below(&rng, sizeof(text));
			size_t count = 0;

			for (size_t i = 0; i < size; i++)
				text[i] = (uint8_t)letters[kg_rng_below(&rng, sizeof(letters))];
			assert_int_equal(kg_tokenizer_encode(t, text, size, false, &ids, &count),
					 KG_OK);
			assert_int_equal(count, naive_encode(t, text, size, expected));
			assert_memory_equal(ids, expected, count * sizeof(*ids));
			free(ids);
		}
		kg_tokenizer_free(t);
	}
}

static void check_ids(const kg_tokenizer *t, const char *text, size_t size,
		      const uint32_t *expected, size_t expected_count)
{
	uint32_t *ids = NULL;
	size_t count = 0;

	assert_int_equal(kg_tokenizer_encode(t, text, size, true, &ids, &count), KG_OK);
	assert_int_equal(count, expected_count);
	assert_memory_equal(ids, expected, count * sizeof(*ids));
	free(ids);
}

/* By hand over the eleven pieces of tiny.c: "ab" (-5) is better than "abc" (-6) and " a" (-7). */
static void test_tokenizer__merges_the_best_pair_first(void **state)
{
	kg_model *model = tiny_model(true);
	const kg_tokenizer *t = kg_model_tokenizer(model);

	(void)state;
	check_ids(t, "", 0, (uint32_t[]){1}, 1);
	check_ids(t, "a", 1, (uint32_t[]){1, 9}, 2);
	check_ids(t, "ab", 2, (uint32_t[]){1, 3, 7}, 3);
	check_ids(t, "abc", 3, (uint32_t[]){1, 3, 8}, 3);
	check_ids(t, "aab", 3, (uint32_t[]){1, 9, 7}, 3);
	check_ids(t, "\xff", 1, (uint32_t[]){1, 3, 10}, 3);
	check_ids(t, "z", 1, (uint32_t[]){1, 3, 0}, 3);
	check_ids(t, "a\0b", 3, (uint32_t[]){1, 9, 0, 5}, 4);
	check_ids(t, "<s>", 3, (uint32_t[]){1, 3, 0, 0, 0}, 5);
	kg_model_free(model);
}

static void check_text(const kg_tokenizer *t, const uint32_t *ids, size_t count, const char *text)
{
	kg_buf out;

	kg_buf_init(&out, 1024);
	assert_int_equal(kg_tokenizer_decode(t, ids, count, &out), KG_OK);
	assert_int_equal(out.size, strlen(text));
	assert_string_equal(kg_buf_text(&out), text);
	kg_buf_release(&out);
}

static void test_tokenizer__decodes_what_ids_add(void **state)
{
	kg_model *model = tiny_model(true);
	const kg_tokenizer *t = kg_model_tokenizer(model);
	kg_buf out;

	(void)state;
	check_text(t, (uint32_t[]){1, 9, 7}, 3, "aab");
	check_text(t, (uint32_t[]){9, 7}, 2, " aab");
	check_text(t, (uint32_t[]){1, 3, 3, 8, 2}, 5, " abc");
	check_text(t, (uint32_t[]){1, 10, 4}, 3,
		   "\xff"
		   "a");
	check_text(t, NULL, 0, "");
	kg_buf_init(&out, 1024);
	assert_int_equal(kg_tokenizer_decode(t, (uint32_t[]){TINY_VOCABULARY}, 1, &out), KG_EINVAL);
	assert_int_equal(kg_tokenizer_decode(t, (uint32_t[]){4, UINT32_MAX}, 2, &out), KG_EINVAL);
	kg_buf_release(&out);
	kg_model_free(model);
}

static void test_tokenizer__bytes_go_both_ways(void **state)
{
	kg_tokenizer *t = NULL;
	uint32_t *ids = NULL;
	uint8_t all[256];
	size_t count = 0;
	kg_buf out;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)(i * 7);
	assert_int_equal(kg_tokenizer_byte_model(&t), KG_OK);
	assert_int_equal(kg_tokenizer_count(t), KG_TOKENIZER_BYTE_MODEL_COUNT);
	assert_int_equal(kg_tokenizer_encode(t, all, sizeof(all), true, &ids, &count), KG_OK);
	assert_int_equal(count, 257);
	assert_int_equal(ids[0], 1);
	for (size_t i = 0; i < 256; i++)
		assert_int_equal(ids[i + 1], all[i] + 3);
	kg_buf_init(&out, 1024);
	assert_int_equal(kg_tokenizer_decode(t, ids, count, &out), KG_OK);
	assert_int_equal(out.size, sizeof(all));
	assert_memory_equal(out.data, all, sizeof(all));
	kg_buf_release(&out);
	free(ids);
	kg_tokenizer_free(t);
}

/* A naive merge of this text would be a million times a million look-ups. */
static void test_tokenizer__a_long_text_is_no_trouble(void **state)
{
	enum { SIZE = 1 << 20 };

	kg_model *model = tiny_model(true);
	char *text = malloc(SIZE);
	uint32_t *ids = NULL;
	size_t count = 0;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < SIZE; i++)
		text[i] = "abcab "[i % 6];
	assert_int_equal(
		kg_tokenizer_encode(kg_model_tokenizer(model), text, SIZE, false, &ids, &count),
		KG_OK);
	/* Of six characters three tokens are left: "abc", "ab", " "; and the prefix. */
	assert_int_equal(count, 1 + SIZE / 6 * 3 + 2);
	free(ids);
	free(text);
	kg_model_free(model);
}

static void test_tokenizer__refuses_what_is_no_vocabulary(void **state)
{
	static const kg_tokenizer_rules rules = {.bos = 1, .eos = 2};
	static const kg_tokenizer_rules high = {.bos = 3};
	char longer[KG_TOKENIZER_PIECE_MAX + 1] = {0};
	kg_tokenizer *t = NULL;

	(void)state;
	assert_int_equal(kg_tokenizer_new(&t, 0), KG_EINVAL);
	assert_int_equal(kg_tokenizer_new(&t, KG_TOKENIZER_COUNT_MAX + 1), KG_EINVAL);
	assert_int_equal(kg_tokenizer_new(&t, 3), KG_OK);
	assert_int_equal(kg_tokenizer_put(t, 3, "a", 1, 0, KG_TOKEN_NORMAL), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put(t, 0, longer, sizeof(longer), 0, KG_TOKEN_NORMAL),
			 KG_EINVAL);
	assert_int_equal(kg_tokenizer_put(t, 0, "a", 1, NAN, KG_TOKEN_NORMAL), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put(t, 0, "a", 1, INFINITY, KG_TOKEN_NORMAL), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put(t, 0, "<0xG0>", 6, 0, KG_TOKEN_BYTE), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put(t, 0, "a", 1, 0, (kg_token_kind)7), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put(t, 0, longer, sizeof(longer) - 1, 0, KG_TOKEN_NORMAL),
			 KG_OK);
	assert_int_equal(kg_tokenizer_put(t, 0, "a", 1, 0, KG_TOKEN_NORMAL), KG_EINVAL);
	assert_int_equal(kg_tokenizer_finish(t, &rules), KG_EINVAL);
	assert_int_equal(kg_tokenizer_put(t, 1, "", 0, 0, KG_TOKEN_NORMAL), KG_OK);
	assert_int_equal(kg_tokenizer_put(t, 2, "a", 1, 0, KG_TOKEN_NORMAL), KG_OK);
	assert_int_equal(kg_tokenizer_finish(t, &high), KG_EINVAL);
	assert_int_equal(kg_tokenizer_finish(t, &rules), KG_OK);
	kg_tokenizer_free(t);
	kg_tokenizer_free(NULL);
}

static void test_tokenizer__a_text_has_a_limit(void **state)
{
	kg_model *model = tiny_model(true);
	uint32_t *ids = NULL;
	size_t count;

	(void)state;
	assert_int_equal(kg_tokenizer_encode(kg_model_tokenizer(model), "",
					     (size_t)KG_TOKENIZER_TEXT_MAX + 1, false, &ids,
					     &count),
			 KG_EINVAL);
	kg_model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokenizer__equals_the_naive_algorithm),
		cmocka_unit_test(test_tokenizer__merges_the_best_pair_first),
		cmocka_unit_test(test_tokenizer__decodes_what_ids_add),
		cmocka_unit_test(test_tokenizer__bytes_go_both_ways),
		cmocka_unit_test(test_tokenizer__a_long_text_is_no_trouble),
		cmocka_unit_test(test_tokenizer__refuses_what_is_no_vocabulary),
		cmocka_unit_test(test_tokenizer__a_text_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
