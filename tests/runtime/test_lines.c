/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/fairy_lines.h"

enum { SIDE_MAX = 50 };

/* Where the header says that a code lies: its byte, and its lowest bit there. */
static size_t place(const kg_lines *lines, uint32_t row, uint32_t col, uint32_t *shift)
{
	uint32_t columns = 32 / lines->bits;
	size_t line = (size_t)(row / 16) * lines->lines + col / columns;

	*shift = col % columns / 4 * lines->bits;
	return 64 * line + (size_t)4 * (row % 16) + col % columns % 4;
}

static uint8_t *random_lines(const kg_lines *lines, uint8_t *codes, uint64_t seed)
{
	uint8_t *data = calloc(kg_lines_size(lines), 1);
	kg_rng rng;

	assert_non_null(data);
	kg_rng_init_u64(&rng, seed);
	for (uint32_t i = 0; i < lines->rows; i++) {
		for (uint32_t j = 0; j < lines->cols; j++)
			codes[i * lines->cols + j] =
				(uint8_t)kg_rng_below(&rng, (uint64_t)1 << lines->bits);
		kg_lines_pack(lines, data, i, codes + (size_t)i * lines->cols);
	}
	return data;
}

static void check_places(const kg_lines *lines)
{
	uint8_t codes[SIDE_MAX * SIDE_MAX];
	uint8_t *data = random_lines(lines, codes, lines->rows);
	uint8_t *seen = calloc(kg_lines_size(lines), 1);

	assert_int_equal(kg_lines_size(lines), (size_t)64 * lines->tiles * lines->lines);
	assert_true(kg_lines_padded(lines, data));
	for (uint32_t i = 0; i < lines->rows; i++) {
		uint8_t back[SIDE_MAX];

		kg_lines_unpack(lines, data, i, back);
		assert_memory_equal(back, codes + (size_t)i * lines->cols, lines->cols);
		for (uint32_t j = 0; j < lines->cols; j++) {
			uint32_t shift;
			size_t at = place(lines, i, j, &shift);
			unsigned mask = (1U << lines->bits) - 1;

			assert_int_equal((unsigned)data[at] >> shift & mask, back[j]);
			assert_int_equal((unsigned)seen[at] >> shift & mask, 0);
			seen[at] |= (uint8_t)(mask << shift);
		}
	}
	/* All other bits are padding. */
	for (size_t bit = 0; bit < 8 * kg_lines_size(lines); bit++) {
		data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(kg_lines_padded(lines, data), seen[bit / 8] >> bit % 8 & 1);
		data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	free(data);
	free(seen);
}

static void test_lines__every_code_has_its_place_and_the_rest_is_padding(void **state)
{
	static const uint32_t sides[] = {1, 15, 16, 33, SIDE_MAX};

	(void)state;
	for (size_t r = 0; r < sizeof(sides) / sizeof(*sides); r++)
		for (size_t c = 0; c < sizeof(sides) / sizeof(*sides); c++) {
			for (int kind = 0; kind < KG_LINES_KINDS; kind++) {
				kg_lines lines =
					kg_lines_of((kg_lines_kind)kind, sides[r], sides[c]);

				assert_int_equal(32 / lines.bits,
						 kg_lines_columns((kg_lines_kind)kind));
				check_places(&lines);
			}
			for (uint32_t stages = 1; stages <= 2; stages++) {
				kg_lines lines = kg_lines_of_plane(stages, sides[r], sides[c]);

				assert_int_equal(lines.lines * 32 / lines.bits,
						 (sides[c] + 15) / 16 * 16);
				check_places(&lines);
			}
		}
}

/* Bit `bit` of a code of stage `stage`, of W or of U, in the byte of a position. */
static unsigned bit_of(unsigned byte, unsigned w, unsigned stage, unsigned bit)
{
	return byte >> (4 * w + 2 * stage + bit) & 1;
}

static void test_fairy_lines__signs_come_before_axes(void **state)
{
	(void)state;
	for (uint32_t stages = 1; stages <= 2; stages++) {
		kg_lines lines = kg_fairy_lines(stages, 0, 2, 2);

		for (unsigned byte = 0; byte < 256; byte++) {
			uint8_t data[4 * KG_LINE_SIZE] = {0};
			uint8_t code = (uint8_t)(stages == 1 ? byte & 0x33 : byte);
			uint8_t back = code;
			unsigned want = 0;

			assert_true(kg_lines_size(&lines) <= sizeof(data));
			for (unsigned w = 0; w < 2; w++)
				for (unsigned s = 0; s < stages; s++)
					for (unsigned bit = 0; bit < 2; bit++)
						want |= bit_of(code, w, s, bit)
							<< (2 * stages * bit + stages * w + s);
			kg_fairy_lines_pack(&lines, data, &back);
			assert_int_equal(data[0], want);
			kg_fairy_lines_unpack(&lines, data, &back);
			assert_int_equal(back, code);
		}
	}
}

static void test_fairy_lines__three_stages_are_two_planes_of_the_same_columns(void **state)
{
	kg_lines first = kg_fairy_lines(3, 0, 40, 74);
	kg_lines second = kg_fairy_lines(3, 1, 40, 74);

	(void)state;
	assert_int_equal(first.bits, 8);
	assert_int_equal(second.bits, 4);
	assert_int_equal(first.rows, 20);
	assert_int_equal(first.cols, 37);
	assert_int_equal(first.lines * 4, second.lines * 8);
	assert_int_equal(first.lines * 4, 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines__every_code_has_its_place_and_the_rest_is_padding),
		cmocka_unit_test(test_fairy_lines__signs_come_before_axes),
		cmocka_unit_test(test_fairy_lines__three_stages_are_two_planes_of_the_same_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
