/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/import_impl.h"

enum { PARTS = 2 };

static const char *const halves[PARTS] = {"real", "imag"};

bool kg_import__ifairy_name(char out[KG_IMPORT_NAME_MAX], kg_tensor_role role, uint32_t layer,
			    int part)
{
	static const char *const names[KG_TENSOR_ROLE_COUNT] = {
		[KG_TENSOR_ATTN_NORM] = "pre_layernorm",
		[KG_TENSOR_ATTN_Q] = "self_attn.q_proj",
		[KG_TENSOR_ATTN_K] = "self_attn.k_proj",
		[KG_TENSOR_ATTN_V] = "self_attn.v_proj",
		[KG_TENSOR_ATTN_OUTPUT] = "self_attn.o_proj",
		[KG_TENSOR_FFN_NORM] = "post_layernorm",
		[KG_TENSOR_FFN_GATE] = "mlp.gate_proj",
		[KG_TENSOR_FFN_UP] = "mlp.up_proj",
		[KG_TENSOR_FFN_DOWN] = "mlp.down_proj",
		[KG_TENSOR_ATTN_SUB_NORM] = "self_attn.attn_layernorm",
		[KG_TENSOR_FFN_SUB_NORM] = "mlp.ffn_layernorm",
	};

	if (part >= PARTS || (part != 0 && role == KG_TENSOR_HEAD))
		return false;
	if (role == KG_TENSOR_HEAD)
		(void)snprintf(out, KG_IMPORT_NAME_MAX, "lm_head.weight");
	else if (role == KG_TENSOR_EMBEDDING)
		(void)snprintf(out, KG_IMPORT_NAME_MAX, "token_embeddings_%s.weight", halves[part]);
	else if (role == KG_TENSOR_OUTPUT_NORM)
		(void)snprintf(out, KG_IMPORT_NAME_MAX, "final_norm.weight_%s", halves[part]);
	else
		(void)snprintf(out, KG_IMPORT_NAME_MAX, "layer.%u.%s.weight_%s", layer, names[role],
			       halves[part]);
	return true;
}

/* One half of a tensor: rows * cols floats, a vector where rows is 0. */
static kg_err take_half(float *out, const kg_tensor *t, const kg_hf_folder *folder, int part,
			uint32_t rows, uint32_t cols)
{
	char name[KG_IMPORT_NAME_MAX];
	bool there = kg_import__ifairy_name(name, t->role, t->layer, part);

	KG_ASSERT(there);
	return kg_hf_folder_floats(folder, name, rows, cols, out);
}

static kg_err take_matrix(kg_model *model, const kg_tensor *t, const kg_hf_folder *folder)
{
	size_t count = (size_t)t->rows * t->cols;
	float *latent = malloc(PARTS * count * sizeof(*latent));
	kg_err err = KG_OK;

	if (latent == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for its floats", t->name);
	for (int part = 0; part < PARTS && err == KG_OK; part++)
		err = take_half(latent + (size_t)part * count, t, folder, part, t->rows, t->cols);
	if (err == KG_OK && kg_phase_quantize(kg_model_phase(model, t->role, t->layer), latent,
					      latent + count) != KG_OK)
		err = kg_fail_context(KG_ECORRUPT, "%s", t->name);
	free(latent);
	return err;
}

/* Rows of a table lie as real parts, then imaginary parts; in a folder they are two tables. */
static kg_err take_embedding(float *out, const kg_tensor *t, const kg_hf_folder *folder)
{
	uint32_t half = t->cols / PARTS;
	float *table = malloc((size_t)t->rows * half * sizeof(*table));
	kg_err err = KG_OK;

	if (table == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for its floats", t->name);
	for (size_t part = 0; part < PARTS && err == KG_OK; part++) {
		err = take_half(table, t, folder, (int)part, t->rows, half);
		for (size_t i = 0; i < t->rows && err == KG_OK; i++)
			memcpy(out + i * t->cols + part * half, table + i * half,
			       half * sizeof(*table));
	}
	free(table);
	return err;
}

kg_err kg_import__ifairy_take(kg_model *model, const kg_tensor *t, const kg_hf_folder *folder)
{
	uint32_t half = t->cols / PARTS;
	kg_err err = KG_OK;
	float *out;

	if (kg_tensor_role_is_linear(t->role))
		return take_matrix(model, t, folder);
	out = kg_model_floats(model, t->role, t->layer);
	if (t->role == KG_TENSOR_HEAD)
		err = take_half(out, t, folder, 0, t->rows, t->cols);
	else if (t->role == KG_TENSOR_EMBEDDING)
		err = take_embedding(out, t, folder);
	else
		for (int part = 0; part < PARTS && err == KG_OK; part++)
			err = take_half(out + (size_t)part * half, t, folder, part, 0, half);
	return err == KG_OK ? kg_import__settle(model, t, false) : err;
}
