/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/nursery.h"

/* The program holds models/nursery.fairy as it was when it was built; without it, it says so. */
static void test_nursery__is_the_file_of_the_tree(void **state)
{
	const char *root = getenv("KG_SOURCE_DIR");
	char path[KG_PATH_SIZE];
	const uint8_t *data;
	kg_model *m = NULL;
	size_t size;
	kg_map map;

	(void)state;
	assert_non_null(root);
	assert_int_equal(kg_path(path, "%s/models/nursery.fairy", root), KG_OK);
	data = kg_nursery_bytes(&size);
	if (!kg_fs_exists(path)) {
		assert_null(data);
		assert_int_equal(kg_nursery_open(&m), KG_ENOTFOUND);
		return;
	}
	assert_non_null(data);
	assert_int_equal((uintptr_t)data % 64, 0);
	assert_int_equal(kg_map_open(&map, path), KG_OK);
	assert_int_equal(map.size, size);
	assert_memory_equal(map.data, data, size);
	kg_map_close(&map);
	assert_int_equal(kg_nursery_open(&m), KG_OK);
	assert_int_equal(kg_tokenizer_count(kg_model_tokenizer(m)), KG_TOKENIZER_BYTE_MODEL_COUNT);
	assert_non_null(kg_model_get_prompt(m)->prefix);
	assert_non_null(kg_model_get_prompt(m)->stop);
	kg_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nursery__is_the_file_of_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
