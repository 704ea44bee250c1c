/* SPDX-License-Identifier: MIT */
/*
 * verify_impl – what the parts of the judging share.
 *
 * One walk over every chain, from its tip to its first entry, opens each entry once. It leaves a
 * track: which commit stands at which sequence. What needs more than one chain (claims, epochs,
 * successions, proofs of forks, doubles) is judged on the tracks afterwards.
 */
#ifndef KG_MEMORY_VERIFY_IMPL_H
#define KG_MEMORY_VERIFY_IMPL_H

#include "memory/admit.h"
#include "memory/reason.h"
#include "memory/verify.h"

/* An entry as the walk met it. */
typedef struct {
	uint64_t sequence;
	uint64_t mark; /* first bytes of the id; 0: not believed */
	kg_commit commit;
} kg_verify_spot;

/* One chain. */
typedef struct {
	kg_pubkey agent;
	kg_commit tip;
	size_t ref;     /* of the refs */
	uint64_t named; /* the epoch that the ref says it is; 0: it says nothing of that */
	bool walked;
	bool tangled;     /* the sequences do not fall from spot to spot */
	bool is_dark;     /* the walk broke off: nothing is known up to dark_to */
	uint64_t dark_to; /* UINT64_MAX: nothing is known at all */
	bool has_swarm;   /* swarm of the entry believed last, which is the oldest */
	kg_pubkey swarm;
	kg_verify_spot *spots;
	size_t count;
	size_t room;

	bool has_epoch; /* the chain begins with the root of an epoch */
	kg_entry_epoch epoch;
	kg_verify_spot root;
	kg_verify_spot last_carried; /* sequence 0: none */
	uint64_t carried;            /* how many */
	kg_verify_spot
		between;       /* the last that was not, though behind the root; sequence 0: none */
	uint64_t carried_low;  /* the lowest old sequence so far */
	uint64_t carried_high; /* the highest */
	int64_t carried_ms;    /* the latest of their times */
	uint64_t covered;      /* what a countersigned epoch stands for: up to this sequence */

	bool has_successor;
	kg_pubkey successor;
	kg_verify_spot closing; /* the entry that names it */
	bool has_predecessor;
	kg_entry_head predecessor;
	kg_verify_spot opening;
	char name[KG_NAME_SIZE]; /* of the oldest entry believed */
} kg_verify_track;

typedef enum { KG_CLAIM_CHECKPOINT, KG_CLAIM_WITNESS, KG_CLAIM_SEEN } kg_verify_by;

/* Somebody says that this entry stands at this place. */
typedef struct {
	uint64_t sequence;
	uint32_t track;    /* whose chain */
	uint32_t by_track; /* who says so */
	uint64_t by_sequence;
	kg_commit commit;
	kg_verify_by by;
} kg_verify_claim;

/* The same of a key that has no chain. */
typedef struct {
	kg_entry_head head;
	kg_pubkey swarm; /* that says so */
	kg_verify_by by;
} kg_verify_orphan;

/* An entry that puts others in quarantine, or lifts one that does. */
typedef struct {
	kg_entry_id id;
	kg_pubkey swarm; /* whose word it is */
	int64_t time_ms;
	uint16_t time_counter;
	bool lifted;
	char by[KG_NAME_SIZE];
	kg_entry_id *cited;
	size_t count;
} kg_verify_ban;

/* A ref that is kept as a proof of a fork, and what it proves with: opened once. */
typedef struct {
	kg_commit commit;
	const kg_pubkey *agent;
	uint64_t sequence;
	kg_entry_id id;
	const char *fault; /* NULL: a good entry of that author */
} kg_verify_proof;

typedef struct {
	kg_store *store;
	const kg_verify_options *options;
	kg_verdict *verdict;
	kg_admit admit; /* who may write, as the believed swarms' chains say */
	kg_store_refs refs;
	kg_verify_track *tracks; /* by agent */
	size_t track_count;
	kg_verify_claim *claims;
	size_t claim_count;
	size_t claim_room;
	kg_verify_orphan *orphans;
	size_t orphan_count;
	size_t orphan_room;
	kg_verify_ban *bans;
	size_t ban_count;
	kg_verify_proof *proofs; /* by commit */
	size_t proof_count;
	bool *sealed_met; /* by ref: an entry has this sealed content */
	kg_buf object;
	uint64_t total; /* entries expected; 0: unknown */
	bool stopped;
	kg_err err; /* no memory: found deep in the walk, told at its end */
} kg_verify_judge;

/* Where a finding is. */
typedef struct {
	const kg_pubkey *agent;
	const kg_commit *commit;
	uint64_t sequence;     /* 0: unknown */
	const kg_entry_id *id; /* NULL: unknown */
} kg_verify_spotted;

/* ---- verify_find.c ---- */

void kg_verify__find(kg_verify_judge *j, const kg_verify_spotted *at, kg_reason reason,
		     const char *fmt, ...) KG_PRINTF(4, 5);

/* Of no entry: a ref, a chain as a whole (`agent`, may be NULL). */
void kg_verify__find_ref(kg_verify_judge *j, const kg_pubkey *agent, kg_reason reason,
			 const char *fmt, ...) KG_PRINTF(4, 5);

/* ---- verify_claim.c ---- */

/* NULL when the key has no chain. */
kg_verify_track *kg_verify__track(const kg_verify_judge *j, const kg_pubkey *agent);

/* The spots of a sequence: the first, and how many. NULL when there is none. */
const kg_verify_spot *kg_verify__spots(const kg_verify_track *track, uint64_t sequence,
				       size_t *count);

/* Whether this very commit stands at that place. */
bool kg_verify__stands(const kg_verify_track *track, uint64_t sequence, const kg_commit *commit);

void kg_verify__claim(kg_verify_judge *j, const kg_entry_head *head, kg_verify_by by,
		      const kg_pubkey *by_agent, uint64_t by_sequence);

/* Members, revocations, peers and checkpoints of all swarms that are believed. */
kg_err kg_verify__learn(kg_verify_judge *j);

/* Whether a checkpoint of the swarm of this chain names that spot. Claims are sorted. */
bool kg_verify__is_countersigned(const kg_verify_judge *j, const kg_verify_track *track,
				 const kg_verify_spot *spot);

void kg_verify__sort_claims(kg_verify_judge *j);
void kg_verify__judge_claims(kg_verify_judge *j);

/* ---- verify_chain.c ---- */

void kg_verify__judge_chain(kg_verify_judge *j, kg_verify_track *track);

/* The only parent in the header of a commit, whatever else is wrong with it. */
bool kg_verify__header_parent(kg_commit *parent, const kg_buf *object);

/* ---- verify_root.c ---- */

/* One entry of the walk, newest first, that is believed. */
void kg_verify__meet_carried(kg_verify_judge *j, kg_verify_track *track, const kg_entry *e,
			     const kg_entry_proof *proof);
void kg_verify__judge_epoch(kg_verify_judge *j, kg_verify_track *track);
void kg_verify__judge_succession(kg_verify_judge *j, const kg_verify_track *track);

/* ---- verify_fork.c ---- */

/* Opens what is kept as proofs; of one author no more than are ever kept. */
void kg_verify__open_proofs(kg_verify_judge *j);
bool kg_verify__is_proof(const kg_verify_judge *j, const kg_commit *commit);
void kg_verify__judge_proofs(kg_verify_judge *j, const kg_pubkey *agent);

/* ---- verify_beside.c: what lies beside the chains ---- */

void kg_verify__judge_content(kg_verify_judge *j, const kg_verify_spotted *at, const kg_entry *e);
void kg_verify__judge_refs(kg_verify_judge *j);
void kg_verify__judge_doubles(kg_verify_judge *j);
void kg_verify__meet_ban(kg_verify_judge *j, const kg_entry *e, const kg_entry_proof *proof);
void kg_verify__list_bans(kg_verify_judge *j);

#endif
