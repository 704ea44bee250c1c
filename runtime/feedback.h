/* SPDX-License-Identifier: MIT */
/*
 * feedback – rounding in which every column makes up for the errors of those before it.
 *
 * With H = V V' (runtime/hessian.h) the error of a row at the outputs is the sum over the places k
 * of (e_0 V_0k + ... + e_k V_kk)^2, e = w - q. Place after place, what is rounded is therefore not
 * w_k but w_k + (e_0 V_0k + ... + e_{k-1} V_{k-1,k}) / V_kk. This is GPTQ (arXiv 2210.17323) with
 * its order by activation, written with a factor of H instead of one of its inverse; with H a
 * multiple of the identity it is plain rounding.
 */
#ifndef KG_RUNTIME_FEEDBACK_H
#define KG_RUNTIME_FEEDBACK_H

#include <stdint.h>

#include "base/err.h"
#include "runtime/hessian.h"

/* Rounds `value` for (row, col): keeps the code, returns what it stands for. */
typedef float kg_feedback_round(void *context, uint32_t row, uint32_t col, float value);

/* Every weight of the rows x cols matrix r. `loss`: the sum of e H e' over the rows. KG_ENOMEM. */
KG_NODISCARD kg_err kg_feedback(double *loss, const kg_factor *factor, const float *r,
				uint32_t rows, kg_feedback_round *round, void *context);

/*
 * The same two rows and two columns at a time, for complex weights: rows i and i + rows/2, columns
 * c and c + cols/2 of a factor that has them together. value[0..3]: (i, c), (i, c + cols/2),
 * (i + rows/2, c), (i + rows/2, c + cols/2); they are replaced by what was chosen. metric[0..2]: a,
 * b, d; an error x, y of a row costs a x^2 + 2 b x y + d y^2.
 */
typedef void kg_feedback_round_pair(void *context, uint32_t i, uint32_t c, double value[4],
				    const double metric[3]);

KG_NODISCARD kg_err kg_feedback_pairs(double *loss, const kg_factor *factor, const float *r,
				      uint32_t rows, kg_feedback_round_pair *round, void *context);

#endif
