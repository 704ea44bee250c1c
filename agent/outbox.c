/* SPDX-License-Identifier: MIT */
#include "agent/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "agent/outfile.h"

enum { DEAD_MAX = 1 << 20, TRIES = 4 };

typedef struct {
	uint64_t ticket;
	uint64_t request; /* of the last send; 0 = not on the way */
	int64_t sent_ms;  /* monotonic */
	bool left;        /* someone else may have it */
	bool refused;     /* the keeper says that it does not continue the chain */
	bool written;     /* it is in the file, and may leave */
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
	size_t credit;
	bool asking; /* only the first may be sent: whether it has a place is not known */
	kg_outbox_done done;
	void *data;
	item **items; /* in the order of the chain */
	size_t count;
	size_t room;
	kg_outfile *file; /* NULL: in memory only */
	bool stale;       /* the file has entries that were placed anew since */
	size_t live;      /* bytes of objects here */
};

static void item_free(item *it)
{
	if (it) {
		kg_entry_release(&it->entry);
		kg_buf_release(&it->object);
		free(it);
	}
}

/* Takes the content of `*entry`, also on failure. */
static item *item_new(kg_entry *entry)
{
	item *it = calloc(1, sizeof(*it));
	if (it) {
		it->entry = *entry;
		kg_buf_init(&it->object, KG_ENTRY_OBJECT_MAX);
		kg_entry_init(entry, it->entry.type);
	} else {
		kg_entry_release(entry);
	}
	return it;
}

void kg_outbox_free(kg_outbox *outbox)
{
	if (!outbox) {
		return;
	}
	for (size_t i = 0; i < outbox->count; i++) {
		item_free(outbox->items[i]);
	}
	free(outbox->items);
	kg_outfile_free(outbox->file);
	free(outbox);
}

static kg_chain_head head_of(const item *it)
{
	return (kg_chain_head){.sequence = it->entry.sequence,
			       .time_ms = it->entry.time_ms,
			       .time_counter = it->entry.time_counter,
			       .commit = it->proof.commit};
}

/* Takes the item, also on failure. */
static kg_err add(kg_outbox *outbox, item *it)
{
	if (outbox->count == outbox->room) {
		size_t room = outbox->room > 0 ? 2 * outbox->room : 16;
		item **items = realloc(outbox->items, room * sizeof(*items));
		if (!items) {
			item_free(it);
			return kg_fail(KG_ENOMEM, "no memory for an outbox");
		}
		outbox->items = items;
		outbox->room = room;
	}
	it->ticket = ++outbox->tickets;
	outbox->items[outbox->count++] = it;
	outbox->live += it->object.size;
	outbox->tip = head_of(it);
	return KG_OK;
}

/* Places and signs the item's entry behind `*tip`, which moves on. */
static kg_err place(kg_outbox *outbox, item *it, kg_chain_head *tip, int64_t now_ms)
{
	const kg_chain_head was = head_of(it);
	kg_err err =
		kg_entry_place(&it->entry, &outbox->swarm, outbox->key, outbox->name, tip, now_ms);
	if (err != KG_OK) {
		return err;
	}
	/* What was said then stays said then. */
	if (was.sequence > 0 &&
	    (was.time_ms > tip->time_ms ||
	     (was.time_ms == tip->time_ms && was.time_counter > tip->time_counter))) {
		it->entry.time_ms = was.time_ms;
		it->entry.time_counter = was.time_counter;
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
	it->left = false;
	it->refused = false;
	it->written = false;
	*tip = head_of(it);
	return KG_OK;
}

/* ---- the file ---- */

static kg_err rewrite(kg_outbox *outbox)
{
	kg_buf records;
	kg_buf_init(&records, KG_OUTFILE_MAX - KG_OUTFILE_HEADER_SIZE);
	for (size_t i = 0; i < outbox->count; i++) {
		kg_outfile_put(&records, outbox->items[i]->object.data,
			       outbox->items[i]->object.size);
	}
	kg_err err = kg_outfile_replace(outbox->file, &records);
	kg_buf_release(&records);
	if (err != KG_OK) {
		return err;
	}
	outbox->stale = false;
	for (size_t i = 0; i < outbox->count; i++) {
		outbox->items[i]->written = true;
	}
	return KG_OK;
}

/* Brings into the file what is not there yet, as far as the disk has room. */
static kg_err write_down(kg_outbox *outbox)
{
	kg_err err = outbox->stale ? rewrite(outbox) : KG_OK;
	for (size_t i = 0; err == KG_OK && i < outbox->count; i++) {
		item *it = outbox->items[i];
		if (!it->written && outbox->file) {
			err = kg_outfile_append(outbox->file, it->object.data, it->object.size);
		}
		it->written = err == KG_OK;
	}
	return err;
}

/* What is stored need not be in the file. That it stays there does no harm: it is found to be
 * stored once more. */
static void tidy(kg_outbox *outbox)
{
	if (!outbox->file) {
		return;
	}
	size_t size = kg_outfile_size(outbox->file);
	kg_err err = KG_OK;
	if (outbox->count == 0) {
		err = kg_outfile_clear(outbox->file);
		outbox->stale = outbox->stale && err != KG_OK;
	} else if (size > DEAD_MAX && size / 2 > outbox->live) {
		err = rewrite(outbox);
	}
	(void)err;
}

/* One record of the file. What is not of this author and swarm is of an identity that was here
 * before. There may be more than KG_OUTBOX_MAX, for what is stored already may stand there still;
 * none may be passed over: another would be signed for its place. */
static kg_err take_up(void *data, const uint8_t *object, size_t size)
{
	kg_outbox *outbox = data;
	kg_entry entry;
	kg_entry_proof proof;
	if (kg_entry_open(&entry, &proof, object, size) != KG_OK) {
		return KG_OK;
	}
	if (!kg_pubkey_equal(&entry.swarm, &outbox->swarm) ||
	    !kg_pubkey_equal(&entry.agent, kg_key_public(outbox->key))) {
		kg_entry_release(&entry);
		return KG_OK;
	}
	item *it = item_new(&entry);
	if (!it) {
		return kg_fail(KG_ENOMEM, "no memory for an outbox");
	}
	it->proof = proof;
	it->left = true;
	it->written = true;
	kg_buf_put(&it->object, object, size);
	kg_err err = kg_buf_ok(&it->object);
	if (err != KG_OK) {
		item_free(it);
		return err;
	}
	return add(outbox, it);
}

kg_err kg_outbox_new(kg_outbox **out, const kg_pubkey *swarm, const kg_key *key, const char *name,
		     const char *state_dir, kg_outbox_done done, void *data)
{
	kg_err err = kg_name_check(name);
	if (err != KG_OK) {
		return err;
	}
	kg_outbox *outbox = calloc(1, sizeof(*outbox));
	if (!outbox) {
		return kg_fail(KG_ENOMEM, "no memory for an outbox");
	}
	outbox->swarm = *swarm;
	outbox->key = key;
	memcpy(outbox->name, name, strlen(name) + 1);
	outbox->credit = KG_OUTBOX_CREDIT;
	outbox->done = done;
	outbox->data = data;
	if (state_dir) {
		err = kg_outfile_open(&outbox->file, state_dir, name, take_up, outbox);
	}
	if (err != KG_OK) {
		kg_outbox_free(outbox);
		return err;
	}
	*out = outbox;
	return KG_OK;
}

kg_err kg_outbox_put(kg_outbox *outbox, kg_entry *entry, int64_t now_ms, uint64_t *ticket)
{
	bool spare = entry->type == KG_ENTRY_HEARTBEAT || entry->type == KG_ENTRY_TRACE;
	if (outbox->count >= (spare ? KG_OUTBOX_SPARE : KG_OUTBOX_MAX)) {
		kg_entry_release(entry);
		return kg_fail(KG_EFULL, "%zu entries wait for the keeper", outbox->count);
	}
	kg_chain_head tip = outbox->tip;
	/* The place it may have had elsewhere is none here. */
	entry->sequence = 0;
	item *it = item_new(entry);
	kg_err err =
		it ? place(outbox, it, &tip, now_ms) : kg_fail(KG_ENOMEM, "no memory for an entry");
	if (err != KG_OK) {
		item_free(it);
		return err;
	}
	uint64_t named = outbox->tickets + 1;
	err = add(outbox, it);
	if (err != KG_OK) {
		return err;
	}
	if (ticket) {
		*ticket = named;
	}
	/* What the disk has no room for waits here until it has: see kg_outbox_due. */
	(void)write_down(outbox);
	return KG_OK;
}

/* ---- sending ---- */

size_t kg_outbox_count(const kg_outbox *outbox)
{
	return outbox->count;
}

void kg_outbox_allow(kg_outbox *outbox, int64_t credit)
{
	outbox->credit = credit < 1                      ? 1
			 : credit > KG_OUTBOX_CREDIT_MAX ? KG_OUTBOX_CREDIT_MAX
							 : (size_t)credit;
}

bool kg_outbox_due(kg_outbox *outbox, int64_t before_ms, uint64_t *ticket, const uint8_t **object,
		   size_t *size)
{
	size_t most = outbox->asking ? 1 : outbox->credit;
	bool all = write_down(outbox) == KG_OK;
	/* In order: nothing goes before what it follows. */
	for (size_t i = 0; i < outbox->count && i < most; i++) {
		const item *it = outbox->items[i];
		if (!all && !it->written) {
			return false;
		}
		if (it->request == 0 || it->sent_ms <= before_ms) {
			*ticket = it->ticket;
			*object = it->object.data;
			*size = it->object.size;
			return true;
		}
	}
	return false;
}

static item *find(const kg_outbox *outbox, uint64_t request, size_t *index)
{
	for (size_t i = 0; i < outbox->count && request != 0; i++) {
		if (outbox->items[i]->request == request) {
			*index = i;
			return outbox->items[i];
		}
	}
	return NULL;
}

void kg_outbox_sent(kg_outbox *outbox, uint64_t ticket, uint64_t request, int64_t now_mono_ms)
{
	for (size_t i = 0; i < outbox->count; i++) {
		item *it = outbox->items[i];
		if (it->ticket == ticket) {
			it->request = request;
			it->sent_ms = now_mono_ms;
			it->left = true;
		}
	}
}

void kg_outbox_unsent(kg_outbox *outbox)
{
	for (size_t i = 0; i < outbox->count; i++) {
		outbox->items[i]->request = 0;
	}
}

bool kg_outbox_knows(const kg_outbox *outbox, uint64_t request)
{
	size_t index;
	return find(outbox, request, &index) != NULL;
}

static item *take_out(kg_outbox *outbox, size_t index)
{
	item *it = outbox->items[index];
	outbox->count--;
	outbox->live -= it->object.size;
	memmove(&outbox->items[index], &outbox->items[index + 1],
		(outbox->count - index) * sizeof(it));
	return it;
}

/* The first `count` items are stored. The callback runs on a consistent outbox: it may put more. */
static void finish(kg_outbox *outbox, size_t count)
{
	outbox->asking = false;
	for (size_t i = 0; i < count; i++) {
		item *it = take_out(outbox, 0);
		if (outbox->done) {
			outbox->done(outbox->data, it->ticket, &it->entry, &it->proof);
		}
		item_free(it);
	}
	tidy(outbox);
}

bool kg_outbox_acknowledge(kg_outbox *outbox, const kg_entry_id *id)
{
	for (size_t i = 0; i < outbox->count; i++) {
		if (memcmp(&outbox->items[i]->proof.id, id, sizeof(*id)) == 0) {
			finish(outbox, i + 1);
			return true;
		}
	}
	return false;
}

bool kg_outbox_stored(kg_outbox *outbox, uint64_t request)
{
	size_t index;
	if (!find(outbox, request, &index)) {
		return false;
	}
	finish(outbox, index + 1);
	return true;
}

bool kg_outbox_drop(kg_outbox *outbox, uint64_t request, uint64_t *ticket)
{
	size_t index;
	item *it = find(outbox, request, &index);
	if (!it) {
		return false;
	}
	*ticket = it->ticket;
	item_free(take_out(outbox, index));
	tidy(outbox);
	return true;
}

void kg_outbox_refuse(kg_outbox *outbox, uint64_t request)
{
	size_t index;
	item *it = find(outbox, request, &index);
	if (it) {
		it->refused = true;
	}
}

/* ---- the chain ends elsewhere ---- */

static bool same_commit(const kg_commit *a, const kg_commit *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Whether what is here continues `head`. */
static bool follows(const kg_outbox *outbox, const kg_chain_head *head)
{
	if (outbox->count == 0) {
		return outbox->tip.sequence == head->sequence &&
		       same_commit(&outbox->tip.commit, &head->commit);
	}
	const item *first = outbox->items[0];
	return first->entry.sequence == head->sequence + 1 &&
	       (head->sequence == 0 || same_commit(&first->proof.parent, &head->commit));
}

/* Whether they follow each other, so that the first one says where all of them belong. */
static bool is_one_chain(const kg_outbox *outbox)
{
	for (size_t i = 1; i < outbox->count; i++) {
		const item *before = outbox->items[i - 1];
		if (!same_commit(&outbox->items[i]->proof.parent, &before->proof.commit)) {
			return false;
		}
	}
	return true;
}

static kg_err place_all(kg_outbox *outbox, const kg_chain_head *head, int64_t now_ms)
{
	kg_chain_head tip = *head;
	kg_err err = KG_OK;
	outbox->live = 0;
	for (size_t i = 0; i < outbox->count && err == KG_OK; i++) {
		err = place(outbox, outbox->items[i], &tip, now_ms);
		outbox->live += outbox->items[i]->object.size;
	}
	if (err == KG_OK) {
		outbox->tip = tip;
		outbox->stale = outbox->file != NULL;
	}
	return err;
}

kg_err kg_outbox_rebase(kg_outbox *outbox, const kg_chain_head *head, int64_t now_ms, bool *moved)
{
	*moved = false;
	for (size_t i = 0; i < outbox->count; i++) {
		if (same_commit(&outbox->items[i]->proof.commit, &head->commit)) {
			finish(outbox, i + 1);
			break;
		}
	}
	kg_outbox_unsent(outbox);
	outbox->asking = false;
	if (follows(outbox, head) && is_one_chain(outbox)) {
		for (size_t i = 0; i < outbox->count; i++) {
			outbox->items[i]->refused = false;
		}
		return KG_OK;
	}
	if (outbox->count > 0 && outbox->items[0]->left && !outbox->items[0]->refused) {
		outbox->asking = true;
		return KG_OK;
	}
	kg_err err = place_all(outbox, head, now_ms);
	*moved = err == KG_OK && outbox->count > 0;
	return err;
}

/* Whether no waiting and no other place mends it. */
static bool is_final(kg_err err)
{
	return err == KG_EDENIED || err == KG_EBADSIG || err == KG_ECORRUPT || err == KG_EINVAL;
}

/* The first of the outbox to the keeper, and what its answer means for the others. */
static kg_err deliver_first(kg_outbox *outbox, const kg_outbox_port *port, int64_t now_ms)
{
	const item *first = outbox->items[0];
	uint64_t request = first->ticket, ticket;
	kg_chain_head head;
	bool moved;
	kg_err err = write_down(outbox);
	if (err != KG_OK) {
		return err;
	}
	kg_outbox_sent(outbox, first->ticket, request, 0);
	err = port->submit(port->data, first->object.data, first->object.size);
	if (err == KG_OK || err == KG_EEXISTS) {
		finish(outbox, 1);
		return KG_OK;
	}
	if (is_final(err)) {
		(void)kg_outbox_drop(outbox, request, &ticket);
	} else if (err == KG_ECONFLICT) {
		kg_outbox_refuse(outbox, request);
	} else {
		return err;
	}
	kg_err asked = port->head(port->data, &head);
	if (asked == KG_OK) {
		asked = kg_outbox_rebase(outbox, &head, now_ms, &moved);
	}
	return asked == KG_OK ? err : asked;
}

kg_err kg_outbox_deliver(kg_outbox *outbox, const kg_outbox_port *port, int64_t now_ms)
{
	kg_err err = KG_OK;
	int conflicts = 0;
	while (outbox->count > 0) {
		size_t before = outbox->count;
		err = deliver_first(outbox, port, now_ms);
		if (err == KG_ECONFLICT && conflicts++ < TRIES) {
			continue;
		}
		if (err != KG_OK && outbox->count == before) {
			return err;
		}
	}
	return err;
}
