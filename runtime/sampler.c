/* SPDX-License-Identifier: MIT */
#include "runtime/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/rng.h"
#include "runtime/fmath.h"
#include "runtime/kernel.h"

#define TEMPERATURE_MAX 100.0f
#define TEMPERATURE_MIN 1e-38f

/* How far below the greatest, in temperatures, candidates of one stage of the ranking reach; the
 * last stage takes what is left. Most draws need the first. */
static const float reach[] = {4.0f, 8.0f, 16.0f};

enum { STAGES = sizeof(reach) / sizeof(*reach) };

struct kg_sampler {
	kg_sampler_settings settings;
	uint32_t vocabulary;
	kg_rng rng;
	/* The ranking of one draw, made as far as it is asked for. */
	const float *logits;
	float greatest;
	float inverse; /* of the temperature */
	float bound;   /* every logit above is in the ranking or in its heap */
	uint32_t stage;
	uint32_t base;  /* ids of earlier stages, in order */
	uint32_t count; /* of this one: a heap in front, what was taken backwards behind it */
	uint32_t left;  /* in the heap */
	uint32_t *id;   /* vocabulary entries */
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
		sampler->id = calloc(vocabulary, sizeof(*sampler->id));
	if (sampler == NULL || sampler->id == NULL) {
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
	free(sampler->id);
	free(sampler);
}

uint32_t kg_sampler_greedy(const float *logits, uint32_t n)
{
	return kg_kernel_current()->argmax(logits, n);
}

static bool comes_before(const float *logits, uint32_t a, uint32_t b)
{
	return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

static void sink(uint32_t *heap, const float *logits, uint32_t at, uint32_t count)
{
	uint32_t moving = heap[at];

	for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && comes_before(logits, heap[child + 1], heap[child]))
			child++;
		if (!comes_before(logits, heap[child], moving))
			break;
		heap[at] = heap[child];
	}
	heap[at] = moving;
}

static void begin_ranking(kg_sampler *s, const float *logits)
{
	s->logits = logits;
	s->greatest = logits[kg_sampler_greedy(logits, s->vocabulary)];
	s->inverse = 1.0f / s->settings.temperature;
	s->bound = INFINITY;
	s->stage = s->base = s->count = s->left = 0;
}

/* The next candidates below those that are ranked, as a heap. */
static void begin_stage(kg_sampler *s)
{
	bool all = s->stage >= STAGES;
	float above = s->bound;
	float bound = all ? 0.0f : s->greatest - reach[s->stage] * s->settings.temperature;
	uint32_t *id = s->id + s->base;

	for (uint32_t i = 0; i < s->count / 2; i++) {
		uint32_t other = id[s->count - 1 - i];

		id[s->count - 1 - i] = id[i];
		id[i] = other;
	}
	s->base += s->count;
	s->count = 0;
	id = s->id + s->base;
	/* Written before it is known to belong, so that nothing depends on a guess. There is room:
	 * what is ranked is not among those still to come. */
	for (uint32_t i = 0; i < s->vocabulary && s->base + s->count < s->vocabulary; i++) {
		bool more = !(s->logits[i] > above) && (all || s->logits[i] > bound);

		id[s->count] = i;
		s->count += more;
	}
	for (uint32_t i = s->count / 2; i-- > 0;)
		sink(id, s->logits, i, s->count);
	s->left = s->count;
	s->bound = bound;
	s->stage++;
}

/* The candidate of rank `rank` < vocabulary. */
static uint32_t at_rank(kg_sampler *s, uint32_t rank)
{
	while (s->base + s->count - s->left <= rank) {
		uint32_t *heap = s->id + s->base;
		uint32_t first;

		if (s->left == 0) {
			begin_stage(s);
			continue;
		}
		first = heap[0];
		heap[0] = heap[--s->left];
		heap[s->left] = first;
		sink(heap, s->logits, 0, s->left);
	}
	return rank < s->base ? s->id[rank] : s->id[s->base + s->count - 1 - (rank - s->base)];
}

static double weight(const kg_sampler *s, uint32_t id)
{
	return (double)kg_fmath_expf((s->logits[id] - s->greatest) * s->inverse);
}

/* Of all the vocabulary, in order of id. */
static double whole_weight(const kg_sampler *s)
{
	enum { BLOCK = 64 };
	float block[BLOCK];
	double total = 0.0;

	for (uint32_t at = 0; at < s->vocabulary; at += BLOCK) {
		uint32_t n = s->vocabulary - at < BLOCK ? s->vocabulary - at : BLOCK;

		for (uint32_t i = 0; i < n; i++)
			block[i] = (s->logits[at + i] - s->greatest) * s->inverse;
		kg_fmath_exps(block, n);
		for (uint32_t i = 0; i < n; i++)
			total += (double)block[i];
	}
	return total;
}

uint32_t kg_sampler_next(kg_sampler *sampler, const float *logits)
{
	const kg_sampler_settings *settings = &sampler->settings;
	uint32_t kept = sampler->vocabulary;
	double total = 0.0;
	double sum = 0.0;
	double point;

	/* Below 1 / FLT_MAX the inverse is infinite; the limit is the greatest alone anyway. */
	if (settings->temperature < TEMPERATURE_MIN)
		return kg_sampler_greedy(logits, kept);
	begin_ranking(sampler, logits);
	if (settings->top_k != 0 && settings->top_k < kept) {
		kept = settings->top_k;
		for (uint32_t r = 0; r < kept; r++)
			total += weight(sampler, at_rank(sampler, r));
	} else {
		total = whole_weight(sampler);
	}
	if (settings->top_p < 1.0f) {
		double enough = (double)settings->top_p * total;
		uint32_t run = 0;

		/* At least one is kept, whatever the logits are. */
		for (total = 0.0; run < kept && (run == 0 || total < enough); run++)
			total += weight(sampler, at_rank(sampler, run));
		kept = run;
	}
	point = kg_rng_double(&sampler->rng) * total;
	for (uint32_t r = 0; r < kept; r++) {
		sum += weight(sampler, at_rank(sampler, r));
		if (point < sum)
			return at_rank(sampler, r);
	}
	/* The order of additions may leave the point a rounding above the sum: the last kept. */
	return at_rank(sampler, kept - 1);
}
