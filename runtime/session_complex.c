/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "runtime/session_impl.h"

/*
 * The complex block (iFairy). Vectors lie as products make them: the real parts of all numbers,
 * then the imaginary parts. Attention is that of heads of 2 head_dim reals, so there every head has
 * its real and imaginary parts together: queries, keys and values are brought into that order
 * behind the products, in the second half of a token's part.
 *
 *     part: q, k, v as made | q, k, v by heads           later: gate | up, and what goes down
 */

/* q, k and v of a token in one of their two forms. */
static size_t form_width(const kg_session *s)
{
	return s->heads_width + 2 * (size_t)s->keys_width;
}

/* The input of attention; what the feed-forward part of the layer before gave is added first. */
static void attention_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;

	if (b->l > 0)
		kg_session__add(x_of(b, v), h_of(b, v), s->stream);
	kg_session__norm(s, h_of(b, v), x_of(b, v), b->layer->attn_norm, s->stream);
}

/* What attention gave, from heads to real and imaginary parts, normed. */
static void mixed_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;
	const float *h = h_of(b, v);
	size_t n = s->config->head_dim;
	float *out = part_of(b, v);
	float *mixed = out + s->heads_width;

	for (size_t i = 0; i < s->config->heads; i++) {
		memcpy(mixed + i * n, h + 2 * i * n, n * sizeof(*h));
		memcpy(mixed + s->heads_width / 2 + i * n, h + (2 * i + 1) * n, n * sizeof(*h));
	}
	kg_session__norm(s, out, mixed, b->layer->attn_sub_norm, s->heads_width);
}

/* The input of the feed-forward part; what attention gave is added first. */
static void feed_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;

	kg_session__add(x_of(b, v), h_of(b, v), s->stream);
	kg_session__norm(s, h_of(b, v), x_of(b, v), b->layer->ffn_norm, s->stream);
}

/* a is the square of the gate's parts, both 0 where both are negative; gate = conj(a) * up. */
static void activate(float *restrict gate, const float *restrict up, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool off = gate[i] < 0.0f && gate[n + i] < 0.0f;
		float re = off ? 0.0f : gate[i] * gate[i];
		float im = off ? 0.0f : gate[n + i] * gate[n + i];

		gate[i] = re * up[i] + im * up[n + i];
		gate[n + i] = re * up[n + i] - im * up[i];
	}
}

static void gate_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;
	float *gate = part_of(b, v);
	float *up = gate + s->hidden;

	activate(gate, up, s->hidden / 2);
	kg_session__norm(s, up, gate, b->layer->ffn_sub_norm, s->hidden);
}

/* One head from halves `half` apart, multiplied by cos + i sin. */
static void turn(float *restrict out, const float *restrict x, size_t half,
		 const float *restrict cosine, const float *restrict sine, size_t n)
{
	for (size_t j = 0; j < n; j++) {
		out[j] = x[j] * cosine[j] - x[half + j] * sine[j];
		out[n + j] = x[j] * sine[j] + x[half + j] * cosine[j];
	}
}

/* Key head `head` and the queries that share it, of all tokens: shaped, stored, looked up. */
static void attend(void *context, uint32_t head, uint32_t worker)
{
	const kg_session_batch *b = context;
	kg_session *s = b->session;
	size_t n = s->config->head_dim;
	size_t group = s->config->heads / s->config->kv_heads;
	size_t form = form_width(s);
	size_t q_at = head * group * 2 * n;
	size_t k_at = (size_t)head * 2 * n;

	for (uint32_t v = 0; v < b->count; v++) {
		uint32_t position = s->position + v;
		const float *cosine = s->turn + position * s->turn_width;
		const float *q = part_of(b, v);
		const float *k = q + s->heads_width + head * n;
		const float *value = k + s->keys_width;
		float *shaped = part_of(b, v) + form;
		float *key = shaped + s->heads_width + k_at;
		float *whole = key + s->keys_width;

		for (size_t i = head * group; i < (head + 1) * group; i++)
			turn(shaped + 2 * i * n, q + i * n, s->heads_width / 2, cosine, cosine + n,
			     n);
		turn(key, k, s->keys_width / 2, cosine, cosine + n, n);
		memcpy(whole, value, n * sizeof(*value));
		memcpy(whole + n, value + s->keys_width / 2, n * sizeof(*value));
		kg_cache_put(&s->cache, s->kernel, b->l, head, position, key, whole);
	}
	kg_cache_attend(&s->cache, s->kernel,
			&(kg_cache_query){.layer = b->l,
					  .head = head,
					  .first = s->position,
					  .count = b->count,
					  .group = (uint32_t)group,
					  .x = s->part + form + q_at,
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
				      .row = mixed_row,
				      .role = KG_TENSOR_ATTN_OUTPUT,
				      .x = s->part,
				      .stride = s->part_stride,
				      .n = s->heads_width,
				      .product = {{&layer->output, s->h, s->h_stride}},
				      .products = 1,
			      });
}

static void feed_forward(kg_session_batch *b)
{
	kg_session *s = b->session;
	const kg_layer *layer = b->layer;
	float *up = s->part + s->hidden;

	kg_session__linear(b, &(kg_session_linear){
				      .row = feed_row,
				      .role = KG_TENSOR_FFN_GATE,
				      .x = s->h,
				      .stride = s->h_stride,
				      .n = s->stream,
				      .product = {{&layer->gate, s->part, s->part_stride},
						  {&layer->up, up, s->part_stride}},
				      .products = 2,
			      });
	kg_session__linear(b, &(kg_session_linear){
				      .row = gate_row,
				      .role = KG_TENSOR_FFN_DOWN,
				      .x = up,
				      .stride = s->part_stride,
				      .n = s->hidden,
				      .product = {{&layer->down, s->h, s->h_stride}},
				      .products = 1,
			      });
}

void kg_session__complex(kg_session *s, uint32_t count)
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
