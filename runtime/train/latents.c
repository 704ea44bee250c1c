/* SPDX-License-Identifier: MIT */
/* The learned tensors: where each lies in the flat arrays, and what they begin as. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/train_impl.h"

enum { TENSORS_PER_LAYER = 9 };

#define INITIAL_DEVIATION 0.02
#define ALIGNMENT         64

static size_t place(kg_train *train, const char *name, uint32_t rows, uint32_t cols, bool quantized)
{
	kg_tensor_place *tensor = &train->tensor[train->tensors++];

	snprintf(tensor->name, sizeof(tensor->name), "%s", name);
	tensor->rows = rows;
	tensor->cols = cols;
	tensor->at = train->parameters;
	tensor->quantized = quantized;
	train->parameters += (size_t)rows * cols;
	return tensor->at;
}

static size_t place_in_layer(kg_train *train, uint32_t layer, const char *kind, uint32_t rows,
			     uint32_t cols)
{
	char name[KG_TRAIN_TENSOR_NAME_MAX];

	snprintf(name, sizeof(name), "blk.%u.%s.weight", layer, kind);
	return place(train, name, rows, cols, rows > 1);
}

static void place_all(kg_train *train)
{
	const kg_train_shape *s = &train->config.shape;
	uint32_t kv = s->dim / s->heads * s->kv_heads;

	train->embedding = place(train, "token_embd.weight", KG_TRAIN_VOCABULARY, s->dim, false);
	for (uint32_t l = 0; l < s->layers; l++) {
		kg_layer_place *at = &train->layer[l];

		at->attn_norm = place_in_layer(train, l, "attn_norm", 1, s->dim);
		at->q = place_in_layer(train, l, "attn_q", s->dim, s->dim);
		at->k = place_in_layer(train, l, "attn_k", kv, s->dim);
		at->v = place_in_layer(train, l, "attn_v", kv, s->dim);
		at->o = place_in_layer(train, l, "attn_output", s->dim, s->dim);
		at->ffn_norm = place_in_layer(train, l, "ffn_norm", 1, s->dim);
		at->gate = place_in_layer(train, l, "ffn_gate", s->hidden, s->dim);
		at->up = place_in_layer(train, l, "ffn_up", s->hidden, s->dim);
		at->down = place_in_layer(train, l, "ffn_down", s->dim, s->hidden);
	}
	train->output_norm = place(train, "output_norm.weight", 1, s->dim, false);
}

static double normal(kg_rng *rng)
{
	double u = 1.0 - kg_rng_double(rng);
	double v = kg_rng_double(rng);

	return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

static void draw(kg_train *train)
{
	/* What is added to the residual stream starts smaller, so that depth does not grow it. */
	double residual = INITIAL_DEVIATION / sqrt(2.0 * train->config.shape.layers);

	for (uint32_t i = 0; i < train->tensors; i++) {
		const kg_tensor_place *tensor = &train->tensor[i];
		size_t size = (size_t)tensor->rows * tensor->cols;
		bool adds = strstr(tensor->name, "attn_output") != NULL ||
			    strstr(tensor->name, "ffn_down") != NULL;

		for (size_t k = 0; k < size; k++)
			train->latent[tensor->at + k] =
				tensor->rows == 1 ? 1.0f
						  : (float)((adds ? residual : INITIAL_DEVIATION) *
							    normal(&train->rng));
	}
}

static float *zeros(size_t count)
{
	size_t size = (count * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	float *data = aligned_alloc(ALIGNMENT, size);

	if (data != NULL)
		memset(data, 0, size);
	return data;
}

kg_err kg_train__latents_new(kg_train *train)
{
	size_t largest = 0;
	size_t pairing = 0;

	train->tensor = calloc((size_t)train->config.shape.layers * TENSORS_PER_LAYER + 2,
			       sizeof(*train->tensor));
	if (train->tensor == NULL)
		return kg_fail(KG_ENOMEM, "train: no memory for the tensor list");
	place_all(train);
	for (uint32_t i = 0; i < train->tensors; i++) {
		const kg_tensor_place *tensor = &train->tensor[i];
		size_t size = (size_t)tensor->rows * tensor->cols;

		if (tensor->quantized && size > largest)
			largest = size;
		if (kg_pairing_size(tensor->rows, tensor->cols) > pairing)
			pairing = kg_pairing_size(tensor->rows, tensor->cols);
	}
	train->latent = zeros(train->parameters);
	train->weight = zeros(train->parameters);
	train->gradient = zeros(train->parameters);
	train->moment1 = zeros(train->parameters);
	train->moment2 = zeros(train->parameters);
	train->paired = zeros(largest);
	train->residual = zeros(largest + largest / 4);
	train->code = malloc(largest);
	train->pairing = malloc(pairing);
	if (train->latent == NULL || train->weight == NULL || train->gradient == NULL ||
	    train->moment1 == NULL || train->moment2 == NULL || train->paired == NULL ||
	    train->residual == NULL || train->code == NULL || train->pairing == NULL)
		return kg_fail(KG_ENOMEM, "train: no memory for %zu parameters", train->parameters);
	draw(train);
	return KG_OK;
}

void kg_train__latents_free(kg_train *train)
{
	free(train->tensor);
	free(train->latent);
	free(train->weight);
	free(train->gradient);
	free(train->moment1);
	free(train->moment2);
	free(train->paired);
	free(train->residual);
	free(train->code);
	free(train->pairing);
}

uint32_t kg_train_tensor_count(const kg_train *train)
{
	return train->tensors;
}

kg_train_tensor kg_train_tensor_at(const kg_train *train, uint32_t index)
{
	const kg_tensor_place *tensor = &train->tensor[index];

	return (kg_train_tensor){.name = tensor->name,
				 .rows = tensor->rows,
				 .cols = tensor->cols,
				 .quantized = tensor->quantized,
				 .data = train->latent + tensor->at};
}
