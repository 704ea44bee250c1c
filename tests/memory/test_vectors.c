/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <math.h>

#include "memory/vectors.h"

enum { DIM = 24, MANY = 200 };

typedef struct {
	char path[KG_PATH_SIZE];
	kg_vectors *vectors;
	fixture f;
} scene;

static const uint8_t model[KG_HASH_SIZE] = {1};
static const uint8_t other_model[KG_HASH_SIZE] = {2};

static void open_as(scene *s, const uint8_t digest[KG_HASH_SIZE])
{
	kg_vectors_free(s->vectors);
	s->vectors = NULL;
	assert_int_equal(kg_vectors_open(&s->vectors, s->path, digest, DIM), KG_OK);
}

static void scene_make(scene *s)
{
	memset(s, 0, sizeof(*s));
	fixture_make(&s->f);
	assert_int_equal(kg_path(s->path, "%s/vectors.sqlite", s->f.dir), KG_OK);
	open_as(s, model);
}

static void scene_remove(scene *s)
{
	kg_vectors_free(s->vectors);
	fixture_remove(&s->f);
}

static kg_entry_id id_of(uint32_t n)
{
	kg_entry_id id = {{0}};

	id.bytes[0] = (uint8_t)(n >> 8);
	id.bytes[1] = (uint8_t)n;
	return id;
}

/* Four families, each around a direction of its own, all with a large part in common. */
static void vector_of(float x[DIM], uint32_t n)
{
	uint32_t seed = n + 1;

	for (uint32_t i = 0; i < DIM; i++) {
		seed = seed * 1664525u + 1013904223u;
		x[i] = 5 + (float)(seed >> 20) / 4096 + (i % 4 == n % 4 ? 2.0f : 0.0f);
	}
}

static void fill(scene *s)
{
	assert_int_equal(kg_vectors_begin(s->vectors), KG_OK);
	for (uint32_t n = 0; n < MANY; n++) {
		kg_entry_id id = id_of(n);
		float x[DIM];

		vector_of(x, n);
		assert_int_equal(kg_vectors_put(s->vectors, &id, n, x), KG_OK);
	}
	assert_int_equal(kg_vectors_end(s->vectors), KG_OK);
}

static void test_vectors__the_nearest_are_of_the_same_family(void **state)
{
	kg_vectors_hit *hits = NULL;
	size_t count = 0;
	size_t looked = 0;
	bool more = true;
	scene s;

	(void)state;
	scene_make(&s);
	fill(&s);
	for (uint32_t n = 0; n < 8; n++) {
		kg_entry_id self = id_of(n);
		float x[DIM];

		vector_of(x, n);
		for (uint32_t i = 0; i < DIM; i++)
			x[i] *= 3; /* its length says nothing */
		assert_int_equal(
			kg_vectors_nearest(s.vectors, &hits, &count, &looked, &more, x, 40), KG_OK);
		assert_int_equal(count, 40);
		assert_int_equal(looked, MANY);
		assert_false(more);
		assert_memory_equal(&hits[0].id, &self, sizeof(self));
		/* But for the rounding it is itself. */
		assert_true(hits[0].likeness > 0.999 && hits[0].likeness < 1.000001);
		for (size_t i = 0; i < count; i++) {
			uint32_t found = (uint32_t)hits[i].id.bytes[0] << 8 | hits[i].id.bytes[1];

			assert_int_equal(found % 4, n % 4);
			assert_true(i == 0 || hits[i].likeness <= hits[i - 1].likeness);
		}
		free(hits);
	}
	scene_remove(&s);
}

static void test_vectors__each_model_has_its_own(void **state)
{
	kg_entry_id id = id_of(7);
	kg_vectors_mark mark = {.entries = 9, .newest = id};
	kg_vectors_mark found;
	bool has = false;
	scene s;

	(void)state;
	scene_make(&s);
	fill(&s);
	assert_int_equal(kg_vectors_set_mark(s.vectors, &mark), KG_OK);
	assert_int_equal(kg_vectors_has(s.vectors, &has, &id, 7), KG_OK);
	assert_true(has);
	assert_int_equal(kg_vectors_has(s.vectors, &has, &id, 8), KG_OK);
	assert_false(has);
	open_as(&s, other_model);
	assert_int_equal(kg_vectors_has(s.vectors, &has, &id, 7), KG_OK);
	assert_false(has);
	assert_int_equal(kg_vectors_marked(s.vectors, &found), KG_OK);
	assert_int_equal(found.entries, 0);
	open_as(&s, model);
	assert_int_equal(kg_vectors_has(s.vectors, &has, &id, 7), KG_OK);
	assert_true(has);
	assert_int_equal(kg_vectors_marked(s.vectors, &found), KG_OK);
	assert_int_equal(found.entries, 9);
	assert_memory_equal(&found.newest, &id, sizeof(id));
	scene_remove(&s);
}

static void test_vectors__what_it_will_not_do_is_an_error(void **state)
{
	kg_entry_id id = id_of(1);
	kg_vectors *none = NULL;
	float x[DIM] = {0};
	bool has = true;
	scene s;

	(void)state;
	scene_make(&s);
	assert_int_equal(kg_vectors_open(&none, s.path, model, 0), KG_EINVAL);
	assert_int_equal(kg_vectors_open(&none, s.path, model, KG_VECTORS_DIM_MAX + 1), KG_EINVAL);
	x[3] = NAN;
	assert_int_equal(kg_vectors_put(s.vectors, &id, 1, x), KG_EINVAL);
	x[3] = INFINITY;
	assert_int_equal(kg_vectors_put(s.vectors, &id, 1, x), KG_EINVAL);
	assert_int_equal(kg_vectors_has(s.vectors, &has, &id, 1), KG_OK);
	assert_false(has);
	/* Nothing at all is like nothing. */
	x[3] = 0;
	assert_int_equal(kg_vectors_put(s.vectors, &id, 1, x), KG_OK);
	scene_remove(&s);
}

static void test_vectors__a_damaged_file_is_begun_anew(void **state)
{
	kg_entry_id id = id_of(7);
	bool has = true;
	scene s;

	(void)state;
	scene_make(&s);
	fill(&s);
	kg_vectors_free(s.vectors);
	s.vectors = NULL;
	assert_int_equal(fixture_shell(&s.f, NULL, "head -c 9000 /dev/urandom >vectors.sqlite"), 0);
	open_as(&s, model);
	assert_int_equal(kg_vectors_has(s.vectors, &has, &id, 7), KG_OK);
	assert_false(has);
	fill(&s);
	scene_remove(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors__the_nearest_are_of_the_same_family),
		cmocka_unit_test(test_vectors__each_model_has_its_own),
		cmocka_unit_test(test_vectors__what_it_will_not_do_is_an_error),
		cmocka_unit_test(test_vectors__a_damaged_file_is_begun_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
