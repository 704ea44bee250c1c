/* SPDX-License-Identifier: MIT */
#include "runtime/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONE = -1,
	PROBES_MAX = 4096, /* more only when pieces were made to collide */
	CHARACTER_MAX = 4,
};

static const float score_floor = -1e10f; /* llama2.c merges above it only */

typedef struct {
	size_t at; /* in pieces: text, NUL and, for byte tokens, the byte */
	uint64_t hash;
	float score;
	uint16_t size;
	uint8_t kind; /* 0: not put yet */
} token;

struct kg_tokenizer {
	kg_buf pieces;
	token *tokens;
	int32_t *slots; /* ids by hash of their piece; NONE is free */
	uint32_t count;
	uint32_t slots_mask;
	uint32_t byte_ids[256];
	kg_tokenizer_rules rules;
};

kg_err kg_tokenizer_new(kg_tokenizer **out, uint32_t count)
{
	kg_tokenizer *t = NULL;

	if (count == 0 || count > KG_TOKENIZER_COUNT_MAX)
		return kg_fail(KG_EINVAL, "tokenizer: %u tokens; 1..%d are allowed", count,
			       KG_TOKENIZER_COUNT_MAX);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return kg_fail(KG_ENOMEM, "tokenizer: no memory");
	kg_buf_init(&t->pieces, (size_t)count * (KG_TOKENIZER_PIECE_MAX + 2));
	t->count = count;
	t->tokens = calloc(count, sizeof(*t->tokens));
	if (t->tokens == NULL) {
		kg_tokenizer_free(t);
		return kg_fail(KG_ENOMEM, "tokenizer: no memory for %u tokens", count);
	}
	*out = t;
	return KG_OK;
}

void kg_tokenizer_free(kg_tokenizer *tokenizer)
{
	if (tokenizer == NULL)
		return;
	kg_buf_release(&tokenizer->pieces);
	free(tokenizer->tokens);
	free(tokenizer->slots);
	free(tokenizer);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return NONE;
}

int kg_tokenizer_byte_of(const char *piece, size_t size)
{
	int high;
	int low;

	if (size != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>')
		return NONE;
	high = hex_digit(piece[3]);
	low = hex_digit(piece[4]);
	return high == NONE || low == NONE ? NONE : high * 16 + low;
}

/* Copies `from` with SentencePiece's mark as a space; returns the new size. */
static size_t unmark(char *to, const char *from, size_t size)
{
	static const char mark[] = "\xe2\x96\x81"; /* U+2581 */
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		if (size - i >= 3 && memcmp(from + i, mark, 3) == 0) {
			to[used++] = ' ';
			i += 2;
		} else {
			to[used++] = from[i];
		}
	}
	return used;
}

/* FNV-1a, which continues: hash(ab) = hash_more(hash(a), b). */
static uint64_t hash_more(uint64_t h, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		h = (h ^ (uint8_t)text[i]) * 0x100000001b3ULL;
	return h;
}

static const uint64_t hash_empty = 0xcbf29ce484222325ULL;

static uint32_t slot_of(const kg_tokenizer *t, uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 32) & t->slots_mask;
}

kg_err kg_tokenizer_put(kg_tokenizer *tokenizer, uint32_t id, const void *piece, size_t size,
			float score, kg_token_kind kind)
{
	char text[KG_TOKENIZER_PIECE_MAX];
	int byte = NONE;
	token *t;

	if (id >= tokenizer->count)
		return kg_fail(KG_EINVAL, "tokenizer: token %u of %u", id, tokenizer->count);
	t = &tokenizer->tokens[id];
	if (t->kind != 0)
		return kg_fail(KG_EINVAL, "tokenizer: token %u is there twice", id);
	if (size > KG_TOKENIZER_PIECE_MAX)
		return kg_fail(KG_EINVAL, "tokenizer: token %u is longer than %d bytes", id,
			       KG_TOKENIZER_PIECE_MAX);
	if (!isfinite(score))
		return kg_fail(KG_EINVAL, "tokenizer: the score of token %u is not finite", id);
	if (kind < KG_TOKEN_NORMAL || kind > KG_TOKEN_BYTE)
		return kg_fail(KG_EINVAL, "tokenizer: token %u is of kind %d", id, (int)kind);
	if (kind == KG_TOKEN_BYTE) {
		byte = kg_tokenizer_byte_of(piece, size);
		if (byte == NONE)
			return kg_fail(KG_EINVAL, "tokenizer: byte token %u is not spelled <0xNN>",
				       id);
	}
	if (kind == KG_TOKEN_NORMAL || kind == KG_TOKEN_USER)
		size = unmark(text, piece, size);
	else
		memcpy(text, piece, size);
	t->at = tokenizer->pieces.size;
	t->size = (uint16_t)size;
	t->score = score;
	t->hash = hash_more(hash_empty, text, size);
	kg_buf_put(&tokenizer->pieces, text, size);
	kg_buf_put_u8(&tokenizer->pieces, 0);
	if (byte != NONE)
		kg_buf_put_u8(&tokenizer->pieces, (uint8_t)byte);
	t->kind = (uint8_t)kind;
	return kg_buf_ok(&tokenizer->pieces);
}

static const char *text_of(const kg_tokenizer *t, const token *k)
{
	return (const char *)t->pieces.data + k->at;
}

/* Tokens that come from the spelling of a text. */
static bool spelled(const token *k)
{
	return (k->kind == KG_TOKEN_NORMAL || k->kind == KG_TOKEN_USER) && k->size > 0;
}

/* The id of the piece a + b, or NONE; `hash` is its hash. */
static int32_t look_up(const kg_tokenizer *t, uint64_t hash, const char *a, size_t a_size,
		       const char *b, size_t b_size)
{
	for (uint32_t i = slot_of(t, hash); t->slots[i] != NONE; i = (i + 1) & t->slots_mask) {
		const token *k = &t->tokens[t->slots[i]];

		if (k->hash == hash && k->size == a_size + b_size &&
		    memcmp(text_of(t, k), a, a_size) == 0 &&
		    (b_size == 0 || memcmp(text_of(t, k) + a_size, b, b_size) == 0))
			return t->slots[i];
	}
	return NONE;
}

/* Lowest id first, so that of equal pieces the lowest is found first. */
static kg_err fill_slots(kg_tokenizer *t)
{
	uint32_t slots = 16;

	while (slots < 2 * t->count)
		slots *= 2;
	t->slots = malloc(slots * sizeof(*t->slots));
	if (t->slots == NULL)
		return kg_fail(KG_ENOMEM, "tokenizer: no memory for %u tokens", t->count);
	memset(t->slots, 0xff, slots * sizeof(*t->slots));
	t->slots_mask = slots - 1;
	for (uint32_t id = 0; id < t->count; id++) {
		uint32_t probes = 0;
		uint32_t i;

		if (!spelled(&t->tokens[id]))
			continue;
		i = slot_of(t, t->tokens[id].hash);
		while (t->slots[i] != NONE) {
			if (++probes > PROBES_MAX)
				return kg_fail(KG_EINVAL, "tokenizer: too many equal pieces");
			i = (i + 1) & t->slots_mask;
		}
		t->slots[i] = (int32_t)id;
	}
	return KG_OK;
}

kg_err kg_tokenizer_finish(kg_tokenizer *tokenizer, const kg_tokenizer_rules *rules)
{
	kg_tokenizer *t = tokenizer;

	KG_ASSERT(t->slots == NULL);
	for (uint32_t id = 0; id < t->count; id++)
		if (t->tokens[id].kind == 0)
			return kg_fail(KG_EINVAL, "tokenizer: token %u is missing", id);
	if (rules->bos >= t->count || rules->eos >= t->count || rules->unknown >= t->count)
		return kg_fail(KG_EINVAL,
			       "tokenizer: bos %u, eos %u and unknown %u must be below %u",
			       rules->bos, rules->eos, rules->unknown, t->count);
	t->rules = *rules;
	for (int byte = 0; byte < 256; byte++)
		t->byte_ids[byte] = rules->unknown;
	for (uint32_t id = t->count; id-- > 0;) {
		const token *k = &t->tokens[id];

		if (k->kind == KG_TOKEN_BYTE)
			t->byte_ids[(uint8_t)text_of(t, k)[k->size + 1]] = id;
	}
	return fill_slots(t);
}

kg_err kg_tokenizer_byte_model(kg_tokenizer **out)
{
	static const kg_tokenizer_rules rules = {.bos = 1, .eos = 2, .unknown = 0, .add_bos = true};
	static const char digits[] = "0123456789ABCDEF";
	kg_tokenizer *t = NULL;
	kg_err err = kg_tokenizer_new(&t, KG_TOKENIZER_BYTE_MODEL_COUNT);

	if (err != KG_OK)
		return err;
	err = kg_tokenizer_put(t, 0, "<unk>", 5, 0.0f, KG_TOKEN_UNKNOWN);
	if (err == KG_OK)
		err = kg_tokenizer_put(t, 1, "<s>", 3, 0.0f, KG_TOKEN_CONTROL);
	if (err == KG_OK)
		err = kg_tokenizer_put(t, 2, "</s>", 4, 0.0f, KG_TOKEN_CONTROL);
	for (uint32_t byte = 0; byte < 256 && err == KG_OK; byte++) {
		char piece[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};

		err = kg_tokenizer_put(t, 3 + byte, piece, sizeof(piece), 0.0f, KG_TOKEN_BYTE);
	}
	if (err == KG_OK)
		err = kg_tokenizer_finish(t, &rules);
	if (err != KG_OK) {
		kg_tokenizer_free(t);
		return err;
	}
	*out = t;
	return KG_OK;
}

uint32_t kg_tokenizer_count(const kg_tokenizer *tokenizer)
{
	return tokenizer->count;
}

const kg_tokenizer_rules *kg_tokenizer_get_rules(const kg_tokenizer *tokenizer)
{
	return &tokenizer->rules;
}

static const token *get(const kg_tokenizer *t, uint32_t id)
{
	KG_ASSERT(id < t->count);
	return &t->tokens[id];
}

const char *kg_tokenizer_piece(const kg_tokenizer *tokenizer, uint32_t id, size_t *size)
{
	const token *k = get(tokenizer, id);

	*size = k->size;
	return text_of(tokenizer, k);
}

float kg_tokenizer_score(const kg_tokenizer *tokenizer, uint32_t id)
{
	return get(tokenizer, id)->score;
}

kg_token_kind kg_tokenizer_kind(const kg_tokenizer *tokenizer, uint32_t id)
{
	return (kg_token_kind)get(tokenizer, id)->kind;
}

const char *kg_tokenizer_decode_one(const kg_tokenizer *tokenizer, uint32_t previous, uint32_t id,
				    size_t *size)
{
	const token *k = get(tokenizer, id);
	const char *text = text_of(tokenizer, k);

	if (k->kind == KG_TOKEN_CONTROL) {
		*size = 0;
		return text;
	}
	if (k->kind == KG_TOKEN_BYTE) {
		*size = 1;
		return text + k->size + 1;
	}
	*size = k->size;
	if (previous == tokenizer->rules.bos && tokenizer->rules.add_space_prefix && k->size > 0 &&
	    text[0] == ' ') {
		*size -= 1;
		text++;
	}
	return text;
}

kg_err kg_tokenizer_decode(const kg_tokenizer *tokenizer, const uint32_t *ids, size_t count,
			   kg_buf *out)
{
	/* Nothing precedes the first id: an id that is not bos. */
	uint32_t previous = tokenizer->rules.bos == 0 ? 1 : 0;

	for (size_t i = 0; i < count; i++) {
		const char *text;
		size_t size;

		if (ids[i] >= tokenizer->count)
			return kg_fail(KG_EINVAL,
				       "tokenizer: token %u does not exist; there are %u", ids[i],
				       tokenizer->count);
		text = kg_tokenizer_decode_one(tokenizer, previous, ids[i], &size);
		kg_buf_put(out, text, size);
		previous = ids[i];
	}
	return kg_buf_ok(out);
}

/* A token of the text under work, in a list: merging takes the right one out. */
typedef struct {
	uint32_t id;
	int32_t before;
	int32_t after;
} symbol;

/* Two neighbours that could become one. Old news when the ids are no longer there. */
typedef struct {
	float score;
	int32_t left;
	uint32_t left_id;
	uint32_t right_id;
	uint32_t joined;
} merge;

typedef struct {
	const kg_tokenizer *t;
	symbol *symbols;
	size_t symbols_count;
	merge *heap; /* best first */
	size_t heap_count;
	size_t heap_room;
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

/* Offers the pair that starts at `left`, if its joined piece exists. */
static kg_err offer(work *w, int32_t left)
{
	const kg_tokenizer *t = w->t;
	const token *a;
	const token *b;
	int32_t joined;
	int32_t right;

	if (left == NONE)
		return KG_OK;
	right = w->symbols[left].after;
	if (right == NONE)
		return KG_OK;
	a = &t->tokens[w->symbols[left].id];
	b = &t->tokens[w->symbols[right].id];
	if (!spelled(a) || !spelled(b))
		return KG_OK;
	joined = look_up(t, hash_more(a->hash, text_of(t, b), b->size), text_of(t, a), a->size,
			 text_of(t, b), b->size);
	if (joined == NONE || !(t->tokens[joined].score > score_floor))
		return KG_OK;
	return heap_put(w, (merge){t->tokens[joined].score, left, w->symbols[left].id,
				   w->symbols[right].id, (uint32_t)joined});
}

static void add(work *w, uint32_t id)
{
	int32_t at = (int32_t)w->symbols_count++;

	w->symbols[at] = (symbol){id, at - 1, NONE};
	if (at > 0)
		w->symbols[at - 1].after = at;
}

/* One token per character, or one per byte. */
static void split(work *w, const char *text, size_t size)
{
	const kg_tokenizer *t = w->t;
	size_t length;

	for (size_t i = 0; i < size; i += length) {
		int32_t id;

		for (length = 1; length < CHARACTER_MAX && i + length < size; length++)
			if ((text[i + length] & 0xc0) != 0x80)
				break;
		id = look_up(t, hash_more(hash_empty, text + i, length), text + i, length, NULL, 0);
		if (id != NONE)
			add(w, (uint32_t)id);
		for (size_t b = 0; id == NONE && b < length; b++)
			add(w, t->byte_ids[(uint8_t)text[i + b]]);
	}
}

static kg_err merge_all(work *w)
{
	kg_err err = KG_OK;

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

kg_err kg_tokenizer_encode(const kg_tokenizer *tokenizer, const void *text, size_t size, bool bos,
			   uint32_t **ids, size_t *count)
{
	work w = {.t = tokenizer};
	uint32_t *out = NULL;
	size_t used = 0;
	kg_err err;

	if (size > KG_TOKENIZER_TEXT_MAX)
		return kg_fail(KG_EINVAL, "tokenizer: a text of %zu bytes; the limit is %d", size,
			       KG_TOKENIZER_TEXT_MAX);
	w.symbols = malloc((size + 1) * sizeof(*w.symbols));
	if (w.symbols == NULL)
		return kg_fail(KG_ENOMEM, "tokenizer: no memory for a text of %zu bytes", size);
	if (size > 0 && tokenizer->rules.add_space_prefix)
		split(&w, " ", 1);
	split(&w, text, size);
	err = merge_all(&w);
	if (err != KG_OK)
		goto done;
	out = malloc((w.symbols_count + 1) * sizeof(*out));
	if (out == NULL) {
		err = kg_fail(KG_ENOMEM, "tokenizer: no memory for %zu tokens", w.symbols_count);
		goto done;
	}
	if (bos)
		out[used++] = tokenizer->rules.bos;
	for (int32_t i = w.symbols_count > 0 ? 0 : NONE; i != NONE; i = w.symbols[i].after)
		out[used++] = w.symbols[i].id;
	*ids = out;
	*count = used;
done:
	free(w.symbols);
	free(w.heap);
	return err;
}
