/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/lesson.h"
#include "runtime/lesson_words.h"

/* What a reader of the prompt alone finds out: the right answer, and which instance it is. */
typedef struct {
	char answer[KG_LESSON_ANSWER_MAX];
	char key[KG_LESSON_PROMPT_MAX];
} solution;

enum { TOKENS_MAX = 40, TOKEN_MAX = 16 };

typedef struct {
	uint32_t count;
	char at[TOKENS_MAX][TOKEN_MAX];
} tokens;

/* The words and numbers between "Q: " and " A:". */
static void tokenize(tokens *out, const char *prompt)
{
	const char *at = prompt + 3;
	const char *end = prompt + strlen(prompt) - 3;

	out->count = 0;
	while (at < end) {
		size_t len = strcspn(at, " ,.:?");

		if (len > 0) {
			assert_true(out->count < TOKENS_MAX && len < TOKEN_MAX);
			memcpy(out->at[out->count], at, len);
			out->at[out->count++][len] = '\0';
		}
		at += len > 0 ? len : 1;
	}
}

static bool listed(const kg_wordlist *list, const char *word)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (strcmp(list->at[i], word) == 0)
			return true;
	}
	return false;
}

static bool has(const tokens *t, const char *word)
{
	for (uint32_t i = 0; i < t->count; i++) {
		if (strcmp(t->at[i], word) == 0)
			return true;
	}
	return false;
}

/* The tokens that are in the list, in order. */
static void only(tokens *out, const tokens *t, const kg_wordlist *list)
{
	out->count = 0;
	for (uint32_t i = 0; i < t->count; i++) {
		if (listed(list, t->at[i]))
			memcpy(out->at[out->count++], t->at[i], TOKEN_MAX);
	}
}

/* The tokens that are numbers. */
static uint32_t numbers_of(const tokens *t, long numbers[TOKENS_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		char *end;
		long number = strtol(t->at[i], &end, 10);

		if (end != t->at[i] && *end == '\0')
			numbers[count++] = number;
	}
	return count;
}

static void add_word(char *text, size_t size, const char *word)
{
	size_t len = strlen(text);

	assert_true(len + strlen(word) + 2 <= size);
	snprintf(text + len, size - len, " %s", word);
}

static void key_add(solution *s, const char *word)
{
	add_word(s->key, sizeof(s->key), word);
}

static void answer_add(solution *s, const char *word)
{
	add_word(s->answer, sizeof(s->answer), word);
}

/* The name and object of the scene, if there is one. */
static void key_add_scene(solution *s, const tokens *t)
{
	tokens scene;

	only(&scene, t, &kg_lesson_names);
	assert_true(scene.count <= 1);
	key_add(s, scene.count == 1 ? scene.at[0] : "-");
	only(&scene, t, &kg_lesson_objects);
	key_add(s, scene.count > 0 ? scene.at[0] : "-");
}

static void solve_count(solution *s, const tokens *t)
{
	tokens seen;
	uint32_t hits = 0;

	only(&seen, t, &kg_lesson_animals);
	assert_in_range(seen.count, 2, 8);
	for (uint32_t i = 0; i < seen.count; i++) {
		key_add(s, seen.at[i]);
		hits += i > 0 && strcmp(seen.at[i], seen.at[0]) == 0;
	}
	snprintf(s->answer, sizeof(s->answer), " %u", hits);
}

static void solve_two_numbers(solution *s, const tokens *t, bool add)
{
	long n[TOKENS_MAX] = {0};
	long low;
	long high;

	assert_int_equal(numbers_of(t, n), 2);
	low = n[0] < n[1] ? n[0] : n[1];
	high = n[0] < n[1] ? n[1] : n[0];
	assert_in_range(low, add ? 10 : 1, 99);
	assert_in_range(high, add ? 10 : 1, 99);
	assert_true(add || low != high);
	if (!add)
		assert_true(has(t, "smaller") != has(t, "larger"));
	snprintf(s->answer, sizeof(s->answer), " %ld",
		 add                 ? low + high
		 : has(t, "smaller") ? low
				     : high);
	snprintf(s->key, sizeof(s->key), "%ld %ld", low, high);
}

static void solve_add(solution *s, const tokens *t)
{
	solve_two_numbers(s, t, true);
}

static void solve_compare(solution *s, const tokens *t)
{
	solve_two_numbers(s, t, false);
}

static void solve_opposite(solution *s, const tokens *t)
{
	const char *asked = t->at[t->count - 1];

	for (uint32_t i = 0; i < kg_lesson_opposite_count; i++) {
		const kg_wordpair *pair = &kg_lesson_opposites[i];

		if (strcmp(pair->one, asked) == 0)
			answer_add(s, pair->other);
		if (strcmp(pair->other, asked) == 0)
			answer_add(s, pair->one);
	}
	key_add(s, asked);
	key_add_scene(s, t);
}

static const char *const week[] = {"monday", "tuesday",  "wednesday", "thursday",
				   "friday", "saturday", "sunday"};
static const char *const year[] = {"january",   "february", "march",    "april",
				   "may",       "june",     "july",     "august",
				   "september", "october",  "november", "december"};

static void solve_sequence(solution *s, const tokens *t)
{
	const kg_wordlist circles[] = {{week, 7}, {year, 12}};
	tokens items;
	const char *last;

	for (uint32_t c = 0; c < 2; c++) {
		only(&items, t, &circles[c]);
		for (uint32_t i = 0; items.count > 0 && i < circles[c].count; i++) {
			if (strcmp(circles[c].at[i], items.at[items.count - 1]) == 0)
				answer_add(s, circles[c].at[(i + 1) % circles[c].count]);
		}
		for (uint32_t i = 0; i < items.count; i++)
			key_add(s, items.at[i]);
	}
	last = NULL;
	for (uint32_t i = 0; i < t->count; i++) {
		if (strlen(t->at[i]) != 1)
			continue;
		assert_true(last == NULL || t->at[i][0] == last[0] + 1);
		last = t->at[i];
		key_add(s, last);
	}
	if (last != NULL)
		snprintf(s->answer, sizeof(s->answer), " %c", last[0] + 1);
	key_add_scene(s, t);
}

static void solve_steps(solution *s, const tokens *t)
{
	long n[TOKENS_MAX] = {0};
	uint32_t count = numbers_of(t, n);
	long step = n[1] - n[0];

	assert_in_range(count, 3, 5);
	assert_true((step >= 1 && step <= 5) || step == 10);
	for (uint32_t i = 1; i < count; i++)
		assert_int_equal(n[i] - n[i - 1], step);
	assert_in_range(n[count - 1] + step, 4, 99);
	snprintf(s->answer, sizeof(s->answer), " %ld", n[count - 1] + step);
	snprintf(s->key, sizeof(s->key), "%ld %ld", n[count - 1], step);
}

/* The one word that is not of the frame. */
static const char *spelled(const tokens *t)
{
	static const char *const frame[] = {
		"What",   "is",    "the",  "reverse", "of",   "word",      "Reverse",
		"Write",  "Spell", "in",   "first",   "last", "backwards", "spelled",
		"letter", "Which", "does", "begin",   "end",  "with",      "Name"};
	const kg_wordlist list = {frame, sizeof(frame) / sizeof(frame[0])};
	const char *found = NULL;

	for (uint32_t i = 0; i < t->count; i++) {
		if (listed(&list, t->at[i]))
			continue;
		assert_null(found);
		found = t->at[i];
	}
	assert_non_null(found);
	assert_in_range(strlen(found), 3, 5);
	return found;
}

static void solve_reverse(solution *s, const tokens *t)
{
	const char *word = spelled(t);
	size_t len = strlen(word);

	key_add(s, word);
	s->answer[0] = ' ';
	for (size_t i = 0; i < len; i++)
		s->answer[1 + i] = word[len - 1 - i];
}

static void solve_letter(solution *s, const tokens *t)
{
	const char *word = spelled(t);
	bool last = has(t, "last") || has(t, "end");

	assert_true(last != (has(t, "first") || has(t, "begin")));
	key_add(s, word);
	snprintf(s->answer, sizeof(s->answer), " %c", last ? word[strlen(word) - 1] : word[0]);
}

static void solve_colour(solution *s, const tokens *t)
{
	static const char *const made[][3] = {
		{"blue", "red", "purple"}, {"red", "yellow", "orange"}, {"blue", "yellow", "green"},
		{"red", "white", "pink"},  {"black", "white", "grey"},  {"green", "red", "brown"}};

	for (uint32_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		if (has(t, made[i][0]) && has(t, made[i][1])) {
			answer_add(s, made[i][2]);
			key_add(s, made[i][0]);
			key_add(s, made[i][1]);
		}
	}
	key_add_scene(s, t);
}

static void solve_who(solution *s, const tokens *t)
{
	tokens name;
	tokens object;
	bool who = has(t, "Who");
	uint32_t first;

	only(&name, t, &kg_lesson_names);
	only(&object, t, &kg_lesson_objects);
	assert_int_equal(name.count, who ? 2 : 3);
	assert_int_equal(object.count, who ? 3 : 2);
	assert_string_not_equal(name.at[0], name.at[1]);
	assert_string_not_equal(object.at[0], object.at[1]);
	for (uint32_t i = 0; i < 2; i++) {
		if (who && strcmp(object.at[i], object.at[2]) == 0)
			answer_add(s, name.at[i]);
		if (!who && strcmp(name.at[i], name.at[2]) == 0)
			answer_add(s, object.at[i]);
	}
	first = strcmp(name.at[0], name.at[1]) > 0;
	for (uint32_t i = 0; i < 2; i++) {
		key_add(s, name.at[first ^ i]);
		key_add(s, object.at[first ^ i]);
	}
}

static void solve_row(solution *s, const tokens *t)
{
	bool mirror = has(t, "Mirror") || has(t, "mirror") || has(t, "mirrored");
	bool left = has(t, "left");
	tokens row;

	assert_int_equal(mirror + left + has(t, "right"), 1);
	only(&row, t, &kg_lesson_colours);
	assert_in_range(row.count, 3, 5);
	for (uint32_t i = 0; i < row.count; i++)
		key_add(s, row.at[i]);
	if (mirror) {
		for (uint32_t i = row.count; i > 0; i--)
			answer_add(s, row.at[i - 1]);
		return;
	}
	if (!left)
		answer_add(s, row.at[row.count - 1]);
	for (uint32_t i = left; i + !left < row.count; i++)
		answer_add(s, row.at[i]);
	if (left)
		answer_add(s, row.at[0]);
}

static void solve_after(solution *s, const tokens *t)
{
	long n[TOKENS_MAX] = {0};
	uint32_t count = numbers_of(t, n);
	bool before = has(t, "before");

	assert_in_range(count, 1, 2);
	assert_true(n[0] == n[count - 1]);
	assert_in_range(n[0], 1, 99);
	assert_true(before != has(t, "after"));
	snprintf(s->answer, sizeof(s->answer), " %ld", before ? n[0] - 1 : n[0] + 1);
	snprintf(s->key, sizeof(s->key), "%ld %d", n[0], before);
	key_add_scene(s, t);
}

static const struct {
	const char *name;
	void (*solve)(solution *s, const tokens *t);
	uint32_t test_instances; /* at least so many different ones must turn up */
} tasks[] = {
	{"count", solve_count, 500},       {"add", solve_add, 300},
	{"compare", solve_compare, 300},   {"opposite", solve_opposite, 500},
	{"sequence", solve_sequence, 200}, {"steps", solve_steps, 40},
	{"reverse", solve_reverse, 500},   {"colour", solve_colour, 200},
	{"who", solve_who, 500},           {"letter", solve_letter, 500},
	{"row", solve_row, 500},           {"after", solve_after, 300},
};
enum { TASKS = sizeof(tasks) / sizeof(tasks[0]) };

static void solve(solution *s, const kg_lesson *lesson)
{
	tokens t;

	memset(s, 0, sizeof(*s));
	tokenize(&t, lesson->prompt);
	tasks[lesson->task].solve(s, &t);
}

/* One drawn lesson, as the set tests keep it. */
typedef struct {
	uint64_t instance;
	uint32_t wording;
	bool test;
	char key[KG_LESSON_PROMPT_MAX];
	char prompt[KG_LESSON_PROMPT_MAX];
} drawn;

enum { TRAIN_DRAWS = 12000, TEST_DRAWS = 4000, DRAWS = TRAIN_DRAWS + TEST_DRAWS };

static drawn *draw_many(uint32_t task)
{
	drawn *all = calloc(DRAWS, sizeof(*all));
	kg_rng rng;

	assert_non_null(all);
	kg_rng_init_u64(&rng, 100 + task);
	for (uint32_t i = 0; i < DRAWS; i++) {
		kg_lesson lesson;
		solution s;

		all[i].test = i >= TRAIN_DRAWS;
		kg_lesson_draw(&lesson, &rng, task, all[i].test ? KG_LESSON_TEST : KG_LESSON_TRAIN,
			       i % 2 == 0 ? KG_WORDING_TRAINED : KG_WORDING_UNSEEN);
		solve(&s, &lesson);
		all[i].instance = lesson.instance;
		all[i].wording = lesson.wording;
		memcpy(all[i].key, s.key, sizeof(s.key));
		memcpy(all[i].prompt, lesson.prompt, sizeof(lesson.prompt));
	}
	return all;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const drawn *)a)->key, ((const drawn *)b)->key);
}

static int by_instance(const void *a, const void *b)
{
	uint64_t x = ((const drawn *)a)->instance;
	uint64_t y = ((const drawn *)b)->instance;

	return (x > y) - (x < y);
}

static int by_prompt(const void *a, const void *b)
{
	return strcmp(((const drawn *)a)->prompt, ((const drawn *)b)->prompt);
}

static void test_lesson__there_are_twelve_tasks_with_these_names(void **state)
{
	(void)state;
	assert_int_equal(kg_lesson_task_count(), TASKS);
	for (uint32_t i = 0; i < TASKS; i++) {
		uint32_t found = TASKS;

		assert_string_equal(kg_lesson_task_at(i)->name, tasks[i].name);
		assert_int_equal(kg_lesson_task_find(&found, tasks[i].name), KG_OK);
		assert_int_equal(found, i);
	}
	assert_null(kg_lesson_task_at(TASKS));
}

static void test_lesson__an_unknown_task_is_named_with_those_there_are(void **state)
{
	uint32_t found = 7;

	(void)state;
	assert_int_equal(kg_lesson_task_find(&found, "cook"), KG_ENOTFOUND);
	assert_int_equal(found, 7);
	assert_non_null(strstr(kg_err_text(), "\"cook\""));
	for (uint32_t i = 0; i < TASKS; i++)
		assert_non_null(strstr(kg_err_text(), tasks[i].name));
}

static void test_lesson__every_answer_is_what_the_prompt_asks_for(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 1);
	for (uint32_t i = 0; i < TASKS * 4000; i++) {
		kg_lesson lesson;
		solution s;

		kg_lesson_draw(&lesson, &rng, i % TASKS,
			       i / TASKS % 2 ? KG_LESSON_TEST : KG_LESSON_TRAIN,
			       i / TASKS % 4 < 2 ? KG_WORDING_TRAINED : KG_WORDING_UNSEEN);
		solve(&s, &lesson);
		if (strcmp(s.answer, lesson.answer) != 0)
			fail_msg("%s%s: expected%s", lesson.prompt, lesson.answer, s.answer);
	}
}

static void test_lesson__a_line_is_short_printable_ascii_between_q_and_a(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 2);
	for (uint32_t i = 0; i < TASKS * 2000; i++) {
		kg_lesson lesson;
		size_t len;

		kg_lesson_draw(&lesson, &rng, i % TASKS, KG_LESSON_TRAIN,
			       i / TASKS % 2 ? KG_WORDING_TRAINED : KG_WORDING_UNSEEN);
		len = strnlen(lesson.prompt, KG_LESSON_PROMPT_MAX);
		assert_in_range(len, 10, KG_LESSON_PROMPT_MAX - 1);
		assert_memory_equal(lesson.prompt, "Q: ", 3);
		assert_string_equal(lesson.prompt + len - 3, " A:");
		for (size_t k = 0; k < len; k++)
			assert_in_range(lesson.prompt[k], 0x20, 0x7e);
		assert_null(strchr(lesson.prompt, '$'));
		assert_null(strstr(lesson.prompt, "  "));
		len = strnlen(lesson.answer, KG_LESSON_ANSWER_MAX);
		assert_in_range(len, 2, KG_LESSON_ANSWER_MAX - 1);
		assert_int_equal(lesson.answer[0], ' ');
		for (size_t k = 1; k < len; k++)
			assert_in_range(lesson.answer[k], 0x20, 0x7e);
		assert_true(lesson.answer[1] != ' ' && lesson.answer[len - 1] != '.');
	}
}

static void test_lesson__the_same_seed_draws_the_same_lessons(void **state)
{
	kg_rng one;
	kg_rng two;

	(void)state;
	kg_rng_init_u64(&one, 3);
	kg_rng_init_u64(&two, 3);
	for (uint32_t i = 0; i < 2000; i++) {
		kg_lesson a;
		kg_lesson b;

		memset(&a, 0xaa, sizeof(a));
		memset(&b, 0x55, sizeof(b));
		kg_lesson_draw_training(&a, &one);
		kg_lesson_draw_training(&b, &two);
		assert_int_equal(a.task, b.task);
		assert_int_equal(a.wording, b.wording);
		assert_int_equal(a.instance, b.instance);
		assert_string_equal(a.prompt, b.prompt);
		assert_string_equal(a.answer, b.answer);
	}
	assert_memory_equal(&one, &two, sizeof(one));
}

static void test_lesson__another_seed_draws_others(void **state)
{
	kg_rng one;
	kg_rng two;
	uint32_t same = 0;

	(void)state;
	kg_rng_init_u64(&one, 4);
	kg_rng_init_u64(&two, 5);
	for (uint32_t i = 0; i < 1000; i++) {
		kg_lesson a;
		kg_lesson b;

		kg_lesson_draw_training(&a, &one);
		kg_lesson_draw_training(&b, &two);
		same += strcmp(a.prompt, b.prompt) == 0;
	}
	assert_true(same < 50);
}

static void test_lesson__no_instance_is_in_both_splits(void **state)
{
	(void)state;
	for (uint32_t task = 0; task < TASKS; task++) {
		drawn *all = draw_many(task);
		uint32_t in_test = 0;

		/* Equal keys, as read from the prompts, are neighbours now. */
		qsort(all, DRAWS, sizeof(*all), by_key);
		for (uint32_t i = 0; i < DRAWS; i++) {
			bool same = i > 0 && strcmp(all[i - 1].key, all[i].key) == 0;

			in_test += all[i].test && !same;
			if (!same)
				continue;
			if (all[i].test != all[i - 1].test)
				fail_msg("%s is in both splits: %s", tasks[task].name, all[i].key);
			assert_int_equal(all[i].instance, all[i - 1].instance);
		}
		if (in_test < tasks[task].test_instances)
			fail_msg("%s: only %u test instances", tasks[task].name, in_test);
		qsort(all, DRAWS, sizeof(*all), by_instance);
		for (uint32_t i = 1; i < DRAWS; i++) {
			if (all[i].instance == all[i - 1].instance)
				assert_string_equal(all[i].key, all[i - 1].key);
		}
		free(all);
	}
}

static void test_lesson__one_prompt_has_one_wording_and_one_split(void **state)
{
	(void)state;
	for (uint32_t task = 0; task < TASKS; task++) {
		drawn *all = draw_many(task);

		qsort(all, DRAWS, sizeof(*all), by_prompt);
		for (uint32_t i = 1; i < DRAWS; i++) {
			if (strcmp(all[i].prompt, all[i - 1].prompt) != 0)
				continue;
			assert_int_equal(all[i].wording, all[i - 1].wording);
			assert_int_equal(all[i].test, all[i - 1].test);
		}
		free(all);
	}
}

/* The closed number tasks are small enough to be drawn empty: nothing is lost between the splits,
 * and about a tenth is held out. */
static void test_lesson__a_tenth_of_all_number_pairs_and_steps_is_held_out(void **state)
{
	static const char *const names[] = {"compare", "steps"};
	static const uint32_t steps[] = {1, 2, 3, 4, 5, 10};
	uint32_t expected[] = {99 * 98 / 2, 0};

	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		expected[1] += 99 - 3 * steps[i]; /* starts of the shortest row, next below 100 */
	for (uint32_t n = 0; n < 2; n++) {
		enum { ROUNDS = 80000 };
		static uint64_t seen[2][ROUNDS];
		uint32_t distinct[2] = {0, 0};
		uint32_t task;
		kg_rng rng;

		assert_int_equal(kg_lesson_task_find(&task, names[n]), KG_OK);
		kg_rng_init_u64(&rng, 6);
		for (uint32_t split = 0; split < 2; split++) {
			for (uint32_t i = 0; i < ROUNDS / (split == 0 ? 1 : 8); i++) {
				kg_lesson lesson;
				uint32_t at = 0;

				kg_lesson_draw(&lesson, &rng, task,
					       split == 0 ? KG_LESSON_TRAIN : KG_LESSON_TEST,
					       KG_WORDING_TRAINED);
				while (at < distinct[split] && seen[split][at] != lesson.instance)
					at++;
				if (at == distinct[split])
					seen[split][distinct[split]++] = lesson.instance;
			}
		}
		assert_int_equal(distinct[0] + distinct[1], expected[n]);
		assert_in_range(distinct[1], expected[n] * 7 / 100, expected[n] * 13 / 100);
	}
}

static void test_lesson__every_task_has_six_wordings_and_keeps_two_unseen(void **state)
{
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 7);
	for (uint32_t task = 0; task < TASKS; task++) {
		const kg_lesson_task *about = kg_lesson_task_at(task);
		uint32_t trained = about->wordings - about->wordings_unseen;
		uint32_t drawn_as[32] = {0};

		assert_in_range(about->wordings, 6, 32);
		assert_int_equal(about->wordings_unseen, 2);
		for (uint32_t i = 0; i < 1000; i++) {
			kg_lesson lesson;

			kg_lesson_draw(&lesson, &rng, task, KG_LESSON_TEST,
				       i % 2 == 0 ? KG_WORDING_TRAINED : KG_WORDING_UNSEEN);
			assert_true(lesson.wording < about->wordings);
			assert_int_equal(lesson.wording < trained, i % 2 == 0);
			drawn_as[lesson.wording]++;
		}
		for (uint32_t w = 0; w < about->wordings; w++)
			assert_true(drawn_as[w] > 0);
	}
}

static void test_lesson__training_sees_trained_wordings_only_and_tasks_by_share(void **state)
{
	enum { ROUNDS = 60000 };
	uint32_t drawn_of[TASKS] = {0};
	double total = 0;
	kg_rng rng;

	(void)state;
	kg_rng_init_u64(&rng, 8);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		const kg_lesson_task *about;
		kg_lesson lesson;

		kg_lesson_draw_training(&lesson, &rng);
		about = kg_lesson_task_at(lesson.task);
		assert_non_null(about);
		assert_true(lesson.wording < about->wordings - about->wordings_unseen);
		drawn_of[lesson.task]++;
	}
	for (uint32_t task = 0; task < TASKS; task++)
		total += (double)kg_lesson_task_at(task)->share;
	for (uint32_t task = 0; task < TASKS; task++) {
		double expected = ROUNDS * (double)kg_lesson_task_at(task)->share / total;

		/* Five standard deviations of a binomial count are below 5 sqrt(expected). */
		assert_true(((double)drawn_of[task] - expected) *
				    ((double)drawn_of[task] - expected) <
			    25 * expected);
	}
}

static void test_lesson__what_training_draws_is_never_a_test_instance(void **state)
{
	enum { TRAINING = 60000, TESTS = 24000 };
	drawn *all = calloc(TRAINING + TESTS, sizeof(*all));
	kg_rng rng;

	(void)state;
	assert_non_null(all);
	kg_rng_init_u64(&rng, 9);
	for (uint32_t i = 0; i < TRAINING + TESTS; i++) {
		kg_lesson lesson;

		if (i < TRAINING)
			kg_lesson_draw_training(&lesson, &rng);
		else
			kg_lesson_draw(&lesson, &rng, i % TASKS, KG_LESSON_TEST,
				       KG_WORDING_TRAINED);
		all[i].test = i >= TRAINING;
		memcpy(all[i].prompt, lesson.prompt, sizeof(lesson.prompt));
	}
	qsort(all, TRAINING + TESTS, sizeof(*all), by_prompt);
	for (uint32_t i = 1; i < TRAINING + TESTS; i++) {
		if (strcmp(all[i].prompt, all[i - 1].prompt) == 0)
			assert_int_equal(all[i].test, all[i - 1].test);
	}
	free(all);
}

/* A closed table is tested in scenes only, and its bare facts are all there to be trained on. */
static void test_lesson__tables_hold_out_scenes_and_never_the_bare_fact(void **state)
{
	static const char *const tables[] = {"opposite", "sequence", "colour", "after"};

	(void)state;
	for (uint32_t n = 0; n < 4; n++) {
		uint32_t bare = 0;
		uint32_t task;
		kg_rng rng;

		assert_int_equal(kg_lesson_task_find(&task, tables[n]), KG_OK);
		kg_rng_init_u64(&rng, 11);
		for (uint32_t i = 0; i < 4000; i++) {
			kg_lesson lesson;
			tokens all;
			tokens name;

			kg_lesson_draw(&lesson, &rng, task,
				       i % 2 == 0 ? KG_LESSON_TEST : KG_LESSON_TRAIN,
				       KG_WORDING_TRAINED);
			tokenize(&all, lesson.prompt);
			only(&name, &all, &kg_lesson_names);
			if (i % 2 == 0)
				assert_int_equal(name.count, 1);
			else
				bare += name.count == 0;
		}
		assert_in_range(bare, 400, 700);
	}
}

static void test_lesson__half_of_the_sequence_questions_say_pattern(void **state)
{
	uint32_t with = 0;
	uint32_t task;
	kg_rng rng;

	(void)state;
	assert_int_equal(kg_lesson_task_find(&task, "sequence"), KG_OK);
	kg_rng_init_u64(&rng, 10);
	for (uint32_t i = 0; i < 2000; i++) {
		kg_lesson lesson;

		kg_lesson_draw(&lesson, &rng, task, KG_LESSON_TRAIN, KG_WORDING_TRAINED);
		with += strstr(lesson.prompt, "pattern") != NULL;
	}
	assert_true(with >= 1000);
}

static void test_lesson__the_word_tables_keep_their_promises(void **state)
{
	const kg_wordlist *const lists[] = {&kg_lesson_names, &kg_lesson_objects,
					    &kg_lesson_animals, &kg_lesson_colours};

	(void)state;
	for (uint32_t l = 0; l < 4; l++) {
		for (uint32_t i = 0; i < lists[l]->count; i++) {
			for (uint32_t m = 0; m < 4; m++) {
				for (uint32_t j = 0; j < lists[m]->count; j++) {
					if (l != m || i != j)
						assert_string_not_equal(lists[l]->at[i],
									lists[m]->at[j]);
				}
			}
		}
	}
	for (uint32_t i = 0; i < kg_lesson_objects.count; i++)
		assert_null(strchr("aeiou", kg_lesson_objects.at[i][0]));
	for (uint32_t i = 0; i < kg_lesson_opposite_count; i++) {
		const kg_wordpair *pair = &kg_lesson_opposites[i];

		assert_string_not_equal(pair->one, pair->other);
		for (uint32_t j = 0; j < i; j++) {
			assert_string_not_equal(pair->one, kg_lesson_opposites[j].one);
			assert_string_not_equal(pair->one, kg_lesson_opposites[j].other);
			assert_string_not_equal(pair->other, kg_lesson_opposites[j].one);
			assert_string_not_equal(pair->other, kg_lesson_opposites[j].other);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lesson__there_are_twelve_tasks_with_these_names),
		cmocka_unit_test(test_lesson__an_unknown_task_is_named_with_those_there_are),
		cmocka_unit_test(test_lesson__every_answer_is_what_the_prompt_asks_for),
		cmocka_unit_test(test_lesson__a_line_is_short_printable_ascii_between_q_and_a),
		cmocka_unit_test(test_lesson__the_same_seed_draws_the_same_lessons),
		cmocka_unit_test(test_lesson__another_seed_draws_others),
		cmocka_unit_test(test_lesson__no_instance_is_in_both_splits),
		cmocka_unit_test(test_lesson__one_prompt_has_one_wording_and_one_split),
		cmocka_unit_test(test_lesson__a_tenth_of_all_number_pairs_and_steps_is_held_out),
		cmocka_unit_test(test_lesson__every_task_has_six_wordings_and_keeps_two_unseen),
		cmocka_unit_test(
			test_lesson__training_sees_trained_wordings_only_and_tasks_by_share),
		cmocka_unit_test(test_lesson__what_training_draws_is_never_a_test_instance),
		cmocka_unit_test(test_lesson__tables_hold_out_scenes_and_never_the_bare_fact),
		cmocka_unit_test(test_lesson__half_of_the_sequence_questions_say_pattern),
		cmocka_unit_test(test_lesson__the_word_tables_keep_their_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
