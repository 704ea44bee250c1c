/* SPDX-License-Identifier: MIT */
/* verify: the memory judged again from git alone. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "identity/keyring.h"
#include "memory/chain.h"
#include "memory/verify.h"

typedef struct {
	kg_store *store;
	kg_index *index; /* NULL when there is none: it only names what git cannot name any more */
} names;

/* What stood there when it was taken in. */
static bool name_of(void *payload, kg_entry_id *id, const kg_pubkey *agent, uint64_t sequence,
		    const kg_commit *commit)
{
	const names *n = payload;
	char text[KG_COMMIT_TEXT_SIZE];
	kg_chain_head head;
	kg_entry_proof proof;
	kg_pubkey author;
	uint64_t at;

	if (n->index == NULL)
		return false;
	kg_commit_format(text, commit);
	if (kg_index_find(n->index, &proof, &author, &at, text) != KG_OK) {
		/* Another commit stands at its place; at the tip the place may be unknown. */
		if (sequence == 0 && kg_index_head(n->index, &head, agent) == KG_OK)
			sequence = head.sequence;
		if (kg_index_at(n->index, &proof, agent, sequence) != KG_OK)
			return false;
	}
	*id = proof.id;
	return true;
}

/* What to judge: a chain, or one entry of it. The names are those that reading knows. */
static kg_err choose(kg_verify_options *o, kg_pubkey *agent, kg_commit *commit, kg_cli *cli,
		     const char *text)
{
	kg_entry_proof proof;
	kg_reading reading;
	kg_entry entry;
	bool verified;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK)
		return err;
	o->agent = agent;
	err = kg_reading_agent(&reading, agent, text);
	if (err == KG_ENOTFOUND) {
		uint64_t sequence;

		err = kg_reading_commit(&reading, commit, text);
		o->commit = commit;
		/* The chain it belongs to: as it was taken in, for an entry that cannot be read. */
		if (err == KG_OK &&
		    kg_index_find(reading.index, &proof, agent, &sequence, text) != KG_OK) {
			err = kg_chain_read(reading.store, &entry, &proof, &verified, commit);
			if (err == KG_OK) {
				*agent = entry.agent;
				kg_entry_release(&entry);
			} else if (err == KG_ECORRUPT) {
				o->agent = NULL; /* no entry, but it may stand on a chain */
				err = KG_OK;
			}
		}
		if (err == KG_ENOTFOUND)
			err = kg_fail(KG_ENOTFOUND, "\"%.80s\" is no entry and no agent", text);
	}
	kg_reading_close(&reading);
	return err;
}

static void print_json(const kg_verdict *v, bool ok)
{
	json_t *findings = json_array();
	json_t *document;

	for (size_t i = 0; i < v->count; i++) {
		const kg_finding *f = &v->findings[i];
		json_t *detail = json_string(f->detail);

		(void)json_array_append_new(
			findings, json_pack("{s:s, s:s, s:s, s:o, s:s}", "entry", f->entry, "chain",
					    f->chain, "reason", f->reason, "detail",
					    detail != NULL ? detail : json_string("not printable"),
					    "commit", f->commit));
	}
	document = json_pack("{s:b, s:I, s:o}", "ok", ok, "checked", (json_int_t)v->checked,
			     "findings", findings);
	kg_json_print(document, true);
	json_decref(document);
}

static void print_plain(const kg_cli *cli, const kg_verdict *v, bool ok)
{
	const char *red = cli->colour ? "\033[31m" : "";
	const char *plain = cli->colour ? "\033[0m" : "";

	for (size_t i = 0; i < v->count; i++) {
		const kg_finding *f = &v->findings[i];

		printf("%s%s%s  entry %s  commit %.12s  chain %.12s\n    %s\n", red, f->reason,
		       plain, f->entry[0] != '\0' ? f->entry : "-",
		       f->commit[0] != '\0' ? f->commit : "-", f->chain[0] != '\0' ? f->chain : "-",
		       f->detail);
	}
	if (v->cut)
		printf("and more\n");
	printf("%llu entr%s checked, %zu finding%s: %s\n", (unsigned long long)v->checked,
	       v->checked == 1 ? "y" : "ies", v->count, v->count == 1 ? "" : "s",
	       ok ? "everything is as it was signed" : "something is wrong");
}

static kg_err judge(kg_verdict *verdict, kg_cli *cli, const char *text)
{
	char path[KG_PATH_SIZE];
	kg_keyring_public public;
	kg_verify_options o = {0};
	names n = {0};
	kg_pubkey agent;
	kg_commit commit;
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err == KG_OK && text != NULL)
		err = choose(&o, &agent, &commit, cli, text);
	if (err == KG_OK)
		err = kg_path(path, "%s/index.sqlite", cli->state_dir);
	if (err == KG_OK)
		err = kg_store_open(&n.store, cli->state_dir);
	if (err == KG_ENOTFOUND && text == NULL)
		err = kg_fail(KG_ENOTFOUND, "nothing has been remembered in %s", cli->state_dir);
	if (err == KG_OK && kg_index_open(&n.index, path, false) != KG_OK)
		n.index = NULL;
	o.name = name_of;
	o.payload = &n;
	if (err == KG_OK)
		err = kg_verify(verdict, n.store, &public.swarm, &o);
	kg_index_free(n.index);
	kg_store_free(n.store);
	return err;
}

int kg_cmd_verify_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"all", no_argument, NULL, 'a'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	kg_verdict verdict = {0};
	bool json = false;
	bool all = false;
	bool ok;
	int letter;
	kg_err err;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'j')
			json = true;
		else if (letter == 'a')
			all = true;
		else
			return kg_cli_unknown(&kg_cmd_verify, known, letter, argv);
	}
	if (argc - optind > 1 || (all && optind < argc))
		return kg_cli_usage(&kg_cmd_verify, "one entry, one agent, or --all");
	err = judge(&verdict, cli, optind < argc ? argv[optind] : NULL);
	if (err != KG_OK) {
		(void)kg_cli_trouble("verify");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	ok = verdict.count == 0 && !verdict.cut;
	if (json)
		print_json(&verdict, ok);
	else
		print_plain(cli, &verdict, ok);
	kg_verdict_release(&verdict);
	return ok ? KG_EXIT_YES : KG_EXIT_NO;
}
