/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <fcntl.h>
#include <sha1.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/store_impl.h"

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
	check(s, "! git -C memory.git fsck --strict --no-dangling 2>&1 | grep .");
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

/* Content beside the chains, at a ref of the vault. */
#define BLOB      "sealed away"
#define BLOB_SIZE "12"
#define BLOB_REF  "refs/vault/" ZEROS ZEROS ZEROS "0000000000000007"
#define ZEROS     "0000000000000000"

static void put_blob(const scene *s)
{
	check(s,
	      "cd memory.git && git update-ref " BLOB_REF
	      " $(echo '%s' | git hash-object -w --stdin)",
	      BLOB);
}

/* Its id: as git computes it of "blob <size>\\0" and the bytes. */
static void blob_id(kg_commit *id)
{
	static const uint8_t object[] = "blob " BLOB_SIZE "\0" BLOB "\n";
	SHA1_CTX sha1;

	SHA1Init(&sha1);
	SHA1Update(&sha1, object, sizeof(object) - 1);
	SHA1Final(id->bytes, &sha1);
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

/* ---- crashes ---- */

/* What a killed process does to the store that was opened for writing. */
typedef kg_err (*deed)(const scene *s, kg_store *store);

static kg_err write_more(const scene *s, kg_store *store)
{
	kg_store_object objects[3];

	for (size_t i = 0; i < 3; i++)
		objects[i] = (kg_store_object){s->objects[s->written + i].data,
					       s->objects[s->written + i].size,
					       s->commits[s->written + i]};
	return kg_store_write(store, objects, 3);
}

static kg_err merge(const scene *s, kg_store *store)
{
	(void)s;
	return kg_store_tidy(store, NULL, NULL, NULL);
}

static kg_err repack(const scene *s, kg_store *store)
{
	(void)s;
	return kg_store_repack(store, NULL, NULL);
}

/* A blob that no ref reaches is in one of the packs. */
static kg_err forget(const scene *s, kg_store *store)
{
	kg_commit blob;

	(void)s;
	blob_id(&blob);
	return kg_store_forget(store, &blob, 1);
}

/* Whether a system call changes what is on the disk. */
static bool is_change(const struct __ptrace_syscall_info *info)
{
	switch (info->entry.nr) {
#ifdef SYS_rename
	case SYS_rename:
	case SYS_unlink:
	case SYS_rmdir:
	case SYS_mkdir:
	case SYS_link:
#endif
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_unlinkat:
	case SYS_mkdirat:
	case SYS_linkat:
	case SYS_ftruncate:
	case SYS_fchmod:
	case SYS_fdatasync:
	case SYS_fsync:
	case SYS_write:
	case SYS_pwrite64:
		return true;
	case SYS_openat:
		return (info->entry.args[2] & O_CREAT) != 0;
	default:
		return false;
	}
}

static void be_killed(const scene *s, deed what)
{
	kg_store *store = NULL;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(77);
	(void)raise(SIGSTOP);
	_exit(kg_store_create(&store, s->f.dir, &s->f.swarm.swarm) == KG_OK &&
			      what(s, store) == KG_OK
		      ? 0
		      : 1);
}

/* Kills a process that does it before its change number `point`. False: it came to its end. */
static bool kill_at(const scene *s, deed what, unsigned point)
{
	unsigned changes = 0;
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		be_killed(s, what);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* no process may trace another here */
	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD), 0);
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0) {
		struct __ptrace_syscall_info info;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			break;
		assert_true(WIFSTOPPED(status));
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
		    info.op != PTRACE_SYSCALL_INFO_ENTRY || !is_change(&info))
			continue;
		if (changes++ == point) {
			assert_int_equal(kill(pid, SIGKILL), 0);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			return true;
		}
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* Reopens the store as it lies there. */
static void reopen(scene *s)
{
	kg_store_free(s->store);
	s->store = NULL;
	assert_int_equal(kg_store_create(&s->store, s->f.dir, &s->f.swarm.swarm), KG_OK);
}

static void kill_everywhere(scene *s, deed what)
{
	unsigned points = 0;
	bool killed;

	check(s, "rm -rf pristine && cp -r memory.git pristine");
	do {
		kg_store *reader = NULL;

		check(s, "rm -rf memory.git && cp -r pristine memory.git");
		killed = kill_at(s, what, points);
		assert_int_equal(kg_store_open(&reader, s->f.dir), KG_OK);
		assert_true(reads_all(s, reader));
		if (points % 5 == 0)
			check(s, "! git -C memory.git fsck --strict --no-dangling 2>&1 | grep .");
		/* Whoever comes next finds nothing in the way, and a reader who was there before
		 * goes on. */
		reopen(s);
		check(s, "cd memory.git/objects/pack && for f in *; do case $f in pack-*)"
			 " test -e ${f%%.*}.pack || exit 1;; *) exit 1;; esac; done");
		assert_int_equal(what(s, s->store), KG_OK);
		assert_true(reads_all(s, s->store));
		assert_true(reads_all(s, reader));
		kg_store_free(reader);
		points++;
	} while (killed);
	assert_true(points > 8);
	expect_sound(s);
}

static void test_store__a_writer_may_be_killed_anywhere(void **state)
{
	scene *s = scene_make();

	(void)state;
	write_packs(s, 2, 2);
	for (size_t i = 0; i < 3; i++)
		sign(s, &s->f.agents[0]);
	kill_everywhere(s, write_more);
	scene_remove(s);
}

static void test_store__merging_may_be_killed_anywhere(void **state)
{
	scene *s = scene_make();

	(void)state;
	write_packs(s, 9, 1);
	kill_everywhere(s, merge);
	assert_true(count_packs(s) < 9);
	scene_remove(s);
}

static void test_store__joining_may_be_killed_anywhere(void **state)
{
	scene *s = scene_make();

	(void)state;
	write_packs(s, 8, 540);
	kill_everywhere(s, merge);
	assert_int_equal(count_packs(s), 1);
	scene_remove(s);
}

static void test_store__a_repack_may_be_killed_anywhere(void **state)
{
	scene *s = scene_make();

	(void)state;
	write_packs(s, 4, 3);
	check(s, "git -C memory.git unpack-objects -q < $(ls memory.git/objects/pack/*.pack |"
		 " head -n 1); echo stray | git -C memory.git hash-object -w --stdin");
	kill_everywhere(s, repack);
	assert_int_equal(count_packs(s), 1);
	scene_remove(s);
}

static void test_store__forgetting_may_be_killed_anywhere(void **state)
{
	scene *s = scene_make();

	(void)state;
	write_packs(s, 2, 3);
	put_blob(s);
	check(s, "git -C memory.git gc -q && git -C memory.git update-ref -d " BLOB_REF);
	kill_everywhere(s, forget);
	check(s, "! git -C memory.git cat-file -e $(echo '%s' | git hash-object --stdin)", BLOB);
	scene_remove(s);
}

/* ---- stock git beside it ---- */

static void test_store__what_is_held_is_no_garbage_to_stock_git(void **state)
{
	kg_store_object object;
	scene *s = scene_make();
	bool more = true;

	(void)state;
	write_packs(s, 8, 1);
	sign(s, &s->f.agents[0]);
	object = (kg_store_object){s->objects[8].data, s->objects[8].size, s->commits[8]};
	assert_int_equal(kg_store__write_held(s->store, &object, 1), KG_OK);
	check(s, "git -C memory.git repack -a -d -q && git -C memory.git gc -q --prune=now &&"
		 " git -C memory.git prune --expire=now");
	check(s, "touch $(ls memory.git/objects/pack/*.pack | head -n 1 | sed s/pack$/mine.keep/)");
	s->written++;
	reopen(s);
	assert_true(reads_all(s, s->store));
	assert_int_equal(count_packs(s), 2);
	/* Who comes next after a kill lets it go, and nothing that somebody else keeps. */
	check(s, "test $(ls memory.git/objects/pack/*.keep | grep -c mine) = 1 &&"
		 " test $(ls memory.git/objects/pack/*.keep | wc -l) = 1");
	check(s, "rm memory.git/objects/pack/*.keep");
	assert_int_equal(kg_store__write_held(s->store, &object, 1), KG_OK);
	kg_store__release(s->store);
	check(s, "! ls memory.git/objects/pack/*.keep 2>/dev/null");
	while (more)
		assert_int_equal(kg_store_tidy(s->store, &more, NULL, NULL), KG_OK);
	assert_true(reads_all(s, s->store));
	scene_remove(s);
}

/* ---- readers meanwhile ---- */

static void read_on(const scene *s, int end)
{
	kg_store *store = NULL;
	unsigned rounds = 0;
	bool all = kg_store_open(&store, s->f.dir) == KG_OK;
	char byte;

	while (all && read(end, &byte, 1) < 0) {
		all = reads_all(s, store);
		rounds++;
	}
	kg_store_free(store);
	_exit(all && rounds > 0 ? 0 : 1);
}

static void test_store__readers_miss_nothing_while_packs_are_merged(void **state)
{
	scene *s = scene_make();
	int status = 0;
	int ends[2];
	pid_t pid;

	(void)state;
	write_packs(s, 40, 1);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		read_on(s, ends[0]);
	for (size_t i = 0; i < 60; i++) {
		bool more = true;

		write_packs(s, 1, 1 + i % 9);
		while (more)
			assert_int_equal(kg_store_tidy(s->store, &more, NULL, NULL), KG_OK);
		if (i % 20 == 0)
			assert_int_equal(kg_store_repack(s->store, NULL, NULL), KG_OK);
		/* Counting the chains reads every commit. */
		if (i % 6 == 0)
			check(s, "test $(git -C memory.git rev-list --all --count) = %zu",
			      s->written);
	}
	assert_int_equal(write(ends[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	expect_sound(s);
	scene_remove(s);
}

static bool stop_at_once(void *payload, uint64_t done, uint64_t total)
{
	unsigned *calls = payload;

	assert_true(done <= total);
	(*calls)++;
	return false;
}

static void test_store__work_stops_when_it_is_told_to(void **state)
{
	scene *s = scene_make();
	unsigned calls = 0;
	bool more = false;

	(void)state;
	write_packs(s, 8, 200);
	assert_int_equal(kg_store_tidy(s->store, &more, stop_at_once, &calls), KG_OK);
	assert_int_equal(calls, 1);
	assert_true(more);
	assert_int_equal(count_packs(s), 8);
	assert_int_equal(kg_store_repack(s->store, stop_at_once, &calls), KG_ETIMEOUT);
	assert_int_equal(calls, 2);
	assert_int_equal(count_packs(s), 8);
	check(s, "! ls memory.git/objects/pack | grep tmp");
	expect_sound(s);
	scene_remove(s);
}

/* ---- what no ref reaches ---- */

static void test_store__a_repack_leaves_nothing_else(void **state)
{
	scene *s = scene_make();
	uint64_t unreached = 0;
	kg_store_move move;

	(void)state;
	write_packs(s, 3, 30);
	put_blob(s);
	/* Everywhere git may have put it: loose, in packs, in kept packs. */
	check(s, "cd memory.git && git gc -q && touch $(ls objects/pack/*.pack |"
		 " sed 's/pack$/keep/') && git multi-pack-index write &&"
		 " git commit-graph write --reachable");
	write_packs(s, 1, 5);
	assert_int_equal(kg_store_repack(s->store, NULL, NULL), KG_OK);
	expect_sound(s);
	/* What is sealed stays in a file of its own. */
	check(s, "cd memory.git && git cat-file -e " BLOB_REF " &&"
		 " test $(git count-objects -v | sed -n 's/^count: //p') = 2 &&"
		 " ! ls objects/pack | grep -v '^pack-[0-9a-f]*\\.\\(pack\\|idx\\)$'");
	check(s, "git -C memory.git update-ref -d " BLOB_REF);
	/* A chain set back to nothing, as after an epoch. */
	move = (kg_store_move){.agent = *kg_key_public(s->f.agents[1].key), .has_old = true};
	assert_int_equal(kg_store_tip(s->store, &move.old, &move.agent), KG_OK);
	move.commit = s->commits[0];
	assert_int_equal(kg_store_replace_ref(s->store, &move), KG_OK);
	assert_int_equal(kg_store_unreached(s->store, &unreached, NULL, NULL), KG_OK);
	check(s, "test $(git -C memory.git fsck --unreachable --no-reflogs | wc -l) = %llu",
	      (unsigned long long)unreached);
	assert_int_equal(kg_store_repack(s->store, NULL, NULL), KG_OK);
	assert_int_equal(kg_store_unreached(s->store, &unreached, NULL, NULL), KG_OK);
	assert_int_equal(unreached, 0);
	check(s, "! git -C memory.git cat-file -e $(echo '%s' | git hash-object --stdin)", BLOB);
	check(s, "cd memory.git && test $(git rev-list --all --count) = $(git count-objects -v |"
		 " sed -n 's/^in-pack: //p') && ! git fsck --strict --dangling 2>&1 | grep .");
	check(s, "git clone -q --mirror memory.git copy && git -C copy fsck --strict");
	scene_remove(s);
}

static void test_store__a_repack_that_misses_an_object_removes_nothing(void **state)
{
	scene *s = scene_make();

	(void)state;
	write_packs(s, 3, 3);
	check(s, "rm -f $(ls -t memory.git/objects/pack/*.pack | tail -n 1)");
	reopen(s);
	assert_int_equal(kg_store_repack(s->store, NULL, NULL), KG_ECORRUPT);
	assert_int_equal(count_packs(s), 2);
	scene_remove(s);
}

static void test_store__what_is_forgotten_is_gone_from_the_disk(void **state)
{
	static const char *const ways[] = {
		"true", "git gc -q", "git repack -qad",
		"git gc -q && for p in objects/pack/*.pack; do touch ${p%.pack}.keep; done"};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		scene *s = scene_make();
		kg_commit blob;

		write_packs(s, 2, 10);
		put_blob(s);
		check(s, "cd memory.git && %s && git update-ref -d " BLOB_REF, ways[i]);
		blob_id(&blob);
		assert_int_equal(kg_store_forget(s->store, &blob, 1), KG_OK);
		check(s, "! git -C memory.git cat-file -e $(echo '%s' | git hash-object --stdin)",
		      BLOB);
		check(s, "! git -C memory.git fsck --strict --dangling 2>&1 | grep .");
		expect_sound(s);
		/* Once more is no error. */
		assert_int_equal(kg_store_forget(s->store, &blob, 1), KG_OK);
		scene_remove(s);
	}
}

/* ---- refs ---- */

/* How many refs of a kind there are. */
static size_t count_kind(kg_store *store, kg_store_kind kind)
{
	kg_store_refs refs = {0};
	size_t count = 0;

	assert_int_equal(kg_store_refs_read(store, &refs), KG_OK);
	for (size_t i = 0; i < refs.count; i++) {
		count += refs.refs[i].kind == kind ? 1 : 0;
		assert_true(i == 0 || strcmp(refs.refs[i - 1].name, refs.refs[i].name) < 0);
	}
	kg_store_refs_release(&refs);
	return count;
}

static void expect_kinds(kg_store *store, size_t chains, size_t proofs, size_t sealed, size_t stray)
{
	assert_int_equal(count_kind(store, KG_STORE_CHAIN), chains);
	assert_int_equal(count_kind(store, KG_STORE_PROOF), proofs);
	assert_int_equal(count_kind(store, KG_STORE_SEALED), sealed);
	assert_int_equal(count_kind(store, KG_STORE_STRAY), stray);
}

static void test_store__refs_are_told_apart(void **state)
{
	scene *s = scene_make();
	const kg_pubkey *agent = kg_key_public(s->f.agents[0].key);

	(void)state;
	write_packs(s, 1, 13);
	expect_kinds(s->store, 4, 0, 0, 0);
	for (size_t i = 0; i < KG_STORE_PROOFS_MAX; i++)
		assert_int_equal(kg_store_put_proof(s->store, agent, &s->commits[i]), KG_OK);
	assert_int_equal(kg_store_put_proof(s->store, agent, &s->commits[3]), KG_OK);
	assert_int_equal(kg_store_put_proof(s->store, agent, &s->commits[9]), KG_EFULL);
	assert_int_equal(
		kg_store_put_proof(s->store, kg_key_public(s->f.agents[1].key), &s->commits[9]),
		KG_OK);
	expect_kinds(s->store, 4, KG_STORE_PROOFS_MAX + 1, 0, 0);
	put_blob(s);
	expect_kinds(s->store, 4, KG_STORE_PROOFS_MAX + 1, 1, 0);
	check(s, "cd memory.git && b=$(git rev-parse " BLOB_REF ") &&"
		 " git update-ref refs/vault/blob $b && git update-ref refs/tags/t $b &&"
		 " h=$(git rev-parse HEAD) && a=$(printf %%064d 1) &&"
		 " git update-ref refs/heads/main $h && git update-ref refs/heads/agents/abc $h &&"
		 " git update-ref refs/heads/agents/${a}0 $h &&"
		 " git update-ref refs/heads/forks/$a/$(printf %%040d 2) $h &&"
		 " git update-ref refs/remotes/r/agents/$a $h &&"
		 " git symbolic-ref refs/heads/agents/$a HEAD");
	expect_kinds(s->store, 4, KG_STORE_PROOFS_MAX + 1, 1, 8);
	scene_remove(s);
}

static void open_clone(kg_store **store, const scene *s, const char *name)
{
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/%s", s->f.dir, name), KG_OK);
	assert_int_equal(kg_store_open_path(store, path), KG_OK);
}

static void test_store__clones_are_read_as_what_they_copy(void **state)
{
	static const char *const clones[] = {"bare", "mirror", "plain"};
	scene *s = scene_make();
	const kg_pubkey *agent = kg_key_public(s->f.agents[0].key);

	(void)state;
	write_packs(s, 1, 13);
	assert_int_equal(kg_store_put_proof(s->store, agent, &s->commits[2]), KG_OK);
	check(s, "git clone -q --bare memory.git bare && git clone -q --mirror memory.git mirror &&"
		 " git clone -q memory.git plain");
	for (size_t i = 0; i < sizeof(clones) / sizeof(clones[0]); i++) {
		kg_store *store = NULL;
		kg_pubkey swarm;
		kg_commit tip;

		open_clone(&store, s, clones[i]);
		expect_kinds(store, 4, 1, 0, 0);
		assert_int_equal(kg_store_swarm(store, &swarm), KG_OK);
		assert_true(kg_pubkey_equal(&swarm, &s->f.swarm.swarm));
		assert_int_equal(kg_store_tip(store, &tip, agent), KG_OK);
		assert_memory_equal(tip.bytes, s->f.agents[0].head.commit.bytes, KG_COMMIT_SIZE);
		assert_int_equal(kg_store_tip(store, &tip, &swarm), KG_OK);
		assert_true(reads_all(s, store));
		assert_int_equal(kg_store_refresh(store), KG_OK);
		assert_true(reads_all(s, store));
		kg_store_free(store);
	}
	scene_remove(s);
}

/* The only chain of an agent in a repository with several of its epochs. */
static void test_store__the_latest_epoch_under_a_name_of_its_own_is_the_chain(void **state)
{
	static const char *const clones[] = {"mirror", "plain"};
	scene *s = scene_make();

	(void)state;
	write_packs(s, 1, 13);
	check(s, "git clone -q --mirror memory.git mirror && cd mirror &&"
		 " a=$(git for-each-ref --format='%%(refname:lstrip=3)' refs/heads/agents |"
		 " grep -v $(git symbolic-ref HEAD | sed 's/.*[/]//') | head -n 1) &&"
		 " h=$(git rev-parse refs/heads/agents/$a) && e=refs/heads/epochs/$a &&"
		 " git update-ref $e/9 $h && git update-ref $e/10 $h~1 && git update-ref $e/2 $h &&"
		 " git update-ref $e/x $h && cd .. && git clone -q mirror plain &&"
		 " git -C memory.git update-ref $e/1 $h");
	expect_kinds(s->store, 4, 0, 0, 1);
	for (size_t i = 0; i < sizeof(clones) / sizeof(clones[0]); i++) {
		kg_store_refs refs = {0};
		kg_store *store = NULL;
		size_t found = 0;

		open_clone(&store, s, clones[i]);
		expect_kinds(store, 4, 0, 0, 1);
		assert_int_equal(kg_store_refs_read(store, &refs), KG_OK);
		for (size_t k = 0; k < refs.count; k++) {
			char name[KG_STORE_NAME_SIZE];

			if (refs.refs[k].epoch == 0)
				continue;
			assert_int_equal(refs.refs[k].epoch, 10);
			kg_store_epoch_format(name, &refs.refs[k].agent, 10);
			assert_string_equal(strstr(name, "epochs/"),
					    strstr(refs.refs[k].name, "epochs/"));
			found++;
		}
		assert_int_equal(found, 1);
		kg_store_refs_release(&refs);
		kg_store_free(store);
	}
	scene_remove(s);
}

static void test_store__a_clone_that_fell_behind_says_what_its_remote_said_last(void **state)
{
	scene *s = scene_make();
	kg_store *store = NULL;
	kg_commit tip;

	(void)state;
	write_packs(s, 1, 4);
	check(s, "git clone -q memory.git plain && git -C plain remote add other ../memory.git &&"
		 " git -C plain fetch -q other");
	sign(s, &s->f.swarm);
	write_packs(s, 1, 4);
	check(s, "git -C plain fetch -q origin && git -C plain checkout -q -b look"
		 " $(git -C plain for-each-ref --format='%%(refname)' refs/remotes/origin/agents |"
		 " head -n 1)");
	open_clone(&store, s, "plain");
	expect_kinds(store, 4, 0, 0, 0);
	assert_int_equal(kg_store_tip(store, &tip, &s->f.swarm.swarm), KG_OK);
	assert_memory_equal(tip.bytes, s->f.swarm.head.commit.bytes, KG_COMMIT_SIZE);
	kg_store_free(store);
	/* A commit of the clone's own is no copy of anything. */
	check(s, "cd plain && git -c user.name=n -c user.email=e update-ref refs/heads/agents/$(git"
		 " -C ../memory.git symbolic-ref HEAD | sed 's,.*/,,') $(git -c user.name=n"
		 " -c user.email=e commit-tree -m own 4b825dc642cb6eb9a060e54bf8d69288fbee4904)");
	open_clone(&store, s, "plain");
	expect_kinds(store, 5, 0, 0, 0);
	kg_store_free(store);
	assert_int_equal(kg_store_open_path(&store, "/nonexistent/repository"), KG_ENOTFOUND);
	scene_remove(s);
}

static void test_store__refs_are_moved_from_where_they_are(void **state)
{
	scene *s = scene_make();
	kg_store_move move = {.agent = *kg_key_public(s->f.agents[1].key)};

	(void)state;
	write_packs(s, 1, 9);
	move.commit = s->commits[1];
	assert_int_equal(kg_store_move_ref(s->store, &move), KG_ECONFLICT);
	assert_int_equal(kg_store_replace_ref(s->store, &move), KG_EINVAL);
	move.has_old = true;
	move.old = s->commits[1];
	assert_int_equal(kg_store_move_ref(s->store, &move), KG_ECONFLICT);
	assert_int_equal(kg_store_tip(s->store, &move.old, &move.agent), KG_OK);
	assert_int_equal(kg_store_replace_ref(s->store, &move), KG_OK);
	scene_remove(s);
}

static void test_store__leftovers_are_cleared(void **state)
{
	scene *s = scene_make();

	(void)state;
	write_packs(s, 1, 5);
	assert_int_equal(
		kg_store_put_proof(s->store, kg_key_public(s->f.agents[0].key), &s->commits[2]),
		KG_OK);
	check(s, "cd memory.git && touch HEAD.lock config.lock packed-refs.lock"
		 " refs/heads/agents/x.lock refs/heads/agents/$(printf %%064d 1)"
		 " $(ls -d refs/heads/forks/*)/y.lock objects/pack/tmp_pack_kindergarten"
		 " objects/pack/tmp_idx_kindergarten objects/pack/pack_git2_abc"
		 " objects/tmp_object_git2_abc objects/pack/pack-$(printf %%040d 1).idx");
	reopen(s);
	check(s, "test -z \"$(find memory.git -name '*.lock' -o -name '*tmp*' -o -name '*git2*' -o"
		 " -name '*0001*')\"");
	expect_sound(s);
	scene_remove(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store__a_batch_is_one_pack_of_exactly_its_entries),
		cmocka_unit_test(test_store__tidy_keeps_packs_few),
		cmocka_unit_test(test_store__large_packs_are_joined),
		cmocka_unit_test(test_store__a_writer_may_be_killed_anywhere),
		cmocka_unit_test(test_store__merging_may_be_killed_anywhere),
		cmocka_unit_test(test_store__joining_may_be_killed_anywhere),
		cmocka_unit_test(test_store__a_repack_may_be_killed_anywhere),
		cmocka_unit_test(test_store__forgetting_may_be_killed_anywhere),
		cmocka_unit_test(test_store__what_is_held_is_no_garbage_to_stock_git),
		cmocka_unit_test(test_store__readers_miss_nothing_while_packs_are_merged),
		cmocka_unit_test(test_store__work_stops_when_it_is_told_to),
		cmocka_unit_test(test_store__a_repack_leaves_nothing_else),
		cmocka_unit_test(test_store__a_repack_that_misses_an_object_removes_nothing),
		cmocka_unit_test(test_store__what_is_forgotten_is_gone_from_the_disk),
		cmocka_unit_test(test_store__refs_are_told_apart),
		cmocka_unit_test(test_store__clones_are_read_as_what_they_copy),
		cmocka_unit_test(test_store__the_latest_epoch_under_a_name_of_its_own_is_the_chain),
		cmocka_unit_test(
			test_store__a_clone_that_fell_behind_says_what_its_remote_said_last),
		cmocka_unit_test(test_store__refs_are_moved_from_where_they_are),
		cmocka_unit_test(test_store__leftovers_are_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
