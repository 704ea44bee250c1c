/* SPDX-License-Identifier: MIT */
/* revoke: from some entry on, nothing that a key signs is believed any more. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/writing.h"
#include "memory/witness.h"

enum { REASON_MAX = 1000, PARK_MS = 5000 };

typedef struct {
	const char *agent;
	const char *reason;
	bool has_after;
	uint64_t after;
	bool json;
} options;

typedef struct {
	kg_entry_head head; /* the last entry that is accepted */
	char name[KG_NAME_SIZE];
	kg_receipt receipt;
	bool live;
} work;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"after", required_argument, NULL, 'a'},
					      {"reason", required_argument, NULL, 'r'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'a') {
			o->has_after = true;
			if (kg_cli_u64(&o->after, "--after", optarg, 0, INT64_MAX) != KG_OK)
				return kg_cli_usage(&kg_cmd_revoke, "%s", kg_err_text());
		} else if (letter == 'r') {
			o->reason = optarg;
		} else if (letter == 'j') {
			o->json = true;
		} else {
			return kg_cli_unknown(&kg_cmd_revoke, known, letter, argv);
		}
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_revoke, "one agent is needed: a name or a key");
	if (o->reason != NULL && strlen(o->reason) > REASON_MAX)
		return kg_cli_usage(&kg_cmd_revoke, "--reason has at most %d bytes", REASON_MAX);
	o->agent = argv[optind];
	return KG_EXIT_YES;
}

/* Whose key, and which of its entries is the last to be accepted. */
static kg_err look(work *w, const kg_cli *cli, const options *o)
{
	const kg_admit_chain *chain;
	kg_entry_proof proof;
	kg_reading reading;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK)
		return err;
	err = kg_reading_agent(&reading, &w->head.agent, o->agent);
	chain = err == KG_OK ? kg_admit_find(&reading.admit, &w->head.agent) : NULL;
	if (err == KG_OK && (chain == NULL || !chain->member))
		err = kg_fail(KG_ENOTFOUND, "this swarm has not certified \"%.80s\"", o->agent);
	else if (err == KG_OK && kg_pubkey_equal(&w->head.agent, &reading.swarm))
		err = kg_fail(KG_EINVAL, "the swarm's own key cannot revoke itself: everything "
					 "rests on it");
	if (err == KG_OK) {
		memcpy(w->name, chain->name, sizeof(w->name));
		w->head.sequence = o->has_after ? o->after : chain->head.sequence;
		if (w->head.sequence > chain->head.sequence)
			err = kg_fail(KG_EINVAL, "%s has only %llu entries", w->name,
				      (unsigned long long)chain->head.sequence);
		else if (chain->revoked && w->head.sequence >= chain->sequence_max)
			err = kg_fail(KG_EINVAL, "%s is revoked after entry %llu already", w->name,
				      (unsigned long long)chain->sequence_max);
		else if (w->head.sequence == chain->head.sequence)
			w->head.commit = chain->head.commit;
	}
	if (err == KG_OK && w->head.sequence > 0 && w->head.sequence < chain->head.sequence) {
		err = kg_index_at(reading.index, &proof, &w->head.agent, w->head.sequence);
		w->head.commit = proof.commit;
	}
	kg_reading_close(&reading);
	return err;
}

static kg_err say(work *w, const kg_cli *cli, const kg_swarm *swarm, const options *o)
{
	char text[REASON_MAX + 256];
	kg_writing *writing = NULL;
	kg_entry entry;
	kg_err closed;
	kg_err err;

	if (w->head.sequence > 0)
		(void)snprintf(text, sizeof(text), "%s: nothing is accepted after entry %llu%s%s",
			       w->name, (unsigned long long)w->head.sequence,
			       o->reason != NULL ? ": " : "", o->reason != NULL ? o->reason : "");
	else
		(void)snprintf(text, sizeof(text), "%s: nothing of this key is accepted%s%s",
			       w->name, o->reason != NULL ? ": " : "",
			       o->reason != NULL ? o->reason : "");
	kg_entry_init(&entry, KG_ENTRY_REVOCATION);
	err = kg_entry_set_text(&entry, text, strlen(text));
	if (err == KG_OK)
		err = kg_entry_add_head(&entry, &w->head);
	if (err == KG_OK)
		err = kg_writing_open(&writing, cli, swarm);
	if (err == KG_OK) {
		w->live = kg_writing_is_live(writing);
		err = kg_writing_say(writing, &w->receipt, &entry, kg_swarm_key(swarm),
				     KG_SWARM_NAME);
	}
	closed = kg_writing_close(writing);
	kg_entry_release(&entry);
	return err == KG_OK ? closed : err;
}

/* The agent's process ends, and is not started again. */
static kg_err park(const work *w, const kg_cli *cli, const options *o)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	kg_client *client = NULL;
	kg_message answer = {0};
	kg_err err;

	if (!w->live)
		return KG_OK;
	kg_pubkey_format(hex, &w->head.agent);
	err = kg_client_open(&client, cli);
	if (err == KG_OK)
		err = kg_client_ask(client, KG_MESSAGE_PARK,
				    json_pack("{s:s, s:s}", "agent", hex, "why",
					      o->reason != NULL ? o->reason : ""),
				    PARK_MS, &answer, NULL, NULL);
	if (err == KG_OK)
		kg_message_release(&answer);
	kg_client_free(client);
	/* A swarm that has ended meanwhile has no process to end. */
	return err == KG_ENOTFOUND ? KG_OK : err;
}

static void print(const work *w, const options *o)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	char id[KG_HASH_TEXT_SIZE];

	kg_pubkey_format(hex, &w->head.agent);
	kg_entry_id_format(id, &w->receipt.id);
	if (o->json)
		printf("{\"agent\":\"%s\",\"name\":\"%s\",\"after\":%llu,\"entry\":\"%s\"}\n", hex,
		       w->name, (unsigned long long)w->head.sequence, id);
	else
		printf("%s %s is revoked after entry %llu\n%s\n", w->name, hex,
		       (unsigned long long)w->head.sequence, id);
}

int kg_cmd_revoke_run(kg_cli *cli, int argc, char **argv)
{
	kg_swarm *swarm = NULL;
	work w = {0};
	options o;
	int code = parse(&o, argc, argv);
	kg_err err;

	if (code != KG_EXIT_YES)
		return code;
	err = look(&w, cli, &o);
	if (err == KG_ENOTFOUND || err == KG_EINVAL) {
		(void)kg_cli_trouble("revoke");
		return KG_EXIT_NO;
	}
	if (err == KG_OK)
		err = kg_passphrase_open_swarm(&swarm, cli);
	if (err == KG_OK)
		err = say(&w, cli, swarm, &o);
	if (err == KG_OK)
		err = park(&w, cli, &o);
	kg_swarm_free(swarm);
	if (err != KG_OK)
		return kg_cli_trouble("revoke");
	print(&w, &o);
	return KG_EXIT_YES;
}
