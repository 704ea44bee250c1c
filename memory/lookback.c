/* SPDX-License-Identifier: MIT */
/* What stands already: an entry that is submitted again, a place that is taken. */
#include <stdlib.h>
#include <string.h>

#include "memory/chain.h"
#include "memory/memory_impl.h"

/* How far a chain is walked back where the index cannot tell. */
enum { WALK_MAX = 4096 };

kg_err kg_memory__mend(kg_memory *m, kg_mend mend)
{
	kg_index_free(m->index);
	m->index = NULL;
	kg_carrier_mend(m->carrier, mend);
	return kg_carrier_wait(m->carrier, false);
}

kg_err kg_memory__index(kg_memory *m)
{
	kg_err err;

	if (m->index != NULL && kg_index_is_moved(m->index)) {
		kg_index_free(m->index);
		m->index = NULL;
	}
	if (m->index != NULL)
		return KG_OK;
	err = kg_index_open(&m->index, m->index_path, false);
	if (err == KG_ENOTFOUND || err == KG_ECORRUPT) {
		err = kg_memory__mend(m, err == KG_ECORRUPT ? KG_MEND_DROP : KG_MEND_CHECK);
		if (err == KG_OK)
			err = kg_index_open(&m->index, m->index_path, false);
	}
	if (err != KG_OK)
		m->index = NULL;
	return err;
}

/* ---- git asked ---- */

typedef struct {
	const kg_entry_id *id; /* looked for; NULL: the place */
	uint64_t sequence;
	size_t left;
	bool found;
	bool ended; /* all of the chain was seen that may hold it */
	kg_entry_proof proof;
	uint64_t at;
} search;

static kg_err search_visit(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
			   bool verified, bool *stop)
{
	search *s = payload;

	s->found = verified &&
		   (s->id != NULL ? memcmp(proof->id.bytes, s->id->bytes, sizeof(s->id->bytes)) == 0
				  : entry->sequence == s->sequence);
	s->proof = *proof;
	s->at = entry->sequence;
	s->ended = !s->found &&
		   (!proof->has_parent || (s->id == NULL && entry->sequence < s->sequence));
	*stop = s->found || s->ended || s->left-- == 0;
	return KG_OK;
}

static kg_err search_git(kg_memory *m, search *s, const kg_pubkey *agent)
{
	kg_commit tip;
	kg_err err = kg_store_tip(m->store, &tip, agent);

	s->left = WALK_MAX;
	if (err == KG_ENOTFOUND)
		return KG_OK;
	return err == KG_OK ? kg_chain_walk(m->store, &tip, search_visit, s) : err;
}

/* Whether git has this commit, and as an entry of this id. The index is a file that anyone may
 * have edited: nothing is acknowledged on its word alone. */
static bool is_in_git(kg_memory *m, const kg_commit *commit, kg_entry_proof *proof,
		      const kg_pubkey *agent, uint64_t sequence)
{
	kg_entry entry;
	bool verified = false;
	bool same;

	if (kg_chain_read(m->store, &entry, proof, &verified, commit) != KG_OK)
		return false;
	same = verified && kg_pubkey_equal(&entry.agent, agent) && entry.sequence == sequence;
	kg_entry_release(&entry);
	return same;
}

static bool is_index_whole(kg_memory *m)
{
	kg_carrier_state state;

	kg_carrier_look(m->carrier, &state);
	return state.is_indexed && kg_memory__index(m) == KG_OK;
}

/* ---- the same entry again ---- */

static kg_err find_same(kg_memory *m, bool *found, kg_entry_proof *stored, uint64_t *sequence,
			const kg_load *load)
{
	search s = {.id = &load->proof.id};
	char hex[KG_HASH_TEXT_SIZE];
	kg_entry_proof row;
	kg_pubkey agent;
	kg_err err;

	*found = kg_carrier_find(m->carrier, stored, sequence, s.id);
	if (*found)
		return KG_OK;
	if (is_index_whole(m)) {
		kg_entry_id_format(hex, s.id);
		err = kg_index_find(m->index, &row, &agent, sequence, hex);
		*found = err == KG_OK && is_in_git(m, &row.commit, stored, &agent, *sequence) &&
			 memcmp(stored->id.bytes, s.id->bytes, KG_HASH_SIZE) == 0;
		if (*found || err == KG_ENOTFOUND)
			return KG_OK;
	}
	err = search_git(m, &s, &load->entry.agent);
	if (err == KG_OK && !s.found && !s.ended)
		return kg_fail(KG_EFULL, "the index is being made: try again later");
	*found = s.found;
	*stored = s.proof;
	*sequence = s.at;
	return err;
}

/* ---- forks ---- */

kg_err kg_memory__learn_proof(kg_memory *m, const kg_pubkey *agent, const kg_commit *commit)
{
	if ((m->proof_count & (m->proof_count - 1)) == 0) {
		size_t room = m->proof_count == 0 ? 1 : 2 * m->proof_count;
		kg_memory_proof *grown = realloc(m->proofs, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for proofs of forks");
		m->proofs = grown;
	}
	m->proofs[m->proof_count++] = (kg_memory_proof){*agent, *commit};
	return kg_admit_fork(&m->admit, agent);
}

/* Whether one more proof of this author's forks is wanted, and not this one kept already. */
static bool is_wanted(const kg_memory *m, const kg_load *load)
{
	size_t count = 0;

	for (size_t i = 0; i < m->proof_count; i++) {
		if (!kg_pubkey_equal(&m->proofs[i].agent, &load->entry.agent))
			continue;
		count++;
		if (memcmp(m->proofs[i].commit.bytes, load->proof.commit.bytes, KG_COMMIT_SIZE) ==
		    0)
			return false;
	}
	return count < KG_STORE_PROOFS_MAX;
}

/* What holds the place of the load's entry; false: nothing does, or it cannot be told. */
static bool find_place(kg_memory *m, kg_entry_proof *stored, const kg_load *load)
{
	const kg_pubkey *agent = &load->entry.agent;
	search s = {.sequence = load->entry.sequence};
	kg_entry_proof row;

	if (kg_carrier_at(m->carrier, stored, agent, s.sequence))
		return true;
	if (is_index_whole(m) && kg_index_at(m->index, &row, agent, s.sequence) == KG_OK &&
	    is_in_git(m, &row.commit, stored, agent, s.sequence))
		return true;
	if (search_git(m, &s, agent) != KG_OK)
		return false;
	*stored = s.proof;
	return s.found;
}

kg_err kg_memory__keep_proof(kg_memory *m, kg_load *load, bool *kept)
{
	const kg_admit_chain *chain = kg_admit_find(&m->admit, &load->entry.agent);
	kg_entry_proof stored;
	kg_err err;

	*kept = false;
	if (chain == NULL || load->entry.sequence > chain->head.sequence || !is_wanted(m, load) ||
	    kg_admit_author(&m->admit, &load->entry, NULL) != KG_OK ||
	    !find_place(m, &stored, load) ||
	    memcmp(stored.id.bytes, load->proof.id.bytes, KG_HASH_SIZE) == 0)
		return KG_OK;
	err = kg_memory__learn_proof(m, &load->entry.agent, &load->proof.commit);
	if (err != KG_OK)
		return err;
	load->is_proof = true;
	kg_carrier_add(m->carrier, load);
	*kept = true;
	return KG_OK;
}

/* A proof that cannot be kept now is not worth the failure: the refusal stands. */
static kg_err refuse_fork(kg_memory *m, kg_load *load)
{
	bool kept = false;

	if (kg_carrier_has_room(m->carrier, load->size) != KG_OK)
		return KG_OK;
	if (kg_memory__keep_proof(m, load, &kept) != KG_OK || !kept)
		return KG_OK;
	m->load_kept = true;
	if (kg_journal_append(m->journal, KG_JOURNAL_PROOF, load->object, load->size) != KG_OK)
		m->group_failed = true;
	return kg_reason_fail(NULL, KG_REASON_FORKED,
			      "entry %llu of %s was signed twice: the other is kept as proof",
			      (unsigned long long)load->entry.sequence, load->entry.agent_name);
}

kg_err kg_memory__look_back(kg_memory *m, kg_receipt *receipt, kg_load *load, kg_err err)
{
	char why[KG_ERR_TEXT_MAX];
	kg_entry_proof stored = {0};
	uint64_t sequence = 0;
	bool known = false;
	kg_err looked;

	memcpy(why, kg_err_text(), strlen(kg_err_text()) + 1);
	looked = find_same(m, &known, &stored, &sequence, load);
	if (looked == KG_OK && known) {
		receipt->known = true;
		receipt->commit = stored.commit;
		receipt->sequence = sequence;
		return KG_OK;
	}
	if (looked == KG_OK)
		looked = refuse_fork(m, load);
	return looked != KG_OK ? looked : kg_fail(err, "%s", why);
}
