/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/printable.h"

static void expect(const char *text, size_t size, const char *shown)
{
	char *out = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&out, &length);

	assert_non_null(stream);
	kg_printable_lines(stream, "  ", text, size);
	assert_int_equal(fclose(stream), 0);
	assert_string_equal(out, shown);
	assert_int_equal(length, strlen(shown));
	free(out);
}

static void test_printable__text_is_shown_as_it_is(void **state)
{
	static const char text[] = "yellow\tand\nblau, größer, 青い, \xf0\x9f\x8e\xa8";

	(void)state;
	expect(text, sizeof(text) - 1, "yellow\tand\n  blau, größer, 青い, \xf0\x9f\x8e\xa8");
	expect("", 0, "");
	expect("one\n", 4, "one\n");
}

/* A line that is written over, colours, a title, text that runs backwards, a line that is none. */
static void test_printable__orders_to_the_terminal_are_not_given(void **state)
{
	static const char *const orders[] = {
		"\r",           "\x1b",         "\x7f",         "\b",
		"\x07",         "\xc2\x9b",     "\xc2\x85",     "\xe2\x80\xae",
		"\xe2\x80\xa8", "\xe2\x81\xa6", "\xe2\x80\xaa", "\xe2\x81\xa9",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "a%sb", orders[i]);
		expect(text, strlen(text), "a?b");
	}
	expect("a\0b", 3, "a?b");
}

static void test_printable__what_is_no_text_is_no_order_either(void **state)
{
	(void)state;
	expect("\x9b", 1, "?");                   /* a control character of one byte */
	expect("\xc2", 1, "?");                   /* cut off */
	expect("\xc0\x9b!", 3, "?\?!");           /* in more bytes than it needs */
	expect("\xe2\x80", 2, "?\?");             /* cut off */
	expect("\xed\xa0\x80!", 4, "?\?\?!");     /* half of a pair */
	expect("\xf5\x80\x80\x80", 4, "?\?\?\?"); /* beyond the last */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable__text_is_shown_as_it_is),
		cmocka_unit_test(test_printable__orders_to_the_terminal_are_not_given),
		cmocka_unit_test(test_printable__what_is_no_text_is_no_order_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
