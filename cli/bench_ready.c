/* SPDX-License-Identifier: MIT */
/* From nothing to a swarm in which every agent has answered. */
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"

static kg_err command(kg_bench_usage *usage, const kg_bench *bench, const char *const argv[])
{
	kg_bench_child child;
	kg_err err = kg_bench_child_start(&child, bench, argv, false);

	return err == KG_OK ? kg_bench_child_wait(usage, &child, NULL, 0) : err;
}

static kg_err up_and_down(kg_bench *bench, uint32_t agents, const char *state)
{
	char count[16];
	const char *up[] = {bench->program, "--state", state, "up",       "--http",
			    "off",          "-n",      count, "--detach", NULL};
	const char *down[] = {bench->program, "--state", state, "down", NULL};
	kg_bench_usage usage;
	kg_bench_usage end;
	kg_bench_row row = {.name = "swarm ready", .shape = "nursery", .unit = "ms"};
	char note[32];
	kg_err err;

	(void)snprintf(count, sizeof(count), "%u", agents);
	err = command(&usage, bench, up);
	if (err == KG_OK)
		err = command(&end, bench, down);
	if (err != KG_OK)
		return err;
	(void)snprintf(note, sizeof(note), "%u agent%s, from nothing", agents,
		       agents == 1 ? "" : "s");
	row.value = 1e3 * usage.wall_s;
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
