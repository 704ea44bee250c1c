/* SPDX-License-Identifier: MIT */
/*
 * socket – messages over ZeroMQ, encrypted, from peers that are known by their key.
 *
 * Two shapes: a server (ROUTER) that answers many, a client (DEALER) that speaks to one. The feed
 * (feed.h) adds publisher and subscriber. Every option of libzmq is set in one place, socket.c, and
 * explained there. Nothing that comes in ends the process: what breaks a rule of message.h is
 * dropped and counted, see kg_socket_drops. A socket belongs to the thread that made it.
 *
 * Endpoints are "ipc://<absolute path>" of any length up to KG_PATH_SIZE (longer than the 107 bytes
 * that the kernel allows works as well) or "tcp://host:port".
 */
#ifndef KG_BUS_SOCKET_H
#define KG_BUS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"
#include "bus/bus.h"
#include "bus/message.h"

typedef struct kg_socket kg_socket;

enum {
	KG_ENDPOINT_SIZE = KG_PATH_SIZE + 8,
	KG_SOCKET_LINGER_MS = 1000, /* how long what was sent may still leave after free */
	KG_SOCKET_SEND_MS = 2000    /* how long a send waits for room in the queue */
};

/* Binds a server. A stale socket file is replaced: hold the lock of the state directory. */
KG_NODISCARD kg_err kg_socket_serve(kg_socket **out, kg_bus *bus, const char *endpoint);

/* A client of the server `peer`, whose public key it must prove. Returns before the connection is
 * there and reconnects by itself; a server that is absent, or has another key, or refuses ours,
 * looks the same: sends and receives time out. */
KG_NODISCARD kg_err kg_socket_dial(kg_socket **out, kg_bus *bus, const char *endpoint,
				   const kg_peer *peer);

void kg_socket_free(kg_socket *socket);

/* From now on a send waits so long for room or a connection; 0: not at all. */
void kg_socket_set_patience(kg_socket *socket, int send_ms);

/* Sends one message. `route` is where to (servers; from a received message) or NULL (clients).
 * `body` is borrowed. KG_EINVAL when the table forbids this kind from us, or this size;
 * KG_ENOTFOUND when the peer of the route is gone; KG_ETIMEOUT when there is no connection or the
 * queue stays full for KG_SOCKET_SEND_MS (a server does not wait at all). */
KG_NODISCARD kg_err kg_socket_send(kg_socket *socket, const kg_route *route, kg_message_kind kind,
				   uint64_t id, const void *body, size_t size);

/* The same with a JSON object, consumed also on failure; NULL is KG_ENOMEM. */
KG_NODISCARD kg_err kg_socket_send_json(kg_socket *socket, const kg_route *route,
					kg_message_kind kind, uint64_t id, json_t *body);

/* The answer to `message`: same route, same id, same trace. `body` consumed. */
KG_NODISCARD kg_err kg_socket_reply(kg_socket *socket, const kg_message *message,
				    kg_message_kind kind, json_t *body);

/* The same with a body that is text already, or raw bytes. */
KG_NODISCARD kg_err kg_socket_reply_raw(kg_socket *socket, const kg_message *message,
					kg_message_kind kind, const void *body, size_t size);

/* Answers `failed` with `code` and this thread's error text. */
KG_NODISCARD kg_err kg_socket_reply_failed(kg_socket *socket, const kg_message *message,
					   kg_err code);

/* The next good message, waiting up to timeout_ms (0: not at all; -1: for ever): KG_ETIMEOUT when
 * none came. `out` must be empty or released; on success it is the caller's. Bad messages are
 * dropped on the way and do not count as one. A signal does not end the wait. */
KG_NODISCARD kg_err kg_socket_receive(kg_socket *socket, kg_message *out, int timeout_ms);

/* Clients: sends and waits for the message with the same id, `*out` also when it is `failed` (see
 * kg_message_fail). What else comes meanwhile is handed to `other`, which may be NULL (dropped) and
 * must not keep it. KG_ETIMEOUT. */
typedef void (*kg_socket_other)(void *data, kg_message *message);
KG_NODISCARD kg_err kg_socket_ask(kg_socket *socket, kg_message_kind kind, json_t *body,
				  int timeout_ms, kg_message *out, kg_socket_other other,
				  void *data);
/* The same with a raw body. */
KG_NODISCARD kg_err kg_socket_ask_raw(kg_socket *socket, kg_message_kind kind, const void *body,
				      size_t size, int timeout_ms, kg_message *out,
				      kg_socket_other other, void *data);

/* A fresh request id of this process, never 0. */
uint64_t kg_socket_next_id(kg_socket *socket);

/* What was dropped since the socket was made, and why the last one was: for the log. */
typedef struct {
	uint64_t count;
	char from[KG_NAME_SIZE]; /* "?" when the peer is unknown */
	char why[128];
} kg_socket_drop;

const kg_socket_drop *kg_socket_drops(const kg_socket *socket);

/* Something to wait for: a socket, or a descriptor when `socket` is NULL. */
typedef struct {
	kg_socket *socket;
	int fd;
	bool ready; /* out: can be read (or has ended) */
} kg_wait;

enum { KG_WAIT_MAX = 64 };

/* Waits until one of them is ready or timeout_ms passed (-1: for ever); KG_OK in both cases, and
 * also, with nothing ready, when a signal came. At most KG_WAIT_MAX items. */
KG_NODISCARD kg_err kg_socket_wait(kg_wait *items, size_t count, int timeout_ms);

#endif
