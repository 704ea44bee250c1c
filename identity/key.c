/* SPDX-License-Identifier: MIT */
#include "identity/key.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "identity/secret.h"

_Static_assert(KG_PUBKEY_SIZE == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key");
_Static_assert(KG_SIGNATURE_SIZE == crypto_sign_BYTES, "Ed25519 signature");
_Static_assert(KG_KEY_SEED_SIZE == crypto_sign_SEEDBYTES, "Ed25519 seed");

struct kg_key {
	kg_pubkey public;
	uint8_t *secret; /* libsodium's form: seed, then public key */
};

kg_err kg_pubkey_check(const kg_pubkey *pubkey)
{
	if (crypto_core_ed25519_is_valid_point(pubkey->bytes) != 1)
		return kg_fail(KG_EDENIED, "not a public key that can be trusted: low order, "
					   "or no canonical point");
	return KG_OK;
}

kg_err kg_pubkey_parse(kg_pubkey *pubkey, const char *text)
{
	kg_pubkey parsed;
	kg_err err = kg_hex_decode(parsed.bytes, sizeof(parsed.bytes), text);

	if (err == KG_OK)
		err = kg_pubkey_check(&parsed);
	if (err == KG_OK)
		*pubkey = parsed;
	return err;
}

void kg_pubkey_format(char text[KG_PUBKEY_TEXT_SIZE], const kg_pubkey *pubkey)
{
	kg_hex_encode(text, pubkey->bytes, sizeof(pubkey->bytes));
}

bool kg_pubkey_equal(const kg_pubkey *a, const kg_pubkey *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

kg_err kg_pubkey_verify(const kg_pubkey *pubkey, const uint8_t signature[KG_SIGNATURE_SIZE],
			const void *data, size_t size)
{
	kg_err err;

	if (crypto_sign_verify_detached(signature, data, size, pubkey->bytes) == 0)
		return KG_OK;
	err = kg_pubkey_check(pubkey);
	return err != KG_OK ? err : kg_fail(KG_EBADSIG, "the signature does not match");
}

kg_err kg_key_new(kg_key **out, const uint8_t seed[KG_KEY_SEED_SIZE])
{
	kg_key *key = calloc(1, sizeof(*key));
	void *secret;
	kg_err err;

	if (key == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a key");
	err = kg_secret_new(&secret, crypto_sign_SECRETKEYBYTES);
	if (err != KG_OK) {
		free(key);
		return err;
	}
	key->secret = secret;
	KG_ASSERT(crypto_sign_seed_keypair(key->public.bytes, key->secret, seed) == 0);
	*out = key;
	return KG_OK;
}

kg_err kg_key_generate(kg_key **out)
{
	void *seed;
	kg_err err = kg_secret_new(&seed, KG_KEY_SEED_SIZE);

	if (err != KG_OK)
		return err;
	randombytes_buf(seed, KG_KEY_SEED_SIZE);
	err = kg_key_new(out, seed);
	kg_secret_free(seed);
	return err;
}

void kg_key_free(kg_key *key)
{
	if (key == NULL)
		return;
	kg_secret_free(key->secret);
	free(key);
}

const kg_pubkey *kg_key_public(const kg_key *key)
{
	return &key->public;
}

const uint8_t *kg_key_seed(const kg_key *key)
{
	return key->secret;
}

void kg_key_sign(const kg_key *key, uint8_t signature[KG_SIGNATURE_SIZE], const void *data,
		 size_t size)
{
	KG_ASSERT(crypto_sign_detached(signature, NULL, data, size, key->secret) == 0);
}
