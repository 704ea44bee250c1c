/* SPDX-License-Identifier: MIT */
#include "runtime/half.h"

#include <string.h>

static float float_of(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

float kg_half_to_float(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16;
	uint32_t exponent = half >> 10 & 31;
	uint32_t fraction = half & 0x3ff;

	if (exponent == 31)
		return float_of(sign | 0x7f800000 | fraction << 13 |
				(fraction != 0 ? 0x400000u : 0));
	if (exponent == 0) {
		/* Zero or subnormal: fraction * 2^-24, exact in float. */
		float f = (float)fraction * 0x1p-24f;

		return float_of(sign | bits_of(f));
	}
	return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t kg_half_from_float(float value)
{
	uint32_t bits = bits_of(value);
	uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
	uint32_t rest = bits & 0x7fffffff;
	uint32_t fraction;
	uint32_t shift;
	uint32_t half;
	uint32_t lost;

	if (rest > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (rest >> 13 & 0x1ff));
	if (rest >= 0x477ff000) /* 65520 and above round to infinity */
		return sign | 0x7c00;
	if (rest < 0x33000000) /* under half of the least subnormal */
		return sign;
	if (rest >= 0x38800000) {
		/* Normal: carry of the rounding may walk into the exponent, which is right. */
		half = (rest - 0x38000000) >> 13;
		lost = rest & 0x1fff;
		half += lost > 0x1000 || (lost == 0x1000 && (half & 1) != 0);
		return (uint16_t)(sign | half);
	}
	fraction = (rest & 0x7fffff) | 0x800000;
	shift = 126 - (rest >> 23); /* 14..24 */
	half = fraction >> shift;
	lost = fraction & ((1u << shift) - 1);
	half += lost > 1u << (shift - 1) || (lost == 1u << (shift - 1) && (half & 1) != 0);
	return (uint16_t)(sign | half);
}

void kg_half_to_floats(float *out, const uint16_t *half, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = kg_half_to_float(half[i]);
}

void kg_half_from_floats(uint16_t *out, const float *value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = kg_half_from_float(value[i]);
}
