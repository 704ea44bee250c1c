/* SPDX-License-Identifier: MIT */
#include "memory/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "identity/hash.h"
#include "memory/entry.h"

struct kg_journal {
	int fd;
	uint64_t end;    /* where the next record goes */
	uint64_t synced; /* up to here it survives a crash */
	char path[KG_PATH_SIZE];
};

static const char file_magic[KG_JOURNAL_HEADER_SIZE] = {'K', 'G', 'J', 'O', 'U', 'R', 'N', '1'};
static const char record_magic[4] = {'K', 'G', 'R', '1'};

static void checksum(uint8_t out[KG_HASH_SIZE], const void *object, size_t size)
{
	kg_hash(out, "kindergarten journal v1", object, size);
}

/* Size of the object of the intact record at `data`; 0 when there is none. */
static size_t record_at(const uint8_t *data, size_t size)
{
	uint8_t sum[KG_HASH_SIZE];
	size_t object;

	if (size < KG_JOURNAL_RECORD_SIZE || memcmp(data, record_magic, 4) != 0)
		return 0;
	object = (size_t)data[4] | (size_t)data[5] << 8 | (size_t)data[6] << 16 |
		 (size_t)data[7] << 24;
	if (object == 0 || object > KG_ENTRY_OBJECT_MAX || object > size - KG_JOURNAL_RECORD_SIZE)
		return 0;
	checksum(sum, data + KG_JOURNAL_RECORD_SIZE, object);
	return memcmp(sum, data + 8, sizeof(sum)) == 0 ? object : 0;
}

kg_err kg_journal_parse(size_t *end, uint64_t *torn, const uint8_t *data, size_t size,
			kg_journal_visit visit, void *payload)
{
	size_t at = KG_JOURNAL_HEADER_SIZE;
	size_t last = at;
	uint64_t bad = 0;

	if (size < KG_JOURNAL_HEADER_SIZE || memcmp(data, file_magic, KG_JOURNAL_HEADER_SIZE) != 0)
		return kg_fail(KG_ECORRUPT, "not a journal");
	while (at < size) {
		size_t object = record_at(data + at, size - at);
		const uint8_t *next;
		kg_err err;

		if (object > 0) {
			err = visit(payload, data + at + KG_JOURNAL_RECORD_SIZE, object);
			if (err != KG_OK)
				return err;
			at += KG_JOURNAL_RECORD_SIZE + object;
			last = at;
			continue;
		}
		next = memmem(data + at + 1, size - at - 1, record_magic, 4);
		bad += next != NULL ? (uint64_t)(next - data) - at : size - at;
		at = next != NULL ? (size_t)(next - data) : size;
	}
	*end = last;
	*torn = bad;
	return KG_OK;
}

static kg_err read_records(kg_journal *j, uint64_t *torn, kg_journal_visit visit, void *payload)
{
	struct stat st;
	size_t end = 0;
	kg_map map;
	kg_err err;

	if (fstat(j->fd, &st) != 0)
		return kg_fail_errno(errno, "%s", j->path);
	if (st.st_size > KG_JOURNAL_MAX)
		return kg_fail(KG_ECORRUPT, "%s: larger than a journal can be", j->path);
	err = kg_map_open(&map, j->path);
	if (err != KG_OK)
		return err;
	err = kg_journal_parse(&end, torn, map.data, map.size, visit, payload);
	kg_map_close(&map);
	if (err != KG_OK)
		return kg_fail_context(err, "%s", j->path);
	if ((off_t)end < st.st_size && ftruncate(j->fd, (off_t)end) != 0)
		return kg_fail_errno(errno, "%s", j->path);
	j->end = end;
	j->synced = end;
	return KG_OK;
}

kg_err kg_journal_open(kg_journal **out, const char *dir, uint64_t *torn, kg_journal_visit visit,
		       void *payload)
{
	kg_journal *j = calloc(1, sizeof(*j));
	kg_err err;

	if (j == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the journal");
	j->fd = -1;
	err = kg_path(j->path, "%s/journal", dir);
	if (err == KG_OK && !kg_fs_exists(j->path))
		err = kg_fs_create(j->path, file_magic, KG_JOURNAL_HEADER_SIZE, 0600);
	if (err != KG_OK)
		goto done;
	j->fd = open(j->path, O_RDWR | O_CLOEXEC);
	if (j->fd < 0)
		err = kg_fail_errno(errno, "%s", j->path);
	else
		err = read_records(j, torn, visit, payload);
done:
	if (err != KG_OK) {
		kg_journal_free(j);
		return err;
	}
	*out = j;
	return KG_OK;
}

void kg_journal_free(kg_journal *journal)
{
	if (journal == NULL)
		return;
	if (journal->fd >= 0)
		(void)close(journal->fd);
	free(journal);
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

kg_err kg_journal_append(kg_journal *j, const void *object, size_t size)
{
	uint8_t header[KG_JOURNAL_RECORD_SIZE];
	kg_err err;

	KG_ASSERT(size > 0 && size <= KG_ENTRY_OBJECT_MAX);
	if (j->end + sizeof(header) + size > KG_JOURNAL_MAX)
		return kg_fail(KG_EFULL, "the journal is full");
	memcpy(header, record_magic, 4);
	for (size_t i = 0; i < 4; i++)
		header[4 + i] = (uint8_t)(size >> (8 * i));
	checksum(header + 8, object, size);
	err = write_at(j->fd, header, sizeof(header), j->end);
	if (err == KG_OK)
		err = write_at(j->fd, object, size, j->end + sizeof(header));
	if (err != KG_OK) {
		/* A cut that fails too leaves what reading passes over. */
		(void)!ftruncate(j->fd, (off_t)j->end);
		return err;
	}
	j->end += sizeof(header) + size;
	return KG_OK;
}

kg_err kg_journal_sync(kg_journal *j)
{
	if (j->synced == j->end)
		return KG_OK;
	if (fdatasync(j->fd) != 0) {
		kg_err err = kg_fail_errno(errno, "journal");

		(void)!ftruncate(j->fd, (off_t)j->synced);
		j->end = j->synced;
		return err;
	}
	j->synced = j->end;
	return KG_OK;
}

kg_err kg_journal_clear(kg_journal *j)
{
	if (ftruncate(j->fd, KG_JOURNAL_HEADER_SIZE) != 0 || fdatasync(j->fd) != 0)
		return kg_fail_errno(errno, "journal");
	j->end = KG_JOURNAL_HEADER_SIZE;
	j->synced = j->end;
	return KG_OK;
}

uint64_t kg_journal_size(const kg_journal *j)
{
	return j->end - KG_JOURNAL_HEADER_SIZE;
}
