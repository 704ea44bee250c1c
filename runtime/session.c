/* SPDX-License-Identifier: MIT */
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache.h"
#include "runtime/fmath.h"

struct kg_session {
	const kg_weights *weights;
	const kg_model_config *config;
	const kg_kernel *kernel;
	uint32_t context;
	uint32_t position;
	kg_session_observer *observer; /* or NULL */
	void *observer_context;
	kg_cache cache;
	double *frequency; /* head_dim / 2: RoPE radians per position */
	float *cosine;     /* head_dim / 2, of the current position */
	float *sine;
	float *x;      /* dim: the residual stream */
	float *norm;   /* dim */
	float *q;      /* heads * head_dim */
	float *k;      /* kv_heads * head_dim */
	float *v;      /* kv_heads * head_dim */
	float *mixed;  /* heads * head_dim: what attention gives */
	float *gate;   /* hidden */
	float *up;     /* hidden */
	float *delta;  /* dim: what a block adds */
	int8_t *steps; /* activations of the widest input */
	int8_t *room;  /* what a product prepares */
	int32_t *sums;
	float step; /* of the activations */
	kg_cache_scratch attention;
	void *buffers; /* the one allocation behind all of the above */
	size_t buffers_bytes;
};

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Hands out `count * size` bytes of the buffers, 64-byte aligned; only counts while base is NULL.
 */
static void *carve(uint8_t *base, size_t *used, size_t count, size_t size)
{
	void *at = base == NULL ? NULL : base + *used;

	*used += (count * size + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
	return at;
}

/* Lays all buffers out from `base`; returns the bytes they take. Called twice: to measure, to do.
 */
static size_t lay_out(kg_session *s, uint8_t *base)
{
	const kg_model_config *c = s->config;
	size_t heads = (size_t)c->heads * c->head_dim;
	size_t kv = (size_t)c->kv_heads * c->head_dim;
	size_t wide = larger(larger(c->dim, c->hidden), heads);
	size_t tokens = ((size_t)s->context + KG_TILE_ROWS - 1) / KG_TILE_ROWS * KG_TILE_ROWS;
	size_t used = 0;

	s->frequency = carve(base, &used, c->head_dim / 2, sizeof(double));
	s->cosine = carve(base, &used, c->head_dim / 2, sizeof(float));
	s->sine = carve(base, &used, c->head_dim / 2, sizeof(float));
	s->x = carve(base, &used, c->dim, sizeof(float));
	s->norm = carve(base, &used, c->dim, sizeof(float));
	s->q = carve(base, &used, heads, sizeof(float));
	s->k = carve(base, &used, kv, sizeof(float));
	s->v = carve(base, &used, kv, sizeof(float));
	s->mixed = carve(base, &used, heads, sizeof(float));
	s->gate = carve(base, &used, c->hidden, sizeof(float));
	s->up = carve(base, &used, c->hidden, sizeof(float));
	s->delta = carve(base, &used, c->dim, sizeof(float));
	s->steps = carve(base, &used, wide + KG_LINE_SIZE, 1);
	s->room = carve(base, &used, kg_matrix_room((uint32_t)wide), 1);
	s->sums = carve(base, &used, KG_MATRIX_SUMS, sizeof(*s->sums));
	s->attention.q = carve(base, &used, c->head_dim + KG_LINE_SIZE, 1);
	s->attention.sum = carve(base, &used, tokens, sizeof(*s->attention.sum));
	s->attention.score = carve(base, &used, tokens, sizeof(float));
	s->attention.mixture = carve(base, &used, c->head_dim + 16, sizeof(float));
	return used;
}

kg_err kg_session_new(kg_session **out, const kg_weights *weights,
		      const kg_session_options *options)
{
	const kg_model_config *c = kg_model_get_config(kg_weights_model(weights));
	const float *factors = kg_weights_rope_factors(weights);
	double log_theta = kg_fmath_log((double)c->rope_theta);
	uint32_t context = options == NULL ? 0 : options->context;
	kg_session *s;
	kg_err err;

	if (context > c->context)
		return kg_fail(KG_EINVAL, "a context of %u: the model has %u", context, c->context);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a session");
	s->weights = weights;
	s->config = c;
	s->kernel = kg_kernel_current();
	s->context = context == 0 ? c->context : context;
	s->buffers_bytes = lay_out(s, NULL);
	s->buffers = aligned_alloc(KG_LINE_SIZE, s->buffers_bytes);
	s->cache = (kg_cache){.layers = c->layers,
			      .kv_heads = c->kv_heads,
			      .head_dim = c->head_dim,
			      .context = s->context,
			      .quantized = kg_weights_quantized(weights)};
	err = KG_ENOMEM;
	if (s->buffers == NULL)
		(void)kg_fail(err, "no memory for a session");
	else
		err = kg_cache_init(&s->cache);
	if (err != KG_OK) {
		kg_session_free(s);
		return err;
	}
	memset(s->buffers, 0, s->buffers_bytes);
	(void)lay_out(s, s->buffers);
	for (uint32_t i = 0; i < c->head_dim / 2; i++) {
		s->frequency[i] =
			kg_fmath_exp(-log_theta * (2.0 * (double)i / (double)c->head_dim));
		if (factors != NULL)
			s->frequency[i] /= (double)factors[i];
	}
	*out = s;
	return KG_OK;
}

void kg_session_free(kg_session *session)
{
	if (session == NULL)
		return;
	kg_cache_release(&session->cache);
	free(session->buffers);
	free(session);
}

void kg_session_observe(kg_session *session, kg_session_observer *observer, void *context)
{
	session->observer = observer;
	session->observer_context = context;
}

void kg_session_rewind(kg_session *session, uint32_t position)
{
	KG_ASSERT(position <= session->position);
	session->position = position;
}

uint32_t kg_session_position(const kg_session *session)
{
	return session->position;
}

uint32_t kg_session_context(const kg_session *session)
{
	return session->context;
}

const kg_weights *kg_session_weights(const kg_session *session)
{
	return session->weights;
}

uint32_t kg_session_vocabulary(const kg_session *session)
{
	return session->config->vocabulary;
}

size_t kg_session_bytes(const kg_session *session)
{
	return sizeof(*session) + session->buffers_bytes + session->cache.size;
}

/* out = gain * (x * r), r = 1 / sqrt(mean of x^2 + eps); out may be x. */
static void norm_of(float *out, const kg_session *s, const float *x, const float *gain, uint32_t n)
{
	float r = 1.0f / sqrtf(s->kernel->dot_f32(x, x, n) / (float)n + s->config->norm_eps);

	for (uint32_t i = 0; i < n; i++)
		out[i] = gain[i] * (x[i] * r);
}

static void rms_norm(float *out, const kg_session *s, const float *x, const float *gain)
{
	norm_of(out, s, x, gain, s->config->dim);
}

/* Turns the pairs (2i, 2i+1) of `heads` heads. */
static void rope(const kg_session *s, float *x, uint32_t heads)
{
	size_t half = s->config->head_dim / 2;

	for (uint32_t h = 0; h < heads; h++, x += 2 * half)
		for (size_t i = 0; i < half; i++) {
			float re = x[2 * i];
			float im = x[2 * i + 1];

			x[2 * i] = re * s->cosine[i] - im * s->sine[i];
			x[2 * i + 1] = re * s->sine[i] + im * s->cosine[i];
		}
}

static void add(float *x, const float *y, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		x[i] += y[i];
}

/* A product made a query or key: bias, norm of every head, and the turn. */
static void shape_heads(const kg_session *s, float *x, uint32_t heads, const float *bias,
			const float *gain)
{
	uint32_t n = s->config->head_dim;

	if (bias != NULL)
		add(x, bias, heads * n);
	for (uint32_t h = 0; h < heads && gain != NULL; h++)
		norm_of(x + (size_t)h * n, s, x + (size_t)h * n, gain, n);
	rope(s, x, heads);
}

/* What the products of `role` and its companions take in. */
static void observe(const kg_session *s, uint32_t l, kg_tensor_role role, const float *x,
		    uint32_t n)
{
	if (s->observer != NULL)
		s->observer(s->observer_context, l, role, x, n);
}

/* Activations for the products that follow; the steps are shared by all of them. */
static kg_activation activate(kg_session *s, const float *x, uint32_t n)
{
	kg_activation activation = {.x = x, .count = 1};

	if (!kg_weights_quantized(s->weights))
		return activation;
	memset(s->steps + n, 0, KG_LINE_SIZE); /* the last line's padding */
	s->step = s->kernel->quantize(s->steps, x, n);
	activation.q = s->steps;
	activation.step = &s->step;
	return activation;
}

static void multiply(float *y, const kg_session *s, const kg_matrix *matrix,
		     const kg_activation *activation)
{
	kg_matrix_prepare(matrix, s->kernel, activation, s->room);
	kg_matrix_multiply(y, 0, matrix, s->kernel, activation, s->room, s->sums, 0,
			   kg_matrix_tiles(matrix));
}

static void rope_angles(kg_session *s)
{
	for (uint32_t i = 0; i < s->config->head_dim / 2; i++) {
		double sine;
		double cosine;

		kg_fmath_sincos((double)s->position * s->frequency[i], &sine, &cosine);
		s->sine[i] = (float)sine;
		s->cosine[i] = (float)cosine;
	}
}

static void attention(kg_session *s, const kg_layer *layer, uint32_t l)
{
	const kg_model_config *c = s->config;
	kg_activation in;

	rms_norm(s->norm, s, s->x, layer->attn_norm);
	observe(s, l, KG_TENSOR_ATTN_Q, s->norm, c->dim);
	in = activate(s, s->norm, c->dim);
	multiply(s->q, s, &layer->q, &in);
	multiply(s->k, s, &layer->k, &in);
	multiply(s->v, s, &layer->v, &in);
	shape_heads(s, s->q, c->heads, layer->q_bias, layer->q_norm);
	shape_heads(s, s->k, c->kv_heads, layer->k_bias, layer->k_norm);
	if (layer->v_bias != NULL)
		add(s->v, layer->v_bias, c->kv_heads * c->head_dim);
	for (uint32_t h = 0; h < c->kv_heads; h++)
		kg_cache_put(&s->cache, s->kernel, l, h, s->position,
			     s->k + (size_t)h * c->head_dim, s->v + (size_t)h * c->head_dim);
	for (uint32_t h = 0; h < c->heads; h++) {
		kg_cache_query query = {.layer = l,
					.head = h * c->kv_heads / c->heads,
					.count = s->position + 1,
					.x = s->q + (size_t)h * c->head_dim};

		kg_cache_attend(s->mixed + (size_t)h * c->head_dim, &s->cache, s->kernel, &query,
				&s->attention);
	}
	observe(s, l, KG_TENSOR_ATTN_OUTPUT, s->mixed, c->heads * c->head_dim);
	in = activate(s, s->mixed, c->heads * c->head_dim);
	multiply(s->delta, s, &layer->output, &in);
	add(s->x, s->delta, c->dim);
}

static void feed_forward(kg_session *s, const kg_layer *layer, uint32_t l)
{
	const kg_model_config *c = s->config;
	kg_activation in;

	rms_norm(s->norm, s, s->x, layer->ffn_norm);
	observe(s, l, KG_TENSOR_FFN_GATE, s->norm, c->dim);
	in = activate(s, s->norm, c->dim);
	multiply(s->gate, s, &layer->gate, &in);
	multiply(s->up, s, &layer->up, &in);
	s->kernel->swiglu(s->gate, s->up, c->hidden);
	observe(s, l, KG_TENSOR_FFN_DOWN, s->gate, c->hidden);
	in = activate(s, s->gate, c->hidden);
	multiply(s->delta, s, &layer->down, &in);
	add(s->x, s->delta, c->dim);
}

kg_err kg_session_step(kg_session *session, uint32_t token, float *logits)
{
	kg_session *s = session;

	if (token >= s->config->vocabulary)
		return kg_fail(KG_EINVAL, "token %u: the vocabulary has %u", token,
			       s->config->vocabulary);
	if (s->position >= s->context)
		return kg_fail(KG_EFULL, "the context of %u tokens is full", s->context);
	kg_matrix_row(s->x, kg_weights_embedding(s->weights), token);
	rope_angles(s);
	for (uint32_t l = 0; l < s->config->layers; l++) {
		const kg_layer *layer = kg_weights_layer(s->weights, l);

		attention(s, layer, l);
		feed_forward(s, layer, l);
	}
	s->position++;
	if (logits != NULL) {
		kg_activation in;

		rms_norm(s->norm, s, s->x, kg_weights_output_norm(s->weights));
		in = activate(s, s->norm, s->config->dim);
		multiply(logits, s, kg_weights_head(s->weights), &in);
	}
	return KG_OK;
}
