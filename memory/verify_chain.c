/* SPDX-License-Identifier: MIT */
/* One chain, walked from its tip to its first entry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/verify_impl.h"

enum { STEP_EVERY = 64 /* entries between two looks at whether to go on */ };

/* Where a walk stands. */
typedef struct {
	kg_verify_track *track;
	kg_commit commit;
	uint64_t expected; /* sequence; 0 at the tip and behind what had none */
	bool has_later;    /* time of the entry after this one that was not carried over */
	int64_t later_ms;
	uint16_t later_counter;
	bool has_behind; /* the entry after this one, whatever it is */
	kg_commit behind;
	uint64_t behind_sequence;
} place;

static void find_here(kg_verify_judge *j, const place *at, uint64_t sequence, const kg_entry_id *id,
		      kg_reason reason, const char *text)
{
	const kg_verify_spotted here = {&at->track->agent, &at->commit, sequence, id};

	kg_verify__find(j, &here, reason, "%s", text);
}

static void find_behind(kg_verify_judge *j, const place *at, kg_reason reason, const char *text)
{
	const kg_verify_spotted behind = {&at->track->agent, &at->behind, at->behind_sequence,
					  NULL};

	kg_verify__find(j, &behind, reason, "%s", text);
}

/* ---- the object ---- */

bool kg_verify__header_parent(kg_commit *parent, const kg_buf *object)
{
	static const char key[] = "\nparent ";
	const char *header = kg_buf_text(object);
	const char *end = object->size > 0 ? memmem(header, object->size, "\n\n", 2) : NULL;
	const char *found =
		end != NULL ? memmem(header, (size_t)(end - header), key, sizeof(key) - 1) : NULL;
	char text[KG_COMMIT_TEXT_SIZE];

	if (found == NULL || end - found < (ptrdiff_t)(sizeof(key) - 1 + sizeof(text) - 1))
		return false;
	memcpy(text, found + sizeof(key) - 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return kg_commit_parse(parent, text) == KG_OK;
}

/* The sequence that an object claims which is no entry; 0 when it claims none. Its place is not
 * believed, only used to tell what is missing there. */
static uint64_t claimed_sequence(const kg_buf *object)
{
	static const char key[] = "\nSequence: ";
	const char *text = kg_buf_text(object);
	const char *found = NULL;
	char *end;
	unsigned long long sequence;

	for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key))
		found = at;
	if (found == NULL)
		return 0;
	sequence = strtoull(found + sizeof(key) - 1, &end, 10);
	return *end == '\n' && sequence <= INT64_MAX ? sequence : 0;
}

/* ---- one entry ---- */

static void put_spot(kg_verify_judge *j, place *at, uint64_t sequence, const kg_entry_id *believed)
{
	kg_verify_track *t = at->track;
	kg_verify_spot *spot;

	if (t->count == t->room) {
		size_t room = t->room == 0 ? 64 : 2 * t->room;
		kg_verify_spot *grown = realloc(t->spots, room * sizeof(*grown));

		if (grown == NULL) {
			j->err = kg_fail(KG_ENOMEM, "no memory for %zu entries of a chain", room);
			return;
		}
		t->spots = grown;
		t->room = room;
	}
	spot = &t->spots[t->count];
	*spot = (kg_verify_spot){.sequence = sequence, .commit = at->commit};
	if (believed != NULL)
		memcpy(&spot->mark, believed->bytes, sizeof(spot->mark));
	t->tangled = t->tangled || (t->count > 0 && spot[-1].sequence <= sequence);
	t->count++;
}

typedef enum { STRANGER, UNCERTIFIED, CERTIFIED } standing;

/* Whether it is an entry of this chain at all, and whether its author may say it. */
static standing check_author(kg_verify_judge *j, const place *at, const kg_entry *e,
			     const kg_entry_id *id)
{
	kg_reason why = KG_REASON_NONE;

	if (!kg_pubkey_equal(&e->agent, &at->track->agent)) {
		char text[KG_PUBKEY_TEXT_SIZE + 32];
		char key[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(key, &e->agent);
		(void)snprintf(text, sizeof(text), "it is an entry of %s", key);
		find_here(j, at, e->sequence, id, KG_REASON_WRONG_CHAIN, text);
		return STRANGER;
	}
	if (kg_admit_author(&j->admit, e, &why) == KG_OK)
		return CERTIFIED;
	/* The line begins with the word and a colon, which a finding has beside it. */
	find_here(j, at, e->sequence, id, why,
		  kg_err_text() + strlen(kg_reason_name(why)) + sizeof(": ") - 1);
	return UNCERTIFIED;
}

static void check_order(kg_verify_judge *j, const place *at, const kg_entry *e,
			const kg_entry_id *id)
{
	char text[64];

	if (at->expected != 0 && e->sequence != at->expected) {
		(void)snprintf(text, sizeof(text), "entry %llu should stand here",
			       (unsigned long long)at->expected);
		find_here(j, at, e->sequence, id, KG_REASON_SEQUENCE_GAP, text);
	}
	if (e->carried == 0 && at->has_later &&
	    (e->time_ms > at->later_ms ||
	     (e->time_ms == at->later_ms && e->time_counter >= at->later_counter)))
		find_here(j, at, e->sequence, id, KG_REASON_TIME_ORDER,
			  "it is not older than the next entry");
}

/* What an entry can only say when it is its author's for certain. */
static void believe(kg_verify_judge *j, place *at, const kg_entry *e, const kg_entry_proof *proof)
{
	kg_verify_track *t = at->track;
	const kg_verify_spotted here = {&t->agent, &at->commit, e->sequence, &proof->id};

	for (size_t i = 0; i < e->seen_count; i++)
		kg_verify__claim(j, &e->seen[i], KG_CLAIM_SEEN, &t->agent, e->sequence);
	if (e->has_successor) {
		if (at->has_behind)
			find_behind(j, at, KG_REASON_CLOSED,
				    "the entry before it gave the key up for another");
		t->has_successor = true;
		t->successor = e->successor;
		t->closing = (kg_verify_spot){.sequence = e->sequence, .commit = at->commit};
	}
	if (e->has_predecessor) {
		t->has_predecessor = true;
		t->predecessor = e->predecessor;
		t->opening = (kg_verify_spot){.sequence = e->sequence, .commit = at->commit};
	}
	kg_verify__meet_carried(j, t, e, proof);
	if (e->has_sealed || e->has_origin)
		kg_verify__judge_content(j, &here, e);
}

/* On to the entry before. What cannot be believed says nothing of where and when that stands. */
static void move_on(place *at, const kg_entry *believed, uint64_t sequence)
{
	if (at->expected == 0 || believed != NULL)
		at->expected = sequence;
	at->expected -= at->expected > 0 ? 1 : 0;
	at->has_behind = true;
	at->behind = at->commit;
	at->behind_sequence = sequence;
	if (believed != NULL && believed->carried > 0)
		return;
	at->has_later = believed != NULL;
	if (believed == NULL)
		return;
	at->later_ms = believed->time_ms;
	at->later_counter = believed->time_counter;
}

/* A chain belongs to the swarm of its first entry. */
static void meet_swarm(kg_verify_judge *j, place *at, const kg_entry *e)
{
	kg_verify_track *t = at->track;

	if (t->has_swarm && !kg_pubkey_equal(&t->swarm, &e->swarm))
		find_behind(j, at, KG_REASON_WRONG_SWARM, "its chain belongs to another swarm");
	t->has_swarm = true;
	t->swarm = e->swarm;
	memcpy(t->name, e->agent_name, sizeof(t->name));
}

/* False for another author's entry: what is before that is judged on its own chain, or nowhere. */
static bool judge_good(kg_verify_judge *j, place *at, const kg_entry *e,
		       const kg_entry_proof *proof)
{
	standing author = check_author(j, at, e, &proof->id);
	bool own = author != STRANGER;

	check_order(j, at, e, &proof->id);
	put_spot(j, at, e->sequence, own ? &proof->id : NULL);
	if (author == CERTIFIED)
		meet_swarm(j, at, e);
	if (author == CERTIFIED && e->type == KG_ENTRY_REVOCATION && e->head_count == 0)
		kg_verify__meet_ban(j, e, proof);
	if (own)
		believe(j, at, e, proof);
	move_on(at, own ? e : NULL, e->sequence);
	return own;
}

static void judge_bad(kg_verify_judge *j, place *at, kg_err err)
{
	uint64_t sequence = at->expected > 0 ? at->expected : claimed_sequence(&j->object);
	kg_reason reason;
	kg_entry_proof proof;
	char why[128];
	kg_entry e;

	(void)snprintf(why, sizeof(why), "%s", kg_err_text());
	reason = kg_reason_of_object(err, j->object.data, j->object.size);
	if (reason == KG_REASON_NONE) {
		j->err = kg_fail(err, "%s", why);
		return;
	}
	if (kg_entry_open_unverified(&e, &proof, j->object.data, j->object.size) == KG_OK) {
		find_here(j, at, e.sequence, &proof.id, reason, why);
		(void)check_author(j, at, &e, &proof.id);
		check_order(j, at, &e, &proof.id);
		sequence = e.sequence;
		kg_entry_release(&e);
	} else {
		find_here(j, at, sequence, NULL, reason, why);
	}
	if (sequence > 0)
		put_spot(j, at, sequence, NULL);
	move_on(at, NULL, sequence);
}

static void break_off(kg_verify_judge *j, place *at, kg_err err)
{
	char text[192];
	kg_reason reason = err == KG_ENOTFOUND ? KG_REASON_MISSING
			   : err == KG_EFULL   ? KG_REASON_OVERSIZE
					       : KG_REASON_UNREADABLE;

	(void)snprintf(text, sizeof(text), "%.140s; what is before it cannot be reached",
		       kg_err_text());
	find_here(j, at, at->expected, NULL, reason, text);
	at->track->is_dark = true;
	at->track->dark_to = at->expected > 0 ? at->expected : UINT64_MAX;
}

/* Judges the entry at `at` and moves on to its parent; false at the end of what can be walked. */
static bool judge_entry(kg_verify_judge *j, place *at)
{
	const kg_verify_options *o = j->options;
	kg_entry_proof proof;
	kg_entry e;
	kg_err err;

	if (o->commit != NULL && memcmp(o->commit->bytes, at->commit.bytes, KG_COMMIT_SIZE) == 0)
		j->verdict->reached = true;
	j->verdict->checked++;
	kg_buf_clear(&j->object);
	err = kg_store_read(j->store, &j->object, &at->commit);
	if (err == KG_ENOMEM)
		j->err = err;
	if (err != KG_OK) {
		break_off(j, at, err);
		return false;
	}
	err = kg_entry_open(&e, &proof, j->object.data, j->object.size);
	if (err == KG_OK) {
		bool own = judge_good(j, at, &e, &proof);

		kg_entry_release(&e);
		if (!own)
			return false;
	} else {
		judge_bad(j, at, err);
	}
	if (kg_verify__header_parent(&at->commit, &j->object))
		return j->err == KG_OK;
	if (at->expected > 0 && !at->track->has_epoch)
		find_behind(j, at, KG_REASON_SEQUENCE_GAP, "there is nothing before it");
	return false;
}

static bool go_on(kg_verify_judge *j)
{
	const kg_verify_options *o = j->options;

	if (j->verdict->cut)
		return false; /* more would not be told */
	if (o->step == NULL || j->verdict->checked % STEP_EVERY != 0)
		return true;
	j->stopped = j->stopped || !o->step(o->payload, j->verdict->checked, j->total);
	return !j->stopped;
}

static int by_falling_sequence(const void *a, const void *b)
{
	const kg_verify_spot *x = a;
	const kg_verify_spot *y = b;

	return x->sequence == y->sequence ? 0 : x->sequence > y->sequence ? -1 : 1;
}

void kg_verify__judge_chain(kg_verify_judge *j, kg_verify_track *track)
{
	place at = {.track = track, .commit = track->tip};

	while (judge_entry(j, &at) && go_on(j))
		;
	track->walked = true;
	if (track->tangled)
		qsort(track->spots, track->count, sizeof(track->spots[0]), by_falling_sequence);
}
