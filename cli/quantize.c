/* SPDX-License-Identifier: MIT */
#include "cli/quantize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"

const kg_tensor_role kg_quantize_classes[KG_STRATEGY_CLASSES] = {
	KG_TENSOR_ATTN_Q,   KG_TENSOR_ATTN_K, KG_TENSOR_ATTN_V,  KG_TENSOR_ATTN_OUTPUT,
	KG_TENSOR_FFN_GATE, KG_TENSOR_FFN_UP, KG_TENSOR_FFN_DOWN};

const char *kg_quantize_class_name(kg_tensor_role role)
{
	switch (role) {
	case KG_TENSOR_ATTN_Q:
		return "attn_q";
	case KG_TENSOR_ATTN_K:
		return "attn_k";
	case KG_TENSOR_ATTN_V:
		return "attn_v";
	case KG_TENSOR_ATTN_OUTPUT:
		return "attn_output";
	case KG_TENSOR_FFN_GATE:
		return "ffn_gate";
	case KG_TENSOR_FFN_UP:
		return "ffn_up";
	case KG_TENSOR_FFN_DOWN:
		return "ffn_down";
	case KG_TENSOR_EMBEDDING:
		return "embedding";
	default:
		return "head";
	}
}

static size_t file_bytes(const kg_model *model)
{
	size_t size;

	(void)kg_model_bytes(model, &size);
	return size;
}

static double file_bits(const kg_model *model)
{
	return 8.0 * (double)file_bytes(model) / (double)kg_model_parameters(model);
}

/* The row of a matrix of a layer, or NULL. */
static const kg_report_row *row_of(const kg_quantize_result *result, kg_tensor_role role,
				   uint32_t layer)
{
	for (uint32_t i = 0; i < result->report.count; i++)
		if (result->report.row[i].tensor->role == role &&
		    result->report.row[i].tensor->layer == layer)
			return &result->report.row[i];
	return NULL;
}

static void print_sum(const char *name, const char *format, const kg_report_sum *sum)
{
	if (sum->weights != 0)
		printf("%-12s %-10s %12llu %8.3f %10.6f\n", name, format,
		       (unsigned long long)sum->weights, kg_report_bits(sum), kg_report_error(sum));
}

static void print_layers(const kg_quantize_result *result)
{
	printf("\n%-5s", "layer");
	for (int k = 0; k < KG_STRATEGY_CLASSES; k++)
		printf(" %11s", kg_quantize_class_name(kg_quantize_classes[k]));
	printf("\n");
	for (uint32_t l = 0; l < kg_model_get_config(result->model)->layers; l++) {
		printf("%5u", l);
		for (int k = 0; k < KG_STRATEGY_CLASSES; k++) {
			const kg_report_row *row = row_of(result, kg_quantize_classes[k], l);

			printf(" %11.6f", row == NULL ? 0.0 : kg_report_error(&row->sum));
		}
		printf("\n");
	}
}

static void print_text(const kg_quantize_result *result)
{
	const kg_text_score *text = &result->text;
	double nll = kg_text_score_nll(text);
	double base = text->reference_nll / (double)text->tokens;
	double kept =
		kg_report_retention(base, nll, kg_model_get_config(result->model)->vocabulary);

	printf("\n%-24s %llu tokens in %llu windows\n", "text", (unsigned long long)text->tokens,
	       (unsigned long long)text->windows);
	printf("%-24s %.4f\n", "perplexity of the base", exp(base));
	printf("%-24s %.4f (x %.4f)\n", "perplexity", exp(nll), exp(nll - base));
	printf("%-24s %.4f\n", "agrees with the base", (double)text->agreed / (double)text->tokens);
	printf("%-24s %.4f\n", "information kept", kept);
}

void kg_quantize_print(const kg_quantize_result *result)
{
	kg_report_sum layers = kg_report_of_layers(&result->report);
	kg_strategy strategy = kg_model_strategy(result->model);

	printf("%-12s %-10s %12s %8s %10s\n", "matrices", "format", "weights", "bits", "error");
	for (int k = 0; k < KG_STRATEGY_CLASSES; k++) {
		kg_tensor_role role = kg_quantize_classes[k];
		kg_report_sum sum = kg_report_of_role(&result->report, role);
		const kg_report_row *first = row_of(result, role, 0);

		if (first != NULL)
			print_sum(kg_quantize_class_name(role),
				  kg_format_name(first->tensor->format), &sum);
	}
	print_sum("all of these", "", &layers);
	for (uint32_t i = 0; i < result->report.count; i++) {
		const kg_report_row *row = &result->report.row[i];

		if (!kg_tensor_role_is_linear(row->tensor->role))
			print_sum(kg_quantize_class_name(row->tensor->role),
				  kg_format_name(row->tensor->format), &row->sum);
	}
	if (layers.weights != 0)
		print_layers(result);
	if (result->has_text)
		print_text(result);
	printf("\n%s: %zu bytes, %.3f bits per parameter; the base has %zu bytes\n",
	       kg_strategy_name(&strategy), file_bytes(result->model), file_bits(result->model),
	       file_bytes(result->base));
}

/* A number, or null for what is none. */
static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *sum_json(const kg_report_sum *sum)
{
	return json_pack("{s:I, s:I, s:f, s:o}", "weights", (json_int_t)sum->weights, "bytes",
			 (json_int_t)sum->bytes, "bits_per_weight", kg_report_bits(sum), "error",
			 number(kg_report_error(sum)));
}

/* Null for what is in no layer. */
static json_t *layer_json(const kg_tensor *t)
{
	return t->role < KG_TENSOR_LAYER_ROLES ? json_integer((json_int_t)t->layer) : json_null();
}

static json_t *tensors_json(const kg_quantize_result *result)
{
	json_t *all = json_array();
	int failed = all == NULL;

	for (uint32_t i = 0; i < result->report.count && !failed; i++) {
		const kg_report_row *row = &result->report.row[i];
		const kg_tensor *t = row->tensor;
		json_t *one = sum_json(&row->sum);

		failed = one == NULL ||
			 json_object_update_new(
				 one, json_pack("{s:s, s:s, s:o, s:s, s:I, s:I}", "name", t->name,
						"class", kg_quantize_class_name(t->role), "layer",
						layer_json(t), "format", kg_format_name(t->format),
						"rows", (json_int_t)t->rows, "cols",
						(json_int_t)t->cols)) != 0;
		failed |= json_array_append_new(all, one);
	}
	if (failed) {
		json_decref(all);
		return NULL;
	}
	return all;
}

static json_t *classes_json(const kg_quantize_result *result)
{
	json_t *all = json_object();
	int failed = all == NULL;

	for (int role = 0; role < KG_TENSOR_ROLE_COUNT && !failed; role++) {
		kg_report_sum sum = kg_report_of_role(&result->report, (kg_tensor_role)role);

		if (sum.weights != 0)
			failed = json_object_set_new(
				all, kg_quantize_class_name((kg_tensor_role)role), sum_json(&sum));
	}
	if (failed) {
		json_decref(all);
		return NULL;
	}
	return all;
}

static json_t *text_json(const kg_quantize_result *result)
{
	const kg_text_score *text = &result->text;
	double nll = kg_text_score_nll(text);
	double base;

	if (!result->has_text)
		return json_null();
	base = text->reference_nll / (double)text->tokens;
	return json_pack("{s:I, s:I, s:f, s:o, s:f, s:o, s:f, s:o}", "tokens",
			 (json_int_t)text->tokens, "windows", (json_int_t)text->windows,
			 "nll_per_token_base", base, "perplexity_per_token_base", number(exp(base)),
			 "nll_per_token", nll, "perplexity_per_token", number(exp(nll)),
			 "top1_agreement", (double)text->agreed / (double)text->tokens,
			 "information_retention",
			 number(kg_report_retention(
				 base, nll, kg_model_get_config(result->model)->vocabulary)));
}

static json_t *hex_json(const uint8_t *digest)
{
	char text[KG_HASH_TEXT_SIZE];

	if (digest == NULL)
		return json_null();
	kg_hex_encode(text, digest, KG_HASH_SIZE);
	return json_string(text);
}

json_t *kg_quantize_json(const kg_quantize_result *result)
{
	kg_report_sum layers = kg_report_of_layers(&result->report);
	kg_strategy strategy = kg_model_strategy(result->model);

	return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o, s:o}",
			 "strategy", kg_strategy_name(&strategy), "seed",
			 hex_json(kg_model_seed(result->model)), "calibration",
			 hex_json(kg_model_calibration(result->model)), "calibration_windows",
			 (json_int_t)result->calibration_windows, "base_bytes",
			 (json_int_t)file_bytes(result->base), "file_bytes",
			 (json_int_t)file_bytes(result->model), "parameters",
			 (json_int_t)kg_model_parameters(result->model), "bits_per_weight",
			 kg_report_bits(&layers), "bits_per_weight_file", file_bits(result->model),
			 "error", number(kg_report_error(&layers)), "classes", classes_json(result),
			 "tensors", tensors_json(result), "text", text_json(result));
}
