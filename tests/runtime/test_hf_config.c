/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/hf_config.h"

enum { TEXT_SIZE = 1024 };

#define SHAPE                                                            \
 "\"hidden_size\":64,\"intermediate_size\":128,\"num_hidden_layers\":2," \
 "\"num_attention_heads\":4,\"vocab_size\":100,\"max_position_embeddings\":512"

static kg_err parse(kg_hf_config *out, const char *type, const char *members)
{
	char text[TEXT_SIZE];
	int size =
		snprintf(text, sizeof(text), "{\"model_type\":\"%s\"," SHAPE "%s}", type, members);

	assert_true(size < TEXT_SIZE);
	return kg_hf_config_parse(out, text, (size_t)size);
}

static void test_parse__llama_has_defaults(void **state)
{
	kg_hf_config c;

	(void)state;
	assert_int_equal(parse(&c, "llama", ""), KG_OK);
	assert_int_equal(c.model.dim, 64);
	assert_int_equal(c.model.hidden, 128);
	assert_int_equal(c.model.layers, 2);
	assert_int_equal(c.model.heads, 4);
	assert_int_equal(c.model.kv_heads, 4);
	assert_int_equal(c.model.head_dim, 16);
	assert_int_equal(c.model.vocabulary, 100);
	assert_int_equal(c.model.context, 512);
	assert_true(c.model.rope_theta == 10000.0f);
	assert_true(c.model.norm_eps == 1e-6f);
	assert_false(c.model.tied);
	assert_false(c.model.rope_factors);
	assert_int_equal(c.bos, KG_TOKENIZER_NONE);
	assert_int_equal(c.eos, KG_TOKENIZER_NONE);
}

static void test_parse__what_is_said_is_taken(void **state)
{
	kg_hf_config c;

	(void)state;
	assert_int_equal(parse(&c, "qwen3",
			       ",\"num_key_value_heads\":2,\"head_dim\":32,\"rope_theta\":1000000,"
			       "\"rms_norm_eps\":1e-5,\"tie_word_embeddings\":true,"
			       "\"bos_token_id\":5,\"eos_token_id\":[7,8],\"rope_scaling\":null,"
			       "\"sliding_window\":8,\"use_sliding_window\":false,"
			       "\"hidden_act\":\"silu\""),
			 KG_OK);
	assert_int_equal(c.model.kv_heads, 2);
	assert_int_equal(c.model.head_dim, 32);
	assert_true(c.model.rope_theta == 1e6f);
	assert_true(c.model.norm_eps == 1e-5f);
	assert_true(c.model.tied);
	assert_int_equal(c.model.context, 512);
	assert_int_equal(c.bos, 5);
	assert_int_equal(c.eos, 7);
}

static void test_parse__a_window_bounds_the_context(void **state)
{
	kg_hf_config c;

	(void)state;
	assert_int_equal(parse(&c, "mistral", ",\"num_key_value_heads\":2,\"sliding_window\":100"),
			 KG_OK);
	assert_int_equal(c.model.context, 100);
	assert_int_equal(parse(&c, "mistral", ",\"num_key_value_heads\":2,\"sliding_window\":null"),
			 KG_OK);
	assert_int_equal(c.model.context, 512);
	assert_int_equal(parse(&c, "qwen2",
			       ",\"num_key_value_heads\":2,\"sliding_window\":64,"
			       "\"layer_types\":[\"full_attention\",\"sliding_attention\"]"),
			 KG_OK);
	assert_int_equal(c.model.context, 64);
	assert_int_equal(parse(&c, "qwen2",
			       ",\"num_key_value_heads\":2,\"layer_types\":[\"linear_attention\"]"),
			 KG_EINVAL);
}

static void test_parse__rotations_are_stretched(void **state)
{
	static const char llama3[] =
		"\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
		"\"high_freq_factor\":4.0,"
		"\"original_max_position_embeddings\":256";
	char text[TEXT_SIZE];
	kg_hf_config c;
	float factor[8];
	float again[8];

	(void)state;
	assert_int_equal(
		parse(&c, "llama", ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":4.0}"),
		KG_OK);
	assert_true(c.model.rope_factors);
	kg_hf_config_factors(&c, factor);
	for (int i = 0; i < 8; i++)
		assert_true(factor[i] == 4.0f);
	assert_true(snprintf(text, sizeof(text), ",\"rope_scaling\":{%s}", llama3) < TEXT_SIZE);
	assert_int_equal(parse(&c, "llama", text), KG_OK);
	assert_true(c.model.rope_factors);
	kg_hf_config_factors(&c, factor);
	assert_true(factor[0] == 1.0f);
	assert_true(factor[7] == 8.0f);
	/* The newer spelling. */
	assert_true(snprintf(text, sizeof(text), ",\"rope_parameters\":{\"rope_theta\":10000,%s}",
			     llama3) < TEXT_SIZE);
	assert_int_equal(parse(&c, "llama", text), KG_OK);
	kg_hf_config_factors(&c, again);
	assert_memory_equal(factor, again, sizeof(factor));
	assert_int_equal(parse(&c, "llama", ",\"rope_scaling\":{\"rope_type\":\"default\"}"),
			 KG_OK);
	assert_false(c.model.rope_factors);
}

static void refused(const char *type, const char *members, kg_err code, const char *because)
{
	kg_hf_config c;

	assert_int_equal(parse(&c, type, members), code);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
}

static void test_parse__what_is_not_done_is_named(void **state)
{
	(void)state;
	refused("gemma", "", KG_EINVAL, "\"gemma\"");
	refused("llama", ",\"hidden_act\":\"gelu\"", KG_EINVAL, "gelu");
	refused("llama", ",\"quantization_config\":{}", KG_EINVAL, "quantization_config");
	refused("llama", ",\"partial_rotary_factor\":0.5", KG_EINVAL, "partial_rotary_factor");
	refused("llama", ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4}", KG_EINVAL, "yarn");
	refused("llama", ",\"rope_scaling\":{\"rope_type\":\"dynamic\"}", KG_EINVAL, "dynamic");
}

static void test_parse__hostile_members_are_refused(void **state)
{
	(void)state;
	refused("qwen2", "", KG_ECORRUPT, "num_key_value_heads");
	refused("qwen3", ",\"num_key_value_heads\":2", KG_ECORRUPT, "head_dim");
	refused("llama", ",\"head_dim\":0", KG_ECORRUPT, "head_dim");
	refused("llama", ",\"head_dim\":15", KG_ECORRUPT, "odd");
	refused("llama", ",\"head_dim\":-1", KG_ECORRUPT, "head_dim");
	refused("llama", ",\"head_dim\":4294967296", KG_ECORRUPT, "head_dim");
	refused("llama", ",\"num_key_value_heads\":3", KG_ECORRUPT, "kv_heads");
	refused("llama", ",\"rms_norm_eps\":2", KG_ECORRUPT, "rms_norm_eps");
	refused("llama", ",\"rope_theta\":0", KG_ECORRUPT, "rope_theta");
	refused("llama", ",\"tie_word_embeddings\":1", KG_ECORRUPT, "tie_word_embeddings");
	refused("llama", ",\"bos_token_id\":-1", KG_ECORRUPT, "bos_token_id");
	refused("llama", ",\"eos_token_id\":[\"a\"]", KG_ECORRUPT, "eos_token_id");
	refused("llama", ",\"rope_scaling\":7", KG_ECORRUPT, "rope scaling");
	refused("llama", ",\"rope_scaling\":{\"type\":\"linear\"}", KG_ECORRUPT, "factor");
	refused("llama",
		",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,"
		"\"high_freq_factor\":4,\"original_max_position_embeddings\":256}",
		KG_ECORRUPT, "high_freq_factor");
}

static void test_parse__no_part_of_a_config_is_one(void **state)
{
	static const char text[] = "{\"model_type\":\"llama\"," SHAPE "}";
	kg_hf_config c;

	(void)state;
	assert_int_equal(kg_hf_config_parse(&c, text, sizeof(text) - 1), KG_OK);
	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		char *part = malloc(size + 1);

		assert_non_null(part);
		memcpy(part, text, size);
		assert_int_equal(kg_hf_config_parse(&c, part, size), KG_ECORRUPT);
		free(part);
	}
	assert_int_equal(kg_hf_config_parse(&c, "[]", 2), KG_ECORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse__llama_has_defaults),
		cmocka_unit_test(test_parse__what_is_said_is_taken),
		cmocka_unit_test(test_parse__a_window_bounds_the_context),
		cmocka_unit_test(test_parse__rotations_are_stretched),
		cmocka_unit_test(test_parse__what_is_not_done_is_named),
		cmocka_unit_test(test_parse__hostile_members_are_refused),
		cmocka_unit_test(test_parse__no_part_of_a_config_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
