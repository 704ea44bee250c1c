/* SPDX-License-Identifier: MIT */
#include "runtime/hf_config.h"

#include <string.h>

#include "runtime/hf_config_impl.h"

const json_t *kg_hf_config__member(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

kg_err kg_hf_config__u32(uint32_t *out, const json_t *object, const char *key)
{
	int64_t value;
	kg_err err = kg_json_get_i64(&value, object, key, 0, UINT32_MAX);

	if (err == KG_OK)
		*out = (uint32_t)value;
	return err;
}

kg_err kg_hf_config__u32_if(uint32_t *out, const json_t *object, const char *key)
{
	return kg_hf_config__member(object, key) == NULL ? KG_OK
							 : kg_hf_config__u32(out, object, key);
}

kg_err kg_hf_config__double_if(double *out, const json_t *object, const char *key, double min,
			       double max)
{
	return kg_hf_config__member(object, key) == NULL
		       ? KG_OK
		       : kg_json_get_double(out, object, key, min, max);
}

kg_err kg_hf_config__bool_if(bool *out, const json_t *object, const char *key)
{
	return kg_hf_config__member(object, key) == NULL ? KG_OK
							 : kg_json_get_bool(out, object, key);
}

kg_err kg_hf_config__id(uint32_t *out, const json_t *object, const char *key)
{
	const json_t *value = kg_hf_config__member(object, key);

	*out = KG_TOKENIZER_NONE;
	if (json_is_array(value))
		value = json_array_get(value, 0);
	if (value == NULL)
		return KG_OK;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) >= KG_TOKENIZER_COUNT_MAX)
		return kg_fail(KG_ECORRUPT, "\"%s\" is no id of a token", key);
	*out = (uint32_t)json_integer_value(value);
	return KG_OK;
}

static const char complex_type[] = "complexnet";

static kg_err check_type(const json_t *object, const char **type)
{
	static const char *const known[] = {"llama", "mistral", "qwen2", "qwen3", complex_type};
	kg_err err = kg_json_get_text(type, object, "model_type", KG_HF_CONFIG_TEXT_MAX);

	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(*type, known[i]) == 0)
			return KG_OK;
	return kg_fail(KG_EINVAL,
		       "model_type \"%s\" is not known here; llama, mistral, qwen2, qwen3 and "
		       "complexnet are",
		       *type);
}

static kg_err check_variants(const json_t *object)
{
	const char *text = "silu";
	kg_err err = KG_OK;

	if (kg_hf_config__member(object, "hidden_act") != NULL)
		err = kg_json_get_text(&text, object, "hidden_act", KG_HF_CONFIG_TEXT_MAX);
	if (err == KG_OK && strcmp(text, "silu") != 0)
		err = kg_fail(KG_EINVAL, "hidden_act \"%s\" is not known here; silu is", text);
	if (err == KG_OK && kg_hf_config__member(object, "quantization_config") != NULL)
		err = kg_fail(KG_EINVAL,
			      "weights quantized by another program (quantization_config) "
			      "are not known here");
	return err;
}

kg_err kg_hf_config__shape(kg_model_config *c, const json_t *object)
{
	const struct {
		const char *key;
		uint32_t *out;
	} numbers[] = {
		{"hidden_size", &c->dim},          {"intermediate_size", &c->hidden},
		{"num_hidden_layers", &c->layers}, {"num_attention_heads", &c->heads},
		{"vocab_size", &c->vocabulary},    {"max_position_embeddings", &c->context},
	};
	kg_err err = KG_OK;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && err == KG_OK; i++)
		err = kg_hf_config__u32(numbers[i].out, object, numbers[i].key);
	c->kv_heads = c->heads;
	c->head_dim = c->heads == 0 ? 0 : c->dim / c->heads;
	return err;
}

static kg_err get_shape(kg_model_config *c, const json_t *object, const char *type)
{
	kg_err err = kg_hf_config__shape(c, object);

	if (err != KG_OK)
		return err;
	/* Where a folder is silent each type has a number of its own; only llama's follows from the
	 * others. */
	err = strcmp(type, "llama") == 0
		      ? kg_hf_config__u32_if(&c->kv_heads, object, "num_key_value_heads")
		      : kg_hf_config__u32(&c->kv_heads, object, "num_key_value_heads");
	if (err == KG_OK)
		err = strcmp(type, "qwen3") == 0
			      ? kg_hf_config__u32(&c->head_dim, object, "head_dim")
			      : kg_hf_config__u32_if(&c->head_dim, object, "head_dim");
	return err;
}

/* Whether some layer looks at a window only. */
static bool has_window(const json_t *object, const char *type)
{
	const json_t *layers = kg_hf_config__member(object, "layer_types");
	bool used = strcmp(type, "mistral") == 0;

	if (json_is_true(kg_hf_config__member(object, "use_sliding_window")))
		used = true;
	for (size_t i = 0; i < json_array_size(layers); i++) {
		const char *text = json_string_value(json_array_get(layers, i));

		used |= text == NULL || strcmp(text, "full_attention") != 0;
	}
	return used;
}

static kg_err bound_context(kg_model_config *c, const json_t *object, const char *type)
{
	uint32_t window = 0;
	kg_err err;

	if (!has_window(object, type))
		return KG_OK;
	err = kg_hf_config__u32_if(&window, object, "sliding_window");
	if (err != KG_OK)
		return err;
	if (window == 0 && strcmp(type, "mistral") != 0)
		return kg_fail(KG_EINVAL, "layers that do not look at everything (layer_types) and "
					  "no sliding_window are not known here");
	if (window != 0 && window < c->context)
		c->context = window;
	return KG_OK;
}

static kg_err get_llama3(kg_hf_config *out, const json_t *scaling)
{
	kg_rotary_llama3 *r = &out->rule;
	kg_err err = kg_json_get_double(&r->factor, scaling, "factor", 1.0, 1e6);

	if (err == KG_OK)
		err = kg_json_get_double(&r->low, scaling, "low_freq_factor", 1e-3, 1e6);
	if (err == KG_OK)
		err = kg_json_get_double(&r->high, scaling, "high_freq_factor", 1e-3, 1e6);
	if (err == KG_OK)
		err = kg_json_get_double(&r->old_context, scaling,
					 "original_max_position_embeddings", 1.0, 1e9);
	if (err == KG_OK && !(r->high > r->low))
		err = kg_fail(KG_ECORRUPT, "high_freq_factor is not above low_freq_factor");
	out->stretched = true;
	return err;
}

static kg_err get_scaling(kg_hf_config *out, const json_t *scaling)
{
	const char *key = kg_hf_config__member(scaling, "rope_type") != NULL ? "rope_type" : "type";
	const char *type = "default";
	double factor = 1.0;
	kg_err err = KG_OK;

	if (kg_hf_config__member(scaling, key) != NULL)
		err = kg_json_get_text(&type, scaling, key, KG_HF_CONFIG_TEXT_MAX);
	if (err != KG_OK || strcmp(type, "default") == 0)
		return err;
	if (strcmp(type, "llama3") == 0)
		return get_llama3(out, scaling);
	if (strcmp(type, "linear") != 0)
		return kg_fail(KG_EINVAL,
			       "rope scaling \"%s\" is not known here; linear and llama3 are",
			       type);
	err = kg_json_get_double(&factor, scaling, "factor", 1e-3, 1e6);
	out->linear = (float)factor;
	return err;
}

/* rope_scaling beside rope_theta, or both in rope_parameters. */
static kg_err get_rotation(kg_hf_config *out, const json_t *object)
{
	const json_t *parameters = kg_hf_config__member(object, "rope_parameters");
	const json_t *scaling =
		parameters != NULL ? parameters : kg_hf_config__member(object, "rope_scaling");
	double theta = 10000.0;
	double part = 1.0;
	kg_err err = KG_OK;

	if (scaling != NULL && !json_is_object(scaling))
		return kg_fail(KG_ECORRUPT, "rope scaling is no object");
	err = kg_hf_config__double_if(&theta, object, "rope_theta", 1.0, 1e30);
	if (err == KG_OK && parameters != NULL)
		err = kg_hf_config__double_if(&theta, parameters, "rope_theta", 1.0, 1e30);
	if (err == KG_OK)
		err = kg_hf_config__double_if(&part, object, "partial_rotary_factor", 0.0, 1.0);
	if (err == KG_OK && parameters != NULL)
		err = kg_hf_config__double_if(&part, parameters, "partial_rotary_factor", 0.0, 1.0);
	if (err == KG_OK && part != 1.0)
		err = kg_fail(KG_EINVAL,
			      "partly turned heads (partial_rotary_factor) are not known "
			      "here");
	if (err == KG_OK && scaling != NULL)
		err = get_scaling(out, scaling);
	out->model.rope_theta = (float)theta;
	out->rule.theta = (double)out->model.rope_theta;
	out->model.rope_factors = out->stretched || out->linear != 1.0f;
	return err;
}

static kg_err take_real(kg_hf_config *out, const json_t *object, const char *type)
{
	kg_model_config *c = &out->model;
	double eps = 1e-6;
	kg_err err = check_variants(object);

	if (err == KG_OK)
		err = get_shape(c, object, type);
	if (err == KG_OK)
		err = bound_context(c, object, type);
	if (err == KG_OK)
		err = get_rotation(out, object);
	if (err == KG_OK)
		err = kg_hf_config__double_if(&eps, object, "rms_norm_eps", 0.0, 1.0);
	if (err == KG_OK)
		err = kg_hf_config__bool_if(&c->tied, object, "tie_word_embeddings");
	c->norm_eps = (float)eps;
	return err;
}

static kg_err take(kg_hf_config *out, json_t *object)
{
	kg_model_config *c = &out->model;
	const char *type = NULL;
	kg_err err;

	if (!json_is_object(object))
		return kg_fail(KG_ECORRUPT, "no object");
	err = check_type(object, &type);
	if (err == KG_OK)
		err = strcmp(type, complex_type) == 0 ? kg_hf_config__ifairy(out, object)
						      : take_real(out, object, type);
	if (err == KG_OK)
		err = kg_hf_config__id(&out->bos, object, "bos_token_id");
	if (err == KG_OK)
		err = kg_hf_config__id(&out->eos, object, "eos_token_id");
	if (err != KG_OK)
		return err;
	if (c->context > KG_MODEL_CONTEXT_MAX)
		c->context = KG_MODEL_CONTEXT_MAX;
	err = kg_model_config_check(c);
	return err == KG_EINVAL ? kg_fail_context(KG_ECORRUPT, "shape") : err;
}

kg_err kg_hf_config_parse(kg_hf_config *out, const void *data, size_t size)
{
	json_t *object = NULL;
	kg_err err = kg_json_parse(&object, data, size);

	*out = (kg_hf_config){.linear = 1.0f};
	if (err == KG_OK)
		err = take(out, object);
	json_decref(object);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "config.json");
}

void kg_hf_config_factors(const kg_hf_config *config, float *out)
{
	uint32_t head_dim = config->model.head_dim;

	for (uint32_t i = 0; i < head_dim / 2; i++)
		out[i] = config->linear;
	if (config->stretched)
		kg_rotary_llama3_factors(out, head_dim, &config->rule);
}
