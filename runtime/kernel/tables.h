/* SPDX-License-Identifier: MIT */
/* tables – the kernel tables of this folder, one per file; private to runtime/kernel.c. */
#ifndef KG_RUNTIME_KERNEL_TABLES_H
#define KG_RUNTIME_KERNEL_TABLES_H

#include "runtime/kernel.h"

extern const kg_kernel kg_kernel_scalar;
extern const kg_kernel kg_kernel_avx2;       /* AVX2 and F16C */
extern const kg_kernel kg_kernel_avx512vnni; /* AVX-512 F, BW, VL, VNNI */
extern const kg_kernel kg_kernel_neon;       /* ARMv8.2 with the dot product */

/* For tables that have nothing faster yet. */
void kg_kernel__lines(const kg_kernel_lines *w, const kg_kernel_job *job);
void kg_kernel__groups(float *out, size_t out_stride, const kg_kernel_lines *w,
		       const uint16_t *scale, const float *step, const kg_kernel_job *job);
void kg_kernel__plane(const kg_kernel_plane *p, const kg_kernel_job *job);
void kg_kernel__phases(const kg_kernel_phases *p, const kg_kernel_job *job);
void kg_kernel__gather(int8_t *out, const int8_t *x, const uint16_t *index, const int8_t *sign,
		       uint32_t n);
void kg_kernel__scale_f32(float *y, const int32_t *sum, const float *scale, float step, uint32_t n);
void kg_kernel__scale_f16(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
			  float step, uint32_t n);
void kg_kernel__mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width,
		       const float *p, size_t p_stride, uint32_t count, uint32_t vectors);
void kg_kernel__rows_f32(float *y, size_t y_stride, const float *w, const float *x, size_t x_stride,
			 uint32_t rows, uint32_t cols, uint32_t count);
void kg_kernel__rows_f16(float *y, size_t y_stride, const uint16_t *w, const float *x,
			 size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count);
uint32_t kg_kernel__argmax(const float *x, size_t n);

#endif
