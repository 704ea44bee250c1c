/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "memory/index_impl.h"

enum { WORDS_MAX = 64, MATCH_MAX = 4 * KG_INDEX_QUERY_MAX };

static const char columns[] =
	"e.id, e.commit_id, e.type, e.swarm, e.agent, e.name, e.sequence, e.time_ms, e.counter,"
	" e.text, e.tags, e.confidence, e.level, e.awareness, e.understanding, e.readiness,"
	" e.capacity, e.refs, e.verified";

/* The index is a file that anyone may have edited: lengths are checked like those of a message. */
static bool take_blob(void *out, sqlite3_stmt *s, int column, size_t size)
{
	if (sqlite3_column_bytes(s, column) != (int)size)
		return false;
	memcpy(out, sqlite3_column_blob(s, column), size);
	return true;
}

static double number_at(sqlite3_stmt *s, int column, bool *has)
{
	*has = sqlite3_column_type(s, column) != SQLITE_NULL;
	return (double)sqlite3_column_int64(s, column) / 1e6;
}

static bool take_tags(kg_entry *e, const char *tags)
{
	while (*(tags += strspn(tags, " ")) != '\0') {
		size_t length = strcspn(tags, " ");
		char tag[KG_ENTRY_TAG_MAX + 1];

		if (length > KG_ENTRY_TAG_MAX)
			return false;
		memcpy(tag, tags, length);
		tag[length] = '\0';
		if (kg_entry_add_tag(e, tag) != KG_OK)
			return false;
		tags += length;
	}
	return true;
}

static bool take_texts(kg_entry *e, sqlite3_stmt *s)
{
	const char *name = (const char *)sqlite3_column_text(s, 5);
	const char *text = (const char *)sqlite3_column_text(s, 9);
	const char *tags = (const char *)sqlite3_column_text(s, 10);
	size_t refs = (size_t)sqlite3_column_bytes(s, 17);

	if (name == NULL || text == NULL || tags == NULL || strlen(name) > KG_NAME_MAX ||
	    refs % sizeof(e->references[0]) != 0 || refs > sizeof(e->references))
		return false;
	memcpy(e->agent_name, name, strlen(name) + 1);
	if (refs > 0)
		memcpy(e->references, sqlite3_column_blob(s, 17), refs);
	e->reference_count = refs / sizeof(e->references[0]);
	return take_tags(e, tags) &&
	       kg_entry_set_text(e, text, (size_t)sqlite3_column_bytes(s, 9)) == KG_OK;
}

static bool take_row(kg_index_row *row, sqlite3_stmt *s)
{
	kg_entry *e = &row->entry;
	bool has = false;

	kg_entry_init(e, (kg_entry_type)sqlite3_column_int(s, 2));
	row->proof = (kg_entry_proof){0};
	if (!take_blob(row->proof.id.bytes, s, 0, KG_HASH_SIZE) ||
	    !take_blob(row->proof.commit.bytes, s, 1, KG_COMMIT_SIZE) ||
	    kg_entry_type_name(e->type) == NULL ||
	    !take_blob(e->swarm.bytes, s, 3, KG_PUBKEY_SIZE) ||
	    !take_blob(e->agent.bytes, s, 4, KG_PUBKEY_SIZE) || !take_texts(e, s))
		return false;
	e->sequence = (uint64_t)sqlite3_column_int64(s, 6);
	e->time_ms = sqlite3_column_int64(s, 7);
	e->time_counter = (uint16_t)sqlite3_column_int(s, 8);
	e->confidence = number_at(s, 11, &e->has_confidence);
	e->level = number_at(s, 12, &e->has_level);
	e->parts.quantization_awareness = number_at(s, 13, &e->has_parts);
	e->parts.complex_understanding = number_at(s, 14, &has);
	e->parts.compression_readiness = number_at(s, 15, &has);
	e->parts.pedagogical_capacity = number_at(s, 16, &has);
	row->verified = sqlite3_column_int(s, 18) != 0;
	row->rank = sqlite3_column_double(s, 19);
	return true;
}

void kg_index_rows_release(kg_index_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		kg_entry_release(&rows->rows[i].entry);
	free(rows->rows);
	*rows = (kg_index_rows){0};
}

static kg_err take_rows(kg_index *index, kg_index_rows *out, sqlite3_stmt *s)
{
	kg_index_rows rows = {0};
	kg_err err = KG_OK;
	int rc = sqlite3_step(s);

	while (err == KG_OK && rc == SQLITE_ROW) {
		if ((rows.count & (rows.count - 1)) == 0) {
			size_t room = rows.count == 0 ? 1 : 2 * rows.count;
			kg_index_row *grown = realloc(rows.rows, room * sizeof(*grown));

			if (grown == NULL) {
				err = kg_fail(KG_ENOMEM, "no memory for %zu rows", room);
				break;
			}
			rows.rows = grown;
		}
		if (!take_row(&rows.rows[rows.count++], s))
			err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
		else
			rc = sqlite3_step(s);
	}
	if (err == KG_OK && rc != SQLITE_DONE)
		err = kg_index__fail(index);
	if (err != KG_OK) {
		kg_index_rows_release(&rows);
		return err;
	}
	*out = rows;
	return KG_OK;
}

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c & 0x80) != 0;
}

/* The query as FTS5 wants it: every run of letters and digits in quotes, so that nothing in it is
 * an operator. `*words` is how many there are. */
static kg_err quote_query(kg_buf *out, size_t *words, const char *query, bool any_word)
{
	*words = 0;
	if (strlen(query) > KG_INDEX_QUERY_MAX)
		return kg_fail(KG_EINVAL, "a query of more than %d bytes", KG_INDEX_QUERY_MAX);
	while (*query != '\0' && *words < WORDS_MAX) {
		const char *start;

		while (*query != '\0' && !is_word_byte(*query))
			query++;
		start = query;
		while (is_word_byte(*query))
			query++;
		if (query == start)
			break;
		if (*words > 0)
			kg_buf_puts(out, any_word ? " OR " : " ");
		kg_buf_puts(out, "\"");
		kg_buf_put(out, start, (size_t)(query - start));
		kg_buf_puts(out, "\"");
		++*words;
	}
	return kg_buf_ok(out);
}

static void put_conditions(kg_buf *sql, const kg_index_filter *f)
{
	kg_buf_puts(sql, " WHERE e.sequence >= ?8");
	if (f->tag != NULL)
		kg_buf_puts(sql, " AND instr(e.tags, ?2) > 0");
	if (f->has_type)
		kg_buf_puts(sql, " AND e.type = ?3");
	if (f->agent != NULL)
		kg_buf_puts(sql, " AND e.agent = ?4");
	if (f->agent_name != NULL)
		kg_buf_puts(sql, " AND e.name = ?5");
	if (f->not_agent != NULL)
		kg_buf_puts(sql, " AND e.agent <> ?6");
	if (f->has_level_min)
		kg_buf_puts(sql, " AND e.level >= ?7");
	kg_buf_puts(sql, " AND e.time_ms >= ?9");
	if (f->query != NULL)
		kg_buf_puts(sql, " AND words MATCH ?1 ORDER BY rank, e.time_ms DESC,"
				 " e.counter DESC, e.id");
	else if (f->chain_order)
		kg_buf_puts(sql, " ORDER BY e.agent, e.sequence");
	else
		kg_buf_puts(sql, " ORDER BY e.time_ms DESC, e.counter DESC, e.id DESC");
	kg_buf_puts(sql, " LIMIT ?10");
}

static void bind_filter(sqlite3_stmt *s, const kg_index_filter *f, const char *words)
{
	char tag[KG_ENTRY_TAG_MAX + 3];

	(void)sqlite3_bind_text(s, 1, words, -1, SQLITE_TRANSIENT);
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
	(void)sqlite3_bind_int64(s, 10, (sqlite3_int64)(f->limit == 0 ? 20 : f->limit));
}

static kg_err check_filter(const kg_index_filter *f)
{
	if (f->limit > KG_INDEX_LIMIT_MAX)
		return kg_fail(KG_EINVAL, "limit is more than %d", KG_INDEX_LIMIT_MAX);
	if (f->has_level_min && !(f->level_min >= 0.0 && f->level_min <= 1.0))
		return kg_fail(KG_EINVAL, "consciousness is outside 0..1");
	if (f->sequence_min > INT64_MAX)
		return kg_fail(KG_EINVAL, "sequence is out of range");
	return KG_OK;
}

kg_err kg_index_recall(kg_index *index, kg_index_rows *rows, const kg_index_filter *filter)
{
	sqlite3_stmt *statement = NULL;
	size_t words = 0;
	kg_buf match;
	kg_buf sql;
	kg_err err = check_filter(filter);

	if (err != KG_OK)
		return err;
	kg_buf_init(&match, MATCH_MAX);
	kg_buf_init(&sql, 4096);
	if (filter->query != NULL) {
		err = quote_query(&match, &words, filter->query, filter->any_word);
		if (err == KG_OK && words == 0) {
			*rows = (kg_index_rows){0};
			goto done;
		}
	}
	kg_buf_printf(&sql, "SELECT %s, %s FROM %s", columns,
		      filter->query != NULL ? "words.rank" : "0.0",
		      filter->query != NULL ? "words JOIN entries e ON e.row = words.rowid"
					    : "entries e");
	put_conditions(&sql, filter);
	if (err == KG_OK)
		err = kg_buf_ok(&sql);
	if (err == KG_OK)
		err = kg_index__prepare(index, &statement, kg_buf_text(&sql));
	if (err == KG_OK) {
		bind_filter(statement, filter, kg_buf_text(&match));
		err = take_rows(index, rows, statement);
	}
done:
	(void)sqlite3_finalize(statement);
	kg_buf_release(&match);
	kg_buf_release(&sql);
	return err;
}

kg_err kg_index_head(kg_index *index, kg_chain_head *head, const kg_pubkey *agent)
{
	sqlite3_stmt *s = NULL;
	kg_chain_head found = {0};
	kg_err err = kg_index__prepare(index, &s,
				       "SELECT commit_id, sequence, time_ms, counter FROM entries"
				       " WHERE agent = ? ORDER BY sequence DESC LIMIT 1");
	int rc;

	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, agent->bytes, sizeof(agent->bytes));
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		found.sequence = (uint64_t)sqlite3_column_int64(s, 1);
		found.time_ms = sqlite3_column_int64(s, 2);
		found.time_counter = (uint16_t)sqlite3_column_int(s, 3);
		if (!take_blob(found.commit.bytes, s, 0, KG_COMMIT_SIZE))
			err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	} else if (rc != SQLITE_DONE) {
		err = kg_index__fail(index);
	}
	(void)sqlite3_finalize(s);
	if (err == KG_OK)
		*head = found;
	return err;
}

kg_err kg_index_count(kg_index *index, uint64_t *entries)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s, "SELECT count(*) FROM entries");

	if (err != KG_OK)
		return err;
	if (sqlite3_step(s) == SQLITE_ROW)
		*entries = (uint64_t)sqlite3_column_int64(s, 0);
	else
		err = kg_index__fail(index);
	(void)sqlite3_finalize(s);
	return err;
}

/* One row of id, commit, agent, sequence; the statement is consumed. */
static kg_err take_place(kg_index *index, sqlite3_stmt *s, kg_entry_proof *proof, kg_pubkey *agent,
			 uint64_t *sequence, const char *what)
{
	kg_entry_proof found = {0};
	kg_pubkey author = {0};
	uint64_t place = 0;
	kg_err err = KG_OK;
	int rc = sqlite3_step(s);

	if (rc == SQLITE_DONE) {
		err = kg_fail(KG_ENOTFOUND, "no entry %s", what);
	} else if (rc != SQLITE_ROW) {
		err = kg_index__fail(index);
	} else if (!take_blob(found.id.bytes, s, 0, KG_HASH_SIZE) ||
		   !take_blob(found.commit.bytes, s, 1, KG_COMMIT_SIZE) ||
		   !take_blob(author.bytes, s, 2, KG_PUBKEY_SIZE)) {
		err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	} else {
		place = (uint64_t)sqlite3_column_int64(s, 3);
		if (sqlite3_step(s) == SQLITE_ROW)
			err = kg_fail(KG_ECONFLICT, "several entries begin with %s", what);
	}
	(void)sqlite3_finalize(s);
	if (err != KG_OK)
		return err;
	*proof = found;
	*agent = author;
	*sequence = place;
	return KG_OK;
}

/* The least and the greatest bytes that begin with these hex digits. */
static kg_err prefix_range(uint8_t low[KG_HASH_SIZE], uint8_t high[KG_HASH_SIZE],
			   const char *prefix)
{
	size_t length = strlen(prefix);
	char text[KG_HASH_TEXT_SIZE];
	kg_err err;

	if (length < 6 || length > KG_HASH_TEXT_SIZE - 1 || !kg_hex_is(prefix, length))
		return kg_fail(KG_EINVAL, "\"%.70s\" is not 6..64 hex digits", prefix);
	memset(text, '0', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, prefix, length);
	err = kg_hex_decode(low, KG_HASH_SIZE, text);
	if (err != KG_OK)
		return err;
	memset(text + length, 'f', sizeof(text) - 1 - length);
	return kg_hex_decode(high, KG_HASH_SIZE, text);
}

kg_err kg_index_find(kg_index *index, kg_entry_proof *proof, kg_pubkey *agent, uint64_t *sequence,
		     const char *prefix)
{
	uint8_t low[KG_HASH_SIZE];
	uint8_t high[KG_HASH_SIZE];
	size_t commit_size = strlen(prefix) > KG_COMMIT_TEXT_SIZE - 1 ? 0 : KG_COMMIT_SIZE;
	sqlite3_stmt *s = NULL;
	kg_err err = prefix_range(low, high, prefix);

	if (err == KG_OK)
		err = kg_index__prepare(index, &s,
					"SELECT id, commit_id, agent, sequence FROM entries"
					" WHERE id BETWEEN ?1 AND ?2 UNION"
					" SELECT id, commit_id, agent, sequence FROM entries"
					" WHERE commit_id BETWEEN ?3 AND ?4 LIMIT 2");
	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, low, sizeof(low));
	kg_index__bind(s, 2, high, sizeof(high));
	/* More digits than a commit has: an empty range. */
	kg_index__bind(s, 3, commit_size > 0 ? low : high, commit_size);
	kg_index__bind(s, 4, high, commit_size);
	return take_place(index, s, proof, agent, sequence, prefix);
}

kg_err kg_index_at(kg_index *index, kg_entry_proof *proof, const kg_pubkey *agent,
		   uint64_t sequence)
{
	kg_pubkey author;
	uint64_t place;
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s,
				       "SELECT id, commit_id, agent, sequence FROM entries"
				       " WHERE agent = ? AND sequence = ?");

	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, agent->bytes, sizeof(agent->bytes));
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)sequence);
	return take_place(index, s, proof, &author, &place, "there");
}

kg_err kg_index_dump(kg_index *index, kg_buf *out)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(
		index, &s,
		"SELECT hex(id), hex(commit_id), type, hex(swarm), hex(agent), name,"
		" sequence, time_ms, counter, quote(text), tags, confidence, level,"
		" awareness, understanding, readiness, capacity, hex(refs), verified"
		" FROM entries ORDER BY time_ms, counter, id");
	int rc = SQLITE_DONE;

	if (err != KG_OK)
		return err;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(s); i++) {
			const char *text = (const char *)sqlite3_column_text(s, i);

			kg_buf_printf(out, "%s%s", i > 0 ? "|" : "", text != NULL ? text : "-");
		}
		kg_buf_puts(out, "\n");
	}
	if (rc != SQLITE_DONE)
		err = kg_index__fail(index);
	(void)sqlite3_finalize(s);
	return err == KG_OK ? kg_buf_ok(out) : err;
}
