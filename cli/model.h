/* SPDX-License-Identifier: MIT */
/* model – the parts of the `model` command; each parses its own options, argv[0] is its name. */
#ifndef KG_CLI_MODEL_H
#define KG_CLI_MODEL_H

#include "cli/commands.h"
#include "runtime/model.h"

/* cmd_model_files.c: models brought in and taken out. */
int kg_cli_model_import(int argc, char **argv);
int kg_cli_model_export(int argc, char **argv);

/* model_name.c: what a model is called by where it comes from: the last part of the path, that of a
 * file without its extension. */
bool kg_cli_is_folder(const char *path);
void kg_cli_model_name(char out[KG_MODEL_NAME_MAX + 1], const char *path);

/* model_open.c: the .fairy file, or the embedded model where `path` is NULL or "nursery". */
KG_NODISCARD kg_err kg_cli_model_open(kg_model **out, const char *path);

/* KG_EINVAL when writing `output` would replace `input`, or what is no file: a written file takes
 * the place of what was there, be it a device or a link. */
KG_NODISCARD kg_err kg_cli_check_output(const char *input, const char *output);

/* cmd_model_quantize.c: made narrow, with what is lost by it. */
int kg_cli_model_quantize(int argc, char **argv);

/* cmd_model_run.c: what computes with a model. */
int kg_cli_model_generate(kg_cli *cli, int argc, char **argv);
int kg_cli_model_eval(kg_cli *cli, int argc, char **argv);

#endif
