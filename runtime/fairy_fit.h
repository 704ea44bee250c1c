/* SPDX-License-Identifier: MIT */
/*
 * fairy_fit – scales and codes of two-bit complex weights of less error than fairy.h's own.
 *
 * kg_fairy_quantize takes each stage's scale as the mean of what its codes keep, stage after stage.
 * Here the scales of all stages are fitted together by least squares to the codes, the codes are
 * chosen anew under those scales, and so on while the error falls. The result has the same form.
 */
#ifndef KG_RUNTIME_FAIRY_FIT_H
#define KG_RUNTIME_FAIRY_FIT_H

#include "runtime/fairy.h"

enum {
	KG_FAIRY_CHOICES_MAX = 64, /* 4^stages */
};

/* What U and W of one position can be under the scales of a kg_fairy: real and imaginary part by
 * the codes of the stages, two bits each, the first lowest. */
typedef struct {
	uint32_t count;
	double u[KG_FAIRY_CHOICES_MAX][2];
	double w[KG_FAIRY_CHOICES_MAX][2];
} kg_fairy_choices;

void kg_fairy_choices_init(kg_fairy_choices *choices, const kg_fairy *q);

/*
 * The codes for position (i, j) that stand nearest to value[0..3] = (i, j), (i, j + m), (i + n, j),
 * (i + n, j + m) of the real matrix, where an error x, y of a row costs a x^2 + 2 b x y + d y^2
 * with metric a, b, d; found by turns for U and W. Sets the codes in q's planes and value to what
 * they stand for.
 */
void kg_fairy_choose(kg_fairy *q, const kg_fairy_choices *choices, uint32_t i, uint32_t j,
		     double value[4], const double metric[3]);

/* As kg_fairy_quantize, then the above by turns while the squared error falls. */
KG_NODISCARD kg_err kg_fairy_fit(kg_fairy *out, const float *r, uint32_t rows, uint32_t cols,
				 uint32_t stages, float *residual);

#endif
