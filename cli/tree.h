/* SPDX-License-Identifier: MIT */
/* tree – what an entry rests on and what rests on it, as its references say. */
#ifndef KG_CLI_TREE_H
#define KG_CLI_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/reading.h"
#include "memory/entry.h"

enum { KG_TREE_DEPTH_MAX = 64, KG_TREE_NODES_MAX = 2000, KG_TREE_WIDTH_MAX = 100 };

/* Draws both trees, `depth` levels of each; lines of boxes, or with `ascii` of signs that every
 * terminal has. An entry that was drawn already is not unfolded again, and of very many only the
 * first are drawn: both are said. */
KG_NODISCARD kg_err kg_tree_print(const kg_reading *reading, const kg_entry_id *id, uint32_t depth,
				  bool ascii);

/* Adds rests_on and rested_on_by to the view of an entry: arrays of {id, known, type, agent_name,
 * text, quarantined, derived_from} with the same arrays inside. */
KG_NODISCARD kg_err kg_tree_put(const kg_reading *reading, json_t *view, const kg_entry_id *id,
				uint32_t depth);

#endif
