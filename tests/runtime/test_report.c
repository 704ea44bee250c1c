/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/evaluate.h"
#include "runtime/report.h"
#include "tests/runtime/toy.h"

/* A file of the model; free(*data) after it. */
static kg_model *file_of(const kg_model *model, const char *strategy, uint8_t **data)
{
	static const uint8_t seed[KG_SEED_SIZE] = "report";
	kg_model_form form = {.seed = seed};
	kg_model *out;
	kg_buf buf;

	kg_buf_init(&buf, 8 << 20);
	assert_int_equal(kg_strategy_parse(&form.strategy, strategy), KG_OK);
	assert_int_equal(kg_model_encode(model, &buf, &form), KG_OK);
	*data = aligned_alloc(64, (buf.size + 63) / 64 * 64);
	assert_non_null(*data);
	memcpy(*data, buf.data, buf.size);
	assert_int_equal(kg_model_open_memory(&out, *data, buf.size), KG_OK);
	kg_buf_release(&buf);
	return out;
}

static void expect_close(double a, double b)
{
	if (fabs(a - b) > 1e-9 * (fabs(a) + fabs(b)))
		fail_msg("%.17g is not %.17g", a, b);
}

static void test_report__counts_every_matrix_once_and_adds_up_its_errors(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 11);
	uint8_t *data;
	kg_model *narrow = file_of(model, "mix:attn_v=int8,ffn_up=fairy1,*=int2", &data);
	kg_report_sum layers;
	kg_report_sum all = {0};
	kg_report report;

	(void)state;
	assert_int_equal(kg_report_init(&report, model, narrow), KG_OK);
	assert_int_equal(report.count, 7 * config.layers + 2);
	layers = kg_report_of_layers(&report);
	for (uint32_t i = 0; i < report.count; i++) {
		const kg_tensor *t = report.row[i].tensor;
		const float *w = kg_model_tensor(model, t->role, t->layer)->data;
		size_t n = (size_t)t->rows * t->cols;
		float *q = malloc(n * sizeof(*q));
		double error = 0.0;
		double square = 0.0;

		assert_non_null(q);
		assert_int_equal(kg_model_tensor_floats(narrow, t, q), KG_OK);
		for (size_t k = n; k-- > 0;) {
			error += pow((double)w[k] - (double)q[k], 2.0);
			square += pow((double)w[k], 2.0);
		}
		free(q);
		assert_int_equal(report.row[i].sum.weights, n);
		expect_close(kg_report_error(&report.row[i].sum), error / square);
		if (!kg_tensor_role_is_linear(t->role))
			continue;
		all.weights += n;
		all.bytes += t->bytes;
		all.error += error;
		all.square += square;
	}
	assert_int_equal(layers.weights, all.weights);
	assert_int_equal(layers.bytes, all.bytes);
	expect_close(kg_report_error(&layers), all.error / all.square);
	expect_close(kg_report_bits(&layers), 8.0 * (double)all.bytes / (double)all.weights);
	kg_report_release(&report);
	kg_model_free(narrow);
	kg_model_free(model);
	free(data);
}

static void test_report__knows_the_bytes_of_a_matrix_and_of_all(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 12);
	uint8_t *data;
	kg_model *narrow = file_of(model, "int8", &data);
	kg_report_sum sum;
	uint64_t vectors = 0;
	kg_report report;

	(void)state;
	assert_int_equal(kg_report_init(&report, model, narrow), KG_OK);
	/* 24 rows in two tiles of 16, 24 columns in whole lines of four, and a float a row. */
	sum = kg_report_of_role(&report, KG_TENSOR_ATTN_OUTPUT);
	assert_int_equal(sum.bytes, config.layers * (32 * 24 + 24 * 4));
	sum = kg_report_of_layers(&report);
	for (uint32_t i = 0; i < kg_model_tensor_count(narrow); i++) {
		const kg_tensor *t = kg_model_tensor_at(narrow, i);

		if (kg_tensor_role_is_vector(t->role))
			vectors += t->bytes;
		else if (!kg_tensor_role_is_linear(t->role))
			sum.bytes += t->bytes;
	}
	assert_int_equal(sum.bytes + vectors, kg_model_tensor_bytes(narrow));
	kg_report_release(&report);
	kg_model_free(narrow);
	kg_model_free(model);
	free(data);
}

static void test_report__of_the_same_weights_has_no_error(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 13);
	kg_report_sum nothing = {0};
	uint8_t *data;
	kg_model *same = file_of(model, "f32", &data);
	kg_report report;

	(void)state;
	assert_int_equal(kg_report_init(&report, model, same), KG_OK);
	for (uint32_t i = 0; i < report.count; i++)
		assert_true(kg_report_error(&report.row[i].sum) == 0.0);
	assert_true(kg_report_error(&nothing) == 0.0);
	assert_true(kg_report_bits(&nothing) == 0.0);
	kg_report_release(&report);
	kg_model_free(same);
	kg_model_free(model);
	free(data);
}

static void test_report__refuses_a_base_of_another_shape(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 14);
	kg_model *other;
	uint8_t *data;
	kg_model *narrow = file_of(model, "int4", &data);
	kg_report report;

	(void)state;
	config.hidden = 40;
	other = toy_random(&config, 14);
	assert_int_equal(kg_report_init(&report, other, narrow), KG_EINVAL);
	kg_model_free(other);
	config = toy_config();
	config.layers = 1;
	other = toy_random(&config, 14);
	assert_int_equal(kg_report_init(&report, other, narrow), KG_EINVAL);
	kg_model_free(other);
	kg_model_free(narrow);
	kg_model_free(model);
	free(data);
}

static void test_retention__is_all_half_none_or_less(void **state)
{
	double guess = log(100.0);

	(void)state;
	expect_close(kg_report_retention(1.0, 1.0, 100), 1.0);
	expect_close(kg_report_retention(guess - 2.0, guess - 1.0, 100), 0.5);
	assert_true(fabs(kg_report_retention(1.0, guess, 100)) < 1e-12);
	expect_close(kg_report_retention(guess - 2.0, guess + 2.0, 100), -1.0);
	/* Better than the base is more than all of it. */
	expect_close(kg_report_retention(guess - 1.0, guess - 3.0, 100), 3.0);
	assert_true(isnan(kg_report_retention(guess + 0.1, 1.0, 100)));
}

static void test_evaluate__scores_the_reference_as_if_it_were_alone(void **state)
{
	enum { TOKENS = 48 * 3 + 1 };
	kg_model_config config = toy_config();
	kg_model *models[2] = {toy_random(&config, 15), toy_random(&config, 16)};
	kg_weights *weights[2];
	kg_session *sessions[2];
	kg_text_score both;
	kg_text_score alone;
	uint32_t ids[TOKENS];
	kg_text_request request = {ids, TOKENS, 0};

	(void)state;
	for (uint32_t i = 0; i < TOKENS; i++)
		ids[i] = toy_byte("some text"[i % 9]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kg_weights_new(&weights[i], models[i], NULL, NULL), KG_OK);
		assert_int_equal(kg_session_new(&sessions[i], weights[i], NULL), KG_OK);
	}
	assert_int_equal(kg_evaluate_text(&both, sessions[0], sessions[1], &request, NULL, NULL),
			 KG_OK);
	assert_int_equal(kg_evaluate_text(&alone, sessions[1], NULL, &request, NULL, NULL), KG_OK);
	assert_true(both.reference_nll == alone.nll);
	assert_true(alone.reference_nll == 0.0);
	for (int i = 0; i < 2; i++) {
		kg_session_free(sessions[i]);
		kg_weights_free(weights[i]);
		kg_model_free(models[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report__counts_every_matrix_once_and_adds_up_its_errors),
		cmocka_unit_test(test_report__knows_the_bytes_of_a_matrix_and_of_all),
		cmocka_unit_test(test_report__of_the_same_weights_has_no_error),
		cmocka_unit_test(test_report__refuses_a_base_of_another_shape),
		cmocka_unit_test(test_retention__is_all_half_none_or_less),
		cmocka_unit_test(test_evaluate__scores_the_reference_as_if_it_were_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
