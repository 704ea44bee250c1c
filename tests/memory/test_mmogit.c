/* SPDX-License-Identifier: MIT */
/*
 * Messages of mmogit: the vectors of its protocol, made by other programs, and everything that its
 * own reader takes and must not.
 */
#include "tests/memory/fixture.h"

#include "base/hex.h"
#include "memory/mmogit.h"

/* The key that "abandon" 23 times and "art" make, and the seed it comes from. */
#define AUTHOR "1de352e44cd333672593f2334a730e180aaf290de89aa16d480de594e34e2961"
#define SEED   "408b285c123836004f4b8842c89324c1f01382450c0d439af345ba7fc49acf70"
#define TIME   "2025-08-27T15:30:45.123456789+00:00"
#define HELLO  "Hello, sovereign world!"
#define SIGNATURE                                                   \
 "8cf02ff013a06a05916c07c213be4e7d4e8f2227524345af79501bfabf90d580" \
 "54c8d7b78277f79949cb55d58f55ff3a6505ab8b67a3d829e64b80facd806606"
/* "abandon" 11 times and "about". */
#define AUTHOR_B "c5785e1865b708938aff8161d573006496663b1aa10834e396dc566869a2c66a"
#define SIGNATURE_B                                                 \
 "1a3a8ebde78da94d217d45e7f406eeda94b04e8c0b1cea7c94e348893b91fbce" \
 "d7707a5a61d3a59d3a20ce50a0d6be6014b22617a83ced9e6f92e3215855de08"

/* XChaCha20-Poly1305 of the compact JSON of that message under the seed, nonce 00 to 17. */
static const char envelope_hex[] =
	"f335bf0dc5b2cb63503780bfc0e7e18e0e9ce5cf4e2b0724ee1d8f13616ec7f720b76f860d88"
	"c8f05c06225e314ba7450c35823e43d1f02c5567bc175dc113efbc4a9f2e5eaabc5b3f055c57"
	"813b5bb113a5d31be2bf85994534a63635c2b90f3ce642d4a25f1d7fdcfe23606d6011787d2c"
	"226c4b93892affd09ca3178010e8901648db57ad7ceea28fa710365aa184e5f90e27762cd612"
	"708f0d2c521ae2b0470c8d0df58568487c49085fb611b8adbac1125eb3e0b098637c53bdb704"
	"05bf26b997415d961da5d1049dc4c123c25113b3a129a6f9434d5038dc5ef238ad584c5e0a08"
	"8075c57391141457881b64fa3aea575f03aa8a0a508d6bbb2f7f16bcb2a69e95e8c85206f0f3"
	"caae7d1ae4d274ce0fcd0c7e6e0447d5ec9b449e29f30ea228d2d00a03ed98cf152cacde8663"
	"29af6860fed17e1cf7d1807501d9c1dbf4a6";

static char text[64 << 10];

static const char *message(const char *content, const char *key, const char *time,
			   const char *signature)
{
	(void)snprintf(
		text, sizeof(text),
		"{\n  \"content\": \"%s\",\n  \"author\": \"%s\",\n  \"timestamp\": \"%s\",\n"
		"  \"signature\": \"%s\"\n}",
		content, key, time, signature);
	return text;
}

static kg_reason reason_of(const char *json)
{
	kg_mmogit_message m;
	kg_reason why = KG_REASON_NONE;
	kg_err err = kg_mmogit_parse(&m, &why, json, strlen(json), NULL);

	if (err == KG_OK) {
		assert_int_equal(why, KG_REASON_NONE);
		kg_mmogit_release(&m);
	} else {
		assert_int_not_equal(why, KG_REASON_NONE);
		assert_int_equal(err, kg_reason_code(why));
	}
	return why;
}

static void seed_of(uint8_t seed[KG_KEY_SEED_SIZE])
{
	assert_int_equal(kg_hex_decode(seed, KG_KEY_SEED_SIZE, SEED), KG_OK);
}

/* A message that the vector's author signs. */
static const char *signed_message(const char *content, const char *time)
{
	uint8_t seed[KG_KEY_SEED_SIZE], signature[KG_SIGNATURE_SIZE];
	char hex[2 * KG_SIGNATURE_SIZE + 1], bytes[8192];
	kg_key *key = NULL;

	seed_of(seed);
	assert_int_equal(kg_key_new(&key, seed), KG_OK);
	(void)snprintf(bytes, sizeof(bytes), "%s%s%s", content, AUTHOR, time);
	kg_key_sign(key, signature, bytes, strlen(bytes));
	kg_key_free(key);
	kg_hex_encode(hex, signature, sizeof(signature));
	return message(content, AUTHOR, time, hex);
}

static void test_mmogit__the_vectors_are_read(void **state)
{
	const char *const both[] = {SIGNATURE, SIGNATURE_B};
	const char *const authors[] = {AUTHOR, AUTHOR_B};

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *json = message(HELLO, authors[i], TIME, both[i]);
		char key[KG_PUBKEY_TEXT_SIZE];
		kg_mmogit_message m;
		kg_reason why;

		assert_int_equal(kg_mmogit_parse(&m, &why, json, strlen(json), NULL), KG_OK);
		kg_pubkey_format(key, &m.author);
		assert_string_equal(key, authors[i]);
		assert_string_equal(m.time, TIME);
		assert_true(m.time_ns == INT64_C(1756308645123456789));
		assert_int_equal(m.content.size, strlen(HELLO));
		assert_false(m.was_private);
		assert_int_equal(kg_mmogit_check(&m.author, m.time, m.signature, m.content.data,
						 m.content.size),
				 KG_OK);
		m.content.data[0] ^= 1;
		assert_int_equal(kg_mmogit_check(&m.author, m.time, m.signature, m.content.data,
						 m.content.size),
				 KG_EBADSIG);
		kg_mmogit_release(&m);
	}
	/* The one's signature is not the other's. */
	assert_int_equal(reason_of(message(HELLO, AUTHOR_B, TIME, SIGNATURE)),
			 KG_REASON_BAD_SIGNATURE);
}

/* The envelope as the prototype writes it: lists of integers. */
static char *envelope(int version, int flip)
{
	static char json[16 << 10];
	uint8_t bytes[sizeof(envelope_hex) / 2];
	size_t size = (sizeof(envelope_hex) - 1) / 2;
	int at;

	assert_int_equal(kg_hex_decode(bytes, size, envelope_hex), KG_OK);
	if (flip >= 0)
		bytes[flip] ^= 1;
	at = snprintf(json, sizeof(json), "{\n  \"version\": %d,\n  \"nonce\": [", version);
	for (int i = 0; i < 24; i++)
		at += snprintf(json + at, sizeof(json) - (size_t)at, "%s\n    %d", i ? "," : "", i);
	at += snprintf(json + at, sizeof(json) - (size_t)at, "\n  ],\n  \"ciphertext\": [");
	for (size_t i = 0; i < size; i++)
		at += snprintf(json + at, sizeof(json) - (size_t)at, "%s\n    %d", i ? "," : "",
			       bytes[i]);
	(void)snprintf(json + at, sizeof(json) - (size_t)at,
		       "\n  ],\n  \"recipient_hint\": null,\n"
		       "  \"timestamp\": \"2025-08-27T15:30:45.123456789Z\"\n}");
	return json;
}

static kg_err open_envelope(const char *json, const uint8_t *seed, bool *was_private)
{
	kg_mmogit_message m;
	kg_reason why;
	kg_err err = kg_mmogit_parse(&m, &why, json, strlen(json), seed);

	if (err == KG_OK) {
		*was_private = m.was_private;
		assert_memory_equal(m.content.data, HELLO, strlen(HELLO));
		kg_mmogit_release(&m);
	}
	return err;
}

static void test_mmogit__envelopes_open_for_their_author_alone(void **state)
{
	uint8_t seed[KG_KEY_SEED_SIZE];
	bool was_private = false;

	(void)state;
	seed_of(seed);
	assert_int_equal(open_envelope(envelope(1, -1), seed, &was_private), KG_OK);
	assert_true(was_private);
	assert_int_equal(open_envelope(envelope(1, -1), NULL, &was_private), KG_ENOTFOUND);
	assert_int_equal(open_envelope(envelope(1, 300), seed, &was_private), KG_ENOTFOUND);
	assert_int_equal(open_envelope(envelope(2, -1), seed, &was_private), KG_ECORRUPT);
	seed[0] ^= 1;
	assert_int_equal(open_envelope(envelope(1, -1), seed, &was_private), KG_ENOTFOUND);
	assert_int_equal(open_envelope("{\"version\":1,\"nonce\":[1,2],\"ciphertext\":[256]}", seed,
				       &was_private),
			 KG_ECORRUPT);
}

/* Nothing is signed between content, author and time: a quoted key is a second place to cut. */
static void test_mmogit__a_spliced_message_is_refused(void **state)
{
	char *signature;

	(void)state;
	assert_int_equal(reason_of(signed_message("I am " AUTHOR " indeed", TIME)), KG_REASON_NONE);
	signature = strstr(text, "\"signature\": \"") + strlen("\"signature\": \"");
	signature = strndup(signature, 2 * KG_SIGNATURE_SIZE);
	assert_non_null(signature);
	assert_int_equal(reason_of(message("I am ", AUTHOR, " indeed" AUTHOR TIME, signature)),
			 KG_REASON_MALFORMED);
	free(signature);
	/* An author who quotes the key with a time right behind it. */
	assert_int_equal(reason_of(signed_message("I am " AUTHOR TIME, TIME)), KG_REASON_NONE);
	signature = strstr(text, "\"signature\": \"") + strlen("\"signature\": \"");
	signature = strndup(signature, 2 * KG_SIGNATURE_SIZE);
	assert_non_null(signature);
	assert_int_equal(reason_of(message("I am ", AUTHOR, TIME AUTHOR TIME, signature)),
			 KG_REASON_MALFORMED);
	free(signature);
}

static void test_mmogit__only_a_whole_good_key_is_an_author(void **state)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	static const char easy[] = /* what a key of low order makes good without its owner */
		"01000000000000000000000000000000000000000000000000000000000000000000000000000000"
		"000000000000000000000000000000000000000000000000";
	static const char *const malformed[] = {
		"",
		"1d",
		"1de352e44cd33367",
		"1de352e44cd333672593f2334a730e180aaf290de89aa16d480de594e34e29",
		AUTHOR "00",
		"1DE352E44CD333672593F2334A730E180AAF290DE89AA16D480DE594E34E2961",
		"1de352e44cd333672593f2334a730e180aaf290de89aa16d480de594e34e296g",
	};
	char order_four[KG_PUBKEY_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		assert_int_equal(reason_of(message(HELLO, malformed[i], TIME, easy)),
				 KG_REASON_MALFORMED);
		assert_int_equal(reason_of(message(HELLO, malformed[i], TIME, SIGNATURE)),
				 KG_REASON_MALFORMED);
	}
	assert_int_equal(reason_of(message(HELLO, zeros, TIME, easy)), KG_REASON_WEAK_KEY);
	(void)snprintf(order_four, sizeof(order_four), "01%.62s", zeros);
	assert_int_equal(reason_of(message(HELLO, order_four, TIME, easy)), KG_REASON_WEAK_KEY);
}

static void test_mmogit__a_time_has_one_form(void **state)
{
	static const char *const good[] = {
		"2025-08-27T15:30:45+00:00",
		"2025-08-27T15:30:45.123+00:00",
		"2025-08-27T15:30:45.123456+00:00",
		"2025-08-27T15:30:45.123456789Z",
		"2024-02-29T00:00:00Z",
	};
	static const char *const bad[] = {
		"",
		"now",
		"2025-08-27",
		"2025-08-27 15:30:45+00:00",
		"2025-08-27T15:30:45",
		"2025-08-27T15:30:45.1+00:00",
		"2025-08-27T15:30:45.1234567890+00:00",
		"2025-08-27T15:30:45.+00:00",
		"2025-08-27T15:30:45+02:00",
		"2025-08-27T15:30:45-00:00",
		"2025-08-27T15:30:45+00:00 ",
		"2025-13-27T15:30:45Z",
		"2025-02-29T15:30:45Z",
		"2025-08-27T24:00:00Z",
		"2025-08-27T15:60:45Z",
		"2025-00-01T00:00:00Z",
		"12025-08-27T15:30:45Z",
		"+025-08-27T15:30:45Z",
		"2025-8-27T15:30:45Z",
		"1969-12-31T23:59:59Z",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(reason_of(signed_message("x", good[i])), KG_REASON_NONE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(reason_of(signed_message("x", bad[i])), KG_REASON_MALFORMED);
}

static void test_mmogit__what_is_no_message_is_refused_with_its_reason(void **state)
{
	static const char *const malformed[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"content\":\"x\"}",
		"{\"content\":\"a\",\"content\":\"b\"}",
		"{\"thought\":1}",
	};
	kg_mmogit_message m;
	kg_reason why;
	char deep[400];
	char *large = calloc(1, KG_MMOGIT_FILE_MAX + 1);

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		assert_int_equal(reason_of(malformed[i]), KG_REASON_MALFORMED);
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(reason_of(deep), KG_REASON_MALFORMED);
	assert_int_equal(reason_of(message("\xff\xfe", AUTHOR, TIME, SIGNATURE)),
			 KG_REASON_NOT_UTF8);
	assert_int_equal(reason_of(message("a\\u0000b", AUTHOR, TIME, SIGNATURE)),
			 KG_REASON_MALFORMED);
	assert_int_equal(reason_of(message("", AUTHOR, TIME, SIGNATURE)), KG_REASON_MALFORMED);
	assert_int_equal(reason_of(message(HELLO, AUTHOR, TIME, "8cf0")), KG_REASON_MALFORMED);
	assert_non_null(large);
	assert_int_equal(kg_mmogit_parse(&m, &why, large, KG_MMOGIT_FILE_MAX + 1, NULL),
			 KG_ECORRUPT);
	assert_int_equal(why, KG_REASON_OVERSIZE);
	free(large);
}

static void test_mmogit__a_content_may_be_as_long_as_an_entry_and_no_longer(void **state)
{
	size_t size = KG_ENTRY_TEXT_MAX + 1;
	char *json = malloc(size + 512);
	kg_mmogit_message m;
	kg_reason why;
	char *at = json;

	(void)state;
	assert_non_null(json);
	at = stpcpy(at, "{\"content\":\"");
	memset(at, 'a', size);
	at = stpcpy(at + size, "\",\"author\":\"" AUTHOR "\",\"timestamp\":\"" TIME
			       "\",\"signature\":\"" SIGNATURE "\"}");
	assert_int_equal(kg_mmogit_parse(&m, &why, json, (size_t)(at - json), NULL), KG_ECORRUPT);
	assert_int_equal(why, KG_REASON_OVERSIZE);
	free(json);
}

static void test_mmogit__a_file_cut_anywhere_is_refused(void **state)
{
	char *whole = strdup(message(HELLO, AUTHOR, TIME, SIGNATURE));
	size_t size = strlen(whole);

	(void)state;
	for (size_t cut = 0; cut < size; cut++) {
		char *part = malloc(cut + 1);
		kg_mmogit_message m;
		kg_reason why;

		assert_non_null(part);
		memcpy(part, whole, cut);
		assert_int_equal(kg_mmogit_parse(&m, &why, part, cut, NULL), KG_ECORRUPT);
		free(part);
	}
	free(whole);
}

static kg_entry entry_of(const char *content)
{
	char escaped[4096];
	size_t at = 0;
	uint8_t seed[KG_KEY_SEED_SIZE];
	kg_mmogit_message m;
	kg_reason why;
	kg_entry entry;
	kg_key *key = NULL;
	char bytes[8192], hex[2 * KG_SIGNATURE_SIZE + 1];
	uint8_t signature[KG_SIGNATURE_SIZE];

	for (const char *c = content; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\' || *c == '\n')
			escaped[at++] = '\\';
		escaped[at++] = *c == '\n' ? 'n' : *c;
	}
	escaped[at] = '\0';
	seed_of(seed);
	assert_int_equal(kg_key_new(&key, seed), KG_OK);
	(void)snprintf(bytes, sizeof(bytes), "%s%s%s", content, AUTHOR, TIME);
	kg_key_sign(key, signature, bytes, strlen(bytes));
	kg_key_free(key);
	kg_hex_encode(hex, signature, sizeof(signature));
	(void)message(escaped, AUTHOR, TIME, hex);
	assert_int_equal(kg_mmogit_parse(&m, &why, text, strlen(text), NULL), KG_OK);
	assert_int_equal(kg_mmogit_entry(&entry, &m), KG_OK);
	assert_true(entry.has_origin);
	assert_int_equal(entry.origin.content.size, strlen(content));
	assert_int_equal(kg_mmogit_check(&entry.origin.author, entry.origin.time,
					 entry.origin.signature, entry.origin.content.data,
					 entry.origin.content.size),
			 KG_OK);
	assert_true(kg_entry_has_tag(&entry, "mmogit"));
	kg_mmogit_release(&m);
	return entry;
}

static void test_mmogit__plain_messages_are_observations(void **state)
{
	/* Fifty bytes in, the prototype cuts a character in two and ends. */
	static const char umlauts[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				      "\xc3\xa4\xc3\xa4";
	kg_entry e = entry_of(umlauts);

	(void)state;
	assert_int_equal(e.type, KG_ENTRY_OBSERVATION);
	assert_string_equal((char *)e.text.data, umlauts);
	kg_entry_release(&e);
	/* JSON that is no memory is a text like any other. */
	e = entry_of("{\"memory\": {\"type\": \"Plan\"}}");
	assert_string_equal((char *)e.text.data, "{\"memory\": {\"type\": \"Plan\"}}");
	kg_entry_release(&e);
}

static void test_mmogit__structured_memories_become_what_they_say(void **state)
{
	static const struct {
		const char *memory;
		kg_entry_type type;
		const char *tag;
		const char *text;
	} cases[] = {
		{"{\"type\":\"Observation\",\"subject\":\"s\",\"insight\":\"s\",\"confidence\":0."
		 "5}",
		 KG_ENTRY_OBSERVATION, NULL, "s"},
		{"{\"type\":\"Observation\",\"subject\":\"tide\",\"insight\":\"rises\"}",
		 KG_ENTRY_OBSERVATION, NULL, "tide: rises"},
		{"{\"type\":\"Learning\",\"topic\":\"C\",\"lesson\":\"check\",\"context\":"
		 "\"work\"}",
		 KG_ENTRY_LEARNING, NULL, "C: check: work"},
		{"{\"type\":\"Relationship\",\"identity\":\"bob\",\"context\":\"met\"}",
		 KG_ENTRY_OBSERVATION, "relationship", "bob: met"},
		{"{\"type\":\"Task\",\"description\":\"sweep\",\"status\":\"Blocked\"}",
		 KG_ENTRY_OBSERVATION, "task", "sweep: Blocked"},
		{"{\"type\":\"Experience\",\"description\":\"rain\",\"valence\":0.1}",
		 KG_ENTRY_OBSERVATION, "experience", "rain"},
		{"{\"type\":\"Reflection\",\"observation\":\"calm\",\"comparison_to\":null}",
		 KG_ENTRY_REFLECTION, NULL, "calm"},
		{"{\"type\":\"Question\",\"query\":\"why?\",\"answered\":null}", KG_ENTRY_QUESTION,
		 NULL, "why?"},
		{"{\"type\":\"Custom\",\"schema\":\"v1\",\"data\":{\"a\":[1]}}",
		 KG_ENTRY_OBSERVATION, "custom", "v1: {\"a\":[1]}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char content[1024];
		kg_entry e;

		(void)snprintf(content, sizeof(content),
			       "{\n  \"id\": \"mem_1756308645123456789\",\n  \"memory\": %s,\n"
			       "  \"tags\": [\"Two Words\", \"caf\xc3\xa9\", \"a\", \"A\", \"--\"],"
			       "\n  \"references\": [],\n  \"metadata\": {},\n"
			       "  \"created_at\": \"2025-08-27T15:30:45Z\",\n"
			       "  \"expires_at\": null\n}",
			       cases[i].memory);
		e = entry_of(content);
		assert_int_equal(e.type, cases[i].type);
		assert_string_equal((char *)e.text.data, cases[i].text);
		assert_true(cases[i].tag == NULL || kg_entry_has_tag(&e, cases[i].tag));
		assert_true(kg_entry_has_tag(&e, "two-words") && kg_entry_has_tag(&e, "caf"));
		assert_true(kg_entry_has_tag(&e, "a"));
		assert_true(i > 0 || (e.has_confidence && e.confidence == 0.5));
		kg_entry_release(&e);
	}
}

/* ---- sources ---- */

typedef struct {
	size_t good;
	size_t bad;
	char names[2048];
} haul;

static kg_err on_file(void *payload, const char *name, const uint8_t *data, size_t size)
{
	haul *h = payload;
	kg_mmogit_message m;
	kg_reason why;

	(void)snprintf(h->names + strlen(h->names), sizeof(h->names) - strlen(h->names), "%s\n",
		       name);
	if (kg_mmogit_parse(&m, &why, data, size, NULL) == KG_OK) {
		kg_mmogit_release(&m);
		h->good++;
	} else {
		h->bad++;
	}
	return KG_OK;
}

static void put_file(const fixture *f, const char *name, const char *content)
{
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/%s", f->dir, name), KG_OK);
	assert_int_equal(kg_fs_write(path, content, strlen(content), 0600), KG_OK);
}

static void test_mmogit__a_directory_is_read_whatever_is_in_it(void **state)
{
	fixture f;
	haul h = {0};
	char path[KG_PATH_SIZE];

	(void)state;
	fixture_make(&f);
	assert_int_equal(fixture_shell(&f, NULL,
				       "mkdir d && mkfifo d/pipe.json && ln -s x d/l.json"
				       " && echo no >d/readme.txt"),
			 0);
	put_file(&f, "d/a.json", signed_message("one", TIME));
	put_file(&f, "d/b.json", "\xff\xff");
	put_file(&f, "d/c.json", message(HELLO, AUTHOR, TIME, SIGNATURE));
	put_file(&f, "d/empty.json", "");
	assert_int_equal(kg_path(path, "%s/d", f.dir), KG_OK);
	assert_int_equal(kg_mmogit_read(path, on_file, &h), KG_OK);
	assert_int_equal(h.good, 2);
	assert_int_equal(h.bad, 4);
	assert_string_equal(h.names, "a.json\nb.json\nc.json\nempty.json\nl.json\npipe.json\n");
	assert_int_equal(kg_mmogit_read("/nowhere/at/all", on_file, &h), KG_ENOTFOUND);
	fixture_remove(&f);
}

/* What was once on a branch counts, also when its tip has lost it; branches that were only fetched
 * count; a bad file does not end the reading; other branches are nobody's. */
static void test_mmogit__a_repository_is_read_with_its_history(void **state)
{
	fixture f;
	haul h = {0};
	char path[KG_PATH_SIZE];

	(void)state;
	fixture_make(&f);
	assert_int_equal(fixture_shell(&f, NULL,
				       "mkdir -p c/messages && git init -q c/messages"
				       " && git -C c/messages config user.name m"
				       " && git -C c/messages config user.email m@l"
				       " && git -C c/messages checkout -q --orphan "
				       "users/1de352e4"),
			 0);
	put_file(&f, "c/messages/1.json", signed_message("one", TIME));
	assert_int_equal(fixture_shell(&f, NULL,
				       "cd c/messages && git add . && git commit -qm 1"
				       " && git rm -q 1.json"),
			 0);
	put_file(&f, "c/messages/2.json", signed_message("two", TIME));
	put_file(&f, "c/messages/bad.json", "\xff\xfe");
	assert_int_equal(fixture_shell(&f, NULL,
				       "cd c/messages && git add . && git commit -qm 2"
				       " && git checkout -q --orphan notes"
				       " && git rm -rfq ."),
			 0);
	put_file(&f, "c/messages/3.json", signed_message("three", TIME));
	assert_int_equal(fixture_shell(&f, NULL,
				       "cd c/messages && git add . && git commit -qm 3"
				       " && git checkout -q --orphan other"
				       " && git rm -rfq ."),
			 0);
	put_file(&f, "c/messages/4.json", message(HELLO, AUTHOR_B, TIME, SIGNATURE_B));
	assert_int_equal(fixture_shell(&f, NULL,
				       "cd c/messages && git add . && git commit -qm 4"
				       " && git update-ref refs/remotes/origin/users/c5785e18 HEAD"
				       " && git checkout -q notes && git branch -qD other"),
			 0);
	assert_int_equal(kg_path(path, "%s/c", f.dir), KG_OK);
	assert_int_equal(kg_mmogit_read(path, on_file, &h), KG_OK);
	assert_int_equal(h.good, 3);
	assert_int_equal(h.bad, 1);
	assert_string_equal(h.names, "refs/heads/users/1de352e4:1.json\n"
				     "refs/heads/users/1de352e4:2.json\n"
				     "refs/heads/users/1de352e4:bad.json\n"
				     "refs/remotes/origin/users/c5785e18:4.json\n");
	/* An object of which only the first bytes are there. */
	assert_int_equal(fixture_shell(&f, NULL,
				       "cd c/messages && b=$(git rev-parse users/1de352e4:2.json)"
				       " && o=.git/objects/$(echo $b | cut -c 1-2)/$(echo $b |"
				       " cut -c 3-) && chmod u+w $o && truncate -s 8 $o"),
			 0);
	memset(&h, 0, sizeof(h));
	assert_int_equal(kg_mmogit_read(path, on_file, &h), KG_OK);
	assert_int_equal(h.good, 2);
	assert_int_equal(h.bad, 2);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mmogit__the_vectors_are_read),
		cmocka_unit_test(test_mmogit__envelopes_open_for_their_author_alone),
		cmocka_unit_test(test_mmogit__a_spliced_message_is_refused),
		cmocka_unit_test(test_mmogit__only_a_whole_good_key_is_an_author),
		cmocka_unit_test(test_mmogit__a_time_has_one_form),
		cmocka_unit_test(test_mmogit__what_is_no_message_is_refused_with_its_reason),
		cmocka_unit_test(test_mmogit__a_content_may_be_as_long_as_an_entry_and_no_longer),
		cmocka_unit_test(test_mmogit__a_file_cut_anywhere_is_refused),
		cmocka_unit_test(test_mmogit__plain_messages_are_observations),
		cmocka_unit_test(test_mmogit__structured_memories_become_what_they_say),
		cmocka_unit_test(test_mmogit__a_directory_is_read_whatever_is_in_it),
		cmocka_unit_test(test_mmogit__a_repository_is_read_with_its_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
