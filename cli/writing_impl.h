/* SPDX-License-Identifier: MIT */
/* writing_impl – the inside of a writing, for its parts: one entry, and many at once. */
#ifndef KG_CLI_WRITING_IMPL_H
#define KG_CLI_WRITING_IMPL_H

#include "agent/outbox.h"
#include "bus/bus.h"
#include "bus/socket.h"
#include "cli/writing.h"
#include "orchestrator/runfile.h"

enum {
	KG_WRITING__ANSWER_MS = 10000,
	/* Entries on the way to a keeper: as many as it ever allows. Its queue of answers to one
	 * asker has room for all of them, see bus/socket.c. */
	KG_WRITING__WINDOW_MAX = 256
};

/* An entry on the way. */
typedef struct {
	uint64_t id; /* of the message */
	uint64_t tag;
} kg_writing__passing;

struct kg_writing {
	const kg_swarm *swarm;
	const char *state_dir;
	const kg_pubkey *author; /* whose outbox is being delivered */
	kg_memory *memory;       /* when nobody else writes */
	kg_runfile *run;         /* else */
	kg_bus *bus;
	kg_socket *keeper;
	kg_socket *orchestrator; /* made when first needed */
	bool said;               /* something was, since the opening */
	kg_curve *curve;
	kg_writing__passing window[KG_WRITING__WINDOW_MAX]; /* in the order they were sent */
	size_t window_count;
	size_t credit;      /* how many may be there */
	size_t batch;       /* submitted to the memory and not durable yet */
	const void *sealed; /* content of the entry that is being said; NULL: none */
	size_t sealed_size;
};

/* The outbox of `name`, for the caller to free; waits for whoever signs with this key just now. */
KG_NODISCARD kg_err kg_writing__await_outbox(kg_writing *w, kg_outbox **out, const kg_key *key,
					     const char *name, kg_outbox_done stored, void *data);

/* Has all of the outbox of `w->author` stored, one by one. */
KG_NODISCARD kg_err kg_writing__deliver(kg_writing *w, kg_outbox *outbox);

/* Asks where the chain ends first. What was left there and is refused now is no error. */
KG_NODISCARD kg_err kg_writing__catch_up(kg_writing *w, kg_outbox *outbox);

/* Has the swarm certify the author, when it has not done so yet. */
KG_NODISCARD kg_err kg_writing__enrol(kg_writing *w, const kg_pubkey *author, const char *name);

#endif
