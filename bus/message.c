/* SPDX-License-Identifier: MIT */
#include "bus/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum {
	AGENT = KG_ROLE_AGENT,
	KEEPER = KG_ROLE_KEEPER,
	ORCHESTRATOR = KG_ROLE_ORCHESTRATOR,
	CLIENT = KG_ROLE_CLIENT,
	KIB = 1024
};

/* The one table. Sizes leave room for base64 and escapes around the largest texts of a round. */
static const kg_message_rule rules[KG_MESSAGE_KINDS] = {
	[KG_MESSAGE_READY] = {"ready", AGENT, ORCHESTRATOR, 16 * KIB, false},
	[KG_MESSAGE_BEAT] = {"beat", AGENT | KEEPER | ORCHESTRATOR, AGENT | KEEPER | ORCHESTRATOR,
			     4 * KIB, false},
	[KG_MESSAGE_THINK] = {"think", ORCHESTRATOR, AGENT, 128 * KIB, false},
	[KG_MESSAGE_THOUGHT] = {"thought", AGENT, ORCHESTRATOR, 512 * KIB, false},
	[KG_MESSAGE_SCORE] = {"score", ORCHESTRATOR, AGENT, 2048 * KIB, false},
	[KG_MESSAGE_SCORES] = {"scores", AGENT, ORCHESTRATOR, 64 * KIB, false},
	[KG_MESSAGE_SETTLE] = {"settle", ORCHESTRATOR, AGENT, 4 * KIB, false},
	[KG_MESSAGE_PUBLISHED] = {"published", AGENT, ORCHESTRATOR, 64 * KIB, false},
	[KG_MESSAGE_FAILED] = {"failed", KG_ROLE_ANY, KG_ROLE_ANY, 4 * KIB, false},
	[KG_MESSAGE_STOP] = {"stop", ORCHESTRATOR, AGENT | KEEPER, 4 * KIB, false},
	[KG_MESSAGE_ASK] = {"ask", CLIENT, ORCHESTRATOR, 128 * KIB, false},
	[KG_MESSAGE_ANSWER] = {"answer", ORCHESTRATOR, CLIENT, 4096 * KIB, false},
	[KG_MESSAGE_PROGRESS] = {"progress", ORCHESTRATOR, CLIENT, 4 * KIB, false},
	[KG_MESSAGE_STATUS] = {"status", CLIENT, ORCHESTRATOR, 4 * KIB, false},
	[KG_MESSAGE_STATUS_IS] = {"status_is", ORCHESTRATOR, CLIENT, 4096 * KIB, false},
	[KG_MESSAGE_DOWN] = {"down", CLIENT, ORCHESTRATOR, 4 * KIB, false},
	[KG_MESSAGE_BYE] = {"bye", ORCHESTRATOR, CLIENT, 4 * KIB, false},
	[KG_MESSAGE_SUBMIT] = {"submit", AGENT | CLIENT | ORCHESTRATOR, KEEPER, 1024 * KIB, true},
	[KG_MESSAGE_ACK] = {"ack", KEEPER, AGENT | CLIENT | ORCHESTRATOR, 4 * KIB, false},
	[KG_MESSAGE_HEAD] = {"head", AGENT | CLIENT | ORCHESTRATOR, KEEPER, 4 * KIB, false},
	[KG_MESSAGE_HEAD_IS] = {"head_is", KEEPER, AGENT | CLIENT | ORCHESTRATOR, 4 * KIB, false},
	[KG_MESSAGE_HEADS] = {"heads", CLIENT | ORCHESTRATOR, KEEPER, 4 * KIB, false},
	[KG_MESSAGE_HEADS_ARE] = {"heads_are", KEEPER, CLIENT | ORCHESTRATOR, 4096 * KIB, false},
	[KG_MESSAGE_RECALL] = {"recall", AGENT | CLIENT | ORCHESTRATOR, KEEPER, 16 * KIB, false},
	[KG_MESSAGE_RECALLED] = {"recalled", KEEPER, AGENT | CLIENT | ORCHESTRATOR, 4096 * KIB,
				 false},
	[KG_MESSAGE_ENTRY] = {"entry", KEEPER, AGENT | CLIENT | ORCHESTRATOR, 16 * KIB, false},
	[KG_MESSAGE_SETTLED] = {"settled", CLIENT | ORCHESTRATOR, KEEPER, 4 * KIB, false},
	[KG_MESSAGE_SETTLED_IS] = {"settled_is", KEEPER, CLIENT | ORCHESTRATOR, 4 * KIB, false},
	[KG_MESSAGE_SAY] = {"say", CLIENT | ORCHESTRATOR, ORCHESTRATOR | AGENT, 1024 * KIB, false},
	[KG_MESSAGE_SAID] = {"said", AGENT | ORCHESTRATOR, ORCHESTRATOR | CLIENT, 4 * KIB, false},
	[KG_MESSAGE_VAULT] = {"vault", AGENT | CLIENT, KEEPER, 1024 * KIB, true},
	[KG_MESSAGE_VAULTED] = {"vaulted", KEEPER, AGENT | CLIENT, 4 * KIB, false},
	[KG_MESSAGE_PARK] = {"park", CLIENT, ORCHESTRATOR, 8 * KIB, false},
};

kg_role kg_role_of(const char *name)
{
	if (strcmp(name, "orchestrator") == 0)
		return KG_ROLE_ORCHESTRATOR;
	if (strcmp(name, "keeper") == 0)
		return KG_ROLE_KEEPER;
	if (strcmp(name, "operator") == 0)
		return KG_ROLE_CLIENT;
	return KG_ROLE_AGENT;
}

const kg_message_rule *kg_message_rule_of(unsigned kind)
{
	if (kind >= KG_MESSAGE_KINDS || rules[kind].name == NULL)
		return NULL;
	return &rules[kind];
}

const char *kg_message_name(unsigned kind)
{
	const kg_message_rule *rule = kg_message_rule_of(kind);

	return rule != NULL ? rule->name : "unknown";
}

static void put_le(uint8_t *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *in, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = bytes; i-- > 0;)
		v = v << 8 | in[i];
	return v;
}

void kg_message_encode(uint8_t out[KG_MESSAGE_HEADER_SIZE], const kg_message_header *header)
{
	out[0] = 'K';
	out[1] = 'G';
	out[2] = header->version;
	out[3] = header->kind;
	put_le(out + 4, header->size, 4);
	put_le(out + 8, header->id, 8);
	put_le(out + 16, header->trace, 8);
}

kg_err kg_message_decode(kg_message_header *out, const void *data, size_t size)
{
	const uint8_t *in = data;
	const kg_message_rule *rule;
	kg_message_header h;

	if (size != KG_MESSAGE_HEADER_SIZE)
		return kg_fail(KG_ECORRUPT, "message header has %zu bytes, not %d", size,
			       KG_MESSAGE_HEADER_SIZE);
	if (in[0] != 'K' || in[1] != 'G')
		return kg_fail(KG_ECORRUPT, "not a message: wrong magic");
	h.version = in[2];
	h.kind = in[3];
	h.size = (uint32_t)get_le(in + 4, 4);
	h.id = get_le(in + 8, 8);
	h.trace = get_le(in + 16, 8);
	if (h.version != KG_MESSAGE_VERSION) {
		out->version = h.version;
		out->id = h.id;
		return kg_fail(KG_ECONFLICT, "message version %u, this process speaks %d",
			       (unsigned)h.version, KG_MESSAGE_VERSION);
	}
	rule = kg_message_rule_of(h.kind);
	if (rule == NULL)
		return kg_fail(KG_ECORRUPT, "unknown kind of message %u", (unsigned)h.kind);
	if (h.size > rule->size_max)
		return kg_fail(KG_EFULL, "%s of %u bytes, at most %u", rule->name, (unsigned)h.size,
			       (unsigned)rule->size_max);
	*out = h;
	return KG_OK;
}

static kg_err take_body(kg_message *m, const kg_message_rule *rule, const void *body, size_t size)
{
	kg_err err;

	if (rule->raw) {
		m->data = malloc(size + 1);
		if (m->data == NULL)
			return kg_fail(KG_ENOMEM, "no memory for a message");
		if (size > 0)
			memcpy(m->data, body, size);
		m->size = size;
		return KG_OK;
	}
	err = kg_json_parse(&m->json, body, size);
	if (err == KG_OK && !json_is_object(m->json)) {
		json_decref(m->json);
		m->json = NULL;
		err = kg_fail(KG_ECORRUPT, "body of %s is not a JSON object", rule->name);
	}
	return err;
}

kg_err kg_message_parse(kg_message *out, const char *from, kg_role to, const void *header,
			size_t header_size, const void *body, size_t body_size)
{
	const kg_message_rule *rule;
	kg_message_header h = {0};
	kg_message m = {0};
	kg_err err;

	err = kg_message_decode(&h, header, header_size);
	if (err != KG_OK)
		return err;
	if (h.size != body_size)
		return kg_fail(KG_ECORRUPT, "%s announces %u bytes and has %zu",
			       kg_message_name(h.kind), (unsigned)h.size, body_size);
	rule = &rules[h.kind];
	if ((rule->from & kg_role_of(from)) == 0 || (rule->to & to) == 0)
		return kg_fail(KG_EDENIED, "%s may not say %s here", from, rule->name);
	if (strlen(from) >= sizeof(m.from))
		return kg_fail(KG_EINVAL, "name of the peer is too long");
	err = take_body(&m, rule, body, body_size);
	if (err != KG_OK)
		return err;
	m.kind = (kg_message_kind)h.kind;
	m.id = h.id;
	m.trace = h.trace;
	memcpy(m.from, from, strlen(from) + 1);
	*out = m;
	return KG_OK;
}

void kg_message_release(kg_message *message)
{
	json_decref(message->json);
	free(message->data);
	memset(message, 0, sizeof(*message));
}

json_t *kg_message_failure(kg_err code)
{
	json_t *why = json_string(kg_err_text());

	/* A path in the message need not be UTF-8. */
	if (why == NULL)
		why = json_string("the reason is not printable");
	return json_pack("{s:s, s:o*}", "code", kg_err_name(code), "why", why);
}

kg_err kg_message_fail(const kg_message *message)
{
	const char *code = "fail";
	const char *why = "no reason given";
	kg_err err;

	if (message->json == NULL || kg_json_get_text(&code, message->json, "code", 32) != KG_OK)
		code = "fail";
	if (message->json == NULL ||
	    kg_json_get_text(&why, message->json, "why", KG_ERR_TEXT_MAX) != KG_OK)
		why = "no reason given";
	err = kg_err_from_name(code);
	return kg_fail(err == KG_OK ? KG_EFAIL : err, "%s", why);
}
