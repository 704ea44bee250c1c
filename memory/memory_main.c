/* SPDX-License-Identifier: MIT */
#include "memory/memory_main.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "bus/bus.h"
#include "bus/feed.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "identity/secret.h"
#include "memory/admit.h"
#include "memory/memory.h"
#include "memory/view.h"

enum {
	TICK_MS = 1000,  /* how often what failed to reach git is tried again */
	BATCH_MAX = 256, /* messages judged before the journal is synced */
	BATCH_BYTES_MAX = 8 << 20,
	RECALLED_MAX = 3500000 /* bytes of an answer: below what the kind allows */
};

/* A submission of the batch that waits for the journal. */
typedef struct {
	kg_message message;
	kg_receipt receipt;
} submission;

typedef struct {
	kg_launch *launch;
	kg_memory *memory;
	kg_bus *bus;
	kg_socket *server;
	kg_socket *feed;
	submission *batch; /* BATCH_MAX */
	size_t batch_count;
	size_t batch_bytes;
	uint64_t drops_told;
	bool behind; /* git could not take the last flush */
	bool stop;
} keeper;

static volatile sig_atomic_t terminated;

static void on_signal(int number)
{
	(void)number;
	terminated = 1;
}

static void ignore_failure(kg_err err, const char *what)
{
	if (err != KG_OK)
		kg_log(KG_LOG_DEBUG, "answer.lost", "what=%s ignoring why=\"%s\"", what,
		       kg_err_text());
}

static void reply(keeper *k, const kg_message *message, kg_message_kind kind, json_t *body)
{
	ignore_failure(kg_socket_reply(k->server, message, kind, body), kg_message_name(kind));
}

static void refuse(keeper *k, const kg_message *message, kg_err code)
{
	ignore_failure(kg_socket_reply_failed(k->server, message, code), "failed");
}

static json_t *hex_json(const uint8_t *data, size_t size)
{
	char text[2 * KG_HASH_SIZE + 1];

	kg_hex_encode(text, data, size);
	return json_string(text);
}

/* ---- taking in ---- */

static void take_submission(keeper *k, kg_message *message)
{
	submission *s = &k->batch[k->batch_count];
	char quoted[256];
	kg_err err = kg_memory_submit(k->memory, &s->receipt, message->data, message->size,
				      kg_clock_wall_ms());

	if (err != KG_OK) {
		kg_log(KG_LOG_WARN, "entry.refused", "from=%s code=%s why=%s", message->from,
		       kg_err_name(err), kg_log_quote(quoted, sizeof(quoted), kg_err_text()));
		refuse(k, message, err);
		return;
	}
	k->batch_bytes += message->size;
	s->message = *message;
	memset(message, 0, sizeof(*message));
	k->batch_count++;
}

static void acknowledge(keeper *k, const submission *s)
{
	const kg_receipt *r = &s->receipt;

	reply(k, &s->message, KG_MESSAGE_ACK,
	      json_pack("{s:o, s:o, s:o, s:I, s:I}", "id", hex_json(r->id.bytes, KG_HASH_SIZE),
			"commit", hex_json(r->commit.bytes, KG_COMMIT_SIZE), "agent",
			hex_json(r->agent.bytes, KG_PUBKEY_SIZE), "sequence",
			(json_int_t)r->sequence, "time_ms", (json_int_t)r->time_ms));
}

static void announce(keeper *k, const submission *s)
{
	kg_entry_proof proof;
	kg_entry entry;

	if (s->receipt.known ||
	    kg_entry_open_unverified(&entry, &proof, s->message.data, s->message.size) != KG_OK)
		return;
	ignore_failure(kg_socket_send_json(k->feed, NULL, KG_MESSAGE_ENTRY,
					   kg_socket_next_id(k->feed),
					   kg_view_news(&entry, &proof)),
		       "entry");
	kg_entry_release(&entry);
}

/* What is durable goes to git and the index; that failing is told once, and tried every tick. */
static void flush(keeper *k)
{
	kg_err err = kg_memory_flush(k->memory);

	if (err != KG_OK && !k->behind)
		kg_log_err(KG_LOG_ERROR, "memory.behind");
	else if (err == KG_OK && k->behind)
		kg_log(KG_LOG_INFO, "memory.caught_up", "entries=%llu",
		       (unsigned long long)kg_memory_count(k->memory));
	k->behind = err != KG_OK;
}

/* The journal is synced once for the whole batch; then, and only then, it is acknowledged. Git and
 * index come before the answer, so that whoever has it finds the entry there. */
static void finish_batch(keeper *k)
{
	kg_err err = k->batch_count > 0 ? kg_memory_commit(k->memory) : KG_OK;

	if (err != KG_OK)
		kg_log_err(KG_LOG_ERROR, "journal.failed");
	for (size_t i = 0; err != KG_OK && i < k->batch_count; i++)
		refuse(k, &k->batch[i].message, err);
	flush(k);
	for (size_t i = 0; err == KG_OK && i < k->batch_count; i++) {
		acknowledge(k, &k->batch[i]);
		announce(k, &k->batch[i]);
	}
	for (size_t i = 0; i < k->batch_count; i++)
		kg_message_release(&k->batch[i].message);
	k->batch_count = 0;
	k->batch_bytes = 0;
}

/* ---- answering ---- */

static kg_err answer_head(keeper *k, const kg_message *message)
{
	kg_chain_head head;
	kg_entry_id id;
	kg_pubkey agent;
	const char *text = NULL;
	bool any;
	kg_err err = kg_json_get_text(&text, message->json, "agent", KG_PUBKEY_TEXT_SIZE);

	if (err == KG_OK)
		err = kg_pubkey_parse(&agent, text);
	if (err == KG_OK)
		err = kg_memory_head(k->memory, &head, &id, &agent);
	if (err != KG_OK)
		return err;
	any = head.sequence > 0;
	reply(k, message, KG_MESSAGE_HEAD_IS,
	      json_pack("{s:I, s:o, s:I, s:I, s:o}", "sequence", (json_int_t)head.sequence,
			"commit", any ? hex_json(head.commit.bytes, KG_COMMIT_SIZE) : json_null(),
			"time_ms", (json_int_t)head.time_ms, "counter",
			(json_int_t)head.time_counter, "entry",
			any ? hex_json(id.bytes, KG_HASH_SIZE) : json_null()));
	return KG_OK;
}

static kg_err answer_heads(keeper *k, const kg_message *message)
{
	json_t *list = json_array();
	kg_entry_head *heads = NULL;
	size_t count = 0;
	kg_err err = kg_memory_heads(k->memory, &heads, &count);

	for (size_t i = 0; err == KG_OK && i < count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:o, s:I, s:o}", "agent",
					hex_json(heads[i].agent.bytes, KG_PUBKEY_SIZE), "sequence",
					(json_int_t)heads[i].sequence, "commit",
					hex_json(heads[i].commit.bytes, KG_COMMIT_SIZE)));
	free(heads);
	if (err == KG_OK)
		reply(k, message, KG_MESSAGE_HEADS_ARE, json_pack("{s:O}", "heads", list));
	json_decref(list);
	return err;
}

static bool has(const kg_message *message, const char *key)
{
	json_t *value = json_object_get(message->json, key);

	return value != NULL && !json_is_null(value);
}

static kg_err read_filter(kg_index_filter *f, kg_pubkey *agent, const kg_message *message)
{
	const char *text = NULL;
	double hours = 0;
	int64_t limit = 0;
	kg_err err = KG_OK;

	if (has(message, "query"))
		err = kg_json_get_text(&f->query, message->json, "query", KG_INDEX_QUERY_MAX);
	if (err == KG_OK && has(message, "tag"))
		err = kg_json_get_text(&f->tag, message->json, "tag", KG_ENTRY_TAG_MAX);
	if (err == KG_OK && has(message, "type")) {
		err = kg_json_get_text(&text, message->json, "type", 32);
		if (err == KG_OK)
			err = kg_entry_type_parse(&f->type, text);
		f->has_type = true;
	}
	if (err == KG_OK && has(message, "agent")) {
		err = kg_json_get_text(&text, message->json, "agent", KG_PUBKEY_TEXT_SIZE);
		if (err == KG_OK && kg_pubkey_parse(agent, text) == KG_OK)
			f->agent = agent;
		else if (err == KG_OK)
			f->agent_name = text;
	}
	if (err == KG_OK && has(message, "hours")) {
		err = kg_json_get_double(&hours, message->json, "hours", 0, 1e6);
		f->since_ms = kg_clock_wall_ms() - (int64_t)(hours * 3600e3);
	}
	if (err == KG_OK && has(message, "min_consciousness")) {
		err = kg_json_get_double(&f->level_min, message->json, "min_consciousness", 0, 1);
		f->has_level_min = true;
	}
	if (err == KG_OK && has(message, "limit")) {
		err = kg_json_get_i64(&limit, message->json, "limit", 1, KG_INDEX_LIMIT_MAX);
		f->limit = (size_t)limit;
	}
	return err;
}

static void drop_unverified(kg_index_rows *rows)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->count; i++) {
		if (rows->rows[i].verified)
			rows->rows[kept++] = rows->rows[i];
		else
			kg_entry_release(&rows->rows[i].entry);
	}
	rows->count = kept;
}

static kg_err answer_recall(keeper *k, const kg_message *message)
{
	kg_index_filter filter = {0};
	kg_index_rows rows = {0};
	kg_pubkey agent;
	kg_err err = read_filter(&filter, &agent, message);

	/* An agent asks with a whole question, of which hardly an entry has every word. */
	filter.any_word = kg_role_of(message->from) == KG_ROLE_AGENT;
	if (err == KG_OK)
		err = kg_memory_recall(k->memory, &rows, &filter);
	if (err != KG_OK)
		return err;
	/* An agent believes what it reads. */
	if (kg_role_of(message->from) == KG_ROLE_AGENT)
		drop_unverified(&rows);
	reply(k, message, KG_MESSAGE_RECALLED, kg_view_rows(&rows, RECALLED_MAX));
	kg_index_rows_release(&rows);
	return KG_OK;
}

static kg_err answer_beat(keeper *k, const kg_message *message)
{
	reply(k, message, KG_MESSAGE_BEAT,
	      json_pack("{s:I}", "entries", (json_int_t)kg_memory_count(k->memory)));
	return KG_OK;
}

static void handle(keeper *k, kg_message *message)
{
	kg_err err;

	if (message->kind == KG_MESSAGE_SUBMIT) {
		take_submission(k, message);
		return;
	}
	/* No answer may rest on what is not durable yet. */
	finish_batch(k);
	switch (message->kind) {
	case KG_MESSAGE_HEAD:
		err = answer_head(k, message);
		break;
	case KG_MESSAGE_HEADS:
		err = answer_heads(k, message);
		break;
	case KG_MESSAGE_RECALL:
		err = answer_recall(k, message);
		break;
	case KG_MESSAGE_BEAT:
		err = answer_beat(k, message);
		break;
	case KG_MESSAGE_STOP:
		k->stop = true;
		return;
	default:
		return;
	}
	if (err != KG_OK)
		refuse(k, message, err);
}

/* Everything that waits, up to one batch. */
static void serve(keeper *k)
{
	for (size_t n = 0; n < BATCH_MAX && k->batch_bytes < BATCH_BYTES_MAX; n++) {
		kg_message message = {0};

		if (kg_socket_receive(k->server, &message, 0) != KG_OK)
			break;
		handle(k, &message);
		kg_message_release(&message);
	}
	finish_batch(k);
}

static void tell_drops(keeper *k)
{
	const kg_socket_drop *drops = kg_socket_drops(k->server);
	char why[256];

	if (drops->count == k->drops_told)
		return;
	kg_log(KG_LOG_WARN, "message.dropped", "from=%s count=%llu why=%s", drops->from,
	       (unsigned long long)(drops->count - k->drops_told),
	       kg_log_quote(why, sizeof(why), drops->why));
	k->drops_told = drops->count;
}

static kg_err loop(keeper *k)
{
	while (!k->stop && !terminated) {
		kg_wait items[2] = {{.socket = k->server}, {.fd = k->launch->life_fd}};
		kg_err err = kg_socket_wait(items, 2, TICK_MS);

		if (err != KG_OK)
			return err;
		serve(k);
		tell_drops(k);
		if (items[1].ready)
			k->stop = true;
	}
	return KG_OK;
}

/* ---- beginning and end ---- */

static void set_log_level(const keeper *k)
{
	kg_log_level level;

	if (k->launch->conf != NULL &&
	    kg_log_level_parse(&level, kg_conf_text(k->launch->conf, "log.level")) == KG_OK)
		kg_log_init("keeper", level);
}

static kg_err open_memory(keeper *k)
{
	kg_memory_options options = {
		.ahead_ms_max = k->launch->conf != NULL
					? kg_conf_int(k->launch->conf, "memory.clock_ahead_ms")
					: KG_ADMIT_AHEAD_MS,
	};
	kg_memory_report r;
	kg_err err =
		kg_memory_open(&k->memory, k->launch->state_dir, &k->launch->swarm, &options, &r);

	if (err != KG_OK)
		return err;
	kg_log(r.dropped + r.damaged > 0 ? KG_LOG_WARN : KG_LOG_INFO, "memory.opened",
	       "entries=%llu recovered=%llu torn_bytes=%llu dropped=%llu damaged=%llu",
	       (unsigned long long)r.entries, (unsigned long long)r.recovered,
	       (unsigned long long)r.torn_bytes, (unsigned long long)r.dropped,
	       (unsigned long long)r.damaged);
	return KG_OK;
}

static kg_err open_bus(keeper *k)
{
	kg_launch *l = k->launch;
	kg_peer *peers = calloc(l->member_count + 1, sizeof(*peers));
	kg_err err;

	if (peers == NULL)
		return kg_fail(KG_ENOMEM, "no memory for peers");
	for (size_t i = 0; i < l->member_count; i++)
		peers[i] = l->members[i].peer;
	err = kg_bus_new(&k->bus, l->name, l->curve);
	if (err == KG_OK)
		err = kg_bus_guard(k->bus, peers, l->member_count);
	if (err == KG_OK)
		err = kg_feed_publish(&k->feed, k->bus, l->feed_in_endpoint, &l->orchestrator);
	if (err == KG_OK)
		err = kg_socket_serve(&k->server, k->bus, l->keeper_endpoint);
	free(peers);
	return err;
}

static kg_err open_all(keeper *k)
{
	struct sigaction action = {.sa_handler = on_signal};
	kg_err err = kg_identity_init();

	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A limit on the size of files is met as an error of write, not as the end. */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (err == KG_OK)
		err = kg_launch_read(&k->launch, KG_LAUNCH_FD);
	if (err == KG_OK)
		set_log_level(k);
	k->batch = calloc(BATCH_MAX, sizeof(*k->batch));
	if (err == KG_OK && k->batch == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for a batch");
	if (err == KG_OK)
		err = open_memory(k);
	if (err == KG_OK)
		err = open_bus(k);
	if (err == KG_OK && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		kg_log(KG_LOG_WARN, "privileges.kept", "ignoring");
	return err;
}

static void close_all(keeper *k)
{
	kg_socket_free(k->server);
	kg_socket_free(k->feed);
	kg_bus_free(k->bus);
	kg_memory_free(k->memory);
	kg_launch_free(k->launch);
	free(k->batch);
}

int kg_keeper_main(void)
{
	keeper k = {0};
	kg_err err;

	kg_log_init("keeper", KG_LOG_INFO);
	err = open_all(&k);
	if (err == KG_OK) {
		kg_log(KG_LOG_INFO, "keeper.ready", "endpoint=%s", k.launch->keeper_endpoint);
		err = loop(&k);
		serve(&k);
	}
	if (err == KG_OK)
		err = kg_memory_settle(k.memory);
	if (err != KG_OK)
		kg_log_err(KG_LOG_ERROR, "keeper.failed");
	else
		kg_log(KG_LOG_INFO, "keeper.stopped", "entries=%llu",
		       (unsigned long long)kg_memory_count(k.memory));
	close_all(&k);
	return err == KG_OK ? KG_EXIT_YES : KG_EXIT_TROUBLE;
}
