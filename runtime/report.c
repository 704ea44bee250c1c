/* SPDX-License-Identifier: MIT */
#include "runtime/report.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/fmath.h"

static bool is_reported(const kg_tensor *t)
{
	return !kg_tensor_role_is_vector(t->role) && t->format != KG_FORMAT_PHASE;
}

/* `room` is twice the floats of the tensor. */
static kg_err compare(kg_report_sum *sum, const kg_model *base, const kg_tensor *from,
		      const kg_model *model, const kg_tensor *to, float *room)
{
	size_t n = (size_t)to->rows * to->cols;
	kg_err err = kg_model_tensor_floats(base, from, room);

	if (err == KG_OK)
		err = kg_model_tensor_floats(model, to, room + n);
	if (err != KG_OK)
		return err;
	*sum = (kg_report_sum){.weights = n, .bytes = to->bytes};
	for (size_t i = 0; i < n; i++) {
		double w = (double)room[i];
		double e = w - (double)room[n + i];

		sum->error += e * e;
		sum->square += w * w;
	}
	return KG_OK;
}

static kg_err fill(kg_report *report, const kg_model *base, const kg_model *model, float *room)
{
	for (uint32_t i = 0; i < kg_model_tensor_count(model); i++) {
		const kg_tensor *to = kg_model_tensor_at(model, i);
		const kg_tensor *from = kg_model_tensor(base, to->role, to->layer);
		kg_report_row *row = &report->row[report->count];
		kg_err err;

		if (!is_reported(to))
			continue;
		row->tensor = to;
		err = compare(&row->sum, base, from, model, to, room);
		if (err != KG_OK)
			return err;
		report->count++;
	}
	return KG_OK;
}

/* Weights of the greatest tensor, or 0 when the models have not the same tensors. */
static size_t greatest_of(const kg_model *base, const kg_model *model)
{
	size_t most = 0;

	if (kg_model_tensor_count(base) != kg_model_tensor_count(model) ||
	    kg_model_get_config(base)->layers != kg_model_get_config(model)->layers)
		return 0;
	for (uint32_t i = 0; i < kg_model_tensor_count(model); i++) {
		const kg_tensor *to = kg_model_tensor_at(model, i);
		const kg_tensor *from = kg_model_tensor(base, to->role, to->layer);
		size_t n = (size_t)to->rows * to->cols;

		if (from == NULL || from->rows != to->rows || from->cols != to->cols ||
		    (from->format == KG_FORMAT_PHASE) != (to->format == KG_FORMAT_PHASE))
			return 0;
		most = n > most ? n : most;
	}
	return most;
}

kg_err kg_report_init(kg_report *report, const kg_model *base, const kg_model *model)
{
	size_t most = greatest_of(base, model);
	float *room;
	kg_err err;

	*report = (kg_report){0};
	if (most == 0)
		return kg_fail(KG_EINVAL, "%s has not the shape of its base %s",
			       kg_model_name(model), kg_model_name(base));
	room = malloc(2 * most * sizeof(*room));
	report->row = calloc(kg_model_tensor_count(model), sizeof(*report->row));
	if (room == NULL || report->row == NULL)
		err = kg_fail(KG_ENOMEM, "no memory to compare %zu weights", most);
	else
		err = fill(report, base, model, room);
	free(room);
	if (err != KG_OK)
		kg_report_release(report);
	return err;
}

void kg_report_release(kg_report *report)
{
	free(report->row);
	*report = (kg_report){0};
}

static void add(kg_report_sum *to, const kg_report_sum *from)
{
	to->weights += from->weights;
	to->bytes += from->bytes;
	to->error += from->error;
	to->square += from->square;
}

kg_report_sum kg_report_of_role(const kg_report *report, kg_tensor_role role)
{
	kg_report_sum sum = {0};

	for (uint32_t i = 0; i < report->count; i++)
		if (report->row[i].tensor->role == role)
			add(&sum, &report->row[i].sum);
	return sum;
}

kg_report_sum kg_report_of_layers(const kg_report *report)
{
	kg_report_sum sum = {0};

	for (uint32_t i = 0; i < report->count; i++)
		if (kg_tensor_role_is_linear(report->row[i].tensor->role))
			add(&sum, &report->row[i].sum);
	return sum;
}

double kg_report_error(const kg_report_sum *sum)
{
	return sum->error > 0.0 ? sum->error / sum->square : 0.0;
}

double kg_report_bits(const kg_report_sum *sum)
{
	return sum->weights == 0 ? 0.0 : 8.0 * (double)sum->bytes / (double)sum->weights;
}

double kg_report_retention(double base_nll, double nll, uint32_t vocabulary)
{
	double guess = kg_fmath_log((double)vocabulary);

	return base_nll < guess ? (guess - nll) / (guess - base_nll) : NAN;
}
