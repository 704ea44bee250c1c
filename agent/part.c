/* SPDX-License-Identifier: MIT */
#include "agent/part.h"

#include <stdlib.h>
#include <string.h>

void kg_part_release(kg_part *part)
{
	if (!part->used) {
		return;
	}
	kg_buf_release(&part->prompt);
	kg_thought_release(&part->thought);
	for (uint32_t i = 0; i < part->source_count; i++) {
		free(part->lines[i]);
	}
	*part = (kg_part){0};
}

void kg_parts_release(kg_parts *parts)
{
	for (size_t i = 0; i < KG_PARTS_MAX; i++) {
		kg_part_release(&parts->parts[i]);
	}
}

kg_part *kg_parts_find(kg_parts *parts, const char *round)
{
	for (size_t i = 0; i < KG_PARTS_MAX; i++) {
		kg_part *part = &parts->parts[i];
		if (part->used && strcmp(part->round, round) == 0) {
			return part;
		}
	}
	return NULL;
}

kg_part *kg_parts_begin(kg_parts *parts, const char *round)
{
	kg_part *part = kg_parts_find(parts, round);
	for (size_t i = 0; !part && i < KG_PARTS_MAX; i++) {
		if (!parts->parts[i].used) {
			part = &parts->parts[i];
		}
	}
	if (!part) {
		part = &parts->parts[0];
		for (size_t i = 1; i < KG_PARTS_MAX; i++) {
			if (parts->parts[i].age < part->age) {
				part = &parts->parts[i];
			}
		}
	}
	kg_part_release(part);
	part->used = true;
	part->age = ++parts->ages;
	strncpy(part->round, round, KG_ROUND_SIZE - 1);
	kg_buf_init(&part->prompt, KG_PROMPT_SIZE_MAX);
	kg_buf_init(&part->thought.text, 0);
	return part;
}

kg_err kg_part_add_source(kg_part *part, const kg_entry_id *id, const char *line, bool teaches)
{
	uint32_t at = part->source_count;
	if (at == KG_PROMPT_RECALLED_MAX) {
		return kg_fail(KG_EFULL, "more than %d insights before a question", (int)at);
	}
	char *copy = strdup(line);
	if (!copy) {
		return kg_fail(KG_ENOMEM, "no memory for an insight");
	}
	part->sources[at] = *id;
	part->lines[at] = copy;
	part->teaches[at] = teaches;
	part->source_count++;
	return KG_OK;
}

void kg_part_text(const kg_part *part, kg_buf *out)
{
	const char *prompt = kg_buf_text(&part->prompt);
	const char *line = memrchr(prompt, '\n', part->prompt.size);
	line = line ? line + 1 : prompt;
	kg_buf_put(out, line, part->prompt.size - (size_t)(line - prompt));
	kg_buf_put(out, part->thought.text.data, part->thought.text.size);
}
