/* SPDX-License-Identifier: MIT */
/*
 * fmath_loops – the loops of fmath, written once and compiled for each instruction set.
 *
 * Private to fmath.c and kernel/. Plain C whose operations and order are the definition; compiled
 * without contraction, so that wider vectors change the speed and not one bit. Everything here is
 * static: no copy built for one instruction set can be linked into code for another.
 */
#ifndef KG_RUNTIME_FMATH_LOOPS_H
#define KG_RUNTIME_FMATH_LOOPS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even, for |x| < 2^22:
 * rintf without libm, and it vectorises. */
#define LOOPS_ROUND 12582912.0f

enum { LOOPS_LANES = 16 };

static inline float loops_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline uint32_t loops_bits(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* x = k ln 2 + r, |r| <= ln 2 / 2; e^r by its Taylor polynomial (degree 7: 5e-9 of truncation),
 * ln 2 in two parts so that k * hi is exact (Cody & Waite 1980). */
static inline float loops_exp(float x)
{
	float t;
	float k;
	float r;
	float p;

	x = x < -87.0f ? -87.0f : x;
	x = x > 88.0f ? 88.0f : x;
	t = x * 1.44269504f + LOOPS_ROUND;
	k = t - LOOPS_ROUND;
	r = (x - k * 0.693359375f) - k * -2.12194440e-4f;
	p = 1.9841270e-4f;
	p = p * r + 1.3888889e-3f;
	p = p * r + 8.3333333e-3f;
	p = p * r + 4.1666667e-2f;
	p = p * r + 1.6666667e-1f;
	p = p * r + 0.5f;
	p = (p * r) * r + r + 1.0f;
	/* The low bits of t hold k; shifted to the exponent they multiply by 2^k. */
	return p * loops_float((loops_bits(t) << 23) + 0x3f800000u);
}

static inline float loops_silu(float x)
{
	return x / (1.0f + loops_exp(-x));
}

static inline void loops_swiglu(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gate[i] = loops_silu(gate[i]) * up[i];
}

/* Lanes l and l+8, then l+4, l+2, l+1. */
static inline float loops_tree(float lane[LOOPS_LANES])
{
	for (size_t half = LOOPS_LANES / 2; half > 0; half /= 2)
		for (size_t l = 0; l < half; l++)
			lane[l] += lane[l + half];
	return lane[0];
}

static inline float loops_sum(const float *x, size_t n)
{
	float lane[LOOPS_LANES] = {0};
	size_t whole = n - n % LOOPS_LANES;

	for (size_t i = 0; i < whole; i += LOOPS_LANES)
		for (size_t l = 0; l < LOOPS_LANES; l++)
			lane[l] += x[i + l];
	for (size_t l = 0; l < n - whole; l++)
		lane[l] += x[whole + l];
	return loops_tree(lane);
}

/* The greatest of `least` and all x. In lanes, because a single maximum is one long chain. */
static inline float loops_max(const float *x, size_t n, float least)
{
	float lane[LOOPS_LANES];
	size_t whole = n - n % LOOPS_LANES;

	for (size_t l = 0; l < LOOPS_LANES; l++)
		lane[l] = least;
	for (size_t i = 0; i < whole; i += LOOPS_LANES)
		for (size_t l = 0; l < LOOPS_LANES; l++)
			lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
	for (size_t l = 0; l < n - whole; l++)
		lane[l] = x[whole + l] > lane[l] ? x[whole + l] : lane[l];
	for (size_t half = LOOPS_LANES / 2; half > 0; half /= 2)
		for (size_t l = 0; l < half; l++)
			lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l];
	return lane[0];
}

static inline float loops_max_size(const float *x, size_t n, float least)
{
	float lane[LOOPS_LANES];
	size_t whole = n - n % LOOPS_LANES;

	for (size_t l = 0; l < LOOPS_LANES; l++)
		lane[l] = least;
	for (size_t i = 0; i < whole; i += LOOPS_LANES)
		for (size_t l = 0; l < LOOPS_LANES; l++) {
			float a = fabsf(x[i + l]);

			lane[l] = a > lane[l] ? a : lane[l];
		}
	for (size_t l = 0; l < n - whole; l++) {
		float a = fabsf(x[whole + l]);

		lane[l] = a > lane[l] ? a : lane[l];
	}
	return loops_max(lane, LOOPS_LANES, least);
}

static inline void loops_softmax(float *x, size_t n)
{
	float max = loops_max(x, n, x[0]);
	float scale;

	for (size_t i = 0; i < n; i++)
		x[i] = loops_exp(x[i] - max);
	scale = 1.0f / loops_sum(x, n);
	for (size_t i = 0; i < n; i++)
		x[i] *= scale;
}

/* x in steps of 1 / g. */
static inline int8_t loops_step(float x, float g)
{
	float v = x * g;

	v = v < -127.0f ? -127.0f : v;
	v = v > 127.0f ? 127.0f : v;
	/* The low byte of the rounded sum is the integer, in two's complement. */
	return (int8_t)(uint8_t)loops_bits(v + LOOPS_ROUND);
}

static inline float loops_quantize(int8_t *q, const float *x, size_t n)
{
	float g = 127.0f / loops_max_size(x, n, 1e-5f);

	for (size_t i = 0; i < n; i++)
		q[i] = loops_step(x[i], g);
	return 1.0f / g;
}

#endif
