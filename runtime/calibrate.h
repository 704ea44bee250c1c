/* SPDX-License-Identifier: MIT */
/*
 * calibrate – rounding a model so that its layers answer as they did on a text.
 *
 * The float model reads the text in the windows of runtime/evaluate.h; the second moments of what
 * enters each matrix (runtime/hessian.h) then steer the rounding of it (runtime/feedback.h): int8
 * and coded matrices weight by weight under the scales and palettes of plain rounding, fairy ones
 * two by two in the paired order under scales of runtime/fairy_fit.h. Same model, text, windows and
 * form: the same file in every bit.
 */
#ifndef KG_RUNTIME_CALIBRATE_H
#define KG_RUNTIME_CALIBRATE_H

#include "runtime/evaluate.h"

typedef struct kg_calibration kg_calibration;

typedef struct {
	kg_text_request text;
	/* Moments held at once, which is as many layers as fit but one at least; the text is read
	 * once for each such group of layers. 0: 1 GiB. */
	uint64_t bytes_max;
	uint32_t threads;               /* of the reading; 0 = 1 */
	kg_evaluate_progress *progress; /* of all windows read, or NULL */
	void *context;
} kg_calibration_request;

/* Borrows the model, which is f32 or f16, and the tokens. KG_EINVAL for another model or a text
 * shorter than one window, KG_ENOMEM. */
KG_NODISCARD kg_err kg_calibration_new(kg_calibration **out, const kg_model *model,
				       const kg_calibration_request *request);
/* Inputs in a window; tokens of the text that are read; windows read for one model in all, over all
 * groups of layers. */
uint32_t kg_calibration_window(const kg_calibration *calibration);
uint64_t kg_calibration_tokens(const kg_calibration *calibration);
uint64_t kg_calibration_windows(const kg_calibration *calibration);

void kg_calibration_free(kg_calibration *calibration);

/* A kg_rounder, with the calibration for its context. Reads the text when a tensor is of a layer
 * that is not held. KG_EFULL for a matrix of more than KG_HESSIAN_COLS_MAX columns, KG_EINVAL,
 * KG_ENOMEM, KG_ETIMEOUT when the progress said stop. */
KG_NODISCARD kg_err kg_calibration_round(void *calibration, const kg_rounding *rounding);

#endif
