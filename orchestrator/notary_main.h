/* SPDX-License-Identifier: MIT */
/*
 * notary_main – what the orchestrator signs with the swarm's key: who may write, and where the
 * chains end.
 *
 * It speaks with the keeper on the orchestrator's own socket and waits for each answer, at most
 * two seconds.
 */
#ifndef KG_ORCHESTRATOR_NOTARY_MAIN_H
#define KG_ORCHESTRATOR_NOTARY_MAIN_H

#include <jansson.h>

#include "base/err.h"
#include "bus/launch.h"
#include "bus/socket.h"
#include "identity/derive.h"

typedef struct {
	const kg_swarm *identity;
	kg_socket *keeper;
	kg_socket_other other; /* sees what else the keeper says meanwhile */
	void *data;
	json_t *witnessed; /* heads of the last checkpoint; starts NULL, json_decref it at the end
			    */
} kg_notary;

/* Certifies those of `members` that the swarm's chain does not certify yet; *certified is how many.
 * The swarm's own key needs none. */
KG_NODISCARD kg_err kg_notary_certify(kg_notary *notary, const kg_member *members, size_t count,
				      size_t *certified);

/* A checkpoint of all heads, when any has moved since the last; *chains is how many it names, 0
 * when there was nothing to witness. */
KG_NODISCARD kg_err kg_notary_checkpoint(kg_notary *notary, size_t *chains);

#endif
