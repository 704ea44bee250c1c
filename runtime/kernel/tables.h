/* SPDX-License-Identifier: MIT */
/* tables – the kernel tables of this folder, one per file; private to runtime/kernel.c. */
#ifndef KG_RUNTIME_KERNEL_TABLES_H
#define KG_RUNTIME_KERNEL_TABLES_H

#include <math.h>

#include "runtime/kernel.h"

extern const kg_kernel kg_kernel_scalar;
extern const kg_kernel kg_kernel_avx2;       /* AVX2 and F16C */
extern const kg_kernel kg_kernel_avx512vnni; /* AVX-512 F, BW, VL, VNNI */
extern const kg_kernel kg_kernel_avx512vbmi; /* the same with VBMI */
extern const kg_kernel kg_kernel_neon;       /* ARMv8.2 with the dot product */

/* The definitions of gather, scatter and its two for four vectors, where there is nothing faster.
 */
void kg_kernel__gather(int8_t *out, const int8_t *x, uint32_t reach, const uint16_t *index,
		       const int8_t *sign, uint32_t n);
void kg_kernel__scatter(float *y, const kg_kernel_scatter *from);
void kg_kernel__scatter_four(float *room, const kg_kernel_scatter *from);
void kg_kernel__spread_four(float *y, size_t y_stride, const float *room, uint32_t n);

/* kg_kernel.weigh around the softmax of a table. */
static inline void kg_kernel__weigh_by(float *p, const kg_kernel_scores *from,
				       void (*softmax)(float *x, size_t n))
{
	for (uint32_t v = 0; v < from->vectors; v++, p += from->stride) {
		const int32_t *sum = from->sum + v * from->stride;
		uint32_t count = from->count[v];

		for (uint32_t t = 0; t < count; t += KG_TILE_ROWS)
			for (uint32_t i = t; i < count && i < t + KG_TILE_ROWS; i++)
				p[i] = ((float)sum[i] * from->scale[t + i]) * from->step[v];
		softmax(p, count);
		for (uint32_t t = 0; t < count; t += KG_TILE_ROWS)
			for (uint32_t i = t; i < count && i < t + KG_TILE_ROWS; i++)
				p[i] *= from->scale[t + i + KG_TILE_ROWS];
		for (uint32_t t = count; t < from->end; t++)
			p[t] = 0.0f;
	}
}

/* kg_kernel.add, and kg_kernel.norm around the dot product of a table: for the compiler to widen.
 */
static inline void kg_kernel__add_by(float *restrict x, const float *restrict y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += y[i];
}

static inline void kg_kernel__norm_by(float *restrict out, const float *restrict x,
				      const float *restrict gain, size_t n, float divisor,
				      float eps,
				      float (*dot)(const float *a, const float *b, size_t n))
{
	float r = 1.0f / sqrtf(dot(x, x, n) / divisor + eps);

	for (size_t i = 0; i < n; i++)
		out[i] = gain[i] * (x[i] * r);
}

static inline void kg_kernel__turn_by(float *restrict x, const float *restrict cosine,
				      const float *restrict sine, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float re = x[2 * i];
		float im = x[2 * i + 1];

		x[2 * i] = re * cosine[i] - im * sine[i];
		x[2 * i + 1] = re * sine[i] + im * cosine[i];
	}
}

#endif
