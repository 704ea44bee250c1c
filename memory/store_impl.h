/* SPDX-License-Identifier: MIT */
/* store_impl – the inside of a store, for those in this room who use libgit2 on it themselves. */
#ifndef KG_MEMORY_STORE_IMPL_H
#define KG_MEMORY_STORE_IMPL_H

#include <git2.h>
#include <time.h>

#include "base/fs.h"
#include "memory/pack.h"
#include "memory/store.h"

struct kg_store {
	git_repository *repo;
	git_odb *odb;
	bool bare;
	char state_dir[KG_PATH_SIZE]; /* "" when it was opened by its path */
	char path[KG_PATH_SIZE];      /* of the repository: the directory with objects and refs */
};

/* libgit2's last error in our terms; `what` says of what. */
kg_err kg_store__fail_git(int code, const char *what);

void kg_store__to_oid(git_oid *oid, const kg_commit *commit);

/* Clears away what a writer that was killed left, or a power loss: locks of refs, refs without
 * content, files that were not named yet. For the holder of the memory's lock. */
void kg_store__leftovers_clear(const kg_store *store);

/* ---- packs, as objects/pack has them ---- */

typedef struct {
	char name[KG_COMMIT_TEXT_SIZE]; /* what stands between "pack-" and ".idx" */
	uint64_t count;                 /* objects */
	uint64_t size;                  /* bytes of the pack alone */
	struct timespec made;
	bool kept; /* somebody wants it to stay: a file .keep, .promisor or .mtimes beside it */
} kg_store__pack;

/* All of them, the oldest first; free() it. */
KG_NODISCARD kg_err kg_store__packs_read(const kg_store *store, kg_store__pack **packs,
					 size_t *count);

/* KG_ECORRUPT where the object is in a file of its own that is damaged; to be asked before libgit2
 * reads an object that others may have written. `repository` is the directory with objects/. */
KG_NODISCARD kg_err kg_store__check_loose(const char *repository, const git_oid *oid);

/* Removes a pack with all that stands beside it, the pack first: an index without one is nothing.
 * Objects of it must be elsewhere already. */
void kg_store__pack_remove(const kg_store *store, const char *name);

/* kg_store_write of what no ref reaches yet: until the release of all that is held, stock git does
 * not take it for garbage. Refs are moved first. */
KG_NODISCARD kg_err kg_store__write_held(kg_store *store, const kg_store_object *objects,
					 size_t count);
void kg_store__release(const kg_store *store);

/* What git keeps beside packs to find their objects faster; it knows the packs by name. */
void kg_store__shortcuts_remove(const kg_store *store);

/* Reads an object and adds it to a pack. KG_ENOTFOUND, KG_ECORRUPT. */
KG_NODISCARD kg_err kg_store__pack_copy(kg_store *store, kg_pack *pack, const git_oid *oid);

/* Writes one new pack of the objects of `packs` without `dropped`, each once, and then removes
 * those packs. Nothing is written when nothing is left. */
KG_NODISCARD kg_err kg_store__packs_rewrite(kg_store *store, const kg_store__pack *packs,
					    size_t count, const kg_commit *dropped,
					    size_t dropped_count);

#endif
