/* SPDX-License-Identifier: MIT */
/* Prompts: the form, what is recalled before it, and what fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/prompt.h"
#include "tests/agent/sprout.h"

static sprout formed, raw;

static int grow(void **state)
{
	(void)state;
	sprout_grow(&formed, 1, true, KG_FORMAT_F16, NULL);
	sprout_grow(&raw, 1, false, KG_FORMAT_F16, NULL);
	return 0;
}

static int release(void **state)
{
	(void)state;
	sprout_release(&formed);
	sprout_release(&raw);
	return 0;
}

static void expect(const sprout *s, const char *question, const char *const *lines, uint32_t count,
		   uint32_t max_tokens, const char *want, uint32_t want_used)
{
	kg_buf out;
	uint32_t used = 99;
	kg_buf_init(&out, KG_PROMPT_SIZE_MAX);
	assert_int_equal(kg_prompt_build(&out, &used, s->model, max_tokens, question, lines, count),
			 KG_OK);
	assert_string_equal(kg_buf_text(&out), want);
	assert_int_equal(used, want_used);
	kg_buf_release(&out);
}

static void test_prompt__question_gets_the_form_once(void **state)
{
	(void)state;
	expect(&formed, "What is 1 plus 2?", NULL, 0, 10, "Q: What is 1 plus 2? A:", 0);
	expect(&formed, "Q: What is 1 plus 2? A:", NULL, 0, 10, "Q: What is 1 plus 2? A:", 0);
	expect(&formed, "  two\nlines\t ", NULL, 0, 10, "Q: two lines A:", 0);
	/* One half of the form is a question that looks odd, not the form. */
	expect(&formed, "Q: half", NULL, 0, 10, "Q: Q: half A:", 0);
	expect(&raw, "Once upon\na time", NULL, 0, 10, "Once upon\na time", 0);
}

static void test_prompt__insights_of_the_form_go_before_it(void **state)
{
	(void)state;
	const char *const lines[] = {"Q: x? A: y", "no form", "Q: a\nb? A:  c ", "Q: empty? A:"};
	expect(&formed, "z?", lines, 4, 10, "Q: x? A: y\nQ: a b? A: c\nQ: z? A:", 1 | 4);
	expect(&raw, "z", lines, 4, 10, "z", 0);
}

static void test_prompt__what_does_not_fit_is_left_out(void **state)
{
	(void)state;
	/* The byte model: bos and one token per byte. "Q: z? A:" takes 9, each line 11. */
	const char *const lines[] = {"Q: x? A: y", "Q: u? A: v"};
	expect(&formed, "z?", lines, 2, SPROUT_CONTEXT - 9 - 22,
	       "Q: x? A: y\nQ: u? A: v\nQ: z? A:", 3);
	expect(&formed, "z?", lines, 2, SPROUT_CONTEXT - 9 - 21, "Q: x? A: y\nQ: z? A:", 1);
	expect(&formed, "z?", lines, 2, SPROUT_CONTEXT - 9, "Q: z? A:", 0);

	/* A long first one does not keep a short second one out. */
	char *big = calloc(1, 300);
	memset(big, 'b', 299);
	memcpy(big, "Q: x? A: ", 9);
	const char *const mixed[] = {big, "Q: u? A: v"};
	expect(&formed, "z?", mixed, 2, 10, "Q: u? A: v\nQ: z? A:", 2);
	free(big);
}

static void test_prompt__a_question_is_never_cut(void **state)
{
	(void)state;
	kg_buf out;
	uint32_t used = 0;
	kg_buf_init(&out, KG_PROMPT_SIZE_MAX);
	assert_int_equal(
		kg_prompt_build(&out, &used, formed.model, SPROUT_CONTEXT - 8, "z?", NULL, 0),
		KG_EFULL);
	assert_non_null(strstr(kg_err_text(), "9 tokens"));
	assert_int_equal(out.size, 0);
	assert_int_equal(
		kg_prompt_build(&out, &used, formed.model, SPROUT_CONTEXT + 5, "z?", NULL, 0),
		KG_EFULL);
	assert_int_equal(kg_prompt_build(&out, &used, formed.model, 8, "", NULL, 0), KG_EINVAL);
	assert_int_equal(kg_prompt_build(&out, &used, formed.model, 8, " \n ", NULL, 0), KG_EINVAL);
	kg_buf_release(&out);
}

static void test_prompt__lines_lose_control_characters(void **state)
{
	(void)state;
	kg_buf out;
	kg_buf_init(&out, 100);
	kg_prompt_line(&out, " a\r\n\x1b b\0c\x7f ", 11);
	assert_string_equal(kg_buf_text(&out), "a b c");
	kg_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prompt__question_gets_the_form_once),
		cmocka_unit_test(test_prompt__insights_of_the_form_go_before_it),
		cmocka_unit_test(test_prompt__what_does_not_fit_is_left_out),
		cmocka_unit_test(test_prompt__a_question_is_never_cut),
		cmocka_unit_test(test_prompt__lines_lose_control_characters),
	};
	return cmocka_run_group_tests(tests, grow, release);
}
