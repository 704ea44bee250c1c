/* SPDX-License-Identifier: MIT */
/*
 * lesson_tasks – the twelve tasks: how an instance is drawn, and how it can be worded.
 *
 * Inside the lesson generator only; everybody else uses runtime/lesson.h.
 */
#ifndef KG_RUNTIME_LESSON_TASKS_H
#define KG_RUNTIME_LESSON_TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "runtime/lesson.h"

enum {
	KG_LESSON_SLOTS = 5,
	KG_LESSON_SLOT_MAX = 64, /* bytes, terminator included */
	KG_LESSON_VARIANTS_MAX = 4,
	KG_LESSON_KEY_MAX = 160,
};

/* One instance before it is put into words. */
typedef struct {
	uint32_t variant; /* which question is asked: larger or smaller, mirror or shift, … */
	bool bare;        /* a fact of a closed table with nothing around it: never held out */
	char slot[KG_LESSON_SLOTS][KG_LESSON_SLOT_MAX]; /* what $a … $e stand for */
	char key[KG_LESSON_KEY_MAX];           /* canonical: equal keys are the same instance */
	char answer[KG_LESSON_ANSWER_MAX - 1]; /* without the leading space */
} kg_lesson_draft;

/* text[v] asks variant v; "$a" … "$e" name slots. Every wording of a task shows the whole of the
 * instance that its key names: otherwise one prompt could stand in both splits. */
typedef struct {
	const char *text[KG_LESSON_VARIANTS_MAX];
} kg_lesson_form;

typedef struct {
	kg_lesson_task task;
	void (*draw)(kg_lesson_draft *draft, kg_rng *rng);
	const kg_lesson_form *forms; /* task.wordings of them */
} kg_lesson_kind;

extern const kg_lesson_kind kg_lesson_kinds[];
extern const uint32_t kg_lesson_kind_count;

#endif
