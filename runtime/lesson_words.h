/* SPDX-License-Identifier: MIT */
/*
 * lesson_words – the small vocabulary of the lessons, and the words they invent.
 *
 * All entries are ASCII. Names begin with a capital letter, everything else is lower case; objects
 * begin with a consonant, so that "a" always fits before them.
 */
#ifndef KG_RUNTIME_LESSON_WORDS_H
#define KG_RUNTIME_LESSON_WORDS_H

#include <stdint.h>

#include "base/rng.h"

typedef struct {
	const char *const *at;
	uint32_t count;
} kg_wordlist;

typedef struct {
	const char *one;
	const char *other;
} kg_wordpair;

typedef struct {
	const char *first;
	const char *second;
	const char *mixed;
} kg_colour_mix;

extern const kg_wordlist kg_lesson_names;
extern const kg_wordlist kg_lesson_objects;
extern const kg_wordlist kg_lesson_animals;
extern const kg_wordlist kg_lesson_colours;
extern const kg_wordlist kg_lesson_days;
extern const kg_wordlist kg_lesson_months;
extern const kg_wordlist kg_lesson_letters;

/* Pairs of opposites; each side is asked for. No word is in two pairs. */
extern const kg_wordpair kg_lesson_opposites[];
extern const uint32_t kg_lesson_opposite_count;

extern const kg_colour_mix kg_lesson_mixes[];
extern const uint32_t kg_lesson_mix_count;

/* One entry, uniformly; borrowed. */
const char *kg_wordlist_pick(const kg_wordlist *list, kg_rng *rng);

enum { KG_SPELLING_MAX = 6 }; /* bytes of a word to spell, terminator included */

/* A word of 3 to 5 letters: a real one from a table, or one invented from consonants and vowels,
 * with equal chance. */
void kg_lesson_spelling_draw(char word[KG_SPELLING_MAX], kg_rng *rng);

#endif
