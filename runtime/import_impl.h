/* SPDX-License-Identifier: MIT */
/* import_impl – what the importers share once a tensor's floats are there. */
#ifndef KG_RUNTIME_IMPORT_IMPL_H
#define KG_RUNTIME_IMPORT_IMPL_H

#include <stdbool.h>

#include "base/err.h"
#include "runtime/model.h"

/* Brings a tensor of a new model, filled as its file has it, into this runtime's order: where
 * `split`, queries and keys turn pairs (i, i + head_dim / 2) in the file. KG_ECORRUPT when a weight
 * is not finite, KG_ENOMEM. */
KG_NODISCARD kg_err kg_import__settle(kg_model *model, const kg_tensor *tensor, bool split);

#endif
