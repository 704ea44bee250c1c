/* SPDX-License-Identifier: MIT */
/* How many signed entries per second the collective memory takes in, on this disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/bench.h"
#include "identity/secret.h"
#include "memory/memory.h"
#include "memory/witness.h"

enum { ENTRIES = 2048, ALONE = 128, BATCH = 64 };

typedef struct {
	kg_key *swarm;
	kg_key *agent;
	kg_memory *memory;
	kg_buf objects[ENTRIES]; /* signed beforehand, each the successor of the one before */
	kg_chain_head head;
} keeper;

/* The lineage entry by which the swarm lets the agent write. */
static kg_err admit_agent(keeper *k)
{
	kg_entry_member member = {.agent = *kg_key_public(k->agent), .name = "agent-0"};
	const kg_chain_head none = {0};
	kg_receipt receipt;
	kg_entry entry;
	kg_buf object;
	kg_err err = kg_membership_make(&entry, k->swarm, &none, &member, 1, kg_clock_wall_ms());

	if (err != KG_OK)
		return err;
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_entry_sign(&object, NULL, &entry, k->swarm, NULL);
	if (err == KG_OK)
		err = kg_memory_submit(k->memory, &receipt, object.data, object.size,
				       kg_clock_wall_ms());
	kg_buf_release(&object);
	kg_entry_release(&entry);
	return err;
}

static kg_err sign_next(keeper *k, kg_buf *object, int number)
{
	char text[128];
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err;

	kg_entry_init(&entry, KG_ENTRY_INSIGHT);
	(void)snprintf(text, sizeof(text),
		       "insight number %d: what is measured says more than what is hoped for",
		       number);
	err = kg_entry_set_text(&entry, text, strlen(text));
	kg_entry_set_confidence(&entry, 0.9);
	kg_entry_set_level(&entry, 0.8);
	if (err == KG_OK)
		err = kg_entry_place(&entry, kg_key_public(k->swarm), k->agent, "agent-0", &k->head,
				     kg_clock_wall_ms());
	if (err == KG_OK)
		err = kg_entry_sign(object, &proof, &entry, k->agent,
				    k->head.sequence > 0 ? &k->head.commit : NULL);
	if (err == KG_OK)
		k->head = (kg_chain_head){entry.sequence, entry.time_ms, entry.time_counter,
					  proof.commit};
	kg_entry_release(&entry);
	return err;
}

/* Judged, durable, in git and in the index, `batch` at a time, as the keeper does it. */
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

static kg_err run(kg_bench *bench, keeper *k)
{
	char state[KG_PATH_SIZE];
	double cpu;
	double wall;
	kg_err err = kg_identity_init();

	if (err == KG_OK)
		err = kg_path(state, "%s/state", bench->dir);
	if (err == KG_OK)
		err = kg_fs_mkdirs(state, 0700);
	if (err == KG_OK)
		err = kg_key_generate(&k->swarm);
	if (err == KG_OK)
		err = kg_key_generate(&k->agent);
	if (err == KG_OK)
		err = kg_memory_open(&k->memory, state, kg_key_public(k->swarm), NULL, NULL);
	if (err == KG_OK)
		err = admit_agent(k);
	wall = kg_bench_wall();
	cpu = kg_bench_cpu();
	for (int i = 0; i < ENTRIES && err == KG_OK; i++)
		err = sign_next(k, &k->objects[i], i);
	if (err == KG_OK)
		err = put(bench, "entries signed", ENTRIES, kg_bench_wall() - wall,
			  kg_bench_cpu() - cpu, NULL);
	if (err == KG_OK)
		err = timed(bench, k, 0, ALONE, 1, "entries taken in");
	if (err == KG_OK)
		err = timed(bench, k, ALONE, ENTRIES, BATCH, "entries taken in");
	return err;
}

kg_err kg_bench_entries(kg_bench *bench)
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
	kg_key_free(k->agent);
	kg_key_free(k->swarm);
	for (int i = 0; i < ENTRIES; i++)
		kg_buf_release(&k->objects[i]);
	free(k);
	return err;
}
