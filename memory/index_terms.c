/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "memory/index_impl.h"

enum {
	TERM_MAX = 64, /* bytes; longer ones are found, and count as of one entry */
	TERMS_MAX = 1 << 16,
	SLOTS = 1 << 18,
	ARENA = TERMS_MAX * 24
};

typedef struct {
	uint32_t at; /* in the arena */
	uint32_t size;
	uint32_t entries;
	uint32_t last; /* the entry that counted it last */
} term;

struct kg_index__terms {
	fts5_api *api;
	fts5_tokenizer tokenizer;
	Fts5Tokenizer *cutter;
	uint32_t *slots; /* 1 + place in terms; made when something is put */
	term *terms;
	char *arena;
	uint32_t count;
	uint32_t arena_used;
	uint32_t entry;
};

static kg_err find_api(fts5_api **api, kg_index *index)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s, "SELECT fts5(?)");

	if (err != KG_OK)
		return err;
	*api = NULL;
	(void)sqlite3_bind_pointer(s, 1, api, "fts5_api_ptr", NULL);
	(void)sqlite3_step(s);
	(void)sqlite3_finalize(s);
	return *api != NULL ? KG_OK : kg_fail(KG_EIO, "index: SQLite has no FTS5");
}

kg_err kg_index__terms_open(kg_index *index)
{
	const char *arguments[] = {"unicode61"};
	kg_index__terms *t = calloc(1, sizeof(*t));
	void *context = NULL;
	kg_err err;

	if (t == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the index");
	index->terms = t;
	err = find_api(&t->api, index);
	if (err != KG_OK)
		return err;
	if (t->api->xFindTokenizer(t->api, "porter", &context, &t->tokenizer) != SQLITE_OK ||
	    t->tokenizer.xCreate(context, arguments, 1, &t->cutter) != SQLITE_OK)
		return kg_fail(KG_EIO, "index: SQLite has no tokenizer \"porter\"");
	return KG_OK;
}

fts5_api *kg_index__terms_api(kg_index *index)
{
	return index->terms->api;
}

void kg_index__terms_free(kg_index *index)
{
	kg_index__terms *t = index->terms;

	if (t == NULL)
		return;
	if (t->cutter != NULL)
		t->tokenizer.xDelete(t->cutter);
	free(t->slots);
	free(t->terms);
	free(t->arena);
	free(t);
	index->terms = NULL;
}

static kg_err make_room(kg_index__terms *t)
{
	if (t->slots != NULL)
		return KG_OK;
	t->slots = calloc(SLOTS, sizeof(*t->slots));
	t->terms = calloc(TERMS_MAX, sizeof(*t->terms));
	t->arena = malloc(ARENA);
	return t->slots != NULL && t->terms != NULL && t->arena != NULL
		       ? KG_OK
		       : kg_fail(KG_ENOMEM, "no memory for the words of the index");
}

void kg_index__terms_forget(kg_index *index)
{
	kg_index__terms *t = index->terms;

	if (t->slots != NULL)
		memset(t->slots, 0, SLOTS * sizeof(*t->slots));
	t->count = 0;
	t->arena_used = 0;
}

static uint64_t hash_of(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 1099511628211u;
	return hash ^ hash >> 32;
}

typedef struct {
	kg_index__terms *terms;
	size_t length;
} counting;

static int count_term(void *payload, int flags, const char *text, int size, int from, int to)
{
	counting *c = payload;
	kg_index__terms *t = c->terms;
	uint32_t n = (uint32_t)size;
	uint32_t at;

	(void)flags;
	(void)from;
	(void)to;
	c->length++;
	if (n > TERM_MAX)
		return SQLITE_OK;
	at = (uint32_t)hash_of(text, n) & (SLOTS - 1);
	while (t->slots[at] != 0) {
		term *one = &t->terms[t->slots[at] - 1];

		if (one->size == n && memcmp(t->arena + one->at, text, n) == 0) {
			one->entries += one->last != t->entry ? 1 : 0;
			one->last = t->entry;
			return SQLITE_OK;
		}
		at = (at + 1) & (SLOTS - 1);
	}
	if (t->count == TERMS_MAX || t->arena_used + n > ARENA)
		return SQLITE_FULL;
	t->terms[t->count] = (term){.at = t->arena_used, .size = n, .entries = 1, .last = t->entry};
	memcpy(t->arena + t->arena_used, text, n);
	t->arena_used += n;
	t->slots[at] = ++t->count;
	return SQLITE_OK;
}

static int cut(counting *c, const void *text, size_t size)
{
	kg_index__terms *t = c->terms;

	return t->tokenizer.xTokenize(t->cutter, c, FTS5_TOKENIZE_DOCUMENT, text, (int)size,
				      count_term);
}

kg_err kg_index__terms_count(kg_index *index, const kg_index__record *r, const char *facets,
			     size_t *length)
{
	counting c = {.terms = index->terms};
	kg_err err = make_room(index->terms);
	int rc = SQLITE_OK;

	if (err != KG_OK)
		return err;
	/* A text of 64 KiB has fewer words than half the table. */
	if (c.terms->count > TERMS_MAX / 2 || c.terms->arena_used > ARENA / 2)
		err = kg_index__terms_flush(index);
	if (err != KG_OK)
		return err;
	c.terms->entry++;
	rc = cut(&c, r->bytes, r->text_size);
	if (rc == SQLITE_OK)
		rc = cut(&c, r->bytes + r->text_size + 1, r->tags_size);
	*length = c.length;
	if (rc == SQLITE_OK)
		rc = cut(&c, facets, strlen(facets));
	return rc == SQLITE_OK ? KG_OK : kg_fail(KG_EFULL, "index: words of an entry: %d", rc);
}

typedef struct {
	const term *term;
	const char *text;
} placed;

static int by_text(const void *a, const void *b)
{
	const placed *x = a;
	const placed *y = b;
	size_t least = x->term->size < y->term->size ? x->term->size : y->term->size;
	int order = memcmp(x->text, y->text, least);

	return order != 0 ? order
			  : (x->term->size > y->term->size) - (x->term->size < y->term->size);
}

kg_err kg_index__terms_flush(kg_index *index)
{
	kg_index__terms *t = index->terms;
	placed *order;
	kg_err err = KG_OK;

	if (t->count == 0)
		return KG_OK;
	order = malloc(t->count * sizeof(*order));
	if (order == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the words of the index");
	for (uint32_t i = 0; i < t->count; i++)
		order[i] = (placed){.term = &t->terms[i], .text = t->arena + t->terms[i].at};
	qsort(order, t->count, sizeof(*order), by_text);
	for (uint32_t i = 0; err == KG_OK && i < t->count; i++) {
		sqlite3_stmt *s = kg_index__use(index, KG_INDEX__TERM_PUT);

		if (s == NULL) {
			err = kg_index__fail(index);
			break;
		}
		(void)sqlite3_bind_blob(s, 1, order[i].text, (int)order[i].term->size,
					SQLITE_STATIC);
		(void)sqlite3_bind_int64(s, 2, order[i].term->entries);
		err = kg_index__do(index, s);
	}
	free(order);
	kg_index__terms_forget(index);
	return err;
}

typedef struct {
	kg_index *index;
	uint64_t entries;
	size_t words;
	kg_err err;
} looking;

static int look_up(void *payload, int flags, const char *text, int size, int from, int to)
{
	looking *l = payload;
	sqlite3_stmt *s = kg_index__use(l->index, KG_INDEX__TERM);
	uint64_t entries = 0;

	(void)flags;
	(void)from;
	(void)to;
	if (s == NULL) {
		l->err = kg_index__fail(l->index);
		return SQLITE_ERROR;
	}
	(void)sqlite3_bind_blob(s, 1, text, size, SQLITE_STATIC);
	if (size > TERM_MAX)
		entries = 1;
	else if (sqlite3_step(s) == SQLITE_ROW)
		entries = (uint64_t)sqlite3_column_int64(s, 0);
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	if (l->words++ == 0 || entries < l->entries)
		l->entries = entries;
	return SQLITE_OK;
}

kg_err kg_index__terms_look_up(kg_index *index, uint64_t *entries, size_t *words, const char *text,
			       size_t size)
{
	kg_index__terms *t = index->terms;
	looking l = {.index = index};
	int rc = t->tokenizer.xTokenize(t->cutter, &l, FTS5_TOKENIZE_QUERY, text, (int)size,
					look_up);

	if (rc != SQLITE_OK)
		return l.err != KG_OK ? l.err : kg_fail(KG_EIO, "index: a query's words: %d", rc);
	*entries = l.entries;
	*words = l.words;
	return KG_OK;
}

void kg_index__facet(char out[KG_INDEX__FACET_SIZE], char kind, const void *data, size_t size)
{
	uint64_t hash = hash_of(data, size);

	/* A digit at the end keeps the stemmer from it. */
	out[0] = 'k';
	out[1] = kind;
	for (int i = 0; i < 8; i++)
		out[2 + i] = "0123456789abcdef"[hash >> 4 * i & 15];
	out[10] = '0';
	out[11] = '\0';
}

int kg_index__steps_to(int64_t value)
{
	return (value >= 500000) + (value >= 700000) + (value >= 900000);
}

static char *add_facet(char *at, char kind, const void *data, size_t size)
{
	kg_index__facet(at, kind, data, size);
	at[KG_INDEX__FACET_SIZE - 1] = ' ';
	return at + KG_INDEX__FACET_SIZE;
}

bool kg_index__is_milestone(const uint8_t *id)
{
	return id[KG_HASH_SIZE - 1] % KG_INDEX__SAMPLE == 0;
}

void kg_index__facets(char out[KG_INDEX__FACETS_MAX * KG_INDEX__FACET_SIZE + 1],
		      const kg_index__record *r)
{
	const char *tags = (const char *)r->bytes + r->text_size + 1;
	uint8_t type = (uint8_t)r->type;
	char *at = out;

	at = add_facet(at, 't', &type, 1);
	at = add_facet(at, 'a', r->agent.bytes, sizeof(r->agent.bytes));
	at = add_facet(at, 'n', r->name, strlen(r->name));
	for (int i = 0; i < 2; i++)
		for (uint8_t step = 1; step <= kg_index__steps_to(r->numbers[i]); step++)
			at = add_facet(at, i == 0 ? 'c' : 'l', &step, 1);
	if (kg_index__is_milestone(r->id.bytes))
		at = add_facet(at, 'm', r->id.bytes, sizeof(r->id.bytes));
	while (*(tags += strspn(tags, " ")) != '\0') {
		size_t length = strcspn(tags, " ");

		at = add_facet(at, 'g', tags, length);
		tags += length;
	}
	*at = '\0';
}
