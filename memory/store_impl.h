/* SPDX-License-Identifier: MIT */
/* store_impl – the inside of a store, for those in this room who use libgit2 on it themselves. */
#ifndef KG_MEMORY_STORE_IMPL_H
#define KG_MEMORY_STORE_IMPL_H

#include <git2.h>

#include "base/fs.h"
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

#endif
