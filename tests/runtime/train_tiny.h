/* SPDX-License-Identifier: MIT */
/* train_tiny – the small training state that tests of the trainer share. */
#ifndef KG_TESTS_RUNTIME_TRAIN_TINY_H
#define KG_TESTS_RUNTIME_TRAIN_TINY_H

#include "runtime/train/train.h"

static inline kg_train_config tiny(void)
{
	kg_train_config config;

	kg_train_config_init(&config);
	config.shape = (kg_train_shape){
		.dim = 16, .hidden = 20, .layers = 2, .heads = 4, .kv_heads = 2, .context = 256};
	config.tokens_per_step = 256;
	config.lessons_share = 1.0;
	config.lessons_per_task = 2;
	config.phase_count = 2;
	config.phase[0] = (kg_train_phase){
		.name = "plain", .steps = 6, .warmup = 2, .rate = 1e-2, .final = 0.1};
	config.phase[1] = (kg_train_phase){.name = "seeded",
					   .steps = 4,
					   .warmup = 1,
					   .rate = 1e-2,
					   .final = 0.1,
					   .pairing = KG_TRAIN_RANDOM};
	return config;
}

static inline kg_train *open_tiny(const kg_train_config *config)
{
	kg_train *train = NULL;

	if (kg_train_new(&train, config) != KG_OK)
		fail_msg("%s", kg_err_text());
	return train;
}

#endif
