/* SPDX-License-Identifier: MIT */
/*
 * outbox – an author's signed entries on their way to the keeper.
 *
 * Holds the end of the author's chain as the author knows it: what is put is placed behind it,
 * signed and kept until the keeper has acknowledged it. Entries leave in order and are sent again
 * until then; the keeper knows an entry it has stored already. Kept on disk (outfile.h), it is the
 * same after a kill: the very same bytes are sent again, and no two entries are ever signed for one
 * place. When the keeper's chain ends elsewhere than thought, entries are placed and signed anew
 * behind its end, but only those that have not left, or that the keeper has refused there.
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

enum {
	KG_OUTBOX_SPARE = 256, /* when so many wait, a heartbeat or a trace finds no place */
	KG_OUTBOX_MAX = 4096,  /* the rest does until so many wait */
	KG_OUTBOX_CREDIT = 16, /* on the way at once, until the keeper has said how many */
	KG_OUTBOX_CREDIT_MAX = 256
};

typedef struct kg_outbox kg_outbox;

/* An entry that is stored for good. */
typedef void (*kg_outbox_done)(void *data, uint64_t ticket, const kg_entry *entry,
			       const kg_entry_proof *proof);

/* Entries of `name`, signed by `key` (borrowed). `state_dir` is where it is kept on disk, in
 * <state_dir>/outbox: the author's lock is held from here on, and what is there already is taken up
 * and comes first; NULL: in memory alone. `done` is told of what is stored; NULL: it is not. The
 * end of the chain, asked for under the lock, is next: kg_outbox_rebase; until then it is that of
 * an empty one. Codes of kg_outfile_open. */
KG_NODISCARD kg_err kg_outbox_new(kg_outbox **out, const kg_pubkey *swarm, const kg_key *key,
				  const char *name, const char *state_dir, kg_outbox_done done,
				  void *data);
void kg_outbox_free(kg_outbox *outbox);

/* Places and signs `*entry`, whose type and content are set, and keeps it. Takes the content, also
 * on failure. `*ticket`, never 0, names it whatever its id becomes; may be NULL. KG_EFULL when the
 * outbox has no place for its type. When the disk has none, it is kept all the same, but does not
 * leave before it could be written. */
KG_NODISCARD kg_err kg_outbox_put(kg_outbox *outbox, kg_entry *entry, int64_t now_ms,
				  uint64_t *ticket);

size_t kg_outbox_count(const kg_outbox *outbox);

/* How many may be on the way without an answer, 1..KG_OUTBOX_CREDIT_MAX; others are brought into
 * that range. */
void kg_outbox_allow(kg_outbox *outbox, int64_t credit);

/* The next entry to send: not on the way and within the credit, or sent at or before `before_ms`
 * (monotonic). The object is borrowed until the next call that changes the outbox. False when there
 * is none. */
bool kg_outbox_due(kg_outbox *outbox, int64_t before_ms, uint64_t *ticket, const uint8_t **object,
		   size_t *size);

/* It went out under this request. */
void kg_outbox_sent(kg_outbox *outbox, uint64_t ticket, uint64_t request, int64_t now_mono_ms);

/* All of them have to be sent again: the keeper restarted. */
void kg_outbox_unsent(kg_outbox *outbox);

/* Whether `request` is one of the last sends. */
bool kg_outbox_knows(const kg_outbox *outbox, uint64_t request);

/* The keeper stored the entry `id`, and so everything before it. False when it is not here. */
bool kg_outbox_acknowledge(kg_outbox *outbox, const kg_entry_id *id);

/* The keeper has stored what was sent under `request`. False when it is not here. */
bool kg_outbox_stored(kg_outbox *outbox, uint64_t request);

/* The keeper will never store what was sent under `request`: it is forgotten. The rest may have to
 * be placed anew by kg_outbox_rebase. False when it is not here. */
bool kg_outbox_drop(kg_outbox *outbox, uint64_t request, uint64_t *ticket);

/* The keeper says that what was sent under `request` does not continue the chain; kg_outbox_rebase
 * is next. */
void kg_outbox_refuse(kg_outbox *outbox, uint64_t request);

/* The keeper's chain ends at `head`. Entries up to it that are stored are done. If the rest does
 * not continue it, it is placed and signed anew, `*moved` says so; but what may have left is sent
 * once more as it is before that, alone, and moves only when the keeper refuses it. The time of an
 * entry stays when it can, and so does its id. */
KG_NODISCARD kg_err kg_outbox_rebase(kg_outbox *outbox, const kg_chain_head *head, int64_t now_ms,
				     bool *moved);

/* How a keeper is asked by someone who waits for each answer. */
typedef struct {
	void *data;
	/* KG_OK, KG_EEXISTS: it is stored. KG_ECONFLICT: does not continue the chain. KG_EDENIED,
	 * KG_EBADSIG, KG_ECORRUPT, KG_EINVAL: it will never be. Others: nobody knows. */
	kg_err (*submit)(void *data, const uint8_t *object, size_t size);
	kg_err (*head)(void *data, kg_chain_head *head);
} kg_outbox_port;

/* Sends everything, one after the other, placing anew what has to be, and forgets what the keeper
 * will never store. Returns how it went with the last one that was answered; what nobody knows of
 * stays for the next time. */
KG_NODISCARD kg_err kg_outbox_deliver(kg_outbox *outbox, const kg_outbox_port *port,
				      int64_t now_ms);

#endif
