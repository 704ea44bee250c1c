/* SPDX-License-Identifier: MIT */
/* tiny – a complete model of a few hundred weights, for tests of files. */
#ifndef KG_TESTS_RUNTIME_TINY_H
#define KG_TESTS_RUNTIME_TINY_H

#include "base/buf.h"
#include "runtime/model.h"

enum { TINY_VOCABULARY = 11 };

/* dim 4, one layer, one head, every linear matrix 4 x 4; pieces: the three controls, space, "a",
 * "b", "c", "ab", "abc", " a" and the byte 0xFF. Weights are zero. */
kg_model *tiny_model(bool tied);

/* The same of complex numbers: dim 5, heads of 5, hidden 3. Norms and tables are to be filled. */
kg_model *tiny_complex(void);

/* Fills all tensors with small distinct numbers drawn from `seed`. */
void tiny_fill(kg_model *model, uint64_t seed);

/* The file of `model` under a strategy, in memory aligned for kg_model_open_memory; free(). */
uint8_t *tiny_file(const kg_model *model, kg_format linear, const uint8_t *seed, size_t *size);

/* A copy aligned for kg_model_open_memory; free(). */
uint8_t *tiny_aligned(const uint8_t *data, size_t size);

#endif
