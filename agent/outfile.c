/* SPDX-License-Identifier: MIT */
#include "agent/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fs.h"
#include "identity/author.h"
#include "identity/hash.h"
#include "memory/entry.h"

struct kg_outfile {
	int lock_fd;
	int fd;
	size_t end; /* where the next record goes */
	bool torn;  /* there is more behind it, which could not be cut off */
	char path[KG_PATH_SIZE];
};

static const char file_magic[KG_OUTFILE_HEADER_SIZE] = {'K', 'G', 'O', 'U', 'T', 'B', 'X', '1'};
static const char record_magic[4] = {'K', 'G', 'O', '1'};

static void make_header(uint8_t header[KG_OUTFILE_RECORD_SIZE], const void *object, size_t size)
{
	memcpy(header, record_magic, 4);
	for (size_t i = 0; i < 4; i++) {
		header[4 + i] = (uint8_t)(size >> (8 * i));
	}
	kg_hash(header + 8, "kindergarten outbox v1", object, size);
}

/* Size of the object of the intact record at `data`; 0 when there is none. */
static size_t record_at(const uint8_t *data, size_t size)
{
	uint8_t header[KG_OUTFILE_RECORD_SIZE];
	if (size < KG_OUTFILE_RECORD_SIZE || memcmp(data, record_magic, 4) != 0) {
		return 0;
	}
	size_t object = (size_t)data[4] | (size_t)data[5] << 8 | (size_t)data[6] << 16 |
			(size_t)data[7] << 24;
	if (object == 0 || object > KG_ENTRY_OBJECT_MAX || object > size - KG_OUTFILE_RECORD_SIZE) {
		return 0;
	}
	make_header(header, data + KG_OUTFILE_RECORD_SIZE, object);
	return memcmp(header, data, sizeof(header)) == 0 ? object : 0;
}

kg_err kg_outfile_parse(size_t *end, const uint8_t *data, size_t size, kg_outfile_visit visit,
			void *payload)
{
	size_t at = KG_OUTFILE_HEADER_SIZE;
	/* A beginning of the magic: the machine stopped while the file was made. */
	if (size == 0 || (size < sizeof(file_magic) && memcmp(data, file_magic, size) == 0)) {
		*end = 0;
		return KG_OK;
	}
	if (size < KG_OUTFILE_HEADER_SIZE || memcmp(data, file_magic, sizeof(file_magic)) != 0) {
		return kg_fail(KG_ECORRUPT, "not an outbox");
	}
	for (size_t object; (object = record_at(data + at, size - at)) > 0;) {
		kg_err err = visit(payload, data + at + KG_OUTFILE_RECORD_SIZE, object);
		if (err != KG_OK) {
			return err;
		}
		at += KG_OUTFILE_RECORD_SIZE + object;
	}
	*end = at;
	return KG_OK;
}

/* Cuts the file to `end` bytes, which begin with the magic. */
static kg_err cut(kg_outfile *file, size_t end)
{
	if (ftruncate(file->fd, (off_t)end) != 0) {
		return kg_fail_errno(errno, "%s", file->path);
	}
	file->end = end;
	file->torn = false;
	if (end == 0) {
		kg_err err = kg_fs_write_all(file->fd, file_magic, sizeof(file_magic));
		file->end = err == KG_OK ? sizeof(file_magic) : 0;
		return err;
	}
	return KG_OK;
}

static kg_err open_file(kg_outfile *file)
{
	file->fd = open(file->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return file->fd < 0 ? kg_fail_errno(errno, "%s", file->path) : KG_OK;
}

static kg_err read_file(kg_outfile *file, kg_outfile_visit visit, void *data)
{
	kg_buf bytes;
	size_t end = 0;
	kg_buf_init(&bytes, KG_OUTFILE_MAX);
	kg_err err = kg_fs_read(&bytes, file->path);
	if (err == KG_OK) {
		err = kg_outfile_parse(&end, bytes.data, bytes.size, visit, data);
	}
	if (err != KG_OK) {
		err = kg_fail_context(err, "%s", file->path);
	} else if (end < bytes.size || end == 0) {
		err = cut(file, end);
	}
	file->end = err == KG_OK && end > 0 ? end : file->end;
	kg_buf_release(&bytes);
	return err;
}

kg_err kg_outfile_open(kg_outfile **out, const char *state_dir, const char *name,
		       kg_outfile_visit visit, void *data)
{
	kg_outfile *file = calloc(1, sizeof(*file));
	if (!file) {
		return kg_fail(KG_ENOMEM, "no memory for an outbox");
	}
	file->lock_fd = -1;
	file->fd = -1;
	kg_err err = kg_author_lock(&file->lock_fd, state_dir, name);
	if (err == KG_OK) {
		err = kg_path(file->path, "%s/outbox", state_dir);
	}
	if (err == KG_OK) {
		err = kg_fs_mkdirs(file->path, 0700);
	}
	if (err == KG_OK) {
		err = kg_path(file->path, "%s/outbox/%s", state_dir, name);
	}
	if (err == KG_OK) {
		err = open_file(file);
	}
	if (err == KG_OK) {
		err = read_file(file, visit, data);
	}
	if (err != KG_OK) {
		kg_outfile_free(file);
		return err;
	}
	*out = file;
	return KG_OK;
}

void kg_outfile_free(kg_outfile *file)
{
	if (!file) {
		return;
	}
	if (file->fd >= 0) {
		(void)close(file->fd);
	}
	if (file->lock_fd >= 0) {
		(void)close(file->lock_fd);
	}
	free(file);
}

kg_err kg_outfile_append(kg_outfile *file, const void *object, size_t size)
{
	uint8_t header[KG_OUTFILE_RECORD_SIZE];
	KG_ASSERT(size > 0 && size <= KG_ENTRY_OBJECT_MAX);
	if (file->end + sizeof(header) + size > KG_OUTFILE_MAX) {
		return kg_fail(KG_EFULL, "%s is full", file->path);
	}
	kg_err err = file->torn ? cut(file, file->end) : KG_OK;
	if (err != KG_OK) {
		return err;
	}
	make_header(header, object, size);
	const struct iovec parts[] = {
		{.iov_base = header, .iov_len = sizeof(header)},
		{.iov_base = (void *)(uintptr_t)object, .iov_len = size},
	};
	ssize_t put;
	do {
		put = writev(file->fd, parts, 2);
	} while (put < 0 && errno == EINTR);
	if (put != (ssize_t)(sizeof(header) + size)) {
		err = put < 0 ? kg_fail_errno(errno, "%s", file->path)
			      : kg_fail(KG_EFULL, "%s: the disk is full", file->path);
		file->torn = ftruncate(file->fd, (off_t)file->end) != 0;
		return err;
	}
	file->end += sizeof(header) + size;
	return KG_OK;
}

void kg_outfile_put(kg_buf *records, const void *object, size_t size)
{
	uint8_t header[KG_OUTFILE_RECORD_SIZE];
	make_header(header, object, size);
	kg_buf_put(records, header, sizeof(header));
	kg_buf_put(records, object, size);
}

kg_err kg_outfile_replace(kg_outfile *file, const kg_buf *records)
{
	kg_err err = kg_buf_ok(records);
	if (err != KG_OK) {
		return err;
	}
	const kg_fs_part parts[] = {
		{.data = file_magic, .size = sizeof(file_magic)},
		{.data = records->data, .size = records->size},
	};
	err = kg_fs_write_parts(file->path, parts, records->size > 0 ? 2 : 1, 0600);
	if (err != KG_OK) {
		return err;
	}
	(void)close(file->fd);
	err = open_file(file);
	if (err == KG_OK) {
		file->end = sizeof(file_magic) + records->size;
	}
	return err;
}

kg_err kg_outfile_clear(kg_outfile *file)
{
	return kg_outfile_size(file) > 0 ? cut(file, KG_OUTFILE_HEADER_SIZE) : KG_OK;
}

size_t kg_outfile_size(const kg_outfile *file)
{
	return file->end - KG_OUTFILE_HEADER_SIZE;
}
