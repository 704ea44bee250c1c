/* SPDX-License-Identifier: MIT */
/* How many signed entries per second the collective memory takes in, on this disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/bench_keeper.h"
#include "identity/secret.h"
#include "memory/memory.h"

enum { ENTRIES = 4096, ALONE = 128, BATCH = 64, AUTHORS = 16, SEED = 2 };

typedef struct {
	kg_bench_authors authors;
	kg_memory *memory;
	kg_buf objects[ENTRIES]; /* signed beforehand, each author's in order */
} keeper;

/* Judged, durable, in git and in the index, `batch` at a time. */
static kg_err take_in(keeper *k, int first, int last, int batch)
{
	kg_err err = KG_OK;

	for (int i = first; i < last && err == KG_OK; i++) {
		kg_receipt receipt;

		err = kg_memory_submit(k->memory, &receipt, k->objects[i].data, k->objects[i].size,
				       kg_clock_wall_ms());
		if (err == KG_OK && ((i + 1 - first) % batch == 0 || i + 1 == last)) {
			err = kg_memory_commit(k->memory);
			if (err == KG_OK)
				err = kg_memory_flush(k->memory);
		}
		if (err == KG_OK)
			err = kg_bench_go_on();
	}
	return err;
}

static kg_err put(kg_bench *bench, const char *name, int count, double wall, double cpu,
		  const char *note)
{
	const kg_bench_row row = {.name = name,
				  .value = count / cpu,
				  .wall = count / wall,
				  .unit = "entries/CPU-s",
				  .note = note};

	return kg_bench_put(bench, &row);
}

static kg_err timed(kg_bench *bench, keeper *k, int first, int last, int batch, const char *name)
{
	double wall = kg_bench_wall();
	double cpu = kg_bench_cpu();
	char note[64];
	kg_err err = take_in(k, first, last, batch);

	if (err != KG_OK)
		return err;
	(void)snprintf(note, sizeof(note), "judged, durable, in git and index, %d at a time",
		       batch);
	return put(bench, name, last - first, kg_bench_wall() - wall, kg_bench_cpu() - cpu, note);
}

static kg_err sign_all(kg_bench *bench, keeper *k)
{
	double wall = kg_bench_wall();
	double cpu = kg_bench_cpu();
	kg_err err = KG_OK;

	for (int i = 0; i < ENTRIES && err == KG_OK; i++)
		err = kg_bench_author_write(&k->objects[i], &k->authors, (size_t)i % AUTHORS,
					    kg_clock_wall_ms());
	return err == KG_OK ? put(bench, "entries signed", ENTRIES, kg_bench_wall() - wall,
				  kg_bench_cpu() - cpu, NULL)
			    : err;
}

static kg_err run(kg_bench *bench, keeper *k)
{
	char state[KG_PATH_SIZE];
	kg_err err = kg_path(state, "%s/state", bench->dir);

	if (err == KG_OK)
		err = kg_bench_authors_init(&k->authors, AUTHORS, SEED);
	if (err == KG_OK)
		err = kg_bench_admit(state, &k->authors, kg_clock_wall_ms());
	if (err == KG_OK)
		err = kg_memory_open(&k->memory, state, kg_key_public(k->authors.swarm), NULL,
				     NULL);
	if (err == KG_OK)
		err = sign_all(bench, k);
	if (err == KG_OK)
		err = timed(bench, k, 0, ALONE, 1, "entries taken in");
	if (err == KG_OK)
		err = timed(bench, k, ALONE, ENTRIES, BATCH, "entries taken in");
	return err;
}

static kg_err in_process(kg_bench *bench)
{
	keeper *k = calloc(1, sizeof(*k));
	kg_err err;

	if (k == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %d entries", ENTRIES);
	kg_bench_say("%d signed entries", ENTRIES);
	for (int i = 0; i < ENTRIES; i++)
		kg_buf_init(&k->objects[i], KG_ENTRY_OBJECT_MAX);
	err = run(bench, k);
	kg_memory_free(k->memory);
	kg_bench_authors_release(&k->authors);
	for (int i = 0; i < ENTRIES; i++)
		kg_buf_release(&k->objects[i]);
	free(k);
	return err;
}

kg_err kg_bench_entries(kg_bench *bench)
{
	kg_err err = kg_identity_init();

	if (err == KG_OK)
		err = in_process(bench);
	if (err == KG_OK)
		err = kg_bench_writers(bench);
	return err == KG_OK ? kg_bench_archive(bench) : err;
}
