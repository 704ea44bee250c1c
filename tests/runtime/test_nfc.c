/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/nfc.h"

static void composes(const char *text, size_t size, const char *want, size_t want_size)
{
	kg_buf out;

	kg_buf_init(&out, 1 << 20);
	assert_int_equal(kg_nfc_put(&out, text, size), KG_OK);
	assert_int_equal(out.size, want_size);
	assert_memory_equal(kg_buf_text(&out), want, want_size);
	kg_buf_release(&out);
}

/* Columns 1 to 3 of lines of Unicode's NormalizationTest.txt: source, NFC, NFD. */
static const char *const lines[][3] = {
	{"\u1E0A", "\u1E0A", "\x44\u0307"},
	{"\u1E0C\u0307", "\u1E0C\u0307", "\x44\u0323\u0307"},
	{"\u1E0A\u0323", "\u1E0C\u0307", "\x44\u0323\u0307"},
	{"\x44\u0307\u0323", "\u1E0C\u0307", "\x44\u0323\u0307"},
	{"\x44\u031B\u0307\u0323", "\u1E0C\u031B\u0307", "\x44\u031B\u0323\u0307"},
	{"\u00C8\u0304", "\u00C8\u0304", "\x45\u0300\u0304"},
	{"\u1E14\u0304", "\u1E14\u0304", "\x45\u0304\u0300\u0304"},
	{"\u0340", "\u0300", "\u0300"},
	{"\u037E", "\x3B", "\x3B"},
	{"\u0958", "\u0915\u093C", "\u0915\u093C"},
	{"\u1FFD", "\u00B4", "\u00B4"},
	{"\u2126", "\u03A9", "\u03A9"},
	{"\u212B", "\u00C5", "\x41\u030A"},
	{"\uAC00", "\uAC00", "\u1100\u1161"},
	{"\uAC01", "\uAC01", "\u1100\u1161\u11A8"},
	{"\uFB1D", "\u05D9\u05B4", "\u05D9\u05B4"},
	{"\uF900", "\u8C48", "\u8C48"},
	{"\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165"},
	{"\x61\u0315\u0300\u05AE\u0300\x62", "\u00E0\u05AE\u0300\u0315\x62",
	 "\x61\u05AE\u0300\u0300\u0315\x62"},
	{"\x61\u3099\u093C\u0334\x62", "\x61\u0334\u093C\u3099\x62", "\x61\u0334\u093C\u3099\x62"},
};

static void test_nfc__of_the_published_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		for (int column = 0; column < 3; column++)
			composes(lines[i][column], strlen(lines[i][column]), lines[i][1],
				 strlen(lines[i][1]));
}

static void test_nfc__leaves_the_rest_alone(void **state)
{
	static const char ascii[] = "plain\n\0text";
	static const char broken[] = "e\xff\u0301 \xc3 e\u0301\xed\xa0\x80\xe2\x82";
	static const char mended[] = "e\xff\u0301 \xc3 \u00e9\xed\xa0\x80\xe2\x82";

	(void)state;
	composes("", 0, "", 0);
	composes(ascii, sizeof(ascii), ascii, sizeof(ascii));
	composes(broken, sizeof(broken) - 1, mended, sizeof(mended) - 1);
}

static void test_nfc__at_its_limits(void **state)
{
	static const char mark[] = "\u0301";
	char text[1 + 2 * (KG_NFC_MARKS_MAX + 1)] = "x";
	kg_buf out;

	(void)state;
	for (size_t i = 0; i <= KG_NFC_MARKS_MAX; i++)
		memcpy(text + 1 + 2 * i, mark, 2);
	composes(text, sizeof(text) - 2, text, sizeof(text) - 2);
	kg_buf_init(&out, 8);
	assert_int_equal(kg_nfc_put(&out, text, sizeof(text)), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "1024 combining marks"));
	kg_buf_clear(&out);
	assert_int_equal(kg_nfc_put(&out, "\u0958\u0915", 6), KG_EFULL);
	kg_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nfc__of_the_published_lines),
		cmocka_unit_test(test_nfc__leaves_the_rest_alone),
		cmocka_unit_test(test_nfc__at_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
