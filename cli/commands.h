/* SPDX-License-Identifier: MIT */
/* commands – the table of all commands, in the order `help` prints them. */
#ifndef KG_CLI_COMMANDS_H
#define KG_CLI_COMMANDS_H

#include <stddef.h>

#include "cli/command.h"

extern const kg_command *const kg_commands[];
extern const size_t kg_command_count;

/* NULL when there is no such command. */
const kg_command *kg_command_find(const char *name);

/* True for a command of the contract that later versions bring. */
bool kg_command_is_planned(const char *name);

#endif
