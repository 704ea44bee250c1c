/* SPDX-License-Identifier: MIT */
/*
 * generate – a prompt continued token by token, with the probability the model gave each if wanted.
 *
 * Generation ends at bos, eos or the request's end token (not part of the result), at the stop
 * text, at tokens_max, or when the context is full.
 */
#ifndef KG_RUNTIME_GENERATE_H
#define KG_RUNTIME_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "runtime/sampler.h"
#include "runtime/session.h"

enum { KG_GENERATE_TEXT_MAX = 16 << 20 };

/* One token as it comes: its text, borrowed; return false to end the generation. */
typedef bool kg_generate_step(void *context, uint32_t token, const char *text, size_t size);

typedef struct {
	const uint32_t *prompt; /* taken in from the session's position on; at least one */
	size_t prompt_count;
	uint32_t tokens_max;    /* new tokens */
	bool judged;            /* log probabilities are wanted */
	const char *stop;       /* text that ends the answer and is cut off, or NULL */
	const uint32_t *end;    /* one more token that ends it as bos and eos do, or NULL */
	kg_generate_step *step; /* or NULL */
	void *context;          /* of step */
} kg_generate_request;

typedef enum {
	KG_END_LENGTH,  /* tokens_max */
	KG_END_TOKEN,   /* bos, eos or the end token */
	KG_END_STOP,    /* the stop text */
	KG_END_CONTEXT, /* no room in the session */
	KG_END_CALLER,  /* step said so */
} kg_generate_end;

typedef struct {
	uint32_t *tokens; /* without a final bos or eos; those that spell the stop text included */
	float *logprobs;  /* log softmax of the raw logits, whatever the sampler's settings; or NULL
			   */
	uint32_t count;
	kg_buf text; /* of the tokens, up to the stop text */
	kg_generate_end end;
} kg_generation;

/* KG_EINVAL for an empty prompt, KG_EFULL when the prompt leaves no room, KG_ENOMEM. `out` is
 * released by kg_generation_release after success. */
KG_NODISCARD kg_err kg_generate(kg_generation *out, kg_session *session, kg_sampler *sampler,
				const kg_generate_request *request);
void kg_generation_release(kg_generation *generation);

/*
 * How likely the session's model finds `answer` after `prompt`: the sum of log probabilities of the
 * answer's tokens, from an empty cache (the session is rewound). KG_EINVAL for an empty prompt,
 * KG_EFULL when both do not fit.
 */
KG_NODISCARD kg_err kg_score(double *logprob, kg_session *session, const uint32_t *prompt,
			     size_t prompt_count, const uint32_t *answer, size_t answer_count);

#endif
