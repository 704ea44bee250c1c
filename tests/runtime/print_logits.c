/* SPDX-License-Identifier: MIT */
/* Prints what models compute, bit for bit: random models under every strategy of a format, then the
 * embedded model. Two machines, or two kernels, are right when they print the same.
 *   print_logits [KERNEL] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernel.h"
#include "runtime/nursery.h"
#include "runtime/sampler.h"
#include "runtime/session.h"
#include "tests/runtime/toy.h"

enum { TOKENS = 32, VOCABULARY_MAX = 1 << 16 };

static const uint8_t seed[KG_SEED_SIZE] = "a seed to compare machines by";

static void must(kg_err err)
{
	if (err == KG_OK)
		return;
	fprintf(stderr, "print_logits: %s\n", kg_err_text());
	exit(111);
}

/* Greedy from token 1, or a new subject where the model would end. */
static void print_run(const char *name, const kg_model *model, const char *strategy_name)
{
	static float logits[VOCABULARY_MAX];
	kg_session_options options = {.context = 0};
	kg_strategy strategy;
	kg_weights *weights;
	kg_session *session;
	uint32_t token = 1;

	must(kg_strategy_parse(&strategy, strategy_name));
	if (kg_weights_new(&weights, model, &strategy, seed) != KG_OK) {
		printf("%s %s refused\n", name, strategy_name); /* a format of other models */
		return;
	}
	must(kg_session_new(&session, weights, &options));
	KG_ASSERT(kg_session_vocabulary(session) <= VOCABULARY_MAX);
	for (uint32_t position = 0; position < TOKENS; position++) {
		must(kg_session_step(session, token, logits));
		printf("%s %s %u:", name, strategy_name, token);
		for (uint32_t i = 0; i < kg_session_vocabulary(session); i++) {
			uint32_t bits;

			memcpy(&bits, &logits[i], sizeof(bits));
			printf(" %08x", bits);
		}
		printf("\n");
		token = kg_sampler_greedy(logits, kg_session_vocabulary(session));
		if (token < 3)
			token = (position * 97 + 3) % kg_session_vocabulary(session);
	}
	kg_session_free(session);
	kg_weights_free(weights);
}

static void print_runs(const char *name, const kg_model *model)
{
	for (int i = 0; i < KG_FORMAT_COUNT; i++)
		print_run(name, model, kg_format_name((kg_format)i));
}

int main(int argc, char **argv)
{
	kg_model_config config = toy_config();
	kg_model *model;

	must(kg_kernel_set(argc > 1 ? argv[1] : NULL));
	model = toy_random(&config, 1);
	print_runs("llama", model);
	kg_model_free(model);
	config.qkv_bias = true;
	config.qk_norm = true;
	config.rope_factors = true;
	config.tied = true;
	model = toy_random(&config, 2);
	print_runs("qwen", model);
	kg_model_free(model);
	if (kg_nursery_open(&model) == KG_OK) {
		print_runs("nursery", model);
		kg_model_free(model);
	}
	return 0;
}
