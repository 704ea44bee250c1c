/* SPDX-License-Identifier: MIT */
/* memory_impl – the inside of a memory, for its parts: taking in, recovery, looking back. */
#ifndef KG_MEMORY_MEMORY_IMPL_H
#define KG_MEMORY_MEMORY_IMPL_H

#include "base/fs.h"
#include "memory/admit.h"
#include "memory/carrier.h"
#include "memory/journal.h"
#include "memory/memory.h"

/* A fork that is kept. */
typedef struct {
	kg_pubkey agent;
	kg_commit commit;
} kg_memory_proof;

struct kg_memory {
	char state_dir[KG_PATH_SIZE];
	char index_path[KG_PATH_SIZE];
	kg_pubkey swarm;
	int64_t ahead_ms_max;
	int lock;
	kg_store *store; /* for reading, and for sealed content */
	kg_index *index; /* for reading; NULL while it cannot be opened */
	kg_journal *journal;
	kg_carrier *carrier;
	kg_admit admit;
	kg_memory_proof *proofs; /* that are in git or on their way */
	size_t proof_count;
	bool chains_stale;  /* admit is to be read anew */
	bool signers_stale; /* allowed_signers lacks a member */
	bool no_epochs;     /* roots of epochs are refused */
	bool group_failed;  /* the journal's group holds what admit could not take */
	bool load_kept;     /* what was refused is kept as a proof */
	bool hold;          /* the journal holds what a damaged chain lacks: nothing is removed */
	bool threaded;
	unsigned tidied; /* as the reading store has it */
};

/* What admission says of it, the chain's epoch looked up where that matters. */
KG_NODISCARD kg_err kg_memory__check(kg_memory *m, const kg_load *load, int64_t now_ms,
				     kg_reason *why);

/* ---- recovery.c ---- */

/* Reads the journal: what git lacks is admitted and given to the carrier. */
KG_NODISCARD kg_err kg_memory__recover(kg_memory *memory, kg_memory_report *told);

/* Writes what the journal has of objects that git lacks or cannot read, as after a power loss. */
KG_NODISCARD kg_err kg_memory__repair(kg_memory *memory);

/* Moves the refs that are behind the place from where the journal goes on: what it has was admitted
 * there, so that they were there once. `*moved`: the chains are to be read anew. */
KG_NODISCARD kg_err kg_memory__restore(kg_memory *memory, bool *moved);

/* ---- lookback.c ---- */

/* The reading index, open and where its file is; waits for one to be made. */
KG_NODISCARD kg_err kg_memory__index(kg_memory *memory);

/* Has the index mended and waits for it. */
KG_NODISCARD kg_err kg_memory__mend(kg_memory *memory, kg_mend mend);

KG_NODISCARD kg_err kg_memory__learn_proof(kg_memory *memory, const kg_pubkey *agent,
					   const kg_commit *commit);

/* What was refused with `err`, since its place is taken: KG_OK when the same entry is stored, which
 * the receipt then tells of. One that was signed for a place that another holds is kept, see
 * load_kept. */
KG_NODISCARD kg_err kg_memory__look_back(kg_memory *memory, kg_receipt *receipt, kg_load *load,
					 kg_err err);

/* Takes the load as the proof of a fork, if there is no reason against it. */
KG_NODISCARD kg_err kg_memory__keep_proof(kg_memory *memory, kg_load *load, bool *kept);

#endif
