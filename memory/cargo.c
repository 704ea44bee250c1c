/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/carrier_impl.h"
#include "memory/chain.h"
#include "memory/claims.h"
#include "memory/store_impl.h"

enum { MOVE_TRIES = 50, MOVE_WAIT_US = 4000 };

/* ---- git ---- */

static kg_err write_objects(kg_cargo *g, size_t count)
{
	kg_store_object *objects = calloc(count, sizeof(*objects));
	size_t n = 0;
	kg_err err = KG_OK;

	if (objects == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu objects", count);
	for (size_t i = 0; i < count; i++)
		if (!g->batch[i]->is_written)
			objects[n++] = (kg_store_object){g->batch[i]->object, g->batch[i]->size,
							 g->batch[i]->proof.commit};
	if (n > 0)
		err = kg_store__write_held(g->store, objects, n);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		g->batch[i]->is_written = true;
	free(objects);
	return err;
}

static int by_chain(const void *a, const void *b)
{
	const kg_load *x = *(kg_load *const *)a;
	const kg_load *y = *(kg_load *const *)b;
	int order = memcmp(x->entry.agent.bytes, y->entry.agent.bytes, KG_PUBKEY_SIZE);

	if (order != 0)
		return order;
	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static bool is_commit(const kg_commit *a, const kg_commit *b)
{
	return memcmp(a->bytes, b->bytes, KG_COMMIT_SIZE) == 0;
}

/* Moves the ref of one chain to the last of these entries, from where an earlier carry that failed
 * later on may have moved it already. */
static kg_err move_chain(kg_cargo *g, kg_load *const *loads, size_t count)
{
	const kg_load *first = loads[0];
	kg_store_move move = {
		.agent = first->entry.agent,
		.has_old = first->proof.has_parent,
		.old = first->proof.parent,
		.commit = loads[count - 1]->proof.commit,
	};
	bool anew = false;
	kg_commit tip;

	for (size_t i = 0; i < count; i++)
		anew = anew || loads[i]->entry.has_epoch;
	/* A root stands for wherever the chain ends here, which may be nowhere. */
	if (kg_store_tip(g->store, &tip, &move.agent) == KG_OK)
		for (size_t i = 0; i < count; i++)
			if (first->entry.has_epoch || is_commit(&tip, &loads[i]->proof.commit)) {
				move.has_old = true;
				move.old = tip;
			}
	if (move.has_old && is_commit(&move.old, &move.commit))
		return KG_OK;
	return anew && move.has_old ? kg_store_replace_ref(g->store, &move)
				    : kg_store_move_ref(g->store, &move);
}

static kg_err move_refs(kg_cargo *g, size_t count)
{
	size_t chained = 0;
	kg_err err = KG_OK;

	for (size_t i = 0; i < count; i++)
		if (!g->batch[i]->is_proof)
			g->order[chained++] = g->batch[i];
	if (chained > 1)
		qsort(g->order, chained, sizeof(g->order[0]), by_chain);
	for (size_t i = 0, n; err == KG_OK && i < chained; i += n) {
		n = 1;
		while (i + n < chained &&
		       kg_pubkey_equal(&g->order[i + n]->entry.agent, &g->order[i]->entry.agent))
			n++;
		err = move_chain(g, g->order + i, n);
	}
	for (size_t i = 0; err == KG_OK && i < count; i++)
		if (g->batch[i]->is_proof)
			err = kg_store_put_proof(g->store, &g->batch[i]->entry.agent,
						 &g->batch[i]->proof.commit);
	return err;
}

/* The same; stock git locks refs for a moment where its user has it pack them. */
static kg_err move_refs_soon(kg_cargo *g, size_t count)
{
	kg_err err = move_refs(g, count);

	for (unsigned i = 1; err == KG_ECONFLICT && i < MOVE_TRIES; i++) {
		(void)usleep(MOVE_WAIT_US);
		err = move_refs(g, count);
	}
	if (err == KG_OK)
		kg_store__release(g->store);
	return err;
}

/* How far the swarms' own chains have come is told outside git as well. */
static kg_err put_claims(kg_cargo *g, size_t count)
{
	kg_err err = KG_OK;

	for (size_t i = count; err == KG_OK && i-- > 0;) {
		const kg_load *l = g->batch[i];
		kg_entry_head claim = {l->entry.agent, l->entry.sequence, l->proof.commit};
		bool later = false;

		if (l->is_proof || !kg_pubkey_equal(&l->entry.agent, &l->entry.swarm))
			continue;
		for (size_t k = i + 1; k < count; k++)
			later = later || (!g->batch[k]->is_proof &&
					  kg_pubkey_equal(&g->batch[k]->entry.agent, &claim.agent));
		if (!later)
			err = kg_claims_put(g->state_dir, g->store, &claim);
	}
	return err;
}

/* ---- index ---- */

/* Members and heads as git has them, for making rows anew: rare, so that they are read for it. */
static kg_err fill(kg_cargo *g, bool anew)
{
	kg_admit admit;
	kg_err err = kg_admit_init(&admit, &g->swarm, 0);

	if (err == KG_OK)
		err = kg_chain_load(&admit, g->store);
	if (err == KG_OK)
		err = kg_chain_fill_index(&admit, g->store, g->index, anew);
	kg_admit_release(&admit);
	return err;
}

/* The index open, at the place where its file is, and holding what git holds. */
static kg_err fill_index(kg_cargo *g, bool anew)
{
	uint64_t before = 0;
	kg_err err = KG_OK;

	if (g->index != NULL && kg_index_is_moved(g->index)) {
		kg_index_free(g->index);
		g->index = NULL;
	}
	if (g->index == NULL) {
		g->index_stale = true;
		err = kg_index_open(&g->index, g->index_path, true);
		if (err != KG_OK) {
			g->index = NULL;
			return err;
		}
	}
	if (!g->index_stale && !anew)
		return KG_OK;
	err = kg_index_count(g->index, &before);
	if (err == KG_OK)
		err = fill(g, anew || before == 0);
	g->index_stale = err != KG_OK;
	g->rebuilt = err == KG_OK && before == 0;
	return err;
}

static kg_err drop_index(kg_cargo *g)
{
	kg_index_free(g->index);
	g->index = NULL;
	g->index_stale = true;
	return kg_index_remove(g->index_path);
}

/* The same; one that is damaged, not even fit to be emptied, is made anew. */
static kg_err ready_index(kg_cargo *g, kg_mend mend)
{
	kg_err err = mend == KG_MEND_DROP ? drop_index(g) : KG_OK;

	if (err == KG_OK)
		err = fill_index(g, mend == KG_MEND_ANEW);
	if (err != KG_ECORRUPT)
		return err;
	err = drop_index(g);
	return err == KG_OK ? fill_index(g, false) : err;
}

static int by_time(const void *a, const void *b)
{
	const kg_load *x = *(kg_load *const *)a;
	const kg_load *y = *(kg_load *const *)b;

	if (x->entry.time_ms != y->entry.time_ms)
		return x->entry.time_ms < y->entry.time_ms ? -1 : 1;
	if (x->entry.time_counter != y->entry.time_counter)
		return x->entry.time_counter < y->entry.time_counter ? -1 : 1;
	return memcmp(x->proof.id.bytes, y->proof.id.bytes, KG_HASH_SIZE);
}

static kg_err put_rows(kg_cargo *g, size_t count)
{
	size_t rows = 0;
	kg_err err = kg_index_begin(g->index);

	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < count; i++)
		if (!g->batch[i]->is_proof)
			g->order[rows++] = g->batch[i];
	if (rows > 1)
		qsort(g->order, rows, sizeof(g->order[0]), by_time);
	for (size_t i = 0; err == KG_OK && i < rows; i++)
		err = kg_index_put(g->index, &g->order[i]->entry, &g->order[i]->proof, true);
	if (err == KG_OK)
		return kg_index_end(g->index);
	kg_index_cancel(g->index);
	return err;
}

/* ---- both ---- */

/* Entries that a new epoch leaves out are in the index as well, and leave it only when it is made
 * anew. */
static bool has_root(const kg_cargo *g, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!g->batch[i]->is_proof && g->batch[i]->entry.has_epoch)
			return true;
	return false;
}

kg_err kg_cargo_carry(kg_cargo *g, size_t count, kg_mend mend)
{
	/* An index that is ready takes the rows themselves; one that is not reads them from git. */
	bool ready = g->index != NULL && !g->index_stale && mend == KG_MEND_NONE &&
		     !kg_index_is_moved(g->index);
	kg_err err = KG_OK;

	g->carried = 0;
	g->rebuilt = false;
	if (mend == KG_MEND_NONE && has_root(g, count)) {
		mend = KG_MEND_ANEW;
		ready = false;
	}
	if (count > 0) {
		err = write_objects(g, count);
		if (err == KG_OK)
			err = move_refs_soon(g, count);
		if (err == KG_OK)
			err = put_claims(g, count);
		if (err == KG_OK) {
			g->carried = count;
			g->index_stale = !ready || put_rows(g, count) != KG_OK;
		}
	}
	/* The index needs nothing that git may have refused just now. */
	if (g->index == NULL || g->index_stale || mend != KG_MEND_NONE) {
		kg_err mended = ready_index(g, mend);

		err = err == KG_OK ? mended : err;
	}
	return err;
}

kg_err kg_cargo_open(kg_cargo *g, const char *state_dir, const kg_pubkey *swarm)
{
	kg_err err = kg_path(g->state_dir, "%s", state_dir);

	g->swarm = *swarm;
	g->index_stale = true;
	g->batch = calloc(KG_CARRIER_BATCH, sizeof(kg_load *));
	g->order = calloc(KG_CARRIER_BATCH, sizeof(kg_load *));
	if (g->batch == NULL || g->order == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the carrier");
	if (err == KG_OK)
		err = kg_path(g->index_path, "%s/index.sqlite", state_dir);
	if (err == KG_OK)
		err = kg_store_create(&g->store, state_dir, swarm);
	return err;
}

void kg_cargo_close(kg_cargo *g)
{
	kg_index_free(g->index);
	kg_store_free(g->store);
	free(g->batch);
	free(g->order);
}
