/* SPDX-License-Identifier: MIT */
/* sprout – a complete little byte model with random weights, as an opened model file. */
#ifndef KG_TESTS_AGENT_SPROUT_H
#define KG_TESTS_AGENT_SPROUT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/format.h"
#include "runtime/model.h"

enum { SPROUT_CONTEXT = 192 };

typedef struct {
	kg_model *model;
	uint8_t *file; /* aligned; what the model reads from */
	size_t size;
} sprout;

/* dim 16, two layers, two heads, bytes as tokens; weights drawn from `seed`. `form`: with the
 * template of lessons, or with none. Stored under `linear` with the pairing of `pairing` or the
 * plain one. */
void sprout_grow(sprout *s, uint64_t seed, bool form, kg_format linear, const uint8_t *pairing);
/* The same in f16, with a template of conversations. */
void sprout_grow_chat(sprout *s, uint64_t seed, bool form, const char *template);
void sprout_release(sprout *s);

#endif
