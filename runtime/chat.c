/* SPDX-License-Identifier: MIT */
#include "runtime/chat.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS_PER_MESSAGE = 8 };

/* What stands around a message of the families where every message stands alone. */
static const struct {
	const char *name;
	const char *head;   /* before the role */
	const char *middle; /* between role and text */
	const char *end;    /* the token after the text; NULL: eos */
	const char *tail;   /* after that */
	bool bos;           /* a conversation starts with bos */
	bool trim;
} families[KG_CHAT_COUNT] = {
	[KG_CHAT_CHATML] = {"chatml", "<|im_start|>", "\n", "<|im_end|>", "\n", false, false},
	[KG_CHAT_LLAMA3] = {"llama3", "<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>",
			    "", true, true},
	[KG_CHAT_LLAMA2] = {"llama2", "[INST] ", " [/INST]", NULL, "", true, true},
	[KG_CHAT_ZEPHYR] = {"zephyr", "<|", "|>\n", NULL, "\n", false, false},
};

static const char *const roles[] = {"system", "user", "assistant"};

/* Llama 3.1's and 3.3's, with the date that the template itself falls back to. */
static const char llama31[] = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";

static const char *find(const char *text, size_t size, const char *what)
{
	return memmem(text, size, what, strlen(what));
}

/* The system text that a ChatML template spells for conversations that have none: what follows the
 * head of a system message within one string. Returns false when it is there and too long. */
static bool own_system(kg_chat *chat, const char *template, size_t size)
{
	static const char head[] = "<|im_start|>system\\n";
	const char *end = template + size;
	const char *at = template;

	while ((at = find(at, (size_t)(end - at), head)) != NULL) {
		const char *stop;
		size_t length;

		at += sizeof(head) - 1;
		if (at == end || *at == '\'' || *at == '"')
			continue;
		stop = find(at, (size_t)(end - at), "<|im_end|>");
		length = stop == NULL ? 0 : (size_t)(stop - at);
		if (length >= sizeof(chat->system) || memchr(at, '\\', length) != NULL)
			return false;
		memcpy(chat->system, at, length);
		chat->system[length] = '\0';
		return true;
	}
	return true;
}

static kg_err unknown(const char *why)
{
	return kg_fail(KG_EINVAL, "chat template: %s; chatml, llama3, llama2 and zephyr are known",
		       why);
}

kg_err kg_chat_recognise(kg_chat *out, const char *template, size_t size)
{
	kg_chat chat = {.kind = KG_CHAT_COUNT};

	if (size > KG_CHAT_TEMPLATE_MAX)
		return kg_fail(KG_EINVAL, "chat template: more than %d bytes",
			       KG_CHAT_TEMPLATE_MAX);
	for (int kind = 0; kind < KG_CHAT_COUNT; kind++)
		if (strlen(families[kind].name) == size &&
		    memcmp(families[kind].name, template, size) == 0)
			chat.kind = (kg_chat_kind)kind;
	if (chat.kind == KG_CHAT_COUNT && find(template, size, "{{") == NULL)
		return unknown("no template and no name that is known");
	if (chat.kind != KG_CHAT_COUNT)
		; /* a name */
	else if (find(template, size, "<|im_start|>") != NULL &&
		 find(template, size, "<|im_sep|>") == NULL)
		chat.kind = KG_CHAT_CHATML;
	else if (find(template, size, "<|start_header_id|>") != NULL)
		chat.kind = KG_CHAT_LLAMA3;
	else if (find(template, size, "[INST]") != NULL && find(template, size, "<<SYS>>") != NULL)
		chat.kind = KG_CHAT_LLAMA2;
	else if (find(template, size, "<|user|>") != NULL &&
		 find(template, size, "eos_token") != NULL &&
		 find(template, size, "<|end|>") == NULL)
		chat.kind = KG_CHAT_ZEPHYR;
	else
		return unknown("of no family that is known");
	if (chat.kind == KG_CHAT_CHATML && !own_system(&chat, template, size))
		return unknown("its system text is not plain or too long");
	if (chat.kind == KG_CHAT_LLAMA3 && find(template, size, "Cutting Knowledge Date") != NULL)
		chat.preamble = llama31;
	*out = chat;
	return KG_OK;
}

const char *kg_chat_name(kg_chat_kind kind)
{
	return families[kind].name;
}

const char *kg_chat_end(const kg_chat *chat)
{
	return families[chat->kind].end;
}

typedef struct {
	const kg_chat *chat;
	const char *bos;
	const char *eos;
	kg_tokenizer_part *parts;
	size_t count;
} writer;

static void say(writer *w, const char *text, size_t size)
{
	w->parts[w->count++] = (kg_tokenizer_part){text, size, false};
}

static void mark(writer *w, const char *text)
{
	w->parts[w->count++] = (kg_tokenizer_part){text, strlen(text), true};
}

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static kg_chat_message trimmed_right(kg_chat_message m)
{
	while (m.size > 0 && blank(m.text[m.size - 1]))
		m.size--;
	return m;
}

static kg_chat_message trimmed(kg_chat_message m)
{
	m = trimmed_right(m);
	while (m.size > 0 && blank(m.text[0])) {
		m.text++;
		m.size--;
	}
	return m;
}

static void put_message(writer *w, const kg_chat_message *message)
{
	kg_chat_kind kind = w->chat->kind;
	kg_chat_message m = families[kind].trim ? trimmed(*message) : *message;

	mark(w, families[kind].head);
	mark(w, roles[m.role]);
	mark(w, families[kind].middle);
	if (m.role == KG_CHAT_SYSTEM && w->chat->preamble != NULL)
		mark(w, w->chat->preamble);
	say(w, m.text, m.size);
	mark(w, families[kind].end == NULL ? w->eos : families[kind].end);
	mark(w, families[kind].tail);
}

static void put_messages(writer *w, const kg_chat_message *messages, size_t count, bool answer)
{
	const kg_chat *chat = w->chat;
	kg_chat_kind kind = chat->kind;

	if (families[kind].bos)
		mark(w, w->bos);
	if (messages[0].role != KG_CHAT_SYSTEM &&
	    (chat->system[0] != '\0' || chat->preamble != NULL))
		put_message(w,
			    &(kg_chat_message){KG_CHAT_SYSTEM, chat->system, strlen(chat->system)});
	for (size_t i = 0; i < count; i++)
		put_message(w, &messages[i]);
	if (!answer)
		return;
	mark(w, families[kind].head);
	mark(w, roles[KG_CHAT_ASSISTANT]);
	mark(w, families[kind].middle);
}

/* Llama 2: a system text is part of the first question, and every question starts with bos. */
static kg_err put_turns(writer *w, const kg_chat_message *messages, size_t count)
{
	bool system = messages[0].role == KG_CHAT_SYSTEM;

	for (size_t i = system; i < count; i++) {
		kg_chat_message m = trimmed(messages[i]);
		bool question = (i - system) % 2 == 0;

		if (m.role != (question ? KG_CHAT_USER : KG_CHAT_ASSISTANT))
			return kg_fail(KG_EINVAL, "chat: message %zu is not the %s's", i,
				       question ? "user" : "assistant");
		if (!question) {
			mark(w, " ");
			say(w, m.text, m.size);
			mark(w, " ");
			mark(w, w->eos);
			continue;
		}
		mark(w, w->bos);
		mark(w, families[KG_CHAT_LLAMA2].head);
		if (system && i == 1) {
			/* The template trims the two as one. */
			m = trimmed_right(messages[1]);
			mark(w, "<<SYS>>\n");
			say(w, messages[0].text, messages[0].size);
			mark(w, "\n<</SYS>>\n\n");
		}
		say(w, m.text, m.size);
		mark(w, families[KG_CHAT_LLAMA2].middle);
	}
	return KG_OK;
}

/* The text of a token, "" for none. */
static const char *piece(const kg_tokenizer *t, uint32_t id)
{
	size_t size;

	return id == KG_TOKENIZER_NONE ? "" : kg_tokenizer_piece(t, id, &size);
}

/* The conversation in parts; free(*parts). */
static kg_err write_parts(const kg_chat *chat, const kg_tokenizer *tokenizer,
			  const kg_chat_message *messages, size_t count, bool answer,
			  kg_tokenizer_part **parts, size_t *parts_count)
{
	const kg_tokenizer_rules *rules = kg_tokenizer_get_rules(tokenizer);
	writer w = {.chat = chat,
		    .bos = piece(tokenizer, rules->bos),
		    .eos = piece(tokenizer, rules->eos)};
	kg_err err = KG_OK;

	if (count == 0 || count > KG_CHAT_MESSAGES_MAX)
		return kg_fail(KG_EINVAL, "chat: %zu messages; 1..%d are allowed", count,
			       KG_CHAT_MESSAGES_MAX);
	/* Two more: a system message of the template's and the head of an answer. */
	w.parts = calloc((count + 2) * PARTS_PER_MESSAGE, sizeof(*w.parts));
	if (w.parts == NULL)
		return kg_fail(KG_ENOMEM, "chat: no memory for %zu messages", count);
	if (chat->kind == KG_CHAT_LLAMA2)
		err = put_turns(&w, messages, count);
	else
		put_messages(&w, messages, count, answer);
	if (err != KG_OK) {
		free(w.parts);
		return err;
	}
	*parts = w.parts;
	*parts_count = w.count;
	return KG_OK;
}

kg_err kg_chat_render(const kg_chat *chat, const kg_tokenizer *tokenizer,
		      const kg_chat_message *messages, size_t messages_count, bool answer,
		      kg_buf *out)
{
	kg_tokenizer_part *parts = NULL;
	size_t count = 0;
	kg_err err = write_parts(chat, tokenizer, messages, messages_count, answer, &parts, &count);

	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < count; i++)
		kg_buf_put(out, parts[i].text, parts[i].size);
	free(parts);
	return kg_buf_ok(out);
}

kg_err kg_chat_encode(const kg_chat *chat, const kg_tokenizer *tokenizer,
		      const kg_chat_message *messages, size_t messages_count, bool answer,
		      uint32_t **ids, size_t *count)
{
	kg_tokenizer_part *parts = NULL;
	size_t parts_count = 0;
	kg_err err = write_parts(chat, tokenizer, messages, messages_count, answer, &parts,
				 &parts_count);

	if (err != KG_OK)
		return err;
	err = kg_tokenizer_encode_parts(tokenizer, parts, parts_count, false, ids, count);
	free(parts);
	return err;
}
