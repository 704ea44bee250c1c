/* SPDX-License-Identifier: MIT */
/* Objects in files of their own, read before libgit2 does: where such a file ends too early,
 * libgit2 1.5 waits for more of it for ever. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sha1.h>
#include <zlib.h>

#include "memory/store_impl.h"

enum { FILE_MAX = 256 << 20, PIECE = 64 << 10 };

/* Unfolds all of it and compares its id, without keeping it. */
static bool is_sound(const kg_buf *file, const git_oid *oid)
{
	uint8_t digest[SHA1_DIGEST_LENGTH];
	uint8_t *piece = malloc(PIECE);
	z_stream stream = {.next_in = file->data, .avail_in = (uInt)file->size};
	SHA1_CTX sha1;
	int rc = piece != NULL ? inflateInit(&stream) : Z_MEM_ERROR;

	if (rc != Z_OK) {
		free(piece);
		return false;
	}
	SHA1Init(&sha1);
	while (rc == Z_OK) {
		stream.next_out = piece;
		stream.avail_out = PIECE;
		/* Without anything more to read or to write, it says Z_BUF_ERROR. */
		rc = inflate(&stream, Z_NO_FLUSH);
		SHA1Update(&sha1, piece, PIECE - stream.avail_out);
	}
	(void)inflateEnd(&stream);
	free(piece);
	SHA1Final(digest, &sha1);
	return rc == Z_STREAM_END && memcmp(digest, oid->id, sizeof(digest)) == 0;
}

kg_err kg_store__check_loose(const char *repository, const git_oid *oid)
{
	char hex[GIT_OID_HEXSZ + 1];
	char path[KG_PATH_SIZE];
	struct stat st;
	kg_buf file;
	kg_err err;

	(void)git_oid_tostr(hex, sizeof(hex), oid);
	err = kg_path(path, "%s/objects/%.2s/%s", repository, hex, hex + 2);
	if (err != KG_OK)
		return err;
	if (stat(path, &st) != 0)
		return KG_OK;
	kg_buf_init(&file, FILE_MAX);
	err = kg_fs_read(&file, path);
	if (err == KG_ENOTFOUND)
		err = KG_OK; /* packed meanwhile */
	else if (err == KG_OK && !is_sound(&file, oid))
		err = kg_fail(KG_ECORRUPT, "unreadable object: %s is damaged", path);
	kg_buf_release(&file);
	return err;
}
