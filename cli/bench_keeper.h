/* SPDX-License-Identifier: MIT */
/* bench_keeper – the real keeper as a process, over its real sockets, to be measured. */
#ifndef KG_CLI_BENCH_KEEPER_H
#define KG_CLI_BENCH_KEEPER_H

#include "bus/launch.h"
#include "cli/bench.h"
#include "cli/bench_author.h"

typedef struct {
	kg_launch launch;
	kg_curve *own;   /* the keeper's pair */
	kg_curve *asker; /* the orchestrator's: who asks from here */
	kg_curve *agents[KG_BENCH_AUTHORS_MAX];
	size_t agent_count;
	pid_t pid;
	int life; /* the keeper ends with it */
	kg_bus *bus;
	kg_socket *socket;
	char errors[KG_PATH_SIZE]; /* what it logs */
} kg_bench_keeper;

/* A keeper of the memory in `state`, which lets these authors in. */
KG_NODISCARD kg_err kg_bench_keeper_init(kg_bench_keeper *keeper, const kg_bench *bench,
					 const char *state, const kg_bench_authors *authors);
void kg_bench_keeper_release(kg_bench_keeper *keeper);

/* Starts the process. Before any socket of this process: libzmq does not survive a fork. */
KG_NODISCARD kg_err kg_bench_keeper_start(kg_bench_keeper *keeper);

/* A socket to it from here, and the first answer: it has opened its memory. No fork from now on. */
KG_NODISCARD kg_err kg_bench_keeper_greet(kg_bench_keeper *keeper);

/* Waits until all that it has acknowledged is in git and the index. */
KG_NODISCARD kg_err kg_bench_keeper_settle(kg_bench_keeper *keeper);

/* A socket for author `agent`, in a process of its own; `*bus` and `*socket` are the caller's. */
KG_NODISCARD kg_err kg_bench_keeper_dial(kg_bus **bus, kg_socket **socket,
					 const kg_bench_keeper *keeper, size_t agent);

/* Asks over one of these sockets, again and again while it does not take messages, and forgets the
 * answer; what failed there is the error. `body` is borrowed. */
KG_NODISCARD kg_err kg_bench_keeper_ask(kg_socket *socket, kg_message_kind kind,
					const json_t *body);

/* Ends it as `down` does, and waits for that. */
KG_NODISCARD kg_err kg_bench_keeper_stop(kg_bench_keeper *keeper);

/* Seconds of CPU that it has used so far; bytes resident now, all, or what is its own alone. */
double kg_bench_keeper_cpu(const kg_bench_keeper *keeper);
double kg_bench_keeper_resident(const kg_bench_keeper *keeper, bool own);

/* bench_writers.c: makes a memory in `state` into which these authors may write. */
KG_NODISCARD kg_err kg_bench_admit(const char *state, const kg_bench_authors *authors,
				   int64_t now_ms);

/* bench_writers.c and bench_archive.c: parts of `entries`. */
KG_NODISCARD kg_err kg_bench_writers(kg_bench *bench);
KG_NODISCARD kg_err kg_bench_archive(kg_bench *bench);

#endif
