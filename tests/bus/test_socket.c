/* SPDX-License-Identifier: MIT */
#include "tests/bus/bus_rig.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "bus/bus_impl.h"

/* An orchestrator that serves, an agent it knows, and a stranger. */
typedef struct {
	char dir[KG_PATH_SIZE];
	char endpoint[KG_ENDPOINT_SIZE];
	process server, agent, stranger;
	kg_socket *listen;
	kg_socket *dial;
} rig;

static int setup(void **state)
{
	rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rig_dir(r->dir);
	rig_endpoint(r->endpoint, r->dir, "orchestrator");
	process_start(&r->server, "orchestrator");
	process_start(&r->agent, "agent-0");
	process_start(&r->stranger, "agent-0");
	assert_int_equal(kg_bus_guard(r->server.bus, &r->agent.peer, 1), KG_OK);
	assert_int_equal(kg_socket_serve(&r->listen, r->server.bus, r->endpoint), KG_OK);
	assert_int_equal(kg_socket_dial(&r->dial, r->agent.bus, r->endpoint, &r->server.peer),
			 KG_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig *r = *state;

	kg_socket_free(r->dial);
	kg_socket_free(r->listen);
	process_end(&r->agent);
	process_end(&r->stranger);
	process_end(&r->server);
	rig_clean(r->dir);
	free(r);
	return 0;
}

static void test_socket__an_admitted_key_gets_its_name_and_an_answer(void **state)
{
	rig *r = *state;
	kg_message m = {0}, back = {0};

	assert_int_equal(kg_socket_send_json(r->dial, NULL, KG_MESSAGE_BEAT, 5,
					     json_pack("{s:s}", "name", "agent-9")),
			 KG_OK);
	assert_int_equal(kg_socket_receive(r->listen, &m, PATIENCE_MS), KG_OK);
	assert_string_equal(m.from, "agent-0");
	assert_int_equal(m.id, 5);
	assert_int_equal(kg_socket_reply(r->listen, &m, KG_MESSAGE_BEAT, json_object()), KG_OK);
	assert_int_equal(kg_socket_receive(r->dial, &back, PATIENCE_MS), KG_OK);
	assert_string_equal(back.from, "orchestrator");
	assert_int_equal(back.id, 5);
	assert_int_equal(kg_socket_drops(r->listen)->count, 0);
	kg_message_release(&m);
	kg_message_release(&back);
}

static void test_socket__an_unknown_key_is_refused(void **state)
{
	rig *r = *state;
	kg_socket *dial;
	kg_message m = {0};

	assert_int_equal(kg_socket_dial(&dial, r->stranger.bus, r->endpoint, &r->server.peer),
			 KG_OK);
	/* Queued only for finished connections: the send itself finds nobody. */
	assert_int_equal(kg_socket_send_json(dial, NULL, KG_MESSAGE_BEAT, 1, json_object()),
			 KG_ETIMEOUT);
	assert_true(kg_zap_refused(r->server.bus->zap) >= 2); /* one more than the self-test */
	assert_int_equal(kg_socket_receive(r->listen, &m, 0), KG_ETIMEOUT);
	kg_socket_free(dial);
	/* The table is live: once admitted, the key gets in. libzmq gives up on a connection that
	 * was refused, so it takes a new one. */
	assert_int_equal(kg_bus_admit(r->server.bus, &r->stranger.peer), KG_OK);
	assert_int_equal(kg_socket_dial(&dial, r->stranger.bus, r->endpoint, &r->server.peer),
			 KG_OK);
	assert_int_equal(kg_socket_send_json(dial, NULL, KG_MESSAGE_BEAT, 2, json_object()), KG_OK);
	assert_int_equal(kg_socket_receive(r->listen, &m, PATIENCE_MS), KG_OK);
	assert_int_equal(m.id, 2);
	kg_message_release(&m);
	kg_socket_free(dial);
}

static void test_socket__a_server_without_the_key_it_should_have_is_silent(void **state)
{
	rig *r = *state;
	kg_socket *dial;

	assert_int_equal(kg_socket_dial(&dial, r->agent.bus, r->endpoint, &r->stranger.peer),
			 KG_OK);
	assert_int_equal(kg_socket_send_json(dial, NULL, KG_MESSAGE_BEAT, 1, json_object()),
			 KG_ETIMEOUT);
	kg_socket_free(dial);
}

static void test_socket__a_server_must_be_guarded(void **state)
{
	rig *r = *state;
	kg_socket *s;

	assert_int_equal(kg_socket_serve(&s, r->agent.bus, "ipc:///tmp/never"), KG_EINVAL);
}

static void test_socket__forbidden_sends_are_refused_at_home(void **state)
{
	rig *r = *state;
	kg_route route = {.size = 1, .bytes = {1}};
	char *large = calloc(1, 5000);

	assert_non_null(large);
	assert_int_equal(kg_socket_send(r->dial, NULL, KG_MESSAGE_ASK, 1, "{}", 2), KG_EINVAL);
	assert_int_equal(kg_socket_send(r->dial, NULL, KG_MESSAGE_SUBMIT, 1, "{}", 2), KG_EINVAL);
	assert_int_equal(kg_socket_send(r->dial, NULL, KG_MESSAGE_BEAT, 1, large, 4097), KG_EINVAL);
	assert_int_equal(kg_socket_send(r->dial, &route, KG_MESSAGE_BEAT, 1, "{}", 2), KG_EINVAL);
	assert_int_equal(kg_socket_send(r->listen, NULL, KG_MESSAGE_BEAT, 1, "{}", 2), KG_EINVAL);
	assert_int_equal(kg_socket_send(r->listen, &route, KG_MESSAGE_BEAT, 1, "{}", 2),
			 KG_ENOTFOUND);
	assert_int_equal(kg_socket_send_json(r->dial, NULL, KG_MESSAGE_BEAT, 1, NULL), KG_ENOMEM);
	free(large);
}

/* Sends a frame past the checks of kg_socket_send. */
static void raw_send(kg_socket *s, const void *header, size_t size, const void *body,
		     size_t body_size)
{
	uint8_t *frame = malloc(size + body_size + 1);

	assert_non_null(frame);
	memcpy(frame, header, size);
	if (body_size > 0)
		memcpy(frame + size, body, body_size);
	assert_true(zmq_send(s->raw, frame, size + body_size, 0) >= 0);
	free(frame);
}

static void encode(uint8_t out[KG_MESSAGE_HEADER_SIZE], unsigned kind, size_t size)
{
	kg_message_header h = {KG_MESSAGE_VERSION, (uint8_t)kind, (uint32_t)size, 7, 0};

	kg_message_encode(out, &h);
}

static void test_socket__bad_messages_are_dropped_and_counted(void **state)
{
	rig *r = *state;
	uint8_t header[KG_MESSAGE_HEADER_SIZE];
	char *large = calloc(1, 5000);
	kg_message m = {0};

	assert_non_null(large);
	encode(header, KG_MESSAGE_BEAT, 2);
	for (size_t cut = 0; cut < sizeof(header); cut++)
		raw_send(r->dial, header, cut, "{}", 2);
	raw_send(r->dial, header, sizeof(header), NULL, 0);
	encode(header, KG_MESSAGE_STOP, 2); /* not for an agent to say */
	raw_send(r->dial, header, sizeof(header), "{}", 2);
	encode(header, KG_MESSAGE_BEAT, 4097);
	raw_send(r->dial, header, sizeof(header), large, 4097);
	/* Two frames. */
	encode(header, KG_MESSAGE_BEAT, 2);
	assert_true(zmq_send(r->dial->raw, header, sizeof(header), ZMQ_SNDMORE) >= 0);
	raw_send(r->dial, "{}", 2, NULL, 0);
	assert_int_equal(kg_socket_send(r->dial, NULL, KG_MESSAGE_BEAT, 99, "{}", 2), KG_OK);
	assert_int_equal(kg_socket_receive(r->listen, &m, PATIENCE_MS), KG_OK);
	assert_int_equal(m.id, 99);
	assert_int_equal(kg_socket_drops(r->listen)->count, KG_MESSAGE_HEADER_SIZE + 4);
	assert_string_equal(kg_socket_drops(r->listen)->from, "agent-0");
	assert_string_equal(kg_socket_drops(r->listen)->why, "2 frames, not 1");
	kg_message_release(&m);
	free(large);
}

static void test_socket__a_frame_beyond_all_limits_ends_only_the_connection(void **state)
{
	rig *r = *state;
	size_t size = KG_MESSAGE_HEADER_SIZE + KG_MESSAGE_BODY_MAX + 1;
	char *large = calloc(1, size);
	kg_message m = {0};
	kg_err err = KG_ETIMEOUT;

	assert_non_null(large);
	raw_send(r->dial, large, size, NULL, 0);
	for (int i = 0; i < 20 && err != KG_OK; i++) {
		if (kg_socket_send(r->dial, NULL, KG_MESSAGE_BEAT, 3, "{}", 2) == KG_OK)
			err = kg_socket_receive(r->listen, &m, 500);
	}
	assert_int_equal(err, KG_OK);
	assert_int_equal(m.id, 3);
	kg_message_release(&m);
	free(large);
}

static void test_socket__another_version_is_told_so(void **state)
{
	rig *r = *state;
	uint8_t header[KG_MESSAGE_HEADER_SIZE];
	kg_message m = {0};

	encode(header, KG_MESSAGE_BEAT, 2);
	header[2] = 9;
	raw_send(r->dial, header, sizeof(header), "{}", 2);
	assert_int_equal(kg_socket_send(r->dial, NULL, KG_MESSAGE_BEAT, 8, "{}", 2), KG_OK);
	assert_int_equal(kg_socket_receive(r->listen, &m, PATIENCE_MS), KG_OK);
	assert_int_equal(m.id, 8);
	kg_message_release(&m);
	assert_int_equal(kg_socket_receive(r->dial, &m, PATIENCE_MS), KG_OK);
	assert_int_equal(m.kind, KG_MESSAGE_FAILED);
	assert_int_equal(m.id, 7);
	assert_int_equal(kg_message_fail(&m), KG_ECONFLICT);
	kg_message_release(&m);
	assert_int_equal(kg_socket_drops(r->listen)->count, 1);
}

static void test_socket__a_peer_that_left_is_not_found(void **state)
{
	rig *r = *state;
	kg_message m = {0};
	kg_err err = KG_OK;

	assert_int_equal(kg_socket_send(r->dial, NULL, KG_MESSAGE_BEAT, 1, "{}", 2), KG_OK);
	assert_int_equal(kg_socket_receive(r->listen, &m, PATIENCE_MS), KG_OK);
	kg_socket_free(r->dial);
	r->dial = NULL;
	for (int i = 0; i < PATIENCE_MS / 10 && err == KG_OK; i++) {
		err = kg_socket_reply(r->listen, &m, KG_MESSAGE_BEAT, json_object());
		(void)usleep(10000);
	}
	assert_int_equal(err, KG_ENOTFOUND);
	kg_message_release(&m);
}

static void test_socket__a_restarted_server_is_found_again(void **state)
{
	rig *r = *state;
	kg_message m = {0};

	kg_socket_free(r->listen);
	assert_int_equal(kg_socket_serve(&r->listen, r->server.bus, r->endpoint), KG_OK);
	kg_err err = KG_ETIMEOUT;
	for (int i = 0; i < 20 && err != KG_OK; i++)
		if (kg_socket_send(r->dial, NULL, KG_MESSAGE_BEAT, 4, "{}", 2) == KG_OK)
			err = kg_socket_receive(r->listen, &m, 500);
	assert_int_equal(err, KG_OK);
	kg_message_release(&m);
}

static void test_socket__long_paths_work(void **state)
{
	rig *r = *state;
	char dir[KG_PATH_SIZE], endpoint[KG_ENDPOINT_SIZE];
	kg_socket *listen, *dial;
	kg_message m = {0};
	size_t length = strlen(r->dir);

	memcpy(dir, r->dir, length);
	for (int i = 0; i < 4; i++) {
		dir[length++] = '/';
		memset(dir + length, 'a' + i, 60);
		length += 60;
		dir[length] = '\0';
		assert_int_equal(mkdir(dir, 0700), 0);
	}
	rig_endpoint(endpoint, dir, "orchestrator");
	assert_int_equal(kg_socket_serve(&listen, r->server.bus, endpoint), KG_OK);
	assert_int_equal(access(endpoint + 6, F_OK), 0);
	assert_int_equal(kg_socket_dial(&dial, r->agent.bus, endpoint, &r->server.peer), KG_OK);
	assert_int_equal(kg_socket_send(dial, NULL, KG_MESSAGE_BEAT, 1, "{}", 2), KG_OK);
	assert_int_equal(kg_socket_receive(listen, &m, PATIENCE_MS), KG_OK);
	kg_message_release(&m);
	kg_socket_free(dial);
	kg_socket_free(listen);
	rig_endpoint(endpoint,
		     "/nowhere/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		     "orchestrator");
	assert_int_equal(kg_socket_dial(&dial, r->agent.bus, endpoint, &r->server.peer),
			 KG_ENOTFOUND);
}

static void *serve_two(void *data)
{
	rig *r = data;
	kg_message m = {0};

	if (kg_socket_receive(r->listen, &m, PATIENCE_MS) == KG_OK) {
		/* Something else first, then the answer. */
		kg_message other = m;

		other.id = 1000;
		assert_int_equal(kg_socket_reply(r->listen, &other, KG_MESSAGE_BEAT, json_object()),
				 KG_OK);
		assert_int_equal(
			kg_socket_reply_failed(r->listen, &m, kg_fail(KG_EFULL, "no room")), KG_OK);
	}
	kg_message_release(&m);
	return NULL;
}

static void count_other(void *data, kg_message *m)
{
	assert_int_equal(m->id, 1000);
	++*(int *)data;
}

static void test_socket__ask_waits_for_its_own_answer(void **state)
{
	rig *r = *state;
	kg_message m = {0};
	pthread_t thread;
	int others = 0;

	assert_int_equal(pthread_create(&thread, NULL, serve_two, r), 0);
	assert_int_equal(kg_socket_ask(r->dial, KG_MESSAGE_BEAT, json_object(), PATIENCE_MS, &m,
				       count_other, &others),
			 KG_OK);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(others, 1);
	assert_int_equal(m.kind, KG_MESSAGE_FAILED);
	assert_int_equal(kg_message_fail(&m), KG_EFULL);
	assert_string_equal(kg_err_text(), "no room");
	kg_message_release(&m);
	assert_int_equal(kg_socket_ask(r->dial, KG_MESSAGE_BEAT, json_object(), 50, &m, NULL, NULL),
			 KG_ETIMEOUT);
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

static void test_socket__wait_sees_sockets_descriptors_and_signals(void **state)
{
	rig *r = *state;
	struct sigaction action = {.sa_handler = on_alarm};
	kg_wait items[2] = {{.socket = r->listen}, {0}};
	kg_message m = {0};
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	items[1].fd = ends[0];
	assert_int_equal(kg_socket_wait(items, 2, 0), KG_OK);
	assert_false(items[0].ready || items[1].ready);
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(kg_socket_wait(items, 2, PATIENCE_MS), KG_OK);
	assert_true(items[1].ready); /* the other end is gone */
	assert_int_equal(kg_socket_send(r->dial, NULL, KG_MESSAGE_BEAT, 1, "{}", 2), KG_OK);
	assert_int_equal(kg_socket_wait(items, 1, PATIENCE_MS), KG_OK);
	assert_true(items[0].ready);
	assert_int_equal(kg_socket_receive(r->listen, &m, 0), KG_OK);
	kg_message_release(&m);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	(void)ualarm(20000, 0);
	assert_int_equal(kg_socket_wait(items, 1, PATIENCE_MS), KG_OK);
	assert_false(items[0].ready);
	(void)ualarm(20000, 0);
	assert_int_equal(kg_socket_receive(r->listen, &m, 100), KG_ETIMEOUT);
	(void)close(ends[0]);
}

static void test_socket__peers_are_checked(void **state)
{
	rig *r = *state;
	kg_peer twice[2] = {r->agent.peer, r->agent.peer};
	kg_peer bad = r->stranger.peer;

	(void)snprintf(twice[1].name, sizeof(twice[1].name), "agent-1");
	assert_int_equal(kg_zap_set(r->server.bus->zap, twice, 2), KG_EINVAL);
	(void)snprintf(bad.name, sizeof(bad.name), "no name");
	assert_int_equal(kg_bus_admit(r->server.bus, &bad), KG_EINVAL);
}

#define RIGGED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(test_socket__an_admitted_key_gets_its_name_and_an_answer),
		RIGGED(test_socket__an_unknown_key_is_refused),
		RIGGED(test_socket__a_server_without_the_key_it_should_have_is_silent),
		RIGGED(test_socket__a_server_must_be_guarded),
		RIGGED(test_socket__forbidden_sends_are_refused_at_home),
		RIGGED(test_socket__bad_messages_are_dropped_and_counted),
		RIGGED(test_socket__a_frame_beyond_all_limits_ends_only_the_connection),
		RIGGED(test_socket__another_version_is_told_so),
		RIGGED(test_socket__a_peer_that_left_is_not_found),
		RIGGED(test_socket__a_restarted_server_is_found_again),
		RIGGED(test_socket__long_paths_work),
		RIGGED(test_socket__ask_waits_for_its_own_answer),
		RIGGED(test_socket__wait_sees_sockets_descriptors_and_signals),
		RIGGED(test_socket__peers_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
