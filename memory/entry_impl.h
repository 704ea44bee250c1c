/* SPDX-License-Identifier: MIT */
/* entry_impl – what the parts of entry share. */
#ifndef KG_MEMORY_ENTRY_IMPL_H
#define KG_MEMORY_ENTRY_IMPL_H

#include "memory/entry.h"

/* Copies; `what` names it in the error. */
KG_NODISCARD kg_err kg_entry__set_bytes(kg_entry_bytes *bytes, const char *what, const void *data,
					size_t size);

/* Adders that believe a key to be one: a signature by a bad key never holds anyway (key.h), and
 * asking costs as much as a signature. */
KG_NODISCARD kg_err kg_entry__put_name(kg_entry_member **names, size_t *count, size_t count_max,
				       const kg_pubkey *key, const char *name);
KG_NODISCARD kg_err kg_entry__put_seen(kg_entry *entry, const kg_entry_head *head);

/* The first of two line feeds in a row; NULL: there are none. */
const char *kg_entry__blank(const void *bytes, size_t size);

KG_NODISCARD kg_err kg_entry__check_text(const kg_entry_bytes *text);
KG_NODISCARD kg_err kg_entry__check_tag(const char *tag);

/* RFC 3339 with up to nine digits of a second, in the year and form that it says. */
KG_NODISCARD kg_err kg_entry__check_time(const char *time);

/* The text of a generated entry: the last line of the prompt, which is the question, and the answer
 * behind it. Without its question an answer of two digits could not be found or learned from. */
KG_NODISCARD kg_err kg_entry__readable_of(kg_buf *out, const kg_entry_bytes *prompt,
					  const kg_entry_bytes *answer);

double kg_entry__parts_mean(const kg_entry_parts *parts);

/* Reads one line of the fields into the entry. Fields may stand in their order only: *next is the
 * first that this one may be, 0 for the first line. KG_ECORRUPT. */
KG_NODISCARD kg_err kg_entry__parse_field(kg_entry *entry, size_t *next, const char *line,
					  size_t length);

/* The lines of the signed bytes that say where an entry stands, in their order; size 0: not there.
 * The id is over all the others. */
enum { KG_ENTRY__PLACES = 3 };

typedef struct {
	size_t at[KG_ENTRY__PLACES];
	size_t size[KG_ENTRY__PLACES];
} kg_entry__places;

/* As kg_entry_encode, and tells the places, counted from where it began to append. */
KG_NODISCARD kg_err kg_entry__encode(kg_buf *out, kg_entry__places *places, const kg_entry *entry,
				     const kg_commit *parent);

void kg_entry__id(kg_entry_id *id, const void *payload, size_t size,
		  const kg_entry__places *places);

#endif
