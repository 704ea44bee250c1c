/* SPDX-License-Identifier: MIT */
#include "runtime/tokenizer_impl.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/nfc.h"

enum { NONE = -1, CHARACTER_MAX = 4 };

static const float score_floor = -1e10f; /* llama2.c merges above it only */

/* A token of the word under work, in a list: merging takes the right one out. */
typedef struct {
	uint32_t id;
	int32_t before;
	int32_t after;
} symbol;

/* Two neighbours that could become one. Old news when the ids are no longer there. */
typedef struct {
	float score; /* or minus the rank: below 2^24, so exact */
	int32_t left;
	uint32_t left_id;
	uint32_t right_id;
	uint32_t joined;
} merge;

typedef struct {
	const kg_tokenizer *t;
	symbol *symbols;
	size_t symbols_count;
	size_t symbols_room;
	merge *heap; /* best first */
	size_t heap_count;
	size_t heap_room;
	uint32_t *ids; /* of the words that are done */
	size_t ids_count;
	size_t ids_room;
} work;

static bool better(const merge *a, const merge *b)
{
	return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static kg_err heap_put(work *w, merge m)
{
	size_t i = w->heap_count;

	if (i == w->heap_room) {
		size_t room = w->heap_room == 0 ? 256 : 2 * w->heap_room;
		merge *heap = realloc(w->heap, room * sizeof(*heap));

		if (heap == NULL)
			return kg_fail(KG_ENOMEM, "tokenizer: no memory for the merges of a text");
		w->heap = heap;
		w->heap_room = room;
	}
	w->heap_count++;
	for (; i > 0 && better(&m, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = m;
	return KG_OK;
}

static merge heap_take(work *w)
{
	merge best = w->heap[0];
	merge last = w->heap[--w->heap_count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->heap_count)
			break;
		if (child + 1 < w->heap_count && better(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!better(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return best;
}

/* What two neighbours would make, and how much that is wanted; false for nothing. */
static bool joins(const kg_tokenizer *t, uint32_t left, uint32_t right, merge *out)
{
	const kg_token *a = &t->tokens[left];
	const kg_token *b = &t->tokens[right];
	int32_t joined;

	if (t->rules.ranked) {
		const kg_merge *m = kg_merges_find(&t->merges, left, right);

		if (m == NULL)
			return false;
		out->joined = m->joined;
		out->score = -(float)(m - t->merges.list);
		return true;
	}
	if (!kg_tokenizer__spelled(a) || !kg_tokenizer__spelled(b))
		return false;
	joined = kg_tokenizer__look_up(
		t, kg_tokenizer__hash_more(a->hash, kg_tokenizer__text(t, b), b->size),
		kg_tokenizer__text(t, a), a->size, kg_tokenizer__text(t, b), b->size);
	if (joined == NONE || !(t->tokens[joined].score > score_floor))
		return false;
	out->joined = (uint32_t)joined;
	out->score = t->tokens[joined].score;
	return true;
}

/* Offers the pair that starts at `left`, if it makes something. */
static kg_err offer(work *w, int32_t left)
{
	merge m = {.left = left};
	int32_t right;

	if (left == NONE)
		return KG_OK;
	right = w->symbols[left].after;
	if (right == NONE)
		return KG_OK;
	m.left_id = w->symbols[left].id;
	m.right_id = w->symbols[right].id;
	return joins(w->t, m.left_id, m.right_id, &m) ? heap_put(w, m) : KG_OK;
}

static kg_err put_id(work *w, uint32_t id)
{
	if (w->ids_count == w->ids_room) {
		size_t room = w->ids_room == 0 ? 64 : 2 * w->ids_room;
		uint32_t *ids = reallocarray(w->ids, room, sizeof(*ids));

		if (ids == NULL)
			return kg_fail(KG_ENOMEM, "tokenizer: no memory for %zu tokens", room);
		w->ids = ids;
		w->ids_room = room;
	}
	w->ids[w->ids_count++] = id;
	return KG_OK;
}

static void add(work *w, uint32_t id)
{
	int32_t at = (int32_t)w->symbols_count++;

	w->symbols[at] = (symbol){id, at - 1, NONE};
	if (at > 0)
		w->symbols[at - 1].after = at;
}

/* A character that is no piece: its bytes if all have a token. */
static kg_err add_bytes(work *w, const char *text, size_t size)
{
	uint32_t unknown = w->t->rules.unknown;
	const symbol *last = w->symbols_count == 0 ? NULL : &w->symbols[w->symbols_count - 1];

	for (size_t b = 0; b < size; b++) {
		uint8_t byte = (uint8_t)text[b];
		uint32_t id = w->t->byte_ids[byte];

		if (id == KG_TOKENIZER_NONE)
			return kg_fail(KG_EINVAL,
				       "tokenizer: byte 0x%02x has no token, and there is no "
				       "unknown token",
				       byte);
		if (id != unknown)
			continue;
		if (!w->t->rules.fuse_unknown || last == NULL || last->id != unknown)
			add(w, unknown);
		return KG_OK;
	}
	for (size_t b = 0; b < size; b++)
		add(w, w->t->byte_ids[(uint8_t)text[b]]);
	return KG_OK;
}

static int32_t find(const kg_tokenizer *t, const char *text, size_t size)
{
	uint32_t hash = kg_tokenizer__hash_more(kg_tokenizer__hash_empty, text, size);

	return kg_tokenizer__look_up(t, hash, text, size, "", 0);
}

/* One token per character, or one per byte. Room for `size` symbols is there. */
static kg_err split(work *w, const char *text, size_t size)
{
	kg_err err = KG_OK;
	size_t length;

	for (size_t i = 0; i < size && err == KG_OK; i += length) {
		int32_t id = NONE;

		for (length = 1; length < CHARACTER_MAX && i + length < size; length++)
			if (w->t->rules.byte_level || (text[i + length] & 0xc0) != 0x80)
				break;
		if (!w->t->rules.byte_level)
			id = find(w->t, text + i, length);
		if (id != NONE)
			add(w, (uint32_t)id);
		else
			err = add_bytes(w, text + i, length);
	}
	return err;
}

static kg_err merge_all(work *w)
{
	kg_err err = KG_OK;

	w->heap_count = 0;
	for (size_t i = 0; i + 1 < w->symbols_count && err == KG_OK; i++)
		err = offer(w, (int32_t)i);
	while (w->heap_count > 0 && err == KG_OK) {
		merge m = heap_take(w);
		symbol *left = &w->symbols[m.left];
		int32_t after = left->after;

		if (left->id != m.left_id || after == NONE || w->symbols[after].id != m.right_id)
			continue;
		left->id = m.joined;
		left->after = w->symbols[after].after;
		if (left->after != NONE)
			w->symbols[left->after].before = m.left;
		w->symbols[after].id = UINT32_MAX; /* no merge starts here any more */
		err = offer(w, left->before);
		if (err == KG_OK)
			err = offer(w, m.left);
	}
	return err;
}

static kg_err make_room(work *w, size_t size)
{
	symbol *symbols;

	if (size <= w->symbols_room)
		return KG_OK;
	size += size / 2;
	symbols = reallocarray(w->symbols, size, sizeof(*symbols));
	if (symbols == NULL)
		return kg_fail(KG_ENOMEM, "tokenizer: no memory for a word of %zu bytes", size);
	w->symbols = symbols;
	w->symbols_room = size;
	return KG_OK;
}

/* A word, after a space when `prefix`. */
static kg_err encode_word(work *w, const char *word, size_t size, bool prefix)
{
	kg_err err;

	if (w->t->rules.ignore_merges && !prefix) {
		int32_t id = find(w->t, word, size);

		if (id != NONE)
			return put_id(w, (uint32_t)id);
	}
	err = make_room(w, size + 1);
	w->symbols_count = 0;
	if (err == KG_OK && prefix)
		err = split(w, " ", 1);
	if (err == KG_OK)
		err = split(w, word, size);
	if (err == KG_OK)
		err = merge_all(w);
	for (int32_t i = w->symbols_count > 0 ? 0 : NONE; err == KG_OK && i != NONE;
	     i = w->symbols[i].after)
		err = put_id(w, w->symbols[i].id);
	return err;
}

static kg_err encode_words(work *w, const char *text, size_t size, bool starts)
{
	const kg_tokenizer_rules *rules = &w->t->rules;
	bool prefix = rules->add_space_prefix && (starts || !rules->prefix_once);
	uint32_t *ends = NULL;
	size_t count = 0;
	size_t at = 0;
	kg_err err;

	if (size == 0)
		return KG_OK;
	prefix = prefix && !(rules->prefix_missing && text[0] == ' ');
	if (w->t->words == NULL)
		return encode_word(w, text, size, prefix);
	err = kg_pretokenizer_split(w->t->words, text, size, &ends, &count);
	for (size_t i = 0; i < count && err == KG_OK; i++) {
		err = encode_word(w, text + at, ends[i] - at, prefix && i == 0);
		at = ends[i];
	}
	free(ends);
	return err;
}

/* Keeps one space of several, and none at the ends. */
static void squeeze(kg_buf *text)
{
	size_t used = 0;

	for (size_t i = 0; i < text->size; i++)
		if (text->data[i] != ' ' || (used > 0 && text->data[used - 1] != ' '))
			text->data[used++] = text->data[i];
	text->size = used > 0 && text->data[used - 1] == ' ' ? used - 1 : used;
}

/* A stretch of text between special tokens. */
static kg_err encode_stretch(work *w, const char *text, size_t size, bool starts)
{
	const kg_tokenizer_rules *rules = &w->t->rules;
	kg_err err = KG_OK;
	kg_buf normal;

	if (!rules->compose && !rules->squeeze_spaces)
		return encode_words(w, text, size, starts);
	kg_buf_init(&normal, KG_TOKENIZER_TEXT_MAX);
	if (rules->compose)
		err = kg_nfc_put(&normal, text, size);
	else
		kg_buf_put(&normal, text, size);
	if (err == KG_OK)
		err = kg_buf_ok(&normal);
	if (err == KG_OK && rules->squeeze_spaces)
		squeeze(&normal);
	if (err == KG_OK)
		err = encode_words(w, (const char *)normal.data, normal.size, starts);
	else if (err == KG_EFULL)
		err = kg_fail(KG_EINVAL, "tokenizer: a text beyond the limit of %d bytes",
			      KG_TOKENIZER_TEXT_MAX);
	kg_buf_release(&normal);
	return err;
}

/* The first of specials[low, high) whose byte `depth` is at least `byte`. */
static uint32_t lower(const kg_tokenizer *t, uint32_t low, uint32_t high, size_t depth, int byte)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const kg_token *k = &t->tokens[t->specials[middle]];

		/* A piece that ends before `depth` stands before all that go on. */
		if (k->size <= depth || (uint8_t)kg_tokenizer__text(t, k)[depth] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest special token at the start of `text`, or NONE. */
static int32_t special_at(const kg_tokenizer *t, const char *text, size_t size, bool markup)
{
	uint32_t low = t->specials_at[(uint8_t)text[0]];
	uint32_t high = t->specials_at[(uint8_t)text[0] + 1];
	int32_t best = NONE;

	for (size_t depth = 1; low < high; depth++) {
		const kg_token *k = &t->tokens[t->specials[low]];
		int byte;

		if (k->size == depth && (markup || k->kind == KG_TOKEN_USER))
			best = (int32_t)t->specials[low];
		if (depth == size)
			break;
		byte = (uint8_t)text[depth];
		low = lower(t, low, high, depth, byte);
		high = lower(t, low, high, depth, byte + 1);
	}
	return best;
}

/* `text` is the parts in a row. */
static kg_err encode_text(work *w, const char *text, size_t size, const kg_tokenizer_part *parts)
{
	const kg_tokenizer *t = w->t;
	size_t part_end = 0;
	size_t done = 0;
	size_t at = 0;
	bool markup = false;
	kg_err err = KG_OK;

	while (at < size && err == KG_OK) {
		int32_t id;

		while (at >= part_end) {
			markup = parts->markup;
			part_end += parts++->size;
			while (part_end < size && (parts->size == 0 || parts->markup == markup))
				part_end += parts++->size;
		}
		id = special_at(t, text + at, part_end - at, markup);
		if (id == NONE) {
			at++;
			continue;
		}
		err = encode_stretch(w, text + done, at - done, done == 0);
		if (err == KG_OK)
			err = put_id(w, (uint32_t)id);
		at += t->tokens[id].size;
		done = at;
	}
	return err == KG_OK ? encode_stretch(w, text + done, size - done, done == 0) : err;
}

static kg_err encode_joined(const kg_tokenizer *t, const char *text, size_t size,
			    const kg_tokenizer_part *parts, bool bos, uint32_t **ids, size_t *count)
{
	work w = {.t = t};
	kg_err err = KG_OK;

	if (bos && t->rules.bos != KG_TOKENIZER_NONE)
		err = put_id(&w, t->rules.bos);
	if (err == KG_OK)
		err = encode_text(&w, text, size, parts);
	if (err == KG_OK && w.ids == NULL) {
		w.ids = malloc(sizeof(*w.ids));
		if (w.ids == NULL)
			err = kg_fail(KG_ENOMEM, "tokenizer: no memory");
	}
	free(w.symbols);
	free(w.heap);
	if (err != KG_OK) {
		free(w.ids);
		return err;
	}
	*ids = w.ids;
	*count = w.ids_count;
	return KG_OK;
}

kg_err kg_tokenizer_encode(const kg_tokenizer *tokenizer, const void *text, size_t size, bool bos,
			   uint32_t **ids, size_t *count)
{
	const kg_tokenizer_part part = {text, size, false};

	if (size > KG_TOKENIZER_TEXT_MAX)
		return kg_fail(KG_EINVAL, "tokenizer: a text of %zu bytes; the limit is %d", size,
			       KG_TOKENIZER_TEXT_MAX);
	return encode_joined(tokenizer, text, size, &part, bos, ids, count);
}

kg_err kg_tokenizer_encode_parts(const kg_tokenizer *tokenizer, const kg_tokenizer_part *parts,
				 size_t parts_count, bool bos, uint32_t **ids, size_t *count)
{
	kg_buf text;
	kg_err err;

	kg_buf_init(&text, KG_TOKENIZER_TEXT_MAX);
	for (size_t i = 0; i < parts_count; i++)
		kg_buf_put(&text, parts[i].text, parts[i].size);
	err = kg_buf_ok(&text);
	if (err == KG_EFULL)
		err = kg_fail(KG_EINVAL, "tokenizer: a text beyond the limit of %d bytes",
			      KG_TOKENIZER_TEXT_MAX);
	if (err == KG_OK)
		err = encode_joined(tokenizer, kg_buf_text(&text), text.size, parts, bos, ids,
				    count);
	kg_buf_release(&text);
	return err;
}
