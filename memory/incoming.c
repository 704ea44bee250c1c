/* SPDX-License-Identifier: MIT */
#include "memory/incoming.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "memory/incoming_impl.h"

enum { NAME_MAX_BYTES = 40, OPEN_DIRS = 16, REFS_TEXT_MAX = 256 << 20 };

kg_err kg_incoming_name_check(const char *name)
{
	size_t length = strlen(name);
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.");

	if (length == 0 || length > NAME_MAX_BYTES || good != length || name[0] == '.' ||
	    name[0] == '-' || name[0] == '_')
		return kg_fail(KG_EINVAL,
			       "\"%.80s\" is no name for a remote: 1 to %d of a-z, 0-9, - _ . "
			       "with a letter or digit first",
			       name, NAME_MAX_BYTES);
	return KG_OK;
}

static kg_err path_of(char path[KG_PATH_SIZE], const char *state_dir, const char *name)
{
	kg_err err = kg_incoming_name_check(name);

	return err == KG_OK ? kg_path(path, "%s/incoming/%s.git", state_dir, name) : err;
}

static int remove_visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

kg_err kg_incoming_remove(const char *state_dir, const char *name)
{
	char path[KG_PATH_SIZE];
	kg_err err = path_of(path, state_dir, name);

	if (err == KG_OK && nftw(path, remove_visit, OPEN_DIRS, FTW_DEPTH | FTW_PHYS) != 0 &&
	    errno != ENOENT)
		err = kg_fail_errno(errno, "%s", path);
	return err;
}

static kg_err open_path(kg_incoming **out, const char *path)
{
	kg_incoming *in = calloc(1, sizeof(*in));
	kg_err err;

	if (in == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a quarantine");
	err = kg_path(in->path, "%s", path);
	if (err == KG_OK)
		err = kg_store_open_path(&in->store, path);
	if (err != KG_OK) {
		kg_incoming_free(in);
		return err;
	}
	*out = in;
	return KG_OK;
}

kg_err kg_incoming_open(kg_incoming **out, const char *state_dir, const char *name)
{
	char path[KG_PATH_SIZE];
	kg_err err = path_of(path, state_dir, name);

	return err == KG_OK ? open_path(out, path) : err;
}

static kg_err init(const char *path)
{
	git_repository_init_options options = {
		.version = GIT_REPOSITORY_INIT_OPTIONS_VERSION,
		.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH,
		.mode = 0700,
	};
	git_repository *repo = NULL;
	kg_err err;
	int rc = git_libgit2_init();

	if (rc < 0)
		return kg_fail(KG_EFAIL, "libgit2 does not start");
	rc = git_repository_init_ext(&repo, path, &options);
	err = rc == 0 ? KG_OK : kg_store__fail_git(rc, path);
	git_repository_free(repo);
	(void)git_libgit2_shutdown();
	return err;
}

kg_err kg_incoming_create(kg_incoming **out, const char *state_dir, const char *name)
{
	char path[KG_PATH_SIZE];
	char file[KG_PATH_SIZE];
	char borrowed[KG_PATH_SIZE];
	kg_err err = kg_incoming_remove(state_dir, name);

	if (err == KG_OK)
		err = kg_path(path, "%s/incoming", state_dir);
	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = path_of(path, state_dir, name);
	if (err == KG_OK)
		err = init(path);
	if (err == KG_OK)
		err = kg_path(file, "%s/objects/info/alternates", path);
	if (err == KG_OK)
		err = kg_path(borrowed, "%s/memory.git/objects\n", state_dir);
	if (err == KG_OK)
		err = kg_fs_write(file, borrowed, strlen(borrowed), 0600);
	return err == KG_OK ? open_path(out, path) : err;
}

void kg_incoming_free(kg_incoming *incoming)
{
	if (incoming == NULL)
		return;
	kg_store_free(incoming->store);
	free(incoming);
}

kg_store *kg_incoming_store(kg_incoming *incoming)
{
	return incoming->store;
}

/* One file instead of one for each: thousands of refs are written at once. */
kg_err kg_incoming_tell_ours(kg_incoming *incoming, kg_store *ours)
{
	char path[KG_PATH_SIZE];
	kg_store_refs refs = {0};
	kg_buf text;
	kg_err err = kg_store_refs_read(ours, &refs);

	kg_buf_init(&text, REFS_TEXT_MAX);
	kg_buf_puts(&text, "# pack-refs with: peeled fully-peeled sorted \n");
	for (size_t i = 0; err == KG_OK && i < refs.count; i++) {
		char hex[KG_COMMIT_TEXT_SIZE];

		if (!refs.refs[i].has_commit ||
		    (refs.refs[i].kind != KG_STORE_CHAIN && refs.refs[i].kind != KG_STORE_PROOF))
			continue;
		kg_commit_format(hex, &refs.refs[i].commit);
		kg_buf_printf(&text, "%s %s\n", hex, refs.refs[i].name);
	}
	kg_store_refs_release(&refs);
	if (err == KG_OK)
		err = kg_buf_ok(&text);
	if (err == KG_OK)
		err = kg_path(path, "%s/packed-refs", incoming->path);
	if (err == KG_OK)
		err = kg_fs_write(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	return err;
}

int kg_incoming__watch(const git_indexer_progress *stats, void *payload)
{
	kg_incoming_watch *w = payload;

	if (stats->total_objects > w->limits->objects_max)
		w->failed =
			kg_fail(KG_EFULL, "%u objects; at most %llu are taken at once",
				stats->total_objects, (unsigned long long)w->limits->objects_max);
	else if (stats->received_bytes > w->limits->bytes_max)
		w->failed = kg_fail(KG_EFULL, "more than %llu bytes are not taken at once",
				    (unsigned long long)w->limits->bytes_max);
	else if (w->progress != NULL &&
		 !w->progress(w->payload, stats->indexed_objects, stats->total_objects))
		w->failed = kg_fail(KG_ETIMEOUT, "stopped");
	return w->failed == KG_OK ? 0 : GIT_EUSER;
}
