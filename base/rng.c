/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <stddef.h>

#include "base/err.h"

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t load_le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

void kg_rng_init(kg_rng *rng, const uint8_t seed[KG_SEED_SIZE], uint64_t stream)
{
	uint64_t mix = stream;
	uint64_t chain = splitmix64(&mix);

	for (int pass = 0; pass < 2; pass++) {
		for (size_t k = 0; k < 4; k++) {
			chain ^= pass == 0 ? load_le64(seed + 8 * k) : rng->s[k];
			rng->s[k] = splitmix64(&chain);
		}
	}
	if ((rng->s[0] | rng->s[1] | rng->s[2] | rng->s[3]) == 0)
		rng->s[0] = 1; /* the one state xoshiro cannot leave */
}

void kg_rng_init_u64(kg_rng *rng, uint64_t seed)
{
	for (int k = 0; k < 4; k++)
		rng->s[k] = splitmix64(&seed);
}

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

uint64_t kg_rng_u64(kg_rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t kg_rng_below(kg_rng *rng, uint64_t n)
{
	uint64_t x;

	KG_ASSERT(n >= 1);
	do {
		x = kg_rng_u64(rng);
		/* Rejected below 2^64 mod n, which is less than n: the division is hardly ever
		 * made. */
	} while (x < n && x < (0 - n) % n);
	return x % n;
}

float kg_rng_float(kg_rng *rng)
{
	return (float)(kg_rng_u64(rng) >> 40) * 0x1p-24f;
}

double kg_rng_double(kg_rng *rng)
{
	return (double)(kg_rng_u64(rng) >> 11) * 0x1p-53;
}

void kg_rng_permutation(kg_rng *rng, uint32_t *perm, uint32_t n)
{
	kg_rng copy = *rng;

	for (uint32_t i = 0; i < n; i++)
		perm[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = (uint32_t)kg_rng_below(&copy, i);
		uint32_t swap = perm[i - 1];

		perm[i - 1] = perm[j];
		perm[j] = swap;
	}
	*rng = copy;
}

void kg_rng_signs(kg_rng *rng, int8_t *sign, uint32_t n)
{
	kg_rng copy = *rng; /* not behind a pointer that bytes may alias */

	for (uint32_t i = 0; i < n; i++)
		sign[i] = (int8_t)(1 - 2 * (int)(kg_rng_u64(&copy) & 1));
	*rng = copy;
}
