/* SPDX-License-Identifier: MIT */
/* nursery – the default model, embedded in the program (models/nursery.fairy at build time). */
#ifndef KG_RUNTIME_NURSERY_H
#define KG_RUNTIME_NURSERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/model.h"

/* KG_ENOTFOUND when the program was built without a model. */
KG_NODISCARD kg_err kg_nursery_open(kg_model **out);

/* The embedded file, aligned to 64; NULL and 0 when there is none. */
const uint8_t *kg_nursery_bytes(size_t *size);

#endif
