/* SPDX-License-Identifier: MIT */
/*
 * post_main – an agent's entries between its outbox and the keeper's socket.
 *
 * Sends what is due within the keeper's credit, takes in what the keeper answers, asks where the
 * chain ends when it ends elsewhere than thought. Waits for nothing.
 */
#ifndef KG_AGENT_POST_MAIN_H
#define KG_AGENT_POST_MAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/outbox.h"
#include "bus/socket.h"
#include "identity/key.h"

/* The keeper will never store this one; why is this thread's error. */
typedef void (*kg_post_lost)(void *data, uint64_t ticket, kg_err why);

typedef struct {
	kg_socket *keeper; /* borrowed, like all pointers */
	kg_outbox *outbox; /* NULL: nothing is sent yet */
	const kg_pubkey *agent;
	kg_post_lost lost;
	void *data;
	int64_t away_ms;       /* monotonic: no sends to the keeper before */
	uint64_t head_request; /* asked where the chain ends; 0 = no */
	bool closed;           /* the key may not write any more: revoked, or given up */
} kg_post;

/* The keeper did not take a message or did not answer: it is left alone for a while. */
void kg_post_avoid(kg_post *post, int64_t now_ms);
bool kg_post_is_away(const kg_post *post, int64_t now_ms);

void kg_post_send(kg_post *post, int64_t now_ms);

/* Whether this thread's message is the keeper's word that the key may not write any more. */
bool kg_post_is_closed(void);

/* An answer of the keeper that nobody waits for. */
void kg_post_hear(kg_post *post, const kg_message *message, int64_t now_ms);

#endif
