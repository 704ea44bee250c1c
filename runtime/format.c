/* SPDX-License-Identifier: MIT */
#include "runtime/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const names[KG_FORMAT_COUNT] = {
	[KG_FORMAT_F32] = "f32",
	[KG_FORMAT_F16] = "f16",
	[KG_FORMAT_INT8] = "int8",
	[KG_FORMAT_FAIRY1] = "fairy1",
	[KG_FORMAT_FAIRY2] = "fairy2",
	[KG_FORMAT_FAIRY3] = "fairy3",
	[KG_FORMAT_INT4] = "int4",
	[KG_FORMAT_INT2] = "int2",
	[KG_FORMAT_TERNARY] = "ternary",
	[KG_FORMAT_PALETTE4] = "palette4",
	[KG_FORMAT_PALETTE16] = "palette16",
	[KG_FORMAT_PALETTE256] = "palette256",
	[KG_FORMAT_PHASE] = "phase",
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
		       "\"%.32s\" is not a format: f32, f16, int8, int4, int2, ternary, fairy1, "
		       "fairy2, fairy3, palette4, palette16, palette256 and phase are",
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

bool kg_format_is_coded(kg_format format)
{
	return format >= KG_FORMAT_INT4 && format < KG_FORMAT_PHASE;
}

kg_strategy kg_strategy_of(kg_format linear)
{
	bool wide = linear == KG_FORMAT_F32 || linear == KG_FORMAT_F16;
	kg_strategy strategy = {.linear = linear, .table = wide ? linear : KG_FORMAT_INT8};
	const char *name = kg_format_name(linear);

	for (int c = 0; c < KG_STRATEGY_CLASSES; c++)
		strategy.class[c] = linear;
	memcpy(strategy.name, name, strlen(name) + 1);
	return strategy;
}

/* Classes of a mix by place; the table behind the seven, the rest last. */
enum { TABLE = KG_STRATEGY_CLASSES, REST, PLACES };

static const kg_format unnamed = KG_FORMAT_COUNT;

static const char mix_prefix[] = "mix:";
static const char *const places[PLACES] = {"attn_q",      "attn_k",   "attn_v",
					   "attn_output", "ffn_gate", "ffn_up",
					   "ffn_down",    "table",    "*"};

static bool fits(int place, kg_format format)
{
	bool wide = format == KG_FORMAT_F32 || format == KG_FORMAT_F16;

	return place == TABLE ? wide || format == KG_FORMAT_INT8 || format == KG_FORMAT_INT4
			      : !wide;
}

/* One CLASS=FORMAT, terminated. */
static kg_err parse_item(kg_format given[PLACES], char *item)
{
	char *equal = strchr(item, '=');
	kg_format format;
	kg_err err;
	int place = 0;

	if (equal == NULL)
		return kg_fail(KG_EINVAL, "a mix: \"%s\" is not CLASS=FORMAT", item);
	*equal = '\0';
	while (place < PLACES && strcmp(item, places[place]) != 0)
		place++;
	if (place == PLACES)
		return kg_fail(KG_EINVAL,
			       "a mix: \"%s\" is no class: attn_q, attn_k, attn_v, attn_output, "
			       "ffn_gate, ffn_up, ffn_down, table and, last, * are",
			       item);
	if (given[place] != unnamed || given[REST] != unnamed)
		return kg_fail(KG_EINVAL, "a mix: %s comes twice or behind *", item);
	err = kg_format_parse(&format, equal + 1);
	if (err != KG_OK)
		return err;
	if (!fits(place, format))
		return kg_fail(KG_EINVAL, "a mix: %s cannot be %s", item, kg_format_name(format));
	given[place] = format;
	return KG_OK;
}

static void spell_item(kg_strategy *strategy, int place, kg_format format)
{
	size_t used = strlen(strategy->name);
	int size = snprintf(strategy->name + used, sizeof(strategy->name) - used, "%s%s=%s",
			    used == sizeof(mix_prefix) - 1 ? "" : ",", places[place],
			    kg_format_name(format));

	/* Never longer than what was parsed. */
	KG_ASSERT(size > 0 && used + (size_t)size <= KG_STRATEGY_NAME_MAX);
}

static kg_strategy mix_of(const kg_format given[PLACES])
{
	kg_strategy mix = kg_strategy_of(given[REST]);
	bool uniform = given[TABLE] == unnamed || given[TABLE] == KG_FORMAT_INT8;

	for (int c = 0; c < KG_STRATEGY_CLASSES; c++) {
		if (given[c] != unnamed)
			mix.class[c] = given[c];
		uniform = uniform && mix.class[c] == mix.linear;
	}
	if (uniform)
		return mix;
	memcpy(mix.name, mix_prefix, sizeof(mix_prefix));
	for (int c = 0; c < KG_STRATEGY_CLASSES; c++)
		if (mix.class[c] != mix.linear)
			spell_item(&mix, c, mix.class[c]);
	if (given[TABLE] != unnamed)
		mix.table = given[TABLE];
	if (mix.table != KG_FORMAT_INT8)
		spell_item(&mix, TABLE, mix.table);
	spell_item(&mix, REST, mix.linear);
	return mix;
}

static kg_err parse_mix(kg_strategy *out, const char *name)
{
	kg_format given[PLACES];
	char text[KG_STRATEGY_NAME_MAX + 1];
	char *next = text;

	if (strlen(name) > KG_STRATEGY_NAME_MAX)
		return kg_fail(KG_EINVAL, "a mix is at most %d bytes long", KG_STRATEGY_NAME_MAX);
	memcpy(text, name, strlen(name) + 1);
	next += sizeof(mix_prefix) - 1;
	for (int p = 0; p < PLACES; p++)
		given[p] = unnamed;
	while (next != NULL) {
		char *item = next;
		char *comma = strchr(item, ',');
		kg_err err;

		if (comma != NULL)
			*comma = '\0';
		next = comma == NULL ? NULL : comma + 1;
		err = parse_item(given, item);
		if (err != KG_OK)
			return err;
	}
	if (given[REST] == unnamed)
		return kg_fail(KG_EINVAL, "a mix ends with *=FORMAT, for all it does not name");
	for (int c = 0; c < KG_STRATEGY_CLASSES; c++)
		if (given[c] != unnamed &&
		    (given[c] == KG_FORMAT_PHASE) != (given[REST] == KG_FORMAT_PHASE))
			return kg_fail(KG_EINVAL, "a mix: phase is for all matrices or for none");
	*out = mix_of(given);
	return KG_OK;
}

kg_err kg_strategy_parse(kg_strategy *out, const char *name)
{
	kg_format linear;
	kg_err err;

	if (strncmp(name, mix_prefix, sizeof(mix_prefix) - 1) == 0)
		return parse_mix(out, name);
	err = kg_format_parse(&linear, name);
	if (err != KG_OK)
		return err;
	*out = kg_strategy_of(linear);
	return KG_OK;
}

const char *kg_strategy_name(const kg_strategy *strategy)
{
	return strategy->name;
}

bool kg_strategy_same(const kg_strategy *a, const kg_strategy *b)
{
	return strcmp(a->name, b->name) == 0;
}

bool kg_strategy_is_paired(const kg_strategy *strategy)
{
	for (int c = 0; c < KG_STRATEGY_CLASSES; c++)
		if (kg_format_stages(strategy->class[c]) != 0)
			return true;
	return false;
}

kg_strategy kg_strategy_of_phase(kg_format table)
{
	kg_format given[PLACES];

	for (int p = 0; p < PLACES; p++)
		given[p] = unnamed;
	given[TABLE] = table;
	given[REST] = KG_FORMAT_PHASE;
	return mix_of(given);
}

bool kg_strategy_is_phase(const kg_strategy *strategy)
{
	return strategy->linear == KG_FORMAT_PHASE;
}

kg_err kg_strategy_narrower(kg_strategy *out, const kg_strategy *strategy)
{
	static const kg_format below[KG_FORMAT_COUNT] = {
		[KG_FORMAT_FAIRY3] = KG_FORMAT_FAIRY2,
		[KG_FORMAT_FAIRY2] = KG_FORMAT_FAIRY1,
		[KG_FORMAT_INT8] = KG_FORMAT_INT4,
		[KG_FORMAT_INT4] = KG_FORMAT_INT2,
		[KG_FORMAT_PALETTE256] = KG_FORMAT_PALETTE16,
		[KG_FORMAT_PALETTE16] = KG_FORMAT_PALETTE4,
	};
	kg_format narrower = below[strategy->linear];
	kg_strategy uniform = kg_strategy_of(strategy->linear);

	if (narrower == KG_FORMAT_F32 || !kg_strategy_same(strategy, &uniform))
		return kg_fail(KG_ENOTFOUND, "strategy %s has no narrower one", strategy->name);
	*out = kg_strategy_of(narrower);
	return KG_OK;
}

/* Added and taken away again, a float of less than 2^22 is rounded half to even, by the addition.
 */
static const float half_to_even = 12582912.0f; /* 3 * 2^22 */

/* The greatest magnitude, NaN the greatest of all. In integers, which are compared several at a
 * time. */
static float greatest(const float *row, size_t n)
{
	uint32_t most = 0;
	float out;

	for (size_t j = 0; j < n; j++) {
		uint32_t bits;

		memcpy(&bits, &row[j], sizeof(bits));
		bits &= 0x7fffffff;
		most = bits > most ? bits : most;
	}
	memcpy(&out, &most, sizeof(out));
	return out;
}

kg_err kg_grid_quantize(int8_t *out, float *scale, const float *row, size_t n, int grid_max)
{
	float most = (float)grid_max;
	float step;

	KG_ASSERT(grid_max >= 1 && grid_max <= 127);
	step = greatest(row, n) / most;
	if (!isfinite(step))
		return kg_fail(KG_EINVAL, "a weight of a row is not finite");
	*scale = step;
	if (step == 0.0f) {
		memset(out, 0, n);
		return KG_OK;
	}
	for (size_t j = 0; j < n; j++) {
		/* A step rounded down (a denormal) could push the greatest value past the grid. */
		float q = row[j] / step;

		q = q > most ? most : q;
		q = q < -most ? -most : q;
		out[j] = (int8_t)(int)((q + half_to_even) - half_to_even);
	}
	return KG_OK;
}
