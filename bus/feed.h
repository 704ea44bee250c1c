/* SPDX-License-Identifier: MIT */
/*
 * feed – what the keeper admitted, told to everyone.
 *
 *   keeper (PUB) → feed-in (XSUB, orchestrator) → feed (XPUB, orchestrator) → agents, clients (SUB)
 *
 * Best effort: who is slow or away misses announcements, and asks the keeper when it matters. Only
 * the keeper's key may connect to feed-in.
 */
#ifndef KG_BUS_FEED_H
#define KG_BUS_FEED_H

#include "bus/socket.h"

/* The keeper's end: kg_socket_send(…, NULL, KG_MESSAGE_ENTRY, …), which never waits. */
KG_NODISCARD kg_err kg_feed_publish(kg_socket **out, kg_bus *bus, const char *endpoint,
				    const kg_peer *orchestrator);

/* The listeners' end: kg_socket_receive gives messages whose `from` is "keeper". */
KG_NODISCARD kg_err kg_feed_listen(kg_socket **out, kg_bus *bus, const char *endpoint,
				   const kg_peer *orchestrator);

typedef struct kg_feed kg_feed;

/* The orchestrator's end: binds both sides (the bus must be guarded). */
KG_NODISCARD kg_err kg_feed_open(kg_feed **out, kg_bus *bus, const char *in, const char *to);
void kg_feed_free(kg_feed *feed);

/* What to wait for. Borrowed. */
kg_socket *kg_feed_in(kg_feed *feed);
kg_socket *kg_feed_out(kg_feed *feed);

/* Forwards what has arrived, at most 256 messages; never waits. Returns how many went on. */
unsigned kg_feed_step(kg_feed *feed);

#endif
