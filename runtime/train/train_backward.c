/* SPDX-License-Identifier: MIT */
/* The way back: the loss, and its gradient with respect to every weight. */
#include <math.h>
#include <string.h>

#include "runtime/train/product.h"
#include "runtime/train/train_impl.h"

enum { QUERY_BLOCK = 64 };

/* Row of logits -> scale * (softmax - onehot); returns the cross-entropy. */
KG_CLONES
static float loss_row(float *restrict row, size_t width, size_t target, float scale)
{
	float wanted = row[target];
	float most = row[0];
	float sum = 0.0f;

#pragma omp simd reduction(max : most)
	for (size_t i = 0; i < width; i++)
		most = row[i] > most ? row[i] : most;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < width; i++) {
		row[i] = fast_exp(row[i] - most);
		sum += row[i];
	}
	for (size_t i = 0; i < width; i++)
		row[i] *= scale / sum;
	row[target] -= scale;
	return logf(sum) + most - wanted;
}

double kg_train__loss(kg_train *train, const kg_batch *batch, uint32_t first, uint32_t count,
		      float scale)
{
	size_t start = batch->segment[first].start;
	size_t end =
		batch->segment[first + count - 1].start + batch->segment[first + count - 1].length;
	double total = 0.0;

	for (size_t t = start; t < end; t++) {
		float weight = batch->weight[t];

		total += (double)weight *
			 (double)loss_row(train->act.logits + (t - start) * KG_TRAIN_VOCABULARY,
					  KG_TRAIN_VOCABULARY, batch->target[t], scale * weight);
	}
	return total;
}

/* dx += gradient through y = x / rms * gain; dgain += its own. */
KG_CLONES
static void norm_backward(float *restrict dx, float *restrict dgain, const float *restrict dy,
			  const float *restrict x, const float *restrict inverse,
			  const float *restrict gain, size_t tokens, size_t dim)
{
	for (size_t t = 0; t < tokens; t++) {
		const float *restrict dyr = dy + t * dim;
		const float *restrict xr = x + t * dim;
		float *restrict dxr = dx + t * dim;
		float scale = inverse[t];
		float dot = 0.0f;

#pragma omp simd reduction(+ : dot)
		for (size_t i = 0; i < dim; i++)
			dot += dyr[i] * gain[i] * xr[i];
		dot *= scale * scale / (float)dim;
		for (size_t i = 0; i < dim; i++) {
			dgain[i] += dyr[i] * xr[i] * scale;
			dxr[i] += scale * (dyr[i] * gain[i] - xr[i] * dot);
		}
	}
}

/* Rotation back: the transpose of train_forward's. */
KG_CLONES
static void rotate_back(float *restrict x, size_t heads, size_t pairs, const float *restrict cosine,
			const float *restrict sine)
{
	for (size_t h = 0; h < heads; h++) {
		float *restrict head = x + h * 2 * pairs;

		for (size_t i = 0; i < pairs; i++) {
			float a = head[2 * i];
			float b = head[2 * i + 1];

			head[2 * i] = a * cosine[i] + b * sine[i];
			head[2 * i + 1] = b * cosine[i] - a * sine[i];
		}
	}
}

/* dshare -> gradient before the softmax, scaled, over `width` columns of `rows` rows. */
KG_CLONES
static void softmax_backward(float *restrict dshare, size_t dstride, const float *restrict share,
			     size_t stride, size_t rows, size_t width, float scale)
{
	for (size_t i = 0; i < rows; i++) {
		float *restrict d = dshare + i * dstride;
		const float *restrict p = share + i * stride;
		float dot = 0.0f;

#pragma omp simd reduction(+ : dot)
		for (size_t j = 0; j < width; j++)
			dot += d[j] * p[j];
		for (size_t j = 0; j < width; j++)
			d[j] = p[j] * (d[j] - dot) * scale;
	}
}

/* One segment, one layer: dheard [L][Q] -> dqkv [L][Q + 2K], which begins as zeros. */
static void attend_backward(kg_train *train, float *dqkv, const float *dheard, const float *share,
			    const float *qkv, uint32_t length)
{
	const kg_train_shape *s = &train->config.shape;
	size_t size = s->dim / s->heads;
	size_t stride = (s->heads + 2 * (size_t)s->kv_heads) * size;
	float scale = 1.0f / sqrtf((float)size);
	float *dshare = train->act.dshare;

	for (size_t h = 0; h < s->heads; h++) {
		size_t query = h * size;
		size_t key = (s->heads + h * s->kv_heads / s->heads) * size;
		size_t value = key + s->kv_heads * size;
		const float *rows = share + h * length * length;

		for (size_t first = 0; first < length; first += QUERY_BLOCK) {
			size_t last = first + QUERY_BLOCK < length ? first + QUERY_BLOCK : length;
			size_t n = last - first;
			const float *block = rows + first * length;
			const float *dout = dheard + first * s->dim + h * size;

			product_forward(dshare, last, dout, s->dim, qkv + value, stride, n, last,
					size, 1.0f, 0.0f);
			product_weight(dqkv + value, stride, block, length, dout, s->dim, n, last,
				       size);
			softmax_backward(dshare, last, block, length, n, last, scale);
			product_input(dqkv + first * stride + query, stride, dshare, last,
				      qkv + key, stride, n, last, size, 0.0f);
			product_weight(dqkv + key, stride, dshare, last,
				       qkv + first * stride + query, stride, n, last, size);
		}
	}
}

/* dhidden [T][H] -> dwide [T][2H] through silu(gate) * up. */
KG_CLONES
static void swiglu_backward(float *restrict dwide, const float *restrict dhidden,
			    const float *restrict gate_up, size_t tokens, size_t width)
{
	for (size_t t = 0; t < tokens; t++) {
		const float *restrict gate = gate_up + t * 2 * width;
		const float *restrict up = gate + width;
		const float *restrict d = dhidden + t * width;
		float *restrict dgate = dwide + t * 2 * width;
		float *restrict dup = dgate + width;

		for (size_t i = 0; i < width; i++) {
			float open = 1.0f / (1.0f + fast_exp(-gate[i]));
			float silu = gate[i] * open;

			dup[i] = d[i] * silu;
			dgate[i] = d[i] * up[i] * (open + silu * (1.0f - open));
		}
	}
}

static void ffn_backward(kg_train *train, uint32_t l, size_t tokens)
{
	const kg_train_shape *s = &train->config.shape;
	const kg_layer_place *at = &train->layer[l];
	kg_activation *act = &train->act;
	size_t room = act->capacity;
	size_t d = s->dim;
	size_t h = s->hidden;
	const float *w = train->weight;
	float *g = train->gradient;
	const float *normed = act->normed + (2 * l + 1) * room * d;
	const float *hidden = act->hidden + l * room * h;

	product_input(act->dhidden, h, act->dx, d, w + at->down, h, tokens, d, h, 0.0f);
	product_weight(g + at->down, h, act->dx, d, hidden, h, tokens, d, h);
	swiglu_backward(act->dwide, act->dhidden, act->gate_up + l * room * 2 * h, tokens, h);
	product_input(act->dnormed, d, act->dwide, 2 * h, w + at->gate, d, tokens, 2 * h, d, 0.0f);
	product_weight(g + at->gate, d, act->dwide, 2 * h, normed, d, tokens, 2 * h, d);
	norm_backward(act->dx, g + at->ffn_norm, act->dnormed, act->middle + l * room * d,
		      act->inverse + (2 * l + 1) * room, w + at->ffn_norm, tokens, d);
}

static void attention_backward(kg_train *train, uint32_t l, const kg_batch *batch, uint32_t first,
			       uint32_t count, size_t tokens)
{
	const kg_train_shape *s = &train->config.shape;
	const kg_layer_place *at = &train->layer[l];
	kg_activation *act = &train->act;
	size_t room = act->capacity;
	size_t d = s->dim;
	size_t pairs = d / s->heads / 2;
	size_t wide = d + 4 * pairs * s->kv_heads;
	const float *w = train->weight;
	float *g = train->gradient;
	const float *qkv = act->qkv + l * room * wide;
	const float *share = act->share + l * act->share_size;
	uint32_t base = batch->segment[first].start;

	product_input(act->dheard, d, act->dx, d, w + at->o, d, tokens, d, d, 0.0f);
	product_weight(g + at->o, d, act->dx, d, act->heard + l * room * d, d, tokens, d, d);
	memset(act->dqkv, 0, tokens * wide * sizeof(*act->dqkv));
	for (uint32_t i = first; i < first + count; i++) {
		const kg_segment *segment = &batch->segment[i];
		size_t t = segment->start - base;

		attend_backward(train, act->dqkv + t * wide, act->dheard + t * d, share,
				qkv + t * wide, segment->length);
		share += (size_t)s->heads * segment->length * segment->length;
		for (size_t p = 0; p < segment->length; p++)
			rotate_back(act->dqkv + (t + p) * wide, s->heads + s->kv_heads, pairs,
				    act->cosine + p * pairs, act->sine + p * pairs);
	}
	product_input(act->dnormed, d, act->dqkv, wide, w + at->q, d, tokens, wide, d, 0.0f);
	product_weight(g + at->q, d, act->dqkv, wide, act->normed + 2 * l * room * d, d, tokens,
		       wide, d);
	norm_backward(act->dx, g + at->attn_norm, act->dnormed, act->x + l * room * d,
		      act->inverse + 2 * l * room, w + at->attn_norm, tokens, d);
}

void kg_train__backward(kg_train *train, const kg_batch *batch, uint32_t first, uint32_t count)
{
	const kg_train_shape *s = &train->config.shape;
	const kg_segment *last = &batch->segment[first + count - 1];
	kg_activation *act = &train->act;
	size_t start = batch->segment[first].start;
	size_t tokens = last->start + last->length - start;
	size_t l = s->layers;
	size_t d = s->dim;
	size_t top = l * act->capacity * d;
	float *g = train->gradient;

	product_input(act->dnormed, d, act->logits, KG_TRAIN_VOCABULARY,
		      train->weight + train->embedding, d, tokens, KG_TRAIN_VOCABULARY, d, 0.0f);
	product_weight(g + train->embedding, d, act->logits, KG_TRAIN_VOCABULARY,
		       act->normed + 2 * top, d, tokens, KG_TRAIN_VOCABULARY, d);
	memset(act->dx, 0, tokens * d * sizeof(*act->dx));
	norm_backward(act->dx, g + train->output_norm, act->dnormed, act->x + top,
		      act->inverse + 2 * l * act->capacity, train->weight + train->output_norm,
		      tokens, d);
	for (uint32_t i = s->layers; i-- > 0;) {
		ffn_backward(train, i, tokens);
		attention_backward(train, i, batch, first, count, tokens);
	}
	for (size_t t = 0; t < tokens; t++) {
		float *to = g + train->embedding + batch->token[start + t] * d;

		for (size_t i = 0; i < d; i++)
			to[i] += act->dx[t * d + i];
	}
}

double kg_train__gradient(kg_train *train, const kg_batch *batch)
{
	double weights = 0.0;
	double loss = 0.0;

	for (uint32_t t = 0; t < batch->tokens; t++)
		weights += (double)batch->weight[t];
	memset(train->gradient, 0, train->parameters * sizeof(*train->gradient));
	for (uint32_t first = 0; first < batch->segments;) {
		uint32_t count = kg_train__chunk(train, batch, first);

		kg_train__forward(train, batch, first, count);
		loss += kg_train__loss(train, batch, first, count, (float)(1.0 / weights));
		kg_train__backward(train, batch, first, count);
		first += count;
	}
	return loss / weights;
}
