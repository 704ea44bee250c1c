/* SPDX-License-Identifier: MIT */
#include "runtime/ggml_blocks.h"

#include <math.h>
#include <string.h>

#include "runtime/half.h"

enum {
	SMALL = 32,   /* weights of a block */
	GREAT = 256,  /* weights of a K block */
	SCALES = 12,  /* bytes of the packed scales of Q4_K and Q5_K */
	GROUP = 32,   /* weights under one scale of Q4_K and Q5_K */
	Q6_GROUP = 16 /* weights under one scale of Q6_K */
};

typedef void block_reader(float *out, const uint8_t *block);

static const struct {
	const char *name;
	uint8_t weights_log2;
	uint8_t bytes;
} types[] = {
	[KG_GGML_F32] = {"F32", 0, 4},        [KG_GGML_F16] = {"F16", 0, 2},
	[KG_GGML_Q4_0] = {"Q4_0", 5, 18},     [KG_GGML_Q4_1] = {"Q4_1", 5, 20},
	[KG_GGML_Q5_0] = {"Q5_0", 5, 22},     [KG_GGML_Q5_1] = {"Q5_1", 5, 24},
	[KG_GGML_Q2_K] = {"Q2_K", 8, 84},     [KG_GGML_Q3_K] = {"Q3_K", 8, 110},
	[KG_GGML_TQ1_0] = {"TQ1_0", 8, 54},   [KG_GGML_TQ2_0] = {"TQ2_0", 8, 66},
	[KG_GGML_Q8_0] = {"Q8_0", 5, 34},     [KG_GGML_Q4_K] = {"Q4_K", 8, 144},
	[KG_GGML_Q5_K] = {"Q5_K", 8, 176},    [KG_GGML_Q6_K] = {"Q6_K", 8, 210},
	[KG_GGML_I8] = {"I8", 0, 1},          [KG_GGML_I16] = {"I16", 0, 2},
	[KG_GGML_I32] = {"I32", 0, 4},        [KG_GGML_I64] = {"I64", 0, 8},
	[KG_GGML_F64] = {"F64", 0, 8},        [KG_GGML_BF16] = {"BF16", 0, 2},
	[KG_GGML_IQ4_NL] = {"IQ4_NL", 5, 18},
};

static bool known(uint32_t type)
{
	return type < sizeof(types) / sizeof(types[0]) && types[type].name != NULL;
}

bool kg_ggml_block(uint32_t type, uint32_t *weights, uint32_t *bytes)
{
	if (!known(type))
		return false;
	*weights = 1u << types[type].weights_log2;
	*bytes = types[type].bytes;
	return true;
}

const char *kg_ggml_type_name(uint32_t type)
{
	return known(type) ? types[type].name : "?";
}

static float half_at(const uint8_t *at)
{
	return kg_half_to_float((uint16_t)(at[0] | at[1] << 8));
}

/* Weight j < 16 is the low half of byte j, weight 16 + j its high half. */
static unsigned nibble(const uint8_t *packed, unsigned j)
{
	return j < SMALL / 2 ? packed[j] & 15u : packed[j - SMALL / 2] >> 4;
}

/* Fifth bits: bit j of 32, little-endian, is that of weight j. */
static unsigned fifth(const uint8_t *bits, unsigned j)
{
	return ((unsigned)bits[j / 8] >> j % 8 & 1u) << 4;
}

static void read_q4_0(float *out, const uint8_t *b)
{
	float d = half_at(b);

	for (unsigned j = 0; j < SMALL; j++)
		out[j] = d * (float)((int)nibble(b + 2, j) - 8);
}

/* As Q4_0 with a table: what the quantizer falls back to where rows are no whole K blocks. */
static void read_iq4_nl(float *out, const uint8_t *b)
{
	static const int8_t value[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
					 1,    13,   25,  38,  53,  69,  89,  113};
	float d = half_at(b);

	for (unsigned j = 0; j < SMALL; j++)
		out[j] = d * (float)value[nibble(b + 2, j)];
}

static void read_q4_1(float *out, const uint8_t *b)
{
	float d = half_at(b);
	float m = half_at(b + 2);

	for (unsigned j = 0; j < SMALL; j++)
		out[j] = d * (float)nibble(b + 4, j) + m;
}

static void read_q5_0(float *out, const uint8_t *b)
{
	float d = half_at(b);

	for (unsigned j = 0; j < SMALL; j++)
		out[j] = d * (float)((int)(nibble(b + 6, j) | fifth(b + 2, j)) - 16);
}

static void read_q5_1(float *out, const uint8_t *b)
{
	float d = half_at(b);
	float m = half_at(b + 2);

	for (unsigned j = 0; j < SMALL; j++)
		out[j] = d * (float)(nibble(b + 8, j) | fifth(b + 4, j)) + m;
}

static void read_q8_0(float *out, const uint8_t *b)
{
	float d = half_at(b);

	for (unsigned j = 0; j < SMALL; j++)
		out[j] = d * (float)(int8_t)b[2 + j];
}

/* Two bits of weight i: two halves of 128 in four rows of 32; row r is bits 2r, 2r + 1 of 32 bytes.
 */
static unsigned two_bits(const uint8_t *packed, unsigned i)
{
	return (unsigned)packed[i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3u;
}

/* Scales of 16 weights in the low halves of bytes, minima in their high halves. */
static void read_q2_k(float *out, const uint8_t *b)
{
	float d = half_at(b + 80);
	float least = half_at(b + 82);

	for (unsigned i = 0; i < GREAT; i++) {
		unsigned s = b[i / 16];

		out[i] = d * (float)(s & 15) * (float)two_bits(b + 16, i) - least * (float)(s >> 4);
	}
}

/*
 * Sixteen scales of six bits, less 32: the low halves of bytes 0..7 and then their high halves have
 * the low four bits, bits 2k, 2k + 1 of bytes 8..11 the top two of scales 4k .. 4k + 3. Bit k of
 * byte l of the mask belongs to weight 32k + l: without it four are taken off.
 */
static void read_q3_k(float *out, const uint8_t *b)
{
	const uint8_t *s = b + 96;
	float d = half_at(b + 108);

	for (unsigned i = 0; i < GREAT; i++) {
		unsigned j = i / 16;
		unsigned low = (unsigned)s[j % 8] >> j / 8 * 4 & 15u;
		unsigned top = (unsigned)s[8 + j % 4] >> 2 * (j / 4) & 3u;
		int q = (int)two_bits(b + 32, i) - (b[i % 32] >> i / 32 & 1 ? 0 : 4);

		out[i] = d * (float)((int)(low | top << 4) - 32) * (float)q;
	}
}

/* Digits 0, 1, 2 for -1, 0, 1. */
static void read_tq2_0(float *out, const uint8_t *b)
{
	float d = half_at(b + 64);

	for (unsigned i = 0; i < GREAT; i++)
		out[i] = d * (float)((int)two_bits(b, i) - 1);
}

/* The n-th of five base-3 digits, of which a byte is the fraction of 256, rounded up. */
static int digit(uint8_t byte, unsigned n)
{
	static const uint8_t powers[5] = {1, 3, 9, 27, 81};

	return (uint8_t)(byte * powers[n]) * 3 >> 8;
}

/* Five digits in each of 32 bytes, the first digits of all first; then of 16; then four of four. */
static void read_tq1_0(float *out, const uint8_t *b)
{
	float d = half_at(b + 52);

	for (unsigned i = 0; i < GREAT; i++) {
		int q;

		if (i < 160)
			q = digit(b[i % 32], i / 32);
		else if (i < 240)
			q = digit(b[32 + (i - 160) % 16], (i - 160) / 16);
		else
			q = digit(b[48 + (i - 240) % 4], (i - 240) / 4);
		out[i] = d * (float)(q - 1);
	}
}

/*
 * Twelve bytes hold eight scales and eight minima of six bits. Bytes 0..3 are scales 0..3 and bytes
 * 4..7 minima 0..3, in their low six bits; bytes 8..11 have the low halves of scales 4..7 and, in
 * their high halves, of minima 4..7, whose top two bits are the spare ones of bytes 0..3 and 4..7.
 */
static void unpack_scales(float scale[8], float minimum[8], const uint8_t *b)
{
	float d = half_at(b);
	float least = half_at(b + 2);
	const uint8_t *s = b + 4;

	for (unsigned j = 0; j < 4; j++) {
		scale[j] = d * (float)(s[j] & 63);
		minimum[j] = least * (float)(s[j + 4] & 63);
		scale[j + 4] = d * (float)((s[j + 8] & 15) | s[j] >> 6 << 4);
		minimum[j + 4] = least * (float)(s[j + 8] >> 4 | s[j + 4] >> 6 << 4);
	}
}

/* Groups 2i and 2i + 1 are the low and the high halves of bytes 32i .. 32i + 31. */
static unsigned group_nibble(const uint8_t *packed, unsigned group, unsigned l)
{
	return (unsigned)packed[group / 2 * GROUP + l] >> group % 2 * 4 & 15u;
}

static void read_q4_k(float *out, const uint8_t *b)
{
	float scale[8];
	float minimum[8];

	unpack_scales(scale, minimum, b);
	for (unsigned g = 0; g < 8; g++)
		for (unsigned l = 0; l < GROUP; l++)
			out[g * GROUP + l] =
				scale[g] * (float)group_nibble(b + 4 + SCALES, g, l) - minimum[g];
}

/* The fifth bit of weight l of group g is bit g of byte l. */
static void read_q5_k(float *out, const uint8_t *b)
{
	const uint8_t *high = b + 4 + SCALES;
	float scale[8];
	float minimum[8];

	unpack_scales(scale, minimum, b);
	for (unsigned g = 0; g < 8; g++)
		for (unsigned l = 0; l < GROUP; l++) {
			unsigned q = group_nibble(high + GROUP, g, l) | (high[l] >> g & 1u) << 4;

			out[g * GROUP + l] = scale[g] * (float)q - minimum[g];
		}
}

/*
 * Two halves of 128 weights, each in four rows of 32. Row r: its low four bits are in byte l (rows
 * 0 and 2) or 32 + l (rows 1 and 3), low halves first; its top two bits are bits 2r, 2r + 1 of byte
 * l.
 */
static void read_q6_k(float *out, const uint8_t *b)
{
	const uint8_t *scales = b + 192;
	float d = half_at(b + 208);

	for (unsigned i = 0; i < GREAT; i++) {
		unsigned half = i / 128;
		unsigned row = i / 32 % 4;
		unsigned l = i % 32;
		unsigned low = (unsigned)b[half * 64 + row % 2 * 32 + l] >> row / 2 * 4 & 15u;
		unsigned top = b[128 + half * 32 + l] >> 2 * row & 3u;
		int q = (int)(low | top << 4) - 32;

		out[i] = d * (float)(int8_t)scales[i / Q6_GROUP] * (float)q;
	}
}

static block_reader *reader_of(uint32_t type)
{
	switch (type) {
	case KG_GGML_Q4_0:
		return read_q4_0;
	case KG_GGML_Q4_1:
		return read_q4_1;
	case KG_GGML_Q5_0:
		return read_q5_0;
	case KG_GGML_Q5_1:
		return read_q5_1;
	case KG_GGML_Q8_0:
		return read_q8_0;
	case KG_GGML_IQ4_NL:
		return read_iq4_nl;
	case KG_GGML_Q2_K:
		return read_q2_k;
	case KG_GGML_Q3_K:
		return read_q3_k;
	case KG_GGML_TQ1_0:
		return read_tq1_0;
	case KG_GGML_TQ2_0:
		return read_tq2_0;
	case KG_GGML_Q4_K:
		return read_q4_k;
	case KG_GGML_Q5_K:
		return read_q5_k;
	case KG_GGML_Q6_K:
		return read_q6_k;
	default:
		return NULL;
	}
}

bool kg_ggml_is_weights(uint32_t type)
{
	return type == KG_GGML_F32 || type == KG_GGML_F16 || type == KG_GGML_BF16 ||
	       reader_of(type) != NULL;
}

/* The upper half of a float. */
static float brain_at(const uint8_t *at)
{
	uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 24;
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

void kg_ggml_to_floats(float *out, kg_ggml_type type, const uint8_t *data, size_t n)
{
	block_reader *read = reader_of(type);
	size_t weights = (size_t)1 << types[type].weights_log2;

	KG_ASSERT(kg_ggml_is_weights(type) && n % weights == 0);
	if (type == KG_GGML_F32) {
		memcpy(out, data, n * sizeof(*out));
		return;
	}
	for (size_t i = 0; i < n; i += weights, data += types[type].bytes) {
		if (read != NULL)
			read(out + i, data);
		else
			out[i] = type == KG_GGML_F16 ? half_at(data) : brain_at(data);
	}
}

void kg_ggml_from_floats_q8_0(uint8_t *out, const float *value, size_t n)
{
	KG_ASSERT(n % SMALL == 0);
	for (size_t i = 0; i < n; i += SMALL, out += types[KG_GGML_Q8_0].bytes) {
		float most = 0.0f;
		uint16_t half;
		float d;

		for (size_t j = 0; j < SMALL; j++)
			most = fmaxf(most, fabsf(value[i + j]));
		half = kg_half_from_float(most / 127.0f);
		d = kg_half_to_float(half);
		out[0] = (uint8_t)half;
		out[1] = (uint8_t)(half >> 8);
		for (size_t j = 0; j < SMALL; j++) {
			float q = d == 0.0f ? 0.0f : roundf(value[i + j] / d);

			out[2 + j] = (uint8_t)(int8_t)fmaxf(-127.0f, fminf(127.0f, q));
		}
	}
}
