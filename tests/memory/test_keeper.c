/* SPDX-License-Identifier: MIT */
/* The keeper as a process, spoken to over its real socket. */
#include "tests/memory/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/json.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "memory/chain.h"
#include "memory/memory_main.h"

enum { ANSWER_MS = 20000 };

typedef struct {
	fixture f;
	pid_t pid;
	int pipe_fd; /* the keeper's life line */
	kg_curve *keeper_curve;
	kg_curve *curve; /* ours: the orchestrator's */
	kg_curve *agent_curve;
	kg_launch launch;
	kg_bus *bus;
	kg_socket *socket;
} scene;

static void describe(scene *s)
{
	kg_launch *l = &s->launch;

	(void)strcpy(l->role, "keeper");
	(void)strcpy(l->name, "keeper");
	l->parent_pid = (int)getpid();
	(void)snprintf(l->state_dir, sizeof(l->state_dir), "%s", s->f.dir);
	l->swarm = s->f.swarm.swarm;
	l->operator_key = *kg_key_public(s->f.agents[2].key);
	l->curve = s->keeper_curve;
	l->orchestrator = kg_peer_of("orchestrator", s->curve);
	l->keeper = kg_peer_of("keeper", s->keeper_curve);
	assert_int_equal(kg_path(l->orchestrator_endpoint, "ipc://%s/o.sock", s->f.dir), KG_OK);
	assert_int_equal(kg_path(l->keeper_endpoint, "ipc://%s/k.sock", s->f.dir), KG_OK);
	assert_int_equal(kg_path(l->feed_in_endpoint, "ipc://%s/i.sock", s->f.dir), KG_OK);
	assert_int_equal(kg_path(l->feed_endpoint, "ipc://%s/f.sock", s->f.dir), KG_OK);
	(void)strcpy(l->strategy, "fairy2");
	l->members = calloc(2, sizeof(*l->members));
	assert_non_null(l->members);
	l->member_count = 2;
	l->members[0].peer = l->orchestrator;
	l->members[0].key = l->swarm;
	l->members[1].peer = kg_peer_of("agent-0", s->agent_curve);
	l->members[1].key = *kg_key_public(s->f.agents[0].key);
}

/* `file_bytes` limits the size of the keeper's files: a disk that is full. */
static void start(scene *s, rlim_t file_bytes)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	s->pid = fork();
	if (s->pid == 0) {
		struct rlimit limit = {file_bytes, file_bytes};
		int log;

		(void)close(fds[1]);
		log = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(fds[0], KG_LAUNCH_FD) < 0 ||
		    setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(99);
		_exit(kg_keeper_main());
	}
	(void)close(fds[0]);
	s->pipe_fd = fds[1];
	assert_int_equal(kg_launch_write(&s->launch, s->pipe_fd), KG_OK);
}

static int end(scene *s, int number)
{
	int status = 0;

	if (number != 0)
		assert_int_equal(kill(s->pid, number), 0);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	(void)close(s->pipe_fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The socket is made after the fork: libzmq's threads do not survive one. */
static void dial_as(scene *s, const char *name, kg_curve *curve)
{
	assert_int_equal(kg_bus_new(&s->bus, name, curve), KG_OK);
	assert_int_equal(
		kg_socket_dial(&s->socket, s->bus, s->launch.keeper_endpoint, &s->launch.keeper),
		KG_OK);
}

static void dial(scene *s)
{
	dial_as(s, "orchestrator", s->curve);
}

static void hang_up(scene *s)
{
	kg_socket_free(s->socket);
	kg_bus_free(s->bus);
	s->socket = NULL;
	s->bus = NULL;
}

static void scene_make(scene *s)
{
	memset(s, 0, sizeof(*s));
	fixture_make(&s->f);
	assert_int_equal(kg_curve_generate(&s->keeper_curve), KG_OK);
	assert_int_equal(kg_curve_generate(&s->curve), KG_OK);
	assert_int_equal(kg_curve_generate(&s->agent_curve), KG_OK);
	describe(s);
	/* Times of the fixture are long ago for the keeper's clock: not ahead of it. */
	kg_memory_free(fixture_open(&s->f));
}

static void scene_remove(scene *s)
{
	free(s->launch.members);
	kg_curve_free(s->keeper_curve);
	kg_curve_free(s->curve);
	kg_curve_free(s->agent_curve);
	fixture_remove(&s->f);
}

static kg_message ask(scene *s, kg_message_kind kind, json_t *body)
{
	kg_message answer = {0};

	if (kg_socket_ask(s->socket, kind, body, ANSWER_MS, &answer, NULL, NULL) != KG_OK)
		fail_msg("%s", kg_err_text());
	return answer;
}

/* KG_OK, or the code of the refusal. */
static kg_err submit(scene *s, const kg_buf *object)
{
	kg_message answer = {0};
	kg_err err = KG_OK;

	if (kg_socket_ask_raw(s->socket, KG_MESSAGE_SUBMIT, object->data, object->size, ANSWER_MS,
			      &answer, NULL, NULL) != KG_OK)
		fail_msg("%s", kg_err_text());
	if (answer.kind != KG_MESSAGE_ACK)
		err = kg_message_fail(&answer);
	kg_message_release(&answer);
	return err;
}

static kg_err say(scene *s, author *who, const char *text)
{
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	s->f.now_ms += 1000;
	(void)fixture_insight(&object, who, text, s->f.now_ms);
	err = submit(s, &object);
	kg_buf_release(&object);
	return err;
}

static void test_keeper__takes_in_and_answers(void **state)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	author stranger = {.name = "agent-9"};
	kg_message answer;
	json_t *list;
	scene s;

	(void)state;
	scene_make(&s);
	start(&s, RLIM_INFINITY);
	dial(&s);
	assert_int_equal(say(&s, &s.f.agents[0], "the sea is blue"), KG_OK);
	assert_int_equal(say(&s, &s.f.agents[0], "the sky too"), KG_OK);
	stranger.key = fixture_key(77);
	stranger.swarm = s.f.swarm.swarm;
	assert_int_equal(say(&s, &stranger, "let me in"), KG_EDENIED);

	kg_pubkey_format(hex, kg_key_public(s.f.agents[0].key));
	answer = ask(&s, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", hex));
	assert_int_equal(answer.kind, KG_MESSAGE_HEAD_IS);
	assert_int_equal(json_integer_value(json_object_get(answer.json, "sequence")), 2);
	kg_message_release(&answer);
	kg_pubkey_format(hex, kg_key_public(stranger.key));
	answer = ask(&s, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", hex));
	assert_int_equal(kg_message_fail(&answer), KG_EDENIED);
	kg_message_release(&answer);
	answer = ask(&s, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", "nonsense"));
	assert_int_equal(kg_message_fail(&answer), KG_EINVAL);
	kg_message_release(&answer);

	answer = ask(&s, KG_MESSAGE_HEADS, json_object());
	assert_int_equal(answer.kind, KG_MESSAGE_HEADS_ARE);
	assert_int_equal(json_array_size(json_object_get(answer.json, "heads")), 1);
	kg_message_release(&answer);

	answer = ask(&s, KG_MESSAGE_RECALL, json_pack("{s:s, s:i}", "query", "blue", "limit", 5));
	assert_int_equal(answer.kind, KG_MESSAGE_RECALLED);
	list = json_object_get(answer.json, "entries");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "text")),
			    "the sea is blue");
	kg_message_release(&answer);
	answer = ask(&s, KG_MESSAGE_RECALL, json_pack("{s:f}", "min_consciousness", 1.5));
	assert_int_equal(answer.kind, KG_MESSAGE_FAILED);
	kg_message_release(&answer);

	answer = ask(&s, KG_MESSAGE_BEAT, json_object());
	assert_int_equal(json_integer_value(json_object_get(answer.json, "entries")), 3);
	kg_message_release(&answer);
	hang_up(&s);
	assert_int_equal(end(&s, SIGTERM), KG_EXIT_YES);
	kg_key_free(stranger.key);
	scene_remove(&s);
}

static void test_keeper__what_it_acknowledged_survives_its_death(void **state)
{
	kg_memory *memory;
	uint64_t said = 0;
	scene s;

	(void)state;
	scene_make(&s);
	for (int round = 0; round < 4; round++) {
		start(&s, RLIM_INFINITY);
		dial(&s);
		for (int i = 0; i <= round; i++, said++)
			assert_int_equal(say(&s, &s.f.agents[i % 3], "once said"), KG_OK);
		assert_int_equal(end(&s, SIGKILL), -SIGKILL);
		hang_up(&s);
	}
	memory = fixture_open(&s.f);
	assert_int_equal(kg_memory_count(memory), said + 1);
	kg_memory_free(memory);
	scene_remove(&s);
}

static int64_t number_at(const kg_message *m, const char *key)
{
	int64_t number = -1;

	if (kg_json_get_i64(&number, m->json, key, 0, INT64_MAX) != KG_OK)
		fail_msg("%s", kg_err_text());
	return number;
}

static void test_keeper__settled_is_in_git_and_in_the_index(void **state)
{
	kg_message answer;
	scene s;

	(void)state;
	scene_make(&s);
	start(&s, RLIM_INFINITY);
	dial(&s);
	for (int i = 1; i <= 5; i++) {
		assert_int_equal(say(&s, &s.f.agents[0], "soon it is there"), KG_OK);
		answer = ask(&s, KG_MESSAGE_SETTLED, json_object());
		assert_int_equal(answer.kind, KG_MESSAGE_SETTLED_IS);
		assert_int_equal(number_at(&answer, "entries"), 2 * i);
		kg_message_release(&answer);
		assert_int_equal(fixture_shell(&s.f, NULL,
					       "test $(git -C memory.git rev-list --all --count)"
					       " = %d",
					       2 * i),
				 0);
		/* A search needs no such question before it. */
		assert_int_equal(say(&s, &s.f.agents[1], "another"), KG_OK);
		answer = ask(&s, KG_MESSAGE_RECALL, json_pack("{s:s}", "query", "another"));
		assert_int_equal(json_array_size(json_object_get(answer.json, "entries")), i);
		kg_message_release(&answer);
	}
	hang_up(&s);
	assert_int_equal(end(&s, SIGTERM), KG_EXIT_YES);
	scene_remove(&s);
}

static void test_keeper__says_how_much_may_be_on_the_way(void **state)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	kg_message answer = {0};
	kg_buf object;
	scene s;

	(void)state;
	scene_make(&s);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	start(&s, RLIM_INFINITY);
	dial(&s);
	kg_pubkey_format(hex, kg_key_public(s.f.agents[0].key));
	answer = ask(&s, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", hex));
	assert_in_range(number_at(&answer, "credit"), 1, 256);
	kg_message_release(&answer);
	(void)fixture_insight(&object, &s.f.agents[0], "how many?", s.f.now_ms);
	assert_int_equal(kg_socket_ask_raw(s.socket, KG_MESSAGE_SUBMIT, object.data, object.size,
					   ANSWER_MS, &answer, NULL, NULL),
			 KG_OK);
	assert_int_equal(answer.kind, KG_MESSAGE_ACK);
	assert_in_range(number_at(&answer, "credit"), 1, 256);
	assert_int_equal(number_at(&answer, "sequence"), 1);
	assert_int_equal(number_at(&answer, "time_ms"), s.f.now_ms);
	assert_string_equal(json_string_value(json_object_get(answer.json, "agent")), hex);
	kg_message_release(&answer);
	hang_up(&s);
	assert_int_equal(end(&s, SIGTERM), KG_EXIT_YES);
	kg_buf_release(&object);
	scene_remove(&s);
}

static void test_keeper__what_git_cannot_take_is_not_called_settled(void **state)
{
	kg_message answer;
	scene s;

	(void)state;
	scene_make(&s);
	start(&s, RLIM_INFINITY);
	dial(&s);
	assert_int_equal(say(&s, &s.f.agents[0], "there"), KG_OK);
	answer = ask(&s, KG_MESSAGE_SETTLED, json_object());
	assert_int_equal(answer.kind, KG_MESSAGE_SETTLED_IS);
	kg_message_release(&answer);
	assert_int_equal(
		fixture_shell(&s.f, NULL, "cd memory.git/objects && mv pack away && touch pack"),
		0);
	/* Acknowledged all the same: the journal has it. A search finds what there is. */
	assert_int_equal(say(&s, &s.f.agents[0], "not there"), KG_OK);
	answer = ask(&s, KG_MESSAGE_SETTLED, json_object());
	assert_int_equal(answer.kind, KG_MESSAGE_FAILED);
	kg_message_release(&answer);
	assert_int_equal(say(&s, &s.f.agents[0], "nor this"), KG_OK);
	answer = ask(&s, KG_MESSAGE_BEAT, json_object());
	assert_int_equal(number_at(&answer, "entries"), 4);
	kg_message_release(&answer);
	assert_int_equal(
		fixture_shell(&s.f, NULL, "cd memory.git/objects && rm pack && mv away pack"), 0);
	/* Within a tick it is tried again, by itself. */
	do {
		answer = ask(&s, KG_MESSAGE_SETTLED, json_object());
		kg_message_release(&answer);
	} while (fixture_shell(&s.f, NULL,
			       "test $(git -C memory.git rev-list --all --count) = 4") != 0);
	hang_up(&s);
	assert_int_equal(end(&s, SIGTERM), KG_EXIT_YES);
	scene_remove(&s);
}

static void test_keeper__there_is_one(void **state)
{
	scene s;
	scene second;

	(void)state;
	scene_make(&s);
	start(&s, RLIM_INFINITY);
	dial(&s);
	assert_int_equal(say(&s, &s.f.agents[0], "first"), KG_OK);
	hang_up(&s);
	second = s;
	start(&second, RLIM_INFINITY);
	assert_int_equal(end(&second, 0), KG_EXIT_TROUBLE);
	/* The end of the life line is the end of the keeper. */
	(void)close(s.pipe_fd);
	s.pipe_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(end(&s, 0), KG_EXIT_YES);
	scene_remove(&s);
}

static void test_keeper__a_full_disk_is_an_answer_and_not_the_end(void **state)
{
	kg_message answer;
	kg_memory *memory;
	uint64_t said = 0;
	kg_err err = KG_OK;
	scene s;

	(void)state;
	scene_make(&s);
	start(&s, 64 << 10);
	dial(&s);
	while (err == KG_OK && said < 500) {
		err = say(&s, &s.f.agents[0], "is there room for a few more words about the sea?");
		said += err == KG_OK ? 1 : 0;
	}
	assert_int_equal(err, KG_EFULL);
	answer = ask(&s, KG_MESSAGE_BEAT, json_object());
	assert_int_equal(json_integer_value(json_object_get(answer.json, "entries")), said + 1);
	kg_message_release(&answer);
	hang_up(&s);
	(void)end(&s, SIGTERM);
	memory = fixture_open(&s.f);
	assert_int_equal(kg_memory_count(memory), said + 1);
	kg_memory_free(memory);
	scene_remove(&s);
}

/* How many entries the keeper gives to an agent that asks for a word. */
static size_t recalled_by_agent(scene *s, const char *word)
{
	kg_message answer;
	size_t count;

	dial_as(s, "agent-0", s->agent_curve);
	answer = ask(s, KG_MESSAGE_RECALL, json_pack("{s:s}", "query", word));
	assert_int_equal(answer.kind, KG_MESSAGE_RECALLED);
	count = json_array_size(json_object_get(answer.json, "entries"));
	kg_message_release(&answer);
	hang_up(s);
	return count;
}

/* An entry of the swarm that cites `id`; its own id. */
static kg_entry_id order(scene *s, const kg_entry_id *id)
{
	kg_entry_proof proof;
	kg_buf object;
	kg_entry e;

	dial(s);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_init(&e, KG_ENTRY_REVOCATION);
	assert_int_equal(kg_entry_set_text(&e, "an order", 8), KG_OK);
	assert_int_equal(kg_entry_add_reference(&e, id), KG_OK);
	s->f.now_ms += 1000;
	proof = fixture_sign(&object, &s->f.swarm, &e, s->f.now_ms);
	assert_int_equal(submit(s, &object), KG_OK);
	kg_entry_release(&e);
	kg_buf_release(&object);
	hang_up(s);
	return proof.id;
}

static void test_keeper__agents_never_get_what_is_under_quarantine(void **state)
{
	kg_entry_proof proof;
	kg_entry_id quarantine;
	kg_buf object;
	scene s;

	(void)state;
	scene_make(&s);
	start(&s, RLIM_INFINITY);
	dial(&s);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	s.f.now_ms += 1000;
	proof = fixture_insight(&object, &s.f.agents[1], "the moon is cheese", s.f.now_ms);
	assert_int_equal(submit(&s, &object), KG_OK);
	kg_buf_release(&object);
	hang_up(&s);
	assert_int_equal(recalled_by_agent(&s, "cheese"), 1);
	quarantine = order(&s, &proof.id);
	assert_int_equal(recalled_by_agent(&s, "cheese"), 0);
	(void)order(&s, &quarantine);
	assert_int_equal(recalled_by_agent(&s, "cheese"), 1);
	assert_int_equal(end(&s, SIGTERM), KG_EXIT_YES);
	scene_remove(&s);
}

/* The connection of a revoked agent outlives its key, and is of no use. */
static void test_keeper__tells_and_takes_nothing_once_a_key_is_revoked(void **state)
{
	kg_message answer;
	kg_entry_head last;
	kg_buf object;
	kg_entry e;
	scene s;

	(void)state;
	scene_make(&s);
	start(&s, RLIM_INFINITY);
	dial(&s);
	assert_int_equal(say(&s, &s.f.agents[0], "the moon is far"), KG_OK);
	last = (kg_entry_head){*kg_key_public(s.f.agents[0].key), s.f.agents[0].head.sequence,
			       s.f.agents[0].head.commit};
	assert_int_equal(
		kg_revocation_make(&e, s.f.swarm.key, &s.f.swarm.head, &last, s.f.now_ms + 1),
		KG_OK);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	assert_int_equal(kg_entry_sign(&object, NULL, &e, s.f.swarm.key, &s.f.swarm.head.commit),
			 KG_OK);
	assert_int_equal(submit(&s, &object), KG_OK);
	kg_entry_release(&e);
	kg_buf_release(&object);
	hang_up(&s);

	dial_as(&s, "agent-0", s.agent_curve);
	answer = ask(&s, KG_MESSAGE_RECALL, json_pack("{s:s}", "query", "moon"));
	assert_int_equal(answer.kind, KG_MESSAGE_FAILED);
	assert_int_equal(kg_message_fail(&answer), KG_EDENIED);
	kg_message_release(&answer);
	assert_int_equal(say(&s, &s.f.agents[0], "let me in"), KG_EDENIED);
	assert_int_equal(say(&s, &s.f.agents[1], "another key is good"), KG_OK);
	hang_up(&s);
	assert_int_equal(end(&s, SIGTERM), KG_EXIT_YES);
	scene_remove(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeper__takes_in_and_answers),
		cmocka_unit_test(test_keeper__what_it_acknowledged_survives_its_death),
		cmocka_unit_test(test_keeper__settled_is_in_git_and_in_the_index),
		cmocka_unit_test(test_keeper__says_how_much_may_be_on_the_way),
		cmocka_unit_test(test_keeper__what_git_cannot_take_is_not_called_settled),
		cmocka_unit_test(test_keeper__there_is_one),
		cmocka_unit_test(test_keeper__agents_never_get_what_is_under_quarantine),
		cmocka_unit_test(test_keeper__tells_and_takes_nothing_once_a_key_is_revoked),
		cmocka_unit_test(test_keeper__a_full_disk_is_an_answer_and_not_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
