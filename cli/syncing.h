/* SPDX-License-Identifier: MIT */
/*
 * syncing – memory from and to one remote: fetched apart, judged, taken in; then what is ours is
 * pushed. A remote that offers what it must not is put in quarantine by its name.
 */
#ifndef KG_CLI_SYNCING_H
#define KG_CLI_SYNCING_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "cli/command.h"
#include "cli/taking.h"
#include "memory/remote.h"

typedef struct {
	bool no_push;
	bool no_pull;
	bool forgive;
	const kg_pubkey *trust; /* a swarm to be believed first, or NULL */
} kg_syncing_options;

typedef struct {
	kg_remote remote; /* as it is known now */
	kg_taking taking;
	uint64_t pushed;    /* refs that the other side has taken */
	json_t *not_pushed; /* array of {ref, why} */
	bool was_bad;       /* in quarantine before: nothing was done */
	bool is_foreign;    /* of swarms that are not believed alone: nothing was taken or given */
	bool is_memory;     /* a swarm's own memory: not pushed to */
	bool is_new;        /* nothing was known of it */
} kg_syncing;

/* KG_OK also when the remote turns out to be bad: see remote.bad. */
KG_NODISCARD kg_err kg_syncing_run(kg_syncing *out, const kg_cli *cli, const char *remote,
				   const char *name, const kg_syncing_options *options);
void kg_syncing_release(kg_syncing *exchange);

/* Has the swarm's key say that another swarm is believed. `name` is made fit for one. */
KG_NODISCARD kg_err kg_syncing_trust(const kg_cli *cli, const kg_pubkey *swarm, const char *name);

#endif
