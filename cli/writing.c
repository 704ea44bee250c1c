/* SPDX-License-Identifier: MIT */
#include "cli/writing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "bus/bus.h"
#include "bus/socket.h"
#include "memory/witness.h"
#include "orchestrator/runfile.h"

enum { ANSWER_MS = 10000, INDEX_MS = 600000, TRIES = 5, LOCK_TRIES = 50, LOCK_WAIT_US = 100000 };

struct kg_writing {
	const kg_swarm *swarm;
	kg_memory *memory; /* when nobody else writes */
	kg_bus *bus;       /* else */
	kg_socket *keeper;
	kg_curve *curve;
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
	kg_runfile *run = calloc(1, sizeof(*run));
	kg_err err;

	if (run == NULL)
		return kg_fail(KG_ENOMEM, "no memory");
	if (kg_runfile_read(run, cli->state_dir) == KG_OK)
		err = dial(w, run);
	else
		err = kg_memory_open(&w->memory, cli->state_dir, kg_swarm_id(w->swarm), &options,
				     NULL);
	free(run);
	return err;
}

kg_err kg_writing_open(kg_writing **out, const kg_cli *cli, const kg_swarm *swarm)
{
	kg_writing *w = calloc(1, sizeof(*w));
	kg_err err;

	if (w == NULL)
		return kg_fail(KG_ENOMEM, "no memory");
	w->swarm = swarm;
	err = open_either(w, cli);
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
	kg_memory_free(w->memory);
	kg_socket_free(w->keeper);
	kg_bus_free(w->bus);
	kg_curve_free(w->curve);
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
	err = kg_socket_ask(w->keeper, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", hex), ANSWER_MS,
			    &answer, NULL, NULL);
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

static kg_err submit(kg_writing *w, kg_receipt *receipt, const kg_buf *object)
{
	kg_message answer = {0};
	kg_err err;

	if (w->memory == NULL) {
		err = kg_socket_ask_raw(w->keeper, KG_MESSAGE_SUBMIT, object->data, object->size,
					ANSWER_MS, &answer, NULL, NULL);
		err = expect(&answer, err, KG_MESSAGE_ACK);
		if (err == KG_OK)
			kg_message_release(&answer);
		return err;
	}
	err = kg_memory_submit(w->memory, receipt, object->data, object->size, kg_clock_wall_ms());
	if (err == KG_OK)
		err = kg_memory_commit(w->memory);
	return err == KG_OK ? kg_memory_flush(w->memory) : err;
}

/* Signs the placed entry and has it taken in. */
static kg_err sign_and_submit(kg_writing *w, kg_receipt *receipt, const kg_entry *entry,
			      const kg_key *key, const kg_chain_head *head)
{
	kg_entry_proof proof;
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_entry_sign(&object, &proof, entry, key, head->sequence > 0 ? &head->commit : NULL);
	if (err == KG_OK)
		err = submit(w, receipt, &object);
	kg_buf_release(&object);
	if (err != KG_OK)
		return err;
	*receipt = (kg_receipt){
		.id = proof.id,
		.commit = proof.commit,
		.agent = entry->agent,
		.sequence = entry->sequence,
		.time_ms = entry->time_ms,
		.time_counter = entry->time_counter,
	};
	return KG_OK;
}

static kg_err certify(kg_writing *w, const kg_pubkey *agent, const char *name)
{
	const kg_key *swarm_key = kg_swarm_key(w->swarm);
	kg_entry_member member = {.agent = *agent};
	kg_chain_head head;
	kg_receipt receipt;
	kg_entry entry;
	kg_err err = kg_name_check(name);

	if (err != KG_OK)
		return err;
	memcpy(member.name, name, strlen(name) + 1);
	err = ask_head(w, &head, kg_key_public(swarm_key));
	if (err != KG_OK)
		return err;
	err = kg_membership_make(&entry, swarm_key, &head, &member, 1, kg_clock_wall_ms());
	if (err != KG_OK)
		return err;
	err = sign_and_submit(w, &receipt, &entry, swarm_key, &head);
	kg_entry_release(&entry);
	return err;
}

static kg_err say_once(kg_writing *w, kg_receipt *receipt, kg_entry *entry, const kg_key *author,
		       const char *name)
{
	const kg_pubkey *key = kg_key_public(author);
	kg_chain_head head;
	kg_err err = ask_head(w, &head, key);

	if (err == KG_EDENIED) {
		err = certify(w, key, name);
		if (err == KG_OK)
			err = ask_head(w, &head, key);
	}
	if (err == KG_OK)
		err = kg_entry_place(entry, kg_swarm_id(w->swarm), author, name, &head,
				     kg_clock_wall_ms());
	return err == KG_OK ? sign_and_submit(w, receipt, entry, author, &head) : err;
}

kg_err kg_writing_say(kg_writing *w, kg_receipt *receipt, kg_entry *entry, const kg_key *author,
		      const char *name)
{
	kg_err err = KG_ECONFLICT;

	/* Another command may write to the same chain at the same time: the later one goes behind.
	 */
	for (int i = 0; i < TRIES && err == KG_ECONFLICT; i++)
		err = say_once(w, receipt, entry, author, name);
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
