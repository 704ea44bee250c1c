/* SPDX-License-Identifier: MIT */
/* Sealed text as it comes from elsewhere, and opening it with the key of seed 00..1f, in the swarm
 * and by the author of that same key. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "identity/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static kg_key *key;
	static uint8_t text[KG_SEAL_TEXT_MAX];
	kg_seal_context context;
	size_t recipients = 0;
	size_t length = 0;

	if (key == NULL) {
		uint8_t seed[KG_KEY_SEED_SIZE];

		for (size_t i = 0; i < sizeof(seed); i++)
			seed[i] = (uint8_t)i;
		KG_ASSERT(kg_key_new(&key, seed) == KG_OK);
	}
	context.swarm = *kg_key_public(key);
	context.author = *kg_key_public(key);
	if (kg_seal_open(text, &length, data, size, &context, key) == KG_OK) {
		/* What opens has a good outside. */
		KG_ASSERT(kg_seal_check(&recipients, data, size) == KG_OK);
		KG_ASSERT(recipients >= 1 && recipients <= KG_SEAL_RECIPIENTS_MAX);
		KG_ASSERT(length <= KG_SEAL_TEXT_MAX);
	}
	return 0;
}
