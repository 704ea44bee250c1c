/* SPDX-License-Identifier: MIT */
/* help [COMMAND] – printed from the command table. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

static void print_all(void)
{
	printf("kindergarten – a swarm of tiny language-model agents with a signed, shared "
	       "memory\n\n"
	       "usage: kindergarten [--state DIR] [--config FILE] COMMAND [OPTION…]\n\n");
	for (size_t i = 0; i < kg_command_count; i++)
		if (!kg_commands[i]->hidden)
			printf("  %-10s %s\n", kg_commands[i]->name, kg_commands[i]->about);
	printf("\n`kindergarten help COMMAND` tells its options. Exit codes: 0 yes, 1 no,"
	       " 100 wrong usage, 111 trouble.\n");
}

int kg_cmd_help_run(kg_cli *cli, int argc, char **argv)
{
	const kg_command *command;

	(void)cli;
	if (argc > 2)
		return kg_cli_usage(&kg_cmd_help, "one command at most");
	if (argc < 2) {
		print_all();
		return KG_EXIT_YES;
	}
	command = kg_command_find(argv[1]);
	if (command == NULL)
		return kg_cli_usage(&kg_cmd_help, "%s: %s", argv[1],
				    kg_command_is_planned(argv[1]) ? "not built yet"
								   : "no such command");
	kg_cli_print_usage(stdout, command);
	printf("\n%s\n", command->about);
	if (command->help != NULL)
		printf("\n%s\n", command->help);
	return KG_EXIT_YES;
}
