/* SPDX-License-Identifier: MIT */
#include "runtime/import_hf.h"

#include <stdio.h>
#include <string.h>

#include "runtime/hf_config.h"
#include "runtime/hf_folder.h"
#include "runtime/import_impl.h"

typedef struct {
	kg_hf_folder files;
	kg_hf_config config;
} folder;

static bool is_complex(const folder *f)
{
	return f->config.model.architecture == KG_ARCHITECTURE_IFAIRY;
}

static void name_of(char out[KG_IMPORT_NAME_MAX], kg_tensor_role role, uint32_t layer)
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
		(void)snprintf(out, KG_IMPORT_NAME_MAX, "model.layers.%u.%s", layer, names[role]);
	else
		(void)snprintf(out, KG_IMPORT_NAME_MAX, "%s", names[role]);
}

static kg_err has_tensor(const folder *f, kg_tensor_role role, bool *out)
{
	char name[KG_IMPORT_NAME_MAX];
	const kg_safetensor *t = NULL;
	kg_err err;

	name_of(name, role, 0);
	err = kg_hf_folder_find(&f->files, name, &t);
	*out = t != NULL;
	return err;
}

/* The name of part 0 of a tensor, or of part 1 where it has two; false where there is none. */
static bool part_name(char out[KG_IMPORT_NAME_MAX], const folder *f, const kg_tensor *t, int part)
{
	if (is_complex(f))
		return kg_import__ifairy_name(out, t->role, t->layer, part);
	if (part != 0 || t->role == KG_TENSOR_ROPE_FACTORS)
		return false;
	name_of(out, t->role, t->layer);
	return true;
}

static kg_err take_tensor(const folder *f, kg_model *m, const kg_tensor *to)
{
	char name[KG_IMPORT_NAME_MAX];
	bool vector = to->rows == 1 && kg_tensor_role_is_vector(to->role);
	float *out;
	kg_err err;

	if (is_complex(f))
		return kg_import__ifairy_take(m, to, &f->files);
	out = kg_model_floats(m, to->role, to->layer);
	if (to->role == KG_TENSOR_ROPE_FACTORS) {
		kg_hf_config_factors(&f->config, out);
		return kg_tensor_check_factors(to);
	}
	name_of(name, to->role, to->layer);
	err = kg_hf_folder_floats(&f->files, name, vector ? 0 : to->rows, to->cols, out);
	return err == KG_OK ? kg_import__settle(m, to, true) : err;
}

/* What old folders hold and nobody needs: the frequencies, and the head of a tied model. */
static bool is_needless(const folder *f, const char *name)
{
	static const char tail[] = ".rotary_emb.inv_freq";
	size_t size = strlen(name);

	if (is_complex(f))
		return false;
	if (f->config.model.tied && strcmp(name, "lm_head.weight") == 0)
		return true;
	return size >= sizeof(tail) && strcmp(name + size - (sizeof(tail) - 1), tail) == 0;
}

typedef struct {
	const folder *f;
	const kg_model *m;
	uint32_t count; /* that are needed */
} search;

static kg_err count_needed(void *context, const char *name)
{
	search *s = context;

	s->count += !is_needless(s->f, name);
	return KG_OK;
}

static kg_err refuse_stranger(void *context, const char *name)
{
	const search *s = context;

	if (is_needless(s->f, name))
		return KG_OK;
	for (uint32_t i = 0; i < kg_model_tensor_count(s->m); i++) {
		char own[KG_IMPORT_NAME_MAX];

		for (int part = 0; part_name(own, s->f, kg_model_tensor_at(s->m, i), part); part++)
			if (strcmp(own, name) == 0)
				return KG_OK;
	}
	return kg_fail(KG_EINVAL, "tensor %s has no place in the model", name);
}

/* Every tensor of the model was found: if there are more, names the first that has no place. */
static kg_err check_strangers(const folder *f, const kg_model *m)
{
	search s = {.f = f, .m = m};
	uint32_t wanted = 0;
	kg_err err = kg_hf_folder_visit(&f->files, count_needed, &s);

	for (uint32_t i = 0; i < kg_model_tensor_count(m); i++) {
		char name[KG_IMPORT_NAME_MAX];

		for (int part = 0; part_name(name, f, kg_model_tensor_at(m, i), part); part++)
			wanted++;
	}
	if (err == KG_OK && s.count != wanted)
		err = kg_hf_folder_visit(&f->files, refuse_stranger, &s);
	return err;
}

static kg_err read_config(folder *f)
{
	kg_model_config *c = &f->config.model;
	kg_map map;
	kg_err err = kg_hf_folder_map(&map, &f->files, "config.json");

	if (err != KG_OK)
		return err;
	err = kg_hf_config_parse(&f->config, map.data, map.size);
	kg_map_close(&map);
	if (err == KG_OK)
		err = kg_hf_folder_open(&f->files);
	if (err == KG_OK && !is_complex(f))
		err = has_tensor(f, KG_TENSOR_ATTN_Q_BIAS, &c->qkv_bias);
	if (err == KG_OK && !is_complex(f))
		err = has_tensor(f, KG_TENSOR_ATTN_Q_NORM, &c->qk_norm);
	/* Two bytes at least for each: a small folder cannot ask for much. */
	if (err == KG_OK && kg_model_config_weights(c) > f->files.bytes)
		err = kg_fail(KG_ECORRUPT, "the tensors are smaller than config.json says");
	return err;
}

static kg_err read_tokenizer(const folder *f, kg_tokenizer **out)
{
	const kg_tokenizer_hints hints = {
		.count = f->config.model.vocabulary, .bos = f->config.bos, .eos = f->config.eos};

	return kg_hf_folder_tokenizer(out, &f->files, &hints);
}

kg_err kg_import_hf(kg_model **out, const char *path, const char *name)
{
	folder f = {.files = {.path = path}};
	kg_tokenizer *tokenizer = NULL;
	kg_model *m = NULL;
	kg_err err = read_config(&f);

	if (err == KG_OK)
		err = read_tokenizer(&f, &tokenizer);
	if (err == KG_OK)
		err = kg_model_new(&m, &f.config.model, name, &tokenizer, NULL);
	for (uint32_t i = 0; err == KG_OK && i < kg_model_tensor_count(m); i++)
		err = take_tensor(&f, m, kg_model_tensor_at(m, i));
	if (err == KG_OK)
		err = check_strangers(&f, m);
	if (err == KG_OK)
		err = kg_hf_folder_template(&f.files, m);
	kg_hf_folder_release(&f.files);
	if (err != KG_OK) {
		kg_model_free(m);
		return err;
	}
	*out = m;
	return KG_OK;
}
