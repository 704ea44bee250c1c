/* SPDX-License-Identifier: MIT */
#include "runtime/export_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ggml_blocks.h"
#include "runtime/half.h"
#include "runtime/rotary.h"
#include "runtime/tokenizer_gguf.h"

enum { KEY_MAX = 96, QUANTIZATION_VERSION = 2 };

typedef struct {
	const kg_model *model;
	const kg_model_config *config;
	kg_ggml_type type;
	const char *arch;
	bool split; /* the architecture turns pairs (i, i + head_dim / 2) */
	kg_gguf_writer writer;
	void **blocks; /* what tensors became; the writer borrows them */
	uint32_t blocks_count;
	float *floats; /* one tensor */
} work;

static const float *factors_of(const work *w)
{
	const kg_tensor *t = kg_model_tensor(w->model, KG_TENSOR_ROPE_FACTORS, 0);

	return t == NULL ? NULL : t->data;
}

/* The factor that all frequencies share; 0 when they differ. */
static float common_factor(const work *w)
{
	const float *factor = factors_of(w);

	for (uint32_t i = 1; factor != NULL && i < w->config->head_dim / 2; i++)
		if (factor[i] != factor[0])
			return 0.0f;
	return factor == NULL ? 1.0f : factor[0];
}

static kg_err choose_arch(work *w)
{
	if (w->config->architecture != KG_ARCHITECTURE_LLAMA)
		return kg_fail(KG_EINVAL, "export: llama.cpp knows no model of architecture %s",
			       kg_architecture_name(w->config->architecture));
	w->split = w->config->qk_norm;
	w->arch = w->split ? "qwen3" : "llama";
	if (w->split && w->config->qkv_bias)
		return kg_fail(KG_EINVAL, "export: llama.cpp knows no model with biases and normed "
					  "queries and keys");
	if (w->split && common_factor(w) == 0.0f)
		return kg_fail(KG_EINVAL,
			       "export: llama.cpp knows no model with normed queries and "
			       "keys and a factor for each frequency");
	return KG_OK;
}

static void put_u32(work *w, const char *tail, uint32_t value)
{
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "%s.%s", w->arch, tail);
	kg_gguf_put_u32(&w->writer, key, value);
}

static void put_float(work *w, const char *tail, float value)
{
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "%s.%s", w->arch, tail);
	kg_gguf_put_float(&w->writer, key, value);
}

/* llama.cpp's number of what most tensors are. */
static uint32_t file_type(kg_ggml_type type)
{
	return type == KG_GGML_F32 ? 0 : type == KG_GGML_F16 ? 1 : 7;
}

/* The byte token of a space, where that is how a vocabulary of scores spells a space, or
 * KG_TOKENIZER_NONE. llama.cpp writes a space as U+2581 before it looks for pieces, and would find
 * three bytes. */
static uint32_t space_byte(const kg_tokenizer *t)
{
	const kg_tokenizer_rules *rules = kg_tokenizer_get_rules(t);
	uint32_t found = KG_TOKENIZER_NONE;

	for (uint32_t id = 0; id < kg_tokenizer_count(t) && !rules->ranked; id++) {
		kg_token_kind kind = kg_tokenizer_kind(t, id);
		size_t size;
		const char *piece = kg_tokenizer_piece(t, id, &size);

		if (kind == KG_TOKEN_BYTE && kg_tokenizer_byte_of(piece, size) == ' ')
			found = id;
		if (kind == KG_TOKEN_NORMAL && size == 1 && piece[0] == ' ')
			return KG_TOKENIZER_NONE;
	}
	return found;
}

static kg_err put_tokenizer(work *w)
{
	const kg_tokenizer *from = kg_model_tokenizer(w->model);
	uint32_t count = kg_tokenizer_count(from);
	uint32_t space = space_byte(from);
	kg_tokenizer *t = NULL;
	kg_err err;

	if (space == KG_TOKENIZER_NONE)
		return kg_tokenizer_to_gguf(from, &w->writer);
	err = kg_tokenizer_new(&t, count);
	for (uint32_t id = 0; id < count && err == KG_OK; id++) {
		size_t size;
		const char *piece = kg_tokenizer_piece(from, id, &size);
		float score = kg_tokenizer_score(from, id);

		err = id == space ? kg_tokenizer_put(t, id, " ", 1, score, KG_TOKEN_NORMAL)
				  : kg_tokenizer_put(t, id, piece, size, score,
						     kg_tokenizer_kind(from, id));
	}
	if (err == KG_OK)
		err = kg_tokenizer_finish(t, kg_tokenizer_get_rules(from));
	if (err == KG_OK)
		err = kg_tokenizer_to_gguf(t, &w->writer);
	kg_tokenizer_free(t);
	return err;
}

static kg_err put_keys(work *w)
{
	const kg_model_config *c = w->config;
	const char *name = kg_model_name(w->model);
	char key[KEY_MAX];
	float common = common_factor(w);
	size_t template_size;
	const char *template = kg_model_template(w->model, &template_size);

	kg_gguf_put_string(&w->writer, "general.architecture", w->arch, strlen(w->arch));
	kg_gguf_put_string(&w->writer, "general.name", name, strlen(name));
	kg_gguf_put_u32(&w->writer, "general.file_type", file_type(w->type));
	kg_gguf_put_u32(&w->writer, "general.quantization_version", QUANTIZATION_VERSION);
	put_u32(w, "context_length", c->context);
	put_u32(w, "embedding_length", c->dim);
	put_u32(w, "block_count", c->layers);
	put_u32(w, "feed_forward_length", c->hidden);
	put_u32(w, "attention.head_count", c->heads);
	put_u32(w, "attention.head_count_kv", c->kv_heads);
	put_u32(w, "attention.key_length", c->head_dim);
	put_u32(w, "attention.value_length", c->head_dim);
	put_float(w, "attention.layer_norm_rms_epsilon", c->norm_eps);
	put_u32(w, "rope.dimension_count", c->head_dim);
	put_float(w, "rope.freq_base", c->rope_theta);
	if (common != 0.0f && common != 1.0f) {
		(void)snprintf(key, sizeof(key), "%s.rope.scaling.type", w->arch);
		kg_gguf_put_string(&w->writer, key, "linear", strlen("linear"));
		put_float(w, "rope.scaling.factor", common);
	}
	put_u32(w, "vocab_size", c->vocabulary);
	if (template != NULL)
		kg_gguf_put_string(&w->writer, "tokenizer.chat_template", template, template_size);
	return put_tokenizer(w);
}

static kg_err to_halves(uint16_t *out, const float *value, size_t n, const kg_tensor *t)
{
	kg_half_from_floats(out, value, n);
	for (size_t i = 0; i < n; i++)
		if ((out[i] & 0x7c00) == 0x7c00)
			return kg_fail(KG_EINVAL, "export: weight %zu of %s, %g, is beyond halves",
				       i, t->name, (double)value[i]);
	return KG_OK;
}

/* Scales are halves too. */
static kg_err to_q8_0(uint8_t *out, const float *value, size_t n, const kg_tensor *t)
{
	float scale;

	kg_ggml_from_floats_q8_0(out, value, n);
	for (size_t i = 0; i < n; i += 32) {
		uint16_t half;

		memcpy(&half, out + i / 32 * 34, sizeof(half));
		scale = kg_half_to_float(half);
		if (!(scale <= 65504.0f))
			return kg_fail(KG_EINVAL, "export: weights at %zu of %s are beyond Q8_0", i,
				       t->name);
	}
	return KG_OK;
}

static kg_ggml_type type_for(const work *w, const kg_tensor *t)
{
	if (kg_tensor_role_is_vector(t->role))
		return KG_GGML_F32;
	return w->type == KG_GGML_Q8_0 && t->cols % 32 != 0 ? KG_GGML_F16 : w->type;
}

/* Queries and keys in the order of the architecture. */
static kg_err reorder(work *w, const kg_tensor *t)
{
	const kg_model_config *c = w->config;

	switch (w->split ? t->role : KG_TENSOR_ROLE_COUNT) {
	case KG_TENSOR_ATTN_Q:
		return kg_rotary_split(w->floats, c->heads, c->head_dim, t->cols);
	case KG_TENSOR_ATTN_K:
		return kg_rotary_split(w->floats, c->kv_heads, c->head_dim, t->cols);
	case KG_TENSOR_ATTN_Q_NORM:
	case KG_TENSOR_ATTN_K_NORM:
		return kg_rotary_split(w->floats, 1, c->head_dim, 1);
	default:
		return KG_OK;
	}
}

static kg_err put_tensor(work *w, const kg_tensor *t)
{
	size_t n = (size_t)t->rows * t->cols;
	uint64_t dims[2] = {t->cols, t->rows};
	kg_ggml_type type = type_for(w, t);
	void *block;
	kg_err err;

	if (t->role == KG_TENSOR_ROPE_FACTORS && common_factor(w) != 0.0f)
		return KG_OK;
	err = kg_model_tensor_floats(w->model, t, w->floats);
	if (err == KG_OK)
		err = reorder(w, t);
	if (err != KG_OK)
		return err;
	block = malloc(n * sizeof(float));
	if (block == NULL)
		return kg_fail(KG_ENOMEM, "export: no memory for tensor %s", t->name);
	w->blocks[w->blocks_count++] = block;
	if (type == KG_GGML_F32)
		memcpy(block, w->floats, n * sizeof(float));
	else if (type == KG_GGML_F16)
		err = to_halves(block, w->floats, n, t);
	else
		err = to_q8_0(block, w->floats, n, t);
	kg_gguf_put_tensor(&w->writer, t->name, type, dims, t->rows == 1 ? 1 : 2, block);
	return err;
}

static kg_err work_init(work *w)
{
	uint32_t count = kg_model_tensor_count(w->model);
	size_t most = 0;

	for (uint32_t i = 0; i < count; i++) {
		const kg_tensor *t = kg_model_tensor_at(w->model, i);
		size_t n = (size_t)t->rows * t->cols;

		most = n > most ? n : most;
	}
	w->blocks = calloc((size_t)count + 1, sizeof(*w->blocks));
	w->floats = malloc((most + 1) * sizeof(*w->floats));
	if (w->blocks == NULL || w->floats == NULL)
		return kg_fail(KG_ENOMEM, "export: no memory for %zu weights", most);
	return KG_OK;
}

static void work_release(work *w)
{
	for (uint32_t i = 0; i < w->blocks_count; i++)
		free(w->blocks[i]);
	free(w->blocks);
	free(w->floats);
	kg_gguf_writer_release(&w->writer);
}

/* Keys and tensors, ready to be put out; the caller releases the work whatever comes back. */
static kg_err write_model(work *w, const kg_model *model, kg_ggml_type type)
{
	kg_err err;

	KG_ASSERT(type == KG_GGML_F32 || type == KG_GGML_F16 || type == KG_GGML_Q8_0);
	*w = (work){.model = model, .config = kg_model_get_config(model), .type = type};
	kg_gguf_writer_init(&w->writer, KG_GGUF_ALIGNMENT_PLAIN);
	err = choose_arch(w);
	if (err == KG_OK)
		err = work_init(w);
	if (err == KG_OK)
		err = put_keys(w);
	for (uint32_t i = 0; i < kg_model_tensor_count(model) && err == KG_OK; i++)
		err = put_tensor(w, kg_model_tensor_at(model, i));
	return err;
}

kg_err kg_export_gguf(const kg_model *model, kg_ggml_type type, kg_buf *out)
{
	work w;
	kg_err err = write_model(&w, model, type);

	if (err == KG_OK)
		err = kg_gguf_writer_finish(&w.writer, out);
	work_release(&w);
	return err;
}

kg_err kg_export_gguf_save(const kg_model *model, kg_ggml_type type, const char *path)
{
	work w;
	kg_err err = write_model(&w, model, type);

	if (err == KG_OK)
		err = kg_gguf_writer_save(&w.writer, path);
	work_release(&w);
	return err;
}
