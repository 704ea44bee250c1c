/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <git2.h>

#include "base/hex.h"
#include "base/rng.h"
#include "identity/sshsig.h"

static const char cut_line[] = "# ------------------------ >8 ------------------------";

/* Every group of fields at once. */
static void full_entry(kg_entry *e)
{
	kg_entry_sampler sampler = {.temperature = 0.8,
				    .top_p = 0.95,
				    .top_k = 40,
				    .max_tokens = 32,
				    .tokens = 7,
				    .seed = UINT64_MAX};
	kg_entry_parts parts = {0.1, 0.25, 0.5, 1.0};
	kg_entry_id reference;

	kg_entry_init(e, KG_ENTRY_INSIGHT);
	memset(reference.bytes, 0xab, sizeof(reference.bytes));
	assert_int_equal(kg_entry_add_tags(e, "collective-insight,a.b_c-9"), KG_OK);
	assert_int_equal(kg_entry_add_reference(e, &reference), KG_OK);
	kg_entry_set_confidence(e, 1.0 / 3);
	kg_entry_set_parts(e, &parts);
	e->has_genome = true;
	memset(e->genome.base_digest, 1, KG_HASH_SIZE);
	memset(e->genome.weights_digest, 2, KG_HASH_SIZE);
	memset(e->genome.seed, 3, KG_HASH_SIZE);
	(void)strcpy(e->genome.strategy, "fairy2");
	assert_int_equal(
		kg_entry_set_generated(e, &sampler, "a \"prompt\"\n", 11, " one\ntwo\n\n", 10),
		KG_OK);
}

static author make_author(void)
{
	author who = {.name = "agent-0"};
	kg_key *swarm = fixture_key(100);

	who.key = fixture_key(1);
	who.swarm = *kg_key_public(swarm);
	kg_key_free(swarm);
	return who;
}

static void sign_full(kg_buf *object, kg_entry *e)
{
	author who = make_author();

	kg_buf_init(object, KG_ENTRY_OBJECT_MAX);
	full_entry(e);
	(void)fixture_sign(object, &who, e, 1763610000123);
	kg_key_free(who.key);
}

static void test_entry__opening_gives_what_was_signed(void **state)
{
	kg_entry_proof proof;
	kg_entry e;
	kg_entry back;
	kg_buf object;
	kg_buf again;

	(void)state;
	sign_full(&object, &e);
	assert_int_equal(kg_entry_open(&back, &proof, object.data, object.size), KG_OK);
	assert_int_equal(back.type, e.type);
	assert_string_equal(back.agent_name, "agent-0");
	assert_int_equal(back.sequence, 1);
	assert_int_equal(back.time_ms, 1763610000123);
	assert_int_equal(back.tag_count, 2);
	assert_string_equal(back.tags[1], "a.b_c-9");
	assert_true(back.confidence > 0.333332 && back.confidence < 0.333334);
	assert_true(back.level > 0.4624999 && back.level < 0.4625001);
	assert_memory_equal(&back.parts, &e.parts, sizeof(e.parts));
	assert_true(back.sampler.temperature == e.sampler.temperature);
	assert_true(back.sampler.top_p == e.sampler.top_p);
	assert_int_equal(back.sampler.top_k, e.sampler.top_k);
	assert_int_equal(back.sampler.max_tokens, e.sampler.max_tokens);
	assert_int_equal(back.sampler.tokens, e.sampler.tokens);
	assert_true(back.sampler.seed == e.sampler.seed);
	assert_string_equal(back.genome.strategy, "fairy2");
	assert_int_equal(back.prompt.size, 11);
	assert_memory_equal(back.prompt.data, "a \"prompt\"\n", 11);
	assert_int_equal(back.answer.size, 10);
	assert_memory_equal(back.answer.data, " one\ntwo\n\n", 10);
	assert_int_equal(back.text.size, 10);
	/* The one entry of this encoding has this encoding again. */
	kg_buf_init(&again, KG_ENTRY_OBJECT_MAX);
	kg_entry_release(&e);
	e = back;
	{
		author who = make_author();

		assert_int_equal(kg_entry_sign(&again, NULL, &e, who.key, NULL), KG_OK);
		kg_key_free(who.key);
	}
	assert_int_equal(again.size, object.size);
	assert_memory_equal(again.data, object.data, object.size);
	kg_entry_release(&e);
	kg_buf_release(&again);
	kg_buf_release(&object);
}

static void test_entry__no_shorter_part_is_an_entry(void **state)
{
	kg_entry_proof proof;
	kg_entry e;
	kg_buf object;

	(void)state;
	sign_full(&object, &e);
	kg_entry_release(&e);
	for (size_t size = 0; size < object.size; size++) {
		uint8_t *part = malloc(size + 1);

		assert_non_null(part);
		memcpy(part, object.data, size);
		assert_int_not_equal(kg_entry_open(&e, &proof, part, size), KG_OK);
		/* Whole fields fewer can have the form of an entry; the signature cannot hold. */
		if (kg_entry_open_unverified(&e, &proof, part, size) == KG_OK)
			kg_entry_release(&e);
		free(part);
	}
	kg_buf_release(&object);
}

static void test_entry__no_byte_can_be_changed(void **state)
{
	kg_entry_proof proof;
	kg_entry e;
	kg_buf object;

	(void)state;
	sign_full(&object, &e);
	kg_entry_release(&e);
	for (size_t i = 0; i < object.size; i++) {
		object.data[i] ^= 1;
		assert_int_not_equal(kg_entry_open(&e, &proof, object.data, object.size), KG_OK);
		object.data[i] ^= 1;
	}
	assert_int_equal(kg_entry_open(&e, &proof, object.data, object.size), KG_OK);
	kg_entry_release(&e);
	kg_buf_release(&object);
}

/* A payload changed as text and signed again by its author: well signed, but not the one form. */
static kg_err open_changed(const char *from, const char *to)
{
	author who = make_author();
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	kg_entry_proof proof;
	kg_buf object;
	kg_buf payload;
	kg_buf text;
	const char *found;
	kg_entry e;
	kg_err err;

	full_entry(&e);
	kg_buf_init(&text, KG_ENTRY_OBJECT_MAX);
	kg_buf_init(&payload, KG_ENTRY_OBJECT_MAX);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	assert_int_equal(
		kg_entry_place(&e, &who.swarm, who.key, who.name, &who.head, 1763610000123), KG_OK);
	assert_int_equal(kg_entry_encode(&text, &e, NULL), KG_OK);
	found = strstr(kg_buf_text(&text), from);
	assert_non_null(found);
	kg_buf_put(&payload, text.data, (size_t)(found - kg_buf_text(&text)));
	kg_buf_puts(&payload, to);
	kg_buf_puts(&payload, found + strlen(from));
	kg_sshsig_sign(armour, who.key, payload.data, payload.size);
	found = strstr(kg_buf_text(&payload), "\n\n") + 1;
	kg_buf_put(&object, payload.data, (size_t)(found - kg_buf_text(&payload)));
	kg_buf_puts(&object, "gpgsig ");
	for (const char *c = armour; *c != '\0'; c++)
		kg_buf_printf(&object, *c == '\n' ? "\n " : "%c", *c);
	kg_buf_puts(&object, "\n");
	kg_buf_puts(&object, found);
	assert_int_equal(kg_buf_ok(&object), KG_OK);
	kg_entry_release(&e);
	err = kg_entry_open(&e, &proof, object.data, object.size);
	if (err == KG_OK)
		kg_entry_release(&e);
	kg_buf_release(&object);
	kg_buf_release(&payload);
	kg_buf_release(&text);
	kg_key_free(who.key);
	return err;
}

static void test_entry__another_form_is_refused_even_from_its_author(void **state)
{
	static const char *const changes[][2] = {
		{"4b825dc642cb6eb9a060e54bf8d69288fbee4904",
		 "d87075a4ae2b286760c871be2b8a958435dc0aeb"},
		{"author agent-0", "author agent-1"},
		{"1763610000 +0000\ncommitter", "1763610001 +0000\ncommitter"},
		{" +0000\n\n", " +0100\n\n"},
		{"author", "encoding latin1\nauthor"},
		{"insight: one", "insight: two"},
		{"insight: one", "gossip: one"},
		{"Kindergarten-Format: 1", "Kindergarten-Format: 2"},
		{"Kindergarten-Format: 1\n", ""},
		{"Sequence: 1", "Sequence: 01"},
		{"Sequence: 1", "Sequence: 2"},
		{"Sequence: 1", "Sequence: 0"},
		{"Sequence: 1", "Sequence: 18446744073709551616"},
		{"Sequence: 1", "sequence: 1"},
		{"Sequence: 1", "Sequence : 1"},
		{"Sequence: 1", "Sequence:  1"},
		{"Time: 2025-11-20T03:40:00.123Z", "Time: 2025-11-20T03:40:00.124Z "},
		{"Time-Counter: 0", "Time-Counter: 65536"},
		{"Tags: collective-insight, a.b_c-9", "Tags: collective-insight,a.b_c-9"},
		{"Tags: collective-insight, a.b_c-9", "Tags: a.b_c-9, a.b_c-9"},
		{"Tags: collective-insight, a.b_c-9", "Tags: Collective"},
		{"Tags: collective-insight, a.b_c-9", "Tags: "},
		{"Confidence: 0.333333", "Confidence: 0.33333"},
		{"Confidence: 0.333333", "Confidence: 1.000001"},
		{"Confidence: 0.333333", "Confidence: -0.333333"},
		{"Confidence: 0.333333", "Confidence: nan"},
		{"Confidence: 0.333333", "Confidence: 0.333333\nConfidence: 0.333333"},
		{"Consciousness: 0.462500", "Consciousness: 0.900000"},
		{"Pedagogical-Capacity: 1.000000\n", ""},
		{"Sampler-Seed: 18446744073709551615", "Sampler-Seed: 18446744073709551616"},
		{"Sampler-Top-P: 0.950000", "Sampler-Top-P: 1.950000"},
		{"Genome-Strategy: fairy2", "Genome-Strategy: fairy 2"},
		{"Prompt: \"a", "Prompt: \"\\u0061"},
		{"Answer: \" one", "Answer: \"another"},
		{"Answer: ", "Answered: "},
		{"\n\nKindergarten", "\n\nInsight: 42\nKindergarten"},
		{"\n\nKindergarten", "\nKindergarten"},
	};

	(void)state;
	assert_int_equal(open_changed("Sequence: 1", "Sequence: 1"), KG_OK);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (open_changed(changes[i][0], changes[i][1]) != KG_ECORRUPT)
			fail_msg("'%s' -> '%s' passed", changes[i][0], changes[i][1]);
}

static void test_entry__a_text_cannot_forge_fields(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"\n\n\n",
		" ",
		"insight: not a type",
		"Agent-Name: mallory\nSequence: 99\n",
		"x\n\nKindergarten-Format: 1\nAgent-Name: mallory\nSequence: 99",
		"x\n\nKindergarten-Format: 1\nSwarm: 00\n\n",
		"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent x\n\ngpgsig y",
		"---\nSequence: 99",
		"# comment\n\nConflicts:\n\tx",
		"ends in blanks \n\t\n ",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82",
		"\r\nwindows\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		author who = make_author();
		kg_entry_proof proof;
		kg_buf object;
		kg_entry e;

		kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
		proof = fixture_insight(&object, &who, texts[i], 1763610000123);
		assert_int_equal(kg_entry_open(&e, &proof, object.data, object.size), KG_OK);
		assert_string_equal(e.agent_name, "agent-0");
		assert_int_equal(e.sequence, 1);
		assert_int_equal(e.text.size, strlen(texts[i]));
		assert_memory_equal(e.text.data, texts[i], e.text.size + 1);
		kg_entry_release(&e);
		kg_buf_release(&object);
		kg_key_free(who.key);
	}
}

static void test_entry__texts_that_cannot_be_kept_are_refused(void **state)
{
	char *large = malloc(KG_ENTRY_TEXT_MAX + 2);
	kg_entry e;

	(void)state;
	assert_non_null(large);
	memset(large, 'a', KG_ENTRY_TEXT_MAX + 1);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_text(&e, "a\0b", 3), KG_EINVAL);
	assert_int_equal(kg_entry_set_text(&e, "\033[31m", 5), KG_EINVAL);
	assert_int_equal(kg_entry_set_text(&e, "\xff", 1), KG_EINVAL);
	assert_int_equal(kg_entry_set_text(&e, "\xed\xa0\x80", 3), KG_EINVAL);
	assert_int_equal(kg_entry_set_text(&e, "\xc0\x80", 2), KG_EINVAL);
	assert_int_equal(kg_entry_set_text(&e, cut_line, strlen(cut_line)), KG_EINVAL);
	assert_int_equal(kg_entry_set_text(&e, large, KG_ENTRY_TEXT_MAX + 1), KG_EFULL);
	assert_int_equal(kg_entry_set_text(&e, large, KG_ENTRY_TEXT_MAX), KG_OK);
	kg_entry_release(&e);
	free(large);
}

static void test_entry__limits_hold(void **state)
{
	char tag[KG_ENTRY_TAG_MAX + 2];
	kg_entry_id id = {{0}};
	kg_pubkey low_order = {{0}};
	kg_entry e;

	(void)state;
	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	memset(tag, 'a', sizeof(tag));
	tag[KG_ENTRY_TAG_MAX + 1] = '\0';
	assert_int_equal(kg_entry_add_tag(&e, tag), KG_EINVAL);
	tag[KG_ENTRY_TAG_MAX] = '\0';
	assert_int_equal(kg_entry_add_tag(&e, tag), KG_OK);
	assert_int_equal(kg_entry_add_tag(&e, tag), KG_EINVAL);
	assert_int_equal(kg_entry_add_tag(&e, ""), KG_EINVAL);
	assert_int_equal(kg_entry_add_tag(&e, "A"), KG_EINVAL);
	assert_int_equal(kg_entry_add_tags(&e, "a,"), KG_EINVAL);
	for (size_t i = e.tag_count; i < KG_ENTRY_TAGS_MAX; i++) {
		(void)snprintf(tag, sizeof(tag), "t%zu", i);
		assert_int_equal(kg_entry_add_tag(&e, tag), KG_OK);
	}
	assert_int_equal(kg_entry_add_tag(&e, "more"), KG_EFULL);
	for (size_t i = 0; i < KG_ENTRY_REFERENCES_MAX; i++)
		assert_int_equal(kg_entry_add_reference(&e, &id), KG_OK);
	assert_int_equal(kg_entry_add_reference(&e, &id), KG_EFULL);
	assert_int_equal(kg_entry_add_member(&e, &low_order, "agent-0"), KG_EDENIED);
	kg_entry_release(&e);
}

static void test_entry__numbers_out_of_range_are_refused(void **state)
{
	static const double bad[] = {-1e-9, 1.0000001, 2, -1};
	author who = make_author();
	kg_entry_parts parts = {0, 0, 0, 0};
	kg_buf object;
	kg_entry e;

	(void)state;
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		double value = i < 4 ? bad[i] : strtod("nan", NULL);

		full_entry(&e);
		assert_int_equal(kg_entry_place(&e, &who.swarm, who.key, who.name, &who.head, 0),
				 KG_OK);
		assert_int_equal(kg_entry_check(&e), KG_OK);
		kg_entry_set_confidence(&e, value);
		assert_int_equal(kg_entry_sign(&object, NULL, &e, who.key, NULL), KG_EINVAL);
		kg_entry_set_confidence(&e, 0);
		parts.pedagogical_capacity = value;
		kg_entry_set_parts(&e, &parts);
		assert_int_equal(kg_entry_check(&e), KG_EINVAL);
		e.has_parts = false;
		kg_entry_set_level(&e, value);
		assert_int_equal(kg_entry_check(&e), KG_EINVAL);
		kg_entry_release(&e);
	}
	kg_buf_release(&object);
	kg_key_free(who.key);
}

static void test_entry__answers_are_kept_byte_for_byte(void **state)
{
	uint8_t all[1024];
	kg_entry_sampler sampler = {.temperature = 1};
	author who = make_author();
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(all + 512, "\n\n", 2);
	memcpy(all + 600, cut_line, strlen(cut_line));
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_init(&e, KG_ENTRY_LEARNING);
	e.has_genome = true;
	(void)strcpy(e.genome.strategy, "x");
	assert_int_equal(kg_entry_set_generated(&e, &sampler, all, 300, all, sizeof(all)), KG_OK);
	proof = fixture_sign(&object, &who, &e, 1763610000123);
	kg_entry_release(&e);
	assert_int_equal(kg_entry_open(&e, &proof, object.data, object.size), KG_OK);
	assert_int_equal(e.answer.size, sizeof(all));
	assert_memory_equal(e.answer.data, all, sizeof(all));
	assert_int_equal(e.prompt.size, 300);
	assert_memory_equal(e.prompt.data, all, 300);
	kg_entry_release(&e);
	kg_buf_release(&object);
	kg_key_free(who.key);
}

static void test_entry__only_the_swarm_may_witness(void **state)
{
	kg_entry_head head = {.sequence = 1};
	author who = make_author();
	kg_entry e;

	(void)state;
	kg_entry_init(&e, KG_ENTRY_CHECKPOINT);
	assert_int_equal(kg_entry_place(&e, &who.swarm, who.key, who.name, &who.head, 0), KG_OK);
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	e.type = KG_ENTRY_INSIGHT;
	assert_int_equal(kg_entry_check(&e), KG_OK);
	assert_int_equal(kg_entry_add_head(&e, &head), KG_OK);
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	assert_int_equal(kg_entry_add_member(&e, kg_key_public(who.key), "agent-0"), KG_OK);
	assert_int_equal(kg_entry_place(&e, &who.swarm, who.key, who.name, &who.head, 0), KG_OK);
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_key_free(who.key);
}

static void test_entry__time_never_goes_back(void **state)
{
	author who = make_author();
	kg_buf object;
	kg_entry e;

	(void)state;
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	(void)fixture_insight(&object, &who, "a", 5000);
	(void)fixture_insight(&object, &who, "b", 4000);
	assert_int_equal(who.head.time_ms, 5000);
	assert_int_equal(who.head.time_counter, 1);
	(void)fixture_insight(&object, &who, "c", 5001);
	assert_int_equal(who.head.time_counter, 0);
	who.head.time_counter = UINT16_MAX;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_place(&e, &who.swarm, who.key, who.name, &who.head, 0), KG_OK);
	assert_int_equal(e.time_ms, 5002);
	assert_int_equal(e.time_counter, 0);
	kg_buf_release(&object);
	kg_key_free(who.key);
}

/* The subject is for people; it must be one line of at most 72 characters whatever the text. */
static void test_entry__the_subject_is_the_first_words(void **state)
{
	static const char *const subjects[][2] = {
		{"one  two\n three", "insight: one two three\n"},
		{"", "insight: \xe2\x80\xa6\n"},
		{"   ", "insight: \xe2\x80\xa6\n"},
		{"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789",
		 "insight: 0123456789 0123456789 0123456789 0123456789 0123456789 \xe2\x80\xa6\n"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 "insight: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
		 "\xe2\x80\xa6\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		author who = make_author();
		const char *subject;
		kg_buf object;

		kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
		(void)fixture_insight(&object, &who, subjects[i][0], 0);
		subject = strstr(kg_buf_text(&object), "\n\n") + 2;
		if (strncmp(subject, subjects[i][1], strlen(subjects[i][1])) != 0)
			fail_msg("%.100s", subject);
		kg_buf_release(&object);
		kg_key_free(who.key);
	}
}

/* A block of docs/entry-format.md and all of it; false where the source is not there. */
static bool read_vector(kg_buf *shown, kg_buf *doc, int number)
{
	const char *source = getenv("KG_SOURCE_DIR");
	char path[KG_PATH_SIZE];
	char mark[32];
	const char *at;

	if (source == NULL)
		return false;
	kg_buf_init(doc, 1 << 20);
	kg_buf_init(shown, 1 << 20);
	(void)snprintf(mark, sizeof(mark), "<!-- vector %d -->\n", number);
	assert_int_equal(kg_path(path, "%s/docs/entry-format.md", source), KG_OK);
	assert_int_equal(kg_fs_read(doc, path), KG_OK);
	at = strstr(kg_buf_text(doc), mark);
	assert_non_null(at);
	at = strstr(at, "```\n") + 4;
	kg_buf_put(shown, at, (size_t)(strstr(at, "```\n") - at));
	return true;
}

static void first_vector(kg_buf *object, kg_entry_proof *proof, author *who)
{
	kg_entry e;

	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_text(&e, "Yellow and blue make green.", 27), KG_OK);
	assert_int_equal(kg_entry_add_tags(&e, "colour,collective-insight"), KG_OK);
	kg_entry_set_confidence(&e, 0.9);
	kg_entry_set_parts(&e, &(kg_entry_parts){0.5, 0.25, 0.75, 0.1});
	*proof = fixture_sign(object, who, &e, 1763610000123);
	kg_entry_release(&e);
}

static void second_vector(kg_buf *object, kg_entry_proof *proof, author *who)
{
	kg_key *others[2] = {fixture_key(3), fixture_key(2)};
	kg_pubkey keys[2] = {*kg_key_public(others[0]), *kg_key_public(others[1])};
	kg_chain_head seen[2] = {{.sequence = 9}, {.sequence = 3}};
	uint8_t digest[KG_HASH_SIZE];
	uint8_t sealed[100];
	kg_commit parent;
	kg_entry e;

	memset(parent.bytes, 0x11, sizeof(parent.bytes));
	memset(seen[0].commit.bytes, 0x33, sizeof(parent.bytes));
	memset(seen[1].commit.bytes, 0x22, sizeof(parent.bytes));
	memset(sealed, 0xab, sizeof(sealed));
	kg_hash(digest, "kindergarten sealed v1", sealed, sizeof(sealed));
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_add_tag(&e, "private"), KG_OK);
	assert_int_equal(kg_entry_set_sealed(&e, digest, sizeof(sealed), keys, 2), KG_OK);
	who->head = (kg_chain_head){1, 1763610000123, 6, parent};
	for (int i = 0; i < 2; i++)
		assert_int_equal(kg_entry_add_seen(&e, &keys[i], &seen[i]), KG_OK);
	assert_int_equal(
		kg_entry_place(&e, &who->swarm, who->key, who->name, &who->head, 1763610000123),
		KG_OK);
	assert_int_equal(kg_entry_carry(&e, 6), KG_OK);
	assert_int_equal(kg_entry_sign(object, proof, &e, who->key, &parent), KG_OK);
	kg_entry_release(&e);
	kg_key_free(others[0]);
	kg_key_free(others[1]);
}

/* What docs/entry-format.md shows is what is written: its blocks, their ids, their commits. */
static void test_entry__the_documented_vectors_hold(void **state)
{
	(void)state;
	for (int number = 1; number <= 2; number++) {
		author who = make_author();
		char hex[KG_HASH_TEXT_SIZE];
		kg_entry_proof again;
		kg_entry_proof proof;
		kg_buf object;
		kg_buf shown;
		kg_buf doc;
		kg_entry e;

		if (!read_vector(&shown, &doc, number)) {
			kg_key_free(who.key);
			skip();
		}
		kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
		if (number == 1)
			first_vector(&object, &proof, &who);
		else
			second_vector(&object, &proof, &who);
		assert_int_equal(object.size, shown.size);
		assert_memory_equal(object.data, shown.data, shown.size);
		kg_entry_id_format(hex, &proof.id);
		assert_non_null(strstr(kg_buf_text(&doc), hex));
		kg_commit_format(hex, &proof.commit);
		assert_non_null(strstr(kg_buf_text(&doc), hex));
		assert_int_equal(kg_entry_open(&e, &again, shown.data, shown.size), KG_OK);
		assert_memory_equal(&again, &proof, sizeof(proof));
		kg_entry_release(&e);
		kg_buf_release(&object);
		kg_buf_release(&shown);
		kg_buf_release(&doc);
		kg_key_free(who.key);
	}
}

/* Not only ours: the git that is installed finds the signatures good. */
static void test_entry__stock_git_accepts_the_documented_vectors(void **state)
{
	char signers[KG_SSHSIG_SIGNERS_SIZE];
	kg_buf shown;
	kg_buf doc;
	fixture f;

	(void)state;
	if (!read_vector(&shown, &doc, 1))
		skip();
	fixture_make(&f);
	assert_int_equal(kg_sshsig_signers(signers, "agent-0", kg_key_public(f.agents[0].key)),
			 KG_OK);
	assert_int_equal(
		fixture_shell(&f, NULL, "echo '%s' > signers && git init -q --bare r", signers), 0);
	for (int number = 1; number <= 2; number++) {
		char path[KG_PATH_SIZE];

		kg_buf_release(&shown);
		kg_buf_release(&doc);
		assert_true(read_vector(&shown, &doc, number));
		assert_int_equal(kg_path(path, "%s/object", f.dir), KG_OK);
		assert_int_equal(kg_fs_write(path, shown.data, shown.size, 0600), KG_OK);
		assert_int_equal(
			fixture_shell(
				&f, NULL,
				"git -C r -c gpg.ssh.allowedSignersFile=../signers "
				"verify-commit $(git -C r hash-object -t commit -w ../object)"),
			0);
	}
	kg_buf_release(&shown);
	kg_buf_release(&doc);
	fixture_remove(&f);
}

static int start(void **state)
{
	(void)state;
	return kg_identity_init() == KG_OK ? 0 : -1;
}

static void test_entry__commits_are_named_as_git_names_them(void **state)
{
	uint8_t object[300];
	kg_rng rng;

	(void)state;
	assert_true(git_libgit2_init() > 0);
	kg_rng_init_u64(&rng, 1);
	for (size_t i = 0; i < sizeof(object); i++)
		object[i] = (uint8_t)kg_rng_below(&rng, 256);
	for (size_t size = 0; size <= sizeof(object); size++) {
		kg_commit id;
		git_oid oid;

		kg_commit_id(&id, object, size);
		assert_int_equal(git_odb_hash(&oid, object, size, GIT_OBJECT_COMMIT), 0);
		assert_memory_equal(id.bytes, oid.id, sizeof(id.bytes));
	}
	(void)git_libgit2_shutdown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry__opening_gives_what_was_signed),
		cmocka_unit_test(test_entry__no_shorter_part_is_an_entry),
		cmocka_unit_test(test_entry__no_byte_can_be_changed),
		cmocka_unit_test(test_entry__another_form_is_refused_even_from_its_author),
		cmocka_unit_test(test_entry__a_text_cannot_forge_fields),
		cmocka_unit_test(test_entry__texts_that_cannot_be_kept_are_refused),
		cmocka_unit_test(test_entry__limits_hold),
		cmocka_unit_test(test_entry__numbers_out_of_range_are_refused),
		cmocka_unit_test(test_entry__answers_are_kept_byte_for_byte),
		cmocka_unit_test(test_entry__only_the_swarm_may_witness),
		cmocka_unit_test(test_entry__time_never_goes_back),
		cmocka_unit_test(test_entry__the_subject_is_the_first_words),
		cmocka_unit_test(test_entry__the_documented_vectors_hold),
		cmocka_unit_test(test_entry__stock_git_accepts_the_documented_vectors),
		cmocka_unit_test(test_entry__commits_are_named_as_git_names_them),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
