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
#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "bus/bus.h"
#include "bus/feed.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "orchestrator/child.h"
#include "orchestrator/crew.h"
#include "orchestrator/docket.h"
#include "orchestrator/notary_main.h"
#include "orchestrator/relay.h"
#include "orchestrator/restart.h"
#include "orchestrator/runfile.h"

enum {
	TICK_MS = 100,
	BEAT_MS = 1000,
	SUSPECT_MS = 3000,
	STOP_MS = 10000, /* to finish and flush, before SIGKILL */
	KEEPER_START_MS = 30000,
	DROPS_MS = 60000,
	WHY_SIZE = 256
};

static const kg_restart_policy policy_ready = {8, 60000, 200, 10000, 30000};
/* Before a swarm was ever ready, what fails twice will fail again: tell it soon. */
static const kg_restart_policy policy_start = {2, 60000, 200, 1000, 30000};

/* A process of ours beside what it is. */
typedef struct {
	kg_child child;
	kg_restart restart;
	kg_peer peer;
	kg_route route;     /* agents: where it was heard from */
	int64_t started_ms; /* monotonic, like all below */
	int64_t heard_ms;
	int64_t due_ms; /* dead: when to start again */
	bool suspected;
	bool closed; /* agents: its key may not write any more */
	char closed_why[WHY_SIZE];
} process;

typedef struct {
	const kg_orchestrator_options *options;
	kg_runfile run;
	kg_curve *curve;
	kg_bus *bus;
	kg_socket *server;
	kg_socket *to_keeper;
	kg_feed *feed;
	int lock_fd;
	int signal_fd;
	int agent_fd; /* the programs */
	int keeper_fd;
	kg_member *members; /* orchestrator, keeper's other peers: operator, agents */
	size_t member_count;
	process keeper;
	kg_crew_state keeper_state;
	process *processes;    /* of the agents */
	kg_crew_agent *agents; /* the same index */
	unsigned count;
	kg_docket *docket;
	kg_relay relay;
	kg_notary notary;
	kg_rng rng;
	int64_t started_ms;
	int64_t beat_ms;
	int64_t checkpoint_ms;
	int64_t drops_ms;
	int64_t hung_ms; /* settings */
	int64_t checkpoint_every_ms;
	uint64_t drops;
	double ready_seconds;
	bool was_ready;
	bool stop;    /* told to */
	bool ending;  /* nothing is restarted any more */
	kg_err fatal; /* why the swarm cannot go on; its text: */
	char fatal_why[KG_ERR_TEXT_MAX];
} orchestrator;

static void give_up(orchestrator *o, kg_err code)
{
	if (o->fatal != KG_OK)
		return;
	o->fatal = code;
	(void)snprintf(o->fatal_why, sizeof(o->fatal_why), "%s", kg_err_text());
}

/* ---- processes ---- */

static kg_err log_path(const orchestrator *o, const char *name, char path[KG_PATH_SIZE])
{
	return kg_path(path, "%s/log/%s.log", o->options->state_dir, name);
}

static void launch_fill(const orchestrator *o, kg_launch *l, const char *role, const char *name)
{
	(void)snprintf(l->role, sizeof(l->role), "%s", role);
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	(void)snprintf(l->state_dir, sizeof(l->state_dir), "%s", o->options->state_dir);
	(void)snprintf(l->orchestrator_endpoint, KG_ENDPOINT_SIZE, "%s",
		       o->run.orchestrator_endpoint);
	(void)snprintf(l->keeper_endpoint, KG_ENDPOINT_SIZE, "%s", o->run.keeper_endpoint);
	(void)snprintf(l->feed_in_endpoint, KG_ENDPOINT_SIZE, "%s", o->run.feed_in_endpoint);
	(void)snprintf(l->feed_endpoint, KG_ENDPOINT_SIZE, "%s", o->run.feed_endpoint);
	(void)snprintf(l->model, sizeof(l->model), "%s", o->options->model);
	(void)snprintf(l->strategy, sizeof(l->strategy), "%s", o->options->strategy);
	l->parent_pid = (int)getpid();
	l->swarm = *kg_swarm_id(o->options->identity);
	l->operator_key = *kg_key_public(kg_swarm_operator_key(o->options->identity));
	l->orchestrator = o->run.orchestrator;
	l->keeper = o->run.keeper;
	l->conf = o->options->conf; /* borrowed for the writing */
}

/* Starts the process of `name`; its secrets are derived for the moment of starting only. */
static kg_err process_start(orchestrator *o, process *p, const char *role, const char *name)
{
	bool is_agent = strcmp(role, "agent") == 0;
	kg_launch *l = calloc(1, sizeof(*l));
	char path[KG_PATH_SIZE];
	kg_err err = l != NULL ? log_path(o, name, path) : kg_fail(KG_ENOMEM, "no memory");

	if (err == KG_OK) {
		launch_fill(o, l, role, name);
		err = kg_swarm_curve(o->options->identity, name, &l->curve);
	}
	if (err == KG_OK && is_agent)
		err = kg_swarm_agent_key(o->options->identity, name, &l->key);
	if (err == KG_OK && is_agent &&
	    snprintf(l->genome_label, sizeof(l->genome_label), "%s/%s", o->options->seed, name) >=
		    (int)sizeof(l->genome_label))
		err = kg_fail(KG_EINVAL, "the seed label is too long");
	if (err == KG_OK && !is_agent) {
		l->members = o->members;
		l->member_count = o->member_count;
	}
	if (err == KG_OK)
		err = kg_child_start(&p->child, is_agent ? o->agent_fd : o->keeper_fd, path, l);
	if (err == KG_OK) {
		p->started_ms = kg_clock_mono_ms();
		p->heard_ms = p->started_ms;
		p->suspected = false;
		p->route.size = 0;
		kg_log(KG_LOG_INFO, "process.started", "name=%s pid=%d", name, (int)p->child.pid);
	}
	if (l != NULL) {
		kg_key_free(l->key);
		kg_curve_free(l->curve);
	}
	free(l);
	return err;
}

static void agent_move(orchestrator *o, unsigned i, kg_crew_event event)
{
	if (kg_crew_move(&o->agents[i].state, event) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "agent.unmoved");
	o->agents[i].pid = (int)o->processes[i].child.pid;
	o->agents[i].restarts = o->processes[i].restart.total;
}

static void agent_start(orchestrator *o, unsigned i)
{
	if (process_start(o, &o->processes[i], "agent", o->agents[i].name) != KG_OK) {
		kg_log_err(KG_LOG_ERROR, "agent.unstarted");
		o->processes[i].due_ms = kg_clock_mono_ms() + policy_ready.delay_max_ms;
		if (!o->was_ready)
			give_up(o, kg_fail_context(KG_EIO, "%s", o->agents[i].name));
		return;
	}
	agent_move(o, i, KG_CREW_START);
}

static void keeper_start(orchestrator *o)
{
	kg_err err = process_start(o, &o->keeper, "keeper", "keeper");

	if (err != KG_OK) {
		give_up(o, err);
		return;
	}
	if (kg_crew_move(&o->keeper_state, KG_CREW_START) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "keeper.unmoved");
}

static void explain(const orchestrator *o, const char *name, const char *how, char why[WHY_SIZE])
{
	char path[KG_PATH_SIZE];

	if (log_path(o, name, path) != KG_OK)
		path[0] = '\0';
	kg_child_explain(why, WHY_SIZE, how, path);
}

static const kg_restart_policy *policy(const orchestrator *o)
{
	return o->was_ready ? &policy_ready : &policy_start;
}

static void refuse(orchestrator *o, const kg_message *client, kg_err code)
{
	if (kg_socket_reply_failed(o->server, client, code) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "client.gone");
}

/* It has signed what it was given to say, and sends that when it is back. */
static void lose_sayings(orchestrator *o, unsigned i)
{
	kg_message client = {0};

	while (kg_relay_lose(&o->relay, &client, i))
		refuse(o, &client,
		       kg_fail(KG_EIO, "%s ended before the entry was stored", o->agents[i].name));
}

/* It is left alone, visibly. */
static void agent_park(orchestrator *o, unsigned i, const char *why)
{
	char quoted[2 * WHY_SIZE];

	agent_move(o, i, KG_CREW_PARK);
	kg_log(KG_LOG_ERROR, "agent.parked", "name=%s why=%s", o->agents[i].name,
	       kg_log_quote(quoted, sizeof(quoted), why));
}

static void agent_ended(orchestrator *o, unsigned i, const char *how)
{
	process *p = &o->processes[i];
	int64_t now = kg_clock_mono_ms();
	char why[WHY_SIZE];
	char quoted[2 * WHY_SIZE];
	int64_t delay;

	explain(o, o->agents[i].name, how, why);
	agent_move(o, i, KG_CREW_EXIT);
	p->route.size = 0;
	kg_log(o->ending ? KG_LOG_INFO : KG_LOG_WARN, "agent.ended", "name=%s why=%s",
	       o->agents[i].name, kg_log_quote(quoted, sizeof(quoted), why));
	kg_docket_lose(o->docket, i, why, now);
	lose_sayings(o, i);
	if (o->ending)
		return;
	(void)snprintf(o->agents[i].why, sizeof(o->agents[i].why), "%s", why);
	/* Exit code "no": its key may not write any more, and no restart would change that. */
	if (p->closed || strcmp(how, "exit 1") == 0) {
		if (p->closed)
			(void)snprintf(o->agents[i].why, sizeof(o->agents[i].why), "%s",
				       p->closed_why);
		p->closed = true;
		agent_park(o, i, o->agents[i].why);
		return;
	}
	if (kg_restart_next(&p->restart, policy(o), now, now - p->started_ms,
			    kg_rng_double(&o->rng), &delay)) {
		p->due_ms = now + delay;
		return;
	}
	agent_park(o, i, why);
	if (!o->was_ready)
		give_up(o, kg_fail(KG_EIO, "%s does not start: %s", o->agents[i].name, why));
}

static void keeper_ended(orchestrator *o, const char *how)
{
	int64_t now = kg_clock_mono_ms();
	char why[WHY_SIZE];
	char quoted[2 * WHY_SIZE];
	int64_t delay;

	explain(o, "keeper", how, why);
	if (kg_crew_move(&o->keeper_state, KG_CREW_EXIT) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "keeper.unmoved");
	kg_log(o->ending ? KG_LOG_INFO : KG_LOG_WARN, "keeper.ended", "why=%s",
	       kg_log_quote(quoted, sizeof(quoted), why));
	if (o->ending)
		return;
	if (kg_restart_next(&o->keeper.restart, policy(o), now, now - o->keeper.started_ms,
			    kg_rng_double(&o->rng), &delay))
		o->keeper.due_ms = now + delay;
	else
		give_up(o, kg_fail(KG_EIO, "the keeper does not run: %s", why));
}

static void reap(orchestrator *o)
{
	char how[64];
	bool clean;

	if (kg_child_reap(&o->keeper.child, how, sizeof(how), &clean))
		keeper_ended(o, how);
	for (unsigned i = 0; i < o->count; i++)
		if (kg_child_reap(&o->processes[i].child, how, sizeof(how), &clean))
			agent_ended(o, i, how);
}

/* ---- rounds ---- */

static kg_err to_agent(void *data, unsigned agent, kg_message_kind kind, uint64_t id, json_t *body)
{
	orchestrator *o = data;
	const process *p = &o->processes[agent];

	if (p->route.size == 0) {
		json_decref(body);
		return kg_fail(KG_ENOTFOUND, "%s is gone", o->agents[agent].name);
	}
	return kg_socket_send_json(o->server, &p->route, kind, id, body);
}

static void to_client(void *data, const kg_message *client, kg_message_kind kind, json_t *body)
{
	orchestrator *o = data;

	if (kind == KG_MESSAGE_FAILED)
		kg_log_err(KG_LOG_WARN, "ask.failed");
	else if (kind == KG_MESSAGE_ANSWER)
		kg_log(KG_LOG_INFO, "ask.answered", "agreement=%.3f seconds=%.3f",
		       json_real_value(json_object_get(body, "agreement")),
		       json_real_value(json_object_get(body, "seconds")));
	/* A client that went away does not matter to anybody. */
	if (kg_socket_reply(o->server, client, kind, body) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "client.gone");
}

static void move(void *data, unsigned agent, kg_crew_event event)
{
	agent_move(data, agent, event);
}

static uint64_t random_u64(void *data)
{
	uint64_t value = 0;

	(void)data;
	while (getrandom(&value, sizeof(value), 0) < 0 && errno == EINTR)
		;
	return value;
}

/* ---- messages ---- */

static json_t *status(orchestrator *o)
{
	char swarm[KG_PUBKEY_TEXT_SIZE];
	json_t *agents = json_array();
	uint64_t rss;
	uint64_t pss;

	kg_pubkey_format(swarm, &o->run.swarm);
	for (unsigned i = 0; i < o->count; i++) {
		kg_crew_agent *a = &o->agents[i];

		kg_child_memory(o->processes[i].child.pid, &a->rss_bytes, &a->pss_bytes);
		(void)json_array_append_new(agents, kg_crew_json(a));
	}
	kg_child_memory(o->keeper.child.pid, &rss, &pss);
	return json_pack("{s:s, s:b, s:f, s:o, s:{s:i, s:s, s:i, s:I, s:I}}", "swarm", swarm,
			 "ready", (int)o->was_ready, "ready_seconds", o->ready_seconds, "agents",
			 agents, "keeper", "pid", (int)o->keeper.child.pid, "state",
			 kg_crew_state_name(o->keeper_state), "restarts",
			 (int)o->keeper.restart.total, "rss_bytes", (json_int_t)rss, "pss_bytes",
			 (json_int_t)pss);
}

static unsigned agent_index(const orchestrator *o, const char *name)
{
	unsigned i = 0;

	while (i < o->count && strcmp(o->agents[i].name, name) != 0)
		i++;
	return i;
}

/* An entry goes to the agent that is to sign it; what it answers goes back to the client. */
static void on_say(orchestrator *o, kg_message *m)
{
	const char *name = NULL;
	uint64_t id = 0;
	unsigned i;
	kg_err err = kg_json_get_text(&name, m->json, "agent", KG_NAME_MAX);

	i = err == KG_OK ? agent_index(o, name) : o->count;
	if (err == KG_OK && (i == o->count || (o->agents[i].state != KG_CREW_READY &&
					       o->agents[i].state != KG_CREW_BUSY)))
		err = kg_fail(KG_ENOTFOUND, "%s is not running", name);
	if (err == KG_OK)
		err = kg_relay_add(&o->relay, &id, i, m);
	if (err == KG_OK) {
		err = to_agent(o, i, KG_MESSAGE_SAY, id, json_incref(m->json));
		if (err != KG_OK)
			(void)kg_relay_take(&o->relay, m, i, id);
	}
	if (err != KG_OK)
		refuse(o, m, err);
}

/* The agent's key was revoked: its process ends at once, and is not started again. */
static void on_park(orchestrator *o, kg_message *m)
{
	const char *hex = NULL;
	const char *why = NULL;
	kg_pubkey key;
	unsigned i = 0;
	kg_err err = kg_json_get_text(&hex, m->json, "agent", KG_PUBKEY_TEXT_SIZE);

	if (err == KG_OK)
		err = kg_pubkey_parse(&key, hex);
	if (err == KG_OK)
		err = kg_json_get_text(&why, m->json, "why", 4096);
	if (err != KG_OK) {
		refuse(o, m, err);
		return;
	}
	while (i < o->count && !kg_pubkey_equal(&o->agents[i].key, &key))
		i++;
	if (i < o->count && !o->processes[i].closed) {
		process *p = &o->processes[i];

		p->closed = true;
		(void)snprintf(p->closed_why, sizeof(p->closed_why), "revoked%s%.200s",
			       why[0] != '\0' ? ": " : "", why);
		kg_child_signal(&p->child, SIGKILL);
		if (o->agents[i].state == KG_CREW_DEAD)
			agent_park(o, i, p->closed_why);
	}
	to_client(o, m, KG_MESSAGE_STATUS_IS, status(o));
}

static void on_client(orchestrator *o, kg_message *m)
{
	if (m->kind == KG_MESSAGE_ASK) {
		kg_docket_ask(o->docket, m);
	} else if (m->kind == KG_MESSAGE_SAY) {
		on_say(o, m);
	} else if (m->kind == KG_MESSAGE_PARK) {
		on_park(o, m);
	} else if (m->kind == KG_MESSAGE_STATUS) {
		to_client(o, m, KG_MESSAGE_STATUS_IS, status(o));
	} else if (m->kind == KG_MESSAGE_DOWN) {
		kg_log(KG_LOG_INFO, "swarm.down", "from=%s", m->from);
		to_client(o, m, KG_MESSAGE_BYE, json_object());
		o->stop = true;
	}
}

static void on_ready(orchestrator *o, unsigned i, const kg_message *m)
{
	int64_t pid = 0;
	kg_err err = kg_json_get_i64(&pid, m->json, "pid", 1, INT32_MAX);

	if (err == KG_OK && pid != o->processes[i].child.pid)
		return; /* said by the process before this one */
	if (err == KG_OK)
		err = kg_crew_tell_ready(&o->agents[i], m->json);
	if (err != KG_OK) {
		kg_log_err(KG_LOG_WARN, "message.refused");
		to_client(o, m, KG_MESSAGE_FAILED, kg_message_failure(err));
		return;
	}
	if (o->agents[i].state == KG_CREW_STARTING) {
		agent_move(o, i, KG_CREW_ANSWER);
		o->agents[i].why[0] = '\0';
		kg_log(KG_LOG_INFO, "agent.ready", "name=%s ms=%lld", o->agents[i].name,
		       (long long)(kg_clock_mono_ms() - o->processes[i].started_ms));
	}
}

static void on_said(orchestrator *o, unsigned i, const kg_message *m)
{
	kg_message client = {0};

	if (kg_relay_take(&o->relay, &client, i, m->id))
		to_client(o, &client, m->kind, json_incref(m->json));
}

static void on_agent(orchestrator *o, kg_message *m)
{
	unsigned i = agent_index(o, m->from);
	process *p = &o->processes[i];

	if (i == o->count || p->child.pid == 0)
		return; /* said before it ended */
	p->route = m->route;
	p->heard_ms = kg_clock_mono_ms();
	p->suspected = false;
	if (m->kind == KG_MESSAGE_READY) {
		on_ready(o, i, m);
	} else if (m->kind == KG_MESSAGE_BEAT) {
		/* While it starts it has nothing to tell but that it lives. */
		if (o->agents[i].state != KG_CREW_STARTING &&
		    kg_crew_tell_beat(&o->agents[i], m->json) != KG_OK)
			kg_log_err(KG_LOG_WARN, "message.refused");
		to_client(o, m, KG_MESSAGE_BEAT, json_object());
	} else if ((m->id & KG_RELAY_BIT) != 0) {
		on_said(o, i, m);
	} else {
		o->agents[i].answers += m->kind == KG_MESSAGE_THOUGHT;
		if (kg_docket_hear(o->docket, i, m, p->heard_ms) != KG_OK)
			kg_log_err(KG_LOG_WARN, "round.lost");
	}
}

static void on_keeper(void *data, kg_message *m)
{
	orchestrator *o = data;

	o->keeper.heard_ms = kg_clock_mono_ms();
	o->keeper.suspected = false;
	if (o->keeper_state == KG_CREW_STARTING && m->kind == KG_MESSAGE_BEAT) {
		if (kg_crew_move(&o->keeper_state, KG_CREW_ANSWER) == KG_OK)
			kg_log(KG_LOG_INFO, "keeper.ready", "pid=%d", (int)o->keeper.child.pid);
	}
}

static void drain(orchestrator *o)
{
	kg_message m = {0};

	/* Bounded, so that timers run whatever the flood. */
	for (int i = 0; i < 1024 && kg_socket_receive(o->server, &m, 0) == KG_OK; i++) {
		if (kg_role_of(m.from) == KG_ROLE_CLIENT)
			on_client(o, &m);
		else
			on_agent(o, &m);
		kg_message_release(&m);
	}
	for (int i = 0; i < 1024 && kg_socket_receive(o->to_keeper, &m, 0) == KG_OK; i++) {
		on_keeper(o, &m);
		kg_message_release(&m);
	}
	(void)kg_feed_step(o->feed);
}

/* ---- witness ---- */

/* A checkpoint, when any chain has grown since the last one. */
static void checkpoint(orchestrator *o)
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

static void check_silence(orchestrator *o, process *p, const char *name, int64_t now)
{
	int64_t silent = now - p->heard_ms;

	if (p->child.pid == 0)
		return;
	if (silent > o->hung_ms) {
		kg_log(KG_LOG_ERROR, "process.hung", "name=%s ms=%lld", name, (long long)silent);
		kg_child_signal(&p->child, SIGKILL);
		p->heard_ms = now;
	} else if (silent > SUSPECT_MS && !p->suspected) {
		p->suspected = true;
		kg_log(o->was_ready ? KG_LOG_WARN : KG_LOG_INFO, "process.suspected",
		       "name=%s ms=%lld", name, (long long)silent);
	}
}

static void check_ready(orchestrator *o)
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
		give_up(o, kg_fail(KG_EDENIED, "no agent has a key that may still write"));
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

static void timers(orchestrator *o)
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
	check_silence(o, &o->keeper, "keeper", now);
	for (unsigned i = 0; i < o->count; i++) {
		check_silence(o, &o->processes[i], o->agents[i].name, now);
		if (!o->ending && o->agents[i].state == KG_CREW_DEAD &&
		    now >= o->processes[i].due_ms && o->keeper_state == KG_CREW_READY)
			agent_start(o, i);
	}
	if (!o->ending && o->keeper_state == KG_CREW_DEAD && now >= o->keeper.due_ms)
		keeper_start(o);
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
static void step(orchestrator *o)
{
	kg_wait items[] = {{.fd = o->signal_fd},
			   {.socket = o->server},
			   {.socket = o->to_keeper},
			   {.socket = kg_feed_in(o->feed)},
			   {.socket = kg_feed_out(o->feed)}};
	struct signalfd_siginfo info;

	if (kg_socket_wait(items, 5, TICK_MS) != KG_OK) {
		give_up(o, KG_EIO);
		return;
	}
	while (read(o->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD) {
			kg_log(KG_LOG_INFO, "swarm.down", "signal=%u", info.ssi_signo);
			o->stop = true;
		}
	}
	/* What a process said comes before that it ended. */
	drain(o);
	reap(o);
	timers(o);
	check_ready(o);
}

static bool is_over(const orchestrator *o)
{
	return o->stop || o->fatal != KG_OK;
}

/* ---- start and end ---- */

static kg_err add_member(orchestrator *o, const char *name, const kg_pubkey *key)
{
	kg_member *m = &o->members[o->member_count];
	kg_curve *curve;
	kg_err err = kg_swarm_curve(o->options->identity, name, &curve);

	if (err != KG_OK)
		return err;
	(void)snprintf(m->peer.name, sizeof(m->peer.name), "%s", name);
	memcpy(m->peer.curve, kg_curve_public(curve), KG_CURVE_SIZE);
	m->key = *key;
	kg_curve_free(curve);
	o->member_count++;
	return KG_OK;
}

static kg_err add_agent(orchestrator *o, unsigned i)
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

static kg_err gather(orchestrator *o)
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
	(void)snprintf(o->run.keeper.name, KG_NAME_SIZE, "keeper");
	memcpy(o->run.keeper.curve, kg_curve_public(curve), KG_CURVE_SIZE);
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

static kg_err open_docket(orchestrator *o)
{
	const kg_docket_port port = {.data = o,
				     .to_agent = to_agent,
				     .to_client = to_client,
				     .move = move,
				     .random = random_u64};

	o->notary = (kg_notary){.identity = o->options->identity,
				.state_dir = o->options->state_dir,
				.keeper = o->to_keeper,
				.other = on_keeper,
				.data = o};
	return kg_docket_new(&o->docket, &port, o->agents, o->count,
			     kg_conf_int(o->options->conf, "swarm.think_seconds") * 1000);
}

static kg_err open_signals(orchestrator *o)
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

static kg_err take_place(orchestrator *o)
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

static kg_err open_bus(orchestrator *o)
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

static void open_keeper(orchestrator *o)
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
			give_up(o, kg_fail(KG_ETIMEOUT, "the keeper does not answer"));
	}
	if (!is_over(o)) {
		err = kg_notary_certify(&o->notary, o->members, o->member_count, &certified);
		if (err != KG_OK)
			give_up(o, kg_fail_context(err, "certifying the agents"));
		else if (certified > 0)
			kg_log(KG_LOG_INFO, "members.certified", "count=%zu", certified);
	}
	for (unsigned i = 0; i < o->count; i++)
		o->processes[i].due_ms = 0;
}

static bool agents_alive(const orchestrator *o)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->processes[i].child.pid != 0)
			return true;
	return false;
}

static void stop_agents(orchestrator *o)
{
	int64_t end = kg_clock_mono_ms() + STOP_MS;

	for (unsigned i = 0; i < o->count; i++) {
		process *p = &o->processes[i];

		if (p->child.pid == 0)
			continue;
		agent_move(o, i, KG_CREW_STOP);
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

static void stop_keeper(orchestrator *o)
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
static void end(orchestrator *o)
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

static void release(orchestrator *o)
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
	orchestrator *o = calloc(1, sizeof(*o));
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
