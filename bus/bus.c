/* SPDX-License-Identifier: MIT */
#include "bus/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "bus/bus_impl.h"

kg_err kg_bus_new(kg_bus **out, const char *name, const kg_curve *curve)
{
	kg_bus *bus;
	kg_err err = kg_name_check(name);

	if (err != KG_OK)
		return err;
	if (zmq_has("curve") == 0)
		return kg_fail(KG_EFAIL, "libzmq was built without CURVE");
	bus = calloc(1, sizeof(*bus));
	if (bus == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the bus");
	bus->context = zmq_ctx_new();
	if (bus->context == NULL) {
		free(bus);
		return kg_fail(KG_EIO, "bus: %s", zmq_strerror(zmq_errno()));
	}
	/* One thread carries 30 000 messages a second; a round needs tens. */
	(void)zmq_ctx_set(bus->context, ZMQ_IO_THREADS, 1);
	(void)zmq_ctx_set(bus->context, ZMQ_MAX_SOCKETS, 64);
	memcpy(bus->name, name, strlen(name) + 1);
	bus->role = kg_role_of(name);
	bus->curve = curve;
	*out = bus;
	return KG_OK;
}

void kg_bus_free(kg_bus *bus)
{
	if (bus == NULL)
		return;
	kg_zap_stop(bus->zap);
	while (zmq_ctx_term(bus->context) != 0 && zmq_errno() == EINTR)
		;
	for (int i = 0; i < bus->dir_count; i++)
		(void)close(bus->dirs[i]);
	free(bus);
}

kg_err kg_bus_guard(kg_bus *bus, const kg_peer *peers, size_t count)
{
	kg_err err;

	KG_ASSERT(bus->zap == NULL);
	err = kg_zap_start(&bus->zap, bus->context);
	if (err != KG_OK)
		return err;
	err = kg_zap_self_test(bus->zap, bus->context);
	if (err == KG_OK)
		err = kg_zap_set(bus->zap, peers, count);
	if (err != KG_OK) {
		kg_zap_stop(bus->zap);
		bus->zap = NULL;
	}
	return err;
}

kg_err kg_bus_admit(kg_bus *bus, const kg_peer *peer)
{
	KG_ASSERT(bus->zap != NULL);
	return kg_zap_admit(bus->zap, peer);
}

kg_peer kg_peer_of(const char *name, const kg_curve *curve)
{
	kg_peer peer = {0};

	(void)snprintf(peer.name, sizeof(peer.name), "%s", name);
	memcpy(peer.curve, kg_curve_public(curve), KG_CURVE_SIZE);
	return peer;
}

const char *kg_bus_name(const kg_bus *bus)
{
	return bus->name;
}
