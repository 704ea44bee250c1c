/* SPDX-License-Identifier: MIT */
/* fuzz_model – any bytes as a model file: refused, or a model that can be used and written again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *context, const void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
}

/* One token through the weights as they lie in the file. */
static void think(const kg_model *m)
{
	const kg_session_options one = {.context = 1};
	kg_weights *weights = NULL;
	kg_session *session = NULL;
	float *logits = malloc(kg_model_get_config(m)->vocabulary * sizeof(*logits));

	if (logits == NULL)
		return;
	if (kg_weights_new(&weights, m, NULL, NULL) != KG_OK ||
	    kg_weights_visit(weights, ignore, NULL) != KG_OK ||
	    kg_session_new(&session, weights, &one) != KG_OK ||
	    kg_session_step(session, 0, logits) != KG_OK) {
		if (kg_err_text()[0] == '\0')
			abort();
	}
	kg_session_free(session);
	kg_weights_free(weights);
	free(logits);
}

static void use(const kg_model *m)
{
	bool complex = kg_model_get_config(m)->architecture == KG_ARCHITECTURE_IFAIRY;
	const kg_model_form form = {
		.strategy = kg_strategy_of(complex ? KG_FORMAT_PHASE : KG_FORMAT_FAIRY3)};
	size_t most = 0;
	uint32_t *ids = NULL;
	float *floats;
	size_t count;
	kg_buf out;

	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++) {
		const kg_tensor *t = kg_model_tensor_at(m, i);

		if ((size_t)t->rows * t->cols > most)
			most = (size_t)t->rows * t->cols;
	}
	floats = malloc(most * sizeof(*floats));
	if (floats == NULL)
		return;
	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++) {
		const kg_tensor *t = kg_model_tensor_at(m, i);

		if ((kg_model_tensor_floats(m, t, floats) == KG_OK) ==
		    (t->format == KG_FORMAT_PHASE))
			abort();
	}
	free(floats);
	/* A vocabulary may have no token for a byte, and none for the unknown: that has to be said.
	 */
	if (kg_tokenizer_encode(kg_model_tokenizer(m), "a b\xff", 4, true, &ids, &count) != KG_OK &&
	    kg_err_text()[0] == '\0')
		abort();
	free(ids);
	think(m);
	kg_buf_init(&out, 1 << 24);
	if (kg_model_encode(m, &out, &form) != KG_OK && kg_err_text()[0] == '\0')
		abort();
	kg_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *file = aligned_alloc(64, (size + 64) / 64 * 64);
	kg_model *m = NULL;

	if (file == NULL)
		return 0;
	memcpy(file, data, size);
	if (kg_model_open_memory(&m, file, size) == KG_OK)
		use(m);
	kg_model_free(m);
	free(file);
	return 0;
}
