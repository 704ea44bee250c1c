/* SPDX-License-Identifier: MIT */
#include "runtime/rotary.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/fmath.h"

static const double full_turn = 6.283185307179586;

/* Moves row from(i) of every head to row i. */
static kg_err reorder(float *rows, uint32_t heads, uint32_t head_dim, size_t width,
		      uint32_t (*from)(uint32_t i, uint32_t half))
{
	size_t head_size = (size_t)head_dim * width;
	float *head = malloc(head_size * sizeof(*head));

	if (head == NULL)
		return kg_fail(KG_ENOMEM, "no memory to reorder %u rows", head_dim);
	for (uint32_t h = 0; h < heads; h++, rows += head_size) {
		memcpy(head, rows, head_size * sizeof(*head));
		for (uint32_t i = 0; i < head_dim; i++)
			memcpy(rows + i * width, head + from(i, head_dim / 2) * width,
			       width * sizeof(*head));
	}
	free(head);
	return KG_OK;
}

static uint32_t from_split(uint32_t i, uint32_t half)
{
	return i / 2 + i % 2 * half;
}

static uint32_t from_interleaved(uint32_t i, uint32_t half)
{
	return i < half ? 2 * i : 2 * (i - half) + 1;
}

kg_err kg_rotary_interleave(float *rows, uint32_t heads, uint32_t head_dim, size_t width)
{
	return reorder(rows, heads, head_dim, width, from_split);
}

kg_err kg_rotary_split(float *rows, uint32_t heads, uint32_t head_dim, size_t width)
{
	return reorder(rows, heads, head_dim, width, from_interleaved);
}

void kg_rotary_llama3_factors(float *out, uint32_t head_dim, const kg_rotary_llama3 *rule)
{
	double log_theta = kg_fmath_log(rule->theta);

	for (uint32_t i = 0; i < head_dim / 2; i++) {
		double frequency = kg_fmath_exp(-log_theta * 2.0 * (double)i / (double)head_dim);
		double waves = rule->old_context * frequency / full_turn; /* in the old context */
		double share = (waves - rule->low) / (rule->high - rule->low);

		if (waves > rule->high)
			out[i] = 1.0f;
		else if (waves < rule->low)
			out[i] = (float)rule->factor;
		else
			out[i] = (float)(1.0 / ((1.0 - share) / rule->factor + share));
	}
}
