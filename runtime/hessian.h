/* SPDX-License-Identifier: MIT */
/*
 * hessian – the second moments of a matrix's inputs, and their triangular factor.
 *
 * What rounding W to Q does to the outputs for inputs x_1..x_n is the sum over the rows e of W - Q
 * of e H e', with H = sum x x'. In a given order of the columns, and with a little added to the
 * diagonal, H = V V' with V upper triangular, so that this is the squared length of e V; see
 * runtime/feedback.h for what is done with it. All in doubles, every sum in one written order: the
 * same inputs give the same bits.
 */
#ifndef KG_RUNTIME_HESSIAN_H
#define KG_RUNTIME_HESSIAN_H

#include <stdint.h>

#include "base/err.h"

enum {
	KG_HESSIAN_COLS_MAX = 16384, /* 2 GiB */
	KG_HESSIAN_BATCH = 64,       /* vectors taken up at once */
};

typedef struct {
	uint32_t cols;
	uint32_t waiting; /* vectors not yet added */
	double *sum;      /* cols x cols; what is left of the diagonal is not kept */
	double *held;     /* the vectors waiting */
} kg_hessian;

/* KG_EFULL beyond KG_HESSIAN_COLS_MAX, KG_ENOMEM. Release takes one that is all zero, too. */
KG_NODISCARD kg_err kg_hessian_init(kg_hessian *hessian, uint32_t cols);
void kg_hessian_release(kg_hessian *hessian);

/* Adds x x'. */
void kg_hessian_add(kg_hessian *hessian, const float *x);

/* Bytes that one of `cols` columns takes. */
uint64_t kg_hessian_bytes(uint32_t cols);

typedef struct {
	uint32_t cols;
	uint32_t *order; /* order[i]: the column in place i */
	double *upper;   /* V, cols x cols, in places; below the diagonal nothing is said */
} kg_factor;

/*
 * Factors H with KG_HESSIAN_DAMPING of the mean of its diagonal added to it. Columns come in the
 * order of their moment, the greatest first, equal ones by number. With `column` and `sign` not
 * NULL, H is first turned to columns c with the inputs sign[c] * x[column[c]], and columns c and
 * c + cols/2 come together, by the sum of their moments. KG_EINVAL when a moment is not finite,
 * KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_factor_init(kg_factor *factor, kg_hessian *hessian, const uint32_t *column,
				   const int8_t *sign);
void kg_factor_release(kg_factor *factor);

#define KG_HESSIAN_DAMPING 0.01

#endif
