/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include "base/json.h"
#include "memory/quote.h"

static void check_round(const uint8_t *data, size_t size)
{
	kg_buf text;
	kg_buf back;

	kg_buf_init(&text, 1 << 16);
	kg_buf_init(&back, 1 << 16);
	kg_quote_put(&text, data, size);
	assert_null(strchr(kg_buf_text(&text), '\n'));
	assert_int_equal(kg_quote_parse(&back, kg_buf_text(&text), text.size), KG_OK);
	assert_int_equal(back.size, size);
	if (size > 0)
		assert_memory_equal(back.data, data, size);
	kg_buf_release(&text);
	kg_buf_release(&back);
}

static void test_quote__any_bytes_come_back(void **state)
{
	uint8_t pair[3] = {0};

	(void)state;
	check_round(pair, 0);
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			pair[0] = (uint8_t)a;
			pair[1] = (uint8_t)b;
			pair[2] = 0xe2;
			check_round(pair, 2);
			check_round(pair, 3);
		}
}

/* For text it is JSON: another parser reads the same. */
static void test_quote__text_is_json(void **state)
{
	static const char text[] = "a \"b\" \\ /\n\r\t\x01\x1f\x7f \xc3\xa4 \xf0\x9f\x99\x82";
	json_t *parsed = NULL;
	kg_buf out;

	(void)state;
	kg_buf_init(&out, 4096);
	kg_buf_puts(&out, "{\"x\":");
	kg_quote_put(&out, text, sizeof(text) - 1);
	kg_buf_puts(&out, "}");
	assert_int_equal(kg_json_parse(&parsed, out.data, out.size), KG_OK);
	assert_string_equal(json_string_value(json_object_get(parsed, "x")), text);
	json_decref(parsed);
	kg_buf_release(&out);
}

static void test_quote__another_form_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"\"",
		"a",
		"\"a",
		"a\"",
		"\"\\\"",
		"\"\\q\"",
		"\"\\u0041\"",
		"\"\\u000a\"",
		"\"\\u000A\"",
		"\"\\x41\"",
		"\"\\xFF\"",
		"\"\\xc3\\xa4\"",
		"\"a\"b\"",
		"\"\\/\"",
		"\"\\b\"",
		"\"\xff\"",
		"\"\\u12\"",
		"\"\\x\"",
		"\"\t\"",
		"\"\\u0100\"",
	};
	kg_buf out;

	(void)state;
	kg_buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		kg_buf_clear(&out);
		if (kg_quote_parse(&out, bad[i], strlen(bad[i])) != KG_ECORRUPT)
			fail_msg("%s passed", bad[i]);
	}
	kg_buf_release(&out);
}

static void test_quote__utf8_is_only_what_rfc_3629_says(void **state)
{
	/* Table 3-7 of the Unicode standard: first and last of every row, and what is next to it.
	 */
	static const struct {
		const char *bytes;
		size_t length;
	} table[] = {
		{"\x7f", 1},
		{"\x80", 0},
		{"\xc1\xbf", 0},
		{"\xc2\x80", 2},
		{"\xdf\xbf", 2},
		{"\xe0\x9f\xbf", 0},
		{"\xe0\xa0\x80", 3},
		{"\xed\x9f\xbf", 3},
		{"\xed\xa0\x80", 0},
		{"\xee\x80\x80", 3},
		{"\xef\xbf\xbf", 3},
		{"\xf0\x8f\xbf\xbf", 0},
		{"\xf0\x90\x80\x80", 4},
		{"\xf4\x8f\xbf\xbf", 4},
		{"\xf4\x90\x80\x80", 0},
		{"\xf5\x80\x80\x80", 0},
		{"\xe2\x82", 0},
		{"\xc3", 0},
	};
	uint32_t point;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(kg_utf8_step(&point, (const uint8_t *)table[i].bytes,
					      strlen(table[i].bytes)),
				 table[i].length);
	assert_int_equal(kg_utf8_step(&point, (const uint8_t *)"\xe2\x82\xac", 3), 3);
	assert_int_equal(point, 0x20ac);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quote__any_bytes_come_back),
		cmocka_unit_test(test_quote__text_is_json),
		cmocka_unit_test(test_quote__another_form_is_refused),
		cmocka_unit_test(test_quote__utf8_is_only_what_rfc_3629_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
