/* SPDX-License-Identifier: MIT */
/*
 * report – what a quantized model has of its base: bytes, errors of weights, what is kept of a
 * text.
 *
 * The error of weights is relative and squared: the sum of (w - q)^2 over the sum of w^2, 0 where
 * both are 0.
 */
#ifndef KG_RUNTIME_REPORT_H
#define KG_RUNTIME_REPORT_H

#include "runtime/model.h"

typedef struct {
	uint64_t weights;
	uint64_t bytes; /* in the quantized file, scales and padding included */
	double error;   /* sum of (w - q)^2 */
	double square;  /* sum of w^2 */
} kg_report_sum;

typedef struct {
	const kg_tensor *tensor; /* of the quantized model */
	kg_report_sum sum;
} kg_report_row;

typedef struct {
	uint32_t count;
	kg_report_row *row; /* matrices of layers, and tables, in file order */
} kg_report;

/* Borrows `model`. KG_EINVAL when `base` has another shape, KG_ENOMEM. Matrices of format phase are
 * left out: they have no real numbers and are never made narrower. */
KG_NODISCARD kg_err kg_report_init(kg_report *report, const kg_model *base, const kg_model *model);
void kg_report_release(kg_report *report);

/* All rows of a role; of all matrices of layers. */
kg_report_sum kg_report_of_role(const kg_report *report, kg_tensor_role role);
kg_report_sum kg_report_of_layers(const kg_report *report);

/* Relative squared error; 8 bytes / weights, 0 where there are none. */
double kg_report_error(const kg_report_sum *sum);
double kg_report_bits(const kg_report_sum *sum);

/*
 * The share of what the base knows of a text, beyond a guess among all tokens alike, that is left:
 *
 *     (ln vocabulary - nll) / (ln vocabulary - nll of the base)
 *
 * in nats per token. 1 is all of it, 0 none; below 0 is worse than the guess. NAN when the base
 * knows no more than the guess.
 */
double kg_report_retention(double base_nll, double nll, uint32_t vocabulary);

#endif
