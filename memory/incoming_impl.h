/* SPDX-License-Identifier: MIT */
/* incoming_impl – the inside of a quarantine, for those in this room who bring objects into it. */
#ifndef KG_MEMORY_INCOMING_IMPL_H
#define KG_MEMORY_INCOMING_IMPL_H

#include <git2.h>

#include "memory/incoming.h"
#include "memory/store_impl.h"

struct kg_incoming {
	kg_store *store;
	char path[KG_PATH_SIZE];
};

/* What is counted while a pack comes in. */
typedef struct {
	const kg_incoming_limits *limits;
	kg_store_progress progress; /* or NULL */
	void *payload;
	kg_err failed; /* why it was stopped; the message is this thread's */
} kg_incoming_watch;

/* git_indexer_progress_cb; the payload is a kg_incoming_watch. */
int kg_incoming__watch(const git_indexer_progress *stats, void *payload);

#endif
