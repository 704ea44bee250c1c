/* SPDX-License-Identifier: MIT */
/* crash – what the scene and the examination after it share. */
#ifndef KG_TESTS_E2E_CRASH_H
#define KG_TESTS_E2E_CRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/key.h"

/* Ends the program with what went wrong. */
void crash_check(kg_err err, const char *what);
void crash_require(bool good, const char *what);

/* All that must be true when everything is over: <dir>/notes-<i> of each writer has the ids that
 * were acknowledged to it, one on a line, some of them more than once. */
void crash_examine(const char *dir, const kg_pubkey *swarm, unsigned writers, unsigned entries);

#endif
