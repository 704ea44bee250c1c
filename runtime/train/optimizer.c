/* SPDX-License-Identifier: MIT */
/* AdamW (Loshchilov & Hutter 2019) with a clipped global norm, and the rate of each step. */
#include <math.h>

#include "runtime/train/train_impl.h"

#define ADAM_EPSILON 1e-8f

const kg_train_phase *kg_train__phase(const kg_train_config *config, uint64_t step)
{
	uint32_t i = 0;

	while (i + 1 < config->phase_count && step >= config->phase[i].steps)
		step -= config->phase[i++].steps;
	return &config->phase[i];
}

double kg_train__rate(const kg_train_config *config, uint64_t step)
{
	const kg_train_phase *phase = kg_train__phase(config, step);
	double done;

	for (const kg_train_phase *before = config->phase; before < phase; before++)
		step -= before->steps;
	if (step < phase->warmup)
		return phase->rate * (double)(step + 1) / (double)phase->warmup;
	done = (double)(step - phase->warmup) / (double)(phase->steps - phase->warmup);
	return phase->rate * (phase->final + (1.0 - phase->final) * 0.5 * (1.0 + cos(M_PI * done)));
}

KG_CLONES
static double square_sum(const float *restrict x, size_t count)
{
	double total = 0.0;

	for (size_t at = 0; at < count; at += 1024) {
		size_t end = at + 1024 < count ? at + 1024 : count;
		float part = 0.0f;

#pragma omp simd reduction(+ : part)
		for (size_t i = at; i < end; i++)
			part += x[i] * x[i];
		total += (double)part;
	}
	return total;
}

typedef struct {
	float beta1;
	float beta2;
	float correction1; /* 1 / (1 - beta1^t) */
	float correction2;
	float rate;
	float shrink; /* 1 - rate * decay */
	float scale;  /* of the gradient: clipping */
} adam_step;

KG_CLONES
static void adam(float *restrict x, float *restrict m, float *restrict v, const float *restrict g,
		 size_t count, const adam_step *restrict step)
{
	adam_step s = *step;

	for (size_t i = 0; i < count; i++) {
		float slope = g[i] * s.scale;

		m[i] = s.beta1 * m[i] + (1.0f - s.beta1) * slope;
		v[i] = s.beta2 * v[i] + (1.0f - s.beta2) * slope * slope;
		x[i] = x[i] * s.shrink - s.rate * (m[i] * s.correction1) /
						 (sqrtf(v[i] * s.correction2) + ADAM_EPSILON);
	}
}

kg_err kg_train__optimize(kg_train *train, double rate)
{
	const kg_train_config *c = &train->config;
	double norm = sqrt(square_sum(train->gradient, train->parameters));
	double t = (double)(train->step + 1);
	adam_step step = {
		.beta1 = (float)c->beta1,
		.beta2 = (float)c->beta2,
		.correction1 = (float)(1.0 / (1.0 - pow(c->beta1, t))),
		.correction2 = (float)(1.0 / (1.0 - pow(c->beta2, t))),
		.rate = (float)rate,
		.scale = norm > c->clip ? (float)(c->clip / norm) : 1.0f,
	};

	if (!isfinite(norm))
		return kg_fail(KG_ECORRUPT, "train: the gradient of step %llu is not finite",
			       (unsigned long long)train->step);
	for (uint32_t i = 0; i < train->tensors; i++) {
		const kg_tensor_place *tensor = &train->tensor[i];
		size_t at = tensor->at;

		step.shrink = tensor->quantized ? (float)(1.0 - rate * c->decay) : 1.0f;
		adam(train->latent + at, train->moment1 + at, train->moment2 + at,
		     train->gradient + at, (size_t)tensor->rows * tensor->cols, &step);
	}
	return KG_OK;
}
