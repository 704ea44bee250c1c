/* SPDX-License-Identifier: MIT */
/* role – the processes of a swarm by hand; the orchestrator starts their programs itself. */
#include <string.h>

#include "cli/program.h"

int kg_cmd_role_run(kg_cli *cli, int argc, char **argv)
{
	if (argc != 2 || (strcmp(argv[1], "keeper") != 0 && strcmp(argv[1], "agent") != 0))
		return kg_cli_usage(&kg_cmd_role, "expected keeper or agent");
	if (kg_program_become(argv[1], cli->argv) != KG_OK)
		return kg_cli_trouble("role");
	return KG_EXIT_TROUBLE;
}
