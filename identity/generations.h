/* SPDX-License-Identifier: MIT */
/*
 * generations – which generation of its keys each name of a swarm is at: <state>/keys/generations.
 *
 *   kindergarten-generations 1
 *   <name> <generation>             by name, ascending; names at generation 0 are left out
 *   signature <128 hex>             of the swarm key, over all lines before
 *
 * No secret, and nothing that only this file knows: the chains say the same (the last entry of a
 * replaced key names its successor), so a lost file is made again from them.
 */
#ifndef KG_IDENTITY_GENERATIONS_H
#define KG_IDENTITY_GENERATIONS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "identity/derive.h"

enum { KG_GENERATIONS_FILE_MAX = KG_GENERATION_NAMES_MAX * (KG_NAME_MAX + 8) + 256 };

/* Sets the generations of `swarm` to what its file says. KG_ENOTFOUND without one, KG_ECORRUPT,
 * KG_EBADSIG when it is not this swarm's. */
KG_NODISCARD kg_err kg_generations_read(kg_swarm *swarm, const char *state_dir);

/* Writes what `swarm` has, durably. */
KG_NODISCARD kg_err kg_generations_write(const kg_swarm *swarm, const char *state_dir);

/* The two as bytes. After a failed decode `swarm` is at generation 0 everywhere. */
KG_NODISCARD kg_err kg_generations_encode(kg_buf *out, const kg_swarm *swarm);
KG_NODISCARD kg_err kg_generations_decode(kg_swarm *swarm, const char *text, size_t length);

#endif
