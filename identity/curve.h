/* SPDX-License-Identifier: MIT */
/*
 * curve – how a process proves itself on the bus: an X25519 key pair for ZeroMQ CURVE.
 *
 * Apart from the signing key on purpose: it is derived, not converted, so that a fault of the
 * transport never touches what signs memories. Both halves are 32 raw bytes, as ZMQ_CURVE_* take
 * them.
 */
#ifndef KG_IDENTITY_CURVE_H
#define KG_IDENTITY_CURVE_H

#include <stdint.h>

#include "base/err.h"

enum { KG_CURVE_SIZE = 32 };

typedef struct kg_curve kg_curve;

/* The pair whose secret half is `secret`; the caller wipes its copy. */
KG_NODISCARD kg_err kg_curve_new(kg_curve **out, const uint8_t secret[KG_CURVE_SIZE]);

/* A fresh random pair. */
KG_NODISCARD kg_err kg_curve_generate(kg_curve **out);

void kg_curve_free(kg_curve *curve);

/* Borrowed; the secret half in locked memory. */
const uint8_t *kg_curve_public(const kg_curve *curve);
const uint8_t *kg_curve_secret(const kg_curve *curve);

#endif
