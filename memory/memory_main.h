/* SPDX-License-Identifier: MIT */
/*
 * memory_main – the keeper: the one process that writes the collective memory of a running swarm.
 *
 * Answers submit, head, heads, recall and beat (docs/messages.md) and tells the feed what it took
 * in. It holds no signing key. An author whose key the swarm has not certified yet is answered
 * `failed` with code "denied" to head and submit: the orchestrator then submits a lineage entry
 * that certifies it (witness.h).
 */
#ifndef KG_MEMORY_MEMORY_MAIN_H
#define KG_MEMORY_MEMORY_MAIN_H

/* Reads the launch document from KG_LAUNCH_FD and serves until told to stop, until SIGTERM or until
 * the orchestrator is gone; then everything is in git. Returns an exit code. */
int kg_keeper_main(void);

#endif
