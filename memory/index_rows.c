/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "memory/index_impl.h"

/* The index is a file that anyone may have edited: lengths are checked like those of a message. */
bool kg_index__take_blob(void *out, sqlite3_stmt *s, int column, size_t size)
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

bool kg_index__take_row(kg_index_row *row, sqlite3_stmt *s)
{
	kg_entry *e = &row->entry;
	bool has = false;

	kg_entry_init(e, (kg_entry_type)sqlite3_column_int(s, 2));
	row->proof = (kg_entry_proof){0};
	if (!kg_index__take_blob(row->proof.id.bytes, s, 0, KG_HASH_SIZE) ||
	    !kg_index__take_blob(row->proof.commit.bytes, s, 1, KG_COMMIT_SIZE) ||
	    kg_entry_type_name(e->type) == NULL ||
	    !kg_index__take_blob(e->swarm.bytes, s, 3, KG_PUBKEY_SIZE) ||
	    !kg_index__take_blob(e->agent.bytes, s, 4, KG_PUBKEY_SIZE) || !take_texts(e, s))
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
	e->has_sealed = sqlite3_column_int(s, 19) != 0;
	row->marked = sqlite3_column_type(s, 20) != SQLITE_NULL;
	row->origin = (kg_entry_id){0};
	row->weight = (kg_index_weight){0};
	if (row->marked && !kg_index__take_blob(row->origin.bytes, s, 20, KG_HASH_SIZE))
		return false;
	return true;
}

void kg_index_rows_release(kg_index_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		kg_entry_release(&rows->rows[i].entry);
	free(rows->rows);
	*rows = (kg_index_rows){0};
}

/* Takes the one row of a statement in, and resets it. */
static kg_err append_row(kg_index *index, kg_index_rows *rows, sqlite3_stmt *s)
{
	kg_err err = KG_OK;
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW && (rows->count & (rows->count - 1)) == 0) {
		size_t room = rows->count == 0 ? 1 : 2 * rows->count;
		kg_index_row *grown = realloc(rows->rows, room * sizeof(*grown));

		if (grown != NULL)
			rows->rows = grown;
		else
			err = kg_fail(KG_ENOMEM, "no memory for %zu rows", room);
	}
	if (err == KG_OK && rc == SQLITE_ROW && !kg_index__take_row(&rows->rows[rows->count++], s))
		err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		err = kg_index__fail(index);
	(void)sqlite3_reset(s);
	return err;
}

kg_err kg_index__append(kg_index *index, kg_index_rows *rows, int64_t number)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__ROW);

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, number);
	return append_row(index, rows, s);
}

kg_err kg_index_row_of(kg_index *index, kg_index_row *row, const kg_entry_id *id)
{
	kg_index_rows rows = {0};
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__ROW_OF);
	kg_err err;

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, kg_index__head8(id->bytes));
	kg_index__bind(s, 2, id->bytes, sizeof(id->bytes));
	err = append_row(index, &rows, s);
	if (err == KG_OK && rows.count == 0)
		err = kg_fail(KG_ENOTFOUND, "no such entry");
	if (err == KG_OK)
		*row = rows.rows[0];
	else
		kg_index_rows_release(&rows);
	free(rows.rows);
	return err;
}

bool kg_index_matches(const kg_index_row *row, const kg_index_filter *f)
{
	const kg_entry *e = &row->entry;

	return (f->tag == NULL || kg_entry_has_tag(e, f->tag)) &&
	       (!f->has_type || e->type == f->type) &&
	       (f->agent == NULL || kg_pubkey_equal(&e->agent, f->agent)) &&
	       (f->agent_name == NULL || strcmp(e->agent_name, f->agent_name) == 0) &&
	       (f->not_agent == NULL || !kg_pubkey_equal(&e->agent, f->not_agent)) &&
	       e->time_ms >= f->since_ms && e->sequence >= f->sequence_min &&
	       (!f->has_level_min || (e->has_level && e->level >= f->level_min)) &&
	       (!f->has_confidence_min ||
		(e->has_confidence && e->confidence >= f->confidence_min)) &&
	       (f->marked_too || !row->marked);
}

kg_err kg_index_walk(kg_index *index, size_t limit, kg_index_visit visit, void *payload)
{
	sqlite3_stmt *s = NULL;
	bool stop = false;
	kg_err err = kg_index__prepare(index, &s,
				       "SELECT id, time_ms, type, sealed FROM entries"
				       " ORDER BY row DESC LIMIT ?");
	int rc = SQLITE_DONE;

	if (err != KG_OK)
		return err;
	(void)sqlite3_bind_int64(s, 1, (sqlite3_int64)limit);
	while (err == KG_OK && !stop && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		kg_entry_id id;

		if (!kg_index__take_blob(id.bytes, s, 0, KG_HASH_SIZE))
			err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
		else
			err = visit(payload, &id, sqlite3_column_int64(s, 1),
				    (kg_entry_type)sqlite3_column_int(s, 2),
				    sqlite3_column_int(s, 3) != 0, &stop);
	}
	if (err == KG_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = kg_index__fail(index);
	(void)sqlite3_finalize(s);
	return err;
}

kg_err kg_index_dump(kg_index *index, kg_buf *out)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(
		index, &s,
		"SELECT hex(e.id), hex(e.commit_id), e.type, hex(a.swarm), hex(a.agent), a.name,"
		" e.sequence, e.time_ms, e.counter, quote(e.text), e.tags, e.confidence, e.level,"
		" e.awareness, e.understanding, e.readiness, e.capacity, hex(e.refs), e.verified,"
		" e.sealed, hex(m.origin), e.length FROM entries e JOIN authors a ON a.no = "
		"e.author"
		" LEFT JOIN marks m ON m.id = e.id ORDER BY e.time_ms, e.counter, e.id");
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
