/* SPDX-License-Identifier: MIT */
/*
 * message – what one process may say to another: the table of kinds and the form on the wire.
 *
 * A message is one frame: a header of 24 bytes and a body. Integers are little-endian.
 *
 *    0  2  "KG"               8  8  request id, chosen by the asker, echoed in the answer
 *    2  1  version 1         16  8  trace, echoed too; 0 when there is none
 *    3  1  kind
 *    4  4  size of the body
 *
 * The body is one JSON object, or raw bytes where the table says so. Every kind has a direction, by
 * the roles of the processes, and a largest body. docs/messages.md tells what the bodies hold.
 */
#ifndef KG_BUS_MESSAGE_H
#define KG_BUS_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/derive.h"

enum {
	KG_MESSAGE_VERSION = 1,
	KG_MESSAGE_HEADER_SIZE = 24,
	KG_MESSAGE_BODY_MAX = 4 << 20, /* no kind allows more */
	KG_ROUTE_MAX = 16
};

typedef enum {
	KG_MESSAGE_READY = 1, /* agent → orchestrator: born, weights loaded, birth acknowledged */
	KG_MESSAGE_BEAT,    /* agent → orchestrator and back; orchestrator → keeper and back */
	KG_MESSAGE_THINK,   /* orchestrator → agent: answer this prompt */
	KG_MESSAGE_THOUGHT, /* agent → orchestrator: its candidate */
	KG_MESSAGE_SCORE,   /* orchestrator → agent: how likely are these candidates */
	KG_MESSAGE_SCORES,  /* agent → orchestrator */
	KG_MESSAGE_SETTLE,  /* orchestrator → agent: the outcome; share by your rule */
	KG_MESSAGE_PUBLISHED,  /* agent → orchestrator: what it shared, maybe nothing */
	KG_MESSAGE_FAILED,     /* any → asker: code and why */
	KG_MESSAGE_STOP,       /* orchestrator → agent, keeper: finish, flush, exit 0 */
	KG_MESSAGE_ASK,        /* client → orchestrator: a question */
	KG_MESSAGE_ANSWER,     /* orchestrator → client */
	KG_MESSAGE_PROGRESS,   /* orchestrator → client, while a question is open */
	KG_MESSAGE_STATUS,     /* client → orchestrator */
	KG_MESSAGE_STATUS_IS,  /* orchestrator → client: the document of `ps` */
	KG_MESSAGE_DOWN,       /* client → orchestrator: shut down */
	KG_MESSAGE_BYE,        /* orchestrator → client: shutting down has begun */
	KG_MESSAGE_SUBMIT,     /* agent, client, orchestrator → keeper: a signed commit, raw */
	KG_MESSAGE_ACK,        /* keeper → submitter: it is durable */
	KG_MESSAGE_HEAD,       /* any → keeper: where does this chain end */
	KG_MESSAGE_HEAD_IS,    /* keeper → asker */
	KG_MESSAGE_HEADS,      /* client, orchestrator → keeper: where do all chains end */
	KG_MESSAGE_HEADS_ARE,  /* keeper → asker */
	KG_MESSAGE_RECALL,     /* any → keeper: search the collective memory */
	KG_MESSAGE_RECALLED,   /* keeper → asker */
	KG_MESSAGE_ENTRY,      /* keeper → everyone, on the feed: an entry was admitted */
	KG_MESSAGE_SETTLED,    /* client, orchestrator → keeper: tell when all of it is in git */
	KG_MESSAGE_SETTLED_IS, /* keeper → asker: all acknowledged before is in git and index */
	KG_MESSAGE_SAY,        /* client → orchestrator → agent: publish this entry as yours */
	KG_MESSAGE_SAID,       /* agent → orchestrator → client: it is durable */
	KG_MESSAGE_VAULT,      /* client, agent → keeper: sealed content, raw */
	KG_MESSAGE_VAULTED,    /* keeper → sender: it is kept */
	KG_MESSAGE_PARK, /* client → orchestrator: an agent whose key was revoked is to end */
	KG_MESSAGE_KINDS
} kg_message_kind;

/* Roles, as bits of a direction. A process has one, told by its authenticated name. */
typedef enum {
	KG_ROLE_AGENT = 1,        /* any other name */
	KG_ROLE_KEEPER = 2,       /* "keeper" */
	KG_ROLE_ORCHESTRATOR = 4, /* "orchestrator" */
	KG_ROLE_CLIENT = 8,       /* "operator": the command line */
	KG_ROLE_ANY = 15
} kg_role;

kg_role kg_role_of(const char *name);

typedef struct {
	const char *name;
	unsigned from, to; /* kg_role bits */
	uint32_t size_max; /* of the body */
	bool raw;          /* the body is bytes, not a JSON object */
} kg_message_rule;

/* The rule of a kind; NULL for a number that is no kind. */
const kg_message_rule *kg_message_rule_of(unsigned kind);

/* "ready", "beat", …; "unknown" for a number that is no kind. */
const char *kg_message_name(unsigned kind);

typedef struct {
	uint8_t version;
	uint8_t kind;
	uint32_t size; /* of the body */
	uint64_t id;
	uint64_t trace;
} kg_message_header;

void kg_message_encode(uint8_t out[KG_MESSAGE_HEADER_SIZE], const kg_message_header *header);

/* KG_ECORRUPT for another size or magic or kind, KG_ECONFLICT for another version (then `id` and
 * `version` of `out` are set, nothing else), KG_EFULL for a body larger than the kind allows. */
KG_NODISCARD kg_err kg_message_decode(kg_message_header *out, const void *data, size_t size);

/* Where an answer goes: given by the receiving ROUTER, meaningless elsewhere. size 0: no route. */
typedef struct {
	uint8_t size;
	uint8_t bytes[KG_ROUTE_MAX];
} kg_route;

/* A message as received. */
typedef struct {
	kg_message_kind kind;
	uint64_t id;
	uint64_t trace;
	char from[KG_NAME_SIZE]; /* who sent it: by key, never by claim */
	kg_route route;
	json_t *json;  /* the body, an object; NULL for raw kinds */
	uint8_t *data; /* the body of raw kinds; NULL otherwise */
	size_t size;
} kg_message;

/* The whole check of what `from` sent to a process of role `to`: header, direction,
 * size, JSON. KG_EDENIED for a direction the table does not know; else as kg_message_decode. On
 * success `out` is the caller's: kg_message_release. `out->route` is left empty. */
KG_NODISCARD kg_err kg_message_parse(kg_message *out, const char *from, kg_role to,
				     const void *header, size_t header_size, const void *body,
				     size_t body_size);

/* Frees what it holds and empties it. Takes an empty one. */
void kg_message_release(kg_message *message);

/* The body of a `failed` message from this thread's error and `code`; NULL without memory. */
json_t *kg_message_failure(kg_err code);

/* Makes a `failed` message this thread's error and returns its code. */
kg_err kg_message_fail(const kg_message *message);

#endif
