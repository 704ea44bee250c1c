/* SPDX-License-Identifier: MIT */
#include "tests/bus/bus_rig.h"

#include <stdio.h>
#include <string.h>

#include "bus/feed.h"

enum { LISTENERS = 3 };

static void test_feed__what_the_keeper_says_reaches_everyone(void **state)
{
	process orchestrator, keeper, agents[LISTENERS];
	kg_socket *heard[LISTENERS];
	kg_peer peers[1 + LISTENERS];
	char dir[KG_PATH_SIZE], in[KG_ENDPOINT_SIZE], out[KG_ENDPOINT_SIZE];
	bool got[LISTENERS] = {false};
	kg_socket *says, *intruder;
	kg_feed *feed;
	int left = LISTENERS;

	(void)state;
	rig_dir(dir);
	rig_endpoint(in, dir, "feed-in");
	rig_endpoint(out, dir, "feed");
	process_start(&orchestrator, "orchestrator");
	process_start(&keeper, "keeper");
	peers[0] = keeper.peer;
	for (int i = 0; i < LISTENERS; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "agent-%d", i);
		process_start(&agents[i], name);
		peers[1 + i] = agents[i].peer;
	}
	assert_int_equal(kg_bus_guard(orchestrator.bus, peers, 1 + LISTENERS), KG_OK);
	assert_int_equal(kg_feed_open(&feed, orchestrator.bus, in, out), KG_OK);
	assert_int_equal(kg_feed_publish(&says, keeper.bus, in, &orchestrator.peer), KG_OK);
	/* An agent is a member, but feed-in is the keeper's alone. */
	assert_int_equal(kg_feed_publish(&intruder, agents[0].bus, in, &orchestrator.peer), KG_OK);
	for (int i = 0; i < LISTENERS; i++)
		assert_int_equal(kg_feed_listen(&heard[i], agents[i].bus, out, &orchestrator.peer),
				 KG_OK);
	/* What is said before the subscriptions have travelled is lost: say it until heard. */
	for (int round = 0; round < PATIENCE_MS / 20 && left > 0; round++) {
		kg_wait wait = {.socket = kg_feed_in(feed)};

		assert_int_equal(kg_socket_send_json(says, NULL, KG_MESSAGE_ENTRY, 1,
						     json_pack("{s:s}", "id", "abc")),
				 KG_OK);
		assert_int_equal(kg_socket_send_json(intruder, NULL, KG_MESSAGE_ENTRY, 1,
						     json_pack("{s:s}", "id", "forged")),
				 KG_EINVAL);
		assert_int_equal(kg_socket_wait(&wait, 1, 20), KG_OK);
		(void)kg_feed_step(feed);
		for (int i = 0; i < LISTENERS; i++) {
			kg_message m = {0};

			if (kg_socket_receive(heard[i], &m, got[i] ? 0 : 5) != KG_OK)
				continue;
			assert_int_equal(m.kind, KG_MESSAGE_ENTRY);
			assert_string_equal(m.from, "keeper");
			assert_string_equal(json_string_value(json_object_get(m.json, "id")),
					    "abc");
			left -= !got[i];
			got[i] = true;
			kg_message_release(&m);
		}
	}
	assert_int_equal(left, 0);
	kg_socket_free(says);
	kg_socket_free(intruder);
	for (int i = 0; i < LISTENERS; i++)
		kg_socket_free(heard[i]);
	kg_feed_free(feed);
	for (int i = 0; i < LISTENERS; i++)
		process_end(&agents[i]);
	process_end(&keeper);
	process_end(&orchestrator);
	rig_clean(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed__what_the_keeper_says_reaches_everyone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
