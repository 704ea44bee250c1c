/* SPDX-License-Identifier: MIT */
#include "memory/bundle.h"
#include "memory/judge.h"
#include "memory/remote.h"
#include "tests/memory/fixture.h"

#define HEX "1234567890123456789012345678901234567890"
#define KEY "abababababababababababababababababababababababababababababababab"

static const kg_incoming_limits limits = {1000, 1 << 20, 100};

static kg_err parse(kg_bundle *bundle, const char *text)
{
	return kg_bundle_parse(bundle, text, strlen(text));
}

static void test_bundle__header_of_either_version_is_read(void **state)
{
	static const char *const texts[] = {
		"# v2 git bundle\n-" HEX " what was\n" HEX " refs/heads/agents/" KEY "\n" HEX
		" HEAD\n\nPACK",
		"# v3 git bundle\n@object-format=sha1\n-" HEX "\n" HEX " refs/heads/agents/" KEY
		"\n" HEX " refs/tags/x\n\nPACK",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		kg_bundle b;

		assert_int_equal(parse(&b, texts[i]), KG_OK);
		assert_int_equal(b.version, 2 + i);
		assert_int_equal(b.need_count, 1);
		assert_int_equal(b.offers.count, 1);
		assert_int_equal(b.offers.others, 1);
		assert_int_equal(b.offers.refs[0].kind, KG_STORE_CHAIN);
		assert_string_equal(texts[i] + b.pack_at, "PACK");
		kg_bundle_release(&b);
	}
}

static void test_bundle__header_cut_anywhere_is_refused(void **state)
{
	static const char text[] = "# v2 git bundle\n-" HEX " what was\n" HEX
				   " refs/heads/agents/" KEY "\n" HEX " HEAD\n\n";
	kg_bundle b;

	(void)state;
	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		char *cut = malloc(size + 1); /* so that reading on is found */

		memcpy(cut, text, size);
		assert_int_equal(kg_bundle_parse(&b, cut, size), KG_ECORRUPT);
		free(cut);
	}
	assert_int_equal(parse(&b, text), KG_OK);
	kg_bundle_release(&b);
}

static void test_bundle__what_is_no_header_is_refused(void **state)
{
	static const char *const texts[] = {
		"# v4 git bundle\n" HEX " HEAD\n\n",
		"# v2 git bundle\n@object-format=sha1\n" HEX " HEAD\n\n",
		"# v3 git bundle\n@object-format=sha256\n" HEX " HEAD\n\n",
		"# v3 git bundle\n@filter=blob:none\n" HEX " HEAD\n\n",
		"# v2 git bundle\n\n",
		"# v2 git bundle\n" HEX "\n\n",
		"# v2 git bundle\n" HEX " \n\n",
		"# v2 git bundle\n" HEX "-HEAD\n\n",
		"# v2 git bundle\nX" HEX " HEAD\n\n",
		"# v2 git bundle\n" HEX " a\tb\n\n",
		"# v2 git bundle\n-" HEX "HEAD\n" HEX " HEAD\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		kg_bundle b;

		assert_int_equal(parse(&b, texts[i]), KG_ECORRUPT);
	}
}

static void test_bundle__names_that_are_almost_ours_are_strays(void **state)
{
	static const struct {
		const char *name;
		bool ours;
		kg_store_kind kind;
	} names[] = {
		{"refs/heads/agents/" KEY, true, KG_STORE_CHAIN},
		{"refs/remotes/origin/agents/" KEY, true, KG_STORE_CHAIN},
		{"refs/heads/forks/" KEY "/" HEX, true, KG_STORE_PROOF},
		{"refs/vault/" KEY, true, KG_STORE_SEALED},
		{"refs/heads/epochs/" KEY "/1", true, KG_STORE_CHAIN},
		{"refs/remotes/origin/epochs/" KEY "/12", true, KG_STORE_CHAIN},
		{"refs/heads/epochs/" KEY, true, KG_STORE_STRAY},
		{"refs/heads/epochs/" KEY "/", true, KG_STORE_STRAY},
		{"refs/heads/epochs/" KEY "/0", true, KG_STORE_STRAY},
		{"refs/heads/epochs/" KEY "/01", true, KG_STORE_STRAY},
		{"refs/heads/epochs/" KEY "/1/x", true, KG_STORE_STRAY},
		{"refs/heads/epochs/" KEY "/9999999999999999999", true, KG_STORE_STRAY},
		{"refs/heads/epochs/abababab/1", true, KG_STORE_STRAY},
		{"refs/heads/agents/abababab", true, KG_STORE_STRAY},
		{"refs/heads/agents/" KEY "/x", true, KG_STORE_STRAY},
		{"refs/heads/forks/" KEY, true, KG_STORE_STRAY},
		{"refs/heads/forks/" KEY "/" KEY, true, KG_STORE_STRAY},
		{"refs/vault/x", true, KG_STORE_STRAY},
		{"refs/heads/main", false, KG_STORE_STRAY},
		{"HEAD", false, KG_STORE_STRAY},
	};
	kg_commit commit;

	(void)state;
	assert_int_equal(kg_commit_parse(&commit, HEX), KG_OK);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		kg_offers offers = {0};
		kg_offers again;
		kg_buf text;

		assert_int_equal(
			kg_offers_add(&offers, names[i].name, strlen(names[i].name), &commit),
			KG_OK);
		assert_int_equal(offers.count, names[i].ours ? 1 : 0);
		assert_int_equal(offers.others, names[i].ours ? 0 : 1);
		if (names[i].ours)
			assert_int_equal(offers.refs[0].kind, names[i].kind);
		kg_buf_init(&text, 1 << 20);
		kg_offers_put(&text, &offers);
		assert_int_equal(kg_offers_parse(&again, text.data, text.size), KG_OK);
		assert_int_equal(again.count, offers.count);
		assert_int_equal(again.others, offers.others);
		kg_offers_release(&again);
		kg_offers_release(&offers);
		kg_buf_release(&text);
	}
}

/* ---- with a memory ---- */

/* A bundle of everything that the fixture's memory has. */
static void write_bundle(fixture *f, const char *path)
{
	kg_bundle_chain chains[8] = {0};
	kg_bundle_content content = {.chains = chains, .head = &f->swarm.swarm};
	kg_store_refs refs = {0};
	kg_store *store = NULL;
	uint64_t objects = 0;

	assert_int_equal(kg_store_open(&store, f->dir), KG_OK);
	assert_int_equal(kg_store_refs_read(store, &refs), KG_OK);
	for (size_t i = 0; i < refs.count; i++) {
		chains[i].agent = refs.refs[i].agent;
		chains[i].tip = refs.refs[i].commit;
	}
	content.chain_count = refs.count;
	assert_int_equal(kg_bundle_write(store, path, &content, &objects, NULL, NULL), KG_OK);
	kg_store_refs_release(&refs);
	kg_store_free(store);
}

static kg_err unpack(fixture *f, kg_incoming **incoming, kg_bundle *bundle, const kg_buf *file,
		     size_t size)
{
	kg_err err = kg_bundle_parse(bundle, file->data, size);

	if (err != KG_OK)
		return err;
	assert_int_equal(kg_incoming_create(incoming, f->dir, "test"), KG_OK);
	err = kg_bundle_unpack(*incoming, bundle, file->data, size, &limits, NULL, NULL);
	if (err != KG_OK) {
		kg_incoming_free(*incoming);
		kg_bundle_release(bundle);
	}
	return err;
}

static void judge(fixture *f, kg_judgement *out, kg_incoming *incoming, const kg_offers *offers,
		  const kg_entry_head *known, size_t known_count)
{
	kg_admit admit;
	kg_judge_input in = {
		.offered = kg_incoming_store(incoming),
		.admit = &admit,
		.offers = offers,
		.known = known,
		.known_count = known_count,
		.now_ms = f->now_ms,
		.entries_max = 100,
	};

	assert_int_equal(kg_admit_init(&admit, &f->swarm.swarm, 5000), KG_OK);
	assert_int_equal(kg_judge(out, &in), KG_OK);
	kg_admit_release(&admit);
}

static void fill(fixture *f)
{
	kg_memory *memory = fixture_open(f);

	for (int i = 0; i < 6; i++) {
		f->now_ms += 10;
		(void)fixture_say(f, memory, &f->agents[i % 2], i < 3 ? "early" : "late");
	}
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
}

static void read_bundle(fixture *f, kg_buf *file)
{
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/x.bundle", f->dir), KG_OK);
	write_bundle(f, path);
	kg_buf_init(file, 1 << 20);
	assert_int_equal(kg_fs_read(file, path), KG_OK);
}

static void test_bundle__brings_everything_in_the_order_of_time(void **state)
{
	kg_incoming *incoming = NULL;
	kg_judgement j;
	kg_bundle bundle;
	int64_t time = 0;
	kg_buf file;
	fixture f;

	(void)state;
	fixture_make(&f);
	fill(&f);
	read_bundle(&f, &file);
	assert_int_equal(unpack(&f, &incoming, &bundle, &file, file.size), KG_OK);
	judge(&f, &j, incoming, &bundle.offers, NULL, 0);
	assert_int_equal(j.count, 7);
	assert_int_equal(j.finding_count, 0);
	for (size_t i = 0; i < j.count; i++) {
		kg_entry_proof proof;
		kg_entry entry;
		kg_buf object;

		kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
		assert_int_equal(
			kg_store_read(kg_incoming_store(incoming), &object, &j.entries[i].commit),
			KG_OK);
		assert_int_equal(kg_entry_open(&entry, &proof, object.data, object.size), KG_OK);
		assert_true(entry.time_ms >= time);
		time = entry.time_ms;
		kg_entry_release(&entry);
		kg_buf_release(&object);
	}
	kg_judgement_release(&j);
	kg_bundle_release(&bundle);
	kg_incoming_free(incoming);
	kg_buf_release(&file);
	fixture_remove(&f);
}

static void test_bundle__pack_cut_anywhere_brings_nothing(void **state)
{
	kg_incoming *incoming = NULL;
	kg_bundle bundle;
	kg_buf file;
	fixture f;

	(void)state;
	fixture_make(&f);
	fill(&f);
	read_bundle(&f, &file);
	/* Making a repository for every byte takes long; every 23rd meets every kind of place.
	 */
	for (size_t size = 0; size < file.size; size += 23)
		assert_int_not_equal(unpack(&f, &incoming, &bundle, &file, size), KG_OK);
	kg_buf_release(&file);
	fixture_remove(&f);
}

static void test_bundle__what_was_there_before_and_is_not_now_is_missed(void **state)
{
	kg_entry_head known = {.sequence = 9};
	kg_incoming *incoming = NULL;
	kg_judgement j;
	kg_bundle bundle;
	kg_buf file;
	fixture f;

	(void)state;
	fixture_make(&f);
	fill(&f);
	read_bundle(&f, &file);
	known.agent = *kg_key_public(f.agents[0].key);
	assert_int_equal(unpack(&f, &incoming, &bundle, &file, file.size), KG_OK);
	judge(&f, &j, incoming, &bundle.offers, &known, 1);
	assert_int_equal(j.finding_count, 1);
	assert_int_equal(j.findings[0].reason, KG_REASON_ROLLED_BACK);
	assert_ptr_equal(kg_judgement_worst(&j), &j.findings[0]);
	kg_judgement_release(&j);
	/* A chain that is offered no more, and one that still has what it had. */
	memset(known.agent.bytes, 7, KG_PUBKEY_SIZE);
	judge(&f, &j, incoming, &bundle.offers, &known, 1);
	assert_int_equal(j.finding_count, 1);
	kg_judgement_release(&j);
	known = (kg_entry_head){*kg_key_public(f.agents[0].key), 3, f.agents[0].head.commit};
	judge(&f, &j, incoming, &bundle.offers, &known, 1);
	assert_int_equal(j.finding_count, 0);
	kg_judgement_release(&j);
	kg_bundle_release(&bundle);
	kg_incoming_free(incoming);
	kg_buf_release(&file);
	fixture_remove(&f);
}

static void test_bundle__swarm_that_is_not_believed_is_a_stranger(void **state)
{
	kg_incoming *incoming = NULL;
	kg_judgement j;
	kg_bundle bundle;
	kg_buf file;
	kg_pubkey swarm;
	fixture f;

	(void)state;
	fixture_make(&f);
	fill(&f);
	read_bundle(&f, &file);
	swarm = f.swarm.swarm;
	assert_int_equal(unpack(&f, &incoming, &bundle, &file, file.size), KG_OK);
	f.swarm.swarm = *kg_key_public(f.agents[2].key);
	judge(&f, &j, incoming, &bundle.offers, NULL, 0);
	assert_int_equal(j.count, 0);
	assert_int_equal(j.chains, 0);
	assert_int_equal(j.stranger_count, 1);
	assert_true(kg_pubkey_equal(&j.strangers[0], &swarm));
	kg_judgement_release(&j);
	kg_bundle_release(&bundle);
	kg_incoming_free(incoming);
	kg_buf_release(&file);
	fixture_remove(&f);
}

static void test_bundle__what_is_known_of_a_remote_comes_back(void **state)
{
	kg_remote r = {.url = "https://a:secret@host/x", .reason = "forked", .detail = "twice"};
	kg_entry_head heads[2] = {{.sequence = 1}, {.sequence = 2}};
	char shown[KG_REMOTE_URL_MAX + 1];
	char name[KG_REMOTE_NAME_SIZE];
	kg_remote again;
	fixture f;

	(void)state;
	fixture_make(&f);
	heads[0].agent = *kg_key_public(f.agents[0].key);
	heads[1].agent = *kg_key_public(f.agents[1].key);
	if (memcmp(heads[0].agent.bytes, heads[1].agent.bytes, KG_PUBKEY_SIZE) > 0) {
		kg_entry_head first = heads[0];

		heads[0] = heads[1];
		heads[1] = first;
	}
	r.bad = true;
	r.heads = heads;
	r.head_count = 2;
	assert_int_equal(kg_remote_name_of(r.name, f.dir, "git@host:some/where/State/memory.git"),
			 KG_OK);
	assert_string_equal(r.name, "state");
	assert_int_equal(kg_remote_write(&r, f.dir), KG_OK);
	assert_int_equal(kg_remote_read(&again, f.dir, "state"), KG_OK);
	assert_true(again.bad);
	assert_string_equal(again.reason, "forked");
	assert_int_equal(again.head_count, 2);
	assert_memory_equal(again.heads, heads, sizeof(heads));
	kg_remote_release(&again);
	/* Its url gives its name; another url gets another one. */
	assert_int_equal(kg_remote_name_of(name, f.dir, r.url), KG_OK);
	assert_string_equal(name, "state");
	assert_int_equal(kg_remote_name_of(name, f.dir, "/else/where/state.git"), KG_OK);
	assert_string_equal(name, "state-2");
	assert_int_equal(kg_remote_read(&again, f.dir, "none"), KG_ENOTFOUND);
	assert_int_equal(kg_remote_read(&again, f.dir, "../x"), KG_EINVAL);
	kg_remote_show_url(shown, r.url);
	assert_string_equal(shown, "https://a@host/x");
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bundle__header_of_either_version_is_read),
		cmocka_unit_test(test_bundle__header_cut_anywhere_is_refused),
		cmocka_unit_test(test_bundle__what_is_no_header_is_refused),
		cmocka_unit_test(test_bundle__names_that_are_almost_ours_are_strays),
		cmocka_unit_test(test_bundle__brings_everything_in_the_order_of_time),
		cmocka_unit_test(test_bundle__pack_cut_anywhere_brings_nothing),
		cmocka_unit_test(test_bundle__what_was_there_before_and_is_not_now_is_missed),
		cmocka_unit_test(test_bundle__swarm_that_is_not_believed_is_a_stranger),
		cmocka_unit_test(test_bundle__what_is_known_of_a_remote_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
