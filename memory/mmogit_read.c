/* SPDX-License-Identifier: MIT */
/* Where messages of mmogit are found: branches of a repository, or files of a directory. */
#include "memory/mmogit.h"

#include <dirent.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "memory/store_impl.h"

enum {
	FILES_MAX = 2000000, /* and trees */
	COMMITS_MAX = 10000000,
	NAME_SIZE = 512,
	ENTRIES_MAX = 1 << 20 /* of one tree */
};

typedef struct {
	kg_mmogit_visit visit;
	void *payload;
	git_repository *repo;
	git_oid *seen; /* open addressing; all zero is free */
	size_t seen_room;
	size_t seen_count;
	const char *branch;
} source;

static kg_err fail_git(const char *what)
{
	const git_error *e = git_error_last();

	return kg_fail(KG_EIO, "%s: %s", what, e != NULL ? e->message : "git failed");
}

static bool ends_in_json(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && strcmp(name + length - 5, ".json") == 0;
}

/* ---- what was read already ---- */

static size_t slot_of(const git_oid *seen, size_t room, const git_oid *oid)
{
	size_t at = 0;

	for (size_t i = 0; i < sizeof(at); i++)
		at = at << 8 | oid->id[i];
	for (at %= room; !git_oid_is_zero(&seen[at]) && !git_oid_equal(&seen[at], oid);)
		at = at + 1 < room ? at + 1 : 0;
	return at;
}

static kg_err grow(source *s)
{
	size_t room = s->seen_room > 0 ? 2 * s->seen_room : 4096;
	git_oid *seen = calloc(room, sizeof(*seen));

	if (seen == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the list of messages");
	for (size_t i = 0; i < s->seen_room; i++)
		if (!git_oid_is_zero(&s->seen[i]))
			seen[slot_of(seen, room, &s->seen[i])] = s->seen[i];
	free(s->seen);
	s->seen = seen;
	s->seen_room = room;
	return KG_OK;
}

/* `*is_new` once for each id. */
static kg_err note(source *s, bool *is_new, const git_oid *oid)
{
	size_t at;
	kg_err err = KG_OK;

	if (2 * (s->seen_count + 1) > s->seen_room)
		err = grow(s);
	if (err != KG_OK)
		return err;
	at = slot_of(s->seen, s->seen_room, oid);
	*is_new = git_oid_is_zero(&s->seen[at]);
	if (!*is_new)
		return KG_OK;
	if (s->seen_count == FILES_MAX)
		return kg_fail(KG_EFULL, "more than %d files", FILES_MAX);
	s->seen[at] = *oid;
	s->seen_count++;
	return KG_OK;
}

/* ---- a repository ---- */

/* Whether it may be unfolded: few bytes of a file can be very many, or end too early. */
static bool is_readable(source *s, const git_oid *oid)
{
	git_object_t type = GIT_OBJECT_INVALID;
	git_odb *odb = NULL;
	size_t size = 0;
	bool is;

	if (kg_store__check_loose(git_repository_commondir(s->repo), oid) != KG_OK ||
	    git_repository_odb(&odb, s->repo) != 0)
		return false;
	is = git_odb_read_header(&size, &type, odb, oid) == 0 && size <= KG_MMOGIT_FILE_MAX;
	git_odb_free(odb);
	return is;
}

static kg_err read_blob(source *s, const git_tree_entry *entry)
{
	char name[NAME_SIZE];
	git_blob *blob = NULL;
	kg_err err;

	(void)snprintf(name, sizeof(name), "%s:%s", s->branch, git_tree_entry_name(entry));
	if (!is_readable(s, git_tree_entry_id(entry)) ||
	    git_blob_lookup(&blob, s->repo, git_tree_entry_id(entry)) != 0)
		err = s->visit(s->payload, name, NULL, 0);
	else
		err = s->visit(s->payload, name, git_blob_rawcontent(blob),
			       (size_t)git_blob_rawsize(blob));
	git_blob_free(blob);
	return err;
}

static kg_err read_tree(source *s, git_commit *commit)
{
	git_tree *tree = NULL;
	kg_err err = KG_OK;
	bool is_new = false;
	size_t count;

	/* The same tree again has the same files. */
	if (git_commit_tree_id(commit) != NULL)
		err = note(s, &is_new, git_commit_tree_id(commit));
	if (err != KG_OK || !is_new)
		return err;
	if (git_commit_tree(&tree, commit) != 0)
		return fail_git(s->branch);
	count = git_tree_entrycount(tree);
	if (count > ENTRIES_MAX)
		err = kg_fail(KG_EFULL, "%s: a commit of %zu files", s->branch, count);
	for (size_t i = 0; err == KG_OK && i < count; i++) {
		const git_tree_entry *entry = git_tree_entry_byindex(tree, i);

		if (git_tree_entry_type(entry) != GIT_OBJECT_BLOB ||
		    !ends_in_json(git_tree_entry_name(entry)))
			continue;
		err = note(s, &is_new, git_tree_entry_id(entry));
		if (err == KG_OK && is_new)
			err = read_blob(s, entry);
	}
	git_tree_free(tree);
	return err;
}

static kg_err read_branch(source *s, const char *ref)
{
	git_revwalk *walk = NULL;
	size_t commits = 0;
	git_oid oid;
	kg_err err = KG_OK;

	if (git_revwalk_new(&walk, s->repo) != 0)
		return fail_git(ref);
	(void)git_revwalk_sorting(walk, GIT_SORT_TOPOLOGICAL | GIT_SORT_REVERSE);
	if (git_revwalk_push_ref(walk, ref) != 0)
		err = fail_git(ref);
	s->branch = ref;
	while (err == KG_OK && git_revwalk_next(&oid, walk) == 0) {
		git_commit *commit = NULL;

		if (++commits > COMMITS_MAX)
			err = kg_fail(KG_EFULL, "%s: more than %d commits", ref, COMMITS_MAX);
		else if (git_commit_lookup(&commit, s->repo, &oid) != 0)
			err = fail_git(ref);
		else
			err = read_tree(s, commit);
		git_commit_free(commit);
	}
	git_revwalk_free(walk);
	return err;
}

static bool is_users(const char *ref)
{
	const char *remote = "refs/remotes/";

	if (strncmp(ref, "refs/heads/users/", 17) == 0)
		return true;
	/* Those of others, which were fetched and never became branches. */
	return strncmp(ref, remote, strlen(remote)) == 0 && strstr(ref, "/users/") != NULL;
}

static kg_err read_repository(source *s)
{
	git_strarray refs = {0};
	kg_err err = KG_OK;

	if (git_reference_list(&refs, s->repo) != 0)
		return fail_git("branches");
	for (size_t i = 0; err == KG_OK && i < refs.count; i++)
		if (is_users(refs.strings[i]))
			err = read_branch(s, refs.strings[i]);
	git_strarray_dispose(&refs);
	return err;
}

/* ---- a directory ---- */

static int is_message(const struct dirent *entry)
{
	return ends_in_json(entry->d_name);
}

static kg_err read_file(source *s, const char *dir, const char *name)
{
	char path[KG_PATH_SIZE];
	struct stat st;
	kg_buf bytes;
	kg_err err = kg_path(path, "%s/%s", dir, name);

	if (err != KG_OK)
		return err;
	/* No pipe and no device is waited for. */
	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return s->visit(s->payload, name, NULL, 0);
	kg_buf_init(&bytes, KG_MMOGIT_FILE_MAX);
	if (kg_fs_read(&bytes, path) == KG_OK)
		err = s->visit(s->payload, name,
			       bytes.data != NULL ? bytes.data : (const uint8_t *)"", bytes.size);
	else
		err = s->visit(s->payload, name, NULL, 0);
	kg_buf_release(&bytes);
	return err;
}

static kg_err read_directory(source *s, const char *dir)
{
	struct dirent **names = NULL;
	int count = scandir(dir, &names, is_message, alphasort);
	kg_err err = KG_OK;

	if (count > FILES_MAX)
		err = kg_fail(KG_EFULL, "%s: more than %d files", dir, FILES_MAX);
	else if (count <= 0)
		err = kg_fail(KG_ENOTFOUND, "%s: no repository with messages, and no such files",
			      dir);
	for (int i = 0; i < count; i++) {
		if (err == KG_OK)
			err = read_file(s, dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return err;
}

static bool open_repository(source *s, const char *dir)
{
	char path[KG_PATH_SIZE];

	/* Not a repository that merely lies around this directory. */
	if (git_repository_open_ext(&s->repo, dir, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) == 0)
		return true;
	return kg_path(path, "%s/messages", dir) == KG_OK &&
	       git_repository_open_ext(&s->repo, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) == 0;
}

kg_err kg_mmogit_read(const char *dir, kg_mmogit_visit visit, void *payload)
{
	source s = {.visit = visit, .payload = payload};
	kg_err err;

	if (git_libgit2_init() < 0)
		return fail_git("libgit2");
	err = open_repository(&s, dir) ? read_repository(&s) : read_directory(&s, dir);
	git_repository_free(s.repo);
	free(s.seen);
	(void)git_libgit2_shutdown();
	return err;
}
