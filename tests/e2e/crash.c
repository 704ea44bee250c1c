/* SPDX-License-Identifier: MIT */
/*
 * crash – the keeper and sixteen writers, killed at random moments, lose nothing.
 *
 *   crash KEEPER DIRECTORY [KILLS [SEED]]
 *
 * Writers are processes with a key and a durable outbox each, who speak to the real keeper over its
 * real socket as agents do, 2,000 entries each, and note what was acknowledged. One victim after
 * the other, the keeper or a writer, is killed with signal 9 and started again, KILLS times (200),
 * spread over the whole of the work. Then every noted entry must be in git exactly once, every
 * chain without a gap, nothing for verify to find, the index the same as one made anew. The seed of
 * the moments is printed first.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/outbox.h"
#include "agent/post_main.h"
#include "agent/speech.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "bus/launch.h"
#include "identity/secret.h"
#include "memory/memory.h"
#include "memory/witness.h"
#include "tests/e2e/crash.h"

enum {
	WRITERS = 16,
	ENTRIES = 2000, /* of each writer */
	KILLS = 200,
	AHEAD = 512,      /* entries a writer has signed beforehand */
	WAIT_MS = 20,     /* for an answer */
	STALL_MS = 60000, /* without a step: it hangs */
	BREATH_US = 30000 /* a kill is up to so much later than the step it waits for */
};

/* What the processes tell each other. */
typedef struct {
	atomic_uint starts;            /* of the keeper */
	atomic_ullong stored[WRITERS]; /* entries acknowledged, by writer */
} board;

typedef struct {
	const char *program; /* the keeper's */
	const char *dir;
	uint64_t random;
	board *board;
	kg_key *swarm;
	kg_key *keys[WRITERS];
	kg_curve *keeper_curve;
	kg_curve *orchestrator_curve;
	kg_curve *curves[WRITERS];
	kg_launch launch;
	pid_t keeper;
	int life; /* the keeper's life line */
	pid_t writers[WRITERS];
	unsigned killed_keepers;
	unsigned killed_writers;
} stage;

static uint64_t roll(stage *s)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void name_of(char name[KG_NAME_SIZE], unsigned writer)
{
	(void)snprintf(name, KG_NAME_SIZE, "agent-%u", writer);
}

/* ---- a writer ---- */

typedef struct {
	stage *s;
	unsigned me;
	int notes;
	kg_post post;
} writer;

static void on_stored(void *data, uint64_t ticket, const kg_entry *entry,
		      const kg_entry_proof *proof)
{
	writer *w = data;
	char line[KG_HASH_TEXT_SIZE + 1];

	(void)ticket;
	kg_entry_id_format(line, &proof->id);
	line[KG_HASH_TEXT_SIZE - 1] = '\n';
	if (write(w->notes, line, KG_HASH_TEXT_SIZE) != KG_HASH_TEXT_SIZE)
		_exit(90);
	atomic_store(&w->s->board->stored[w->me], entry->sequence);
}

static void on_lost(void *data, uint64_t ticket, kg_err why)
{
	(void)data;
	(void)ticket;
	(void)why;
	kg_log_err(KG_LOG_ERROR, "entry.lost");
	_exit(91);
}

static kg_err ask_head(writer *w, kg_chain_head *head)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	kg_message answer = {0};
	kg_err err;

	kg_pubkey_format(key, w->post.agent);
	err = kg_socket_ask(w->post.keeper, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", key), 500,
			    &answer, NULL, NULL);
	if (err != KG_OK)
		return err;
	err = answer.kind == KG_MESSAGE_HEAD_IS ? kg_head_read(head, answer.json)
						: kg_message_fail(&answer);
	kg_message_release(&answer);
	return err;
}

static void sign_one(writer *w, uint64_t number)
{
	char text[96];
	kg_entry entry;

	kg_entry_init(&entry, KG_ENTRY_INSIGHT);
	(void)snprintf(text, sizeof(text), "writer %u has seen %llu sheep, and one of them was %s",
		       w->me, (unsigned long long)number, number % 7 == 0 ? "black" : "white");
	crash_check(kg_entry_set_text(&entry, text, strlen(text)), "text");
	crash_check(kg_entry_add_tag(&entry, "sheep"), "tag");
	kg_entry_set_confidence(&entry, 0.9);
	crash_check(kg_outbox_put(w->post.outbox, &entry, kg_clock_wall_ms(), NULL), "outbox");
}

static void write_all(writer *w, uint64_t signed_already)
{
	unsigned starts = atomic_load(&w->s->board->starts);
	uint64_t number = signed_already;

	while (number < ENTRIES || kg_outbox_count(w->post.outbox) > 0) {
		kg_message message = {0};

		/* Who is told that the keeper is new need not wait for answers of the old one. */
		if (atomic_load(&w->s->board->starts) != starts) {
			starts = atomic_load(&w->s->board->starts);
			kg_outbox_unsent(w->post.outbox);
		}
		while (number < ENTRIES && kg_outbox_count(w->post.outbox) < AHEAD)
			sign_one(w, ++number);
		w->post.away_ms = 0;
		kg_post_send(&w->post, kg_clock_mono_ms());
		for (int wait = WAIT_MS; kg_socket_receive(w->post.keeper, &message, wait) == KG_OK;
		     wait = 0) {
			kg_post_hear(&w->post, &message, kg_clock_mono_ms());
			kg_message_release(&message);
		}
	}
}

/* The child's whole life. */
static void be_writer(stage *s, unsigned me)
{
	writer w = {.s = s, .me = me};
	kg_chain_head head = {0};
	char name[KG_NAME_SIZE];
	char path[KG_PATH_SIZE];
	kg_bus *bus = NULL;
	bool moved;

	name_of(name, me);
	kg_log_init(name, KG_LOG_ERROR);
	crash_check(kg_path(path, "%s/notes-%u", s->dir, me), "notes");
	w.notes = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	w.post.agent = kg_key_public(s->keys[me]);
	w.post.lost = on_lost;
	w.post.data = &w;
	crash_check(kg_bus_new(&bus, name, s->curves[me]), "bus");
	crash_check(
		kg_socket_dial(&w.post.keeper, bus, s->launch.keeper_endpoint, &s->launch.keeper),
		"dial");
	kg_socket_set_patience(w.post.keeper, WAIT_MS);
	crash_check(kg_outbox_new(&w.post.outbox, kg_key_public(s->swarm), s->keys[me], name,
				  s->dir, on_stored, &w),
		    "outbox");
	while (ask_head(&w, &head) != KG_OK)
		continue;
	crash_check(kg_outbox_rebase(w.post.outbox, &head, kg_clock_wall_ms(), &moved), "rebase");
	write_all(&w, head.sequence + kg_outbox_count(w.post.outbox));
	kg_outbox_free(w.post.outbox);
	_exit(0);
}

static void start_writer(stage *s, unsigned me)
{
	s->writers[me] = fork();
	crash_require(s->writers[me] >= 0, "fork");
	if (s->writers[me] > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	be_writer(s, me);
}

/* ---- the keeper ---- */

static void start_keeper(stage *s)
{
	int fds[2];

	crash_require(pipe2(fds, O_CLOEXEC) == 0, "pipe");
	s->keeper = fork();
	crash_require(s->keeper >= 0, "fork");
	if (s->keeper == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(fds[0], KG_LAUNCH_FD) < 0)
			_exit(99);
		(void)fcntl(KG_LAUNCH_FD, F_SETFD, 0);
		(void)execl(s->program, s->program, (char *)NULL);
		_exit(99);
	}
	(void)close(fds[0]);
	s->life = fds[1];
	crash_check(kg_launch_write(&s->launch, s->life), "launch");
	(void)atomic_fetch_add(&s->board->starts, 1);
}

static void kill_keeper(stage *s)
{
	int status;

	crash_require(kill(s->keeper, SIGKILL) == 0, "the keeper lives");
	crash_require(waitpid(s->keeper, &status, 0) == s->keeper, "the keeper ends");
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		(void)fprintf(stderr, "crash: status %x of the keeper\n", (unsigned)status);
	crash_require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		      "the keeper does not end by itself");
	(void)close(s->life);
	s->killed_keepers++;
	start_keeper(s);
}

/* ---- the stage ---- */

static kg_key *key_of(uint8_t byte)
{
	uint8_t seed[KG_KEY_SEED_SIZE];
	kg_key *key = NULL;

	memset(seed, byte, sizeof(seed));
	crash_check(kg_key_new(&key, seed), "key");
	return key;
}

static void describe(stage *s)
{
	kg_launch *l = &s->launch;

	(void)snprintf(l->role, sizeof(l->role), "keeper");
	(void)snprintf(l->name, sizeof(l->name), "keeper");
	(void)snprintf(l->strategy, sizeof(l->strategy), "fairy2");
	crash_check(kg_path(l->state_dir, "%s", s->dir), "directory");
	l->parent_pid = (int)getpid();
	l->swarm = *kg_key_public(s->swarm);
	l->operator_key = *kg_key_public(s->swarm);
	l->curve = s->keeper_curve;
	l->orchestrator = kg_peer_of("orchestrator", s->orchestrator_curve);
	l->keeper = kg_peer_of("keeper", s->keeper_curve);
	crash_check(kg_path(l->orchestrator_endpoint, "ipc://%s/o.sock", s->dir), "directory");
	crash_check(kg_path(l->keeper_endpoint, "ipc://%s/k.sock", s->dir), "directory");
	crash_check(kg_path(l->feed_in_endpoint, "ipc://%s/i.sock", s->dir), "directory");
	crash_check(kg_path(l->feed_endpoint, "ipc://%s/f.sock", s->dir), "directory");
	l->members = calloc(WRITERS, sizeof(*l->members));
	crash_require(l->members != NULL, "memory");
	l->member_count = WRITERS;
	for (unsigned i = 0; i < WRITERS; i++) {
		char name[KG_NAME_SIZE];

		name_of(name, i);
		l->members[i].peer = kg_peer_of(name, s->curves[i]);
		l->members[i].key = *kg_key_public(s->keys[i]);
	}
}

/* The entry by which the swarm lets the writers write. */
static void certify(stage *s)
{
	kg_entry_member members[WRITERS] = {0};
	const kg_chain_head none = {0};
	kg_memory *memory = NULL;
	kg_receipt receipt;
	kg_entry entry;
	kg_buf object;

	for (unsigned i = 0; i < WRITERS; i++) {
		members[i].agent = *kg_key_public(s->keys[i]);
		name_of(members[i].name, i);
	}
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	crash_check(kg_memory_open(&memory, s->dir, kg_key_public(s->swarm), NULL, NULL), "memory");
	crash_check(
		kg_membership_make(&entry, s->swarm, &none, members, WRITERS, kg_clock_wall_ms()),
		"members");
	crash_check(kg_entry_sign(&object, NULL, &entry, s->swarm, NULL), "members");
	crash_check(
		kg_memory_submit(memory, &receipt, object.data, object.size, kg_clock_wall_ms()),
		"members");
	crash_check(kg_memory_settle(memory), "members");
	kg_memory_free(memory);
	kg_entry_release(&entry);
	kg_buf_release(&object);
}

static void set_stage(stage *s)
{
	crash_check(kg_identity_init(), "identity");
	s->board = mmap(NULL, sizeof(*s->board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	crash_require(s->board != MAP_FAILED, "shared memory");
	s->swarm = key_of(200);
	crash_check(kg_curve_generate(&s->keeper_curve), "curve");
	crash_check(kg_curve_generate(&s->orchestrator_curve), "curve");
	for (unsigned i = 0; i < WRITERS; i++) {
		s->keys[i] = key_of((uint8_t)(i + 1));
		crash_check(kg_curve_generate(&s->curves[i]), "curve");
	}
	describe(s);
	certify(s);
}

/* Whether it has written everything, and ended. */
static bool is_over(stage *s, unsigned who)
{
	int status;

	if (s->writers[who] == 0)
		return true;
	if (waitpid(s->writers[who], &status, WNOHANG) == 0)
		return false;
	crash_require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a writer ended well");
	s->writers[who] = 0;
	return true;
}

/* Every other time the keeper; and when the writer has ended meanwhile. */
static void strike(stage *s)
{
	unsigned victim = (unsigned)(roll(s) % (2 * WRITERS));
	int status;

	if (victim >= WRITERS || is_over(s, victim)) {
		kill_keeper(s);
		return;
	}
	crash_require(kill(s->writers[victim], SIGKILL) == 0, "a writer lives");
	crash_require(waitpid(s->writers[victim], &status, 0) == s->writers[victim],
		      "a writer ends");
	crash_require(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0,
		      "a writer does not end by itself before its work is done");
	s->killed_writers++;
	start_writer(s, victim);
}

static uint64_t stored(const stage *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WRITERS; i++)
		sum += atomic_load(&s->board->stored[i]);
	return sum;
}

static void wait_for(const stage *s, uint64_t entries)
{
	int64_t step_ms = kg_clock_mono_ms();
	uint64_t last = 0;

	while (stored(s) < entries) {
		siginfo_t info = {0};

		/* Left to be waited for by who expects it. */
		crash_require(waitid(P_PID, (id_t)s->keeper, &info, WEXITED | WNOHANG | WNOWAIT) ==
					      0 &&
				      info.si_pid == 0,
			      "the keeper does not end by itself");
		if (stored(s) != last)
			step_ms = kg_clock_mono_ms();
		last = stored(s);
		crash_require(kg_clock_mono_ms() - step_ms < STALL_MS, "it gets on");
		(void)usleep(1000);
	}
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void play(stage *s, unsigned kills)
{
	const uint64_t all = (uint64_t)WRITERS * ENTRIES;
	uint64_t *moments = calloc(kills + 1, sizeof(*moments));
	int status;

	crash_require(moments != NULL, "memory");
	for (unsigned i = 0; i < kills; i++)
		moments[i] = roll(s) % all;
	qsort(moments, kills, sizeof(*moments), ascending);
	start_keeper(s);
	for (unsigned i = 0; i < WRITERS; i++)
		start_writer(s, i);
	for (unsigned i = 0; i < kills; i++) {
		wait_for(s, moments[i]);
		(void)usleep((useconds_t)(roll(s) % BREATH_US));
		strike(s);
	}
	wait_for(s, all);
	for (unsigned i = 0; i < WRITERS; i++)
		while (!is_over(s, i))
			(void)usleep(1000);
	/* Its life line, not a signal: it may have been started a moment ago. */
	(void)close(s->life);
	crash_require(waitpid(s->keeper, &status, 0) == s->keeper, "the keeper ends");
	if (WIFSIGNALED(status))
		(void)fprintf(stderr, "crash: the keeper ended by signal %d\n", WTERMSIG(status));
	crash_require(WIFEXITED(status) && WEXITSTATUS(status) == KG_EXIT_YES,
		      "the keeper has ended well");
	free(moments);
}

int main(int argc, char **argv)
{
	static stage s;
	int64_t start_ms;
	int64_t took_ms;
	unsigned kills;

	if (argc < 3 || argc > 5)
		return KG_EXIT_USAGE;
	s.program = argv[1];
	s.dir = argv[2];
	kills = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : KILLS;
	if (argc > 4)
		s.random = strtoull(argv[4], NULL, 10);
	else
		crash_require(getrandom(&s.random, 4, 0) == 4, "random numbers");
	printf("%u kills, seed %llu\n", kills, (unsigned long long)s.random);
	(void)fflush(stdout);
	set_stage(&s);
	start_ms = kg_clock_mono_ms();
	play(&s, kills);
	took_ms = kg_clock_mono_ms() - start_ms;
	printf("killed: the keeper %u times, writers %u times; %d entries acknowledged in %.1f s"
	       " (%.0f a second)\n",
	       s.killed_keepers, s.killed_writers, WRITERS * ENTRIES, (double)took_ms / 1e3,
	       WRITERS * ENTRIES * 1e3 / (double)took_ms);
	crash_examine(s.dir, kg_key_public(s.swarm), WRITERS, ENTRIES);
	printf("ok, after %.1f s\n", (double)(kg_clock_mono_ms() - start_ms) / 1e3);
	return 0;
}
