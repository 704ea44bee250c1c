/* SPDX-License-Identifier: MIT */
#include "runtime/lesson_words.h"

#include <string.h>

#include "base/err.h"

#define COUNT_OF(array)       ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define WORDLIST(name, array) const kg_wordlist name = {array, COUNT_OF(array)}

static const char *const names[] = {"Tom", "Sue", "Ben",  "Ann",  "Max", "Lily", "Sam", "Mia",
				    "Tim", "Zoe", "Jack", "Nora", "Leo", "Amy",  "Bob", "Eva",
				    "Dan", "Kim", "Joe",  "Pam",  "Ron", "Ida",  "Gus", "Meg"};

static const char *const objects[] = {"ball", "kite", "book", "cup",  "hat", "doll",
				      "car",  "drum", "boat", "bell", "bag", "coin",
				      "cake", "fork", "shoe", "lamp", "map", "pen",
				      "star", "rope", "flag", "ring", "box", "key"};

static const char *const animals[] = {"cat",  "dog",  "cow",  "pig",  "hen",  "fox",
				      "owl",  "bee",  "ant",  "bat",  "rat",  "duck",
				      "frog", "goat", "bear", "fish", "lion", "wolf",
				      "deer", "crab", "swan", "mole", "seal", "toad"};

static const char *const colours[] = {"red",  "blue",  "green", "pink",
				      "grey", "white", "black", "brown"};

static const char *const days[] = {"monday", "tuesday",  "wednesday", "thursday",
				   "friday", "saturday", "sunday"};

static const char *const months[] = {"january",   "february", "march",    "april",
				     "may",       "june",     "july",     "august",
				     "september", "october",  "november", "december"};

static const char *const letters[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
				      "j", "k", "l", "m", "n", "o", "p", "q", "r",
				      "s", "t", "u", "v", "w", "x", "y", "z"};

/* Real words of 3 to 5 letters, chosen to use the whole alphabet. */
static const char *const spellings[] = {
	"apple", "arm",   "baby",  "back",  "bed",   "berry", "big",   "bird",  "black", "blue",
	"boy",   "bread", "brick", "bus",   "chair", "chin",  "clock", "cloud", "cold",  "corn",
	"cow",   "crow",  "dark",  "day",   "desk",  "dog",   "door",  "dress", "drink", "eagle",
	"ear",   "egg",   "eight", "eye",   "face",  "farm",  "feet",  "field", "fire",  "five",
	"floor", "fly",   "foot",  "four",  "frog",  "fruit", "full",  "game",  "gate",  "girl",
	"glass", "gold",  "grass", "green", "hair",  "hand",  "happy", "heart", "hill",  "home",
	"horse", "hot",   "house", "ice",   "ink",   "jam",   "jar",   "juice", "jump",  "king",
	"kiss",  "knee",  "lake",  "lamb",  "leaf",  "leg",   "lemon", "light", "lip",   "log",
	"long",  "milk",  "moon",  "mouse", "mouth", "mud",   "music", "nail",  "neck",  "nest",
	"net",   "nine",  "nose",  "nut",   "oak",   "onion", "paper", "park",  "pear",  "piano",
	"pig",   "plane", "plate", "pond",  "queen", "quick", "quiet", "rain",  "river", "road",
	"rock",  "roof",  "rope",  "rose",  "sand",  "sea",   "seed",  "seven", "sheep", "ship",
	"shirt", "shop",  "silk",  "six",   "sky",   "sleep", "slow",  "smile", "snow",  "soap",
	"sock",  "song",  "soup",  "stone", "sun",   "sweet", "swing", "table", "tail",  "tall",
	"tent",  "three", "tiger", "toe",   "tooth", "train", "tree",  "truck", "van",   "voice",
	"wall",  "warm",  "watch", "water", "wax",   "wheel", "white", "wind",  "wolf",  "wood",
	"wool",  "worm",  "yard",  "year",  "young", "zebra", "zero",  "zoo"};

WORDLIST(kg_lesson_names, names);
WORDLIST(kg_lesson_objects, objects);
WORDLIST(kg_lesson_animals, animals);
WORDLIST(kg_lesson_colours, colours);
WORDLIST(kg_lesson_days, days);
WORDLIST(kg_lesson_months, months);
WORDLIST(kg_lesson_letters, letters);

const kg_wordpair kg_lesson_opposites[] = {
	{"big", "small"},    {"hot", "cold"},   {"fast", "slow"},  {"old", "new"},
	{"wet", "dry"},      {"hard", "soft"},  {"full", "empty"}, {"light", "dark"},
	{"clean", "dirty"},  {"good", "bad"},   {"long", "short"}, {"open", "closed"},
	{"deep", "shallow"}, {"loud", "quiet"}, {"high", "low"},   {"thick", "thin"},
	{"strong", "weak"},  {"happy", "sad"},  {"tidy", "messy"}, {"wide", "narrow"},
	{"near", "far"},     {"sweet", "sour"}, {"lost", "found"}, {"smooth", "rough"},
};
const uint32_t kg_lesson_opposite_count = COUNT_OF(kg_lesson_opposites);

const kg_colour_mix kg_lesson_mixes[] = {
	{"red", "blue", "purple"}, {"red", "yellow", "orange"}, {"blue", "yellow", "green"},
	{"red", "white", "pink"},  {"black", "white", "grey"},  {"red", "green", "brown"},
};
const uint32_t kg_lesson_mix_count = COUNT_OF(kg_lesson_mixes);

const char *kg_wordlist_pick(const kg_wordlist *list, kg_rng *rng)
{
	return list->at[kg_rng_below(rng, list->count)];
}

void kg_lesson_spelling_draw(char word[KG_SPELLING_MAX], kg_rng *rng)
{
	static const char consonants[] = "bdhklmnprstvwz";
	static const char vowels[] = "aeiou";
	const char *real;
	uint32_t len;

	if (kg_rng_below(rng, 2) == 0) {
		real = spellings[kg_rng_below(rng, COUNT_OF(spellings))];
		KG_ASSERT(strlen(real) < KG_SPELLING_MAX);
		memcpy(word, real, strlen(real) + 1);
		return;
	}
	len = 3 + (uint32_t)kg_rng_below(rng, 3);
	for (uint32_t i = 0; i < len; i++)
		word[i] = i % 2 == 0 ? consonants[kg_rng_below(rng, sizeof(consonants) - 1)]
				     : vowels[kg_rng_below(rng, sizeof(vowels) - 1)];
	word[len] = '\0';
}
