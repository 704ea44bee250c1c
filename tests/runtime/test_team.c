/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/team.h"

enum { CHUNKS_MAX = 300, RUNS = 2000 };

typedef struct {
	uint32_t threads;
	uint32_t plain[CHUNKS_MAX]; /* how often a chunk was done: no atomics, as real work is */
	_Atomic int busy[KG_TEAM_THREADS_MAX];
	_Atomic int failures;
} tally;

static void count(void *context, uint32_t chunk, uint32_t worker)
{
	tally *all = context;

	if (worker >= all->threads || atomic_fetch_add(&all->busy[worker], 1) != 0)
		atomic_fetch_add(&all->failures, 1);
	all->plain[chunk]++;
	atomic_fetch_sub(&all->busy[worker], 1);
}

static void test_run__does_every_chunk_once_and_shows_it(void **state)
{
	static const uint32_t threads[] = {1, 2, 3, 4, 17};

	(void)state;
	for (size_t i = 0; i < sizeof(threads) / sizeof(*threads); i++) {
		kg_team *team;

		assert_int_equal(kg_team_new(&team, threads[i]), KG_OK);
		assert_int_equal(kg_team_threads(team), threads[i]);
		for (uint32_t run = 0; run < RUNS; run++) {
			uint32_t chunks = run % 7 == 0 ? run % CHUNKS_MAX : run % 5;
			tally all = {.threads = threads[i]};

			kg_team_run(team, count, &all, chunks);
			for (uint32_t c = 0; c < CHUNKS_MAX; c++)
				assert_int_equal(all.plain[c], c < chunks);
			assert_int_equal(all.failures, 0);
		}
		kg_team_free(team);
	}
}

/* A chunk ends when all have begun: one thread alone waits in vain. */
typedef struct {
	pthread_mutex_t mutex;
	pthread_cond_t all_here;
	uint32_t begun;
	uint32_t wanted;
	bool in_vain;
} meeting;

static void meet(void *context, uint32_t chunk, uint32_t worker)
{
	meeting *m = context;
	struct timespec deadline;

	(void)chunk;
	(void)worker;
	(void)clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 20;
	(void)pthread_mutex_lock(&m->mutex);
	if (++m->begun == m->wanted)
		(void)pthread_cond_broadcast(&m->all_here);
	while (m->begun < m->wanted && !m->in_vain)
		m->in_vain = pthread_cond_timedwait(&m->all_here, &m->mutex, &deadline) != 0;
	(void)pthread_mutex_unlock(&m->mutex);
}

static void test_run__is_shared_by_all_threads(void **state)
{
	(void)state;
	for (uint32_t threads = 2; threads <= 4; threads++) {
		meeting m = {.mutex = PTHREAD_MUTEX_INITIALIZER,
			     .all_here = PTHREAD_COND_INITIALIZER,
			     .wanted = threads};
		kg_team *team;

		assert_int_equal(kg_team_new(&team, threads), KG_OK);
		kg_team_run(team, meet, &m, threads);
		assert_int_equal(m.begun, threads);
		assert_false(m.in_vain);
		kg_team_free(team);
	}
}

static void test_new__has_limits(void **state)
{
	kg_team *team = NULL;

	(void)state;
	assert_int_equal(kg_team_new(&team, 0), KG_EINVAL);
	assert_int_equal(kg_team_new(&team, KG_TEAM_THREADS_MAX + 1), KG_EINVAL);
	assert_null(team);
	assert_int_equal(kg_team_new(&team, KG_TEAM_THREADS_MAX), KG_OK);
	kg_team_free(team);
	kg_team_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run__does_every_chunk_once_and_shows_it),
		cmocka_unit_test(test_run__is_shared_by_all_threads),
		cmocka_unit_test(test_new__has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
