/* SPDX-License-Identifier: MIT */
/* trust: what another swarm says of its members is believed from now on. */
#include <getopt.h>
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "cli/syncing.h"
#include "identity/derive.h"

typedef struct {
	const char *name;
	kg_pubkey swarm;
	bool list;
	bool json;
} options;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"name", required_argument, NULL, 'n'},
					      {"list", no_argument, NULL, 'l'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'n')
			o->name = optarg;
		else if (letter == 'l')
			o->list = true;
		else if (letter == 'j')
			o->json = true;
		else
			return kg_cli_unknown(&kg_cmd_trust, known, letter, argv);
	}
	if (o->list)
		return argc == optind && o->name == NULL
			       ? KG_EXIT_YES
			       : kg_cli_usage(&kg_cmd_trust, "--list stands alone");
	if (optind + 1 != argc || o->name == NULL)
		return kg_cli_usage(&kg_cmd_trust, "a swarm's key and a --name for it are needed");
	if (kg_name_check(o->name) != KG_OK)
		return kg_cli_usage(&kg_cmd_trust, "--name: %s", kg_err_text());
	if (kg_pubkey_parse(&o->swarm, argv[optind]) != KG_OK)
		return kg_cli_usage(&kg_cmd_trust, "KEY: %s", kg_err_text());
	return KG_EXIT_YES;
}

static int print_list(const kg_cli *cli, bool json)
{
	json_t *peers = json_array();
	json_t *document;
	kg_reading reading;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK && err != KG_ENOTFOUND) {
		json_decref(peers);
		return kg_cli_trouble("trust");
	}
	for (size_t i = 0; err == KG_OK && i < reading.admit.peer_count; i++) {
		char hex[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(hex, &reading.admit.peers[i].agent);
		if (!json)
			printf("%s  %s\n", hex, reading.admit.peers[i].name);
		(void)json_array_append_new(peers, json_pack("{s:s, s:s}", "swarm", hex, "name",
							     reading.admit.peers[i].name));
	}
	if (err == KG_OK)
		kg_reading_close(&reading);
	document = json_pack("{s:o}", "peers", peers);
	if (json)
		kg_json_print(document, true);
	json_decref(document);
	return KG_EXIT_YES;
}

/* The name under which it is believed already; false: it is not. */
static bool is_known(const kg_cli *cli, const kg_pubkey *swarm)
{
	kg_reading reading;
	bool known;

	if (kg_reading_open(&reading, cli) != KG_OK)
		return false;
	known = kg_admit_believes(&reading.admit, swarm) && !kg_pubkey_equal(swarm, &reading.swarm);
	kg_reading_close(&reading);
	return known;
}

int kg_cmd_trust_run(kg_cli *cli, int argc, char **argv)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	options o;
	int code = parse(&o, argc, argv);
	bool known;

	if (code != KG_EXIT_YES)
		return code;
	if (o.list)
		return print_list(cli, o.json);
	known = is_known(cli, &o.swarm);
	if (!known && kg_syncing_trust(cli, &o.swarm, o.name) != KG_OK)
		return kg_cli_trouble("trust");
	kg_pubkey_format(hex, &o.swarm);
	if (o.json)
		printf("{\"swarm\":\"%s\",\"name\":\"%s\",\"known\":%s}\n", hex, o.name,
		       known ? "true" : "false");
	else
		printf("%s %s believed about its own members\n", hex,
		       known ? "was already" : "is now");
	return KG_EXIT_YES;
}
