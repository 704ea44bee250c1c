/* SPDX-License-Identifier: MIT */
/*
 * witness – entries that say something of chains: who may write, how far they reach, where they
 * end.
 *
 * All are ordinary entries. On the swarm's own chain, author name "swarm", a lineage entry with
 * members certifies keys: the keeper admits entries of certified keys only, and verify finds the
 * others. One with peers believes other swarms about their members. A checkpoint names tips of
 * chains, so that a tail cut off behind one shows; a revocation names the last entry of a key that
 * counts. Quarantines are for the operator too; rotation and epochs are on an author's own chain.
 *
 * Every function makes an unsigned entry, placed at the end of its author's chain. The caller signs
 * it with kg_entry_sign and releases it. Codes are those of kg_entry_check and the setters.
 */
#ifndef KG_MEMORY_WITNESS_H
#define KG_MEMORY_WITNESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/key.h"
#include "memory/entry.h"

#define KG_SWARM_NAME "swarm"

/* For the swarm's chain, whose tip is `previous`; to be signed with parent = &previous->commit, or
 * NULL at sequence 0. `heads`, `members` and `peers` in any order, no two of one key; a peer's
 * `agent` is the key of that swarm. */
KG_NODISCARD kg_err kg_checkpoint_make(kg_entry *out, const kg_key *swarm_key,
				       const kg_chain_head *previous, const kg_entry_head *heads,
				       size_t count, int64_t now_ms);
KG_NODISCARD kg_err kg_membership_make(kg_entry *out, const kg_key *swarm_key,
				       const kg_chain_head *previous,
				       const kg_entry_member *members, size_t count,
				       int64_t now_ms);
KG_NODISCARD kg_err kg_peer_make(kg_entry *out, const kg_key *swarm_key,
				 const kg_chain_head *previous, const kg_entry_member *peers,
				 size_t count, int64_t now_ms);

/* `last` is the last entry of the key that counts; sequence 0 and no commit: nothing of it does. */
KG_NODISCARD kg_err kg_revocation_make(kg_entry *out, const kg_key *swarm_key,
				       const kg_chain_head *previous, const kg_entry_head *last,
				       int64_t now_ms);

/* Who signs, and where: `previous` is the tip of this author's chain. */
typedef struct {
	const kg_pubkey *swarm;
	const kg_key *key;
	const char *name;
	const kg_chain_head *previous;
	int64_t now_ms;
} kg_author;

/* By the swarm or its operator: 1..KG_ENTRY_REFERENCES_MAX entries are not to be believed, or, when
 * they are quarantines, are lifted. `text` says why. */
KG_NODISCARD kg_err kg_quarantine_make(kg_entry *out, const kg_author *author,
				       const kg_entry_id *ids, size_t count, const char *text);

/* Both ends of a rotation: the last entry of the old key, and the first of the new one, which names
 * it: `last` is that entry, on the chain of `old`, with its time. */
KG_NODISCARD kg_err kg_successor_make(kg_entry *out, const kg_author *author,
				      const kg_pubkey *successor);
KG_NODISCARD kg_err kg_predecessor_make(kg_entry *out, const kg_author *author,
					const kg_pubkey *old, const kg_chain_head *last);

/* The root of a new epoch, to be signed without a parent: its chain ended at author->previous and
 * was in epoch `number` - 1. `ids` are those of all entries of that epoch in their order, of which
 * `kept` will follow (kg_entry_carry). */
KG_NODISCARD kg_err kg_epoch_make(kg_entry *out, const kg_author *author, uint64_t number,
				  const kg_entry_id *ids, size_t count, size_t kept);

#endif
