/* SPDX-License-Identifier: MIT */
#include "runtime/llama2c.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer_sentencepiece.h"

enum { HEADER_SIZE = 28, SCORE_TEXT_MAX = 32, CONTROLS = 3 };

static const float rope_theta = 10000.0f; /* llama2.c knows no other */
static const float norm_eps = 1e-5f;

typedef struct {
	const uint8_t *data;
	size_t size; /* bytes left */
} cursor;

static bool take(cursor *c, void *out, size_t size)
{
	if (size > c->size)
		return false;
	memcpy(out, c->data, size);
	c->data += size;
	c->size -= size;
	return true;
}

/* llama2.c gives the first three ids their meaning by number; bytes by spelling. */
static kg_err put_piece(kg_tokenizer *t, uint32_t id, const char *piece, size_t size, float score)
{
	static const char *const controls[CONTROLS] = {"<unk>", "<s>", "</s>"};
	kg_token_kind kind = KG_TOKEN_NORMAL;

	if (id < CONTROLS) {
		piece = controls[id];
		size = strlen(piece);
		kind = id == 0 ? KG_TOKEN_UNKNOWN : KG_TOKEN_CONTROL;
	} else if (kg_tokenizer_byte_of(piece, size) >= 0) {
		kind = KG_TOKEN_BYTE;
	}
	return kg_tokenizer_put(t, id, piece, size, score, kind);
}

static kg_err take_pieces(kg_tokenizer *t, cursor c, uint32_t count)
{
	int32_t longest;

	if (!take(&c, &longest, sizeof(longest)))
		return kg_fail(KG_ECORRUPT, "tokenizer file: cut off before the first piece");
	if (longest < 1 || longest > KG_TOKENIZER_PIECE_MAX)
		return kg_fail(KG_ECORRUPT, "tokenizer file: says its longest piece has %d bytes",
			       longest);
	for (uint32_t id = 0; id < count; id++) {
		int32_t length;
		float score;
		kg_err err;

		if (!take(&c, &score, sizeof(score)) || !take(&c, &length, sizeof(length)) ||
		    (length > 0 && (size_t)length > c.size))
			return kg_fail(KG_ECORRUPT,
				       "tokenizer file: ends in piece %u; the model has %u", id,
				       count);
		if (length < 1 || length > KG_TOKENIZER_PIECE_MAX)
			return kg_fail(KG_ECORRUPT, "tokenizer file: piece %u has %d bytes", id,
				       length);
		err = put_piece(t, id, (const char *)c.data, (size_t)length, score);
		if (err != KG_OK)
			return err;
		c.data += length;
		c.size -= (size_t)length;
	}
	if (c.size > 0)
		return kg_fail(KG_ECORRUPT,
			       "tokenizer file: %zu bytes follow piece %u; it belongs to another "
			       "model, which has more",
			       c.size, count - 1);
	return KG_OK;
}

/* "<unk> TAB 0" opens SentencePiece's text form. */
static bool is_text(const uint8_t *data, size_t size)
{
	return size >= 6 && memcmp(data, "<unk>\t", 6) == 0;
}

/* The first piece of a SentencePiece model, a field of bytes with a field of bytes in it. As a
 * length of a piece, which is what the other form begins with, these would be 655,360 at least. */
static bool is_sentencepiece(const uint8_t *data, size_t size)
{
	return size >= 4 && data[0] == 0x0a && data[2] == 0x0a;
}

static kg_err take_sentencepiece(kg_tokenizer **out, const uint8_t *data, size_t size,
				 uint32_t count)
{
	const kg_tokenizer_hints hints = {.bos = KG_TOKENIZER_NONE, .eos = KG_TOKENIZER_NONE};
	kg_tokenizer *t = NULL;
	kg_err err = kg_tokenizer_from_sentencepiece(&t, data, size, &hints);

	if (err == KG_OK && kg_tokenizer_count(t) != count)
		err = kg_fail(KG_ECORRUPT, "tokenizer file: %u pieces; the model has %u",
			      kg_tokenizer_count(t), count);
	if (err != KG_OK) {
		kg_tokenizer_free(t);
		return err == KG_EINVAL ? kg_fail_context(KG_ECORRUPT, "tokenizer file") : err;
	}
	*out = t;
	return KG_OK;
}

static kg_err take_lines(kg_tokenizer *t, cursor c, uint32_t count)
{
	uint32_t id = 0;

	for (; c.size > 0; id++) {
		const uint8_t *end = memchr(c.data, '\n', c.size);
		size_t line = end == NULL ? c.size : (size_t)(end - c.data);
		const uint8_t *tab = memrchr(c.data, '\t', line);
		char score[SCORE_TEXT_MAX];
		size_t piece;
		char *after;
		kg_err err;

		if (id == count)
			return kg_fail(KG_ECORRUPT,
				       "tokenizer file: has more than the model's %u pieces",
				       count);
		if (tab == NULL || line - (size_t)(tab - c.data) - 1 >= sizeof(score))
			return kg_fail(KG_ECORRUPT,
				       "tokenizer file: line %u is not \"piece TAB score\"",
				       id + 1);
		piece = (size_t)(tab - c.data);
		memcpy(score, tab + 1, line - piece - 1);
		score[line - piece - 1] = '\0';
		err = put_piece(t, id, (const char *)c.data, piece, strtof(score, &after));
		if (err != KG_OK)
			return err;
		if (after == score || *after != '\0')
			return kg_fail(KG_ECORRUPT, "tokenizer file: line %u has no score", id + 1);
		line += end != NULL;
		c.data += line;
		c.size -= line;
	}
	if (id < count)
		return kg_fail(KG_ECORRUPT, "tokenizer file: %u pieces; the model has %u", id,
			       count);
	return KG_OK;
}

kg_err kg_llama2c_tokenizer(kg_tokenizer **out, const uint8_t *data, size_t size, uint32_t count)
{
	static const kg_tokenizer_rules rules = {
		.bos = 1, .eos = 2, .unknown = 0, .add_bos = true, .add_space_prefix = true};
	cursor c = {data, size};
	kg_tokenizer *t = NULL;
	kg_err err;

	if (is_sentencepiece(data, size))
		return take_sentencepiece(out, data, size, count);
	err = kg_tokenizer_new(&t, count);
	if (err != KG_OK)
		return err;
	err = is_text(data, size) ? take_lines(t, c, count) : take_pieces(t, c, count);
	if (err == KG_OK)
		err = kg_tokenizer_finish(t, &rules);
	if (err != KG_OK) {
		kg_tokenizer_free(t);
		return err == KG_EINVAL ? kg_fail_context(KG_ECORRUPT, "tokenizer file") : err;
	}
	*out = t;
	return KG_OK;
}

static kg_err take_header(cursor *c, kg_model_config *config)
{
	int32_t h[HEADER_SIZE / 4];
	kg_err err;

	if (!take(c, h, sizeof(h)))
		return kg_fail(KG_ECORRUPT, "llama2.c file: cut off in its header");
	for (size_t i = 0; i < HEADER_SIZE / 4; i++)
		if (h[i] == INT32_MIN || (i != 5 && h[i] < 1))
			return kg_fail(KG_ECORRUPT, "llama2.c file: number %zu of the header is %d",
				       i, h[i]);
	*config = (kg_model_config){
		.dim = (uint32_t)h[0],
		.hidden = (uint32_t)h[1],
		.layers = (uint32_t)h[2],
		.heads = (uint32_t)h[3],
		.kv_heads = (uint32_t)h[4],
		.head_dim = (uint32_t)(h[0] / h[3]),
		.vocabulary = (uint32_t)abs(h[5]),
		.context = (uint32_t)h[6],
		.rope_theta = rope_theta,
		.norm_eps = norm_eps,
		.tied = h[5] > 0,
	};
	err = kg_model_config_check(config);
	return err == KG_OK ? KG_OK : kg_fail_context(KG_ECORRUPT, "llama2.c file");
}

/* Floats of one role in one layer. */
static uint64_t role_size(kg_tensor_role role, const kg_model_config *config)
{
	uint32_t rows = 0;
	uint32_t cols = 0;

	kg_tensor_role_shape(role, config, &rows, &cols);
	return (uint64_t)rows * cols;
}

static uint64_t rotations(const kg_model_config *config)
{
	return (uint64_t)config->context * config->head_dim; /* cosines and sines */
}

/* The order of the file: all layers of one role, then the next role. */
static const kg_tensor_role order[] = {
	KG_TENSOR_EMBEDDING, KG_TENSOR_ATTN_NORM,   KG_TENSOR_ATTN_Q,      KG_TENSOR_ATTN_K,
	KG_TENSOR_ATTN_V,    KG_TENSOR_ATTN_OUTPUT, KG_TENSOR_FFN_NORM,    KG_TENSOR_FFN_GATE,
	KG_TENSOR_FFN_DOWN,  KG_TENSOR_FFN_UP,      KG_TENSOR_OUTPUT_NORM,
};

enum { ORDER_COUNT = sizeof(order) / sizeof(order[0]) };

static kg_err check_size(const cursor *c, const kg_model_config *config)
{
	uint64_t floats = rotations(config);

	for (int i = 0; i < ORDER_COUNT; i++)
		floats += role_size(order[i], config) *
			  (order[i] < KG_TENSOR_LAYER_ROLES ? config->layers : 1);
	if (!config->tied)
		floats += role_size(KG_TENSOR_HEAD, config);
	if (c->size != floats * sizeof(float))
		return kg_fail(KG_ECORRUPT, "llama2.c file: %zu bytes where its header says %llu",
			       c->size, (unsigned long long)floats * sizeof(float));
	return KG_OK;
}

static kg_err take_tensor(cursor *c, kg_model *m, kg_tensor_role role, uint32_t layer)
{
	uint64_t n = role_size(role, kg_model_get_config(m));
	float *out = kg_model_floats(m, role, layer);

	KG_ASSERT(take(c, out, n * sizeof(*out)));
	for (uint64_t i = 0; i < n; i++)
		if (!isfinite(out[i]))
			return kg_fail(
				KG_ECORRUPT, "llama2.c file: weight %llu of %s is not finite",
				(unsigned long long)i, kg_model_tensor(m, role, layer)->name);
	return KG_OK;
}

static kg_err take_tensors(cursor c, kg_model *m)
{
	const kg_model_config *config = kg_model_get_config(m);
	kg_err err = KG_OK;

	for (int i = 0; i < ORDER_COUNT && err == KG_OK; i++) {
		uint32_t layers = order[i] < KG_TENSOR_LAYER_ROLES ? config->layers : 1;

		for (uint32_t layer = 0; layer < layers && err == KG_OK; layer++)
			err = take_tensor(&c, m, order[i], layer);
	}
	if (err == KG_OK && !config->tied) {
		c.data += rotations(config) * sizeof(float);
		c.size -= rotations(config) * sizeof(float);
		err = take_tensor(&c, m, KG_TENSOR_HEAD, 0);
	}
	return err;
}

kg_err kg_llama2c_import(kg_model **out, const uint8_t *checkpoint, size_t checkpoint_size,
			 const uint8_t *tokenizer, size_t tokenizer_size, const char *name)
{
	cursor c = {checkpoint, checkpoint_size};
	kg_model_config config = {0};
	kg_tokenizer *t = NULL;
	kg_model *m = NULL;
	kg_err err = take_header(&c, &config);

	if (err == KG_OK)
		err = check_size(&c, &config);
	if (err == KG_OK)
		err = kg_llama2c_tokenizer(&t, tokenizer, tokenizer_size, config.vocabulary);
	if (err == KG_OK)
		err = kg_model_new(&m, &config, name, &t, NULL);
	if (err == KG_OK)
		err = take_tensors(c, m);
	if (err != KG_OK) {
		kg_model_free(m);
		return err;
	}
	*out = m;
	return KG_OK;
}
