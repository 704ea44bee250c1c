/* SPDX-License-Identifier: MIT */
#include "memory/quote.h"

#include <stdbool.h>
#include <string.h>

static bool is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t kg_utf8_step(uint32_t *point, const uint8_t *data, size_t size)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t value;
	size_t length;

	if (size == 0)
		return 0;
	if (data[0] < 0x80) {
		*point = data[0];
		return 1;
	}
	if (data[0] >= 0xc2 && data[0] < 0xe0) {
		length = 2;
		value = data[0] & 0x1fu;
	} else if (data[0] >= 0xe0 && data[0] < 0xf0) {
		length = 3;
		value = data[0] & 0x0fu;
	} else if (data[0] >= 0xf0 && data[0] < 0xf5) {
		length = 4;
		value = data[0] & 0x07u;
	} else {
		return 0;
	}
	if (length > size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (!is_tail(data[i]))
			return 0;
		value = value << 6 | (data[i] & 0x3fu);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*point = value;
	return length;
}

static bool is_control(uint32_t point)
{
	return point < 0x20 || point == 0x7f;
}

static void put_escaped(kg_buf *out, uint32_t point)
{
	switch (point) {
	case '"':
		kg_buf_puts(out, "\\\"");
		break;
	case '\\':
		kg_buf_puts(out, "\\\\");
		break;
	case '\n':
		kg_buf_puts(out, "\\n");
		break;
	case '\r':
		kg_buf_puts(out, "\\r");
		break;
	case '\t':
		kg_buf_puts(out, "\\t");
		break;
	default:
		kg_buf_printf(out, "\\u%04x", (unsigned)point);
	}
}

void kg_quote_put(kg_buf *out, const void *data, size_t size)
{
	const uint8_t *at = data;
	size_t plain = 0; /* bytes before `at` not yet written */

	kg_buf_put_u8(out, '"');
	while (size > 0) {
		uint32_t point = 0;
		size_t length = kg_utf8_step(&point, at, size);

		if (length > 0 && point != '"' && point != '\\' && !is_control(point)) {
			plain += length;
			at += length;
			size -= length;
			continue;
		}
		kg_buf_put(out, at - plain, plain);
		plain = 0;
		if (length == 0)
			kg_buf_printf(out, "\\x%02x", (unsigned)at[0]);
		else
			put_escaped(out, point);
		at++;
		size--;
	}
	if (plain > 0)
		kg_buf_put(out, at - plain, plain);
	kg_buf_put_u8(out, '"');
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* The byte that an escape at `text` (a backslash) stands for and the length of the escape; 0 for
 * none. Whether it is the form that would have been written is checked by writing it again. */
static size_t parse_escape(uint8_t *byte, const char *text, size_t length)
{
	static const char plain[] = "\"\\nrt";
	static const char stands_for[] = "\"\\\n\r\t";
	const char *found;
	size_t digits;

	if (length < 2)
		return 0;
	found = text[1] != '\0' ? strchr(plain, text[1]) : NULL;
	if (found != NULL) {
		*byte = (uint8_t)stands_for[found - plain];
		return 2;
	}
	if (text[1] == 'x')
		digits = 2;
	else if (length >= 6 && memcmp(text, "\\u00", 4) == 0)
		digits = 4;
	else
		return 0;
	if (length < digits + 2)
		return 0;
	if (hex_digit(text[digits]) < 0 || hex_digit(text[digits + 1]) < 0)
		return 0;
	*byte = (uint8_t)(hex_digit(text[digits]) << 4 | hex_digit(text[digits + 1]));
	return digits + 2;
}

static bool is_canonical(const uint8_t *data, size_t size, const char *text, size_t length)
{
	kg_buf again;
	bool same;

	kg_buf_init(&again, length + 1);
	kg_quote_put(&again, data, size);
	same = kg_buf_ok(&again) == KG_OK && again.size == length &&
	       memcmp(again.data, text, length) == 0;
	kg_buf_release(&again);
	return same;
}

kg_err kg_quote_parse(kg_buf *out, const char *text, size_t length)
{
	size_t start = out->size;
	kg_err err;

	if (length < 2 || text[0] != '"' || text[length - 1] != '"')
		return kg_fail(KG_ECORRUPT, "quoted text without its quotes");
	for (size_t i = 1; i < length - 1;) {
		uint8_t byte = (uint8_t)text[i];
		size_t step = 1;

		if (text[i] == '\\')
			step = parse_escape(&byte, text + i, length - 1 - i);
		if (step == 0)
			return kg_fail(KG_ECORRUPT, "quoted text with an unknown escape");
		kg_buf_put_u8(out, byte);
		i += step;
	}
	err = kg_buf_ok(out);
	if (err != KG_OK)
		return err;
	if (!is_canonical(out->data == NULL ? (const uint8_t *)"" : out->data + start,
			  out->size - start, text, length))
		return kg_fail(KG_ECORRUPT, "quoted text in another form than the only one");
	return KG_OK;
}
