/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/hex.h"
#include "memory/index_impl.h"

kg_err kg_index_head(kg_index *index, kg_chain_head *head, const kg_pubkey *agent)
{
	sqlite3_stmt *s = NULL;
	kg_chain_head found = {0};
	kg_err err = kg_index__prepare(
		index, &s,
		"SELECT e.commit_id, e.sequence, e.time_ms, e.counter"
		" FROM authors a JOIN entries e ON e.author = a.no AND e.sequence ="
		" (SELECT max(sequence) FROM entries WHERE author = a.no)"
		" WHERE a.agent = ? ORDER BY e.sequence DESC LIMIT 1");
	int rc;

	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, agent->bytes, sizeof(agent->bytes));
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		found.sequence = (uint64_t)sqlite3_column_int64(s, 1);
		found.time_ms = sqlite3_column_int64(s, 2);
		found.time_counter = (uint16_t)sqlite3_column_int(s, 3);
		if (!kg_index__take_blob(found.commit.bytes, s, 0, KG_COMMIT_SIZE))
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
	int64_t count = 0;
	kg_err err = kg_index__meta(index, &count, "entries");

	if (err == KG_OK)
		*entries = (uint64_t)count;
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
	} else if (!kg_index__take_blob(found.id.bytes, s, 0, KG_HASH_SIZE) ||
		   !kg_index__take_blob(found.commit.bytes, s, 1, KG_COMMIT_SIZE) ||
		   !kg_index__take_blob(author.bytes, s, 2, KG_PUBKEY_SIZE)) {
		err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	} else {
		place = (uint64_t)sqlite3_column_int64(s, 3);
		if (sqlite3_step(s) == SQLITE_ROW)
			err = kg_fail(KG_ECONFLICT,
				      "several entries begin with %s: more of it is needed", what);
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
		err = kg_index__prepare(
			index, &s,
			"SELECT e.id, e.commit_id, a.agent, e.sequence FROM entries e JOIN"
			" authors a ON a.no = e.author WHERE e.id_head BETWEEN ?5 AND ?6"
			" AND e.id BETWEEN ?1 AND ?2 UNION"
			" SELECT e.id, e.commit_id, a.agent, e.sequence FROM entries e JOIN"
			" authors a ON a.no = e.author WHERE e.commit_head BETWEEN ?5 AND ?6"
			" AND e.commit_id BETWEEN ?3 AND ?4 LIMIT 2");
	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, low, sizeof(low));
	kg_index__bind(s, 2, high, sizeof(high));
	/* More digits than a commit has: an empty range. */
	kg_index__bind(s, 3, commit_size > 0 ? low : high, commit_size);
	kg_index__bind(s, 4, high, commit_size);
	(void)sqlite3_bind_int64(s, 5, kg_index__head8(low));
	(void)sqlite3_bind_int64(s, 6, kg_index__head8(high));
	return take_place(index, s, proof, agent, sequence, prefix);
}

kg_err kg_index_at(kg_index *index, kg_entry_proof *proof, const kg_pubkey *agent,
		   uint64_t sequence)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__AT);
	kg_entry_proof found = {0};
	kg_err err = KG_OK;
	int rc;

	if (s == NULL)
		return kg_index__fail(index);
	kg_index__bind(s, 1, agent->bytes, sizeof(agent->bytes));
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)sequence);
	rc = sqlite3_step(s);
	if (rc == SQLITE_DONE)
		err = kg_fail(KG_ENOTFOUND, "no entry there");
	else if (rc != SQLITE_ROW)
		err = kg_index__fail(index);
	else if (!kg_index__take_blob(found.commit.bytes, s, 0, KG_COMMIT_SIZE) ||
		 !kg_index__take_blob(found.id.bytes, s, 1, KG_HASH_SIZE))
		err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
	else if (sqlite3_step(s) == SQLITE_ROW)
		err = kg_fail(KG_ECONFLICT, "several entries stand there");
	(void)sqlite3_reset(s);
	if (err == KG_OK)
		*proof = found;
	return err;
}
