/* SPDX-License-Identifier: MIT */
#include "runtime/import_impl.h"

#include <math.h>

#include "runtime/rotary.h"

/* Heads of a tensor whose rows (or, in a vector, numbers) are turned; 0 for the others. */
static uint32_t turned_heads(kg_tensor_role role, const kg_model_config *c)
{
	switch (role) {
	case KG_TENSOR_ATTN_Q:
	case KG_TENSOR_ATTN_Q_BIAS:
		return c->heads;
	case KG_TENSOR_ATTN_K:
	case KG_TENSOR_ATTN_K_BIAS:
		return c->kv_heads;
	case KG_TENSOR_ATTN_Q_NORM:
	case KG_TENSOR_ATTN_K_NORM:
		return 1;
	default:
		return 0;
	}
}

kg_err kg_import__settle(kg_model *model, const kg_tensor *tensor, bool split)
{
	const kg_model_config *c = kg_model_get_config(model);
	float *x = kg_model_floats(model, tensor->role, tensor->layer);
	uint32_t heads = split ? turned_heads(tensor->role, c) : 0;

	for (size_t i = 0; i < (size_t)tensor->rows * tensor->cols; i++)
		if (!isfinite(x[i]))
			return kg_fail(KG_ECORRUPT, "weight %zu of %s is not finite", i,
				       tensor->name);
	if (heads == 0)
		return KG_OK;
	return kg_rotary_interleave(x, heads, c->head_dim, tensor->rows == 1 ? 1 : tensor->cols);
}
