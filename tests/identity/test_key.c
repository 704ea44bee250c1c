/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sodium.h>

#include "identity/curve.h"
#include "identity/key.h"
#include "identity/secret.h"

/* RFC 8032 §7.1: TEST 1, 2, 3 and TEST SHA(abc). */
static const struct {
	const char *seed;
	const char *public;
	const char *message;
	const char *signature;
} rfc8032[] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
	 "cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
	 "0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	 "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	 "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
	 "84dc6594a7c15e9716ed28dc027beceea1ec40a"},
	{"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
	 "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
	 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a"
	 "3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	 "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66"
	 "431e0303dca179c138ac17ad9bef1177331a704"},
};

/* The eight points of small order, then encodings that are not canonical (y = p, p + 1, and the
 * two where the sign of a zero x is set). */
static const char *const refused[] = {
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void test_key__rfc_8032_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rfc8032) / sizeof(rfc8032[0]); i++) {
		uint8_t seed[KG_KEY_SEED_SIZE];
		uint8_t message[64];
		uint8_t want[KG_SIGNATURE_SIZE];
		uint8_t got[KG_SIGNATURE_SIZE];
		char text[KG_PUBKEY_TEXT_SIZE];
		size_t size = strlen(rfc8032[i].message) / 2;
		kg_pubkey pubkey;
		kg_key *key;

		from_hex(seed, sizeof(seed), rfc8032[i].seed);
		from_hex(message, size, rfc8032[i].message);
		from_hex(want, sizeof(want), rfc8032[i].signature);
		assert_int_equal(kg_key_new(&key, seed), KG_OK);
		kg_pubkey_format(text, kg_key_public(key));
		assert_string_equal(text, rfc8032[i].public);
		assert_memory_equal(kg_key_seed(key), seed, sizeof(seed));
		kg_key_sign(key, got, message, size);
		assert_memory_equal(got, want, sizeof(want));
		assert_int_equal(kg_pubkey_parse(&pubkey, rfc8032[i].public), KG_OK);
		assert_int_equal(kg_pubkey_verify(&pubkey, want, message, size), KG_OK);
		kg_key_free(key);
	}
}

static void test_key__one_changed_bit_is_refused(void **state)
{
	uint8_t message[2] = {0xaf, 0x82};
	uint8_t signature[KG_SIGNATURE_SIZE];
	kg_pubkey pubkey;

	(void)state;
	assert_int_equal(kg_pubkey_parse(&pubkey, rfc8032[2].public), KG_OK);
	from_hex(signature, sizeof(signature), rfc8032[2].signature);
	for (size_t bit = 0; bit < 8 * sizeof(signature); bit++) {
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(kg_pubkey_verify(&pubkey, signature, message, 2), KG_EBADSIG);
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(message); bit++) {
		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(kg_pubkey_verify(&pubkey, signature, message, 2), KG_EBADSIG);
		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(kg_pubkey_verify(&pubkey, signature, message, 1), KG_EBADSIG);
	assert_int_equal(kg_pubkey_verify(&pubkey, signature, message, 2), KG_OK);
}

static void test_key__low_order_and_odd_encodings_are_refused(void **state)
{
	uint8_t forged[KG_SIGNATURE_SIZE] = {1};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		kg_pubkey pubkey;

		assert_int_equal(kg_pubkey_parse(&pubkey, refused[i]), KG_EDENIED);
		from_hex(pubkey.bytes, sizeof(pubkey.bytes), refused[i]);
		assert_int_equal(kg_pubkey_check(&pubkey), KG_EDENIED);
		for (uint8_t message = 0; message < 24; message++)
			assert_int_equal(kg_pubkey_verify(&pubkey, forged, &message, 1),
					 KG_EDENIED);
	}
}

/* A good key plus a point of order 8 is on the curve, but outside the group. */
static void test_key__mixed_order_is_refused(void **state)
{
	uint8_t good[32];
	uint8_t torsion[32];
	kg_pubkey mixed;

	(void)state;
	from_hex(good, sizeof(good), rfc8032[0].public);
	for (size_t i = 4; i < 8; i++) {
		from_hex(torsion, sizeof(torsion), refused[i]);
		assert_int_equal(crypto_core_ed25519_add(mixed.bytes, good, torsion), 0);
		assert_int_equal(kg_pubkey_check(&mixed), KG_EDENIED);
	}
}

static void test_key__text_is_exact(void **state)
{
	char text[KG_PUBKEY_TEXT_SIZE];
	kg_pubkey pubkey;

	(void)state;
	for (size_t n = 0; n < 64; n++) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)n, rfc8032[0].public);
		assert_int_equal(kg_pubkey_parse(&pubkey, text), KG_EINVAL);
	}
	assert_int_equal(kg_pubkey_parse(&pubkey, "D75A980182B10AB7D54BFED3C964073A0EE172F3DAA62325"
						  "AF021A68F707511A"),
			 KG_EINVAL);
}

static void test_key__generated_keys_differ(void **state)
{
	kg_key *a;
	kg_key *b;

	(void)state;
	assert_int_equal(kg_key_generate(&a), KG_OK);
	assert_int_equal(kg_key_generate(&b), KG_OK);
	assert_int_equal(kg_pubkey_check(kg_key_public(a)), KG_OK);
	assert_false(kg_pubkey_equal(kg_key_public(a), kg_key_public(b)));
	assert_true(kg_pubkey_equal(kg_key_public(a), kg_key_public(a)));
	kg_key_free(a);
	kg_key_free(b);
	kg_key_free(NULL);
}

/* RFC 7748 §6.1: Alice's and Bob's keys. */
static void test_key__curve_pairs_are_x25519(void **state)
{
	static const char *const pairs[][2] = {
		{"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		 "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
		{"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		 "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t secret[KG_CURVE_SIZE];
		uint8_t public[KG_CURVE_SIZE];
		kg_curve *curve;

		from_hex(secret, sizeof(secret), pairs[i][0]);
		from_hex(public, sizeof(public), pairs[i][1]);
		assert_int_equal(kg_curve_new(&curve, secret), KG_OK);
		assert_memory_equal(kg_curve_public(curve), public, sizeof(public));
		assert_memory_equal(kg_curve_secret(curve), secret, sizeof(secret));
		kg_curve_free(curve);
	}
}

static void test_key__generated_curve_pairs_agree(void **state)
{
	uint8_t ab[32];
	uint8_t ba[32];
	kg_curve *a;
	kg_curve *b;

	(void)state;
	assert_int_equal(kg_curve_generate(&a), KG_OK);
	assert_int_equal(kg_curve_generate(&b), KG_OK);
	assert_int_equal(crypto_scalarmult(ab, kg_curve_secret(a), kg_curve_public(b)), 0);
	assert_int_equal(crypto_scalarmult(ba, kg_curve_secret(b), kg_curve_public(a)), 0);
	assert_memory_equal(ab, ba, sizeof(ab));
	assert_memory_not_equal(kg_curve_public(a), kg_curve_public(b), 32);
	kg_curve_free(a);
	kg_curve_free(b);
	kg_curve_free(NULL);
}

/* With every slot taken a key cannot be made, and nothing is left half made. */
static void test_key__full_secret_memory_is_an_error(void **state)
{
	static void *all[KG_SECRET_SLOTS];
	uint8_t seed[KG_KEY_SEED_SIZE] = {0};
	kg_curve *curve;
	kg_key *key;

	(void)state;
	for (size_t i = 0; i < KG_SECRET_SLOTS; i++)
		assert_int_equal(kg_secret_new(&all[i], 1), KG_OK);
	assert_int_equal(kg_key_new(&key, seed), KG_EFULL);
	assert_int_equal(kg_key_generate(&key), KG_EFULL);
	assert_int_equal(kg_curve_new(&curve, seed), KG_EFULL);
	assert_int_equal(kg_curve_generate(&curve), KG_EFULL);
	for (size_t i = 0; i < KG_SECRET_SLOTS; i++)
		kg_secret_free(all[i]);
}

static int nothing_left(void **state)
{
	(void)state;
	return kg_secret_used() == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key__rfc_8032_vectors),
		cmocka_unit_test(test_key__one_changed_bit_is_refused),
		cmocka_unit_test(test_key__low_order_and_odd_encodings_are_refused),
		cmocka_unit_test(test_key__mixed_order_is_refused),
		cmocka_unit_test(test_key__text_is_exact),
		cmocka_unit_test(test_key__generated_keys_differ),
		cmocka_unit_test(test_key__curve_pairs_are_x25519),
		cmocka_unit_test(test_key__generated_curve_pairs_agree),
		cmocka_unit_test(test_key__full_secret_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, nothing_left);
}
