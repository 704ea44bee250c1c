/* SPDX-License-Identifier: MIT */
#include "runtime/tokenizer_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { STAGES_MAX = 8, UNUSED_NAME_MAX = 24 };

static const char mark[] = "\xe2\x96\x81"; /* U+2581 */

/* One id in the making; kind 0 is a hole. */
typedef struct {
	const char *piece; /* borrowed from the document */
	size_t size;
	float score;
	kg_token_kind kind;
} entry;

typedef struct {
	const json_t *root;
	json_t *vocabulary;
	const json_t *merges;
	entry *entries;
	uint32_t count;
	bool marks; /* spaces become U+2581 somewhere */
	kg_tokenizer_rules rules;
} reader;

/* Members that may be absent. */
static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

static bool flag_of(const json_t *object, const char *key, bool absent)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : absent;
}

static bool is(const json_t *object, const char *type)
{
	return strcmp(text_of(object, "type"), type) == 0;
}

static kg_err unknown(const char *what, const json_t *object)
{
	return kg_fail(KG_EINVAL, "tokenizer.json: this %s is not known here: %.64s", what,
		       text_of(object, "type"));
}

/* The members of a Sequence, or the object alone; returns how many, -1 for too many. */
static int steps_of(const json_t *object, const char *key, const json_t *steps[STAGES_MAX])
{
	const json_t *list = json_object_get(object, key);
	size_t count = json_array_size(list);

	if (object == NULL || json_is_null(object))
		return 0;
	if (!is(object, "Sequence")) {
		steps[0] = object;
		return 1;
	}
	if (count > STAGES_MAX)
		return -1;
	for (size_t i = 0; i < count; i++)
		steps[i] = json_array_get(list, i);
	return (int)count;
}

/* Names all steps of a sequence, with the pattern where it has one. */
static kg_err unknown_steps(const char *what, const json_t *const *steps, int count)
{
	kg_buf names;
	kg_err err;

	kg_buf_init(&names, KG_ERR_TEXT_MAX);
	for (int i = 0; i < count; i++) {
		const json_t *pattern = json_object_get(steps[i], "pattern");

		kg_buf_printf(&names, "%s%.32s", i == 0 ? "" : ", ", text_of(steps[i], "type"));
		if (pattern != NULL)
			kg_buf_printf(&names, " %.48s", text_of(pattern, "Regex"));
	}
	err = kg_fail(KG_EINVAL, "tokenizer.json: this %s is not known here: %s", what,
		      count < 0    ? "too many steps"
		      : count == 0 ? "none"
				   : kg_buf_text(&names));
	kg_buf_release(&names);
	return err;
}

static kg_err read_normalizer(reader *r)
{
	const json_t *normalizer = json_object_get(r->root, "normalizer");
	const json_t *steps[STAGES_MAX];
	int count = steps_of(normalizer, "normalizers", steps);

	for (int i = 0; i < count; i++) {
		const json_t *pattern = json_object_get(steps[i], "pattern");

		if (is(steps[i], "Prepend") && strcmp(text_of(steps[i], "prepend"), mark) == 0)
			r->rules.add_space_prefix = true;
		else if (is(steps[i], "Replace") && strcmp(text_of(pattern, "String"), " ") == 0 &&
			 strcmp(text_of(steps[i], "content"), mark) == 0)
			r->marks = true;
		else if (is(steps[i], "NFC"))
			r->rules.compose = true;
		else
			return unknown("normalizer", steps[i]);
	}
	return count < 0 ? unknown("normalizer", normalizer) : KG_OK;
}

static kg_err read_metaspace(reader *r, const json_t *step)
{
	const char *scheme = text_of(step, "prepend_scheme");

	if (strcmp(text_of(step, "replacement"), mark) != 0)
		return unknown("pre-tokenizer", step);
	r->marks = true;
	if (scheme[0] == '\0')
		scheme = flag_of(step, "add_prefix_space", true) ? "always" : "never";
	if (strcmp(scheme, "never") != 0)
		r->rules.add_space_prefix = true;
	r->rules.prefix_once = strcmp(scheme, "first") == 0;
	r->rules.prefix_missing = true;
	if (flag_of(step, "split", true))
		r->rules.words = KG_PRETOKENIZER_SPACES;
	return KG_OK;
}

/* Whether a step is a Split that keeps what its pattern, one of a family, finds. */
static bool splits(const json_t *step, kg_pretokenizer_kind kind)
{
	const char *pattern = text_of(json_object_get(step, "pattern"), "Regex");

	return is(step, "Split") && strcmp(text_of(step, "behavior"), "Isolated") == 0 &&
	       !flag_of(step, "invert", false) &&
	       strcmp(pattern, kg_pretokenizer_published(kind)) == 0;
}

static bool byte_level(const json_t *step, bool pattern)
{
	return is(step, "ByteLevel") && flag_of(step, "use_regex", true) == pattern &&
	       !flag_of(step, "add_prefix_space", true);
}

/* Falcon's Digits come after ByteLevel and before a Split: its vocabulary has no token that they
 * would keep from being made. */
static bool is_falcon(const json_t *const *steps, int count)
{
	if (count < 3 || !is(steps[0], "Punctuation") ||
	    strcmp(text_of(steps[0], "behavior"), "Contiguous") != 0 || !byte_level(steps[1], true))
		return false;
	if (count == 4 && (!is(steps[2], "Digits") || flag_of(steps[2], "individual_digits", true)))
		return false;
	return count <= 4 && splits(steps[count - 1], KG_PRETOKENIZER_FALCON);
}

static bool is_digits(const json_t *step)
{
	return is(step, "Digits") && flag_of(step, "individual_digits", false);
}

static kg_err read_pretokenizer(reader *r)
{
	const json_t *pretokenizer = json_object_get(r->root, "pre_tokenizer");
	const json_t *steps[STAGES_MAX];
	int count = steps_of(pretokenizer, "pretokenizers", steps);
	kg_tokenizer_rules *rules = &r->rules;

	if (count == 1 && is(steps[0], "Metaspace"))
		return read_metaspace(r, steps[0]);
	if (count == 0 && r->marks)
		return KG_OK;
	rules->byte_level = true;
	if (count == 1 && byte_level(steps[0], true))
		rules->words = KG_PRETOKENIZER_GPT2;
	else if (count == 2 && is_digits(steps[0]) && byte_level(steps[1], true))
		rules->words = KG_PRETOKENIZER_STARCODER;
	else if (count == 2 && splits(steps[0], KG_PRETOKENIZER_LLAMA3) &&
		 byte_level(steps[1], false))
		rules->words = KG_PRETOKENIZER_LLAMA3;
	else if (count == 2 && splits(steps[0], KG_PRETOKENIZER_QWEN2) &&
		 byte_level(steps[1], false))
		rules->words = KG_PRETOKENIZER_QWEN2;
	else if (count > 0 && is_falcon(steps, count))
		rules->words = KG_PRETOKENIZER_FALCON;
	else
		return unknown_steps("pre-tokenizer", steps, count);
	if (r->marks || rules->add_space_prefix)
		return kg_fail(KG_EINVAL, "tokenizer.json: both byte-level and with U+2581");
	return KG_OK;
}

static kg_err read_model(reader *r)
{
	const json_t *model = json_object_get(r->root, "model");
	const json_t *dropout = json_object_get(model, "dropout");

	r->vocabulary = json_object_get(model, "vocab");
	r->merges = json_object_get(model, "merges");
	if (!json_is_object(r->vocabulary) || !json_is_array(r->merges))
		return kg_fail(KG_ECORRUPT, "tokenizer.json: no model with vocab and merges");
	if (json_object_get(model, "type") != NULL && !is(model, "BPE"))
		return unknown("model", model);
	if (json_array_size(r->merges) > KG_MERGES_MAX)
		return kg_fail(KG_EFULL, "tokenizer.json: more than %d merges", KG_MERGES_MAX);
	if (text_of(model, "continuing_subword_prefix")[0] != '\0' ||
	    text_of(model, "end_of_word_suffix")[0] != '\0')
		return kg_fail(KG_EINVAL, "tokenizer.json: affixes of subwords are not known here");
	if (json_is_number(dropout) && json_number_value(dropout) > 0)
		return kg_fail(KG_EINVAL, "tokenizer.json: dropout is not known here");
	r->rules.ranked = true;
	r->rules.ignore_merges = flag_of(model, "ignore_merges", false);
	return KG_OK;
}

/* An id as JSON gives it. */
static kg_err id_of(const json_t *value, uint32_t *id)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || number >= KG_TOKENIZER_COUNT_MAX)
		return kg_fail(KG_ECORRUPT, "tokenizer.json: an id that is not 0..%d",
			       KG_TOKENIZER_COUNT_MAX - 1);
	*id = (uint32_t)number;
	return KG_OK;
}

/* All ids are checked here, and used below. */
static kg_err count_ids(reader *r, const json_t *added, uint32_t wanted)
{
	const char *piece;
	json_t *value;
	size_t index;
	uint32_t id = 0;
	uint32_t count = 0;
	kg_err err;

	json_object_foreach(r->vocabulary, piece, value)
	{
		err = id_of(value, &id);
		if (err != KG_OK)
			return err;
		count = id < count ? count : id + 1;
	}
	json_array_foreach(added, index, value)
	{
		err = id_of(json_object_get(value, "id"), &id);
		if (err != KG_OK)
			return err;
		if (!json_is_string(json_object_get(value, "content")))
			return kg_fail(KG_ECORRUPT, "tokenizer.json: added token %u has no content",
				       id);
		count = id < count ? count : id + 1;
	}
	if (wanted != 0 && count > wanted)
		return kg_fail(KG_EINVAL, "tokenizer.json: %u tokens; the model has %u", count,
			       wanted);
	r->count = wanted != 0 ? wanted : count;
	if (r->count == 0 || r->count > KG_TOKENIZER_COUNT_MAX)
		return kg_fail(KG_EINVAL, "tokenizer.json: %u tokens; 1..%d are allowed", r->count,
			       KG_TOKENIZER_COUNT_MAX);
	r->entries = calloc(r->count, sizeof(*r->entries));
	return r->entries == NULL ? kg_fail(KG_ENOMEM, "tokenizer.json: no memory") : KG_OK;
}

static kg_err read_vocabulary(reader *r)
{
	bool bytes = flag_of(json_object_get(r->root, "model"), "byte_fallback", false);
	const char *piece;
	json_t *value;

	KG_ASSERT(r->entries != NULL);
	json_object_foreach(r->vocabulary, piece, value)
	{
		entry *e = &r->entries[json_integer_value(value)];

		if (e->kind != 0)
			return kg_fail(KG_ECORRUPT, "tokenizer.json: two tokens with id %lld",
				       (long long)json_integer_value(value));
		e->piece = piece;
		e->size = strlen(piece);
		e->kind = bytes && kg_tokenizer_byte_of(piece, e->size) >= 0 ? KG_TOKEN_BYTE
									     : KG_TOKEN_NORMAL;
	}
	return KG_OK;
}

static kg_err read_added(reader *r, const json_t *added)
{
	json_t *token;
	size_t index;

	KG_ASSERT(r->entries != NULL);
	json_array_foreach(added, index, token)
	{
		const char *content = text_of(token, "content");
		entry *e = &r->entries[json_integer_value(json_object_get(token, "id"))];

		if (flag_of(token, "single_word", false) || flag_of(token, "lstrip", false) ||
		    flag_of(token, "rstrip", false))
			return kg_fail(KG_EINVAL,
				       "tokenizer.json: single_word, lstrip and rstrip of %.64s "
				       "are not known here",
				       content);
		if (e->kind != 0 && strcmp(e->piece, content) != 0)
			return kg_fail(KG_ECORRUPT, "tokenizer.json: two tokens with one id: %.64s",
				       content);
		e->piece = content;
		e->size = strlen(content);
		e->kind = flag_of(token, "special", false) ? KG_TOKEN_CONTROL : KG_TOKEN_USER;
	}
	return KG_OK;
}

/* The id of a token by its content, added or not; KG_TOKENIZER_NONE for none. */
static uint32_t find(const reader *r, const char *content)
{
	const json_t *id = json_object_get(r->vocabulary, content);
	size_t size = strlen(content);

	if (id != NULL)
		return (uint32_t)json_integer_value(id);
	for (uint32_t i = 0; i < r->count; i++)
		if (r->entries[i].kind != 0 && r->entries[i].size == size &&
		    memcmp(r->entries[i].piece, content, size) == 0)
			return i;
	return KG_TOKENIZER_NONE;
}

static kg_err read_unknown(reader *r)
{
	const json_t *model = json_object_get(r->root, "model");
	const char *content = text_of(model, "unk_token");

	r->rules.unknown = content[0] == '\0' ? KG_TOKENIZER_NONE : find(r, content);
	if (r->rules.unknown == KG_TOKENIZER_NONE)
		return KG_OK;
	r->rules.fuse_unknown = flag_of(model, "fuse_unk", false);
	/* Byte-level vocabularies that have one name a control token of another use. */
	if (!r->rules.byte_level)
		r->entries[r->rules.unknown].kind = KG_TOKEN_UNKNOWN;
	return KG_OK;
}

/* The token that a template has at `index`, if it is a special one. */
static kg_err template_token(const reader *r, const json_t *template, size_t index, uint32_t *id,
			     bool *there)
{
	const json_t *special = json_object_get(json_array_get(template, index), "SpecialToken");

	if (special == NULL)
		return KG_OK;
	*id = find(r, text_of(special, "id"));
	*there = true;
	return *id == KG_TOKENIZER_NONE
		       ? kg_fail(KG_ECORRUPT, "tokenizer.json: the template names no token: %.64s",
				 text_of(special, "id"))
		       : KG_OK;
}

/* bos and eos, as a template puts them around a text. */
static kg_err read_postprocessor(reader *r, const kg_tokenizer_hints *hints)
{
	const json_t *processor = json_object_get(r->root, "post_processor");
	const json_t *steps[STAGES_MAX];
	int count = steps_of(processor, "processors", steps);
	kg_err err = KG_OK;

	r->rules.bos = hints->bos;
	r->rules.eos = hints->eos;
	for (int i = 0; i < count && err == KG_OK; i++) {
		const json_t *template = json_object_get(steps[i], "single");
		size_t size = json_array_size(template);

		if (is(steps[i], "ByteLevel"))
			continue;
		if (!is(steps[i], "TemplateProcessing") || size < 1 || size > 3)
			return unknown("post-processor", steps[i]);
		err = template_token(r, template, 0, &r->rules.bos, &r->rules.add_bos);
		if (err == KG_OK && size > 1)
			err = template_token(r, template, size - 1, &r->rules.eos,
					     &r->rules.add_eos);
	}
	return err == KG_OK && count < 0 ? unknown("post-processor", processor) : err;
}

/* The two pieces of a merge: "left right" or ["left", "right"]. */
static bool merge_of(const json_t *value, const char **left, size_t *left_size, const char **right)
{
	const char *line = json_string_value(value);
	const char *space;

	if (json_array_size(value) == 2) {
		*left = json_string_value(json_array_get(value, 0));
		*right = json_string_value(json_array_get(value, 1));
		if (*left == NULL || *right == NULL)
			return false;
		*left_size = strlen(*left);
		return true;
	}
	space = line == NULL || line[0] == '\0' ? NULL : strchr(line + 1, ' ');
	if (space == NULL)
		return false;
	*left = line;
	*left_size = (size_t)(space - line);
	*right = space + 1;
	return true;
}

/* Scores that order pieces as their first merges do: for files of the SentencePiece kind. */
static void fill_scores(reader *r)
{
	size_t count = json_array_size(r->merges);
	char joined[4 * KG_TOKENIZER_PIECE_MAX];

	for (uint32_t id = 0; id < r->count; id++)
		r->entries[id].score = -(float)count - (float)id;
	for (size_t i = count; i-- > 0;) {
		const char *left;
		const char *right;
		size_t left_size;
		const json_t *id;

		if (!merge_of(json_array_get(r->merges, i), &left, &left_size, &right) ||
		    left_size + strlen(right) >= sizeof(joined))
			continue;
		memcpy(joined, left, left_size);
		memcpy(joined + left_size, right, strlen(right) + 1);
		id = json_object_get(r->vocabulary, joined);
		if (id != NULL)
			r->entries[json_integer_value(id)].score = -(float)i;
	}
}

static kg_err put_entries(kg_tokenizer *t, const reader *r)
{
	kg_err err = KG_OK;

	for (uint32_t id = 0; id < r->count && err == KG_OK; id++) {
		const entry *e = &r->entries[id];
		char name[UNUSED_NAME_MAX];

		if (e->kind == 0) {
			int size = snprintf(name, sizeof(name), "[PAD%u]", id);

			err = kg_tokenizer_put(t, id, name, (size_t)size, e->score,
					       KG_TOKEN_UNUSED);
		} else if (r->rules.byte_level) {
			err = kg_tokenizer_put_letters(t, id, e->piece, e->size, e->kind);
		} else {
			err = kg_tokenizer_put(t, id, e->piece, e->size, e->score, e->kind);
		}
	}
	return err;
}

static kg_err put_merges(kg_tokenizer *t, const reader *r)
{
	kg_err err = KG_OK;
	json_t *value;
	size_t index;

	json_array_foreach(r->merges, index, value)
	{
		const char *left;
		const char *right;
		size_t left_size;

		if (!merge_of(value, &left, &left_size, &right))
			return kg_fail(KG_ECORRUPT, "tokenizer.json: merge %zu is not two pieces",
				       index);
		err = kg_tokenizer_put_merge(t, r->rules.byte_level, left, left_size, right,
					     strlen(right));
		if (err != KG_OK)
			break;
	}
	return err;
}

static kg_err read_all(reader *r, const kg_tokenizer_hints *hints)
{
	const json_t *added = json_object_get(r->root, "added_tokens");
	kg_err err = read_model(r);

	if (err == KG_OK)
		err = read_normalizer(r);
	if (err == KG_OK)
		err = read_pretokenizer(r);
	if (err == KG_OK)
		err = count_ids(r, added, hints->count);
	if (err == KG_OK)
		err = read_vocabulary(r);
	if (err == KG_OK)
		err = read_added(r, added);
	if (err == KG_OK)
		err = read_unknown(r);
	if (err == KG_OK)
		err = read_postprocessor(r, hints);
	if (err == KG_OK && !r->rules.byte_level)
		fill_scores(r);
	return err;
}

static kg_err build(kg_tokenizer **out, const reader *r)
{
	kg_tokenizer *t = NULL;
	kg_err err = kg_tokenizer_new(&t, r->count);

	if (err == KG_OK)
		err = put_entries(t, r);
	if (err == KG_OK)
		err = put_merges(t, r);
	if (err == KG_OK)
		err = kg_tokenizer_finish(t, &r->rules);
	if (err != KG_OK) {
		kg_tokenizer_free(t);
		return kg_fail_context(err == KG_EINVAL ? KG_ECORRUPT : err, "tokenizer.json");
	}
	*out = t;
	return KG_OK;
}

kg_err kg_tokenizer_from_json(kg_tokenizer **out, const void *data, size_t size,
			      const kg_tokenizer_hints *hints)
{
	json_t *root = NULL;
	reader r = {0};
	kg_err err = kg_json_parse_up_to(&root, data, size, KG_TOKENIZER_JSON_SIZE_MAX);

	if (err != KG_OK)
		return kg_fail_context(err, "tokenizer.json");
	r.root = root;
	err = read_all(&r, hints);
	if (err == KG_OK)
		err = build(out, &r);
	free(r.entries);
	json_decref(root);
	return err;
}
