/* SPDX-License-Identifier: MIT */
#include "bus/zap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"

enum { FRAMES = 7, FRAME_MAX = 256, SELF_TEST_MS = 5000 };

struct kg_zap {
	pthread_t thread;
	void *context;
	void *handler; /* REP; the thread's */
	void *inner;   /* PAIR, the thread's end of the line that says stop */
	void *outer;   /* PAIR, our end */
	pthread_mutex_t lock;
	kg_peer *peers; /* guarded by lock */
	size_t count;
	uint64_t refused;
};

/* One question: the frames of a request, cut to what they may hold. */
typedef struct {
	size_t count; /* frames that came, also beyond FRAMES */
	size_t size[FRAMES];
	uint8_t data[FRAMES][FRAME_MAX];
} question;

static bool frame_is(const question *q, size_t i, const char *text)
{
	return q->size[i] == strlen(text) && memcmp(q->data[i], text, q->size[i]) == 0;
}

static bool question_receive(question *q, void *socket)
{
	int more = 1;

	q->count = 0;
	while (more != 0) {
		uint8_t extra[FRAME_MAX];
		bool kept = q->count < FRAMES;
		size_t more_size = sizeof(more);
		int n = zmq_recv(socket, kept ? q->data[q->count] : extra, FRAME_MAX, ZMQ_DONTWAIT);

		if (n < 0)
			return false;
		if (kept) /* a longer frame was cut; its size then matches nothing */
			q->size[q->count] = (size_t)n;
		q->count++;
		if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size) != 0)
			return false;
	}
	return true;
}

/* Whether the domain, of which `size` bytes came, is open to `name`. */
static bool domain_admits(const uint8_t *domain, size_t size, const char *name)
{
	size_t base = strlen(KG_ZAP_DOMAIN);

	if (size < base || memcmp(domain, KG_ZAP_DOMAIN, base) != 0)
		return false;
	if (size == base)
		return true;
	return domain[base] == '/' && size - base - 1 == strlen(name) &&
	       memcmp(domain + base + 1, name, strlen(name)) == 0;
}

/* Frames: version, request id, domain, address, identity, mechanism, credentials. */
static bool judge(kg_zap *zap, const question *q, char name[KG_NAME_SIZE])
{
	bool admitted = false;

	if (q->count != FRAMES || !frame_is(q, 0, "1.0") || !frame_is(q, 5, "CURVE") ||
	    q->size[6] != KG_CURVE_SIZE)
		return false;
	(void)pthread_mutex_lock(&zap->lock);
	for (size_t i = 0; i < zap->count && !admitted; i++) {
		const kg_peer *p = &zap->peers[i];

		if (memcmp(p->curve, q->data[6], KG_CURVE_SIZE) == 0 &&
		    domain_admits(q->data[2], q->size[2], p->name)) {
			memcpy(name, p->name, KG_NAME_SIZE);
			admitted = true;
		}
	}
	(void)pthread_mutex_unlock(&zap->lock);
	return admitted;
}

static void answer(kg_zap *zap, const question *q)
{
	char name[KG_NAME_SIZE] = "";
	bool admitted = judge(zap, q, name);
	const char *parts[] = {admitted ? "200" : "400", admitted ? "OK" : "unknown key", name, ""};
	size_t id_size = q->count > 1 ? q->size[1] : 0;

	if (!admitted) {
		(void)pthread_mutex_lock(&zap->lock);
		zap->refused++;
		(void)pthread_mutex_unlock(&zap->lock);
	}
	if (zmq_send(zap->handler, "1.0", 3, ZMQ_SNDMORE) < 0 ||
	    zmq_send(zap->handler, q->data[1], id_size, ZMQ_SNDMORE) < 0)
		return;
	for (size_t i = 0; i < 4; i++)
		if (zmq_send(zap->handler, parts[i], strlen(parts[i]), i < 3 ? ZMQ_SNDMORE : 0) < 0)
			return;
}

static void *run(void *data)
{
	kg_zap *zap = data;
	question *q = malloc(sizeof(*q));

	for (;;) {
		zmq_pollitem_t items[2] = {{zap->handler, 0, ZMQ_POLLIN, 0},
					   {zap->inner, 0, ZMQ_POLLIN, 0}};

		if (q == NULL || (zmq_poll(items, 2, -1) < 0 && errno != EINTR))
			break;
		if (items[1].revents != 0)
			break;
		if (items[0].revents != 0 && question_receive(q, zap->handler))
			answer(zap, q);
	}
	free(q);
	(void)zmq_close(zap->handler);
	(void)zmq_close(zap->inner);
	return NULL;
}

static kg_err open_sockets(kg_zap *zap)
{
	char line[64];
	int linger = 0;

	(void)snprintf(line, sizeof(line), "inproc://kindergarten.zap.%p", (void *)zap);
	zap->handler = zmq_socket(zap->context, ZMQ_REP);
	zap->inner = zmq_socket(zap->context, ZMQ_PAIR);
	zap->outer = zmq_socket(zap->context, ZMQ_PAIR);
	if (zap->handler == NULL || zap->inner == NULL || zap->outer == NULL)
		return kg_fail(KG_EIO, "authentication handler: %s", zmq_strerror(zmq_errno()));
	(void)zmq_setsockopt(zap->handler, ZMQ_LINGER, &linger, sizeof(linger));
	(void)zmq_setsockopt(zap->inner, ZMQ_LINGER, &linger, sizeof(linger));
	(void)zmq_setsockopt(zap->outer, ZMQ_LINGER, &linger, sizeof(linger));
	if (zmq_bind(zap->handler, "inproc://zeromq.zap.01") != 0)
		return kg_fail(zmq_errno() == EADDRINUSE ? KG_ECONFLICT : KG_EIO,
			       "authentication handler: %s", zmq_strerror(zmq_errno()));
	if (zmq_bind(zap->inner, line) != 0 || zmq_connect(zap->outer, line) != 0)
		return kg_fail(KG_EIO, "authentication handler: %s", zmq_strerror(zmq_errno()));
	return KG_OK;
}

static void close_socket(void *socket)
{
	if (socket != NULL)
		(void)zmq_close(socket);
}

static int start_thread(kg_zap *zap)
{
	sigset_t all;
	sigset_t before;
	int rc;

	/* Signals are for the thread that runs the loop. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&zap->thread, NULL, run, zap);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

kg_err kg_zap_start(kg_zap **out, void *context)
{
	kg_zap *zap = calloc(1, sizeof(*zap));
	kg_err err;
	int rc;

	if (zap == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the authentication handler");
	zap->context = context;
	(void)pthread_mutex_init(&zap->lock, NULL);
	err = open_sockets(zap);
	if (err != KG_OK)
		goto failed;
	rc = start_thread(zap);
	if (rc != 0) {
		err = kg_fail_errno(rc, "authentication thread");
		goto failed;
	}
	*out = zap;
	return KG_OK;
failed:
	close_socket(zap->handler);
	close_socket(zap->inner);
	close_socket(zap->outer);
	(void)pthread_mutex_destroy(&zap->lock);
	free(zap);
	return err;
}

void kg_zap_stop(kg_zap *zap)
{
	if (zap == NULL)
		return;
	while (zmq_send(zap->outer, "", 0, 0) < 0 && zmq_errno() == EINTR)
		;
	(void)pthread_join(zap->thread, NULL);
	close_socket(zap->outer);
	(void)pthread_mutex_destroy(&zap->lock);
	free(zap->peers);
	free(zap);
}

/* Whether no key stands under two names and every name is one. */
static kg_err check_peers(const kg_peer *peers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		kg_err err = kg_name_check(peers[i].name);

		if (err != KG_OK)
			return err;
		for (size_t j = 0; j < i; j++)
			if (memcmp(peers[i].curve, peers[j].curve, KG_CURVE_SIZE) == 0)
				return kg_fail(KG_EINVAL, "%s and %s have the same key",
					       peers[i].name, peers[j].name);
	}
	return KG_OK;
}

kg_err kg_zap_set(kg_zap *zap, const kg_peer *peers, size_t count)
{
	kg_peer *table = NULL;
	kg_err err;

	if (count > KG_PEERS_MAX)
		return kg_fail(KG_EFULL, "%zu peers, at most %d", count, KG_PEERS_MAX);
	err = check_peers(peers, count);
	if (err != KG_OK)
		return err;
	if (count > 0) {
		table = malloc(count * sizeof(*table));
		if (table == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu peers", count);
		memcpy(table, peers, count * sizeof(*table));
	}
	(void)pthread_mutex_lock(&zap->lock);
	free(zap->peers);
	zap->peers = table;
	zap->count = count;
	(void)pthread_mutex_unlock(&zap->lock);
	return KG_OK;
}

kg_err kg_zap_admit(kg_zap *zap, const kg_peer *peer)
{
	kg_peer *table = calloc(zap->count + 1, sizeof(*table));
	size_t count = 0;
	kg_err err;

	if (table == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu peers", zap->count + 1);
	for (size_t i = 0; i < zap->count; i++)
		if (strcmp(zap->peers[i].name, peer->name) != 0)
			table[count++] = zap->peers[i];
	table[count++] = *peer;
	err = kg_zap_set(zap, table, count);
	free(table);
	return err;
}

uint64_t kg_zap_refused(kg_zap *zap)
{
	uint64_t refused;

	(void)pthread_mutex_lock(&zap->lock);
	refused = zap->refused;
	(void)pthread_mutex_unlock(&zap->lock);
	return refused;
}

/* The parts of the proof: a server, a monitor of it, and one client at a time. */
typedef struct {
	void *context;
	void *server, *monitor, *client;
	char endpoint[64];
	char monitor_endpoint[64];
	uint8_t server_public[KG_CURVE_SIZE];
} proof;

static void set_int(void *socket, int option, int value)
{
	(void)zmq_setsockopt(socket, option, &value, sizeof(value));
}

static kg_err proof_open(proof *p)
{
	kg_curve *pair;
	kg_err err;

	/* An abstract address: it needs no directory, and only throw-away keys are used on it. */
	(void)snprintf(p->endpoint, sizeof(p->endpoint), "ipc://@kindergarten-%d-%llx",
		       (int)getpid(), (unsigned long long)kg_clock_mono_ns());
	(void)snprintf(p->monitor_endpoint, sizeof(p->monitor_endpoint), "inproc://monitor.%p",
		       (void *)p);
	err = kg_curve_generate(&pair);
	if (err != KG_OK)
		return err;
	memcpy(p->server_public, kg_curve_public(pair), KG_CURVE_SIZE);
	p->server = zmq_socket(p->context, ZMQ_DEALER);
	p->monitor = zmq_socket(p->context, ZMQ_PAIR);
	if (p->server == NULL || p->monitor == NULL) {
		err = kg_fail(KG_EIO, "self-test: %s", zmq_strerror(zmq_errno()));
	} else {
		set_int(p->server, ZMQ_LINGER, 0);
		set_int(p->monitor, ZMQ_LINGER, 0);
		set_int(p->server, ZMQ_CURVE_SERVER, 1);
		(void)zmq_setsockopt(p->server, ZMQ_CURVE_SECRETKEY, kg_curve_secret(pair),
				     KG_CURVE_SIZE);
		(void)zmq_setsockopt(p->server, ZMQ_ZAP_DOMAIN, KG_ZAP_DOMAIN,
				     strlen(KG_ZAP_DOMAIN));
		if (zmq_socket_monitor(p->server, p->monitor_endpoint,
				       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0 ||
		    zmq_connect(p->monitor, p->monitor_endpoint) != 0 ||
		    zmq_bind(p->server, p->endpoint) != 0)
			err = kg_fail(KG_EIO, "self-test: %s", zmq_strerror(zmq_errno()));
	}
	kg_curve_free(pair);
	return err;
}

static kg_err proof_knock(proof *p, const kg_curve *pair)
{
	close_socket(p->client);
	p->client = zmq_socket(p->context, ZMQ_DEALER);
	if (p->client == NULL)
		return kg_fail(KG_EIO, "self-test: %s", zmq_strerror(zmq_errno()));
	set_int(p->client, ZMQ_LINGER, 0);
	(void)zmq_setsockopt(p->client, ZMQ_CURVE_SERVERKEY, p->server_public, KG_CURVE_SIZE);
	(void)zmq_setsockopt(p->client, ZMQ_CURVE_PUBLICKEY, kg_curve_public(pair), KG_CURVE_SIZE);
	(void)zmq_setsockopt(p->client, ZMQ_CURVE_SECRETKEY, kg_curve_secret(pair), KG_CURVE_SIZE);
	if (zmq_connect(p->client, p->endpoint) != 0 || zmq_send(p->client, "?", 1, 0) < 0)
		return kg_fail(KG_EIO, "self-test: %s", zmq_strerror(zmq_errno()));
	return KG_OK;
}

typedef struct {
	bool heard; /* a message came in; otherwise the handshake was refused */
	char who[KG_NAME_SIZE];
} proof_result;

static void proof_listen(proof *p, proof_result *out)
{
	const char *user;
	zmq_msg_t msg;

	(void)zmq_msg_init(&msg);
	if (zmq_msg_recv(&msg, p->server, ZMQ_DONTWAIT) >= 0) {
		user = zmq_msg_gets(&msg, "User-Id");
		out->heard = true;
		(void)snprintf(out->who, sizeof(out->who), "%s", user != NULL ? user : "");
	}
	(void)zmq_msg_close(&msg);
}

static kg_err proof_outcome(proof *p, proof_result *out)
{
	int64_t end = kg_clock_mono_ms() + SELF_TEST_MS;

	memset(out, 0, sizeof(*out));
	for (;;) {
		zmq_pollitem_t items[2] = {{p->server, 0, ZMQ_POLLIN, 0},
					   {p->monitor, 0, ZMQ_POLLIN, 0}};
		int64_t left = end - kg_clock_mono_ms();
		int n;

		if (left <= 0)
			return kg_fail(KG_ETIMEOUT,
				       "self-test of authentication: nothing happened");
		n = zmq_poll(items, 2, (long)left);
		if (n < 0 && zmq_errno() != EINTR)
			return kg_fail(KG_EIO, "self-test: %s", zmq_strerror(zmq_errno()));
		if (n > 0 && items[0].revents != 0)
			proof_listen(p, out);
		if (n > 0 && (out->heard || items[1].revents != 0))
			return KG_OK;
	}
}

static kg_err proof_run(proof *p, kg_zap *zap, const kg_curve *known, const kg_curve *unknown)
{
	const kg_peer peer = kg_peer_of("self-test", known);
	proof_result result;
	kg_err err;

	err = kg_zap_set(zap, &peer, 1);
	if (err == KG_OK)
		err = proof_knock(p, known);
	if (err == KG_OK)
		err = proof_outcome(p, &result);
	if (err == KG_OK && (!result.heard || strcmp(result.who, peer.name) != 0))
		err = kg_fail(KG_EDENIED, "self-test: a known key was not let in under its name");
	if (err == KG_OK)
		err = proof_knock(p, unknown);
	if (err == KG_OK)
		err = proof_outcome(p, &result);
	if (err == KG_OK && result.heard)
		err = kg_fail(KG_EDENIED, "self-test: an unknown key was let in");
	return err;
}

kg_err kg_zap_self_test(kg_zap *zap, void *context)
{
	proof p = {.context = context};
	kg_curve *known = NULL;
	kg_curve *unknown = NULL;
	kg_err err;

	err = kg_curve_generate(&known);
	if (err == KG_OK)
		err = kg_curve_generate(&unknown);
	if (err == KG_OK)
		err = proof_open(&p);
	if (err == KG_OK)
		err = proof_run(&p, zap, known, unknown);
	close_socket(p.client);
	close_socket(p.monitor);
	close_socket(p.server);
	kg_curve_free(known);
	kg_curve_free(unknown);
	if (err == KG_OK)
		err = kg_zap_set(zap, NULL, 0);
	return err;
}
