/* SPDX-License-Identifier: MIT */
/* version – the version of this binary and of what it runs on. */
#include <stdio.h>

#include "cli/commands.h"
#include "runtime/kernel.h"

int kg_cmd_version_run(kg_cli *cli, int argc, char **argv)
{
	(void)cli;
	if (argc > 1)
		return kg_cli_usage(&kg_cmd_version, "\"%s\" is one argument too many", argv[1]);
	printf("kindergarten %s (kernel %s)\n", KG_VERSION, kg_kernel_current()->name);
	return KG_EXIT_YES;
}
