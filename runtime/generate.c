/* SPDX-License-Identifier: MIT */
#include "runtime/generate.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/fmath.h"

void kg_generation_release(kg_generation *generation)
{
	free(generation->tokens);
	free(generation->logprobs);
	kg_buf_release(&generation->text);
	memset(generation, 0, sizeof(*generation));
}

/* Takes the prompt in; logits are those after its last token. */
static kg_err take_prompt(kg_session *session, const uint32_t *prompt, size_t count, float *logits)
{
	if (count == 0)
		return kg_fail(KG_EINVAL, "an empty prompt");
	if (count > kg_session_context(session) - kg_session_position(session))
		return kg_fail(KG_EFULL, "a prompt of %zu tokens: the context has room for %u",
			       count, kg_session_context(session) - kg_session_position(session));
	return kg_session_feed(session, prompt, count, logits);
}

/* Cuts the text at the stop text, of which the last `added` bytes may hold the end. */
static bool cut_at_stop(kg_buf *text, const char *stop, size_t added)
{
	size_t length = stop == NULL ? 0 : strlen(stop);
	size_t from = text->size > added + length ? text->size - added - length : 0;
	uint8_t *found;

	if (length == 0 || text->size < length)
		return false;
	found = memmem(text->data + from, text->size - from, stop, length);
	if (found == NULL)
		return false;
	text->size = (size_t)(found - text->data);
	*found = '\0';
	return true;
}

static kg_err run(kg_generation *out, kg_session *session, kg_sampler *sampler,
		  const kg_generate_request *request, float *logits)
{
	const kg_tokenizer *tokenizer =
		kg_model_tokenizer(kg_weights_model(kg_session_weights(session)));
	const kg_tokenizer_rules *rules = kg_tokenizer_get_rules(tokenizer);
	uint32_t vocabulary = kg_session_vocabulary(session);
	uint32_t previous = request->prompt[request->prompt_count - 1];

	out->end = KG_END_LENGTH;
	while (out->count < request->tokens_max) {
		uint32_t token = kg_sampler_next(sampler, logits);
		const char *text;
		size_t size;
		kg_err err;

		if (token == rules->bos || token == rules->eos ||
		    (request->end != NULL && token == *request->end)) {
			out->end = KG_END_TOKEN;
			break;
		}
		if (out->logprobs != NULL)
			out->logprobs[out->count] =
				(float)kg_fmath_log_softmax(logits, vocabulary, token);
		out->tokens[out->count++] = token;
		text = kg_tokenizer_decode_one(tokenizer, previous, token, &size);
		previous = token;
		kg_buf_put(&out->text, text, size);
		err = kg_buf_ok(&out->text);
		if (err != KG_OK)
			return err;
		if (request->step != NULL && !request->step(request->context, token, text, size)) {
			out->end = KG_END_CALLER;
			break;
		}
		if (cut_at_stop(&out->text, request->stop, size)) {
			out->end = KG_END_STOP;
			break;
		}
		if (out->count == request->tokens_max)
			break;
		if (kg_session_position(session) == kg_session_context(session)) {
			out->end = KG_END_CONTEXT;
			break;
		}
		err = kg_session_step(session, token, logits);
		if (err != KG_OK)
			return err;
	}
	return KG_OK;
}

kg_err kg_generate(kg_generation *out, kg_session *session, kg_sampler *sampler,
		   const kg_generate_request *request)
{
	kg_generation made = {0};
	uint32_t room = kg_session_context(session) - kg_session_position(session) + 1;
	uint32_t most = request->tokens_max < room ? request->tokens_max : room;
	float *logits = calloc(kg_session_vocabulary(session), sizeof(*logits));
	kg_err err;

	kg_buf_init(&made.text, KG_GENERATE_TEXT_MAX);
	made.tokens = calloc((size_t)most + 1, sizeof(*made.tokens));
	if (request->judged)
		made.logprobs = calloc((size_t)most + 1, sizeof(*made.logprobs));
	if (logits == NULL || made.tokens == NULL || (request->judged && made.logprobs == NULL)) {
		err = kg_fail(KG_ENOMEM, "no memory for %u tokens", most);
		goto done;
	}
	err = take_prompt(session, request->prompt, request->prompt_count, logits);
	if (err == KG_OK)
		err = run(&made, session, sampler, request, logits);
done:
	free(logits);
	if (err != KG_OK) {
		kg_generation_release(&made);
		return err;
	}
	*out = made;
	return KG_OK;
}

/* An answer that is being judged: logits after token i judge token i + 1. */
typedef struct {
	const uint32_t *token; /* prompt and answer */
	uint32_t vocabulary;
	double sum;
} judgement;

static kg_err judge(void *context, size_t index, const float *logits)
{
	judgement *j = context;

	j->sum += kg_fmath_log_softmax(logits, j->vocabulary, j->token[index + 1]);
	return KG_OK;
}

kg_err kg_score(double *logprob, kg_session *session, const uint32_t *prompt, size_t prompt_count,
		const uint32_t *answer, size_t answer_count)
{
	size_t count = prompt_count + answer_count;
	uint32_t *token;
	judgement j = {.vocabulary = kg_session_vocabulary(session)};
	kg_err err;

	if (prompt_count == 0)
		return kg_fail(KG_EINVAL, "an empty prompt");
	if (prompt_count > kg_session_context(session) || count - 1 > kg_session_context(session) ||
	    count > UINT32_MAX)
		return kg_fail(KG_EFULL, "%zu tokens and an answer of %zu: the context has %u",
			       prompt_count, answer_count, kg_session_context(session));
	if (answer_count > 0 && answer[answer_count - 1] >= j.vocabulary)
		return kg_fail(KG_EINVAL, "token %u: the vocabulary has %u",
			       answer[answer_count - 1], j.vocabulary);
	token = malloc(count * sizeof(*token));
	if (token == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu tokens", count);
	memcpy(token, prompt, prompt_count * sizeof(*token));
	if (answer_count > 0)
		memcpy(token + prompt_count, answer, answer_count * sizeof(*token));
	j.token = token;
	kg_session_rewind(session, 0);
	/* Nobody asks what comes after the last token. */
	err = kg_session_read(session, token, count - 1, prompt_count - 1, judge, &j);
	free(token);
	if (err == KG_OK)
		*logprob = j.sum;
	return err;
}
