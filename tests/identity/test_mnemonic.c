/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sodium.h>

#include "identity/mnemonic.h"
#include "identity/secret.h"
#include "identity/wordlist.h"
#include "tests/identity/bip39_vectors.h"

#define VECTORS (sizeof(bip39_vectors) / sizeof(bip39_vectors[0]))

static kg_err decode(uint8_t *entropy, size_t *size, const char *text)
{
	return kg_mnemonic_decode(entropy, size, text, strlen(text));
}

static void test_mnemonic__word_list_is_the_published_one(void **state)
{
	crypto_hash_sha256_state hash;
	uint8_t got[32];
	uint8_t want[32];

	(void)state;
	crypto_hash_sha256_init(&hash);
	for (int i = 0; i < KG_WORDLIST_COUNT; i++) {
		const char *word = kg_wordlist[i];

		crypto_hash_sha256_update(&hash, (const uint8_t *)word, strlen(word));
		crypto_hash_sha256_update(&hash, (const uint8_t *)"\n", 1);
		assert_int_equal(kg_wordlist_find(word), i);
	}
	crypto_hash_sha256_final(&hash, got);
	from_hex(want, 32, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
	assert_memory_equal(got, want, 32);
	assert_int_equal(kg_wordlist_find("aban"), -1);
	assert_int_equal(kg_wordlist_find("zzz"), -1);
	assert_int_equal(kg_wordlist_find(""), -1);
}

static void test_mnemonic__published_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
		uint8_t back[KG_MNEMONIC_ENTROPY_MAX];
		uint8_t seed[KG_MNEMONIC_SEED_SIZE];
		uint8_t want[KG_MNEMONIC_SEED_SIZE];
		char words[KG_MNEMONIC_SIZE];
		size_t size = strlen(bip39_vectors[i].entropy) / 2;
		size_t back_size;

		from_hex(entropy, size, bip39_vectors[i].entropy);
		assert_int_equal(kg_mnemonic_encode(words, entropy, size), KG_OK);
		assert_string_equal(words, bip39_vectors[i].words);
		assert_int_equal(decode(back, &back_size, words), KG_OK);
		assert_int_equal(back_size, size);
		assert_memory_equal(back, entropy, size);
		assert_int_equal(kg_mnemonic_seed(seed, entropy, size, "TREZOR"), KG_OK);
		from_hex(want, sizeof(want), bip39_vectors[i].seed);
		assert_memory_equal(seed, want, sizeof(want));
	}
	assert_int_equal(VECTORS, 24);
}

static void test_mnemonic__all_five_sizes_return(void **state)
{
	(void)state;
	assert_int_equal(kg_identity_init(), KG_OK);
	for (size_t size = 0; size <= 40; size++) {
		uint8_t entropy[40];
		uint8_t back[KG_MNEMONIC_ENTROPY_MAX];
		char words[KG_MNEMONIC_SIZE];
		size_t back_size;
		bool valid = size == 16 || size == 20 || size == 24 || size == 28 || size == 32;

		randombytes_buf(entropy, sizeof(entropy));
		assert_int_equal(kg_mnemonic_encode(words, entropy, size),
				 valid ? KG_OK : KG_EINVAL);
		if (!valid)
			continue;
		assert_int_equal(decode(back, &back_size, words), KG_OK);
		assert_int_equal(back_size, size);
		assert_memory_equal(back, entropy, size);
	}
}

static void test_mnemonic__space_case_and_wide_letters_do_not_matter(void **state)
{
	uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
	size_t size;

	(void)state;
	/* fullwidth "abandon", an ideographic space, a tab, line ends, capitals */
	assert_int_equal(decode(entropy, &size,
				"\n ABANDON\tabandon  Abandon abandon\r\nabandon abandon abandon "
				"abandon\v\fabandon \xef\xbd\x81\xef\xbd\x82\xef\xbd\x81\xef\xbd"
				"\x8e\xef\xbd\x84\xef\xbd\x8f\xef\xbd\x8e\xe3\x80\x80"
				"abandon about \n\n"),
			 KG_OK);
	assert_int_equal(size, 16);
	assert_true(sodium_is_zero(entropy, 16));
}

static void test_mnemonic__wrong_words_are_told_by_position(void **state)
{
	uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
	size_t size;

	(void)state;
	assert_int_equal(decode(entropy, &size, "abandon abandon sesame"), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "word 3"));
	assert_null(strstr(kg_err_text(), "sesame"));
	assert_int_equal(decode(entropy, &size, ""), KG_EINVAL);
	assert_int_equal(decode(entropy, &size, "abandon"), KG_EINVAL);
	assert_int_equal(decode(entropy, &size, "abandon \xff"), KG_EINVAL);
	assert_int_equal(kg_mnemonic_decode(entropy, &size, "zoo\0zoo", 7), KG_EINVAL);
}

static void test_mnemonic__checksum_guards_every_place(void **state)
{
	const char *words = bip39_vectors[VECTORS - 1].words;
	uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
	size_t size;
	int refused = 0;
	int places = 0;

	(void)state;
	/* Each word in turn replaced by "zoo": 8 bits of checksum let about 1 in 256 pass. */
	for (const char *at = words; at != NULL; at = strchr(at, ' ')) {
		char text[KG_MNEMONIC_TEXT_MAX];
		const char *from = *at == ' ' ? at + 1 : at;
		const char *to = from + strcspn(from, " ");

		(void)snprintf(text, sizeof(text), "%.*szoo%s", (int)(from - words), words, to);
		refused += decode(entropy, &size, text) == KG_ECORRUPT ? 1 : 0;
		places++;
		at = from;
	}
	assert_int_equal(places, 24);
	assert_true(refused >= 22);
}

static void test_mnemonic__every_prefix_is_refused(void **state)
{
	const char *words = bip39_vectors[VECTORS - 1].words; /* 24 words */
	uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
	size_t size;

	(void)state;
	for (size_t n = 0; n < strlen(words); n++) {
		kg_err err = kg_mnemonic_decode(entropy, &size, words, n);

		/* A prefix of 12, 15, 18 or 21 whole words may pass by its shorter checksum. */
		assert_true(err == KG_EINVAL || err == KG_ECORRUPT ||
			    (err == KG_OK && words[n] == ' ' && size < 32));
	}
	assert_int_equal(kg_mnemonic_decode(entropy, &size, words, strlen(words)), KG_OK);
	assert_int_equal(size, 32);
}

static void test_mnemonic__limits_of_text(void **state)
{
	uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
	char text[KG_MNEMONIC_TEXT_MAX + 1];
	size_t size;

	(void)state;
	memset(text, ' ', sizeof(text));
	(void)stpcpy(text, bip39_vectors[0].words);
	text[strlen(bip39_vectors[0].words)] = ' ';
	assert_int_equal(kg_mnemonic_decode(entropy, &size, text, KG_MNEMONIC_TEXT_MAX - 1), KG_OK);
	assert_int_equal(kg_mnemonic_decode(entropy, &size, text, KG_MNEMONIC_TEXT_MAX + 1),
			 KG_EINVAL);
	(void)snprintf(text, sizeof(text), "%s zoo", bip39_vectors[VECTORS - 1].words);
	assert_int_equal(decode(entropy, &size, text), KG_EINVAL);
	/* One sign that becomes eighteen: U+FDFA, 341 times. */
	for (size_t i = 0; i < 1023; i++)
		text[i] = "\xef\xb7\xba"[i % 3];
	assert_int_equal(kg_mnemonic_decode(entropy, &size, text, 1023), KG_EINVAL);
}

static void test_mnemonic__passphrase_is_normalized(void **state)
{
	static const uint8_t entropy[16];
	uint8_t composed[KG_MNEMONIC_SEED_SIZE];
	uint8_t decomposed[KG_MNEMONIC_SEED_SIZE];
	uint8_t capital[KG_MNEMONIC_SEED_SIZE];
	char text[KG_MNEMONIC_PASSPHRASE_MAX + 2];

	(void)state;
	assert_int_equal(kg_mnemonic_seed(composed, entropy, 16, "\xc3\xa4"), KG_OK);
	assert_int_equal(kg_mnemonic_seed(decomposed, entropy, 16, "a\xcc\x88"), KG_OK);
	assert_int_equal(kg_mnemonic_seed(capital, entropy, 16, "A\xcc\x88"), KG_OK);
	assert_memory_equal(composed, decomposed, sizeof(composed));
	assert_memory_not_equal(composed, capital, sizeof(composed));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(kg_mnemonic_seed(composed, entropy, 16, text), KG_EINVAL);
	assert_int_equal(kg_mnemonic_seed(composed, entropy, 16, "\xff"), KG_EINVAL);
}

static int nothing_left(void **state)
{
	(void)state;
	return kg_secret_used() == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mnemonic__word_list_is_the_published_one),
		cmocka_unit_test(test_mnemonic__published_vectors),
		cmocka_unit_test(test_mnemonic__all_five_sizes_return),
		cmocka_unit_test(test_mnemonic__space_case_and_wide_letters_do_not_matter),
		cmocka_unit_test(test_mnemonic__wrong_words_are_told_by_position),
		cmocka_unit_test(test_mnemonic__checksum_guards_every_place),
		cmocka_unit_test(test_mnemonic__every_prefix_is_refused),
		cmocka_unit_test(test_mnemonic__limits_of_text),
		cmocka_unit_test(test_mnemonic__passphrase_is_normalized),
	};

	return cmocka_run_group_tests(tests, NULL, nothing_left);
}
