/* SPDX-License-Identifier: MIT */
#include "agent/genome.h"

#include <string.h>

static const char genome_magic[8] = {'K', 'G', 'G', 'E', 'N', 'O', 'M', '1'};

static const char genome_tag[] = "kindergarten genome v1";
static const char base_tag[] = "kindergarten base model v1";
static const char weights_tag[] = "kindergarten weights v1";

size_t kg_genome_encode(const kg_genome *genome, uint8_t out[KG_GENOME_SIZE_MAX])
{
	const char *name = kg_strategy_name(&genome->strategy);
	size_t length = strlen(name);
	KG_ASSERT(length >= 1 && length <= KG_GENOME_STRATEGY_MAX);

	uint8_t *at = out;
	memcpy(at, genome_magic, sizeof(genome_magic));
	at += sizeof(genome_magic);
	memcpy(at, genome->base_digest, KG_HASH_SIZE);
	at += KG_HASH_SIZE;
	memcpy(at, genome->seed, KG_SEED_SIZE);
	at += KG_SEED_SIZE;
	*at++ = (uint8_t)length;
	memcpy(at, name, length);
	return (size_t)(at - out) + length;
}

kg_err kg_genome_decode(kg_genome *out, const uint8_t *data, size_t size)
{
	if (size < KG_GENOME_SIZE_MIN || size > KG_GENOME_SIZE_MAX ||
	    memcmp(data, genome_magic, sizeof(genome_magic)) != 0) {
		return kg_fail(KG_ECORRUPT, "%zu bytes are no genome", size);
	}
	kg_genome genome;
	const uint8_t *at = data + sizeof(genome_magic);
	memcpy(genome.base_digest, at, KG_HASH_SIZE);
	at += KG_HASH_SIZE;
	memcpy(genome.seed, at, KG_SEED_SIZE);
	at += KG_SEED_SIZE;

	size_t length = *at++;
	if (length != size - (size_t)(at - data)) {
		return kg_fail(KG_ECORRUPT, "genome: strategy is not as long as it says");
	}
	char name[KG_GENOME_STRATEGY_MAX + 1];
	memcpy(name, at, length);
	name[length] = '\0';
	if (strlen(name) != length || kg_strategy_parse(&genome.strategy, name) != KG_OK ||
	    strcmp(kg_strategy_name(&genome.strategy), name) != 0) {
		return kg_fail(KG_ECORRUPT, "genome: unknown strategy");
	}
	*out = genome;
	return KG_OK;
}

void kg_genome_id(const kg_genome *genome, uint8_t out[KG_HASH_SIZE])
{
	uint8_t bytes[KG_GENOME_SIZE_MAX];
	size_t size = kg_genome_encode(genome, bytes);
	kg_hash(out, genome_tag, bytes, size);
}

/* Whether a model of that strategy can still become anything. */
static bool is_float(kg_strategy strategy)
{
	return strategy.linear == KG_FORMAT_F32 || strategy.linear == KG_FORMAT_F16;
}

kg_err kg_genome_choose(kg_genome *genome, const kg_model *model, const char *strategy,
			const char *label)
{
	_Static_assert((int)KG_SEED_SIZE == (int)KG_HASH_SIZE, "a label's hash is a seed");
	kg_strategy has = kg_model_strategy(model);
	if (is_float(has)) {
		kg_err err =
			kg_strategy_parse(&genome->strategy, strategy[0] ? strategy : "fairy2");
		return err == KG_OK ? kg_seed_from_label(genome->seed, label) : err;
	}
	const char *name = kg_strategy_name(&has);
	kg_strategy wanted = has;
	kg_err err = strategy[0] ? kg_strategy_parse(&wanted, strategy) : KG_OK;
	if (err != KG_OK) {
		return err;
	}
	if (!kg_strategy_same(&wanted, &has)) {
		return kg_fail(KG_EINVAL, "model \"%s\" is %s already and cannot become %s",
			       kg_model_name(model), name, strategy);
	}
	genome->strategy = has;
	memset(genome->seed, 0, KG_SEED_SIZE);
	if (kg_model_seed(model)) {
		memcpy(genome->seed, kg_model_seed(model), KG_SEED_SIZE);
	}
	return KG_OK;
}

kg_err kg_base_digest(uint8_t out[KG_HASH_SIZE], const kg_model *model)
{
	size_t size = 0;
	const uint8_t *data = kg_model_bytes(model, &size);
	if (!data) {
		return kg_fail(KG_EINVAL, "a model in memory only has no base digest");
	}
	kg_hash(out, base_tag, data, size);
	return KG_OK;
}

static void digest_update(void *stream, const void *data, size_t size)
{
	kg_hash_update(stream, data, size);
}

kg_err kg_weights_digest(uint8_t out[KG_HASH_SIZE], const kg_weights *weights)
{
	kg_hash_stream stream;
	kg_hash_init(&stream, weights_tag);
	kg_err err = kg_weights_visit(weights, digest_update, &stream);
	if (err == KG_OK) {
		kg_hash_final(&stream, out);
	}
	return err;
}

kg_err kg_genome_weights(kg_weights **out, const kg_genome *genome, const kg_model *model)
{
	if (is_float(kg_model_strategy(model))) {
		return kg_weights_new(out, model, &genome->strategy, genome->seed);
	}
	static const uint8_t plain[KG_SEED_SIZE];
	const uint8_t *seed = kg_model_seed(model);
	if (memcmp(genome->seed, seed ? seed : plain, KG_SEED_SIZE) != 0) {
		return kg_fail(KG_ECONFLICT, "model \"%s\" is paired by another seed",
			       kg_model_name(model));
	}
	return kg_weights_new(out, model, &genome->strategy, NULL);
}
