/* SPDX-License-Identifier: MIT */
#include "agent/agent_main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/genome.h"
#include "agent/life.h"
#include "agent/post_main.h"
#include "agent/record.h"
#include "agent/speech.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "bus/bus.h"
#include "bus/feed.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "runtime/kernel.h"
#include "runtime/nursery.h"

enum {
	BEAT_MS = 1000,
	PUMP_MS = 50,          /* between looks at the sockets while thinking */
	SILENCE_MS = 10000,    /* of the orchestrator: it is gone */
	LOCK_MS = 5000,        /* for whoever signs with this key just now to end */
	START_ASK_MS = 500,    /* one question to the keeper at the start */
	FLUSH_MS = 3000,       /* for the outbox at the end */
	PSS_MS = 5000,         /* between readings of the proportional memory */
	SETTLE_MS = 2000,      /* an evaluation waits this long for acknowledgements */
	QUEUE_MAX = 64,        /* requests waiting */
	PUBLICATIONS_MAX = 16, /* settled rounds waiting for the keeper */
	SAYINGS_MAX = 64,      /* entries said for someone else, waiting for the keeper */
	REMEMBER_MAX = 1000,   /* own entries of a type read at the start */
};

/* A settled round whose entries the keeper has not acknowledged yet. */
typedef struct {
	uint64_t request; /* to be answered; 0 = free */
	char round[KG_ROUND_SIZE];
	uint64_t tickets[KG_SETTLE_ENTRIES_MAX]; /* 0 = done */
	json_t *entries;
} publication;

/* An entry that was given to say. */
typedef struct {
	uint64_t request; /* to be answered; 0 = free */
	uint64_t ticket;
} saying;

typedef struct {
	kg_launch *launch;
	kg_model *model;
	kg_life *life;
	kg_genome genome;
	kg_bus *bus;
	kg_socket *orchestrator;
	kg_socket *keeper;
	kg_socket *feed;
	kg_message queue[QUEUE_MAX]; /* oldest first */
	size_t queued;
	publication publications[PUBLICATIONS_MAX];
	saying sayings[SAYINGS_MAX];
	kg_post post;
	uint64_t birth_ticket;
	char birth[KG_HASH_TEXT_SIZE]; /* id of the birth entry, "" until acknowledged */
	int64_t heard_ms;              /* of the orchestrator, monotonic */
	int64_t beat_ms;
	int64_t settled_ms;
	int64_t pumped_ms;
	int64_t deadline_ms; /* of the thought; 0 = none */
	int64_t pss_ms;
	int64_t pss_bytes;
	uint64_t answers;
	uint64_t evaluations;
	uint64_t drops; /* of the orchestrator's socket, as last logged */
	bool ready;     /* the orchestrator was told */
	bool busy;
	bool stopping;
	bool gone; /* the orchestrator ended */
} agent;

static volatile sig_atomic_t terminated;

static void on_term(int number)
{
	(void)number;
	terminated = 1;
}

/* The first number behind `name` in a file of /proc ("" : the second number of the file, as in
 * statm); 0 where the system does not tell. */
static int64_t proc_number(const char *path, const char *name)
{
	char line[256];
	int64_t number = 0;
	FILE *file = fopen(path, "re");
	if (!file) {
		return 0;
	}
	while (fgets(line, sizeof(line), file)) {
		const char *at = name[0] ? line + strlen(name) : strchr(line, ' ');
		if (at && strncmp(line, name, strlen(name)) == 0) {
			number = strtoll(at, NULL, 10);
			break;
		}
	}
	fclose(file);
	return number;
}

/* Resident and proportional memory of this process. */
static int64_t rss_bytes(void)
{
	return proc_number("/proc/self/statm", "") * sysconf(_SC_PAGESIZE);
}

static int64_t pss_bytes(void)
{
	return proc_number("/proc/self/smaps_rollup", "Pss:") * 1024;
}

/* ---- what is said ---- */

static void send_orchestrator(agent *a, kg_message_kind kind, uint64_t id, json_t *body)
{
	if (kg_socket_send_json(a->orchestrator, NULL, kind, id, body) != KG_OK) {
		kg_log_err(KG_LOG_WARN, "orchestrator.unreachable");
	}
}

static void send_failed(agent *a, uint64_t id, kg_err code)
{
	send_orchestrator(a, KG_MESSAGE_FAILED, id, kg_message_failure(code));
}

static void send_beat(agent *a, int64_t now)
{
	if (now - a->pss_ms >= PSS_MS) {
		a->pss_ms = now;
		a->pss_bytes = pss_bytes();
	}
	json_t *body = json_pack("{s:s, s:I, s:I, s:I}", "state", a->busy ? "busy" : "ready",
				 "answers", (json_int_t)a->answers, "rss_bytes",
				 (json_int_t)rss_bytes(), "pss_bytes", (json_int_t)a->pss_bytes);
	if (body && a->life) {
		json_object_set_new(body, "coefficient",
				    kg_coefficient_json(kg_life_coefficient(a->life)));
		json_object_set_new(body, "level", json_real(kg_life_level(a->life)));
		json_object_set_new(body, "stage",
				    json_string(kg_stage_name(kg_life_stage(a->life))));
	}
	a->beat_ms = now;
	send_orchestrator(a, KG_MESSAGE_BEAT, kg_socket_next_id(a->orchestrator), body);
}

static bool send_ready(agent *a)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	char seed[2 * KG_SEED_SIZE + 1];
	char genome[KG_HASH_TEXT_SIZE];
	char base[KG_HASH_TEXT_SIZE];
	char weights[KG_HASH_TEXT_SIZE];
	uint8_t id[KG_HASH_SIZE];
	kg_mind *mind = kg_life_mind(a->life);
	kg_genome_id(&a->genome, id);
	kg_hex_encode(genome, id, KG_HASH_SIZE);
	kg_hex_encode(base, a->genome.base_digest, KG_HASH_SIZE);
	kg_hex_encode(weights, kg_mind_weights_digest(mind), KG_HASH_SIZE);
	kg_hex_encode(seed, a->genome.seed, KG_SEED_SIZE);
	kg_pubkey_format(key, kg_key_public(a->launch->key));
	json_t *body = json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:f, s:s, s:s, s:I}", "name",
		a->launch->name, "key", key, "pid", (int)getpid(), "genome", genome, "base_digest",
		base, "weights_digest", weights, "strategy", kg_strategy_name(&a->genome.strategy),
		"seed", seed, "coefficient", kg_coefficient_json(kg_life_coefficient(a->life)),
		"level", kg_life_level(a->life), "stage", kg_stage_name(kg_life_stage(a->life)),
		"birth", a->birth, "weights_bytes", (json_int_t)kg_mind_bytes(mind));
	if (kg_socket_send_json(a->orchestrator, NULL, KG_MESSAGE_READY,
				kg_socket_next_id(a->orchestrator), body) != KG_OK) {
		kg_log_err(KG_LOG_WARN, "orchestrator.unreachable");
		return false;
	}
	kg_log(KG_LOG_INFO, "agent.ready", "genome=%.16s weights=%.16s birth=%.16s level=%.4f",
	       genome, weights, a->birth, kg_life_level(a->life));
	return true;
}

/* ---- entries and their acknowledgement ---- */

static void publication_end(agent *a, publication *p)
{
	send_orchestrator(a, KG_MESSAGE_PUBLISHED, p->request,
			  json_pack("{s:s, s:o}", "round", p->round, "entries", p->entries));
	*p = (publication){0};
}

/* Strikes the ticket off; `id` NULL: the entry will never be stored. */
static void publication_strike(agent *a, uint64_t ticket, const kg_entry *entry,
			       const kg_entry_id *id)
{
	for (size_t i = 0; i < PUBLICATIONS_MAX; i++) {
		publication *p = &a->publications[i];
		bool open = false, hit = false;
		for (size_t k = 0; p->request != 0 && k < KG_SETTLE_ENTRIES_MAX; k++) {
			if (p->tickets[k] == ticket) {
				p->tickets[k] = 0;
				hit = true;
			}
			open = open || p->tickets[k] != 0;
		}
		if (hit && id) {
			char text[KG_HASH_TEXT_SIZE];
			kg_entry_id_format(text, id);
			json_array_append_new(p->entries,
					      json_pack("{s:s, s:s}", "id", text, "type",
							kg_entry_type_name(entry->type)));
		}
		if (hit && !open) {
			publication_end(a, p);
		}
	}
}

static void said(agent *a, uint64_t request, const kg_entry *entry, const kg_entry_proof *proof)
{
	char id[KG_HASH_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];
	char key[KG_PUBKEY_TEXT_SIZE];
	kg_entry_id_format(id, &proof->id);
	kg_commit_format(commit, &proof->commit);
	kg_pubkey_format(key, &entry->agent);
	send_orchestrator(a, KG_MESSAGE_SAID, request,
			  json_pack("{s:s, s:s, s:s, s:I, s:I, s:i}", "id", id, "commit", commit,
				    "agent", key, "sequence", (json_int_t)entry->sequence,
				    "time_ms", (json_int_t)entry->time_ms, "counter",
				    (int)entry->time_counter));
}

/* The outbox says: this entry is stored for good. */
static void on_stored(void *data, uint64_t ticket, const kg_entry *entry,
		      const kg_entry_proof *proof)
{
	agent *a = data;
	if (ticket == a->birth_ticket) {
		kg_entry_id_format(a->birth, &proof->id);
	}
	publication_strike(a, ticket, entry, &proof->id);
	for (size_t i = 0; i < SAYINGS_MAX; i++) {
		if (a->sayings[i].request != 0 && a->sayings[i].ticket == ticket) {
			said(a, a->sayings[i].request, entry, proof);
			a->sayings[i] = (saying){0};
		}
	}
}

/* The post says: this entry will never be stored. */
static void on_lost(void *data, uint64_t ticket, kg_err why)
{
	agent *a = data;
	for (size_t i = 0; i < SAYINGS_MAX; i++) {
		if (a->sayings[i].request != 0 && a->sayings[i].ticket == ticket) {
			send_failed(a, a->sayings[i].request, why);
			a->sayings[i] = (saying){0};
		}
	}
	publication_strike(a, ticket, NULL, NULL);
}

/* What the keeper says that nobody waits for just now. */
static void on_keeper(void *data, kg_message *message)
{
	agent *a = data;
	kg_post_hear(&a->post, message, kg_clock_mono_ms());
}

static void on_feed(agent *a, const kg_message *message)
{
	kg_heard *heard = malloc(sizeof(*heard));
	if (heard && message->kind == KG_MESSAGE_ENTRY && a->life) {
		if (kg_heard_read(heard, message->json) == KG_OK) {
			kg_life_hear(a->life, heard);
		} else {
			kg_log_err(KG_LOG_WARN, "message.refused");
		}
	}
	free(heard);
}

/* Signs what it was given to say; the answer follows when it is stored. */
static void on_say(agent *a, const kg_message *message)
{
	kg_entry entry;
	saying *place = NULL;
	for (size_t i = 0; i < SAYINGS_MAX && !place; i++) {
		place = a->sayings[i].request == 0 ? &a->sayings[i] : NULL;
	}
	kg_err err = place && a->ready ? kg_say_read(&entry, message->json)
				       : kg_fail(KG_EFULL, "it has too much to say already");
	if (err == KG_OK) {
		err = kg_life_say(a->life, &entry, kg_clock_wall_ms(), &place->ticket);
	}
	if (err != KG_OK) {
		send_failed(a, message->id, err);
		return;
	}
	place->request = message->id;
	kg_post_send(&a->post, kg_clock_mono_ms());
}

/* ---- looking at the sockets ---- */

static void on_orchestrator(agent *a, kg_message *message)
{
	switch (message->kind) {
	case KG_MESSAGE_STOP:
		a->stopping = true;
		break;
	case KG_MESSAGE_THINK:
	case KG_MESSAGE_SCORE:
	case KG_MESSAGE_SETTLE:
		if (a->queued == QUEUE_MAX) {
			send_failed(a, message->id,
				    kg_fail(KG_EFULL, "%d requests are waiting", QUEUE_MAX));
			break;
		}
		a->queue[a->queued++] = *message;
		*message = (kg_message){0};
		break;
	case KG_MESSAGE_SAY:
		on_say(a, message);
		break;
	default: /* answers to beats: that they came is what they say */
		break;
	}
}

static void drain(agent *a, int64_t now)
{
	kg_message message = {0};
	while (kg_socket_receive(a->orchestrator, &message, 0) == KG_OK) {
		a->heard_ms = now;
		on_orchestrator(a, &message);
		kg_message_release(&message);
	}
	while (kg_socket_receive(a->keeper, &message, 0) == KG_OK) {
		on_keeper(a, &message);
		kg_message_release(&message);
	}
	while (kg_socket_receive(a->feed, &message, 0) == KG_OK) {
		on_feed(a, &message);
		kg_message_release(&message);
	}
	const kg_socket_drop *drops = kg_socket_drops(a->orchestrator);
	if (drops->count != a->drops) {
		char why[160];
		a->drops = drops->count;
		kg_log(KG_LOG_WARN, "message.dropped", "count=%llu from=%s why=%s",
		       (unsigned long long)drops->count, drops->from,
		       kg_log_quote(why, sizeof(why), drops->why));
	}
}

/* Waits up to timeout_ms for anything, takes in all that came, beats, sends what is due. Never
 * thinks. */
static void pump(agent *a, int timeout_ms)
{
	kg_wait items[] = {
		{.socket = a->orchestrator},
		{.socket = a->keeper},
		{.socket = a->feed},
		{.fd = a->launch->life_fd},
	};
	if (kg_socket_wait(items, 4, timeout_ms) != KG_OK) {
		kg_log_err(KG_LOG_ERROR, "socket.failed");
		a->gone = true;
		return;
	}
	int64_t now = kg_clock_mono_ms();
	a->pumped_ms = now;
	a->gone = a->gone || items[3].ready;
	drain(a, now);
	a->stopping = a->stopping || terminated;
	if (now - a->heard_ms > SILENCE_MS) {
		kg_log(KG_LOG_ERROR, "orchestrator.silent", "ms=%lld",
		       (long long)(now - a->heard_ms));
		a->gone = true;
	}
	if (a->gone) {
		return;
	}
	if (now - a->beat_ms >= BEAT_MS) {
		send_beat(a, now);
	}
	kg_post_send(&a->post, now);
}

/* Asked by the mind between tokens. */
static bool while_thinking(void *data)
{
	agent *a = data;
	int64_t now = kg_clock_mono_ms();
	if (now - a->pumped_ms >= PUMP_MS) {
		pump(a, 0);
	}
	return !a->stopping && !a->gone && (a->deadline_ms == 0 || now < a->deadline_ms);
}

/* ---- what is asked ---- */

/* Asks the keeper; NULL when it does not answer in time. */
static json_t *recall(agent *a, json_t *wish, int timeout_ms)
{
	kg_message message = {0};
	json_t *entries = NULL;
	if (!wish || kg_post_is_away(&a->post, kg_clock_mono_ms())) {
		json_decref(wish);
		return NULL;
	}
	kg_err err = kg_socket_ask(a->keeper, KG_MESSAGE_RECALL, wish, timeout_ms, &message,
				   on_keeper, a);
	if (err == KG_ETIMEOUT) {
		kg_post_avoid(&a->post, kg_clock_mono_ms());
	}
	if (err == KG_OK && message.kind == KG_MESSAGE_FAILED) {
		err = kg_message_fail(&message);
	}
	if (err == KG_OK) {
		err = kg_json_get_array(&entries, message.json, "entries", KG_RECALLED_MAX);
	}
	if (err == KG_OK) {
		json_incref(entries);
	} else {
		kg_log_err(KG_LOG_WARN, "recall.failed");
	}
	kg_message_release(&message);
	return err == KG_OK ? entries : NULL;
}

static void on_think(agent *a, const kg_message *message)
{
	kg_think order;
	json_t *thought = NULL;
	kg_err err = kg_think_read(&order, message->json);
	if (err == KG_OK) {
		int64_t start = kg_clock_mono_ms();
		/* Without the keeper it thinks all the same, from what it has. */
		json_t *recalled =
			recall(a, kg_life_wish(a->life, order.prompt),
			       (int)kg_conf_int(a->launch->conf, "agent.recall_timeout_ms"));
		a->deadline_ms = order.deadline_ms > 0 ? start + order.deadline_ms : 0;
		err = kg_life_think(a->life, &order, recalled, kg_clock_wall_ms(), kg_clock_mono_ms,
				    &thought);
		a->deadline_ms = 0;
		json_decref(recalled);
	}
	if (err == KG_OK) {
		a->answers++;
		send_orchestrator(a, KG_MESSAGE_THOUGHT, message->id, thought);
	} else if (!a->stopping && !a->gone) {
		kg_log_err(KG_LOG_WARN, "thought.failed");
		send_failed(a, message->id, err);
	}
}

static void on_score(agent *a, const kg_message *message)
{
	json_t *scores = NULL;
	kg_err err = kg_life_score(a->life, message->json, &scores);
	if (err == KG_OK) {
		send_orchestrator(a, KG_MESSAGE_SCORES, message->id, scores);
	} else if (!a->stopping && !a->gone) {
		kg_log_err(KG_LOG_WARN, "score.failed");
		send_failed(a, message->id, err);
	}
}

static void on_settle(agent *a, const kg_message *message)
{
	kg_settle order;
	publication p = {.request = message->id, .entries = json_array()};
	publication *place = NULL;
	uint32_t count = 0;
	for (size_t i = 0; i < PUBLICATIONS_MAX && !place; i++) {
		place = a->publications[i].request == 0 ? &a->publications[i] : NULL;
	}
	kg_err err = p.entries ? kg_settle_read(&order, message->json)
			       : kg_fail(KG_ENOMEM, "no memory for a publication");
	if (err == KG_OK && !place) {
		err = kg_fail(KG_EFULL, "%d rounds wait for the keeper", PUBLICATIONS_MAX);
	}
	if (err == KG_OK) {
		err = kg_life_settle(a->life, &order, kg_clock_wall_ms(), p.tickets, &count);
	}
	if (err != KG_OK) {
		json_decref(p.entries);
		kg_log_err(KG_LOG_WARN, "settle.failed");
		send_failed(a, message->id, err);
		return;
	}
	memcpy(p.round, order.round, KG_ROUND_SIZE);
	*place = p;
	a->settled_ms = kg_clock_mono_ms();
	if (count == 0) {
		publication_end(a, place);
	} else {
		kg_post_send(&a->post, a->settled_ms);
	}
}

static void work(agent *a)
{
	kg_message message = a->queue[0];
	a->queued--;
	memmove(a->queue, a->queue + 1, a->queued * sizeof(a->queue[0]));
	a->busy = true;
	if (message.kind == KG_MESSAGE_THINK) {
		on_think(a, &message);
	} else if (message.kind == KG_MESSAGE_SCORE) {
		on_score(a, &message);
	} else {
		on_settle(a, &message);
	}
	a->busy = false;
	kg_message_release(&message);
}

/* After a round, when nobody waits: how good am I? */
static void evaluate(agent *a)
{
	uint64_t seed = 0;
	for (size_t i = 0; i < sizeof(seed); i++) {
		seed = seed << 8 | a->genome.seed[i];
	}
	/* Every evaluation other lessons, every agent its own; the wall clock keeps a restarted
	 * agent from taking the same exam again. */
	seed ^= (uint64_t)kg_clock_wall_ms() * UINT64_C(0x9e3779b97f4a7c15) + a->evaluations++;
	a->busy = true;
	if (kg_life_evaluate(a->life, seed, kg_clock_wall_ms()) != KG_OK && !a->stopping &&
	    !a->gone) {
		kg_log_err(KG_LOG_WARN, "evaluation.failed");
	}
	a->busy = false;
}

static bool is_publishing(const agent *a)
{
	for (size_t i = 0; i < PUBLICATIONS_MAX; i++) {
		if (a->publications[i].request != 0) {
			return true;
		}
	}
	return false;
}

static void live(agent *a)
{
	while (!a->stopping && !a->gone && !a->post.closed) {
		pump(a, a->queued > 0 ? 0 : PUMP_MS * 2);
		if (a->stopping || a->gone || a->post.closed) {
			break;
		}
		if (a->queued > 0) {
			work(a);
		} else if (kg_life_is_due(a->life) &&
			   (!is_publishing(a) || kg_clock_mono_ms() - a->settled_ms > SETTLE_MS)) {
			evaluate(a);
		}
	}
}

/* ---- start and end ---- */

static kg_err open_model(agent *a)
{
	const kg_launch *l = a->launch;
	kg_err err = l->model[0] ? kg_model_open(&a->model, l->model) : kg_nursery_open(&a->model);
	if (err != KG_OK) {
		return err;
	}
	kg_genome *g = &a->genome;
	err = kg_base_digest(g->base_digest, a->model);
	if (err == KG_OK) {
		err = kg_genome_choose(g, a->model, l->strategy, l->genome_label);
	}
	if (err != KG_OK) {
		return err;
	}
	const kg_life_options options = {
		.name = l->name,
		.swarm = &l->swarm,
		.key = l->key,
		.model = a->model,
		.genome = g,
		.conf = l->conf,
	};
	err = kg_life_new(&a->life, &options);
	if (err == KG_OK) {
		kg_mind_set_pause(kg_life_mind(a->life), while_thinking, a);
	}
	return err;
}

static kg_err connect_all(agent *a)
{
	const kg_launch *l = a->launch;
	kg_err err = kg_bus_new(&a->bus, l->name, l->curve);
	if (err == KG_OK) {
		err = kg_socket_dial(&a->orchestrator, a->bus, l->orchestrator_endpoint,
				     &l->orchestrator);
	}
	if (err == KG_OK) {
		err = kg_socket_dial(&a->keeper, a->bus, l->keeper_endpoint, &l->keeper);
	}
	a->post = (kg_post){
		.keeper = a->keeper, .agent = kg_key_public(l->key), .lost = on_lost, .data = a};
	if (err == KG_OK) {
		err = kg_feed_listen(&a->feed, a->bus, l->feed_endpoint, &l->orchestrator);
	}
	return err;
}

/* Asks the keeper until it answers well; false when it is time to go instead. `*out` is to be
 * released. */
static bool insist(agent *a, kg_message_kind kind, json_t *body, kg_message *out)
{
	bool told = false;
	kg_err err = KG_ENOMEM;
	while (body && !a->stopping && !a->gone && !a->post.closed) {
		err = kg_socket_ask(a->keeper, kind, json_incref(body), START_ASK_MS, out,
				    on_keeper, a);
		if (err == KG_OK && out->kind == KG_MESSAGE_FAILED) {
			err = kg_message_fail(out);
			kg_message_release(out);
		}
		if (err == KG_OK) {
			break;
		}
		if (err == KG_EDENIED && kg_post_is_closed()) {
			a->post.closed = true;
			break;
		}
		if (!told) {
			kg_log_err(KG_LOG_INFO, "keeper.waited");
		}
		told = true;
		pump(a, PUMP_MS);
	}
	json_decref(body);
	return err == KG_OK;
}

/* Own entries of a type (or with a tag) from the keeper, remembered; `*first` gets the id of the
 * newest. False when it is time to go. */
static bool remember(agent *a, const char *type, const char *tag, int limit, char *first)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	kg_message message = {0};
	json_t *entries = NULL;
	kg_pubkey_format(key, kg_key_public(a->launch->key));
	json_t *wish = json_pack("{s:s, s:s, s:i}", "agent", key, "type", type, "limit", limit);
	if (wish && tag) {
		json_object_set_new(wish, "tag", json_string(tag));
	}
	if (!insist(a, KG_MESSAGE_RECALL, wish, &message)) {
		return false;
	}
	kg_heard *heard = malloc(sizeof(*heard));
	if (kg_json_get_array(&entries, message.json, "entries", (size_t)limit) == KG_OK && heard) {
		for (size_t i = 0; i < json_array_size(entries); i++) {
			if (kg_heard_read(heard, json_array_get(entries, i)) != KG_OK) {
				kg_log_err(KG_LOG_WARN, "message.refused");
				continue;
			}
			kg_life_remember(a->life, heard);
			if (first && first[0] == '\0') {
				kg_entry_id_format(first, &heard->id);
			}
		}
	}
	free(heard);
	kg_message_release(&message);
	return true;
}

/* Another process may be signing with this key: it is waited for, a little. */
static kg_err join(agent *a)
{
	int64_t until = kg_clock_mono_ms() + LOCK_MS;
	kg_err err;
	do {
		err = kg_life_join(a->life, a->launch->state_dir, on_stored, a);
		if (err == KG_ECONFLICT) {
			pump(a, PUMP_MS);
		}
	} while (err == KG_ECONFLICT && !a->stopping && !a->gone && kg_clock_mono_ms() < until);
	return err;
}

/* The end of the own chain, asked for once nobody else signs for it. */
static kg_err find_place(agent *a, const kg_message *message, bool *has_past)
{
	kg_chain_head head;
	bool moved;
	kg_outbox *outbox = kg_life_outbox(a->life);
	kg_err err = kg_head_read(&head, message->json);
	if (err == KG_OK) {
		err = kg_outbox_rebase(outbox, &head, kg_clock_wall_ms(), &moved);
	}
	if (err == KG_OK) {
		a->post.outbox = outbox;
		*has_past = head.sequence > 0 || kg_outbox_count(outbox) > 0;
	}
	return err;
}

/* Finds its place on its chain; born there when this genome never was. False: time to go. */
static bool arrive(agent *a)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	char tag[KG_GENOME_TAG_SIZE];
	kg_message message = {0};
	bool has_past = false;
	kg_pubkey_format(key, kg_key_public(a->launch->key));
	kg_err err = join(a);
	if (err == KG_OK &&
	    !insist(a, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", key), &message)) {
		return false;
	}
	if (err == KG_OK) {
		err = find_place(a, &message, &has_past);
		kg_message_release(&message);
	}
	if (err != KG_OK) {
		kg_log_err(KG_LOG_ERROR, "chain.broken");
		return false;
	}
	/* What the process before this one signed comes first, its birth may be among it. */
	while (kg_outbox_count(a->post.outbox) > 0 && !a->stopping && !a->gone && !a->post.closed) {
		pump(a, PUMP_MS);
	}
	kg_genome_tag(tag, &a->genome);
	if (has_past && !(remember(a, "trace", NULL, 1, NULL) &&
			  remember(a, "learning", NULL, REMEMBER_MAX, NULL) &&
			  remember(a, "insight", NULL, REMEMBER_MAX, NULL) &&
			  remember(a, "birth", tag, 1, a->birth))) {
		return false;
	}
	if (a->birth[0] == '\0' &&
	    kg_life_be_born(a->life, kg_clock_wall_ms(), &a->birth_ticket) != KG_OK) {
		kg_log_err(KG_LOG_ERROR, "birth.failed");
		return false;
	}
	while (a->birth[0] == '\0' && !a->stopping && !a->gone && !a->post.closed) {
		pump(a, PUMP_MS);
	}
	while (!a->ready && !a->stopping && !a->gone && !a->post.closed) {
		a->ready = send_ready(a);
	}
	return a->ready;
}

/* What is signed but not stored gets a last chance. */
static void flush(agent *a)
{
	int64_t until = kg_clock_mono_ms() + FLUSH_MS;
	while (!a->gone && a->post.outbox && kg_outbox_count(a->post.outbox) > 0 &&
	       kg_clock_mono_ms() < until) {
		pump(a, PUMP_MS);
	}
}

static void agent_release(agent *a)
{
	for (size_t i = 0; i < a->queued; i++) {
		kg_message_release(&a->queue[i]);
	}
	for (size_t i = 0; i < PUBLICATIONS_MAX; i++) {
		json_decref(a->publications[i].entries);
	}
	kg_socket_free(a->feed);
	kg_socket_free(a->keeper);
	kg_socket_free(a->orchestrator);
	kg_bus_free(a->bus);
	kg_life_free(a->life);
	kg_model_free(a->model);
	kg_launch_free(a->launch);
}

/* Signals, and what an agent will never need. */
static void settle_process(void)
{
	const struct sigaction term = {.sa_handler = on_term};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	const struct rlimit none = {0, 0};
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGINT, &term, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int kg_agent_main(void)
{
	agent *a = calloc(1, sizeof(*a));
	kg_log_level least = KG_LOG_INFO;
	kg_log_init("agent", least);
	if (!a) {
		kg_log(KG_LOG_ERROR, "agent.failed", "why=\"no memory\"");
		return KG_EXIT_TROUBLE;
	}
	settle_process();
	kg_err err = kg_launch_read(&a->launch, KG_LAUNCH_FD);
	if (err == KG_OK && (strcmp(a->launch->role, "agent") != 0 || !a->launch->key)) {
		err = kg_fail(KG_EINVAL, "this launch document is not an agent's");
	}
	if (err == KG_OK) {
		err = kg_log_level_parse(&least, kg_conf_text(a->launch->conf, "log.level"));
	}
	if (err == KG_OK) {
		kg_log_init(a->launch->name, least);
		const char *kernel = kg_conf_text(a->launch->conf, "runtime.kernel");
		err = kg_kernel_set(strcmp(kernel, "auto") == 0 ? NULL : kernel);
	}
	if (err == KG_OK) {
		a->heard_ms = kg_clock_mono_ms();
		err = connect_all(a);
	}
	if (err == KG_OK) {
		err = open_model(a);
	}
	if (err != KG_OK) {
		kg_log_err(KG_LOG_ERROR, "agent.failed");
		agent_release(a);
		free(a);
		return KG_EXIT_TROUBLE;
	}
	if (arrive(a)) {
		live(a);
		flush(a);
	}
	bool told = a->stopping;
	bool closed = a->post.closed;
	kg_log(closed ? KG_LOG_ERROR : KG_LOG_INFO, "agent.ended", "answers=%llu why=%s",
	       (unsigned long long)a->answers,
	       closed ? "\"its key may not write any more\""
	       : told ? "told"
		      : "orchestrator");
	agent_release(a);
	free(a);
	/* "No" tells the orchestrator that starting it again would change nothing. */
	return closed ? KG_EXIT_NO : told ? KG_EXIT_YES : KG_EXIT_TROUBLE;
}
