/* SPDX-License-Identifier: MIT */
#include "memory/witness.h"

#include <stdio.h>
#include <string.h>

static kg_err begin(kg_entry *e, const kg_author *author, const char *text)
{
	kg_err err = kg_entry_place(e, author->swarm, author->key, author->name, author->previous,
				    author->now_ms);

	return err == KG_OK ? kg_entry_set_text(e, text, strlen(text)) : err;
}

/* Gives the entry away when all that was put into it is right, else releases it. */
static kg_err finish(kg_entry *out, kg_entry *e, kg_err err)
{
	if (err == KG_OK)
		err = kg_entry_check(e);
	if (err != KG_OK) {
		kg_entry_release(e);
		return err;
	}
	*out = *e;
	return KG_OK;
}

static kg_author the_swarm(const kg_key *key, const kg_chain_head *previous, int64_t now_ms)
{
	return (kg_author){kg_key_public(key), key, KG_SWARM_NAME, previous, now_ms};
}

kg_err kg_checkpoint_make(kg_entry *out, const kg_key *swarm_key, const kg_chain_head *previous,
			  const kg_entry_head *heads, size_t count, int64_t now_ms)
{
	kg_author author = the_swarm(swarm_key, previous, now_ms);
	char text[64];
	kg_entry e;
	kg_err err;

	kg_entry_init(&e, KG_ENTRY_CHECKPOINT);
	(void)snprintf(text, sizeof(text), "%zu chain%s, each with its tip", count,
		       count == 1 ? "" : "s");
	err = begin(&e, &author, text);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_entry_add_head(&e, &heads[i]);
	return finish(out, &e, err);
}

kg_err kg_membership_make(kg_entry *out, const kg_key *swarm_key, const kg_chain_head *previous,
			  const kg_entry_member *members, size_t count, int64_t now_ms)
{
	kg_author author = the_swarm(swarm_key, previous, now_ms);
	char text[64];
	kg_entry e;
	kg_err err;

	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	(void)snprintf(text, sizeof(text), "%zu key%s may write to this memory", count,
		       count == 1 ? "" : "s");
	err = begin(&e, &author, text);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_entry_add_member(&e, &members[i].agent, members[i].name);
	return finish(out, &e, err);
}

kg_err kg_peer_make(kg_entry *out, const kg_key *swarm_key, const kg_chain_head *previous,
		    const kg_entry_member *peers, size_t count, int64_t now_ms)
{
	kg_author author = the_swarm(swarm_key, previous, now_ms);
	char text[80];
	kg_entry e;
	kg_err err;

	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	(void)snprintf(text, sizeof(text), "%zu other swarm%s believed about %s own members", count,
		       count == 1 ? " is" : "s are", count == 1 ? "its" : "their");
	err = begin(&e, &author, text);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_entry_add_peer(&e, &peers[i].agent, peers[i].name);
	return finish(out, &e, err);
}

kg_err kg_revocation_make(kg_entry *out, const kg_key *swarm_key, const kg_chain_head *previous,
			  const kg_entry_head *last, int64_t now_ms)
{
	kg_author author = the_swarm(swarm_key, previous, now_ms);
	char text[80];
	kg_entry e;
	kg_err err;

	kg_entry_init(&e, KG_ENTRY_REVOCATION);
	if (last->sequence == 0)
		(void)snprintf(text, sizeof(text), "Nothing of this key counts");
	else
		(void)snprintf(text, sizeof(text), "Nothing of this key counts after entry %llu",
			       (unsigned long long)last->sequence);
	err = begin(&e, &author, text);
	if (err == KG_OK)
		err = kg_entry_add_head(&e, last);
	return finish(out, &e, err);
}

kg_err kg_quarantine_make(kg_entry *out, const kg_author *author, const kg_entry_id *ids,
			  size_t count, const char *text)
{
	kg_entry e;
	kg_err err;

	kg_entry_init(&e, KG_ENTRY_REVOCATION);
	err = begin(&e, author, text);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_entry_add_reference(&e, &ids[i]);
	return finish(out, &e, err);
}

kg_err kg_successor_make(kg_entry *out, const kg_author *author, const kg_pubkey *successor)
{
	kg_entry e;
	kg_err err;

	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	err = begin(&e, author, "This key is given up for another");
	if (err == KG_OK)
		err = kg_entry_set_successor(&e, successor);
	return finish(out, &e, err);
}

kg_err kg_predecessor_make(kg_entry *out, const kg_author *author, const kg_pubkey *old,
			   const kg_chain_head *last)
{
	kg_entry e;
	kg_err err;

	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	err = kg_entry_set_predecessor(&e, old, last);
	if (err == KG_OK)
		err = begin(&e, author, "This key goes on for another");
	return finish(out, &e, err);
}

kg_err kg_epoch_make(kg_entry *out, const kg_author *author, uint64_t number,
		     const kg_entry_id *ids, size_t count, size_t kept)
{
	kg_entry_epoch epoch = {.number = number, .kept = kept, .dropped = count - kept};
	char text[96];
	kg_entry e;
	kg_err err;

	_Static_assert(sizeof(ids[0]) == KG_HASH_SIZE, "ids are hashed as they lie");
	KG_ASSERT(kept <= count);
	epoch.old = (kg_entry_head){*kg_key_public(author->key), author->previous->sequence,
				    author->previous->commit};
	kg_hash(epoch.digest, "kindergarten epoch v1", ids, count * sizeof(ids[0]));
	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	(void)snprintf(text, sizeof(text), "Epoch %llu of this chain: %zu of %zu entries are kept",
		       (unsigned long long)number, kept, count);
	err = begin(&e, author, text);
	if (err == KG_OK)
		err = kg_entry_set_epoch(&e, &epoch);
	return finish(out, &e, err);
}
