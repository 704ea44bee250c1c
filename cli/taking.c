/* SPDX-License-Identifier: MIT */
#include "cli/taking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/progress.h"
#include "cli/passphrase.h"
#include "cli/printable.h"
#include "cli/reading.h"
#include "cli/writing.h"
#include "identity/keyring.h"
#include "memory/chain.h"
#include "memory/vault.h"

enum { SHOWN = 20, /* findings that people are shown */ FILE_SLACK = 64 << 20 };

void kg_taking_release(kg_taking *taking)
{
	kg_judgement_release(&taking->judged);
	*taking = (kg_taking){0};
}

void kg_taking_limits(kg_incoming_limits *limits, kg_apart_limits *apart, const kg_cli *cli)
{
	uint64_t megabytes = (uint64_t)kg_conf_int(cli->conf, "sync.megabytes_max");

	*limits = (kg_incoming_limits){
		.objects_max = (uint64_t)kg_conf_int(cli->conf, "sync.objects_max"),
		.bytes_max = megabytes << 20,
		.refs_max = (uint64_t)kg_conf_int(cli->conf, "sync.refs_max"),
	};
	*apart = (kg_apart_limits){
		.memory_max = (uint64_t)1 << 30,
		.file_max = (megabytes << 20) + FILE_SLACK,
		.quiet_seconds = (int)kg_conf_int(cli->conf, "sync.quiet_seconds"),
	};
}

/* ---- judging ---- */

static bool judge_step(void *payload, uint64_t done, uint64_t total)
{
	(void)total;
	kg_progress_step(payload, done, NULL);
	return true;
}

/* The memory as it stands; none is fine. */
static kg_err open_ours(kg_judge_input *in, kg_admit *admit, const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	kg_keyring_public public;
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err == KG_OK)
		err = kg_admit_init(admit, &public.swarm,
				    kg_conf_int(cli->conf, "memory.clock_ahead_ms"));
	if (err != KG_OK)
		return err;
	in->admit = admit;
	kg_reading_recover(cli, &public.swarm);
	err = kg_store_open(&in->ours, cli->state_dir);
	if (err == KG_ENOTFOUND) {
		in->ours = NULL;
		return KG_OK;
	}
	if (err == KG_OK)
		err = kg_chain_load(admit, in->ours);
	if (err == KG_OK)
		err = kg_path(path, "%s/index.sqlite", cli->state_dir);
	if (err == KG_OK && kg_index_open(&in->index, path, false) != KG_OK)
		in->index = NULL;
	return err;
}

kg_err kg_taking_judge(kg_taking *taking, const kg_cli *cli, kg_incoming *incoming,
		       const kg_offers *offers, const kg_entry_head *known, size_t known_count)
{
	kg_progress progress;
	kg_admit admit = {0};
	kg_judge_input in = {
		.offered = kg_incoming_store(incoming),
		.offers = offers,
		.known = known,
		.known_count = known_count,
		.now_ms = kg_clock_wall_ms(),
		.entries_max = (uint64_t)kg_conf_int(cli->conf, "sync.objects_max"),
		.progress = judge_step,
		.payload = &progress,
	};
	kg_err err = open_ours(&in, &admit, cli);

	kg_progress_start(&progress, "judging", 0);
	if (err == KG_OK)
		err = kg_judge(&taking->judged, &in);
	kg_progress_end(&progress);
	kg_index_free(in.index);
	kg_store_free(in.ours);
	kg_admit_release(&admit);
	return err;
}

/* ---- taking in ---- */

typedef struct {
	kg_taking *taking;
	kg_writing *writing;
	kg_store *from;
	kg_progress progress;
} work;

static void on_answer(void *payload, uint64_t tag, kg_err err)
{
	work *w = payload;
	kg_taking *t = w->taking;

	if (err == KG_OK) {
		t->taken++;
	} else if (t->judged.entries[tag].is_proof) {
		t->proofs++;
	} else {
		if (t->refused++ == 0)
			(void)snprintf(t->why, sizeof(t->why), "%s", kg_err_text());
	}
}

static kg_err take_entries(work *w)
{
	const kg_judgement *j = &w->taking->judged;
	kg_err err = KG_OK;
	kg_err waited;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_progress_start(&w->progress, "taking in", j->count);
	for (size_t i = 0; err == KG_OK && i < j->count; i++) {
		kg_buf_clear(&object);
		err = kg_store_read(w->from, &object, &j->entries[i].commit);
		if (err == KG_OK)
			err = kg_writing_pass(w->writing, object.data, object.size, i, on_answer,
					      w);
		kg_progress_step(&w->progress, i + 1, NULL);
	}
	waited = kg_writing_passed(w->writing, on_answer, w);
	kg_progress_end(&w->progress);
	kg_buf_release(&object);
	return err == KG_OK ? waited : err;
}

static kg_err take_sealed(work *w)
{
	const kg_judgement *j = &w->taking->judged;
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < j->sealed_count; i++) {
		kg_buf blob;

		kg_buf_init(&blob, KG_ENTRY_OBJECT_MAX);
		err = kg_judge_read_sealed(&blob, w->from, &j->sealed[i].blob);
		if (err == KG_OK)
			err = kg_writing_keep_sealed(w->writing, &j->sealed[i].entry, blob.data,
						     blob.size);
		if (err == KG_OK)
			w->taking->sealed++;
		else if (err == KG_EDENIED || err == KG_EEXISTS)
			err = KG_OK; /* erased here meanwhile, or here already */
		kg_buf_release(&blob);
	}
	return err;
}

kg_err kg_taking_take(kg_taking *taking, const kg_cli *cli, kg_incoming *incoming)
{
	work w = {.taking = taking, .from = kg_incoming_store(incoming)};
	kg_swarm *swarm = NULL;
	kg_err closed;
	kg_err err;

	if (taking->judged.count + taking->judged.sealed_count == 0)
		return KG_OK;
	err = kg_passphrase_open_swarm(&swarm, cli);
	if (err == KG_OK)
		err = kg_writing_open(&w.writing, cli, swarm);
	/* Content is there before the entry that announces it. */
	if (err == KG_OK)
		err = take_sealed(&w);
	if (err == KG_OK)
		err = take_entries(&w);
	closed = kg_writing_close(w.writing);
	kg_swarm_free(swarm);
	return err == KG_OK ? closed : err;
}

/* ---- telling ---- */

bool kg_taking_is_foreign(const kg_taking *taking)
{
	return taking->judged.chains == 0 && taking->judged.stranger_count > 0;
}

void kg_taking_refuse_stranger(const kg_taking *taking, const char *command, const char *from)
{
	char hex[KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(hex, &taking->judged.strangers[0]);
	(void)fprintf(stderr,
		      "kindergarten: %s: %s holds the memory of another swarm, %s: to accept what "
		      "it says, kindergarten trust %s --name NAME\n",
		      command, from, hex, hex);
}

static bool is_nobody(const kg_pubkey *agent)
{
	static const kg_pubkey nobody;

	return kg_pubkey_equal(agent, &nobody);
}

void kg_taking_print_findings(const kg_taking *taking)
{
	const kg_judgement *j = &taking->judged;

	for (size_t i = 0; i < j->finding_count && i < SHOWN; i++) {
		const kg_judge_finding *f = &j->findings[i];
		char hex[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(hex, &f->agent);
		(void)fprintf(stderr, "%s  chain %.12s\n    ", kg_reason_name(f->reason),
			      is_nobody(&f->agent) ? "-" : hex);
		kg_printable(stderr, f->detail, strlen(f->detail));
		(void)fputc('\n', stderr);
	}
	if (j->finding_count + j->findings_left_out > SHOWN)
		(void)fprintf(
			stderr, "and %llu more\n",
			(unsigned long long)(j->finding_count + j->findings_left_out - SHOWN));
	if (taking->refused > 0)
		(void)fprintf(stderr, "%llu good entries were refused: %s\n",
			      (unsigned long long)taking->refused, taking->why);
}

static json_t *finding_json(const kg_judge_finding *f)
{
	char agent[KG_PUBKEY_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];
	json_t *detail = json_string(f->detail);

	kg_pubkey_format(agent, &f->agent);
	kg_commit_format(commit, &f->commit);
	return json_pack("{s:s, s:s, s:s, s:o}", "chain", is_nobody(&f->agent) ? "" : agent,
			 "commit", f->has_commit ? commit : "", "reason", kg_reason_name(f->reason),
			 "detail", detail != NULL ? detail : json_string("not printable"));
}

void kg_taking_put_json(json_t *document, const kg_taking *taking)
{
	const kg_judgement *j = &taking->judged;
	json_t *strangers = json_array();
	json_t *findings = json_array();

	for (size_t i = 0; i < j->stranger_count; i++) {
		char hex[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(hex, &j->strangers[i]);
		(void)json_array_append_new(strangers, json_string(hex));
	}
	for (size_t i = 0; i < j->finding_count; i++)
		(void)json_array_append_new(findings, finding_json(&j->findings[i]));
	(void)json_object_set_new(document, "taken", json_integer((json_int_t)taking->taken));
	(void)json_object_set_new(document, "proofs", json_integer((json_int_t)taking->proofs));
	(void)json_object_set_new(document, "sealed", json_integer((json_int_t)taking->sealed));
	(void)json_object_set_new(document, "refused", json_integer((json_int_t)taking->refused));
	(void)json_object_set_new(document, "strangers", strangers);
	(void)json_object_set_new(document, "findings", findings);
}
