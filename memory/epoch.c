/* SPDX-License-Identifier: MIT */
#include "memory/epoch.h"

#include <stdlib.h>
#include <string.h>

#include "memory/chain.h"

enum { WORTH_MIN = 2, WORTH_PART = 10 /* one in so many */ };

bool kg_epoch_is_expired(const kg_epoch_terms *terms, kg_entry_type type, int64_t time_ms)
{
	int64_t keep = type == KG_ENTRY_HEARTBEAT ? terms->heartbeat_ms
		       : type == KG_ENTRY_TRACE   ? terms->trace_ms
						  : 0;

	return keep > 0 && time_ms < terms->now_ms - keep;
}

void kg_epoch_plan_release(kg_epoch_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		free(plan->chains[i].items);
	free(plan->chains);
	*plan = (kg_epoch_plan){0};
}

/* ---- reading the chains ---- */

/* Ids that something which is kept refers to. */
typedef struct {
	kg_entry_id *ids;
	size_t count;
	size_t room;
} id_list;

/* What is gathered while one chain is walked, from its end to its first entry. */
typedef struct {
	const kg_epoch_terms *terms;
	kg_epoch_chain *chain; /* NULL: all entries of it are kept */
	const kg_pubkey *agent;
	id_list *wanted;
	size_t room;
	bool good; /* every entry is its author's */
} gathering;

static kg_err want(id_list *list, const kg_entry *entry)
{
	if (list->count + entry->reference_count > list->room) {
		size_t room = 2 * (list->count + entry->reference_count);
		kg_entry_id *grown = realloc(list->ids, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for references");
		list->ids = grown;
		list->room = room;
	}
	for (size_t i = 0; i < entry->reference_count; i++)
		list->ids[list->count++] = entry->references[i];
	return KG_OK;
}

static kg_err put_item(gathering *g, const kg_entry *entry, const kg_entry_proof *proof, bool keep)
{
	kg_epoch_chain *chain = g->chain;

	if (chain->count == g->room) {
		size_t room = g->room == 0 ? 64 : 2 * g->room;
		kg_epoch_item *grown = realloc(chain->items, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu entries", room);
		chain->items = grown;
		g->room = room;
	}
	chain->items[chain->count++] = (kg_epoch_item){
		.id = proof->id,
		.commit = proof->commit,
		.sequence = entry->sequence,
		.keep = keep,
		.has_sealed = entry->has_sealed,
	};
	chain->expired += keep ? 0 : 1;
	return KG_OK;
}

static kg_err gather_visit(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
			   bool verified, bool *stop)
{
	gathering *g = payload;
	bool keep =
		g->chain == NULL ||
		!(entry->has_epoch || kg_epoch_is_expired(g->terms, entry->type, entry->time_ms));
	kg_err err = keep ? want(g->wanted, entry) : KG_OK;

	if (!verified || !kg_pubkey_equal(&entry->agent, g->agent)) {
		g->good = false;
		*stop = true;
	}
	if (err == KG_OK && entry->has_epoch && g->chain != NULL)
		g->chain->number = entry->epoch.number;
	return err == KG_OK && g->chain != NULL ? put_item(g, entry, proof, keep) : err;
}

static void reverse(kg_epoch_chain *chain)
{
	for (size_t i = 0; i < chain->count / 2; i++) {
		kg_epoch_item swapped = chain->items[i];

		chain->items[i] = chain->items[chain->count - 1 - i];
		chain->items[chain->count - 1 - i] = swapped;
	}
}

static const char *why_left_alone(const kg_admit_chain *c)
{
	return c->damaged   ? "damaged, see verify"
	       : c->forked  ? "forked: it is evidence"
	       : c->revoked ? "revoked: nothing may follow"
	       : c->closed  ? "given up for another key: nothing may follow"
	       : !c->member ? "its author is not certified"
			    : NULL;
}

static kg_err gather_chain(kg_epoch_plan *plan, id_list *wanted, kg_store *store,
			   const kg_admit *admit, const kg_admit_chain *c,
			   const kg_epoch_terms *terms)
{
	bool ours = kg_pubkey_equal(&c->swarm, &admit->swarm) &&
		    !kg_pubkey_equal(&c->agent, &admit->swarm);
	kg_epoch_chain *chain = ours ? &plan->chains[plan->count++] : NULL;
	gathering g = {.terms = terms, .agent = &c->agent, .wanted = wanted, .good = true};
	kg_commit tip = c->head.commit;
	kg_err err;

	if (chain != NULL) {
		chain->agent = c->agent;
		memcpy(chain->name, c->name, sizeof(chain->name));
		chain->head = c->head;
		chain->left_alone = why_left_alone(c);
		g.chain = chain->left_alone == NULL ? chain : NULL;
	}
	if (c->damaged || c->head.sequence == 0)
		return KG_OK;
	err = kg_chain_walk(store, &tip, gather_visit, &g);
	if (err == KG_ECORRUPT || err == KG_ENOTFOUND) {
		g.good = false;
		err = KG_OK;
	}
	if (g.chain == NULL)
		return err;
	reverse(chain);
	if (!g.good)
		chain->left_alone = "damaged, see verify";
	return err;
}

/* ---- what is referred to is kept ---- */

typedef struct {
	kg_epoch_item *item;
	kg_epoch_chain *chain;
} expired_entry;

static int compare_expired(const void *a, const void *b)
{
	const expired_entry *x = a;
	const expired_entry *y = b;

	return memcmp(x->item->id.bytes, y->item->id.bytes, KG_HASH_SIZE);
}

/* All expired entries, by id. */
static kg_err list_expired(expired_entry **out, size_t *count, const kg_epoch_plan *plan)
{
	size_t total = 0;
	size_t n = 0;
	expired_entry *list;

	for (size_t i = 0; i < plan->count; i++)
		total += plan->chains[i].expired;
	list = calloc(total + 1, sizeof(*list));
	if (list == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu entries", total);
	for (size_t i = 0; i < plan->count; i++)
		for (size_t k = 0; k < plan->chains[i].count; k++)
			if (!plan->chains[i].items[k].keep)
				list[n++] = (expired_entry){&plan->chains[i].items[k],
							    &plan->chains[i]};
	qsort(list, n, sizeof(list[0]), compare_expired);
	*out = list;
	*count = n;
	return KG_OK;
}

/* The expired entry is kept after all; what it refers to is wanted as well. */
static kg_err spare(id_list *wanted, kg_store *store, const expired_entry *e)
{
	kg_entry_proof proof;
	kg_entry entry;
	bool verified;
	kg_err err = kg_chain_read(store, &entry, &proof, &verified, &e->item->commit);

	if (err != KG_OK)
		return err;
	/* The root of an epoch stands for the one before, which goes with the new root. */
	if (!entry.has_epoch) {
		e->item->keep = true;
		e->chain->expired--;
		err = want(wanted, &entry);
	}
	kg_entry_release(&entry);
	return err;
}

static kg_err keep_wanted(kg_epoch_plan *plan, id_list *wanted, kg_store *store)
{
	expired_entry *expired = NULL;
	size_t count = 0;
	kg_err err = list_expired(&expired, &count, plan);

	while (err == KG_OK && count > 0 && wanted->count > 0) {
		kg_epoch_item looked_for = {.id = wanted->ids[--wanted->count]};
		expired_entry key = {.item = &looked_for};
		const expired_entry *found =
			bsearch(&key, expired, count, sizeof(expired[0]), compare_expired);

		if (found != NULL && !found->item->keep)
			err = spare(wanted, store, found);
	}
	free(expired);
	return err;
}

kg_err kg_epoch_plan_make(kg_epoch_plan *out, kg_store *store, const kg_admit *admit,
			  const kg_epoch_terms *terms)
{
	kg_epoch_plan plan = {.chains = calloc(admit->count + 1, sizeof(*plan.chains))};
	id_list wanted = {0};
	kg_err err = KG_OK;

	if (plan.chains == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the chains");
	for (size_t i = 0; err == KG_OK && i < admit->count; i++)
		err = gather_chain(&plan, &wanted, store, admit, &admit->chains[i], terms);
	if (err == KG_OK)
		err = keep_wanted(&plan, &wanted, store);
	free(wanted.ids);
	if (err != KG_OK) {
		kg_epoch_plan_release(&plan);
		return err;
	}
	for (size_t i = 0; i < plan.count; i++) {
		kg_epoch_chain *chain = &plan.chains[i];

		chain->worth = chain->left_alone == NULL && chain->expired >= WORTH_MIN &&
			       chain->expired * WORTH_PART >= chain->count &&
			       plan.worth < KG_ENTRY_HEADS_MAX;
		plan.worth += chain->worth ? 1 : 0;
	}
	*out = plan;
	return KG_OK;
}
