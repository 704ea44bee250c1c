/* SPDX-License-Identifier: MIT */
#include "memory/store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hex.h"
#include "identity/sshsig.h"
#include "memory/pack.h"

enum { WINDOW_SIZE = 1 << 20, WINDOWS_SIZE_MAX = 32 << 20, WRITE_TRIES = 4 };

kg_err kg_store__fail_git(int code, const char *what)
{
	const git_error *last = git_error_last();
	const char *why = last != NULL && last->message != NULL ? last->message : "unknown";

	if (strstr(why, strerrordesc_np(ENOSPC)) != NULL ||
	    strstr(why, strerrordesc_np(EDQUOT)) != NULL)
		return kg_fail(KG_EFULL, "%s: %s", what, why);
	/* As libgit2 1.5 says it of a repository that is not the caller's. */
	if (strstr(why, "safe.directory") != NULL || strstr(why, "not owned by") != NULL)
		return kg_fail(KG_EDENIED,
			       "%s: the repository is another user's: git config "
			       "--global --add safe.directory DIRECTORY lets git and "
			       "this read it",
			       what);
	switch (code) {
	case GIT_ENOTFOUND:
		return kg_fail(KG_ENOTFOUND, "%s: %s", what, why);
	case GIT_EAMBIGUOUS:
	case GIT_EMODIFIED:
	case GIT_EEXISTS:
	case GIT_ELOCKED:
		return kg_fail(KG_ECONFLICT, "%s: %s", what, why);
	default:
		return kg_fail(KG_EIO, "%s: %s", what, why);
	}
}

void kg_store__to_oid(git_oid *oid, const kg_commit *commit)
{
	memcpy(oid->id, commit->bytes, sizeof(commit->bytes));
}

/*
 * libgit2 maps whole packs and keeps what it has read: a walk through a million entries would make
 * it resident. The objects are read once each; what they are told by stays in a cache of its own.
 */
static int set_limits(void)
{
	int rc = git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);

	rc = rc != 0 ? rc : git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)WINDOW_SIZE);
	return rc != 0 ? rc
		       : git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT,
					  (size_t)WINDOWS_SIZE_MAX);
}

static kg_err new_store(kg_store **out)
{
	kg_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the store");
	if (git_libgit2_init() < 0 || set_limits() != 0) {
		free(store);
		return kg_fail(KG_EFAIL, "libgit2 does not start");
	}
	*out = store;
	return KG_OK;
}

static kg_err new_memory_store(kg_store **out, const char *state_dir)
{
	kg_store *store = NULL;
	kg_err err = new_store(&store);

	if (err != KG_OK)
		return err;
	KG_ASSERT(store != NULL);
	err = kg_path(store->state_dir, "%s", state_dir);
	if (err == KG_OK)
		err = kg_path(store->path, "%s/memory.git", state_dir);
	if (err != KG_OK) {
		kg_store_free(store);
		return err;
	}
	store->bare = true;
	*out = store;
	return KG_OK;
}

static kg_err open_repository(kg_store *store)
{
	unsigned flags = GIT_REPOSITORY_OPEN_NO_SEARCH;
	int rc;

	/* memory.git itself is bare whatever its settings say. */
	if (store->bare)
		flags |= GIT_REPOSITORY_OPEN_BARE;
	rc = git_repository_open_ext(&store->repo, store->path, flags, NULL);
	if (rc == 0)
		rc = git_repository_odb(&store->odb, store->repo);
	return rc == 0 ? KG_OK : kg_store__fail_git(rc, store->path);
}

static void close_repository(kg_store *store)
{
	git_odb_free(store->odb);
	git_repository_free(store->repo);
	store->odb = NULL;
	store->repo = NULL;
}

kg_err kg_store_open(kg_store **out, const char *state_dir)
{
	kg_store *store = NULL;
	kg_err err = new_memory_store(&store, state_dir);

	if (err != KG_OK)
		return err;
	KG_ASSERT(store != NULL);
	err = open_repository(store);
	if (err != KG_OK) {
		kg_store_free(store);
		return err;
	}
	*out = store;
	return KG_OK;
}

kg_err kg_store_open_path(kg_store **out, const char *repository)
{
	kg_store *store = NULL;
	kg_err err = new_store(&store);

	if (err != KG_OK)
		return err;
	KG_ASSERT(store != NULL);
	err = kg_path(store->path, "%s", repository);
	if (err == KG_OK)
		err = open_repository(store);
	if (err == KG_OK)
		err = kg_path(store->path, "%s", git_repository_commondir(store->repo));
	if (err != KG_OK) {
		kg_store_free(store);
		return err;
	}
	store->bare = git_repository_is_bare(store->repo) == 1;
	*out = store;
	return KG_OK;
}

kg_err kg_store_refresh(kg_store *store)
{
	kg_store now = *store;
	kg_err err;

	now.repo = NULL;
	now.odb = NULL;
	err = open_repository(&now);
	if (err != KG_OK) {
		close_repository(&now);
		return err;
	}
	close_repository(store);
	*store = now;
	return KG_OK;
}

void kg_store_free(kg_store *store)
{
	if (store == NULL)
		return;
	close_repository(store);
	free(store);
	(void)git_libgit2_shutdown();
}

static int set_once(git_config *config, const char *key, const char *value)
{
	git_buf now = {0};
	int rc = git_config_get_string_buf(&now, config, key);
	bool same = rc == 0 && strcmp(now.ptr, value) == 0;

	git_buf_dispose(&now);
	return same ? 0 : git_config_set_string(config, key, value);
}

static kg_err configure(kg_store *store, const kg_pubkey *swarm)
{
	char signers[KG_PATH_SIZE];
	char hex[KG_PUBKEY_TEXT_SIZE];
	git_config *config = NULL;
	git_buf owner = {0};
	int rc;
	kg_err err = kg_path(signers, "%s/allowed_signers", store->state_dir);

	if (err != KG_OK)
		return err;
	kg_pubkey_format(hex, swarm);
	rc = git_repository_config(&config, store->repo);
	if (rc == 0 && git_config_get_string_buf(&owner, config, "kindergarten.swarm") == 0 &&
	    strcmp(owner.ptr, hex) != 0) {
		err = kg_fail(KG_EDENIED, "memory.git belongs to the swarm %s", owner.ptr);
		goto done;
	}
	rc = rc != 0 ? rc : set_once(config, "kindergarten.swarm", hex);
	rc = rc != 0 ? rc : set_once(config, "gpg.format", "ssh");
	rc = rc != 0 ? rc : set_once(config, "gpg.ssh.allowedsignersfile", signers);
	rc = rc != 0 ? rc : set_once(config, "receive.denynonfastforwards", "true");
	rc = rc != 0 ? rc : set_once(config, "receive.denydeletes", "true");
	/* Nobody pushes past the journal and the judgement of what comes. */
	rc = rc != 0 ? rc : set_once(config, "receive.hiderefs", "refs/");
	rc = rc != 0 ? rc : set_once(config, "transfer.fsckobjects", "true");
	if (rc != 0)
		err = kg_store__fail_git(rc, "memory.git/config");
done:
	git_buf_dispose(&owner);
	git_config_free(config);
	return err;
}

static kg_err init_repository(kg_store *store, const kg_pubkey *swarm)
{
	char head[sizeof(KG_STORE_REFS) + KG_PUBKEY_TEXT_SIZE] = KG_STORE_REFS;
	git_repository_init_options options = {
		.version = GIT_REPOSITORY_INIT_OPTIONS_VERSION,
		.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH,
		.initial_head = head,
	};
	git_repository *repo = NULL;
	int rc;

	kg_pubkey_format(head + sizeof(KG_STORE_REFS) - 1, swarm);
	rc = git_repository_init_ext(&repo, store->path, &options);
	git_repository_free(repo);
	return rc == 0 ? KG_OK : kg_store__fail_git(rc, "memory.git");
}

kg_err kg_store_create(kg_store **out, const char *state_dir, const kg_pubkey *swarm)
{
	kg_store *store = NULL;
	git_oid tree;
	kg_err err = new_memory_store(&store, state_dir);
	int rc;

	if (err != KG_OK)
		return err;
	KG_ASSERT(store != NULL);
	kg_store__leftovers_clear(store);
	err = open_repository(store);
	if (err == KG_ENOTFOUND) {
		err = init_repository(store, swarm);
		if (err == KG_OK)
			err = open_repository(store);
	}
	if (err == KG_OK)
		err = configure(store, swarm);
	if (err != KG_OK)
		goto done;
	/* Every entry has it; stock git knows it without an object, others may not. */
	rc = git_odb_write(&tree, store->odb, "", 0, GIT_OBJECT_TREE);
	if (rc != 0)
		err = kg_store__fail_git(rc, "memory.git");
done:
	if (err != KG_OK) {
		kg_store_free(store);
		return err;
	}
	*out = store;
	return KG_OK;
}

static kg_err write_pack(const kg_store *store, const kg_store_object *objects, size_t count,
			 bool held)
{
	char directory[KG_PATH_SIZE];
	char name[KG_PACK_NAME_SIZE];
	kg_pack *pack = NULL;
	kg_err err = kg_path(directory, "%s/objects/pack", store->path);

	if (err == KG_OK)
		err = kg_pack_new(&pack, directory);
	if (err == KG_OK && held)
		kg_pack_hold(pack);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_pack_add(pack, KG_PACK_COMMIT, objects[i].object, objects[i].size,
				  &objects[i].commit);
	if (err == KG_OK)
		err = kg_pack_finish(pack, name);
	kg_pack_free(pack);
	return err;
}

static kg_err write_objects(kg_store *store, const kg_store_object *objects, size_t count,
			    bool held)
{
	kg_err err = KG_OK;
	int rc;

	if (count == 0)
		return KG_OK;
	/* Somebody's git prune removes files that have no name of a pack yet. */
	for (unsigned i = 0; i == 0 || (err == KG_ENOTFOUND && i < WRITE_TRIES); i++)
		err = write_pack(store, objects, count, held);
	if (err != KG_OK)
		return kg_fail_context(err, "memory.git");
	rc = git_odb_refresh(store->odb);
	return rc == 0 ? KG_OK : kg_store__fail_git(rc, "memory.git");
}

kg_err kg_store_write(kg_store *store, const kg_store_object *objects, size_t count)
{
	return write_objects(store, objects, count, false);
}

kg_err kg_store__write_held(kg_store *store, const kg_store_object *objects, size_t count)
{
	return write_objects(store, objects, count, true);
}

kg_err kg_store_sync(kg_store *store)
{
	kg_err err = KG_OK;
	int fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return kg_fail_errno(errno, "%s", store->path);
	if (syncfs(fd) != 0)
		err = kg_fail_errno(errno, "%s", store->path);
	(void)close(fd);
	return err;
}

kg_err kg_store_read(kg_store *store, kg_buf *object, const kg_commit *commit)
{
	char text[KG_COMMIT_TEXT_SIZE];
	git_odb_object *found = NULL;
	kg_err err = KG_OK;
	git_oid oid;
	int rc;

	kg_store__to_oid(&oid, commit);
	kg_commit_format(text, commit);
	err = kg_store__check_loose(store->path, &oid);
	if (err != KG_OK)
		return err;
	rc = git_odb_read(&found, store->odb, &oid);
	if (rc == GIT_ENOTFOUND)
		return kg_fail(KG_ENOTFOUND, "no object %s", text);
	if (rc != 0)
		return kg_fail_context(kg_store__fail_git(rc, text) == KG_EFULL ? KG_EFULL
										: KG_ECORRUPT,
				       "unreadable object");
	if (git_odb_object_type(found) != GIT_OBJECT_COMMIT)
		err = kg_fail(KG_ECORRUPT, "%s is no commit", text);
	else if (git_odb_object_size(found) > KG_ENTRY_OBJECT_MAX)
		err = kg_fail(KG_EFULL, "%s is larger than an entry", text);
	else
		kg_buf_put(object, git_odb_object_data(found), git_odb_object_size(found));
	git_odb_object_free(found);
	return err == KG_OK ? kg_buf_ok(object) : err;
}

kg_err kg_store_find(kg_store *store, kg_commit *commit, const char *prefix)
{
	size_t length = strlen(prefix);
	git_oid brief;
	git_oid full;
	int rc;

	if (length < 4 || length > KG_COMMIT_TEXT_SIZE - 1 || !kg_hex_is(prefix, length))
		return kg_fail(KG_EINVAL, "\"%.64s\" is no prefix of a commit", prefix);
	rc = git_oid_fromstrn(&brief, prefix, length);
	rc = rc != 0 ? rc : git_odb_exists_prefix(&full, store->odb, &brief, length);
	if (rc != 0)
		return kg_store__fail_git(rc, prefix);
	memcpy(commit->bytes, full.id, sizeof(commit->bytes));
	return KG_OK;
}

void kg_store_put_signer(kg_buf *out, const kg_pubkey *key)
{
	char principal[KG_PUBKEY_TEXT_SIZE + 16];
	char line[KG_SSHSIG_SIGNERS_SIZE];

	kg_pubkey_format(principal, key);
	memcpy(principal + KG_PUBKEY_TEXT_SIZE - 1, "@kindergarten", sizeof("@kindergarten"));
	/* Hex and these letters are always a principal. */
	KG_ASSERT(kg_sshsig_signers(line, principal, key) == KG_OK);
	kg_buf_puts(out, line);
	kg_buf_puts(out, "\n");
}

kg_err kg_store_write_signers(kg_store *store, const kg_pubkey *swarm,
			      const kg_entry_member *members, size_t count)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = kg_path(path, "%s/allowed_signers", store->state_dir);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, 64 << 20);
	kg_store_put_signer(&text, swarm);
	for (size_t i = 0; i < count; i++)
		kg_store_put_signer(&text, &members[i].agent);
	err = kg_buf_ok(&text);
	if (err == KG_OK)
		err = kg_fs_update(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	return err;
}
