/* SPDX-License-Identifier: MIT */
/*
 * prefix – tokens that a session has taken in, with their keys and values, in a file that other
 * sessions begin from.
 *
 * The file holds the cache as it lies in memory, at a multiple of 64 KiB, with holes where nothing
 * has been stored; docs/model-format.md has the bytes. It is mapped copy-on-write: processes that
 * begin from one file share its pages, and what each adds is its own. A file is only good for the
 * weights, the context and the form of cache it was made with.
 */
#ifndef KG_RUNTIME_PREFIX_H
#define KG_RUNTIME_PREFIX_H

#include "runtime/cache.h"

enum {
	KG_PREFIX_DIGEST_SIZE = 32,
	KG_PREFIX_ALIGNMENT = 64 << 10, /* of the cache in the file */
};

/* Writes positions 0 .. count-1 of a cache, whole or not at all, readable by its owner; of what
 * lies behind them nothing, so that the same tokens make the same file. `digest` says what the
 * weights are. KG_EINVAL for no tokens and for numbers that kg_prefix_take would refuse, KG_ENOMEM,
 * KG_EIO, KG_EFULL. */
KG_NODISCARD kg_err kg_prefix_write(const char *path, const kg_cache *cache, const uint32_t *tokens,
				    uint32_t count, const uint8_t digest[KG_PREFIX_DIGEST_SIZE]);

/* An open file: what it says about itself, within the file's own size. */
typedef struct {
	const char *path; /* borrowed, for messages */
	uint8_t *data;    /* private mapping of all of it */
	size_t size;
	size_t cache_at;
	uint32_t context;
	uint32_t count;
	const uint32_t *token; /* count */
} kg_prefix;

/* KG_ECORRUPT for a file that is none of kg_prefix_write, whole; KG_ENOTFOUND, KG_EINVAL, KG_EIO.
 */
KG_NODISCARD kg_err kg_prefix_open(kg_prefix *prefix, const char *path);

/* Makes the file the memory of `cache`, which is laid out for prefix->context and has none.
 * KG_ECONFLICT for a file of other weights or another form, KG_ECORRUPT for numbers that no cache
 * holds or tokens >= vocabulary. Afterwards the mapping is the cache's. */
KG_NODISCARD kg_err kg_prefix_take(kg_prefix *prefix, kg_cache *cache,
				   const uint8_t digest[KG_PREFIX_DIGEST_SIZE],
				   uint32_t vocabulary);
void kg_prefix_close(kg_prefix *prefix);

#endif
