/* SPDX-License-Identifier: MIT */
#include "orchestrator/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	DESCRIPTORS_PER_AGENT = 4, /* life line, command socket, feed, and one to spare */
	DESCRIPTORS_OWN = 64
};

void kg_child_init(kg_child *child)
{
	child->pid = 0;
	child->life_fd = -1;
}

/* Between fork and exec in a process with threads: async-signal-safe calls only. */
__attribute__((noreturn)) static void become(int program, const char *role, int document, int log,
					     int null, pid_t parent)
{
	char name[] = "kindergarten";
	char command[] = "role";
	char role_text[16];
	char *argv[] = {name, command, role_text, NULL};
	sigset_t none;

	memcpy(role_text, role, sizeof(role_text));
	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	(void)setpgid(0, 0); /* Ctrl-C at the terminal is for the orchestrator alone */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(KG_EXIT_TROUBLE);
	if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
	    dup2(document, KG_LAUNCH_FD) < 0)
		_exit(KG_EXIT_TROUBLE);
	if (program > KG_LAUNCH_FD + 1)
		(void)close_range(KG_LAUNCH_FD + 1, (unsigned)program - 1, 0);
	(void)close_range((unsigned)program + 1, ~0U, 0);
	(void)fexecve(program, argv, environ);
	_exit(127);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

/* dup2 of a descriptor onto itself would keep its close-on-exec flag: stay clear of 0..3. */
static int above(int fd)
{
	int moved;

	if (fd < 0)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, KG_LAUNCH_FD + 1);
	(void)close(fd);
	return moved;
}

kg_err kg_child_program(int *fd, const char *path)
{
	int got = above(open(path, O_PATH | O_CLOEXEC));

	if (got < 0)
		return kg_fail_errno(errno, "%s", path);
	*fd = got;
	return KG_OK;
}

kg_err kg_child_start(kg_child *child, int program, const char *log_path, const kg_launch *launch)
{
	pid_t self = getpid();
	int ends[2] = {-1, -1};
	int log;
	int null;
	pid_t pid = -1;
	kg_err err = KG_OK;

	null = above(open("/dev/null", O_RDWR | O_CLOEXEC));
	log = above(open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	if (log < 0)
		err = kg_fail_errno(errno, "%s", log_path);
	else if (null < 0 || pipe2(ends, O_CLOEXEC) != 0 || (ends[0] = above(ends[0])) < 0)
		err = kg_fail_errno(errno, "starting %s", launch->name);
	if (err == KG_OK) {
		pid = fork();
		if (pid == 0)
			become(program, launch->role, ends[0], log, null, self);
		if (pid < 0)
			err = kg_fail_errno(errno, "starting %s", launch->name);
	}
	close_fd(null);
	close_fd(log);
	close_fd(ends[0]);
	if (err != KG_OK) {
		close_fd(ends[1]);
		return err;
	}
	child->pid = pid;
	child->life_fd = ends[1];
	/* A child that dies before it has read everything shows when it is reaped. */
	if (kg_launch_write(launch, ends[1]) != KG_OK)
		kg_child_signal(child, SIGKILL);
	return KG_OK;
}

void kg_child_signal(kg_child *child, int signal_number)
{
	if (child->pid <= 0)
		return;
	(void)kill(child->pid, signal_number);
}

bool kg_child_reap(kg_child *child, char *why, size_t room, bool *clean)
{
	int status;
	pid_t pid;

	if (child->pid <= 0)
		return false;
	do {
		pid = waitpid(child->pid, &status, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	*clean = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (pid > 0 && WIFSIGNALED(status))
		(void)snprintf(why, room, "signal %d", WTERMSIG(status));
	else if (pid > 0 && WEXITSTATUS(status) == 127)
		(void)snprintf(why, room, "the program could not be executed");
	else
		(void)snprintf(why, room, "exit %d", pid > 0 ? WEXITSTATUS(status) : -1);
	close_fd(child->life_fd);
	kg_child_init(child);
	return true;
}

kg_err kg_child_check_limits(unsigned agents)
{
	rlim_t need = (rlim_t)agents * DESCRIPTORS_PER_AGENT + DESCRIPTORS_OWN;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return kg_fail_errno(errno, "limit of open files");
	if (limit.rlim_cur >= need)
		return KG_OK;
	if (limit.rlim_max < need)
		return kg_fail(
			KG_EFULL, "%u agents need %llu open files, the limit is %llu (ulimit -Hn)",
			agents, (unsigned long long)need, (unsigned long long)limit.rlim_max);
	limit.rlim_cur = need;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return kg_fail_errno(errno, "limit of open files");
	return KG_OK;
}

uint64_t kg_child_parse_smaps(const char *text, const char *field)
{
	size_t length = strlen(field);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, field, length) == 0 && line[length] == ':')
			return strtoull(line + length + 1, NULL, 10) << 10;
	}
	return 0;
}

void kg_child_memory(pid_t pid, uint64_t *rss_bytes, uint64_t *pss_bytes)
{
	char path[64];
	char text[4096];
	ssize_t n;
	int fd;

	*rss_bytes = 0;
	*pss_bytes = 0;
	if (pid <= 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	*rss_bytes = kg_child_parse_smaps(text, "Rss");
	*pss_bytes = kg_child_parse_smaps(text, "Pss");
}

void kg_child_last_line(const char *log_path, char *line, size_t room)
{
	char tail[1024];
	char *end;
	char *start;
	ssize_t n;
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);

	line[0] = '\0';
	if (fd < 0)
		return;
	if (lseek(fd, -(off_t)(sizeof(tail) - 1), SEEK_END) < 0)
		(void)lseek(fd, 0, SEEK_SET);
	n = read(fd, tail, sizeof(tail) - 1);
	(void)close(fd);
	if (n <= 0)
		return;
	end = tail + n;
	while (end > tail && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	*end = '\0';
	start = strrchr(tail, '\n');
	(void)snprintf(line, room, "%s", start != NULL ? start + 1 : tail);
}

/* Takes the backslashes of a quoted value of the log away, in place. */
static void unquote(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*to++ = *from;
	}
	*to = '\0';
}

void kg_child_explain(char *why, size_t room, const char *how, const char *log_path)
{
	char line[512] = "";
	char *text;
	char *end;

	if (strncmp(how, "exit ", 5) == 0 && strcmp(how, "exit 0") != 0)
		kg_child_last_line(log_path, line, sizeof(line));
	text = strstr(line, "why=\"");
	text = text != NULL ? text + 5 : line;
	end = line + strlen(line);
	if (end > line && end[-1] == '"')
		end[-1] = '\0';
	unquote(text);
	/* Bounded, so that a long last line leaves the rest readable. */
	(void)snprintf(why, room, "%.63s%s%.180s", how, text[0] != '\0' ? ": " : "", text);
}
