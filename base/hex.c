/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void kg_hex_encode(char *text, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		text[2 * i] = hex_digits[data[i] >> 4];
		text[2 * i + 1] = hex_digits[data[i] & 15];
	}
	text[2 * size] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool kg_hex_is(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (hex_value(text[i]) < 0)
			return false;
	return true;
}

kg_err kg_hex_decode(uint8_t *data, size_t size, const char *text)
{
	if (strnlen(text, 2 * size + 1) != 2 * size || !kg_hex_is(text, 2 * size))
		return kg_fail(KG_EINVAL, "not %zu lowercase hex digits", 2 * size);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)((unsigned)hex_value(text[2 * i]) << 4 |
				    (unsigned)hex_value(text[2 * i + 1]));
	return KG_OK;
}

size_t kg_base64_size(size_t size)
{
	return (size + 2) / 3 * 4 + 1;
}

void kg_base64_encode(char *text, const uint8_t *data, size_t size)
{
	size_t i = 0;

	for (; i + 2 < size; i += 3) {
		uint32_t v = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];

		*text++ = b64_digits[v >> 18];
		*text++ = b64_digits[v >> 12 & 63];
		*text++ = b64_digits[v >> 6 & 63];
		*text++ = b64_digits[v & 63];
	}
	if (i < size) {
		bool two = i + 1 < size;
		uint32_t v = (uint32_t)data[i] << 16 | (two ? (uint32_t)data[i + 1] << 8 : 0);

		*text++ = b64_digits[v >> 18];
		*text++ = b64_digits[v >> 12 & 63];
		*text++ = (char)(two ? b64_digits[v >> 6 & 63] : '=');
		*text++ = '=';
	}
	*text = '\0';
}

/* By ranges: this is on the way of every signature that is read. */
static int b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

kg_err kg_base64_decode(uint8_t *data, size_t *size, const char *text, size_t length)
{
	size_t pad = 0;
	size_t out = 0;

	if (length % 4 != 0)
		return kg_fail(KG_ECORRUPT, "base64: length %zu is not a multiple of 4", length);
	while (pad < 2 && pad < length && text[length - 1 - pad] == '=')
		pad++;
	if (length / 4 * 3 - pad > *size)
		return kg_fail(KG_EFULL, "base64: more than %zu bytes", *size);
	for (size_t i = 0; i < length - pad; i++)
		if (b64_value(text[i]) < 0)
			return kg_fail(KG_ECORRUPT, "base64: bad digit at %zu", i);
	/* One padding sign leaves 2 bits of the last digit unused, two leave 4. */
	if (pad > 0 && (b64_value(text[length - 1 - pad]) & (pad == 1 ? 3 : 15)) != 0)
		return kg_fail(KG_ECORRUPT, "base64: stray bits at the end");
	for (size_t i = 0; i < length; i += 4) {
		size_t skip = i + 4 == length ? pad : 0;
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++)
			v = v << 6 | (uint32_t)(k >= 4 - skip ? 0 : b64_value(text[i + k]));
		data[out++] = (uint8_t)(v >> 16);
		if (skip < 2)
			data[out++] = (uint8_t)(v >> 8);
		if (skip < 1)
			data[out++] = (uint8_t)v;
	}
	*size = out;
	return KG_OK;
}
