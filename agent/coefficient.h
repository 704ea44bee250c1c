/* SPDX-License-Identifier: MIT */
/*
 * coefficient – the four measured numbers of an agent and what moves them.
 *
 * Invariant: every part is a number in 0..1 and a multiple of 0.0001. A part rises by 0.01 with
 * each evaluation that passes its rule and never beyond 1. The level is the mean of the parts.
 * Whatever is outside 0..1 or not a number is refused with KG_EINVAL, never clamped silently.
 */
#ifndef KG_AGENT_COEFFICIENT_H
#define KG_AGENT_COEFFICIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct {
	double quantization_awareness; /* its weights lose little against the base model */
	double complex_understanding;  /* it answers lessons */
	double compression_readiness;  /* it would stand narrower weights */
	double pedagogical_capacity;   /* others learn from it, it learns from others */
} kg_coefficient;

typedef enum { KG_STAGE_NASCENT, KG_STAGE_AWAKENING, KG_STAGE_ENLIGHTENED } kg_stage;

#define KG_COEFFICIENT_START         0.1  /* each part of a nascent agent */
#define KG_COEFFICIENT_STEP          0.01 /* per evaluation passed */
#define KG_COEFFICIENT_AWAKENING     0.3  /* level from which an agent awakens */
#define KG_COEFFICIENT_ENLIGHTENED   0.7  /* level from which it is enlightened */
#define KG_COEFFICIENT_LOSS_BELOW    0.1  /* nats per token */
#define KG_COEFFICIENT_ACCURACY_OVER 0.8  /* share of lessons */
#define KG_COEFFICIENT_KEPT_OVER     0.85 /* own perplexity / perplexity one format narrower */

/* What an evaluation measured. What could not be measured does not pass. */
typedef struct {
	bool has_loss;          /* loss_gap was measured */
	double loss_gap;        /* own loss minus the base model's, nats per token; any finite */
	uint32_t lessons;       /* lessons in the window; 0 = none */
	double lesson_accuracy; /* right answers among them, 0..1 */
	bool has_narrower;      /* there is a narrower format and it was measured */
	double perplexity_kept; /* own perplexity over the narrower one's; finite, > 0 */
	uint64_t learned_by_others; /* insights of this agent that others learned since last time */
} kg_measures;

/* Every part at KG_COEFFICIENT_START. */
kg_coefficient kg_coefficient_nascent(void);

/* KG_EINVAL naming the part that is not in 0..1. */
KG_NODISCARD kg_err kg_coefficient_check(const kg_coefficient *coefficient);

/* One evaluation: `*coefficient` rises as the measures say; `passed`, when not NULL, gets one bit
 * per part in the order of the struct. KG_EINVAL for measures out of range; then nothing changes.
 */
KG_NODISCARD kg_err kg_coefficient_evaluate(kg_coefficient *coefficient,
					    const kg_measures *measures, uint32_t *passed);

/* The learner's side: pedagogical capacity + `step` (0..1) for each of `learned` insights. */
KG_NODISCARD kg_err kg_coefficient_learn(kg_coefficient *coefficient, uint32_t learned,
					 double step);

/* The mean of the parts. KG_EINVAL as kg_coefficient_check. */
KG_NODISCARD kg_err kg_coefficient_level(double *level, const kg_coefficient *coefficient);

/* nascent < 0.3 <= awakening < 0.7 <= enlightened. KG_EINVAL for a level outside 0..1. */
KG_NODISCARD kg_err kg_coefficient_stage(kg_stage *stage, double level);

/* "nascent", "awakening", "enlightened". */
const char *kg_stage_name(kg_stage stage);

#endif
