/* SPDX-License-Identifier: MIT */
/*
 * store – the chains as a bare git repository, <state>/memory.git.
 *
 * One ref per author, refs/heads/agents/<64 hex of the key>, moved forward only. HEAD points to
 * refs/heads/agents/<64 hex of the swarm>. Objects are written first and refs moved after, so that
 * a crash leaves unreachable objects and never a ref to nothing. Only the holder of the memory's
 * lock writes; anyone may read at any time, with this module or with stock git.
 */
#ifndef KG_MEMORY_STORE_H
#define KG_MEMORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "identity/key.h"
#include "memory/entry.h"

enum {
	KG_STORE_PACK_MIN = 32, /* a batch of more objects is written as one pack */
	KG_STORE_CHAINS_MAX = 65536
};

#define KG_STORE_REFS "refs/heads/agents/"

typedef struct kg_store kg_store;

/* One commit object to be written. Borrowed. */
typedef struct {
	const void *object;
	size_t size;
	kg_commit commit;
} kg_store_object;

/* One ref to be moved. */
typedef struct {
	kg_pubkey agent;
	bool has_old;
	kg_commit old; /* where it must be now; without: it must not exist */
	kg_commit commit;
} kg_store_move;

/* A ref as found. `name` is the whole ref name; `is_chain` that it is a chain's of `agent`. */
typedef struct {
	char *name;
	bool is_chain;
	kg_pubkey agent;
	bool has_commit; /* points to an object directly */
	kg_commit commit;
} kg_store_ref;

typedef struct {
	kg_store_ref *refs; /* by name */
	size_t count;
} kg_store_refs;

/* Opens for reading; KG_ENOTFOUND when there is no repository. */
KG_NODISCARD kg_err kg_store_open(kg_store **out, const char *state_dir);

/* Opens for writing (the caller holds the lock): creates the repository when missing, clears away
 * what a killed writer left locked, sets the settings that stock git needs. KG_EDENIED when it is
 * another swarm's. */
KG_NODISCARD kg_err kg_store_create(kg_store **out, const char *state_dir, const kg_pubkey *swarm);
void kg_store_free(kg_store *store);

/* Writes all objects, or fails; what was written before a failure is unreachable and harmless. */
KG_NODISCARD kg_err kg_store_write(kg_store *store, const kg_store_object *objects, size_t count);

/* Moves one ref when it is where it is said to be: KG_ECONFLICT otherwise. */
KG_NODISCARD kg_err kg_store_move_ref(kg_store *store, const kg_store_move *move);

/* Everything written so far survives a power loss (syncfs). */
KG_NODISCARD kg_err kg_store_sync(kg_store *store);

/* Appends the bytes of a commit object. KG_ENOTFOUND when there is none of that id, KG_ECORRUPT
 * when it is damaged or no commit, KG_EFULL when it is larger than an entry. */
KG_NODISCARD kg_err kg_store_read(kg_store *store, kg_buf *object, const kg_commit *commit);

/* The tip of a chain. KG_ENOTFOUND. */
KG_NODISCARD kg_err kg_store_tip(kg_store *store, kg_commit *commit, const kg_pubkey *agent);

/* All refs but HEAD. */
KG_NODISCARD kg_err kg_store_refs_read(kg_store *store, kg_store_refs *refs);
void kg_store_refs_release(kg_store_refs *refs);

/* The commit whose id begins with `prefix` (4..40 lowercase hex): KG_ENOTFOUND, KG_ECONFLICT. */
KG_NODISCARD kg_err kg_store_find(kg_store *store, kg_commit *commit, const char *prefix);

/* Writes <state>/allowed_signers, for stock git: one line per key. */
KG_NODISCARD kg_err kg_store_write_signers(kg_store *store, const kg_pubkey *swarm,
					   const kg_entry_member *members, size_t count);

#endif
