/* SPDX-License-Identifier: MIT */
/*
 * docket – the questions put to the swarm: those that wait, and the round of the one that is heard.
 *
 * Rounds follow each other, since an agent thinks of one thing at a time. The docket sees neither
 * sockets nor clock: it speaks through a port, and is told the time.
 */
#ifndef KG_ORCHESTRATOR_DOCKET_H
#define KG_ORCHESTRATOR_DOCKET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bus/message.h"
#include "orchestrator/crew.h"

typedef struct kg_docket kg_docket;

enum { KG_DOCKET_MAX = 64 }; /* questions that may wait */

/* How the docket reaches the world; bodies are consumed. */
typedef struct {
	void *data;
	/* A message to an agent; an error loses the agent for the round. */
	kg_err (*to_agent)(void *data, unsigned agent, kg_message_kind kind, uint64_t id,
			   json_t *body);
	/* An answer to a client; one that has gone does not matter. */
	void (*to_client)(void *data, const kg_message *client, kg_message_kind kind, json_t *body);
	/* The agent begins (KG_CREW_WORK) or ends (KG_CREW_REST) being part of a round. */
	void (*move)(void *data, unsigned agent, kg_crew_event event);
	uint64_t (*random)(void *data);
} kg_docket_port;

/* `agents` is looked at, and outlives the docket. */
KG_NODISCARD kg_err kg_docket_new(kg_docket **out, const kg_docket_port *port,
				  const kg_crew_agent *agents, unsigned count, int64_t think_ms);
void kg_docket_free(kg_docket *docket);

/* A question of a client; refused at once when it is not well formed or too many wait. */
void kg_docket_ask(kg_docket *docket, const kg_message *message);

/* What an agent says: thought, scores, published or failed. KG_OK also when it came too late;
 * otherwise why the agent was lost for the round. */
kg_err kg_docket_hear(kg_docket *docket, unsigned agent, const kg_message *message, int64_t now_ms);

/* The agent's process has ended. */
void kg_docket_lose(kg_docket *docket, unsigned agent, const char *why, int64_t now_ms);

/* Deadlines, words to those who wait, and the next question when the last one is answered. */
void kg_docket_tick(kg_docket *docket, int64_t now_ms);

/* Refuses whatever is open or waits, and all that comes later. */
void kg_docket_end(kg_docket *docket);

/* Rounds opened so far. */
uint64_t kg_docket_rounds(const kg_docket *docket);

#endif
