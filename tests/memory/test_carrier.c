/* SPDX-License-Identifier: MIT */
/* The way of entries from the journal to git and the index: with a thread, and cut at every step.
 */
#include "tests/memory/fixture.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/hex.h"
#include "memory/carrier.h"
#include "memory/claims.h"
#include "memory/store.h"
#include "memory/verify.h"

/* ---- a thread carries ---- */

static kg_receipt add(fixture *f, kg_memory *memory, author *who, const char *text)
{
	kg_receipt receipt = {0};
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	(void)fixture_insight(&object, who, text, f->now_ms);
	if (kg_memory_submit(memory, &receipt, object.data, object.size, f->now_ms) != KG_OK)
		fail_msg("submit: %s", kg_err_text());
	kg_buf_release(&object);
	return receipt;
}

static size_t recalled(kg_memory *memory)
{
	const kg_index_filter all = {.limit = 10000};
	kg_index_rows rows = {0};
	size_t verified = 0;

	assert_int_equal(kg_memory_recall(memory, &rows, &all), KG_OK);
	for (size_t i = 0; i < rows.count; i++)
		verified += rows.rows[i].verified ? 1 : 0;
	kg_index_rows_release(&rows);
	return verified;
}

static void wait_until_past(kg_memory *memory, int wake, const kg_memory_point *point)
{
	struct pollfd item = {wake, POLLIN, 0};
	uint64_t count;

	while (!kg_memory_is_past(memory, point)) {
		assert_int_equal(poll(&item, 1, 20000), 1);
		assert_int_equal(read(wake, &count, sizeof(count)), sizeof(count));
	}
}

static void test_carrier__submissions_go_on_while_it_works(void **state)
{
	enum { ROUNDS = 100, EACH = 20 };
	int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	kg_memory_point point;
	kg_memory *memory;
	kg_buf out;
	fixture f;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&out, 1 << 20);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_carry(memory, wake), KG_OK);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < EACH; k++)
			(void)add(&f, memory, &f.agents[k % 3], "while it works");
		assert_int_equal(kg_memory_commit(memory), KG_OK);
		if (i % 50 == 0) {
			/* Readers beside it see whole batches. */
			assert_true(recalled(memory) <= (size_t)(i + 1) * EACH + 1);
		}
	}
	point = kg_memory_now(memory);
	wait_until_past(memory, wake, &point);
	assert_int_equal(recalled(memory), ROUNDS * EACH + 1);
	assert_int_equal(kg_memory_trouble(memory), KG_OK);
	assert_int_equal(kg_memory_credit(memory), KG_CARRIER_CREDIT_MAX);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	if (fixture_shell(&f, &out,
			  "test -z \"$(ls journal)\" &&"
			  " test $(git -C memory.git rev-list --all --count) = %d &&"
			  " git -C memory.git fsck --strict --no-dangling",
			  ROUNDS * EACH + 1) != 0)
		fail_msg("%s", kg_buf_text(&out));
	kg_buf_release(&out);
	(void)close(wake);
	fixture_remove(&f);
}

static void test_carrier__a_flush_waits_for_what_was_durable(void **state)
{
	kg_memory *memory;
	fixture f;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_carry(memory, -1), KG_OK);
	for (int i = 0; i < 20; i++) {
		(void)add(&f, memory, &f.agents[0], "said and found");
		assert_int_equal(kg_memory_commit(memory), KG_OK);
		assert_int_equal(kg_memory_flush(memory), KG_OK);
		assert_int_equal(recalled(memory), i + 2);
		assert_int_equal(fixture_shell(&f, NULL,
					       "test $(git -C memory.git rev-list --all --count)"
					       " = %d",
					       i + 2),
				 0);
	}
	/* An index that is removed meanwhile is made again, before anybody reads it. */
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fixture_shell(&f, NULL, "rm index.sqlite*"), 0);
		assert_int_equal(recalled(memory), 21);
	}
	kg_memory_free(memory);
	fixture_remove(&f);
}

/* Git may not grow, the journal may: what a carrier meets that has no disk, or no permission. */
static void lock_git(const fixture *f, bool locked)
{
	assert_int_equal(
		fixture_shell(f, NULL,
			      locked ? "mv memory.git/objects/pack memory.git/objects/away &&"
				       " touch memory.git/objects/pack"
				     : "rm memory.git/objects/pack &&"
				       " mv memory.git/objects/away memory.git/objects/pack"),
		0);
}

static void test_carrier__what_git_cannot_take_waits_in_the_journal(void **state)
{
	kg_memory_report report;
	kg_memory_point point;
	kg_memory *memory;
	fixture f;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_carry(memory, -1), KG_OK);
	lock_git(&f, true);
	for (int i = 0; i < 30; i++) {
		(void)add(&f, memory, &f.agents[i % 3], "there is no room for it");
		assert_int_equal(kg_memory_commit(memory), KG_OK);
	}
	point = kg_memory_now(memory);
	assert_int_not_equal(kg_memory_flush(memory), KG_OK);
	assert_int_not_equal(kg_memory_trouble(memory), KG_OK);
	assert_false(kg_memory_is_past(memory, &point));
	assert_int_equal(kg_memory_count(memory), 31);
	/* Room again: nothing has to be said twice. */
	lock_git(&f, false);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	assert_int_equal(kg_memory_trouble(memory), KG_OK);
	assert_true(kg_memory_is_past(memory, &point));
	assert_int_equal(recalled(memory), 31);
	/* No room, and the end: the next one finds it in the journal. */
	lock_git(&f, true);
	(void)add(&f, memory, &f.agents[0], "the last word");
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	assert_int_not_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	lock_git(&f, false);
	assert_int_equal(kg_memory_open(&memory, f.dir, &f.swarm.swarm, NULL, &report), KG_OK);
	assert_int_equal(report.recovered, 1);
	assert_int_equal(recalled(memory), 32);
	kg_memory_free(memory);
	fixture_remove(&f);
}

static void test_carrier__credit_shrinks_and_beyond_the_bound_is_full(void **state)
{
	kg_receipt receipt;
	unsigned credit = KG_CARRIER_CREDIT_MAX;
	kg_memory *memory;
	kg_err err = KG_OK;
	kg_buf object;
	author before;
	size_t said = 0;
	fixture f;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_carry(memory, -1), KG_OK);
	lock_git(&f, true);
	while (err == KG_OK) {
		before = f.agents[0];
		kg_buf_clear(&object);
		(void)fixture_insight(&object, &f.agents[0], "more and more", f.now_ms);
		err = kg_memory_submit(memory, &receipt, object.data, object.size, f.now_ms);
		if (err != KG_OK)
			break;
		said++;
		if (said % 512 == 0) {
			assert_int_equal(kg_memory_commit(memory), KG_OK);
			assert_true(kg_memory_credit(memory) <= credit);
			credit = kg_memory_credit(memory);
			assert_true(credit >= 1);
		}
	}
	assert_int_equal(err, KG_EFULL);
	assert_int_equal(said, KG_CARRIER_COUNT_MAX);
	assert_int_equal(credit, 1);
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	/* The sender still has it, and says it again later. */
	lock_git(&f, false);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	assert_int_equal(kg_memory_credit(memory), KG_CARRIER_CREDIT_MAX);
	assert_int_equal(kg_memory_submit(memory, &receipt, object.data, object.size, f.now_ms),
			 KG_OK);
	assert_int_equal(receipt.sequence, before.head.sequence + 1);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	assert_int_equal(fixture_shell(&f, NULL,
				       "test $(git -C memory.git rev-list --all --count) = %zu",
				       said + 2),
			 0);
	kg_buf_release(&object);
	fixture_remove(&f);
}

static void test_carrier__the_journal_is_cut_where_git_is_durable(void **state)
{
	static char large[60000];
	kg_memory *memory;
	fixture f;

	(void)state;
	fixture_make(&f);
	memset(large, 'x', sizeof(large) - 1);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_carry(memory, -1), KG_OK);
	/* More than three segments. */
	for (int i = 0; i < 480; i++) {
		(void)add(&f, memory, &f.agents[i % 3], large);
		if (i % 20 == 0) {
			assert_int_equal(kg_memory_commit(memory), KG_OK);
			assert_int_equal(kg_memory_flush(memory), KG_OK);
			kg_memory_tend(memory);
			assert_int_equal(
				fixture_shell(&f, NULL, "test $(ls journal | wc -l) -le 2"), 0);
		}
	}
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	assert_int_equal(fixture_shell(&f, NULL, "test -z \"$(ls journal)\""), 0);
	kg_memory_free(memory);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_count(memory), 481);
	kg_memory_free(memory);
	fixture_remove(&f);
}

/* ---- cut at every step ---- */

/* Everything the memory has, in one word: refs and rows. */
static void fingerprint(const fixture *f, kg_buf *out)
{
	char path[KG_PATH_SIZE];
	kg_index *index = NULL;

	kg_buf_clear(out);
	assert_int_equal(fixture_shell(f, out, "git -C memory.git for-each-ref; cat witness"), 0);
	assert_int_equal(kg_path(path, "%s/index.sqlite", f->dir), KG_OK);
	assert_int_equal(kg_index_open(&index, path, false), KG_OK);
	assert_int_equal(kg_index_dump(index, out), KG_OK);
	kg_index_free(index);
}

/* Entries are in the journal, and git is put back to what it was at any step before. Each letter of
 * `kept` is a part of the state that the crash has left as it was afterwards: o(bjects), r(efs),
 * w(itness), i(ndex), j(ournal: segments not removed yet). */
static void crash_with(fixture *f, const char *kept, const kg_buf *whole)
{
	kg_memory_report report;
	kg_memory *memory = NULL;
	kg_buf now;

	kg_buf_init(&now, 1 << 20);
	assert_int_equal(fixture_shell(f, NULL,
				       "rm -rf memory.git index.sqlite* witness journal;"
				       " cp -a before/. . && rm -rf journal; cp -a mid/journal .;"
				       " case '%s' in *o*) cp -a after/memory.git/objects"
				       " memory.git/;; esac;"
				       " case '%s' in *r*) cp -a after/memory.git/refs"
				       " memory.git/;; esac;"
				       " case '%s' in *w*) cp -a after/witness .;; esac;"
				       " case '%s' in *i*) rm -f index.sqlite*;"
				       " cp -a after/index.sqlite* .;; esac",
				       kept, kept, kept, kept),
			 0);
	if (kg_memory_open(&memory, f->dir, &f->swarm.swarm, NULL, &report) != KG_OK)
		fail_msg("%s: %s", kept, kg_err_text());
	assert_int_equal(report.dropped, 0);
	assert_int_equal(report.damaged, 0);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	fingerprint(f, &now);
	if (strcmp(kg_buf_text(&now), kg_buf_text(whole)) != 0)
		fail_msg("left \"%s\": %s, not %s", kept, kg_buf_text(&now), kg_buf_text(whole));
	if (fixture_shell(f, &now, "git -C memory.git fsck --strict --no-dangling") != 0)
		fail_msg("%s: %s", kept, kg_buf_text(&now));
	kg_buf_release(&now);
}

static void keep(const fixture *f, const char *as)
{
	assert_int_equal(fixture_shell(f, NULL,
				       "mkdir %s && cp -a memory.git journal witness index.sqlite*"
				       " %s/",
				       as, as),
			 0);
}

static void test_carrier__a_crash_between_any_two_steps_loses_nothing(void **state)
{
	/* In the order of the work, then what a power loss may leave of it. */
	static const char *const steps[] = {"",  "o",  "or", "orw", "orwi", "ori", "oi", "i",
					    "w", "ow", "wi", "owi", "r",    "rw",  "ri", "rwi"};
	kg_memory *memory;
	kg_buf whole;
	fixture f;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&whole, 1 << 20);
	memory = fixture_open(&f);
	for (int i = 0; i < 6; i++)
		(void)fixture_say(&f, memory, &f.agents[i % 3], "before");
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	keep(&f, "before");
	for (int i = 0; i < 40; i++)
		(void)add(&f, memory, &f.agents[i % 3], "on its way");
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	keep(&f, "mid");
	(void)fixture_checkpoint(&f, memory);
	assert_int_equal(fixture_shell(&f, NULL, "rm -rf mid/journal; cp -a journal mid/"), 0);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	keep(&f, "after");
	fingerprint(&f, &whole);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		crash_with(&f, steps[i], &whole);
	kg_buf_release(&whole);
	fixture_remove(&f);
}

/* ---- forks ---- */

static kg_err submit(kg_memory *memory, const kg_buf *object, int64_t now_ms)
{
	kg_receipt receipt;

	return kg_memory_submit(memory, &receipt, object->data, object->size, now_ms);
}

static int count_proofs(const fixture *f)
{
	kg_buf out;
	int count;

	kg_buf_init(&out, 1 << 16);
	assert_int_equal(
		fixture_shell(f, &out, "git -C memory.git for-each-ref refs/heads/forks | wc -l"),
		0);
	count = atoi(kg_buf_text(&out));
	kg_buf_release(&out);
	return count;
}

/* Signs another entry for the place of the last one of `who`. */
static kg_err fork_once(fixture *f, kg_memory *memory, const author *before, const char *text,
			kg_buf *object)
{
	author twin = *before;

	kg_buf_clear(object);
	(void)fixture_insight(object, &twin, text, f->now_ms);
	return submit(memory, object, f->now_ms);
}

static void test_carrier__a_fork_is_refused_and_kept_as_proof(void **state)
{
	kg_memory_report report;
	kg_memory *memory;
	author before;
	kg_buf object;
	fixture f;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	memory = fixture_open(&f);
	(void)fixture_say(&f, memory, &f.agents[0], "one");
	before = f.agents[0];
	(void)fixture_say(&f, memory, &f.agents[0], "two");
	(void)fixture_say(&f, memory, &f.agents[0], "three");
	assert_int_equal(fork_once(&f, memory, &before, "another two", &object), KG_ECONFLICT);
	assert_non_null(strstr(kg_err_text(), "forked"));
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	assert_int_equal(count_proofs(&f), 1);
	/* The same again is nothing new. */
	assert_int_equal(submit(memory, &object, f.now_ms), KG_ECONFLICT);
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	assert_int_equal(count_proofs(&f), 1);
	/* Also while the entry whose place it wants is still on its way. */
	before = f.agents[1];
	(void)add(&f, memory, &f.agents[1], "mine");
	assert_int_equal(fork_once(&f, memory, &before, "no, mine", &object), KG_ECONFLICT);
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	kg_memory_free(memory); /* before git has it */
	assert_int_equal(kg_memory_open(&memory, f.dir, &f.swarm.swarm, NULL, &report), KG_OK);
	assert_int_equal(report.recovered, 1);
	assert_int_equal(report.proofs, 1);
	assert_int_equal(count_proofs(&f), 2);
	/* After a start, when it is not known yet what else there is. */
	assert_int_equal(fork_once(&f, memory, &before, "or mine?", &object), KG_ECONFLICT);
	assert_non_null(strstr(kg_err_text(), "forked"));
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	assert_int_equal(count_proofs(&f), 3);
	kg_memory_free(memory);
	kg_buf_release(&object);
	fixture_remove(&f);
}

static void test_carrier__of_one_author_eight_proofs_are_enough(void **state)
{
	kg_memory *memory;
	author before;
	kg_buf object;
	fixture f;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	memory = fixture_open(&f);
	before = f.agents[0];
	(void)fixture_say(&f, memory, &f.agents[0], "one");
	for (int i = 0; i < 12; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "another one, the %dth", i);
		assert_int_equal(fork_once(&f, memory, &before, text, &object), KG_ECONFLICT);
	}
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	assert_int_equal(count_proofs(&f), KG_STORE_PROOFS_MAX);
	/* Whoever forked may go on where the chain ends. */
	(void)fixture_say(&f, memory, &f.agents[0], "two");
	kg_memory_free(memory);
	kg_buf_release(&object);
	fixture_remove(&f);
}

static void test_carrier__a_stranger_and_a_broken_signature_prove_nothing(void **state)
{
	author stranger = {.name = "agent-0"};
	kg_memory *memory;
	author before;
	kg_buf object;
	fixture f;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	memory = fixture_open(&f);
	before = f.agents[0];
	(void)fixture_say(&f, memory, &f.agents[0], "one");
	stranger.key = fixture_key(99);
	stranger.swarm = f.swarm.swarm;
	(void)fixture_insight(&object, &stranger, "let me in", f.now_ms);
	assert_int_equal(submit(memory, &object, f.now_ms), KG_EDENIED);
	assert_int_equal(fork_once(&f, memory, &before, "another", &object), KG_ECONFLICT);
	kg_memory_free(memory); /* never committed: never said */
	memory = fixture_open(&f);
	object.data[object.size - 3] ^= 1;
	assert_int_not_equal(submit(memory, &object, f.now_ms), KG_OK);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	assert_int_equal(count_proofs(&f), 0);
	kg_memory_free(memory);
	kg_key_free(stranger.key);
	kg_buf_release(&object);
	fixture_remove(&f);
}

/* ---- the witness outside git ---- */

static void test_carrier__the_end_of_the_swarms_chain_is_told_outside_git(void **state)
{
	kg_entry_head *claims = NULL;
	kg_store *store = NULL;
	kg_memory *memory;
	size_t count = 0;
	fixture f;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	for (int i = 0; i < 5; i++) {
		(void)fixture_say(&f, memory, &f.agents[0], "something to witness");
		(void)fixture_checkpoint(&f, memory);
	}
	assert_int_equal(kg_claims_read(&claims, &count, f.dir), KG_OK);
	assert_int_equal(count, 1);
	assert_true(kg_pubkey_equal(&claims[0].agent, &f.swarm.swarm));
	assert_int_equal(claims[0].sequence, f.swarm.head.sequence);
	assert_memory_equal(claims[0].commit.bytes, f.swarm.head.commit.bytes, KG_COMMIT_SIZE);
	/* An earlier end is no news: a chain that was put back shows. */
	claims[0].sequence--;
	assert_int_equal(kg_store_open(&store, f.dir), KG_OK);
	assert_int_equal(kg_claims_put(f.dir, store, &claims[0]), KG_OK);
	kg_store_free(store);
	free(claims);
	assert_int_equal(kg_claims_read(&claims, &count, f.dir), KG_OK);
	assert_int_equal(claims[0].sequence, f.swarm.head.sequence);
	free(claims);
	kg_memory_free(memory);
	fixture_remove(&f);
}

/* All of the memory is an older copy, and grows past where it was before. */
static void test_carrier__a_witness_of_what_was_put_back_stays(void **state)
{
	kg_verify_options options = {0};
	kg_entry_head *claims = NULL;
	kg_store *store = NULL;
	kg_verdict verdict;
	kg_chain_head back;
	kg_memory *memory;
	kg_commit lost;
	fixture f;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	assert_int_equal(fixture_shell(&f, NULL, "cp -a memory.git older.git"), 0);
	back = f.swarm.head;
	(void)fixture_checkpoint(&f, memory);
	lost = f.swarm.head.commit;
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	assert_int_equal(fixture_shell(&f, NULL,
				       "rm -rf memory.git journal index.sqlite* &&"
				       " mv older.git memory.git"),
			 0);
	f.swarm.head = back;
	for (int i = 0; i < 4; i++) {
		memory = fixture_open(&f);
		f.now_ms += 1000;
		(void)fixture_checkpoint(&f, memory);
		assert_int_equal(kg_memory_settle(memory), KG_OK);
		kg_memory_free(memory);
	}
	assert_int_equal(kg_claims_read(&claims, &options.witness_count, f.dir), KG_OK);
	assert_int_equal(options.witness_count, 1);
	assert_memory_equal(claims[0].commit.bytes, lost.bytes, KG_COMMIT_SIZE);
	options.witness = claims;
	assert_int_equal(kg_store_open(&store, f.dir), KG_OK);
	assert_int_equal(kg_verify(&verdict, store, &f.swarm.swarm, &options), KG_OK);
	assert_int_equal(verdict.count, 1);
	assert_string_equal(verdict.findings[0].reason, "rolled_back");
	kg_verdict_release(&verdict);
	kg_store_free(store);
	free(claims);
	fixture_remove(&f);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(kg_pubkey));
}

static void test_carrier__claims_are_read_strictly(void **state)
{
	kg_entry_head *claims = calloc(KG_CLAIMS_MAX, sizeof(*claims));
	kg_pubkey keys[3];
	char text[1024];
	size_t size = 0;
	size_t count = 0;

	(void)state;
	assert_non_null(claims);
	for (unsigned i = 0; i < 3; i++) {
		kg_key *key = fixture_key((uint8_t)(i + 1));

		keys[i] = *kg_key_public(key);
		kg_key_free(key);
	}
	qsort(keys, 3, sizeof(keys[0]), by_key);
	for (unsigned i = 0; i < 3; i++) {
		char hex[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(hex, &keys[i]);
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%s %u00 %040x\n", hex,
					 i + 1, 7 * (i + 1));
	}
	assert_int_equal(kg_claims_parse(claims, &count, text, size), KG_OK);
	assert_int_equal(count, 3);
	assert_int_equal(claims[2].sequence, 300);
	assert_true(kg_pubkey_equal(&claims[2].agent, &keys[2]));
	assert_int_equal(claims[2].commit.bytes[KG_COMMIT_SIZE - 1], 21);
	for (size_t cut = 0; cut <= size; cut++)
		assert_int_equal(kg_claims_parse(claims, &count, text, cut),
				 cut % (size / 3) == 0 ? KG_OK : KG_ECORRUPT);
	/* No line is written in another way. */
	for (size_t i = 0; i < size; i++) {
		static const char others[] = {' ', '\n', '\t', '-', '+', 'G', 'A', '\0'};
		char was = text[i];

		for (size_t k = 0; k < sizeof(others); k++) {
			text[i] = others[k];
			assert_int_equal(kg_claims_parse(claims, &count, text, size),
					 others[k] == was ? KG_OK : KG_ECORRUPT);
		}
		text[i] = was;
	}
	/* Nor in another order. */
	memcpy(text + size / 3, text, size / 3);
	assert_int_equal(kg_claims_parse(claims, &count, text, size), KG_ECORRUPT);
	free(claims);
}

static void test_carrier__a_damaged_witness_is_written_anew(void **state)
{
	kg_entry_head *claims = NULL;
	kg_memory *memory;
	size_t count = 0;
	fixture f;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	assert_int_equal(fixture_shell(&f, NULL, "echo nonsense > witness"), 0);
	assert_int_equal(kg_claims_read(&claims, &count, f.dir), KG_ECORRUPT);
	(void)fixture_say(&f, memory, &f.agents[0], "something to witness");
	(void)fixture_checkpoint(&f, memory);
	assert_int_equal(kg_claims_read(&claims, &count, f.dir), KG_OK);
	assert_int_equal(count, 1);
	free(claims);
	kg_memory_free(memory);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carrier__submissions_go_on_while_it_works),
		cmocka_unit_test(test_carrier__a_flush_waits_for_what_was_durable),
		cmocka_unit_test(test_carrier__what_git_cannot_take_waits_in_the_journal),
		cmocka_unit_test(test_carrier__credit_shrinks_and_beyond_the_bound_is_full),
		cmocka_unit_test(test_carrier__the_journal_is_cut_where_git_is_durable),
		cmocka_unit_test(test_carrier__a_crash_between_any_two_steps_loses_nothing),
		cmocka_unit_test(test_carrier__a_fork_is_refused_and_kept_as_proof),
		cmocka_unit_test(test_carrier__of_one_author_eight_proofs_are_enough),
		cmocka_unit_test(test_carrier__a_stranger_and_a_broken_signature_prove_nothing),
		cmocka_unit_test(test_carrier__the_end_of_the_swarms_chain_is_told_outside_git),
		cmocka_unit_test(test_carrier__a_witness_of_what_was_put_back_stays),
		cmocka_unit_test(test_carrier__claims_are_read_strictly),
		cmocka_unit_test(test_carrier__a_damaged_witness_is_written_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
