/* SPDX-License-Identifier: MIT */
/*
 * envelope – the encryption of mmogit's private messages, for reading only.
 *
 * XChaCha20-Poly1305 without associated data. The key is the raw seed of the author's signing key:
 * one secret for two purposes, which is why nothing here ever seals that way (seal.h does it).
 */
#ifndef KG_IDENTITY_ENVELOPE_H
#define KG_IDENTITY_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "identity/key.h"

enum { KG_ENVELOPE_NONCE_SIZE = 24, KG_ENVELOPE_TAG_SIZE = 16 };

/* Appends the plaintext. KG_EBADSIG when it was not sealed with this key, or is damaged. */
KG_NODISCARD kg_err kg_envelope_open(kg_buf *plain, const uint8_t seed[KG_KEY_SEED_SIZE],
				     const uint8_t nonce[KG_ENVELOPE_NONCE_SIZE],
				     const void *ciphertext, size_t size);

#endif
