/* SPDX-License-Identifier: MIT */
#include "memory/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "memory/chain.h"
#include "memory/journal.h"
#include "memory/store.h"

enum {
	/* Beyond it, a flush makes git durable and empties the journal. */
	JOURNAL_TURN = 4 << 20,
	/* What may wait for git while git cannot take it. */
	PENDING_MAX = 65536
};

/* An admitted entry that is not in git yet. */
typedef struct {
	uint8_t *object;
	size_t size;
	kg_entry entry;
	kg_entry_proof proof;
} pending;

struct kg_memory {
	char state_dir[KG_PATH_SIZE];
	char index_path[KG_PATH_SIZE];
	kg_pubkey swarm;
	int64_t ahead_ms_max;
	int lock;
	kg_store *store;
	kg_journal *journal;
	kg_index *index;    /* NULL while it cannot be opened */
	bool index_stale;   /* git holds entries that it does not */
	bool signers_stale; /* allowed_signers lacks a member */
	bool chains_stale;  /* admit is to be read anew */
	kg_admit admit;
	pending *waiting; /* oldest first */
	size_t waiting_count;
	size_t durable_count;     /* how many of them the journal holds for sure */
	kg_memory_report *report; /* while opening */
};

static void release_pending(pending *p)
{
	free(p->object);
	kg_entry_release(&p->entry);
}

/* ---- chains as git has them ---- */

/* Members and heads anew: from git, then from what waits in the journal. */
static kg_err load_chains(kg_memory *m)
{
	kg_err err;

	kg_admit_release(&m->admit);
	err = kg_admit_init(&m->admit, &m->swarm, m->ahead_ms_max);
	if (err == KG_OK)
		err = kg_chain_load(&m->admit, m->store);
	for (size_t i = 0; err == KG_OK && i < m->waiting_count; i++)
		err = kg_admit_apply(&m->admit, &m->waiting[i].entry, &m->waiting[i].proof);
	m->chains_stale = err != KG_OK;
	return err;
}

static kg_err write_signers(kg_memory *m)
{
	kg_entry_member *members = calloc(m->admit.count + 1, sizeof(*members));
	size_t count = 0;
	kg_err err;

	if (members == NULL)
		return kg_fail(KG_ENOMEM, "no memory for allowed_signers");
	for (size_t i = 0; i < m->admit.count; i++) {
		const kg_admit_chain *chain = &m->admit.chains[i];

		if (!chain->member || kg_pubkey_equal(&chain->agent, &m->swarm))
			continue;
		members[count].agent = chain->agent;
		memcpy(members[count++].name, chain->name, sizeof(chain->name));
	}
	err = kg_store_write_signers(m->store, &m->swarm, members, count);
	m->signers_stale = err != KG_OK;
	free(members);
	return err;
}

/* ---- index ---- */

/* The index open, at the place where its file is, and holding what git holds. */
static kg_err fill_index(kg_memory *m, bool *rebuilt)
{
	uint64_t before = 0;
	kg_err err = KG_OK;

	if (m->index != NULL && kg_index_is_moved(m->index)) {
		kg_index_free(m->index);
		m->index = NULL;
	}
	if (m->index == NULL) {
		err = kg_index_open(&m->index, m->index_path, true);
		if (err != KG_OK) {
			m->index = NULL;
			return err;
		}
		m->index_stale = true;
	}
	if (!m->index_stale)
		return KG_OK;
	err = kg_index_count(m->index, &before);
	if (err == KG_OK)
		err = kg_chain_fill_index(&m->admit, m->store, m->index, before == 0);
	m->index_stale = err != KG_OK;
	if (rebuilt != NULL)
		*rebuilt = err == KG_OK && before == 0;
	return err;
}

static kg_err drop_index(kg_memory *m)
{
	kg_index_free(m->index);
	m->index = NULL;
	return kg_index_remove(m->index_path);
}

/* The same; one that is damaged, not even fit to be emptied, is made anew. */
static kg_err ready_index(kg_memory *m, bool *rebuilt)
{
	kg_err err = fill_index(m, rebuilt);

	if (err != KG_ECORRUPT)
		return err;
	err = drop_index(m);
	return err == KG_OK ? fill_index(m, rebuilt) : err;
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
		err = kg_store_create(&m->store, m->state_dir, &m->swarm);
	return err == KG_OK ? load_chains(m) : err;
}

static kg_err wait_for_git(kg_memory *m, const kg_entry *entry, const kg_entry_proof *proof,
			   const void *object, size_t size)
{
	pending *grown;
	uint8_t *copy;

	if (m->waiting_count == PENDING_MAX)
		return kg_fail(KG_EFULL, "%d entries wait for memory.git", PENDING_MAX);
	if ((m->waiting_count & (m->waiting_count - 1)) == 0) {
		size_t room = m->waiting_count == 0 ? 1 : 2 * m->waiting_count;

		grown = realloc(m->waiting, room * sizeof(*grown));
		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for an entry");
		m->waiting = grown;
	}
	copy = malloc(size);
	if (copy == NULL)
		return kg_fail(KG_ENOMEM, "no memory for an entry");
	memcpy(copy, object, size);
	m->waiting[m->waiting_count++] = (pending){copy, size, *entry, *proof};
	return KG_OK;
}

/* A record of the journal: in git already, or to go there, or not the next of its chain. */
static kg_err recover_visit(void *payload, const uint8_t *object, size_t size)
{
	kg_memory *m = payload;
	const kg_admit_chain *chain;
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err = kg_entry_open(&entry, &proof, object, size);

	if (err == KG_ENOMEM)
		return err;
	if (err != KG_OK) {
		m->report->dropped++;
		return KG_OK;
	}
	chain = kg_admit_find(&m->admit, &entry.agent);
	if (chain != NULL && entry.sequence <= chain->head.sequence) {
		kg_entry_release(&entry);
		return KG_OK;
	}
	/* It passed the clock when it was admitted. */
	err = kg_admit_check(&m->admit, &entry, &proof, INT64_MAX, NULL);
	if (err != KG_OK) {
		m->report->dropped++;
		kg_entry_release(&entry);
		return KG_OK;
	}
	err = kg_admit_apply(&m->admit, &entry, &proof);
	if (err == KG_OK)
		err = wait_for_git(m, &entry, &proof, object, size);
	if (err != KG_OK) {
		kg_entry_release(&entry);
		return err;
	}
	m->durable_count = m->waiting_count;
	m->report->recovered++;
	return KG_OK;
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

kg_err kg_memory_open(kg_memory **out, const char *state_dir, const kg_pubkey *swarm,
		      const kg_memory_options *options, kg_memory_report *report)
{
	kg_memory_report told = {0};
	char path[KG_PATH_SIZE];
	kg_memory *m = NULL;
	kg_err err = new_memory(&m, state_dir, swarm, options);

	if (m == NULL)
		return err;
	m->report = &told;
	if (err == KG_OK)
		err = open_parts(m);
	if (err == KG_OK)
		err = kg_path(path, "%s/journal", m->state_dir);
	if (err == KG_OK)
		err = kg_journal_open(&m->journal, path, &told.torn_bytes, recover_visit, m);
	if (err == KG_OK)
		err = write_signers(m);
	if (err == KG_OK)
		err = kg_memory_flush(m);
	if (err == KG_OK)
		err = ready_index(m, &told.index_rebuilt);
	if (err != KG_OK) {
		kg_memory_free(m);
		return err;
	}
	told.entries = kg_memory_count(m);
	for (size_t i = 0; i < m->admit.count; i++)
		told.damaged += m->admit.chains[i].damaged ? 1 : 0;
	m->report = NULL;
	if (report != NULL)
		*report = told;
	*out = m;
	return KG_OK;
}

void kg_memory_free(kg_memory *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->waiting_count; i++)
		release_pending(&m->waiting[i]);
	free(m->waiting);
	kg_admit_release(&m->admit);
	kg_index_free(m->index);
	kg_journal_free(m->journal);
	kg_store_free(m->store);
	if (m->lock >= 0)
		(void)close(m->lock);
	free(m);
}

/* ---- taking in ---- */

/* Whether this very entry is stored already: its acknowledgement was lost. */
static bool is_known(kg_memory *m, const kg_entry *entry, const kg_entry_proof *proof)
{
	const kg_admit_chain *chain = kg_admit_find(&m->admit, &entry->agent);
	kg_entry_proof stored;

	if (chain == NULL || entry->sequence > chain->head.sequence)
		return false;
	for (size_t i = 0; i < m->waiting_count; i++)
		if (memcmp(m->waiting[i].proof.commit.bytes, proof->commit.bytes, KG_COMMIT_SIZE) ==
		    0)
			return true;
	return ready_index(m, NULL) == KG_OK &&
	       kg_index_at(m->index, &stored, &entry->agent, entry->sequence) == KG_OK &&
	       memcmp(stored.commit.bytes, proof->commit.bytes, KG_COMMIT_SIZE) == 0;
}

static kg_err take_in(kg_memory *m, kg_entry *entry, const kg_entry_proof *proof,
		      const void *object, size_t size)
{
	kg_err err = wait_for_git(m, entry, proof, object, size);

	if (err != KG_OK)
		return err;
	/* The journal last: what it holds will be there after a crash, whatever is said here. */
	err = kg_admit_apply(&m->admit, entry, proof);
	if (err == KG_OK)
		err = kg_journal_append(m->journal, object, size);
	if (err != KG_OK) {
		/* The entry itself stays the caller's. */
		free(m->waiting[--m->waiting_count].object);
		m->chains_stale = true;
		return err;
	}
	if (entry->member_count > 0)
		m->signers_stale = true;
	return KG_OK;
}

kg_err kg_memory_submit(kg_memory *m, kg_receipt *receipt, const void *object, size_t size,
			int64_t now_ms)
{
	kg_receipt r = {0};
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err = m->chains_stale ? load_chains(m) : KG_OK;

	if (err == KG_OK)
		err = kg_entry_open(&entry, &proof, object, size);
	if (err != KG_OK)
		return err;
	r.id = proof.id;
	r.commit = proof.commit;
	r.agent = entry.agent;
	r.sequence = entry.sequence;
	r.time_ms = entry.time_ms;
	r.time_counter = entry.time_counter;
	r.known = is_known(m, &entry, &proof);
	if (!r.known) {
		err = kg_admit_check(&m->admit, &entry, &proof, now_ms, NULL);
		if (err == KG_OK)
			err = take_in(m, &entry, &proof, object, size);
	}
	if (err != KG_OK || r.known)
		kg_entry_release(&entry);
	if (err == KG_OK)
		*receipt = r;
	return err;
}

kg_err kg_memory_commit(kg_memory *m)
{
	kg_err err = kg_journal_sync(m->journal);

	if (err == KG_OK) {
		m->durable_count = m->waiting_count;
		return KG_OK;
	}
	while (m->waiting_count > m->durable_count)
		release_pending(&m->waiting[--m->waiting_count]);
	m->chains_stale = true;
	return err;
}

/* ---- carrying into git ---- */

static kg_err write_objects(kg_memory *m)
{
	kg_store_object *objects = calloc(m->durable_count, sizeof(*objects));
	kg_err err;

	if (objects == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu objects", m->durable_count);
	for (size_t i = 0; i < m->durable_count; i++)
		objects[i] = (kg_store_object){m->waiting[i].object, m->waiting[i].size,
					       m->waiting[i].proof.commit};
	err = kg_store_write(m->store, objects, m->durable_count);
	free(objects);
	return err;
}

/* Moves the ref of the chain whose first waiting entry is at `first`, unless an earlier flush that
 * failed later on has done so. */
static kg_err move_chain(kg_memory *m, size_t first)
{
	const pending *from = &m->waiting[first];
	kg_store_move move = {
		.agent = from->entry.agent,
		.has_old = from->proof.has_parent,
		.old = from->proof.parent,
	};
	kg_commit tip;

	for (size_t i = first; i < m->durable_count; i++)
		if (kg_pubkey_equal(&m->waiting[i].entry.agent, &move.agent))
			move.commit = m->waiting[i].proof.commit;
	if (kg_store_tip(m->store, &tip, &move.agent) == KG_OK &&
	    memcmp(tip.bytes, move.commit.bytes, KG_COMMIT_SIZE) == 0)
		return KG_OK;
	return kg_store_move_ref(m->store, &move);
}

/* Whether no earlier waiting entry is of the same chain. */
static bool is_first(const kg_memory *m, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (kg_pubkey_equal(&m->waiting[i].entry.agent, &m->waiting[at].entry.agent))
			return false;
	return true;
}

static kg_err index_waiting(kg_memory *m)
{
	kg_err err = ready_index(m, NULL);

	if (err == KG_OK)
		err = kg_index_begin(m->index);
	if (err != KG_OK)
		return err;
	for (size_t i = 0; err == KG_OK && i < m->durable_count; i++)
		err = kg_index_put(m->index, &m->waiting[i].entry, &m->waiting[i].proof, true);
	if (err == KG_OK)
		return kg_index_end(m->index);
	kg_index_cancel(m->index);
	return err;
}

static void forget_waiting(kg_memory *m)
{
	for (size_t i = 0; i < m->durable_count; i++)
		release_pending(&m->waiting[i]);
	m->waiting_count -= m->durable_count;
	memmove(m->waiting, m->waiting + m->durable_count,
		m->waiting_count * sizeof(m->waiting[0]));
	m->durable_count = 0;
	if (m->waiting_count > 0)
		return;
	free(m->waiting);
	m->waiting = NULL;
}

static kg_err turn_journal(kg_memory *m)
{
	kg_err err = kg_store_sync(m->store);

	return err == KG_OK ? kg_journal_clear(m->journal) : err;
}

kg_err kg_memory_flush(kg_memory *m)
{
	kg_err err = m->chains_stale ? load_chains(m) : KG_OK;
	bool indexed;

	if (err == KG_OK && m->signers_stale)
		err = write_signers(m);
	if (err != KG_OK || m->durable_count == 0)
		return err;
	err = write_objects(m);
	for (size_t i = 0; err == KG_OK && i < m->durable_count; i++)
		if (is_first(m, i))
			err = move_chain(m, i);
	if (err != KG_OK)
		return err;
	/* ready_index must not find these in git before they are put: it is ready since open, or
	 * stale and will read them from there. */
	indexed = m->index != NULL && !m->index_stale && !kg_index_is_moved(m->index);
	if (indexed)
		err = index_waiting(m);
	if (!indexed || err != KG_OK)
		m->index_stale = true;
	forget_waiting(m);
	if (m->waiting_count == 0 && kg_journal_size(m->journal) > JOURNAL_TURN)
		err = turn_journal(m);
	return m->index_stale ? ready_index(m, NULL) : err;
}

kg_err kg_memory_settle(kg_memory *m)
{
	kg_err err = kg_memory_commit(m);

	if (err == KG_OK)
		err = kg_memory_flush(m);
	if (err == KG_OK && kg_journal_size(m->journal) > 0)
		err = turn_journal(m);
	return err;
}

/* ---- asking ---- */

bool kg_memory_is_member(const kg_memory *m, const kg_pubkey *agent)
{
	const kg_admit_chain *chain = kg_admit_find(&m->admit, agent);

	return chain != NULL && chain->member;
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

kg_err kg_memory_heads(kg_memory *m, kg_entry_head **heads, size_t *count)
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
		    kg_pubkey_equal(&chain->agent, &m->swarm))
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
	kg_err err = ready_index(m, NULL);

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
	err = drop_index(m);
	return err == KG_OK ? recall(m, rows, filter) : err;
}

kg_err kg_memory_reindex(kg_memory *m, uint64_t *entries)
{
	kg_err err = kg_memory_flush(m);

	if (err == KG_OK)
		err = ready_index(m, NULL);
	if (err == KG_OK)
		err = kg_chain_fill_index(&m->admit, m->store, m->index, true);
	if (err == KG_ECORRUPT) {
		err = drop_index(m);
		if (err == KG_OK)
			err = ready_index(m, NULL);
	}
	return err == KG_OK ? kg_index_count(m->index, entries) : err;
}
