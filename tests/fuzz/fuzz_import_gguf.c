/* SPDX-License-Identifier: MIT */
/* fuzz_import_gguf – any bytes as a GGUF file of llama.cpp: refused, or a model that can be
 * written.
 */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/export_gguf.h"
#include "runtime/import_gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_F32)};
	kg_model *m = NULL;
	kg_buf out;

	if (kg_import_gguf(&m, data, size, "fuzz") != KG_OK)
		return 0;
	kg_buf_init(&out, 1 << 24);
	if (kg_model_encode(m, &out, &form) != KG_OK)
		abort();
	kg_buf_clear(&out);
	if (kg_export_gguf(m, KG_GGML_Q8_0, &out) != KG_OK && kg_err_text()[0] == '\0')
		abort();
	kg_buf_release(&out);
	kg_model_free(m);
	return 0;
}
