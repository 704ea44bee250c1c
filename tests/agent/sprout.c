/* SPDX-License-Identifier: MIT */
#include "tests/agent/sprout.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/rng.h"

static void grow(sprout *s, uint64_t seed, bool form, const kg_model_form *stored,
		 const char *template)
{
	static const kg_model_prompt lesson = {.prefix = "Q: ", .suffix = " A:", .stop = "\n"};
	const kg_model_config config = {.dim = 16,
					.hidden = 32,
					.layers = 2,
					.heads = 2,
					.kv_heads = 2,
					.head_dim = 8,
					.vocabulary = KG_TOKENIZER_BYTE_MODEL_COUNT,
					.context = SPROUT_CONTEXT,
					.rope_theta = 10000.0f,
					.norm_eps = 1e-5f,
					.tied = true};
	kg_tokenizer *tokenizer = NULL;
	kg_model *model = NULL;
	kg_rng rng;
	kg_buf bytes;

	KG_ASSERT(kg_tokenizer_byte_model(&tokenizer) == KG_OK);
	KG_ASSERT(kg_model_new(&model, &config, "sprout", &tokenizer, form ? &lesson : NULL) ==
		  KG_OK);
	KG_ASSERT(template == NULL ||
		  kg_model_set_template(model, template, strlen(template)) == KG_OK);
	kg_rng_init_u64(&rng, seed);
	for (uint32_t i = 0; i < kg_model_tensor_count(model); i++) {
		const kg_tensor *t = kg_model_tensor_at(model, i);
		float *out = kg_model_floats(model, t->role, t->layer);
		for (size_t k = 0; k < (size_t)t->rows * t->cols; k++) {
			out[k] = kg_rng_float(&rng) - 0.5f;
		}
	}
	kg_buf_init(&bytes, 1 << 24);
	KG_ASSERT(kg_model_encode(model, &bytes, stored) == KG_OK);
	kg_model_free(model);
	s->size = bytes.size;
	s->file = aligned_alloc(64, (bytes.size + 63) / 64 * 64);
	KG_ASSERT(s->file != NULL);
	memcpy(s->file, bytes.data, bytes.size);
	kg_buf_release(&bytes);
	KG_ASSERT(kg_model_open_memory(&s->model, s->file, s->size) == KG_OK);
}

void sprout_grow(sprout *s, uint64_t seed, bool form, kg_format linear, const uint8_t *pairing)
{
	const kg_model_form stored = {.strategy = kg_strategy_of(linear), .seed = pairing};
	grow(s, seed, form, &stored, NULL);
}

void sprout_grow_chat(sprout *s, uint64_t seed, bool form, const char *template)
{
	const kg_model_form stored = {.strategy = kg_strategy_of(KG_FORMAT_F16)};
	grow(s, seed, form, &stored, template);
}

void sprout_release(sprout *s)
{
	kg_model_free(s->model);
	free(s->file);
}
