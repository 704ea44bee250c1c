/* SPDX-License-Identifier: MIT */
/*
 * seal – text that only the holders of a few keys can read.
 *
 * The recipients are Ed25519 keys, the ones that sign. The box for each is made with the X25519
 * form of that key and not with a key of its own, because a swarm is known to others by nothing but
 * its signing keys: a second key would have to be published, certified and rotated beside the
 * first. The conversion is libsodium's; it refuses keys of low order, and nothing but this module
 * uses it. Layout, integers little-endian, n recipients:
 *
 *       0  8  "KGSEALED"           12     24  nonce
 *       8  1  version 1            36   80 n  the data key in a sealed box for each recipient,
 *       9  1  n, 1..16                        in ascending order of their keys
 *      10  2  0                36+80n  m + 16  XChaCha20-Poly1305 of the room
 *
 * The room is m bytes: the length of the text (4), the text, zeros. m is 4 and the smallest power
 * of two from 256 that holds the text, so that the size tells its length within a factor of two.
 * Associated data: swarm, author, and all bytes before the cipher text; what was sealed by one
 * author cannot be passed off as another's, and no recipient can be exchanged.
 */
#ifndef KG_IDENTITY_SEAL_H
#define KG_IDENTITY_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "identity/hash.h"
#include "identity/key.h"

enum {
	KG_SEAL_TEXT_MAX = 64 << 10,
	KG_SEAL_RECIPIENTS_MAX = 16,
	KG_SEAL_BOX_SIZE = 80,
	KG_SEAL_HEADER_SIZE = 36,
	KG_SEAL_SIZE_MAX = KG_SEAL_HEADER_SIZE + KG_SEAL_RECIPIENTS_MAX * KG_SEAL_BOX_SIZE + 4 +
			   KG_SEAL_TEXT_MAX + 16
};

/* Who says it, and in which swarm. */
typedef struct {
	kg_pubkey swarm;
	kg_pubkey author;
} kg_seal_context;

/* Appends the sealed form of `text` for `recipients`, which are in ascending order, no two equal.
 * KG_EINVAL for too many, none or another order, KG_EFULL for a text that is too long, KG_EDENIED
 * for a key that kg_pubkey_check refuses. Every call gives other bytes. */
KG_NODISCARD kg_err kg_seal(kg_buf *out, const void *text, size_t size,
			    const kg_seal_context *context, const kg_pubkey *recipients,
			    size_t count);

/* The text, in memory of the caller that has room for KG_SEAL_TEXT_MAX bytes, with one of the
 * recipients' keys. KG_ECORRUPT when it is no sealed text or was changed or comes from someone
 * else, KG_EDENIED when it is not for this key. */
KG_NODISCARD kg_err kg_seal_open(uint8_t *text, size_t *size, const void *sealed,
				 size_t sealed_size, const kg_seal_context *context,
				 const kg_key *key);

/* What the outside of a sealed text tells: for how many it is. KG_ECORRUPT as above. */
KG_NODISCARD kg_err kg_seal_check(size_t *recipients, const void *sealed, size_t sealed_size);

/* What an entry says of its sealed content: kg_hash("kindergarten sealed v1", sealed). */
void kg_seal_digest(uint8_t digest[KG_HASH_SIZE], const void *sealed, size_t size);

#endif
