/* SPDX-License-Identifier: MIT */
/* The outbox with real keys and signatures: order, acknowledgement, a chain that ends elsewhere, a
 * process that was killed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/outbox.h"
#include "agent/outfile.h"
#include "base/fs.h"
#include "identity/author.h"

typedef struct {
	kg_key *key;
	kg_pubkey swarm;
	kg_outbox *outbox;
	uint64_t done[16];
	kg_entry_id ids[16];
	size_t done_count;
} scene;

static void on_done(void *data, uint64_t ticket, const kg_entry *entry, const kg_entry_proof *proof)
{
	scene *s = data;
	assert_true(entry->sequence > 0);
	s->ids[s->done_count] = proof->id;
	s->done[s->done_count++] = ticket;
}

static void begin_in(scene *s, const char *state_dir, const kg_chain_head *head)
{
	bool moved;
	assert_int_equal(
		kg_outbox_new(&s->outbox, &s->swarm, s->key, "agent-0", state_dir, on_done, s),
		KG_OK);
	assert_int_equal(kg_outbox_rebase(s->outbox, head, 1700000000000, &moved), KG_OK);
}

static void begin(scene *s, const kg_chain_head *head)
{
	const uint8_t seed[KG_KEY_SEED_SIZE] = {9};
	kg_key *swarm = NULL;
	memset(s, 0, sizeof(*s));
	assert_int_equal(kg_key_new(&s->key, seed), KG_OK);
	assert_int_equal(kg_key_generate(&swarm), KG_OK);
	s->swarm = *kg_key_public(swarm);
	kg_key_free(swarm);
	begin_in(s, NULL, head);
}

static void end(scene *s)
{
	kg_outbox_free(s->outbox);
	kg_key_free(s->key);
}

static uint64_t put(scene *s, const char *text)
{
	kg_entry entry;
	uint64_t ticket = 0;
	kg_entry_init(&entry, KG_ENTRY_OBSERVATION);
	assert_int_equal(kg_entry_set_text(&entry, text, strlen(text)), KG_OK);
	assert_int_equal(kg_outbox_put(s->outbox, &entry, 1700000000000, &ticket), KG_OK);
	assert_true(ticket != 0);
	kg_entry_release(&entry);
	return ticket;
}

/* Takes the next due entry as the keeper would: opened and verified. */
static kg_entry_proof take(scene *s, uint64_t want, uint64_t request, uint64_t sequence)
{
	uint64_t ticket = 0;
	const uint8_t *object = NULL;
	size_t size = 0;
	kg_entry entry;
	kg_entry_proof proof;
	assert_true(kg_outbox_due(s->outbox, 0, &ticket, &object, &size));
	assert_int_equal(ticket, want);
	assert_int_equal(kg_entry_open(&entry, &proof, object, size), KG_OK);
	assert_int_equal(entry.sequence, sequence);
	assert_string_equal(entry.agent_name, "agent-0");
	kg_entry_release(&entry);
	kg_outbox_sent(s->outbox, ticket, request, 100);
	return proof;
}

static void test_outbox__entries_leave_in_order_and_follow_each_other(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	begin(&s, &none);
	uint64_t a = put(&s, "one"), b = put(&s, "two");
	kg_entry_proof first = take(&s, a, 11, 1), second = take(&s, b, 12, 2);
	assert_false(first.has_parent);
	assert_true(second.has_parent);
	assert_memory_equal(&second.parent, &first.commit, sizeof(kg_commit));

	uint64_t ticket;
	const uint8_t *object;
	size_t size;
	assert_false(kg_outbox_due(s.outbox, 99, &ticket, &object, &size));
	assert_true(kg_outbox_due(s.outbox, 100, &ticket, &object, &size));
	assert_int_equal(ticket, a);
	assert_true(kg_outbox_knows(s.outbox, 12));
	assert_false(kg_outbox_knows(s.outbox, 13));
	assert_false(kg_outbox_knows(s.outbox, 0));
	end(&s);
}

static void test_outbox__an_acknowledgement_covers_what_is_before(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	begin(&s, &none);
	uint64_t a = put(&s, "one"), b = put(&s, "two"), c = put(&s, "three");
	take(&s, a, 1, 1);
	kg_entry_proof second = take(&s, b, 2, 2);
	const kg_entry_id unknown = {{1}};
	assert_false(kg_outbox_acknowledge(s.outbox, &unknown));
	assert_true(kg_outbox_acknowledge(s.outbox, &second.id));
	assert_int_equal(s.done_count, 2);
	assert_int_equal(s.done[0], a);
	assert_int_equal(s.done[1], b);
	assert_int_equal(kg_outbox_count(s.outbox), 1);
	assert_false(kg_outbox_acknowledge(s.outbox, &second.id));
	kg_entry_proof third = take(&s, c, 3, 3);
	assert_memory_equal(&third.parent, &second.commit, sizeof(kg_commit));
	end(&s);
}

static void test_outbox__a_restarted_keeper_that_has_it_says_so_by_its_head(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	bool moved = true;
	begin(&s, &none);
	uint64_t a = put(&s, "one"), b = put(&s, "two");
	kg_entry_proof first = take(&s, a, 1, 1);
	take(&s, b, 2, 2);
	const kg_chain_head head = {
		.sequence = 1, .time_ms = 1700000000000, .commit = first.commit};
	assert_int_equal(kg_outbox_rebase(s.outbox, &head, 1700000000001, &moved), KG_OK);
	assert_false(moved);
	assert_int_equal(s.done_count, 1);
	assert_int_equal(s.done[0], a);
	/* The second is sent again at once, unchanged. */
	kg_entry_proof again = take(&s, b, 3, 2);
	assert_memory_equal(&again.parent, &first.commit, sizeof(kg_commit));
	end(&s);
}

static void test_outbox__a_chain_that_ends_elsewhere_moves_what_never_left(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	const kg_chain_head other = {.sequence = 7, .time_ms = 1600000005000, .commit = {{0xab}}};
	scene s;
	bool moved = false;
	begin(&s, &none);
	uint64_t a = put(&s, "one"), b = put(&s, "two");
	assert_int_equal(kg_outbox_rebase(s.outbox, &other, 1700000000001, &moved), KG_OK);
	assert_true(moved);
	assert_int_equal(s.done_count, 0);
	kg_entry_proof first = take(&s, a, 2, 8), second = take(&s, b, 3, 9);
	assert_memory_equal(&first.parent, &other.commit, sizeof(kg_commit));
	assert_memory_equal(&second.parent, &first.commit, sizeof(kg_commit));
	end(&s);
}

/* An entry that someone may have must not be signed for another place before the keeper has said
 * that it is not in this one. */
static void test_outbox__what_may_have_left_moves_only_when_it_is_refused(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	const kg_chain_head other = {.sequence = 7, .time_ms = 1600000005000, .commit = {{0xab}}};
	uint64_t ticket;
	const uint8_t *object;
	size_t size;
	scene s;
	bool moved = true;
	begin(&s, &none);
	uint64_t a = put(&s, "one"), b = put(&s, "two");
	kg_entry_proof before = take(&s, a, 1, 1);
	assert_int_equal(kg_outbox_rebase(s.outbox, &other, 1700000000001, &moved), KG_OK);
	assert_false(moved);
	/* The same bytes again, and nothing behind them. */
	kg_entry_proof again = take(&s, a, 2, 1);
	assert_memory_equal(&again.commit, &before.commit, sizeof(kg_commit));
	assert_false(kg_outbox_due(s.outbox, 0, &ticket, &object, &size));
	kg_outbox_refuse(s.outbox, 2);
	assert_int_equal(kg_outbox_rebase(s.outbox, &other, 1700000000001, &moved), KG_OK);
	assert_true(moved);
	kg_entry_proof first = take(&s, a, 3, 8), second = take(&s, b, 4, 9);
	assert_memory_equal(&first.parent, &other.commit, sizeof(kg_commit));
	assert_memory_equal(&second.parent, &first.commit, sizeof(kg_commit));
	end(&s);
}

static void test_outbox__a_moved_entry_keeps_its_time_behind_an_older_head(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	const kg_chain_head older = {.sequence = 3, .time_ms = 1600000000000, .commit = {{1}}};
	const kg_chain_head newer = {.sequence = 4, .time_ms = 1800000000000, .commit = {{2}}};
	const int64_t times[] = {1700000000000, 1800000000000};
	const kg_chain_head *const heads[] = {&older, &newer};
	for (int i = 0; i < 2; i++) {
		scene s;
		bool moved = false;
		kg_entry entry;
		kg_entry_proof proof;
		uint64_t ticket;
		const uint8_t *object;
		size_t size;
		begin(&s, &none);
		put(&s, "one");
		assert_int_equal(kg_outbox_rebase(s.outbox, heads[i], 1900000000000, &moved),
				 KG_OK);
		assert_true(moved);
		assert_true(kg_outbox_due(s.outbox, 0, &ticket, &object, &size));
		assert_int_equal(kg_entry_open(&entry, &proof, object, size), KG_OK);
		assert_true(i == 0 ? entry.time_ms == times[0] : entry.time_ms > times[1]);
		kg_entry_release(&entry);
		end(&s);
	}
}

static void test_outbox__no_more_are_on_the_way_than_the_keeper_allows(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	uint64_t tickets[6], ticket;
	const uint8_t *object;
	size_t size;
	scene s;
	begin(&s, &none);
	for (int i = 0; i < 6; i++) {
		tickets[i] = put(&s, "x");
	}
	kg_outbox_allow(s.outbox, 2);
	take(&s, tickets[0], 1, 1);
	kg_entry_proof second = take(&s, tickets[1], 2, 2);
	assert_false(kg_outbox_due(s.outbox, 0, &ticket, &object, &size));
	assert_true(kg_outbox_acknowledge(s.outbox, &second.id));
	take(&s, tickets[2], 3, 3);
	kg_outbox_allow(s.outbox, 0); /* there is always one */
	assert_false(kg_outbox_due(s.outbox, 0, &ticket, &object, &size));
	kg_outbox_allow(s.outbox, INT64_MAX);
	take(&s, tickets[3], 4, 4);
	take(&s, tickets[4], 5, 5);
	take(&s, tickets[5], 6, 6);
	end(&s);
}

static void test_outbox__what_is_refused_for_good_is_dropped(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	bool moved = false;
	uint64_t ticket = 0;
	begin(&s, &none);
	uint64_t a = put(&s, "one"), b = put(&s, "two");
	take(&s, a, 1, 1);
	take(&s, b, 2, 2);
	assert_false(kg_outbox_drop(s.outbox, 3, &ticket));
	assert_true(kg_outbox_drop(s.outbox, 1, &ticket));
	assert_int_equal(ticket, a);
	/* The second may have left as well: it is asked about once more, and then moves. */
	assert_int_equal(kg_outbox_rebase(s.outbox, &none, 1700000000001, &moved), KG_OK);
	assert_false(moved);
	take(&s, b, 4, 2);
	kg_outbox_refuse(s.outbox, 4);
	assert_int_equal(kg_outbox_rebase(s.outbox, &none, 1700000000001, &moved), KG_OK);
	assert_true(moved);
	take(&s, b, 5, 1);
	end(&s);
}

static kg_err put_type(scene *s, kg_entry_type type)
{
	kg_entry entry;
	kg_entry_init(&entry, type);
	assert_int_equal(kg_entry_set_text(&entry, "x", 1), KG_OK);
	return kg_outbox_put(s->outbox, &entry, 1700000000000, NULL);
}

static void test_outbox__heartbeats_and_traces_are_the_first_to_find_no_place(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	begin(&s, &none);
	for (int i = 0; i < KG_OUTBOX_SPARE; i++) {
		assert_int_equal(put_type(&s, i % 2 ? KG_ENTRY_TRACE : KG_ENTRY_HEARTBEAT), KG_OK);
	}
	assert_int_equal(put_type(&s, KG_ENTRY_TRACE), KG_EFULL);
	assert_int_equal(put_type(&s, KG_ENTRY_HEARTBEAT), KG_EFULL);
	for (int i = KG_OUTBOX_SPARE; i < KG_OUTBOX_MAX; i++) {
		assert_int_equal(put_type(&s, KG_ENTRY_OBSERVATION), KG_OK);
	}
	assert_int_equal(put_type(&s, KG_ENTRY_OBSERVATION), KG_EFULL);
	assert_int_equal(kg_outbox_count(s.outbox), KG_OUTBOX_MAX);
	end(&s);
}

/* ---- on disk ---- */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/kg-outbox-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *file_path(void)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/outbox/agent-0", dir);
	return path;
}

/* The same author in a new process: nothing of the old one but the file. */
static void begin_again(scene *s, const kg_chain_head *head)
{
	kg_outbox_free(s->outbox);
	s->done_count = 0;
	begin_in(s, dir, head);
}

static void test_outbox__who_was_killed_sends_the_very_same_bytes(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	struct stat st;
	scene s;
	begin(&s, &none);
	begin_again(&s, &none);
	uint64_t a = put(&s, "one");
	put(&s, "two");
	kg_entry_proof first = take(&s, a, 1, 1);
	assert_int_equal(stat(file_path(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	begin_again(&s, &none);
	assert_int_equal(kg_outbox_count(s.outbox), 2);
	kg_entry_proof again = take(&s, 1, 1, 1);
	assert_memory_equal(&again.commit, &first.commit, sizeof(kg_commit));
	/* What comes now stands behind both. */
	put(&s, "three");
	take(&s, 2, 2, 2);
	kg_entry_proof third = take(&s, 3, 3, 3);
	assert_true(kg_outbox_acknowledge(s.outbox, &third.id));
	assert_int_equal(s.done_count, 3);
	assert_int_equal(stat(file_path(), &st), 0);
	assert_int_equal(st.st_size, KG_OUTFILE_HEADER_SIZE);
	end(&s);
}

static void test_outbox__what_was_stored_meanwhile_is_done(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	begin(&s, &none);
	begin_again(&s, &none);
	uint64_t a = put(&s, "one");
	put(&s, "two");
	kg_entry_proof first = take(&s, a, 1, 1);
	const kg_chain_head head = {
		.sequence = 1, .time_ms = 1700000000000, .commit = first.commit};
	begin_again(&s, &head);
	assert_int_equal(s.done_count, 1);
	assert_memory_equal(&s.ids[0], &first.id, sizeof(kg_entry_id));
	assert_int_equal(kg_outbox_count(s.outbox), 1);
	end(&s);
}

static void test_outbox__another_key_does_not_send_what_is_not_its_own(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	const uint8_t seed[KG_KEY_SEED_SIZE] = {10};
	scene s;
	begin(&s, &none);
	begin_again(&s, &none);
	put(&s, "one");
	kg_key_free(s.key);
	assert_int_equal(kg_key_new(&s.key, seed), KG_OK);
	begin_again(&s, &none);
	assert_int_equal(kg_outbox_count(s.outbox), 0);
	end(&s);
}

static void test_outbox__two_processes_do_not_sign_with_one_key(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	int status = 0;
	scene s;
	begin(&s, &none);
	begin_again(&s, &none);
	pid_t pid = fork();
	if (pid == 0) {
		kg_outbox *other = NULL;
		kg_err err = kg_outbox_new(&other, &s.swarm, s.key, "agent-0", dir, NULL, NULL);
		_exit(err == KG_ECONFLICT && strstr(kg_err_text(), "signs as agent-0") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	int fd = -1;
	kg_outbox_free(s.outbox);
	s.outbox = NULL;
	assert_int_equal(kg_author_lock(&fd, dir, "agent-0"), KG_OK);
	close(fd);
	end(&s);
}

static void test_outbox__a_file_cut_anywhere_gives_what_is_whole_before_the_cut(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	kg_buf whole;
	begin(&s, &none);
	begin_again(&s, &none);
	put(&s, "one");
	put(&s, "two");
	kg_buf_init(&whole, 1 << 20);
	assert_int_equal(kg_fs_read(&whole, file_path()), KG_OK);
	size_t seen = 0;
	for (size_t cut = 0; cut <= whole.size; cut++) {
		kg_outbox_free(s.outbox);
		s.outbox = NULL;
		int fd = open(file_path(), O_WRONLY | O_TRUNC);
		assert_true(fd >= 0);
		assert_int_equal(kg_fs_write_all(fd, whole.data, cut), KG_OK);
		close(fd);
		begin_again(&s, &none);
		assert_true(kg_outbox_count(s.outbox) >= seen);
		seen = kg_outbox_count(s.outbox);
		/* And it can be written on. */
		put(&s, "x");
		begin_again(&s, &none);
		assert_int_equal(kg_outbox_count(s.outbox), seen + 1);
	}
	assert_int_equal(seen, 2);
	kg_buf_release(&whole);
	end(&s);
}

static void test_outbox__what_a_full_disk_has_no_room_for_leaves_later(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	struct rlimit was, small;
	uint64_t ticket;
	const uint8_t *object;
	size_t size;
	scene s;
	begin(&s, &none);
	begin_again(&s, &none);
	uint64_t a = put(&s, "one");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){.rlim_cur = 1024, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	uint64_t b = put(&s, "two"), c = put(&s, "three");
	take(&s, a, 1, 1);
	assert_false(kg_outbox_due(s.outbox, 0, &ticket, &object, &size));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	take(&s, b, 2, 2);
	take(&s, c, 3, 3);
	begin_again(&s, &none);
	assert_int_equal(kg_outbox_count(s.outbox), 3);
	end(&s);
}

/* What is stored already stays in the file beside a full outbox. */
static void test_outbox__a_file_longer_than_the_outbox_is_taken_up_whole(void **state)
{
	(void)state;
	enum { STORED = 8 };
	const kg_chain_head none = {0};
	uint64_t tickets[STORED];
	scene s;
	begin(&s, &none);
	begin_again(&s, &none);
	for (uint64_t i = 0; i < KG_OUTBOX_MAX; i++) {
		uint64_t ticket = put(&s, "waits");
		if (i < STORED) {
			tickets[i] = ticket;
		}
	}
	for (uint64_t i = 0; i < STORED; i++) {
		take(&s, tickets[i], i + 1, i + 1);
	}
	assert_true(kg_outbox_stored(s.outbox, STORED));
	for (uint64_t i = 0; i < STORED; i++) {
		put(&s, "came later");
	}
	assert_int_equal(kg_outbox_count(s.outbox), KG_OUTBOX_MAX);
	begin_again(&s, &none);
	assert_int_equal(kg_outbox_count(s.outbox), KG_OUTBOX_MAX + STORED);
	end(&s);
}

static void test_outbox__what_is_no_outbox_is_left_alone(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	begin(&s, &none);
	begin_again(&s, &none);
	kg_outbox_free(s.outbox);
	s.outbox = NULL;
	assert_int_equal(kg_fs_write(file_path(), "KGOUTBX2 and more", 17, 0600), KG_OK);
	assert_int_equal(kg_outbox_new(&s.outbox, &s.swarm, s.key, "agent-0", dir, NULL, NULL),
			 KG_ECORRUPT);
	end(&s);
}

static void test_outbox__a_long_file_is_made_short_again(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	struct stat st;
	char *text = malloc(KG_ENTRY_TEXT_MAX);
	scene s;
	assert_non_null(text);
	memset(text, 'a', KG_ENTRY_TEXT_MAX);
	begin(&s, &none);
	begin_again(&s, &none);
	/* There is always one more that waits: never empty. */
	for (uint64_t i = 1; i < 60; i++) {
		kg_entry entry;
		kg_entry_init(&entry, KG_ENTRY_OBSERVATION);
		assert_int_equal(kg_entry_set_text(&entry, text, KG_ENTRY_TEXT_MAX), KG_OK);
		assert_int_equal(kg_outbox_put(s.outbox, &entry, 1700000000000, NULL), KG_OK);
		s.done_count = 0;
		if (i > 1) {
			kg_entry_proof proof = take(&s, i - 1, i, i - 1);
			assert_true(kg_outbox_acknowledge(s.outbox, &proof.id));
		}
	}
	assert_int_equal(kg_outbox_count(s.outbox), 1);
	assert_int_equal(stat(file_path(), &st), 0);
	assert_true(st.st_size < 2 << 20);
	begin_again(&s, &none);
	assert_true(kg_outbox_count(s.outbox) >= 1);
	free(text);
	end(&s);
}

/* ---- delivery to someone who answers at once ---- */

typedef struct {
	kg_chain_head head;
	unsigned taken;
	kg_err next; /* the answer to the next submission, once */
} clerk;

static kg_err clerk_submit(void *data, const uint8_t *object, size_t size)
{
	clerk *c = data;
	kg_entry entry;
	kg_entry_proof proof;
	kg_err err = c->next;
	c->next = KG_OK;
	if (err != KG_OK) {
		return err;
	}
	assert_int_equal(kg_entry_open(&entry, &proof, object, size), KG_OK);
	bool fits = entry.sequence == c->head.sequence + 1 &&
		    (c->head.sequence == 0 ||
		     memcmp(&proof.parent, &c->head.commit, sizeof(kg_commit)) == 0);
	if (fits) {
		c->head = (kg_chain_head){entry.sequence, entry.time_ms, entry.time_counter,
					  proof.commit};
		c->taken++;
	}
	kg_entry_release(&entry);
	return fits ? KG_OK : KG_ECONFLICT;
}

static kg_err clerk_head(void *data, kg_chain_head *head)
{
	*head = ((clerk *)data)->head;
	return KG_OK;
}

static void test_outbox__delivery_mends_what_can_be_mended(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	clerk c = {.head = {.sequence = 5, .time_ms = 1600000000000, .commit = {{3}}}};
	const kg_outbox_port port = {.data = &c, .submit = clerk_submit, .head = clerk_head};
	begin(&s, &none);
	put(&s, "one");
	put(&s, "two");
	assert_int_equal(kg_outbox_deliver(s.outbox, &port, 1700000000000), KG_OK);
	assert_int_equal(c.head.sequence, 7);
	assert_int_equal(s.done_count, 2);
	/* Nobody answers: it stays, and goes out unchanged later. */
	put(&s, "three");
	c.next = KG_ETIMEOUT;
	assert_int_equal(kg_outbox_deliver(s.outbox, &port, 1700000000000), KG_ETIMEOUT);
	assert_int_equal(kg_outbox_count(s.outbox), 1);
	assert_int_equal(kg_outbox_deliver(s.outbox, &port, 1700000000000), KG_OK);
	assert_int_equal(c.head.sequence, 8);
	/* Refused for good: forgotten, and what is behind it closes the gap. */
	put(&s, "bad");
	put(&s, "good");
	c.next = KG_EDENIED;
	assert_int_equal(kg_outbox_deliver(s.outbox, &port, 1700000000000), KG_OK);
	assert_int_equal(c.head.sequence, 9);
	put(&s, "bad");
	c.next = KG_EDENIED;
	assert_int_equal(kg_outbox_deliver(s.outbox, &port, 1700000000000), KG_EDENIED);
	assert_int_equal(kg_outbox_count(s.outbox), 0);
	put(&s, "good");
	assert_int_equal(kg_outbox_deliver(s.outbox, &port, 1700000000000), KG_OK);
	assert_int_equal(c.head.sequence, 10);
	assert_int_equal(c.taken, 5);
	end(&s);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outbox__entries_leave_in_order_and_follow_each_other),
		cmocka_unit_test(test_outbox__an_acknowledgement_covers_what_is_before),
		cmocka_unit_test(test_outbox__a_restarted_keeper_that_has_it_says_so_by_its_head),
		cmocka_unit_test(test_outbox__a_chain_that_ends_elsewhere_moves_what_never_left),
		cmocka_unit_test(test_outbox__what_may_have_left_moves_only_when_it_is_refused),
		cmocka_unit_test(test_outbox__a_moved_entry_keeps_its_time_behind_an_older_head),
		cmocka_unit_test(test_outbox__no_more_are_on_the_way_than_the_keeper_allows),
		cmocka_unit_test(test_outbox__what_is_refused_for_good_is_dropped),
		cmocka_unit_test(test_outbox__heartbeats_and_traces_are_the_first_to_find_no_place),
		ON_DISK(test_outbox__who_was_killed_sends_the_very_same_bytes),
		ON_DISK(test_outbox__what_was_stored_meanwhile_is_done),
		ON_DISK(test_outbox__another_key_does_not_send_what_is_not_its_own),
		ON_DISK(test_outbox__two_processes_do_not_sign_with_one_key),
		ON_DISK(test_outbox__a_file_cut_anywhere_gives_what_is_whole_before_the_cut),
		ON_DISK(test_outbox__what_a_full_disk_has_no_room_for_leaves_later),
		ON_DISK(test_outbox__a_file_longer_than_the_outbox_is_taken_up_whole),
		ON_DISK(test_outbox__what_is_no_outbox_is_left_alone),
		ON_DISK(test_outbox__a_long_file_is_made_short_again),
		cmocka_unit_test(test_outbox__delivery_mends_what_can_be_mended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
