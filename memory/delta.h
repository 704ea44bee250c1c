/* SPDX-License-Identifier: MIT */
/*
 * delta – an object told by what it shares with another: copies of runs of the other one, and what
 * is new, in git's form (gitformat-pack(5), "Deltified representation").
 *
 * Entries of a chain repeat its keys, its name and most of the signature's armour; told by an
 * earlier one they take a third less.
 */
#ifndef KG_MEMORY_DELTA_H
#define KG_MEMORY_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { KG_DELTA_BASE_MAX = 16 << 10, KG_DELTA_TABLE = 1 << 11 };

/* What others are told by. Zero-initialised it is empty. */
typedef struct {
	uint8_t *data;
	size_t size;
	uint16_t at[KG_DELTA_TABLE]; /* 1 + where a run of eight bytes begins, by its hash; 0: none
				      */
} kg_delta_base;

/* Copies the bytes, 1..KG_DELTA_BASE_MAX. KG_ENOMEM. */
KG_NODISCARD kg_err kg_delta_base_set(kg_delta_base *base, const void *data, size_t size);
void kg_delta_base_release(kg_delta_base *base);

/* Appends the delta that makes `data` of the base. */
void kg_delta_make(kg_buf *out, const kg_delta_base *base, const void *data, size_t size);

#endif
