/* SPDX-License-Identifier: MIT */
/*
 * bus – one process's place on the bus: its name, its CURVE pair, the peers it lets in.
 *
 * Made after the last fork of the process, by the thread that will use the sockets. A process that
 * binds sockets calls kg_bus_guard first: without an authentication handler libzmq would let in any
 * key at all. All calls come from one thread.
 */
#ifndef KG_BUS_BUS_H
#define KG_BUS_BUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bus/message.h"
#include "identity/curve.h"

typedef struct kg_bus kg_bus;

enum { KG_PEERS_MAX = 4096 };

/* A process that may connect. */
typedef struct {
	char name[KG_NAME_SIZE];
	uint8_t curve[KG_CURVE_SIZE]; /* its public half */
} kg_peer;

/* The one of this name, whose pair this is. */
kg_peer kg_peer_of(const char *name, const kg_curve *curve);

/* `name` is the process's own, `curve` its pair, borrowed for the life of the bus. */
KG_NODISCARD kg_err kg_bus_new(kg_bus **out, const char *name, const kg_curve *curve);

/* All sockets must be freed before. Waits for what lingers, at most KG_SOCKET_LINGER_MS each. */
void kg_bus_free(kg_bus *bus);

/* Starts the authentication handler with these peers and proves that it works: an unknown key must
 * be refused and a known one admitted, else KG_EDENIED (KG_ETIMEOUT) and nothing may be bound. */
KG_NODISCARD kg_err kg_bus_guard(kg_bus *bus, const kg_peer *peers, size_t count);

/* One more peer; the same name with another key replaces it. KG_EFULL beyond KG_PEERS_MAX. */
KG_NODISCARD kg_err kg_bus_admit(kg_bus *bus, const kg_peer *peer);

const char *kg_bus_name(const kg_bus *bus);

#endif
