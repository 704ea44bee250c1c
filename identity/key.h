/* SPDX-License-Identifier: MIT */
/*
 * key – who signs: Ed25519 keys (RFC 8032).
 *
 * A public key is a plain value. It is trusted only after kg_pubkey_check: a key of low order
 * verifies signatures that nobody made. A secret key lives in locked memory (secret.h).
 */
#ifndef KG_IDENTITY_KEY_H
#define KG_IDENTITY_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	KG_PUBKEY_SIZE = 32,
	KG_PUBKEY_TEXT_SIZE = 2 * KG_PUBKEY_SIZE + 1, /* lowercase hex and the terminator */
	KG_SIGNATURE_SIZE = 64,
	KG_KEY_SEED_SIZE = 32
};

typedef struct {
	uint8_t bytes[KG_PUBKEY_SIZE];
} kg_pubkey;

typedef struct kg_key kg_key;

/* KG_EDENIED unless the bytes are the canonical encoding of a point of the prime-order group. */
KG_NODISCARD kg_err kg_pubkey_check(const kg_pubkey *pubkey);

/* From 64 lowercase hex digits: KG_EINVAL for other text, KG_EDENIED as kg_pubkey_check. */
KG_NODISCARD kg_err kg_pubkey_parse(kg_pubkey *pubkey, const char *text);
void kg_pubkey_format(char text[KG_PUBKEY_TEXT_SIZE], const kg_pubkey *pubkey);

bool kg_pubkey_equal(const kg_pubkey *a, const kg_pubkey *b);

/* KG_OK when `signature` over `data` is this key's; otherwise KG_EBADSIG, or KG_EDENIED when the
 * key is one that kg_pubkey_check refuses. Never KG_OK for a key of low order. */
KG_NODISCARD kg_err kg_pubkey_verify(const kg_pubkey *pubkey,
				     const uint8_t signature[KG_SIGNATURE_SIZE], const void *data,
				     size_t size);

/* The key of a 32-byte seed; the caller wipes its copy of the seed. */
KG_NODISCARD kg_err kg_key_new(kg_key **out, const uint8_t seed[KG_KEY_SEED_SIZE]);

/* A fresh random key. */
KG_NODISCARD kg_err kg_key_generate(kg_key **out);

void kg_key_free(kg_key *key);

/* Borrowed. */
const kg_pubkey *kg_key_public(const kg_key *key);

/* The 32-byte seed, borrowed, in locked memory: to be handed to the process that signs with it. */
const uint8_t *kg_key_seed(const kg_key *key);

/* The detached signature over `data`. */
void kg_key_sign(const kg_key *key, uint8_t signature[KG_SIGNATURE_SIZE], const void *data,
		 size_t size);

#endif
