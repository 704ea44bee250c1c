/* SPDX-License-Identifier: MIT */
/* How many entries per second many processes at once get acknowledged by the real keeper, each of
 * them durable by then. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/bench_keeper.h"
#include "memory/memory.h"

enum {
	WRITERS = 16,
	EACH = 2000,
	WINDOW_MAX = 256,
	FIRST_CREDIT = 16,
	ANSWER_MS = 30000,
	FAILED = 1
};

/* A writer's end: entries on their way, and the keeper's last word on how many may be. */
typedef struct {
	kg_bench_authors *authors;
	size_t self;
	kg_bus *bus;
	kg_socket *socket;
	kg_buf ring[WINDOW_MAX]; /* signed, not acknowledged */
	uint64_t requests[WINDOW_MAX];
	uint64_t signed_count;
	uint64_t sent;
	uint64_t stored;
	uint64_t credit;
} writer;

static kg_err sign_next(writer *w)
{
	kg_buf *object = &w->ring[w->signed_count % WINDOW_MAX];
	kg_err err;

	kg_buf_clear(object);
	err = kg_bench_author_write(object, w->authors, w->self, kg_clock_wall_ms());
	w->signed_count += err == KG_OK ? 1 : 0;
	return err;
}

static kg_err send_allowed(writer *w)
{
	kg_err err = KG_OK;

	while (err == KG_OK && w->sent < EACH && w->sent - w->stored < w->credit) {
		size_t at = w->sent % WINDOW_MAX;

		if (w->sent == w->signed_count)
			err = sign_next(w);
		w->requests[at] = kg_socket_next_id(w->socket);
		if (err == KG_OK)
			err = kg_socket_send(w->socket, NULL, KG_MESSAGE_SUBMIT, w->requests[at],
					     w->ring[at].data, w->ring[at].size);
		w->sent += err == KG_OK ? 1 : 0;
	}
	return err;
}

/* The entry that an answer is to; w->sent when it is to one that was sent again since. */
static uint64_t find_request(const writer *w, uint64_t id)
{
	uint64_t i = w->stored;

	while (i < w->sent && w->requests[i % WINDOW_MAX] != id)
		i++;
	return i;
}

/* What was refused for want of room is sent again, and all behind it: a refusal is faster than the
 * word that those before it are durable. */
static kg_err take_answer(writer *w, const kg_message *m)
{
	uint64_t at = find_request(w, m->id);
	int64_t credit = 0;

	if (at == w->sent)
		return KG_OK;
	if (m->kind == KG_MESSAGE_FAILED) {
		kg_err err = kg_message_fail(m);

		if (err != KG_EFULL)
			return err;
		w->sent = at;
		return KG_OK;
	}
	w->stored = at + 1;
	if (json_object_get(m->json, "credit") != NULL &&
	    kg_json_get_i64(&credit, m->json, "credit", 1, WINDOW_MAX) == KG_OK)
		w->credit = (uint64_t)credit;
	return KG_OK;
}

static kg_err write_all(writer *w)
{
	kg_err err = KG_OK;

	while (err == KG_OK && w->stored < EACH) {
		kg_message m = {0};

		err = send_allowed(w);
		if (err == KG_OK)
			err = kg_socket_receive(w->socket, &m, ANSWER_MS);
		if (err == KG_OK)
			err = take_answer(w, &m);
		kg_message_release(&m);
	}
	return err;
}

static kg_err connect_writer(writer *w, const kg_bench_keeper *keeper)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	json_t *body;
	kg_err err = kg_bench_keeper_dial(&w->bus, &w->socket, keeper, w->self);

	if (err != KG_OK)
		return err;
	kg_pubkey_format(hex, kg_key_public(w->authors->authors[w->self].key));
	body = json_pack("{s:s}", "agent", hex);
	err = kg_bench_keeper_ask(w->socket, KG_MESSAGE_HEAD, body);
	json_decref(body);
	return err;
}

/* A writer's process: connects, says so, waits for the word, writes, says so. Its exit code. */
static int be_writer(kg_bench_authors *authors, const kg_bench_keeper *keeper, size_t self,
		     int ready, int go)
{
	writer *w = calloc(1, sizeof(*w));
	char byte = 0;
	kg_err err = KG_ENOMEM;

	if (w != NULL) {
		w->authors = authors;
		w->self = self;
		w->credit = FIRST_CREDIT;
		kg_rng_init_u64(&authors->rng, self + 1);
		for (size_t i = 0; i < WINDOW_MAX; i++)
			kg_buf_init(&w->ring[i], KG_ENTRY_OBJECT_MAX);
		err = connect_writer(w, keeper);
	}
	if (err == KG_OK && (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1))
		err = kg_fail_errno(errno, "pipe");
	if (err == KG_OK)
		err = write_all(w);
	if (err != KG_OK)
		(void)fprintf(stderr, "bench: writer %zu: %s\n", self, kg_err_text());
	byte = err == KG_OK ? 0 : FAILED;
	if (write(ready, &byte, 1) != 1)
		return 1;
	if (w != NULL) {
		kg_socket_free(w->socket);
		kg_bus_free(w->bus);
	}
	return err == KG_OK ? 0 : 1;
}

/* ---- all of them ---- */

typedef struct {
	pid_t pids[WRITERS];
	size_t count;
	int ready[2];
	int go[2];
} crowd;

static kg_err start_crowd(crowd *c, kg_bench_authors *authors, const kg_bench_keeper *keeper)
{
	if (pipe2(c->ready, O_CLOEXEC) != 0 || pipe2(c->go, O_CLOEXEC) != 0)
		return kg_fail_errno(errno, "pipe");
	for (; c->count < WRITERS; c->count++) {
		pid_t pid = fork();

		if (pid < 0)
			return kg_fail_errno(errno, "fork");
		if (pid == 0) {
			_exit(be_writer(authors, keeper, c->count, c->ready[1], c->go[0]));
		}
		c->pids[c->count] = pid;
	}
	(void)close(c->ready[1]);
	c->ready[1] = -1;
	return KG_OK;
}

/* One byte of each. */
static kg_err hear_all(const crowd *c, const char *what)
{
	for (size_t heard = 0; heard < c->count;) {
		char bytes[WRITERS];
		ssize_t got = read(c->ready[0], bytes, c->count - heard);

		if (got <= 0)
			return kg_fail(KG_EIO, "%zu of %zu writers did not %s", c->count - heard,
				       c->count, what);
		if (memchr(bytes, FAILED, (size_t)got) != NULL)
			return kg_fail(KG_EIO, "a writer did not %s", what);
		heard += (size_t)got;
	}
	return KG_OK;
}

/* Reaps them; those that still wait for the word are killed first. */
static kg_err end_crowd(crowd *c, bool failed)
{
	kg_err err = KG_OK;

	while (c->count > 0) {
		pid_t pid = c->pids[--c->count];
		int status = 0;

		if (failed)
			(void)kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 0)
			err = kg_fail(KG_EIO, "writer %zu failed", c->count);
	}
	return err;
}

static double children_cpu(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_CHILDREN, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static kg_err put_rows(kg_bench *bench, double wall, double keeper_cpu, double writers_cpu)
{
	const double entries = (double)WRITERS * EACH;
	char note[96];
	kg_bench_row row = {.name = "entries stored",
			    .value = entries / (keeper_cpu + writers_cpu),
			    .wall = entries / wall,
			    .unit = "entries/CPU-s",
			    .note = note};
	kg_err err;

	(void)snprintf(note, sizeof(note), "%d writers, acknowledged by the keeper and durable",
		       WRITERS);
	err = kg_bench_put(bench, &row);
	if (err != KG_OK)
		return err;
	row = (kg_bench_row){.name = "keeper's part",
			     .value = keeper_cpu / entries * 1e6,
			     .unit = "us/entry",
			     .note = note};
	(void)snprintf(note, sizeof(note), "a writer's, with signing: %.0f",
		       writers_cpu / entries * 1e6);
	return kg_bench_put(bench, &row);
}

static kg_err run_crowd(kg_bench *bench, crowd *c, kg_bench_authors *authors,
			kg_bench_keeper *keeper)
{
	const char word[WRITERS] = {0};
	double writers_cpu = children_cpu();
	double keeper_cpu = 0;
	double wall = 0;
	kg_err err = start_crowd(c, authors, keeper);

	if (err == KG_OK)
		err = hear_all(c, "connect");
	if (err == KG_OK) {
		keeper_cpu = kg_bench_keeper_cpu(keeper);
		wall = kg_bench_wall();
		if (write(c->go[1], word, sizeof(word)) != sizeof(word))
			err = kg_fail_errno(errno, "pipe");
	}
	if (err == KG_OK)
		err = hear_all(c, "finish");
	wall = kg_bench_wall() - wall;
	if (err == KG_OK)
		err = end_crowd(c, false);
	/* What was acknowledged goes on to git and the index: that is the keeper's work too. */
	if (err == KG_OK)
		err = kg_bench_keeper_greet(keeper);
	if (err == KG_OK)
		err = kg_bench_keeper_settle(keeper);
	keeper_cpu = kg_bench_keeper_cpu(keeper) - keeper_cpu;
	writers_cpu = children_cpu() - writers_cpu;
	if (err == KG_OK)
		err = kg_bench_keeper_stop(keeper);
	return err == KG_OK ? put_rows(bench, wall, keeper_cpu, writers_cpu) : err;
}

kg_err kg_bench_admit(const char *state, const kg_bench_authors *authors, int64_t now_ms)
{
	kg_memory *memory = NULL;
	kg_receipt receipt;
	kg_buf object;
	kg_err err = kg_fs_mkdirs(state, 0700);

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	if (err == KG_OK)
		err = kg_memory_open(&memory, state, kg_key_public(authors->swarm), NULL, NULL);
	if (err == KG_OK)
		err = kg_bench_authors_admit(&object, authors, now_ms);
	if (err == KG_OK)
		err = kg_memory_submit(memory, &receipt, object.data, object.size,
				       kg_clock_wall_ms());
	if (err == KG_OK)
		err = kg_memory_settle(memory);
	kg_memory_free(memory);
	kg_buf_release(&object);
	return err;
}

kg_err kg_bench_writers(kg_bench *bench)
{
	crowd c = {.ready = {-1, -1}, .go = {-1, -1}};
	kg_bench_authors authors = {0};
	kg_bench_keeper keeper = {0};
	char state[KG_PATH_SIZE];
	kg_err err = kg_path(state, "%s/writers", bench->dir);

	kg_bench_say("%d writers, %d entries each", WRITERS, EACH);
	if (err == KG_OK)
		err = kg_bench_authors_init(&authors, WRITERS, 1);
	if (err == KG_OK)
		err = kg_bench_admit(state, &authors, kg_clock_wall_ms());
	if (err == KG_OK)
		err = kg_bench_keeper_init(&keeper, bench, state, &authors);
	if (err == KG_OK)
		err = kg_bench_keeper_start(&keeper);
	if (err == KG_OK)
		err = run_crowd(bench, &c, &authors, &keeper);
	if (c.count > 0) {
		kg_err killed = end_crowd(&c, true);

		err = err == KG_OK ? killed : err;
	}
	for (size_t i = 0; i < 2; i++) {
		if (c.ready[i] >= 0)
			(void)close(c.ready[i]);
		if (c.go[i] >= 0)
			(void)close(c.go[i]);
	}
	kg_bench_keeper_release(&keeper);
	kg_bench_authors_release(&authors);
	return err;
}
