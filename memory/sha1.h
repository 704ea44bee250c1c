/* SPDX-License-Identifier: MIT */
/*
 * sha1 – SHA-1 (FIPS 180-4), by which git names its objects; nothing of ours rests on it alone.
 *
 * Here so that who signs a commit can name it without loading a git library. Git's own, with its
 * look-out for collisions, still names whatever is stored.
 */
#ifndef KG_MEMORY_SHA1_H
#define KG_MEMORY_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { KG_SHA1_SIZE = 20, KG_SHA1_BLOCK = 64 };

typedef struct {
	uint32_t state[5];
	uint64_t size; /* bytes so far */
	uint8_t block[KG_SHA1_BLOCK];
} kg_sha1;

void kg_sha1_init(kg_sha1 *sha1);
void kg_sha1_put(kg_sha1 *sha1, const void *data, size_t size);
/* Of all that was put; nothing may be put after it. */
void kg_sha1_end(kg_sha1 *sha1, uint8_t out[KG_SHA1_SIZE]);

#endif
