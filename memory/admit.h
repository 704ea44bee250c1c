/* SPDX-License-Identifier: MIT */
/*
 * admit – who may write and where every chain ends: the rules an entry must pass to be taken in.
 *
 * An entry's own form and signature are judged by opening it (entry.h). What is judged here is its
 * place: the swarm, the author's certificate, sequence and parent, time and clock.
 *
 * Who may write is a set of pairs (swarm, key): what one swarm's chain says of one key. Believed
 * are the own swarm and, by Peer lines of the own swarm's chain alone, other swarms. Where the own
 * swarm has certified a key, no peer's word about it counts. A chain belongs to the swarm of its
 * first entry.
 */
#ifndef KG_MEMORY_ADMIT_H
#define KG_MEMORY_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"
#include "memory/reason.h"

enum {
	KG_ADMIT_AHEAD_MS = 5000,
	KG_ADMIT_CHAINS_MAX = 65536,
	KG_ADMIT_MEMBERS_MAX = 131072,
	KG_ADMIT_PEERS_MAX = 256
};

/* One swarm's word about one key. What it says does not depend on the order in which the entries
 * of that swarm's chain were learned. */
typedef struct {
	kg_pubkey agent;
	kg_pubkey swarm;
	char name[KG_NAME_SIZE];
	bool certified;
	bool revoked;
	uint64_t since;        /* sequence of the first certificate on the swarm's chain */
	uint64_t sequence_max; /* last accepted sequence of a revoked key, the lowest said */
} kg_admit_member;

/* Where a chain stands among its epochs. */
typedef struct {
	bool known;       /* false after a start from its tip: see kg_chain_epoch */
	uint64_t number;  /* 0: the first epoch, which has no root */
	uint64_t base;    /* sequence of its first entry: 1, or that of its root */
	uint64_t left;    /* entries carried over that are still to come */
	uint64_t carried; /* the old sequence of the last one that came */
} kg_admit_epoch;

/* What is known of one key. name, member, revoked and sequence_max are of the swarm that counts for
 * it: the own one where that certifies it, else that of its entries, else any that certifies it. */
typedef struct {
	kg_pubkey agent;
	kg_pubkey swarm;
	char name[KG_NAME_SIZE];
	bool member;  /* certified by that swarm, or that swarm's key itself */
	bool damaged; /* its tip cannot be read */
	bool revoked;
	bool closed; /* rotated away: nothing may follow */
	bool forked; /* there is proof of a second entry for a place that was taken */
	uint64_t sequence_max;
	kg_pubkey successor; /* of a closed chain */
	kg_chain_head head;  /* all zero: no entry yet. Within the carried entries of an epoch its
			      * time is that of the epoch's root */
	kg_entry_id head_id;
	uint64_t witnessed; /* the last sequence that a checkpoint of the own swarm names */
	kg_admit_epoch epoch;
} kg_admit_chain;

typedef struct {
	kg_pubkey swarm;
	int64_t ahead_ms_max;
	kg_admit_chain *chains; /* by agent, ascending */
	size_t count;
	kg_admit_member *members; /* by agent, then swarm, ascending */
	size_t member_count;
	kg_entry_member *peers; /* swarms believed beside the own one, by key, ascending */
	size_t peer_count;
} kg_admit;

/* Knows the swarm key alone. */
KG_NODISCARD kg_err kg_admit_init(kg_admit *admit, const kg_pubkey *swarm, int64_t ahead_ms_max);
void kg_admit_release(kg_admit *admit);

/* Borrowed; NULL when nothing is known of the key. */
const kg_admit_chain *kg_admit_find(const kg_admit *admit, const kg_pubkey *agent);

/* What `swarm` says of `agent`. Borrowed; NULL: nothing. Also of swarms that are not believed about
 * this key: kg_admit_author weighs it. */
const kg_admit_member *kg_admit_word(const kg_admit *admit, const kg_pubkey *agent,
				     const kg_pubkey *swarm);

/* Whether this is the own swarm or a peer. */
bool kg_admit_believes(const kg_admit *admit, const kg_pubkey *swarm);

/* Whether the author may say this at all, wherever it stands: wrong_swarm, unknown_key, revoked,
 * wrong_name, no_authority. Codes as in reason.c; *why (may be NULL) is set on failure. */
KG_NODISCARD kg_err kg_admit_author(const kg_admit *admit, const kg_entry *entry, kg_reason *why);

/* Whether the opened entry may follow now: what kg_admit_author says, and damaged, closed,
 * sequence_gap, wrong_parent, time_order, clock_ahead, bad_epoch, bad_succession, bad_claim,
 * bad_revocation, duplicate, forked. The caller has made sure that the entry is not one that is
 * there already under the same id: then a place that is taken is `forked`. That is only said where
 * the chain's epoch is known, since an entry of an epoch that was given up is no fork; otherwise
 * such an entry is a sequence_gap. The root of an epoch may stand for entries that never came here:
 * whoever takes one in from elsewhere has made sure that its swarm countersigned it. */
KG_NODISCARD kg_err kg_admit_check(const kg_admit *admit, const kg_entry *entry,
				   const kg_entry_proof *proof, int64_t now_ms, kg_reason *why);

/* Takes an entry as the new end of its chain, and what it says of members. Not checked again.
 * KG_ENOMEM, KG_EFULL: then nothing changed but members. */
KG_NODISCARD kg_err kg_admit_apply(kg_admit *admit, const kg_entry *entry,
				   const kg_entry_proof *proof);

/* Takes only what an entry of a believed swarm's chain says of members, peers and revocations: for
 * reading that chain, in any order. The own swarm's chain is learned first, then those of
 * admit->peers. Entries of others say nothing. */
KG_NODISCARD kg_err kg_admit_learn(kg_admit *admit, const kg_entry *entry);

/* Marks a chain whose tip cannot be read. */
KG_NODISCARD kg_err kg_admit_damage(kg_admit *admit, const kg_pubkey *agent);

/* Marks a chain of which there is proof that its author signed two entries for one place. */
KG_NODISCARD kg_err kg_admit_fork(kg_admit *admit, const kg_pubkey *agent);

/* What walking the chain back told of its epoch; `root` is the epoch's first entry's time where
 * the tip is one that was carried over, else all zero. */
KG_NODISCARD kg_err kg_admit_set_epoch(kg_admit *admit, const kg_pubkey *agent,
				       const kg_admit_epoch *epoch, const kg_chain_head *root);

#endif
