/* SPDX-License-Identifier: MIT */
/*
 * mind – a model seen through a genome: it thinks, it judges what others thought, it measures
 * itself.
 *
 * Borrows the model, which outlives it. The same genome, prompt and settings give the same bytes on
 * every machine, whatever the mind did before: a thought always begins with an empty cache. One
 * thread at a time.
 */
#ifndef KG_AGENT_MIND_H
#define KG_AGENT_MIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/coefficient.h"
#include "agent/genome.h"
#include "base/buf.h"
#include "base/err.h"
#include "runtime/model.h"
#include "runtime/sampler.h"

enum {
	KG_MIND_LESSONS = 64,     /* lessons in the window that accuracy is taken over */
	KG_MIND_LESSONS_NEW = 4,  /* new ones with each measurement */
	KG_MIND_MEASURE_MAX = 256 /* tokens of the round's text that are measured */
};

typedef struct kg_mind kg_mind;

/* Asked between tokens whether to go on; false ends the work with KG_ETIMEOUT. */
typedef bool kg_mind_pause(void *data);

/* Builds the weights. Codes of kg_genome_weights. */
KG_NODISCARD kg_err kg_mind_new(kg_mind **out, const kg_model *model, const kg_genome *genome);
void kg_mind_free(kg_mind *mind);

/* `pause` may be NULL: never asked. */
void kg_mind_set_pause(kg_mind *mind, kg_mind_pause *pause, void *data);

const kg_genome *kg_mind_genome(const kg_mind *mind);
const uint8_t *kg_mind_weights_digest(const kg_mind *mind); /* KG_HASH_SIZE bytes */

/* Private memory of weights and cache in bytes. */
size_t kg_mind_bytes(const kg_mind *mind);

typedef struct {
	kg_buf text;        /* exact bytes, without the stop text */
	uint32_t tokens;    /* generated, those of the stop text included */
	double logprob_sum; /* of these tokens under the raw logits */
	bool ended;         /* by the stop text or an end token, not for want of room */
} kg_thought;

/* Continues `prompt`, exact bytes. KG_EINVAL for settings out of range or an empty prompt on a
 * model without bos; KG_EFULL when the prompt leaves no room. `out` is released by
 * kg_thought_release after success. */
KG_NODISCARD kg_err kg_mind_think(kg_mind *mind, kg_thought *out, const void *prompt, size_t size,
				  const kg_sampler_settings *settings, uint32_t max_tokens);
void kg_thought_release(kg_thought *thought);

/* How sure the mind was: e to the mean log-probability per token, 0..1; 0 without tokens. */
double kg_thought_confidence(const kg_thought *thought);

/* How likely the mind finds `answer` (and the end of the answer, where the model has a stop text)
 * after `prompt`. `*bytes` is how many bytes that likelihood is of. Asked for several answers to
 * one prompt, the prompt is read once. KG_EFULL when both do not fit the context. */
KG_NODISCARD kg_err kg_mind_score(kg_mind *mind, double *loglik, uint32_t *bytes,
				  const void *prompt, size_t prompt_size, const void *answer,
				  size_t answer_size);

/*
 * Measures for the coefficient: loss of the own weights against the base model as its file has it
 * and against one format narrower, both built for the moment, on `text` (cut) and on lessons of the
 * test split drawn from `lesson_seed`; accuracy over the last KG_MIND_LESSONS lessons. Lessons only
 * for a model with their form of prompt. `learned_by_others` is left 0.
 */
KG_NODISCARD kg_err kg_mind_measure(kg_mind *mind, kg_measures *out, const void *text, size_t size,
				    uint64_t lesson_seed);

#endif
