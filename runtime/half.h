/* SPDX-License-Identifier: MIT */
/*
 * half – IEEE 754 binary16, converted in integers so that every machine gives the same bits.
 */
#ifndef KG_RUNTIME_HALF_H
#define KG_RUNTIME_HALF_H

#include <stddef.h>
#include <stdint.h>

/* Exact. A NaN stays a NaN, made quiet. */
float kg_half_to_float(uint16_t half);

/* Round to nearest, ties to even; beyond the range becomes infinity; a NaN stays a NaN. */
uint16_t kg_half_from_float(float value);

void kg_half_to_floats(float *out, const uint16_t *half, size_t n);
void kg_half_from_floats(uint16_t *out, const float *value, size_t n);

#endif
