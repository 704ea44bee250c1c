/* SPDX-License-Identifier: MIT */
/* version – the version of this binary and of what it runs on. */
#include <stdio.h>

#include "cli/commands.h"
#include "runtime/kernel.h"

static int run(kg_cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argc;
	(void)argv;
	printf("kindergarten %s (kernel %s)\n", KG_VERSION, kg_kernel_current()->name);
	return KG_EXIT_YES;
}

extern const kg_command kg_cmd_version;
const kg_command kg_cmd_version = {
	.name = "version",
	.usage = "",
	.about = "the version of this binary",
	.run = run,
};
