/* SPDX-License-Identifier: MIT */
/* reindex: throws the search index away and makes it again from git. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/similar.h"
#include "cli/writing.h"
#include "identity/keyring.h"
#include "memory/chain.h"
#include "memory/memory.h"
#include "orchestrator/runfile.h"

/* A keeper makes its index anew when the file is gone; asking it something waits for that. */
static kg_err reindex_live(const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	kg_writing *writing = NULL;
	kg_swarm *swarm = NULL;
	kg_err closed;
	kg_err err = kg_passphrase_open_swarm(&swarm, cli);

	if (err == KG_OK)
		err = kg_writing_open(&writing, cli, swarm);
	if (err == KG_OK)
		err = kg_path(path, "%s/index.sqlite", cli->state_dir);
	if (err == KG_OK)
		err = kg_index_remove(path);
	if (err == KG_OK && kg_writing_is_live(writing))
		err = kg_writing_touch_index(writing);
	closed = kg_writing_close(writing);
	kg_swarm_free(swarm);
	return err == KG_OK ? closed : err;
}

/* ---- without a swarm ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static bool tell(void *payload, uint64_t steps)
{
	kg_progress_step(payload, steps, NULL);
	return interrupted == 0;
}

/* Every entry is read, and put in its place: two steps. */
static uint64_t count_steps(const kg_admit *admit)
{
	uint64_t steps = 0;

	for (size_t i = 0; i < admit->count; i++)
		steps += 2 * admit->chains[i].head.sequence;
	return steps;
}

static kg_err fill(const kg_cli *cli, const kg_pubkey *swarm, const char *path)
{
	kg_progress progress;
	kg_store *store = NULL;
	kg_index *index = NULL;
	kg_admit admit = {0};
	kg_err err = kg_store_open(&store, cli->state_dir);

	if (err == KG_ENOTFOUND)
		return kg_fail(KG_ENOTFOUND, "nothing has been remembered in %s", cli->state_dir);
	if (err == KG_OK)
		err = kg_admit_init(&admit, swarm, 0);
	if (err == KG_OK)
		err = kg_chain_load(&admit, store);
	if (err == KG_OK)
		err = kg_index_open(&index, path, true);
	if (err == KG_OK) {
		kg_progress_start(&progress, "indexing", count_steps(&admit));
		kg_index_watch(index, tell, &progress);
		err = kg_chain_fill_index(&admit, store, index, true);
		kg_progress_end(&progress);
	}
	kg_index_free(index);
	kg_admit_release(&admit);
	kg_store_free(store);
	return err;
}

/* The new one is made beside the old one, which stays when this is stopped on the way. */
static kg_err replace(const kg_cli *cli, const kg_pubkey *swarm)
{
	char path[KG_PATH_SIZE];
	char made[KG_PATH_SIZE];
	kg_err ignored;
	kg_err err = kg_path(path, "%s/index.sqlite", cli->state_dir);

	if (err == KG_OK)
		err = kg_path(made, "%s/index.sqlite.new", cli->state_dir);
	if (err == KG_OK)
		err = kg_index_remove(made);
	if (err != KG_OK)
		return err;
	err = fill(cli, swarm, made);
	if (err == KG_OK)
		err = kg_index_remove(path);
	if (err == KG_OK && rename(made, path) != 0)
		err = kg_fail_errno(errno, "%s", path);
	if (err != KG_OK) {
		ignored = kg_index_remove(made);
		(void)ignored;
	}
	return err;
}

static kg_err reindex_here(const kg_cli *cli)
{
	struct sigaction action = {.sa_handler = on_signal};
	kg_keyring_public public;
	int lock = -1;
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err == KG_OK)
		err = kg_offline_lock(&lock, cli);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	if (err == KG_OK)
		err = replace(cli, &public.swarm);
	if (lock >= 0)
		(void)close(lock);
	/* What only the journal has yet. */
	if (err == KG_OK)
		err = kg_offline_settle(cli, &public.swarm);
	return err;
}

/* The vectors of entries that have none. */
static kg_err make_vectors(uint64_t *made, kg_reading *reading, const kg_cli *cli,
			   const char *model)
{
	kg_similar *similar = NULL;
	kg_err err = kg_similar_open(&similar, cli, reading, model);

	if (err == KG_OK)
		err = kg_similar_fill(similar, made);
	kg_similar_free(similar);
	return err;
}

static bool is_running(const kg_cli *cli)
{
	kg_runfile *run = calloc(1, sizeof(*run));
	bool running = run != NULL && kg_runfile_read(run, cli->state_dir) == KG_OK;

	free(run);
	return running;
}

typedef struct {
	const char *model;
	bool vectors;
	bool json;
} options;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"json", no_argument, NULL, 'j'},
					      {"vectors", no_argument, NULL, 'v'},
					      {"model", required_argument, NULL, 'm'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'j')
			o->json = true;
		else if (letter == 'v')
			o->vectors = true;
		else if (letter == 'm')
			o->model = optarg;
		else
			return kg_cli_unknown(&kg_cmd_reindex, known, letter, argv);
	}
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_reindex, "what is '%s'?", argv[optind]);
	if (o->model != NULL && !o->vectors)
		return kg_cli_usage(&kg_cmd_reindex, "--model goes with --vectors");
	return KG_EXIT_YES;
}

static void print(const options *o, uint64_t entries, uint64_t made)
{
	if (o->json && o->vectors)
		printf("{\"entries\":%llu,\"vectors\":%llu}\n", (unsigned long long)entries,
		       (unsigned long long)made);
	else if (o->json)
		printf("{\"entries\":%llu}\n", (unsigned long long)entries);
	else if (o->vectors)
		printf("%llu vectors made\n", (unsigned long long)made);
	else
		printf("%llu entries indexed\n", (unsigned long long)entries);
}

int kg_cmd_reindex_run(kg_cli *cli, int argc, char **argv)
{
	kg_reading reading;
	uint64_t entries = 0;
	uint64_t made = 0;
	options o;
	int code = parse(&o, argc, argv);
	kg_err err = KG_OK;

	if (code != KG_EXIT_YES)
		return code;
	if (!o.vectors)
		err = is_running(cli) ? reindex_live(cli) : reindex_here(cli);
	if (err == KG_OK)
		err = kg_reading_open(&reading, cli);
	if (err == KG_OK) {
		err = kg_index_count(reading.index, &entries);
		if (err == KG_OK && o.vectors)
			err = make_vectors(&made, &reading, cli, o.model);
		kg_reading_close(&reading);
	}
	if (err != KG_OK) {
		(void)kg_cli_trouble("reindex");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	print(&o, entries, made);
	return KG_EXIT_YES;
}
