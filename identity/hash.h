/* SPDX-License-Identifier: MIT */
/*
 * hash – BLAKE2b-256 under a domain tag.
 *
 * The digest is BLAKE2b-256(u8 length of tag || tag || data): what is hashed for one purpose never
 * equals what is hashed for another. A tag is 1..255 bytes of ASCII and part of a format: it never
 * changes.
 */
#ifndef KG_IDENTITY_HASH_H
#define KG_IDENTITY_HASH_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { KG_HASH_SIZE = 32, KG_HASH_TEXT_SIZE = 2 * KG_HASH_SIZE + 1, KG_LABEL_MAX = 256 };

typedef struct {
	crypto_generichash_state state;
} kg_hash_stream;

/* The digest of `data` under `tag`. */
void kg_hash(uint8_t out[KG_HASH_SIZE], const char *tag, const void *data, size_t size);

/* The same in pieces: init, update any number of times, final once. */
void kg_hash_init(kg_hash_stream *stream, const char *tag);
void kg_hash_update(kg_hash_stream *stream, const void *data, size_t size);
void kg_hash_final(kg_hash_stream *stream, uint8_t out[KG_HASH_SIZE]);

/* The 32-byte seed that a label stands for: kg_hash("kindergarten seed label v1", label). A label
 * is 1..KG_LABEL_MAX bytes of UTF-8 without control characters; KG_EINVAL otherwise. */
KG_NODISCARD kg_err kg_seed_from_label(uint8_t seed[KG_HASH_SIZE], const char *label);

#endif
