/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "runtime/hf_config_impl.h"

/* Keys that are read below, then keys that change nothing: names, places of code, how it was
 * trained, tokens that nobody gives to the model. */
static const char *const known_keys[] = {
	"model_type",
	"vocab_size",
	"hidden_size",
	"intermediate_size",
	"num_hidden_layers",
	"num_attention_heads",
	"num_key_value_heads",
	"head_dim",
	"max_position_embeddings",
	"hidden_act",
	"rms_norm_eps",
	"rope_theta",
	"rope_scaling",
	"attention_bias",
	"mlp_bias",
	"attention_scale",
	"tie_word_embeddings",
	"bos_token_id",
	"eos_token_id",

	"architectures",
	"auto_map",
	"torch_dtype",
	"dtype",
	"transformers_version",
	"_name_or_path",
	"_attn_implementation_autoset",
	"use_cache",
	"initializer_range",
	"attention_dropout",
	"pretraining_tp",
	"pad_token_id",
	"unk_token_id",
};

static kg_err check_keys(json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		(void)value;
		while (i < sizeof(known_keys) / sizeof(*known_keys) &&
		       strcmp(key, known_keys[i]) != 0)
			i++;
		if (i == sizeof(known_keys) / sizeof(*known_keys))
			return kg_fail(KG_EINVAL, "\"%.64s\" of a complexnet is not known here",
				       key);
	}
	return KG_OK;
}

static kg_err check_false(const json_t *object, const char *key)
{
	bool value = false;
	kg_err err = kg_hf_config__bool_if(&value, object, key);

	if (err == KG_OK && value)
		err = kg_fail(KG_EINVAL, "\"%s\" of a complexnet is not known here", key);
	return err;
}

/* What the forward step does not do. */
static kg_err check_variants(const json_t *object)
{
	const char *text = "relu2";
	bool tied = false;
	kg_err err = KG_OK;

	if (kg_hf_config__member(object, "hidden_act") != NULL)
		err = kg_json_get_text(&text, object, "hidden_act", KG_HF_CONFIG_TEXT_MAX);
	if (err == KG_OK && strcmp(text, "relu2") != 0)
		err = kg_fail(KG_EINVAL,
			      "hidden_act \"%s\" of a complexnet is not known here; relu2 is",
			      text);
	if (err == KG_OK && kg_hf_config__member(object, "rope_scaling") != NULL)
		err = kg_fail(KG_EINVAL, "rope_scaling of a complexnet is not known here");
	if (err == KG_OK)
		err = check_false(object, "attention_bias");
	if (err == KG_OK)
		err = check_false(object, "mlp_bias");
	if (err == KG_OK)
		err = kg_hf_config__bool_if(&tied, object, "tie_word_embeddings");
	if (err == KG_OK && tied)
		err = kg_fail(KG_EINVAL, "a complexnet whose head is its embedding "
					 "(tie_word_embeddings) is not known here");
	return err;
}

static kg_err get_shape(kg_model_config *c, const json_t *object)
{
	kg_err err = kg_hf_config__shape(c, object);

	if (err != KG_OK)
		return err;
	if (c->heads == 0 || c->dim % c->heads != 0)
		return kg_fail(KG_ECORRUPT, "%u numbers are not shared out to %u heads", c->dim,
			       c->heads);
	err = kg_hf_config__u32_if(&c->kv_heads, object, "num_key_value_heads");
	if (err == KG_OK)
		err = kg_hf_config__u32_if(&c->head_dim, object, "head_dim");
	if (err == KG_OK && c->head_dim != c->dim / c->heads)
		err = kg_fail(KG_EINVAL, "a head_dim of %u is not known here; %u / %u is",
			      c->head_dim, c->dim, c->heads);
	return err;
}

kg_err kg_hf_config__ifairy(kg_hf_config *out, json_t *object)
{
	kg_model_config *c = &out->model;
	double theta = 10000.0;
	double scale = 0.0;
	double eps = 1e-5;
	kg_err err = check_keys(object);

	c->architecture = KG_ARCHITECTURE_IFAIRY;
	if (err == KG_OK)
		err = check_variants(object);
	if (err == KG_OK)
		err = get_shape(c, object);
	if (err == KG_OK)
		err = kg_hf_config__double_if(&theta, object, "rope_theta", 1.0, 1e30);
	if (err == KG_OK)
		err = kg_hf_config__double_if(&eps, object, "rms_norm_eps", 0.0, 1.0);
	if (err == KG_OK)
		err = kg_hf_config__double_if(&scale, object, "attention_scale", 0.0, 1e3);
	c->rope_theta = (float)theta;
	c->norm_eps = (float)eps;
	c->attention_scale = (float)scale;
	return err;
}
