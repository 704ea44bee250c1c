/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static int kept_stderr;
static int pipe_fd[2];

static int catch_stderr(void **state)
{
	(void)state;
	kept_stderr = dup(STDERR_FILENO);
	return pipe(pipe_fd) | (dup2(pipe_fd[1], STDERR_FILENO) < 0);
}

/* Everything logged since catch_stderr, as text. */
static void said(char *out, size_t room)
{
	size_t used = 0;
	ssize_t got;

	(void)dup2(kept_stderr, STDERR_FILENO);
	(void)close(kept_stderr);
	(void)close(pipe_fd[1]);
	while ((got = read(pipe_fd[0], out + used, room - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = '\0';
	(void)close(pipe_fd[0]);
}

static void test_log__a_line_has_time_role_level_event(void **state)
{
	char line[512];
	int64_t ms = 0;

	(void)state;
	kg_log_init("keeper", KG_LOG_INFO);
	kg_log(KG_LOG_WARN, "entry.refused", "id=%d from=%s", 7, "agent-1");
	said(line, sizeof(line));
	assert_int_equal(line[KG_TIME_TEXT_SIZE - 1], ' ');
	assert_string_equal(line + KG_TIME_TEXT_SIZE,
			    "keeper warn entry.refused id=7 from=agent-1\n");
	line[KG_TIME_TEXT_SIZE - 1] = '\0';
	assert_int_equal(kg_clock_parse(&ms, line), KG_OK);
	assert_in_range(kg_clock_wall_ms() - ms, 0, 60000);
}

static void test_log__what_is_below_the_level_is_silent(void **state)
{
	char lines[1024];

	(void)state;
	kg_log_init("x", KG_LOG_WARN);
	kg_log(KG_LOG_DEBUG, "a.one", "n=1");
	kg_log(KG_LOG_INFO, "a.two", "n=1");
	kg_log(KG_LOG_WARN, "a.three", "n=1");
	kg_log(KG_LOG_ERROR, "a.four", "n=1");
	said(lines, sizeof(lines));
	assert_null(strstr(lines, "a.one"));
	assert_null(strstr(lines, "a.two"));
	assert_non_null(strstr(lines, "a.three"));
	assert_non_null(strstr(lines, "a.four"));
}

static void test_log__one_event_is_one_line(void **state)
{
	char line[512];

	(void)state;
	kg_log_init("x", KG_LOG_INFO);
	kg_log(KG_LOG_INFO, "a.b", "text=%s", "one\ntwo\033[2J");
	said(line, sizeof(line));
	assert_non_null(strstr(line, "text=one?two?[2J\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_log__long_lines_and_roles_are_cut(void **state)
{
	char long_text[4096];
	char line[8192];

	(void)state;
	memset(long_text, 'y', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	kg_log_init(long_text, KG_LOG_INFO);
	kg_log(KG_LOG_INFO, "a.b", "text=%s", long_text);
	said(line, sizeof(line));
	assert_in_range(strlen(line), 1000, 2048);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_int_equal(strspn(line + KG_TIME_TEXT_SIZE, "y"), 63);
}

static void test_log__err_tells_why(void **state)
{
	char line[2048];

	(void)state;
	kg_log_init("x", KG_LOG_INFO);
	(void)kg_fail(KG_EIO, "disk \"%s\" is gone", "a\\b");
	kg_log_err(KG_LOG_ERROR, "journal.failed");
	said(line, sizeof(line));
	assert_non_null(
		strstr(line, " x error journal.failed why=\"disk \\\"a\\\\b\\\" is gone\"\n"));
}

static void test_log__quote_escapes_and_cuts(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\n\x7f", "\"\\x0a\\x7f\""},
		{"K\xc3\xa4", "\"K\xc3\xa4\""},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(kg_log_quote(out, sizeof(out), cases[i].text), cases[i].want);
	for (size_t room = 3; room < sizeof(out); room++) {
		memset(out, 'z', sizeof(out));
		(void)kg_log_quote(out, room, "\n\"\\\n\"\\\n\"\\\n\"\\\n\"\\\n\"\\\n\"\\\n\"\\");
		assert_true(strlen(out) < room);
		assert_int_equal(out[strlen(out) - 1], '"');
		assert_int_equal(out[room], 'z');
	}
}

static void test_log__levels_have_names(void **state)
{
	kg_log_level level = KG_LOG_ERROR;

	(void)state;
	assert_int_equal(kg_log_level_parse(&level, "debug"), KG_OK);
	assert_int_equal(level, KG_LOG_DEBUG);
	assert_int_equal(kg_log_level_parse(&level, "error"), KG_OK);
	assert_int_equal(level, KG_LOG_ERROR);
	assert_int_equal(kg_log_level_parse(&level, "loud"), KG_EINVAL);
	assert_int_equal(kg_log_level_parse(&level, ""), KG_EINVAL);
	assert_int_equal(level, KG_LOG_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_log__a_line_has_time_role_level_event, catch_stderr),
		cmocka_unit_test_setup(test_log__what_is_below_the_level_is_silent, catch_stderr),
		cmocka_unit_test_setup(test_log__one_event_is_one_line, catch_stderr),
		cmocka_unit_test_setup(test_log__long_lines_and_roles_are_cut, catch_stderr),
		cmocka_unit_test_setup(test_log__err_tells_why, catch_stderr),
		cmocka_unit_test(test_log__quote_escapes_and_cuts),
		cmocka_unit_test(test_log__levels_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
