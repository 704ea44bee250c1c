/* SPDX-License-Identifier: MIT */
/* Commit objects, signed payloads and quoted text from anywhere; what is an entry has one form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/secret.h"
#include "memory/entry.h"
#include "memory/quote.h"
#include "memory/reason.h"
#include "memory/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an entry is called does not depend on where it stands. */
static void check_moved(kg_entry *entry, const kg_entry_proof *proof)
{
	static const kg_commit parent = {{1}};
	kg_entry_proof moved;
	kg_entry back;
	kg_buf payload;

	if (entry->sequence >= INT64_MAX || kg_entry_carry(entry, entry->sequence + 1) != KG_OK ||
	    kg_entry_check(entry) != KG_OK)
		return;
	kg_buf_init(&payload, KG_ENTRY_OBJECT_MAX);
	if (kg_entry_encode(&payload, entry, &parent) != KG_OK ||
	    kg_entry_decode(&back, &moved, payload.data, payload.size) != KG_OK ||
	    memcmp(&moved.id, &proof->id, sizeof(moved.id)) != 0)
		abort();
	kg_entry_release(&back);
	kg_buf_release(&payload);
}

static void check_payload(const uint8_t *data, size_t size)
{
	kg_entry_proof proof;
	kg_entry entry;
	kg_buf again;

	if (kg_entry_decode(&entry, &proof, data, size) != KG_OK)
		return;
	kg_buf_init(&again, KG_ENTRY_OBJECT_MAX);
	if (kg_entry_encode(&again, &entry, proof.has_parent ? &proof.parent : NULL) != KG_OK ||
	    again.size != size || memcmp(again.data, data, size) != 0)
		abort();
	json_decref(kg_view_whole(&entry, &proof, true));
	json_decref(kg_view_news(&entry, &proof));
	kg_buf_release(&again);
	check_moved(&entry, &proof);
	kg_entry_release(&entry);
}

static void check_quoted(const uint8_t *data, size_t size)
{
	kg_buf bytes;
	kg_buf text;

	kg_buf_init(&bytes, 1 << 22);
	kg_buf_init(&text, 1 << 22);
	if (kg_quote_parse(&bytes, (const char *)data, size) == KG_OK) {
		kg_quote_put(&text, bytes.data, bytes.size);
		if (text.size != size || memcmp(text.data, data, size) != 0)
			abort();
	}
	kg_buf_clear(&bytes);
	kg_buf_clear(&text);
	kg_quote_put(&text, data, size);
	if (kg_quote_parse(&bytes, kg_buf_text(&text), text.size) != KG_OK || bytes.size != size)
		abort();
	kg_buf_release(&bytes);
	kg_buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int started;
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err;

	if (!started)
		started = kg_identity_init() == KG_OK;
	if (size > 1 << 16)
		return 0;
	check_payload(data, size);
	check_quoted(data, size);
	err = kg_entry_open(&entry, &proof, data, size);
	if (err == KG_OK)
		kg_entry_release(&entry);
	if ((err == KG_OK) != (kg_reason_of_object(err, data, size) == KG_REASON_NONE))
		abort();
	if (kg_entry_open_unverified(&entry, &proof, data, size) == KG_OK)
		kg_entry_release(&entry);
	return 0;
}
