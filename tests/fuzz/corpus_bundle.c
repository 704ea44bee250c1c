/* SPDX-License-Identifier: MIT */
/*
 * Writes the seeds of fuzz_bundle: corpus_bundle DIRECTORY. Bundles of a swarm of fixed keys, good
 * ones and ones that lie, and runs of commit objects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "identity/secret.h"
#include "memory/bundle.h"
#include "memory/witness.h"

enum { NOW = 1763610000, ENTRIES = 3 };

typedef struct {
	kg_key *key;
	const char *name;
	kg_chain_head head;
	kg_commit commits[8];
	size_t count;
} author;

static char state[64];
static kg_store *store;
static author swarm = {.name = KG_SWARM_NAME};
static author agent = {.name = "agent-0"};
static kg_buf objects; /* behind the word OBJS */

static void must(kg_err err)
{
	if (err == KG_OK)
		return;
	(void)fprintf(stderr, "corpus_bundle: %s\n", kg_err_text());
	exit(111);
}

static void begin(author *who, uint8_t byte)
{
	uint8_t seed[KG_KEY_SEED_SIZE];

	memset(seed, byte, sizeof(seed));
	must(kg_key_new(&who->key, seed));
}

/* Signs the entry as the next of its author and writes it; `flip` spoils the signature. */
static void put(author *who, kg_entry *entry, bool flip)
{
	kg_store_object object;
	kg_entry_proof proof;
	uint8_t size[2];
	kg_buf bytes;

	kg_buf_init(&bytes, KG_ENTRY_OBJECT_MAX);
	must(kg_entry_sign(&bytes, &proof, entry, who->key,
			   who->head.sequence > 0 ? &who->head.commit : NULL));
	if (flip)
		bytes.data[bytes.size - 3] ^= 1;
	kg_commit_id(&proof.commit, bytes.data, bytes.size);
	object = (kg_store_object){bytes.data, bytes.size, proof.commit};
	must(kg_store_write(store, &object, 1));
	size[0] = (uint8_t)(bytes.size >> 8);
	size[1] = (uint8_t)bytes.size;
	kg_buf_put(&objects, size, sizeof(size));
	kg_buf_put(&objects, bytes.data, bytes.size);
	who->head =
		(kg_chain_head){entry->sequence, entry->time_ms, entry->time_counter, proof.commit};
	who->commits[who->count++] = proof.commit;
	kg_buf_release(&bytes);
	kg_entry_release(entry);
}

static void certify(void)
{
	kg_entry_member member = {.agent = *kg_key_public(agent.key)};
	kg_entry entry;

	memcpy(member.name, agent.name, strlen(agent.name) + 1);
	must(kg_membership_make(&entry, swarm.key, &swarm.head, &member, 1, (int64_t)NOW * 1000));
	put(&swarm, &entry, false);
}

static void say(const char *text, bool flip)
{
	kg_entry entry;

	kg_entry_init(&entry, KG_ENTRY_INSIGHT);
	must(kg_entry_set_text(&entry, text, strlen(text)));
	must(kg_entry_place(&entry, kg_key_public(swarm.key), agent.key, agent.name, &agent.head,
			    (int64_t)NOW * 1000 + 1000));
	put(&agent, &entry, flip);
}

static void write_bundle(const char *directory, const char *name, const kg_bundle_chain *chains,
			 size_t count)
{
	const kg_bundle_content content = {
		.chains = chains,
		.chain_count = count,
		.head = kg_key_public(swarm.key),
	};
	char path[KG_PATH_SIZE];
	uint64_t written;

	must(kg_path(path, "%s/%s", directory, name));
	must(kg_bundle_write(store, path, &content, &written, NULL, NULL));
}

static void write_all(const char *directory)
{
	kg_bundle_chain chains[2] = {
		{.agent = *kg_key_public(swarm.key), .tip = swarm.commits[0]},
		{.agent = *kg_key_public(agent.key), .tip = agent.commits[ENTRIES - 1]},
	};
	char path[KG_PATH_SIZE];
	kg_buf text;

	write_bundle(directory, "whole", chains, 2);
	chains[1].has_base = true;
	chains[1].base = agent.commits[0];
	write_bundle(directory, "needs", chains, 2);
	chains[1].has_base = false;
	chains[1].tip = agent.commits[ENTRIES];
	write_bundle(directory, "forged", chains, 2);
	chains[1].tip = swarm.commits[0];
	write_bundle(directory, "wrong_chain", chains, 2);
	chains[1] = chains[0];
	memset(chains[1].agent.bytes, 7, KG_PUBKEY_SIZE);
	chains[1].tip = agent.commits[1];
	write_bundle(directory, "wrong_key", chains, 2);
	kg_buf_init(&text, 1 << 20);
	kg_buf_puts(&text, "OBJS");
	kg_buf_put(&text, objects.data, objects.size);
	must(kg_path(path, "%s/objects", directory));
	must(kg_fs_write(path, text.data, text.size, 0644));
	kg_buf_release(&text);
	must(kg_path(path, "%s/header_v3", directory));
	must(kg_fs_write(path, "# v3 git bundle\n@object-format=sha1\n\n", 37, 0644));
}

int main(int argc, char **argv)
{
	char command[128];

	if (argc != 2)
		return 100;
	(void)strcpy(state, "/tmp/kg-corpus-XXXXXX");
	if (mkdtemp(state) == NULL)
		return 111;
	must(kg_identity_init());
	kg_buf_init(&objects, 1 << 20);
	begin(&swarm, 100);
	begin(&agent, 1);
	must(kg_store_create(&store, state, kg_key_public(swarm.key)));
	certify();
	for (int i = 0; i < ENTRIES; i++)
		say(i == 0 ? "one" : i == 1 ? "two" : "three", false);
	say("four", true);
	write_all(argv[1]);
	kg_store_free(store);
	kg_key_free(swarm.key);
	kg_key_free(agent.key);
	kg_buf_release(&objects);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", state);
	return system(command) == 0 ? 0 : 111;
}
