/* SPDX-License-Identifier: MIT */
/*
 * exchange – the bodies of the messages of a round: what is asked, and what the answers say.
 *
 * Makers return NULL without memory. Readers check everything, change the round only when all is
 * well, and return what kg_round_* returns or KG_ECORRUPT.
 */
#ifndef KG_ORCHESTRATOR_EXCHANGE_H
#define KG_ORCHESTRATOR_EXCHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "orchestrator/round.h"

enum { KG_ROUND_ID_SIZE = 17, KG_ASK_TOKENS_MAX = 4096 };

/* A question as a client put it. */
typedef struct {
	char *prompt; /* ours: kg_question_release */
	unsigned k;   /* 0: all */
	uint32_t max_tokens;
	double temperature;
	uint32_t top_k;
	double top_p;
	bool has_seed;
	uint64_t seed;
} kg_question;

/* The body of `ask`. KG_EINVAL names what is out of range. */
KG_NODISCARD kg_err kg_question_read(kg_question *out, const json_t *body);
void kg_question_release(kg_question *question);

/* The seed of one agent's sampler in a round: splitmix64 of round seed + agent * golden ratio. */
uint64_t kg_exchange_agent_seed(uint64_t round_seed, unsigned agent);

json_t *kg_exchange_think(const char *round_id, const kg_question *question, uint64_t agent_seed,
			  int64_t deadline_ms);
json_t *kg_exchange_score(const char *round_id, const kg_question *question, const kg_round *round);
json_t *kg_exchange_settle(const char *round_id, const kg_round *round, size_t slot);

/* A body that belongs to another round is KG_ECONFLICT. */
KG_NODISCARD kg_err kg_exchange_thought(kg_round *round, size_t slot, const char *round_id,
					const json_t *body);
KG_NODISCARD kg_err kg_exchange_scores(kg_round *round, size_t slot, const char *round_id,
				       const json_t *body);
KG_NODISCARD kg_err kg_exchange_published(kg_round *round, size_t slot, const char *round_id,
					  const json_t *body);

#endif
