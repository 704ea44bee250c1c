/* SPDX-License-Identifier: MIT */
/*
 * memory – the collective memory of one swarm on disk: journal, git store, index, behind one door.
 *
 * There is one writer at a time, who holds <state>/run/memory.lock; readers open store and index
 * themselves. What a caller submits is judged (admit.h), written to the journal, and is durable
 * once kg_memory_commit has returned: only then may it be acknowledged. A carrier (carrier.h)
 * brings it into git and the index: within kg_memory_flush, or, once kg_memory_carry was called, in
 * a thread of its own while more is submitted. When that fails (a full disk), the journal keeps it
 * and it is tried again. All calls come from one thread.
 *
 * Who may write is itself in the memory: the swarm key certifies keys by lineage entries on its own
 * chain ("Member: <hex> <name>"). The swarm key is the only thing that must be known beforehand.
 */
#ifndef KG_MEMORY_MEMORY_H
#define KG_MEMORY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/key.h"
#include "memory/entry.h"
#include "memory/index.h"

typedef struct kg_memory kg_memory;

/* The answer to an admitted entry. */
typedef struct {
	kg_entry_id id;
	kg_commit commit;
	kg_pubkey agent;
	uint64_t sequence;
	int64_t time_ms;
	uint16_t time_counter;
	bool known;            /* it was stored before: the same entry submitted again */
	const kg_entry *entry; /* borrowed until the next commit; NULL when known */
} kg_receipt;

typedef struct {
	int64_t ahead_ms_max; /* how far an entry's time may be ahead of the keeper's clock; 5000 */
} kg_memory_options;

/* What opening had to do. */
typedef struct {
	uint64_t entries;    /* in all chains */
	uint64_t recovered;  /* entries that were in the journal only */
	uint64_t proofs;     /* of forks, that were in the journal only */
	uint64_t torn_bytes; /* of the journal that were no intact record */
	uint64_t dropped;    /* intact records that do not continue their chain */
	uint64_t damaged;    /* chains whose tip cannot be read: nothing is admitted to them */
	bool index_rebuilt;
} kg_memory_report;

/* Takes the lock (KG_ECONFLICT when another process writes), creates what is missing, recovers the
 * journal. `options` and `report` may be NULL. KG_EDENIED when the store belongs to another swarm.
 */
KG_NODISCARD kg_err kg_memory_open(kg_memory **out, const char *state_dir, const kg_pubkey *swarm,
				   const kg_memory_options *options, kg_memory_report *report);

/* Without a commit before it, what was not committed is lost, and was never acknowledged. */
void kg_memory_free(kg_memory *memory);

/* Judges one commit object and takes it in; durable after the next commit. Codes of kg_admit, and
 * KG_EFULL when too much waits for git or the journal is full: later it may be taken. What its
 * author signed for a place that another entry of his holds is refused too, and kept as proof. */
KG_NODISCARD kg_err kg_memory_submit(kg_memory *memory, kg_receipt *receipt, const void *object,
				     size_t size, int64_t now_ms);

/* Whether the root of a new epoch is taken in from now on; after opening it is. What it leaves out
 * is gone for good, and the next checkpoint countersigns it: so it is for the owner's tools to
 * bring, and not for an author himself. */
void kg_memory_take_epochs(kg_memory *memory, bool taken);

/* Makes everything submitted durable (fdatasync). KG_OK: it may be acknowledged. On failure what
 * was submitted since the last commit is forgotten and may be submitted again. */
KG_NODISCARD kg_err kg_memory_commit(kg_memory *memory);

/* From now on a thread carries what is durable. `wake`, a descriptor of an event counter (-1:
 * none; borrowed), is written to when it got on, or failed. */
KG_NODISCARD kg_err kg_memory_carry(kg_memory *memory, int wake);

/* Waits until what is durable now is in git and the index; a failure loses nothing, the next flush
 * tries again. */
KG_NODISCARD kg_err kg_memory_flush(kg_memory *memory);

/* Commits, flushes, makes git itself durable (syncfs) and empties the journal: before a clean end.
 */
KG_NODISCARD kg_err kg_memory_settle(kg_memory *memory);

/* What has to be done now and then, say each second: what failed is tried again, segments of the
 * journal that are needed no more are removed. */
void kg_memory_tend(kg_memory *memory);

/* A point in what was committed, and whether git and the index have come past it: for who cannot
 * stand still. */
typedef struct {
	uint64_t serial;
} kg_memory_point;

kg_memory_point kg_memory_now(kg_memory *memory);
bool kg_memory_is_past(kg_memory *memory, const kg_memory_point *point);

/* KG_OK, or why the carrier does not get on. */
KG_NODISCARD kg_err kg_memory_trouble(kg_memory *memory);

/* How many entries one sender may have on the way, from how much waits for git: 1..256. */
unsigned kg_memory_credit(kg_memory *memory);

/* Keeps the sealed content of an entry that is about to be submitted, see vault.h. */
KG_NODISCARD kg_err kg_memory_keep_sealed(kg_memory *memory, const kg_entry_id *entry,
					  const void *sealed, size_t size);

/* The tip of a chain, all zero when it has none; `id` may be NULL. KG_EDENIED for a key that is no
 * member. */
KG_NODISCARD kg_err kg_memory_head(kg_memory *memory, kg_chain_head *head, kg_entry_id *id,
				   const kg_pubkey *agent);

/* All tips but the swarm's own, by agent, ascending; `moved`: only those that no checkpoint names
 * as they are. free() it. */
KG_NODISCARD kg_err kg_memory_heads(kg_memory *memory, kg_entry_head **heads, size_t *count,
				    bool moved);

/* Entries in all chains. */
uint64_t kg_memory_count(const kg_memory *memory);

bool kg_memory_is_member(const kg_memory *memory, const kg_pubkey *agent);

/* A key that was revoked, or given up for another: nothing more is accepted from it. */
bool kg_memory_is_over(const kg_memory *memory, const kg_pubkey *agent);

/* See index.h. Only what is flushed is found; an index that is gone or damaged is waited for. */
KG_NODISCARD kg_err kg_memory_recall(kg_memory *memory, kg_index_rows *rows,
				     const kg_index_filter *filter);

/* Throws the index away and builds it from git. */
KG_NODISCARD kg_err kg_memory_reindex(kg_memory *memory, uint64_t *entries);

#endif
