/* SPDX-License-Identifier: MIT */
/*
 * relay – what clients have agents say, until it is said.
 *
 * Remembers who asked, so that the agent's answer finds its way back. Sends nothing itself.
 */
#ifndef KG_ORCHESTRATOR_RELAY_H
#define KG_ORCHESTRATOR_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bus/message.h"

enum { KG_RELAY_MAX = 256 }; /* open at once */

/* Requests of a relay have this bit; rounds, which are counted from 1, never have it. */
#define KG_RELAY_BIT (UINT64_C(1) << 63)

typedef struct {
	struct {
		uint64_t id; /* 0: free */
		unsigned agent;
		kg_message client; /* where the answer goes; no body */
	} open[KG_RELAY_MAX];
	uint64_t count; /* so far */
} kg_relay;

/* A client's message goes to `agent` under the request `*id`. The body stays the caller's.
 * KG_EFULL. */
KG_NODISCARD kg_err kg_relay_add(kg_relay *relay, uint64_t *id, unsigned agent,
				 const kg_message *client);

/* The answer of `agent` to `id` has come: `*client` is whom it is for. False: nobody waits. */
bool kg_relay_take(kg_relay *relay, kg_message *client, unsigned agent, uint64_t id);

/* One of those who wait for `agent`, which is gone; false when nobody does (any more). */
bool kg_relay_lose(kg_relay *relay, kg_message *client, unsigned agent);

#endif
