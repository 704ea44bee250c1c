/* SPDX-License-Identifier: MIT */
/*
 * renewal – which generation of its keys each name is at, as the chains say it.
 *
 * The last entry of a replaced key names its successor; <state>/keys/generations only remembers
 * that. After `identity recover`, or when a command was killed between the two, the chains are
 * asked again.
 */
#ifndef KG_CLI_RENEWAL_H
#define KG_CLI_RENEWAL_H

#include "base/err.h"
#include "cli/command.h"
#include "identity/derive.h"
#include "memory/admit.h"

/* Sets every name of `swarm` to the generation that its chains tell: the last one whose chain has
 * begun, each named by the one before, or behind one that was revoked. KG_ECONFLICT when a key was
 * given up and its successor has not begun: `rotate` finishes that. */
KG_NODISCARD kg_err kg_renewal_learn(kg_swarm *swarm, const kg_admit *admit);

/* The same from the memory of the state directory, kept in <state>/keys; nothing to learn is fine,
 * and so is a memory that cannot be read, which verify tells of. */
KG_NODISCARD kg_err kg_renewal_settle(kg_swarm *swarm, const kg_cli *cli);

#endif
