/* SPDX-License-Identifier: MIT */
#include "cli/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/printable.h"
#include "memory/view.h"

enum { PREFIX_SIZE = 8 * KG_TREE_DEPTH_MAX + 8, LINE_TEXT = 60 };

/* The signs a branch is drawn with. */
typedef struct {
	const char *fork;
	const char *last;
	const char *bar;
	const char *gap;
	const char *more;
} pencil;

static const pencil boxes = {"├── ", "└── ", "│   ", "    ", "…"};
static const pencil plain = {"|-- ", "`-- ", "|   ", "    ", "..."};

typedef struct {
	const kg_reading *reading;
	const pencil *pencil;
	bool forward;
	uint32_t depth;
	kg_entry_id *seen; /* KG_TREE_NODES_MAX */
	size_t count;
	char prefix[PREFIX_SIZE];
	size_t prefix_size;
} drawing;

/* One node as it is drawn. */
typedef struct {
	kg_index_row row;
	bool known;
} node;

static kg_err read_node(const drawing *d, node *n, const kg_entry_id *id)
{
	kg_err err = kg_index_row_of(d->reading->index, &n->row, id);

	n->known = err == KG_OK;
	return err == KG_ENOTFOUND ? KG_OK : err;
}

static void release_node(node *n)
{
	if (n->known)
		kg_entry_release(&n->row.entry);
}

/* True the first time. */
static bool is_new(drawing *d, const kg_entry_id *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (memcmp(d->seen[i].bytes, id->bytes, sizeof(id->bytes)) == 0)
			return false;
	if (d->count < KG_TREE_NODES_MAX)
		d->seen[d->count++] = *id;
	return true;
}

/* The first words of the first line. */
static void print_text(const kg_entry *e, const char *more)
{
	const char *text = e->text.size > 0 ? (const char *)e->text.data : "";
	size_t size = strcspn(text, "\n");
	bool cut = size < e->text.size;

	if (size > LINE_TEXT) {
		size = LINE_TEXT;
		cut = true;
		while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80)
			size--;
	}
	kg_printable(stdout, text, size);
	(void)fputs(cut ? more : "", stdout);
}

static void print_node(const drawing *d, const node *n, const kg_entry_id *id, bool again)
{
	char author[KG_READING_AUTHOR_SIZE];
	char hex[KG_HASH_TEXT_SIZE];
	const kg_entry *e = &n->row.entry;

	kg_entry_id_format(hex, id);
	printf("%.12s  ", hex);
	if (!n->known) {
		printf("not in this memory\n");
		return;
	}
	kg_reading_author(d->reading, author, e);
	printf("%s  %s  ", author, kg_entry_type_name(e->type));
	print_text(e, d->pencil->more);
	if (n->row.marked)
		printf("  %s", memcmp(n->row.origin.bytes, id->bytes, sizeof(id->bytes)) == 0
				       ? "QUARANTINED"
				       : "RESTS ON QUARANTINED");
	printf("%s%s\n", n->row.verified ? "" : "  NOT VERIFIED", again ? "  (above)" : "");
}

static kg_err draw(drawing *d, const kg_entry_id *id, uint32_t level);

static kg_err draw_one(drawing *d, const kg_entry_id *id, bool last, uint32_t level)
{
	node n = {0};
	bool again = !is_new(d, id);
	size_t before = d->prefix_size;
	const char *below = last ? d->pencil->gap : d->pencil->bar;
	kg_err err = read_node(d, &n, id);

	if (err != KG_OK)
		return err;
	printf("%s%s", d->prefix, last ? d->pencil->last : d->pencil->fork);
	print_node(d, &n, id, again);
	if (n.known && !again && d->count < KG_TREE_NODES_MAX) {
		memcpy(d->prefix + before, below, strlen(below) + 1);
		d->prefix_size = before + strlen(below);
		err = draw(d, id, level + 1);
		d->prefix_size = before;
		d->prefix[before] = '\0';
	}
	release_node(&n);
	return err;
}

static kg_err draw(drawing *d, const kg_entry_id *id, uint32_t level)
{
	kg_index_citation *cited = NULL;
	size_t count = 0;
	bool more = false;
	kg_err err = kg_index_citations(d->reading->index, &cited, &count, &more, id, d->forward,
					KG_TREE_WIDTH_MAX);

	if (err != KG_OK)
		return err;
	if (level >= d->depth && count > 0) {
		printf("%s%s%s\n", d->prefix, d->pencil->last, d->pencil->more);
		count = 0;
		more = false;
	}
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = draw_one(d, &cited[i].id, i + 1 == count && !more, level);
	if (err == KG_OK && more)
		printf("%s%s%s and others\n", d->prefix, d->pencil->last, d->pencil->more);
	free(cited);
	return err;
}

static kg_err begin(drawing *d, const kg_reading *reading, uint32_t depth, bool forward)
{
	*d = (drawing){.reading = reading, .forward = forward};
	d->depth = depth < KG_TREE_DEPTH_MAX ? depth : KG_TREE_DEPTH_MAX;
	d->seen = calloc(KG_TREE_NODES_MAX, sizeof(*d->seen));
	return d->seen != NULL ? KG_OK : kg_fail(KG_ENOMEM, "no memory for a tree");
}

kg_err kg_tree_print(const kg_reading *reading, const kg_entry_id *id, uint32_t depth, bool ascii)
{
	static const char *const titles[] = {"rests on", "what rests on it"};
	kg_err err = KG_OK;

	for (int i = 0; err == KG_OK && i < 2; i++) {
		drawing d;
		size_t before;

		err = begin(&d, reading, depth, i == 0);
		if (err != KG_OK)
			return err;
		d.pencil = ascii ? &plain : &boxes;
		printf("\n%s\n", titles[i]);
		(void)is_new(&d, id);
		before = d.count;
		err = draw(&d, id, 0);
		if (err == KG_OK && d.count == before)
			printf("%snothing\n", d.pencil->last);
		if (d.count == KG_TREE_NODES_MAX)
			printf("%s the first %d entries\n", d.pencil->more, KG_TREE_NODES_MAX);
		free(d.seen);
	}
	return err;
}

/* ---- as JSON ---- */

static kg_err put(drawing *d, json_t *view, const kg_entry_id *id, uint32_t level);

static json_t *view_of(const drawing *d, const node *n, const kg_entry_id *id)
{
	char author[KG_READING_AUTHOR_SIZE];
	char hex[KG_HASH_TEXT_SIZE];
	const kg_entry *e = &n->row.entry;
	json_t *view;

	kg_entry_id_format(hex, id);
	view = json_pack("{s:s, s:b}", "id", hex, "known", n->known);
	if (!n->known || view == NULL)
		return view;
	kg_reading_author(d->reading, author, e);
	(void)json_object_set_new(view, "type", json_string(kg_entry_type_name(e->type)));
	(void)json_object_set_new(view, "agent_name", json_string(author));
	(void)json_object_set_new(
		view, "text",
		json_stringn(e->text.size > 0 ? (const char *)e->text.data : "", e->text.size));
	(void)json_object_set_new(view, "verified", json_boolean(n->row.verified));
	kg_view_mark(view, n->row.marked, &n->row.origin, id);
	return view;
}

static kg_err put_one(drawing *d, json_t *list, const kg_entry_id *id, uint32_t level)
{
	node n = {0};
	bool again = !is_new(d, id);
	json_t *view;
	kg_err err = read_node(d, &n, id);

	if (err != KG_OK)
		return err;
	view = view_of(d, &n, id);
	if (view != NULL && n.known && !again && d->count < KG_TREE_NODES_MAX)
		err = put(d, view, id, level + 1);
	(void)json_array_append_new(list, view);
	release_node(&n);
	return err;
}

static kg_err put(drawing *d, json_t *view, const kg_entry_id *id, uint32_t level)
{
	kg_index_citation *cited = NULL;
	json_t *list;
	size_t count = 0;
	bool more = false;
	kg_err err;

	if (level >= d->depth)
		return KG_OK;
	err = kg_index_citations(d->reading->index, &cited, &count, &more, id, d->forward,
				 KG_TREE_WIDTH_MAX);
	if (err != KG_OK)
		return err;
	list = json_array();
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = put_one(d, list, &cited[i].id, level);
	(void)json_object_set_new(view, d->forward ? "rests_on" : "rested_on_by", list);
	if (more)
		(void)json_object_set_new(view, "more", json_true());
	free(cited);
	return err;
}

kg_err kg_tree_put(const kg_reading *reading, json_t *view, const kg_entry_id *id, uint32_t depth)
{
	kg_err err = KG_OK;

	for (int i = 0; err == KG_OK && i < 2; i++) {
		drawing d;

		err = begin(&d, reading, depth, i == 0);
		if (err != KG_OK)
			return err;
		(void)is_new(&d, id);
		err = put(&d, view, id, 0);
		free(d.seen);
	}
	return err;
}
