/* SPDX-License-Identifier: MIT */
#include "runtime/feedback.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 16 /* rows that share a pass over the factor */ };

/* sum[k] += e V_jk for the places after `from`. */
static void push(double *restrict sum, const double *restrict v, double e, size_t from, size_t n)
{
	for (size_t k = from; k < n; k++)
		sum[k] += e * v[k];
}

kg_err kg_feedback(double *loss, const kg_factor *factor, const float *r, uint32_t rows,
		   kg_feedback_round *round, void *context)
{
	size_t n = factor->cols;
	double *sum = malloc(ROWS * n * sizeof(*sum));
	double total = 0.0;

	if (sum == NULL)
		return kg_fail(KG_ENOMEM, "no memory for rows of %zu columns", n);
	for (uint32_t first = 0; first < rows; first += ROWS) {
		uint32_t last = rows - first > ROWS ? first + ROWS : rows;

		memset(sum, 0, ROWS * n * sizeof(*sum));
		for (size_t j = 0; j < n; j++) {
			const double *v = factor->upper + j * n;
			uint32_t col = factor->order[j];

			for (uint32_t i = first; i < last; i++) {
				double *s = sum + (i - first) * n;
				double w = (double)r[(size_t)i * n + col];
				float wanted = (float)(w + s[j] / v[j]);
				double e = w - (double)round(context, i, col, wanted);
				double left = s[j] + e * v[j];

				total += left * left;
				push(s, v, e, j + 1, n);
			}
		}
	}
	free(sum);
	*loss = total;
	return KG_OK;
}

/* Two places of one factor row block: V_jj, V_jk, V_kk. */
typedef struct {
	double jj, jk, kk;
} corner;

/* What two weights of a row are to become, given the sums of their places. */
static void wanted(double out[2], const double w[2], const double s[2], const corner *v)
{
	double first = s[0] / v->jj;

	out[0] = w[0] + first;
	out[1] = w[1] + (s[1] - first * v->jk) / v->kk;
}

kg_err kg_feedback_pairs(double *loss, const kg_factor *factor, const float *r, uint32_t rows,
			 kg_feedback_round_pair *round, void *context)
{
	size_t n = factor->cols;
	uint32_t half = rows / 2;
	double *sum = malloc(ROWS * n * sizeof(*sum));
	double total = 0.0;

	if (sum == NULL)
		return kg_fail(KG_ENOMEM, "no memory for rows of %zu columns", n);
	for (uint32_t first = 0; first < half; first += ROWS / 2) {
		uint32_t last = half - first > ROWS / 2 ? first + ROWS / 2 : half;

		memset(sum, 0, ROWS * n * sizeof(*sum));
		for (size_t j = 0; j < n; j += 2) {
			const double *v = factor->upper + j * n;
			corner c = {v[j], v[j + 1], v[n + j + 1]};
			double metric[3] = {c.jj * c.jj + c.jk * c.jk, c.jk * c.kk, c.kk * c.kk};
			uint32_t col = factor->order[j];

			for (uint32_t i = first; i < last; i++) {
				double value[4];

				for (uint32_t k = 0; k < 2; k++) {
					const float *w = r + ((size_t)i + k * half) * n + col;
					double both[2] = {(double)w[0], (double)w[n / 2]};

					wanted(value + 2 * k, both,
					       sum + (2 * (i - first) + k) * n + j, &c);
				}
				round(context, i, col, value, metric);
				for (uint32_t k = 0; k < 2; k++) {
					const float *w = r + ((size_t)i + k * half) * n + col;
					double *s = sum + (2 * (i - first) + k) * n;
					double e0 = (double)w[0] - value[2 * k];
					double e1 = (double)w[n / 2] - value[2 * k + 1];
					double left0 = s[j] + e0 * c.jj;
					double left1 = s[j + 1] + e0 * c.jk + e1 * c.kk;

					total += left0 * left0 + left1 * left1;
					push(s, v, e0, j + 2, n);
					push(s, v + n, e1, j + 2, n);
				}
			}
		}
	}
	free(sum);
	*loss = total;
	return KG_OK;
}
