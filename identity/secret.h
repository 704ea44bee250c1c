/* SPDX-License-Identifier: MIT */
/*
 * secret – the one place of a process where secrets lie.
 *
 * One region of guarded, locked, undumpable memory for the whole process, handed out in small
 * slots. One region and not one allocation per secret, because every guarded allocation costs whole
 * pages and an unprivileged process may lock few. Thread-safe. The region is made by the first use
 * and outlives every secret; it is the only state of a process that identity keeps.
 */
#ifndef KG_IDENTITY_SECRET_H
#define KG_IDENTITY_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
	KG_SECRET_SLOT = 64,    /* granularity in bytes; also the alignment of what is returned */
	KG_SECRET_SLOTS = 511,  /* slots of a process */
	KG_SECRET_MAX = 64 * 64 /* bytes of one secret */
};

/* Starts libsodium and makes the region. Every identity call that needs it calls it; calling it
 * again is harmless. KG_OK also where the system refuses to lock: see kg_secret_is_locked. */
KG_NODISCARD kg_err kg_identity_init(void);

/* Whether the region is locked into memory. False means that secrets may reach the swap device
 * (RLIMIT_MEMLOCK too small): worth a warning in a log. False before kg_identity_init. */
bool kg_secret_is_locked(void);

/* Zeroed room for `size` bytes, 1..KG_SECRET_MAX; KG_EFULL when the slots are used up. */
KG_NODISCARD kg_err kg_secret_new(void **out, size_t size);

/* Wipes and gives back. Takes NULL. */
void kg_secret_free(void *secret);

/* Wipes memory that is not of this region, such as text a library has read; the compiler cannot
 * drop it. */
void kg_secret_wipe(void *data, size_t size);

/* Slots in use, for tests and doctor. */
size_t kg_secret_used(void);

#endif
