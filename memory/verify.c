/* SPDX-License-Identifier: MIT */
#include "memory/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/verify_impl.h"

/* ---- before the walk ---- */

static int compare_tracks(const void *a, const void *b)
{
	const kg_verify_track *x = a;
	const kg_verify_track *y = b;
	int order = memcmp(x->agent.bytes, y->agent.bytes, KG_PUBKEY_SIZE);

	return order != 0 ? order : (x->ref > y->ref) - (x->ref < y->ref);
}

/* A second ref of one author is a clone's own that went its own way: what the remote says, whose
 * name comes later, is the chain. */
static kg_err make_tracks(kg_verify_judge *j)
{
	size_t kept = 0;

	j->tracks = calloc(j->refs.count + 1, sizeof(j->tracks[0]));
	j->sealed_met = calloc(j->refs.count + 1, sizeof(j->sealed_met[0]));
	if (j->tracks == NULL || j->sealed_met == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu chains", j->refs.count);
	for (size_t i = 0; i < j->refs.count; i++) {
		const kg_store_ref *ref = &j->refs.refs[i];

		if (ref->kind == KG_STORE_CHAIN && ref->has_commit)
			j->tracks[j->track_count++] = (kg_verify_track){.agent = ref->agent,
									.tip = ref->commit,
									.ref = i,
									.named = ref->epoch};
	}
	qsort(j->tracks, j->track_count, sizeof(j->tracks[0]), compare_tracks);
	for (size_t i = 0; i < j->track_count; i++) {
		if (i + 1 < j->track_count &&
		    kg_pubkey_equal(&j->tracks[i].agent, &j->tracks[i + 1].agent))
			j->refs.refs[j->tracks[i].ref].kind = KG_STORE_STRAY;
		else
			j->tracks[kept++] = j->tracks[i];
	}
	j->track_count = kept;
	return KG_OK;
}

/* As many as the tips say, believed or not: only for telling how far it is. */
static uint64_t expected_entries(kg_verify_judge *j)
{
	uint64_t total = 0;

	for (size_t i = 0; i < j->track_count; i++) {
		kg_entry_proof proof;
		kg_entry e;

		kg_buf_clear(&j->object);
		if (kg_store_read(j->store, &j->object, &j->tracks[i].tip) != KG_OK ||
		    kg_entry_open_unverified(&e, &proof, j->object.data, j->object.size) != KG_OK)
			continue;
		total += e.sequence < UINT32_MAX ? e.sequence : 0;
		kg_entry_release(&e);
	}
	return total;
}

/* ---- everything ---- */

/* Without the swarm's chain nobody is certified: that is where all the other findings are from. */
static void judge_swarm(kg_verify_judge *j)
{
	if (j->refs.count > 0 && kg_verify__track(j, &j->admit.swarm) == NULL)
		kg_verify__find_ref(j, &j->admit.swarm, KG_REASON_MISSING,
				    "the swarm's own chain is not there: nobody is certified");
}

/* What takes more than one chain; `agent` NULL: of all that were walked. */
static void judge_together(kg_verify_judge *j, const kg_pubkey *agent)
{
	kg_verify__sort_claims(j);
	for (size_t i = 0; i < j->track_count; i++) {
		if (!j->tracks[i].walked)
			continue;
		kg_verify__judge_epoch(j, &j->tracks[i]);
		kg_verify__judge_succession(j, &j->tracks[i]);
	}
	kg_verify__open_proofs(j);
	kg_verify__judge_claims(j);
	kg_verify__judge_proofs(j, agent);
}

static void judge_all(kg_verify_judge *j)
{
	judge_swarm(j);
	for (size_t i = 0; i < j->track_count && j->err == KG_OK && !j->stopped; i++)
		if (!j->tracks[i].walked && !j->verdict->cut)
			kg_verify__judge_chain(j, &j->tracks[i]);
	if (j->err != KG_OK || j->stopped)
		return;
	judge_together(j, NULL);
	kg_verify__judge_refs(j);
	kg_verify__judge_doubles(j);
	kg_verify__list_bans(j);
}

/* ---- one chain, one entry ---- */

static bool is_claimed(const kg_verify_judge *j, const kg_pubkey *agent)
{
	for (size_t i = 0; i < j->orphan_count; i++)
		if (kg_pubkey_equal(&j->orphans[i].head.agent, agent))
			return true;
	return false;
}

static kg_err judge_one(kg_verify_judge *j, const kg_pubkey *agent)
{
	kg_verify_track *track = kg_verify__track(j, agent);

	if (track != NULL)
		kg_verify__judge_chain(j, track);
	/* A commit may have been put on any other chain. */
	else if (j->options->commit == NULL && !is_claimed(j, agent))
		return kg_fail(KG_ENOTFOUND, "no such chain");
	if (j->err == KG_OK && !j->stopped)
		judge_together(j, agent);
	return KG_OK;
}

/* The one commit asked for is on no chain: it was there, or somebody made it beside them. */
static void judge_lost(kg_verify_judge *j)
{
	kg_verify_spotted at = {j->options->agent, j->options->commit, 0, NULL};
	kg_entry_proof proof;
	kg_entry e;

	kg_buf_clear(&j->object);
	if (kg_store_read(j->store, &j->object, at.commit) == KG_OK &&
	    kg_entry_open_unverified(&e, &proof, j->object.data, j->object.size) == KG_OK) {
		at.sequence = e.sequence;
		at.id = &proof.id;
		kg_entry_release(&e);
	}
	kg_verify__find(j, &at, KG_REASON_OFF_CHAIN, "no chain holds this commit");
}

static kg_err judge_chosen(kg_verify_judge *j)
{
	const kg_verify_options *o = j->options;
	kg_err err = KG_OK;

	if (o->agent == NULL && o->commit == NULL) {
		judge_all(j);
		return KG_OK;
	}
	if (o->agent != NULL)
		err = judge_one(j, o->agent);
	if (err != KG_OK || o->commit == NULL || j->verdict->reached || j->verdict->count > 0 ||
	    j->err != KG_OK || j->stopped)
		return err;
	judge_all(j);
	if (o->agent != NULL && !j->verdict->reached && j->verdict->count == 0)
		judge_lost(j);
	return KG_OK;
}

/* ---- the verdict ---- */

static kg_err list_members(kg_verify_judge *j)
{
	kg_verdict *v = j->verdict;

	v->members = calloc(j->admit.count + 1, sizeof(v->members[0]));
	if (v->members == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu members", j->admit.count);
	for (size_t i = 0; i < j->admit.count; i++) {
		const kg_admit_chain *chain = &j->admit.chains[i];
		kg_entry_member *member = &v->members[v->member_count];

		if (!chain->member)
			continue;
		member->agent = chain->agent;
		memcpy(member->name, chain->name, sizeof(member->name));
		v->member_count++;
	}
	return KG_OK;
}

void kg_verdict_release(kg_verdict *verdict)
{
	free(verdict->findings);
	free(verdict->quarantined);
	free(verdict->members);
	*verdict = (kg_verdict){0};
}

static kg_err judge_store(kg_verify_judge *j, const kg_pubkey *swarm)
{
	kg_err err = kg_admit_init(&j->admit, swarm, 0);

	if (err == KG_OK)
		err = kg_store_refs_read(j->store, &j->refs);
	if (err == KG_OK)
		err = make_tracks(j);
	if (err == KG_OK)
		err = kg_verify__learn(j);
	if (err == KG_OK && j->options->step != NULL)
		j->total = expected_entries(j);
	if (err == KG_OK)
		err = judge_chosen(j);
	if (err == KG_OK)
		err = j->err;
	if (err == KG_OK && j->stopped)
		err = kg_fail(KG_ETIMEOUT, "stopped after %llu entries",
			      (unsigned long long)j->verdict->checked);
	return err == KG_OK ? list_members(j) : err;
}

static void release(kg_verify_judge *j)
{
	for (size_t i = 0; i < j->track_count; i++)
		free(j->tracks[i].spots);
	for (size_t i = 0; i < j->ban_count; i++)
		free(j->bans[i].cited);
	free(j->tracks);
	free(j->sealed_met);
	free(j->claims);
	free(j->orphans);
	free(j->bans);
	free(j->proofs);
	kg_buf_release(&j->object);
	kg_store_refs_release(&j->refs);
	kg_admit_release(&j->admit);
}

kg_err kg_verify(kg_verdict *verdict, kg_store *store, const kg_pubkey *swarm,
		 const kg_verify_options *options)
{
	static const kg_verify_options everything;
	kg_verdict found = {0};
	kg_verify_judge j = {.store = store,
			     .options = options != NULL ? options : &everything,
			     .verdict = &found};
	kg_err err;

	kg_buf_init(&j.object, KG_ENTRY_OBJECT_MAX);
	err = judge_store(&j, swarm);
	release(&j);
	if (err != KG_OK) {
		kg_verdict_release(&found);
		return err;
	}
	*verdict = found;
	return KG_OK;
}
