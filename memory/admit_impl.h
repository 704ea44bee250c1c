/* SPDX-License-Identifier: MIT */
/* admit_impl – what the two halves of admit share: what is known (admit.c), and judging by it. */
#ifndef KG_MEMORY_ADMIT_IMPL_H
#define KG_MEMORY_ADMIT_IMPL_H

#include "memory/admit.h"
#include "memory/witness.h"

/* The word of `swarm` about `agent`, if it certifies the key and may: NULL where the own swarm has
 * certified it and `swarm` is another, and where `swarm` is not believed. */
const kg_admit_member *kg_admit__counts(const kg_admit *admit, const kg_pubkey *agent,
					const kg_pubkey *swarm);

#endif
