/* SPDX-License-Identifier: MIT */
/* fuzz_hf_config – any bytes as a config.json: refused, or a config that passes its own check. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/hf_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_hf_config config;
	float *factor;

	if (kg_hf_config_parse(&config, data, size) != KG_OK)
		return 0;
	if (kg_model_config_check(&config.model) != KG_OK)
		abort();
	factor = malloc((size_t)config.model.head_dim / 2 * sizeof(*factor));
	if (factor == NULL)
		return 0;
	kg_hf_config_factors(&config, factor);
	free(factor);
	return 0;
}
