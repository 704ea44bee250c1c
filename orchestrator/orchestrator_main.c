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

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "bus/bus.h"
#include "bus/feed.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "memory/entry.h"
#include "memory/witness.h"
#include "orchestrator/child.h"
#include "orchestrator/crew.h"
#include "orchestrator/exchange.h"
#include "orchestrator/restart.h"
#include "orchestrator/round.h"
#include "orchestrator/runfile.h"

enum {
	TICK_MS = 100,
	BEAT_MS = 1000,
	SUSPECT_MS = 3000,
	HUNG_MS = 30000, /* one step of a large model on a loaded machine takes seconds */
	STOP_MS = 10000, /* to finish and flush, before SIGKILL */
	KEEPER_START_MS = 30000,
	KEEPER_ASK_MS = 2000,
	CHECKPOINT_MS = 30000,
	PUBLISH_MS = 20000,
	DROPS_MS = 60000,
	PATIENCE_MS = 5000, /* between words to clients that wait */
	QUEUE_MAX = 64,
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
} process;

/* A question that waits, or is being answered. */
typedef struct {
	kg_message client; /* where the answer goes; its body is released */
	kg_question question;
} inquiry;

typedef struct {
	bool open;
	inquiry inquiry;
	kg_round *round;
	kg_round_stage stage; /* that the agents were told */
	size_t done;          /* that the client was told */
	char id[KG_ROUND_ID_SIZE];
	uint64_t number; /* request id of its messages */
	uint64_t seed;
	int64_t started_ms;
	int64_t deadline_ms; /* of the stage */
} open_round;

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
	kg_member *members; /* orchestrator, keeper's other peers: operator, agents */
	size_t member_count;
	process keeper;
	kg_crew_state keeper_state;
	process *processes;    /* of the agents */
	kg_crew_agent *agents; /* the same index */
	unsigned count;
	inquiry queue[QUEUE_MAX]; /* oldest first */
	size_t queued;
	open_round current;
	uint64_t rounds;
	kg_rng rng;
	json_t *witnessed; /* heads of the last checkpoint */
	int64_t started_ms;
	int64_t beat_ms;
	int64_t checkpoint_ms;
	int64_t drops_ms;
	int64_t waited_ms; /* when clients were last told to wait */
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
	/* Only borrowed for the writing. */
	l->conf = (kg_conf *)(uintptr_t)o->options->conf;
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
		err = kg_child_start(&p->child, path, l);
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

/* "exit 111: <what its log says last>" */
static void explain(const orchestrator *o, const char *name, const char *how, char why[WHY_SIZE])
{
	char path[KG_PATH_SIZE], line[512] = "";
	const char *text = line;
	char *end;

	if (strncmp(how, "exit", 4) == 0 && log_path(o, name, path) == KG_OK)
		kg_child_last_line(path, line, sizeof(line));
	text = strstr(line, "why=\"");
	text = text != NULL ? text + 5 : line;
	end = line + strlen(line);
	if (end > line && end[-1] == '"')
		end[-1] = '\0';
	(void)snprintf(why, WHY_SIZE, "%s%s%s", how, text[0] != '\0' ? ": " : "", text);
}

static const kg_restart_policy *policy(const orchestrator *o)
{
	return o->was_ready ? &policy_ready : &policy_start;
}

static void round_lose(orchestrator *o, unsigned agent, const char *why);

static void agent_ended(orchestrator *o, unsigned i, const char *how)
{
	process *p = &o->processes[i];
	int64_t now = kg_clock_mono_ms();
	char why[WHY_SIZE], quoted[2 * WHY_SIZE];
	int64_t delay;

	explain(o, o->agents[i].name, how, why);
	agent_move(o, i, KG_CREW_EXIT);
	p->route.size = 0;
	kg_log(o->ending ? KG_LOG_INFO : KG_LOG_WARN, "agent.ended", "name=%s why=%s",
	       o->agents[i].name, kg_log_quote(quoted, sizeof(quoted), why));
	round_lose(o, i, why);
	if (o->ending)
		return;
	(void)snprintf(o->agents[i].why, sizeof(o->agents[i].why), "%s", why);
	if (kg_restart_next(&p->restart, policy(o), now, now - p->started_ms,
			    kg_rng_double(&o->rng), &delay)) {
		p->due_ms = now + delay;
		return;
	}
	agent_move(o, i, KG_CREW_PARK);
	kg_log(KG_LOG_ERROR, "agent.parked", "name=%s why=%s", o->agents[i].name, quoted);
	if (!o->was_ready)
		give_up(o, kg_fail(KG_EIO, "%s does not start: %s", o->agents[i].name, why));
}

static void keeper_ended(orchestrator *o, const char *how)
{
	int64_t now = kg_clock_mono_ms();
	char why[WHY_SIZE], quoted[2 * WHY_SIZE];
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

static const char *const stages[] = {"thinking", "scoring", "publishing"};

static void answer(orchestrator *o, const kg_message *client, kg_message_kind kind, json_t *body)
{
	/* A client that went away does not matter to anybody. */
	if (kg_socket_reply(o->server, client, kind, body) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "client.gone");
}

static void refuse(orchestrator *o, const kg_message *client, kg_err code)
{
	answer(o, client, KG_MESSAGE_FAILED, kg_message_failure(code));
}

static void progress(orchestrator *o, const kg_message *client, const char *stage, size_t done,
		     size_t of)
{
	answer(o, client, KG_MESSAGE_PROGRESS,
	       json_pack("{s:s, s:I, s:I}", "stage", stage, "done", (json_int_t)done, "of",
			 (json_int_t)of));
}

static void round_send(orchestrator *o, size_t slot, kg_message_kind kind, json_t *body)
{
	process *p = &o->processes[kg_round_agent(o->current.round, slot)];

	if (p->route.size > 0 &&
	    kg_socket_send_json(o->server, &p->route, kind, o->current.number, body) == KG_OK)
		return;
	if (p->route.size == 0) {
		json_decref(body);
		kg_round_lose(o->current.round, slot, "it is gone");
	} else {
		kg_round_lose(o->current.round, slot, kg_err_text());
	}
}

/* What the stage asks of every agent that owes it. */
static void round_ask(orchestrator *o)
{
	open_round *c = &o->current;
	int64_t patience = kg_conf_int(o->options->conf, "swarm.think_seconds") * 1000;

	c->stage = kg_round_get_stage(c->round);
	if (c->stage == KG_ROUND_PUBLISHING)
		patience = PUBLISH_MS;
	c->deadline_ms = kg_clock_mono_ms() + patience;
	c->done = 0;
	for (size_t i = 0; i < kg_round_count(c->round); i++) {
		unsigned agent = kg_round_agent(c->round, i);

		/* Losing the last one that owes ends the stage: then the rest is not asked. */
		if (kg_round_get_stage(c->round) != c->stage)
			break;
		if (!kg_round_is_owing(c->round, i))
			continue;
		if (c->stage == KG_ROUND_THINKING)
			round_send(o, i, KG_MESSAGE_THINK,
				   kg_exchange_think(c->id, &c->inquiry.question,
						     kg_exchange_agent_seed(c->seed, agent),
						     patience));
		else if (c->stage == KG_ROUND_SCORING)
			round_send(o, i, KG_MESSAGE_SCORE,
				   kg_exchange_score(c->id, &c->inquiry.question, c->round));
		else
			round_send(o, i, KG_MESSAGE_SETTLE, kg_exchange_settle(c->id, c->round, i));
	}
}

static void round_answer(orchestrator *o)
{
	const char *names[KG_ROUND_AGENTS_MAX];
	open_round *c = &o->current;
	double seconds = (double)(kg_clock_mono_ms() - c->started_ms) / 1000;
	json_t *body;

	if (c->stage == KG_ROUND_FAILED) {
		refuse(o, &c->inquiry.client,
		       kg_fail(KG_EFAIL, "no agent is left in the round, the last one: %s",
			       kg_round_why(c->round)));
		return;
	}
	for (size_t i = 0; i < kg_round_count(c->round); i++)
		names[i] = o->agents[kg_round_agent(c->round, i)].name;
	body = kg_round_json(c->round, names, seconds);
	if (body != NULL)
		(void)json_object_set_new(body, "round", json_string(c->id));
	answer(o, &c->inquiry.client, KG_MESSAGE_ANSWER, body);
}

static void round_close(orchestrator *o)
{
	open_round *c = &o->current;

	for (size_t i = 0; i < kg_round_count(c->round); i++) {
		unsigned agent = kg_round_agent(c->round, i);

		if (o->agents[agent].state == KG_CREW_BUSY)
			agent_move(o, agent, KG_CREW_REST);
	}
	kg_log(KG_LOG_INFO, "round.closed", "round=%s agents=%zu ms=%lld", c->id,
	       kg_round_count(c->round), (long long)(kg_clock_mono_ms() - c->started_ms));
	kg_question_release(&c->inquiry.question);
	kg_round_free(c->round);
	memset(c, 0, sizeof(*c));
}

/* Brings client and agents up to what the round has come to. */
static void round_follow(orchestrator *o)
{
	open_round *c = &o->current;
	size_t done, of;

	if (!c->open)
		return;
	while (c->stage != kg_round_get_stage(c->round) && c->stage < KG_ROUND_DONE) {
		c->stage = kg_round_get_stage(c->round);
		if (c->stage < KG_ROUND_DONE)
			round_ask(o);
	}
	if (c->stage >= KG_ROUND_DONE) {
		round_answer(o);
		round_close(o);
		return;
	}
	kg_round_progress(c->round, &done, &of);
	if (done != c->done || done == 0)
		progress(o, &c->inquiry.client, stages[c->stage], done, of);
	c->done = done;
}

/* Clients take silence for death: a word to each that waits. */
static void reassure(orchestrator *o, int64_t now)
{
	size_t done, of;

	if (now - o->waited_ms < PATIENCE_MS)
		return;
	o->waited_ms = now;
	if (o->current.open) {
		kg_round_progress(o->current.round, &done, &of);
		progress(o, &o->current.inquiry.client, stages[o->current.stage], done, of);
	}
	for (size_t i = 0; i < o->queued; i++)
		progress(o, &o->queue[i].client, "waiting", i, o->queued);
}

static void round_lose(orchestrator *o, unsigned agent, const char *why)
{
	size_t slot;

	if (!o->current.open)
		return;
	slot = kg_round_slot(o->current.round, agent);
	if (slot == kg_round_count(o->current.round))
		return;
	kg_round_lose(o->current.round, slot, why);
	round_follow(o);
}

/* The k agents that are ready and have answered least, in order of their numbers; how many. */
static size_t choose_agents(const orchestrator *o, unsigned k, unsigned chosen[KG_ROUND_AGENTS_MAX])
{
	bool taken[KG_CREW_MAX] = {false};
	size_t count = 0;

	if (k == 0 || k > KG_ROUND_AGENTS_MAX)
		k = KG_ROUND_AGENTS_MAX;
	while (count < k) {
		unsigned best = o->count;

		for (unsigned i = 0; i < o->count; i++)
			if (o->agents[i].state == KG_CREW_READY && !taken[i] &&
			    (best == o->count || o->agents[i].answers < o->agents[best].answers))
				best = i;
		if (best == o->count)
			break;
		taken[best] = true;
		count++;
	}
	count = 0;
	for (unsigned i = 0; i < o->count; i++)
		if (taken[i])
			chosen[count++] = i;
	return count;
}

static bool anyone_may_come(const orchestrator *o)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->agents[i].state != KG_CREW_PARKED)
			return true;
	return false;
}

static uint64_t random_u64(void)
{
	uint64_t value = 0;

	while (getrandom(&value, sizeof(value), 0) < 0 && errno == EINTR)
		;
	return value;
}

static void round_open(orchestrator *o, const unsigned *chosen, size_t count)
{
	open_round *c = &o->current;
	uint64_t id = random_u64();

	c->inquiry = o->queue[0];
	o->queued--;
	memmove(o->queue, o->queue + 1, o->queued * sizeof(o->queue[0]));
	if (kg_round_new(&c->round, chosen, count) != KG_OK) {
		refuse(o, &c->inquiry.client, KG_ENOMEM);
		kg_question_release(&c->inquiry.question);
		return;
	}
	c->open = true;
	c->number = ++o->rounds;
	c->seed = c->inquiry.question.has_seed ? c->inquiry.question.seed : random_u64();
	c->started_ms = kg_clock_mono_ms();
	(void)snprintf(c->id, sizeof(c->id), "%016llx", (unsigned long long)id);
	kg_log(KG_LOG_INFO, "round.opened", "round=%s agents=%zu", c->id, count);
	for (size_t i = 0; i < count; i++)
		agent_move(o, chosen[i], KG_CREW_WORK);
	round_ask(o);
	round_follow(o);
}

/* The next question, when there is one and somebody to answer it. */
static void round_next(orchestrator *o)
{
	unsigned chosen[KG_ROUND_AGENTS_MAX];
	size_t count;

	if (o->current.open || o->queued == 0 || o->ending)
		return;
	count = choose_agents(o, o->queue[0].question.k, chosen);
	if (count > 0) {
		round_open(o, chosen, count);
	} else if (!anyone_may_come(o)) {
		refuse(o, &o->queue[0].client,
		       kg_fail(KG_EFAIL, "every agent is parked: %s", o->agents[0].why));
		kg_question_release(&o->queue[0].question);
		o->queued--;
		memmove(o->queue, o->queue + 1, o->queued * sizeof(o->queue[0]));
	}
}

static void rounds_end(orchestrator *o)
{
	for (size_t i = 0; i < o->queued; i++) {
		refuse(o, &o->queue[i].client, kg_fail(KG_EFAIL, "the swarm is shutting down"));
		kg_question_release(&o->queue[i].question);
	}
	o->queued = 0;
	if (o->current.open) {
		refuse(o, &o->current.inquiry.client,
		       kg_fail(KG_EFAIL, "the swarm is shutting down"));
		round_close(o);
	}
}

/* ---- messages ---- */

static json_t *status(orchestrator *o)
{
	char swarm[KG_PUBKEY_TEXT_SIZE];
	json_t *agents = json_array();
	uint64_t rss, pss;

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

static void on_ask(orchestrator *o, kg_message *m)
{
	inquiry *q = &o->queue[o->queued];
	kg_err err;

	if (o->ending || o->stop) {
		refuse(o, m, kg_fail(KG_EFAIL, "the swarm is shutting down"));
		return;
	}
	if (o->queued == QUEUE_MAX) {
		refuse(o, m, kg_fail(KG_EFULL, "%d questions are waiting already", QUEUE_MAX));
		return;
	}
	err = kg_question_read(&q->question, m->json);
	if (err != KG_OK) {
		refuse(o, m, err);
		return;
	}
	q->client = *m;
	q->client.json = NULL;
	q->client.data = NULL;
	o->queued++;
}

static void on_client(orchestrator *o, kg_message *m)
{
	if (m->kind == KG_MESSAGE_ASK) {
		on_ask(o, m);
	} else if (m->kind == KG_MESSAGE_STATUS) {
		answer(o, m, KG_MESSAGE_STATUS_IS, status(o));
	} else if (m->kind == KG_MESSAGE_DOWN) {
		kg_log(KG_LOG_INFO, "swarm.down", "from=%s", m->from);
		answer(o, m, KG_MESSAGE_BYE, json_object());
		o->stop = true;
	}
}

static unsigned agent_index(const orchestrator *o, const char *name)
{
	unsigned i = 0;

	while (i < o->count && strcmp(o->agents[i].name, name) != 0)
		i++;
	return i;
}

static void on_ready(orchestrator *o, unsigned i, const kg_message *m)
{
	kg_err err = kg_crew_tell_ready(&o->agents[i], m->json);

	if (err != KG_OK) {
		kg_log_err(KG_LOG_WARN, "message.refused");
		refuse(o, m, err);
		return;
	}
	if (o->agents[i].state == KG_CREW_STARTING) {
		agent_move(o, i, KG_CREW_ANSWER);
		o->agents[i].why[0] = '\0';
		kg_log(KG_LOG_INFO, "agent.ready", "name=%s ms=%lld", o->agents[i].name,
		       (long long)(kg_clock_mono_ms() - o->processes[i].started_ms));
	}
}

static void on_round(orchestrator *o, unsigned i, const kg_message *m)
{
	open_round *c = &o->current;
	size_t slot = c->open ? kg_round_slot(c->round, i) : 0;
	kg_err err;

	if (!c->open || m->id != c->number || slot == kg_round_count(c->round))
		return; /* of a round that is over */
	if (m->kind == KG_MESSAGE_THOUGHT)
		err = kg_exchange_thought(c->round, slot, c->id, m->json);
	else if (m->kind == KG_MESSAGE_SCORES)
		err = kg_exchange_scores(c->round, slot, c->id, m->json);
	else if (m->kind == KG_MESSAGE_PUBLISHED)
		err = kg_exchange_published(c->round, slot, c->id, m->json);
	else
		err = kg_message_fail(m);
	if (err != KG_OK && (m->kind == KG_MESSAGE_FAILED || err != KG_ECONFLICT)) {
		kg_log_err(KG_LOG_WARN, "round.lost");
		kg_round_lose(c->round, slot, kg_err_text());
	}
	round_follow(o);
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
		answer(o, m, KG_MESSAGE_BEAT, json_object());
	} else {
		on_round(o, i, m);
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

/* A question to the keeper; what else it says meanwhile counts as a beat. */
static kg_err ask_keeper(orchestrator *o, kg_message_kind kind, json_t *body, kg_message *out)
{
	kg_err err = kg_socket_ask(o->to_keeper, kind, body, KEEPER_ASK_MS, out, on_keeper, o);

	if (err == KG_OK && out->kind == KG_MESSAGE_FAILED) {
		err = kg_message_fail(out);
		kg_message_release(out);
	}
	return err;
}

static kg_err read_head(kg_chain_head *head, const json_t *body)
{
	int64_t sequence, time_ms, counter;
	const char *commit;
	kg_err err;

	memset(head, 0, sizeof(*head));
	if ((err = kg_json_get_i64(&sequence, body, "sequence", 0, INT64_MAX)) != KG_OK)
		return err;
	if (sequence == 0)
		return KG_OK;
	if ((err = kg_json_get_i64(&time_ms, body, "time_ms", 0, INT64_MAX)) != KG_OK ||
	    (err = kg_json_get_i64(&counter, body, "counter", 0, UINT16_MAX)) != KG_OK ||
	    (err = kg_json_get_text(&commit, body, "commit", KG_COMMIT_TEXT_SIZE - 1)) != KG_OK)
		return err;
	head->sequence = (uint64_t)sequence;
	head->time_ms = time_ms;
	head->time_counter = (uint16_t)counter;
	return kg_commit_parse(&head->commit, commit);
}

static kg_err ask_head(orchestrator *o, kg_chain_head *head, const kg_pubkey *agent)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	kg_message m = {0};
	kg_err err;

	kg_pubkey_format(key, agent);
	err = ask_keeper(o, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", key), &m);
	if (err == KG_OK)
		err = read_head(head, m.json);
	kg_message_release(&m);
	return err;
}

/* Signs `entry` with the swarm's key and gives it to the keeper. */
static kg_err submit(orchestrator *o, const kg_entry *entry, const kg_chain_head *previous)
{
	kg_message m = {0};
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_entry_sign(&object, NULL, entry, kg_swarm_key(o->options->identity),
			    previous->sequence > 0 ? &previous->commit : NULL);
	if (err == KG_OK)
		err = kg_socket_ask_raw(o->to_keeper, KG_MESSAGE_SUBMIT, object.data, object.size,
					KEEPER_ASK_MS, &m, on_keeper, o);
	if (err == KG_OK && m.kind == KG_MESSAGE_FAILED)
		err = kg_message_fail(&m);
	kg_message_release(&m);
	kg_buf_release(&object);
	return err;
}

static kg_err read_heads(kg_entry_head **out, size_t *count, const json_t *array)
{
	kg_entry_head *heads = calloc(json_array_size(array) + 1, sizeof(*heads));
	const json_t *value;
	kg_err err = KG_OK;
	size_t i;

	if (heads == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a checkpoint");
	json_array_foreach(array, i, value)
	{
		const char *agent, *commit;
		int64_t sequence;

		if ((err = kg_json_get_text(&agent, value, "agent", KG_PUBKEY_TEXT_SIZE - 1)) !=
			    KG_OK ||
		    (err = kg_pubkey_parse(&heads[i].agent, agent)) != KG_OK ||
		    (err = kg_json_get_i64(&sequence, value, "sequence", 1, INT64_MAX)) != KG_OK ||
		    (err = kg_json_get_text(&commit, value, "commit", KG_COMMIT_TEXT_SIZE - 1)) !=
			    KG_OK ||
		    (err = kg_commit_parse(&heads[i].commit, commit)) != KG_OK)
			break;
		heads[i].sequence = (uint64_t)sequence;
	}
	if (err != KG_OK) {
		free(heads);
		return err;
	}
	*out = heads;
	*count = json_array_size(array);
	return KG_OK;
}

static kg_err checkpoint_heads(orchestrator *o, json_t *array)
{
	const kg_key *key = kg_swarm_key(o->options->identity);
	kg_entry_head *heads = NULL;
	kg_chain_head previous;
	size_t count = 0;
	kg_entry entry;
	kg_err err = read_heads(&heads, &count, array);

	if (err == KG_OK)
		err = ask_head(o, &previous, kg_key_public(key));
	if (err == KG_OK)
		err = kg_checkpoint_make(&entry, key, &previous, heads, count, kg_clock_wall_ms());
	free(heads);
	if (err != KG_OK)
		return err;
	err = submit(o, &entry, &previous);
	kg_entry_release(&entry);
	if (err == KG_OK) {
		json_decref(o->witnessed);
		o->witnessed = json_incref(array);
		kg_log(KG_LOG_INFO, "checkpoint.signed", "chains=%zu sequence=%llu", count,
		       (unsigned long long)previous.sequence + 1);
	}
	return err;
}

/* A checkpoint, when any chain has grown since the last one. */
static void checkpoint(orchestrator *o)
{
	kg_message m = {0};
	json_t *array = NULL;
	kg_err err;

	o->checkpoint_ms = kg_clock_mono_ms();
	if (o->keeper_state != KG_CREW_READY)
		return;
	err = ask_keeper(o, KG_MESSAGE_HEADS, json_object(), &m);
	if (err == KG_OK)
		err = kg_json_get_array(&array, m.json, "heads", KG_ENTRY_HEADS_MAX);
	if (err == KG_OK && json_array_size(array) > 0 &&
	    (o->witnessed == NULL || json_equal(array, o->witnessed) == 0))
		err = checkpoint_heads(o, array);
	if (err != KG_OK)
		kg_log_err(KG_LOG_WARN, "checkpoint.failed");
	kg_message_release(&m);
}

/* Certifies every member that the swarm's chain does not certify yet. */
static kg_err certify(orchestrator *o)
{
	const kg_key *key = kg_swarm_key(o->options->identity);
	kg_entry_member *missing = calloc(o->member_count, sizeof(*missing));
	kg_chain_head head;
	size_t count = 0;
	kg_entry entry;
	kg_err err = KG_OK;

	if (missing == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the members");
	for (size_t i = 0; i < o->member_count && err == KG_OK; i++) {
		const kg_member *m = &o->members[i];

		if (kg_pubkey_equal(&m->key, kg_key_public(key)))
			continue;
		err = ask_head(o, &head, &m->key);
		if (err != KG_EDENIED)
			continue;
		err = KG_OK;
		missing[count].agent = m->key;
		memcpy(missing[count].name, m->peer.name, KG_NAME_SIZE);
		count++;
	}
	if (err == KG_OK && count > 0) {
		err = ask_head(o, &head, kg_key_public(key));
		if (err == KG_OK)
			err = kg_membership_make(&entry, key, &head, missing, count,
						 kg_clock_wall_ms());
		if (err == KG_OK) {
			err = submit(o, &entry, &head);
			kg_entry_release(&entry);
		}
		if (err == KG_OK)
			kg_log(KG_LOG_INFO, "members.certified", "count=%zu", count);
	}
	free(missing);
	return err;
}

/* ---- the loop ---- */

static void check_silence(orchestrator *o, process *p, const char *name, int64_t now)
{
	int64_t silent = now - p->heard_ms;

	if (p->child.pid == 0)
		return;
	if (silent > HUNG_MS) {
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
	kg_orchestrator_report report = {.agents = o->count};

	if (o->was_ready)
		return;
	for (unsigned i = 0; i < o->count; i++)
		if (o->agents[i].state != KG_CREW_READY && o->agents[i].state != KG_CREW_BUSY)
			return;
	o->was_ready = true;
	o->ready_seconds = (double)(kg_clock_mono_ms() - o->started_ms) / 1000;
	for (unsigned i = 0; i < o->count; i++) {
		uint64_t rss, pss;

		kg_child_memory(o->processes[i].child.pid, &rss, &pss);
		report.rss_bytes += rss / o->count;
		report.pss_bytes += pss / o->count;
	}
	report.seconds = o->ready_seconds;
	uint64_t keeper_rss;
	kg_child_memory(o->keeper.child.pid, &keeper_rss, &report.keeper_pss_bytes);
	kg_log(KG_LOG_INFO, "swarm.ready", "agents=%u seconds=%.3f", o->count, report.seconds);
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
	if (!o->ending && o->was_ready && now - o->checkpoint_ms >= CHECKPOINT_MS)
		checkpoint(o);
	if (o->current.open && now >= o->current.deadline_ms) {
		kg_round_expire(o->current.round);
		round_follow(o);
	}
	reassure(o, now);
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
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
			kg_log(KG_LOG_INFO, "swarm.down", "signal=%u", info.ssi_signo);
			o->stop = true;
		}
	}
	/* What a process said comes before that it ended. */
	drain(o);
	reap(o);
	timers(o);
	round_next(o);
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

static kg_err open_signals(orchestrator *o)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return kg_fail_errno(errno, "signals");
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
	kg_err err = KG_OK;

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
	if (!is_over(o) && (err = certify(o)) != KG_OK)
		give_up(o, kg_fail_context(err, "certifying the agents"));
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
	rounds_end(o);
	stop_agents(o);
	checkpoint(o);
	stop_keeper(o);
	kg_runfile_clean(o->options->state_dir);
	kg_log(KG_LOG_INFO, "swarm.ended", "rounds=%llu", (unsigned long long)o->rounds);
}

static void release(orchestrator *o)
{
	kg_socket_free(o->to_keeper);
	kg_socket_free(o->server);
	kg_feed_free(o->feed);
	kg_bus_free(o->bus);
	kg_curve_free(o->curve);
	json_decref(o->witnessed);
	free(o->members);
	free(o->processes);
	free(o->agents);
	if (o->signal_fd >= 0)
		(void)close(o->signal_fd);
	if (o->lock_fd >= 0)
		(void)close(o->lock_fd);
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
	o->started_ms = kg_clock_mono_ms();
	kg_rng_init_u64(&o->rng, random_u64());
	err = take_place(o);
	if (err == KG_OK)
		err = open_signals(o);
	if (err == KG_OK)
		err = gather(o);
	if (err == KG_OK)
		err = open_bus(o);
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
