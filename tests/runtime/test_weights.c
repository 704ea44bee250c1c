/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "runtime/fmath.h"
#include "runtime/weights.h"
#include "tests/runtime/toy.h"

enum { CANONICAL_MAX = 4 << 20 };

static const uint8_t seed_a[KG_SEED_SIZE] = "the first seed";
static const uint8_t seed_b[KG_SEED_SIZE] = "the second seed";

static void collect(void *context, const void *data, size_t size)
{
	kg_buf_put(context, data, size);
}

/* Canonical bytes of a model under a strategy and a seed. */
static void canonical(kg_buf *out, const kg_model *model, kg_format format, const uint8_t *seed)
{
	kg_strategy strategy = kg_strategy_of(format);
	kg_weights *weights;

	kg_buf_init(out, CANONICAL_MAX);
	assert_int_equal(kg_weights_new(&weights, model, &strategy, seed), KG_OK);
	assert_int_equal(kg_weights_visit(weights, collect, out), KG_OK);
	assert_int_equal(kg_buf_ok(out), KG_OK);
	kg_weights_free(weights);
}

static bool same(const kg_buf *a, const kg_buf *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* The floats a matrix of `format` stands for, by the quantizers' own definitions. */
static void dequantized(float *out, const kg_model *model, const kg_tensor *tensor,
			kg_format format, const uint8_t *seed)
{
	size_t count = (size_t)tensor->rows * tensor->cols;
	uint32_t stages = kg_format_stages(format);
	float *floats = calloc(3 * count, sizeof(*floats));

	assert_int_equal(kg_model_tensor_floats(model, tensor, floats), KG_OK);
	if (stages != 0) {
		void *storage = malloc(kg_pairing_size(tensor->rows, tensor->cols));
		uint8_t *code = malloc(2 * count);
		kg_pairing pairing;
		kg_fairy fairy = {0};

		fairy.plane[0].code = code;
		fairy.plane[1].code = code + count;
		kg_pairing_init(&pairing, storage, tensor->rows, tensor->cols, seed, tensor->name);
		kg_pairing_apply(&pairing, floats + count, floats);
		assert_int_equal(kg_fairy_quantize(&fairy, floats + count, tensor->rows,
						   tensor->cols, stages, floats + 2 * count),
				 KG_OK);
		kg_fairy_dequantize(floats, &fairy);
		kg_pairing_undo(&pairing, out, floats);
		free(storage);
		free(code);
	} else if (kg_format_is_coded(format)) {
		void *storage = malloc(kg_coded_size(format, tensor->rows, tensor->cols));
		kg_coded coded;

		kg_coded_init(&coded, storage, format, tensor->rows, tensor->cols);
		assert_int_equal(kg_coded_quantize(&coded, floats), KG_OK);
		kg_coded_dequantize(out, &coded);
		free(storage);
	} else {
		int8_t *q = malloc(tensor->cols);

		for (size_t i = 0; i < tensor->rows; i++) {
			float scale;

			assert_int_equal(kg_grid_quantize(q, &scale, floats + i * tensor->cols,
							  tensor->cols, KG_INT8_MAX),
					 KG_OK);
			for (size_t j = 0; j < tensor->cols; j++)
				out[i * tensor->cols + j] = scale * (float)q[j];
		}
		free(q);
	}
	free(floats);
}

enum { BATCH = 3 };

/* y = M x for some vectors, in parts of one tile and of all. */
static void product(float *y, const kg_matrix *matrix, const kg_kernel *kernel,
		    const kg_activation *activation)
{
	int8_t *room = aligned_alloc(64, activation->count * kg_matrix_room(matrix->cols));
	int32_t *sums = aligned_alloc(64, KG_MATRIX_SUMS * sizeof(*sums));
	uint32_t tiles = kg_matrix_tiles(matrix);
	float *parts = calloc((size_t)activation->count * matrix->rows, sizeof(*parts));

	kg_matrix_prepare(matrix, kernel, activation, room);
	kg_matrix_multiply(y, matrix->rows, matrix, kernel, activation, room, sums, 0, tiles);
	for (uint32_t tile = tiles; tile-- > 0;)
		kg_matrix_multiply(parts, matrix->rows, matrix, kernel, activation, room, sums,
				   tile, tile + 1);
	assert_memory_equal(parts, y, (size_t)activation->count * matrix->rows * sizeof(*y));
	free(room);
	free(sums);
	free(parts);
}

/* y = M x for one tensor against doubles: only the last float steps may round. */
static void check_product(const kg_model *model, kg_tensor_role role, kg_format format,
			  const uint8_t *seed, const kg_kernel *kernel)
{
	const kg_tensor *tensor = kg_model_tensor(model, role, 0);
	size_t cols = tensor->cols;
	size_t stride = (cols + 63) / 64 * 64;
	float *r = calloc(tensor->rows * cols, sizeof(*r));
	float *x = calloc(BATCH * cols, sizeof(*x));
	float *y = calloc((size_t)BATCH * tensor->rows, sizeof(*y));
	int8_t *q = aligned_alloc(64, BATCH * stride);
	float step[BATCH];
	kg_activation activation = {x, cols, q, stride, step, BATCH};
	kg_matrix matrix;
	kg_rng rng;

	kg_rng_init_u64(&rng, 99);
	memset(q, 0, BATCH * stride);
	for (size_t v = 0; v < BATCH; v++) {
		for (size_t j = 0; j < cols; j++)
			x[v * cols + j] = kg_rng_float(&rng) - 0.5f;
		step[v] = kg_fmath_quantize(q + v * stride, x + v * cols, cols);
	}
	assert_int_equal(kg_matrix_init(&matrix, model, tensor, format, seed), KG_OK);
	product(y, &matrix, kernel, &activation);
	dequantized(r, model, tensor, matrix.format, seed);
	for (size_t i = 0; i < (size_t)BATCH * tensor->rows; i++) {
		const float *row = r + i % tensor->rows * cols;
		size_t v = i / tensor->rows;
		double want = 0.0;
		double size = 0.0;

		for (size_t j = 0; j < cols; j++) {
			double term = (double)row[j] * (double)q[v * stride + j] * (double)step[v];

			want += term;
			size += fabs(term);
		}
		assert_true(fabs((double)y[i] - want) <= 4e-7 * size + 1e-12);
	}
	kg_matrix_release(&matrix);
	free(r);
	free(x);
	free(y);
	free(q);
}

static void test_product__is_that_of_the_dequantized_matrix(void **state)
{
	static const kg_format formats[] = {
		KG_FORMAT_FAIRY1,    KG_FORMAT_FAIRY2,    KG_FORMAT_FAIRY3,  KG_FORMAT_INT8,
		KG_FORMAT_INT4,      KG_FORMAT_INT2,      KG_FORMAT_TERNARY, KG_FORMAT_PALETTE4,
		KG_FORMAT_PALETTE16, KG_FORMAT_PALETTE256};
	kg_model_config config = toy_config();
	kg_model *model;

	(void)state;
	config.hidden = 38; /* 19 complex rows: no multiple of a tile, odd quads */
	model = toy_random(&config, 5);
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++)
		for (uint32_t k = 0; k < kg_kernel_count(); k++) {
			const kg_kernel *kernel = kg_kernel_at(k);

			if (!kernel->usable())
				continue;
			check_product(model, KG_TENSOR_FFN_GATE, formats[f], NULL, kernel);
			check_product(model, KG_TENSOR_FFN_GATE, formats[f], seed_a, kernel);
			check_product(model, KG_TENSOR_FFN_DOWN, formats[f], seed_a, kernel);
			check_product(model, KG_TENSOR_ATTN_K, formats[f], seed_b, kernel);
		}
	kg_model_free(model);
}

static void test_visit__same_seed_same_bytes_and_two_seeds_differ(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 6);
	kg_model *again = toy_random(&config, 6);

	(void)state;
	for (int f = KG_FORMAT_FAIRY1; f <= KG_FORMAT_FAIRY3; f++) {
		kg_buf a;
		kg_buf a_again;
		kg_buf b;
		kg_buf plain;

		canonical(&a, model, (kg_format)f, seed_a);
		canonical(&a_again, again, (kg_format)f, seed_a);
		canonical(&b, model, (kg_format)f, seed_b);
		canonical(&plain, model, (kg_format)f, NULL);
		assert_true(same(&a, &a_again));
		assert_false(same(&a, &b));
		assert_false(same(&a, &plain));
		kg_buf_release(&a);
		kg_buf_release(&a_again);
		kg_buf_release(&b);
		kg_buf_release(&plain);
	}
	kg_model_free(model);
	kg_model_free(again);
}

static void test_visit__a_seed_does_not_touch_other_formats(void **state)
{
	static const kg_format formats[] = {KG_FORMAT_F32, KG_FORMAT_F16, KG_FORMAT_INT8,
					    KG_FORMAT_INT4};
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 6);

	(void)state;
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		kg_buf seeded;
		kg_buf plain;

		canonical(&seeded, model, formats[f], seed_a);
		canonical(&plain, model, formats[f], NULL);
		assert_true(same(&seeded, &plain));
		kg_buf_release(&seeded);
		kg_buf_release(&plain);
	}
	kg_model_free(model);
}

/* A .fairy file of `model` under `format` and `seed`, opened; *bytes is its storage. */
static kg_model *through_file(const kg_model *model, kg_format format, const uint8_t *seed,
			      void **bytes)
{
	kg_model_form form = {.strategy = kg_strategy_of(format), .seed = seed};
	kg_model *opened;
	kg_buf file;

	kg_buf_init(&file, CANONICAL_MAX);
	assert_int_equal(kg_model_encode(model, &file, &form), KG_OK);
	*bytes = aligned_alloc(64, (file.size + 63) / 64 * 64);
	assert_non_null(*bytes);
	memcpy(*bytes, file.data, file.size);
	assert_int_equal(kg_model_open_memory(&opened, *bytes, file.size), KG_OK);
	kg_buf_release(&file);
	return opened;
}

static void test_visit__a_quantized_file_gives_what_its_base_gives(void **state)
{
	static const kg_format formats[] = {
		KG_FORMAT_FAIRY1,    KG_FORMAT_FAIRY2,    KG_FORMAT_FAIRY3,  KG_FORMAT_INT8,
		KG_FORMAT_INT4,      KG_FORMAT_INT2,      KG_FORMAT_TERNARY, KG_FORMAT_PALETTE4,
		KG_FORMAT_PALETTE16, KG_FORMAT_PALETTE256};
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 7);

	(void)state;
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		void *bytes;
		kg_model *file = through_file(model, formats[f], seed_a, &bytes);
		kg_weights *weights;
		kg_buf from_base;
		kg_buf from_file;

		canonical(&from_base, model, formats[f], seed_a);
		kg_buf_init(&from_file, CANONICAL_MAX);
		assert_int_equal(kg_weights_new(&weights, file, NULL, NULL), KG_OK);
		assert_int_equal(kg_weights_visit(weights, collect, &from_file), KG_OK);
		assert_true(same(&from_base, &from_file));
		kg_weights_free(weights);
		kg_buf_release(&from_base);
		kg_buf_release(&from_file);
		kg_model_free(file);
		free(bytes);
	}
	kg_model_free(model);
}

static void test_new__refuses_what_a_quantized_file_cannot_be(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 8);
	kg_strategy other = kg_strategy_of(KG_FORMAT_FAIRY1);
	kg_strategy own = kg_strategy_of(KG_FORMAT_FAIRY2);
	void *bytes;
	kg_model *file = through_file(model, KG_FORMAT_FAIRY2, seed_a, &bytes);
	kg_weights *weights = NULL;

	(void)state;
	assert_int_equal(kg_weights_new(&weights, file, &other, NULL), KG_EINVAL);
	assert_int_equal(kg_weights_new(&weights, file, &own, seed_b), KG_EINVAL);
	assert_null(weights);
	assert_int_equal(kg_weights_new(&weights, file, &own, seed_a), KG_OK);
	kg_weights_free(weights);
	kg_model_free(file);
	kg_model_free(model);
	free(bytes);
}

static void test_new__odd_matrices_stay_int8(void **state)
{
	kg_model_config config = toy_config();
	kg_strategy strategy = kg_strategy_of(KG_FORMAT_FAIRY2);
	kg_weights *weights;
	kg_model *model;

	(void)state;
	config.hidden = 21;
	model = toy_random(&config, 9);
	assert_int_equal(kg_weights_new(&weights, model, &strategy, seed_a), KG_OK);
	assert_int_equal(kg_weights_layer(weights, 1)->gate.format, KG_FORMAT_INT8);
	assert_int_equal(kg_weights_layer(weights, 1)->up.format, KG_FORMAT_INT8);
	assert_int_equal(kg_weights_layer(weights, 1)->down.format, KG_FORMAT_INT8);
	assert_int_equal(kg_weights_layer(weights, 1)->q.format, KG_FORMAT_FAIRY2);
	assert_int_equal(kg_weights_embedding(weights)->format, KG_FORMAT_INT8);
	kg_weights_free(weights);
	kg_model_free(model);
}

static void test_new__floats_are_used_where_they_lie(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 10);
	kg_weights *weights;
	void *bytes;
	kg_model *file = through_file(model, KG_FORMAT_F16, NULL, &bytes);

	(void)state;
	assert_int_equal(kg_weights_new(&weights, file, NULL, NULL), KG_OK);
	assert_ptr_equal(kg_weights_embedding(weights)->f16,
			 kg_model_tensor(file, KG_TENSOR_EMBEDDING, 0)->data);
	assert_int_equal(kg_weights_embedding(weights)->owned_bytes, 0);
	assert_false(kg_weights_quantized(weights));
	kg_weights_free(weights);
	kg_model_free(file);
	kg_model_free(model);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_product__is_that_of_the_dequantized_matrix),
		cmocka_unit_test(test_visit__same_seed_same_bytes_and_two_seeds_differ),
		cmocka_unit_test(test_visit__a_seed_does_not_touch_other_formats),
		cmocka_unit_test(test_visit__a_quantized_file_gives_what_its_base_gives),
		cmocka_unit_test(test_new__refuses_what_a_quantized_file_cannot_be),
		cmocka_unit_test(test_new__odd_matrices_stay_int8),
		cmocka_unit_test(test_new__floats_are_used_where_they_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
