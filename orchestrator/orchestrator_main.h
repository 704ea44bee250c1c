/* SPDX-License-Identifier: MIT */
/*
 * orchestrator_main – the process that starts a swarm, keeps it alive, and asks it questions.
 *
 * One thread and one loop: signals, messages, timers. It starts the keeper, certifies who may
 * write, starts the agents, runs one round after the other, witnesses all chains with the swarm's
 * key, and ends everything it started.
 */
#ifndef KG_ORCHESTRATOR_ORCHESTRATOR_MAIN_H
#define KG_ORCHESTRATOR_ORCHESTRATOR_MAIN_H

#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"
#include "identity/derive.h"

/* The swarm when every agent has answered. */
typedef struct {
	unsigned agents;
	double seconds;     /* since the start */
	uint64_t rss_bytes; /* of an agent, the mean */
	uint64_t pss_bytes; /* the same, shared pages counted by share */
	uint64_t keeper_pss_bytes;
} kg_orchestrator_report;

/* All borrowed until kg_orchestrator_run returns. */
typedef struct {
	const char *state_dir; /* exists, with an identity */
	const kg_swarm *identity;
	kg_conf *conf;             /* not changed */
	const char *model;         /* absolute path; "" for the embedded one */
	const char *strategy;      /* as the agents know it; "" for the default */
	const char *seed;          /* label of the genomes */
	const char *agent_program; /* paths of what the processes execute */
	const char *keeper_program;
	unsigned agents;                                                 /* 1..KG_CREW_MAX */
	void (*ready)(void *data, const kg_orchestrator_report *report); /* once */
	void *data;
} kg_orchestrator_options;

/* Runs a swarm until it is told to stop (message, SIGTERM, SIGINT, SIGHUP); no process is left
 * then. Blocks those signals and SIGCHLD. KG_ECONFLICT when a swarm is running here already; any
 * other failure when the swarm could not become ready, or its keeper cannot live. Call from the
 * main thread, before there are others. */
KG_NODISCARD kg_err kg_orchestrator_run(const kg_orchestrator_options *options);

#endif
