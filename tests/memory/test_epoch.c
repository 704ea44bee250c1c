/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/chain.h"
#include "memory/epoch.h"
#include "memory/verify.h"

enum { HOUR = 3600000, BEATS = 12, STEPS_MAX = 64 };

/* agent-0: an insight, twelve heartbeats of which the fourth is cited, a trace that cites the
 * seventh and is cited, an insight that cites the trace. agent-1: an insight that cites the fourth
 * heartbeat. agent-2: heartbeats alone. All of it two days ago. */
typedef struct {
	fixture f;
	kg_entry_id beats[BEATS];
	kg_entry_id trace;
	kg_entry_id insights[3];
	kg_commit old_tips[3];
	kg_store *store;
	kg_admit admit;
	kg_epoch_plan plan;
	int64_t now_ms; /* two days later */
} scene;

static kg_entry_id say(scene *s, kg_memory *memory, author *who, kg_entry_type type,
		       const char *text, const kg_entry_id *cited)
{
	kg_receipt receipt;
	kg_entry_id id;
	kg_buf object;
	kg_entry e;

	kg_entry_init(&e, type);
	assert_int_equal(kg_entry_set_text(&e, text, strlen(text)), KG_OK);
	if (cited != NULL)
		assert_int_equal(kg_entry_add_reference(&e, cited), KG_OK);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	id = fixture_sign(&object, who, &e, s->f.now_ms).id;
	if (kg_memory_submit(memory, &receipt, object.data, object.size, s->f.now_ms) != KG_OK)
		fail_msg("%s: %s", text, kg_err_text());
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	kg_buf_release(&object);
	kg_entry_release(&e);
	return id;
}

static void say_all(scene *s, kg_memory *m)
{
	author *a = s->f.agents;

	s->insights[0] = say(s, m, &a[0], KG_ENTRY_INSIGHT, "Yellow and blue make green.", NULL);
	for (int i = 0; i < BEATS; i++)
		s->beats[i] = say(s, m, &a[0], KG_ENTRY_HEARTBEAT, "alive", NULL);
	s->trace = say(s, m, &a[0], KG_ENTRY_TRACE, "learning", &s->beats[6]);
	s->insights[1] = say(s, m, &a[0], KG_ENTRY_INSIGHT, "Two and two are four.", &s->trace);
	s->insights[2] = say(s, m, &a[1], KG_ENTRY_INSIGHT, "I saw it alive.", &s->beats[3]);
	for (int i = 0; i < 3; i++)
		(void)say(s, m, &a[2], KG_ENTRY_HEARTBEAT, "alive too", NULL);
	(void)fixture_checkpoint(&s->f, m);
}

static void load(scene *s)
{
	assert_int_equal(kg_store_create(&s->store, s->f.dir, &s->f.swarm.swarm), KG_OK);
	assert_int_equal(kg_admit_init(&s->admit, &s->f.swarm.swarm, 0), KG_OK);
	assert_int_equal(kg_chain_load(&s->admit, s->store), KG_OK);
}

static void unload(scene *s)
{
	kg_epoch_plan_release(&s->plan);
	kg_admit_release(&s->admit);
	kg_store_free(s->store);
	s->store = NULL;
}

static kg_epoch_terms terms_of(const scene *s)
{
	return (kg_epoch_terms){s->now_ms, 24 * HOUR, 30 * HOUR};
}

static int setup(void **state)
{
	scene *s = calloc(1, sizeof(*s));
	kg_epoch_terms terms;
	kg_memory *memory;

	assert_non_null(s);
	fixture_make(&s->f);
	s->now_ms = s->f.now_ms + 48 * HOUR;
	terms = terms_of(s);
	memory = fixture_open(&s->f);
	say_all(s, memory);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	load(s);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			kg_store_tip(s->store, &s->old_tips[i], kg_key_public(s->f.agents[i].key)),
			KG_OK);
	assert_int_equal(kg_epoch_plan_make(&s->plan, s->store, &s->admit, &terms), KG_OK);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	scene *s = *state;

	unload(s);
	fixture_remove(&s->f);
	free(s);
	return kg_secret_used() == 0 ? 0 : -1;
}

/* ---- carrying out ---- */

typedef struct {
	scene *s;
	int steps;
	int end_at; /* the step before which the process is killed; -1: none */
} hands_data;

static kg_err key_of(void *payload, kg_key **out, const kg_epoch_chain *chain)
{
	const hands_data *data = payload;

	for (int i = 0; i < 3; i++)
		if (strcmp(data->s->f.agents[i].name, chain->name) == 0)
			return kg_key_new(out, kg_key_seed(data->s->f.agents[i].key));
	return kg_fail(KG_ENOTFOUND, "no key");
}

static void count_step(void *payload, const char *what)
{
	hands_data *data = payload;

	assert_true(what[0] != '\0');
	if (data->steps++ == data->end_at)
		_exit(9);
}

static kg_err carry_out(scene *s, int end_at, int *steps)
{
	hands_data data = {.s = s, .end_at = end_at};
	const kg_epoch_hands hands = {.swarm_key = s->f.swarm.key,
				      .key = key_of,
				      .step = count_step,
				      .payload = &data,
				      .now_ms = s->now_ms};
	kg_err err = kg_epoch_carry_out(&s->plan, s->store, &s->admit, &hands);

	if (steps != NULL)
		*steps = data.steps;
	return err;
}

static void assert_verified(scene *s)
{
	kg_verdict verdict = {0};

	assert_int_equal(kg_verify(&verdict, s->store, &s->f.swarm.swarm, NULL), KG_OK);
	if (verdict.count > 0)
		fail_msg("%s: %s", verdict.findings[0].reason, verdict.findings[0].detail);
	kg_verdict_release(&verdict);
}

/* The entries of a chain, oldest first. */
typedef struct {
	kg_entry_id ids[64];
	uint64_t carried[64];
	uint64_t sequences[64];
	kg_entry_epoch epoch;
	bool has_epoch;
	size_t count;
} told;

static kg_err tell_visit(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
			 bool verified, bool *stop)
{
	told *t = payload;

	(void)stop;
	assert_true(verified);
	assert_true(t->count < 64);
	memmove(t->ids + 1, t->ids, t->count * sizeof(t->ids[0]));
	memmove(t->carried + 1, t->carried, t->count * sizeof(t->carried[0]));
	memmove(t->sequences + 1, t->sequences, t->count * sizeof(t->sequences[0]));
	t->ids[0] = proof->id;
	t->carried[0] = entry->carried;
	t->sequences[0] = entry->sequence;
	t->count++;
	t->has_epoch = t->has_epoch || entry->has_epoch;
	if (entry->has_epoch)
		t->epoch = entry->epoch;
	return KG_OK;
}

static void tell(told *t, scene *s, int agent)
{
	kg_commit tip;

	memset(t, 0, sizeof(*t));
	assert_int_equal(kg_store_tip(s->store, &tip, kg_key_public(s->f.agents[agent].key)),
			 KG_OK);
	assert_int_equal(kg_chain_walk(s->store, &tip, tell_visit, t), KG_OK);
}

static const kg_epoch_chain *chain_of(const scene *s, const char *name)
{
	for (size_t i = 0; i < s->plan.count; i++)
		if (strcmp(s->plan.chains[i].name, name) == 0)
			return &s->plan.chains[i];
	fail_msg("no chain of %s", name);
	return NULL;
}

/* ---- tests ---- */

static void test_epoch__what_expires_is_heartbeats_and_traces_of_an_age(void **state)
{
	const kg_epoch_terms terms = {1000, 10, 20};
	const kg_epoch_terms never = {1000, 0, 0};

	(void)state;
	assert_true(kg_epoch_is_expired(&terms, KG_ENTRY_HEARTBEAT, 989));
	assert_false(kg_epoch_is_expired(&terms, KG_ENTRY_HEARTBEAT, 990));
	assert_false(kg_epoch_is_expired(&terms, KG_ENTRY_TRACE, 980));
	assert_true(kg_epoch_is_expired(&terms, KG_ENTRY_TRACE, 979));
	for (int type = 0; type < KG_ENTRY_TYPES; type++) {
		assert_false(kg_epoch_is_expired(&never, (kg_entry_type)type, 0));
		if (type != KG_ENTRY_HEARTBEAT && type != KG_ENTRY_TRACE)
			assert_false(kg_epoch_is_expired(&terms, (kg_entry_type)type, 0));
	}
}

static void test_epoch__what_is_referred_to_is_kept(void **state)
{
	scene *s = *state;
	const kg_epoch_chain *first = chain_of(s, "agent-0");

	/* Of twelve heartbeats one is cited by another agent, one by the trace, which is cited. */
	assert_int_equal(first->count, 15);
	assert_int_equal(first->expired, 10);
	assert_true(first->worth);
	assert_true(first->items[1 + 3].keep);
	assert_true(first->items[1 + 6].keep);
	assert_true(first->items[13].keep);
	assert_int_equal(chain_of(s, "agent-1")->expired, 0);
	assert_false(chain_of(s, "agent-1")->worth);
	assert_int_equal(chain_of(s, "agent-2")->expired, 3);
	assert_int_equal(s->plan.worth, 2);
	assert_int_equal(s->plan.count, 3);
}

static void test_epoch__kept_entries_are_the_same_under_a_root_that_counts_them(void **state)
{
	scene *s = *state;
	crypto_generichash_state hash;
	static const char tag[] = "\x15kindergarten epoch v1";
	uint8_t digest[32];
	told before;
	told after;

	tell(&before, s, 0);
	assert_int_equal(carry_out(s, -1, NULL), KG_OK);
	assert_false(kg_epoch_is_halfway(s->f.dir));
	tell(&after, s, 0);
	assert_int_equal(after.count, 6);
	assert_true(after.has_epoch);
	assert_int_equal(after.epoch.number, 1);
	assert_int_equal(after.epoch.kept, 5);
	assert_int_equal(after.epoch.dropped, 10);
	assert_int_equal(after.epoch.old.sequence, 15);
	assert_memory_equal(after.epoch.old.commit.bytes, s->old_tips[0].bytes, KG_COMMIT_SIZE);
	crypto_generichash_init(&hash, NULL, 0, 32);
	crypto_generichash_update(&hash, (const uint8_t *)tag, sizeof(tag) - 1);
	for (size_t i = 0; i < before.count; i++)
		crypto_generichash_update(&hash, before.ids[i].bytes, KG_HASH_SIZE);
	crypto_generichash_final(&hash, digest, 32);
	assert_memory_equal(after.epoch.digest, digest, 32);
	assert_memory_equal(after.ids[1].bytes, s->insights[0].bytes, KG_HASH_SIZE);
	assert_memory_equal(after.ids[2].bytes, s->beats[3].bytes, KG_HASH_SIZE);
	assert_memory_equal(after.ids[3].bytes, s->beats[6].bytes, KG_HASH_SIZE);
	assert_memory_equal(after.ids[4].bytes, s->trace.bytes, KG_HASH_SIZE);
	assert_memory_equal(after.ids[5].bytes, s->insights[1].bytes, KG_HASH_SIZE);
	for (size_t i = 0; i < after.count; i++)
		assert_int_equal(after.sequences[i], 16 + i);
	assert_int_equal(after.carried[1], 1);
	assert_int_equal(after.carried[2], 5);
	/* Nothing was kept of agent-2: its root alone. */
	tell(&after, s, 2);
	assert_int_equal(after.count, 1);
	assert_int_equal(after.epoch.dropped, 3);
	assert_verified(s);
}

static void test_epoch__stock_git_accepts_what_is_left(void **state)
{
	scene *s = *state;
	char hex[KG_COMMIT_TEXT_SIZE];
	kg_buf out;

	assert_int_equal(carry_out(s, -1, NULL), KG_OK);
	assert_int_equal(kg_store_repack(s->store, NULL, NULL), KG_OK);
	assert_int_equal(fixture_shell(&s->f, NULL, "git -C memory.git fsck --strict"), 0);
	assert_int_equal(
		fixture_shell(
			&s->f, NULL,
			"git -C memory.git verify-commit $(git -C memory.git rev-list --all)"),
		0);
	kg_buf_init(&out, 1 << 20);
	assert_int_equal(fixture_shell(&s->f, &out,
				       "git clone -q --mirror memory.git c.git && "
				       "git -C c.git rev-list --all --count"),
			 0);
	/* Six, one of agent-1, one root, and the swarm's own three. */
	assert_string_equal(kg_buf_text(&out), "11\n");
	kg_buf_release(&out);
	kg_commit_format(hex, &s->old_tips[0]);
	assert_int_not_equal(
		fixture_shell(&s->f, NULL, "git -C memory.git cat-file -e %s 2>/dev/null", hex), 0);
	assert_verified(s);
}

/* The process ends before each of the steps in turn. At any time every ref is a whole chain; after
 * the next opening all of it has happened or nothing. */
static void test_epoch__killed_at_any_step_the_old_or_the_new_chain_is_there(void **state)
{
	scene *s = *state;
	bool was_old = false;
	bool was_new = false;
	int steps = STEPS_MAX;

	assert_int_equal(fixture_shell(&s->f, NULL, "cp -r memory.git before.git"), 0);
	for (int n = 0; n < steps; n++) {
		kg_memory *memory;
		told first;
		told third;
		int status;
		pid_t pid;

		pid = fork();
		if (pid == 0)
			_exit(carry_out(s, n, NULL) == KG_OK ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 0) {
			steps = n;
			break;
		}
		assert_int_equal(WEXITSTATUS(status), 9);
		assert_int_equal(fixture_shell(&s->f, NULL, "git -C memory.git fsck --strict"), 0);
		/* The store of this process has looked at other refs and packs. */
		kg_store_free(s->store);
		assert_int_equal(kg_store_create(&s->store, s->f.dir, &s->f.swarm.swarm), KG_OK);
		tell(&first, s, 0);
		assert_true(first.count == 15 || first.count == 6);
		assert_int_equal(kg_memory_open(&memory, s->f.dir, &s->f.swarm.swarm, NULL, NULL),
				 KG_OK);
		kg_memory_free(memory);
		assert_false(kg_epoch_is_halfway(s->f.dir));
		tell(&first, s, 0);
		tell(&third, s, 2);
		assert_true((first.count == 15 && third.count == 3) ||
			    (first.count == 6 && third.count == 1));
		was_old = was_old || first.count == 15;
		was_new = was_new || first.count == 6;
		assert_verified(s);
		assert_int_equal(fixture_shell(&s->f, NULL,
					       "rm -rf memory.git && cp -r before.git memory.git"),
				 0);
	}
	/* Two chains written, the note, three refs, and striking the note. */
	assert_int_equal(steps, 7);
	assert_true(was_old);
	assert_true(was_new);
}

static void test_epoch__it_goes_on_behind_and_may_be_compacted_again(void **state)
{
	scene *s = *state;
	kg_epoch_terms terms;
	kg_memory *memory;
	told after;

	assert_int_equal(carry_out(s, -1, NULL), KG_OK);
	unload(s);
	/* Writers learn where the chain ends now. */
	s->f.now_ms = s->now_ms;
	assert_int_equal(kg_memory_open(&memory, s->f.dir, &s->f.swarm.swarm, NULL, NULL), KG_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kg_memory_head(memory, &s->f.agents[i].head, NULL,
						kg_key_public(s->f.agents[i].key)),
				 KG_OK);
	assert_int_equal(
		kg_memory_head(memory, &s->f.swarm.head, NULL, kg_key_public(s->f.swarm.key)),
		KG_OK);
	for (int i = 0; i < 4; i++)
		(void)say(s, memory, &s->f.agents[0], KG_ENTRY_HEARTBEAT, "alive again", NULL);
	(void)fixture_say(&s->f, memory, &s->f.agents[2], "agent-2 has something to say");
	(void)fixture_checkpoint(&s->f, memory);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);

	s->now_ms += 48 * HOUR;
	terms = terms_of(s);
	load(s);
	assert_verified(s);
	assert_int_equal(kg_epoch_plan_make(&s->plan, s->store, &s->admit, &terms), KG_OK);
	assert_int_equal(chain_of(s, "agent-0")->number, 1);
	/* The old root is among what goes. */
	assert_int_equal(chain_of(s, "agent-0")->expired, 5);
	assert_int_equal(carry_out(s, -1, NULL), KG_OK);
	tell(&after, s, 0);
	assert_int_equal(after.count, 6);
	assert_int_equal(after.epoch.number, 2);
	assert_memory_equal(after.ids[5].bytes, s->insights[1].bytes, KG_HASH_SIZE);
	assert_verified(s);
}

/* Two indexes, one that followed and one made from nothing, tell the same. */
static void test_epoch__the_index_made_anew_is_of_the_new_chains(void **state)
{
	scene *s = *state;
	kg_index_filter filter = {.limit = 100};
	kg_index_rows rows = {0};
	kg_memory *memory;
	uint64_t entries;

	assert_int_equal(carry_out(s, -1, NULL), KG_OK);
	assert_int_equal(kg_memory_open(&memory, s->f.dir, &s->f.swarm.swarm, NULL, NULL), KG_OK);
	assert_int_equal(kg_memory_reindex(memory, &entries), KG_OK);
	assert_int_equal(entries, 11);
	assert_int_equal(kg_memory_recall(memory, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 11);
	for (size_t i = 0; i < rows.count; i++)
		assert_true(rows.rows[i].verified);
	kg_index_rows_release(&rows);
	filter.query = "yellow";
	assert_int_equal(kg_memory_recall(memory, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 1);
	assert_memory_equal(rows.rows[0].proof.id.bytes, s->insights[0].bytes, KG_HASH_SIZE);
	kg_index_rows_release(&rows);
	kg_memory_free(memory);
}

static void test_epoch__a_note_that_is_none_is_told(void **state)
{
	static const char *const bad[] = {"", "nonsense\n", "kindergarten-epochs 1\nabc\n",
					  "kindergarten-epochs 1\nabc"};
	scene *s = *state;
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/epochs", s->f.dir), KG_OK);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(kg_fs_write(path, bad[i], strlen(bad[i]), 0600), KG_OK);
		assert_int_equal(kg_epoch_recover(s->store), KG_ECORRUPT);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(kg_epoch_recover(s->store), KG_OK);
}

static void test_epoch__a_note_that_is_cut_is_told(void **state)
{
	scene *s = *state;
	char agent[KG_PUBKEY_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];
	char path[KG_PATH_SIZE];
	char note[512];
	int head = snprintf(note, sizeof(note), "kindergarten-epochs 1\n");
	int size;

	kg_pubkey_format(agent, kg_key_public(s->f.agents[0].key));
	kg_commit_format(commit, &s->old_tips[0]);
	size = head + snprintf(note + head, sizeof(note) - (size_t)head, "%s %s %s\n", agent,
			       commit, commit);
	assert_int_equal(kg_path(path, "%s/epochs", s->f.dir), KG_OK);
	for (int cut = 0; cut <= size; cut++) {
		assert_int_equal(kg_fs_write(path, note, (size_t)cut, 0600), KG_OK);
		assert_int_equal(kg_epoch_recover(s->store),
				 cut == head || cut == size ? KG_OK : KG_ECORRUPT);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_epoch__##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epoch__what_expires_is_heartbeats_and_traces_of_an_age),
		TEST(what_is_referred_to_is_kept),
		TEST(kept_entries_are_the_same_under_a_root_that_counts_them),
		TEST(stock_git_accepts_what_is_left),
		TEST(killed_at_any_step_the_old_or_the_new_chain_is_there),
		TEST(it_goes_on_behind_and_may_be_compacted_again),
		TEST(the_index_made_anew_is_of_the_new_chains),
		TEST(a_note_that_is_none_is_told),
		TEST(a_note_that_is_cut_is_told),
	};

	return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
