/* SPDX-License-Identifier: MIT */
/*
 * rotary – what models of other makers do differently when they turn queries and keys.
 *
 * Here the pairs (2i, 2i + 1) of a head are turned; Hugging Face's models and GGUF files of qwen
 * turn (i, i + head_dim / 2). The same rows in another order give the same scores, so importers
 * reorder rows once and the forward step knows one rule.
 */
#ifndef KG_RUNTIME_ROTARY_H
#define KG_RUNTIME_ROTARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* `heads` heads of `head_dim` rows of `width` floats, in place: row i goes to 2i, row
 * head_dim / 2 + i to 2i + 1, within every head. KG_ENOMEM. */
KG_NODISCARD kg_err kg_rotary_interleave(float *rows, uint32_t heads, uint32_t head_dim,
					 size_t width);

/* The way back. */
KG_NODISCARD kg_err kg_rotary_split(float *rows, uint32_t heads, uint32_t head_dim, size_t width);

/* Llama 3's stretching of long waves. */
typedef struct {
	double theta;
	double factor;      /* of waves longer than context / low */
	double low;         /* < high */
	double high;        /* waves shorter than context / high stay as they are */
	double old_context; /* positions before the stretching */
} kg_rotary_llama3;

/* head_dim / 2 factors that frequencies are divided by; between the bounds 1 / factor goes linearly
 * with the frequency. */
void kg_rotary_llama3_factors(float *out, uint32_t head_dim, const kg_rotary_llama3 *rule);

#endif
