/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/train_impl.h"
#include "tests/runtime/train_tiny.h"

/* The model once more, in double and without any sharing of code: one segment, plain loops. */
typedef struct {
	const kg_train *train;
	uint32_t length;
	double *x;
} plain_model;

static double gain_rms(double *out, const double *x, const float *gain, uint32_t n)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	sum = 1.0 / sqrt(sum / n + 1e-5);
	for (uint32_t i = 0; i < n; i++)
		out[i] = x[i] * sum * (double)gain[i];
	return sum;
}

static void times(double *y, const float *w, const double *x, uint32_t rows, uint32_t cols)
{
	for (uint32_t i = 0; i < rows; i++) {
		y[i] = 0.0;
		for (uint32_t j = 0; j < cols; j++)
			y[i] += (double)w[(size_t)i * cols + j] * x[j];
	}
}

static void turn(double *x, uint32_t heads, uint32_t size, uint32_t position)
{
	for (uint32_t h = 0; h < heads; h++) {
		for (uint32_t i = 0; i < size / 2; i++) {
			double angle = position * pow(10000.0, -2.0 * i / size);
			double a = x[h * size + 2 * i];
			double b = x[h * size + 2 * i + 1];

			x[h * size + 2 * i] = a * cos(angle) - b * sin(angle);
			x[h * size + 2 * i + 1] = a * sin(angle) + b * cos(angle);
		}
	}
}

enum { PLAIN_MAX = 64 };

static void plain_attention(const plain_model *m, uint32_t l)
{
	const kg_train_shape *s = &m->train->config.shape;
	const kg_layer_place *at = &m->train->layer[l];
	const float *w = m->train->weight;
	uint32_t size = s->dim / s->heads;
	uint32_t kv = size * s->kv_heads;
	static double q[256][PLAIN_MAX], k[256][PLAIN_MAX], v[256][PLAIN_MAX];

	for (uint32_t t = 0; t < m->length; t++) {
		double n[PLAIN_MAX];

		gain_rms(n, m->x + t * s->dim, w + at->attn_norm, s->dim);
		times(q[t], w + at->q, n, s->dim, s->dim);
		times(k[t], w + at->k, n, kv, s->dim);
		times(v[t], w + at->v, n, kv, s->dim);
		turn(q[t], s->heads, size, t);
		turn(k[t], s->kv_heads, size, t);
	}
	for (uint32_t t = 0; t < m->length; t++) {
		double heard[PLAIN_MAX] = {0};
		double added[PLAIN_MAX];

		for (uint32_t h = 0; h < s->heads; h++) {
			uint32_t g = h / (s->heads / s->kv_heads) * size;
			double share[256];
			double sum = 0.0;

			for (uint32_t u = 0; u <= t; u++) {
				share[u] = 0.0;
				for (uint32_t i = 0; i < size; i++)
					share[u] += q[t][h * size + i] * k[u][g + i];
				share[u] = exp(share[u] / sqrt(size));
				sum += share[u];
			}
			for (uint32_t u = 0; u <= t; u++)
				for (uint32_t i = 0; i < size; i++)
					heard[h * size + i] += share[u] / sum * v[u][g + i];
		}
		times(added, w + at->o, heard, s->dim, s->dim);
		for (uint32_t i = 0; i < s->dim; i++)
			m->x[t * s->dim + i] += added[i];
	}
}

static void plain_ffn(const plain_model *m, uint32_t l)
{
	const kg_train_shape *s = &m->train->config.shape;
	const kg_layer_place *at = &m->train->layer[l];
	const float *w = m->train->weight;

	for (uint32_t t = 0; t < m->length; t++) {
		double n[PLAIN_MAX], gate[PLAIN_MAX], up[PLAIN_MAX], added[PLAIN_MAX];

		gain_rms(n, m->x + t * s->dim, w + at->ffn_norm, s->dim);
		times(gate, w + at->gate, n, s->hidden, s->dim);
		times(up, w + at->up, n, s->hidden, s->dim);
		for (uint32_t i = 0; i < s->hidden; i++)
			gate[i] = gate[i] / (1.0 + exp(-gate[i])) * up[i];
		times(added, w + at->down, gate, s->dim, s->hidden);
		for (uint32_t i = 0; i < s->dim; i++)
			m->x[t * s->dim + i] += added[i];
	}
}

/* Sum over a segment of weight * cross-entropy. */
static double plain_segment(const kg_train *train, const kg_batch *batch, const kg_segment *segment)
{
	const kg_train_shape *s = &train->config.shape;
	static double x[256 * PLAIN_MAX];
	plain_model m = {.train = train, .length = segment->length, .x = x};
	double total = 0.0;

	for (uint32_t t = 0; t < segment->length; t++)
		for (uint32_t i = 0; i < s->dim; i++)
			x[t * s->dim + i] =
				(double)train
					->weight[train->embedding +
						 batch->token[segment->start + t] * s->dim + i];
	for (uint32_t l = 0; l < s->layers; l++) {
		plain_attention(&m, l);
		plain_ffn(&m, l);
	}
	for (uint32_t t = 0; t < segment->length; t++) {
		double n[PLAIN_MAX], logit[KG_TRAIN_VOCABULARY];
		double sum = 0.0;

		gain_rms(n, x + t * s->dim, train->weight + train->output_norm, s->dim);
		times(logit, train->weight + train->embedding, n, KG_TRAIN_VOCABULARY, s->dim);
		for (uint32_t i = 0; i < KG_TRAIN_VOCABULARY; i++)
			sum += exp(logit[i]);
		total += (double)batch->weight[segment->start + t] *
			 (log(sum) - logit[batch->target[segment->start + t]]);
	}
	return total;
}

static double plain_loss(const kg_train *train, const kg_batch *batch)
{
	double total = 0.0;
	double weights = 0.0;

	for (uint32_t i = 0; i < batch->segments; i++)
		total += plain_segment(train, batch, &batch->segment[i]);
	for (uint32_t t = 0; t < batch->tokens; t++)
		weights += (double)batch->weight[t];
	return total / weights;
}

/* Larger weights than a fresh model's, so that every path carries weight. */
static void enliven(kg_train *train)
{
	kg_rng rng;

	kg_rng_init_u64(&rng, 77);
	for (size_t k = 0; k < train->parameters; k++)
		train->latent[k] += 0.5f * (kg_rng_float(&rng) - 0.5f);
}

/* Slope along a random direction of one tensor: by the chain rule and by differences of the
 * independent double model. */
static void check_tensor(kg_train *train, const kg_tensor_place *tensor)
{
	size_t size = (size_t)tensor->rows * tensor->cols;
	float *at = train->weight + tensor->at;
	float *kept = malloc(size * sizeof(*kept));
	float *along = malloc(size * sizeof(*along));
	const double step = 1e-3;
	double by_rule = 0.0;
	double above;
	double below;
	double norm = 0.0;
	kg_rng rng;

	kg_rng_init_u64(&rng, tensor->at + 1);
	memcpy(kept, at, size * sizeof(*kept));
	for (size_t k = 0; k < size; k++) {
		/* Towards the slope with noise: a direction in which something happens. */
		along[k] = (kg_rng_float(&rng) + 0.5f) *
			   (train->gradient[tensor->at + k] < 0 ? -1.0f : 1.0f);
		norm += (double)(along[k] * along[k]);
	}
	for (size_t k = 0; k < size; k++)
		along[k] = (float)((double)along[k] / sqrt(norm));
	for (size_t k = 0; k < size; k++)
		at[k] = kept[k] + (float)step * along[k];
	above = plain_loss(train, &train->batch);
	for (size_t k = 0; k < size; k++)
		by_rule +=
			(double)train->gradient[tensor->at + k] * ((double)at[k] - (double)kept[k]);
	for (size_t k = 0; k < size; k++)
		at[k] = kept[k] - (float)step * along[k];
	below = plain_loss(train, &train->batch);
	for (size_t k = 0; k < size; k++)
		by_rule +=
			(double)train->gradient[tensor->at + k] * ((double)kept[k] - (double)at[k]);
	memcpy(at, kept, size * sizeof(*kept));
	if (!(fabs(above - below - by_rule) <= 2e-3 * fabs(by_rule) + 1e-8))
		fail_msg("%s: by differences %.9g, by rule %.9g", tensor->name, above - below,
			 by_rule);
	free(kept);
	free(along);
}

static void check_gradient(uint32_t stages, const uint8_t *seed)
{
	kg_train_config config = tiny();
	kg_train *train;
	double loss;

	config.stages = stages;
	train = open_tiny(&config);
	enliven(train);
	kg_train__batch_fill(train, &train->batch);
	assert_int_equal(kg_train__quantize(train, seed), KG_OK);
	loss = kg_train__gradient(train, &train->batch);
	assert_true(fabs(loss - plain_loss(train, &train->batch)) < 1e-5 * loss);
	for (uint32_t i = 0; i < train->tensors; i++)
		check_tensor(train, &train->tensor[i]);
	kg_train_free(train);
}

static void test_train_math__gradient_agrees_with_finite_differences(void **state)
{
	(void)state;
	check_gradient(0, NULL);
}

/* Straight through: the gradient is the slope at the quantized weights. */
static void test_train_math__gradient_is_taken_at_the_quantized_weights(void **state)
{
	static const uint8_t seed[KG_SEED_SIZE] = "some member's seed";

	(void)state;
	check_gradient(2, seed);
}

/* The trainer's own fast rounding against the definition, bit for bit. */
static void check_rounding(kg_rng *rng, uint32_t rows, uint32_t cols, uint32_t stages, int kind)
{
	size_t size = (size_t)rows * cols;
	float *r = malloc(size * sizeof(*r));
	float *want = malloc(size * sizeof(*want));
	float *residual = malloc((size + size / 4) * sizeof(*residual));
	uint8_t *code = malloc(size);
	kg_fairy fairy = {.plane = {{.code = code}, {.code = code + size / 4}}};

	for (size_t k = 0; k < size; k++) {
		/* Plain numbers, few values (ties on every sector's edge), mostly zeros, U = 1 and
		 * W = 0. */
		float number = kg_rng_float(rng) - 0.5f;
		float few = (float)((int)kg_rng_below(rng, 5) - 2);

		bool diagonal = (k / cols < rows / 2) == (k % cols < cols / 2);

		r[k] = kind == 0 ? number : kind == 1 ? few : kg_rng_below(rng, 4) == 0 ? few : 0;
		if (kind == 3)
			r[k] = diagonal ? 1.0f : 0.0f;
	}
	assert_int_equal(kg_fairy_quantize(&fairy, r, rows, cols, stages, residual), KG_OK);
	kg_fairy_dequantize(want, &fairy);
	assert_int_equal(kg_train__round(r, rows, cols, stages, residual, code), KG_OK);
	assert_memory_equal(r, want, size * sizeof(*r));
	free(r);
	free(want);
	free(residual);
	free(code);
}

static void test_train_math__rounding_equals_the_fairy_code_bit_for_bit(void **state)
{
	static const uint32_t sizes[][2] = {{2, 2},     {4, 6},     {128, 128},
					    {352, 128}, {128, 352}, {34, 70}};
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 3);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (uint32_t stages = 1; stages <= KG_FAIRY_STAGES_MAX; stages++)
			for (int kind = 0; kind < 4; kind++)
				check_rounding(&rng, sizes[i][0], sizes[i][1], stages, kind);
}

static void test_train_math__weights_are_the_seeds_member_of_the_latents(void **state)
{
	static const uint8_t seed[KG_SEED_SIZE] = "another member's seed";
	kg_train_config config = tiny();
	kg_train *train = open_tiny(&config);

	(void)state;
	assert_int_equal(kg_train__quantize(train, seed), KG_OK);
	for (uint32_t i = 0; i < kg_train_tensor_count(train); i++) {
		kg_train_tensor tensor = kg_train_tensor_at(train, i);
		size_t size = (size_t)tensor.rows * tensor.cols;
		float *paired = malloc(size * sizeof(*paired));
		float *scratch_floats = malloc(size * sizeof(*scratch_floats));
		uint8_t *code = malloc(size);
		void *storage = malloc(kg_pairing_size(tensor.rows, tensor.cols));
		kg_fairy fairy = {.plane = {{.code = code}}};
		kg_pairing pairing;

		memcpy(paired, tensor.data, size * sizeof(*paired));
		if (tensor.quantized) {
			kg_pairing_init(&pairing, storage, tensor.rows, tensor.cols, seed,
					tensor.name);
			kg_pairing_apply(&pairing, paired, tensor.data);
			assert_int_equal(kg_fairy_quantize(&fairy, paired, tensor.rows, tensor.cols,
							   2, scratch_floats),
					 KG_OK);
			kg_fairy_dequantize(scratch_floats, &fairy);
			kg_pairing_undo(&pairing, paired, scratch_floats);
		}
		assert_memory_equal(train->weight + train->tensor[i].at, paired,
				    size * sizeof(*paired));
		free(paired);
		free(scratch_floats);
		free(code);
		free(storage);
	}
	kg_train_free(train);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_train_math__gradient_agrees_with_finite_differences),
		cmocka_unit_test(test_train_math__gradient_is_taken_at_the_quantized_weights),
		cmocka_unit_test(test_train_math__rounding_equals_the_fairy_code_bit_for_bit),
		cmocka_unit_test(test_train_math__weights_are_the_seeds_member_of_the_latents),
	};

	return cmocka_run_group_tests_name("train_math", tests, NULL, NULL);
}
