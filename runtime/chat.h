/* SPDX-License-Identifier: MIT */
/*
 * chat – a conversation as the text and tokens that a tuned model was taught to read.
 *
 * The common families from a table of our own; nothing of a template is executed. What a template
 * writes (markup) and what people said are kept apart, so that "<|im_end|>" in a message is text
 * and ends nothing.
 */
#ifndef KG_RUNTIME_CHAT_H
#define KG_RUNTIME_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/tokenizer.h"

enum {
	KG_CHAT_TEMPLATE_MAX = 64 << 10, /* bytes of a template */
	KG_CHAT_SYSTEM_MAX = 512,        /* bytes of a template's own system text */
	KG_CHAT_MESSAGES_MAX = 1024,
};

typedef enum {
	KG_CHAT_CHATML, /* Qwen, SmolLM and many more */
	KG_CHAT_LLAMA3,
	KG_CHAT_LLAMA2,
	KG_CHAT_ZEPHYR, /* TinyLlama too */
	KG_CHAT_COUNT,
} kg_chat_kind;

typedef struct {
	kg_chat_kind kind;
	char system[KG_CHAT_SYSTEM_MAX]; /* said where no system message is: Qwen's and SmolLM's */
	const char *preamble;            /* before every system text: Llama 3.1's; or NULL */
} kg_chat;

typedef enum { KG_CHAT_SYSTEM, KG_CHAT_USER, KG_CHAT_ASSISTANT } kg_chat_role;

typedef struct {
	kg_chat_role role;
	const char *text;
	size_t size;
} kg_chat_message;

/* The family of a template as tokenizer.chat_template has it, or of its name: "chatml", "llama3",
 * "llama2", "zephyr". KG_EINVAL when it is none of these. */
KG_NODISCARD kg_err kg_chat_recognise(kg_chat *out, const char *template, size_t size);

const char *kg_chat_name(kg_chat_kind kind);

/* The text that ends an answer, a token of its own; NULL: the eos token. */
const char *kg_chat_end(const kg_chat *chat);

/*
 * Appends the conversation as text, and the head of an answer when `answer`. White space of ASCII
 * around a message is dropped where the family does so. The tokenizer gives the texts of bos and
 * eos. KG_EINVAL for no or too many messages, and for Llama 2 when user and assistant do not take
 * turns after at most one system message.
 */
KG_NODISCARD kg_err kg_chat_render(const kg_chat *chat, const kg_tokenizer *tokenizer,
				   const kg_chat_message *messages, size_t messages_count,
				   bool answer, kg_buf *out);

/* The same as ids; free(*ids). Control tokens come from markup only. Also as
 * kg_tokenizer_encode_parts. */
KG_NODISCARD kg_err kg_chat_encode(const kg_chat *chat, const kg_tokenizer *tokenizer,
				   const kg_chat_message *messages, size_t messages_count,
				   bool answer, uint32_t **ids, size_t *count);

#endif
