/* SPDX-License-Identifier: MIT */
/* tables – the kernel tables of this folder, one per file; private to runtime/kernel.c. */
#ifndef KG_RUNTIME_KERNEL_TABLES_H
#define KG_RUNTIME_KERNEL_TABLES_H

#include "runtime/kernel.h"

extern const kg_kernel kg_kernel_scalar;
extern const kg_kernel kg_kernel_avx2;       /* AVX2 and F16C */
extern const kg_kernel kg_kernel_avx512vnni; /* AVX-512 F, BW, VL, VNNI */

#endif
