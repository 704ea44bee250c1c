/* SPDX-License-Identifier: MIT */
#include "identity/derive.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/hash.h"
#include "identity/mnemonic.h"
#include "identity/secret.h"

_Static_assert(crypto_kdf_KEYBYTES == KG_HASH_SIZE, "the master is a hash");

/* A name that is not at generation 0. */
typedef struct {
	char name[KG_NAME_SIZE];
	uint32_t generation;
} renewal;

struct kg_swarm {
	uint8_t *master; /* crypto_kdf key */
	kg_key *key;
	kg_key *operator_key;
	renewal *renewals; /* by name, ascending */
	size_t renewal_count;
};

/* What one derivation needs for a moment. */
typedef struct {
	uint8_t context_key[crypto_generichash_KEYBYTES];
	uint8_t seed[KG_KEY_SEED_SIZE];
} derivation;

kg_err kg_name_check(const char *name)
{
	size_t length = strnlen(name, KG_NAME_MAX + 1);

	if (length < 1 || length > KG_NAME_MAX)
		return kg_fail(KG_EINVAL, "a name has 1 to %d characters", KG_NAME_MAX);
	for (size_t i = 0; i < length; i++) {
		char c = name[i];
		bool inner = i > 0 && i + 1 < length;

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && inner)))
			return kg_fail(KG_EINVAL,
				       "a name is of a-z, 0-9 and inner '-': "
				       "character %zu",
				       i + 1);
	}
	return KG_OK;
}

/* What is hashed for a generation of a name. */
static size_t label_of(uint8_t label[KG_NAME_SIZE + 4], const char *name, uint32_t generation)
{
	size_t length = strlen(name);

	memcpy(label, name, length);
	if (generation == 0)
		return length;
	label[length++] = 0;
	for (size_t i = 0; i < 4; i++)
		label[length++] = (uint8_t)(generation >> 8 * i);
	return length;
}

/* The seed of `name` under `context` (8 bytes), in locked memory. */
static kg_err seed_derive(derivation **out, const uint8_t *master, const char *context,
			  const char *name, uint32_t generation)
{
	uint8_t label[KG_NAME_SIZE + 4];
	void *room;
	derivation *d;
	kg_err err = kg_name_check(name);

	if (err == KG_OK && generation > KG_GENERATION_MAX)
		err = kg_fail(KG_EINVAL, "generation %lu of a key", (unsigned long)generation);
	if (err == KG_OK)
		err = kg_secret_new(&room, sizeof(*d));
	if (err != KG_OK)
		return err;
	d = room;
	KG_ASSERT(crypto_kdf_derive_from_key(d->context_key, sizeof(d->context_key), 1, context,
					     master) == 0);
	KG_ASSERT(crypto_generichash(d->seed, sizeof(d->seed), label,
				     label_of(label, name, generation), d->context_key,
				     sizeof(d->context_key)) == 0);
	*out = d;
	return KG_OK;
}

static kg_err key_derive(kg_key **out, const uint8_t *master, const char *context, const char *name,
			 uint32_t generation)
{
	derivation *d;
	kg_err err = seed_derive(&d, master, context, name, generation);

	if (err != KG_OK)
		return err;
	err = kg_key_new(out, d->seed);
	kg_secret_free(d);
	return err;
}

static kg_err swarm_fill(kg_swarm *swarm, const uint8_t *entropy, size_t size)
{
	void *seed = NULL;
	void *master;
	kg_err err = kg_secret_new(&master, crypto_kdf_KEYBYTES);

	if (err != KG_OK)
		return err;
	swarm->master = master;
	err = kg_secret_new(&seed, KG_MNEMONIC_SEED_SIZE);
	if (err == KG_OK)
		err = kg_mnemonic_seed(seed, entropy, size, "");
	if (err == KG_OK)
		err = kg_key_new(&swarm->key, seed);
	if (err == KG_OK) {
		kg_hash(swarm->master, "kindergarten kdf v1", seed, KG_MNEMONIC_SEED_SIZE);
		err = key_derive(&swarm->operator_key, swarm->master, "kgoperat", KG_OPERATOR_NAME,
				 0);
	}
	kg_secret_free(seed);
	return err;
}

kg_err kg_swarm_from_entropy(kg_swarm **out, const uint8_t *entropy, size_t size)
{
	kg_swarm *swarm = calloc(1, sizeof(*swarm));
	kg_err err;

	if (swarm == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a swarm");
	err = swarm_fill(swarm, entropy, size);
	if (err != KG_OK) {
		kg_swarm_free(swarm);
		return err;
	}
	*out = swarm;
	return KG_OK;
}

kg_err kg_swarm_from_mnemonic(kg_swarm **out, const char *words, size_t length)
{
	void *entropy;
	size_t size;
	kg_err err = kg_secret_new(&entropy, KG_MNEMONIC_ENTROPY_MAX);

	if (err != KG_OK)
		return err;
	err = kg_mnemonic_decode(entropy, &size, words, length);
	if (err == KG_OK)
		err = kg_swarm_from_entropy(out, entropy, size);
	kg_secret_free(entropy);
	return err;
}

void kg_swarm_free(kg_swarm *swarm)
{
	if (swarm == NULL)
		return;
	kg_key_free(swarm->operator_key);
	kg_key_free(swarm->key);
	kg_secret_free(swarm->master);
	free(swarm->renewals);
	free(swarm);
}

const kg_pubkey *kg_swarm_id(const kg_swarm *swarm)
{
	return kg_key_public(swarm->key);
}

const kg_key *kg_swarm_key(const kg_swarm *swarm)
{
	return swarm->key;
}

const kg_key *kg_swarm_operator_key(const kg_swarm *swarm)
{
	return swarm->operator_key;
}

/* Where `name` is, or would be, among the renewals. */
static size_t renewal_at(const kg_swarm *swarm, const char *name, bool *found)
{
	size_t at = 0;

	while (at < swarm->renewal_count && strcmp(swarm->renewals[at].name, name) < 0)
		at++;
	*found = at < swarm->renewal_count && strcmp(swarm->renewals[at].name, name) == 0;
	return at;
}

uint32_t kg_swarm_generation(const kg_swarm *swarm, const char *name)
{
	bool found;
	size_t at = renewal_at(swarm, name, &found);

	return found ? swarm->renewals[at].generation : 0;
}

const char *kg_swarm_renewed(const kg_swarm *swarm, size_t index)
{
	return index < swarm->renewal_count ? swarm->renewals[index].name : NULL;
}

static kg_err renewal_insert(kg_swarm *swarm, size_t at, const char *name)
{
	renewal *grown;

	if (swarm->renewal_count == KG_GENERATION_NAMES_MAX)
		return kg_fail(KG_EFULL, "more than %d names with a renewed key",
			       KG_GENERATION_NAMES_MAX);
	grown = realloc(swarm->renewals, (swarm->renewal_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the renewed keys");
	swarm->renewals = grown;
	memmove(grown + at + 1, grown + at, (swarm->renewal_count - at) * sizeof(*grown));
	memcpy(grown[at].name, name, strlen(name) + 1);
	swarm->renewal_count++;
	return KG_OK;
}

kg_err kg_swarm_set_generation(kg_swarm *swarm, const char *name, uint32_t generation)
{
	bool is_operator = strcmp(name, KG_OPERATOR_NAME) == 0;
	kg_key *key = NULL;
	bool found;
	size_t at = renewal_at(swarm, name, &found);
	kg_err err = kg_name_check(name);

	if (err == KG_OK && generation > KG_GENERATION_MAX)
		err = kg_fail(KG_EINVAL, "generation %lu of a key", (unsigned long)generation);
	if (err == KG_OK && is_operator)
		err = kg_swarm_key_at(swarm, name, generation, &key);
	if (err == KG_OK && generation > 0 && !found)
		err = renewal_insert(swarm, at, name);
	if (err != KG_OK) {
		kg_key_free(key);
		return err;
	}
	if (generation > 0)
		swarm->renewals[at].generation = generation;
	else if (found)
		memmove(swarm->renewals + at, swarm->renewals + at + 1,
			(--swarm->renewal_count - at) * sizeof(*swarm->renewals));
	if (is_operator) {
		kg_key_free(swarm->operator_key);
		swarm->operator_key = key;
	}
	return KG_OK;
}

kg_err kg_swarm_key_at(const kg_swarm *swarm, const char *name, uint32_t generation, kg_key **out)
{
	bool is_operator = strcmp(name, KG_OPERATOR_NAME) == 0;

	return key_derive(out, swarm->master, is_operator ? "kgoperat" : "kgagents", name,
			  generation);
}

kg_err kg_swarm_agent_key(const kg_swarm *swarm, const char *name, kg_key **out)
{
	return key_derive(out, swarm->master, "kgagents", name, kg_swarm_generation(swarm, name));
}

kg_err kg_swarm_curve(const kg_swarm *swarm, const char *name, kg_curve **out)
{
	derivation *d;
	kg_err err =
		seed_derive(&d, swarm->master, "kgcurve_", name, kg_swarm_generation(swarm, name));

	if (err != KG_OK)
		return err;
	err = kg_curve_new(out, d->seed);
	kg_secret_free(d);
	return err;
}
