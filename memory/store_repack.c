/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "memory/store_impl.h"

/* Every so many objects `progress` is asked. */
enum { STRIDE = 1024 };

/* Of git itself: what every entry's commit names. */
#define EMPTY_TREE "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

/* ---- ids ---- */

/* A set of ids: open addressing, at most half full. An id is as good as its own hash. */
typedef struct {
	git_oid *slots;
	bool *used;
	size_t room; /* a power of two */
	size_t count;
} id_set;

static size_t slot_of(const id_set *set, const git_oid *oid)
{
	uint64_t hash;
	size_t at;

	memcpy(&hash, oid->id, sizeof(hash));
	at = (size_t)hash & (set->room - 1);
	while (set->used[at] && !git_oid_equal(&set->slots[at], oid))
		at = (at + 1) & (set->room - 1);
	return at;
}

static kg_err grow_set(id_set *set)
{
	size_t room = set->room == 0 ? 1024 : 2 * set->room;
	id_set grown = {calloc(room, sizeof(git_oid)), calloc(room, sizeof(bool)), room,
			set->count};

	if (grown.slots == NULL || grown.used == NULL) {
		free(grown.slots);
		free(grown.used);
		return kg_fail(KG_ENOMEM, "no memory for %zu objects", room);
	}
	for (size_t i = 0; i < set->room; i++) {
		size_t at;

		if (!set->used[i])
			continue;
		at = slot_of(&grown, &set->slots[i]);
		grown.slots[at] = set->slots[i];
		grown.used[at] = true;
	}
	free(set->slots);
	free(set->used);
	*set = grown;
	return KG_OK;
}

/* `*added` false: it was there. */
static kg_err add_id(id_set *set, const git_oid *oid, bool *added)
{
	kg_err err = 2 * set->count >= set->room ? grow_set(set) : KG_OK;
	size_t at;

	if (err != KG_OK)
		return err;
	at = slot_of(set, oid);
	*added = !set->used[at];
	if (*added) {
		set->slots[at] = *oid;
		set->used[at] = true;
		set->count++;
	}
	return KG_OK;
}

static bool has_id(const id_set *set, const git_oid *oid)
{
	return set->room > 0 && set->used[slot_of(set, oid)];
}

/* ---- a repack ---- */

typedef struct {
	kg_store *store;
	char directory[KG_PATH_SIZE]; /* objects/pack */
	id_set met;
	id_set loose;   /* what stays in files of its own */
	git_oid *stack; /* ids to look at */
	size_t stack_count;
	size_t stack_room;
	kg_store__pack *old;
	size_t old_count;
	uint64_t old_objects;
	kg_pack *pack;
	char (*names)[KG_PACK_NAME_SIZE]; /* of the packs that were written */
	size_t name_count;
	struct timespec begun; /* by the clock of the file system */
	git_odb *files;        /* loose objects alone */
	bool only_looks;       /* nothing is written */
	uint64_t unreached;
	kg_store_progress progress;
	void *payload;
} work;

static kg_err push(work *w, const git_oid *oid)
{
	if (has_id(&w->met, oid))
		return KG_OK;
	if (w->stack_count == w->stack_room) {
		size_t room = w->stack_room == 0 ? 256 : 2 * w->stack_room;
		git_oid *grown = realloc(w->stack, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu objects", room);
		w->stack = grown;
		w->stack_room = room;
	}
	w->stack[w->stack_count++] = *oid;
	return KG_OK;
}

/* The ids in the header of a commit or a tag: all that it reaches. */
static kg_err push_header(work *w, const char *text, size_t size)
{
	static const char *const keys[] = {"tree ", "parent ", "object "};
	const char *end = text + size;
	kg_err err = KG_OK;

	while (err == KG_OK && text < end && *text != '\n') {
		const char *line = text;
		const char *next = memchr(line, '\n', (size_t)(end - line));

		text = next != NULL ? next + 1 : end;
		for (size_t i = 0; err == KG_OK && i < sizeof(keys) / sizeof(keys[0]); i++) {
			size_t length = strlen(keys[i]);
			git_oid oid;

			if (next == NULL || (size_t)(next - line) != length + GIT_OID_HEXSZ ||
			    strncmp(line, keys[i], length) != 0)
				continue;
			if (git_oid_fromstrn(&oid, line + length, GIT_OID_HEXSZ) == 0)
				err = push(w, &oid);
		}
	}
	return err;
}

/* Each record: mode, space, name, '\0', id. Another repository's commits are not reached. */
static kg_err push_tree(work *w, const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	kg_err err = KG_OK;

	while (err == KG_OK && data < end) {
		const uint8_t *zero = memchr(data, '\0', (size_t)(end - data));
		git_oid oid;

		if (zero == NULL || end - zero <= GIT_OID_RAWSZ)
			return kg_fail(KG_ECORRUPT, "a tree that ends within a record");
		memcpy(oid.id, zero + 1, GIT_OID_RAWSZ);
		if (strncmp((const char *)data, "160000 ", 7) != 0)
			err = push(w, &oid);
		data = zero + 1 + GIT_OID_RAWSZ;
	}
	return err;
}

static kg_err push_reached(work *w, git_odb_object *object)
{
	const void *data = git_odb_object_data(object);
	size_t size = git_odb_object_size(object);

	switch (git_odb_object_type(object)) {
	case GIT_OBJECT_COMMIT:
	case GIT_OBJECT_TAG:
		return push_header(w, data, size);
	case GIT_OBJECT_TREE:
		return push_tree(w, data, size);
	default:
		return KG_OK;
	}
}

/* ---- writing ---- */

static kg_err finish_pack(work *w)
{
	char(*grown)[KG_PACK_NAME_SIZE];
	kg_err err;

	if (w->pack == NULL)
		return KG_OK;
	grown = realloc(w->names, (w->name_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a pack");
	w->names = grown;
	err = kg_pack_finish(w->pack, w->names[w->name_count]);
	w->name_count += err == KG_OK ? 1 : 0;
	kg_pack_free(w->pack);
	w->pack = NULL;
	return err;
}

static kg_err write_packed(work *w, git_odb_object *object)
{
	size_t size = git_odb_object_size(object);
	kg_commit id;
	kg_err err = KG_OK;

	/* What is told by another is never larger than whole; zlib adds next to nothing. */
	if (w->pack != NULL && size + size / 1000 + 64 > KG_PACK_SIZE_MAX - kg_pack_size(w->pack))
		err = finish_pack(w);
	if (err == KG_OK && w->pack == NULL)
		err = kg_pack_new(&w->pack, w->directory);
	memcpy(id.bytes, git_odb_object_id(object)->id, sizeof(id.bytes));
	if (err == KG_OK)
		err = kg_pack_add(w->pack, (kg_pack_kind)git_odb_object_type(object),
				  git_odb_object_data(object), size, &id);
	return err;
}

static kg_err write_loose(work *w, git_odb_object *object)
{
	git_oid oid;
	int rc = git_odb_write(&oid, w->files, git_odb_object_data(object),
			       git_odb_object_size(object), git_odb_object_type(object));

	return rc == 0 ? KG_OK : kg_store__fail_git(rc, "memory.git");
}

static kg_err take(work *w, const git_oid *oid)
{
	git_odb_object *object = NULL;
	char text[GIT_OID_HEXSZ + 1];
	bool is_new = false;
	kg_err err = add_id(&w->met, oid, &is_new);
	int rc;

	if (err != KG_OK || !is_new)
		return err;
	if (w->progress != NULL && w->met.count % STRIDE == 0 &&
	    !w->progress(w->payload, w->met.count, w->old_objects))
		return kg_fail(KG_ETIMEOUT, "stopped");
	err = kg_store__check_loose(w->store->path, oid);
	if (err != KG_OK)
		return err;
	rc = git_odb_read(&object, w->store->odb, oid);
	if (rc != 0) {
		err = kg_store__fail_git(rc, git_oid_tostr(text, sizeof(text), oid));
		return err == KG_ENOMEM || err == KG_EFULL
			       ? err
			       : kg_fail_context(KG_ECORRUPT, "unreadable object");
	}
	err = push_reached(w, object);
	if (err == KG_OK && !w->only_looks)
		err = has_id(&w->loose, oid) ? write_loose(w, object) : write_packed(w, object);
	git_odb_object_free(object);
	return err;
}

/* ---- what stays in files of its own ---- */

/* Sealed content, so that to erase it is to remove a file; and the empty tree. */
static kg_err choose_loose(work *w, const kg_store_refs *refs)
{
	bool added;
	git_oid oid;
	kg_err err =
		git_oid_fromstr(&oid, EMPTY_TREE) == 0 ? add_id(&w->loose, &oid, &added) : KG_EFAIL;

	for (size_t i = 0; err == KG_OK && i < refs->count; i++) {
		if (refs->refs[i].kind != KG_STORE_SEALED)
			continue;
		kg_store__to_oid(&oid, &refs->refs[i].commit);
		err = add_id(&w->loose, &oid, &added);
	}
	return err;
}

static kg_err open_files(work *w)
{
	char path[KG_PATH_SIZE];
	git_odb_backend *backend = NULL;
	kg_err err = kg_path(path, "%s/objects", w->store->path);
	int rc = err == KG_OK ? git_odb_new(&w->files) : -1;

	rc = rc != 0 ? rc : git_odb_backend_loose(&backend, path, -1, 1, 0, 0);
	if (rc == 0) {
		rc = git_odb_add_backend(w->files, backend, 1);
		if (rc != 0)
			backend->free(backend);
	}
	if (err != KG_OK || rc == 0)
		return err;
	return kg_store__fail_git(rc, "memory.git");
}

/* ---- removing ---- */

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Files of one of the 256 directories that are older than this work: what came meanwhile is
 * somebody's who is going to need it. */
static void remove_loose_of(const work *w, int dir, const char *first)
{
	struct dirent *e;
	DIR *list = fdopendir(dir);

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (list != NULL && (e = readdir(list)) != NULL) {
		char hex[GIT_OID_HEXSZ + 1];
		struct stat st;
		git_oid oid;

		if (strlen(e->d_name) != GIT_OID_HEXSZ - 2)
			continue;
		memcpy(hex, first, 2);
		memcpy(hex + 2, e->d_name, GIT_OID_HEXSZ - 1);
		if (git_oid_fromstr(&oid, hex) != 0 || has_id(&w->loose, &oid) ||
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !is_before(&st.st_mtim, &w->begun))
			continue;
		(void)unlinkat(dir, e->d_name, 0);
	}
	if (list != NULL)
		(void)closedir(list);
	else
		(void)close(dir);
}

static void remove_loose(const work *w)
{
	for (unsigned i = 0; i < 256; i++) {
		char path[KG_PATH_SIZE];
		char first[3];
		int dir;

		(void)snprintf(first, sizeof(first), "%02x", i);
		if (kg_path(path, "%s/objects/%s", w->store->path, first) != KG_OK)
			return;
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			continue;
		remove_loose_of(w, dir, first);
		(void)rmdir(path);
	}
}

/* A graph of commits names those that are gone. */
static void remove_graph(const kg_store *store)
{
	char path[KG_PATH_SIZE];
	struct dirent *e;
	DIR *dir;

	if (kg_path(path, "%s/objects/info/commit-graph", store->path) != KG_OK)
		return;
	(void)unlink(path);
	if (kg_path(path, "%s/objects/info/commit-graphs", store->path) != KG_OK)
		return;
	dir = opendir(path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
	(void)rmdir(path);
}

static void remove_old(const work *w)
{
	kg_store__shortcuts_remove(w->store);
	for (size_t i = 0; i < w->old_count; i++) {
		bool again = false;

		for (size_t k = 0; k < w->name_count; k++)
			again = again || strcmp(w->names[k], w->old[i].name) == 0;
		if (!again)
			kg_store__pack_remove(w->store, w->old[i].name);
	}
	remove_loose(w);
	remove_graph(w->store);
}

/* ---- the whole ---- */

/* The time by the clock that dates files. */
static kg_err look_at_clock(work *w)
{
	char path[KG_PATH_SIZE];
	struct stat st;
	kg_err err = kg_path(path, "%s/" KG_PACK_TEMP, w->directory);

	if (err == KG_OK)
		err = kg_pack_new(&w->pack, w->directory);
	if (err == KG_OK && stat(path, &st) != 0)
		err = kg_fail_errno(errno, "%s", path);
	if (err == KG_OK)
		w->begun = st.st_mtim;
	return err;
}

static kg_err begin(work *w, const kg_store_refs *refs)
{
	kg_err err = kg_path(w->directory, "%s/objects/pack", w->store->path);

	if (err == KG_OK)
		err = kg_store__packs_read(w->store, &w->old, &w->old_count);
	for (size_t i = 0; i < w->old_count; i++)
		w->old_objects += w->old[i].count;
	if (err == KG_OK)
		err = look_at_clock(w);
	if (err == KG_OK)
		err = open_files(w);
	return err == KG_OK ? choose_loose(w, refs) : err;
}

static kg_err take_reached(work *w, const kg_store_refs *refs)
{
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < refs->count; i++) {
		git_oid oid;

		if (!refs->refs[i].has_commit)
			continue;
		kg_store__to_oid(&oid, &refs->refs[i].commit);
		err = push(w, &oid);
		while (err == KG_OK && w->stack_count > 0) {
			oid = w->stack[--w->stack_count];
			err = take(w, &oid);
		}
	}
	return err;
}

static kg_err write_reached(work *w, const kg_store_refs *refs)
{
	kg_err err = take_reached(w, refs);

	if (err == KG_OK && w->pack != NULL && kg_pack_count(w->pack) > 0)
		err = finish_pack(w);
	kg_pack_free(w->pack);
	w->pack = NULL;
	return err;
}

static void release(work *w)
{
	kg_pack_free(w->pack);
	git_odb_free(w->files);
	free(w->met.slots);
	free(w->met.used);
	free(w->loose.slots);
	free(w->loose.used);
	free(w->stack);
	free(w->old);
	free(w->names);
}

kg_err kg_store_repack(kg_store *store, kg_store_progress progress, void *payload)
{
	work w = {.store = store, .progress = progress, .payload = payload};
	kg_store_refs refs = {0};
	kg_err err = kg_store_refs_read(store, &refs);

	if (err == KG_OK)
		err = begin(&w, &refs);
	if (err == KG_OK)
		err = write_reached(&w, &refs);
	/* Loose objects that were written just now are only promised to the disk. */
	if (err == KG_OK)
		err = kg_store_sync(store);
	if (err == KG_OK)
		remove_old(&w);
	kg_store_refs_release(&refs);
	release(&w);
	return err == KG_OK ? kg_store_refresh(store) : err;
}

/* The empty tree is there for everybody. */
static int count_unreached(const git_oid *oid, void *payload)
{
	work *w = payload;
	bool is_new = false;

	if (!has_id(&w->loose, oid) && add_id(&w->met, oid, &is_new) != KG_OK)
		return GIT_EUSER;
	w->unreached += is_new ? 1 : 0;
	return 0;
}

kg_err kg_store_unreached(kg_store *store, uint64_t *count, kg_store_progress progress,
			  void *payload)
{
	work w = {.store = store, .progress = progress, .payload = payload, .only_looks = true};
	kg_store_refs refs = {0};
	kg_err err = kg_store_refs_read(store, &refs);
	int rc = 0;

	if (err == KG_OK)
		err = choose_loose(&w, &refs);
	if (err == KG_OK)
		err = take_reached(&w, &refs);
	if (err == KG_OK)
		rc = git_odb_foreach(store->odb, count_unreached, &w);
	if (rc == GIT_EUSER)
		err = kg_fail(KG_ENOMEM, "no memory for %zu objects", w.met.count);
	else if (rc != 0)
		err = kg_store__fail_git(rc, "memory.git");
	*count = w.unreached;
	kg_store_refs_release(&refs);
	release(&w);
	return err;
}

/* ---- single objects ---- */

/* Whether the pack holds one of them. */
static kg_err holds_any(const kg_store *store, const kg_store__pack *pack, const kg_commit *objects,
			size_t count, bool *any)
{
	char path[KG_PATH_SIZE];
	git_odb_backend *backend = NULL;
	kg_err err = kg_path(path, "%s/objects/pack/pack-%s.idx", store->path, pack->name);
	int rc = err == KG_OK ? git_odb_backend_one_pack(&backend, path) : -1;

	*any = false;
	if (err != KG_OK || rc != 0)
		return err != KG_OK ? err : kg_store__fail_git(rc, path);
	for (size_t i = 0; i < count && !*any; i++) {
		git_oid oid;

		kg_store__to_oid(&oid, &objects[i]);
		*any = backend->exists(backend, &oid) != 0;
	}
	backend->free(backend);
	return KG_OK;
}

kg_err kg_store_forget(kg_store *store, const kg_commit *objects, size_t count)
{
	kg_store__pack *packs = NULL;
	size_t pack_count = 0;
	kg_err err = kg_store__packs_read(store, &packs, &pack_count);

	for (size_t i = 0; err == KG_OK && i < pack_count; i++) {
		bool any = false;

		err = holds_any(store, &packs[i], objects, count, &any);
		if (err == KG_OK && any)
			err = kg_store__packs_rewrite(store, &packs[i], 1, objects, count);
	}
	for (size_t i = 0; err == KG_OK && i < count; i++) {
		char path[KG_PATH_SIZE];
		char hex[KG_COMMIT_TEXT_SIZE];

		kg_commit_format(hex, &objects[i]);
		err = kg_path(path, "%s/objects/%.2s/%s", store->path, hex, hex + 2);
		if (err == KG_OK && unlink(path) != 0 && errno != ENOENT)
			err = kg_fail_errno(errno, "%s", path);
	}
	free(packs);
	return err;
}
