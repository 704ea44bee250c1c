/* SPDX-License-Identifier: MIT */
/*
 * epoch – a chain begun anew without what has expired.
 *
 * Heartbeats and traces are said for a while only. Since every entry of a chain rests on the one
 * before, forgetting one is making the chain again: a root that stands for the old epoch (where it
 * ended, how many entries it had, a digest over their ids), then the entries that are kept, in
 * their order, signed anew with the same content and the same ids, then a checkpoint by which the
 * swarm key says that this is the chain. An expired entry that one that is kept refers to is kept.
 *
 * Left alone are the swarm's own chain, chains of other swarms, and chains that nothing may follow
 * or that are evidence: closed, revoked, forked, damaged.
 *
 * Carrying it out writes all objects first, then <state>/epochs, which names every ref with where
 * it was and where it is to be, then moves the refs. Killed before that file is there, it has
 * changed nothing; killed after, kg_epoch_recover moves what is left, as every opening for writing
 * does. At any time every ref is a whole chain, the old one or the new.
 */
#ifndef KG_MEMORY_EPOCH_H
#define KG_MEMORY_EPOCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/admit.h"
#include "memory/entry.h"
#include "memory/store.h"

/* How long entries are kept, in milliseconds; 0: for ever. */
typedef struct {
	int64_t now_ms;
	int64_t heartbeat_ms;
	int64_t trace_ms;
} kg_epoch_terms;

/* Whether an entry of this type and time may be forgotten. */
bool kg_epoch_is_expired(const kg_epoch_terms *terms, kg_entry_type type, int64_t time_ms);

/* One entry of a chain, as the plan knows it. */
typedef struct {
	kg_entry_id id;
	kg_commit commit;
	uint64_t sequence;
	bool keep;
	bool has_sealed; /* its content lies in the vault */
} kg_epoch_item;

/* What becomes of one chain. */
typedef struct {
	kg_pubkey agent;
	char name[KG_NAME_SIZE];
	kg_chain_head head;
	uint64_t number;      /* of its epoch now */
	kg_epoch_item *items; /* of this epoch, oldest first */
	size_t count;
	size_t expired;         /* those that are not kept */
	bool worth;             /* it is to get a new epoch */
	const char *left_alone; /* why it gets none; NULL: nothing speaks against it */
} kg_epoch_chain;

typedef struct {
	kg_epoch_chain *chains; /* of this swarm, without its own, by agent */
	size_t count;
	size_t worth;
} kg_epoch_plan;

/* Looks at all chains. A new epoch is worth it when a tenth of a chain, and at least two entries,
 * may be forgotten. At most KG_ENTRY_HEADS_MAX chains get one; the rest the next time. */
KG_NODISCARD kg_err kg_epoch_plan_make(kg_epoch_plan *out, kg_store *store, const kg_admit *admit,
				       const kg_epoch_terms *terms);
void kg_epoch_plan_release(kg_epoch_plan *plan);

/* Who signs, and who wants to know. */
typedef struct {
	const kg_key *swarm_key;
	/* The key of a chain's author; freed by the plan. */
	kg_err (*key)(void *payload, kg_key **out, const kg_epoch_chain *chain);
	/* Called before every change of the disk, with what it is; may be NULL. */
	void (*step)(void *payload, const char *what);
	void *payload;
	int64_t now_ms;
} kg_epoch_hands;

/* Gives every chain that is worth it its new epoch. The caller holds the memory's lock, and the
 * journal is empty. KG_ECORRUPT when an entry does not come out as the one it was. */
KG_NODISCARD kg_err kg_epoch_carry_out(const kg_epoch_plan *plan, kg_store *store,
				       const kg_admit *admit, const kg_epoch_hands *hands);

/* Moves the refs that a killed process did not move any more; nothing to do is fine. The caller
 * holds the memory's lock. */
KG_NODISCARD kg_err kg_epoch_recover(kg_store *store);

/* Whether there is something to recover. */
bool kg_epoch_is_halfway(const char *state_dir);

#endif
