/* SPDX-License-Identifier: MIT */
/* import_mmogit – messages of mmogit, each judged strictly and told anew by the operator. */
#ifndef KG_CLI_IMPORT_MMOGIT_H
#define KG_CLI_IMPORT_MMOGIT_H

#include <stdbool.h>

#include "cli/command.h"

/* `words` is a file with the 24 words that open private messages, or NULL. Prints what came of it
 * and returns the exit code: "no" when any message was refused. */
int kg_import_mmogit(const kg_cli *cli, const char *dir, const char *words, bool json);

#endif
