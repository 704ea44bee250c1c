/* SPDX-License-Identifier: MIT */
/* tables – the kernel tables of this folder, one per file; private to runtime/kernel.c. */
#ifndef KG_RUNTIME_KERNEL_TABLES_H
#define KG_RUNTIME_KERNEL_TABLES_H

#include "runtime/kernel.h"

extern const kg_kernel kg_kernel_scalar;
extern const kg_kernel kg_kernel_avx2;       /* AVX2 and F16C */
extern const kg_kernel kg_kernel_avx512vnni; /* AVX-512 F, BW, VL, VNNI */
extern const kg_kernel kg_kernel_avx512vbmi; /* the same with VBMI */
extern const kg_kernel kg_kernel_neon;       /* ARMv8.2 with the dot product */

/* The definitions of gather, scatter and its two for four vectors, where there is nothing faster.
 */
void kg_kernel__gather(int8_t *out, const int8_t *x, const uint16_t *index, const int8_t *sign,
		       uint32_t n);
void kg_kernel__scatter(float *y, const kg_kernel_scatter *from);
void kg_kernel__scatter_four(float *room, const kg_kernel_scatter *from);
void kg_kernel__spread_four(float *y, size_t y_stride, const float *room, uint32_t n);

#endif
