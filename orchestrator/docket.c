/* SPDX-License-Identifier: MIT */
#include "orchestrator/docket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/exchange.h"
#include "orchestrator/round.h"

enum {
	PUBLISH_MS = 10000,
	REASSURE_MS = 5000 /* between words to clients that wait: they take silence for death */
};

/* A question, and where its answer goes. */
typedef struct {
	kg_message client; /* without its body */
	kg_question question;
} inquiry;

struct kg_docket {
	kg_docket_port port;
	const kg_crew_agent *agents;
	unsigned count;
	int64_t think_ms;
	inquiry queue[KG_DOCKET_MAX]; /* oldest first */
	size_t queued;
	bool ended;
	uint64_t rounds;
	int64_t reassured_ms;
	/* The round that is open, when `round` is not NULL. */
	kg_round *round;
	inquiry inquiry;
	kg_round_stage stage; /* that the agents were told */
	size_t done;          /* that the client was told */
	char id[KG_ROUND_ID_SIZE];
	uint64_t seed;
	int64_t started_ms;
	int64_t deadline_ms; /* of the stage */
};

static const char *const stages[] = {"thinking", "scoring", "publishing"};

kg_err kg_docket_new(kg_docket **out, const kg_docket_port *port, const kg_crew_agent *agents,
		     unsigned count, int64_t think_ms)
{
	kg_docket *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the docket");
	d->port = *port;
	d->agents = agents;
	d->count = count;
	d->think_ms = think_ms;
	*out = d;
	return KG_OK;
}

void kg_docket_free(kg_docket *docket)
{
	if (docket == NULL)
		return;
	for (size_t i = 0; i < docket->queued; i++)
		kg_question_release(&docket->queue[i].question);
	kg_question_release(&docket->inquiry.question);
	kg_round_free(docket->round);
	free(docket);
}

static void refuse(kg_docket *d, const kg_message *client, kg_err code)
{
	d->port.to_client(d->port.data, client, KG_MESSAGE_FAILED, kg_message_failure(code));
}

static void progress(kg_docket *d, const kg_message *client, const char *stage, size_t done,
		     size_t of)
{
	d->port.to_client(d->port.data, client, KG_MESSAGE_PROGRESS,
			  json_pack("{s:s, s:I, s:I}", "stage", stage, "done", (json_int_t)done,
				    "of", (json_int_t)of));
}

/* Takes the oldest question off the queue. */
static inquiry take_first(kg_docket *d)
{
	inquiry first = d->queue[0];

	d->queued--;
	memmove(d->queue, d->queue + 1, d->queued * sizeof(d->queue[0]));
	return first;
}

static void send(kg_docket *d, size_t slot, kg_message_kind kind, json_t *body)
{
	unsigned agent = kg_round_agent(d->round, slot);

	if (d->port.to_agent(d->port.data, agent, kind, d->rounds, body) != KG_OK)
		kg_round_lose(d->round, slot, kg_err_text());
}

/* What the stage asks of every agent that owes it. */
static void ask_agents(kg_docket *d, int64_t now_ms)
{
	int64_t patience = d->stage == KG_ROUND_PUBLISHING ? PUBLISH_MS : d->think_ms;

	d->deadline_ms = now_ms + patience;
	d->done = 0;
	for (size_t i = 0; i < kg_round_count(d->round); i++) {
		uint64_t seed = kg_exchange_agent_seed(d->seed, kg_round_agent(d->round, i));

		/* Losing the last one that owes ends the stage: then the rest is not asked. */
		if (kg_round_get_stage(d->round) != d->stage)
			break;
		if (!kg_round_is_owing(d->round, i))
			continue;
		if (d->stage == KG_ROUND_THINKING)
			send(d, i, KG_MESSAGE_THINK,
			     kg_exchange_think(d->id, &d->inquiry.question, seed, patience));
		else if (d->stage == KG_ROUND_SCORING)
			send(d, i, KG_MESSAGE_SCORE,
			     kg_exchange_score(d->id, &d->inquiry.question, d->round));
		else
			send(d, i, KG_MESSAGE_SETTLE, kg_exchange_settle(d->id, d->round, i));
	}
}

static void answer(kg_docket *d, int64_t now_ms)
{
	const char *names[KG_ROUND_AGENTS_MAX];
	json_t *body;

	if (d->stage == KG_ROUND_FAILED) {
		refuse(d, &d->inquiry.client,
		       kg_fail(KG_EFAIL, "no agent is left in the round; the last one: %s",
			       kg_round_why(d->round)));
		return;
	}
	for (size_t i = 0; i < kg_round_count(d->round); i++)
		names[i] = d->agents[kg_round_agent(d->round, i)].name;
	body = kg_round_json(d->round, names, (double)(now_ms - d->started_ms) / 1000);
	if (body != NULL)
		(void)json_object_set_new(body, "round", json_string(d->id));
	d->port.to_client(d->port.data, &d->inquiry.client, KG_MESSAGE_ANSWER, body);
}

static void close_round(kg_docket *d)
{
	for (size_t i = 0; i < kg_round_count(d->round); i++) {
		unsigned agent = kg_round_agent(d->round, i);

		if (d->agents[agent].state == KG_CREW_BUSY)
			d->port.move(d->port.data, agent, KG_CREW_REST);
	}
	kg_question_release(&d->inquiry.question);
	kg_round_free(d->round);
	d->round = NULL;
}

/* Brings agents and client up to what the round has come to. */
static void follow(kg_docket *d, int64_t now_ms)
{
	size_t done;
	size_t of;

	while (d->stage != kg_round_get_stage(d->round)) {
		d->stage = kg_round_get_stage(d->round);
		if (d->stage >= KG_ROUND_DONE) {
			answer(d, now_ms);
			close_round(d);
			return;
		}
		ask_agents(d, now_ms);
		kg_round_progress(d->round, &done, &of);
		progress(d, &d->inquiry.client, stages[d->stage], done, of);
	}
	kg_round_progress(d->round, &done, &of);
	if (done != d->done)
		progress(d, &d->inquiry.client, stages[d->stage], done, of);
	d->done = done;
}

void kg_docket_lose(kg_docket *docket, unsigned agent, const char *why, int64_t now_ms)
{
	size_t slot;

	if (docket->round == NULL)
		return;
	slot = kg_round_slot(docket->round, agent);
	if (slot == kg_round_count(docket->round))
		return;
	kg_round_lose(docket->round, slot, why);
	follow(docket, now_ms);
}

kg_err kg_docket_hear(kg_docket *docket, unsigned agent, const kg_message *m, int64_t now_ms)
{
	kg_round *r = docket->round;
	kg_err err = KG_OK;
	size_t slot;

	/* The id is the round's number: what belongs to an earlier one is too late. */
	if (r == NULL || m->id != docket->rounds)
		return KG_OK;
	slot = kg_round_slot(r, agent);
	if (slot == kg_round_count(r))
		return KG_OK;
	if (m->kind == KG_MESSAGE_THOUGHT)
		err = kg_exchange_thought(r, slot, docket->id, m->json);
	else if (m->kind == KG_MESSAGE_SCORES)
		err = kg_exchange_scores(r, slot, docket->id, m->json);
	else if (m->kind == KG_MESSAGE_PUBLISHED)
		err = kg_exchange_published(r, slot, docket->id, m->json);
	else if (m->kind == KG_MESSAGE_FAILED && kg_round_is_owing(r, slot))
		err = kg_message_fail(m);
	if (err == KG_ECONFLICT && m->kind != KG_MESSAGE_FAILED)
		err = KG_OK; /* after its deadline */
	if (err != KG_OK)
		kg_round_lose(r, slot, kg_err_text());
	follow(docket, now_ms);
	return err;
}

void kg_docket_ask(kg_docket *docket, const kg_message *message)
{
	inquiry *q = &docket->queue[docket->queued];
	kg_err err;

	if (docket->ended) {
		refuse(docket, message, kg_fail(KG_EFAIL, "the swarm is shutting down"));
		return;
	}
	if (docket->queued == KG_DOCKET_MAX) {
		refuse(docket, message,
		       kg_fail(KG_EFULL, "%d questions are waiting already", KG_DOCKET_MAX));
		return;
	}
	err = kg_question_read(&q->question, message->json);
	if (err != KG_OK) {
		refuse(docket, message, err);
		return;
	}
	q->client = *message;
	q->client.json = NULL;
	q->client.data = NULL;
	docket->queued++;
}

/* The k agents that are ready and have answered least, in order of their numbers; how many. */
static size_t choose(const kg_docket *d, unsigned k, unsigned chosen[KG_ROUND_AGENTS_MAX])
{
	bool taken[KG_CREW_MAX] = {false};
	size_t count = 0;

	if (k == 0)
		k = KG_ROUND_AGENTS_MAX;
	for (; count < k; count++) {
		unsigned best = d->count;

		for (unsigned i = 0; i < d->count; i++)
			if (d->agents[i].state == KG_CREW_READY && !taken[i] &&
			    (best == d->count || d->agents[i].answers < d->agents[best].answers))
				best = i;
		if (best == d->count)
			break;
		taken[best] = true;
	}
	count = 0;
	for (unsigned i = 0; i < d->count; i++)
		if (taken[i])
			chosen[count++] = i;
	return count;
}

static bool anyone_may_come(const kg_docket *d)
{
	for (unsigned i = 0; i < d->count; i++)
		if (d->agents[i].state != KG_CREW_PARKED)
			return true;
	return false;
}

static void open_round(kg_docket *d, const unsigned *chosen, size_t count, int64_t now_ms)
{
	inquiry first = take_first(d);
	kg_err err = kg_round_new(&d->round, chosen, count);

	if (err != KG_OK) {
		refuse(d, &first.client, err);
		kg_question_release(&first.question);
		return;
	}
	d->inquiry = first;
	d->rounds++;
	d->seed = first.question.has_seed ? first.question.seed : d->port.random(d->port.data);
	(void)snprintf(d->id, sizeof(d->id), "%016llx",
		       (unsigned long long)d->port.random(d->port.data));
	d->started_ms = now_ms;
	d->stage = KG_ROUND_THINKING;
	for (size_t i = 0; i < count; i++)
		d->port.move(d->port.data, chosen[i], KG_CREW_WORK);
	progress(d, &d->inquiry.client, stages[d->stage], 0, count);
	ask_agents(d, now_ms);
	follow(d, now_ms);
}

/* The next question, when there is one and somebody to answer it. */
static void next(kg_docket *d, int64_t now_ms)
{
	unsigned chosen[KG_ROUND_AGENTS_MAX];
	size_t count;

	if (d->round != NULL || d->queued == 0)
		return;
	count = choose(d, d->queue[0].question.k, chosen);
	if (count > 0) {
		open_round(d, chosen, count, now_ms);
	} else if (!anyone_may_come(d)) {
		inquiry first = take_first(d);

		refuse(d, &first.client,
		       kg_fail(KG_EFAIL, "every agent is parked: %s", d->agents[0].why));
		kg_question_release(&first.question);
	}
}

static void reassure(kg_docket *d, int64_t now_ms)
{
	size_t done;
	size_t of;

	if (now_ms - d->reassured_ms < REASSURE_MS)
		return;
	d->reassured_ms = now_ms;
	if (d->round != NULL) {
		kg_round_progress(d->round, &done, &of);
		progress(d, &d->inquiry.client, stages[d->stage], done, of);
	}
	for (size_t i = 0; i < d->queued; i++)
		progress(d, &d->queue[i].client, "waiting", i, d->queued);
}

void kg_docket_tick(kg_docket *docket, int64_t now_ms)
{
	if (docket->round != NULL && now_ms >= docket->deadline_ms) {
		kg_round_expire(docket->round);
		follow(docket, now_ms);
	}
	next(docket, now_ms);
	reassure(docket, now_ms);
}

void kg_docket_end(kg_docket *docket)
{
	docket->ended = true;
	while (docket->queued > 0) {
		inquiry first = take_first(docket);

		refuse(docket, &first.client, kg_fail(KG_EFAIL, "the swarm is shutting down"));
		kg_question_release(&first.question);
	}
	if (docket->round != NULL) {
		refuse(docket, &docket->inquiry.client,
		       kg_fail(KG_EFAIL, "the swarm is shutting down"));
		close_round(docket);
	}
}

uint64_t kg_docket_rounds(const kg_docket *docket)
{
	return docket->rounds;
}
