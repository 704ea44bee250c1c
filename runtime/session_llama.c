/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "runtime/session_impl.h"

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

/* A product made queries or a key: bias, norm of every head, and the turn. */
static void shape(const kg_session *s, float *x, uint32_t heads, const float *bias,
		  const float *gain, const float *angles)
{
	uint32_t n = s->config->head_dim;

	if (bias != NULL)
		s->kernel->add(x, bias, heads * n);
	for (uint32_t h = 0; h < heads; h++, x += n) {
		if (gain != NULL)
			norm_head(s, x, gain, n);
		s->kernel->turn(x, angles, angles + n / 2, n / 2);
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
			s->kernel->add(value, layer->v_bias + k_at, n);
		kg_cache_put(&s->cache, s->kernel, b->l, head, position, key, value);
	}
	kg_session__look_up(b, head, worker, s->part);
}

const kg_session_block kg_session__llama = {.attend = attend, .gate_row = gate_row};
