/* SPDX-License-Identifier: MIT */
/* export: the memory, or what is new since an entry, as a bundle of git. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "memory/bundle.h"
#include "memory/chain.h"

typedef struct {
	const char *path;
	const char *since;
	bool json;
} options;

typedef struct {
	kg_reading reading;
	kg_store_refs refs;
	kg_bundle_chain *chains;
	size_t chain_count;
	kg_store_ref *others;
	size_t other_count;
	bool bounded; /* only what is later than … */
	int64_t time_ms;
	uint16_t time_counter;
	kg_progress progress;
} work;

/* The newest entry that is not later than the bound. */
typedef struct {
	const work *work;
	kg_bundle_chain *chain;
} base_search;

static kg_err base_visit(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
			 bool verified, bool *stop)
{
	base_search *s = payload;
	const work *w = s->work;

	(void)verified;
	if (entry->time_ms > w->time_ms ||
	    (entry->time_ms == w->time_ms && entry->time_counter > w->time_counter))
		return KG_OK;
	s->chain->has_base = true;
	s->chain->base = proof->commit;
	*stop = true;
	return KG_OK;
}

static kg_err add(work *w, const kg_store_ref *ref)
{
	kg_bundle_chain *chain = &w->chains[w->chain_count];
	base_search search = {w, chain};

	if (ref->kind != KG_STORE_CHAIN) {
		/* Proofs and sealed content are few, and nobody knows when they came. */
		if (ref->kind != KG_STORE_STRAY)
			w->others[w->other_count++] = *ref;
		return KG_OK;
	}
	*chain = (kg_bundle_chain){.agent = ref->agent, .tip = ref->commit};
	w->chain_count++;
	return w->bounded ? kg_chain_walk(w->reading.store, &ref->commit, base_visit, &search)
			  : KG_OK;
}

static kg_err set_bound(work *w, const char *text)
{
	kg_entry_proof proof;
	kg_commit commit;
	kg_entry entry;
	bool verified = false;
	kg_err err;

	if (text == NULL)
		return KG_OK;
	err = kg_reading_commit(&w->reading, &commit, text);
	if (err == KG_OK)
		err = kg_chain_read(w->reading.store, &entry, &proof, &verified, &commit);
	if (err != KG_OK)
		return err;
	w->bounded = true;
	w->time_ms = entry.time_ms;
	w->time_counter = entry.time_counter;
	kg_entry_release(&entry);
	return KG_OK;
}

static kg_err collect(work *w, const options *o)
{
	kg_err err = set_bound(w, o->since);

	if (err == KG_OK)
		err = kg_store_refs_read(w->reading.store, &w->refs);
	w->chains = calloc(w->refs.count + 1, sizeof(w->chains[0]));
	w->others = calloc(w->refs.count + 1, sizeof(w->others[0]));
	if (err == KG_OK && (w->chains == NULL || w->others == NULL))
		err = kg_fail(KG_ENOMEM, "no memory for refs");
	for (size_t i = 0; err == KG_OK && i < w->refs.count; i++)
		if (w->refs.refs[i].has_commit)
			err = add(w, &w->refs.refs[i]);
	return err;
}

static bool on_step(void *payload, uint64_t done, uint64_t total)
{
	(void)total;
	kg_progress_step(payload, done, NULL);
	return true;
}

static kg_err export_bundle(const kg_cli *cli, const options *o, uint64_t *objects, size_t *chains)
{
	work w = {0};
	kg_err err = kg_reading_open(&w.reading, cli);

	if (err != KG_OK)
		return err;
	kg_progress_start(&w.progress, "exporting", 0);
	err = collect(&w, o);
	if (err == KG_OK) {
		const kg_bundle_content content = {
			.chains = w.chains,
			.chain_count = w.chain_count,
			.others = w.others,
			.other_count = w.other_count,
			.head = &w.reading.swarm,
		};

		err = kg_bundle_write(w.reading.store, o->path, &content, objects, on_step,
				      &w.progress);
	}
	kg_progress_end(&w.progress);
	*chains = w.chain_count;
	free(w.chains);
	free(w.others);
	kg_store_refs_release(&w.refs);
	kg_reading_close(&w.reading);
	return err;
}

int kg_cmd_export_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"since", required_argument, NULL, 's'},
					      {"all", no_argument, NULL, 'a'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	options o = {0};
	uint64_t objects = 0;
	size_t chains = 0;
	bool all = false;
	int letter;
	kg_err err;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 's')
			o.since = optarg;
		else if (letter == 'a')
			all = true;
		else if (letter == 'j')
			o.json = true;
		else
			return kg_cli_unknown(&kg_cmd_export, known, letter, argv);
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_export, "one file is needed");
	if (all && o.since != NULL)
		return kg_cli_usage(&kg_cmd_export, "--since and --all exclude each other");
	o.path = argv[optind];
	if (strcmp(o.path, "-") == 0)
		return kg_cli_usage(&kg_cmd_export, "a bundle goes into a file, not to a pipe");
	err = export_bundle(cli, &o, &objects, &chains);
	if (err != KG_OK) {
		(void)kg_cli_trouble("export");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	if (o.json)
		printf("{\"objects\":%llu,\"chains\":%zu}\n", (unsigned long long)objects, chains);
	else
		printf("%s: %llu objects of %zu chain%s\n", o.path, (unsigned long long)objects,
		       chains, chains == 1 ? "" : "s");
	return KG_EXIT_YES;
}
