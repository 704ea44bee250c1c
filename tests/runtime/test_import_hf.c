/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/rng.h"
#include "runtime/import_hf.h"

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
	TENSORS_MAX = 64,
	FILE_MAX = 1 << 20,
};

typedef struct {
	char name[80];
	uint32_t rows; /* 0: a vector */
	uint32_t cols;
	float *data;
} part;

typedef struct {
	char path[64];
	part parts[TENSORS_MAX];
	uint32_t count;
	kg_rng rng;
} folder;

static void add(folder *f, uint32_t layer, const char *name, uint32_t rows, uint32_t cols)
{
	part *p = &f->parts[f->count++];
	size_t n = (size_t)(rows == 0 ? 1 : rows) * cols;

	assert_true(f->count <= TENSORS_MAX);
	if (strchr(name, '.') != NULL && strncmp(name, "model.", 6) != 0 &&
	    strncmp(name, "lm_head", 7) != 0)
		assert_true(snprintf(p->name, sizeof(p->name), "model.layers.%u.%s", layer, name) <
			    (int)sizeof(p->name));
	else
		assert_true(snprintf(p->name, sizeof(p->name), "%s", name) < (int)sizeof(p->name));
	p->rows = rows;
	p->cols = cols;
	p->data = malloc(n * sizeof(*p->data));
	assert_non_null(p->data);
	/* Halves and brain floats hold these exactly. */
	for (size_t i = 0; i < n; i++)
		p->data[i] = (float)(int)(kg_rng_u64(&f->rng) % 255) / 64.0f - 2.0f;
}

static void add_all(folder *f, bool bias, bool norm, bool tied)
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

static void put_file(const folder *f, const char *name, const void *data, size_t size)
{
	char path[KG_PATH_SIZE];
	FILE *file;

	assert_int_equal(kg_path(path, "%s/%s", f->path, name), KG_OK);
	/* Without a sync: there are a thousand of these. */
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void put_text(const folder *f, const char *name, const char *text)
{
	put_file(f, name, text, strlen(text));
}

static void remove_file(const folder *f, const char *name)
{
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/%s", f->path, name), KG_OK);
	(void)unlink(path);
}

static size_t put_number(kg_buf *data, float value, const char *dtype)
{
	uint32_t bits;
	_Static_assert(sizeof(bits) == sizeof(value), "floats have 32 bits");

	memcpy(&bits, &value, sizeof(bits));
	if (strcmp(dtype, "BF16") != 0) {
		kg_buf_put_u32le(data, bits);
		return 4;
	}
	assert_int_equal(bits & 0xffff, 0);
	kg_buf_put_u8(data, (uint8_t)(bits >> 16));
	kg_buf_put_u8(data, (uint8_t)(bits >> 24));
	return 2;
}

/* Every `step`th tensor from `first` on, in one file. */
static kg_buf shard_of(const folder *f, uint32_t first, uint32_t step, const char *dtype)
{
	kg_buf header;
	kg_buf data;
	kg_buf file;

	kg_buf_init(&header, FILE_MAX);
	kg_buf_init(&data, FILE_MAX);
	kg_buf_init(&file, FILE_MAX);
	kg_buf_puts(&header, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (uint32_t i = first; i < f->count; i += step) {
		const part *p = &f->parts[i];
		size_t n = (size_t)(p->rows == 0 ? 1 : p->rows) * p->cols;
		size_t from = data.size;

		for (size_t k = 0; k < n; k++)
			(void)put_number(&data, p->data[k], dtype);
		kg_buf_printf(&header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", p->name, dtype);
		if (p->rows != 0)
			kg_buf_printf(&header, "%u,", p->rows);
		kg_buf_printf(&header, "%u],\"data_offsets\":[%zu,%zu]}", p->cols, from, data.size);
	}
	kg_buf_puts(&header, "}");
	kg_buf_put_u64le(&file, header.size);
	kg_buf_put(&file, header.data, header.size);
	kg_buf_put(&file, data.data, data.size);
	assert_int_equal(kg_buf_ok(&file), KG_OK);
	kg_buf_release(&header);
	kg_buf_release(&data);
	return file;
}

static void put_shard(const folder *f, const char *name, uint32_t first, uint32_t step,
		      const char *dtype)
{
	kg_buf file = shard_of(f, first, step, dtype);

	put_file(f, name, file.data, file.size);
	kg_buf_release(&file);
}

static const char tokenizer[] =
	"{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
	"{\"id\":3,\"content\":\"<s>\",\"special\":true,\"single_word\":false,\"lstrip\":false,"
	"\"rstrip\":false,\"normalized\":false}],\"normalizer\":null,\"pre_tokenizer\":"
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"
	"\"use_regex\":true},\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\","
	"\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},\"model\":{"
	"\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
	"\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
	"\"byte_fallback\":false,\"ignore_merges\":false,"
	"\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

static void put_config(const folder *f, const char *type, const char *more)
{
	char text[1024];

	assert_true(snprintf(text, sizeof(text),
			     "{\"model_type\":\"%s\",\"hidden_size\":%d,\"intermediate_size\":%d,"
			     "\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
			     "\"num_key_value_heads\":%d,\"head_dim\":%d,\"vocab_size\":%d,"
			     "\"max_position_embeddings\":32,\"bos_token_id\":3%s}",
			     type, DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY,
			     more) < (int)sizeof(text));
	put_text(f, "config.json", text);
}

static void folder_init(folder *f, bool bias, bool norm, bool tied)
{
	memset(f, 0, sizeof(*f));
	kg_rng_init_u64(&f->rng, 4);
	memcpy(f->path, "/tmp/kg-hf-XXXXXX", sizeof("/tmp/kg-hf-XXXXXX"));
	assert_non_null(mkdtemp(f->path));
	add_all(f, bias, norm, tied);
	put_text(f, "tokenizer.json", tokenizer);
}

static void folder_release(folder *f)
{
	static const char *const names[] = {"config.json",           "tokenizer.json",
					    "model.safetensors",     "model.safetensors.index.json",
					    "one.safetensors",       "two.safetensors",
					    "tokenizer_config.json", "chat_template.jinja",
					    "tokenizer.model"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove_file(f, names[i]);
	assert_int_equal(rmdir(f->path), 0);
	for (uint32_t i = 0; i < f->count; i++)
		free(f->parts[i].data);
}

static const part *part_of(const folder *f, const char *format, uint32_t layer)
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
static void check_part(const folder *f, const kg_model *m, kg_tensor_role role, uint32_t layer,
		       const char *name, bool turned)
{
	const part *p = part_of(f, name, layer);
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

static void check_model(const folder *f, const kg_model *m)
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
		folder f;
		kg_model *m = NULL;

		folder_init(&f, cases[i].bias, cases[i].norm, cases[i].tied);
		put_config(&f, cases[i].type, cases[i].tied ? ",\"tie_word_embeddings\":true" : "");
		put_shard(&f, "model.safetensors", 0, 1, cases[i].dtype);
		if (kg_import_hf(&m, f.path, "name") != KG_OK)
			fail_msg("%s", kg_err_text());
		assert_int_equal(kg_model_get_config(m)->tied, cases[i].tied);
		assert_int_equal(kg_model_get_config(m)->qkv_bias, cases[i].bias);
		assert_int_equal(kg_model_get_config(m)->qk_norm, cases[i].norm);
		assert_int_equal(kg_tokenizer_get_rules(kg_model_tokenizer(m))->bos, 3);
		check_model(&f, m);
		kg_model_free(m);
		folder_release(&f);
	}
}

static kg_buf index_of(const folder *f, const char *first, const char *second)
{
	kg_buf text;

	kg_buf_init(&text, FILE_MAX);
	kg_buf_puts(&text, "{\"metadata\":{},\"weight_map\":{");
	for (uint32_t i = 0; i < f->count; i++)
		kg_buf_printf(&text, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", f->parts[i].name,
			      i % 2 == 0 ? first : second);
	kg_buf_puts(&text, "}}");
	assert_int_equal(kg_buf_ok(&text), KG_OK);
	return text;
}

static void put_index(const folder *f, const char *first, const char *second)
{
	kg_buf text = index_of(f, first, second);

	put_file(f, "model.safetensors.index.json", text.data, text.size);
	kg_buf_release(&text);
}

static void refused(const folder *f, kg_err code, const char *because)
{
	kg_model *m = NULL;

	assert_int_equal(kg_import_hf(&m, f->path, "name"), code);
	assert_null(m);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
}

static void test_import__shards_are_one_model(void **state)
{
	folder f;
	kg_model *m = NULL;

	(void)state;
	folder_init(&f, false, false, false);
	put_config(&f, "llama", "");
	put_shard(&f, "one.safetensors", 0, 2, "F32");
	put_shard(&f, "two.safetensors", 1, 2, "BF16");
	put_index(&f, "one.safetensors", "two.safetensors");
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	check_model(&f, m);
	kg_model_free(m);
	put_index(&f, "../one.safetensors", "two.safetensors");
	refused(&f, KG_ECORRUPT, "plain file name");
	put_index(&f, "", "two.safetensors");
	refused(&f, KG_ECORRUPT, "plain file name");
	put_index(&f, "three.safetensors", "two.safetensors");
	refused(&f, KG_ENOTFOUND, "three.safetensors");
	put_index(&f, "two.safetensors", "two.safetensors");
	refused(&f, KG_ECORRUPT, "is missing");
	put_shard(&f, "two.safetensors", 0, 1, "F32");
	put_index(&f, "one.safetensors", "two.safetensors");
	refused(&f, KG_ECORRUPT, "is in two shards");
	put_text(&f, "model.safetensors.index.json", "{\"weight_map\":{\"a\":1}}");
	refused(&f, KG_ECORRUPT, "no text");
	put_text(&f, "model.safetensors.index.json", "{}");
	refused(&f, KG_ECORRUPT, "no weight_map");
	folder_release(&f);
}

static void test_import__what_does_not_fit_is_named(void **state)
{
	folder f;
	kg_model *m = NULL;

	(void)state;
	folder_init(&f, false, false, true);
	refused(&f, KG_ENOTFOUND, "config.json");
	put_config(&f, "llama", "");
	refused(&f, KG_ENOTFOUND, "model.safetensors");
	put_shard(&f, "model.safetensors", 0, 1, "F32");
	refused(&f, KG_ECORRUPT, "lm_head.weight is missing");
	put_config(&f, "llama", ",\"tie_word_embeddings\":true,\"intermediate_size2\":0");
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	remove_file(&f, "tokenizer.json");
	refused(&f, KG_ENOTFOUND, "tokenizer.json");
	put_text(&f, "tokenizer.model", "\x0b");
	refused(&f, KG_ECORRUPT, "tokenizer.model");
	/* "<unk>" and "a", by scores. */
	put_text(&f, "tokenizer.model",
		 "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x03\x0a\x01"
		 "a\x12\x02\x18\x02");
	m = NULL;
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	assert_false(kg_tokenizer_get_rules(kg_model_tokenizer(m))->ranked);
	kg_model_free(m);
	put_text(&f, "tokenizer.json", tokenizer);
	/* A head that a tied model does not need, and frequencies of old. */
	add(&f, 0, "lm_head.weight", VOCABULARY, DIM);
	add(&f, 1, "self_attn.rotary_emb.inv_freq", 0, HEAD_DIM / 2);
	put_shard(&f, "model.safetensors", 0, 1, "F32");
	m = NULL;
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	add(&f, 1, "self_attn.o_proj.bias", 0, DIM);
	put_shard(&f, "model.safetensors", 0, 1, "F32");
	refused(&f, KG_EINVAL, "model.layers.1.self_attn.o_proj.bias has no place");
	free(f.parts[--f.count].data);
	f.parts[3].cols--; /* k_proj of layer 0 */
	put_shard(&f, "model.safetensors", 0, 1, "F32");
	refused(&f, KG_ECORRUPT, "model.layers.0.self_attn.k_proj.weight has not the shape 4 x 8");
	f.parts[3].cols++;
	f.parts[3].data[0] = (float)INFINITY;
	put_shard(&f, "model.safetensors", 0, 1, "F32");
	refused(&f, KG_ECORRUPT, "not finite");
	folder_release(&f);
}

static void check_template(const folder *f, const char *want)
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
	folder f;
	char *large = malloc(KG_MODEL_TEMPLATE_MAX + 1);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', KG_MODEL_TEMPLATE_MAX + 1);
	folder_init(&f, false, false, true);
	put_config(&f, "llama", ",\"tie_word_embeddings\":true");
	put_shard(&f, "model.safetensors", 0, 1, "F32");
	check_template(&f, NULL);
	put_text(&f, "tokenizer_config.json", "{\"chat_template\":null}");
	check_template(&f, NULL);
	put_text(&f, "tokenizer_config.json", "{\"chat_template\":\"{{ a }}\"}");
	check_template(&f, "{{ a }}");
	put_text(&f, "tokenizer_config.json",
		 "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"t\"},"
		 "{\"name\":\"default\",\"template\":\"d\"}]}");
	check_template(&f, "d");
	put_text(&f, "chat_template.jinja", "j");
	check_template(&f, "j");
	put_file(&f, "chat_template.jinja", large, KG_MODEL_TEMPLATE_MAX + 1);
	check_template(&f, NULL);
	remove_file(&f, "chat_template.jinja");
	put_text(&f, "tokenizer_config.json", "{\"chat_template\"");
	refused(&f, KG_ECORRUPT, "tokenizer_config.json");
	folder_release(&f);
	free(large);
}

/* A cut at every byte of each file of the folder. */
static void cut(const folder *f, const char *name, const void *data, size_t size, size_t step)
{
	for (size_t n = 0; n < size; n += step) {
		kg_model *m = NULL;

		put_file(f, name, data, n);
		assert_int_not_equal(kg_import_hf(&m, f->path, "name"), KG_OK);
		assert_null(m);
		assert_int_not_equal(kg_err_text()[0], '\0');
	}
	put_file(f, name, data, size);
}

static void test_import__no_part_of_a_folder_is_a_model(void **state)
{
	folder f;
	kg_model *m = NULL;
	kg_buf file;

	(void)state;
	folder_init(&f, false, false, true);
	put_config(&f, "llama", ",\"tie_word_embeddings\":true");
	file = shard_of(&f, 0, 1, "BF16");
	put_file(&f, "model.safetensors", file.data, file.size);
	cut(&f, "tokenizer.json", tokenizer, strlen(tokenizer), 1);
	/* safetensors are cut at every byte in a test of their own. */
	cut(&f, "model.safetensors", file.data, file.size, 97);
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	kg_buf_release(&file);
	/* An index is only looked at where there is one. */
	file = index_of(&f, "model.safetensors", "model.safetensors");
	cut(&f, "model.safetensors.index.json", file.data, file.size, 1);
	m = NULL;
	assert_int_equal(kg_import_hf(&m, f.path, "name"), KG_OK);
	kg_model_free(m);
	kg_buf_release(&file);
	folder_release(&f);
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
