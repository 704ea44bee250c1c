/* SPDX-License-Identifier: MIT */
/*
 * vectors – what entries are about, as a model's numbers: SQLite beside the index, disposable.
 *
 * One vector of int8 for an entry and a model, which is known by its digest; nothing here is
 * believed of an entry, only where to look for it. How alike two entries are is the cosine of their
 * vectors after what all have in common was taken away from both.
 */
#ifndef KG_MEMORY_VECTORS_H
#define KG_MEMORY_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/hash.h"
#include "memory/entry.h"

enum {
	KG_VECTORS_LOOKED_MAX = 100000,   /* newest vectors that a question looks at */
	KG_VECTORS_BYTES_MAX = 256 << 20, /* of memory for that: fewer of long vectors */
	KG_VECTORS_DIM_MAX = 16384
};

typedef struct kg_vectors kg_vectors;

/* Opens or makes the file, for vectors of `dim` numbers by one model. A damaged file, or one of
 * another version, is replaced by an empty one. */
KG_NODISCARD kg_err kg_vectors_open(kg_vectors **out, const char *path,
				    const uint8_t model[KG_HASH_SIZE], uint32_t dim);
void kg_vectors_free(kg_vectors *vectors);

/* Puts between begin and end are one transaction. */
KG_NODISCARD kg_err kg_vectors_begin(kg_vectors *vectors);
KG_NODISCARD kg_err kg_vectors_end(kg_vectors *vectors);

/* Keeps the vector `x` of an entry, made int8 by its largest number. */
KG_NODISCARD kg_err kg_vectors_put(kg_vectors *vectors, const kg_entry_id *id, int64_t time_ms,
				   const float *x);
KG_NODISCARD kg_err kg_vectors_has(kg_vectors *vectors, bool *has, const kg_entry_id *id,
				   int64_t time_ms);

/* Up to which state of an index every entry has its vector; zero when nothing was noted. */
typedef struct {
	uint64_t entries;
	kg_entry_id newest;
} kg_vectors_mark;

KG_NODISCARD kg_err kg_vectors_marked(kg_vectors *vectors, kg_vectors_mark *mark);
KG_NODISCARD kg_err kg_vectors_set_mark(kg_vectors *vectors, const kg_vectors_mark *mark);

typedef struct {
	kg_entry_id id;
	double likeness; /* -1..1 */
} kg_vectors_hit;

/* The `limit` entries most like `x`, best first, ties by id; `*looked` vectors were looked at,
 * `*more` tells of older ones that were not. free() the hits. */
KG_NODISCARD kg_err kg_vectors_nearest(kg_vectors *vectors, kg_vectors_hit **hits, size_t *count,
				       size_t *looked, bool *more, const float *x, size_t limit);

#endif
