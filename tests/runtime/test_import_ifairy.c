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
#include "runtime/export_gguf.h"
#include "runtime/import_hf.h"
#include "runtime/session.h"
#include "tests/runtime/hf_files.h"

/* A folder as iFairy is published, of a small model, written here: latent weights in pairs of
 * tensors. */
enum {
	DIM = 6,
	HIDDEN = 5,
	LAYERS = 2,
	HEADS = 2,
	KV_HEADS = 1,
	HEAD_DIM = 3,
	VOCABULARY = 5,
};

static void add_pair(hf_folder *f, uint32_t layer, const char *name, uint32_t rows, uint32_t cols)
{
	static const char *const halves[] = {"real", "imag"};
	char text[80];

	for (int i = 0; i < 2; i++) {
		if (strcmp(name, "final_norm") == 0)
			(void)snprintf(text, sizeof(text), "%s.weight_%s", name, halves[i]);
		else
			(void)snprintf(text, sizeof(text), "layer.%u.%s.weight_%s", layer, name,
				       halves[i]);
		hf_add(f, text, rows, cols);
	}
}

static void add_all(hf_folder *f)
{
	hf_add(f, "token_embeddings_real.weight", VOCABULARY, DIM);
	hf_add(f, "token_embeddings_imag.weight", VOCABULARY, DIM);
	for (uint32_t l = 0; l < LAYERS; l++) {
		add_pair(f, l, "pre_layernorm", 0, DIM);
		add_pair(f, l, "self_attn.q_proj", HEADS * HEAD_DIM, DIM);
		add_pair(f, l, "self_attn.k_proj", KV_HEADS * HEAD_DIM, DIM);
		add_pair(f, l, "self_attn.v_proj", KV_HEADS * HEAD_DIM, DIM);
		add_pair(f, l, "self_attn.o_proj", DIM, HEADS * HEAD_DIM);
		add_pair(f, l, "self_attn.attn_layernorm", 0, DIM);
		add_pair(f, l, "post_layernorm", 0, DIM);
		add_pair(f, l, "mlp.gate_proj", HIDDEN, DIM);
		add_pair(f, l, "mlp.up_proj", HIDDEN, DIM);
		add_pair(f, l, "mlp.down_proj", DIM, HIDDEN);
		add_pair(f, l, "mlp.ffn_layernorm", 0, HIDDEN);
	}
	add_pair(f, 0, "final_norm", 0, DIM);
	hf_add(f, "lm_head.weight", VOCABULARY, 2 * DIM);
}

/* What a folder says of itself; `more` comes behind it, the last of two of a key being refused. */
static void put_config(const hf_folder *f, const char *more)
{
	char text[1024];

	assert_true(snprintf(text, sizeof(text),
			     "{\"model_type\":\"complexnet\",\"architectures\":[\"ComplexNetLM\"],"
			     "\"hidden_size\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":%d,"
			     "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
			     "\"vocab_size\":%d,\"max_position_embeddings\":32,"
			     "\"attention_dropout\":0.0,\"initializer_range\":0.02,"
			     "\"torch_dtype\":\"bfloat16\",\"use_cache\":true,"
			     "\"bos_token_id\":3,\"eos_token_id\":2%s}",
			     DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCABULARY,
			     more) < (int)sizeof(text));
	hf_put_text(f, "config.json", text);
}

static void folder_init(hf_folder *f)
{
	hf_init(f);
	add_all(f);
	hf_put_text(f, "tokenizer.json", hf_tokenizer);
	put_config(f, "");
	hf_put_shard(f, "model.safetensors", 0, 1, "BF16");
}

static kg_err import(kg_model **out, const hf_folder *f)
{
	*out = NULL;
	return kg_import_hf(out, f->path, "specimen");
}

/* The code of a latent number by its angle, and the scales, by the words of the paper. */
static void check_matrix(hf_folder *f, const kg_model *m, kg_tensor_role role, uint32_t layer,
			 const char *name)
{
	const kg_tensor *t = kg_model_tensor(m, role, layer);
	char text[96];
	const float *re;
	const float *im;
	double sum[2] = {0.0, 0.0};
	int count[2] = {0, 0};

	(void)snprintf(text, sizeof(text), "layer.%u.%s.weight_real", layer, name);
	re = hf_find(f, text)->data;
	(void)snprintf(text, sizeof(text), "layer.%u.%s.weight_imag", layer, name);
	im = hf_find(f, text)->data;
	assert_int_equal(t->format, KG_FORMAT_PHASE);
	for (uint32_t i = 0; i < t->rows; i++)
		for (uint32_t j = 0; j < t->cols; j++) {
			size_t at = (size_t)i * t->cols + j;
			double turns = atan2((double)im[at], (double)re[at]) / (M_PI / 4.0);
			int want = turns >= -1.0 && turns < 1.0    ? KG_CODE_PLUS_1
				   : turns >= 1.0 && turns < 3.0   ? KG_CODE_PLUS_I
				   : turns >= -3.0 && turns < -1.0 ? KG_CODE_MINUS_I
								   : KG_CODE_MINUS_1;

			assert_int_equal(kg_phase_get(&t->phase, i, j), want);
			sum[want / 2] += fabs((double)(want < 2 ? re[at] : im[at]));
			count[want / 2]++;
		}
	assert_true(fabs((double)t->phase.re - sum[0] / count[0]) < 1e-6);
	assert_true(fabs((double)t->phase.im - sum[1] / count[1]) < 1e-6);
}

static void check_pair(hf_folder *f, const kg_model *m, kg_tensor_role role, uint32_t layer,
		       const char *real, const char *imag)
{
	const kg_tensor *t = kg_model_tensor(m, role, layer);
	const hf_part *re = hf_find(f, real);
	const hf_part *im = hf_find(f, imag);
	const float *got = t->data;

	assert_int_equal(t->cols, 2 * re->cols);
	for (size_t i = 0; i < t->rows; i++)
		for (size_t j = 0; j < re->cols; j++) {
			assert_true(got[i * t->cols + j] == re->data[i * re->cols + j]);
			assert_true(got[i * t->cols + re->cols + j] == im->data[i * re->cols + j]);
		}
}

static void check_model(hf_folder *f, const kg_model *m)
{
	const kg_model_config *c = kg_model_get_config(m);
	const float *head = kg_model_tensor(m, KG_TENSOR_HEAD, 0)->data;

	assert_int_equal(c->architecture, KG_ARCHITECTURE_IFAIRY);
	assert_int_equal(c->dim, DIM);
	assert_int_equal(c->hidden, HIDDEN);
	assert_int_equal(c->layers, LAYERS);
	assert_int_equal(c->heads, HEADS);
	assert_int_equal(c->kv_heads, KV_HEADS);
	assert_int_equal(c->head_dim, HEAD_DIM);
	assert_int_equal(c->vocabulary, VOCABULARY);
	assert_int_equal(c->context, 32);
	assert_true(c->rope_theta == 10000.0f && c->norm_eps == 1e-5f);
	assert_false(c->tied);
	for (uint32_t l = 0; l < LAYERS; l++) {
		check_matrix(f, m, KG_TENSOR_ATTN_Q, l, "self_attn.q_proj");
		check_matrix(f, m, KG_TENSOR_ATTN_K, l, "self_attn.k_proj");
		check_matrix(f, m, KG_TENSOR_ATTN_V, l, "self_attn.v_proj");
		check_matrix(f, m, KG_TENSOR_ATTN_OUTPUT, l, "self_attn.o_proj");
		check_matrix(f, m, KG_TENSOR_FFN_GATE, l, "mlp.gate_proj");
		check_matrix(f, m, KG_TENSOR_FFN_UP, l, "mlp.up_proj");
		check_matrix(f, m, KG_TENSOR_FFN_DOWN, l, "mlp.down_proj");
	}
	check_pair(f, m, KG_TENSOR_ATTN_NORM, 1, "layer.1.pre_layernorm.weight_real",
		   "layer.1.pre_layernorm.weight_imag");
	check_pair(f, m, KG_TENSOR_ATTN_SUB_NORM, 1, "layer.1.self_attn.attn_layernorm.weight_real",
		   "layer.1.self_attn.attn_layernorm.weight_imag");
	check_pair(f, m, KG_TENSOR_FFN_NORM, 0, "layer.0.post_layernorm.weight_real",
		   "layer.0.post_layernorm.weight_imag");
	check_pair(f, m, KG_TENSOR_FFN_SUB_NORM, 0, "layer.0.mlp.ffn_layernorm.weight_real",
		   "layer.0.mlp.ffn_layernorm.weight_imag");
	check_pair(f, m, KG_TENSOR_OUTPUT_NORM, 0, "final_norm.weight_real",
		   "final_norm.weight_imag");
	check_pair(f, m, KG_TENSOR_EMBEDDING, 0, "token_embeddings_real.weight",
		   "token_embeddings_imag.weight");
	for (uint32_t k = 0; k < VOCABULARY * 2 * DIM; k++)
		assert_true(head[k] == hf_find(f, "lm_head.weight")->data[k]);
}

static void check_import(hf_folder *f)
{
	kg_model *m;

	assert_int_equal(import(&m, f), KG_OK);
	check_model(f, m);
	kg_model_free(m);
}

static void test_import_ifairy__one_file_of_any_type(void **state)
{
	hf_folder f;

	(void)state;
	folder_init(&f);
	check_import(&f);
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	check_import(&f);
	hf_put_shard(&f, "model.safetensors", 0, 1, "F16");
	check_import(&f);
	hf_release(&f);
}

static void test_import_ifairy__halves_may_lie_in_different_shards(void **state)
{
	kg_buf index;
	hf_folder f;

	(void)state;
	folder_init(&f);
	hf_remove(&f, "model.safetensors");
	hf_put_shard(&f, "one.safetensors", 0, 2, "BF16");
	hf_put_shard(&f, "two.safetensors", 1, 2, "F32");
	index = hf_index(&f, "one.safetensors", "two.safetensors");
	hf_put(&f, "model.safetensors.index.json", index.data, index.size);
	check_import(&f);
	/* Cut off anywhere, the index gives an error, not a model. */
	for (size_t size = 0; size < index.size; size++) {
		kg_model *m;

		hf_put(&f, "model.safetensors.index.json", index.data, size);
		assert_int_not_equal(import(&m, &f), KG_OK);
	}
	kg_buf_release(&index);
	hf_release(&f);
}

static void test_import_ifairy__the_file_of_it_thinks_the_same(void **state)
{
	kg_model_form form = {.strategy = kg_strategy_of_phase(KG_FORMAT_F32)};
	float logits[2][VOCABULARY];
	char path[KG_PATH_SIZE];
	kg_model *models[2];
	hf_folder f;

	(void)state;
	folder_init(&f);
	assert_int_equal(import(&models[0], &f), KG_OK);
	assert_int_equal(kg_path(path, "%s/one.safetensors", f.path), KG_OK);
	assert_int_equal(kg_model_save(models[0], path, &form), KG_OK);
	assert_int_equal(kg_model_open(&models[1], path), KG_OK);
	check_model(&f, models[1]);
	for (int i = 0; i < 2; i++) {
		kg_weights *weights;
		kg_session *session;

		assert_int_equal(kg_weights_new(&weights, models[i], NULL, NULL), KG_OK);
		assert_int_equal(kg_session_new(&session, weights, NULL), KG_OK);
		assert_int_equal(
			kg_session_feed(session, (const uint32_t[]){3, 0, 1}, 3, logits[i]), KG_OK);
		kg_session_free(session);
		kg_weights_free(weights);
		kg_model_free(models[i]);
	}
	assert_memory_equal(logits[0], logits[1], sizeof(logits[0]));
	hf_release(&f);
}

static void test_import_ifairy__what_it_cannot_be_is_said(void **state)
{
	static const kg_format others[] = {KG_FORMAT_F32, KG_FORMAT_INT8, KG_FORMAT_FAIRY2};
	kg_model *m;
	kg_buf out;
	hf_folder f;

	(void)state;
	folder_init(&f);
	assert_int_equal(import(&m, &f), KG_OK);
	kg_buf_init(&out, HF_FILE_MAX);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		kg_strategy strategy = kg_strategy_of(others[i]);
		kg_model_form form = {.strategy = strategy};
		kg_weights *weights;

		assert_int_equal(kg_model_encode(m, &out, &form), KG_EINVAL);
		assert_non_null(strstr(kg_err_text(), "phase"));
		assert_int_equal(kg_weights_new(&weights, m, &strategy, NULL), KG_EINVAL);
	}
	assert_int_equal(kg_export_gguf(m, KG_GGML_F16, &out), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "ifairy"));
	kg_buf_release(&out);
	kg_model_free(m);
	hf_release(&f);
}

static void test_import_ifairy__the_config_is_taken_as_it_says(void **state)
{
	kg_model *m;
	hf_folder f;

	(void)state;
	folder_init(&f);
	put_config(&f, ",\"hidden_act\":\"relu2\",\"rope_scaling\":null,\"attention_bias\":false,"
		       "\"tie_word_embeddings\":false,\"rope_theta\":500.0,\"rms_norm_eps\":1e-6,"
		       "\"attention_scale\":0.5,\"head_dim\":3");
	assert_int_equal(import(&m, &f), KG_OK);
	assert_true(kg_model_get_config(m)->rope_theta == 500.0f);
	assert_true(kg_model_get_config(m)->norm_eps == 1e-6f);
	assert_true(kg_model_get_config(m)->attention_scale == 0.5f);
	kg_model_free(m);
	hf_release(&f);
}

static void test_import_ifairy__what_would_compute_otherwise_is_refused_by_name(void **state)
{
	static const char *const unknown[][2] = {
		{",\"hidden_act\":\"silu\"", "silu"},
		{",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}", "rope_scaling"},
		{",\"attention_bias\":true", "attention_bias"},
		{",\"mlp_bias\":true", "mlp_bias"},
		{",\"tie_word_embeddings\":true", "tie_word_embeddings"},
		{",\"sliding_window\":16", "sliding_window"},
		{",\"quantization_config\":{}", "quantization_config"},
		{",\"head_dim\":6", "head_dim"},
		{",\"a_new_idea\":1", "a_new_idea"},
	};
	static const char *const wrong[][2] = {
		{",\"attention_scale\":-1.0", "attention_scale"},
		{",\"rms_norm_eps\":7.0", "rms_norm_eps"},
		{",\"rope_theta\":\"large\"", "rope_theta"},
		{",\"hidden_act\":2", "hidden_act"},
	};
	hf_folder f;

	(void)state;
	folder_init(&f);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		put_config(&f, unknown[i][0]);
		hf_assert_refused(&f, KG_EINVAL, unknown[i][1]);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		put_config(&f, wrong[i][0]);
		hf_assert_refused(&f, KG_ECORRUPT, wrong[i][1]);
	}
	hf_release(&f);
}

static void test_import_ifairy__tensors_have_to_be_there_and_no_others(void **state)
{
	hf_part *p;
	hf_folder f;

	(void)state;
	folder_init(&f);
	hf_add(&f, "layer.0.self_attn.q_proj.bias_real", 0, DIM);
	hf_put_shard(&f, "model.safetensors", 0, 1, "BF16");
	hf_assert_refused(&f, KG_EINVAL, "layer.0.self_attn.q_proj.bias_real");
	free(f.parts[--f.count].data);
	p = hf_find(&f, "layer.1.mlp.up_proj.weight_imag");
	p->name[0] = 'L';
	hf_put_shard(&f, "model.safetensors", 0, 1, "BF16");
	hf_assert_refused(&f, KG_ECORRUPT, "layer.1.mlp.up_proj.weight_imag");
	p->name[0] = 'l';
	p->rows = DIM;
	p->cols = HIDDEN;
	hf_put_shard(&f, "model.safetensors", 0, 1, "BF16");
	hf_assert_refused(&f, KG_ECORRUPT, "layer.1.mlp.up_proj.weight_imag");
	p->rows = HIDDEN;
	p->cols = DIM;
	p->data[1] = INFINITY;
	hf_put_shard(&f, "model.safetensors", 0, 1, "BF16");
	hf_assert_refused(&f, KG_ECORRUPT, "blk.1.ffn_up.weight");
	p->data[1] = 0.0f;
	hf_find(&f, "lm_head.weight")->data[0] = NAN;
	hf_put_shard(&f, "model.safetensors", 0, 1, "F32");
	hf_assert_refused(&f, KG_ECORRUPT, "output.weight");
	hf_release(&f);
}

static void test_import_ifairy__a_vocabulary_is_needed(void **state)
{
	hf_folder f;

	(void)state;
	folder_init(&f);
	hf_remove(&f, "tokenizer.json");
	hf_assert_refused(&f, KG_ENOTFOUND, "tokenizer.json");
	hf_release(&f);
}

/* Each file of the folder, cut off behind every byte. */
static void test_import_ifairy__files_cut_off_anywhere_are_refused(void **state)
{
	static const char *const names[] = {"config.json", "tokenizer.json", "model.safetensors"};
	hf_folder f;

	(void)state;
	folder_init(&f);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[KG_PATH_SIZE];
		kg_map map;
		uint8_t *whole;
		size_t size;

		assert_int_equal(kg_path(path, "%s/%s", f.path, names[i]), KG_OK);
		assert_int_equal(kg_map_open(&map, path), KG_OK);
		size = map.size;
		whole = malloc(size);
		assert_non_null(whole);
		memcpy(whole, map.data, size);
		kg_map_close(&map);
		for (size_t cut = 0; cut < size; cut++) {
			kg_model *m;

			hf_put(&f, names[i], whole, cut);
			assert_int_not_equal(import(&m, &f), KG_OK);
			assert_true(strlen(kg_err_text()) > 0);
		}
		hf_put(&f, names[i], whole, size);
		free(whole);
	}
	check_import(&f);
	hf_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import_ifairy__one_file_of_any_type),
		cmocka_unit_test(test_import_ifairy__halves_may_lie_in_different_shards),
		cmocka_unit_test(test_import_ifairy__the_file_of_it_thinks_the_same),
		cmocka_unit_test(test_import_ifairy__what_it_cannot_be_is_said),
		cmocka_unit_test(test_import_ifairy__the_config_is_taken_as_it_says),
		cmocka_unit_test(
			test_import_ifairy__what_would_compute_otherwise_is_refused_by_name),
		cmocka_unit_test(test_import_ifairy__tensors_have_to_be_there_and_no_others),
		cmocka_unit_test(test_import_ifairy__a_vocabulary_is_needed),
		cmocka_unit_test(test_import_ifairy__files_cut_off_anywhere_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
