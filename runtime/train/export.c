/* SPDX-License-Identifier: MIT */
#include "runtime/train/export.h"

#include <string.h>

/* What the trainer computes with (train.h). */
static const float rope_theta = 10000.0f;
static const float norm_eps = 1e-5f;

static kg_model_config config_of(const kg_train *train)
{
	const kg_train_shape *shape = &kg_train_config_of(train)->shape;

	return (kg_model_config){
		.dim = shape->dim,
		.hidden = shape->hidden,
		.layers = shape->layers,
		.heads = shape->heads,
		.kv_heads = shape->kv_heads,
		.head_dim = shape->dim / shape->heads,
		.vocabulary = KG_TRAIN_VOCABULARY,
		.context = shape->context,
		.rope_theta = rope_theta,
		.norm_eps = norm_eps,
		.tied = true,
	};
}

/* Names are the key: both sides use GGUF's. */
static kg_err copy(kg_model *model, const kg_train *train)
{
	uint32_t count = kg_train_tensor_count(train);

	if (count != kg_model_tensor_count(model))
		return kg_fail(KG_EINVAL, "export: %u trained tensors, the model has %u", count,
			       kg_model_tensor_count(model));
	for (uint32_t i = 0; i < count; i++) {
		kg_train_tensor from = kg_train_tensor_at(train, i);
		const kg_tensor *to = NULL;

		for (uint32_t k = 0; k < count && to == NULL; k++)
			if (strcmp(kg_model_tensor_at(model, k)->name, from.name) == 0)
				to = kg_model_tensor_at(model, k);
		if (to == NULL || to->rows != from.rows || to->cols != from.cols)
			return kg_fail(KG_EINVAL, "export: %s, %u x %u, has no place in the model",
				       from.name, from.rows, from.cols);
		memcpy(kg_model_floats(model, to->role, to->layer), from.data,
		       (size_t)from.rows * from.cols * sizeof(*from.data));
	}
	return KG_OK;
}

kg_err kg_train_export_model(kg_model **out, const kg_train *train, const char *name)
{
	static const kg_model_prompt prompt = {.prefix = "Q: ", .suffix = " A:", .stop = "\n"};
	kg_model_config config = config_of(train);
	kg_tokenizer *tokenizer = NULL;
	kg_model *model = NULL;
	kg_err err = kg_tokenizer_byte_model(&tokenizer);

	if (err == KG_OK)
		err = kg_model_new(&model, &config, name == NULL ? "nursery" : name, &tokenizer,
				   &prompt);
	if (err == KG_OK)
		err = copy(model, train);
	if (err != KG_OK) {
		kg_model_free(model);
		return err;
	}
	*out = model;
	return KG_OK;
}

kg_err kg_train_export_fairy(const kg_train *train, const char *path, const char *name)
{
	kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_F16)};
	kg_model *model = NULL;
	kg_err err = kg_train_export_model(&model, train, name);

	if (err == KG_OK)
		err = kg_model_save(model, path, &form);
	kg_model_free(model);
	return err;
}
