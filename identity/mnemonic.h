/* SPDX-License-Identifier: MIT */
/*
 * mnemonic – entropy as English words and back (BIP-39).
 *
 * 16, 20, 24, 28 or 32 bytes of entropy are 12, 15, 18, 21 or 24 words, the last bits of which are
 * a checksum. Words and entropy are secrets: keep them in secret.h's memory and never print one but
 * to the person who asked for it. Messages name a wrong word by its position only.
 */
#ifndef KG_IDENTITY_MNEMONIC_H
#define KG_IDENTITY_MNEMONIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	KG_MNEMONIC_WORDS_MAX = 24,
	KG_MNEMONIC_SIZE = 24 * 9,        /* 24 words, 23 spaces, the terminator */
	KG_MNEMONIC_TEXT_MAX = 1024,      /* bytes of text that decode looks at */
	KG_MNEMONIC_ENTROPY_MAX = 32,     /* bytes; what a swarm uses */
	KG_MNEMONIC_SEED_SIZE = 64,       /* bytes */
	KG_MNEMONIC_PASSPHRASE_MAX = 1024 /* bytes of UTF-8, after normalisation too */
};

/* Fresh entropy from the system. */
KG_NODISCARD kg_err kg_mnemonic_generate(uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX]);

/* The words, single spaces between them. KG_EINVAL for another size than the five. */
KG_NODISCARD kg_err kg_mnemonic_encode(char words[KG_MNEMONIC_SIZE], const uint8_t *entropy,
				       size_t size);

/* The entropy of `length` bytes of text. White space may be any and anywhere, letters may be upper
 * or lower case, compatibility forms are folded (NFKD). KG_EINVAL for text that is no mnemonic (too
 * long, not UTF-8, number of words, unknown word), KG_ECORRUPT when only the checksum is wrong.
 * `*size` is the number of bytes. */
KG_NODISCARD kg_err kg_mnemonic_decode(uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX], size_t *size,
				       const char *text, size_t length);

/* The seed of BIP-39: PBKDF2-HMAC-SHA512 of the words, salt "mnemonic" and the passphrase (NFKD),
 * 2048 rounds. `passphrase` may be "". This passphrase is part of the identity itself, unlike the
 * one of a keyring. */
KG_NODISCARD kg_err kg_mnemonic_seed(uint8_t seed[KG_MNEMONIC_SEED_SIZE], const uint8_t *entropy,
				     size_t size, const char *passphrase);

#endif
