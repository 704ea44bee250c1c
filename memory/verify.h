/* SPDX-License-Identifier: MIT */
/*
 * verify – the whole memory judged again from git alone, believing nothing but the swarm's key.
 *
 * Every entry: its form, its signature, its author (certified by a lineage entry of the swarm), its
 * chain, its place (sequence, parent, time). Every checkpoint: what it names must be there still.
 * Every ref: there must be none but chains. Reasons, stable words:
 *
 * - bad_signature: the bytes are not what the author signed
 * - unsigned: there is no signature
 * - weak_key: signed by a key that belongs to everyone
 * - malformed: not the form of an entry
 * - unreadable: the object is damaged
 * - missing: the object is not there
 * - unknown_key: the swarm has not certified the author
 * - wrong_name: the author is certified under another name
 * - wrong_swarm: made for another swarm
 * - wrong_chain: another author's entry
 * - revoked: behind the last accepted entry of its key
 * - sequence_gap: does not follow the entry before it
 * - time_order: not older than the entry after it
 * - truncated: a checkpoint names it, and its chain does not reach it
 * - replaced: a checkpoint names another entry at its place
 * - off_chain: an entry asked for by its name that is on no chain
 * - stray_ref: a ref that is no chain
 */
#ifndef KG_MEMORY_VERIFY_H
#define KG_MEMORY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"
#include "memory/store.h"

enum { KG_VERIFY_FINDINGS_MAX = 10000, KG_FINDING_DETAIL_SIZE = 256 };

typedef struct {
	char entry[KG_HASH_TEXT_SIZE];    /* id, as it was admitted when that is known; else the
					   * commit; "" for a ref */
	char commit[KG_COMMIT_TEXT_SIZE]; /* "" when there is none */
	char chain[KG_PUBKEY_TEXT_SIZE];  /* key of the chain; "" for a stray ref */
	const char *reason;
	char detail[KG_FINDING_DETAIL_SIZE];
} kg_finding;

typedef struct {
	uint64_t checked;     /* entries looked at */
	kg_finding *findings; /* at most KG_VERIFY_FINDINGS_MAX */
	size_t count;
	bool cut;     /* there were more */
	bool reached; /* the one commit asked for was on a chain */
} kg_verdict;

/* What an entry was called when it was admitted, from somewhere else than git; false when nobody
 * knows. `sequence` 0: unknown. Only names findings, and decides nothing. */
typedef bool (*kg_verify_name)(void *payload, kg_entry_id *id, const kg_pubkey *agent,
			       uint64_t sequence, const kg_commit *commit);

typedef struct {
	const kg_pubkey *agent; /* one chain only; NULL: everything */
	const kg_commit
		*commit;     /* findings on this entry only; agent: whose chain it should be on */
	kg_verify_name name; /* or NULL */
	void *payload;
} kg_verify_options;

/* KG_OK also when there are findings; an error is that the judging itself failed. `options` may be
 * NULL. KG_ENOTFOUND when the one chain asked for is nowhere, not even in a checkpoint. */
KG_NODISCARD kg_err kg_verify(kg_verdict *verdict, kg_store *store, const kg_pubkey *swarm,
			      const kg_verify_options *options);
void kg_verdict_release(kg_verdict *verdict);

#endif
