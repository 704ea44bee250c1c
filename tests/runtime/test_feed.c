/* SPDX-License-Identifier: MIT */
/* Many tokens at once: the bits of one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/subject.h"

static void test_feed__gives_the_bits_of_steps_for_every_batch(void **state)
{
	(void)state;
	for (uint32_t f = 0; f < SUBJECT_STRATEGIES; f++)
		for (uint32_t variant = 0; variant < SUBJECT_VARIANTS; variant++) {
			subject s = subject_of(subject_strategies[f], variant);
			/* Every size for some, sizes around the edges for all. */
			bool all = variant == 0 && (f == 4 || f == 6);

			for (uint32_t batch = 1; batch <= 64; batch++) {
				kg_session *session;

				if (!all && batch > 3 && batch % 16 > 1 && batch != 30)
					continue;
				session = subject_session(&s, batch, 1);
				subject_check_session(&s, session);
				kg_session_free(session);
			}
			subject_release(&s);
		}
}

static void test_feed__gives_the_same_bits_with_every_kernel(void **state)
{
	(void)state;
	for (uint32_t f = 0; f < SUBJECT_STRATEGIES; f++)
		for (uint32_t variant = 0; variant < SUBJECT_VARIANTS; variant++) {
			subject s;

			assert_int_equal(kg_kernel_set("scalar"), KG_OK);
			s = subject_of(subject_strategies[f], variant);
			for (uint32_t k = 0; k < kg_kernel_count(); k++) {
				kg_session *session;

				if (!kg_kernel_at(k)->usable())
					continue;
				assert_int_equal(kg_kernel_set(kg_kernel_at(k)->name), KG_OK);
				session = subject_session(&s, 0, 1);
				subject_check_session(&s, session);
				kg_session_free(session);
			}
			subject_release(&s);
		}
	assert_int_equal(kg_kernel_set(NULL), KG_OK);
}

static void test_read__begins_and_ends_where_it_is_told(void **state)
{
	subject s = subject_of("fairy2", 0);
	kg_session *session = subject_session(&s, 8, 1);

	(void)state;
	for (size_t from = 0; from <= SUBJECT_LENGTH; from += 7) {
		subject_check c = {.subject = &s, .next = from, .stop = SUBJECT_LENGTH};

		kg_session_rewind(session, 0);
		assert_int_equal(kg_session_read(session, s.token, SUBJECT_LENGTH, from,
						 subject_compare, &c),
				 KG_OK);
		assert_int_equal(c.next, SUBJECT_LENGTH);
		assert_int_equal(c.errors, 0);
	}
	for (size_t stop = 3; stop < SUBJECT_LENGTH; stop += 9) {
		subject_check c = {.subject = &s, .stop = stop};

		kg_session_rewind(session, 0);
		assert_int_equal(
			kg_session_read(session, s.token, SUBJECT_LENGTH, 0, subject_compare, &c),
			KG_ETIMEOUT);
		assert_int_equal(kg_session_position(session), stop + 1);
		c = (subject_check){.subject = &s, .base = stop + 1, .stop = SUBJECT_LENGTH};
		assert_int_equal(kg_session_read(session, s.token + stop + 1,
						 SUBJECT_LENGTH - stop - 1, 0, subject_compare, &c),
				 KG_OK);
		assert_int_equal(c.errors, 0);
	}
	kg_session_free(session);
	subject_release(&s);
}

static void test_feed__refuses_all_or_nothing(void **state)
{
	subject s = subject_of("int8", 0);
	kg_session *session = subject_session(&s, 8, 1);
	uint32_t tokens[SUBJECT_LENGTH + 1] = {0};
	float logits[SUBJECT_VOCABULARY];

	(void)state;
	assert_int_equal(kg_session_feed(session, tokens, SUBJECT_LENGTH + 1, NULL), KG_EFULL);
	assert_int_equal(kg_session_position(session), 0);
	tokens[SUBJECT_LENGTH - 1] = SUBJECT_VOCABULARY;
	assert_int_equal(kg_session_feed(session, tokens, SUBJECT_LENGTH, NULL), KG_EINVAL);
	assert_int_equal(kg_session_read(session, tokens, SUBJECT_LENGTH, 0, subject_compare, NULL),
			 KG_EINVAL);
	assert_int_equal(kg_session_position(session), 0);
	assert_int_equal(kg_session_feed(session, tokens, 0, logits), KG_OK);
	assert_int_equal(kg_session_feed(session, s.token, SUBJECT_LENGTH, logits), KG_OK);
	assert_memory_equal(logits, s.want + (size_t)(SUBJECT_LENGTH - 1) * SUBJECT_VOCABULARY,
			    sizeof(logits));
	assert_int_equal(kg_session_step(session, 0, NULL), KG_EFULL);
	kg_session_free(session);
	subject_release(&s);
}

static void test_new__has_limits(void **state)
{
	subject s = subject_of("int8", 0);
	kg_session *session = NULL;
	kg_session_options options = {.batch = 65};

	(void)state;
	assert_int_equal(kg_session_new(&session, s.weights, &options), KG_EINVAL);
	options = (kg_session_options){.threads = 65};
	assert_int_equal(kg_session_new(&session, s.weights, &options), KG_EINVAL);
	assert_null(session);
	options = (kg_session_options){.batch = 64, .threads = 64};
	assert_int_equal(kg_session_new(&session, s.weights, &options), KG_OK);
	kg_session_free(session);
	subject_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed__gives_the_bits_of_steps_for_every_batch),
		cmocka_unit_test(test_feed__gives_the_same_bits_with_every_kernel),
		cmocka_unit_test(test_read__begins_and_ends_where_it_is_told),
		cmocka_unit_test(test_feed__refuses_all_or_nothing),
		cmocka_unit_test(test_new__has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
