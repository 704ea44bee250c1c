/* SPDX-License-Identifier: MIT */
#include "memory/pack.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fs.h"
#include "base/hex.h"
#include "memory/delta.h"

enum {
	HEADER = 12,       /* "PACK", version, number of objects */
	CHUNK = 256 << 10, /* written and read at a time */
	BASES = 1024,      /* authors whose entries are told by one of theirs at a time */
	PROBES = 4,        /* places where one may be */
	OFFSET_DELTA = 6,  /* kind of an object that is told by one in front of it */
	INDEX_HEAD = 8,    /* magic, version */
	INDEX_FAN = 256 * 4,
	INDEX_EACH = KG_COMMIT_SIZE + 4 + 4,
	INDEX_TAIL = 2 * KG_COMMIT_SIZE,
	LEVEL = 6,
	WINDOW_BITS = 15,
	MEMORY_LEVEL = 8
};

_Static_assert(KG_PACK_SIZE_MAX < INT32_MAX, "offsets need no table of long ones");

/* An object in the pack, as the index tells it. */
typedef struct {
	uint8_t id[KG_COMMIT_SIZE];
	uint32_t crc;
	uint32_t offset;
} record;

/* The object that those of one author are told by. */
typedef struct {
	kg_delta_base base;
	uint64_t author; /* hash of the line that names it */
	uint32_t offset;
} teller;

struct kg_pack {
	char directory[KG_PATH_SIZE];
	char temp[KG_PATH_SIZE];
	int fd;
	bool held;
	kg_buf out;      /* what is not written yet */
	uint64_t offset; /* where the next object begins */
	record *records;
	size_t count;
	size_t room;
	z_stream z;
	kg_buf delta;
	teller *tellers[BASES];
	teller *first; /* the one that is told by nothing */
};

kg_err kg_pack_new(kg_pack **out, const char *directory)
{
	static const uint8_t header[HEADER] = {'P', 'A', 'C', 'K', 0, 0, 0, 2};
	kg_pack *p = calloc(1, sizeof(*p));
	kg_err err;

	if (p == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a pack");
	p->fd = -1;
	kg_buf_init(&p->out, SIZE_MAX / 2);
	kg_buf_init(&p->delta, SIZE_MAX / 2);
	err = kg_path(p->directory, "%s", directory);
	if (err == KG_OK)
		err = kg_path(p->temp, "%s/" KG_PACK_TEMP, directory);
	/* Filtered: three letters that happen to stand in two keys cost more than they save. */
	if (err == KG_OK &&
	    deflateInit2(&p->z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_FILTERED) != Z_OK)
		err = kg_fail(KG_ENOMEM, "no memory for a pack");
	if (err == KG_OK) {
		p->fd = open(p->temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (p->fd < 0)
			err = kg_fail_errno(errno, "%s", p->temp);
	}
	if (err != KG_OK) {
		kg_pack_free(p);
		return err;
	}
	kg_buf_put(&p->out, header, sizeof(header)); /* the number is known at the end */
	p->offset = HEADER;
	*out = p;
	return KG_OK;
}

void kg_pack_free(kg_pack *p)
{
	if (p == NULL)
		return;
	if (p->fd >= 0) {
		(void)close(p->fd);
		if (p->temp[0] != '\0')
			(void)unlink(p->temp);
	}
	for (size_t i = 0; i < BASES; i++) {
		if (p->tellers[i] != NULL)
			kg_delta_base_release(&p->tellers[i]->base);
		free(p->tellers[i]);
	}
	(void)deflateEnd(&p->z);
	kg_buf_release(&p->delta);
	kg_buf_release(&p->out);
	free(p->records);
	free(p);
}

void kg_pack_hold(kg_pack *p)
{
	p->held = true;
}

size_t kg_pack_count(const kg_pack *p)
{
	return p->count;
}

uint64_t kg_pack_size(const kg_pack *p)
{
	return p->offset;
}

static kg_err write_out(kg_pack *p)
{
	kg_err err = kg_buf_ok(&p->out);

	if (err == KG_OK)
		err = kg_fs_write_all(p->fd, p->out.data, p->out.size);
	kg_buf_clear(&p->out);
	return err;
}

static kg_err add_record(kg_pack *p, const void *id, uint32_t crc, uint64_t offset)
{
	record *r;

	if (p->count == p->room) {
		size_t room = p->room == 0 ? 64 : 2 * p->room;
		record *grown = realloc(p->records, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for a pack of %zu objects", room);
		p->records = grown;
		p->room = room;
	}
	r = &p->records[p->count++];
	memcpy(r->id, id, sizeof(r->id));
	r->crc = crc;
	r->offset = (uint32_t)offset;
	return KG_OK;
}

/* ---- objects ---- */

/* Four bits of the size beside the kind, then seven a byte, the lowest first. */
static void put_head(kg_buf *out, unsigned kind, size_t size)
{
	unsigned byte = kind << 4 | (unsigned)(size & 15);

	size >>= 4;
	while (size > 0) {
		kg_buf_put_u8(out, (uint8_t)(byte | 0x80));
		byte = size & 0x7f;
		size >>= 7;
	}
	kg_buf_put_u8(out, (uint8_t)byte);
}

/* How far back the base lies: seven bits a byte, the highest first, each further byte adding one to
 * what stands before it. */
static void put_distance(kg_buf *out, uint64_t distance)
{
	uint8_t bytes[10];
	size_t at = sizeof(bytes);

	bytes[--at] = distance & 0x7f;
	while ((distance >>= 7) > 0)
		bytes[--at] = (uint8_t)(0x80 | (--distance & 0x7f));
	kg_buf_put(out, bytes + at, sizeof(bytes) - at);
}

static kg_err put_packed(kg_pack *p, const void *data, size_t size)
{
	uLong bound = deflateBound(&p->z, size);
	uint8_t *at = size < UINT32_MAX / 2 ? kg_buf_reserve(&p->out, bound) : NULL;
	union {
		const void *in;
		Bytef *bytes;
	} from = {.in = data}; /* zlib's older form lacks the const */

	if (at == NULL || deflateReset(&p->z) != Z_OK)
		return kg_fail(KG_ENOMEM, "no memory for an object of %zu bytes", size);
	p->z.next_in = from.bytes;
	p->z.avail_in = (uInt)size;
	p->z.next_out = at;
	p->z.avail_out = (uInt)bound;
	if (deflate(&p->z, Z_FINISH) != Z_STREAM_END)
		return kg_fail(KG_EFAIL, "zlib: %s", p->z.msg != NULL ? p->z.msg : "no end");
	kg_buf_added(&p->out, bound - p->z.avail_out);
	return KG_OK;
}

/* The hash of the line of an entry that tells its author; of nothing, when it is no entry. */
static uint64_t author_of(const void *object, size_t size)
{
	static const char key[] = "\nAgent: ";
	const uint8_t *at = memmem(object, size, key, sizeof(key) - 1);
	const uint8_t *end = (const uint8_t *)object + size;
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (at = at != NULL ? at + sizeof(key) - 1 : end; at < end && *at != '\n'; at++)
		hash = (hash ^ *at) * UINT64_C(0x100000001b3);
	return hash;
}

/* Where the teller of an author is, or comes: never where the first is, which stays, for it tells
 * the others. */
static teller **place_of(kg_pack *p, uint64_t author)
{
	teller **place = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		teller **at = &p->tellers[(author + i) % BASES];

		if (*at != NULL && (*at)->author == author)
			return at;
		if (*at != p->first || *at == NULL)
			place = place == NULL || (*place != NULL && *at == NULL) ? at : place;
	}
	return place;
}

/* The author's teller, or else the first of all; NULL when the object is to be one itself. */
static const teller *find_teller(kg_pack *p, uint64_t author)
{
	teller *const *t = place_of(p, author);

	return *t != NULL && (*t)->author == author ? *t : p->first;
}

static kg_err keep_teller(kg_pack *p, uint64_t author, const void *object, size_t size)
{
	teller **t = place_of(p, author);
	kg_err err;

	if (*t == NULL)
		*t = calloc(1, sizeof(**t));
	if (*t == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a delta");
	err = kg_delta_base_set(&(*t)->base, object, size);
	(*t)->author = author;
	(*t)->offset = (uint32_t)p->offset;
	if (err == KG_OK && p->first == NULL)
		p->first = *t;
	return err;
}

/* Puts the object as what it has of an author's earlier one. `*told` false: that is not shorter. */
static kg_err put_told(kg_pack *p, bool *told, const teller *by, const void *object, size_t size)
{
	kg_err err;

	*told = false;
	kg_buf_clear(&p->delta);
	kg_delta_make(&p->delta, &by->base, object, size);
	err = kg_buf_ok(&p->delta);
	if (err != KG_OK || p->delta.size > size - size / 8)
		return err;
	*told = true;
	put_head(&p->out, OFFSET_DELTA, p->delta.size);
	put_distance(&p->out, p->offset - by->offset);
	return put_packed(p, p->delta.data, p->delta.size);
}

static kg_err put_object(kg_pack *p, kg_pack_kind kind, const void *object, size_t size)
{
	bool can_tell = kind == KG_PACK_COMMIT && size > 0 && size <= KG_DELTA_BASE_MAX;
	uint64_t author = can_tell ? author_of(object, size) : 0;
	const teller *by = can_tell ? find_teller(p, author) : NULL;
	bool told = false;
	kg_err err = KG_OK;

	if (by != NULL)
		err = put_told(p, &told, by, object, size);
	if (err == KG_OK && !told) {
		put_head(&p->out, kind, size);
		err = put_packed(p, object, size);
	}
	if (err == KG_OK && can_tell && (by == NULL || by->author != author))
		err = keep_teller(p, author, object, size);
	return err;
}

kg_err kg_pack_add(kg_pack *p, kg_pack_kind kind, const void *object, size_t size,
		   const kg_commit *id)
{
	size_t before = p->out.size;
	uLong crc = crc32(0, NULL, 0);
	kg_err err;

	if (size > KG_PACK_SIZE_MAX - p->offset)
		return kg_fail(KG_EFULL, "a pack larger than %d bytes", KG_PACK_SIZE_MAX);
	err = put_object(p, kind, object, size);
	if (err == KG_OK)
		err = kg_buf_ok(&p->out);
	if (err != KG_OK)
		return err;
	crc = crc32(crc, p->out.data + before, (uInt)(p->out.size - before));
	err = add_record(p, id->bytes, (uint32_t)crc, p->offset);
	p->offset += p->out.size - before;
	if (err == KG_OK && p->out.size >= CHUNK)
		err = write_out(p);
	return err;
}

/* ---- packs ---- */

static uint32_t load_u32be(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return be32toh(word);
}

/* The records of an index, moved to where the objects come to lie. `size`: of its pack. */
static kg_err append_records(kg_pack *p, const kg_map *index, uint64_t size)
{
	static const uint8_t head[INDEX_HEAD] = {0xff, 't', 'O', 'c', 0, 0, 0, 2};
	const uint8_t *ids = index->data + INDEX_HEAD + INDEX_FAN;
	kg_err err = KG_OK;
	uint64_t count;

	if (index->size < INDEX_HEAD + INDEX_FAN + INDEX_TAIL ||
	    memcmp(index->data, head, sizeof(head)) != 0)
		return kg_fail(KG_ECORRUPT, "no index of a pack");
	count = load_u32be(ids - 4);
	if (index->size != INDEX_HEAD + INDEX_FAN + INDEX_TAIL + count * INDEX_EACH)
		return kg_fail(KG_ECORRUPT, "an index of another size than its pack's objects");
	for (uint64_t i = 0; err == KG_OK && i < count; i++) {
		uint32_t crc = load_u32be(ids + count * KG_COMMIT_SIZE + 4 * i);
		uint32_t offset = load_u32be(ids + count * (KG_COMMIT_SIZE + 4) + 4 * i);

		if (offset < HEADER || offset >= size - KG_COMMIT_SIZE)
			return kg_fail(KG_ECORRUPT, "an index that points outside of its pack");
		err = add_record(p, ids + i * KG_COMMIT_SIZE, crc, p->offset + offset - HEADER);
	}
	return err;
}

static kg_err append_body(kg_pack *p, int fd, uint64_t size)
{
	uint64_t at = HEADER;
	kg_err err = write_out(p);

	while (err == KG_OK && at < size - KG_COMMIT_SIZE) {
		uint64_t left = size - KG_COMMIT_SIZE - at;
		size_t part = left < CHUNK ? (size_t)left : CHUNK;
		uint8_t *room = kg_buf_reserve(&p->out, part);
		ssize_t got = room != NULL ? pread(fd, room, part, (off_t)at) : 0;

		if (room == NULL)
			return kg_buf_ok(&p->out);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? kg_fail_errno(errno, "read")
				       : kg_fail(KG_ECORRUPT, "a pack became shorter");
		kg_buf_added(&p->out, (size_t)got);
		at += (uint64_t)got;
		p->offset += (uint64_t)got;
		err = write_out(p);
	}
	return err;
}

/* Both files of a pack, which must be of each other: the index ends with the pack's own sum. */
static kg_err append_files(kg_pack *p, int fd, const kg_map *index)
{
	uint8_t sum[KG_COMMIT_SIZE];
	struct stat st;
	uint64_t size;
	kg_err err;

	if (fstat(fd, &st) != 0)
		return kg_fail_errno(errno, "stat");
	size = (uint64_t)st.st_size;
	if (size < HEADER + KG_COMMIT_SIZE || index->size < INDEX_TAIL ||
	    pread(fd, sum, sizeof(sum), st.st_size - KG_COMMIT_SIZE) != KG_COMMIT_SIZE ||
	    memcmp(sum, index->data + index->size - INDEX_TAIL, sizeof(sum)) != 0)
		return kg_fail(KG_ECORRUPT, "pack and index are not of each other");
	if (size > KG_PACK_SIZE_MAX - p->offset)
		return kg_fail(KG_EFULL, "a pack larger than %d bytes", KG_PACK_SIZE_MAX);
	err = append_records(p, index, size);
	return err == KG_OK ? append_body(p, fd, size) : err;
}

kg_err kg_pack_append(kg_pack *p, const char name[KG_PACK_NAME_SIZE])
{
	char path[KG_PATH_SIZE];
	kg_map index = {0};
	int fd = -1;
	kg_err err = kg_path(path, "%s/pack-%s.idx", p->directory, name);

	if (err == KG_OK)
		err = kg_map_open(&index, path);
	if (err == KG_OK)
		err = kg_path(path, "%s/pack-%s.pack", p->directory, name);
	if (err == KG_OK) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		err = fd < 0 ? kg_fail_errno(errno, "%s", path) : append_files(p, fd, &index);
	}
	if (fd >= 0)
		(void)close(fd);
	kg_map_close(&index);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "pack-%s", name);
}

/* ---- the end ---- */

static int by_id(const void *a, const void *b)
{
	const record *x = a;
	const record *y = b;

	return memcmp(x->id, y->id, sizeof(x->id));
}

/* Puts the number of objects in front and the sum of all bytes behind. */
static kg_err seal_pack(kg_pack *p, uint8_t sum[KG_COMMIT_SIZE])
{
	uint32_t count = htobe32((uint32_t)p->count);
	uint8_t *chunk;
	SHA1_CTX sha1;
	uint64_t at = 0;
	kg_err err = write_out(p);

	if (err != KG_OK)
		return err;
	if (pwrite(p->fd, &count, sizeof(count), 8) != sizeof(count))
		return kg_fail_errno(errno, "write");
	chunk = kg_buf_reserve(&p->out, CHUNK);
	if (chunk == NULL)
		return kg_buf_ok(&p->out);
	SHA1Init(&sha1);
	while (at < p->offset) {
		ssize_t got = pread(p->fd, chunk, CHUNK, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return kg_fail(KG_EIO, "what was written cannot be read");
		SHA1Update(&sha1, chunk, (size_t)got);
		at += (uint64_t)got;
	}
	SHA1Final(sum, &sha1);
	return kg_fs_write_all(p->fd, sum, KG_COMMIT_SIZE);
}

static void put_index(kg_buf *out, const kg_pack *p, const uint8_t sum[KG_COMMIT_SIZE])
{
	static const uint8_t head[INDEX_HEAD] = {0xff, 't', 'O', 'c', 0, 0, 0, 2};
	uint8_t own[KG_COMMIT_SIZE];
	size_t at = 0;
	SHA1_CTX sha1;

	kg_buf_put(out, head, sizeof(head));
	for (unsigned first = 0; first < 256; first++) {
		while (at < p->count && p->records[at].id[0] <= first)
			at++;
		kg_buf_put_u32be(out, (uint32_t)at);
	}
	for (size_t i = 0; i < p->count; i++)
		kg_buf_put(out, p->records[i].id, KG_COMMIT_SIZE);
	for (size_t i = 0; i < p->count; i++)
		kg_buf_put_u32be(out, p->records[i].crc);
	for (size_t i = 0; i < p->count; i++)
		kg_buf_put_u32be(out, p->records[i].offset);
	kg_buf_put(out, sum, KG_COMMIT_SIZE);
	if (kg_buf_ok(out) != KG_OK)
		return;
	SHA1Init(&sha1);
	SHA1Update(&sha1, out->data, out->size);
	SHA1Final(own, &sha1);
	kg_buf_put(out, own, sizeof(own));
}

static kg_err sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kg_err err = KG_OK;

	if (fd < 0 || fsync(fd) != 0)
		err = kg_fail_errno(errno, "%s", path);
	if (fd >= 0)
		(void)close(fd);
	return err;
}

/* One that somebody else has put there does as well. */
static kg_err hold(const kg_pack *p, const char *name)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/pack-%s.keep", p->directory, name);
	int fd;

	if (err != KG_OK)
		return err;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? KG_OK : kg_fail_errno(errno, "%s", path);
	err = kg_fs_write_all(fd, KG_PACK_HOLD, sizeof(KG_PACK_HOLD) - 1);
	(void)close(fd);
	if (err != KG_OK)
		(void)unlink(path);
	return err;
}

/* The index first: it is nothing without its pack, and what is looked for is the pack. */
static kg_err name_files(kg_pack *p, const char *name, const kg_buf *index)
{
	char path[KG_PATH_SIZE];
	char temp[KG_PATH_SIZE];
	int fd = -1;
	kg_err err = kg_path(temp, "%s/" KG_PACK_TEMP_INDEX, p->directory);

	if (err != KG_OK)
		return err;
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	err = fd < 0 ? kg_fail_errno(errno, "%s", temp)
		     : kg_fs_write_all(fd, index->data, index->size);
	if (err == KG_OK && (fchmod(fd, 0400) != 0 || fchmod(p->fd, 0400) != 0 ||
			     fdatasync(fd) != 0 || fdatasync(p->fd) != 0))
		err = kg_fail_errno(errno, "%s", temp);
	if (fd >= 0)
		(void)close(fd);
	if (err == KG_OK && p->held)
		err = hold(p, name);
	if (err == KG_OK)
		err = kg_path(path, "%s/pack-%s.idx", p->directory, name);
	if (err == KG_OK && rename(temp, path) != 0)
		err = kg_fail_errno(errno, "%s", path);
	if (err != KG_OK) {
		(void)unlink(temp);
		return err;
	}
	err = kg_path(path, "%s/pack-%s.pack", p->directory, name);
	if (err == KG_OK && rename(p->temp, path) != 0)
		err = kg_fail_errno(errno, "%s", path);
	if (err == KG_OK)
		p->temp[0] = '\0';
	return err == KG_OK ? sync_directory(p->directory) : err;
}

kg_err kg_pack_finish(kg_pack *p, char name[KG_PACK_NAME_SIZE])
{
	uint8_t sum[KG_COMMIT_SIZE];
	kg_buf index;
	kg_err err;

	if (p->count > 0)
		qsort(p->records, p->count, sizeof(p->records[0]), by_id);
	for (size_t i = 1; i < p->count; i++)
		if (by_id(&p->records[i - 1], &p->records[i]) == 0)
			return kg_fail(KG_EEXISTS, "an object is in the pack twice");
	kg_buf_init(&index, SIZE_MAX / 2);
	err = seal_pack(p, sum);
	if (err == KG_OK) {
		put_index(&index, p, sum);
		err = kg_buf_ok(&index);
	}
	if (err == KG_OK) {
		kg_hex_encode(name, sum, sizeof(sum));
		err = name_files(p, name, &index);
	}
	kg_buf_release(&index);
	return err;
}
