/* SPDX-License-Identifier: MIT */
/* view – an entry as the JSON that recall, log and show print and the keeper answers with. */
#ifndef KG_MEMORY_VIEW_H
#define KG_MEMORY_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "memory/entry.h"
#include "memory/index.h"

/* id, commit, type, agent, agent_name, sequence, time, text, tags, confidence, consciousness,
 * references, verified; numbers that an entry does not have are null; coefficient (its four parts)
 * and sealed (true) only where there is one. NULL without memory. */
json_t *kg_view_entry(const kg_entry *entry, const kg_entry_proof *proof, bool verified);

/* {"entries": […]} of the rows, the first of them when all would be more than size_max bytes. */
json_t *kg_view_rows(const kg_index_rows *rows, size_t size_max);

/* An entry as a question found it: also quarantined, and derived_from where it rests on an entry
 * that is; with `of` (the answer it is in) why: what its place among the others is made of. */
json_t *kg_view_row(const kg_index_row *row, const kg_index_rows *of);

/* {"entries": […], "explain": {…}} with why in each. */
json_t *kg_view_explained(const kg_index_rows *rows);

/* Adds what is known of an entry's quarantine to a view of it. */
void kg_view_mark(json_t *view, bool marked, const kg_entry_id *origin, const kg_entry_id *id);

/* What show adds: swarm, parent, genome, sampler, prompt and answer as text, heads,
 * members, peers, seen, successor, predecessor, epoch, seal, origin, carried, where the entry has
 * them. */
json_t *kg_view_whole(const kg_entry *entry, const kg_entry_proof *proof, bool verified);

/* How the feed tells of an entry: text cut to 512 bytes. */
json_t *kg_view_news(const kg_entry *entry, const kg_entry_proof *proof);

#endif
