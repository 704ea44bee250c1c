/* SPDX-License-Identifier: MIT */
/* tokenizer_gguf – a tokenizer as the tokenizer.ggml.* keys of a model file. */
#ifndef KG_RUNTIME_TOKENIZER_GGUF_H
#define KG_RUNTIME_TOKENIZER_GGUF_H

#include "base/err.h"
#include "runtime/gguf.h"
#include "runtime/tokenizer.h"

/* Also of files that hold a vocabulary and no tensors. Known are the SentencePiece kind ("llama")
 * and the byte-level one ("gpt2") with the pre-tokenizers of runtime/pretokenizer.h. KG_ENOTFOUND
 * when a key is missing, KG_EINVAL naming a pre-tokenizer that is not known, KG_ECORRUPT for the
 * rest. */
KG_NODISCARD kg_err kg_tokenizer_from_gguf(kg_tokenizer **out, const kg_gguf *gguf);

/* KG_ENOMEM only. */
KG_NODISCARD kg_err kg_tokenizer_to_gguf(const kg_tokenizer *tokenizer, kg_gguf_writer *writer);

#endif
