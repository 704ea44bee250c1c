/* SPDX-License-Identifier: MIT */
/* The way forward through the model, over the packed segments of one chunk. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/product.h"
#include "runtime/train/train_impl.h"

#define NORM_EPSILON 1e-5f
#define ROPE_THETA   10000.0

enum {
	QUERY_BLOCK = 64
}; /* queries per attention product: half the work above the diagonal saved */

KG_CLONES
static void norm(float *restrict out, float *restrict inverse, const float *restrict x,
		 const float *restrict gain, size_t tokens, size_t dim)
{
	for (size_t t = 0; t < tokens; t++) {
		const float *restrict row = x + t * dim;
		float *restrict to = out + t * dim;
		float sum = 0.0f;
		float scale;

#pragma omp simd reduction(+ : sum)
		for (size_t i = 0; i < dim; i++)
			sum += row[i] * row[i];
		scale = 1.0f / sqrtf(sum / (float)dim + NORM_EPSILON);
		inverse[t] = scale;
		for (size_t i = 0; i < dim; i++)
			to[i] = row[i] * scale * gain[i];
	}
}

/* Rotates heads of [N] floats at `x` by the angle of one position. */
KG_CLONES
static void rotate(float *restrict x, size_t heads, size_t pairs, const float *restrict cosine,
		   const float *restrict sine)
{
	for (size_t h = 0; h < heads; h++) {
		float *restrict head = x + h * 2 * pairs;

		for (size_t i = 0; i < pairs; i++) {
			float a = head[2 * i];
			float b = head[2 * i + 1];

			head[2 * i] = a * cosine[i] - b * sine[i];
			head[2 * i + 1] = a * sine[i] + b * cosine[i];
		}
	}
}

static void rotate_segment(const kg_train *train, float *qkv, uint32_t length)
{
	const kg_train_shape *s = &train->config.shape;
	size_t pairs = s->dim / s->heads / 2;
	size_t heads = s->heads + s->kv_heads;
	size_t stride = (heads + s->kv_heads) * 2 * pairs;

	for (uint32_t p = 0; p < length; p++)
		rotate(qkv + p * stride, heads, pairs, train->act.cosine + p * pairs,
		       train->act.sine + p * pairs);
}

/* Rows first..last-1 of the shares: softmax over positions 0..row, zero after. */
KG_CLONES
static void softmax_rows(float *restrict share, size_t stride, size_t first, size_t last)
{
	for (size_t i = first; i < last; i++) {
		float *restrict row = share + i * stride;
		float most = row[0];
		float sum = 0.0f;
		float scale;

#pragma omp simd reduction(max : most)
		for (size_t j = 0; j <= i; j++)
			most = row[j] > most ? row[j] : most;
#pragma omp simd reduction(+ : sum)
		for (size_t j = 0; j <= i; j++) {
			row[j] = fast_exp(row[j] - most);
			sum += row[j];
		}
		scale = 1.0f / sum;
		for (size_t j = 0; j <= i; j++)
			row[j] *= scale;
		for (size_t j = i + 1; j < last; j++)
			row[j] = 0.0f;
	}
}

/* One segment, one layer: qkv [L][Q + 2K] -> heard [L][Q], shares [heads][L][L]. */
static void attend(const kg_train *train, float *heard, float *share, const float *qkv,
		   uint32_t length)
{
	const kg_train_shape *s = &train->config.shape;
	size_t size = s->dim / s->heads;
	size_t stride = (s->heads + 2 * (size_t)s->kv_heads) * size;
	float scale = 1.0f / sqrtf((float)size);

	for (size_t h = 0; h < s->heads; h++) {
		const float *query = qkv + h * size;
		const float *key = qkv + (s->heads + h * s->kv_heads / s->heads) * size;
		const float *value = key + s->kv_heads * size;
		float *rows = share + h * length * length;

		for (size_t first = 0; first < length; first += QUERY_BLOCK) {
			size_t last = first + QUERY_BLOCK < length ? first + QUERY_BLOCK : length;
			float *block = rows + first * length;

			product_forward(block, length, query + first * stride, stride, key, stride,
					last - first, last, size, scale, 0.0f);
			softmax_rows(rows, length, first, last);
			product_input(heard + first * s->dim + h * size, s->dim, block, length,
				      value, stride, last - first, last, size, 0.0f);
		}
	}
}

KG_CLONES
static void swiglu(float *restrict hidden, const float *restrict gate_up, size_t tokens,
		   size_t width)
{
	for (size_t t = 0; t < tokens; t++) {
		const float *restrict gate = gate_up + t * 2 * width;
		const float *restrict up = gate + width;
		float *restrict to = hidden + t * width;

		for (size_t i = 0; i < width; i++)
			to[i] = gate[i] / (1.0f + fast_exp(-gate[i])) * up[i];
	}
}

static void layer_forward(kg_train *train, uint32_t l, const kg_batch *batch, uint32_t first,
			  uint32_t count, size_t tokens)
{
	const kg_train_shape *s = &train->config.shape;
	const kg_layer_place *at = &train->layer[l];
	kg_activation *act = &train->act;
	size_t room = act->capacity;
	size_t d = s->dim;
	size_t h = s->hidden;
	size_t wide = d + 2 * (d / s->heads) * s->kv_heads;
	const float *w = train->weight;
	float *x = act->x + l * room * d;
	float *middle = act->middle + l * room * d;
	float *normed = act->normed + 2 * l * room * d;
	float *qkv = act->qkv + l * room * wide;
	float *heard = act->heard + l * room * d;
	float *share = act->share + l * act->share_size;
	float *gate_up = act->gate_up + l * room * 2 * h;
	float *hidden = act->hidden + l * room * h;
	uint32_t base = batch->segment[first].start;

	norm(normed, act->inverse + 2 * l * room, x, w + at->attn_norm, tokens, d);
	product_forward(qkv, wide, normed, d, w + at->q, d, tokens, wide, d, 1.0f, 0.0f);
	for (uint32_t i = first; i < first + count; i++) {
		const kg_segment *segment = &batch->segment[i];
		size_t t = segment->start - base;

		rotate_segment(train, qkv + t * wide, segment->length);
		attend(train, heard + t * d, share, qkv + t * wide, segment->length);
		share += (size_t)s->heads * segment->length * segment->length;
	}
	memcpy(middle, x, tokens * d * sizeof(*x));
	product_forward(middle, d, heard, d, w + at->o, d, tokens, d, d, 1.0f, 1.0f);
	normed += room * d;
	norm(normed, act->inverse + (2 * l + 1) * room, middle, w + at->ffn_norm, tokens, d);
	product_forward(gate_up, 2 * h, normed, d, w + at->gate, d, tokens, 2 * h, d, 1.0f, 0.0f);
	swiglu(hidden, gate_up, tokens, h);
	x += room * d;
	memcpy(x, middle, tokens * d * sizeof(*x));
	product_forward(x, d, hidden, h, w + at->down, h, tokens, d, h, 1.0f, 1.0f);
}

uint32_t kg_train__chunk(const kg_train *train, const kg_batch *batch, uint32_t first)
{
	uint32_t count = 0;
	uint32_t tokens = 0;

	while (first + count < batch->segments &&
	       tokens + batch->segment[first + count].length <= train->act.capacity) {
		tokens += batch->segment[first + count].length;
		count++;
	}
	return count;
}

void kg_train__forward(kg_train *train, const kg_batch *batch, uint32_t first, uint32_t count)
{
	const kg_train_shape *s = &train->config.shape;
	const kg_segment *last = &batch->segment[first + count - 1];
	kg_activation *act = &train->act;
	size_t start = batch->segment[first].start;
	size_t tokens = last->start + last->length - start;
	size_t d = s->dim;
	float *normed = act->normed + 2 * (size_t)s->layers * act->capacity * d;

	for (size_t t = 0; t < tokens; t++)
		memcpy(act->x + t * d,
		       train->weight + train->embedding + batch->token[start + t] * d,
		       d * sizeof(*act->x));
	for (uint32_t l = 0; l < s->layers; l++)
		layer_forward(train, l, batch, first, count, tokens);
	norm(normed, act->inverse + 2 * (size_t)s->layers * act->capacity,
	     act->x + (size_t)s->layers * act->capacity * d, train->weight + train->output_norm,
	     tokens, d);
	product_forward(act->logits, KG_TRAIN_VOCABULARY, normed, d,
			train->weight + train->embedding, d, tokens, KG_TRAIN_VOCABULARY, d, 1.0f,
			0.0f);
}

static void angles(kg_train *train)
{
	const kg_train_shape *s = &train->config.shape;
	uint32_t size = s->dim / s->heads;

	for (uint32_t p = 0; p < s->context; p++) {
		for (uint32_t i = 0; i < size / 2; i++) {
			double angle = p * pow(ROPE_THETA, -2.0 * i / size);

			train->act.cosine[p * (size / 2) + i] = (float)cos(angle);
			train->act.sine[p * (size / 2) + i] = (float)sin(angle);
		}
	}
}

kg_err kg_train__activation_new(kg_train *train, uint32_t capacity)
{
	const kg_train_shape *s = &train->config.shape;
	kg_activation *act = &train->act;
	size_t room = capacity;
	size_t d = s->dim;
	size_t l = s->layers;
	size_t wide = d + 2 * (d / s->heads) * s->kv_heads;
	size_t pairs = (size_t)s->context * (d / s->heads / 2);
	struct {
		float **at;
		size_t count;
	} wanted[] = {
		{&act->x, (l + 1) * room * d},
		{&act->middle, l * room * d},
		{&act->inverse, (2 * l + 1) * room},
		{&act->normed, (2 * l + 1) * room * d},
		{&act->qkv, l * room * wide},
		{&act->share, l * room * s->context * s->heads},
		{&act->heard, l * room * d},
		{&act->gate_up, l * room * 2 * s->hidden},
		{&act->hidden, l * room * s->hidden},
		{&act->logits, room * KG_TRAIN_VOCABULARY},
		{&act->cosine, pairs},
		{&act->sine, pairs},
		{&act->dx, room * d},
		{&act->dnormed, room * d},
		{&act->dheard, room * d},
		{&act->dqkv, room * wide},
		{&act->dwide, room * 2 * s->hidden},
		{&act->dhidden, room * s->hidden},
		{&act->dshare, (size_t)s->context * s->context},
	};

	act->capacity = capacity;
	act->share_size = room * s->context * s->heads;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		*wanted[i].at = aligned_alloc(64, (wanted[i].count * sizeof(float) + 63) / 64 * 64);
		if (*wanted[i].at == NULL)
			return kg_fail(KG_ENOMEM, "train: no memory for %u tokens of activations",
				       capacity);
	}
	angles(train);
	return KG_OK;
}

void kg_train__activation_free(kg_train *train)
{
	kg_activation *act = &train->act;
	float *all[] = {act->x,      act->middle, act->inverse, act->normed,  act->qkv,
			act->share,  act->heard,  act->gate_up, act->hidden,  act->logits,
			act->cosine, act->sine,   act->dx,      act->dnormed, act->dheard,
			act->dqkv,   act->dwide,  act->dhidden, act->dshare};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}
