/* SPDX-License-Identifier: MIT */
/*
 * specimen – model files of a given shape with random weights: for measuring speed and memory.
 *
 * A specimen says nothing that means anything, but it is a whole model: its file is like any other,
 * its activations stay in range from layer to layer, its vocabulary has all bytes and made-up words
 * that text really merges into, and no token ends a text. The same shape, strategy and seed give
 * the same file on every machine. Codes are drawn as they are stored: no model in floats is ever
 * made, so that a large specimen takes time and memory for its file only.
 */
#ifndef KG_RUNTIME_SPECIMEN_H
#define KG_RUNTIME_SPECIMEN_H

#include <stdint.h>

#include "base/err.h"
#include "runtime/format.h"
#include "runtime/model.h"

typedef struct {
	const char *name;
	const char *strategy; /* what it is made for */
	kg_model_config config;
} kg_specimen_shape;

/* The shapes that have names, smallest first. Borrowed, static. */
uint32_t kg_specimen_count(void);
const kg_specimen_shape *kg_specimen_at(uint32_t index);

/* KG_EINVAL with the list of names. Capitals do not matter. */
KG_NODISCARD kg_err kg_specimen_find(const kg_specimen_shape **out, const char *name);

/* A vocabulary of `count` tokens: <unk>, <s>, </s>, the bytes, letters, then words joined from
 * earlier pieces, the earlier the higher their score. KG_EINVAL below 512; KG_ENOMEM. */
KG_NODISCARD kg_err kg_specimen_tokenizer(kg_tokenizer **out, uint32_t count, uint64_t seed);

/* Writes a specimen, whole or not at all. KG_EINVAL for a strategy that does not fit the shape,
 * KG_EFULL when the disk is, KG_EIO, KG_ENOMEM. */
KG_NODISCARD kg_err kg_specimen_save(const char *path, const kg_specimen_shape *shape,
				     const kg_strategy *strategy, uint64_t seed);

#endif
