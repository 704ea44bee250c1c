/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/index_impl.h"

enum {
	WALK_MAX = 15000,   /* places looked at in the lists of words to find entries with all */
	WALK_PLAIN = 60000, /* the same where nothing is weighed */
	PASSED = 32,        /* entries that are passed over in the time of one that is looked at */
	JUMP = 4,           /* places that it takes at most to get over any number of them */
	RARE_MAX = 256 /* entries found by the rarest words alone, before all words are tried */
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
	uint32_t cited; /* by so many at most: not all may count */
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

/* What ends the walk stands in for what must be there. */
static void put_guards(kg_buf *match, const kg_index__bound *bound)
{
	for (size_t i = 0; i < bound->guard_count; i++)
		kg_buf_printf(match, " OR \"%s\"", bound->guards[i]);
	kg_buf_puts(match, ")");
}

static void put_term(kg_buf *match, const char *quoted, const kg_index__bound *bound)
{
	kg_buf_printf(match, "%s(%s", match->size > 0 ? " AND " : "", quoted);
	put_guards(match, bound);
}

static void put_facets(kg_buf *match, const kg_index__query *q, const kg_index__bound *bound)
{
	char quoted[KG_INDEX__FACET_SIZE + 2];

	for (size_t i = 0; i < q->facet_count; i++) {
		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", q->facets[i]);
		put_term(match, quoted, bound);
	}
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
	c->cited = (uint32_t)sqlite3_column_int(s, 5);
	if (sqlite3_column_bytes(s, 1) != (int)(words * sizeof(c->weight.counts[0])))
		return false;
	if (words > 0)
		memcpy(c->weight.counts, sqlite3_column_blob(s, 1),
		       words * sizeof(c->weight.counts[0]));
	return true;
}

/* The newest `limit` entries that match, behind those that were found before. */
static kg_err find(weighing *w, const char *match, const kg_index__bound *bound, int step,
		   size_t limit)
{
	const kg_index__query *q = w->query;
	size_t before = w->count;
	sqlite3_stmt *s = NULL;
	int rc = SQLITE_DONE;
	kg_buf sql;
	kg_err err;

	kg_buf_init(&sql, 4096);
	kg_buf_printf(&sql,
		      "SELECT words.rowid, kg_counts(words, ?13, ?14), w.length, w.confidence,"
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
	(void)sqlite3_bind_int64(s, 12, bound->row_min);
	(void)sqlite3_bind_int64(s, 13, (sqlite3_int64)q->word_count);
	(void)sqlite3_bind_int(s, 14, step);
	while (err == KG_OK && w->count < w->room && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (is_found(w, before, sqlite3_column_int64(s, 0)))
			continue;
		if (!take_candidate(&w->all[w->count++], s, q->word_count))
			err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	}
	w->cut = w->cut || bound->cut || w->count == w->room;
	if (err == KG_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = kg_index__fail(w->index);
	(void)sqlite3_finalize(s);
	return err;
}

/* Lists of rows that are walked through together. */
typedef struct {
	uint64_t entries[KG_INDEX_WORDS_MAX + KG_INDEX__ASKED_MAX];
	size_t count;
} lists;

static void lists_add_facets(lists *l, const kg_index__query *q)
{
	for (size_t i = 0; i < q->facet_count; i++)
		l->entries[l->count++] = q->facet_entries[i];
}

/* How many places it takes to find what all lists have: every list is looked at for each of the
 * shortest, and what lies between is passed over, a page at a time where much does. */
static double walk_of(const lists *l)
{
	uint64_t least = UINT64_MAX;
	double places = 0;

	for (size_t i = 0; i < l->count; i++)
		least = l->entries[i] < least ? l->entries[i] : least;
	for (size_t i = 0; i < l->count; i++) {
		double passed = (double)l->entries[i] / PASSED;
		double jumped = (double)least * JUMP;

		places += (double)least + (passed < jumped ? passed : jumped);
	}
	return places;
}

/* Entries that have all of several words, each of them common, may be few, and the way to them
 * long: then only the newest part is walked through. */
static kg_err bound_walk(kg_index *index, const kg_index__query *q, const lists *l, double walk_max,
			 kg_index__bound *bound)
{
	double places = walk_of(l);
	uint64_t entries = q->entries;

	*bound = (kg_index__bound){.row_min = q->row_min};
	if (l->count < 2 && !q->sifted)
		return KG_OK;
	if (places > walk_max)
		entries = (uint64_t)((double)entries * walk_max / places);
	return kg_index__query_bound(index, q, entries, bound);
}

static kg_err find_all_words(weighing *w)
{
	const kg_index__query *q = w->query;
	kg_index__bound bound;
	lists l = {.count = 0};
	kg_buf match;
	kg_err err;

	for (size_t i = 0; i < q->word_count; i++)
		l.entries[l.count++] = q->words[i].entries;
	lists_add_facets(&l, q);
	err = bound_walk(w->index, q, &l, WALK_MAX, &bound);
	if (err != KG_OK)
		return err;
	kg_buf_init(&match, 1 << 16);
	for (size_t i = 0; i < q->word_count; i++)
		put_term(&match, q->quoted[i], &bound);
	put_facets(&match, q, &bound);
	err = kg_buf_ok(&match);
	if (err == KG_OK)
		err = find(w, kg_buf_text(&match), &bound, 1 + (int)bound.guard_count, w->room);
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

/* The first `count` of the order, or all words as they are, one of which must be there. */
static void put_any(kg_buf *match, const kg_index__query *q, const size_t *order, size_t count,
		    const kg_index__bound *bound)
{
	kg_buf_puts(match, match->size > 0 ? " AND " : "");
	for (size_t i = 0; i < count; i++)
		kg_buf_printf(match, "%s%s", i == 0 ? "(" : " OR ",
			      q->quoted[order != NULL ? order[i] : i]);
	put_guards(match, bound);
}

static kg_err find_with(weighing *w, const size_t *order, size_t rare, uint64_t sum, size_t limit)
{
	const kg_index__query *q = w->query;
	kg_index__bound bound;
	lists l = {.count = 0};
	kg_buf match;
	kg_err err;

	l.entries[l.count++] = sum;
	lists_add_facets(&l, q);
	err = bound_walk(w->index, q, &l, WALK_MAX, &bound);
	if (err != KG_OK)
		return err;
	kg_buf_init(&match, 1 << 16);
	put_any(&match, q, NULL, q->word_count, &bound);
	if (rare > 0)
		put_any(&match, q, order, rare, &bound);
	put_facets(&match, q, &bound);
	err = kg_buf_ok(&match);
	if (err == KG_OK)
		err = find(w, kg_buf_text(&match), &bound, 1, limit);
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
static kg_err count_witnesses(kg_index *index, const candidate *c, uint32_t *witnesses)
{
	int64_t author = INT64_MIN;
	int64_t own = 0;
	kg_entry_id id;
	kg_err err = read_candidate(index, &id, &own, c->row);

	while (err == KG_OK && *witnesses < KG_INDEX_WITNESSES_MAX) {
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
		*witnesses += is ? 1 : 0;
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

static void score(candidate *c, uint32_t witnesses)
{
	kg_index_weight *g = &c->weight;

	g->witnesses = witnesses;
	g->trust = (0.5 + 0.5 * c->confidence) * (1 + 0.25 * log2(1.0 + witnesses)) *
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
 * it among them. */
static kg_err weigh(weighing *w, size_t keep)
{
	double least = 0;
	kg_err err;

	for (size_t i = 0; i < w->count; i++) {
		w->all[i].weight.relevance = relevance(&w->all[i], w->query);
		score(&w->all[i], 0);
	}
	err = least_score(w, keep, &least);
	for (size_t i = 0; err == KG_OK && i < w->count; i++) {
		candidate *c = &w->all[i];
		uint32_t witnesses = 0;

		if (c->cited == 0)
			continue;
		score(c, c->cited);
		if (c->weight.score >= least)
			err = count_witnesses(w->index, c, &witnesses);
		score(c, witnesses);
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
	kg_index__bound bound;
	lists l = {.count = 0};
	sqlite3_stmt *s = NULL;
	kg_buf match;
	kg_buf sql;
	kg_err err;

	lists_add_facets(&l, q);
	err = facets ? bound_walk(index, q, &l, WALK_PLAIN, &bound)
		     : kg_index__query_bound(index, q, q->sifted ? WALK_MAX : q->entries, &bound);
	if (err != KG_OK)
		return err;
	kg_buf_init(&match, 4096);
	put_facets(&match, q, &bound);
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
	if (err == KG_OK)
		err = kg_buf_ok(&match);
	if (err == KG_OK) {
		kg_index__query_bind(s, f);
		(void)sqlite3_bind_text(s, 1, kg_buf_text(&match), -1, SQLITE_STATIC);
		(void)sqlite3_bind_int64(s, 10, (sqlite3_int64)limit);
		(void)sqlite3_bind_int64(s, 12, f->chain_order ? q->row_min : bound.row_min);
		err = take_numbers(index, rows, s, f, limit);
		rows->cut = !f->chain_order && bound.cut && rows->count < limit;
	}
	(void)sqlite3_finalize(s);
	kg_buf_release(&match);
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
