/* SPDX-License-Identifier: MIT */
/* import: memory out of a bundle, judged like that of any remote. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/apart.h"
#include "cli/commands.h"
#include "cli/import_mmogit.h"
#include "cli/syncing.h"
#include "cli/taking.h"
#include "memory/bundle.h"

#define QUARANTINE "bundle"

typedef struct {
	const kg_cli *cli;
	const char *path;
	kg_incoming_limits limits;
	kg_apart_limits apart;
	kg_taking taking;
} work;

/* Header and pack, apart: what comes of it lies in the quarantine. */
static kg_err unpack(kg_apart *apart, void *payload)
{
	work *w = payload;
	kg_incoming *incoming = NULL;
	kg_bundle bundle = {0};
	kg_map map = {0};
	kg_buf text;
	char path[KG_PATH_SIZE];
	kg_err err = kg_map_open(&map, w->path);

	kg_buf_init(&text, KG_BUNDLE_HEADER_MAX);
	if (err == KG_OK)
		err = kg_bundle_parse(&bundle, map.data, map.size);
	if (err == KG_OK)
		err = kg_incoming_create(&incoming, w->cli->state_dir, QUARANTINE);
	if (err == KG_OK)
		err = kg_bundle_unpack(incoming, &bundle, map.data, map.size, &w->limits,
				       kg_apart_step, apart);
	if (err != KG_OK && map.data != NULL)
		err = kg_fail_context(err, "%.200s", w->path);
	if (err == KG_OK) {
		kg_offers_put(&text, &bundle.offers);
		err = kg_buf_ok(&text);
	}
	if (err == KG_OK)
		err = kg_path(path, "%s/incoming/" QUARANTINE ".git/offers", w->cli->state_dir);
	if (err == KG_OK)
		err = kg_fs_write(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	kg_incoming_free(incoming);
	kg_bundle_release(&bundle);
	kg_map_close(&map);
	return err;
}

static kg_err read_offers(kg_offers *offers, const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = kg_path(path, "%s/incoming/" QUARANTINE ".git/offers", cli->state_dir);

	kg_buf_init(&text, KG_BUNDLE_HEADER_MAX);
	if (err == KG_OK)
		err = kg_fs_read(&text, path);
	if (err == KG_OK)
		err = kg_offers_parse(offers, text.data, text.size);
	kg_buf_release(&text);
	return err;
}

static kg_err take(work *w)
{
	kg_incoming *incoming = NULL;
	kg_offers offers = {0};
	kg_err err = read_offers(&offers, w->cli);

	if (err == KG_OK)
		err = kg_incoming_open(&incoming, w->cli->state_dir, QUARANTINE);
	if (err == KG_OK)
		err = kg_taking_judge(&w->taking, w->cli, incoming, &offers, NULL, 0);
	if (err == KG_OK)
		err = kg_taking_take(&w->taking, w->cli, incoming);
	kg_incoming_free(incoming);
	kg_offers_release(&offers);
	return err;
}

/* One import at a time: they share a quarantine. */
static kg_err import_bundle(work *w)
{
	char path[KG_PATH_SIZE];
	int lock = -1;
	kg_err removed;
	kg_err err = kg_path(path, "%s/run", w->cli->state_dir);

	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = kg_path(path, "%s/run/import.lock", w->cli->state_dir);
	if (err == KG_OK)
		err = kg_fs_lock(&lock, path);
	if (err == KG_ECONFLICT)
		err = kg_fail(err, "another import is on its way here");
	if (err != KG_OK)
		return err;
	kg_taking_limits(&w->limits, &w->apart, w->cli);
	err = kg_apart_run(unpack, w, &w->apart, "unpacking", NULL, NULL);
	if (err == KG_OK)
		err = take(w);
	removed = kg_incoming_remove(w->cli->state_dir, QUARANTINE);
	(void)close(lock);
	return err == KG_OK ? removed : err;
}

static void print_result(const work *w, bool json, bool ok)
{
	json_t *document;

	if (!json) {
		printf("%llu new entr%s taken from %s\n", (unsigned long long)w->taking.taken,
		       w->taking.taken == 1 ? "y" : "ies", w->path);
		return;
	}
	document = json_pack("{s:b}", "ok", ok);
	kg_taking_put_json(document, &w->taking);
	kg_json_print(document, true);
	json_decref(document);
}

static int run_bundle(const kg_cli *cli, const char *path, bool json)
{
	work w = {.cli = cli, .path = path};
	kg_err err = import_bundle(&w);
	bool ok;

	if (err != KG_OK) {
		kg_taking_release(&w.taking);
		return kg_cli_trouble("import");
	}
	ok = kg_judgement_worst(&w.taking.judged) == NULL && w.taking.refused == 0 &&
	     !kg_taking_is_foreign(&w.taking);
	print_result(&w, json, ok);
	kg_taking_print_findings(&w.taking);
	if (w.taking.judged.stranger_count > 0)
		kg_taking_refuse_stranger(&w.taking, "import", path);
	kg_taking_release(&w.taking);
	return ok ? KG_EXIT_YES : KG_EXIT_NO;
}

int kg_cmd_import_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"trust", required_argument, NULL, 't'},
					      {"name", required_argument, NULL, 'n'},
					      {"mmogit", required_argument, NULL, 'm'},
					      {"mmogit-words", required_argument, NULL, 'w'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	const char *name = "peer";
	const char *messages = NULL;
	const char *words = NULL;
	kg_pubkey swarm;
	bool trust = false;
	bool json = false;
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'j') {
			json = true;
		} else if (letter == 'n') {
			name = optarg;
		} else if (letter == 'm') {
			messages = optarg;
		} else if (letter == 'w') {
			words = optarg;
		} else if (letter == 't') {
			trust = true;
			if (kg_pubkey_parse(&swarm, optarg) != KG_OK)
				return kg_cli_usage(&kg_cmd_import, "--trust: %s", kg_err_text());
		} else {
			return kg_cli_unknown(&kg_cmd_import, known, letter, argv);
		}
	}
	if (words != NULL && messages == NULL)
		return kg_cli_usage(&kg_cmd_import, "--mmogit-words goes with --mmogit");
	if (messages != NULL && (trust || optind != argc))
		return kg_cli_usage(&kg_cmd_import, "--mmogit takes a directory and nothing else");
	if (messages != NULL)
		return kg_import_mmogit(cli, messages, words, json);
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_import, "one file is needed");
	if (trust && kg_syncing_trust(cli, &swarm, name) != KG_OK)
		return kg_cli_trouble("import");
	return run_bundle(cli, argv[optind], json);
}
