/* SPDX-License-Identifier: MIT */
/* bus_impl – what bus.c, socket.c and feed.c share. */
#ifndef KG_BUS_BUS_IMPL_H
#define KG_BUS_BUS_IMPL_H

#include <stdbool.h>

#include "bus/bus.h"
#include "bus/socket.h"
#include "bus/zap.h"

enum { KG_BUS_DIRS_MAX = 16 };

struct kg_bus {
	void *context;
	char name[KG_NAME_SIZE];
	kg_role role;
	const kg_curve *curve;
	kg_zap *zap;
	int dirs[KG_BUS_DIRS_MAX]; /* directories of long ipc paths, open while sockets may need
				      them */
	int dir_count;
};

struct kg_socket {
	kg_bus *bus;
	void *raw;
	int type;                /* ZMQ_ROUTER, … */
	char peer[KG_NAME_SIZE]; /* whom we hear; "" for servers, which learn it by message */
	uint64_t last_id;
	kg_socket_drop drops;
};

/* A socket of libzmq's `type` with every option set, as a server or as a client of `peer`; domain
 * NULL: any member. Then bind or connect. */
KG_NODISCARD kg_err kg_socket__new(kg_socket **out, kg_bus *bus, int type, const kg_peer *peer,
				   const char *domain);
/* Sends without the checks of kg_socket_send. */
KG_NODISCARD kg_err kg_socket__send(kg_socket *socket, const kg_route *route,
				    const kg_message_header *header, const void *body);
KG_NODISCARD kg_err kg_socket__bind(kg_socket *socket, const char *endpoint);
KG_NODISCARD kg_err kg_socket__connect(kg_socket *socket, const char *endpoint);

#endif
