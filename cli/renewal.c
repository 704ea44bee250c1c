/* SPDX-License-Identifier: MIT */
#include "cli/renewal.h"

#include <string.h>

#include "identity/generations.h"
#include "identity/keyring.h"
#include "memory/chain.h"

/* What is known of one generation's chain; NULL: nothing. */
static kg_err chain_at(const kg_admit_chain **out, kg_pubkey *key, const kg_swarm *swarm,
		       const kg_admit *admit, const char *name, uint32_t generation)
{
	kg_key *derived = NULL;
	kg_err err = kg_swarm_key_at(swarm, name, generation, &derived);

	if (err != KG_OK)
		return err;
	*key = *kg_key_public(derived);
	kg_key_free(derived);
	*out = kg_admit_find(admit, key);
	return KG_OK;
}

/* Follows the successors of `name` from the first key on. */
static kg_err follow(kg_swarm *swarm, const kg_admit *admit, const char *name)
{
	const kg_admit_chain *chain;
	uint32_t generation = 0;
	kg_pubkey key;
	kg_err err = chain_at(&chain, &key, swarm, admit, name, 0);

	while (err == KG_OK && chain != NULL && (chain->closed || chain->revoked)) {
		const kg_admit_chain *before = chain;
		bool begun;

		err = chain_at(&chain, &key, swarm, admit, name, generation + 1);
		begun = err == KG_OK && chain != NULL && chain->head.sequence > 0;
		/* A revoked key names nobody: the next one is what the swarm has certified. */
		if (err != KG_OK || (!before->closed && !begun) ||
		    (before->closed && !kg_pubkey_equal(&before->successor, &key)))
			break;
		if (!begun)
			return kg_fail(KG_ECONFLICT,
				       "the key of %s was given up and its successor has not "
				       "begun: run `kindergarten rotate %s` again",
				       name, name);
		generation++;
	}
	return err == KG_OK ? kg_swarm_set_generation(swarm, name, generation) : err;
}

kg_err kg_renewal_learn(kg_swarm *swarm, const kg_admit *admit)
{
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < admit->count; i++) {
		const kg_admit_chain *chain = &admit->chains[i];

		if ((chain->closed || chain->revoked) &&
		    kg_pubkey_equal(&chain->swarm, &admit->swarm))
			err = follow(swarm, admit, chain->name);
	}
	return err;
}

kg_err kg_renewal_settle(kg_swarm *swarm, const kg_cli *cli)
{
	kg_store *store = NULL;
	kg_admit admit = {0};
	kg_err err = kg_store_open(&store, cli->state_dir);

	if (err != KG_OK)
		return err == KG_ENOTFOUND ? KG_OK : err;
	err = kg_admit_init(&admit, kg_swarm_id(swarm), 0);
	if (err == KG_OK)
		err = kg_chain_load(&admit, store);
	kg_store_free(store);
	if (err == KG_ECORRUPT) {
		kg_admit_release(&admit);
		return KG_OK;
	}
	if (err == KG_OK)
		err = kg_renewal_learn(swarm, &admit);
	kg_admit_release(&admit);
	if (err == KG_OK)
		err = kg_generations_write(swarm, cli->state_dir);
	return err == KG_OK ? kg_keyring_settle_public(swarm, cli->state_dir) : err;
}
