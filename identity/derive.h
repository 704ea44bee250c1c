/* SPDX-License-Identifier: MIT */
/*
 * derive – every key of a swarm from its words.
 *
 *   words → 64-byte BIP-39 seed → bytes 0..31: Ed25519 seed of the swarm key
 *                               → all 64: BLAKE2b-256, tag "kindergarten kdf v1": master
 *   master → crypto_kdf subkey 1 under an 8-byte context → context key
 *   context key → BLAKE2b-256 keyed with it, of a name → the 32-byte seed of that name
 *
 * Contexts: "kgagents" agent signing keys, "kgcurve_" CURVE secrets, "kgoperat" the operator's
 * signing key (name "operator"). The same words give the same swarm and the same agents on any
 * machine; one agent's key tells nothing of another's.
 *
 * A name has generations of keys, since a key may have to be replaced. Generation 0 is the seed of
 * the name alone; for a later one the name, a zero byte and the number (32 bits, little-endian) are
 * hashed instead. Which generation is in use is no secret: see generations.h.
 */
#ifndef KG_IDENTITY_DERIVE_H
#define KG_IDENTITY_DERIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/curve.h"
#include "identity/key.h"

enum {
	KG_NAME_MAX = 63,
	KG_NAME_SIZE = KG_NAME_MAX + 1,
	KG_GENERATION_MAX = 9999,      /* the last generation of a name */
	KG_GENERATION_NAMES_MAX = 4096 /* names whose keys were ever replaced */
};

#define KG_OPERATOR_NAME "operator"

typedef struct kg_swarm kg_swarm;

/* KG_EINVAL unless the name is 1..63 of a-z, 0-9 and '-', '-' neither first nor last: a DNS label,
 * since in a cluster the name of an agent is the name of its host. */
KG_NODISCARD kg_err kg_name_check(const char *name);

/* The swarm of these words (kg_mnemonic_decode's text; codes as there). */
KG_NODISCARD kg_err kg_swarm_from_mnemonic(kg_swarm **out, const char *words, size_t length);

/* The same from entropy. */
KG_NODISCARD kg_err kg_swarm_from_entropy(kg_swarm **out, const uint8_t *entropy, size_t size);

void kg_swarm_free(kg_swarm *swarm);

/* The swarm's id is its public key. Borrowed. */
const kg_pubkey *kg_swarm_id(const kg_swarm *swarm);

/* The swarm's signing key, for checkpoints and certificates. Borrowed. */
const kg_key *kg_swarm_key(const kg_swarm *swarm);

/* What signs for the person at the command line. Borrowed, until another generation is set. */
const kg_key *kg_swarm_operator_key(const kg_swarm *swarm);

/* The key of agent `name`, of the generation in use; the caller frees it. */
KG_NODISCARD kg_err kg_swarm_agent_key(const kg_swarm *swarm, const char *name, kg_key **out);

/* The key of one generation of `name`, an agent's or KG_OPERATOR_NAME; the caller frees it. */
KG_NODISCARD kg_err kg_swarm_key_at(const kg_swarm *swarm, const char *name, uint32_t generation,
				    kg_key **out);

/* The generation of `name` in use: 0 unless another was set. */
uint32_t kg_swarm_generation(const kg_swarm *swarm, const char *name);

/* From now on the keys of `name` are of this generation. KG_EINVAL beyond KG_GENERATION_MAX or for
 * what is no name, KG_EFULL for too many names. */
KG_NODISCARD kg_err kg_swarm_set_generation(kg_swarm *swarm, const char *name, uint32_t generation);

/* The names that are not at generation 0, in ascending order: the one at `index`, or NULL. */
const char *kg_swarm_renewed(const kg_swarm *swarm, size_t index);

/* The CURVE pair of the process `name` ("orchestrator", "memory", "operator", an agent's name), of
 * the generation in use: whoever has the old key of an agent gets no connection with it. */
KG_NODISCARD kg_err kg_swarm_curve(const kg_swarm *swarm, const char *name, kg_curve **out);

#endif
