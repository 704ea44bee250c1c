/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/index_impl.h"

enum { WORD_MAX = 200, COMMON_MIN = KG_INDEX_WEIGHED_MAX, COMMON_SHARE = 8 };

/* ---- words ---- */

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c & 0x80) != 0;
}

static bool is_there(const kg_index__query *q, const char *quoted)
{
	for (size_t i = 0; i < q->word_count; i++)
		if (strcmp(q->quoted[i], quoted) == 0)
			return true;
	return false;
}

static void show_word(char out[KG_INDEX_WORD_SIZE], const char *word, size_t size)
{
	if (size > KG_INDEX_WORD_SIZE - 1)
		size = KG_INDEX_WORD_SIZE - 1;
	/* Not in the middle of a character. */
	while (size > 0 && ((uint8_t)word[size] & 0xc0) == 0x80)
		size--;
	memcpy(out, word, size);
	out[size] = '\0';
}

/* ln(1 + (N - n + 1/2) / (n + 1/2)), never negative. */
static double weight_of(uint64_t entries, uint64_t all)
{
	double n = (double)(entries < all ? entries : all);

	return log(1.0 + ((double)all - n + 0.5) / (n + 0.5));
}

static kg_err add_word(kg_index *index, kg_index__query *q, const char *word, size_t size)
{
	kg_index_word *w = &q->words[q->word_count];
	char *quoted = q->quoted[q->word_count];
	size_t terms = 0;
	kg_err err = kg_index__terms_look_up(index, &w->entries, &terms, word, size);

	if (err != KG_OK || terms == 0)
		return err;
	if (size > WORD_MAX) {
		q->hopeless = true;
		return KG_OK;
	}
	(void)snprintf(quoted, sizeof(q->quoted[0]), "\"%.*s\"", (int)size, word);
	if (is_there(q, quoted))
		return KG_OK;
	show_word(w->word, word, size);
	w->weight = weight_of(w->entries, q->entries);
	q->hopeless = q->hopeless || w->entries == 0;
	q->word_count++;
	return KG_OK;
}

/* Every run of letters and digits is a word and comes in quotes, so that nothing in a query is an
 * operator. */
static kg_err read_words(kg_index *index, kg_index__query *q, const char *query)
{
	kg_err err = KG_OK;

	while (err == KG_OK && *query != '\0' && q->word_count < KG_INDEX_WORDS_MAX) {
		const char *start;

		while (*query != '\0' && !is_word_byte(*query))
			query++;
		start = query;
		while (is_word_byte(*query))
			query++;
		if (query > start)
			err = add_word(index, q, start, (size_t)(query - start));
	}
	return err;
}

/* Beside a rarer one, a word that an eighth of all entries have says little, and costs most. */
static void leave_out_common(kg_index__query *q)
{
	uint64_t most = q->entries / COMMON_SHARE;
	bool rarer = false;

	if (most < COMMON_MIN)
		most = COMMON_MIN;
	for (size_t i = 0; i < q->word_count; i++)
		rarer = rarer || (q->words[i].entries > 0 && q->words[i].entries <= most);
	for (size_t i = 0; rarer && i < q->word_count; i++)
		q->words[i].left_out = q->words[i].entries > most;
}

/* ---- facets ---- */

static kg_err add_facet(kg_index *index, kg_index__query *q, char kind, const void *data,
			size_t size)
{
	size_t at = q->facet_count++;
	char *facet = q->facets[at];
	size_t words;

	KG_ASSERT(at < KG_INDEX__ASKED_MAX);
	kg_index__facet(facet, kind, data, size);
	return kg_index__terms_look_up(index, &q->facet_entries[at], &words, facet, strlen(facet));
}

/* The greatest step that is not above the least value; what is between is looked at on the row. */
static kg_err add_step(kg_index *index, kg_index__query *q, char kind, double least)
{
	uint8_t step = (uint8_t)kg_index__steps_to(llround(least * 1e6));

	return step > 0 ? add_facet(index, q, kind, &step, 1) : KG_OK;
}

static kg_err make_facets(kg_index *index, kg_index__query *q, const kg_index_filter *f)
{
	uint8_t type = (uint8_t)f->type;
	kg_err err = KG_OK;

	if (f->has_type)
		err = add_facet(index, q, 't', &type, 1);
	if (err == KG_OK && f->tag != NULL)
		err = add_facet(index, q, 'g', f->tag, strlen(f->tag));
	if (err == KG_OK && f->agent != NULL)
		err = add_facet(index, q, 'a', f->agent->bytes, sizeof(f->agent->bytes));
	if (err == KG_OK && f->agent_name != NULL)
		err = add_facet(index, q, 'n', f->agent_name, strlen(f->agent_name));
	if (err == KG_OK && f->has_confidence_min)
		err = add_step(index, q, 'c', f->confidence_min);
	if (err == KG_OK && f->has_level_min)
		err = add_step(index, q, 'l', f->level_min);
	return err;
}

/* ---- conditions: what facets say is looked at again on the row ---- */

static void put_author(kg_buf *sql, const kg_index_filter *f)
{
	if (f->agent != NULL)
		kg_buf_puts(sql, " AND a.agent = ?4");
	if (f->agent_name != NULL)
		kg_buf_puts(sql, " AND a.name = ?5");
	if (f->not_agent != NULL)
		kg_buf_puts(sql, " AND a.agent <> ?6");
}

static kg_err make_conditions(kg_index__query *q, const kg_index_filter *f)
{
	kg_buf *sql = &q->conditions;

	kg_buf_puts(sql, "e.sequence >= ?8 AND e.time_ms >= ?9");
	if (f->tag != NULL)
		kg_buf_puts(sql, " AND instr(e.tags, ?2) > 0");
	if (f->has_type)
		kg_buf_puts(sql, " AND e.type = ?3");
	put_author(sql, f);
	if (f->has_level_min)
		kg_buf_puts(sql, " AND e.level >= ?7");
	if (f->has_confidence_min)
		kg_buf_puts(sql, " AND e.confidence >= ?11");
	if (!f->marked_too)
		kg_buf_puts(sql, " AND m.origin IS NULL");
	return kg_buf_ok(sql);
}

/* What a row of `weights` can tell. The rest is asked for as facets, and held against the entry
 * itself where it is to be shown: see kg_index__is_asked. */
static kg_err make_narrow(kg_index__query *q, const kg_index_filter *f)
{
	kg_buf *sql = &q->narrow;
	bool author = f->agent != NULL || f->agent_name != NULL || f->not_agent != NULL;

	kg_buf_puts(sql, " CROSS JOIN weights w ON w.row = words.rowid");
	if (author)
		kg_buf_puts(sql, " CROSS JOIN authors a ON a.no = w.author");
	if (f->sequence_min > 0)
		kg_buf_puts(sql, " CROSS JOIN entries e ON e.row = words.rowid");
	kg_buf_puts(sql, " WHERE words MATCH ?1 AND words.rowid >= ?12");
	if (f->sequence_min > 0)
		kg_buf_puts(sql, " AND e.sequence >= ?8");
	put_author(sql, f);
	if (f->has_level_min)
		kg_buf_puts(sql, " AND w.level >= ?7");
	if (f->has_confidence_min)
		kg_buf_puts(sql, " AND w.confidence >= ?11");
	if (!f->marked_too)
		kg_buf_puts(sql, " AND NOT EXISTS(SELECT 1 FROM marks m"
				 " WHERE m.id_head = w.id_head)");
	kg_buf_puts(sql, " ORDER BY words.rowid DESC");
	return kg_buf_ok(sql);
}

bool kg_index__is_asked(const kg_index_row *row, const kg_index_filter *f)
{
	const kg_entry *e = &row->entry;

	return (f->tag == NULL || kg_entry_has_tag(e, f->tag)) &&
	       (!f->has_type || e->type == f->type) && e->time_ms >= f->since_ms;
}

void kg_index__query_bind(sqlite3_stmt *s, const kg_index_filter *f)
{
	char tag[KG_ENTRY_TAG_MAX + 3];

	if (f->tag != NULL) {
		/* A longer one is no tag and finds nothing. */
		(void)snprintf(tag, sizeof(tag), " %.*s ", KG_ENTRY_TAG_MAX, f->tag);
		(void)sqlite3_bind_text(s, 2, tag, -1, SQLITE_TRANSIENT);
	}
	(void)sqlite3_bind_int(s, 3, (int)f->type);
	if (f->agent != NULL)
		kg_index__bind(s, 4, f->agent->bytes, sizeof(f->agent->bytes));
	if (f->agent_name != NULL)
		(void)sqlite3_bind_text(s, 5, f->agent_name, -1, SQLITE_TRANSIENT);
	if (f->not_agent != NULL)
		kg_index__bind(s, 6, f->not_agent->bytes, sizeof(f->not_agent->bytes));
	(void)sqlite3_bind_int64(s, 7, f->has_level_min ? llround(f->level_min * 1e6) : 0);
	(void)sqlite3_bind_int64(s, 8, (sqlite3_int64)f->sequence_min);
	(void)sqlite3_bind_int64(s, 9, f->since_ms);
	(void)sqlite3_bind_int64(s, 11,
				 f->has_confidence_min ? llround(f->confidence_min * 1e6) : 0);
}

/* ---- the whole ---- */

kg_err kg_index__query_make(kg_index *index, kg_index__query *q, const kg_index_filter *f)
{
	static const uint8_t none[KG_HASH_SIZE] = {0};
	int64_t entries = 0;
	int64_t length = 0;
	kg_err err;

	memset(q, 0, sizeof(*q));
	kg_buf_init(&q->conditions, 1024);
	kg_buf_init(&q->narrow, 2048);
	q->sifted = f->has_level_min || f->has_confidence_min || f->not_agent != NULL;
	q->row_min = f->since_ms > 0 ? kg_index__home(f->since_ms, 0, none) : 0;
	err = kg_index__meta(index, &entries, "entries");
	if (err == KG_OK)
		err = kg_index__meta(index, &length, "words");
	q->entries = (uint64_t)entries;
	q->length_mean = entries > 0 && length > 0 ? (double)length / (double)entries : 1.0;
	if (err == KG_OK)
		err = make_conditions(q, f);
	if (err == KG_OK)
		err = make_narrow(q, f);
	if (err == KG_OK)
		err = make_facets(index, q, f);
	if (err == KG_OK && f->query != NULL)
		err = read_words(index, q, f->query);
	if (f->any_word)
		leave_out_common(q);
	return err;
}

void kg_index__query_release(kg_index__query *q)
{
	kg_buf_release(&q->conditions);
	kg_buf_release(&q->narrow);
}

/* Two milestones below a row, behind `skip` others: the first, and the guards of both. */
static kg_err milestones_below(kg_index *index, int64_t row, uint64_t skip, int64_t *first,
			       kg_index__bound *bound)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__BOUND);
	int rc = SQLITE_ROW;

	*first = 0;
	bound->guard_count = 0;
	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, (sqlite3_int64)skip);
	(void)sqlite3_bind_int64(s, 2, row);
	while (bound->guard_count < 2 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		kg_entry_id id;

		if (!kg_index__take_blob(id.bytes, s, 1, KG_HASH_SIZE))
			break;
		if (bound->guard_count == 0)
			*first = sqlite3_column_int64(s, 0);
		kg_index__facet(bound->guards[bound->guard_count++], 'm', id.bytes,
				sizeof(id.bytes));
	}
	(void)sqlite3_reset(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}

kg_err kg_index__query_bound(kg_index *index, const kg_index__query *q, uint64_t entries,
			     kg_index__bound *bound)
{
	int64_t row = 0;
	kg_err err = KG_OK;

	*bound = (kg_index__bound){.row_min = q->row_min};
	if (entries < q->entries)
		err = milestones_below(index, INT64_MAX, entries / KG_INDEX__SAMPLE, &row, bound);
	if (err == KG_OK && row >= q->row_min && row > 0) {
		bound->row_min = row + 1;
		bound->cut = true;
	} else if (err == KG_OK) {
		err = milestones_below(index, q->row_min, 0, &row, bound);
	}
	return err;
}

/* ---- counting in FTS5 ---- */

/* kg_counts(words, n, step): how often each of the phrases 0, step, 2 * step, … of the match, n of
 * them, is in text and tags of the row, two bytes each in the machine's order. */
static void counts(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context,
		   int argument_count, sqlite3_value **arguments)
{
	uint16_t found[KG_INDEX_WORDS_MAX] = {0};
	int n = argument_count > 0 ? sqlite3_value_int(arguments[0]) : 0;
	int step = argument_count > 1 ? sqlite3_value_int(arguments[1]) : 1;
	int instances = 0;
	int rc = api->xInstCount(fts, &instances);

	step = step > 0 ? step : 1;
	n = n < 0 ? 0 : n > KG_INDEX_WORDS_MAX ? KG_INDEX_WORDS_MAX : n;
	for (int i = 0; rc == SQLITE_OK && i < instances; i++) {
		int phrase;
		int column;
		int offset;

		rc = api->xInst(fts, i, &phrase, &column, &offset);
		if (rc == SQLITE_OK && phrase % step == 0 && phrase / step < n && column < 2 &&
		    found[phrase / step] < UINT16_MAX)
			found[phrase / step]++;
	}
	if (rc != SQLITE_OK)
		sqlite3_result_error_code(context, rc);
	else
		sqlite3_result_blob(context, found, n * (int)sizeof(found[0]), SQLITE_TRANSIENT);
}

kg_err kg_index__query_register(kg_index *index)
{
	fts5_api *api = kg_index__terms_api(index);

	return api->xCreateFunction(api, "kg_counts", NULL, counts, NULL) == SQLITE_OK
		       ? KG_OK
		       : kg_fail(KG_EIO, "index: SQLite takes no function");
}
