/* SPDX-License-Identifier: MIT */
/*
 * import_hf – models of Hugging Face folders: config.json, tokenizer.json (or tokenizer.model) and
 * model.safetensors, or model.safetensors.index.json with its shards; the template of conversations
 * from chat_template.jinja or tokenizer_config.json where there is one.
 *
 * Weights may be F32, F16 or BF16. Rows of queries and keys are brought into the order of this
 * runtime (rotary.h). A tensor that the model has no place for is refused by name.
 *
 * Folders of iFairy (model_type complexnet) hold latent complex weights as pairs of tensors, real
 * and imaginary. Their matrices are quantized here (phase.h), one after the other: the model has
 * them as codes, all else as floats.
 */
#ifndef KG_RUNTIME_IMPORT_HF_H
#define KG_RUNTIME_IMPORT_HF_H

#include "base/err.h"
#include "runtime/model.h"

/* The model in memory. KG_ENOTFOUND for a missing file, KG_EINVAL for what is not done here, naming
 * it, KG_ECORRUPT, KG_EFULL, KG_ENOMEM, KG_EIO. */
KG_NODISCARD kg_err kg_import_hf(kg_model **out, const char *folder, const char *name);

#endif
