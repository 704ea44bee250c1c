/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sodium.h>

#include "identity/derive.h"
#include "identity/secret.h"

#define TEN     "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
#define WORDS_A TEN TEN "abandon abandon abandon art"
#define WORDS_B TEN "abandon about"

static kg_swarm *swarm_of(const char *words)
{
	kg_swarm *swarm = NULL;

	assert_int_equal(kg_swarm_from_mnemonic(&swarm, words, strlen(words)), KG_OK);
	return swarm;
}

/* Two identities as mmogit makes them: public key, and the signature of one message, which is over
 * content, author and timestamp without separators. */
static void test_derive__swarm_key_is_the_one_mmogit_makes(void **state)
{
	static const struct {
		const char *words;
		const char *public;
		const char *signature;
	} known[] = {
		{WORDS_A, "1de352e44cd333672593f2334a730e180aaf290de89aa16d480de594e34e2961",
		 "8cf02ff013a06a05916c07c213be4e7d4e8f2227524345af79501bfabf90d580"
		 "54c8d7b78277f79949cb55d58f55ff3a6505ab8b67a3d829e64b80facd806606"},
		{WORDS_B, "c5785e1865b708938aff8161d573006496663b1aa10834e396dc566869a2c66a",
		 "1a3a8ebde78da94d217d45e7f406eeda94b04e8c0b1cea7c94e348893b91fbce"
		 "d7707a5a61d3a59d3a20ce50a0d6be6014b22617a83ced9e6f92e3215855de08"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		kg_swarm *swarm = swarm_of(known[i].words);
		char public[KG_PUBKEY_TEXT_SIZE];
		char message[256];
		uint8_t want[KG_SIGNATURE_SIZE];
		uint8_t got[KG_SIGNATURE_SIZE];

		kg_pubkey_format(public, kg_swarm_id(swarm));
		assert_string_equal(public, known[i].public);
		(void)snprintf(message, sizeof(message),
			       "Hello, sovereign world!%s2025-08-27T15:30:45.123456789+00:00",
			       public);
		assert_int_equal(strlen(message), 122);
		from_hex(want, sizeof(want), known[i].signature);
		kg_key_sign(kg_swarm_key(swarm), got, message, strlen(message));
		assert_memory_equal(got, want, sizeof(want));
		kg_swarm_free(swarm);
	}
}

/* The chain of the header, done again by hand from the published seed of these words. */
static void test_derive__keys_follow_the_written_chain(void **state)
{
	static const uint8_t tag[] = "\x13kindergarten kdf v1";
	uint8_t message[sizeof(tag) - 1 + 64];
	uint8_t master[32];
	uint8_t context[32];
	uint8_t seed[32];
	uint8_t public[32];
	uint8_t secret[64];
	kg_swarm *swarm = swarm_of(WORDS_A);
	kg_curve *curve;
	kg_key *key;

	(void)state;
	memcpy(message, tag, sizeof(tag) - 1);
	from_hex(message + sizeof(tag) - 1, 64,
		 "408b285c123836004f4b8842c89324c1f01382450c0d439af345ba7fc49acf70"
		 "5489c6fc77dbd4e3dc1dd8cc6bc9f043db8ada1e243c4a0eafb290d399480840");
	crypto_generichash(master, 32, message, sizeof(message), NULL, 0);

	crypto_kdf_derive_from_key(context, 32, 1, "kgagents", master);
	crypto_generichash(seed, 32, (const uint8_t *)"agent-0", 7, context, 32);
	crypto_sign_seed_keypair(public, secret, seed);
	assert_int_equal(kg_swarm_agent_key(swarm, "agent-0", &key), KG_OK);
	assert_memory_equal(kg_key_public(key)->bytes, public, 32);
	kg_key_free(key);

	crypto_kdf_derive_from_key(context, 32, 1, "kgcurve_", master);
	crypto_generichash(seed, 32, (const uint8_t *)"memory", 6, context, 32);
	crypto_scalarmult_base(public, seed);
	assert_int_equal(kg_swarm_curve(swarm, "memory", &curve), KG_OK);
	assert_memory_equal(kg_curve_public(curve), public, 32);
	kg_curve_free(curve);

	crypto_kdf_derive_from_key(context, 32, 1, "kgoperat", master);
	crypto_generichash(seed, 32, (const uint8_t *)"operator", 8, context, 32);
	crypto_sign_seed_keypair(public, secret, seed);
	assert_memory_equal(kg_key_public(kg_swarm_operator_key(swarm))->bytes, public, 32);

	/* A later generation hashes the number too. */
	crypto_kdf_derive_from_key(context, 32, 1, "kgagents", master);
	crypto_generichash(seed, 32, (const uint8_t *)"agent-0\0\x02\x01\0\0", 12, context, 32);
	crypto_sign_seed_keypair(public, secret, seed);
	assert_int_equal(kg_swarm_key_at(swarm, "agent-0", 258, &key), KG_OK);
	assert_memory_equal(kg_key_public(key)->bytes, public, 32);
	kg_key_free(key);
	kg_swarm_free(swarm);
}

static void test_derive__keys_are_of_the_generation_in_use(void **state)
{
	static const char *const names[] = {"agent-7", KG_OPERATOR_NAME, "agent-10", "a"};
	kg_swarm *swarm = swarm_of(WORDS_A);
	kg_pubkey first = *kg_key_public(kg_swarm_operator_key(swarm));
	kg_key *in_use;
	kg_key *second;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(kg_swarm_set_generation(swarm, names[i], (uint32_t)i + 1), KG_OK);
	assert_string_equal(kg_swarm_renewed(swarm, 0), "a");
	assert_string_equal(kg_swarm_renewed(swarm, 1), "agent-10");
	assert_string_equal(kg_swarm_renewed(swarm, 2), "agent-7");
	assert_null(kg_swarm_renewed(swarm, 4));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(kg_swarm_generation(swarm, names[i]), i + 1);
	assert_int_equal(kg_swarm_generation(swarm, "agent-8"), 0);
	assert_int_equal(kg_swarm_agent_key(swarm, "agent-7", &in_use), KG_OK);
	assert_int_equal(kg_swarm_key_at(swarm, "agent-7", 1, &second), KG_OK);
	assert_true(kg_pubkey_equal(kg_key_public(in_use), kg_key_public(second)));
	kg_key_free(in_use);
	kg_key_free(second);
	assert_false(kg_pubkey_equal(&first, kg_key_public(kg_swarm_operator_key(swarm))));
	assert_int_equal(kg_swarm_set_generation(swarm, KG_OPERATOR_NAME, 0), KG_OK);
	assert_true(kg_pubkey_equal(&first, kg_key_public(kg_swarm_operator_key(swarm))));
	assert_null(kg_swarm_renewed(swarm, 3));
	assert_int_equal(kg_swarm_set_generation(swarm, "a", KG_GENERATION_MAX + 1), KG_EINVAL);
	assert_int_equal(kg_swarm_set_generation(swarm, "No Name", 1), KG_EINVAL);
	kg_swarm_free(swarm);
}

static void test_derive__same_words_same_keys(void **state)
{
	kg_swarm *a = swarm_of(WORDS_A);
	kg_swarm *b = swarm_of("  Abandon\t" TEN TEN " ABANDON abandon\nart\n");
	kg_key *ka;
	kg_key *kb;

	(void)state;
	assert_int_equal(kg_swarm_agent_key(a, "agent-7", &ka), KG_OK);
	assert_int_equal(kg_swarm_agent_key(b, "agent-7", &kb), KG_OK);
	assert_true(kg_pubkey_equal(kg_key_public(ka), kg_key_public(kb)));
	kg_key_free(ka);
	kg_key_free(kb);
	kg_swarm_free(a);
	kg_swarm_free(b);
}

enum { SWARMS = 2, NAMES = 100 };

static void test_derive__no_two_keys_are_equal(void **state)
{
	static kg_pubkey seen[SWARMS * (2 + 2 * NAMES)];
	kg_swarm *swarms[SWARMS] = {swarm_of(WORDS_A), swarm_of(WORDS_B)};
	size_t count = 0;

	(void)state;
	for (size_t s = 0; s < SWARMS; s++) {
		seen[count++] = *kg_swarm_id(swarms[s]);
		seen[count++] = *kg_key_public(kg_swarm_operator_key(swarms[s]));
		for (int n = 0; n < NAMES; n++) {
			char name[KG_NAME_SIZE];
			kg_curve *curve;
			kg_key *key;

			(void)snprintf(name, sizeof(name), "agent-%d", n);
			assert_int_equal(kg_swarm_agent_key(swarms[s], name, &key), KG_OK);
			seen[count++] = *kg_key_public(key);
			kg_key_free(key);
			assert_int_equal(kg_swarm_curve(swarms[s], name, &curve), KG_OK);
			memcpy(seen[count++].bytes, kg_curve_public(curve), KG_CURVE_SIZE);
			kg_curve_free(curve);
		}
		kg_swarm_free(swarms[s]);
	}
	assert_int_equal(count, sizeof(seen) / sizeof(seen[0]));
	for (size_t i = 0; i < count; i++)
		for (size_t k = i + 1; k < count; k++)
			assert_false(kg_pubkey_equal(&seen[i], &seen[k]));
}

static void test_derive__names_are_dns_labels(void **state)
{
	static const char *const good[] = {"a", "0", "agent-0", "a--b", "orchestrator"};
	static const char *const bad[] = {"",    "-",   "-a",  "a-", "A",
					  "a_b", "a.b", "a b", "ä",  "agent-0\n"};
	char name[KG_NAME_MAX + 2];
	kg_swarm *swarm = swarm_of(WORDS_A);
	kg_curve *curve;
	kg_key *key;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(kg_name_check(good[i]), KG_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(kg_name_check(bad[i]), KG_EINVAL);
		assert_int_equal(kg_swarm_agent_key(swarm, bad[i], &key), KG_EINVAL);
		assert_int_equal(kg_swarm_curve(swarm, bad[i], &curve), KG_EINVAL);
	}
	memset(name, 'x', sizeof(name));
	name[KG_NAME_MAX + 1] = '\0';
	assert_int_equal(kg_name_check(name), KG_EINVAL);
	name[KG_NAME_MAX] = '\0';
	assert_int_equal(kg_name_check(name), KG_OK);
	name[KG_NAME_MAX - 1] = '\0';
	assert_int_equal(kg_name_check(name), KG_OK);
	kg_swarm_free(swarm);
}

static void test_derive__bad_words_make_no_swarm(void **state)
{
	kg_swarm *swarm;

	(void)state;
	assert_int_equal(kg_swarm_from_mnemonic(&swarm, WORDS_A " art", strlen(WORDS_A " art")),
			 KG_EINVAL);
	assert_int_equal(
		kg_swarm_from_mnemonic(&swarm, TEN "abandon art", strlen(TEN "abandon art")),
		KG_ECORRUPT);
	assert_int_equal(kg_swarm_from_entropy(&swarm, (const uint8_t *)WORDS_A, 17), KG_EINVAL);
	kg_swarm_free(NULL);
}

static int nothing_left(void **state)
{
	(void)state;
	return kg_secret_used() == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derive__swarm_key_is_the_one_mmogit_makes),
		cmocka_unit_test(test_derive__keys_follow_the_written_chain),
		cmocka_unit_test(test_derive__keys_are_of_the_generation_in_use),
		cmocka_unit_test(test_derive__same_words_same_keys),
		cmocka_unit_test(test_derive__no_two_keys_are_equal),
		cmocka_unit_test(test_derive__names_are_dns_labels),
		cmocka_unit_test(test_derive__bad_words_make_no_swarm),
	};

	return cmocka_run_group_tests(tests, NULL, nothing_left);
}
