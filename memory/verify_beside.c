/* SPDX-License-Identifier: MIT */
/* What lies beside the chains: sealed content, strange refs, doubles, quarantine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity/seal.h"
#include "memory/mmogit.h"
#include "memory/vault.h"
#include "memory/verify_impl.h"

enum { DOUBLES_MAX = 1000, BANS_MAX = 65536 };

/* ---- content that an entry commits to ---- */

static int compare_name(const void *key, const void *element)
{
	const kg_store_ref *ref = element;

	return strcmp(key, ref->name);
}

static const kg_store_ref *sealed_ref(const kg_verify_judge *j, const kg_entry_id *id)
{
	char name[sizeof(KG_STORE_VAULT) + KG_HASH_TEXT_SIZE] = KG_STORE_VAULT;

	kg_entry_id_format(name + sizeof(KG_STORE_VAULT) - 1, id);
	return j->refs.count == 0 ? NULL
				  : bsearch(name, j->refs.refs, j->refs.count,
					    sizeof(j->refs.refs[0]), compare_name);
}

/* Content that was dropped is no fault: that is what it lies outside for. */
static void judge_sealed(kg_verify_judge *j, const kg_verify_spotted *at, const kg_entry *e)
{
	const kg_store_ref *ref = sealed_ref(j, at->id);
	kg_buf sealed;
	kg_err err;

	if (ref == NULL)
		return;
	j->sealed_met[ref - j->refs.refs] = true;
	kg_buf_init(&sealed, KG_SEAL_SIZE_MAX);
	err = kg_vault_read(j->store, &sealed, at->id);
	if (err == KG_OK)
		err = kg_vault_check(e, sealed.data, sealed.size);
	if (err == KG_ENOTFOUND)
		kg_verify__find(j, at, KG_REASON_MISSING,
				"its sealed content is not there, only "
				"the ref to it");
	else if (err != KG_OK)
		kg_verify__find(j, at, KG_REASON_SEALED_MISMATCH, "%.160s", kg_err_text());
	kg_buf_release(&sealed);
}

/* What another protocol's author signed must hold still, and be what the entry says. */
static void judge_origin(kg_verify_judge *j, const kg_verify_spotted *at, const kg_entry *e)
{
	const kg_entry_origin *origin = &e->origin;
	kg_mmogit_message message = {.author = origin->author, .content = origin->content};
	kg_entry made;
	kg_err err = kg_mmogit_check(&origin->author, origin->time, origin->signature,
				     origin->content.data, origin->content.size);

	if (err != KG_OK) {
		kg_verify__find(j, at, KG_REASON_BAD_ORIGIN, "%.160s", kg_err_text());
		return;
	}
	memcpy(message.time, origin->time, sizeof(message.time));
	memcpy(message.signature, origin->signature, sizeof(message.signature));
	err = kg_mmogit_entry(&made, &message);
	if (err != KG_OK || made.type != e->type || made.text.size != e->text.size ||
	    (made.text.size > 0 && memcmp(made.text.data, e->text.data, made.text.size) != 0))
		kg_verify__find(j, at, KG_REASON_BAD_ORIGIN,
				"it says something else than the message it was made of");
	if (err == KG_OK)
		kg_entry_release(&made);
}

void kg_verify__judge_content(kg_verify_judge *j, const kg_verify_spotted *at, const kg_entry *e)
{
	if (e->has_sealed)
		judge_sealed(j, at, e);
	if (e->has_origin)
		judge_origin(j, at, e);
}

/* ---- refs ---- */

/* Content is kept before its entry: one that has none is on its way, or `compact` will sweep it. */
static bool is_sealed(const kg_verify_judge *j, const kg_store_ref *ref)
{
	size_t recipients;
	kg_buf sealed;
	bool good;

	kg_buf_init(&sealed, KG_SEAL_SIZE_MAX);
	good = kg_vault_read(j->store, &sealed, &ref->entry) == KG_OK &&
	       kg_seal_check(&recipients, sealed.data, sealed.size) == KG_OK;
	kg_buf_release(&sealed);
	return good;
}

void kg_verify__judge_refs(kg_verify_judge *j)
{
	for (size_t i = 0; i < j->refs.count; i++) {
		const kg_store_ref *ref = &j->refs.refs[i];

		if (ref->kind == KG_STORE_STRAY)
			kg_verify__find_ref(j, NULL, KG_REASON_STRAY_REF,
					    "%.180s is nothing of ours", ref->name);
		else if (!ref->has_commit)
			kg_verify__find_ref(j, NULL, KG_REASON_STRAY_REF,
					    "%.180s does not name an object", ref->name);
		else if (ref->kind == KG_STORE_SEALED && !j->sealed_met[i] && !is_sealed(j, ref))
			kg_verify__find_ref(j, NULL, KG_REASON_STRAY_REF,
					    "%.180s is no sealed content", ref->name);
	}
}

/* ---- doubles ---- */

static int compare_marks(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

/* Where an entry was met whose first bytes another one has too. */
typedef struct {
	uint64_t mark;
	const kg_verify_track *track;
	const kg_verify_spot *spot;
} sighting;

static int compare_sightings(const void *a, const void *b)
{
	const sighting *x = a;
	const sighting *y = b;

	if (x->mark != y->mark)
		return x->mark < y->mark ? -1 : 1;
	return 0;
}

static bool id_at(kg_verify_judge *j, kg_entry_id *id, const sighting *s)
{
	kg_entry_proof proof;
	kg_entry e;

	kg_buf_clear(&j->object);
	if (kg_store_read(j->store, &j->object, &s->spot->commit) != KG_OK ||
	    kg_entry_open(&e, &proof, j->object.data, j->object.size) != KG_OK)
		return false;
	*id = proof.id;
	kg_entry_release(&e);
	return true;
}

static void judge_sightings(kg_verify_judge *j, const sighting *seen, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const kg_verify_spotted at = {&seen[i].track->agent, &seen[i].spot->commit,
					      seen[i].spot->sequence, NULL};
		kg_verify_spotted named = at;
		char text[KG_COMMIT_TEXT_SIZE];
		kg_entry_id first;
		kg_entry_id id;

		if (seen[i].mark != seen[i - 1].mark || !id_at(j, &first, &seen[i - 1]) ||
		    !id_at(j, &id, &seen[i]) || memcmp(&first, &id, sizeof(id)) != 0)
			continue;
		named.id = &id;
		kg_commit_format(text, &seen[i - 1].spot->commit);
		kg_verify__find(j, &named, KG_REASON_DUPLICATE,
				"the same entry stands at commit %s too", text);
	}
}

/* Marks that more than one spot has, in order; their number. */
static size_t keep_doubles(uint64_t *marks, size_t count)
{
	size_t kept = 0;

	for (size_t i = 1; i < count && kept < DOUBLES_MAX; i++)
		if (marks[i] == marks[i - 1] && (kept == 0 || marks[kept - 1] != marks[i]))
			marks[kept++] = marks[i];
	return kept;
}

static size_t collect_marks(const kg_verify_judge *j, uint64_t *marks)
{
	size_t count = 0;

	for (size_t t = 0; t < j->track_count; t++) {
		for (size_t i = 0; i < j->tracks[t].count; i++) {
			if (j->tracks[t].spots[i].mark == 0)
				continue;
			if (marks != NULL)
				marks[count] = j->tracks[t].spots[i].mark;
			count++;
		}
	}
	return count;
}

static void judge_marks(kg_verify_judge *j, const uint64_t *doubles, size_t count)
{
	sighting *seen = calloc(2 * DOUBLES_MAX, sizeof(*seen));
	size_t found = 0;

	if (seen == NULL) {
		j->err = kg_fail(KG_ENOMEM, "no memory for entries that stand twice");
		return;
	}
	for (size_t t = 0; t < j->track_count; t++) {
		const kg_verify_track *track = &j->tracks[t];

		for (size_t i = 0; i < track->count && found < 2 * (size_t)DOUBLES_MAX; i++) {
			const kg_verify_spot *spot = &track->spots[i];

			if (spot->mark != 0 && bsearch(&spot->mark, doubles, count,
						       sizeof(*doubles), compare_marks) != NULL)
				seen[found++] = (sighting){spot->mark, track, spot};
		}
	}
	qsort(seen, found, sizeof(*seen), compare_sightings);
	judge_sightings(j, seen, found);
	free(seen);
}

/* Only first bytes of ids are kept of all entries; the few that are alike are looked at again. */
void kg_verify__judge_doubles(kg_verify_judge *j)
{
	size_t count = collect_marks(j, NULL);
	uint64_t *marks = calloc(count + 1, sizeof(*marks));

	if (marks == NULL) {
		j->err = kg_fail(KG_ENOMEM, "no memory for %zu ids", count);
		return;
	}
	(void)collect_marks(j, marks);
	qsort(marks, count, sizeof(*marks), compare_marks);
	count = keep_doubles(marks, count);
	if (count > 0)
		judge_marks(j, marks, count);
	free(marks);
}

/* ---- quarantine ---- */

void kg_verify__meet_ban(kg_verify_judge *j, const kg_entry *e, const kg_entry_proof *proof)
{
	kg_verify_ban *ban;

	if (j->ban_count == BANS_MAX)
		return;
	if ((j->ban_count & (j->ban_count - 1)) == 0) {
		ban = realloc(j->bans, (j->ban_count == 0 ? 1 : 2 * j->ban_count) * sizeof(*ban));
		if (ban == NULL) {
			j->err = kg_fail(KG_ENOMEM, "no memory for a quarantine");
			return;
		}
		j->bans = ban;
	}
	ban = &j->bans[j->ban_count];
	*ban = (kg_verify_ban){.id = proof->id,
			       .swarm = e->swarm,
			       .time_ms = e->time_ms,
			       .time_counter = e->time_counter,
			       .count = e->reference_count};
	memcpy(ban->by, e->agent_name, sizeof(ban->by));
	ban->cited = calloc(e->reference_count + 1, sizeof(ban->cited[0]));
	if (ban->cited == NULL) {
		j->err = kg_fail(KG_ENOMEM, "no memory for a quarantine");
		return;
	}
	memcpy(ban->cited, e->references, e->reference_count * sizeof(ban->cited[0]));
	j->ban_count++;
}

static int newest_first(const void *a, const void *b)
{
	const kg_verify_ban *x = a;
	const kg_verify_ban *y = b;

	if (x->time_ms != y->time_ms)
		return x->time_ms > y->time_ms ? -1 : 1;
	if (x->time_counter != y->time_counter)
		return x->time_counter > y->time_counter ? -1 : 1;
	return memcmp(&x->id, &y->id, sizeof(x->id));
}

/* Where an entry of a peer stands. */
typedef struct {
	uint64_t mark;
	const kg_verify_track *track;
} home;

typedef struct {
	home *all; /* by mark */
	size_t count;
} homes;

static int compare_homes(const void *a, const void *b)
{
	const home *x = a;
	const home *y = b;

	return (x->mark > y->mark) - (x->mark < y->mark);
}

static bool is_peers(const kg_verify_judge *j, const kg_verify_track *track)
{
	return track->has_swarm && !kg_pubkey_equal(&track->swarm, &j->admit.swarm);
}

/* Only where a peer has put something in quarantine. */
static bool list_homes(kg_verify_judge *j, homes *found)
{
	size_t count = 0;
	bool any = false;

	for (size_t i = 0; i < j->ban_count; i++)
		any = any || !kg_pubkey_equal(&j->bans[i].swarm, &j->admit.swarm);
	for (size_t t = 0; any && t < j->track_count; t++)
		count += is_peers(j, &j->tracks[t]) ? j->tracks[t].count : 0;
	found->all = calloc(count + 1, sizeof(found->all[0]));
	if (found->all == NULL) {
		j->err = kg_fail(KG_ENOMEM, "no memory for %zu entries of peers", count);
		return false;
	}
	for (size_t t = 0; any && t < j->track_count; t++)
		for (size_t i = 0; is_peers(j, &j->tracks[t]) && i < j->tracks[t].count; i++)
			found->all[found->count++] =
				(home){j->tracks[t].spots[i].mark, &j->tracks[t]};
	if (found->count > 1)
		qsort(found->all, found->count, sizeof(found->all[0]), compare_homes);
	return true;
}

/* A peer speaks for what its own members have said, we for everything. */
static bool may_ban(const kg_verify_judge *j, const homes *known, const kg_verify_ban *ban,
		    const kg_entry_id *id)
{
	home wanted = {0};
	const home *at;

	if (kg_pubkey_equal(&ban->swarm, &j->admit.swarm))
		return true;
	memcpy(&wanted.mark, id->bytes, sizeof(wanted.mark));
	at = known->count == 0 || wanted.mark == 0
		     ? NULL
		     : bsearch(&wanted, known->all, known->count, sizeof(wanted), compare_homes);
	return at != NULL && kg_pubkey_equal(&at->track->swarm, &ban->swarm);
}

/* Whether it cites a quarantine, and so lifts it. */
static bool lifts(kg_verify_judge *j, const kg_verify_ban *ban, const kg_entry_id *cited)
{
	bool found = false;

	for (size_t i = 0; i < j->ban_count; i++) {
		if (memcmp(&j->bans[i].id, cited, sizeof(*cited)) != 0)
			continue;
		found = true;
		if (kg_pubkey_equal(&ban->swarm, &j->admit.swarm) ||
		    kg_pubkey_equal(&ban->swarm, &j->bans[i].swarm))
			j->bans[i].lifted = j->bans[i].lifted || !ban->lifted;
	}
	return found;
}

static bool put_quarantined(kg_verify_judge *j, const kg_entry_id *id, const char *by)
{
	kg_verdict *v = j->verdict;
	kg_quarantined *grown;

	if ((v->quarantined_count & (v->quarantined_count - 1)) == 0) {
		grown = realloc(v->quarantined,
				(v->quarantined_count == 0 ? 1 : 2 * v->quarantined_count) *
					sizeof(*grown));
		if (grown == NULL) {
			j->err = kg_fail(KG_ENOMEM, "no memory for a quarantine");
			return false;
		}
		v->quarantined = grown;
	}
	grown = &v->quarantined[v->quarantined_count++];
	memset(grown, 0, sizeof(*grown));
	kg_entry_id_format(grown->entry, id);
	memcpy(grown->by, by, sizeof(grown->by));
	return true;
}

/* From the newest on: what is lifted by one that holds does not hold. */
void kg_verify__list_bans(kg_verify_judge *j)
{
	homes known = {0};
	bool room = true;

	if (j->ban_count == 0 || !list_homes(j, &known))
		return;
	qsort(j->bans, j->ban_count, sizeof(j->bans[0]), newest_first);
	for (size_t i = 0; i < j->ban_count; i++) {
		const kg_verify_ban *ban = &j->bans[i];

		for (size_t k = 0; room && k < ban->count; k++)
			if (!lifts(j, ban, &ban->cited[k]) && !ban->lifted &&
			    may_ban(j, &known, ban, &ban->cited[k]))
				room = put_quarantined(j, &ban->cited[k], ban->by);
	}
	free(known.all);
}
