/* SPDX-License-Identifier: MIT */
#include "runtime/session_impl.h"

/* The input of attention; what the feed-forward part of the layer before gave is added first. */
static void attention_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;

	if (b->l > 0)
		s->kernel->add(x_of(b, v), h_of(b, v), s->stream);
	kg_session__norm(s, h_of(b, v), x_of(b, v), b->layer->attn_norm, s->stream);
}

/* The input of the feed-forward part; what attention gave is added first. */
static void feed_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;

	s->kernel->add(x_of(b, v), part_of(b, v), s->stream);
	kg_session__norm(s, h_of(b, v), x_of(b, v), b->layer->ffn_norm, s->stream);
}

void kg_session__look_up(const kg_session_batch *b, uint32_t head, uint32_t worker, const float *x)
{
	kg_session *s = b->session;
	uint32_t group = s->config->heads / s->config->kv_heads;
	size_t at = (size_t)head * group * s->cache.head_dim;

	kg_cache_attend(&s->cache, s->kernel,
			&(kg_cache_query){.layer = b->l,
					  .head = head,
					  .first = s->position,
					  .count = b->count,
					  .group = group,
					  .x = x + at,
					  .x_stride = s->part_stride,
					  .out = s->h + at,
					  .out_stride = s->h_stride},
			s->queries + worker * kg_cache_room(&s->cache),
			s->sums + worker * s->sums_count);
}

static void attention(kg_session_batch *b, const kg_session_block *block)
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
	kg_session__run(s, block->attend, b, s->config->kv_heads,
			2.0 * seen * (double)s->heads_width * (double)b->count);
	kg_session__linear(b, &(kg_session_linear){
				      .row = block->mixed_row,
				      .role = KG_TENSOR_ATTN_OUTPUT,
				      .x = s->h,
				      .stride = s->h_stride,
				      .n = s->heads_width,
				      .product = {{&layer->output, s->part, s->part_stride}},
				      .products = 1,
			      });
}

static void feed_forward(kg_session_batch *b, const kg_session_block *block)
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
				      .row = block->gate_row,
				      .role = KG_TENSOR_FFN_DOWN,
				      .x = s->part,
				      .stride = s->part_stride,
				      .n = s->hidden,
				      .product = {{&layer->down, s->h, s->h_stride}},
				      .products = 1,
			      });
}

void kg_session__layers(kg_session *s, const kg_session_block *block, uint32_t count)
{
	kg_session_batch batch = {.session = s, .count = count};

	for (uint32_t l = 0; l < s->config->layers; l++) {
		batch.layer = kg_weights_layer(s->weights, l);
		batch.l = l;
		attention(&batch, block);
		feed_forward(&batch, block);
	}
	for (uint32_t v = 0; v < count; v++)
		s->kernel->add(x_of(&batch, v), h_of(&batch, v), s->stream);
}
