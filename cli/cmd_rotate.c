/* SPDX-License-Identifier: MIT */
/* rotate: an agent's, or the operator's, next key. The old one names it, the swarm certifies it,
 * and its first entry names where the old one ended. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/renewal.h"
#include "cli/writing.h"
#include "identity/generations.h"
#include "identity/keyring.h"

typedef struct {
	const char *name;
	bool json;
	uint32_t generation; /* of the new key */
	kg_swarm *swarm;
	kg_key *old;
	kg_key *next;
	kg_chain_head last; /* of the old key */
	bool begun;         /* the old key has named its successor already */
	bool revoked;       /* the old key can say nothing any more, not even that */
} work;

/* The keys, and how far an earlier call that was killed had come. */
static kg_err look(work *w, const kg_cli *cli)
{
	const kg_admit_chain *chain;
	kg_reading reading;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK)
		return err;
	/* An unfinished one is finished: then the generation stays where it is. */
	err = kg_renewal_learn(w->swarm, &reading.admit);
	if (err == KG_ECONFLICT)
		err = KG_OK;
	w->generation = kg_swarm_generation(w->swarm, w->name) + 1;
	if (err == KG_OK)
		err = kg_swarm_key_at(w->swarm, w->name, w->generation - 1, &w->old);
	if (err == KG_OK)
		err = kg_swarm_key_at(w->swarm, w->name, w->generation, &w->next);
	chain = err == KG_OK ? kg_admit_find(&reading.admit, kg_key_public(w->old)) : NULL;
	if (err == KG_OK && (chain == NULL || !chain->member))
		err = kg_fail(KG_ENOTFOUND, "this swarm has no agent \"%.80s\"", w->name);
	else if (err == KG_OK && chain->closed &&
		 !kg_pubkey_equal(&chain->successor, kg_key_public(w->next)))
		err = kg_fail(KG_EDENIED, "%s has named another successor than its next key",
			      w->name);
	if (err == KG_OK && chain->closed) {
		w->begun = true;
		w->last = chain->head;
	} else if (err == KG_OK) {
		w->revoked = chain->revoked;
	}
	kg_reading_close(&reading);
	return err;
}

static kg_err say(kg_writing *writing, kg_receipt *receipt, kg_entry *entry, const kg_key *author,
		  const work *w, const char *text)
{
	kg_err err = kg_entry_set_text(entry, text, strlen(text));

	return err == KG_OK ? kg_writing_say(writing, receipt, entry, author, w->name) : err;
}

static kg_err give_up_old(kg_writing *writing, work *w)
{
	kg_receipt receipt;
	kg_entry entry;
	char text[160];
	kg_err err;

	if (w->begun || w->revoked)
		return KG_OK;
	(void)snprintf(text, sizeof(text), "%s goes on with another key, generation %lu", w->name,
		       (unsigned long)w->generation);
	kg_entry_init(&entry, KG_ENTRY_LINEAGE);
	err = kg_entry_set_successor(&entry, kg_key_public(w->next));
	if (err == KG_OK)
		err = say(writing, &receipt, &entry, w->old, w, text);
	kg_entry_release(&entry);
	if (err == KG_OK)
		w->last = (kg_chain_head){receipt.sequence, receipt.time_ms, receipt.time_counter,
					  receipt.commit};
	return err;
}

/* The writing certifies the new key, which the swarm does not know yet. */
static kg_err begin_new(kg_writing *writing, const work *w)
{
	kg_receipt receipt;
	kg_entry entry;
	char text[160];
	kg_err err;

	(void)snprintf(text, sizeof(text), "%s goes on here, generation %lu", w->name,
		       (unsigned long)w->generation);
	kg_entry_init(&entry, KG_ENTRY_LINEAGE);
	if (w->revoked)
		err = KG_OK;
	else
		err = kg_entry_set_predecessor(&entry, kg_key_public(w->old), &w->last);
	if (err == KG_OK)
		err = say(writing, &receipt, &entry, w->next, w, text);
	kg_entry_release(&entry);
	return err;
}

static kg_err rotate(work *w, const kg_cli *cli)
{
	kg_writing *writing = NULL;
	kg_err closed;
	kg_err err = look(w, cli);

	if (err == KG_OK)
		err = kg_writing_open(&writing, cli, w->swarm);
	if (err == KG_OK)
		err = give_up_old(writing, w);
	if (err == KG_OK)
		err = begin_new(writing, w);
	closed = kg_writing_close(writing);
	if (err == KG_OK)
		err = closed;
	if (err == KG_OK)
		err = kg_swarm_set_generation(w->swarm, w->name, w->generation);
	if (err == KG_OK)
		err = kg_generations_write(w->swarm, cli->state_dir);
	return err == KG_OK ? kg_keyring_settle_public(w->swarm, cli->state_dir) : err;
}

static void print(const work *w)
{
	char old[KG_PUBKEY_TEXT_SIZE];
	char next[KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(old, kg_key_public(w->old));
	kg_pubkey_format(next, kg_key_public(w->next));
	if (w->json)
		printf("{\"name\":\"%s\",\"generation\":%lu,\"old\":\"%s\",\"key\":\"%s\","
		       "\"old_sequence\":%llu}\n",
		       w->name, (unsigned long)w->generation, old, next,
		       (unsigned long long)w->last.sequence);
	else
		printf("%s is at generation %lu\nold key  %s, %s\nnew key  %s\n", w->name,
		       (unsigned long)w->generation, old, w->revoked ? "revoked" : "closed", next);
}

int kg_cmd_rotate_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	work w = {0};
	int letter;
	kg_err err;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter != 'j')
			return kg_cli_unknown(&kg_cmd_rotate, known, letter, argv);
		w.json = true;
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_rotate, "the name of one agent is needed, or operator");
	w.name = argv[optind];
	if (kg_name_check(w.name) != KG_OK)
		return kg_cli_usage(&kg_cmd_rotate, "%s", kg_err_text());
	err = kg_offline_check(cli);
	if (err == KG_OK)
		err = kg_passphrase_open_swarm(&w.swarm, cli);
	if (err == KG_OK)
		err = rotate(&w, cli);
	if (err == KG_OK)
		print(&w);
	kg_key_free(w.old);
	kg_key_free(w.next);
	kg_swarm_free(w.swarm);
	if (err != KG_OK)
		(void)kg_cli_trouble("rotate");
	return err == KG_OK ? KG_EXIT_YES : err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}
