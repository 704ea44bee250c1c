/* SPDX-License-Identifier: MIT */
/* coded_fit – scales and palettes of least error; private to runtime/coded.c. */
#ifndef KG_RUNTIME_CODED_FIT_H
#define KG_RUNTIME_CODED_FIT_H

#include "runtime/coded.h"

/* kg_coded_fit for finite floats. */
KG_NODISCARD kg_err kg_coded__fit(kg_coded *coded, const float *r);

#endif
