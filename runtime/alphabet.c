/* SPDX-License-Identifier: MIT */
#include "runtime/alphabet.h"

#include <stdbool.h>

enum { FIRST_STAND_IN = 0x100, STAND_INS = 68, NONE = -1 };

/* Whether a byte is its own letter. */
static bool visible(int byte)
{
	return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* The others in ascending order: 33 up to the space, 34 from U+007F, U+00AD. */
static int stand_in_of(int byte)
{
	if (byte <= ' ')
		return FIRST_STAND_IN + byte;
	return byte == 0xad ? FIRST_STAND_IN + STAND_INS - 1 : FIRST_STAND_IN + 33 + byte - 0x7f;
}

static int byte_of(int point)
{
	int index = point - FIRST_STAND_IN;

	if (point < FIRST_STAND_IN)
		return visible(point) ? point : NONE;
	if (index >= STAND_INS)
		return NONE;
	if (index == STAND_INS - 1)
		return 0xad;
	return index <= ' ' ? index : 0x7f + index - 33;
}

size_t kg_alphabet_encode(char *to, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		int point = visible(from[i]) ? from[i] : stand_in_of(from[i]);

		if (point >= 0x80) {
			to[used++] = (char)(0xc0 | point >> 6);
			to[used++] = (char)(0x80 | (point & 0x3f));
		} else {
			to[used++] = (char)point;
		}
	}
	return used;
}

size_t kg_alphabet_decode(char *to, const char *letters, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		int first = (uint8_t)letters[i];
		int second = i + 1 < size ? (uint8_t)letters[i + 1] : 0;
		int byte = NONE;

		/* Two-byte letters only; 0xc0 and 0xc1 would be overlong. */
		if (first >= 0xc2 && first <= 0xdf && (second & 0xc0) == 0x80)
			byte = byte_of((first & 0x1f) << 6 | (second & 0x3f));
		if (byte == NONE) {
			to[used++] = letters[i];
		} else {
			to[used++] = (char)byte;
			i++;
		}
	}
	return used;
}
