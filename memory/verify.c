/* SPDX-License-Identifier: MIT */
#include "memory/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "memory/admit.h"

/* What a checkpoint says: this entry stands at this place. */
typedef struct {
	kg_entry_head head;
	bool met; /* the walk of its chain passed that place */
} claim;

typedef struct {
	kg_store *store;
	const kg_verify_options *options;
	kg_verdict *verdict;
	kg_admit admit; /* members and revocations */
	claim *claims;  /* by agent and sequence */
	size_t claim_count;
	size_t claim_room;
} judge;

/* Where a walk stands. */
typedef struct {
	const kg_pubkey *agent;
	const kg_admit_chain *chain; /* NULL: nothing is known of the key */
	kg_commit commit;
	uint64_t expected; /* sequence; 0 at the tip and behind what had none */
	bool has_later;    /* time of the entry after this one */
	int64_t later_ms;
	uint16_t later_counter;
	bool broken; /* the walk could not go on at `expected` */
} place;

/* ---- findings ---- */

static void name_finding(const judge *j, kg_finding *f, const kg_pubkey *agent, uint64_t sequence,
			 const kg_commit *commit, const kg_entry_id *claimed)
{
	const kg_verify_options *o = j->options;
	kg_entry_id id;

	kg_commit_format(f->commit, commit);
	if (o != NULL && o->name != NULL && o->name(o->payload, &id, agent, sequence, commit))
		kg_entry_id_format(f->entry, &id);
	else if (claimed != NULL)
		kg_entry_id_format(f->entry, claimed);
	else
		kg_commit_format(f->entry, commit);
}

/* Room for one more finding; NULL when there are too many, or no memory for it. */
static kg_finding *add_finding(judge *j, const char *reason)
{
	kg_verdict *v = j->verdict;
	kg_finding *f;

	if (v->count == KG_VERIFY_FINDINGS_MAX) {
		v->cut = true;
		return NULL;
	}
	if ((v->count & (v->count - 1)) == 0) {
		f = realloc(v->findings, (v->count == 0 ? 1 : 2 * v->count) * sizeof(*f));
		if (f == NULL) {
			v->cut = true;
			return NULL;
		}
		v->findings = f;
	}
	f = &v->findings[v->count++];
	memset(f, 0, sizeof(*f));
	f->reason = reason;
	return f;
}

static void find(judge *j, const place *at, uint64_t sequence, const kg_entry_id *claimed,
		 const char *reason, const char *fmt, ...) KG_PRINTF(6, 7);

static void find(judge *j, const place *at, uint64_t sequence, const kg_entry_id *claimed,
		 const char *reason, const char *fmt, ...)
{
	const kg_verify_options *o = j->options;
	kg_finding *f;
	va_list ap;
	int length;

	if (o != NULL && o->commit != NULL &&
	    memcmp(o->commit->bytes, at->commit.bytes, KG_COMMIT_SIZE) != 0)
		return;
	f = add_finding(j, reason);
	if (f == NULL)
		return;
	kg_pubkey_format(f->chain, at->agent);
	name_finding(j, f, at->agent, sequence, &at->commit, claimed);
	length = snprintf(f->detail, sizeof(f->detail),
			  "%s entry %llu: ", at->chain != NULL ? at->chain->name : "?",
			  (unsigned long long)sequence);
	if (length < 0 || (size_t)length >= sizeof(f->detail))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(f->detail + length, sizeof(f->detail) - (size_t)length, fmt, ap);
	va_end(ap);
}

/* ---- claims ---- */

static int compare_claims(const void *a, const void *b)
{
	const claim *x = a;
	const claim *y = b;
	int order = memcmp(x->head.agent.bytes, y->head.agent.bytes, KG_PUBKEY_SIZE);

	if (order != 0)
		return order;
	if (x->head.sequence != y->head.sequence)
		return x->head.sequence < y->head.sequence ? -1 : 1;
	return memcmp(x->head.commit.bytes, y->head.commit.bytes, KG_COMMIT_SIZE);
}

static kg_err add_claim(judge *j, const kg_entry_head *head)
{
	if (j->claim_count == j->claim_room) {
		size_t room = j->claim_room == 0 ? 64 : 2 * j->claim_room;
		claim *grown = realloc(j->claims, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu checkpoints", room);
		j->claims = grown;
		j->claim_room = room;
	}
	j->claims[j->claim_count++] = (claim){*head, false};
	return KG_OK;
}

/* Chains that stand still are named by every checkpoint alike. */
static void sort_claims(judge *j)
{
	size_t kept = 0;

	if (j->claim_count == 0)
		return;
	qsort(j->claims, j->claim_count, sizeof(j->claims[0]), compare_claims);
	for (size_t i = 0; i < j->claim_count; i++)
		if (kept == 0 || compare_claims(&j->claims[kept - 1], &j->claims[i]) != 0)
			j->claims[kept++] = j->claims[i];
	j->claim_count = kept;
}

/* The first claim on `agent` with at least this sequence. */
static size_t claims_from(const judge *j, const kg_pubkey *agent, uint64_t sequence)
{
	size_t low = 0;
	size_t high = j->claim_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const kg_entry_head *h = &j->claims[middle].head;
		int order = memcmp(h->agent.bytes, agent->bytes, KG_PUBKEY_SIZE);

		if (order < 0 || (order == 0 && h->sequence < sequence))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_claim_on(const judge *j, size_t i, const kg_pubkey *agent)
{
	return i < j->claim_count && kg_pubkey_equal(&j->claims[i].head.agent, agent);
}

/* ---- the swarm's chain, read for what it says ---- */

static bool header_parent(kg_commit *parent, const kg_buf *object);

/* Members, revocations and checkpoints of whatever of the swarm's chain can be believed. */
static kg_err learn(judge *j)
{
	kg_commit at;
	kg_err err = kg_store_tip(j->store, &at, &j->admit.swarm);
	bool more = err == KG_OK;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = KG_OK;
	while (err == KG_OK && more) {
		kg_entry_proof proof;
		kg_entry e;

		kg_buf_clear(&object);
		if (kg_store_read(j->store, &object, &at) != KG_OK)
			break;
		if (kg_entry_open(&e, &proof, object.data, object.size) == KG_OK) {
			if (kg_pubkey_equal(&e.agent, &j->admit.swarm)) {
				err = kg_admit_learn(&j->admit, &e);
				for (size_t i = 0; err == KG_OK && i < e.head_count; i++)
					err = add_claim(j, &e.heads[i]);
			}
			kg_entry_release(&e);
		}
		more = header_parent(&at, &object);
	}
	kg_buf_release(&object);
	sort_claims(j);
	return err;
}

/* ---- one entry ---- */

/* The only parent in the header of a commit, whatever else is wrong with it. */
static bool header_parent(kg_commit *parent, const kg_buf *object)
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

static bool is_signed(const kg_buf *object)
{
	const char *end = memmem(object->data, object->size, "\n\n", 2);

	return end != NULL && memmem(object->data, (size_t)((const uint8_t *)end - object->data),
				     "\ngpgsig ", 8) != NULL;
}

static const char *reason_of(kg_err err, const kg_buf *object)
{
	if (err == KG_EBADSIG)
		return "bad_signature";
	if (err == KG_EDENIED)
		return "weak_key";
	return is_signed(object) ? "malformed" : "unsigned";
}

static void check_author(judge *j, const place *at, const kg_entry *e, const kg_entry_id *id)
{
	const kg_admit_chain *chain = at->chain;

	if (!kg_pubkey_equal(&e->agent, at->agent)) {
		char text[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(text, &e->agent);
		find(j, at, e->sequence, id, "wrong_chain", "it is an entry of %s", text);
		return;
	}
	if (!kg_pubkey_equal(&e->swarm, &j->admit.swarm))
		find(j, at, e->sequence, id, "wrong_swarm", "it was made for another swarm");
	if (chain == NULL || !chain->member)
		find(j, at, e->sequence, id, "unknown_key",
		     "the swarm has not certified the key of %s", e->agent_name);
	else if (strcmp(chain->name, e->agent_name) != 0)
		find(j, at, e->sequence, id, "wrong_name", "it says it is by %s", e->agent_name);
	else if (chain->revoked && e->sequence > chain->sequence_max)
		find(j, at, e->sequence, id, "revoked", "its key was revoked after entry %llu",
		     (unsigned long long)chain->sequence_max);
}

static void check_order(judge *j, const place *at, const kg_entry *e, const kg_entry_id *id)
{
	if (at->expected != 0 && e->sequence != at->expected)
		find(j, at, e->sequence, id, "sequence_gap", "entry %llu should stand here",
		     (unsigned long long)at->expected);
	if (at->has_later && (e->time_ms > at->later_ms ||
			      (e->time_ms == at->later_ms && e->time_counter >= at->later_counter)))
		find(j, at, e->sequence, id, "time_order", "it is not older than the next entry");
}

static void check_claims(judge *j, const place *at, uint64_t sequence, const kg_entry_id *id)
{
	for (size_t i = claims_from(j, at->agent, sequence);
	     is_claim_on(j, i, at->agent) && j->claims[i].head.sequence == sequence; i++) {
		char text[KG_COMMIT_TEXT_SIZE];

		j->claims[i].met = true;
		if (memcmp(j->claims[i].head.commit.bytes, at->commit.bytes, KG_COMMIT_SIZE) == 0)
			continue;
		kg_commit_format(text, &j->claims[i].head.commit);
		find(j, at, sequence, id, "replaced", "a checkpoint names commit %s here", text);
	}
}

/* The place of an entry whose signature is good, or of what one claims that is not. */
static void judge_good(judge *j, place *at, const kg_entry *e, const kg_entry_proof *proof)
{
	check_author(j, at, e, &proof->id);
	check_order(j, at, e, &proof->id);
	check_claims(j, at, e->sequence, &proof->id);
}

/* On to the entry before. What cannot be believed says nothing of where and when that stands. */
static void move_on(place *at, const kg_entry *believed, uint64_t sequence)
{
	if (at->expected == 0 || believed != NULL)
		at->expected = sequence;
	at->expected -= at->expected > 0 ? 1 : 0;
	at->has_later = believed != NULL;
	if (believed == NULL)
		return;
	at->later_ms = believed->time_ms;
	at->later_counter = believed->time_counter;
}

static void judge_bad(judge *j, place *at, const kg_buf *object, kg_err err)
{
	uint64_t sequence = at->expected > 0 ? at->expected : claimed_sequence(object);
	const char *reason = reason_of(err, object);
	kg_entry_proof proof;
	char why[128];
	kg_entry e;

	(void)snprintf(why, sizeof(why), "%s", kg_err_text());
	if (kg_entry_open_unverified(&e, &proof, object->data, object->size) == KG_OK) {
		find(j, at, e.sequence, &proof.id, reason, "%s", why);
		judge_good(j, at, &e, &proof);
		move_on(at, NULL, e.sequence);
		kg_entry_release(&e);
		return;
	}
	find(j, at, sequence, NULL, reason, "%s", why);
	if (sequence > 0)
		check_claims(j, at, sequence, NULL);
	move_on(at, NULL, sequence);
}

/* Judges the entry at `at` and moves on to its parent; false at the end of what can be walked. */
static bool judge_entry(judge *j, place *at, kg_buf *object)
{
	const kg_verify_options *o = j->options;
	kg_entry_proof proof;
	kg_entry e;
	kg_err err;

	if (o != NULL && o->commit != NULL &&
	    memcmp(o->commit->bytes, at->commit.bytes, KG_COMMIT_SIZE) == 0)
		j->verdict->reached = true;
	j->verdict->checked++;
	kg_buf_clear(object);
	err = kg_store_read(j->store, object, &at->commit);
	if (err != KG_OK) {
		find(j, at, at->expected, NULL, err == KG_ENOTFOUND ? "missing" : "unreadable",
		     "%s; what is before it cannot be reached", kg_err_text());
		at->broken = true;
		return false;
	}
	err = kg_entry_open(&e, &proof, object->data, object->size);
	if (err == KG_OK) {
		judge_good(j, at, &e, &proof);
		move_on(at, kg_pubkey_equal(&e.agent, at->agent) ? &e : NULL, e.sequence);
		kg_entry_release(&e);
	} else {
		judge_bad(j, at, object, err);
	}
	if (header_parent(&at->commit, object))
		return true;
	if (at->expected > 0)
		find(j, at, at->expected + 1, NULL, "sequence_gap", "there is nothing before it");
	return false;
}

/* ---- chains ---- */

/* What checkpoints name from `sequence` on and the walk did not meet. */
static void judge_claims(judge *j, const kg_pubkey *agent, uint64_t sequence)
{
	for (size_t i = claims_from(j, agent, sequence); is_claim_on(j, i, agent); i++) {
		const kg_entry_head *h = &j->claims[i].head;
		place at = {.agent = agent,
			    .commit = h->commit,
			    .chain = kg_admit_find(&j->admit, agent)};
		kg_entry_proof proof;
		bool opened = false;
		kg_buf object;
		kg_entry e;

		if (j->claims[i].met)
			continue;
		/* A ref that was set back leaves the objects: then even the id is known. */
		kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
		opened = kg_store_read(j->store, &object, &h->commit) == KG_OK &&
			 kg_entry_open(&e, &proof, object.data, object.size) == KG_OK;
		find(j, &at, h->sequence, opened ? &proof.id : NULL, "truncated",
		     "a checkpoint names it, and the chain does not reach it");
		if (opened)
			kg_entry_release(&e);
		kg_buf_release(&object);
	}
}

static void judge_chain(judge *j, const kg_pubkey *agent, const kg_commit *tip)
{
	place at = {.agent = agent, .chain = kg_admit_find(&j->admit, agent), .commit = *tip};
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	while (judge_entry(j, &at, &object))
		;
	kg_buf_release(&object);
	/* Where the walk broke off, what lies before is neither there nor gone; without even the
	 * sequence of that place, nothing can be said. */
	if (!at.broken)
		judge_claims(j, agent, 0);
	else if (at.expected > 0)
		judge_claims(j, agent, at.expected + 1);
}

static void judge_ref(judge *j, const kg_store_ref *ref)
{
	kg_finding *f;

	if (ref->kind == KG_STORE_CHAIN) {
		judge_chain(j, &ref->agent, &ref->commit);
		return;
	}
	if (j->options != NULL && j->options->commit != NULL)
		return;
	f = add_finding(j, "stray_ref");
	if (f != NULL)
		(void)snprintf(f->detail, sizeof(f->detail), "%.180s is no author's chain",
			       ref->name);
}

static bool has_ref(const kg_store_refs *refs, const kg_pubkey *agent)
{
	for (size_t i = 0; i < refs->count; i++)
		if (refs->refs[i].kind == KG_STORE_CHAIN &&
		    kg_pubkey_equal(&refs->refs[i].agent, agent))
			return true;
	return false;
}

/* Without the swarm's chain nobody is certified: that is where all the other findings are from. */
static void judge_swarm(judge *j, const kg_store_refs *refs)
{
	kg_finding *f;

	if (refs->count == 0 || has_ref(refs, &j->admit.swarm) ||
	    (j->options != NULL && j->options->commit != NULL))
		return;
	f = add_finding(j, "missing");
	if (f == NULL)
		return;
	kg_pubkey_format(f->chain, &j->admit.swarm);
	(void)snprintf(f->detail, sizeof(f->detail),
		       "the swarm's own chain is not there: nobody is certified");
}

static kg_err judge_all(judge *j)
{
	kg_store_refs refs = {0};
	kg_err err = kg_store_refs_read(j->store, &refs);

	if (err != KG_OK)
		return err;
	judge_swarm(j, &refs);
	for (size_t i = 0; i < refs.count; i++)
		judge_ref(j, &refs.refs[i]);
	for (size_t i = 0; i < j->claim_count; i++)
		if ((i == 0 ||
		     !kg_pubkey_equal(&j->claims[i].head.agent, &j->claims[i - 1].head.agent)) &&
		    !has_ref(&refs, &j->claims[i].head.agent))
			judge_claims(j, &j->claims[i].head.agent, 0);
	kg_store_refs_release(&refs);
	return KG_OK;
}

static kg_err judge_one(judge *j, const kg_pubkey *agent)
{
	kg_commit tip;
	kg_err err = kg_store_tip(j->store, &tip, agent);

	if (err == KG_OK) {
		judge_chain(j, agent, &tip);
		return KG_OK;
	}
	if (err != KG_ENOTFOUND && err != KG_ECORRUPT)
		return err;
	/* A commit may have been put on any other chain. */
	if (j->options->commit == NULL && !is_claim_on(j, claims_from(j, agent, 0), agent))
		return kg_fail(KG_ENOTFOUND, "no such chain");
	judge_claims(j, agent, 0);
	return KG_OK;
}

/* The one commit asked for is on no chain: it was there, or somebody made it beside them. */
static void judge_lost(judge *j)
{
	place at = {.agent = j->options->agent,
		    .chain = kg_admit_find(&j->admit, j->options->agent),
		    .commit = *j->options->commit};
	uint64_t sequence = 0;
	kg_entry_proof proof;
	bool opened = false;
	kg_buf object;
	kg_entry e;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	if (kg_store_read(j->store, &object, &at.commit) == KG_OK)
		opened = kg_entry_open_unverified(&e, &proof, object.data, object.size) == KG_OK;
	if (opened) {
		sequence = e.sequence;
		kg_entry_release(&e);
	}
	find(j, &at, sequence, opened ? &proof.id : NULL, "off_chain",
	     "no chain holds this commit");
	kg_buf_release(&object);
}

static kg_err judge_chosen(judge *j)
{
	const kg_verify_options *o = j->options;
	kg_err err = KG_OK;

	if (o == NULL || (o->agent == NULL && o->commit == NULL))
		return judge_all(j);
	if (o->agent != NULL)
		err = judge_one(j, o->agent);
	if (err != KG_OK || o->commit == NULL || j->verdict->reached || j->verdict->count > 0)
		return err;
	err = judge_all(j);
	if (err == KG_OK && o->agent != NULL && !j->verdict->reached && j->verdict->count == 0)
		judge_lost(j);
	return err;
}

void kg_verdict_release(kg_verdict *verdict)
{
	free(verdict->findings);
	*verdict = (kg_verdict){0};
}

kg_err kg_verify(kg_verdict *verdict, kg_store *store, const kg_pubkey *swarm,
		 const kg_verify_options *options)
{
	kg_verdict found = {0};
	judge j = {.store = store, .options = options, .verdict = &found};
	kg_err err = kg_admit_init(&j.admit, swarm, 0);

	if (err == KG_OK)
		err = learn(&j);
	if (err == KG_OK)
		err = judge_chosen(&j);
	kg_admit_release(&j.admit);
	free(j.claims);
	if (err != KG_OK) {
		kg_verdict_release(&found);
		return err;
	}
	*verdict = found;
	return KG_OK;
}
