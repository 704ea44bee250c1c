/* SPDX-License-Identifier: MIT */
/* A session's work shared by threads: the bits of one alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/subject.h"

static void test_shared__gives_the_bits_of_one_thread(void **state)
{
	(void)state;
	for (uint32_t f = 0; f < SUBJECT_STRATEGIES; f++) {
		subject s = subject_of(subject_strategies[f], f % 3);

		for (uint32_t threads = 2; threads <= 4; threads++) {
			kg_session *session = subject_session(&s, 64, threads);

			session->work_min = 0.0; /* toys are worth no helper */
			subject_check_session(&s, session);
			kg_session_free(session);
		}
		subject_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared__gives_the_bits_of_one_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
