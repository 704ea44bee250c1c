/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

/* The first outputs of splitmix64 seeded with 1234567, as published with the generator. */
static void test_rng__state_of_a_number_is_splitmix64(void **state)
{
	static const uint64_t want[4] = {6457827717110365317ULL, 3203168211198807973ULL,
					 9817491932198370423ULL, 4593380528125082431ULL};
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 1234567);
	for (int k = 0; k < 4; k++)
		assert_true(rng.s[k] == want[k]);
}

/* Outputs of the authors' xoshiro256** from the state 1, 2, 3, 4. */
static void test_rng__step_is_xoshiro256starstar(void **state)
{
	static const uint64_t want[10] = {
		11520ULL,
		0ULL,
		1509978240ULL,
		1215971899390074240ULL,
		1216172134540287360ULL,
		607988272756665600ULL,
		16172922978634559625ULL,
		8476171486693032832ULL,
		10595114339597558777ULL,
		2904607092377533576ULL,
	};
	kg_rng rng = {{1, 2, 3, 4}};

	(void)state;
	for (int k = 0; k < 10; k++)
		assert_true(kg_rng_u64(&rng) == want[k]);
}

/* The construction in the header, computed in Python. */
static void test_rng__state_of_a_seed_is_as_the_header_says(void **state)
{
	static const uint64_t counted[4] = {0xf39197b892809a43, 0x0947605ef56aaf60,
					    0x6badb04cc3e5c23f, 0x7c835ad9fb86e3f4};
	static const uint64_t zero[2] = {0x0ff0c9acbc26ea36, 0xbfb2cd07318c649d};
	uint8_t seed[KG_SEED_SIZE];
	kg_rng rng;

	(void)state;
	for (int i = 0; i < KG_SEED_SIZE; i++)
		seed[i] = (uint8_t)i;
	kg_rng_init(&rng, seed, 7);
	for (int k = 0; k < 4; k++)
		assert_true(kg_rng_u64(&rng) == counted[k]);
	memset(seed, 0, sizeof(seed));
	kg_rng_init(&rng, seed, 0);
	for (int k = 0; k < 2; k++)
		assert_true(kg_rng_u64(&rng) == zero[k]);
}

static void test_rng__every_bit_of_seed_and_stream_matters(void **state)
{
	uint8_t seed[KG_SEED_SIZE] = {0};
	kg_rng plain;

	(void)state;
	kg_rng_init(&plain, seed, 0);
	for (int bit = 0; bit < 8 * KG_SEED_SIZE + 64; bit++) {
		uint64_t stream = bit < 8 * KG_SEED_SIZE ? 0 : 1ULL << (bit - 8 * KG_SEED_SIZE);
		kg_rng other;

		if (bit < 8 * KG_SEED_SIZE)
			seed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		kg_rng_init(&other, seed, stream);
		if (bit < 8 * KG_SEED_SIZE)
			seed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (int k = 0; k < 4; k++) {
			int differ = __builtin_popcountll(other.s[k] ^ plain.s[k]);

			/* Of 64 fair bits, fewer than 8 or more than 56 differ once in 10^10. */
			assert_in_range(differ, 8, 56);
		}
	}
}

static void test_rng__below_is_uniform_and_in_range(void **state)
{
	enum { DRAWS = 60000, SIDES = 6 };
	int seen[SIDES] = {0};
	double chi2 = 0;
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 1);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t x = kg_rng_below(&rng, SIDES);

		assert_true(x < SIDES);
		seen[x]++;
	}
	for (int i = 0; i < SIDES; i++) {
		double off = seen[i] - (double)DRAWS / SIDES;

		chi2 += off * off / ((double)DRAWS / SIDES);
	}
	assert_true(chi2 < 25.7); /* 5 degrees of freedom, 0.9999 quantile */
	for (int i = 0; i < 100; i++) {
		assert_true(kg_rng_below(&rng, 1) == 0);
		/* Without rejection two thirds of the results would lie in the lower half. */
		assert_true(kg_rng_below(&rng, 3ULL << 62) < 3ULL << 62);
	}
}

static void test_rng__floats_are_the_upper_bits(void **state)
{
	kg_rng a;
	kg_rng b;

	(void)state;
	kg_rng_init_u64(&a, 99);
	b = a;
	for (int i = 0; i < 1000; i++) {
		uint64_t x = kg_rng_u64(&a);
		float f = kg_rng_float(&b);

		assert_true(f >= 0 && f < 1);
		assert_true((uint64_t)(f * 16777216.0f) == x >> 40);
		x = kg_rng_u64(&a);
		assert_true((uint64_t)(kg_rng_double(&b) * 9007199254740992.0) == x >> 11);
	}
}

/* Fisher–Yates from the end on the same generator, computed in Python. */
static void test_rng__permutation_is_fisher_yates(void **state)
{
	static const uint32_t want[10] = {7, 3, 8, 9, 5, 6, 4, 1, 0, 2};
	uint32_t perm[10];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 42);
	kg_rng_permutation(&rng, perm, 10);
	assert_memory_equal(perm, want, sizeof(want));
}

static void test_rng__permutation_has_each_number_once(void **state)
{
	static uint32_t perm[1000];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 5);
	for (uint32_t n = 0; n <= 1000; n += n < 10 ? 1 : 99) {
		static uint8_t seen[1000];

		memset(seen, 0, sizeof(seen));
		kg_rng_permutation(&rng, perm, n);
		for (uint32_t i = 0; i < n; i++) {
			assert_true(perm[i] < n);
			assert_false(seen[perm[i]]);
			seen[perm[i]] = 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rng__state_of_a_number_is_splitmix64),
		cmocka_unit_test(test_rng__step_is_xoshiro256starstar),
		cmocka_unit_test(test_rng__state_of_a_seed_is_as_the_header_says),
		cmocka_unit_test(test_rng__every_bit_of_seed_and_stream_matters),
		cmocka_unit_test(test_rng__below_is_uniform_and_in_range),
		cmocka_unit_test(test_rng__floats_are_the_upper_bits),
		cmocka_unit_test(test_rng__permutation_is_fisher_yates),
		cmocka_unit_test(test_rng__permutation_has_each_number_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
