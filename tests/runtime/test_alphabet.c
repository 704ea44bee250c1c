/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/alphabet.h"

static void check(const char *bytes, size_t size, const char *letters)
{
	char to[64];

	assert_int_equal(kg_alphabet_encode(to, bytes, size), strlen(letters));
	assert_memory_equal(to, letters, strlen(letters));
	assert_int_equal(kg_alphabet_decode(to, letters, strlen(letters)), size);
	assert_memory_equal(to, bytes, size);
}

/* As GPT-2's encoder.py makes its table: bytes() that print stay, the n-th other is chr(256 + n).
 */
static void test_alphabet__is_gpt2s(void **state)
{
	(void)state;
	check("Hello!~", 7, "Hello!~");
	check("\0", 1, "\xc4\x80");               /* U+0100 */
	check("\n", 1, "\xc4\x8a");               /* U+010A */
	check(" ", 1, "\xc4\xa0");                /* U+0120 */
	check("\x7f", 1, "\xc4\xa1");             /* U+0121 */
	check("\xa0", 1, "\xc5\x82");             /* U+0142 */
	check("\xad", 1, "\xc5\x83");             /* U+0143 */
	check("\xa1\xac", 2, "\xc2\xa1\xc2\xac"); /* themselves */
	check("\xae\xff", 2, "\xc2\xae\xc3\xbf"); /* themselves */
	check("\xc3\xa9", 2, "\xc3\x83\xc2\xa9"); /* e with an acute accent */
}

static void test_alphabet__has_a_letter_for_every_byte(void **state)
{
	char letters[2];
	char back[2];

	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		char one = (char)byte;
		size_t size = kg_alphabet_encode(letters, &one, 1);

		assert_in_range(size, 1, 2);
		assert_int_equal(kg_alphabet_decode(back, letters, size), 1);
		assert_int_equal(back[0], one);
	}
}

static void test_alphabet__leaves_what_is_no_letter(void **state)
{
	static const char other[] = "a b\xe4\xb8\xad\xc5\x84\xc2\xff\xc2";
	char to[sizeof(other)];

	(void)state;
	assert_int_equal(kg_alphabet_decode(to, other, sizeof(other) - 1), sizeof(other) - 1);
	assert_memory_equal(to, other, sizeof(other) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alphabet__is_gpt2s),
		cmocka_unit_test(test_alphabet__has_a_letter_for_every_byte),
		cmocka_unit_test(test_alphabet__leaves_what_is_no_letter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
