/* SPDX-License-Identifier: MIT */
#include "orchestrator/runfile.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/json.h"

enum { FILE_MAX = 64 << 10 };

static kg_err endpoint(char out[KG_ENDPOINT_SIZE], const char *state_dir, const char *name)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/run/%s.sock", state_dir, name);

	if (err == KG_OK)
		(void)snprintf(out, KG_ENDPOINT_SIZE, "ipc://%s", path);
	return err;
}

kg_err kg_runfile_endpoints(kg_runfile *run, const char *state_dir)
{
	kg_err err = endpoint(run->orchestrator_endpoint, state_dir, "orchestrator");

	if (err == KG_OK)
		err = endpoint(run->keeper_endpoint, state_dir, "keeper");
	if (err == KG_OK)
		err = endpoint(run->feed_in_endpoint, state_dir, "feed-in");
	if (err == KG_OK)
		err = endpoint(run->feed_endpoint, state_dir, "feed");
	return err;
}

static kg_err runfile_path(char path[KG_PATH_SIZE], const char *state_dir)
{
	return kg_path(path, "%s/run/swarm.json", state_dir);
}

kg_err kg_runfile_write(const kg_runfile *run, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	char swarm[KG_PUBKEY_TEXT_SIZE];
	char orchestrator[2 * KG_CURVE_SIZE + 1];
	char keeper[2 * KG_CURVE_SIZE + 1];
	json_t *doc;
	char *text;
	kg_err err = runfile_path(path, state_dir);

	if (err != KG_OK)
		return err;
	kg_pubkey_format(swarm, &run->swarm);
	kg_hex_encode(orchestrator, run->orchestrator.curve, KG_CURVE_SIZE);
	kg_hex_encode(keeper, run->keeper.curve, KG_CURVE_SIZE);
	doc = json_pack("{s:i, s:i, s:I, s:b, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:s, s:s, s:s, s:s, "
			"s:s, s:i}",
			"version", 1, "pid", (int)run->pid, "started_ms",
			(json_int_t)run->started_ms, "ready", (int)run->ready, "swarm", swarm,
			"orchestrator", "endpoint", run->orchestrator_endpoint, "key", orchestrator,
			"keeper", "endpoint", run->keeper_endpoint, "key", keeper, "feed_in",
			run->feed_in_endpoint, "feed", run->feed_endpoint, "model", run->model,
			"strategy", run->strategy, "seed", run->seed, "agents", (int)run->agents);
	text = doc != NULL ? json_dumps(doc, JSON_INDENT(2)) : NULL;
	json_decref(doc);
	if (text == NULL)
		return kg_fail(KG_EINVAL, "%s: a path is not UTF-8", path);
	err = kg_fs_write(path, text, strlen(text), 0600);
	free(text);
	return err;
}

static kg_err get_text(char *out, size_t room, const json_t *doc, const char *key)
{
	const char *text;
	kg_err err = kg_json_get_text(&text, doc, key, room - 1);

	if (err == KG_OK)
		memcpy(out, text, strlen(text) + 1);
	return err;
}

static kg_err get_server(kg_peer *peer, char at[KG_ENDPOINT_SIZE], const json_t *doc,
			 const char *name)
{
	const json_t *server = json_object_get(doc, name);
	const char *key;
	kg_err err = get_text(at, KG_ENDPOINT_SIZE, server, "endpoint");

	if (err == KG_OK)
		err = kg_json_get_text(&key, server, "key", (size_t)2 * KG_CURVE_SIZE);
	if (err == KG_OK)
		err = kg_hex_decode(peer->curve, KG_CURVE_SIZE, key);
	(void)snprintf(peer->name, sizeof(peer->name), "%s", name);
	return err;
}

static kg_err parse(kg_runfile *r, const json_t *doc)
{
	int64_t pid;
	int64_t agents;
	int64_t version;
	char swarm[KG_PUBKEY_TEXT_SIZE];
	kg_err err;

	if ((err = kg_json_get_i64(&version, doc, "version", 1, 1)) != KG_OK ||
	    (err = kg_json_get_i64(&pid, doc, "pid", 1, INT32_MAX)) != KG_OK ||
	    (err = kg_json_get_i64(&r->started_ms, doc, "started_ms", 0, INT64_MAX)) != KG_OK ||
	    (err = kg_json_get_bool(&r->ready, doc, "ready")) != KG_OK ||
	    (err = get_text(swarm, sizeof(swarm), doc, "swarm")) != KG_OK ||
	    (err = kg_pubkey_parse(&r->swarm, swarm)) != KG_OK ||
	    (err = get_server(&r->orchestrator, r->orchestrator_endpoint, doc, "orchestrator")) !=
		    KG_OK ||
	    (err = get_server(&r->keeper, r->keeper_endpoint, doc, "keeper")) != KG_OK ||
	    (err = get_text(r->feed_in_endpoint, KG_ENDPOINT_SIZE, doc, "feed_in")) != KG_OK ||
	    (err = get_text(r->feed_endpoint, KG_ENDPOINT_SIZE, doc, "feed")) != KG_OK ||
	    (err = get_text(r->model, sizeof(r->model), doc, "model")) != KG_OK ||
	    (err = get_text(r->strategy, sizeof(r->strategy), doc, "strategy")) != KG_OK ||
	    (err = get_text(r->seed, sizeof(r->seed), doc, "seed")) != KG_OK ||
	    (err = kg_json_get_i64(&agents, doc, "agents", 1, KG_PEERS_MAX)) != KG_OK)
		return err;
	r->pid = (pid_t)pid;
	r->agents = (unsigned)agents;
	return KG_OK;
}

kg_err kg_runfile_read(kg_runfile *out, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	kg_runfile run = {0};
	json_t *doc = NULL;
	kg_buf buf;
	kg_err err = runfile_path(path, state_dir);

	if (err != KG_OK)
		return err;
	kg_buf_init(&buf, FILE_MAX);
	err = kg_fs_read(&buf, path);
	if (err == KG_OK)
		err = kg_json_parse(&doc, buf.data, buf.size);
	kg_buf_release(&buf);
	if (err == KG_OK)
		err = parse(&run, doc);
	json_decref(doc);
	if (err == KG_ENOTFOUND || (err == KG_OK && kill(run.pid, 0) != 0 && errno == ESRCH))
		return kg_fail(KG_ENOTFOUND, "no swarm is running in %s", state_dir);
	if (err != KG_OK)
		return kg_fail_context(err, "%s", path);
	*out = run;
	return KG_OK;
}

void kg_runfile_clean(const char *state_dir)
{
	static const char *const names[] = {"orchestrator.sock", "keeper.sock", "feed-in.sock",
					    "feed.sock", "swarm.json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[KG_PATH_SIZE];

		if (kg_path(path, "%s/run/%s", state_dir, names[i]) == KG_OK)
			(void)unlink(path);
	}
}
