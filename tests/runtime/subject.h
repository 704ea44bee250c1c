/* SPDX-License-Identifier: MIT */
/* subject – a toy model under a strategy, and what it says token by token: what many tokens at once
 * and many threads are compared with. */
#ifndef KG_TESTS_RUNTIME_SUBJECT_H
#define KG_TESTS_RUNTIME_SUBJECT_H

#include "runtime/session_impl.h"

enum {
	SUBJECT_VOCABULARY = KG_TOKENIZER_BYTE_MODEL_COUNT,
	SUBJECT_LENGTH = 70,
	SUBJECT_STRATEGIES = 13,
	SUBJECT_VARIANTS = 3,
};

/* Every format, and a mix. */
extern const char *const subject_strategies[SUBJECT_STRATEGIES];

/* A model, its weights and what one by one gives after each of SUBJECT_LENGTH tokens. */
typedef struct {
	kg_model *model;
	kg_weights *weights;
	uint32_t token[SUBJECT_LENGTH];
	float *want; /* SUBJECT_LENGTH rows */
} subject;

/* Variant 0 is plain, with heads that share keys; 1 has biases, norms and factors and a head that
 * fills no line; 2 has no shared keys and odd sizes. */
subject subject_of(const char *strategy, uint32_t variant);
void subject_release(subject *s);

kg_session *subject_session(const subject *s, uint32_t batch, uint32_t threads);

/* A reader that counts rows whose bits are not those of one by one. */
typedef struct {
	const subject *subject;
	size_t base;     /* tokens taken in before */
	size_t next;     /* index that comes next */
	size_t stop;     /* index at which to give an error */
	uint32_t errors; /* of bits */
} subject_check;

kg_err subject_compare(void *context, size_t index, const float *logits);

/* All logits by reading; then half fed, the rest fed, from the middle of a tile. */
void subject_check_session(const subject *s, kg_session *session);

#endif
