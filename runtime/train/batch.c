/* SPDX-License-Identifier: MIT */
/* What one step reads: lessons and windows of text, packed into a fixed number of tokens. */
#include <stdlib.h>
#include <string.h>

#include "runtime/lesson.h"
#include "runtime/train/train_impl.h"

enum {
	LINES_MAX = 3,
	LINE_MAX_SIZE = KG_LESSON_PROMPT_MAX + KG_LESSON_ANSWER_MAX,
	LESSON_IDS_MAX = 1 + LINES_MAX * LINE_MAX_SIZE,
};

typedef struct {
	uint16_t id[LESSON_IDS_MAX];
	float weight[LESSON_IDS_MAX];
	uint32_t count;
} lesson_ids;

kg_err kg_train__batch_new(kg_batch *batch, uint32_t capacity)
{
	*batch = (kg_batch){
		.capacity = capacity,
		.token = calloc(capacity, sizeof(*batch->token)),
		.target = calloc(capacity, sizeof(*batch->target)),
		.weight = calloc(capacity, sizeof(*batch->weight)),
		.segment = calloc(capacity, sizeof(*batch->segment)),
	};
	if (batch->token == NULL || batch->target == NULL || batch->weight == NULL ||
	    batch->segment == NULL)
		return kg_fail(KG_ENOMEM, "train: no memory for batches of %u tokens", capacity);
	return KG_OK;
}

void kg_train__batch_free(kg_batch *batch)
{
	free(batch->token);
	free(batch->target);
	free(batch->weight);
	free(batch->segment);
	*batch = (kg_batch){0};
}

bool kg_train__batch_put(kg_batch *batch, const uint16_t *ids, const float *weight, uint32_t count)
{
	uint32_t length = count - 1;

	KG_ASSERT(count >= 2);
	if (batch->tokens + length > batch->capacity)
		return false;
	batch->segment[batch->segments++] = (kg_segment){batch->tokens, length};
	memcpy(batch->token + batch->tokens, ids, length * sizeof(*ids));
	memcpy(batch->target + batch->tokens, ids + 1, length * sizeof(*ids));
	memcpy(batch->weight + batch->tokens, weight + 1, length * sizeof(*weight));
	batch->tokens += length;
	return true;
}

static void append(lesson_ids *ids, const char *text, float weight)
{
	for (; *text != '\0'; text++) {
		ids->id[ids->count] = (uint16_t)(KG_TRAIN_BYTE_0 + (unsigned char)*text);
		ids->weight[ids->count++] = weight;
	}
}

static uint32_t line_size(const kg_lesson *lesson)
{
	return (uint32_t)(strlen(lesson->prompt) + strlen(lesson->answer) + 1);
}

/* One lesson, or two or three in a row of which the last may repeat an earlier one. */
static void draw_lessons(kg_train *train, lesson_ids *ids)
{
	const kg_train_config *c = &train->config;
	kg_lesson lesson[LINES_MAX];
	uint32_t lines = 1;
	bool repeat = false;

	if (kg_rng_double(&train->rng) < c->several_share) {
		lines = 2 + (uint32_t)kg_rng_below(&train->rng, LINES_MAX - 1);
		repeat = kg_rng_double(&train->rng) < c->repeat_share;
	}
	ids->id[0] = KG_TRAIN_BOS;
	ids->weight[0] = 0.0f;
	ids->count = 1;
	for (uint32_t i = 0; i < lines; i++) {
		if (repeat && i == lines - 1)
			lesson[i] = lesson[kg_rng_below(&train->rng, i)];
		else
			kg_lesson_draw_training(&lesson[i], &train->rng);
		if (i > 0 && ids->count + line_size(&lesson[i]) > c->shape.context)
			return;
		append(ids, lesson[i].prompt, (float)c->question_weight);
		append(ids, lesson[i].answer, (float)c->answer_weight);
		append(ids, "\n", (float)c->answer_weight);
	}
}

static const kg_stream *draw_stream(kg_train *train)
{
	double at = kg_rng_double(&train->rng) * train->text_weight;
	uint32_t i = 0;

	while (i + 1 < train->config.text_count && at >= train->config.text[i].weight)
		at -= train->config.text[i++].weight;
	return &train->text[i];
}

/* A window of `room` tokens or of the context, whichever is shorter. */
static void put_window(kg_train *train, kg_batch *batch, uint32_t room)
{
	const kg_stream *stream = draw_stream(train);
	uint32_t length = train->config.shape.context;
	size_t from;

	if (length > room)
		length = room;
	if (length > stream->size - 1)
		length = (uint32_t)(stream->size - 1);
	from = kg_rng_below(&train->rng, stream->size - length);
	if (kg_rng_double(&train->rng) < train->config.document_start_share) {
		size_t document = stream->document[kg_rng_below(&train->rng, stream->documents)];

		if (document < stream->size - length)
			from = document;
	}
	batch->segment[batch->segments++] = (kg_segment){batch->tokens, length};
	memcpy(batch->token + batch->tokens, stream->token + from, length * sizeof(uint16_t));
	memcpy(batch->target + batch->tokens, stream->token + from + 1, length * sizeof(uint16_t));
	for (uint32_t i = 0; i < length; i++)
		batch->weight[batch->tokens + i] = 1.0f;
	batch->tokens += length;
	train->text_tokens += length;
}

void kg_train__batch_fill(kg_train *train, kg_batch *batch)
{
	const kg_train_config *c = &train->config;
	bool lessons = c->lessons_share > 0.0;
	bool texts = c->text_count > 0 && c->lessons_share < 1.0;

	batch->tokens = 0;
	batch->segments = 0;
	while (batch->tokens < batch->capacity) {
		double all = (double)(train->lesson_tokens + train->text_tokens);
		bool behind = (double)train->lesson_tokens <= c->lessons_share * all;
		lesson_ids ids;

		if (lessons && (behind || !texts)) {
			draw_lessons(train, &ids);
			if (kg_train__batch_put(batch, ids.id, ids.weight, ids.count)) {
				train->lesson_tokens += ids.count - 1;
				continue;
			}
			if (!texts)
				return;
		}
		/* The rest that no lesson fits goes to text; the count evens it out. */
		put_window(train, batch, batch->capacity - batch->tokens);
	}
}
