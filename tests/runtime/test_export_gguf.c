/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/export_gguf.h"
#include "runtime/ggml_blocks.h"
#include "runtime/half.h"
#include "runtime/import_gguf.h"
#include "runtime/tokenizer_gguf.h"
#include "tests/runtime/tiny.h"
#include "tests/runtime/toy.h"

enum { FILE_MAX = 1 << 22 };

static kg_buf exported(const kg_model *m, kg_ggml_type type)
{
	kg_buf file;

	kg_buf_init(&file, FILE_MAX);
	if (kg_export_gguf(m, type, &file) != KG_OK)
		fail_msg("%s", kg_err_text());
	return file;
}

static kg_gguf *opened(const kg_buf *file)
{
	kg_gguf *g = NULL;

	if (kg_gguf_open(&g, file->data, file->size) != KG_OK)
		fail_msg("%s", kg_err_text());
	return g;
}

static void check_text(const kg_gguf *g, const char *key, const char *want)
{
	const char *text;
	size_t size;

	assert_int_equal(kg_gguf_get_string(g, key, &text, &size), KG_OK);
	assert_int_equal(size, strlen(want));
	assert_memory_equal(text, want, size);
}

static void check_number(const kg_gguf *g, const char *key, uint32_t want)
{
	uint32_t number;

	assert_int_equal(kg_gguf_get_u32(g, key, &number), KG_OK);
	assert_int_equal(number, want);
}

static void check_floats(const kg_model *a, const kg_model *b)
{
	assert_int_equal(kg_model_tensor_count(a), kg_model_tensor_count(b));
	for (uint32_t i = 0; i < kg_model_tensor_count(a); i++) {
		const kg_tensor *t = kg_model_tensor_at(a, i);
		const kg_tensor *u = kg_model_tensor_at(b, i);

		assert_string_equal(t->name, u->name);
		assert_memory_equal(t->data, u->data, (size_t)t->rows * t->cols * sizeof(float));
	}
}

/* What is exported in floats comes back the same, whatever the model has. */
static void test_export__comes_back_the_same(void **state)
{
	(void)state;
	for (int variant = 0; variant < 16; variant++) {
		kg_model_config config = toy_config();
		kg_model *m;
		kg_model *back = NULL;
		const char *text;
		size_t size;
		kg_buf file;

		config.tied = variant & 1;
		config.qkv_bias = variant & 2;
		config.qk_norm = variant & 4;
		config.rope_factors = variant & 8;
		config.head_dim = variant & 1 ? 6 : 10;
		if ((config.qkv_bias || config.rope_factors) && config.qk_norm)
			continue;
		m = toy_random(&config, 60);
		assert_int_equal(kg_model_set_template(m, "{{ a }}", 7), KG_OK);
		file = exported(m, KG_GGML_F32);
		if (kg_import_gguf(&back, file.data, file.size, "back") != KG_OK)
			fail_msg("%s", kg_err_text());
		check_floats(m, back);
		text = kg_model_template(back, &size);
		assert_int_equal(size, 7);
		assert_memory_equal(text, "{{ a }}", 7);
		assert_int_equal(kg_model_get_config(back)->context, config.context);
		assert_true(kg_model_get_config(back)->rope_theta == config.rope_theta);
		kg_model_free(back);
		kg_model_free(m);
		kg_buf_release(&file);
	}
}

static void test_export__has_the_keys_that_llama_cpp_reads(void **state)
{
	kg_model_config config = toy_config();
	kg_model *m = toy_random(&config, 61);
	kg_buf file = exported(m, KG_GGML_F16);
	kg_gguf *g = opened(&file);
	float number;

	(void)state;
	check_text(g, "general.architecture", "llama");
	check_text(g, "general.name", "toy");
	check_number(g, "general.alignment", 32);
	check_number(g, "general.file_type", 1);
	check_number(g, "llama.block_count", 2);
	check_number(g, "llama.embedding_length", 24);
	check_number(g, "llama.feed_forward_length", 36);
	check_number(g, "llama.attention.head_count", 4);
	check_number(g, "llama.attention.head_count_kv", 2);
	check_number(g, "llama.rope.dimension_count", 6);
	check_number(g, "llama.context_length", 48);
	assert_int_equal(kg_gguf_get_float(g, "llama.rope.freq_base", &number), KG_OK);
	assert_true(number == 10000.0f);
	check_text(g, "tokenizer.ggml.model", "llama");
	assert_int_equal(kg_gguf_tensor_get(g, "blk.1.ffn_up.weight")->type, KG_GGML_F16);
	assert_int_equal(kg_gguf_tensor_get(g, "blk.1.ffn_norm.weight")->type, KG_GGML_F32);
	kg_gguf_free(g);
	kg_buf_release(&file);
	kg_model_free(m);
}

static void test_export__narrow_types_fit_rows(void **state)
{
	kg_model_config config = toy_config();
	kg_model *m;
	kg_buf file;
	kg_gguf *g;
	const kg_gguf_tensor *t;
	float back[64];

	(void)state;
	config.dim = 64;
	config.heads = config.kv_heads = 4;
	config.head_dim = 16;
	m = toy_random(&config, 62);
	file = exported(m, KG_GGML_Q8_0);
	g = opened(&file);
	check_number(g, "general.file_type", 7);
	t = kg_gguf_tensor_get(g, "blk.0.attn_q.weight");
	assert_int_equal(t->type, KG_GGML_Q8_0);
	kg_ggml_to_floats(back, t->type, t->data, 64);
	for (int i = 0; i < 64; i++)
		assert_true(fabsf(back[i] - kg_model_floats(m, KG_TENSOR_ATTN_Q, 0)[i]) <
			    0.25f / 127.0f * 0.57f);
	/* Rows of 36. */
	t = kg_gguf_tensor_get(g, "blk.0.ffn_down.weight");
	assert_int_equal(t->type, KG_GGML_F16);
	kg_ggml_to_floats(back, t->type, t->data, 36);
	for (int i = 0; i < 36; i++)
		assert_true(back[i] == kg_half_to_float(kg_half_from_float(
					       kg_model_floats(m, KG_TENSOR_FFN_DOWN, 0)[i])));
	kg_gguf_free(g);
	kg_buf_release(&file);
	kg_model_free(m);
}

/* llama.cpp replaces spaces by U+2581 before it looks for pieces: a vocabulary of bytes needs a
 * piece of that. */
static void test_export__bytes_know_the_space(void **state)
{
	kg_model_config config = toy_config();
	kg_model *m = toy_random(&config, 63);
	kg_buf file = exported(m, KG_GGML_F32);
	kg_gguf *g = opened(&file);
	kg_gguf_array tokens;
	kg_gguf_array kinds;
	const char *text = NULL;
	size_t size = 0;
	int32_t kind;
	kg_tokenizer *t = NULL;
	uint32_t *ids = NULL;
	size_t count;

	(void)state;
	assert_int_equal(kg_gguf_get_array(g, "tokenizer.ggml.tokens", KG_GGUF_STRING, &tokens),
			 KG_OK);
	assert_int_equal(kg_gguf_get_array(g, "tokenizer.ggml.token_type", KG_GGUF_I32, &kinds),
			 KG_OK);
	for (uint32_t id = 0; id <= toy_byte(' '); id++)
		kg_gguf_array_next(&tokens, &text, &size);
	assert_int_equal(size, 3);
	assert_memory_equal(text, "\xe2\x96\x81", 3);
	memcpy(&kind, kinds.data + (size_t)4 * toy_byte(' '), sizeof(kind));
	assert_int_equal(kind, KG_TOKEN_NORMAL);
	kg_gguf_array_next(&tokens, &text, &size);
	assert_memory_equal(text, "<0x21>", 6);
	/* To us nothing changed. */
	assert_int_equal(kg_tokenizer_from_gguf(&t, g), KG_OK);
	assert_int_equal(kg_tokenizer_encode(t, "a b", 3, false, &ids, &count), KG_OK);
	assert_int_equal(count, 3);
	assert_int_equal(ids[1], toy_byte(' '));
	free(ids);
	kg_tokenizer_free(t);
	kg_gguf_free(g);
	kg_buf_release(&file);
	kg_model_free(m);
}

static void test_export__quantized_models_are_what_they_stand_for(void **state)
{
	kg_model *base = tiny_model(true);
	kg_model *narrow = NULL;
	kg_model *back = NULL;
	uint8_t *bytes;
	size_t size;
	kg_buf file;

	(void)state;
	tiny_fill(base, 9);
	bytes = tiny_file(base, KG_FORMAT_FAIRY2, NULL, &size);
	assert_int_equal(kg_model_open_memory(&narrow, bytes, size), KG_OK);
	file = exported(narrow, KG_GGML_F32);
	assert_int_equal(kg_import_gguf(&back, file.data, file.size, "back"), KG_OK);
	for (uint32_t i = 0; i < kg_model_tensor_count(narrow); i++) {
		const kg_tensor *t = kg_model_tensor_at(narrow, i);
		float want[4 * TINY_VOCABULARY];

		assert_true((size_t)t->rows * t->cols <= sizeof(want) / sizeof(want[0]));
		assert_int_equal(kg_model_tensor_floats(narrow, t, want), KG_OK);
		assert_memory_equal(kg_model_tensor_at(back, i)->data, want,
				    (size_t)t->rows * t->cols * sizeof(*want));
	}
	kg_model_free(back);
	kg_model_free(narrow);
	kg_model_free(base);
	kg_buf_release(&file);
	free(bytes);
}

static void test_export__what_llama_cpp_does_not_compute_is_refused(void **state)
{
	kg_model_config config = toy_config();
	kg_model *m;
	kg_buf file;

	(void)state;
	kg_buf_init(&file, FILE_MAX);
	config.qk_norm = config.qkv_bias = true;
	m = toy_random(&config, 64);
	assert_int_equal(kg_export_gguf(m, KG_GGML_F16, &file), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "biases"));
	kg_model_free(m);
	config.qkv_bias = false;
	config.rope_factors = true;
	m = toy_random(&config, 65);
	assert_int_equal(kg_export_gguf(m, KG_GGML_F16, &file), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "factor"));
	for (uint32_t i = 0; i < config.head_dim / 2; i++)
		kg_model_floats(m, KG_TENSOR_ROPE_FACTORS, 0)[i] = 2.0f;
	assert_int_equal(kg_export_gguf(m, KG_GGML_F16, &file), KG_OK);
	kg_buf_clear(&file);
	kg_model_floats(m, KG_TENSOR_FFN_UP, 1)[3] = 1e5f;
	assert_int_equal(kg_export_gguf(m, KG_GGML_F16, &file), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "blk.1.ffn_up.weight"));
	kg_model_free(m);
	kg_buf_release(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_export__comes_back_the_same),
		cmocka_unit_test(test_export__has_the_keys_that_llama_cpp_reads),
		cmocka_unit_test(test_export__narrow_types_fit_rows),
		cmocka_unit_test(test_export__bytes_know_the_space),
		cmocka_unit_test(test_export__quantized_models_are_what_they_stand_for),
		cmocka_unit_test(test_export__what_llama_cpp_does_not_compute_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
