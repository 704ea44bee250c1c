/* SPDX-License-Identifier: MIT */
#include "memory/carrier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "memory/carrier_impl.h"

enum { BUCKETS = 16384, TIDY_PACKS = 64 };

struct kg_carrier {
	kg_cargo cargo; /* the working side's alone, outside the mutex */
	pthread_mutex_t mutex;
	pthread_cond_t work; /* for the thread */
	pthread_cond_t done; /* for who waits */
	pthread_t thread;
	bool threaded;
	int wake;

	/* Below the mutex. */
	bool stop;
	bool retry;
	kg_mend mend; /* asked for */
	bool mending; /* taken up and not done yet */
	bool is_indexed;
	bool rebuilt;
	kg_load *first; /* oldest */
	kg_load *last;
	kg_load *durable;  /* the last durable one; NULL: none is */
	kg_load **buckets; /* by id */
	size_t count;
	size_t bytes;
	uint64_t added;
	uint64_t durable_serial;
	uint64_t carried;
	uint64_t segment; /* of the last commit */
	uint64_t safe;
	unsigned syncs_wanted;
	unsigned syncs;
	unsigned tries;
	unsigned packs; /* written since the last tidying */
	bool untidy;
	unsigned tidied;
	kg_err failed;
	char why[KG_ERR_TEXT_MAX];
};

kg_load *kg_load_new(const void *object, size_t size)
{
	kg_load *load = malloc(sizeof(*load) + size);

	if (load == NULL)
		return NULL;
	memset(load, 0, offsetof(kg_load, entry));
	kg_entry_init(&load->entry, KG_ENTRY_INSIGHT);
	load->size = size;
	memcpy(load->object, object, size);
	return load;
}

void kg_load_free(kg_load *load)
{
	if (load == NULL)
		return;
	kg_entry_release(&load->entry);
	free(load);
}

/* ---- the queue ---- */

static void lock(kg_carrier *c)
{
	KG_ASSERT(pthread_mutex_lock(&c->mutex) == 0);
}

static void unlock(kg_carrier *c)
{
	KG_ASSERT(pthread_mutex_unlock(&c->mutex) == 0);
}

static kg_load **bucket_of(const kg_carrier *c, const kg_entry_id *id)
{
	return &c->buckets[((size_t)id->bytes[0] << 8 | id->bytes[1]) % BUCKETS];
}

static void unlist(kg_carrier *c, kg_load *load)
{
	kg_load **at = bucket_of(c, &load->proof.id);

	while (*at != load)
		at = &(*at)->other;
	*at = load->other;
	c->count--;
	c->bytes -= load->size;
}

kg_err kg_carrier_has_room(kg_carrier *c, size_t size)
{
	bool full;

	lock(c);
	full = c->count >= KG_CARRIER_COUNT_MAX || c->bytes + size > KG_CARRIER_BYTES_MAX;
	unlock(c);
	return full ? kg_fail(KG_EFULL, "%d entries wait for memory.git", KG_CARRIER_COUNT_MAX)
		    : KG_OK;
}

void kg_carrier_add(kg_carrier *c, kg_load *load)
{
	kg_load **bucket;

	lock(c);
	load->next = NULL;
	load->serial = ++c->added;
	if (c->last != NULL)
		c->last->next = load;
	else
		c->first = load;
	c->last = load;
	bucket = bucket_of(c, &load->proof.id);
	load->other = *bucket;
	*bucket = load;
	c->count++;
	c->bytes += load->size;
	unlock(c);
}

void kg_carrier_commit(kg_carrier *c, uint64_t segment)
{
	lock(c);
	for (kg_load *l = c->durable != NULL ? c->durable->next : c->first; l != NULL; l = l->next)
		l->segment = segment;
	c->durable = c->last;
	c->durable_serial = c->added;
	c->segment = segment;
	(void)pthread_cond_signal(&c->work);
	unlock(c);
}

void kg_carrier_cancel(kg_carrier *c)
{
	kg_load *gone;

	lock(c);
	gone = c->durable != NULL ? c->durable->next : c->first;
	for (kg_load *l = gone; l != NULL; l = l->next)
		unlist(c, l);
	c->last = c->durable;
	if (c->durable != NULL)
		c->durable->next = NULL;
	else
		c->first = NULL;
	c->added = c->durable_serial;
	unlock(c);
	while (gone != NULL) {
		kg_load *next = gone->next;

		kg_load_free(gone);
		gone = next;
	}
}

bool kg_carrier_find(kg_carrier *c, kg_entry_proof *proof, uint64_t *sequence,
		     const kg_entry_id *id)
{
	const kg_load *l;

	lock(c);
	l = *bucket_of(c, id);
	while (l != NULL &&
	       (l->is_proof || memcmp(l->proof.id.bytes, id->bytes, sizeof(id->bytes)) != 0))
		l = l->other;
	if (l != NULL) {
		*proof = l->proof;
		*sequence = l->entry.sequence;
	}
	unlock(c);
	return l != NULL;
}

bool kg_carrier_at(kg_carrier *c, kg_entry_proof *proof, const kg_pubkey *agent, uint64_t sequence)
{
	const kg_load *l;

	lock(c);
	l = c->first;
	while (l != NULL && (l->is_proof || l->entry.sequence != sequence ||
			     !kg_pubkey_equal(&l->entry.agent, agent)))
		l = l->next;
	if (l != NULL)
		*proof = l->proof;
	unlock(c);
	return l != NULL;
}

kg_err kg_carrier_replay(kg_carrier *c, kg_carrier_before before, kg_carrier_visit visit,
			 void *payload)
{
	kg_err err;

	lock(c);
	err = before(payload);
	for (const kg_load *l = c->first; err == KG_OK && l != NULL; l = l->next)
		err = visit(payload, l);
	unlock(c);
	return err;
}

static bool is_index_whole(const kg_carrier *c)
{
	return c->is_indexed && c->mend == KG_MEND_NONE && !c->mending;
}

void kg_carrier_look(kg_carrier *c, kg_carrier_state *state)
{
	lock(c);
	*state = (kg_carrier_state){
		.durable = c->durable_serial,
		.carried = c->carried,
		.safe = c->safe,
		.is_indexed = is_index_whole(c),
		.failed = c->failed,
		.waiting = c->count,
		.waiting_bytes = c->bytes,
		.tidied = c->tidied,
	};
	unlock(c);
}

void kg_carrier_why(kg_carrier *c, char text[KG_ERR_TEXT_MAX])
{
	lock(c);
	memcpy(text, c->why, sizeof(c->why));
	unlock(c);
}

bool kg_carrier_rebuilt(kg_carrier *c)
{
	bool rebuilt;

	lock(c);
	rebuilt = c->rebuilt;
	unlock(c);
	return rebuilt;
}

/* All of it while a quarter of the room is taken, one when three quarters are. */
unsigned kg_carrier_credit(kg_carrier *c)
{
	size_t taken; /* in 1/1024 */
	size_t bytes;

	lock(c);
	taken = c->count * 1024 / KG_CARRIER_COUNT_MAX;
	bytes = c->bytes / (KG_CARRIER_BYTES_MAX / 1024);
	unlock(c);
	if (bytes > taken)
		taken = bytes;
	if (taken <= 256)
		return KG_CARRIER_CREDIT_MAX;
	if (taken >= 768)
		return 1;
	return (unsigned)((768 - taken) * KG_CARRIER_CREDIT_MAX / 512);
}

/* ---- the work ---- */

/* The oldest segment of the journal that something waits in, or is written to. */
static uint64_t needed(const kg_carrier *c)
{
	return c->first != NULL && c->durable != NULL ? c->first->segment : c->segment;
}

static bool is_due(const kg_carrier *c)
{
	if (c->failed != KG_OK && !c->retry)
		return false;
	return c->durable != NULL || c->mend != KG_MEND_NONE || !c->is_indexed ||
	       needed(c) > c->safe || c->syncs_wanted != c->syncs;
}

/* The oldest durable entries, of at most a batch; they stay in the queue. */
static size_t take_batch(const kg_carrier *c, kg_load **batch)
{
	size_t count = 0;

	if (c->durable == NULL)
		return 0;
	for (kg_load *l = c->first; count < KG_CARRIER_BATCH; l = l->next) {
		batch[count++] = l;
		if (l == c->durable)
			break;
	}
	return count;
}

/* The first `count` are in git. What is freed is freed by the caller. */
static kg_load *leave(kg_carrier *c, size_t count)
{
	kg_load *gone = c->first;
	kg_load *end = NULL;

	for (size_t i = 0; i < count; i++) {
		end = c->first;
		unlist(c, end);
		c->carried = end->serial;
		c->first = end->next;
	}
	if (end == NULL)
		return NULL;
	if (end == c->durable)
		c->durable = NULL;
	if (end == c->last)
		c->last = NULL;
	end->next = NULL;
	return gone;
}

static void tell(kg_carrier *c)
{
	static const uint64_t one = 1;

	(void)pthread_cond_broadcast(&c->done);
	/* A counter that is full has woken whom it is to wake. */
	if (c->wake >= 0 && write(c->wake, &one, sizeof(one)) != (ssize_t)sizeof(one) &&
	    errno != EAGAIN)
		c->wake = -1;
}

/* One batch and what else is due. The mutex is held at entry and at return, not between. */
static void work(kg_carrier *c)
{
	kg_load **batch = c->cargo.batch;
	size_t count = take_batch(c, batch);
	kg_mend mend = c->mend;
	bool all = c->durable == NULL || batch[count - 1] == c->durable;
	uint64_t until = all ? c->segment : batch[count - 1]->segment;
	unsigned wanted = all ? c->syncs_wanted : c->syncs;
	bool sync = until > c->safe || wanted != c->syncs;
	kg_load *gone;
	kg_err err;

	c->mend = KG_MEND_NONE;
	c->mending = mend != KG_MEND_NONE;
	c->retry = false;
	unlock(c);
	err = kg_cargo_carry(&c->cargo, count, mend);
	if (err == KG_OK && sync)
		err = kg_store_sync(c->cargo.store);
	lock(c);
	gone = leave(c, c->cargo.carried);
	c->packs += c->cargo.carried > 0 ? 1 : 0;
	c->untidy = c->untidy || c->cargo.carried > 0;
	c->is_indexed = !c->cargo.index_stale;
	c->mending = false;
	c->rebuilt = c->rebuilt || c->cargo.rebuilt;
	if (err == KG_OK && sync) {
		c->safe = until;
		c->syncs = wanted;
	}
	c->failed = err;
	if (err != KG_OK)
		memcpy(c->why, kg_err_text(), strlen(kg_err_text()) + 1);
	c->tries++;
	tell(c);
	unlock(c);
	while (gone != NULL) {
		kg_load *next = gone->next;

		kg_load_free(gone);
		gone = next;
	}
	lock(c);
}

/* Merging goes on while nothing else is to be done. */
static bool keep_tidying(void *payload, uint64_t done, uint64_t total)
{
	kg_carrier *c = payload;
	bool on;

	(void)done;
	(void)total;
	lock(c);
	on = !c->stop && (c->durable == NULL ||
			  (c->packs >= TIDY_PACKS && c->count < KG_CARRIER_COUNT_MAX / 2));
	unlock(c);
	return on;
}

/* Held and held again, as work. That packs stay many when merging fails is no loss. */
static void tidy(kg_carrier *c)
{
	bool more = false;
	kg_err ignored;

	unlock(c);
	ignored = kg_store_tidy(c->cargo.store, &more, keep_tidying, c);
	lock(c);
	c->untidy = ignored == KG_OK && more;
	c->packs = 0;
	c->tidied++;
}

static void *run(void *data)
{
	kg_carrier *c = data;

	lock(c);
	while (!c->stop) {
		if (c->untidy && (c->packs >= TIDY_PACKS || !is_due(c)))
			tidy(c);
		else if (is_due(c))
			work(c);
		else
			(void)pthread_cond_wait(&c->work, &c->mutex);
	}
	unlock(c);
	return NULL;
}

/* ---- beginning and end ---- */

kg_err kg_carrier_new(kg_carrier **out, const char *state_dir, const kg_pubkey *swarm)
{
	kg_carrier *c = calloc(1, sizeof(*c));
	kg_err err;

	if (c == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the carrier");
	KG_ASSERT(pthread_mutex_init(&c->mutex, NULL) == 0);
	KG_ASSERT(pthread_cond_init(&c->work, NULL) == 0);
	KG_ASSERT(pthread_cond_init(&c->done, NULL) == 0);
	c->wake = -1;
	c->buckets = calloc(BUCKETS, sizeof(*c->buckets));
	err = c->buckets != NULL ? kg_cargo_open(&c->cargo, state_dir, swarm)
				 : kg_fail(KG_ENOMEM, "no memory for the carrier");
	if (err != KG_OK) {
		kg_carrier_free(c);
		return err;
	}
	*out = c;
	return KG_OK;
}

void kg_carrier_free(kg_carrier *c)
{
	if (c == NULL)
		return;
	if (c->threaded) {
		lock(c);
		c->stop = true;
		(void)pthread_cond_signal(&c->work);
		unlock(c);
		(void)pthread_join(c->thread, NULL);
	}
	while (c->first != NULL) {
		kg_load *next = c->first->next;

		kg_load_free(c->first);
		c->first = next;
	}
	kg_cargo_close(&c->cargo);
	free(c->buckets);
	(void)pthread_cond_destroy(&c->done);
	(void)pthread_cond_destroy(&c->work);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}

kg_store *kg_carrier_store(kg_carrier *c)
{
	return c->cargo.store;
}

void kg_carrier_begin(kg_carrier *c, uint64_t oldest, uint64_t current)
{
	c->safe = oldest;
	c->segment = current;
}

kg_err kg_carrier_start(kg_carrier *c, int wake)
{
	sigset_t all;
	sigset_t before;
	int rc;

	c->wake = wake;
	/* Signals are for the thread that waits for them. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&c->thread, NULL, run, c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return kg_fail_errno(rc, "no thread for the carrier");
	c->threaded = true;
	return KG_OK;
}

void kg_carrier_retry(kg_carrier *c)
{
	lock(c);
	c->retry = true;
	(void)pthread_cond_signal(&c->work);
	unlock(c);
}

void kg_carrier_mend(kg_carrier *c, kg_mend mend)
{
	lock(c);
	if (mend > c->mend)
		c->mend = mend;
	(void)pthread_cond_signal(&c->work);
	unlock(c);
}

kg_err kg_carrier_wait(kg_carrier *c, bool sync)
{
	uint64_t serial;
	unsigned tries;
	unsigned syncs;
	kg_err err = KG_OK;

	lock(c);
	serial = c->durable_serial;
	tries = c->tries;
	c->syncs_wanted += sync ? 1 : 0;
	syncs = c->syncs_wanted;
	c->retry = true;
	(void)pthread_cond_signal(&c->work);
	while (c->carried < serial || !is_index_whole(c) || (sync && (int)(c->syncs - syncs) < 0)) {
		if (c->failed != KG_OK && c->tries != tries) {
			err = kg_fail(c->failed, "%s", c->why);
			break;
		}
		if (c->threaded)
			(void)pthread_cond_wait(&c->done, &c->mutex);
		else
			work(c);
	}
	if (err == KG_OK && sync && !c->threaded && c->untidy)
		tidy(c);
	unlock(c);
	return err;
}
