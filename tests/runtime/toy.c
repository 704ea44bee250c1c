/* SPDX-License-Identifier: MIT */
#include "tests/runtime/toy.h"

kg_model_config toy_config(void)
{
	return (kg_model_config){
		.dim = 24,
		.hidden = 36,
		.layers = 2,
		.heads = 4,
		.kv_heads = 2,
		.head_dim = 6,
		.vocabulary = KG_TOKENIZER_BYTE_MODEL_COUNT,
		.context = 48,
		.rope_theta = 10000.0f,
		.norm_eps = 1e-5f,
		.tied = false,
	};
}

static kg_model *empty(const kg_model_config *config)
{
	kg_tokenizer *tokenizer;
	kg_model *model;

	KG_ASSERT(kg_tokenizer_byte_model(&tokenizer) == KG_OK);
	KG_ASSERT(kg_model_new(&model, config, "toy", &tokenizer, NULL) == KG_OK);
	return model;
}

kg_model *toy_random(const kg_model_config *config, uint64_t seed)
{
	kg_model *model = empty(config);
	kg_rng rng;

	kg_rng_init_u64(&rng, seed);
	for (uint32_t i = 0; i < kg_model_tensor_count(model); i++) {
		const kg_tensor *tensor = kg_model_tensor_at(model, i);
		float *data = kg_model_floats(model, tensor->role, tensor->layer);
		float middle = kg_tensor_role_is_norm(tensor->role)     ? 1.0f
			       : tensor->role == KG_TENSOR_ROPE_FACTORS ? 2.0f
									: 0.0f;

		for (size_t k = 0; k < (size_t)tensor->rows * tensor->cols; k++)
			data[k] = middle + (kg_rng_float(&rng) - 0.5f) * 0.5f;
	}
	return model;
}

kg_model *toy_chain(const uint32_t *next)
{
	kg_model_config config = toy_config();
	kg_model *model;
	float *embedding;
	float *head;
	float *gain;

	/* Layers of zeros add nothing: the stream stays the one-hot embedding. */
	config.dim = 260;
	config.heads = 2;
	config.kv_heads = 1;
	config.head_dim = 130;
	config.hidden = 4;
	config.layers = 1;
	model = empty(&config);
	embedding = kg_model_floats(model, KG_TENSOR_EMBEDDING, 0);
	head = kg_model_floats(model, KG_TENSOR_HEAD, 0);
	gain = kg_model_floats(model, KG_TENSOR_OUTPUT_NORM, 0);
	for (uint32_t j = 0; j < config.dim; j++)
		gain[j] = 1.0f;
	for (uint32_t t = 0; t < config.vocabulary; t++) {
		embedding[(size_t)t * config.dim + t] = 1.0f;
		head[(size_t)next[t] * config.dim + t] = 1.0f;
	}
	return model;
}
