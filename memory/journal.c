/* SPDX-License-Identifier: MIT */
#include "memory/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hex.h"
#include "identity/hash.h"
#include "memory/entry.h"

#define FIRST_NAME "journal" /* of segment 0 */

enum { NUMBER_BYTES = 8, NAME_LENGTH = 2 * NUMBER_BYTES };

typedef struct {
	uint64_t number;
	uint64_t size;
} segment;

struct kg_journal {
	char dir[KG_PATH_SIZE];
	segment *segments; /* by number; the last one is written to when fd is open */
	size_t count;
	uint64_t next; /* number of the next segment */
	int fd;
	bool torn;     /* the end of the file is still to be cut off */
	uint64_t size; /* of all segments */
	kg_buf group;  /* records that wait for sync */
};

static const char file_magic[KG_JOURNAL_HEADER_SIZE] = {'K', 'G', 'J', 'O', 'U', 'R', 'N', '1'};
static const char record_magic[4] = {'K', 'G', 'R', '1'};

static void checksum(uint8_t out[KG_HASH_SIZE], kg_journal_kind kind, const void *object,
		     size_t size)
{
	kg_hash(out,
		kind == KG_JOURNAL_PROOF ? "kindergarten journal proof v1"
					 : "kindergarten journal v1",
		object, size);
}

/* ---- reading ---- */

/* Size of the object of the intact record at `data`; 0 when there is none. */
static size_t record_at(kg_journal_kind *kind, const uint8_t *data, size_t size)
{
	uint8_t sum[KG_HASH_SIZE];
	size_t object;

	if (size < KG_JOURNAL_RECORD_SIZE || memcmp(data, record_magic, 4) != 0 ||
	    data[7] >= KG_JOURNAL_KINDS)
		return 0;
	object = (size_t)data[4] | (size_t)data[5] << 8 | (size_t)data[6] << 16;
	if (object == 0 || object > KG_ENTRY_OBJECT_MAX || object > size - KG_JOURNAL_RECORD_SIZE)
		return 0;
	*kind = (kg_journal_kind)data[7];
	checksum(sum, *kind, data + KG_JOURNAL_RECORD_SIZE, object);
	return memcmp(sum, data + 8, sizeof(sum)) == 0 ? object : 0;
}

kg_err kg_journal_parse(uint64_t *torn, const uint8_t *data, size_t size, kg_journal_visit visit,
			void *payload)
{
	size_t at = KG_JOURNAL_HEADER_SIZE;
	uint64_t bad = 0;

	if (size < KG_JOURNAL_HEADER_SIZE || memcmp(data, file_magic, KG_JOURNAL_HEADER_SIZE) != 0)
		return kg_fail(KG_ECORRUPT, "not a journal");
	while (at < size) {
		kg_journal_kind kind = KG_JOURNAL_ENTRY;
		size_t object = record_at(&kind, data + at, size - at);
		const uint8_t *next;
		kg_err err;

		if (object > 0) {
			err = visit(payload, kind, data + at + KG_JOURNAL_RECORD_SIZE, object);
			if (err != KG_OK)
				return err;
			at += KG_JOURNAL_RECORD_SIZE + object;
			continue;
		}
		next = memmem(data + at + 1, size - at - 1, record_magic, 4);
		bad += next != NULL ? (uint64_t)(next - data) - at : size - at;
		at = next != NULL ? (size_t)(next - data) : size;
	}
	*torn = bad;
	return KG_OK;
}

static kg_err path_of(const char *dir, uint64_t number, char path[KG_PATH_SIZE])
{
	return number == 0 ? kg_path(path, "%s/" FIRST_NAME, dir)
			   : kg_path(path, "%s/%016llx", dir, (unsigned long long)number);
}

/* The number that a file's name stands for; false for other files. */
static bool number_of(const char *name, uint64_t *number)
{
	uint8_t bytes[NUMBER_BYTES];

	*number = 0;
	if (strcmp(name, FIRST_NAME) == 0)
		return true;
	if (kg_hex_decode(bytes, sizeof(bytes), name) != KG_OK)
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		*number = *number << 8 | bytes[i];
	return *number != 0 && *number < INT64_MAX;
}

static kg_err add_segment(kg_journal *j, uint64_t number, uint64_t size)
{
	segment *grown = realloc(j->segments, (j->count + 1) * sizeof(*grown));

	if (grown == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the journal");
	j->segments = grown;
	j->segments[j->count++] = (segment){number, size};
	j->size += size;
	return KG_OK;
}

static int by_number(const void *a, const void *b)
{
	const segment *x = a;
	const segment *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static kg_err find_segments(kg_journal *j)
{
	DIR *dir = opendir(j->dir);
	kg_err err = KG_OK;
	struct dirent *e;

	if (dir == NULL)
		return kg_fail_errno(errno, "%s", j->dir);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (err == KG_OK && (e = readdir(dir)) != NULL) {
		uint64_t number;
		struct stat st;

		if (!number_of(e->d_name, &number))
			continue;
		if (fstatat(dirfd(dir), e->d_name, &st, 0) != 0)
			err = kg_fail_errno(errno, "%s/%s", j->dir, e->d_name);
		else if (st.st_size > KG_JOURNAL_MAX)
			err = kg_fail(KG_ECORRUPT, "%s/%s: larger than a journal can be", j->dir,
				      e->d_name);
		else
			err = add_segment(j, number, (uint64_t)st.st_size);
	}
	(void)closedir(dir);
	if (err == KG_OK && j->count > 1)
		qsort(j->segments, j->count, sizeof(j->segments[0]), by_number);
	j->next = j->count > 0 ? j->segments[j->count - 1].number + 1 : 1;
	return err;
}

static kg_err read_segment(const kg_journal *j, uint64_t number, uint64_t *torn,
			   kg_journal_visit visit, void *payload)
{
	char path[KG_PATH_SIZE];
	uint64_t bad = 0;
	kg_map map;
	kg_err err = path_of(j->dir, number, path);

	if (err == KG_OK)
		err = kg_map_open(&map, path);
	if (err != KG_OK)
		return err;
	err = kg_journal_parse(&bad, map.data, map.size, visit, payload);
	kg_map_close(&map);
	*torn += bad;
	return err == KG_OK ? KG_OK : kg_fail_context(err, "%s", path);
}

kg_err kg_journal_open(kg_journal **out, const char *dir, uint64_t *torn, kg_journal_visit visit,
		       void *payload)
{
	kg_journal *j = calloc(1, sizeof(*j));
	uint64_t bad = 0;
	kg_err err;

	if (j == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the journal");
	j->fd = -1;
	kg_buf_init(&j->group, KG_JOURNAL_MAX);
	err = kg_path(j->dir, "%s", dir);
	if (err == KG_OK)
		err = find_segments(j);
	for (size_t i = 0; err == KG_OK && i < j->count; i++)
		err = read_segment(j, j->segments[i].number, &bad, visit, payload);
	if (err != KG_OK) {
		kg_journal_free(j);
		return err;
	}
	*torn = bad;
	*out = j;
	return KG_OK;
}

void kg_journal_free(kg_journal *journal)
{
	if (journal == NULL)
		return;
	if (journal->fd >= 0)
		(void)close(journal->fd);
	kg_buf_release(&journal->group);
	free(journal->segments);
	free(journal);
}

bool kg_journal_is_there(const char *dir)
{
	DIR *stream = opendir(dir);
	bool found = false;
	struct dirent *e;

	if (stream == NULL)
		return false;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (!found && (e = readdir(stream)) != NULL) {
		uint64_t number;
		struct stat st;

		found = number_of(e->d_name, &number) &&
			fstatat(dirfd(stream), e->d_name, &st, 0) == 0 &&
			st.st_size > KG_JOURNAL_HEADER_SIZE;
	}
	(void)closedir(stream);
	return found;
}

/* ---- writing ---- */

kg_err kg_journal_append(kg_journal *j, kg_journal_kind kind, const void *object, size_t size)
{
	uint8_t header[KG_JOURNAL_RECORD_SIZE];
	size_t before = j->group.size;

	KG_ASSERT(size > 0 && size <= KG_ENTRY_OBJECT_MAX);
	if (j->size + before + sizeof(header) + size > KG_JOURNAL_MAX)
		return kg_fail(KG_EFULL, "the journal is full");
	memcpy(header, record_magic, 4);
	for (size_t i = 0; i < 3; i++)
		header[4 + i] = (uint8_t)(size >> (8 * i));
	header[7] = (uint8_t)kind;
	checksum(header + 8, kind, object, size);
	kg_buf_put(&j->group, header, sizeof(header));
	kg_buf_put(&j->group, object, size);
	if (kg_buf_ok(&j->group) != KG_OK) {
		j->group.size = before;
		j->group.failed = KG_OK;
		return kg_fail(KG_ENOMEM, "no memory for the journal");
	}
	return KG_OK;
}

/* A segment with its header, whole and durable before anything else is in it. */
static kg_err begin_segment(kg_journal *j)
{
	uint64_t number = j->next++; /* of a failed attempt something may remain */
	char path[KG_PATH_SIZE];
	kg_err err = path_of(j->dir, number, path);

	if (err == KG_OK)
		err = kg_fs_create(path, file_magic, KG_JOURNAL_HEADER_SIZE, 0600);
	if (err == KG_OK)
		err = add_segment(j, number, KG_JOURNAL_HEADER_SIZE);
	if (err != KG_OK)
		return err;
	j->fd = open(path, O_WRONLY | O_CLOEXEC);
	return j->fd >= 0 ? KG_OK : kg_fail_errno(errno, "%s", path);
}

static void end_segment(kg_journal *j)
{
	(void)close(j->fd);
	j->fd = -1;
	j->torn = false;
}

static kg_err write_at(int fd, const uint8_t *data, size_t size, uint64_t at)
{
	while (size > 0) {
		ssize_t put = pwrite(fd, data, size, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return kg_fail_errno(errno, "journal");
		data += put;
		size -= (size_t)put;
		at += (uint64_t)put;
	}
	return KG_OK;
}

/* What was not acknowledged must not come back at the next opening in the place of what was: until
 * the cut has succeeded, nothing more is written. */
static kg_err cut(kg_journal *j, uint64_t end)
{
	j->torn = ftruncate(j->fd, (off_t)end) != 0;
	return j->torn ? kg_fail_errno(errno, "journal") : KG_OK;
}

static kg_err write_group(kg_journal *j)
{
	segment *s;
	kg_err err = KG_OK;

	if (j->fd >= 0 && !j->torn && j->segments[j->count - 1].size >= KG_JOURNAL_SEGMENT)
		end_segment(j);
	if (j->fd < 0)
		err = begin_segment(j);
	if (err != KG_OK)
		return err;
	s = &j->segments[j->count - 1];
	if (j->torn)
		err = cut(j, s->size);
	if (err != KG_OK)
		return err;
	err = write_at(j->fd, j->group.data, j->group.size, s->size);
	if (err == KG_OK && fdatasync(j->fd) != 0)
		err = kg_fail_errno(errno, "journal");
	if (err != KG_OK) {
		/* The first failure is the one to tell of; a cut that fails is tried again. */
		char why[KG_ERR_TEXT_MAX];
		kg_err ignored;

		memcpy(why, kg_err_text(), strlen(kg_err_text()) + 1);
		ignored = cut(j, s->size);
		(void)ignored;
		return kg_fail(err, "%s", why);
	}
	s->size += j->group.size;
	j->size += j->group.size;
	return KG_OK;
}

kg_err kg_journal_sync(kg_journal *j)
{
	kg_err err = j->group.size > 0 ? write_group(j) : KG_OK;

	kg_buf_clear(&j->group);
	return err;
}

void kg_journal_cancel(kg_journal *j)
{
	kg_buf_clear(&j->group);
}

uint64_t kg_journal_segment(const kg_journal *j)
{
	return j->fd >= 0 ? j->segments[j->count - 1].number : j->next;
}

uint64_t kg_journal_oldest(const kg_journal *j)
{
	return j->count > 0 ? j->segments[0].number : kg_journal_segment(j);
}

kg_err kg_journal_drop(kg_journal *j, uint64_t number)
{
	size_t kept = j->fd >= 0 ? 1 : 0;
	size_t gone = 0;
	kg_err err = KG_OK;

	while (err == KG_OK && gone + kept < j->count && j->segments[gone].number < number) {
		char path[KG_PATH_SIZE];

		err = path_of(j->dir, j->segments[gone].number, path);
		if (err == KG_OK && unlink(path) != 0 && errno != ENOENT)
			err = kg_fail_errno(errno, "%s", path);
		if (err == KG_OK)
			j->size -= j->segments[gone++].size;
	}
	j->count -= gone;
	memmove(j->segments, j->segments + gone, j->count * sizeof(j->segments[0]));
	return err;
}

kg_err kg_journal_clear(kg_journal *j)
{
	if (j->fd >= 0)
		end_segment(j);
	return kg_journal_drop(j, UINT64_MAX);
}

uint64_t kg_journal_size(const kg_journal *j)
{
	return j->size;
}
