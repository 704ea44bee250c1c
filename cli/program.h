/* SPDX-License-Identifier: MIT */
/*
 * program – one of the executables: the commands it runs, and how to become another.
 *
 * `kindergarten` is small and starts fast. What needs more libraries stands in programs of its own,
 * kindergarten-<name>, which it becomes by execve: commands in swarm and train, processes in agent
 * and keeper. They lie beside it, or in ../lib/kindergarten seen from there, and are looked for
 * nowhere else.
 */
#ifndef KG_CLI_PROGRAM_H
#define KG_CLI_PROGRAM_H

#include "base/fs.h"
#include "cli/commands.h"

typedef struct {
	const kg_command *command;
	kg_command_run *run;
} kg_program_entry;

/* The commands of the program that this is linked into; the end is an entry of NULLs. */
extern const kg_program_entry kg_program_commands[];

/* NULL when another program has the command. */
kg_command_run *kg_program_run(const kg_command *command);

/* Where kindergarten-<name> is. KG_ENOTFOUND with what to do about it. */
KG_NODISCARD kg_err kg_program_path(char path[KG_PATH_SIZE], const char *name);

/* Goes on as kindergarten-<name>, with these arguments. Returns only when that failed: KG_EINVAL
 * for NULL, which is what commands of kindergarten itself have for a name. */
KG_NODISCARD kg_err kg_program_become(const char *name, char *const *argv);

#endif
