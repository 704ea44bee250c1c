/* SPDX-License-Identifier: MIT */
#include "memory/vectors.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "memory/index.h"

#define VERSION     1
#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

enum { BUSY_MS = 5000 };

/* Of few vectors the mean says little: it counts as if so many zeros were among them. */
static const double mean_weight = 32;

/* By time, so that the newest are read in one go. */
static const char schema[] =
	"CREATE TABLE models(no INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,"
	" entries INTEGER NOT NULL, newest BLOB NOT NULL);"
	"CREATE TABLE vectors(model INTEGER, time_ms INTEGER, id BLOB, vector BLOB NOT NULL,"
	" PRIMARY KEY(model, time_ms, id)) WITHOUT ROWID;"
	"PRAGMA user_version = " TEXT_OF(VERSION) ";";

struct kg_vectors {
	sqlite3 *db;
	sqlite3_stmt *put;
	sqlite3_stmt *has;
	int64_t model;
	uint32_t dim;
	int8_t *steps; /* dim */
};

static kg_err fail(const kg_vectors *v)
{
	int code = v->db != NULL ? sqlite3_errcode(v->db) : SQLITE_NOMEM;
	const char *why = v->db != NULL ? sqlite3_errmsg(v->db) : "no memory";

	switch (code & 0xff) {
	case SQLITE_FULL:
		return kg_fail(KG_EFULL, "vectors: %s", why);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return kg_fail(KG_ETIMEOUT, "vectors: %s", why);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return kg_fail(KG_ECORRUPT, "vectors: %s", why);
	default:
		return kg_fail(KG_EIO, "vectors: %s", why);
	}
}

static kg_err run(kg_vectors *v, const char *sql)
{
	return sqlite3_exec(v->db, sql, NULL, NULL, NULL) == SQLITE_OK ? KG_OK : fail(v);
}

static kg_err prepare(kg_vectors *v, sqlite3_stmt **s, const char *sql)
{
	return sqlite3_prepare_v2(v->db, sql, -1, s, NULL) == SQLITE_OK ? KG_OK : fail(v);
}

/* One number that a statement gives; `found` false when it gives no row. */
static kg_err number(kg_vectors *v, int64_t *value, bool *found, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	*found = rc == SQLITE_ROW;
	if (*found)
		*value = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : fail(v);
}

static kg_err find_model(kg_vectors *v, const uint8_t digest[KG_HASH_SIZE])
{
	sqlite3_stmt *s = NULL;
	bool found = false;
	kg_err err = prepare(v, &s,
			     "INSERT INTO models(digest, entries, newest) VALUES(?, 0, x'')"
			     " ON CONFLICT(digest) DO NOTHING");

	if (err != KG_OK)
		return err;
	(void)sqlite3_bind_blob(s, 1, digest, KG_HASH_SIZE, SQLITE_STATIC);
	err = number(v, &v->model, &found, s);
	if (err == KG_OK)
		err = prepare(v, &s, "SELECT no FROM models WHERE digest = ?");
	if (err != KG_OK)
		return err;
	(void)sqlite3_bind_blob(s, 1, digest, KG_HASH_SIZE, SQLITE_STATIC);
	err = number(v, &v->model, &found, s);
	return err == KG_OK && !found ? kg_fail(KG_ECORRUPT, "vectors: no model") : err;
}

static kg_err open_once(kg_vectors *v, const char *path, const uint8_t model[KG_HASH_SIZE])
{
	sqlite3_stmt *s = NULL;
	int64_t version = 0;
	bool found = false;
	kg_err err = KG_OK;

	if (sqlite3_open_v2(path, &v->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return fail(v);
	(void)sqlite3_busy_timeout(v->db, BUSY_MS);
	err = run(v, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;");
	if (err == KG_OK)
		err = prepare(v, &s,
			      "SELECT user_version, (SELECT count(*) FROM sqlite_master)"
			      " FROM pragma_user_version");
	if (err == KG_OK)
		err = number(v, &version, &found, s);
	if (err == KG_OK && version == 0) {
		err = run(v, "BEGIN IMMEDIATE");
		if (err == KG_OK)
			err = run(v, schema);
		if (err == KG_OK)
			err = run(v, "COMMIT");
	} else if (err == KG_OK && version != VERSION) {
		err = kg_fail(KG_ECORRUPT, "vectors: version %lld", (long long)version);
	}
	return err == KG_OK ? find_model(v, model) : err;
}

kg_err kg_vectors_open(kg_vectors **out, const char *path, const uint8_t model[KG_HASH_SIZE],
		       uint32_t dim)
{
	kg_vectors *v;
	kg_err err;

	if (dim == 0 || dim > KG_VECTORS_DIM_MAX)
		return kg_fail(KG_EINVAL, "vectors of %lu numbers", (unsigned long)dim);
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return kg_fail(KG_ENOMEM, "no memory for vectors");
	v->dim = dim;
	v->steps = malloc(dim);
	err = v->steps != NULL ? open_once(v, path, model)
			       : kg_fail(KG_ENOMEM, "no memory for vectors");
	if (err == KG_ECORRUPT) {
		(void)sqlite3_close(v->db);
		v->db = NULL;
		err = kg_index_remove(path);
		if (err == KG_OK)
			err = open_once(v, path, model);
	}
	if (err != KG_OK) {
		kg_vectors_free(v);
		return err;
	}
	*out = v;
	return KG_OK;
}

void kg_vectors_free(kg_vectors *v)
{
	if (v == NULL)
		return;
	(void)sqlite3_finalize(v->put);
	(void)sqlite3_finalize(v->has);
	(void)sqlite3_close(v->db);
	free(v->steps);
	free(v);
}

kg_err kg_vectors_begin(kg_vectors *v)
{
	return run(v, "BEGIN IMMEDIATE");
}

kg_err kg_vectors_end(kg_vectors *v)
{
	return run(v, "COMMIT");
}

kg_err kg_vectors_put(kg_vectors *v, const kg_entry_id *id, int64_t time_ms, const float *x)
{
	double most = 0;
	int rc;

	if (v->put == NULL) {
		kg_err err = prepare(v, &v->put, "INSERT OR REPLACE INTO vectors VALUES(?,?,?,?)");

		if (err != KG_OK)
			return err;
	}
	for (uint32_t i = 0; i < v->dim; i++) {
		if (!isfinite(x[i]))
			return kg_fail(KG_EINVAL, "vectors: a number is none");
		most = fmax(most, fabs((double)x[i]));
	}
	for (uint32_t i = 0; i < v->dim; i++)
		v->steps[i] = (int8_t)(most > 0 ? lrint((double)x[i] * 127 / most) : 0);
	(void)sqlite3_bind_int64(v->put, 1, v->model);
	(void)sqlite3_bind_int64(v->put, 2, time_ms);
	(void)sqlite3_bind_blob(v->put, 3, id->bytes, KG_HASH_SIZE, SQLITE_STATIC);
	(void)sqlite3_bind_blob(v->put, 4, v->steps, (int)v->dim, SQLITE_STATIC);
	rc = sqlite3_step(v->put);
	(void)sqlite3_reset(v->put);
	return rc == SQLITE_DONE ? KG_OK : fail(v);
}

kg_err kg_vectors_has(kg_vectors *v, bool *has, const kg_entry_id *id, int64_t time_ms)
{
	int rc;

	if (v->has == NULL) {
		kg_err err = prepare(v, &v->has,
				     "SELECT 1 FROM vectors WHERE model = ? AND time_ms = ?"
				     " AND id = ?");

		if (err != KG_OK)
			return err;
	}
	(void)sqlite3_bind_int64(v->has, 1, v->model);
	(void)sqlite3_bind_int64(v->has, 2, time_ms);
	(void)sqlite3_bind_blob(v->has, 3, id->bytes, KG_HASH_SIZE, SQLITE_STATIC);
	rc = sqlite3_step(v->has);
	*has = rc == SQLITE_ROW;
	(void)sqlite3_reset(v->has);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : fail(v);
}

kg_err kg_vectors_marked(kg_vectors *v, kg_vectors_mark *mark)
{
	sqlite3_stmt *s = NULL;
	kg_vectors_mark found = {0};
	kg_err err = prepare(v, &s, "SELECT entries, newest FROM models WHERE no = ?");
	int rc;

	if (err != KG_OK)
		return err;
	(void)sqlite3_bind_int64(s, 1, v->model);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(s, 1) == KG_HASH_SIZE) {
		found.entries = (uint64_t)sqlite3_column_int64(s, 0);
		memcpy(found.newest.bytes, sqlite3_column_blob(s, 1), KG_HASH_SIZE);
	}
	(void)sqlite3_finalize(s);
	*mark = found;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? KG_OK : fail(v);
}

kg_err kg_vectors_set_mark(kg_vectors *v, const kg_vectors_mark *mark)
{
	sqlite3_stmt *s = NULL;
	kg_err err = prepare(v, &s, "UPDATE models SET entries = ?, newest = ? WHERE no = ?");
	int rc;

	if (err != KG_OK)
		return err;
	(void)sqlite3_bind_int64(s, 1, (int64_t)mark->entries);
	(void)sqlite3_bind_blob(s, 2, mark->newest.bytes, KG_HASH_SIZE, SQLITE_STATIC);
	(void)sqlite3_bind_int64(s, 3, v->model);
	rc = sqlite3_step(s);
	(void)sqlite3_finalize(s);
	return rc == SQLITE_DONE ? KG_OK : fail(v);
}

/* ---- looking ---- */

typedef struct {
	int8_t *vectors; /* count of dim */
	kg_vectors_hit *hits;
	size_t count;
	size_t room;
	bool more;
} looking;

static kg_err grow(looking *l, uint32_t dim, size_t most)
{
	size_t room = l->room == 0 ? 1024 : 2 * l->room;
	int8_t *vectors;
	kg_vectors_hit *hits;

	if (l->count < l->room)
		return KG_OK;
	if (room > most)
		room = most;
	vectors = realloc(l->vectors, room * dim);
	if (vectors != NULL)
		l->vectors = vectors;
	hits = realloc(l->hits, room * sizeof(*hits));
	if (hits != NULL)
		l->hits = hits;
	if (vectors == NULL || hits == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu vectors", room);
	l->room = room;
	return KG_OK;
}

static kg_err load(kg_vectors *v, looking *l)
{
	size_t most = KG_VECTORS_BYTES_MAX / (v->dim + sizeof(kg_vectors_hit));
	sqlite3_stmt *s = NULL;
	kg_err err = prepare(v, &s,
			     "SELECT id, vector FROM vectors WHERE model = ?"
			     " ORDER BY time_ms DESC, id DESC");
	int rc = SQLITE_DONE;

	if (err != KG_OK)
		return err;
	if (most > KG_VECTORS_LOOKED_MAX)
		most = KG_VECTORS_LOOKED_MAX;
	(void)sqlite3_bind_int64(s, 1, v->model);
	while (err == KG_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (l->count == most) {
			l->more = true;
			break;
		}
		if (sqlite3_column_bytes(s, 0) != KG_HASH_SIZE ||
		    sqlite3_column_bytes(s, 1) != (int)v->dim)
			continue;
		err = grow(l, v->dim, most);
		if (err != KG_OK)
			break;
		memcpy(l->hits[l->count].id.bytes, sqlite3_column_blob(s, 0), KG_HASH_SIZE);
		memcpy(l->vectors + l->count * v->dim, sqlite3_column_blob(s, 1), v->dim);
		l->count++;
	}
	if (err == KG_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = fail(v);
	(void)sqlite3_finalize(s);
	return err;
}

static double inverse_length(const int8_t *x, uint32_t dim)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < dim; i++)
		sum += (int64_t)x[i] * x[i];
	return sum > 0 ? 1 / sqrt((double)sum) : 0;
}

/* The mean of all vectors at length 1. */
static void mean_of(double *mean, const looking *l, uint32_t dim)
{
	memset(mean, 0, dim * sizeof(*mean));
	for (size_t k = 0; k < l->count; k++) {
		const int8_t *x = l->vectors + k * dim;
		double by = inverse_length(x, dim);

		for (uint32_t i = 0; i < dim; i++)
			mean[i] += by * x[i];
	}
	for (uint32_t i = 0; i < dim; i++)
		mean[i] /= (double)l->count + mean_weight;
}

/* The query at length 1, without the mean, at length 1 again. */
static void centre(double *q, const float *x, const double *mean, uint32_t dim)
{
	double length = 0;

	for (uint32_t i = 0; i < dim; i++)
		length += (double)x[i] * (double)x[i];
	length = length > 0 ? sqrt(length) : 1;
	for (uint32_t i = 0; i < dim; i++)
		q[i] = (double)x[i] / length - mean[i];
	length = 0;
	for (uint32_t i = 0; i < dim; i++)
		length += q[i] * q[i];
	for (uint32_t i = 0; i < dim && length > 0; i++)
		q[i] /= sqrt(length);
}

static double likeness(const double *q, const int8_t *x, const double *mean, uint32_t dim)
{
	double by = inverse_length(x, dim);
	double product = 0;
	double length = 0;

	for (uint32_t i = 0; i < dim; i++) {
		double one = by * x[i] - mean[i];

		product += q[i] * one;
		length += one * one;
	}
	return length > 0 ? product / sqrt(length) : 0;
}

static int by_likeness(const void *a, const void *b)
{
	const kg_vectors_hit *x = a;
	const kg_vectors_hit *y = b;

	if (x->likeness != y->likeness)
		return x->likeness > y->likeness ? -1 : 1;
	return memcmp(x->id.bytes, y->id.bytes, sizeof(x->id.bytes));
}

kg_err kg_vectors_nearest(kg_vectors *v, kg_vectors_hit **hits, size_t *count, size_t *looked,
			  bool *more, const float *x, size_t limit)
{
	double *mean = malloc(v->dim * sizeof(*mean));
	double *q = malloc(v->dim * sizeof(*q));
	looking l = {0};
	kg_err err = mean != NULL && q != NULL ? load(v, &l)
					       : kg_fail(KG_ENOMEM, "no memory for vectors");

	if (err == KG_OK) {
		mean_of(mean, &l, v->dim);
		centre(q, x, mean, v->dim);
		for (size_t k = 0; k < l.count; k++)
			l.hits[k].likeness = likeness(q, l.vectors + k * v->dim, mean, v->dim);
		if (l.count > 1)
			qsort(l.hits, l.count, sizeof(l.hits[0]), by_likeness);
	}
	free(mean);
	free(q);
	free(l.vectors);
	if (err != KG_OK) {
		free(l.hits);
		return err;
	}
	*hits = l.hits;
	*looked = l.count;
	*more = l.more;
	*count = l.count < limit ? l.count : limit;
	return KG_OK;
}
