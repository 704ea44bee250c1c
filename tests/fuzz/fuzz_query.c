/* SPDX-License-Identifier: MIT */
/* Queries from anywhere, on a few entries: an answer, or an error that says the query is at fault;
 * what has all words is among what has any. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kg_index *make_index(void)
{
	static const char *const texts[] = {"the sea is blue", "NEAR the OR AND NOT of it",
					    "caf\xc3\xa9 \xe2\x80\xa6 42 text tags facets",
					    "blue blue blue"};
	kg_index *index = NULL;
	kg_entry_proof proof = {0};

	if (kg_index_open(&index, NULL, true) != KG_OK || kg_index_begin(index) != KG_OK)
		abort();
	for (uint8_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		kg_entry e;

		kg_entry_init(&e, KG_ENTRY_INSIGHT);
		e.sequence = i + 1u;
		e.time_ms = 1763610000000 + i;
		proof.id.bytes[0] = proof.commit.bytes[0] = i;
		if (kg_entry_set_text(&e, texts[i], strlen(texts[i])) != KG_OK ||
		    kg_index_put(index, &e, &proof, true) != KG_OK)
			abort();
		kg_entry_release(&e);
	}
	if (kg_index_end(index) != KG_OK)
		abort();
	return index;
}

static bool is_among(const kg_index_rows *rows, const kg_index_row *row)
{
	for (size_t i = 0; i < rows->count; i++)
		if (rows->rows[i].entry.sequence == row->entry.sequence)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static kg_index *index;
	kg_index_rows all = {0};
	kg_index_rows any = {0};
	char *query;
	kg_err err;

	if (index == NULL)
		index = make_index();
	query = malloc(size + 1);
	if (query == NULL)
		return 0;
	if (size > 0)
		memcpy(query, data, size);
	query[size] = '\0';
	err = kg_index_recall(index, &all, &(kg_index_filter){.query = query});
	if (err !=
	    kg_index_recall(index, &any, &(kg_index_filter){.query = query, .any_word = true}))
		abort();
	if (err != KG_OK && (err != KG_EINVAL || strlen(query) <= KG_INDEX_QUERY_MAX))
		abort();
	for (size_t i = 0; i < all.count; i++)
		if (!is_among(&any, &all.rows[i]))
			abort();
	kg_index_rows_release(&all);
	kg_index_rows_release(&any);
	free(query);
	return 0;
}
