/* SPDX-License-Identifier: MIT */
/*
 * writing – how a command adds entries: through the keeper when a swarm runs, else as the one
 * writer itself.
 */
#ifndef KG_CLI_WRITING_H
#define KG_CLI_WRITING_H

#include <stdint.h>

#include "base/err.h"
#include "cli/command.h"
#include "identity/derive.h"
#include "memory/entry.h"
#include "memory/memory.h"

typedef struct kg_writing kg_writing;

/* `swarm` is borrowed. KG_ECONFLICT: somebody else writes, and it is no keeper that answers. */
KG_NODISCARD kg_err kg_writing_open(kg_writing **out, const kg_cli *cli, const kg_swarm *swarm);

/* Nothing more to write; what was said is in git. Takes NULL. */
KG_NODISCARD kg_err kg_writing_close(kg_writing *writing);

/* Signs `entry` as the next of `author`'s chain and adds it; certifies the author first when the
 * swarm has not done so yet. Returns when it is durable. */
KG_NODISCARD kg_err kg_writing_say(kg_writing *writing, kg_receipt *receipt, kg_entry *entry,
				   const kg_key *author, const char *name);

/* True when a keeper does the writing. */
bool kg_writing_is_live(const kg_writing *writing);

/* Has the keeper look at its index (which it makes anew when the file is gone), waiting long. */
KG_NODISCARD kg_err kg_writing_touch_index(kg_writing *writing);

/* The memory itself; NULL when live. Borrowed. */
kg_memory *kg_writing_memory(kg_writing *writing);

#endif
