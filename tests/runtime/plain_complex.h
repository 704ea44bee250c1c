/* SPDX-License-Identifier: MIT */
/*
 * plain_complex – iFairy in doubles, written from its formulas with complex arithmetic: whole
 * sequences, no cache, nothing of the runtime but the shape of a config.
 */
#ifndef KG_TESTS_RUNTIME_PLAIN_COMPLEX_H
#define KG_TESTS_RUNTIME_PLAIN_COMPLEX_H

#include <complex.h>
#include <stdbool.h>

#include "runtime/model.h"

enum { PLAIN_LENGTH = 24, PLAIN_WIDE = 48, PLAIN_LAYERS = 2 };

/* A matrix of codes and two scales; an element is 1, -1, i or -i times the scale of its axis. */
typedef struct {
	uint32_t rows;
	uint32_t cols;
	uint8_t code[PLAIN_WIDE][PLAIN_WIDE];
	float re;
	float im;
} plain_matrix;

typedef struct {
	plain_matrix q, k, v, o, gate, up, down;
	double complex attn_norm[PLAIN_WIDE]; /* gains: of the real and of the imaginary parts */
	double complex attn_sub_norm[PLAIN_WIDE];
	double complex ffn_norm[PLAIN_WIDE];
	double complex ffn_sub_norm[PLAIN_WIDE];
} plain_layer;

typedef struct {
	kg_model_config c;
	bool quantized; /* activations, keys and values in steps, as the runtime has them */
	bool int8_head; /* the tables too */
	plain_layer layer[PLAIN_LAYERS];
	double complex final_norm[PLAIN_WIDE];
	double complex (*embedding)[PLAIN_WIDE];
	float (*head)[2 * PLAIN_WIDE]; /* real: of real parts, then of imaginary parts */
} plain_model;

/* A model of random weights, free with plain_free; PLAIN_* bound the config. */
plain_model *plain_random(const kg_model_config *config, uint64_t seed);
void plain_free(plain_model *plain);

/* Fills a model of the same config with the same numbers. */
void plain_to_model(const plain_model *plain, kg_model *model);

/* Logits after the last of `length` tokens. */
void plain_logits(double *logits, const plain_model *plain, const uint32_t *token, uint32_t length);

#endif
