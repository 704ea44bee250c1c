/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench.h"

extern char **environ;

/* Where the child's descriptors go: stdin from nothing, stderr into a file, stdout as wanted. */
static kg_err redirect(posix_spawn_file_actions_t *actions, const kg_bench_child *child, int out)
{
	int failed = posix_spawn_file_actions_init(actions);

	if (failed != 0)
		return kg_fail_errno(failed, "spawn");
	failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (failed == 0)
		failed = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, child->errors,
							  O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (failed == 0 && out >= 0)
		failed = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
	else if (failed == 0)
		failed = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null",
							  O_WRONLY, 0);
	return failed == 0 ? KG_OK : kg_fail_errno(failed, "spawn");
}

/* Children answer signals as programs do, not as this one. */
static kg_err plain_signals(posix_spawnattr_t *attributes)
{
	sigset_t defaults;
	int failed = posix_spawnattr_init(attributes);

	if (failed != 0)
		return kg_fail_errno(failed, "spawn");
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)sigaddset(&defaults, SIGXFSZ);
	failed = posix_spawnattr_setsigdefault(attributes, &defaults);
	if (failed == 0)
		failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
	return failed == 0 ? KG_OK : kg_fail_errno(failed, "spawn");
}

void kg_bench_arguments(char *out[KG_BENCH_ARGUMENTS_MAX], const char *const argv[])
{
	size_t n = 0;

	while (argv[n] != NULL)
		n++;
	KG_ASSERT(n < KG_BENCH_ARGUMENTS_MAX);
	memcpy(out, argv, (n + 1) * sizeof(*out));
}

kg_err kg_bench_child_start(kg_bench_child *child, const kg_bench *bench, const char *const argv[],
			    bool listen)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char *arguments[KG_BENCH_ARGUMENTS_MAX];
	static unsigned number;
	int pipes[2] = {-1, -1};
	int failed;
	kg_err err;

	*child = (kg_bench_child){.pid = -1, .out = -1, .what = argv[0]};
	err = kg_path(child->errors, "%s/stderr.%u", bench->dir, number++ % 64);
	if (err != KG_OK)
		return err;
	if (listen && pipe2(pipes, O_CLOEXEC) != 0)
		return kg_fail_errno(errno, "pipe");
	kg_bench_arguments(arguments, argv);
	err = redirect(&actions, child, pipes[1]);
	if (err == KG_OK)
		err = plain_signals(&attributes);
	if (err == KG_OK) {
		child->started = kg_bench_wall();
		failed = posix_spawn(&child->pid, argv[0], &actions, &attributes, arguments,
				     environ);
		if (failed != 0)
			err = kg_fail_errno(failed, "%s", argv[0]);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	if (pipes[1] >= 0)
		(void)close(pipes[1]);
	child->out = pipes[0];
	if (err != KG_OK) {
		child->pid = -1;
		kg_bench_child_kill(child);
	}
	return err;
}

void kg_bench_child_kill(kg_bench_child *child)
{
	if (child->pid > 0) {
		(void)kill(child->pid, SIGTERM);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (child->out >= 0)
		(void)close(child->out);
	child->pid = -1;
	child->out = -1;
}

static kg_err listen_to(kg_bench_usage *usage, const kg_bench_child *child, kg_buf *out,
			size_t skip)
{
	uint8_t part[4096];
	size_t heard = 0;

	for (;;) {
		ssize_t got = read(child->out, part, sizeof(part));
		kg_err err = kg_bench_go_on();

		if (err != KG_OK)
			return err;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return kg_fail_errno(errno, "%s", child->what);
		if (got == 0)
			return out == NULL ? KG_OK : kg_buf_ok(out);
		if (heard <= skip && heard + (size_t)got > skip)
			usage->first_s = kg_bench_wall() - child->started;
		heard += (size_t)got;
		if (out != NULL)
			kg_buf_put(out, part, (size_t)got);
	}
}

/* The last line that the child said on stderr, or what became of it. */
static kg_err complain(const kg_bench_child *child, int status)
{
	kg_buf text;
	char *line;
	kg_err err;

	kg_buf_init(&text, 1 << 20);
	if (kg_fs_read(&text, child->errors) == KG_OK && text.size > 0) {
		while (text.size > 0 && text.data[text.size - 1] == '\n')
			text.data[--text.size] = '\0';
		line = strrchr((char *)text.data, '\n');
		line = line == NULL ? (char *)text.data : line + 1;
		err = kg_fail(KG_EIO, "%s: %s", child->what, line);
	} else if (WIFSIGNALED(status)) {
		err = kg_fail(KG_EIO, "%s: ended by signal %d", child->what, WTERMSIG(status));
	} else {
		err = kg_fail(KG_EIO, "%s: exit code %d", child->what, WEXITSTATUS(status));
	}
	kg_buf_release(&text);
	return err;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

kg_err kg_bench_child_wait(kg_bench_usage *usage, kg_bench_child *child, kg_buf *out, size_t skip)
{
	struct rusage used;
	int status = 0;
	kg_err err = KG_OK;
	pid_t got;

	*usage = (kg_bench_usage){0};
	if (child->out >= 0)
		err = listen_to(usage, child, out, skip);
	while (err == KG_OK && (got = wait4(child->pid, &status, 0, &used)) != child->pid) {
		if (got < 0 && errno != EINTR)
			err = kg_fail_errno(errno, "wait for %s", child->what);
		else
			err = kg_bench_go_on();
	}
	if (err == KG_OK) {
		usage->wall_s = kg_bench_wall() - child->started;
		usage->cpu_s = seconds(&used.ru_utime) + seconds(&used.ru_stime);
		usage->rss_bytes = (double)used.ru_maxrss * 1024.0;
		child->pid = -1;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			err = complain(child, status);
	}
	kg_bench_child_kill(child);
	return err;
}

void kg_bench_generate(kg_bench_command *out, const kg_bench *bench,
		       const kg_bench_subject *subject, const char *prompt, uint32_t tokens,
		       uint32_t threads)
{
	size_t n = 0;
	const char **argv = out->argv;

	(void)snprintf(out->tokens, sizeof(out->tokens), "-n%u", tokens);
	(void)snprintf(out->threads, sizeof(out->threads), "--threads=%u", threads);
	argv[n++] = bench->program;
	argv[n++] = "model";
	argv[n++] = "generate";
	if (subject->derived) {
		argv[n++] = "--strategy";
		argv[n++] = kg_strategy_name(&subject->strategy);
	}
	argv[n++] = out->tokens;
	argv[n++] = out->threads;
	argv[n++] = "--";
	argv[n++] = subject->path;
	argv[n++] = prompt;
	argv[n] = NULL;
}
