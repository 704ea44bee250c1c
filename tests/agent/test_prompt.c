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

/* ids of the byte model as text; its "</s>" comes out as that. */
static void spell(char *out, const uint32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ids[i] == 2) {
			out = stpcpy(out, "</s>");
		} else {
			*out++ = ids[i] >= 3 ? (char)(ids[i] - 3) : '?';
		}
	}
	*out = '\0';
}

static uint32_t *encoded(char *text, const kg_model *model, const char *question,
			 const char *answer, size_t *count)
{
	uint32_t *ids = NULL;
	assert_int_equal(kg_prompt_encode(model, question, strlen(question), answer,
					  answer ? strlen(answer) : 0, &ids, count),
			 KG_OK);
	spell(text, ids, *count);
	return ids;
}

static void test_prompt__a_conversation_is_opened_as_its_template_says(void **state)
{
	static const char asked[] = "<|user|>\nWhy </s>?</s>\n<|assistant|>\n";
	char text[200];
	size_t count = 0;
	kg_chat chat;
	sprout s;
	(void)state;
	sprout_grow_chat(&s, 1, false, "zephyr");
	assert_true(kg_prompt_is_chat(&chat, s.model));
	assert_int_equal(chat.kind, KG_CHAT_ZEPHYR);

	/* The prompt is the question alone, without lines of any form. */
	const char *const lines[] = {"Q: x? A: y"};
	expect(&s, "Why </s>?", lines, 1, 10, "Why </s>?", 0);
	/* One token ends the message; what the question spells ends nothing. */
	uint32_t *ids = encoded(text, s.model, "Why </s>?", NULL, &count);
	assert_string_equal(text, asked);
	assert_int_equal(count, strlen(asked) - 3);
	free(ids);
	/* An answer goes to its end and no further. */
	ids = encoded(text, s.model, "Why </s>?", "So", &count);
	assert_memory_equal(text, asked, strlen(asked));
	assert_string_equal(text + strlen(asked), "So</s>");
	assert_int_equal(ids[count - 1], 2);
	free(ids);
	assert_null(kg_prompt_get_end(s.model).stop);
	assert_int_equal(kg_prompt_get_end(s.model).token, 2);
	sprout_release(&s);
}

static void test_prompt__an_end_that_is_no_token_is_spelled(void **state)
{
	char text[200];
	size_t count = 0;
	sprout s;
	(void)state;
	sprout_grow_chat(&s, 1, false, "chatml");
	assert_string_equal(kg_prompt_get_end(s.model).stop, "<|im_end|>");
	assert_int_equal(kg_prompt_get_end(s.model).token, KG_TOKENIZER_NONE);
	free(encoded(text, s.model, "a", "b", &count));
	assert_string_equal(text, "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb"
				  "<|im_end|>\n");
	sprout_release(&s);
}

static void test_prompt__a_form_comes_before_a_template(void **state)
{
	char text[200];
	size_t count = 0;
	kg_chat chat;
	sprout s;
	(void)state;
	sprout_grow_chat(&s, 1, true, "chatml");
	assert_false(kg_prompt_is_chat(&chat, s.model));
	free(encoded(text, s.model, "Q: z? A:", " y", &count));
	assert_string_equal(text, "?Q: z? A: y\n"); /* "?" is bos */
	assert_string_equal(kg_prompt_get_end(s.model).stop, "\n");
	sprout_release(&s);

	/* A template that nobody knows is none. */
	sprout_grow_chat(&s, 1, false, "{{ something else }}");
	assert_false(kg_prompt_is_chat(&chat, s.model));
	free(encoded(text, s.model, "z", NULL, &count));
	assert_string_equal(text, "?z");
	assert_null(kg_prompt_get_end(s.model).stop);
	sprout_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prompt__question_gets_the_form_once),
		cmocka_unit_test(test_prompt__insights_of_the_form_go_before_it),
		cmocka_unit_test(test_prompt__what_does_not_fit_is_left_out),
		cmocka_unit_test(test_prompt__a_question_is_never_cut),
		cmocka_unit_test(test_prompt__lines_lose_control_characters),
		cmocka_unit_test(test_prompt__a_conversation_is_opened_as_its_template_says),
		cmocka_unit_test(test_prompt__an_end_that_is_no_token_is_spelled),
		cmocka_unit_test(test_prompt__a_form_comes_before_a_template),
	};
	return cmocka_run_group_tests(tests, grow, release);
}
