/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "runtime/lesson.h"

enum { COUNT_MAX = 100000 };

typedef struct {
	bool every_task;
	uint32_t task; /* when not every_task */
	uint64_t seed;
	uint64_t count;
	kg_lesson_split split;
	kg_lesson_wording wording;
	bool json;
} options;

/* 0 or 1 for which of two words it is; -1 for neither. */
static int either(const char *text, const char *zero, const char *one)
{
	if (strcmp(text, zero) == 0)
		return 0;
	return strcmp(text, one) == 0 ? 1 : -1;
}

/* An exit code; KG_EXIT_YES to go on. */
static int parse_one(options *o, int letter, const char *value)
{
	const kg_command *self = &kg_cmd_lessons;
	int which;

	switch (letter) {
	case 't':
		o->every_task = false;
		if (kg_lesson_task_find(&o->task, value) == KG_OK)
			return KG_EXIT_YES;
		return kg_cli_usage(self, "%s", kg_err_text());
	case 's':
		if (kg_cli_u64(&o->seed, "--seed", value, 0, UINT64_MAX) == KG_OK)
			return KG_EXIT_YES;
		return kg_cli_usage(self, "%s", kg_err_text());
	case 'c':
		if (kg_cli_u64(&o->count, "--count", value, 1, COUNT_MAX) == KG_OK)
			return KG_EXIT_YES;
		return kg_cli_usage(self, "%s", kg_err_text());
	case 'p':
		which = either(value, "train", "test");
		if (which < 0)
			return kg_cli_usage(self, "--split is train or test, not \"%s\"", value);
		o->split = which == 0 ? KG_LESSON_TRAIN : KG_LESSON_TEST;
		return KG_EXIT_YES;
	case 'w':
		which = either(value, "trained", "unseen");
		if (which < 0)
			return kg_cli_usage(self, "--wording is trained or unseen, not \"%s\"",
					    value);
		o->wording = which == 0 ? KG_WORDING_TRAINED : KG_WORDING_UNSEEN;
		return KG_EXIT_YES;
	default:
		o->json = true;
		return KG_EXIT_YES;
	}
}

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"task", required_argument, NULL, 't'},
					      {"seed", required_argument, NULL, 's'},
					      {"count", required_argument, NULL, 'c'},
					      {"split", required_argument, NULL, 'p'},
					      {"wording", required_argument, NULL, 'w'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){.every_task = true, .count = 10, .split = KG_LESSON_TEST};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		int code = letter == '?' ? kg_cli_unknown(&kg_cmd_lessons, known, letter, argv)
					 : parse_one(o, letter, optarg);

		if (code != KG_EXIT_YES)
			return code;
	}
	if (optind < argc)
		return kg_cli_usage(&kg_cmd_lessons, "\"%s\" is one argument too many",
				    argv[optind]);
	return KG_EXIT_YES;
}

/* Takes the tasks in turn, unless one was asked for. */
static void draw(kg_lesson *lesson, kg_rng *rng, const options *o, uint64_t i)
{
	uint32_t task = o->every_task ? (uint32_t)(i % kg_lesson_task_count()) : o->task;

	kg_lesson_draw(lesson, rng, task, o->split, o->wording);
}

static void print_lines(const options *o, kg_rng *rng)
{
	for (uint64_t i = 0; i < o->count; i++) {
		kg_lesson lesson;

		draw(&lesson, rng, o, i);
		printf("%s%s\n", lesson.prompt, lesson.answer);
	}
}

static int print_json(const options *o, kg_rng *rng)
{
	json_t *lessons = json_array();
	json_t *document;

	for (uint64_t i = 0; i < o->count; i++) {
		kg_lesson lesson;
		json_t *one;

		draw(&lesson, rng, o, i);
		one = json_pack("{s:s, s:i, s:s, s:s}", "task",
				kg_lesson_task_at(lesson.task)->name, "wording",
				(int)lesson.wording, "prompt", lesson.prompt, "answer",
				lesson.answer);
		if (json_array_append_new(lessons, one) < 0)
			goto out_of_memory;
	}
	document = json_pack("{s:O}", "lessons", lessons);
	if (document == NULL)
		goto out_of_memory;
	kg_json_print(document, true);
	json_decref(document);
	json_decref(lessons);
	return KG_EXIT_YES;

out_of_memory:
	json_decref(lessons);
	(void)kg_fail(KG_ENOMEM, "no memory for %llu lessons", (unsigned long long)o->count);
	return kg_cli_trouble("lessons");
}

int kg_cmd_lessons_run(kg_cli *cli, int argc, char **argv)
{
	options o;
	kg_rng rng;
	int code = parse(&o, argc, argv);

	(void)cli;
	if (code != KG_EXIT_YES)
		return code;
	kg_rng_init_u64(&rng, o.seed);
	if (o.json)
		return print_json(&o, &rng);
	print_lines(&o, &rng);
	return KG_EXIT_YES;
}
