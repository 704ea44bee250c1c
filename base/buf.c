/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kg_buf_init(kg_buf *buf, size_t size_max)
{
	*buf = (kg_buf){.size_max = size_max};
}

void kg_buf_release(kg_buf *buf)
{
	free(buf->data);
	*buf = (kg_buf){.size_max = buf->size_max};
}

void kg_buf_clear(kg_buf *buf)
{
	buf->size = 0;
	buf->failed = KG_OK;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

uint8_t *kg_buf_reserve(kg_buf *buf, size_t size)
{
	size_t want = buf->room < 64 ? 64 : buf->room;
	uint8_t *grown;

	if (buf->failed != KG_OK)
		return NULL;
	if (size > buf->size_max || buf->size > buf->size_max - size) {
		buf->failed = KG_EFULL;
		return NULL;
	}
	if (buf->data != NULL && buf->room - buf->size >= size)
		return buf->data + buf->size;
	while (want - buf->size < size && want <= SIZE_MAX / 4)
		want *= 2;
	if (want > buf->size_max)
		want = buf->size_max; /* enough: size_max was checked above */
	grown = want - buf->size < size ? NULL : realloc(buf->data, want + 1);
	if (grown == NULL) {
		buf->failed = KG_ENOMEM;
		return NULL;
	}
	buf->data = grown;
	buf->room = want;
	buf->data[buf->size] = '\0';
	return buf->data + buf->size;
}

void kg_buf_added(kg_buf *buf, size_t size)
{
	KG_ASSERT(size <= buf->room - buf->size);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

void kg_buf_put(kg_buf *buf, const void *data, size_t size)
{
	uint8_t *at = kg_buf_reserve(buf, size);

	if (at == NULL)
		return;
	if (size > 0)
		memcpy(at, data, size);
	kg_buf_added(buf, size);
}

void kg_buf_puts(kg_buf *buf, const char *text)
{
	kg_buf_put(buf, text, strlen(text));
}

void kg_buf_printf(kg_buf *buf, const char *fmt, ...)
{
	va_list ap;
	va_list again;
	int length;

	va_start(ap, fmt);
	va_copy(again, ap);
	length = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	KG_ASSERT(length >= 0);
	/* One byte more than the text, for the terminator vsnprintf insists on writing. */
	if (kg_buf_reserve(buf, (size_t)length) != NULL) {
		(void)vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, fmt, again);
		kg_buf_added(buf, (size_t)length);
	}
	va_end(again);
}

void kg_buf_put_u8(kg_buf *buf, uint8_t v)
{
	kg_buf_put(buf, &v, 1);
}

void kg_buf_put_u32le(kg_buf *buf, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

	kg_buf_put(buf, b, sizeof(b));
}

void kg_buf_put_u64le(kg_buf *buf, uint64_t v)
{
	kg_buf_put_u32le(buf, (uint32_t)v);
	kg_buf_put_u32le(buf, (uint32_t)(v >> 32));
}

void kg_buf_put_u32be(kg_buf *buf, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	kg_buf_put(buf, b, sizeof(b));
}

kg_err kg_buf_ok(const kg_buf *buf)
{
	if (buf->failed == KG_EFULL)
		return kg_fail(KG_EFULL, "more than %zu bytes", buf->size_max);
	if (buf->failed != KG_OK)
		return kg_fail(buf->failed, "no memory for %zu bytes", buf->size);
	return KG_OK;
}

const char *kg_buf_text(const kg_buf *buf)
{
	return buf->data == NULL ? "" : (const char *)buf->data;
}

uint8_t *kg_buf_take(kg_buf *buf, size_t *size)
{
	uint8_t *data = buf->data;

	if (size != NULL)
		*size = buf->size;
	*buf = (kg_buf){.size_max = buf->size_max};
	return data;
}
