/* SPDX-License-Identifier: MIT */
#include "memory/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/judge_impl.h"
#include "memory/store_impl.h"
#include "memory/vault.h"

typedef unsigned long long number; /* for printing */

bool kg_judge__grow(void **array, size_t count, size_t size)
{
	void *grown;

	if ((count & (count - 1)) != 0)
		return true;
	grown = realloc(*array, (count == 0 ? 1 : 2 * count) * size);
	if (grown != NULL)
		*array = grown;
	return grown != NULL;
}

/* Against an author who was shut out, or a clock, the one who carries the entry can do nothing. */
static bool speaks_against(kg_reason reason)
{
	switch (reason) {
	case KG_REASON_REVOKED:
	case KG_REASON_CLOSED:
	case KG_REASON_CLOCK_AHEAD:
	case KG_REASON_BAD_EPOCH:
	case KG_REASON_BAD_SUCCESSION:
	case KG_REASON_BAD_REVOCATION:
	case KG_REASON_NO_AUTHORITY:
	case KG_REASON_DAMAGED:
		return false;
	default:
		return true;
	}
}

void kg_judge__find(kg_judge__work *work, const kg_pubkey *agent, const kg_commit *commit,
		    kg_reason reason, const char *fmt, ...)
{
	kg_judgement *out = &work->out;
	void *findings = out->findings;
	kg_judge_finding *f;
	va_list ap;

	if (out->finding_count == KG_JUDGE_FINDINGS_MAX ||
	    !kg_judge__grow(&findings, out->finding_count, sizeof(out->findings[0]))) {
		out->findings_left_out++;
		return;
	}
	out->findings = findings;
	f = &out->findings[out->finding_count++];
	*f = (kg_judge_finding){.reason = reason, .speaks_against = speaks_against(reason)};
	if (agent != NULL)
		f->agent = *agent;
	f->has_commit = commit != NULL;
	if (commit != NULL)
		f->commit = *commit;
	va_start(ap, fmt);
	(void)vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

void kg_judgement_release(kg_judgement *judgement)
{
	free(judgement->entries);
	free(judgement->findings);
	free(judgement->heads);
	free(judgement->sealed);
	*judgement = (kg_judgement){0};
}

const kg_judge_finding *kg_judgement_worst(const kg_judgement *judgement)
{
	for (size_t i = 0; i < judgement->finding_count; i++)
		if (judgement->findings[i].speaks_against)
			return &judgement->findings[i];
	return NULL;
}

/* ---- chains ---- */

static void add_stranger(kg_judgement *out, const kg_pubkey *swarm)
{
	for (size_t i = 0; i < out->stranger_count; i++)
		if (kg_pubkey_equal(&out->strangers[i], swarm))
			return;
	if (out->stranger_count < KG_JUDGE_STRANGERS_MAX)
		out->strangers[out->stranger_count++] = *swarm;
}

/* What swarm an offered chain says it is of: its own word, which decides only who judges it. A tip
 * that says nothing is judged as any other. */
static kg_err swarm_of(bool *says, kg_pubkey *swarm, kg_judge__work *work,
		       const kg_store_ref *offer)
{
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err = kg_judge__read(work->in->offered, &entry, &proof, &offer->commit);

	*says = err == KG_OK;
	if (err != KG_OK)
		return err == KG_ENOMEM ? err : KG_OK;
	*swarm = entry.swarm;
	kg_entry_release(&entry);
	return KG_OK;
}

/* One round over the offers that are left: those of believed swarms are walked and put in order,
 * whereupon more swarms may be believed. */
static kg_err round_of(kg_judge__work *work, bool *done, bool *progress)
{
	const kg_offers *offers = work->in->offers;
	kg_err err = KG_OK;

	*progress = false;
	for (size_t i = 0; err == KG_OK && i < offers->count; i++) {
		bool says = false;
		kg_pubkey swarm;

		if (done[i] || offers->refs[i].kind != KG_STORE_CHAIN)
			continue;
		err = swarm_of(&says, &swarm, work, &offers->refs[i]);
		if (err != KG_OK || (says && !kg_admit_believes(work->in->admit, &swarm)))
			continue;
		done[i] = true;
		*progress = true;
		work->out.chains++;
		err = kg_judge__walk(work, &offers->refs[i]);
	}
	return err == KG_OK ? kg_judge__merge(work) : err;
}

static kg_err note_strangers(kg_judge__work *work, const bool *done)
{
	const kg_offers *offers = work->in->offers;
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < offers->count; i++) {
		bool says = false;
		kg_pubkey swarm;

		if (done[i] || offers->refs[i].kind != KG_STORE_CHAIN)
			continue;
		err = swarm_of(&says, &swarm, work, &offers->refs[i]);
		if (err == KG_OK && says)
			add_stranger(&work->out, &swarm);
	}
	return err;
}

static int by_agent(const void *a, const void *b)
{
	const kg_store_ref *const *x = a;
	const kg_store_ref *const *y = b;
	int order = memcmp((*x)->agent.bytes, (*y)->agent.bytes, KG_PUBKEY_SIZE);

	return order != 0 ? order : (*x > *y) - (*x < *y);
}

/* Where the run of this author's chains begins. */
static size_t run_of(const kg_judge__work *work, const kg_pubkey *agent)
{
	size_t low = 0;
	size_t high = work->chain_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(work->chains[middle]->agent.bytes, agent->bytes, KG_PUBKEY_SIZE) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_in_run(const kg_judge__work *work, size_t i, const kg_pubkey *agent)
{
	return i < work->chain_count && kg_pubkey_equal(&work->chains[i]->agent, agent);
}

/* Sequences go on from epoch to epoch: the latest ends highest, whatever its ref is called. What is
 * no entry comes first, so that it is looked at. */
static kg_err sort_run(const kg_judge__work *work, const kg_store_ref **run, size_t count)
{
	uint64_t *ends = calloc(count, sizeof(*ends));
	kg_err err = ends != NULL ? KG_OK : kg_fail(KG_ENOMEM, "no memory for a judgement");

	for (size_t i = 0; err == KG_OK && i < count; i++) {
		const kg_store_ref *ref = run[i];
		kg_entry_proof proof;
		uint64_t end = UINT64_MAX;
		kg_entry entry;
		size_t at = i;

		err = kg_judge__read(work->in->offered, &entry, &proof, &ref->commit);
		if (err == KG_OK) {
			end = entry.sequence;
			kg_entry_release(&entry);
		}
		err = err == KG_ENOMEM ? err : KG_OK;
		for (; at > 0 && ends[at - 1] < end; at--) {
			ends[at] = ends[at - 1];
			run[at] = run[at - 1];
		}
		ends[at] = end;
		run[at] = ref;
	}
	free(ends);
	return err;
}

/* The offered chains by agent, the latest of each first. */
static kg_err sort_chains(kg_judge__work *work)
{
	const kg_offers *offers = work->in->offers;
	kg_err err = KG_OK;

	work->chains = calloc(offers->count + 1, sizeof(kg_store_ref *));
	if (work->chains == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a judgement");
	for (size_t i = 0; i < offers->count; i++)
		if (offers->refs[i].kind == KG_STORE_CHAIN)
			work->chains[work->chain_count++] = &offers->refs[i];
	if (work->chain_count > 1)
		qsort(work->chains, work->chain_count, sizeof(kg_store_ref *), by_agent);
	for (size_t i = 0, n; err == KG_OK && i < work->chain_count; i += n) {
		for (n = 1; is_in_run(work, i + n, &work->chains[i]->agent); n++)
			;
		if (n > 1)
			err = sort_run(work, &work->chains[i], n);
	}
	return err;
}

/* A clone has a chain as its own branch and as its remote's: the first is enough. So is the latest
 * epoch, unless that does not count: see kg_judge__earlier. */
static void skip_twins(kg_judge__work *work, bool *done)
{
	for (size_t i = 1; i < work->chain_count; i++)
		if (kg_pubkey_equal(&work->chains[i]->agent, &work->chains[i - 1]->agent))
			done[work->chains[i] - work->in->offers->refs] = true;
}

const kg_store_ref *kg_judge__earlier(kg_judge__work *work, const kg_store_ref *offer)
{
	kg_judgement *out = &work->out;
	size_t i = run_of(work, &offer->agent);

	while (work->chains[i] != offer)
		i++;
	if (!is_in_run(work, ++i, &offer->agent))
		return NULL;
	for (size_t k = 0; k < out->head_count; k++)
		if (kg_pubkey_equal(&out->heads[k].agent, &offer->agent))
			out->heads[k--] = out->heads[--out->head_count];
	return work->chains[i];
}

bool kg_judge__is_elsewhere(const kg_judge__work *work, const kg_store_ref *offer,
			    const kg_commit *commit)
{
	git_oid old;

	kg_store__to_oid(&old, commit);
	for (size_t i = run_of(work, &offer->agent); is_in_run(work, i, &offer->agent); i++) {
		git_oid tip;

		kg_store__to_oid(&tip, &work->chains[i]->commit);
		if (work->chains[i] != offer &&
		    (git_oid_equal(&tip, &old) ||
		     git_graph_descendant_of(work->in->offered->repo, &tip, &old) == 1))
			return true;
	}
	return false;
}

static kg_err judge_chains(kg_judge__work *work, bool *done)
{
	bool progress = true;
	kg_err err = KG_OK;

	while (err == KG_OK && progress)
		err = round_of(work, done, &progress);
	return err == KG_OK ? note_strangers(work, done) : err;
}

/* Chains that it had are offered no more. Both lists are in order. */
static void check_gone(kg_judge__work *work)
{
	const kg_judge_input *in = work->in;
	size_t at = 0;

	for (size_t i = 0; i < in->known_count; i++) {
		const kg_entry_head *known = &in->known[i];

		while (at < work->chain_count && memcmp(work->chains[at]->agent.bytes,
							known->agent.bytes, KG_PUBKEY_SIZE) < 0)
			at++;
		if (at == work->chain_count ||
		    !kg_pubkey_equal(&work->chains[at]->agent, &known->agent))
			kg_judge__find(work, &known->agent, &known->commit, KG_REASON_ROLLED_BACK,
				       "it had this chain to entry %llu, and has none of it now",
				       (number)known->sequence);
	}
}

/* Checkpoints of a swarm name how far its chains go: the rest was held back. */
static void check_claims(kg_judge__work *work)
{
	for (size_t i = 0; i < work->claim_count; i++) {
		const kg_judge__claim *claim = &work->claims[i];
		const kg_admit_chain *chain = kg_admit_find(work->in->admit, &claim->agent);
		uint64_t have = chain != NULL ? chain->head.sequence : 0;

		if (have < claim->sequence)
			kg_judge__find(work, &claim->agent, NULL, KG_REASON_TRUNCATED,
				       "a checkpoint of its swarm names entry %llu, and %llu are "
				       "here: the rest is held back",
				       (number)claim->sequence, (number)have);
	}
}

/* ---- proofs, sealed content, the rest ---- */

static bool is_kept(const kg_judge__work *work, const kg_store_ref *offer)
{
	git_oid here;

	return work->in->ours != NULL &&
	       git_reference_name_to_id(&here, work->in->ours->repo, offer->name) == 0;
}

static kg_err judge_proof(kg_judge__work *work, const kg_store_ref *offer)
{
	const kg_judge_input *in = work->in;
	void *entries = work->out.entries;
	kg_entry_proof proof;
	kg_entry entry;
	kg_buf object;
	bool good;
	kg_err err;

	if (is_kept(work, offer))
		return KG_OK;
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_judge__fetch(in->offered, &object, GIT_OBJECT_COMMIT, &offer->commit);
	if (err == KG_OK)
		err = kg_entry_open(&entry, &proof, object.data, object.size);
	kg_buf_release(&object);
	if (err == KG_ENOMEM)
		return err;
	if (err == KG_OK && !kg_admit_believes(in->admit, &entry.swarm)) {
		kg_entry_release(&entry);
		return KG_OK;
	}
	good = err == KG_OK && kg_pubkey_equal(&entry.agent, &offer->agent) &&
	       kg_admit_author(in->admit, &entry, NULL) == KG_OK;
	if (err == KG_OK)
		kg_entry_release(&entry);
	if (!good) {
		kg_judge__find(work, &offer->agent, &offer->commit, KG_REASON_BAD_SIGNATURE,
			       "a proof of a fork that proves nothing");
		return KG_OK;
	}
	if (!kg_judge__grow(&entries, work->out.count, sizeof(work->out.entries[0])))
		return kg_fail(KG_ENOMEM, "no memory for entries");
	work->out.entries = entries;
	work->out.entries[work->out.count++] =
		(kg_judge_entry){.commit = offer->commit, .is_proof = true};
	return KG_OK;
}

/* The entry that sealed content is said to be of: new ones first. KG_ENOTFOUND. */
static kg_err entry_of(kg_entry *entry, kg_judge__work *work, const kg_entry_id *id)
{
	char hex[KG_HASH_TEXT_SIZE];
	kg_entry_proof proof;
	kg_pubkey agent;
	uint64_t sequence;

	for (size_t i = 0; i < work->sealer_count; i++)
		if (memcmp(work->sealers[i].id.bytes, id->bytes, KG_HASH_SIZE) == 0)
			return kg_judge__read(work->in->offered, entry, &proof,
					      &work->sealers[i].commit);
	kg_entry_id_format(hex, id);
	if (work->in->index == NULL ||
	    kg_index_find(work->in->index, &proof, &agent, &sequence, hex) != KG_OK)
		return kg_fail(KG_ENOTFOUND, "no entry %s", hex);
	return kg_judge__read(work->in->offered, entry, &proof, &proof.commit);
}

/* Whether the very same is in the memory, or was erased there. */
static bool need_not(kg_judge__work *work, const kg_store_ref *offer)
{
	bool erased = false;

	if (work->in->ours == NULL || is_kept(work, offer))
		return work->in->ours != NULL;
	return kg_vault_is_erased(&erased, work->in->ours, &offer->entry) != KG_OK || erased;
}

kg_err kg_judge_read_sealed(kg_buf *sealed, kg_store *offered, const kg_commit *blob)
{
	return kg_judge__fetch(offered, sealed, GIT_OBJECT_BLOB, blob);
}

static kg_err judge_sealed(kg_judge__work *work, const kg_store_ref *offer)
{
	void *sealed = work->out.sealed;
	kg_entry entry;
	kg_buf blob;
	kg_err err;

	if (need_not(work, offer))
		return KG_OK;
	err = entry_of(&entry, work, &offer->entry);
	if (err != KG_OK)
		return err == KG_ENOMEM ? err : KG_OK; /* of an entry that is not taken */
	kg_buf_init(&blob, KG_ENTRY_OBJECT_MAX);
	err = kg_judge_read_sealed(&blob, work->in->offered, &offer->commit);
	if (err == KG_OK)
		err = kg_vault_check(&entry, blob.data, blob.size);
	kg_buf_release(&blob);
	if (err != KG_OK)
		kg_judge__find(work, &entry.agent, NULL, KG_REASON_SEALED_MISMATCH,
			       "%.80s holds something else than the entry seals", offer->name);
	kg_entry_release(&entry);
	if (err != KG_OK)
		return KG_OK;
	if (!kg_judge__grow(&sealed, work->out.sealed_count, sizeof(work->out.sealed[0])))
		return kg_fail(KG_ENOMEM, "no memory for sealed content");
	work->out.sealed = sealed;
	work->out.sealed[work->out.sealed_count++] =
		(kg_judge_sealed){.entry = offer->entry, .blob = offer->commit};
	return KG_OK;
}

static kg_err judge_others(kg_judge__work *work)
{
	const kg_offers *offers = work->in->offers;
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < offers->count; i++) {
		const kg_store_ref *offer = &offers->refs[i];

		if (offer->kind == KG_STORE_PROOF)
			err = judge_proof(work, offer);
		else if (offer->kind == KG_STORE_SEALED)
			err = judge_sealed(work, offer);
		else if (offer->kind == KG_STORE_STRAY)
			kg_judge__find(work, NULL, &offer->commit, KG_REASON_STRAY_REF,
				       "%.160s is no chain, no proof and no sealed content",
				       offer->name);
	}
	return err;
}

/* ---- all of it ---- */

static int compare_heads(const void *a, const void *b)
{
	return memcmp(((const kg_entry_head *)a)->agent.bytes,
		      ((const kg_entry_head *)b)->agent.bytes, KG_PUBKEY_SIZE);
}

static void release_work(kg_judge__work *work)
{
	for (size_t i = 0; i < work->front_count; i++) {
		free(work->fronts[i]->all);
		free(work->fronts[i]);
	}
	free(work->fronts);
	free(work->claims);
	free(work->sealers);
	free(work->chains);
	work->front_count = 0;
	work->fronts = NULL;
}

kg_err kg_judge(kg_judgement *judgement, const kg_judge_input *input)
{
	kg_judge__work work = {.in = input};
	bool *done = calloc(input->offers->count + 1, sizeof(*done));
	kg_err err = done != NULL ? KG_OK : kg_fail(KG_ENOMEM, "no memory for a judgement");

	if (err == KG_OK)
		err = sort_chains(&work);
	if (err == KG_OK) {
		skip_twins(&work, done);
		err = judge_chains(&work, done);
	}
	if (err == KG_OK) {
		check_gone(&work);
		check_claims(&work);
		err = judge_others(&work);
	}
	if (work.out.head_count > 1)
		qsort(work.out.heads, work.out.head_count, sizeof(work.out.heads[0]),
		      compare_heads);
	release_work(&work);
	free(done);
	if (err != KG_OK) {
		kg_judgement_release(&work.out);
		return err;
	}
	*judgement = work.out;
	return KG_OK;
}
