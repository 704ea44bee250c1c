/* SPDX-License-Identifier: MIT */
/*
 * record – what an agent writes into the collective memory, made from what it is and did.
 *
 * Each function fills an empty entry (kg_entry_init inside) that the outbox then places and signs;
 * on failure nothing is left to release.
 */
#ifndef KG_AGENT_RECORD_H
#define KG_AGENT_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "agent/coefficient.h"
#include "agent/mind.h"
#include "base/err.h"
#include "memory/entry.h"
#include "runtime/sampler.h"

enum { KG_GENOME_TAG_SIZE = 7 + 16 + 1 };

/* "genome-" and the first 16 hex digits of the genome's id: the tag by which an agent finds the
 * birth entry of this genome again. */
void kg_genome_tag(char tag[KG_GENOME_TAG_SIZE], const kg_genome *genome);

/* Birth: key (the author), genome, weights digest, coefficient; confidence 1. */
KG_NODISCARD kg_err kg_record_birth(kg_entry *out, const char *name, const char *model_name,
				    const kg_mind *mind, const kg_coefficient *coefficient);

/* What an insight is made from; all borrowed. */
typedef struct {
	const kg_mind *mind;
	const char *round; /* sixteen hex digits */
	const char *tag;   /* the tag the collective learns by */
	const kg_coefficient *coefficient;
	const kg_buf *prompt; /* exact bytes the model was given */
	const kg_thought *thought;
	const kg_sampler_settings *sampler;
	uint32_t max_tokens;
	const kg_entry_id *sources; /* recalled insights in the prompt */
	uint32_t source_count;
} kg_insight;

/* Insight: text "<question> <answer>" as the prompt's last line and the thought give it, everything
 * that replay needs, sources as references. Its confidence is the agent's own: e to the mean
 * log-probability per token; how far the swarm agreed is the round's to tell, not the author's. */
KG_NODISCARD kg_err kg_record_insight(kg_entry *out, const kg_insight *insight);

/* Learning: which insights were put before a question for the first time. `lines` are their texts.
 */
KG_NODISCARD kg_err kg_record_learning(kg_entry *out, const char *round,
				       const kg_coefficient *coefficient, const kg_entry_id *ids,
				       const char *const *lines, uint32_t count);

/* Trace: the coefficient moved from `before` to `after`; what was measured is in the text. */
KG_NODISCARD kg_err kg_record_trace(kg_entry *out, const kg_coefficient *before,
				    const kg_coefficient *after, const kg_measures *measures);

/* Heartbeat: alive after so many rounds, and in what state. */
KG_NODISCARD kg_err kg_record_heartbeat(kg_entry *out, uint64_t rounds,
					const kg_coefficient *coefficient);

#endif
