/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/document.h"
#include "runtime/evaluate.h"
#include "runtime/generate.h"
#include "tests/runtime/toy.h"

enum { VOCABULARY = KG_TOKENIZER_BYTE_MODEL_COUNT, BOS = 1, EOS = 2 };

typedef struct {
	kg_model *model;
	kg_weights *weights;
	kg_session *session;
} mind;

static mind mind_of(kg_model *model, kg_format format)
{
	kg_strategy strategy = kg_strategy_of(format);
	mind m = {.model = model};

	assert_int_equal(kg_weights_new(&m.weights, model, &strategy, NULL), KG_OK);
	assert_int_equal(kg_session_new(&m.session, m.weights, NULL), KG_OK);
	return m;
}

static void forget(mind *m)
{
	kg_session_free(m->session);
	kg_weights_free(m->weights);
	kg_model_free(m->model);
}

static void expect_documents(const char *text, const char *const *want)
{
	kg_document_reader reader;
	const char *document;
	size_t size;

	kg_document_init(&reader, text, strlen(text));
	while (kg_document_next(&reader, &document, &size)) {
		assert_non_null(*want);
		assert_int_equal(size, strlen(*want));
		assert_memory_equal(document, *want, size);
		want++;
	}
	assert_null(*want);
}

static void test_document__ends_at_separator_lines_and_is_trimmed(void **state)
{
	(void)state;
	expect_documents("", (const char *const[]){NULL});
	expect_documents(" \n\t\r\n", (const char *const[]){NULL});
	expect_documents("one", (const char *const[]){"one", NULL});
	expect_documents("one\n<|endoftext|>\ntwo\nlines\n<|endoftext|>",
			 (const char *const[]){"one", "two\nlines", NULL});
	expect_documents("<|endoftext|>\n<|endoftext|>\n\n a b \f\v\n<|endoftext|>\n",
			 (const char *const[]){"a b", NULL});
	expect_documents("a\r\n<|endoftext|>\r\nb\r\n", (const char *const[]){"a", "b", NULL});
	expect_documents("a <|endoftext|>\n<|endoftext|> b",
			 (const char *const[]){"a <|endoftext|>\n<|endoftext|> b", NULL});
}

static void test_document__of_every_cut_text_stays_inside(void **state)
{
	static const char text[] = "\n<|endoftext|>\r\n a\r\n<|endoftext|>\n<|endoftext|> \nb\n";

	(void)state;
	for (size_t size = 0; size < sizeof(text); size++) {
		char *cut = malloc(size + 1);
		kg_document_reader reader;
		const char *document;
		size_t length;

		/* At the end of the block, so that a read beyond is seen by the sanitizer. */
		memcpy(cut + 1, text, size);
		kg_document_init(&reader, cut + 1, size);
		while (kg_document_next(&reader, &document, &length)) {
			assert_true(document > cut && document + length <= cut + 1 + size);
			assert_true(length > 0 && memchr(" \r\n", document[0], 3) == NULL);
		}
		free(cut);
	}
}

static void test_stream__puts_bos_before_each_document(void **state)
{
	const uint32_t want[] = {BOS, 3 + 'a', 3 + 'b', BOS, 3 + 'c'};
	static const char text[] = "ab\n<|endoftext|>\n c \n";
	kg_tokenizer *tokenizer;
	uint32_t *ids = NULL;
	size_t count;

	(void)state;
	assert_int_equal(kg_tokenizer_byte_model(&tokenizer), KG_OK);
	assert_int_equal(kg_document_stream(&ids, &count, tokenizer, text, strlen(text)), KG_OK);
	assert_int_equal(count, 5);
	assert_memory_equal(ids, want, sizeof(want));
	free(ids);
	ids = NULL;
	assert_int_equal(kg_document_stream(&ids, &count, tokenizer, " \n", 2), KG_EINVAL);
	assert_null(ids);
	kg_tokenizer_free(tokenizer);
}

/* Log probabilities by libm from logits of a fresh session. */
static double surprise(const mind *m, const uint32_t *ids, uint32_t count)
{
	double nll = 0.0;
	float logits[VOCABULARY];

	kg_session_rewind(m->session, 0);
	for (uint32_t i = 0; i < count; i++) {
		double sum = 0.0;

		assert_int_equal(kg_session_step(m->session, ids[i], logits), KG_OK);
		for (int v = 0; v < VOCABULARY; v++)
			sum += exp((double)logits[v]);
		nll -= (double)logits[ids[i + 1]] - log(sum);
	}
	return nll;
}

static void test_text__scores_each_token_once_in_whole_windows(void **state)
{
	kg_model_config config = toy_config();
	mind m = mind_of(toy_random(&config, 30), KG_FORMAT_FAIRY2);
	uint32_t stream[2 * 48 + 20];
	kg_text_score score;
	double want;

	(void)state;
	for (uint32_t i = 0; i < 116; i++)
		stream[i] = i % 40 == 0 ? BOS : 3 + (i * 7) % 256;
	assert_int_equal(kg_evaluate_windows(m.session, 116), 2);
	assert_int_equal(kg_evaluate_windows(m.session, 2 * 48 + 1), 2);
	assert_int_equal(kg_evaluate_windows(m.session, 2 * 48), 1);
	assert_int_equal(kg_evaluate_text(&score, m.session, NULL,
					  &(kg_text_request){stream, 116, 0}, NULL, NULL),
			 KG_OK);
	want = surprise(&m, stream, 48) + surprise(&m, stream + 48, 48);
	assert_true(fabs(score.nll - want) < 1e-9);
	assert_int_equal(score.windows, 2);
	assert_int_equal(score.tokens, 96);
	assert_int_equal(score.bytes, 94); /* two of the targets are bos */
	assert_false(score.compared);
	assert_true(fabs(kg_text_score_perplexity(&score) - exp(want / 96)) < 1e-6);
	assert_true(fabs(kg_text_score_bits_per_byte(&score) - want / log(2.0) / 94) < 1e-9);
	assert_true(fabs(kg_text_score_perplexity_per_byte(&score) - exp(want / 94)) < 1e-6);

	assert_int_equal(kg_evaluate_text(&score, m.session, NULL,
					  &(kg_text_request){stream, 116, 1}, NULL, NULL),
			 KG_OK);
	assert_int_equal(score.tokens, 48);
	assert_int_equal(kg_evaluate_text(&score, m.session, NULL,
					  &(kg_text_request){stream, 48, 0}, NULL, NULL),
			 KG_EINVAL);
	forget(&m);
}

static bool stop_at_once(void *context, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	(*(int *)context)++;
	return false;
}

static void test_text__agrees_with_itself_and_can_be_stopped(void **state)
{
	kg_model_config config = toy_config();
	mind m = mind_of(toy_random(&config, 31), KG_FORMAT_F32);
	mind same = mind_of(toy_random(&config, 31), KG_FORMAT_F32);
	uint32_t stream[100];
	kg_text_score score;
	int calls = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		stream[i] = 3 + (i * 11) % 256;
	assert_int_equal(kg_evaluate_text(&score, m.session, same.session,
					  &(kg_text_request){stream, 100, 0}, NULL, NULL),
			 KG_OK);
	assert_true(score.compared);
	assert_int_equal(score.agreed, score.tokens);
	assert_int_equal(kg_evaluate_text(&score, m.session, NULL,
					  &(kg_text_request){stream, 100, 0}, stop_at_once, &calls),
			 KG_ETIMEOUT);
	assert_int_equal(calls, 1);
	forget(&m);
	forget(&same);
}

/* After ':' comes ' ', then '5', then '\n'; '!' ends at eos; all else wants 'x'. */
static mind chain(void)
{
	uint32_t next[VOCABULARY];

	for (int i = 0; i < VOCABULARY; i++)
		next[i] = toy_byte('x');
	next[toy_byte(':')] = toy_byte(' ');
	next[toy_byte(' ')] = toy_byte('5');
	next[toy_byte('5')] = toy_byte('\n');
	next[toy_byte('!')] = toy_byte('?');
	next[toy_byte('?')] = EOS;
	return mind_of(toy_chain(next), KG_FORMAT_INT8);
}

static void test_text__counts_an_unknown_token_as_the_byte_it_stands_for(void **state)
{
	kg_model_config config = toy_config();
	mind m = mind_of(toy_random(&config, 33), KG_FORMAT_FAIRY2);
	uint32_t stream[49];
	kg_text_score score;

	(void)state;
	/* Behind bos: 24 letters and 24 unknown bytes. */
	for (uint32_t i = 0; i < 49; i++)
		stream[i] = i == 0 ? BOS : i % 2 == 0 ? 0 : toy_byte('a');
	assert_int_equal(kg_evaluate_text(&score, m.session, NULL,
					  &(kg_text_request){stream, 49, 0}, NULL, NULL),
			 KG_OK);
	assert_int_equal(score.tokens, 48);
	assert_int_equal(score.bytes, 48);
	forget(&m);
}

static void test_text__of_a_model_that_overflows_has_no_score(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 34);
	float *head = kg_model_floats(model, KG_TENSOR_HEAD, 0);
	float *gain = kg_model_floats(model, KG_TENSOR_OUTPUT_NORM, 0);
	uint32_t stream[49];
	kg_text_score score;
	mind m;

	(void)state;
	for (uint32_t i = 0; i < VOCABULARY * config.dim; i++)
		head[i] = 3e38f;
	for (uint32_t i = 0; i < config.dim; i++)
		gain[i] = 100.0f;
	m = mind_of(model, KG_FORMAT_F32);
	for (uint32_t i = 0; i < 49; i++)
		stream[i] = i == 0 ? BOS : toy_byte('a');
	assert_int_equal(kg_evaluate_text(&score, m.session, NULL,
					  &(kg_text_request){stream, 49, 0}, NULL, NULL),
			 KG_EINVAL);
	forget(&m);
}

static void test_answer__is_right_only_when_exact(void **state)
{
	mind m = chain();
	bool right;

	(void)state;
	assert_int_equal(kg_evaluate_answer(&right, m.session, "Q: two and three A:", " 5"), KG_OK);
	assert_true(right);
	assert_int_equal(kg_evaluate_answer(&right, m.session, "A:", " 6"), KG_OK);
	assert_false(right);
	assert_int_equal(kg_evaluate_answer(&right, m.session, "A:", " 55"), KG_OK);
	assert_false(right);
	assert_int_equal(kg_evaluate_answer(&right, m.session, "A:", " "), KG_OK);
	assert_false(right);
	assert_int_equal(kg_evaluate_answer(&right, m.session, "!", "?"), KG_OK);
	assert_false(right); /* eos is not "\n" */
	forget(&m);
}

static void test_lessons__counts_every_task_and_wording(void **state)
{
	kg_lessons_request request = {.seed = 3, .count = 2, .trained = true, .unseen = true};
	kg_model_config config = toy_config();
	kg_lessons_score score;
	mind m;

	(void)state;
	config.context = 256;
	m = mind_of(toy_random(&config, 32), KG_FORMAT_FAIRY2);
	assert_int_equal(kg_evaluate_lessons(&score, m.session, &request, NULL, NULL), KG_OK);
	assert_int_equal(score.tasks, kg_lesson_task_count());
	for (uint32_t t = 0; t < score.tasks; t++) {
		assert_int_equal(score.trained[t].count, 2);
		assert_int_equal(score.unseen[t].count, 2);
		assert_true(score.trained[t].right <= 2);
	}
	request.trained = false;
	assert_int_equal(kg_evaluate_lessons(&score, m.session, &request, NULL, NULL), KG_OK);
	assert_int_equal(score.trained[0].count, 0);
	assert_int_equal(score.unseen[0].count, 2);
	forget(&m);
}

static void test_lessons__mean_is_over_tasks_that_were_asked(void **state)
{
	const kg_lesson_score scores[3] = {{4, 1}, {0, 0}, {10, 10}};

	(void)state;
	assert_true(fabs(kg_lesson_score_mean(scores, 3) - 0.625) < 1e-12);
	assert_true(kg_lesson_score_mean(scores + 1, 1) == 0.0);
}

static kg_generation generate(const mind *m, const char *prompt, uint32_t most, const char *stop)
{
	kg_sampler_settings settings = {.top_p = 1.0f};
	kg_generate_request request = {.tokens_max = most, .judged = true, .stop = stop};
	kg_generation made;
	kg_sampler *sampler;
	uint32_t *ids;
	size_t count;

	assert_int_equal(kg_tokenizer_encode(kg_model_tokenizer(m->model), prompt, strlen(prompt),
					     true, &ids, &count),
			 KG_OK);
	assert_int_equal(kg_sampler_new(&sampler, &settings, VOCABULARY), KG_OK);
	request.prompt = ids;
	request.prompt_count = count;
	kg_session_rewind(m->session, 0);
	assert_int_equal(kg_generate(&made, m->session, sampler, &request), KG_OK);
	kg_sampler_free(sampler);
	free(ids);
	return made;
}

static void expect_generation(const mind *m, const char *prompt, uint32_t most, const char *stop,
			      const char *text, kg_generate_end end)
{
	kg_generation made = generate(m, prompt, most, stop);

	assert_string_equal(kg_buf_text(&made.text), text);
	assert_int_equal(made.end, end);
	kg_generation_release(&made);
}

static void test_generate__ends_where_it_should(void **state)
{
	mind m = chain();

	(void)state;
	expect_generation(&m, "A:", 3, NULL, " 5\n", KG_END_LENGTH);
	expect_generation(&m, "A:", 9, "\n", " 5", KG_END_STOP);
	expect_generation(&m, "A:", 9, "5\n", " ", KG_END_STOP);
	expect_generation(&m, "A:", 9, "", " 5\nxxxxxx", KG_END_LENGTH);
	expect_generation(&m, "!", 9, "\n", "?", KG_END_TOKEN);
	expect_generation(&m, "A:", 0, NULL, "", KG_END_LENGTH);
	/* 48 positions, 45 taken by bos and 44 letters: 3 more tokens go in, a 4th comes out. */
	expect_generation(&m, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 9, NULL, "xxxx",
			  KG_END_CONTEXT);
	forget(&m);
}

static void test_generate__ends_at_a_token_of_the_callers(void **state)
{
	kg_sampler_settings settings = {.top_p = 1.0f};
	const uint32_t ids[] = {BOS, 3 + 'A', 3 + ':'};
	const uint32_t end = 3 + '5';
	const kg_generate_request request = {
		.prompt = ids, .prompt_count = 3, .tokens_max = 9, .end = &end};
	kg_sampler *sampler;
	kg_generation made;
	mind m = chain();

	(void)state;
	assert_int_equal(kg_sampler_new(&sampler, &settings, VOCABULARY), KG_OK);
	assert_int_equal(kg_generate(&made, m.session, sampler, &request), KG_OK);
	assert_string_equal(kg_buf_text(&made.text), " ");
	assert_int_equal(made.end, KG_END_TOKEN);
	assert_int_equal(made.count, 1);
	kg_generation_release(&made);
	kg_sampler_free(sampler);
	forget(&m);
}

static void test_generate__refuses_prompts_that_cannot_be(void **state)
{
	kg_sampler_settings settings = {.top_p = 1.0f};
	uint32_t ids[49] = {0};
	kg_generate_request request = {.prompt = ids, .tokens_max = 1};
	kg_generation made;
	kg_sampler *sampler;
	mind m = chain();

	(void)state;
	assert_int_equal(kg_sampler_new(&sampler, &settings, VOCABULARY), KG_OK);
	assert_int_equal(kg_generate(&made, m.session, sampler, &request), KG_EINVAL);
	request.prompt_count = 49;
	assert_int_equal(kg_generate(&made, m.session, sampler, &request), KG_EFULL);
	request.prompt_count = 1;
	ids[0] = VOCABULARY;
	assert_int_equal(kg_generate(&made, m.session, sampler, &request), KG_EINVAL);
	kg_sampler_free(sampler);
	forget(&m);
}

static void test_score__is_the_sum_of_what_generation_told(void **state)
{
	kg_model_config config = toy_config();
	mind m = mind_of(toy_random(&config, 33), KG_FORMAT_FAIRY3);
	kg_generation made = generate(&m, "hello", 20, NULL);
	uint32_t prompt[] = {BOS, 3 + 'h', 3 + 'e', 3 + 'l', 3 + 'l', 3 + 'o'};
	double want = 0.0;
	double got;

	(void)state;
	for (uint32_t i = 0; i < made.count; i++)
		want += (double)made.logprobs[i];
	assert_int_equal(kg_score(&got, m.session, prompt, 6, made.tokens, made.count), KG_OK);
	assert_true(fabs(got - want) < 1e-4);
	assert_int_equal(kg_score(&got, m.session, prompt, 6, made.tokens, 0), KG_OK);
	assert_true(got == 0.0);
	assert_int_equal(kg_score(&got, m.session, prompt, 0, made.tokens, 1), KG_EINVAL);
	prompt[0] = VOCABULARY;
	assert_int_equal(kg_score(&got, m.session, made.tokens, 1, prompt, 1), KG_EINVAL);
	kg_generation_release(&made);
	forget(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document__ends_at_separator_lines_and_is_trimmed),
		cmocka_unit_test(test_document__of_every_cut_text_stays_inside),
		cmocka_unit_test(test_stream__puts_bos_before_each_document),
		cmocka_unit_test(test_text__scores_each_token_once_in_whole_windows),
		cmocka_unit_test(test_text__agrees_with_itself_and_can_be_stopped),
		cmocka_unit_test(test_text__counts_an_unknown_token_as_the_byte_it_stands_for),
		cmocka_unit_test(test_text__of_a_model_that_overflows_has_no_score),
		cmocka_unit_test(test_answer__is_right_only_when_exact),
		cmocka_unit_test(test_lessons__counts_every_task_and_wording),
		cmocka_unit_test(test_lessons__mean_is_over_tasks_that_were_asked),
		cmocka_unit_test(test_generate__ends_where_it_should),
		cmocka_unit_test(test_generate__ends_at_a_token_of_the_callers),
		cmocka_unit_test(test_generate__refuses_prompts_that_cannot_be),
		cmocka_unit_test(test_score__is_the_sum_of_what_generation_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
