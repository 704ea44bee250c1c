/* SPDX-License-Identifier: MIT */
#include "runtime/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* A ticket is the number of the run above the next chunk to be done: who comes late with the ticket
 * of an earlier run takes nothing. */
#define CHUNK_BITS 24
#define CHUNK_MASK ((UINT64_C(1) << CHUNK_BITS) - 1)

enum { STACK_SIZE = 512 << 10 };

_Static_assert(KG_TEAM_CHUNKS_MAX < 1 << CHUNK_BITS, "a ticket holds every chunk");

typedef struct {
	kg_team_work *work;
	void *context;
	uint32_t chunks;
} errand;

typedef struct {
	kg_team *team;
	pthread_t thread;
	uint32_t worker;
} helper;

struct kg_team {
	uint32_t threads;
	uint32_t started;      /* helpers */
	_Atomic uint64_t next; /* ticket: run, chunk */
	_Atomic uint32_t done; /* chunks of this run */
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t wake;
	pthread_cond_t finished;
	errand errand;
	uint64_t run;
	bool waiting; /* the caller, for helpers */
	bool leave;
	helper helper[KG_TEAM_THREADS_MAX - 1];
};

/* Does chunks of run `run` until none is left; tells whether it did the one that ended the run. */
static bool take_chunks(kg_team *team, const errand *now, uint64_t run, uint32_t worker)
{
	bool last = false;
	uint64_t ticket = atomic_load_explicit(&team->next, memory_order_relaxed);

	while (ticket >> CHUNK_BITS == run && (ticket & CHUNK_MASK) < now->chunks) {
		if (!atomic_compare_exchange_weak_explicit(&team->next, &ticket, ticket + 1,
							   memory_order_relaxed,
							   memory_order_relaxed))
			continue;
		now->work(now->context, (uint32_t)(ticket & CHUNK_MASK), worker);
		last = atomic_fetch_add_explicit(&team->done, 1, memory_order_acq_rel) + 1 ==
		       now->chunks;
		ticket = atomic_load_explicit(&team->next, memory_order_relaxed);
	}
	return last;
}

static void *help(void *argument)
{
	const helper *me = argument;
	kg_team *team = me->team;
	uint64_t seen = 0;

	(void)pthread_mutex_lock(&team->mutex);
	while (true) {
		errand now;

		while (team->run == seen && !team->leave)
			(void)pthread_cond_wait(&team->wake, &team->mutex);
		if (team->leave)
			break;
		seen = team->run;
		now = team->errand;
		(void)pthread_mutex_unlock(&team->mutex);
		bool last = take_chunks(team, &now, seen, me->worker);

		(void)pthread_mutex_lock(&team->mutex);
		if (last && team->waiting)
			(void)pthread_cond_signal(&team->finished);
	}
	(void)pthread_mutex_unlock(&team->mutex);
	return NULL;
}

static kg_err start(kg_team *team)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;
	int error = pthread_attr_init(&attributes);

	if (error != 0)
		return kg_fail(KG_ENOMEM, "no memory for threads");
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (error == 0 && team->started + 1 < team->threads) {
		helper *next = &team->helper[team->started];

		*next = (helper){.team = team, .worker = team->started + 1};
		error = pthread_create(&next->thread, &attributes, help, next);
		if (error == 0)
			team->started++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (error != 0)
		return kg_fail(KG_ENOMEM, "the system gives no thread %u", team->started + 2);
	return KG_OK;
}

kg_err kg_team_new(kg_team **out, uint32_t threads)
{
	kg_team *team;
	kg_err err;

	if (threads < 1 || threads > KG_TEAM_THREADS_MAX)
		return kg_fail(KG_EINVAL, "%u threads: 1..%d are allowed", threads,
			       KG_TEAM_THREADS_MAX);
	team = calloc(1, sizeof(*team));
	if (team == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a team");
	team->threads = threads;
	(void)pthread_mutex_init(&team->mutex, NULL);
	(void)pthread_cond_init(&team->wake, NULL);
	(void)pthread_cond_init(&team->finished, NULL);
	err = start(team);
	if (err != KG_OK) {
		kg_team_free(team);
		return err;
	}
	*out = team;
	return KG_OK;
}

void kg_team_free(kg_team *team)
{
	if (team == NULL)
		return;
	(void)pthread_mutex_lock(&team->mutex);
	team->leave = true;
	(void)pthread_cond_broadcast(&team->wake);
	(void)pthread_mutex_unlock(&team->mutex);
	for (uint32_t i = 0; i < team->started; i++)
		(void)pthread_join(team->helper[i].thread, NULL);
	(void)pthread_cond_destroy(&team->finished);
	(void)pthread_cond_destroy(&team->wake);
	(void)pthread_mutex_destroy(&team->mutex);
	free(team);
}

uint32_t kg_team_threads(const kg_team *team)
{
	return team->threads;
}

void kg_team_run(kg_team *team, kg_team_work *work, void *context, uint32_t chunks)
{
	errand now = {.work = work, .context = context, .chunks = chunks};

	KG_ASSERT(chunks <= KG_TEAM_CHUNKS_MAX);
	if (team->threads == 1 || chunks < 2) {
		for (uint32_t i = 0; i < chunks; i++)
			work(context, i, 0);
		return;
	}
	(void)pthread_mutex_lock(&team->mutex);
	team->errand = now;
	team->run++;
	atomic_store_explicit(&team->done, 0, memory_order_relaxed);
	atomic_store_explicit(&team->next, team->run << CHUNK_BITS, memory_order_relaxed);
	(void)pthread_cond_broadcast(&team->wake);
	(void)pthread_mutex_unlock(&team->mutex);
	(void)take_chunks(team, &now, team->run, 0);
	if (atomic_load_explicit(&team->done, memory_order_acquire) == chunks)
		return;
	(void)pthread_mutex_lock(&team->mutex);
	team->waiting = true;
	while (atomic_load_explicit(&team->done, memory_order_acquire) != chunks)
		(void)pthread_cond_wait(&team->finished, &team->mutex);
	team->waiting = false;
	(void)pthread_mutex_unlock(&team->mutex);
}
