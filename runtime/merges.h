/* SPDX-License-Identifier: MIT */
/*
 * merges – which two neighbouring tokens become one, and how early: BPE's ranked list.
 *
 * Zeroed memory is an empty list. A pair that is put again keeps its first rank.
 */
#ifndef KG_RUNTIME_MERGES_H
#define KG_RUNTIME_MERGES_H

#include <stdint.h>

#include "base/err.h"

enum { KG_MERGES_MAX = 1 << 21 };

typedef struct {
	uint32_t left;
	uint32_t right;
	uint32_t joined;
} kg_merge;

typedef struct {
	kg_merge *list;  /* by rank */
	uint32_t *slots; /* ranks by hash of the pair */
	uint32_t count;
	uint32_t slots_count; /* 0 or a power of two */
} kg_merges;

void kg_merges_release(kg_merges *merges);

/* Appends a pair of the next rank. KG_EFULL beyond KG_MERGES_MAX; KG_EINVAL for pairs that were
 * made to collide. */
KG_NODISCARD kg_err kg_merges_put(kg_merges *merges, uint32_t left, uint32_t right,
				  uint32_t joined);

/* The merge of a pair, or NULL; its rank is its place in `list`. */
const kg_merge *kg_merges_find(const kg_merges *merges, uint32_t left, uint32_t right);

#endif
