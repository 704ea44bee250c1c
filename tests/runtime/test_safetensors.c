/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "runtime/safetensors.h"

/* A file of a header's text and `data_size` bytes 0, 1, 2, ... */
static kg_buf file_of(const char *header, size_t data_size)
{
	kg_buf file;

	kg_buf_init(&file, 1 << 23);
	kg_buf_put_u64le(&file, strlen(header));
	kg_buf_puts(&file, header);
	for (size_t i = 0; i < data_size; i++)
		kg_buf_put_u8(&file, (uint8_t)i);
	assert_int_equal(kg_buf_ok(&file), KG_OK);
	return file;
}

static const char good[] =
	"{\"__metadata__\":{\"format\":\"pt\"},"
	"\"b.weight\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
	"\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
	"\"c\":{\"dtype\":\"I64\",\"shape\":[0,5],\"data_offsets\":[16,16]},"
	"\"d\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[16,18]}} ";

static void test_open__finds_every_tensor(void **state)
{
	kg_buf file = file_of(good, 18);
	kg_safetensors *s = NULL;
	const kg_safetensor *t;

	(void)state;
	assert_int_equal(kg_safetensors_open(&s, file.data, file.size), KG_OK);
	assert_int_equal(kg_safetensors_count(s), 4);
	assert_string_equal(kg_safetensors_at(s, 0)->name, "a");
	t = kg_safetensors_get(s, "b.weight");
	assert_non_null(t);
	assert_int_equal(t->type, KG_GGML_F16);
	assert_string_equal(t->dtype, "F16");
	assert_int_equal(t->dims_count, 2);
	assert_int_equal(t->dims[0], 2);
	assert_int_equal(t->dims[1], 3);
	assert_int_equal(t->dims[2], 1);
	assert_int_equal(t->size, 12);
	assert_int_equal(t->data[0], 4);
	assert_ptr_equal(t->data, file.data + file.size - 14);
	t = kg_safetensors_get(s, "c");
	assert_int_equal(t->type, UINT32_MAX);
	assert_int_equal(t->size, 0);
	assert_int_equal(kg_safetensors_get(s, "d")->data[1], 17);
	assert_int_equal(kg_safetensors_get(s, "a")->dims_count, 0);
	assert_null(kg_safetensors_get(s, "__metadata__"));
	assert_null(kg_safetensors_get(s, "e"));
	kg_safetensors_free(s);
	kg_buf_release(&file);
}

static void test_open__no_part_of_a_file_is_one(void **state)
{
	kg_buf file = file_of(good, 18);

	(void)state;
	for (size_t size = 0; size < file.size; size++) {
		uint8_t *part = malloc(size + 1);
		kg_safetensors *s = NULL;

		assert_non_null(part);
		memcpy(part, file.data, size);
		assert_int_not_equal(kg_safetensors_open(&s, part, size), KG_OK);
		assert_null(s);
		assert_int_not_equal(kg_err_text()[0], '\0');
		free(part);
	}
	kg_buf_release(&file);
}

static void refused(const char *header, size_t data_size, kg_err code, const char *because)
{
	kg_buf file = file_of(header, data_size);
	kg_safetensors *s = NULL;

	assert_int_equal(kg_safetensors_open(&s, file.data, file.size), code);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	kg_buf_release(&file);
}

/* One tensor "t" of four bytes with these members. */
static void refused_member(const char *members, const char *because)
{
	char header[512];

	assert_true(snprintf(header, sizeof(header), "{\"t\":{%s}}", members) <
		    (int)sizeof(header));
	refused(header, 4, KG_ECORRUPT, because);
}

static void test_open__hostile_tensors_are_refused(void **state)
{
	(void)state;
	refused_member("", "dtype");
	refused_member("\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]", "unknown type");
	refused_member("\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]", "dtype");
	refused_member("\"dtype\":\"F32\",\"data_offsets\":[0,4]", "shape");
	refused_member("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]", "absurd");
	refused_member("\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]", "absurd");
	refused_member("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]",
		       "shape");
	refused_member("\"dtype\":\"F32\",\"shape\":[65536,65536],\"data_offsets\":[0,4]",
		       "absurd");
	refused_member("\"dtype\":\"F32\",\"shape\":[4294967297],\"data_offsets\":[0,4]", "absurd");
	refused_member("\"dtype\":\"F32\",\"shape\":[1]", "data_offsets");
	refused_member("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]", "offsets");
	refused_member("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]", "offsets");
	refused_member("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,\"4\"]", "offsets");
	refused_member("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,5]", "bytes are there");
	refused_member("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]", "lies at");
	refused_member("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]", "lies at");
	refused_member("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]",
		       "its shape says 8");
	refused_member("\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[2,4]", "gap");
	refused_member("\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]", "no tensor");
}

static void test_open__hostile_headers_are_refused(void **state)
{
	char name[KG_SAFETENSORS_NAME_MAX + 2];
	char header[KG_SAFETENSORS_NAME_MAX + 80];
	kg_buf file = file_of(good, 18);
	kg_safetensors *s = NULL;
	const uint64_t sizes[] = {KG_JSON_SIZE_MAX + 1, UINT64_MAX};

	(void)state;
	refused("[]", 0, KG_ECORRUPT, "no object");
	refused("{\"t\":3}", 0, KG_ECORRUPT, "no object");
	refused("{\"t\":", 0, KG_ECORRUPT, "JSON");
	refused("{\"a b\":{}}", 0, KG_ECORRUPT, "not printable");
	refused("{\"\":{}}", 0, KG_ECORRUPT, "0 bytes");
	refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
		"\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
		3, KG_ECORRUPT, "overlaps");
	refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
		"\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
		2, KG_ECORRUPT, "JSON");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_true(snprintf(header, sizeof(header), "{\"%s\":{}}", name) < (int)sizeof(header));
	refused(header, 0, KG_ECORRUPT, "a name of 257 bytes");
	for (size_t i = 0; i < 2; i++) {
		memcpy(file.data, &sizes[i], sizeof(sizes[i]));
		assert_int_equal(kg_safetensors_open(&s, file.data, file.size), KG_EFULL);
	}
	kg_buf_release(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open__finds_every_tensor),
		cmocka_unit_test(test_open__no_part_of_a_file_is_one),
		cmocka_unit_test(test_open__hostile_tensors_are_refused),
		cmocka_unit_test(test_open__hostile_headers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
