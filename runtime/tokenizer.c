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

const uint64_t kg_tokenizer__hash_empty = 0xcbf29ce484222325ULL;

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

uint64_t kg_tokenizer__hash_more(uint64_t hash, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ULL;
	return hash;
}

static uint32_t slot_of(const kg_tokenizer *t, uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 32) & t->slots_mask;
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

static kg_err store(kg_tokenizer *tokenizer, uint32_t id, const char *text, size_t size,
		    kg_token_kind kind)
{
	kg_token *t = &tokenizer->tokens[id];

	t->at = tokenizer->pieces.size;
	t->size = (uint16_t)size;
	t->hash = kg_tokenizer__hash_more(kg_tokenizer__hash_empty, text, size);
	kg_buf_put(&tokenizer->pieces, text, size);
	kg_buf_put_u8(&tokenizer->pieces, 0);
	t->kind = (uint8_t)kind;
	return kg_buf_ok(&tokenizer->pieces);
}

kg_err kg_tokenizer_put(kg_tokenizer *tokenizer, uint32_t id, const void *piece, size_t size,
			float score, kg_token_kind kind)
{
	char text[KG_TOKENIZER_PIECE_MAX];
	int byte = NONE;
	kg_err err = check_put(tokenizer, id, size, kind);

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
	if (kind == KG_TOKEN_NORMAL || kind == KG_TOKEN_USER)
		size = unmark(text, piece, size);
	else
		memcpy(text, piece, size);
	tokenizer->tokens[id].score = score;
	err = store(tokenizer, id, text, size, kind);
	if (byte != NONE)
		kg_buf_put_u8(&tokenizer->pieces, (uint8_t)byte);
	return err == KG_OK ? kg_buf_ok(&tokenizer->pieces) : err;
}

kg_err kg_tokenizer_put_letters(kg_tokenizer *tokenizer, uint32_t id, const char *piece,
				size_t size, kg_token_kind kind)
{
	char bytes[KG_ALPHABET_LETTER_MAX * KG_TOKENIZER_PIECE_MAX];
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
	return store(tokenizer, id, piece, size, kind);
}

int32_t kg_tokenizer__look_up(const kg_tokenizer *t, uint64_t hash, const char *a, size_t a_size,
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
	for (uint32_t id = 0; id < t->count; id++)
		if (t->tokens[id].kind == 0)
			return kg_fail(KG_EINVAL, "tokenizer: token %u is missing", id);
	return fill_slots(t);
}

static int32_t find(const kg_tokenizer *t, const char *a, size_t a_size, const char *b,
		    size_t b_size)
{
	uint64_t hash = kg_tokenizer__hash_more(kg_tokenizer__hash_empty, a, a_size);

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

static bool is_special(const kg_token *k)
{
	return k->size > 0 && (k->kind == KG_TOKEN_USER || k->kind == KG_TOKEN_CONTROL ||
			       k->kind == KG_TOKEN_UNKNOWN);
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

	for (uint32_t id = 0; id < t->count; id++)
		count += is_special(&t->tokens[id]);
	t->specials = malloc((count + 1) * sizeof(*t->specials));
	if (t->specials == NULL)
		return kg_fail(KG_ENOMEM, "tokenizer: no memory for %u tokens", count);
	count = 0;
	for (uint32_t id = 0; id < t->count; id++)
		if (is_special(&t->tokens[id]))
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
		int32_t id = t->rules.byte_level ? find(t, &letter, 1, "", 0) : NONE;

		t->byte_ids[byte] = id == NONE ? t->rules.unknown : (uint32_t)id;
	}
	for (uint32_t id = t->count; id-- > 0;) {
		const kg_token *k = &t->tokens[id];

		if (k->kind == KG_TOKEN_BYTE)
			t->byte_ids[(uint8_t)kg_tokenizer__text(t, k)[k->size + 1]] = id;
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
