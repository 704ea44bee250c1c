/* SPDX-License-Identifier: MIT */
/* verify: the memory judged again from git alone. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "cli/verdict.h"
#include "identity/keyring.h"
#include "memory/chain.h"
#include "memory/claims.h"
#include "memory/remote.h"
#include "memory/verify.h"

typedef struct {
	const char *what;       /* an entry or an agent; NULL: everything */
	const char *repository; /* NULL: the state directory's */
	const char *swarm;
	const char *signers;
	bool json;
} wishes;

typedef struct {
	kg_store *store;
	kg_index *index; /* NULL when there is none: it only names what git cannot name any more */
	kg_progress progress;
	bool started;
} work;

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = number;
}

static bool step(void *payload, uint64_t checked, uint64_t expected)
{
	work *w = payload;

	if (!w->started)
		kg_progress_start(&w->progress, "verifying", expected);
	w->started = true;
	kg_progress_step(&w->progress, checked, NULL);
	return stopped == 0;
}

/* What stood there when it was taken in. */
static bool name_of(void *payload, kg_entry_id *id, const kg_pubkey *agent, uint64_t sequence,
		    const kg_commit *commit)
{
	const work *n = payload;
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

/* ---- remotes ---- */

/* A remote that was refused is told of until somebody takes it out of quarantine. One whose file
 * cannot be read is no better. */
static void add_remote(kg_verdict *verdict, const char *state_dir, const char *name)
{
	char text[KG_FINDING_DETAIL_SIZE];
	kg_remote remote = {0};
	kg_err err = kg_remote_read(&remote, state_dir, name);

	if (err != KG_OK)
		(void)snprintf(text, sizeof(text), "remote %.40s: %.180s", name, kg_err_text());
	else
		(void)snprintf(text, sizeof(text), "remote %.40s is in quarantine: %.31s: %.150s",
			       remote.name, remote.reason, remote.detail);
	if (err != KG_OK || remote.bad)
		kg_verdict_add(verdict, KG_REASON_BAD_REMOTE, remote.chain, remote.commit, text);
	kg_remote_release(&remote);
}

static kg_err add_remotes(kg_verdict *verdict, const char *state_dir)
{
	char **names = NULL;
	size_t count = 0;
	kg_err err = kg_remote_names(&names, &count, state_dir);

	for (size_t i = 0; i < count; i++) {
		add_remote(verdict, state_dir, names[i]);
		free(names[i]);
	}
	free((void *)names);
	return err;
}

/* ---- judging ---- */

static kg_err run(kg_cli_verdict *out, work *w, kg_verify_options *o)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	kg_err err;

	if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
		return kg_fail_errno(errno, "signals");
	o->step = step;
	o->payload = w;
	err = kg_verify(&out->verdict, w->store, &out->swarm, o);
	if (w->started)
		kg_progress_end(&w->progress);
	return err;
}

/* A repository that may be a clone, with nothing beside it that could be asked. */
static kg_err judge_repository(kg_cli_verdict *out, const wishes *wished)
{
	kg_verify_options o = {0};
	work w = {0};
	kg_err err = kg_store_open_path(&w.store, wished->repository);

	if (err != KG_OK)
		return err == KG_ENOTFOUND
			       ? kg_fail(KG_EINVAL, "%s: no git repository", wished->repository)
			       : err;
	if (wished->swarm != NULL) {
		err = kg_pubkey_parse(&out->swarm, wished->swarm);
		out->swarm_known = true;
	} else if (kg_store_swarm(w.store, &out->swarm) != KG_OK) {
		err = kg_fail(KG_EINVAL, "%s: its HEAD names no swarm, give --swarm",
			      wished->repository);
	}
	if (err == KG_OK)
		err = run(out, &w, &o);
	kg_store_free(w.store);
	return err;
}

/* What was seen outside git is read first: git may get further meanwhile, and that is no fault. */
static kg_err judge_state(kg_cli_verdict *out, kg_cli *cli, const char *text)
{
	char path[KG_PATH_SIZE];
	kg_keyring_public public;
	kg_verify_options o = {.name = name_of};
	kg_entry_head *claims = NULL;
	work w = {0};
	kg_pubkey agent;
	kg_commit commit;
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err == KG_OK && text != NULL)
		err = choose(&o, &agent, &commit, cli, text);
	if (err == KG_OK)
		err = kg_claims_read(&claims, &o.witness_count, cli->state_dir);
	if (err == KG_OK)
		err = kg_path(path, "%s/index.sqlite", cli->state_dir);
	if (err == KG_OK)
		kg_reading_recover(cli, &public.swarm);
	if (err == KG_OK)
		err = kg_store_open(&w.store, cli->state_dir);
	if (err == KG_ENOTFOUND && text == NULL)
		err = kg_fail(KG_ENOTFOUND, "nothing has been remembered in %s", cli->state_dir);
	if (err == KG_OK && kg_index_open(&w.index, path, false) != KG_OK)
		w.index = NULL;
	o.witness = claims;
	out->swarm = public.swarm;
	out->swarm_known = true;
	if (err == KG_OK)
		err = run(out, &w, &o);
	if (err == KG_OK && text == NULL)
		err = add_remotes(&out->verdict, cli->state_dir);
	kg_index_free(w.index);
	kg_store_free(w.store);
	free(claims);
	return err;
}

/* ---- the command ---- */

static int parse(wishes *wished, int argc, char **argv)
{
	static const struct option known[] = {{"all", no_argument, NULL, 'a'},
					      {"json", no_argument, NULL, 'j'},
					      {"repository", required_argument, NULL, 'r'},
					      {"signers", required_argument, NULL, 's'},
					      {"swarm", required_argument, NULL, 'w'},
					      {NULL, 0, NULL, 0}};
	bool all = false;
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'j')
			wished->json = true;
		else if (letter == 'a')
			all = true;
		else if (letter == 'r')
			wished->repository = optarg;
		else if (letter == 's')
			wished->signers = optarg;
		else if (letter == 'w')
			wished->swarm = optarg;
		else
			return kg_cli_unknown(&kg_cmd_verify, known, letter, argv);
	}
	if (argc - optind > 1 || (all && optind < argc))
		return kg_cli_usage(&kg_cmd_verify, "one entry, one agent, or --all");
	wished->what = optind < argc ? argv[optind] : NULL;
	if (wished->what != NULL && (wished->repository != NULL || wished->signers != NULL))
		return kg_cli_usage(&kg_cmd_verify, "--repository and --signers go with --all");
	if (wished->swarm != NULL && wished->repository == NULL)
		return kg_cli_usage(&kg_cmd_verify, "--swarm goes with --repository");
	return KG_EXIT_YES;
}

int kg_cmd_verify_run(kg_cli *cli, int argc, char **argv)
{
	kg_cli_verdict verdict = {0};
	wishes wished = {0};
	kg_err err;
	bool nothing;
	bool ok;
	int code = parse(&wished, argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	err = wished.repository != NULL ? judge_repository(&verdict, &wished)
					: judge_state(&verdict, cli, wished.what);
	nothing = err == KG_ENOTFOUND;
	if (err == KG_OK && wished.signers != NULL)
		err = kg_cli_verdict_write_signers(&verdict, wished.signers);
	if (err != KG_OK) {
		kg_verdict_release(&verdict.verdict);
		(void)kg_cli_trouble("verify");
		return nothing ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	ok = kg_cli_verdict_ok(&verdict);
	if (wished.json)
		kg_cli_verdict_print_json(&verdict);
	else
		kg_cli_verdict_print(cli, &verdict);
	kg_verdict_release(&verdict.verdict);
	return ok ? KG_EXIT_YES : KG_EXIT_NO;
}
