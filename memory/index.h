/* SPDX-License-Identifier: MIT */
/*
 * index – the merged, searchable view of all chains: SQLite with FTS5, disposable.
 *
 * Holds nothing that is not in git; deleted and rebuilt it has the same rows, and answers every
 * question with the same entries in the same order, whatever order they were put in. The order of
 * rows is hybrid logical time, ties by entry id. docs/recall.md has what the ranking is made of.
 *
 * A question of words costs a bounded amount of work at any size: of entries that match, the newest
 * KG_INDEX_WEIGHED_MAX are weighed. Without words the newest that match are found, all of them.
 */
#ifndef KG_MEMORY_INDEX_H
#define KG_MEMORY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"

enum {
	KG_INDEX_LIMIT_MAX = 10000,
	KG_INDEX_QUERY_MAX = 4096,
	KG_INDEX_WORDS_MAX = 32,     /* of a query; those behind are not looked at */
	KG_INDEX_WORD_SIZE = 48,     /* of a word as it is shown */
	KG_INDEX_WEIGHED_MAX = 1024, /* entries that one question weighs */
	KG_INDEX_WITNESSES_MAX = 15  /* other keys that count for an entry */
};

typedef struct kg_index kg_index;

/* What to look for; zero-initialised: everything that is not under quarantine. */
typedef struct {
	const char *query; /* words that must all occur (any_word: at least one); NULL: none */
	bool any_word;     /* very common words do not count where there are rarer ones */
	const char *tag;   /* NULL: any */
	bool has_type;
	kg_entry_type type;
	const kg_pubkey *agent;     /* NULL: any author */
	const char *agent_name;     /* NULL: any */
	const kg_pubkey *not_agent; /* leaves out this author; NULL: nobody */
	int64_t since_ms;           /* time at least; 0: any */
	bool has_level_min;
	double level_min; /* entries without a level are left out */
	bool has_confidence_min;
	double confidence_min; /* entries without one are left out */
	bool marked_too; /* those under quarantine, and what rests on them, are found like others */
	bool chain_order; /* by sequence, ascending, instead of newest first */
	uint64_t sequence_min;
	size_t limit; /* 1..KG_INDEX_LIMIT_MAX; 0: 20 */
} kg_index_filter;

/* What the place of one row among the answers was made of; all zero without a query. */
typedef struct {
	uint16_t counts[KG_INDEX_WORDS_MAX]; /* how often each word of the query is in it */
	uint64_t length;                     /* its words in all */
	double relevance;                    /* BM25 of the words */
	uint32_t witnesses;                  /* other keys whose entries cite it */
	double trust;                        /* from confidence and witnesses */
	double score;                        /* relevance * trust */
} kg_index_weight;

/* One entry as recall and log show it. */
typedef struct {
	kg_entry entry;
	kg_entry_proof proof; /* id, commit; has_parent is not kept: false */
	bool verified;        /* it was verified when it was taken in */
	bool marked;          /* under quarantine, or resting on an entry that is */
	kg_entry_id origin;   /* marked: the entry under quarantine, it itself or below it */
	kg_index_weight weight;
} kg_index_row;

/* A word of the query as it was weighed. */
typedef struct {
	char word[KG_INDEX_WORD_SIZE];
	uint64_t entries; /* that have it */
	double weight;    /* the rarer the more */
	bool left_out;    /* too common beside the others */
} kg_index_word;

typedef struct {
	kg_index_row *rows;
	size_t count;
	kg_index_word words[KG_INDEX_WORDS_MAX]; /* of the query; none without one */
	size_t word_count;
	uint64_t entries;   /* in the index */
	double length_mean; /* words of an entry */
	size_t weighed;     /* entries that were weighed, at most KG_INDEX_WEIGHED_MAX */
	bool similar;       /* by likeness of meaning, which is the score, not by words */
	bool cut;           /* older ones that match were not looked at */
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

/* A run of puts between begin and end is one transaction; cancel undoes it. Puts come in any order
 * and are found after end. To put what is there already changes nothing; an id that is there with a
 * lower sequence is replaced: it was carried into a new epoch. */
KG_NODISCARD kg_err kg_index_begin(kg_index *index);
KG_NODISCARD kg_err kg_index_put(kg_index *index, const kg_entry *entry,
				 const kg_entry_proof *proof, bool verified);
KG_NODISCARD kg_err kg_index_end(kg_index *index);
void kg_index_cancel(kg_index *index);

/* Told of every entry that is put, and again when it has its place: `steps` counts both. False ends
 * the work with KG_ETIMEOUT, "interrupted". NULL: nobody is told. */
typedef bool (*kg_index_progress)(void *payload, uint64_t steps);
void kg_index_watch(kg_index *index, kg_index_progress progress, void *payload);

/* Removes every row. Inside a transaction; the puts that follow in it are sorted before they are
 * taken in, which is the way to fill an index with very many. */
KG_NODISCARD kg_err kg_index_clear(kg_index *index);

/* The swarm whose quarantines count for entries of every swarm, not of its own alone; kept in the
 * index. Before or inside a transaction of puts. */
KG_NODISCARD kg_err kg_index_set_home(kg_index *index, const kg_pubkey *swarm);

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

/* An entry that cites, or is cited. */
typedef struct {
	kg_entry_id id;
	bool known; /* false: cited, and not in the index */
} kg_index_citation;

/* What the entry cites (`forward`), or what cites it, oldest first; at most `limit`, `*more` tells
 * of others. free() it. */
KG_NODISCARD kg_err kg_index_citations(kg_index *index, kg_index_citation **out, size_t *count,
				       bool *more, const kg_entry_id *id, bool forward,
				       size_t limit);

/* The row of an entry. KG_ENOTFOUND. */
KG_NODISCARD kg_err kg_index_row_of(kg_index *index, kg_index_row *row, const kg_entry_id *id);

/* Whether a row has all that a filter asks for but the words of the query. */
bool kg_index_matches(const kg_index_row *row, const kg_index_filter *filter);

/* Called for the newest entries, the newest first, until `*stop`. */
typedef kg_err (*kg_index_visit)(void *payload, const kg_entry_id *id, int64_t time_ms,
				 kg_entry_type type, bool sealed, bool *stop);
KG_NODISCARD kg_err kg_index_walk(kg_index *index, size_t limit, kg_index_visit visit,
				  void *payload);

/* Whether the entry is under quarantine, or rests on one that is: then on which. */
KG_NODISCARD kg_err kg_index_mark_of(kg_index *index, bool *marked, kg_entry_id *origin,
				     const kg_entry_id *id);

/* How many entries are marked because of this one, itself among them. */
KG_NODISCARD kg_err kg_index_count_marked(kg_index *index, uint64_t *count,
					  const kg_entry_id *origin);

/* The orders (quarantines, by their own id) that are in force against an entry; at most `limit`. */
KG_NODISCARD kg_err kg_index_orders(kg_index *index, kg_entry_id *orders, size_t *count,
				    const kg_entry_id *id, size_t limit);

/* All rows as text, one line each, in order: equal memories give equal dumps. */
KG_NODISCARD kg_err kg_index_dump(kg_index *index, kg_buf *out);

#endif
