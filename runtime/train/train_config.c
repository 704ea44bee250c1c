/* SPDX-License-Identifier: MIT */
/* The recipe of a run, from an INI file. */
#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/lesson.h"
#include "runtime/train/train_impl.h"

enum { LESSON_SIZE_MAX = KG_LESSON_PROMPT_MAX + KG_LESSON_ANSWER_MAX };

typedef enum { VALUE_U32, VALUE_U64, VALUE_DOUBLE } value_kind;

typedef struct {
	const char *section;
	const char *key;
	size_t at; /* in the struct the section fills */
	value_kind kind;
	double least;
	double most;
} value_place;

#define IN_CONFIG(member) offsetof(kg_train_config, member)
#define IN_PHASE(member)  offsetof(kg_train_phase, member)

static const value_place values[] = {
	{"model", "dim", IN_CONFIG(shape.dim), VALUE_U32, 8, 4096},
	{"model", "hidden", IN_CONFIG(shape.hidden), VALUE_U32, 8, 16384},
	{"model", "layers", IN_CONFIG(shape.layers), VALUE_U32, 1, KG_TRAIN_LAYERS_MAX},
	{"model", "heads", IN_CONFIG(shape.heads), VALUE_U32, 1, 128},
	{"model", "kv_heads", IN_CONFIG(shape.kv_heads), VALUE_U32, 1, 128},
	{"model", "context", IN_CONFIG(shape.context), VALUE_U32, 16, 4096},
	{"train", "tokens_per_step", IN_CONFIG(tokens_per_step), VALUE_U32, 16, 1 << 20},
	{"train", "evaluate_every", IN_CONFIG(evaluate_every), VALUE_U32, 0, 1e9},
	{"train", "save_every", IN_CONFIG(save_every), VALUE_U32, 0, 1e9},
	{"train", "progress_every", IN_CONFIG(progress_every), VALUE_U32, 1, 1e9},
	{"train", "lessons_per_task", IN_CONFIG(lessons_per_task), VALUE_U32, 0, 10000},
	{"train", "seed", IN_CONFIG(seed), VALUE_U64, 0, 9007199254740992.0},
	{"train", "lessons_share", IN_CONFIG(lessons_share), VALUE_DOUBLE, 0, 1},
	{"train", "several_share", IN_CONFIG(several_share), VALUE_DOUBLE, 0, 1},
	{"train", "repeat_share", IN_CONFIG(repeat_share), VALUE_DOUBLE, 0, 1},
	{"train", "document_start_share", IN_CONFIG(document_start_share), VALUE_DOUBLE, 0, 1},
	{"train", "answer_weight", IN_CONFIG(answer_weight), VALUE_DOUBLE, 0, 100},
	{"train", "question_weight", IN_CONFIG(question_weight), VALUE_DOUBLE, 0, 100},
	{"train", "beta1", IN_CONFIG(beta1), VALUE_DOUBLE, 0, 0.9999},
	{"train", "beta2", IN_CONFIG(beta2), VALUE_DOUBLE, 0, 0.99999},
	{"train", "decay", IN_CONFIG(decay), VALUE_DOUBLE, 0, 10},
	{"train", "clip", IN_CONFIG(clip), VALUE_DOUBLE, 1e-6, 1e6},
	{"phase", "steps", IN_PHASE(steps), VALUE_U64, 1, 1e9},
	{"phase", "warmup", IN_PHASE(warmup), VALUE_U64, 0, 1e9},
	{"phase", "rate", IN_PHASE(rate), VALUE_DOUBLE, 0, 1},
	{"phase", "final", IN_PHASE(final), VALUE_DOUBLE, 0, 1},
	{"text", "weight", offsetof(kg_train_text, weight), VALUE_DOUBLE, 0, 1e6},
};

static const char *const strategies[] = {"f32", "fairy1", "fairy2", "fairy3"};

void kg_train_config_init(kg_train_config *config)
{
	*config = (kg_train_config){
		.shape = {.dim = 128,
			  .hidden = 352,
			  .layers = 5,
			  .heads = 4,
			  .kv_heads = 4,
			  .context = 256},
		.stages = 2,
		.tokens_per_step = 2048,
		.evaluate_every = 1000,
		.save_every = 1000,
		.progress_every = 100,
		.lessons_per_task = 30,
		.seed = 1,
		.lessons_share = 0.68,
		.several_share = 0.3,
		.repeat_share = 1.0 / 3.0,
		.document_start_share = 0.25,
		.answer_weight = 5.0,
		.question_weight = 0.1,
		.beta1 = 0.9,
		.beta2 = 0.98,
		.decay = 0.05,
		.clip = 1.0,
	};
}

static kg_err set_value(void *into, const value_place *place, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(value))
		return kg_fail(KG_EINVAL, "%s = %s: not a number", place->key, text);
	if (value < place->least || value > place->most)
		return kg_fail(KG_EINVAL, "%s = %s: must be %g to %g", place->key, text,
			       place->least, place->most);
	if (place->kind == VALUE_DOUBLE) {
		memcpy((char *)into + place->at, &value, sizeof(value));
		return KG_OK;
	}
	if (value != floor(value))
		return kg_fail(KG_EINVAL, "%s = %s: not a whole number", place->key, text);
	if (place->kind == VALUE_U32) {
		uint32_t whole = (uint32_t)value;

		memcpy((char *)into + place->at, &whole, sizeof(whole));
	} else {
		uint64_t whole = (uint64_t)value;

		memcpy((char *)into + place->at, &whole, sizeof(whole));
	}
	return KG_OK;
}

static kg_err set_text(char *into, size_t size, const char *key, const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length >= size)
		return kg_fail(KG_EINVAL, "%s: must be 1 to %zu bytes", key, size - 1);
	memcpy(into, text, length + 1);
	return KG_OK;
}

/* The phase or text called `name`: the last one, or a new one. */
static kg_err phase_at(kg_train_phase **phase, kg_train_config *config, const char *name)
{
	uint32_t n = config->phase_count;

	if (n > 0 && strcmp(config->phase[n - 1].name, name) == 0) {
		*phase = &config->phase[n - 1];
		return KG_OK;
	}
	if (n == KG_TRAIN_PHASES_MAX)
		return kg_fail(KG_EFULL, "more than %d phases", KG_TRAIN_PHASES_MAX);
	*phase = &config->phase[n];
	**phase = (kg_train_phase){.rate = 2e-3, .final = 0.1, .pairing = KG_TRAIN_FIXED};
	if (name[strcspn(name, "/\"\\")] != '\0')
		return kg_fail(KG_EINVAL, "[phase %s]: a plain name is needed", name);
	config->phase_count++;
	return set_text((*phase)->name, sizeof((*phase)->name), "phase name", name);
}

static kg_err text_at(kg_train_text **text, kg_train_config *config, const char *name)
{
	uint32_t n = config->text_count;

	if (n > 0 && strcmp(config->text[n - 1].name, name) == 0) {
		*text = &config->text[n - 1];
		return KG_OK;
	}
	if (n == KG_TRAIN_TEXTS_MAX)
		return kg_fail(KG_EFULL, "more than %d texts", KG_TRAIN_TEXTS_MAX);
	*text = &config->text[n];
	**text = (kg_train_text){.weight = 1.0};
	config->text_count++;
	return set_text((*text)->name, sizeof((*text)->name), "text name", name);
}

static kg_err set_number(const char *section, void *into, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(values[i].section, section) == 0 && strcmp(values[i].key, key) == 0)
			return set_value(into, &values[i], value);
	return kg_fail(KG_EINVAL, "unknown key %s in section %s", key, section);
}

static kg_err set_phase(kg_train_config *config, const char *name, const char *key,
			const char *value)
{
	kg_train_phase *phase = NULL;
	kg_err err = phase_at(&phase, config, name);

	if (err != KG_OK)
		return err;
	if (strcmp(key, "pairing") != 0)
		return set_number("phase", phase, key, value);
	if (strcmp(value, "fixed") == 0)
		phase->pairing = KG_TRAIN_FIXED;
	else if (strcmp(value, "random") == 0)
		phase->pairing = KG_TRAIN_RANDOM;
	else
		return kg_fail(KG_EINVAL, "pairing = %s: must be fixed or random", value);
	return KG_OK;
}

static kg_err set_source(kg_train_config *config, const char *name, const char *key,
			 const char *value)
{
	kg_train_text *text = NULL;
	kg_err err = text_at(&text, config, name);

	if (err != KG_OK)
		return err;
	if (strcmp(key, "path") == 0)
		return set_text(text->path, sizeof(text->path), key, value);
	if (strcmp(key, "document_starts") != 0)
		return set_number("text", text, key, value);
	if (text->prefix_count == KG_TRAIN_PREFIXES_MAX)
		return kg_fail(KG_EFULL, "more than %d document_starts", KG_TRAIN_PREFIXES_MAX);
	return set_text(text->prefix[text->prefix_count++], sizeof(text->prefix[0]), key, value);
}

static kg_err set(kg_train_config *config, const char *section, const char *key, const char *value)
{
	if (strncmp(section, "phase ", 6) == 0)
		return set_phase(config, section + 6, key, value);
	if (strncmp(section, "text ", 5) == 0)
		return set_source(config, section + 5, key, value);
	if (strcmp(section, "train") == 0 && strcmp(key, "strategy") == 0) {
		for (uint32_t i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++) {
			if (strcmp(value, strategies[i]) == 0) {
				config->stages = i;
				return KG_OK;
			}
		}
		return kg_fail(KG_EINVAL, "strategy = %s: must be f32, fairy1, fairy2 or fairy3",
			       value);
	}
	if (strcmp(section, "model") != 0 && strcmp(section, "train") != 0)
		return kg_fail(KG_EINVAL, "unknown section [%s]", section);
	return set_number(section, config, key, value);
}

typedef struct {
	kg_train_config *config;
	kg_err err; /* the first */
} reading;

static int on_value(void *data, const char *section, const char *key, const char *value)
{
	reading *r = data;

	if (r->err == KG_OK)
		r->err = set(r->config, section, key, value);
	return r->err == KG_OK;
}

kg_err kg_train_config_load(kg_train_config *config, const char *path)
{
	kg_train_config read = *config;
	reading r = {.config = &read};
	FILE *file = fopen(path, "re");
	int line;

	if (file == NULL)
		return kg_fail_errno(errno, "config %s", path);
	line = ini_parse_file(file, on_value, &r);
	fclose(file);
	if (r.err != KG_OK)
		return kg_fail_context(r.err, "%s:%d", path, line);
	if (line != 0)
		return kg_fail(KG_EINVAL, "%s:%d: neither a section nor key = value", path, line);
	r.err = kg_train_config_check(&read);
	if (r.err != KG_OK)
		return kg_fail_context(r.err, "%s", path);
	*config = read;
	return KG_OK;
}

kg_err kg_train_config_check(const kg_train_config *config)
{
	const kg_train_shape *s = &config->shape;

	if (s->dim % s->heads != 0 || s->dim / s->heads % 2 != 0)
		return kg_fail(KG_EINVAL, "dim %u does not divide into %u heads of even size",
			       s->dim, s->heads);
	if (s->heads % s->kv_heads != 0)
		return kg_fail(KG_EINVAL, "%u heads cannot share %u kv_heads", s->heads,
			       s->kv_heads);
	if (s->hidden % 2 != 0)
		return kg_fail(KG_EINVAL, "hidden %u is odd: rows are paired", s->hidden);
	if (config->tokens_per_step < s->context)
		return kg_fail(KG_EINVAL, "tokens_per_step %u is less than the context %u",
			       config->tokens_per_step, s->context);
	if (config->lessons_share > 0.0 && s->context < LESSON_SIZE_MAX)
		return kg_fail(KG_EINVAL, "context %u is too short for lessons: %d is needed",
			       s->context, LESSON_SIZE_MAX);
	if (config->phase_count == 0)
		return kg_fail(KG_EINVAL, "there is no [phase NAME]");
	for (uint32_t i = 0; i < config->phase_count; i++)
		if (config->phase[i].steps <= config->phase[i].warmup)
			return kg_fail(KG_EINVAL, "phase %s: steps must exceed warmup",
				       config->phase[i].name);
	for (uint32_t i = 0; i < config->text_count; i++)
		if (config->text[i].path[0] == '\0')
			return kg_fail(KG_EINVAL, "text %s: path is missing", config->text[i].name);
	if (config->text_count == 0 && config->lessons_share < 1.0)
		return kg_fail(KG_EINVAL, "lessons_share is below 1 and there is no [text NAME]");
	return KG_OK;
}

uint64_t kg_train__digest(const kg_train_config *config)
{
	const kg_train_shape *s = &config->shape;
	const uint64_t part[] = {s->dim,      s->hidden,  s->layers,      s->heads,
				 s->kv_heads, s->context, config->stages, KG_TRAIN_VOCABULARY};
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		h = (h ^ part[i]) * 0x100000001b3ULL;
	return h;
}
