/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "orchestrator/child.h"

static void test_child__reads_the_kernels_account_of_memory(void **state)
{
	static const char text[] = "55d0-7ffe ---p 00000000 00:00 0    [rollup]\n"
				   "Rss:                1234 kB\n"
				   "Pss:                 567 kB\n"
				   "Pss_Anon:             99 kB\n";
	uint64_t rss, pss;

	(void)state;
	assert_true(kg_child_parse_smaps(text, "Rss") == 1234 * 1024);
	assert_true(kg_child_parse_smaps(text, "Pss") == 567 * 1024);
	assert_true(kg_child_parse_smaps(text, "Pss_Anon") == 99 * 1024);
	assert_true(kg_child_parse_smaps(text, "Swap") == 0);
	assert_true(kg_child_parse_smaps("", "Rss") == 0);
	kg_child_memory(getpid(), &rss, &pss);
	assert_true(rss >= pss);
	kg_child_memory(0, &rss, &pss);
	assert_true(rss == 0 && pss == 0);
}

static void test_child__too_many_agents_are_told_so(void **state)
{
	(void)state;
	assert_int_equal(kg_child_check_limits(1), KG_OK);
	assert_int_equal(kg_child_check_limits(1U << 30), KG_EFULL);
}

static void test_child__finds_the_last_line_of_a_log(void **state)
{
	char path[] = "/tmp/kg-child-XXXXXX";
	char line[64];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	kg_child_last_line(path, line, sizeof(line));
	assert_string_equal(line, "");
	assert_int_equal(write(fd, "first\nthe last\n\n", 16), 16);
	kg_child_last_line(path, line, sizeof(line));
	assert_string_equal(line, "the last");
	for (int i = 0; i < 200; i++)
		assert_int_equal(write(fd, "0123456789\n", 11), 11);
	assert_int_equal(write(fd, "the end", 7), 7);
	kg_child_last_line(path, line, sizeof(line));
	assert_string_equal(line, "the end");
	(void)close(fd);
	(void)unlink(path);
	kg_child_last_line(path, line, sizeof(line));
	assert_string_equal(line, "");
}

static void test_child__none_is_never_reaped(void **state)
{
	kg_child child;
	char why[64];
	bool clean;

	(void)state;
	kg_child_init(&child);
	kg_child_signal(&child, 9); /* must reach nobody, least of all every process */
	assert_false(kg_child_reap(&child, why, sizeof(why), &clean));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child__reads_the_kernels_account_of_memory),
		cmocka_unit_test(test_child__too_many_agents_are_told_so),
		cmocka_unit_test(test_child__finds_the_last_line_of_a_log),
		cmocka_unit_test(test_child__none_is_never_reaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
