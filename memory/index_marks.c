/* SPDX-License-Identifier: MIT */
/*
 * Quarantine. An order is a revocation without heads that cites entries, said by a swarm or its
 * operator. It is in force unless an order in force cites it. An entry cited by an order in force
 * is marked, and so is everything that cites a marked entry; its origin is the entry under
 * quarantine that it rests on, of several the one with the least id. Orders themselves are never
 * marked. So the marks follow from the entries alone, in whatever order these came.
 */
#include <stdlib.h>
#include <string.h>

#include "memory/index_impl.h"

enum { DEPTH_MAX = 64, ORDERS_MAX = 64 };

typedef struct {
	kg_entry_id id;
	kg_pubkey swarm;
} order;

/* The orders that cite an entry, whatever they are worth; at most ORDERS_MAX. */
static kg_err warded(kg_index *index, order orders[ORDERS_MAX], size_t *count,
		     const kg_entry_id *id)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__WARDED);
	size_t n = 0;
	int rc;

	if (s == NULL)
		return kg_index__fail(index);
	kg_index__bind(s, 1, id->bytes, sizeof(id->bytes));
	while ((rc = sqlite3_step(s)) == SQLITE_ROW && n < ORDERS_MAX)
		if (kg_index__take_blob(orders[n].id.bytes, s, 0, KG_HASH_SIZE) &&
		    kg_index__take_blob(orders[n].swarm.bytes, s, 1, KG_PUBKEY_SIZE))
			n++;
	(void)sqlite3_reset(s);
	*count = n;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}

/* The swarm whose orders count for all; all zero when none was set. */
static kg_err read_home(kg_index *index, kg_pubkey *home)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s, "SELECT value FROM meta WHERE name = 'home'");

	*home = (kg_pubkey){0};
	if (err != KG_OK)
		return err;
	if (sqlite3_step(s) == SQLITE_ROW)
		(void)kg_index__take_blob(home->bytes, s, 0, KG_PUBKEY_SIZE);
	return sqlite3_finalize(s) == SQLITE_OK ? KG_OK : kg_index__fail(index);
}

static bool may(const order *o, const kg_pubkey *swarm, const kg_pubkey *home)
{
	return kg_pubkey_equal(&o->swarm, swarm) || kg_pubkey_equal(&o->swarm, home);
}

/* Orders in force against an entry of `swarm`; `orders` may be NULL. */
static kg_err in_force(kg_index *index, order *orders, size_t *count, const kg_entry_id *id,
		       const kg_pubkey *swarm, const kg_pubkey *home, int depth)
{
	order *all;
	size_t found = 0;
	kg_err err;

	*count = 0;
	/* Hashes make no circles; a chain of orders this long is nobody's wish. */
	if (depth == DEPTH_MAX)
		return KG_OK;
	all = calloc(ORDERS_MAX, sizeof(*all));
	if (all == NULL)
		return kg_fail(KG_ENOMEM, "no memory for quarantines");
	err = warded(index, all, &found, id);
	for (size_t i = 0; err == KG_OK && i < found; i++) {
		size_t lifted = 0;

		if (!may(&all[i], swarm, home))
			continue;
		err = in_force(index, NULL, &lifted, &all[i].id, &all[i].swarm, home, depth + 1);
		if (err == KG_OK && lifted == 0) {
			if (orders != NULL)
				orders[*count] = all[i];
			++*count;
		}
	}
	free(all);
	return err;
}

/* References and swarm of an entry. `refs` has room for all. */
static kg_err read_cited(kg_index *index, bool *known, kg_entry_id *refs, size_t *count,
			 kg_pubkey *swarm, const kg_entry_id *id)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__CITED);
	kg_err err = KG_OK;
	int rc;

	*count = 0;
	if (s == NULL)
		return kg_index__fail(index);
	(void)sqlite3_bind_int64(s, 1, kg_index__head8(id->bytes));
	kg_index__bind(s, 2, id->bytes, sizeof(id->bytes));
	rc = sqlite3_step(s);
	*known = rc == SQLITE_ROW;
	if (*known) {
		size_t size = (size_t)sqlite3_column_bytes(s, 0);

		if (size % KG_HASH_SIZE != 0 || size > KG_ENTRY_REFERENCES_MAX * KG_HASH_SIZE ||
		    !kg_index__take_blob(swarm->bytes, s, 1, KG_PUBKEY_SIZE)) {
			err = kg_fail(KG_ECORRUPT, "the index holds a row that is no entry");
		} else if (size > 0) {
			memcpy(refs, sqlite3_column_blob(s, 0), size);
			*count = size / KG_HASH_SIZE;
		}
	} else if (rc != SQLITE_DONE) {
		err = kg_index__fail(index);
	}
	(void)sqlite3_reset(s);
	return err;
}

kg_err kg_index_mark_of(kg_index *index, bool *marked, kg_entry_id *origin, const kg_entry_id *id)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__MARK);
	int rc;

	if (s == NULL)
		return kg_index__fail(index);
	kg_index__bind(s, 1, id->bytes, sizeof(id->bytes));
	rc = sqlite3_step(s);
	*marked = rc == SQLITE_ROW && kg_index__take_blob(origin->bytes, s, 0, KG_HASH_SIZE);
	(void)sqlite3_reset(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}

/* ---- spreading ---- */

typedef struct {
	kg_entry_id *ids;
	size_t count;
	size_t room;
} list;

static kg_err list_add(list *l, const kg_entry_id *id)
{
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 64 : 2 * l->room;
		kg_entry_id *grown = realloc(l->ids, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for quarantines");
		l->ids = grown;
		l->room = room;
	}
	l->ids[l->count++] = *id;
	return KG_OK;
}

/* The ids that the statement finds. */
static kg_err list_take(kg_index *index, list *out, sqlite3_stmt *s)
{
	kg_err err = KG_OK;
	int rc = SQLITE_DONE;

	while (err == KG_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		kg_entry_id one;

		if (kg_index__take_blob(one.bytes, s, 0, KG_HASH_SIZE))
			err = list_add(out, &one);
	}
	if (err == KG_OK && rc != SQLITE_DONE)
		err = kg_index__fail(index);
	return err;
}

/* Whether the statement finds a row. */
static kg_err finds(kg_index *index, bool *any, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	*any = rc == SQLITE_ROW;
	(void)sqlite3_reset(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : kg_index__fail(index);
}

/* Marks the entry; what cites it is to be looked at when that is news. */
static kg_err mark(kg_index *index, list *next, const kg_entry_id *id, const kg_entry_id *origin)
{
	kg_entry_id before;
	bool marked = false;
	sqlite3_stmt *s;
	kg_err err = kg_index_mark_of(index, &marked, &before, id);

	if (err != KG_OK ||
	    (marked && memcmp(before.bytes, origin->bytes, sizeof(before.bytes)) <= 0))
		return err;
	s = kg_index__use(index, KG_INDEX__MARK_PUT);
	if (s == NULL)
		return kg_index__fail(index);
	kg_index__bind(s, 1, id->bytes, sizeof(id->bytes));
	kg_index__bind(s, 2, origin->bytes, sizeof(origin->bytes));
	(void)sqlite3_bind_int64(s, 3, kg_index__head8(id->bytes));
	err = kg_index__do(index, s);
	return err == KG_OK ? list_add(next, id) : err;
}

static kg_err citing(kg_index *index, list *out, const kg_entry_id *id)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__CITING);
	kg_err err;

	if (s == NULL)
		return kg_index__fail(index);
	out->count = 0;
	kg_index__bind(s, 1, id->bytes, sizeof(id->bytes));
	err = list_take(index, out, s);
	(void)sqlite3_reset(s);
	return err;
}

/* From the entries of `next` to all that rest on them. */
static kg_err spread(kg_index *index, list *next)
{
	list found = {0};
	kg_err err = KG_OK;

	while (err == KG_OK && next->count > 0) {
		kg_entry_id id = next->ids[--next->count];
		kg_entry_id origin;
		bool marked = false;

		err = kg_index_mark_of(index, &marked, &origin, &id);
		if (err == KG_OK)
			err = citing(index, &found, &id);
		for (size_t i = 0; err == KG_OK && marked && i < found.count; i++)
			err = mark(index, next, &found.ids[i], &origin);
	}
	free(found.ids);
	return err;
}

/* ---- what is taken in ---- */

static kg_err put_order(kg_index *index, const kg_index__record *r)
{
	const uint8_t *refs = r->bytes + r->text_size + 1 + r->tags_size + 1;
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__ORDER_PUT);
	kg_err err = KG_OK;

	if (s == NULL)
		return kg_index__fail(index);
	kg_index__bind(s, 1, r->id.bytes, KG_HASH_SIZE);
	kg_index__bind(s, 2, r->swarm.bytes, KG_PUBKEY_SIZE);
	err = kg_index__do(index, s);
	for (size_t i = 0; err == KG_OK && i < r->reference_count; i++) {
		s = kg_index__use(index, KG_INDEX__WARD_PUT);
		if (s == NULL)
			return kg_index__fail(index);
		kg_index__bind(s, 1, refs + i * KG_HASH_SIZE, KG_HASH_SIZE);
		kg_index__bind(s, 2, r->id.bytes, KG_HASH_SIZE);
		err = kg_index__do(index, s);
	}
	index->judged = true;
	return err;
}

static kg_err any_order(kg_index *index, bool *any)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__ANY_ORDER);

	if (s == NULL)
		return kg_index__fail(index);
	return finds(index, any, s);
}

kg_err kg_index__marks_put(kg_index *index, const kg_index__record *r)
{
	const uint8_t *refs = r->bytes + r->text_size + 1 + r->tags_size + 1;
	order orders[ORDERS_MAX];
	size_t count = 0;
	list next = {0};
	bool any = false;
	kg_err err = KG_OK;

	if (r->order)
		return put_order(index, r);
	if (index->judged)
		return KG_OK;
	err = any_order(index, &any);
	if (err != KG_OK || !any)
		return err;
	err = warded(index, orders, &count, &r->id);
	index->judged = count > 0;
	for (size_t i = 0; err == KG_OK && !index->judged && i < r->reference_count; i++) {
		kg_entry_id id;
		kg_entry_id origin;
		bool marked = false;

		memcpy(id.bytes, refs + i * KG_HASH_SIZE, KG_HASH_SIZE);
		err = kg_index_mark_of(index, &marked, &origin, &id);
		if (err == KG_OK && marked)
			err = mark(index, &next, &r->id, &origin);
	}
	if (err == KG_OK)
		err = spread(index, &next);
	free(next.ids);
	return err;
}

/* Every entry that an order cites. */
static kg_err read_wards(kg_index *index, list *out)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s, "SELECT DISTINCT cited FROM wards");

	if (err != KG_OK)
		return err;
	err = list_take(index, out, s);
	(void)sqlite3_finalize(s);
	return err;
}

static kg_err is_an_order(kg_index *index, bool *is, const kg_entry_id *id)
{
	sqlite3_stmt *s = kg_index__use(index, KG_INDEX__IS_ORDER);

	if (s == NULL)
		return kg_index__fail(index);
	kg_index__bind(s, 1, id->bytes, sizeof(id->bytes));
	return finds(index, is, s);
}

static kg_err judge(kg_index *index, list *next, const kg_entry_id *id, const kg_pubkey *home)
{
	kg_entry_id refs[KG_ENTRY_REFERENCES_MAX];
	kg_pubkey swarm;
	size_t count = 0;
	bool known = false;
	bool is = false;
	kg_err err = read_cited(index, &known, refs, &count, &swarm, id);

	if (err == KG_OK)
		err = is_an_order(index, &is, id);
	if (err == KG_OK && known && !is) {
		err = in_force(index, NULL, &count, id, &swarm, home, 0);
		if (err == KG_OK && count > 0)
			err = mark(index, next, id, id);
	}
	return err;
}

kg_err kg_index__marks_settle(kg_index *index)
{
	list wards = {0};
	list next = {0};
	kg_pubkey home;
	kg_err err = KG_OK;

	if (!index->judged)
		return KG_OK;
	err = kg_index__run(index, "DELETE FROM marks");
	if (err == KG_OK)
		err = read_home(index, &home);
	if (err == KG_OK)
		err = read_wards(index, &wards);
	for (size_t i = 0; err == KG_OK && i < wards.count; i++)
		err = judge(index, &next, &wards.ids[i], &home);
	if (err == KG_OK)
		err = spread(index, &next);
	free(wards.ids);
	free(next.ids);
	return err;
}

/* ---- what is asked ---- */

kg_err kg_index_orders(kg_index *index, kg_entry_id *out, size_t *count, const kg_entry_id *id,
		       size_t limit)
{
	kg_entry_id refs[KG_ENTRY_REFERENCES_MAX];
	order orders[ORDERS_MAX];
	kg_pubkey swarm;
	kg_pubkey home;
	size_t found = 0;
	bool known = false;
	kg_err err = read_cited(index, &known, refs, &found, &swarm, id);

	*count = 0;
	if (err == KG_OK && known)
		err = read_home(index, &home);
	if (err == KG_OK && known)
		err = in_force(index, orders, &found, id, &swarm, &home, 0);
	for (size_t i = 0; err == KG_OK && known && i < found && i < limit; i++)
		out[(*count)++] = orders[i].id;
	return err;
}

kg_err kg_index_count_marked(kg_index *index, uint64_t *count, const kg_entry_id *origin)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s, "SELECT count(*) FROM marks WHERE origin = ?");
	int rc;

	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, origin->bytes, sizeof(origin->bytes));
	rc = sqlite3_step(s);
	*count = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	(void)sqlite3_finalize(s);
	return rc == SQLITE_ROW ? KG_OK : kg_index__fail(index);
}

static kg_err backward(kg_index *index, list *out, const kg_entry_id *id, size_t limit)
{
	sqlite3_stmt *s = NULL;
	kg_err err = kg_index__prepare(index, &s,
				       "SELECT e.id FROM cites c JOIN entries e ON e.row = c.citing"
				       " WHERE c.cited = ?1 ORDER BY e.row LIMIT ?2");

	if (err != KG_OK)
		return err;
	kg_index__bind(s, 1, id->bytes, sizeof(id->bytes));
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)limit);
	err = list_take(index, out, s);
	(void)sqlite3_finalize(s);
	return err;
}

static kg_err forward(kg_index *index, list *out, const kg_entry_id *id)
{
	kg_entry_id refs[KG_ENTRY_REFERENCES_MAX];
	kg_pubkey swarm;
	size_t count = 0;
	bool known = false;
	kg_err err = read_cited(index, &known, refs, &count, &swarm, id);

	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = list_add(out, &refs[i]);
	return err;
}

kg_err kg_index_citations(kg_index *index, kg_index_citation **out, size_t *count, bool *more,
			  const kg_entry_id *id, bool is_forward, size_t limit)
{
	kg_entry_id refs[KG_ENTRY_REFERENCES_MAX];
	kg_index_citation *all = NULL;
	kg_pubkey swarm;
	size_t unused;
	list found = {0};
	kg_err err =
		is_forward ? forward(index, &found, id) : backward(index, &found, id, limit + 1);

	*more = found.count > limit;
	if (err == KG_OK) {
		all = calloc(limit + 1, sizeof(*all));
		err = all != NULL ? KG_OK : kg_fail(KG_ENOMEM, "no memory for citations");
	}
	*count = *more ? limit : found.count;
	for (size_t i = 0; err == KG_OK && i < *count; i++) {
		all[i].id = found.ids[i];
		err = read_cited(index, &all[i].known, refs, &unused, &swarm, &found.ids[i]);
	}
	free(found.ids);
	if (err != KG_OK) {
		free(all);
		return err;
	}
	*out = all;
	return KG_OK;
}
