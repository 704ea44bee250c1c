/* SPDX-License-Identifier: MIT */
/*
 * weights – what an agent thinks with: a base model rebuilt under a strategy and a seed.
 *
 * Same model, strategy and seed give the same weights in every bit, on every machine. Borrows the
 * model, which outlives it (float formats are used where the file is mapped). Does not change once
 * built; threads and sessions may share it.
 */
#ifndef KG_RUNTIME_WEIGHTS_H
#define KG_RUNTIME_WEIGHTS_H

#include "runtime/matrix.h"
#include "runtime/model.h"

/* The matrices of one layer. */
typedef struct {
	const float *attn_norm;
	const float *ffn_norm;
	const float *q_bias; /* NULL where the model has none */
	const float *k_bias;
	const float *v_bias;
	const float *q_norm; /* head_dim; NULL where the model has none */
	const float *k_norm;
	const float *attn_sub_norm; /* of a complex model, as the next; NULL in others */
	const float *ffn_sub_norm;
	kg_matrix q;
	kg_matrix k;
	kg_matrix v;
	kg_matrix output;
	kg_matrix gate;
	kg_matrix up;
	kg_matrix down;
} kg_layer;

typedef struct kg_weights kg_weights;

/*
 * `strategy` NULL means what the file is. A file in f32 or f16 takes any strategy and seed (NULL
 * seed: the plain pairing); one that is already quantized only its own strategy and its own seed
 * (or NULL for that): KG_EINVAL otherwise. KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_weights_new(kg_weights **out, const kg_model *model,
				   const kg_strategy *strategy, const uint8_t *seed);
void kg_weights_free(kg_weights *weights);

const kg_model *kg_weights_model(const kg_weights *weights);
kg_strategy kg_weights_strategy(const kg_weights *weights);

/* Whether activations are quantized to int8 (every strategy but f32 and f16). */
bool kg_weights_quantized(const kg_weights *weights);

const kg_layer *kg_weights_layer(const kg_weights *weights, uint32_t layer);
const kg_matrix *kg_weights_embedding(const kg_weights *weights);
const kg_matrix *kg_weights_head(const kg_weights *weights); /* the embedding when tied */
const float *kg_weights_output_norm(const kg_weights *weights);
const float *kg_weights_rope_factors(const kg_weights *weights); /* NULL: all are 1 */

/* Private memory of the weights in bytes; mapped floats that are used in place do not count. */
size_t kg_weights_bytes(const kg_weights *weights);

/* Canonical bytes of all weights, the same whatever kernel or layout (kg_matrix_visit): embedding;
 * per layer attn_norm, q, k, v, output, ffn_norm, gate, up, down, then the biases of q, k and v and
 * the norms of q and k and the sub-norms where there are any; output_norm; head unless tied;
 * factors of the rotation if any. Vectors as floats. What a digest of the weights is taken over.
 * KG_ENOMEM. */
KG_NODISCARD kg_err kg_weights_visit(const kg_weights *weights, kg_visitor *visit, void *context);

#endif
