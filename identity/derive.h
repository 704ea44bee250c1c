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
 */
#ifndef KG_IDENTITY_DERIVE_H
#define KG_IDENTITY_DERIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/curve.h"
#include "identity/key.h"

enum { KG_NAME_MAX = 63, KG_NAME_SIZE = KG_NAME_MAX + 1 };

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

/* What signs for the person at the command line. Borrowed. */
const kg_key *kg_swarm_operator_key(const kg_swarm *swarm);

/* The key of agent `name`; the caller frees it. */
KG_NODISCARD kg_err kg_swarm_agent_key(const kg_swarm *swarm, const char *name, kg_key **out);

/* The CURVE pair of the process `name` ("orchestrator", "memory", "operator", an agent's name). */
KG_NODISCARD kg_err kg_swarm_curve(const kg_swarm *swarm, const char *name, kg_curve **out);

#endif
