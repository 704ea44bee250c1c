/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/model.h"
#include "runtime/weights.h"
#include "tests/runtime/tiny.h"

static uint8_t *file_of(kg_format table, size_t *size)
{
	kg_model_form form = {.strategy = kg_strategy_of_phase(table)};
	kg_model *base = tiny_complex();
	uint8_t *file;
	kg_buf buf;

	tiny_fill(base, 3);
	kg_buf_init(&buf, 1 << 20);
	assert_int_equal(kg_model_encode(base, &buf, &form), KG_OK);
	file = tiny_aligned(buf.data, buf.size);
	*size = buf.size;
	kg_buf_release(&buf);
	kg_model_free(base);
	return file;
}

static void test_model_complex__what_is_written_comes_back(void **state)
{
	static const kg_format tables[] = {KG_FORMAT_F32, KG_FORMAT_F16, KG_FORMAT_INT8};

	(void)state;
	for (size_t f = 0; f < sizeof(tables) / sizeof(*tables); f++) {
		kg_model *base = tiny_complex();
		kg_strategy strategy;
		kg_model *m = NULL;
		size_t size;
		uint8_t *file = file_of(tables[f], &size);

		tiny_fill(base, 3);
		assert_int_equal(kg_model_open_memory(&m, file, size), KG_OK);
		strategy = kg_model_strategy(m);
		assert_int_equal(strategy.linear, KG_FORMAT_PHASE);
		assert_int_equal(strategy.table, tables[f]);
		assert_int_equal(kg_model_get_config(m)->architecture, KG_ARCHITECTURE_IFAIRY);
		assert_true(kg_model_get_config(m)->attention_scale == 0.25f);
		assert_int_equal(kg_model_tensor_count(m), kg_model_tensor_count(base));
		for (uint32_t i = 0; i < kg_model_tensor_count(m); i++) {
			const kg_tensor *want = kg_model_tensor_at(base, i);
			const kg_tensor *got = kg_model_tensor_at(m, i);

			assert_int_equal(got->rows, want->rows);
			assert_int_equal(got->cols, want->cols);
			if (want->format == KG_FORMAT_PHASE) {
				assert_true(got->phase.re == want->phase.re);
				assert_true(got->phase.im == want->phase.im);
				assert_memory_equal(got->phase.line, want->phase.line,
						    kg_phase_size(got->rows, got->cols));
				/* Used where the file is. */
				assert_in_range((uintptr_t)got->phase.line, (uintptr_t)file,
						(uintptr_t)file + size);
			} else if (got->format == KG_FORMAT_F32) {
				assert_memory_equal(got->data, want->data,
						    (size_t)want->rows * want->cols * 4);
			}
		}
		kg_model_free(m);
		kg_model_free(base);
		free(file);
	}
}

static void test_model_complex__counts_a_complex_weight_once(void **state)
{
	/* dim 5, hidden 3, one layer and head, 11 tokens. */
	const uint64_t matrices = 4 * 5 * 5 + 3 * 3 * 5;
	const uint64_t gains = 2 * (4 * 5 + 3);
	const uint64_t tables = 2 * 11 * 2 * 5;
	kg_model *m = tiny_complex();

	(void)state;
	assert_true(kg_model_parameters(m) == matrices + gains + tables);
	assert_true(kg_model_config_weights(kg_model_get_config(m)) == matrices + gains + tables);
	kg_model_free(m);
}

static void test_model_complex__no_part_of_a_file_is_a_model(void **state)
{
	size_t size;
	uint8_t *file = file_of(KG_FORMAT_INT8, &size);

	(void)state;
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *part = tiny_aligned(file, cut);
		kg_model *m = NULL;

		assert_int_equal(kg_model_open_memory(&m, part, cut), KG_ECORRUPT);
		assert_null(m);
		free(part);
	}
	free(file);
}

/* Whatever one byte becomes: refused, or a model that can be used. */
static void test_model_complex__no_byte_is_trusted(void **state)
{
	static const uint8_t values[] = {0x00, 0x7f, 0xff};
	size_t size;
	uint8_t *file = file_of(KG_FORMAT_INT8, &size);

	(void)state;
	for (size_t at = 0; at < size; at++) {
		uint8_t was = file[at];

		for (size_t v = 0; v < sizeof(values); v++) {
			kg_weights *weights = NULL;
			kg_model *m = NULL;

			file[at] = values[v];
			if (kg_model_open_memory(&m, file, size) != KG_OK)
				continue;
			assert_int_equal(kg_weights_new(&weights, m, NULL, NULL), KG_OK);
			kg_weights_free(weights);
			kg_model_free(m);
		}
		file[at] = was;
	}
	free(file);
}

/* Overwrites what lies `skip` bytes behind a text of the file. */
static void refused_at(const char *text, size_t skip, const void *value, size_t value_size,
		       const char *because)
{
	kg_model *m = NULL;
	size_t size;
	uint8_t *file = file_of(KG_FORMAT_F32, &size);
	uint8_t *at = memmem(file, size, text, strlen(text));

	assert_non_null(at);
	memcpy(at + strlen(text) + skip, value, value_size);
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_ECORRUPT);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	free(file);
}

static void test_model_complex__hostile_configs_are_refused(void **state)
{
	static const float bad[] = {NAN, INFINITY, -1.0f, 17.0f};
	const uint32_t odd = 6;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused_at("ifairy.attention.scale", 4, &bad[i], 4, "scale");
	refused_at("general.architecture", 12, "iferry", 6, "iferry");
	refused_at("ifairy.rope.dimension_count", 4, &odd, 4, "");
	refused_at("ifairy.embedding_lengt", 0, "x", 1, "ifairy.embedding_length");
	/* A name of the same length, and one that is for real matrices. */
	refused_at("mix:table=f32,*=", 0, "lapse", 5, "lapse");
	refused_at("mix:table=f32,*=", 0, "fairy", 5, "strategy");
	refused_at("blk.0.attn_sub_norm.weigh", 0, "x", 1, "blk.0.attn_sub_norm.weight");
	refused_at("blk.0.ffn_down.weight.scale", 0, "x", 1, "blk.0.ffn_down.weight.scales");
}

static void refused_bytes(const void *old, const void *new, size_t count, const char *because)
{
	kg_model *m = NULL;
	size_t size;
	uint8_t *file = file_of(KG_FORMAT_INT8, &size);
	uint8_t *at = memmem(file, size, old, count);

	assert_non_null(at);
	memcpy(at, new, count);
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_ECORRUPT);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	free(file);
}

static void test_model_complex__hostile_weights_are_refused(void **state)
{
	static const float bad[] = {NAN, INFINITY, -1.0f, 0.0f};
	kg_model *base = tiny_complex();
	const kg_phase *phase;
	uint8_t line[KG_PHASE_LINE_SIZE];
	float scales[2];

	(void)state;
	tiny_fill(base, 3);
	phase = &kg_model_tensor(base, KG_TENSOR_FFN_UP, 0)->phase;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const float old[2] = {phase->re, phase->im};

		scales[0] = bad[i];
		scales[1] = phase->im;
		refused_bytes(old, scales, sizeof(scales), "blk.0.ffn_up.weight: a scale");
		scales[0] = phase->re;
		scales[1] = bad[i];
		refused_bytes(old, scales, sizeof(scales), "blk.0.ffn_up.weight: a scale");
	}
	/* Of 3 x 5: a bit of the fourth row, of the sixth column. */
	memcpy(line, phase->line, sizeof(line));
	line[4 * 3] = 1;
	refused_bytes(phase->line, line, sizeof(line), "blk.0.ffn_up.weight: codes stand");
	memcpy(line, phase->line, sizeof(line));
	line[1] |= 1 << 1;
	refused_bytes(phase->line, line, sizeof(line), "blk.0.ffn_up.weight: codes stand");
	kg_model_free(base);
}

static void test_model_complex__what_is_quantized_stays(void **state)
{
	const kg_model_form half = {.strategy = kg_strategy_of_phase(KG_FORMAT_F16)};
	const kg_model_form real = {.strategy = kg_strategy_of(KG_FORMAT_F32)};
	const kg_model_form phase = {.strategy = kg_strategy_of(KG_FORMAT_PHASE)};
	kg_model *llama = tiny_model(true);
	kg_model *m = NULL;
	kg_buf out;
	size_t size;
	uint8_t *file = file_of(KG_FORMAT_F32, &size);

	(void)state;
	kg_buf_init(&out, 1 << 20);
	/* Tables of floats become what they would have become at once. */
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_OK);
	assert_int_equal(kg_model_encode(m, &out, &phase), KG_OK);
	kg_model_free(m);
	free(file);
	file = file_of(KG_FORMAT_INT8, &size);
	assert_int_equal(out.size, size);
	assert_memory_equal(out.data, file, size);
	/* Nothing becomes wider, real or complex. */
	assert_int_equal(kg_model_open_memory(&m, file, size), KG_OK);
	assert_int_equal(kg_model_encode(m, &out, &half), KG_EINVAL);
	assert_int_equal(kg_model_encode(m, &out, &real), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "phase"));
	assert_int_equal(kg_model_encode(llama, &out, &phase), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "llama"));
	kg_model_free(m);
	kg_model_free(llama);
	free(file);
	kg_buf_release(&out);
}

static void test_model_complex__configs_are_checked(void **state)
{
	kg_model *m = tiny_complex();
	const kg_model_config good = *kg_model_get_config(m);
	kg_model_config bad = good;

	(void)state;
	assert_int_equal(kg_model_config_check(&good), KG_OK);
	bad.tied = true;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = good;
	bad.qkv_bias = true;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = good;
	bad.qk_norm = true;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = good;
	bad.rope_factors = true;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = good;
	bad.head_dim = KG_MODEL_DIM_MAX / 2 + 1;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad = *kg_model_get_config(m);
	bad.architecture = KG_ARCHITECTURE_LLAMA;
	bad.head_dim = 4;
	assert_int_equal(kg_model_config_check(&bad), KG_EINVAL);
	bad.attention_scale = 0.0f;
	assert_int_equal(kg_model_config_check(&bad), KG_OK);
	kg_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model_complex__what_is_written_comes_back),
		cmocka_unit_test(test_model_complex__counts_a_complex_weight_once),
		cmocka_unit_test(test_model_complex__no_part_of_a_file_is_a_model),
		cmocka_unit_test(test_model_complex__no_byte_is_trusted),
		cmocka_unit_test(test_model_complex__hostile_configs_are_refused),
		cmocka_unit_test(test_model_complex__hostile_weights_are_refused),
		cmocka_unit_test(test_model_complex__what_is_quantized_stays),
		cmocka_unit_test(test_model_complex__configs_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
