/* SPDX-License-Identifier: MIT */
/*
 * launch – what a child process is given at its start, on descriptor 3.
 *
 * Secrets come first and raw, so that they go from the pipe into locked memory and nowhere else:
 *
 *    0  8  "KGLAUNCH"
 *    8  4  size of the JSON that follows, little-endian
 *   12 32  signing seed of an agent; zero for others
 *   44 32  CURVE secret of the process
 *   76  …  JSON
 *
 * The pipe stays open behind the document as a life line: it ends when the orchestrator does.
 */
#ifndef KG_BUS_LAUNCH_H
#define KG_BUS_LAUNCH_H

#include "base/conf.h"
#include "base/err.h"
#include "base/fs.h"
#include "bus/bus.h"
#include "bus/socket.h"
#include "identity/curve.h"
#include "identity/hash.h"
#include "identity/key.h"

/* KG_LAUNCH_STRATEGY_SIZE: the longest name of a strategy (runtime/format.h) and its end. */
enum {
	KG_LAUNCH_FD = 3,
	KG_LAUNCH_STRATEGY_SIZE = 121,
	KG_LAUNCH_SECRETS_SIZE = 76,
	KG_LAUNCH_SIZE_MAX = 4 << 20
};

/* A member of the swarm: who may connect and whose entries are admitted. */
typedef struct {
	kg_peer peer;
	kg_pubkey key; /* what it signs with */
} kg_member;

typedef struct {
	char role[16]; /* "keeper" or "agent" */
	char name[KG_NAME_SIZE];
	int parent_pid;
	char state_dir[KG_PATH_SIZE];
	kg_pubkey swarm;        /* the swarm's id */
	kg_pubkey operator_key; /* signs what the person remembers */
	kg_key *key;            /* agents: the signing key; NULL otherwise */
	kg_curve *curve;        /* the process's own pair */
	kg_peer orchestrator;   /* names and public keys of the servers */
	kg_peer keeper;
	char orchestrator_endpoint[KG_ENDPOINT_SIZE];
	char keeper_endpoint[KG_ENDPOINT_SIZE];
	char feed_in_endpoint[KG_ENDPOINT_SIZE]; /* keeper publishes */
	char feed_endpoint[KG_ENDPOINT_SIZE];    /* agents listen */
	char model[KG_PATH_SIZE];                /* "" for the embedded one */
	char strategy[KG_LAUNCH_STRATEGY_SIZE];
	char genome_label[KG_LABEL_MAX + 1]; /* agents: "<label>/<name>", see kg_seed_from_label */
	kg_member *members; /* keeper: orchestrator (key: the swarm's), operator, every agent */
	size_t member_count;
	kg_conf *conf; /* the settings as the orchestrator has them */
	int life_fd;   /* readable when the orchestrator is gone: then exit */
} kg_launch;

/* Reads the document from `fd` and makes it the life line. The caller has closed nothing. */
KG_NODISCARD kg_err kg_launch_read(kg_launch **out, int fd);
void kg_launch_free(kg_launch *launch);

/* Writes it to `fd`, which then has to stay open. `launch->conf` may be NULL: no settings. */
KG_NODISCARD kg_err kg_launch_write(const kg_launch *launch, int fd);

#endif
