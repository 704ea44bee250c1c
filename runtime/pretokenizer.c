/* SPDX-License-Identifier: MIT */
#include "runtime/pretokenizer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* The steps of one match grow with the length of a run of white space, and by little more. */
enum { MATCH_LIMIT = 4 * KG_PRETOKENIZER_TEXT_MAX, HEAP_LIMIT_KIB = 65536 };

/* White_Space: PCRE2's own \s would have U+180E too. */
#define SPACE                                                                                \
 "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
 "\\x{205f}\\x{3000}"
#define CONTRACTION "'s|'t|'re|'ve|'m|'ll|'d"
#define GPT2                                                                            \
 CONTRACTION "| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+|[" SPACE "]+(?![^" SPACE \
	     "])|[" SPACE "]+"
/* Llama 3's, with its run of digits between the two halves. */
#define LLAMA3_HEAD "(?i:" CONTRACTION ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define LLAMA3_TAIL                                                                    \
 "| ?[^" SPACE "\\p{L}\\p{N}]+[\\r\\n]*|[" SPACE "]*[\\r\\n]+|[" SPACE "]+(?![^" SPACE \
 "])|[" SPACE "]+"

#define PUBLISHED_HEAD "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define PUBLISHED_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct {
	const char *name;
	const char *published;
	const char *stages[KG_PRETOKENIZER_STAGES_MAX];
} families[KG_PRETOKENIZER_COUNT] = {
	[KG_PRETOKENIZER_NONE] = {"none", NULL, {NULL}},
	[KG_PRETOKENIZER_SPACES] = {"spaces", NULL, {NULL}},
	[KG_PRETOKENIZER_GPT2] = {"gpt-2", NULL, {GPT2}},
	[KG_PRETOKENIZER_LLAMA3] = {"llama-bpe",
				    PUBLISHED_HEAD "\\p{N}{1,3}" PUBLISHED_TAIL,
				    {LLAMA3_HEAD "\\p{N}{1,3}" LLAMA3_TAIL}},
	[KG_PRETOKENIZER_QWEN2] = {"qwen2",
				   PUBLISHED_HEAD "\\p{N}" PUBLISHED_TAIL,
				   {LLAMA3_HEAD "\\p{N}" LLAMA3_TAIL}},
	[KG_PRETOKENIZER_STARCODER] = {"starcoder", NULL, {"\\p{N}", GPT2}},
	[KG_PRETOKENIZER_FALCON] = {"falcon",
				    "[0-9][0-9][0-9]",
				    {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}},
};

/* Other names that llama.cpp writes for the same cutting. */
static const struct {
	const char *name;
	kg_pretokenizer_kind kind;
} aliases[] = {
	{"phi-2", KG_PRETOKENIZER_GPT2},       {"mpt", KG_PRETOKENIZER_GPT2},
	{"olmo", KG_PRETOKENIZER_GPT2},        {"jais", KG_PRETOKENIZER_GPT2},
	{"llama3", KG_PRETOKENIZER_LLAMA3},    {"llama-v3", KG_PRETOKENIZER_LLAMA3},
	{"falcon3", KG_PRETOKENIZER_LLAMA3},   {"deepseek-r1-qwen", KG_PRETOKENIZER_QWEN2},
	{"stablelm2", KG_PRETOKENIZER_QWEN2},  {"refact", KG_PRETOKENIZER_STARCODER},
	{"smollm", KG_PRETOKENIZER_STARCODER}, {"command-r", KG_PRETOKENIZER_STARCODER},
};

struct kg_pretokenizer {
	kg_pretokenizer_kind kind;
	pcre2_code *stages[KG_PRETOKENIZER_STAGES_MAX];
};

static bool equal(const char *name, const char *text, size_t size)
{
	return strlen(name) == size && memcmp(name, text, size) == 0;
}

kg_err kg_pretokenizer_from_name(kg_pretokenizer_kind *out, const char *name, size_t size)
{
	for (int kind = KG_PRETOKENIZER_GPT2; kind < KG_PRETOKENIZER_COUNT; kind++) {
		if (equal(families[kind].name, name, size)) {
			*out = (kg_pretokenizer_kind)kind;
			return KG_OK;
		}
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (equal(aliases[i].name, name, size)) {
			*out = aliases[i].kind;
			return KG_OK;
		}
	}
	return kg_fail(KG_ENOTFOUND, "pre-tokenizer \"%.*s\" is not known",
		       size > 64 ? 64 : (int)size, name);
}

const char *kg_pretokenizer_name(kg_pretokenizer_kind kind)
{
	return families[kind].name;
}

const char *kg_pretokenizer_published(kg_pretokenizer_kind kind)
{
	return families[kind].published;
}

kg_err kg_pretokenizer_new(kg_pretokenizer **out, kg_pretokenizer_kind kind)
{
	kg_pretokenizer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return kg_fail(KG_ENOMEM, "pre-tokenizer: no memory");
	p->kind = kind;
	for (int i = 0; i < KG_PRETOKENIZER_STAGES_MAX && families[kind].stages[i] != NULL; i++) {
		const char *pattern = families[kind].stages[i];
		PCRE2_SIZE offset = 0;
		int code = 0;

		p->stages[i] = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
					     PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);
		if (p->stages[i] == NULL) {
			kg_pretokenizer_free(p);
			if (code == PCRE2_ERROR_HEAP_FAILED)
				return kg_fail(KG_ENOMEM, "pre-tokenizer: no memory for a pattern");
			return kg_fail(KG_EFAIL, "pre-tokenizer: PCRE2 says %d to a pattern", code);
		}
	}
	*out = p;
	return KG_OK;
}

void kg_pretokenizer_free(kg_pretokenizer *pretokenizer)
{
	if (pretokenizer == NULL)
		return;
	for (int i = 0; i < KG_PRETOKENIZER_STAGES_MAX; i++)
		pcre2_code_free(pretokenizer->stages[i]);
	free(pretokenizer);
}

/* Ends of words, in the making. */
typedef struct {
	uint32_t *ends;
	size_t count;
	size_t room;
} word_list;

static kg_err put(word_list *words, size_t end)
{
	if (words->count > 0 && words->ends[words->count - 1] == end)
		return KG_OK;
	if (words->count == words->room) {
		size_t room = words->room == 0 ? 256 : 2 * words->room;
		uint32_t *ends = reallocarray(words->ends, room, sizeof(*ends));

		if (ends == NULL)
			return kg_fail(KG_ENOMEM, "pre-tokenizer: no memory for %zu words", room);
		words->ends = ends;
		words->room = room;
	}
	words->ends[words->count++] = (uint32_t)end;
	return KG_OK;
}

/* Bytes of the UTF-8 character at the start of `text`, 0 when there is none. */
static size_t character(const uint8_t *text, size_t size)
{
	uint8_t first = text[0];
	size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4 || length > size)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and what is beyond U+10FFFF show in the second byte. */
	if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
	    (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

/* Where the run of characters, or of other bytes, that starts at `at` ends. */
static size_t run_end(const uint8_t *text, size_t at, size_t end, bool *utf8)
{
	size_t length = character(text + at, end - at);

	*utf8 = length > 0;
	while (at < end && (length > 0) == *utf8) {
		at += length > 0 ? length : 1;
		if (at < end)
			length = character(text + at, end - at);
	}
	return at;
}

typedef struct {
	const uint8_t *text;
	const pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *found;
} matcher;

/* Cuts text[start, end), which is UTF-8 throughout. */
static kg_err cut_run(const matcher *m, size_t start, size_t end, word_list *words)
{
	size_t size = end - start;
	size_t at = 0;
	kg_err err = KG_OK;

	while (at < size && err == KG_OK) {
		int rc = pcre2_match(m->code, m->text + start, size, at, PCRE2_NO_UTF_CHECK,
				     m->found, m->limits);
		const PCRE2_SIZE *range = pcre2_get_ovector_pointer(m->found);

		if (rc == PCRE2_ERROR_NOMATCH)
			break;
		if (rc < 0)
			return kg_fail(rc == PCRE2_ERROR_NOMEMORY ? KG_ENOMEM : KG_EINVAL,
				       "pre-tokenizer: matching stopped with PCRE2's error %d", rc);
		if (range[0] > at)
			err = put(words, start + range[0]);
		if (err == KG_OK)
			err = put(words, start + range[1]);
		at = range[1];
	}
	return err == KG_OK ? put(words, end) : err;
}

static kg_err cut_spaces(const uint8_t *text, size_t size, word_list *words)
{
	kg_err err = KG_OK;

	for (size_t i = 1; i < size && err == KG_OK; i++)
		if (text[i] == ' ')
			err = put(words, i);
	return err == KG_OK ? put(words, size) : err;
}

/* One stage over the words of the one before. */
static kg_err cut_words(const matcher *m, const word_list *before, word_list *after)
{
	kg_err err = KG_OK;
	size_t start = 0;

	for (size_t i = 0; i < before->count && err == KG_OK; i++) {
		while (start < before->ends[i] && err == KG_OK) {
			bool utf8;
			size_t end = run_end(m->text, start, before->ends[i], &utf8);

			err = utf8 ? cut_run(m, start, end, after) : put(after, end);
			start = end;
		}
	}
	return err;
}

static kg_err cut_stages(const kg_pretokenizer *p, matcher *m, word_list *words)
{
	kg_err err = KG_OK;

	for (int i = 0; i < KG_PRETOKENIZER_STAGES_MAX && p->stages[i] != NULL; i++) {
		word_list after = {0};

		m->code = p->stages[i];
		err = cut_words(m, words, &after);
		free(words->ends);
		*words = after;
		if (err != KG_OK)
			break;
	}
	return err;
}

kg_err kg_pretokenizer_split(const kg_pretokenizer *pretokenizer, const void *text, size_t size,
			     uint32_t **ends, size_t *count)
{
	matcher m = {.text = text};
	word_list words = {0};
	kg_err err = KG_OK;

	if (size > KG_PRETOKENIZER_TEXT_MAX)
		return kg_fail(KG_EINVAL, "pre-tokenizer: a text of %zu bytes; the limit is %d",
			       size, KG_PRETOKENIZER_TEXT_MAX);
	if (size > 0 && pretokenizer->kind == KG_PRETOKENIZER_SPACES)
		err = cut_spaces(text, size, &words);
	else if (size > 0)
		err = put(&words, size);
	if (err == KG_OK && pretokenizer->stages[0] != NULL) {
		m.limits = pcre2_match_context_create(NULL);
		m.found = pcre2_match_data_create(1, NULL);
		if (m.limits == NULL || m.found == NULL) {
			err = kg_fail(KG_ENOMEM, "pre-tokenizer: no memory to match");
		} else {
			(void)pcre2_set_match_limit(m.limits, MATCH_LIMIT);
			(void)pcre2_set_heap_limit(m.limits, HEAP_LIMIT_KIB);
			err = cut_stages(pretokenizer, &m, &words);
		}
		pcre2_match_data_free(m.found);
		pcre2_match_context_free(m.limits);
	}
	if (err != KG_OK) {
		free(words.ends);
		return err;
	}
	*ends = words.ends;
	*count = words.count;
	return KG_OK;
}
