/* SPDX-License-Identifier: MIT */
/* judge_walk – one offered chain, from its tip to what the memory has of it. */
#include <stdlib.h>
#include <string.h>

#include "memory/judge_impl.h"
#include "memory/store_impl.h"

typedef unsigned long long number; /* for printing */

/* Our own chain of the same author, gone down side by side with the offered one. */
typedef struct {
	kg_store *store;
	bool any;
	uint64_t tip;  /* sequence of its last entry */
	uint64_t base; /* of its first, once that was reached: more than 1 behind an epoch's root */
	kg_commit at;
	uint64_t sequence; /* 0: gone below its first entry */
	bool has_parent;
	kg_commit parent;
} ours;

typedef struct {
	kg_judge__work *work;
	const kg_store_ref *offer;
	const kg_pubkey *agent;
	ours ours;
	kg_judge__front *front;
	bool met;         /* the offered chain goes on from an entry of ours */
	bool past;        /* it goes back into an epoch that was given up here */
	uint64_t common;  /* sequence of that entry */
	uint64_t bad;     /* an entry that is none was on the way: what is above it is lost */
	uint64_t highest; /* sequence of the first good entry met, 0: none */
	kg_commit highest_commit;
	bool has_root;     /* the offered chain begins with an epoch's root, standing for … */
	uint64_t root_old; /* … everything to this sequence */
	uint64_t number;   /* of that epoch */
} walk;

kg_err kg_judge__fetch(kg_store *store, kg_buf *object, git_object_t type, const kg_commit *id)
{
	git_odb_object *found = NULL;
	git_object_t is = GIT_OBJECT_INVALID;
	size_t size = 0;
	kg_err err = KG_OK;
	git_oid oid;
	int rc;

	kg_store__to_oid(&oid, id);
	err = kg_store__check_loose(store->path, &oid);
	if (err != KG_OK)
		return err;
	rc = git_odb_read_header(&size, &is, store->odb, &oid);
	if (rc == GIT_ENOTFOUND)
		return kg_fail(KG_ENOTFOUND, "an object that is not there");
	if (rc == 0 && is != type)
		return kg_fail(KG_ECORRUPT, "an object of another type");
	if (rc == 0 && size > object->size_max)
		return kg_fail(KG_EFULL, "an object of %zu bytes", size);
	rc = rc != 0 ? rc : git_odb_read(&found, store->odb, &oid);
	if (rc != 0)
		err = kg_fail(KG_ECORRUPT, "an object that cannot be read");
	else
		kg_buf_put(object, git_odb_object_data(found), git_odb_object_size(found));
	git_odb_object_free(found);
	return err == KG_OK ? kg_buf_ok(object) : err;
}

kg_err kg_judge__read(kg_store *store, kg_entry *entry, kg_entry_proof *proof,
		      const kg_commit *commit)
{
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_judge__fetch(store, &object, GIT_OBJECT_COMMIT, commit);
	if (err == KG_OK)
		err = kg_entry_open_unverified(entry, proof, object.data, object.size);
	kg_buf_release(&object);
	return err;
}

/* ---- our side ---- */

static kg_err look(ours *o)
{
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err = kg_judge__read(o->store, &entry, &proof, &o->at);

	if (err != KG_OK)
		return err;
	o->sequence = entry.sequence;
	o->has_parent = proof.has_parent;
	o->parent = proof.parent;
	kg_entry_release(&entry);
	return KG_OK;
}

/* Where the rules of admission know the chain to end: its ref may have moved on since. */
static kg_err find_ours(ours *o, const kg_judge_input *in, const kg_pubkey *agent)
{
	const kg_admit_chain *chain = kg_admit_find(in->admit, agent);
	kg_err err = KG_OK;

	*o = (ours){.store = in->ours};
	if (in->ours == NULL)
		return KG_OK;
	if (chain != NULL && chain->damaged)
		err = kg_store_tip(in->ours, &o->at, agent);
	else if (chain == NULL || chain->head.sequence == 0)
		return KG_OK;
	else
		o->at = chain->head.commit;
	if (err == KG_ENOTFOUND)
		return KG_OK;
	o->any = err == KG_OK;
	err = err == KG_OK ? look(o) : err;
	o->tip = o->sequence;
	return err;
}

/* Down to the entry of this sequence, or the last above it. */
static kg_err lower(ours *o, uint64_t sequence)
{
	kg_err err = KG_OK;

	while (err == KG_OK && o->sequence > sequence) {
		if (!o->has_parent) {
			o->base = o->sequence;
			o->sequence = 0;
			break;
		}
		o->at = o->parent;
		err = look(o);
	}
	return err;
}

/* ---- their side ---- */

static bool equal(const kg_commit *a, const kg_commit *b)
{
	return memcmp(a->bytes, b->bytes, KG_COMMIT_SIZE) == 0;
}

/* The parent that a commit of any form names in its second line. */
static bool parent_of(kg_commit *parent, const kg_buf *object)
{
	static const char word[] = "parent ";
	const char *text = kg_buf_text(object);
	const char *line = strchr(text, '\n');
	char hex[KG_COMMIT_TEXT_SIZE] = {0};

	if (line == NULL || strncmp(line + 1, word, sizeof(word) - 1) != 0)
		return false;
	strncpy(hex, line + sizeof(word), sizeof(hex) - 1);
	return kg_commit_parse(parent, hex) == KG_OK;
}

/* What is wrong with an object that is no good entry, and where the chain goes on below it. */
static kg_err note_bad(walk *w, const kg_commit *commit, kg_err opened, bool *more,
		       kg_commit *parent)
{
	kg_buf object;
	kg_reason reason = KG_REASON_MISSING;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_judge__fetch(w->work->in->offered, &object, GIT_OBJECT_COMMIT, commit);
	*more = false;
	if (err == KG_OK) {
		reason = kg_reason_of_object(opened, object.data, object.size);
		*more = parent_of(parent, &object);
	} else if (err != KG_ENOTFOUND) {
		reason = err == KG_EFULL ? KG_REASON_OVERSIZE : KG_REASON_UNREADABLE;
	}
	kg_buf_release(&object);
	if (err == KG_ENOMEM || opened == KG_ENOMEM || reason == KG_REASON_NONE)
		return opened == KG_OK ? err : opened;
	kg_judge__find(w->work, w->agent, commit, reason, "%s",
		       reason == KG_REASON_MISSING ? "the chain leads to an entry that is not there"
						   : kg_err_text());
	w->front->count = 0;
	w->highest = 0;
	w->bad++;
	return KG_OK;
}

static kg_err collect(walk *w, const kg_entry *e, const kg_entry_proof *proof)
{
	kg_judge__front *f = w->front;
	void *all = f->all;

	if (++w->work->entries > w->work->in->entries_max)
		return kg_fail(KG_EFULL, "more than %llu new entries are not taken at once",
			       (number)w->work->in->entries_max);
	if (!kg_judge__grow(&all, f->count, sizeof(f->all[0])))
		return kg_fail(KG_ENOMEM, "no memory for %zu entries", f->count);
	f->all = all;
	f->all[f->count++] = (kg_judge__candidate){
		.commit = proof->commit,
		.id = proof->id,
		.sequence = e->sequence,
		.time_ms = e->time_ms,
		.time_counter = e->time_counter,
		.has_sealed = e->has_sealed,
		.is_checkpoint = e->type == KG_ENTRY_CHECKPOINT,
	};
	return KG_OK;
}

/* A good entry of this author: ours (then the walk is over), or one more. */
static kg_err meet(walk *w, const kg_entry *e, const kg_entry_proof *proof)
{
	kg_err err = KG_OK;

	if (w->highest == 0) {
		w->highest = e->sequence;
		w->highest_commit = proof->commit;
	}
	if (w->ours.any && e->sequence <= w->ours.sequence) {
		err = lower(&w->ours, e->sequence);
		if (err != KG_OK)
			return err;
		if (w->ours.sequence == e->sequence && equal(&w->ours.at, &proof->commit)) {
			w->met = true;
			w->common = e->sequence;
			return KG_OK;
		}
		w->past = e->sequence < w->ours.base;
		if (w->past)
			return KG_OK;
	}
	if (e->has_epoch) {
		w->has_root = true;
		w->front->has_root = true;
		w->root_old = e->epoch.old.sequence;
		w->number = e->epoch.number;
	}
	return collect(w, e, proof);
}

/* One step down. */
static kg_err step(walk *w, kg_commit *at, bool *more)
{
	kg_entry_proof proof;
	kg_entry entry;
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_judge__fetch(w->work->in->offered, &object, GIT_OBJECT_COMMIT, at);
	if (err == KG_OK)
		err = kg_entry_open(&entry, &proof, object.data, object.size);
	kg_buf_release(&object);
	w->work->out.looked_at++;
	if (err != KG_OK) {
		kg_commit bad = *at;

		return note_bad(w, &bad, err, more, at);
	}
	if (!kg_pubkey_equal(&entry.agent, w->agent)) {
		kg_judge__find(w->work, w->agent, at, KG_REASON_WRONG_CHAIN,
			       "entry %llu is another author's", (number)entry.sequence);
		w->front->count = 0;
		w->highest = 0;
		w->bad++;
	} else {
		err = meet(w, &entry, &proof);
	}
	kg_entry_release(&entry);
	*at = proof.parent;
	*more = proof.has_parent && !w->met && !w->past;
	return err;
}

static bool keep_on(const kg_judge__work *work)
{
	const kg_judge_input *in = work->in;

	return in->progress == NULL || work->out.looked_at % 256 != 0 ||
	       in->progress(in->payload, work->out.looked_at, 0);
}

/* ---- what came of it ---- */

/* The offered chain says something else than ours: the lowest entry that does is the proof. */
static kg_err note_fork(walk *w)
{
	kg_judge__front *f = w->front;
	const kg_judge__candidate *first = &f->all[f->count - 1];
	void *entries = w->work->out.entries;

	kg_judge__find(w->work, w->agent, &first->commit, KG_REASON_FORKED,
		       "entry %llu is another one here, and both are signed",
		       (number)first->sequence);
	if (!kg_judge__grow(&entries, w->work->out.count, sizeof(w->work->out.entries[0])))
		return kg_fail(KG_ENOMEM, "no memory for entries");
	w->work->out.entries = entries;
	w->work->out.entries[w->work->out.count++] =
		(kg_judge_entry){.commit = first->commit, .is_proof = true};
	f->count = 0;
	return KG_OK;
}

static int by_agent(const void *key, const void *head)
{
	return memcmp(((const kg_pubkey *)key)->bytes, ((const kg_entry_head *)head)->agent.bytes,
		      KG_PUBKEY_SIZE);
}

static const kg_entry_head *known_head(const kg_judge_input *in, const kg_pubkey *agent)
{
	if (in->known_count == 0)
		return NULL;
	return bsearch(agent, in->known, in->known_count, sizeof(in->known[0]), by_agent);
}

/* Does it still have what it had? */
static void check_known(walk *w)
{
	const kg_entry_head *known = known_head(w->work->in, w->agent);
	const kg_judge__front *f = w->front;

	if (known == NULL || w->bad > 0 || w->past || (w->met && w->common >= known->sequence) ||
	    (w->has_root && w->root_old >= known->sequence))
		return;
	for (size_t i = 0; i < f->count; i++)
		if (f->all[i].sequence == known->sequence &&
		    equal(&f->all[i].commit, &known->commit))
			return;
	if (kg_judge__is_elsewhere(w->work, w->offer, &known->commit))
		return;
	kg_judge__find(w->work, w->agent, &known->commit, KG_REASON_ROLLED_BACK,
		       "it had this chain to entry %llu, and now %s", (number)known->sequence,
		       w->highest < known->sequence ? "ends before" : "has others at its place");
}

static kg_err add_head(walk *w)
{
	kg_judgement *out = &w->work->out;
	void *heads = out->heads;
	uint64_t sequence = w->highest;

	if (sequence == 0)
		return KG_OK;
	if (!kg_judge__grow(&heads, out->head_count, sizeof(out->heads[0])))
		return kg_fail(KG_ENOMEM, "no memory for heads");
	out->heads = heads;
	out->heads[out->head_count++] = (kg_entry_head){
		.agent = *w->agent,
		.sequence = sequence,
		.commit = w->highest_commit,
	};
	return KG_OK;
}

/* Where an epoch has a name of its own, it is that one. */
static bool is_misnamed(const walk *w)
{
	return w->offer->epoch > 0 && w->bad == 0 && !w->met && !w->past &&
	       (!w->has_root || w->number != w->offer->epoch);
}

static kg_err conclude(walk *w)
{
	kg_judge__front *f = w->front;
	kg_err err = KG_OK;

	if (is_misnamed(w)) {
		kg_judge__find(w->work, w->agent, &w->offer->commit, KG_REASON_STRAY_REF,
			       "%.160s is not that epoch of its chain", w->offer->name);
		f->count = 0;
		return KG_OK;
	}
	/* Only a chain that continues ours, or is wholly new, can be taken; a root of an epoch is
	 * judged when its turn comes. */
	if (f->count > 0 && f->all[f->count - 1].sequence <= w->ours.tip && !w->has_root)
		err = note_fork(w);
	else
		check_known(w);
	return err == KG_OK ? add_head(w) : err;
}

static kg_err hand_over(walk *w)
{
	void *fronts = w->work->fronts;

	if (w->front->count == 0)
		return KG_OK;
	if (!kg_judge__grow(&fronts, w->work->front_count, sizeof(w->work->fronts[0])))
		return kg_fail(KG_ENOMEM, "no memory for chains");
	w->work->fronts = fronts;
	w->front->left = w->front->count;
	w->work->fronts[w->work->front_count++] = w->front;
	w->front = NULL;
	return KG_OK;
}

kg_err kg_judge__walk(kg_judge__work *work, const kg_store_ref *offer)
{
	walk w = {.work = work, .offer = offer, .agent = &offer->agent};
	kg_commit at = offer->commit;
	bool more = true;
	kg_err err;

	w.front = calloc(1, sizeof(*w.front));
	if (w.front == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a chain");
	w.front->agent = offer->agent;
	w.front->offer = offer;
	err = find_ours(&w.ours, work->in, &offer->agent);
	while (err == KG_OK && more) {
		err = step(&w, &at, &more);
		if (err == KG_OK && !keep_on(work))
			err = kg_fail(KG_ETIMEOUT, "stopped");
	}
	if (err == KG_OK)
		err = conclude(&w);
	if (err == KG_OK)
		err = hand_over(&w);
	if (w.front != NULL)
		free(w.front->all);
	free(w.front);
	return err;
}
