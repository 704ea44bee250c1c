/* SPDX-License-Identifier: MIT */
/*
 * forge – what only the owner of a swarm's words can do: has one of its agents sign a thought it
 * never had. The signature is good and the chain is whole; only replay can tell.
 *
 *   forge STATE COMMIT answer|genome|tokens
 *
 * Takes the generated entry at COMMIT, changes that one thing, signs it as the next entry of its
 * author, and prints the id. Nobody else may write meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "identity/keyring.h"
#include "identity/secret.h"
#include "memory/chain.h"
#include "memory/memory.h"

static kg_err read_entry(kg_entry *entry, const char *state_dir, const char *commit_text)
{
	kg_entry_proof proof;
	kg_commit commit;
	kg_store *store = NULL;
	bool verified = false;
	kg_err err = kg_commit_parse(&commit, commit_text);

	if (err == KG_OK)
		err = kg_store_open(&store, state_dir);
	if (err == KG_OK)
		err = kg_chain_read(store, entry, &proof, &verified, &commit);
	kg_store_free(store);
	if (err == KG_OK && !entry->has_sampler)
		err = kg_fail(KG_EINVAL, "%s is no generated text", commit_text);
	return err;
}

/* A new entry like `from` but for one thing. */
static kg_err change(kg_entry *to, const kg_entry *from, const char *what)
{
	static const char lie[] = " seventeen purple ducks";
	kg_entry_sampler sampler = from->sampler;
	bool lies = strcmp(what, "answer") == 0;

	kg_entry_init(to, from->type);
	to->has_genome = true;
	to->genome = from->genome;
	to->genome.seed[0] ^= strcmp(what, "genome") == 0 ? 1 : 0;
	sampler.tokens += strcmp(what, "tokens") == 0 ? 1 : 0;
	return kg_entry_set_generated(to, &sampler, from->prompt.data, from->prompt.size,
				      lies ? (const void *)lie : from->answer.data,
				      lies ? sizeof(lie) - 1 : from->answer.size);
}

static kg_err sign(kg_entry *entry, kg_memory *memory, const kg_swarm *swarm, const char *name)
{
	char text[KG_HASH_TEXT_SIZE];
	kg_chain_head head = {0};
	kg_receipt receipt;
	kg_key *key = NULL;
	kg_entry_proof proof;
	kg_buf object;
	kg_err err = kg_swarm_agent_key(swarm, name, &key);

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	if (err == KG_OK)
		err = kg_memory_head(memory, &head, NULL, kg_key_public(key));
	if (err == KG_OK)
		err = kg_entry_place(entry, kg_swarm_id(swarm), key, name, &head,
				     kg_clock_wall_ms());
	if (err == KG_OK)
		err = kg_entry_sign(&object, &proof, entry, key, &head.commit);
	if (err == KG_OK)
		err = kg_memory_submit(memory, &receipt, object.data, object.size,
				       kg_clock_wall_ms());
	if (err == KG_OK)
		err = kg_memory_settle(memory);
	kg_buf_release(&object);
	kg_key_free(key);
	if (err != KG_OK)
		return err;
	kg_entry_id_format(text, &receipt.id);
	printf("%s\n", text);
	return KG_OK;
}

int main(int argc, char **argv)
{
	kg_entry from;
	kg_entry to;
	kg_swarm *swarm = NULL;
	kg_memory *memory = NULL;
	kg_err err;

	kg_entry_init(&from, KG_ENTRY_INSIGHT);
	kg_entry_init(&to, KG_ENTRY_INSIGHT);
	if (argc != 4)
		return 100;
	err = kg_identity_init();
	if (err == KG_OK)
		err = read_entry(&from, argv[1], argv[2]);
	if (err == KG_OK)
		err = kg_keyring_open(&swarm, argv[1], NULL);
	if (err == KG_OK)
		err = kg_memory_open(&memory, argv[1], kg_swarm_id(swarm), NULL, NULL);
	if (err == KG_OK)
		err = change(&to, &from, argv[3]);
	if (err == KG_OK)
		err = sign(&to, memory, swarm, from.agent_name);
	if (err != KG_OK)
		(void)fprintf(stderr, "forge: %s\n", kg_err_text());
	kg_memory_free(memory);
	kg_swarm_free(swarm);
	kg_entry_release(&to);
	kg_entry_release(&from);
	return err == KG_OK ? 0 : 111;
}
