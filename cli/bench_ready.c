/* SPDX-License-Identifier: MIT */
/* From nothing to a swarm in which every agent has answered. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/bench.h"

/* It says that it is ready, and runs until it is told to end. */
static kg_err await_ready(double *ready_s, const kg_bench_child *child)
{
	char word[64];
	ssize_t got;

	do
		got = read(child->out, word, sizeof(word));
	while (got < 0 && errno == EINTR && kg_bench_go_on() == KG_OK);
	*ready_s = kg_bench_wall() - child->started;
	return got > 0 ? KG_OK : kg_fail(KG_EIO, "the swarm ended before it was ready");
}

static kg_err up_and_down(kg_bench *bench, uint32_t agents, const char *state)
{
	char count[16];
	const char *argv[] = {bench->program, "--state", state, "up", "--http",
			      "off",          "-n",      count, NULL};
	kg_bench_child child;
	kg_bench_usage usage;
	kg_bench_row row = {.name = "swarm ready", .shape = "nursery", .unit = "ms"};
	char note[64];
	double ready_s = 0.0;
	kg_err err;
	kg_err ended;

	(void)snprintf(count, sizeof(count), "%u", agents);
	err = kg_bench_child_start(&child, bench, argv, true);
	if (err != KG_OK)
		return err;
	err = await_ready(&ready_s, &child);
	(void)kill(child.pid, SIGTERM);
	ended = kg_bench_child_wait(&usage, &child, NULL, 0);
	if (err == KG_OK || ended == KG_EIO)
		err = ended;
	if (err != KG_OK)
		return err;
	(void)snprintf(note, sizeof(note), "%u agent%s from nothing; %.0f CPU-ms to its end",
		       agents, agents == 1 ? "" : "s", 1e3 * usage.cpu_s);
	row.value = 1e3 * ready_s;
	row.note = note;
	return kg_bench_put(bench, &row);
}

kg_err kg_bench_ready(kg_bench *bench)
{
	static const uint32_t sizes[] = {1, 8};
	kg_err err = KG_OK;

	kg_bench_say("swarms");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && err == KG_OK; i++) {
		char state[KG_PATH_SIZE];

		err = kg_path(state, "%s/swarm-%u", bench->dir, sizes[i]);
		if (err == KG_OK)
			err = up_and_down(bench, sizes[i], state);
	}
	return err;
}
