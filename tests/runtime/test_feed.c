/* SPDX-License-Identifier: MIT */
/* Many tokens at once, many threads: the bits of one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/session_impl.h"
#include "tests/runtime/toy.h"

enum { VOCABULARY = KG_TOKENIZER_BYTE_MODEL_COUNT, LENGTH = 70 };

static const uint8_t seed[KG_SEED_SIZE] = "a seed of batches";

static const char *const strategies[] = {
	"f32",
	"f16",
	"int8",
	"fairy1",
	"fairy2",
	"fairy3",
	"int4",
	"int2",
	"ternary",
	"palette4",
	"palette16",
	"palette256",
	"mix:attn_v=int4,ffn_down=int8,table=f32,*=fairy2",
};

enum { STRATEGIES = sizeof(strategies) / sizeof(*strategies) };

/* A model, its weights and what one by one gives after each of LENGTH tokens. */
typedef struct {
	kg_model *model;
	kg_weights *weights;
	uint32_t token[LENGTH];
	float *want; /* LENGTH rows */
} subject;

static kg_session *session_of(const kg_weights *weights, uint32_t batch, uint32_t threads)
{
	const kg_session_options options = {.batch = batch, .threads = threads};
	kg_session *session;

	assert_int_equal(kg_session_new(&session, weights, &options), KG_OK);
	return session;
}

/* Variant 0 is plain, with heads that share keys; 1 has biases, norms and factors and a head that
 * fills no line; 2 has no shared keys and odd sizes. */
static subject subject_of(const char *name, uint32_t variant)
{
	kg_model_config config = toy_config();
	kg_strategy strategy;
	kg_session *session;
	subject s;

	config.context = LENGTH;
	if (variant == 1) {
		config.qkv_bias = config.qk_norm = config.rope_factors = true;
		config.head_dim = 18;
		config.kv_heads = 1;
	}
	if (variant == 2) {
		config.hidden = 21;
		config.kv_heads = 4;
		config.tied = true;
	}
	s.model = toy_random(&config, 50 + variant);
	assert_int_equal(kg_strategy_parse(&strategy, name), KG_OK);
	assert_int_equal(kg_weights_new(&s.weights, s.model, &strategy, seed), KG_OK);
	s.want = calloc((size_t)LENGTH * VOCABULARY, sizeof(*s.want));
	session = session_of(s.weights, 1, 1);
	for (uint32_t t = 0; t < LENGTH; t++) {
		s.token[t] = (t * t * 31 + 7 * t) % VOCABULARY;
		assert_int_equal(
			kg_session_step(session, s.token[t], s.want + (size_t)t * VOCABULARY),
			KG_OK);
	}
	kg_session_free(session);
	return s;
}

static void release(subject *s)
{
	free(s->want);
	kg_weights_free(s->weights);
	kg_model_free(s->model);
}

typedef struct {
	const subject *subject;
	size_t base;     /* tokens taken in before */
	size_t next;     /* index that comes next */
	size_t stop;     /* index at which to give an error */
	uint32_t errors; /* of bits */
} check;

static kg_err compare(void *context, size_t index, const float *logits)
{
	check *c = context;

	assert_int_equal(index, c->next);
	c->next++;
	c->errors += memcmp(logits, c->subject->want + (c->base + index) * VOCABULARY,
			    VOCABULARY * sizeof(*logits)) != 0;
	return index == c->stop ? kg_fail(KG_ETIMEOUT, "enough") : KG_OK;
}

/* All logits by reading; then half fed, the rest fed, from the middle of a tile. */
static void check_session(const subject *s, kg_session *session)
{
	check c = {.subject = s, .stop = LENGTH};
	float logits[VOCABULARY];

	assert_int_equal(kg_session_read(session, s->token, LENGTH, 0, compare, &c), KG_OK);
	assert_int_equal(c.next, LENGTH);
	assert_int_equal(c.errors, 0);
	kg_session_rewind(session, 0);
	assert_int_equal(kg_session_feed(session, s->token, 37, logits), KG_OK);
	assert_memory_equal(logits, s->want + (size_t)36 * VOCABULARY, sizeof(logits));
	assert_int_equal(kg_session_feed(session, s->token + 37, LENGTH - 37, logits), KG_OK);
	assert_memory_equal(logits, s->want + (size_t)(LENGTH - 1) * VOCABULARY, sizeof(logits));
	assert_memory_equal(kg_session_tokens(session), s->token, sizeof(s->token));
}

static void test_feed__gives_the_bits_of_steps_for_every_batch(void **state)
{
	(void)state;
	for (uint32_t f = 0; f < STRATEGIES; f++)
		for (uint32_t variant = 0; variant < 3; variant++) {
			subject s = subject_of(strategies[f], variant);
			/* Every size for some, sizes around the edges for all. */
			bool all = variant == 0 && (f == 0 || f == 4 || f == 6);

			for (uint32_t batch = 1; batch <= 64; batch++) {
				kg_session *session;

				if (!all && batch > 3 && batch % 16 > 1 && batch != 30)
					continue;
				session = session_of(s.weights, batch, 1);
				check_session(&s, session);
				kg_session_free(session);
			}
			release(&s);
		}
}

static void test_feed__gives_the_same_bits_with_every_kernel(void **state)
{
	(void)state;
	for (uint32_t f = 0; f < STRATEGIES; f++)
		for (uint32_t variant = 0; variant < 3; variant++) {
			subject s;

			assert_int_equal(kg_kernel_set("scalar"), KG_OK);
			s = subject_of(strategies[f], variant);
			for (uint32_t k = 0; k < kg_kernel_count(); k++) {
				kg_session *session;

				if (!kg_kernel_at(k)->usable())
					continue;
				assert_int_equal(kg_kernel_set(kg_kernel_at(k)->name), KG_OK);
				session = session_of(s.weights, 0, 1);
				check_session(&s, session);
				kg_session_free(session);
			}
			release(&s);
		}
	assert_int_equal(kg_kernel_set(NULL), KG_OK);
}

static void test_feed__gives_the_same_bits_with_many_threads(void **state)
{
	(void)state;
	for (uint32_t f = 0; f < STRATEGIES; f++) {
		subject s = subject_of(strategies[f], f % 3);

		for (uint32_t threads = 2; threads <= 4; threads++) {
			kg_session *session = session_of(s.weights, 64, threads);

			session->work_min = 0.0; /* toys are worth no helper */
			check_session(&s, session);
			kg_session_free(session);
		}
		release(&s);
	}
}

static void test_read__begins_and_ends_where_it_is_told(void **state)
{
	subject s = subject_of("fairy2", 0);
	kg_session *session = session_of(s.weights, 8, 1);

	(void)state;
	for (size_t from = 0; from <= LENGTH; from += 7) {
		check c = {.subject = &s, .next = from, .stop = LENGTH};

		kg_session_rewind(session, 0);
		assert_int_equal(kg_session_read(session, s.token, LENGTH, from, compare, &c),
				 KG_OK);
		assert_int_equal(c.next, LENGTH);
		assert_int_equal(c.errors, 0);
	}
	for (size_t stop = 3; stop < LENGTH; stop += 9) {
		check c = {.subject = &s, .stop = stop};

		kg_session_rewind(session, 0);
		assert_int_equal(kg_session_read(session, s.token, LENGTH, 0, compare, &c),
				 KG_ETIMEOUT);
		assert_int_equal(kg_session_position(session), stop + 1);
		c = (check){.subject = &s, .base = stop + 1, .stop = LENGTH};
		assert_int_equal(kg_session_read(session, s.token + stop + 1, LENGTH - stop - 1, 0,
						 compare, &c),
				 KG_OK);
		assert_int_equal(c.errors, 0);
	}
	kg_session_free(session);
	release(&s);
}

static void test_feed__refuses_all_or_nothing(void **state)
{
	subject s = subject_of("int8", 0);
	kg_session *session = session_of(s.weights, 8, 1);
	uint32_t tokens[LENGTH + 1] = {0};
	float logits[VOCABULARY];

	(void)state;
	assert_int_equal(kg_session_feed(session, tokens, LENGTH + 1, NULL), KG_EFULL);
	assert_int_equal(kg_session_position(session), 0);
	tokens[LENGTH - 1] = VOCABULARY;
	assert_int_equal(kg_session_feed(session, tokens, LENGTH, NULL), KG_EINVAL);
	assert_int_equal(kg_session_read(session, tokens, LENGTH, 0, compare, NULL), KG_EINVAL);
	assert_int_equal(kg_session_position(session), 0);
	assert_int_equal(kg_session_feed(session, tokens, 0, logits), KG_OK);
	assert_int_equal(kg_session_feed(session, s.token, LENGTH, logits), KG_OK);
	assert_memory_equal(logits, s.want + (size_t)(LENGTH - 1) * VOCABULARY, sizeof(logits));
	assert_int_equal(kg_session_step(session, 0, NULL), KG_EFULL);
	kg_session_free(session);
	release(&s);
}

static void test_new__has_limits(void **state)
{
	subject s = subject_of("int8", 0);
	kg_session *session = NULL;
	kg_session_options options = {.batch = 65};

	(void)state;
	assert_int_equal(kg_session_new(&session, s.weights, &options), KG_EINVAL);
	options = (kg_session_options){.threads = 65};
	assert_int_equal(kg_session_new(&session, s.weights, &options), KG_EINVAL);
	assert_null(session);
	options = (kg_session_options){.batch = 64, .threads = 64};
	assert_int_equal(kg_session_new(&session, s.weights, &options), KG_OK);
	kg_session_free(session);
	release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed__gives_the_bits_of_steps_for_every_batch),
		cmocka_unit_test(test_feed__gives_the_same_bits_with_every_kernel),
		cmocka_unit_test(test_feed__gives_the_same_bits_with_many_threads),
		cmocka_unit_test(test_read__begins_and_ends_where_it_is_told),
		cmocka_unit_test(test_feed__refuses_all_or_nothing),
		cmocka_unit_test(test_new__has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
