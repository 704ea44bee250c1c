/* SPDX-License-Identifier: MIT */
/*
 * runfile – <state>/run/swarm.json, 0600: how to reach the swarm that runs here.
 *
 * Written when the sockets are bound, written again when the swarm is ready, removed at shutdown.
 * One that is left behind names a process that is gone.
 */
#ifndef KG_ORCHESTRATOR_RUNFILE_H
#define KG_ORCHESTRATOR_RUNFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/fs.h"
#include "bus/bus.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "identity/key.h"

typedef struct {
	pid_t pid;          /* of the orchestrator */
	int64_t started_ms; /* wall clock */
	bool ready;         /* every agent has answered */
	kg_pubkey swarm;
	kg_peer orchestrator;
	kg_peer keeper;
	char orchestrator_endpoint[KG_ENDPOINT_SIZE];
	char keeper_endpoint[KG_ENDPOINT_SIZE];
	char feed_in_endpoint[KG_ENDPOINT_SIZE];
	char feed_endpoint[KG_ENDPOINT_SIZE];
	char model[KG_PATH_SIZE]; /* "" for the embedded one */
	char strategy[KG_LAUNCH_STRATEGY_SIZE];
	char seed[256];
	unsigned agents;
} kg_runfile;

/* The endpoints of a state directory. KG_EFULL when its path is too long. */
KG_NODISCARD kg_err kg_runfile_endpoints(kg_runfile *run, const char *state_dir);

KG_NODISCARD kg_err kg_runfile_write(const kg_runfile *run, const char *state_dir);

/* KG_ENOTFOUND when no swarm runs here, also when the file is left over from one that was killed;
 * KG_ECORRUPT. */
KG_NODISCARD kg_err kg_runfile_read(kg_runfile *out, const char *state_dir);

/* Sockets and the file; what is not there is fine. Only while holding the lock. */
void kg_runfile_clean(const char *state_dir);

#endif
