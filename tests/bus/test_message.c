/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "bus/message.h"

static const char *document(void)
{
	static char text[128 << 10];
	const char *root = getenv("KG_SOURCE_DIR");
	char path[4096];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/docs/messages.md", root != NULL ? root : ".");
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	assert_true(n > 0 && n < sizeof(text) - 1);
	(void)fclose(f);
	text[n] = '\0';
	return text;
}

/* Lines "| `hex` | kind | id | trace | size |" between the marks of the document. */
static void test_message__encodes_the_vectors_of_the_document(void **state)
{
	const char *line = strstr(document(), "<!-- vectors -->");
	int count = 0;

	(void)state;
	assert_non_null(line);
	for (line = strchr(line, '\n') + 1; strncmp(line, "<!-- end -->", 12) != 0;
	     line = strchr(line, '\n') + 1) {
		char text[64] = "", name[32] = "";
		unsigned long long id = 0, trace = 0;
		unsigned size = 0;
		uint8_t want[KG_MESSAGE_HEADER_SIZE], got[KG_MESSAGE_HEADER_SIZE];
		kg_message_header h, back;

		if (sscanf(line, "| `%48[0-9a-f]` | %31[a-z_] | %llu | %llu | %u |", text, name,
			   &id, &trace, &size) != 5)
			continue;
		assert_int_equal(kg_hex_decode(want, sizeof(want), text), KG_OK);
		h = (kg_message_header){KG_MESSAGE_VERSION, 0, size, id, trace};
		for (unsigned k = 0; k < KG_MESSAGE_KINDS; k++)
			if (strcmp(kg_message_name(k), name) == 0)
				h.kind = (uint8_t)k;
		kg_message_encode(got, &h);
		assert_memory_equal(got, want, sizeof(want));
		assert_int_equal(kg_message_decode(&back, want, sizeof(want)), KG_OK);
		assert_int_equal(back.kind, h.kind);
		assert_int_equal(back.size, size);
		assert_true(back.id == id && back.trace == trace);
		count++;
	}
	assert_true(count >= 3);
}

/* Every kind has a row "| number | `name` | from → to | size |" that says what the table says. */
static void test_message__the_document_lists_every_kind(void **state)
{
	const char *text = document();

	(void)state;
	for (unsigned k = 1; k < KG_MESSAGE_KINDS; k++) {
		const kg_message_rule *rule = kg_message_rule_of(k);
		char row[64], size[32];
		const char *at, *end;

		assert_non_null(rule);
		(void)snprintf(row, sizeof(row), "\n| %u | `%s` |", k, rule->name);
		at = strstr(text, row);
		if (at == NULL)
			fail_msg("docs/messages.md has no row %s", row);
		end = strchr(at + 1, '\n');
		(void)snprintf(size, sizeof(size), "| %u KiB |", (unsigned)rule->size_max >> 10);
		if (strstr(at, size) == NULL || strstr(at, size) > end)
			fail_msg("docs/messages.md: %s is not of %s", rule->name, size);
	}
}

static void test_message__rules_stay_within_the_largest_body(void **state)
{
	(void)state;
	assert_null(kg_message_rule_of(0));
	assert_null(kg_message_rule_of(KG_MESSAGE_KINDS));
	assert_null(kg_message_rule_of(255));
	assert_string_equal(kg_message_name(200), "unknown");
	for (unsigned k = 1; k < KG_MESSAGE_KINDS; k++) {
		const kg_message_rule *r = kg_message_rule_of(k);

		assert_true(r->size_max > 0 && r->size_max <= KG_MESSAGE_BODY_MAX);
		assert_true(r->from != 0 && r->to != 0);
	}
}

static void test_message__names_tell_roles(void **state)
{
	(void)state;
	assert_int_equal(kg_role_of("orchestrator"), KG_ROLE_ORCHESTRATOR);
	assert_int_equal(kg_role_of("keeper"), KG_ROLE_KEEPER);
	assert_int_equal(kg_role_of("operator"), KG_ROLE_CLIENT);
	assert_int_equal(kg_role_of("agent-0"), KG_ROLE_AGENT);
	assert_int_equal(kg_role_of("keeper-2"), KG_ROLE_AGENT);
}

static void encode(uint8_t out[KG_MESSAGE_HEADER_SIZE], unsigned kind, size_t size)
{
	kg_message_header h = {KG_MESSAGE_VERSION, (uint8_t)kind, (uint32_t)size, 7, 9};

	kg_message_encode(out, &h);
}

static kg_err parse(kg_message *m, const char *from, kg_role to, unsigned kind, const char *body)
{
	uint8_t header[KG_MESSAGE_HEADER_SIZE];

	encode(header, kind, strlen(body));
	return kg_message_parse(m, from, to, header, sizeof(header), body, strlen(body));
}

static void test_message__a_good_one_is_parsed(void **state)
{
	kg_message m = {0};

	(void)state;
	assert_int_equal(
		parse(&m, "operator", KG_ROLE_ORCHESTRATOR, KG_MESSAGE_ASK, "{\"prompt\":\"why\"}"),
		KG_OK);
	assert_int_equal(m.kind, KG_MESSAGE_ASK);
	assert_true(m.id == 7 && m.trace == 9);
	assert_string_equal(m.from, "operator");
	assert_string_equal(json_string_value(json_object_get(m.json, "prompt")), "why");
	kg_message_release(&m);
	assert_null(m.json);
	kg_message_release(&m);
}

static void test_message__raw_kinds_carry_any_bytes(void **state)
{
	kg_message m = {0};

	(void)state;
	assert_int_equal(parse(&m, "agent-1", KG_ROLE_KEEPER, KG_MESSAGE_SUBMIT, "\xff{not json"),
			 KG_OK);
	assert_null(m.json);
	assert_int_equal(m.size, 10);
	assert_memory_equal(m.data, "\xff{not json", 10);
	kg_message_release(&m);
}

static void test_message__a_wrong_direction_is_denied(void **state)
{
	kg_message m = {0};

	(void)state;
	assert_int_equal(parse(&m, "agent-0", KG_ROLE_ORCHESTRATOR, KG_MESSAGE_ASK, "{}"),
			 KG_EDENIED);
	assert_int_equal(parse(&m, "operator", KG_ROLE_KEEPER, KG_MESSAGE_ASK, "{}"), KG_EDENIED);
	assert_int_equal(parse(&m, "agent-0", KG_ROLE_ORCHESTRATOR, KG_MESSAGE_STOP, "{}"),
			 KG_EDENIED);
	assert_int_equal(parse(&m, "orchestrator", KG_ROLE_AGENT, KG_MESSAGE_ENTRY, "{}"),
			 KG_EDENIED);
}

static void test_message__what_an_agent_is_to_say_passes_the_orchestrator(void **state)
{
	kg_message m = {0};

	(void)state;
	assert_int_equal(parse(&m, "operator", KG_ROLE_ORCHESTRATOR, KG_MESSAGE_SAY, "{}"), KG_OK);
	kg_message_release(&m);
	assert_int_equal(parse(&m, "orchestrator", KG_ROLE_AGENT, KG_MESSAGE_SAY, "{}"), KG_OK);
	kg_message_release(&m);
	assert_int_equal(parse(&m, "agent-0", KG_ROLE_ORCHESTRATOR, KG_MESSAGE_SAID, "{}"), KG_OK);
	kg_message_release(&m);
	assert_int_equal(parse(&m, "orchestrator", KG_ROLE_CLIENT, KG_MESSAGE_SAID, "{}"), KG_OK);
	kg_message_release(&m);
	assert_int_equal(parse(&m, "agent-0", KG_ROLE_ORCHESTRATOR, KG_MESSAGE_SAY, "{}"),
			 KG_EDENIED);
	assert_int_equal(parse(&m, "agent-0", KG_ROLE_KEEPER, KG_MESSAGE_SETTLED, "{}"),
			 KG_EDENIED);
	assert_int_equal(parse(&m, "orchestrator", KG_ROLE_KEEPER, KG_MESSAGE_VAULT, "x"),
			 KG_EDENIED);
}

static void test_message__the_body_must_be_an_object(void **state)
{
	static const char *const bad[] = {"", "[]", "3", "null", "{", "{}x", "{\"a\":1,\"a\":2}"};
	kg_message m = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			parse(&m, "operator", KG_ROLE_ORCHESTRATOR, KG_MESSAGE_STATUS, bad[i]),
			KG_ECORRUPT);
}

static void test_message__a_header_cut_anywhere_is_refused(void **state)
{
	uint8_t header[KG_MESSAGE_HEADER_SIZE + 1] = {0};
	kg_message_header h;

	(void)state;
	encode(header, KG_MESSAGE_BEAT, 2);
	for (size_t cut = 0; cut <= sizeof(header); cut++) {
		uint8_t *part = malloc(cut + 1);

		assert_non_null(part);
		memcpy(part, header, cut);
		assert_int_equal(kg_message_decode(&h, part, cut),
				 cut == KG_MESSAGE_HEADER_SIZE ? KG_OK : KG_ECORRUPT);
		free(part);
	}
}

static void test_message__other_magic_kind_and_version_are_refused(void **state)
{
	uint8_t header[KG_MESSAGE_HEADER_SIZE];
	kg_message_header h = {0};

	(void)state;
	encode(header, KG_MESSAGE_BEAT, 2);
	header[1] = 'H';
	assert_int_equal(kg_message_decode(&h, header, sizeof(header)), KG_ECORRUPT);
	encode(header, 0, 2);
	assert_int_equal(kg_message_decode(&h, header, sizeof(header)), KG_ECORRUPT);
	encode(header, KG_MESSAGE_KINDS, 2);
	assert_int_equal(kg_message_decode(&h, header, sizeof(header)), KG_ECORRUPT);
	encode(header, KG_MESSAGE_BEAT, 2);
	header[2] = 2;
	assert_int_equal(kg_message_decode(&h, header, sizeof(header)), KG_ECONFLICT);
	assert_true(h.id == 7 && h.version == 2);
}

static void test_message__sizes_are_limited_per_kind(void **state)
{
	(void)state;
	for (unsigned k = 1; k < KG_MESSAGE_KINDS; k++) {
		uint8_t header[KG_MESSAGE_HEADER_SIZE];
		kg_message_header h;
		uint32_t max = kg_message_rule_of(k)->size_max;

		encode(header, k, max);
		assert_int_equal(kg_message_decode(&h, header, sizeof(header)), KG_OK);
		encode(header, k, (size_t)max + 1);
		assert_int_equal(kg_message_decode(&h, header, sizeof(header)), KG_EFULL);
	}
}

static void test_message__announced_and_real_size_must_agree(void **state)
{
	uint8_t header[KG_MESSAGE_HEADER_SIZE];
	kg_message m = {0};

	(void)state;
	encode(header, KG_MESSAGE_STATUS, 3);
	assert_int_equal(kg_message_parse(&m, "operator", KG_ROLE_ORCHESTRATOR, header,
					  sizeof(header), "{}", 2),
			 KG_ECORRUPT);
	encode(header, KG_MESSAGE_STATUS, 1);
	assert_int_equal(kg_message_parse(&m, "operator", KG_ROLE_ORCHESTRATOR, header,
					  sizeof(header), "{}", 2),
			 KG_ECORRUPT);
}

static void test_message__an_error_travels(void **state)
{
	kg_message m = {.kind = KG_MESSAGE_FAILED};

	(void)state;
	m.json = kg_message_failure(kg_fail(KG_ECONFLICT, "sequence 4 after 2"));
	assert_non_null(m.json);
	(void)kg_fail(KG_EIO, "something else");
	assert_int_equal(kg_message_fail(&m), KG_ECONFLICT);
	assert_string_equal(kg_err_text(), "sequence 4 after 2");
	json_decref(m.json);
	m.json = json_pack("{s:s, s:i}", "code", "ok", "why", 3);
	assert_int_equal(kg_message_fail(&m), KG_EFAIL);
	kg_message_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message__encodes_the_vectors_of_the_document),
		cmocka_unit_test(test_message__the_document_lists_every_kind),
		cmocka_unit_test(test_message__rules_stay_within_the_largest_body),
		cmocka_unit_test(test_message__names_tell_roles),
		cmocka_unit_test(test_message__a_good_one_is_parsed),
		cmocka_unit_test(test_message__raw_kinds_carry_any_bytes),
		cmocka_unit_test(test_message__a_wrong_direction_is_denied),
		cmocka_unit_test(test_message__what_an_agent_is_to_say_passes_the_orchestrator),
		cmocka_unit_test(test_message__the_body_must_be_an_object),
		cmocka_unit_test(test_message__a_header_cut_anywhere_is_refused),
		cmocka_unit_test(test_message__other_magic_kind_and_version_are_refused),
		cmocka_unit_test(test_message__sizes_are_limited_per_kind),
		cmocka_unit_test(test_message__announced_and_real_size_must_agree),
		cmocka_unit_test(test_message__an_error_travels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
