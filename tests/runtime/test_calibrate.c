/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/calibrate.h"
#include "tests/runtime/toy.h"

enum { TOKENS = 48 * 12 + 1 };

static const kg_format formats[] = {KG_FORMAT_INT8,      KG_FORMAT_INT4,     KG_FORMAT_INT2,
				    KG_FORMAT_TERNARY,   KG_FORMAT_FAIRY1,   KG_FORMAT_FAIRY2,
				    KG_FORMAT_FAIRY3,    KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE16,
				    KG_FORMAT_PALETTE256};

enum { FORMATS = sizeof(formats) / sizeof(*formats) };

static const uint8_t seed[KG_SEED_SIZE] = "calibrated";

/* Words over few letters, so that what enters a matrix is far from all directions alike. */
static const uint32_t *text(void)
{
	static uint32_t ids[TOKENS];
	kg_rng rng;

	kg_rng_init_u64(&rng, 3);
	for (size_t i = 0; i < TOKENS; i++)
		ids[i] = toy_byte("aaabbc de"[kg_rng_u64(&rng) % 9]);
	return ids;
}

static kg_calibration_request request_of(uint64_t windows)
{
	return (kg_calibration_request){.text = {text(), TOKENS, windows}};
}

/* A file of the model, calibrated or plain, opened; free(*data) after it. */
static kg_model *file_of(const kg_model *model, kg_format format,
			 const kg_calibration_request *request, uint8_t **data, size_t *size)
{
	kg_model_form form = {.strategy = kg_strategy_of(format), .seed = seed};
	kg_calibration *calibration = NULL;
	kg_model *out;
	kg_buf buf;

	kg_buf_init(&buf, 8 << 20);
	if (request != NULL) {
		assert_int_equal(kg_calibration_new(&calibration, model, request), KG_OK);
		form.round = kg_calibration_round;
		form.round_context = calibration;
	}
	assert_int_equal(kg_model_encode(model, &buf, &form), KG_OK);
	kg_calibration_free(calibration);
	*size = buf.size;
	*data = aligned_alloc(64, (buf.size + 63) / 64 * 64);
	assert_non_null(*data);
	memcpy(*data, buf.data, buf.size);
	kg_buf_release(&buf);
	assert_int_equal(kg_model_open_memory(&out, *data, *size), KG_OK);
	return out;
}

/* What the errors of all matrices do to what comes out of them on the text. */
typedef struct {
	const kg_model *model;
	const kg_model *other;
	double error;
} comparison;

static double error_of(const comparison *c, kg_tensor_role role, uint32_t layer, const float *x)
{
	const kg_tensor *t = kg_model_tensor(c->model, role, layer);
	size_t n = (size_t)t->rows * t->cols;
	const float *w = t->data;
	float *q = malloc(n * sizeof(*q));
	double error = 0.0;

	assert_non_null(q);
	assert_int_equal(
		kg_model_tensor_floats(c->other, kg_model_tensor(c->other, role, layer), q), KG_OK);
	for (uint32_t i = 0; i < t->rows; i++) {
		double sum = 0.0;

		for (uint32_t j = 0; j < t->cols; j++) {
			size_t at = (size_t)i * t->cols + j;

			sum += ((double)w[at] - (double)q[at]) * (double)x[j];
		}
		error += sum * sum;
	}
	free(q);
	return error;
}

static void compare(void *context, uint32_t layer, kg_tensor_role role, const float *x, uint32_t n)
{
	comparison *c = context;

	(void)n;
	c->error += error_of(c, role, layer, x);
	if (role == KG_TENSOR_ATTN_Q) {
		c->error += error_of(c, KG_TENSOR_ATTN_K, layer, x);
		c->error += error_of(c, KG_TENSOR_ATTN_V, layer, x);
	} else if (role == KG_TENSOR_FFN_GATE) {
		c->error += error_of(c, KG_TENSOR_FFN_UP, layer, x);
	}
}

static double output_error(const kg_model *model, const kg_model *other)
{
	comparison c = {model, other, 0.0};
	const uint32_t *ids = text();
	kg_weights *weights;
	kg_session *session;

	assert_int_equal(kg_weights_new(&weights, model, NULL, NULL), KG_OK);
	assert_int_equal(kg_session_new(&session, weights, NULL), KG_OK);
	kg_session_observe(session, compare, &c);
	for (size_t at = 0; at + 48 < TOKENS; at += 48) {
		kg_session_rewind(session, 0);
		assert_int_equal(kg_session_feed(session, ids + at, 48, NULL), KG_OK);
	}
	kg_session_free(session);
	kg_weights_free(weights);
	return c.error;
}

static void test_calibrate__lowers_the_error_at_the_outputs_for_every_format(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 5);
	kg_calibration_request request = request_of(0);

	(void)state;
	for (size_t k = 0; k < FORMATS; k++) {
		uint8_t *data[2];
		size_t size[2];
		kg_model *plain = file_of(model, formats[k], NULL, &data[0], &size[0]);
		kg_model *fed = file_of(model, formats[k], &request, &data[1], &size[1]);
		double before = output_error(model, plain);
		double after = output_error(model, fed);

		/* The form is the same: only codes and scales differ. */
		assert_int_equal(size[0], size[1]);
		if (!(after < 0.9 * before))
			fail_msg("%s: %g, plainly %g", kg_format_name(formats[k]), after, before);
		kg_model_free(plain);
		kg_model_free(fed);
		free(data[0]);
		free(data[1]);
	}
	kg_model_free(model);
}

static void expect_same_file(const kg_model *model, kg_format format,
			     const kg_calibration_request *a, const kg_calibration_request *b)
{
	uint8_t *data[2];
	size_t size[2];
	kg_model *one = file_of(model, format, a, &data[0], &size[0]);
	kg_model *other = file_of(model, format, b, &data[1], &size[1]);

	assert_int_equal(size[0], size[1]);
	assert_memory_equal(data[0], data[1], size[0]);
	kg_model_free(one);
	kg_model_free(other);
	free(data[0]);
	free(data[1]);
}

static void test_calibrate__gives_the_same_file_however_it_is_cut_up(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model;
	kg_calibration_request whole = request_of(7);
	kg_calibration_request layers = request_of(7);
	kg_calibration_request shared = request_of(7);

	(void)state;
	config.layers = 3;
	model = toy_random(&config, 6);
	layers.bytes_max = 1; /* layer by layer */
	shared.threads = 2;
	for (size_t k = 0; k < FORMATS; k++) {
		expect_same_file(model, formats[k], &whole, &layers);
		expect_same_file(model, formats[k], &whole, &shared);
	}
	kg_model_free(model);
}

typedef struct {
	uint64_t calls, stop_at, total;
} counter;

static bool count(void *context, uint64_t done, uint64_t total)
{
	counter *c = context;

	assert_int_equal(done, c->calls + 1);
	c->calls = done;
	c->total = total;
	return done != c->stop_at;
}

static void test_calibrate__reads_no_more_windows_than_asked_for_and_stops_when_told(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 7);
	kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_INT4),
			      .round = kg_calibration_round};
	counter c = {0};
	kg_calibration_request request = request_of(5);
	kg_calibration *calibration;
	kg_buf buf;

	(void)state;
	request.progress = count;
	request.context = &c;
	request.bytes_max = 1;
	kg_buf_init(&buf, 8 << 20);
	assert_int_equal(kg_calibration_new(&calibration, model, &request), KG_OK);
	form.round_context = calibration;
	assert_int_equal(kg_model_encode(model, &buf, &form), KG_OK);
	/* Five windows for each of two layers. */
	assert_int_equal(c.calls, 10);
	assert_int_equal(c.total, 10);
	kg_calibration_free(calibration);
	c = (counter){.stop_at = 6};
	assert_int_equal(kg_calibration_new(&calibration, model, &request), KG_OK);
	form.round_context = calibration;
	assert_int_equal(kg_model_encode(model, &buf, &form), KG_ETIMEOUT);
	assert_int_equal(c.calls, 6);
	kg_calibration_free(calibration);
	kg_buf_release(&buf);
	kg_model_free(model);
}

static void test_calibrate__refuses_what_it_cannot_do(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 8);
	kg_calibration_request request = request_of(0);
	kg_calibration *calibration = NULL;
	uint8_t *data;
	size_t size;
	kg_model *narrow = file_of(model, KG_FORMAT_INT8, NULL, &data, &size);

	(void)state;
	assert_int_equal(kg_calibration_new(&calibration, narrow, &request), KG_EINVAL);
	request.text.count = 48;
	assert_int_equal(kg_calibration_new(&calibration, model, &request), KG_EINVAL);
	request.text.count = 49;
	assert_int_equal(kg_calibration_new(&calibration, model, &request), KG_OK);
	kg_calibration_free(calibration);
	kg_calibration_free(NULL);
	kg_model_free(narrow);
	kg_model_free(model);
	free(data);
}

static void test_calibration__is_named_in_the_file(void **state)
{
	static const uint8_t digest[KG_DIGEST_SIZE_MODEL] = "what it was calibrated on";
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 9);
	kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_INT4), .calibration = digest};
	kg_model *back;
	uint8_t *data;
	kg_buf buf;

	(void)state;
	kg_buf_init(&buf, 8 << 20);
	assert_int_equal(kg_model_encode(model, &buf, &form), KG_OK);
	data = aligned_alloc(64, (buf.size + 63) / 64 * 64);
	assert_non_null(data);
	memcpy(data, buf.data, buf.size);
	assert_int_equal(kg_model_open_memory(&back, data, buf.size), KG_OK);
	assert_non_null(kg_model_calibration(back));
	assert_memory_equal(kg_model_calibration(back), digest, sizeof(digest));
	assert_null(kg_model_calibration(model));
	kg_model_free(back);
	kg_model_free(model);
	free(data);
	kg_buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calibrate__lowers_the_error_at_the_outputs_for_every_format),
		cmocka_unit_test(test_calibrate__gives_the_same_file_however_it_is_cut_up),
		cmocka_unit_test(
			test_calibrate__reads_no_more_windows_than_asked_for_and_stops_when_told),
		cmocka_unit_test(test_calibrate__refuses_what_it_cannot_do),
		cmocka_unit_test(test_calibration__is_named_in_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
