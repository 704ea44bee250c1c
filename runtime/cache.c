/* SPDX-License-Identifier: MIT */
#include "runtime/cache.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

enum { HEAD_MAX = 16384 };

/* Where the parts of one layer and head lie. */
typedef struct {
	uint8_t *key;
	uint8_t *value;
	float *key_scale;
	float *value_scale;
} head_view;

static size_t lines_up(size_t size)
{
	return (size + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
}

static head_view view(const kg_cache *cache, uint32_t layer, uint32_t head)
{
	size_t index = (size_t)layer * cache->kv_heads + head;
	uint8_t *at = cache->memory + index * cache->head_bytes;
	uint8_t *scales = at + cache->key_bytes + cache->value_bytes;

	return (head_view){
		.key = at,
		.value = at + cache->key_bytes,
		.key_scale = (float *)(void *)scales,
		.value_scale = (float *)(void *)(scales + cache->scale_bytes),
	};
}

kg_err kg_cache_init(kg_cache *cache)
{
	size_t blocks = (cache->context + KG_TILE_ROWS - 1) / KG_TILE_ROWS;

	KG_ASSERT(cache->head_dim <= HEAD_MAX);
	cache->quads = (cache->head_dim + KG_TILE_COLS - 1) / KG_TILE_COLS;
	cache->width = (cache->head_dim + 15) / 16 * 16;
	if (cache->quantized) {
		cache->key_bytes = blocks * cache->quads * KG_LINE_SIZE;
		cache->value_bytes = lines_up((size_t)cache->context * cache->width);
		cache->scale_bytes = lines_up(cache->context * sizeof(float));
	} else {
		cache->key_bytes =
			lines_up((size_t)cache->context * cache->head_dim * sizeof(float));
		cache->value_bytes = cache->key_bytes;
		cache->scale_bytes = 0;
	}
	cache->head_bytes = cache->key_bytes + cache->value_bytes + 2 * cache->scale_bytes;
	cache->size = (size_t)cache->layers * cache->kv_heads * cache->head_bytes;
	cache->memory = mmap(NULL, cache->size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cache->memory == MAP_FAILED) {
		cache->memory = NULL;
		return kg_fail(KG_ENOMEM, "no memory for a cache of %zu bytes", cache->size);
	}
	return KG_OK;
}

void kg_cache_release(kg_cache *cache)
{
	if (cache->memory != NULL)
		(void)munmap(cache->memory, cache->size);
	cache->memory = NULL;
}

void kg_cache_put(kg_cache *cache, const kg_kernel *kernel, uint32_t layer, uint32_t head,
		  uint32_t position, const float *key, const float *value)
{
	head_view at = view(cache, layer, head);
	size_t n = cache->head_dim;
	int8_t *row;

	KG_ASSERT(position < cache->context);
	if (!cache->quantized) {
		memcpy(at.key + position * n * sizeof(float), key, n * sizeof(float));
		memcpy(at.value + position * n * sizeof(float), value, n * sizeof(float));
		return;
	}
	row = (int8_t *)at.value + (size_t)position * cache->width;
	/* The value's row holds the key for a moment, on its way into the tile. */
	at.key_scale[position] = kernel->quantize(row, key, n);
	for (size_t d = 0; d < n; d++) {
		size_t line = (size_t)(position / KG_TILE_ROWS) * cache->quads + d / KG_TILE_COLS;

		at.key[line * KG_LINE_SIZE + (size_t)KG_TILE_COLS * (position % KG_TILE_ROWS) +
		       d % KG_TILE_COLS] = (uint8_t)row[d];
	}
	at.value_scale[position] = kernel->quantize(row, value, n);
}

static void attend_i8(float *out, const kg_cache *cache, const kg_kernel *kernel,
		      const head_view *at, uint32_t count, const float *query,
		      const kg_cache_scratch *scratch)
{
	float scale = 1.0f / sqrtf((float)cache->head_dim);
	float *score = scratch->score;
	float step;

	memset(scratch->q, 0, (size_t)cache->quads * KG_TILE_COLS);
	step = kernel->quantize(scratch->q, query, cache->head_dim) * scale;
	kernel->tile_i8(scratch->sum, (const int8_t *)at->key, scratch->q,
			(count + KG_TILE_ROWS - 1) / KG_TILE_ROWS, cache->quads);
	for (uint32_t t = 0; t < count; t++)
		score[t] = ((float)scratch->sum[t] * at->key_scale[t]) * step;
	kernel->softmax(score, count);
	for (uint32_t t = 0; t < count; t++)
		score[t] *= at->value_scale[t];
	kernel->mix_i8(scratch->mixture, 0, (const int8_t *)at->value, cache->width, score, 0,
		       count, 1);
	memcpy(out, scratch->mixture, cache->head_dim * sizeof(*out));
}

static void attend_f32(float *out, const kg_cache *cache, const kg_kernel *kernel,
		       const head_view *at, uint32_t count, const float *query, float *score)
{
	const float *key = (const float *)(const void *)at->key;
	const float *value = (const float *)(const void *)at->value;
	float scale = 1.0f / sqrtf((float)cache->head_dim);
	size_t n = cache->head_dim;

	for (uint32_t t = 0; t < count; t++)
		score[t] = kernel->dot_f32(query, key + t * n, n) * scale;
	kernel->softmax(score, count);
	memset(out, 0, n * sizeof(*out));
	for (uint32_t t = 0; t < count; t++)
		for (size_t d = 0; d < n; d++)
			out[d] += score[t] * value[t * n + d];
}

void kg_cache_attend(float *out, const kg_cache *cache, const kg_kernel *kernel,
		     const kg_cache_query *query, const kg_cache_scratch *scratch)
{
	head_view at = view(cache, query->layer, query->head);

	if (cache->quantized)
		attend_i8(out, cache, kernel, &at, query->count, query->x, scratch);
	else
		attend_f32(out, cache, kernel, &at, query->count, query->x, scratch->score);
}
