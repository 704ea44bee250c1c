/* SPDX-License-Identifier: MIT */
/* The command of kindergarten-train: what needs OpenBLAS. */
#include "cli/program.h"

const kg_program_entry kg_program_commands[] = {
	{&kg_cmd_train, kg_cmd_train_run},
	{NULL, NULL},
};
