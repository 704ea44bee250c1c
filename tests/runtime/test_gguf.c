/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/gguf.h"

/* Where things lie in a file of make_file(): the header, then the key general.alignment. */
enum {
	AT_VERSION = 4,
	AT_TENSORS = 8,
	AT_KEYS = 16,
	AT_KEY_SIZE = 24,
	AT_KEY = 32,
	AT_KEY_TYPE = 32 + 17,
	AT_ALIGNMENT = 32 + 17 + 4,
};

static const float numbers[6] = {1, 2, 3, 4, 5, 6};
static const int8_t codes[3] = {7, -8, 9};

static kg_buf make_file(void)
{
	static const uint64_t matrix[2] = {3, 2};
	static const uint64_t row[1] = {3};
	kg_gguf_writer w;
	kg_buf out;
	kg_buf words;

	kg_buf_init(&out, 1 << 20);
	kg_buf_init(&words, 1 << 20);
	kg_buf_put_u64le(&words, 2);
	kg_buf_puts(&words, "ab");
	kg_buf_put_u64le(&words, 0);
	kg_gguf_writer_init(&w, KG_GGUF_ALIGNMENT);
	kg_gguf_put_u32(&w, "n", 42);
	kg_gguf_put_float(&w, "f", 0.5f);
	kg_gguf_put_bool(&w, "b", true);
	kg_gguf_put_string(&w, "s", "hello", 5);
	kg_gguf_put_array(&w, "w", KG_GGUF_STRING, 2, words.data, words.size);
	kg_gguf_put_array(&w, "a", KG_GGUF_F32, 6, numbers, sizeof(numbers));
	kg_gguf_put_tensor(&w, "t.weight", KG_GGML_F32, matrix, 2, numbers);
	kg_gguf_put_tensor(&w, "c", KG_GGML_I8, row, 1, codes);
	assert_int_equal(kg_gguf_writer_finish(&w, &out), KG_OK);
	kg_gguf_writer_release(&w);
	kg_buf_release(&words);
	return out;
}

static void test_gguf__what_is_written_is_read(void **state)
{
	kg_buf file = make_file();
	const kg_gguf_tensor *t;
	kg_gguf_array array;
	const char *text;
	kg_gguf *g = NULL;
	uint32_t n = 0;
	float f = 0;
	bool b = false;
	size_t size;

	(void)state;
	assert_int_equal(kg_gguf_open(&g, file.data, file.size), KG_OK);
	assert_int_equal(kg_gguf_get_u32(g, "n", &n), KG_OK);
	assert_int_equal(n, 42);
	assert_int_equal(kg_gguf_get_u32(g, "general.alignment", &n), KG_OK);
	assert_int_equal(n, 64);
	assert_int_equal(kg_gguf_get_float(g, "f", &f), KG_OK);
	assert_true(f == 0.5f);
	assert_int_equal(kg_gguf_get_bool(g, "b", &b), KG_OK);
	assert_true(b);
	assert_int_equal(kg_gguf_get_string(g, "s", &text, &size), KG_OK);
	assert_int_equal(size, 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(kg_gguf_get_array(g, "w", KG_GGUF_STRING, &array), KG_OK);
	assert_int_equal(array.count, 2);
	kg_gguf_array_next(&array, &text, &size);
	assert_int_equal(size, 2);
	assert_memory_equal(text, "ab", 2);
	kg_gguf_array_next(&array, &text, &size);
	assert_int_equal(size, 0);
	assert_int_equal(kg_gguf_get_array(g, "a", KG_GGUF_F32, &array), KG_OK);
	assert_int_equal(array.size, sizeof(numbers));
	assert_memory_equal(array.data, numbers, sizeof(numbers));
	assert_int_equal(kg_gguf_tensor_count(g), 2);
	t = kg_gguf_tensor_get(g, "t.weight");
	assert_non_null(t);
	assert_int_equal(t->dims[0], 3);
	assert_int_equal(t->dims[1], 2);
	assert_int_equal((size_t)(t->data - file.data) % 64, 0);
	assert_memory_equal(t->data, numbers, sizeof(numbers));
	t = kg_gguf_tensor_get(g, "c");
	assert_non_null(t);
	assert_memory_equal(t->data, codes, sizeof(codes));
	assert_null(kg_gguf_tensor_get(g, "nothing"));
	kg_gguf_free(g);
	kg_buf_release(&file);
}

static void test_gguf__getters_tell_missing_from_wrong(void **state)
{
	kg_buf file = make_file();
	kg_gguf_array array;
	const char *text;
	kg_gguf *g = NULL;
	uint32_t n;
	float f;
	bool b;
	size_t size;

	(void)state;
	assert_int_equal(kg_gguf_open(&g, file.data, file.size), KG_OK);
	assert_int_equal(kg_gguf_get_u32(g, "x", &n), KG_ENOTFOUND);
	assert_int_equal(kg_gguf_get_u32(g, "s", &n), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_u32(g, "f", &n), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_u32(g, "a", &n), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_float(g, "n", &f), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_float(g, "x", &f), KG_ENOTFOUND);
	assert_int_equal(kg_gguf_get_bool(g, "n", &b), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_bool(g, "x", &b), KG_ENOTFOUND);
	assert_int_equal(kg_gguf_get_string(g, "n", &text, &size), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_string(g, "x", &text, &size), KG_ENOTFOUND);
	assert_int_equal(kg_gguf_get_array(g, "a", KG_GGUF_I32, &array), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_array(g, "n", KG_GGUF_U32, &array), KG_ECORRUPT);
	assert_int_equal(kg_gguf_get_array(g, "x", KG_GGUF_U32, &array), KG_ENOTFOUND);
	kg_gguf_free(g);
	kg_buf_release(&file);
}

/* Every cut in a block of its own, so that a sanitizer sees a read behind it. */
static void test_gguf__no_part_of_a_file_is_a_file(void **state)
{
	kg_buf file = make_file();

	(void)state;
	for (size_t cut = 0; cut < file.size; cut++) {
		uint8_t *part = malloc(cut + 1);
		kg_gguf *g = NULL;

		assert_non_null(part);
		memcpy(part, file.data, cut);
		assert_int_equal(kg_gguf_open(&g, part, cut), KG_ECORRUPT);
		free(part);
	}
	kg_buf_put(&file, "", 1);
	{
		kg_gguf *g = NULL;

		assert_int_equal(kg_gguf_open(&g, file.data, file.size), KG_ECORRUPT);
	}
	kg_buf_release(&file);
}

static void put_bytes(uint8_t *at, uint64_t value, size_t size)
{
	memcpy(at, &value, size);
}

/* Where the text lies in the file; it is there. */
static size_t find_text(const kg_buf *file, const char *text)
{
	const uint8_t *at = memmem(file->data, file->size, text, strlen(text));

	assert_non_null(at);
	return (size_t)(at - file->data);
}

static void refused(size_t at, uint64_t value, size_t size, const char *because)
{
	kg_buf file = make_file();
	kg_gguf *g = NULL;

	put_bytes(file.data + at, value, size);
	assert_int_equal(kg_gguf_open(&g, file.data, file.size), KG_ECORRUPT);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
	kg_buf_release(&file);
}

static void test_gguf__hostile_headers_are_refused(void **state)
{
	(void)state;
	refused(0, 'X', 1, "GGUF");
	refused(AT_VERSION, 1, 4, "version 1");
	refused(AT_VERSION, 4, 4, "version 4");
	refused(AT_VERSION, 0x03000000, 4, "version");
	refused(AT_TENSORS, UINT64_MAX, 8, "tensors");
	refused(AT_TENSORS, KG_GGUF_TENSORS_MAX + 1, 8, "tensors");
	refused(AT_TENSORS, 3, 8, "");
	refused(AT_TENSORS, 1, 8, "");
	refused(AT_KEYS, UINT64_MAX, 8, "keys");
	refused(AT_KEYS, KG_GGUF_KEYS_MAX + 1, 8, "keys");
	refused(AT_KEYS, 1, 8, "");
	refused(AT_KEY_SIZE, 0, 8, "name of key 0");
	refused(AT_KEY_SIZE, UINT64_MAX, 8, "name of key 0");
	refused(AT_KEY_SIZE, KG_GGUF_NAME_MAX + 1, 8, "name of key 0");
	refused(AT_KEY, '\n', 1, "not printable");
	refused(AT_KEY_TYPE, 13, 4, "unknown type 13");
	refused(AT_KEY_TYPE, KG_GGUF_F32, 4, "general.alignment");
	refused(AT_ALIGNMENT, 0, 4, "general.alignment");
	refused(AT_ALIGNMENT, 48, 4, "general.alignment");
	refused(AT_ALIGNMENT, 4, 4, "general.alignment");
	refused(AT_ALIGNMENT, 1u << 31, 4, "general.alignment");
	refused(AT_ALIGNMENT, 32, 4, "");
}

static void test_gguf__hostile_values_are_refused(void **state)
{
	kg_buf file = make_file();
	size_t hello = find_text(&file, "hello");
	size_t ab = find_text(&file, "ab");
	size_t array = ab - 8 - 8 - 4; /* element type, count, then "ab" with its length */

	(void)state;
	refused(hello - 8, UINT64_MAX, 8, "longer than");
	refused(hello - 8, KG_GGUF_STRING_MAX, 8, "cut off");
	refused(hello - 8 - 4 - 1, 'n', 1, "key n is there twice");
	refused(ab - 8, UINT64_MAX - 7, 8, "longer than");
	refused(array, KG_GGUF_ARRAY, 4, "unknown type 9");
	refused(array, 99, 4, "unknown type 99");
	refused(array + 4, UINT64_MAX, 8, "more than");
	refused(array + 4, KG_GGUF_ARRAY_MAX, 8, "");
	refused(hello - 8 - 4 - 1 - 8 - 1, 2, 1, "neither true nor false");
	kg_buf_release(&file);
}

static void test_gguf__hostile_tensors_are_refused(void **state)
{
	kg_buf file = make_file();
	size_t dims = find_text(&file, "t.weight") + 8;
	size_t type = dims + 4 + 16;
	size_t second = type + 4 + 8 + 8; /* the name "c" */

	(void)state;
	refused(dims, 0, 4, "0 dimensions");
	refused(dims, 5, 4, "5 dimensions");
	refused(dims, UINT32_MAX, 4, "dimensions");
	refused(dims + 4, 0, 8, "absurd");
	refused(dims + 4, UINT64_MAX, 8, "absurd");
	refused(dims + 4, UINT64_C(1) << 31, 8, "absurd");
	refused(dims + 12, UINT64_C(1) << 63, 8, "absurd");
	refused(dims + 4, 1 << 20, 8, "c is misaligned");
	refused(type, 2, 4, "no whole blocks of Q4_0");
	refused(type, 4, 4, "type 4");
	refused(type, 99, 4, "type 99");
	refused(type + 4, 1, 8, "t.weight is misaligned");
	refused(type + 4, UINT64_MAX, 8, "misaligned");
	refused(second + 1 + 4 + 8 + 4, 0, 8, "overlaps");
	refused(second + 1 + 4 + 8 + 4, 32, 8, "misaligned");
	refused(second + 1 + 4 + 8 + 4, 128, 8, "gap");
	kg_buf_release(&file);
}

static void test_gguf__equal_tensor_names_are_refused(void **state)
{
	static const uint64_t dims[1] = {3};
	kg_gguf_writer w;
	kg_buf out;
	kg_gguf *g = NULL;

	(void)state;
	kg_buf_init(&out, 1 << 20);
	kg_gguf_writer_init(&w, KG_GGUF_ALIGNMENT);
	kg_gguf_put_tensor(&w, "c", KG_GGML_I8, dims, 1, codes);
	kg_gguf_put_tensor(&w, "c", KG_GGML_I8, dims, 1, codes);
	assert_int_equal(kg_gguf_writer_finish(&w, &out), KG_OK);
	assert_int_equal(kg_gguf_open(&g, out.data, out.size), KG_ECORRUPT);
	assert_non_null(strstr(kg_err_text(), "tensor c is there twice"));
	kg_gguf_writer_release(&w);
	kg_buf_release(&out);
}

/* Any single byte may be anything: refused or read, never more. */
static void test_gguf__no_byte_is_trusted(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	kg_buf file = make_file();

	(void)state;
	for (size_t at = 0; at < file.size; at++) {
		uint8_t was = file.data[at];

		for (size_t v = 0; v < sizeof(values); v++) {
			kg_gguf *g = NULL;

			file.data[at] = values[v];
			if (kg_gguf_open(&g, file.data, file.size) == KG_OK)
				assert_true(kg_gguf_tensor_count(g) <= 2);
			kg_gguf_free(g);
		}
		file.data[at] = was;
	}
	kg_buf_release(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gguf__what_is_written_is_read),
		cmocka_unit_test(test_gguf__getters_tell_missing_from_wrong),
		cmocka_unit_test(test_gguf__no_part_of_a_file_is_a_file),
		cmocka_unit_test(test_gguf__hostile_headers_are_refused),
		cmocka_unit_test(test_gguf__hostile_values_are_refused),
		cmocka_unit_test(test_gguf__hostile_tensors_are_refused),
		cmocka_unit_test(test_gguf__equal_tensor_names_are_refused),
		cmocka_unit_test(test_gguf__no_byte_is_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
