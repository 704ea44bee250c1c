/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/fmath.h"
#include "runtime/sampler.h"

enum { N = 50, DRAWS = 20000 };

static void some_logits(float logits[N], uint64_t seed)
{
	kg_rng rng;

	kg_rng_init_u64(&rng, seed);
	for (int i = 0; i < N; i++)
		logits[i] = kg_rng_float(&rng) * 6.0f - 3.0f;
}

static kg_sampler *sampler_of(float temperature, uint32_t top_k, float top_p, uint64_t seed)
{
	kg_sampler_settings settings = {temperature, top_k, top_p, seed};
	kg_sampler *sampler;

	assert_int_equal(kg_sampler_new(&sampler, &settings, N), KG_OK);
	return sampler;
}

static void count_draws(uint32_t counts[N], kg_sampler *sampler, const float *logits)
{
	memset(counts, 0, N * sizeof(*counts));
	for (int i = 0; i < DRAWS; i++) {
		uint32_t id = kg_sampler_next(sampler, logits);

		assert_true(id < N);
		counts[id]++;
	}
	kg_sampler_free(sampler);
}

/* Ids by probability, most likely first; probabilities by libm. */
static void ranked(uint32_t order[N], double probability[N], const float *logits,
		   double temperature)
{
	double sum = 0.0;

	for (int i = 0; i < N; i++)
		sum += exp((double)logits[i] / temperature);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t at = i;

		probability[i] = exp((double)logits[i] / temperature) / sum;
		for (; at > 0 && logits[order[at - 1]] < logits[i]; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

/* Each count within five standard deviations of the probability, made 1 over the kept. */
static void check_counts(const uint32_t counts[N], const double probability[N],
			 const uint32_t order[N], uint32_t kept)
{
	double sum = 0.0;

	for (uint32_t r = 0; r < kept; r++)
		sum += probability[order[r]];
	for (uint32_t r = 0; r < N; r++) {
		double p = r < kept ? probability[order[r]] / sum : 0.0;
		double deviation = sqrt(p * (1.0 - p) * DRAWS);

		assert_true(fabs((double)counts[order[r]] - p * DRAWS) <=
			    5.0 * deviation + (r < kept ? 1.0 : 0.0));
	}
}

static void test_greedy__takes_the_greatest_and_the_lowest_id_among_equals(void **state)
{
	const float logits[6] = {-1.0f, 2.0f, 5.0f, 5.0f, 5.0f, 0.0f};
	float many[N] = {0};
	kg_sampler *sampler = sampler_of(0.0f, 0, 1.0f, 1);

	(void)state;
	assert_int_equal(kg_sampler_greedy(logits, 6), 2);
	assert_int_equal(kg_sampler_greedy(logits, 1), 0);
	assert_int_equal(kg_sampler_next(sampler, many), 0);
	many[N - 1] = 0.5f;
	assert_int_equal(kg_sampler_next(sampler, many), N - 1);
	kg_sampler_free(sampler);
}

static void test_next__follows_the_softmax_at_a_temperature(void **state)
{
	static const float temperatures[] = {0.3f, 1.0f, 2.5f};
	float logits[N];

	(void)state;
	some_logits(logits, 1);
	for (int t = 0; t < 3; t++) {
		uint32_t counts[N];
		uint32_t order[N];
		double probability[N];

		ranked(order, probability, logits, (double)temperatures[t]);
		count_draws(counts, sampler_of(temperatures[t], 0, 1.0f, 7), logits);
		check_counts(counts, probability, order, N);
	}
}

static void test_next__a_temperature_next_to_nothing_is_greedy(void **state)
{
	static const float temperatures[] = {0.0f, 1e-45f, 1e-40f, 2e-39f, 1e-38f, 2e-38f, 1e-30f};
	float logits[N];

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++)
		for (int t = 0; t < 7; t++) {
			kg_sampler *sampler = sampler_of(temperatures[t], 0, 1.0f, seed);

			some_logits(logits, seed);
			assert_int_equal(kg_sampler_next(sampler, logits),
					 kg_sampler_greedy(logits, N));
			kg_sampler_free(sampler);
		}
}

static void test_next__top_k_keeps_the_first_k(void **state)
{
	float logits[N];
	uint32_t counts[N];
	uint32_t order[N];
	double probability[N];

	(void)state;
	some_logits(logits, 2);
	ranked(order, probability, logits, 1.0);
	for (uint32_t k = 1; k <= N + 1; k += 8) {
		count_draws(counts, sampler_of(1.0f, k, 1.0f, 3), logits);
		check_counts(counts, probability, order, k < N ? k : N);
	}
}

/* Ranks whose probabilities reach `p` of those of the first `among`. */
static uint32_t nucleus(const double probability[N], const uint32_t order[N], uint32_t among,
			double p)
{
	double all = 0.0;
	double sum = 0.0;
	uint32_t kept = 0;

	for (uint32_t r = 0; r < among; r++)
		all += probability[order[r]];
	while (kept < among && sum < p * all)
		sum += probability[order[kept++]];
	return kept;
}

static void test_next__top_p_keeps_the_shortest_run_that_reaches_p(void **state)
{
	static const float ps[] = {0.01f, 0.3f, 0.55f, 0.9f, 0.999f};
	float logits[N];
	uint32_t counts[N];
	uint32_t order[N];
	double probability[N];

	(void)state;
	some_logits(logits, 4);
	ranked(order, probability, logits, 0.8);
	for (int i = 0; i < 5; i++) {
		count_draws(counts, sampler_of(0.8f, 0, ps[i], 5), logits);
		check_counts(counts, probability, order,
			     nucleus(probability, order, N, (double)ps[i]));
		count_draws(counts, sampler_of(0.8f, 10, ps[i], 6), logits);
		check_counts(counts, probability, order,
			     nucleus(probability, order, 10, (double)ps[i]));
	}
}

static void test_next__top_k_among_equals_prefers_low_ids(void **state)
{
	const float logits[N] = {0};
	uint32_t counts[N];

	(void)state;
	count_draws(counts, sampler_of(1.0f, 3, 1.0f, 8), logits);
	for (int i = 0; i < N; i++)
		assert_true((counts[i] > 0) == (i < 3));
}

static void test_next__same_seed_same_tokens(void **state)
{
	kg_sampler *a = sampler_of(1.0f, 20, 0.9f, 11);
	kg_sampler *b = sampler_of(1.0f, 20, 0.9f, 11);
	kg_sampler *c = sampler_of(1.0f, 20, 0.9f, 12);
	bool differs = false;

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		float logits[N];
		uint32_t id;

		some_logits(logits, i);
		id = kg_sampler_next(a, logits);
		assert_int_equal(id, kg_sampler_next(b, logits));
		differs = differs || id != kg_sampler_next(c, logits);
	}
	assert_true(differs);
	kg_sampler_free(a);
	kg_sampler_free(b);
	kg_sampler_free(c);
}

static void test_next__extreme_logits_stay_inside(void **state)
{
	float logits[N];
	kg_sampler *sampler = sampler_of(0.001f, 0, 0.5f, 13);

	(void)state;
	for (int i = 0; i < N; i++)
		logits[i] = i == 30 ? 3e38f : -3e38f;
	assert_int_equal(kg_sampler_next(sampler, logits), 30);
	for (int i = 0; i < N; i++)
		logits[i] = NAN;
	assert_true(kg_sampler_next(sampler, logits) < N);
	kg_sampler_free(sampler);
}

static void test_check__limits(void **state)
{
	kg_sampler_settings settings = {0.0f, 0, 1.0f, 0};

	(void)state;
	assert_int_equal(kg_sampler_check(&settings), KG_OK);
	settings.temperature = 100.0f;
	assert_int_equal(kg_sampler_check(&settings), KG_OK);
	settings.temperature = 100.5f;
	assert_int_equal(kg_sampler_check(&settings), KG_EINVAL);
	settings.temperature = -0.5f;
	assert_int_equal(kg_sampler_check(&settings), KG_EINVAL);
	settings.temperature = NAN;
	assert_int_equal(kg_sampler_check(&settings), KG_EINVAL);
	settings.temperature = 1.0f;
	settings.top_p = 0.0f;
	assert_int_equal(kg_sampler_check(&settings), KG_EINVAL);
	settings.top_p = 1.01f;
	assert_int_equal(kg_sampler_check(&settings), KG_EINVAL);
	settings.top_p = NAN;
	assert_int_equal(kg_sampler_check(&settings), KG_EINVAL);
}

/* The rules of the header, word by word: everything sorted, everything summed. */
typedef struct {
	float logit;
	uint32_t id;
} ranked_logit;

static int by_rank(const void *a, const void *b)
{
	const ranked_logit *x = a;
	const ranked_logit *y = b;

	if (x->logit != y->logit)
		return x->logit > y->logit ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t plain_next(const float *logits, uint32_t n, const kg_sampler_settings *settings,
			   kg_rng *rng)
{
	ranked_logit *rank = calloc(n, sizeof(*rank));
	float *weight = calloc(n, sizeof(*weight));
	float inverse = 1.0f / settings->temperature;
	uint32_t kept = n;
	uint32_t chosen;
	double total = 0.0;
	double sum = 0.0;
	double point;

	for (uint32_t i = 0; i < n; i++)
		rank[i] = (ranked_logit){logits[i], i};
	qsort(rank, n, sizeof(*rank), by_rank);
	for (uint32_t i = 0; i < n; i++)
		weight[i] = kg_fmath_expf((logits[i] - rank[0].logit) * inverse);
	for (uint32_t i = 0; i < n; i++)
		total += (double)weight[i];
	if (settings->top_k > 0 && settings->top_k < n) {
		kept = settings->top_k;
		total = 0.0;
		for (uint32_t r = 0; r < kept; r++)
			total += (double)weight[rank[r].id];
	}
	if (settings->top_p < 1.0f) {
		double enough = (double)settings->top_p * total;
		uint32_t r = 0;

		for (total = 0.0; r < kept && (r == 0 || total < enough); r++)
			total += (double)weight[rank[r].id];
		kept = r;
	}
	point = kg_rng_double(rng) * total;
	chosen = rank[kept - 1].id;
	for (uint32_t r = 0; r < kept; r++) {
		sum += (double)weight[rank[r].id];
		if (point < sum) {
			chosen = rank[r].id;
			break;
		}
	}
	free(weight);
	free(rank);
	return chosen;
}

static void test_next__ranks_only_what_it_needs_and_draws_the_same(void **state)
{
	static const uint32_t sizes[] = {1, 2, 7, 300, 5000};
	static const float temperatures[] = {0.05f, 0.7f, 1.0f, 5.0f, 100.0f};
	static const uint32_t top_k[] = {0, 1, 40, 2000};
	static const float top_p[] = {1.0f, 0.95f, 0.3f};

	(void)state;
	for (uint32_t c = 0; c < 5 * 5 * 4 * 3; c++) {
		uint32_t n = sizes[c % 5];
		kg_sampler_settings settings = {temperatures[c / 5 % 5], top_k[c / 25 % 4],
						top_p[c / 100], c};
		float *logits = calloc(n, sizeof(*logits));
		kg_sampler *sampler;
		kg_rng noise;
		kg_rng rng;

		assert_int_equal(kg_sampler_new(&sampler, &settings, n), KG_OK);
		kg_rng_init_u64(&noise, c + 1000);
		kg_rng_init_u64(&rng, c);
		for (int draw = 0; draw < 6; draw++) {
			/* Wide, narrow, many equals, and some that are impossible. */
			for (uint32_t i = 0; i < n; i++) {
				float x = kg_rng_float(&noise) * (draw % 2 == 0 ? 40.0f : 3.0f);

				logits[i] = draw == 4                 ? floorf(x)
					    : draw == 5 && i % 3 != 0 ? -INFINITY
								      : x;
			}
			assert_int_equal(kg_sampler_next(sampler, logits),
					 plain_next(logits, n, &settings, &rng));
		}
		kg_sampler_free(sampler);
		free(logits);
	}
}

/* What no model should give still draws a token. */
static void test_next__stands_logits_that_are_no_numbers(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 64; c++) {
		kg_sampler *sampler = sampler_of(1.0f, c % 4 * 20, c % 3 == 0 ? 1.0f : 0.5f, c);
		float logits[N];

		some_logits(logits, c);
		for (uint32_t i = 0; i < N; i++)
			if ((i * 7 + c) % 8 < c / 8)
				logits[i] = c % 2 == 0 ? NAN : INFINITY;
		for (int draw = 0; draw < 20; draw++)
			assert_true(kg_sampler_next(sampler, logits) < N);
		kg_sampler_free(sampler);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greedy__takes_the_greatest_and_the_lowest_id_among_equals),
		cmocka_unit_test(test_next__follows_the_softmax_at_a_temperature),
		cmocka_unit_test(test_next__a_temperature_next_to_nothing_is_greedy),
		cmocka_unit_test(test_next__top_k_keeps_the_first_k),
		cmocka_unit_test(test_next__top_p_keeps_the_shortest_run_that_reaches_p),
		cmocka_unit_test(test_next__top_k_among_equals_prefers_low_ids),
		cmocka_unit_test(test_next__same_seed_same_tokens),
		cmocka_unit_test(test_next__extreme_logits_stay_inside),
		cmocka_unit_test(test_check__limits),
		cmocka_unit_test(test_next__ranks_only_what_it_needs_and_draws_the_same),
		cmocka_unit_test(test_next__stands_logits_that_are_no_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
