/* SPDX-License-Identifier: MIT */
/*
 * notary_main – what the orchestrator signs with the swarm's key: who may write, and where the
 * chains end.
 *
 * It speaks with the keeper on the orchestrator's own socket and waits for each answer, at most
 * two seconds. It signs under the lock of the swarm's chain, on which commands write as well, and
 * through its outbox (agent/outbox.h).
 */
#ifndef KG_ORCHESTRATOR_NOTARY_MAIN_H
#define KG_ORCHESTRATOR_NOTARY_MAIN_H

#include "base/err.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "identity/derive.h"

typedef struct {
	const kg_swarm *identity;
	const char *state_dir;
	kg_socket *keeper;
	kg_socket_other other; /* sees what else the keeper says meanwhile */
	void *data;
} kg_notary;

/* Certifies those of `members` that the swarm's chain does not certify yet; *certified is how many.
 * The swarm's own key needs none. */
KG_NODISCARD kg_err kg_notary_certify(kg_notary *notary, const kg_member *members, size_t count,
				      size_t *certified);

/* A checkpoint of the heads that have moved since a checkpoint named them; *chains is how many, 0
 * when there was nothing to witness. What is witnessed already the keeper knows from the swarm's
 * chain. */
KG_NODISCARD kg_err kg_notary_checkpoint(kg_notary *notary, size_t *chains);

#endif
