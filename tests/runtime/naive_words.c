/* SPDX-License-Identifier: MIT */
#include "tests/runtime/naive_words.h"

#include <stdbool.h>
#include <string.h>

#include <utf8proc.h>

typedef struct {
	int32_t points[NAIVE_TEXT_MAX + 1]; /* -1 after the last */
	uint32_t starts[NAIVE_TEXT_MAX + 1];
	size_t count;
} points;

static bool letter(int32_t c)
{
	utf8proc_category_t category = c < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);

	return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool number(int32_t c)
{
	utf8proc_category_t category = c < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);

	return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

/* White_Space of the Unicode database's PropList. */
static bool space(int32_t c)
{
	return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

static bool line_end(int32_t c)
{
	return c == '\r' || c == '\n';
}

static bool other(int32_t c)
{
	return c >= 0 && !letter(c) && !number(c) && !space(c);
}

static bool mark(int32_t c)
{
	utf8proc_category_t category = c < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);

	return (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) ||
	       (c > 0 && c < 128 && strchr("$+<=>^~|`", c) != NULL);
}

static size_t run(const int32_t *c, size_t i, bool (*is)(int32_t))
{
	while (c[i] >= 0 && is(c[i]))
		i++;
	return i;
}

/* Characters of a contraction at the start, 0 for none. */
static size_t contraction(const int32_t *c, bool any_case)
{
	static const char *const ends[] = {"s", "t", "re", "ve", "m", "ll", "d"};

	if (c[0] != '\'')
		return 0;
	for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++) {
		size_t n = 0;

		while (ends[k][n] != '\0' &&
		       (c[1 + n] == ends[k][n] || (any_case && c[1 + n] == ends[k][n] - 'a' + 'A')))
			n++;
		if (ends[k][n] == '\0')
			return 1 + n;
	}
	return 0;
}

/* A space if there is one, then a run; the start for none. */
static size_t spaced_run(const int32_t *c, bool (*is)(int32_t))
{
	size_t i = c[0] == ' ';
	size_t end = run(c, i, is);

	return end == i ? 0 : end;
}

/* White space: all of it at the end of a text, all but the last character before a word. */
static size_t blank(const int32_t *c)
{
	size_t end = run(c, 0, space);

	return c[end] < 0 || end == 1 ? end : end - 1;
}

static size_t gpt2(const int32_t *c)
{
	size_t n = contraction(c, false);

	if (n == 0)
		n = spaced_run(c, letter);
	if (n == 0)
		n = spaced_run(c, number);
	if (n == 0)
		n = spaced_run(c, other);
	return n == 0 ? blank(c) : n;
}

static size_t llama3(const int32_t *c, size_t digits)
{
	bool leads = !letter(c[0]) && !number(c[0]) && !line_end(c[0]) && letter(c[1]);
	size_t n = contraction(c, true);

	if (n == 0 && (leads || letter(c[0])))
		n = run(c, leads, letter);
	if (n == 0)
		while (n < digits && number(c[n]))
			n++;
	if (n == 0) {
		n = spaced_run(c, other);
		n = n == 0 ? 0 : run(c, n, line_end);
	}
	if (n == 0)
		for (size_t i = 0; space(c[i]); i++)
			if (line_end(c[i]))
				n = i + 1;
	return n == 0 ? blank(c) : n;
}

/* Characters of the next word of one stage. */
static size_t next(kg_pretokenizer_kind kind, int stage, const int32_t *c)
{
	size_t n = 0;

	if (kind == KG_PRETOKENIZER_LLAMA3 || kind == KG_PRETOKENIZER_QWEN2)
		return llama3(c, kind == KG_PRETOKENIZER_LLAMA3 ? 3 : 1);
	if (kind == KG_PRETOKENIZER_GPT2 || stage == 1)
		return gpt2(c);
	if (kind == KG_PRETOKENIZER_STARCODER) {
		while (c[n] >= 0 && !number(c[n]))
			n++;
		return n == 0 ? 1 : n;
	}
	if (stage == 0) {
		n = run(c, 0, mark);
		while (n == 0 || (c[n] >= 0 && !mark(c[0]) && !mark(c[n])))
			n++;
		return n;
	}
	for (n = 0; c[n] >= 0; n++) {
		int digits = 0;

		while (digits < 3 && c[n + (size_t)digits] >= '0' && c[n + (size_t)digits] <= '9')
			digits++;
		if (digits == 3)
			return n == 0 ? 3 : n;
	}
	return n;
}

static int stages_of(kg_pretokenizer_kind kind)
{
	return kind == KG_PRETOKENIZER_FALCON ? 3 : kind == KG_PRETOKENIZER_STARCODER ? 2 : 1;
}

static void cut(kg_pretokenizer_kind kind, int stage, const points *p, size_t from, size_t to,
		uint32_t *ends, size_t *count)
{
	int32_t word[NAIVE_TEXT_MAX + 1];

	if (stage == stages_of(kind)) {
		ends[(*count)++] = p->starts[to];
		return;
	}
	memcpy(word, p->points + from, (to - from) * sizeof(*word));
	word[to - from] = -1;
	while (from < to) {
		size_t n = next(kind, stage, word);

		cut(kind, stage + 1, p, from, from + n, ends, count);
		memmove(word, word + n, (to - from - n + 1) * sizeof(*word));
		from += n;
	}
}

size_t naive_words(kg_pretokenizer_kind kind, const char *text, size_t size, uint32_t *ends)
{
	points p = {.count = 0};
	size_t count = 0;

	for (size_t i = 0; i < size;) {
		utf8proc_ssize_t n =
			utf8proc_iterate((const utf8proc_uint8_t *)text + i,
					 (utf8proc_ssize_t)(size - i), &p.points[p.count]);

		p.starts[p.count++] = (uint32_t)i;
		i += (size_t)n;
	}
	p.starts[p.count] = (uint32_t)size;
	if (size > 0)
		cut(kind, 0, &p, 0, p.count, ends, &count);
	return count;
}

/* U+180E was white space once; U+0301 and U+200D are neither letters nor marks. */
static const int32_t alphabet[] = {
	'a',   'b',    'Z',  's',    't',    'r',    'e',    'v',     'l',    'm',    'd',
	'L',   'R',    'E',  'S',    '\'',   '\'',   '0',    '1',     '9',    '7',    0xb2,
	0x663, 0x2167, 0xe9, 0x44f,  0x4e2d, 0x1d43, ' ',    ' ',     ' ',    '\t',   '\n',
	'\n',  '\r',   0xa0, 0x3000, 0x85,   0x2028, 0x180e, '!',     '.',    '-',    '$',
	'+',   '~',    '`',  0xbf,   0x201c, 0x60c,  0xa9,   0x1f600, 0x200d, 0xfe0f, 0x301,
};

size_t naive_text(kg_rng *rng, char *text)
{
	size_t length = kg_rng_below(rng, 100);
	size_t size = 0;
	int32_t point = 'a';

	for (size_t i = 0; i < length; i++) {
		/* Runs, so that words grow. */
		if (kg_rng_below(rng, 3) > 0)
			point = alphabet[kg_rng_below(rng, sizeof(alphabet) / sizeof(alphabet[0]))];
		size += (size_t)utf8proc_encode_char(point, (utf8proc_uint8_t *)text + size);
	}
	return size;
}
