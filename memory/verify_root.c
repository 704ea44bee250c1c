/* SPDX-License-Identifier: MIT */
/* Where chains begin: the roots of epochs, and the keys that follow other keys. */
#include <string.h>

#include "memory/verify_impl.h"

static void find_root(kg_verify_judge *j, const kg_verify_track *t, const kg_verify_spot *at,
		      const char *text)
{
	const kg_verify_spotted here = {&t->agent, &at->commit, at->sequence, NULL};

	kg_verify__find(j, &here, KG_REASON_BAD_EPOCH, "%s", text);
}

void kg_verify__meet_carried(kg_verify_judge *j, kg_verify_track *t, const kg_entry *e,
			     const kg_entry_proof *proof)
{
	const kg_verify_spot here = {.sequence = e->sequence, .commit = proof->commit};

	if (e->has_epoch) {
		t->has_epoch = true;
		t->epoch = e->epoch;
		t->root = here;
		if (t->carried > 0 && t->carried_ms > e->time_ms)
			find_root(j, t, &here, "an entry was carried over that is later than it");
		return;
	}
	if (e->carried == 0) {
		if (t->carried > 0 && t->between.sequence == 0)
			t->between = here;
		return;
	}
	if (t->carried == 0) {
		t->last_carried = here;
		t->carried_high = e->carried;
		t->carried_ms = e->time_ms;
	} else if (e->carried >= t->carried_low) {
		find_root(j, t, &here, "entries were carried over in another order");
	}
	if (e->time_ms > t->carried_ms)
		t->carried_ms = e->time_ms;
	t->carried_low = e->carried;
	t->carried++;
}

/* What is wrong with the root of a chain's epoch; NULL when nothing is. The root is the first
 * entry, and what was carried over stands directly behind it, so that the last of it names all: the
 * checkpoint that names that one stands for the whole. */
static const char *fault_of(const kg_verify_judge *j, const kg_verify_track *t)
{
	const kg_verify_spot *end = t->carried > 0 ? &t->last_carried : &t->root;

	if (t->root.sequence != t->epoch.old.sequence + 1 ||
	    !kg_pubkey_equal(&t->epoch.old.agent, &t->agent))
		return "it does not follow the end of the epoch that it names";
	if (t->carried != t->epoch.kept || end->sequence != t->root.sequence + t->epoch.kept)
		return "not as many entries were carried over as it says";
	if (t->carried > 0 && t->carried_high > t->epoch.old.sequence)
		return "an entry was carried over from behind the end of the old epoch";
	if (!kg_verify__is_countersigned(j, t, end))
		return "no checkpoint of its swarm names the last entry that was carried over";
	return NULL;
}

void kg_verify__judge_epoch(kg_verify_judge *j, kg_verify_track *t)
{
	const char *fault;

	if (t->named > 0 && !t->is_dark && (!t->has_epoch || t->epoch.number != t->named))
		kg_verify__find_ref(j, &t->agent, KG_REASON_STRAY_REF,
				    "%.160s is not that epoch of its chain",
				    j->refs.refs[t->ref].name);
	if (!t->has_epoch) {
		if (t->carried > 0 && !t->is_dark)
			find_root(j, t, &t->last_carried,
				  "it was carried over, and its chain has no root of an epoch");
		return;
	}
	if (t->between.sequence > 0)
		find_root(j, t, &t->between, "it stands among entries that were carried over");
	fault = fault_of(j, t);
	if (fault != NULL)
		find_root(j, t, &t->root, fault);
	if (fault == NULL && t->between.sequence == 0)
		t->covered = t->epoch.old.sequence;
}

/* ---- succession ---- */

static void find_succession(kg_verify_judge *j, const kg_verify_track *t, const kg_verify_spot *at,
			    const char *text)
{
	const kg_verify_spotted here = {&t->agent, &at->commit, at->sequence, NULL};

	kg_verify__find(j, &here, KG_REASON_BAD_SUCCESSION, "%s", text);
}

static bool names(const kg_verify_track *next, const kg_verify_track *before)
{
	return next->has_predecessor && kg_pubkey_equal(&next->predecessor.agent, &before->agent) &&
	       next->predecessor.sequence == before->closing.sequence &&
	       memcmp(next->predecessor.commit.bytes, before->closing.commit.bytes,
		      KG_COMMIT_SIZE) == 0;
}

static bool is_same_name(const kg_verify_track *next, const kg_verify_track *before)
{
	return strcmp(next->name, before->name) == 0 &&
	       kg_pubkey_equal(&next->swarm, &before->swarm);
}

void kg_verify__judge_succession(kg_verify_judge *j, const kg_verify_track *t)
{
	const kg_verify_track *other;

	if (t->has_successor) {
		other = kg_verify__track(j, &t->successor);
		/* The new key may have said nothing yet. */
		if (other != NULL && other->walked && !other->is_dark && !names(other, t))
			find_succession(j, t, &t->closing,
					"the key that it names does not name it in turn");
	}
	if (!t->has_predecessor)
		return;
	other = kg_verify__track(j, &t->predecessor.agent);
	if (other == NULL)
		find_succession(j, t, &t->opening, "the key that it follows has no chain");
	else if (other->walked &&
		 (!other->has_successor || !kg_pubkey_equal(&other->successor, &t->agent) ||
		  !names(t, other)))
		find_succession(j, t, &t->opening,
				"the entry that it follows does not name its key");
	else if (other->walked && !is_same_name(t, other))
		find_succession(j, t, &t->opening, "the key that it follows has another name");
}
