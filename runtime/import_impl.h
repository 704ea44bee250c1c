/* SPDX-License-Identifier: MIT */
/* import_impl – what the importers share once a tensor's floats are there. */
#ifndef KG_RUNTIME_IMPORT_IMPL_H
#define KG_RUNTIME_IMPORT_IMPL_H

#include <stdbool.h>

#include "base/err.h"
#include "runtime/hf_folder.h"
#include "runtime/model.h"

enum { KG_IMPORT_NAME_MAX = 96 };

/* Brings a tensor of a new model, filled as its file has it, into this runtime's order: where
 * `split`, queries and keys turn pairs (i, i + head_dim / 2) in the file. KG_ECORRUPT when a weight
 * is not finite, KG_ENOMEM. */
KG_NODISCARD kg_err kg_import__settle(kg_model *model, const kg_tensor *tensor, bool split);

/* The name of the real (part 0) or imaginary (part 1) half of a tensor in a folder of iFairy; the
 * head has one part. False when there is no such part. */
bool kg_import__ifairy_name(char out[KG_IMPORT_NAME_MAX], kg_tensor_role role, uint32_t layer,
			    int part);

/* Fills one tensor of a complex model from such a folder. As kg_hf_folder_floats; KG_ECORRUPT for
 * numbers that are not finite; KG_ENOMEM. */
KG_NODISCARD kg_err kg_import__ifairy_take(kg_model *model, const kg_tensor *tensor,
					   const kg_hf_folder *folder);

#endif
