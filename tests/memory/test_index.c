/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <math.h>

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

/* ---- any order of puts ---- */

enum { MANY = 400 };

/* Entries of three chains, some citing others, some in one millisecond. */
typedef struct {
	fixture f;
	kg_entry entries[MANY];
	kg_entry_proof proofs[MANY];
} crowd;

static const char *const crowd_words[] = {"sun",  "moon", "tide", "salt",
					  "wind", "rain", "leaf", "stone"};

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void crowd_make(crowd *c)
{
	uint32_t seed = 7;

	memset(c, 0, sizeof(*c));
	fixture_make(&c->f);
	for (size_t i = 0; i < MANY; i++) {
		/* Now and then the swarm puts something under quarantine, or lifts that. */
		bool order = i % 37 == 36;
		author *who = order ? &c->f.swarm : &c->f.agents[draw(&seed) % 3];
		char text[128] = "";
		kg_buf object;

		kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
		kg_entry_init(&c->entries[i],
			      draw(&seed) % 4 == 0 ? KG_ENTRY_INSIGHT : KG_ENTRY_OBSERVATION);
		if (order)
			c->entries[i].type = KG_ENTRY_REVOCATION;
		for (uint32_t k = 0; k < 1 + draw(&seed) % 6; k++) {
			(void)strcat(text, crowd_words[draw(&seed) % 8]);
			(void)strcat(text, " ");
		}
		assert_int_equal(kg_entry_set_text(&c->entries[i], text, strlen(text)), KG_OK);
		if (i % 3 == 0)
			assert_int_equal(kg_entry_add_tags(&c->entries[i], "third"), KG_OK);
		if (i % 5 == 0)
			kg_entry_set_confidence(&c->entries[i], (double)(i % 11) / 10);
		if (order || (i > 0 && i % 4 == 0)) {
			size_t cited = i % 111 == 110 ? i - 37 : draw(&seed) % i;

			assert_int_equal(
				kg_entry_add_reference(&c->entries[i], &c->proofs[cited].id),
				KG_OK);
		}
		c->proofs[i] =
			fixture_sign(&object, who, &c->entries[i], c->f.now_ms + (int64_t)(i / 40));
		kg_buf_release(&object);
	}
}

static void crowd_remove(crowd *c)
{
	for (size_t i = 0; i < MANY; i++)
		kg_entry_release(&c->entries[i]);
	fixture_remove(&c->f);
}

/* An index of the entries in another order for every seed, in transactions of `batch`. */
static kg_index *crowd_index(const crowd *c, uint32_t seed, size_t batch)
{
	size_t order[MANY];
	kg_index *index = NULL;

	for (size_t i = 0; i < MANY; i++)
		order[i] = i;
	for (size_t i = MANY - 1; seed > 0 && i > 0; i--) {
		size_t other = draw(&seed) % (i + 1);
		size_t kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
	assert_int_equal(kg_index_open(&index, NULL, true), KG_OK);
	for (size_t i = 0; i < MANY; i += batch) {
		assert_int_equal(kg_index_begin(index), KG_OK);
		for (size_t k = i; k < i + batch && k < MANY; k++)
			assert_int_equal(kg_index_put(index, &c->entries[order[k]],
						      &c->proofs[order[k]], true),
					 KG_OK);
		assert_int_equal(kg_index_end(index), KG_OK);
	}
	return index;
}

/* All rows, and the answers to some questions with what they are made of. */
static void tell(kg_index *index, kg_buf *out)
{
	static const kg_index_filter questions[] = {
		{.limit = 50},
		{.query = "sun", .limit = 50},
		{.query = "sun moon", .limit = 50},
		{.query = "tide salt wind", .any_word = true, .limit = 50},
		{.query = "rain", .tag = "third", .limit = 50},
		{.tag = "third", .has_type = true, .type = KG_ENTRY_INSIGHT, .limit = 50},
		{.has_confidence_min = true, .confidence_min = 0.85, .limit = 50},
		{.agent_name = "agent-1", .query = "leaf stone", .any_word = true, .limit = 7},
	};

	assert_int_equal(kg_index_dump(index, out), KG_OK);
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		kg_index_rows rows = {0};

		assert_int_equal(kg_index_recall(index, &rows, &questions[i]), KG_OK);
		assert_true(rows.count > 0);
		for (size_t k = 0; k < rows.count; k++) {
			char id[KG_HASH_TEXT_SIZE];

			kg_entry_id_format(id, &rows.rows[k].proof.id);
			kg_buf_printf(out, "%zu %s %.17g %lu\n", i, id, rows.rows[k].weight.score,
				      (unsigned long)rows.rows[k].weight.witnesses);
		}
		kg_index_rows_release(&rows);
	}
	assert_int_equal(kg_buf_ok(out), KG_OK);
}

static size_t count_found(kg_index *index, bool marked_too)
{
	kg_index_filter filter = {.marked_too = marked_too, .limit = KG_INDEX_LIMIT_MAX};
	kg_index_rows rows = {0};
	size_t count;

	assert_int_equal(kg_index_recall(index, &rows, &filter), KG_OK);
	count = rows.count;
	kg_index_rows_release(&rows);
	return count;
}

static void test_index__the_order_of_puts_does_not_show(void **state)
{
	static const size_t batches[] = {MANY, 1, 7, 150};
	crowd *c = malloc(sizeof(*c));
	kg_buf first;

	(void)state;
	assert_non_null(c);
	crowd_make(c);
	kg_buf_init(&first, 1 << 22);
	for (uint32_t seed = 0; seed < 4; seed++) {
		kg_index *index = crowd_index(c, seed, batches[seed]);
		kg_buf told;

		kg_buf_init(&told, 1 << 22);
		assert_int_equal(count_found(index, true), MANY);
		assert_true(count_found(index, false) < MANY);
		tell(index, seed == 0 ? &first : &told);
		if (seed > 0)
			assert_string_equal(kg_buf_text(&told), kg_buf_text(&first));
		kg_buf_release(&told);
		kg_index_free(index);
	}
	kg_buf_release(&first);
	crowd_remove(c);
	free(c);
}

static void assert_near(double found, double expected)
{
	if (fabs(found - expected) > 1e-12)
		fail_msg("%.17g is not %.17g", found, expected);
}

/* BM25 counted by hand: N = 5, n = 1, 6 words of text and tags against the mean. */
static void test_index__the_weight_is_what_the_formula_says(void **state)
{
	kg_index_filter filter = {.query = "sea"};
	kg_index_rows rows = {0};
	scene s;
	double mean;
	double length;
	double weight = log(1 + (5 - 1 + 0.5) / (1 + 0.5));

	(void)state;
	scene_make(&s);
	assert_int_equal(kg_index_recall(s.index, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 1);
	/* "I am here|birth", "Yellow and blue make green|colour collective insight", "Blue blue
	 * blue is the sea|colour", "Why is the sky blue", "Café and tea DROP TABLE
	 * entries|colour 2". */
	mean = (4 + 8 + 7 + 5 + 8) / 5.0;
	length = 7 / mean;
	assert_near(rows.length_mean, mean);
	assert_int_equal(rows.rows[0].weight.length, 7);
	assert_near(rows.words[0].weight, weight);
	assert_near(rows.rows[0].weight.relevance,
		    weight * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length)));
	assert_near(rows.rows[0].weight.trust, 0.75);
	assert_near(rows.rows[0].weight.score, rows.rows[0].weight.relevance * 0.75);
	kg_index_rows_release(&rows);
	scene_remove(&s);
}

/* ---- trust and quarantine ---- */

/* Puts an entry that cites others; `n` of them. */
static kg_entry_proof cite(scene *s, author *who, kg_entry_type type, const char *text,
			   const kg_entry_id *const *cited, size_t n, int hour)
{
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_init(&e, type);
	assert_int_equal(kg_entry_set_text(&e, text, strlen(text)), KG_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(kg_entry_add_reference(&e, cited[i]), KG_OK);
	proof = fixture_sign(&object, who, &e, s->f.now_ms + hour * 3600000);
	assert_int_equal(kg_index_begin(s->index), KG_OK);
	assert_int_equal(kg_index_put(s->index, &e, &proof, true), KG_OK);
	assert_int_equal(kg_index_end(s->index), KG_OK);
	kg_entry_release(&e);
	kg_buf_release(&object);
	return proof;
}

static uint32_t witnesses(scene *s, const char *query)
{
	kg_index_filter filter = {.query = query, .limit = 1};
	kg_index_rows rows = {0};
	uint32_t found;

	assert_int_equal(kg_index_recall(s->index, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 1);
	found = rows.rows[0].weight.witnesses;
	kg_index_rows_release(&rows);
	return found;
}

static void test_index__distinct_other_keys_are_witnesses(void **state)
{
	const kg_entry_id *green;
	scene s;

	(void)state;
	scene_make(&s);
	green = &s.proofs[1].id; /* by agent 1 */
	assert_int_equal(witnesses(&s, "green"), 0);
	/* Its own author gains nothing, and nobody gains twice. */
	(void)cite(&s, &s.f.agents[1], KG_ENTRY_LEARNING, "mine", &green, 1, 10);
	assert_int_equal(witnesses(&s, "green"), 0);
	(void)cite(&s, &s.f.agents[0], KG_ENTRY_LEARNING, "yes", &green, 1, 11);
	(void)cite(&s, &s.f.agents[0], KG_ENTRY_LEARNING, "yes again", &green, 1, 12);
	assert_int_equal(witnesses(&s, "green"), 1);
	(void)cite(&s, &s.f.agents[2], KG_ENTRY_LEARNING, "also", &green, 1, 13);
	assert_int_equal(witnesses(&s, "green"), 2);
	scene_remove(&s);
}

static bool is_marked(scene *s, const kg_entry_id *id, const kg_entry_id *origin)
{
	kg_entry_id found;
	bool marked = false;

	assert_int_equal(kg_index_mark_of(s->index, &marked, &found, id), KG_OK);
	if (marked)
		assert_memory_equal(&found, origin, sizeof(found));
	return marked;
}

static void test_index__a_quarantine_marks_what_rests_on_it(void **state)
{
	const kg_entry_id *green;
	const kg_entry_id *order;
	kg_entry_proof below[3];
	kg_entry_proof orders[3];
	scene s;

	(void)state;
	scene_make(&s);
	green = &s.proofs[1].id;
	below[0] = cite(&s, &s.f.agents[0], KG_ENTRY_LEARNING, "one", &green, 1, 10);
	order = &below[0].id;
	below[1] = cite(&s, &s.f.agents[2], KG_ENTRY_REFLECTION, "two", &order, 1, 11);
	/* By an agent it is nothing. */
	(void)cite(&s, &s.f.agents[2], KG_ENTRY_REVOCATION, "no", &green, 1, 12);
	assert_false(is_marked(&s, green, green));
	orders[0] = cite(&s, &s.f.swarm, KG_ENTRY_REVOCATION, "quarantine", &green, 1, 13);
	assert_true(is_marked(&s, green, green));
	assert_true(is_marked(&s, &below[0].id, green));
	assert_true(is_marked(&s, &below[1].id, green));
	assert_false(is_marked(&s, &orders[0].id, green));
	assert_false(is_marked(&s, &s.proofs[2].id, green));
	/* What comes later and rests on it, too. */
	order = &below[1].id;
	below[2] = cite(&s, &s.f.agents[0], KG_ENTRY_LEARNING, "three", &order, 1, 14);
	assert_true(is_marked(&s, &below[2].id, green));
	expect(&s, (kg_index_filter){.query = "green"}, "");
	expect(&s, (kg_index_filter){.query = "green", .marked_too = true}, "1");
	expect(&s, (kg_index_filter){.tag = "colour"}, "2");
	/* Lifted, and the lifting taken back. */
	order = &orders[0].id;
	orders[1] = cite(&s, &s.f.swarm, KG_ENTRY_REVOCATION, "lift", &order, 1, 15);
	assert_false(is_marked(&s, green, green));
	assert_false(is_marked(&s, &below[2].id, green));
	expect(&s, (kg_index_filter){.query = "green"}, "1");
	order = &orders[1].id;
	orders[2] = cite(&s, &s.f.swarm, KG_ENTRY_REVOCATION, "it stands", &order, 1, 16);
	assert_true(is_marked(&s, &below[2].id, green));
	scene_remove(&s);
}

static void test_index__citations_go_both_ways(void **state)
{
	kg_index_citation *found = NULL;
	const kg_entry_id *both[2];
	kg_entry_id absent = {{1, 2, 3}};
	kg_entry_proof proof;
	size_t count = 0;
	bool more = false;
	scene s;

	(void)state;
	scene_make(&s);
	both[0] = &s.proofs[1].id;
	both[1] = &absent;
	proof = cite(&s, &s.f.agents[0], KG_ENTRY_LEARNING, "both", both, 2, 10);
	assert_int_equal(kg_index_citations(s.index, &found, &count, &more, &proof.id, true, 10),
			 KG_OK);
	assert_int_equal(count, 2);
	assert_false(more);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(found[i].known,
				 memcmp(&found[i].id, &absent, sizeof(absent)) != 0);
	free(found);
	assert_int_equal(kg_index_citations(s.index, &found, &count, &more, both[0], false, 10),
			 KG_OK);
	assert_int_equal(count, 1);
	assert_memory_equal(&found[0].id, &proof.id, sizeof(proof.id));
	free(found);
	(void)cite(&s, &s.f.agents[2], KG_ENTRY_LEARNING, "too", both, 1, 11);
	assert_int_equal(kg_index_citations(s.index, &found, &count, &more, both[0], false, 1),
			 KG_OK);
	assert_int_equal(count, 1);
	assert_true(more);
	free(found);
	scene_remove(&s);
}

/* An entry that a new epoch carries over has a new place, and stays what it was. */
static void test_index__a_later_place_of_the_same_entry_replaces(void **state)
{
	kg_entry_proof carried;
	kg_entry_proof at;
	kg_buf object;
	kg_entry e;
	uint64_t count = 0;
	scene s;

	(void)state;
	scene_make(&s);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_text(&e, "stays", 5), KG_OK);
	carried = fixture_sign(&object, &s.f.agents[0], &e, s.f.now_ms + 40 * 3600000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kg_index_begin(s.index), KG_OK);
		assert_int_equal(kg_index_put(s.index, &e, &carried, true), KG_OK);
		assert_int_equal(kg_index_end(s.index), KG_OK);
		e.sequence = 9;
		memset(&carried.commit, 7, sizeof(carried.commit));
	}
	assert_int_equal(kg_index_count(s.index, &count), KG_OK);
	assert_int_equal(count, 6);
	assert_int_equal(kg_index_at(s.index, &at, kg_key_public(s.f.agents[0].key), 9), KG_OK);
	assert_memory_equal(&at.commit, &carried.commit, sizeof(at.commit));
	kg_entry_release(&e);
	kg_buf_release(&object);
	scene_remove(&s);
}

static bool stop_at(void *payload, uint64_t steps)
{
	return steps < *(const uint64_t *)payload;
}

/* What is stopped on the way changes nothing. */
static void test_index__work_can_be_stopped(void **state)
{
	uint64_t last = 0;
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_text(&e, "more", 4), KG_OK);
	proof = fixture_sign(&object, &s.f.agents[0], &e, s.f.now_ms + 40 * 3600000);
	/* At the put, and when it gets its place. */
	for (last = 1; last <= 2; last++) {
		kg_err err;

		kg_index_watch(s.index, stop_at, &last);
		assert_int_equal(kg_index_begin(s.index), KG_OK);
		assert_int_equal(kg_index_clear(s.index), KG_OK);
		err = kg_index_put(s.index, &e, &proof, true);
		assert_int_equal(err, last == 1 ? KG_ETIMEOUT : KG_OK);
		if (err == KG_OK)
			assert_int_equal(kg_index_end(s.index), KG_ETIMEOUT);
		else
			kg_index_cancel(s.index);
		kg_index_watch(s.index, NULL, NULL);
		expect(&s, (kg_index_filter){0}, "43210");
		expect(&s, (kg_index_filter){.query = "green"}, "1");
	}
	kg_entry_release(&e);
	kg_buf_release(&object);
	scene_remove(&s);
}

/* Many in one millisecond with any counter: the order is that of time, counter, id. */
static void test_index__rows_of_one_instant_stand_in_order(void **state)
{
	kg_index_filter filter = {.limit = KG_INDEX_LIMIT_MAX};
	kg_index_rows rows = {0};
	kg_index *index = NULL;
	uint32_t seed = 3;

	(void)state;
	assert_int_equal(kg_index_open(&index, NULL, true), KG_OK);
	assert_int_equal(kg_index_begin(index), KG_OK);
	for (uint64_t i = 0; i < 3000; i++) {
		kg_entry_proof proof = {0};
		kg_entry e;

		kg_entry_init(&e, KG_ENTRY_OBSERVATION);
		assert_int_equal(kg_entry_set_text(&e, "now", 3), KG_OK);
		memset(&e.agent, 1 + (int)(i % 50), sizeof(e.agent));
		(void)snprintf(e.agent_name, sizeof(e.agent_name), "a%u", (unsigned)(i % 50));
		e.sequence = 1 + i / 50;
		e.time_ms = INT64_C(1763610000000) + draw(&seed) % 2;
		e.time_counter = (uint16_t)(i % 7 == 0 ? draw(&seed) : i % 3);
		for (size_t k = 0; k < sizeof(proof.id.bytes); k++)
			/* Of some the first bytes are equal. */
			proof.id.bytes[k] = k < 4 && i % 2 == 0 ? 5 : (uint8_t)draw(&seed);
		memcpy(proof.commit.bytes, proof.id.bytes + 12, sizeof(proof.commit.bytes));
		assert_int_equal(kg_index_put(index, &e, &proof, true), KG_OK);
		kg_entry_release(&e);
		if (i % 500 == 499) {
			assert_int_equal(kg_index_end(index), KG_OK);
			assert_int_equal(kg_index_begin(index), KG_OK);
		}
	}
	assert_int_equal(kg_index_end(index), KG_OK);
	assert_int_equal(kg_index_recall(index, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 3000);
	for (size_t i = 1; i < rows.count; i++) {
		const kg_index_row *a = &rows.rows[i - 1];
		const kg_index_row *b = &rows.rows[i];
		bool later = a->entry.time_ms > b->entry.time_ms ||
			     (a->entry.time_ms == b->entry.time_ms &&
			      (a->entry.time_counter > b->entry.time_counter ||
			       (a->entry.time_counter == b->entry.time_counter &&
				memcmp(&a->proof.id, &b->proof.id, sizeof(a->proof.id)) > 0)));

		assert_true(later);
	}
	kg_index_rows_release(&rows);
	/* What was moved out of the way is still found by its word. */
	filter.query = "now";
	assert_int_equal(kg_index_recall(index, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 3000);
	assert_int_equal(rows.words[0].entries, 3000);
	kg_index_rows_release(&rows);
	kg_index_free(index);
}

/* ---- how far back is looked ---- */

enum { LONG = 16000, BOTH_EVERY = 1000, MILESTONES_APART = 256 };

static void put_many(kg_index *index, const fixture *f)
{
	kg_entry e;

	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	e.swarm = *kg_key_public(f->swarm.key);
	e.agent = *kg_key_public(f->agents[0].key);
	memcpy(e.agent_name, "a", 2);
	kg_entry_set_level(&e, 0.25);
	assert_int_equal(kg_index_begin(index), KG_OK);
	for (int i = 0; i < LONG; i++) {
		const char *text = i % BOTH_EVERY == 0 ? "alpha beta"
				   : i % 2 == 0        ? "alpha"
						       : "beta";
		kg_entry_proof proof = {0};

		memcpy(proof.id.bytes, &i, sizeof(i));
		memcpy(proof.commit.bytes, &i, sizeof(i));
		/* Every so many is a row where a walk may end. */
		proof.id.bytes[KG_HASH_SIZE - 1] = (uint8_t)(i % MILESTONES_APART);
		e.sequence = (uint64_t)i + 1;
		e.time_ms = f->now_ms + i;
		assert_int_equal(kg_entry_set_text(&e, text, strlen(text)), KG_OK);
		assert_int_equal(kg_index_put(index, &e, &proof, true), KG_OK);
	}
	assert_int_equal(kg_index_end(index), KG_OK);
	kg_entry_release(&e);
}

/* The numbers of what is found begin with the newest that has both, and none is left out before
 * the last. */
static size_t count_newest(kg_index *index, const fixture *f, kg_index_filter filter, bool *cut)
{
	kg_index_rows rows = {0};
	bool seen[LONG / BOTH_EVERY] = {false};
	size_t count;

	filter.limit = 100;
	assert_int_equal(kg_index_recall(index, &rows, &filter), KG_OK);
	count = rows.count;
	for (size_t i = 0; i < count; i++) {
		int64_t n = rows.rows[i].entry.time_ms - f->now_ms;

		assert_int_equal(n % BOTH_EVERY, 0);
		assert_false(seen[n / BOTH_EVERY]);
		seen[n / BOTH_EVERY] = true;
		if (filter.query != NULL) {
			assert_int_equal(rows.rows[i].weight.counts[0], 1);
			assert_int_equal(rows.rows[i].weight.counts[1], 1);
		}
	}
	for (size_t i = 0; i < count; i++)
		assert_true(seen[LONG / BOTH_EVERY - 1 - i]);
	*cut = rows.cut;
	kg_index_rows_release(&rows);
	return count;
}

static void test_index__a_long_way_ends_early_and_says_so(void **state)
{
	fixture f;
	kg_index *index = NULL;
	bool cut = false;
	kg_index_filter both = {.query = "alpha beta"};
	size_t count;

	(void)state;
	fixture_make(&f);
	assert_int_equal(kg_index_open(&index, NULL, true), KG_OK);
	put_many(index, &f);
	/* Two lists of eight thousand are more than is walked through. */
	count = count_newest(index, &f, both, &cut);
	assert_true(cut);
	assert_in_range(count, 10, LONG / BOTH_EVERY - 1);
	/* A part of the time is short enough, and looked at whole. */
	both.since_ms = f.now_ms + LONG / 2;
	count = count_newest(index, &f, both, &cut);
	assert_int_equal(count, LONG / BOTH_EVERY / 2);
	/* Behind the last that has both there is nothing, however long the lists go on below. */
	both.since_ms = f.now_ms + LONG - BOTH_EVERY + 1;
	count = count_newest(index, &f, both, &cut);
	assert_int_equal(count, 0);
	kg_index_free(index);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index__filters_choose),
		cmocka_unit_test(test_index__words_are_found_best_first),
		cmocka_unit_test(test_index__a_query_is_never_an_expression),
		cmocka_unit_test(test_index__prefixes_find_one_entry),
		cmocka_unit_test(test_index__what_it_will_not_do_is_an_error),
		cmocka_unit_test(test_index__the_order_of_puts_does_not_show),
		cmocka_unit_test(test_index__the_weight_is_what_the_formula_says),
		cmocka_unit_test(test_index__distinct_other_keys_are_witnesses),
		cmocka_unit_test(test_index__a_quarantine_marks_what_rests_on_it),
		cmocka_unit_test(test_index__citations_go_both_ways),
		cmocka_unit_test(test_index__a_later_place_of_the_same_entry_replaces),
		cmocka_unit_test(test_index__work_can_be_stopped),
		cmocka_unit_test(test_index__rows_of_one_instant_stand_in_order),
		cmocka_unit_test(test_index__a_long_way_ends_early_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
