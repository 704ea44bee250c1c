/* SPDX-License-Identifier: MIT */
#include "orchestrator/notary_main.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/outbox.h"
#include "base/clock.h"
#include "base/json.h"
#include "memory/entry.h"
#include "memory/witness.h"

enum {
	KEEPER_ASK_MS = 2000,
	LOCK_MS = 2000, /* for a command that writes to the swarm's chain */
	LOCK_WAIT_US = 10000,
	CHAINS_MAX = 65536
};

/* A question to the keeper; what else it says meanwhile counts as a beat. */
static kg_err ask_keeper(kg_notary *n, kg_message_kind kind, json_t *body, kg_message *out)
{
	kg_err err = kg_socket_ask(n->keeper, kind, body, KEEPER_ASK_MS, out, n->other, n->data);

	if (err == KG_OK && out->kind == KG_MESSAGE_FAILED) {
		err = kg_message_fail(out);
		kg_message_release(out);
	}
	return err;
}

static kg_err read_head(kg_chain_head *head, const json_t *body)
{
	int64_t sequence;
	int64_t time_ms;
	int64_t counter;
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

static kg_err ask_head(kg_notary *n, kg_chain_head *head, const kg_pubkey *agent)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	kg_message m = {0};
	kg_err err;

	kg_pubkey_format(key, agent);
	err = ask_keeper(n, KG_MESSAGE_HEAD, json_pack("{s:s}", "agent", key), &m);
	if (err == KG_OK)
		err = read_head(head, m.json);
	kg_message_release(&m);
	return err;
}

static kg_err port_submit(void *data, const uint8_t *object, size_t size)
{
	kg_notary *n = data;
	kg_message m = {0};
	kg_err err = kg_socket_ask_raw(n->keeper, KG_MESSAGE_SUBMIT, object, size, KEEPER_ASK_MS,
				       &m, n->other, n->data);

	if (err == KG_OK && m.kind == KG_MESSAGE_FAILED)
		err = kg_message_fail(&m);
	kg_message_release(&m);
	return err;
}

static kg_err port_head(void *data, kg_chain_head *head)
{
	kg_notary *n = data;

	return ask_head(n, head, kg_swarm_id(n->identity));
}

/* The outbox of the swarm's chain, waiting for a command that signs just now. */
static kg_err open_outbox(kg_notary *n, kg_outbox **out)
{
	int64_t until = kg_clock_mono_ms() + LOCK_MS;
	kg_err err;

	for (;;) {
		err = kg_outbox_new(out, kg_swarm_id(n->identity), kg_swarm_key(n->identity),
				    KG_SWARM_NAME, n->state_dir, NULL, NULL);
		if (err != KG_ECONFLICT || kg_clock_mono_ms() >= until)
			return err;
		(void)usleep(LOCK_WAIT_US);
	}
}

/* Has the entry stored as the next of the swarm's chain. Takes its content. */
static kg_err publish(kg_notary *n, kg_entry *entry)
{
	const kg_outbox_port port = {.data = n, .submit = port_submit, .head = port_head};
	int64_t now = kg_clock_wall_ms();
	kg_outbox *outbox = NULL;
	kg_chain_head head;
	bool moved;
	kg_err err = open_outbox(n, &outbox);

	if (err == KG_OK)
		err = port_head(n, &head);
	if (err == KG_OK)
		err = kg_outbox_rebase(outbox, &head, now, &moved);
	if (err == KG_OK)
		err = kg_outbox_put(outbox, entry, now, NULL);
	if (err == KG_OK)
		err = kg_outbox_deliver(outbox, &port, now);
	kg_outbox_free(outbox);
	kg_entry_release(entry);
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
		const char *agent;
		const char *commit;
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

static kg_err checkpoint_heads(kg_notary *n, const json_t *array)
{
	const kg_chain_head nowhere = {0};
	kg_entry_head *heads = NULL;
	size_t count = 0;
	kg_entry entry;
	kg_err err = read_heads(&heads, &count, array);

	/* The outbox gives it its place. */
	if (err == KG_OK)
		err = kg_checkpoint_make(&entry, kg_swarm_key(n->identity), &nowhere, heads, count,
					 kg_clock_wall_ms());
	free(heads);
	return err == KG_OK ? publish(n, &entry) : err;
}

kg_err kg_notary_checkpoint(kg_notary *notary, size_t *chains)
{
	kg_message m = {0};
	json_t *array = NULL;
	kg_err err = ask_keeper(notary, KG_MESSAGE_HEADS, json_pack("{s:b}", "moved", 1), &m);

	*chains = 0;
	if (err == KG_OK)
		err = kg_json_get_array(&array, m.json, "heads", CHAINS_MAX);
	if (err == KG_OK && json_array_size(array) > 0) {
		/* The rest is for the next one. */
		while (json_array_size(array) > KG_ENTRY_HEADS_MAX)
			(void)json_array_remove(array, json_array_size(array) - 1);
		err = checkpoint_heads(notary, array);
		*chains = json_array_size(array);
	}
	kg_message_release(&m);
	return err;
}

/* Which of the members the keeper does not know as such: those it denies a head. */
static kg_err find_missing(kg_notary *n, const kg_member *members, size_t count,
			   kg_entry_member *missing, size_t *missing_count)
{
	*missing_count = 0;
	for (size_t i = 0; i < count; i++) {
		kg_chain_head head;
		kg_err err;

		if (kg_pubkey_equal(&members[i].key, kg_swarm_id(n->identity)))
			continue;
		err = ask_head(n, &head, &members[i].key);
		if (err != KG_OK && err != KG_EDENIED)
			return err;
		if (err == KG_OK)
			continue;
		missing[*missing_count].agent = members[i].key;
		memcpy(missing[*missing_count].name, members[i].peer.name, KG_NAME_SIZE);
		++*missing_count;
	}
	return KG_OK;
}

kg_err kg_notary_certify(kg_notary *notary, const kg_member *members, size_t count,
			 size_t *certified)
{
	const kg_chain_head nowhere = {0};
	kg_entry_member *missing = calloc(count + 1, sizeof(*missing));
	kg_entry entry;
	kg_err err;

	if (missing == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the members");
	err = find_missing(notary, members, count, missing, certified);
	if (err == KG_OK && *certified > 0) {
		err = kg_membership_make(&entry, kg_swarm_key(notary->identity), &nowhere, missing,
					 *certified, kg_clock_wall_ms());
		if (err == KG_OK)
			err = publish(notary, &entry);
	}
	free(missing);
	return err;
}
