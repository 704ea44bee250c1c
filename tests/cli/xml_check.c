/* SPDX-License-Identifier: MIT */
/*
 * xml_check – 0 when standard input is one well-formed XML document, else 1 and where it is not.
 *
 * As much of XML 1.0 as our documents use: a declaration, elements, attributes in double quotes,
 * the five named entities, text. No comments, no CDATA, no document type.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_MAX_READ = 16 << 20, DEPTH_MAX = 32, NAME_MAX_SIZE = 64 };

typedef struct {
	const char *start;
	const char *at;
	char open[DEPTH_MAX][NAME_MAX_SIZE];
	int depth;
	int roots;
} reader;

static bool bad(const reader *r, const char *what)
{
	(void)fprintf(stderr, "xml_check: byte %ld: %s\n", (long)(r->at - r->start), what);
	return false;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == ':' || c == '_';
}

static bool skip(reader *r, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(r->at, text, n) != 0)
		return false;
	r->at += n;
	return true;
}

static void skip_spaces(reader *r)
{
	r->at += strspn(r->at, " \t\r\n");
}

static bool take_name(reader *r, char name[NAME_MAX_SIZE])
{
	size_t n = 0;

	while (is_name(r->at[n]))
		n++;
	if (n == 0 || n >= NAME_MAX_SIZE || (*r->at >= '0' && *r->at <= '9'))
		return bad(r, "a name is missing");
	memcpy(name, r->at, n);
	name[n] = '\0';
	r->at += n;
	return true;
}

/* Text up to `end`; in it, & begins an entity and < nothing. */
static bool take_text(reader *r, char end)
{
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};

	while (*r->at != '\0' && *r->at != end) {
		bool known = *r->at != '&';

		if (*r->at == '<')
			return bad(r, "a < in a value");
		for (size_t i = 0; i < sizeof(entities) / sizeof(*entities) && !known; i++)
			known = strncmp(r->at, entities[i], strlen(entities[i])) == 0;
		if (!known)
			return bad(r, "an entity that is none");
		r->at++;
	}
	return true;
}

static bool take_attributes(reader *r)
{
	char seen[DEPTH_MAX][NAME_MAX_SIZE];
	int count = 0;

	for (skip_spaces(r); is_name(*r->at); skip_spaces(r)) {
		if (count == DEPTH_MAX || !take_name(r, seen[count]))
			return bad(r, "attributes");
		for (int i = 0; i < count; i++)
			if (strcmp(seen[i], seen[count]) == 0)
				return bad(r, "an attribute twice");
		count++;
		if (!skip(r, "=\"") || !take_text(r, '"') || !skip(r, "\""))
			return bad(r, "an attribute without a value");
	}
	return true;
}

static bool take_tag(reader *r)
{
	char name[NAME_MAX_SIZE];

	if (skip(r, "</")) {
		if (!take_name(r, name))
			return false;
		if (r->depth == 0 || strcmp(r->open[r->depth - 1], name) != 0)
			return bad(r, "the end of an element that is not open");
		r->depth--;
		return skip(r, ">") || bad(r, "a tag without an end");
	}
	r->at++;
	if (r->depth == DEPTH_MAX)
		return bad(r, "too deep");
	if (r->depth == 0 && ++r->roots > 1)
		return bad(r, "a second document");
	if (!take_name(r, r->open[r->depth]) || !take_attributes(r))
		return false;
	if (skip(r, "/>"))
		return true;
	r->depth++;
	return skip(r, ">") || bad(r, "a tag without an end");
}

static bool check(reader *r)
{
	if (skip(r, "<?xml") && (!take_attributes(r) || !skip(r, "?>")))
		return bad(r, "the declaration");
	while (*r->at != '\0') {
		if (*r->at == '<') {
			if (!take_tag(r))
				return false;
		} else if (r->depth > 0) {
			if (!take_text(r, '<'))
				return false;
		} else {
			skip_spaces(r);
			if (*r->at != '<' && *r->at != '\0')
				return bad(r, "text outside");
		}
	}
	if (r->depth != 0 || r->roots != 1)
		return bad(r, "an element that does not end");
	return true;
}

int main(void)
{
	char *text = calloc(1, SIZE_MAX_READ + 1);
	size_t size = text == NULL ? 0 : fread(text, 1, SIZE_MAX_READ, stdin);
	reader r = {.start = text, .at = text};
	bool good = size > 0 && strlen(text) == size && check(&r);

	free(text);
	return good ? 0 : 1;
}
