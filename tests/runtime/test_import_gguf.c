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

#include "runtime/alphabet.h"
#include "runtime/ggml_blocks.h"
#include "runtime/gguf.h"
#include "runtime/import_gguf.h"
#include "runtime/tokenizer_gguf.h"
#include "tests/runtime/tiny.h"
#include "tests/runtime/toy.h"

enum { FILE_MAX = 1 << 22 };

/* What a test changes about the file of a model. */
typedef struct {
	const char *arch;
	bool split;                   /* rows in qwen's order */
	const kg_model_config *shown; /* what the keys say; NULL: the truth */
	void (*more)(kg_gguf_writer *writer);
	const char *pre; /* a byte-level vocabulary of that pre-tokenizer, instead of the model's */
	const char *left_out; /* a tensor */
	kg_ggml_type type;    /* of matrices */
} recipe;

static const recipe plain = {.arch = "llama"};

static void put_u32(kg_gguf_writer *w, const recipe *r, const char *tail, uint32_t value)
{
	char key[64];

	assert_true(snprintf(key, sizeof(key), "%s.%s", r->arch, tail) < (int)sizeof(key));
	kg_gguf_put_u32(w, key, value);
}

static void put_string(kg_buf *out, const char *text, size_t size)
{
	kg_buf_put_u64le(out, size);
	kg_buf_put(out, text, size);
}

static void put_text(kg_gguf_writer *w, const char *key, const char *text)
{
	kg_gguf_put_string(w, key, text, strlen(text));
}

/* Ids 0..255 are the bytes, 256 "12", 257 "aa", 258 a control token; as llama.cpp's converter
 * writes the vocabulary of SmolLM. */
static void put_byte_level(kg_gguf_writer *w, const char *pre)
{
	kg_buf tokens;
	kg_buf kinds;
	kg_buf merges;

	kg_buf_init(&tokens, FILE_MAX);
	kg_buf_init(&kinds, FILE_MAX);
	kg_buf_init(&merges, FILE_MAX);
	for (int byte = 0; byte < 256; byte++) {
		char letter[KG_ALPHABET_LETTER_MAX];
		char c = (char)byte;

		put_string(&tokens, letter, kg_alphabet_encode(letter, &c, 1));
	}
	put_string(&tokens, "12", 2);
	put_string(&tokens, "aa", 2);
	put_string(&tokens, "<|im_end|>", 10);
	for (int id = 0; id < 259; id++)
		kg_buf_put_u32le(&kinds, id < 258 ? KG_TOKEN_NORMAL : KG_TOKEN_CONTROL);
	put_string(&merges, "1 2", 3);
	put_string(&merges, "a a", 3);
	put_text(w, "tokenizer.ggml.model", "gpt2");
	put_text(w, "tokenizer.ggml.pre", pre);
	kg_gguf_put_array(w, "tokenizer.ggml.tokens", KG_GGUF_STRING, 259, tokens.data,
			  tokens.size);
	kg_gguf_put_array(w, "tokenizer.ggml.token_type", KG_GGUF_I32, 259, kinds.data, kinds.size);
	kg_gguf_put_array(w, "tokenizer.ggml.merges", KG_GGUF_STRING, 2, merges.data, merges.size);
	kg_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 258);
	kg_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 258);
	kg_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 258);
	kg_gguf_put_u32(w, "tokenizer.ggml.padding_token_id", 258);
	kg_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
	kg_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false);
	put_text(w, "tokenizer.chat_template", "{{ messages }}");
	kg_buf_release(&tokens);
	kg_buf_release(&kinds);
	kg_buf_release(&merges);
}

static void put_keys(kg_gguf_writer *w, const recipe *r, const kg_model *m)
{
	const kg_model_config *c = r->shown == NULL ? kg_model_get_config(m) : r->shown;
	char key[64];

	kg_gguf_put_string(w, "general.architecture", r->arch, strlen(r->arch));
	put_u32(w, r, "context_length", c->context);
	put_u32(w, r, "embedding_length", c->dim);
	put_u32(w, r, "block_count", c->layers);
	put_u32(w, r, "feed_forward_length", c->hidden);
	put_u32(w, r, "attention.head_count", c->heads);
	put_u32(w, r, "attention.head_count_kv", c->kv_heads);
	if (c->heads * c->head_dim != c->dim)
		put_u32(w, r, "attention.key_length", c->head_dim);
	if (c->heads * c->head_dim != c->dim)
		put_u32(w, r, "attention.value_length", c->head_dim);
	assert_true(snprintf(key, sizeof(key), "%s.attention.layer_norm_rms_epsilon", r->arch) <
		    (int)sizeof(key));
	kg_gguf_put_float(w, key, c->norm_eps);
	if (r->pre != NULL)
		put_byte_level(w, r->pre);
	else
		assert_int_equal(kg_tokenizer_to_gguf(kg_model_tokenizer(m), w), KG_OK);
}

/* Row i of a head of `n` comes from place 2i, or 2 (i - n / 2) + 1 in its second half. */
static void split_rows(float *out, const float *in, uint32_t heads, uint32_t n, uint32_t width)
{
	for (uint32_t row = 0; row < heads * n; row++) {
		uint32_t i = row % n;
		uint32_t from = row - i + (i < n / 2 ? 2 * i : 2 * (i - n / 2) + 1);

		memcpy(out + (size_t)row * width, in + (size_t)from * width, width * sizeof(*out));
	}
}

/* The floats of a tensor as the file has them; free(). */
static float *stored_floats(const recipe *r, const kg_model *m, const kg_tensor *t)
{
	const kg_model_config *c = kg_model_get_config(m);
	size_t n = (size_t)t->rows * t->cols;
	float *out = malloc(n * sizeof(*out));

	assert_non_null(out);
	memcpy(out, t->data, n * sizeof(*out));
	if (!r->split)
		return out;
	if (t->role == KG_TENSOR_ATTN_Q || t->role == KG_TENSOR_ATTN_K)
		split_rows(out, t->data, t->rows / c->head_dim, c->head_dim, t->cols);
	if (t->role == KG_TENSOR_ATTN_Q_BIAS || t->role == KG_TENSOR_ATTN_K_BIAS ||
	    t->role == KG_TENSOR_ATTN_Q_NORM || t->role == KG_TENSOR_ATTN_K_NORM)
		split_rows(out, t->data, t->cols / c->head_dim, c->head_dim, 1);
	return out;
}

static kg_buf file_of(const recipe *r, const kg_model *m)
{
	kg_gguf_writer w;
	kg_buf out;
	void *block[64];
	size_t blocks = 0;

	kg_buf_init(&out, FILE_MAX);
	kg_gguf_writer_init(&w, KG_GGUF_ALIGNMENT_PLAIN);
	put_keys(&w, r, m);
	if (r->more != NULL)
		r->more(&w);
	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++) {
		const kg_tensor *t = kg_model_tensor_at(m, i);
		uint64_t dims[2] = {t->cols, t->rows};
		bool narrow = r->type == KG_GGML_Q8_0 && t->rows > 1;
		float *floats;

		if (r->left_out != NULL && strcmp(t->name, r->left_out) == 0)
			continue;
		floats = stored_floats(r, m, t);
		assert_true(blocks < sizeof(block) / sizeof(block[0]));
		block[blocks++] = floats;
		if (narrow) {
			uint8_t *q = malloc((size_t)t->rows * t->cols / 32 * 34);

			assert_non_null(q);
			kg_ggml_from_floats_q8_0(q, floats, (size_t)t->rows * t->cols);
			free(floats);
			block[blocks - 1] = q;
		}
		kg_gguf_put_tensor(&w, t->name, narrow ? KG_GGML_Q8_0 : KG_GGML_F32, dims,
				   t->rows == 1 ? 1 : 2, block[blocks - 1]);
	}
	assert_int_equal(kg_gguf_writer_finish(&w, &out), KG_OK);
	kg_gguf_writer_release(&w);
	for (size_t i = 0; i < blocks; i++)
		free(block[i]);
	return out;
}

static kg_model *import(const recipe *r, const kg_model *m)
{
	kg_buf file = file_of(r, m);
	kg_model *out = NULL;

	if (kg_import_gguf(&out, file.data, file.size, "name") != KG_OK)
		fail_msg("%s", kg_err_text());
	kg_buf_release(&file);
	return out;
}

static void check_same(const kg_model *a, const kg_model *b)
{
	const kg_model_config *x = kg_model_get_config(a);
	const kg_model_config *y = kg_model_get_config(b);

	assert_int_equal(x->dim, y->dim);
	assert_int_equal(x->hidden, y->hidden);
	assert_int_equal(x->heads, y->heads);
	assert_int_equal(x->kv_heads, y->kv_heads);
	assert_int_equal(x->head_dim, y->head_dim);
	assert_int_equal(x->context, y->context);
	assert_int_equal(x->vocabulary, y->vocabulary);
	assert_true(x->rope_theta == y->rope_theta);
	assert_true(x->norm_eps == y->norm_eps);
	assert_int_equal(kg_model_tensor_count(a), kg_model_tensor_count(b));
	for (uint32_t i = 0; i < kg_model_tensor_count(a); i++) {
		const kg_tensor *t = kg_model_tensor_at(a, i);
		const kg_tensor *u = kg_model_tensor_at(b, i);

		assert_string_equal(t->name, u->name);
		assert_int_equal(t->rows, u->rows);
		assert_int_equal(t->cols, u->cols);
		assert_memory_equal(t->data, u->data, (size_t)t->rows * t->cols * sizeof(float));
	}
}

/* Two layers, four heads over two, heads wider than the stream asks for. */
static kg_model *some_model(bool tied, bool bias, bool norm, bool factors)
{
	kg_model_config config = toy_config();

	config.tied = tied;
	config.qkv_bias = bias;
	config.qk_norm = norm;
	config.rope_factors = factors;
	if (norm)
		config.head_dim = 10;
	return toy_random(&config, 77);
}

static void test_import__every_architecture_is_the_same_model(void **state)
{
	static const struct {
		recipe r;
		bool tied;
		bool bias;
		bool norm;
		bool factors;
	} cases[] = {
		{{.arch = "llama"}, false, false, false, false},
		{{.arch = "llama"}, true, false, false, true},
		{{.arch = "llama"}, false, true, false, false},
		{{.arch = "qwen2", .split = true}, false, true, false, false},
		{{.arch = "qwen3", .split = true}, true, false, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kg_model *want =
			some_model(cases[i].tied, cases[i].bias, cases[i].norm, cases[i].factors);
		kg_model *got = import(&cases[i].r, want);

		check_same(want, got);
		assert_string_equal(kg_model_name(got), "name");
		kg_model_free(got);
		kg_model_free(want);
	}
}

static void test_import__blocks_become_floats(void **state)
{
	static const recipe r = {.arch = "llama", .type = KG_GGML_Q8_0};
	kg_model_config config = toy_config();
	kg_model *want;
	kg_model *got;

	(void)state;
	config.dim = config.hidden = 64;
	config.heads = config.kv_heads = 4;
	config.head_dim = 16;
	want = toy_random(&config, 78);
	got = import(&r, want);
	for (uint32_t i = 0; i < kg_model_tensor_count(want); i++) {
		const float *a = kg_model_tensor_at(want, i)->data;
		const float *b = kg_model_tensor_at(got, i)->data;

		/* At most half a step of 0.25 / 127, and the rounding of the step. */
		for (uint32_t k = 0; k < kg_model_tensor_at(want, i)->cols; k++)
			assert_true(fabsf(a[k] - b[k]) <= 0.25f / 127.0f * 0.57f);
	}
	kg_model_free(got);
	kg_model_free(want);
}

static void linear_scaling(kg_gguf_writer *w)
{
	kg_gguf_put_string(w, "llama.rope.scaling.type", "linear", 6);
	kg_gguf_put_float(w, "llama.rope.scaling.factor", 4.0f);
	kg_gguf_put_float(w, "llama.rope.freq_base", 500000.0f);
	kg_gguf_put_u32(w, "llama.attention.sliding_window", 20);
}

static void no_scaling(kg_gguf_writer *w)
{
	kg_gguf_put_string(w, "llama.rope.scaling.type", "none", 4);
	kg_gguf_put_float(w, "llama.rope.scaling.factor", 4.0f);
}

static void test_import__rotations_and_windows_are_taken(void **state)
{
	static const recipe linear = {.arch = "llama", .more = linear_scaling};
	static const recipe none = {.arch = "llama", .more = no_scaling};
	kg_model *source = some_model(false, false, false, false);
	kg_model *factored = some_model(false, false, false, true);
	const uint32_t factors = toy_config().head_dim / 2;
	const kg_model_config *c;
	const float *factor;
	const float *own;
	kg_model *m;

	(void)state;
	m = import(&linear, source);
	c = kg_model_get_config(m);
	assert_true(c->rope_factors);
	assert_true(c->rope_theta == 500000.0f);
	assert_int_equal(c->context, 20);
	factor = kg_model_tensor(m, KG_TENSOR_ROPE_FACTORS, 0)->data;
	for (uint32_t i = 0; i < factors; i++)
		assert_true(factor[i] == 4.0f);
	kg_model_free(m);
	m = import(&linear, factored);
	factor = kg_model_tensor(m, KG_TENSOR_ROPE_FACTORS, 0)->data;
	own = kg_model_tensor(factored, KG_TENSOR_ROPE_FACTORS, 0)->data;
	for (uint32_t i = 0; i < factors; i++)
		assert_true(factor[i] == 4.0f * own[i]);
	kg_model_free(m);
	m = import(&none, source);
	assert_false(kg_model_get_config(m)->rope_factors);
	kg_model_free(m);
	kg_model_free(source);
	kg_model_free(factored);
}

/* What the converter writes beside the shape. */
static void smollm_keys(kg_gguf_writer *w)
{
	put_text(w, "general.type", "model");
	put_text(w, "general.size_label", "135M");
	put_text(w, "general.license", "apache-2.0");
	kg_gguf_put_u32(w, "general.file_type", 0);
	kg_gguf_put_u32(w, "general.quantization_version", 2);
	kg_gguf_put_u32(w, "llama.vocab_size", 259);
	kg_gguf_put_u32(w, "llama.rope.dimension_count", 6);
	kg_gguf_put_float(w, "llama.rope.freq_base", 100000.0f);
}

static void test_import__a_model_like_smollm(void **state)
{
	static const recipe r = {.arch = "llama", .pre = "smollm", .more = smollm_keys};
	kg_model_config config = toy_config();
	const kg_tokenizer_rules *rules;
	uint32_t *ids = NULL;
	size_t count = 0;
	kg_model *want;
	kg_model *got;

	(void)state;
	config.tied = true;
	config.rope_theta = 100000.0f;
	want = toy_random(&config, 79);
	got = import(&r, want);
	check_same(want, got);
	assert_true(kg_model_get_config(got)->tied);
	rules = kg_tokenizer_get_rules(kg_model_tokenizer(got));
	assert_int_equal(rules->eos, 258);
	assert_false(rules->add_bos);
	assert_int_equal(kg_model_template(got, &count) == NULL, false);
	/* Digits are words of their own, so "12" is never made. */
	assert_int_equal(
		kg_tokenizer_encode(kg_model_tokenizer(got), "12aa", 4, true, &ids, &count), KG_OK);
	assert_int_equal(count, 4);
	assert_memory_equal(ids, ((uint32_t[]){258, '1', '2', 257}), 4 * sizeof(*ids));
	free(ids);
	kg_model_free(got);
	kg_model_free(want);
}

static void refused(const recipe *r, const kg_model *m, kg_err code, const char *because)
{
	kg_buf file = file_of(r, m);
	kg_model *out = NULL;

	assert_int_equal(kg_import_gguf(&out, file.data, file.size, "name"), code);
	assert_null(out);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	kg_buf_release(&file);
}

static void yarn(kg_gguf_writer *w)
{
	kg_gguf_put_string(w, "llama.rope.scaling.type", "yarn", 4);
}

static void experts(kg_gguf_writer *w)
{
	kg_gguf_put_u32(w, "llama.expert_count", 8);
}

static void part_turned(kg_gguf_writer *w)
{
	kg_gguf_put_u32(w, "llama.rope.dimension_count", 4);
}

static void other_values(kg_gguf_writer *w)
{
	kg_gguf_put_u32(w, "llama.attention.value_length", 8);
}

static void unknown_key(kg_gguf_writer *w)
{
	kg_gguf_put_float(w, "llama.attention.scale", 0.5f);
}

static void own_file(kg_gguf_writer *w)
{
	kg_gguf_put_u32(w, "kindergarten.format_version", 1);
}

static void split_model(kg_gguf_writer *w)
{
	kg_gguf_put_u32(w, "split.count", 3);
}

static void stranger(kg_gguf_writer *w)
{
	static const float bias[24];
	static const uint64_t dims[1] = {24};

	kg_gguf_put_tensor(w, "blk.0.attn_output.bias", KG_GGML_F32, dims, 1, bias);
}

static void test_import__what_is_not_done_is_named(void **state)
{
	static const struct {
		recipe r;
		const char *because;
	} cases[] = {
		{{.arch = "gemma"}, "\"gemma\""},
		{{.arch = "llama", .more = yarn}, "\"yarn\""},
		{{.arch = "llama", .more = experts}, "experts"},
		{{.arch = "llama", .more = part_turned}, "4 are turned"},
		{{.arch = "llama", .more = other_values}, "values of 8"},
		{{.arch = "llama", .more = unknown_key}, "llama.attention.scale"},
		{{.arch = "llama", .more = own_file}, ".fairy"},
		{{.arch = "llama", .more = split_model}, "one of 3 files"},
		{{.arch = "llama", .more = stranger}, "blk.0.attn_output.bias"},
	};
	kg_model *m = some_model(false, false, false, false);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(&cases[i].r, m, KG_EINVAL, cases[i].because);
	refused(&(recipe){.arch = "llama", .pre = "deepseek-llm"}, m, KG_EINVAL,
		"pre-tokenizer \"deepseek-llm\" is not known");
	kg_model_free(m);
}

static void test_import__hostile_files_are_refused(void **state)
{
	kg_model *m = some_model(false, true, false, true);
	kg_model_config shown = *kg_model_get_config(m);
	recipe r = {.arch = "llama", .shown = &shown};
	const char *const needed[] = {"blk.1.attn_k.bias", "blk.0.ffn_up.weight",
				      "output_norm.weight", "token_embd.weight"};

	(void)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		recipe without = {.arch = "llama", .left_out = needed[i]};

		refused(&without, m, KG_ECORRUPT, needed[i]);
	}
	shown.hidden++;
	refused(&r, m, KG_ECORRUPT, "ffn_gate.weight is 36 x 24");
	shown = *kg_model_get_config(m);
	shown.layers = KG_MODEL_LAYERS_MAX;
	shown.hidden = KG_MODEL_HIDDEN_MAX;
	refused(&r, m, KG_ECORRUPT, "smaller than its keys say");
	shown.layers = 0;
	refused(&r, m, KG_EINVAL, "layers is 0");
	shown = *kg_model_get_config(m);
	shown.heads = 0;
	refused(&r, m, KG_EINVAL, "heads is 0");
	shown = *kg_model_get_config(m);
	kg_model_floats(m, KG_TENSOR_ROPE_FACTORS, 0)[1] = 0.0f;
	refused(&plain, m, KG_ECORRUPT, "factor 1");
	kg_model_floats(m, KG_TENSOR_ROPE_FACTORS, 0)[1] = 1.0f;
	kg_model_floats(m, KG_TENSOR_FFN_DOWN, 1)[7] = (float)NAN;
	refused(&plain, m, KG_ECORRUPT, "weight 7 of blk.1.ffn_down.weight is not finite");
	kg_model_free(m);
}

static void test_import__no_part_of_a_file_is_a_model(void **state)
{
	kg_model *m = tiny_model(false);
	kg_buf file;
	kg_model *out = NULL;

	(void)state;
	tiny_fill(m, 3);
	file = file_of(&plain, m);
	for (size_t size = 0; size < file.size; size++) {
		uint8_t *part = malloc(size + 1);

		assert_non_null(part);
		memcpy(part, file.data, size);
		assert_int_equal(kg_import_gguf(&out, part, size, "part"), KG_ECORRUPT);
		assert_null(out);
		free(part);
	}
	assert_int_equal(kg_import_gguf(&out, file.data, file.size, "whole"), KG_OK);
	kg_model_free(out);
	kg_model_free(m);
	kg_buf_release(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import__every_architecture_is_the_same_model),
		cmocka_unit_test(test_import__blocks_become_floats),
		cmocka_unit_test(test_import__rotations_and_windows_are_taken),
		cmocka_unit_test(test_import__a_model_like_smollm),
		cmocka_unit_test(test_import__what_is_not_done_is_named),
		cmocka_unit_test(test_import__hostile_files_are_refused),
		cmocka_unit_test(test_import__no_part_of_a_file_is_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
