/* SPDX-License-Identifier: MIT */
#include "memory/index.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "memory/index_impl.h"

/* Grows with the tables; a file of another number is thrown away. */
#define VERSION     5
#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

enum { BUSY_MS = 5000 };

/*
 * Numbers in 0..1 are kept in steps of 1e-6, as in the entry: exact, and equal after a rebuild.
 * Keys that are looked up are their first eight bytes as a number: half the size of an index, and
 * the row has all of them. `words` keeps no text of its own (content=''), nor lengths, which the
 * rows have. `weights` is what a question reads of every entry that it weighs: narrow, so that a
 * million of them stay in memory; `cited` counts what cites the entry, as
 * far as that can matter.
 */
static const char schema[] =
	"CREATE TABLE authors("
	" no INTEGER PRIMARY KEY, agent BLOB NOT NULL, swarm BLOB NOT NULL, name TEXT NOT NULL,"
	" UNIQUE(agent, swarm, name));"
	"CREATE TABLE entries("
	" row INTEGER PRIMARY KEY, author INTEGER NOT NULL, sequence INTEGER NOT NULL,"
	" type INTEGER NOT NULL, time_ms INTEGER NOT NULL, counter INTEGER NOT NULL,"
	" verified INTEGER NOT NULL, sealed INTEGER NOT NULL, length INTEGER NOT NULL,"
	" confidence INTEGER, level INTEGER, awareness INTEGER, understanding INTEGER,"
	" readiness INTEGER, capacity INTEGER, id_head INTEGER NOT NULL,"
	" commit_head INTEGER NOT NULL, id BLOB NOT NULL, commit_id BLOB NOT NULL,"
	" tags TEXT NOT NULL, refs BLOB NOT NULL, text TEXT NOT NULL);"
	"CREATE INDEX entries_by_id ON entries(id_head);"
	"CREATE INDEX entries_by_commit ON entries(commit_head);"
	"CREATE UNIQUE INDEX entries_by_place ON entries(author, sequence);"
	"CREATE TABLE weights("
	" row INTEGER PRIMARY KEY, author INTEGER NOT NULL, verified INTEGER NOT NULL,"
	" cited INTEGER NOT NULL, length INTEGER NOT NULL, confidence INTEGER, level INTEGER,"
	" id_head INTEGER NOT NULL);"
	"CREATE VIRTUAL TABLE words USING fts5(text, tags, facets, content='', columnsize=0,"
	" tokenize='porter unicode61');"
	"INSERT INTO words(words, rank) VALUES('hashsize', 8388608);"
	"CREATE TABLE terms(term BLOB PRIMARY KEY, entries INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE milestones(row INTEGER PRIMARY KEY);"
	"CREATE TABLE cites(cited BLOB, author INTEGER, citing INTEGER,"
	" PRIMARY KEY(cited, author, citing)) WITHOUT ROWID;"
	"CREATE TABLE orders(id BLOB PRIMARY KEY, swarm BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE wards(cited BLOB, by BLOB, PRIMARY KEY(cited, by)) WITHOUT ROWID;"
	"CREATE TABLE marks(id BLOB PRIMARY KEY, origin BLOB NOT NULL, id_head INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE INDEX marks_by_id ON marks(id_head);"
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('entries', 0), ('words', 0);"
	"PRAGMA user_version = " TEXT_OF(VERSION) ";";

static const char *const texts[KG_INDEX__STATEMENTS] = {
	[KG_INDEX__HAVE] = "SELECT row, sequence, commit_id, verified FROM entries"
			   " WHERE id_head = ?1 AND id = ?2",
	[KG_INDEX__PUT] =
		"INSERT OR IGNORE INTO entries(row, author, sequence, type, time_ms, counter,"
		" verified, sealed, length, confidence, level, awareness, understanding,"
		" readiness, capacity, id_head, commit_head, id, commit_id, tags, refs, text)"
		" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[KG_INDEX__WEIGHT_PUT] =
		"INSERT OR REPLACE INTO weights VALUES(?1, ?2, ?3, (SELECT count(*) FROM (SELECT 1"
		" FROM cites WHERE cited = ?8 LIMIT ?9)), ?4, ?5, ?6, ?7)",
	[KG_INDEX__WEIGHT_CITED] = "UPDATE weights SET cited = cited + 1 WHERE cited < ?3 AND row ="
				   " (SELECT row FROM entries WHERE id_head = ?1 AND id = ?2)",
	[KG_INDEX__WEIGHT_VERIFIED] =
		"UPDATE weights SET verified = (SELECT verified FROM entries WHERE row = ?1)"
		" WHERE row = ?1",
	[KG_INDEX__WEIGHT_MOVE] = "UPDATE weights SET row = ?2 WHERE row = ?1",
	[KG_INDEX__CANDIDATE] = "SELECT e.id, a.agent FROM entries e CROSS JOIN authors a"
				" ON a.no = e.author WHERE e.row = ?1",
	[KG_INDEX__REPLACE] =
		"UPDATE OR IGNORE entries SET sequence = ?2, commit_id = ?3, commit_head = ?4,"
		" verified = ?5 WHERE row = ?1",
	[KG_INDEX__AUTHOR] = "SELECT no FROM authors WHERE agent = ?1 AND swarm = ?2 AND name = ?3",
	[KG_INDEX__AUTHOR_PUT] = "INSERT INTO authors(agent, swarm, name) VALUES(?1, ?2, ?3)",
	[KG_INDEX__PLACE] = "SELECT 1 FROM entries WHERE author = ?1 AND sequence = ?2",
	[KG_INDEX__SLOT] = "SELECT row, time_ms, counter, id FROM entries WHERE row >= ?1"
			   " ORDER BY row",
	[KG_INDEX__MOVE] = "UPDATE entries SET row = ?2 WHERE row = ?1",
	[KG_INDEX__MOVE_CITES] = "UPDATE cites SET citing = ?2 WHERE cited = ?3 AND author = ?4"
				 " AND citing = ?1",
	[KG_INDEX__MOVE_MILESTONE] = "UPDATE milestones SET row = ?2 WHERE row = ?1",
	[KG_INDEX__WORDS_PUT] = "INSERT INTO words(rowid, text, tags, facets) VALUES(?,?,?,?)",
	[KG_INDEX__WORDS_DROP] =
		"INSERT INTO words(words, rowid, text, tags, facets) VALUES('delete',?,?,?,?)",
	[KG_INDEX__CITE] = "INSERT OR IGNORE INTO cites VALUES(?1, ?2, ?3)",
	[KG_INDEX__MILESTONE] = "INSERT OR IGNORE INTO milestones VALUES(?1)",
	[KG_INDEX__STAGE] = "INSERT INTO staged VALUES(?1, ?2, ?3, ?4)",
	[KG_INDEX__TERM_PUT] = "INSERT INTO terms VALUES(?1, ?2) ON CONFLICT(term) DO UPDATE"
			       " SET entries = entries + excluded.entries",
	[KG_INDEX__TERM] = "SELECT entries FROM terms WHERE term = ?1",
	[KG_INDEX__ORDER_PUT] = "INSERT OR IGNORE INTO orders VALUES(?1, ?2)",
	[KG_INDEX__WARD_PUT] = "INSERT OR IGNORE INTO wards VALUES(?1, ?2)",
	[KG_INDEX__WARDED] = "SELECT o.id, o.swarm FROM wards w JOIN orders o ON o.id = w.by"
			     " WHERE w.cited = ?1 ORDER BY o.id",
	[KG_INDEX__ANY_ORDER] = "SELECT 1 FROM orders LIMIT 1",
	[KG_INDEX__IS_ORDER] = "SELECT 1 FROM orders WHERE id = ?1",
	[KG_INDEX__MARK] = "SELECT origin FROM marks WHERE id = ?1",
	[KG_INDEX__MARK_PUT] = "INSERT INTO marks VALUES(?1, ?2, ?3) ON CONFLICT(id) DO UPDATE"
			       " SET origin = excluded.origin",
	[KG_INDEX__CITING] = "SELECT e.id FROM cites c JOIN entries e ON e.row = c.citing"
			     " WHERE c.cited = ?1 AND NOT EXISTS(SELECT 1 FROM orders o WHERE"
			     " o.id = e.id) ORDER BY e.row",
	[KG_INDEX__CITED] = "SELECT e.refs, a.swarm FROM entries e JOIN authors a"
			    " ON a.no = e.author WHERE e.id_head = ?1 AND e.id = ?2",
	[KG_INDEX__NEXT_WITNESS] = "SELECT author FROM cites WHERE cited = ?1 AND author > ?2"
				   " ORDER BY author LIMIT 1",
	[KG_INDEX__WITNESS] =
		"SELECT e.verified AND e.type <> ?3 AND NOT EXISTS(SELECT 1 FROM marks m WHERE"
		" m.id = e.id) FROM (SELECT citing FROM cites WHERE cited = ?1 AND author = ?2"
		" ORDER BY citing LIMIT 4) c CROSS JOIN entries e ON e.row = c.citing",
	[KG_INDEX__AT] = "SELECT e.commit_id, e.id FROM authors a JOIN entries e"
			 " ON e.author = a.no WHERE a.agent = ?1 AND e.sequence = ?2 LIMIT 2",
	[KG_INDEX__META] = "SELECT value FROM meta WHERE name = ?1",
	[KG_INDEX__BOUND] = "SELECT m.row, e.id FROM milestones m CROSS JOIN entries e"
			    " ON e.row = m.row WHERE m.row < ?2 ORDER BY m.row DESC"
			    " LIMIT 2 OFFSET ?1",
	[KG_INDEX__ROW] = "SELECT " KG_INDEX__COLUMNS " WHERE e.row = ?1",
	[KG_INDEX__ROW_OF] = "SELECT " KG_INDEX__COLUMNS " WHERE e.id_head = ?1 AND e.id = ?2",
};

/* ---- what the parts share ---- */

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

kg_err kg_index__run(kg_index *index, const char *sql)
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

sqlite3_stmt *kg_index__use(kg_index *index, kg_index__statement which)
{
	sqlite3_stmt **s = &index->statements[which];

	if (*s == NULL && sqlite3_prepare_v3(index->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
					     s, NULL) != SQLITE_OK)
		return NULL;
	return *s;
}

kg_err kg_index__do(kg_index *index, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	(void)sqlite3_reset(s);
	return rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}

void kg_index__bind(sqlite3_stmt *s, int column, const void *data, size_t size)
{
	(void)sqlite3_bind_blob(s, column, size > 0 ? data : "", (int)size, SQLITE_TRANSIENT);
}

int64_t kg_index__head8(const uint8_t *bytes)
{
	uint64_t head = 0;

	for (int i = 0; i < 8; i++)
		head = head << 8 | bytes[i];
	/* Of signed numbers the negative ones come first. */
	return (int64_t)(head ^ (uint64_t)1 << 63);
}

kg_err kg_index__meta(kg_index *index, int64_t *value, const char *name)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__META);

	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_text(s, 1, name, -1, SQLITE_TRANSIENT);
	*value = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	if (sqlite3_reset(s) != SQLITE_OK)
		return kg_index__fail(index);
	return *value >= 0 ? KG_OK : kg_fail(KG_ECORRUPT, "the index counts less than nothing");
}

/* ---- opening ---- */

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
		err = kg_index__run(index, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;");
	/* KiB; a reader looks at the same few pages of words again and again. */
	if (err == KG_OK)
		err = kg_index__run(index, writable ? "PRAGMA cache_size = -32768"
						    : "PRAGMA cache_size = -16384");
	if (err == KG_OK)
		err = kg_index__terms_open(index);
	if (err == KG_OK)
		err = kg_index__query_register(index);
	if (err == KG_OK && version == 0 && writable) {
		err = kg_index__run(index, "BEGIN IMMEDIATE");
		if (err == KG_OK)
			err = kg_index__run(index, schema);
		if (err == KG_OK)
			err = kg_index__run(index, "COMMIT");
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
	kg_index__forget(index);
	free(index->waiting);
	for (int i = 0; i < KG_INDEX__STATEMENTS; i++)
		(void)sqlite3_finalize(index->statements[i]);
	kg_index__terms_free(index);
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

/* ---- transactions ---- */

kg_err kg_index_begin(kg_index *index)
{
	kg_err err = kg_index__run(index, "BEGIN IMMEDIATE");

	index->open = err == KG_OK;
	return err;
}

static kg_err settle_counts(kg_index *index)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s,
				       "UPDATE meta SET value = value + CASE name WHEN 'entries'"
				       " THEN ?1 ELSE ?2 END WHERE name IN ('entries', 'words')");

	if (err != KG_OK)
		return err;
	(void)sqlite3_bind_int64(s, 1, index->entries_more);
	(void)sqlite3_bind_int64(s, 2, index->words_more);
	err = kg_index__do(index, s);
	(void)sqlite3_finalize(s);
	return err;
}

kg_err kg_index_end(kg_index *index)
{
	kg_err err = kg_index__drain(index, true);

	if (err == KG_OK)
		err = kg_index__terms_flush(index);
	if (err == KG_OK)
		err = kg_index__marks_settle(index);
	if (err == KG_OK)
		err = settle_counts(index);
	if (err == KG_OK)
		err = kg_index__run(index, "COMMIT");
	if (err != KG_OK)
		kg_index_cancel(index);
	kg_index__forget(index);
	index->open = false;
	return err;
}

void kg_index_cancel(kg_index *index)
{
	kg_index__forget(index);
	if (!index->open)
		return;
	/* A failed transaction may be rolled back already, and what failed is still to be told. */
	if (sqlite3_get_autocommit(index->db) == 0)
		(void)sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
	index->open = false;
}

kg_err kg_index_clear(kg_index *index)
{
	kg_err err = kg_index__run(index,
				   "DELETE FROM entries; DELETE FROM weights; DELETE FROM authors;"
				   "DELETE FROM terms;"
				   "DELETE FROM milestones; DELETE FROM cites; DELETE FROM orders;"
				   "DELETE FROM wards; DELETE FROM marks;"
				   "UPDATE meta SET value = 0 WHERE name IN ('entries', 'words');"
				   "INSERT INTO words(words) VALUES('delete-all');");

	kg_index__forget(index);
	index->anew = err == KG_OK;
	return err;
}

kg_err kg_index_set_home(kg_index *index, const kg_pubkey *swarm)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s,
				       "INSERT INTO meta VALUES('home', ?1) ON CONFLICT(name)"
				       " DO UPDATE SET value = excluded.value WHERE value <> ?1");

	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, swarm->bytes, sizeof(swarm->bytes));
	err = kg_index__do(index, s);
	(void)sqlite3_finalize(s);
	index->judged = index->judged || sqlite3_changes(index->db) > 0;
	return err;
}
