/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "runtime/session_impl.h"

/* The input of attention; what the feed-forward part of the layer before gave is added first. */
static void attention_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;

	if (b->l > 0)
		kg_session__add(x_of(b, v), h_of(b, v), s->stream);
	kg_session__norm(s, h_of(b, v), x_of(b, v), b->layer->attn_norm, s->stream);
}

/* The input of the feed-forward part; what attention gave is added first. */
static void feed_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;

	kg_session__add(x_of(b, v), part_of(b, v), s->stream);
	kg_session__norm(s, h_of(b, v), x_of(b, v), b->layer->ffn_norm, s->stream);
}

static void gate_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;
	float *gate = part_of(b, v);

	s->kernel->swiglu(gate, gate + s->hidden, s->hidden);
}

/* Norm in place, of one head. */
static void norm_head(const kg_session *s, float *x, const float *gain, uint32_t n)
{
	float r = 1.0f / sqrtf(s->kernel->dot_f32(x, x, n) / (float)n + s->config->norm_eps);

	for (uint32_t i = 0; i < n; i++)
		x[i] = gain[i] * (x[i] * r);
}

/* Turns the pairs (2i, 2i+1). */
static void turn(float *restrict x, const float *restrict cosine, const float *restrict sine,
		 size_t half)
{
	for (size_t i = 0; i < half; i++) {
		float re = x[2 * i];
		float im = x[2 * i + 1];

		x[2 * i] = re * cosine[i] - im * sine[i];
		x[2 * i + 1] = re * sine[i] + im * cosine[i];
	}
}

/* A product made queries or a key: bias, norm of every head, and the turn. */
static void shape(const kg_session *s, float *x, uint32_t heads, const float *bias,
		  const float *gain, const float *angles)
{
	uint32_t n = s->config->head_dim;

	if (bias != NULL)
		kg_session__add(x, bias, heads * n);
	for (uint32_t h = 0; h < heads; h++, x += n) {
		if (gain != NULL)
			norm_head(s, x, gain, n);
		turn(x, angles, angles + n / 2, n / 2);
	}
}

/* Key head `head` and the queries that share it, of all tokens: shaped, stored, looked up. */
static void attend(void *context, uint32_t head, uint32_t worker)
{
	const kg_session_batch *b = context;
	kg_session *s = b->session;
	const kg_layer *layer = b->layer;
	uint32_t n = s->config->head_dim;
	uint32_t group = s->config->heads / s->config->kv_heads;
	size_t q_at = (size_t)head * group * n;
	size_t k_at = (size_t)head * n;

	for (uint32_t v = 0; v < b->count; v++) {
		uint32_t position = s->position + v;
		const float *angles = s->turn + position * s->turn_width;
		float *q = part_of(b, v) + q_at;
		float *key = part_of(b, v) + s->heads_width + k_at;
		float *value = key + s->keys_width;

		shape(s, q, group, layer->q_bias == NULL ? NULL : layer->q_bias + q_at,
		      layer->q_norm, angles);
		shape(s, key, 1, layer->k_bias == NULL ? NULL : layer->k_bias + k_at, layer->k_norm,
		      angles);
		if (layer->v_bias != NULL)
			kg_session__add(value, layer->v_bias + k_at, n);
		kg_cache_put(&s->cache, s->kernel, b->l, head, position, key, value);
	}
	kg_cache_attend(&s->cache, s->kernel,
			&(kg_cache_query){.layer = b->l,
					  .head = head,
					  .first = s->position,
					  .count = b->count,
					  .group = group,
					  .x = s->part + q_at,
					  .x_stride = s->part_stride,
					  .out = s->h + q_at,
					  .out_stride = s->h_stride},
			s->queries + worker * kg_cache_room(&s->cache),
			s->sums + worker * s->sums_count);
}

static void attention(kg_session_batch *b)
{
	kg_session *s = b->session;
	const kg_layer *layer = b->layer;
	float *q = s->part;
	double seen = (double)s->position + (double)b->count / 2.0;

	kg_session__linear(b, &(kg_session_linear){
				      .row = attention_row,
				      .role = KG_TENSOR_ATTN_Q,
				      .x = s->h,
				      .stride = s->h_stride,
				      .n = s->stream,
				      .product = {{&layer->q, q, s->part_stride},
						  {&layer->k, q + s->heads_width, s->part_stride},
						  {&layer->v, q + s->heads_width + s->keys_width,
						   s->part_stride}},
				      .products = 3,
			      });
	kg_session__run(s, attend, b, s->config->kv_heads,
			2.0 * seen * (double)s->heads_width * (double)b->count);
	kg_session__linear(b, &(kg_session_linear){
				      .role = KG_TENSOR_ATTN_OUTPUT,
				      .x = s->h,
				      .stride = s->h_stride,
				      .n = s->heads_width,
				      .product = {{&layer->output, s->part, s->part_stride}},
				      .products = 1,
			      });
}

static void feed_forward(kg_session_batch *b)
{
	kg_session *s = b->session;
	const kg_layer *layer = b->layer;

	kg_session__linear(b,
			   &(kg_session_linear){
				   .row = feed_row,
				   .role = KG_TENSOR_FFN_GATE,
				   .x = s->h,
				   .stride = s->h_stride,
				   .n = s->stream,
				   .product = {{&layer->gate, s->part, s->part_stride},
					       {&layer->up, s->part + s->hidden, s->part_stride}},
				   .products = 2,
			   });
	kg_session__linear(b, &(kg_session_linear){
				      .row = gate_row,
				      .role = KG_TENSOR_FFN_DOWN,
				      .x = s->part,
				      .stride = s->part_stride,
				      .n = s->hidden,
				      .product = {{&layer->down, s->h, s->h_stride}},
				      .products = 1,
			      });
}

void kg_session__llama(kg_session *s, uint32_t count)
{
	kg_session_batch batch = {.session = s, .count = count};

	for (uint32_t l = 0; l < s->config->layers; l++) {
		batch.layer = kg_weights_layer(s->weights, l);
		batch.l = l;
		attention(&batch);
		feed_forward(&batch);
	}
	for (uint32_t v = 0; v < count; v++)
		kg_session__add(x_of(&batch, v), h_of(&batch, v), s->stream);
}
