/* SPDX-License-Identifier: MIT */
/*
 * child – a process of ours: started, watched, ended, reaped. The one noun here that makes
 * processes.
 *
 * A child executes the program of its role as `role <role>`, in a process group of its own, with
 * stdin from /dev/null, stdout and stderr appended to its log, and the launch document on
 * descriptor 3, whose pipe stays open as its life line. The kernel kills it when the thread that
 * started it ends: start children from the main thread only. Until it is reaped its pid cannot
 * belong to anyone else, so signals by pid are safe.
 */
#ifndef KG_ORCHESTRATOR_CHILD_H
#define KG_ORCHESTRATOR_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "bus/launch.h"

typedef struct {
	pid_t pid;   /* 0: none */
	int life_fd; /* our end of the life line */
} kg_child;

void kg_child_init(kg_child *child);

/* Opens a program for starting it many times; to be closed. What is opened stays the same when
 * another version is installed in its place. */
KG_NODISCARD kg_err kg_child_program(int *fd, const char *path);

/* Starts it. Nothing of it is left on failure. */
KG_NODISCARD kg_err kg_child_start(kg_child *child, int program, const char *log_path,
				   const kg_launch *launch);

/* A signal, if there is a process. */
void kg_child_signal(kg_child *child, int signal_number);

/* True, once, when the process has ended: `why` tells how ("exit 111", "signal 9"). */
bool kg_child_reap(kg_child *child, char *why, size_t room, bool *clean);

/* Enough descriptors for `agents` of them? Raises the soft limit; KG_EFULL with both numbers when
 * the hard one is too low. */
KG_NODISCARD kg_err kg_child_check_limits(unsigned agents);

/* Resident and proportional memory of a process; 0 when it has gone. */
void kg_child_memory(pid_t pid, uint64_t *rss_bytes, uint64_t *pss_bytes);

/* The parser of /proc/<pid>/smaps_rollup: "<field>:   <n> kB" in bytes; 0 when it is not there. */
uint64_t kg_child_parse_smaps(const char *text, const char *field);

/* The last line of a log that is not empty, for telling why a child ended; "" when there is none.
 */
void kg_child_last_line(const char *log_path, char *line, size_t room);

/* How it ended and, when it failed, what its log says last: "exit 111: <why>". */
void kg_child_explain(char *why, size_t room, const char *how, const char *log_path);

#endif
