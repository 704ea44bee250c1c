/* SPDX-License-Identifier: MIT */
/*
 * store – the chains as a bare git repository, <state>/memory.git.
 *
 * One ref per author, refs/heads/agents/<64 hex of the key>, moved forward only. HEAD points to
 * refs/heads/agents/<64 hex of the swarm>. Beside them refs/heads/forks/<agent>/<commit>, entries
 * that were signed for a place that another one holds, and refs/vault/<entry>, sealed content that
 * may be dropped. Objects are durable before the refs to them are moved, so that a crash leaves
 * unreachable objects and never a ref to nothing. Only the holder of the memory's lock writes;
 * anyone may read at any time, with this module or with stock git.
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
	KG_STORE_REFS_MAX = 1 << 20,
	KG_STORE_PROOFS_MAX = 8 /* forks that are kept of one author */
};

#define KG_STORE_REFS   "refs/heads/agents/"
#define KG_STORE_FORKS  "refs/heads/forks/"
#define KG_STORE_EPOCHS "refs/heads/epochs/"
#define KG_STORE_VAULT  "refs/vault/"

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

typedef enum {
	KG_STORE_STRAY, /* none of ours */
	KG_STORE_CHAIN,
	KG_STORE_PROOF, /* of a fork of the chain of `agent` */
	KG_STORE_SEALED /* content of `entry` */
} kg_store_kind;

/* A ref as found. `name` is the whole ref name. */
typedef struct {
	char *name;
	kg_store_kind kind;
	kg_pubkey agent;   /* chain, proof */
	kg_entry_id entry; /* sealed */
	uint64_t epoch;    /* of a chain under KG_STORE_EPOCHS; 0: it is under KG_STORE_REFS */
	bool has_commit;   /* points to an object directly */
	kg_commit commit;  /* that object's id, whatever it is */
} kg_store_ref;

typedef struct {
	kg_store_ref *refs; /* by name */
	size_t count;
} kg_store_refs;

/* Opens for reading; KG_ENOTFOUND when there is no repository. */
KG_NODISCARD kg_err kg_store_open(kg_store **out, const char *state_dir);

/* The same of any repository, bare or not, clones among them: for reading. */
KG_NODISCARD kg_err kg_store_open_path(kg_store **out, const char *repository);

/* Opens for writing (the caller holds the lock): creates the repository when missing, clears away
 * what a killed writer left locked, sets the settings that stock git needs. KG_EDENIED when it is
 * another swarm's. */
KG_NODISCARD kg_err kg_store_create(kg_store **out, const char *state_dir, const kg_pubkey *swarm);
void kg_store_free(kg_store *store);

/* Lets go of files that others have removed meanwhile (tidy, repack, git gc), which libgit2 keeps
 * open: for those who read for long. */
KG_NODISCARD kg_err kg_store_refresh(kg_store *store);

/* The key whose chain HEAD names: in our repositories and in clones of them the swarm's. Nobody has
 * signed that. KG_ENOTFOUND. */
KG_NODISCARD kg_err kg_store_swarm(kg_store *store, kg_pubkey *swarm);

/* Writes the objects as one pack that holds exactly these, durable when it returns KG_OK (the files
 * are synced; that their names outlive a power loss is up to the file system's order of renames, or
 * kg_store_sync). */
KG_NODISCARD kg_err kg_store_write(kg_store *store, const kg_store_object *objects, size_t count);

/* Moves one ref when it is where it is said to be: KG_ECONFLICT otherwise. */
KG_NODISCARD kg_err kg_store_move_ref(kg_store *store, const kg_store_move *move);

/* The same for a chain's new epoch, which does not continue the old one: has_old must be set. What
 * git noted of where the ref was before is forgotten. */
KG_NODISCARD kg_err kg_store_replace_ref(kg_store *store, const kg_store_move *move);

/* Keeps `commit`, which was written, as a proof that the author forked. KG_EFULL when there are
 * KG_STORE_PROOFS_MAX of that author; one that is kept already is fine. */
KG_NODISCARD kg_err kg_store_put_proof(kg_store *store, const kg_pubkey *agent,
				       const kg_commit *commit);

/* Everything written so far survives a power loss (syncfs). */
KG_NODISCARD kg_err kg_store_sync(kg_store *store);

/* Appends the bytes of a commit object. KG_ENOTFOUND when there is none of that id, KG_ECORRUPT
 * when it is damaged or no commit, KG_EFULL when it is larger than an entry. */
KG_NODISCARD kg_err kg_store_read(kg_store *store, kg_buf *object, const kg_commit *commit);

/* The tip of a chain, in a clone as its remote had it. KG_ENOTFOUND. */
KG_NODISCARD kg_err kg_store_tip(kg_store *store, kg_commit *commit, const kg_pubkey *agent);

/* All refs but HEAD, by name. In a repository that is not bare, refs/remotes/<r>/agents/… and
 * forks/… are chains and proofs too; left out are the remotes' HEAD, branches that point to where
 * such a ref points, and refs of a chain that another ref of the same chain continues. A repository
 * opened by its path may have epochs of a chain under names of their own, which is what others did
 * who could not move its ref there: the latest is the chain, the others are left out. */
KG_NODISCARD kg_err kg_store_refs_read(kg_store *store, kg_store_refs *refs);
void kg_store_refs_release(kg_store_refs *refs);

/* What follows KG_STORE_EPOCHS in the name of a ref, "<64 hex of the key>/<number>", and the whole
 * name. */
bool kg_store_epoch_parse(kg_pubkey *agent, uint64_t *number, const char *rest);
enum { KG_STORE_NAME_SIZE = 160 /* of a chain or proof, the NUL included */ };
void kg_store_epoch_format(char name[KG_STORE_NAME_SIZE], const kg_pubkey *agent, uint64_t number);

/* The commit whose id begins with `prefix` (4..40 lowercase hex): KG_ENOTFOUND, KG_ECONFLICT. */
KG_NODISCARD kg_err kg_store_find(kg_store *store, kg_commit *commit, const char *prefix);

/* Called now and then with how far it is; false: stop. */
typedef bool (*kg_store_progress)(void *payload, uint64_t done, uint64_t total);

/* Merges packs, so that there are few whatever they were written as: sizes fall into classes, each
 * KG_STORE_FAN times the one below, and as soon as KG_STORE_FAN packs are of one class they become
 * one. Nothing to do costs a glance at a list. The new pack is durable before the old ones go:
 * readers, other processes and stock git find every object at any time, whenever it stops.
 * `progress` may be NULL; when it stops the work, what was merged stays so: KG_OK. `*more`, which
 * may be NULL, tells whether there is more to merge. */
enum { KG_STORE_FAN = 8 };
KG_NODISCARD kg_err kg_store_tidy(kg_store *store, bool *more, kg_store_progress progress,
				  void *payload);

/* Removes objects that no ref reaches any more from the disk's files: loose ones, and out of every
 * pack that holds one, whoever made it. Much less work than a repack. Interrupted, it leaves some
 * of them: run it again. */
KG_NODISCARD kg_err kg_store_forget(kg_store *store, const kg_commit *objects, size_t count);

/* Writes what the refs reach, exactly that, anew, and removes all other packs and loose objects,
 * whoever made them: what no ref reaches is gone from the disk's files then. Stopped or killed, it
 * leaves everything as it was, or some of the old files beside the new ones: run it again.
 * KG_ECORRUPT when an object is missing or unreadable: nothing was removed. KG_ETIMEOUT when
 * `progress`, which may be NULL, stopped it. */
KG_NODISCARD kg_err kg_store_repack(kg_store *store, kg_store_progress progress, void *payload);

/* How many objects no ref reaches: what a repack would drop. */
KG_NODISCARD kg_err kg_store_unreached(kg_store *store, uint64_t *count, kg_store_progress progress,
				       void *payload);

/* Appends the line that lets stock git accept signatures of this key. */
void kg_store_put_signer(kg_buf *out, const kg_pubkey *key);

/* Writes <state>/allowed_signers, for stock git: one line per key. */
KG_NODISCARD kg_err kg_store_write_signers(kg_store *store, const kg_pubkey *swarm,
					   const kg_entry_member *members, size_t count);

/* Writes <state>/revoked_signers and sets gpg.ssh.revocationFile to it, for stock git, which then
 * refuses whatever these keys signed, at any time: only for keys of which nothing is accepted. With
 * none, both go. */
KG_NODISCARD kg_err kg_store_write_revoked(kg_store *store, const kg_pubkey *keys, size_t count);

#endif
