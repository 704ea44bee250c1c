/* SPDX-License-Identifier: MIT */
/* The file as it is, and the same lines under a good signature: what is signed is parsed further.
 */
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "identity/generations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static kg_swarm *swarm;
	uint8_t signature[KG_SIGNATURE_SIZE];
	char hex[2 * KG_SIGNATURE_SIZE + 1];
	kg_buf text;
	kg_buf again;

	if (swarm == NULL) {
		uint8_t entropy[16] = {1};

		KG_ASSERT(kg_swarm_from_entropy(&swarm, entropy, sizeof(entropy)) == KG_OK);
	}
	if (kg_generations_decode(swarm, (const char *)data, size) != KG_OK)
		KG_ASSERT(kg_swarm_renewed(swarm, 0) == NULL);
	kg_buf_init(&text, 2 * KG_GENERATIONS_FILE_MAX);
	kg_buf_init(&again, 2 * KG_GENERATIONS_FILE_MAX);
	kg_buf_put(&text, data, size < KG_GENERATIONS_FILE_MAX ? size : KG_GENERATIONS_FILE_MAX);
	kg_key_sign(kg_swarm_key(swarm), signature, kg_buf_text(&text), text.size);
	kg_hex_encode(hex, signature, sizeof(signature));
	kg_buf_printf(&text, "signature %s\n", hex);
	if (kg_generations_decode(swarm, kg_buf_text(&text), text.size) == KG_OK) {
		/* There is one form. */
		KG_ASSERT(kg_generations_encode(&again, swarm) == KG_OK);
		KG_ASSERT(again.size == text.size && memcmp(again.data, text.data, text.size) == 0);
	}
	kg_buf_release(&again);
	kg_buf_release(&text);
	return 0;
}
