/* SPDX-License-Identifier: MIT */
/* toy_model – writes a small model of random weights over bytes, which knows no more of a text than
 * that its bytes are those of words: toy_model FILE. */
#include <stdio.h>

#include "tests/runtime/toy.h"

/* Every token says the same in the first place, and the head wants letters for it. */
static void teach(kg_model *model)
{
	const kg_tensor *t = kg_model_tensor(model, KG_TENSOR_HEAD, 0);
	float *embedding = kg_model_floats(model, KG_TENSOR_EMBEDDING, 0);
	float *head = kg_model_floats(model, KG_TENSOR_HEAD, 0);

	for (uint32_t i = 0; i < t->rows; i++) {
		bool letter = (i >= toy_byte('a') && i <= toy_byte('z')) || i == toy_byte(' ');

		embedding[(size_t)i * t->cols] = 2.0f;
		head[(size_t)i * t->cols] = letter ? 0.5f : -0.5f;
	}
}

int main(int argc, char **argv)
{
	kg_model_config config = toy_config();
	kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_F32)};
	kg_model *model = toy_random(&config, 1);
	kg_err err;

	teach(model);
	err = argc == 2 ? kg_model_save(model, argv[1], &form) : KG_EINVAL;

	if (err != KG_OK)
		(void)fprintf(stderr, "toy_model: %s\n", kg_err_text());
	kg_model_free(model);
	return err == KG_OK ? 0 : 1;
}
