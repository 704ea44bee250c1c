/* SPDX-License-Identifier: MIT */
/*
 * journal – what was admitted and is not yet safely in git, append-only and durable.
 *
 * A run of segments, <dir>/<16 hex digits>, numbered upwards: each is "KGJOURN1", then records of
 *
 *    0  4  "KGR1"
 *    4  3  size of the object, little-endian
 *    7  1  kind: 0 an entry, 1 the proof of a fork
 *    8 32  kg_hash("kindergarten journal v1", object); of a proof "kindergarten journal proof v1"
 *   40  …  object: a commit
 *
 * Reading passes over what is no intact record and goes on at the next one that is: a crash leaves
 * an unfinished tail, and where records of one group reached the disk out of order, a hole. Neither
 * was acknowledged, and what is behind a hole is judged like any submission.
 *
 * A segment that was there at opening is never written to again. When everything in a segment is
 * safe elsewhere it is removed, so that a journal at rest has no file. The file "journal", which
 * earlier versions kept alone, counts as segment 0.
 */
#ifndef KG_MEMORY_JOURNAL_H
#define KG_MEMORY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	KG_JOURNAL_HEADER_SIZE = 8,
	KG_JOURNAL_RECORD_SIZE = 40,
	KG_JOURNAL_SEGMENT = 8 << 20, /* a segment of this size is the last one's predecessor */
	KG_JOURNAL_MAX = 256 << 20    /* bytes of all segments, and of one */
};

typedef enum { KG_JOURNAL_ENTRY, KG_JOURNAL_PROOF, KG_JOURNAL_KINDS } kg_journal_kind;

typedef struct kg_journal kg_journal;

/* Called for every record, oldest first; an error ends the reading and is passed on. */
typedef kg_err (*kg_journal_visit)(void *payload, kg_journal_kind kind, const uint8_t *object,
				   size_t size);

/* Opens the journal in `dir`, which exists, and reads it. `*torn` is the number of bytes that are
 * no intact record. KG_ECORRUPT: a segment is not a journal's. */
KG_NODISCARD kg_err kg_journal_open(kg_journal **out, const char *dir, uint64_t *torn,
				    kg_journal_visit visit, void *payload);
void kg_journal_free(kg_journal *journal);

/* Adds one record to the group that the next sync writes. KG_EFULL when the journal is full. */
KG_NODISCARD kg_err kg_journal_append(kg_journal *journal, kg_journal_kind kind, const void *object,
				      size_t size);

/* One write of the whole group, then fdatasync: it is durable. On failure (KG_EFULL: the disk is
 * full) the group is forgotten and nothing of it remains in the file. */
KG_NODISCARD kg_err kg_journal_sync(kg_journal *journal);

/* Forgets the group. */
void kg_journal_cancel(kg_journal *journal);

/* The number of the segment that the last group went to, or would have gone to; and of the oldest
 * one that is there, the same when none is. */
uint64_t kg_journal_segment(const kg_journal *journal);
uint64_t kg_journal_oldest(const kg_journal *journal);

/* Removes the segments below `number`, but never the one that is written to. */
KG_NODISCARD kg_err kg_journal_drop(kg_journal *journal, uint64_t number);

/* Removes all segments. */
KG_NODISCARD kg_err kg_journal_clear(kg_journal *journal);

/* Bytes of all segments. */
uint64_t kg_journal_size(const kg_journal *journal);

/* Whether a journal in `dir` holds anything: for those who only read. */
bool kg_journal_is_there(const char *dir);

/* The records in `data`, a whole segment, as open reads them. */
KG_NODISCARD kg_err kg_journal_parse(uint64_t *torn, const uint8_t *data, size_t size,
				     kg_journal_visit visit, void *payload);

#endif
