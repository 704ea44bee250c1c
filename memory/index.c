/* SPDX-License-Identifier: MIT */
#include "memory/index.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "memory/index_impl.h"

/* Grows with the tables; a file of another number is thrown away. */
#define VERSION     1
#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

enum { BUSY_MS = 5000 };

/* Numbers in 0..1 are kept in steps of 1e-6, as in the entry: exact, and equal after a rebuild. */
static const char schema[] =
	"CREATE TABLE entries("
	" row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, commit_id BLOB NOT NULL UNIQUE,"
	" type INTEGER NOT NULL, swarm BLOB NOT NULL, agent BLOB NOT NULL, name TEXT NOT NULL,"
	" sequence INTEGER NOT NULL, time_ms INTEGER NOT NULL, counter INTEGER NOT NULL,"
	" text TEXT NOT NULL, tags TEXT NOT NULL, confidence INTEGER, level INTEGER,"
	" awareness INTEGER, understanding INTEGER, readiness INTEGER, capacity INTEGER,"
	" refs BLOB NOT NULL, verified INTEGER NOT NULL, UNIQUE(agent, sequence));"
	"CREATE INDEX entries_by_time ON entries(time_ms, counter, id);"
	"CREATE VIRTUAL TABLE words USING fts5(text, tags, content='entries',"
	" content_rowid='row', tokenize='porter unicode61');"
	"PRAGMA user_version = " TEXT_OF(VERSION) ";";

kg_err kg_index__fail(const kg_index *index)
{
	int code = index->db != NULL ? sqlite3_errcode(index->db) : SQLITE_NOMEM;
	const char *why = index->db != NULL ? sqlite3_errmsg(index->db) : "no memory";

	switch (code & 0xff) {
	case SQLITE_FULL:
		return kg_fail(KG_EFULL, "index: %s", why);
	case SQLITE_NOMEM:
		return kg_fail(KG_ENOMEM, "index: %s", why);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return kg_fail(KG_ETIMEOUT, "index: %s", why);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return kg_fail(KG_ECORRUPT, "index: %s", why);
	default:
		return kg_fail(KG_EIO, "index: %s", why);
	}
}

static kg_err run(kg_index *index, const char *sql)
{
	return sqlite3_exec(index->db, sql, NULL, NULL, NULL) == SQLITE_OK ? KG_OK
									   : kg_index__fail(index);
}

kg_err kg_index__prepare(kg_index *index, sqlite3_stmt **statement, const char *sql)
{
	if (sqlite3_prepare_v2(index->db, sql, -1, statement, NULL) != SQLITE_OK)
		return kg_index__fail(index);
	return KG_OK;
}

static kg_err read_version(kg_index *index, int *version)
{
	sqlite3_stmt *statement = NULL;
	/* The second part reads the schema: a damaged one shows here, not at the first query. */
	kg_err err = kg_index__prepare(index, &statement,
				       "SELECT user_version, (SELECT count(*) FROM sqlite_master)"
				       " FROM pragma_user_version");

	if (err != KG_OK)
		return err;
	if (sqlite3_step(statement) == SQLITE_ROW)
		*version = sqlite3_column_int(statement, 0);
	else
		err = kg_index__fail(index);
	(void)sqlite3_finalize(statement);
	return err;
}

static kg_err open_once(kg_index **out, const char *path, bool writable)
{
	int flags = writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	kg_index *index = calloc(1, sizeof(*index));
	int version = 0;
	kg_err err = KG_OK;

	if (index == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the index");
	if (sqlite3_open_v2(path != NULL ? path : ":memory:", &index->db,
			    flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		err = kg_index__fail(index);
	if (err == KG_OK) {
		(void)sqlite3_busy_timeout(index->db, BUSY_MS);
		err = read_version(index, &version);
	}
	/* What the index loses in a power cut is built again from git. */
	if (err == KG_OK && writable)
		err = run(index, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;");
	if (err == KG_OK && version == 0 && writable) {
		err = run(index, "BEGIN IMMEDIATE");
		if (err == KG_OK)
			err = run(index, schema);
		if (err == KG_OK)
			err = run(index, "COMMIT");
	} else if (err == KG_OK && version != VERSION) {
		err = kg_fail(KG_ECORRUPT, "the index has version %d", version);
	}
	if (err != KG_OK) {
		kg_index_free(index);
		return err;
	}
	*out = index;
	return KG_OK;
}

kg_err kg_index_remove(const char *path)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[KG_PATH_SIZE];

	for (size_t i = 0; i < 3; i++) {
		kg_err err = kg_path(name, "%s%s", path, suffixes[i]);

		if (err != KG_OK)
			return err;
		(void)unlink(name);
	}
	return KG_OK;
}

kg_err kg_index_open(kg_index **out, const char *path, bool writable)
{
	kg_err err;

	if (path != NULL && !writable && !kg_fs_exists(path))
		return kg_fail(KG_ENOTFOUND, "there is no index");
	err = open_once(out, path, writable || path == NULL);
	if (err != KG_ECORRUPT || path == NULL || !writable)
		return err;
	err = kg_index_remove(path);
	return err == KG_OK ? open_once(out, path, writable) : err;
}

void kg_index_free(kg_index *index)
{
	if (index == NULL)
		return;
	(void)sqlite3_finalize(index->put);
	(void)sqlite3_finalize(index->put_words);
	(void)sqlite3_close(index->db);
	free(index);
}

bool kg_index_is_moved(const kg_index *index)
{
	int moved = 0;

	return sqlite3_file_control(index->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
		       SQLITE_OK &&
	       moved != 0;
}

kg_err kg_index_begin(kg_index *index)
{
	kg_err err = run(index, "BEGIN IMMEDIATE");

	index->open = err == KG_OK;
	return err;
}

kg_err kg_index_end(kg_index *index)
{
	kg_err err = run(index, "COMMIT");

	if (err != KG_OK)
		kg_index_cancel(index);
	index->open = false;
	return err;
}

void kg_index_cancel(kg_index *index)
{
	kg_err ignored;

	if (!index->open)
		return;
	/* A failed transaction may be rolled back already. */
	ignored = run(index, "ROLLBACK");
	(void)ignored;
	index->open = false;
}

kg_err kg_index_clear(kg_index *index)
{
	return run(index, "DELETE FROM entries;"
			  "INSERT INTO words(words) VALUES('delete-all');");
}

static void bind_number(sqlite3_stmt *s, int column, bool has, double value)
{
	if (has)
		(void)sqlite3_bind_int64(s, column, llround(value * 1e6));
	else
		(void)sqlite3_bind_null(s, column);
}

void kg_index__bind(sqlite3_stmt *s, int column, const void *data, size_t size)
{
	(void)sqlite3_bind_blob(s, column, size > 0 ? data : "", (int)size, SQLITE_TRANSIENT);
}

static void join_tags(char out[KG_ENTRY_TAGS_MAX * (KG_ENTRY_TAG_MAX + 1) + 2],
		      const kg_entry *entry)
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

static void bind_entry(sqlite3_stmt *s, const kg_entry *e, const kg_entry_proof *proof,
		       const char *tags, bool verified)
{
	kg_index__bind(s, 1, proof->id.bytes, sizeof(proof->id.bytes));
	kg_index__bind(s, 2, proof->commit.bytes, sizeof(proof->commit.bytes));
	(void)sqlite3_bind_int(s, 3, (int)e->type);
	kg_index__bind(s, 4, e->swarm.bytes, sizeof(e->swarm.bytes));
	kg_index__bind(s, 5, e->agent.bytes, sizeof(e->agent.bytes));
	(void)sqlite3_bind_text(s, 6, e->agent_name, -1, SQLITE_TRANSIENT);
	(void)sqlite3_bind_int64(s, 7, (sqlite3_int64)e->sequence);
	(void)sqlite3_bind_int64(s, 8, e->time_ms);
	(void)sqlite3_bind_int(s, 9, e->time_counter);
	(void)sqlite3_bind_text(s, 10, e->text.size > 0 ? (const char *)e->text.data : "",
				(int)e->text.size, SQLITE_TRANSIENT);
	(void)sqlite3_bind_text(s, 11, tags, -1, SQLITE_TRANSIENT);
	bind_number(s, 12, e->has_confidence, e->confidence);
	bind_number(s, 13, e->has_level, e->level);
	bind_number(s, 14, e->has_parts, e->parts.quantization_awareness);
	bind_number(s, 15, e->has_parts, e->parts.complex_understanding);
	bind_number(s, 16, e->has_parts, e->parts.compression_readiness);
	bind_number(s, 17, e->has_parts, e->parts.pedagogical_capacity);
	kg_index__bind(s, 18, e->references, e->reference_count * sizeof(e->references[0]));
	(void)sqlite3_bind_int(s, 19, verified ? 1 : 0);
}

kg_err kg_index_put(kg_index *index, const kg_entry *e, const kg_entry_proof *proof, bool verified)
{
	char tags[KG_ENTRY_TAGS_MAX * (KG_ENTRY_TAG_MAX + 1) + 2];
	kg_err err = KG_OK;
	int rc;

	if (index->put == NULL)
		err = kg_index__prepare(
			index, &index->put,
			"INSERT OR IGNORE INTO entries(id, commit_id, type, swarm, agent, name,"
			" sequence, time_ms, counter, text, tags, confidence, level,"
			" awareness, understanding, readiness, capacity, refs, verified)"
			" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
	if (err == KG_OK && index->put_words == NULL)
		err = kg_index__prepare(index, &index->put_words,
					"INSERT INTO words(rowid, text, tags) VALUES(?,?,?)");
	if (err != KG_OK)
		return err;
	join_tags(tags, e);
	bind_entry(index->put, e, proof, tags, verified);
	rc = sqlite3_step(index->put);
	(void)sqlite3_reset(index->put);
	if (rc != SQLITE_DONE)
		return kg_index__fail(index);
	if (sqlite3_changes(index->db) == 0)
		return KG_OK;
	(void)sqlite3_bind_int64(index->put_words, 1, sqlite3_last_insert_rowid(index->db));
	(void)sqlite3_bind_text(index->put_words, 2,
				e->text.size > 0 ? (const char *)e->text.data : "",
				(int)e->text.size, SQLITE_TRANSIENT);
	(void)sqlite3_bind_text(index->put_words, 3, tags, -1, SQLITE_TRANSIENT);
	rc = sqlite3_step(index->put_words);
	(void)sqlite3_reset(index->put_words);
	return rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}
