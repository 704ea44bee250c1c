/* SPDX-License-Identifier: MIT */
#include "runtime/tokenizer_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/alphabet.h"

enum {
	NONE = -1,
	PROBES_MAX = 4096, /* more only when pieces were made to collide */
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
	t->count = count;
	memset(t->byte_ids, 0xff, sizeof(t->byte_ids));
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
	free(tokenizer->pieces);
	free(tokenizer->tokens);
	free(tokenizer->slots);
	free(tokenizer->specials);
	kg_merges_release(&tokenizer->merges);
	kg_pretokenizer_free(tokenizer->words);
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
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		char c = from[i];

		/* U+2581 */
		if (c == '\xe2' && size - i >= 3 && from[i + 1] == '\x96' &&
		    from[i + 2] == '\x81') {
			c = ' ';
			i += 2;
		}
		to[used++] = c;
	}
	return used;
}

static uint32_t slot_of(const kg_tokenizer *t, uint32_t hash)
{
	/* The upper bits know every byte, the lower ones are left of few. */
	return (hash ^ hash >> 15) & t->slots_mask;
}

/* Whether `id` can be put now. */
static kg_err check_put(const kg_tokenizer *t, uint32_t id, size_t size, kg_token_kind kind)
{
	if (id >= t->count)
		return kg_fail(KG_EINVAL, "tokenizer: token %u of %u", id, t->count);
	if (t->tokens[id].kind != 0)
		return kg_fail(KG_EINVAL, "tokenizer: token %u is there twice", id);
	if (size > KG_TOKENIZER_PIECE_MAX)
		return kg_fail(KG_EINVAL, "tokenizer: token %u is longer than %d bytes", id,
			       KG_TOKENIZER_PIECE_MAX);
	if (kind < KG_TOKEN_NORMAL || kind > KG_TOKEN_BYTE)
		return kg_fail(KG_EINVAL, "tokenizer: token %u is of kind %d", id, (int)kind);
	return KG_OK;
}

kg_err kg_tokenizer__reserve(kg_tokenizer *t, size_t bytes)
{
	char *pieces = realloc(t->pieces, t->pieces_size + bytes);

	if (pieces == NULL)
		return kg_fail(KG_ENOMEM, "tokenizer: no memory for %zu bytes of pieces", bytes);
	t->pieces = pieces;
	t->pieces_room = t->pieces_size + bytes;
	return KG_OK;
}

/* Where the next piece goes: room for `size` bytes, the terminator and a byte token's byte. */
static char *next_piece(kg_tokenizer *t, size_t size)
{
	size_t more = t->pieces_room < 256 ? 512 : t->pieces_room;

	if (t->pieces_room - t->pieces_size < size + 2 &&
	    kg_tokenizer__reserve(t, more + size) != KG_OK)
		return NULL;
	return t->pieces + t->pieces_size;
}

static bool is_special(kg_token_kind kind, size_t size)
{
	return size > 0 &&
	       (kind == KG_TOKEN_USER || kind == KG_TOKEN_CONTROL || kind == KG_TOKEN_UNKNOWN);
}

/* The token whose piece was written at next_piece. */
static void store(kg_tokenizer *t, uint32_t id, size_t size, float score, kg_token_kind kind)
{
	char *piece = t->pieces + t->pieces_size;

	t->tokens[id] = (kg_token){
		.at = (uint32_t)t->pieces_size,
		.hash = kg_tokenizer__hash_more(kg_tokenizer__hash_empty, piece, size),
		.score = score,
		.size = (uint16_t)size,
		.kind = (uint8_t)kind,
	};
	piece[size] = '\0';
	t->pieces_size += size + 1;
	t->put++;
	t->special += is_special(kind, size);
}

kg_err kg_tokenizer_put(kg_tokenizer *tokenizer, uint32_t id, const void *piece, size_t size,
			float score, kg_token_kind kind)
{
	kg_tokenizer *t = tokenizer;
	int byte = NONE;
	char *to;
	kg_err err = check_put(t, id, size, kind);

	if (err != KG_OK)
		return err;
	if (!isfinite(score))
		return kg_fail(KG_EINVAL, "tokenizer: the score of token %u is not finite", id);
	if (kind == KG_TOKEN_BYTE) {
		byte = kg_tokenizer_byte_of(piece, size);
		if (byte == NONE)
			return kg_fail(KG_EINVAL, "tokenizer: byte token %u is not spelled <0xNN>",
				       id);
	}
	to = next_piece(t, size);
	if (to == NULL)
		return KG_ENOMEM;
	if (kind == KG_TOKEN_NORMAL || kind == KG_TOKEN_USER)
		size = unmark(to, piece, size);
	else
		memcpy(to, piece, size);
	store(t, id, size, score, kind);
	if (byte != NONE) {
		t->pieces[t->pieces_size++] = (char)byte;
		if (id < t->byte_ids[byte])
			t->byte_ids[byte] = id;
	}
	return KG_OK;
}

kg_err kg_tokenizer_put_letters(kg_tokenizer *tokenizer, uint32_t id, const char *piece,
				size_t size, kg_token_kind kind)
{
	char bytes[KG_ALPHABET_LETTER_MAX * KG_TOKENIZER_PIECE_MAX];
	char *to;
	kg_err err;

	if (kind == KG_TOKEN_NORMAL && size <= sizeof(bytes)) {
		size = kg_alphabet_decode(bytes, piece, size);
		piece = bytes;
	}
	err = check_put(tokenizer, id, size, kind);
	if (err != KG_OK)
		return err;
	if (kind == KG_TOKEN_BYTE)
		return kg_fail(KG_EINVAL, "tokenizer: token %u is of kind %d", id, (int)kind);
	to = next_piece(tokenizer, size);
	if (to == NULL)
		return KG_ENOMEM;
	memcpy(to, piece, size);
	store(tokenizer, id, size, 0, kind);
	return KG_OK;
}

int32_t kg_tokenizer__look_up(const kg_tokenizer *t, uint32_t hash, const char *a, size_t a_size,
			      const char *b, size_t b_size)
{
	for (uint32_t i = slot_of(t, hash); t->slots[i] != NONE; i = (i + 1) & t->slots_mask) {
		const kg_token *k = &t->tokens[t->slots[i]];

		if (k->hash == hash && k->size == a_size + b_size &&
		    memcmp(kg_tokenizer__text(t, k), a, a_size) == 0 &&
		    (b_size == 0 || memcmp(kg_tokenizer__text(t, k) + a_size, b, b_size) == 0))
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

		if (!kg_tokenizer__spelled(&t->tokens[id]))
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

/* The pieces are all there: from now on they can be looked up. */
static kg_err complete(kg_tokenizer *t)
{
	for (uint32_t id = 0; t->put < t->count; id++)
		if (t->tokens[id].kind == 0)
			return kg_fail(KG_EINVAL, "tokenizer: token %u is missing", id);
	return fill_slots(t);
}

static int32_t find(const kg_tokenizer *t, const char *a, size_t a_size, const char *b,
		    size_t b_size)
{
	uint32_t hash = kg_tokenizer__hash_more(kg_tokenizer__hash_empty, a, a_size);

	KG_ASSERT(t->slots != NULL);
	return kg_tokenizer__look_up(t, kg_tokenizer__hash_more(hash, b, b_size), a, a_size, b,
				     b_size);
}

kg_err kg_tokenizer_put_merge(kg_tokenizer *tokenizer, bool letters, const char *left,
			      size_t left_size, const char *right, size_t right_size)
{
	char a[KG_ALPHABET_LETTER_MAX * KG_TOKENIZER_PIECE_MAX];
	char b[KG_ALPHABET_LETTER_MAX * KG_TOKENIZER_PIECE_MAX];
	kg_tokenizer *t = tokenizer;
	int32_t a_id;
	int32_t b_id;
	int32_t joined;

	if (t->slots == NULL) {
		kg_err err = complete(t);

		if (err != KG_OK)
			return err;
	}
	if (left_size > sizeof(a) || right_size > sizeof(b))
		return kg_fail(KG_EINVAL, "tokenizer: a merge of more than %d bytes",
			       KG_TOKENIZER_PIECE_MAX);
	left_size = letters ? kg_alphabet_decode(a, left, left_size) : unmark(a, left, left_size);
	right_size =
		letters ? kg_alphabet_decode(b, right, right_size) : unmark(b, right, right_size);
	a_id = find(t, a, left_size, "", 0);
	b_id = find(t, b, right_size, "", 0);
	joined = find(t, a, left_size, b, right_size);
	if (left_size == 0 || right_size == 0 || a_id == NONE || b_id == NONE || joined == NONE)
		return kg_fail(KG_EINVAL, "tokenizer: merge %u joins what is not in the vocabulary",
			       t->merges.count);
	return kg_merges_put(&t->merges, (uint32_t)a_id, (uint32_t)b_id, (uint32_t)joined);
}

kg_err kg_tokenizer_put_merge_line(kg_tokenizer *tokenizer, bool letters, const char *line,
				   size_t size)
{
	/* A piece may start with a space, where vocabularies are hand-made. */
	const char *space = size > 1 ? memchr(line + 1, ' ', size - 1) : NULL;
	size_t left;

	if (space == NULL)
		return kg_fail(KG_EINVAL, "tokenizer: a merge is not two pieces");
	left = (size_t)(space - line);
	return kg_tokenizer_put_merge(tokenizer, letters, line, left, space + 1, size - left - 1);
}

/* User tokens, which every text may hold, before the others of the same piece; then by id. */
static int by_piece(const void *a, const void *b, void *context)
{
	const kg_tokenizer *t = context;
	uint32_t a_id = *(const uint32_t *)a;
	uint32_t b_id = *(const uint32_t *)b;
	const kg_token *x = &t->tokens[a_id];
	const kg_token *y = &t->tokens[b_id];
	size_t common = x->size < y->size ? x->size : y->size;
	int order = memcmp(kg_tokenizer__text(t, x), kg_tokenizer__text(t, y), common);

	if (order != 0)
		return order;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	if ((x->kind == KG_TOKEN_USER) != (y->kind == KG_TOKEN_USER))
		return x->kind == KG_TOKEN_USER ? -1 : 1;
	return a_id < b_id ? -1 : 1;
}

/* Sorts the specials; of equal pieces the first stays, which is the user token if there is one. */
static kg_err fill_specials(kg_tokenizer *t)
{
	uint32_t count = 0;
	uint32_t kept = 0;

	t->specials = malloc((t->special + 1) * sizeof(*t->specials));
	if (t->specials == NULL)
		return kg_fail(KG_ENOMEM, "tokenizer: no memory for %u tokens", t->special);
	for (uint32_t id = 0; count < t->special; id++)
		if (is_special((kg_token_kind)t->tokens[id].kind, t->tokens[id].size))
			t->specials[count++] = id;
	qsort_r(t->specials, count, sizeof(*t->specials), by_piece, t);
	for (uint32_t i = 0; i < count; i++) {
		const kg_token *k = &t->tokens[t->specials[i]];
		const kg_token *last = kept > 0 ? &t->tokens[t->specials[kept - 1]] : NULL;
		uint8_t first = (uint8_t)*kg_tokenizer__text(t, k);

		if (last != NULL && last->size == k->size &&
		    memcmp(kg_tokenizer__text(t, last), kg_tokenizer__text(t, k), k->size) == 0)
			continue;
		t->specials[kept++] = t->specials[i];
		t->specials_at[first + 1] = kept;
	}
	for (int byte = 1; byte <= 256; byte++)
		if (t->specials_at[byte] < t->specials_at[byte - 1])
			t->specials_at[byte] = t->specials_at[byte - 1];
	return KG_OK;
}

static bool no_token(uint32_t id, uint32_t count)
{
	return id >= count && id != KG_TOKENIZER_NONE;
}

static void fill_byte_ids(kg_tokenizer *t)
{
	for (int byte = 0; byte < 256; byte++) {
		char letter = (char)byte;
		int32_t id;

		if (t->byte_ids[byte] != KG_TOKENIZER_NONE)
			continue;
		id = t->rules.byte_level ? find(t, &letter, 1, "", 0) : NONE;
		t->byte_ids[byte] = id == NONE ? t->rules.unknown : (uint32_t)id;
	}
}

kg_err kg_tokenizer_finish(kg_tokenizer *tokenizer, const kg_tokenizer_rules *rules)
{
	kg_tokenizer *t = tokenizer;
	kg_err err = KG_OK;

	KG_ASSERT(t->specials == NULL);
	if (t->slots == NULL)
		err = complete(t);
	if (err != KG_OK)
		return err;
	if (no_token(rules->bos, t->count) || no_token(rules->eos, t->count) ||
	    no_token(rules->unknown, t->count))
		return kg_fail(KG_EINVAL,
			       "tokenizer: bos %u, eos %u and unknown %u must be below %u",
			       rules->bos, rules->eos, rules->unknown, t->count);
	t->rules = *rules;
	fill_byte_ids(t);
	if (rules->words != KG_PRETOKENIZER_NONE)
		err = kg_pretokenizer_new(&t->words, rules->words);
	return err == KG_OK ? fill_specials(t) : err;
}

kg_err kg_tokenizer_byte_model(kg_tokenizer **out)
{
	static const kg_tokenizer_rules rules = {.bos = 1, .eos = 2, .unknown = 0, .add_bos = true};
	static const char digits[] = "0123456789ABCDEF";
	kg_tokenizer *t = NULL;
	kg_err err = kg_tokenizer_new(&t, KG_TOKENIZER_BYTE_MODEL_COUNT);

	if (err != KG_OK)
		return err;
	KG_ASSERT(t != NULL);
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

const kg_merges *kg_tokenizer_get_merges(const kg_tokenizer *tokenizer)
{
	return &tokenizer->merges;
}

uint32_t kg_tokenizer_special(const kg_tokenizer *tokenizer, const char *piece, size_t size)
{
	const kg_tokenizer *t = tokenizer;
	uint8_t first = size > 0 ? (uint8_t)piece[0] : 0;

	for (uint32_t i = t->specials_at[first]; i < t->specials_at[first + 1]; i++) {
		const kg_token *k = &t->tokens[t->specials[i]];

		if (k->size == size && memcmp(kg_tokenizer__text(t, k), piece, size) == 0)
			return t->specials[i];
	}
	return KG_TOKENIZER_NONE;
}

static const kg_token *get(const kg_tokenizer *t, uint32_t id)
{
	KG_ASSERT(id < t->count);
	return &t->tokens[id];
}

const char *kg_tokenizer_piece(const kg_tokenizer *tokenizer, uint32_t id, size_t *size)
{
	const kg_token *k = get(tokenizer, id);

	*size = k->size;
	return kg_tokenizer__text(tokenizer, k);
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
	const kg_token *k = get(tokenizer, id);
	const char *text = kg_tokenizer__text(tokenizer, k);

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
