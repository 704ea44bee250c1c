/* SPDX-License-Identifier: MIT */
/*
 * apart – work on bytes from anywhere, in a process of its own.
 *
 * The child has no keys of the swarm, no more memory and no larger files than it is allowed, and
 * ends when it is silent for too long, when its parent ends, or on Ctrl-C: so neither a server that
 * says nothing for ever nor a pack that unfolds to terabytes nor a mistake in a parser harms more
 * than what lies in quarantine. It is forked: call it while the process has one thread and before
 * the swarm's keys are opened.
 */
#ifndef KG_CLI_APART_H
#define KG_CLI_APART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { KG_APART_LINE_MAX = 4096 };

typedef struct {
	uint64_t memory_max; /* bytes, beyond what the process has already */
	uint64_t file_max;   /* bytes of a file */
	int quiet_seconds;   /* without any progress */
} kg_apart_limits;

/* The child's side of it. */
typedef struct kg_apart kg_apart;

/* How far the work is; a kg_store_progress with the kg_apart as its payload. False: end it. */
bool kg_apart_step(void *apart, uint64_t done, uint64_t total);

/* Hands a line to the parent. */
void kg_apart_say(kg_apart *apart, const char *line);

typedef kg_err (*kg_apart_work)(kg_apart *apart, void *payload);
typedef void (*kg_apart_said)(void *payload, const char *line);

/* Runs `work` apart and waits for it; what it returns, with its message, is returned here. `what`
 * names it in the progress shown. `said`, which may be NULL, is called with every line. KG_ETIMEOUT
 * when it was silent for too long or was interrupted, KG_ECORRUPT when it was ended by what it
 * worked on. */
KG_NODISCARD kg_err kg_apart_run(kg_apart_work work, void *payload, const kg_apart_limits *limits,
				 const char *what, kg_apart_said said, void *said_payload);

#endif
