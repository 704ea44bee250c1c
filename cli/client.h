/* SPDX-License-Identifier: MIT */
/*
 * client – the command line as a peer of the running swarm: it speaks with the operator's key.
 *
 * A question ends with its answer, with the end of the orchestrator's process (seen at once), or
 * with silence.
 */
#ifndef KG_CLI_CLIENT_H
#define KG_CLI_CLIENT_H

#include "bus/socket.h"
#include "cli/command.h"
#include "identity/derive.h"
#include "orchestrator/runfile.h"

typedef struct kg_client kg_client;

/* KG_ENOTFOUND when no swarm runs in the state directory. */
KG_NODISCARD kg_err kg_client_open(kg_client **out, const kg_cli *cli);
void kg_client_free(kg_client *client);

/* How to reach the swarm. Borrowed. */
const kg_runfile *kg_client_run(const kg_client *client);

/* The identity, for whoever signs. Borrowed. */
const kg_swarm *kg_client_identity(const kg_client *client);

/* Asks the orchestrator, or the keeper. `body` is consumed. `silence_ms`: how long nothing at all
 * may come. `progress` (may be NULL) sees the PROGRESS messages meanwhile. `*out` is the answer, to
 * be released; a `failed` answer is returned as its error. */
typedef void (*kg_client_progress)(void *data, const kg_message *message);
KG_NODISCARD kg_err kg_client_ask(kg_client *client, kg_message_kind kind, json_t *body,
				  int silence_ms, kg_message *out, kg_client_progress progress,
				  void *data);
KG_NODISCARD kg_err kg_client_ask_keeper(kg_client *client, kg_message_kind kind, json_t *body,
					 int silence_ms, kg_message *out);
/* Gives the keeper the bytes of a signed commit. */
KG_NODISCARD kg_err kg_client_submit(kg_client *client, const void *object, size_t size,
				     int silence_ms, kg_message *out);

/* Waits for the orchestrator's process to end; KG_ETIMEOUT. */
KG_NODISCARD kg_err kg_client_wait_end(kg_client *client, int timeout_ms);

#endif
