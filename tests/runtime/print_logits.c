/* SPDX-License-Identifier: MIT */
/* Prints what models compute, bit for bit: random models under every format and some mixes, then
 * the embedded model. Two machines, or two kernels, are right when they print the same.
 *   print_logits [KERNEL] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernel.h"
#include "runtime/nursery.h"
#include "runtime/sampler.h"
#include "runtime/session.h"
#include "tests/runtime/plain_complex.h"
#include "tests/runtime/toy.h"

enum { TOKENS = 32, VOCABULARY_MAX = 1 << 16 };

static const char *const mixes[] = {
	"mix:table=int4,*=int4",
	"mix:attn_v=int8,ffn_down=palette256,*=ternary",
	"mix:attn_q=fairy1,ffn_up=palette4,*=fairy3",
};

static const uint8_t seed[KG_SEED_SIZE] = "a seed to compare machines by";

static float logits[VOCABULARY_MAX];

static void must(kg_err err)
{
	if (err == KG_OK)
		return;
	(void)fprintf(stderr, "print_logits: %s\n", kg_err_text());
	exit(111);
}

static void print_line(const char *model, const char *strategy, uint32_t token, uint32_t count)
{
	printf("%s %s %u:", model, strategy, token);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bits;

		memcpy(&bits, &logits[i], sizeof(bits));
		printf(" %08x", bits);
	}
	printf("\n");
}

static kg_session *session_of(const kg_weights *weights, uint32_t batch, uint32_t threads)
{
	const kg_session_options options = {.batch = batch, .threads = threads};
	kg_session *session = NULL;

	must(kg_session_new(&session, weights, &options));
	KG_ASSERT(kg_session_vocabulary(session) <= VOCABULARY_MAX);
	return session;
}

/* Greedy from token 1, or a new subject where the model would end; then the same in batches. */
static void print_weights(const char *name, const kg_weights *weights)
{
	kg_strategy strategy = kg_weights_strategy(weights);
	kg_session *session = session_of(weights, 0, 0);
	uint32_t count = kg_session_vocabulary(session);
	uint32_t token[TOKENS + 1] = {1};

	for (uint32_t position = 0; position < TOKENS; position++) {
		must(kg_session_step(session, token[position], logits));
		print_line(name, kg_strategy_name(&strategy), token[position], count);
		token[position + 1] = kg_sampler_greedy(logits, count);
		if (token[position + 1] < 3)
			token[position + 1] = (position * 97 + 3) % count;
	}
	kg_session_free(session);
	session = session_of(weights, 7, 2);
	must(kg_session_feed(session, token, TOKENS, logits));
	print_line(name, kg_strategy_name(&strategy), TOKENS, count);
	kg_session_free(session);
}

static void print_run(const char *name, const kg_model *model, const char *strategy_name)
{
	kg_strategy strategy;
	kg_weights *weights = NULL;

	must(kg_strategy_parse(&strategy, strategy_name));
	must(kg_weights_new(&weights, model, &strategy, seed));
	print_weights(name, weights);
	kg_weights_free(weights);
}

static void print_runs(const char *name, const kg_model *model)
{
	for (int i = 0; i < KG_FORMAT_COUNT; i++)
		if (i != KG_FORMAT_PHASE)
			print_run(name, model, kg_format_name((kg_format)i));
	for (size_t i = 0; i < sizeof(mixes) / sizeof(*mixes); i++)
		print_run(name, model, mixes[i]);
}

static void print_toys(void)
{
	kg_model_config config = toy_config();
	kg_model *model = toy_random(&config, 1);

	print_runs("llama", model);
	kg_model_free(model);
	config.qkv_bias = true;
	config.qk_norm = true;
	config.rope_factors = true;
	config.tied = true;
	model = toy_random(&config, 2);
	print_runs("qwen", model);
	kg_model_free(model);
}

/* Complex models are quantized when they are made: through a file, with every kind of table. */
static void print_file(const kg_model *made, kg_format table)
{
	const kg_model_form form = {.strategy = kg_strategy_of_phase(table)};
	kg_weights *weights = NULL;
	kg_model *model = NULL;
	uint8_t *bytes;
	kg_buf file;

	kg_buf_init(&file, 1 << 24);
	must(kg_model_encode(made, &file, &form));
	bytes = aligned_alloc(64, (file.size + 63) / 64 * 64);
	KG_ASSERT(bytes != NULL);
	memcpy(bytes, file.data, file.size);
	must(kg_model_open_memory(&model, bytes, file.size));
	must(kg_weights_new(&weights, model, NULL, NULL));
	print_weights("complex", weights);
	kg_weights_free(weights);
	kg_model_free(model);
	kg_buf_release(&file);
	free(bytes);
}

static void print_complex(void)
{
	static const kg_format tables[] = {KG_FORMAT_F32, KG_FORMAT_F16, KG_FORMAT_INT8,
					   KG_FORMAT_INT4};
	static const kg_model_config config = {.dim = 32,
					       .hidden = 35,
					       .layers = 2,
					       .heads = 4,
					       .kv_heads = 2,
					       .head_dim = 8,
					       .vocabulary = KG_TOKENIZER_BYTE_MODEL_COUNT,
					       .context = 40,
					       .rope_theta = 10000.0f,
					       .norm_eps = 1e-5f,
					       .architecture = KG_ARCHITECTURE_IFAIRY};
	plain_model *plain = plain_random(&config, 3);
	kg_tokenizer *tokenizer = NULL;
	kg_model *model = NULL;

	must(kg_tokenizer_byte_model(&tokenizer));
	must(kg_model_new(&model, &config, "complex", &tokenizer, NULL));
	plain_to_model(plain, model);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		print_file(model, tables[i]);
	kg_model_free(model);
	plain_free(plain);
}

int main(int argc, char **argv)
{
	kg_model *model = NULL;

	must(kg_kernel_set(argc > 1 ? argv[1] : NULL));
	print_toys();
	print_complex();
	if (kg_nursery_open(&model) == KG_OK) {
		print_runs("nursery", model);
		kg_model_free(model);
	}
	return 0;
}
