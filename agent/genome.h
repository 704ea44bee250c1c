/* SPDX-License-Identifier: MIT */
/*
 * genome – what makes an agent's weights: base model, strategy, seed.
 *
 * Under 200 bytes, and enough to rebuild the weights bit for bit. Canonical bytes:
 *
 *    0  8  "KGGENOM1"
 *    8 32  base digest: kg_hash("kindergarten base model v1", the bytes of the model file)
 *   40 32  seed
 *   72  1  length n of the strategy's name, 1..KG_GENOME_STRATEGY_MAX
 *   73  n  the strategy's name as kg_strategy_name spells it
 *
 * The id of a genome is kg_hash("kindergarten genome v1", canonical bytes). The name and not the
 * number of the strategy is hashed, so that new formats never change the id of an old genome.
 */
#ifndef KG_AGENT_GENOME_H
#define KG_AGENT_GENOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "identity/hash.h"
#include "runtime/format.h"
#include "runtime/model.h"
#include "runtime/weights.h"

enum {
	KG_GENOME_STRATEGY_MAX = 120,
	KG_GENOME_SIZE_MIN = 8 + KG_HASH_SIZE + KG_SEED_SIZE + 2,
	KG_GENOME_SIZE_MAX = 8 + KG_HASH_SIZE + KG_SEED_SIZE + 1 + KG_GENOME_STRATEGY_MAX,
};

typedef struct {
	uint8_t base_digest[KG_HASH_SIZE];
	kg_strategy strategy;
	uint8_t seed[KG_SEED_SIZE];
} kg_genome;

/* Writes the canonical bytes, returns their number. */
size_t kg_genome_encode(const kg_genome *genome, uint8_t out[KG_GENOME_SIZE_MAX]);

/* The inverse. KG_ECORRUPT for bytes that kg_genome_encode would not write. */
KG_NODISCARD kg_err kg_genome_decode(kg_genome *out, const uint8_t *data, size_t size);

/* The id: the digest of the canonical bytes. */
void kg_genome_id(const kg_genome *genome, uint8_t out[KG_HASH_SIZE]);

/* The digest of a model file's bytes. KG_EINVAL for a model that is not from a file. */
KG_NODISCARD kg_err kg_base_digest(uint8_t out[KG_HASH_SIZE], const kg_model *model);

/* Strategy and seed of an agent on `model`: what `strategy` names ("" means fairy2) and the seed of
 * `label` ("<swarm's label>/<agent's name>"). A model that is quantized already has one of each and
 * no choice: then `strategy` must be "" or that. The base digest is left alone. */
KG_NODISCARD kg_err kg_genome_choose(kg_genome *genome, const kg_model *model, const char *strategy,
				     const char *label);

/* The digest of weights as they are used: kg_hash("kindergarten weights v1", every byte that
 * kg_weights_visit shows, in its order). Equal on every machine and kernel. */
KG_NODISCARD kg_err kg_weights_digest(uint8_t out[KG_HASH_SIZE], const kg_weights *weights);

/* The weights this genome makes of its base. That `model` is that, by its kg_base_digest, is for
 * whoever opened it to know: it takes reading the whole file. KG_ECONFLICT when the file is paired
 * by another seed than the genome's. */
KG_NODISCARD kg_err kg_genome_weights(kg_weights **out, const kg_genome *genome,
				      const kg_model *model);

#endif
