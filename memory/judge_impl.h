/* SPDX-License-Identifier: MIT */
/* judge_impl – what the parts of a judgement share. */
#ifndef KG_MEMORY_JUDGE_IMPL_H
#define KG_MEMORY_JUDGE_IMPL_H

#include <git2.h>

#include "memory/judge.h"

/* An entry that may be taken in: its form and its signature are good, and it is its chain's. */
typedef struct {
	kg_commit commit;
	kg_entry_id id;
	uint64_t sequence;
	int64_t time_ms;
	uint16_t time_counter;
	bool has_sealed;
	bool is_checkpoint;
} kg_judge__candidate;

/* The new part of one chain. */
typedef struct {
	kg_pubkey agent;
	const kg_store_ref *offer;
	kg_judge__candidate *all; /* newest first */
	size_t count;
	size_t left;   /* all[left - 1] is the next to be taken in */
	bool has_root; /* it begins with the root of an epoch */
} kg_judge__front;

/* The furthest that a swarm's checkpoints say a chain of theirs goes. */
typedef struct {
	kg_pubkey agent;
	uint64_t sequence;
} kg_judge__claim;

/* An entry to be taken in whose content is sealed. */
typedef struct {
	kg_entry_id id;
	kg_commit commit;
} kg_judge__sealer;

/* A swarm says by a checkpoint how far a chain goes. */
typedef struct {
	kg_pubkey swarm;
	kg_entry_head head;
} kg_judge__word;

/* What checkpoints say of chains that are offered from the root of an epoch on. */
typedef struct {
	kg_pubkey *rooted; /* those chains, ascending; NULL: not gathered yet */
	size_t rooted_count;
	kg_judge__word *all;
	size_t count;
	size_t sorted;   /* so many of them are in order */
	kg_pubkey *read; /* swarms whose chains in the memory were read for it */
	size_t read_count;
} kg_judge__words;

typedef struct {
	const kg_judge_input *in;
	kg_judgement out;
	const kg_store_ref **chains; /* offered, by agent, ascending, the latest of each first */
	size_t chain_count;
	uint64_t entries;         /* collected so far */
	kg_judge__front **fronts; /* every one that has something new */
	size_t front_count;
	kg_judge__claim *claims; /* by agent, ascending */
	size_t claim_count;
	kg_judge__sealer *sealers;
	size_t sealer_count;
	kg_judge__words words;
} kg_judge__work;

/* A finding; the detail is formatted. */
void kg_judge__find(kg_judge__work *work, const kg_pubkey *agent, const kg_commit *commit,
		    kg_reason reason, const char *fmt, ...) KG_PRINTF(5, 6);

/* Walks one offered chain: findings, a head, and a front when there is something new. */
kg_err kg_judge__walk(kg_judge__work *work, const kg_store_ref *offer);

/* The same author's chain under the next name: an earlier epoch, when the later one does not count.
 * NULL: there is none. What was noted of where the later one ends is forgotten. */
const kg_store_ref *kg_judge__earlier(kg_judge__work *work, const kg_store_ref *offer);

/* Whether the author's chain under any other name has this commit. */
bool kg_judge__is_elsewhere(const kg_judge__work *work, const kg_store_ref *offer,
			    const kg_commit *commit);

/* Puts what the fronts have in order, as far as the rules of admission allow; what they do not
 * allow becomes findings. Empties the fronts. */
kg_err kg_judge__merge(kg_judge__work *work);

/* Whether a checkpoint of its swarm, offered or here, names the last entry that was carried over
 * behind this root, which is the front's next: without that a chain does not begin anew. */
kg_err kg_judge__is_countersigned(kg_judge__work *work, bool *is, const kg_judge__front *front,
				  const kg_entry *root);

/* The sequence of an entry of ours that the root of an epoch, which is the front's next, leaves out
 * though it never expires; 0: none. Only what is there to expire may go: another history of the
 * same chain, begun anew, would do away with what was said in this one. */
kg_err kg_judge__left_out(kg_judge__work *work, uint64_t *sequence, const kg_judge__front *front,
			  uint64_t kept);

void kg_judge__forget_words(kg_judge__work *work);

/* Reads an object of the quarantine, asking for its size first: what unfolds to more than an entry
 * may be is not unfolded. KG_EFULL, KG_ENOTFOUND, KG_ECORRUPT. */
kg_err kg_judge__fetch(kg_store *store, kg_buf *object, git_object_t type, const kg_commit *id);

/* Reads an entry of the quarantine without looking at its signature again. */
kg_err kg_judge__read(kg_store *store, kg_entry *entry, kg_entry_proof *proof,
		      const kg_commit *commit);

/* Makes room for one more of `size` bytes in an array of `count`; false without memory. */
bool kg_judge__grow(void **array, size_t count, size_t size);

#endif
