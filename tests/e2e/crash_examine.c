/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "memory/chain.h"
#include "memory/claims.h"
#include "memory/journal.h"
#include "memory/verify.h"
#include "tests/e2e/crash.h"

void crash_check(kg_err err, const char *what)
{
	if (err == KG_OK)
		return;
	(void)fprintf(stderr, "crash: %s: %s\n", what, kg_err_text());
	exit(KG_EXIT_TROUBLE);
}

void crash_require(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "crash: not so: %s\n", what);
	exit(KG_EXIT_NO);
}

/* The ids of all chains, for looking up. */
typedef struct {
	kg_entry_id *ids;
	size_t count;
	size_t max;
	uint64_t expected; /* sequence of the next entry of the walk */
	const kg_pubkey *agent;
} library;

static kg_err collect(void *payload, const kg_entry *entry, const kg_entry_proof *proof,
		      bool verified, bool *stop)
{
	library *l = payload;

	*stop = false;
	crash_require(verified, "every signature is good");
	crash_require(kg_pubkey_equal(&entry->agent, l->agent), "a chain has one author");
	if (l->expected == 0)
		l->expected = entry->sequence;
	crash_require(entry->sequence == l->expected--, "sequences have no gaps");
	crash_require(l->count < l->max, "there are no more entries than were written");
	l->ids[l->count++] = proof->id;
	return KG_OK;
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(kg_entry_id));
}

static void read_chains(library *l, kg_store *store)
{
	kg_store_refs refs = {0};

	crash_check(kg_store_refs_read(store, &refs), "refs");
	for (size_t i = 0; i < refs.count; i++) {
		crash_require(refs.refs[i].kind == KG_STORE_CHAIN, "there are no refs but chains");
		l->agent = &refs.refs[i].agent;
		l->expected = 0;
		crash_check(kg_chain_walk(store, &refs.refs[i].commit, collect, l), "chain");
		crash_require(l->expected == 0, "a chain begins at its beginning");
	}
	kg_store_refs_release(&refs);
	qsort(l->ids, l->count, sizeof(*l->ids), by_id);
	for (size_t i = 1; i < l->count; i++)
		crash_require(by_id(&l->ids[i - 1], &l->ids[i]) != 0, "no entry is there twice");
}

static uint64_t look_up_notes(const library *l, const char *dir, unsigned writer)
{
	char line[KG_HASH_TEXT_SIZE + 1];
	char path[KG_PATH_SIZE];
	uint64_t notes = 0;
	FILE *file;

	crash_check(kg_path(path, "%s/notes-%u", dir, writer), "notes");
	file = fopen(path, "re");
	crash_require(file != NULL, "a writer has notes");
	/* What a killed writer had not finished is no note. */
	while (fgets(line, sizeof(line), file) != NULL && strlen(line) == KG_HASH_TEXT_SIZE) {
		kg_entry_id id;

		line[KG_HASH_TEXT_SIZE - 1] = '\0';
		crash_check(kg_entry_id_parse(&id, line), "note");
		crash_require(bsearch(&id, l->ids, l->count, sizeof(id), by_id) != NULL,
			      "what was acknowledged is there");
		notes++;
	}
	(void)fclose(file);
	return notes;
}

static void compare_index(const char *dir, const kg_pubkey *swarm, kg_store *store)
{
	char path[KG_PATH_SIZE];
	kg_index *kept = NULL;
	kg_index *anew = NULL;
	kg_admit admit;
	kg_buf one;
	kg_buf other;

	kg_buf_init(&one, 1 << 28);
	kg_buf_init(&other, 1 << 28);
	crash_check(kg_path(path, "%s/index.sqlite", dir), "index");
	crash_check(kg_index_open(&kept, path, false), "index");
	crash_check(kg_index_open(&anew, NULL, true), "index");
	crash_check(kg_admit_init(&admit, swarm, 0), "index");
	crash_check(kg_chain_load(&admit, store), "index");
	crash_check(kg_chain_fill_index(&admit, store, anew, true), "index");
	crash_check(kg_index_dump(kept, &one), "index");
	crash_check(kg_index_dump(anew, &other), "index");
	crash_require(one.size > 0 && one.size == other.size &&
			      memcmp(one.data, other.data, one.size) == 0,
		      "the index is the one that git gives");
	kg_admit_release(&admit);
	kg_index_free(kept);
	kg_index_free(anew);
	kg_buf_release(&one);
	kg_buf_release(&other);
}

static void judge(kg_store *store, const kg_pubkey *swarm, const char *dir, uint64_t entries)
{
	kg_verify_options options = {0};
	kg_entry_head *witness = NULL;
	kg_verdict verdict;

	crash_check(kg_claims_read(&witness, &options.witness_count, dir), "witness");
	options.witness = witness;
	crash_require(options.witness_count == 1, "there is a witness outside git");
	crash_check(kg_verify(&verdict, store, swarm, &options), "verify");
	if (verdict.count > 0)
		(void)fprintf(stderr, "%s %s\n", verdict.findings[0].reason,
			      verdict.findings[0].detail);
	crash_require(verdict.count == 0, "verify finds nothing");
	crash_require(verdict.checked == entries, "verify has seen every entry");
	kg_verdict_release(&verdict);
	free(witness);
}

/* What stock git says. */
static void ask_git(const char *dir)
{
	char command[2 * KG_PATH_SIZE];

	/* git count-objects counts what lies alone. */
	(void)snprintf(command, sizeof(command),
		       "cd '%s/memory.git' && git fsck --strict --no-dangling >&2 &&"
		       " test $(git count-objects | cut -d' ' -f1) -le 1",
		       dir);
	crash_require(system(command) == 0,
		      "git fsck is content, and no object lies alone but the empty tree");
}

void crash_examine(const char *dir, const kg_pubkey *swarm, unsigned writers, unsigned entries)
{
	library l = {.max = (size_t)writers * entries + 1};
	char path[KG_PATH_SIZE];
	kg_store *store = NULL;
	uint64_t notes = 0;

	l.ids = calloc(l.max, sizeof(*l.ids));
	crash_require(l.ids != NULL, "memory");
	crash_check(kg_path(path, "%s/journal", dir), "journal");
	crash_require(!kg_journal_is_there(path), "the journal is empty");
	crash_check(kg_store_open(&store, dir), "store");
	read_chains(&l, store);
	crash_require(l.count == l.max, "every entry is there");
	for (unsigned i = 0; i < writers; i++)
		notes += look_up_notes(&l, dir, i);
	printf("%llu notes of acknowledged entries, all in git, none twice\n",
	       (unsigned long long)notes);
	judge(store, swarm, dir, l.count);
	compare_index(dir, swarm, store);
	ask_git(dir);
	kg_store_free(store);
	free(l.ids);
}
