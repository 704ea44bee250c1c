/* SPDX-License-Identifier: MIT */
/*
 * sampler – from logits to the next token, by rules in which nothing is left to chance but the
 * seed.
 *
 * Temperature 0 is greedy: the greatest logit, the lowest id among equals. Otherwise candidates are
 * ordered by logit descending, id ascending; top_k keeps the first k of them; weights are
 * e^((logit - greatest) / temperature) in float; top_p keeps the shortest run of candidates whose
 * weights reach top_p of all the weights kept so far; one number of the sampler's own generator
 * picks among the kept by their weights. Sums are in double: all the vocabulary in order of id, a
 * run of candidates in its order.
 */
#ifndef KG_RUNTIME_SAMPLER_H
#define KG_RUNTIME_SAMPLER_H

#include <stdint.h>

#include "base/err.h"

typedef struct {
	float temperature; /* 0..100; 0 = greedy */
	uint32_t top_k;    /* 0 = all */
	float top_p;       /* (0..1]; 1 = all */
	uint64_t seed;
} kg_sampler_settings;

typedef struct kg_sampler kg_sampler;

/* KG_EINVAL for settings outside their range. */
KG_NODISCARD kg_err kg_sampler_check(const kg_sampler_settings *settings);
KG_NODISCARD kg_err kg_sampler_new(kg_sampler **out, const kg_sampler_settings *settings,
				   uint32_t vocabulary);
void kg_sampler_free(kg_sampler *sampler);

/* The next token. One number of the generator is used per call, none when greedy. */
uint32_t kg_sampler_next(kg_sampler *sampler, const float *logits);

/* The greatest logit, the lowest id among equals; n >= 1. */
uint32_t kg_sampler_greedy(const float *logits, uint32_t n);

#endif
