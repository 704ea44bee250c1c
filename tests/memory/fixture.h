/* SPDX-License-Identifier: MIT */
/* fixture – a swarm with keys, a scratch state directory, and authors that sign entries. */
#ifndef KG_TESTS_MEMORY_FIXTURE_H
#define KG_TESTS_MEMORY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/fs.h"
#include "identity/secret.h"
#include "memory/entry.h"
#include "memory/memory.h"
#include "memory/witness.h"

enum { FIXTURE_NOW = 1763610000 }; /* seconds; times of entries are near it */

/* Who writes: a key and where its chain stands. */
typedef struct {
	kg_key *key;
	char name[KG_NAME_SIZE];
	kg_pubkey swarm;
	kg_chain_head head;
} author;

typedef struct {
	char dir[KG_PATH_SIZE];
	author swarm;
	author agents[3]; /* agent-0 … */
	int64_t now_ms;
} fixture;

void fixture_make(fixture *f);
void fixture_remove(fixture *f);

/* A key from a byte repeated. */
kg_key *fixture_key(uint8_t byte);

/* Signs `entry` (already filled) as the next of the author's chain and moves the author's head. */
kg_entry_proof fixture_sign(kg_buf *object, author *who, kg_entry *entry, int64_t now_ms);

/* The same with an insight of `text`, tagged "test", confidence 0.9, level 0.8. */
kg_entry_proof fixture_insight(kg_buf *object, author *who, const char *text, int64_t now_ms);

/* Opens the memory; the lineage entry that certifies the three agents is submitted when new. */
kg_memory *fixture_open(fixture *f);

/* An insight that is signed, submitted and committed. */
kg_receipt fixture_say(fixture *f, kg_memory *memory, author *who, const char *text);

/* A checkpoint of all heads, signed and submitted. */
kg_receipt fixture_checkpoint(fixture *f, kg_memory *memory);

/* Runs a shell command in the state directory; its exit status. Output goes to `out` if given. */
int fixture_shell(const fixture *f, kg_buf *out, const char *fmt, ...) KG_PRINTF(3, 4);

/* Files of this process may not grow beyond `bytes`: what a full disk looks like to it. */
void fixture_limit_files(rlim_t bytes);

#endif
