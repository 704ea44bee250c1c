/* SPDX-License-Identifier: MIT */
/*
 * llama2c – models of llama2.c: the legacy .bin checkpoint and the tokenizer .bin beside it.
 *
 * A checkpoint is seven 32-bit integers (dim, hidden, layers, heads, kv heads, vocabulary, context;
 * a negative vocabulary means a head of its own) and float32 tensors; two tables of rotations among
 * them are skipped. A tokenizer is the longest piece's length and then score, length and bytes of
 * every piece; what SentencePiece writes is read as well: its model, and its text form (a line
 * "piece TAB score" each). Every size is checked against the header: a byte too few or too many is
 * an error.
 */
#ifndef KG_RUNTIME_LLAMA2C_H
#define KG_RUNTIME_LLAMA2C_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/model.h"

/* The model in memory. KG_ECORRUPT naming which of the two files is wrong and how. */
KG_NODISCARD kg_err kg_llama2c_import(kg_model **out, const uint8_t *checkpoint,
				      size_t checkpoint_size, const uint8_t *tokenizer,
				      size_t tokenizer_size, const char *name);

/* The tokenizer alone, of exactly `count` pieces. */
KG_NODISCARD kg_err kg_llama2c_tokenizer(kg_tokenizer **out, const uint8_t *data, size_t size,
					 uint32_t count);

#endif
