/* SPDX-License-Identifier: MIT */
/*
 * lesson – a generated task with a checkable answer; what "accuracy" is measured on.
 *
 * Every lesson is one line, "Q: <question> A: <answer>": `prompt` is everything up to and including
 * "A:", `answer` is what follows, beginning with its one space and without the end of line. A model
 * answers right when its greedy continuation is exactly `answer` and then "\n".
 *
 * Instances (the word, the number pair, the row, …; never the wording) are divided by a hash:
 * one in ten belongs to the test split and is never drawn for training, so unseen instances are
 * held out by construction. Every task has at least six wordings; the last two are never used for
 * training. Closed tables (opposites, colours, days) hold out combinations of a known fact with
 * name and object, never the bare fact; docs/lessons.md says which tasks are tables and which are
 * rules.
 */
#ifndef KG_RUNTIME_LESSON_H
#define KG_RUNTIME_LESSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

enum { KG_LESSON_PROMPT_MAX = 176, KG_LESSON_ANSWER_MAX = 48 }; /* bytes, terminator included */

typedef enum { KG_LESSON_TRAIN, KG_LESSON_TEST } kg_lesson_split;
typedef enum { KG_WORDING_TRAINED, KG_WORDING_UNSEEN } kg_lesson_wording;

typedef struct {
	const char *name;  /* "count", "add", … as in `lessons --task` */
	const char *about; /* one line: what is asked, what is held out */
	uint32_t wordings; /* all, the unseen ones last */
	uint32_t wordings_unseen;
	float share; /* relative share in training; 1 = normal */
} kg_lesson_task;

typedef struct {
	uint32_t task;
	uint32_t wording;
	uint64_t instance; /* the hash that divides the splits; equal for the same instance */
	char prompt[KG_LESSON_PROMPT_MAX]; /* ASCII, NUL-terminated */
	char answer[KG_LESSON_ANSWER_MAX]; /* begins with ' ', no newline, NUL-terminated */
} kg_lesson;

uint32_t kg_lesson_task_count(void);

/* Borrowed, static; NULL outside 0..count-1. */
const kg_lesson_task *kg_lesson_task_at(uint32_t task);

/* KG_ENOTFOUND with the list of names when there is no such task. */
KG_NODISCARD kg_err kg_lesson_task_find(uint32_t *task, const char *name);

/* Draws one lesson of `task`: same rng state, same lesson. */
void kg_lesson_draw(kg_lesson *lesson, kg_rng *rng, uint32_t task, kg_lesson_split split,
		    kg_lesson_wording wording);

/* Draws for training: a task by share, a trained wording, the train split. */
void kg_lesson_draw_training(kg_lesson *lesson, kg_rng *rng);

#endif
