/* SPDX-License-Identifier: MIT */
#include "memory/admit.h"

#include <stdlib.h>
#include <string.h>

#include "memory/witness.h"

/* The place of `agent` in the sorted chains; `*found` whether it is there. */
static size_t place_of(const kg_admit *admit, const kg_pubkey *agent, bool *found)
{
	size_t low = 0;
	size_t high = admit->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(admit->chains[middle].agent.bytes, agent->bytes, sizeof(agent->bytes)) <
		    0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < admit->count && kg_pubkey_equal(&admit->chains[low].agent, agent);
	return low;
}

/* The chain of `agent`, made when missing; NULL with the error in *err. */
static kg_admit_chain *chain_of(kg_admit *admit, const kg_pubkey *agent, kg_err *err)
{
	bool found = false;
	size_t at = place_of(admit, agent, &found);
	kg_admit_chain *chain;

	*err = KG_OK;
	if (found)
		return &admit->chains[at];
	if (admit->count == KG_ADMIT_CHAINS_MAX) {
		*err = kg_fail(KG_EFULL, "more than %d chains", KG_ADMIT_CHAINS_MAX);
		return NULL;
	}
	if ((admit->count & (admit->count - 1)) == 0) {
		size_t room = admit->count == 0 ? 1 : 2 * admit->count;

		chain = realloc(admit->chains, room * sizeof(*chain));
		if (chain == NULL) {
			*err = kg_fail(KG_ENOMEM, "no memory for %zu chains", room);
			return NULL;
		}
		admit->chains = chain;
	}
	chain = &admit->chains[at];
	memmove(chain + 1, chain, (admit->count - at) * sizeof(*chain));
	memset(chain, 0, sizeof(*chain));
	chain->agent = *agent;
	admit->count++;
	return chain;
}

static kg_err learn_member(kg_admit *admit, const kg_pubkey *agent, const char *name)
{
	kg_err err;
	kg_admit_chain *chain = chain_of(admit, agent, &err);

	if (chain == NULL)
		return err;
	chain->member = true;
	memcpy(chain->name, name, strlen(name) + 1);
	return KG_OK;
}

kg_err kg_admit_init(kg_admit *admit, const kg_pubkey *swarm, int64_t ahead_ms_max)
{
	*admit = (kg_admit){.swarm = *swarm, .ahead_ms_max = ahead_ms_max};
	return learn_member(admit, swarm, KG_SWARM_NAME);
}

void kg_admit_release(kg_admit *admit)
{
	free(admit->chains);
	*admit = (kg_admit){0};
}

const kg_admit_chain *kg_admit_find(const kg_admit *admit, const kg_pubkey *agent)
{
	bool found = false;
	size_t at = place_of(admit, agent, &found);

	return found ? &admit->chains[at] : NULL;
}

static kg_err check_author(const kg_admit *admit, const kg_admit_chain *chain, const kg_entry *e)
{
	if (!kg_pubkey_equal(&e->swarm, &admit->swarm))
		return kg_fail(KG_EDENIED, "the entry belongs to another swarm");
	if (chain == NULL || !chain->member)
		return kg_fail(KG_EDENIED, "the author's key is not certified by this swarm");
	if (chain->damaged)
		return kg_fail(KG_ECORRUPT, "the chain of %s is damaged, see verify", chain->name);
	if (chain->revoked && e->sequence > chain->sequence_max)
		return kg_fail(KG_EDENIED, "the author's key was revoked after entry %llu",
			       (unsigned long long)chain->sequence_max);
	if (strcmp(chain->name, e->agent_name) != 0)
		return kg_fail(KG_EDENIED, "the author's key is certified for %s, not for %s",
			       chain->name, e->agent_name);
	return KG_OK;
}

static kg_err check_place(const kg_chain_head *head, const kg_entry *e, const kg_entry_proof *proof)
{
	if (e->sequence != head->sequence + 1)
		return kg_fail(KG_ECONFLICT, "sequence %llu does not follow %llu",
			       (unsigned long long)e->sequence, (unsigned long long)head->sequence);
	if (head->sequence > 0 &&
	    memcmp(proof->parent.bytes, head->commit.bytes, KG_COMMIT_SIZE) != 0)
		return kg_fail(KG_ECONFLICT, "its parent is not the chain's last entry");
	if (e->time_ms < head->time_ms || (e->time_ms == head->time_ms && head->sequence > 0 &&
					   e->time_counter <= head->time_counter))
		return kg_fail(KG_ECONFLICT, "its time is not after the chain's last entry");
	return KG_OK;
}

/* A checkpoint that names what we do not have would make every later verification fail. */
static kg_err check_heads(const kg_admit *admit, const kg_entry *e)
{
	for (size_t i = 0; i < e->head_count; i++) {
		const kg_entry_head *h = &e->heads[i];
		const kg_admit_chain *chain = kg_admit_find(admit, &h->agent);

		if (chain == NULL || h->sequence > chain->head.sequence)
			return kg_fail(KG_ECONFLICT, "it names an entry that is not there");
		if (h->sequence == chain->head.sequence &&
		    memcmp(h->commit.bytes, chain->head.commit.bytes, KG_COMMIT_SIZE) != 0)
			return kg_fail(KG_ECONFLICT, "it names another tip than a chain has");
	}
	return KG_OK;
}

kg_err kg_admit_check(const kg_admit *admit, const kg_entry *e, const kg_entry_proof *proof,
		      int64_t now_ms)
{
	const kg_admit_chain *chain = kg_admit_find(admit, &e->agent);
	kg_err err = check_author(admit, chain, e);

	if (err == KG_OK)
		err = check_place(&chain->head, e, proof);
	if (err == KG_OK)
		err = check_heads(admit, e);
	if (err == KG_OK && e->time_ms > now_ms && e->time_ms - now_ms > admit->ahead_ms_max)
		err = kg_fail(KG_EINVAL, "its time is %lld ms ahead of the keeper's clock",
			      (long long)(e->time_ms - now_ms));
	return err;
}

kg_err kg_admit_learn(kg_admit *admit, const kg_entry *e)
{
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < e->member_count; i++)
		err = learn_member(admit, &e->members[i].agent, e->members[i].name);
	if (err == KG_OK && e->type == KG_ENTRY_REVOCATION) {
		kg_admit_chain *chain = chain_of(admit, &e->heads[0].agent, &err);

		if (chain != NULL) {
			chain->revoked = true;
			chain->sequence_max = e->heads[0].sequence;
		}
	}
	return err;
}

kg_err kg_admit_damage(kg_admit *admit, const kg_pubkey *agent)
{
	kg_err err;
	kg_admit_chain *chain = chain_of(admit, agent, &err);

	if (chain != NULL)
		chain->damaged = true;
	return err;
}

kg_err kg_admit_apply(kg_admit *admit, const kg_entry *e, const kg_entry_proof *proof)
{
	kg_err err = kg_admit_learn(admit, e);
	kg_admit_chain *chain = err == KG_OK ? chain_of(admit, &e->agent, &err) : NULL;

	if (chain == NULL)
		return err;
	chain->head = (kg_chain_head){
		.sequence = e->sequence,
		.time_ms = e->time_ms,
		.time_counter = e->time_counter,
		.commit = proof->commit,
	};
	chain->head_id = proof->id;
	return KG_OK;
}
