/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/chat.h"

/*
 * Templates as models publish them, cut down to what recognising reads, and what Jinja2 3.1.6 makes
 * of the whole ones (with trim_blocks and lstrip_blocks, bos "<s>" and eos "</s>") for the two
 * conversations below.
 */
static const struct {
	const char *template;
	const char *question; /* the first */
	const char *turns;    /* the second */
	const char *end;
} cases[] = {
	{"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
	 "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
	 "{{ '<|im_start|>assistant\\n' }}{% endif %}",
	 "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
	 "<|im_start|>system\n Be kind \n<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
	 "<|im_start|>assistant\n\n Yes. <|im_end|>\n<|im_start|>user\nMore?\n<|im_end|>\n"
	 "<|im_start|>assistant\n",
	 "<|im_end|>"},
	{"{{- '<|im_start|>system\\n' }} {{- '<|im_start|>system\\n' + messages[0]['content'] }}"
	 "{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
	 "assistant.<|im_end|>\\n' }}",
	 "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
	 "assistant.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
	 "<|im_start|>system\n Be kind \n<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
	 "<|im_start|>assistant\n\n Yes. <|im_end|>\n<|im_start|>user\nMore?\n<|im_end|>\n"
	 "<|im_start|>assistant\n",
	 "<|im_end|>"},
	{"{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ "
	 "message['content'] | trim + '<|eot_id|>' %}{{ content }}",
	 "<s><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\n",
	 "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind<|eot_id|>"
	 "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>"
	 "<|start_header_id|>user<|end_header_id|>\n\nMore?<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\n",
	 "<|eot_id|>"},
	{"{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}"
	 "{{- \"Cutting Knowledge Date: December 2023\\n\" }}",
	 "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
	 "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello"
	 "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
	 "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
	 "Today Date: 26 Jul 2024\n\nBe kind<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
	 "Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>"
	 "<|start_header_id|>user<|end_header_id|>\n\nMore?<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\n",
	 "<|eot_id|>"},
	{"{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' %}"
	 "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}",
	 "<s>[INST] Hello [/INST]",
	 "<s>[INST] <<SYS>>\n Be kind \n\n<</SYS>>\n\n Hi [/INST] Yes. </s><s>[INST] More? [/INST]",
	 NULL},
	{"{{ '<|user|>\n' + message['content'] + eos_token }}{{ '<|assistant|>' }}",
	 "<|user|>\nHello</s>\n<|assistant|>\n",
	 "<|system|>\n Be kind \n</s>\n<|user|>\n Hi </s>\n<|assistant|>\n\n Yes. </s>\n<|user|>\n"
	 "More?\n</s>\n<|assistant|>\n",
	 NULL},
};

static const kg_chat_message question[] = {{KG_CHAT_USER, "Hello", 5}};
static const kg_chat_message turns[] = {{KG_CHAT_SYSTEM, " Be kind \n", 10},
					{KG_CHAT_USER, " Hi ", 4},
					{KG_CHAT_ASSISTANT, "\n Yes. ", 7},
					{KG_CHAT_USER, "More?\n", 6}};

static kg_tokenizer *bytes(void)
{
	kg_tokenizer *t = NULL;

	assert_int_equal(kg_tokenizer_byte_model(&t), KG_OK);
	return t;
}

static kg_chat recognised(const char *template)
{
	kg_chat chat;

	assert_int_equal(kg_chat_recognise(&chat, template, strlen(template)), KG_OK);
	return chat;
}

static void check(const kg_chat *chat, const kg_chat_message *messages, size_t count,
		  const char *expected)
{
	kg_tokenizer *t = bytes();
	kg_buf out;

	kg_buf_init(&out, 4096);
	assert_int_equal(kg_chat_render(chat, t, messages, count, true, &out), KG_OK);
	assert_string_equal(kg_buf_text(&out), expected);
	kg_buf_release(&out);
	kg_tokenizer_free(t);
}

static void test_chat__renders_as_the_templates_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kg_chat chat = recognised(cases[i].template);

		check(&chat, question, 1, cases[i].question);
		check(&chat, turns, 4, cases[i].turns);
		if (cases[i].end == NULL)
			assert_null(kg_chat_end(&chat));
		else
			assert_string_equal(kg_chat_end(&chat), cases[i].end);
	}
}

static void test_chat__knows_families_by_name(void **state)
{
	(void)state;
	for (int kind = 0; kind < KG_CHAT_COUNT; kind++) {
		kg_chat chat = recognised(kg_chat_name((kg_chat_kind)kind));

		assert_int_equal(chat.kind, kind);
		assert_string_equal(chat.system, "");
		assert_null(chat.preamble);
	}
}

static void refuses(const char *template, const char *why)
{
	kg_chat chat;

	assert_int_equal(kg_chat_recognise(&chat, template, strlen(template)), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), why));
}

static void test_chat__refuses_what_it_does_not_know(void **state)
{
	char long_system[KG_CHAT_SYSTEM_MAX + 64] = "{{ '<|im_start|>system\\n";
	size_t used = strlen(long_system);
	kg_chat chat;

	(void)state;
	refuses("", "known");
	refuses("mistral", "known");
	refuses("{{ '[INST] ' + message['content'] + ' [/INST]' }}", "family");
	refuses("{{ '<|im_start|>user<|im_sep|>' + message['content'] }}", "family");
	refuses("{{'<|user|>' + message['content'] + '<|end|>' + eos_token }}", "family");
	refuses("{{ '<|im_start|>system\\nBe kind.\\nBe short.<|im_end|>\\n' }}", "system");
	for (size_t limit = KG_CHAT_SYSTEM_MAX - 1; limit <= KG_CHAT_SYSTEM_MAX; limit++) {
		memset(long_system + used, 'a', limit);
		memcpy(long_system + used + limit, "<|im_end|>", 11);
		assert_int_equal(kg_chat_recognise(&chat, long_system, strlen(long_system)),
				 limit < KG_CHAT_SYSTEM_MAX ? KG_OK : KG_EINVAL);
	}
	assert_int_equal(kg_chat_recognise(&chat, "", KG_CHAT_TEMPLATE_MAX + 1), KG_EINVAL);
}

static void test_chat__llama2_wants_turns(void **state)
{
	static const kg_chat_message twice[] = {{KG_CHAT_USER, "a", 1}, {KG_CHAT_USER, "b", 1}};
	static const kg_chat_message late[] = {
		{KG_CHAT_USER, "a", 1}, {KG_CHAT_ASSISTANT, "b", 1}, {KG_CHAT_SYSTEM, "c", 1}};
	kg_chat chat = recognised("llama2");
	kg_tokenizer *t = bytes();
	kg_buf out;

	(void)state;
	kg_buf_init(&out, 4096);
	assert_int_equal(kg_chat_render(&chat, t, twice, 2, true, &out), KG_EINVAL);
	assert_int_equal(kg_chat_render(&chat, t, late, 3, true, &out), KG_EINVAL);
	assert_int_equal(kg_chat_render(&chat, t, late, 0, true, &out), KG_EINVAL);
	assert_int_equal(kg_chat_render(&chat, t, late, KG_CHAT_MESSAGES_MAX + 1, true, &out),
			 KG_EINVAL);
	assert_int_equal(out.size, 0);
	kg_buf_release(&out);
	kg_tokenizer_free(t);
}

/* The end of an answer in a question is text: both control tokens are the template's. */
static void test_chat__messages_write_no_control_tokens(void **state)
{
	static const kg_chat_message said[] = {{KG_CHAT_USER, "a</s>", 5},
					       {KG_CHAT_ASSISTANT, "<s>", 3}};
	static const char expected[] = "<|user|>\na</s>\n<|assistant|>\n<s>\n";
	kg_chat chat = recognised("zephyr");
	kg_tokenizer *t = bytes();
	uint32_t *ids = NULL;
	size_t count = 0;
	size_t controls = 0;
	kg_buf text;

	(void)state;
	assert_int_equal(kg_chat_encode(&chat, t, said, 2, false, &ids, &count), KG_OK);
	for (size_t i = 0; i < count; i++)
		controls += kg_tokenizer_kind(t, ids[i]) == KG_TOKEN_CONTROL;
	assert_int_equal(controls, 2);
	assert_int_equal(count, controls + strlen(expected));
	kg_buf_init(&text, 4096);
	assert_int_equal(kg_tokenizer_decode(t, ids, count, &text), KG_OK);
	assert_string_equal(kg_buf_text(&text), expected);
	kg_buf_release(&text);
	free(ids);
	kg_tokenizer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chat__renders_as_the_templates_do),
		cmocka_unit_test(test_chat__knows_families_by_name),
		cmocka_unit_test(test_chat__refuses_what_it_does_not_know),
		cmocka_unit_test(test_chat__llama2_wants_turns),
		cmocka_unit_test(test_chat__messages_write_no_control_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
