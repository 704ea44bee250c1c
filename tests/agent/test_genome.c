/* SPDX-License-Identifier: MIT */
/* Genomes: canonical bytes and id against an independent computation (Python's hashlib), digests
 * against libsodium called directly, weights equal for equal genomes and different for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "agent/genome.h"
#include "base/hex.h"
#include "runtime/kernel.h"
#include "tests/agent/sprout.h"

static kg_genome numbered(void)
{
	kg_genome g = {.strategy = kg_strategy_of(KG_FORMAT_FAIRY2)};
	for (int i = 0; i < 32; i++) {
		g.base_digest[i] = (uint8_t)i;
		g.seed[i] = (uint8_t)(32 + i);
	}
	return g;
}

static void test_genome__id_is_the_published_one(void **state)
{
	(void)state;
	/* hashlib.blake2b(bytes([22]) + b"kindergarten genome v1" + b"KGGENOM1" + bytes(range(64))
	 *                 + b"\x06fairy2", digest_size=32) */
	const kg_genome g = numbered();
	uint8_t bytes[KG_GENOME_SIZE_MAX], id[KG_HASH_SIZE];
	char text[KG_HASH_TEXT_SIZE];
	assert_int_equal(kg_genome_encode(&g, bytes), 79);
	assert_true(KG_GENOME_SIZE_MAX < 200);
	kg_genome_id(&g, id);
	kg_hex_encode(text, id, sizeof(id));
	assert_string_equal(text,
			    "7c9de419ddeebf518e5bc4a998e70a7a8ab5c8872c3ed1b169b40e37c98a3894");
}

static void test_genome__round_trips_and_refuses_every_cut(void **state)
{
	(void)state;
	const kg_genome g = numbered();
	uint8_t bytes[KG_GENOME_SIZE_MAX + 1] = {0};
	size_t size = kg_genome_encode(&g, bytes);
	kg_genome back;
	assert_int_equal(kg_genome_decode(&back, bytes, size), KG_OK);
	uint8_t again[KG_GENOME_SIZE_MAX];
	assert_int_equal(kg_genome_encode(&back, again), size);
	assert_memory_equal(bytes, again, size);
	for (size_t cut = 0; cut < size; cut++) {
		assert_int_equal(kg_genome_decode(&back, bytes, cut), KG_ECORRUPT);
	}
	assert_int_equal(kg_genome_decode(&back, bytes, size + 1), KG_ECORRUPT);
	bytes[0] ^= 1;
	assert_int_equal(kg_genome_decode(&back, bytes, size), KG_ECORRUPT);
	bytes[0] ^= 1;
	bytes[size - 1] = '9';
	assert_int_equal(kg_genome_decode(&back, bytes, size), KG_ECORRUPT);
	bytes[size - 1] = 0;
	assert_int_equal(kg_genome_decode(&back, bytes, size), KG_ECORRUPT);
}

static void test_genome__every_field_changes_the_id(void **state)
{
	(void)state;
	uint8_t ids[4][KG_HASH_SIZE];
	kg_genome g = numbered();
	kg_genome_id(&g, ids[0]);
	g.base_digest[31] ^= 1;
	kg_genome_id(&g, ids[1]);
	g = numbered();
	g.seed[0] ^= 1;
	kg_genome_id(&g, ids[2]);
	g = numbered();
	g.strategy = kg_strategy_of(KG_FORMAT_FAIRY1);
	kg_genome_id(&g, ids[3]);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < i; k++) {
			assert_memory_not_equal(ids[i], ids[k], KG_HASH_SIZE);
		}
	}
}

static void collect(void *data, const void *bytes, size_t size)
{
	crypto_generichash_update(data, bytes, size);
}

static void test_genome__digests_are_blake2b_under_their_tags(void **state)
{
	(void)state;
	sprout s;
	sprout_grow(&s, 7, true, KG_FORMAT_F16, NULL);
	uint8_t got[KG_HASH_SIZE], want[KG_HASH_SIZE];
	crypto_generichash_state hash;

	assert_int_equal(kg_base_digest(got, s.model), KG_OK);
	crypto_generichash_init(&hash, NULL, 0, 32);
	crypto_generichash_update(&hash, (const uint8_t *)"\x1akindergarten base model v1", 27);
	crypto_generichash_update(&hash, s.file, s.size);
	crypto_generichash_final(&hash, want, 32);
	assert_memory_equal(got, want, 32);

	kg_weights *weights = NULL;
	assert_int_equal(kg_weights_new(&weights, s.model, NULL, NULL), KG_OK);
	assert_int_equal(kg_weights_digest(got, weights), KG_OK);
	crypto_generichash_init(&hash, NULL, 0, 32);
	crypto_generichash_update(&hash, (const uint8_t *)"\x17kindergarten weights v1", 24);
	assert_int_equal(kg_weights_visit(weights, collect, &hash), KG_OK);
	crypto_generichash_final(&hash, want, 32);
	assert_memory_equal(got, want, 32);
	kg_weights_free(weights);
	sprout_release(&s);
}

static void digest_of(uint8_t out[KG_HASH_SIZE], const sprout *s, const char *strategy,
		      const char *label)
{
	kg_genome g;
	kg_weights *weights = NULL;
	assert_int_equal(kg_base_digest(g.base_digest, s->model), KG_OK);
	assert_int_equal(kg_genome_choose(&g, s->model, strategy, label), KG_OK);
	assert_int_equal(kg_genome_weights(&weights, &g, s->model), KG_OK);
	assert_int_equal(kg_weights_digest(out, weights), KG_OK);
	kg_weights_free(weights);
}

static void test_genome__same_label_same_weights_on_every_kernel(void **state)
{
	(void)state;
	sprout s;
	uint8_t first[KG_HASH_SIZE], other[KG_HASH_SIZE];
	sprout_grow(&s, 7, true, KG_FORMAT_F16, NULL);
	digest_of(first, &s, "", "kindergarten/agent-0");
	digest_of(other, &s, "fairy2", "kindergarten/agent-0");
	assert_memory_equal(first, other, 32);
	digest_of(other, &s, "fairy2", "kindergarten/agent-1");
	assert_memory_not_equal(first, other, 32);
	digest_of(other, &s, "fairy1", "kindergarten/agent-0");
	assert_memory_not_equal(first, other, 32);
	for (uint32_t k = 0; k < kg_kernel_count(); k++) {
		if (kg_kernel_at(k)->usable()) {
			assert_int_equal(kg_kernel_set(kg_kernel_at(k)->name), KG_OK);
			digest_of(other, &s, "fairy2", "kindergarten/agent-0");
			assert_memory_equal(first, other, 32);
		}
	}
	assert_int_equal(kg_kernel_set(NULL), KG_OK);
	sprout_release(&s);
}

static void test_genome__seed_is_that_of_the_label(void **state)
{
	(void)state;
	/* hashlib.blake2b(bytes([26]) + b"kindergarten seed label v1" + b"kindergarten/agent-0",
	 *                 digest_size=32) */
	sprout s;
	kg_genome g;
	char text[KG_HASH_TEXT_SIZE];
	sprout_grow(&s, 7, true, KG_FORMAT_F32, NULL);
	assert_int_equal(kg_genome_choose(&g, s.model, "int8", "kindergarten/agent-0"), KG_OK);
	kg_hex_encode(text, g.seed, 32);
	assert_string_equal(text,
			    "347e5a9228c45bc840097e59c30f9f858641d79a5d27280cad6ea9b20ff36663");
	assert_int_equal(kg_genome_choose(&g, s.model, "", ""), KG_EINVAL);
	assert_int_equal(kg_genome_choose(&g, s.model, "gold", "x"), KG_EINVAL);
	sprout_release(&s);
}

static void test_genome__bases_are_told_apart_by_their_digests(void **state)
{
	(void)state;
	sprout s, t;
	uint8_t first[KG_HASH_SIZE], other[KG_HASH_SIZE];
	sprout_grow(&s, 7, true, KG_FORMAT_F16, NULL);
	sprout_grow(&t, 8, true, KG_FORMAT_F16, NULL);
	assert_int_equal(kg_base_digest(first, s.model), KG_OK);
	assert_int_equal(kg_base_digest(other, t.model), KG_OK);
	assert_memory_not_equal(first, other, KG_HASH_SIZE);
	sprout_release(&t);
	sprout_release(&s);
}

static void test_genome__a_quantized_model_has_one_genome(void **state)
{
	(void)state;
	const uint8_t seed[KG_SEED_SIZE] = {5};
	const uint8_t *const pairings[] = {NULL, seed};
	for (size_t i = 0; i < 2; i++) {
		sprout s;
		kg_genome g;
		kg_weights *weights = NULL;
		sprout_grow(&s, 7, true, KG_FORMAT_FAIRY2, pairings[i]);
		assert_int_equal(kg_base_digest(g.base_digest, s.model), KG_OK);
		assert_int_equal(kg_genome_choose(&g, s.model, "fairy1", "x"), KG_EINVAL);
		assert_int_equal(kg_genome_choose(&g, s.model, "", "x"), KG_OK);
		assert_int_equal(g.seed[0], i == 0 ? 0 : 5);
		assert_int_equal(kg_genome_weights(&weights, &g, s.model), KG_OK);
		kg_weights_free(weights);
		g.seed[1] = 1;
		assert_int_equal(kg_genome_weights(&weights, &g, s.model), KG_ECONFLICT);
		sprout_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_genome__id_is_the_published_one),
		cmocka_unit_test(test_genome__round_trips_and_refuses_every_cut),
		cmocka_unit_test(test_genome__every_field_changes_the_id),
		cmocka_unit_test(test_genome__digests_are_blake2b_under_their_tags),
		cmocka_unit_test(test_genome__same_label_same_weights_on_every_kernel),
		cmocka_unit_test(test_genome__seed_is_that_of_the_label),
		cmocka_unit_test(test_genome__bases_are_told_apart_by_their_digests),
		cmocka_unit_test(test_genome__a_quantized_model_has_one_genome),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
