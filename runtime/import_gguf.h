/* SPDX-License-Identifier: MIT */
/*
 * import_gguf – models of llama.cpp: GGUF files of the architectures llama, qwen2 and qwen3.
 *
 * Weights may be F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, TQ1_0 or TQ2_0; all
 * become floats. Rows of queries and keys are brought into the order of this runtime (rotary.h).
 * What the forward step does not do (experts, other rotations, further tensors or keys of the
 * architecture) is refused by name. A window of attention bounds the context: within it nothing
 * differs.
 */
#ifndef KG_RUNTIME_IMPORT_GGUF_H
#define KG_RUNTIME_IMPORT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/model.h"

/* The model in memory. `data` needs no alignment. KG_ECORRUPT for what is wrong with the file,
 * KG_EINVAL for what is not done here, naming the key or tensor; KG_ENOMEM. */
KG_NODISCARD kg_err kg_import_gguf(kg_model **out, const uint8_t *data, size_t size,
				   const char *name);

#endif
