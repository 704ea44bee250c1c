/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Runs `work` with stderr in a pipe and returns what it printed. */
static void printed_by(char *out, size_t room, void (*work)(void))
{
	int kept = dup(STDERR_FILENO);
	int fd[2];
	size_t used = 0;
	ssize_t got;

	assert_int_equal(pipe(fd), 0);
	assert_true(dup2(fd[1], STDERR_FILENO) >= 0);
	(void)close(fd[1]);
	work();
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	(void)close(kept);
	while ((got = read(fd[0], out + used, room - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = '\0';
	(void)close(fd[0]);
}

static void short_work(void)
{
	kg_progress p;

	kg_progress_start(&p, "short", 1000);
	for (uint64_t i = 0; i <= 1000; i++)
		kg_progress_step(&p, i, NULL);
	kg_progress_end(&p);
}

/* Begun, as far as the progress knows, some seconds ago. */
static void long_work(void)
{
	kg_progress p;

	kg_progress_start(&p, "long", 100);
	p.started_ns -= 10000000000LL;
	p.shown_ns = p.started_ns;
	kg_progress_step(&p, 50, "loss 1.25");
	kg_progress_step(&p, 60, NULL); /* too soon after the line before */
	kg_progress_end(&p);
	kg_progress_end(&p);
}

static void endless_work(void)
{
	kg_progress p;

	kg_progress_start(&p, "a phrase longer than the room that is there for the phrase", 0);
	p.shown_ns -= 10000000000LL;
	kg_progress_step(&p, 123, NULL);
	kg_progress_end(&p);
}

static void test_progress__short_work_prints_nothing(void **state)
{
	char out[256];

	(void)state;
	printed_by(out, sizeof(out), short_work);
	assert_string_equal(out, "");
}

static void test_progress__long_work_prints_plain_lines(void **state)
{
	char out[512];

	(void)state;
	printed_by(out, sizeof(out), long_work);
	assert_memory_equal(out, "long: 50 of 100 0:10 left loss 1.25\nlong: 60 in 10.", 50);
	assert_null(strchr(out, '\r'));
	assert_null(strchr(out, '\033'));
	assert_ptr_equal(strrchr(out, '\n'), out + strlen(out) - 1);
}

static void test_progress__an_unknown_total_is_not_shown(void **state)
{
	char out[512];

	(void)state;
	printed_by(out, sizeof(out), endless_work);
	assert_null(strstr(out, " of "));
	assert_non_null(strstr(out, ": 123 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_progress__short_work_prints_nothing),
		cmocka_unit_test(test_progress__long_work_prints_plain_lines),
		cmocka_unit_test(test_progress__an_unknown_total_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
