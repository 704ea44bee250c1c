/* SPDX-License-Identifier: MIT */
/* Many entries on the way at once: what others have signed, and many of one author. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "bus/socket.h"
#include "cli/writing_impl.h"

enum {
	BATCH = 1000 /* entries that become durable together without a keeper */
};

/* ---- what others have signed ---- */

/* The answer to one entry on the way. */
static kg_err take_answer(kg_writing *w, kg_writing_answer answer, void *payload)
{
	kg_message m = {0};
	int64_t credit = 0;
	size_t at = 0;
	kg_err err = kg_socket_receive(w->keeper, &m, KG_WRITING__ANSWER_MS);

	if (err == KG_ETIMEOUT)
		return kg_fail(KG_ETIMEOUT, "the swarm's keeper does not answer");
	if (err != KG_OK)
		return err;
	while (at < w->window_count && w->window[at].id != m.id)
		at++;
	if (at < w->window_count && (m.kind == KG_MESSAGE_ACK || m.kind == KG_MESSAGE_FAILED)) {
		if (m.kind == KG_MESSAGE_FAILED)
			err = kg_message_fail(&m);
		else if (kg_json_get_i64(&credit, m.json, "credit", 1, KG_WRITING__WINDOW_MAX) ==
			 KG_OK)
			w->credit = (size_t)credit;
		answer(payload, w->window[at].tag, err);
		w->window_count--;
		memmove(&w->window[at], &w->window[at + 1],
			(w->window_count - at) * sizeof(w->window[0]));
	}
	kg_message_release(&m);
	/* What does not fit now fits later; what follows it on its chain does not. */
	return err == KG_EFULL ? err : KG_OK;
}

static kg_err pass_to_keeper(kg_writing *w, const void *object, size_t size, uint64_t tag,
			     kg_writing_answer answer, void *payload)
{
	uint64_t id = kg_socket_next_id(w->keeper);
	kg_err err = KG_OK;

	while (err == KG_OK && w->window_count > 0 && w->window_count >= w->credit)
		err = take_answer(w, answer, payload);
	if (err == KG_OK)
		err = kg_socket_send(w->keeper, NULL, KG_MESSAGE_SUBMIT, id, object, size);
	if (err == KG_OK)
		w->window[w->window_count++] = (kg_writing__passing){id, tag};
	return err;
}

static kg_err finish_batch(kg_writing *w)
{
	kg_err err = kg_memory_commit(w->memory);

	w->batch = 0;
	return err == KG_OK ? kg_memory_flush(w->memory) : err;
}

kg_err kg_writing_pass(kg_writing *w, const void *object, size_t size, uint64_t tag,
		       kg_writing_answer answer, void *payload)
{
	kg_receipt receipt;
	kg_err err;

	if (w->memory == NULL)
		return pass_to_keeper(w, object, size, tag, answer, payload);
	err = kg_memory_submit(w->memory, &receipt, object, size, kg_clock_wall_ms());
	if (err == KG_EFULL) {
		err = finish_batch(w);
		if (err != KG_OK)
			return err;
		err = kg_memory_submit(w->memory, &receipt, object, size, kg_clock_wall_ms());
	}
	if (err == KG_EFULL || err == KG_EIO || err == KG_ENOMEM)
		return err;
	answer(payload, tag, err);
	return ++w->batch < BATCH ? KG_OK : finish_batch(w);
}

kg_err kg_writing_passed(kg_writing *w, kg_writing_answer answer, void *payload)
{
	kg_err err = KG_OK;

	if (w->memory != NULL)
		return finish_batch(w);
	while (err == KG_OK && w->window_count > 0)
		err = take_answer(w, answer, payload);
	return err == KG_OK ? kg_writing_settle(w) : err;
}

/* ---- many of one author ---- */

typedef struct {
	kg_outbox *outbox;
	size_t stored;
	kg_err err; /* why the first that was not stored was not */
	char why[KG_ERR_TEXT_MAX];
} run;

static void on_run_stored(void *data, uint64_t ticket, const kg_entry *entry,
			  const kg_entry_proof *proof)
{
	run *r = data;

	(void)ticket;
	(void)entry;
	(void)proof;
	r->stored++;
}

static void on_answer(void *payload, uint64_t tag, kg_err err)
{
	run *r = payload;

	if (err == KG_OK || err == KG_EEXISTS) {
		(void)kg_outbox_stored(r->outbox, tag);
	} else if (r->err == KG_OK) {
		r->err = err;
		(void)snprintf(r->why, sizeof(r->why), "%s", kg_err_text());
	}
}

/* Everything in the outbox, many on the way at once. */
static kg_err pass_all(kg_writing *w, run *r)
{
	const uint8_t *object = NULL;
	uint64_t ticket = 0;
	size_t size = 0;
	kg_err passed;
	kg_err err = KG_OK;

	while (err == KG_OK && r->err == KG_OK &&
	       kg_outbox_due(r->outbox, -1, &ticket, &object, &size)) {
		kg_outbox_sent(r->outbox, ticket, ticket, 0);
		err = kg_writing_pass(w, object, size, ticket, on_answer, r);
	}
	passed = kg_writing_passed(w, on_answer, r);
	if (err == KG_OK)
		err = passed;
	return r->err != KG_OK ? kg_fail(r->err, "%s", r->why) : err;
}

static kg_err say_run(kg_writing *w, run *r, kg_entry *entries, size_t count)
{
	kg_err err = kg_writing__catch_up(w, r->outbox);

	r->stored = 0;
	kg_outbox_allow(r->outbox, KG_OUTBOX_CREDIT_MAX);
	for (size_t i = 0; err == KG_OK && i < count; i++) {
		err = kg_outbox_put(r->outbox, &entries[i], kg_clock_wall_ms(), NULL);
		if (err == KG_OK &&
		    (kg_outbox_count(r->outbox) == KG_OUTBOX_CREDIT_MAX || i + 1 == count))
			err = pass_all(w, r);
		/* What found no room, or was refused, gets its second chance one by one. */
		if (err == KG_EFULL || err == KG_ECONFLICT) {
			r->err = KG_OK;
			err = kg_writing__deliver(w, r->outbox);
		}
	}
	return err;
}

kg_err kg_writing_say_all(kg_writing *w, size_t *stored, kg_entry *entries, size_t count,
			  const kg_key *author, const char *name)
{
	run r = {0};
	kg_err err = kg_writing__await_outbox(w, &r.outbox, author, name, on_run_stored, &r);

	if (err == KG_OK)
		err = kg_writing__enrol(w, kg_key_public(author), name);
	w->author = kg_key_public(author);
	if (err == KG_OK)
		err = say_run(w, &r, entries, count);
	kg_outbox_free(r.outbox);
	w->said = w->said || r.stored > 0;
	*stored = r.stored;
	return err;
}
