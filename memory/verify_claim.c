/* SPDX-License-Identifier: MIT */
/* What checkpoints, authors and witnesses say stands on a chain, held against what stands there. */
#include <stdlib.h>
#include <string.h>

#include "memory/verify_impl.h"

kg_verify_track *kg_verify__track(const kg_verify_judge *j, const kg_pubkey *agent)
{
	size_t low = 0;
	size_t high = j->track_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(j->tracks[middle].agent.bytes, agent->bytes, KG_PUBKEY_SIZE);

		if (order == 0)
			return &j->tracks[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const kg_verify_spot *kg_verify__spots(const kg_verify_track *track, uint64_t sequence,
				       size_t *count)
{
	size_t low = 0;
	size_t high = track->count;

	/* Spots fall: the first that is not above it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (track->spots[middle].sequence > sequence)
			low = middle + 1;
		else
			high = middle;
	}
	*count = 0;
	while (low + *count < track->count && track->spots[low + *count].sequence == sequence)
		(*count)++;
	return *count > 0 ? &track->spots[low] : NULL;
}

bool kg_verify__stands(const kg_verify_track *track, uint64_t sequence, const kg_commit *commit)
{
	size_t count;
	const kg_verify_spot *spots = kg_verify__spots(track, sequence, &count);

	for (size_t i = 0; i < count; i++)
		if (memcmp(spots[i].commit.bytes, commit->bytes, KG_COMMIT_SIZE) == 0)
			return true;
	return false;
}

/* ---- collecting ---- */

static int compare_places(const kg_verify_claim *x, const kg_verify_claim *y)
{
	if (x->track != y->track)
		return x->track < y->track ? -1 : 1;
	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return memcmp(x->commit.bytes, y->commit.bytes, KG_COMMIT_SIZE);
}

/* What authors have seen is one claim, whoever says it; swarms are told apart. */
static int compare_claims(const void *a, const void *b)
{
	const kg_verify_claim *x = a;
	const kg_verify_claim *y = b;
	int order = compare_places(x, y);

	if (order != 0)
		return order;
	if (x->by != y->by)
		return x->by < y->by ? -1 : 1;
	if (x->by == KG_CLAIM_SEEN || x->by_track == y->by_track)
		return 0;
	return x->by_track < y->by_track ? -1 : 1;
}

void kg_verify__sort_claims(kg_verify_judge *j)
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

/* Chains that stand still are named again and again: what is there twice goes before memory is
 * asked for, so that there is no more of it than there are places named. */
static bool make_room(kg_verify_judge *j)
{
	size_t room = j->claim_room == 0 ? 1024 : 2 * j->claim_room;
	kg_verify_claim *grown;

	kg_verify__sort_claims(j);
	if (j->claim_room > 0 && j->claim_count <= j->claim_room / 2)
		return true;
	grown = realloc(j->claims, room * sizeof(*grown));
	if (grown == NULL) {
		j->err = kg_fail(KG_ENOMEM, "no memory for %zu claims", room);
		return false;
	}
	j->claims = grown;
	j->claim_room = room;
	return true;
}

static void add_orphan(kg_verify_judge *j, const kg_entry_head *head, kg_verify_by by,
		       const kg_pubkey *swarm)
{
	if (j->orphan_count == KG_VERIFY_FINDINGS_MAX)
		return;
	if (j->orphan_count == j->orphan_room) {
		size_t room = j->orphan_room == 0 ? 64 : 2 * j->orphan_room;
		kg_verify_orphan *grown = realloc(j->orphans, room * sizeof(*grown));

		if (grown == NULL) {
			j->err = kg_fail(KG_ENOMEM, "no memory for %zu claims", room);
			return;
		}
		j->orphans = grown;
		j->orphan_room = room;
	}
	j->orphans[j->orphan_count++] = (kg_verify_orphan){*head, *swarm, by};
}

void kg_verify__claim(kg_verify_judge *j, const kg_entry_head *head, kg_verify_by by,
		      const kg_pubkey *by_agent, uint64_t by_sequence)
{
	const kg_verify_track *track = kg_verify__track(j, &head->agent);
	const kg_verify_track *says = kg_verify__track(j, by_agent);

	if (track == NULL) {
		add_orphan(j, head, by, by_agent);
		return;
	}
	if (j->claim_count == j->claim_room && !make_room(j))
		return;
	j->claims[j->claim_count++] = (kg_verify_claim){
		.sequence = head->sequence,
		.track = (uint32_t)(track - j->tracks),
		.by_track = says != NULL ? (uint32_t)(says - j->tracks) : UINT32_MAX,
		.by_sequence = by_sequence,
		.commit = head->commit,
		.by = by,
	};
}

/* ---- what the swarms say ---- */

static kg_err learn_entry(kg_verify_judge *j, const kg_pubkey *swarm, const kg_entry *e)
{
	kg_err err;

	if (!kg_pubkey_equal(&e->agent, swarm) || !kg_pubkey_equal(&e->swarm, swarm))
		return KG_OK;
	err = kg_admit_learn(&j->admit, e);
	for (size_t i = 0; err == KG_OK && i < e->head_count; i++) {
		/* A key of which nothing is accepted has no last entry. */
		if (e->heads[i].sequence > 0)
			kg_verify__claim(j, &e->heads[i], KG_CLAIM_CHECKPOINT, swarm, e->sequence);
		err = j->err;
	}
	return err;
}

/* Whatever of a swarm's chain can be believed, also behind what cannot. */
static kg_err learn_swarm(kg_verify_judge *j, const kg_pubkey *swarm)
{
	const kg_verify_track *track = kg_verify__track(j, swarm);
	kg_commit at = track != NULL ? track->tip : (kg_commit){0};
	bool more = track != NULL;
	kg_err err = KG_OK;

	while (err == KG_OK && more) {
		kg_entry_proof proof;
		kg_entry e;

		kg_buf_clear(&j->object);
		if (kg_store_read(j->store, &j->object, &at) != KG_OK)
			break;
		if (kg_entry_open(&e, &proof, j->object.data, j->object.size) == KG_OK) {
			err = learn_entry(j, swarm, &e);
			/* Another's chain under its ref is not read to its end. */
			more = kg_pubkey_equal(&e.agent, swarm);
			kg_entry_release(&e);
		}
		more = more && kg_verify__header_parent(&at, &j->object);
	}
	return err;
}

kg_err kg_verify__learn(kg_verify_judge *j)
{
	const kg_verify_options *o = j->options;
	kg_err err = learn_swarm(j, &j->admit.swarm);

	for (size_t i = 0; err == KG_OK && i < j->admit.peer_count; i++) {
		kg_pubkey peer = j->admit.peers[i].agent;

		err = learn_swarm(j, &peer);
	}
	for (size_t i = 0; err == KG_OK && i < o->witness_count; i++) {
		kg_verify__claim(j, &o->witness[i], KG_CLAIM_WITNESS, &o->witness[i].agent, 0);
		err = j->err;
	}
	return err;
}

/* ---- judging ---- */

/* A peer has no say over a key of ours, nor over one that it never certified. */
static bool speaks_for(const kg_verify_judge *j, const kg_pubkey *swarm, const kg_pubkey *agent)
{
	const kg_admit_member *word;

	if (kg_pubkey_equal(swarm, &j->admit.swarm))
		return true;
	word = kg_admit_word(&j->admit, agent, &j->admit.swarm);
	if (word != NULL && word->certified)
		return false;
	word = kg_admit_word(&j->admit, agent, swarm);
	return (word != NULL && word->certified) || kg_pubkey_equal(swarm, agent);
}

static kg_reason reason_of(kg_verify_by by, bool other)
{
	if (by == KG_CLAIM_SEEN)
		return KG_REASON_SEEN_MISSING;
	if (by == KG_CLAIM_WITNESS)
		return KG_REASON_ROLLED_BACK;
	return other ? KG_REASON_REPLACED : KG_REASON_TRUNCATED;
}

static const char *sayer(kg_verify_by by)
{
	static const char *const names[] = {"a checkpoint", "a witness outside git", "an author"};

	return names[by];
}

/* The id of what a commit holds; false when it cannot be opened. */
static bool id_of(kg_verify_judge *j, kg_entry_id *id, const kg_commit *commit)
{
	kg_entry_proof proof;
	kg_entry e;

	kg_buf_clear(&j->object);
	if (kg_store_read(j->store, &j->object, commit) != KG_OK ||
	    kg_entry_open_unverified(&e, &proof, j->object.data, j->object.size) != KG_OK)
		return false;
	*id = proof.id;
	kg_entry_release(&e);
	return true;
}

/* A ref that was set back leaves the objects: then even the id is known. */
static void find_gone(kg_verify_judge *j, const kg_entry_head *h, kg_verify_by by)
{
	kg_entry_id id;
	bool known = id_of(j, &id, &h->commit);
	kg_verify_spotted at = {&h->agent, &h->commit, h->sequence, known ? &id : NULL};

	kg_verify__find(j, &at, reason_of(by, false),
			"%s names it, and the chain does not reach it", sayer(by));
}

static void find_other(kg_verify_judge *j, const kg_verify_track *track,
		       const kg_verify_claim *claim, const kg_commit *there)
{
	kg_verify_spotted at = {&track->agent, there, claim->sequence, NULL};
	char text[KG_COMMIT_TEXT_SIZE];
	kg_entry_id id;

	at.id = id_of(j, &id, there) ? &id : NULL;
	kg_commit_format(text, &claim->commit);
	kg_verify__find(j, &at, reason_of(claim->by, true), "%s names commit %s here",
			sayer(claim->by), text);
}

static void judge_claim(kg_verify_judge *j, const kg_verify_claim *claim)
{
	const kg_verify_track *track = &j->tracks[claim->track];
	const kg_entry_head head = {track->agent, claim->sequence, claim->commit};
	const kg_verify_spot *spots;
	size_t count;

	if (!track->walked || kg_verify__stands(track, claim->sequence, &claim->commit))
		return;
	if (claim->by == KG_CLAIM_CHECKPOINT &&
	    !speaks_for(j, &j->tracks[claim->by_track].agent, &track->agent))
		return;
	/* An author may well have seen the other end of a fork. */
	if (claim->by == KG_CLAIM_SEEN && kg_verify__is_proof(j, &claim->commit))
		return;
	/* What an epoch stands for is not there to be looked at, but for its end. */
	if (claim->sequence <= track->covered) {
		if (claim->sequence == track->epoch.old.sequence &&
		    memcmp(claim->commit.bytes, track->epoch.old.commit.bytes, KG_COMMIT_SIZE) != 0)
			find_other(j, track, claim, &track->epoch.old.commit);
		return;
	}
	spots = kg_verify__spots(track, claim->sequence, &count);
	if (spots != NULL)
		find_other(j, track, claim, &spots[0].commit);
	else if (!track->is_dark || claim->sequence > track->dark_to)
		find_gone(j, &head, claim->by);
}

static int compare_orphans(const void *a, const void *b)
{
	const kg_verify_orphan *x = a;
	const kg_verify_orphan *y = b;
	int order = memcmp(x->head.agent.bytes, y->head.agent.bytes, KG_PUBKEY_SIZE);

	if (order != 0)
		return order;
	if (x->head.sequence != y->head.sequence)
		return x->head.sequence < y->head.sequence ? -1 : 1;
	return memcmp(x->head.commit.bytes, y->head.commit.bytes, KG_COMMIT_SIZE);
}

/* What an author has seen of swarms that are believed there need not be here. */
static bool is_anyones(const kg_verify_judge *j, const kg_pubkey *agent)
{
	const kg_admit_chain *known = kg_admit_find(&j->admit, agent);

	return known != NULL && known->member;
}

static void judge_orphans(kg_verify_judge *j)
{
	const kg_pubkey *only = j->options->agent;

	if (j->orphan_count == 0)
		return;
	qsort(j->orphans, j->orphan_count, sizeof(j->orphans[0]), compare_orphans);
	for (size_t i = 0; i < j->orphan_count; i++) {
		const kg_verify_orphan *o = &j->orphans[i];

		if ((i > 0 && compare_orphans(o - 1, o) == 0) ||
		    (only != NULL && !kg_pubkey_equal(only, &o->head.agent)) ||
		    (o->by == KG_CLAIM_CHECKPOINT && !speaks_for(j, &o->swarm, &o->head.agent)) ||
		    (o->by == KG_CLAIM_SEEN && !is_anyones(j, &o->head.agent)))
			continue;
		find_gone(j, &o->head, o->by);
	}
}

bool kg_verify__is_countersigned(const kg_verify_judge *j, const kg_verify_track *track,
				 const kg_verify_spot *spot)
{
	kg_verify_claim wanted = {.sequence = spot->sequence,
				  .track = (uint32_t)(track - j->tracks),
				  .commit = spot->commit};
	size_t low = 0;
	size_t high = j->claim_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_places(&j->claims[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < j->claim_count && compare_places(&j->claims[low], &wanted) == 0; low++)
		if (j->claims[low].by == KG_CLAIM_CHECKPOINT && track->has_swarm &&
		    kg_pubkey_equal(&j->tracks[j->claims[low].by_track].agent, &track->swarm))
			return true;
	return false;
}

void kg_verify__judge_claims(kg_verify_judge *j)
{
	for (size_t i = 0; i < j->claim_count && !j->verdict->cut; i++)
		judge_claim(j, &j->claims[i]);
	judge_orphans(j);
}
