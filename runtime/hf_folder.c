/* SPDX-License-Identifier: MIT */
#include "runtime/hf_folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "runtime/ggml_blocks.h"
#include "runtime/tokenizer_sentencepiece.h"

enum { SHARD_NAME_MAX = 128 };

kg_err kg_hf_folder_map(kg_map *map, const kg_hf_folder *f, const char *name)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/%s", f->path, name);

	return err == KG_OK ? kg_map_open(map, path) : err;
}

bool kg_hf_folder_has(const kg_hf_folder *f, const char *name)
{
	char path[KG_PATH_SIZE];

	return kg_path(path, "%s/%s", f->path, name) == KG_OK && kg_fs_exists(path);
}

static kg_err open_shard(kg_hf_folder *f, const char *name)
{
	kg_hf_shard *s = &f->shards[f->shards_count];
	kg_err err = kg_hf_folder_map(&s->map, f, name);

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

static kg_err open_mapped(kg_hf_folder *f, const json_t *index)
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
			if (f->shards_count == KG_HF_SHARDS_MAX)
				err = kg_fail(KG_EFULL, "index: more than %d shards",
					      KG_HF_SHARDS_MAX);
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

kg_err kg_hf_folder_open(kg_hf_folder *f)
{
	static const char index_name[] = "model.safetensors.index.json";
	json_t *index = NULL;
	kg_map map;
	kg_err err;

	f->shards = calloc(KG_HF_SHARDS_MAX, sizeof(*f->shards));
	if (f->shards == NULL)
		return kg_fail(KG_ENOMEM, "no memory for shards");
	if (!kg_hf_folder_has(f, index_name))
		return open_shard(f, "model.safetensors");
	err = kg_hf_folder_map(&map, f, index_name);
	if (err != KG_OK)
		return err;
	err = kg_json_parse(&index, map.data, map.size);
	if (err == KG_OK)
		err = open_mapped(f, index);
	json_decref(index);
	kg_map_close(&map);
	return err;
}

kg_err kg_hf_folder_find(const kg_hf_folder *f, const char *name, const kg_safetensor **out)
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

kg_err kg_hf_folder_floats(const kg_hf_folder *f, const char *name, uint32_t rows, uint32_t cols,
			   float *out)
{
	const kg_safetensor *t = NULL;
	uint32_t first = rows == 0 ? cols : rows;
	uint32_t second = rows == 0 ? 1 : cols;
	kg_err err = kg_hf_folder_find(f, name, &t);

	if (err != KG_OK)
		return err;
	if (t == NULL)
		return kg_fail(KG_ECORRUPT, "tensor %s is missing", name);
	if (t->type == UINT32_MAX)
		return kg_fail(KG_EINVAL,
			       "tensor %s is of type %s; F32, F16 and BF16 are known here", name,
			       t->dtype);
	if (t->dims_count != (rows == 0 ? 1u : 2u) || t->dims[0] != first || t->dims[1] != second)
		return kg_fail(KG_ECORRUPT, "tensor %s has not the shape %u x %u of the config",
			       name, rows == 0 ? 1 : rows, cols);
	kg_ggml_to_floats(out, (kg_ggml_type)t->type, t->data, (size_t)first * second);
	return KG_OK;
}

kg_err kg_hf_folder_visit(const kg_hf_folder *f, kg_hf_visitor *visit, void *context)
{
	kg_err err = KG_OK;

	for (uint32_t i = 0; i < f->shards_count && err == KG_OK; i++)
		for (uint32_t k = 0; k < kg_safetensors_count(f->shards[i].file) && err == KG_OK;
		     k++)
			err = visit(context, kg_safetensors_at(f->shards[i].file, k)->name);
	return err;
}

kg_err kg_hf_folder_tokenizer(kg_tokenizer **out, const kg_hf_folder *f,
			      const kg_tokenizer_hints *hints)
{
	static const char json[] = "tokenizer.json";
	static const char pieces[] = "tokenizer.model";
	bool plain = kg_hf_folder_has(f, json) || !kg_hf_folder_has(f, pieces);
	kg_map map;
	kg_err err = kg_hf_folder_map(&map, f, plain ? json : pieces);

	if (err != KG_OK)
		return err;
	err = plain ? kg_tokenizer_from_json(out, map.data, map.size, hints)
		    : kg_tokenizer_from_sentencepiece(out, map.data, map.size, hints);
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

kg_err kg_hf_folder_template(const kg_hf_folder *f, kg_model *m)
{
	static const char file[] = "chat_template.jinja";
	static const char config[] = "tokenizer_config.json";
	bool plain = kg_hf_folder_has(f, file);
	kg_map map;
	kg_err err;

	if (!plain && !kg_hf_folder_has(f, config))
		return KG_OK;
	err = kg_hf_folder_map(&map, f, plain ? file : config);
	if (err != KG_OK)
		return err;
	err = plain ? kg_model_set_template(m, (const char *)map.data, map.size)
		    : set_configured_template(m, &map);
	kg_map_close(&map);
	return err;
}

void kg_hf_folder_release(kg_hf_folder *f)
{
	for (uint32_t i = 0; i < f->shards_count; i++) {
		kg_safetensors_free(f->shards[i].file);
		kg_map_close(&f->shards[i].map);
	}
	free(f->shards);
}
