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
 * swarm has not done so yet. Returns when it is durable. Nobody else signs with this key meanwhile
 * (author.h): others are waited for, and an agent that lives signs itself. What is signed is in the
 * author's outbox (agent/outbox.h) until it is stored, whatever happens to this process. May take
 * the content of `entry`. */
KG_NODISCARD kg_err kg_writing_say(kg_writing *writing, kg_receipt *receipt, kg_entry *entry,
				   const kg_key *author, const char *name);

/* The same of many entries of one author, in their order, which is faster. Their content is taken;
 * `*stored` is how many are in the memory. */
KG_NODISCARD kg_err kg_writing_say_all(kg_writing *writing, size_t *stored, kg_entry *entries,
				       size_t count, const kg_key *author, const char *name);

/* Has the swarm's key say that `peer`, another swarm, is believed about its own members. */
KG_NODISCARD kg_err kg_writing_trust(kg_writing *writing, kg_receipt *receipt,
				     const kg_pubkey *peer, const char *name);

/* What became of an entry that was passed on: KG_OK, or why not, with this thread's message. */
typedef void (*kg_writing_answer)(void *payload, uint64_t tag, kg_err err);

/* Passes on an entry that somebody else has signed. Many are on the way at once; `answer` is called
 * for each of them, in this call or a later one, until kg_writing_passed has returned. An error is
 * that no more can be passed on; an entry that is refused is none. */
KG_NODISCARD kg_err kg_writing_pass(kg_writing *writing, const void *object, size_t size,
				    uint64_t tag, kg_writing_answer answer, void *payload);

/* Waits until every entry passed on is answered, durable, and in git. */
KG_NODISCARD kg_err kg_writing_passed(kg_writing *writing, kg_writing_answer answer, void *payload);

/* Keeps sealed content of an entry that is passed on, or said, behind it. */
KG_NODISCARD kg_err kg_writing_keep_sealed(kg_writing *writing, const kg_entry_id *entry,
					   const void *sealed, size_t size);

/* The sealed content of the entry that is said next: kept before that is submitted. Borrowed. An
 * agent that lives cannot be made to say such an entry: KG_ECONFLICT. */
void kg_writing_seal(kg_writing *writing, const void *sealed, size_t size);

/* Waits until all that is acknowledged is in git and the index. */
KG_NODISCARD kg_err kg_writing_settle(kg_writing *writing);

/* True when a keeper does the writing. */
bool kg_writing_is_live(const kg_writing *writing);

/* Has the keeper look at its index (which it makes anew when the file is gone), waiting long. */
KG_NODISCARD kg_err kg_writing_touch_index(kg_writing *writing);

/* The memory itself; NULL when live. Borrowed. */
kg_memory *kg_writing_memory(kg_writing *writing);

#endif
