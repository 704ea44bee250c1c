/* SPDX-License-Identifier: MIT */
/* The processes of a swarm: started, watched, started again, parked. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "orchestrator/orchestrator_impl.h"

enum { SUSPECT_MS = 3000 };

static const kg_restart_policy policy_ready = {8, 60000, 200, 10000, 30000};
/* Before a swarm was ever ready, what fails twice will fail again: tell it soon. */
static const kg_restart_policy policy_start = {2, 60000, 200, 1000, 30000};

static kg_err log_path(const kg_orchestrator *o, const char *name, char path[KG_PATH_SIZE])
{
	return kg_path(path, "%s/log/%s.log", o->options->state_dir, name);
}

static void launch_fill(const kg_orchestrator *o, kg_launch *l, const char *role, const char *name)
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
static kg_err process_start(kg_orchestrator *o, kg_orchestrator_process *p, const char *role,
			    const char *name)
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

void kg_orchestrator__move_agent(kg_orchestrator *o, unsigned i, kg_crew_event event)
{
	if (kg_crew_move(&o->agents[i].state, event) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "agent.unmoved");
	o->agents[i].pid = (int)o->processes[i].child.pid;
	o->agents[i].restarts = o->processes[i].restart.total;
}

void kg_orchestrator__start_agent(kg_orchestrator *o, unsigned i)
{
	if (process_start(o, &o->processes[i], "agent", o->agents[i].name) != KG_OK) {
		kg_log_err(KG_LOG_ERROR, "agent.unstarted");
		o->processes[i].due_ms = kg_clock_mono_ms() + policy_ready.delay_max_ms;
		if (!o->was_ready)
			kg_orchestrator__give_up(o,
						 kg_fail_context(KG_EIO, "%s", o->agents[i].name));
		return;
	}
	kg_orchestrator__move_agent(o, i, KG_CREW_START);
}

void kg_orchestrator__start_keeper(kg_orchestrator *o)
{
	kg_err err = process_start(o, &o->keeper, "keeper", "keeper");

	if (err != KG_OK) {
		kg_orchestrator__give_up(o, err);
		return;
	}
	if (kg_crew_move(&o->keeper_state, KG_CREW_START) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "keeper.unmoved");
}

static void explain(const kg_orchestrator *o, const char *name, const char *how,
		    char why[KG_CREW_WHY_SIZE])
{
	char path[KG_PATH_SIZE];

	if (log_path(o, name, path) != KG_OK)
		path[0] = '\0';
	kg_child_explain(why, KG_CREW_WHY_SIZE, how, path);
}

static const kg_restart_policy *policy(const kg_orchestrator *o)
{
	return o->was_ready ? &policy_ready : &policy_start;
}

/* It has signed what it was given to say, and sends that when it is back. */
static void lose_sayings(kg_orchestrator *o, unsigned i)
{
	kg_message client = {0};

	while (kg_relay_lose(&o->relay, &client, i))
		kg_orchestrator__refuse(
			o, &client,
			kg_fail(KG_EIO, "%s ended before the entry was stored", o->agents[i].name));
}

void kg_orchestrator__park_agent(kg_orchestrator *o, unsigned i, const char *why)
{
	char quoted[2 * KG_CREW_WHY_SIZE];

	kg_orchestrator__move_agent(o, i, KG_CREW_PARK);
	kg_log(KG_LOG_ERROR, "agent.parked", "name=%s why=%s", o->agents[i].name,
	       kg_log_quote(quoted, sizeof(quoted), why));
}

static void agent_ended(kg_orchestrator *o, unsigned i, const char *how)
{
	kg_orchestrator_process *p = &o->processes[i];
	int64_t now = kg_clock_mono_ms();
	char why[KG_CREW_WHY_SIZE];
	char quoted[2 * KG_CREW_WHY_SIZE];
	int64_t delay;

	explain(o, o->agents[i].name, how, why);
	kg_orchestrator__move_agent(o, i, KG_CREW_EXIT);
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
		kg_orchestrator__park_agent(o, i, o->agents[i].why);
		return;
	}
	if (kg_restart_next(&p->restart, policy(o), now, now - p->started_ms,
			    kg_rng_double(&o->rng), &delay)) {
		p->due_ms = now + delay;
		return;
	}
	kg_orchestrator__park_agent(o, i, why);
	if (!o->was_ready)
		kg_orchestrator__give_up(
			o, kg_fail(KG_EIO, "%s does not start: %s", o->agents[i].name, why));
}

static void keeper_ended(kg_orchestrator *o, const char *how)
{
	int64_t now = kg_clock_mono_ms();
	char why[KG_CREW_WHY_SIZE];
	char quoted[2 * KG_CREW_WHY_SIZE];
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
		kg_orchestrator__give_up(o, kg_fail(KG_EIO, "the keeper does not run: %s", why));
}

void kg_orchestrator__reap(kg_orchestrator *o)
{
	char how[64];
	bool clean;

	if (kg_child_reap(&o->keeper.child, how, sizeof(how), &clean))
		keeper_ended(o, how);
	for (unsigned i = 0; i < o->count; i++)
		if (kg_child_reap(&o->processes[i].child, how, sizeof(how), &clean))
			agent_ended(o, i, how);
}

void kg_orchestrator__check_silence(kg_orchestrator *o, kg_orchestrator_process *p,
				    const char *name, int64_t now_ms)
{
	int64_t silent = now_ms - p->heard_ms;

	if (p->child.pid == 0)
		return;
	if (silent > o->hung_ms) {
		kg_log(KG_LOG_ERROR, "process.hung", "name=%s ms=%lld", name, (long long)silent);
		kg_child_signal(&p->child, SIGKILL);
		p->heard_ms = now_ms;
	} else if (silent > SUSPECT_MS && !p->suspected) {
		p->suspected = true;
		kg_log(o->was_ready ? KG_LOG_WARN : KG_LOG_INFO, "process.suspected",
		       "name=%s ms=%lld", name, (long long)silent);
	}
}
