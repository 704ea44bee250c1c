/* SPDX-License-Identifier: MIT */
#include "orchestrator/relay.h"

#include <string.h>

kg_err kg_relay_add(kg_relay *relay, uint64_t *id, unsigned agent, const kg_message *client)
{
	for (size_t i = 0; i < KG_RELAY_MAX; i++) {
		if (relay->open[i].id != 0)
			continue;
		relay->open[i].id = KG_RELAY_BIT | ++relay->count;
		relay->open[i].agent = agent;
		relay->open[i].client = *client;
		relay->open[i].client.json = NULL;
		relay->open[i].client.data = NULL;
		*id = relay->open[i].id;
		return KG_OK;
	}
	return kg_fail(KG_EFULL, "%d entries wait for the agents that are to say them",
		       KG_RELAY_MAX);
}

static void take(kg_relay *relay, size_t i, kg_message *client)
{
	*client = relay->open[i].client;
	memset(&relay->open[i], 0, sizeof(relay->open[i]));
}

bool kg_relay_take(kg_relay *relay, kg_message *client, unsigned agent, uint64_t id)
{
	for (size_t i = 0; i < KG_RELAY_MAX && id != 0; i++)
		if (relay->open[i].id == id && relay->open[i].agent == agent) {
			take(relay, i, client);
			return true;
		}
	return false;
}

bool kg_relay_lose(kg_relay *relay, kg_message *client, unsigned agent)
{
	for (size_t i = 0; i < KG_RELAY_MAX; i++)
		if (relay->open[i].id != 0 && relay->open[i].agent == agent) {
			take(relay, i, client);
			return true;
		}
	return false;
}
