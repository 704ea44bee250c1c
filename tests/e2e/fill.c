/* SPDX-License-Identifier: MIT */
/*
 * fill – a memory with many entries in little time, by several authors that its swarm certifies.
 *
 *   fill STATE AUTHORS ENTRIES_OF_EACH
 *
 * Nobody else may write meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "identity/keyring.h"
#include "identity/secret.h"
#include "memory/memory.h"
#include "memory/witness.h"

enum { BATCH = 5000, AUTHORS_MAX = 1000 };

typedef struct {
	kg_key *key;
	char name[KG_NAME_SIZE];
	kg_chain_head head;
} author;

static kg_err submit(kg_memory *memory, const kg_entry *entry, author *who)
{
	kg_receipt receipt;
	kg_entry_proof proof;
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_entry_sign(&object, &proof, entry, who->key,
			    who->head.sequence > 0 ? &who->head.commit : NULL);
	if (err == KG_OK)
		err = kg_memory_submit(memory, &receipt, object.data, object.size,
				       kg_clock_wall_ms());
	if (err == KG_OK)
		who->head = (kg_chain_head){entry->sequence, entry->time_ms, entry->time_counter,
					    proof.commit};
	kg_buf_release(&object);
	return err;
}

static kg_err certify(kg_memory *memory, const kg_swarm *swarm, author *authors, size_t count)
{
	kg_entry_member *members = calloc(count, sizeof(*members));
	const kg_key *key = kg_swarm_key(swarm);
	kg_chain_head head;
	kg_receipt receipt;
	kg_entry_proof proof;
	kg_entry entry;
	kg_buf object;
	kg_err err = kg_memory_head(memory, &head, NULL, kg_swarm_id(swarm));

	if (members == NULL || err != KG_OK)
		return err;
	for (size_t i = 0; err == KG_OK && i < count; i++) {
		(void)snprintf(authors[i].name, sizeof(authors[i].name), "author-%zu", i);
		err = kg_swarm_agent_key(swarm, authors[i].name, &authors[i].key);
		if (err != KG_OK)
			return err;
		members[i].agent = *kg_key_public(authors[i].key);
		memcpy(members[i].name, authors[i].name, sizeof(authors[i].name));
		/* Of one that is certified already the chain goes on. */
		if (kg_memory_head(memory, &authors[i].head, NULL, &members[i].agent) != KG_OK)
			authors[i].head = (kg_chain_head){0};
	}
	err = kg_membership_make(&entry, key, &head, members, count, kg_clock_wall_ms());
	free(members);
	if (err != KG_OK)
		return err;
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_entry_sign(&object, &proof, &entry, key, head.sequence > 0 ? &head.commit : NULL);
	if (err == KG_OK)
		err = kg_memory_submit(memory, &receipt, object.data, object.size,
				       kg_clock_wall_ms());
	kg_buf_release(&object);
	kg_entry_release(&entry);
	return err;
}

static kg_err say(kg_memory *memory, const kg_swarm *swarm, author *who, unsigned long n)
{
	char text[128];
	kg_entry entry;
	kg_err err;

	kg_entry_init(&entry, KG_ENTRY_INSIGHT);
	(void)snprintf(text, sizeof(text), "%s has counted to %lu and found nothing that is odd",
		       who->name, n);
	err = kg_entry_set_text(&entry, text, strlen(text));
	if (err == KG_OK)
		err = kg_entry_add_tag(&entry, "fill");
	if (err == KG_OK)
		err = kg_entry_place(&entry, kg_swarm_id(swarm), who->key, who->name, &who->head,
				     kg_clock_wall_ms());
	if (err == KG_OK)
		err = submit(memory, &entry, who);
	kg_entry_release(&entry);
	return err;
}

static kg_err fill(kg_memory *memory, const kg_swarm *swarm, author *authors, size_t count,
		   unsigned long entries)
{
	unsigned long done = 0;
	kg_err err = certify(memory, swarm, authors, count);

	for (unsigned long n = 1; err == KG_OK && n <= entries; n++) {
		for (size_t i = 0; err == KG_OK && i < count; i++)
			err = say(memory, swarm, &authors[i], n);
		done += count;
		if (err == KG_OK && done >= BATCH) {
			done = 0;
			err = kg_memory_commit(memory);
			if (err == KG_OK)
				err = kg_memory_flush(memory);
		}
	}
	return err == KG_OK ? kg_memory_settle(memory) : err;
}

int main(int argc, char **argv)
{
	author *authors = calloc(AUTHORS_MAX, sizeof(*authors));
	unsigned long count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	kg_swarm *swarm = NULL;
	kg_memory *memory = NULL;
	kg_err err;

	if (authors == NULL || count == 0 || count > AUTHORS_MAX)
		return 100;
	err = kg_identity_init();
	if (err == KG_OK)
		err = kg_keyring_open(&swarm, argv[1], NULL);
	if (err == KG_OK)
		err = kg_memory_open(&memory, argv[1], kg_swarm_id(swarm), NULL, NULL);
	if (err == KG_OK)
		err = fill(memory, swarm, authors, count, strtoul(argv[3], NULL, 10));
	if (err != KG_OK)
		(void)fprintf(stderr, "fill: %s\n", kg_err_text());
	for (size_t i = 0; i < count; i++)
		kg_key_free(authors[i].key);
	free(authors);
	kg_memory_free(memory);
	kg_swarm_free(swarm);
	return err == KG_OK ? 0 : 111;
}
