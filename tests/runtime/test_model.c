/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/half.h"
#include "runtime/model.h"
#include "tests/runtime/tiny.h"

static const kg_format file_formats[] = {
	KG_FORMAT_F32,     KG_FORMAT_F16,      KG_FORMAT_INT8,      KG_FORMAT_FAIRY1,
	KG_FORMAT_FAIRY2,  KG_FORMAT_FAIRY3,   KG_FORMAT_INT4,      KG_FORMAT_INT2,
	KG_FORMAT_TERNARY, KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE16, KG_FORMAT_PALETTE256};

enum { FORMATS = sizeof(file_formats) / sizeof(file_formats[0]) };

static const uint8_t some_seed[KG_SEED_SIZE] = {1, 2, 3, 250, 251, 252};

/* The worked block of docs/model-format.md, quantized by hand there. */
static const float worked_matrix[16] = {4.75f, -5.25f, 3,     0,      0,     2,      -7.75f, 3.25f,
					3,     0,      4.75f, -1.25f, 1.75f, -3.25f, 0,      -2};

static const uint8_t worked_two_stages[KG_LINE_SIZE] = {0xc0, 0x05, 0, 0, 0xfc, 0x39};
static const uint8_t worked_one_stage[KG_LINE_SIZE] = {0x08, 0x03, 0, 0, 0x0e, 0x05};

static uint8_t *worked_file(kg_format linear, size_t *size)
{
	kg_model *model = tiny_model(true);
	uint8_t *file;

	tiny_fill(model, 1);
	memcpy(kg_model_floats(model, KG_TENSOR_ATTN_Q, 0), worked_matrix, sizeof(worked_matrix));
	file = tiny_file(model, linear, NULL, size);
	kg_model_free(model);
	return file;
}

static void test_model__the_worked_block_has_its_bytes(void **state)
{
	size_t size;
	uint8_t *file = worked_file(KG_FORMAT_FAIRY2, &size);
	float back[16];
	kg_model *m = NULL;
	const kg_tensor *t;

	(void)state;
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_OK);
	t = kg_model_tensor(m, KG_TENSOR_ATTN_Q, 0);
	assert_memory_equal(t->line[0], worked_two_stages, sizeof(worked_two_stages));
	assert_true(t->line[0] > file && t->line[0] < file + size);
	assert_int_equal(t->fairy.plane[0].u0, 32);
	assert_int_equal(t->fairy.plane[0].u1, 6);
	assert_int_equal(t->fairy.plane[0].w0, 20);
	assert_int_equal(t->fairy.plane[0].w1, 4);
	assert_true(t->fairy.plane[0].unit == 0.125f);
	assert_int_equal(kg_model_tensor_floats(m, t, back), KG_OK);
	for (int k = 0; k < 16; k++)
		assert_true(back[k] == worked_matrix[k]);
	kg_model_free(m);
	free(file);
}

static void test_model__a_single_stage_is_packed_tighter(void **state)
{
	static const float scales[5] = {32, 0, 20, 0, 0.125f};
	size_t size;
	uint8_t *file = worked_file(KG_FORMAT_FAIRY1, &size);
	kg_model *m = NULL;
	const kg_tensor *t;

	(void)state;
	assert_non_null(memmem(file, size, scales, sizeof(scales)));
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_OK);
	t = kg_model_tensor(m, KG_TENSOR_ATTN_Q, 0);
	assert_memory_equal(t->line[0], worked_one_stage, sizeof(worked_one_stage));
	assert_int_equal(t->fairy.plane[0].u0, 32);
	assert_int_equal(t->fairy.plane[0].u1, 0);
	kg_model_free(m);
	free(file);
}

static void test_model__the_document_shows_the_worked_block(void **state)
{
	const char *root = getenv("KG_SOURCE_DIR");
	char path[KG_PATH_SIZE];
	kg_buf text;

	(void)state;
	assert_non_null(root);
	assert_int_equal(kg_path(path, "%s/docs/model-format.md", root), KG_OK);
	kg_buf_init(&text, 1 << 20);
	assert_int_equal(kg_fs_read(&text, path), KG_OK);
	assert_non_null(strstr(kg_buf_text(&text), "`c0 05 00 00`, `fc 39 00 00`"));
	assert_non_null(strstr(kg_buf_text(&text), "`08 03 00 00`,\n`0e 05 00 00`"));
	/* Rows that test_coded.c checks. */
	assert_non_null(strstr(kg_buf_text(&text), "`c0 f9 0a 06`"));
	assert_non_null(strstr(kg_buf_text(&text), "`0b 0d 02 00`"));
	assert_non_null(strstr(kg_buf_text(&text), "`0a 09 00 01`"));
	assert_non_null(strstr(kg_buf_text(&text), "32, 6, 20, 4"));
	kg_buf_release(&text);
}

static void check_config(const kg_model *a, const kg_model *b)
{
	const kg_model_config *x = kg_model_get_config(a);
	const kg_model_config *y = kg_model_get_config(b);

	assert_int_equal(x->dim, y->dim);
	assert_int_equal(x->hidden, y->hidden);
	assert_int_equal(x->layers, y->layers);
	assert_int_equal(x->heads, y->heads);
	assert_int_equal(x->kv_heads, y->kv_heads);
	assert_int_equal(x->head_dim, y->head_dim);
	assert_int_equal(x->vocabulary, y->vocabulary);
	assert_int_equal(x->context, y->context);
	assert_true(x->rope_theta == y->rope_theta);
	assert_true(x->norm_eps == y->norm_eps);
	assert_int_equal(x->tied, y->tied);
	assert_string_equal(kg_model_name(a), kg_model_name(b));
	assert_string_equal(kg_model_get_prompt(a)->prefix, kg_model_get_prompt(b)->prefix);
	assert_string_equal(kg_model_get_prompt(a)->suffix, kg_model_get_prompt(b)->suffix);
	assert_string_equal(kg_model_get_prompt(a)->stop, kg_model_get_prompt(b)->stop);
}

static void check_tokenizer(const kg_tokenizer *a, const kg_tokenizer *b)
{
	assert_int_equal(kg_tokenizer_count(a), kg_tokenizer_count(b));
	assert_memory_equal(kg_tokenizer_get_rules(a), kg_tokenizer_get_rules(b),
			    offsetof(kg_tokenizer_rules, add_space_prefix) + 1);
	for (uint32_t id = 0; id < kg_tokenizer_count(a); id++) {
		size_t a_size;
		size_t b_size;
		const char *x = kg_tokenizer_piece(a, id, &a_size);
		const char *y = kg_tokenizer_piece(b, id, &b_size);

		assert_int_equal(a_size, b_size);
		assert_memory_equal(x, y, a_size);
		assert_true(kg_tokenizer_score(a, id) == kg_tokenizer_score(b, id));
		assert_int_equal(kg_tokenizer_kind(a, id), kg_tokenizer_kind(b, id));
	}
}

/* What the definitions in format.h, half.h and fairy.h make of one tensor. */
static void expected_floats(const kg_tensor *t, const float *from, kg_format format,
			    const uint8_t *seed, float *out)
{
	float residual[64];
	float paired[64];
	uint8_t code[2][16];
	uint64_t storage[16];
	kg_pairing pairing;
	kg_fairy q = {.plane = {{.code = code[0]}, {.code = code[1]}}};
	int8_t row[4];
	float scale;

	if (format == KG_FORMAT_F32) {
		memcpy(out, from, (size_t)t->rows * t->cols * sizeof(*out));
	} else if (format == KG_FORMAT_F16) {
		for (size_t k = 0; k < (size_t)t->rows * t->cols; k++)
			out[k] = kg_half_to_float(kg_half_from_float(from[k]));
	} else if (format == KG_FORMAT_INT8) {
		for (size_t i = 0; i < t->rows; i++) {
			assert_int_equal(
				kg_grid_quantize(row, &scale, from + i * t->cols, t->cols, 127),
				KG_OK);
			for (size_t j = 0; j < t->cols; j++)
				out[i * t->cols + j] = scale * (float)row[j];
		}
	} else if (kg_format_is_coded(format)) {
		uint64_t room[256];
		kg_coded coded;

		assert_true(kg_coded_size(format, t->rows, t->cols) <= sizeof(room));
		kg_coded_init(&coded, room, format, t->rows, t->cols);
		assert_int_equal(kg_coded_quantize(&coded, from), KG_OK);
		kg_coded_dequantize(out, &coded);
	} else {
		assert_true(kg_pairing_size(t->rows, t->cols) <= sizeof(storage));
		kg_pairing_init(&pairing, storage, t->rows, t->cols, seed, t->name);
		kg_pairing_apply(&pairing, paired, from);
		assert_int_equal(kg_fairy_quantize(&q, paired, t->rows, t->cols,
						   kg_format_stages(format), residual),
				 KG_OK);
		kg_fairy_dequantize(residual, &q);
		kg_pairing_undo(&pairing, out, residual);
	}
}

static void check_form(bool tied, kg_format format, const uint8_t *seed)
{
	kg_model *base = tiny_model(tied);
	kg_model *m = NULL;
	uint8_t *file;
	size_t size;
	size_t bytes_size;

	tiny_fill(base, 5);
	file = tiny_file(base, format, seed, &size);
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_OK);
	check_config(base, m);
	check_tokenizer(kg_model_tokenizer(base), kg_model_tokenizer(m));
	assert_int_equal(kg_model_strategy(m).linear, format);
	assert_ptr_equal(kg_model_bytes(m, &bytes_size), file);
	assert_int_equal(bytes_size, size);
	assert_int_equal(kg_model_parameters(m), kg_model_parameters(base));
	assert_int_equal(kg_model_tensor_count(m), tied ? 11 : 12);
	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++) {
		const kg_tensor *from = kg_model_tensor_at(base, i);
		const kg_tensor *to = kg_model_tensor_at(m, i);
		kg_format wanted = kg_tensor_role_format(to->role, kg_strategy_of(format));
		float expected[64];
		float got[64];
		size_t n = (size_t)to->rows * to->cols;

		assert_string_equal(from->name, to->name);
		assert_int_equal(to->format, wanted);
		expected_floats(from, from->data, wanted, seed, expected);
		assert_int_equal(kg_model_tensor_floats(m, to, got), KG_OK);
		for (size_t k = 0; k < n; k++)
			assert_true(expected[k] == got[k]);
	}
	kg_model_free(m);
	kg_model_free(base);
	free(file);
}

static void test_model__every_form_is_what_its_definition_says(void **state)
{
	(void)state;
	for (int f = 0; f < FORMATS; f++) {
		check_form(true, file_formats[f], NULL);
		check_form(false, file_formats[f], NULL);
		check_form(true, file_formats[f], some_seed);
	}
}

static void test_model__genome_keys_come_back(void **state)
{
	static const uint8_t digest[KG_DIGEST_SIZE_MODEL] = {9, 8, 7};
	kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_FAIRY2),
			      .seed = some_seed,
			      .base_digest = digest};
	kg_model *base = tiny_model(true);
	kg_model *m = NULL;
	uint8_t *file;
	kg_buf buf;

	(void)state;
	tiny_fill(base, 2);
	kg_buf_init(&buf, 1 << 20);
	assert_int_equal(kg_model_encode(base, &buf, &form), KG_OK);
	file = tiny_aligned(buf.data, buf.size);
	assert_int_equal(kg_model_open_memory(&m, file, buf.size), KG_OK);
	assert_memory_equal(kg_model_seed(m), some_seed, sizeof(some_seed));
	assert_memory_equal(kg_model_base_digest(m), digest, sizeof(digest));
	assert_null(kg_model_seed(base));
	assert_null(kg_model_base_digest(base));
	/* What is already quantized cannot be quantized again. */
	assert_int_equal(kg_model_encode(m, &buf, &form), KG_EINVAL);
	kg_model_free(m);
	kg_model_free(base);
	kg_buf_release(&buf);
	free(file);
}

static void test_model__a_template_of_conversations_comes_back(void **state)
{
	kg_model *model = tiny_model(true);
	kg_model *back = NULL;
	const char *text;
	size_t size;
	uint8_t *file;

	(void)state;
	tiny_fill(model, 1);
	assert_null(kg_model_template(model, &size));
	assert_int_equal(kg_model_set_template(model, "a\0b", 3), KG_OK);
	assert_null(kg_model_template(model, &size));
	assert_int_equal(kg_model_set_template(model, "first", 5), KG_OK);
	assert_int_equal(kg_model_set_template(model, "{% a %}", 7), KG_OK);
	file = tiny_file(model, KG_FORMAT_FAIRY2, NULL, &size);
	kg_model_free(model);
	assert_int_equal(kg_model_open_memory(&back, file, size), KG_OK);
	text = kg_model_template(back, &size);
	assert_int_equal(size, 7);
	assert_memory_equal(text, "{% a %}", 7);
	kg_model_free(back);
	free(file);
}

static void test_model__files_are_written_and_mapped(void **state)
{
	kg_model_form form = {.strategy = kg_strategy_of(KG_FORMAT_F16)};
	char path[] = "/tmp/kg-model-XXXXXX";
	kg_model *base = tiny_model(false);
	kg_model *m = NULL;
	int fd = mkstemp(path);
	kg_buf direct;
	const uint8_t *bytes;
	size_t size;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	tiny_fill(base, 3);
	kg_buf_init(&direct, 1 << 20);
	assert_int_equal(kg_model_encode(base, &direct, &form), KG_OK);
	assert_int_equal(kg_model_save(base, path, &form), KG_OK);
	assert_int_equal(kg_model_open(&m, path), KG_OK);
	bytes = kg_model_bytes(m, &size);
	assert_int_equal(size, direct.size);
	assert_memory_equal(bytes, direct.data, size);
	kg_model_free(m);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(kg_model_open(&m, path), KG_ENOTFOUND);
	kg_model_free(base);
	kg_buf_release(&direct);
}

static void test_model__what_files_do_not_hold_is_refused(void **state)
{
	kg_model_form half = {.strategy = kg_strategy_of(KG_FORMAT_F16)};
	kg_model *base = tiny_model(true);
	kg_buf buf;

	(void)state;
	kg_buf_init(&buf, 1 << 20);
	kg_model_floats(base, KG_TENSOR_FFN_UP, 0)[3] = 70000.0f;
	assert_int_equal(kg_model_encode(base, &buf, &half), KG_EINVAL);
	kg_model_floats(base, KG_TENSOR_FFN_UP, 0)[3] = NAN;
	for (int f = 0; f < FORMATS; f++) {
		kg_model_form form = {.strategy = kg_strategy_of(file_formats[f])};

		assert_int_equal(kg_model_encode(base, &buf, &form), KG_EINVAL);
	}
	kg_model_free(base);
	kg_buf_release(&buf);
}

static void test_model__no_part_of_a_file_is_a_model(void **state)
{
	kg_model *base = tiny_model(false);

	(void)state;
	tiny_fill(base, 4);
	for (int f = 0; f < FORMATS; f++) {
		size_t size;
		uint8_t *file = tiny_file(base, file_formats[f], some_seed, &size);

		for (size_t cut = 0; cut < size; cut++) {
			uint8_t *part = tiny_aligned(file, cut);
			kg_model *m = NULL;

			assert_int_equal(kg_model_open_memory(&m, part, cut), KG_ECORRUPT);
			free(part);
		}
		free(file);
	}
	kg_model_free(base);
}

/* Overwrites the value behind a key; `skip` is what stands between (type, length). */
static void refused_at(kg_format format, const char *text, size_t skip, const void *value,
		       size_t value_size, const char *because)
{
	kg_model *base = tiny_model(false);
	kg_model *m = NULL;
	uint8_t *file;
	uint8_t *at;
	size_t size;

	tiny_fill(base, 6);
	file = tiny_file(base, format, some_seed, &size);
	at = memmem(file, size, text, strlen(text));
	assert_non_null(at);
	memcpy(at + strlen(text) + skip, value, value_size);
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_ECORRUPT);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	kg_model_free(base);
	free(file);
}

static void refused_number(const char *key, uint32_t value, const char *because)
{
	refused_at(KG_FORMAT_F32, key, 4, &value, sizeof(value), because);
}

static void test_model__hostile_configs_are_refused(void **state)
{
	static const char *const keys[] = {
		"llama.embedding_length",
		"llama.feed_forward_length",
		"llama.block_count",
		"llama.attention.head_count",
		"llama.attention.head_count_kv",
		"llama.rope.dimension_count",
		"llama.vocab_size",
	};
	static const float bad[] = {NAN, INFINITY, -1.0f};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		refused_number(keys[i], 0, "");
		refused_number(keys[i], UINT32_MAX, "");
		refused_number(keys[i], 1u << 31, "");
		refused_number(keys[i], 8, "");
	}
	refused_number("llama.context_length", 0, "context");
	refused_number("llama.context_length", KG_MODEL_CONTEXT_MAX + 1, "context");
	refused_number("kindergarten.format_version", 0, "version 0");
	refused_number("kindergarten.format_version", 3, "version 3");
	refused_number("tokenizer.ggml.bos_token_id", TINY_VOCABULARY, "bos");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused_at(KG_FORMAT_F32, "llama.rope.freq_base", 4, &bad[i], 4, "");
		refused_at(KG_FORMAT_F32, "llama.attention.layer_norm_rms_epsilon", 4, &bad[i], 4,
			   "");
	}
	refused_at(KG_FORMAT_F32, "general.architecture", 12, "lamma", 5, "lamma");
	refused_at(KG_FORMAT_F32, "general.architectur", 0, "f", 1, "general.architecture");
	refused_at(KG_FORMAT_F32, "kindergarten.strateg", 0, "i", 1, "kindergarten.strategy");
	refused_at(KG_FORMAT_F32, "kindergarten.strategy", 12, "f16", 3, "type 0, expected 1");
	refused_at(KG_FORMAT_INT8, "kindergarten.strategy", 12, "int4", 4, "expected 1");
	refused_at(KG_FORMAT_FAIRY2, "kindergarten.strategy", 12, "fairy1", 6, "");
	refused_at(KG_FORMAT_FAIRY2, "kindergarten.seed", 12, "G", 1, "hex");
	refused_at(KG_FORMAT_F32, "general.name", 12, "\n", 1, "general.name");
	refused_at(KG_FORMAT_F32, "blk.0.attn_q.weigh", 0, "x", 1,
		   "blk.0.attn_q.weight is missing");
	refused_at(KG_FORMAT_INT8, "blk.0.attn_q.weight.scale", 0, "x", 1, "scales is missing");
	refused_at(KG_FORMAT_F32, "output.weigh", 0, "x", 1, "");
}

static void test_model__floats_of_version_1_are_read_and_narrow_weights_are_not(void **state)
{
	kg_model *base = tiny_model(false);
	uint8_t *file;
	size_t size;

	(void)state;
	tiny_fill(base, 6);
	for (int f = 0; f < FORMATS; f++) {
		const char *key = "kindergarten.format_version";
		kg_model *m = NULL;
		uint8_t *at;

		file = tiny_file(base, file_formats[f], some_seed, &size);
		at = memmem(file, size, key, strlen(key));
		assert_non_null(at);
		at[strlen(key) + 4] = 1; /* behind the type */
		if (file_formats[f] == KG_FORMAT_F32 || file_formats[f] == KG_FORMAT_F16) {
			assert_int_equal(kg_model_open_memory(&m, file, size), KG_OK);
			kg_model_free(m);
		} else {
			assert_int_equal(kg_model_open_memory(&m, file, size), KG_ECORRUPT);
			assert_non_null(strstr(kg_err_text(), "quantize the base again"));
		}
		free(file);
	}
	kg_model_free(base);
}

/* Replaces the first occurrence of bytes by others and expects a refusal. */
static void refused_bytes(uint8_t *file, size_t size, const void *was, const void *now,
			  size_t length, const char *because)
{
	uint8_t *at = memmem(file, size, was, length);
	uint8_t *copy;
	kg_model *m = NULL;

	assert_non_null(at);
	copy = tiny_aligned(file, size);
	memcpy(copy + (at - file), now, length);
	assert_int_equal(kg_model_open_memory(&m, copy, size), KG_ECORRUPT);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	free(copy);
}

static void test_model__hostile_scales_are_refused(void **state)
{
	static const float two[5] = {32, 6, 20, 4, 0.125f};
	static const float one[5] = {32, 0, 20, 0, 0.125f};
	static const struct {
		float s[5];
		const char *because;
	} bad[] = {
		{{32.5f, 6, 20, 4, 0.125f}, "whole number"},
		{{-1, 6, 20, 4, 0.125f}, "whole number"},
		{{NAN, 6, 20, 4, 0.125f}, "whole number"},
		{{32, 65, 20, 4, 0.125f}, "whole number"},
		{{32, 6, 20, 7, 0.125f}, "sum"},
		{{0, 0, 0, 0, 0.125f}, "sum"},
		{{32, 6, 20, 4, 0}, "unit"},
		{{32, 6, 20, 4, -1}, "unit"},
		{{32, 6, 20, 4, INFINITY}, "unit"},
		{{32, 6, 20, 4, NAN}, "unit"},
	};
	static const float extra[5] = {32, 1, 20, 0, 0.125f};
	size_t size;
	uint8_t *file = worked_file(KG_FORMAT_FAIRY2, &size);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused_bytes(file, size, two, bad[i].s, sizeof(two), bad[i].because);
	free(file);
	file = worked_file(KG_FORMAT_FAIRY1, &size);
	refused_bytes(file, size, one, extra, sizeof(one), "does not have");
	free(file);
}

static void test_model__hostile_weights_are_refused(void **state)
{
	static const float nan = NAN;
	static const uint16_t half_infinity = 0x7c00;
	static const float minus = -1.0f;
	static const uint8_t padded[KG_LINE_SIZE] = {0xc0, 0x05, 0, 1, 0xfc, 0x39};
	uint16_t half = kg_half_from_float(4.75f);
	float scale = 7.75f / 127.0f;
	int8_t row[4];
	int8_t low[4];
	float row_scale;
	size_t size;
	uint8_t *file = worked_file(KG_FORMAT_F32, &size);

	(void)state;
	refused_bytes(file, size, &worked_matrix[1], &nan, sizeof(nan), "not finite");
	free(file);
	file = worked_file(KG_FORMAT_F16, &size);
	refused_bytes(file, size, &half, &half_infinity, sizeof(half), "not finite");
	free(file);
	file = worked_file(KG_FORMAT_INT8, &size);
	assert_int_equal(kg_grid_quantize(row, &row_scale, worked_matrix + 4, 4, 127), KG_OK);
	memcpy(low, row, sizeof(row));
	low[2] = -128;
	refused_bytes(file, size, row, low, sizeof(row), "-128");
	refused_bytes(file, size, &scale, &minus, sizeof(scale), "negative");
	refused_bytes(file, size, &scale, &nan, sizeof(scale), "not finite");
	free(file);
	file = worked_file(KG_FORMAT_FAIRY2, &size);
	refused_bytes(file, size, worked_two_stages, padded, sizeof(padded), "no weights");
	free(file);
}

static void use_if_opened(const uint8_t *file, size_t size)
{
	kg_model *m = NULL;
	float out[64];

	if (kg_model_open_memory(&m, file, size) != KG_OK)
		return;
	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++)
		assert_int_equal(kg_model_tensor_floats(m, kg_model_tensor_at(m, i), out), KG_OK);
	kg_model_free(m);
}

/* Whatever one byte becomes: refused, or a model that can be used. */
static void test_model__no_byte_is_trusted(void **state)
{
	static const kg_format formats[] = {KG_FORMAT_FAIRY3, KG_FORMAT_INT4, KG_FORMAT_TERNARY,
					    KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE256};
	static const uint8_t values[] = {0x00, 0x7f, 0xff};
	kg_model *base = tiny_model(true);

	(void)state;
	tiny_fill(base, 8);
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		size_t size;
		uint8_t *file = tiny_file(base, formats[f], some_seed, &size);

		for (size_t at = 0; at < size; at++) {
			uint8_t was = file[at];

			for (size_t v = 0; v < sizeof(values); v++) {
				file[at] = values[v];
				use_if_opened(file, size);
			}
			file[at] = was;
		}
		free(file);
	}
	kg_model_free(base);
}

static void test_model__configs_are_checked(void **state)
{
	const kg_model_config good = {.dim = 4,
				      .hidden = 4,
				      .layers = 1,
				      .heads = 1,
				      .kv_heads = 1,
				      .head_dim = 4,
				      .vocabulary = TINY_VOCABULARY,
				      .context = 16,
				      .rope_theta = 10000.0f};
	kg_model_config bad;

	(void)state;
	assert_int_equal(kg_model_config_check(&good), KG_OK);
	bad = good;
	bad.head_dim = 6;
	assert_int_equal(kg_model_config_check(&bad), KG_OK);
	bad.heads = 1024;
	bad.head_dim = 66;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = good;
	bad.kv_heads = 2;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = good;
	bad.dim = bad.head_dim = 3;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = good;
	bad.layers = KG_MODEL_LAYERS_MAX + 1;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad.layers = KG_MODEL_LAYERS_MAX;
	assert_int_equal(kg_model_config_check(&bad), KG_OK);
	bad.rope_theta = 0.5f;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
}

static void test_model__a_model_needs_its_own_tokenizer(void **state)
{
	kg_model *tiny = tiny_model(true);
	kg_model_config config = *kg_model_get_config(tiny);
	kg_tokenizer *bytes = NULL;
	kg_model *m = NULL;

	(void)state;
	assert_int_equal(kg_tokenizer_byte_model(&bytes), KG_OK);
	assert_int_equal(kg_model_new(&m, &config, "x", &bytes, NULL), KG_EINVAL);
	assert_null(bytes);
	assert_int_equal(kg_tokenizer_byte_model(&bytes), KG_OK);
	config.vocabulary = KG_TOKENIZER_BYTE_MODEL_COUNT;
	assert_int_equal(kg_model_new(&m, &config, "a\nb", &bytes, NULL), KG_EINVAL);
	assert_null(bytes);
	kg_model_free(tiny);
	kg_model_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model__the_worked_block_has_its_bytes),
		cmocka_unit_test(test_model__a_single_stage_is_packed_tighter),
		cmocka_unit_test(test_model__the_document_shows_the_worked_block),
		cmocka_unit_test(test_model__every_form_is_what_its_definition_says),
		cmocka_unit_test(test_model__genome_keys_come_back),
		cmocka_unit_test(test_model__a_template_of_conversations_comes_back),
		cmocka_unit_test(test_model__files_are_written_and_mapped),
		cmocka_unit_test(test_model__what_files_do_not_hold_is_refused),
		cmocka_unit_test(test_model__no_part_of_a_file_is_a_model),
		cmocka_unit_test(test_model__hostile_configs_are_refused),
		cmocka_unit_test(
			test_model__floats_of_version_1_are_read_and_narrow_weights_are_not),
		cmocka_unit_test(test_model__hostile_scales_are_refused),
		cmocka_unit_test(test_model__hostile_weights_are_refused),
		cmocka_unit_test(test_model__no_byte_is_trusted),
		cmocka_unit_test(test_model__configs_are_checked),
		cmocka_unit_test(test_model__a_model_needs_its_own_tokenizer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
