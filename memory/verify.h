/* SPDX-License-Identifier: MIT */
/*
 * verify – the whole memory judged again from git alone, believing nothing but the swarm's key.
 *
 * Every entry: its form, its signature, its author (certified by a lineage entry of a swarm that is
 * believed: the own one and, by its Peer lines, others), its chain, its place (sequence, parent,
 * time). Every chain: its epoch, the key before it and after it. Every claim: what a checkpoint, an
 * author ("Seen") or a witness outside git names must be there still. Every ref: there must be none
 * but chains, proofs of forks and sealed content, and these must be what they say. The reasons are
 * those of reason.h.
 *
 * Needs about 40 bytes of memory for each entry, and the largest entry.
 */
#ifndef KG_MEMORY_VERIFY_H
#define KG_MEMORY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"
#include "memory/reason.h"
#include "memory/store.h"

enum { KG_VERIFY_FINDINGS_MAX = 10000, KG_FINDING_DETAIL_SIZE = 256 };

typedef struct {
	char entry[KG_HASH_TEXT_SIZE];    /* id, as it was admitted when that is known; else the
					   * commit; "" for a ref */
	char commit[KG_COMMIT_TEXT_SIZE]; /* "" when there is none */
	char chain[KG_PUBKEY_TEXT_SIZE];  /* key of the chain; "" for a stray ref */
	const char *reason;               /* its word */
	char detail[KG_FINDING_DETAIL_SIZE];
} kg_finding;

/* An entry that the swarm or its operator asks to be left aside: no fault of the memory. */
typedef struct {
	char entry[KG_HASH_TEXT_SIZE];
	char by[KG_NAME_SIZE];
} kg_quarantined;

typedef struct {
	uint64_t checked;     /* entries looked at */
	kg_finding *findings; /* at most KG_VERIFY_FINDINGS_MAX */
	size_t count;
	bool cut;     /* there were more */
	bool reached; /* the one commit asked for was on a chain */
	kg_quarantined *quarantined;
	size_t quarantined_count;
	kg_entry_member *members; /* keys that are certified, of all swarms that are believed; the
				   * swarms' own among them */
	size_t member_count;
} kg_verdict;

/* What an entry was called when it was admitted, from somewhere else than git; false when nobody
 * knows. `sequence` 0: unknown. Only names findings, and decides nothing. */
typedef bool (*kg_verify_name)(void *payload, kg_entry_id *id, const kg_pubkey *agent,
			       uint64_t sequence, const kg_commit *commit);

/* How far it is, now and then: `expected` entries is what the chains say they have, 0 when that is
 * not known. False: stop. */
typedef bool (*kg_verify_step)(void *payload, uint64_t checked, uint64_t expected);

typedef struct {
	const kg_pubkey *agent; /* one chain only; NULL: everything */
	const kg_commit
		*commit;     /* findings on this entry only; agent: whose chain it should be on */
	kg_verify_name name; /* or NULL */
	kg_verify_step step; /* or NULL */
	void *payload;       /* of both */
	const kg_entry_head *witness; /* ends of swarms' own chains that were seen before */
	size_t witness_count;
} kg_verify_options;

/* KG_OK also when there are findings; an error is that the judging itself failed. `options` may be
 * NULL. KG_ENOTFOUND when the one chain asked for is nowhere, not even in a checkpoint;
 * KG_ETIMEOUT when it was stopped. Of one chain alone, what it says of others is not judged. */
KG_NODISCARD kg_err kg_verify(kg_verdict *verdict, kg_store *store, const kg_pubkey *swarm,
			      const kg_verify_options *options);
void kg_verdict_release(kg_verdict *verdict);

/* A finding from elsewhere than git: a remote that was put in quarantine. `chain` and `commit` are
 * what it was about, "" for none. */
void kg_verdict_add(kg_verdict *verdict, kg_reason reason, const char *chain, const char *commit,
		    const char *detail);

#endif
