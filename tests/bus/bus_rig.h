/* SPDX-License-Identifier: MIT */
/* bus_rig – processes of a swarm inside one test: a guarded server and clients, on real sockets. */
#ifndef KG_TESTS_BUS_RIG_H
#define KG_TESTS_BUS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/bus.h"
#include "bus/socket.h"

enum { PATIENCE_MS = 10000 };

/* A process: its pair, its bus, and itself as a peer. */
typedef struct {
	kg_curve *curve;
	kg_bus *bus;
	kg_peer peer;
} process;

void process_start(process *p, const char *name);
void process_end(process *p);

/* A directory of the test's own, and an endpoint in it. */
void rig_dir(char dir[KG_PATH_SIZE]);
void rig_endpoint(char endpoint[KG_ENDPOINT_SIZE], const char *dir, const char *name);
void rig_clean(const char *dir);

#endif
