/* SPDX-License-Identifier: MIT */
#include "memory/admit.h"

#include "tests/memory/fixture.h"

enum { AGENT_0, AGENT_1, AGENT_2, OPERATOR, SWARM, PEER, GUEST, GUEST_OPERATOR, STRANGER, AUTHORS };

static const int64_t start_ms = (int64_t)FIXTURE_NOW * 1000;

/* Two swarms: ours, and a peer with two members. */
typedef struct {
	kg_admit admit;
	author authors[AUTHORS];
	kg_entry_id ids[AUTHORS][64];
	int64_t now_ms;
} world;

/* One entry on its way, and where it says it stands. */
typedef struct {
	author *who;
	kg_entry entry;
	kg_commit parent;
	int64_t now_ms;
} attempt;

static const kg_pubkey *key_of(const world *w, int who)
{
	return kg_key_public(w->authors[who].key);
}

static kg_entry_head head_of(const world *w, int who)
{
	const author *a = &w->authors[who];

	return (kg_entry_head){*kg_key_public(a->key), a->head.sequence, a->head.commit};
}

/* The next entry of an author, not signed. */
static attempt next_of(world *w, int who, kg_entry_type type)
{
	attempt a = {.who = &w->authors[who], .parent = w->authors[who].head.commit};

	w->now_ms += 1000;
	a.now_ms = w->now_ms;
	kg_entry_init(&a.entry, type);
	assert_int_equal(kg_entry_set_text(&a.entry, "x", 1), KG_OK);
	assert_int_equal(kg_entry_place(&a.entry, &a.who->swarm, a.who->key, a.who->name,
					&a.who->head, w->now_ms),
			 KG_OK);
	return a;
}

/* The same of an entry that was made elsewhere. */
static attempt made_of(world *w, int who, const kg_entry *entry)
{
	return (attempt){&w->authors[who], *entry, w->authors[who].head.commit, w->now_ms};
}

/* Signs, opens and judges it; takes it in when nothing speaks against it. */
static kg_reason submit(world *w, attempt *a)
{
	bool rooted = a->entry.sequence == 1 || a->entry.has_epoch;
	kg_reason why = KG_REASON_NONE;
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	if (kg_entry_sign(&object, NULL, &a->entry, a->who->key, rooted ? NULL : &a->parent) !=
	    KG_OK)
		fail_msg("sign: %s", kg_err_text());
	assert_int_equal(kg_entry_open(&e, &proof, object.data, object.size), KG_OK);
	err = kg_admit_check(&w->admit, &e, &proof, a->now_ms, &why);
	assert_int_equal(err, kg_reason_code(why));
	if (err == KG_OK) {
		kg_chain_head *head = &a->who->head;

		assert_int_equal(kg_admit_apply(&w->admit, &e, &proof), KG_OK);
		head->sequence = e.sequence;
		head->commit = proof.commit;
		if (e.carried == 0) {
			head->time_ms = e.time_ms;
			head->time_counter = e.time_counter;
		}
		w->ids[a->who - w->authors][e.sequence] = proof.id;
	} else {
		size_t length = strlen(kg_reason_name(why));

		/* The line of the error begins with the word. */
		assert_memory_equal(kg_err_text(), kg_reason_name(why), length);
		assert_memory_equal(kg_err_text() + length, ": ", 2);
	}
	kg_entry_release(&e);
	kg_entry_release(&a->entry);
	kg_buf_release(&object);
	return why;
}

static void expect(world *w, attempt a, kg_reason reason)
{
	kg_reason why = submit(w, &a);

	if (why != reason)
		fail_msg("'%s' for '%s' (%s)", kg_reason_name(why), kg_reason_name(reason),
			 kg_err_text());
}

static void say(world *w, int who)
{
	expect(w, next_of(w, who, KG_ENTRY_INSIGHT), KG_REASON_NONE);
}

static void name_author(world *w, int who, uint8_t byte, int of, const char *name)
{
	author *a = &w->authors[who];

	a->key = fixture_key(byte);
	a->swarm = *key_of(w, of);
	(void)strcpy(a->name, name);
}

static void certify(world *w, int by, int who, const char *name)
{
	attempt a = next_of(w, by, KG_ENTRY_LINEAGE);

	assert_int_equal(kg_entry_add_member(&a.entry, key_of(w, who), name), KG_OK);
	expect(w, a, KG_REASON_NONE);
}

static void believe(world *w)
{
	kg_entry_member peer = {.agent = *key_of(w, PEER), .name = "next-door"};
	author *swarm = &w->authors[SWARM];
	kg_entry e;

	w->now_ms += 1000;
	assert_int_equal(kg_peer_make(&e, swarm->key, &swarm->head, &peer, 1, w->now_ms), KG_OK);
	expect(w, made_of(w, SWARM, &e), KG_REASON_NONE);
}

static void revoke(world *w, int by, const kg_entry_head *last, kg_reason reason)
{
	author *swarm = &w->authors[by];
	kg_entry e;

	w->now_ms += 1000;
	assert_int_equal(kg_revocation_make(&e, swarm->key, &swarm->head, last, w->now_ms), KG_OK);
	expect(w, made_of(w, by, &e), reason);
}

/* Ours have three entries each, and the peer is not yet believed. */
static void make_world(world *w)
{
	memset(w, 0, sizeof(*w));
	w->now_ms = start_ms;
	name_author(w, SWARM, 100, SWARM, KG_SWARM_NAME);
	name_author(w, PEER, 200, PEER, KG_SWARM_NAME);
	name_author(w, AGENT_0, 1, SWARM, "agent-0");
	name_author(w, AGENT_1, 2, SWARM, "agent-1");
	name_author(w, AGENT_2, 3, SWARM, "agent-2");
	name_author(w, OPERATOR, 50, SWARM, KG_OPERATOR_NAME);
	name_author(w, GUEST, 201, PEER, "agent-0");
	name_author(w, GUEST_OPERATOR, 202, PEER, KG_OPERATOR_NAME);
	name_author(w, STRANGER, 60, SWARM, "stranger");
	w->authors[SWARM].swarm = *key_of(w, SWARM);
	w->authors[PEER].swarm = *key_of(w, PEER);
	assert_int_equal(kg_admit_init(&w->admit, key_of(w, SWARM), KG_ADMIT_AHEAD_MS), KG_OK);
	for (int i = AGENT_0; i <= OPERATOR; i++)
		certify(w, SWARM, i, w->authors[i].name);
	for (int i = AGENT_0; i <= OPERATOR; i++)
		for (int n = 0; n < 3; n++)
			say(w, i);
}

/* And it is, with what it says. */
static void make_neighbours(world *w)
{
	make_world(w);
	believe(w);
	certify(w, PEER, GUEST, "agent-0");
	certify(w, PEER, GUEST_OPERATOR, KG_OPERATOR_NAME);
	say(w, GUEST);
	say(w, GUEST_OPERATOR);
}

static void remove_world(world *w)
{
	kg_admit_release(&w->admit);
	for (int i = 0; i < AUTHORS; i++)
		kg_key_free(w->authors[i].key);
}

static const kg_admit_chain *chain_of(const world *w, int who)
{
	const kg_admit_chain *chain = kg_admit_find(&w->admit, key_of(w, who));

	assert_non_null(chain);
	return chain;
}

/* ---- place and author, as a table ---- */

static void mend_nothing(world *w, attempt *a)
{
	(void)w;
	(void)a;
}

static void mend_gap(world *w, attempt *a)
{
	(void)w;
	a->entry.sequence++;
}

static void mend_far_gap(world *w, attempt *a)
{
	(void)w;
	a->entry.sequence = INT64_MAX;
}

static void mend_parent(world *w, attempt *a)
{
	(void)w;
	a->parent.bytes[0] ^= 1;
}

static void mend_time_same(world *w, attempt *a)
{
	(void)w;
	a->entry.time_ms = a->who->head.time_ms;
	a->entry.time_counter = a->who->head.time_counter;
}

static void mend_time_counter(world *w, attempt *a)
{
	(void)w;
	a->entry.time_ms = a->who->head.time_ms;
	a->entry.time_counter = (uint16_t)(a->who->head.time_counter + 1);
}

static void mend_time_before(world *w, attempt *a)
{
	(void)w;
	a->entry.time_ms = a->who->head.time_ms - 1;
	a->entry.time_counter = UINT16_MAX;
}

static void mend_clock_last(world *w, attempt *a)
{
	(void)w;
	a->entry.time_ms = a->now_ms + KG_ADMIT_AHEAD_MS;
}

static void mend_clock_ahead(world *w, attempt *a)
{
	(void)w;
	a->entry.time_ms = a->now_ms + KG_ADMIT_AHEAD_MS + 1;
}

static void mend_name(world *w, attempt *a)
{
	(void)w;
	(void)strcpy(a->entry.agent_name, "agent-1");
}

static void mend_swarm(world *w, attempt *a)
{
	a->entry.swarm = *key_of(w, PEER);
}

static void mend_second(world *w, attempt *a)
{
	(void)w;
	a->entry.sequence = 2;
}

static void mend_last(world *w, attempt *a)
{
	(void)w;
	a->entry.sequence = 3;
}

static void mend_first(world *w, attempt *a)
{
	(void)w;
	a->entry.sequence = 1;
}

static void mend_carried(world *w, attempt *a)
{
	(void)w;
	a->entry.carried = 2;
}

static void mend_root(world *w, attempt *a, uint64_t number, uint64_t kept, uint64_t dropped)
{
	(void)w;
	a->entry.type = KG_ENTRY_LINEAGE;
	a->entry.has_epoch = true;
	a->entry.epoch = (kg_entry_epoch){
		.number = number,
		.kept = kept,
		.dropped = dropped,
		.old = {a->entry.agent, a->entry.sequence - 1, a->who->head.commit}};
}

static void mend_root_good(world *w, attempt *a)
{
	mend_root(w, a, 1, 1, 2);
}

static void mend_root_number(world *w, attempt *a)
{
	mend_root(w, a, 2, 1, 2);
}

static void mend_root_count(world *w, attempt *a)
{
	mend_root(w, a, 1, 1, 1);
}

static void mend_root_tip(world *w, attempt *a)
{
	mend_root(w, a, 1, 1, 2);
	a->entry.epoch.old.commit.bytes[19] ^= 1;
}

static void mend_quarantine(world *w, attempt *a)
{
	a->entry.type = KG_ENTRY_REVOCATION;
	assert_int_equal(kg_entry_add_reference(&a->entry, &w->ids[AGENT_0][1]), KG_OK);
}

static void mend_rename(world *w, attempt *a)
{
	a->entry.type = KG_ENTRY_LINEAGE;
	assert_int_equal(kg_entry_add_member(&a->entry, key_of(w, AGENT_1), "agent-9"), KG_OK);
}

static void mend_certify_again(world *w, attempt *a)
{
	a->entry.type = KG_ENTRY_LINEAGE;
	assert_int_equal(kg_entry_add_member(&a->entry, key_of(w, AGENT_1), "agent-1"), KG_OK);
}

static void mend_claim(world *w, attempt *a)
{
	kg_entry_head head = head_of(w, AGENT_1);

	a->entry.type = KG_ENTRY_CHECKPOINT;
	assert_int_equal(kg_entry_add_head(&a->entry, &head), KG_OK);
}

static void mend_claim_later(world *w, attempt *a)
{
	mend_claim(w, a);
	a->entry.heads[0].sequence++;
}

static void mend_claim_other(world *w, attempt *a)
{
	mend_claim(w, a);
	a->entry.heads[0].commit.bytes[0] ^= 1;
}

static void mend_claim_of_nobody(world *w, attempt *a)
{
	kg_entry_head head = {*key_of(w, GUEST), 1, {{1}}};

	a->entry.type = KG_ENTRY_CHECKPOINT;
	assert_int_equal(kg_entry_add_head(&a->entry, &head), KG_OK);
}

static const struct {
	const char *what;
	int who;
	void (*mend)(world *w, attempt *a);
	kg_reason reason;
} cases[] = {
	{"the next", AGENT_0, mend_nothing, KG_REASON_NONE},
	{"one left out", AGENT_0, mend_gap, KG_REASON_SEQUENCE_GAP},
	{"the last there can be", AGENT_0, mend_far_gap, KG_REASON_SEQUENCE_GAP},
	{"another parent", AGENT_0, mend_parent, KG_REASON_WRONG_PARENT},
	{"the same time", AGENT_0, mend_time_same, KG_REASON_TIME_ORDER},
	{"the next counter", AGENT_0, mend_time_counter, KG_REASON_NONE},
	{"an earlier time", AGENT_0, mend_time_before, KG_REASON_TIME_ORDER},
	{"as far ahead as may be", AGENT_0, mend_clock_last, KG_REASON_NONE},
	{"too far ahead", AGENT_0, mend_clock_ahead, KG_REASON_CLOCK_AHEAD},
	{"another's name", AGENT_0, mend_name, KG_REASON_WRONG_NAME},
	{"a swarm not believed", AGENT_0, mend_swarm, KG_REASON_WRONG_SWARM},
	{"nobody certified", STRANGER, mend_nothing, KG_REASON_UNKNOWN_KEY},
	{"a guest uninvited", GUEST, mend_nothing, KG_REASON_WRONG_SWARM},
	{"a swarm uninvited", PEER, mend_nothing, KG_REASON_WRONG_SWARM},
	{"a second first", AGENT_0, mend_first, KG_REASON_FORKED},
	{"a second second", AGENT_0, mend_second, KG_REASON_FORKED},
	{"a second last", AGENT_0, mend_last, KG_REASON_FORKED},
	{"a second of the swarm", SWARM, mend_second, KG_REASON_FORKED},
	{"a second of a stranger", STRANGER, mend_second, KG_REASON_UNKNOWN_KEY},
	{"carried without an epoch", AGENT_0, mend_carried, KG_REASON_BAD_EPOCH},
	{"an epoch", AGENT_0, mend_root_good, KG_REASON_NONE},
	{"an epoch too far", AGENT_0, mend_root_number, KG_REASON_BAD_EPOCH},
	{"an epoch that lost one", AGENT_0, mend_root_count, KG_REASON_BAD_EPOCH},
	{"an epoch of another end", AGENT_0, mend_root_tip, KG_REASON_BAD_EPOCH},
	{"a quarantine by an agent", AGENT_0, mend_quarantine, KG_REASON_NO_AUTHORITY},
	{"a quarantine by the operator", OPERATOR, mend_quarantine, KG_REASON_NONE},
	{"a quarantine by the swarm", SWARM, mend_quarantine, KG_REASON_NONE},
	{"a key renamed", SWARM, mend_rename, KG_REASON_WRONG_NAME},
	{"a key certified again", SWARM, mend_certify_again, KG_REASON_NONE},
	{"a checkpoint", SWARM, mend_claim, KG_REASON_NONE},
	{"a checkpoint of what is to come", SWARM, mend_claim_later, KG_REASON_BAD_CLAIM},
	{"a checkpoint of something else", SWARM, mend_claim_other, KG_REASON_BAD_CLAIM},
	{"a checkpoint of nobody", SWARM, mend_claim_of_nobody, KG_REASON_BAD_CLAIM},
};

static void test_admit__every_reason_has_its_word(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world w;
		attempt a;
		kg_reason why;

		make_world(&w);
		a = next_of(&w, cases[i].who, KG_ENTRY_INSIGHT);
		cases[i].mend(&w, &a);
		why = submit(&w, &a);
		if (why != cases[i].reason)
			fail_msg("%s: '%s'", cases[i].what, kg_reason_name(why));
		remove_world(&w);
	}
}

/* The same entry, signed for the same place once more: the id is taken, the commit is another. */
static void test_admit__a_twin_is_told_from_a_fork(void **state)
{
	world w;
	attempt a;
	attempt b;

	(void)state;
	make_world(&w);
	a = next_of(&w, AGENT_0, KG_ENTRY_INSIGHT);
	b = a;
	memset(&b.entry.text, 0, sizeof(b.entry.text));
	assert_int_equal(kg_entry_set_text(&b.entry, "x", 1), KG_OK);
	b.parent.bytes[0] ^= 1;
	expect(&w, a, KG_REASON_NONE);
	expect(&w, b, KG_REASON_DUPLICATE);
	remove_world(&w);
}

static void test_admit__marks_stay_with_their_chain(void **state)
{
	world w;

	(void)state;
	make_world(&w);
	assert_int_equal(kg_admit_fork(&w.admit, key_of(&w, AGENT_0)), KG_OK);
	assert_true(chain_of(&w, AGENT_0)->forked);
	say(&w, AGENT_0); /* goes on from what the witness saw first */
	assert_true(chain_of(&w, AGENT_0)->forked);
	assert_int_equal(kg_admit_damage(&w.admit, key_of(&w, AGENT_1)), KG_OK);
	expect(&w, next_of(&w, AGENT_1, KG_ENTRY_INSIGHT), KG_REASON_DAMAGED);
	remove_world(&w);
}

/* ---- swarms ---- */

static void test_admit__a_peer_is_believed_about_its_own(void **state)
{
	world w;
	attempt a;

	(void)state;
	make_neighbours(&w);
	assert_true(kg_admit_believes(&w.admit, key_of(&w, PEER)));
	assert_false(kg_admit_believes(&w.admit, key_of(&w, GUEST)));
	assert_true(chain_of(&w, GUEST)->member);
	assert_string_equal(chain_of(&w, GUEST)->name, "agent-0");
	assert_true(kg_pubkey_equal(&chain_of(&w, GUEST)->swarm, key_of(&w, PEER)));
	/* Each under its own swarm. */
	a = next_of(&w, GUEST, KG_ENTRY_INSIGHT);
	a.entry.swarm = *key_of(&w, SWARM);
	expect(&w, a, KG_REASON_WRONG_SWARM);
	a = next_of(&w, AGENT_0, KG_ENTRY_INSIGHT);
	a.entry.swarm = *key_of(&w, PEER);
	expect(&w, a, KG_REASON_WRONG_SWARM);
	expect(&w, next_of(&w, STRANGER, KG_ENTRY_INSIGHT), KG_REASON_UNKNOWN_KEY);
	a = next_of(&w, STRANGER, KG_ENTRY_INSIGHT);
	a.entry.swarm = *key_of(&w, PEER);
	expect(&w, a, KG_REASON_UNKNOWN_KEY);
	/* Its operator may quarantine; one of its agents may not. */
	a = next_of(&w, GUEST, KG_ENTRY_INSIGHT);
	mend_quarantine(&w, &a);
	expect(&w, a, KG_REASON_NO_AUTHORITY);
	a = next_of(&w, GUEST_OPERATOR, KG_ENTRY_INSIGHT);
	mend_quarantine(&w, &a);
	expect(&w, a, KG_REASON_NONE);
	/* What it names may be on its way. */
	a = next_of(&w, PEER, KG_ENTRY_INSIGHT);
	mend_claim_later(&w, &a);
	expect(&w, a, KG_REASON_NONE);
	remove_world(&w);
}

static void test_admit__a_peers_peer_is_not_ours(void **state)
{
	world w;
	attempt a;

	(void)state;
	make_neighbours(&w);
	a = next_of(&w, PEER, KG_ENTRY_LINEAGE);
	assert_int_equal(kg_entry_add_peer(&a.entry, key_of(&w, STRANGER), "further"), KG_OK);
	expect(&w, a, KG_REASON_NONE);
	assert_false(kg_admit_believes(&w.admit, key_of(&w, STRANGER)));
	w.authors[STRANGER].swarm = *key_of(&w, STRANGER);
	(void)strcpy(w.authors[STRANGER].name, KG_SWARM_NAME);
	expect(&w, next_of(&w, STRANGER, KG_ENTRY_INSIGHT), KG_REASON_WRONG_SWARM);
	remove_world(&w);
}

/* A peer that certifies, renames and revokes our own members, and our swarm itself. */
static void test_admit__a_peer_has_no_say_over_our_keys(void **state)
{
	static const int ours[] = {SWARM, AGENT_0, OPERATOR};
	world w;

	(void)state;
	make_neighbours(&w);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		kg_entry_head none = {*key_of(&w, ours[i]), 0, {{0}}};
		attempt a;

		certify(&w, PEER, ours[i], "impostor");
		assert_string_equal(chain_of(&w, ours[i])->name, w.authors[ours[i]].name);
		assert_true(kg_pubkey_equal(&chain_of(&w, ours[i])->swarm, key_of(&w, SWARM)));
		a = next_of(&w, ours[i], KG_ENTRY_INSIGHT);
		a.entry.swarm = *key_of(&w, PEER);
		memset(a.entry.agent_name, 0, sizeof(a.entry.agent_name));
		(void)strcpy(a.entry.agent_name, "impostor");
		expect(&w, a, KG_REASON_WRONG_SWARM);
		revoke(&w, PEER, &none, KG_REASON_NONE);
		assert_false(chain_of(&w, ours[i])->revoked);
		say(&w, ours[i]);
	}
	remove_world(&w);
}

/* Our word about a key ends a peer's, even where the peer's came first. */
static void test_admit__our_word_comes_before_a_peers(void **state)
{
	world w;

	(void)state;
	make_neighbours(&w);
	certify(&w, SWARM, GUEST, "cousin");
	expect(&w, next_of(&w, GUEST, KG_ENTRY_INSIGHT), KG_REASON_WRONG_SWARM);
	assert_string_equal(chain_of(&w, GUEST)->name, "cousin");
	remove_world(&w);
}

static void test_admit__words_are_learned_in_any_order(void **state)
{
	kg_entry_member first = {.name = "first"};
	kg_entry_member second = {.name = "second"};
	kg_entry entries[4];
	world w;

	(void)state;
	make_world(&w);
	first.agent = *key_of(&w, STRANGER);
	second.agent = first.agent;
	for (uint64_t i = 0; i < 4; i++) {
		kg_chain_head at = {.sequence = 10 + i};
		kg_entry_head last = {first.agent, 9 - i, {{7}}};
		const kg_key *key = w.authors[SWARM].key;

		assert_int_equal(i < 2 ? kg_membership_make(&entries[i], key, &at,
							    i == 0 ? &first : &second, 1, 0)
				       : kg_revocation_make(&entries[i], key, &at, &last, 0),
				 KG_OK);
	}
	for (int order = 0; order < 24; order++) {
		bool used[4] = {false};
		kg_admit admit;
		int rest = order;

		assert_int_equal(kg_admit_init(&admit, key_of(&w, SWARM), 0), KG_OK);
		for (int left = 4; left > 0; left--) {
			int pick = rest % left;
			int i = 0;

			rest /= left;
			while (used[i] || pick-- > 0)
				i++;
			used[i] = true;
			assert_int_equal(kg_admit_learn(&admit, &entries[i]), KG_OK);
		}
		assert_string_equal(kg_admit_find(&admit, &first.agent)->name, "first");
		assert_true(kg_admit_find(&admit, &first.agent)->revoked);
		assert_int_equal(kg_admit_find(&admit, &first.agent)->sequence_max, 6);
		kg_admit_release(&admit);
	}
	for (int i = 0; i < 4; i++)
		kg_entry_release(&entries[i]);
	remove_world(&w);
}

/* What others say of members is nothing. */
static void test_admit__only_a_believed_swarm_is_learned_from(void **state)
{
	kg_entry_member member = {.name = "friend"};
	kg_chain_head none = {0};
	kg_entry e;
	world w;

	(void)state;
	make_world(&w);
	member.agent = *key_of(&w, STRANGER);
	assert_int_equal(kg_membership_make(&e, w.authors[PEER].key, &none, &member, 1, 0), KG_OK);
	assert_int_equal(kg_admit_learn(&w.admit, &e), KG_OK);
	assert_null(kg_admit_word(&w.admit, &member.agent, key_of(&w, PEER)));
	e.agent = *key_of(&w, AGENT_0);
	e.swarm = *key_of(&w, SWARM);
	assert_int_equal(kg_admit_learn(&w.admit, &e), KG_OK);
	assert_null(kg_admit_find(&w.admit, &member.agent));
	kg_entry_release(&e);
	remove_world(&w);
}

/* ---- revocation ---- */

static void test_admit__a_revoked_key_says_nothing_more(void **state)
{
	kg_entry_head last;
	world w;

	(void)state;
	make_world(&w);
	last = head_of(&w, AGENT_0);
	revoke(&w, SWARM, &last, KG_REASON_NONE);
	expect(&w, next_of(&w, AGENT_0, KG_ENTRY_INSIGHT), KG_REASON_REVOKED);
	/* Lower, and lower again; never the same, never higher. */
	revoke(&w, SWARM, &last, KG_REASON_BAD_REVOCATION);
	last.sequence = 2;
	revoke(&w, SWARM, &last, KG_REASON_NONE);
	last.sequence = 3;
	revoke(&w, SWARM, &last, KG_REASON_BAD_REVOCATION);
	last.sequence = 0;
	memset(&last.commit, 0, sizeof(last.commit));
	revoke(&w, SWARM, &last, KG_REASON_NONE);
	revoke(&w, SWARM, &last, KG_REASON_BAD_REVOCATION);
	assert_true(chain_of(&w, AGENT_0)->revoked);
	assert_int_equal(chain_of(&w, AGENT_0)->sequence_max, 0);
	say(&w, AGENT_1);
	/* A key can be revoked before anybody has certified it. */
	last.agent = *key_of(&w, STRANGER);
	revoke(&w, SWARM, &last, KG_REASON_NONE);
	certify(&w, SWARM, STRANGER, "stranger");
	expect(&w, next_of(&w, STRANGER, KG_ENTRY_INSIGHT), KG_REASON_REVOKED);
	remove_world(&w);
}

static void test_admit__we_may_revoke_a_peer_and_its_members(void **state)
{
	kg_entry_head last;
	world w;

	(void)state;
	make_neighbours(&w);
	last = head_of(&w, GUEST);
	revoke(&w, SWARM, &last, KG_REASON_NONE);
	assert_true(chain_of(&w, GUEST)->revoked);
	expect(&w, next_of(&w, GUEST, KG_ENTRY_INSIGHT), KG_REASON_REVOKED);
	last = head_of(&w, PEER);
	revoke(&w, SWARM, &last, KG_REASON_NONE);
	expect(&w, next_of(&w, PEER, KG_ENTRY_INSIGHT), KG_REASON_REVOKED);
	say(&w, GUEST_OPERATOR);
	remove_world(&w);
}

static void test_admit__a_peer_revokes_its_own(void **state)
{
	kg_entry_head last;
	world w;

	(void)state;
	make_neighbours(&w);
	last = head_of(&w, GUEST);
	revoke(&w, PEER, &last, KG_REASON_NONE);
	expect(&w, next_of(&w, GUEST, KG_ENTRY_INSIGHT), KG_REASON_REVOKED);
	remove_world(&w);
}

/* ---- rotation ---- */

static kg_author author_of(const world *w, int who)
{
	const author *a = &w->authors[who];

	return (kg_author){&a->swarm, a->key, a->name, &a->head, w->now_ms};
}

static void close_chain(world *w, int who, int successor)
{
	kg_author by;
	kg_entry e;

	w->now_ms += 1000;
	by = author_of(w, who);
	assert_int_equal(kg_successor_make(&e, &by, key_of(w, successor)), KG_OK);
	expect(w, made_of(w, who, &e), KG_REASON_NONE);
}

static void follow(world *w, int who, int old, const kg_chain_head *last, kg_reason reason)
{
	kg_author by = author_of(w, who);
	kg_entry e;

	assert_int_equal(kg_predecessor_make(&e, &by, key_of(w, old), last), KG_OK);
	assert_true(e.time_ms > last->time_ms ||
		    (e.time_ms == last->time_ms && e.time_counter > last->time_counter));
	expect(w, made_of(w, who, &e), reason);
}

static void test_admit__a_key_goes_on_for_another(void **state)
{
	world w;

	(void)state;
	make_world(&w);
	(void)strcpy(w.authors[STRANGER].name, "agent-0");
	close_chain(&w, AGENT_0, STRANGER);
	assert_true(chain_of(&w, AGENT_0)->closed);
	assert_true(kg_pubkey_equal(&chain_of(&w, AGENT_0)->successor, key_of(&w, STRANGER)));
	expect(&w, next_of(&w, AGENT_0, KG_ENTRY_INSIGHT), KG_REASON_CLOSED);
	follow(&w, STRANGER, AGENT_0, &w.authors[AGENT_0].head, KG_REASON_UNKNOWN_KEY);
	certify(&w, SWARM, STRANGER, "agent-0");
	follow(&w, STRANGER, AGENT_0, &w.authors[AGENT_0].head, KG_REASON_NONE);
	say(&w, STRANGER);
	remove_world(&w);
}

static void test_admit__nobody_goes_on_unnamed(void **state)
{
	kg_chain_head last;
	world w;

	(void)state;
	make_world(&w);
	(void)strcpy(w.authors[STRANGER].name, "agent-0");
	certify(&w, SWARM, STRANGER, "agent-0");
	follow(&w, STRANGER, AGENT_0, &w.authors[AGENT_0].head, KG_REASON_BAD_SUCCESSION);
	close_chain(&w, AGENT_1, STRANGER); /* but it is agent-1, not agent-0 */
	follow(&w, STRANGER, AGENT_1, &w.authors[AGENT_1].head, KG_REASON_BAD_SUCCESSION);
	close_chain(&w, AGENT_0, STRANGER);
	last = w.authors[AGENT_0].head;
	last.sequence--;
	follow(&w, STRANGER, AGENT_0, &last, KG_REASON_BAD_SUCCESSION);
	last = w.authors[AGENT_0].head;
	last.commit.bytes[0] ^= 1;
	follow(&w, STRANGER, AGENT_0, &last, KG_REASON_BAD_SUCCESSION);
	follow(&w, STRANGER, GUEST, &w.authors[AGENT_0].head, KG_REASON_BAD_SUCCESSION);
	follow(&w, STRANGER, AGENT_0, &w.authors[AGENT_0].head, KG_REASON_NONE);
	remove_world(&w);
}

/* ---- epochs ---- */

static void begin_epoch(world *w, int who, uint64_t number, size_t count, size_t kept,
			kg_reason reason)
{
	kg_entry_id ids[64];
	kg_author by;
	kg_entry e;

	memset(ids, 0, sizeof(ids));
	w->now_ms += 1000;
	by = author_of(w, who);
	assert_int_equal(kg_epoch_make(&e, &by, number, ids, count, kept), KG_OK);
	expect(w, made_of(w, who, &e), reason);
}

/* An entry of the epoch before, as it would be carried over: it is an old one, of an old time. */
static attempt carry(world *w, int who, uint64_t old)
{
	attempt a = next_of(w, who, KG_ENTRY_INSIGHT);

	a.entry.sequence = old;
	a.entry.time_ms = start_ms + (int64_t)old;
	a.entry.time_counter = 0;
	assert_int_equal(kg_entry_carry(&a.entry, a.who->head.sequence + 1), KG_OK);
	a.now_ms = 0; /* the clock of the keeper was set back; that is nothing to it */
	return a;
}

static void test_admit__an_epoch_carries_over_what_it_says(void **state)
{
	kg_admit_chain chain;
	world w;
	attempt a;

	(void)state;
	make_world(&w);
	begin_epoch(&w, AGENT_0, 1, 3, 2, KG_REASON_NONE);
	assert_int_equal(chain_of(&w, AGENT_0)->epoch.left, 2);
	expect(&w, next_of(&w, AGENT_0, KG_ENTRY_INSIGHT), KG_REASON_BAD_EPOCH);
	begin_epoch(&w, AGENT_0, 2, 1, 1, KG_REASON_BAD_EPOCH);
	expect(&w, carry(&w, AGENT_0, 2), KG_REASON_NONE);
	expect(&w, carry(&w, AGENT_0, 1), KG_REASON_BAD_EPOCH); /* not in their order */
	expect(&w, carry(&w, AGENT_0, 2), KG_REASON_BAD_EPOCH);
	expect(&w, carry(&w, AGENT_0, 4), KG_REASON_BAD_EPOCH); /* the root itself */
	a = carry(&w, AGENT_0, 3);
	a.entry.time_ms = w.authors[AGENT_0].head.time_ms + 1;
	expect(&w, a, KG_REASON_TIME_ORDER);
	expect(&w, carry(&w, AGENT_0, 3), KG_REASON_NONE);
	expect(&w, carry(&w, AGENT_0, 3), KG_REASON_BAD_EPOCH); /* one too many */
	/* The next is after the root, not only after what was carried over. */
	a = next_of(&w, AGENT_0, KG_ENTRY_INSIGHT);
	a.entry.time_ms = w.authors[AGENT_0].head.time_ms - 1;
	expect(&w, a, KG_REASON_TIME_ORDER);
	say(&w, AGENT_0);
	chain = *chain_of(&w, AGENT_0);
	assert_int_equal(chain.epoch.number, 1);
	assert_int_equal(chain.epoch.base, 4);
	assert_int_equal(chain.head.sequence, 7);
	/* A place in the epoch that was given up is nobody's any more; one in this is. */
	a = next_of(&w, AGENT_0, KG_ENTRY_INSIGHT);
	a.entry.sequence = 3;
	expect(&w, a, KG_REASON_SEQUENCE_GAP);
	a = next_of(&w, AGENT_0, KG_ENTRY_INSIGHT);
	a.entry.sequence = 4;
	expect(&w, a, KG_REASON_FORKED);
	/* And again: the old root counts among what there was. */
	begin_epoch(&w, AGENT_0, 2, 3, 0, KG_REASON_BAD_EPOCH);
	begin_epoch(&w, AGENT_0, 2, 4, 0, KG_REASON_NONE);
	say(&w, AGENT_0);
	remove_world(&w);
}

/* The root of an epoch may stand for what never came here, where the chain is new or has missed
 * an epoch; not for less than what is here. */
static void test_admit__a_root_stands_for_what_was_missed(void **state)
{
	kg_chain_head last;
	world w;

	(void)state;
	make_world(&w);
	certify(&w, SWARM, STRANGER, "stranger");
	w.authors[STRANGER].head.sequence = 20;
	memset(&w.authors[STRANGER].head.commit, 9, sizeof(w.authors[STRANGER].head.commit));
	begin_epoch(&w, STRANGER, 2, 4, 0, KG_REASON_NONE);
	assert_int_equal(chain_of(&w, STRANGER)->epoch.base, 21);
	last = w.authors[STRANGER].head;
	w.authors[STRANGER].head.sequence += 10;
	begin_epoch(&w, STRANGER, 2, 4, 0, KG_REASON_BAD_EPOCH);
	begin_epoch(&w, STRANGER, 4, 4, 0, KG_REASON_NONE);
	assert_int_equal(chain_of(&w, STRANGER)->head.sequence, 32);
	w.authors[STRANGER].head = last;
	begin_epoch(&w, STRANGER, 5, 4, 0, KG_REASON_SEQUENCE_GAP);
	remove_world(&w);
}

/* After a start, all that is known of a chain is its tip. */
static void test_admit__a_chain_read_from_its_tip_is_looked_up_first(void **state)
{
	kg_admit_epoch epoch = {.base = 1};
	kg_admit_epoch carried = {.number = 1, .base = 9, .left = 2, .carried = 3};
	kg_chain_head root = {.sequence = 9, .time_ms = 77};
	kg_entry_proof proof = {0};
	world w;
	attempt a;

	(void)state;
	make_world(&w);
	certify(&w, SWARM, STRANGER, "stranger");
	a = next_of(&w, STRANGER, KG_ENTRY_INSIGHT);
	a.entry.sequence = 10;
	memset(&proof.commit, 9, sizeof(proof.commit));
	assert_int_equal(kg_admit_apply(&w.admit, &a.entry, &proof), KG_OK);
	w.authors[STRANGER].head =
		(kg_chain_head){10, a.entry.time_ms, a.entry.time_counter, proof.commit};
	kg_entry_release(&a.entry);
	assert_false(chain_of(&w, STRANGER)->epoch.known);
	a = next_of(&w, STRANGER, KG_ENTRY_INSIGHT);
	a.entry.sequence = 4;
	expect(&w, a, KG_REASON_SEQUENCE_GAP);
	begin_epoch(&w, STRANGER, 1, 10, 0, KG_REASON_BAD_EPOCH);
	assert_int_equal(kg_admit_set_epoch(&w.admit, key_of(&w, STRANGER), &epoch, &root), KG_OK);
	assert_true(chain_of(&w, STRANGER)->head.time_ms > 77);
	a = next_of(&w, STRANGER, KG_ENTRY_INSIGHT);
	a.entry.sequence = 4;
	expect(&w, a, KG_REASON_FORKED);
	assert_int_equal(kg_admit_set_epoch(&w.admit, key_of(&w, STRANGER), &carried, &root),
			 KG_OK);
	assert_int_equal(chain_of(&w, STRANGER)->head.time_ms, 77);
	expect(&w, next_of(&w, STRANGER, KG_ENTRY_INSIGHT), KG_REASON_BAD_EPOCH);
	assert_int_equal(kg_admit_set_epoch(&w.admit, key_of(&w, STRANGER), &epoch, &root), KG_OK);
	begin_epoch(&w, STRANGER, 1, 10, 0, KG_REASON_NONE);
	remove_world(&w);
}

static int start(void **state)
{
	(void)state;
	return kg_identity_init() == KG_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_admit__every_reason_has_its_word),
		cmocka_unit_test(test_admit__a_twin_is_told_from_a_fork),
		cmocka_unit_test(test_admit__marks_stay_with_their_chain),
		cmocka_unit_test(test_admit__a_peer_is_believed_about_its_own),
		cmocka_unit_test(test_admit__a_peers_peer_is_not_ours),
		cmocka_unit_test(test_admit__a_peer_has_no_say_over_our_keys),
		cmocka_unit_test(test_admit__our_word_comes_before_a_peers),
		cmocka_unit_test(test_admit__words_are_learned_in_any_order),
		cmocka_unit_test(test_admit__only_a_believed_swarm_is_learned_from),
		cmocka_unit_test(test_admit__a_revoked_key_says_nothing_more),
		cmocka_unit_test(test_admit__we_may_revoke_a_peer_and_its_members),
		cmocka_unit_test(test_admit__a_peer_revokes_its_own),
		cmocka_unit_test(test_admit__a_key_goes_on_for_another),
		cmocka_unit_test(test_admit__nobody_goes_on_unnamed),
		cmocka_unit_test(test_admit__an_epoch_carries_over_what_it_says),
		cmocka_unit_test(test_admit__a_root_stands_for_what_was_missed),
		cmocka_unit_test(test_admit__a_chain_read_from_its_tip_is_looked_up_first),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
