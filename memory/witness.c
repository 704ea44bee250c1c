/* SPDX-License-Identifier: MIT */
#include "memory/witness.h"

#include <stdio.h>
#include <string.h>

static kg_err begin(kg_entry *e, kg_entry_type type, const kg_key *swarm_key,
		    const kg_chain_head *previous, int64_t now_ms, const char *text)
{
	kg_err err;

	kg_entry_init(e, type);
	err = kg_entry_place(e, kg_key_public(swarm_key), swarm_key, KG_SWARM_NAME, previous,
			     now_ms);
	return err == KG_OK ? kg_entry_set_text(e, text, strlen(text)) : err;
}

kg_err kg_checkpoint_make(kg_entry *out, const kg_key *swarm_key, const kg_chain_head *previous,
			  const kg_entry_head *heads, size_t count, int64_t now_ms)
{
	char text[64];
	kg_entry e;
	kg_err err;

	(void)snprintf(text, sizeof(text), "%zu chain%s, each with its tip", count,
		       count == 1 ? "" : "s");
	err = begin(&e, KG_ENTRY_CHECKPOINT, swarm_key, previous, now_ms, text);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_entry_add_head(&e, &heads[i]);
	if (err != KG_OK) {
		kg_entry_release(&e);
		return err;
	}
	*out = e;
	return KG_OK;
}

kg_err kg_membership_make(kg_entry *out, const kg_key *swarm_key, const kg_chain_head *previous,
			  const kg_entry_member *members, size_t count, int64_t now_ms)
{
	char text[64];
	kg_entry e;
	kg_err err;

	(void)snprintf(text, sizeof(text), "%zu key%s may write to this memory", count,
		       count == 1 ? "" : "s");
	err = begin(&e, KG_ENTRY_LINEAGE, swarm_key, previous, now_ms, text);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = kg_entry_add_member(&e, &members[i].agent, members[i].name);
	if (err != KG_OK) {
		kg_entry_release(&e);
		return err;
	}
	*out = e;
	return KG_OK;
}
