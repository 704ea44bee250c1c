/* SPDX-License-Identifier: MIT */
#include "identity/envelope.h"

#include <sodium.h>

_Static_assert(KG_ENVELOPE_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(KG_ENVELOPE_TAG_SIZE == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(KG_KEY_SEED_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

kg_err kg_envelope_open(kg_buf *plain, const uint8_t seed[KG_KEY_SEED_SIZE],
			const uint8_t nonce[KG_ENVELOPE_NONCE_SIZE], const void *ciphertext,
			size_t size)
{
	unsigned long long length = 0;
	uint8_t *room;

	if (size < KG_ENVELOPE_TAG_SIZE)
		return kg_fail(KG_EBADSIG, "too short for an envelope");
	room = kg_buf_reserve(plain, size - KG_ENVELOPE_TAG_SIZE + 1);
	if (room == NULL)
		return kg_buf_ok(plain);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(room, &length, NULL, ciphertext, size, NULL,
						       0, nonce, seed) != 0)
		return kg_fail(KG_EBADSIG, "these words do not open it");
	kg_buf_added(plain, (size_t)length);
	return KG_OK;
}
