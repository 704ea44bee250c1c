/* SPDX-License-Identifier: MIT */
/* model – the parts of the `model` command; each parses its own options, argv[0] is its name. */
#ifndef KG_CLI_MODEL_H
#define KG_CLI_MODEL_H

#include "cli/command.h"

extern const kg_command kg_cmd_model;

/* cmd_model_run.c: what computes with a model. */
int kg_cli_model_generate(kg_cli *cli, int argc, char **argv);
int kg_cli_model_eval(kg_cli *cli, int argc, char **argv);

#endif
