/* SPDX-License-Identifier: MIT */
#include "runtime/import_gguf.h"

#include <stdio.h>
#include <string.h>

#include "runtime/ggml_blocks.h"
#include "runtime/gguf.h"
#include "runtime/import_impl.h"
#include "runtime/tokenizer_gguf.h"

enum { ARCH_MAX = 16, KEY_MAX = 96 };

/* Keys behind "<architecture>." that are read here or change nothing that is computed. */
static const char *const known_keys[] = {
	"attention.head_count",
	"attention.head_count_kv",
	"attention.key_length",
	"attention.layer_norm_rms_epsilon",
	"attention.sliding_window",
	"attention.value_length",
	"block_count",
	"context_length",
	"embedding_length",
	"expert_count",
	"expert_used_count",
	"feed_forward_length",
	"pooling_type",
	"rope.dimension_count",
	"rope.freq_base",
	"rope.scale_linear",
	"rope.scaling.factor",
	"rope.scaling.finetuned",
	"rope.scaling.original_context_length",
	"rope.scaling.type",
	"tensor_data_layout",
	"vocab_size",
};

typedef struct {
	const kg_gguf *g;
	char arch[ARCH_MAX];
	kg_model_config config;
	float stretch; /* of linear scaling: all frequencies are divided by it */
	bool split;    /* pairs are (i, i + head_dim / 2) */
	uint32_t taken;
} importer;

static void key_of(const importer *im, char key[KEY_MAX], const char *tail)
{
	(void)snprintf(key, KEY_MAX, "%s.%s", im->arch, tail);
}

static bool has(const importer *im, const char *tail)
{
	char key[KEY_MAX];

	key_of(im, key, tail);
	return kg_gguf_has(im->g, key);
}

static kg_err get_u32(const importer *im, const char *tail, uint32_t *out)
{
	char key[KEY_MAX];

	key_of(im, key, tail);
	return kg_gguf_get_u32(im->g, key, out);
}

/* *out keeps its value when the key is not there. */
static kg_err get_u32_if(const importer *im, const char *tail, uint32_t *out)
{
	return has(im, tail) ? get_u32(im, tail, out) : KG_OK;
}

static kg_err get_float_if(const importer *im, const char *tail, float *out)
{
	char key[KEY_MAX];

	key_of(im, key, tail);
	return kg_gguf_has(im->g, key) ? kg_gguf_get_float(im->g, key, out) : KG_OK;
}

static kg_err get_arch(importer *im)
{
	static const char *const known[] = {"llama", "qwen2", "qwen3"};
	const char *text;
	size_t size;
	kg_err err = kg_gguf_get_string(im->g, "general.architecture", &text, &size);

	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (size == strlen(known[i]) && memcmp(text, known[i], size) == 0)
			memcpy(im->arch, known[i], size + 1);
	if (im->arch[0] == '\0')
		return kg_fail(KG_EINVAL,
			       "architecture \"%.*s\" is not known here; llama, qwen2 and qwen3 "
			       "are",
			       size > 64 ? 64 : (int)size, text);
	/* llama's converter has interleaved the rows already. */
	im->split = strcmp(im->arch, "llama") != 0;
	return KG_OK;
}

static kg_err check_whole(const importer *im)
{
	uint32_t parts = 1;
	kg_err err = KG_OK;

	if (kg_gguf_has(im->g, "split.count"))
		err = kg_gguf_get_u32(im->g, "split.count", &parts);
	if (err == KG_OK && parts > 1)
		err = kg_fail(
			KG_EINVAL,
			"one of %u files of a split model; llama-gguf-split --merge joins them",
			parts);
	return err;
}

/* A key of the architecture that is not known may change what the model computes. */
static kg_err check_keys(const importer *im)
{
	size_t length = strlen(im->arch);

	for (uint32_t i = 0; i < kg_gguf_key_count(im->g); i++) {
		size_t size;
		const char *key = kg_gguf_key_at(im->g, i, &size);
		bool known = false;

		if (size <= length || memcmp(key, im->arch, length) != 0 || key[length] != '.')
			continue;
		for (size_t k = 0; k < sizeof(known_keys) / sizeof(known_keys[0]); k++)
			known |= size - length - 1 == strlen(known_keys[k]) &&
				 memcmp(key + length + 1, known_keys[k], size - length - 1) == 0;
		if (!known)
			return kg_fail(KG_EINVAL, "key %.*s asks for what is not known here",
				       (int)size, key);
	}
	return KG_OK;
}

static kg_err get_shape(importer *im)
{
	kg_model_config *c = &im->config;
	const struct {
		const char *tail;
		uint32_t *out;
	} numbers[] = {
		{"embedding_length", &c->dim},   {"feed_forward_length", &c->hidden},
		{"block_count", &c->layers},     {"attention.head_count", &c->heads},
		{"context_length", &c->context},
	};
	uint32_t value_length;
	uint32_t turned;
	uint32_t experts = 0;
	kg_err err = KG_OK;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && err == KG_OK; i++)
		err = get_u32(im, numbers[i].tail, numbers[i].out);
	if (err == KG_OK)
		err = get_u32_if(im, "expert_count", &experts);
	if (err != KG_OK)
		return err;
	if (experts != 0)
		return kg_fail(KG_EINVAL, "mixtures of experts are not known here");
	c->kv_heads = c->heads;
	c->head_dim = c->heads == 0 ? 0 : c->dim / c->heads;
	err = get_u32_if(im, "attention.head_count_kv", &c->kv_heads);
	if (err == KG_OK)
		err = get_u32_if(im, "attention.key_length", &c->head_dim);
	value_length = turned = c->head_dim;
	if (err == KG_OK)
		err = get_u32_if(im, "attention.value_length", &value_length);
	if (err == KG_OK)
		err = get_u32_if(im, "rope.dimension_count", &turned);
	if (err != KG_OK)
		return err;
	if (value_length != c->head_dim)
		return kg_fail(KG_EINVAL, "values of %u beside keys of %u are not known here",
			       value_length, c->head_dim);
	if (turned != c->head_dim)
		return kg_fail(KG_EINVAL, "heads of %u of which %u are turned are not known here",
			       c->head_dim, turned);
	return KG_OK;
}

static kg_err get_scaling(importer *im)
{
	char key[KEY_MAX];
	const char *text = "linear";
	size_t size = strlen(text);
	kg_err err = KG_OK;

	key_of(im, key, "rope.scaling.type");
	if (kg_gguf_has(im->g, key))
		err = kg_gguf_get_string(im->g, key, &text, &size);
	im->stretch = 1.0f;
	if (err == KG_OK)
		err = get_float_if(im, "rope.scale_linear", &im->stretch);
	if (err == KG_OK)
		err = get_float_if(im, "rope.scaling.factor", &im->stretch);
	if (err != KG_OK)
		return err;
	if (size == 4 && memcmp(text, "none", 4) == 0)
		im->stretch = 1.0f;
	else if (size != 6 || memcmp(text, "linear", 6) != 0)
		return kg_fail(KG_EINVAL,
			       "rope scaling \"%.*s\" is not known here; linear and factors of "
			       "their own are",
			       size > 64 ? 64 : (int)size, text);
	/* A file says 0 where it means nothing. */
	if (im->stretch == 0.0f)
		im->stretch = 1.0f;
	return KG_OK;
}

static bool has_tensor(const importer *im, kg_tensor_role role)
{
	char name[KG_TENSOR_NAME_MAX];

	kg_tensor_role_name(role, 0, name);
	return kg_gguf_tensor_get(im->g, name) != NULL;
}

static kg_err get_config(importer *im)
{
	kg_model_config *c = &im->config;
	uint32_t window = 0;
	kg_err err = get_shape(im);

	c->rope_theta = 10000.0f; /* what llama.cpp takes for granted */
	if (err == KG_OK)
		err = get_float_if(im, "rope.freq_base", &c->rope_theta);
	if (err == KG_OK && !has(im, "attention.layer_norm_rms_epsilon"))
		err = kg_fail(KG_ECORRUPT, "key %s.attention.layer_norm_rms_epsilon is missing",
			      im->arch);
	if (err == KG_OK)
		err = get_float_if(im, "attention.layer_norm_rms_epsilon", &c->norm_eps);
	if (err == KG_OK)
		err = get_u32_if(im, "attention.sliding_window", &window);
	if (err == KG_OK)
		err = get_scaling(im);
	if (err != KG_OK)
		return err;
	if (window != 0 && window < c->context)
		c->context = window;
	if (c->context > KG_MODEL_CONTEXT_MAX)
		c->context = KG_MODEL_CONTEXT_MAX;
	c->tied = !has_tensor(im, KG_TENSOR_HEAD);
	c->qkv_bias = has_tensor(im, KG_TENSOR_ATTN_Q_BIAS);
	c->qk_norm = has_tensor(im, KG_TENSOR_ATTN_Q_NORM);
	c->rope_factors = has_tensor(im, KG_TENSOR_ROPE_FACTORS) || im->stretch != 1.0f;
	return KG_OK;
}

static kg_err check_tensor(const kg_tensor *t, const kg_gguf_tensor *found)
{
	if (found == NULL)
		return kg_fail(KG_ECORRUPT, "tensor %s is missing", t->name);
	if (!kg_ggml_is_weights(found->type))
		return kg_fail(KG_EINVAL, "tensor %s is of type %s, which holds no weights",
			       t->name, kg_ggml_type_name(found->type));
	if (found->dims[0] != t->cols || found->dims[1] != t->rows || found->dims[2] != 1 ||
	    found->dims[3] != 1)
		return kg_fail(KG_ECORRUPT, "tensor %s is %llu x %llu, the keys say %u x %u",
			       t->name, (unsigned long long)found->dims[1],
			       (unsigned long long)found->dims[0], t->rows, t->cols);
	return KG_OK;
}

static kg_err take_tensor(importer *im, kg_model *m, const kg_tensor *t)
{
	const kg_gguf_tensor *found = kg_gguf_tensor_get(im->g, t->name);
	float *out = kg_model_floats(m, t->role, t->layer);
	kg_err err;

	if (t->role == KG_TENSOR_ROPE_FACTORS && found == NULL) {
		for (uint32_t i = 0; i < t->cols; i++)
			out[i] = im->stretch;
		return KG_OK;
	}
	err = check_tensor(t, found);
	if (err != KG_OK)
		return err;
	im->taken++;
	kg_ggml_to_floats(out, found->type, found->data, (size_t)t->rows * t->cols);
	for (uint32_t i = 0; t->role == KG_TENSOR_ROPE_FACTORS && i < t->cols; i++)
		out[i] *= im->stretch;
	return kg_import__settle(m, t, im->split);
}

/* Names the first tensor that the model has no place for. */
static kg_err name_stranger(const importer *im, const kg_model *m)
{
	for (uint32_t i = 0; i < kg_gguf_tensor_count(im->g); i++) {
		const kg_gguf_tensor *t = kg_gguf_tensor_at(im->g, i);
		bool known = false;

		for (uint32_t k = 0; k < kg_model_tensor_count(m) && !known; k++) {
			const char *name = kg_model_tensor_at(m, k)->name;

			known = strlen(name) == t->name_size &&
				memcmp(name, t->name, t->name_size) == 0;
		}
		if (!known)
			return kg_fail(KG_EINVAL, "tensor %.*s has no place in the model",
				       (int)t->name_size, t->name);
	}
	return KG_OK;
}

static kg_err take_tensors(importer *im, kg_model *m)
{
	kg_err err = KG_OK;

	for (uint32_t i = 0; i < kg_model_tensor_count(m) && err == KG_OK; i++)
		err = take_tensor(im, m, kg_model_tensor_at(m, i));
	if (err == KG_OK && im->config.rope_factors)
		err = kg_tensor_check_factors(kg_model_tensor(m, KG_TENSOR_ROPE_FACTORS, 0));
	if (err == KG_OK && im->taken != kg_gguf_tensor_count(im->g))
		err = name_stranger(im, m);
	return err;
}

/* The narrowest weights known here take more than a fifth of a byte: a small file cannot ask for
 * much. */
static kg_err check_size(const importer *im, size_t size)
{
	kg_err err = kg_model_config_check(&im->config);

	if (err != KG_OK)
		return err;
	if (kg_model_config_weights(&im->config) / 5 > size)
		return kg_fail(KG_ECORRUPT, "smaller than its keys say");
	return KG_OK;
}

static kg_err take_template(const importer *im, kg_model *m)
{
	static const char key[] = "tokenizer.chat_template";
	const char *text;
	size_t size;
	kg_err err;

	if (!kg_gguf_has(im->g, key))
		return KG_OK;
	err = kg_gguf_get_string(im->g, key, &text, &size);
	return err == KG_OK ? kg_model_set_template(m, text, size) : err;
}

static kg_err import(kg_model **out, importer *im, size_t size, const char *name)
{
	kg_tokenizer *tokenizer = NULL;
	kg_model *m = NULL;
	kg_err err;

	if (kg_gguf_has(im->g, "kindergarten.format_version"))
		return kg_fail(KG_EINVAL, "this is a .fairy file already");
	err = check_whole(im);
	if (err == KG_OK)
		err = get_arch(im);
	if (err == KG_OK)
		err = check_keys(im);
	if (err == KG_OK)
		err = get_config(im);
	if (err == KG_OK)
		err = kg_tokenizer_from_gguf(&tokenizer, im->g);
	if (err != KG_OK)
		return err;
	im->config.vocabulary = kg_tokenizer_count(tokenizer);
	err = check_size(im, size);
	if (err == KG_OK)
		err = kg_model_new(&m, &im->config, name, &tokenizer, NULL);
	if (err == KG_OK)
		err = take_tensors(im, m);
	if (err == KG_OK)
		err = take_template(im, m);
	if (err != KG_OK) {
		kg_tokenizer_free(tokenizer);
		kg_model_free(m);
		return err;
	}
	*out = m;
	return KG_OK;
}

kg_err kg_import_gguf(kg_model **out, const uint8_t *data, size_t size, const char *name)
{
	importer im = {0};
	kg_gguf *g = NULL;
	kg_err err = kg_gguf_open(&g, data, size);

	if (err == KG_OK) {
		im.g = g;
		err = import(out, &im, size, name);
	}
	kg_gguf_free(g);
	/* A missing key is no missing file. */
	return err == KG_OK ? KG_OK
			    : kg_fail_context(err == KG_ENOTFOUND ? KG_ECORRUPT : err, "GGUF file");
}
