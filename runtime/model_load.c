/* SPDX-License-Identifier: MIT */
#include "runtime/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "runtime/fairy_lines.h"
#include "runtime/gguf.h"
#include "runtime/model_impl.h"
#include "runtime/tokenizer_gguf.h"

enum { FORMAT_VERSION = 2, DATA_ALIGNMENT = KG_LINE_SIZE };

typedef struct {
	kg_model *m;
	const kg_gguf *g;
} loader;

static kg_err corrupt(const kg_tensor *t, const char *what)
{
	return kg_fail(KG_ECORRUPT, "model file: tensor %s %s", t->name, what);
}

/* A text value, copied and terminated; KG_ECORRUPT also when it is missing. */
static kg_err get_text(const kg_gguf *g, const char *key, char *out, size_t size_max)
{
	const char *text;
	size_t size;
	kg_err err = kg_gguf_get_string(g, key, &text, &size);

	if (err != KG_OK)
		return err;
	if (!kg_model__name_fits(text, size, size_max))
		return kg_fail(KG_ECORRUPT,
			       "model file: %s is longer than %zu bytes or has control characters",
			       key, size_max);
	memcpy(out, text, size);
	out[size] = '\0';
	return KG_OK;
}

static kg_err get_architecture(const kg_gguf *g, kg_architecture *out)
{
	char text[16];
	kg_err err = get_text(g, "general.architecture", text, sizeof(text) - 1);

	if (err != KG_OK)
		return err;
	for (int a = 0; a < KG_ARCHITECTURE_COUNT; a++)
		if (strcmp(text, kg_architecture_name((kg_architecture)a)) == 0) {
			*out = (kg_architecture)a;
			return KG_OK;
		}
	return kg_fail(KG_ECORRUPT,
		       "model file: architecture \"%s\"; llama and ifairy are known here", text);
}

static kg_err get_version(const kg_gguf *g)
{
	kg_architecture architecture;
	uint32_t version;
	kg_err err = get_architecture(g, &architecture);

	if (err != KG_OK)
		return err;
	if (!kg_gguf_has(g, "kindergarten.format_version"))
		return kg_fail(KG_ECORRUPT, "model file: a GGUF file, but not a .fairy file, which "
					    "`model import` makes of it: "
					    "kindergarten.format_version is missing");
	err = kg_gguf_get_u32(g, "kindergarten.format_version", &version);
	if (err == KG_OK && (version < 1 || version > FORMAT_VERSION))
		return kg_fail(KG_ECORRUPT,
			       "model file: format version %u; 1 and %d are known here", version,
			       FORMAT_VERSION);
	return err;
}

/* Floats have always been stored alike. */
static kg_err check_version(const kg_gguf *g, const kg_strategy *strategy)
{
	uint32_t version;
	kg_err err = kg_gguf_get_u32(g, "kindergarten.format_version", &version);

	if (err == KG_OK && version == 1 && strategy->linear != KG_FORMAT_F32 &&
	    strategy->linear != KG_FORMAT_F16)
		return kg_fail(KG_ECORRUPT,
			       "model file: %s weights of format version 1, which are no longer "
			       "read: quantize the base again",
			       kg_strategy_name(strategy));
	return err;
}

static kg_err get_floats(const kg_gguf *g, kg_model_config *c)
{
	char key[KG_MODEL_KEY_SIZE];
	kg_err err = kg_gguf_get_float(g, kg_model__key(key, c, "rope.freq_base"), &c->rope_theta);

	if (err == KG_OK)
		err = kg_gguf_get_float(
			g, kg_model__key(key, c, "attention.layer_norm_rms_epsilon"), &c->norm_eps);
	if (err == KG_OK && kg_gguf_has(g, kg_model__key(key, c, "attention.scale")))
		err = kg_gguf_get_float(g, key, &c->attention_scale);
	return err;
}

static kg_err get_config(const kg_gguf *g, kg_model_config *c)
{
	const struct {
		const char *name;
		uint32_t *out;
	} numbers[] = {
		{"embedding_length", &c->dim},
		{"feed_forward_length", &c->hidden},
		{"block_count", &c->layers},
		{"attention.head_count", &c->heads},
		{"attention.head_count_kv", &c->kv_heads},
		{"rope.dimension_count", &c->head_dim},
		{"vocab_size", &c->vocabulary},
		{"context_length", &c->context},
	};
	char key[KG_MODEL_KEY_SIZE];
	uint32_t key_length = 0;
	kg_err err = get_architecture(g, &c->architecture);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && err == KG_OK; i++)
		err = kg_gguf_get_u32(g, kg_model__key(key, c, numbers[i].name), numbers[i].out);
	if (err == KG_OK)
		err = get_floats(g, c);
	if (err == KG_OK && kg_gguf_has(g, kg_model__key(key, c, "attention.key_length")))
		err = kg_gguf_get_u32(g, key, &key_length);
	if (err != KG_OK)
		return err;
	if (key_length != 0 && key_length != c->head_dim)
		return kg_fail(KG_ECORRUPT, "model file: keys of %u where %u are turned",
			       key_length, c->head_dim);
	c->tied = kg_gguf_tensor_get(g, "output.weight") == NULL;
	c->qkv_bias = kg_gguf_tensor_get(g, "blk.0.attn_q.bias") != NULL;
	c->qk_norm = kg_gguf_tensor_get(g, "blk.0.attn_q_norm.weight") != NULL;
	c->rope_factors = kg_gguf_tensor_get(g, "rope_freqs.weight") != NULL;
	err = kg_model_config_check(c);
	return err == KG_OK ? KG_OK : kg_fail_context(KG_ECORRUPT, "model file");
}

static kg_err get_strategy(const kg_gguf *g, const kg_model_config *config, kg_strategy *strategy)
{
	char text[KG_STRATEGY_NAME_MAX + 1];
	kg_err err = get_text(g, "kindergarten.strategy", text, sizeof(text) - 1);

	if (err != KG_OK)
		return err;
	err = kg_strategy_parse(strategy, text);
	if (err != KG_OK)
		return kg_fail_context(KG_ECORRUPT, "model file: kindergarten.strategy");
	if (strcmp(text, kg_strategy_name(strategy)) != 0)
		return kg_fail(KG_ECORRUPT, "model file: \"%s\" is not the strategy of a file",
			       text);
	if (kg_model_config_check_strategy(config, strategy) != KG_OK)
		return kg_fail_context(KG_ECORRUPT, "model file");
	return KG_OK;
}

/* 32 bytes in hex, if the key is there. */
static kg_err get_hex(const kg_gguf *g, const char *key, bool *there, uint8_t out[32])
{
	char text[65];
	kg_err err;

	*there = kg_gguf_has(g, key);
	if (!*there)
		return KG_OK;
	err = get_text(g, key, text, sizeof(text) - 1);
	if (err != KG_OK)
		return err;
	if (kg_hex_decode(out, 32, text) != KG_OK)
		return kg_fail(KG_ECORRUPT, "model file: %s is not 64 hex digits", key);
	return KG_OK;
}

static kg_err get_prompt(const kg_gguf *g, kg_model *m)
{
	for (int i = 0; i < KG_MODEL_PROMPT_PARTS; i++) {
		const char *key = kg_model__prompt_keys[i];
		const char *text;
		size_t size;
		kg_err err;

		if (!kg_gguf_has(g, key))
			continue;
		err = kg_gguf_get_string(g, key, &text, &size);
		if (err != KG_OK)
			return err;
		if (size > KG_MODEL_PROMPT_MAX || memchr(text, '\0', size) != NULL)
			return kg_fail(KG_ECORRUPT,
				       "model file: %s is longer than %d bytes or has a NUL", key,
				       KG_MODEL_PROMPT_MAX);
		kg_model__set_prompt(m, i, text, size);
	}
	return KG_OK;
}

static kg_err get_template(const kg_gguf *g, kg_model *m)
{
	kg_err err;

	if (!kg_gguf_has(g, "tokenizer.chat_template"))
		return KG_OK;
	err = kg_gguf_get_string(g, "tokenizer.chat_template", &m->template, &m->template_size);
	if (err != KG_OK)
		return err;
	if (m->template_size == 0 || m->template_size > KG_MODEL_TEMPLATE_MAX ||
	    memchr(m->template, '\0', m->template_size) != NULL)
		return kg_fail(KG_ECORRUPT,
			       "model file: tokenizer.chat_template is empty, longer than %d bytes "
			       "or has a NUL",
			       KG_MODEL_TEMPLATE_MAX);
	return KG_OK;
}

/* Finds the stored tensor `name` and requires its type and exact dimensions. */
static kg_err stored(loader *l, const kg_tensor *t, const char *suffix, kg_ggml_type type,
		     uint64_t inner, uint64_t outer, const uint8_t **data)
{
	char name[KG_TENSOR_NAME_MAX + 16];
	const kg_gguf_tensor *found;
	size_t length = strlen(t->name);

	memcpy(name, t->name, length);
	memcpy(name + length, suffix, strlen(suffix) + 1);
	found = kg_gguf_tensor_get(l->g, name);
	if (found == NULL)
		return kg_fail(KG_ECORRUPT, "model file: tensor %s is missing", name);
	if (found->type != type)
		return kg_fail(KG_ECORRUPT, "model file: tensor %s is of type %d, expected %d",
			       name, (int)found->type, (int)type);
	if (found->dims[0] != inner || found->dims[1] != outer || found->dims[2] != 1 ||
	    found->dims[3] != 1)
		return kg_fail(KG_ECORRUPT,
			       "model file: tensor %s is %llu x %llu, the config says %llu x %llu",
			       name, (unsigned long long)found->dims[1],
			       (unsigned long long)found->dims[0], (unsigned long long)outer,
			       (unsigned long long)inner);
	l->m->tensor_bytes += found->size;
	*data = found->data;
	return KG_OK;
}

/* The largest exponent means infinity or NaN; no early exit, so that this vectorizes. */
static bool floats_finite(const void *data, size_t n)
{
	const uint32_t *bits = data;
	uint32_t bad = 0;

	for (size_t i = 0; i < n; i++)
		bad |= (bits[i] & 0x7f800000) == 0x7f800000;
	return bad == 0;
}

static bool halves_finite(const void *data, size_t n)
{
	const uint16_t *bits = data;
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++)
		bad |= (bits[i] & 0x7c00) == 0x7c00;
	return bad == 0;
}

static kg_err load_wide(loader *l, kg_tensor *t)
{
	bool wide = t->format == KG_FORMAT_F32;
	size_t n = (size_t)t->rows * t->cols;
	const uint8_t *data = NULL;
	kg_err err = stored(l, t, "", wide ? KG_GGML_F32 : KG_GGML_F16, t->cols, t->rows, &data);

	if (err != KG_OK)
		return err;
	if (wide ? !floats_finite(data, n) : !halves_finite(data, n))
		return corrupt(t, "has weights that are not finite");
	t->data = data;
	return t->role == KG_TENSOR_ROPE_FACTORS ? kg_tensor_check_factors(t) : KG_OK;
}

/* The lines of a tensor, with nothing in their padding. */
static kg_err load_lines(loader *l, const kg_tensor *t, const char *suffix, const kg_lines *lines,
			 const uint8_t **data)
{
	kg_err err =
		stored(l, t, suffix, KG_GGML_I8, kg_lines_tile_size(lines), lines->tiles, data);

	if (err == KG_OK && !kg_lines_padded(lines, *data))
		return corrupt(t, "has codes where it has no weights");
	return err;
}

static kg_err load_int8(loader *l, kg_tensor *t)
{
	kg_lines lines = kg_lines_of(KG_LINES_INT8, t->rows, t->cols);
	size_t n = kg_lines_size(&lines);
	const uint8_t *scales = NULL;
	uint8_t bad = 0;
	kg_err err = load_lines(l, t, "", &lines, &t->line[0]);

	if (err == KG_OK)
		err = stored(l, t, ".scales", KG_GGML_F32, t->rows, 1, &scales);
	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < n; i++)
		bad |= t->line[0][i] == 0x80;
	if (bad != 0)
		return corrupt(t, "holds -128, outside the grid -127..127");
	t->scales = (const float *)(const void *)scales;
	for (uint32_t i = 0; i < t->rows; i++)
		if (!isfinite(t->scales[i]) || t->scales[i] < 0.0f)
			return corrupt(t, "has a scale that is negative or not finite");
	return KG_OK;
}

/* Weights u0 u1 w0 w1 and the unit of one plane; a one-stage plane has u1 = w1 = 0. */
static kg_err load_scales(const kg_tensor *t, const float s[KG_FAIRY_SCALES], bool one_stage,
			  kg_fairy_plane *plane)
{
	uint8_t *weights[] = {&plane->u0, &plane->u1, &plane->w0, &plane->w1};
	int sum = 0;

	for (int i = 0; i < 4; i++) {
		if (!(s[i] >= 0.0f && s[i] <= (float)KG_FAIRY_WEIGHT_SUM_MAX) ||
		    s[i] != truncf(s[i]))
			return corrupt(t, "has a stage weight that is not a small whole number");
		*weights[i] = (uint8_t)s[i];
		sum += *weights[i];
	}
	if (sum < 1 || sum > KG_FAIRY_WEIGHT_SUM_MAX)
		return corrupt(t, "has stage weights whose sum is out of range");
	if (one_stage && (plane->u1 != 0 || plane->w1 != 0))
		return corrupt(t, "has a weight for a stage that it does not have");
	if (!isfinite(s[4]) || s[4] <= 0.0f)
		return corrupt(t, "has a unit that is not a positive number");
	plane->unit = s[4];
	return KG_OK;
}

static kg_err load_fairy(loader *l, kg_tensor *t)
{
	static const char *const suffixes[KG_FAIRY_PLANES_MAX] = {"", ".plane1"};
	uint32_t stages = kg_format_stages(t->format);
	uint32_t planes = kg_fairy_plane_count(stages);
	const uint8_t *scales = NULL;
	kg_err err;

	if (t->rows % 2 != 0 || t->cols % 2 != 0)
		return corrupt(t, "has an odd size, which cannot be paired");
	err = stored(l, t, ".scales", KG_GGML_F32, KG_FAIRY_SCALES, planes, &scales);
	t->fairy.rows = t->rows;
	t->fairy.cols = t->cols;
	t->fairy.stages = (uint8_t)stages;
	for (uint32_t p = 0; p < planes && err == KG_OK; p++) {
		kg_lines lines = kg_fairy_lines(stages, p, t->rows, t->cols);
		float s[KG_FAIRY_SCALES];

		memcpy(s, scales + (size_t)p * sizeof(s), sizeof(s));
		err = load_scales(t, s, 2 * p + 1 == stages, &t->fairy.plane[p]);
		if (err == KG_OK)
			err = load_lines(l, t, suffixes[p], &lines, &t->line[p]);
	}
	return err;
}

static kg_err load_coded(loader *l, kg_tensor *t)
{
	kg_lines lines = kg_coded_lines(t->format, t->rows, t->cols);
	size_t palette_size = kg_coded_palette(t->format, t->rows);
	const uint8_t *codes = NULL;
	const uint8_t *scales = NULL;
	const uint8_t *palette = NULL;
	kg_err err = stored(l, t, "", KG_GGML_I8, kg_lines_tile_size(&lines), lines.tiles, &codes);

	if (err == KG_OK)
		err = stored(l, t, ".scales", KG_GGML_F16,
			     kg_coded_scales(t->format, t->rows, t->cols), 1, &scales);
	if (err == KG_OK && palette_size != 0)
		err = stored(l, t, ".palette", KG_GGML_I8, palette_size, 1, &palette);
	if (err != KG_OK)
		return err;
	t->coded = (kg_coded){.format = t->format, .rows = t->rows, .cols = t->cols};
	/* An opened model is only read: the mapping is read-only. */
	memcpy(&t->coded.line, &codes, sizeof(codes));
	memcpy(&t->coded.scale, &scales, sizeof(scales));
	memcpy(&t->coded.palette, &palette, sizeof(palette));
	err = kg_coded_check(&t->coded);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "model file: tensor %s", t->name);
}

static kg_err load_phase(loader *l, kg_tensor *t)
{
	uint32_t tiles = kg_phase_tiles(t->rows);
	const uint8_t *lines = NULL;
	const uint8_t *scales = NULL;
	kg_err err = stored(l, t, "", KG_GGML_I8, kg_phase_size(t->rows, t->cols) / tiles, tiles,
			    &lines);

	if (err == KG_OK)
		err = stored(l, t, ".scales", KG_GGML_F32, KG_PHASE_SCALES, 1, &scales);
	if (err != KG_OK)
		return err;
	t->phase = (kg_phase){.rows = t->rows, .cols = t->cols};
	memcpy(&t->phase.re, scales, sizeof(float));
	memcpy(&t->phase.im, scales + sizeof(float), sizeof(float));
	/* Read-only, as the lines of a coded matrix. */
	memcpy(&t->phase.line, &lines, sizeof(lines));
	err = kg_phase_check(&t->phase);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "model file: tensor %s", t->name);
}

/* Tensors that a .fairy file of this strategy stores for one tensor. */
static uint32_t stored_count(kg_format format)
{
	uint32_t stages = kg_format_stages(format);

	if (stages > 0)
		return kg_fairy_plane_count(stages) + 1;
	if (format == KG_FORMAT_F32 || format == KG_FORMAT_F16)
		return 1;
	return kg_coded_palette(format, 1) != 0 ? 3 : 2;
}

static kg_err load_tensors(kg_model *m, const kg_gguf *g)
{
	uint32_t expected = 0;
	kg_err err = KG_OK;
	loader l = {m, g};

	for (uint32_t i = 0; i < m->tensors_count && err == KG_OK; i++) {
		kg_tensor *t = &m->tensors[i];

		uint64_t before = m->tensor_bytes;

		expected += stored_count(t->format);
		if (kg_format_stages(t->format) > 0)
			err = load_fairy(&l, t);
		else if (t->format == KG_FORMAT_INT8)
			err = load_int8(&l, t);
		else if (kg_format_is_coded(t->format))
			err = load_coded(&l, t);
		else if (t->format == KG_FORMAT_PHASE)
			err = load_phase(&l, t);
		else
			err = load_wide(&l, t);
		t->bytes = m->tensor_bytes - before;
	}
	if (err == KG_OK && expected != kg_gguf_tensor_count(g))
		return kg_fail(KG_ECORRUPT, "model file: %u tensors where the config says %u",
			       kg_gguf_tensor_count(g), expected);
	return err;
}

static kg_err load(kg_model **out, const kg_gguf *g, const uint8_t *data, size_t size)
{
	kg_model_config config = {0};
	kg_strategy strategy = {0};
	kg_model *m = NULL;
	kg_err err = get_config(g, &config);

	if (err == KG_OK)
		err = get_strategy(g, &config, &strategy);
	if (err == KG_OK)
		err = check_version(g, &strategy);
	if (err == KG_OK)
		err = kg_model__shell(&m, &config, strategy);
	if (err != KG_OK)
		return err;
	m->bytes = data;
	m->bytes_size = size;
	err = get_text(g, "general.name", m->name, KG_MODEL_NAME_MAX);
	if (err == KG_OK)
		err = get_hex(g, "kindergarten.seed", &m->seeded, m->seed);
	if (err == KG_OK)
		err = get_hex(g, "kindergarten.base_digest", &m->has_base, m->base_digest);
	if (err == KG_OK)
		err = get_hex(g, "kindergarten.calibration", &m->is_calibrated, m->calibration);
	if (err == KG_OK)
		err = get_prompt(g, m);
	if (err == KG_OK)
		err = get_template(g, m);
	if (err == KG_OK)
		err = kg_tokenizer_from_gguf(&m->tokenizer, g);
	if (err == KG_OK && kg_tokenizer_count(m->tokenizer) != config.vocabulary)
		err = kg_fail(KG_ECORRUPT, "model file: the tokenizer has %u tokens, the model %u",
			      kg_tokenizer_count(m->tokenizer), config.vocabulary);
	if (err == KG_OK)
		err = load_tensors(m, g);
	if (err != KG_OK) {
		kg_model_free(m);
		return err;
	}
	*out = m;
	return KG_OK;
}

kg_err kg_model_open_memory(kg_model **out, const uint8_t *data, size_t size)
{
	kg_gguf *g = NULL;
	uint32_t alignment = 0;
	kg_err err;

	KG_ASSERT((uintptr_t)data % DATA_ALIGNMENT == 0);
	err = kg_gguf_open(&g, data, size);
	if (err == KG_OK)
		err = get_version(g);
	if (err == KG_OK)
		err = kg_gguf_get_u32(g, "general.alignment", &alignment);
	if (err == KG_OK && alignment % DATA_ALIGNMENT != 0)
		err = kg_fail(KG_ECORRUPT, "model file: tensors are aligned to %u, not to %d",
			      alignment, DATA_ALIGNMENT);
	if (err == KG_OK)
		err = load(out, g, data, size);
	kg_gguf_free(g);
	/* A missing key is no missing file. */
	return err == KG_ENOTFOUND ? kg_fail_context(KG_ECORRUPT, "not a .fairy file") : err;
}

kg_err kg_model_open(kg_model **out, const char *path)
{
	kg_map map;
	kg_err err = kg_map_open(&map, path);

	if (err != KG_OK)
		return err;
	err = kg_model_open_memory(out, map.data, map.size);
	if (err != KG_OK) {
		kg_map_close(&map);
		return kg_fail_context(err, "%s", path);
	}
	(*out)->map = map;
	return KG_OK;
}
