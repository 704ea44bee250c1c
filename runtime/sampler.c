/* SPDX-License-Identifier: MIT */
#include "runtime/sampler.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/rng.h"
#include "runtime/fmath.h"

#define TEMPERATURE_MAX 100.0f
#define TEMPERATURE_MIN 1e-38f

typedef struct {
	float logit;
	float weight;
	uint32_t id;
} candidate;

struct kg_sampler {
	kg_sampler_settings settings;
	uint32_t vocabulary;
	kg_rng rng;
	candidate *heap; /* vocabulary entries: a heap in front, what was taken at the back */
};

kg_err kg_sampler_check(const kg_sampler_settings *settings)
{
	if (!(settings->temperature >= 0.0f && settings->temperature <= TEMPERATURE_MAX))
		return kg_fail(KG_EINVAL, "temperature %g: 0..100 is allowed",
			       (double)settings->temperature);
	if (!(settings->top_p > 0.0f && settings->top_p <= 1.0f))
		return kg_fail(KG_EINVAL, "top-p %g: above 0, at most 1 is allowed",
			       (double)settings->top_p);
	return KG_OK;
}

kg_err kg_sampler_new(kg_sampler **out, const kg_sampler_settings *settings, uint32_t vocabulary)
{
	kg_sampler *sampler;
	kg_err err = kg_sampler_check(settings);

	KG_ASSERT(vocabulary >= 1);
	if (err != KG_OK)
		return err;
	sampler = calloc(1, sizeof(*sampler));
	if (sampler != NULL)
		sampler->heap = calloc(vocabulary, sizeof(*sampler->heap));
	if (sampler == NULL || sampler->heap == NULL) {
		free(sampler);
		return kg_fail(KG_ENOMEM, "no memory for a sampler of %u tokens", vocabulary);
	}
	sampler->settings = *settings;
	sampler->vocabulary = vocabulary;
	kg_rng_init_u64(&sampler->rng, settings->seed);
	*out = sampler;
	return KG_OK;
}

void kg_sampler_free(kg_sampler *sampler)
{
	if (sampler == NULL)
		return;
	free(sampler->heap);
	free(sampler);
}

uint32_t kg_sampler_greedy(const float *logits, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < n; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

static bool comes_before(const candidate *a, const candidate *b)
{
	return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static void sink(candidate *heap, uint32_t at, uint32_t count)
{
	candidate moving = heap[at];

	for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && comes_before(&heap[child + 1], &heap[child]))
			child++;
		if (!comes_before(&heap[child], &moving))
			break;
		heap[at] = heap[child];
	}
	heap[at] = moving;
}

/* Moves the first candidate of the heap behind it; the run taken so far reads backwards. */
static const candidate *take(candidate *heap, uint32_t *count)
{
	candidate first = heap[0];

	(*count)--;
	heap[0] = heap[*count];
	heap[*count] = first;
	sink(heap, 0, *count);
	return &heap[*count];
}

/* Fills the heap; returns the sum of all weights in order of id. */
static double fill(kg_sampler *sampler, const float *logits)
{
	uint32_t n = sampler->vocabulary;
	float greatest = logits[kg_sampler_greedy(logits, n)];
	float inverse = 1.0f / sampler->settings.temperature;
	double total = 0.0;

	for (uint32_t i = 0; i < n; i++) {
		float weight = kg_fmath_expf((logits[i] - greatest) * inverse);

		sampler->heap[i] = (candidate){.logit = logits[i], .weight = weight, .id = i};
		total += (double)weight;
	}
	for (uint32_t i = n / 2; i-- > 0;)
		sink(sampler->heap, i, n);
	return total;
}

uint32_t kg_sampler_next(kg_sampler *sampler, const float *logits)
{
	const kg_sampler_settings *settings = &sampler->settings;
	uint32_t n = sampler->vocabulary;
	uint32_t left = n;
	uint32_t kept = n;
	double total;
	double point;
	double sum = 0.0;

	/* Below 1 / FLT_MAX the inverse is infinite; the limit is the greatest alone anyway. */
	if (settings->temperature < TEMPERATURE_MIN)
		return kg_sampler_greedy(logits, n);
	total = fill(sampler, logits);
	if (settings->top_k != 0 && settings->top_k < n) {
		total = 0.0;
		for (kept = 0; kept < settings->top_k; kept++)
			total += (double)take(sampler->heap, &left)->weight;
	}
	if (settings->top_p < 1.0f) {
		double enough = (double)settings->top_p * total;
		uint32_t run = 0;

		/* At least one is kept, whatever the logits are. */
		for (total = 0.0; run < kept && (run == 0 || total < enough); run++) {
			if (run == n - left)
				(void)take(sampler->heap, &left);
			total += (double)sampler->heap[n - 1 - run].weight;
		}
		kept = run;
	}
	point = kg_rng_double(&sampler->rng) * total;
	for (uint32_t run = 0; run < kept; run++) {
		if (run == n - left)
			(void)take(sampler->heap, &left);
		sum += (double)sampler->heap[n - 1 - run].weight;
		if (point < sum)
			return sampler->heap[n - 1 - run].id;
	}
	/* The order of additions may leave the point a rounding above the sum: the last kept. */
	return sampler->heap[n - kept].id;
}
