/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_memory__what_is_said_is_recalled_and_stock_git_verifies_it(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_index_rows rows = {0};
	kg_index_filter filter = {.query = "blue"};
	kg_receipt said;
	kg_buf out;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	said = fixture_say(&f, memory, &f.agents[0], "mixing yellow and blue gives green");
	(void)fixture_say(&f, memory, &f.agents[1], "two and two make four");
	assert_int_equal(kg_memory_recall(memory, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 1);
	assert_memory_equal(rows.rows[0].proof.id.bytes, said.id.bytes, KG_HASH_SIZE);
	assert_true(rows.rows[0].verified);
	kg_index_rows_release(&rows);
	kg_buf_init(&out, 1 << 20);
	if (fixture_shell(&f, &out,
			  "for r in $(git -C memory.git for-each-ref --format='%%(refname)'); do"
			  " for c in $(git -C memory.git rev-list $r); do"
			  " git -C memory.git verify-commit $c || exit 1; done; done;"
			  " git -C memory.git fsck --strict --no-dangling") != 0)
		fail_msg("%s", kg_buf_text(&out));
	kg_buf_release(&out);
	kg_memory_free(memory);
	fixture_remove(&f);
}

static void test_memory__stock_git_prints_the_fields(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_receipt said;
	char commit[KG_COMMIT_TEXT_SIZE];
	kg_buf out;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	said = fixture_say(&f, memory, &f.agents[0],
			   "x\n\nKindergarten-Format: 1\nAgent-Name: mallory\nSequence: 99\n");
	kg_commit_format(commit, &said.commit);
	kg_buf_init(&out, 1 << 20);
	assert_int_equal(
		fixture_shell(&f, &out,
			      "git -C memory.git log -1 --format='%%(trailers:key=Agent-Name,"
			      "key=Sequence,key=Confidence,key=Tags)' %s",
			      commit),
		0);
	assert_string_equal(
		kg_buf_text(&out),
		"Agent-Name: agent-0\nSequence: 1\nTags: test\nConfidence: 0.900000\n\n");
	kg_buf_clear(&out);
	assert_int_equal(
		fixture_shell(&f, &out, "git -C memory.git log -1 --format='%%G? %%s' %s", commit),
		0);
	assert_string_equal(kg_buf_text(&out), "G insight: x Kindergarten-Format: 1 Agent-Name: "
					       "mallory Sequence: 99\n");
	kg_buf_release(&out);
	kg_memory_free(memory);
	fixture_remove(&f);
}

static kg_err submit(kg_memory *memory, const kg_buf *object, int64_t now_ms)
{
	kg_receipt receipt;

	return kg_memory_submit(memory, &receipt, object->data, object->size, now_ms);
}

static void test_memory__what_does_not_follow_is_refused(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_receipt receipt;
	author fork;
	author stranger = {.name = "agent-9"};
	kg_buf object;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	stranger.key = fixture_key(77);
	stranger.swarm = f.swarm.swarm;
	(void)fixture_insight(&object, &stranger, "hello", f.now_ms);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_EDENIED);
	kg_key_free(stranger.key);

	(void)fixture_say(&f, memory, &f.agents[0], "one");
	fork = f.agents[0];
	(void)fixture_say(&f, memory, &f.agents[0], "two");
	kg_buf_clear(&object);
	(void)fixture_insight(&object, &fork, "another two", f.now_ms);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_ECONFLICT);
	kg_buf_clear(&object);
	(void)fixture_insight(&object, &fork, "three on the fork", f.now_ms);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_ECONFLICT);

	fork = f.agents[0];
	fork.swarm = *kg_key_public(f.agents[1].key);
	kg_buf_clear(&object);
	(void)fixture_insight(&object, &fork, "another swarm", f.now_ms);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_EDENIED);

	fork = f.agents[0];
	(void)strcpy(fork.name, "agent-1");
	kg_buf_clear(&object);
	(void)fixture_insight(&object, &fork, "another name", f.now_ms);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_EDENIED);

	fork = f.agents[0];
	fork.head.time_ms = 0;
	kg_buf_clear(&object);
	(void)fixture_insight(&object, &fork, "from the past", f.now_ms - 100000);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_ECONFLICT);

	fork = f.agents[0];
	kg_buf_clear(&object);
	(void)fixture_insight(&object, &fork, "from the future", f.now_ms + 5001);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_EINVAL);
	assert_int_equal(submit(memory, &object, f.now_ms + 1), KG_OK);
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	object.data[object.size / 2] ^= 1;
	assert_int_not_equal(submit(memory, &object, f.now_ms), KG_OK);
	object.data[object.size / 2] ^= 1;

	/* The acknowledgement was lost: the same entry again is fine, before git and after. */
	assert_int_equal(kg_memory_submit(memory, &receipt, object.data, object.size, f.now_ms),
			 KG_OK);
	assert_true(receipt.known);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	assert_int_equal(kg_memory_submit(memory, &receipt, object.data, object.size, f.now_ms),
			 KG_OK);
	assert_true(receipt.known);
	assert_int_equal(receipt.sequence, 3);
	kg_buf_release(&object);
	kg_memory_free(memory);
	fixture_remove(&f);
}

static void test_memory__a_clock_that_was_set_back_stops_nobody(void **state)
{
	enum { HOUR_MS = 3600000 };
	fixture f;
	kg_memory *memory;
	author other;
	kg_buf object;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	f.now_ms += HOUR_MS;
	(void)fixture_say(&f, memory, &f.agents[0], "by a clock that was an hour ahead");
	f.now_ms -= HOUR_MS;
	(void)fixture_say(&f, memory, &f.agents[0], "by the same, set right");
	(void)fixture_say(&f, memory, &f.agents[1], "and by another");
	/* Nobody is further ahead for it. */
	other = f.agents[1];
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	(void)fixture_insight(&object, &other, "from the future", f.now_ms + HOUR_MS + 1);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_EINVAL);
	kg_buf_release(&object);
	kg_memory_free(memory);
	fixture_remove(&f);
}

static void test_memory__there_is_one_writer(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_memory *second = NULL;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_open(&second, f.dir, &f.swarm.swarm, NULL, NULL), KG_ECONFLICT);
	kg_memory_free(memory);
	assert_int_equal(kg_memory_open(&second, f.dir, kg_key_public(f.agents[0].key), NULL, NULL),
			 KG_EDENIED);
	memory = fixture_open(&f);
	kg_memory_free(memory);
	fixture_remove(&f);
}

static void dump(kg_memory *memory, const fixture *f, kg_buf *out)
{
	char path[KG_PATH_SIZE];
	kg_index *index = NULL;

	(void)memory;
	kg_buf_clear(out);
	assert_int_equal(kg_path(path, "%s/index.sqlite", f->dir), KG_OK);
	assert_int_equal(kg_index_open(&index, path, false), KG_OK);
	assert_int_equal(kg_index_dump(index, out), KG_OK);
	kg_index_free(index);
}

static void test_memory__an_index_made_again_has_the_same_rows(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_memory_report report;
	uint64_t entries = 0;
	kg_buf before;
	kg_buf after;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&before, 1 << 20);
	kg_buf_init(&after, 1 << 20);
	memory = fixture_open(&f);
	for (int i = 0; i < 20; i++)
		(void)fixture_say(&f, memory, &f.agents[i % 3], "the wheels on the bus");
	(void)fixture_checkpoint(&f, memory);
	dump(memory, &f, &before);
	assert_int_equal(kg_memory_reindex(memory, &entries), KG_OK);
	assert_int_equal(entries, 22);
	dump(memory, &f, &after);
	assert_string_equal(kg_buf_text(&before), kg_buf_text(&after));
	/* Deleted under the keeper's feet. */
	assert_int_equal(fixture_shell(&f, NULL, "rm -f index.sqlite*"), 0);
	(void)fixture_say(&f, memory, &f.agents[0], "one more");
	kg_memory_free(memory);
	dump(NULL, &f, &before);
	/* Deleted while nobody looks. */
	assert_int_equal(fixture_shell(&f, NULL, "rm -f index.sqlite*"), 0);
	assert_int_equal(kg_memory_open(&memory, f.dir, &f.swarm.swarm, NULL, &report), KG_OK);
	assert_true(report.index_rebuilt);
	assert_int_equal(report.entries, 23);
	kg_memory_free(memory);
	dump(NULL, &f, &after);
	assert_string_equal(kg_buf_text(&before), kg_buf_text(&after));
	/* Not an index at all. */
	assert_int_equal(fixture_shell(&f, NULL, "echo nonsense > index.sqlite"), 0);
	memory = fixture_open(&f);
	kg_memory_free(memory);
	dump(NULL, &f, &after);
	assert_string_equal(kg_buf_text(&before), kg_buf_text(&after));
	kg_buf_release(&before);
	kg_buf_release(&after);
	fixture_remove(&f);
}

/* Asks for everything; how many rows say that they are verified, and how many there are. */
static size_t recall_verified(kg_memory *memory, size_t *rows)
{
	const kg_index_filter all = {.limit = 100};
	kg_index_rows found = {0};
	size_t verified = 0;

	if (kg_memory_recall(memory, &found, &all) != KG_OK)
		fail_msg("%s", kg_err_text());
	for (size_t i = 0; i < found.count; i++)
		verified += found.rows[i].verified ? 1 : 0;
	*rows = found.count;
	kg_index_rows_release(&found);
	return verified;
}

/* Runs SQL on the index, as anybody can who may write the file. */
static void edit_index(const fixture *f, const char *sql)
{
	char path[KG_PATH_SIZE];
	sqlite3 *db = NULL;

	assert_int_equal(kg_path(path, "%s/index.sqlite", f->dir), KG_OK);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	(void)sqlite3_close(db);
}

static void test_memory__what_git_does_not_say_is_never_verified(void **state)
{
#define SECOND_OF_0 \
 " WHERE sequence = 2 AND author = (SELECT no FROM authors WHERE name = 'agent-0')"
	static const char *const edits[] = {
		"UPDATE entries SET text = 'forged'" SECOND_OF_0,
		"UPDATE entries SET level = 1000000" SECOND_OF_0,
		"UPDATE entries SET type = 3" SECOND_OF_0,
		("INSERT INTO authors(agent, swarm, name) SELECT agent, swarm, 'agent-1'"
		 " FROM authors WHERE name = 'agent-0';"
		 "UPDATE entries SET author = last_insert_rowid()" SECOND_OF_0),
		"UPDATE entries SET time_ms = time_ms + 1" SECOND_OF_0,
		"UPDATE entries SET tags = ' collective-insight '" SECOND_OF_0,
	};
	fixture f;
	kg_memory *memory;
	kg_receipt last = {0};
	char commit[KG_COMMIT_TEXT_SIZE];
	char key[KG_PUBKEY_TEXT_SIZE];
#undef SECOND_OF_0
	size_t rows;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	for (int i = 0; i < 3; i++)
		last = fixture_say(&f, memory, &f.agents[0], "the wheels on the bus");
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	assert_int_equal(recall_verified(memory, &rows), 4);
	assert_int_equal(rows, 4);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		uint64_t entries;

		edit_index(&f, edits[i]);
		if (recall_verified(memory, &rows) != 3)
			fail_msg("believed: %s", edits[i]);
		assert_int_equal(rows, 4);
		assert_int_equal(kg_memory_reindex(memory, &entries), KG_OK);
		assert_int_equal(recall_verified(memory, &rows), 4);
	}
	/* The tail cut off under the keeper: what the index has of it is on no chain. */
	kg_commit_format(commit, &last.commit);
	kg_pubkey_format(key, kg_key_public(f.agents[0].key));
	assert_int_equal(fixture_shell(&f, NULL,
				       "git -C memory.git update-ref refs/heads/agents/%s %s^", key,
				       commit),
			 0);
	assert_int_equal(recall_verified(memory, &rows), 3);
	kg_memory_free(memory);
	fixture_remove(&f);
}

static void test_memory__a_damaged_index_is_made_anew(void **state)
{
	fixture f;
	kg_memory *memory;
	size_t rows;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	for (int i = 0; i < 3; i++)
		(void)fixture_say(&f, memory, &f.agents[i], "the wheels on the bus");
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	/* First every page but the first, then also the schema in that. */
	for (int page = 1; page >= 0; page--) {
		assert_int_equal(
			fixture_shell(&f, NULL,
				      "size=$(($(stat -c %%s index.sqlite) / 4096)) &&"
				      " dd if=/dev/urandom of=index.sqlite bs=4096 conv=notrunc"
				      " seek=1 count=$((size - 1)) status=none &&"
				      " if [ %d = 0 ]; then dd if=/dev/urandom of=index.sqlite bs=1"
				      " conv=notrunc seek=100 count=3996 status=none; fi",
				      page),
			0);
		memory = fixture_open(&f);
		assert_int_equal(recall_verified(memory, &rows), 4);
		assert_int_equal(rows, 4);
		kg_memory_free(memory);
	}
	fixture_remove(&f);
}

static void test_memory__a_large_batch_becomes_one_pack(void **state)
{
	enum { COUNT = 500 };
	fixture f;
	kg_memory *memory;
	kg_receipt receipt;
	kg_buf object;
	kg_buf out;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_buf_init(&out, 1 << 20);
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	for (int i = 0; i < COUNT; i++) {
		kg_buf_clear(&object);
		(void)fixture_insight(&object, &f.agents[i % 3], "many", f.now_ms);
		assert_int_equal(
			kg_memory_submit(memory, &receipt, object.data, object.size, f.now_ms),
			KG_OK);
	}
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	assert_int_equal(kg_memory_count(memory), COUNT + 1);
	if (fixture_shell(&f, &out,
			  "test $(ls memory.git/objects/pack/*.pack | wc -l) = 2 &&"
			  " test $(git -C memory.git rev-list --all --count) = %d &&"
			  " git -C memory.git fsck --strict --no-dangling",
			  COUNT + 1) != 0)
		fail_msg("%s", kg_buf_text(&out));
	kg_buf_release(&object);
	kg_buf_release(&out);
	kg_memory_free(memory);
	fixture_remove(&f);
}

/* A child submits and says on a pipe what was acknowledged; it is killed at some moment. Whatever
 * it said must be there. */
static void say_until_killed(fixture *f, int pipe_fd)
{
	kg_memory *memory = NULL;
	kg_receipt receipt;
	kg_buf object;

	if (kg_memory_open(&memory, f->dir, &f->swarm.swarm, NULL, NULL) != KG_OK)
		_exit(1);
	for (int i = 0; i < 3; i++)
		if (kg_memory_head(memory, &f->agents[i].head, NULL,
				   kg_key_public(f->agents[i].key)) != KG_OK)
			_exit(2);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	for (uint64_t i = 0;; i++) {
		kg_buf_clear(&object);
		(void)fixture_insight(&object, &f->agents[i % 3], "said before the end", f->now_ms);
		if (kg_memory_submit(memory, &receipt, object.data, object.size, f->now_ms) !=
			    KG_OK ||
		    kg_memory_commit(memory) != KG_OK)
			_exit(3);
		if (write(pipe_fd, &receipt.commit, sizeof(receipt.commit)) !=
		    (ssize_t)sizeof(receipt.commit))
			_exit(4);
		if (i % 5 == 0 && kg_memory_flush(memory) != KG_OK)
			_exit(5);
	}
}

static void test_memory__kill_9_loses_nothing_acknowledged(void **state)
{
	fixture f;
	kg_memory *memory;
	uint64_t said = 0;
	kg_buf acked;
	kg_buf out;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&acked, 1 << 20);
	kg_buf_init(&out, 1 << 20);
	kg_memory_free(fixture_open(&f));
	for (int round = 0; round < 12; round++) {
		uint64_t target = said + 1 + (uint64_t)round * 3;
		int fds[2];
		int status;
		pid_t child;

		assert_int_equal(pipe(fds), 0);
		child = fork();
		if (child == 0) {
			(void)close(fds[0]);
			say_until_killed(&f, fds[1]);
		}
		(void)close(fds[1]);
		for (;;) {
			kg_commit commit;
			char hex[KG_COMMIT_TEXT_SIZE];

			if (read(fds[0], &commit, sizeof(commit)) != (ssize_t)sizeof(commit))
				break;
			kg_commit_format(hex, &commit);
			kg_buf_printf(&acked, "%s\n", hex);
			/* Killed while it works on the next one; what it still gets out counts. */
			if (++said == target)
				assert_int_equal(kill(child, SIGKILL), 0);
		}
		(void)close(fds[0]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
	}
	memory = fixture_open(&f);
	assert_true(kg_memory_count(memory) >= said + 1);
	assert_true(kg_memory_count(memory) <= said + 1 + 12);
	kg_memory_free(memory);
	{
		char path[KG_PATH_SIZE];

		assert_int_equal(kg_path(path, "%s/acked", f.dir), KG_OK);
		assert_int_equal(kg_fs_write(path, acked.data, acked.size, 0600), KG_OK);
	}
	if (fixture_shell(&f, &out,
			  "git -C memory.git rev-list --all | sort > have; sort acked > want;"
			  " comm -13 have want | grep . && exit 1;"
			  " git -C memory.git fsck --strict --no-dangling") != 0)
		fail_msg("lost: %s", kg_buf_text(&out));
	kg_buf_release(&acked);
	kg_buf_release(&out);
	fixture_remove(&f);
}

static void test_memory__a_full_disk_refuses_and_loses_nothing(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_receipt receipt;
	kg_memory_report report;
	author before;
	kg_buf object;
	kg_err err = KG_OK;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	memory = fixture_open(&f);
	(void)fixture_say(&f, memory, &f.agents[0], "there is room");
	(void)signal(SIGXFSZ, SIG_IGN);
	fixture_limit_files(3000);
	for (int i = 0; err == KG_OK && i < 10; i++) {
		before = f.agents[0];
		kg_buf_clear(&object);
		(void)fixture_insight(&object, &f.agents[0], "is there more room?", f.now_ms);
		err = kg_memory_submit(memory, &receipt, object.data, object.size, f.now_ms);
		if (err == KG_OK)
			err = kg_memory_commit(memory);
	}
	assert_int_equal(err, KG_EFULL);
	f.agents[0] = before;
	fixture_limit_files(RLIM_INFINITY);
	/* Room again: the very same entry is taken, and everything carried into git. */
	assert_int_equal(kg_memory_submit(memory, &receipt, object.data, object.size, f.now_ms),
			 KG_OK);
	assert_false(receipt.known);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	assert_int_equal(kg_memory_open(&memory, f.dir, &f.swarm.swarm, NULL, &report), KG_OK);
	assert_int_equal(report.dropped, 0);
	assert_int_equal(report.entries, receipt.sequence + 1);
	kg_memory_free(memory);
	kg_buf_release(&object);
	fixture_remove(&f);
}

static void test_memory__a_lock_left_in_git_by_a_killed_writer_does_not_stop_the_next(void **state)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	fixture f;
	kg_memory *memory;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	(void)fixture_say(&f, memory, &f.agents[0], "one");
	kg_memory_free(memory);
	kg_pubkey_format(hex, kg_key_public(f.agents[0].key));
	assert_int_equal(fixture_shell(&f, NULL,
				       "touch memory.git/refs/heads/agents/%s.lock"
				       " memory.git/packed-refs.lock memory.git/config.lock",
				       hex),
			 0);
	memory = fixture_open(&f);
	(void)fixture_say(&f, memory, &f.agents[0], "two");
	kg_memory_free(memory);
	fixture_remove(&f);
}

/* A file system that gives a file its new name before its content leaves the ref empty. What the
 * journal has then goes on from where the chain was, though nothing in git says where that is. */
static void test_memory__a_ref_that_a_power_loss_emptied_is_found_again(void **state)
{
	static const char *const losses[] = {
		"for r in memory.git/refs/heads/agents/*; do : >$r; done",
		"rm -f memory.git/packed-refs;"
		" for r in memory.git/refs/heads/agents/*; do : >$r; done",
	};
	kg_memory_report report = {0};
	kg_receipt receipt;
	kg_memory *memory;
	fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		fixture_make(&f);
		memory = fixture_open(&f);
		(void)fixture_say(&f, memory, &f.agents[0], "said once");
		(void)fixture_checkpoint(&f, memory);
		assert_int_equal(kg_memory_settle(memory), KG_OK);
		assert_int_equal(fixture_shell(&f, NULL, "git -C memory.git pack-refs --all"), 0);
		(void)fixture_say(&f, memory, &f.agents[0], "said again");
		(void)fixture_say(&f, memory, &f.agents[0], "and again");
		(void)fixture_checkpoint(&f, memory);
		receipt = fixture_say(&f, memory, &f.agents[0], "and a last time");
		/* Not settled: git is not known to be on the disk, and the journal has it all. */
		kg_memory_free(memory);
		assert_int_equal(fixture_shell(&f, NULL, "%s", losses[i]), 0);
		assert_int_equal(kg_memory_open(&memory, f.dir, &f.swarm.swarm, NULL, &report),
				 KG_OK);
		assert_int_equal(report.dropped, 0);
		assert_int_equal(report.entries, 7);
		(void)fixture_say(&f, memory, &f.agents[0], "goes on");
		(void)fixture_checkpoint(&f, memory);
		assert_int_equal(kg_memory_settle(memory), KG_OK);
		kg_memory_free(memory);
		assert_int_equal(receipt.sequence, 4);
		assert_int_equal(fixture_shell(&f, NULL,
					       "test $(git -C memory.git rev-list --all --count)"
					       " = 9"),
				 0);
		fixture_remove(&f);
	}
}

static void test_memory__a_checkpoint_must_be_true(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_entry_head *heads = NULL;
	size_t count = 0;
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	(void)fixture_say(&f, memory, &f.agents[0], "one");
	assert_int_equal(kg_memory_heads(memory, &heads, &count, false), KG_OK);
	assert_int_equal(count, 1);
	for (int i = 0; i < 2; i++) {
		heads[0].sequence += i == 0 ? 1 : 0;
		heads[0].commit.bytes[0] ^= i == 1 ? 1 : 0;
		kg_buf_clear(&object);
		assert_int_equal(
			kg_checkpoint_make(&e, f.swarm.key, &f.swarm.head, heads, count, f.now_ms),
			KG_OK);
		assert_int_equal(
			kg_entry_sign(&object, &proof, &e, f.swarm.key, &f.swarm.head.commit),
			KG_OK);
		assert_int_equal(submit(memory, &object, f.now_ms), KG_ECONFLICT);
		kg_entry_release(&e);
		heads[0].sequence -= i == 0 ? 1 : 0;
	}
	free(heads);
	kg_buf_release(&object);
	kg_memory_free(memory);
	fixture_remove(&f);
}

/* The new epoch of an author: the root, and the second of his three entries carried over. */
static void make_epoch(kg_buf objects[2], fixture *f, const kg_entry_id ids[3])
{
	author *who = &f->agents[0];
	kg_author by = {&who->swarm, who->key, who->name, &who->head, f->now_ms += 1000};
	kg_entry_proof proof;
	kg_entry e;

	kg_buf_init(&objects[0], KG_ENTRY_OBJECT_MAX);
	kg_buf_init(&objects[1], KG_ENTRY_OBJECT_MAX);
	assert_int_equal(kg_epoch_make(&e, &by, 1, ids, 3, 1), KG_OK);
	assert_int_equal(kg_entry_sign(&objects[0], &proof, &e, who->key, NULL), KG_OK);
	who->head = (kg_chain_head){e.sequence, e.time_ms, e.time_counter, proof.commit};
	kg_entry_release(&e);
	/* As fixture_say made it, two seconds before the root. */
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_text(&e, "two", 3), KG_OK);
	assert_int_equal(kg_entry_add_tag(&e, "test"), KG_OK);
	kg_entry_set_confidence(&e, 0.9);
	kg_entry_set_level(&e, 0.8);
	assert_int_equal(kg_entry_place(&e, &who->swarm, who->key, who->name,
					&(kg_chain_head){.sequence = 1}, f->now_ms - 2000),
			 KG_OK);
	assert_int_equal(kg_entry_carry(&e, who->head.sequence + 1), KG_OK);
	assert_int_equal(kg_entry_sign(&objects[1], &proof, &e, who->key, &who->head.commit),
			 KG_OK);
	assert_memory_equal(&proof.id, &ids[1], sizeof(ids[1]));
	who->head.sequence++;
	who->head.commit = proof.commit;
	kg_entry_release(&e);
}

/* After a start nothing is known of the chain but its tip; its epoch is looked up. */
static void test_memory__a_new_epoch_is_taken_from_the_owner_alone(void **state)
{
	static const char *const words[3] = {"one", "two", "three"};
	kg_entry_id ids[3];
	kg_memory *memory;
	kg_buf objects[2];
	kg_buf out;
	fixture f;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	for (int i = 0; i < 3; i++)
		ids[i] = fixture_say(&f, memory, &f.agents[0], words[i]).id;
	kg_memory_free(memory);
	memory = fixture_open(&f);
	make_epoch(objects, &f, ids);
	kg_memory_take_epochs(memory, false);
	assert_int_equal(submit(memory, &objects[0], f.now_ms), KG_ECONFLICT);
	assert_memory_equal(kg_err_text(), "bad_epoch: ", 11);
	kg_memory_take_epochs(memory, true);
	for (int i = 0; i < 2; i++) {
		if (submit(memory, &objects[i], f.now_ms) != KG_OK)
			fail_msg("%s", kg_err_text());
		assert_int_equal(kg_memory_commit(memory), KG_OK);
		assert_int_equal(kg_memory_flush(memory), KG_OK);
		kg_memory_free(memory); /* between the root and what follows it, too */
		memory = fixture_open(&f);
		kg_buf_release(&objects[i]);
	}
	(void)fixture_say(&f, memory, &f.agents[0], "four");
	kg_buf_init(&out, 1 << 16);
	assert_int_equal(
		fixture_shell(&f, &out,
			      "for c in $(git -C memory.git rev-list --glob=refs/heads/agents/"
			      " --author=agent-0); do git -C memory.git log -1 "
			      "--format='%%(trailers:key=Sequence,valueonly)' $c; done"),
		0);
	assert_string_equal(kg_buf_text(&out), "6\n\n5\n\n4\n\n");
	kg_buf_release(&out);
	kg_memory_free(memory);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory__what_is_said_is_recalled_and_stock_git_verifies_it),
		cmocka_unit_test(test_memory__stock_git_prints_the_fields),
		cmocka_unit_test(test_memory__what_does_not_follow_is_refused),
		cmocka_unit_test(test_memory__a_clock_that_was_set_back_stops_nobody),
		cmocka_unit_test(test_memory__there_is_one_writer),
		cmocka_unit_test(test_memory__an_index_made_again_has_the_same_rows),
		cmocka_unit_test(test_memory__what_git_does_not_say_is_never_verified),
		cmocka_unit_test(test_memory__a_damaged_index_is_made_anew),
		cmocka_unit_test(test_memory__a_large_batch_becomes_one_pack),
		cmocka_unit_test(test_memory__kill_9_loses_nothing_acknowledged),
		cmocka_unit_test(test_memory__a_full_disk_refuses_and_loses_nothing),
		cmocka_unit_test(
			test_memory__a_lock_left_in_git_by_a_killed_writer_does_not_stop_the_next),
		cmocka_unit_test(test_memory__a_ref_that_a_power_loss_emptied_is_found_again),
		cmocka_unit_test(test_memory__a_checkpoint_must_be_true),
		cmocka_unit_test(test_memory__a_new_epoch_is_taken_from_the_owner_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
