/* SPDX-License-Identifier: MIT */
#include "runtime/specimen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/rng.h"
#include "runtime/fairy_lines.h"
#include "runtime/gguf.h"
#include "runtime/half.h"
#include "runtime/model_impl.h"
#include "runtime/phase.h"

#define SHAPE(dim_, hidden_, layers_, heads_, vocabulary_, tied_)                                \
 {                                                                                               \
  .dim = dim_, .hidden = hidden_, .layers = layers_, .heads = heads_, .kv_heads = heads_,        \
  .head_dim = dim_ / heads_, .vocabulary = vocabulary_, .context = 2048, .rope_theta = 10000.0f, \
  .norm_eps = 1e-5f, .tied = tied_                                                               \
 }

#define COMPLEX(dim_, hidden_, layers_, heads_, vocabulary_)                                     \
 {                                                                                               \
  .dim = dim_, .hidden = hidden_, .layers = layers_, .heads = heads_, .kv_heads = heads_,        \
  .head_dim = dim_ / heads_, .vocabulary = vocabulary_, .context = 2048, .rope_theta = 10000.0f, \
  .norm_eps = 1e-5f, .architecture = KG_ARCHITECTURE_IFAIRY                                      \
 }

static const kg_specimen_shape shapes[] = {
	{"S256", "fairy2", SHAPE(256, 768, 6, 4, 4096, true)},
	{"S288", "fairy2", SHAPE(288, 768, 6, 6, 4096, true)},
	{"S512", "fairy2", SHAPE(512, 1536, 6, 8, 4096, true)},
	{"M", "fairy2", SHAPE(768, 3072, 12, 12, 32000, false)},
	{"L", "fairy2", SHAPE(1536, 4096, 24, 16, 32000, false)},
	{"iFairy-700M", "phase", COMPLEX(1536, 4096, 24, 16, 32000)},
	{"SAGE-Q", "int4", SHAPE(1536, 6144, 24, 24, 32000, false)},
	{"SAGE-1.58", "ternary", SHAPE(2048, 8192, 32, 32, 32000, false)},
};

enum {
	SHAPES = sizeof(shapes) / sizeof(shapes[0]),
	SPECIALS = 3, /* tokens that would end a text */
	BLOCKS_PER_TENSOR = 2,
	CODES_MORE = 1 << 20, /* bytes of codes that are drawn beyond the largest matrix */
};

uint32_t kg_specimen_count(void)
{
	return SHAPES;
}

const kg_specimen_shape *kg_specimen_at(uint32_t index)
{
	KG_ASSERT(index < SHAPES);
	return &shapes[index];
}

kg_err kg_specimen_find(const kg_specimen_shape **out, const char *name)
{
	char list[128] = "";

	for (size_t i = 0; i < SHAPES; i++) {
		if (strcasecmp(shapes[i].name, name) == 0) {
			*out = &shapes[i];
			return KG_OK;
		}
		if (i > 0)
			strncat(list, ", ", sizeof(list) - strlen(list) - 1);
		strncat(list, shapes[i].name, sizeof(list) - strlen(list) - 1);
	}
	return kg_fail(KG_EINVAL, "no shape is called \"%s\"; there are %s", name, list);
}

/* What a byte may be. Codes are drawn so that they stand for 0 in the mean: where they do not, all
 * numbers of a vector come out alike after a few layers. */
typedef enum { ANY_BYTE, INT8_BYTE, INT4_BYTE, TERNARY_BYTE, POOLS } pool_kind;

/* A file under construction. Matrices are runs of one pool of codes that begin anywhere in it, so
 * that memory holds the largest one only. */
typedef struct {
	const kg_specimen_shape *shape;
	kg_gguf_writer writer;
	kg_rng rng;
	uint8_t *pools[POOLS];
	size_t pool_size;
	void **blocks;
	size_t blocks_count;
} work;

static void *block(work *w, size_t size)
{
	void *memory = malloc(size);

	if (memory != NULL)
		w->blocks[w->blocks_count++] = memory;
	return memory;
}

static kg_err no_memory(const work *w)
{
	return kg_fail(KG_ENOMEM, "no memory to write a model of shape %s", w->shape->name);
}

/* How far the weights of a matrix spread, so that vectors keep their size through a product, and
 * logits come out a few units wide. A tied embedding is small: else every token would be its own
 * likeliest successor. */
static float spread(const work *w, const kg_tensor *t)
{
	if (t->role == KG_TENSOR_EMBEDDING)
		return w->shape->config.tied ? 0.1f : 1.0f;
	return (t->role == KG_TENSOR_HEAD ? 2.0f : 1.0f) / sqrtf((float)t->cols);
}

static bool is_table(const kg_tensor *t)
{
	return t->role == KG_TENSOR_EMBEDDING || t->role == KG_TENSOR_HEAD;
}

/* What a row is made smaller by: what would end a text is never the likeliest token. */
static float quiet(const kg_tensor *t, size_t row)
{
	return is_table(t) && row < SPECIALS ? 0.001f : 1.0f;
}

static uint8_t draw_byte(pool_kind kind, uint8_t any)
{
	switch (kind) {
	case INT8_BYTE: /* no -128 */
		return any == 0x80 ? 0 : any;
	case INT4_BYTE: /* 8 stands for 0, so 0 would have no counterpart */
		any |= (any & 0x0f) == 0 ? 0x08 : 0;
		return (uint8_t)(any | ((any & 0xf0) == 0 ? 0x80 : 0));
	case TERNARY_BYTE: /* code 3 becomes code 1, which is 0 */
		return (uint8_t)(any & ~((any & any >> 1 & 0x55) << 1));
	default:
		return any;
	}
}

/* `size` bytes of codes, other ones each time; NULL without memory. */
static const uint8_t *draw_codes(work *w, pool_kind kind, size_t size)
{
	uint8_t *pool = w->pools[kind];

	if (pool == NULL) {
		pool = malloc(w->pool_size);
		for (size_t i = 0; pool != NULL && i < w->pool_size; i += 8) {
			uint64_t bits = kg_rng_u64(&w->rng);

			for (size_t k = 0; k < 8; k++)
				pool[i + k] = draw_byte(kind, (uint8_t)(bits >> 8 * k));
		}
		w->pools[kind] = pool;
	}
	return pool == NULL ? NULL
			    : pool + kg_rng_below(&w->rng, (w->pool_size - size) / 64 + 1) * 64;
}

static void put(work *w, const kg_tensor *t, const char *suffix, kg_ggml_type type, uint64_t inner,
		uint64_t outer, const void *data)
{
	char name[KG_TENSOR_NAME_MAX + 16];
	uint64_t dims[2] = {inner, outer};
	size_t length = strlen(t->name);

	memcpy(name, t->name, length);
	memcpy(name + length, suffix, strlen(suffix) + 1);
	kg_gguf_put_tensor(&w->writer, name, type, dims, outer == 1 ? 1 : 2, data);
}

/* Lines of codes. What only fills a line or a tile would have to be zero: shapes have none. */
static kg_err put_lines(work *w, const kg_tensor *t, const char *suffix, pool_kind kind,
			const kg_lines *lines)
{
	const uint8_t *codes = draw_codes(w, kind, kg_lines_size(lines));

	if (codes == NULL)
		return no_memory(w);
	if (lines->rows % KG_TILE_ROWS != 0 ||
	    (uint64_t)lines->cols * lines->bits != (uint64_t)lines->lines * 32)
		return kg_fail(KG_EINVAL, "%s: %u x %u does not fill its lines in this format",
			       t->name, t->rows, t->cols);
	put(w, t, suffix, KG_GGML_I8, kg_lines_tile_size(lines), lines->tiles, codes);
	return KG_OK;
}

static void draw_floats(work *w, const kg_tensor *t, float *out)
{
	float width = spread(w, t) * 2.0f * sqrtf(3.0f);
	bool vector = kg_tensor_role_is_vector(t->role);

	for (size_t i = 0; i < (size_t)t->rows * t->cols; i++)
		out[i] = vector ? 1.0f
				: (kg_rng_float(&w->rng) - 0.5f) * width * quiet(t, i / t->cols);
}

static kg_err put_f32(work *w, const kg_tensor *t)
{
	float *data = block(w, (size_t)t->rows * t->cols * sizeof(*data));

	if (data == NULL)
		return no_memory(w);
	draw_floats(w, t, data);
	put(w, t, "", KG_GGML_F32, t->cols, t->rows, data);
	return KG_OK;
}

static kg_err put_f16(work *w, const kg_tensor *t)
{
	size_t n = (size_t)t->rows * t->cols;
	float *data = malloc(n * sizeof(*data));
	uint16_t *halves = data == NULL ? NULL : block(w, n * sizeof(*halves));

	if (halves == NULL) {
		free(data);
		return no_memory(w);
	}
	draw_floats(w, t, data);
	kg_half_from_floats(halves, data, n);
	free(data);
	put(w, t, "", KG_GGML_F16, t->cols, t->rows, halves);
	return KG_OK;
}

static kg_err put_int8(work *w, const kg_tensor *t)
{
	static const float deviation = 73.6f; /* of -127..127, each as likely */
	kg_lines lines = kg_lines_of(KG_LINES_INT8, t->rows, t->cols);
	float *scales = block(w, t->rows * sizeof(*scales));
	kg_err err = scales == NULL ? no_memory(w) : put_lines(w, t, "", INT8_BYTE, &lines);

	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < t->rows; i++)
		scales[i] = spread(w, t) / deviation * quiet(t, i);
	put(w, t, ".scales", KG_GGML_F32, t->rows, 1, scales);
	return KG_OK;
}

/* A weight is a sum of four stages of U and W, each +-1 or nothing on its axis: its variance is
 * half that of their sum. The second plane is finer. */
static kg_err put_fairy(work *w, const kg_tensor *t)
{
	static const char *const suffixes[KG_FAIRY_PLANES_MAX] = {"", ".plane1"};
	static const float both[4] = {20, 10, 20, 10};
	static const float one[4] = {32, 0, 32, 0};
	uint32_t stages = kg_format_stages(t->format);
	uint32_t planes = kg_fairy_plane_count(stages);
	float *scales = block(w, (size_t)planes * KG_FAIRY_SCALES * sizeof(*scales));
	kg_err err = scales == NULL ? no_memory(w) : KG_OK;

	for (uint32_t p = 0; p < planes && err == KG_OK; p++) {
		kg_lines lines = kg_fairy_lines(stages, p, t->rows, t->cols);
		const float *weights = 2 * p + 1 == stages ? one : both;
		float *s = scales + (size_t)p * KG_FAIRY_SCALES;
		float squares = 0.0f;

		for (int i = 0; i < 4; i++)
			squares += weights[i] * weights[i];
		memcpy(s, weights, sizeof(both));
		s[4] = spread(w, t) / sqrtf(squares / 2.0f) / (p == 0 ? 1.0f : 8.0f);
		err = put_lines(w, t, suffixes[p], ANY_BYTE, &lines);
	}
	if (err == KG_OK)
		put(w, t, ".scales", KG_GGML_F32, KG_FAIRY_SCALES, planes, scales);
	return err;
}

/* Entries of a palette, evenly from -127 to 127; those of 256 in two parts. */
static void make_palette(int8_t *out, kg_format format, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int entry = (int)i % 4 * 254 / 3 - 127;

		if (format == KG_FORMAT_PALETTE16)
			entry = (int)i * 254 / 15 - 127;
		if (format == KG_FORMAT_PALETTE256)
			entry = i < 256 ? (int)i - 128 + (i == 0) : i == 256 ? -1 : 0;
		out[i] = (int8_t)entry;
	}
}

/* Standard deviation of what a code stands for, in units of its scale. */
static float deviation_of(kg_format format)
{
	switch (format) {
	case KG_FORMAT_INT4:
		return 4.18f;
	case KG_FORMAT_INT2:
		return 2.24f;
	case KG_FORMAT_TERNARY:
		return 0.71f;
	case KG_FORMAT_PALETTE4:
		return 0.75f;
	case KG_FORMAT_PALETTE16:
		return 0.61f;
	default:
		return 0.58f;
	}
}

static kg_err put_coded(work *w, const kg_tensor *t)
{
	kg_lines lines = kg_coded_lines(t->format, t->rows, t->cols);
	size_t count = kg_coded_scales(t->format, t->rows, t->cols);
	size_t palette_size = kg_coded_palette(t->format, t->rows);
	float scale = spread(w, t) / deviation_of(t->format);
	uint16_t *scales = block(w, count * sizeof(*scales) + palette_size);
	int8_t *palette = (int8_t *)(scales + count);
	pool_kind kind = t->format == KG_FORMAT_TERNARY ? TERNARY_BYTE
			 : t->format == KG_FORMAT_INT4  ? INT4_BYTE
							: ANY_BYTE;
	kg_err err = scales == NULL ? no_memory(w) : KG_OK;

	if (err == KG_OK)
		err = put_lines(w, t, "", kind, &lines);
	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < count; i++) {
		size_t groups = count / t->rows; /* of int4; of the others 1, or all rows share */
		size_t row = t->format != KG_FORMAT_INT4
				     ? i
				     : i / KG_TILE_ROWS / groups * KG_TILE_ROWS + i % KG_TILE_ROWS;
		float value = count == 1 ? scale : scale * quiet(t, row);

		kg_half_from_floats(&scales[i], &value, 1);
	}
	put(w, t, ".scales", KG_GGML_F16, count, 1, scales);
	if (palette_size == 0)
		return KG_OK;
	make_palette(palette, t->format, palette_size);
	put(w, t, ".palette", KG_GGML_I8, palette_size, 1, palette);
	return KG_OK;
}

static kg_err put_phase(work *w, const kg_tensor *t)
{
	uint32_t tiles = kg_phase_tiles(t->rows);
	size_t size = kg_phase_size(t->rows, t->cols);
	const uint8_t *codes = draw_codes(w, ANY_BYTE, size);
	float *scales = block(w, KG_PHASE_SCALES * sizeof(*scales));

	if (codes == NULL || scales == NULL)
		return no_memory(w);
	if (t->rows % KG_PHASE_ROWS != 0 || t->cols % KG_PHASE_COLS != 0)
		return kg_fail(KG_EINVAL, "%s: %u x %u does not fill its lines", t->name, t->rows,
			       t->cols);
	scales[0] = spread(w, t);
	scales[1] = spread(w, t);
	put(w, t, "", KG_GGML_I8, size / tiles, tiles, codes);
	put(w, t, ".scales", KG_GGML_F32, KG_PHASE_SCALES, 1, scales);
	return KG_OK;
}

static kg_err put_tensor(work *w, const kg_tensor *t)
{
	if (t->format == KG_FORMAT_F32)
		return put_f32(w, t);
	if (t->format == KG_FORMAT_F16)
		return put_f16(w, t);
	if (t->format == KG_FORMAT_INT8)
		return put_int8(w, t);
	if (t->format == KG_FORMAT_PHASE)
		return put_phase(w, t);
	return kg_format_stages(t->format) > 0 ? put_fairy(w, t) : put_coded(w, t);
}

/* A model of the shape that has its name and vocabulary, and no weights. */
static kg_err make_shell(kg_model **out, const kg_specimen_shape *shape,
			 const kg_strategy *strategy, uint64_t seed)
{
	kg_model *model = NULL;
	kg_err err = kg_model_config_check_strategy(&shape->config, strategy);

	if (err == KG_OK)
		err = kg_model__shell(&model, &shape->config, *strategy);
	if (err == KG_OK)
		err = kg_specimen_tokenizer(&model->tokenizer, shape->config.vocabulary, seed);
	if (err != KG_OK) {
		kg_model_free(model);
		return err;
	}
	memcpy(model->name, shape->name, strlen(shape->name) + 1);
	*out = model;
	return KG_OK;
}

static kg_err write_model(work *w, const kg_model *model, const kg_model_form *form,
			  const char *path)
{
	size_t most = 0;
	kg_err err;

	kg_gguf_writer_init(&w->writer, KG_GGUF_ALIGNMENT);
	for (uint32_t i = 0; i < model->tensors_count; i++) {
		const kg_tensor *t = &model->tensors[i];

		if ((size_t)t->rows * t->cols > most)
			most = (size_t)t->rows * t->cols;
	}
	w->pool_size = (most + CODES_MORE) / 64 * 64;
	w->blocks = calloc((size_t)model->tensors_count * BLOCKS_PER_TENSOR, sizeof(*w->blocks));
	err = w->blocks == NULL ? no_memory(w) : kg_model__put_keys(&w->writer, model, form);
	for (uint32_t i = 0; i < model->tensors_count && err == KG_OK; i++)
		err = put_tensor(w, &model->tensors[i]);
	return err == KG_OK ? kg_gguf_writer_save(&w->writer, path) : err;
}

kg_err kg_specimen_save(const char *path, const kg_specimen_shape *shape,
			const kg_strategy *strategy, uint64_t seed)
{
	work w = {.shape = shape};
	uint8_t pairing[KG_SEED_SIZE];
	const kg_model_form form = {.strategy = *strategy, .seed = pairing};
	kg_model *model = NULL;
	kg_err err = make_shell(&model, shape, strategy, seed);

	if (err != KG_OK)
		return err;
	kg_rng_init_u64(&w.rng, seed);
	for (size_t i = 0; i < sizeof(pairing); i++)
		pairing[i] = (uint8_t)kg_rng_u64(&w.rng);
	err = write_model(&w, model, &form, path);
	for (size_t i = 0; i < w.blocks_count; i++)
		free(w.blocks[i]);
	for (int i = 0; i < POOLS; i++)
		free(w.pools[i]);
	free(w.blocks);
	kg_gguf_writer_release(&w.writer);
	kg_model_free(model);
	return err;
}
