/* SPDX-License-Identifier: MIT */
/*
 * fuzz_llama2c – any bytes as a llama2.c checkpoint with its tokenizer.
 *
 * Input: the checkpoint's size as 32 bits, the checkpoint, the tokenizer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/llama2c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_F32)};
	kg_model *m = NULL;
	uint32_t first;
	kg_buf out;

	if (size < sizeof(first))
		return 0;
	memcpy(&first, data, sizeof(first));
	data += sizeof(first);
	size -= sizeof(first);
	if (first > size)
		first = (uint32_t)size;
	if (kg_llama2c_import(&m, data, first, data + first, size - first, "fuzz") != KG_OK)
		return 0;
	kg_buf_init(&out, 1 << 24);
	if (kg_model_encode(m, &out, &form) != KG_OK)
		abort();
	kg_buf_release(&out);
	kg_model_free(m);
	return 0;
}
