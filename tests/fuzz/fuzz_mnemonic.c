/* SPDX-License-Identifier: MIT */
/* What is read as words is written as the same words again, and read as the same entropy. */
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "identity/mnemonic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
	uint8_t back[KG_MNEMONIC_ENTROPY_MAX];
	char words[KG_MNEMONIC_SIZE];
	size_t entropy_size;
	size_t back_size;

	if (kg_mnemonic_decode(entropy, &entropy_size, (const char *)data, size) != KG_OK)
		return 0;
	KG_ASSERT(kg_mnemonic_encode(words, entropy, entropy_size) == KG_OK);
	KG_ASSERT(kg_mnemonic_decode(back, &back_size, words, strlen(words)) == KG_OK);
	KG_ASSERT(back_size == entropy_size && memcmp(back, entropy, back_size) == 0);
	return 0;
}
