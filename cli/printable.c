/* SPDX-License-Identifier: MIT */
#include "cli/printable.h"

#include <stdbool.h>
#include <string.h>

#include "memory/quote.h"

/* Both sets of control characters, line and paragraph separators, embeddings, overrides and
 * isolates of direction. */
static bool gives_orders(uint32_t point)
{
	return (point < 0x20 && point != '\t') || (point >= 0x7f && point <= 0x9f) ||
	       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

void kg_printable(FILE *out, const char *text, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)text;

	for (size_t i = 0; i < size;) {
		uint32_t point = bytes[i];
		size_t step = point < 0x80 ? 1 : kg_utf8_step(&point, bytes + i, size - i);

		if (step == 0 || gives_orders(point))
			(void)fputc('?', out);
		else
			(void)fwrite(text + i, 1, step, out);
		i += step > 0 ? step : 1;
	}
}

void kg_printable_lines(FILE *out, const char *indent, const char *text, size_t size)
{
	const char *end;

	while (size > 0 && (end = memchr(text, '\n', size)) != NULL) {
		size_t line = (size_t)(end - text);

		kg_printable(out, text, line);
		(void)fprintf(out, "\n%s", line + 1 < size ? indent : "");
		text += line + 1;
		size -= line + 1;
	}
	kg_printable(out, text, size);
}
