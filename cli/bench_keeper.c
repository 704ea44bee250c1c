/* SPDX-License-Identifier: MIT */
#include "cli/bench_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/socket.h"
#include "cli/program.h"

enum { ANSWER_MS = 120000 };

static kg_err add_members(kg_bench_keeper *k, const kg_bench_authors *authors)
{
	kg_launch *l = &k->launch;
	kg_err err = KG_OK;

	l->members = calloc(authors->count + 1, sizeof(*l->members));
	if (l->members == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu authors", authors->count);
	l->members[l->member_count].peer = l->orchestrator;
	l->members[l->member_count++].key = l->swarm;
	for (size_t i = 0; err == KG_OK && i < authors->count; i++) {
		err = kg_curve_generate(&k->agents[k->agent_count]);
		if (err != KG_OK)
			break;
		l->members[l->member_count].peer =
			kg_peer_of(authors->authors[i].name, k->agents[k->agent_count++]);
		l->members[l->member_count++].key = *kg_key_public(authors->authors[i].key);
	}
	return err;
}

static kg_err name_endpoint(char out[KG_ENDPOINT_SIZE], const kg_bench *bench, const char *name)
{
	int length = snprintf(out, KG_ENDPOINT_SIZE, "ipc://%s/%s.sock", bench->dir, name);

	return length < KG_ENDPOINT_SIZE ? KG_OK : kg_fail(KG_EFULL, "%s is too long", bench->dir);
}

kg_err kg_bench_keeper_init(kg_bench_keeper *k, const kg_bench *bench, const char *state,
			    const kg_bench_authors *authors)
{
	kg_launch *l = &k->launch;
	kg_err err = kg_curve_generate(&k->own);

	k->pid = -1;
	k->life = -1;
	l->life_fd = -1;
	if (err == KG_OK)
		err = kg_curve_generate(&k->asker);
	if (err == KG_OK)
		err = kg_path(k->errors, "%s/keeper.log", bench->dir);
	if (err == KG_OK)
		err = kg_path(l->state_dir, "%s", state);
	if (err != KG_OK)
		return err;
	(void)snprintf(l->role, sizeof(l->role), "keeper");
	(void)snprintf(l->name, sizeof(l->name), "keeper");
	(void)snprintf(l->strategy, sizeof(l->strategy), "fairy2");
	l->parent_pid = (int)getpid();
	l->swarm = *kg_key_public(authors->swarm);
	l->operator_key = l->swarm;
	l->curve = k->own;
	l->orchestrator = kg_peer_of("orchestrator", k->asker);
	l->keeper = kg_peer_of("keeper", k->own);
	err = name_endpoint(l->orchestrator_endpoint, bench, "o");
	if (err == KG_OK)
		err = name_endpoint(l->keeper_endpoint, bench, "k");
	if (err == KG_OK)
		err = name_endpoint(l->feed_in_endpoint, bench, "i");
	if (err == KG_OK)
		err = name_endpoint(l->feed_endpoint, bench, "f");
	return err == KG_OK ? add_members(k, authors) : err;
}

void kg_bench_keeper_release(kg_bench_keeper *k)
{
	kg_socket_free(k->socket);
	kg_bus_free(k->bus);
	if (k->pid > 0) {
		(void)kill(k->pid, SIGKILL);
		(void)waitpid(k->pid, NULL, 0);
	}
	if (k->life >= 0)
		(void)close(k->life);
	free(k->launch.members);
	for (size_t i = 0; i < k->agent_count; i++)
		kg_curve_free(k->agents[i]);
	kg_curve_free(k->asker);
	kg_curve_free(k->own);
	memset(k, 0, sizeof(*k));
	k->pid = -1;
	k->life = -1;
}

/* Between fork and exec. */
static void become(const kg_bench_keeper *k, const char *program, int fd)
{
	char name[] = "kindergarten-keeper";
	char *const argv[] = {name, NULL};
	int log = open(k->errors, O_WRONLY | O_CREAT | O_APPEND, 0600);

	/* dup2 of a descriptor onto itself would keep its close-on-exec flag. */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, KG_LAUNCH_FD + 1);
	if (log >= 0 && fd >= 0 && dup2(log, STDERR_FILENO) >= 0 && dup2(fd, KG_LAUNCH_FD) >= 0)
		(void)execv(program, argv);
	_exit(127);
}

kg_err kg_bench_keeper_start(kg_bench_keeper *k)
{
	char program[KG_PATH_SIZE];
	int ends[2];
	kg_err err = kg_program_path(program, "keeper");

	if (err != KG_OK)
		return err;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return kg_fail_errno(errno, "pipe");
	k->pid = fork();
	if (k->pid == 0)
		become(k, program, ends[0]);
	(void)close(ends[0]);
	k->life = ends[1];
	return k->pid < 0 ? kg_fail_errno(errno, "fork") : kg_launch_write(&k->launch, k->life);
}

static kg_err dial(kg_bus **bus, kg_socket **socket, const kg_bench_keeper *k, const char *name,
		   const kg_curve *curve)
{
	kg_err err = kg_bus_new(bus, name, curve);

	return err == KG_OK
		       ? kg_socket_dial(socket, *bus, k->launch.keeper_endpoint, &k->launch.keeper)
		       : err;
}

kg_err kg_bench_keeper_dial(kg_bus **bus, kg_socket **socket, const kg_bench_keeper *k,
			    size_t agent)
{
	return dial(bus, socket, k, k->launch.members[agent + 1].peer.name, k->agents[agent]);
}

kg_err kg_bench_keeper_ask(kg_socket *socket, kg_message_kind kind, const json_t *body)
{
	double until = kg_bench_wall() + ANSWER_MS / 1e3;
	kg_message answer = {0};
	kg_err err;

	/* One that is not there yet looks like one that is busy. */
	do
		err = kg_socket_ask(socket, kind, json_deep_copy(body), ANSWER_MS, &answer, NULL,
				    NULL);
	while (err == KG_ETIMEOUT && kg_bench_wall() < until);
	if (err == KG_OK && answer.kind == KG_MESSAGE_FAILED)
		err = kg_message_fail(&answer);
	kg_message_release(&answer);
	return err;
}

static kg_err ask(kg_bench_keeper *k, kg_message_kind kind)
{
	json_t *nothing = json_object();
	kg_err err = kg_bench_keeper_ask(k->socket, kind, nothing);

	json_decref(nothing);
	return err;
}

kg_err kg_bench_keeper_greet(kg_bench_keeper *k)
{
	kg_err err = dial(&k->bus, &k->socket, k, "orchestrator", k->asker);

	return err == KG_OK ? ask(k, KG_MESSAGE_BEAT) : err;
}

kg_err kg_bench_keeper_settle(kg_bench_keeper *k)
{
	return ask(k, KG_MESSAGE_SETTLED);
}

kg_err kg_bench_keeper_stop(kg_bench_keeper *k)
{
	kg_err err = KG_OK;
	int status = 0;

	if (kill(k->pid, SIGTERM) != 0 || waitpid(k->pid, &status, 0) != k->pid)
		err = kg_fail_errno(errno, "the keeper");
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		err = kg_fail(KG_EIO, "the keeper failed, see %s", k->errors);
	k->pid = -1;
	return err;
}

double kg_bench_keeper_cpu(const kg_bench_keeper *k)
{
	struct timespec ts = {0};
	clockid_t clock;

	if (clock_getcpuclockid(k->pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double kg_bench_keeper_resident(const kg_bench_keeper *k, bool own)
{
	const char *key = own ? "RssAnon:" : "VmRSS:";
	char path[64];
	double bytes = 0;
	kg_buf text;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)k->pid);
	kg_buf_init(&text, 1 << 16);
	if (kg_fs_read(&text, path) == KG_OK) {
		const char *at = strstr(kg_buf_text(&text), key);

		bytes = at != NULL ? strtod(at + strlen(key), NULL) * 1024 : 0;
	}
	kg_buf_release(&text);
	return bytes;
}
