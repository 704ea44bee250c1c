/* SPDX-License-Identifier: MIT */
/* compact: chains begun anew without the heartbeats and traces that have expired. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/passphrase.h"
#include "memory/bundle.h"
#include "memory/epoch.h"
#include "memory/vault.h"

typedef struct {
	const char *archive; /* directory; NULL: the old epochs are dropped */
	bool dry_run;
	bool json;
} options;

typedef struct {
	kg_offline offline;
	kg_epoch_plan plan;
	kg_swarm *swarm;
	char archive[KG_PATH_SIZE]; /* the bundle; "" without one */
	size_t swept;
	uint64_t unreached; /* objects of epochs that others have given up, gone now */
} work;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"dry-run", no_argument, NULL, 'n'},
					      {"archive", required_argument, NULL, 'a'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'n')
			o->dry_run = true;
		else if (letter == 'a')
			o->archive = optarg;
		else if (letter == 'j')
			o->json = true;
		else
			return kg_cli_unknown(&kg_cmd_compact, known, letter, argv);
	}
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_compact, "what is '%s'?", argv[optind]);
	if (o->archive != NULL && o->archive[0] == '\0')
		return kg_cli_usage(&kg_cmd_compact, "--archive names a directory");
	return KG_EXIT_YES;
}

static int64_t hours(const kg_cli *cli, const char *key)
{
	double ms = kg_conf_double(cli->conf, key) * 3600e3;

	/* 0 is for ever; what is set to less than a millisecond is not. */
	return ms > 0 && ms < 1 ? 1 : (int64_t)ms;
}

static kg_epoch_terms terms_of(const kg_cli *cli)
{
	return (kg_epoch_terms){
		.now_ms = kg_clock_wall_ms(),
		.heartbeat_ms = hours(cli, "memory.ttl_heartbeat_hours"),
		.trace_ms = hours(cli, "memory.ttl_trace_hours"),
	};
}

/* ---- the old epochs, put away ---- */

static kg_err archive_path(work *w, const char *directory)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	char stamp[32];
	time_t now = (time_t)(kg_clock_wall_ms() / 1000);
	struct tm utc;

	kg_pubkey_format(hex, &w->offline.swarm);
	if (gmtime_r(&now, &utc) == NULL ||
	    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc) == 0)
		return kg_fail(KG_EFAIL, "the clock has no date");
	return kg_path(w->archive, "%s/epochs-%.16s-%s.bundle", directory, hex, stamp);
}

static kg_err put_away(work *w, const options *o)
{
	kg_bundle_content content = {0};
	kg_bundle_chain *chains;
	uint64_t objects;
	kg_err err;

	if (o->archive == NULL || w->plan.worth == 0)
		return KG_OK;
	chains = calloc(w->plan.worth, sizeof(*chains));
	if (chains == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the old epochs");
	for (size_t i = 0; i < w->plan.count; i++) {
		const kg_epoch_chain *chain = &w->plan.chains[i];

		if (chain->worth)
			chains[content.chain_count++] =
				(kg_bundle_chain){.agent = chain->agent, .tip = chain->head.commit};
	}
	content.chains = chains;
	err = kg_fs_mkdirs(o->archive, 0700);
	if (err == KG_OK)
		err = archive_path(w, o->archive);
	if (err == KG_OK && kg_fs_exists(w->archive))
		err = kg_fail(KG_EEXISTS, "%s exists", w->archive);
	if (err == KG_OK)
		err = kg_bundle_write(w->offline.store, w->archive, &content, &objects, NULL, NULL);
	free(chains);
	return err;
}

/* ---- the work ---- */

static kg_err key_of(void *payload, kg_key **out, const kg_epoch_chain *chain)
{
	const kg_swarm *swarm = ((const work *)payload)->swarm;

	return kg_swarm_key_at(swarm, chain->name, kg_swarm_generation(swarm, chain->name), out);
}

/* Keys that others hold cannot sign here. */
static kg_err leave_foreign(work *w)
{
	for (size_t i = 0; i < w->plan.count; i++) {
		kg_epoch_chain *chain = &w->plan.chains[i];
		kg_key *key = NULL;
		kg_err err = chain->worth ? key_of(w, &key, chain) : KG_OK;

		if (err != KG_OK)
			return err;
		if (key != NULL && !kg_pubkey_equal(kg_key_public(key), &chain->agent)) {
			chain->left_alone = "its key is not among those of this identity";
			chain->worth = false;
			w->plan.worth--;
		}
		kg_key_free(key);
	}
	return KG_OK;
}

/* Sealed content of entries that are forgotten goes with them. */
static kg_err drop_content(work *w)
{
	kg_err err = KG_OK;

	for (size_t i = 0; i < w->plan.count; i++) {
		const kg_epoch_chain *chain = &w->plan.chains[i];

		for (size_t k = 0; chain->worth && err == KG_OK && k < chain->count; k++)
			if (!chain->items[k].keep && chain->items[k].has_sealed) {
				err = kg_vault_drop(w->offline.store, &chain->items[k].id);
				w->swept++;
			}
	}
	return err;
}

/* Nothing of its own is to go: but epochs that were taken in have left others behind. */
static kg_err drop_unreached(work *w, const kg_cli *cli)
{
	uint64_t count = 0;
	kg_err err = kg_offline_unreached(&w->offline, &count);

	if (err == KG_OK && count > 0)
		err = kg_offline_repack(&w->offline, cli);
	if (err == KG_OK)
		w->unreached = count;
	return err;
}

static kg_err compact(work *w, const kg_cli *cli, const options *o)
{
	kg_epoch_hands hands = {.key = key_of, .payload = w, .now_ms = kg_clock_wall_ms()};
	kg_err err = kg_offline_sweep(&w->offline, cli, &w->swept);

	if (err == KG_OK && w->plan.worth == 0 && w->swept == 0)
		return drop_unreached(w, cli);
	if (err == KG_OK)
		err = put_away(w, o);
	hands.swarm_key = kg_swarm_key(w->swarm);
	if (err == KG_OK)
		err = kg_epoch_carry_out(&w->plan, w->offline.store, &w->offline.admit, &hands);
	if (err == KG_OK)
		err = drop_content(w);
	if (err == KG_OK)
		err = kg_offline_repack(&w->offline, cli);
	return err == KG_OK ? kg_offline_finish(&w->offline, cli) : err;
}

/* ---- telling ---- */

static void print_json(const work *w, const options *o)
{
	json_t *chains = json_array();
	json_t *document;

	for (size_t i = 0; i < w->plan.count; i++) {
		const kg_epoch_chain *c = &w->plan.chains[i];
		char hex[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(hex, &c->agent);
		(void)json_array_append_new(
			chains, json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:s?}", "agent", hex,
					  "name", c->name, "epoch", (json_int_t)c->number,
					  "entries", (json_int_t)c->count, "expired",
					  (json_int_t)c->expired, "compacted",
					  c->worth && !o->dry_run, "left_alone", c->left_alone));
	}
	document = json_pack("{s:o, s:b, s:s?, s:I, s:I}", "chains", chains, "dry_run", o->dry_run,
			     "archive", w->archive[0] != '\0' ? w->archive : NULL, "swept",
			     (json_int_t)w->swept, "unreached", (json_int_t)w->unreached);
	kg_json_print(document, true);
	json_decref(document);
}

static void print_lines(const work *w, const options *o)
{
	uint64_t dropped = 0;

	for (size_t i = 0; i < w->plan.count; i++) {
		const kg_epoch_chain *c = &w->plan.chains[i];

		if (c->left_alone != NULL)
			printf("%-16s left alone: %s\n", c->name, c->left_alone);
		else
			printf("%-16s %llu of %llu entries expired%s\n", c->name,
			       (unsigned long long)c->expired, (unsigned long long)c->count,
			       !c->worth    ? ""
			       : o->dry_run ? ": would get a new epoch"
					    : ": a new epoch");
		dropped += c->worth ? c->expired : 0;
	}
	if (o->dry_run)
		printf("nothing was changed; %llu entries would be forgotten\n",
		       (unsigned long long)dropped);
	else
		printf("%llu entries forgotten%s%s\n", (unsigned long long)dropped,
		       w->archive[0] != '\0' ? "; the old epochs are in " : "", w->archive);
	if (w->unreached > 0)
		printf("%llu objects of epochs that others gave up are gone\n",
		       (unsigned long long)w->unreached);
}

int kg_cmd_compact_run(kg_cli *cli, int argc, char **argv)
{
	work w = {.offline = {.lock = -1}};
	kg_epoch_terms terms;
	options o;
	int code = parse(&o, argc, argv);
	bool nothing;
	kg_err err;

	if (code != KG_EXIT_YES)
		return code;
	terms = terms_of(cli);
	err = kg_offline_check(cli);
	if (err == KG_OK)
		err = kg_passphrase_open_swarm(&w.swarm, cli);
	if (err == KG_OK)
		err = kg_offline_open(&w.offline, cli);
	nothing = err == KG_ENOTFOUND;
	if (err == KG_OK)
		err = kg_epoch_plan_make(&w.plan, w.offline.store, &w.offline.admit, &terms);
	if (err == KG_OK)
		err = leave_foreign(&w);
	if (err == KG_OK && !o.dry_run)
		err = compact(&w, cli, &o);
	kg_offline_close(&w.offline);
	if (err == KG_OK && o.json)
		print_json(&w, &o);
	else if (err == KG_OK)
		print_lines(&w, &o);
	kg_epoch_plan_release(&w.plan);
	kg_swarm_free(w.swarm);
	if (err == KG_OK)
		return KG_EXIT_YES;
	(void)kg_cli_trouble("compact");
	return nothing ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}
