/* SPDX-License-Identifier: MIT */
#include "bus/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <zmq.h>

#include "base/clock.h"
#include "bus/bus_impl.h"

/* What every socket is set to. Options that belong to one type are in set_options. */
static const struct {
	int option, value;
} common[] = {
	/* Unlimited by default: one frame could ask for all memory. */
	/* ZMQ_MAXMSGSIZE is 64 bits wide and set apart. */
	{ZMQ_LINGER, KG_SOCKET_LINGER_MS}, /* for ever by default: no exit while a peer is gone */
	{ZMQ_SNDHWM, 256},
	{ZMQ_RCVHWM, 256},
	{ZMQ_SNDTIMEO, KG_SOCKET_SEND_MS},
	{ZMQ_HANDSHAKE_IVL, 5000}, /* 30 s by default: half-open peers hold descriptors */
	{ZMQ_RECONNECT_IVL, 100},
	{ZMQ_RECONNECT_IVL_MAX, 2000}, /* without it there is no back-off */
	{ZMQ_BACKLOG, 4096}, /* 100 by default: a thousand agents that start at once time out */
};

static kg_err zmq_failed(const char *what)
{
	return kg_fail(zmq_errno() == EADDRINUSE ? KG_ECONFLICT : KG_EIO, "%s: %s", what,
		       zmq_strerror(zmq_errno()));
}

static int set_int(void *raw, int option, int value)
{
	return zmq_setsockopt(raw, option, &value, sizeof(value));
}

static int set_options(void *raw, int type)
{
	int64_t size_max = KG_MESSAGE_HEADER_SIZE + KG_MESSAGE_BODY_MAX;
	int rc = zmq_setsockopt(raw, ZMQ_MAXMSGSIZE, &size_max, sizeof(size_max));

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		rc |= set_int(raw, common[i].option, common[i].value);
	switch (type) {
	case ZMQ_ROUTER:
		/* A message to a peer that left is an error, not silence; and it never waits for
		 * one slow peer. Routing ids are given by the router and never by the peer, who is
		 * known by its key. Hand-over (a peer taking the id of another) is therefore not
		 * needed, and off: an id that a peer chose itself cannot push anybody out. */
		rc |= set_int(raw, ZMQ_ROUTER_MANDATORY, 1);
		rc |= set_int(raw, ZMQ_ROUTER_HANDOVER, 0);
		rc |= set_int(raw, ZMQ_SNDTIMEO, 0);
		/* Room for the answers to all that one sender may have on the way (256 entries),
		 * and again as much: libzmq hears only now and then what the peer has read. An
		 * answer that finds no room is lost. */
		rc |= set_int(raw, ZMQ_SNDHWM, 640);
		break;
	case ZMQ_DEALER:
		/* Queue only for finished connections: a send without a peer times out. */
		rc |= set_int(raw, ZMQ_IMMEDIATE, 1);
		/* Off by default: a peer that vanished without a word would stay connected. Clients
		 * ask, and tell the server how long it may wait for the next question. Who asks
		 * must not have a limit to what it has not read yet: at the limit, libzmq 4.3 ends
		 * the process when the peer is gone and the time for the next question comes. */
		rc |= set_int(raw, ZMQ_HEARTBEAT_IVL, 2000);
		rc |= set_int(raw, ZMQ_HEARTBEAT_TTL, 6000);
		rc |= set_int(raw, ZMQ_HEARTBEAT_TIMEOUT, 6000);
		rc |= set_int(raw, ZMQ_RCVHWM, 0);
		break;
	case ZMQ_PUB:
	case ZMQ_XPUB:
		rc |= set_int(raw, ZMQ_SNDTIMEO, 0);
		rc |= set_int(raw, ZMQ_SNDHWM, 4096);
		break;
	default:
		break;
	}
	return rc;
}

static int set_curve(void *raw, const kg_bus *bus, const kg_peer *peer, const char *domain)
{
	int rc = zmq_setsockopt(raw, ZMQ_CURVE_SECRETKEY, kg_curve_secret(bus->curve),
				KG_CURVE_SIZE);

	rc |= zmq_setsockopt(raw, ZMQ_CURVE_PUBLICKEY, kg_curve_public(bus->curve), KG_CURVE_SIZE);
	if (peer != NULL)
		return rc | zmq_setsockopt(raw, ZMQ_CURVE_SERVERKEY, peer->curve, KG_CURVE_SIZE);
	rc |= set_int(raw, ZMQ_CURVE_SERVER, 1);
	return rc | zmq_setsockopt(raw, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
}

kg_err kg_socket__new(kg_socket **out, kg_bus *bus, int type, const kg_peer *peer,
		      const char *domain)
{
	kg_socket *s;
	kg_err err;

	if (peer == NULL && bus->zap == NULL)
		return kg_fail(KG_EINVAL, "a server needs kg_bus_guard first");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a socket");
	s->bus = bus;
	s->type = type;
	s->raw = zmq_socket(bus->context, type);
	if (s->raw == NULL) {
		err = zmq_failed("socket");
		free(s);
		return err;
	}
	if (set_options(s->raw, type) != 0 ||
	    set_curve(s->raw, bus, peer, domain != NULL ? domain : KG_ZAP_DOMAIN) != 0) {
		err = zmq_failed("socket option");
		kg_socket_free(s);
		return err;
	}
	if (peer != NULL)
		(void)snprintf(s->peer, sizeof(s->peer), "%s", peer->name);
	*out = s;
	return KG_OK;
}

/* The address for libzmq. The kernel takes 107 bytes of path; a longer one is reached through its
 * open directory. */
static kg_err address(kg_bus *bus, const char *endpoint, char out[KG_ENDPOINT_SIZE])
{
	const char *path = endpoint + 6;
	const char *slash;
	char dir[KG_PATH_SIZE];
	int fd;
	int n;

	if (strlen(endpoint) >= KG_ENDPOINT_SIZE)
		return kg_fail(KG_EINVAL, "endpoint is too long");
	if (strncmp(endpoint, "ipc://", 6) != 0 ||
	    strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		memcpy(out, endpoint, strlen(endpoint) + 1);
		return KG_OK;
	}
	slash = strrchr(path, '/');
	if (slash == NULL || slash == path || (size_t)(slash - path) >= sizeof(dir))
		return kg_fail(KG_EINVAL, "endpoint %s: not an absolute path", endpoint);
	if (bus->dir_count == KG_BUS_DIRS_MAX)
		return kg_fail(KG_EFULL, "too many sockets with long paths");
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return kg_fail_errno(errno, "%s", dir);
	bus->dirs[bus->dir_count++] = fd;
	n = snprintf(out, KG_ENDPOINT_SIZE, "ipc:///proc/self/fd/%d%s", fd, slash);
	if (n < 0 || (size_t)n >= sizeof(((struct sockaddr_un *)NULL)->sun_path) + 6)
		return kg_fail(KG_EINVAL, "endpoint %s: its last part is too long", endpoint);
	return KG_OK;
}

kg_err kg_socket__bind(kg_socket *socket, const char *endpoint)
{
	char text[KG_ENDPOINT_SIZE];
	kg_err err = address(socket->bus, endpoint, text);

	if (err == KG_OK && zmq_bind(socket->raw, text) != 0)
		err = zmq_failed(endpoint);
	return err;
}

kg_err kg_socket__connect(kg_socket *socket, const char *endpoint)
{
	char text[KG_ENDPOINT_SIZE];
	kg_err err = address(socket->bus, endpoint, text);

	if (err == KG_OK && zmq_connect(socket->raw, text) != 0)
		err = zmq_failed(endpoint);
	return err;
}

kg_err kg_socket_serve(kg_socket **out, kg_bus *bus, const char *endpoint)
{
	kg_socket *s = NULL;
	kg_err err = kg_socket__new(&s, bus, ZMQ_ROUTER, NULL, NULL);

	if (err != KG_OK)
		return err;
	err = kg_socket__bind(s, endpoint);
	if (err != KG_OK) {
		kg_socket_free(s);
		return err;
	}
	*out = s;
	return KG_OK;
}

kg_err kg_socket_dial(kg_socket **out, kg_bus *bus, const char *endpoint, const kg_peer *peer)
{
	kg_socket *s = NULL;
	kg_err err = kg_socket__new(&s, bus, ZMQ_DEALER, peer, NULL);

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

void kg_socket_free(kg_socket *socket)
{
	if (socket == NULL)
		return;
	(void)zmq_close(socket->raw);
	free(socket);
}

void kg_socket_set_patience(kg_socket *socket, int send_ms)
{
	(void)set_int(socket->raw, ZMQ_SNDTIMEO, send_ms);
}

static kg_err send_failed(const kg_socket *s)
{
	if (zmq_errno() == EHOSTUNREACH)
		return kg_fail(KG_ENOTFOUND, "the peer is gone");
	if (zmq_errno() == EAGAIN)
		return kg_fail(KG_ETIMEOUT, "%s does not take messages",
			       s->peer[0] != '\0' ? s->peer : "the peer");
	return zmq_failed("send");
}

/* The kinds are checked here so that the other side never sees what it must refuse. */
static kg_err check_send(const kg_socket *s, const kg_route *route, kg_message_kind kind,
			 size_t size)
{
	const kg_message_rule *rule = kg_message_rule_of(kind);
	bool routed = s->type == ZMQ_ROUTER;

	if (rule == NULL || (rule->from & s->bus->role) == 0)
		return kg_fail(KG_EINVAL, "%s may not say %s", s->bus->name, kg_message_name(kind));
	if (s->peer[0] != '\0' && s->type == ZMQ_DEALER && (rule->to & kg_role_of(s->peer)) == 0)
		return kg_fail(KG_EINVAL, "%s is not for %s", rule->name, s->peer);
	if (size > rule->size_max)
		return kg_fail(KG_EINVAL, "%s of %zu bytes, at most %u", rule->name, size,
			       (unsigned)rule->size_max);
	if (routed != (route != NULL && route->size > 0))
		return kg_fail(KG_EINVAL, "%s: a server needs a route, a client has none",
			       rule->name);
	return KG_OK;
}

/* One frame: a client whose server dies between two frames of a message would be ended by libzmq
 * itself, see docs/messages.md. */
kg_err kg_socket__send(kg_socket *s, const kg_route *route, const kg_message_header *h,
		       const void *body)
{
	zmq_msg_t frame;
	int n = 0;

	if (zmq_msg_init_size(&frame, KG_MESSAGE_HEADER_SIZE + (size_t)h->size) != 0)
		return kg_fail(KG_ENOMEM, "no memory for a message");
	kg_message_encode(zmq_msg_data(&frame), h);
	if (h->size > 0)
		memcpy((uint8_t *)zmq_msg_data(&frame) + KG_MESSAGE_HEADER_SIZE, body, h->size);
	if (route != NULL)
		do {
			n = zmq_send(s->raw, route->bytes, route->size, ZMQ_SNDMORE);
		} while (n < 0 && zmq_errno() == EINTR);
	if (n >= 0)
		do {
			n = zmq_msg_send(&frame, s->raw, 0);
		} while (n < 0 && zmq_errno() == EINTR);
	if (n < 0) {
		kg_err err = send_failed(s);

		(void)zmq_msg_close(&frame);
		return err;
	}
	return KG_OK;
}

kg_err kg_socket_send(kg_socket *socket, const kg_route *route, kg_message_kind kind, uint64_t id,
		      const void *body, size_t size)
{
	kg_message_header h = {KG_MESSAGE_VERSION, (uint8_t)kind, (uint32_t)size, id, 0};
	kg_err err = check_send(socket, route, kind, size);

	return err == KG_OK ? kg_socket__send(socket, route, &h, body) : err;
}

static kg_err send_json(kg_socket *s, const kg_route *route, kg_message_kind kind, uint64_t id,
			uint64_t trace, json_t *body)
{
	kg_message_header h = {KG_MESSAGE_VERSION, (uint8_t)kind, 0, id, trace};
	char *text = NULL;
	kg_err err;

	if (body == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the body of %s", kg_message_name(kind));
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (text == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the body of %s", kg_message_name(kind));
	err = check_send(s, route, kind, strlen(text));
	if (err == KG_OK) {
		h.size = (uint32_t)strlen(text);
		err = kg_socket__send(s, route, &h, text);
	}
	free(text);
	return err;
}

kg_err kg_socket_send_json(kg_socket *socket, const kg_route *route, kg_message_kind kind,
			   uint64_t id, json_t *body)
{
	return send_json(socket, route, kind, id, 0, body);
}

kg_err kg_socket_reply(kg_socket *socket, const kg_message *message, kg_message_kind kind,
		       json_t *body)
{
	bool routed = socket->type == ZMQ_ROUTER;

	return send_json(socket, routed ? &message->route : NULL, kind, message->id, message->trace,
			 body);
}

kg_err kg_socket_reply_raw(kg_socket *socket, const kg_message *message, kg_message_kind kind,
			   const void *body, size_t size)
{
	kg_message_header h = {KG_MESSAGE_VERSION, (uint8_t)kind, (uint32_t)size, message->id,
			       message->trace};
	const kg_route *route = socket->type == ZMQ_ROUTER ? &message->route : NULL;
	kg_err err = check_send(socket, route, kind, size);

	return err == KG_OK ? kg_socket__send(socket, route, &h, body) : err;
}

kg_err kg_socket_reply_failed(kg_socket *socket, const kg_message *message, kg_err code)
{
	return kg_socket_reply(socket, message, KG_MESSAGE_FAILED, kg_message_failure(code));
}

static void drop(kg_socket *s, const char *from, const char *why)
{
	s->drops.count++;
	(void)snprintf(s->drops.from, sizeof(s->drops.from), "%s", from);
	(void)snprintf(s->drops.why, sizeof(s->drops.why), "%s", why);
}

/* The frames of one message of libzmq: [route,] message; what is beyond is only counted. */
enum { FRAMES = 2 };
typedef struct {
	zmq_msg_t frame[FRAMES];
	size_t count;
} frames;

static bool receive_frames(kg_socket *s, frames *f)
{
	bool more = true;

	f->count = 0;
	for (size_t i = 0; i < FRAMES; i++)
		(void)zmq_msg_init(&f->frame[i]);
	while (more) {
		zmq_msg_t extra;
		zmq_msg_t *m = f->count < FRAMES ? &f->frame[f->count] : &extra;
		int n;

		if (m == &extra)
			(void)zmq_msg_init(m);
		do {
			n = zmq_msg_recv(m, s->raw, ZMQ_DONTWAIT);
		} while (n < 0 && zmq_errno() == EINTR);
		more = n >= 0 && zmq_msg_more(m) != 0;
		if (m == &extra)
			(void)zmq_msg_close(m);
		if (n < 0)
			break;
		f->count++;
	}
	return f->count > 0;
}

/* A peer of another version is told so once per message, in the form of this version. Clients do
 * not answer: two processes that disagree must not talk about it for ever. */
static void tell_version(kg_socket *s, const kg_route *route, zmq_msg_t *frame)
{
	kg_message_header h = {0};

	if (s->type != ZMQ_ROUTER || zmq_msg_size(frame) < KG_MESSAGE_HEADER_SIZE ||
	    kg_message_decode(&h, zmq_msg_data(frame), KG_MESSAGE_HEADER_SIZE) != KG_ECONFLICT)
		return;
	if (send_json(s, route, KG_MESSAGE_FAILED, h.id, 0, kg_message_failure(KG_ECONFLICT)) !=
	    KG_OK)
		return; /* the peer has gone meanwhile: nobody to tell */
}

static kg_err parse_frame(kg_socket *s, const char *from, zmq_msg_t *frame, kg_message *out)
{
	const uint8_t *data = zmq_msg_data(frame);
	size_t size = zmq_msg_size(frame);
	size_t header = size < KG_MESSAGE_HEADER_SIZE ? size : KG_MESSAGE_HEADER_SIZE;

	return kg_message_parse(out, from, s->bus->role, data, header, data + header,
				size - header);
}

static kg_err parse_frames(kg_socket *s, frames *f, kg_message *out)
{
	size_t first = s->type == ZMQ_ROUTER ? 1 : 0;
	const char *from = "?";
	kg_route route = {0};
	kg_err err;

	if (f->count > first) {
		const char *user = zmq_msg_gets(&f->frame[first], "User-Id");

		if (s->peer[0] != '\0')
			from = s->peer;
		else if (user != NULL && user[0] != '\0')
			from = user;
	}
	if (first == 1 && zmq_msg_size(&f->frame[0]) <= KG_ROUTE_MAX) {
		route.size = (uint8_t)zmq_msg_size(&f->frame[0]);
		memcpy(route.bytes, zmq_msg_data(&f->frame[0]), route.size);
	}
	if (f->count != first + 1)
		err = kg_fail(KG_ECORRUPT, "%zu frames, not 1",
			      f->count > first ? f->count - first : 0);
	else if (from[0] == '?')
		err = kg_fail(KG_EDENIED, "the peer has no name");
	else if (first == 1 && route.size == 0)
		err = kg_fail(KG_ECORRUPT, "the peer chose a routing id that is too long");
	else
		err = parse_frame(s, from, &f->frame[first], out);
	if (err == KG_OK) {
		out->route = route;
		return KG_OK;
	}
	drop(s, from, kg_err_text());
	if (err == KG_ECONFLICT)
		tell_version(s, &route, &f->frame[first]);
	return err;
}

kg_err kg_socket_receive(kg_socket *socket, kg_message *out, int timeout_ms)
{
	int64_t end = timeout_ms > 0 ? kg_clock_mono_ms() + timeout_ms : 0;

	for (;;) {
		zmq_pollitem_t item = {socket->raw, 0, ZMQ_POLLIN, 0};
		int64_t left = timeout_ms;
		frames f;

		if (receive_frames(socket, &f)) {
			kg_err err = parse_frames(socket, &f, out);

			for (size_t i = 0; i < FRAMES; i++)
				(void)zmq_msg_close(&f.frame[i]);
			if (err == KG_OK || err == KG_ENOMEM)
				return err;
			continue;
		}
		if (zmq_errno() != EAGAIN)
			return zmq_failed("receive");
		if (timeout_ms > 0)
			left = end - kg_clock_mono_ms();
		if (left == 0 || (timeout_ms > 0 && left < 0))
			return kg_fail(KG_ETIMEOUT, "%s%sno message within %d ms", socket->peer,
				       socket->peer[0] != '\0' ? ": " : "", timeout_ms);
		if (zmq_poll(&item, 1, (long)left) < 0 && zmq_errno() != EINTR)
			return zmq_failed("poll");
	}
}

/* Waits for the answer to `id`. */
static kg_err await(kg_socket *s, uint64_t id, int timeout_ms, kg_message *out,
		    kg_socket_other other, void *data)
{
	int64_t end = kg_clock_mono_ms() + timeout_ms;

	for (;;) {
		int64_t left = timeout_ms < 0 ? -1 : end - kg_clock_mono_ms();
		kg_message m = {0};
		kg_err err;

		if (timeout_ms >= 0 && left < 0)
			left = 0;
		err = kg_socket_receive(s, &m, (int)left);
		if (err != KG_OK)
			return err;
		if (m.id == id && m.kind != KG_MESSAGE_PROGRESS) {
			*out = m;
			return KG_OK;
		}
		if (other != NULL)
			other(data, &m);
		kg_message_release(&m);
	}
}

kg_err kg_socket_ask(kg_socket *socket, kg_message_kind kind, json_t *body, int timeout_ms,
		     kg_message *out, kg_socket_other other, void *data)
{
	uint64_t id = kg_socket_next_id(socket);
	kg_err err = kg_socket_send_json(socket, NULL, kind, id, body);

	return err == KG_OK ? await(socket, id, timeout_ms, out, other, data) : err;
}

/* Sender, bytes, deadline, and what to do with everything else: none can be left out. */
/* NOLINTNEXTLINE(readability-function-size) */
kg_err kg_socket_ask_raw(kg_socket *socket, kg_message_kind kind, const void *body, size_t size,
			 int timeout_ms, kg_message *out, kg_socket_other other, void *data)
{
	uint64_t id = kg_socket_next_id(socket);
	kg_err err = kg_socket_send(socket, NULL, kind, id, body, size);

	return err == KG_OK ? await(socket, id, timeout_ms, out, other, data) : err;
}

uint64_t kg_socket_next_id(kg_socket *socket)
{
	return ++socket->last_id;
}

const kg_socket_drop *kg_socket_drops(const kg_socket *socket)
{
	return &socket->drops;
}

kg_err kg_socket_wait(kg_wait *items, size_t count, int timeout_ms)
{
	zmq_pollitem_t polled[KG_WAIT_MAX];

	KG_ASSERT(count <= KG_WAIT_MAX);
	for (size_t i = 0; i < count; i++) {
		kg_wait *w = &items[i];

		polled[i] = (zmq_pollitem_t){w->socket != NULL ? w->socket->raw : NULL,
					     w->socket != NULL ? 0 : w->fd,
					     ZMQ_POLLIN | ZMQ_POLLERR, 0};
		w->ready = false;
	}
	if (zmq_poll(polled, (int)count, timeout_ms) < 0) {
		if (zmq_errno() == EINTR)
			return KG_OK;
		return zmq_failed("poll");
	}
	for (size_t i = 0; i < count; i++)
		items[i].ready = polled[i].revents != 0;
	return KG_OK;
}
