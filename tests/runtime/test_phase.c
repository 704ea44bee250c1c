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
#include "runtime/matrix.h"
#include "runtime/phase.h"

static kg_phase phase_new(uint32_t rows, uint32_t cols)
{
	kg_phase phase = {.rows = rows, .cols = cols, .re = 1.0f, .im = 1.0f};

	phase.line = aligned_alloc(KG_PHASE_LINE_SIZE, kg_phase_size(rows, cols));
	assert_non_null(phase.line);
	memset(phase.line, 0, kg_phase_size(rows, cols));
	return phase;
}

static uint8_t code_of(float re, float im)
{
	kg_phase phase = phase_new(1, 1);
	uint8_t code;

	assert_int_equal(kg_phase_quantize(&phase, &re, &im), KG_OK);
	code = kg_phase_get(&phase, 0, 0);
	free(phase.line);
	return code;
}

static void test_phase__sectors_begin_at_their_lower_edge(void **state)
{
	const float over = nextafterf(1.0f, 2.0f);
	const float under = nextafterf(1.0f, 0.0f);

	(void)state;
	assert_int_equal(code_of(1.0f, 0.0f), KG_CODE_PLUS_1);
	assert_int_equal(code_of(0.0f, 1.0f), KG_CODE_PLUS_I);
	assert_int_equal(code_of(-1.0f, 0.0f), KG_CODE_MINUS_1);
	assert_int_equal(code_of(0.0f, -1.0f), KG_CODE_MINUS_I);
	/* -45 degrees and the numbers next to it. */
	assert_int_equal(code_of(1.0f, -1.0f), KG_CODE_PLUS_1);
	assert_int_equal(code_of(1.0f, -under), KG_CODE_PLUS_1);
	assert_int_equal(code_of(1.0f, -over), KG_CODE_MINUS_I);
	/* 45 degrees. */
	assert_int_equal(code_of(1.0f, 1.0f), KG_CODE_PLUS_I);
	assert_int_equal(code_of(1.0f, over), KG_CODE_PLUS_I);
	assert_int_equal(code_of(1.0f, under), KG_CODE_PLUS_1);
	/* 135 degrees. */
	assert_int_equal(code_of(-1.0f, 1.0f), KG_CODE_MINUS_1);
	assert_int_equal(code_of(-1.0f, under), KG_CODE_MINUS_1);
	assert_int_equal(code_of(-1.0f, over), KG_CODE_PLUS_I);
	/* -135 degrees. */
	assert_int_equal(code_of(-1.0f, -1.0f), KG_CODE_MINUS_I);
	assert_int_equal(code_of(-1.0f, -over), KG_CODE_MINUS_I);
	assert_int_equal(code_of(-1.0f, -under), KG_CODE_MINUS_1);
	/* Zero, of either sign, and the least numbers there are. */
	assert_int_equal(code_of(0.0f, 0.0f), KG_CODE_PLUS_1);
	assert_int_equal(code_of(-0.0f, -0.0f), KG_CODE_PLUS_1);
	assert_int_equal(code_of(0x1p-149f, 0x1p-148f), KG_CODE_PLUS_I);
	assert_int_equal(code_of(-3e38f, 3e38f), KG_CODE_MINUS_1);
}

static void test_phase__scales_are_means_of_what_codes_keep(void **state)
{
	/* +1, -i, -1, +i, +1 and a zero, which is +1 too. */
	const float re[6] = {3.0f, 0.5f, -2.0f, 0.25f, 1.0f, 0.0f};
	const float im[6] = {-1.0f, -4.0f, 1.0f, 1.0f, 0.5f, 0.0f};
	static const uint8_t want[6] = {0, 3, 1, 2, 0, 0};
	kg_phase phase = phase_new(2, 3);

	(void)state;
	assert_int_equal(kg_phase_quantize(&phase, re, im), KG_OK);
	for (uint32_t k = 0; k < 6; k++)
		assert_int_equal(kg_phase_get(&phase, k / 3, k % 3), want[k]);
	assert_true(phase.re == (3.0f + 2.0f + 1.0f + 0.0f) / 4.0f);
	assert_true(phase.im == (4.0f + 1.0f) / 2.0f);
	assert_int_equal(kg_phase_check(&phase), KG_OK);
	free(phase.line);
}

static void test_phase__an_empty_axis_has_the_least_scale(void **state)
{
	const float large[4] = {2.0f, -2.0f, 2.0f, -2.0f};
	const float none[4] = {0};
	const float least[4] = {1e-9f, 1e-9f, 1e-9f, 1e-9f};
	kg_phase phase = phase_new(2, 2);

	(void)state;
	assert_int_equal(kg_phase_quantize(&phase, large, none), KG_OK);
	assert_true(phase.re == 2.0f && phase.im == 1e-5f);
	assert_int_equal(kg_phase_quantize(&phase, none, large), KG_OK);
	assert_true(phase.re == 1e-5f && phase.im == 2.0f);
	assert_int_equal(kg_phase_quantize(&phase, least, none), KG_OK);
	assert_true(phase.re == 1e-5f && phase.im == 1e-5f);
	free(phase.line);
}

static void test_phase__numbers_that_are_not_finite_are_refused(void **state)
{
	static const float bad[] = {INFINITY, -INFINITY, NAN};
	kg_phase phase = phase_new(1, 2);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const float one[2] = {1.0f, bad[i]};
		const float other[2] = {1.0f, 2.0f};

		assert_int_equal(kg_phase_quantize(&phase, one, other), KG_EINVAL);
		assert_int_equal(kg_phase_quantize(&phase, other, one), KG_EINVAL);
	}
	free(phase.line);
}

static void test_phase__a_code_lies_where_the_format_says(void **state)
{
	kg_phase phase = phase_new(18, 35);
	uint8_t *line = phase.line;

	(void)state;
	assert_int_equal(kg_phase_size(18, 35), 2 * 3 * 64);
	/* Row 17 is row 1 of the second tile; column 30 is column 2 of quad 3 of the second line.
	 */
	kg_phase_put(&phase, 17, 30, KG_CODE_MINUS_1);
	assert_int_equal(line[(3 + 1) * 64 + 4 * 1 + 2], 1 << 3);
	kg_phase_put(&phase, 17, 30, KG_CODE_PLUS_I);
	assert_int_equal(line[(3 + 1) * 64 + 4 * 1 + 2], 1 << 7);
	kg_phase_put(&phase, 17, 18, KG_CODE_MINUS_I);
	assert_int_equal(line[(3 + 1) * 64 + 4 * 1 + 2], 1 << 7 | 1 << 0 | 1 << 4);
	kg_phase_put(&phase, 17, 30, KG_CODE_PLUS_1);
	assert_int_equal(line[(3 + 1) * 64 + 4 * 1 + 2], 1 << 0 | 1 << 4);
	assert_int_equal(kg_phase_get(&phase, 17, 18), KG_CODE_MINUS_I);
	free(line);
}

static void test_phase__padding_that_is_not_zero_is_refused(void **state)
{
	kg_phase phase = phase_new(18, 35);
	uint8_t *line = phase.line;
	uint32_t inside = 0;

	(void)state;
	for (uint32_t i = 0; i < 18; i++)
		for (uint32_t j = 0; j < 35; j++)
			kg_phase_put(&phase, i, j, KG_CODE_MINUS_I);
	assert_int_equal(kg_phase_check(&phase), KG_OK);
	/* Every bit of the lines belongs to an element, or the check sees it. */
	for (size_t bit = 0; bit < 8 * kg_phase_size(18, 35); bit++) {
		line[bit / 8] ^= (uint8_t)(1u << bit % 8);
		inside += kg_phase_check(&phase) == KG_OK;
		line[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(inside, 2 * 18 * 35);
	phase.re = 0.0f;
	assert_int_equal(kg_phase_check(&phase), KG_ECORRUPT);
	phase.re = 1.0f;
	phase.im = NAN;
	assert_int_equal(kg_phase_check(&phase), KG_ECORRUPT);
	free(line);
}

/* docs/model-format.md */
static void test_phase__the_worked_row_is_what_the_document_shows(void **state)
{
	const float re[9] = {2, 0, -2, 0, 2, 2, 2, 2, 0};
	const float im[9] = {0, 3, 0, -3, 0, 0, 0, 0, -3};
	static const uint8_t want[64] = {0x44, 0x10, 0x01, 0x11};
	kg_phase phase = phase_new(1, 9);

	(void)state;
	assert_int_equal(kg_phase_quantize(&phase, re, im), KG_OK);
	assert_memory_equal(phase.line, want, sizeof(want));
	assert_true(phase.re == 2.0f && phase.im == 3.0f);
	free(phase.line);
}

enum { BATCH = 5 };

/* y = W conj(x) of one vector, straight from the definition. */
static void product(double *y, const kg_phase *w, const int8_t *re, const int8_t *im,
		    const float step[2])
{
	static const int unit[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};

	for (uint32_t i = 0; i < w->rows; i++) {
		double sum_re = 0.0;
		double sum_im = 0.0;

		for (uint32_t j = 0; j < w->cols; j++) {
			uint8_t code = kg_phase_get(w, i, j);
			double a = unit[code][0] * (double)w->re;
			double b = unit[code][1] * (double)w->im;
			double c = (double)re[j] * (double)step[0];
			double d = -(double)im[j] * (double)step[1];

			sum_re += a * c - b * d;
			sum_im += a * d + b * c;
		}
		y[i] = sum_re;
		y[w->rows + i] = sum_im;
	}
}

static kg_matrix matrix_of(const kg_phase *phase, kg_tensor *tensor)
{
	kg_matrix matrix;

	*tensor = (kg_tensor){.name = "w",
			      .role = KG_TENSOR_ATTN_Q,
			      .format = KG_FORMAT_PHASE,
			      .rows = phase->rows,
			      .cols = phase->cols,
			      .phase = *phase};
	assert_int_equal(kg_matrix_init(&matrix, NULL, tensor, KG_FORMAT_PHASE, NULL), KG_OK);
	return matrix;
}

/* Every kernel, every cut and every count of vectors gives the product of the definition. */
static void check_products(const kg_matrix *matrix, const kg_phase *phase, const kg_activation *all)
{
	uint32_t half = kg_phase_lines(phase->cols) * KG_PHASE_COLS;
	int32_t *sums = aligned_alloc(64, KG_MATRIX_SUMS * sizeof(*sums));
	size_t y_stride = 2 * (size_t)phase->rows + 3;
	float *want = malloc(BATCH * y_stride * sizeof(*want));
	float *got = malloc(BATCH * y_stride * sizeof(*got));

	for (uint32_t k = 0; k < kg_kernel_count(); k++) {
		const kg_kernel *kernel = kg_kernel_at(k);
		float *to = k == 0 ? want : got;

		if (!kernel->usable())
			continue;
		memset(got, 0, BATCH * y_stride * sizeof(*got));
		memset(to, 0, BATCH * y_stride * sizeof(*to));
		for (uint32_t cut = 0; cut <= kg_matrix_tiles(matrix); cut++) {
			kg_matrix_multiply(to, y_stride, matrix, kernel, all, NULL, sums, 0, cut);
			kg_matrix_multiply(to, y_stride, matrix, kernel, all, NULL, sums, cut,
					   kg_matrix_tiles(matrix));
			assert_memory_equal(want, to, BATCH * y_stride * sizeof(*to));
		}
		for (uint32_t v = 0; v < BATCH; v++) {
			kg_activation one = *all;

			one.q += v * all->q_stride;
			one.step += (size_t)2 * v;
			one.count = 1;
			kg_matrix_multiply(got + v * y_stride, y_stride, matrix, kernel, &one, NULL,
					   sums, 0, kg_matrix_tiles(matrix));
		}
		assert_memory_equal(want, got, BATCH * y_stride * sizeof(*got));
	}
	for (uint32_t v = 0; v < BATCH; v++) {
		const int8_t *q = all->q + v * all->q_stride;
		double *plain = malloc(2 * (size_t)phase->rows * sizeof(*plain));

		product(plain, phase, q, q + half, all->step + (size_t)2 * v);
		for (uint32_t i = 0; i < 2 * phase->rows; i++)
			assert_true(fabs((double)want[v * y_stride + i] - plain[i]) <
				    1e-5 * (1.0 + fabs(plain[i])));
		free(plain);
	}
	free(sums);
	free(want);
	free(got);
}

static void test_phase__products_are_what_they_mean(void **state)
{
	static const uint32_t sizes[][2] = {{1, 1}, {16, 16}, {33, 20}, {5, 546}, {300, 47}};
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 7);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		uint32_t rows = sizes[s][0];
		uint32_t cols = sizes[s][1];
		uint32_t half = kg_phase_lines(cols) * KG_PHASE_COLS;
		size_t stride = (2 * (size_t)half + 63) / 64 * 64;
		int8_t *q = aligned_alloc(64, BATCH * stride);
		float step[2 * BATCH];
		kg_phase phase = phase_new(rows, cols);
		kg_tensor tensor;
		kg_matrix matrix;
		kg_activation x = {.q = q, .q_stride = stride, .step = step, .count = BATCH};

		memset(q, 0, BATCH * stride);
		phase.re = 0.75f;
		phase.im = 0.3f;
		for (uint32_t i = 0; i < rows; i++)
			for (uint32_t j = 0; j < cols; j++)
				kg_phase_put(&phase, i, j, (uint8_t)(kg_rng_u64(&rng) % 4));
		for (uint32_t v = 0; v < BATCH; v++)
			for (uint32_t j = 0; j < 2 * cols; j++)
				q[v * stride + j / cols * half + j % cols] =
					(int8_t)((int)(kg_rng_u64(&rng) % 255) - 127);
		for (int i = 0; i < 2 * BATCH; i++)
			step[i] = kg_rng_float(&rng) + 0.01f;
		matrix = matrix_of(&phase, &tensor);
		check_products(&matrix, &phase, &x);
		kg_matrix_release(&matrix);
		free(phase.line);
		free(q);
	}
}

static void test_phase__no_other_format_becomes_phase(void **state)
{
	float one = 1.0f;
	kg_tensor tensor = {.name = "w",
			    .role = KG_TENSOR_ATTN_Q,
			    .format = KG_FORMAT_F32,
			    .rows = 1,
			    .cols = 1,
			    .data = &one};
	kg_matrix matrix;

	(void)state;
	assert_int_equal(kg_matrix_init(&matrix, NULL, &tensor, KG_FORMAT_PHASE, NULL), KG_EINVAL);
	tensor.format = KG_FORMAT_PHASE;
	tensor.phase = phase_new(1, 1);
	assert_int_equal(kg_matrix_init(&matrix, NULL, &tensor, KG_FORMAT_INT8, NULL), KG_EINVAL);
	free(tensor.phase.line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phase__sectors_begin_at_their_lower_edge),
		cmocka_unit_test(test_phase__scales_are_means_of_what_codes_keep),
		cmocka_unit_test(test_phase__an_empty_axis_has_the_least_scale),
		cmocka_unit_test(test_phase__numbers_that_are_not_finite_are_refused),
		cmocka_unit_test(test_phase__a_code_lies_where_the_format_says),
		cmocka_unit_test(test_phase__padding_that_is_not_zero_is_refused),
		cmocka_unit_test(test_phase__the_worked_row_is_what_the_document_shows),
		cmocka_unit_test(test_phase__products_are_what_they_mean),
		cmocka_unit_test(test_phase__no_other_format_becomes_phase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
