/* SPDX-License-Identifier: MIT */
#include "memory/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "memory/chain.h"
#include "memory/claims.h"
#include "memory/epoch.h"
#include "memory/memory_impl.h"
#include "memory/vault.h"

/* ---- chains: what is admitted, in git or on its way ---- */

static kg_err load_git(void *payload)
{
	kg_memory *m = payload;
	kg_store_refs refs = {0};
	kg_err err;

	kg_admit_release(&m->admit);
	m->proof_count = 0;
	err = kg_admit_init(&m->admit, &m->swarm, m->ahead_ms_max);
	if (err == KG_OK)
		err = kg_chain_load(&m->admit, m->store);
	if (err == KG_OK)
		err = kg_store_refs_read(m->store, &refs);
	for (size_t i = 0; err == KG_OK && i < refs.count; i++)
		if (refs.refs[i].kind == KG_STORE_PROOF && refs.refs[i].has_commit)
			err = kg_memory__learn_proof(m, &refs.refs[i].agent, &refs.refs[i].commit);
	kg_store_refs_release(&refs);
	return err;
}

static kg_err load_waiting(void *payload, const kg_load *load)
{
	kg_memory *m = payload;

	return load->is_proof ? kg_memory__learn_proof(m, &load->entry.agent, &load->proof.commit)
			      : kg_admit_apply(&m->admit, &load->entry, &load->proof);
}

/* Members and heads anew: from git, then from what waits. */
static kg_err load_chains(kg_memory *m)
{
	kg_err err = kg_carrier_replay(m->carrier, load_git, load_waiting, m);

	m->chains_stale = err != KG_OK;
	return err;
}

static kg_err write_signers(kg_memory *m)
{
	kg_entry_member *members = calloc(m->admit.count + 1, sizeof(*members));
	kg_pubkey *voided = calloc(m->admit.count + 1, sizeof(*voided));
	size_t voided_count = 0;
	size_t count = 0;
	kg_err err;

	if (members == NULL || voided == NULL) {
		free(members);
		free(voided);
		return kg_fail(KG_ENOMEM, "no memory for allowed_signers");
	}
	for (size_t i = 0; i < m->admit.count; i++) {
		const kg_admit_chain *chain = &m->admit.chains[i];

		if (!chain->member || kg_pubkey_equal(&chain->agent, &m->swarm))
			continue;
		if (chain->revoked && chain->sequence_max == 0)
			voided[voided_count++] = chain->agent;
		members[count].agent = chain->agent;
		memcpy(members[count++].name, chain->name, sizeof(chain->name));
	}
	err = kg_store_write_signers(m->store, &m->swarm, members, count);
	if (err == KG_OK)
		err = kg_store_write_revoked(m->store, voided, voided_count);
	m->signers_stale = err != KG_OK;
	free(voided);
	free(members);
	return err;
}

/* ---- opening ---- */

static kg_err open_parts(kg_memory *m)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_fs_mkdirs(m->state_dir, 0700);

	if (err == KG_OK)
		err = kg_path(path, "%s/run", m->state_dir);
	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = kg_path(path, "%s/run/memory.lock", m->state_dir);
	if (err == KG_OK)
		err = kg_fs_lock(&m->lock, path);
	if (err == KG_OK)
		err = kg_path(path, "%s/journal", m->state_dir);
	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = kg_path(m->index_path, "%s/index.sqlite", m->state_dir);
	if (err == KG_OK)
		err = kg_carrier_new(&m->carrier, m->state_dir, &m->swarm);
	if (err == KG_OK)
		err = kg_store_open(&m->store, m->state_dir);
	return err == KG_OK ? kg_epoch_recover(m->store) : err;
}

static kg_err new_memory(kg_memory **out, const char *state_dir, const kg_pubkey *swarm,
			 const kg_memory_options *options)
{
	kg_memory *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the memory");
	m->lock = -1;
	m->swarm = *swarm;
	m->ahead_ms_max = options != NULL ? options->ahead_ms_max : KG_ADMIT_AHEAD_MS;
	*out = m;
	return kg_path(m->state_dir, "%s", state_dir);
}

static kg_err claim_end(const kg_memory *m, const kg_pubkey *swarm)
{
	const kg_admit_chain *chain = kg_admit_find(&m->admit, swarm);
	kg_entry_head claim;

	if (chain == NULL || chain->damaged || chain->head.sequence == 0)
		return KG_OK;
	claim = (kg_entry_head){*swarm, chain->head.sequence, chain->head.commit};
	return kg_claims_put(m->state_dir, m->store, &claim);
}

/* A crash may have come between git and the witness outside it. */
static kg_err claim_ends(const kg_memory *m)
{
	kg_err err = claim_end(m, &m->swarm);

	for (size_t i = 0; err == KG_OK && i < m->admit.peer_count; i++)
		err = claim_end(m, &m->admit.peers[i].agent);
	return err;
}

static uint64_t count_damaged(const kg_memory *m)
{
	uint64_t damaged = 0;

	for (size_t i = 0; i < m->admit.count; i++)
		damaged += m->admit.chains[i].damaged ? 1 : 0;
	return damaged;
}

/* What the journal has and git has not is admitted and carried over before anything else. */
static kg_err recover(kg_memory *m, kg_memory_report *told)
{
	kg_err err = load_chains(m);
	bool moved = false;

	if (err == KG_ECORRUPT || (err == KG_OK && count_damaged(m) > 0)) {
		err = kg_memory__repair(m);
		if (err == KG_OK)
			err = load_chains(m);
	}
	if (err == KG_OK)
		err = kg_memory__restore(m, &moved);
	if (err == KG_OK && moved)
		err = load_chains(m);
	if (err == KG_OK)
		err = kg_memory__recover(m, told);
	if (err == KG_OK)
		err = write_signers(m);
	if (err == KG_OK)
		err = kg_memory_flush(m);
	if (err == KG_OK)
		err = claim_ends(m);
	if (err != KG_OK)
		return err;
	told->index_rebuilt = kg_carrier_rebuilt(m->carrier);
	told->damaged = count_damaged(m);
	told->entries = kg_memory_count(m);
	return KG_OK;
}

kg_err kg_memory_open(kg_memory **out, const char *state_dir, const kg_pubkey *swarm,
		      const kg_memory_options *options, kg_memory_report *report)
{
	kg_memory_report told = {0};
	kg_memory *m = NULL;
	kg_err err = new_memory(&m, state_dir, swarm, options);

	if (m == NULL)
		return err;
	if (err == KG_OK)
		err = open_parts(m);
	if (err == KG_OK)
		err = recover(m, &told);
	if (err != KG_OK) {
		kg_memory_free(m);
		return err;
	}
	if (report != NULL)
		*report = told;
	*out = m;
	return KG_OK;
}

void kg_memory_free(kg_memory *m)
{
	if (m == NULL)
		return;
	kg_carrier_free(m->carrier);
	kg_admit_release(&m->admit);
	kg_index_free(m->index);
	kg_journal_free(m->journal);
	kg_store_free(m->store);
	free(m->proofs);
	if (m->lock >= 0)
		(void)close(m->lock);
	free(m);
}

/* ---- taking in ---- */

static kg_err take_in(kg_memory *m, kg_load *load)
{
	kg_err err = kg_carrier_has_room(m->carrier, load->size);

	if (err == KG_OK)
		err = kg_journal_append(m->journal, KG_JOURNAL_ENTRY, load->object, load->size);
	if (err != KG_OK)
		return err;
	if (load->entry.member_count > 0 || load->entry.type == KG_ENTRY_REVOCATION)
		m->signers_stale = true;
	err = kg_admit_apply(&m->admit, &load->entry, &load->proof);
	/* It is in the group already: the commit will fail, and forget it with the rest. */
	m->group_failed = m->group_failed || err != KG_OK;
	if (err == KG_OK)
		kg_carrier_add(m->carrier, load);
	return err;
}

void kg_memory_take_epochs(kg_memory *m, bool taken)
{
	m->no_epochs = !taken;
}

kg_err kg_memory__check(kg_memory *m, const kg_load *load, int64_t now_ms, kg_reason *why)
{
	const kg_entry *e = &load->entry;
	kg_err err = KG_OK;

	/* All of the chain must be in git to be walked. */
	if (e->has_epoch)
		err = kg_carrier_wait(m->carrier, false);
	if (err == KG_OK && e->has_epoch)
		err = kg_chain_epoch(&m->admit, m->store, &e->agent);
	return err == KG_OK ? kg_admit_check(&m->admit, e, &load->proof, now_ms, why) : err;
}

static kg_err judge(kg_memory *m, kg_receipt *receipt, kg_load *load, int64_t now_ms)
{
	const kg_entry *e = &load->entry;
	kg_err err = e->has_epoch && m->no_epochs
			     ? kg_reason_fail(NULL, KG_REASON_BAD_EPOCH,
					      "an author does not begin his own chain anew")
			     : kg_memory__check(m, load, now_ms, NULL);

	*receipt = (kg_receipt){
		.id = load->proof.id,
		.commit = load->proof.commit,
		.agent = e->agent,
		.sequence = e->sequence,
		.time_ms = e->time_ms,
		.time_counter = e->time_counter,
		.entry = e,
	};
	if (err == KG_OK)
		return take_in(m, load);
	/* Its acknowledgement may have been lost, or its author signed twice for one place. */
	if (err == KG_ECONFLICT || err == KG_EEXISTS)
		err = kg_memory__look_back(m, receipt, load, err);
	if (err == KG_OK) {
		receipt->entry = NULL;
		kg_load_free(load);
	}
	return err;
}

kg_err kg_memory_submit(kg_memory *m, kg_receipt *receipt, const void *object, size_t size,
			int64_t now_ms)
{
	kg_err err = m->chains_stale ? load_chains(m) : KG_OK;
	kg_receipt r;
	kg_load *load;

	if (err != KG_OK)
		return err;
	if (size == 0 || size > KG_ENTRY_OBJECT_MAX)
		return kg_fail(KG_ECORRUPT, "an entry of %zu bytes", size);
	load = kg_load_new(object, size);
	if (load == NULL)
		return kg_fail(KG_ENOMEM, "no memory for an entry");
	err = kg_entry_open(&load->entry, &load->proof, object, size);
	if (err == KG_OK)
		err = judge(m, &r, load, now_ms);
	if (err == KG_OK)
		*receipt = r;
	else if (!m->load_kept)
		kg_load_free(load);
	m->load_kept = false;
	return err;
}

/* Without a thread, who adds much does the work when a batch is together. */
static void keep_going(kg_memory *m)
{
	kg_carrier_state state;
	kg_err ignored = KG_OK;

	kg_carrier_look(m->carrier, &state);
	if (state.waiting >= KG_CARRIER_BATCH)
		ignored = kg_carrier_wait(m->carrier, false);
	(void)ignored; /* it is durable all the same */
}

/* Chains end where they ended before the group; the failure stays the one to tell of. */
static kg_err forget_group(kg_memory *m, kg_err err)
{
	char why[KG_ERR_TEXT_MAX];
	kg_err ignored;

	memcpy(why, kg_err_text(), strlen(kg_err_text()) + 1);
	kg_journal_cancel(m->journal);
	kg_carrier_cancel(m->carrier);
	ignored = load_chains(m); /* otherwise before the next use */
	(void)ignored;
	return kg_fail(err, "%s", why);
}

kg_err kg_memory_commit(kg_memory *m)
{
	kg_err err = m->group_failed ? kg_fail(KG_ENOMEM, "no memory for an entry")
				     : kg_journal_sync(m->journal);

	if (err == KG_OK) {
		kg_carrier_commit(m->carrier, kg_journal_segment(m->journal));
		/* What stock git wants to know; it is tried again at the next occasion. */
		if (m->signers_stale) {
			kg_err ignored = write_signers(m);

			(void)ignored;
		}
		if (!m->threaded)
			keep_going(m);
		return KG_OK;
	}
	m->group_failed = false;
	return forget_group(m, err);
}

kg_err kg_memory_keep_sealed(kg_memory *m, const kg_entry_id *entry, const void *sealed,
			     size_t size)
{
	return kg_vault_put(m->store, entry, sealed, size);
}

/* ---- carrying ---- */

kg_err kg_memory_carry(kg_memory *m, int wake)
{
	kg_err err = kg_carrier_start(m->carrier, wake);

	m->threaded = err == KG_OK;
	return err;
}

/* Removes what the carrier has made needless. */
static kg_err trim_journal(kg_memory *m)
{
	kg_carrier_state state;

	kg_carrier_look(m->carrier, &state);
	return m->hold || state.safe <= kg_journal_oldest(m->journal)
		       ? KG_OK
		       : kg_journal_drop(m->journal, state.safe);
}

kg_err kg_memory_flush(kg_memory *m)
{
	kg_err err = m->chains_stale ? load_chains(m) : KG_OK;

	if (err == KG_OK && m->signers_stale)
		err = write_signers(m);
	if (err == KG_OK)
		err = kg_carrier_wait(m->carrier, false);
	return err == KG_OK ? trim_journal(m) : err;
}

kg_err kg_memory_settle(kg_memory *m)
{
	kg_err err = kg_memory_commit(m);

	if (err == KG_OK)
		err = kg_memory_flush(m);
	if (err != KG_OK || kg_journal_size(m->journal) == 0 || m->hold)
		return err;
	err = kg_carrier_wait(m->carrier, true);
	if (err != KG_OK)
		return err;
	return kg_journal_clear(m->journal);
}

void kg_memory_tend(kg_memory *m)
{
	kg_carrier_state state;
	kg_err ignored = KG_OK;

	kg_carrier_retry(m->carrier);
	if (m->signers_stale && !m->chains_stale)
		ignored = write_signers(m);
	ignored = trim_journal(m);
	kg_carrier_look(m->carrier, &state);
	if (state.tidied != m->tidied)
		ignored = kg_store_refresh(m->store);
	m->tidied = state.tidied;
	(void)ignored; /* there is a next time */
}

kg_memory_point kg_memory_now(kg_memory *m)
{
	kg_carrier_state state;

	/* A file that somebody has removed is noticed here, and made anew. */
	if (m->index != NULL && kg_index_is_moved(m->index)) {
		kg_index_free(m->index);
		m->index = NULL;
	}
	if (m->index == NULL && kg_index_open(&m->index, m->index_path, false) != KG_OK) {
		m->index = NULL;
		kg_carrier_mend(m->carrier, KG_MEND_CHECK);
	}
	kg_carrier_look(m->carrier, &state);
	return (kg_memory_point){state.durable};
}

bool kg_memory_is_past(kg_memory *m, const kg_memory_point *point)
{
	kg_carrier_state state;

	kg_carrier_look(m->carrier, &state);
	return state.carried >= point->serial && state.is_indexed;
}

kg_err kg_memory_trouble(kg_memory *m)
{
	char why[KG_ERR_TEXT_MAX];
	kg_carrier_state state;

	kg_carrier_look(m->carrier, &state);
	if (state.failed == KG_OK)
		return KG_OK;
	kg_carrier_why(m->carrier, why);
	return kg_fail(state.failed, "%s", why);
}

unsigned kg_memory_credit(kg_memory *m)
{
	return kg_carrier_credit(m->carrier);
}

/* ---- asking ---- */

bool kg_memory_is_member(const kg_memory *m, const kg_pubkey *agent)
{
	const kg_admit_chain *chain = kg_admit_find(&m->admit, agent);

	return chain != NULL && chain->member;
}

bool kg_memory_is_over(const kg_memory *m, const kg_pubkey *agent)
{
	const kg_admit_chain *chain = kg_admit_find(&m->admit, agent);

	return chain != NULL && (chain->revoked || chain->closed);
}

kg_err kg_memory_head(kg_memory *m, kg_chain_head *head, kg_entry_id *id, const kg_pubkey *agent)
{
	kg_err err = m->chains_stale ? load_chains(m) : KG_OK;
	const kg_admit_chain *chain;

	if (err != KG_OK)
		return err;
	chain = kg_admit_find(&m->admit, agent);
	if (chain == NULL || !chain->member)
		return kg_fail(KG_EDENIED, "the key is not certified by this swarm");
	if (chain->damaged)
		return kg_fail(KG_ECORRUPT, "the chain of %s is damaged, see verify", chain->name);
	*head = chain->head;
	if (id != NULL)
		*id = chain->head_id;
	return KG_OK;
}

uint64_t kg_memory_count(const kg_memory *m)
{
	uint64_t entries = 0;

	for (size_t i = 0; i < m->admit.count; i++)
		entries += m->admit.chains[i].head.sequence;
	return entries;
}

kg_err kg_memory_heads(kg_memory *m, kg_entry_head **heads, size_t *count, bool moved)
{
	kg_err err = m->chains_stale ? load_chains(m) : KG_OK;
	kg_entry_head *all;
	size_t n = 0;

	if (err != KG_OK)
		return err;
	all = calloc(m->admit.count + 1, sizeof(*all));
	if (all == NULL)
		return kg_fail(KG_ENOMEM, "no memory for heads");
	for (size_t i = 0; i < m->admit.count; i++) {
		const kg_admit_chain *chain = &m->admit.chains[i];

		if (!chain->member || chain->head.sequence == 0 ||
		    kg_pubkey_equal(&chain->agent, &m->swarm) ||
		    (moved && chain->head.sequence <= chain->witnessed))
			continue;
		all[n++] = (kg_entry_head){chain->agent, chain->head.sequence, chain->head.commit};
	}
	*heads = all;
	*count = n;
	return KG_OK;
}

static kg_err recall(kg_memory *m, kg_index_rows *rows, const kg_index_filter *filter)
{
	kg_index_rows found = {0};
	kg_err err = kg_memory__index(m);

	if (err == KG_OK)
		err = kg_index_recall(m->index, &found, filter);
	if (err == KG_OK)
		err = kg_chain_confirm(&m->admit, m->store, m->index, &found);
	if (err == KG_OK)
		*rows = found;
	else
		kg_index_rows_release(&found);
	return err;
}

kg_err kg_memory_recall(kg_memory *m, kg_index_rows *rows, const kg_index_filter *filter)
{
	kg_err err = recall(m, rows, filter);

	if (err != KG_ECORRUPT)
		return err;
	err = kg_memory__mend(m, KG_MEND_DROP);
	return err == KG_OK ? recall(m, rows, filter) : err;
}

kg_err kg_memory_reindex(kg_memory *m, uint64_t *entries)
{
	kg_err err = kg_memory_flush(m);

	if (err == KG_OK)
		err = kg_memory__mend(m, KG_MEND_ANEW);
	if (err == KG_OK)
		err = kg_memory__index(m);
	return err == KG_OK ? kg_index_count(m->index, entries) : err;
}
