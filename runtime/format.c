/* SPDX-License-Identifier: MIT */
#include "runtime/format.h"

#include <math.h>
#include <string.h>

static const char *const names[KG_FORMAT_COUNT] = {
	[KG_FORMAT_F32] = "f32",       [KG_FORMAT_F16] = "f16",       [KG_FORMAT_INT8] = "int8",
	[KG_FORMAT_FAIRY1] = "fairy1", [KG_FORMAT_FAIRY2] = "fairy2", [KG_FORMAT_FAIRY3] = "fairy3",
	[KG_FORMAT_INT4] = "int4",     [KG_FORMAT_INT2] = "int2",
};

const char *kg_format_name(kg_format format)
{
	KG_ASSERT(format < KG_FORMAT_COUNT);
	return names[format];
}

kg_err kg_format_parse(kg_format *out, const char *name)
{
	static const char plain[] = "fairy";
	static const char sign[] = "\xc3\x97"; /* the multiplication sign in UTF-8 */
	char digit = '\0';

	if (strncmp(name, plain, sizeof(plain) - 1) == 0) {
		const char *rest = name + sizeof(plain) - 1;

		if (rest[0] == 'x')
			rest += 1;
		else if (strncmp(rest, sign, sizeof(sign) - 1) == 0)
			rest += sizeof(sign) - 1;
		if (rest[0] >= '1' && rest[0] <= '3' && rest[1] == '\0')
			digit = rest[0];
	}
	if (digit != '\0') {
		*out = (kg_format)(KG_FORMAT_FAIRY1 + (digit - '1'));
		return KG_OK;
	}
	for (int f = 0; f < KG_FORMAT_COUNT; f++) {
		if (strcmp(name, names[f]) == 0) {
			*out = (kg_format)f;
			return KG_OK;
		}
	}
	return kg_fail(KG_EINVAL,
		       "\"%.32s\" is not a format: f32, f16, int8, int4, int2, fairy1, fairy2, "
		       "fairy3 are",
		       name);
}

uint32_t kg_format_stages(kg_format format)
{
	switch (format) {
	case KG_FORMAT_FAIRY1:
		return 1;
	case KG_FORMAT_FAIRY2:
		return 2;
	case KG_FORMAT_FAIRY3:
		return 3;
	default:
		return 0;
	}
}

int kg_format_grid_max(kg_format format)
{
	switch (format) {
	case KG_FORMAT_INT8:
		return 127;
	case KG_FORMAT_INT4:
		return 7;
	case KG_FORMAT_INT2:
		return 1;
	default:
		return 0;
	}
}

kg_strategy kg_strategy_of(kg_format linear)
{
	bool wide = linear == KG_FORMAT_F32 || linear == KG_FORMAT_F16;

	return (kg_strategy){.linear = linear, .table = wide ? linear : KG_FORMAT_INT8};
}

kg_err kg_strategy_parse(kg_strategy *out, const char *name)
{
	kg_format linear;
	kg_err err = kg_format_parse(&linear, name);

	if (err != KG_OK)
		return err;
	*out = kg_strategy_of(linear);
	return KG_OK;
}

const char *kg_strategy_name(kg_strategy strategy)
{
	return kg_format_name(strategy.linear);
}

kg_err kg_strategy_narrower(kg_strategy *out, kg_strategy strategy)
{
	switch (strategy.linear) {
	case KG_FORMAT_FAIRY3:
		*out = kg_strategy_of(KG_FORMAT_FAIRY2);
		return KG_OK;
	case KG_FORMAT_FAIRY2:
		*out = kg_strategy_of(KG_FORMAT_FAIRY1);
		return KG_OK;
	case KG_FORMAT_INT8:
		*out = kg_strategy_of(KG_FORMAT_INT4);
		return KG_OK;
	case KG_FORMAT_INT4:
		*out = kg_strategy_of(KG_FORMAT_INT2);
		return KG_OK;
	default:
		return kg_fail(KG_ENOTFOUND, "strategy %s has no narrower one",
			       kg_strategy_name(strategy));
	}
}

kg_err kg_grid_quantize(int8_t *out, float *scale, const float *row, size_t n, int grid_max)
{
	float greatest = 0.0f;
	float step;

	KG_ASSERT(grid_max >= 1 && grid_max <= 127);
	for (size_t j = 0; j < n; j++) {
		if (!isfinite(row[j]))
			return kg_fail(KG_EINVAL, "weight %zu of a row is not finite", j);
		greatest = fmaxf(greatest, fabsf(row[j]));
	}
	step = greatest / (float)grid_max;
	*scale = step;
	if (step == 0.0f) {
		memset(out, 0, n);
		return KG_OK;
	}
	for (size_t j = 0; j < n; j++) {
		/* rintf in the default mode is half to even. A step rounded down (a denormal)
		 * could push the greatest value past the grid. */
		float q = rintf(row[j] / step);

		out[j] = (int8_t)fminf(fmaxf(q, (float)-grid_max), (float)grid_max);
	}
	return KG_OK;
}
