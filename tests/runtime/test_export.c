/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/half.h"
#include "runtime/train/export.h"
#include "tests/runtime/train_tiny.h"

static const kg_tensor *find(const kg_model *m, const char *name)
{
	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++)
		if (strcmp(kg_model_tensor_at(m, i)->name, name) == 0)
			return kg_model_tensor_at(m, i);
	fail_msg("%s is missing", name);
	return NULL;
}

/* Every latent is in the file: matrices rounded to half floats, gains as they are. */
static void test_export__the_file_holds_the_latents(void **state)
{
	kg_train_config config = tiny();
	kg_train *train = open_tiny(&config);
	char path[] = "/tmp/kg-export-XXXXXX";
	kg_model *m = NULL;
	int fd = mkstemp(path);
	double loss;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(kg_train_step(train, &loss), KG_OK);
	assert_int_equal(kg_train_export_fairy(train, path, "pupil"), KG_OK);
	assert_int_equal(kg_model_open(&m, path), KG_OK);
	assert_string_equal(kg_model_name(m), "pupil");
	assert_int_equal(kg_model_strategy(m).linear, KG_FORMAT_F16);
	assert_int_equal(kg_model_get_config(m)->kv_heads, 2);
	assert_int_equal(kg_model_get_config(m)->head_dim, 4);
	assert_string_equal(kg_model_get_prompt(m)->prefix, "Q: ");
	assert_string_equal(kg_model_get_prompt(m)->suffix, " A:");
	assert_string_equal(kg_model_get_prompt(m)->stop, "\n");
	assert_int_equal(kg_tokenizer_count(kg_model_tokenizer(m)), KG_TRAIN_VOCABULARY);
	assert_int_equal(kg_model_tensor_count(m), kg_train_tensor_count(train));
	for (uint32_t i = 0; i < kg_train_tensor_count(train); i++) {
		kg_train_tensor from = kg_train_tensor_at(train, i);
		const kg_tensor *to = find(m, from.name);
		size_t n = (size_t)from.rows * from.cols;

		assert_int_equal(to->rows, from.rows);
		assert_int_equal(to->cols, from.cols);
		assert_int_equal(kg_tensor_role_is_linear(to->role), from.quantized);
		if (to->format == KG_FORMAT_F32) {
			assert_memory_equal(to->data, from.data, n * sizeof(float));
			continue;
		}
		for (size_t k = 0; k < n; k++)
			assert_int_equal(((const uint16_t *)to->data)[k],
					 kg_half_from_float(from.data[k]));
	}
	kg_model_free(m);
	kg_train_free(train);
	unlink(path);
}

static void test_export__a_place_that_is_none_is_told(void **state)
{
	kg_train_config config = tiny();
	kg_train *train = open_tiny(&config);

	(void)state;
	assert_int_equal(kg_train_export_fairy(train, "/nonexistent/a.fairy", NULL), KG_ENOTFOUND);
	assert_int_equal(kg_train_export_fairy(train, "/tmp/x.fairy", "a\nb"), KG_EINVAL);
	kg_train_free(train);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_export__the_file_holds_the_latents),
		cmocka_unit_test(test_export__a_place_that_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
