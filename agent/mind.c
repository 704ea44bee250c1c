/* SPDX-License-Identifier: MIT */
#include "agent/mind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/prompt.h"
#include "runtime/evaluate.h"
#include "runtime/fmath.h"
#include "runtime/generate.h"
#include "runtime/lesson.h"
#include "runtime/session.h"
#include "runtime/weights.h"

/* Tokens taken in between two looks at whether to go on. */
enum { READ_AT_ONCE = 32 };

struct kg_mind {
	const kg_model *model;
	kg_genome genome;
	uint8_t digest[KG_HASH_SIZE];
	kg_weights *weights;
	kg_session *session;
	kg_mind_pause *pause;
	void *pause_data;
	uint64_t lessons; /* bit i: lesson i of the window was answered right */
	uint32_t lesson_count;
	uint32_t lesson_next;
};

/* Tokens of some text. */
typedef struct {
	uint32_t *ids;
	size_t count;
} tokens;

static kg_err tokens_of(tokens *out, const kg_mind *mind, const void *text, size_t size)
{
	const kg_tokenizer *tokenizer = kg_model_tokenizer(mind->model);
	bool bos = kg_tokenizer_get_rules(tokenizer)->add_bos;
	return kg_tokenizer_encode(tokenizer, text, size, bos, &out->ids, &out->count);
}

static kg_err go_on(const kg_mind *mind)
{
	if (mind->pause && !mind->pause(mind->pause_data)) {
		return kg_fail(KG_ETIMEOUT, "the thought was interrupted");
	}
	return KG_OK;
}

kg_err kg_mind_new(kg_mind **out, const kg_model *model, const kg_genome *genome)
{
	kg_mind *mind = calloc(1, sizeof(*mind));
	if (!mind) {
		return kg_fail(KG_ENOMEM, "no memory for a mind");
	}
	mind->model = model;
	mind->genome = *genome;
	kg_err err = kg_genome_weights(&mind->weights, genome, model);
	if (err == KG_OK) {
		err = kg_weights_digest(mind->digest, mind->weights);
	}
	if (err == KG_OK) {
		err = kg_session_new(&mind->session, mind->weights, NULL);
	}
	if (err != KG_OK) {
		kg_mind_free(mind);
		return err;
	}
	*out = mind;
	return KG_OK;
}

void kg_mind_free(kg_mind *mind)
{
	if (!mind) {
		return;
	}
	kg_session_free(mind->session);
	kg_weights_free(mind->weights);
	free(mind);
}

void kg_mind_set_pause(kg_mind *mind, kg_mind_pause *pause, void *data)
{
	mind->pause = pause;
	mind->pause_data = data;
}

const kg_genome *kg_mind_genome(const kg_mind *mind)
{
	return &mind->genome;
}

const uint8_t *kg_mind_weights_digest(const kg_mind *mind)
{
	return mind->digest;
}

size_t kg_mind_bytes(const kg_mind *mind)
{
	return kg_weights_bytes(mind->weights) + kg_session_bytes(mind->session);
}

static bool think_step(void *context, uint32_t token, const char *text, size_t size)
{
	(void)token;
	(void)text;
	(void)size;
	return go_on(context) == KG_OK;
}

/* One generation from an empty cache. */
static kg_err generate(kg_mind *mind, kg_generation *out, const void *prompt, size_t size,
		       const kg_sampler_settings *settings, uint32_t max_tokens)
{
	const kg_prompt_end end = kg_prompt_get_end(mind->model);
	kg_sampler *sampler = NULL;
	tokens read = {0};
	kg_err err = kg_prompt_encode(mind->model, prompt, size, NULL, 0, &read.ids, &read.count);
	if (err == KG_OK) {
		err = kg_sampler_new(&sampler, settings,
				     kg_model_get_config(mind->model)->vocabulary);
	}
	if (err == KG_OK) {
		const kg_generate_request request = {
			.prompt = read.ids,
			.prompt_count = read.count,
			.tokens_max = max_tokens,
			.judged = true,
			.stop = end.stop,
			.end = end.token == KG_TOKENIZER_NONE ? NULL : &end.token,
			.step = think_step,
			.context = mind,
		};
		kg_session_rewind(mind->session, 0);
		err = kg_generate(out, mind->session, sampler, &request);
	}
	if (err == KG_OK && out->end == KG_END_CALLER) {
		kg_generation_release(out);
		err = kg_fail(KG_ETIMEOUT, "the thought was interrupted");
	}
	kg_sampler_free(sampler);
	free(read.ids);
	return err;
}

kg_err kg_mind_think(kg_mind *mind, kg_thought *out, const void *prompt, size_t size,
		     const kg_sampler_settings *settings, uint32_t max_tokens)
{
	kg_generation made;
	kg_err err = generate(mind, &made, prompt, size, settings, max_tokens);
	if (err != KG_OK) {
		return err;
	}
	*out = (kg_thought){
		.text = made.text,
		.tokens = made.count,
		.ended = made.end == KG_END_STOP || made.end == KG_END_TOKEN,
	};
	for (uint32_t i = 0; i < made.count; i++) {
		out->logprob_sum += (double)made.logprobs[i];
	}
	kg_buf_init(&made.text, 0); /* the text has moved */
	kg_generation_release(&made);
	return KG_OK;
}

void kg_thought_release(kg_thought *thought)
{
	kg_buf_release(&thought->text);
}

double kg_thought_confidence(const kg_thought *thought)
{
	if (thought->tokens == 0) {
		return 0;
	}
	double p = exp(thought->logprob_sum / (double)thought->tokens);
	return p >= 0 && p <= 1 ? p : 0;
}

/* A text that is being judged: what comes after ids[i] judges ids[i + 1]. */
typedef struct {
	const kg_mind *mind;
	const uint32_t *ids;
	uint32_t vocabulary;
	double sum;
} judgement;

static kg_err judge(void *context, size_t i, const float *logits)
{
	judgement *j = context;
	j->sum += kg_fmath_log_softmax(logits, j->vocabulary, j->ids[i + 1]);
	return go_on(j->mind);
}

/* Log-likelihood of ids[from..] after those before them, reading what the session does not hold
 * already. */
static kg_err likelihood(kg_mind *mind, double *out, const tokens *read, size_t from)
{
	kg_session *session = mind->session;
	const uint32_t *held = kg_session_tokens(session);
	/* The logits that judge ids[from] come from reading ids[from - 1] again. */
	size_t last = from - 1;
	uint32_t same = 0;
	while (same < kg_session_position(session) && same < last &&
	       held[same] == read->ids[same]) {
		same++;
	}
	kg_session_rewind(session, same);
	for (size_t at = same; at < last;) {
		size_t count = last - at < READ_AT_ONCE ? last - at : READ_AT_ONCE;
		kg_err err = kg_session_feed(session, read->ids + at, count, NULL);
		if (err == KG_OK) {
			err = go_on(mind);
		}
		if (err != KG_OK) {
			return err;
		}
		at += count;
	}
	judgement j = {
		.mind = mind,
		.ids = read->ids + last,
		.vocabulary = kg_session_vocabulary(session),
	};
	/* Nobody asks what comes after the last token. */
	size_t judged = read->count > from ? read->count - from : 0;
	kg_err err = kg_session_read(session, j.ids, judged, 0, judge, &j);
	if (err == KG_OK) {
		*out = j.sum;
	}
	return err;
}

kg_err kg_mind_score(kg_mind *mind, double *loglik, uint32_t *bytes, const void *prompt,
		     size_t prompt_size, const void *answer, size_t answer_size)
{
	const kg_prompt_end end = kg_prompt_get_end(mind->model);
	/* An end that is a token counts as one byte. */
	size_t end_size = end.token != KG_TOKENIZER_NONE ? 1 : end.stop ? strlen(end.stop) : 0;
	tokens before = {0};
	tokens whole = {0};
	kg_err err = kg_prompt_encode(mind->model, prompt, prompt_size, NULL, 0, &before.ids,
				      &before.count);
	if (err == KG_OK) {
		err = kg_prompt_encode(mind->model, prompt, prompt_size,
				       answer_size > 0 ? answer : "", answer_size, &whole.ids,
				       &whole.count);
	}
	if (err == KG_OK && before.count == 0) {
		err = kg_fail(KG_EINVAL, "the prompt is empty");
	}
	if (err == KG_OK && whole.count > kg_session_context(mind->session)) {
		err = kg_fail(KG_EFULL, "question and answer take %zu tokens; the model reads %u",
			      whole.count, kg_session_context(mind->session));
	}
	if (err == KG_OK) {
		/* The answer may have joined the last piece of the prompt: judged from where the
		 * two readings part. */
		size_t from = 0;
		while (from < before.count && from < whole.count &&
		       before.ids[from] == whole.ids[from]) {
			from++;
		}
		double sum = 0;
		err = likelihood(mind, &sum, &whole, from > 0 ? from : 1);
		if (err == KG_OK) {
			*loglik = sum;
			*bytes = (uint32_t)(answer_size + end_size);
		}
	}
	free(whole.ids);
	free(before.ids);
	return err;
}

enum { TEXTS_MAX = 1 + KG_MIND_LESSONS_NEW };

/* What is measured: the round's text and the lines of lessons. */
typedef struct {
	tokens texts[TEXTS_MAX];
	uint32_t count;
	size_t longest;
	size_t judged; /* tokens that are predicted */
} sample;

static void sample_release(sample *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		free(s->texts[i].ids);
	}
}

static kg_err sample_add(sample *s, const kg_mind *mind, const void *text, size_t size)
{
	uint32_t context = kg_session_context(mind->session);
	size_t most = context < KG_MIND_MEASURE_MAX ? context : KG_MIND_MEASURE_MAX;
	tokens *t = &s->texts[s->count];
	kg_err err = tokens_of(t, mind, text, size);
	if (err != KG_OK) {
		return err;
	}
	s->count++;
	if (t->count > most) {
		t->count = most;
	}
	if (t->count > s->longest) {
		s->longest = t->count;
	}
	if (t->count > 1) {
		s->judged += t->count - 1;
	}
	return KG_OK;
}

/* Mean loss in nats per token of `weights` on the sample. */
static kg_err sample_loss(double *out, const kg_mind *mind, const kg_weights *weights,
			  const sample *s)
{
	const kg_session_options options = {.context = (uint32_t)s->longest};
	kg_session *session = NULL;
	kg_err err = kg_session_new(&session, weights, &options);
	judgement j = {.mind = mind, .vocabulary = kg_model_get_config(mind->model)->vocabulary};
	for (uint32_t k = 0; err == KG_OK && k < s->count; k++) {
		const tokens *t = &s->texts[k];
		j.ids = t->ids;
		kg_session_rewind(session, 0);
		if (t->count > 1) {
			err = kg_session_read(session, t->ids, t->count - 1, 0, judge, &j);
		}
	}
	kg_session_free(session);
	if (err == KG_OK) {
		*out = -j.sum / (double)s->judged;
	}
	return err;
}

/* The same of the weights that `strategy` (NULL: the file's) makes. KG_EINVAL when the file cannot
 * be made into that. */
static kg_err loss_under(double *out, const kg_mind *mind, const kg_strategy *strategy,
			 const sample *s)
{
	kg_weights *weights = NULL;
	const uint8_t *seed = strategy ? mind->genome.seed : NULL;
	kg_err err = kg_weights_new(&weights, mind->model, strategy, seed);
	if (err == KG_OK) {
		err = sample_loss(out, mind, weights, s);
	}
	kg_weights_free(weights);
	return err;
}

/* Puts one lesson to the mind and into the window. */
static kg_err take_lesson(kg_mind *mind, const kg_lesson *lesson)
{
	bool right = false;
	kg_err err = kg_evaluate_answer(&right, mind->session, lesson->prompt, lesson->answer);
	if (err != KG_OK) {
		return err;
	}
	uint64_t bit = UINT64_C(1) << mind->lesson_next;
	mind->lessons = right ? mind->lessons | bit : mind->lessons & ~bit;
	mind->lesson_next = (mind->lesson_next + 1) % KG_MIND_LESSONS;
	if (mind->lesson_count < KG_MIND_LESSONS) {
		mind->lesson_count++;
	}
	return go_on(mind);
}

static kg_err take_lessons(kg_mind *mind, sample *s, uint64_t seed)
{
	_Static_assert(KG_MIND_LESSONS == 64, "the window is one word");
	const kg_model_prompt *form = kg_model_get_prompt(mind->model);
	kg_rng rng;
	kg_rng_init_u64(&rng, seed);
	for (int i = 0; i < KG_MIND_LESSONS_NEW; i++) {
		kg_lesson lesson;
		kg_lesson_draw(&lesson, &rng, (uint32_t)kg_rng_below(&rng, kg_lesson_task_count()),
			       KG_LESSON_TEST, KG_WORDING_TRAINED);
		if (!kg_prompt_is_formed(form, lesson.prompt, strlen(lesson.prompt))) {
			return KG_OK;
		}
		kg_err err = take_lesson(mind, &lesson);
		if (err != KG_OK) {
			return err;
		}
		char line[KG_LESSON_PROMPT_MAX + KG_LESSON_ANSWER_MAX];
		char *end = stpcpy(stpcpy(line, lesson.prompt), lesson.answer);
		*end = '\n';
		err = sample_add(s, mind, line, (size_t)(end - line) + 1);
		if (err != KG_OK) {
			return err;
		}
	}
	return KG_OK;
}

kg_err kg_mind_measure(kg_mind *mind, kg_measures *out, const void *text, size_t size,
		       uint64_t lesson_seed)
{
	kg_measures m = {0};
	sample s = {0};
	kg_strategy narrower;
	double own = 0;
	double base = 0;
	double narrow = 0;
	kg_err err = sample_add(&s, mind, text, size);
	if (err == KG_OK) {
		err = take_lessons(mind, &s, lesson_seed);
	}
	if (err == KG_OK && s.judged > 0) {
		err = sample_loss(&own, mind, mind->weights, &s);
		if (err == KG_OK) {
			err = loss_under(&base, mind, NULL, &s);
		}
		m.has_loss = err == KG_OK;
		m.loss_gap = own - base;
	}
	if (err == KG_OK && s.judged > 0 &&
	    kg_strategy_narrower(&narrower, &mind->genome.strategy) == KG_OK) {
		err = loss_under(&narrow, mind, &narrower, &s);
		m.has_narrower = err == KG_OK;
		m.perplexity_kept = exp(own - narrow);
		if (err == KG_EINVAL) {
			err = KG_OK; /* a file of narrow weights cannot be made narrower */
		}
	}
	sample_release(&s);
	if (err != KG_OK) {
		return err;
	}
	m.lessons = mind->lesson_count;
	if (m.lessons > 0) {
		m.lesson_accuracy = (double)__builtin_popcountll(mind->lessons) / (double)m.lessons;
	}
	*out = m;
	return KG_OK;
}
