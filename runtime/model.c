/* SPDX-License-Identifier: MIT */
#include "runtime/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/fairy_lines.h"
#include "runtime/half.h"
#include "runtime/model_impl.h"

/* kg_model_new holds floats: 8 GiB of them. */
static const uint64_t parameters_max = UINT64_C(1) << 31;

static const float attention_scale_max = 16.0f;

const char *const kg_model__prompt_keys[KG_MODEL_PROMPT_PARTS] = {
	"kindergarten.prompt_prefix",
	"kindergarten.prompt_suffix",
	"kindergarten.stop",
};

const char *kg_architecture_name(kg_architecture architecture)
{
	static const char *const architectures[KG_ARCHITECTURE_COUNT] = {"llama", "ifairy"};

	KG_ASSERT(architecture < KG_ARCHITECTURE_COUNT);
	return architectures[architecture];
}

static bool is_complex(const kg_model_config *c)
{
	return c->architecture == KG_ARCHITECTURE_IFAIRY;
}

uint32_t kg_model_config_head_width(const kg_model_config *config)
{
	return is_complex(config) ? 2 * config->head_dim : config->head_dim;
}

static kg_err bounded(const char *what, uint32_t value, uint32_t max)
{
	if (value < 1 || value > max)
		return kg_fail(KG_EINVAL, "model: %s is %u; 1..%u is allowed", what, value, max);
	return KG_OK;
}

static kg_err check_architecture(const kg_model_config *c)
{
	if (!is_complex(c) && c->attention_scale != 0.0f)
		return kg_fail(KG_EINVAL, "model: llama has no attention_scale of its own");
	if (!(c->attention_scale >= 0.0f && c->attention_scale <= attention_scale_max))
		return kg_fail(KG_EINVAL, "model: attention_scale %g is not in 0..%g",
			       (double)c->attention_scale, (double)attention_scale_max);
	if (is_complex(c) && c->head_dim > KG_MODEL_DIM_MAX / 2)
		return kg_fail(KG_EINVAL, "model: head_dim is %u; complex, at most %d is allowed",
			       c->head_dim, KG_MODEL_DIM_MAX / 2);
	if (is_complex(c) && (c->tied || c->qkv_bias || c->qk_norm || c->rope_factors))
		return kg_fail(KG_EINVAL,
			       "model: ifairy has a head of its own, no biases, no norms "
			       "of queries and keys and no factors");
	return KG_OK;
}

kg_err kg_model_config_check(const kg_model_config *c)
{
	const struct {
		const char *what;
		uint32_t value;
		uint32_t max;
	} fields[] = {
		{"dim", c->dim, KG_MODEL_DIM_MAX},
		{"hidden", c->hidden, KG_MODEL_HIDDEN_MAX},
		{"layers", c->layers, KG_MODEL_LAYERS_MAX},
		{"heads", c->heads, KG_MODEL_HEADS_MAX},
		{"kv_heads", c->kv_heads, KG_MODEL_HEADS_MAX},
		{"head_dim", c->head_dim, KG_MODEL_DIM_MAX},
		{"vocabulary", c->vocabulary, KG_MODEL_VOCABULARY_MAX},
		{"context", c->context, KG_MODEL_CONTEXT_MAX},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		kg_err err = bounded(fields[i].what, fields[i].value, fields[i].max);

		if (err != KG_OK)
			return err;
	}
	if (c->heads * c->head_dim > KG_MODEL_HIDDEN_MAX)
		return kg_fail(KG_EINVAL, "model: %u heads of %u: at most %d numbers together",
			       c->heads, c->head_dim, KG_MODEL_HIDDEN_MAX);
	if (!is_complex(c) && c->head_dim % 2 != 0)
		return kg_fail(KG_EINVAL, "model: head_dim %u is odd: positions turn pairs",
			       c->head_dim);
	if (c->heads % c->kv_heads != 0)
		return kg_fail(KG_EINVAL, "model: %u heads cannot share %u kv_heads", c->heads,
			       c->kv_heads);
	if (!isfinite(c->rope_theta) || c->rope_theta < 1.0f)
		return kg_fail(KG_EINVAL, "model: rope_theta %g is not a number from 1 up",
			       (double)c->rope_theta);
	if (!isfinite(c->norm_eps) || c->norm_eps < 0.0f || c->norm_eps > 1.0f)
		return kg_fail(KG_EINVAL, "model: norm_eps %g is not in 0..1", (double)c->norm_eps);
	return check_architecture(c);
}

bool kg_tensor_role_is_norm(kg_tensor_role role)
{
	return role == KG_TENSOR_ATTN_NORM || role == KG_TENSOR_FFN_NORM ||
	       role == KG_TENSOR_ATTN_Q_NORM || role == KG_TENSOR_ATTN_K_NORM ||
	       role == KG_TENSOR_ATTN_SUB_NORM || role == KG_TENSOR_FFN_SUB_NORM ||
	       role == KG_TENSOR_OUTPUT_NORM;
}

static bool is_bias(kg_tensor_role role)
{
	return role == KG_TENSOR_ATTN_Q_BIAS || role == KG_TENSOR_ATTN_K_BIAS ||
	       role == KG_TENSOR_ATTN_V_BIAS;
}

bool kg_tensor_role_is_vector(kg_tensor_role role)
{
	return kg_tensor_role_is_norm(role) || is_bias(role) || role == KG_TENSOR_ROPE_FACTORS;
}

bool kg_tensor_role_is_linear(kg_tensor_role role)
{
	return role < KG_TENSOR_LAYER_ROLES && !kg_tensor_role_is_vector(role);
}

bool kg_tensor_role_exists(kg_tensor_role role, const kg_model_config *config)
{
	if (is_bias(role))
		return config->qkv_bias;
	if (role == KG_TENSOR_ATTN_Q_NORM || role == KG_TENSOR_ATTN_K_NORM)
		return config->qk_norm;
	if (role == KG_TENSOR_ATTN_SUB_NORM || role == KG_TENSOR_FFN_SUB_NORM)
		return is_complex(config);
	if (role == KG_TENSOR_ROPE_FACTORS)
		return config->rope_factors;
	return role != KG_TENSOR_HEAD || !config->tied;
}

kg_format kg_tensor_role_format(kg_tensor_role role, kg_strategy strategy)
{
	if (kg_tensor_role_is_vector(role))
		return KG_FORMAT_F32;
	if (!kg_tensor_role_is_linear(role))
		return strategy.table;
	/* The classes are the linear roles in their order; a norm lies between. */
	return strategy.class[role < KG_TENSOR_FFN_NORM ? role - KG_TENSOR_ATTN_Q
							: role - KG_TENSOR_ATTN_Q - 1];
}

static uint32_t vector_size(kg_tensor_role role, const kg_model_config *config)
{
	switch (role) {
	case KG_TENSOR_ATTN_Q_BIAS:
		return config->heads * config->head_dim;
	case KG_TENSOR_ATTN_K_BIAS:
	case KG_TENSOR_ATTN_V_BIAS:
		return config->kv_heads * config->head_dim;
	case KG_TENSOR_ATTN_Q_NORM:
	case KG_TENSOR_ATTN_K_NORM:
		return config->head_dim;
	case KG_TENSOR_ROPE_FACTORS:
		return config->head_dim / 2;
	case KG_TENSOR_ATTN_SUB_NORM:
		return config->heads * config->head_dim;
	case KG_TENSOR_FFN_SUB_NORM:
		return config->hidden;
	default:
		return config->dim;
	}
}

void kg_tensor_role_shape(kg_tensor_role role, const kg_model_config *config, uint32_t *rows,
			  uint32_t *cols)
{
	uint32_t heads = config->heads * config->head_dim;
	uint32_t kv_heads = config->kv_heads * config->head_dim;

	*rows = config->dim;
	*cols = config->dim;
	switch (role) {
	case KG_TENSOR_ATTN_Q:
		*rows = heads;
		break;
	case KG_TENSOR_ATTN_K:
	case KG_TENSOR_ATTN_V:
		*rows = kv_heads;
		break;
	case KG_TENSOR_ATTN_OUTPUT:
		*cols = heads;
		break;
	case KG_TENSOR_FFN_GATE:
	case KG_TENSOR_FFN_UP:
		*rows = config->hidden;
		break;
	case KG_TENSOR_FFN_DOWN:
		*cols = config->hidden;
		break;
	case KG_TENSOR_EMBEDDING:
	case KG_TENSOR_HEAD:
		*rows = config->vocabulary;
		break;
	default:
		*rows = 1;
		*cols = vector_size(role, config);
	}
	if (is_complex(config) && !kg_tensor_role_is_linear(role))
		*cols *= 2;
}

uint64_t kg_model_config_weights(const kg_model_config *config)
{
	uint64_t total = 0;

	for (int role = 0; role < KG_TENSOR_ROLE_COUNT; role++) {
		uint32_t rows = 0;
		uint32_t cols = 0;

		if (!kg_tensor_role_exists((kg_tensor_role)role, config))
			continue;
		kg_tensor_role_shape((kg_tensor_role)role, config, &rows, &cols);
		total +=
			(uint64_t)rows * cols * (role < KG_TENSOR_LAYER_ROLES ? config->layers : 1);
	}
	return total;
}

void kg_tensor_role_name(kg_tensor_role role, uint32_t layer, char out[KG_TENSOR_NAME_MAX])
{
	static const char *const names[KG_TENSOR_ROLE_COUNT] = {
		[KG_TENSOR_ATTN_NORM] = "attn_norm",
		[KG_TENSOR_ATTN_Q] = "attn_q",
		[KG_TENSOR_ATTN_K] = "attn_k",
		[KG_TENSOR_ATTN_V] = "attn_v",
		[KG_TENSOR_ATTN_OUTPUT] = "attn_output",
		[KG_TENSOR_FFN_NORM] = "ffn_norm",
		[KG_TENSOR_FFN_GATE] = "ffn_gate",
		[KG_TENSOR_FFN_UP] = "ffn_up",
		[KG_TENSOR_FFN_DOWN] = "ffn_down",
		[KG_TENSOR_EMBEDDING] = "token_embd",
		[KG_TENSOR_OUTPUT_NORM] = "output_norm",
		[KG_TENSOR_HEAD] = "output",
		[KG_TENSOR_ATTN_Q_BIAS] = "attn_q",
		[KG_TENSOR_ATTN_K_BIAS] = "attn_k",
		[KG_TENSOR_ATTN_V_BIAS] = "attn_v",
		[KG_TENSOR_ATTN_Q_NORM] = "attn_q_norm",
		[KG_TENSOR_ATTN_K_NORM] = "attn_k_norm",
		[KG_TENSOR_ROPE_FACTORS] = "rope_freqs",
		[KG_TENSOR_ATTN_SUB_NORM] = "attn_sub_norm",
		[KG_TENSOR_FFN_SUB_NORM] = "ffn_sub_norm",
	};

	KG_ASSERT(role < KG_TENSOR_ROLE_COUNT);
	if (role < KG_TENSOR_LAYER_ROLES)
		snprintf(out, KG_TENSOR_NAME_MAX, "blk.%u.%s.%s", layer, names[role],
			 is_bias(role) ? "bias" : "weight");
	else
		snprintf(out, KG_TENSOR_NAME_MAX, "%s.weight", names[role]);
}

static void name_tensor(kg_model *model, kg_tensor_role role, uint32_t layer)
{
	kg_tensor *t;

	if (!kg_tensor_role_exists(role, &model->config))
		return;
	t = &model->tensors[model->tensors_count++];
	t->role = role;
	t->layer = layer;
	t->format = kg_tensor_role_format(role, model->strategy);
	kg_tensor_role_name(role, layer, t->name);
	kg_tensor_role_shape(role, &model->config, &t->rows, &t->cols);
}

kg_err kg_model__shell(kg_model **out, const kg_model_config *config, kg_strategy strategy)
{
	uint32_t tensors = config->layers * KG_TENSOR_LAYER_ROLES + 4;
	kg_model *m = calloc(1, sizeof(*m));

	if (m != NULL)
		m->tensors = calloc(tensors, sizeof(*m->tensors));
	if (m == NULL || m->tensors == NULL) {
		free(m);
		return kg_fail(KG_ENOMEM, "model: no memory for %u tensors", tensors);
	}
	m->config = *config;
	m->strategy = strategy;
	name_tensor(m, KG_TENSOR_EMBEDDING, 0);
	for (uint32_t layer = 0; layer < config->layers; layer++)
		for (int role = 0; role < KG_TENSOR_LAYER_ROLES; role++)
			name_tensor(m, (kg_tensor_role)role, layer);
	name_tensor(m, KG_TENSOR_OUTPUT_NORM, 0);
	name_tensor(m, KG_TENSOR_HEAD, 0);
	name_tensor(m, KG_TENSOR_ROPE_FACTORS, 0);
	*out = m;
	return KG_OK;
}

kg_err kg_model_config_check_strategy(const kg_model_config *config, const kg_strategy *strategy)
{
	if (is_complex(config) == kg_strategy_is_phase(strategy))
		return KG_OK;
	return is_complex(config)
		       ? kg_fail(KG_EINVAL,
				 "the matrices of an ifairy model are phase; they cannot become %s",
				 kg_strategy_name(strategy))
		       : kg_fail(KG_EINVAL, "phase is for ifairy models; this one is llama");
}

kg_err kg_tensor_check_factors(const kg_tensor *tensor)
{
	const float *factor = tensor->data;

	for (uint32_t i = 0; i < tensor->cols; i++)
		if (!(factor[i] >= 1e-3f && factor[i] <= 1e6f))
			return kg_fail(KG_ECORRUPT, "model: factor %u of %s, %g, is absurd", i,
				       tensor->name, (double)factor[i]);
	return KG_OK;
}

const char *kg_model__key(char out[KG_MODEL_KEY_SIZE], const kg_model_config *config,
			  const char *name)
{
	int size = snprintf(out, KG_MODEL_KEY_SIZE, "%s.%s",
			    kg_architecture_name(config->architecture), name);

	KG_ASSERT(size > 0 && size < KG_MODEL_KEY_SIZE);
	return out;
}

bool kg_model__name_fits(const char *text, size_t size, size_t size_max)
{
	if (size > size_max)
		return false;
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

void kg_model__set_prompt(kg_model *model, int part, const char *text, size_t size)
{
	char *to = model->prompt_text[part];
	const char **slots[KG_MODEL_PROMPT_PARTS] = {&model->prompt.prefix, &model->prompt.suffix,
						     &model->prompt.stop};

	KG_ASSERT(size <= KG_MODEL_PROMPT_MAX);
	memcpy(to, text, size);
	to[size] = '\0';
	*slots[part] = to;
}

static kg_err copy_prompt(kg_model *m, const kg_model_prompt *prompt)
{
	const char *parts[KG_MODEL_PROMPT_PARTS] = {prompt->prefix, prompt->suffix, prompt->stop};

	for (int i = 0; i < KG_MODEL_PROMPT_PARTS; i++) {
		if (parts[i] == NULL)
			continue;
		if (strlen(parts[i]) > KG_MODEL_PROMPT_MAX)
			return kg_fail(KG_EINVAL, "model: %s is longer than %d bytes",
				       kg_model__prompt_keys[i], KG_MODEL_PROMPT_MAX);
		kg_model__set_prompt(m, i, parts[i], strlen(parts[i]));
	}
	return KG_OK;
}

/* One block of lines for all complex matrices, all codes 0 and scales 1. */
static kg_err give_lines(kg_model *m)
{
	size_t total = 0;
	uint8_t *at;

	for (uint32_t i = 0; i < m->tensors_count; i++)
		if (m->tensors[i].format == KG_FORMAT_PHASE)
			total += kg_phase_size(m->tensors[i].rows, m->tensors[i].cols);
	if (total == 0)
		return KG_OK;
	at = total > parameters_max ? NULL : aligned_alloc(KG_PHASE_LINE_SIZE, total);
	if (at == NULL)
		return kg_fail(KG_ENOMEM, "model: no memory for %zu bytes of codes", total);
	memset(at, 0, total);
	m->lines = at;
	for (uint32_t i = 0; i < m->tensors_count; i++) {
		kg_tensor *t = &m->tensors[i];

		if (t->format != KG_FORMAT_PHASE)
			continue;
		t->phase = (kg_phase){
			.rows = t->rows, .cols = t->cols, .re = 1.0f, .im = 1.0f, .line = at};
		at += kg_phase_size(t->rows, t->cols);
	}
	m->tensor_bytes += total;
	return KG_OK;
}

/* One block of zeros for all tensors of floats. */
static kg_err give_floats(kg_model *m)
{
	uint64_t total = 0;
	float *at;

	for (uint32_t i = 0; i < m->tensors_count; i++)
		if (m->tensors[i].format == KG_FORMAT_F32)
			total += (uint64_t)m->tensors[i].rows * m->tensors[i].cols;
	if (total > parameters_max)
		return kg_fail(KG_EINVAL, "model: %llu weights; the limit is %llu",
			       (unsigned long long)total, (unsigned long long)parameters_max);
	m->floats = calloc(total, sizeof(*m->floats));
	if (m->floats == NULL)
		return kg_fail(KG_ENOMEM, "model: no memory for %llu weights",
			       (unsigned long long)total);
	at = m->floats;
	for (uint32_t i = 0; i < m->tensors_count; i++) {
		if (m->tensors[i].format != KG_FORMAT_F32)
			continue;
		m->tensors[i].data = at;
		at += (size_t)m->tensors[i].rows * m->tensors[i].cols;
	}
	m->tensor_bytes = total * sizeof(float);
	return give_lines(m);
}

kg_err kg_model_new(kg_model **out, const kg_model_config *config, const char *name,
		    kg_tokenizer **tokenizer, const kg_model_prompt *prompt)
{
	kg_tokenizer *taken = *tokenizer;
	kg_model *m = NULL;
	kg_err err = kg_model_config_check(config);

	*tokenizer = NULL;
	if (err == KG_OK && kg_tokenizer_count(taken) != config->vocabulary)
		err = kg_fail(KG_EINVAL, "model: the tokenizer has %u tokens, the model %u",
			      kg_tokenizer_count(taken), config->vocabulary);
	if (err == KG_OK && !kg_model__name_fits(name, strlen(name), KG_MODEL_NAME_MAX))
		err = kg_fail(KG_EINVAL,
			      "model: a name is at most %d bytes without control "
			      "characters",
			      KG_MODEL_NAME_MAX);
	if (err == KG_OK)
		err = kg_model__shell(&m, config,
				      is_complex(config) ? kg_strategy_of_phase(KG_FORMAT_F32)
							 : kg_strategy_of(KG_FORMAT_F32));
	if (err == KG_OK && prompt != NULL)
		err = copy_prompt(m, prompt);
	if (err == KG_OK)
		err = give_floats(m);
	if (err != KG_OK) {
		kg_tokenizer_free(taken);
		kg_model_free(m);
		return err;
	}
	memcpy(m->name, name, strlen(name) + 1);
	m->tokenizer = taken;
	*out = m;
	return KG_OK;
}

kg_err kg_model_set_template(kg_model *model, const char *text, size_t size)
{
	char *copy;

	if (size == 0 || size > KG_MODEL_TEMPLATE_MAX || memchr(text, '\0', size) != NULL)
		return KG_OK;
	copy = malloc(size);
	if (copy == NULL)
		return kg_fail(KG_ENOMEM, "model: no memory for a template");
	memcpy(copy, text, size);
	free(model->template_owned);
	model->template = model->template_owned = copy;
	model->template_size = size;
	return KG_OK;
}

void kg_model_free(kg_model *model)
{
	if (model == NULL)
		return;
	kg_tokenizer_free(model->tokenizer);
	free(model->template_owned);
	free(model->tensors);
	free(model->floats);
	free(model->lines);
	if (model->map.data != NULL)
		kg_map_close(&model->map);
	free(model);
}

/* Roles from `first` up to, not including, `end` that a model has. */
static uint32_t count_roles(const kg_model_config *config, int first, int end)
{
	uint32_t count = 0;

	for (int role = first; role < end; role++)
		count += kg_tensor_role_exists((kg_tensor_role)role, config);
	return count;
}

const kg_tensor *kg_model_tensor(const kg_model *model, kg_tensor_role role, uint32_t layer)
{
	const kg_model_config *c = &model->config;
	uint32_t index = 0;

	KG_ASSERT(role < KG_TENSOR_ROLE_COUNT);
	if (role == KG_TENSOR_HEAD && c->tied)
		role = KG_TENSOR_EMBEDDING;
	if (!kg_tensor_role_exists(role, c))
		return NULL;
	if (role == KG_TENSOR_EMBEDDING)
		return &model->tensors[0];
	if (role < KG_TENSOR_LAYER_ROLES) {
		KG_ASSERT(layer < c->layers);
		index = 1 + layer * count_roles(c, 0, KG_TENSOR_LAYER_ROLES) +
			count_roles(c, 0, (int)role);
	} else {
		index = 1 + c->layers * count_roles(c, 0, KG_TENSOR_LAYER_ROLES) +
			count_roles(c, KG_TENSOR_OUTPUT_NORM, (int)role);
	}
	return &model->tensors[index];
}

float *kg_model_floats(kg_model *model, kg_tensor_role role, uint32_t layer)
{
	const float *at = kg_model_tensor(model, role, layer)->data;

	KG_ASSERT(model->floats != NULL);
	return model->floats + (at - model->floats);
}

kg_phase *kg_model_phase(kg_model *model, kg_tensor_role role, uint32_t layer)
{
	const kg_tensor *tensor = kg_model_tensor(model, role, layer);

	KG_ASSERT(model->lines != NULL && tensor->format == KG_FORMAT_PHASE);
	return &model->tensors[tensor - model->tensors].phase;
}

const kg_model_config *kg_model_get_config(const kg_model *model)
{
	return &model->config;
}

const char *kg_model_name(const kg_model *model)
{
	return model->name;
}

const kg_tokenizer *kg_model_tokenizer(const kg_model *model)
{
	return model->tokenizer;
}

const kg_model_prompt *kg_model_get_prompt(const kg_model *model)
{
	return &model->prompt;
}

const char *kg_model_template(const kg_model *model, size_t *size)
{
	*size = model->template_size;
	return model->template;
}

kg_strategy kg_model_strategy(const kg_model *model)
{
	return model->strategy;
}

const uint8_t *kg_model_seed(const kg_model *model)
{
	return model->seeded ? model->seed : NULL;
}

const uint8_t *kg_model_base_digest(const kg_model *model)
{
	return model->has_base ? model->base_digest : NULL;
}

const uint8_t *kg_model_calibration(const kg_model *model)
{
	return model->is_calibrated ? model->calibration : NULL;
}

uint32_t kg_model_tensor_count(const kg_model *model)
{
	return model->tensors_count;
}

const kg_tensor *kg_model_tensor_at(const kg_model *model, uint32_t index)
{
	KG_ASSERT(index < model->tensors_count);
	return &model->tensors[index];
}

uint64_t kg_model_parameters(const kg_model *model)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < model->tensors_count; i++)
		total += (uint64_t)model->tensors[i].rows * model->tensors[i].cols;
	return total;
}

uint64_t kg_model_tensor_bytes(const kg_model *model)
{
	return model->tensor_bytes;
}

const uint8_t *kg_model_bytes(const kg_model *model, size_t *size)
{
	*size = model->bytes_size;
	return model->bytes;
}

static void int8_floats(const kg_tensor *t, float *out)
{
	kg_lines lines = kg_lines_of(KG_LINES_INT8, t->rows, t->cols);

	for (uint32_t i = 0; i < t->rows; i++, out += t->cols) {
		/* A row of floats has room for its codes; they are read from the end. */
		uint8_t *codes = (uint8_t *)out;

		kg_lines_unpack(&lines, t->line[0], i, codes);
		for (uint32_t j = t->cols; j-- > 0;)
			out[j] = t->scales[i] * (float)(int8_t)codes[j];
	}
}

static kg_err fairy_floats(const kg_model *model, const kg_tensor *t, float *out)
{
	uint32_t planes = kg_fairy_plane_count(t->fairy.stages);
	size_t size = kg_fairy_plane_size(t->rows, t->cols);
	float *paired = malloc((size_t)t->rows * t->cols * sizeof(*paired));
	uint8_t *codes = malloc(planes * size);
	void *storage = malloc(kg_pairing_size(t->rows, t->cols));
	kg_fairy fairy = t->fairy;
	kg_pairing pairing;

	if (paired == NULL || codes == NULL || storage == NULL) {
		free(paired);
		free(codes);
		free(storage);
		return kg_fail(KG_ENOMEM, "model: no memory for tensor %s", t->name);
	}
	for (uint32_t p = 0; p < planes; p++) {
		kg_lines lines = kg_fairy_lines(fairy.stages, p, t->rows, t->cols);

		fairy.plane[p].code = codes + p * size;
		kg_fairy_lines_unpack(&lines, t->line[p], fairy.plane[p].code);
	}
	kg_fairy_dequantize(paired, &fairy);
	kg_pairing_init(&pairing, storage, t->rows, t->cols, kg_model_seed(model), t->name);
	kg_pairing_undo(&pairing, out, paired);
	free(paired);
	free(codes);
	free(storage);
	return KG_OK;
}

kg_err kg_model_tensor_floats(const kg_model *model, const kg_tensor *tensor, float *out)
{
	size_t n = (size_t)tensor->rows * tensor->cols;

	switch (tensor->format) {
	case KG_FORMAT_F32:
		memcpy(out, tensor->data, n * sizeof(*out));
		return KG_OK;
	case KG_FORMAT_F16:
		kg_half_to_floats(out, tensor->data, n);
		return KG_OK;
	case KG_FORMAT_INT8:
		int8_floats(tensor, out);
		return KG_OK;
	case KG_FORMAT_FAIRY1:
	case KG_FORMAT_FAIRY2:
	case KG_FORMAT_FAIRY3:
		return fairy_floats(model, tensor, out);
	case KG_FORMAT_PHASE:
		return kg_fail(KG_EINVAL, "model: %s is a complex matrix, not one of real numbers",
			       tensor->name);
	default:
		kg_coded_dequantize(out, &tensor->coded);
		return KG_OK;
	}
}
