/* SPDX-License-Identifier: MIT */
#include "cli/syncing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/apart.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/writing.h"
#include "memory/chain.h"
#include "memory/transport.h"

enum { OFFERS_TEXT_MAX = 512 << 20, WHY_MAX = 200, ATTEMPTS = 3, PUSHES = 12, WAIT_MS = 50 };

typedef struct {
	kg_syncing *out;
	const kg_cli *cli;
	const kg_syncing_options *options;
	kg_incoming_limits limits;
	kg_apart_limits apart;
	kg_incoming *incoming;
	kg_offers offers;
	int lock;
	bool is_outrun; /* others have pushed to it since we looked */
} work;

void kg_syncing_release(kg_syncing *exchange)
{
	kg_remote_release(&exchange->remote);
	kg_taking_release(&exchange->taking);
	json_decref(exchange->not_pushed);
	*exchange = (kg_syncing){0};
}

/* ---- which remote ---- */

static kg_err set_url(kg_remote *r, const char *url)
{
	if (strlen(url) > KG_REMOTE_URL_MAX)
		return kg_fail(KG_EFULL, "a url of more than %d bytes", KG_REMOTE_URL_MAX);
	memcpy(r->url, url, strlen(url) + 1);
	return KG_OK;
}

/* A directory: a repository, or the state of a swarm with its memory in it. */
static kg_err find_directory(kg_remote *r, const char *text)
{
	char inner[KG_PATH_SIZE];
	char *path = realpath(text, NULL);
	kg_err err = KG_ENOTFOUND;

	if (path == NULL)
		return kg_fail(KG_ENOTFOUND,
			       "\"%.200s\" is no url, no repository here and no known "
			       "remote",
			       text);
	if (kg_path(inner, "%s/memory.git", path) == KG_OK)
		err = set_url(r, kg_fs_exists(inner) ? inner : path);
	free(path);
	return err;
}

static kg_err find_url(kg_remote *r, const kg_cli *cli, const char *text)
{
	kg_store *store = NULL;
	kg_err err = kg_store_open(&store, cli->state_dir);

	if (err == KG_OK)
		err = kg_transport_configured(r->url, sizeof(r->url), store, text);
	kg_store_free(store);
	if (err == KG_OK)
		return KG_OK;
	if (strstr(text, "://") != NULL)
		return set_url(r, text);
	/* user@host:path, as git has it: a colon before any slash. */
	if (strcspn(text, ":") < strcspn(text, "/") && strchr(text, ':') != NULL)
		return set_url(r, text);
	return find_directory(r, text);
}

/* What is known of it, or a new one. */
static kg_err find_remote(work *w, const char *text, const char *name)
{
	kg_remote *r = &w->out->remote;
	const char *state_dir = w->cli->state_dir;
	char url[KG_REMOTE_URL_MAX + 1];
	kg_err err;

	if (name == NULL && kg_incoming_name_check(text) == KG_OK &&
	    kg_remote_read(r, state_dir, text) == KG_OK)
		return KG_OK;
	err = find_url(r, w->cli, text);
	if (err == KG_OK && name == NULL)
		err = kg_remote_name_of(r->name, state_dir, r->url);
	else if (err == KG_OK)
		err = kg_incoming_name_check(name);
	if (err != KG_OK)
		return err;
	if (name != NULL)
		memcpy(r->name, name, strlen(name) + 1);
	memcpy(url, r->url, sizeof(url));
	memcpy(w->out->remote.name, r->name, sizeof(r->name));
	err = kg_remote_read(r, state_dir, r->name);
	w->out->is_new = err == KG_ENOTFOUND;
	if (err == KG_ENOTFOUND)
		return KG_OK;
	if (err == KG_OK && strcmp(r->url, url) != 0)
		err = kg_fail(KG_EEXISTS, "another remote is called %s: choose a --name", r->name);
	return err;
}

static kg_err take_lock(work *w)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/run", w->cli->state_dir);

	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = kg_path(path, "%s/run/sync-%s.lock", w->cli->state_dir, w->out->remote.name);
	if (err == KG_OK)
		err = kg_fs_lock(&w->lock, path);
	if (err == KG_ECONFLICT)
		err = kg_fail(KG_ECONFLICT, "%s is being synced already", w->out->remote.name);
	return err;
}

/* ---- from there ---- */

static kg_transport transport_of(const work *w, kg_apart *apart)
{
	return (kg_transport){
		.url = w->out->remote.url,
		.ca_file = kg_conf_text(w->cli->conf, "sync.ca_file"),
		.limits = w->limits,
		.progress = kg_apart_step,
		.payload = apart,
	};
}

static kg_err offers_path(char path[KG_PATH_SIZE], const work *w)
{
	return kg_path(path, "%s/incoming/%s.git/offers", w->cli->state_dir, w->out->remote.name);
}

/* Apart: the objects into the quarantine, the list of refs beside them. */
static kg_err fetch(kg_apart *apart, void *payload)
{
	work *w = payload;
	kg_transport transport = transport_of(w, apart);
	char path[KG_PATH_SIZE];
	kg_incoming *incoming = NULL;
	kg_store *ours = NULL;
	kg_offers offers = {0};
	kg_buf text;
	kg_err err = kg_incoming_create(&incoming, w->cli->state_dir, w->out->remote.name);

	kg_buf_init(&text, OFFERS_TEXT_MAX);
	if (err == KG_OK) {
		err = kg_store_open(&ours, w->cli->state_dir);
		if (err == KG_OK)
			err = kg_incoming_tell_ours(incoming, ours);
		else if (err == KG_ENOTFOUND)
			err = KG_OK;
	}
	if (err == KG_OK)
		err = kg_transport_fetch(incoming, &offers, &transport);
	if (err == KG_OK) {
		kg_offers_put(&text, &offers);
		err = kg_buf_ok(&text);
	}
	if (err == KG_OK)
		err = offers_path(path, w);
	if (err == KG_OK)
		err = kg_fs_write(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	kg_offers_release(&offers);
	kg_store_free(ours);
	kg_incoming_free(incoming);
	return err;
}

static kg_err receive(work *w)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = kg_apart_run(fetch, w, &w->apart, "fetching", NULL, NULL);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, OFFERS_TEXT_MAX);
	err = offers_path(path, w);
	if (err == KG_OK)
		err = kg_fs_read(&text, path);
	if (err == KG_OK)
		err = kg_offers_parse(&w->offers, text.data, text.size);
	kg_buf_release(&text);
	if (err == KG_OK)
		err = kg_incoming_open(&w->incoming, w->cli->state_dir, w->out->remote.name);
	return err;
}

static void let_go(work *w)
{
	kg_incoming_free(w->incoming);
	w->incoming = NULL;
	kg_offers_release(&w->offers);
}

/* Only a live memory can show a checkpoint before the chain it names, for a moment. */
static bool is_held_back(const kg_taking *taking)
{
	const kg_judge_finding *worst = kg_judgement_worst(&taking->judged);

	return worst != NULL &&
	       (worst->reason == KG_REASON_TRUNCATED || worst->reason == KG_REASON_BAD_CLAIM ||
		worst->reason == KG_REASON_UNKNOWN_KEY);
}

/* What is held back is not taken around before the last attempt: with the checkpoint that names it
 * already here, the next one would not miss it any more. */
static kg_err pull_once(work *w, bool last)
{
	kg_syncing *out = w->out;
	kg_err err = receive(w);

	if (err == KG_OK)
		err = kg_taking_judge(&out->taking, w->cli, w->incoming, &w->offers,
				      out->remote.heads, out->remote.head_count);
	if (err != KG_OK)
		return err;
	out->is_foreign = kg_taking_is_foreign(&out->taking);
	if (w->options->no_pull || (!last && is_held_back(&out->taking)))
		return KG_OK;
	return kg_taking_take(&out->taking, w->cli, w->incoming);
}

static kg_err pull(work *w)
{
	kg_err err = pull_once(w, false);

	for (int i = 2; err == KG_OK && i <= ATTEMPTS && is_held_back(&w->out->taking); i++) {
		kg_taking_release(&w->out->taking);
		let_go(w);
		err = pull_once(w, i == ATTEMPTS);
	}
	return err;
}

/* What it is known to have from now on, and whether it is believed again. */
static kg_err note(work *w)
{
	kg_remote *r = &w->out->remote;
	kg_judgement *j = &w->out->taking.judged;
	const kg_judge_finding *worst = kg_judgement_worst(j);

	r->time_ms = kg_clock_wall_ms();
	if (worst != NULL) {
		r->bad = true;
		(void)snprintf(r->reason, sizeof(r->reason), "%s", kg_reason_name(worst->reason));
		(void)snprintf(r->detail, sizeof(r->detail), "%s", worst->detail);
		if (worst->reason != KG_REASON_STRAY_REF)
			kg_pubkey_format(r->chain, &worst->agent);
		if (worst->has_commit)
			kg_commit_format(r->commit, &worst->commit);
	} else {
		free(r->heads);
		r->heads = j->heads;
		r->head_count = j->head_count;
		j->heads = NULL;
		j->head_count = 0;
	}
	return kg_remote_write(r, w->cli->state_dir);
}

/* ---- to there ---- */

typedef struct {
	work *work;
	kg_store *store; /* ours, while it is chosen */
	kg_store_refs ours;
	kg_transport_ref *refs; /* of them, those to be pushed */
	size_t count;
	bool has_sealed; /* content that they do not have */
} push;

static int by_name(const void *a, const void *b)
{
	return strcmp(((const kg_store_ref *)a)->name, ((const kg_store_ref *)b)->name);
}

static void not_pushed(kg_syncing *out, const char *ref, const char *why)
{
	json_t *cause = json_string(why); /* the other side's words */

	if (cause == NULL)
		cause = json_string("not printable");
	(void)json_array_append_new(out->not_pushed,
				    json_pack("{s:s, s:o}", "ref", ref, "why", cause));
}

typedef enum { NOWHERE, BEHIND, THERE } standing;

/* How the ref of theirs stands to our chain: pushing must take nothing from them. */
static standing stand(const push *p, const kg_store_ref *theirs, const kg_store_ref *ours)
{
	kg_store *store = kg_incoming_store(p->work->incoming); /* knows theirs as well */

	if (memcmp(theirs->commit.bytes, ours->commit.bytes, KG_COMMIT_SIZE) == 0 ||
	    kg_transport_is_ahead(store, &theirs->commit, &ours->commit))
		return THERE;
	return kg_transport_is_ahead(store, &ours->commit, &theirs->commit) ? BEHIND : NOWHERE;
}

/* Their first ref that is not before this name. */
static size_t find(const kg_offers *offers, const char *name)
{
	size_t low = 0;
	size_t high = offers->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(offers->refs[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const kg_store_ref *theirs_of(const kg_offers *offers, const char *name)
{
	size_t at = find(offers, name);

	return at < offers->count && strcmp(offers->refs[at].name, name) == 0 ? &offers->refs[at]
									      : NULL;
}

static void put(push *p, const kg_store_ref *ref, uint64_t epoch)
{
	p->refs[p->count++] = (kg_transport_ref){.ref = ref, .epoch = epoch};
}

/* Their refs of this chain, by name: `*at` is the first under the name of an epoch. */
static bool is_epoch_of(const kg_offers *offers, size_t at, const kg_pubkey *agent)
{
	return at < offers->count && offers->refs[at].kind == KG_STORE_CHAIN &&
	       offers->refs[at].epoch > 0 && kg_pubkey_equal(&offers->refs[at].agent, agent);
}

/* A chain goes where it goes on: to its own ref, or to that of one of its epochs. An epoch that
 * goes on from nothing there gets a ref of its own, so that nobody has to force anything. */
static void choose_chain(push *p, const kg_store_ref *ref)
{
	const kg_offers *offers = &p->work->offers;
	const kg_store_ref *own = theirs_of(offers, ref->name);
	standing stands = own != NULL ? stand(p, own, ref) : NOWHERE;
	char name[KG_STORE_NAME_SIZE];
	uint64_t epoch = 0;
	size_t first;

	kg_store_epoch_format(name, &ref->agent, 0);
	name[strlen(name) - 1] = '\0';
	first = find(offers, name);
	for (size_t i = first; stands == NOWHERE && is_epoch_of(offers, i, &ref->agent); i++) {
		stands = stand(p, &offers->refs[i], ref);
		epoch = offers->refs[i].epoch;
	}
	if (stands == THERE)
		return;
	if (stands == BEHIND) {
		put(p, ref, epoch);
		return;
	}
	if (own == NULL && !is_epoch_of(offers, first, &ref->agent)) {
		put(p, ref, 0);
		return;
	}
	if (kg_chain_number(&epoch, p->store, &ref->commit) != KG_OK)
		epoch = 0;
	kg_store_epoch_format(name, &ref->agent, epoch);
	if (epoch > 0 && theirs_of(offers, name) == NULL)
		put(p, ref, epoch);
	else
		not_pushed(p->work->out, ref->name,
			   "it has another end of this chain than ours goes on from");
}

static void choose(push *p, const kg_store_ref *ref)
{
	const kg_store_ref *theirs = theirs_of(&p->work->offers, ref->name);

	if (ref->kind == KG_STORE_SEALED && theirs == NULL)
		p->has_sealed = true;
	if (ref->kind == KG_STORE_CHAIN && ref->has_commit)
		choose_chain(p, ref);
	else if (ref->kind == KG_STORE_PROOF && theirs == NULL)
		put(p, ref, 0);
}

static kg_err choose_all(push *p)
{
	kg_offers *offers = &p->work->offers;
	kg_err err = kg_store_open(&p->store, p->work->cli->state_dir);

	if (err == KG_ENOTFOUND)
		return KG_OK;
	if (offers->count > 1)
		qsort(offers->refs, offers->count, sizeof(offers->refs[0]), by_name);
	if (err == KG_OK)
		err = kg_store_refs_read(p->store, &p->ours);
	p->refs = calloc(p->ours.count + 1, sizeof(*p->refs));
	if (err == KG_OK && p->refs == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for refs");
	for (size_t i = 0; err == KG_OK && i < p->ours.count; i++)
		choose(p, &p->ours.refs[i]);
	kg_store_free(p->store);
	p->store = NULL;
	return err;
}

/* Apart: one line per ref that was taken or refused. */
static void on_pushed(void *payload, const char *name, const char *why)
{
	char line[KG_APART_LINE_MAX];

	(void)snprintf(line, sizeof(line), "%s %.*s", name, WHY_MAX, why != NULL ? why : "");
	kg_apart_say(payload, line);
}

static kg_err push_apart(kg_apart *apart, void *payload)
{
	push *p = payload;
	kg_transport transport = transport_of(p->work, apart);
	kg_store *store = NULL;
	kg_err err = kg_store_open(&store, p->work->cli->state_dir);

	if (err == KG_OK && p->count > 0)
		err = kg_transport_push(store, p->refs, p->count, &transport, on_pushed, apart);
	/* What fails here fails for itself: the chains are there. */
	if (err == KG_OK && p->has_sealed && kg_transport_push_sealed(store, &transport) != KG_OK)
		on_pushed(apart, KG_STORE_VAULT "*", kg_err_text());
	kg_store_free(store);
	return err;
}

static void on_line(void *payload, const char *line)
{
	push *p = payload;
	char name[KG_OFFER_NAME_MAX + 1];
	size_t length = strcspn(line, " ");

	if (length >= sizeof(name))
		return;
	memcpy(name, line, length);
	name[length] = '\0';
	if (line[length] == ' ' && line[length + 1] != '\0')
		not_pushed(p->work->out, name, line + length + 1);
	for (size_t i = 0; line[length + 1] == '\0' && i < p->count; i++) {
		char own[KG_STORE_NAME_SIZE];

		kg_transport_name(own, &p->refs[i]);
		if (p->refs[i].done || strcmp(own, name) != 0)
			continue;
		p->refs[i].done = true;
		p->work->out->pushed++;
		break;
	}
}

static int by_agent(const void *a, const void *b)
{
	return memcmp(((const kg_entry_head *)a)->agent.bytes,
		      ((const kg_entry_head *)b)->agent.bytes, KG_PUBKEY_SIZE);
}

/* What it has taken from us it has from now on. */
static kg_err note_pushed(push *p)
{
	kg_remote *r = &p->work->out->remote;
	kg_store *store = NULL;
	kg_entry_head *heads = realloc(r->heads, (r->head_count + p->count + 1) * sizeof(*heads));
	size_t known = r->head_count;
	kg_err err;

	if (heads == NULL)
		return kg_fail(KG_ENOMEM, "no memory for heads");
	r->heads = heads;
	err = kg_store_open(&store, p->work->cli->state_dir);
	for (size_t i = 0; err == KG_OK && i < p->count; i++) {
		const kg_store_ref *ref = p->refs[i].ref;
		kg_entry_head head = {.agent = ref->agent, .commit = ref->commit};
		kg_entry_head *at;
		kg_entry_proof proof;
		kg_entry entry;
		bool verified;

		if (!p->refs[i].done || ref->kind != KG_STORE_CHAIN)
			continue;
		err = kg_chain_read(store, &entry, &proof, &verified, &head.commit);
		if (err != KG_OK)
			break;
		head.sequence = entry.sequence;
		kg_entry_release(&entry);
		at = known > 0 ? bsearch(&head, heads, known, sizeof(head), by_agent) : NULL;
		if (at != NULL)
			*at = head;
		else
			heads[r->head_count++] = head;
	}
	kg_store_free(store);
	if (r->head_count > 1)
		qsort(heads, r->head_count, sizeof(*heads), by_agent);
	return err == KG_OK ? kg_remote_write(r, p->work->cli->state_dir) : err;
}

static kg_err give(work *w)
{
	push p = {.work = w};
	kg_err err;

	w->out->is_memory = kg_transport_is_memory(w->out->remote.url);
	if (w->out->is_memory)
		return KG_OK;
	err = choose_all(&p);
	/* A child must not inherit what libgit2 has begun: it would draw the same random numbers.
	 */
	let_go(w);
	if (err == KG_OK && (p.count > 0 || p.has_sealed))
		err = kg_apart_run(push_apart, &p, &w->apart, "pushing", on_line, &p);
	w->is_outrun = err == KG_ECONFLICT;
	if (err == KG_OK && w->out->pushed > 0)
		err = note_pushed(&p);
	free(p.refs);
	kg_store_refs_release(&p.ours);
	return err;
}

/* ---- all of it ---- */

kg_err kg_syncing_trust(const kg_cli *cli, const kg_pubkey *peer, const char *name)
{
	char fit[KG_NAME_SIZE] = {0};
	kg_writing *writing = NULL;
	kg_swarm *swarm = NULL;
	kg_receipt receipt;
	kg_err closed;
	kg_err err = kg_passphrase_open_swarm(&swarm, cli);

	for (size_t i = 0; name[i] != '\0' && i + 1 < sizeof(fit); i++)
		fit[i] = name[i] == '.' || name[i] == '_' ? '-' : name[i];
	for (size_t i = strlen(fit); i > 0 && fit[i - 1] == '-'; i--)
		fit[i - 1] = '\0';
	if (err == KG_OK && kg_pubkey_equal(peer, kg_swarm_id(swarm)))
		err = kg_fail(KG_EINVAL, "this is the swarm's own key");
	if (err == KG_OK)
		err = kg_writing_open(&writing, cli, swarm);
	if (err == KG_OK)
		err = kg_writing_trust(writing, &receipt, peer, fit);
	closed = kg_writing_close(writing);
	kg_swarm_free(swarm);
	return err == KG_OK ? closed : err;
}

static kg_err trust_first(const work *w)
{
	kg_reading reading;
	bool known = false;
	kg_err err;

	if (w->options->trust == NULL)
		return KG_OK;
	err = kg_reading_open(&reading, w->cli);
	if (err == KG_OK) {
		known = kg_admit_believes(&reading.admit, w->options->trust);
		kg_reading_close(&reading);
	}
	if (err != KG_OK && err != KG_ENOTFOUND)
		return err;
	return known ? KG_OK : kg_syncing_trust(w->cli, w->options->trust, w->out->remote.name);
}

static void forgive(kg_remote *r)
{
	kg_remote_release(r);
	r->bad = false;
	r->reason[0] = '\0';
	r->chain[0] = '\0';
	r->commit[0] = '\0';
	r->detail[0] = '\0';
}

/* From there and to there. KG_ECONFLICT: others have pushed meanwhile. */
static kg_err exchange(work *w)
{
	kg_syncing *out = w->out;
	kg_taking before = out->taking;
	kg_err err;

	out->taking = (kg_taking){0};
	json_array_clear(out->not_pushed);
	let_go(w);
	err = pull(w);
	out->taking.taken += before.taken;
	out->taking.proofs += before.proofs;
	out->taking.sealed += before.sealed;
	kg_taking_release(&before);
	if (err != KG_OK || out->is_foreign)
		return err;
	err = note(w);
	if (err == KG_OK && !out->remote.bad && !w->options->no_push)
		err = give(w);
	return err;
}

/* Who was outrun waits a little, longer from try to try; two that keep the same time part by their
 * process ids. */
static void wait_turn(int pushes)
{
	(void)usleep((useconds_t)(1000 * (WAIT_MS + (getpid() * 37) % (WAIT_MS * pushes))));
}

static kg_err run(work *w)
{
	kg_err err = trust_first(w);

	if (err == KG_OK)
		err = exchange(w);
	for (int i = 1; err == KG_ECONFLICT && w->is_outrun && i < PUSHES; i++) {
		w->is_outrun = false;
		wait_turn(i);
		err = exchange(w);
	}
	return err;
}

kg_err kg_syncing_run(kg_syncing *out, const kg_cli *cli, const char *remote, const char *name,
		      const kg_syncing_options *options)
{
	work w = {.out = out, .cli = cli, .options = options, .lock = -1};
	kg_err err;

	*out = (kg_syncing){.not_pushed = json_array()};
	kg_taking_limits(&w.limits, &w.apart, cli);
	err = find_remote(&w, remote, name);
	if (err == KG_OK)
		err = take_lock(&w);
	if (err == KG_OK && options->forgive)
		forgive(&out->remote);
	out->was_bad = err == KG_OK && out->remote.bad;
	if (err == KG_OK && !out->was_bad) {
		err = run(&w);
		let_go(&w);
		/* What speaks against a remote stays, to be looked at. */
		if (!out->remote.bad &&
		    kg_incoming_remove(cli->state_dir, out->remote.name) != KG_OK && err == KG_OK)
			err = KG_EIO;
	}
	if (w.lock >= 0)
		(void)close(w.lock);
	return err;
}
