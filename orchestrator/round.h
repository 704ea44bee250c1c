/* SPDX-License-Identifier: MIT */
/*
 * round – one question to the swarm, from the first thought to the answer.
 *
 *   thinking → scoring → publishing → done
 *       └────────┴─ failed, when nobody is left
 *
 * Every agent of the round thinks of one candidate. Every agent that is still there then scores all
 * of them: the log-likelihood that its own weights give to the candidate's bytes after the prompt.
 * A candidate's score is the mean over the scorers of log-likelihood per byte, in nats. The answer
 * is the candidate with the best score, of equal ones that of the lowest agent. Equal candidates
 * are scored once. Agreement is the share of candidates that equal the answer, byte for byte. An
 * empty candidate scores below all others. A candidate outlives its agent: whoever is lost while
 * scoring has still said what it said.
 *
 * Pure: who is asked and when a deadline passes is the caller's. Agents are slots 0..count-1 in
 * ascending order of the agents' numbers.
 */
#ifndef KG_ORCHESTRATOR_ROUND_H
#define KG_ORCHESTRATOR_ROUND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/hash.h"

enum {
	KG_ROUND_AGENTS_MAX = 64,
	KG_ROUND_PROMPT_MAX = 64 << 10,
	KG_ROUND_CANDIDATE_MAX = 16 << 10, /* bytes */
	KG_ROUND_ENTRIES_MAX = 16          /* published by one agent */
};

typedef enum {
	KG_ROUND_THINKING,
	KG_ROUND_SCORING,
	KG_ROUND_PUBLISHING,
	KG_ROUND_DONE,
	KG_ROUND_FAILED
} kg_round_stage;

typedef struct kg_round kg_round;

/* What an agent thought; copied. */
typedef struct {
	const uint8_t *bytes; /* exact; may be empty */
	size_t size;
	const char *text; /* readable form */
	uint32_t tokens;
} kg_round_thought;

/* `agents`: the numbers of the agents, ascending; 1..KG_ROUND_AGENTS_MAX of them. */
KG_NODISCARD kg_err kg_round_new(kg_round **out, const unsigned *agents, size_t count);
void kg_round_free(kg_round *round);

kg_round_stage kg_round_get_stage(const kg_round *round);
size_t kg_round_count(const kg_round *round);
unsigned kg_round_agent(const kg_round *round, size_t slot);

/* The slot of an agent's number; count when it is not in the round. */
size_t kg_round_slot(const kg_round *round, unsigned agent);

/* Whether the slot still owes what the present stage asks for. */
bool kg_round_is_owing(const kg_round *round, size_t slot);

/* How many have delivered in this stage, of how many that were asked. */
void kg_round_progress(const kg_round *round, size_t *done, size_t *of);

/* A delivery. KG_ECONFLICT when the slot does not owe it now; KG_EFULL, KG_ECORRUPT when it is too
 * large or not well formed (then the caller should lose the slot). When the last one owing has
 * delivered or was lost, the stage ends by itself. */
KG_NODISCARD kg_err kg_round_think(kg_round *round, size_t slot, const kg_round_thought *thought);

/* `loglik[i]` is of the candidate kg_round_candidate(round, i), each finite and not above 0. */
KG_NODISCARD kg_err kg_round_score(kg_round *round, size_t slot, const double *loglik,
				   size_t count);
KG_NODISCARD kg_err kg_round_publish(kg_round *round, size_t slot,
				     const char (*ids)[KG_HASH_TEXT_SIZE], size_t count);

/* The agent died, failed, or was silent. Harmless when the slot owes nothing. */
void kg_round_lose(kg_round *round, size_t slot, const char *why);

/* The deadline of the stage has passed: whoever still owes is lost. */
void kg_round_expire(kg_round *round);

/* Why the last agent was lost; "" when none was. */
const char *kg_round_why(const kg_round *round);

/* Different candidates that are to be scored, in order of the slots that first said them; from the
 * stage of scoring on. The id of a candidate is that slot. */
size_t kg_round_candidates(const kg_round *round);
size_t kg_round_candidate(const kg_round *round, size_t i, const uint8_t **bytes, size_t *size);

/* From publishing on: the slot of the answer, its text, its agreement; the score of a slot's
 * candidate (false when it has none). */
size_t kg_round_winner(const kg_round *round);
double kg_round_agreement(const kg_round *round);
bool kg_round_scored(const kg_round *round, size_t slot, double *score);

/* Whether the slot is still with us. */
bool kg_round_is_present(const kg_round *round, size_t slot);

/* Done: the document of `ask`; `names[slot]`; NULL without memory. */
json_t *kg_round_json(const kg_round *round, const char *const *names, double seconds);

#endif
