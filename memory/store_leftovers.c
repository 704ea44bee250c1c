/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/store_impl.h"

/* What to do with a file of a directory. */
typedef bool (*is_leftover)(int dir, const char *name);

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static bool ends(const char *name, const char *with)
{
	size_t length = strlen(name);
	size_t tail = strlen(with);

	return length > tail && strcmp(name + length - tail, with) == 0;
}

static void clear(const char *path, is_leftover leftover)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.' && leftover(dirfd(dir), e->d_name))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
}

static bool is_top_lock(int dir, const char *name)
{
	(void)dir;
	return strcmp(name, "HEAD.lock") == 0 || strcmp(name, "config.lock") == 0 ||
	       strcmp(name, "packed-refs.lock") == 0;
}

/* A ref that is empty was made just before a power loss: the journal still has what it named. */
static bool is_ref_leftover(int dir, const char *name)
{
	struct stat st;

	return ends(name, ".lock") || (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				       S_ISREG(st.st_mode) && st.st_size == 0);
}

/* Files of ours and of libgit2 that have no name of a pack yet, and what stood beside a pack. */
static bool is_pack_leftover(int dir, const char *name)
{
	char pack[sizeof("pack-") + KG_COMMIT_TEXT_SIZE + sizeof(".pack")];
	const size_t length = strlen("pack-") + KG_COMMIT_TEXT_SIZE - 1;

	if (strcmp(name, KG_PACK_TEMP) == 0 || strcmp(name, KG_PACK_TEMP_INDEX) == 0 ||
	    begins(name, "pack_git2_"))
		return true;
	if (!begins(name, "pack-") || strlen(name) <= length || name[length] != '.')
		return false;
	(void)snprintf(pack, sizeof(pack), "%.*s.pack", (int)length, name);
	return faccessat(dir, pack, F_OK, 0) != 0;
}

static bool is_object_leftover(int dir, const char *name)
{
	(void)dir;
	return begins(name, "tmp_object_git2_");
}

/* Proofs of forks have a directory for each author. */
static void clear_forks(const kg_store *store)
{
	char path[KG_PATH_SIZE];
	struct dirent *e;
	DIR *dir = NULL;

	if (kg_path(path, "%s/" KG_STORE_FORKS, store->path) == KG_OK)
		dir = opendir(path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.' &&
		    kg_path(path, "%s/" KG_STORE_FORKS "%s", store->path, e->d_name) == KG_OK)
			clear(path, is_ref_leftover);
	if (dir != NULL)
		(void)closedir(dir);
}

void kg_store__leftovers_clear(const kg_store *store)
{
	static const struct {
		const char *directory;
		is_leftover leftover;
	} places[] = {{"", is_top_lock},
		      {KG_STORE_REFS, is_ref_leftover},
		      {KG_STORE_VAULT, is_ref_leftover},
		      {"objects", is_object_leftover},
		      {"objects/pack", is_pack_leftover}};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[KG_PATH_SIZE];

		if (kg_path(path, "%s/%s", store->path, places[i].directory) == KG_OK)
			clear(path, places[i].leftover);
	}
	clear_forks(store);
	kg_store__release(store);
}
