/* SPDX-License-Identifier: MIT */
#include "cli/similar.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/genome.h"
#include "base/fs.h"
#include "base/hex.h"
#include "base/progress.h"
#include "memory/chain.h"
#include "memory/vectors.h"
#include "runtime/model.h"
#include "runtime/nursery.h"
#include "runtime/session.h"

enum {
	TOKENS_MAX = 1024, /* of a text that are read */
	TEXT_MAX = 16 << 10,
	BATCH = 64, /* vectors of a transaction */
	THREADS_MAX = 8
};

struct kg_similar {
	kg_reading *reading;
	kg_model *model;
	kg_weights *weights;
	kg_session *session;
	kg_vectors *vectors;
	float *vector;
	double *sum;
	uint32_t dim;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static kg_err open_model(kg_similar *s, const char *path)
{
	bool embedded = path == NULL || strcmp(path, "nursery") == 0;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	kg_session_options options = {.threads = 1};
	kg_err err = embedded ? kg_nursery_open(&s->model) : kg_model_open(&s->model, path);

	if (processors > 1)
		options.threads = processors < THREADS_MAX ? (uint32_t)processors : THREADS_MAX;
	/* That no entry was found is another matter. */
	if (err == KG_ENOTFOUND)
		err = KG_EIO;
	if (err == KG_OK)
		err = kg_weights_new(&s->weights, s->model, NULL, NULL);
	if (err == KG_OK)
		err = kg_session_new(&s->session, s->weights, &options);
	if (err != KG_OK)
		return err;
	s->dim = kg_session_width(s->session);
	s->vector = calloc(s->dim, sizeof(*s->vector));
	s->sum = calloc(s->dim, sizeof(*s->sum));
	return s->vector != NULL && s->sum != NULL ? KG_OK
						   : kg_fail(KG_ENOMEM, "no memory for vectors");
}

kg_err kg_similar_open(kg_similar **out, const kg_cli *cli, kg_reading *reading, const char *model)
{
	uint8_t digest[KG_HASH_SIZE];
	char path[KG_PATH_SIZE];
	kg_similar *s = calloc(1, sizeof(*s));
	kg_err err;

	if (s == NULL)
		return kg_fail(KG_ENOMEM, "no memory for vectors");
	s->reading = reading;
	err = open_model(s, model);
	if (err == KG_OK)
		err = kg_base_digest(digest, s->model);
	if (err == KG_OK)
		err = kg_path(path, "%s/vectors.sqlite", cli->state_dir);
	if (err == KG_OK)
		err = kg_vectors_open(&s->vectors, path, digest, s->dim);
	if (err != KG_OK) {
		kg_similar_free(s);
		return err;
	}
	*out = s;
	return KG_OK;
}

void kg_similar_free(kg_similar *s)
{
	if (s == NULL)
		return;
	kg_vectors_free(s->vectors);
	kg_session_free(s->session);
	kg_weights_free(s->weights);
	kg_model_free(s->model);
	free(s->vector);
	free(s->sum);
	free(s);
}

/* ---- the vector of a text ---- */

static kg_err add(void *context, size_t index, const float *row)
{
	kg_similar *s = context;

	(void)index;
	for (uint32_t i = 0; i < s->dim; i++)
		s->sum[i] += (double)row[i];
	return KG_OK;
}

/* Windows of a whole context, each read from its beginning; the token that begins a text says
 * nothing of it. */
static kg_err embed(kg_similar *s, const void *text, size_t size)
{
	const kg_tokenizer *tokenizer = kg_model_tokenizer(s->model);
	uint32_t *ids = NULL;
	size_t count = 0;
	size_t from;
	kg_err err;

	if (tokenizer == NULL)
		return kg_fail(KG_EINVAL, "the model has no tokenizer");
	err = kg_tokenizer_encode(tokenizer, text, size < TEXT_MAX ? size : TEXT_MAX, true, &ids,
				  &count);
	if (err != KG_OK)
		return err;
	if (count > TOKENS_MAX)
		count = TOKENS_MAX;
	memset(s->sum, 0, s->dim * sizeof(*s->sum));
	from = count > 1 && ids[0] == kg_tokenizer_get_rules(tokenizer)->bos ? 1 : 0;
	for (size_t done = 0; err == KG_OK && done < count;) {
		size_t n = count - done;

		if (n > kg_session_context(s->session))
			n = kg_session_context(s->session);
		kg_session_rewind(s->session, 0);
		err = kg_session_read_hidden(s->session, ids + done, n, done == 0 ? from : 0, add,
					     s);
		done += n;
	}
	for (uint32_t i = 0; i < s->dim; i++)
		s->vector[i] = (float)(s->sum[i] / (double)(count - from + (count == from)));
	free(ids);
	return err;
}

/* ---- those that are missing ---- */

typedef struct {
	kg_entry_id id;
	int64_t time_ms;
} place;

typedef struct {
	kg_similar *similar;
	place *missing;
	size_t count;
	size_t room;
} search;

/* Beats and witnesses are about nothing; what is sealed tells nothing. */
static bool has_meaning(kg_entry_type type, bool sealed)
{
	return !sealed && (type == KG_ENTRY_INSIGHT || type == KG_ENTRY_OBSERVATION ||
			   type == KG_ENTRY_LEARNING || type == KG_ENTRY_REFLECTION ||
			   type == KG_ENTRY_QUESTION);
}

static kg_err note_missing(void *payload, const kg_entry_id *id, int64_t time_ms,
			   kg_entry_type type, bool sealed, bool *stop)
{
	search *f = payload;
	bool has = true;
	kg_err err;

	*stop = interrupted != 0;
	if (!has_meaning(type, sealed))
		return KG_OK;
	err = kg_vectors_has(f->similar->vectors, &has, id, time_ms);
	if (err != KG_OK || has)
		return err;
	if (f->count == f->room) {
		size_t room = f->room == 0 ? 1024 : 2 * f->room;
		place *grown = realloc(f->missing, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu entries", room);
		f->missing = grown;
		f->room = room;
	}
	f->missing[f->count++] = (place){.id = *id, .time_ms = time_ms};
	return KG_OK;
}

static kg_err newest(void *payload, const kg_entry_id *id, int64_t time_ms, kg_entry_type type,
		     bool sealed, bool *stop)
{
	kg_vectors_mark *mark = payload;

	(void)time_ms;
	(void)type;
	(void)sealed;
	mark->newest = *id;
	*stop = true;
	return KG_OK;
}

static kg_err make_one(kg_similar *s, const place *p)
{
	kg_index_row row;
	kg_err err = kg_index_row_of(s->reading->index, &row, &p->id);

	/* Forgotten since the walk. */
	if (err == KG_ENOTFOUND)
		return KG_OK;
	if (err == KG_OK) {
		err = embed(s, row.entry.text.size > 0 ? row.entry.text.data : (const uint8_t *)"",
			    row.entry.text.size);
		kg_entry_release(&row.entry);
	}
	return err == KG_OK ? kg_vectors_put(s->vectors, &p->id, p->time_ms, s->vector) : err;
}

static kg_err make_missing(kg_similar *s, const search *f, uint64_t *made)
{
	kg_progress progress;
	kg_err err = KG_OK;

	kg_progress_start(&progress, "making vectors", f->count);
	for (size_t i = 0; err == KG_OK && i < f->count && interrupted == 0; i += BATCH) {
		err = kg_vectors_begin(s->vectors);
		for (size_t k = i; err == KG_OK && k < i + BATCH && k < f->count; k++) {
			err = make_one(s, &f->missing[k]);
			++*made;
			kg_progress_step(&progress, *made, NULL);
		}
		if (err == KG_OK)
			err = kg_vectors_end(s->vectors);
	}
	kg_progress_end(&progress);
	return err;
}

kg_err kg_similar_fill(kg_similar *s, uint64_t *made)
{
	struct sigaction action = {.sa_handler = on_signal};
	search f = {.similar = s};
	kg_vectors_mark here = {0};
	kg_vectors_mark there = {0};
	kg_err err = kg_index_count(s->reading->index, &here.entries);

	*made = 0;
	if (err == KG_OK)
		err = kg_index_walk(s->reading->index, 1, newest, &here);
	if (err == KG_OK)
		err = kg_vectors_marked(s->vectors, &there);
	if (err != KG_OK || (here.entries == there.entries &&
			     memcmp(&here.newest, &there.newest, sizeof(here.newest)) == 0))
		return err;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	err = kg_index_walk(s->reading->index, KG_VECTORS_LOOKED_MAX, note_missing, &f);
	if (err == KG_OK)
		err = make_missing(s, &f, made);
	free(f.missing);
	if (err == KG_OK && interrupted != 0)
		return kg_fail(KG_ETIMEOUT, "stopped; what was made stays, and the same command "
					    "goes on");
	return err == KG_OK ? kg_vectors_set_mark(s->vectors, &here) : err;
}

/* ---- asking ---- */

/* The entry that is asked for, in `row`; or `what` is a text. */
static kg_err find_what(kg_similar *s, kg_index_row *row, bool *is_entry, const char *what)
{
	size_t length = strlen(what);
	kg_entry_proof proof;
	kg_pubkey agent;
	uint64_t sequence;
	kg_err err = KG_ENOTFOUND;

	*is_entry = false;
	if (length >= 6 && length < KG_HASH_TEXT_SIZE && kg_hex_is(what, length))
		err = kg_index_find(s->reading->index, &proof, &agent, &sequence, what);
	if (err == KG_ENOTFOUND)
		return KG_OK;
	if (err == KG_OK)
		err = kg_index_row_of(s->reading->index, row, &proof.id);
	*is_entry = err == KG_OK;
	return err;
}

static kg_err embed_what(kg_similar *s, const kg_index_row *row, const char *what)
{
	if (row == NULL)
		return embed(s, what, strlen(what));
	return embed(s, row->entry.text.size > 0 ? row->entry.text.data : (const uint8_t *)"",
		     row->entry.text.size);
}

static kg_err append(kg_index_rows *rows, const kg_index_row *row, size_t room)
{
	if (rows->rows == NULL)
		rows->rows = calloc(room, sizeof(*rows->rows));
	if (rows->rows == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu entries", room);
	rows->rows[rows->count++] = *row;
	return KG_OK;
}

/* The best of the hits that are still in the index and pass the filter. */
static kg_err choose(kg_similar *s, kg_index_rows *rows, const kg_index_filter *filter,
		     const kg_vectors_hit *hits, size_t count, const kg_entry_id *self)
{
	size_t limit = filter->limit == 0 ? 20 : filter->limit;
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < count && rows->count < limit; i++) {
		kg_index_row row;

		if (self != NULL && memcmp(self, &hits[i].id, sizeof(*self)) == 0)
			continue;
		err = kg_index_row_of(s->reading->index, &row, &hits[i].id);
		if (err == KG_ENOTFOUND) {
			err = KG_OK;
			continue;
		}
		if (err != KG_OK)
			break;
		row.weight.relevance = row.weight.score = hits[i].likeness;
		row.weight.trust = 1;
		if (kg_index_matches(&row, filter))
			err = append(rows, &row, limit);
		else
			kg_entry_release(&row.entry);
	}
	return err;
}

kg_err kg_similar_recall(kg_similar *s, kg_index_rows *out, const kg_index_filter *filter,
			 const char *what)
{
	kg_index_rows rows = {.similar = true};
	kg_vectors_hit *hits = NULL;
	kg_index_row row;
	bool is_entry;
	uint64_t made;
	size_t count = 0;
	/* First what may be asked for again in other words: the vectors may take a while. */
	kg_err err = find_what(s, &row, &is_entry, what);

	if (err == KG_OK)
		err = kg_similar_fill(s, &made);
	if (err == KG_OK)
		err = embed_what(s, is_entry ? &row : NULL, what);
	if (err == KG_OK)
		err = kg_vectors_nearest(s->vectors, &hits, &count, &rows.weighed, &rows.cut,
					 s->vector, SIZE_MAX);
	if (err == KG_OK)
		err = kg_index_count(s->reading->index, &rows.entries);
	if (err == KG_OK)
		err = choose(s, &rows, filter, hits, count, is_entry ? &row.proof.id : NULL);
	if (err == KG_OK)
		err = kg_chain_confirm(&s->reading->admit, s->reading->store, s->reading->index,
				       &rows);
	free(hits);
	if (is_entry)
		kg_entry_release(&row.entry);
	if (err == KG_OK)
		*out = rows;
	else
		kg_index_rows_release(&rows);
	return err;
}
