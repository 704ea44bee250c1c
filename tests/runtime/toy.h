/* SPDX-License-Identifier: MIT */
/* toy – small byte models made for a test: random weights, or a chain of tokens that is known. */
#ifndef KG_TESTS_RUNTIME_TOY_H
#define KG_TESTS_RUNTIME_TOY_H

#include "runtime/model.h"

/* dim 24, two layers, four heads sharing two key heads, byte vocabulary, context 48, untied. */
kg_model_config toy_config(void);

/* Weights uniform in ±0.25, norm gains around 1, factors around 2, drawn from `seed`. */
kg_model *toy_random(const kg_model_config *config, uint64_t seed);

/* A model that after token t always wants next[t], by a margin; 259 entries. */
kg_model *toy_chain(const uint32_t *next);

/* Token of a byte. */
static inline uint32_t toy_byte(char c)
{
	return 3 + (uint32_t)(unsigned char)c;
}

#endif
