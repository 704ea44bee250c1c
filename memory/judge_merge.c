/* SPDX-License-Identifier: MIT */
/* judge_merge – the new parts of all chains in one order, as far as they may be taken in. */
#include <stdlib.h>
#include <string.h>

#include "memory/chain.h"
#include "memory/judge_impl.h"

enum { ROUNDS_MAX = 1000 /* how often entries that wait for others are tried again */ };

/* A heap of fronts, the one whose next entry is the oldest on top, and those that wait. */
typedef struct {
	kg_judge__work *work;
	kg_judge__front **heap;
	size_t count;
	kg_judge__front **waiting;
	size_t waiting_count;
} merge;

static const kg_judge__candidate *next_of(const kg_judge__front *front)
{
	return &front->all[front->left - 1];
}

/* Hybrid time, ties by id: the order of the index. */
static bool is_before(const kg_judge__front *a, const kg_judge__front *b)
{
	const kg_judge__candidate *x = next_of(a);
	const kg_judge__candidate *y = next_of(b);

	if (x->time_ms != y->time_ms)
		return x->time_ms < y->time_ms;
	if (x->time_counter != y->time_counter)
		return x->time_counter < y->time_counter;
	return memcmp(x->id.bytes, y->id.bytes, KG_HASH_SIZE) < 0;
}

static void push(merge *m, kg_judge__front *front)
{
	size_t at = m->count++;

	while (at > 0 && is_before(front, m->heap[(at - 1) / 2])) {
		m->heap[at] = m->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	m->heap[at] = front;
}

static kg_judge__front *pop(merge *m)
{
	kg_judge__front *top = m->heap[0];
	kg_judge__front *last = m->heap[--m->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= m->count)
			break;
		if (child + 1 < m->count && is_before(m->heap[child + 1], m->heap[child]))
			child++;
		if (!is_before(m->heap[child], last))
			break;
		m->heap[at] = m->heap[child];
		at = child;
	}
	m->heap[at] = last;
	return top;
}

/* ---- what an entry that passes says ---- */

static kg_err add_claim(kg_judge__work *work, const kg_entry_head *head)
{
	void *claims = work->claims;
	kg_judge__claim *at;
	size_t low = 0;
	size_t high = work->claim_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order =
			memcmp(work->claims[middle].agent.bytes, head->agent.bytes, KG_PUBKEY_SIZE);

		if (order == 0) {
			if (head->sequence > work->claims[middle].sequence)
				work->claims[middle].sequence = head->sequence;
			return KG_OK;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!kg_judge__grow(&claims, work->claim_count, sizeof(work->claims[0])))
		return kg_fail(KG_ENOMEM, "no memory for claims");
	work->claims = claims;
	at = &work->claims[low];
	memmove(at + 1, at, (work->claim_count++ - low) * sizeof(*at));
	*at = (kg_judge__claim){head->agent, head->sequence};
	return KG_OK;
}

/* Checkpoints name chains of their own swarm, and chains that came to it from others, which need
 * not be believed here. */
static kg_err note_claims(kg_judge__work *work, const kg_entry *e)
{
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && e->type == KG_ENTRY_CHECKPOINT && i < e->head_count;
	     i++) {
		const kg_admit_chain *chain = kg_admit_find(work->in->admit, &e->heads[i].agent);

		if (chain != NULL && chain->member && kg_pubkey_equal(&chain->swarm, &e->swarm))
			err = add_claim(work, &e->heads[i]);
	}
	return err;
}

static kg_err take(kg_judge__work *work, const kg_entry *e, const kg_entry_proof *proof)
{
	kg_judgement *out = &work->out;
	void *entries = out->entries;
	void *sealers = work->sealers;
	kg_err err = kg_admit_apply(work->in->admit, e, proof);

	if (err == KG_OK)
		err = note_claims(work, e);
	if (err != KG_OK)
		return err;
	if (!kg_judge__grow(&entries, out->count, sizeof(out->entries[0])))
		return kg_fail(KG_ENOMEM, "no memory for entries");
	out->entries = entries;
	out->entries[out->count++] = (kg_judge_entry){.commit = proof->commit};
	if (!e->has_sealed)
		return KG_OK;
	if (!kg_judge__grow(&sealers, work->sealer_count, sizeof(work->sealers[0])))
		return kg_fail(KG_ENOMEM, "no memory for entries");
	work->sealers = sealers;
	work->sealers[work->sealer_count++] = (kg_judge__sealer){proof->id, proof->commit};
	return KG_OK;
}

/* ---- in order ---- */

/* Reasons that an entry of another chain may do away with. */
static bool may_pass(kg_reason reason)
{
	return reason == KG_REASON_UNKNOWN_KEY || reason == KG_REASON_WRONG_SWARM ||
	       reason == KG_REASON_BAD_CLAIM || reason == KG_REASON_BAD_SUCCESSION ||
	       reason == KG_REASON_WRONG_NAME;
}

/* Nobody begins his chain anew by himself: what is left out would be gone without a trace. */
static kg_err check_root(kg_judge__work *work, const kg_judge__front *front, const kg_entry *root,
			 kg_reason *why)
{
	uint64_t gone = 0;
	bool good = false;
	kg_err err = kg_judge__is_countersigned(work, &good, front, root);

	if (err == KG_OK && good)
		err = kg_judge__left_out(work, &gone, front, root->epoch.kept);
	if (err != KG_OK || (good && gone == 0))
		return err;
	if (good)
		return kg_reason_fail(why, KG_REASON_BAD_EPOCH,
				      "it leaves out entry %llu, which does not expire",
				      (unsigned long long)gone);
	return kg_reason_fail(why, KG_REASON_BAD_EPOCH,
			      "no checkpoint of its swarm names the last entry that was carried "
			      "over");
}

/* A root does not count: the epoch before may be offered as well. */
static kg_err fall_back(merge *m, const kg_judge__front *front)
{
	kg_judge__work *work = m->work;
	const kg_store_ref *earlier = kg_judge__earlier(work, front->offer);
	size_t count = work->front_count;
	kg_err err = earlier != NULL ? kg_judge__walk(work, earlier) : KG_OK;

	/* In the place of the one that goes no further. */
	if (err == KG_OK && work->front_count > count)
		push(m, work->fronts[count]);
	return err;
}

/* Tries the next entry of a front: taken, or put aside, or found wrong. */
static kg_err try_next(merge *m, kg_judge__front *front, bool last_chance)
{
	kg_judge__work *work = m->work;
	kg_reason why = KG_REASON_NONE;
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err = kg_judge__read(work->in->offered, &entry, &proof, &next_of(front)->commit);

	if (err != KG_OK)
		return err;
	if (entry.has_epoch && work->in->ours != NULL)
		err = kg_chain_epoch(work->in->admit, work->in->ours, &entry.agent);
	if (err == KG_OK && entry.has_epoch)
		err = check_root(work, front, &entry, &why);
	if (err == KG_OK)
		err = kg_admit_check(work->in->admit, &entry, &proof, work->in->now_ms, &why);
	if (err == KG_OK) {
		err = take(work, &entry, &proof);
		front->left--;
		if (err == KG_OK && front->left > 0)
			push(m, front);
	} else if (why == KG_REASON_NONE) {
		; /* trouble of another sort */
	} else if (may_pass(why) && !last_chance) {
		m->waiting[m->waiting_count++] = front;
		err = KG_OK;
	} else {
		const char *text = kg_err_text();
		const char *words = strstr(text, ": ");

		kg_judge__find(work, &front->agent, &proof.commit, why, "%s",
			       words != NULL ? words + 2 : text);
		err = entry.has_epoch && !last_chance ? fall_back(m, front) : KG_OK;
	}
	kg_entry_release(&entry);
	return err;
}

static kg_err run(merge *m)
{
	kg_err err = KG_OK;

	for (int round = 0; err == KG_OK; round++) {
		size_t taken = m->work->out.count;
		size_t waiting;

		while (err == KG_OK && m->count > 0)
			err = try_next(m, pop(m), false);
		waiting = m->waiting_count;
		m->waiting_count = 0;
		if (m->work->out.count == taken || round == ROUNDS_MAX) {
			for (size_t i = 0; err == KG_OK && i < waiting; i++)
				err = try_next(m, m->waiting[i], true);
			break;
		}
		for (size_t i = 0; i < waiting; i++)
			push(m, m->waiting[i]);
	}
	return err;
}

kg_err kg_judge__merge(kg_judge__work *work)
{
	merge m = {.work = work};
	kg_err err = KG_OK;

	m.heap = calloc(work->front_count + 1, sizeof(kg_judge__front *));
	m.waiting = calloc(work->front_count + 1, sizeof(kg_judge__front *));
	if (m.heap == NULL || m.waiting == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for chains");
	for (size_t i = 0; err == KG_OK && i < work->front_count; i++)
		push(&m, work->fronts[i]);
	if (err == KG_OK)
		err = run(&m);
	for (size_t i = 0; i < work->front_count; i++) {
		free(work->fronts[i]->all);
		free(work->fronts[i]);
	}
	work->front_count = 0;
	kg_judge__forget_words(work);
	free(m.heap);
	free(m.waiting);
	return err;
}
