/* SPDX-License-Identifier: MIT */
/*
 * ggml_blocks – the tensor types of GGUF files as floats: plain numbers and ggml's blocks.
 *
 * A block type stores a run of 32 or 256 consecutive weights of a row as small integers with one or
 * more scales. Everything is computed in float exactly as the layout means it: at most the last
 * subtraction or addition of a minimum rounds.
 */
#ifndef KG_RUNTIME_GGML_BLOCKS_H
#define KG_RUNTIME_GGML_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/gguf.h"

/* Weights and bytes of one block (1 weight for plain numbers); false for a type not known here. */
bool kg_ggml_block(uint32_t type, uint32_t *weights, uint32_t *bytes);

/* "Q4_K"; "?" for a type not known here. */
const char *kg_ggml_type_name(uint32_t type);

/* Whether kg_ggml_to_floats knows the type: the floats and the blocks, no integers. */
bool kg_ggml_is_weights(uint32_t type);

/* `n` weights, a multiple of the block's. `data` needs no alignment. The type is one of weights. */
void kg_ggml_to_floats(float *out, kg_ggml_type type, const uint8_t *data, size_t n);

/* Q8_0 blocks of `n` finite floats, a multiple of 32: scale = largest absolute value / 127 as a
 * half, each weight divided by that in float and rounded, halves away from zero. Beyond the range
 * of halves the scale becomes infinite. */
void kg_ggml_from_floats_q8_0(uint8_t *out, const float *value, size_t n);

#endif
