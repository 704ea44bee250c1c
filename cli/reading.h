/* SPDX-License-Identifier: MIT */
/*
 * reading – the collective memory for commands that only read: git, index and who is a member.
 *
 * Reads beside a running keeper. An index that is missing or of no use is made anew in memory.
 */
#ifndef KG_CLI_READING_H
#define KG_CLI_READING_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/command.h"
#include "memory/admit.h"
#include "memory/entry.h"
#include "memory/index.h"
#include "memory/store.h"

enum { KG_READING_AUTHOR_SIZE = 2 * KG_NAME_SIZE };

typedef struct {
	kg_pubkey swarm;
	kg_store *store;
	kg_index *index;
	kg_admit admit; /* members and heads, as far as they can be believed */
	bool believed;  /* the swarm's own chain is good, so that admit is complete */
} kg_reading;

/* Who was killed while writing may have left entries in the journal alone, and git between one ref
 * and the next. When nobody else writes that is carried over before anything is read; when it is
 * not possible, all of it is still safe there. */
void kg_reading_recover(const kg_cli *cli, const kg_pubkey *swarm);

/* KG_ENOTFOUND when there is no memory here. */
KG_NODISCARD kg_err kg_reading_open(kg_reading *out, const kg_cli *cli);
void kg_reading_close(kg_reading *reading);

/* An agent by name (of a peer's as name@peer), key, or six or more first digits of its key.
 * KG_ENOTFOUND, KG_ECONFLICT. */
KG_NODISCARD kg_err kg_reading_agent(const kg_reading *reading, kg_pubkey *agent, const char *text);

/* An entry by id or commit, or six or more first digits of one. KG_ENOTFOUND, KG_ECONFLICT. */
KG_NODISCARD kg_err kg_reading_commit(kg_reading *reading, kg_commit *commit, const char *text);

/* Rows that match, each held against git. */
KG_NODISCARD kg_err kg_reading_recall(kg_reading *reading, kg_index_rows *rows,
				      const kg_index_filter *filter);

/* The author as people read it: a name; of another swarm name@peer, or name@<digits> of a swarm
 * that is no peer. */
void kg_reading_author(const kg_reading *reading, char out[KG_READING_AUTHOR_SIZE],
		       const kg_entry *entry);

/* What kind of its type an entry is: "quarantine", "epoch", …; "" for a plain one. */
const char *kg_reading_kind(const kg_entry *entry);

/* Prints an entry on a few lines, for people; `whole` without shortening the text. */
void kg_reading_print(const kg_cli *cli, const kg_reading *reading, const kg_entry *entry,
		      const kg_entry_proof *proof, bool verified, bool whole);

#endif
