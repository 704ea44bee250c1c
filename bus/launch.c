/* SPDX-License-Identifier: MIT */
#include "bus/launch.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/json.h"
#include "identity/secret.h"

static const char magic[8] = {'K', 'G', 'L', 'A', 'U', 'N', 'C', 'H'};

static kg_err read_all(int fd, void *data, size_t size)
{
	uint8_t *at = data;

	while (size > 0) {
		ssize_t n = read(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kg_fail_errno(errno, "launch document");
		if (n == 0)
			return kg_fail(KG_ECORRUPT, "launch document ends early");
		at += n;
		size -= (size_t)n;
	}
	return KG_OK;
}

static kg_err get_text(char *out, size_t room, const json_t *object, const char *key)
{
	const char *text;
	kg_err err = kg_json_get_text(&text, object, key, room - 1);

	if (err == KG_OK)
		memcpy(out, text, strlen(text) + 1);
	return err;
}

static kg_err get_bytes(uint8_t *out, size_t size, const json_t *object, const char *key)
{
	const char *text;
	kg_err err = kg_json_get_text(&text, object, key, 2 * size);

	return err == KG_OK ? kg_hex_decode(out, size, text) : err;
}

static kg_err get_member(kg_member *m, const json_t *object)
{
	kg_err err = get_text(m->peer.name, sizeof(m->peer.name), object, "name");

	if (err == KG_OK)
		err = kg_name_check(m->peer.name);
	if (err == KG_OK)
		err = get_bytes(m->peer.curve, KG_CURVE_SIZE, object, "curve");
	if (err == KG_OK)
		err = get_bytes(m->key.bytes, KG_PUBKEY_SIZE, object, "key");
	return err;
}

static kg_err get_members(kg_launch *l, const json_t *root)
{
	json_t *array;
	json_t *value;
	size_t i;
	kg_err err = kg_json_get_array(&array, root, "members", KG_PEERS_MAX);

	if (err != KG_OK)
		return err;
	l->members = calloc(json_array_size(array) + 1, sizeof(*l->members));
	if (l->members == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the members");
	json_array_foreach(array, i, value)
	{
		err = get_member(&l->members[i], value);
		if (err != KG_OK)
			return err;
		l->member_count = i + 1;
	}
	return KG_OK;
}

static kg_err get_conf(kg_launch *l, const json_t *root)
{
	json_t *object = json_object_get(root, "conf");
	const char *key;
	json_t *value;
	kg_err err = kg_conf_new(&l->conf);

	if (err != KG_OK || object == NULL)
		return err;
	if (!json_is_object(object))
		return kg_fail(KG_ECORRUPT, "launch document: conf is not an object");
	json_object_foreach(object, key, value)
	{
		if (!json_is_string(value))
			return kg_fail(KG_ECORRUPT, "launch document: conf %s is not text", key);
		err = kg_conf_set(l->conf, key, json_string_value(value), KG_FROM_OPTION);
		if (err != KG_OK)
			return err;
	}
	return KG_OK;
}

static kg_err parse(kg_launch *l, const json_t *root)
{
	int64_t pid = 0;
	kg_err err;

	memcpy(l->orchestrator.name, "orchestrator", sizeof("orchestrator"));
	memcpy(l->keeper.name, "keeper", sizeof("keeper"));
	if ((err = get_text(l->role, sizeof(l->role), root, "role")) != KG_OK ||
	    (err = get_text(l->name, sizeof(l->name), root, "name")) != KG_OK ||
	    (err = kg_name_check(l->name)) != KG_OK ||
	    (err = kg_json_get_i64(&pid, root, "parent_pid", 1, INT32_MAX)) != KG_OK ||
	    (err = get_text(l->state_dir, sizeof(l->state_dir), root, "state_dir")) != KG_OK ||
	    (err = get_bytes(l->swarm.bytes, KG_PUBKEY_SIZE, root, "swarm")) != KG_OK ||
	    (err = get_bytes(l->operator_key.bytes, KG_PUBKEY_SIZE, root, "operator_key")) !=
		    KG_OK ||
	    (err = get_bytes(l->orchestrator.curve, KG_CURVE_SIZE, root, "orchestrator_key")) !=
		    KG_OK ||
	    (err = get_bytes(l->keeper.curve, KG_CURVE_SIZE, root, "keeper_key")) != KG_OK ||
	    (err = get_text(l->orchestrator_endpoint, sizeof(l->orchestrator_endpoint), root,
			    "orchestrator")) != KG_OK ||
	    (err = get_text(l->keeper_endpoint, sizeof(l->keeper_endpoint), root, "keeper")) !=
		    KG_OK ||
	    (err = get_text(l->feed_in_endpoint, sizeof(l->feed_in_endpoint), root, "feed_in")) !=
		    KG_OK ||
	    (err = get_text(l->feed_endpoint, sizeof(l->feed_endpoint), root, "feed")) != KG_OK ||
	    (err = get_text(l->model, sizeof(l->model), root, "model")) != KG_OK ||
	    (err = get_text(l->strategy, sizeof(l->strategy), root, "strategy")) != KG_OK ||
	    (err = get_text(l->genome_label, sizeof(l->genome_label), root, "genome_label")) !=
		    KG_OK)
		return err;
	l->parent_pid = (int)pid;
	err = get_members(l, root);
	return err == KG_OK ? get_conf(l, root) : err;
}

static kg_err read_secrets(kg_launch *l, int fd, uint32_t *json_size)
{
	uint8_t *secret = NULL;
	void *room = NULL;
	kg_err err = kg_identity_init();

	if (err == KG_OK)
		err = kg_secret_new(&room, KG_LAUNCH_SECRETS_SIZE);
	if (err != KG_OK)
		return err;
	secret = room;
	err = read_all(fd, secret, KG_LAUNCH_SECRETS_SIZE);
	if (err == KG_OK && memcmp(secret, magic, sizeof(magic)) != 0)
		err = kg_fail(KG_ECORRUPT, "not a launch document; roles are started by `up`");
	if (err == KG_OK && !sodium_is_zero(secret + 12, KG_KEY_SEED_SIZE))
		err = kg_key_new(&l->key, secret + 12);
	if (err == KG_OK)
		err = kg_curve_new(&l->curve, secret + 44);
	if (err == KG_OK)
		*json_size = (uint32_t)secret[8] | (uint32_t)secret[9] << 8 |
			     (uint32_t)secret[10] << 16 | (uint32_t)secret[11] << 24;
	kg_secret_free(room);
	return err;
}

kg_err kg_launch_read(kg_launch **out, int fd)
{
	kg_launch *l = calloc(1, sizeof(*l));
	json_t *root = NULL;
	uint32_t size = 0;
	char *text = NULL;
	kg_err err;

	if (l == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the launch document");
	l->life_fd = fd;
	err = read_secrets(l, fd, &size);
	if (err == KG_OK && size > KG_LAUNCH_SIZE_MAX)
		err = kg_fail(KG_EFULL, "launch document of %u bytes", (unsigned)size);
	if (err == KG_OK) {
		text = malloc((size_t)size + 1);
		err = text != NULL ? read_all(fd, text, size)
				   : kg_fail(KG_ENOMEM, "no memory for the launch document");
	}
	if (err == KG_OK)
		err = kg_json_parse(&root, text, size);
	if (err == KG_OK)
		err = parse(l, root);
	json_decref(root);
	free(text);
	if (err != KG_OK) {
		kg_launch_free(l);
		return err;
	}
	*out = l;
	return KG_OK;
}

void kg_launch_free(kg_launch *launch)
{
	if (launch == NULL)
		return;
	kg_key_free(launch->key);
	kg_curve_free(launch->curve);
	kg_conf_free(launch->conf);
	free(launch->members);
	free(launch);
}

static json_t *hex(const uint8_t *data, size_t size)
{
	char text[KG_HASH_TEXT_SIZE];

	KG_ASSERT(size <= KG_HASH_SIZE);
	kg_hex_encode(text, data, size);
	return json_string(text);
}

static json_t *members_json(const kg_launch *l)
{
	json_t *array = json_array();

	for (size_t i = 0; i < l->member_count; i++) {
		const kg_member *m = &l->members[i];

		(void)json_array_append_new(array,
					    json_pack("{s:s, s:o, s:o}", "name", m->peer.name,
						      "curve", hex(m->peer.curve, KG_CURVE_SIZE),
						      "key", hex(m->key.bytes, KG_PUBKEY_SIZE)));
	}
	return array;
}

static json_t *conf_json(const kg_conf *conf)
{
	json_t *object = json_object();

	for (const kg_conf_key *k = kg_conf_keys; conf != NULL && k->key != NULL; k++)
		(void)json_object_set_new(object, k->key, json_string(kg_conf_value(conf, k->key)));
	return object;
}

static json_t *launch_json(const kg_launch *l)
{
	return json_pack(
		"{s:s, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, "
		"s:o, s:o}",
		"role", l->role, "name", l->name, "parent_pid", l->parent_pid, "state_dir",
		l->state_dir, "swarm", hex(l->swarm.bytes, KG_PUBKEY_SIZE), "operator_key",
		hex(l->operator_key.bytes, KG_PUBKEY_SIZE), "orchestrator_key",
		hex(l->orchestrator.curve, KG_CURVE_SIZE), "keeper_key",
		hex(l->keeper.curve, KG_CURVE_SIZE), "orchestrator", l->orchestrator_endpoint,
		"keeper", l->keeper_endpoint, "feed_in", l->feed_in_endpoint, "feed",
		l->feed_endpoint, "model", l->model, "strategy", l->strategy, "genome_label",
		l->genome_label, "members", members_json(l), "conf", conf_json(l->conf));
}

static kg_err write_secrets(const kg_launch *l, int fd, size_t json_size)
{
	uint8_t *secret;
	void *room;
	kg_err err = kg_secret_new(&room, KG_LAUNCH_SECRETS_SIZE);

	if (err != KG_OK)
		return err;
	secret = room;
	memcpy(secret, magic, sizeof(magic));
	for (int i = 0; i < 4; i++)
		secret[8 + i] = (uint8_t)(json_size >> (8 * i));
	if (l->key != NULL)
		memcpy(secret + 12, kg_key_seed(l->key), KG_KEY_SEED_SIZE);
	memcpy(secret + 44, kg_curve_secret(l->curve), KG_CURVE_SIZE);
	err = kg_fs_write_all(fd, secret, KG_LAUNCH_SECRETS_SIZE);
	kg_secret_free(room);
	return err;
}

kg_err kg_launch_write(const kg_launch *launch, int fd)
{
	json_t *root = launch_json(launch);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	size_t size;
	kg_err err;

	json_decref(root);
	if (text == NULL)
		return kg_fail(KG_EINVAL, "launch document: a path or name is not UTF-8");
	size = strlen(text);
	if (size > KG_LAUNCH_SIZE_MAX)
		err = kg_fail(KG_EFULL, "launch document of %zu bytes", size);
	else
		err = write_secrets(launch, fd, size);
	if (err == KG_OK)
		err = kg_fs_write_all(fd, text, size);
	free(text);
	return err;
}
