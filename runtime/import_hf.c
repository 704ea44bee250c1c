/* SPDX-License-Identifier: MIT */
#include "runtime/import_hf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "runtime/ggml_blocks.h"
#include "runtime/hf_config.h"
#include "runtime/import_impl.h"
#include "runtime/safetensors.h"
#include "runtime/tokenizer_json.h"

enum { SHARD_NAME_MAX = 128, NAME_MAX_HF = 96 };

typedef struct {
	kg_map map;
	kg_safetensors *file;
} shard;

typedef struct {
	const char *folder;
	kg_hf_config config;
	shard *shards;
	uint32_t shards_count;
	uint64_t bytes; /* of all shards */
} folder;

static kg_err open_file(kg_map *map, const folder *f, const char *name)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/%s", f->folder, name);

	return err == KG_OK ? kg_map_open(map, path) : err;
}

static bool has_file(const folder *f, const char *name)
{
	char path[KG_PATH_SIZE];

	return kg_path(path, "%s/%s", f->folder, name) == KG_OK && kg_fs_exists(path);
}

static kg_err open_shard(folder *f, const char *name)
{
	shard *s = &f->shards[f->shards_count];
	kg_err err = open_file(&s->map, f, name);

	if (err != KG_OK)
		return err;
	f->shards_count++;
	f->bytes += s->map.size;
	err = kg_safetensors_open(&s->file, s->map.data, s->map.size);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "%s", name);
}

/* A shard is a file of the folder itself. */
static kg_err check_shard_name(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size > SHARD_NAME_MAX || name[0] == '.' || strchr(name, '/') != NULL)
		return kg_fail(KG_ECORRUPT, "index: a shard's name is no plain file name");
	return KG_OK;
}

static kg_err open_mapped(folder *f, const json_t *index)
{
	json_t *map = json_object_get(index, "weight_map");
	json_t *seen = json_object();
	kg_err err = KG_OK;
	const char *tensor;
	json_t *value;

	if (!json_is_object(map) || seen == NULL) {
		json_decref(seen);
		return kg_fail(KG_ECORRUPT, "index: no weight_map");
	}
	json_object_foreach(map, tensor, value)
	{
		const char *name = json_string_value(value);

		if (name == NULL)
			err = kg_fail(KG_ECORRUPT, "index: a shard's name is no text");
		else
			err = check_shard_name(name);
		if (err == KG_OK && json_object_get(seen, name) == NULL) {
			if (f->shards_count == KG_IMPORT_SHARDS_MAX)
				err = kg_fail(KG_EFULL, "index: more than %d shards",
					      KG_IMPORT_SHARDS_MAX);
			else
				err = open_shard(f, name);
			if (err == KG_OK && json_object_set_new(seen, name, json_true()) != 0)
				err = kg_fail(KG_ENOMEM, "index: no memory");
		}
		if (err != KG_OK)
			break;
	}
	json_decref(seen);
	return err;
}

static kg_err open_shards(folder *f)
{
	static const char index_name[] = "model.safetensors.index.json";
	json_t *index = NULL;
	kg_map map;
	kg_err err;

	f->shards = calloc(KG_IMPORT_SHARDS_MAX, sizeof(*f->shards));
	if (f->shards == NULL)
		return kg_fail(KG_ENOMEM, "no memory for shards");
	if (!has_file(f, index_name))
		return open_shard(f, "model.safetensors");
	err = open_file(&map, f, index_name);
	if (err != KG_OK)
		return err;
	err = kg_json_parse(&index, map.data, map.size);
	if (err == KG_OK)
		err = open_mapped(f, index);
	json_decref(index);
	kg_map_close(&map);
	return err;
}

/* The tensor of that name in whichever shard; KG_ECORRUPT when two have it. */
static kg_err find(const folder *f, const char *name, const kg_safetensor **out)
{
	*out = NULL;
	for (uint32_t i = 0; i < f->shards_count; i++) {
		const kg_safetensor *t = kg_safetensors_get(f->shards[i].file, name);

		if (t != NULL && *out != NULL)
			return kg_fail(KG_ECORRUPT, "tensor %s is in two shards", name);
		if (t != NULL)
			*out = t;
	}
	return KG_OK;
}

static void name_of(char out[NAME_MAX_HF], kg_tensor_role role, uint32_t layer)
{
	static const char *const names[KG_TENSOR_ROLE_COUNT] = {
		[KG_TENSOR_ATTN_NORM] = "input_layernorm.weight",
		[KG_TENSOR_ATTN_Q] = "self_attn.q_proj.weight",
		[KG_TENSOR_ATTN_K] = "self_attn.k_proj.weight",
		[KG_TENSOR_ATTN_V] = "self_attn.v_proj.weight",
		[KG_TENSOR_ATTN_OUTPUT] = "self_attn.o_proj.weight",
		[KG_TENSOR_FFN_NORM] = "post_attention_layernorm.weight",
		[KG_TENSOR_FFN_GATE] = "mlp.gate_proj.weight",
		[KG_TENSOR_FFN_UP] = "mlp.up_proj.weight",
		[KG_TENSOR_FFN_DOWN] = "mlp.down_proj.weight",
		[KG_TENSOR_ATTN_Q_BIAS] = "self_attn.q_proj.bias",
		[KG_TENSOR_ATTN_K_BIAS] = "self_attn.k_proj.bias",
		[KG_TENSOR_ATTN_V_BIAS] = "self_attn.v_proj.bias",
		[KG_TENSOR_ATTN_Q_NORM] = "self_attn.q_norm.weight",
		[KG_TENSOR_ATTN_K_NORM] = "self_attn.k_norm.weight",
		[KG_TENSOR_EMBEDDING] = "model.embed_tokens.weight",
		[KG_TENSOR_OUTPUT_NORM] = "model.norm.weight",
		[KG_TENSOR_HEAD] = "lm_head.weight",
	};

	if (role < KG_TENSOR_LAYER_ROLES)
		(void)snprintf(out, NAME_MAX_HF, "model.layers.%u.%s", layer, names[role]);
	else
		(void)snprintf(out, NAME_MAX_HF, "%s", names[role]);
}

static kg_err has_tensor(const folder *f, kg_tensor_role role, bool *out)
{
	char name[NAME_MAX_HF];
	const kg_safetensor *t = NULL;
	kg_err err;

	name_of(name, role, 0);
	err = find(f, name, &t);
	*out = t != NULL;
	return err;
}

static kg_err take_tensor(const folder *f, kg_model *m, const kg_tensor *to, uint32_t *taken)
{
	float *out = kg_model_floats(m, to->role, to->layer);
	char name[NAME_MAX_HF];
	const kg_safetensor *t = NULL;
	bool vector = to->rows == 1 && kg_tensor_role_is_vector(to->role);
	kg_err err;

	if (to->role == KG_TENSOR_ROPE_FACTORS) {
		kg_hf_config_factors(&f->config, out);
		return kg_tensor_check_factors(to);
	}
	name_of(name, to->role, to->layer);
	err = find(f, name, &t);
	if (err != KG_OK)
		return err;
	if (t == NULL)
		return kg_fail(KG_ECORRUPT, "tensor %s is missing", name);
	if (t->type == UINT32_MAX)
		return kg_fail(KG_EINVAL,
			       "tensor %s is of type %s; F32, F16 and BF16 are known here", name,
			       t->dtype);
	if (t->dims_count != (vector ? 1u : 2u) || t->dims[0] != (vector ? to->cols : to->rows) ||
	    t->dims[1] != (vector ? 1 : to->cols))
		return kg_fail(KG_ECORRUPT, "tensor %s has not the shape %u x %u of the config",
			       name, to->rows, to->cols);
	(*taken)++;
	kg_ggml_to_floats(out, (kg_ggml_type)t->type, t->data, (size_t)to->rows * to->cols);
	return kg_import__settle(m, to, true);
}

/* What old folders hold and nobody needs: the frequencies, and the head of a tied model. */
static bool is_needless(const folder *f, const char *name)
{
	static const char tail[] = ".rotary_emb.inv_freq";
	size_t size = strlen(name);

	if (f->config.model.tied && strcmp(name, "lm_head.weight") == 0)
		return true;
	return size >= sizeof(tail) && strcmp(name + size - (sizeof(tail) - 1), tail) == 0;
}

static bool has_place(const kg_model *m, const char *name)
{
	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++) {
		const kg_tensor *t = kg_model_tensor_at(m, i);
		char own[NAME_MAX_HF];

		if (t->role == KG_TENSOR_ROPE_FACTORS)
			continue;
		name_of(own, t->role, t->layer);
		if (strcmp(own, name) == 0)
			return true;
	}
	return false;
}

/* `taken` tensors found a place: if there are more, names the first that did not. */
static kg_err check_strangers(const folder *f, const kg_model *m, uint32_t taken)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < f->shards_count; i++)
		for (uint32_t k = 0; k < kg_safetensors_count(f->shards[i].file); k++)
			count += !is_needless(f, kg_safetensors_at(f->shards[i].file, k)->name);
	for (uint32_t i = 0; i < f->shards_count && count != taken; i++)
		for (uint32_t k = 0; k < kg_safetensors_count(f->shards[i].file); k++) {
			const char *name = kg_safetensors_at(f->shards[i].file, k)->name;

			if (!is_needless(f, name) && !has_place(m, name))
				return kg_fail(KG_EINVAL, "tensor %s has no place in the model",
					       name);
		}
	return KG_OK;
}

static kg_err read_config(folder *f)
{
	kg_model_config *c = &f->config.model;
	kg_map map;
	kg_err err = open_file(&map, f, "config.json");

	if (err != KG_OK)
		return err;
	err = kg_hf_config_parse(&f->config, map.data, map.size);
	kg_map_close(&map);
	if (err == KG_OK)
		err = open_shards(f);
	if (err == KG_OK)
		err = has_tensor(f, KG_TENSOR_ATTN_Q_BIAS, &c->qkv_bias);
	if (err == KG_OK)
		err = has_tensor(f, KG_TENSOR_ATTN_Q_NORM, &c->qk_norm);
	/* Two bytes at least for each: a small folder cannot ask for much. */
	if (err == KG_OK && kg_model_config_weights(c) > f->bytes)
		err = kg_fail(KG_ECORRUPT, "the tensors are smaller than config.json says");
	return err;
}

static kg_err read_tokenizer(const folder *f, kg_tokenizer **out)
{
	const kg_tokenizer_hints hints = {
		.count = f->config.model.vocabulary, .bos = f->config.bos, .eos = f->config.eos};
	kg_map map;
	kg_err err = open_file(&map, f, "tokenizer.json");

	if (err != KG_OK)
		return err;
	err = kg_tokenizer_from_json(out, map.data, map.size, &hints);
	kg_map_close(&map);
	return err;
}

/* A template, or the default one of several with names; NULL when there is none. */
static const json_t *find_template(const json_t *config)
{
	const json_t *value = json_object_get(config, "chat_template");

	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *named = json_array_get(value, i);
		const char *name = json_string_value(json_object_get(named, "name"));

		if (name != NULL && strcmp(name, "default") == 0)
			return json_object_get(named, "template");
	}
	return json_is_string(value) ? value : NULL;
}

static kg_err set_configured_template(kg_model *m, const kg_map *map)
{
	json_t *config = NULL;
	const json_t *text;
	kg_err err = kg_json_parse(&config, map->data, map->size);

	if (err != KG_OK)
		return kg_fail_context(err, "tokenizer_config.json");
	text = find_template(config);
	if (json_is_string(text))
		err = kg_model_set_template(m, json_string_value(text), json_string_length(text));
	json_decref(config);
	return err;
}

static kg_err read_template(const folder *f, kg_model *m)
{
	static const char file[] = "chat_template.jinja";
	static const char config[] = "tokenizer_config.json";
	bool plain = has_file(f, file);
	kg_map map;
	kg_err err;

	if (!plain && !has_file(f, config))
		return KG_OK;
	err = open_file(&map, f, plain ? file : config);
	if (err != KG_OK)
		return err;
	err = plain ? kg_model_set_template(m, (const char *)map.data, map.size)
		    : set_configured_template(m, &map);
	kg_map_close(&map);
	return err;
}

static void folder_release(folder *f)
{
	for (uint32_t i = 0; i < f->shards_count; i++) {
		kg_safetensors_free(f->shards[i].file);
		kg_map_close(&f->shards[i].map);
	}
	free(f->shards);
}

kg_err kg_import_hf(kg_model **out, const char *path, const char *name)
{
	folder f = {.folder = path};
	kg_tokenizer *tokenizer = NULL;
	kg_model *m = NULL;
	uint32_t taken = 0;
	kg_err err = read_config(&f);

	if (err == KG_OK)
		err = read_tokenizer(&f, &tokenizer);
	if (err == KG_OK)
		err = kg_model_new(&m, &f.config.model, name, &tokenizer, NULL);
	for (uint32_t i = 0; err == KG_OK && i < kg_model_tensor_count(m); i++)
		err = take_tensor(&f, m, kg_model_tensor_at(m, i), &taken);
	if (err == KG_OK)
		err = check_strangers(&f, m, taken);
	if (err == KG_OK)
		err = read_template(&f, m);
	folder_release(&f);
	if (err != KG_OK) {
		kg_model_free(m);
		return err;
	}
	*out = m;
	return KG_OK;
}
