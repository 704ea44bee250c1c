/* SPDX-License-Identifier: MIT */
#include "memory/sha1.h"

#include <string.h>

static uint32_t left(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static uint32_t read_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_u32(uint8_t *p, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(x >> (24 - 8 * i));
}

/* The function and constant of round t. */
static uint32_t mixed(int t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (t < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (t < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void take_block(kg_sha1 *sha1, const uint8_t *block)
{
	uint32_t w[80];
	uint32_t s[5];

	for (int t = 0; t < 16; t++)
		w[t] = read_u32(block + (ptrdiff_t)4 * t);
	for (int t = 16; t < 80; t++)
		w[t] = left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	memcpy(s, sha1->state, sizeof(s));
	for (int t = 0; t < 80; t++) {
		uint32_t next = left(s[0], 5) + mixed(t, s[1], s[2], s[3]) + s[4] + w[t];

		s[4] = s[3];
		s[3] = s[2];
		s[2] = left(s[1], 30);
		s[1] = s[0];
		s[0] = next;
	}
	for (int i = 0; i < 5; i++)
		sha1->state[i] += s[i];
}

void kg_sha1_init(kg_sha1 *sha1)
{
	*sha1 = (kg_sha1){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
}

void kg_sha1_put(kg_sha1 *sha1, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size > 0) {
		size_t used = sha1->size % KG_SHA1_BLOCK;
		size_t part = KG_SHA1_BLOCK - used < size ? KG_SHA1_BLOCK - used : size;

		memcpy(sha1->block + used, from, part);
		sha1->size += part;
		from += part;
		size -= part;
		if (used + part == KG_SHA1_BLOCK)
			take_block(sha1, sha1->block);
	}
}

void kg_sha1_end(kg_sha1 *sha1, uint8_t out[KG_SHA1_SIZE])
{
	static const uint8_t padding[KG_SHA1_BLOCK] = {0x80};
	uint64_t bits = sha1->size * 8;
	uint8_t length[8];

	/* One bit, then zeros until eight bytes are left of a block. */
	kg_sha1_put(sha1, padding,
		    1 + (2 * KG_SHA1_BLOCK - 9 - sha1->size % KG_SHA1_BLOCK) % KG_SHA1_BLOCK);
	write_u32(length, (uint32_t)(bits >> 32));
	write_u32(length + 4, (uint32_t)bits);
	kg_sha1_put(sha1, length, sizeof(length));
	for (int i = 0; i < 5; i++)
		write_u32(out + (ptrdiff_t)4 * i, sha1->state[i]);
}
