/* SPDX-License-Identifier: MIT */
/*
 * outbox – an agent's signed entries on their way to the keeper.
 *
 * Holds the end of the agent's chain as the agent knows it: what is put is placed behind it, signed
 * and kept until the keeper has acknowledged it. Entries leave in order and are sent again until
 * then; the keeper knows an entry it has stored already. When the keeper's chain ends elsewhere
 * than thought, what it has not stored is placed and signed anew behind its end.
 *
 * Sends nothing itself and reads no clock.
 */
#ifndef KG_AGENT_OUTBOX_H
#define KG_AGENT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"

enum { KG_OUTBOX_MAX = 256 }; /* entries waiting */

typedef struct kg_outbox kg_outbox;

/* An entry that is stored for good. */
typedef void (*kg_outbox_done)(void *data, uint64_t ticket, const kg_entry *entry,
			       const kg_entry_id *id);

/* Entries of `name`, signed by `key` (borrowed), behind `head`. `done` is told of each. */
KG_NODISCARD kg_err kg_outbox_new(kg_outbox **out, const kg_pubkey *swarm, const kg_key *key,
				  const char *name, const kg_chain_head *head, kg_outbox_done done,
				  void *data);
void kg_outbox_free(kg_outbox *outbox);

/* Places and signs `*entry`, whose type and content are set, and keeps it. Takes the content, also
 * on failure. `*ticket`, never 0, names it whatever its id becomes; may be NULL. KG_EFULL when
 * KG_OUTBOX_MAX wait. */
KG_NODISCARD kg_err kg_outbox_put(kg_outbox *outbox, kg_entry *entry, int64_t now_ms,
				  uint64_t *ticket);

size_t kg_outbox_count(const kg_outbox *outbox);

/* The next entry to send: never sent, or sent at or before `before_ms` (monotonic). The object is
 * borrowed until the next call that changes the outbox. False when there is none. */
bool kg_outbox_due(const kg_outbox *outbox, int64_t before_ms, uint64_t *ticket,
		   const uint8_t **object, size_t *size);

/* It went out under this request. */
void kg_outbox_sent(kg_outbox *outbox, uint64_t ticket, uint64_t request, int64_t now_mono_ms);

/* All of them have to be sent again: the keeper restarted. */
void kg_outbox_unsent(kg_outbox *outbox);

/* Whether `request` is one of the last sends. */
bool kg_outbox_knows(const kg_outbox *outbox, uint64_t request);

/* The keeper stored the entry `id`, and so everything before it. False when it is not here. */
bool kg_outbox_acknowledge(kg_outbox *outbox, const kg_entry_id *id);

/* The keeper will never store what was sent under `request`: it is forgotten. The rest has to be
 * placed anew by kg_outbox_rebase. False when it is not here. */
bool kg_outbox_drop(kg_outbox *outbox, uint64_t request, uint64_t *ticket);

/* The keeper's chain ends at `head`. Entries up to it that are stored are done; if the rest does
 * not continue it, it is placed and signed anew. `*moved` says whether that was needed. */
KG_NODISCARD kg_err kg_outbox_rebase(kg_outbox *outbox, const kg_chain_head *head, int64_t now_ms,
				     bool *moved);

#endif
