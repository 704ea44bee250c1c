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
#include "runtime/half.h"

static const kg_format formats[] = {KG_FORMAT_INT4,     KG_FORMAT_INT2,      KG_FORMAT_TERNARY,
				    KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE16, KG_FORMAT_PALETTE256};

enum { FORMATS = sizeof(formats) / sizeof(*formats) };

/* Sums of four uniform numbers: a bell, with a spread of its own for every row. */
static void draw(float *r, uint32_t rows, uint32_t cols, uint64_t seed)
{
	kg_rng rng;

	kg_rng_init_u64(&rng, seed);
	for (uint32_t i = 0; i < rows; i++)
		for (uint32_t j = 0; j < cols; j++) {
			float sum = -2.0f;

			for (int k = 0; k < 4; k++)
				sum += kg_rng_float(&rng);
			r[(size_t)i * cols + j] = sum * (0.1f + 0.02f * (float)i);
		}
}

/* A coded matrix; free(*storage). */
static kg_coded coded_of(void **storage, kg_format format, const float *r, uint32_t rows,
			 uint32_t cols)
{
	kg_coded coded;

	*storage = malloc(kg_coded_size(format, rows, cols));
	assert_non_null(*storage);
	kg_coded_init(&coded, *storage, format, rows, cols);
	assert_int_equal(kg_coded_quantize(&coded, r), KG_OK);
	return coded;
}

static double error_of(const kg_coded *coded, const float *r)
{
	size_t n = (size_t)coded->rows * coded->cols;
	float *back = malloc(n * sizeof(*back));
	double error = 0.0;

	assert_non_null(back);
	kg_coded_dequantize(back, coded);
	for (size_t k = 0; k < n; k++)
		error += ((double)r[k] - (double)back[k]) * ((double)r[k] - (double)back[k]);
	free(back);
	return error;
}

/* For every length of a row: what was packed is unpacked, passes the check, and integers times
 * units are the floats. */
static void test_coded__rows_of_every_length(void **state)
{
	enum { ROWS = 3, COLS_MAX = 70 };
	float r[ROWS * COLS_MAX];
	float back[ROWS * COLS_MAX];

	(void)state;
	for (int f = 0; f < FORMATS; f++)
		for (uint32_t cols = 1; cols <= COLS_MAX; cols++) {
			int8_t low[COLS_MAX];
			int8_t high[COLS_MAX] = {0};
			void *storage;
			kg_coded coded;

			draw(r, ROWS, cols, cols);
			coded = coded_of(&storage, formats[f], r, ROWS, cols);
			assert_int_equal(kg_coded_check(&coded), KG_OK);
			kg_coded_dequantize(back, &coded);
			for (uint32_t i = 0; i < ROWS; i++) {
				bool wide = formats[f] == KG_FORMAT_PALETTE256;

				kg_coded_integers(&coded, i, low, wide ? high : NULL);
				for (uint32_t j = 0; j < cols; j++) {
					float unit = kg_coded_unit(&coded, i, j);

					assert_true(back[i * cols + j] ==
						    (float)(128 * high[j] + low[j]) * unit);
				}
			}
			free(storage);
		}
}

/* No code is nearer than the one that was chosen. */
static void test_coded__nearest_is_nearest(void **state)
{
	enum { ROWS = 4, COLS = 64 };
	static const unsigned counts[FORMATS] = {16, 4, 3, 4, 16, 256};
	float r[ROWS * COLS];

	(void)state;
	draw(r, ROWS, COLS, 1);
	for (int f = 0; f < FORMATS; f++) {
		void *storage;
		kg_coded coded = coded_of(&storage, formats[f], r, ROWS, COLS);

		for (uint32_t k = 0; k < ROWS * COLS; k++) {
			uint8_t code = kg_coded_nearest(&coded, k / COLS, k % COLS, r[k]);
			float chosen =
				fabsf(kg_coded_value(&coded, k / COLS, k % COLS, code) - r[k]);

			for (unsigned c = 0; c < counts[f]; c++)
				assert_true(chosen <=
					    1.000001f * fabsf(kg_coded_value(&coded, k / COLS,
									     k % COLS, (uint8_t)c) -
							      r[k]));
		}
		free(storage);
	}
}

/* Every assignment of a short row, each with its own best scale: none has less error. */
static void test_coded__scales_have_the_least_error_there_is(void **state)
{
	enum { COLS = 7 };
	static const kg_format tried[] = {KG_FORMAT_INT2, KG_FORMAT_TERNARY};
	static const int levels[2][4] = {{-3, -1, 1, 3}, {-1, 0, 1, 0}};
	static const unsigned counts[2] = {4, 3};
	float r[COLS];

	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++)
		for (int f = 0; f < 2; f++) {
			double least = INFINITY;
			unsigned all = 1;
			void *storage;
			kg_coded coded;

			draw(r, 1, COLS, seed);
			for (int j = 0; j < COLS; j++)
				all *= counts[f];
			for (unsigned a = 0; a < all; a++) {
				double wc = 0.0;
				double cc = 0.0;
				double ww = 0.0;
				unsigned rest = a;

				for (int j = 0; j < COLS; j++, rest /= counts[f]) {
					double c = levels[f][rest % counts[f]];

					wc += (double)r[j] * c;
					cc += c * c;
					ww += (double)r[j] * (double)r[j];
				}
				if (cc > 0.0)
					least = fmin(least, ww - wc * wc / cc);
			}
			coded = coded_of(&storage, tried[f], r, 1, COLS);
			/* A half is off by 2^-11 of the scale at most. */
			assert_true(error_of(&coded, r) <= least * 1.00001 + 1e-7);
			free(storage);
		}
}

/* Entries are the means of what they stand for, up to a step of their grid. */
static void test_coded__palettes_are_means(void **state)
{
	enum { ROWS = 8, COLS = 512 };
	static float r[ROWS * COLS];
	void *storage;
	kg_coded coded;

	(void)state;
	draw(r, ROWS, COLS, 2);
	coded = coded_of(&storage, KG_FORMAT_PALETTE4, r, ROWS, COLS);
	for (uint32_t i = 0; i < ROWS; i++) {
		double sum[4] = {0};
		unsigned count[4] = {0};
		uint8_t codes[COLS];

		kg_coded_unpack(&coded, i, codes);
		for (uint32_t j = 0; j < COLS; j++) {
			sum[codes[j]] += (double)r[i * COLS + j];
			count[codes[j]]++;
		}
		for (uint8_t c = 0; c < 4; c++) {
			assert_true(count[c] > 0);
			/* A weight on the border may change sides when entries are rounded. */
			assert_true(
				fabs(sum[c] / count[c] - (double)kg_coded_value(&coded, i, 0, c)) <
				3.0 * (double)kg_coded_unit(&coded, i, 0));
		}
	}
	free(storage);
}

/* No palette of so many entries can err less, on average over many values of a flat density, than
 * one of entries at equal distances: (range / entries)^2 / 12 each. k-means comes near it. */
static void test_coded__palettes_come_near_the_least_error_there_is(void **state)
{
	enum { ROWS = 128, COLS = 512 };
	static const struct {
		kg_format format;
		double entries;
	} of[] = {{KG_FORMAT_PALETTE16, 16.0}, {KG_FORMAT_PALETTE256, 256.0}};
	static float r[ROWS * COLS];
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 9);
	for (size_t k = 0; k < (size_t)ROWS * COLS; k++)
		r[k] = 2.0f * kg_rng_float(&rng) - 1.0f;
	for (int f = 0; f < 2; f++) {
		void *storage;
		kg_coded coded = coded_of(&storage, of[f].format, r, ROWS, COLS);
		double least = ROWS * COLS * pow(2.0 / of[f].entries, 2.0) / 12.0;

		if (!(error_of(&coded, r) < 1.05 * least))
			fail_msg("%s: %g, at best %g", kg_format_name(of[f].format),
				 error_of(&coded, r), least);
		free(storage);
	}
	/* A bell: the best of 256 err sqrt(3) pi / 2 / 256^2 of the variance (Panter and Dite). */
	for (size_t k = 0; k < (size_t)ROWS * COLS; k++) {
		double radius = sqrt(-2.0 * log(1.0 - (double)kg_rng_float(&rng)));

		r[k] = (float)(radius * cos(6.283185307179586 * (double)kg_rng_float(&rng)));
	}
	{
		void *storage;
		kg_coded coded = coded_of(&storage, KG_FORMAT_PALETTE256, r, ROWS, COLS);
		double least = ROWS * COLS * 2.7207 / 65536.0;

		if (!(error_of(&coded, r) < 1.15 * least))
			fail_msg("a bell: %g, at best %g", error_of(&coded, r), least);
		free(storage);
	}
}

static void test_coded__wider_palettes_lose_less(void **state)
{
	enum { ROWS = 16, COLS = 128 };
	static float r[ROWS * COLS];
	double errors[FORMATS];

	(void)state;
	draw(r, ROWS, COLS, 3);
	for (int f = 0; f < FORMATS; f++) {
		void *storage;
		kg_coded coded = coded_of(&storage, formats[f], r, ROWS, COLS);

		errors[f] = error_of(&coded, r);
		free(storage);
	}
	assert_true(errors[5] < 0.05 * errors[4]);
	assert_true(errors[4] < errors[3]);
	assert_true(errors[3] < errors[1]); /* free levels against fixed ones, per row */
	assert_true(errors[1] < errors[2]);
	assert_true(errors[0] < errors[1]);
}

/* The bytes of docs/model-format.md. */
static void test_coded__the_worked_rows(void **state)
{
	static const float r[6] = {-4.0f, 0.5f, 1.0f, -1.0f, 2.0f, 3.5f};
	static const float three[6] = {3.0f, -1.0f, 1.0f, -3.0f, 1.0f, 3.0f};
	static const float trits[6] = {2.0f, 0.0f, -2.0f, 0.0f, 2.0f, 2.0f};
	static const uint8_t int4[KG_LINE_SIZE] = {0xc0, 0xf9, 0x0a, 0x06};
	static const uint8_t int2[KG_LINE_SIZE] = {0x0b, 0x0d, 0x02, 0x00};
	static const uint8_t ternary[KG_LINE_SIZE] = {0x0a, 0x09, 0x00, 0x01};
	kg_coded coded;
	void *storage;

	(void)state;
	coded = coded_of(&storage, KG_FORMAT_INT4, r, 1, 6);
	assert_int_equal(coded.scale[0], 0x3800); /* 0.5 */
	assert_memory_equal(coded.line, int4, sizeof(int4));
	free(storage);
	coded = coded_of(&storage, KG_FORMAT_INT2, three, 1, 6);
	assert_int_equal(coded.scale[0], 0x3c00); /* 1 */
	assert_memory_equal(coded.line, int2, sizeof(int2));
	free(storage);
	coded = coded_of(&storage, KG_FORMAT_TERNARY, trits, 1, 6);
	assert_int_equal(coded.scale[0], 0x4000); /* 2 */
	assert_memory_equal(coded.line, ternary, sizeof(ternary));
	free(storage);
}

static void test_coded__zeros_stay_zeros_and_no_number_is_refused(void **state)
{
	static const float zeros[40] = {0};
	float bad[40] = {0};

	(void)state;
	for (int f = 0; f < FORMATS; f++) {
		static const float wrong[] = {NAN, INFINITY, 1e30f};
		void *storage;
		kg_coded coded = coded_of(&storage, formats[f], zeros, 1, 40);

		assert_int_equal(kg_coded_check(&coded), KG_OK);
		assert_true(error_of(&coded, zeros) == 0.0);
		for (size_t w = 0; w < 3; w++) {
			bad[7] = wrong[w];
			assert_int_equal(kg_coded_quantize(&coded, bad), KG_EINVAL);
		}
		free(storage);
	}
}

static void test_check__refuses_what_no_quantizer_writes(void **state)
{
	enum { COLS = 33 };
	float r[COLS];
	void *storage;
	kg_coded coded;

	(void)state;
	draw(r, 1, COLS, 4);
	for (int f = 0; f < FORMATS; f++) {
		kg_lines lines = kg_coded_lines(formats[f], 1, COLS);
		size_t last = kg_lines_size(&lines) - KG_LINE_SIZE;

		coded = coded_of(&storage, formats[f], r, 1, COLS);
		coded.scale[0] = 0x7c00;
		assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
		coded.scale[0] = 0xb800;
		assert_int_equal(kg_coded_check(&coded),
				 formats[f] == KG_FORMAT_INT4 ? KG_OK : KG_ECORRUPT);
		coded.scale[0] = 0x3800;
		assert_int_equal(kg_coded_check(&coded), KG_OK);
		coded.line[last + 1] = 1; /* behind the last code of the row */
		assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
		coded.line[last + 1] = 0;
		coded.line[4] = 1; /* a second row */
		assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
		coded.line[4] = 0;
		assert_int_equal(kg_coded_check(&coded), KG_OK);
		if (coded.palette != NULL) {
			coded.palette[0] = -128;
			assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
			coded.palette[0] = 127;
			coded.palette[1] = 5;
			assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
		}
		free(storage);
	}
	coded = coded_of(&storage, KG_FORMAT_TERNARY, r, 1, COLS);
	coded.line[0] = 0x30; /* code 3 */
	assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
	free(storage);
	coded = coded_of(&storage, KG_FORMAT_PALETTE256, r, 1, COLS);
	coded.palette[256] = 64;
	assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
	free(storage);
	coded = coded_of(&storage, KG_FORMAT_PALETTE4, r, 1, COLS);
	coded.palette[4] = 1; /* of a second row */
	assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
	free(storage);
	coded = coded_of(&storage, KG_FORMAT_INT4, r, 1, COLS);
	coded.scale[1] = 1;
	assert_int_equal(kg_coded_check(&coded), KG_ECORRUPT);
	free(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coded__rows_of_every_length),
		cmocka_unit_test(test_coded__nearest_is_nearest),
		cmocka_unit_test(test_coded__scales_have_the_least_error_there_is),
		cmocka_unit_test(test_coded__palettes_are_means),
		cmocka_unit_test(test_coded__palettes_come_near_the_least_error_there_is),
		cmocka_unit_test(test_coded__wider_palettes_lose_less),
		cmocka_unit_test(test_coded__the_worked_rows),
		cmocka_unit_test(test_coded__zeros_stay_zeros_and_no_number_is_refused),
		cmocka_unit_test(test_check__refuses_what_no_quantizer_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
