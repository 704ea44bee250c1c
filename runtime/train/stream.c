/* SPDX-License-Identifier: MIT */
/* Text files as one stream of tokens: BOS document BOS document … */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/train_impl.h"

#define SEPARATOR "<|endoftext|>"

enum { TEXT_SIZE_MAX = 1 << 30 };

static bool blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void append(kg_stream *stream, const char *bytes, size_t size)
{
	while (size > 0 && blank(bytes[0])) {
		bytes++;
		size--;
	}
	while (size > 0 && blank(bytes[size - 1]))
		size--;
	if (size == 0)
		return;
	stream->document[stream->documents++] = (uint32_t)stream->size;
	stream->token[stream->size++] = KG_TRAIN_BOS;
	for (size_t i = 0; i < size; i++)
		stream->token[stream->size++] =
			(uint16_t)(KG_TRAIN_BYTE_0 + (unsigned char)bytes[i]);
}

static bool starts(const char *line, size_t size, const char *what)
{
	size_t length = strlen(what);

	return size >= length && memcmp(line, what, length) == 0;
}

static bool starts_document(const kg_train_text *text, const char *line, size_t size)
{
	for (uint32_t i = 0; i < text->prefix_count; i++)
		if (starts(line, size, text->prefix[i]))
			return true;
	return false;
}

kg_err kg_train__stream_parse(kg_stream *stream, const kg_train_text *text, const char *bytes,
			      size_t size)
{
	size_t lines = 1;
	size_t begin = 0;

	for (size_t i = 0; i < size; i++)
		lines += bytes[i] == '\n';
	/* Each document costs one BOS and is at least a line. */
	*stream = (kg_stream){.token = malloc((size + lines + 1) * sizeof(*stream->token)),
			      .document = malloc((lines + 1) * sizeof(*stream->document))};
	if (stream->token == NULL || stream->document == NULL) {
		kg_train__stream_free(stream);
		return kg_fail(KG_ENOMEM, "text %s: no memory for %zu bytes", text->name, size);
	}
	for (size_t at = 0; at < size;) {
		const char *end = memchr(bytes + at, '\n', size - at);
		size_t next = end == NULL ? size : (size_t)(end - bytes) + 1;

		if (starts(bytes + at, next - at, SEPARATOR)) {
			append(stream, bytes + begin, at - begin);
			begin = next;
		} else if (starts_document(text, bytes + at, next - at)) {
			append(stream, bytes + begin, at - begin);
			begin = at;
		}
		at = next;
	}
	append(stream, bytes + begin, size - begin);
	if (stream->size >= 2)
		return KG_OK;
	kg_train__stream_free(stream);
	return kg_fail(KG_EINVAL, "text %s: there is nothing in it", text->name);
}

kg_err kg_train__stream_load(kg_stream *stream, const kg_train_text *text)
{
	FILE *file = fopen(text->path, "rbe");
	char *bytes = NULL;
	long size;
	kg_err err;

	if (file == NULL)
		return kg_fail_errno(errno, "text %s: %s", text->name, text->path);
	if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
	    fseek(file, 0, SEEK_SET) != 0) {
		err = kg_fail_errno(errno, "text %s: %s", text->name, text->path);
		goto done;
	}
	if (size > TEXT_SIZE_MAX) {
		err = kg_fail(KG_EFULL, "text %s: more than %d bytes", text->name, TEXT_SIZE_MAX);
		goto done;
	}
	bytes = malloc((size_t)size + 1);
	if (bytes == NULL) {
		err = kg_fail(KG_ENOMEM, "text %s: no memory for %ld bytes", text->name, size);
		goto done;
	}
	if (fread(bytes, 1, (size_t)size, file) != (size_t)size) {
		err = kg_fail(KG_EIO, "text %s: %s: cannot read", text->name, text->path);
		goto done;
	}
	err = kg_train__stream_parse(stream, text, bytes, (size_t)size);
done:
	free(bytes);
	fclose(file);
	return err;
}

void kg_train__stream_free(kg_stream *stream)
{
	free(stream->token);
	free(stream->document);
	*stream = (kg_stream){0};
}

kg_err kg_train__stream_hold_out(kg_stream *held_out, kg_stream *stream)
{
	size_t keep = stream->documents;
	size_t from;

	while (keep > 1 && stream->document[keep - 1] >= stream->size - stream->size / 20)
		keep--;
	/* One long document is cut instead. */
	from = keep < stream->documents ? stream->document[keep] : stream->size - stream->size / 20;
	held_out->size = stream->size - from;
	held_out->token = malloc((held_out->size + 1) * sizeof(*held_out->token));
	if (held_out->token == NULL)
		return kg_fail(KG_ENOMEM, "train: no memory for the held-out text");
	memcpy(held_out->token, stream->token + from, held_out->size * sizeof(*held_out->token));
	stream->size = from;
	stream->documents = keep;
	return KG_OK;
}
