/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sodium.h>

#include "identity/hash.h"

/* Built by hand from libsodium's one-shot function: length of the tag, tag, data. */
static void test_hash__is_blake2b_of_length_tag_data(void **state)
{
	static const char message[] = "\3abcinsight";
	uint8_t want[KG_HASH_SIZE];
	uint8_t got[KG_HASH_SIZE];

	(void)state;
	crypto_generichash(want, sizeof(want), (const uint8_t *)message, sizeof(message) - 1, NULL,
			   0);
	kg_hash(got, "abc", "insight", 7);
	assert_memory_equal(got, want, sizeof(want));
}

static void test_hash__pieces_give_the_whole(void **state)
{
	static const char text[] = "the quick brown fox";
	uint8_t whole[KG_HASH_SIZE];

	(void)state;
	kg_hash(whole, "t", text, strlen(text));
	for (size_t cut = 0; cut <= strlen(text); cut++) {
		kg_hash_stream stream;
		uint8_t got[KG_HASH_SIZE];

		kg_hash_init(&stream, "t");
		kg_hash_update(&stream, text, cut);
		kg_hash_update(&stream, text + cut, strlen(text) - cut);
		kg_hash_final(&stream, got);
		assert_memory_equal(got, whole, sizeof(whole));
	}
}

static void test_hash__tag_and_data_do_not_run_together(void **state)
{
	uint8_t a[KG_HASH_SIZE];
	uint8_t b[KG_HASH_SIZE];

	(void)state;
	kg_hash(a, "ab", "c", 1);
	kg_hash(b, "a", "bc", 2);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void test_hash__label_seed_is_the_tagged_hash(void **state)
{
	uint8_t want[KG_HASH_SIZE];
	uint8_t got[KG_HASH_SIZE];

	(void)state;
	kg_hash(want, "kindergarten seed label v1", "fairy-kindergarten-0", 20);
	assert_int_equal(kg_seed_from_label(got, "fairy-kindergarten-0"), KG_OK);
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(kg_seed_from_label(got, "Gänseblümchen"), KG_OK);
}

static void test_hash__label_limits(void **state)
{
	char label[KG_LABEL_MAX + 2];
	uint8_t seed[KG_HASH_SIZE];

	(void)state;
	memset(label, 'x', sizeof(label));
	label[KG_LABEL_MAX + 1] = '\0';
	assert_int_equal(kg_seed_from_label(seed, label), KG_EINVAL);
	label[KG_LABEL_MAX] = '\0';
	assert_int_equal(kg_seed_from_label(seed, label), KG_OK);
	assert_int_equal(kg_seed_from_label(seed, "x"), KG_OK);
	assert_int_equal(kg_seed_from_label(seed, ""), KG_EINVAL);
	assert_int_equal(kg_seed_from_label(seed, "a\xff"), KG_EINVAL);
	assert_int_equal(kg_seed_from_label(seed, "a\xc3"), KG_EINVAL);
	assert_int_equal(kg_seed_from_label(seed, "a\nb"), KG_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash__is_blake2b_of_length_tag_data),
		cmocka_unit_test(test_hash__pieces_give_the_whole),
		cmocka_unit_test(test_hash__tag_and_data_do_not_run_together),
		cmocka_unit_test(test_hash__label_seed_is_the_tagged_hash),
		cmocka_unit_test(test_hash__label_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
