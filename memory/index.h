/* SPDX-License-Identifier: MIT */
/*
 * index – the merged, searchable view of all chains: SQLite with FTS5, disposable.
 *
 * Holds nothing that is not in git; deleted and rebuilt it has the same rows. The order of rows is
 * hybrid logical time, ties by entry id.
 */
#ifndef KG_MEMORY_INDEX_H
#define KG_MEMORY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"

enum { KG_INDEX_LIMIT_MAX = 10000, KG_INDEX_QUERY_MAX = 4096 };

typedef struct kg_index kg_index;

/* What to look for; zero-initialised: everything. */
typedef struct {
	const char *query; /* words that must all occur (any_word: at least one); NULL: none */
	bool any_word;
	const char *tag; /* NULL: any */
	bool has_type;
	kg_entry_type type;
	const kg_pubkey *agent;     /* NULL: any author */
	const char *agent_name;     /* NULL: any */
	const kg_pubkey *not_agent; /* leaves out this author; NULL: nobody */
	int64_t since_ms;           /* time at least; 0: any */
	bool has_level_min;
	double level_min; /* entries without a level are left out */
	bool chain_order; /* by sequence, ascending, instead of newest first */
	uint64_t sequence_min;
	size_t limit; /* 1..KG_INDEX_LIMIT_MAX; 0: 20 */
} kg_index_filter;

/* One entry as recall and log show it. */
typedef struct {
	kg_entry entry;
	kg_entry_proof proof; /* id, commit; has_parent is not kept: false */
	bool verified;        /* it was verified when it was taken in */
	double rank;          /* bm25, smaller is better; 0 without a query */
} kg_index_row;

typedef struct {
	kg_index_row *rows;
	size_t count;
} kg_index_rows;

void kg_index_rows_release(kg_index_rows *rows);

/* `path` NULL: in memory. `writable` creates the file and its tables; a file of another version or
 * a damaged one is replaced by an empty one. Read-only: KG_ENOTFOUND when there is none,
 * KG_ECORRUPT when it is of no use. */
KG_NODISCARD kg_err kg_index_open(kg_index **out, const char *path, bool writable);
void kg_index_free(kg_index *index);

/* Removes the files of an index that nobody has open; missing ones are fine. */
KG_NODISCARD kg_err kg_index_remove(const char *path);

/* True when the file was removed or replaced since it was opened. */
bool kg_index_is_moved(const kg_index *index);

/* A run of puts between begin and end is one transaction; cancel undoes it. To put what is there
 * already changes nothing. */
KG_NODISCARD kg_err kg_index_begin(kg_index *index);
KG_NODISCARD kg_err kg_index_put(kg_index *index, const kg_entry *entry,
				 const kg_entry_proof *proof, bool verified);
KG_NODISCARD kg_err kg_index_end(kg_index *index);
void kg_index_cancel(kg_index *index);

/* Removes every row. Inside a transaction. */
KG_NODISCARD kg_err kg_index_clear(kg_index *index);

/* The last row of a chain; all zero when it has none. */
KG_NODISCARD kg_err kg_index_head(kg_index *index, kg_chain_head *head, const kg_pubkey *agent);
KG_NODISCARD kg_err kg_index_count(kg_index *index, uint64_t *entries);

/* Rows that match: best first with a query, else newest first. Words of the query are plain words:
 * no operator of FTS5 reaches it. Texts hold what entries hold except genome, sampler, prompt,
 * answer, heads and members, which `show` reads from git. */
KG_NODISCARD kg_err kg_index_recall(kg_index *index, kg_index_rows *rows,
				    const kg_index_filter *filter);

/* The entry whose id or commit begins with `prefix` (6..64 lowercase hex digits): KG_ENOTFOUND,
 * KG_ECONFLICT when several do. */
KG_NODISCARD kg_err kg_index_find(kg_index *index, kg_entry_proof *proof, kg_pubkey *agent,
				  uint64_t *sequence, const char *prefix);

/* What stands at a place of a chain. KG_ENOTFOUND. */
KG_NODISCARD kg_err kg_index_at(kg_index *index, kg_entry_proof *proof, const kg_pubkey *agent,
				uint64_t sequence);

/* All rows as text, one line each, in order: equal memories give equal dumps. */
KG_NODISCARD kg_err kg_index_dump(kg_index *index, kg_buf *out);

#endif
