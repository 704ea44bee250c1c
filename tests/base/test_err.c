/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_err__fail_returns_its_code_and_sets_the_text(void **state)
{
	(void)state;
	assert_int_equal(kg_fail(KG_ECONFLICT, "sequence %d", 7), KG_ECONFLICT);
	assert_string_equal(kg_err_text(), "sequence 7");
}

static void test_err__errno_is_translated(void **state)
{
	static const struct {
		int errnum;
		kg_err code;
	} cases[] = {
		{ENOSPC, KG_EFULL},     {EDQUOT, KG_EFULL},     {EFBIG, KG_EFULL},
		{ENOMEM, KG_ENOMEM},    {ENOENT, KG_ENOTFOUND}, {EACCES, KG_EDENIED},
		{EPERM, KG_EDENIED},    {EEXIST, KG_EEXISTS},   {EIO, KG_EIO},
		{ECONNREFUSED, KG_EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(kg_fail_errno(cases[i].errnum, "x"), cases[i].code);
	(void)kg_fail_errno(ENOENT, "open %s", "a");
	assert_string_equal(kg_err_text(), "open a: No such file or directory");
	(void)kg_fail_errno(99999, "odd");
	assert_string_equal(kg_err_text(), "odd: unknown error");
}

static void test_err__context_goes_before(void **state)
{
	(void)state;
	(void)kg_fail(KG_ECORRUPT, "bad magic");
	assert_int_equal(kg_fail_context(KG_ECORRUPT, "%s", "a.fairy"), KG_ECORRUPT);
	assert_string_equal(kg_err_text(), "a.fairy: bad magic");
}

/* The text before may be an argument of the text after. */
static void test_err__text_may_be_made_of_the_text_before(void **state)
{
	(void)state;
	(void)kg_fail(KG_EFAIL, "cause");
	(void)kg_fail(KG_EFAIL, "outer (%s)", kg_err_text());
	assert_string_equal(kg_err_text(), "outer (cause)");
	(void)kg_fail_context(KG_EFAIL, "twice %s", kg_err_text());
	assert_string_equal(kg_err_text(), "twice outer (cause): outer (cause)");
}

static void test_err__text_is_one_line(void **state)
{
	(void)state;
	(void)kg_fail(KG_EFAIL, "a%sb\x7f", "\n\t\033[2J");
	assert_string_equal(kg_err_text(), "a???[2Jb?");
	(void)kg_fail(KG_EFAIL, "%s", "K\xc3\xa4se");
	assert_string_equal(kg_err_text(), "K\xc3\xa4se");
}

static void test_err__long_text_is_cut(void **state)
{
	char text[KG_ERR_TEXT_MAX + 2];

	(void)state;
	for (size_t length = KG_ERR_TEXT_MAX - 2; length <= KG_ERR_TEXT_MAX; length++) {
		size_t want = length < KG_ERR_TEXT_MAX ? length : KG_ERR_TEXT_MAX - 1;

		memset(text, 'y', length);
		text[length] = '\0';
		(void)kg_fail(KG_EFAIL, "%s", text);
		assert_int_equal(strlen(kg_err_text()), want);
		(void)kg_fail_context(KG_EFAIL, "context");
		assert_int_equal(strlen(kg_err_text()), KG_ERR_TEXT_MAX - 1);
		assert_memory_equal(kg_err_text(), "context: yyy", 12);
	}
}

static void test_err__names_and_codes_are_inverse(void **state)
{
	(void)state;
	for (int code = KG_ECORRUPT; code <= KG_OK; code++) {
		const char *name = kg_err_name((kg_err)code);

		assert_int_equal(kg_err_from_name(name), code);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		for (int other = KG_ECORRUPT; other < code; other++)
			assert_string_not_equal(kg_err_name((kg_err)code),
						kg_err_name((kg_err)other));
	}
	assert_int_equal(kg_err_from_name("no such name"), KG_EFAIL);
	assert_string_equal(kg_err_name((kg_err)-99), "failed");
}

static void *fail_elsewhere(void *unused)
{
	(void)unused;
	(void)kg_fail(KG_EFAIL, "elsewhere");
	return NULL;
}

static void test_err__each_thread_has_its_own_text(void **state)
{
	pthread_t thread;

	(void)state;
	(void)kg_fail(KG_EFAIL, "here");
	assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(kg_err_text(), "here");
}

static void test_err__assertion_ends_the_process_and_names_the_place(void **state)
{
	char said[512] = "";
	int pipe_fd[2];
	int status;
	pid_t child;
	ssize_t got;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	child = fork();
	if (child == 0) {
		(void)dup2(pipe_fd[1], STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		KG_ASSERT(said[0] == 'x');
		_exit(0);
	}
	(void)close(pipe_fd[1]);
	got = read(pipe_fd[0], said, sizeof(said) - 1);
	(void)close(pipe_fd[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(got > 0);
	assert_non_null(strstr(said, "said[0] == 'x'"));
	assert_non_null(strstr(said, "test_err.c:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err__fail_returns_its_code_and_sets_the_text),
		cmocka_unit_test(test_err__errno_is_translated),
		cmocka_unit_test(test_err__context_goes_before),
		cmocka_unit_test(test_err__text_may_be_made_of_the_text_before),
		cmocka_unit_test(test_err__text_is_one_line),
		cmocka_unit_test(test_err__long_text_is_cut),
		cmocka_unit_test(test_err__names_and_codes_are_inverse),
		cmocka_unit_test(test_err__each_thread_has_its_own_text),
		cmocka_unit_test(test_err__assertion_ends_the_process_and_names_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
