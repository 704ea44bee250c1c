/* SPDX-License-Identifier: MIT */
#include "runtime/train/train.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/train_impl.h"

const char *kg_train_blas_coretype(void)
{
#if defined(__x86_64__)
	const char *now = openblas_get_corename();

	if (getenv("OPENBLAS_CORETYPE") == NULL && __builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl") && strcmp(now, "SkylakeX") != 0 &&
	    strcmp(now, "Cooperlake") != 0 && strcmp(now, "SapphireRapids") != 0)
		return "SkylakeX";
#endif
	return NULL;
}

static kg_err load_texts(kg_train *train)
{
	for (uint32_t i = 0; i < train->config.text_count; i++) {
		kg_err err = kg_train__stream_load(&train->text[i], &train->config.text[i]);

		if (err == KG_OK && i == 0)
			err = kg_train__stream_hold_out(&train->held_out, &train->text[0]);
		if (err != KG_OK)
			return err;
		train->text_weight += train->config.text[i].weight;
	}
	return KG_OK;
}

kg_err kg_train_new(kg_train **out, const kg_train_config *config)
{
	kg_train *train;
	kg_err err = kg_train_config_check(config);
	uint32_t chunk =
		config->shape.context > KG_TRAIN_CHUNK ? config->shape.context : KG_TRAIN_CHUNK;

	if (err != KG_OK)
		return err;
	train = calloc(1, sizeof(*train));
	if (train == NULL)
		return kg_fail(KG_ENOMEM, "train: no memory");
	train->config = *config;
	if (chunk > config->tokens_per_step)
		chunk = config->tokens_per_step;
	/* More threads lose: the products are small and the other cores are other agents'. */
	openblas_set_num_threads(1);
	kg_rng_init_u64(&train->rng, config->seed);
	err = kg_train__latents_new(train);
	if (err == KG_OK)
		err = kg_train__activation_new(train, chunk);
	if (err == KG_OK)
		err = kg_train__batch_new(&train->batch, config->tokens_per_step);
	if (err == KG_OK)
		err = load_texts(train);
	if (err != KG_OK) {
		kg_train_free(train);
		return err;
	}
	*out = train;
	return KG_OK;
}

void kg_train_free(kg_train *train)
{
	if (train == NULL)
		return;
	for (uint32_t i = 0; i < train->config.text_count; i++)
		kg_train__stream_free(&train->text[i]);
	kg_train__stream_free(&train->held_out);
	kg_train__batch_free(&train->batch);
	kg_train__activation_free(train);
	kg_train__latents_free(train);
	free(train);
}

const kg_train_config *kg_train_config_of(const kg_train *train)
{
	return &train->config;
}

uint64_t kg_train_steps_done(const kg_train *train)
{
	return train->step;
}

uint64_t kg_train_steps_total(const kg_train *train)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < train->config.phase_count; i++)
		total += train->config.phase[i].steps;
	return total;
}

kg_err kg_train_step(kg_train *train, double *loss)
{
	const kg_train_phase *phase = kg_train__phase(&train->config, train->step);
	uint8_t seed[KG_SEED_SIZE];
	double value;
	kg_err err;

	kg_train__batch_fill(train, &train->batch);
	for (size_t i = 0; phase->pairing == KG_TRAIN_RANDOM && i < KG_SEED_SIZE; i += 8) {
		uint64_t word = kg_rng_u64(&train->rng);

		for (size_t k = 0; k < 8; k++)
			seed[i + k] = (uint8_t)(word >> 8 * k);
	}
	err = kg_train__quantize(train, phase->pairing == KG_TRAIN_RANDOM ? seed : NULL);
	if (err != KG_OK)
		return err;
	value = kg_train__gradient(train, &train->batch);
	if (!isfinite(value))
		return kg_fail(KG_ECORRUPT, "train: the loss of step %llu is not finite",
			       (unsigned long long)train->step);
	err = kg_train__optimize(train, kg_train__rate(&train->config, train->step));
	if (err != KG_OK)
		return err;
	train->step++;
	*loss = value;
	return KG_OK;
}
