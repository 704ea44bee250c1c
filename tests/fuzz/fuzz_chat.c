/* SPDX-License-Identifier: MIT */
/*
 * fuzz_chat – a template and messages from any bytes: what is recognised renders, and is the same
 * text as ids; no message writes a control token.
 *
 * Input: the length of the template (two bytes), the template, then messages: role and length in
 * one byte each, the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES = 8 };

static size_t take_messages(const uint8_t *data, size_t size, kg_chat_message *messages)
{
	size_t count = 0;

	while (size >= 2 && count < MESSAGES) {
		size_t length = data[1] < size - 2 ? data[1] : size - 2;

		messages[count++] = (kg_chat_message){(kg_chat_role)(data[0] % 3),
						      (const char *)data + 2, length};
		data += 2 + length;
		size -= 2 + length;
	}
	return count;
}

/* Control tokens of the template; those of the byte model are written as 3 and 4 bytes. */
static size_t controls_of(const kg_tokenizer *t, const uint32_t *ids, size_t count, size_t *bytes)
{
	size_t controls = 0;

	*bytes = 0;
	for (size_t i = 0; i < count; i++) {
		size_t size;

		if (kg_tokenizer_kind(t, ids[i]) == KG_TOKEN_CONTROL) {
			(void)kg_tokenizer_piece(t, ids[i], &size);
			*bytes += size;
			controls++;
		} else {
			*bytes += 1;
		}
	}
	return controls;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_chat_message messages[MESSAGES];
	kg_tokenizer *t = NULL;
	kg_chat chat;
	size_t template;
	size_t count;
	kg_buf text;

	if (size < 2)
		return 0;
	template = (size_t)data[0] << 8 | data[1];
	template = template <size - 2 ? template : size - 2;
	if (kg_chat_recognise(&chat, (const char *)data + 2, template) != KG_OK)
		return 0;
	count = take_messages(data + 2 + template, size - 2 - template, messages);
	if (kg_tokenizer_byte_model(&t) != KG_OK)
		abort();
	kg_buf_init(&text, 1 << 20);
	if (kg_chat_render(&chat, t, messages, count, true, &text) == KG_OK) {
		uint32_t *ids = NULL;
		size_t ids_count;
		size_t bytes;

		if (kg_chat_encode(&chat, t, messages, count, true, &ids, &ids_count) != KG_OK)
			abort();
		/* One for bos or eos of each message, at most. */
		if (controls_of(t, ids, ids_count, &bytes) > count + 2 || bytes != text.size)
			abort();
		free(ids);
	}
	kg_buf_release(&text);
	kg_tokenizer_free(t);
	return 0;
}
