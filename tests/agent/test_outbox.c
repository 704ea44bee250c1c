/* SPDX-License-Identifier: MIT */
/* The outbox with real keys and signatures: order, acknowledgement, a chain that ends elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/outbox.h"

typedef struct {
	kg_key *key;
	kg_pubkey swarm;
	kg_outbox *outbox;
	uint64_t done[16];
	kg_entry_id ids[16];
	size_t done_count;
} scene;

static void on_done(void *data, uint64_t ticket, const kg_entry *entry, const kg_entry_id *id)
{
	scene *s = data;
	assert_true(entry->sequence > 0);
	s->ids[s->done_count] = *id;
	s->done[s->done_count++] = ticket;
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
	assert_int_equal(kg_outbox_new(&s->outbox, &s->swarm, s->key, "agent-0", head, on_done, s),
			 KG_OK);
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

static void test_outbox__a_chain_that_ends_elsewhere_moves_what_waits(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	const kg_chain_head other = {.sequence = 7, .time_ms = 1700000005000, .commit = {{0xab}}};
	scene s;
	bool moved = false;
	begin(&s, &none);
	uint64_t a = put(&s, "one"), b = put(&s, "two");
	kg_entry_proof before = take(&s, a, 1, 1);
	assert_int_equal(kg_outbox_rebase(s.outbox, &other, 1700000000001, &moved), KG_OK);
	assert_true(moved);
	assert_int_equal(s.done_count, 0);
	kg_entry_proof first = take(&s, a, 2, 8), second = take(&s, b, 3, 9);
	assert_memory_equal(&first.parent, &other.commit, sizeof(kg_commit));
	assert_memory_equal(&second.parent, &first.commit, sizeof(kg_commit));
	assert_memory_not_equal(&first.id, &before.id, sizeof(kg_entry_id));
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
	assert_int_equal(kg_outbox_rebase(s.outbox, &none, 1700000000001, &moved), KG_OK);
	assert_true(moved);
	take(&s, b, 4, 1);
	end(&s);
}

static void test_outbox__is_full_at_its_maximum(void **state)
{
	(void)state;
	const kg_chain_head none = {0};
	scene s;
	begin(&s, &none);
	for (int i = 0; i < KG_OUTBOX_MAX; i++) {
		put(&s, "x");
	}
	kg_entry entry;
	kg_entry_init(&entry, KG_ENTRY_OBSERVATION);
	assert_int_equal(kg_entry_set_text(&entry, "y", 1), KG_OK);
	assert_int_equal(kg_outbox_put(s.outbox, &entry, 1, NULL), KG_EFULL);
	assert_int_equal(kg_outbox_count(s.outbox), KG_OUTBOX_MAX);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outbox__entries_leave_in_order_and_follow_each_other),
		cmocka_unit_test(test_outbox__an_acknowledgement_covers_what_is_before),
		cmocka_unit_test(test_outbox__a_restarted_keeper_that_has_it_says_so_by_its_head),
		cmocka_unit_test(test_outbox__a_chain_that_ends_elsewhere_moves_what_waits),
		cmocka_unit_test(test_outbox__what_is_refused_for_good_is_dropped),
		cmocka_unit_test(test_outbox__is_full_at_its_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
