/* SPDX-License-Identifier: MIT */
/* log: one chain read from git, or all entries by time; newest first. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "memory/chain.h"
#include "memory/view.h"

enum { LIMIT_DEFAULT = KG_INDEX_LIMIT_MAX };

typedef struct {
	kg_cli *cli;
	kg_reading *reading;
	const kg_pubkey *agent;
	json_t *entries; /* NULL: print */
	uint64_t left;
} walk;

static void show(walk *w, const kg_entry *entry, const kg_entry_proof *proof, bool verified)
{
	kg_entry_id origin;
	bool marked = false;
	json_t *view;

	if (w->entries == NULL) {
		kg_reading_print(w->cli, w->reading, entry, proof, verified, false);
		return;
	}
	view = kg_view_entry(entry, proof, verified);
	/* An index that cannot be read tells of no quarantine; verify needs none. */
	if (kg_index_mark_of(w->reading->index, &marked, &origin, &proof->id) != KG_OK)
		marked = false;
	kg_view_mark(view, marked, &origin, &proof->id);
	(void)json_array_append_new(w->entries, view);
}

static kg_err visit(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
		    bool verified, bool *stop)
{
	walk *w = payload;
	bool may = kg_admit_author(&w->reading->admit, entry, NULL) == KG_OK;

	show(w, entry, proof, verified && may && kg_pubkey_equal(&entry->agent, w->agent));
	*stop = --w->left == 0;
	return KG_OK;
}

static kg_err log_chain(walk *w, const char *name)
{
	kg_pubkey agent;
	kg_commit tip;
	kg_err err = kg_reading_agent(w->reading, &agent, name);

	if (err == KG_OK)
		err = kg_store_tip(w->reading->store, &tip, &agent);
	if (err == KG_ENOTFOUND)
		return kg_fail(KG_ENOTFOUND, "no entries of \"%.80s\"", name);
	if (err != KG_OK)
		return err;
	w->agent = &agent;
	err = kg_chain_walk(w->reading->store, &tip, visit, w);
	w->agent = NULL;
	return err;
}

static kg_err log_all(walk *w)
{
	kg_index_filter filter = {.limit = (size_t)w->left, .marked_too = true};
	kg_index_rows rows = {0};
	kg_err err = kg_reading_recall(w->reading, &rows, &filter);

	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < rows.count; i++)
		show(w, &rows.rows[i].entry, &rows.rows[i].proof, rows.rows[i].verified);
	kg_index_rows_release(&rows);
	return KG_OK;
}

static int print_log(kg_cli *cli, const char *agent, uint64_t limit, bool json)
{
	kg_reading reading = {0};
	walk w = {.cli = cli, .reading = &reading, .left = limit};
	kg_err err = kg_reading_open(&reading, cli);

	if (json)
		w.entries = json_array();
	if (err == KG_OK)
		err = agent != NULL ? log_chain(&w, agent) : log_all(&w);
	kg_reading_close(&reading);
	if (json && (err == KG_OK || err == KG_ENOTFOUND)) {
		json_t *document = json_pack("{s:O}", "entries", w.entries);

		kg_json_print(document, true);
		json_decref(document);
	}
	json_decref(w.entries);
	if (err == KG_OK)
		return KG_EXIT_YES;
	(void)kg_cli_trouble("log");
	return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}

int kg_cmd_log_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"limit", required_argument, NULL, 'l'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	uint64_t limit = LIMIT_DEFAULT;
	bool json = false;
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "n:", known, NULL)) != -1) {
		if (letter == 'j')
			json = true;
		else if (letter != 'l' && letter != 'n')
			return kg_cli_unknown(&kg_cmd_log, known, letter, argv);
		else if (kg_cli_u64(&limit, "--limit", optarg, 1, KG_INDEX_LIMIT_MAX) != KG_OK)
			return kg_cli_usage(&kg_cmd_log, "%s", kg_err_text());
	}
	if (argc - optind > 1)
		return kg_cli_usage(&kg_cmd_log, "at most one agent");
	return print_log(cli, optind < argc ? argv[optind] : NULL, limit, json);
}
