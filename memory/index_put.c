/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory/index_impl.h"
#include "memory/witness.h"

enum {
	WAITING_MAX = 8192, /* records that are held and sorted in memory */
	TIME_BITS = 42,     /* of a row's number; to the year 2109 */
	LEVEL_BITS = 4,
	PLACE_BITS = 17
};

/* ---- records ---- */

static void join_tags(char out[KG_INDEX__TAGS_SIZE], const kg_entry *entry)
{
	char *at = out;

	/* With a space at both ends, so that " tag " finds whole tags. */
	*at++ = ' ';
	for (size_t i = 0; i < entry->tag_count; i++) {
		size_t length = strlen(entry->tags[i]);

		memcpy(at, entry->tags[i], length);
		at += length;
		*at++ = ' ';
	}
	*at = '\0';
}

static int64_t steps(bool has, double value)
{
	return has ? llround(value * 1e6) : INT64_MIN;
}

/* Whether the author may put entries under quarantine. */
static bool is_order(const kg_entry *e, bool verified)
{
	return verified && e->type == KG_ENTRY_REVOCATION && e->head_count == 0 &&
	       e->reference_count > 0 &&
	       (kg_pubkey_equal(&e->agent, &e->swarm) ||
		strcmp(e->agent_name, KG_OPERATOR_NAME) == 0);
}

static kg_index__record *record_new(const kg_entry *e, const kg_entry_proof *proof, bool verified)
{
	char tags[KG_INDEX__TAGS_SIZE];
	size_t refs = e->reference_count * sizeof(e->references[0]);
	kg_index__record *r;
	size_t size;

	join_tags(tags, e);
	size = sizeof(*r) + e->text.size + 1 + strlen(tags) + 1 + refs;
	r = malloc(size);
	if (r == NULL)
		return NULL;
	*r = (kg_index__record){
		.size = size,
		.id = proof->id,
		.commit = proof->commit,
		.swarm = e->swarm,
		.agent = e->agent,
		.type = (int)e->type,
		.counter = e->time_counter,
		.verified = verified,
		.sealed = e->has_sealed,
		.order = is_order(e, verified),
		.sequence = e->sequence,
		.time_ms = e->time_ms,
		.numbers = {steps(e->has_confidence, e->confidence), steps(e->has_level, e->level),
			    steps(e->has_parts, e->parts.quantization_awareness),
			    steps(e->has_parts, e->parts.complex_understanding),
			    steps(e->has_parts, e->parts.compression_readiness),
			    steps(e->has_parts, e->parts.pedagogical_capacity)},
		.text_size = e->text.size,
		.tags_size = strlen(tags),
		.reference_count = e->reference_count,
	};
	memcpy(r->name, e->agent_name, sizeof(r->name));
	if (e->text.size > 0)
		memcpy(r->bytes, e->text.data, e->text.size);
	r->bytes[e->text.size] = '\0';
	memcpy(r->bytes + e->text.size + 1, tags, r->tags_size + 1);
	memcpy(r->bytes + e->text.size + 1 + r->tags_size + 1, e->references, refs);
	return r;
}

static const uint8_t *reference(const kg_index__record *r, size_t i)
{
	return r->bytes + r->text_size + 1 + r->tags_size + 1 + i * KG_HASH_SIZE;
}

static const char *tags_of(const kg_index__record *r)
{
	return (const char *)r->bytes + r->text_size + 1;
}

static int compare(const kg_index__record *a, int64_t time_ms, int counter, const void *id)
{
	if (a->time_ms != time_ms)
		return a->time_ms < time_ms ? -1 : 1;
	if (a->counter != counter)
		return a->counter < counter ? -1 : 1;
	return memcmp(a->id.bytes, id, KG_HASH_SIZE);
}

static int by_time(const void *a, const void *b)
{
	const kg_index__record *const *x = a;
	const kg_index__record *const *y = b;

	return compare(*x, (*y)->time_ms, (*y)->counter, (*y)->id.bytes);
}

void kg_index__forget(kg_index *index)
{
	for (size_t i = 0; i < index->waiting_count; i++)
		free(index->waiting[i]);
	index->waiting_count = 0;
	index->entries_more = 0;
	index->words_more = 0;
	index->judged = false;
	index->anew = false;
	index->staged = false;
	if (index->terms != NULL)
		kg_index__terms_forget(index);
}

void kg_index_watch(kg_index *index, kg_index_progress progress, void *payload)
{
	index->progress = progress;
	index->progress_payload = payload;
	index->steps = 0;
}

static kg_err step(kg_index *index)
{
	index->steps++;
	if (index->progress == NULL || index->progress(index->progress_payload, index->steps))
		return KG_OK;
	return kg_fail(KG_ETIMEOUT, "interrupted");
}

kg_err kg_index_put(kg_index *index, const kg_entry *entry, const kg_entry_proof *proof,
		    bool verified)
{
	kg_err err = KG_OK;

	if (index->waiting == NULL) {
		index->waiting = calloc(WAITING_MAX, sizeof(kg_index__record *));
		if (index->waiting == NULL)
			return kg_fail(KG_ENOMEM, "no memory for the index");
	}
	if (index->waiting_count == WAITING_MAX)
		err = kg_index__drain(index, false);
	if (err != KG_OK)
		return err;
	index->waiting[index->waiting_count] = record_new(entry, proof, verified);
	if (index->waiting[index->waiting_count] == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the index");
	index->waiting_count++;
	return step(index);
}

/* ---- where a row stands ---- */

/*
 * A number that grows with (time, counter, id). Behind the milliseconds are 16 equal parts: the
 * first for counter 0, the next for the two counters behind it, then four, and so on; a part is
 * shared evenly by its counters, and the id's first bits choose in a counter's share. Most entries
 * are alone in their millisecond, few have a high counter, so two rarely want the same number.
 */
int64_t kg_index__home(int64_t time_ms, unsigned counter, const uint8_t *id)
{
	const int64_t time_max = ((int64_t)1 << TIME_BITS) - 2;
	int64_t time = time_ms < 0 ? 0 : time_ms > time_max ? time_max : time_ms;
	unsigned level = 0;
	unsigned share;

	while (level < 15 && counter >= (2u << level) - 1)
		level++;
	/* The share of the last counter of all would lie behind the part. */
	share = counter - ((1u << level) - 1);
	if (share >= 1u << level)
		share = (1u << level) - 1;
	return time << (LEVEL_BITS + PLACE_BITS) | (int64_t)level << PLACE_BITS |
	       (int64_t)share << (PLACE_BITS - level) |
	       (int64_t)(((unsigned)id[0] << 16 | (unsigned)id[1] << 8 | id[2]) >>
			 (24 - PLACE_BITS + level));
}

static kg_err bind_words(sqlite3_stmt *s, int64_t row, const kg_index__record *r,
			 const char *facets)
{
	(void)sqlite3_bind_int64(s, 1, row);
	(void)sqlite3_bind_text(s, 2, (const char *)r->bytes, (int)r->text_size, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 3, tags_of(r), (int)r->tags_size, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 4, facets, -1, SQLITE_STATIC);
	return KG_OK;
}

static kg_err put_words(kg_index *index, kg_index__statement which, int64_t row,
			const kg_index__record *r)
{
	char facets[KG_INDEX__FACETS_MAX * KG_INDEX__FACET_SIZE + 1];
	sqlite3_stmt *s = kg_index__use(index, which);

	if (s == NULL)
		return kg_index__fail(index);
	kg_index__facets(facets, r);
	(void)bind_words(s, row, r, facets);
	return kg_index__do(index, s);
}

/* The record that a row was made of. */
static kg_err record_of(kg_index *index, kg_index__record **out, int64_t number)
{
	kg_index_rows rows = {0};
	kg_err err = kg_index__append(index, &rows, number);

	if (err != KG_OK)
		return err;
	if (rows.count == 1)
		*out = record_new(&rows.rows[0].entry, &rows.rows[0].proof, rows.rows[0].verified);
	else
		*out = NULL;
	kg_index_rows_release(&rows);
	return *out != NULL ? KG_OK : kg_fail(KG_ENOMEM, "no memory for the index");
}

static kg_err move_number(kg_index *index, kg_index__statement which, int64_t from, int64_t to)
{
	sqlite3_stmt *s = kg_index__use(index, which);

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, from);
	(void)sqlite3_bind_int64(s, 2, to);
	return kg_index__do(index, s);
}

/* Makes way: the row goes one number up. */
static kg_err move_up(kg_index *index, int64_t row)
{
	kg_index__record *r = NULL;
	kg_err err = record_of(index, &r, row);

	if (err == KG_OK)
		err = put_words(index, KG_INDEX__WORDS_DROP, row, r);
	if (err == KG_OK)
		err = move_number(index, KG_INDEX__MOVE, row, row + 1);
	if (err == KG_OK)
		err = move_number(index, KG_INDEX__WEIGHT_MOVE, row, row + 1);
	if (err == KG_OK)
		err = move_number(index, KG_INDEX__MOVE_MILESTONE, row, row + 1);
	if (err == KG_OK)
		err = put_words(index, KG_INDEX__WORDS_PUT, row + 1, r);
	for (size_t i = 0; err == KG_OK && i < r->reference_count; i++) {
		sqlite3_stmt *s = kg_index__use(index, KG_INDEX__MOVE_CITES);

		if (s == NULL) {
			err = kg_index__fail(index);
			break;
		}
		(void)sqlite3_bind_int64(s, 1, row);
		(void)sqlite3_bind_int64(s, 2, row + 1);
		kg_index__bind(s, 3, reference(r, i), KG_HASH_SIZE);
		(void)sqlite3_bind_int64(s, 4, kg_index__head8(r->agent.bytes));
		err = kg_index__do(index, s);
	}
	free(r);
	return err;
}

/* The number for a record, so that the order of numbers is that of time: the first free one from
 * its home on, behind those that come before it. `*taken` counts rows that stand there and behind
 * it without a gap, which must make way. */
static kg_err find_slot(kg_index *index, const kg_index__record *r, int64_t *number, int64_t *taken)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__SLOT);
	int64_t at = kg_index__home(r->time_ms, (unsigned)r->counter, r->id.bytes);
	int64_t end;
	kg_err err = KG_OK;
	int rc;

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, at);
	rc = sqlite3_step(s);
	while (rc == SQLITE_ROW && sqlite3_column_int64(s, 0) == at &&
	       sqlite3_column_bytes(s, 3) == KG_HASH_SIZE &&
	       compare(r, sqlite3_column_int64(s, 1), sqlite3_column_int(s, 2),
		       sqlite3_column_blob(s, 3)) > 0) {
		at++;
		rc = sqlite3_step(s);
	}
	for (end = at; rc == SQLITE_ROW && sqlite3_column_int64(s, 0) == end; end++)
		rc = sqlite3_step(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		err = kg_index__fail(index);
	(void)sqlite3_reset(s);
	*number = at;
	*taken = end - at;
	return err;
}

static kg_err make_slot(kg_index *index, const kg_index__record *r, int64_t *number)
{
	int64_t taken = 0;
	kg_err err = find_slot(index, r, number, &taken);

	while (err == KG_OK && taken > 0)
		err = move_up(index, *number + --taken);
	return err;
}

/* ---- taking one in ---- */

static kg_err find_author(kg_index *index, int64_t *no, const kg_index__record *r)
{
	kg_index__statement which[] = {KG_INDEX__AUTHOR, KG_INDEX__AUTHOR_PUT};

	for (int i = 0; i < 2; i++) {
		sqlite3_stmt *s = kg_index__use(index, which[i]);
		int rc;

		if (s == NULL)
			return kg_index__fail(index);
		kg_index__bind(s, 1, r->agent.bytes, sizeof(r->agent.bytes));
		kg_index__bind(s, 2, r->swarm.bytes, sizeof(r->swarm.bytes));
		(void)sqlite3_bind_text(s, 3, r->name, -1, SQLITE_TRANSIENT);
		rc = sqlite3_step(s);
		*no = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0)
				       : sqlite3_last_insert_rowid(index->db);
		(void)sqlite3_reset(s);
		if (rc == SQLITE_ROW || (rc == SQLITE_DONE && i == 1))
			return KG_OK;
		if (rc != SQLITE_DONE)
			return kg_index__fail(index);
	}
	return KG_OK;
}

static kg_err put_row(kg_index *index, const kg_index__record *r, int64_t row, int64_t author,
		      size_t length)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__PUT);

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, row);
	(void)sqlite3_bind_int64(s, 2, author);
	(void)sqlite3_bind_int64(s, 3, (sqlite3_int64)r->sequence);
	(void)sqlite3_bind_int(s, 4, r->type);
	(void)sqlite3_bind_int64(s, 5, r->time_ms);
	(void)sqlite3_bind_int(s, 6, r->counter);
	(void)sqlite3_bind_int(s, 7, r->verified ? 1 : 0);
	(void)sqlite3_bind_int(s, 8, r->sealed ? 1 : 0);
	(void)sqlite3_bind_int64(s, 9, (sqlite3_int64)length);
	for (int i = 0; i < 6; i++)
		if (r->numbers[i] == INT64_MIN)
			(void)sqlite3_bind_null(s, 10 + i);
		else
			(void)sqlite3_bind_int64(s, 10 + i, r->numbers[i]);
	(void)sqlite3_bind_int64(s, 16, kg_index__head8(r->id.bytes));
	(void)sqlite3_bind_int64(s, 17, kg_index__head8(r->commit.bytes));
	(void)sqlite3_bind_blob(s, 18, r->id.bytes, KG_HASH_SIZE, SQLITE_STATIC);
	(void)sqlite3_bind_blob(s, 19, r->commit.bytes, KG_COMMIT_SIZE, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 20, tags_of(r), (int)r->tags_size, SQLITE_STATIC);
	kg_index__bind(s, 21, reference(r, 0), r->reference_count * KG_HASH_SIZE);
	(void)sqlite3_bind_text(s, 22, (const char *)r->bytes, (int)r->text_size, SQLITE_STATIC);
	return kg_index__do(index, s);
}

/* The columns of put_row that a question weighs. */
static kg_err put_weight(kg_index *index, const kg_index__record *r, int64_t row, int64_t author,
			 size_t length)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__WEIGHT_PUT);

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, row);
	(void)sqlite3_bind_int64(s, 2, author);
	(void)sqlite3_bind_int(s, 3, r->verified ? 1 : 0);
	(void)sqlite3_bind_int64(s, 4, (sqlite3_int64)length);
	for (int i = 0; i < 2; i++)
		if (r->numbers[i] == INT64_MIN)
			(void)sqlite3_bind_null(s, 5 + i);
		else
			(void)sqlite3_bind_int64(s, 5 + i, r->numbers[i]);
	(void)sqlite3_bind_int64(s, 7, kg_index__head8(r->id.bytes));
	(void)sqlite3_bind_blob(s, 8, r->id.bytes, KG_HASH_SIZE, SQLITE_STATIC);
	(void)sqlite3_bind_int(s, 9, KG_INDEX_WITNESSES_MAX);
	return kg_index__do(index, s);
}

static kg_err tell_cited(kg_index *index, const uint8_t *id)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__WEIGHT_CITED);

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, kg_index__head8(id));
	kg_index__bind(s, 2, id, KG_HASH_SIZE);
	(void)sqlite3_bind_int(s, 3, KG_INDEX_WITNESSES_MAX);
	return kg_index__do(index, s);
}

static kg_err put_citations(kg_index *index, const kg_index__record *r, int64_t row)
{
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < r->reference_count; i++) {
		sqlite3_stmt *s = kg_index__use(index, KG_INDEX__CITE);

		if (s == NULL)
			return kg_index__fail(index);
		kg_index__bind(s, 1, reference(r, i), KG_HASH_SIZE);
		(void)sqlite3_bind_int64(s, 2, kg_index__head8(r->agent.bytes));
		(void)sqlite3_bind_int64(s, 3, row);
		err = kg_index__do(index, s);
		if (err == KG_OK && sqlite3_changes(index->db) > 0)
			err = tell_cited(index, reference(r, i));
	}
	return err;
}

static kg_err is_place_taken(kg_index *index, bool *taken, int64_t author, uint64_t sequence)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__PLACE);
	int rc;

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, author);
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)sequence);
	rc = sqlite3_step(s);
	*taken = rc == SQLITE_ROW;
	(void)sqlite3_reset(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}

static kg_err put_new(kg_index *index, const kg_index__record *r)
{
	char facets[KG_INDEX__FACETS_MAX * KG_INDEX__FACET_SIZE + 1];
	size_t length = 0;
	int64_t author = 0;
	int64_t row = 0;
	bool taken = false;
	kg_err err = find_author(index, &author, r);

	if (err == KG_OK)
		err = is_place_taken(index, &taken, author, r->sequence);
	/* The first stays, until the index is held against git. */
	if (err == KG_OK && !taken)
		err = make_slot(index, r, &row);
	if (err != KG_OK || taken)
		return err;
	kg_index__facets(facets, r);
	err = kg_index__terms_count(index, r, facets, &length);
	if (err == KG_OK)
		err = put_row(index, r, row, author, length);
	if (err == KG_OK)
		err = put_weight(index, r, row, author, length);
	if (err != KG_OK)
		return err;
	err = put_words(index, KG_INDEX__WORDS_PUT, row, r);
	if (err == KG_OK)
		err = put_citations(index, r, row);
	if (err == KG_OK && kg_index__is_milestone(r->id.bytes))
		err = move_number(index, KG_INDEX__MILESTONE, row, 0);
	index->entries_more++;
	index->words_more += (int64_t)length;
	return err == KG_OK ? kg_index__marks_put(index, r) : err;
}

/* What is there already: its place may be another now, and its author a member. */
static kg_err replace(kg_index *index, const kg_index__record *r, int64_t row)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__REPLACE);
	kg_err err;

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, row);
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)r->sequence);
	kg_index__bind(s, 3, r->commit.bytes, KG_COMMIT_SIZE);
	(void)sqlite3_bind_int64(s, 4, kg_index__head8(r->commit.bytes));
	(void)sqlite3_bind_int(s, 5, r->verified ? 1 : 0);
	err = kg_index__do(index, s);
	return err == KG_OK ? move_number(index, KG_INDEX__WEIGHT_VERIFIED, row, row) : err;
}

static kg_err take_in(kg_index *index, const kg_index__record *r)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__HAVE);
	int64_t row = 0;
	bool newer = false;
	kg_err err;
	int rc;

	if (s == NULL)
		return kg_index__fail(index);
	err = step(index);
	if (err != KG_OK)
		return err;
	(void)sqlite3_bind_int64(s, 1, kg_index__head8(r->id.bytes));
	(void)sqlite3_bind_blob(s, 2, r->id.bytes, KG_HASH_SIZE, SQLITE_STATIC);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		row = sqlite3_column_int64(s, 0);
		newer = (uint64_t)sqlite3_column_int64(s, 1) < r->sequence;
	}
	(void)sqlite3_reset(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return kg_index__fail(index);
	if (rc == SQLITE_DONE)
		return put_new(index, r);
	return newer ? replace(index, r, row) : KG_OK;
}

/* ---- in order ---- */

static kg_err stage(kg_index *index)
{
	kg_err err = KG_OK;

	if (!index->staged)
		err = kg_index__run(index, "CREATE TEMP TABLE IF NOT EXISTS staged(time_ms,"
					   " counter, id, record); DELETE FROM temp.staged;");
	index->staged = err == KG_OK;
	for (size_t i = 0; err == KG_OK && i < index->waiting_count; i++) {
		const kg_index__record *r = index->waiting[i];
		sqlite3_stmt *s = kg_index__use(index, KG_INDEX__STAGE);

		if (s == NULL)
			return kg_index__fail(index);
		(void)sqlite3_bind_int64(s, 1, r->time_ms);
		(void)sqlite3_bind_int(s, 2, r->counter);
		kg_index__bind(s, 3, r->id.bytes, KG_HASH_SIZE);
		(void)sqlite3_bind_blob(s, 4, r, (int)r->size, SQLITE_STATIC);
		err = kg_index__do(index, s);
		(void)sqlite3_clear_bindings(s);
	}
	return err;
}

static kg_err take_in_staged(kg_index *index)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s,
				       "SELECT record FROM temp.staged"
				       " ORDER BY time_ms, counter, id");
	int rc = SQLITE_DONE;

	if (err != KG_OK)
		return err;
	while (err == KG_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		size_t size = (size_t)sqlite3_column_bytes(s, 0);
		kg_index__record *r = malloc(size > 0 ? size : 1);

		if (r == NULL) {
			err = kg_fail(KG_ENOMEM, "no memory for the index");
			break;
		}
		memcpy(r, sqlite3_column_blob(s, 0), size);
		err = take_in(index, r);
		free(r);
	}
	if (err == KG_OK && rc != SQLITE_DONE)
		err = kg_index__fail(index);
	(void)sqlite3_finalize(s);
	return err == KG_OK ? kg_index__run(index, "DROP TABLE temp.staged") : err;
}

/* FTS5 takes rows fast in their order only, and so do the tables. */
kg_err kg_index__drain(kg_index *index, bool last)
{
	kg_err err = KG_OK;

	if (index->anew && (!last || index->staged)) {
		err = stage(index);
	} else if (index->waiting_count > 0) {
		qsort(index->waiting, index->waiting_count, sizeof(kg_index__record *), by_time);
		for (size_t i = 0; err == KG_OK && i < index->waiting_count; i++)
			err = take_in(index, index->waiting[i]);
	}
	for (size_t i = 0; i < index->waiting_count; i++)
		free(index->waiting[i]);
	index->waiting_count = 0;
	if (err == KG_OK && last && index->staged)
		err = take_in_staged(index);
	return err;
}
