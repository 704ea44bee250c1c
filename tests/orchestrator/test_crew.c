/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "orchestrator/crew.h"

/* Every state with every event; "-" is forbidden. */
static void test_crew__moves_as_the_table_says(void **state)
{
	static const struct {
		kg_crew_state from;
		const char *to[KG_CREW_EVENTS]; /* start answer work rest stop exit park release */
	} table[] = {
		{KG_CREW_STARTING, {"-", "ready", "-", "-", "stopping", "dead", "-", "-"}},
		{KG_CREW_READY, {"-", "ready", "busy", "ready", "stopping", "dead", "-", "-"}},
		{KG_CREW_BUSY, {"-", "-", "-", "ready", "stopping", "dead", "-", "-"}},
		{KG_CREW_STOPPING, {"-", "-", "-", "-", "stopping", "dead", "-", "-"}},
		{KG_CREW_PARKED, {"-", "-", "-", "-", "-", "-", "-", "dead"}},
		{KG_CREW_DEAD, {"starting", "-", "-", "-", "-", "-", "parked", "-"}},
	};

	(void)state;
	assert_int_equal(sizeof(table) / sizeof(table[0]), KG_CREW_STATES);
	for (size_t i = 0; i < KG_CREW_STATES; i++)
		for (unsigned e = 0; e < KG_CREW_EVENTS; e++) {
			kg_crew_state s = table[i].from;
			kg_err err = kg_crew_move(&s, (kg_crew_event)e);

			if (strcmp(table[i].to[e], "-") == 0) {
				assert_int_equal(err, KG_ECONFLICT);
				assert_int_equal(s, table[i].from);
			} else {
				assert_int_equal(err, KG_OK);
				assert_string_equal(kg_crew_state_name(s), table[i].to[e]);
			}
		}
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static json_t *ready_body(const kg_crew_agent *a)
{
	char key[KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(key, &a->key);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:f, s:f, s:f, s:f}, s:f, "
			 "s:s}",
			 "name", "whatever it claims", "key", key, "genome", HEX64, "base_digest",
			 HEX64, "weights_digest", HEX64, "seed", HEX64, "birth", HEX64, "strategy",
			 "fairy2", "coefficient", "quantization_awareness", 0.1,
			 "complex_understanding", 0.2, "compression_readiness", 0.3,
			 "pedagogical_capacity", 0.4, "level", 0.25, "stage", "nascent");
}

static void test_crew__takes_in_what_an_agent_tells(void **state)
{
	kg_crew_agent a = {.name = "agent-1", .state = KG_CREW_READY, .restarts = 2};
	json_t *body = ready_body(&a);
	json_t *doc;

	(void)state;
	assert_int_equal(kg_crew_tell_ready(&a, body), KG_OK);
	assert_string_equal(a.name, "agent-1");
	assert_string_equal(a.genome, HEX64);
	assert_true(a.parts[2] == 0.3 && a.level == 0.25);
	json_object_set_new(body, "level", json_real(0.5));
	assert_int_equal(kg_crew_tell_beat(&a, body), KG_OK);
	assert_true(a.level == 0.5);
	doc = kg_crew_json(&a);
	assert_string_equal(json_string_value(json_object_get(doc, "state")), "ready");
	assert_int_equal(json_integer_value(json_object_get(doc, "restarts")), 2);
	assert_null(json_object_get(doc, "why"));
	json_decref(doc);
	json_decref(body);
}

static void test_crew__refuses_every_field_that_is_missing_or_wrong(void **state)
{
	static const char *const fields[] = {"key",   "genome", "base_digest", "weights_digest",
					     "seed",  "birth",  "strategy",    "coefficient",
					     "level", "stage"};
	kg_crew_agent a = {.name = "agent-1"};
	kg_crew_agent before = a;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		json_t *body = ready_body(&a);

		json_object_set_new(body, fields[i], json_true());
		assert_int_equal(kg_crew_tell_ready(&a, body), KG_ECORRUPT);
		json_object_del(body, fields[i]);
		assert_int_equal(kg_crew_tell_ready(&a, body), KG_ECORRUPT);
		json_decref(body);
	}
	json_t *body = ready_body(&a);
	json_object_set_new(body, "level", json_real(1.000001));
	assert_int_equal(kg_crew_tell_ready(&a, body), KG_ECORRUPT);
	json_object_set_new(body, "level", json_real(1));
	json_object_set_new(json_object_get(body, "coefficient"), "quantization_awareness",
			    json_real(-0.1));
	assert_int_equal(kg_crew_tell_ready(&a, body), KG_ECORRUPT);
	assert_int_equal(kg_crew_tell_beat(&a, body), KG_ECORRUPT);
	assert_memory_equal(&a, &before, sizeof(a));
	json_decref(body);
}

static void test_crew__another_key_is_denied(void **state)
{
	kg_crew_agent a = {.name = "agent-1"}, other = {.name = "agent-2"};
	json_t *body;

	(void)state;
	other.key.bytes[0] = 1;
	body = ready_body(&other);
	assert_int_equal(kg_crew_tell_ready(&a, body), KG_EDENIED);
	json_decref(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crew__moves_as_the_table_says),
		cmocka_unit_test(test_crew__takes_in_what_an_agent_tells),
		cmocka_unit_test(test_crew__refuses_every_field_that_is_missing_or_wrong),
		cmocka_unit_test(test_crew__another_key_is_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
