/* SPDX-License-Identifier: MIT */
/*
 * incoming – the quarantine: a bare repository <state>/incoming/<name>.git, where everything from
 * outside stays until it has been judged.
 *
 * It borrows the objects of memory.git, so that only what is new has to come, and memory.git does
 * not know of it: what lies here is seen by no reader of the memory. Every exchange makes it anew;
 * what a killed process left there is gone then.
 */
#ifndef KG_MEMORY_INCOMING_H
#define KG_MEMORY_INCOMING_H

#include <stdint.h>

#include "base/err.h"
#include "memory/store.h"

typedef struct kg_incoming kg_incoming;

/* What may be taken from outside in one go. */
typedef struct {
	uint64_t objects_max;
	uint64_t bytes_max; /* as they come, compressed */
	uint64_t refs_max;
} kg_incoming_limits;

/* Makes it anew. `name` is checked: KG_EINVAL unless kg_incoming_name_check takes it. */
KG_NODISCARD kg_err kg_incoming_create(kg_incoming **out, const char *state_dir, const char *name);

/* Opens it as it is: KG_ENOTFOUND. */
KG_NODISCARD kg_err kg_incoming_open(kg_incoming **out, const char *state_dir, const char *name);
void kg_incoming_free(kg_incoming *incoming);

/* Removes it from the disk; a missing one is fine. */
KG_NODISCARD kg_err kg_incoming_remove(const char *state_dir, const char *name);

/* Its objects, and those of the memory, for reading. Borrowed. */
kg_store *kg_incoming_store(kg_incoming *incoming);

/* Its refs become the chains and proofs of `ours`, so that the other side is told what need not be
 * sent. */
KG_NODISCARD kg_err kg_incoming_tell_ours(kg_incoming *incoming, kg_store *ours);

/* 1 to 40 of a-z, 0-9, '-', '_' and '.', the first a letter or digit: KG_EINVAL. */
KG_NODISCARD kg_err kg_incoming_name_check(const char *name);

#endif
