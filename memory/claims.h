/* SPDX-License-Identifier: MIT */
/*
 * claims – how far the swarms' own chains had come, told outside git: <state>/witness.
 *
 * One line per swarm, "<swarm key> <sequence> <commit>", by key: the last entry of its own chain
 * that was stored here. A repository that was put back to an earlier state does not have it.
 */
#ifndef KG_MEMORY_CLAIMS_H
#define KG_MEMORY_CLAIMS_H

#include <stddef.h>

#include "base/err.h"
#include "memory/entry.h"
#include "memory/store.h"

enum { KG_CLAIMS_MAX = 4096 };

/* What the file says, by key; free() it. None where there is no file; KG_ECORRUPT. */
KG_NODISCARD kg_err kg_claims_read(kg_entry_head **claims, size_t *count, const char *state_dir);

/* The file with this claim, whose entry is in the store, in place of an earlier one of that swarm.
 * One that is later, or that the chain does not go on from, stays, for it is what tells that the
 * chain was put back, also when that has grown past it since. Whole or not at all; a file that is
 * damaged is written anew. */
KG_NODISCARD kg_err kg_claims_put(const char *state_dir, kg_store *store,
				  const kg_entry_head *claim);

/* The text of such a file: strictly as it is written. `claims` has room for KG_CLAIMS_MAX. */
KG_NODISCARD kg_err kg_claims_parse(kg_entry_head *claims, size_t *count, const char *text,
				    size_t size);

#endif
