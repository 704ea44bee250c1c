/* SPDX-License-Identifier: MIT */
#include "tests/runtime/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/toy.h"

static const uint8_t seed[KG_SEED_SIZE] = "a seed of batches";

const char *const subject_strategies[SUBJECT_STRATEGIES] = {
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

static kg_session *session_of(const kg_weights *weights, uint32_t batch, uint32_t threads)
{
	const kg_session_options options = {.batch = batch, .threads = threads};
	kg_session *session;

	assert_int_equal(kg_session_new(&session, weights, &options), KG_OK);
	return session;
}

subject subject_of(const char *name, uint32_t variant)
{
	kg_model_config config = toy_config();
	kg_strategy strategy;
	kg_session *session;
	subject s;

	config.context = SUBJECT_LENGTH;
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
	s.want = calloc((size_t)SUBJECT_LENGTH * SUBJECT_VOCABULARY, sizeof(*s.want));
	session = session_of(s.weights, 1, 1);
	for (uint32_t t = 0; t < SUBJECT_LENGTH; t++) {
		s.token[t] = (t * t * 31 + 7 * t) % SUBJECT_VOCABULARY;
		assert_int_equal(kg_session_step(session, s.token[t],
						 s.want + (size_t)t * SUBJECT_VOCABULARY),
				 KG_OK);
	}
	kg_session_free(session);
	return s;
}

void subject_release(subject *s)
{
	free(s->want);
	kg_weights_free(s->weights);
	kg_model_free(s->model);
}

kg_session *subject_session(const subject *s, uint32_t batch, uint32_t threads)
{
	return session_of(s->weights, batch, threads);
}

kg_err subject_compare(void *context, size_t index, const float *logits)
{
	subject_check *c = context;

	assert_int_equal(index, c->next);
	c->next++;
	c->errors += memcmp(logits, c->subject->want + (c->base + index) * SUBJECT_VOCABULARY,
			    SUBJECT_VOCABULARY * sizeof(*logits)) != 0;
	return index == c->stop ? kg_fail(KG_ETIMEOUT, "enough") : KG_OK;
}

void subject_check_session(const subject *s, kg_session *session)
{
	subject_check c = {.subject = s, .stop = SUBJECT_LENGTH};
	float logits[SUBJECT_VOCABULARY];

	assert_int_equal(kg_session_read(session, s->token, SUBJECT_LENGTH, 0, subject_compare, &c),
			 KG_OK);
	assert_int_equal(c.next, SUBJECT_LENGTH);
	assert_int_equal(c.errors, 0);
	kg_session_rewind(session, 0);
	assert_int_equal(kg_session_feed(session, s->token, 37, logits), KG_OK);
	assert_memory_equal(logits, s->want + (size_t)36 * SUBJECT_VOCABULARY, sizeof(logits));
	assert_int_equal(kg_session_feed(session, s->token + 37, SUBJECT_LENGTH - 37, logits),
			 KG_OK);
	assert_memory_equal(logits, s->want + (size_t)(SUBJECT_LENGTH - 1) * SUBJECT_VOCABULARY,
			    sizeof(logits));
	assert_memory_equal(kg_session_tokens(session), s->token, sizeof(s->token));
}
