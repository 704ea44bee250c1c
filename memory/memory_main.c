/* SPDX-License-Identifier: MIT */
#include "memory/memory_main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

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
#include "memory/reason.h"
#include "memory/view.h"

enum {
	TICK_MS = 1000,  /* how often what failed to reach git is tried again */
	BATCH_MAX = 512, /* messages judged before the journal is synced */
	BATCH_BYTES_MAX = 8 << 20,
	ASKED_MAX = 1024,       /* questions that wait for the carrier */
	RECALLED_MAX = 3500000, /* bytes of an answer: below what the kind allows */
	ACK_MAX = 512
};

/* A submission of the batch that waits for the journal. */
typedef struct {
	kg_message message;
	kg_receipt receipt;
	char *news; /* what the feed will be told; NULL: nothing */
} submission;

/* A question whose answer rests on all that was acknowledged before it. */
typedef struct {
	kg_message message;
	kg_memory_point point;
} question;

typedef struct {
	kg_launch *launch;
	kg_memory *memory;
	kg_bus *bus;
	kg_socket *server;
	kg_socket *feed;
	int wake;          /* event counter of the carrier */
	submission *batch; /* BATCH_MAX */
	size_t batch_count;
	size_t batch_bytes;
	question *asked; /* ASKED_MAX, oldest first */
	size_t asked_count;
	uint64_t drops_told;
	int64_t tended_ms;
	bool behind; /* the carrier does not get on */
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
	kg_err err;

	kg_memory_take_epochs(k->memory, kg_role_of(message->from) == KG_ROLE_CLIENT);
	err = kg_memory_submit(k->memory, &s->receipt, message->data, message->size,
			       kg_clock_wall_ms());

	if (err != KG_OK) {
		kg_log(KG_LOG_WARN, "entry.refused", "from=%s code=%s why=%s", message->from,
		       kg_err_name(err), kg_log_quote(quoted, sizeof(quoted), kg_err_text()));
		refuse(k, message, err);
		return;
	}
	s->news = NULL;
	if (s->receipt.entry != NULL) {
		kg_entry_proof proof = {.id = s->receipt.id, .commit = s->receipt.commit};
		json_t *news = kg_view_news(s->receipt.entry, &proof);

		s->news = news != NULL ? json_dumps(news, JSON_COMPACT) : NULL;
		json_decref(news);
	}
	k->batch_bytes += message->size;
	s->message = *message;
	memset(message, 0, sizeof(*message));
	k->batch_count++;
}

static void acknowledge(keeper *k, const submission *s, unsigned credit)
{
	const kg_receipt *r = &s->receipt;
	char id[KG_HASH_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];
	char agent[KG_PUBKEY_TEXT_SIZE];
	char body[ACK_MAX];
	int size;

	kg_entry_id_format(id, &r->id);
	kg_commit_format(commit, &r->commit);
	kg_pubkey_format(agent, &r->agent);
	size = snprintf(body, sizeof(body),
			"{\"id\":\"%s\",\"commit\":\"%s\",\"agent\":\"%s\",\"sequence\":%lld,"
			"\"time_ms\":%lld,\"credit\":%u}",
			id, commit, agent, (long long)r->sequence, (long long)r->time_ms, credit);
	ignore_failure(
		kg_socket_reply_raw(k->server, &s->message, KG_MESSAGE_ACK, body, (size_t)size),
		"ack");
}

static void announce(keeper *k, const submission *s)
{
	if (s->news != NULL)
		ignore_failure(kg_socket_send(k->feed, NULL, KG_MESSAGE_ENTRY,
					      kg_socket_next_id(k->feed), s->news, strlen(s->news)),
			       "entry");
}

/* The journal is synced once for the whole batch; then, and only then, it is acknowledged. Git and
 * the index follow on their own: see questions. */
static void finish_batch(keeper *k)
{
	kg_err err = kg_memory_commit(k->memory);
	unsigned credit = kg_memory_credit(k->memory);

	if (err != KG_OK)
		kg_log_err(KG_LOG_ERROR, "journal.failed");
	for (size_t i = 0; err != KG_OK && i < k->batch_count; i++)
		refuse(k, &k->batch[i].message, err);
	for (size_t i = 0; err == KG_OK && i < k->batch_count; i++) {
		acknowledge(k, &k->batch[i], credit);
		announce(k, &k->batch[i]);
	}
	for (size_t i = 0; i < k->batch_count; i++) {
		kg_message_release(&k->batch[i].message);
		free(k->batch[i].news);
	}
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
	      json_pack("{s:I, s:o, s:I, s:I, s:o, s:i}", "sequence", (json_int_t)head.sequence,
			"commit", any ? hex_json(head.commit.bytes, KG_COMMIT_SIZE) : json_null(),
			"time_ms", (json_int_t)head.time_ms, "counter",
			(json_int_t)head.time_counter, "entry",
			any ? hex_json(id.bytes, KG_HASH_SIZE) : json_null(), "credit",
			(int)kg_memory_credit(k->memory)));
	return KG_OK;
}

static kg_err answer_heads(keeper *k, const kg_message *message)
{
	json_t *list = json_array();
	kg_entry_head *heads = NULL;
	size_t count = 0;
	bool moved = json_is_true(json_object_get(message->json, "moved"));
	kg_err err = kg_memory_heads(k->memory, &heads, &count, moved);

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

static kg_err take_sealed(keeper *k, const kg_message *message)
{
	kg_entry_id id;
	kg_err err;

	if (message->size <= sizeof(id.bytes))
		return kg_fail(KG_ECORRUPT, "sealed content of %zu bytes", message->size);
	memcpy(id.bytes, message->data, sizeof(id.bytes));
	err = kg_memory_keep_sealed(k->memory, &id, message->data + sizeof(id.bytes),
				    message->size - sizeof(id.bytes));
	if (err == KG_OK)
		reply(k, message, KG_MESSAGE_VAULTED,
		      json_pack("{s:o}", "id", hex_json(id.bytes, sizeof(id.bytes))));
	return err;
}

/* ---- questions that rest on git and the index ---- */

static kg_err answer_settled(keeper *k, const kg_message *message)
{
	reply(k, message, KG_MESSAGE_SETTLED_IS,
	      json_pack("{s:I}", "entries", (json_int_t)kg_memory_count(k->memory)));
	return KG_OK;
}

/* While the carrier does not get on, a search finds what there is; that all is in git is no true
 * answer. */
static kg_err answer_question(keeper *k, const kg_message *message)
{
	kg_err err = KG_OK;

	if (message->kind == KG_MESSAGE_RECALL)
		return answer_recall(k, message);
	err = kg_memory_trouble(k->memory);
	return err == KG_OK ? answer_settled(k, message) : err;
}

static void answer_due(keeper *k)
{
	size_t done = 0;

	while (done < k->asked_count && (kg_memory_is_past(k->memory, &k->asked[done].point) ||
					 kg_memory_trouble(k->memory) != KG_OK)) {
		kg_err err = answer_question(k, &k->asked[done].message);

		if (err != KG_OK)
			refuse(k, &k->asked[done].message, err);
		kg_message_release(&k->asked[done++].message);
	}
	k->asked_count -= done;
	memmove(k->asked, k->asked + done, k->asked_count * sizeof(k->asked[0]));
}

static kg_err keep_question(keeper *k, kg_message *message)
{
	if (k->asked_count == ASKED_MAX)
		return kg_fail(KG_EFULL, "%d questions wait for an answer", ASKED_MAX);
	k->asked[k->asked_count++] = (question){*message, kg_memory_now(k->memory)};
	memset(message, 0, sizeof(*message));
	return KG_OK;
}

/* Whether this is a question of an agent whose key was revoked while it was connected: of the
 * memory nothing is told to it any more. What it submits is refused with the reason. */
static bool is_over(const keeper *k, const kg_message *message)
{
	if (kg_role_of(message->from) != KG_ROLE_AGENT ||
	    (message->kind != KG_MESSAGE_RECALL && message->kind != KG_MESSAGE_VAULT))
		return false;
	for (size_t i = 0; i < k->launch->member_count; i++)
		if (strcmp(k->launch->members[i].peer.name, message->from) == 0)
			return kg_memory_is_over(k->memory, &k->launch->members[i].key);
	return false;
}

static void handle(keeper *k, kg_message *message)
{
	kg_err err;

	if (message->kind == KG_MESSAGE_SUBMIT) {
		take_submission(k, message);
		return;
	}
	if (is_over(k, message)) {
		refuse(k, message,
		       kg_reason_fail(NULL, KG_REASON_REVOKED, "the key of %s is accepted no more",
				      message->from));
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
	case KG_MESSAGE_SETTLED:
		err = keep_question(k, message);
		break;
	case KG_MESSAGE_VAULT:
		err = take_sealed(k, message);
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

/* That git cannot take what is durable is told once, and tried every tick. */
static void look_after(keeper *k)
{
	int64_t now_ms = kg_clock_mono_ms();
	kg_err err = kg_memory_trouble(k->memory);

	if (err != KG_OK && !k->behind)
		kg_log_err(KG_LOG_ERROR, "memory.behind");
	else if (err == KG_OK && k->behind)
		kg_log(KG_LOG_INFO, "memory.caught_up", "entries=%llu",
		       (unsigned long long)kg_memory_count(k->memory));
	k->behind = err != KG_OK;
	if (now_ms - k->tended_ms < TICK_MS)
		return;
	kg_memory_tend(k->memory);
	k->tended_ms = now_ms;
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

static void clear_wake(const keeper *k)
{
	uint64_t count;

	/* Nothing to read is as good. */
	(void)!read(k->wake, &count, sizeof(count));
}

static kg_err loop(keeper *k)
{
	while (!k->stop && !terminated) {
		kg_wait items[3] = {
			{.socket = k->server}, {.fd = k->launch->life_fd}, {.fd = k->wake}};
		kg_err err = kg_socket_wait(items, 3, TICK_MS);

		if (err != KG_OK)
			return err;
		if (items[2].ready)
			clear_wake(k);
		serve(k);
		answer_due(k);
		look_after(k);
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
	       "entries=%llu recovered=%llu proofs=%llu torn_bytes=%llu dropped=%llu damaged=%llu",
	       (unsigned long long)r.entries, (unsigned long long)r.recovered,
	       (unsigned long long)r.proofs, (unsigned long long)r.torn_bytes,
	       (unsigned long long)r.dropped, (unsigned long long)r.damaged);
	k->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (k->wake < 0)
		return kg_fail_errno(errno, "no event counter");
	return kg_memory_carry(k->memory, k->wake);
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
	k->asked = calloc(ASKED_MAX, sizeof(*k->asked));
	if (err == KG_OK && (k->batch == NULL || k->asked == NULL))
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
	for (size_t i = 0; i < k->asked_count; i++)
		kg_message_release(&k->asked[i].message);
	kg_socket_free(k->server);
	kg_socket_free(k->feed);
	kg_bus_free(k->bus);
	kg_memory_free(k->memory);
	kg_launch_free(k->launch);
	free(k->batch);
	free(k->asked);
	if (k->wake >= 0)
		(void)close(k->wake);
}

int kg_keeper_main(void)
{
	keeper k = {.wake = -1};
	kg_err err;

	kg_log_init("keeper", KG_LOG_INFO);
	err = open_all(&k);
	if (err == KG_OK) {
		kg_log(KG_LOG_INFO, "keeper.ready", "endpoint=%s", k.launch->keeper_endpoint);
		err = loop(&k);
		serve(&k);
	}
	if (err == KG_OK) {
		err = kg_memory_settle(k.memory);
		answer_due(&k);
	}
	if (err != KG_OK)
		kg_log_err(KG_LOG_ERROR, "keeper.failed");
	else
		kg_log(KG_LOG_INFO, "keeper.stopped", "entries=%llu",
		       (unsigned long long)kg_memory_count(k.memory));
	close_all(&k);
	return err == KG_OK ? KG_EXIT_YES : KG_EXIT_TROUBLE;
}
