/* SPDX-License-Identifier: MIT */
#include "orchestrator/orchestrator_main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "orchestrator/orchestrator_impl.h"

enum {
	TICK_MS = 100,
	BEAT_MS = 1000,
	STOP_MS = 10000, /* to finish and flush, before SIGKILL */
	KEEPER_START_MS = 30000,
	DROPS_MS = 60000
};

void kg_orchestrator__give_up(kg_orchestrator *o, kg_err code)
{
	if (o->fatal != KG_OK)
		return;
	o->fatal = code;
	(void)snprintf(o->fatal_why, sizeof(o->fatal_why), "%s", kg_err_text());
}

/* ---- for the docket ---- */

static void move(void *data, unsigned agent, kg_crew_event event)
{
	kg_orchestrator__move_agent(data, agent, event);
}

static uint64_t random_u64(void *data)
{
	uint64_t value = 0;

	(void)data;
	while (getrandom(&value, sizeof(value), 0) < 0 && errno == EINTR)
		;
	return value;
}

/* ---- witness ---- */

/* A checkpoint, when any chain has grown since the last one. */
static void checkpoint(kg_orchestrator *o)
{
	size_t chains;

	o->checkpoint_ms = kg_clock_mono_ms();
	if (o->keeper_state != KG_CREW_READY)
		return;
	if (kg_notary_checkpoint(&o->notary, &chains) != KG_OK)
		kg_log_err(KG_LOG_WARN, "checkpoint.failed");
	else if (chains > 0)
		kg_log(KG_LOG_INFO, "checkpoint.signed", "chains=%zu", chains);
}

/* ---- the loop ---- */

static void check_ready(kg_orchestrator *o)
{
	kg_orchestrator_report report = {0};

	if (o->was_ready)
		return;
	for (unsigned i = 0; i < o->count; i++) {
		bool up = o->agents[i].state == KG_CREW_READY || o->agents[i].state == KG_CREW_BUSY;

		if (!up && !o->processes[i].closed)
			return;
		report.agents += up;
	}
	if (report.agents == 0) {
		kg_orchestrator__give_up(
			o, kg_fail(KG_EDENIED, "no agent has a key that may still write"));
		return;
	}
	o->was_ready = true;
	o->ready_seconds = (double)(kg_clock_mono_ms() - o->started_ms) / 1000;
	for (unsigned i = 0; i < o->count; i++) {
		uint64_t rss;
		uint64_t pss;

		kg_child_memory(o->processes[i].child.pid, &rss, &pss);
		report.rss_bytes += rss / report.agents;
		report.pss_bytes += pss / report.agents;
	}
	report.seconds = o->ready_seconds;
	uint64_t keeper_rss;
	kg_child_memory(o->keeper.child.pid, &keeper_rss, &report.keeper_pss_bytes);
	kg_log(KG_LOG_INFO, "swarm.ready", "agents=%u seconds=%.3f", report.agents, report.seconds);
	o->run.ready = true;
	if (kg_runfile_write(&o->run, o->options->state_dir) != KG_OK)
		kg_log_err(KG_LOG_WARN, "runfile.unwritten");
	if (o->options->ready != NULL)
		o->options->ready(o->options->data, &report);
}

static void timers(kg_orchestrator *o)
{
	const kg_socket_drop *drops = kg_socket_drops(o->server);
	int64_t now = kg_clock_mono_ms();

	if (now - o->beat_ms >= BEAT_MS && o->keeper.child.pid != 0) {
		o->beat_ms = now;
		/* Not connected yet: the next beat will be. */
		if (kg_socket_send_json(o->to_keeper, NULL, KG_MESSAGE_BEAT,
					kg_socket_next_id(o->to_keeper), json_object()) != KG_OK)
			kg_log_err(KG_LOG_DEBUG, "keeper.unreachable");
	}
	kg_orchestrator__check_silence(o, &o->keeper, "keeper", now);
	for (unsigned i = 0; i < o->count; i++) {
		kg_orchestrator__check_silence(o, &o->processes[i], o->agents[i].name, now);
		if (!o->ending && o->agents[i].state == KG_CREW_DEAD &&
		    now >= o->processes[i].due_ms && o->keeper_state == KG_CREW_READY)
			kg_orchestrator__start_agent(o, i);
	}
	if (!o->ending && o->keeper_state == KG_CREW_DEAD && now >= o->keeper.due_ms)
		kg_orchestrator__start_keeper(o);
	if (!o->ending && o->was_ready && now - o->checkpoint_ms >= o->checkpoint_every_ms)
		checkpoint(o);
	kg_docket_tick(o->docket, now);
	if (drops->count != o->drops && now - o->drops_ms >= DROPS_MS) {
		char why[256];

		o->drops_ms = now;
		o->drops = drops->count;
		kg_log(KG_LOG_WARN, "message.dropped", "count=%llu from=%s why=%s",
		       (unsigned long long)drops->count, drops->from,
		       kg_log_quote(why, sizeof(why), drops->why));
	}
}

/* Takes in what happened, waiting at most a tick. */
static void step(kg_orchestrator *o)
{
	kg_wait items[] = {{.fd = o->signal_fd},
			   {.socket = o->server},
			   {.socket = o->to_keeper},
			   {.socket = kg_feed_in(o->feed)},
			   {.socket = kg_feed_out(o->feed)}};
	struct signalfd_siginfo info;

	if (kg_socket_wait(items, 5, TICK_MS) != KG_OK) {
		kg_orchestrator__give_up(o, KG_EIO);
		return;
	}
	while (read(o->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD) {
			kg_log(KG_LOG_INFO, "swarm.down", "signal=%u", info.ssi_signo);
			o->stop = true;
		}
	}
	/* What a process said comes before that it ended. */
	kg_orchestrator__hear(o);
	kg_orchestrator__reap(o);
	timers(o);
	check_ready(o);
}

static bool is_over(const kg_orchestrator *o)
{
	return o->stop || o->fatal != KG_OK;
}

/* ---- start and end ---- */

static kg_err add_member(kg_orchestrator *o, const char *name, const kg_pubkey *key)
{
	kg_member *m = &o->members[o->member_count];
	kg_curve *curve;
	kg_err err = kg_swarm_curve(o->options->identity, name, &curve);

	if (err != KG_OK)
		return err;
	m->peer = kg_peer_of(name, curve);
	m->key = *key;
	kg_curve_free(curve);
	o->member_count++;
	return KG_OK;
}

static kg_err add_agent(kg_orchestrator *o, unsigned i)
{
	kg_crew_agent *a = &o->agents[i];
	kg_key *key;
	kg_err err;

	kg_child_init(&o->processes[i].child);
	a->state = KG_CREW_DEAD;
	(void)snprintf(a->name, sizeof(a->name), "agent-%u", i);
	err = kg_swarm_agent_key(o->options->identity, a->name, &key);
	if (err != KG_OK)
		return err;
	a->key = *kg_key_public(key);
	kg_key_free(key);
	return add_member(o, a->name, &a->key);
}

static kg_err gather(kg_orchestrator *o)
{
	const kg_swarm *identity = o->options->identity;
	kg_curve *curve;
	kg_err err;

	o->count = o->options->agents;
	o->processes = calloc(o->count, sizeof(*o->processes));
	o->agents = calloc(o->count, sizeof(*o->agents));
	o->members = calloc((size_t)o->count + 2, sizeof(*o->members));
	if (o->processes == NULL || o->agents == NULL || o->members == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %u agents", o->count);
	err = add_member(o, "orchestrator", kg_swarm_id(identity));
	if (err == KG_OK)
		err = add_member(o, "operator", kg_key_public(kg_swarm_operator_key(identity)));
	for (unsigned i = 0; i < o->count && err == KG_OK; i++)
		err = add_agent(o, i);
	if (err == KG_OK)
		err = kg_swarm_curve(identity, "orchestrator", &o->curve);
	if (err == KG_OK)
		err = kg_swarm_curve(identity, "keeper", &curve);
	if (err != KG_OK)
		return err;
	o->run.orchestrator = o->members[0].peer;
	o->run.keeper = kg_peer_of("keeper", curve);
	kg_curve_free(curve);
	o->run.pid = getpid();
	o->run.started_ms = kg_clock_wall_ms();
	o->run.swarm = *kg_swarm_id(identity);
	o->run.agents = o->count;
	(void)snprintf(o->run.model, sizeof(o->run.model), "%s", o->options->model);
	(void)snprintf(o->run.strategy, sizeof(o->run.strategy), "%s", o->options->strategy);
	(void)snprintf(o->run.seed, sizeof(o->run.seed), "%s", o->options->seed);
	return kg_runfile_endpoints(&o->run, o->options->state_dir);
}

static kg_err open_docket(kg_orchestrator *o)
{
	const kg_docket_port port = {.data = o,
				     .to_agent = kg_orchestrator__to_agent,
				     .to_client = kg_orchestrator__to_client,
				     .move = move,
				     .random = random_u64};

	o->notary = (kg_notary){.identity = o->options->identity,
				.state_dir = o->options->state_dir,
				.keeper = o->to_keeper,
				.other = kg_orchestrator__hear_keeper,
				.data = o};
	return kg_docket_new(&o->docket, &port, o->agents, o->count,
			     kg_conf_int(o->options->conf, "swarm.think_seconds") * 1000);
}

static kg_err open_signals(kg_orchestrator *o)
{
	sigset_t set;
	int rc;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (rc != 0)
		return kg_fail_errno(rc, "signals");
	(void)signal(SIGPIPE, SIG_IGN);
	o->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return o->signal_fd < 0 ? kg_fail_errno(errno, "signals") : KG_OK;
}

static kg_err take_place(kg_orchestrator *o)
{
	char path[KG_PATH_SIZE];
	kg_err err;

	if (o->options->model[0] != '\0' && access(o->options->model, R_OK) != 0)
		return kg_fail_errno(errno, "model %s", o->options->model);
	if ((err = kg_child_check_limits(o->options->agents)) != KG_OK ||
	    (err = kg_path(path, "%s/log", o->options->state_dir)) != KG_OK ||
	    (err = kg_fs_mkdirs(path, 0700)) != KG_OK ||
	    (err = kg_path(path, "%s/run", o->options->state_dir)) != KG_OK ||
	    (err = kg_fs_mkdirs(path, 0700)) != KG_OK ||
	    (err = kg_path(path, "%s/run/orchestrator.lock", o->options->state_dir)) != KG_OK)
		return err;
	if ((err = kg_child_program(&o->agent_fd, o->options->agent_program)) != KG_OK ||
	    (err = kg_child_program(&o->keeper_fd, o->options->keeper_program)) != KG_OK)
		return err;
	err = kg_fs_lock(&o->lock_fd, path);
	if (err == KG_ECONFLICT)
		return kg_fail(KG_ECONFLICT, "a swarm is running in %s already",
			       o->options->state_dir);
	if (err == KG_OK)
		kg_runfile_clean(o->options->state_dir);
	return err;
}

static kg_err open_bus(kg_orchestrator *o)
{
	kg_peer *peers = calloc(o->member_count + 1, sizeof(*peers));
	kg_err err;

	if (peers == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the members");
	for (size_t i = 0; i < o->member_count; i++)
		peers[i] = o->members[i].peer;
	peers[o->member_count] = o->run.keeper;
	err = kg_bus_new(&o->bus, "orchestrator", o->curve);
	if (err == KG_OK)
		err = kg_bus_guard(o->bus, peers, o->member_count + 1);
	free(peers);
	if (err == KG_OK)
		err = kg_feed_open(&o->feed, o->bus, o->run.feed_in_endpoint, o->run.feed_endpoint);
	if (err == KG_OK)
		err = kg_socket_serve(&o->server, o->bus, o->run.orchestrator_endpoint);
	if (err == KG_OK)
		err = kg_socket_dial(&o->to_keeper, o->bus, o->run.keeper_endpoint, &o->run.keeper);
	if (err == KG_OK) {
		/* The loop waits for nobody. */
		kg_socket_set_patience(o->to_keeper, 0);
		err = kg_runfile_write(&o->run, o->options->state_dir);
	}
	return err;
}

static void open_keeper(kg_orchestrator *o)
{
	size_t certified = 0;
	kg_err err;

	kg_child_init(&o->keeper.child);
	o->keeper_state = KG_CREW_DEAD;
	o->keeper.due_ms = 0;
	/* Nobody is started before there is a keeper: see timers. */
	for (unsigned i = 0; i < o->count; i++)
		o->processes[i].due_ms = INT64_MAX;
	while (!is_over(o) && o->keeper_state != KG_CREW_READY) {
		step(o);
		if (kg_clock_mono_ms() - o->started_ms > KEEPER_START_MS)
			kg_orchestrator__give_up(
				o, kg_fail(KG_ETIMEOUT, "the keeper does not answer"));
	}
	if (!is_over(o)) {
		err = kg_notary_certify(&o->notary, o->members, o->member_count, &certified);
		if (err != KG_OK)
			kg_orchestrator__give_up(o, kg_fail_context(err, "certifying the agents"));
		else if (certified > 0)
			kg_log(KG_LOG_INFO, "members.certified", "count=%zu", certified);
	}
	for (unsigned i = 0; i < o->count; i++)
		o->processes[i].due_ms = 0;
}

static bool agents_alive(const kg_orchestrator *o)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->processes[i].child.pid != 0)
			return true;
	return false;
}

static void stop_agents(kg_orchestrator *o)
{
	int64_t end = kg_clock_mono_ms() + STOP_MS;

	for (unsigned i = 0; i < o->count; i++) {
		kg_orchestrator_process *p = &o->processes[i];

		if (p->child.pid == 0)
			continue;
		kg_orchestrator__move_agent(o, i, KG_CREW_STOP);
		if (p->route.size == 0 || kg_socket_send_json(o->server, &p->route, KG_MESSAGE_STOP,
							      0, json_object()) != KG_OK)
			kg_child_signal(&p->child, SIGTERM);
	}
	while (agents_alive(o)) {
		if (kg_clock_mono_ms() > end)
			for (unsigned i = 0; i < o->count; i++)
				kg_child_signal(&o->processes[i].child, SIGKILL);
		step(o);
	}
}

static void stop_keeper(kg_orchestrator *o)
{
	int64_t end = kg_clock_mono_ms() + STOP_MS;

	if (o->keeper.child.pid == 0)
		return;
	if (kg_socket_send_json(o->to_keeper, NULL, KG_MESSAGE_STOP, 0, json_object()) != KG_OK)
		kg_child_signal(&o->keeper.child, SIGTERM);
	while (o->keeper.child.pid != 0) {
		if (kg_clock_mono_ms() > end)
			kg_child_signal(&o->keeper.child, SIGKILL);
		step(o);
	}
}

/* A failed loop must not wait for messages that it cannot receive. */
static void end(kg_orchestrator *o)
{
	o->ending = true;
	kg_docket_end(o->docket);
	stop_agents(o);
	checkpoint(o);
	stop_keeper(o);
	kg_runfile_clean(o->options->state_dir);
	kg_log(KG_LOG_INFO, "swarm.ended", "rounds=%llu",
	       (unsigned long long)kg_docket_rounds(o->docket));
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void release(kg_orchestrator *o)
{
	kg_socket_free(o->to_keeper);
	kg_socket_free(o->server);
	kg_feed_free(o->feed);
	kg_bus_free(o->bus);
	kg_curve_free(o->curve);
	kg_docket_free(o->docket);
	free(o->members);
	free(o->processes);
	free(o->agents);
	close_fd(o->signal_fd);
	close_fd(o->agent_fd);
	close_fd(o->keeper_fd);
	close_fd(o->lock_fd);
	free(o);
}

kg_err kg_orchestrator_run(const kg_orchestrator_options *options)
{
	kg_orchestrator *o = calloc(1, sizeof(*o));
	kg_err err;

	if (o == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the orchestrator");
	o->options = options;
	o->lock_fd = -1;
	o->signal_fd = -1;
	o->agent_fd = -1;
	o->keeper_fd = -1;
	o->started_ms = kg_clock_mono_ms();
	o->hung_ms = kg_conf_int(options->conf, "swarm.hung_seconds") * 1000;
	o->checkpoint_every_ms = kg_conf_int(options->conf, "swarm.checkpoint_seconds") * 1000;
	kg_rng_init_u64(&o->rng, random_u64(NULL));
	err = take_place(o);
	if (err == KG_OK)
		err = open_signals(o);
	if (err == KG_OK)
		err = gather(o);
	if (err == KG_OK)
		err = open_bus(o);
	if (err == KG_OK)
		err = open_docket(o);
	if (err == KG_OK) {
		open_keeper(o);
		o->checkpoint_ms = kg_clock_mono_ms();
		while (!is_over(o))
			step(o);
		end(o);
		err = o->fatal;
		if (err != KG_OK)
			(void)kg_fail(err, "%s", o->fatal_why);
	} else if (o->lock_fd >= 0) {
		kg_runfile_clean(options->state_dir);
	}
	release(o);
	return err;
}
