/* SPDX-License-Identifier: MIT */
/* Bodies of messages: good ones are read, every member missing or wrong is named, every truncation
 * is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/speech.h"
#include "base/hex.h"
#include "base/json.h"

#define ID "abababababababababababababababababababababababababababababababab"
/* RFC 8032, test 1: a key that is one */
#define KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static const char think[] =
	"{\"round\":\"0123456789abcdef\",\"prompt\":\"What?\",\"max_tokens\":16,"
	"\"temperature\":0.7,\"top_k\":40,\"top_p\":0.9,"
	"\"seed\":\"18446744073709551615\",\"deadline_ms\":5000}";
static const char score[] = "{\"round\":\"0123456789abcdef\",\"prompt\":\"What?\",\"candidates\":"
			    "[{\"id\":0,\"bytes_b64\":\"IDQ2\"},{\"id\":7,\"bytes_b64\":\"\"}]}";
static const char settle[] = "{\"round\":\"0123456789abcdef\",\"agreement\":0.5,\"winner\":true}";
static const char head[] =
	"{\"sequence\":3,\"commit\":\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\","
	"\"time_ms\":1700000000000,\"counter\":1}";
static const char heard[] =
	"{\"id\":\"" ID "\",\"type\":\"insight\",\"agent\":\"" KEY
	"\",\"text\":\"Q: x? A: y\",\"tags\":[\"collective-insight\"],\"references\":[\"" ID "\"]}";

static json_t *parse(const char *text)
{
	json_t *body = NULL;
	assert_int_equal(kg_json_parse(&body, text, strlen(text)), KG_OK);
	return body;
}

static kg_err read_any(int which, const json_t *body)
{
	static kg_heard h;
	kg_think t;
	kg_score_order o;
	kg_settle s;
	kg_chain_head c;
	switch (which) {
	case 0:
		return kg_think_read(&t, body);
	case 1:
		return kg_score_order_read(&o, body);
	case 2:
		return kg_settle_read(&s, body);
	case 3:
		return kg_head_read(&c, body);
	default:
		return kg_heard_read(&h, body);
	}
}

static const char *const bodies[] = {think, score, settle, head, heard};

static void test_speech__every_required_member_is_required(void **state)
{
	(void)state;
	for (int which = 0; which < 5; which++) {
		json_t *whole = parse(bodies[which]);
		assert_int_equal(read_any(which, whole), KG_OK);
		const char *key;
		json_t *value;
		json_object_foreach(whole, key, value)
		{
			json_t *cut = json_copy(whole);
			assert_int_equal(json_object_del(cut, key), 0);
			if (strcmp(key, "deadline_ms") != 0) {
				assert_int_equal(read_any(which, cut), KG_ECORRUPT);
			}
			json_object_set_new(cut, key, json_object());
			assert_int_equal(read_any(which, cut), KG_ECORRUPT);
			json_decref(cut);
		}
		json_decref(whole);
	}
}

static void test_speech__truncated_bodies_are_refused(void **state)
{
	(void)state;
	for (int which = 0; which < 5; which++) {
		for (size_t size = 0; size < strlen(bodies[which]); size++) {
			json_t *body = NULL;
			assert_int_equal(kg_json_parse(&body, bodies[which], size), KG_ECORRUPT);
		}
	}
}

static void test_speech__think_is_read_with_limits(void **state)
{
	(void)state;
	json_t *body = parse(think);
	kg_think t;
	assert_int_equal(kg_think_read(&t, body), KG_OK);
	assert_string_equal(t.round, "0123456789abcdef");
	assert_string_equal(t.prompt, "What?");
	assert_int_equal(t.max_tokens, 16);
	assert_true(t.sampler.temperature == 0.7f);
	assert_true(t.sampler.top_p == 0.9f);
	assert_int_equal(t.sampler.top_k, 40);
	assert_true(t.sampler.seed == UINT64_MAX);
	assert_int_equal(t.deadline_ms, 5000);

	const struct {
		const char *key;
		json_t *value;
	} bad[] = {
		{"round", json_string("0123456789abcdeF")},
		{"round", json_string("0123456789abcde")},
		{"max_tokens", json_integer(0)},
		{"max_tokens", json_integer(KG_MAX_TOKENS_MAX + 1)},
		{"temperature", json_real(-0.1)},
		{"temperature", json_real(100.1)},
		{"top_k", json_integer(-1)},
		{"top_p", json_real(1.1)},
		{"seed", json_string("18446744073709551616")},
		{"seed", json_string("-1")},
		{"seed", json_string("")},
		{"seed", json_string("1x")},
		{"seed", json_integer(1)},
		{"deadline_ms", json_integer(-1)},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *copy = json_copy(body);
		json_object_set_new(copy, bad[i].key, bad[i].value);
		assert_int_equal(kg_think_read(&t, copy), KG_ECORRUPT);
		json_decref(copy);
	}
	json_decref(body);
}

static void test_speech__candidates_are_decoded(void **state)
{
	(void)state;
	json_t *body = parse(score);
	kg_score_order order;
	int64_t id;
	uint8_t *bytes;
	size_t size;
	assert_int_equal(kg_score_order_read(&order, body), KG_OK);
	assert_int_equal(order.count, 2);
	assert_int_equal(kg_score_order_at(&order, 0, &id, &bytes, &size), KG_OK);
	assert_int_equal(id, 0);
	assert_int_equal(size, 3);
	assert_memory_equal(bytes, " 46", 3);
	free(bytes);
	assert_int_equal(kg_score_order_at(&order, 1, &id, &bytes, &size), KG_OK);
	assert_int_equal(id, 7);
	assert_int_equal(size, 0);
	free(bytes);
	json_object_set_new(json_array_get(json_object_get(body, "candidates"), 0), "bytes_b64",
			    json_string("IDQ"));
	assert_int_equal(kg_score_order_at(&order, 0, &id, &bytes, &size), KG_ECORRUPT);
	json_decref(body);

	json_t *many = json_array();
	for (int i = 0; i < KG_CANDIDATES_MAX + 1; i++) {
		json_array_append_new(many, json_object());
	}
	body = json_pack("{s:s, s:s, s:o}", "round", "0123456789abcdef", "prompt", "x",
			 "candidates", many);
	assert_int_equal(kg_score_order_read(&order, body), KG_ECORRUPT);
	json_decref(body);
}

static void test_speech__an_empty_chain_has_no_commit(void **state)
{
	(void)state;
	json_t *body = parse("{\"sequence\":0,\"commit\":null,\"time_ms\":0,\"counter\":0}");
	kg_chain_head h = {.sequence = 9};
	assert_int_equal(kg_head_read(&h, body), KG_OK);
	assert_int_equal(h.sequence, 0);
	json_decref(body);
	body = parse(head);
	assert_int_equal(kg_head_read(&h, body), KG_OK);
	assert_int_equal(h.sequence, 3);
	assert_int_equal(h.time_counter, 1);
	assert_int_equal(h.commit.bytes[19], 0xcd);
	json_decref(body);
}

static void test_speech__entries_are_heard_whole(void **state)
{
	(void)state;
	static kg_heard h;
	json_t *body = parse(heard);
	assert_int_equal(kg_heard_read(&h, body), KG_OK);
	assert_int_equal(h.type, KG_ENTRY_INSIGHT);
	assert_true(isnan(h.consciousness));
	assert_false(h.has_coefficient);
	assert_int_equal(h.tag_count, 1);
	assert_int_equal(h.reference_count, 1);
	assert_int_equal(h.references[0].bytes[0], 0xab);

	const kg_coefficient c = {0.1, 0.2, 0.3, 0.4};
	json_object_set_new(body, "coefficient", kg_coefficient_json(&c));
	json_object_set_new(body, "consciousness", json_real(0.25));
	json_object_set_new(body, "time", json_string("2023-11-14T22:13:20.001Z"));
	assert_int_equal(kg_heard_read(&h, body), KG_OK);
	assert_true(h.has_coefficient);
	assert_memory_equal(&h.coefficient, &c, sizeof(c));
	assert_true(h.consciousness == 0.25);
	assert_true(h.time_ms == 1700000000001);

	json_object_set_new(json_object_get(body, "coefficient"), "pedagogical_capacity",
			    json_real(1.5));
	assert_int_equal(kg_heard_read(&h, body), KG_ECORRUPT);
	json_object_del(body, "coefficient");
	json_object_set_new(body, "time", json_string("yesterday"));
	assert_int_equal(kg_heard_read(&h, body), KG_ECORRUPT);
	json_decref(body);
}

static void test_speech__the_feed_tells_the_place_of_an_entry(void **state)
{
	(void)state;
	static kg_heard h;
	json_t *body = parse(heard);
	assert_int_equal(kg_heard_read(&h, body), KG_OK);
	assert_int_equal(h.head.sequence, 0);
	json_object_set_new(body, "time_ms", json_integer(1700000000005));
	assert_int_equal(kg_heard_read(&h, body), KG_ECORRUPT);
	json_object_set_new(body, "sequence", json_integer(12));
	json_object_set_new(body, "counter", json_integer(3));
	json_object_set_new(body, "commit",
			    json_string("cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"));
	assert_int_equal(kg_heard_read(&h, body), KG_OK);
	assert_int_equal(h.head.sequence, 12);
	assert_int_equal(h.head.time_counter, 3);
	assert_true(h.head.time_ms == 1700000000005 && h.time_ms == h.head.time_ms);
	assert_int_equal(h.head.commit.bytes[0], 0xcd);
	json_object_set_new(body, "commit", json_string("cd"));
	assert_int_equal(kg_heard_read(&h, body), KG_ECORRUPT);
	json_decref(body);
}

/* The body of say for an entry of `type` and what reading makes of it; `out` may be NULL. */
static kg_err say(kg_entry *out, kg_entry_type type, size_t cut)
{
	kg_key *key = NULL;
	const kg_chain_head none = {0};
	kg_entry entry, back;
	kg_buf bytes;
	char text[4096];
	assert_int_equal(kg_key_generate(&key), KG_OK);
	kg_entry_init(&entry, type);
	assert_int_equal(kg_entry_set_text(&entry, "hello", 5), KG_OK);
	assert_int_equal(kg_entry_add_tags(&entry, "a,b"), KG_OK);
	assert_int_equal(kg_entry_place(&entry, kg_key_public(key), key, "agent-0", &none, 1),
			 KG_OK);
	kg_buf_init(&bytes, 2048);
	assert_int_equal(kg_entry_encode(&bytes, &entry, NULL), KG_OK);
	kg_base64_encode(text, bytes.data, bytes.size - cut);
	json_t *body = json_pack("{s:s}", "entry_b64", text);
	kg_err err = kg_say_read(&back, body);
	if (err == KG_OK && out) {
		*out = back;
	} else if (err == KG_OK) {
		kg_entry_release(&back);
	}
	json_decref(body);
	kg_buf_release(&bytes);
	kg_entry_release(&entry);
	kg_key_free(key);
	return err;
}

static void test_speech__what_is_to_be_said_is_an_entry_of_a_plain_type(void **state)
{
	(void)state;
	kg_entry entry;
	assert_int_equal(say(&entry, KG_ENTRY_INSIGHT, 0), KG_OK);
	assert_string_equal((const char *)entry.text.data, "hello");
	assert_int_equal(entry.tag_count, 2);
	kg_entry_release(&entry);
	for (size_t cut = 1; cut < 5; cut++) { /* within the last field */
		assert_int_equal(say(NULL, KG_ENTRY_INSIGHT, cut), KG_ECORRUPT);
	}
	json_t *body = json_pack("{s:s}", "entry_b64", "not base64");
	assert_int_equal(kg_say_read(&entry, body), KG_ECORRUPT);
	json_decref(body);
	assert_int_equal(say(NULL, KG_ENTRY_REFLECTION, 0), KG_OK);
	assert_int_equal(say(NULL, KG_ENTRY_BIRTH, 0), KG_EINVAL);
}

static void test_speech__a_thought_keeps_its_exact_bytes(void **state)
{
	(void)state;
	const char raw[] = {' ', 'a', (char)0xff, 0, 'b'};
	kg_thought t = {.tokens = 5, .logprob_sum = -2.5};
	kg_buf prompt;
	const kg_entry_id ids[1] = {{{0xab}}};
	kg_buf_init(&prompt, 100);
	kg_buf_puts(&prompt, "Q: z? A:");
	kg_buf_init(&t.text, 100);
	kg_buf_put(&t.text, raw, sizeof(raw));
	json_t *body = kg_thought_json("0123456789abcdef", &t, &prompt, ids, 1, 0.5);
	assert_non_null(body);
	const char *encoded = json_string_value(json_object_get(body, "bytes_b64"));
	uint8_t back[16];
	size_t size = sizeof(back);
	assert_int_equal(kg_base64_decode(back, &size, encoded, strlen(encoded)), KG_OK);
	assert_int_equal(size, sizeof(raw));
	assert_memory_equal(back, raw, size);
	assert_string_equal(json_string_value(json_object_get(body, "text")),
			    "a\xef\xbf\xbd\xef\xbf\xbd"
			    "b");
	assert_true(json_real_value(json_object_get(body, "logprob_per_byte")) == -0.5);
	assert_int_equal(json_array_size(json_object_get(body, "recalled")), 1);
	json_decref(body);
	kg_thought_release(&t);
	kg_buf_release(&prompt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_speech__every_required_member_is_required),
		cmocka_unit_test(test_speech__truncated_bodies_are_refused),
		cmocka_unit_test(test_speech__think_is_read_with_limits),
		cmocka_unit_test(test_speech__candidates_are_decoded),
		cmocka_unit_test(test_speech__an_empty_chain_has_no_commit),
		cmocka_unit_test(test_speech__entries_are_heard_whole),
		cmocka_unit_test(test_speech__the_feed_tells_the_place_of_an_entry),
		cmocka_unit_test(test_speech__what_is_to_be_said_is_an_entry_of_a_plain_type),
		cmocka_unit_test(test_speech__a_thought_keeps_its_exact_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
