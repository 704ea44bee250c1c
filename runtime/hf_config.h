/* SPDX-License-Identifier: MIT */
/*
 * hf_config – the config.json of a Hugging Face folder: models of the types llama, mistral, qwen2
 * and qwen3, and iFairy's complexnet.
 *
 * What the forward step does not do is refused by name: other types and activations, rotations
 * stretched otherwise than linearly or as Llama 3 does, partly turned heads, weights quantized by
 * other programs. A window of attention bounds the context: within it nothing differs.
 *
 * In a complexnet every key that is not known is refused, and one is ours: attention_scale, what
 * the scores of attention are multiplied by (kg_model_config).
 */
#ifndef KG_RUNTIME_HF_CONFIG_H
#define KG_RUNTIME_HF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/model.h"
#include "runtime/rotary.h"

typedef struct {
	kg_model_config model; /* without what only tensors tell: qkv_bias and qk_norm */
	uint32_t bos;          /* or KG_TOKENIZER_NONE; the first where there are several */
	uint32_t eos;
	float linear;   /* what all frequencies are divided by; 1 */
	bool stretched; /* by the rule */
	kg_rotary_llama3 rule;
} kg_hf_config;

/* KG_EINVAL for what is not done here, KG_ECORRUPT and KG_EFULL for the rest. */
KG_NODISCARD kg_err kg_hf_config_parse(kg_hf_config *out, const void *data, size_t size);

/* Factors of the rotation for a config that has any: head_dim / 2 of them. */
void kg_hf_config_factors(const kg_hf_config *config, float *out);

#endif
