/* SPDX-License-Identifier: MIT */
/*
 * export_gguf – any model as a GGUF file that llama.cpp loads.
 *
 * The architecture is llama, or qwen3 for a model that norms queries and keys, with rows back in
 * qwen's order. Matrices and tables become F32, F16 or Q8_0 (F16 where rows are no multiple of 32);
 * vectors stay F32. Quantized models are exported as the floats that they stand for.
 */
#ifndef KG_RUNTIME_EXPORT_GGUF_H
#define KG_RUNTIME_EXPORT_GGUF_H

#include "base/buf.h"
#include "base/err.h"
#include "runtime/gguf.h"
#include "runtime/model.h"

/* Appends the file to `out`; `type` is KG_GGML_F32, KG_GGML_F16 or KG_GGML_Q8_0. KG_EINVAL for a
 * model that no architecture of llama.cpp computes and for weights beyond halves; KG_ENOMEM. */
KG_NODISCARD kg_err kg_export_gguf(const kg_model *model, kg_ggml_type type, kg_buf *out);

/* The same into a file, whole or not at all. */
KG_NODISCARD kg_err kg_export_gguf_save(const kg_model *model, kg_ggml_type type, const char *path);

#endif
