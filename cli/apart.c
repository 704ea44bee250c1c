/* SPDX-License-Identifier: MIT */
#include "cli/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/progress.h"

enum { STEP_MS = 100 /* between two tellings of how far it is */ };

struct kg_apart {
	int fd;
	int64_t told_ms;
	uint64_t told;
};

/* What goes through the pipe: a head, and `size` bytes of text. */
typedef struct {
	char kind; /* 'p' progress, 's' line said, 'e' the end */
	int32_t code;
	uint32_t size;
	uint64_t done;
	uint64_t total;
} head;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- the child ---- */

static bool put(const kg_apart *a, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(a->fd, at, size);

		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool tell(const kg_apart *a, head h, const char *text)
{
	h.size = (uint32_t)strnlen(text, KG_APART_LINE_MAX);
	return put(a, &h, sizeof(h)) && put(a, text, h.size);
}

/* What is said without any progress in it does not count as a sign of life. */
bool kg_apart_step(void *apart, uint64_t done, uint64_t total)
{
	kg_apart *a = apart;
	int64_t now = kg_clock_mono_ms();

	if (now - a->told_ms < STEP_MS || done == a->told)
		return true;
	a->told_ms = now;
	a->told = done;
	return tell(a, (head){.kind = 'p', .done = done, .total = total}, "");
}

void kg_apart_say(kg_apart *apart, const char *line)
{
	(void)tell(apart, (head){.kind = 's'}, line);
}

/* How many bytes of writable memory the process has: its limit counts them too. */
static uint64_t memory_now(void)
{
	unsigned long long pages[6] = {0};
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu %llu %llu %llu %llu %llu", &pages[0], &pages[1], &pages[2],
		   &pages[3], &pages[4], &pages[5]) != 6)
		pages[5] = 0;
	(void)fclose(file);
	return pages[5] * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit(__rlimit_resource_t what, uint64_t most)
{
	const struct rlimit l = {most, most};

	(void)setrlimit(what, &l);
}

__attribute__((noreturn)) static void be_child(int fd, kg_apart_work work, void *payload,
					       const kg_apart_limits *limits, pid_t parent)
{
	kg_apart apart = {.fd = fd};
	kg_err err;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_DATA, memory_now() + limits->memory_max);
	limit(RLIMIT_FSIZE, limits->file_max);
	err = work(&apart, payload);
	(void)tell(&apart, (head){.kind = 'e', .code = err}, err == KG_OK ? "" : kg_err_text());
	_exit(0);
}

/* ---- the parent ---- */

typedef struct {
	int fd;
	const kg_apart_limits *limits;
	kg_progress progress;
	kg_apart_said said;
	void *payload;
	bool ended; /* and told its result */
	kg_err result;
} parent;

/* All of it, or an error. Silence of more than the limit is one. */
static kg_err get(const parent *p, void *out, size_t size)
{
	char *at = out;
	int64_t end = kg_clock_mono_ms() + 1000 * (int64_t)p->limits->quiet_seconds;

	while (size > 0) {
		struct pollfd item = {.fd = p->fd, .events = POLLIN};
		int64_t left = end - kg_clock_mono_ms();
		int ready = interrupted || left <= 0 ? 0 : poll(&item, 1, (int)left);
		ssize_t n;

		if (interrupted)
			return kg_fail(KG_ETIMEOUT, "interrupted");
		if (ready == 0)
			return kg_fail(KG_ETIMEOUT, "nothing came for %d s",
				       p->limits->quiet_seconds);
		n = ready > 0 ? read(p->fd, at, size) : -1;
		if (n == 0)
			return kg_fail(KG_ECORRUPT, "what came could not be handled: the process "
						    "that read it has ended");
		if (n < 0 && errno != EINTR)
			return kg_fail_errno(errno, "pipe");
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return KG_OK;
}

static kg_err hear(parent *p)
{
	char text[KG_APART_LINE_MAX + 1];
	head h;
	kg_err err = get(p, &h, sizeof(h));

	if (err == KG_OK && h.size > KG_APART_LINE_MAX)
		err = kg_fail(KG_ECORRUPT, "the process that read it is out of order");
	if (err == KG_OK)
		err = get(p, text, h.size);
	if (err != KG_OK)
		return err;
	text[h.size] = '\0';
	if (h.kind == 'p') {
		p->progress.total = h.total;
		kg_progress_step(&p->progress, h.done, NULL);
	} else if (h.kind == 's' && p->said != NULL) {
		p->said(p->payload, text);
	} else if (h.kind == 'e') {
		p->ended = true;
		p->result = h.code == KG_OK ? KG_OK : kg_fail((kg_err)h.code, "%s", text);
	}
	return KG_OK;
}

static kg_err watch(parent *p, pid_t child, const char *what)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	struct sigaction before;
	kg_err err = KG_OK;

	interrupted = 0;
	(void)sigaction(SIGINT, &action, &before);
	kg_progress_start(&p->progress, what, 0);
	while (err == KG_OK && !p->ended)
		err = hear(p);
	kg_progress_end(&p->progress);
	if (!p->ended)
		(void)kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	(void)sigaction(SIGINT, &before, NULL);
	return p->ended ? p->result : err;
}

kg_err kg_apart_run(kg_apart_work work, void *payload, const kg_apart_limits *limits,
		    const char *what, kg_apart_said said, void *said_payload)
{
	parent p = {.limits = limits, .said = said, .payload = said_payload};
	const pid_t self = getpid();
	int fds[2];
	pid_t child;
	kg_err err;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return kg_fail_errno(errno, "pipe");
	(void)fflush(NULL);
	child = fork();
	if (child == 0)
		be_child(fds[1], work, payload, limits, self);
	(void)close(fds[1]);
	if (child < 0) {
		(void)close(fds[0]);
		return kg_fail_errno(errno, "fork");
	}
	p.fd = fds[0];
	err = watch(&p, child, what);
	(void)close(fds[0]);
	return err;
}
