/* SPDX-License-Identifier: MIT */
/* Every way of tampering with a memory on disk that stock tools allow, and what verify says. */
#include "tests/memory/scene.h"

/* A finding of this reason that names this commit (NULL: any), and the chain's author if given. */
static void expect(const scene *s, const char *reason, const kg_commit *commit)
{
	for (size_t i = 0; i < s->verdict.count; i++) {
		const kg_finding *f = &s->verdict.findings[i];

		if (strcmp(f->reason, reason) == 0 &&
		    (commit == NULL || strcmp(f->commit, scene_commit(commit)) == 0)) {
			assert_true(commit == NULL || f->entry[0] != '\0');
			return;
		}
	}
	for (size_t i = 0; i < s->verdict.count; i++)
		print_message("%s %s %s\n", s->verdict.findings[i].reason,
			      s->verdict.findings[i].commit, s->verdict.findings[i].detail);
	fail_msg("no finding %s", reason);
}

/* Rewrites the tip of agent-0 by a filter on its bytes, as an attacker with stock git would. */
static kg_commit rewrite_tip(scene *s, const char *filter)
{
	char command[2048];

	(void)snprintf(command, sizeof(command),
		       "c=$(git -C memory.git cat-file commit %s | %s |"
		       " git -C memory.git hash-object -w -t commit --literally --stdin);"
		       " git -C memory.git update-ref %s $c; echo $c",
		       scene_commit(&s->first[2].commit), filter, scene_ref(&s->f.agents[0]));
	return scene_commit_from(s, command);
}

static void test_verify__an_honest_memory_has_no_findings(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	scene_judge(&s, NULL);
	assert_int_equal(s.verdict.count, 0);
	assert_int_equal(s.verdict.checked, 8);
	/* Packed by stock git it is still the same memory. */
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git gc -q --prune=now"), 0);
	scene_judge(&s, NULL);
	assert_int_equal(s.verdict.count, 0);
	scene_remove(&s);
}

static void test_verify__changed_bytes_are_found(void **state)
{
	static const struct {
		const char *filter;
		const char *reason;
	} table[] = {
		{"sed 's/three/threE/'", "bad_signature"},
		{"sed 's/^author \\(.*\\) \\([0-9]*\\) +0000/author \\1 1700000000 +0000/'",
		 "bad_signature"},
		{"sed '/^parent/d'", "bad_signature"},
		{"sed 's/^Sequence: 3/Sequence: 4/'", "bad_signature"},
		{"sed 's/^tree .*/tree d87075a4ae2b286760c871be2b8a958435dc0aeb/'",
		 "bad_signature"},
		{"sed 's/^committer/x\\ncommitter/'", "bad_signature"},
		{"sed '/^gpgsig/,/END SSH/d'", "unsigned"},
		{"sed 's/^ -----END SSH SIGNATURE-----/ -----END SSH SIGNATURE----- /'",
		 "malformed"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		kg_commit forged;
		scene s;

		scene_make(&s);
		forged = rewrite_tip(&s, table[i].filter);
		scene_judge(&s, NULL);
		expect(&s, table[i].reason, &forged);
		/* The checkpoint shows that another entry stood there, or stands nowhere now. */
		if (strstr(table[i].filter, "Sequence") != NULL)
			expect(&s, "truncated", &s.first[2].commit);
		else
			expect(&s, "replaced", &forged);
		scene_remove(&s);
	}
}

static void test_verify__a_changed_parent_is_found(void **state)
{
	char filter[256];
	kg_commit forged;
	scene s;

	(void)state;
	scene_make(&s);
	(void)snprintf(filter, sizeof(filter), "sed 's/^parent .*/parent %s/'",
		       scene_commit(&s.first[0].commit));
	forged = rewrite_tip(&s, filter);
	scene_judge(&s, NULL);
	expect(&s, "bad_signature", &forged);
	expect(&s, "sequence_gap", &s.first[0].commit);
	scene_remove(&s);
}

static void test_verify__two_swapped_entries_are_found(void **state)
{
	kg_commit second;
	char command[2048];
	scene s;

	(void)state;
	scene_make(&s);
	/* 1 <- 3' <- 2': the last two change places. */
	(void)snprintf(command, sizeof(command),
		       "g='git -C memory.git'; a=$($g cat-file commit %s |"
		       " sed 's/^parent .*/parent %s/' | $g hash-object -w -t commit --stdin);"
		       " b=$($g cat-file commit %s | sed \"s/^parent .*/parent $a/\" |"
		       " $g hash-object -w -t commit --stdin);"
		       " $g update-ref %s $b; echo $b",
		       scene_commit(&s.first[2].commit), scene_commit(&s.first[0].commit),
		       scene_commit(&s.first[1].commit), scene_ref(&s.f.agents[0]));
	second = scene_commit_from(&s, command);
	scene_judge(&s, NULL);
	expect(&s, "bad_signature", &second);
	expect(&s, "sequence_gap", NULL);
	scene_remove(&s);
}

static void test_verify__a_truncated_tail_behind_a_checkpoint_is_found(void **state)
{
	kg_pubkey agent;
	kg_verify_options one = {.agent = &agent};
	scene s;

	(void)state;
	scene_make(&s);
	agent = *kg_key_public(s.f.agents[0].key);
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref %s %s",
				       scene_ref(&s.f.agents[0]), scene_commit(&s.first[1].commit)),
			 0);
	scene_judge(&s, NULL);
	assert_int_equal(s.verdict.count, 1);
	expect(&s, "truncated", &s.first[2].commit);
	scene_judge(&s, &one);
	expect(&s, "truncated", &s.first[2].commit);
	/* Gone for good: the object too. */
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git gc -q --prune=now"), 0);
	scene_judge(&s, NULL);
	expect(&s, "truncated", &s.first[2].commit);
	/* And the whole chain. */
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref -d %s",
				       scene_ref(&s.f.agents[0])),
			 0);
	scene_judge(&s, NULL);
	expect(&s, "truncated", &s.first[2].commit);
	scene_remove(&s);
}

static void test_verify__a_replayed_older_history_is_found(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	/* agent-1's branch shows agent-0's chain. */
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref %s %s",
				       scene_ref(&s.f.agents[1]), scene_commit(&s.first[2].commit)),
			 0);
	scene_judge(&s, NULL);
	expect(&s, "wrong_chain", &s.first[2].commit);
	expect(&s, "truncated", NULL);
	scene_remove(&s);
}

static void test_verify__an_entry_by_an_unknown_key_is_found(void **state)
{
	author stranger = {.name = "agent-9"};
	kg_commit commit;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	stranger.key = fixture_key(77);
	stranger.swarm = s.f.swarm.swarm;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	commit = scene_smuggle(&s, &stranger, &e);
	scene_judge(&s, NULL);
	assert_int_equal(s.verdict.count, 1);
	expect(&s, "unknown_key", &commit);
	/* Certifying itself does not help: only the swarm's own chain is believed. */
	kg_entry_release(&e);
	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	assert_int_equal(kg_entry_add_member(&e, kg_key_public(stranger.key), "agent-9"), KG_OK);
	stranger.swarm = *kg_key_public(stranger.key);
	commit = scene_smuggle(&s, &stranger, &e);
	scene_judge(&s, NULL);
	expect(&s, "wrong_swarm", &commit);
	kg_entry_release(&e);
	kg_key_free(stranger.key);
	scene_remove(&s);
}

static void test_verify__what_authors_themselves_do_wrong_is_found(void **state)
{
	author *who;
	kg_commit commit;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	who = &s.f.agents[0];
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	who->head.sequence += 5;
	commit = scene_smuggle(&s, who, &e);
	scene_judge(&s, NULL);
	expect(&s, "sequence_gap", NULL);
	scene_remove(&s);

	scene_make(&s);
	who = &s.f.agents[0];
	who->head.time_ms -= 3600000;
	s.f.now_ms -= 3600000;
	(void)scene_smuggle(&s, who, &e);
	scene_judge(&s, NULL);
	expect(&s, "time_order", NULL);
	scene_remove(&s);

	scene_make(&s);
	who = &s.f.agents[0];
	(void)strcpy(who->name, "agent-1");
	commit = scene_smuggle(&s, who, &e);
	scene_judge(&s, NULL);
	expect(&s, "wrong_name", &commit);
	kg_entry_release(&e);
	scene_remove(&s);
}

static void test_verify__one_byte_of_a_loose_object_is_found_and_named(void **state)
{
	const char *hex;
	scene s;
	kg_buf out;

	(void)state;
	kg_buf_init(&out, 4096);
	for (int byte = 0; byte < 60; byte += 5) {
		scene_make(&s);
		scene_make_loose(&s);
		hex = scene_commit(&s.first[1].commit);
		kg_buf_clear(&out);
		if (fixture_shell(&s.f, &out,
				  "f=memory.git/objects/%.2s/%s; chmod u+w $f;"
				  " b=$(od -An -tu1 -j%d -N1 $f);"
				  " printf \"$(printf '\\\\%%03o' $((b ^ 16)))\" |"
				  " dd of=$f bs=1 seek=%d conv=notrunc status=none",
				  hex, hex + 2, byte, byte) != 0)
			fail_msg("%s", kg_buf_text(&out));
		scene_judge(&s, NULL);
		assert_int_not_equal(s.verdict.count, 0);
		assert_string_equal(s.verdict.findings[0].commit, scene_commit(&s.first[1].commit));
		assert_string_equal(s.verdict.findings[0].reason, "unreadable");
		assert_int_equal(s.verdict.count, 1);
		scene_remove(&s);
	}
	scene_make(&s);
	scene_make_loose(&s);
	hex = scene_commit(&s.first[1].commit);
	assert_int_equal(
		fixture_shell(&s.f, NULL, "rm -f memory.git/objects/%.2s/%s", hex, hex + 2), 0);
	scene_judge(&s, NULL);
	expect(&s, "missing", &s.first[1].commit);
	scene_remove(&s);
	kg_buf_release(&out);
}

static void test_verify__strange_refs_are_found(void **state)
{
	static const char *const refs[] = {
		"refs/heads/main",
		"refs/heads/agents/abc",
		"refs/tags/v1",
		"refs/replace/0123456789012345678901234567890123456789",
	};
	scene s;

	(void)state;
	scene_make(&s);
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref %s %s",
					       refs[i], scene_commit(&s.first[0].commit)),
				 0);
		scene_judge(&s, NULL);
		assert_int_equal(s.verdict.count, 1);
		expect(&s, "stray_ref", NULL);
		assert_non_null(strstr(s.verdict.findings[0].detail, refs[i]));
		assert_int_equal(
			fixture_shell(&s.f, NULL, "git -C memory.git update-ref -d %s", refs[i]),
			0);
	}
	scene_remove(&s);
}

static void test_verify__the_innocent_are_not_named(void **state)
{
	static const char *const filters[] = {
		"sed 's/^Sequence: 3/Sequence: 9/'",
		"sed 's/^Time: 20../Time: 1999/; s/> [0-9]* +/> 1 +/'",
	};
	scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		kg_commit forged;

		scene_make(&s);
		forged = rewrite_tip(&s, filters[i]);
		scene_judge(&s, NULL);
		expect(&s, "bad_signature", &forged);
		for (size_t k = 0; k < s.verdict.count; k++) {
			const char *commit = s.verdict.findings[k].commit;

			assert_string_not_equal(commit, scene_commit(&s.first[0].commit));
			if (i > 0)
				assert_string_not_equal(commit, scene_commit(&s.first[1].commit));
		}
		scene_remove(&s);
	}
}

static void test_verify__a_swarm_without_its_chain_is_told(void **state)
{
	scene s;

	(void)state;
	scene_make(&s);
	assert_int_equal(fixture_shell(&s.f, NULL, "git -C memory.git update-ref -d %s",
				       scene_ref(&s.f.swarm)),
			 0);
	scene_judge(&s, NULL);
	expect(&s, "missing", NULL);
	expect(&s, "unknown_key", &s.first[0].commit);
	scene_remove(&s);
}

static void test_verify__one_entry_is_judged_alone(void **state)
{
	kg_pubkey agent;
	kg_verify_options one = {.agent = &agent};
	kg_commit forged;
	scene s;

	(void)state;
	scene_make(&s);
	agent = *kg_key_public(s.f.agents[0].key);
	forged = rewrite_tip(&s, "sed 's/three/threE/'");
	one.commit = &s.first[0].commit;
	scene_judge(&s, &one);
	assert_int_equal(s.verdict.count, 0);
	assert_true(s.verdict.reached);
	one.commit = &forged;
	scene_judge(&s, &one);
	expect(&s, "bad_signature", &forged);
	/* What stood there before, and was never undone. */
	one.commit = &s.first[2].commit;
	scene_judge(&s, &one);
	assert_false(s.verdict.reached);
	assert_int_equal(s.verdict.count, 1);
	expect(&s, "off_chain", &s.first[2].commit);
	/* On a chain, but another one. */
	one.commit = &s.second[0].commit;
	scene_judge(&s, &one);
	assert_true(s.verdict.reached);
	assert_int_equal(s.verdict.count, 0);
	one.agent = NULL;
	one.commit = &forged;
	scene_judge(&s, &one);
	expect(&s, "bad_signature", &forged);
	one = (kg_verify_options){.agent = &agent};
	agent = s.f.agents[2].swarm;
	agent.bytes[0] ^= 1;
	assert_int_equal(kg_verify(&s.verdict, s.store, &s.f.swarm.swarm, &one), KG_ENOTFOUND);
	scene_remove(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify__an_honest_memory_has_no_findings),
		cmocka_unit_test(test_verify__changed_bytes_are_found),
		cmocka_unit_test(test_verify__a_changed_parent_is_found),
		cmocka_unit_test(test_verify__two_swapped_entries_are_found),
		cmocka_unit_test(test_verify__a_truncated_tail_behind_a_checkpoint_is_found),
		cmocka_unit_test(test_verify__a_replayed_older_history_is_found),
		cmocka_unit_test(test_verify__an_entry_by_an_unknown_key_is_found),
		cmocka_unit_test(test_verify__what_authors_themselves_do_wrong_is_found),
		cmocka_unit_test(test_verify__one_byte_of_a_loose_object_is_found_and_named),
		cmocka_unit_test(test_verify__strange_refs_are_found),
		cmocka_unit_test(test_verify__the_innocent_are_not_named),
		cmocka_unit_test(test_verify__a_swarm_without_its_chain_is_told),
		cmocka_unit_test(test_verify__one_entry_is_judged_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
