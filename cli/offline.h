/* SPDX-License-Identifier: MIT */
/*
 * offline – the memory in one command's hands alone, for what cannot be done beside a keeper:
 * leaving out entries, and removing bytes from the disk.
 */
#ifndef KG_CLI_OFFLINE_H
#define KG_CLI_OFFLINE_H

#include "base/err.h"
#include "cli/command.h"
#include "memory/admit.h"
#include "memory/store.h"

typedef struct {
	kg_pubkey swarm;
	kg_store *store; /* for writing */
	kg_admit admit;  /* members and heads of all chains */
	int lock;
} kg_offline;

/* Everything acknowledged is in git, what a killed command left half done is done, and nobody else
 * writes until the close. KG_ECONFLICT while a swarm runs or another command writes; KG_ENOTFOUND
 * when there is no memory. */
KG_NODISCARD kg_err kg_offline_open(kg_offline *out, const kg_cli *cli);
void kg_offline_close(kg_offline *offline);

/* Closes, and makes the index anew. */
KG_NODISCARD kg_err kg_offline_finish(kg_offline *offline, const kg_cli *cli);

/* KG_ECONFLICT with a line that says what to do while a swarm runs here. */
KG_NODISCARD kg_err kg_offline_check(const kg_cli *cli);

/* The lock of who alone writes, close(2) frees it; and the journal into git, by the one who knows
 * how, with what is left of an epoch moved on the way. Both wait some seconds for another command;
 * KG_ECONFLICT then. */
KG_NODISCARD kg_err kg_offline_lock(int *lock, const kg_cli *cli);
KG_NODISCARD kg_err kg_offline_settle(const kg_cli *cli, const kg_pubkey *swarm);

/* How many objects no chain reaches any more. */
KG_NODISCARD kg_err kg_offline_unreached(kg_offline *offline, uint64_t *count);

/* Drops sealed content whose entry never came: of a command that was killed in between. What still
 * waits in an outbox will come. `*dropped` is added to. */
KG_NODISCARD kg_err kg_offline_sweep(kg_offline *offline, const kg_cli *cli, size_t *dropped);

/* Writes exactly what the refs reach, and removes everything else from the disk: packs, loose
 * objects, and what still lies in the quarantine of remotes. */
KG_NODISCARD kg_err kg_offline_repack(kg_offline *offline, const kg_cli *cli);

#endif
