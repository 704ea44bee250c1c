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

static const kg_format narrow[] = {KG_FORMAT_FAIRY1,    KG_FORMAT_FAIRY2,   KG_FORMAT_FAIRY3,
				   KG_FORMAT_INT8,      KG_FORMAT_INT4,     KG_FORMAT_INT2,
				   KG_FORMAT_TERNARY,   KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE16,
				   KG_FORMAT_PALETTE256};

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
	kg_model_config config = toy_config();
	kg_model *model;

	(void)state;
	config.hidden = 38; /* 19 complex rows: no multiple of a tile, odd quads */
	model = toy_random(&config, 5);
	for (size_t f = 0; f < sizeof(narrow) / sizeof(*narrow); f++)
		for (uint32_t k = 0; k < kg_kernel_count(); k++) {
			const kg_kernel *kernel = kg_kernel_at(k);

			if (!kernel->usable())
				continue;
			check_product(model, KG_TENSOR_FFN_GATE, narrow[f], NULL, kernel);
			check_product(model, KG_TENSOR_FFN_GATE, narrow[f], seed_a, kernel);
			check_product(model, KG_TENSOR_FFN_DOWN, narrow[f], seed_a, kernel);
			check_product(model, KG_TENSOR_ATTN_K, narrow[f], seed_b, kernel);
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

/* What kg_matrix_visit promises, written down from the quantizers and nothing else. */
static void put_integers(kg_buf *out, const kg_coded *coded, const float *r, bool high)
{
	for (uint32_t i = 0; i < coded->rows; i++)
		for (uint32_t j = 0; j < coded->cols; j++) {
			float w = r[(size_t)i * coded->cols + j];
			uint8_t code = kg_coded_nearest(coded, i, j, w);
			float unit = kg_coded_unit(coded, i, j);
			int whole = unit == 0.0f
					    ? 0
					    : (int)lrintf(kg_coded_value(coded, i, j, code) / unit);
			int low = coded->format == KG_FORMAT_PALETTE256 ? ((whole + 64) & 127) - 64
									: whole;

			kg_buf_put_u8(out, (uint8_t)(high ? (whole - low) / 128 : low));
		}
}

static void put_coded(kg_buf *out, const kg_tensor *tensor, kg_format format, const float *r)
{
	void *storage = malloc(kg_coded_size(format, tensor->rows, tensor->cols));
	uint32_t group = format == KG_FORMAT_INT4 ? 32 : tensor->cols;
	kg_coded coded;

	kg_coded_init(&coded, storage, format, tensor->rows, tensor->cols);
	assert_int_equal(kg_coded_fit(&coded, r), KG_OK);
	put_integers(out, &coded, r, false);
	if (format == KG_FORMAT_PALETTE256)
		put_integers(out, &coded, r, true);
	for (uint32_t j = 0; j < tensor->cols; j += group)
		for (uint32_t i = 0; i < tensor->rows; i++) {
			float unit = kg_coded_unit(&coded, i, j);

			kg_buf_put(out, &unit, sizeof(unit));
		}
	free(storage);
}

static void put_int8(kg_buf *out, const kg_tensor *tensor, const float *r)
{
	float *scale = calloc(tensor->rows, sizeof(*scale));
	int8_t *row = malloc(tensor->cols);

	for (uint32_t i = 0; i < tensor->rows; i++) {
		assert_int_equal(kg_grid_quantize(row, &scale[i], r + (size_t)i * tensor->cols,
						  tensor->cols, KG_INT8_MAX),
				 KG_OK);
		kg_buf_put(out, row, tensor->cols);
	}
	kg_buf_put(out, scale, tensor->rows * sizeof(*scale));
	free(scale);
	free(row);
}

static void put_fairy(kg_buf *out, const kg_tensor *tensor, uint32_t stages, const float *r)
{
	size_t count = (size_t)tensor->rows * tensor->cols;
	void *storage = malloc(kg_pairing_size(tensor->rows, tensor->cols));
	float *paired = calloc(2 * count, sizeof(*paired));
	uint8_t *code = malloc(count);
	kg_fairy fairy = {.plane = {{.code = code}, {.code = code + count / 4}}};
	kg_pairing pairing;

	kg_pairing_init(&pairing, storage, tensor->rows, tensor->cols, seed_a, tensor->name);
	kg_pairing_apply(&pairing, paired, r);
	assert_int_equal(kg_fairy_quantize(&fairy, paired, tensor->rows, tensor->cols, stages,
					   paired + count),
			 KG_OK);
	for (uint32_t p = 0; p < kg_fairy_plane_count(stages); p++) {
		const kg_fairy_plane *plane = &fairy.plane[p];

		kg_buf_put_u8(out, plane->u0);
		kg_buf_put_u8(out, plane->u1);
		kg_buf_put_u8(out, plane->w0);
		kg_buf_put_u8(out, plane->w1);
		kg_buf_put(out, &plane->unit, sizeof(plane->unit));
		kg_buf_put(out, plane->code, count / 4);
	}
	kg_buf_put(out, pairing.row, tensor->rows * sizeof(*pairing.row));
	kg_buf_put(out, pairing.col, tensor->cols * sizeof(*pairing.col));
	kg_buf_put(out, pairing.row_sign, tensor->rows);
	kg_buf_put(out, pairing.col_sign, tensor->cols);
	free(storage);
	free(paired);
	free(code);
}

static void check_canonical(const kg_model *model, kg_tensor_role role, kg_format format)
{
	const kg_tensor *tensor = kg_model_tensor(model, role, 0);
	const char *format_name = kg_format_name(format);
	const float *r = tensor->data;
	kg_matrix matrix;
	kg_buf want;
	kg_buf got;

	kg_buf_init(&want, CANONICAL_MAX);
	kg_buf_init(&got, CANONICAL_MAX);
	kg_buf_put(&want, tensor->name, strlen(tensor->name) + 1);
	kg_buf_put(&want, format_name, strlen(format_name) + 1);
	kg_buf_put_u32le(&want, tensor->rows);
	kg_buf_put_u32le(&want, tensor->cols);
	if (kg_format_stages(format) != 0)
		put_fairy(&want, tensor, kg_format_stages(format), r);
	else if (kg_format_is_coded(format))
		put_coded(&want, tensor, format, r);
	else
		put_int8(&want, tensor, r);
	assert_int_equal(kg_matrix_init(&matrix, model, tensor, format, seed_a), KG_OK);
	assert_int_equal(kg_matrix_visit(&matrix, collect, &got), KG_OK);
	assert_int_equal(kg_buf_ok(&got), KG_OK);
	assert_true(same(&want, &got));
	kg_matrix_release(&matrix);
	kg_buf_release(&want);
	kg_buf_release(&got);
}

static void test_visit__gives_what_the_quantizers_give_in_the_written_order(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model;

	(void)state;
	config.hidden = 38;
	model = toy_random(&config, 11);
	for (size_t f = 0; f < sizeof(narrow) / sizeof(*narrow); f++) {
		check_canonical(model, KG_TENSOR_FFN_GATE, narrow[f]);
		check_canonical(model, KG_TENSOR_FFN_DOWN, narrow[f]);
		check_canonical(model, KG_TENSOR_ATTN_V, narrow[f]);
	}
	kg_model_free(model);
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
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 7);

	(void)state;
	for (size_t f = 0; f < sizeof(narrow) / sizeof(*narrow); f++) {
		void *bytes;
		kg_model *file = through_file(model, narrow[f], seed_a, &bytes);
		kg_weights *weights;
		kg_buf from_base;
		kg_buf from_file;

		canonical(&from_base, model, narrow[f], seed_a);
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

/* Of a quantized file nothing is copied but the indices of pairings. */
static void test_new__lines_are_used_where_they_lie(void **state)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 12);

	(void)state;
	for (size_t f = 0; f < sizeof(narrow) / sizeof(*narrow); f++) {
		void *bytes;
		kg_model *file = through_file(model, narrow[f], seed_a, &bytes);
		kg_weights *weights;
		const kg_matrix *gate;
		const uint8_t *line;
		size_t size;

		assert_int_equal(kg_weights_new(&weights, file, NULL, NULL), KG_OK);
		gate = &kg_weights_layer(weights, 0)->gate;
		line = gate->plane_count != 0 ? gate->plane[gate->plane_count - 1].line
					      : gate->lines.line;
		assert_ptr_equal(kg_model_bytes(file, &size), bytes);
		assert_true(line > (uint8_t *)bytes && line < (uint8_t *)bytes + size);
		assert_int_equal((uintptr_t)line % KG_LINE_SIZE, 0);
		assert_int_equal(kg_weights_embedding(weights)->owned_bytes, 0);
		if (gate->plane_count == 0)
			assert_int_equal(gate->owned_bytes, 0);
		else
			assert_true(gate->owned_bytes <= 3 * (gate->rows + gate->cols) + 80);
		kg_weights_free(weights);
		kg_model_free(file);
		free(bytes);
	}
	kg_model_free(model);
}

static void test_row__is_that_of_the_table(void **state)
{
	static const kg_format tables[] = {KG_FORMAT_F32, KG_FORMAT_F16, KG_FORMAT_INT8,
					   KG_FORMAT_INT4};
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 13);
	const kg_tensor *tensor = kg_model_tensor(model, KG_TENSOR_EMBEDDING, 0);
	float *want = calloc((size_t)tensor->rows * tensor->cols, sizeof(*want));
	float *row = calloc(tensor->cols, sizeof(*row));

	(void)state;
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
		void *bytes;
		kg_model *file = through_file(model, KG_FORMAT_F16, NULL, &bytes);
		kg_matrix matrix;

		if (tables[t] == KG_FORMAT_F32)
			memcpy(want, tensor->data, (size_t)tensor->rows * tensor->cols * 4);
		else if (tables[t] == KG_FORMAT_F16)
			assert_int_equal(
				kg_model_tensor_floats(
					file, kg_model_tensor(file, KG_TENSOR_EMBEDDING, 0), want),
				KG_OK);
		else
			dequantized(want, model, tensor, tables[t], NULL);
		assert_int_equal(kg_matrix_init(&matrix, model, tensor, tables[t], NULL), KG_OK);
		for (uint32_t i = 0; i < tensor->rows; i++) {
			kg_matrix_row(row, &matrix, i);
			assert_memory_equal(row, want + (size_t)i * tensor->cols,
					    tensor->cols * sizeof(*row));
		}
		kg_matrix_release(&matrix);
		kg_model_free(file);
		free(bytes);
	}
	kg_model_free(model);
	free(want);
	free(row);
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
		cmocka_unit_test(test_visit__gives_what_the_quantizers_give_in_the_written_order),
		cmocka_unit_test(test_new__floats_are_used_where_they_lie),
		cmocka_unit_test(test_new__lines_are_used_where_they_lie),
		cmocka_unit_test(test_row__is_that_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
