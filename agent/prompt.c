/* SPDX-License-Identifier: MIT */
#include "agent/prompt.h"

#include <stdlib.h>
#include <string.h>

bool kg_prompt_has_form(const kg_model_prompt *form)
{
	return form->prefix && form->suffix && form->prefix[0] && form->suffix[0];
}

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

void kg_prompt_line(kg_buf *out, const char *text, size_t size)
{
	bool gap = false;
	bool started = false;
	for (size_t i = 0; i < size; i++) {
		if (is_blank(text[i])) {
			gap = true;
			continue;
		}
		if (gap && started) {
			kg_buf_put(out, " ", 1);
		}
		kg_buf_put(out, &text[i], 1);
		gap = false;
		started = true;
	}
}

bool kg_prompt_is_formed(const kg_model_prompt *form, const char *text, size_t size)
{
	if (!kg_prompt_has_form(form)) {
		return false;
	}
	size_t before = strlen(form->prefix);
	size_t after = strlen(form->suffix);
	return size > before + after && memcmp(text, form->prefix, before) == 0 &&
	       memcmp(text + size - after, form->suffix, after) == 0;
}

bool kg_prompt_is_lore(const kg_model_prompt *form, const char *line, size_t size)
{
	if (!kg_prompt_has_form(form)) {
		return false;
	}
	size_t before = strlen(form->prefix);
	size_t after = strlen(form->suffix);
	if (size <= before + after || memcmp(line, form->prefix, before) != 0) {
		return false;
	}
	const char *at = memmem(line + before, size - before, form->suffix, after);
	return at && at > line + before && at + after < line + size;
}

bool kg_prompt_is_chat(kg_chat *out, const kg_model *model)
{
	size_t size = 0;
	const char *template = kg_model_template(model, &size);
	return template && !kg_prompt_has_form(kg_model_get_prompt(model)) &&
	       kg_chat_recognise(out, template, size) == KG_OK;
}

kg_prompt_end kg_prompt_get_end(const kg_model *model)
{
	const char *stop = kg_model_get_prompt(model)->stop;
	kg_chat chat;
	if (!kg_prompt_is_chat(&chat, model)) {
		return (kg_prompt_end){stop && stop[0] ? stop : NULL, KG_TOKENIZER_NONE};
	}
	const kg_tokenizer *tokenizer = kg_model_tokenizer(model);
	const char *end = kg_chat_end(&chat);
	if (!end) {
		return (kg_prompt_end){NULL, kg_tokenizer_get_rules(tokenizer)->eos};
	}
	/* Spelled, where the vocabulary has no such token. */
	return (kg_prompt_end){end, kg_tokenizer_special(tokenizer, end, strlen(end))};
}

/* A conversation up to the token that ends the answer, if there is one: what the template writes
 * behind it is nobody's answer. */
static kg_err encode_chat(const kg_chat *chat, const kg_model *model,
			  const kg_chat_message *messages, size_t messages_count, uint32_t **ids,
			  size_t *count)
{
	const kg_tokenizer *tokenizer = kg_model_tokenizer(model);
	bool asks = messages_count == 1;
	kg_err err = kg_chat_encode(chat, tokenizer, messages, messages_count, asks, ids, count);
	uint32_t end = kg_prompt_get_end(model).token;
	if (err != KG_OK || asks || end == KG_TOKENIZER_NONE) {
		return err;
	}
	for (size_t i = *count; i > 0; i--) {
		if ((*ids)[i - 1] == end) {
			*count = i;
			break;
		}
	}
	return KG_OK;
}

kg_err kg_prompt_encode(const kg_model *model, const void *prompt, size_t size, const void *answer,
			size_t answer_size, uint32_t **ids, size_t *count)
{
	const kg_tokenizer *tokenizer = kg_model_tokenizer(model);
	const kg_chat_message messages[] = {{KG_CHAT_USER, prompt, size},
					    {KG_CHAT_ASSISTANT, answer, answer_size}};
	kg_chat chat;
	bool bos = kg_tokenizer_get_rules(tokenizer)->add_bos;
	if (kg_prompt_is_chat(&chat, model)) {
		return encode_chat(&chat, model, messages, answer ? 2 : 1, ids, count);
	}
	if (!answer) {
		return kg_tokenizer_encode(tokenizer, prompt, size, bos, ids, count);
	}
	const char *stop = kg_model_get_prompt(model)->stop;
	kg_buf text;
	kg_buf_init(&text, (size_t)2 * KG_PROMPT_SIZE_MAX);
	kg_buf_put(&text, prompt, size);
	kg_buf_put(&text, answer, answer_size);
	kg_buf_puts(&text, stop ? stop : "");
	kg_err err = kg_buf_ok(&text);
	if (err == KG_OK) {
		err = kg_tokenizer_encode(tokenizer, text.data, text.size, bos, ids, count);
	}
	kg_buf_release(&text);
	return err;
}

static kg_err tokens_of(size_t *count, const kg_model *model, const kg_buf *text)
{
	uint32_t *ids = NULL;
	kg_err err = kg_prompt_encode(model, text->data, text->size, NULL, 0, &ids, count);
	if (err == KG_OK) {
		free(ids);
	}
	return err;
}

/* The question in the model's form. */
static kg_err put_question(kg_buf *out, const kg_model_prompt *form, const char *question)
{
	size_t size = strlen(question);
	if (!kg_prompt_has_form(form) || kg_prompt_is_formed(form, question, size)) {
		kg_buf_put(out, question, size);
		return kg_buf_ok(out);
	}
	kg_buf_puts(out, form->prefix);
	size_t start = out->size;
	kg_prompt_line(out, question, size);
	if (out->size == start) {
		return kg_fail(KG_EINVAL, "the question is empty");
	}
	kg_buf_puts(out, form->suffix);
	return kg_buf_ok(out);
}

/* Lines of which bit i of `used` is set, then the question. */
static kg_err assemble(kg_buf *out, const kg_model_prompt *form, uint32_t used,
		       const char *const *recalled, uint32_t count, const kg_buf *question)
{
	kg_buf_clear(out);
	for (uint32_t i = 0; i < count; i++) {
		if (used & 1u << i) {
			kg_prompt_line(out, recalled[i], strlen(recalled[i]));
			kg_buf_puts(out, form->stop && form->stop[0] ? form->stop : "\n");
		}
	}
	kg_buf_put(out, question->data, question->size);
	return kg_buf_ok(out);
}

/* Which recalled lines fit before the question in `room` tokens, greedily by relevance. */
static kg_err choose(uint32_t *used, const kg_model *model, size_t room,
		     const char *const *recalled, uint32_t count, const kg_buf *question)
{
	const kg_model_prompt *form = kg_model_get_prompt(model);
	kg_buf line;
	kg_buf trial;
	kg_buf_init(&line, KG_PROMPT_SIZE_MAX);
	kg_buf_init(&trial, KG_PROMPT_SIZE_MAX);
	kg_err err = KG_OK;
	uint32_t chosen = 0;
	for (uint32_t i = 0; i < count; i++) {
		kg_buf_clear(&line);
		kg_prompt_line(&line, recalled[i], strlen(recalled[i]));
		if (kg_buf_ok(&line) != KG_OK ||
		    !kg_prompt_is_lore(form, kg_buf_text(&line), line.size)) {
			continue;
		}
		size_t tokens = 0;
		err = assemble(&trial, form, chosen | 1u << i, recalled, count, question);
		if (err == KG_EFULL) {
			continue;
		}
		if (err == KG_OK) {
			err = tokens_of(&tokens, model, &trial);
		}
		if (err != KG_OK) {
			goto done;
		}
		if (tokens <= room) {
			chosen |= 1u << i;
		}
	}
	err = KG_OK;
	*used = chosen;
done:
	kg_buf_release(&trial);
	kg_buf_release(&line);
	return err;
}

kg_err kg_prompt_build(kg_buf *out, uint32_t *used, const kg_model *model, uint32_t max_tokens,
		       const char *question, const char *const *recalled, uint32_t count)
{
	const kg_model_prompt *form = kg_model_get_prompt(model);
	uint32_t context = kg_model_get_config(model)->context;
	size_t room = max_tokens < context ? context - max_tokens : 0;
	if (question[0] == '\0') {
		return kg_fail(KG_EINVAL, "the question is empty");
	}
	if (count > KG_PROMPT_RECALLED_MAX) {
		count = KG_PROMPT_RECALLED_MAX;
	}

	kg_buf asked;
	kg_buf whole;
	kg_buf_init(&asked, KG_PROMPT_SIZE_MAX);
	kg_buf_init(&whole, KG_PROMPT_SIZE_MAX);
	uint32_t chosen = 0;
	size_t tokens = 0;
	kg_err err = put_question(&asked, form, question);
	if (err == KG_OK) {
		err = tokens_of(&tokens, model, &asked);
	}
	if (err == KG_OK && tokens > room) {
		err = kg_fail(KG_EFULL,
			      "the question takes %zu tokens; the model reads %u, of which %u are "
			      "kept for the answer",
			      tokens, context, max_tokens);
	}
	if (err == KG_OK && kg_prompt_has_form(form)) {
		err = choose(&chosen, model, room, recalled, count, &asked);
	}
	if (err == KG_OK) {
		err = assemble(&whole, form, chosen, recalled, count, &asked);
	}
	if (err == KG_OK) {
		kg_buf_put(out, whole.data, whole.size);
		err = kg_buf_ok(out);
	}
	if (err == KG_OK) {
		*used = chosen;
	}
	kg_buf_release(&whole);
	kg_buf_release(&asked);
	return err;
}
