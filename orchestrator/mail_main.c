/* SPDX-License-Identifier: MIT */
/* What clients, agents and the keeper say to the orchestrator, and what they are answered. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "orchestrator/orchestrator_impl.h"

void kg_orchestrator__refuse(kg_orchestrator *o, const kg_message *client, kg_err code)
{
	if (kg_socket_reply_failed(o->server, client, code) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "client.gone");
}

kg_err kg_orchestrator__to_agent(void *data, unsigned agent, kg_message_kind kind, uint64_t id,
				 json_t *body)
{
	kg_orchestrator *o = data;
	const kg_orchestrator_process *p = &o->processes[agent];

	if (p->route.size == 0) {
		json_decref(body);
		return kg_fail(KG_ENOTFOUND, "%s is gone", o->agents[agent].name);
	}
	return kg_socket_send_json(o->server, &p->route, kind, id, body);
}

void kg_orchestrator__to_client(void *data, const kg_message *client, kg_message_kind kind,
				json_t *body)
{
	kg_orchestrator *o = data;

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

static json_t *status(kg_orchestrator *o)
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

static unsigned agent_index(const kg_orchestrator *o, const char *name)
{
	unsigned i = 0;

	while (i < o->count && strcmp(o->agents[i].name, name) != 0)
		i++;
	return i;
}

/* An entry goes to the agent that is to sign it; what it answers goes back to the client. */
static void on_say(kg_orchestrator *o, kg_message *m)
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
		err = kg_orchestrator__to_agent(o, i, KG_MESSAGE_SAY, id, json_incref(m->json));
		if (err != KG_OK)
			(void)kg_relay_take(&o->relay, m, i, id);
	}
	if (err != KG_OK)
		kg_orchestrator__refuse(o, m, err);
}

/* The agent's key was revoked: its process ends at once, and is not started again. */
static void on_park(kg_orchestrator *o, kg_message *m)
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
		kg_orchestrator__refuse(o, m, err);
		return;
	}
	while (i < o->count && !kg_pubkey_equal(&o->agents[i].key, &key))
		i++;
	if (i < o->count && !o->processes[i].closed) {
		kg_orchestrator_process *p = &o->processes[i];

		p->closed = true;
		(void)snprintf(p->closed_why, sizeof(p->closed_why), "revoked%s%.200s",
			       why[0] != '\0' ? ": " : "", why);
		kg_child_signal(&p->child, SIGKILL);
		if (o->agents[i].state == KG_CREW_DEAD)
			kg_orchestrator__park_agent(o, i, p->closed_why);
	}
	kg_orchestrator__to_client(o, m, KG_MESSAGE_STATUS_IS, status(o));
}

static void on_client(kg_orchestrator *o, kg_message *m)
{
	if (m->kind == KG_MESSAGE_ASK) {
		kg_docket_ask(o->docket, m);
	} else if (m->kind == KG_MESSAGE_SAY) {
		on_say(o, m);
	} else if (m->kind == KG_MESSAGE_PARK) {
		on_park(o, m);
	} else if (m->kind == KG_MESSAGE_STATUS) {
		kg_orchestrator__to_client(o, m, KG_MESSAGE_STATUS_IS, status(o));
	} else if (m->kind == KG_MESSAGE_DOWN) {
		kg_log(KG_LOG_INFO, "swarm.down", "from=%s", m->from);
		kg_orchestrator__to_client(o, m, KG_MESSAGE_BYE, json_object());
		o->stop = true;
	}
}

static void on_ready(kg_orchestrator *o, unsigned i, const kg_message *m)
{
	int64_t pid = 0;
	kg_err err = kg_json_get_i64(&pid, m->json, "pid", 1, INT32_MAX);

	if (err == KG_OK && pid != o->processes[i].child.pid)
		return; /* said by the process before this one */
	if (err == KG_OK)
		err = kg_crew_tell_ready(&o->agents[i], m->json);
	if (err != KG_OK) {
		kg_log_err(KG_LOG_WARN, "message.refused");
		kg_orchestrator__to_client(o, m, KG_MESSAGE_FAILED, kg_message_failure(err));
		return;
	}
	if (o->agents[i].state == KG_CREW_STARTING) {
		kg_orchestrator__move_agent(o, i, KG_CREW_ANSWER);
		o->agents[i].why[0] = '\0';
		kg_log(KG_LOG_INFO, "agent.ready", "name=%s ms=%lld", o->agents[i].name,
		       (long long)(kg_clock_mono_ms() - o->processes[i].started_ms));
	}
}

static void on_said(kg_orchestrator *o, unsigned i, const kg_message *m)
{
	kg_message client = {0};

	if (kg_relay_take(&o->relay, &client, i, m->id))
		kg_orchestrator__to_client(o, &client, m->kind, json_incref(m->json));
}

static void on_agent(kg_orchestrator *o, kg_message *m)
{
	unsigned i = agent_index(o, m->from);
	kg_orchestrator_process *p = &o->processes[i];

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
		kg_orchestrator__to_client(o, m, KG_MESSAGE_BEAT, json_object());
	} else if ((m->id & KG_RELAY_BIT) != 0) {
		on_said(o, i, m);
	} else {
		o->agents[i].answers += m->kind == KG_MESSAGE_THOUGHT;
		if (kg_docket_hear(o->docket, i, m, p->heard_ms) != KG_OK)
			kg_log_err(KG_LOG_WARN, "round.lost");
	}
}

void kg_orchestrator__hear_keeper(void *data, kg_message *m)
{
	kg_orchestrator *o = data;

	o->keeper.heard_ms = kg_clock_mono_ms();
	o->keeper.suspected = false;
	if (o->keeper_state == KG_CREW_STARTING && m->kind == KG_MESSAGE_BEAT) {
		if (kg_crew_move(&o->keeper_state, KG_CREW_ANSWER) == KG_OK)
			kg_log(KG_LOG_INFO, "keeper.ready", "pid=%d", (int)o->keeper.child.pid);
	}
}

void kg_orchestrator__hear(kg_orchestrator *o)
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
		kg_orchestrator__hear_keeper(o, &m);
		kg_message_release(&m);
	}
	(void)kg_feed_step(o->feed);
}
