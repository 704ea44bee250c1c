/* SPDX-License-Identifier: MIT */
/* reindex: throws the search index away and makes it again from git. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/writing.h"
#include "identity/keyring.h"
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

static kg_err reindex_here(const kg_cli *cli)
{
	kg_keyring_public public;
	kg_memory *memory = NULL;
	uint64_t entries;
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err == KG_OK)
		err = kg_memory_open(&memory, cli->state_dir, &public.swarm, NULL, NULL);
	if (err == KG_OK)
		err = kg_memory_reindex(memory, &entries);
	if (err == KG_OK)
		err = kg_memory_settle(memory);
	kg_memory_free(memory);
	return err;
}

static bool is_running(const kg_cli *cli)
{
	kg_runfile *run = calloc(1, sizeof(*run));
	bool running = run != NULL && kg_runfile_read(run, cli->state_dir) == KG_OK;

	free(run);
	return running;
}

int kg_cmd_reindex_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	kg_reading reading;
	uint64_t entries = 0;
	bool json = false;
	int letter;
	kg_err err;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter != 'j')
			return kg_cli_unknown(&kg_cmd_reindex, known, letter, argv);
		json = true;
	}
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_reindex, "what is '%s'?", argv[optind]);
	err = is_running(cli) ? reindex_live(cli) : reindex_here(cli);
	if (err == KG_OK)
		err = kg_reading_open(&reading, cli);
	if (err == KG_OK) {
		err = kg_index_count(reading.index, &entries);
		kg_reading_close(&reading);
	}
	if (err != KG_OK)
		return kg_cli_trouble("reindex");
	if (json)
		printf("{\"entries\":%llu}\n", (unsigned long long)entries);
	else
		printf("%llu entries indexed\n", (unsigned long long)entries);
	return KG_EXIT_YES;
}
