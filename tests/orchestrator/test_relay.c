/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "orchestrator/relay.h"

static kg_message from(uint64_t id, uint8_t route)
{
	kg_message m = {.kind = KG_MESSAGE_SAY, .id = id, .route = {.size = 1, .bytes = {route}}};

	return m;
}

static void test_relay__an_answer_finds_who_asked(void **state)
{
	static kg_relay relay;
	kg_message a = from(5, 'a'), b = from(5, 'b'), client;
	uint64_t first, second;

	(void)state;
	memset(&relay, 0, sizeof(relay));
	assert_int_equal(kg_relay_add(&relay, &first, 0, &a), KG_OK);
	assert_int_equal(kg_relay_add(&relay, &second, 1, &b), KG_OK);
	assert_true(first != second && (first & second & KG_RELAY_BIT) != 0);
	/* Another agent has nothing to answer, and nothing is answered twice. */
	assert_false(kg_relay_take(&relay, &client, 0, second));
	assert_false(kg_relay_take(&relay, &client, 0, 0));
	assert_true(kg_relay_take(&relay, &client, 1, second));
	assert_int_equal(client.route.bytes[0], 'b');
	assert_int_equal(client.id, 5);
	assert_false(kg_relay_take(&relay, &client, 1, second));
	assert_true(kg_relay_take(&relay, &client, 0, first));
	assert_int_equal(client.route.bytes[0], 'a');
}

static void test_relay__who_waits_for_one_that_is_gone_is_found(void **state)
{
	static kg_relay relay;
	kg_message m = from(9, 'x'), client;
	uint64_t id;

	(void)state;
	memset(&relay, 0, sizeof(relay));
	for (unsigned i = 0; i < KG_RELAY_MAX; i++)
		assert_int_equal(kg_relay_add(&relay, &id, i % 2, &m), KG_OK);
	assert_int_equal(kg_relay_add(&relay, &id, 0, &m), KG_EFULL);
	for (unsigned i = 0; i < KG_RELAY_MAX / 2; i++)
		assert_true(kg_relay_lose(&relay, &client, 1));
	assert_false(kg_relay_lose(&relay, &client, 1));
	assert_true(kg_relay_lose(&relay, &client, 0));
	assert_int_equal(kg_relay_add(&relay, &id, 1, &m), KG_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relay__an_answer_finds_who_asked),
		cmocka_unit_test(test_relay__who_waits_for_one_that_is_gone_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
