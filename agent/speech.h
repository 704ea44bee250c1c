/* SPDX-License-Identifier: MIT */
/*
 * speech – the bodies of an agent's messages: what it is asked, read with limits, and what it says.
 *
 * docs/messages.md is the table. Everything read here is outside data: KG_ECORRUPT names the member
 * that is missing, of another type or out of range. Text and bytes are borrowed from the body
 * unless it says otherwise.
 */
#ifndef KG_AGENT_SPEECH_H
#define KG_AGENT_SPEECH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/coefficient.h"
#include "agent/mind.h"
#include "agent/prompt.h"
#include "agent/rules.h"
#include "base/err.h"
#include "memory/entry.h"
#include "runtime/sampler.h"

enum {
	KG_ROUND_SIZE = 17,         /* sixteen hex digits and the terminator */
	KG_QUESTION_MAX = 64 << 10, /* bytes */
	KG_CANDIDATES_MAX = 64,
	KG_RECALLED_MAX = 10000,
	KG_MAX_TOKENS_MAX = 1 << 20,
	KG_SAY_MAX = 1000 << 10, /* characters of an entry to be said */
};

/* think */
typedef struct {
	char round[KG_ROUND_SIZE];
	const char *prompt;
	kg_sampler_settings sampler;
	uint32_t max_tokens;
	int64_t deadline_ms; /* from now on; 0 = none */
} kg_think;

KG_NODISCARD kg_err kg_think_read(kg_think *out, const json_t *body);

/* score: candidates by index */
typedef struct {
	char round[KG_ROUND_SIZE];
	const char *prompt;
	const json_t *candidates; /* array of 1..KG_CANDIDATES_MAX */
	size_t count;
} kg_score_order;

KG_NODISCARD kg_err kg_score_order_read(kg_score_order *out, const json_t *body);

/* The log-likelihood of a candidate that cannot be read whole: the least that can be said. */
#define KG_SCORE_UNREADABLE (-1e12)

/* Candidate `index`: its id and its bytes, to be freed. */
KG_NODISCARD kg_err kg_score_order_at(const kg_score_order *order, size_t index, int64_t *id,
				      uint8_t **bytes, size_t *size);

/* settle */
typedef struct {
	char round[KG_ROUND_SIZE];
	double agreement;
	bool winner;
} kg_settle;

KG_NODISCARD kg_err kg_settle_read(kg_settle *out, const json_t *body);

/* head_is: where the own chain ends. */
KG_NODISCARD kg_err kg_head_read(kg_chain_head *out, const json_t *body);

/* One entry of recalled, or of the feed. */
typedef struct {
	kg_entry_id id;
	kg_entry_type type;
	kg_pubkey agent;
	int64_t time_ms;    /* 0 when it is not told */
	kg_chain_head head; /* on the feed: its place; sequence 0 otherwise */
	const char *text;
	double consciousness; /* NaN when it has none */
	const char *tags[KG_ENTRY_TAGS_MAX];
	uint32_t tag_count;
	kg_entry_id references[KG_ENTRY_REFERENCES_MAX];
	uint32_t reference_count;
	bool has_coefficient;
	kg_coefficient coefficient;
} kg_heard;

/* From an element of `entries`, or from the body of an `entry` message. */
KG_NODISCARD kg_err kg_heard_read(kg_heard *out, const json_t *entry);

/* say: the entry that the agent is asked to publish as its own, of a type that people may have
 * said. Its author, place and time mean nothing yet. The caller releases it. KG_EINVAL for a type
 * that has rules of its own. */
KG_NODISCARD kg_err kg_say_read(kg_entry *out, const json_t *body);

/* {"quantization_awareness": …, …} */
json_t *kg_coefficient_json(const kg_coefficient *coefficient);

/* thought: the body of an answer to think; NULL without memory. */
json_t *kg_thought_json(const char *round, const kg_thought *thought, const kg_buf *prompt,
			const kg_entry_id *recalled, uint32_t recalled_count, double seconds);

#endif
