/* SPDX-License-Identifier: MIT */
/* chain – the authors' entries as git has them, read from the tip to the first. */
#ifndef KG_MEMORY_CHAIN_H
#define KG_MEMORY_CHAIN_H

#include <stdbool.h>

#include "base/err.h"
#include "memory/admit.h"
#include "memory/entry.h"
#include "memory/index.h"
#include "memory/store.h"

/* Opens the commit as an entry. `*verified` false: it has the form of an entry, but its signature
 * is not good. KG_ENOTFOUND, KG_ECORRUPT. */
KG_NODISCARD kg_err kg_chain_read(kg_store *store, kg_entry *entry, kg_entry_proof *proof,
				  bool *verified, const kg_commit *commit);

/* Called for every entry, newest first; KG_OK goes on, `*stop` set ends the walk. */
typedef kg_err (*kg_chain_visit)(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
				 bool verified, bool *stop);

/* Walks from `tip` along the parents. KG_ECORRUPT or KG_ENOTFOUND where an entry cannot be read. */
KG_NODISCARD kg_err kg_chain_walk(kg_store *store, const kg_commit *tip, kg_chain_visit visit,
				  void *payload);

/* Members, peers, the heads of all chains and which of them are forked, from git alone, into an
 * admit that knows the swarm key. A chain whose tip cannot be believed is marked damaged; the own
 * swarm's chain that cannot be believed is KG_ECORRUPT. */
KG_NODISCARD kg_err kg_chain_load(kg_admit *admit, kg_store *store);

/* Looks up what epoch a loaded chain is in, by walking it back to its root: to be called before an
 * epoch's root, or an entry for a place that is taken, is judged. Nothing where it is known. All of
 * the chain that admit knows is in the store, or came after its epoch was known. */
KG_NODISCARD kg_err kg_chain_epoch(kg_admit *admit, kg_store *store, const kg_pubkey *agent);

/* The epoch that a chain is in; 0: its first, which has no root. */
KG_NODISCARD kg_err kg_chain_number(uint64_t *number, kg_store *store, const kg_commit *tip);

/* Brings an index to what the store holds; `anew` empties it first. Entries whose author `admit`
 * does not know as a member are put as not verified. */
KG_NODISCARD kg_err kg_chain_fill_index(const kg_admit *admit, kg_store *store, kg_index *index,
					bool anew);

/* Holds rows of an index against git, where alone it stands who said what: a row stays verified
 * when its commit is on its author's chain, the signature is good, the author is a member, and
 * every field is the same. */
KG_NODISCARD kg_err kg_chain_confirm(const kg_admit *admit, kg_store *store, kg_index *index,
				     kg_index_rows *rows);

#endif
