/* SPDX-License-Identifier: MIT */
/* index_impl – what the writing and the reading half of the index share. */
#ifndef KG_MEMORY_INDEX_IMPL_H
#define KG_MEMORY_INDEX_IMPL_H

#include <sqlite3.h>

#include "memory/index.h"

struct kg_index {
	sqlite3 *db;
	sqlite3_stmt *put;
	sqlite3_stmt *put_words;
	bool open; /* a transaction is */
};

/* The database's last error in our terms. */
kg_err kg_index__fail(const kg_index *index);

kg_err kg_index__prepare(kg_index *index, sqlite3_stmt **statement, const char *sql);

void kg_index__bind(sqlite3_stmt *s, int column, const void *data, size_t size);

#endif
