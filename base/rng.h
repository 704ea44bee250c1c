/* SPDX-License-Identifier: MIT */
/*
 * rng – a small seeded generator whose every number is defined, for permutations and sampling.
 *
 * xoshiro256** (Blackman & Vigna 2018, "Scrambled linear pseudorandom number generators"), its
 * state filled by splitmix64 (Steele, Lea & Flood 2014). Not for secrets: keys and nonces come from
 * libsodium. Streams with different numbers from one seed are independent for our purposes.
 */
#ifndef KG_BASE_RNG_H
#define KG_BASE_RNG_H

#include <stdint.h>

enum { KG_SEED_SIZE = 32 };

typedef struct {
	uint64_t s[4];
} kg_rng;

/* State from a 32-byte seed and a stream number. chain = splitmix64(stream); then twice over the
 * four words: chain ^= word, word of the state = splitmix64(chain), where the words are those of
 * the seed (little-endian) the first time and the state's the second, and every splitmix64 adds its
 * constant to chain. So every seed bit reaches every word. */
void kg_rng_init(kg_rng *rng, const uint8_t seed[KG_SEED_SIZE], uint64_t stream);

/* State from one 64-bit number: splitmix64 four times. */
void kg_rng_init_u64(kg_rng *rng, uint64_t seed);

uint64_t kg_rng_u64(kg_rng *rng);

/* Uniform in 0..n-1 without bias (rejection); n >= 1. */
uint64_t kg_rng_below(kg_rng *rng, uint64_t n);

/* Uniform in [0, 1): the upper 24 (53) bits. */
float kg_rng_float(kg_rng *rng);
double kg_rng_double(kg_rng *rng);

/* Fisher–Yates from the end: perm[0..n-1] becomes a permutation of 0..n-1. */
void kg_rng_permutation(kg_rng *rng, uint32_t *perm, uint32_t n);

/* -1 or +1 each: -1 where the low bit of one 64-bit number is set. */
void kg_rng_signs(kg_rng *rng, int8_t *sign, uint32_t n);

#endif
