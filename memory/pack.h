/* SPDX-License-Identifier: MIT */
/*
 * pack – writes a git pack with its index: objects, or what other packs hold.
 *
 * Commits are told by earlier ones of the same author where that is shorter, never more than two
 * steps deep, so that reading any of them stays cheap. See docs/decisions/009-own-packs.md.
 */
#ifndef KG_MEMORY_PACK_H
#define KG_MEMORY_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"

enum { KG_PACK_SIZE_MAX = 1 << 30, KG_PACK_NAME_SIZE = KG_COMMIT_TEXT_SIZE };

/* Names of the files of a pack that is being written: not such that git takes them for one, and
 * git gc clears them away too. */
#define KG_PACK_TEMP       "tmp_pack_kindergarten"
#define KG_PACK_TEMP_INDEX "tmp_idx_kindergarten"

/* What stands in the file .keep of a pack that is held. */
#define KG_PACK_HOLD "kindergarten: on its way\n"

typedef struct kg_pack kg_pack;

/* git's numbers. */
typedef enum {
	KG_PACK_COMMIT = 1,
	KG_PACK_TREE = 2,
	KG_PACK_BLOB = 3,
	KG_PACK_TAG = 4
} kg_pack_kind;

/* Begins a pack in `directory`, objects/pack of a repository: one at a time. KG_EIO, KG_EFULL. */
KG_NODISCARD kg_err kg_pack_new(kg_pack **out, const char *directory);

/* One that was not finished leaves nothing. */
void kg_pack_free(kg_pack *pack);

/* Adds an object; `id` must be its id. After a failure of this or another call the pack can only be
 * freed. KG_EFULL when the pack would become larger than KG_PACK_SIZE_MAX, or the disk is full. */
KG_NODISCARD kg_err kg_pack_add(kg_pack *pack, kg_pack_kind kind, const void *object, size_t size,
				const kg_commit *id);

/* Adds what a finished pack of the same directory holds, byte for byte. KG_ECORRUPT when its index
 * is not of it, KG_EFULL as above. */
KG_NODISCARD kg_err kg_pack_append(kg_pack *pack, const char name[KG_PACK_NAME_SIZE]);

/* Stock git is to leave it alone when it is finished, though no ref reaches it: a file .keep stands
 * beside it, with KG_PACK_HOLD in it, before the pack has its name. */
void kg_pack_hold(kg_pack *pack);

size_t kg_pack_count(const kg_pack *pack);
uint64_t kg_pack_size(const kg_pack *pack);

/* Writes what is left, syncs both files and gives them their names, pack-<name>.pack and .idx; they
 * are durable then. KG_EEXISTS when an object is in it twice: there is no pack. */
KG_NODISCARD kg_err kg_pack_finish(kg_pack *pack, char name[KG_PACK_NAME_SIZE]);

#endif
