/* SPDX-License-Identifier: MIT */
/*
 * cache – keys and values of one session, per layer, key head and token.
 *
 * int8 form: a head vector is stored in steps of its own scale; the scales of 16 keys and of their
 * values lie side by side. Keys lie in tiles of 16 tokens
 * (runtime/kernel.h), so that all scores of several queries are one product of lines; values lie
 * token by token, padded to 16. Float form: both lie token by token. The memory is one mapping,
 * anonymous or a private one of a file (runtime/prefix.h), whose pages appear when they are first
 * written.
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
	float scale;    /* of the scores: 1 / sqrt(head_dim) */
	uint32_t quads; /* lines per 16 keys */
	uint32_t width; /* of a value row: head_dim padded to 16 */
	size_t key_bytes;
	size_t value_bytes;
	size_t scale_bytes;
	size_t head_bytes; /* all of one layer and head, whole pages are shared between heads */
	size_t size;       /* of memory */
	uint8_t *memory;   /* in the mapping */
	void *mapping;
	size_t mapping_size;
} kg_cache;

/* Fields layers .. scale are set by the caller; fills in what follows, without memory. */
void kg_cache_lay_out(kg_cache *cache);

/* Memory for a cache that is laid out. KG_ENOMEM. */
KG_NODISCARD kg_err kg_cache_map(kg_cache *cache);
void kg_cache_release(kg_cache *cache);

/* Stores key and value of one head, head_dim floats each, at `position`. */
void kg_cache_put(kg_cache *cache, const kg_kernel *kernel, uint32_t layer, uint32_t head,
		  uint32_t position, const float *key, const float *value);

/* Queries of one key head: `group` heads of each of `count` tokens, which stand at `first` and
 * after; each looks at 0 .. its own position. Head g of token v is head_dim floats at
 * x + v * stride + g * head_dim; what it gets goes to the same place of out. */
typedef struct {
	uint32_t layer;
	uint32_t head; /* the key head */
	uint32_t first;
	uint32_t count;
	uint32_t group;
	const float *x;
	size_t x_stride;
	float *out;
	size_t out_stride;
} kg_cache_query;

/* Room that kg_cache_attend needs, both 64-byte aligned: bytes, entries. */
size_t kg_cache_room(const kg_cache *cache);
size_t kg_cache_sums(const kg_cache *cache);

/*
 * out = sum over t <= position of p[t] * value[t], p = softmax of x . key[t] * scale. int8 form:
 * score = ((float)sum * key scale) * (query step * scale); the mixture takes p[t] * value scale[t]
 * times the integer. However many queries there are, each gets the bits it would get alone.
 */
void kg_cache_attend(const kg_cache *cache, const kg_kernel *kernel, const kg_cache_query *query,
		     int8_t *room, int32_t *sums);

/* Bytes of the memory. */
typedef struct {
	size_t at;
	size_t size;
	bool floats; /* else int8 */
} kg_cache_part;

enum { KG_CACHE_PARTS = 5 }; /* at most */

/* What positions 0 .. count-1 of one layer and head take, in order of place. Returns how many parts
 * that is. */
uint32_t kg_cache_parts(kg_cache_part parts[KG_CACHE_PARTS], const kg_cache *cache, uint32_t layer,
			uint32_t head, uint32_t count);

#endif
