/* SPDX-License-Identifier: MIT */
/* The mind on a real, if random, model: the same bytes whatever came before and with every kernel;
 * scores against the runtime's own scoring; measures against losses computed apart. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/mind.h"
#include "runtime/generate.h"
#include "runtime/kernel.h"
#include "runtime/session.h"
#include "tests/agent/sprout.h"

static sprout formed;
static const char prompt[] = "Q: What is 1 plus 2? A:";
static const kg_sampler_settings warm = {
	.temperature = 0.9f, .top_k = 0, .top_p = 0.95f, .seed = 4711};

static int grow(void **state)
{
	(void)state;
	sprout_grow(&formed, 3, true, KG_FORMAT_F16, NULL);
	return 0;
}

static int release(void **state)
{
	(void)state;
	sprout_release(&formed);
	return 0;
}

static kg_mind *mind_of(const char *strategy, const char *label)
{
	kg_genome g;
	kg_mind *mind = NULL;
	assert_int_equal(kg_base_digest(g.base_digest, formed.model), KG_OK);
	assert_int_equal(kg_genome_choose(&g, formed.model, strategy, label), KG_OK);
	assert_int_equal(kg_mind_new(&mind, formed.model, &g), KG_OK);
	return mind;
}

static kg_thought think(kg_mind *mind, const kg_sampler_settings *settings)
{
	kg_thought thought;
	assert_int_equal(kg_mind_think(mind, &thought, prompt, strlen(prompt), settings, 40),
			 KG_OK);
	return thought;
}

static void assert_same(const kg_thought *a, const kg_thought *b)
{
	assert_int_equal(a->tokens, b->tokens);
	assert_int_equal(a->text.size, b->text.size);
	assert_memory_equal(a->text.data, b->text.data, a->text.size);
	assert_true(a->logprob_sum == b->logprob_sum);
}

static void test_mind__thinks_the_same_whatever_came_before(void **state)
{
	(void)state;
	kg_mind *mind = mind_of("fairy2", "x/a");
	kg_thought first = think(mind, &warm);
	assert_true(first.tokens > 0 && first.tokens <= 40);
	double loglik;
	uint32_t bytes;
	kg_measures measures;
	assert_int_equal(kg_mind_score(mind, &loglik, &bytes, "Q: z? A:", 8, " y", 2), KG_OK);
	assert_int_equal(kg_mind_measure(mind, &measures, "some text", 9, 5), KG_OK);
	kg_thought again = think(mind, &warm);
	assert_same(&first, &again);
	kg_thought_release(&again);

	for (uint32_t k = 0; k < kg_kernel_count(); k++) {
		if (!kg_kernel_at(k)->usable()) {
			continue;
		}
		assert_int_equal(kg_kernel_set(kg_kernel_at(k)->name), KG_OK);
		kg_mind *other = mind_of("fairy2", "x/a");
		again = think(other, &warm);
		assert_same(&first, &again);
		kg_thought_release(&again);
		kg_mind_free(other);
	}
	assert_int_equal(kg_kernel_set(NULL), KG_OK);
	kg_thought_release(&first);
	kg_mind_free(mind);
}

static void test_mind__another_seed_is_another_mind(void **state)
{
	(void)state;
	kg_mind *a = mind_of("fairy2", "x/a"), *b = mind_of("fairy2", "x/b");
	assert_memory_not_equal(kg_mind_weights_digest(a), kg_mind_weights_digest(b), 32);
	kg_thought s = think(a, &warm), t = think(b, &warm);
	assert_true(s.logprob_sum != t.logprob_sum);
	kg_thought_release(&t);
	kg_thought_release(&s);
	kg_mind_free(b);
	kg_mind_free(a);
}

static void test_mind__confidence_is_the_geometric_mean(void **state)
{
	(void)state;
	kg_thought t = {.tokens = 4, .logprob_sum = 4 * log(0.25)};
	assert_true(fabs(kg_thought_confidence(&t) - 0.25) < 1e-12);
	t.tokens = 0;
	assert_true(kg_thought_confidence(&t) == 0);
}

/* The runtime's own scoring, from an empty cache each time. */
static double score_apart(const char *text, size_t prompt_size)
{
	kg_genome g;
	kg_weights *weights = NULL;
	kg_session *session = NULL;
	uint32_t *ids = NULL;
	size_t count = 0;
	double sum = 0;
	assert_int_equal(kg_base_digest(g.base_digest, formed.model), KG_OK);
	assert_int_equal(kg_genome_choose(&g, formed.model, "fairy2", "x/a"), KG_OK);
	assert_int_equal(kg_genome_weights(&weights, &g, formed.model), KG_OK);
	assert_int_equal(kg_session_new(&session, weights, NULL), KG_OK);
	assert_int_equal(kg_tokenizer_encode(kg_model_tokenizer(formed.model), text, strlen(text),
					     true, &ids, &count),
			 KG_OK);
	/* The byte model: bos and one token per byte. */
	size_t from = 1 + prompt_size;
	assert_int_equal(kg_score(&sum, session, ids, from, ids + from, count - from), KG_OK);
	free(ids);
	kg_session_free(session);
	kg_weights_free(weights);
	return sum;
}

static void test_mind__scores_as_the_runtime_does(void **state)
{
	(void)state;
	kg_mind *mind = mind_of("fairy2", "x/a");
	const char *const answers[] = {" 3", " 34", " 3", "", " three of them"};
	for (size_t i = 0; i < 5; i++) {
		char whole[100];
		double loglik = 0;
		uint32_t bytes = 0;
		assert_int_equal(kg_mind_score(mind, &loglik, &bytes, prompt, strlen(prompt),
					       answers[i], strlen(answers[i])),
				 KG_OK);
		strcpy(stpcpy(stpcpy(whole, prompt), answers[i]), "\n");
		assert_int_equal(bytes, strlen(answers[i]) + 1);
		assert_true(loglik == score_apart(whole, strlen(prompt)));
	}
	kg_mind_free(mind);
}

/* What a mind makes of a prompt is what the runtime makes of the ids of the conversation. */
static void test_mind__reads_a_question_as_a_conversation(void **state)
{
	static const char whole[] = "<|user|>\nWhy?</s>\n<|assistant|>\nSo";
	static const uint32_t eos = 2;
	uint32_t ids[sizeof(whole)];
	uint32_t count = 0;
	sprout chat;
	kg_genome g;
	kg_mind *mind = NULL;
	kg_session *session = NULL;
	kg_weights *weights = NULL;
	double loglik = 0;
	double want = 0;
	uint32_t bytes = 0;
	(void)state;
	sprout_grow_chat(&chat, 3, false, "zephyr");
	assert_int_equal(kg_base_digest(g.base_digest, chat.model), KG_OK);
	assert_int_equal(kg_genome_choose(&g, chat.model, "fairy2", "x/a"), KG_OK);
	assert_int_equal(kg_mind_new(&mind, chat.model, &g), KG_OK);
	assert_int_equal(kg_mind_score(mind, &loglik, &bytes, "Why?", 4, "So", 2), KG_OK);
	assert_int_equal(bytes, 3); /* the end is one */

	for (const char *c = whole; *c != '\0'; c++) {
		bool ends = strncmp(c, "</s>", 4) == 0;
		ids[count++] = ends ? eos : 3u + (uint8_t)*c;
		c += ends ? 3 : 0;
	}
	ids[count++] = eos;
	assert_int_equal(kg_genome_weights(&weights, &g, chat.model), KG_OK);
	assert_int_equal(kg_session_new(&session, weights, NULL), KG_OK);
	assert_int_equal(kg_score(&want, session, ids, count - 3, ids + count - 3, 3), KG_OK);
	assert_true(loglik == want);
	kg_session_free(session);
	kg_weights_free(weights);
	kg_mind_free(mind);
	sprout_release(&chat);
}

static void test_mind__refuses_what_does_not_fit(void **state)
{
	(void)state;
	kg_mind *mind = mind_of("fairy2", "x/a");
	char big[SPROUT_CONTEXT + 2];
	double loglik;
	uint32_t bytes;
	kg_thought thought;
	memset(big, 'a', sizeof(big));
	assert_int_equal(
		kg_mind_score(mind, &loglik, &bytes, prompt, strlen(prompt), big, SPROUT_CONTEXT),
		KG_EFULL);
	assert_int_equal(kg_mind_think(mind, &thought, big, sizeof(big), &warm, 4), KG_EFULL);
	const kg_sampler_settings bad = {.temperature = -1, .top_p = 1};
	assert_int_equal(kg_mind_think(mind, &thought, prompt, strlen(prompt), &bad, 4), KG_EINVAL);
	kg_mind_free(mind);
}

static bool never(void *data)
{
	++*(int *)data;
	return false;
}

static void test_mind__can_be_interrupted(void **state)
{
	(void)state;
	kg_mind *mind = mind_of("fairy2", "x/a");
	kg_thought thought;
	kg_measures measures;
	double loglik;
	uint32_t bytes;
	int asked = 0;
	kg_mind_set_pause(mind, never, &asked);
	assert_int_equal(kg_mind_think(mind, &thought, prompt, strlen(prompt), &warm, 40),
			 KG_ETIMEOUT);
	assert_int_equal(asked, 1);
	assert_int_equal(kg_mind_score(mind, &loglik, &bytes, prompt, strlen(prompt), " 3", 2),
			 KG_ETIMEOUT);
	assert_int_equal(kg_mind_measure(mind, &measures, "text", 4, 1), KG_ETIMEOUT);
	kg_mind_set_pause(mind, NULL, NULL);
	thought = think(mind, &warm);
	kg_thought_release(&thought);
	kg_mind_free(mind);
}

/* Mean loss of weights of a strategy on one text, token by token. */
static double loss_apart(const char *strategy, const char *label, const char *text)
{
	kg_mind *mind = mind_of(strategy, label);
	kg_measures m;
	/* The base model's own loss is what f16 weights lose: their gap is zero. */
	assert_int_equal(kg_mind_measure(mind, &m, text, strlen(text), 1), KG_OK);
	kg_mind_free(mind);
	return m.loss_gap;
}

static void test_mind__measures_what_the_rules_ask_for(void **state)
{
	(void)state;
	const char *text = "Q: What is 1 plus 2? A: 3";
	assert_true(loss_apart("f16", "x/a", text) == 0);
	assert_true(loss_apart("fairy2", "x/a", text) != 0);
	kg_mind *mind = mind_of("fairy2", "x/a");
	kg_measures m;
	for (uint32_t i = 1; i <= KG_MIND_LESSONS / KG_MIND_LESSONS_NEW + 2; i++) {
		assert_int_equal(kg_mind_measure(mind, &m, text, strlen(text), i), KG_OK);
		uint32_t taken = i * KG_MIND_LESSONS_NEW;
		assert_int_equal(m.lessons, taken < KG_MIND_LESSONS ? taken : KG_MIND_LESSONS);
		assert_true(m.lesson_accuracy >= 0 && m.lesson_accuracy <= 1);
		assert_true(m.has_loss && isfinite(m.loss_gap));
		assert_true(m.has_narrower && m.perplexity_kept > 0);
		assert_int_equal(m.learned_by_others, 0);
	}
	kg_mind_free(mind);
	/* Nothing is narrower than one stage. */
	mind = mind_of("fairy1", "x/a");
	assert_int_equal(kg_mind_measure(mind, &m, text, strlen(text), 1), KG_OK);
	assert_false(m.has_narrower);
	kg_mind_free(mind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mind__thinks_the_same_whatever_came_before),
		cmocka_unit_test(test_mind__another_seed_is_another_mind),
		cmocka_unit_test(test_mind__confidence_is_the_geometric_mean),
		cmocka_unit_test(test_mind__scores_as_the_runtime_does),
		cmocka_unit_test(test_mind__reads_a_question_as_a_conversation),
		cmocka_unit_test(test_mind__refuses_what_does_not_fit),
		cmocka_unit_test(test_mind__can_be_interrupted),
		cmocka_unit_test(test_mind__measures_what_the_rules_ask_for),
	};
	return cmocka_run_group_tests(tests, grow, release);
}
