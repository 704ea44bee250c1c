/* SPDX-License-Identifier: MIT */
/*
 * part – an agent's part in a round, kept from its thought until the round is settled.
 *
 * A few rounds are kept; a new one takes the place of the oldest, whose settlement then finds
 * nothing and publishes nothing.
 */
#ifndef KG_AGENT_PART_H
#define KG_AGENT_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/mind.h"
#include "agent/prompt.h"
#include "agent/speech.h"
#include "base/buf.h"
#include "memory/entry.h"

enum { KG_PARTS_MAX = 8 };

typedef struct {
	bool used;
	uint64_t age; /* greater is younger */
	char round[KG_ROUND_SIZE];
	kg_buf prompt; /* exact bytes the model was given */
	kg_thought thought;
	kg_sampler_settings sampler;
	uint32_t max_tokens;
	/* Insights that stood in the prompt: id, line, and whether it had not been learned before.
	 */
	kg_entry_id sources[KG_PROMPT_RECALLED_MAX];
	char *lines[KG_PROMPT_RECALLED_MAX];
	bool teaches[KG_PROMPT_RECALLED_MAX];
	uint32_t source_count;
} kg_part;

typedef struct {
	kg_part parts[KG_PARTS_MAX];
	uint64_t ages;
} kg_parts;

/* A zeroed kg_parts is empty. */
void kg_parts_release(kg_parts *parts);

/* An empty part for `round`; an unsettled one of the same round is replaced. Borrowed. */
kg_part *kg_parts_begin(kg_parts *parts, const char *round);

/* NULL when there is none. */
kg_part *kg_parts_find(kg_parts *parts, const char *round);

/* Forgets one. */
void kg_part_release(kg_part *part);

/* Remembers a source; `line` is copied. KG_EFULL beyond KG_PROMPT_RECALLED_MAX. */
KG_NODISCARD kg_err kg_part_add_source(kg_part *part, const kg_entry_id *id, const char *line,
				       bool teaches);

/* The question and the answer behind it, as one text: what the sharing rule and the measures look
 * at. Appends to `out`. */
void kg_part_text(const kg_part *part, kg_buf *out);

#endif
