/* SPDX-License-Identifier: MIT */
/* quantize – what `model quantize` tells of its result: a table, a JSON document, a picture. */
#ifndef KG_CLI_QUANTIZE_H
#define KG_CLI_QUANTIZE_H

#include "base/buf.h"
#include "base/json.h"
#include "identity/hash.h"
#include "runtime/evaluate.h"
#include "runtime/report.h"

typedef struct {
	const kg_model *base;
	const kg_model *model;
	kg_report report;
	uint64_t calibration_windows; /* 0: rounded to the nearest */
	bool has_text;
	kg_text_score text; /* of the model; its reference is the base */
} kg_quantize_result;

/* The seven classes of matrices in the order of kg_strategy, as roles. */
extern const kg_tensor_role kg_quantize_classes[KG_STRATEGY_CLASSES];

/* "attn_q" and so on; "embedding", "head". */
const char *kg_quantize_class_name(kg_tensor_role role);

void kg_quantize_print(const kg_quantize_result *result);

/* NULL when there is no memory. */
json_t *kg_quantize_json(const kg_quantize_result *result);

/* An SVG document: the error of every matrix over the layers, a line for each class. Colours follow
 * the reader's preference for light or dark; nothing is loaded from elsewhere. */
void kg_quantize_svg(kg_buf *out, const kg_quantize_result *result);

#endif
