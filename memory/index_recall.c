/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory/index_impl.h"

enum {
	WALK_MAX = 15000, /* places looked at in the lists of words to find entries with all */
	RARE_MAX = 512    /* entries found by the rarest words alone, before all words are tried */
};

/* docs/recall.md */
static const double saturation = 1.2;
static const double by_length = 0.75;
static const double confidence_none = 0.5;
static const double unverified = 0.1;

/* An entry that is weighed. */
typedef struct {
	int64_t row;
	double confidence;
	bool verified;
	bool cited; /* by somebody, who may not count */
	kg_index_weight weight;
} candidate;

typedef struct {
	kg_index *index;
	const kg_index_filter *filter;
	kg_index__query *query;
	candidate *all;
	size_t count;
	size_t room;
	bool cut;
} weighing;

/* ---- finding candidates ---- */

static void put_words(kg_buf *match, const kg_index__query *q, const char *between)
{
	for (size_t i = 0; i < q->word_count; i++)
		kg_buf_printf(match, "%s%s", i > 0 ? between : "(", q->quoted[i]);
	kg_buf_puts(match, q->word_count > 0 ? ")" : "");
}

static void put_facets(kg_buf *match, const kg_index__query *q)
{
	if (q->facet_count > 0)
		kg_buf_printf(match, "%s%s", match->size > 0 ? " AND " : "",
			      kg_buf_text(&q->facets));
}

static bool is_found(const weighing *w, size_t before, int64_t row)
{
	for (size_t i = 0; i < before; i++)
		if (w->all[i].row == row)
			return true;
	return false;
}

static bool take_candidate(candidate *c, sqlite3_stmt *s, size_t words)
{
	memset(c, 0, sizeof(*c));
	c->row = sqlite3_column_int64(s, 0);
	c->weight.length = (uint64_t)sqlite3_column_int64(s, 2);
	c->confidence = sqlite3_column_type(s, 3) == SQLITE_NULL
				? confidence_none
				: (double)sqlite3_column_int64(s, 3) / 1e6;
	c->verified = sqlite3_column_int(s, 4) != 0;
	c->cited = sqlite3_column_int(s, 5) != 0;
	if (sqlite3_column_bytes(s, 1) != (int)(words * sizeof(c->weight.counts[0])))
		return false;
	if (words > 0)
		memcpy(c->weight.counts, sqlite3_column_blob(s, 1),
		       words * sizeof(c->weight.counts[0]));
	return true;
}

/* The newest `limit` entries that match, behind those that were found before. */
static kg_err find(weighing *w, const char *match, int64_t row_min, size_t limit)
{
	const kg_index__query *q = w->query;
	size_t before = w->count;
	sqlite3_stmt *s = NULL;
	int rc = SQLITE_DONE;
	kg_buf sql;
	kg_err err;

	kg_buf_init(&sql, 4096);
	kg_buf_printf(&sql,
		      "SELECT words.rowid, kg_counts(words, ?13), w.length, w.confidence,"
		      " w.verified, w.cited FROM words%s LIMIT ?10",
		      kg_buf_text(&q->narrow));
	err = kg_buf_ok(&sql);
	if (err == KG_OK)
		err = kg_index__prepare(w->index, &s, kg_buf_text(&sql));
	kg_buf_release(&sql);
	if (err != KG_OK)
		return err;
	kg_index__query_bind(s, w->filter);
	(void)sqlite3_bind_text(s, 1, match, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(s, 10, (sqlite3_int64)limit);
	(void)sqlite3_bind_int64(s, 12, row_min);
	(void)sqlite3_bind_int64(s, 13, (sqlite3_int64)q->word_count);
	while (err == KG_OK && w->count < w->room && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (is_found(w, before, sqlite3_column_int64(s, 0)))
			continue;
		if (!take_candidate(&w->all[w->count++], s, q->word_count))
			err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	}
	w->cut = w->cut || w->count == w->room;
	if (err == KG_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = kg_index__fail(w->index);
	(void)sqlite3_finalize(s);
	return err;
}

/* Entries that have all of several words, each of them common, may be few, and the way to them
 * long: then only the newest part is walked through. */
static kg_err bound(weighing *w, uint64_t least, size_t parts, int64_t *row_min)
{
	const kg_index__query *q = w->query;
	bool cut = false;
	kg_err err;

	*row_min = q->row_min;
	if (parts < 2 || least <= WALK_MAX / parts)
		return KG_OK;
	err = kg_index__query_bound(
		w->index, q,
		(uint64_t)((double)q->entries * WALK_MAX / ((double)least * (double)parts)),
		row_min, &cut);
	w->cut = w->cut || cut;
	return err;
}

static uint64_t least_of(const kg_index__query *q, uint64_t words)
{
	return q->facet_count > 0 && q->facets_entries < words ? q->facets_entries : words;
}

static kg_err find_all_words(weighing *w)
{
	const kg_index__query *q = w->query;
	uint64_t least = UINT64_MAX;
	int64_t row_min = 0;
	kg_buf match;
	kg_err err;

	for (size_t i = 0; i < q->word_count; i++)
		if (q->words[i].entries < least)
			least = q->words[i].entries;
	kg_buf_init(&match, 1 << 16);
	put_words(&match, q, " AND ");
	put_facets(&match, q);
	err = kg_buf_ok(&match);
	if (err == KG_OK)
		err = bound(w, least_of(q, least), q->word_count + q->facet_count, &row_min);
	if (err == KG_OK)
		err = find(w, kg_buf_text(&match), row_min, w->room);
	kg_buf_release(&match);
	return err;
}

/* Out go words that nobody has, and those that are too common. */
static void keep_words(kg_index__query *kept, const kg_index__query *q)
{
	kept->word_count = 0;
	for (size_t i = 0; i < q->word_count; i++) {
		if (q->words[i].entries == 0 || q->words[i].left_out)
			continue;
		kept->words[kept->word_count] = q->words[i];
		memcpy(kept->quoted[kept->word_count++], q->quoted[i], sizeof(q->quoted[i]));
	}
}

/* The words by how rare they are; ties as they come in the query. */
static void rarest_first(size_t order[KG_INDEX_WORDS_MAX], const kg_index__query *q)
{
	for (size_t i = 0; i < q->word_count; i++) {
		size_t at = i;

		for (; at > 0 && q->words[order[at - 1]].entries > q->words[i].entries; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

/* `rare` words of the order, at least one, that together lead to few enough entries. */
static size_t count_rare(const size_t *order, const kg_index__query *q, uint64_t *sum)
{
	size_t n = 1;

	*sum = q->words[order[0]].entries;
	while (n < q->word_count && *sum + q->words[order[n]].entries <= RARE_MAX)
		*sum += q->words[order[n++]].entries;
	return n;
}

static kg_err find_with(weighing *w, const size_t *order, size_t rare, uint64_t sum, size_t limit)
{
	const kg_index__query *q = w->query;
	size_t parts = (q->facet_count > 0 ? 1 : 0) + q->facet_count;
	int64_t row_min = 0;
	kg_buf match;
	kg_err err;

	kg_buf_init(&match, 1 << 16);
	put_words(&match, q, " OR ");
	for (size_t i = 0; i < rare; i++)
		kg_buf_printf(&match, "%s%s", i == 0 ? " AND (" : " OR ", q->quoted[order[i]]);
	kg_buf_puts(&match, rare > 0 ? ")" : "");
	put_facets(&match, q);
	err = kg_buf_ok(&match);
	if (err == KG_OK)
		err = bound(w, least_of(q, sum), parts, &row_min);
	if (err == KG_OK)
		err = find(w, kg_buf_text(&match), row_min, limit);
	kg_buf_release(&match);
	return err;
}

/* With any of the words: first those with the rarest ones, then the newest with any. */
static kg_err find_any_word(weighing *w)
{
	const kg_index__query *q = w->query;
	size_t order[KG_INDEX_WORDS_MAX];
	uint64_t rare_sum = 0;
	uint64_t sum = 0;
	size_t rare;
	kg_err err = KG_OK;

	if (q->word_count == 0)
		return KG_OK;
	rarest_first(order, q);
	rare = count_rare(order, q, &rare_sum);
	for (size_t i = 0; i < q->word_count; i++)
		sum += q->words[i].entries;
	if (rare < q->word_count)
		err = find_with(w, order, rare, rare_sum, RARE_MAX);
	return err == KG_OK ? find_with(w, order, 0, sum, w->room) : err;
}

/* ---- weighing ---- */

static kg_err is_witness(kg_index *index, bool *is, const kg_entry_id *id, int64_t author)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__WITNESS);
	int rc;

	*is = false;
	if (s == NULL)
		return kg_index__fail(index);
	kg_index__bind(s, 1, id->bytes, sizeof(id->bytes));
	(void)sqlite3_bind_int64(s, 2, author);
	(void)sqlite3_bind_int(s, 3, KG_ENTRY_REVOCATION);
	while (!*is && (rc = sqlite3_step(s)) == SQLITE_ROW)
		*is = sqlite3_column_int(s, 0) != 0;
	(void)sqlite3_reset(s);
	return *is || rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}

/* Id and author (the first bytes of the key) of a row. */
static kg_err read_candidate(kg_index *index, kg_entry_id *id, int64_t *agent, int64_t row)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__CANDIDATE);
	uint8_t key[KG_PUBKEY_SIZE];
	kg_err err = KG_OK;

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, row);
	if (sqlite3_step(s) != SQLITE_ROW || !kg_index__take_blob(id->bytes, s, 0, KG_HASH_SIZE) ||
	    !kg_index__take_blob(key, s, 1, KG_PUBKEY_SIZE))
		err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	else
		*agent = kg_index__head8(key);
	(void)sqlite3_reset(s);
	return err;
}

/* Other keys that cite it: their number, not that of their entries, so that nobody gains by citing
 * oneself or twice. */
static kg_err count_witnesses(kg_index *index, candidate *c)
{
	int64_t author = INT64_MIN;
	int64_t own = 0;
	kg_entry_id id;
	kg_err err = read_candidate(index, &id, &own, c->row);

	c->weight.witnesses = 0;
	while (err == KG_OK && c->weight.witnesses < KG_INDEX_WITNESSES_MAX) {
		sqlite3_stmt *s = kg_index__use(index, KG_INDEX__NEXT_WITNESS);
		bool is = false;
		int rc;

		if (s == NULL)
			return kg_index__fail(index);
		kg_index__bind(s, 1, id.bytes, sizeof(id.bytes));
		(void)sqlite3_bind_int64(s, 2, author);
		rc = sqlite3_step(s);
		author = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
		(void)sqlite3_reset(s);
		if (rc != SQLITE_ROW)
			return rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
		if (author != own)
			err = is_witness(index, &is, &id, author);
		c->weight.witnesses += is ? 1 : 0;
	}
	return err;
}

static double relevance(const candidate *c, const kg_index__query *q)
{
	double length = (double)c->weight.length / q->length_mean;
	double sum = 0;

	for (size_t i = 0; i < q->word_count; i++) {
		double n = c->weight.counts[i];

		sum += q->words[i].weight * n * (saturation + 1) /
		       (n + saturation * (1 - by_length + by_length * length));
	}
	return sum;
}

static void score(candidate *c)
{
	kg_index_weight *g = &c->weight;

	g->trust = (0.5 + 0.5 * c->confidence) * (1 + 0.25 * log2(1.0 + g->witnesses)) *
		   (c->verified ? 1.0 : unverified);
	g->score = g->relevance * g->trust;
}

static int greatest_first(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x < *y) - (*x > *y);
}

/* The score that `keep` entries have at least, whoever may cite them. */
static kg_err least_score(const weighing *w, size_t keep, double *least)
{
	double *scores;

	*least = 0;
	if (w->count <= keep)
		return KG_OK;
	scores = malloc(w->count * sizeof(*scores));
	if (scores == NULL)
		return kg_fail(KG_ENOMEM, "no memory to weigh entries");
	for (size_t i = 0; i < w->count; i++)
		scores[i] = w->all[i].weight.score;
	qsort(scores, w->count, sizeof(*scores), greatest_first);
	*least = scores[keep - 1];
	free(scores);
	return KG_OK;
}

/* So that the first `keep` are right. Who cites an entry is looked up only where that could bring
 * it among them: as many witnesses as count, no more than double its score. */
static kg_err weigh(weighing *w, size_t keep)
{
	double least = 0;
	kg_err err;

	for (size_t i = 0; i < w->count; i++) {
		candidate *c = &w->all[i];

		c->weight.relevance = relevance(c, w->query);
		c->weight.witnesses = 0;
		score(c);
	}
	err = least_score(w, keep, &least);
	for (size_t i = 0; err == KG_OK && i < w->count; i++) {
		candidate *c = &w->all[i];

		if (!c->cited || 2 * c->weight.score < least)
			continue;
		err = count_witnesses(w->index, c);
		score(c);
	}
	return err;
}

/* Newer ones first among equals. */
static int best_first(const void *a, const void *b)
{
	const candidate *x = a;
	const candidate *y = b;

	if (x->weight.score != y->weight.score)
		return x->weight.score > y->weight.score ? -1 : 1;
	return (x->row < y->row) - (x->row > y->row);
}

/* Counts stand by the kept words; the answer's stand by all words of the query. */
static void spread_counts(kg_index_weight *weight, const kg_index__query *kept,
			  const kg_index_rows *rows)
{
	uint16_t counts[KG_INDEX_WORDS_MAX] = {0};

	for (size_t i = 0; i < kept->word_count; i++)
		for (size_t k = 0; k < rows->word_count; k++)
			if (strcmp(kept->words[i].word, rows->words[k].word) == 0)
				counts[k] = weight->counts[i];
	memcpy(weight->counts, counts, sizeof(counts));
}

/* The row at a number, unless it is not what was asked for after all. */
static kg_err append_asked(kg_index *index, kg_index_rows *rows, int64_t row,
			   const kg_index_filter *f)
{
	size_t before = rows->count;
	kg_err err = kg_index__append(index, rows, row);

	if (err == KG_OK && rows->count > before && !kg_index__is_asked(&rows->rows[before], f))
		kg_entry_release(&rows->rows[--rows->count].entry);
	return err;
}

/* Out of the candidates go those that are not what was asked for, and with them what the others
 * were held against: `*again`. */
static kg_err take_best(weighing *w, kg_index_rows *rows, size_t limit, bool *again)
{
	kg_err err = KG_OK;

	*again = false;
	if (w->count > 1)
		qsort(w->all, w->count, sizeof(w->all[0]), best_first);
	for (size_t i = 0; err == KG_OK && !*again && i < w->count && i < limit; i++) {
		err = append_asked(w->index, rows, w->all[i].row, w->filter);
		if (err != KG_OK || rows->count != i + 1) {
			w->all[i] = w->all[--w->count];
			*again = err == KG_OK;
			break;
		}
		rows->rows[i].weight = w->all[i].weight;
		spread_counts(&rows->rows[i].weight, w->query, rows);
	}
	rows->weighed = w->count;
	rows->cut = w->cut;
	return err;
}

static kg_err weigh_and_take(weighing *w, kg_index_rows *rows, size_t limit)
{
	bool again = true;
	kg_err err = KG_OK;

	while (err == KG_OK && again) {
		while (rows->count > 0)
			kg_entry_release(&rows->rows[--rows->count].entry);
		err = weigh(w, limit);
		if (err == KG_OK)
			err = take_best(w, rows, limit, &again);
	}
	return err;
}

static kg_err recall_ranked(kg_index *index, kg_index_rows *rows, const kg_index_filter *filter,
			    kg_index__query *q, size_t limit)
{
	kg_index__query *kept = NULL;
	weighing w = {.index = index, .filter = filter, .query = q};
	kg_err err = KG_OK;

	if (q->word_count == 0 || (!filter->any_word && q->hopeless))
		return KG_OK;
	w.room = limit > KG_INDEX_WEIGHED_MAX ? limit : KG_INDEX_WEIGHED_MAX;
	w.all = calloc(w.room, sizeof(*w.all));
	kept = malloc(sizeof(*kept));
	if (w.all == NULL || kept == NULL) {
		err = kg_fail(KG_ENOMEM, "no memory to weigh entries");
	} else if (filter->any_word) {
		*kept = *q; /* its buffers stay q's */
		keep_words(kept, q);
		w.query = kept;
		err = find_any_word(&w);
	} else {
		err = find_all_words(&w);
	}
	if (err == KG_OK)
		err = weigh_and_take(&w, rows, limit);
	free(kept);
	free(w.all);
	return err;
}

/* ---- without words ---- */

static kg_err take_numbers(kg_index *index, kg_index_rows *rows, sqlite3_stmt *s,
			   const kg_index_filter *f, size_t limit)
{
	kg_err err = KG_OK;
	int rc = SQLITE_DONE;

	while (err == KG_OK && rows->count < limit && (rc = sqlite3_step(s)) == SQLITE_ROW)
		err = append_asked(index, rows, sqlite3_column_int64(s, 0), f);
	return err != KG_OK || rc == SQLITE_DONE || rc == SQLITE_ROW ? err : kg_index__fail(index);
}

static kg_err recall_plain(kg_index *index, kg_index_rows *rows, const kg_index_filter *f,
			   const kg_index__query *q, size_t limit)
{
	static const char joins[] = " CROSS JOIN authors a ON a.no = e.author"
				    " LEFT JOIN marks m ON m.id = e.id WHERE ";
	bool facets = q->facet_count > 0 && !f->chain_order;
	sqlite3_stmt *s = NULL;
	kg_buf sql;
	kg_err err;

	kg_buf_init(&sql, 4096);
	if (facets) {
		kg_buf_printf(&sql, "SELECT words.rowid FROM words%s", kg_buf_text(&q->narrow));
	} else if (f->chain_order) {
		kg_buf_printf(&sql,
			      "SELECT e.row FROM authors a JOIN entries e ON e.author = a.no"
			      " LEFT JOIN marks m ON m.id = e.id WHERE e.row >= ?12 AND %s"
			      " ORDER BY a.agent, e.sequence LIMIT ?10",
			      kg_buf_text(&q->conditions));
	} else {
		kg_buf_printf(&sql,
			      "SELECT e.row FROM entries e%se.row >= ?12 AND %s"
			      " ORDER BY e.row DESC LIMIT ?10",
			      joins, kg_buf_text(&q->conditions));
	}
	err = kg_buf_ok(&sql);
	if (err == KG_OK)
		err = kg_index__prepare(index, &s, kg_buf_text(&sql));
	kg_buf_release(&sql);
	if (err != KG_OK)
		return err;
	kg_index__query_bind(s, f);
	if (facets)
		(void)sqlite3_bind_text(s, 1, kg_buf_text(&q->facets), -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(s, 10, (sqlite3_int64)limit);
	(void)sqlite3_bind_int64(s, 12, q->row_min);
	err = take_numbers(index, rows, s, f, limit);
	(void)sqlite3_finalize(s);
	return err;
}

/* ---- the question ---- */

static bool is_fraction(double value)
{
	return value >= 0.0 && value <= 1.0;
}

static kg_err check_filter(const kg_index_filter *f)
{
	if (f->limit > KG_INDEX_LIMIT_MAX)
		return kg_fail(KG_EINVAL, "limit is more than %d", KG_INDEX_LIMIT_MAX);
	if (f->has_level_min && !is_fraction(f->level_min))
		return kg_fail(KG_EINVAL, "consciousness is outside 0..1");
	if (f->has_confidence_min && !is_fraction(f->confidence_min))
		return kg_fail(KG_EINVAL, "confidence is outside 0..1");
	if (f->sequence_min > INT64_MAX)
		return kg_fail(KG_EINVAL, "sequence is out of range");
	if (f->query != NULL && strlen(f->query) > KG_INDEX_QUERY_MAX)
		return kg_fail(KG_EINVAL, "a query of more than %d bytes", KG_INDEX_QUERY_MAX);
	return KG_OK;
}

static kg_err answer(kg_index *index, kg_index_rows *rows, const kg_index_filter *filter)
{
	size_t limit = filter->limit == 0 ? 20 : filter->limit;
	kg_index__query *q = malloc(sizeof(*q));
	kg_err err;

	if (q == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a query");
	err = kg_index__query_make(index, q, filter);
	rows->entries = q->entries;
	rows->length_mean = q->length_mean;
	rows->word_count = q->word_count;
	memcpy(rows->words, q->words, sizeof(rows->words));
	if (err == KG_OK)
		err = filter->query != NULL ? recall_ranked(index, rows, filter, q, limit)
					    : recall_plain(index, rows, filter, q, limit);
	kg_index__query_release(q);
	free(q);
	return err;
}

kg_err kg_index_recall(kg_index *index, kg_index_rows *rows, const kg_index_filter *filter)
{
	kg_index_rows found = {0};
	bool alone = !index->open;
	kg_err err = check_filter(filter);

	/* One state of the tables for all that is looked up. */
	if (err == KG_OK && alone)
		err = kg_index__run(index, "BEGIN");
	if (err != KG_OK)
		return err;
	err = answer(index, &found, filter);
	if (alone) {
		kg_err ended = kg_index__run(index, "COMMIT");

		err = err == KG_OK ? ended : err;
	}
	if (err == KG_OK)
		*rows = found;
	else
		kg_index_rows_release(&found);
	return err;
}
