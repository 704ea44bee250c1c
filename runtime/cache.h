/* SPDX-License-Identifier: MIT */
/*
 * cache – keys and values of one session, per layer, key head and token.
 *
 * int8 form: a head vector is stored in steps of its own scale. Keys lie in tiles of 16 tokens
 * (runtime/kernel.h), so that all scores of a query are one tile product; values lie token by
 * token, padded to 16. Float form: both lie token by token. The memory is one anonymous mapping
 * whose pages appear when they are first written.
 */
#ifndef KG_RUNTIME_CACHE_H
#define KG_RUNTIME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/kernel.h"

typedef struct {
	uint32_t layers;
	uint32_t kv_heads;
	uint32_t head_dim;
	uint32_t context;
	bool quantized;
	uint32_t quads; /* lines per 16 keys */
	uint32_t width; /* of a value row: head_dim padded to 16 */
	size_t key_bytes;
	size_t value_bytes;
	size_t scale_bytes;
	size_t head_bytes; /* all of one layer and head, whole pages are shared between heads */
	uint8_t *memory;
	size_t size;
} kg_cache;

/* Fields layers .. quantized are set by the caller. KG_ENOMEM. */
KG_NODISCARD kg_err kg_cache_init(kg_cache *cache);
void kg_cache_release(kg_cache *cache);

/* Stores key and value of one head, head_dim floats each, at `position`. */
void kg_cache_put(kg_cache *cache, const kg_kernel *kernel, uint32_t layer, uint32_t head,
		  uint32_t position, const float *key, const float *value);

/* What a query needs besides the cache. */
typedef struct {
	int8_t *q;      /* quads * 4 */
	int32_t *sum;   /* context padded to 16 */
	float *score;   /* context padded to 16 */
	float *mixture; /* width */
} kg_cache_scratch;

typedef struct {
	uint32_t layer;
	uint32_t head;  /* the key head */
	uint32_t count; /* tokens to look at: 0 .. count-1 */
	const float *x; /* head_dim */
} kg_cache_query;

/*
 * out = sum over t < count of p[t] * value[t], p = softmax of x . key[t] / sqrt(head_dim).
 * int8 form: score = ((float)sum * key scale) * (query step * (1 / sqrt(head_dim))); the mixture
 * takes p[t] * value scale[t] times the integer.
 */
void kg_cache_attend(float *out, const kg_cache *cache, const kg_kernel *kernel,
		     const kg_cache_query *query, const kg_cache_scratch *scratch);

#endif
