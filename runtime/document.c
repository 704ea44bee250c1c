/* SPDX-License-Identifier: MIT */
#include "runtime/document.h"

#include <stdlib.h>
#include <string.h>

static const char separator[] = "<|endoftext|>";

void kg_document_init(kg_document_reader *reader, const char *text, size_t size)
{
	*reader = (kg_document_reader){.text = text, .size = size};
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_separator(const char *line, size_t size)
{
	if (size > 0 && line[size - 1] == '\r')
		size--;
	return size == sizeof(separator) - 1 && memcmp(line, separator, size) == 0;
}

/* The raw text up to the next separator line or the end. */
static void read_raw(kg_document_reader *reader, size_t *start, size_t *end)
{
	*start = reader->at;
	while (reader->at < reader->size) {
		const char *line = reader->text + reader->at;
		size_t left = reader->size - reader->at;
		const char *newline = memchr(line, '\n', left);
		size_t length = newline == NULL ? left : (size_t)(newline - line);

		*end = reader->at;
		reader->at += newline == NULL ? left : length + 1;
		if (is_separator(line, length))
			return;
	}
	*end = reader->size;
}

bool kg_document_next(kg_document_reader *reader, const char **document, size_t *size)
{
	while (reader->at < reader->size) {
		size_t start;
		size_t end;

		read_raw(reader, &start, &end);
		while (start < end && is_blank(reader->text[start]))
			start++;
		while (start < end && is_blank(reader->text[end - 1]))
			end--;
		if (start == end)
			continue;
		*document = reader->text + start;
		*size = end - start;
		return true;
	}
	return false;
}

/* Appends count ids; grows by doubling. */
static kg_err append(uint32_t **all, size_t *used, size_t *room, const uint32_t *ids, size_t count)
{
	if (*all == NULL || *room - *used < count) {
		size_t wanted = 2 * (*used + count) + 1;
		uint32_t *grown = reallocarray(*all, wanted, sizeof(**all));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu tokens", wanted);
		*all = grown;
		*room = wanted;
	}
	memcpy(*all + *used, ids, count * sizeof(*ids));
	*used += count;
	return KG_OK;
}

kg_err kg_document_stream(uint32_t **ids, size_t *count, const kg_tokenizer *tokenizer,
			  const char *text, size_t size)
{
	kg_document_reader reader;
	const char *document;
	size_t document_size;
	uint32_t *all = NULL;
	size_t used = 0;
	size_t room = 0;

	kg_document_init(&reader, text, size);
	while (kg_document_next(&reader, &document, &document_size)) {
		uint32_t *some;
		size_t some_count;
		kg_err err = kg_tokenizer_encode(tokenizer, document, document_size, true, &some,
						 &some_count);

		if (err == KG_OK) {
			err = append(&all, &used, &room, some, some_count);
			free(some);
		}
		if (err != KG_OK) {
			free(all);
			return err;
		}
	}
	if (used == 0)
		return kg_fail(KG_EINVAL, "the text holds no document");
	*ids = all;
	*count = used;
	return KG_OK;
}
