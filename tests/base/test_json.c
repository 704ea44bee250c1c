/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *parsed(const char *text)
{
	json_t *value = NULL;

	assert_int_equal(kg_json_parse(&value, text, strlen(text)), KG_OK);
	return value;
}

static void refused(const char *text)
{
	json_t *untouched = NULL;

	assert_int_equal(kg_json_parse(&untouched, text, strlen(text)), KG_ECORRUPT);
	assert_null(untouched);
	assert_memory_equal(kg_err_text(), "JSON: ", 6);
}

static void test_json__parse_and_dump_return_the_text(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"\"a \\\"b\\\" \\\\\"",
		"{\"b\":1,\"a\":[true,false,null,-5,0.5]}",
		"9223372036854775807",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *value = parsed(texts[i]);
		char *text = NULL;

		assert_int_equal(kg_json_dump(&text, value), KG_OK);
		assert_string_equal(text, texts[i]);
		free(text);
		json_decref(value);
	}
}

static void test_json__nothing_is_no_document(void **state)
{
	json_t *untouched = NULL;

	(void)state;
	assert_int_equal(kg_json_parse(&untouched, NULL, 0), KG_ECORRUPT);
	assert_null(untouched);
	assert_non_null(strstr(kg_err_text(), "end of file"));
}

static void test_json__bad_documents_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"{\"a\":1,}",
		"{\"a\":1}{}",
		"{\"a\":1} x",
		"{\"a\":1,\"a\":2}",
		"{\"a\":{\"b\":1,\"b\":1}}",
		"[1,2",
		"]",
		"\"\xff\xfe\"",
		"\"\xc3\"",
		"\"\xed\xa0\x80\"",
		"\"a\nb\"",
		"\"\\u0000\"",
		"{\"\\u0000\":1}",
		"9223372036854775808",
		"1e999",
		"NaN",
		"'a'",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i]);
}

static void test_json__the_cause_names_its_line(void **state)
{
	(void)state;
	refused("{\n\"a\": 1,\n\"a\": 2}");
	assert_non_null(strstr(kg_err_text(), "line 3"));
}

static void test_json__numbers_are_exact_in_dumps_and_short_in_print(void **state)
{
	json_t *value = json_real(0.1);
	char *text = NULL;
	char printed[32] = "";
	int kept = dup(STDOUT_FILENO);
	int fd[2];

	(void)state;
	assert_int_equal(kg_json_dump(&text, value), KG_OK);
	assert_true(strtod(text, NULL) == 0.1);
	assert_string_equal(text, "0.10000000000000001");
	free(text);
	assert_int_equal(fflush(stdout) | pipe(fd), 0);
	assert_true(dup2(fd[1], STDOUT_FILENO) >= 0);
	kg_json_print(value, true);
	(void)fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	assert_int_equal(read(fd[0], printed, sizeof(printed) - 1), 4);
	assert_string_equal(printed, "0.1\n");
	(void)close(kept);
	(void)close(fd[0]);
	(void)close(fd[1]);
	json_decref(value);
}

static void nested(char *text, size_t depth)
{
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = '\0';
}

static void test_json__depth_is_limited(void **state)
{
	static char text[200001];
	json_t *value;

	(void)state;
	for (size_t depth = KG_JSON_DEPTH_MAX - 1; depth <= KG_JSON_DEPTH_MAX; depth++) {
		nested(text, depth);
		value = parsed(text);
		json_decref(value);
	}
	nested(text, KG_JSON_DEPTH_MAX + 1);
	refused(text);
	nested(text, 100000);
	refused(text);
	/* Brackets inside a text are no nesting, quoted quotes do not end it. */
	memset(text, '[', 100);
	memcpy(text, "\"\\\"\\\\\\\"", 7);
	memcpy(text + 100, "\"", 2);
	value = parsed(text);
	json_decref(value);
}

static void test_json__size_is_limited(void **state)
{
	char *text = malloc(KG_JSON_SIZE_MAX + 1);
	json_t *value = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', KG_JSON_SIZE_MAX + 1);
	text[0] = '1';
	for (size_t size = KG_JSON_SIZE_MAX - 1; size <= KG_JSON_SIZE_MAX; size++) {
		assert_int_equal(kg_json_parse(&value, text, size), KG_OK);
		json_decref(value);
	}
	value = NULL;
	assert_int_equal(kg_json_parse(&value, text, KG_JSON_SIZE_MAX + 1), KG_EFULL);
	assert_int_equal(kg_json_parse_up_to(&value, text, 3, 2), KG_EFULL);
	assert_null(value);
	assert_int_equal(
		kg_json_parse_up_to(&value, text, KG_JSON_SIZE_MAX + 1, KG_JSON_SIZE_MAX + 1),
		KG_OK);
	json_decref(value);
	assert_int_equal(kg_json_parse_up_to(&value, text, 2, 2), KG_OK);
	json_decref(value);
	free(text);
}

static void test_json__a_document_cut_anywhere_is_refused(void **state)
{
	const char *whole =
		"{\"a\":[1,-2.5e3,\"\\u00e4\xc3\xa4\\n\"],\"b\":{\"c\":true,\"d\":null}}";

	(void)state;
	json_decref(parsed(whole));
	for (size_t cut = 0; cut < strlen(whole); cut++) {
		char *part = malloc(cut + 1);
		json_t *value = NULL;

		assert_non_null(part);
		memcpy(part, whole, cut);
		assert_int_equal(kg_json_parse(&value, part, cut), KG_ECORRUPT);
		free(part);
	}
}

static void test_json__getters_take_what_fits(void **state)
{
	json_t *o =
		parsed("{\"t\":\"abcd\",\"i\":-7,\"d\":0.25,\"b\":true,\"n\":false,\"a\":[1,2]}");
	const char *text = NULL;
	int64_t i = 0;
	double d = 0;
	bool b = false;
	json_t *a = NULL;

	(void)state;
	assert_int_equal(kg_json_get_text(&text, o, "t", 4), KG_OK);
	assert_string_equal(text, "abcd");
	assert_int_equal(kg_json_get_text(&text, o, "t", 5), KG_OK);
	assert_int_equal(kg_json_get_i64(&i, o, "i", -7, -7), KG_OK);
	assert_int_equal(i, -7);
	assert_int_equal(kg_json_get_double(&d, o, "d", 0.25, 0.25), KG_OK);
	assert_true(d == 0.25);
	assert_int_equal(kg_json_get_double(&d, o, "i", -7, 0), KG_OK);
	assert_true(d == -7);
	assert_int_equal(kg_json_get_bool(&b, o, "b"), KG_OK);
	assert_true(b);
	assert_int_equal(kg_json_get_bool(&b, o, "n"), KG_OK);
	assert_false(b);
	assert_int_equal(kg_json_get_array(&a, o, "a", 2), KG_OK);
	assert_int_equal(json_array_size(a), 2);
	json_decref(o);
}

static void names(const char *key)
{
	char quoted[16] = "\"";

	strcat(strcat(quoted, key), "\"");
	assert_non_null(strstr(kg_err_text(), quoted));
}

static void test_json__getters_refuse_and_leave_the_output(void **state)
{
	json_t *o = parsed("{\"t\":\"abcd\",\"i\":-7,\"d\":0.25,\"b\":true,\"a\":[1,2]}");
	const char *text = "kept";
	int64_t i = 9;
	double d = 9;
	bool b = true;
	json_t *a = NULL;

	(void)state;
	assert_int_equal(kg_json_get_text(&text, o, "t", 3), KG_ECORRUPT);
	names("t");
	assert_int_equal(kg_json_get_text(&text, o, "i", 9), KG_ECORRUPT);
	names("i");
	assert_int_equal(kg_json_get_text(&text, o, "none", 9), KG_ECORRUPT);
	names("none");
	assert_int_equal(kg_json_get_i64(&i, o, "i", -6, 0), KG_ECORRUPT);
	assert_int_equal(kg_json_get_i64(&i, o, "i", -9, -8), KG_ECORRUPT);
	assert_int_equal(kg_json_get_i64(&i, o, "d", -9, 9), KG_ECORRUPT);
	assert_int_equal(kg_json_get_i64(&i, o, "none", -9, 9), KG_ECORRUPT);
	assert_int_equal(kg_json_get_double(&d, o, "d", 0.26, 1), KG_ECORRUPT);
	assert_int_equal(kg_json_get_double(&d, o, "d", 0, 0.24), KG_ECORRUPT);
	assert_int_equal(kg_json_get_double(&d, o, "t", 0, 1), KG_ECORRUPT);
	assert_int_equal(kg_json_get_bool(&b, o, "i"), KG_ECORRUPT);
	assert_int_equal(kg_json_get_bool(&b, o, "none"), KG_ECORRUPT);
	assert_int_equal(kg_json_get_array(&a, o, "a", 1), KG_ECORRUPT);
	assert_int_equal(kg_json_get_array(&a, o, "t", 1), KG_ECORRUPT);
	/* What is no object has no members. */
	assert_int_equal(kg_json_get_i64(&i, json_object_get(o, "a"), "i", -9, 9), KG_ECORRUPT);
	assert_int_equal(kg_json_get_i64(&i, NULL, "i", -9, 9), KG_ECORRUPT);
	assert_string_equal(text, "kept");
	assert_true(i == 9 && d == 9 && b && a == NULL);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__parse_and_dump_return_the_text),
		cmocka_unit_test(test_json__nothing_is_no_document),
		cmocka_unit_test(test_json__bad_documents_are_refused),
		cmocka_unit_test(test_json__the_cause_names_its_line),
		cmocka_unit_test(test_json__numbers_are_exact_in_dumps_and_short_in_print),
		cmocka_unit_test(test_json__depth_is_limited),
		cmocka_unit_test(test_json__size_is_limited),
		cmocka_unit_test(test_json__a_document_cut_anywhere_is_refused),
		cmocka_unit_test(test_json__getters_take_what_fits),
		cmocka_unit_test(test_json__getters_refuse_and_leave_the_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
