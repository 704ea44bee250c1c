/* SPDX-License-Identifier: MIT */
/*
 * outfile – what an author has signed and nobody has acknowledged yet, on disk.
 *
 * One file, <state>/outbox/<name>, mode 0600: "KGOUTBX1", then records of
 *
 *    0  4  "KGO1"
 *    4  4  size of the object, little-endian
 *    8 32  kg_hash("kindergarten outbox v1", object)
 *   40  …  object: a signed commit
 *
 * A record is one write at the end of the file, before the object may leave the process: whoever
 * was killed finds what it signed and sends those very bytes, instead of signing others for the
 * same place. Nothing is synced: what was written outlives the process, and when the whole machine
 * stops, the keeper's journal, which is synced, tells where the chain ends. Reading ends at the
 * first record that is not intact and cuts the file there.
 */
#ifndef KG_AGENT_OUTFILE_H
#define KG_AGENT_OUTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	KG_OUTFILE_HEADER_SIZE = 8,
	KG_OUTFILE_RECORD_SIZE = 40,
	KG_OUTFILE_MAX = 64 << 20 /* bytes of the file */
};

typedef struct kg_outfile kg_outfile;

/* Called for every record, oldest first; an error ends the reading and is passed on. */
typedef kg_err (*kg_outfile_visit)(void *data, const uint8_t *object, size_t size);

/* Takes the author's lock (author.h; KG_ECONFLICT when another process has it), creates the file
 * when it is missing, and reads it. KG_ECORRUPT: not an outbox. */
KG_NODISCARD kg_err kg_outfile_open(kg_outfile **out, const char *state_dir, const char *name,
				    kg_outfile_visit visit, void *data);
void kg_outfile_free(kg_outfile *file);

/* One more record. On failure (KG_EFULL: the disk, or KG_OUTFILE_MAX) nothing of it remains. */
KG_NODISCARD kg_err kg_outfile_append(kg_outfile *file, const void *object, size_t size);

/* Adds the record of `object` to the bytes of a file that kg_outfile_replace writes. */
void kg_outfile_put(kg_buf *records, const void *object, size_t size);

/* The file has these records and no others, from one moment to the next. */
KG_NODISCARD kg_err kg_outfile_replace(kg_outfile *file, const kg_buf *records);

/* No records: all are stored. */
KG_NODISCARD kg_err kg_outfile_clear(kg_outfile *file);

/* Bytes of records. */
size_t kg_outfile_size(const kg_outfile *file);

/* The records in `data`, a whole file, as open reads them; `*end` is where the last intact one
 * ends. */
KG_NODISCARD kg_err kg_outfile_parse(size_t *end, const uint8_t *data, size_t size,
				     kg_outfile_visit visit, void *payload);

#endif
