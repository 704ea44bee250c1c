/* SPDX-License-Identifier: MIT */
/*
 * team – helper threads that take chunks of a caller's work.
 *
 * A run is a number of chunks that anyone may do in any order. The caller does them too: it wakes
 * the helpers, goes on by itself, and waits at the end only for chunks that a helper has already
 * begun. So a run ends as soon as the caller alone would end it, however busy the machine is. Those
 * who wait sleep; nobody spins. One run at a time, from one thread.
 */
#ifndef KG_RUNTIME_TEAM_H
#define KG_RUNTIME_TEAM_H

#include <stdint.h>

#include "base/err.h"

enum {
	KG_TEAM_THREADS_MAX = 64,
	KG_TEAM_CHUNKS_MAX = 1 << 20,
};

typedef struct kg_team kg_team;

/* Does chunk `chunk`. `worker` < threads tells apart those who work at the same time: room of its
 * own for each of them; the caller is 0. */
typedef void kg_team_work(void *context, uint32_t chunk, uint32_t worker);

/* A caller and `threads` - 1 helpers, 1..KG_TEAM_THREADS_MAX. Signals are blocked in helpers.
 * KG_EINVAL, KG_ENOMEM when there is no memory or the system gives no thread. */
KG_NODISCARD kg_err kg_team_new(kg_team **out, uint32_t threads);
void kg_team_free(kg_team *team);

uint32_t kg_team_threads(const kg_team *team);

/* Chunks 0..chunks-1, at most KG_TEAM_CHUNKS_MAX; all are done at return, and what they wrote is
 * seen by the caller. */
void kg_team_run(kg_team *team, kg_team_work *work, void *context, uint32_t chunks);

#endif
