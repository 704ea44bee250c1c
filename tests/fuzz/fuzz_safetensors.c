/* SPDX-License-Identifier: MIT */
/* fuzz_safetensors – any bytes as a safetensors file: refused, or every byte of every tensor is
 * there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_safetensors *file = NULL;
	uint64_t total = 0;
	unsigned sum = 0;

	if (kg_safetensors_open(&file, data, size) != KG_OK)
		return 0;
	for (uint32_t i = 0; i < kg_safetensors_count(file); i++) {
		const kg_safetensor *t = kg_safetensors_at(file, i);

		if (kg_safetensors_get(file, t->name) != t)
			abort();
		for (size_t k = 0; k < t->size; k++)
			sum += t->data[k];
		total += t->size;
	}
	if (total > size || sum > 255 * total)
		abort();
	kg_safetensors_free(file);
	return 0;
}
