/* SPDX-License-Identifier: MIT */
/* Writes a model of random weights whose rows are whole blocks of every type of llama.cpp.
 *   wide_model FILE.fairy */
#include <stdio.h>

#include "tests/runtime/toy.h"

int main(int argc, char **argv)
{
	const kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_F32)};
	kg_model_config config = toy_config();
	kg_model *model;
	kg_err err;

	if (argc != 2)
		return 100;
	config.dim = 256;
	config.hidden = 512;
	config.head_dim = 64;
	model = toy_random(&config, 1);
	err = kg_model_save(model, argv[1], &form);
	if (err != KG_OK)
		(void)fprintf(stderr, "wide_model: %s\n", kg_err_text());
	kg_model_free(model);
	return err == KG_OK ? 0 : 111;
}
