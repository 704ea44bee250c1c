/* SPDX-License-Identifier: MIT */
#include "runtime/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/fmath.h"
#include "runtime/sampler.h"

#define LN2 0.6931471805599453

double kg_text_score_nll(const kg_text_score *score)
{
	return score->tokens == 0 ? 0.0 : score->nll / (double)score->tokens;
}

double kg_text_score_perplexity(const kg_text_score *score)
{
	return kg_fmath_exp(kg_text_score_nll(score));
}

double kg_text_score_bits_per_byte(const kg_text_score *score)
{
	return score->bytes == 0 ? 0.0 : score->nll / (LN2 * (double)score->bytes);
}

double kg_text_score_perplexity_per_byte(const kg_text_score *score)
{
	return kg_fmath_exp(kg_text_score_bits_per_byte(score) * LN2);
}

static uint32_t window_of(const kg_session *session)
{
	uint32_t context = kg_session_context(session);

	return context < KG_EVALUATE_WINDOW ? context : KG_EVALUATE_WINDOW;
}

uint64_t kg_evaluate_windows(const kg_session *session, size_t count)
{
	return count == 0 ? 0 : (count - 1) / window_of(session);
}

/* A window on its way. */
typedef struct {
	kg_text_score *score;
	const kg_tokenizer *tokenizer;
	const uint32_t *token;
	uint32_t vocabulary;
	uint32_t *greedy; /* of the reference after each token, or NULL */
} window_reading;

static kg_err score_token(void *context, size_t i, const float *logits)
{
	window_reading *w = context;
	uint32_t next = w->token[i + 1];
	size_t size;

	if (next >= w->vocabulary)
		return kg_fail(KG_EINVAL, "token %u: the vocabulary has %u", next, w->vocabulary);
	w->score->nll -= kg_fmath_log_softmax(logits, w->vocabulary, next);
	(void)kg_tokenizer_decode_one(w->tokenizer, w->token[i], next, &size);
	/* An unknown token stands for one byte, whatever it is spelled like. */
	w->score->bytes += kg_tokenizer_kind(w->tokenizer, next) == KG_TOKEN_UNKNOWN ? 1 : size;
	w->score->tokens++;
	if (w->greedy != NULL)
		w->score->agreed += kg_sampler_greedy(logits, w->vocabulary) == w->greedy[i];
	return KG_OK;
}

static kg_err read_reference(void *context, size_t i, const float *logits)
{
	window_reading *w = context;
	uint32_t next = w->token[i + 1];

	if (next >= w->vocabulary)
		return kg_fail(KG_EINVAL, "token %u: the vocabulary has %u", next, w->vocabulary);
	w->greedy[i] = kg_sampler_greedy(logits, w->vocabulary);
	w->score->reference_nll -= kg_fmath_log_softmax(logits, w->vocabulary, next);
	return KG_OK;
}

static kg_err score_window(kg_text_score *score, kg_session *session, kg_session *reference,
			   const uint32_t *token)
{
	uint32_t greedy[KG_EVALUATE_WINDOW];
	window_reading w = {
		.score = score,
		.tokenizer = kg_model_tokenizer(kg_weights_model(kg_session_weights(session))),
		.token = token,
		.vocabulary = kg_session_vocabulary(session),
		.greedy = reference == NULL ? NULL : greedy,
	};
	kg_err err = KG_OK;

	kg_session_rewind(session, 0);
	if (reference != NULL) {
		kg_session_rewind(reference, 0);
		err = kg_session_read(reference, token, window_of(session), 0, read_reference, &w);
	}
	if (err == KG_OK)
		err = kg_session_read(session, token, window_of(session), 0, score_token, &w);
	if (err == KG_OK)
		score->windows++;
	return err;
}

kg_err kg_evaluate_text(kg_text_score *out, kg_session *session, kg_session *reference,
			const kg_text_request *request, kg_evaluate_progress *progress,
			void *context)
{
	uint64_t all = kg_evaluate_windows(session, request->count);
	uint64_t windows = request->windows;
	uint32_t n = kg_session_vocabulary(session);
	kg_text_score score = {.compared = reference != NULL};
	kg_err err = KG_OK;

	if (all == 0)
		return kg_fail(KG_EINVAL, "the text has %zu tokens; one window needs %u",
			       request->count, window_of(session) + 1);
	if (reference != NULL && (kg_session_vocabulary(reference) != n ||
				  kg_session_context(reference) < window_of(session)))
		return kg_fail(KG_EINVAL, "the reference is another model");
	if (windows == 0 || windows > all)
		windows = all;
	for (uint64_t w = 0; w < windows && err == KG_OK; w++) {
		err = score_window(&score, session, reference,
				   request->ids + w * window_of(session));
		if (err == KG_OK && progress != NULL && !progress(context, w + 1, windows))
			err = kg_fail(KG_ETIMEOUT, "evaluation stopped");
	}
	if (err == KG_OK && !(isfinite(score.nll) && isfinite(kg_text_score_perplexity(&score))))
		err = kg_fail(KG_EINVAL, "the model's numbers overflow: there is no score");
	if (err == KG_OK)
		*out = score;
	return err;
}

/* Decodes greedily and compares piece by piece with `wanted`; stops at the first difference. */
static kg_err follows(bool *right, kg_session *session, const uint32_t *ids, size_t count,
		      const char *wanted, float *logits)
{
	const kg_tokenizer *tokenizer =
		kg_model_tokenizer(kg_weights_model(kg_session_weights(session)));
	uint32_t n = kg_session_vocabulary(session);
	uint32_t previous = ids[count - 1];
	size_t length = strlen(wanted);
	size_t done = 0;
	kg_err err;

	*right = false;
	kg_session_rewind(session, 0);
	err = kg_session_feed(session, ids, count, logits);
	if (err != KG_OK)
		return err;
	/* Every piece adds at least a byte or ends the answer, so this ends. */
	while (true) {
		uint32_t token = kg_sampler_greedy(logits, n);
		size_t size;
		const char *piece = kg_tokenizer_decode_one(tokenizer, previous, token, &size);

		if (size == 0 || size > length - done || memcmp(piece, wanted + done, size) != 0)
			return KG_OK;
		done += size;
		if (done == length) {
			*right = true;
			return KG_OK;
		}
		previous = token;
		err = kg_session_step(session, token, logits);
		if (err != KG_OK)
			return err;
	}
}

kg_err kg_evaluate_answer(bool *right, kg_session *session, const char *prompt, const char *answer)
{
	const kg_tokenizer *tokenizer =
		kg_model_tokenizer(kg_weights_model(kg_session_weights(session)));
	size_t length = strlen(answer);
	char *wanted = malloc(length + sizeof("\n"));
	float *logits = calloc(kg_session_vocabulary(session), sizeof(*logits));
	uint32_t *ids = NULL;
	size_t count;
	kg_err err;

	if (wanted == NULL || logits == NULL) {
		err = kg_fail(KG_ENOMEM, "no memory for an answer");
		goto done;
	}
	memcpy(wanted, answer, length + 1);
	wanted[length] = '\n';
	wanted[length + 1] = '\0';
	err = kg_tokenizer_encode(tokenizer, prompt, strlen(prompt), true, &ids, &count);
	if (err == KG_OK)
		err = follows(right, session, ids, count, wanted, logits);
done:
	free(wanted);
	free(logits);
	free(ids);
	return err;
}

/* One generator per task and kind of wording, so that nothing else moves its lessons. */
static void init_stream(kg_rng *rng, uint64_t seed, uint32_t task, kg_lesson_wording wording)
{
	uint8_t bytes[KG_SEED_SIZE] = "lessons";

	memcpy(bytes + KG_SEED_SIZE - sizeof(seed), &seed, sizeof(seed));
	kg_rng_init(rng, bytes, 2 * (uint64_t)task + (wording == KG_WORDING_UNSEEN ? 1 : 0));
}

typedef struct {
	kg_evaluate_progress *report;
	void *context;
	uint64_t done;
	uint64_t total;
} counter;

static kg_err ask_task(kg_lesson_score *score, kg_session *session,
		       const kg_lessons_request *request, uint32_t task, kg_lesson_wording wording,
		       counter *progress)
{
	kg_rng rng;

	init_stream(&rng, request->seed, task, wording);
	for (uint32_t i = 0; i < request->count; i++) {
		kg_lesson lesson;
		bool right = false;
		kg_err err;

		kg_lesson_draw(&lesson, &rng, task, KG_LESSON_TEST, wording);
		err = kg_evaluate_answer(&right, session, lesson.prompt, lesson.answer);
		if (err != KG_OK)
			return err;
		score->count++;
		score->right += right;
		progress->done++;
		if (progress->report != NULL &&
		    !progress->report(progress->context, progress->done, progress->total))
			return kg_fail(KG_ETIMEOUT, "evaluation stopped");
	}
	return KG_OK;
}

kg_err kg_evaluate_lessons(kg_lessons_score *out, kg_session *session,
			   const kg_lessons_request *request, kg_evaluate_progress *progress,
			   void *context)
{
	kg_lessons_score score = {.tasks = kg_lesson_task_count()};
	counter count = {.report = progress, .context = context};
	kg_err err = KG_OK;

	KG_ASSERT(score.tasks <= KG_EVALUATE_TASKS_MAX);
	if (request->trained)
		count.total += (uint64_t)score.tasks * request->count;
	if (request->unseen)
		count.total += (uint64_t)score.tasks * request->count;
	for (uint32_t t = 0; t < score.tasks && err == KG_OK; t++) {
		if (request->trained)
			err = ask_task(&score.trained[t], session, request, t, KG_WORDING_TRAINED,
				       &count);
		if (request->unseen && err == KG_OK)
			err = ask_task(&score.unseen[t], session, request, t, KG_WORDING_UNSEEN,
				       &count);
	}
	if (err == KG_OK)
		*out = score;
	return err;
}

double kg_lesson_score_mean(const kg_lesson_score *scores, uint32_t tasks)
{
	double sum = 0.0;
	uint32_t asked = 0;

	for (uint32_t t = 0; t < tasks; t++) {
		if (scores[t].count == 0)
			continue;
		sum += (double)scores[t].right / (double)scores[t].count;
		asked++;
	}
	return asked == 0 ? 0.0 : sum / (double)asked;
}
