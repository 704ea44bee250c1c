/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/store.h"

/* A store and entries that were signed for it. */
typedef struct {
	fixture f;
	kg_store *store;
	kg_buf objects[4400];
	kg_commit commits[4400];
	size_t count;
	size_t written; /* how many of them are in the store */
} scene;

static scene *scene_make(void)
{
	scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	fixture_make(&s->f);
	assert_int_equal(kg_store_create(&s->store, s->f.dir, &s->f.swarm.swarm), KG_OK);
	return s;
}

static void scene_remove(scene *s)
{
	kg_store_free(s->store);
	for (size_t i = 0; i < s->count; i++)
		kg_buf_release(&s->objects[i]);
	fixture_remove(&s->f);
	free(s);
}

static void sign(scene *s, author *who)
{
	char text[64];
	size_t at = s->count++;

	assert_true(at < sizeof(s->objects) / sizeof(s->objects[0]));
	(void)snprintf(text, sizeof(text), "entry number %zu", at);
	kg_buf_init(&s->objects[at], KG_ENTRY_OBJECT_MAX);
	s->commits[at] = fixture_insight(&s->objects[at], who, text, s->f.now_ms).commit;
}

/* Writes all that is signed and not written, as one pack, and moves the refs. */
static void put(scene *s)
{
	kg_store_object objects[4400];
	size_t count = 0;

	for (size_t i = s->written; i < s->count; i++)
		objects[count++] =
			(kg_store_object){s->objects[i].data, s->objects[i].size, s->commits[i]};
	assert_int_equal(kg_store_write(s->store, objects, count), KG_OK);
	s->written = s->count;
	for (size_t i = 0; i < 4; i++) {
		const author *who = i < 3 ? &s->f.agents[i] : &s->f.swarm;
		kg_store_move move = {.agent = *kg_key_public(who->key),
				      .commit = who->head.commit};

		if (who->head.sequence == 0)
			continue;
		move.has_old = kg_store_tip(s->store, &move.old, &move.agent) == KG_OK;
		assert_int_equal(kg_store_move_ref(s->store, &move), KG_OK);
	}
}

static void write_packs(scene *s, size_t packs, size_t each)
{
	for (size_t p = 0; p < packs; p++) {
		for (size_t i = 0; i < each; i++)
			sign(s, s->count == 0 ? &s->f.swarm : &s->f.agents[s->count % 3]);
		put(s);
	}
}

/* Whether every entry comes out as it went in. */
static bool reads_all(const scene *s, kg_store *store)
{
	bool all = true;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	for (size_t i = 0; all && i < s->written; i++) {
		kg_buf_clear(&object);
		all = kg_store_read(store, &object, &s->commits[i]) == KG_OK &&
		      object.size == s->objects[i].size &&
		      memcmp(object.data, s->objects[i].data, object.size) == 0;
	}
	kg_buf_release(&object);
	return all;
}

static void check(const scene *s, const char *fmt, ...) KG_PRINTF(2, 3);

/* Asks the shell, in the state directory. */
static void check(const scene *s, const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	kg_buf out;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	kg_buf_init(&out, 1 << 20);
	if (fixture_shell(&s->f, &out, "%s", command) != 0)
		fail_msg("%s: %s", command, kg_buf_text(&out));
	kg_buf_release(&out);
}

/* What stock git and another reader say of the whole. */
static void expect_sound(const scene *s)
{
	kg_store *other = NULL;

	assert_int_equal(kg_store_open(&other, s->f.dir), KG_OK);
	assert_true(reads_all(s, other));
	kg_store_free(other);
	check(s, "test -z \"$(git -C memory.git fsck --strict --no-dangling 2>&1)\"");
	check(s, "test $(git -C memory.git rev-list --all --count) = %zu", s->written);
}

static size_t count_packs(const scene *s)
{
	kg_buf out;
	size_t count;

	kg_buf_init(&out, 1 << 16);
	assert_int_equal(fixture_shell(&s->f, &out, "ls memory.git/objects/pack/*.pack | wc -l"),
			 0);
	count = strtoul(kg_buf_text(&out), NULL, 10);
	kg_buf_release(&out);
	return count;
}

/* ---- packs ---- */

static void test_store__a_batch_is_one_pack_of_exactly_its_entries(void **state)
{
	static const size_t sizes[] = {1, 2, 31, 700};
	scene *s = scene_make();
	size_t packs = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		write_packs(s, 1, sizes[i]);
		assert_int_equal(count_packs(s), ++packs);
		expect_sound(s);
		assert_true(reads_all(s, s->store));
	}
	check(s,
	      "test \"$(git -C memory.git count-objects -v | grep -E '^(count|in-pack)')\" ="
	      " \"$(printf 'count: 1\\nin-pack: %zu')\"",
	      s->written);
	/* No object is told by more than two others, and many by one. */
	check(s, "cd memory.git && ! git verify-pack -v objects/pack/*.idx |"
		 " grep -q '^chain length = [3-9]'");
	check(s, "cd memory.git && git verify-pack -v objects/pack/*.idx |"
		 " grep -q '^chain length = 1'");
	/* What stock git makes of the pack by itself is the same index. */
	check(s, "for p in memory.git/objects/pack/*.pack; do"
		 " git index-pack -o own.idx $p && cmp own.idx ${p%%.pack}.idx || exit 1;"
		 " rm -f own.idx own.rev; done");
	assert_int_equal(kg_store_write(s->store, NULL, 0), KG_OK);
	assert_int_equal(count_packs(s), packs);
	scene_remove(s);
}

static void test_store__tidy_keeps_packs_few(void **state)
{
	scene *s = scene_make();
	kg_store *reader = NULL;
	bool more = true;

	(void)state;
	write_packs(s, 1, 1);
	assert_int_equal(kg_store_open(&reader, s->f.dir), KG_OK);
	for (size_t i = 1; i < 70; i++) {
		write_packs(s, 1, 1);
		do
			assert_int_equal(kg_store_tidy(s->store, &more, NULL, NULL), KG_OK);
		while (more);
		assert_true(count_packs(s) <= 14);
	}
	/* Seventy in packs of 64, and six of one. */
	assert_int_equal(count_packs(s), 7);
	assert_true(reads_all(s, reader));
	assert_true(reads_all(s, s->store));
	expect_sound(s);
	kg_store_free(reader);
	scene_remove(s);
}

static void test_store__large_packs_are_joined(void **state)
{
	scene *s = scene_make();
	bool more = true;

	(void)state;
	write_packs(s, 8, 540);
	assert_int_equal(kg_store_tidy(s->store, &more, NULL, NULL), KG_OK);
	assert_int_equal(count_packs(s), 1);
	expect_sound(s);
	check(s, "for p in memory.git/objects/pack/*.pack; do"
		 " git index-pack -o own.idx $p && cmp own.idx ${p%%.pack}.idx || exit 1;"
		 " done");
	scene_remove(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store__a_batch_is_one_pack_of_exactly_its_entries),
		cmocka_unit_test(test_store__tidy_keeps_packs_few),
		cmocka_unit_test(test_store__large_packs_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
