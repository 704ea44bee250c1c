/* SPDX-License-Identifier: MIT */
/*
 * evaluate – how well weights predict a text, and how many lessons they answer.
 *
 * Text: the token stream of runtime/document.h is cut into windows of 256 inputs (or the context,
 * if shorter); the cache is empty at each window's start; every input predicts the token after it,
 * so that each token of the stream but the first is scored once; a last incomplete window is
 * dropped.
 *
 * Bytes are those that the scored tokens add to the text when they are decoded one after the other:
 * bos adds none, nor does the space some tokenizers put before a document. So nats per byte charge
 * the cost of every token, document ends included, to the bytes a reader sees.
 */
#ifndef KG_RUNTIME_EVALUATE_H
#define KG_RUNTIME_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/lesson.h"
#include "runtime/session.h"

enum { KG_EVALUATE_WINDOW = 256, KG_EVALUATE_TASKS_MAX = 64 };

/* Called after each window or lesson; return false to stop (KG_ETIMEOUT). */
typedef bool kg_evaluate_progress(void *context, uint64_t done, uint64_t total);

typedef struct {
	uint64_t windows;
	uint64_t tokens;      /* scored */
	uint64_t bytes;       /* of text in the scored tokens */
	double nll;           /* nats in all */
	double reference_nll; /* the same of the reference; 0 without */
	uint64_t agreed;      /* scored inputs whose greedy token is that of the reference */
	bool compared;        /* a reference was given */
} kg_text_score;

/* nll / tokens; e^that; nll / (ln 2 * bytes); e^(nll / bytes). */
double kg_text_score_nll(const kg_text_score *score);
double kg_text_score_perplexity(const kg_text_score *score);
double kg_text_score_bits_per_byte(const kg_text_score *score);
double kg_text_score_perplexity_per_byte(const kg_text_score *score);

/* Windows that a stream of `count` tokens gives a session. */
uint64_t kg_evaluate_windows(const kg_session *session, size_t count);

/* A stream of tokens to score. */
typedef struct {
	const uint32_t *ids;
	size_t count;
	uint64_t windows; /* the first so many; 0 = all; never more than there are */
} kg_text_request;

/*
 * Scores windows of a stream. `reference`, or NULL, is a session of other weights on the same
 * vocabulary to compare greedy tokens with. Both sessions are rewound. KG_EINVAL when the stream is
 * shorter than one window or the score is no finite number.
 */
KG_NODISCARD kg_err kg_evaluate_text(kg_text_score *out, kg_session *session, kg_session *reference,
				     const kg_text_request *request, kg_evaluate_progress *progress,
				     void *context);

typedef struct {
	uint32_t count;
	uint32_t right;
} kg_lesson_score;

typedef struct {
	uint32_t tasks;
	kg_lesson_score trained[KG_EVALUATE_TASKS_MAX]; /* by task, trained wordings */
	kg_lesson_score unseen[KG_EVALUATE_TASKS_MAX];  /* wordings never trained */
} kg_lessons_score;

typedef struct {
	uint64_t seed;
	uint32_t count; /* per task and kind of wording */
	bool trained;
	bool unseen;
} kg_lessons_request;

/*
 * Asks held-out lessons (the test split): same seed, same lessons, whatever else is asked. Each
 * prompt follows bos on an empty cache; right means that greedy decoding gives exactly the answer
 * and "\n".
 */
KG_NODISCARD kg_err kg_evaluate_lessons(kg_lessons_score *out, kg_session *session,
					const kg_lessons_request *request,
					kg_evaluate_progress *progress, void *context);

/* Whether greedy decoding after `prompt` gives exactly `answer` and "\n". */
KG_NODISCARD kg_err kg_evaluate_answer(bool *right, kg_session *session, const char *prompt,
				       const char *answer);

/* Mean over the tasks of right / count; 0 where nothing was asked. */
double kg_lesson_score_mean(const kg_lesson_score *scores, uint32_t tasks);

#endif
