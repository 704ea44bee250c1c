/* SPDX-License-Identifier: MIT */
#include "memory/admit.h"

#include <stdlib.h>
#include <string.h>

#include "memory/admit_impl.h"

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

/* Makes a place at `at` in an array of `count` elements; the capacity is the next power of two, so
 * that growth needs no field. NULL with the error in *err. */
static void *insert(void *array, size_t count, size_t count_max, size_t element, size_t at,
		    kg_err *err)
{
	uint8_t *bytes = array;

	*err = KG_OK;
	if (count == count_max) {
		*err = kg_fail(KG_EFULL, "more than %zu keys are known", count_max);
		return NULL;
	}
	if ((count & (count - 1)) == 0) {
		bytes = realloc(array, (count == 0 ? 1 : 2 * count) * element);
		if (bytes == NULL) {
			*err = kg_fail(KG_ENOMEM, "no memory for %zu keys", count + 1);
			return NULL;
		}
	}
	memmove(bytes + (at + 1) * element, bytes + at * element, (count - at) * element);
	memset(bytes + at * element, 0, element);
	return bytes;
}

/* The chain of `agent`, made when missing; NULL with the error in *err. */
static kg_admit_chain *chain_of(kg_admit *admit, const kg_pubkey *agent, kg_err *err)
{
	bool found = false;
	size_t at = place_of(admit, agent, &found);
	void *grown;

	*err = KG_OK;
	if (found)
		return &admit->chains[at];
	grown = insert(admit->chains, admit->count, KG_ADMIT_CHAINS_MAX, sizeof(admit->chains[0]),
		       at, err);
	if (grown == NULL)
		return NULL;
	admit->chains = grown;
	admit->chains[at].agent = *agent;
	admit->count++;
	return &admit->chains[at];
}

static int compare_pairs(const kg_admit_member *m, const kg_pubkey *agent, const kg_pubkey *swarm)
{
	int order = memcmp(m->agent.bytes, agent->bytes, sizeof(agent->bytes));

	return order != 0 ? order : memcmp(m->swarm.bytes, swarm->bytes, sizeof(swarm->bytes));
}

/* The first pair that is not before (agent, swarm). */
static size_t pair_from(const kg_admit *admit, const kg_pubkey *agent, const kg_pubkey *swarm)
{
	size_t low = 0;
	size_t high = admit->member_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_pairs(&admit->members[middle], agent, swarm) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const kg_admit_member *kg_admit_word(const kg_admit *admit, const kg_pubkey *agent,
				     const kg_pubkey *swarm)
{
	size_t at = pair_from(admit, agent, swarm);

	return at < admit->member_count && compare_pairs(&admit->members[at], agent, swarm) == 0
		       ? &admit->members[at]
		       : NULL;
}

/* The pair, made when missing; NULL with the error in *err. */
static kg_admit_member *word_of(kg_admit *admit, const kg_pubkey *agent, const kg_pubkey *swarm,
				kg_err *err)
{
	size_t at = pair_from(admit, agent, swarm);
	void *grown;

	*err = KG_OK;
	if (at < admit->member_count && compare_pairs(&admit->members[at], agent, swarm) == 0)
		return &admit->members[at];
	grown = insert(admit->members, admit->member_count, KG_ADMIT_MEMBERS_MAX,
		       sizeof(admit->members[0]), at, err);
	if (grown == NULL)
		return NULL;
	admit->members = grown;
	admit->members[at].agent = *agent;
	admit->members[at].swarm = *swarm;
	admit->member_count++;
	return &admit->members[at];
}

/* Any pair of `agent` that certifies it. */
static const kg_admit_member *any_word(const kg_admit *admit, const kg_pubkey *agent)
{
	static const kg_pubkey first; /* no key is before it */

	for (size_t i = pair_from(admit, agent, &first); i < admit->member_count; i++) {
		if (!kg_pubkey_equal(&admit->members[i].agent, agent))
			break;
		if (admit->members[i].certified)
			return &admit->members[i];
	}
	return NULL;
}

const kg_admit_member *kg_admit__counts(const kg_admit *admit, const kg_pubkey *agent,
					const kg_pubkey *swarm)
{
	const kg_admit_member *own = kg_admit_word(admit, agent, &admit->swarm);
	const kg_admit_member *word = own;

	if (own != NULL && own->certified)
		return kg_pubkey_equal(swarm, &admit->swarm) ? own : NULL;
	if (!kg_pubkey_equal(swarm, &admit->swarm))
		word = kg_admit_word(admit, agent, swarm);
	return word != NULL && word->certified && kg_admit_believes(admit, swarm) ? word : NULL;
}

/* Chooses whose word counts for a chain, and copies it there. */
static kg_err settle(kg_admit *admit, const kg_pubkey *agent)
{
	kg_err err;
	kg_admit_chain *chain = chain_of(admit, agent, &err);
	const kg_admit_member *own = kg_admit_word(admit, agent, &admit->swarm);
	const kg_admit_member *word = own;

	if (chain == NULL)
		return err;
	if (own == NULL || !own->certified)
		word = chain->head.sequence > 0 ? kg_admit_word(admit, agent, &chain->swarm)
						: any_word(admit, agent);
	chain->member = word != NULL && word->certified;
	if (chain->member) {
		chain->swarm = word->swarm;
		memcpy(chain->name, word->name, sizeof(chain->name));
	}
	chain->revoked = false;
	chain->sequence_max = 0;
	if (word != NULL && word->revoked) {
		chain->revoked = true;
		chain->sequence_max = word->sequence_max;
	}
	if (own != NULL && own->revoked &&
	    (!chain->revoked || own->sequence_max < chain->sequence_max)) {
		chain->revoked = true;
		chain->sequence_max = own->sequence_max;
	}
	return KG_OK;
}

static kg_err certify(kg_admit *admit, const kg_pubkey *swarm, uint64_t sequence,
		      const kg_pubkey *agent, const char *name)
{
	kg_err err;
	kg_admit_member *word = word_of(admit, agent, swarm, &err);

	if (word == NULL)
		return err;
	if (!word->certified || sequence < word->since) {
		word->certified = true;
		word->since = sequence;
		memset(word->name, 0, sizeof(word->name));
		memcpy(word->name, name, strlen(name));
	}
	return settle(admit, agent);
}

static kg_err revoke(kg_admit *admit, const kg_pubkey *swarm, const kg_entry_head *head)
{
	kg_err err;
	kg_admit_member *word = word_of(admit, &head->agent, swarm, &err);

	if (word == NULL)
		return err;
	if (!word->revoked || head->sequence < word->sequence_max) {
		word->revoked = true;
		word->sequence_max = head->sequence;
	}
	return settle(admit, &head->agent);
}

kg_err kg_admit_init(kg_admit *admit, const kg_pubkey *swarm, int64_t ahead_ms_max)
{
	kg_err err;

	*admit = (kg_admit){.swarm = *swarm, .ahead_ms_max = ahead_ms_max};
	err = certify(admit, swarm, 0, swarm, KG_SWARM_NAME);
	if (err != KG_OK)
		kg_admit_release(admit);
	return err;
}

void kg_admit_release(kg_admit *admit)
{
	free(admit->chains);
	free(admit->members);
	free(admit->peers);
	*admit = (kg_admit){0};
}

const kg_admit_chain *kg_admit_find(const kg_admit *admit, const kg_pubkey *agent)
{
	bool found = false;
	size_t at = place_of(admit, agent, &found);

	return found ? &admit->chains[at] : NULL;
}

/* The place of a peer in the sorted list, or where it would stand. */
static size_t peer_from(const kg_admit *admit, const kg_pubkey *swarm)
{
	size_t at = 0;

	while (at < admit->peer_count &&
	       memcmp(admit->peers[at].agent.bytes, swarm->bytes, sizeof(swarm->bytes)) < 0)
		at++;
	return at;
}

bool kg_admit_believes(const kg_admit *admit, const kg_pubkey *swarm)
{
	size_t at;

	if (kg_pubkey_equal(swarm, &admit->swarm))
		return true;
	at = peer_from(admit, swarm);
	return at < admit->peer_count && kg_pubkey_equal(&admit->peers[at].agent, swarm);
}

/* What the peer has said before it was known as one is learned by reading its chain. */
static kg_err believe(kg_admit *admit, const kg_entry_member *peer)
{
	size_t at = peer_from(admit, &peer->agent);
	void *grown;
	kg_err err;

	if (kg_admit_believes(admit, &peer->agent))
		return KG_OK;
	grown = insert(admit->peers, admit->peer_count, KG_ADMIT_PEERS_MAX, sizeof(admit->peers[0]),
		       at, &err);
	if (grown == NULL)
		return err;
	admit->peers = grown;
	admit->peers[at] = *peer;
	admit->peer_count++;
	return certify(admit, &peer->agent, 0, &peer->agent, KG_SWARM_NAME);
}

static kg_err witness(kg_admit *admit, const kg_entry_head *head)
{
	kg_err err = KG_OK;
	kg_admit_chain *chain = chain_of(admit, &head->agent, &err);

	if (chain != NULL && head->sequence > chain->witnessed)
		chain->witnessed = head->sequence;
	return err;
}

kg_err kg_admit_learn(kg_admit *admit, const kg_entry *e)
{
	kg_err err = KG_OK;

	if (!kg_pubkey_equal(&e->agent, &e->swarm) || !kg_admit_believes(admit, &e->swarm))
		return KG_OK;
	for (size_t i = 0; err == KG_OK && i < e->member_count; i++)
		err = certify(admit, &e->swarm, e->sequence, &e->members[i].agent,
			      e->members[i].name);
	if (err == KG_OK && e->type == KG_ENTRY_REVOCATION && e->head_count == 1)
		err = revoke(admit, &e->swarm, &e->heads[0]);
	/* Peers of peers are not ours. */
	if (kg_pubkey_equal(&e->swarm, &admit->swarm))
		for (size_t i = 0; err == KG_OK && i < e->peer_count; i++)
			err = believe(admit, &e->peers[i]);
	if (e->type == KG_ENTRY_CHECKPOINT && kg_pubkey_equal(&e->swarm, &admit->swarm))
		for (size_t i = 0; err == KG_OK && i < e->head_count; i++)
			err = witness(admit, &e->heads[i]);
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

kg_err kg_admit_fork(kg_admit *admit, const kg_pubkey *agent)
{
	kg_err err;
	kg_admit_chain *chain = chain_of(admit, agent, &err);

	if (chain != NULL)
		chain->forked = true;
	return err;
}

kg_err kg_admit_set_epoch(kg_admit *admit, const kg_pubkey *agent, const kg_admit_epoch *epoch,
			  const kg_chain_head *root)
{
	kg_err err;
	kg_admit_chain *chain = chain_of(admit, agent, &err);

	if (chain == NULL)
		return err;
	chain->epoch = *epoch;
	chain->epoch.known = true;
	if (epoch->carried > 0 && root->sequence > 0) {
		chain->head.time_ms = root->time_ms;
		chain->head.time_counter = root->time_counter;
	}
	return KG_OK;
}

/* The epoch that the chain is in once `e` is its end. */
static kg_admit_epoch epoch_after(const kg_admit_chain *chain, const kg_entry *e)
{
	kg_admit_epoch epoch = chain->epoch;

	if (e->has_epoch)
		return (kg_admit_epoch){.known = true,
					.number = e->epoch.number,
					.base = e->sequence,
					.left = e->epoch.kept};
	if (e->sequence == 1)
		return (kg_admit_epoch){.known = true, .base = 1};
	if (e->sequence != chain->head.sequence + 1)
		return (kg_admit_epoch){0}; /* a chain read from its tip */
	if (e->carried > 0 && epoch.left > 0) {
		epoch.left--;
		epoch.carried = e->carried;
	}
	return epoch;
}

kg_err kg_admit_apply(kg_admit *admit, const kg_entry *e, const kg_entry_proof *proof)
{
	kg_err err = kg_admit_learn(admit, e);
	kg_admit_chain *chain = err == KG_OK ? chain_of(admit, &e->agent, &err) : NULL;
	bool settled;
	bool carried;

	if (chain == NULL)
		return err;
	settled = chain->head.sequence > 0 && kg_pubkey_equal(&chain->swarm, &e->swarm);
	carried = e->carried > 0 && e->sequence == chain->head.sequence + 1;
	chain->epoch = epoch_after(chain, e);
	if (!carried) {
		chain->head.time_ms = e->time_ms;
		chain->head.time_counter = e->time_counter;
	}
	chain->head.sequence = e->sequence;
	chain->head.commit = proof->commit;
	chain->head_id = proof->id;
	if (e->has_successor) {
		chain->closed = true;
		chain->successor = e->successor;
	}
	if (settled)
		return KG_OK;
	chain->swarm = e->swarm;
	return settle(admit, &e->agent);
}
