/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "memory/store_impl.h"

enum {
	NAME_LENGTH = KG_COMMIT_TEXT_SIZE - 1,
	INDEX_HEAD = 1032,
	INDEX_FIXED = INDEX_HEAD + 2 * GIT_OID_RAWSZ,
	INDEX_EACH = GIT_OID_RAWSZ + 4 + 4
};

/* ---- what is there ---- */

static bool is_index(char name[KG_COMMIT_TEXT_SIZE], const char *file)
{
	if (strlen(file) != 5 + NAME_LENGTH + 4 || strncmp(file, "pack-", 5) != 0 ||
	    strcmp(file + 5 + NAME_LENGTH, ".idx") != 0 || !kg_hex_is(file + 5, NAME_LENGTH))
		return false;
	memcpy(name, file + 5, NAME_LENGTH);
	name[NAME_LENGTH] = '\0';
	return true;
}

static bool is_beside(int dir, const char *name, const char *suffix)
{
	char file[KG_COMMIT_TEXT_SIZE + 16];

	(void)snprintf(file, sizeof(file), "pack-%s%s", name, suffix);
	return faccessat(dir, file, F_OK, 0) == 0;
}

/* False for an index without its pack. */
static bool describe(kg_store__pack *p, int dir)
{
	char file[KG_COMMIT_TEXT_SIZE + 16];
	struct stat index;
	struct stat pack;

	(void)snprintf(file, sizeof(file), "pack-%s.idx", p->name);
	if (fstatat(dir, file, &index, 0) != 0 || index.st_size < INDEX_FIXED)
		return false;
	(void)snprintf(file, sizeof(file), "pack-%s.pack", p->name);
	if (fstatat(dir, file, &pack, 0) != 0)
		return false;
	p->count = (uint64_t)(index.st_size - INDEX_FIXED) / INDEX_EACH;
	p->size = (uint64_t)pack.st_size;
	p->made = pack.st_mtim;
	p->kept = is_beside(dir, p->name, ".keep") || is_beside(dir, p->name, ".promisor") ||
		  is_beside(dir, p->name, ".mtimes");
	return true;
}

static kg_err add(kg_store__pack **packs, size_t *count, const kg_store__pack *pack)
{
	if ((*count & (*count - 1)) == 0) {
		size_t room = *count == 0 ? 1 : 2 * *count;
		kg_store__pack *grown = realloc(*packs, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for a list of packs");
		*packs = grown;
	}
	(*packs)[(*count)++] = *pack;
	return KG_OK;
}

static int by_age(const void *a, const void *b)
{
	const kg_store__pack *x = a;
	const kg_store__pack *y = b;

	if (x->made.tv_sec != y->made.tv_sec)
		return x->made.tv_sec < y->made.tv_sec ? -1 : 1;
	if (x->made.tv_nsec != y->made.tv_nsec)
		return x->made.tv_nsec < y->made.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

kg_err kg_store__packs_read(const kg_store *store, kg_store__pack **packs, size_t *count)
{
	char path[KG_PATH_SIZE];
	kg_store__pack *found = NULL;
	struct dirent *e;
	size_t n = 0;
	DIR *dir;
	kg_err err = kg_path(path, "%s/objects/pack", store->path);

	if (err != KG_OK)
		return err;
	dir = opendir(path);
	if (dir == NULL)
		return kg_fail_errno(errno, "%s", path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (err == KG_OK && (e = readdir(dir)) != NULL) {
		kg_store__pack p = {0};

		if (is_index(p.name, e->d_name) && describe(&p, dirfd(dir)))
			err = add(&found, &n, &p);
	}
	(void)closedir(dir);
	if (err != KG_OK) {
		free(found);
		return err;
	}
	if (n > 1)
		qsort(found, n, sizeof(found[0]), by_age);
	*packs = found;
	*count = n;
	return KG_OK;
}

/* ---- removing ---- */

static void remove_file(const kg_store *store, const char *file)
{
	char path[KG_PATH_SIZE];

	/* One that stays only takes room. */
	if (kg_path(path, "%s/objects/%s", store->path, file) == KG_OK)
		(void)unlink(path);
}

void kg_store__pack_remove(const kg_store *store, const char *name)
{
	static const char *const suffixes[] = {".pack", ".idx",      ".rev",   ".bitmap",
					       ".keep", ".promisor", ".mtimes"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char file[KG_COMMIT_TEXT_SIZE + 32];

		(void)snprintf(file, sizeof(file), "pack/pack-%s%s", name, suffixes[i]);
		remove_file(store, file);
	}
}

void kg_store__shortcuts_remove(const kg_store *store)
{
	char path[KG_PATH_SIZE];
	struct dirent *e;
	DIR *dir;

	remove_file(store, "info/packs");
	if (kg_path(path, "%s/objects/pack", store->path) != KG_OK)
		return;
	dir = opendir(path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, "multi-pack-index", 16) == 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
}

/* ---- holding ---- */

static bool is_held(int dir, const char *file)
{
	char text[sizeof(KG_PACK_HOLD)];
	size_t length = strlen(file);
	ssize_t got;
	int fd;

	if (length < 5 || strcmp(file + length - 5, ".keep") != 0)
		return false;
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	got = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	if (fd >= 0)
		(void)close(fd);
	return got == sizeof(KG_PACK_HOLD) - 1 && memcmp(text, KG_PACK_HOLD, (size_t)got) == 0;
}

void kg_store__release(const kg_store *store)
{
	char path[KG_PATH_SIZE];
	struct dirent *e;
	DIR *dir;

	if (kg_path(path, "%s/objects/pack", store->path) != KG_OK)
		return;
	dir = opendir(path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (is_held(dirfd(dir), e->d_name))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
}

/* ---- writing anew ---- */

kg_err kg_store__pack_copy(kg_store *store, kg_pack *pack, const git_oid *oid)
{
	git_odb_object *object = NULL;
	kg_commit id;
	kg_err err;
	int rc;

	err = kg_store__check_loose(store->path, oid);
	if (err != KG_OK)
		return err;
	rc = git_odb_read(&object, store->odb, oid);
	memcpy(id.bytes, oid->id, sizeof(id.bytes));
	if (rc != 0) {
		char text[KG_COMMIT_TEXT_SIZE];

		kg_commit_format(text, &id);
		err = kg_store__fail_git(rc, text);
		return err == KG_EIO ? kg_fail_context(KG_ECORRUPT, "unreadable object") : err;
	}
	err = kg_pack_add(pack, (kg_pack_kind)git_odb_object_type(object),
			  git_odb_object_data(object), git_odb_object_size(object), &id);
	git_odb_object_free(object);
	return err;
}

/* An object of one of the packs, and where it comes in the new one. */
typedef struct {
	git_oid oid;
	uint64_t place;
} member;

typedef struct {
	member *members;
	size_t count;
} members;

static int by_oid(const void *a, const void *b)
{
	const member *x = a;
	const member *y = b;
	int order = git_oid_cmp(&x->oid, &y->oid);

	return order != 0 ? order : x->place < y->place ? -1 : x->place > y->place;
}

static int by_place(const void *a, const void *b)
{
	const member *x = a;
	const member *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

static uint32_t load_u32be(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The objects of one pack, in its order. */
static kg_err list_members(const kg_store *store, members *m, const kg_store__pack *pack,
			   uint64_t before)
{
	char path[KG_PATH_SIZE];
	kg_map index = {0};
	const uint8_t *ids;
	kg_err err = kg_path(path, "%s/objects/pack/pack-%s.idx", store->path, pack->name);

	if (err == KG_OK)
		err = kg_map_open(&index, path);
	if (err != KG_OK)
		return err;
	if (index.size < INDEX_FIXED + pack->count * INDEX_EACH)
		err = kg_fail(KG_ECORRUPT, "%s became shorter", path);
	ids = index.data + INDEX_HEAD;
	for (uint64_t i = 0; err == KG_OK && i < pack->count; i++) {
		member *one = &m->members[m->count++];
		const uint8_t *offset = ids + pack->count * (GIT_OID_RAWSZ + 4) + 4 * i;

		memcpy(one->oid.id, ids + i * GIT_OID_RAWSZ, GIT_OID_RAWSZ);
		one->place = before + load_u32be(offset);
	}
	kg_map_close(&index);
	return err;
}

static bool is_dropped(const kg_commit *dropped, size_t count, const git_oid *oid)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(dropped[i].bytes, oid->id, GIT_OID_RAWSZ) == 0)
			return true;
	return false;
}

/* Each object once, without those to be dropped, in the order of the packs. */
static void thin(members *m, const kg_commit *dropped, size_t dropped_count)
{
	size_t kept = 0;

	qsort(m->members, m->count, sizeof(m->members[0]), by_oid);
	for (size_t i = 0; i < m->count; i++)
		if ((kept == 0 ||
		     git_oid_cmp(&m->members[kept - 1].oid, &m->members[i].oid) != 0) &&
		    !is_dropped(dropped, dropped_count, &m->members[i].oid))
			m->members[kept++] = m->members[i];
	m->count = kept;
	qsort(m->members, m->count, sizeof(m->members[0]), by_place);
}

static kg_err write_members(kg_store *store, const members *m, char name[KG_PACK_NAME_SIZE])
{
	char path[KG_PATH_SIZE];
	kg_pack *pack = NULL;
	kg_err err = kg_path(path, "%s/objects/pack", store->path);

	if (err == KG_OK)
		err = kg_pack_new(&pack, path);
	for (size_t i = 0; err == KG_OK && i < m->count; i++)
		err = kg_store__pack_copy(store, pack, &m->members[i].oid);
	if (err == KG_OK)
		err = kg_pack_finish(pack, name);
	kg_pack_free(pack);
	return err;
}

kg_err kg_store__packs_rewrite(kg_store *store, const kg_store__pack *packs, size_t count,
			       const kg_commit *dropped, size_t dropped_count)
{
	char name[KG_PACK_NAME_SIZE] = "";
	uint64_t bytes = 0;
	uint64_t total = 0;
	members m = {0};
	kg_err err = KG_OK;

	for (size_t i = 0; i < count; i++)
		total += packs[i].count;
	m.members = calloc(total + 1, sizeof(m.members[0]));
	if (m.members == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %llu objects", (unsigned long long)total);
	for (size_t i = 0; err == KG_OK && i < count; i++) {
		err = list_members(store, &m, &packs[i], bytes);
		bytes += packs[i].size;
	}
	if (err == KG_OK && m.count > 0)
		thin(&m, dropped, dropped_count);
	if (err == KG_OK && m.count > 0)
		err = write_members(store, &m, name);
	free(m.members);
	if (err != KG_OK)
		return err;
	kg_store__shortcuts_remove(store);
	for (size_t i = 0; i < count; i++)
		if (strcmp(packs[i].name, name) != 0)
			kg_store__pack_remove(store, packs[i].name);
	return kg_store_refresh(store);
}
