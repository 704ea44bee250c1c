/* SPDX-License-Identifier: MIT */
/*
 * keyring – the identity of a swarm at rest: <state>/keys/swarm.key and swarm.pub.
 *
 * swarm.key holds the entropy of the words, mode 0600 in a directory of mode 0700, either as it is
 * or sealed under a passphrase (Argon2id once per opening, XChaCha20-Poly1305 with the header as
 * associated data). It is created once and never replaced. swarm.pub is text, signed by the swarm
 * key, for whoever needs no secret. Layout of swarm.key, integers little-endian:
 *
 *    0  8  "KGSWARMK"              28  4  algorithm (crypto_pwhash: 2, Argon2id13)
 *    8  1  version 1               32 16  salt
 *    9  1  0 plain, 1 sealed       48 24  nonce
 *   10  1  size n of the entropy   72  n  entropy, or its ciphertext
 *   11  1  0                     72+n 16  tag: of the cipher, or the first bytes of
 *   12  8  operations                     kg_hash("kindergarten keyring v1", all before)
 *   20  8  memory in bytes
 *
 * Bytes 12..71 are zero in a plain file.
 */
#ifndef KG_IDENTITY_KEYRING_H
#define KG_IDENTITY_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/derive.h"

enum {
	KG_KEYRING_HEADER_SIZE = 72,
	KG_KEYRING_TAG_SIZE = 16,
	KG_KEYRING_FILE_MAX = 72 + 32 + 16,
	KG_KEYRING_PASSPHRASE_MAX = 1024,
	/* What a file may demand of the machine that opens it. */
	KG_KEYRING_OPS_MAX = 4,
	KG_KEYRING_MEM_MAX = 1 << 28
};

/* The public half. */
typedef struct {
	kg_pubkey swarm;
	kg_pubkey operator_key;
} kg_keyring_public;

/* Writes the identity of `entropy` (16..32 bytes, see mnemonic.h) under `state_dir`, which is made
 * when absent, and makes it last. `passphrase` NULL: plain; else 1..1024 bytes. KG_EEXISTS when
 * there is an identity already; then nothing is changed. */
KG_NODISCARD kg_err kg_keyring_create(const char *state_dir, const uint8_t *entropy, size_t size,
				      const char *passphrase);

/* Whether an identity is there, and whether it wants a passphrase. KG_ENOTFOUND when there is none;
 * KG_EDENIED when file or directory belong to someone else or are open to others; KG_ECORRUPT. */
KG_NODISCARD kg_err kg_keyring_probe(const char *state_dir, bool *sealed);

/* Opens the identity, with the generations of its keys (generations.h). Codes of kg_keyring_probe,
 * and KG_EINVAL when it wants a passphrase and `passphrase` is NULL, KG_EBADSIG when the passphrase
 * is wrong (or the sealed bytes were changed, which looks the same). A passphrase given for a plain
 * file is ignored. */
KG_NODISCARD kg_err kg_keyring_open(kg_swarm **out, const char *state_dir, const char *passphrase);

/* Brings swarm.pub to what `swarm` says, after the operator's key was replaced. */
KG_NODISCARD kg_err kg_keyring_settle_public(const kg_swarm *swarm, const char *state_dir);

/* The public half alone; written again from the secret one by kg_keyring_open when lost. */
KG_NODISCARD kg_err kg_keyring_read_public(kg_keyring_public *out, const char *state_dir);

/* The two forms as bytes, for kg_keyring_open and for tests. `entropy` has room for 32 bytes. */
KG_NODISCARD kg_err kg_keyring_encode(uint8_t file[KG_KEYRING_FILE_MAX], size_t *file_size,
				      const uint8_t *entropy, size_t size, const char *passphrase);
KG_NODISCARD kg_err kg_keyring_decode(uint8_t *entropy, size_t *size, const uint8_t *file,
				      size_t file_size, const char *passphrase);
KG_NODISCARD kg_err kg_keyring_decode_public(kg_keyring_public *out, const char *text,
					     size_t length);

#endif
