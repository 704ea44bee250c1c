/* SPDX-License-Identifier: MIT */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/passphrase.h"

enum { LAST_WORDS_MS = 200 };

struct kg_client {
	kg_runfile run;
	kg_swarm *identity;
	kg_curve *curve;
	kg_bus *bus;
	kg_socket *orchestrator;
	kg_socket *keeper; /* made when first needed */
	int process;       /* pidfd of the orchestrator */
};

static kg_err gone(void)
{
	return kg_fail(KG_EIO, "the orchestrator has ended");
}

static kg_err watch(kg_client *c, const char *state_dir)
{
	struct pollfd item = {.events = POLLIN};

	c->process = (int)syscall(SYS_pidfd_open, c->run.pid, 0);
	if (c->process < 0 && errno != ESRCH)
		return kg_fail_errno(errno, "process %d", (int)c->run.pid);
	item.fd = c->process;
	/* Readable: it has ended, and only its parent has not looked yet. */
	if (c->process < 0 || poll(&item, 1, 0) > 0)
		return kg_fail(KG_ENOTFOUND, "no swarm is running in %s", state_dir);
	return KG_OK;
}

kg_err kg_client_open(kg_client **out, const kg_cli *cli)
{
	kg_client *c = calloc(1, sizeof(*c));
	kg_err err;

	if (c == NULL)
		return kg_fail(KG_ENOMEM, "no memory");
	c->process = -1;
	err = kg_runfile_read(&c->run, cli->state_dir);
	if (err == KG_OK)
		err = watch(c, cli->state_dir);
	if (err == KG_OK)
		err = kg_passphrase_open_swarm(&c->identity, cli);
	if (err == KG_OK && !kg_pubkey_equal(kg_swarm_id(c->identity), &c->run.swarm))
		err = kg_fail(KG_EDENIED, "the swarm that runs here has another identity");
	if (err == KG_OK)
		err = kg_swarm_curve(c->identity, "operator", &c->curve);
	if (err == KG_OK)
		err = kg_bus_new(&c->bus, "operator", c->curve);
	if (err == KG_OK)
		err = kg_socket_dial(&c->orchestrator, c->bus, c->run.orchestrator_endpoint,
				     &c->run.orchestrator);
	if (err != KG_OK) {
		kg_client_free(c);
		return err;
	}
	*out = c;
	return KG_OK;
}

void kg_client_free(kg_client *client)
{
	if (client == NULL)
		return;
	kg_socket_free(client->orchestrator);
	kg_socket_free(client->keeper);
	kg_bus_free(client->bus);
	kg_curve_free(client->curve);
	kg_swarm_free(client->identity);
	if (client->process >= 0)
		(void)close(client->process);
	free(client);
}

const kg_runfile *kg_client_run(const kg_client *client)
{
	return &client->run;
}

const kg_swarm *kg_client_identity(const kg_client *client)
{
	return client->identity;
}

/* The answer to `id` on `socket`, while the orchestrator lives. */
static kg_err await(kg_client *c, kg_socket *socket, uint64_t id, int silence_ms, kg_message *out,
		    kg_client_progress progress, void *data)
{
	int64_t heard = kg_clock_mono_ms();
	bool ended = false; /* its last words may still be on their way: one short wait more */

	for (;;) {
		int64_t left = ended ? LAST_WORDS_MS : heard + silence_ms - kg_clock_mono_ms();
		kg_wait items[] = {{.socket = socket}, {.fd = c->process}};
		kg_message m = {0};
		kg_err err;

		if (left <= 0)
			return kg_fail(KG_ETIMEOUT, "no answer for %d s", silence_ms / 1000);
		err = kg_socket_wait(items, ended ? 1 : 2, (int)left);
		if (err != KG_OK)
			return err;
		while (kg_socket_receive(socket, &m, 0) == KG_OK) {
			heard = kg_clock_mono_ms();
			if (m.id == id && m.kind == KG_MESSAGE_FAILED) {
				err = kg_message_fail(&m);
				kg_message_release(&m);
				return err;
			}
			if (m.id == id && m.kind != KG_MESSAGE_PROGRESS) {
				*out = m;
				return KG_OK;
			}
			if (m.id == id && progress != NULL)
				progress(data, &m);
			kg_message_release(&m);
		}
		if (ended)
			return gone();
		ended = items[1].ready;
	}
}

kg_err kg_client_ask(kg_client *client, kg_message_kind kind, json_t *body, int silence_ms,
		     kg_message *out, kg_client_progress progress, void *data)
{
	uint64_t id = kg_socket_next_id(client->orchestrator);
	kg_err err = kg_socket_send_json(client->orchestrator, NULL, kind, id, body);

	return err == KG_OK
		       ? await(client, client->orchestrator, id, silence_ms, out, progress, data)
		       : err;
}

static kg_err dial_keeper(kg_client *c)
{
	if (c->keeper != NULL)
		return KG_OK;
	return kg_socket_dial(&c->keeper, c->bus, c->run.keeper_endpoint, &c->run.keeper);
}

kg_err kg_client_ask_keeper(kg_client *client, kg_message_kind kind, json_t *body, int silence_ms,
			    kg_message *out)
{
	kg_err err = dial_keeper(client);
	uint64_t id;

	if (err != KG_OK) {
		json_decref(body);
		return err;
	}
	id = kg_socket_next_id(client->keeper);
	err = kg_socket_send_json(client->keeper, NULL, kind, id, body);
	return err == KG_OK ? await(client, client->keeper, id, silence_ms, out, NULL, NULL) : err;
}

kg_err kg_client_submit(kg_client *client, const void *object, size_t size, int silence_ms,
			kg_message *out)
{
	kg_err err = dial_keeper(client);
	uint64_t id;

	if (err != KG_OK)
		return err;
	id = kg_socket_next_id(client->keeper);
	err = kg_socket_send(client->keeper, NULL, KG_MESSAGE_SUBMIT, id, object, size);
	return err == KG_OK ? await(client, client->keeper, id, silence_ms, out, NULL, NULL) : err;
}

kg_err kg_client_wait_end(kg_client *client, int timeout_ms)
{
	int64_t end = kg_clock_mono_ms() + timeout_ms;
	struct pollfd item = {.fd = client->process, .events = POLLIN};

	for (;;) {
		int64_t left = end - kg_clock_mono_ms();
		int n = poll(&item, 1, left > 0 ? (int)left : 0);

		if (n > 0)
			return KG_OK;
		if (n < 0 && errno != EINTR)
			return kg_fail_errno(errno, "poll");
		if (left <= 0)
			return kg_fail(KG_ETIMEOUT, "the swarm did not end within %d s",
				       timeout_ms / 1000);
	}
}
