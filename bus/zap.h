/* SPDX-License-Identifier: MIT */
/*
 * zap – who gets in: the authentication handler of a process that binds sockets (ZeroMQ RFC 27).
 *
 * A thread answers libzmq's questions on inproc://zeromq.zap.01 from a table of public keys. A key
 * in the table is admitted under its name, which libzmq then attaches to every message as
 * "User-Id"; any other key, and any other mechanism than CURVE, is refused. A socket's domain is
 * KG_ZAP_DOMAIN for every peer, or KG_ZAP_DOMAIN "/<name>" for that one name only.
 */
#ifndef KG_BUS_ZAP_H
#define KG_BUS_ZAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bus/bus.h"

#define KG_ZAP_DOMAIN "swarm"

typedef struct kg_zap kg_zap;

/* Starts the thread with an empty table. `context` is libzmq's. KG_ECONFLICT when the context has a
 * handler already. */
KG_NODISCARD kg_err kg_zap_start(kg_zap **out, void *context);

/* Ends the thread; before the context ends. Takes NULL. */
void kg_zap_stop(kg_zap *zap);

/* The table becomes these peers. KG_EFULL beyond KG_PEERS_MAX, KG_EINVAL for a bad name or the same
 * key under two names. */
KG_NODISCARD kg_err kg_zap_set(kg_zap *zap, const kg_peer *peers, size_t count);

/* One more; the same name with another key replaces it. */
KG_NODISCARD kg_err kg_zap_admit(kg_zap *zap, const kg_peer *peer);

/* Proves over a real socket that a key outside the table is refused and one inside is let in under
 * its name. Leaves the table empty. KG_EDENIED when the proof fails, KG_ETIMEOUT when nothing
 * happens within five seconds. */
KG_NODISCARD kg_err kg_zap_self_test(kg_zap *zap, void *context);

/* Handshakes refused since the start. */
uint64_t kg_zap_refused(kg_zap *zap);

#endif
