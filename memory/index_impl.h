/* SPDX-License-Identifier: MIT */
/*
 * index_impl – what the parts of the index share.
 *
 * index.c opens and looks places up; index_put.c takes entries in; index_terms.c cuts text into
 * words and counts who has them; index_marks.c keeps what is under quarantine; index_query.c makes
 * of a filter what FTS5 is asked; index_recall.c weighs; index_rows.c makes rows of columns.
 *
 * A row's number is its place in time, so that FTS5, which sorts by number, sorts by time.
 */
#ifndef KG_MEMORY_INDEX_IMPL_H
#define KG_MEMORY_INDEX_IMPL_H

#include <sqlite3.h>

#include "memory/index.h"

enum {
	KG_INDEX__TAGS_SIZE = KG_ENTRY_TAGS_MAX * (KG_ENTRY_TAG_MAX + 1) + 2,
	KG_INDEX__FACET_SIZE = 12,
	KG_INDEX__FACETS_MAX = KG_ENTRY_TAGS_MAX + 10,
	KG_INDEX__ASKED_MAX = 8, /* facets that a question may ask for */
	KG_INDEX__SAMPLE = 256   /* one entry of so many is a milestone */
};

typedef enum {
	KG_INDEX__HAVE,
	KG_INDEX__PUT,
	KG_INDEX__WEIGHT_PUT,
	KG_INDEX__WEIGHT_CITED,
	KG_INDEX__WEIGHT_VERIFIED,
	KG_INDEX__WEIGHT_MOVE,
	KG_INDEX__CANDIDATE,
	KG_INDEX__REPLACE,
	KG_INDEX__AUTHOR,
	KG_INDEX__AUTHOR_PUT,
	KG_INDEX__PLACE,
	KG_INDEX__SLOT,
	KG_INDEX__MOVE,
	KG_INDEX__MOVE_CITES,
	KG_INDEX__MOVE_MILESTONE,
	KG_INDEX__WORDS_PUT,
	KG_INDEX__WORDS_DROP,
	KG_INDEX__CITE,
	KG_INDEX__MILESTONE,
	KG_INDEX__STAGE,
	KG_INDEX__TERM_PUT,
	KG_INDEX__TERM,
	KG_INDEX__ORDER_PUT,
	KG_INDEX__WARD_PUT,
	KG_INDEX__WARDED,
	KG_INDEX__ANY_ORDER,
	KG_INDEX__IS_ORDER,
	KG_INDEX__MARK,
	KG_INDEX__MARK_PUT,
	KG_INDEX__CITING,
	KG_INDEX__CITED,
	KG_INDEX__NEXT_WITNESS,
	KG_INDEX__WITNESS,
	KG_INDEX__ROW,
	KG_INDEX__ROW_OF,
	KG_INDEX__AT,
	KG_INDEX__META,
	KG_INDEX__BOUND,
	KG_INDEX__STATEMENTS
} kg_index__statement;

/* An entry that waits for the end of its transaction; text, tags and references follow. */
typedef struct {
	size_t size; /* of all of it */
	kg_entry_id id;
	kg_commit commit;
	kg_pubkey swarm;
	kg_pubkey agent;
	char name[KG_NAME_SIZE];
	int type;
	int counter;
	bool verified;
	bool sealed;
	bool order; /* a quarantine, or the lifting of one */
	uint64_t sequence;
	int64_t time_ms;
	int64_t numbers[6]; /* confidence, level, parts, in steps of 1e-6; INT64_MIN: none */
	size_t text_size;
	size_t tags_size; /* without '\0' */
	size_t reference_count;
	uint8_t bytes[]; /* text, '\0', tags with a space at both ends, '\0', references */
} kg_index__record;

typedef struct kg_index__terms kg_index__terms;

struct kg_index {
	sqlite3 *db;
	sqlite3_stmt *statements[KG_INDEX__STATEMENTS];
	kg_index__terms *terms; /* the tokenizer, and counts of this transaction */
	kg_index__record **waiting;
	size_t waiting_count;
	bool open;   /* a transaction is */
	bool anew;   /* it began with nothing */
	bool staged; /* records lie in the table `staged` */
	bool judged; /* orders or what they are against changed: marks are made anew */
	kg_index_progress progress;
	void *progress_payload;
	uint64_t steps;
	int64_t entries_more; /* of this transaction */
	int64_t words_more;
};

/* The database's last error in our terms. */
kg_err kg_index__fail(const kg_index *index);

kg_err kg_index__run(kg_index *index, const char *sql);
kg_err kg_index__prepare(kg_index *index, sqlite3_stmt **statement, const char *sql);

/* One of the statements that are kept, ready to be bound; NULL and this thread's error. */
sqlite3_stmt *kg_index__use(kg_index *index, kg_index__statement which);

/* Runs a statement that gives no row, and resets it. */
kg_err kg_index__do(kg_index *index, sqlite3_stmt *s);

void kg_index__bind(sqlite3_stmt *s, int column, const void *data, size_t size);

/* The first eight bytes as a number whose order is theirs. */
int64_t kg_index__head8(const uint8_t *bytes);

/* The row number that an entry of this time would have if it were alone. */
int64_t kg_index__home(int64_t time_ms, unsigned counter, const uint8_t *id);

/* A number of the table `meta`; 0 when there is none. */
kg_err kg_index__meta(kg_index *index, int64_t *value, const char *name);

/* ---- index_terms.c ---- */

kg_err kg_index__terms_open(kg_index *index);
void kg_index__terms_free(kg_index *index);

/* FTS5's of this connection. */
fts5_api *kg_index__terms_api(kg_index *index);

/* Counts the words of text, tags and facets of one entry; `*length` is the words of text and tags.
 */
kg_err kg_index__terms_count(kg_index *index, const kg_index__record *record, const char *facets,
			     size_t *length);
kg_err kg_index__terms_flush(kg_index *index);
void kg_index__terms_forget(kg_index *index);

/* How many entries have the run of words; of several words, of the rarest. `*words` counts them. */
kg_err kg_index__terms_look_up(kg_index *index, uint64_t *entries, size_t *words, const char *text,
			       size_t size);

/* The word that stands for a property: equal for equal ones, and hardly for others. */
void kg_index__facet(char out[KG_INDEX__FACET_SIZE], char kind, const void *data, size_t size);
bool kg_index__is_milestone(const uint8_t *id);
void kg_index__facets(char out[KG_INDEX__FACETS_MAX * KG_INDEX__FACET_SIZE + 1],
		      const kg_index__record *record);

/* How many of the steps 0.5, 0.7 and 0.9 a value (in millionths) has reached: an entry has a facet
 * for each of them. */
int kg_index__steps_to(int64_t value);

/* ---- index_marks.c ---- */

/* Tells of an entry that was taken in. */
kg_err kg_index__marks_put(kg_index *index, const kg_index__record *record);

/* At the end of a transaction. */
kg_err kg_index__marks_settle(kg_index *index);

/* ---- index_put.c ---- */

kg_err kg_index__drain(kg_index *index, bool last);
void kg_index__forget(kg_index *index);

/* ---- index_rows.c ---- */

#define KG_INDEX__COLUMNS                                                                 \
 "e.id, e.commit_id, e.type, a.swarm, a.agent, a.name, e.sequence, e.time_ms, e.counter," \
 " e.text, e.tags, e.confidence, e.level, e.awareness, e.understanding, e.readiness,"     \
 " e.capacity, e.refs, e.verified, e.sealed, m.origin FROM entries e"                     \
 " CROSS JOIN authors a ON a.no = e.author LEFT JOIN marks m ON m.id = e.id"

bool kg_index__take_blob(void *out, sqlite3_stmt *s, int column, size_t size);

/* `weight` is left zero. */
bool kg_index__take_row(kg_index_row *row, sqlite3_stmt *s);

/* The row at a number, appended to rows. */
kg_err kg_index__append(kg_index *index, kg_index_rows *rows, int64_t number);

/* ---- index_query.c ---- */

/* What FTS5 and SQL are asked for. */
typedef struct {
	kg_buf conditions; /* on e, a and m */
	kg_buf narrow;     /* joins to a row w of `weights`, and conditions on these */
	size_t facet_count;
	char facets[KG_INDEX__ASKED_MAX][KG_INDEX__FACET_SIZE];
	uint64_t facet_entries[KG_INDEX__ASKED_MAX];
	int64_t row_min;
	uint64_t entries;
	double length_mean;
	size_t word_count;
	char quoted[KG_INDEX_WORDS_MAX][256]; /* as FTS5 wants them */
	kg_index_word words[KG_INDEX_WORDS_MAX];
	bool sifted;   /* rows are left out that no list tells of */
	bool hopeless; /* a word that must occur occurs nowhere */
} kg_index__query;

kg_err kg_index__query_make(kg_index *index, kg_index__query *query, const kg_index_filter *filter);
void kg_index__query_release(kg_index__query *query);
/* Whether a row has what facets and row numbers only promise. */
bool kg_index__is_asked(const kg_index_row *row, const kg_index_filter *filter);

void kg_index__query_bind(sqlite3_stmt *s, const kg_index_filter *filter);

/* How far back a question looks. */
typedef struct {
	int64_t row_min;
	bool cut;                             /* older ones that could match are left out */
	char guards[2][KG_INDEX__FACET_SIZE]; /* each of one row alone, below row_min */
	size_t guard_count;
} kg_index__bound;

/* So far that about `entries` are looked at. FTS5 sees that it is past the last row only where it
 * goes on from one match to the next: a question for several words has the guards beside each. */
kg_err kg_index__query_bound(kg_index *index, const kg_index__query *query, uint64_t entries,
			     kg_index__bound *bound);

/* Registers kg_counts(words, n, step) for the connection. */
kg_err kg_index__query_register(kg_index *index);

#endif
