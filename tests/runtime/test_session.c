/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/session.h"
#include "tests/runtime/toy.h"

enum { VOCABULARY = KG_TOKENIZER_BYTE_MODEL_COUNT, LENGTH = 40, WIDE = 64 };

static const uint8_t seed[KG_SEED_SIZE] = "a seed of sessions";

static const kg_format every_format[] = {
	KG_FORMAT_F32,     KG_FORMAT_F16,      KG_FORMAT_INT8,      KG_FORMAT_FAIRY1,
	KG_FORMAT_FAIRY2,  KG_FORMAT_FAIRY3,   KG_FORMAT_INT4,      KG_FORMAT_INT2,
	KG_FORMAT_TERNARY, KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE16, KG_FORMAT_PALETTE256};

enum { FORMATS = sizeof(every_format) / sizeof(*every_format) };

static uint32_t token_at(uint32_t position)
{
	return (position * 97 + 1) % VOCABULARY;
}

static kg_weights *weights_under(const kg_model *model, const char *name)
{
	kg_strategy strategy;
	kg_weights *weights;

	assert_int_equal(kg_strategy_parse(&strategy, name), KG_OK);
	assert_int_equal(kg_weights_new(&weights, model, &strategy, seed), KG_OK);
	return weights;
}

static kg_weights *weights_of(const kg_model *model, kg_format format)
{
	return weights_under(model, kg_format_name(format));
}

static kg_session *session_of(const kg_weights *weights, uint32_t context)
{
	const kg_session_options options = {.context = context};
	kg_session *session;

	assert_int_equal(kg_session_new(&session, weights, &options), KG_OK);
	return session;
}

/* The transformer in double, written from the paper: whole sequence, no cache. */
typedef struct {
	const kg_model *model;
	const kg_model_config *c;
	double x[LENGTH][WIDE];
	double key[LENGTH][WIDE];
	double value[LENGTH][WIDE];
} plain;

static const float *floats(const plain *p, kg_tensor_role role, uint32_t layer)
{
	return kg_model_tensor(p->model, role, layer)->data;
}

static void product(double *y, const plain *p, kg_tensor_role role, uint32_t layer, const double *x)
{
	const kg_tensor *tensor = kg_model_tensor(p->model, role, layer);

	for (uint32_t i = 0; i < tensor->rows; i++) {
		y[i] = 0.0;
		for (uint32_t j = 0; j < tensor->cols; j++)
			y[i] += (double)((const float *)tensor->data)[i * tensor->cols + j] * x[j];
	}
}

static void normed_of(double *out, const plain *p, const double *x, const float *gain, uint32_t n)
{
	double mean = 0.0;

	for (uint32_t i = 0; i < n; i++)
		mean += x[i] * x[i] / (double)n;
	for (uint32_t i = 0; i < n; i++)
		out[i] = (double)gain[i] * x[i] / sqrt(mean + (double)p->c->norm_eps);
}

static void normed(double *out, const plain *p, const double *x, const float *gain)
{
	normed_of(out, p, x, gain, p->c->dim);
}

static void biased(double *x, const plain *p, kg_tensor_role role, uint32_t layer)
{
	const kg_tensor *tensor = kg_model_tensor(p->model, role, layer);

	for (uint32_t i = 0; tensor != NULL && i < tensor->cols; i++)
		x[i] += (double)((const float *)tensor->data)[i];
}

static void normed_heads(double *x, const plain *p, kg_tensor_role role, uint32_t layer,
			 uint32_t heads)
{
	for (uint32_t h = 0; p->c->qk_norm && h < heads; h++)
		normed_of(x + h * p->c->head_dim, p, x + h * p->c->head_dim, floats(p, role, layer),
			  p->c->head_dim);
}

static void turn(const plain *p, double *x, uint32_t heads, uint32_t position)
{
	for (uint32_t i = 0; i < heads * p->c->head_dim; i += 2) {
		double angle = (double)position *
			       pow((double)p->c->rope_theta,
				   -(double)(i % p->c->head_dim) / (double)p->c->head_dim);
		double re = x[i];

		if (p->c->rope_factors)
			angle /= (double)floats(p, KG_TENSOR_ROPE_FACTORS,
						0)[i % p->c->head_dim / 2];
		x[i] = re * cos(angle) - x[i + 1] * sin(angle);
		x[i + 1] = re * sin(angle) + x[i + 1] * cos(angle);
	}
}

static void attend(double *out, const plain *p, const double *query, uint32_t position)
{
	uint32_t n = p->c->head_dim;

	for (uint32_t h = 0; h < p->c->heads; h++) {
		uint32_t shared = h * p->c->kv_heads / p->c->heads * n;
		double share[LENGTH];
		double sum = 0.0;

		for (uint32_t t = 0; t <= position; t++) {
			double score = 0.0;

			for (uint32_t d = 0; d < n; d++)
				score += query[h * n + d] * p->key[t][shared + d];
			share[t] = exp(score / sqrt((double)n));
			sum += share[t];
		}
		for (uint32_t d = 0; d < n; d++) {
			out[h * n + d] = 0.0;
			for (uint32_t t = 0; t <= position; t++)
				out[h * n + d] += share[t] / sum * p->value[t][shared + d];
		}
	}
}

static void plain_layer(plain *p, uint32_t l, uint32_t length)
{
	double norm[WIDE];
	double query[WIDE];
	double mixed[WIDE];
	double gate[WIDE];
	double up[WIDE];
	double delta[WIDE];

	for (uint32_t t = 0; t < length; t++) {
		normed(norm, p, p->x[t], floats(p, KG_TENSOR_ATTN_NORM, l));
		product(query, p, KG_TENSOR_ATTN_Q, l, norm);
		product(p->key[t], p, KG_TENSOR_ATTN_K, l, norm);
		product(p->value[t], p, KG_TENSOR_ATTN_V, l, norm);
		biased(query, p, KG_TENSOR_ATTN_Q_BIAS, l);
		biased(p->key[t], p, KG_TENSOR_ATTN_K_BIAS, l);
		biased(p->value[t], p, KG_TENSOR_ATTN_V_BIAS, l);
		normed_heads(query, p, KG_TENSOR_ATTN_Q_NORM, l, p->c->heads);
		normed_heads(p->key[t], p, KG_TENSOR_ATTN_K_NORM, l, p->c->kv_heads);
		turn(p, query, p->c->heads, t);
		turn(p, p->key[t], p->c->kv_heads, t);
		attend(mixed, p, query, t);
		product(delta, p, KG_TENSOR_ATTN_OUTPUT, l, mixed);
		for (uint32_t i = 0; i < p->c->dim; i++)
			p->x[t][i] += delta[i];
		normed(norm, p, p->x[t], floats(p, KG_TENSOR_FFN_NORM, l));
		product(gate, p, KG_TENSOR_FFN_GATE, l, norm);
		product(up, p, KG_TENSOR_FFN_UP, l, norm);
		for (uint32_t i = 0; i < p->c->hidden; i++)
			gate[i] = gate[i] / (1.0 + exp(-gate[i])) * up[i];
		product(delta, p, KG_TENSOR_FFN_DOWN, l, gate);
		for (uint32_t i = 0; i < p->c->dim; i++)
			p->x[t][i] += delta[i];
	}
}

/* Logits after the last of `length` tokens. */
static void plain_logits(double logits[VOCABULARY], const kg_model *model, uint32_t length)
{
	plain *p = calloc(1, sizeof(*p));
	double norm[WIDE];

	p->model = model;
	p->c = kg_model_get_config(model);
	for (uint32_t t = 0; t < length; t++)
		for (uint32_t i = 0; i < p->c->dim; i++)
			p->x[t][i] = (double)floats(p, KG_TENSOR_EMBEDDING,
						    0)[token_at(t) * p->c->dim + i];
	for (uint32_t l = 0; l < p->c->layers; l++)
		plain_layer(p, l, length);
	normed(norm, p, p->x[length - 1], floats(p, KG_TENSOR_OUTPUT_NORM, 0));
	product(logits, p, KG_TENSOR_HEAD, 0, norm);
	free(p);
}

static void check_against_doubles(const kg_model *model)
{
	kg_weights *weights = weights_of(model, KG_FORMAT_F32);
	kg_session *session = session_of(weights, 0);

	for (uint32_t t = 0; t < LENGTH; t++) {
		float got[VOCABULARY];
		double want[VOCABULARY];

		assert_int_equal(kg_session_step(session, token_at(t), got), KG_OK);
		if (t % 13 != 0 && t != LENGTH - 1)
			continue;
		plain_logits(want, model, t + 1);
		for (uint32_t i = 0; i < VOCABULARY; i++)
			assert_true(fabs((double)got[i] - want[i]) < 2e-5);
	}
	kg_session_free(session);
	kg_weights_free(weights);
}

static void test_step__in_f32_is_close_to_plain_doubles(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 20);

	(void)state;
	check_against_doubles(model);
	kg_model_free(model);
}

/* Biases, normed queries and keys, stretched rotations, heads wider or narrower than the stream. */
static void test_step__knows_the_variants_of_the_family(void **state)
{
	(void)state;
	for (uint32_t variant = 1; variant < 8; variant++) {
		kg_model_config config = toy_config();
		kg_model *model;

		config.qkv_bias = variant & 1;
		config.qk_norm = variant & 2;
		config.rope_factors = variant & 4;
		config.head_dim = variant & 1 ? 10 : 4;
		model = toy_random(&config, 30 + variant);
		check_against_doubles(model);
		kg_model_free(model);
	}
}

/* The part of the logits' energy that is lost against plain doubles. */
static double lost(const kg_model *model, const char *strategy)
{
	kg_weights *weights = weights_under(model, strategy);
	kg_session *session = session_of(weights, 0);
	float got[VOCABULARY];
	double want[VOCABULARY];
	double error = 0.0;
	double energy = 0.0;

	for (uint32_t t = 0; t < LENGTH; t++)
		assert_int_equal(kg_session_step(session, token_at(t), got), KG_OK);
	plain_logits(want, model, LENGTH);
	for (uint32_t i = 0; i < VOCABULARY; i++) {
		error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
		energy += want[i] * want[i];
	}
	kg_session_free(session);
	kg_weights_free(weights);
	return error / energy;
}

static void test_step__loses_more_the_fewer_the_bits(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 21);

	(void)state;
	assert_true(lost(model, "f16") < 1e-5);
	assert_true(lost(model, "int8") < 2e-3);
	assert_true(lost(model, "int8") < lost(model, "int4"));
	assert_true(lost(model, "int8") < lost(model, "mix:table=int4,*=int8"));
	assert_true(lost(model, "mix:table=int4,*=int8") < lost(model, "mix:table=int4,*=int4"));
	assert_true(lost(model, "fairy3") < lost(model, "fairy2"));
	assert_true(lost(model, "fairy2") < lost(model, "fairy1"));
	kg_model_free(model);
}

/* All logits of a run under the current kernel. */
static float *run(const kg_weights *weights)
{
	kg_session *session = session_of(weights, 0);
	float *all = calloc((size_t)LENGTH * VOCABULARY, sizeof(*all));

	assert_non_null(all);
	for (uint32_t t = 0; t < LENGTH; t++)
		assert_int_equal(
			kg_session_step(session, token_at(t), all + (size_t)t * VOCABULARY), KG_OK);
	kg_session_free(session);
	return all;
}

static void test_step__every_kernel_gives_the_same_bits(void **state)
{
	static const uint32_t hidden[] = {36, 38, 21};

	(void)state;
	for (size_t h = 0; h < 3; h++) {
		kg_model_config config = toy_config();
		kg_model *model;

		config.hidden = hidden[h];
		config.tied = h == 1;
		config.qkv_bias = config.qk_norm = config.rope_factors = h == 2;
		model = toy_random(&config, 22);
		for (int f = 0; f < FORMATS; f++) {
			kg_weights *weights = weights_of(model, every_format[f]);
			float *want;

			assert_int_equal(kg_kernel_set("scalar"), KG_OK);
			want = run(weights);
			for (uint32_t k = 1; k < kg_kernel_count(); k++) {
				float *got;

				if (!kg_kernel_at(k)->usable())
					continue;
				assert_int_equal(kg_kernel_set(kg_kernel_at(k)->name), KG_OK);
				got = run(weights);
				assert_memory_equal(want, got, LENGTH * VOCABULARY * sizeof(*want));
				free(got);
			}
			free(want);
			kg_weights_free(weights);
		}
		kg_model_free(model);
	}
	assert_int_equal(kg_kernel_set(NULL), KG_OK);
}

enum { HIDDEN_DIM = 64 };

typedef struct {
	float *rows;
	uint32_t dim;
} keeping;

static kg_err keep_row(void *context, size_t index, const float *row)
{
	const keeping *k = context;

	memcpy(k->rows + index * k->dim, row, k->dim * sizeof(*row));
	return KG_OK;
}

/* What the head makes of the hidden states are the logits: read both ways. */
static void test_hidden__is_what_the_head_takes_in(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 24);
	kg_weights *weights = weights_under(model, "f32");
	const kg_session_options options = {.batch = 5};
	const kg_matrix *head = kg_weights_head(weights);
	float *hidden = calloc((size_t)LENGTH * HIDDEN_DIM, sizeof(*hidden));
	float *row = calloc(HIDDEN_DIM, sizeof(*row));
	float *want = run(weights);
	uint32_t tokens[LENGTH];
	kg_session *session;

	(void)state;
	assert_non_null(hidden);
	assert_non_null(row);
	for (uint32_t t = 0; t < LENGTH; t++)
		tokens[t] = token_at(t);
	assert_int_equal(kg_session_new(&session, weights, &options), KG_OK);
	assert_int_equal(kg_session_width(session), config.dim);
	assert_true(config.dim <= HIDDEN_DIM);
	assert_int_equal(kg_session_read_hidden(session, tokens, LENGTH, 0, keep_row,
						&(keeping){hidden, config.dim}),
			 KG_OK);
	for (uint32_t t = 0; t < LENGTH; t++)
		for (uint32_t v = 0; v < VOCABULARY; v += 17) {
			double sum = 0;

			kg_matrix_row(row, head, v);
			for (uint32_t i = 0; i < config.dim; i++)
				sum += (double)row[i] * (double)hidden[t * config.dim + i];
			if (fabs(sum - (double)want[t * VOCABULARY + v]) > 1e-4 * (1 + fabs(sum)))
				fail_msg("token %u, logit %u: %g is not %g", t, v, sum,
					 (double)want[t * VOCABULARY + v]);
		}
	kg_session_free(session);
	free(hidden);
	free(row);
	free(want);
	kg_weights_free(weights);
	kg_model_free(model);
}

static void test_rewind__is_as_good_as_new(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 23);

	(void)state;
	for (int f = 0; f < FORMATS; f++) {
		kg_weights *weights = weights_of(model, every_format[f]);
		kg_session *session = session_of(weights, 0);
		float *want = run(weights);
		float logits[VOCABULARY];

		/* Other tokens first; then back to 0, later back to 17. */
		for (uint32_t t = 0; t < LENGTH; t++)
			assert_int_equal(kg_session_step(session, (t * 31) % VOCABULARY, NULL),
					 KG_OK);
		kg_session_rewind(session, 0);
		for (uint32_t t = 0; t < LENGTH; t++)
			assert_int_equal(kg_session_step(session, token_at(t), NULL), KG_OK);
		kg_session_rewind(session, 17);
		for (uint32_t t = 17; t < LENGTH; t++) {
			assert_int_equal(kg_session_position(session), t);
			assert_int_equal(kg_session_step(session, token_at(t), logits), KG_OK);
			assert_memory_equal(logits, want + (size_t)t * VOCABULARY, sizeof(logits));
		}
		free(want);
		kg_session_free(session);
		kg_weights_free(weights);
	}
	kg_model_free(model);
}

static void test_step__stops_at_the_context(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 24);
	kg_weights *weights = weights_of(model, KG_FORMAT_FAIRY2);
	kg_session *session = session_of(weights, 5);
	kg_session_options options = {.context = config.context + 1};
	kg_session *wide = NULL;

	(void)state;
	assert_int_equal(kg_session_context(session), 5);
	for (uint32_t t = 0; t < 5; t++)
		assert_int_equal(kg_session_step(session, 1, NULL), KG_OK);
	assert_int_equal(kg_session_step(session, 1, NULL), KG_EFULL);
	assert_int_equal(kg_session_position(session), 5);
	kg_session_rewind(session, 4);
	assert_int_equal(kg_session_step(session, VOCABULARY, NULL), KG_EINVAL);
	assert_int_equal(kg_session_position(session), 4);
	assert_int_equal(kg_session_step(session, VOCABULARY - 1, NULL), KG_OK);
	assert_int_equal(kg_session_new(&wide, weights, &options), KG_EINVAL);
	assert_null(wide);
	options.context = config.context;
	assert_int_equal(kg_session_new(&wide, weights, &options), KG_OK);
	kg_session_free(wide);
	kg_session_free(session);
	kg_weights_free(weights);
	kg_model_free(model);
}

/* What an observer saw: the inputs of layer 0, which can be worked out from the embedding. */
typedef struct {
	uint32_t calls[2][4]; /* layers, roles */
	float first[WIDE];    /* input of q in layer 0, of the last token */
} sight;

static void look(void *context, uint32_t layer, kg_tensor_role role, const float *x, uint32_t n)
{
	static const kg_tensor_role roles[] = {KG_TENSOR_ATTN_Q, KG_TENSOR_ATTN_OUTPUT,
					       KG_TENSOR_FFN_GATE, KG_TENSOR_FFN_DOWN};
	const kg_model_config config = toy_config();
	const uint32_t sizes[] = {config.dim, config.heads * config.head_dim, config.dim,
				  config.hidden};
	sight *seen = context;
	size_t r = 0;

	while (r < 3 && roles[r] != role)
		r++;
	assert_int_equal(role, roles[r]);
	assert_true(layer < 2);
	assert_int_equal(n, sizes[r]);
	seen->calls[layer][r]++;
	if (layer == 0 && r == 0)
		memcpy(seen->first, x, n * sizeof(*x));
}

static void test_observe__shows_the_inputs_of_every_product(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 25);
	kg_weights *weights = weights_of(model, KG_FORMAT_FAIRY2);
	kg_session *session = session_of(weights, 0);
	plain *p = calloc(1, sizeof(*p));
	float *want = run(weights);
	float got[VOCABULARY];
	sight seen = {0};

	(void)state;
	assert_int_equal(config.layers, 2);
	p->model = model;
	p->c = kg_model_get_config(model);
	kg_session_observe(session, look, &seen);
	for (uint32_t t = 0; t < 3; t++)
		assert_int_equal(kg_session_step(session, token_at(t), got), KG_OK);
	assert_memory_equal(got, want + (size_t)2 * VOCABULARY, sizeof(got));
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(seen.calls[i / 4][i % 4], 3);
	for (uint32_t i = 0; i < config.dim; i++)
		p->x[0][i] =
			(double)floats(p, KG_TENSOR_EMBEDDING, 0)[token_at(2) * config.dim + i];
	normed(p->key[0], p, p->x[0], floats(p, KG_TENSOR_ATTN_NORM, 0));
	for (uint32_t i = 0; i < config.dim; i++)
		assert_true(fabs((double)seen.first[i] - p->key[0][i]) <
			    0.02 * (1.0 + fabs(p->key[0][i])));
	kg_session_observe(session, NULL, NULL);
	assert_int_equal(kg_session_step(session, token_at(3), NULL), KG_OK);
	assert_int_equal(seen.calls[1][3], 3);
	free(want);
	free(p);
	kg_session_free(session);
	kg_weights_free(weights);
	kg_model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_step__in_f32_is_close_to_plain_doubles),
		cmocka_unit_test(test_step__knows_the_variants_of_the_family),
		cmocka_unit_test(test_step__loses_more_the_fewer_the_bits),
		cmocka_unit_test(test_step__every_kernel_gives_the_same_bits),
		cmocka_unit_test(test_hidden__is_what_the_head_takes_in),
		cmocka_unit_test(test_rewind__is_as_good_as_new),
		cmocka_unit_test(test_step__stops_at_the_context),
		cmocka_unit_test(test_observe__shows_the_inputs_of_every_product),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
