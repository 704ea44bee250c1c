/* SPDX-License-Identifier: MIT */
/* erase: the sealed content of an entry, gone from the disk for good; the entry stays. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/reading.h"
#include "memory/chain.h"
#include "memory/vault.h"

/* The id of the sealed entry that `text` names. `*code` is KG_EXIT_NO when there is none such. */
static kg_err find(kg_entry_id *id, int *code, const kg_cli *cli, const char *text)
{
	kg_entry_proof proof;
	kg_reading reading;
	kg_commit commit;
	kg_entry entry;
	bool verified;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK) {
		*code = err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
		return err;
	}
	err = kg_reading_commit(&reading, &commit, text);
	if (err == KG_OK)
		err = kg_chain_read(reading.store, &entry, &proof, &verified, &commit);
	kg_reading_close(&reading);
	if (err != KG_OK) {
		*code = err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
		return err;
	}
	if (!entry.has_sealed) {
		*code = KG_EXIT_NO;
		err = kg_fail(KG_EINVAL,
			      "its text is part of its author's signed chain and cannot leave it "
			      "alone. `quarantine` keeps an entry from being recalled; heartbeats "
			      "and traces go with `compact`; sealed content can be erased at any "
			      "time");
	}
	*id = proof.id;
	kg_entry_release(&entry);
	return err;
}

static kg_err erase(const kg_cli *cli, const kg_entry_id *id, bool *was_there)
{
	kg_offline offline;
	kg_buf sealed;
	kg_err err = kg_offline_open(&offline, cli);

	if (err != KG_OK)
		return err;
	kg_buf_init(&sealed, KG_ENTRY_SEALED_MAX);
	/* Content that is there and damaged is to go as well. */
	err = kg_vault_read(offline.store, &sealed, id);
	*was_there = err != KG_ENOTFOUND;
	kg_buf_release(&sealed);
	err = err == KG_ENOMEM ? err : kg_vault_erase(offline.store, id);
	if (err == KG_OK)
		err = kg_offline_repack(&offline, cli);
	kg_offline_close(&offline);
	return err;
}

int kg_cmd_erase_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	char hex[KG_HASH_TEXT_SIZE];
	int code = KG_EXIT_TROUBLE;
	bool was_there = false;
	bool json = false;
	kg_entry_id id;
	int letter;
	kg_err err;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter != 'j')
			return kg_cli_unknown(&kg_cmd_erase, known, letter, argv);
		json = true;
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_erase, "one entry is needed");
	err = kg_offline_check(cli);
	if (err == KG_OK)
		err = find(&id, &code, cli, argv[optind]);
	if (err == KG_OK)
		err = erase(cli, &id, &was_there);
	if (err != KG_OK) {
		(void)kg_cli_trouble("erase");
		return code;
	}
	kg_entry_id_format(hex, &id);
	if (json)
		printf("{\"entry\":\"%s\",\"erased\":true,\"was_there\":%s}\n", hex,
		       was_there ? "true" : "false");
	else
		printf("%s: %s\n", hex,
		       was_there ? "its content is erased; the entry stays"
				 : "there was no content any more; its place was cleaned again");
	return KG_EXIT_YES;
}
