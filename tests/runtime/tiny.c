/* SPDX-License-Identifier: MIT */
#include "tests/runtime/tiny.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static kg_tokenizer *tiny_tokenizer(void)
{
	static const kg_tokenizer_rules rules = {
		.bos = 1, .eos = 2, .unknown = 0, .add_bos = true, .add_space_prefix = true};
	static const struct {
		const char *piece;
		float score;
		kg_token_kind kind;
	} tokens[TINY_VOCABULARY] = {
		{"<unk>", 0, KG_TOKEN_UNKNOWN}, {"<s>", 0, KG_TOKEN_CONTROL},
		{"</s>", 0, KG_TOKEN_CONTROL},  {" ", -1, KG_TOKEN_NORMAL},
		{"a", -2, KG_TOKEN_NORMAL},     {"b", -3, KG_TOKEN_NORMAL},
		{"c", -4, KG_TOKEN_NORMAL},     {"ab", -5, KG_TOKEN_NORMAL},
		{"abc", -6, KG_TOKEN_NORMAL},   {" a", -7, KG_TOKEN_NORMAL},
		{"<0xFF>", 0, KG_TOKEN_BYTE},
	};
	kg_tokenizer *t = NULL;

	KG_ASSERT(kg_tokenizer_new(&t, TINY_VOCABULARY) == KG_OK);
	for (uint32_t id = 0; id < TINY_VOCABULARY; id++)
		KG_ASSERT(kg_tokenizer_put(t, id, tokens[id].piece, strlen(tokens[id].piece),
					   tokens[id].score, tokens[id].kind) == KG_OK);
	KG_ASSERT(kg_tokenizer_finish(t, &rules) == KG_OK);
	return t;
}

static kg_model *tiny_of(const kg_model_config *config)
{
	static const kg_model_prompt prompt = {.prefix = "Q: ", .suffix = " A:", .stop = "\n"};
	kg_tokenizer *tokenizer = tiny_tokenizer();
	kg_model *model = NULL;

	KG_ASSERT(kg_model_new(&model, config, "tiny", &tokenizer, &prompt) == KG_OK);
	KG_ASSERT(tokenizer == NULL);
	return model;
}

kg_model *tiny_model(bool tied)
{
	return tiny_of(&(kg_model_config){.dim = 4,
					  .hidden = 4,
					  .layers = 1,
					  .heads = 1,
					  .kv_heads = 1,
					  .head_dim = 4,
					  .vocabulary = TINY_VOCABULARY,
					  .context = 16,
					  .rope_theta = 10000.0f,
					  .norm_eps = 1e-5f,
					  .tied = tied});
}

kg_model *tiny_complex(void)
{
	return tiny_of(&(kg_model_config){.dim = 5,
					  .hidden = 3,
					  .layers = 1,
					  .heads = 1,
					  .kv_heads = 1,
					  .head_dim = 5,
					  .vocabulary = TINY_VOCABULARY,
					  .context = 16,
					  .rope_theta = 10000.0f,
					  .norm_eps = 1e-5f,
					  .architecture = KG_ARCHITECTURE_IFAIRY,
					  .attention_scale = 0.25f});
}

static void fill_codes(kg_phase *phase, kg_rng *rng)
{
	for (uint32_t i = 0; i < phase->rows; i++)
		for (uint32_t j = 0; j < phase->cols; j++)
			kg_phase_put(phase, i, j, (uint8_t)(kg_rng_u64(rng) % 4));
	phase->re = kg_rng_float(rng) + 0.1f;
	phase->im = kg_rng_float(rng) + 0.1f;
}

void tiny_fill(kg_model *model, uint64_t seed)
{
	kg_rng rng;

	kg_rng_init_u64(&rng, seed);
	for (uint32_t i = 0; i < kg_model_tensor_count(model); i++) {
		const kg_tensor *t = kg_model_tensor_at(model, i);
		float *out;

		if (t->format == KG_FORMAT_PHASE) {
			fill_codes(kg_model_phase(model, t->role, t->layer), &rng);
			continue;
		}
		out = kg_model_floats(model, t->role, t->layer);
		for (size_t k = 0; k < (size_t)t->rows * t->cols; k++)
			out[k] = kg_rng_float(&rng) - 0.5f;
	}
}

uint8_t *tiny_aligned(const uint8_t *data, size_t size)
{
	uint8_t *copy = aligned_alloc(64, (size + 64) / 64 * 64);

	KG_ASSERT(copy != NULL);
	memcpy(copy, data, size);
	return copy;
}

uint8_t *tiny_file(const kg_model *model, kg_format linear, const uint8_t *seed, size_t *size)
{
	kg_model_form form = {.strategy = kg_strategy_of(linear), .seed = seed};
	uint8_t *file;
	kg_buf buf;

	kg_buf_init(&buf, 1 << 24);
	KG_ASSERT(kg_model_encode(model, &buf, &form) == KG_OK);
	file = tiny_aligned(buf.data, buf.size);
	*size = buf.size;
	kg_buf_release(&buf);
	return file;
}
