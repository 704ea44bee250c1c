/* SPDX-License-Identifier: MIT */
/*
 * commands – what every command says of itself, in the order `help` prints them.
 *
 * One file per command, cmd_<name>.c, defines its kg_cmd_<name>_run. The texts stand together in
 * commands.c, so that every program knows all of them and links only its own commands
 * (cli/program.h).
 */
#ifndef KG_CLI_COMMANDS_H
#define KG_CLI_COMMANDS_H

#include <stddef.h>

#include "cli/command.h"

/* clang-format off */
#define KG_COMMANDS(X) \
	X(up) X(down) X(ps) X(logs) X(ask) \
	X(remember) X(recall) X(log) X(show) X(trace) X(verify) X(replay) X(reindex) \
	X(compact) X(erase) X(quarantine) X(revoke) X(rotate) \
	X(sync) X(export) X(import) X(trust) \
	X(identity) X(model) X(lessons) X(train) X(bench) \
	X(config) X(doctor) X(help) X(version) X(role)
/* clang-format on */

#define KG_COMMAND_DECLARE(name)        \
 extern const kg_command kg_cmd_##name; \
 int kg_cmd_##name##_run(kg_cli *cli, int argc, char **argv);
KG_COMMANDS(KG_COMMAND_DECLARE)
#undef KG_COMMAND_DECLARE

extern const kg_command *const kg_commands[];
extern const size_t kg_command_count;

/* NULL when there is no such command. */
const kg_command *kg_command_find(const char *name);

/* True for a command of the contract that later versions bring. */
bool kg_command_is_planned(const char *name);

#endif
