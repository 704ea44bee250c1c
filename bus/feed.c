/* SPDX-License-Identifier: MIT */
#include "bus/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "bus/bus_impl.h"

enum { STEP_MAX = 256 };

struct kg_feed {
	kg_socket *in;
	kg_socket *out;
};

kg_err kg_feed_publish(kg_socket **out, kg_bus *bus, const char *endpoint,
		       const kg_peer *orchestrator)
{
	kg_socket *s;
	kg_err err = kg_socket__new(&s, bus, ZMQ_PUB, orchestrator, NULL);

	if (err != KG_OK)
		return err;
	err = kg_socket__connect(s, endpoint);
	if (err != KG_OK) {
		kg_socket_free(s);
		return err;
	}
	*out = s;
	return KG_OK;
}

kg_err kg_feed_listen(kg_socket **out, kg_bus *bus, const char *endpoint,
		      const kg_peer *orchestrator)
{
	kg_socket *s;
	kg_err err = kg_socket__new(&s, bus, ZMQ_SUB, orchestrator, NULL);

	if (err != KG_OK)
		return err;
	/* The orchestrator passes on what the keeper's key alone could put in. */
	(void)snprintf(s->peer, sizeof(s->peer), "keeper");
	err = kg_socket__connect(s, endpoint);
	if (err == KG_OK && zmq_setsockopt(s->raw, ZMQ_SUBSCRIBE, "KG", 2) != 0)
		err = kg_fail(KG_EIO, "feed: %s", zmq_strerror(zmq_errno()));
	if (err != KG_OK) {
		kg_socket_free(s);
		return err;
	}
	*out = s;
	return KG_OK;
}

kg_err kg_feed_open(kg_feed **out, kg_bus *bus, const char *in, const char *to)
{
	kg_feed *feed = calloc(1, sizeof(*feed));
	kg_err err;

	if (feed == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the feed");
	err = kg_socket__new(&feed->in, bus, ZMQ_XSUB, NULL, KG_ZAP_DOMAIN "/keeper");
	if (err == KG_OK)
		err = kg_socket__new(&feed->out, bus, ZMQ_XPUB, NULL, NULL);
	if (err == KG_OK)
		err = kg_socket__bind(feed->in, in);
	if (err == KG_OK)
		err = kg_socket__bind(feed->out, to);
	/* A subscription to everything, told to whoever connects. */
	if (err == KG_OK && zmq_send(feed->in->raw, "\x01KG", 3, 0) < 0)
		err = kg_fail(KG_EIO, "feed: %s", zmq_strerror(zmq_errno()));
	if (err != KG_OK) {
		kg_feed_free(feed);
		return err;
	}
	*out = feed;
	return KG_OK;
}

void kg_feed_free(kg_feed *feed)
{
	if (feed == NULL)
		return;
	kg_socket_free(feed->in);
	kg_socket_free(feed->out);
	free(feed);
}

kg_socket *kg_feed_in(kg_feed *feed)
{
	return feed->in;
}

kg_socket *kg_feed_out(kg_feed *feed)
{
	return feed->out;
}

static bool forward(kg_feed *feed, const kg_message *m)
{
	kg_message_header h = {KG_MESSAGE_VERSION, (uint8_t)m->kind, 0, m->id, m->trace};
	char *text = json_dumps(m->json, JSON_COMPACT);
	kg_err err;

	if (text == NULL)
		return false;
	h.size = (uint32_t)strlen(text);
	err = kg_socket__send(feed->out, NULL, &h, text);
	free(text);
	return err == KG_OK;
}

unsigned kg_feed_step(kg_feed *feed)
{
	unsigned forwarded = 0;
	uint8_t subscription[64];

	/* Who listens is libzmq's business; the notes about it only have to be taken away. */
	for (int i = 0; i < STEP_MAX; i++)
		if (zmq_recv(feed->out->raw, subscription, sizeof(subscription), ZMQ_DONTWAIT) < 0)
			break;
	for (int i = 0; i < STEP_MAX; i++) {
		kg_message m = {0};

		if (kg_socket_receive(feed->in, &m, 0) != KG_OK)
			break;
		if (m.kind == KG_MESSAGE_ENTRY && forward(feed, &m))
			forwarded++;
		kg_message_release(&m);
	}
	return forwarded;
}
