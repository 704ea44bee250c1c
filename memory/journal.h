/* SPDX-License-Identifier: MIT */
/*
 * journal – what was admitted and is not yet safely in git, append-only and durable.
 *
 * One file, <dir>/journal: "KGJOURN1", then records of
 *
 *    0  4  "KGR1"
 *    4  4  size of the object, little-endian
 *    8 32  kg_hash("kindergarten journal v1", object)
 *   40  …  object: a commit
 *
 * Reading passes over what is no intact record and goes on at the next one that is: a crash leaves
 * an unfinished tail, and where records of one group reached the disk out of order, a hole. Neither
 * was acknowledged, and what is behind a hole is judged like any submission.
 */
#ifndef KG_MEMORY_JOURNAL_H
#define KG_MEMORY_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { KG_JOURNAL_HEADER_SIZE = 8, KG_JOURNAL_RECORD_SIZE = 40, KG_JOURNAL_MAX = 256 << 20 };

typedef struct kg_journal kg_journal;

/* Called for every record, oldest first; an error ends the reading and is passed on. */
typedef kg_err (*kg_journal_visit)(void *payload, const uint8_t *object, size_t size);

/* Opens or creates the journal in `dir`, which exists, and reads it. `*torn` is the number of bytes
 * that are no intact record; those at the end are cut off. KG_ECORRUPT: not a journal. */
KG_NODISCARD kg_err kg_journal_open(kg_journal **out, const char *dir, uint64_t *torn,
				    kg_journal_visit visit, void *payload);
void kg_journal_free(kg_journal *journal);

/* Appends one record; it is durable after the next sync. KG_EFULL when the disk or the journal is
 * full; then nothing of it remains in the file. */
KG_NODISCARD kg_err kg_journal_append(kg_journal *journal, const void *object, size_t size);

/* fdatasync of what was appended. On failure everything since the last sync is cut off. */
KG_NODISCARD kg_err kg_journal_sync(kg_journal *journal);

/* Empties the journal: everything in it is safe elsewhere. */
KG_NODISCARD kg_err kg_journal_clear(kg_journal *journal);

/* Bytes of records. */
uint64_t kg_journal_size(const kg_journal *journal);

/* The records in `data`, a whole file, as open reads them; `*end` is where the last intact one
 * ends.
 */
KG_NODISCARD kg_err kg_journal_parse(size_t *end, uint64_t *torn, const uint8_t *data, size_t size,
				     kg_journal_visit visit, void *payload);

#endif
