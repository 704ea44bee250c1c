/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "memory/admit_impl.h"

typedef unsigned long long number; /* for printing */

static bool is_own(const kg_admit *admit, const kg_entry *e)
{
	return kg_pubkey_equal(&e->swarm, &admit->swarm);
}

/* Nobody's word counts for the author: is it another swarm's entry, or nobody's? */
static kg_err refuse_stranger(const kg_admit *admit, const kg_entry *e, kg_reason *why)
{
	const kg_admit_chain *chain = kg_admit_find(admit, &e->agent);

	if (!kg_admit_believes(admit, &e->swarm))
		return kg_reason_fail(why, KG_REASON_WRONG_SWARM,
				      "the entry belongs to a swarm that is not believed here");
	if (chain != NULL && chain->member)
		return kg_reason_fail(why, KG_REASON_WRONG_SWARM,
				      "another swarm than the one it names has certified %s",
				      chain->name);
	return kg_reason_fail(why, KG_REASON_UNKNOWN_KEY,
			      "the author's key is not certified by this swarm");
}

kg_err kg_admit_author(const kg_admit *admit, const kg_entry *e, kg_reason *why)
{
	const kg_admit_member *word = kg_admit__counts(admit, &e->agent, &e->swarm);
	const kg_admit_member *own =
		is_own(admit, e) ? word : kg_admit_word(admit, &e->agent, &admit->swarm);

	if (word == NULL)
		return refuse_stranger(admit, e, why);
	if (word->revoked && e->sequence > word->sequence_max)
		return kg_reason_fail(why, KG_REASON_REVOKED,
				      "the author's key was revoked after entry %llu",
				      (number)word->sequence_max);
	if (own != NULL && own->revoked && e->sequence > own->sequence_max)
		return kg_reason_fail(why, KG_REASON_REVOKED,
				      "this swarm has revoked the author's key after entry %llu",
				      (number)own->sequence_max);
	if (strcmp(word->name, e->agent_name) != 0)
		return kg_reason_fail(why, KG_REASON_WRONG_NAME,
				      "the author's key is certified for %s, not for %s",
				      word->name, e->agent_name);
	if (e->type == KG_ENTRY_REVOCATION && e->head_count == 0 &&
	    !kg_pubkey_equal(&e->agent, &e->swarm) && strcmp(word->name, KG_OPERATOR_NAME) != 0)
		return kg_reason_fail(why, KG_REASON_NO_AUTHORITY,
				      "a quarantine is for the swarm and its operator, not for %s",
				      word->name);
	return KG_OK;
}

/* An entry for a place behind the end of the chain. */
static kg_err refuse_taken(const kg_admit_chain *chain, const kg_entry *e,
			   const kg_entry_proof *proof, kg_reason *why)
{
	const kg_chain_head *head = &chain->head;

	if (e->sequence == head->sequence &&
	    memcmp(proof->id.bytes, chain->head_id.bytes, KG_HASH_SIZE) == 0)
		return kg_reason_fail(why, KG_REASON_DUPLICATE,
				      "entry %llu of %s is there under another commit",
				      (number)e->sequence, chain->name);
	if (!chain->epoch.known || e->sequence < chain->epoch.base)
		return kg_reason_fail(why, KG_REASON_SEQUENCE_GAP,
				      "entry %llu is behind the end of the chain, %llu",
				      (number)e->sequence, (number)head->sequence);
	return kg_reason_fail(why, KG_REASON_FORKED, "place %llu of %s is taken by another entry",
			      (number)e->sequence, chain->name);
}

static kg_err check_root(const kg_admit_chain *chain, const kg_entry *e, kg_reason *why)
{
	const kg_entry_epoch *epoch = &e->epoch;
	const kg_chain_head *head = &chain->head;

	/* Of what it stands for, some never came here: the swarm's word is all there is. */
	if (epoch->old.sequence > head->sequence && head->sequence == 0)
		return KG_OK;
	if (epoch->old.sequence > head->sequence)
		return chain->epoch.known && epoch->number > chain->epoch.number
			       ? KG_OK
			       : kg_reason_fail(why, KG_REASON_BAD_EPOCH,
						"epoch %llu is not after %llu",
						(number)epoch->number, (number)chain->epoch.number);
	if (epoch->old.sequence != head->sequence ||
	    memcmp(epoch->old.commit.bytes, head->commit.bytes, KG_COMMIT_SIZE) != 0)
		return kg_reason_fail(why, KG_REASON_BAD_EPOCH,
				      "it stands for another end of the chain than entry %llu",
				      (number)head->sequence);
	if (!chain->epoch.known || chain->epoch.left > 0)
		return kg_reason_fail(why, KG_REASON_BAD_EPOCH,
				      "what epoch the chain is in is not settled");
	if (epoch->number != chain->epoch.number + 1)
		return kg_reason_fail(why, KG_REASON_BAD_EPOCH, "epoch %llu does not follow %llu",
				      (number)epoch->number, (number)chain->epoch.number);
	if (epoch->kept + epoch->dropped != head->sequence - chain->epoch.base + 1)
		return kg_reason_fail(why, KG_REASON_BAD_EPOCH,
				      "%llu kept and %llu dropped are not the %llu there were",
				      (number)epoch->kept, (number)epoch->dropped,
				      (number)(head->sequence - chain->epoch.base + 1));
	return KG_OK;
}

/* Entries carried over stand directly behind the root of their epoch, in their old order, as many
 * as it says. */
static kg_err check_epoch(const kg_admit_chain *chain, const kg_entry *e, kg_reason *why)
{
	const kg_admit_epoch *epoch = &chain->epoch;

	if (e->has_epoch)
		return check_root(chain, e, why);
	if (e->carried == 0 && epoch->left == 0)
		return KG_OK;
	if (e->carried == 0)
		return kg_reason_fail(why, KG_REASON_BAD_EPOCH,
				      "%llu entries have to be carried over before it",
				      (number)epoch->left);
	if (epoch->left == 0 || e->carried <= epoch->carried || e->carried >= epoch->base)
		return kg_reason_fail(why, KG_REASON_BAD_EPOCH,
				      "old entry %llu is not to be carried over here",
				      (number)e->carried);
	if (e->time_ms > chain->head.time_ms)
		return kg_reason_fail(why, KG_REASON_TIME_ORDER,
				      "it was carried over, and is later than its epoch's root");
	return KG_OK;
}

static kg_err check_place(const kg_admit_chain *chain, const kg_entry *e,
			  const kg_entry_proof *proof, kg_reason *why)
{
	const kg_chain_head *head = &chain->head;

	if (e->sequence <= head->sequence)
		return refuse_taken(chain, e, proof, why);
	if (chain->closed)
		return kg_reason_fail(why, KG_REASON_CLOSED,
				      "the key of %s was given up for another", chain->name);
	if (e->sequence != head->sequence + 1 && !e->has_epoch)
		return kg_reason_fail(why, KG_REASON_SEQUENCE_GAP,
				      "sequence %llu does not follow %llu", (number)e->sequence,
				      (number)head->sequence);
	if (proof->has_parent &&
	    memcmp(proof->parent.bytes, head->commit.bytes, KG_COMMIT_SIZE) != 0)
		return kg_reason_fail(why, KG_REASON_WRONG_PARENT,
				      "its parent is not the chain's last entry");
	if (head->sequence > 0 && !kg_pubkey_equal(&chain->swarm, &e->swarm))
		return kg_reason_fail(why, KG_REASON_WRONG_SWARM,
				      "the chain of %s belongs to another swarm", chain->name);
	if (e->carried == 0 &&
	    (e->time_ms < head->time_ms || (e->time_ms == head->time_ms && head->sequence > 0 &&
					    e->time_counter <= head->time_counter)))
		return kg_reason_fail(why, KG_REASON_TIME_ORDER,
				      "its time is not after the chain's last entry");
	return check_epoch(chain, e, why);
}

/* The first entry of a key that goes on for another. */
static kg_err check_succession(const kg_admit *admit, const kg_entry *e, kg_reason *why)
{
	const kg_entry_head *old = &e->predecessor;
	const kg_admit_chain *chain;

	/* What was carried over was right when it was first taken in. */
	if (!e->has_predecessor || e->carried > 0)
		return KG_OK;
	chain = kg_admit_find(admit, &old->agent);
	if (chain == NULL || !chain->closed || !kg_pubkey_equal(&chain->successor, &e->agent))
		return kg_reason_fail(why, KG_REASON_BAD_SUCCESSION,
				      "the key before it has not named it as its successor");
	if (chain->head.sequence != old->sequence ||
	    memcmp(chain->head.commit.bytes, old->commit.bytes, KG_COMMIT_SIZE) != 0)
		return kg_reason_fail(why, KG_REASON_BAD_SUCCESSION,
				      "it names another entry than the one that names it");
	if (!kg_pubkey_equal(&chain->swarm, &e->swarm) || strcmp(chain->name, e->agent_name) != 0)
		return kg_reason_fail(why, KG_REASON_BAD_SUCCESSION,
				      "the key before it is %s in its swarm, not %s", chain->name,
				      e->agent_name);
	return KG_OK;
}

/* A checkpoint that names what we do not have would make every later verification fail. What a peer
 * names may well be on its way. */
static kg_err check_claims(const kg_admit *admit, const kg_entry *e, kg_reason *why)
{
	if (!is_own(admit, e))
		return KG_OK;
	for (size_t i = 0; i < e->head_count; i++) {
		const kg_entry_head *h = &e->heads[i];
		const kg_admit_chain *chain = kg_admit_find(admit, &h->agent);

		if (h->sequence > (chain != NULL ? chain->head.sequence : 0))
			return kg_reason_fail(why, KG_REASON_BAD_CLAIM,
					      "it names an entry that is not there");
		if (chain != NULL && h->sequence == chain->head.sequence &&
		    memcmp(h->commit.bytes, chain->head.commit.bytes, KG_COMMIT_SIZE) != 0)
			return kg_reason_fail(why, KG_REASON_BAD_CLAIM,
					      "it names another tip than a chain has");
	}
	return KG_OK;
}

/* What the swarm's chain may not say, since it would be believed. */
static kg_err check_words(const kg_admit *admit, const kg_entry *e, kg_reason *why)
{
	const kg_admit_member *word;

	for (size_t i = 0; i < e->member_count; i++) {
		word = kg_admit_word(admit, &e->members[i].agent, &e->swarm);
		if (word != NULL && word->certified && strcmp(word->name, e->members[i].name) != 0)
			return kg_reason_fail(why, KG_REASON_WRONG_NAME,
					      "it certifies for %s a key that is %s's",
					      e->members[i].name, word->name);
	}
	if (e->type != KG_ENTRY_REVOCATION || e->head_count != 1)
		return KG_OK;
	word = kg_admit_word(admit, &e->heads[0].agent, &e->swarm);
	if (word != NULL && word->revoked && e->heads[0].sequence >= word->sequence_max)
		return kg_reason_fail(why, KG_REASON_BAD_REVOCATION,
				      "the key is revoked after entry %llu already",
				      (number)word->sequence_max);
	return KG_OK;
}

/* The latest time that was admitted: who goes on from there is no further ahead, and a clock that
 * was set back does not keep everyone from writing until it is there again. */
static int64_t latest_ms(const kg_admit *admit)
{
	int64_t latest = INT64_MIN;

	for (size_t i = 0; i < admit->count; i++)
		if (admit->chains[i].head.sequence > 0 && admit->chains[i].head.time_ms > latest)
			latest = admit->chains[i].head.time_ms;
	return latest;
}

kg_err kg_admit_check(const kg_admit *admit, const kg_entry *e, const kg_entry_proof *proof,
		      int64_t now_ms, kg_reason *why)
{
	const kg_admit_chain *chain;
	kg_err err = kg_admit_author(admit, e, why);

	if (err != KG_OK)
		return err;
	chain = kg_admit_find(admit, &e->agent);
	KG_ASSERT(chain != NULL); /* every key of which there is a word has one */
	if (chain->damaged)
		return kg_reason_fail(why, KG_REASON_DAMAGED,
				      "the chain of %s is damaged, see verify", chain->name);
	err = check_place(chain, e, proof, why);
	if (err == KG_OK)
		err = check_succession(admit, e, why);
	if (err == KG_OK)
		err = check_claims(admit, e, why);
	if (err == KG_OK)
		err = check_words(admit, e, why);
	if (err == KG_OK && e->carried == 0 && e->time_ms > now_ms &&
	    e->time_ms - now_ms > admit->ahead_ms_max && e->time_ms > latest_ms(admit))
		err = kg_reason_fail(why, KG_REASON_CLOCK_AHEAD,
				     "its time is %lld ms ahead of the keeper's clock",
				     (long long)(e->time_ms - now_ms));
	return err;
}
