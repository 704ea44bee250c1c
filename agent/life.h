/* SPDX-License-Identifier: MIT */
/*
 * life – what an agent is and does between its messages: it thinks, scores, shares, learns,
 * evaluates itself, and signs all of it into its outbox.
 *
 * No sockets and no clock: times come in, entries wait in the outbox for whoever sends them.
 * Borrows model, key and settings, which outlive it.
 */
#ifndef KG_AGENT_LIFE_H
#define KG_AGENT_LIFE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/coefficient.h"
#include "agent/mind.h"
#include "agent/outbox.h"
#include "agent/rules.h"
#include "agent/speech.h"
#include "base/conf.h"
#include "base/err.h"
#include "identity/key.h"
#include "runtime/model.h"

enum { KG_SETTLE_ENTRIES_MAX = 2, KG_HEARTBEAT_ROUNDS = 10, KG_LIFE_SEEN_MAX = 4 };

typedef struct kg_life kg_life;

typedef struct {
	const char *name;
	const kg_pubkey *swarm;
	const kg_key *key;
	const kg_model *model;
	const kg_genome *genome;
	const kg_conf *conf; /* the agent.* settings */
} kg_life_options;

/* Builds the mind; the coefficient is nascent. */
KG_NODISCARD kg_err kg_life_new(kg_life **out, const kg_life_options *options);
void kg_life_free(kg_life *life);

kg_mind *kg_life_mind(kg_life *life);
const kg_coefficient *kg_life_coefficient(const kg_life *life);

/* Level and stage of the coefficient, which is always in range. */
double kg_life_level(const kg_life *life);
kg_stage kg_life_stage(const kg_life *life);

/* Before a question: what to ask the keeper for, or NULL when nothing is to be recalled (no
 * template, limit 0, no memory). */
json_t *kg_life_wish(const kg_life *life, const char *question);

/* Entries can be signed from here on, once the outbox was told where the own chain ends
 * (kg_outbox_rebase). `state_dir` and `done` as in outbox.h. Once, or again after a failure. */
KG_NODISCARD kg_err kg_life_join(kg_life *life, const char *state_dir, kg_outbox_done done,
				 void *data);
kg_outbox *kg_life_outbox(kg_life *life);

/* After a restart, from own entries as recalled: the coefficient of the latest that has one; what
 * was learned; which insights are its own. */
void kg_life_remember(kg_life *life, const kg_heard *own);

/* Signs the birth entry of this genome. */
KG_NODISCARD kg_err kg_life_be_born(kg_life *life, int64_t now_ms, uint64_t *ticket);

/*
 * Thinks about a question. `recalled` is the array of recalled entries, or NULL: what the rule
 * accepts goes before the question. `*thought` is the body of the answer. `seconds` tells how long
 * it took when asked through `clock_ms` (monotonic), which may be NULL. Codes of kg_prompt_build
 * and kg_mind_think.
 */
KG_NODISCARD kg_err kg_life_think(kg_life *life, const kg_think *order, const json_t *recalled,
				  int64_t now_ms, int64_t (*clock_ms)(void), json_t **thought);

/* The body of scores. A candidate that does not fit the context gets
 * KG_SCORE_UNREADABLE. */
KG_NODISCARD kg_err kg_life_score(kg_life *life, const json_t *body, json_t **scores);

/* A round is settled: shares by the rule, records what was learned. `tickets` of the entries
 * signed,
 * `*count` of them, maybe none. The next kg_life_evaluate is due. */
KG_NODISCARD kg_err kg_life_settle(kg_life *life, const kg_settle *order, int64_t now_ms,
				   uint64_t tickets[KG_SETTLE_ENTRIES_MAX], uint32_t *count);

/* Someone's entry on the feed: a learning that cites an insight of this agent counts for it. The
 * latest that were heard of are named by the next entry as seen, and it is dated behind them. */
void kg_life_hear(kg_life *life, const kg_heard *heard);

/* Signs an entry that someone else gave it to say (kg_say_read). Takes its content. */
KG_NODISCARD kg_err kg_life_say(kg_life *life, kg_entry *entry, int64_t now_ms, uint64_t *ticket);

/* Whether a settled round is yet to be followed by an evaluation. */
bool kg_life_is_due(const kg_life *life);

/* Evaluates itself on the last settled round; a coefficient that moved is signed as a trace, and
 * every KG_HEARTBEAT_ROUNDS rounds a heartbeat. */
KG_NODISCARD kg_err kg_life_evaluate(kg_life *life, uint64_t lesson_seed, int64_t now_ms);

#endif
