/* SPDX-License-Identifier: MIT */
/*
 * carrier – takes what is durable in the journal on to git and to the index, in order, in batches.
 *
 * It owns the writing ends of both. Whoever admits entries adds them, tells when they are durable,
 * and goes on; the carrier works in a thread of its own once it was started, and inside
 * kg_carrier_wait otherwise. An entry leaves it when git and index have it. What git or index
 * cannot take now (a full disk) stays, and is tried again when told to.
 *
 * One thread adds, asks and waits; what is said below of "the caller" is that thread.
 */
#ifndef KG_MEMORY_CARRIER_H
#define KG_MEMORY_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"
#include "memory/store.h"

enum {
	KG_CARRIER_BATCH = 5000,         /* entries in one pack and one transaction */
	KG_CARRIER_COUNT_MAX = 16384,    /* entries that may wait */
	KG_CARRIER_BYTES_MAX = 64 << 20, /* bytes of their objects */
	KG_CARRIER_CREDIT_MAX = 256
};

typedef struct kg_carrier kg_carrier;

/* An admitted entry on its way, or the proof of a fork. */
typedef struct kg_load kg_load;
struct kg_load {
	kg_load *next;  /* behind it; the carrier's */
	kg_load *other; /* of the same bucket; the carrier's */
	uint64_t serial;
	uint64_t segment; /* of the journal, where it is durable */
	bool is_proof;
	bool is_written; /* git has its object already */
	kg_entry entry;
	kg_entry_proof proof;
	size_t size;
	uint8_t object[];
};

/* Room for one entry of these bytes, which are copied; entry and proof are not set. NULL without
 * memory. */
kg_load *kg_load_new(const void *object, size_t size);

/* Also releases the entry. */
void kg_load_free(kg_load *load);

/* What the carrier has done, for those who wait without standing still. */
typedef struct {
	uint64_t durable; /* serial of the last entry that is durable; 0: none */
	uint64_t carried; /* of the last one that is in git */
	uint64_t safe;    /* segments of the journal below this one are needed no more */
	bool is_indexed;  /* the index has what git has, as far as the carrier knows */
	kg_err failed;    /* of the last try; KG_OK: it succeeded, or none is due */
	size_t waiting;
	size_t waiting_bytes;
	unsigned tidied; /* how often packs were merged: who reads lets go of the old ones */
} kg_carrier_state;

/* Creates the store where there is none; the caller holds the memory's lock. */
KG_NODISCARD kg_err kg_carrier_new(kg_carrier **out, const char *state_dir, const kg_pubkey *swarm);

/* Ends the thread when the batch it is at is through. What still waits is in the journal. */
void kg_carrier_free(kg_carrier *carrier);

/* The writing store: until start. */
kg_store *kg_carrier_store(kg_carrier *carrier);

/* Segments of the journal from `oldest` on exist; `current` is the one that is written to next. */
void kg_carrier_begin(kg_carrier *carrier, uint64_t oldest, uint64_t current);

/* From now on the work is done by a thread. `wake`, a descriptor of an event counter (borrowed; -1:
 * none), is written to whenever the state has changed. */
KG_NODISCARD kg_err kg_carrier_start(kg_carrier *carrier, int wake);

/* KG_EFULL when an object of this size has no room. */
KG_NODISCARD kg_err kg_carrier_has_room(kg_carrier *carrier, size_t size);

/* Takes the load as the last one. Not carried before it is durable. */
void kg_carrier_add(kg_carrier *carrier, kg_load *load);

/* What was added is durable, in this segment of the journal. */
void kg_carrier_commit(kg_carrier *carrier, uint64_t segment);

/* Forgets what was added since the last commit. */
void kg_carrier_cancel(kg_carrier *carrier);

/* An entry with this id that waits, proofs aside: its proof and sequence. */
bool kg_carrier_find(kg_carrier *carrier, kg_entry_proof *proof, uint64_t *sequence,
		     const kg_entry_id *id);

/* An entry at this place of a chain that waits, proofs aside. */
bool kg_carrier_at(kg_carrier *carrier, kg_entry_proof *proof, const kg_pubkey *agent,
		   uint64_t sequence);

/* Calls `before`, then `visit` for everything that waits, oldest first; nothing leaves meanwhile,
 * so that what `before` reads in git and what is visited have no gap between them. */
typedef kg_err (*kg_carrier_before)(void *payload);
typedef kg_err (*kg_carrier_visit)(void *payload, const kg_load *load);
KG_NODISCARD kg_err kg_carrier_replay(kg_carrier *carrier, kg_carrier_before before,
				      kg_carrier_visit visit, void *payload);

void kg_carrier_look(kg_carrier *carrier, kg_carrier_state *state);

/* How many entries one sender may have on the way, from how much waits: 1..CREDIT_MAX. */
unsigned kg_carrier_credit(kg_carrier *carrier);

/* What failed is tried again. */
void kg_carrier_retry(kg_carrier *carrier);

/* The index may be gone (CHECK), is of no use (DROP), or shall be made from git once more (ANEW):
 * done before anything is said to be indexed. */
typedef enum { KG_MEND_NONE, KG_MEND_CHECK, KG_MEND_ANEW, KG_MEND_DROP } kg_mend;
void kg_carrier_mend(kg_carrier *carrier, kg_mend mend);

/* Waits until all that is durable now is in git and in the index, `sync`: and git itself is durable
 * (syncfs). What it failed with, when that failed; nothing is lost then. */
KG_NODISCARD kg_err kg_carrier_wait(kg_carrier *carrier, bool sync);

/* Whether an index was made from nothing since the carrier is there. */
bool kg_carrier_rebuilt(kg_carrier *carrier);

/* The text that goes with state.failed. */
void kg_carrier_why(kg_carrier *carrier, char text[KG_ERR_TEXT_MAX]);

#endif
