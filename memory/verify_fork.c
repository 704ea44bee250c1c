/* SPDX-License-Identifier: MIT */
/* What is kept as proof that an author signed two entries for one place. */
#include <stdlib.h>
#include <string.h>

#include "memory/verify_impl.h"

/* What is wrong with a proof; NULL when it is a good entry of its author. */
static const char *open_proof(kg_verify_judge *j, kg_verify_proof *p)
{
	const char *fault = NULL;
	kg_entry_proof proof;
	kg_entry e;

	kg_buf_clear(&j->object);
	if (kg_store_read(j->store, &j->object, &p->commit) != KG_OK)
		return "it cannot be read";
	if (kg_entry_open(&e, &proof, j->object.data, j->object.size) != KG_OK)
		return "its signature is not good";
	p->sequence = e.sequence;
	p->id = proof.id;
	if (!kg_pubkey_equal(&e.agent, p->agent))
		fault = "it is another author's entry";
	else if (kg_admit_word(&j->admit, &e.agent, &e.swarm) == NULL)
		fault = "its author is not certified";
	kg_entry_release(&e);
	return fault;
}

static int by_commit(const void *a, const void *b)
{
	const kg_verify_proof *x = a;
	const kg_verify_proof *y = b;

	return memcmp(x->commit.bytes, y->commit.bytes, KG_COMMIT_SIZE);
}

/* Refs come by name, so those of one author in one run. */
void kg_verify__open_proofs(kg_verify_judge *j)
{
	const kg_pubkey *agent = NULL;
	size_t run = 0;

	if (j->proofs != NULL)
		return; /* one chain was judged before all of them */
	j->proofs = calloc(j->refs.count + 1, sizeof(j->proofs[0]));
	if (j->proofs == NULL) {
		j->err = kg_fail(KG_ENOMEM, "no memory for %zu proofs", j->refs.count);
		return;
	}
	for (size_t i = 0; i < j->refs.count; i++) {
		const kg_store_ref *ref = &j->refs.refs[i];
		kg_verify_proof *p = &j->proofs[j->proof_count];

		if (ref->kind != KG_STORE_PROOF || !ref->has_commit)
			continue;
		run = agent != NULL && kg_pubkey_equal(agent, &ref->agent) ? run + 1 : 1;
		agent = &ref->agent;
		*p = (kg_verify_proof){.commit = ref->commit, .agent = agent};
		p->fault = run > KG_STORE_PROOFS_MAX ? "there are more of that author than are kept"
						     : open_proof(j, p);
		j->proof_count++;
	}
	qsort(j->proofs, j->proof_count, sizeof(j->proofs[0]), by_commit);
}

bool kg_verify__is_proof(const kg_verify_judge *j, const kg_commit *commit)
{
	const kg_verify_proof wanted = {.commit = *commit};

	return bsearch(&wanted, j->proofs, j->proof_count, sizeof(j->proofs[0]), by_commit) != NULL;
}

/* What stands at the place that the proof was signed for: on the chain, or another proof. The same
 * entry signed twice is no fork. */
static const kg_commit *find_rival(const kg_verify_judge *j, const kg_verify_track *track,
				   const kg_verify_proof *p)
{
	uint64_t mark;
	size_t count = 0;
	const kg_verify_spot *spots =
		track != NULL ? kg_verify__spots(track, p->sequence, &count) : NULL;

	memcpy(&mark, p->id.bytes, sizeof(mark));
	for (size_t i = 0; i < count; i++)
		if (spots[i].mark != 0 && spots[i].mark != mark)
			return &spots[i].commit;
	for (size_t i = 0; i < j->proof_count; i++) {
		const kg_verify_proof *other = &j->proofs[i];

		if (other->fault == NULL && other->sequence == p->sequence &&
		    kg_pubkey_equal(other->agent, p->agent) &&
		    memcmp(&other->id, &p->id, sizeof(p->id)) != 0)
			return &other->commit;
	}
	return NULL;
}

static void judge_proof(kg_verify_judge *j, const kg_verify_proof *p)
{
	const kg_verify_track *track = kg_verify__track(j, p->agent);
	kg_verify_spotted at = {p->agent, &p->commit, p->sequence, &p->id};
	char mine[KG_COMMIT_TEXT_SIZE];
	char other[KG_COMMIT_TEXT_SIZE];
	const kg_commit *rival;

	if (p->fault != NULL) {
		at.id = NULL;
		kg_verify__find(j, &at, KG_REASON_BAD_PROOF, "no proof of a fork: %s", p->fault);
		return;
	}
	rival = find_rival(j, track, p);
	if (rival == NULL) {
		/* What cannot be reached cannot clear the author either. */
		if (track == NULL || !track->is_dark || p->sequence > track->dark_to)
			kg_verify__find(j, &at, KG_REASON_BAD_PROOF,
					"no proof of a fork: nothing else stands at its place");
		return;
	}
	kg_commit_format(mine, &p->commit);
	kg_commit_format(other, rival);
	kg_verify__find(j, &at, KG_REASON_FORKED,
			"its author signed two entries for this place, commit %s and commit %s",
			mine, other);
}

void kg_verify__judge_proofs(kg_verify_judge *j, const kg_pubkey *agent)
{
	for (size_t i = 0; i < j->proof_count && !j->verdict->cut; i++)
		if (agent == NULL || kg_pubkey_equal(agent, j->proofs[i].agent))
			judge_proof(j, &j->proofs[i]);
}
