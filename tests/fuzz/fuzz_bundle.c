/* SPDX-License-Identifier: MIT */
/*
 * Bundles from anywhere, into a throw-away quarantine, judged for a swarm of fixed keys; and, after
 * the word "OBJS", commit objects from anywhere as tips of its chains. Whatever comes in: what the
 * judgement lists is signed by the members of that swarm, in unbroken chains.
 */
#include <git2.h>
#include <sha1.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity/secret.h"
#include "memory/bundle.h"
#include "memory/judge.h"

enum { KEYS = 4, OBJECTS_MAX = 16, NOW = 1763610000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64];
static kg_pubkey keys[KEYS]; /* the swarm's, then its agents' */

static void clean_up(void)
{
	char path[80];

	if (kg_incoming_remove(directory, "fuzz") != KG_OK)
		return;
	(void)snprintf(path, sizeof(path), "%s/incoming", directory);
	(void)rmdir(path);
	(void)rmdir(directory);
}

static void start(void)
{
	bool shared = access("/dev/shm", W_OK) == 0;

	if (kg_identity_init() != KG_OK || git_libgit2_init() < 0)
		abort();
	for (int i = 0; i < KEYS; i++) {
		uint8_t seed[KG_KEY_SEED_SIZE];
		kg_key *key = NULL;

		memset(seed, i == 0 ? 100 : i, sizeof(seed));
		if (kg_key_new(&key, seed) != KG_OK)
			abort();
		keys[i] = *kg_key_public(key);
		kg_key_free(key);
	}
	(void)snprintf(directory, sizeof(directory), "%s/kg-fuzz-XXXXXX",
		       shared ? "/dev/shm" : "/tmp");
	if (mkdtemp(directory) == NULL || atexit(clean_up) != 0)
		abort();
}

/* Every entry listed is good by itself and follows the one before it on its chain. */
static void check(kg_store *store, const kg_judgement *j)
{
	kg_commit tips[KEYS] = {0};
	uint64_t lengths[KEYS] = {0};

	for (size_t i = 0; i < j->count; i++) {
		kg_entry_proof proof;
		kg_entry entry;
		kg_buf object;
		int who = 0;

		kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
		if (kg_store_read(store, &object, &j->entries[i].commit) != KG_OK ||
		    kg_entry_open(&entry, &proof, object.data, object.size) != KG_OK)
			abort();
		while (who < KEYS && !kg_pubkey_equal(&keys[who], &entry.agent))
			who++;
		if (who == KEYS || !kg_pubkey_equal(&entry.swarm, &keys[0]))
			abort();
		if (!j->entries[i].is_proof) {
			if (entry.sequence != lengths[who] + 1 ||
			    (proof.has_parent &&
			     memcmp(proof.parent.bytes, tips[who].bytes, KG_COMMIT_SIZE) != 0))
				abort();
			lengths[who] = entry.sequence;
			tips[who] = proof.commit;
		}
		kg_entry_release(&entry);
		kg_buf_release(&object);
	}
}

static void judge(kg_incoming *incoming, const kg_offers *offers)
{
	kg_judgement judgement;
	kg_admit admit;
	kg_judge_input in = {
		.offered = kg_incoming_store(incoming),
		.admit = &admit,
		.offers = offers,
		.now_ms = (int64_t)NOW * 1000 + 3600000,
		.entries_max = 1000,
	};

	if (kg_admit_init(&admit, &keys[0], KG_ADMIT_AHEAD_MS) != KG_OK)
		abort();
	if (kg_judge(&judgement, &in) == KG_OK) {
		check(in.offered, &judgement);
		kg_judgement_release(&judgement);
	}
	kg_admit_release(&admit);
}

/* The sum at the end of the pack is made right, or nothing behind it would ever be reached. */
static void mend(uint8_t *pack, size_t size)
{
	SHA1_CTX sum;

	if (size < 12 + SHA1_DIGEST_LENGTH)
		return;
	SHA1Init(&sum);
	SHA1Update(&sum, pack, size - SHA1_DIGEST_LENGTH);
	SHA1Final(pack + size - SHA1_DIGEST_LENGTH, &sum);
}

static void try_bundle(const uint8_t *data, size_t size)
{
	const kg_incoming_limits limits = {1000, 1 << 20, 100};
	kg_incoming *incoming = NULL;
	kg_bundle bundle;
	uint8_t *copy;

	if (kg_bundle_parse(&bundle, data, size) != KG_OK)
		return;
	copy = malloc(size + 1);
	if (copy == NULL || kg_incoming_create(&incoming, directory, "fuzz") != KG_OK)
		abort();
	memcpy(copy, data, size);
	mend(copy + bundle.pack_at, size - bundle.pack_at);
	if (kg_bundle_unpack(incoming, &bundle, copy, size, &limits, NULL, NULL) == KG_OK)
		judge(incoming, &bundle.offers);
	free(copy);
	kg_incoming_free(incoming);
	kg_bundle_release(&bundle);
}

/* Records of two bytes of size, big-endian, and so many bytes of a commit. */
static void try_objects(const uint8_t *data, size_t size)
{
	char path[128];
	kg_incoming *incoming = NULL;
	git_repository *repo = NULL;
	kg_offers offers = {0};
	git_odb *odb = NULL;

	if (kg_incoming_create(&incoming, directory, "fuzz") != KG_OK)
		abort();
	(void)snprintf(path, sizeof(path), "%s/incoming/fuzz.git", directory);
	if (git_repository_open_bare(&repo, path) != 0 || git_repository_odb(&odb, repo) != 0)
		abort();
	for (unsigned n = 0; n < OBJECTS_MAX && size > 2; n++) {
		size_t length = (size_t)data[0] << 8 | data[1];
		char name[128] = KG_STORE_REFS;
		kg_commit commit;
		git_oid oid;

		length = length < size - 2 ? length : size - 2;
		if (git_odb_write(&oid, odb, data + 2, length, GIT_OBJECT_COMMIT) != 0)
			break;
		memcpy(commit.bytes, oid.id, sizeof(commit.bytes));
		kg_pubkey_format(name + strlen(name), &keys[n % KEYS]);
		if (kg_offers_add(&offers, name, strlen(name), &commit) != KG_OK)
			abort();
		data += length + 2;
		size -= length + 2;
	}
	judge(incoming, &offers);
	kg_offers_release(&offers);
	git_odb_free(odb);
	git_repository_free(repo);
	kg_incoming_free(incoming);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (directory[0] == '\0')
		start();
	if (size > 1 << 16)
		return 0;
	if (size > 4 && memcmp(data, "OBJS", 4) == 0)
		try_objects(data + 4, size - 4);
	else
		try_bundle(data, size);
	return 0;
}
