/* SPDX-License-Identifier: MIT */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

kg_err kg_path(char path[KG_PATH_SIZE], const char *fmt, ...)
{
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = vsnprintf(path, KG_PATH_SIZE, fmt, ap);
	va_end(ap);
	if (length < 0 || length >= KG_PATH_SIZE)
		return kg_fail(KG_EFULL, "path longer than %d bytes", KG_PATH_SIZE - 1);
	return KG_OK;
}

static kg_err make_directory(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return KG_OK;
	if (errno != EEXIST)
		return kg_fail_errno(errno, "mkdir %s", path);
	if (stat(path, &st) != 0)
		return kg_fail_errno(errno, "mkdir %s", path);
	if (!S_ISDIR(st.st_mode))
		return kg_fail(KG_EEXISTS, "mkdir %s: a file is in the way", path);
	return KG_OK;
}

kg_err kg_fs_mkdirs(const char *path, mode_t mode)
{
	char part[KG_PATH_SIZE];
	size_t length = strlen(path);
	kg_err err = KG_OK;

	if (length == 0)
		return kg_fail(KG_EINVAL, "mkdir: an empty path");
	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length >= sizeof(part))
		return kg_fail(KG_EFULL, "path longer than %d bytes", KG_PATH_SIZE - 1);
	memcpy(part, path, length);
	part[length] = '\0';
	for (char *slash = strchr(part + 1, '/'); err == KG_OK && slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		err = make_directory(part, 0755);
		*slash = '/';
	}
	return err == KG_OK ? make_directory(part, mode) : err;
}

bool kg_fs_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

kg_err kg_fs_read(kg_buf *out, const char *path)
{
	size_t before = out->size;
	kg_err err = kg_buf_ok(out);
	ssize_t got = 1;
	int fd;

	if (err != KG_OK)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return kg_fail_errno(errno, "%s", path);
	while (err == KG_OK && got != 0) {
		size_t left = out->size_max - out->size;
		size_t want = left < 65536 ? left : 65536;
		uint8_t one;
		/* At the limit one more byte is asked for, to tell "just fits" from "too long". */
		uint8_t *at = want == 0 ? &one : kg_buf_reserve(out, want);

		if (at == NULL) {
			err = kg_buf_ok(out);
			break;
		}
		got = read(fd, at, want == 0 ? 1 : want);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = kg_fail_errno(errno, "%s", path);
		else if (want == 0 && got > 0)
			err = kg_fail(KG_EFULL, "%s: more than %zu bytes", path, out->size_max);
		else if (want > 0)
			kg_buf_added(out, (size_t)got);
	}
	(void)close(fd);
	if (err != KG_OK && out->size > before) {
		out->size = before;
		out->data[before] = '\0';
	}
	return err;
}

kg_err kg_fs_write_all(int fd, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size > 0) {
		ssize_t put = write(fd, at, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return kg_fail_errno(errno, "write");
		at += put;
		size -= (size_t)put;
	}
	return KG_OK;
}

static kg_err directory_of(char dir[KG_PATH_SIZE], const char *path)
{
	char *slash;
	kg_err err = kg_path(dir, "%s", path);

	if (err != KG_OK)
		return err;
	slash = strrchr(dir, '/');
	if (slash == NULL)
		(void)strcpy(dir, ".");
	else
		slash[slash == dir ? 1 : 0] = '\0';
	return KG_OK;
}

static kg_err sync_directory_of(const char *path)
{
	char dir[KG_PATH_SIZE];
	int fd;
	kg_err err = directory_of(dir, path);

	if (err != KG_OK)
		return err;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return kg_fail_errno(errno, "%s", dir);
	if (fsync(fd) != 0)
		err = kg_fail_errno(errno, "fsync %s", dir);
	(void)close(fd);
	return err;
}

static kg_err leave_hole(int fd, size_t size)
{
	off_t end = lseek(fd, (off_t)size, SEEK_CUR);

	if (end < 0 || ftruncate(fd, end) != 0)
		return kg_fail_errno(errno, "write");
	return KG_OK;
}

/* A file without a name where `path` is to be, so that nothing stays of a writer who is killed. -1
 * where that cannot be. */
static int open_unnamed(const char *path)
{
	char dir[KG_PATH_SIZE];

	if (directory_of(dir, path) != KG_OK || access("/proc/self/fd", X_OK) != 0)
		return -1;
	return open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

/* Gives it the first free one beside `path`; *temp is empty when there is none. */
static kg_err name_temp(char temp[KG_PATH_SIZE], int fd, const char *path)
{
	char self[64];
	kg_err err = KG_OK;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	for (unsigned i = 0; err == KG_OK; i++) {
		err = kg_path(temp, "%s.%ld-%u", path, (long)getpid(), i);
		if (err == KG_OK && linkat(AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) == 0)
			return KG_OK;
		if (err == KG_OK && errno != EEXIST)
			err = kg_fail_errno(errno, "name");
	}
	temp[0] = '\0';
	return err;
}

/* Writes a synced temporary file beside `path`; its name goes to `temp`. */
static kg_err write_temp(char temp[KG_PATH_SIZE], const char *path, const kg_fs_part *parts,
			 size_t count, mode_t mode)
{
	int fd;
	kg_err err = kg_path(temp, "%s.XXXXXX", path);

	if (err != KG_OK)
		return err;
	fd = open_unnamed(path);
	if (fd >= 0)
		temp[0] = '\0';
	else
		fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return kg_fail_errno(errno, "%s", path);
	for (size_t i = 0; i < count && err == KG_OK; i++)
		err = parts[i].data == NULL ? leave_hole(fd, parts[i].size)
					    : kg_fs_write_all(fd, parts[i].data, parts[i].size);
	if (err == KG_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
		err = kg_fail_errno(errno, "write");
	if (err == KG_OK && temp[0] == '\0')
		err = name_temp(temp, fd, path);
	if (close(fd) != 0 && err == KG_OK)
		err = kg_fail_errno(errno, "close");
	if (err != KG_OK) {
		if (temp[0] != '\0')
			(void)unlink(temp);
		return kg_fail_context(err, "%s", path);
	}
	return KG_OK;
}

kg_err kg_fs_write(const char *path, const void *data, size_t size, mode_t mode)
{
	const kg_fs_part part = {data, size};

	return kg_fs_write_parts(path, &part, 1, mode);
}

kg_err kg_fs_check_target(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return kg_fail(KG_EIO, "%s: not a regular file", path);
	return KG_OK;
}

kg_err kg_fs_write_parts(const char *path, const kg_fs_part *parts, size_t count, mode_t mode)
{
	char temp[KG_PATH_SIZE];
	kg_err err = kg_fs_check_target(path);

	if (err == KG_OK)
		err = write_temp(temp, path, parts, count, mode);
	if (err != KG_OK)
		return err;
	if (rename(temp, path) != 0) {
		err = kg_fail_errno(errno, "%s", path);
		(void)unlink(temp);
		return err;
	}
	return sync_directory_of(path);
}

kg_err kg_fs_update(const char *path, const void *data, size_t size, mode_t mode)
{
	kg_buf now;
	bool same;

	kg_buf_init(&now, size);
	/* What cannot be read, or is larger, is not the same. */
	same = kg_fs_read(&now, path) == KG_OK && now.size == size &&
	       (size == 0 || memcmp(now.data, data, size) == 0);
	kg_buf_release(&now);
	return same ? KG_OK : kg_fs_write(path, data, size, mode);
}

kg_err kg_fs_create(const char *path, const void *data, size_t size, mode_t mode)
{
	const kg_fs_part part = {data, size};
	char temp[KG_PATH_SIZE];
	kg_err err;

	if (kg_fs_exists(path))
		return kg_fail(KG_EEXISTS, "%s is already there", path);
	err = write_temp(temp, path, &part, 1, mode);
	if (err != KG_OK)
		return err;
	/* link, unlike rename, refuses to replace. */
	if (link(temp, path) != 0)
		err = errno == EEXIST ? kg_fail(KG_EEXISTS, "%s is already there", path)
				      : kg_fail_errno(errno, "%s", path);
	(void)unlink(temp);
	return err == KG_OK ? sync_directory_of(path) : err;
}

kg_err kg_fs_lock(int *fd, const char *path)
{
	char pid[32];
	int length;
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (lock < 0)
		return kg_fail_errno(errno, "%s", path);
	if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		int why = errno;
		ssize_t got = read(lock, pid, sizeof(pid) - 1);

		pid[got > 0 ? got : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		(void)close(lock);
		if (why != EWOULDBLOCK)
			return kg_fail_errno(why, "%s", path);
		return kg_fail(KG_ECONFLICT, "%s is held by process %s", path,
			       pid[0] != '\0' ? pid : "?");
	}
	length = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(lock, 0) != 0 || pwrite(lock, pid, (size_t)length, 0) != length) {
		kg_err err = kg_fail_errno(errno, "%s", path);

		(void)close(lock);
		return err;
	}
	*fd = lock;
	return KG_OK;
}

kg_err kg_map_open(kg_map *map, const char *path)
{
	struct stat st;
	void *at = NULL;
	/* O_NONBLOCK: a pipe is refused below instead of waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return kg_fail_errno(errno, "%s", path);
	if (fstat(fd, &st) != 0) {
		kg_err err = kg_fail_errno(errno, "%s", path);

		(void)close(fd);
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		(void)close(fd);
		return kg_fail(KG_EINVAL, "%s: not a regular file", path);
	}
	if (st.st_size > 0)
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (at == MAP_FAILED)
		return kg_fail_errno(errno, "map %s", path);
	map->data = at;
	map->size = (size_t)st.st_size;
	return KG_OK;
}

void kg_map_close(kg_map *map)
{
	if (map->data != NULL)
		(void)munmap((void *)(uintptr_t)map->data, map->size);
	*map = (kg_map){0};
}
