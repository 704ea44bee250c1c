/* SPDX-License-Identifier: MIT */
/*
 * kinds – a function for each kind of lines, made from a table's own product; private to kernel/.
 *
 * In one function for all the compiler keeps the constants of all kinds in registers.
 */
#ifndef KG_RUNTIME_KERNEL_KINDS_H
#define KG_RUNTIME_KERNEL_KINDS_H

#include "runtime/kernel.h"

#define KINDS_ONE(name, kind, product)                                                          \
 static __attribute__((noinline)) void name(const kg_kernel_lines *w, const kg_kernel_job *job) \
 {                                                                                              \
  product(kind, w, job);                                                                        \
 }

/* lines_of_kind(w, job), out of product(kind, w, job) and, for bytes that are looked up before,
 * wide(w, job). */
#define KINDS(product, wide)                                                   \
 KINDS_ONE(lines_int8, KG_LINES_INT8, product)                                 \
 KINDS_ONE(lines_int4, KG_LINES_INT4, product)                                 \
 KINDS_ONE(lines_palette16, KG_LINES_PALETTE16, product)                       \
 KINDS_ONE(lines_int2, KG_LINES_INT2, product)                                 \
 KINDS_ONE(lines_ternary, KG_LINES_TERNARY, product)                           \
 KINDS_ONE(lines_palette4, KG_LINES_PALETTE4, product)                         \
 static void lines_of_kind(const kg_kernel_lines *w, const kg_kernel_job *job) \
 {                                                                             \
  switch (w->kind) {                                                           \
  case KG_LINES_INT8:                                                          \
   lines_int8(w, job);                                                         \
   break;                                                                      \
  case KG_LINES_INT4:                                                          \
   lines_int4(w, job);                                                         \
   break;                                                                      \
  case KG_LINES_PALETTE16:                                                     \
   lines_palette16(w, job);                                                    \
   break;                                                                      \
  case KG_LINES_INT2:                                                          \
   lines_int2(w, job);                                                         \
   break;                                                                      \
  case KG_LINES_TERNARY:                                                       \
   lines_ternary(w, job);                                                      \
   break;                                                                      \
  case KG_LINES_PALETTE4:                                                      \
   lines_palette4(w, job);                                                     \
   break;                                                                      \
  case KG_LINES_PALETTE256:                                                    \
   wide(w, job);                                                               \
   break;                                                                      \
  }                                                                            \
 }

#endif
