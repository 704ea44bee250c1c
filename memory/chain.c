/* SPDX-License-Identifier: MIT */
#include "memory/chain.h"

#include <stdlib.h>
#include <string.h>

#include "memory/view.h"

kg_err kg_chain_read(kg_store *store, kg_entry *entry, kg_entry_proof *proof, bool *verified,
		     const kg_commit *commit)
{
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_store_read(store, &object, commit);
	if (err == KG_OK) {
		err = kg_entry_open(entry, proof, object.data, object.size);
		*verified = err == KG_OK;
		if (err == KG_EBADSIG || err == KG_EDENIED)
			err = kg_entry_open_unverified(entry, proof, object.data, object.size);
	}
	kg_buf_release(&object);
	return err;
}

/* `commit` may be a part of `proof`. */
static kg_err read_unverified(kg_store *store, kg_entry *entry, kg_entry_proof *proof,
			      const kg_commit *commit)
{
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_store_read(store, &object, commit);
	if (err == KG_OK)
		err = kg_entry_open_unverified(entry, proof, object.data, object.size);
	kg_buf_release(&object);
	return err;
}

kg_err kg_chain_walk(kg_store *store, const kg_commit *tip, kg_chain_visit visit, void *payload)
{
	kg_commit at = *tip;
	bool more = true;

	while (more) {
		kg_entry_proof proof;
		kg_entry entry;
		bool verified = false;
		bool stop = false;
		kg_err err = kg_chain_read(store, &entry, &proof, &verified, &at);

		if (err != KG_OK)
			return err;
		err = visit(payload, &entry, &proof, verified, &stop);
		kg_entry_release(&entry);
		if (err != KG_OK)
			return err;
		more = proof.has_parent && !stop;
		at = proof.parent;
	}
	return KG_OK;
}

/* Reading what one swarm says on its chain. */
typedef struct {
	kg_admit *admit;
	kg_pubkey swarm;
} learning;

static kg_err learn_visit(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
			  bool verified, bool *stop)
{
	learning *l = payload;

	(void)proof;
	*stop = false; /* to the first entry */
	if (!verified || !kg_pubkey_equal(&entry->agent, &l->swarm) ||
	    !kg_pubkey_equal(&entry->swarm, &l->swarm))
		return kg_fail(KG_ECORRUPT, "the swarm's own chain is damaged, see verify");
	return kg_admit_learn(l->admit, entry);
}

/* A swarm without a chain says nothing. */
static kg_err learn_swarm(kg_admit *admit, kg_store *store, const kg_pubkey *swarm)
{
	learning l = {admit, *swarm};
	kg_commit tip;
	kg_err err = kg_store_tip(store, &tip, swarm);

	if (err == KG_ENOTFOUND)
		return KG_OK;
	if (err == KG_OK)
		err = kg_chain_walk(store, &tip, learn_visit, &l);
	if (err == KG_ENOTFOUND)
		err = kg_fail(KG_ECORRUPT, "the swarm's own chain is damaged, see verify");
	return err;
}

/* What is wrong with a peer's chain takes the peer away, and nothing else. */
static kg_err learn_peers(kg_admit *admit, kg_store *store)
{
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < admit->peer_count; i++) {
		err = learn_swarm(admit, store, &admit->peers[i].agent);
		if (err == KG_ECORRUPT)
			err = kg_admit_damage(admit, &admit->peers[i].agent);
	}
	return err;
}

static kg_err load_tip(kg_admit *admit, kg_store *store, const kg_store_ref *ref)
{
	kg_entry_proof proof;
	kg_entry entry;
	bool verified = false;
	kg_err err = kg_chain_read(store, &entry, &proof, &verified, &ref->commit);

	if (err == KG_ENOMEM)
		return err;
	if (err != KG_OK)
		return kg_admit_damage(admit, &ref->agent);
	if (!verified || !kg_pubkey_equal(&entry.agent, &ref->agent))
		err = kg_admit_damage(admit, &ref->agent);
	else
		err = kg_admit_apply(admit, &entry, &proof);
	/* Among entries that are being carried over, the tip does not tell when the chain ends. */
	if (err == KG_OK && entry.carried > 0)
		err = kg_chain_epoch(admit, store, &ref->agent);
	kg_entry_release(&entry);
	return err;
}

kg_err kg_chain_load(kg_admit *admit, kg_store *store)
{
	kg_store_refs refs = {0};
	kg_err err = learn_swarm(admit, store, &admit->swarm);

	if (err == KG_OK)
		err = learn_peers(admit, store);
	if (err == KG_OK)
		err = kg_store_refs_read(store, &refs);
	for (size_t i = 0; err == KG_OK && i < refs.count; i++) {
		if (refs.refs[i].kind == KG_STORE_CHAIN)
			err = load_tip(admit, store, &refs.refs[i]);
		else if (refs.refs[i].kind == KG_STORE_PROOF)
			err = kg_admit_fork(admit, &refs.refs[i].agent);
	}
	kg_store_refs_release(&refs);
	return err;
}

/* The parent that the header of a commit names in its second line. */
static bool parent_of(kg_commit *parent, const kg_buf *object)
{
	static const size_t at = 5 + 40 + 1; /* behind "tree <hex>\n" */
	const char *line = kg_buf_text(object) + at;
	char text[KG_COMMIT_TEXT_SIZE];

	if (object->size < at + 7 + sizeof(text) || memcmp(line, "parent ", 7) != 0)
		return false;
	memcpy(text, line + 7, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return kg_commit_parse(parent, text) == KG_OK;
}

/* The first entry of the epoch that ends at `tip`. Parents are part of what is signed and of what a
 * commit is named by: it is enough to judge the two ends. */
static kg_err read_root(kg_store *store, kg_entry *root, const kg_commit *tip)
{
	kg_commit at = *tip;
	kg_entry_proof proof;
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	do {
		kg_buf_clear(&object);
		err = kg_store_read(store, &object, &at);
	} while (err == KG_OK && parent_of(&at, &object));
	if (err == KG_OK)
		err = kg_entry_open(root, &proof, object.data, object.size);
	kg_buf_release(&object);
	return err;
}

kg_err kg_chain_number(uint64_t *number, kg_store *store, const kg_commit *tip)
{
	kg_entry root;
	kg_err err = read_root(store, &root, tip);

	if (err != KG_OK)
		return err;
	*number = root.has_epoch ? root.epoch.number : 0;
	kg_entry_release(&root);
	return KG_OK;
}

kg_err kg_chain_epoch(kg_admit *admit, kg_store *store, const kg_pubkey *agent)
{
	const kg_admit_chain *chain = kg_admit_find(admit, agent);
	kg_admit_epoch epoch = {0};
	kg_chain_head first = {0};
	kg_entry_proof proof;
	kg_commit tip;
	bool verified;
	kg_entry root;
	kg_entry end;
	kg_err err;

	if (chain == NULL || chain->epoch.known || chain->head.sequence == 0)
		return KG_OK;
	err = kg_store_tip(store, &tip, agent);
	if (err == KG_OK)
		err = read_root(store, &root, &tip);
	if (err != KG_OK)
		return err;
	err = kg_chain_read(store, &end, &proof, &verified, &tip);
	if (err != KG_OK) {
		kg_entry_release(&root);
		return err;
	}
	epoch.base = root.sequence;
	if (root.has_epoch)
		epoch.number = root.epoch.number;
	if (end.carried > 0 && end.sequence - root.sequence <= root.epoch.kept) {
		epoch.left = root.epoch.kept - (end.sequence - root.sequence);
		epoch.carried = end.carried;
		first.sequence = root.sequence;
		first.time_ms = root.time_ms;
		first.time_counter = root.time_counter;
	}
	kg_entry_release(&root);
	kg_entry_release(&end);
	return kg_admit_set_epoch(admit, agent, &epoch, &first);
}

typedef struct {
	kg_index *index;
	const kg_pubkey *agent;
	bool member;
	uint64_t until;   /* the last sequence that the index has of this chain */
	kg_commit commit; /* and its commit */
	bool matches;     /* git has that very entry */
} filling;

static kg_err fill_visit(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
			 bool verified, bool *stop)
{
	filling *f = payload;

	if (!kg_pubkey_equal(&entry->agent, f->agent)) {
		*stop = true;
		return KG_OK;
	}
	if (entry->sequence <= f->until) {
		f->matches = entry->sequence == f->until &&
			     memcmp(proof->commit.bytes, f->commit.bytes, KG_COMMIT_SIZE) == 0;
		*stop = true;
		return KG_OK;
	}
	return kg_index_put(f->index, entry, proof, verified && f->member);
}

/* Brings one chain of the index to its ref. `*same` false: the index holds something else. */
static kg_err fill_chain(const kg_admit *admit, kg_store *store, kg_index *index,
			 const kg_store_ref *ref, bool *same)
{
	const kg_admit_chain *chain = kg_admit_find(admit, &ref->agent);
	kg_chain_head head;
	filling f = {.index = index, .agent = &ref->agent};
	kg_err err = kg_index_head(index, &head, &ref->agent);

	if (err != KG_OK || (head.sequence > 0 &&
			     memcmp(head.commit.bytes, ref->commit.bytes, KG_COMMIT_SIZE) == 0))
		return err;
	f.member = chain != NULL && chain->member;
	f.until = head.sequence;
	f.commit = head.commit;
	f.matches = head.sequence == 0;
	err = kg_chain_walk(store, &ref->commit, fill_visit, &f);
	/* What cannot be read cannot be indexed: verify tells of it. */
	if (err == KG_ECORRUPT || err == KG_ENOTFOUND)
		err = KG_OK;
	*same = *same && f.matches;
	return err;
}

static kg_err fill_all(const kg_admit *admit, kg_store *store, kg_index *index, bool *same)
{
	kg_store_refs refs = {0};
	kg_err err = kg_store_refs_read(store, &refs);

	for (size_t i = 0; err == KG_OK && i < refs.count; i++)
		if (refs.refs[i].kind == KG_STORE_CHAIN)
			err = fill_chain(admit, store, index, &refs.refs[i], same);
	kg_store_refs_release(&refs);
	return err;
}

kg_err kg_chain_fill_index(const kg_admit *admit, kg_store *store, kg_index *index, bool anew)
{
	bool same = true;
	kg_err err = kg_index_begin(index);

	if (err == KG_OK && anew)
		err = kg_index_clear(index);
	if (err == KG_OK)
		err = kg_index_set_home(index, &admit->swarm);
	if (err == KG_OK)
		err = fill_all(admit, store, index, &same);
	if (err == KG_OK && (same || anew))
		return kg_index_end(index);
	kg_index_cancel(index);
	/* An index of another history is of no use. */
	return err == KG_OK ? kg_chain_fill_index(admit, store, index, true) : err;
}

/* ---- rows held against git ---- */

/* How far the index and git tell the same of a chain, from its first entry on. */
typedef struct {
	kg_index *index;
	const kg_pubkey *agent;
	uint64_t until;
	bool found;
	kg_err err;
} agreement;

/* Whether the index has this commit at this place of the chain; not at all is no error. */
static kg_err agree_at(agreement *a, uint64_t sequence, const kg_commit *commit)
{
	kg_entry_proof row;

	a->err = kg_index_at(a->index, &row, a->agent, sequence);
	if (a->err == KG_ENOTFOUND)
		a->err = KG_OK; /* not in the index yet */
	else if (a->err == KG_OK && memcmp(row.commit.bytes, commit->bytes, KG_COMMIT_SIZE) == 0)
		a->found = true;
	if (a->found)
		a->until = sequence;
	return a->err;
}

/* From the tip back to an entry that the index has. The place of one that it has not is all that
 * is asked here: who said it is looked at where it is shown. */
static kg_err agree_below(agreement *a, kg_store *store, const kg_commit *tip)
{
	kg_entry_proof proof = {.has_parent = true, .parent = *tip};
	kg_err err = KG_OK;

	while (err == KG_OK && !a->found && proof.has_parent) {
		kg_entry entry;
		bool same;

		err = read_unverified(store, &entry, &proof, &proof.parent);
		if (err != KG_OK)
			break;
		same = kg_pubkey_equal(&entry.agent, a->agent);
		if (same)
			err = agree_at(a, entry.sequence, &proof.commit);
		kg_entry_release(&entry);
		if (!same)
			break;
	}
	return err;
}

static kg_err agree(uint64_t *until, const kg_admit *admit, kg_store *store, kg_index *index,
		    const kg_pubkey *agent)
{
	const kg_admit_chain *chain = kg_admit_find(admit, agent);
	agreement a = {.index = index, .agent = agent};
	kg_commit tip;
	kg_err err = kg_store_tip(store, &tip, agent);

	/* A tip that was admitted needs not be read again. */
	if (err == KG_OK && chain != NULL && chain->head.sequence > 0 &&
	    memcmp(chain->head.commit.bytes, tip.bytes, KG_COMMIT_SIZE) == 0)
		err = agree_at(&a, chain->head.sequence, &tip);
	if (err == KG_OK && !a.found)
		err = agree_below(&a, store, &tip);
	*until = a.until;
	/* A chain that cannot be read confirms nothing; that the index cannot be is an error. */
	return a.err != KG_OK || err == KG_ENOMEM ? err : KG_OK;
}

static bool is_same(const kg_entry *entry, const kg_entry_proof *proof, const kg_index_row *row)
{
	json_t *here = kg_view_entry(entry, proof, true);
	json_t *there = kg_view_entry(&row->entry, &row->proof, true);
	bool same = here != NULL && there != NULL && json_equal(here, there) == 1;

	json_decref(here);
	json_decref(there);
	return same;
}

static kg_err confirm(bool *good, const kg_admit *admit, kg_store *store, const kg_index_row *row)
{
	const kg_admit_chain *chain = kg_admit_find(admit, &row->entry.agent);
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err;

	*good = false;
	if (chain == NULL || !chain->member)
		return KG_OK;
	err = kg_chain_read(store, &entry, &proof, good, &row->proof.commit);
	if (err != KG_OK)
		return err == KG_ENOMEM ? err : KG_OK;
	*good = *good && kg_admit_author(admit, &entry, NULL) == KG_OK &&
		is_same(&entry, &proof, row);
	kg_entry_release(&entry);
	return KG_OK;
}

static int by_agent(const void *a, const void *b)
{
	const kg_index_row *const *x = a;
	const kg_index_row *const *y = b;

	return memcmp((*x)->entry.agent.bytes, (*y)->entry.agent.bytes, KG_PUBKEY_SIZE);
}

kg_err kg_chain_confirm(const kg_admit *admit, kg_store *store, kg_index *index,
			kg_index_rows *rows)
{
	kg_index_row **order = calloc(rows->count + 1, sizeof(kg_index_row *));
	const kg_pubkey *agent = NULL;
	uint64_t until = 0;
	kg_err err = KG_OK;

	if (order == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu entries", rows->count);
	for (size_t i = 0; i < rows->count; i++)
		order[i] = &rows->rows[i];
	qsort(order, rows->count, sizeof(order[0]), by_agent);
	for (size_t i = 0; err == KG_OK && i < rows->count; i++) {
		kg_index_row *row = order[i];

		if (agent == NULL || !kg_pubkey_equal(agent, &row->entry.agent)) {
			agent = &row->entry.agent;
			err = agree(&until, admit, store, index, agent);
		}
		if (err == KG_OK && row->verified && row->entry.sequence <= until)
			err = confirm(&row->verified, admit, store, row);
		else
			row->verified = false;
	}
	free(order);
	return err;
}
