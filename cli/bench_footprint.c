/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process that has generated until 256 positions were used: looked at when it is about
 * to end, where the kernel stops it for its tracer, so that nothing moves meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench.h"

enum { COPIES = 16 };

/* Bytes. */
typedef struct {
	double pss;
	double private;       /* of mappings that are not shared */
	double private_dirty; /* of these, what is no unchanged page of a file */
	double shared_file;   /* resident in shared mappings: the model where it is mapped */
} footprint;

/* The child's half: becomes the program, traced. */
static void become(const char *const argv[])
{
	char *arguments[KG_BENCH_ARGUMENTS_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	kg_bench_arguments(arguments, argv);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
	    dup2(null, STDERR_FILENO) >= 0 && ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
		(void)execv(argv[0], arguments);
	_exit(KG_EXIT_TROUBLE);
}

/* Waits for a stop of the child; KG_EIO when it ended instead. */
static kg_err await_stop(pid_t pid, int *status)
{
	while (waitpid(pid, status, __WALL) != pid) {
		kg_err err = kg_bench_go_on();

		if (err != KG_OK)
			return err;
		if (errno != EINTR)
			return kg_fail_errno(errno, "wait for the traced process");
	}
	if (!WIFSTOPPED(*status))
		return kg_fail(KG_EIO, "the traced process ended before its time");
	return KG_OK;
}

/* Runs on until the child is about to exit with code 0. */
static kg_err run_to_end(pid_t pid)
{
	int status;
	unsigned long code = 0;
	int deliver = 0;
	kg_err err = await_stop(pid, &status);

	if (err == KG_OK &&
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) != 0)
		err = kg_fail_errno(errno, "tracing");
	while (err == KG_OK) {
		if (ptrace(PTRACE_CONT, pid, NULL, deliver) != 0)
			return kg_fail_errno(errno, "tracing");
		err = await_stop(pid, &status);
		if (err == KG_OK && status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
			break;
		deliver = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	}
	if (err == KG_OK && ptrace(PTRACE_GETEVENTMSG, pid, NULL, &code) != 0)
		err = kg_fail_errno(errno, "tracing");
	if (err == KG_OK && code != 0)
		err = kg_fail(KG_EIO, "the traced process failed: status %lu", code);
	return err;
}

/* One that is exiting does not hear a signal while it is stopped: it is told to go on as well. */
static void end_traced(pid_t pid)
{
	int status = 0;

	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	do
		(void)ptrace(PTRACE_CONT, pid, NULL, 0);
	while ((waitpid(pid, &status, __WALL) < 0 && errno == EINTR) || WIFSTOPPED(status));
}

/* "Private_Dirty:   12 kB" is 12 * 1024 when it begins so. */
static bool field(const char *line, const char *name, double *add)
{
	size_t length = strlen(name);

	if (strncmp(line, name, length) != 0 || line[length] != ':')
		return false;
	*add += 1024.0 * strtod(line + length + 1, NULL);
	return true;
}

static kg_err measure(footprint *out, pid_t pid)
{
	char path[64];
	char line[KG_PATH_SIZE + 128];
	bool shared = false;
	FILE *file;

	*out = (footprint){0};
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return kg_fail_errno(errno, "%s", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		char flags[8];

		/* "55d0a000-55d0b000 r-xp …" opens a mapping. */
		if (sscanf(line, "%*x-%*x %7s", flags) == 1 && strlen(flags) == 4) {
			shared = flags[3] == 's';
			continue;
		}
		if (field(line, "Pss", &out->pss))
			continue;
		if (shared) {
			(void)field(line, "Rss", &out->shared_file);
			continue;
		}
		if (field(line, "Private_Dirty", &out->private_dirty))
			(void)field(line, "Private_Dirty", &out->private);
		(void)field(line, "Private_Clean", &out->private);
	}
	(void)fclose(file);
	return out->pss > 0.0 ? KG_OK : kg_fail(KG_EIO, "%s: nothing in it", path);
}

/* `count` copies brought to their ends, one after the other, then looked at together. */
static kg_err copies(footprint *first, double *pss, const kg_bench *bench,
		     const kg_bench_subject *subject, int count)
{
	pid_t pids[COPIES] = {0};
	kg_bench_command command;
	kg_err err = KG_OK;

	kg_bench_generate(&command, bench, subject, "x", KG_BENCH_PROMPT - 2, 1);
	for (int i = 0; i < count && err == KG_OK; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			become(command.argv);
		err = pids[i] < 0 ? kg_fail_errno(errno, "fork") : run_to_end(pids[i]);
	}
	*pss = 0.0;
	for (int i = 0; i < count && err == KG_OK; i++) {
		footprint f;

		err = measure(&f, pids[i]);
		*pss += f.pss;
		if (i == 0)
			*first = f;
	}
	for (int i = 0; i < count; i++)
		end_traced(pids[i]);
	return err;
}

static kg_err put(kg_bench *bench, const kg_bench_subject *subject, const char *name, double bytes,
		  const char *note)
{
	const kg_bench_row row = {.name = name,
				  .shape = subject->shape,
				  .format = kg_strategy_name(&subject->strategy),
				  .threads = 1,
				  .value = bytes / 1024.0,
				  .unit = "KiB",
				  .note = note};

	return kg_bench_put(bench, &row);
}

static kg_err footprint_of(kg_bench *bench, const kg_bench_subject *subject, bool many)
{
	footprint one = {0};
	double pss = 0.0;
	char note[64];
	kg_err err;

	kg_bench_say("%s %s: memory at %d positions", subject->shape,
		     kg_strategy_name(&subject->strategy), KG_BENCH_PROMPT);
	err = copies(&one, &pss, bench, subject, 1);
	if (err != KG_OK)
		return err;
	(void)snprintf(note, sizeof(note), "beside %.1f MiB of mapped model",
		       one.shared_file / 1048576.0);
	err = put(bench, subject, "private memory", one.private, note);
	if (err == KG_OK)
		err = put(bench, subject, "of it dirty", one.private_dirty,
			  "what each further copy adds");
	if (err == KG_OK && many)
		err = copies(&one, &pss, bench, subject, COPIES);
	if (err == KG_OK && many) {
		(void)snprintf(note, sizeof(note), "%.1f MiB together", pss / 1048576.0);
		err = put(bench, subject, "16 at once, each", pss / COPIES, note);
	}
	return err;
}

kg_err kg_bench_footprint(kg_bench *bench)
{
	kg_err err = KG_OK;

	for (uint32_t i = 0; i < bench->subjects_count && err == KG_OK; i++)
		err = footprint_of(bench, &bench->subjects[i], i == 0);
	return err;
}
