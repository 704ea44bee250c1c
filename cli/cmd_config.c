/* SPDX-License-Identifier: MIT */
/* config show – every setting, its value and where it came from. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"

static void print_table(const kg_cli *cli)
{
	printf("# %s\n", cli->config_path);
	for (const kg_conf_key *k = kg_conf_keys; k->key != NULL; k++)
		printf("%-34s = %-24s # %s; %s\n", k->key, kg_conf_value(cli->conf, k->key),
		       kg_conf_origin_name(kg_conf_origin_of(cli->conf, k->key)), k->about);
}

static json_t *value_of(const kg_cli *cli, const kg_conf_key *k)
{
	switch (k->type) {
	case KG_CONF_INT:
		return json_integer(kg_conf_int(cli->conf, k->key));
	case KG_CONF_DOUBLE:
		return json_real(kg_conf_double(cli->conf, k->key));
	case KG_CONF_BOOL:
		return json_boolean(kg_conf_bool(cli->conf, k->key));
	default:
		return json_string(kg_conf_text(cli->conf, k->key));
	}
}

static void print_json(const kg_cli *cli)
{
	json_t *settings = json_array();

	for (const kg_conf_key *k = kg_conf_keys; k->key != NULL; k++)
		json_array_append_new(
			settings,
			json_pack("{s:s, s:o, s:s, s:s}", "key", k->key, "value", value_of(cli, k),
				  "origin",
				  kg_conf_origin_name(kg_conf_origin_of(cli->conf, k->key)),
				  "about", k->about));
	settings = json_pack("{s:s, s:s, s:o}", "state", cli->state_dir, "file", cli->config_path,
			     "settings", settings);
	kg_json_print(settings, true);
	json_decref(settings);
}

int kg_cmd_config_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return kg_cli_unknown(&kg_cmd_config, longs, c, argv);
		json = true;
	}
	if (optind + 1 != argc || strcmp(argv[optind], "show") != 0)
		return kg_cli_usage(&kg_cmd_config, "expected 'show'");
	if (json)
		print_json(cli);
	else
		print_table(cli);
	return KG_EXIT_YES;
}
