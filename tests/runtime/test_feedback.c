/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/coded.h"
#include "runtime/fairy_fit.h"
#include "runtime/feedback.h"

enum { INPUTS = 300 };

static const kg_format formats[] = {KG_FORMAT_INT4,     KG_FORMAT_INT2,      KG_FORMAT_TERNARY,
				    KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE16, KG_FORMAT_PALETTE256};

enum { FORMATS = sizeof(formats) / sizeof(*formats) };

static double *zeros(size_t n)
{
	double *out = calloc(n, sizeof(*out));

	assert_non_null(out);
	return out;
}

static float *floats(size_t n)
{
	float *out = calloc(n, sizeof(*out));

	assert_non_null(out);
	return out;
}

static float *weights(uint32_t rows, uint32_t cols, uint64_t seed)
{
	float *r = floats((size_t)rows * cols);
	kg_rng rng;

	kg_rng_init_u64(&rng, seed);
	for (size_t i = 0; i < (size_t)rows * cols; i++)
		r[i] = kg_rng_float(&rng) + kg_rng_float(&rng) - 1.0f;
	return r;
}

/* INPUTS vectors, each the one before it a little changed and its neighbours much alike: what is
 * wrong in one column can be made up for in others. */
static float *inputs(uint32_t cols, uint64_t seed)
{
	float *x = floats((size_t)INPUTS * cols);
	kg_rng rng;

	kg_rng_init_u64(&rng, seed);
	for (uint32_t t = 0; t < INPUTS; t++) {
		float last = 0.0f;

		for (uint32_t j = 0; j < cols; j++) {
			last = 0.8f * last + kg_rng_float(&rng) - 0.5f;
			x[(size_t)t * cols + j] = last * (1.0f + (float)(j % 5));
		}
	}
	return x;
}

static kg_hessian hessian_of(const float *x, uint32_t cols)
{
	kg_hessian h;

	assert_int_equal(kg_hessian_init(&h, cols), KG_OK);
	for (uint32_t t = 0; t < INPUTS; t++)
		kg_hessian_add(&h, x + (size_t)t * cols);
	return h;
}

/* The damped moments, added up in the plainest way. */
static double *moments(const float *x, uint32_t cols)
{
	double *h = zeros((size_t)cols * cols);
	double mean = 0.0;

	for (uint32_t i = 0; i < cols; i++)
		for (uint32_t j = 0; j < cols; j++)
			for (uint32_t t = 0; t < INPUTS; t++)
				h[(size_t)i * cols + j] += (double)x[(size_t)t * cols + i] *
							   (double)x[(size_t)t * cols + j];
	for (uint32_t i = 0; i < cols; i++)
		mean += h[(size_t)i * cols + i] / cols;
	for (uint32_t i = 0; i < cols; i++)
		h[(size_t)i * cols + i] += KG_HESSIAN_DAMPING * mean;
	return h;
}

/* The sum of e H e' over the rows e of r - q. */
static double loss_of(const double *h, const float *r, const float *q, uint32_t rows, uint32_t cols)
{
	double loss = 0.0;

	for (uint32_t k = 0; k < rows; k++)
		for (uint32_t i = 0; i < cols; i++)
			for (uint32_t j = 0; j < cols; j++) {
				size_t a = (size_t)k * cols + i;
				size_t b = (size_t)k * cols + j;

				loss += ((double)r[a] - (double)q[a]) * h[(size_t)i * cols + j] *
					((double)r[b] - (double)q[b]);
			}
	return loss;
}

static void expect_close(double a, double b)
{
	if (fabs(a - b) > 1e-6 * (fabs(a) + fabs(b)))
		fail_msg("%.12g is not %.12g", a, b);
}

static void test_factor__times_itself_is_the_damped_moments_in_its_order(void **state)
{
	static const uint32_t sizes[] = {1, 2, 7, 8, 9, 40};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		uint32_t n = sizes[s];
		float *x = inputs(n, s);
		double *want = moments(x, n);
		kg_hessian h = hessian_of(x, n);
		kg_factor f;

		assert_int_equal(kg_factor_init(&f, &h, NULL, NULL), KG_OK);
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t j = i; j < n; j++) {
				size_t a = f.order[i];
				size_t b = f.order[j];
				double sum = 0.0;

				for (uint32_t k = j; k < n; k++)
					sum += f.upper[(size_t)i * n + k] *
					       f.upper[(size_t)j * n + k];
				if (fabs(sum - want[a * n + b]) > 1e-9 * want[a * n + a])
					fail_msg("%u columns: (%u, %u) is %g, not %g", n, i, j, sum,
						 want[a * n + b]);
				if (i + 1 == j)
					assert_true(want[a * n + a] >= want[b * n + b]);
			}
		kg_factor_release(&f);
		kg_hessian_release(&h);
		free(want);
		free(x);
	}
}

static void test_factor__refuses_what_is_not_finite_and_takes_nothing_at_all(void **state)
{
	float x[4] = {1.0f, INFINITY, 0.0f, 0.0f};
	kg_hessian h;
	kg_factor f;

	(void)state;
	assert_int_equal(kg_hessian_init(&h, 4), KG_OK);
	assert_int_equal(kg_factor_init(&f, &h, NULL, NULL), KG_OK);
	kg_factor_release(&f);
	kg_hessian_add(&h, x);
	assert_int_equal(kg_factor_init(&f, &h, NULL, NULL), KG_EINVAL);
	kg_hessian_release(&h);
	assert_int_equal(kg_hessian_init(&h, KG_HESSIAN_COLS_MAX + 1), KG_EFULL);
}

typedef struct {
	kg_coded *coded;
	float *out;
} target;

static float round_coded(void *context, uint32_t row, uint32_t col, float value)
{
	const target *t = context;
	uint8_t code = kg_coded_nearest(t->coded, row, col, value);

	return t->out[(size_t)row * t->coded->cols + col] =
		       kg_coded_value(t->coded, row, col, code);
}

/* A matrix fitted and rounded, plainly into `plain` and with feedback into `fed`. */
static double round_both(kg_format format, const kg_factor *f, const float *r, uint32_t rows,
			 float *plain, float *fed)
{
	void *storage = malloc(kg_coded_size(format, rows, f->cols));
	kg_coded coded;
	target t = {&coded, fed};
	double loss;

	assert_non_null(storage);
	kg_coded_init(&coded, storage, format, rows, f->cols);
	assert_int_equal(kg_coded_quantize(&coded, r), KG_OK);
	kg_coded_dequantize(plain, &coded);
	assert_int_equal(kg_feedback(&loss, f, r, rows, round_coded, &t), KG_OK);
	free(storage);
	return loss;
}

static void test_feedback__lowers_the_error_at_the_outputs(void **state)
{
	enum { ROWS = 37, COLS = 45 };

	(void)state;
	for (uint64_t seed = 0; seed < 3; seed++)
		for (size_t k = 0; k < FORMATS; k++) {
			float *r = weights(ROWS, COLS, seed);
			float *x = inputs(COLS, seed + 100);
			float *plain = floats(ROWS * COLS);
			float *fed = floats(ROWS * COLS);
			double *h = moments(x, COLS);
			kg_hessian hessian = hessian_of(x, COLS);
			kg_factor f;
			double loss;

			assert_int_equal(kg_factor_init(&f, &hessian, NULL, NULL), KG_OK);
			loss = round_both(formats[k], &f, r, ROWS, plain, fed);
			expect_close(loss, loss_of(h, r, fed, ROWS, COLS));
			if (!(loss < 0.8 * loss_of(h, r, plain, ROWS, COLS)))
				fail_msg("%s: %g, plainly %g", kg_format_name(formats[k]), loss,
					 loss_of(h, r, plain, ROWS, COLS));
			kg_factor_release(&f);
			kg_hessian_release(&hessian);
			free(r);
			free(x);
			free(plain);
			free(fed);
			free(h);
		}
}

/* Inputs that are multiples of single columns: no column knows of another. */
static kg_hessian lonely(uint32_t cols)
{
	kg_hessian h;
	float *x = floats(cols);

	assert_int_equal(kg_hessian_init(&h, cols), KG_OK);
	for (uint32_t j = 0; j < cols; j++) {
		x[j] = 2.0f;
		kg_hessian_add(&h, x);
		x[j] = 0.0f;
	}
	free(x);
	return h;
}

static void test_feedback__without_correlation_is_plain_rounding(void **state)
{
	enum { ROWS = 20, COLS = 70 };

	(void)state;
	for (size_t k = 0; k < FORMATS; k++) {
		float *r = weights(ROWS, COLS, k);
		float *plain = floats(ROWS * COLS);
		float *fed = floats(ROWS * COLS);
		kg_hessian h = lonely(COLS);
		kg_factor f;

		assert_int_equal(kg_factor_init(&f, &h, NULL, NULL), KG_OK);
		(void)round_both(formats[k], &f, r, ROWS, plain, fed);
		assert_memory_equal(plain, fed, ROWS * COLS * sizeof(*plain));
		kg_factor_release(&f);
		kg_hessian_release(&h);
		free(r);
		free(plain);
		free(fed);
	}
}

/* A fairy matrix with its own room. */
typedef struct {
	kg_fairy q;
	kg_fairy_choices choices;
	uint8_t *code;
	float *residual;
	float *back;
} fairy;

static void fairy_init(fairy *f, uint32_t rows, uint32_t cols)
{
	size_t plane = kg_fairy_plane_size(rows, cols);

	f->code = calloc(KG_FAIRY_PLANES_MAX, plane);
	f->residual = floats((size_t)rows * cols);
	f->back = floats((size_t)rows * cols);
	assert_non_null(f->code);
	for (uint32_t p = 0; p < KG_FAIRY_PLANES_MAX; p++)
		f->q.plane[p].code = f->code + p * plane;
}

static void fairy_release(fairy *f)
{
	free(f->code);
	free(f->residual);
	free(f->back);
}

static void round_pair(void *context, uint32_t i, uint32_t c, double value[4],
		       const double metric[3])
{
	fairy *f = context;

	kg_fairy_choose(&f->q, &f->choices, i, c, value, metric);
}

static double squared(const float *a, const float *b, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
	return sum;
}

static void test_fairy_fit__has_less_error_than_stage_after_stage(void **state)
{
	enum { ROWS = 24, COLS = 30 };

	(void)state;
	for (uint32_t stages = 1; stages <= KG_FAIRY_STAGES_MAX; stages++) {
		float *r = weights(ROWS, COLS, stages);
		double greedy;
		double fitted;
		fairy f;

		fairy_init(&f, ROWS, COLS);
		assert_int_equal(kg_fairy_quantize(&f.q, r, ROWS, COLS, stages, f.residual), KG_OK);
		kg_fairy_dequantize(f.back, &f.q);
		greedy = squared(r, f.back, ROWS * COLS);
		assert_int_equal(kg_fairy_fit(&f.q, r, ROWS, COLS, stages, f.residual), KG_OK);
		kg_fairy_dequantize(f.back, &f.q);
		fitted = squared(r, f.back, ROWS * COLS);
		/* One stage leaves next to nothing to fit. */
		if (!(fitted <= greedy * (stages == 1 ? 1.0 : 0.95)))
			fail_msg("%u stages: %g, stage after stage %g", stages, fitted, greedy);
		fairy_release(&f);
		free(r);
	}
}

static void test_feedback_pairs__lowers_the_error_at_the_outputs_under_any_pairing(void **state)
{
	enum { ROWS = 26, COLS = 34 };
	static const uint8_t seed[KG_SEED_SIZE] = "pairs";

	(void)state;
	for (uint32_t stages = 1; stages <= KG_FAIRY_STAGES_MAX; stages++) {
		float *r = weights(ROWS, COLS, stages);
		float *x = inputs(COLS, stages);
		float *paired = floats(ROWS * COLS);
		float *plain = floats(ROWS * COLS);
		float *fed = floats(ROWS * COLS);
		double *h = moments(x, COLS);
		void *room = malloc(kg_pairing_size(ROWS, COLS));
		kg_hessian hessian = hessian_of(x, COLS);
		kg_pairing pairing;
		kg_factor factor;
		double loss;
		fairy f;

		assert_non_null(room);
		fairy_init(&f, ROWS, COLS);
		kg_pairing_init(&pairing, room, ROWS, COLS, seed, "name");
		kg_pairing_apply(&pairing, paired, r);
		assert_int_equal(kg_fairy_fit(&f.q, paired, ROWS, COLS, stages, f.residual), KG_OK);
		kg_fairy_dequantize(f.back, &f.q);
		kg_pairing_undo(&pairing, plain, f.back);
		kg_fairy_choices_init(&f.choices, &f.q);
		assert_int_equal(kg_factor_init(&factor, &hessian, pairing.col, pairing.col_sign),
				 KG_OK);
		assert_int_equal(kg_feedback_pairs(&loss, &factor, paired, ROWS, round_pair, &f),
				 KG_OK);
		kg_fairy_dequantize(f.back, &f.q);
		kg_pairing_undo(&pairing, fed, f.back);
		/* The loss was counted in the paired order; the model sees the other. */
		expect_close(loss, loss_of(h, r, fed, ROWS, COLS));
		if (!(loss < 0.8 * loss_of(h, r, plain, ROWS, COLS)))
			fail_msg("%u stages: %g, plainly %g", stages, loss,
				 loss_of(h, r, plain, ROWS, COLS));
		kg_factor_release(&factor);
		kg_hessian_release(&hessian);
		fairy_release(&f);
		free(r);
		free(x);
		free(paired);
		free(plain);
		free(fed);
		free(h);
		free(room);
	}
}

/* What an error of value - (U, W) costs, from the definition of the metric. */
static double cost_of(const double value[4], const double u[2], const double w[2],
		      const double m[3])
{
	double d[4] = {value[0] - u[0] - w[0], value[1] - w[1] + u[1], value[2] - u[1] - w[1],
		       value[3] - u[0] + w[0]};

	return m[0] * d[0] * d[0] + 2 * m[1] * d[0] * d[1] + m[2] * d[1] * d[1] +
	       m[0] * d[2] * d[2] + 2 * m[1] * d[2] * d[3] + m[2] * d[3] * d[3];
}

static void test_fairy_choose__takes_codes_that_no_other_code_of_u_or_w_betters(void **state)
{
	static const double metrics[][3] = {{1, 0, 1}, {3, 0, 3}, {2, 0.5, 1}, {1, -0.6, 4}};
	kg_rng rng;
	float r[4];
	fairy f;

	(void)state;
	kg_rng_init_u64(&rng, 7);
	for (int trial = 0; trial < 2000; trial++) {
		const double *metric = metrics[trial % 4];
		double value[4];
		double want[4];
		double took = 0.0;
		uint32_t stages = 1 + (uint32_t)trial % 3;

		fairy_init(&f, 2, 2);
		for (int k = 0; k < 4; k++)
			want[k] = (double)(r[k] = 2.0f * kg_rng_float(&rng) - 1.0f);
		assert_int_equal(kg_fairy_quantize(&f.q, r, 2, 2, stages, f.residual), KG_OK);
		kg_fairy_choices_init(&f.choices, &f.q);
		for (int k = 0; k < 4; k++)
			value[k] = want[k] = 2.0 * (double)kg_rng_float(&rng) - 1.0;
		kg_fairy_choose(&f.q, &f.choices, 0, 0, value, metric);
		kg_fairy_dequantize(f.back, &f.q);
		for (int k = 0; k < 4; k++)
			assert_true(fabs(value[k] - (double)f.back[k]) < 1e-6);
		for (int row = 0; row < 2; row++) {
			double a = want[2 * row] - value[2 * row];
			double b = want[2 * row + 1] - value[2 * row + 1];

			took += metric[0] * a * a + 2 * metric[1] * a * b + metric[2] * b * b;
		}
		/* U and W that were taken, out of the block. */
		for (uint32_t x = 0; x < f.choices.count; x++) {
			double u[2] = {(value[0] + value[3]) / 2, (value[2] - value[1]) / 2};
			double w[2] = {(value[0] - value[3]) / 2, (value[1] + value[2]) / 2};

			assert_true(took <= cost_of(want, f.choices.u[x], w, metric) + 1e-9);
			assert_true(took <= cost_of(want, u, f.choices.w[x], metric) + 1e-9);
		}
		fairy_release(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_factor__times_itself_is_the_damped_moments_in_its_order),
		cmocka_unit_test(test_factor__refuses_what_is_not_finite_and_takes_nothing_at_all),
		cmocka_unit_test(test_feedback__lowers_the_error_at_the_outputs),
		cmocka_unit_test(test_feedback__without_correlation_is_plain_rounding),
		cmocka_unit_test(test_fairy_fit__has_less_error_than_stage_after_stage),
		cmocka_unit_test(
			test_feedback_pairs__lowers_the_error_at_the_outputs_under_any_pairing),
		cmocka_unit_test(
			test_fairy_choose__takes_codes_that_no_other_code_of_u_or_w_betters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
