/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include "memory/index.h"

/* An index in memory with entries that differ in everything that filters look at. */
typedef struct {
	fixture f;
	kg_index *index;
	kg_entry_proof proofs[6];
} scene;

static void add(scene *s, int n, int agent, kg_entry_type type, const char *text, const char *tags,
		double level)
{
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_init(&e, type);
	assert_int_equal(kg_entry_set_text(&e, text, strlen(text)), KG_OK);
	assert_int_equal(kg_entry_add_tags(&e, tags), KG_OK);
	if (level >= 0)
		kg_entry_set_level(&e, level);
	proof = fixture_sign(&object, &s->f.agents[agent], &e, s->f.now_ms + n * 3600000);
	assert_int_equal(kg_index_put(s->index, &e, &proof, true), KG_OK);
	/* Again: no second row. */
	assert_int_equal(kg_index_put(s->index, &e, &proof, true), KG_OK);
	s->proofs[n] = proof;
	kg_entry_release(&e);
	kg_buf_release(&object);
}

static void scene_make(scene *s)
{
	memset(s, 0, sizeof(*s));
	fixture_make(&s->f);
	assert_int_equal(kg_index_open(&s->index, NULL, true), KG_OK);
	assert_int_equal(kg_index_begin(s->index), KG_OK);
	add(s, 0, 0, KG_ENTRY_BIRTH, "I am here", "birth", 0.1);
	add(s, 1, 1, KG_ENTRY_INSIGHT, "Yellow and blue make green", "colour,collective-insight",
	    0.8);
	add(s, 2, 0, KG_ENTRY_INSIGHT, "Blue blue blue is the sea", "colour", 0.6);
	add(s, 3, 2, KG_ENTRY_QUESTION, "Why is the sky \"blue\"?", "", -1);
	add(s, 4, 1, KG_ENTRY_LEARNING, "Caf\xc3\xa9 and tea; DROP TABLE entries", "colour-2", 0.7);
	assert_int_equal(kg_index_end(s->index), KG_OK);
}

static void scene_remove(scene *s)
{
	kg_index_free(s->index);
	fixture_remove(&s->f);
}

/* The numbers of the entries found, in order. */
static void expect(scene *s, kg_index_filter filter, const char *numbers)
{
	kg_index_rows rows = {0};
	char found[64] = "";

	if (kg_index_recall(s->index, &rows, &filter) != KG_OK)
		fail_msg("%s", kg_err_text());
	for (size_t i = 0; i < rows.count; i++)
		for (size_t n = 0; n < 6; n++)
			if (memcmp(&rows.rows[i].proof.id, &s->proofs[n].id, KG_HASH_SIZE) == 0)
				(void)snprintf(found + strlen(found), sizeof(found) - strlen(found),
					       "%zu", n);
	assert_string_equal(found, numbers);
	kg_index_rows_release(&rows);
}

static void test_index__filters_choose(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	expect(&s, (kg_index_filter){0}, "43210");
	expect(&s, (kg_index_filter){.limit = 2}, "43");
	expect(&s,
	       (kg_index_filter){.chain_order = true, .agent = kg_key_public(s.f.agents[0].key)},
	       "02");
	expect(&s, (kg_index_filter){.agent = kg_key_public(s.f.agents[1].key)}, "41");
	expect(&s, (kg_index_filter){.agent_name = "agent-2"}, "3");
	expect(&s, (kg_index_filter){.not_agent = kg_key_public(s.f.agents[1].key)}, "320");
	expect(&s, (kg_index_filter){.has_type = true, .type = KG_ENTRY_INSIGHT}, "21");
	expect(&s, (kg_index_filter){.tag = "colour"}, "21");
	expect(&s, (kg_index_filter){.tag = "collective-insight"}, "1");
	expect(&s, (kg_index_filter){.tag = "col"}, "");
	expect(&s, (kg_index_filter){.tag = "%"}, "");
	expect(&s, (kg_index_filter){.has_level_min = true, .level_min = 0.7}, "41");
	expect(&s, (kg_index_filter){.has_level_min = true, .level_min = 0}, "4210");
	expect(&s, (kg_index_filter){.since_ms = s.f.now_ms + 3 * 3600000}, "43");
	expect(&s, (kg_index_filter){.since_ms = s.f.now_ms + 3 * 3600000 + 1}, "4");
	scene_remove(&s);
}

static void test_index__words_are_found_best_first(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	expect(&s, (kg_index_filter){.query = "green"}, "1");
	expect(&s, (kg_index_filter){.query = "GREEN yellow"}, "1");
	expect(&s, (kg_index_filter){.query = "green sea"}, "");
	/* Three times in a short text is better than once. */
	expect(&s, (kg_index_filter){.query = "blue", .limit = 1}, "2");
	expect(&s, (kg_index_filter){.query = "collective"}, "1");
	expect(&s, (kg_index_filter){.query = "caf\xc3\xa9"}, "4");
	expect(&s, (kg_index_filter){.query = "makes"}, "1");
	expect(&s,
	       (kg_index_filter){.query = "what is the best colour of tea?",
				 .any_word = true,
				 .has_type = true,
				 .type = KG_ENTRY_LEARNING},
	       "4");
	scene_remove(&s);
}

static void test_index__a_query_is_never_an_expression(void **state)
{
	static const char *const queries[] = {
		"\"",
		"\"blue",
		"blue AND",
		"NOT",
		"blue NOT sea",
		"NEAR(blue sea)",
		"text:sea",
		"^blue",
		"bl*",
		"(",
		"-blue",
		"a:b:c",
		"blue OR",
		"{text} : x",
		"'; DROP TABLE entries; --",
		"\xff\xfe",
		"+",
		"?!",
		"",
		"   ",
	};
	scene s;

	(void)state;
	scene_make(&s);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		kg_index_filter filter = {.query = queries[i], .any_word = i % 2 == 0};
		kg_index_rows rows = {0};

		if (kg_index_recall(s.index, &rows, &filter) != KG_OK)
			fail_msg("%s: %s", queries[i], kg_err_text());
		kg_index_rows_release(&rows);
	}
	expect(&s, (kg_index_filter){.query = "blue NOT sea"}, "");
	expect(&s, (kg_index_filter){.query = "bl*"}, "");
	expect(&s, (kg_index_filter){0}, "43210");
	scene_remove(&s);
}

static void test_index__prefixes_find_one_entry(void **state)
{
	char hex[KG_HASH_TEXT_SIZE];
	kg_entry_proof proof;
	kg_pubkey agent;
	uint64_t sequence;
	scene s;

	(void)state;
	scene_make(&s);
	kg_entry_id_format(hex, &s.proofs[2].id);
	for (size_t length = 6; length <= 64; length++) {
		char prefix[KG_HASH_TEXT_SIZE];

		(void)snprintf(prefix, sizeof(prefix), "%.*s", (int)length, hex);
		assert_int_equal(kg_index_find(s.index, &proof, &agent, &sequence, prefix), KG_OK);
		assert_memory_equal(&proof.id, &s.proofs[2].id, KG_HASH_SIZE);
		assert_int_equal(sequence, 2);
	}
	kg_commit_format(hex, &s.proofs[3].commit);
	for (size_t length = 6; length <= 40; length++) {
		char prefix[KG_HASH_TEXT_SIZE];

		(void)snprintf(prefix, sizeof(prefix), "%.*s", (int)length, hex);
		assert_int_equal(kg_index_find(s.index, &proof, &agent, &sequence, prefix), KG_OK);
		assert_memory_equal(&proof.id, &s.proofs[3].id, KG_HASH_SIZE);
	}
	assert_int_equal(kg_index_find(s.index, &proof, &agent, &sequence, "abcde"), KG_EINVAL);
	assert_int_equal(kg_index_find(s.index, &proof, &agent, &sequence, "xyzxyz"), KG_EINVAL);
	assert_int_equal(kg_index_find(s.index, &proof, &agent, &sequence, "000000000000"),
			 KG_ENOTFOUND);
	scene_remove(&s);
}

static void test_index__what_it_will_not_do_is_an_error(void **state)
{
	kg_index_rows rows = {0};
	kg_index *index = NULL;
	char *large = malloc(KG_INDEX_QUERY_MAX + 2);
	scene s;

	(void)state;
	assert_non_null(large);
	memset(large, 'a', KG_INDEX_QUERY_MAX + 1);
	large[KG_INDEX_QUERY_MAX + 1] = '\0';
	scene_make(&s);
	assert_int_equal(kg_index_recall(s.index, &rows, &(kg_index_filter){.query = large}),
			 KG_EINVAL);
	assert_int_equal(kg_index_recall(s.index, &rows,
					 &(kg_index_filter){.limit = KG_INDEX_LIMIT_MAX + 1}),
			 KG_EINVAL);
	assert_int_equal(
		kg_index_recall(s.index, &rows,
				&(kg_index_filter){.has_level_min = true, .level_min = 1.5}),
		KG_EINVAL);
	assert_int_equal(kg_index_open(&index, "/nonexistent/index.sqlite", false), KG_ENOTFOUND);
	free(large);
	scene_remove(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index__filters_choose),
		cmocka_unit_test(test_index__words_are_found_best_first),
		cmocka_unit_test(test_index__a_query_is_never_an_expression),
		cmocka_unit_test(test_index__prefixes_find_one_entry),
		cmocka_unit_test(test_index__what_it_will_not_do_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
