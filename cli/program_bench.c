/* SPDX-License-Identifier: MIT */
/* The command of kindergarten-bench: it holds models, memory and keys at once. */
#include "cli/program.h"

const kg_program_entry kg_program_commands[] = {
	{&kg_cmd_bench, kg_cmd_bench_run},
	{NULL, NULL},
};
