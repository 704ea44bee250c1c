/* SPDX-License-Identifier: MIT */
#include "cli/writing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "bus/bus.h"
#include "bus/socket.h"
#include "cli/writing_impl.h"
#include "memory/vault.h"
#include "memory/witness.h"
#include "orchestrator/runfile.h"

enum {
	SETTLE_MS = 120000,
	INDEX_MS = 600000,
	SAY_MS = 30000,
	FULL_WAIT_US = 50000,
	LOCK_TRIES = 1500,
	LOCK_WAIT_US = 10000,
	AUTHOR_MS = 30000 /* for others who sign with the same key */
};

static kg_err dial(kg_writing *w, const kg_runfile *run)
{
	kg_err err = kg_swarm_curve(w->swarm, "operator", &w->curve);

	if (err == KG_OK)
		err = kg_bus_new(&w->bus, "operator", w->curve);
	if (err == KG_OK)
		err = kg_socket_dial(&w->keeper, w->bus, run->keeper_endpoint, &run->keeper);
	return err;
}

static kg_err open_either(kg_writing *w, const kg_cli *cli)
{
	kg_memory_options options = {
		.ahead_ms_max = kg_conf_int(cli->conf, "memory.clock_ahead_ms"),
	};

	if (kg_runfile_read(w->run, cli->state_dir) == KG_OK)
		return dial(w, w->run);
	return kg_memory_open(&w->memory, cli->state_dir, kg_swarm_id(w->swarm), &options, NULL);
}

kg_err kg_writing_open(kg_writing **out, const kg_cli *cli, const kg_swarm *swarm)
{
	kg_writing *w = calloc(1, sizeof(*w));
	kg_err err;

	if (w == NULL)
		return kg_fail(KG_ENOMEM, "no memory");
	w->swarm = swarm;
	w->state_dir = cli->state_dir;
	w->run = calloc(1, sizeof(*w->run));
	err = w->run != NULL ? open_either(w, cli) : kg_fail(KG_ENOMEM, "no memory");
	/* Another command that is about to end, or a swarm that is about to start. */
	for (int i = 0; i < LOCK_TRIES && err == KG_ECONFLICT; i++) {
		(void)usleep(LOCK_WAIT_US);
		err = open_either(w, cli);
	}
	if (err != KG_OK) {
		kg_err ignored = kg_writing_close(w);

		(void)ignored;
		return err;
	}
	*out = w;
	return KG_OK;
}

kg_err kg_writing_close(kg_writing *w)
{
	kg_err err = KG_OK;

	if (w == NULL)
		return KG_OK;
	if (w->memory != NULL)
		err = kg_memory_settle(w->memory);
	else if (w->said)
		err = kg_writing_settle(w);
	kg_memory_free(w->memory);
	kg_socket_free(w->keeper);
	kg_socket_free(w->orchestrator);
	kg_bus_free(w->bus);
	kg_curve_free(w->curve);
	free(w->run);
	free(w);
	return err;
}

bool kg_writing_is_live(const kg_writing *writing)
{
	return writing->memory == NULL;
}

kg_memory *kg_writing_memory(kg_writing *writing)
{
	return writing->memory;
}

/* The answer of one kind; a `failed` one becomes this thread's error. */
static kg_err expect(kg_message *answer, kg_err err, kg_message_kind kind)
{
	if (err == KG_ETIMEOUT)
		return kg_fail(KG_ETIMEOUT, "the swarm's keeper does not answer");
	if (err != KG_OK || answer->kind == kind)
		return err;
	err = answer->kind == KG_MESSAGE_FAILED
		      ? kg_message_fail(answer)
		      : kg_fail(KG_ECORRUPT, "the keeper answered something else");
	kg_message_release(answer);
	return err;
}

static kg_err ask_head(kg_writing *w, kg_chain_head *head, const kg_pubkey *agent)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	kg_message answer = {0};
	const char *commit = NULL;
	int64_t sequence = 0;
	int64_t counter = 0;
	kg_chain_head h = {0};
	kg_err err;

	if (w->memory != NULL)
		return kg_memory_head(w->memory, head, NULL, agent);
	kg_pubkey_format(hex, agent);
	err = kg_socket_ask(w->keeper, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", hex),
			    KG_WRITING__ANSWER_MS, &answer, NULL, NULL);
	err = expect(&answer, err, KG_MESSAGE_HEAD_IS);
	if (err != KG_OK)
		return err;
	err = kg_json_get_i64(&sequence, answer.json, "sequence", 0, INT64_MAX);
	if (err == KG_OK)
		err = kg_json_get_i64(&h.time_ms, answer.json, "time_ms", 0, INT64_MAX);
	if (err == KG_OK)
		err = kg_json_get_i64(&counter, answer.json, "counter", 0, UINT16_MAX);
	if (err == KG_OK && sequence > 0) {
		err = kg_json_get_text(&commit, answer.json, "commit", KG_COMMIT_TEXT_SIZE);
		if (err == KG_OK)
			err = kg_commit_parse(&h.commit, commit);
	}
	kg_message_release(&answer);
	h.sequence = (uint64_t)sequence;
	h.time_counter = (uint16_t)counter;
	if (err == KG_OK)
		*head = h;
	return err;
}

static kg_err ask_submit(kg_writing *w, const uint8_t *object, size_t size)
{
	kg_message answer = {0};
	kg_err err = kg_socket_ask_raw(w->keeper, KG_MESSAGE_SUBMIT, object, size,
				       KG_WRITING__ANSWER_MS, &answer, NULL, NULL);

	err = expect(&answer, err, KG_MESSAGE_ACK);
	if (err == KG_OK)
		kg_message_release(&answer);
	return err;
}

/* ---- an author's outbox (agent/outbox.h) and what takes its entries in ---- */

/* Content goes before its entry, so that no entry is acknowledged whose content could be lost. */
static kg_err keep_content(kg_writing *w, const uint8_t *object, size_t size)
{
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err;

	if (w->sealed == NULL)
		return KG_OK;
	err = kg_entry_open_unverified(&entry, &proof, object, size);
	if (err != KG_OK)
		return err;
	/* What waited in the outbox from before is another entry. */
	if (entry.has_sealed && kg_vault_check(&entry, w->sealed, w->sealed_size) == KG_OK)
		err = kg_writing_keep_sealed(w, &proof.id, w->sealed, w->sealed_size);
	kg_entry_release(&entry);
	return err;
}

static kg_err port_submit(void *data, const uint8_t *object, size_t size)
{
	int64_t until = kg_clock_mono_ms() + KG_WRITING__ANSWER_MS;
	kg_writing *w = data;
	kg_receipt receipt;
	kg_err err = keep_content(w, object, size);

	if (err != KG_OK)
		return err;
	if (w->memory != NULL) {
		err = kg_memory_submit(w->memory, &receipt, object, size, kg_clock_wall_ms());
		if (err == KG_OK)
			err = kg_memory_commit(w->memory);
		return err == KG_OK ? kg_memory_flush(w->memory) : err;
	}
	err = ask_submit(w, object, size);
	while (err == KG_EFULL && kg_clock_mono_ms() < until) {
		(void)usleep(FULL_WAIT_US);
		err = ask_submit(w, object, size);
	}
	return err;
}

static kg_err port_head(void *data, kg_chain_head *head)
{
	kg_writing *w = data;

	return ask_head(w, head, w->author);
}

/* What is awaited of an outbox. */
typedef struct {
	uint64_t ticket;
	bool stored;
	kg_receipt receipt;
} awaited;

static void on_stored(void *data, uint64_t ticket, const kg_entry *entry,
		      const kg_entry_proof *proof)
{
	awaited *a = data;

	if (a->ticket == 0 || ticket != a->ticket)
		return;
	a->stored = true;
	a->receipt = (kg_receipt){
		.id = proof->id,
		.commit = proof->commit,
		.agent = entry->agent,
		.sequence = entry->sequence,
		.time_ms = entry->time_ms,
		.time_counter = entry->time_counter,
	};
}

kg_err kg_writing__deliver(kg_writing *w, kg_outbox *outbox)
{
	const kg_outbox_port port = {.data = w, .submit = port_submit, .head = port_head};

	return kg_outbox_deliver(outbox, &port, kg_clock_wall_ms());
}

kg_err kg_writing__catch_up(kg_writing *w, kg_outbox *outbox)
{
	kg_chain_head head;
	bool moved;
	kg_err err = ask_head(w, &head, w->author);

	if (err == KG_OK)
		err = kg_outbox_rebase(outbox, &head, kg_clock_wall_ms(), &moved);
	if (err != KG_OK)
		return err;
	err = kg_writing__deliver(w, outbox);
	/* What someone left there and is refused now is no matter of what comes behind it. */
	return kg_outbox_count(outbox) > 0 ? err : KG_OK;
}

/* Puts the entry behind what is in the outbox already, and has all of it stored. Takes its
 * content. */
static kg_err deliver(kg_writing *w, kg_outbox *outbox, awaited *a, kg_entry *entry)
{
	kg_err err = kg_writing__catch_up(w, outbox);

	if (err == KG_OK)
		err = kg_outbox_put(outbox, entry, kg_clock_wall_ms(), &a->ticket);
	if (err == KG_OK)
		err = kg_writing__deliver(w, outbox);
	if (a->stored)
		return KG_OK;
	/* Nobody has refused it: said again, it would be there twice. */
	if (err != KG_OK && kg_outbox_count(outbox) > 0)
		err = kg_fail_context(err, "what is signed may be stored later (see `log` before "
					   "saying it again)");
	return err;
}

/* Has `entry` stored as the next of `key`'s chain, signed in `outbox`, which is taken. Takes its
 * content. */
static kg_err publish(kg_writing *w, kg_receipt *receipt, kg_entry *entry, kg_outbox *outbox,
		      awaited *a, const kg_key *key)
{
	kg_err err;

	w->author = kg_key_public(key);
	err = deliver(w, outbox, a, entry);
	kg_outbox_free(outbox);
	if (err == KG_OK) {
		*receipt = a->receipt;
		w->said = true;
	}
	return err;
}

static kg_err open_outbox(kg_writing *w, kg_outbox **out, awaited *a, const kg_key *key,
			  const char *name)
{
	return kg_outbox_new(out, kg_swarm_id(w->swarm), key, name, w->state_dir, on_stored, a);
}

kg_err kg_writing__await_outbox(kg_writing *w, kg_outbox **out, const kg_key *key, const char *name,
				kg_outbox_done stored, void *data)
{
	int64_t until = kg_clock_mono_ms() + AUTHOR_MS;
	kg_err err;

	while ((err = kg_outbox_new(out, kg_swarm_id(w->swarm), key, name, w->state_dir, stored,
				    data)) == KG_ECONFLICT &&
	       kg_clock_mono_ms() < until)
		(void)usleep(LOCK_WAIT_US);
	return err;
}

typedef kg_err make_lineage(kg_entry *out, const kg_key *swarm_key, const kg_chain_head *previous,
			    const kg_entry_member *members, size_t count, int64_t now_ms);

/* One more entry of the swarm's own chain, about one key. The orchestrator writes to that chain as
 * well, under the same lock. */
static kg_err testify(kg_writing *w, kg_receipt *receipt, make_lineage *make, const kg_pubkey *key,
		      const char *name)
{
	const kg_key *swarm_key = kg_swarm_key(w->swarm);
	const kg_chain_head nowhere = {0};
	kg_entry_member member = {.agent = *key};
	kg_outbox *outbox = NULL;
	awaited a = {0};
	kg_entry entry;
	kg_err err = kg_name_check(name);

	if (err != KG_OK)
		return err;
	memcpy(member.name, name, strlen(name) + 1);
	err = make(&entry, swarm_key, &nowhere, &member, 1, kg_clock_wall_ms());
	if (err != KG_OK)
		return err;
	err = kg_writing__await_outbox(w, &outbox, swarm_key, KG_SWARM_NAME, on_stored, &a);
	if (err == KG_OK)
		err = publish(w, receipt, &entry, outbox, &a, swarm_key);
	kg_entry_release(&entry);
	return err;
}

static kg_err certify(kg_writing *w, const kg_pubkey *agent, const char *name)
{
	kg_receipt receipt;

	return testify(w, &receipt, kg_membership_make, agent, name);
}

kg_err kg_writing_trust(kg_writing *w, kg_receipt *receipt, const kg_pubkey *peer, const char *name)
{
	return testify(w, receipt, kg_peer_make, peer, name);
}

/* Makes sure that the swarm has certified the author. */
kg_err kg_writing__enrol(kg_writing *w, const kg_pubkey *author, const char *name)
{
	kg_chain_head head;
	kg_err err = ask_head(w, &head, author);

	return err == KG_EDENIED ? certify(w, author, name) : err;
}

/* ---- an agent that lives signs for itself ---- */

static kg_err said_receipt(kg_receipt *out, const json_t *body)
{
	const char *id = NULL;
	const char *commit = NULL;
	const char *agent = NULL;
	int64_t sequence = 0;
	int64_t counter = 0;
	kg_receipt r = {0};
	kg_err err = kg_json_get_text(&id, body, "id", KG_HASH_TEXT_SIZE - 1);

	if (err == KG_OK)
		err = kg_json_get_text(&commit, body, "commit", KG_COMMIT_TEXT_SIZE - 1);
	if (err == KG_OK)
		err = kg_json_get_text(&agent, body, "agent", KG_PUBKEY_TEXT_SIZE - 1);
	if (err == KG_OK)
		err = kg_json_get_i64(&sequence, body, "sequence", 1, INT64_MAX);
	if (err == KG_OK)
		err = kg_json_get_i64(&r.time_ms, body, "time_ms", 0, INT64_MAX);
	if (err == KG_OK)
		err = kg_json_get_i64(&counter, body, "counter", 0, UINT16_MAX);
	if (err == KG_OK)
		err = kg_entry_id_parse(&r.id, id);
	if (err == KG_OK)
		err = kg_commit_parse(&r.commit, commit);
	if (err == KG_OK)
		err = kg_pubkey_parse(&r.agent, agent);
	r.sequence = (uint64_t)sequence;
	r.time_counter = (uint16_t)counter;
	if (err == KG_OK)
		*out = r;
	return err;
}

/* The body of `say`. The place given here only makes the entry one that can be written down. */
static kg_err say_body(kg_writing *w, json_t **out, const kg_entry *entry, const kg_key *author,
		       const char *name)
{
	const kg_chain_head nowhere = {0};
	kg_entry placed = *entry;
	kg_buf bytes;
	char *text = NULL;
	kg_err err = kg_entry_place(&placed, kg_swarm_id(w->swarm), author, name, &nowhere,
				    kg_clock_wall_ms());

	kg_buf_init(&bytes, KG_ENTRY_OBJECT_MAX);
	if (err == KG_OK)
		err = kg_entry_encode(&bytes, &placed, NULL);
	if (err == KG_OK)
		text = malloc(kg_base64_size(bytes.size));
	if (text != NULL) {
		kg_base64_encode(text, bytes.data, bytes.size);
		*out = json_pack("{s:s, s:s}", "agent", name, "entry_b64", text);
	}
	if (err == KG_OK && (text == NULL || *out == NULL))
		err = kg_fail(KG_ENOMEM, "no memory for a message");
	free(text);
	kg_buf_release(&bytes);
	return err;
}

/* KG_ENOTFOUND: it does not live (any more). */
static kg_err ask_agent(kg_writing *w, kg_receipt *receipt, const kg_entry *entry,
			const kg_key *author, const char *name)
{
	kg_message answer = {0};
	json_t *body = NULL;
	kg_err err = say_body(w, &body, entry, author, name);

	if (err == KG_OK && w->orchestrator == NULL)
		err = kg_socket_dial(&w->orchestrator, w->bus, w->run->orchestrator_endpoint,
				     &w->run->orchestrator);
	if (err != KG_OK) {
		json_decref(body);
		return err;
	}
	err = kg_socket_ask(w->orchestrator, KG_MESSAGE_SAY, body, SAY_MS, &answer, NULL, NULL);
	if (err == KG_ETIMEOUT)
		return kg_fail(KG_ETIMEOUT, "%s does not say that it is stored", name);
	err = expect(&answer, err, KG_MESSAGE_SAID);
	if (err == KG_OK)
		err = said_receipt(receipt, answer.json);
	w->said = w->said || err == KG_OK;
	kg_message_release(&answer);
	return err;
}

kg_err kg_writing_say(kg_writing *w, kg_receipt *receipt, kg_entry *entry, const kg_key *author,
		      const char *name)
{
	int64_t until = kg_clock_mono_ms() + AUTHOR_MS;
	bool is_agent = strcmp(name, KG_OPERATOR_NAME) != 0 && strcmp(name, KG_SWARM_NAME) != 0;
	kg_outbox *outbox = NULL;
	awaited a = {0};
	kg_err err = open_outbox(w, &outbox, &a, author, name);

	while (err == KG_ECONFLICT && kg_clock_mono_ms() < until) {
		/* Either the agent lives, and then it is the one who signs, or another command does
		 * so for a moment. */
		if (is_agent && w->memory == NULL && w->sealed != NULL)
			return kg_fail(KG_ECONFLICT,
				       "%s is running and signs for itself: what is sealed cannot "
				       "be said as it before it is stopped",
				       name);
		if (is_agent && w->memory == NULL) {
			err = ask_agent(w, receipt, entry, author, name);
			if (err != KG_ENOTFOUND)
				return err;
		}
		(void)usleep(LOCK_WAIT_US);
		err = open_outbox(w, &outbox, &a, author, name);
	}
	if (err == KG_OK)
		err = kg_writing__enrol(w, kg_key_public(author), name);
	if (err != KG_OK) {
		kg_outbox_free(outbox);
		return err;
	}
	return publish(w, receipt, entry, outbox, &a, author);
}

/* ---- sealed content, and the end ---- */

kg_err kg_writing_keep_sealed(kg_writing *w, const kg_entry_id *entry, const void *sealed,
			      size_t size)
{
	kg_message answer = {0};
	kg_buf body;
	kg_err err;

	if (w->memory != NULL)
		return kg_memory_keep_sealed(w->memory, entry, sealed, size);
	kg_buf_init(&body, KG_HASH_SIZE + size);
	kg_buf_put(&body, entry->bytes, KG_HASH_SIZE);
	kg_buf_put(&body, sealed, size);
	err = kg_buf_ok(&body);
	if (err == KG_OK) {
		err = kg_socket_ask_raw(w->keeper, KG_MESSAGE_VAULT, body.data, body.size,
					KG_WRITING__ANSWER_MS, &answer, NULL, NULL);
		err = expect(&answer, err, KG_MESSAGE_VAULTED);
	}
	if (err == KG_OK)
		kg_message_release(&answer);
	kg_buf_release(&body);
	return err;
}

void kg_writing_seal(kg_writing *w, const void *sealed, size_t size)
{
	w->sealed = sealed;
	w->sealed_size = size;
}

kg_err kg_writing_settle(kg_writing *w)
{
	kg_message answer = {0};
	kg_err err;

	if (w->memory != NULL)
		return kg_memory_flush(w->memory);
	err = kg_socket_ask(w->keeper, KG_MESSAGE_SETTLED, json_object(), SETTLE_MS, &answer, NULL,
			    NULL);
	err = expect(&answer, err, KG_MESSAGE_SETTLED_IS);
	if (err == KG_OK)
		kg_message_release(&answer);
	return err;
}

kg_err kg_writing_touch_index(kg_writing *w)
{
	kg_message answer = {0};
	kg_err err = kg_socket_ask(w->keeper, KG_MESSAGE_RECALL, json_pack("{s:i}", "limit", 1),
				   INDEX_MS, &answer, NULL, NULL);

	err = expect(&answer, err, KG_MESSAGE_RECALLED);
	if (err == KG_OK)
		kg_message_release(&answer);
	return err;
}
