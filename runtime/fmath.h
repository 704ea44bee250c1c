/* SPDX-License-Identifier: MIT */
/*
 * fmath – the transcendental functions of the runtime, with every operation and its order written.
 *
 * libm differs between systems in the last bit, and one bit can turn one token. These use only
 * IEEE 754 add, multiply, divide, square root and bit moves, never fused, so the same input gives
 * the same bits on every machine and with every vector width. Ranges and errors are measured
 * against libm in tests/runtime/test_fmath.c.
 */
#ifndef KG_RUNTIME_FMATH_H
#define KG_RUNTIME_FMATH_H

#include <stddef.h>
#include <stdint.h>

/* e^x; relative error < 2e-7. Below -87 (above 88) the result is that of -87 (88): never 0, never
 * infinite. NaN gives NaN. */
float kg_fmath_expf(float x);

/* x[i] = e^x[i], as kg_fmath_expf. */
void kg_fmath_exps(float *x, size_t n);

/* e^x in double for |x| <= 700 (clamped beyond); relative error < 4e-16. */
double kg_fmath_exp(double x);

/* Natural logarithm of a positive, finite, normal x; error < 4e-16 * max(1, |log x|). */
double kg_fmath_log(double x);

/* Sine and cosine for 0 <= x <= 1e6; absolute error < 1e-15. */
void kg_fmath_sincos(double x, double *sine, double *cosine);

/* x / (1 + e^-x). */
float kg_fmath_siluf(float x);

/* gate[i] = silu(gate[i]) * up[i]. */
void kg_fmath_swiglu(float *gate, const float *up, size_t n);

/* Sum in 16 lanes: lane l takes x[l], x[l+16], …; then lanes l and l+8, l+4, l+2, l+1 are added. */
float kg_fmath_sum(const float *x, size_t n);

/* x[i] = e^(x[i]-max) / sum, the sum as in kg_fmath_sum; n >= 1. */
void kg_fmath_softmax(float *x, size_t n);

/* log of the softmax of logits[0..n-1] at `at`, in double: (x[at] - max) - log(sum e^(x - max)). */
double kg_fmath_log_softmax(const float *logits, size_t n, size_t at);

/*
 * Activations to int8, one scale per vector: g = 127 / max(max|x|, 1e-5);
 * q[i] = x[i] * g rounded half to even, within ±127. Returns 1 / g, the value of one step.
 */
float kg_fmath_quantize(int8_t *q, const float *x, size_t n);

#endif
