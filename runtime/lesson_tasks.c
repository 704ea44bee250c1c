/* SPDX-License-Identifier: MIT */
#include "runtime/lesson_tasks.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "runtime/lesson_words.h"

static void text_set(char *text, size_t size, const char *fmt, ...) KG_PRINTF(3, 4);
static void text_add(char *text, size_t size, const char *word, const char *separator);

#define SET(field, ...)             text_set(field, sizeof(field), __VA_ARGS__)
#define ADD(field, word, separator) text_add(field, sizeof(field), word, separator)

/* All texts come from our own tables, so one that does not fit is our bug. */
static void text_set(char *text, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, size, fmt, args);
	va_end(args);
	KG_ASSERT(len >= 0 && (size_t)len < size);
}

static void text_add(char *text, size_t size, const char *word, const char *separator)
{
	size_t len = strlen(text);

	text_set(text + len, size - len, "%s%s", len > 0 ? separator : "", word);
}

static uint32_t below(kg_rng *rng, uint32_t n)
{
	return (uint32_t)kg_rng_below(rng, n);
}

static uint32_t between(kg_rng *rng, uint32_t low, uint32_t high)
{
	return low + below(rng, high - low + 1);
}

static const char *pick_other(const kg_wordlist *list, kg_rng *rng, const char *than)
{
	const char *word;

	do {
		word = kg_wordlist_pick(list, rng);
	} while (word == than);
	return word;
}

/* Tables are asked both bare and inside a little scene; the scene is part of the instance. The bare
 * facts are too few to hold some out: one of six mixtures would be a third of all colour tests. */
static bool set_scene(kg_lesson_draft *draft, kg_rng *rng)
{
	draft->bare = below(rng, 4) == 0;
	return !draft->bare;
}

/* a: the word, b: the list */
static void draw_count(kg_lesson_draft *draft, kg_rng *rng)
{
	const char *target = kg_wordlist_pick(&kg_lesson_animals, rng);
	uint32_t len = between(rng, 1, 7);
	uint32_t left = below(rng, len + 1); /* every count is equally likely, not only the small */

	SET(draft->answer, "%u", left);
	SET(draft->slot[0], "%s", target);
	for (uint32_t i = 0; i < len; i++) {
		bool hit = below(rng, len - i) < left;

		left -= hit;
		ADD(draft->slot[1], hit ? target : pick_other(&kg_lesson_animals, rng, target),
		    " ");
	}
	SET(draft->key, "%s in %s", draft->slot[0], draft->slot[1]);
}

static const kg_lesson_form count_forms[] = {
	{{"How often does $a occur in $b?"}},
	{{"How many times do you see $a in $b?"}},
	{{"Count the word $a in $b."}},
	{{"How often is $a in the list $b?"}},
	{{"Count how often you see $a in $b."}},
	{{"How many times does $a occur in $b?"}},
	{{"How often do you see $a in the list $b?"}},
};

/* a, b: the numbers */
static void draw_add(kg_lesson_draft *draft, kg_rng *rng)
{
	uint32_t x = between(rng, 10, 99);
	uint32_t y = between(rng, 10, 99);

	SET(draft->slot[0], "%u", x);
	SET(draft->slot[1], "%u", y);
	SET(draft->answer, "%u", x + y);
	SET(draft->key, "%u %u", x < y ? x : y, x < y ? y : x);
}

static const kg_lesson_form add_forms[] = {
	{{"What is $a plus $b?"}},
	{{"What is $a + $b?"}},
	{{"How much is $a plus $b?"}},
	{{"Add $a and $b."}},
	{{"What do you get if you add $a and $b?"}},
	{{"How much is $a + $b?"}},
	{{"What do you get if you add $a + $b?"}},
};

/* a, b: the numbers; variants: larger, smaller */
static void draw_compare(kg_lesson_draft *draft, kg_rng *rng)
{
	uint32_t x = between(rng, 1, 99);
	uint32_t y = between(rng, 1, 98);
	uint32_t low;
	uint32_t high;

	y += y >= x; /* any but x */
	low = x < y ? x : y;
	high = x < y ? y : x;
	draft->variant = below(rng, 2);
	SET(draft->slot[0], "%u", x);
	SET(draft->slot[1], "%u", y);
	SET(draft->answer, "%u", draft->variant == 0 ? high : low);
	SET(draft->key, "%u %u", low, high);
}

static const kg_lesson_form compare_forms[] = {
	{{"Which is larger, $a or $b?", "Which is smaller, $a or $b?"}},
	{{"Which number is larger, $a or $b?", "Which number is smaller, $a or $b?"}},
	{{"What is the larger number, $a or $b?", "What is the smaller number, $a or $b?"}},
	{{"Tell me the larger of $a and $b.", "Tell me the smaller of $a and $b."}},
	{{"Which of $a and $b is larger?", "Which of $a and $b is smaller?"}},
	{{"What is the larger of $a and $b?", "What is the smaller of $a and $b?"}},
	{{"Which is the larger number, $a or $b?", "Which is the smaller number, $a or $b?"}},
};

/* a: the word, b: name, c: object; variants: bare, in a scene */
static void draw_opposite(kg_lesson_draft *draft, kg_rng *rng)
{
	const kg_wordpair *pair = &kg_lesson_opposites[below(rng, kg_lesson_opposite_count)];
	bool flip = below(rng, 2) == 1;

	SET(draft->slot[0], "%s", flip ? pair->other : pair->one);
	SET(draft->answer, "%s", flip ? pair->one : pair->other);
	draft->variant = set_scene(draft, rng);
	if (draft->variant == 1) {
		SET(draft->slot[1], "%s", kg_wordlist_pick(&kg_lesson_names, rng));
		SET(draft->slot[2], "%s", kg_wordlist_pick(&kg_lesson_objects, rng));
	}
	SET(draft->key, "%s %s %s", draft->slot[0], draft->slot[1], draft->slot[2]);
}

static const kg_lesson_form opposite_forms[] = {
	{{"What is the opposite of $a?", "$b has a $c. The $c is $a. What is the opposite of $a?"}},
	{{"Name the opposite of $a.", "The $c of $b is $a. Name the opposite of $a."}},
	{{"What is the opposite of the word $a?",
	  "$b says the $c is $a. What is the opposite of $a?"}},
	{{"Say the opposite of $a.", "$b has a $c that is $a. Say the opposite of $a."}},
	{{"Which word is the opposite of $a?",
	  "The $c of $b is $a. Which word is the opposite of $a?"}},
	{{"Name the opposite of the word $a.",
	  "$b has a $c that is $a. What is the opposite of $a?"}},
	{{"Say which word is the opposite of $a.",
	  "The $c of $b is $a. What is the opposite of the word $a?"}},
};

/* a: the items, b: name; variants: bare, in a scene */
static void draw_sequence(kg_lesson_draft *draft, kg_rng *rng)
{
	static const kg_wordlist *const lists[] = {&kg_lesson_days, &kg_lesson_months,
						   &kg_lesson_letters};
	uint32_t which = below(rng, 3);
	const kg_wordlist *list = lists[which];
	uint32_t shown = between(rng, 2, 4);
	uint32_t starts = which == 2 ? list->count - shown : list->count; /* z has no next */
	uint32_t start = below(rng, starts);

	for (uint32_t i = 0; i < shown; i++)
		ADD(draft->slot[0], list->at[(start + i) % list->count], ", ");
	SET(draft->answer, "%s", list->at[(start + shown) % list->count]);
	draft->variant = set_scene(draft, rng);
	if (draft->variant == 1)
		SET(draft->slot[1], "%s", kg_wordlist_pick(&kg_lesson_names, rng));
	SET(draft->key, "%s: %s", draft->slot[1], draft->slot[0]);
}

static const kg_lesson_form sequence_forms[] = {
	{{"What comes next in the pattern $a?", "$b says $a. What comes next in the pattern?"}},
	{{"What comes next: $a?", "$b says $a. What comes next?"}},
	{{"What is next in the pattern $a?", "$b writes the pattern $a. What is next?"}},
	{{"Continue the pattern $a.", "$b writes $a. Continue the pattern."}},
	{{"Which comes next in the pattern $a?", "$b reads the pattern $a. Which comes next?"}},
	{{"Which is next in the pattern $a?", "$b writes $a. What comes next in the pattern?"}},
	{{"What is next: $a?", "$b reads the pattern $a. What comes next?"}},
};

/* a: the numbers. The key is the last number and the step, whatever the length: a longer row that
 * ends alike has the same answer. */
static void draw_steps(kg_lesson_draft *draft, kg_rng *rng)
{
	static const uint32_t steps[] = {1, 2, 3, 4, 5, 10};
	uint32_t step = steps[below(rng, 6)];
	uint32_t shown = between(rng, 3, 5);
	uint32_t start = between(rng, 1, 99 - step * shown);

	for (uint32_t i = 0; i < shown; i++) {
		char number[16];

		SET(number, "%u", start + i * step);
		ADD(draft->slot[0], number, ", ");
	}
	SET(draft->answer, "%u", start + shown * step);
	SET(draft->key, "%u by %u", start + (shown - 1) * step, step);
}

static const kg_lesson_form steps_forms[] = {
	{{"What comes next in the pattern $a?"}},
	{{"What is the next number: $a?"}},
	{{"Which number comes next: $a?"}},
	{{"Continue the pattern $a."}},
	{{"Which number is next in the pattern $a?"}},
	{{"What is the next number in the pattern $a?"}},
	{{"Which number comes next in the pattern $a?"}},
};

/* a: the word */
static void draw_reverse(kg_lesson_draft *draft, kg_rng *rng)
{
	char word[KG_SPELLING_MAX];
	size_t len;

	kg_lesson_spelling_draw(word, rng);
	len = strlen(word);
	SET(draft->slot[0], "%s", word);
	SET(draft->key, "%s", word);
	for (size_t i = 0; i < len; i++)
		draft->answer[i] = word[len - 1 - i];
}

static const kg_lesson_form reverse_forms[] = {
	{{"Reverse the word $a."}},
	{{"Write $a backwards."}},
	{{"What is $a spelled backwards?"}},
	{{"Spell the word $a in reverse."}},
	{{"What is the reverse of $a?"}},
	{{"Spell the word $a backwards."}},
	{{"What is the reverse of the word $a?"}},
};

/* a, b: the colours, c: name, d: object; variants: bare, in a scene */
static void draw_colour(kg_lesson_draft *draft, kg_rng *rng)
{
	const kg_colour_mix *mix = &kg_lesson_mixes[below(rng, kg_lesson_mix_count)];
	bool flip = below(rng, 2) == 1;

	SET(draft->slot[0], "%s", flip ? mix->second : mix->first);
	SET(draft->slot[1], "%s", flip ? mix->first : mix->second);
	SET(draft->answer, "%s", mix->mixed);
	draft->variant = set_scene(draft, rng);
	if (draft->variant == 1) {
		SET(draft->slot[2], "%s", kg_wordlist_pick(&kg_lesson_names, rng));
		SET(draft->slot[3], "%s", kg_wordlist_pick(&kg_lesson_objects, rng));
	}
	SET(draft->key, "%s %s %s %s", mix->first, mix->second, draft->slot[2], draft->slot[3]);
}

static const kg_lesson_form colour_forms[] = {
	{{"What colour do $a and $b make?",
	  "$c paints a $d with $a and $b. What colour do they make?"}},
	{{"Mix $a and $b. What colour is it?", "$c mixes $a and $b for a $d. What colour is it?"}},
	{{"Which colour do you get from $a and $b?",
	  "$c paints a $d with $a and $b. Which colour is it?"}},
	{{"What do you get if you mix $a and $b?",
	  "$c has a $d and mixes $a and $b. What colour is the mix?"}},
	{{"Which colour is a mix of $a and $b?",
	  "The $d of $c is a mix of $a and $b. Which colour is it?"}},
	{{"Which colour do $a and $b make?", "$c paints a $d with $a and $b. What colour is it?"}},
	{{"What colour do you get if you mix $a and $b?",
	  "$c has a $d and mixes $a and $b. Which colour is it?"}},
};

/* a, c: names, b, d: objects, e: what is asked about; variants: who, what. The key does not tell
 * which of the four questions is asked: a pair of facts is learned from or tested, never both. */
static void draw_who(kg_lesson_draft *draft, kg_rng *rng)
{
	const char *name[2];
	const char *object[2];
	uint32_t asked = below(rng, 2);
	uint32_t low;

	draft->variant = below(rng, 2);
	name[0] = kg_wordlist_pick(&kg_lesson_names, rng);
	name[1] = pick_other(&kg_lesson_names, rng, name[0]);
	object[0] = kg_wordlist_pick(&kg_lesson_objects, rng);
	object[1] = pick_other(&kg_lesson_objects, rng, object[0]);
	for (uint32_t i = 0; i < 2; i++) {
		SET(draft->slot[2 * i], "%s", name[i]);
		SET(draft->slot[2 * i + 1], "%s", object[i]);
	}
	SET(draft->slot[4], "%s", draft->variant == 0 ? object[asked] : name[asked]);
	SET(draft->answer, "%s", draft->variant == 0 ? name[asked] : object[asked]);
	low = strcmp(name[0], name[1]) > 0;
	SET(draft->key, "%s %s %s %s", name[low], object[low], name[1 - low], object[1 - low]);
}

static const kg_lesson_form who_forms[] = {
	{{"$a has a $b. $c has a $d. Who has the $e?",
	  "$a has a $b. $c has a $d. What does $e have?"}},
	{{"$a has a $b and $c has a $d. Who has a $e?",
	  "$a has a $b and $c has a $d. What has $e?"}},
	{{"$a holds a $b. $c holds a $d. Who holds the $e?",
	  "$a holds a $b. $c holds a $d. What does $e hold?"}},
	{{"$a got a $b. $c got a $d. Who got the $e?",
	  "$a got a $b. $c got a $d. What did $e get?"}},
	{{"$a has a $b and $c has a $d. Who has the $e?",
	  "$a has a $b and $c has a $d. What does $e have?"}},
	{{"$a holds a $b and $c holds a $d. Who holds the $e?",
	  "$a holds a $b and $c holds a $d. What does $e hold?"}},
};

/* a: the word; variants: first, last */
static void draw_letter(kg_lesson_draft *draft, kg_rng *rng)
{
	char word[KG_SPELLING_MAX];

	kg_lesson_spelling_draw(word, rng);
	draft->variant = below(rng, 2);
	SET(draft->slot[0], "%s", word);
	SET(draft->answer, "%c", draft->variant == 0 ? word[0] : word[strlen(word) - 1]);
	SET(draft->key, "%s", word);
}

static const kg_lesson_form letter_forms[] = {
	{{"What is the first letter of $a?", "What is the last letter of $a?"}},
	{{"What is the first letter in the word $a?", "What is the last letter in the word $a?"}},
	{{"Which letter does $a begin with?", "Which letter does $a end with?"}},
	{{"Name the first letter of the word $a.", "Name the last letter of the word $a."}},
	{{"Which letter is the first in $a?", "Which letter is the last in $a?"}},
	{{"Which letter does the word $a begin with?", "Which letter does the word $a end with?"}},
	{{"What is the first letter of the word $a?", "What is the last letter of the word $a?"}},
};

/* a: the row; variants: mirror, shift left, shift right. The word that is pushed out comes in again
 * at the other end. The key is the row alone. */
static void draw_row(kg_lesson_draft *draft, kg_rng *rng)
{
	uint32_t len = between(rng, 3, 5);
	const char *word[5];

	draft->variant = below(rng, 3);
	for (uint32_t i = 0; i < len; i++) {
		word[i] = kg_wordlist_pick(&kg_lesson_colours, rng);
		ADD(draft->slot[0], word[i], " ");
	}
	for (uint32_t i = 0; i < len; i++) {
		uint32_t from = draft->variant == 0   ? len - 1 - i
				: draft->variant == 1 ? (i + 1) % len
						      : (i + len - 1) % len;

		ADD(draft->answer, word[from], " ");
	}
	SET(draft->key, "%s", draft->slot[0]);
}

static const kg_lesson_form row_forms[] = {
	{{"Mirror the row $a.", "Shift the row $a to the left.", "Shift the row $a to the right."}},
	{{"What is $a mirrored?", "What is $a shifted left?", "What is $a shifted right?"}},
	{{"Take $a and mirror it.", "Take $a and shift it left.", "Take $a and shift it right."}},
	{{"Mirror $a.", "Shift left $a.", "Shift right $a."}},
	{{"Mirror this row: $a.", "Shift this row left: $a.", "Shift this row right: $a."}},
	{{"What is the row $a mirrored?", "What is the row $a shifted left?",
	  "What is the row $a shifted right?"}},
	{{"Take the row $a and mirror it.", "Take the row $a and shift it left.",
	  "Take the row $a and shift it right."}},
};

/* a: the number, b: name; variants: after, before, and both in a scene */
static void draw_after(kg_lesson_draft *draft, kg_rng *rng)
{
	uint32_t number = between(rng, 1, 99);
	bool before = below(rng, 2) == 1;
	bool scene = set_scene(draft, rng);

	draft->variant = before + 2U * scene;
	SET(draft->slot[0], "%u", number);
	if (scene)
		SET(draft->slot[1], "%s", kg_wordlist_pick(&kg_lesson_names, rng));
	SET(draft->answer, "%u", before ? number - 1 : number + 1);
	SET(draft->key, "%s %s %u", draft->slot[1], before ? "before" : "after", number);
}

static const kg_lesson_form after_forms[] = {
	{{"What number comes after $a?", "What number comes before $a?",
	  "$b says $a. What number comes after $a?", "$b says $a. What number comes before $a?"}},
	{{"Which number is right after $a?", "Which number is right before $a?",
	  "$b is at $a. Which number is right after $a?",
	  "$b is at $a. Which number is right before $a?"}},
	{{"Say the number after $a.", "Say the number before $a.",
	  "$b counts to $a. Say the number after $a.",
	  "$b counts to $a. Say the number before $a."}},
	{{"What is the number right after $a?", "What is the number right before $a?",
	  "$b writes $a. What is the number after $a?",
	  "$b writes $a. What is the number before $a?"}},
	{{"Which number comes after $a?", "Which number comes before $a?",
	  "$b is at $a. Which number comes after $a?",
	  "$b is at $a. Which number comes before $a?"}},
	{{"What is the number after $a?", "What is the number before $a?",
	  "$b says $a. Which number is after $a?", "$b says $a. Which number is before $a?"}},
};

#define FORMS(array)    .forms = array
#define WORDINGS(array) .wordings = sizeof(array) / sizeof((array)[0]), .wordings_unseen = 2

const kg_lesson_kind kg_lesson_kinds[] = {
	{{.name = "count",
	  .about = "how often a word occurs in a list of 1 to 7; lists are held out",
	  WORDINGS(count_forms),
	  .share = 3.0F},
	 .draw = draw_count,
	 FORMS(count_forms)},
	{{.name = "add",
	  .about = "the sum of two numbers of two digits; unordered pairs are held out",
	  WORDINGS(add_forms),
	  .share = 2.4F},
	 .draw = draw_add,
	 FORMS(add_forms)},
	{{.name = "compare",
	  .about = "the larger or smaller of two numbers 1-99; unordered pairs are held out",
	  WORDINGS(compare_forms),
	  .share = 1.6F},
	 .draw = draw_compare,
	 FORMS(compare_forms)},
	{{.name = "opposite",
	  .about = "the opposite of a word (table); word with name and object is held out",
	  WORDINGS(opposite_forms),
	  .share = 0.5F},
	 .draw = draw_opposite,
	 FORMS(opposite_forms)},
	{{.name = "sequence",
	  .about = "the next day, month or letter (table); items with name are held out",
	  WORDINGS(sequence_forms),
	  .share = 0.5F},
	 .draw = draw_sequence,
	 FORMS(sequence_forms)},
	{{.name = "steps",
	  .about = "the next number in even steps; last number with step is held out",
	  WORDINGS(steps_forms),
	  .share = 1.2F},
	 .draw = draw_steps,
	 FORMS(steps_forms)},
	{{.name = "reverse",
	  .about = "a word of 3 to 5 letters backwards; words are held out",
	  WORDINGS(reverse_forms),
	  .share = 2.2F},
	 .draw = draw_reverse,
	 FORMS(reverse_forms)},
	{{.name = "colour",
	  .about = "what two colours make (table); pair with name and object is held out",
	  WORDINGS(colour_forms),
	  .share = 0.4F},
	 .draw = draw_colour,
	 FORMS(colour_forms)},
	{{.name = "who",
	  .about = "who has what, told in two facts; pairs of facts are held out",
	  WORDINGS(who_forms),
	  .share = 0.8F},
	 .draw = draw_who,
	 FORMS(who_forms)},
	{{.name = "letter",
	  .about = "the first or last letter of a word; words are held out",
	  WORDINGS(letter_forms),
	  .share = 0.4F},
	 .draw = draw_letter,
	 FORMS(letter_forms)},
	{{.name = "row",
	  .about = "a row of 3 to 5 colours mirrored or shifted round; rows are held out",
	  WORDINGS(row_forms),
	  .share = 2.0F},
	 .draw = draw_row,
	 FORMS(row_forms)},
	{{.name = "after",
	  .about = "the number after or before one (table); number with name is held out",
	  WORDINGS(after_forms),
	  .share = 0.5F},
	 .draw = draw_after,
	 FORMS(after_forms)},
};
const uint32_t kg_lesson_kind_count = sizeof(kg_lesson_kinds) / sizeof(kg_lesson_kinds[0]);
