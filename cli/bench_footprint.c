/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process that has generated until 256 positions are used. It is traced, and looked at
 * where it is about to write its last token: nothing is freed yet and nothing moves meanwhile.
 * Which write that is, is known of a specimen; of another model a first run tells it, and the same
 * model writes the same tokens again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench.h"

enum {
	COPIES = 16,
	TOKENS = KG_BENCH_PROMPT - 2,
	AFTER_TOKENS = 1, /* writes behind the last token: the end of the line */
};

/* Bytes. */
typedef struct {
	double pss;
	double private;     /* of mappings that are not shared */
	double anonymous;   /* of these, what no file is behind */
	double shared_file; /* resident in shared mappings: the model where it is mapped */
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

/* What the child did next; KG_EIO when it did not end well. */
static kg_err await(pid_t pid, int *status)
{
	while (waitpid(pid, status, __WALL) != pid) {
		kg_err err = kg_bench_go_on();

		if (err != KG_OK)
			return err;
		if (errno != EINTR)
			return kg_fail_errno(errno, "wait for the traced process");
	}
	if (WIFSIGNALED(*status) || (WIFEXITED(*status) && WEXITSTATUS(*status) != 0))
		return kg_fail(KG_EIO, "the traced process failed");
	return KG_OK;
}

static bool is_write(pid_t pid)
{
	struct __ptrace_syscall_info info;

	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_write &&
	       info.entry.args[0] == STDOUT_FILENO;
}

/* Runs the child until it is about to write for the `last` time, or to its end where that is 0.
 * *writes is how often it was about to. */
static kg_err run_traced(pid_t pid, uint32_t last, uint32_t *writes)
{
	int status = 0;
	int deliver = 0;
	kg_err err = await(pid, &status);

	*writes = 0;
	if (WIFEXITED(status))
		return kg_fail(KG_EDENIED, "processes cannot be traced here");
	if (err == KG_OK &&
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
		err = kg_fail_errno(errno, "tracing");
	while (err == KG_OK && (last == 0 || *writes < last)) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, deliver) != 0)
			return kg_fail_errno(errno, "tracing");
		err = await(pid, &status);
		if (err != KG_OK)
			return err;
		if (WIFEXITED(status))
			return last == 0 ? KG_OK
					 : kg_fail(KG_EIO, "the traced process ended too soon");
		deliver = 0;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			*writes += is_write(pid);
		else if (WSTOPSIG(status) != SIGTRAP)
			deliver = WSTOPSIG(status);
	}
	return err;
}

static kg_err start_traced(pid_t *pid, const kg_bench_command *command, uint32_t last,
			   uint32_t *writes)
{
	*pid = fork();
	if (*pid == 0)
		become(command->argv);
	return *pid < 0 ? kg_fail_errno(errno, "fork") : run_traced(*pid, last, writes);
}

static void end_traced(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
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
		/* Not Private_Dirty: pages of a file that was just written, as of a program just
		 * linked, count there until they are on the disk. */
		if (field(line, "Anonymous", &out->anonymous))
			continue;
		(void)field(line, "Private_Dirty", &out->private);
		(void)field(line, "Private_Clean", &out->private);
	}
	(void)fclose(file);
	return out->pss > 0.0 ? KG_OK : kg_fail(KG_EIO, "%s: nothing in it", path);
}

/* `count` copies brought to their last token one after the other, then looked at together. */
static kg_err copies(footprint *first, double *pss, const kg_bench_command *command,
		     uint32_t writes, int count)
{
	pid_t pids[COPIES] = {0};
	kg_err err = KG_OK;

	for (int i = 0; i < count && err == KG_OK; i++) {
		uint32_t seen;

		err = start_traced(&pids[i], command, writes, &seen);
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

/* How often the child writes until its last token. */
static kg_err count_writes(uint32_t *out, const kg_bench_command *command)
{
	uint32_t writes = 0;
	pid_t pid;
	kg_err err = start_traced(&pid, command, 0, &writes);

	if (err != KG_OK) {
		end_traced(pid);
		return err;
	}
	if (writes <= AFTER_TOKENS)
		return kg_fail(KG_EIO, "the traced process wrote no tokens");
	*out = writes - AFTER_TOKENS;
	return KG_OK;
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
	kg_bench_command command;
	uint32_t writes = 0;
	double pss = 0.0;
	char note[64];
	kg_err err;

	kg_bench_say("%s %s: memory at %d positions", subject->shape,
		     kg_strategy_name(&subject->strategy), KG_BENCH_PROMPT);
	kg_bench_generate(&command, bench, subject, "x", TOKENS, 1);
	/* The prompt, then the tokens, of which a specimen ends its text with none. */
	writes = 1 + TOKENS;
	err = subject->made != NULL ? KG_OK : count_writes(&writes, &command);
	if (err == KG_OK)
		err = copies(&one, &pss, &command, writes, 1);
	if (err != KG_OK)
		return err;
	(void)snprintf(note, sizeof(note), "beside %.1f MiB of mapped model",
		       one.shared_file / 1048576.0);
	err = put(bench, subject, "private memory", one.private, note);
	if (err == KG_OK)
		err = put(bench, subject, "of it anonymous", one.anonymous,
			  "what each further copy adds");
	if (err == KG_OK && many)
		err = copies(&one, &pss, &command, writes, COPIES);
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
	if (err != KG_EDENIED)
		return err;
	(void)fprintf(stderr, "kindergarten: bench: memory is not measured: %s\n", kg_err_text());
	return KG_OK;
}
