/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/session_impl.h"
#include "tests/runtime/plain_complex.h"

enum { VOCABULARY = KG_TOKENIZER_BYTE_MODEL_COUNT };

/* No number is a multiple of anything: heads of 11, 22 numbers, 35 of the feed-forward part. */
static const kg_model_config odd = {
	.dim = 22,
	.hidden = 35,
	.layers = 2,
	.heads = 2,
	.kv_heads = 1,
	.head_dim = 11,
	.vocabulary = VOCABULARY,
	.context = 40,
	.rope_theta = 10000.0f,
	.norm_eps = 1e-5f,
	.architecture = KG_ARCHITECTURE_IFAIRY,
};

static const kg_model_config even = {
	.dim = 32,
	.hidden = 48,
	.layers = 2,
	.heads = 4,
	.kv_heads = 4,
	.head_dim = 8,
	.vocabulary = VOCABULARY,
	.context = 40,
	.rope_theta = 500.0f,
	.norm_eps = 1e-6f,
	.architecture = KG_ARCHITECTURE_IFAIRY,
};

static uint32_t token_at(uint32_t position)
{
	return (position * 97 + 1) % VOCABULARY;
}

typedef struct {
	plain_model *plain;
	kg_model *model; /* opened from the bytes of a file, as users have it */
	uint8_t *file;
	kg_weights *weights;
} pair;

static void pair_init(pair *p, const kg_model_config *config, kg_format table, uint64_t seed)
{
	kg_model_form form = {.strategy = kg_strategy_of_phase(table)};
	kg_tokenizer *tokenizer = NULL;
	kg_model *made = NULL;
	kg_buf file;

	p->plain = plain_random(config, seed);
	p->plain->quantized = true;
	p->plain->int8_head = table == KG_FORMAT_INT8;
	assert_int_equal(kg_tokenizer_byte_model(&tokenizer), KG_OK);
	assert_int_equal(kg_model_new(&made, config, "complex", &tokenizer, NULL), KG_OK);
	plain_to_model(p->plain, made);
	kg_buf_init(&file, 1 << 24);
	assert_int_equal(kg_model_encode(made, &file, &form), KG_OK);
	p->file = aligned_alloc(64, (file.size + 64) / 64 * 64);
	assert_non_null(p->file);
	memcpy(p->file, file.data, file.size);
	assert_int_equal(kg_model_open_memory(&p->model, p->file, file.size), KG_OK);
	assert_int_equal(kg_weights_new(&p->weights, p->model, NULL, NULL), KG_OK);
	kg_buf_release(&file);
	kg_model_free(made);
}

static void pair_release(pair *p)
{
	kg_weights_free(p->weights);
	kg_model_free(p->model);
	free(p->file);
	plain_free(p->plain);
}

static kg_session *session_of(const kg_weights *weights, uint32_t batch, uint32_t threads)
{
	const kg_session_options options = {.batch = batch, .threads = threads};
	kg_session *session = NULL;

	assert_int_equal(kg_session_new(&session, weights, &options), KG_OK);
	session->work_min = 0.0; /* so little work would wake nobody */
	return session;
}

typedef struct {
	double greatest; /* difference of a logit, in parts of the greatest logit of its token */
	double power;    /* of all differences, in parts of that of all logits */
} distance;

/* Between the runtime and the formulas, of the logits after each of the first tokens. */
static distance distance_of(const pair *p)
{
	kg_session *session = session_of(p->weights, 0, 0);
	uint32_t token[PLAIN_LENGTH];
	distance result = {0.0, 0.0};
	double all = 0.0;

	for (uint32_t t = 0; t < PLAIN_LENGTH; t++) {
		float got[VOCABULARY];
		double want[VOCABULARY];
		double greatest = 0.0;
		double off = 0.0;

		token[t] = token_at(t);
		assert_int_equal(kg_session_step(session, token[t], got), KG_OK);
		plain_logits(want, p->plain, token, t + 1);
		for (uint32_t i = 0; i < VOCABULARY; i++) {
			double difference = fabs((double)got[i] - want[i]);

			greatest = fmax(greatest, fabs(want[i]));
			off = fmax(off, difference);
			result.power += difference * difference;
			all += want[i] * want[i];
		}
		result.greatest = fmax(result.greatest, off / greatest);
	}
	result.power /= all;
	kg_session_free(session);
	return result;
}

/* A number that lies, within the error of a float, in the middle between two steps may be taken to
 * either; none of these models has one. */
static void check_against_formulas(const kg_model_config *config, kg_format table, uint64_t seed)
{
	pair p;

	pair_init(&p, config, table, seed);
	assert_true(distance_of(&p).greatest < 1e-5);
	/* Without steps: the logits are near those of the model with floats for activations. The
	 * bound is wide because numbers so few average little. */
	p.plain->quantized = false;
	p.plain->int8_head = false;
	assert_true(distance_of(&p).power < 0.01);
	pair_release(&p);
}

static void test_session_complex__is_the_formulas(void **state)
{
	(void)state;
	check_against_formulas(&odd, KG_FORMAT_F32, 1);
	check_against_formulas(&odd, KG_FORMAT_INT8, 2);
	check_against_formulas(&even, KG_FORMAT_INT8, 3);
}

static void test_session_complex__scores_are_scaled_as_the_file_says(void **state)
{
	kg_model_config scaled = odd;
	pair p;

	(void)state;
	scaled.attention_scale = 1.0f / sqrtf(11.0f);
	check_against_formulas(&scaled, KG_FORMAT_F32, 4);
	/* Another scale is another model. */
	pair_init(&p, &scaled, KG_FORMAT_F32, 4);
	p.plain->c.attention_scale = 0.0f;
	assert_true(distance_of(&p).greatest > 1e-3);
	pair_release(&p);
}

static void feed_all(const kg_weights *weights, uint32_t batch, uint32_t threads, float *logits)
{
	kg_session *session = session_of(weights, batch, threads);
	uint32_t token[PLAIN_LENGTH];

	for (uint32_t t = 0; t < PLAIN_LENGTH; t++)
		token[t] = token_at(t);
	assert_int_equal(kg_session_feed(session, token, PLAIN_LENGTH, logits), KG_OK);
	assert_int_equal(kg_session_step(session, token_at(PLAIN_LENGTH), logits + VOCABULARY),
			 KG_OK);
	kg_session_free(session);
}

static void test_session_complex__the_bits_are_the_same_everywhere(void **state)
{
	static const uint32_t batches[] = {1, 2, 7, 24, 64};
	static float want[2 * VOCABULARY];
	static float got[2 * VOCABULARY];
	pair p;

	(void)state;
	pair_init(&p, &odd, KG_FORMAT_INT8, 5);
	assert_int_equal(kg_kernel_set("scalar"), KG_OK);
	feed_all(p.weights, 1, 1, want);
	for (uint32_t k = 0; k < kg_kernel_count(); k++) {
		if (!kg_kernel_at(k)->usable())
			continue;
		assert_int_equal(kg_kernel_set(kg_kernel_at(k)->name), KG_OK);
		for (size_t b = 0; b < sizeof(batches) / sizeof(*batches); b++)
			for (uint32_t threads = 1; threads <= 3; threads++) {
				feed_all(p.weights, batches[b], threads, got);
				assert_memory_equal(got, want, sizeof(want));
			}
	}
	assert_int_equal(kg_kernel_set(NULL), KG_OK);
	pair_release(&p);
}

static void test_session_complex__forgets_what_it_is_told_to(void **state)
{
	float want[VOCABULARY];
	float got[VOCABULARY];
	kg_session *session;
	pair p;

	(void)state;
	pair_init(&p, &even, KG_FORMAT_INT8, 6);
	session = session_of(p.weights, 0, 0);
	for (uint32_t t = 0; t < 5; t++)
		assert_int_equal(kg_session_step(session, token_at(t), want), KG_OK);
	assert_int_equal(kg_session_step(session, 9, got), KG_OK);
	kg_session_rewind(session, 4);
	assert_int_equal(kg_session_step(session, token_at(4), got), KG_OK);
	assert_memory_equal(got, want, sizeof(want));
	kg_session_free(session);
	pair_release(&p);
}

static void observe(void *context, uint32_t layer, kg_tensor_role role, const float *x, uint32_t n)
{
	uint32_t *seen = context;
	uint32_t want = role == KG_TENSOR_FFN_DOWN ? 2 * odd.hidden : 2 * odd.dim;

	assert_true(layer < odd.layers);
	assert_int_equal(n, want);
	for (uint32_t i = 0; i < n; i++)
		assert_true(isfinite(x[i]));
	(*seen)++;
}

static void test_session_complex__shows_real_then_imaginary_inputs(void **state)
{
	kg_session *session;
	uint32_t seen = 0;
	pair p;

	(void)state;
	pair_init(&p, &odd, KG_FORMAT_INT8, 7);
	session = session_of(p.weights, 0, 0);
	kg_session_observe(session, observe, &seen);
	assert_int_equal(kg_session_step(session, 5, NULL), KG_OK);
	assert_int_equal(seen, 4 * odd.layers);
	kg_session_free(session);
	pair_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_complex__is_the_formulas),
		cmocka_unit_test(test_session_complex__scores_are_scaled_as_the_file_says),
		cmocka_unit_test(test_session_complex__the_bits_are_the_same_everywhere),
		cmocka_unit_test(test_session_complex__forgets_what_it_is_told_to),
		cmocka_unit_test(test_session_complex__shows_real_then_imaginary_inputs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
