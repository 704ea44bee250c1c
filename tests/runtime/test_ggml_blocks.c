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
#include "runtime/ggml_blocks.h"
#include "runtime/half.h"

/*
 * Blocks worked out by hand from the layout of ggml's documentation. Halves used: 0x3800 is 0.5,
 * 0x3c00 is 1, 0x4000 is 2, 0x3400 is 0.25, 0xc000 is -2.
 */

/* All other weights are `rest`. */
typedef struct {
	unsigned at;
	float value;
} one;

static void check(kg_ggml_type type, const uint8_t *block, size_t n, const one *some, size_t count,
		  float rest)
{
	float out[256];
	float want[256];

	for (size_t i = 0; i < n; i++)
		want[i] = rest;
	for (size_t i = 0; i < count; i++)
		want[some[i].at] = some[i].value;
	kg_ggml_to_floats(out, type, block, n);
	for (size_t i = 0; i < n; i++)
		assert_true(out[i] == want[i]);
}

static void test_blocks__of_four_bits(void **state)
{
	/* d = 0.5. Byte 0: low 10 is weight 0, high 9 weight 16; byte 15: low 0, high 15. */
	static const one some[] = {{0, 1.0f}, {16, 0.5f}, {15, -4.0f}, {31, 3.5f}};
	/* d = 0.5, m = -2: 10 -> 3, 9 -> 2.5, 0 -> -2, 15 -> 5.5, 8 -> 2. */
	static const one with_minimum[] = {{0, 3.0f}, {16, 2.5f}, {15, -2.0f}, {31, 5.5f}};
	/* The table's values of 10, 9, 0, 15 and elsewhere 8: 25, 13, -127, 113 and 1. */
	static const one of_table[] = {{0, 12.5f}, {16, 6.5f}, {15, -63.5f}, {31, 56.5f}};
	uint8_t b[20] = {0x00, 0x38};

	(void)state;
	memset(b + 2, 0x88, 16);
	b[2] = 0x9a;
	b[17] = 0xf0;
	check(KG_GGML_Q4_0, b, 32, some, 4, 0.0f);
	check(KG_GGML_IQ4_NL, b, 32, of_table, 4, 0.5f);
	b[3] = 0xc0;
	b[2] = 0x00;
	memset(b + 4, 0x88, 16);
	b[4] = 0x9a;
	b[19] = 0xf0;
	check(KG_GGML_Q4_1, b, 32, with_minimum, 4, 2.0f);
}

static void test_blocks__of_five_bits(void **state)
{
	/* d = 2; low bits 0 everywhere but byte 1 (low 3, high 5); fifth bits of 1, 8, 17, 31. With
	 * the fifth bit 3 is 19, 5 is 21, 0 is 16; less 16: 3, 5, 0; without it -16. */
	static const one some[] = {{1, 6.0f}, {8, 0.0f}, {17, 10.0f}, {31, 0.0f}};
	/* d = 2, m = 0.25. */
	static const one with_minimum[] = {{1, 38.25f}, {8, 32.25f}, {17, 42.25f}, {31, 32.25f}};
	uint8_t b[24] = {0x00, 0x40, 0x02, 0x01, 0x02, 0x80};

	(void)state;
	b[6 + 1] = 0x53;
	check(KG_GGML_Q5_0, b, 32, some, 4, -32.0f);
	memset(b, 0, sizeof(b));
	memcpy(b, (const uint8_t[]){0x00, 0x40, 0x00, 0x34, 0x02, 0x01, 0x02, 0x80}, 8);
	b[8 + 1] = 0x53;
	check(KG_GGML_Q5_1, b, 32, with_minimum, 4, 0.25f);
}

static void test_blocks__of_eight_bits(void **state)
{
	static const one some[] = {{0, 63.5f}, {1, -64.0f}, {31, -0.5f}};
	uint8_t b[34] = {0x00, 0x38, 0x7f, 0x80};

	(void)state;
	b[33] = 0xff;
	check(KG_GGML_Q8_0, b, 32, some, 3, 0.0f);
}

/*
 * d = 0.5, dmin = 0.25. Scales 0..7: 2, 0, 0, 63, 0, 37, 0, 48; minima: 4, 0, 8, 0, 12, 0, 0, 63.
 * Bytes 0..3: scale 0..3 and the top two bits of scale 4..7 (0, 2, 0, 3) above: 02, 80, 00, ff.
 * Bytes 4..7: minimum 0..3 and the top two bits of minimum 4..7 (0, 0, 0, 3): 04, 00, 08, c0.
 * Bytes 8..11: low halves of scale 4..7 (0, 5, 0, 0) and of minimum 4..7 (12, 0, 0, 15) above.
 */
static const uint8_t packed_scales[16] = {0x00, 0x38, 0x00, 0x34, 0x02, 0x80, 0x00, 0xff,
					  0x04, 0x00, 0x08, 0xc0, 0xc0, 0x05, 0x00, 0xf0};

/* With all weights 0 each group of 32 is minus its minimum: 0.25 times 4, 8, 12, 63. */
static void minima(float want[256])
{
	static const float least[8] = {-1.0f, 0, -2.0f, 0, -3.0f, 0, 0, -15.75f};

	for (unsigned i = 0; i < 256; i++)
		want[i] = least[i / 32];
}

static void test_blocks__of_four_bits_in_256(void **state)
{
	uint8_t b[144] = {0};
	float want[256];
	float out[256];

	(void)state;
	memcpy(b, packed_scales, 16);
	b[16 + 0] = 0x0f;       /* weight 0: 15 */
	b[16 + 33] = 0xa0;      /* second 32 bytes, high half: weight 96 + 1 is 10 */
	b[16 + 64 + 5] = 0x30;  /* third, high: weight 160 + 5 is 3 */
	b[16 + 96 + 31] = 0x77; /* fourth: weights 192 + 31 and 224 + 31 are 7 */
	minima(want);
	want[0] = 0.5f * 2 * 15 - 1.0f;
	want[97] = 0.5f * 63 * 10;
	want[165] = 0.5f * 37 * 3;
	want[255] = 0.5f * 48 * 7 - 15.75f;
	kg_ggml_to_floats(out, KG_GGML_Q4_K, b, 256);
	for (unsigned i = 0; i < 256; i++)
		assert_true(out[i] == want[i]);
}

static void test_blocks__of_five_bits_in_256(void **state)
{
	uint8_t b[176] = {0};
	float want[256];
	float out[256];

	(void)state;
	memcpy(b, packed_scales, 16);
	b[16 + 0] = 0x01;           /* fifth bit of weight 0 of group 0 */
	b[16 + 5] = 0x20;           /* of weight 5 of group 5 */
	b[16 + 31] = 0x80;          /* of weight 31 of group 7 */
	b[16 + 32 + 0] = 0x0f;      /* weight 0: 15 + 16 */
	b[16 + 32 + 33] = 0xa0;     /* weight 97: 10 */
	b[16 + 32 + 64 + 5] = 0x30; /* weight 165: 3 + 16 */
	minima(want);
	want[0] = 0.5f * 2 * 31 - 1.0f;
	want[97] = 0.5f * 63 * 10;
	want[165] = 0.5f * 37 * 19;
	want[255] = 0.5f * 48 * 16 - 15.75f;
	kg_ggml_to_floats(out, KG_GGML_Q5_K, b, 256);
	for (unsigned i = 0; i < 256; i++)
		assert_true(out[i] == want[i]);
}

static void test_blocks__of_six_bits_in_256(void **state)
{
	/* d = 0.5; every weight is -32 (all bits 0) unless said; scales of 16 weights are 0 but of
	 * the groups named, whose other weights are then -16 times the scale. */
	static const struct {
		unsigned at;
		int q;
		int scale;
	} some[] = {{3, 21 - 32, 2},
		    {32 + 17, 47 - 32, -3},
		    {64 + 9, 63 - 32, 127},
		    {128 + 96 + 31, 16 - 32, -128}};
	uint8_t b[210] = {0};
	float want[256] = {0};
	float out[256];

	(void)state;
	b[3] = 0x05;                /* row 0, low of byte 3: 5 */
	b[128 + 3] = 0x01;          /* bits 0, 1 of byte 3: 1 -> 21 */
	b[32 + 17] = 0x0f;          /* row 1, low of byte 32 + 17: 15 */
	b[128 + 17] = 0x02 << 2;    /* bits 2, 3 of byte 17: 2 -> 47 */
	b[9] = 0xf0;                /* row 2, high of byte 9: 15 */
	b[128 + 9] = 0x03 << 4;     /* bits 4, 5: 3 -> 63 */
	b[128 + 32 + 31] = 1u << 6; /* second half, row 3, bits 6, 7 of byte 31: 1 -> 16 */
	b[209] = 0x38;
	for (unsigned i = 0; i < 4; i++) {
		unsigned group = some[i].at / 16;

		b[192 + group] = (uint8_t)some[i].scale;
		for (unsigned l = 0; l < 16; l++)
			want[group * 16 + l] = -16.0f * (float)some[i].scale;
		want[some[i].at] = 0.5f * (float)some[i].scale * (float)some[i].q;
	}
	kg_ggml_to_floats(out, KG_GGML_Q6_K, b, 256);
	for (unsigned i = 0; i < 256; i++)
		assert_true(out[i] == want[i]);
}

static void test_blocks__of_two_bits_in_256(void **state)
{
	/* d = 0.5, dmin = 0.25. Group 0: scale 3, minimum 2; group 13: scale 15, minimum 15; the
	 * others nothing. Weight 5 (row 0 of byte 5): 2; weight 13 * 16 + 1 = 209, in the second
	 * half (81) row 2 (64), byte 32 + 17: 3. */
	uint8_t b[84] = {0x23};
	float want[256] = {0};
	float out[256];

	(void)state;
	b[13] = 0xff;
	b[16 + 5] = 0x02;
	b[16 + 32 + 17] = 0x30;
	memcpy(b + 80, (const uint8_t[]){0x00, 0x38, 0x00, 0x34}, 4);
	for (unsigned l = 0; l < 16; l++) {
		want[l] = -0.5f;
		want[208 + l] = -3.75f;
	}
	want[5] = 0.5f * 3 * 2 - 0.5f;
	want[209] = 0.5f * 15 * 3 - 3.75f;
	kg_ggml_to_floats(out, KG_GGML_Q2_K, b, 256);
	for (unsigned i = 0; i < 256; i++)
		assert_true(out[i] == want[i]);
}

static void test_blocks__of_three_bits_in_256(void **state)
{
	/* d = 0.5. Scales less 32; those of groups 0, 6, 9, 15 are 1, -32, 31, -17: stored 33, 0,
	 * 63, 15; the others are 0: stored 32. Low four bits: 1, 0, 15, 15; top two: 2, 0, 3, 0.
	 * Low halves of bytes 0..7: groups 0..7; high halves: groups 8..15 (9 is byte 1, 15 is
	 * byte 7). Top bits: bytes 8..11 are groups 0..3 in bits 0, 1; then 4..7, 8..11, 12..15.
	 * All 2: 0xaa; group 6 (byte 10, bits 2, 3) 0: 0xa2; group 9 (byte 9, bits 4, 5) 3: 0xba;
	 * group 15 (byte 11, bits 6, 7) 0: 0x2a. */
	static const uint8_t scales[12] = {0x01, 0xf0, 0, 0, 0, 0, 0, 0xf0, 0xaa, 0xba, 0xa2, 0x2a};
	static const unsigned groups[4] = {0, 6, 9, 15};
	static const int scale[4] = {1, -32, 31, -17};
	uint8_t b[110] = {0};
	float want[256] = {0};
	float out[256];

	(void)state;
	memcpy(b + 96, scales, 12);
	b[109] = 0x38;
	/* No bit is set: all weights are 0 - 4. */
	for (unsigned g = 0; g < 4; g++)
		for (unsigned l = 0; l < 16; l++)
			want[groups[g] * 16 + l] = 0.5f * (float)scale[g] * -4.0f;
	/* Weight 3: mask bit 0 of byte 3, low bits 2 -> 2. */
	b[3] = 0x01;
	b[32 + 3] = 0x02;
	want[3] = 0.5f * 1 * 2;
	/* Weight 9 * 16 + 2 = 146 = 128 + 18: second half, row 0, byte 32 + 18; mask bit 4 of byte
	 * 18; low bits 1 -> 1. */
	b[18] = 0x10;
	b[32 + 32 + 18] = 0x01;
	want[146] = 0.5f * 31 * 1;
	/* Weight 255: second half, row 3, byte 32 + 31; no mask; low bits 3 -> -1. */
	b[32 + 32 + 31] = 0xc0;
	want[255] = 0.5f * -17 * -1;
	kg_ggml_to_floats(out, KG_GGML_Q3_K, b, 256);
	for (unsigned i = 0; i < 256; i++)
		assert_true(out[i] == want[i]);
}

static void test_blocks__of_three_values(void **state)
{
	/* d = 2. Two bits each, 0 is -1: byte 7 is 1, 2, 0, 1 of the rows 0..3. */
	static const one two_bits[] = {{7, 0.0f}, {39, 2.0f}, {71, -2.0f}, {103, 0.0f}};
	/* Base 3: digits 1, 2, 0, 1, 2 are 1/3 + 2/9 + 0 + 1/81 + 2/243 = 140/243, times 256 and
	 * rounded up 148. Byte 7 has weights 7, 39, 71, 103, 135; byte 32 + 3 weights 163, 179,
	 * 195, 211, 227; byte 48 + 1 weights 241, 245, 249, 253. */
	static const one digits[] = {{7, 0.0f},    {39, 2.0f},  {71, -2.0f}, {103, 0.0f},
				     {135, 2.0f},  {163, 0.0f}, {179, 2.0f}, {195, -2.0f},
				     {211, 0.0f},  {227, 2.0f}, {241, 0.0f}, {245, 2.0f},
				     {249, -2.0f}, {253, 0.0f}};
	uint8_t b[66] = {0};

	(void)state;
	b[7] = 1 | 2 << 2 | 0 << 4 | 1 << 6;
	b[65] = 0x40;
	check(KG_GGML_TQ2_0, b, 256, two_bits, 4, -2.0f);
	memset(b, 0, sizeof(b));
	b[7] = b[32 + 3] = b[48 + 1] = 148;
	b[53] = 0x40;
	check(KG_GGML_TQ1_0, b, 256, digits, sizeof(digits) / sizeof(digits[0]), -2.0f);
}

static void test_blocks__plain_numbers_are_themselves(void **state)
{
	/* 1.5 and -2 as F32, F16 and BF16, from an odd address. */
	static const uint8_t f32[] = {9, 0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x00, 0xc0};
	static const uint8_t f16[] = {9, 0x00, 0x3e, 0x00, 0xc0};
	static const uint8_t bf16[] = {9, 0xc0, 0x3f, 0x00, 0xc0};
	static const one some[] = {{0, 1.5f}, {1, -2.0f}};

	(void)state;
	check(KG_GGML_F32, f32 + 1, 2, some, 2, 0);
	check(KG_GGML_F16, f16 + 1, 2, some, 2, 0);
	check(KG_GGML_BF16, bf16 + 1, 2, some, 2, 0);
}

static void test_blocks__have_their_published_sizes(void **state)
{
	static const struct {
		uint32_t type;
		uint32_t weights;
		uint32_t bytes;
	} published[] = {{2, 32, 18},    {3, 32, 20},    {6, 32, 22},    {7, 32, 24},  {8, 32, 34},
			 {12, 256, 144}, {13, 256, 176}, {14, 256, 210}, {0, 1, 4},    {30, 1, 2},
			 {10, 256, 84},  {11, 256, 110}, {34, 256, 54},  {35, 256, 66}};
	uint32_t weights;
	uint32_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		assert_true(kg_ggml_block(published[i].type, &weights, &bytes));
		assert_int_equal(weights, published[i].weights);
		assert_int_equal(bytes, published[i].bytes);
		assert_true(kg_ggml_is_weights(published[i].type));
	}
	assert_false(kg_ggml_block(9, &weights, &bytes));
	assert_false(kg_ggml_block(4000000000u, &weights, &bytes));
	assert_false(kg_ggml_is_weights(KG_GGML_I8));
	assert_false(kg_ggml_is_weights(31));
	assert_string_equal(kg_ggml_type_name(12), "Q4_K");
	assert_string_equal(kg_ggml_type_name(9), "?");
}

static void test_q8_0__is_the_nearest_of_255_steps(void **state)
{
	/* 63.5 / 127 = 0.5: steps of one half; 0.25 is half a step and goes away from zero. */
	static const float easy[4] = {63.5f, -0.25f, 0.25f, -63.0f};
	float value[64] = {0};
	uint8_t b[68];
	float back[64];
	kg_rng rng;

	(void)state;
	memcpy(value, easy, sizeof(easy));
	kg_ggml_from_floats_q8_0(b, value, 64);
	assert_int_equal(b[0], 0x00);
	assert_int_equal(b[1], 0x38);
	assert_int_equal(b[2], 127);
	assert_int_equal(b[3], 0xff);
	assert_int_equal(b[4], 1);
	assert_int_equal(b[5], 0x100 - 126);
	for (int i = 34; i < 68; i++)
		assert_int_equal(b[i], 0);
	kg_rng_init_u64(&rng, 5);
	for (int i = 0; i < 64; i++)
		value[i] = (kg_rng_float(&rng) - 0.5f) * (i < 32 ? 1.0f : 0.1f);
	kg_ggml_from_floats_q8_0(b, value, 64);
	kg_ggml_to_floats(back, KG_GGML_Q8_0, b, 64);
	for (int i = 0; i < 64; i++) {
		const uint8_t *block = b + (i < 32 ? 0 : 34);
		float step = kg_half_to_float((uint16_t)(block[0] | block[1] << 8));

		/* The greatest may be beyond 127 steps by the rounding of the scale. */
		assert_true(fabsf(back[i] - value[i]) <= step * 0.57f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks__of_four_bits),
		cmocka_unit_test(test_blocks__of_five_bits),
		cmocka_unit_test(test_blocks__of_eight_bits),
		cmocka_unit_test(test_blocks__of_four_bits_in_256),
		cmocka_unit_test(test_blocks__of_five_bits_in_256),
		cmocka_unit_test(test_blocks__of_six_bits_in_256),
		cmocka_unit_test(test_blocks__of_two_bits_in_256),
		cmocka_unit_test(test_blocks__of_three_bits_in_256),
		cmocka_unit_test(test_blocks__of_three_values),
		cmocka_unit_test(test_blocks__plain_numbers_are_themselves),
		cmocka_unit_test(test_blocks__have_their_published_sizes),
		cmocka_unit_test(test_q8_0__is_the_nearest_of_255_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
