/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"

#include <string.h>

/* clang-format off */
#define COMMANDS(X) \
	X(up) X(down) X(ps) X(logs) X(ask) \
	X(remember) X(recall) X(log) X(show) X(trace) X(verify) X(replay) X(reindex) \
	X(identity) X(model) X(lessons) X(train) \
	X(config) X(doctor) X(help) X(version) X(role)
/* clang-format on */

#define DECLARE(name) extern const kg_command kg_cmd_##name;
COMMANDS(DECLARE)

#define LIST(name) &kg_cmd_##name,
const kg_command *const kg_commands[] = {COMMANDS(LIST)};
const size_t kg_command_count = sizeof(kg_commands) / sizeof(kg_commands[0]);

static const char *const planned[] = {"scale",   "chat",   "study",   "sync",  "export", "import",
				      "compact", "revoke", "survive", "bench", "mcp"};

const kg_command *kg_command_find(const char *name)
{
	for (size_t i = 0; i < kg_command_count; i++)
		if (strcmp(kg_commands[i]->name, name) == 0)
			return kg_commands[i];
	return NULL;
}

bool kg_command_is_planned(const char *name)
{
	for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++)
		if (strcmp(planned[i], name) == 0)
			return true;
	return false;
}
