/* SPDX-License-Identifier: MIT */
/* carrier_impl – the working side of the carrier: batches into git and the index. */
#ifndef KG_MEMORY_CARRIER_IMPL_H
#define KG_MEMORY_CARRIER_IMPL_H

#include "base/fs.h"
#include "memory/carrier.h"
#include "memory/index.h"

/* Used by one thread at a time. */
typedef struct {
	char state_dir[KG_PATH_SIZE];
	char index_path[KG_PATH_SIZE];
	kg_pubkey swarm;
	kg_store *store;
	kg_index *index;  /* NULL while it cannot be opened */
	bool index_stale; /* git holds entries that it does not */
	bool rebuilt;     /* out: by the last carry it was made from nothing */
	size_t carried;   /* out: how many of the batch the last carry brought into git */
	kg_load **batch;  /* room for KG_CARRIER_BATCH: in the order of the journal */
	kg_load **order;  /* the same, for sorting */
} kg_cargo;

KG_NODISCARD kg_err kg_cargo_open(kg_cargo *cargo, const char *state_dir, const kg_pubkey *swarm);
void kg_cargo_close(kg_cargo *cargo);

/* The first `count` of the batch into git, then into the index, which is mended where that is
 * asked for or needed. May be called again with a batch that begins with the same entries: what an
 * earlier call that failed had done is found done. */
KG_NODISCARD kg_err kg_cargo_carry(kg_cargo *cargo, size_t count, kg_mend mend);

#endif
