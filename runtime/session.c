/* SPDX-License-Identifier: MIT */
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/fmath.h"
#include "runtime/session_impl.h"

/* Larger batches make each stage worth sharing; for one thread they only take more memory. */
enum { BATCH_DEFAULT = 32, BATCH_SHARED = 64 };

/* Work of a stage that is worth waking helpers for: they come some 20 to 50 us later. */
#define WORK_MIN 1e7

_Static_assert((int)KG_MATRIX_BATCH <= (int)KG_KERNEL_BATCH, "a batch is one call of a kernel");

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t lines_up(size_t size)
{
	return (size + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
}

/* Hands out `count * size` bytes of the buffers, 64-byte aligned; only counts while base is NULL.
 */
static void *carve(uint8_t *base, size_t *used, size_t count, size_t size)
{
	void *at = base == NULL ? NULL : base + *used;

	*used += lines_up(count * size);
	return at;
}

/* Lays all buffers out from `base`; returns the bytes they take. Called twice: to measure, to do.
 */
static size_t lay_out(kg_session *s, uint8_t *base)
{
	size_t used = 0;

	s->token = carve(base, &used, s->context, sizeof(*s->token));
	s->frequency = carve(base, &used, s->turn_width / 2, sizeof(*s->frequency));
	s->step = carve(base, &used, (size_t)s->batch * s->planes, sizeof(*s->step));
	s->x = carve(base, &used, (size_t)s->batch * s->stream, sizeof(*s->x));
	s->h = carve(base, &used, s->batch * s->h_stride, sizeof(*s->h));
	s->part = carve(base, &used, s->batch * s->part_stride, sizeof(*s->part));
	s->steps = carve(base, &used, s->batch * s->steps_stride, 1);
	s->room = carve(base, &used, s->batch * s->room_size, 1);
	s->queries = carve(base, &used, s->threads * kg_cache_room(&s->cache), 1);
	s->sums = carve(base, &used, s->threads * s->sums_count, sizeof(*s->sums));
	s->logits = carve(base, &used, (size_t)KG_SESSION_READ * s->config->vocabulary,
			  sizeof(*s->logits));
	s->turn = carve(base, &used, s->context * s->turn_width, sizeof(*s->turn));
	return used;
}

static void measure(kg_session *s)
{
	const kg_model_config *c = s->config;

	uint32_t width = kg_model_config_head_width(c);

	s->planes = width / c->head_dim;
	s->stream = c->dim * s->planes;
	s->heads_width = c->heads * width;
	s->keys_width = c->kv_heads * width;
	s->hidden = c->hidden * s->planes;
	/* Of a complex model every number has an angle, of the others every pair. */
	s->turn_width = width;
	s->h_stride = larger(s->stream, s->heads_width);
	/* q, k and v of a complex model lie there twice (session_complex.c). */
	s->part_stride = larger(s->planes * (s->heads_width + 2 * (size_t)s->keys_width),
				larger(s->stream, 2 * (size_t)s->hidden));
	s->steps_stride = lines_up(larger(s->h_stride, s->hidden) + KG_LINE_SIZE);
	s->room_size = larger(larger(3 * kg_matrix_room(s->stream), kg_matrix_room(s->hidden)),
			      kg_matrix_room(s->heads_width));
	s->cache = (kg_cache){.layers = c->layers,
			      .kv_heads = c->kv_heads,
			      .head_dim = width,
			      .context = s->context,
			      .quantized = kg_weights_quantized(s->weights),
			      .scale = c->attention_scale != 0.0f ? c->attention_scale
								  : 1.0f / sqrtf((float)width)};
	kg_cache_lay_out(&s->cache);
	s->sums_count = larger(KG_MATRIX_SUMS, kg_cache_sums(&s->cache));
}

static void fill_frequencies(kg_session *s)
{
	const float *factors = kg_weights_rope_factors(s->weights);
	double log_theta = kg_fmath_log((double)s->config->rope_theta);

	for (uint32_t i = 0; i < s->turn_width / 2; i++) {
		s->frequency[i] =
			kg_fmath_exp(-log_theta * (2.0 * (double)i / (double)s->turn_width));
		if (factors != NULL)
			s->frequency[i] /= (double)factors[i];
	}
}

static kg_err take_memory(kg_session *s)
{
	s->buffers_bytes = lay_out(s, NULL);
	s->buffers = mmap(NULL, s->buffers_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->buffers == MAP_FAILED) {
		s->buffers = NULL;
		return kg_fail(KG_ENOMEM, "no memory for a session of %zu bytes", s->buffers_bytes);
	}
	(void)lay_out(s, s->buffers);
	return KG_OK;
}

/* Begins behind the tokens of a file. */
static kg_err take_prefix(kg_session *s, kg_prefix *prefix, const uint8_t *digest)
{
	kg_err err = kg_prefix_take(prefix, &s->cache, digest, s->config->vocabulary);

	if (err != KG_OK)
		return err;
	memcpy(s->token, prefix->token, prefix->count * sizeof(*s->token));
	s->position = prefix->count;
	return KG_OK;
}

static kg_err check_options(const kg_session_options *o, const kg_model_config *c)
{
	if (o->context > c->context)
		return kg_fail(KG_EINVAL, "a context of %u: the model has %u", o->context,
			       c->context);
	if (o->batch > KG_MATRIX_BATCH)
		return kg_fail(KG_EINVAL, "a batch of %u: at most %d", o->batch, KG_MATRIX_BATCH);
	if (o->threads > KG_TEAM_THREADS_MAX)
		return kg_fail(KG_EINVAL, "%u threads: at most %d", o->threads,
			       KG_TEAM_THREADS_MAX);
	KG_ASSERT(o->prefix == NULL || o->digest != NULL);
	return KG_OK;
}

static kg_err open_prefix(kg_prefix *prefix, const kg_session_options *o, const kg_model_config *c)
{
	kg_err err = kg_prefix_open(prefix, o->prefix);

	if (err != KG_OK || prefix->context == o->context ||
	    (o->context == 0 && prefix->context <= c->context))
		return err;
	err = kg_fail(KG_ECONFLICT, "%s is for a context of %u, not of %u", o->prefix,
		      prefix->context, o->context == 0 ? c->context : o->context);
	kg_prefix_close(prefix);
	return err;
}

kg_err kg_session_new(kg_session **out, const kg_weights *weights,
		      const kg_session_options *options)
{
	const kg_model_config *c = kg_model_get_config(kg_weights_model(weights));
	kg_session_options o = options == NULL ? (kg_session_options){0} : *options;
	kg_err err = check_options(&o, c);
	kg_prefix prefix = {0};
	kg_session *s;

	if (err == KG_OK && o.prefix != NULL) {
		err = open_prefix(&prefix, &o, c);
		o.context = prefix.context;
	}
	if (err != KG_OK)
		return err;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		kg_prefix_close(&prefix);
		return kg_fail(KG_ENOMEM, "no memory for a session");
	}
	s->weights = weights;
	s->config = c;
	s->kernel = kg_kernel_current();
	s->context = o.context == 0 ? c->context : o.context;
	s->threads = o.threads == 0 ? 1 : o.threads;
	s->batch = o.batch != 0 ? o.batch : s->threads > 1 ? BATCH_SHARED : BATCH_DEFAULT;
	s->work_min = WORK_MIN;
	measure(s);
	err = take_memory(s);
	if (err == KG_OK && prefix.data != NULL)
		err = take_prefix(s, &prefix, o.digest);
	else if (err == KG_OK)
		err = kg_cache_map(&s->cache);
	kg_prefix_close(&prefix);
	if (err == KG_OK && s->threads > 1)
		err = kg_team_new(&s->team, s->threads);
	if (err != KG_OK) {
		kg_session_free(s);
		return err;
	}
	fill_frequencies(s);
	*out = s;
	return KG_OK;
}

void kg_session_free(kg_session *session)
{
	if (session == NULL)
		return;
	kg_team_free(session->team);
	kg_cache_release(&session->cache);
	if (session->buffers != NULL)
		(void)munmap(session->buffers, session->buffers_bytes);
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

const uint32_t *kg_session_tokens(const kg_session *session)
{
	return session->token;
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

uint32_t kg_session_width(const kg_session *session)
{
	return session->stream;
}

size_t kg_session_bytes(const kg_session *session)
{
	return sizeof(*session) + session->buffers_bytes + session->cache.size;
}

kg_err kg_session_save(const kg_session *session, const char *path,
		       const uint8_t digest[KG_PREFIX_DIGEST_SIZE])
{
	return kg_prefix_write(path, &session->cache, session->token, session->position, digest);
}

/* Cosines and sines of position `position`: they are never both zero. */
static void fill_turn(kg_session *s, uint32_t position)
{
	size_t half = s->turn_width / 2;
	float *cosine = s->turn + position * s->turn_width;
	float *sine = cosine + half;

	if (cosine[0] != 0.0f || sine[0] != 0.0f)
		return;
	for (size_t i = 0; i < half; i++) {
		double sin_i;
		double cos_i;

		kg_fmath_sincos((double)position * s->frequency[i], &sin_i, &cos_i);
		sine[i] = (float)sin_i;
		cosine[i] = (float)cos_i;
	}
}

/* The next `count` tokens, at most a batch, through all layers. */
static void advance(kg_session *s, const uint32_t *tokens, uint32_t count)
{
	const kg_matrix *embedding = kg_weights_embedding(s->weights);

	for (uint32_t v = 0; v < count; v++) {
		kg_matrix_row(s->x + (size_t)v * s->stream, embedding, tokens[v]);
		fill_turn(s, s->position + v);
	}
	kg_session__layers(s, s->planes == 2 ? &kg_session__complex : &kg_session__llama, count);
	memcpy(s->token + s->position, tokens, count * sizeof(*tokens));
	s->position += count;
}

/* Rows first .. first+count-1 of the batch as the head takes them in, to the first rows of h. */
static void hidden_of(kg_session *s, uint32_t first, uint32_t count)
{
	for (uint32_t v = 0; v < count; v++)
		kg_session__norm(s, s->h + v * s->h_stride, s->x + (size_t)(first + v) * s->stream,
				 kg_weights_output_norm(s->weights), s->stream);
}

/* Logits of rows first .. first+count-1 of the batch. */
static void logits_of(kg_session *s, uint32_t first, uint32_t count, float *logits)
{
	const kg_session_batch batch = {.session = s, .count = count};

	hidden_of(s, first, count);
	kg_session__linear(&batch, &(kg_session_linear){
					   .x = s->h,
					   .stride = s->h_stride,
					   .n = s->stream,
					   .product = {{kg_weights_head(s->weights), logits,
							s->config->vocabulary}},
					   .products = 1,
				   });
}

static kg_err check_tokens(const kg_session *s, const uint32_t *tokens, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tokens[i] >= s->config->vocabulary)
			return kg_fail(KG_EINVAL, "token %u: the vocabulary has %u", tokens[i],
				       s->config->vocabulary);
	if (n > s->context - s->position)
		return kg_fail(KG_EFULL, "the context of %u tokens is full", s->context);
	return KG_OK;
}

kg_err kg_session_feed(kg_session *s, const uint32_t *tokens, size_t n, float *logits)
{
	kg_err err = check_tokens(s, tokens, n);
	uint32_t count = 0;

	if (err != KG_OK)
		return err;
	for (size_t done = 0; done < n; done += count) {
		count = n - done < s->batch ? (uint32_t)(n - done) : s->batch;
		advance(s, tokens + done, count);
	}
	if (n > 0 && logits != NULL)
		logits_of(s, count - 1, 1, logits);
	return KG_OK;
}

kg_err kg_session_step(kg_session *session, uint32_t token, float *logits)
{
	return kg_session_feed(session, &token, 1, logits);
}

/* What a reader is shown. */
typedef struct {
	kg_session_reader *reader;
	void *context;
	bool hidden;
} showing;

/* Shows the batch that has just been taken in, from token `from` on; `done` came before it. */
static kg_err show(kg_session *s, size_t done, uint32_t count, size_t from, const showing *to)
{
	size_t stride = to->hidden ? s->h_stride : s->config->vocabulary;
	uint32_t start = s->position - count;
	uint32_t made = 0;

	for (uint32_t v = from > done ? (uint32_t)(from - done) : 0; v < count; v += made) {
		made = count - v < KG_SESSION_READ ? count - v : KG_SESSION_READ;
		if (to->hidden)
			hidden_of(s, v, made);
		else
			logits_of(s, v, made, s->logits);
		for (uint32_t i = 0; i < made; i++) {
			const float *rows = to->hidden ? s->h : s->logits;
			kg_err err = to->reader(to->context, done + v + i, rows + i * stride);

			if (err != KG_OK) {
				s->position = start + v + i + 1;
				return err;
			}
		}
	}
	return KG_OK;
}

static kg_err read_to(kg_session *s, const uint32_t *tokens, size_t n, size_t from,
		      const showing *to)
{
	kg_err err = check_tokens(s, tokens, n);
	uint32_t count;

	for (size_t done = 0; done < n && err == KG_OK; done += count) {
		count = n - done < s->batch ? (uint32_t)(n - done) : s->batch;
		advance(s, tokens + done, count);
		if (from < done + count)
			err = show(s, done, count, from, to);
	}
	return err;
}

kg_err kg_session_read(kg_session *s, const uint32_t *tokens, size_t n, size_t from,
		       kg_session_reader *reader, void *context)
{
	return read_to(s, tokens, n, from, &(showing){.reader = reader, .context = context});
}

kg_err kg_session_read_hidden(kg_session *s, const uint32_t *tokens, size_t n, size_t from,
			      kg_session_reader *reader, void *context)
{
	return read_to(s, tokens, n, from,
		       &(showing){.reader = reader, .context = context, .hidden = true});
}
