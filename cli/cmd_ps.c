/* SPDX-License-Identifier: MIT */
/* ps: the agents of the running swarm. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"

enum { ANSWER_MS = 10000 };

static const char *text(const json_t *agent, const char *key)
{
	const char *value = json_string_value(json_object_get(agent, key));

	return value != NULL ? value : "";
}

static long long number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void print_row(const json_t *a)
{
	char level[16] = "";

	/* Before its birth an agent has neither genome nor coefficient. */
	if (text(a, "genome")[0] != '\0')
		(void)snprintf(level, sizeof(level), "%.3f",
			       json_real_value(json_object_get(a, "level")));
	printf("%-12s %-9s %7lld  %-16.16s  %-8s %-16.16s  %-5s %-11s %7.1f %7.1f %7lld %4lld\n",
	       text(a, "name"), text(a, "state"), number(a, "pid"), text(a, "key"),
	       text(a, "strategy"), text(a, "genome"), level, text(a, "stage"),
	       (double)number(a, "rss_bytes") / 1e6, (double)number(a, "pss_bytes") / 1e6,
	       number(a, "answers"), number(a, "restarts"));
	if (text(a, "why")[0] != '\0')
		printf("             %s\n", text(a, "why"));
}

static void print_table(const json_t *doc)
{
	const json_t *keeper = json_object_get(doc, "keeper");
	const json_t *agent;
	size_t i;

	printf("swarm %s%s\n", text(doc, "swarm"),
	       json_is_true(json_object_get(doc, "ready")) ? "" : " (starting)");
	printf("%-12s %-9s %7s  %-16s  %-8s %-16s  %-5s %-11s %7s %7s %7s %4s\n", "name", "state",
	       "pid", "key", "strategy", "genome", "level", "stage", "rss MB", "pss MB", "answers",
	       "rst");
	json_array_foreach(json_object_get(doc, "agents"), i, agent) print_row(agent);
	printf("%-12s %-9s %7lld %60s %7.1f %7.1f %7s %4lld\n", "keeper", text(keeper, "state"),
	       number(keeper, "pid"), "", (double)number(keeper, "rss_bytes") / 1e6,
	       (double)number(keeper, "pss_bytes") / 1e6, "", number(keeper, "restarts"));
}

int kg_cmd_ps_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	kg_client *client = NULL;
	kg_message m = {0};
	bool json = false;
	kg_err err;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return kg_cli_unknown(&kg_cmd_ps, longs, c, argv);
		json = true;
	}
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_ps, "takes no arguments");
	err = kg_client_open(&client, cli);
	if (err == KG_OK)
		err = kg_client_ask(client, KG_MESSAGE_STATUS, json_object(), ANSWER_MS, &m, NULL,
				    NULL);
	if (err == KG_OK && json)
		kg_json_print(m.json, false);
	else if (err == KG_OK)
		print_table(m.json);
	kg_message_release(&m);
	kg_client_free(client);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("ps");
}
