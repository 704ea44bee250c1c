/* SPDX-License-Identifier: MIT */
/* fs – files written whole or not at all, read with a limit, locked, mapped. */
#ifndef KG_BASE_FS_H
#define KG_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum { KG_PATH_SIZE = 4096 };

/* snprintf into a path; KG_EFULL when it does not fit. */
KG_NODISCARD kg_err kg_path(char path[KG_PATH_SIZE], const char *fmt, ...) KG_PRINTF(2, 3);

/* mkdir -p; the last directory gets `mode`. An existing directory is left as it is; KG_EEXISTS when
 * a file is in the way. */
KG_NODISCARD kg_err kg_fs_mkdirs(const char *path, mode_t mode);

bool kg_fs_exists(const char *path);

/* Appends the whole file to `out` (its size_max is the limit). KG_ENOTFOUND, KG_EFULL, KG_EIO; then
 * the content of `out` is what it was. */
KG_NODISCARD kg_err kg_fs_read(kg_buf *out, const char *path);

/* KG_EIO where something stands at `path` that is no file: a device, a pipe or a directory is
 * not replaced by one. */
KG_NODISCARD kg_err kg_fs_check_target(const char *path);

/* Temporary file beside it, write, fsync, rename over `path`, fsync of the directory: after a
 * failure or a crash the old file is whole. The temporary file has no name while it is written,
 * where the file system can do that: nothing stays of a writer who is killed. KG_EFULL when the
 * disk is full, KG_EIO as kg_fs_check_target. */
KG_NODISCARD kg_err kg_fs_write(const char *path, const void *data, size_t size, mode_t mode);

/* The same from several runs of bytes, one behind the other. */
typedef struct {
	const void *data; /* NULL: zeros, which take no room on the disk */
	size_t size;
} kg_fs_part;

KG_NODISCARD kg_err kg_fs_write_parts(const char *path, const kg_fs_part *parts, size_t count,
				      mode_t mode);

/* As kg_fs_write, but a file that holds these bytes already is left alone. */
KG_NODISCARD kg_err kg_fs_update(const char *path, const void *data, size_t size, mode_t mode);

/* As kg_fs_write, but KG_EEXISTS when `path` is there already; never overwrites. */
KG_NODISCARD kg_err kg_fs_create(const char *path, const void *data, size_t size, mode_t mode);

/* write(2) until all is out; KG_EIO, KG_EFULL. */
KG_NODISCARD kg_err kg_fs_write_all(int fd, const void *data, size_t size);

/* An exclusive lock (flock) on the file, created 0600 when missing; *fd stays open while held.
 * KG_ECONFLICT at once when another process holds it. The file's text becomes the pid. */
KG_NODISCARD kg_err kg_fs_lock(int *fd, const char *path);

/* A read-only shared mapping of a whole file. */
typedef struct {
	const uint8_t *data;
	size_t size;
} kg_map;

/* KG_EINVAL for what is not a regular file. An empty file gives data NULL and size 0. */
KG_NODISCARD kg_err kg_map_open(kg_map *map, const char *path);
void kg_map_close(kg_map *map);

#endif
