/* SPDX-License-Identifier: MIT */
#include "agent/outbox.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
	uint64_t ticket;
	uint64_t request; /* of the last send; 0 = not sent */
	int64_t sent_ms;  /* monotonic */
	kg_entry entry;
	kg_entry_proof proof;
	kg_buf object;
} item;

struct kg_outbox {
	kg_pubkey swarm;
	const kg_key *key;
	char name[KG_NAME_SIZE];
	kg_chain_head tip; /* of the last entry here, else of the chain */
	uint64_t tickets;
	kg_outbox_done done;
	void *data;
	item *items; /* in the order of the chain */
	size_t count;
};

kg_err kg_outbox_new(kg_outbox **out, const kg_pubkey *swarm, const kg_key *key, const char *name,
		     const kg_chain_head *head, kg_outbox_done done, void *data)
{
	kg_err err = kg_name_check(name);
	if (err != KG_OK) {
		return err;
	}
	kg_outbox *outbox = calloc(1, sizeof(*outbox));
	if (outbox) {
		outbox->items = calloc(KG_OUTBOX_MAX, sizeof(*outbox->items));
	}
	if (!outbox || !outbox->items) {
		free(outbox);
		return kg_fail(KG_ENOMEM, "no memory for an outbox");
	}
	outbox->swarm = *swarm;
	outbox->key = key;
	memcpy(outbox->name, name, strlen(name) + 1);
	outbox->tip = *head;
	outbox->done = done;
	outbox->data = data;
	*out = outbox;
	return KG_OK;
}

static void item_release(item *it)
{
	kg_entry_release(&it->entry);
	kg_buf_release(&it->object);
}

void kg_outbox_free(kg_outbox *outbox)
{
	if (!outbox) {
		return;
	}
	for (size_t i = 0; i < outbox->count; i++) {
		item_release(&outbox->items[i]);
	}
	free(outbox->items);
	free(outbox);
}

/* Places and signs the item's entry behind `*tip`, which moves on. */
static kg_err place(kg_outbox *outbox, item *it, kg_chain_head *tip, int64_t now_ms)
{
	kg_err err =
		kg_entry_place(&it->entry, &outbox->swarm, outbox->key, outbox->name, tip, now_ms);
	if (err != KG_OK) {
		return err;
	}
	kg_buf object;
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	kg_entry_proof proof;
	err = kg_entry_sign(&object, &proof, &it->entry, outbox->key,
			    tip->sequence > 0 ? &tip->commit : NULL);
	if (err != KG_OK) {
		kg_buf_release(&object);
		return err;
	}
	kg_buf_release(&it->object);
	it->object = object;
	it->proof = proof;
	it->request = 0;
	*tip = (kg_chain_head){.sequence = it->entry.sequence,
			       .time_ms = it->entry.time_ms,
			       .time_counter = it->entry.time_counter,
			       .commit = proof.commit};
	return KG_OK;
}

kg_err kg_outbox_put(kg_outbox *outbox, kg_entry *entry, int64_t now_ms, uint64_t *ticket)
{
	item it = {.entry = *entry};
	kg_entry_init(entry, it.entry.type);
	kg_buf_init(&it.object, KG_ENTRY_OBJECT_MAX);
	kg_err err;
	if (outbox->count == KG_OUTBOX_MAX) {
		err = kg_fail(KG_EFULL, "%d entries wait for the keeper", KG_OUTBOX_MAX);
	} else {
		err = place(outbox, &it, &outbox->tip, now_ms);
	}
	if (err != KG_OK) {
		item_release(&it);
		return err;
	}
	it.ticket = ++outbox->tickets;
	outbox->items[outbox->count++] = it;
	if (ticket) {
		*ticket = it.ticket;
	}
	return KG_OK;
}

size_t kg_outbox_count(const kg_outbox *outbox)
{
	return outbox->count;
}

bool kg_outbox_due(const kg_outbox *outbox, int64_t before_ms, uint64_t *ticket,
		   const uint8_t **object, size_t *size)
{
	for (size_t i = 0; i < outbox->count; i++) {
		const item *it = &outbox->items[i];
		if (it->request == 0 || it->sent_ms <= before_ms) {
			*ticket = it->ticket;
			*object = it->object.data;
			*size = it->object.size;
			return true;
		}
	}
	return false;
}

void kg_outbox_sent(kg_outbox *outbox, uint64_t ticket, uint64_t request, int64_t now_mono_ms)
{
	for (size_t i = 0; i < outbox->count; i++) {
		if (outbox->items[i].ticket == ticket) {
			outbox->items[i].request = request;
			outbox->items[i].sent_ms = now_mono_ms;
		}
	}
}

void kg_outbox_unsent(kg_outbox *outbox)
{
	for (size_t i = 0; i < outbox->count; i++) {
		outbox->items[i].request = 0;
	}
}

bool kg_outbox_knows(const kg_outbox *outbox, uint64_t request)
{
	for (size_t i = 0; i < outbox->count; i++) {
		if (request != 0 && outbox->items[i].request == request) {
			return true;
		}
	}
	return false;
}

/* The first `count` items are stored. The callback runs on a consistent outbox: it may put more. */
static void finish(kg_outbox *outbox, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		item it = outbox->items[0];
		outbox->count--;
		memmove(outbox->items, outbox->items + 1, outbox->count * sizeof(it));
		if (outbox->done) {
			outbox->done(outbox->data, it.ticket, &it.entry, &it.proof.id);
		}
		item_release(&it);
	}
}

bool kg_outbox_acknowledge(kg_outbox *outbox, const kg_entry_id *id)
{
	for (size_t i = 0; i < outbox->count; i++) {
		if (memcmp(&outbox->items[i].proof.id, id, sizeof(*id)) == 0) {
			finish(outbox, i + 1);
			return true;
		}
	}
	return false;
}

bool kg_outbox_drop(kg_outbox *outbox, uint64_t request, uint64_t *ticket)
{
	for (size_t i = 0; i < outbox->count; i++) {
		if (request != 0 && outbox->items[i].request == request) {
			*ticket = outbox->items[i].ticket;
			item_release(&outbox->items[i]);
			outbox->count--;
			memmove(&outbox->items[i], &outbox->items[i + 1],
				(outbox->count - i) * sizeof(item));
			return true;
		}
	}
	return false;
}

static bool same_commit(const kg_commit *a, const kg_commit *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

kg_err kg_outbox_rebase(kg_outbox *outbox, const kg_chain_head *head, int64_t now_ms, bool *moved)
{
	*moved = false;
	for (size_t i = 0; i < outbox->count; i++) {
		if (same_commit(&outbox->items[i].proof.commit, &head->commit)) {
			finish(outbox, i + 1);
			kg_outbox_unsent(outbox);
			return KG_OK;
		}
	}
	bool follows =
		outbox->count == 0
			? outbox->tip.sequence == head->sequence &&
				  same_commit(&outbox->tip.commit, &head->commit)
			: outbox->items[0].entry.sequence == head->sequence + 1 &&
				  (head->sequence == 0 ||
				   same_commit(&outbox->items[0].proof.parent, &head->commit));
	kg_outbox_unsent(outbox);
	if (follows) {
		return KG_OK;
	}
	kg_chain_head tip = *head;
	for (size_t i = 0; i < outbox->count; i++) {
		kg_err err = place(outbox, &outbox->items[i], &tip, now_ms);
		if (err != KG_OK) {
			return err;
		}
	}
	outbox->tip = tip;
	*moved = true;
	return KG_OK;
}
