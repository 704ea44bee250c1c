/* SPDX-License-Identifier: MIT */
/* role: what the orchestrator executes for each of its processes. */
#include <string.h>
#include <sys/prctl.h>

#include "agent/agent_main.h"
#include "cli/command.h"
#include "memory/memory_main.h"

extern const kg_command kg_cmd_role;

static int run(kg_cli *cli, int argc, char **argv)
{
	(void)cli;
	/* Executed as /proc/self/exe: without this its name in ps and top would be "exe". */
	if (argc == 2 && strcmp(argv[1], "keeper") == 0) {
		(void)prctl(PR_SET_NAME, "kg-keeper");
		return kg_keeper_main();
	}
	if (argc == 2 && strcmp(argv[1], "agent") == 0) {
		(void)prctl(PR_SET_NAME, "kg-agent");
		return kg_agent_main();
	}
	return kg_cli_usage(&kg_cmd_role, "expected keeper or agent");
}

const kg_command kg_cmd_role = {
	.name = "role",
	.usage = "keeper|agent",
	.about = "be one process of a swarm (started by `up`)",
	.run = run,
	.hidden = true,
};
