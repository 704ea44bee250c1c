/* SPDX-License-Identifier: MIT */
/* What the journal holds at opening: in git already, or to go there, or of no use. */
#include <string.h>

#include "memory/chain.h"
#include "memory/memory_impl.h"

typedef struct {
	kg_memory *m;
	kg_memory_report *told;
} recovery;

static kg_err admit_proof(recovery *r, kg_load *load)
{
	bool kept = false;
	kg_err err = kg_memory__keep_proof(r->m, load, &kept);

	r->told->proofs += kept ? 1 : 0;
	if (!kept)
		kg_load_free(load);
	return err;
}

static kg_err admit_entry(recovery *r, kg_load *load)
{
	kg_memory *m = r->m;
	kg_reason why = KG_REASON_NONE;
	kg_err err;

	/* All before it is durable: an epoch may be looked up in git. It passed the clock when it
	 * was admitted. */
	kg_carrier_commit(m->carrier, 0);
	err = kg_memory__check(m, load, INT64_MAX, &why);
	if (err != KG_OK) {
		m->hold = m->hold || why == KG_REASON_DAMAGED;
		r->told->dropped++;
		kg_load_free(load);
		return err == KG_ENOMEM ? err : KG_OK;
	}
	err = kg_admit_apply(&m->admit, &load->entry, &load->proof);
	if (err != KG_OK) {
		kg_load_free(load);
		return err;
	}
	kg_carrier_add(m->carrier, load);
	r->told->recovered++;
	return KG_OK;
}

/* Whether git has come past the place of this entry: nothing is to be done for it then. Only what
 * git lacks needs its signature checked. */
static bool is_carried(const kg_memory *m, const uint8_t *object, size_t size)
{
	const kg_admit_chain *chain;
	kg_entry_proof proof;
	kg_entry entry;
	bool carried;

	if (kg_entry_open_unverified(&entry, &proof, object, size) != KG_OK)
		return false;
	chain = kg_admit_find(&m->admit, &entry.agent);
	carried = chain != NULL && entry.sequence <= chain->head.sequence;
	kg_entry_release(&entry);
	return carried;
}

static kg_err recover_visit(void *payload, kg_journal_kind kind, const uint8_t *object, size_t size)
{
	recovery *r = payload;
	kg_load *load;
	kg_err err;

	if (kind == KG_JOURNAL_ENTRY && is_carried(r->m, object, size))
		return KG_OK;
	load = kg_load_new(object, size);
	if (load == NULL)
		return kg_fail(KG_ENOMEM, "no memory for an entry");
	err = kg_entry_open(&load->entry, &load->proof, object, size);
	if (err == KG_OK)
		return kind == KG_JOURNAL_PROOF ? admit_proof(r, load) : admit_entry(r, load);
	r->told->dropped++;
	kg_load_free(load);
	return err == KG_ENOMEM ? err : KG_OK;
}

kg_err kg_memory__recover(kg_memory *m, kg_memory_report *told)
{
	recovery r = {m, told};
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/journal", m->state_dir);

	if (err == KG_OK)
		err = kg_journal_open(&m->journal, path, &told->torn_bytes, recover_visit, &r);
	if (err != KG_OK)
		return err;
	kg_carrier_commit(m->carrier, kg_journal_oldest(m->journal));
	kg_carrier_begin(m->carrier, kg_journal_oldest(m->journal), kg_journal_segment(m->journal));
	return KG_OK;
}

/* ---- after a power loss ---- */

static kg_err repair_visit(void *payload, kg_journal_kind kind, const uint8_t *object, size_t size)
{
	kg_memory *m = payload;
	kg_store_object missing = {object, size, {{0}}};
	kg_buf found;
	kg_err err;

	(void)kind;
	kg_commit_id(&missing.commit, object, size);
	kg_buf_init(&found, KG_ENTRY_OBJECT_MAX);
	err = kg_store_read(m->store, &found, &missing.commit);
	kg_buf_release(&found);
	if (err != KG_ENOTFOUND && err != KG_ECORRUPT)
		return err;
	return kg_store_write(kg_carrier_store(m->carrier), &missing, 1);
}

kg_err kg_memory__repair(kg_memory *m)
{
	kg_journal *journal = NULL;
	char path[KG_PATH_SIZE];
	uint64_t torn = 0;
	kg_err err = kg_path(path, "%s/journal", m->state_dir);

	if (err == KG_OK)
		err = kg_journal_open(&journal, path, &torn, repair_visit, m);
	kg_journal_free(journal);
	return err;
}

/* ---- a ref that a power loss emptied, and that was removed for it ---- */

/* From where an entry of the journal goes on, down to where the ref is. */
typedef struct {
	const kg_pubkey *agent;
	const kg_commit *tip; /* NULL: there is no ref */
	uint64_t sequence;    /* expected next */
	bool reached;
} descent;

static kg_err descend(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
		      bool verified, bool *stop)
{
	descent *d = payload;
	bool good = verified && kg_pubkey_equal(&entry->agent, d->agent) &&
		    entry->sequence == d->sequence;

	d->sequence--;
	d->reached = good && (d->tip != NULL ? memcmp(proof->commit.bytes, d->tip->bytes,
						      KG_COMMIT_SIZE) == 0
					     : !proof->has_parent);
	*stop = !good || d->reached;
	return KG_OK;
}

typedef struct {
	kg_memory *m;
	bool *moved;
} restoring;

static kg_err restore_visit(void *payload, kg_journal_kind kind, const uint8_t *object, size_t size)
{
	restoring *r = payload;
	const kg_admit_chain *chain;
	kg_entry_proof proof;
	kg_entry entry;
	kg_store_move move;
	descent d;
	kg_err err;

	if (kind != KG_JOURNAL_ENTRY ||
	    kg_entry_open_unverified(&entry, &proof, object, size) != KG_OK)
		return KG_OK;
	chain = kg_admit_find(&r->m->admit, &entry.agent);
	move = (kg_store_move){.agent = entry.agent, .commit = proof.parent};
	d = (descent){.agent = &move.agent, .sequence = entry.sequence - 1};
	kg_entry_release(&entry);
	if (!proof.has_parent || (chain != NULL && d.sequence <= chain->head.sequence))
		return KG_OK;
	move.has_old = kg_store_tip(r->m->store, &move.old, &move.agent) == KG_OK;
	d.tip = move.has_old ? &move.old : NULL;
	if (move.has_old && memcmp(move.old.bytes, move.commit.bytes, KG_COMMIT_SIZE) == 0)
		return KG_OK;
	err = kg_chain_walk(r->m->store, &move.commit, descend, &d);
	if (err == KG_ENOMEM)
		return err;
	if (err != KG_OK || !d.reached)
		return KG_OK;
	*r->moved = true;
	return kg_store_move_ref(kg_carrier_store(r->m->carrier), &move);
}

kg_err kg_memory__restore(kg_memory *m, bool *moved)
{
	restoring r = {m, moved};
	kg_journal *journal = NULL;
	char path[KG_PATH_SIZE];
	uint64_t torn = 0;
	kg_err err = kg_path(path, "%s/journal", m->state_dir);

	*moved = false;
	if (err == KG_OK)
		err = kg_journal_open(&journal, path, &torn, restore_visit, &r);
	kg_journal_free(journal);
	return err;
}
