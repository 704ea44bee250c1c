/* SPDX-License-Identifier: MIT */
/* judge_root – whether a swarm has said that a chain of its own begins anew. */
#include <stdlib.h>
#include <string.h>

#include "memory/judge_impl.h"

static int by_key(const void *a, const void *b)
{
	return memcmp(((const kg_pubkey *)a)->bytes, ((const kg_pubkey *)b)->bytes, KG_PUBKEY_SIZE);
}

static int by_word(const void *a, const void *b)
{
	const kg_judge__word *x = a;
	const kg_judge__word *y = b;
	int order = by_key(&x->swarm, &y->swarm);

	if (order == 0)
		order = by_key(&x->head.agent, &y->head.agent);
	if (order == 0 && x->head.sequence != y->head.sequence)
		order = x->head.sequence < y->head.sequence ? -1 : 1;
	return order != 0 ? order
			  : memcmp(x->head.commit.bytes, y->head.commit.bytes, KG_COMMIT_SIZE);
}

/* What a checkpoint says of chains that are offered with a root. */
static kg_err note_words(kg_judge__words *words, const kg_entry *e)
{
	if (e->type != KG_ENTRY_CHECKPOINT || !kg_pubkey_equal(&e->agent, &e->swarm))
		return KG_OK;
	for (size_t i = 0; i < e->head_count; i++) {
		void *all = words->all;

		if (bsearch(&e->heads[i].agent, words->rooted, words->rooted_count,
			    sizeof(words->rooted[0]), by_key) == NULL)
			continue;
		if (!kg_judge__grow(&all, words->count, sizeof(words->all[0])))
			return kg_fail(KG_ENOMEM, "no memory for checkpoints");
		words->all = all;
		words->all[words->count++] = (kg_judge__word){e->swarm, e->heads[i]};
	}
	return KG_OK;
}

static kg_err read_words(kg_judge__words *words, kg_store *store, const kg_commit *commit,
			 kg_entry_proof *proof)
{
	kg_entry entry;
	kg_err err = kg_judge__read(store, &entry, proof, commit);

	if (err != KG_OK)
		return err;
	err = note_words(words, &entry);
	kg_entry_release(&entry);
	return err;
}

/* Checkpoints among what is offered: their signatures were good when they were met. */
static kg_err gather_offered(kg_judge__words *words, const kg_judge__work *work)
{
	kg_err err = KG_OK;

	words->rooted = calloc(work->front_count + 1, sizeof(words->rooted[0]));
	if (words->rooted == NULL)
		return kg_fail(KG_ENOMEM, "no memory for chains");
	for (size_t i = 0; i < work->front_count; i++)
		if (work->fronts[i]->has_root)
			words->rooted[words->rooted_count++] = work->fronts[i]->agent;
	qsort(words->rooted, words->rooted_count, sizeof(words->rooted[0]), by_key);
	for (size_t i = 0; err == KG_OK && i < work->front_count; i++) {
		const kg_judge__front *front = work->fronts[i];

		for (size_t k = 0; err == KG_OK && k < front->count; k++) {
			kg_entry_proof proof;

			if (front->all[k].is_checkpoint)
				err = read_words(words, work->in->offered, &front->all[k].commit,
						 &proof);
		}
	}
	return err;
}

/* And those that the memory has of that swarm already. */
static kg_err gather_ours(kg_judge__words *words, const kg_judge__work *work,
			  const kg_pubkey *swarm)
{
	void *read = words->read;
	kg_entry_proof proof = {.has_parent = true};
	kg_err err;

	for (size_t i = 0; i < words->read_count; i++)
		if (kg_pubkey_equal(&words->read[i], swarm))
			return KG_OK;
	if (!kg_judge__grow(&read, words->read_count, sizeof(words->read[0])))
		return kg_fail(KG_ENOMEM, "no memory for swarms");
	words->read = read;
	words->read[words->read_count++] = *swarm;
	if (work->in->ours == NULL)
		return KG_OK;
	err = kg_store_tip(work->in->ours, &proof.parent, swarm);
	while (err == KG_OK && proof.has_parent) {
		kg_commit at = proof.parent;

		err = read_words(words, work->in->ours, &at, &proof);
	}
	/* A chain that breaks off says what it says up to there. */
	return err == KG_ENOMEM ? err : KG_OK;
}

static bool is_said(kg_judge__words *words, const kg_judge__word *word)
{
	if (words->count != words->sorted && words->count > 1)
		qsort(words->all, words->count, sizeof(words->all[0]), by_word);
	words->sorted = words->count;
	return words->count > 0 &&
	       bsearch(word, words->all, words->count, sizeof(words->all[0]), by_word) != NULL;
}

kg_err kg_judge__is_countersigned(kg_judge__work *work, bool *is, const kg_judge__front *front,
				  const kg_entry *root)
{
	const kg_judge__candidate *end;
	kg_judge__word word = {.swarm = root->swarm};
	kg_err err = KG_OK;

	*is = false;
	if (root->epoch.kept >= front->left)
		return KG_OK; /* not all of what was kept is there */
	end = &front->all[front->left - 1 - root->epoch.kept];
	word.head = (kg_entry_head){front->agent, end->sequence, end->commit};
	if (work->words.rooted == NULL)
		err = gather_offered(&work->words, work);
	*is = err == KG_OK && is_said(&work->words, &word);
	if (err != KG_OK || *is)
		return err;
	err = gather_ours(&work->words, work, &root->swarm);
	*is = err == KG_OK && is_said(&work->words, &word);
	return err;
}

/* ---- what may be left out ---- */

static int by_id(const void *a, const void *b)
{
	return memcmp(((const kg_entry_id *)a)->bytes, ((const kg_entry_id *)b)->bytes,
		      KG_HASH_SIZE);
}

/* Down our chain: the first entry met that is not among the kept, and never expires. */
static kg_err find_left_out(kg_judge__work *work, uint64_t *sequence, const kg_pubkey *agent,
			    const kg_entry_id *kept, size_t count)
{
	kg_entry_proof proof = {.has_parent = true};
	kg_err err = kg_store_tip(work->in->ours, &proof.parent, agent);

	while (err == KG_OK && proof.has_parent && *sequence == 0) {
		kg_commit at = proof.parent;
		kg_entry e;

		err = kg_judge__read(work->in->ours, &e, &proof, &at);
		if (err != KG_OK)
			break;
		if (e.type != KG_ENTRY_HEARTBEAT && e.type != KG_ENTRY_TRACE && !e.has_epoch &&
		    (count == 0 || bsearch(&proof.id, kept, count, sizeof(kept[0]), by_id) == NULL))
			*sequence = e.sequence;
		kg_entry_release(&e);
	}
	return err;
}

kg_err kg_judge__left_out(kg_judge__work *work, uint64_t *sequence, const kg_judge__front *front,
			  uint64_t kept)
{
	kg_entry_id *ids;
	kg_err err;

	*sequence = 0;
	if (work->in->ours == NULL)
		return KG_OK;
	KG_ASSERT(kept < front->left);
	ids = calloc(kept + 1, sizeof(*ids));
	if (ids == NULL)
		return kg_fail(KG_ENOMEM, "no memory for entries");
	for (size_t i = 0; i < kept; i++)
		ids[i] = front->all[front->left - 2 - i].id;
	qsort(ids, kept, sizeof(ids[0]), by_id);
	err = find_left_out(work, sequence, &front->agent, ids, kept);
	free(ids);
	return err == KG_ENOTFOUND ? KG_OK : err;
}

void kg_judge__forget_words(kg_judge__work *work)
{
	free(work->words.all);
	free(work->words.rooted);
	free(work->words.read);
	work->words = (kg_judge__words){0};
}
