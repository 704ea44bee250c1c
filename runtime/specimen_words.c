/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "runtime/specimen.h"

enum {
	WORD_MAX = 12,   /* bytes of a made-up word, its leading space included */
	COUNT_MIN = 512, /* room for the bytes, the letters and some words */
	FIRST_BYTE = 3,
	FIRST_WORD = FIRST_BYTE + 256,
};

typedef struct {
	char text[WORD_MAX + 1];
	uint8_t size;
} word;

/* Words made so far, and where each is by its spelling: a table of index + 1, probed in order. */
typedef struct {
	word *words;
	uint32_t count;
	uint32_t *slots;
	uint32_t mask;
} lexicon;

static uint32_t hash(const word *w)
{
	uint32_t h = 2166136261u;

	for (uint8_t i = 0; i < w->size; i++)
		h = (h ^ (uint8_t)w->text[i]) * 16777619u;
	return h;
}

/* False when the word was there. */
static bool add(lexicon *l, const word *w)
{
	uint32_t slot = hash(w) & l->mask;

	for (; l->slots[slot] != 0; slot = (slot + 1) & l->mask)
		if (strcmp(l->words[l->slots[slot] - 1].text, w->text) == 0)
			return false;
	l->words[l->count++] = *w;
	l->slots[slot] = l->count;
	return true;
}

static bool is_vowel(char letter)
{
	return strchr("aeiou", letter) != NULL;
}

/* Two pieces make a word where a vowel meets a consonant, or behind a space. */
static bool join(word *out, const word *left, const word *right)
{
	char end = left->text[left->size - 1];
	char begin = right->text[0];

	if (left->size + right->size > WORD_MAX || strchr(" .,", begin) != NULL ||
	    strchr(".,", end) != NULL)
		return false;
	if (end != ' ' && is_vowel(end) == is_vowel(begin))
		return false;
	memcpy(out->text, left->text, left->size);
	memcpy(out->text + left->size, right->text, (size_t)right->size + 1);
	out->size = (uint8_t)(left->size + right->size);
	return true;
}

/* Shorter pieces, which are the earlier ones, are drawn more often. */
static const word *draw(const lexicon *l, kg_rng *rng)
{
	return &l->words[kg_rng_below(rng, kg_rng_below(rng, l->count) + 1)];
}

static void make_words(lexicon *l, uint32_t count, uint64_t seed)
{
	static const char letters[] = " .,abcdefghijklmnopqrstuvwxyz";
	kg_rng rng;

	for (const char *c = letters; *c != '\0'; c++)
		(void)add(l, &(word){.text = {*c}, .size = 1});
	kg_rng_init_u64(&rng, seed);
	while (l->count < count) {
		const word *left = draw(l, &rng);
		const word *right = draw(l, &rng);
		word made;

		if (join(&made, left, right))
			(void)add(l, &made);
	}
}

static kg_err put_fixed(kg_tokenizer *t)
{
	static const char hex[] = "0123456789ABCDEF";
	kg_err err = kg_tokenizer_put(t, 0, "<unk>", 5, 0.0f, KG_TOKEN_UNKNOWN);

	if (err == KG_OK)
		err = kg_tokenizer_put(t, 1, "<s>", 3, 0.0f, KG_TOKEN_CONTROL);
	if (err == KG_OK)
		err = kg_tokenizer_put(t, 2, "</s>", 4, 0.0f, KG_TOKEN_CONTROL);
	for (uint32_t b = 0; b < 256 && err == KG_OK; b++) {
		char piece[] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'};

		err = kg_tokenizer_put(t, FIRST_BYTE + b, piece, sizeof(piece), 0.0f,
				       KG_TOKEN_BYTE);
	}
	return err;
}

static kg_err put_words(kg_tokenizer *t, const lexicon *l)
{
	kg_err err = KG_OK;

	for (uint32_t i = 0; i < l->count && err == KG_OK; i++)
		err = kg_tokenizer_put(t, FIRST_WORD + i, l->words[i].text, l->words[i].size,
				       -(float)i, KG_TOKEN_NORMAL);
	return err;
}

kg_err kg_specimen_tokenizer(kg_tokenizer **out, uint32_t count, uint64_t seed)
{
	static const kg_tokenizer_rules rules = {
		.bos = 1, .eos = 2, .unknown = 0, .add_bos = true, .add_space_prefix = true};
	kg_tokenizer *t = NULL;
	lexicon l = {.mask = 1};
	kg_err err;

	if (count < COUNT_MIN)
		return kg_fail(KG_EINVAL, "a vocabulary of %u: a specimen's has %d at least", count,
			       COUNT_MIN);
	err = kg_tokenizer_new(&t, count);
	if (err != KG_OK)
		return err;
	while (l.mask < 2 * count)
		l.mask = 2 * l.mask + 1;
	l.words = calloc(count, sizeof(*l.words));
	l.slots = calloc((size_t)l.mask + 1, sizeof(*l.slots));
	if (l.words == NULL || l.slots == NULL) {
		err = kg_fail(KG_ENOMEM, "no memory for %u words", count);
	} else {
		make_words(&l, count - FIRST_WORD, seed);
		err = put_fixed(t);
	}
	if (err == KG_OK)
		err = put_words(t, &l);
	if (err == KG_OK)
		err = kg_tokenizer_finish(t, &rules);
	free(l.words);
	free(l.slots);
	if (err != KG_OK) {
		kg_tokenizer_free(t);
		return err;
	}
	*out = t;
	return KG_OK;
}
