/* SPDX-License-Identifier: MIT */
#include "orchestrator/crew.h"

#include <string.h>

#include "base/hex.h"
#include "base/json.h"

static const char *const names[KG_CREW_STATES] = {"starting", "ready",  "busy",
						  "stopping", "parked", "dead"};

const char *const kg_crew_parts[4] = {"quantization_awareness", "complex_understanding",
				      "compression_readiness", "pedagogical_capacity"};

enum { NONE = KG_CREW_STATES };

/* Rows: the state; columns: start, answer, work, rest, stop, exit, park, release. */
static const uint8_t moves[KG_CREW_STATES][KG_CREW_EVENTS] = {
	[KG_CREW_STARTING] = {NONE, KG_CREW_READY, NONE, NONE, KG_CREW_STOPPING, KG_CREW_DEAD, NONE,
			      NONE},
	[KG_CREW_READY] = {NONE, KG_CREW_READY, KG_CREW_BUSY, KG_CREW_READY, KG_CREW_STOPPING,
			   KG_CREW_DEAD, NONE, NONE},
	[KG_CREW_BUSY] = {NONE, NONE, NONE, KG_CREW_READY, KG_CREW_STOPPING, KG_CREW_DEAD, NONE,
			  NONE},
	[KG_CREW_STOPPING] = {NONE, NONE, NONE, NONE, KG_CREW_STOPPING, KG_CREW_DEAD, NONE, NONE},
	[KG_CREW_PARKED] = {NONE, NONE, NONE, NONE, NONE, NONE, NONE, KG_CREW_DEAD},
	[KG_CREW_DEAD] = {KG_CREW_STARTING, NONE, NONE, NONE, NONE, NONE, KG_CREW_PARKED, NONE},
};

kg_err kg_crew_move(kg_crew_state *state, kg_crew_event event)
{
	KG_ASSERT(*state < KG_CREW_STATES && event < KG_CREW_EVENTS);
	if (moves[*state][event] == NONE)
		return kg_fail(KG_ECONFLICT, "event %d cannot happen to an agent that is %s",
			       (int)event, names[*state]);
	*state = (kg_crew_state)moves[*state][event];
	return KG_OK;
}

const char *kg_crew_state_name(kg_crew_state state)
{
	KG_ASSERT(state < KG_CREW_STATES);
	return names[state];
}

bool kg_crew_is_alive(kg_crew_state state)
{
	return state != KG_CREW_DEAD && state != KG_CREW_PARKED;
}

static kg_err get_hex(char out[KG_HASH_TEXT_SIZE], const json_t *body, const char *key)
{
	const char *text;
	kg_err err = kg_json_get_text(&text, body, key, KG_HASH_TEXT_SIZE - 1);

	if (err != KG_OK)
		return err;
	if (strlen(text) != KG_HASH_TEXT_SIZE - 1 || !kg_hex_is(text, KG_HASH_TEXT_SIZE - 1))
		return kg_fail(KG_ECORRUPT, "%s is not 64 hex digits", key);
	memcpy(out, text, KG_HASH_TEXT_SIZE);
	return KG_OK;
}

static kg_err get_text(char *out, size_t room, const json_t *body, const char *key)
{
	const char *text;
	kg_err err = kg_json_get_text(&text, body, key, room - 1);

	if (err == KG_OK)
		memcpy(out, text, strlen(text) + 1);
	return err;
}

/* Coefficient, level and stage: in `ready` and in `beat`. */
static kg_err get_coefficient(kg_crew_agent *a, const json_t *body)
{
	const json_t *parts = json_object_get(body, "coefficient");
	kg_err err = KG_OK;

	if (!json_is_object(parts))
		return kg_fail(KG_ECORRUPT, "coefficient is missing");
	for (int i = 0; i < 4 && err == KG_OK; i++)
		err = kg_json_get_double(&a->parts[i], parts, kg_crew_parts[i], 0, 1);
	if (err == KG_OK)
		err = kg_json_get_double(&a->level, body, "level", 0, 1);
	if (err == KG_OK)
		err = get_text(a->stage, sizeof(a->stage), body, "stage");
	return err;
}

kg_err kg_crew_tell_ready(kg_crew_agent *agent, const json_t *body)
{
	kg_crew_agent a = *agent;
	char key[KG_HASH_TEXT_SIZE];
	char expected[KG_PUBKEY_TEXT_SIZE];
	kg_err err = get_hex(key, body, "key");

	if (err != KG_OK)
		return err;
	kg_pubkey_format(expected, &agent->key);
	if (strcmp(key, expected) != 0)
		return kg_fail(KG_EDENIED, "%s signs with a key that is not its own", agent->name);
	if ((err = get_hex(a.genome, body, "genome")) != KG_OK ||
	    (err = get_hex(a.base_digest, body, "base_digest")) != KG_OK ||
	    (err = get_hex(a.weights_digest, body, "weights_digest")) != KG_OK ||
	    (err = get_hex(a.seed, body, "seed")) != KG_OK ||
	    (err = get_hex(a.birth, body, "birth")) != KG_OK ||
	    (err = get_text(a.strategy, sizeof(a.strategy), body, "strategy")) != KG_OK ||
	    (err = get_coefficient(&a, body)) != KG_OK)
		return err;
	*agent = a;
	return KG_OK;
}

kg_err kg_crew_tell_beat(kg_crew_agent *agent, const json_t *body)
{
	kg_crew_agent a = *agent;
	kg_err err = get_coefficient(&a, body);

	if (err == KG_OK)
		*agent = a;
	return err;
}

json_t *kg_crew_json(const kg_crew_agent *a)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	json_t *doc;

	kg_pubkey_format(key, &a->key);
	doc = json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:{s:f, s:f, s:f, s:f}, s:s, "
		"s:I, s:I, s:I, s:i}",
		"name", a->name, "key", key, "pid", a->pid, "state", kg_crew_state_name(a->state),
		"genome", a->genome, "base_digest", a->base_digest, "weights_digest",
		a->weights_digest, "strategy", a->strategy, "seed", a->seed, "level", a->level,
		"coefficient", kg_crew_parts[0], a->parts[0], kg_crew_parts[1], a->parts[1],
		kg_crew_parts[2], a->parts[2], kg_crew_parts[3], a->parts[3], "stage", a->stage,
		"rss_bytes", (json_int_t)a->rss_bytes, "pss_bytes", (json_int_t)a->pss_bytes,
		"answers", (json_int_t)a->answers, "restarts", (int)a->restarts);
	if (doc != NULL && a->why[0] != '\0')
		(void)json_object_set_new(doc, "why", json_string(a->why));
	return doc;
}
