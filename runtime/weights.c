/* SPDX-License-Identifier: MIT */
#include "runtime/weights.h"

#include <stdlib.h>
#include <string.h>

struct kg_weights {
	const kg_model *model;
	kg_strategy strategy;
	kg_matrix embedding;
	kg_matrix head; /* unused when tied */
	kg_layer *layer;
	const float *output_norm;
};

static bool is_float(kg_format format)
{
	return format == KG_FORMAT_F32 || format == KG_FORMAT_F16;
}

static kg_err take(kg_matrix *matrix, const kg_weights *weights, const uint8_t *seed,
		   kg_tensor_role role, uint32_t layer)
{
	const kg_tensor *tensor = kg_model_tensor(weights->model, role, layer);
	kg_format format = kg_tensor_role_format(role, weights->strategy);

	/* What a file already holds narrow stays what it is (an odd-sized matrix is int8). */
	if (!is_float(tensor->format))
		format = tensor->format;
	return kg_matrix_init(matrix, weights->model, tensor, format, seed);
}

static const float *optional(const kg_model *model, kg_tensor_role role, uint32_t layer)
{
	const kg_tensor *tensor = kg_model_tensor(model, role, layer);

	return tensor == NULL ? NULL : tensor->data;
}

static kg_err take_layer(kg_weights *weights, uint32_t l, const uint8_t *seed)
{
	kg_layer *layer = &weights->layer[l];
	struct {
		kg_matrix *matrix;
		kg_tensor_role role;
	} const part[] = {
		{&layer->q, KG_TENSOR_ATTN_Q},      {&layer->k, KG_TENSOR_ATTN_K},
		{&layer->v, KG_TENSOR_ATTN_V},      {&layer->output, KG_TENSOR_ATTN_OUTPUT},
		{&layer->gate, KG_TENSOR_FFN_GATE}, {&layer->up, KG_TENSOR_FFN_UP},
		{&layer->down, KG_TENSOR_FFN_DOWN},
	};

	layer->attn_norm = kg_model_tensor(weights->model, KG_TENSOR_ATTN_NORM, l)->data;
	layer->ffn_norm = kg_model_tensor(weights->model, KG_TENSOR_FFN_NORM, l)->data;
	layer->q_bias = optional(weights->model, KG_TENSOR_ATTN_Q_BIAS, l);
	layer->k_bias = optional(weights->model, KG_TENSOR_ATTN_K_BIAS, l);
	layer->v_bias = optional(weights->model, KG_TENSOR_ATTN_V_BIAS, l);
	layer->q_norm = optional(weights->model, KG_TENSOR_ATTN_Q_NORM, l);
	layer->k_norm = optional(weights->model, KG_TENSOR_ATTN_K_NORM, l);
	layer->attn_sub_norm = optional(weights->model, KG_TENSOR_ATTN_SUB_NORM, l);
	layer->ffn_sub_norm = optional(weights->model, KG_TENSOR_FFN_SUB_NORM, l);
	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++) {
		kg_err err = take(part[i].matrix, weights, seed, part[i].role, l);

		if (err != KG_OK)
			return err;
	}
	return KG_OK;
}

/* The strategy and seed that a model allows; *seed becomes the one to pair with. */
static kg_err settle(kg_strategy *out, const uint8_t **seed, const kg_model *model,
		     const kg_strategy *strategy)
{
	kg_strategy own = kg_model_strategy(model);
	const uint8_t *own_seed = kg_model_seed(model);

	*out = strategy != NULL ? *strategy : own;
	if (is_float(own.linear))
		return kg_model_config_check_strategy(kg_model_get_config(model), out);
	if (!kg_strategy_same(out, &own))
		return kg_fail(KG_EINVAL, "the file holds %s weights; they cannot become %s",
			       kg_strategy_name(&own), kg_strategy_name(out));
	if (*seed != NULL && kg_strategy_is_paired(&own) &&
	    (own_seed == NULL || memcmp(*seed, own_seed, KG_SEED_SIZE) != 0))
		return kg_fail(KG_EINVAL, "the file holds weights already paired by another seed");
	*seed = own_seed;
	return KG_OK;
}

kg_err kg_weights_new(kg_weights **out, const kg_model *model, const kg_strategy *strategy,
		      const uint8_t *seed)
{
	const kg_model_config *config = kg_model_get_config(model);
	kg_weights *weights;
	kg_err err;
	kg_strategy settled;

	err = settle(&settled, &seed, model, strategy);
	if (err != KG_OK)
		return err;
	weights = calloc(1, sizeof(*weights));
	if (weights == NULL)
		return kg_fail(KG_ENOMEM, "no memory for weights");
	weights->model = model;
	weights->strategy = settled;
	weights->layer = calloc(config->layers, sizeof(*weights->layer));
	if (weights->layer == NULL) {
		err = kg_fail(KG_ENOMEM, "no memory for %u layers", config->layers);
		goto done;
	}
	weights->output_norm = kg_model_tensor(model, KG_TENSOR_OUTPUT_NORM, 0)->data;
	err = take(&weights->embedding, weights, seed, KG_TENSOR_EMBEDDING, 0);
	for (uint32_t l = 0; l < config->layers && err == KG_OK; l++)
		err = take_layer(weights, l, seed);
	if (err == KG_OK && !config->tied)
		err = take(&weights->head, weights, seed, KG_TENSOR_HEAD, 0);
done:
	if (err != KG_OK) {
		kg_weights_free(weights);
		return err;
	}
	*out = weights;
	return KG_OK;
}

static void release_layer(kg_layer *layer)
{
	kg_matrix_release(&layer->q);
	kg_matrix_release(&layer->k);
	kg_matrix_release(&layer->v);
	kg_matrix_release(&layer->output);
	kg_matrix_release(&layer->gate);
	kg_matrix_release(&layer->up);
	kg_matrix_release(&layer->down);
}

void kg_weights_free(kg_weights *weights)
{
	if (weights == NULL)
		return;
	if (weights->layer != NULL)
		for (uint32_t l = 0; l < kg_model_get_config(weights->model)->layers; l++)
			release_layer(&weights->layer[l]);
	free(weights->layer);
	kg_matrix_release(&weights->embedding);
	kg_matrix_release(&weights->head);
	free(weights);
}

const kg_model *kg_weights_model(const kg_weights *weights)
{
	return weights->model;
}

kg_strategy kg_weights_strategy(const kg_weights *weights)
{
	return weights->strategy;
}

bool kg_weights_quantized(const kg_weights *weights)
{
	return !is_float(weights->strategy.linear);
}

const kg_layer *kg_weights_layer(const kg_weights *weights, uint32_t layer)
{
	KG_ASSERT(layer < kg_model_get_config(weights->model)->layers);
	return &weights->layer[layer];
}

const kg_matrix *kg_weights_embedding(const kg_weights *weights)
{
	return &weights->embedding;
}

const kg_matrix *kg_weights_head(const kg_weights *weights)
{
	return kg_model_get_config(weights->model)->tied ? &weights->embedding : &weights->head;
}

const float *kg_weights_output_norm(const kg_weights *weights)
{
	return weights->output_norm;
}

const float *kg_weights_rope_factors(const kg_weights *weights)
{
	return optional(weights->model, KG_TENSOR_ROPE_FACTORS, 0);
}

size_t kg_weights_bytes(const kg_weights *weights)
{
	size_t bytes = weights->embedding.owned_bytes + weights->head.owned_bytes;

	for (uint32_t l = 0; l < kg_model_get_config(weights->model)->layers; l++) {
		const kg_layer *layer = &weights->layer[l];

		bytes += sizeof(*layer) + layer->q.owned_bytes + layer->k.owned_bytes +
			 layer->v.owned_bytes + layer->output.owned_bytes +
			 layer->gate.owned_bytes + layer->up.owned_bytes + layer->down.owned_bytes;
	}
	return bytes;
}

static void visit_vector(const kg_weights *weights, kg_tensor_role role, uint32_t l,
			 kg_visitor *visit, void *context)
{
	const kg_tensor *tensor = kg_model_tensor(weights->model, role, l);

	if (tensor == NULL)
		return;
	visit(context, tensor->name, strlen(tensor->name) + 1);
	visit(context, tensor->data, (size_t)tensor->rows * tensor->cols * sizeof(float));
}

static kg_err visit_layer(const kg_weights *weights, uint32_t l, kg_visitor *visit, void *context)
{
	const kg_layer *layer = &weights->layer[l];
	const kg_matrix *attention[] = {&layer->q, &layer->k, &layer->v, &layer->output};
	const kg_matrix *feed[] = {&layer->gate, &layer->up, &layer->down};
	kg_err err = KG_OK;

	visit_vector(weights, KG_TENSOR_ATTN_NORM, l, visit, context);
	for (size_t i = 0; i < 4 && err == KG_OK; i++)
		err = kg_matrix_visit(attention[i], visit, context);
	visit_vector(weights, KG_TENSOR_FFN_NORM, l, visit, context);
	for (size_t i = 0; i < 3 && err == KG_OK; i++)
		err = kg_matrix_visit(feed[i], visit, context);
	for (int role = KG_TENSOR_ATTN_Q_BIAS; role <= KG_TENSOR_FFN_SUB_NORM && err == KG_OK;
	     role++)
		visit_vector(weights, (kg_tensor_role)role, l, visit, context);
	return err;
}

kg_err kg_weights_visit(const kg_weights *weights, kg_visitor *visit, void *context)
{
	const kg_model_config *config = kg_model_get_config(weights->model);
	kg_err err = kg_matrix_visit(&weights->embedding, visit, context);

	for (uint32_t l = 0; l < config->layers && err == KG_OK; l++)
		err = visit_layer(weights, l, visit, context);
	if (err != KG_OK)
		return err;
	visit_vector(weights, KG_TENSOR_OUTPUT_NORM, 0, visit, context);
	if (!config->tied)
		err = kg_matrix_visit(&weights->head, visit, context);
	if (err == KG_OK)
		visit_vector(weights, KG_TENSOR_ROPE_FACTORS, 0, visit, context);
	return err;
}
