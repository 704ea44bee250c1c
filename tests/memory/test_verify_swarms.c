/* SPDX-License-Identifier: MIT */
/* What verify makes of several swarms, new keys, new epochs, forks and what authors saw: honest
 * histories have no findings, and what each is not to be taken for has its own. */
#include "tests/memory/scene.h"

#include "identity/seal.h"

static void count_reasons(const scene *s, const char *reason, size_t count)
{
	size_t found = 0;

	for (size_t i = 0; i < s->verdict.count; i++)
		found += strcmp(s->verdict.findings[i].reason, reason) == 0 ? 1 : 0;
	if (found == count)
		return;
	for (size_t i = 0; i < s->verdict.count; i++)
		print_message("%s %s %s\n", s->verdict.findings[i].reason,
			      s->verdict.findings[i].commit, s->verdict.findings[i].detail);
	fail_msg("%zu findings %s, not %zu", found, reason, count);
}

/* These and no others. */
static void expect(scene *s, const char *reason, size_t count)
{
	scene_judge(s, NULL);
	count_reasons(s, reason, count);
	if (s->verdict.count != count)
		fail_msg("%s beside %s", s->verdict.findings[0].detail, reason);
}

static void expect_none(scene *s)
{
	expect(s, "", 0);
}

static kg_author author_of(const scene *s, const author *who)
{
	return (kg_author){.swarm = &who->swarm,
			   .key = who->key,
			   .name = who->name,
			   .previous = &who->head,
			   .now_ms = s->f.now_ms + 1000};
}

static kg_commit force_next(scene *s, author *who, kg_entry *e)
{
	kg_commit commit = scene_smuggle(s, who, e);

	s->f.now_ms += 1000;
	kg_entry_release(e);
	return commit;
}

static kg_commit say(scene *s, author *who)
{
	kg_entry e;

	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	return force_next(s, who, &e);
}

static author new_author(uint8_t byte, const char *name, const kg_pubkey *swarm)
{
	author made = {.key = fixture_key(byte)};

	made.swarm = swarm != NULL ? *swarm : *kg_key_public(made.key);
	(void)strcpy(made.name, name);
	return made;
}

static void certify(scene *s, author *swarm, const author *who)
{
	kg_entry_member member = {.agent = *kg_key_public(who->key)};
	kg_entry e;

	(void)strcpy(member.name, who->name);
	assert_int_equal(
		kg_membership_make(&e, swarm->key, &swarm->head, &member, 1, s->f.now_ms + 500),
		KG_OK);
	(void)force_next(s, swarm, &e);
}

static void checkpoint(scene *s, author *swarm, const author *who)
{
	const kg_entry_head head = {*kg_key_public(who->key), who->head.sequence, who->head.commit};
	kg_entry e;

	assert_int_equal(
		kg_checkpoint_make(&e, swarm->key, &swarm->head, &head, 1, s->f.now_ms + 500),
		KG_OK);
	(void)force_next(s, swarm, &e);
}

static void revoke(scene *s, author *swarm, const kg_entry_head *last)
{
	kg_entry e;

	assert_int_equal(kg_revocation_make(&e, swarm->key, &swarm->head, last, s->f.now_ms + 500),
			 KG_OK);
	(void)force_next(s, swarm, &e);
}

/* ---- peers ---- */

static void trust(scene *s, const author *peer)
{
	author *swarm = &s->f.swarm;
	kg_entry_member named = {.agent = *kg_key_public(peer->key), .name = "elm"};
	kg_entry e;

	assert_int_equal(kg_peer_make(&e, swarm->key, &swarm->head, &named, 1, s->f.now_ms + 500),
			 KG_OK);
	(void)force_next(s, swarm, &e);
}

static void test_verify_swarms__a_peer_is_believed_about_its_own_members(void **state)
{
	author peer = new_author(110, KG_SWARM_NAME, NULL);
	author member = new_author(111, "agent-0", &peer.swarm);
	scene s;

	(void)state;
	scene_make(&s);
	certify(&s, &peer, &member);
	(void)say(&s, &member);
	/* Nobody of ours has heard of them yet. */
	expect(&s, "wrong_swarm", 2);
	trust(&s, &peer);
	expect_none(&s);
	/* What the peer says of its own holds: it takes the key back after that entry. */
	(void)say(&s, &member);
	(void)say(&s, &member);
	revoke(&s, &peer, &(kg_entry_head){*kg_key_public(member.key), 3, member.head.commit});
	expect_none(&s);
	(void)say(&s, &member);
	expect(&s, "revoked", 1);
	kg_key_free(peer.key);
	kg_key_free(member.key);
	scene_remove(&s);
}

static void test_verify_swarms__a_peer_cannot_speak_for_a_key_of_ours(void **state)
{
	author peer = new_author(110, KG_SWARM_NAME, NULL);
	author *ours;
	author twice;
	scene s;

	(void)state;
	scene_make(&s);
	ours = &s.f.agents[2];
	trust(&s, &peer);
	certify(&s, &peer, ours);
	/* It neither takes our member's key away, nor names places on its chain. */
	revoke(&s, &peer, &(kg_entry_head){.agent = *kg_key_public(ours->key)});
	expect_none(&s);
	twice = *ours;
	twice.head.sequence += 5;
	checkpoint(&s, &peer, &twice);
	expect_none(&s);
	/* Nor can the member say something in the peer's swarm. */
	ours->swarm = peer.swarm;
	(void)say(&s, ours);
	expect(&s, "wrong_swarm", 1);
	kg_key_free(peer.key);
	scene_remove(&s);
}

static void test_verify_swarms__a_peer_of_a_peer_is_a_stranger(void **state)
{
	author peer = new_author(110, KG_SWARM_NAME, NULL);
	author far = new_author(112, KG_SWARM_NAME, NULL);
	kg_entry_member named = {.agent = *kg_key_public(far.key), .name = "oak"};
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	trust(&s, &peer);
	assert_int_equal(kg_peer_make(&e, peer.key, &peer.head, &named, 1, s.f.now_ms + 500),
			 KG_OK);
	(void)force_next(&s, &peer, &e);
	expect_none(&s);
	(void)say(&s, &far);
	expect(&s, "wrong_swarm", 1);
	kg_key_free(peer.key);
	kg_key_free(far.key);
	scene_remove(&s);
}

/* ---- keys that end ---- */

static void test_verify_swarms__a_key_of_which_nothing_counts(void **state)
{
	const kg_pubkey *agent;
	scene s;

	(void)state;
	scene_make(&s);
	agent = kg_key_public(s.f.agents[0].key);
	revoke(&s, &s.f.swarm, &(kg_entry_head){*agent, 2, s.first[1].commit});
	expect(&s, "revoked", 1);
	revoke(&s, &s.f.swarm, &(kg_entry_head){.agent = *agent});
	expect(&s, "revoked", 3);
	scene_remove(&s);
}

static void test_verify_swarms__a_key_follows_another_when_both_say_so(void **state)
{
	author *old;
	author next;
	kg_author signs;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	old = &s.f.agents[0];
	next = new_author(50, "agent-0", &s.f.swarm.swarm);
	certify(&s, &s.f.swarm, &next);
	signs = author_of(&s, old);
	assert_int_equal(kg_successor_make(&e, &signs, kg_key_public(next.key)), KG_OK);
	(void)force_next(&s, old, &e);
	/* The new key has said nothing yet. */
	expect_none(&s);
	signs = author_of(&s, &next);
	assert_int_equal(kg_predecessor_make(&e, &signs, kg_key_public(old->key), &old->head),
			 KG_OK);
	(void)force_next(&s, &next, &e);
	(void)say(&s, &next);
	expect_none(&s);
	kg_key_free(next.key);
	scene_remove(&s);
}

static void test_verify_swarms__a_key_that_is_named_has_to_answer(void **state)
{
	author next;
	kg_author signs;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	next = new_author(50, "agent-0", &s.f.swarm.swarm);
	certify(&s, &s.f.swarm, &next);
	(void)say(&s, &next);
	signs = author_of(&s, &s.f.agents[0]);
	assert_int_equal(kg_successor_make(&e, &signs, kg_key_public(next.key)), KG_OK);
	(void)force_next(&s, &s.f.agents[0], &e);
	expect(&s, "bad_succession", 1);
	kg_key_free(next.key);
	scene_remove(&s);
}

/* ---- epochs ---- */

/* agent-0's chain anew: its second entry is kept. */
static void begin_anew(scene *s, bool countersigned)
{
	const kg_entry_id ids[] = {s->first[0].id, s->first[1].id, s->first[2].id};
	author *who = &s->f.agents[0];
	kg_author signs = author_of(s, who);
	kg_store *store = NULL;
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	assert_int_equal(kg_epoch_make(&e, &signs, 1, ids, 3, 1), KG_OK);
	assert_int_equal(kg_entry_sign(&object, &proof, &e, who->key, NULL), KG_OK);
	(void)scene_force(s, object.data, object.size, scene_ref(who));
	who->head = (kg_chain_head){e.sequence, e.time_ms, e.time_counter, proof.commit};
	kg_entry_release(&e);

	kg_buf_clear(&object);
	assert_int_equal(kg_store_open(&store, s->f.dir), KG_OK);
	assert_int_equal(kg_store_read(store, &object, &s->first[1].commit), KG_OK);
	assert_int_equal(kg_entry_open(&e, &proof, object.data, object.size), KG_OK);
	kg_store_free(store);
	assert_int_equal(kg_entry_carry(&e, who->head.sequence + 1), KG_OK);
	kg_buf_clear(&object);
	assert_int_equal(kg_entry_sign(&object, &proof, &e, who->key, &who->head.commit), KG_OK);
	assert_memory_equal(&proof.id, &s->first[1].id, sizeof(proof.id));
	(void)scene_force(s, object.data, object.size, scene_ref(who));
	who->head.sequence++;
	who->head.commit = proof.commit;
	kg_entry_release(&e);
	kg_buf_release(&object);
	s->f.now_ms += 2000;
	if (countersigned)
		checkpoint(s, &s->f.swarm, who);
}

static void test_verify_swarms__an_epoch_that_the_swarm_countersigned_stands(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	begin_anew(&s, true);
	/* The old checkpoint names an entry that is gone: the epoch stands for it. */
	expect_none(&s);
	(void)say(&s, &s.f.agents[0]);
	expect_none(&s);
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git gc -q --prune=now"), 0);
	expect_none(&s);
	scene_remove(&s);
}

static void test_verify_swarms__an_epoch_on_its_own_word_does_not(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	begin_anew(&s, false);
	(void)say(&s, &s.f.agents[0]);
	scene_judge(&s, NULL);
	count_reasons(&s, "bad_epoch", 1);
	count_reasons(&s, "truncated", 1);
	assert_int_equal(s.verdict.count, 2);
	scene_remove(&s);
}

static void test_verify_swarms__an_entry_carried_over_stands_behind_a_root(void **state)
{
	kg_store *store = NULL;
	kg_entry_proof proof;
	kg_buf object;
	author *who;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	who = &s.f.agents[0];
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	assert_int_equal(kg_store_open(&store, s.f.dir), KG_OK);
	assert_int_equal(kg_store_read(store, &object, &s.first[0].commit), KG_OK);
	assert_int_equal(kg_entry_open(&e, &proof, object.data, object.size), KG_OK);
	kg_store_free(store);
	assert_int_equal(kg_entry_carry(&e, 4), KG_OK);
	kg_buf_clear(&object);
	assert_int_equal(kg_entry_sign(&object, &proof, &e, who->key, &who->head.commit), KG_OK);
	(void)scene_force(&s, object.data, object.size, scene_ref(who));
	scene_judge(&s, NULL);
	count_reasons(&s, "bad_epoch", 1);
	count_reasons(&s, "duplicate", 1);
	assert_int_equal(s.verdict.count, 2);
	kg_entry_release(&e);
	kg_buf_release(&object);
	scene_remove(&s);
}

/* ---- forks ---- */

/* Another entry of agent-0 for its third place, kept as a proof. */
static kg_commit fork_third(scene *s)
{
	author other = s->f.agents[0];
	char hex[KG_PUBKEY_TEXT_SIZE];
	char ref[256];
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_init(&e, KG_ENTRY_REFLECTION);
	other.head.sequence = 2;
	other.head.commit = s->first[1].commit;
	proof = fixture_sign(&object, &other, &e, s->f.now_ms);
	kg_pubkey_format(hex, kg_key_public(other.key));
	(void)snprintf(ref, sizeof(ref), "%s%s/%s", KG_STORE_FORKS, hex,
		       scene_commit(&proof.commit));
	(void)scene_force(s, object.data, object.size, ref);
	kg_entry_release(&e);
	kg_buf_release(&object);
	return proof.commit;
}

static void test_verify_swarms__a_fork_is_named_with_both_its_ends(void **state)
{
	kg_chain_head seen;
	kg_commit other;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	other = fork_third(&s);
	expect(&s, "forked", 1);
	assert_string_equal(s.verdict.findings[0].commit, scene_commit(&other));
	assert_non_null(strstr(s.verdict.findings[0].detail, scene_commit(&other)));
	assert_non_null(strstr(s.verdict.findings[0].detail, scene_commit(&s.first[2].commit)));
	/* Who saw that end of it saw what there was. */
	seen = s.f.agents[0].head;
	seen.commit = other;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_add_seen(&e, kg_key_public(s.f.agents[0].key), &seen), KG_OK);
	(void)force_next(&s, &s.f.agents[1], &e);
	expect(&s, "forked", 1);
	scene_remove(&s);
}

static void test_verify_swarms__two_proofs_stand_without_the_chain(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	(void)fork_third(&s);
	s.f.now_ms += 60000;
	(void)fork_third(&s);
	/* The chain is cut back to before the fork: its author is convicted all the same. */
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref %s %s",
				       scene_ref(&s.f.agents[0]), scene_commit(&s.first[1].commit)),
			 0);
	scene_judge(&s, NULL);
	count_reasons(&s, "forked", 2);
	count_reasons(&s, "truncated", 1);
	assert_int_equal(s.verdict.count, 3);
	scene_remove(&s);
}

/* ---- what authors saw ---- */

static void test_verify_swarms__what_was_seen_and_is_there_is_fine(void **state)
{
	kg_pubkey one;
	const kg_verify_options alone = {.agent = &one};
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	for (int i = 0; i < 2; i++) {
		kg_entry_init(&e, KG_ENTRY_INSIGHT);
		for (int k = 0; k < 2; k++)
			assert_int_equal(kg_entry_add_seen(&e, kg_key_public(s.f.agents[k].key),
							   &s.f.agents[k].head),
					 KG_OK);
		(void)force_next(&s, &s.f.agents[2], &e);
	}
	expect_none(&s);
	/* Withheld since the last checkpoint, but not unseen. */
	(void)say(&s, &s.f.agents[1]);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(
		kg_entry_add_seen(&e, kg_key_public(s.f.agents[1].key), &s.f.agents[1].head),
		KG_OK);
	(void)force_next(&s, &s.f.agents[2], &e);
	expect_none(&s);
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref %s %s",
				       scene_ref(&s.f.agents[1]),
				       scene_commit(&s.second[1].commit)),
			 0);
	expect(&s, "seen_missing", 1);
	/* The chain of the one who saw is as it should be. */
	one = *kg_key_public(s.f.agents[2].key);
	scene_judge(&s, &alone);
	assert_int_equal(s.verdict.count, 0);
	scene_remove(&s);
}

/* Whoever believes a swarm need not believe those that it believes. */
static void test_verify_swarms__what_was_seen_of_strangers_need_not_be_here(void **state)
{
	kg_chain_head head = {.sequence = 3, .commit = {{3}}};
	kg_key *stranger = fixture_key(77);
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_add_seen(&e, kg_key_public(stranger), &head), KG_OK);
	(void)force_next(&s, &s.f.agents[2], &e);
	expect_none(&s);
	/* A member that has no chain is missed. */
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref -d %s",
				       scene_ref(&s.f.agents[2])),
			 0);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(
		kg_entry_add_seen(&e, kg_key_public(s.f.agents[2].key), &s.f.agents[2].head),
		KG_OK);
	(void)force_next(&s, &s.f.agents[1], &e);
	expect(&s, "seen_missing", 1);
	kg_key_free(stranger);
	scene_remove(&s);
}

/* ---- quarantine, sealed content, messages of others ---- */

static void test_verify_swarms__a_quarantine_is_told_and_is_no_fault(void **state)
{
	kg_author signs;
	kg_entry_proof proof;
	kg_buf object;
	char hex[KG_HASH_TEXT_SIZE];
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	signs = author_of(&s, &s.f.swarm);
	assert_int_equal(kg_quarantine_make(&e, &signs, &s.first[0].id, 1, "it was a guess"),
			 KG_OK);
	proof = fixture_sign(&object, &s.f.swarm, &e, s.f.now_ms + 1000);
	(void)scene_force(&s, object.data, object.size, scene_ref(&s.f.swarm));
	kg_entry_release(&e);
	expect_none(&s);
	assert_int_equal(s.verdict.quarantined_count, 1);
	kg_entry_id_format(hex, &s.first[0].id);
	assert_string_equal(s.verdict.quarantined[0].entry, hex);
	assert_string_equal(s.verdict.quarantined[0].by, KG_SWARM_NAME);
	s.f.now_ms += 2000;
	signs = author_of(&s, &s.f.swarm);
	assert_int_equal(kg_quarantine_make(&e, &signs, &proof.id, 1, "it was right"), KG_OK);
	(void)force_next(&s, &s.f.swarm, &e);
	expect_none(&s);
	assert_int_equal(s.verdict.quarantined_count, 0);
	kg_buf_release(&object);
	scene_remove(&s);
}

/* The id of what this author says of one entry: that it is in quarantine, or that it is not. */
static kg_entry_id quarantine(scene *s, author *who, const kg_entry_id *id)
{
	kg_author signs = author_of(s, who);
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	assert_int_equal(kg_quarantine_make(&e, &signs, id, 1, "it was a guess"), KG_OK);
	s->f.now_ms += 1000;
	proof = fixture_sign(&object, who, &e, s->f.now_ms);
	(void)scene_force(s, object.data, object.size, scene_ref(who));
	kg_entry_release(&e);
	kg_buf_release(&object);
	return proof.id;
}

/* As in what is recalled, so in what is told: a peer has no say over what others said. */
static void test_verify_swarms__a_quarantine_counts_where_its_swarm_has_a_say(void **state)
{
	author peer = new_author(110, KG_SWARM_NAME, NULL);
	kg_entry_id ours;
	kg_entry_id own;
	scene s;

	(void)state;
	scene_make(&s);
	trust(&s, &peer);
	certify(&s, &peer, &peer);
	(void)quarantine(&s, &peer, &s.first[0].id);
	expect_none(&s);
	assert_int_equal(s.verdict.quarantined_count, 0);
	own = quarantine(&s, &peer, &s.first[1].id);
	(void)quarantine(&s, &peer, &own); /* which it said itself */
	(void)quarantine(&s, &peer, &(kg_entry_id){{7}});
	expect_none(&s);
	assert_int_equal(s.verdict.quarantined_count, 0);
	/* What we say of our own it does not take back; what it says of its own we do. */
	ours = quarantine(&s, &s.f.swarm, &s.first[0].id);
	(void)quarantine(&s, &peer, &ours);
	expect_none(&s);
	assert_int_equal(s.verdict.quarantined_count, 1);
	/* Who has no authority puts nothing in quarantine. */
	(void)quarantine(&s, &s.f.agents[1], &s.first[2].id);
	expect(&s, "no_authority", 1);
	assert_int_equal(s.verdict.quarantined_count, 1);
	kg_key_free(peer.key);
	scene_remove(&s);
}

static void test_verify_swarms__sealed_content_may_be_gone_but_not_strange(void **state)
{
	uint8_t digest[KG_HASH_SIZE];
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	kg_seal_digest(digest, "sealed", 6);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_sealed(&e, digest, 6, NULL, 0), KG_OK);
	(void)force_next(&s, &s.f.agents[0], &e);
	expect_none(&s);
	assert_int_equal(fixture_shell(&s.f, NULL,
				       "git -C memory.git update-ref " KG_STORE_VAULT "%064d"
				       " $(echo x | git -C memory.git hash-object -w --stdin)",
				       7),
			 0);
	expect(&s, "stray_ref", 1);
	scene_remove(&s);
}

static void test_verify_swarms__a_message_that_its_author_did_not_write(void **state)
{
	static const uint8_t signature[KG_SIGNATURE_SIZE] = {1};
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	kg_entry_init(&e, KG_ENTRY_OBSERVATION);
	assert_int_equal(kg_entry_set_text(&e, "hello", 5), KG_OK);
	assert_int_equal(kg_entry_set_origin(&e, kg_key_public(s.f.agents[1].key),
					     "2025-08-27T15:30:45+00:00", signature, "hello", 5),
			 KG_OK);
	(void)force_next(&s, &s.f.agents[0], &e);
	expect(&s, "bad_origin", 1);
	scene_remove(&s);
}

/* ---- around it ---- */

static bool stop_at_once(void *payload, uint64_t checked, uint64_t expected)
{
	uint64_t *told = payload;

	(void)checked;
	*told = expected;
	return false;
}

static void test_verify_swarms__it_can_be_stopped_and_tells_how_much_there_is(void **state)
{
	uint64_t told = 0;
	const kg_verify_options options = {.step = stop_at_once, .payload = &told};
	scene s;

	(void)state;
	scene_make(&s);
	for (int i = 0; i < 80; i++)
		(void)say(&s, &s.f.agents[0]);
	assert_int_equal(kg_store_open(&s.store, s.f.dir), KG_OK);
	assert_int_equal(kg_verify(&s.verdict, s.store, &s.f.swarm.swarm, &options), KG_ETIMEOUT);
	assert_int_equal(told, 88);
	scene_remove(&s);
}

/* The only finding in the clone, "" for none. */
static const char *judge_clone(const scene *s)
{
	static char word[64];
	kg_store *store = NULL;
	kg_verdict verdict = {0};
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/copy", s->f.dir), KG_OK);
	assert_int_equal(kg_store_open_path(&store, path), KG_OK);
	assert_int_equal(kg_verify(&verdict, store, &s->f.swarm.swarm, NULL), KG_OK);
	assert_in_range(verdict.count, 0, 1);
	(void)strcpy(word, verdict.count > 0 ? verdict.findings[0].reason : "");
	kg_verdict_release(&verdict);
	kg_store_free(store);
	return word;
}

static void commit_in_clone(const scene *s, const char *option)
{
	assert_int_equal(fixture_shell(&s->f, NULL,
				       "git -C copy -c user.name=x -c user.email=x commit -q "
				       "--allow-empty -m own %s",
				       option),
			 0);
}

static void test_verify_swarms__a_branch_of_a_clone_that_went_its_own_way(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	assert_int_equal(fixture_shell(&s.f, NULL, "git clone -q memory.git copy"), 0);
	assert_string_equal(judge_clone(&s), "");
	/* Its own branch of the swarm's chain goes on … */
	commit_in_clone(&s, "");
	assert_string_equal(judge_clone(&s), "unsigned");
	/* … or leaves what the remote has. */
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C copy reset -q --hard HEAD^"), 0);
	commit_in_clone(&s, "--amend");
	assert_string_equal(judge_clone(&s), "stray_ref");
	scene_remove(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify_swarms__a_peer_is_believed_about_its_own_members),
		cmocka_unit_test(test_verify_swarms__a_peer_cannot_speak_for_a_key_of_ours),
		cmocka_unit_test(test_verify_swarms__a_peer_of_a_peer_is_a_stranger),
		cmocka_unit_test(test_verify_swarms__a_key_of_which_nothing_counts),
		cmocka_unit_test(test_verify_swarms__a_key_follows_another_when_both_say_so),
		cmocka_unit_test(test_verify_swarms__a_key_that_is_named_has_to_answer),
		cmocka_unit_test(test_verify_swarms__an_epoch_that_the_swarm_countersigned_stands),
		cmocka_unit_test(test_verify_swarms__an_epoch_on_its_own_word_does_not),
		cmocka_unit_test(test_verify_swarms__an_entry_carried_over_stands_behind_a_root),
		cmocka_unit_test(test_verify_swarms__a_fork_is_named_with_both_its_ends),
		cmocka_unit_test(test_verify_swarms__two_proofs_stand_without_the_chain),
		cmocka_unit_test(test_verify_swarms__what_was_seen_and_is_there_is_fine),
		cmocka_unit_test(test_verify_swarms__what_was_seen_of_strangers_need_not_be_here),
		cmocka_unit_test(test_verify_swarms__a_quarantine_is_told_and_is_no_fault),
		cmocka_unit_test(test_verify_swarms__a_quarantine_counts_where_its_swarm_has_a_say),
		cmocka_unit_test(test_verify_swarms__sealed_content_may_be_gone_but_not_strange),
		cmocka_unit_test(test_verify_swarms__a_message_that_its_author_did_not_write),
		cmocka_unit_test(test_verify_swarms__it_can_be_stopped_and_tells_how_much_there_is),
		cmocka_unit_test(test_verify_swarms__a_branch_of_a_clone_that_went_its_own_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
