/* SPDX-License-Identifier: MIT */
/*
 * witness – what the swarm key says about the chains: who may write, and how far they reach.
 *
 * Both are ordinary entries on the swarm's own chain, author name "swarm". A lineage entry with
 * members certifies keys: the keeper admits entries of certified keys only, and verify finds the
 * others. A checkpoint names the tip of every chain, so that a tail cut off behind it shows.
 */
#ifndef KG_MEMORY_WITNESS_H
#define KG_MEMORY_WITNESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/key.h"
#include "memory/entry.h"

#define KG_SWARM_NAME "swarm"

/* Unsigned entries placed at the end of the swarm's chain, whose tip is `previous`; the caller
 * signs them with kg_entry_sign(…, swarm_key, parent = &previous->commit or NULL at sequence 0) and
 * releases them. `heads` and `members` in any order, no two of one key. */
KG_NODISCARD kg_err kg_checkpoint_make(kg_entry *out, const kg_key *swarm_key,
				       const kg_chain_head *previous, const kg_entry_head *heads,
				       size_t count, int64_t now_ms);
KG_NODISCARD kg_err kg_membership_make(kg_entry *out, const kg_key *swarm_key,
				       const kg_chain_head *previous,
				       const kg_entry_member *members, size_t count,
				       int64_t now_ms);

#endif
