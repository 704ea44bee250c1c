/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "runtime/session_impl.h"

/*
 * The complex block (iFairy). Vectors lie as products make them: the real parts of all numbers,
 * then the imaginary parts. Attention is that of heads of 2 head_dim reals, so there every head has
 * its real and imaginary parts together: queries, keys and values are brought into that order
 * behind the products, in the second half of a token's part.
 *
 *     part: q, k, v as made | q, k, v by heads
 */

/* q, k and v of a token in one of their two forms. */
static size_t form_width(const kg_session *s)
{
	return s->heads_width + 2 * (size_t)s->keys_width;
}

/* What attention gave, from heads to real and imaginary parts, normed. */
static void mixed_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;
	size_t n = s->config->head_dim;
	float *h = h_of(b, v);
	float *mixed = part_of(b, v);

	for (size_t i = 0; i < s->config->heads; i++) {
		memcpy(mixed + i * n, h + 2 * i * n, n * sizeof(*h));
		memcpy(mixed + s->heads_width / 2 + i * n, h + (2 * i + 1) * n, n * sizeof(*h));
	}
	kg_session__norm(s, h, mixed, b->layer->attn_sub_norm, s->heads_width);
}

/* up = conj(a) * up, where a is the square of each of the gate's parts, 0 where both are negative.
 */
static void activate(float *restrict up, const float *restrict gate, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool off = gate[i] < 0.0f && gate[n + i] < 0.0f;
		float re = off ? 0.0f : gate[i] * gate[i];
		float im = off ? 0.0f : gate[n + i] * gate[n + i];
		float up_re = up[i];

		up[i] = re * up_re + im * up[n + i];
		up[n + i] = re * up[n + i] - im * up_re;
	}
}

static void gate_row(const kg_session_batch *b, uint32_t v)
{
	const kg_session *s = b->session;
	float *gate = part_of(b, v);
	float *up = gate + s->hidden;

	activate(up, gate, s->hidden / 2);
	kg_session__norm(s, gate, up, b->layer->ffn_sub_norm, s->hidden);
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
	kg_session__look_up(b, head, worker, s->part + form);
}

const kg_session_block kg_session__complex = {
	.attend = attend, .mixed_row = mixed_row, .gate_row = gate_row};
