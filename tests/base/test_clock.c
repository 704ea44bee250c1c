/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

/* Seconds as `date -u -d … +%s` of GNU coreutils tells them. */
static const struct {
	int64_t ms;
	const char *text;
} moments[] = {
	{0, "1970-01-01T00:00:00.000Z"},
	{-1, "1969-12-31T23:59:59.999Z"},
	{1795146000123, "2026-11-20T03:40:00.123Z"},
	{951782400000, "2000-02-29T00:00:00.000Z"},
	{-62167219200000, "0000-01-01T00:00:00.000Z"},
	{253402300799999, "9999-12-31T23:59:59.999Z"},
};

static void test_clock__format_and_parse_are_inverse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		char text[KG_TIME_TEXT_SIZE];
		int64_t ms = 0;

		kg_clock_format(text, moments[i].ms);
		assert_string_equal(text, moments[i].text);
		assert_int_equal(kg_clock_parse(&ms, moments[i].text), KG_OK);
		assert_true(ms == moments[i].ms);
	}
}

static void test_clock__format_clamps_to_four_digit_years(void **state)
{
	char text[KG_TIME_TEXT_SIZE];

	(void)state;
	kg_clock_format(text, INT64_MAX);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	kg_clock_format(text, INT64_MIN);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void test_clock__parse_takes_one_form_only(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-11-20",
		"2026-11-20T03:40:00Z",
		"2026-11-20T03:40:00.123",
		"2026-11-20T03:40:00.123Z ",
		"2026-11-20T03:40:00.123z",
		"2026-11-20 03:40:00.123Z",
		"2026-11-20T03:40:00,123Z",
		"+026-11-20T03:40:00.123Z",
		"2026-00-20T03:40:00.123Z",
		"2026-13-20T03:40:00.123Z",
		"2026-06-31T03:40:00.123Z",
		"2025-02-29T03:40:00.123Z",
		"2026-11-00T03:40:00.123Z",
		"2026-11-20T24:00:00.000Z",
		"2026-11-20T03:60:00.000Z",
		"2026-11-20T03:40:60.000Z",
		"9999-12-32T00:00:00.000Z",
	};
	int64_t ms = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kg_clock_parse(&ms, bad[i]), KG_EINVAL);
	assert_true(ms == 42);
}

static void test_clock__a_time_cut_anywhere_is_refused(void **state)
{
	const char *whole = "2026-11-20T03:40:00.123Z";
	int64_t ms = 0;

	(void)state;
	for (size_t cut = 0; cut < strlen(whole); cut++) {
		char part[KG_TIME_TEXT_SIZE] = "";

		memcpy(part, whole, cut);
		assert_int_equal(kg_clock_parse(&ms, part), KG_EINVAL);
	}
}

static void test_clock__monotonic_time_never_goes_back(void **state)
{
	int64_t before = kg_clock_mono_ns();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t now = kg_clock_mono_ns();

		assert_true(now >= before);
		before = now;
	}
	assert_true(kg_clock_mono_ms() >= before / 1000000);
	assert_true(kg_clock_wall_ms() > moments[3].ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock__format_and_parse_are_inverse),
		cmocka_unit_test(test_clock__format_clamps_to_four_digit_years),
		cmocka_unit_test(test_clock__parse_takes_one_form_only),
		cmocka_unit_test(test_clock__a_time_cut_anywhere_is_refused),
		cmocka_unit_test(test_clock__monotonic_time_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
