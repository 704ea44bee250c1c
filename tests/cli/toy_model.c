/* SPDX-License-Identifier: MIT */
/* toy_model – writes a small model of random weights over bytes, which knows no more of a text than
 * that its bytes are those of words: toy_model FILE. With "blank" behind it, one whose questions
 * stand between spaces, of which its vocabulary keeps none. */
#include <stdio.h>
#include <string.h>

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

static kg_model *blank(void)
{
	static const kg_tokenizer_rules rules = {
		.bos = KG_TOKENIZER_NONE, .eos = KG_TOKENIZER_NONE, .squeeze_spaces = true};
	static const kg_model_prompt form = {.prefix = " ", .suffix = " "};
	kg_model_config config = toy_config();
	kg_tokenizer *tokenizer = NULL;
	kg_model *model = NULL;

	config.vocabulary = 2;
	KG_ASSERT(kg_tokenizer_new(&tokenizer, 2) == KG_OK);
	KG_ASSERT(kg_tokenizer_put(tokenizer, 0, "?", 1, 0.0f, KG_TOKEN_UNKNOWN) == KG_OK);
	KG_ASSERT(kg_tokenizer_put(tokenizer, 1, " ", 1, 0.0f, KG_TOKEN_NORMAL) == KG_OK);
	KG_ASSERT(kg_tokenizer_finish(tokenizer, &rules) == KG_OK);
	KG_ASSERT(kg_model_new(&model, &config, "blank", &tokenizer, &form) == KG_OK);
	return model;
}

static kg_model *toy(void)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 1);

	teach(model);
	return model;
}

int main(int argc, char **argv)
{
	kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_F32)};
	bool is_blank = argc == 3 && strcmp(argv[2], "blank") == 0;
	kg_model *model = is_blank ? blank() : toy();
	kg_err err = KG_EINVAL;

	if (argc == 2 || is_blank)
		err = kg_model_save(model, argv[1], &form);
	if (err != KG_OK)
		(void)fprintf(stderr, "toy_model: %s\n", kg_err_text());
	kg_model_free(model);
	return err == KG_OK ? 0 : 1;
}
