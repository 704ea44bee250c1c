/* SPDX-License-Identifier: MIT */
/*
 * The fairy code without its bytes: the same numbers as runtime/fairy.c, branch-free so that the
 * compiler vectorizes it. A million weights take the definition a third of a training step; this
 * takes a few percent.
 */
#include <math.h>
#include <string.h>

#include "runtime/train/train_impl.h"

#define SCALE_MIN 1e-6

KG_CLONES
static void split_halves(float *restrict out, const float *restrict r, size_t n, size_t m)
{
	size_t nm = n * m;

	for (size_t i = 0; i < n; i++) {
		const float *restrict top = r + i * 2 * m;
		const float *restrict low = r + (i + n) * 2 * m;
		float *restrict at = out + i * m;

		for (size_t j = 0; j < m; j++) {
			at[j] = (top[j] + low[j + m]) * 0.5f;
			at[nm + j] = (low[j] - top[j + m]) * 0.5f;
			at[2 * nm + j] = (top[j] - low[j + m]) * 0.5f;
			at[3 * nm + j] = (top[j + m] + low[j]) * 0.5f;
		}
	}
}

/* code[] and kept[] (the magnitude the code keeps) of `count` complex numbers. */
KG_CLONES
static void code_all(uint8_t *restrict code, float *restrict kept, const float *restrict re,
		     const float *restrict im, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		float a = re[k];
		float b = im[k];
		float d = a - b;
		float s = a + b;
		int plus_1 = ((d > 0) & (s >= 0)) | ((a == 0) & (b == 0));
		int plus_i = (d <= 0) & (s > 0) & !plus_1;
		int minus_i = (d >= 0) & (s < 0) & !plus_1;
		int imaginary = plus_i | minus_i;

		/* 0: +1, 1: -1, 2: +i, 3: -i */
		code[k] = (uint8_t)(2 * imaginary + (!plus_1 & !plus_i));
		kept[k] = imaginary ? fabsf(b) : fabsf(a);
	}
}

/* The definition's order: one double sum per row, then their sum. */
static double sum_rows(const float *kept, size_t n, size_t m)
{
	double total = 0.0;

	for (size_t i = 0; i < n; i++) {
		double row = 0.0;

		for (size_t j = 0; j < m; j++)
			row += (double)kept[i * m + j];
		total += row;
	}
	return total;
}

KG_CLONES
static void subtract(float *restrict re, float *restrict im, const uint8_t *restrict code,
		     float scale, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		int c = code[k];
		float value = c & 1 ? -scale : scale;

		re[k] -= c & 2 ? 0.0f : value;
		im[k] -= c & 2 ? value : 0.0f;
	}
}

static float code_stage(uint8_t *code, float *kept, float *re, float *im, size_t n, size_t m)
{
	double total;
	float scale;

	code_all(code, kept, re, im, n * m);
	total = sum_rows(kept, n, m) / (double)(n * m);
	scale = (float)(total < SCALE_MIN ? SCALE_MIN : total);
	subtract(re, im, code, scale, n * m);
	return scale;
}

static inline __attribute__((always_inline)) int real_part(int code)
{
	return code & 2 ? 0 : 1 - 2 * (code & 1);
}

static inline __attribute__((always_inline)) int imaginary_part(int code)
{
	return code & 2 ? 1 - 2 * (code & 1) : 0;
}

/* Adds a plane; code[0], [1] are U's stages, [2], [3] W's, each n * m. */
KG_CLONES
static void add_plane(float *restrict r, const uint8_t *restrict code, const uint8_t weight[4],
		      float unit, size_t n, size_t m)
{
	size_t nm = n * m;
	int u0 = weight[0];
	int u1 = weight[1];
	int w0 = weight[2];
	int w1 = weight[3];

	for (size_t i = 0; i < n; i++) {
		float *restrict top = r + i * 2 * m;
		float *restrict low = r + (i + n) * 2 * m;
		const uint8_t *restrict c = code + i * m;

		for (size_t j = 0; j < m; j++) {
			int a = c[j];
			int b = c[nm + j];
			int x = c[2 * nm + j];
			int y = c[3 * nm + j];
			int ur = u0 * real_part(a) + u1 * real_part(b);
			int ui = u0 * imaginary_part(a) + u1 * imaginary_part(b);
			int wr = w0 * real_part(x) + w1 * real_part(y);
			int wi = w0 * imaginary_part(x) + w1 * imaginary_part(y);

			top[j] += unit * (float)(ur + wr);
			top[j + m] += unit * (float)(wi - ui);
			low[j] += unit * (float)(ui + wi);
			low[j + m] += unit * (float)(ur - wr);
		}
	}
}

kg_err kg_train__round(float *r, uint32_t rows, uint32_t cols, uint32_t stages, float *residual,
		       uint8_t *code)
{
	size_t n = rows / 2;
	size_t m = cols / 2;
	size_t nm = n * m;
	float *kept = residual + 4 * nm;

	split_halves(residual, r, n, m);
	memset(r, 0, 4 * nm * sizeof(*r));
	for (uint32_t p = 0; p < kg_fairy_plane_count(stages); p++) {
		float s[4] = {0};
		uint8_t weight[4];
		float unit;

		memset(code, 0, 4 * nm);
		for (uint32_t t = 0; t < 2 && 2 * p + t < stages; t++) {
			s[t] = code_stage(code + t * nm, kept, residual, residual + nm, n, m);
			s[2 + t] = code_stage(code + (2 + t) * nm, kept, residual + 2 * nm,
					      residual + 3 * nm, n, m);
		}
		if (!isfinite(s[0] + s[1] + s[2] + s[3]))
			return kg_fail(KG_ECORRUPT, "train: weights are no longer finite");
		unit = kg_fairy_weights(weight, s);
		add_plane(r, code, weight, unit, n, m);
	}
	return KG_OK;
}

static kg_err quantize_tensor(kg_train *train, const kg_tensor_place *tensor, const uint8_t *seed)
{
	uint32_t stages = train->config.stages;
	float *weight = train->weight + tensor->at;
	kg_pairing pairing;
	kg_err err;

	if (seed == NULL)
		return kg_train__round(weight, tensor->rows, tensor->cols, stages, train->residual,
				       train->code);
	kg_pairing_init(&pairing, train->pairing, tensor->rows, tensor->cols, seed, tensor->name);
	kg_pairing_apply(&pairing, train->paired, train->latent + tensor->at);
	err = kg_train__round(train->paired, tensor->rows, tensor->cols, stages, train->residual,
			      train->code);
	if (err == KG_OK)
		kg_pairing_undo(&pairing, weight, train->paired);
	return err;
}

kg_err kg_train__quantize(kg_train *train, const uint8_t *seed)
{
	memcpy(train->weight, train->latent, train->parameters * sizeof(*train->weight));
	if (train->config.stages == 0)
		return KG_OK;
	for (uint32_t i = 0; i < train->tensors; i++) {
		kg_err err = KG_OK;

		if (train->tensor[i].quantized)
			err = quantize_tensor(train, &train->tensor[i], seed);
		if (err != KG_OK)
			return err;
	}
	return KG_OK;
}
