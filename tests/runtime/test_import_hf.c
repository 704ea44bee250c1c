/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/import_hf.h"
#include "tests/runtime/hf_files.h"

/* A folder of a small model, written here from the definition of the format; numbers are the
 * tensors' own, in the order of the file. */
enum {
	DIM = 8,
	HIDDEN = 4,
	LAYERS = 2,
	HEADS = 2,
	KV_HEADS = 1,
	HEAD_DIM = 4,
	VOCABULARY = 5,
};

static void add(hf_folder *f, uint32_t layer, const char *name, uint32_t rows, uint32_t cols)
{
	bool once = strncmp(name, "model.", 6) == 0 || strncmp(name, "lm_head", 7) == 0 ||
		    strchr(name, '.') == NULL;
	char text[80];

	(void)snprintf(text, sizeof(text), "model.layers.%u.%s", layer, name);
	hf_add(f, once ? name : text, rows, cols);
}

static void add_all(hf_folder *f, bool bias, bool norm, bool tied)
{
	add(f, 0, "model.embed_tokens.weight", VOCABULARY, DIM);
	for (uint32_t l = 0; l < LAYERS; l++) {
		add(f, l, "input_layernorm.weight", 0, DIM);
		add(f, l, "self_attn.q_proj.weight", HEADS * HEAD_DIM, DIM);
		add(f, l, "self_attn.k_proj.weight", KV_HEADS * HEAD_DIM, DIM);
		add(f, l, "self_attn.v_proj.weight", KV_HEADS * HEAD_DIM, DIM);
		add(f, l, "self_attn.o_proj.weight", DIM, HEADS * HEAD_DIM);
		add(f, l, "post_attention_layernorm.weight", 0, DIM);
		add(f, l, "mlp.gate_proj.weight", HIDDEN, DIM);
		add(f, l, "mlp.up_proj.weight", HIDDEN, DIM);
		add(f, l, "mlp.down_proj.weight", DIM, HIDDEN);
		if (bias) {
			add(f, l, "self_attn.q_proj.bias", 0, HEADS * HEAD_DIM);
			add(f, l, "self_attn.k_proj.bias", 0, KV_HEADS * HEAD_DIM);
			add(f, l, "self_attn.v_proj.bias", 0, KV_HEADS * HEAD_DIM);
		}
		if (norm) {
			add(f, l, "self_attn.q_norm.weight", 0, HEAD_DIM);
			add(f, l, "self_attn.k_norm.weight", 0, HEAD_DIM);
		}
	}
	add(f, 0, "model.norm.weight", 0, DIM);
	if (!tied)
		add(f, 0, "lm_head.weight", VOCABULARY, DIM);
}

static void put_config(const hf_folder *f, const char *type, const char *more)
{
	char text[1024];

	assert_true(snprintf(text, sizeof(text),
			     "{\"model_type\":\"%s\",\"hidden_size\":%d,\"intermediate_size\":%d,"
			     "\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
			     "\"num_key_value_heads\":%d,\"head_dim\":%d,\"vocab_size\":%d,"
			     "\"max_position_embeddings\":32,\"bos_token_id\":3%s}",
			     type, DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY,
			     more) < (int)sizeof(text));
	hf_put_text(f, "config.json", text);
}

static void folder_init(hf_folder *f, bool bias, bool norm, bool tied)
{
	hf_init(f);
	add_all(f, bias, norm, tied);
	hf_put_text(f, "tokenizer.json", hf_tokenizer);
}

static const hf_part *part_of(const hf_folder *f, const char *format, uint32_t layer)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "model.layers.%u.%s", layer, format);
	for (uint32_t i = 0; i < f->count; i++)
		if (strcmp(f->parts[i].name, name) == 0 || strcmp(f->parts[i].name, format) == 0)
			return &f->parts[i];
	fail_msg("%s", format);
	return NULL;
}

/* The tensor as it is, or with the rows of every head in pairs: row 2i is i, 2i + 1 is i + half. */
static void check_part(const hf_folder *f, const kg_model *m, kg_tensor_role role, uint32_t layer,
		       const char *name, bool turned)
{
	const hf_part *p = part_of(f, name, layer);
	const kg_tensor *t = kg_model_tensor(m, role, layer);
	const float *got = t->data;
	uint32_t rows = p->rows == 0 ? p->cols : p->rows;
	uint32_t width = p->rows == 0 ? 1 : p->cols;

	assert_int_equal((size_t)t->rows * t->cols, (size_t)rows * width);
	for (uint32_t row = 0; row < rows; row++) {
		uint32_t i = row % HEAD_DIM;
		uint32_t from = turned ? row - i + i / 2 + i % 2 * (HEAD_DIM / 2) : row;

		assert_memory_equal(got + (size_t)row * width, p->data + (size_t)from * width,
				    width * sizeof(float));
	}
}

static void check_model(const hf_folder *f, const kg_model *m)
{
	const kg_model_config *c = kg_model_get_config(m);

	assert_int_equal(c->heads, HEADS);
	assert_int_equal(c->head_dim, HEAD_DIM);
	assert_int_equal(c->vocabulary, VOCABULARY);
	check_part(f, m, KG_TENSOR_EMBEDDING, 0, "model.embed_tokens.weight", false);
	check_part(f, m, KG_TENSOR_OUTPUT_NORM, 0, "model.norm.weight", false);
	if (!c->tied)
		check_part(f, m, KG_TENSOR_HEAD, 0, "lm_head.weight", false);
	for (uint32_t l = 0; l < LAYERS; l++) {
		check_part(f, m, KG_TENSOR_ATTN_NORM, l, "input_layernorm.weight", false);
		check_part(f, m, KG_TENSOR_ATTN_Q, l, "self_attn.q_proj.weight", true);
		check_part(f, m, KG_TENSOR_ATTN_K, l, "self_attn.k_proj.weight", true);
		check_part(f, m, KG_TENSOR_ATTN_V, l, "self_attn.v_proj.weight", false);
		check_part(f, m, KG_TENSOR_ATTN_OUTPUT, l, "self_attn.o_proj.weight", false);
		check_part(f, m, KG_TENSOR_FFN_NORM, l, "post_attention_layernorm.weight", false);
		check_part(f, m, KG_TENSOR_FFN_GATE, l, "mlp.gate_proj.weight", false);
		check_part(f, m, KG_TENSOR_FFN_UP, l, "mlp.up_proj.weight", false);
		check_part(f, m, KG_TENSOR_FFN_DOWN, l, "mlp.down_proj.weight", false);
		if (c->qkv_bias) {
			check_part(f, m, KG_TENSOR_ATTN_Q_BIAS, l, "self_attn.q_proj.bias", true);
			check_part(f, m, KG_TENSOR_ATTN_K_BIAS, l, "self_attn.k_proj.bias", true);
			check_part(f, m, KG_TENSOR_ATTN_V_BIAS, l, "self_attn.v_proj.bias", false);
		}
		if (c->qk_norm) {
			check_part(f, m, KG_TENSOR_ATTN_Q_NORM, l, "self_attn.q_norm.weight", true);
			check_part(f, m, KG_TENSOR_ATTN_K_NORM, l, "self_attn.k_norm.weight", true);
		}
	}
}

static void test_import__every_type_of_model(void **state)
{
	static const struct {
		const char *type;
		bool bias;
		bool norm;
		bool tied;
		const char *dtype;
	} cases[] = {
		{"llama", false, false, false, "F32"},
		{"mistral", false, false, false, "BF16"},
		{"qwen2", true, false, true, "BF16"},
		{"qwen3", false, true, true, "F32"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hf_folder f;
		kg_model *m = NULL;

		folder_init(&f, cases[i].bias, cases[i].norm, cases[i].tied);
		put_config(&f, cases[i].type, cases[i].tied ? ",\"tie_word_embeddings\":true" : "");
		hf_put_shard(&f, "model.safetensors", 0, 1, cases[i].dtype);
		if (kg_import_hf(&m, f.path, "name") != KG_OK)
			fail_msg("%s", kg_err_text());
		assert_int_equal(kg_model_get_config(m)->tied, cases[i].tied);
		assert_int_equal(kg_model_get_config(m)->qkv_bias, cases[i].bias);
		assert_int_equal(kg_model_get_config(m)->qk_norm, cases[i].norm);
		assert_int_equal(kg_tokenizer_get_rules(kg_model_tokenizer(m))->bos, 3);
		check_model(&f, m);
		kg_model_free(m);
		hf_release(&f);
	}
}

static void test_import__shards_are_one_model(void **state)
{
	hf_folder f;
	kg_model *m = NULL;

	(void)state;
	folder_init(&f, false, false, false);
	put_config(&f, "llama", "");
	hf_put_shard(&f, "one.safetensors", 0, 2, "F32");
	hf_put_shard(&f, "two.safetensors", 1, 2, "BF16");
	hf_put_index(&f, "one.safetensors", "two.safetensors");
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	check_model(&f, m);
	kg_model_free(m);
	hf_put_index(&f, "../one.safetensors", "two.safetensors");
	hf_assert_refused(&f, KG_ECORRUPT, "plain file name");
	hf_put_index(&f, "", "two.safetensors");
	hf_assert_refused(&f, KG_ECORRUPT, "plain file name");
	hf_put_index(&f, "three.safetensors", "two.safetensors");
	hf_assert_refused(&f, KG_ENOTFOUND, "three.safetensors");
	hf_put_index(&f, "two.safetensors", "two.safetensors");
	hf_assert_refused(&f, KG_ECORRUPT, "is missing");
	hf_put_shard(&f, "two.safetensors", 0, 1, "F32");
	hf_put_index(&f, "one.safetensors", "two.safetensors");
	hf_assert_refused(&f, KG_ECORRUPT, "is in two shards");
	hf_put_text(&f, "model.safetensors.index.json", "{\"weight_map\":{\"a\":1}}");
	hf_assert_refused(&f, KG_ECORRUPT, "no text");
	hf_put_text(&f, "model.safetensors.index.json", "{}");
	hf_assert_refused(&f, KG_ECORRUPT, "no weight_map");
	hf_release(&f);
}

static void test_import__what_does_not_fit_is_named(void **state)
{
	hf_folder f;
	kg_model *m = NULL;

	(void)state;
	folder_init(&f, false, false, true);
	hf_assert_refused(&f, KG_ENOTFOUND, "config.json");
	put_config(&f, "llama", "");
	hf_assert_refused(&f, KG_ENOTFOUND, "model.safetensors");
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	hf_assert_refused(&f, KG_ECORRUPT, "lm_head.weight is missing");
	put_config(&f, "llama", ",\"tie_word_embeddings\":true,\"intermediate_size2\":0");
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	hf_remove(&f, "tokenizer.json");
	hf_assert_refused(&f, KG_ENOTFOUND, "tokenizer.json");
	hf_put_text(&f, "tokenizer.model", "\x0b");
	hf_assert_refused(&f, KG_ECORRUPT, "tokenizer.model");
	/* "<unk>" and "a", by scores. */
	hf_put_text(&f, "tokenizer.model",
		    "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x03\x0a\x01"
		    "a\x12\x02\x18\x02");
	m = NULL;
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	assert_false(kg_tokenizer_get_rules(kg_model_tokenizer(m))->ranked);
	kg_model_free(m);
	hf_put_text(&f, "tokenizer.json", hf_tokenizer);
	/* A head that a tied model does not need, and frequencies of old. */
	add(&f, 0, "lm_head.weight", VOCABULARY, DIM);
	add(&f, 1, "self_attn.rotary_emb.inv_freq", 0, HEAD_DIM / 2);
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	m = NULL;
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	add(&f, 1, "self_attn.o_proj.bias", 0, DIM);
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	hf_assert_refused(&f, KG_EINVAL, "model.layers.1.self_attn.o_proj.bias has no place");
	free(f.parts[--f.count].data);
	f.parts[3].cols--; /* k_proj of layer 0 */
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	hf_assert_refused(&f, KG_ECORRUPT,
			  "model.layers.0.self_attn.k_proj.weight has not the shape 4 x 8");
	f.parts[3].cols++;
	f.parts[3].data[0] = (float)INFINITY;
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	hf_assert_refused(&f, KG_ECORRUPT, "not finite");
	hf_release(&f);
}

static void check_template(const hf_folder *f, const char *want)
{
	kg_model *m = NULL;
	const char *text;
	size_t size;

	if (kg_import_hf(&m, f->path, "name") != KG_OK)
		fail_msg("%s", kg_err_text());
	text = kg_model_template(m, &size);
	if (want == NULL) {
		assert_null(text);
		assert_int_equal(size, 0);
	} else {
		assert_int_equal(size, strlen(want));
		assert_memory_equal(text, want, size);
	}
	kg_model_free(m);
}

static void test_import__templates_of_conversations_are_kept(void **state)
{
	hf_folder f;
	char *large = malloc(KG_MODEL_TEMPLATE_MAX + 1);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', KG_MODEL_TEMPLATE_MAX + 1);
	folder_init(&f, false, false, true);
	put_config(&f, "llama", ",\"tie_word_embeddings\":true");
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	check_template(&f, NULL);
	hf_put_text(&f, "tokenizer_config.json", "{\"chat_template\":null}");
	check_template(&f, NULL);
	hf_put_text(&f, "tokenizer_config.json", "{\"chat_template\":\"{{ a }}\"}");
	check_template(&f, "{{ a }}");
	hf_put_text(&f, "tokenizer_config.json",
		    "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"t\"},"
		    "{\"name\":\"default\",\"template\":\"d\"}]}");
	check_template(&f, "d");
	hf_put_text(&f, "chat_template.jinja", "j");
	check_template(&f, "j");
	hf_put(&f, "chat_template.jinja", large, KG_MODEL_TEMPLATE_MAX + 1);
	check_template(&f, NULL);
	hf_remove(&f, "chat_template.jinja");
	hf_put_text(&f, "tokenizer_config.json", "{\"chat_template\"");
	hf_assert_refused(&f, KG_ECORRUPT, "tokenizer_config.json");
	hf_release(&f);
	free(large);
}

/* A cut at every byte of each file of the folder. */
static void cut(const hf_folder *f, const char *name, const void *data, size_t size, size_t step)
{
	for (size_t n = 0; n < size; n += step) {
		kg_model *m = NULL;

		hf_put(f, name, data, n);
		assert_int_not_equal(kg_import_hf(&m, f->path, "name"), KG_OK);
		assert_null(m);
		assert_int_not_equal(kg_err_text()[0], '\0');
	}
	hf_put(f, name, data, size);
}

static void test_import__no_part_of_a_folder_is_a_model(void **state)
{
	hf_folder f;
	kg_model *m = NULL;
	kg_buf file;

	(void)state;
	folder_init(&f, false, false, true);
	put_config(&f, "llama", ",\"tie_word_embeddings\":true");
	file = hf_shard(&f, 0, 1, "BF16");
	hf_put(&f, "model.safetensors", file.data, file.size);
	cut(&f, "tokenizer.json", hf_tokenizer, strlen(hf_tokenizer), 1);
	/* safetensors are cut at every byte in a test of their own. */
	cut(&f, "model.safetensors", file.data, file.size, 97);
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	kg_buf_release(&file);
	/* An index is only looked at where there is one. */
	file = hf_index(&f, "model.safetensors", "model.safetensors");
	cut(&f, "model.safetensors.index.json", file.data, file.size, 1);
	m = NULL;
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	kg_buf_release(&file);
	hf_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import__every_type_of_model),
		cmocka_unit_test(test_import__shards_are_one_model),
		cmocka_unit_test(test_import__what_does_not_fit_is_named),
		cmocka_unit_test(test_import__templates_of_conversations_are_kept),
		cmocka_unit_test(test_import__no_part_of_a_folder_is_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
