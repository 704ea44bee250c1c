/* SPDX-License-Identifier: MIT */
/* Key file and public half. Without a passphrase, so that no input costs Argon2id. */
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "identity/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t entropy[32];
	uint8_t file[KG_KEYRING_FILE_MAX];
	size_t entropy_size;
	size_t file_size;
	kg_keyring_public public;

	if (kg_keyring_decode(entropy, &entropy_size, data, size, NULL) == KG_OK) {
		/* A plain file has one form only. */
		KG_ASSERT(kg_keyring_encode(file, &file_size, entropy, entropy_size, NULL) ==
			  KG_OK);
		KG_ASSERT(file_size == size && memcmp(file, data, size) == 0);
	}
	if (kg_keyring_decode_public(&public, (const char *)data, size) == KG_OK)
		KG_ASSERT(kg_pubkey_check(&public.swarm) == KG_OK);
	return 0;
}
