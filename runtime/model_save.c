/* SPDX-License-Identifier: MIT */
#include "runtime/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "runtime/fairy_lines.h"
#include "runtime/gguf.h"
#include "runtime/half.h"
#include "runtime/model_impl.h"
#include "runtime/tokenizer_gguf.h"

enum { FORMAT_VERSION = 2, BLOCKS_PER_TENSOR = 3 };

/* A file under construction. Blocks are what tensors were turned into; the writer borrows them. */
typedef struct {
	const kg_model *model;
	const kg_model_form *form;
	kg_gguf_writer writer;
	void **blocks;
	size_t blocks_count;
	const float *floats; /* one tensor: where the model has it, or in the room */
	float *room;
	float *paired;   /* the same, paired */
	float *residual; /* scratch of the quantizer */
	uint8_t *codes;  /* a byte per weight, before they are lines */
	void *pairing;
} work;

static void *block(work *w, size_t size)
{
	void *memory = malloc(size + 1);

	if (memory != NULL)
		w->blocks[w->blocks_count++] = memory;
	return memory;
}

static kg_err no_memory(const kg_tensor *t)
{
	return kg_fail(KG_ENOMEM, "model: no memory to write tensor %s", t->name);
}

static void put_matrix(work *w, const char *name, kg_ggml_type type, uint64_t inner, uint64_t outer,
		       const void *data)
{
	uint64_t dims[2] = {inner, outer};

	kg_gguf_put_tensor(&w->writer, name, type, dims, outer == 1 ? 1 : 2, data);
}

static void put_suffixed(work *w, const kg_tensor *t, const char *suffix, kg_ggml_type type,
			 uint64_t inner, uint64_t outer, const void *data)
{
	char name[KG_TENSOR_NAME_MAX + 16];
	size_t length = strlen(t->name);

	memcpy(name, t->name, length);
	memcpy(name + length, suffix, strlen(suffix) + 1);
	put_matrix(w, name, type, inner, outer, data);
}

static kg_err write_f32(work *w, const kg_tensor *t)
{
	size_t n = (size_t)t->rows * t->cols;
	bool lasting = w->floats != w->room;
	float *data = lasting ? NULL : block(w, n * sizeof(*data));

	if (data == NULL && !lasting)
		return no_memory(t);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(w->floats[i]))
			return kg_fail(KG_EINVAL, "model: weight %zu of %s is not finite", i,
				       t->name);
	if (!lasting)
		memcpy(data, w->floats, n * sizeof(*data));
	put_matrix(w, t->name, KG_GGML_F32, t->cols, t->rows, lasting ? w->floats : data);
	return KG_OK;
}

static kg_err write_f16(work *w, const kg_tensor *t)
{
	size_t n = (size_t)t->rows * t->cols;
	uint16_t *data = block(w, n * sizeof(*data));

	if (data == NULL)
		return no_memory(t);
	kg_half_from_floats(data, w->floats, n);
	for (size_t i = 0; i < n; i++)
		if ((data[i] & 0x7c00) == 0x7c00)
			return kg_fail(KG_EINVAL,
				       "model: weight %zu of %s, %g, is beyond half floats", i,
				       t->name, (double)w->floats[i]);
	put_matrix(w, t->name, KG_GGML_F16, t->cols, t->rows, data);
	return KG_OK;
}

static void put_lines(work *w, const kg_tensor *t, const char *suffix, const kg_lines *lines,
		      const uint8_t *data)
{
	put_suffixed(w, t, suffix, KG_GGML_I8, kg_lines_tile_size(lines), lines->tiles, data);
}

/* Zeroed room for lines. */
static uint8_t *lines_block(work *w, const kg_lines *lines)
{
	uint8_t *data = block(w, kg_lines_size(lines));

	if (data != NULL)
		memset(data, 0, kg_lines_size(lines));
	return data;
}

/* Whether the form has its own way to round it. */
static bool is_rounded(const work *w, const kg_tensor *t)
{
	return w->form->round != NULL && kg_tensor_role_is_linear(t->role);
}

static kg_err round_by_form(const work *w, const kg_tensor *t, kg_rounding *rounding)
{
	rounding->tensor = t;
	if (rounding->floats == NULL)
		rounding->floats = w->floats;
	return w->form->round(w->form->round_context, rounding);
}

static kg_err write_int8(work *w, const kg_tensor *t)
{
	kg_lines lines = kg_lines_of(KG_LINES_INT8, t->rows, t->cols);
	uint8_t *data = lines_block(w, &lines);
	float *scales = block(w, t->rows * sizeof(*scales));
	kg_rounding rounding = {.grid = (int8_t *)w->codes, .scale = scales};
	kg_err err = KG_OK;

	if (data == NULL || scales == NULL)
		return no_memory(t);
	if (is_rounded(w, t))
		err = round_by_form(w, t, &rounding);
	else
		for (uint32_t i = 0; i < t->rows && err == KG_OK; i++)
			err = kg_grid_quantize(rounding.grid + (size_t)i * t->cols, &scales[i],
					       w->floats + (size_t)i * t->cols, t->cols,
					       KG_INT8_MAX);
	if (err != KG_OK)
		return kg_fail_context(err, "%s", t->name);
	for (uint32_t i = 0; i < t->rows; i++)
		kg_lines_pack(&lines, data, i, w->codes + (size_t)i * t->cols);
	put_lines(w, t, "", &lines, data);
	put_suffixed(w, t, ".scales", KG_GGML_F32, t->rows, 1, scales);
	return KG_OK;
}

static kg_err put_plane(work *w, const kg_tensor *t, const kg_fairy *q, uint32_t p)
{
	static const char *const suffixes[KG_FAIRY_PLANES_MAX] = {"", ".plane1"};
	kg_lines lines = kg_fairy_lines(q->stages, p, t->rows, t->cols);
	uint8_t *data = lines_block(w, &lines);

	if (data == NULL)
		return no_memory(t);
	kg_fairy_lines_pack(&lines, data, q->plane[p].code);
	put_lines(w, t, suffixes[p], &lines, data);
	return KG_OK;
}

static kg_err write_fairy(work *w, const kg_tensor *t, uint32_t stages)
{
	uint32_t planes = kg_fairy_plane_count(stages);
	float *scales = block(w, (size_t)planes * KG_FAIRY_SCALES * sizeof(*scales));
	kg_pairing pairing;
	kg_fairy q;
	kg_err err;

	if (scales == NULL)
		return no_memory(t);
	for (uint32_t p = 0; p < planes; p++)
		q.plane[p].code = w->codes + p * kg_fairy_plane_size(t->rows, t->cols);
	kg_pairing_init(&pairing, w->pairing, t->rows, t->cols, w->form->seed, t->name);
	kg_pairing_apply(&pairing, w->paired, w->floats);
	if (is_rounded(w, t)) {
		kg_rounding rounding = {
			.floats = w->paired, .fairy = &q, .stages = stages, .pairing = &pairing};

		err = round_by_form(w, t, &rounding);
	} else {
		err = kg_fairy_quantize(&q, w->paired, t->rows, t->cols, stages, w->residual);
	}
	if (err != KG_OK)
		return kg_fail_context(err, "%s", t->name);
	for (uint32_t p = 0; p < planes && err == KG_OK; p++) {
		float *s = scales + (size_t)p * KG_FAIRY_SCALES;

		s[0] = q.plane[p].u0;
		s[1] = q.plane[p].u1;
		s[2] = q.plane[p].w0;
		s[3] = q.plane[p].w1;
		s[4] = q.plane[p].unit;
		err = put_plane(w, t, &q, p);
	}
	put_suffixed(w, t, ".scales", KG_GGML_F32, KG_FAIRY_SCALES, planes, scales);
	return err;
}

static kg_err write_coded(work *w, const kg_tensor *t, kg_format format)
{
	kg_lines lines = kg_coded_lines(format, t->rows, t->cols);
	void *storage = block(w, kg_coded_size(format, t->rows, t->cols));
	kg_coded coded;
	kg_rounding rounding = {.coded = &coded};
	kg_err err;

	if (storage == NULL)
		return no_memory(t);
	kg_coded_init(&coded, storage, format, t->rows, t->cols);
	err = is_rounded(w, t) ? round_by_form(w, t, &rounding)
			       : kg_coded_quantize(&coded, w->floats);
	if (err != KG_OK)
		return kg_fail_context(err, "%s", t->name);
	put_lines(w, t, "", &lines, coded.line);
	put_suffixed(w, t, ".scales", KG_GGML_F16, kg_coded_scales(format, t->rows, t->cols), 1,
		     coded.scale);
	if (coded.palette != NULL)
		put_suffixed(w, t, ".palette", KG_GGML_I8, kg_coded_palette(format, t->rows), 1,
			     coded.palette);
	return KG_OK;
}

/* As it is: only a complex model has any, and only phase is it ever. */
static kg_err write_phase(work *w, const kg_tensor *t)
{
	uint32_t tiles = kg_phase_tiles(t->rows);
	float *scales = block(w, KG_PHASE_SCALES * sizeof(*scales));

	if (scales == NULL)
		return no_memory(t);
	scales[0] = t->phase.re;
	scales[1] = t->phase.im;
	put_matrix(w, t->name, KG_GGML_I8, kg_phase_size(t->rows, t->cols) / tiles, tiles,
		   t->phase.line);
	put_suffixed(w, t, ".scales", KG_GGML_F32, KG_PHASE_SCALES, 1, scales);
	return KG_OK;
}

static kg_err write_tensor(work *w, const kg_tensor *t)
{
	kg_format format = kg_tensor_role_format(t->role, w->form->strategy);
	kg_err err = KG_OK;

	if (format == KG_FORMAT_PHASE)
		return write_phase(w, t);
	w->floats = t->format == KG_FORMAT_F32 ? t->data : w->room;
	if (w->floats == w->room)
		err = kg_model_tensor_floats(w->model, t, w->room);
	if (err != KG_OK)
		return err;
	switch (format) {
	case KG_FORMAT_F32:
		return write_f32(w, t);
	case KG_FORMAT_F16:
		return write_f16(w, t);
	case KG_FORMAT_INT8:
		return write_int8(w, t);
	case KG_FORMAT_FAIRY1:
	case KG_FORMAT_FAIRY2:
	case KG_FORMAT_FAIRY3:
		return write_fairy(w, t, kg_format_stages(format));
	default:
		return write_coded(w, t, format);
	}
}

static void put_text(work *w, const char *key, const char *text)
{
	kg_gguf_put_string(&w->writer, key, text, strlen(text));
}

static void put_hex(work *w, const char *key, const uint8_t *bytes)
{
	char text[65];

	if (bytes == NULL)
		return;
	kg_hex_encode(text, bytes, 32);
	put_text(w, key, text);
}

static void put_u32(work *w, const char *name, uint32_t value)
{
	char key[KG_MODEL_KEY_SIZE];

	kg_gguf_put_u32(&w->writer, kg_model__key(key, &w->model->config, name), value);
}

static void put_float(work *w, const char *name, float value)
{
	char key[KG_MODEL_KEY_SIZE];

	kg_gguf_put_float(&w->writer, kg_model__key(key, &w->model->config, name), value);
}

static kg_err put_keys(work *w)
{
	const kg_model_config *c = &w->model->config;
	const kg_model_prompt *prompt = &w->model->prompt;
	const char *parts[KG_MODEL_PROMPT_PARTS] = {prompt->prefix, prompt->suffix, prompt->stop};
	kg_gguf_writer *g = &w->writer;

	put_text(w, "general.architecture", kg_architecture_name(c->architecture));
	put_text(w, "general.name", w->model->name);
	put_u32(w, "context_length", c->context);
	put_u32(w, "embedding_length", c->dim);
	put_u32(w, "block_count", c->layers);
	put_u32(w, "feed_forward_length", c->hidden);
	put_u32(w, "attention.head_count", c->heads);
	put_u32(w, "attention.head_count_kv", c->kv_heads);
	put_float(w, "attention.layer_norm_rms_epsilon", c->norm_eps);
	if (c->attention_scale != 0.0f)
		put_float(w, "attention.scale", c->attention_scale);
	put_u32(w, "rope.dimension_count", c->head_dim);
	put_float(w, "rope.freq_base", c->rope_theta);
	if (c->heads * c->head_dim != c->dim) {
		put_u32(w, "attention.key_length", c->head_dim);
		put_u32(w, "attention.value_length", c->head_dim);
	}
	put_u32(w, "vocab_size", c->vocabulary);
	kg_gguf_put_u32(g, "kindergarten.format_version", FORMAT_VERSION);
	put_text(w, "kindergarten.strategy", kg_strategy_name(&w->form->strategy));
	if (kg_strategy_is_paired(&w->form->strategy))
		put_hex(w, "kindergarten.seed", w->form->seed);
	put_hex(w, "kindergarten.base_digest", w->form->base_digest);
	put_hex(w, "kindergarten.calibration", w->form->calibration);
	for (int i = 0; i < KG_MODEL_PROMPT_PARTS; i++)
		if (parts[i] != NULL)
			put_text(w, kg_model__prompt_keys[i], parts[i]);
	if (w->model->template != NULL)
		kg_gguf_put_string(g, "tokenizer.chat_template", w->model->template,
				   w->model->template_size);
	return kg_tokenizer_to_gguf(w->model->tokenizer, g);
}

kg_err kg_model__put_keys(kg_gguf_writer *writer, const kg_model *model, const kg_model_form *form)
{
	work w = {.model = model, .form = form, .writer = *writer};
	kg_err err = put_keys(&w);

	*writer = w.writer;
	return err;
}

static kg_err check_form(const kg_model *model, const kg_model_form *form)
{
	/* Of a complex model the tables are what can still become narrower. */
	bool phase = kg_strategy_is_phase(&model->strategy);
	kg_format from = phase ? model->strategy.table : model->strategy.linear;
	kg_err err = kg_model_config_check_strategy(&model->config, &form->strategy);

	if (err != KG_OK)
		return kg_fail_context(err, "model %s", model->name);
	if (from != KG_FORMAT_F32 && from != KG_FORMAT_F16)
		return kg_fail(KG_EINVAL,
			       "model: %s is already quantized (%s); quantize its base instead",
			       model->name, kg_strategy_name(&model->strategy));
	return KG_OK;
}

static void work_release(work *w)
{
	for (size_t i = 0; i < w->blocks_count; i++)
		free(w->blocks[i]);
	free(w->blocks);
	free(w->room);
	free(w->paired);
	free(w->residual);
	free(w->codes);
	free(w->pairing);
	kg_gguf_writer_release(&w->writer);
}

/* Scratch for the greatest tensor. */
static kg_err work_init(work *w, const kg_model *model, const kg_model_form *form)
{
	size_t most = 0;
	size_t pairing = 0;

	*w = (work){.model = model, .form = form};
	kg_gguf_writer_init(&w->writer, KG_GGUF_ALIGNMENT);
	for (uint32_t i = 0; i < model->tensors_count; i++) {
		const kg_tensor *t = &model->tensors[i];
		size_t n = (size_t)t->rows * t->cols;

		most = n > most ? n : most;
		if (kg_pairing_size(t->rows, t->cols) > pairing)
			pairing = kg_pairing_size(t->rows, t->cols);
	}
	w->blocks = malloc((size_t)model->tensors_count * BLOCKS_PER_TENSOR * sizeof(*w->blocks));
	w->room = malloc(most * sizeof(*w->room));
	w->paired = malloc(most * sizeof(*w->paired));
	w->residual = malloc(most * sizeof(*w->residual));
	w->codes = malloc(most);
	w->pairing = malloc(pairing);
	if (w->blocks == NULL || w->room == NULL || w->paired == NULL || w->residual == NULL ||
	    w->codes == NULL || w->pairing == NULL)
		return kg_fail(KG_ENOMEM, "model: no memory to write %s", model->name);
	return KG_OK;
}

/* Keys and tensors, ready to be put out; the caller releases the work whatever comes back. */
static kg_err write_model(work *w, const kg_model *model, const kg_model_form *form)
{
	kg_err err = work_init(w, model, form);

	if (err == KG_OK)
		err = check_form(model, form);
	if (err == KG_OK)
		err = put_keys(w);
	for (uint32_t i = 0; i < model->tensors_count && err == KG_OK; i++) {
		err = write_tensor(w, &model->tensors[i]);
		if (err == KG_OK && form->progress != NULL &&
		    !form->progress(form->progress_context, &model->tensors[i], i + 1,
				    model->tensors_count))
			err = kg_fail(KG_ETIMEOUT, "stopped");
	}
	return err;
}

kg_err kg_model_encode(const kg_model *model, kg_buf *out, const kg_model_form *form)
{
	work w;
	kg_err err = write_model(&w, model, form);

	if (err == KG_OK)
		err = kg_gguf_writer_finish(&w.writer, out);
	work_release(&w);
	return err;
}

kg_err kg_model_save(const kg_model *model, const char *path, const kg_model_form *form)
{
	work w;
	kg_err err = write_model(&w, model, form);

	if (err == KG_OK)
		err = kg_gguf_writer_save(&w.writer, path);
	work_release(&w);
	return err;
}
