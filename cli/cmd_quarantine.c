/* SPDX-License-Identifier: MIT */
/* quarantine: an entry that is not to be believed, and everything that rests on it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/writing.h"
#include "identity/derive.h"

enum { REASON_MAX = 1000 };

typedef struct {
	const char *entry;
	const char *reason;
	bool lift;
	bool json;
} options;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"reason", required_argument, NULL, 'r'},
					      {"lift", no_argument, NULL, 'l'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'r')
			o->reason = optarg;
		else if (letter == 'l')
			o->lift = true;
		else if (letter == 'j')
			o->json = true;
		else
			return kg_cli_unknown(&kg_cmd_quarantine, known, letter, argv);
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_quarantine, "one entry is needed");
	if (o->reason != NULL && strlen(o->reason) > REASON_MAX)
		return kg_cli_usage(&kg_cmd_quarantine, "--reason has at most %d bytes",
				    REASON_MAX);
	o->entry = argv[optind];
	return KG_EXIT_YES;
}

/* What the new entry is to cite: the entry itself, or the orders in force against it. */
static kg_err find_cited(kg_entry_id *target, kg_entry_id cited[KG_ENTRY_REFERENCES_MAX],
			 size_t *count, const kg_cli *cli, const options *o)
{
	kg_entry_proof proof;
	kg_reading reading;
	kg_pubkey agent;
	uint64_t sequence;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK)
		return err;
	err = kg_index_find(reading.index, &proof, &agent, &sequence, o->entry);
	if (err == KG_OK)
		err = kg_index_orders(reading.index, cited, count, &proof.id,
				      KG_ENTRY_REFERENCES_MAX);
	if (err == KG_OK && o->lift && *count == 0)
		err = kg_fail(KG_ENOTFOUND, "%.80s itself is not under quarantine", o->entry);
	else if (err == KG_OK && !o->lift && *count > 0)
		err = kg_fail(KG_EEXISTS, "%.80s is under quarantine already", o->entry);
	if (err == KG_OK && !o->lift) {
		cited[0] = proof.id;
		*count = 1;
	}
	*target = proof.id;
	kg_reading_close(&reading);
	return err;
}

static kg_err say(kg_receipt *receipt, const kg_entry_id *cited, size_t count, const kg_cli *cli,
		  const options *o)
{
	char text[REASON_MAX + 64];
	kg_writing *writing = NULL;
	kg_swarm *swarm = NULL;
	kg_entry entry;
	kg_err closed;
	kg_err err;

	(void)snprintf(text, sizeof(text), "%s%s%s",
		       o->lift ? "The quarantine is lifted" : "This is not to be believed",
		       o->reason != NULL ? ": " : "", o->reason != NULL ? o->reason : "");
	kg_entry_init(&entry, KG_ENTRY_REVOCATION);
	err = kg_entry_set_text(&entry, text, strlen(text));
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_entry_add_reference(&entry, &cited[i]);
	if (err == KG_OK)
		err = kg_passphrase_open_swarm(&swarm, cli);
	if (err == KG_OK)
		err = kg_writing_open(&writing, cli, swarm);
	if (err == KG_OK)
		err = kg_writing_say(writing, receipt, &entry, kg_swarm_operator_key(swarm),
				     KG_OPERATOR_NAME);
	closed = kg_writing_close(writing);
	kg_entry_release(&entry);
	kg_swarm_free(swarm);
	return err == KG_OK ? closed : err;
}

/* How many entries are marked with this origin now. */
static kg_err count_marked(uint64_t *marked, const kg_cli *cli, const kg_entry_id *target)
{
	kg_reading reading;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK)
		return err;
	err = kg_index_count_marked(reading.index, marked, target);
	kg_reading_close(&reading);
	return err;
}

static void print_receipt(const kg_receipt *r, const kg_entry_id *target, uint64_t marked,
			  const options *o)
{
	char id[KG_HASH_TEXT_SIZE];
	char entry[KG_HASH_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];
	char time[KG_TIME_TEXT_SIZE];
	json_t *document;

	kg_entry_id_format(id, &r->id);
	kg_entry_id_format(entry, target);
	kg_commit_format(commit, &r->commit);
	kg_clock_format(time, r->time_ms);
	if (!o->json) {
		printf("%s\n%.12s is %s quarantine", id, entry,
		       o->lift ? "no longer under" : "under");
		if (!o->lift && marked > 1)
			printf(", with %llu that rest%s on it", (unsigned long long)(marked - 1),
			       marked == 2 ? "s" : "");
		printf("\n");
		return;
	}
	document = json_pack("{s:s, s:s, s:I, s:s, s:s, s:b, s:I}", "id", id, "commit", commit,
			     "sequence", (json_int_t)r->sequence, "time", time, "entry", entry,
			     "quarantined", !o->lift, "marked", (json_int_t)marked);
	kg_json_print(document, false);
	json_decref(document);
}

int kg_cmd_quarantine_run(kg_cli *cli, int argc, char **argv)
{
	kg_entry_id cited[KG_ENTRY_REFERENCES_MAX];
	kg_entry_id target;
	kg_receipt receipt;
	size_t count = 0;
	uint64_t marked = 0;
	options o;
	int code = parse(&o, argc, argv);
	kg_err err;

	if (code != KG_EXIT_YES)
		return code;
	err = find_cited(&target, cited, &count, cli, &o);
	if (err == KG_OK)
		err = say(&receipt, cited, count, cli, &o);
	if (err == KG_OK)
		err = count_marked(&marked, cli, &target);
	if (err != KG_OK) {
		(void)kg_cli_trouble("quarantine");
		return err == KG_ENOTFOUND || err == KG_EEXISTS ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	print_receipt(&receipt, &target, marked, &o);
	return KG_EXIT_YES;
}
