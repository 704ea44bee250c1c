/* SPDX-License-Identifier: MIT */
/*
 * What a training state knows. Greedy decoding is right exactly when, given the right answer so
 * far, the next symbol of the answer always scores highest: so answers are graded in one pass
 * forward, packed like a batch, instead of symbol by symbol.
 */
#include <math.h>
#include <string.h>

#include "runtime/lesson.h"
#include "runtime/train/train_impl.h"

/* Of the graded lessons and of the one unseen pairing; far from any training stream. */
#define GRADE_SEED      0x6772616465206d65ULL
#define TEXT_TOKENS_MAX 20480

/* The seed of the graded pairing: fixed, and no output of the training generator but by a 2^-256
 * chance. */
static const uint8_t grade_pairing[KG_SEED_SIZE] = "a seed that no lesson ever drew";

static bool row_is_right(const float *row, size_t target)
{
	for (size_t i = 0; i < KG_TRAIN_VOCABULARY; i++)
		if (i != target && row[i] >= row[target])
			return false;
	return true;
}

/* Adds the right answers of the batch; weight marks answer symbols. */
static uint32_t count_right(kg_train *train, const kg_batch *batch)
{
	uint32_t right = 0;

	for (uint32_t first = 0; first < batch->segments;) {
		uint32_t count = kg_train__chunk(train, batch, first);
		uint32_t base = batch->segment[first].start;

		kg_train__forward(train, batch, first, count);
		for (uint32_t i = first; i < first + count; i++) {
			const kg_segment *segment = &batch->segment[i];
			bool ok = true;

			for (uint32_t t = segment->start; t < segment->start + segment->length; t++)
				if (batch->weight[t] > 0.0f)
					ok = ok && row_is_right(train->act.logits +
									(size_t)(t - base) *
										KG_TRAIN_VOCABULARY,
								batch->target[t]);
			right += ok;
		}
		first += count;
	}
	return right;
}

static bool put_lesson(kg_train *train, kg_batch *batch, const kg_lesson *lesson)
{
	uint16_t id[1 + KG_LESSON_PROMPT_MAX + KG_LESSON_ANSWER_MAX] = {KG_TRAIN_BOS};
	float weight[1 + KG_LESSON_PROMPT_MAX + KG_LESSON_ANSWER_MAX] = {0};
	uint32_t prompt = (uint32_t)strlen(lesson->prompt);
	uint32_t answer = (uint32_t)strlen(lesson->answer);
	uint32_t count = 1 + prompt + answer + 1;

	for (uint32_t i = 0; i < prompt + answer + 1; i++) {
		char c = i < prompt            ? lesson->prompt[i]
			 : i < prompt + answer ? lesson->answer[i - prompt]
					       : '\n';

		id[1 + i] = (uint16_t)(KG_TRAIN_BYTE_0 + (unsigned char)c);
		weight[1 + i] = i < prompt ? 0.0f : 1.0f;
	}
	return count - 1 > train->config.shape.context ||
	       kg_train__batch_put(batch, id, weight, count);
}

static double grade_task(kg_train *train, uint32_t task)
{
	uint32_t wanted = train->config.lessons_per_task;
	kg_batch *batch = &train->batch;
	uint32_t right = 0;
	kg_lesson lesson;
	kg_rng rng;

	kg_rng_init_u64(&rng, GRADE_SEED + task);
	batch->tokens = 0;
	batch->segments = 0;
	for (uint32_t i = 0; i < wanted; i++) {
		kg_lesson_draw(&lesson, &rng, task, KG_LESSON_TEST, KG_WORDING_TRAINED);
		if (put_lesson(train, batch, &lesson))
			continue;
		right += count_right(train, batch);
		batch->tokens = 0;
		batch->segments = 0;
		KG_ASSERT(put_lesson(train, batch, &lesson));
	}
	right += count_right(train, batch);
	return wanted == 0 ? NAN : (double)right / wanted;
}

/* Nats per byte: BOS is read, not predicted. */
static double grade_text(kg_train *train)
{
	const kg_stream *text = &train->held_out;
	kg_batch *batch = &train->batch;
	size_t end = text->size < TEXT_TOKENS_MAX ? text->size : TEXT_TOKENS_MAX;
	double nats = 0.0;
	size_t bytes = 0;

	for (size_t at = 0; at + 1 < end;) {
		uint32_t length = train->config.shape.context;

		if (length > end - 1 - at)
			length = (uint32_t)(end - 1 - at);
		batch->tokens = length;
		batch->segments = 1;
		batch->segment[0] = (kg_segment){0, length};
		memcpy(batch->token, text->token + at, length * sizeof(*batch->token));
		memcpy(batch->target, text->token + at + 1, length * sizeof(*batch->target));
		for (uint32_t t = 0; t < length; t++) {
			batch->weight[t] = batch->target[t] == KG_TRAIN_BOS ? 0.0f : 1.0f;
			bytes += batch->target[t] != KG_TRAIN_BOS;
		}
		kg_train__forward(train, batch, 0, 1);
		nats += kg_train__loss(train, batch, 0, 1, 0.0f);
		at += length;
	}
	return bytes == 0 ? NAN : nats / (double)bytes;
}

kg_err kg_train_evaluate(kg_train *train, bool seeded, kg_train_grade *grade)
{
	uint64_t last = train->step == 0 ? 0 : train->step - 1;
	kg_err err = kg_train__quantize(train, seeded ? grade_pairing : NULL);
	double sum = 0.0;

	if (err != KG_OK)
		return err;
	*grade = (kg_train_grade){
		.step = train->step,
		.phase = kg_train__phase(&train->config, last)->name,
		.pairing = seeded ? "seeded" : "plain",
		.text_nats = grade_text(train),
		.task_count = kg_lesson_task_count(),
	};
	if (grade->task_count > KG_TRAIN_TASKS_MAX)
		grade->task_count = KG_TRAIN_TASKS_MAX;
	for (uint32_t i = 0; i < grade->task_count; i++) {
		grade->accuracy[i] = grade_task(train, i);
		sum += grade->accuracy[i];
	}
	grade->accuracy_mean = sum / grade->task_count;
	return KG_OK;
}
