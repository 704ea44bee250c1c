/* SPDX-License-Identifier: MIT */
#include "runtime/lesson.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "runtime/lesson_tasks.h"

enum { TEST_ONE_IN = 10 };

uint32_t kg_lesson_task_count(void)
{
	return kg_lesson_kind_count;
}

const kg_lesson_task *kg_lesson_task_at(uint32_t task)
{
	return task < kg_lesson_kind_count ? &kg_lesson_kinds[task].task : NULL;
}

kg_err kg_lesson_task_find(uint32_t *task, const char *name)
{
	char names[256] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < kg_lesson_kind_count; i++) {
		const char *known = kg_lesson_kinds[i].task.name;
		size_t size = strlen(known);

		if (strcmp(known, name) == 0) {
			*task = i;
			return KG_OK;
		}
		if (len + 1 + size < sizeof(names)) {
			names[len++] = ' ';
			memcpy(names + len, known, size + 1);
			len += size;
		}
	}
	return kg_fail(KG_ENOTFOUND, "no lesson task \"%.40s\"; there are:%s", name, names);
}

/* FNV-1a over "<task>\n<key>", then the finalizer of splitmix64, whose low digits are even. */
static uint64_t instance_hash(const char *task, const char *key)
{
	const char *const parts[] = {task, "\n", key};
	uint64_t h = 0xcbf29ce484222325ULL;

	for (int i = 0; i < 3; i++) {
		for (const char *at = parts[i]; *at != '\0'; at++)
			h = (h ^ (uint8_t)*at) * 0x100000001b3ULL;
	}
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;
	return h ^ (h >> 31);
}

/* "Q: " text " A:" with every $x replaced by its slot. */
static void render(char prompt[KG_LESSON_PROMPT_MAX], const char *text,
		   const kg_lesson_draft *draft)
{
	static const char end[] = " A:";
	size_t len = 3;

	memcpy(prompt, "Q: ", 3);
	for (const char *at = text; *at != '\0'; at++) {
		const char *piece = at;
		size_t size = 1;

		if (*at == '$') {
			at++;
			KG_ASSERT(*at >= 'a' && *at < 'a' + KG_LESSON_SLOTS);
			piece = draft->slot[*at - 'a'];
			size = strlen(piece);
		}
		KG_ASSERT(len + size + sizeof(end) <= KG_LESSON_PROMPT_MAX);
		memcpy(prompt + len, piece, size);
		len += size;
	}
	memcpy(prompt + len, end, sizeof(end));
}

void kg_lesson_draw(kg_lesson *lesson, kg_rng *rng, uint32_t task, kg_lesson_split split,
		    kg_lesson_wording wording)
{
	const kg_lesson_kind *kind;
	kg_lesson_draft draft;
	uint32_t trained;
	bool held_out;
	const char *text;

	KG_ASSERT(task < kg_lesson_kind_count);
	kind = &kg_lesson_kinds[task];
	trained = kind->task.wordings - kind->task.wordings_unseen;
	memset(lesson, 0, sizeof(*lesson));
	lesson->task = task;
	if (wording == KG_WORDING_TRAINED)
		lesson->wording = (uint32_t)kg_rng_below(rng, trained);
	else
		lesson->wording = trained + (uint32_t)kg_rng_below(rng, kind->task.wordings_unseen);
	/* Both splits of every task hold many instances, so this ends after ten rounds on average
	 * for the test split, and soon for the other. */
	do {
		memset(&draft, 0, sizeof(draft));
		kind->draw(&draft, rng);
		lesson->instance = instance_hash(kind->task.name, draft.key);
		held_out = !draft.bare && lesson->instance % TEST_ONE_IN == 0;
	} while (held_out != (split == KG_LESSON_TEST));
	text = kind->forms[lesson->wording].text[draft.variant];
	KG_ASSERT(text != NULL);
	render(lesson->prompt, text, &draft);
	lesson->answer[0] = ' ';
	memcpy(lesson->answer + 1, draft.answer, sizeof(draft.answer));
}

void kg_lesson_draw_training(kg_lesson *lesson, kg_rng *rng)
{
	double total = 0;
	double left;
	uint32_t task = 0;

	for (uint32_t i = 0; i < kg_lesson_kind_count; i++)
		total += (double)kg_lesson_kinds[i].task.share;
	left = kg_rng_double(rng) * total - (double)kg_lesson_kinds[0].task.share;
	while (left >= 0 && task + 1 < kg_lesson_kind_count) {
		task++;
		left -= (double)kg_lesson_kinds[task].task.share;
	}
	kg_lesson_draw(lesson, rng, task, KG_LESSON_TRAIN, KG_WORDING_TRAINED);
}
