/* SPDX-License-Identifier: MIT */
/*
 * admit – who may write and where every chain ends: the rules an entry must pass to be taken in.
 *
 * An entry's own form and signature are judged by opening it (entry.h). What is judged here is its
 * place: the swarm, the author's certificate, sequence and parent, time and clock.
 */
#ifndef KG_MEMORY_ADMIT_H
#define KG_MEMORY_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"

enum { KG_ADMIT_AHEAD_MS = 5000, KG_ADMIT_CHAINS_MAX = 65536 };

/* What is known of one key. */
typedef struct {
	kg_pubkey agent;
	char name[KG_NAME_SIZE];
	bool member;  /* certified by the swarm key, or that key itself */
	bool damaged; /* its tip cannot be read */
	bool revoked;
	uint64_t sequence_max; /* last accepted sequence of a revoked key */
	kg_chain_head head;    /* all zero: no entry yet */
	kg_entry_id head_id;
} kg_admit_chain;

typedef struct {
	kg_pubkey swarm;
	int64_t ahead_ms_max;
	kg_admit_chain *chains; /* by agent, ascending */
	size_t count;
} kg_admit;

/* Knows the swarm key alone. */
KG_NODISCARD kg_err kg_admit_init(kg_admit *admit, const kg_pubkey *swarm, int64_t ahead_ms_max);
void kg_admit_release(kg_admit *admit);

/* Borrowed; NULL when nothing is known of the key. */
const kg_admit_chain *kg_admit_find(const kg_admit *admit, const kg_pubkey *agent);

/* Whether the opened entry may follow now. KG_EDENIED: another swarm, no member, revoked, name of
 * someone else; KG_ECONFLICT: not the next on its chain (sequence, parent, time before the
 * previous); KG_EINVAL: its time is too far ahead of now_ms. */
KG_NODISCARD kg_err kg_admit_check(const kg_admit *admit, const kg_entry *entry,
				   const kg_entry_proof *proof, int64_t now_ms);

/* Takes an entry as the new end of its chain, and what it says of members. Not checked again.
 * KG_ENOMEM, KG_EFULL: then nothing changed but members. */
KG_NODISCARD kg_err kg_admit_apply(kg_admit *admit, const kg_entry *entry,
				   const kg_entry_proof *proof);

/* Takes only what an entry of the swarm's chain says of members: for reading that chain. */
KG_NODISCARD kg_err kg_admit_learn(kg_admit *admit, const kg_entry *entry);

/* Marks a chain whose tip cannot be read. */
KG_NODISCARD kg_err kg_admit_damage(kg_admit *admit, const kg_pubkey *agent);

#endif
