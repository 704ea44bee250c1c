/* SPDX-License-Identifier: MIT */
/* down: shuts the swarm down and waits until its orchestrator has ended. */
#include <stdio.h>

#include "cli/client.h"
#include "cli/commands.h"

enum { ANSWER_MS = 10000, END_MS = 60000 };

int kg_cmd_down_run(kg_cli *cli, int argc, char **argv)
{
	kg_client *client = NULL;
	kg_message m = {0};
	kg_err err;

	(void)argv;
	if (argc != 1)
		return kg_cli_usage(&kg_cmd_down, "takes no arguments");
	err = kg_client_open(&client, cli);
	if (err == KG_OK)
		err = kg_client_ask(client, KG_MESSAGE_DOWN, json_object(), ANSWER_MS, &m, NULL,
				    NULL);
	kg_message_release(&m);
	/* It may be gone before its answer is: that is what was asked for. */
	if (client != NULL && (err == KG_OK || kg_client_wait_end(client, 0) == KG_OK))
		err = kg_client_wait_end(client, END_MS);
	kg_client_free(client);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("down");
}
