/* SPDX-License-Identifier: MIT */
#include "runtime/cache.h"

#include <string.h>
#include <sys/mman.h>

enum {
	HEAD_MAX = 16384,
	/* Scores of one block of queries: few enough to stay in the second-level cache, unless four
	 * queries alone are more. */
	SCORES = 16384,
	QUERIES_MIN = 4,
	SCALES_SIZE = 2 * KG_TILE_ROWS * sizeof(float), /* of 16 tokens */
	MIXED = 8, /* queries mixed at once: more would share values, but each to the longest */
};

/* Where the parts of one layer and head lie. */
typedef struct {
	uint8_t *key;
	uint8_t *value;
	float *scale; /* of the keys of 16 tokens, of their values, of the next 16 */
} head_view;

static size_t lines_up(size_t size)
{
	return (size + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
}

static uint32_t tiles_of(uint32_t tokens)
{
	return (tokens + KG_TILE_ROWS - 1) / KG_TILE_ROWS;
}

static size_t offset(const kg_cache *cache, uint32_t layer, uint32_t head)
{
	return ((size_t)layer * cache->kv_heads + head) * cache->head_bytes;
}

static head_view view(const kg_cache *cache, uint32_t layer, uint32_t head)
{
	uint8_t *at = cache->memory + offset(cache, layer, head);
	void *scale = at + cache->key_bytes + cache->value_bytes;

	return (head_view){.key = at, .value = at + cache->key_bytes, .scale = scale};
}

void kg_cache_lay_out(kg_cache *cache)
{
	KG_ASSERT(cache->head_dim <= HEAD_MAX);
	cache->quads = (cache->head_dim + KG_TILE_COLS - 1) / KG_TILE_COLS;
	cache->width = (cache->head_dim + 15) / 16 * 16;
	if (cache->quantized) {
		cache->key_bytes = (size_t)tiles_of(cache->context) * cache->quads * KG_LINE_SIZE;
		cache->value_bytes = lines_up((size_t)cache->context * cache->width);
		cache->scale_bytes = tiles_of(cache->context) * SCALES_SIZE;
	} else {
		cache->key_bytes =
			lines_up((size_t)cache->context * cache->head_dim * sizeof(float));
		cache->value_bytes = cache->key_bytes;
		cache->scale_bytes = 0;
	}
	cache->head_bytes = cache->key_bytes + cache->value_bytes + cache->scale_bytes;
	cache->size = (size_t)cache->layers * cache->kv_heads * cache->head_bytes;
}

kg_err kg_cache_map(kg_cache *cache)
{
	void *memory = mmap(NULL, cache->size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return kg_fail(KG_ENOMEM, "no memory for a cache of %zu bytes", cache->size);
	cache->memory = memory;
	cache->mapping = memory;
	cache->mapping_size = cache->size;
	return KG_OK;
}

void kg_cache_release(kg_cache *cache)
{
	if (cache->mapping != NULL)
		(void)munmap(cache->mapping, cache->mapping_size);
	cache->mapping = NULL;
	cache->memory = NULL;
}

void kg_cache_put(kg_cache *cache, const kg_kernel *kernel, uint32_t layer, uint32_t head,
		  uint32_t position, const float *key, const float *value)
{
	head_view at = view(cache, layer, head);
	size_t n = cache->head_dim;
	uint8_t *lines;
	float *scale;
	int8_t *row;

	KG_ASSERT(position < cache->context);
	if (!cache->quantized) {
		memcpy(at.key + position * n * sizeof(float), key, n * sizeof(float));
		memcpy(at.value + position * n * sizeof(float), value, n * sizeof(float));
		return;
	}
	scale = at.scale + position + position / KG_TILE_ROWS * KG_TILE_ROWS;
	row = (int8_t *)at.value + (size_t)position * cache->width;
	lines = at.key + (size_t)(position / KG_TILE_ROWS) * cache->quads * KG_LINE_SIZE +
		(size_t)KG_TILE_COLS * (position % KG_TILE_ROWS);
	/* The value's row holds the key for a moment, on its way into the tile. */
	scale[0] = kernel->quantize(row, key, n);
	for (size_t q = 0; q < n / KG_TILE_COLS; q++)
		memcpy(lines + q * KG_LINE_SIZE, row + q * KG_TILE_COLS, KG_TILE_COLS);
	memcpy(lines + n / KG_TILE_COLS * KG_LINE_SIZE, row + n - n % KG_TILE_COLS,
	       n % KG_TILE_COLS);
	scale[KG_TILE_ROWS] = kernel->quantize(row, value, n);
}

size_t kg_cache_room(const kg_cache *cache)
{
	size_t query = lines_up((size_t)cache->quads * KG_TILE_COLS);

	return KG_KERNEL_BATCH * (query + cache->width * sizeof(float));
}

size_t kg_cache_sums(const kg_cache *cache)
{
	size_t least = (size_t)QUERIES_MIN * tiles_of(cache->context) * KG_TILE_ROWS;

	return least > SCORES ? least : SCORES;
}

/* Queries whose scores for `tokens` tokens, a multiple of 16, fit in the sums. */
static uint32_t block_of(const kg_cache *cache, uint32_t tokens)
{
	size_t most = kg_cache_sums(cache) / tokens;

	return most > KG_KERNEL_BATCH ? KG_KERNEL_BATCH : (uint32_t)most;
}

/* Queries begin .. end-1 of those of all tokens, token by token. */
static void attend_i8(const kg_cache *cache, const kg_kernel *kernel, const kg_cache_query *query,
		      uint32_t begin, uint32_t end, int8_t *room, int32_t *sums)
{
	head_view at = view(cache, query->layer, query->head);
	size_t n = cache->head_dim;
	size_t stride = lines_up((size_t)cache->quads * KG_TILE_COLS);
	uint32_t longest = query->first + (end - 1) / query->group + 1;
	uint32_t tiles = tiles_of(longest);
	size_t tokens = (size_t)tiles * KG_TILE_ROWS;
	float *mixture = (float *)(void *)(room + KG_KERNEL_BATCH * stride);
	const kg_kernel_lines keys = {KG_LINES_INT8, tiles, cache->quads, at.key, NULL};
	const kg_kernel_job job = {.x = room,
				   .x_stride = stride,
				   .y = sums,
				   .y_stride = tokens,
				   .count = end - begin,
				   .last = tiles};
	float step[KG_KERNEL_BATCH];
	uint32_t seen[KG_KERNEL_BATCH];

	for (uint32_t i = 0; i < job.count; i++) {
		uint32_t v = (begin + i) / query->group;
		uint32_t g = (begin + i) % query->group;
		int8_t *q = room + i * stride;

		step[i] = kernel->quantize(q, query->x + v * query->x_stride + g * n, n) *
			  cache->scale;
		memset(q + n, 0, stride - n);
		seen[i] = query->first + v + 1;
	}
	kernel->lines(&keys, &job);
	for (uint32_t i = 0; i < job.count; i += MIXED) {
		uint32_t count = job.count - i < MIXED ? job.count - i : MIXED;
		uint32_t most = seen[i + count - 1];
		/* What it takes of every value, in place of the sums. */
		float *share = (float *)(void *)(sums + i * tokens);

		kernel->weigh(share, &(kg_kernel_scores){.sum = sums + i * tokens,
							 .stride = tokens,
							 .step = step + i,
							 .scale = at.scale,
							 .count = seen + i,
							 .end = most,
							 .vectors = count});
		kernel->mix_i8(mixture + i * cache->width, cache->width, (const int8_t *)at.value,
			       cache->width, share, tokens, most, count);
	}
	for (uint32_t i = 0; i < job.count; i++) {
		uint32_t v = (begin + i) / query->group;
		uint32_t g = (begin + i) % query->group;

		memcpy(query->out + v * query->out_stride + g * n, mixture + i * cache->width,
		       n * sizeof(float));
	}
}

static void mix_f32(float *restrict out, const float *restrict score, const float *restrict value,
		    uint32_t count, size_t n)
{
	memset(out, 0, n * sizeof(*out));
	for (uint32_t t = 0; t < count; t++)
		for (size_t d = 0; d < n; d++)
			out[d] += score[t] * value[t * n + d];
}

/* Head g of tokens begin .. end-1. */
static void attend_f32(const kg_cache *cache, const kg_kernel *kernel, const kg_cache_query *query,
		       uint32_t g, uint32_t begin, uint32_t end, float *score)
{
	head_view at = view(cache, query->layer, query->head);
	size_t n = cache->head_dim;
	uint32_t longest = query->first + end;
	size_t tokens = (size_t)tiles_of(longest) * KG_TILE_ROWS;

	kernel->rows_f32(score, tokens, (const float *)(const void *)at.key,
			 query->x + begin * query->x_stride + g * n, query->x_stride, longest,
			 cache->head_dim, end - begin);
	for (uint32_t v = begin; v < end; v++, score += tokens) {
		uint32_t count = query->first + v + 1;

		for (uint32_t t = 0; t < count; t++)
			score[t] *= cache->scale;
		kernel->softmax(score, count);
		mix_f32(query->out + v * query->out_stride + g * n, score,
			(const float *)(const void *)at.value, count, n);
	}
}

void kg_cache_attend(const kg_cache *cache, const kg_kernel *kernel, const kg_cache_query *query,
		     int8_t *room, int32_t *sums)
{
	uint32_t longest = query->first + query->count;
	uint32_t block = block_of(cache, tiles_of(longest) * KG_TILE_ROWS);
	uint32_t queries = query->count * (cache->quantized ? query->group : 1);

	KG_ASSERT(longest <= cache->context && query->count >= 1);
	for (uint32_t begin = 0; begin < queries; begin += block) {
		uint32_t end = queries - begin < block ? queries : begin + block;

		if (cache->quantized)
			attend_i8(cache, kernel, query, begin, end, room, sums);
		for (uint32_t g = 0; g < query->group && !cache->quantized; g++)
			attend_f32(cache, kernel, query, g, begin, end, (float *)(void *)sums);
	}
}

uint32_t kg_cache_parts(kg_cache_part parts[KG_CACHE_PARTS], const kg_cache *cache, uint32_t layer,
			uint32_t head, uint32_t count)
{
	size_t at = offset(cache, layer, head);
	size_t values = at + cache->key_bytes;
	size_t scales = values + cache->value_bytes;
	size_t whole = (size_t)(count / KG_TILE_ROWS) * SCALES_SIZE;
	size_t rest = count % KG_TILE_ROWS * sizeof(float);
	size_t floats = (size_t)count * cache->head_dim * sizeof(float);
	uint32_t n = 2;

	KG_ASSERT(count <= cache->context);
	if (!cache->quantized) {
		parts[0] = (kg_cache_part){at, floats, true};
		parts[1] = (kg_cache_part){values, floats, true};
		return n;
	}
	parts[0] =
		(kg_cache_part){at, (size_t)tiles_of(count) * cache->quads * KG_LINE_SIZE, false};
	parts[1] = (kg_cache_part){values, (size_t)count * cache->width, false};
	if (whole != 0)
		parts[n++] = (kg_cache_part){scales, whole, true};
	if (rest != 0) {
		parts[n++] = (kg_cache_part){scales + whole, rest, true};
		parts[n++] = (kg_cache_part){scales + whole + SCALES_SIZE / 2, rest, true};
	}
	return n;
}
