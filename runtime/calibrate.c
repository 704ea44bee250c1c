/* SPDX-License-Identifier: MIT */
#include "runtime/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/fairy_fit.h"
#include "runtime/feedback.h"

#define BYTES_MAX ((uint64_t)1 << 30)

/* Matrices that take the same input share its moments. */
typedef enum { INPUT_ATTENTION, INPUT_OUTPUT, INPUT_FFN, INPUT_DOWN, INPUTS } input;

struct kg_calibration {
	const kg_model *model;
	const kg_model_config *config;
	kg_calibration_request request;
	kg_weights *weights;
	kg_session *session;
	uint32_t window; /* inputs in one */
	uint64_t windows;
	uint32_t group;       /* layers held at once */
	uint32_t first, last; /* the layers held: first..last-1 */
	kg_hessian *hessian;  /* group * INPUTS */
	uint64_t read, total; /* windows */
	/* Of the last matrix without a pairing: the next may be of the same input. */
	kg_factor factor;
	const kg_hessian *factored;
};

static input input_of(kg_tensor_role role)
{
	switch (role) {
	case KG_TENSOR_ATTN_OUTPUT:
		return INPUT_OUTPUT;
	case KG_TENSOR_FFN_GATE:
	case KG_TENSOR_FFN_UP:
		return INPUT_FFN;
	case KG_TENSOR_FFN_DOWN:
		return INPUT_DOWN;
	default:
		return INPUT_ATTENTION;
	}
}

static uint32_t cols_of(const kg_model_config *config, input in)
{
	switch (in) {
	case INPUT_OUTPUT:
		return config->heads * config->head_dim;
	case INPUT_DOWN:
		return config->hidden;
	default:
		return config->dim;
	}
}

static kg_hessian *moments_of(const kg_calibration *c, kg_tensor_role role, uint32_t layer)
{
	return &c->hessian[(size_t)(layer - c->first) * INPUTS + input_of(role)];
}

static void observe(void *context, uint32_t layer, kg_tensor_role role, const float *x, uint32_t n)
{
	const kg_calibration *c = context;

	(void)n;
	if (layer >= c->first && layer < c->last)
		kg_hessian_add(moments_of(c, role, layer), x);
}

static void forget(kg_calibration *c)
{
	for (size_t i = 0; i < (size_t)(c->last - c->first) * INPUTS; i++)
		kg_hessian_release(&c->hessian[i]);
	kg_factor_release(&c->factor);
	c->factored = NULL;
	c->last = c->first;
}

/* The layers of `layer`'s group, in place of those held. */
static kg_err collect(kg_calibration *c, uint32_t layer)
{
	kg_err err = KG_OK;

	forget(c);
	c->first = layer / c->group * c->group;
	c->last = c->first + c->group < c->config->layers ? c->first + c->group : c->config->layers;
	memset(c->hessian, 0, (size_t)c->group * INPUTS * sizeof(*c->hessian));
	for (uint32_t l = c->first; l < c->last && err == KG_OK; l++)
		for (int in = 0; in < INPUTS && err == KG_OK; in++)
			err = kg_hessian_init(
				&c->hessian[(size_t)(l - c->first) * INPUTS + (size_t)in],
				cols_of(c->config, (input)in));
	for (uint64_t w = 0; w < c->windows && err == KG_OK; w++) {
		kg_session_rewind(c->session, 0);
		err = kg_session_feed(c->session, c->request.text.ids + w * c->window, c->window,
				      NULL);
		c->read++;
		if (err == KG_OK && c->request.progress != NULL &&
		    !c->request.progress(c->request.context, c->read, c->total))
			err = kg_fail(KG_ETIMEOUT, "calibration stopped");
	}
	if (err != KG_OK)
		forget(c);
	return err;
}

/* How much there is to read, and how much of the moments to hold at once. */
static kg_err plan(kg_calibration *c)
{
	uint64_t bytes_max = c->request.bytes_max == 0 ? BYTES_MAX : c->request.bytes_max;
	uint64_t all = kg_evaluate_windows(c->session, c->request.text.count);
	uint64_t of_layer = 0;
	uint64_t group;

	if (all == 0)
		return kg_fail(KG_EINVAL, "the text has %zu tokens; one window needs %u",
			       c->request.text.count, c->window + 1);
	c->windows = c->request.text.windows;
	if (c->windows == 0 || c->windows > all)
		c->windows = all;
	for (int in = 0; in < INPUTS; in++)
		of_layer += kg_hessian_bytes(cols_of(c->config, (input)in));
	group = bytes_max / of_layer;
	c->group = group == 0 ? 1 : group < c->config->layers ? (uint32_t)group : c->config->layers;
	c->total = c->windows * ((c->config->layers + c->group - 1) / c->group);
	c->hessian = calloc((size_t)c->group * INPUTS, sizeof(*c->hessian));
	return c->hessian != NULL ? KG_OK : kg_fail(KG_ENOMEM, "no memory for a calibration");
}

kg_err kg_calibration_new(kg_calibration **out, const kg_model *model,
			  const kg_calibration_request *request)
{
	const kg_model_config *config = kg_model_get_config(model);
	kg_strategy own = kg_model_strategy(model);
	kg_session_options options = {.context = config->context < KG_EVALUATE_WINDOW
							 ? config->context
							 : KG_EVALUATE_WINDOW,
				      .threads = request->threads};
	kg_calibration *c;
	kg_err err;

	if (own.linear != KG_FORMAT_F32 && own.linear != KG_FORMAT_F16)
		return kg_fail(KG_EINVAL, "%s holds %s weights; a calibration needs floats",
			       kg_model_name(model), kg_strategy_name(&own));
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a calibration");
	c->model = model;
	c->config = config;
	c->request = *request;
	c->window = options.context;
	err = kg_weights_new(&c->weights, model, &own, NULL);
	if (err == KG_OK)
		err = kg_session_new(&c->session, c->weights, &options);
	if (err == KG_OK)
		err = plan(c);
	if (err != KG_OK) {
		kg_calibration_free(c);
		return err;
	}
	kg_session_observe(c->session, observe, c);
	*out = c;
	return KG_OK;
}

uint32_t kg_calibration_window(const kg_calibration *calibration)
{
	return calibration->window;
}

uint64_t kg_calibration_tokens(const kg_calibration *calibration)
{
	return calibration->windows * calibration->window;
}

uint64_t kg_calibration_windows(const kg_calibration *calibration)
{
	return calibration->total;
}

void kg_calibration_free(kg_calibration *calibration)
{
	if (calibration == NULL)
		return;
	forget(calibration);
	free(calibration->hessian);
	kg_session_free(calibration->session);
	kg_weights_free(calibration->weights);
	free(calibration);
}

static float round_grid(void *context, uint32_t row, uint32_t col, float value)
{
	const kg_rounding *r = context;
	float scale = r->scale[row];
	float q = scale == 0.0f ? 0.0f : rintf(value / scale);

	q = fminf(fmaxf(q, -KG_INT8_MAX), KG_INT8_MAX);
	r->grid[(size_t)row * r->tensor->cols + col] = (int8_t)q;
	return q * scale;
}

/* Codes of a whole matrix, which are packed row by row when all are known. */
typedef struct {
	kg_coded *coded;
	uint8_t *code;
} coded_codes;

static float round_coded(void *context, uint32_t row, uint32_t col, float value)
{
	const coded_codes *c = context;
	uint8_t code = kg_coded_nearest(c->coded, row, col, value);

	c->code[(size_t)row * c->coded->cols + col] = code;
	return kg_coded_value(c->coded, row, col, code);
}

typedef struct {
	kg_fairy *fairy;
	kg_fairy_choices choices;
} fairy_codes;

static void round_fairy(void *context, uint32_t i, uint32_t c, double value[4],
			const double metric[3])
{
	fairy_codes *f = context;

	kg_fairy_choose(f->fairy, &f->choices, i, c, value, metric);
}

static kg_err fit_grid(const kg_rounding *r, const kg_factor *factor)
{
	const kg_tensor *t = r->tensor;
	double loss;

	for (uint32_t i = 0; i < t->rows; i++) {
		size_t at = (size_t)i * t->cols;
		kg_err err = kg_grid_quantize(r->grid + at, &r->scale[i], r->floats + at, t->cols,
					      KG_INT8_MAX);

		if (err != KG_OK)
			return err;
	}
	/* The rounding is only read through the context. */
	return kg_feedback(&loss, factor, r->floats, t->rows, round_grid,
			   &(kg_rounding){.tensor = t, .grid = r->grid, .scale = r->scale});
}

static kg_err fit_coded(const kg_rounding *r, const kg_factor *factor)
{
	const kg_tensor *t = r->tensor;
	coded_codes codes = {.coded = r->coded, .code = malloc((size_t)t->rows * t->cols)};
	double loss;
	kg_err err;

	if (codes.code == NULL)
		return kg_fail(KG_ENOMEM, "no memory for codes");
	err = kg_coded_fit(r->coded, r->floats);
	if (err == KG_OK)
		err = kg_feedback(&loss, factor, r->floats, t->rows, round_coded, &codes);
	for (uint32_t i = 0; i < t->rows && err == KG_OK; i++)
		kg_coded_pack(r->coded, i, codes.code + (size_t)i * t->cols);
	free(codes.code);
	return err;
}

static kg_err fit_fairy(const kg_rounding *r, kg_hessian *hessian)
{
	const kg_tensor *t = r->tensor;
	fairy_codes codes = {.fairy = r->fairy};
	float *residual = malloc((size_t)t->rows * t->cols * sizeof(*residual));
	kg_factor factor = {0};
	double loss;
	kg_err err;

	if (residual == NULL)
		return kg_fail(KG_ENOMEM, "no memory to fit %s", t->name);
	err = kg_fairy_fit(r->fairy, r->floats, t->rows, t->cols, r->stages, residual);
	free(residual);
	if (err == KG_OK)
		err = kg_factor_init(&factor, hessian, r->pairing->col, r->pairing->col_sign);
	if (err != KG_OK)
		return err;
	kg_fairy_choices_init(&codes.choices, r->fairy);
	err = kg_feedback_pairs(&loss, &factor, r->floats, t->rows, round_fairy, &codes);
	kg_factor_release(&factor);
	return err;
}

kg_err kg_calibration_round(void *calibration, const kg_rounding *rounding)
{
	kg_calibration *c = calibration;
	const kg_tensor *t = rounding->tensor;
	kg_hessian *hessian;
	kg_err err = KG_OK;

	KG_ASSERT(kg_tensor_role_is_linear(t->role) && t->layer < c->config->layers);
	if (t->layer < c->first || t->layer >= c->last)
		err = collect(c, t->layer);
	if (err != KG_OK)
		return err;
	hessian = moments_of(c, t->role, t->layer);
	if (rounding->fairy != NULL)
		return fit_fairy(rounding, hessian);
	if (c->factored != hessian) {
		kg_factor_release(&c->factor);
		c->factored = NULL;
		err = kg_factor_init(&c->factor, hessian, NULL, NULL);
		if (err != KG_OK)
			return err;
		c->factored = hessian;
	}
	return rounding->coded != NULL ? fit_coded(rounding, &c->factor)
				       : fit_grid(rounding, &c->factor);
}
