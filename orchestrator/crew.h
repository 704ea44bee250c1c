/* SPDX-License-Identifier: MIT */
/*
 * crew – the agents of a running swarm: what is known of each, and the state it is in.
 *
 *   starting → ready ⇄ busy      start, ready, work, rest
 *   each of them → stopping      stop
 *   each of them → dead          exit
 *   stopping → dead              exit
 *   dead → starting              start
 *   dead → parked                park
 *   parked → dead                release
 */
#ifndef KG_ORCHESTRATOR_CREW_H
#define KG_ORCHESTRATOR_CREW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bus/launch.h"
#include "identity/derive.h"
#include "identity/hash.h"
#include "identity/key.h"

typedef enum {
	KG_CREW_STARTING,
	KG_CREW_READY,
	KG_CREW_BUSY,
	KG_CREW_STOPPING,
	KG_CREW_PARKED,
	KG_CREW_DEAD,
	KG_CREW_STATES
} kg_crew_state;

typedef enum {
	KG_CREW_START,   /* its process began */
	KG_CREW_ANSWER,  /* it said that it is ready */
	KG_CREW_WORK,    /* it is part of a round */
	KG_CREW_REST,    /* the round is over for it */
	KG_CREW_STOP,    /* it was told to stop */
	KG_CREW_EXIT,    /* its process ended */
	KG_CREW_PARK,    /* it used up its restarts */
	KG_CREW_RELEASE, /* it may try again */
	KG_CREW_EVENTS
} kg_crew_event;

/* Moves `*state`; KG_ECONFLICT, and nothing changed, when the event cannot happen in it. */
KG_NODISCARD kg_err kg_crew_move(kg_crew_state *state, kg_crew_event event);

/* "starting", "ready", … as `ps` prints them. */
const char *kg_crew_state_name(kg_crew_state state);

/* Whether there is a process. */
bool kg_crew_is_alive(kg_crew_state state);

enum { KG_CREW_MAX = 1024, KG_CREW_WHY_SIZE = 256 };

/* One agent, a plain value. Texts are "" until it has told them. */
typedef struct {
	char name[KG_NAME_SIZE];
	kg_pubkey key; /* derived, not told */
	kg_crew_state state;
	int pid;
	char genome[KG_HASH_TEXT_SIZE];
	char base_digest[KG_HASH_TEXT_SIZE];
	char weights_digest[KG_HASH_TEXT_SIZE];
	char strategy[KG_LAUNCH_STRATEGY_SIZE];
	char seed[KG_HASH_TEXT_SIZE];
	char birth[KG_HASH_TEXT_SIZE];
	char stage[16];
	double level;
	double parts[4];  /* of the coefficient, in the order of contract and kg_crew_parts */
	uint64_t answers; /* thoughts heard from it, through all its lives */
	unsigned restarts;
	uint64_t rss_bytes, pss_bytes;
	char why[KG_CREW_WHY_SIZE]; /* it is parked, or it ended last time */
} kg_crew_agent;

extern const char *const kg_crew_parts[4];

/* Takes in the body of `ready`: KG_ECORRUPT, and nothing changed, when a field is missing or out of
 * range, KG_EDENIED when the key is not the agent's. */
KG_NODISCARD kg_err kg_crew_tell_ready(kg_crew_agent *agent, const json_t *body);

/* The same for the coefficient in `beat`. */
KG_NODISCARD kg_err kg_crew_tell_beat(kg_crew_agent *agent, const json_t *body);

/* The agent as `ps` shows it; NULL without memory. */
json_t *kg_crew_json(const kg_crew_agent *agent);

#endif
