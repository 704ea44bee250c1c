/* SPDX-License-Identifier: MIT */
#include "memory/remote.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"

enum { FILE_MAX = 64 << 20, HEADS_MAX = 1 << 18, LAST_TRY = 1000 };

void kg_remote_release(kg_remote *remote)
{
	free(remote->heads);
	remote->heads = NULL;
	remote->head_count = 0;
}

static kg_err path_of(char path[KG_PATH_SIZE], const char *state_dir, const char *name)
{
	kg_err err = kg_incoming_name_check(name);

	return err == KG_OK ? kg_path(path, "%s/remotes/%s.json", state_dir, name) : err;
}

/* ---- reading ---- */

static kg_err copy_text(char *out, size_t size, const json_t *document, const char *key)
{
	const char *text = NULL;
	kg_err err = kg_json_get_text(&text, document, key, size - 1);

	if (err == KG_OK)
		memcpy(out, text, strlen(text) + 1);
	return err;
}

static kg_err parse_head(kg_entry_head *head, const json_t *item)
{
	const char *text = NULL;
	int64_t sequence = 0;
	kg_err err = kg_json_get_text(&text, item, "chain", KG_PUBKEY_TEXT_SIZE - 1);

	if (err == KG_OK)
		err = kg_pubkey_parse(&head->agent, text);
	if (err == KG_OK)
		err = kg_json_get_i64(&sequence, item, "sequence", 1, INT64_MAX);
	if (err == KG_OK)
		err = kg_json_get_text(&text, item, "commit", KG_COMMIT_TEXT_SIZE - 1);
	if (err == KG_OK)
		err = kg_commit_parse(&head->commit, text);
	head->sequence = (uint64_t)sequence;
	return err;
}

static kg_err parse_heads(kg_remote *r, const json_t *document)
{
	json_t *list = NULL;
	kg_err err = kg_json_get_array(&list, document, "heads", HEADS_MAX);

	if (err != KG_OK)
		return err;
	r->heads = calloc(json_array_size(list) + 1, sizeof(r->heads[0]));
	if (r->heads == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a remote");
	for (size_t i = 0; err == KG_OK && i < json_array_size(list); i++) {
		err = parse_head(&r->heads[i], json_array_get(list, i));
		if (err == KG_OK && i > 0 &&
		    memcmp(r->heads[i - 1].agent.bytes, r->heads[i].agent.bytes, KG_PUBKEY_SIZE) >=
			    0)
			err = kg_fail(KG_ECORRUPT, "heads are out of order");
		r->head_count++;
	}
	return err;
}

static kg_err parse(kg_remote *r, const json_t *document)
{
	char state[16];
	char time[KG_TIME_TEXT_SIZE];
	kg_err err = copy_text(r->name, sizeof(r->name), document, "name");

	if (err == KG_OK)
		err = copy_text(r->url, sizeof(r->url), document, "url");
	if (err == KG_OK)
		err = copy_text(state, sizeof(state), document, "state");
	if (err == KG_OK)
		err = copy_text(r->reason, sizeof(r->reason), document, "reason");
	if (err == KG_OK)
		err = copy_text(r->chain, sizeof(r->chain), document, "chain");
	if (err == KG_OK)
		err = copy_text(r->commit, sizeof(r->commit), document, "commit");
	if (err == KG_OK)
		err = copy_text(r->detail, sizeof(r->detail), document, "detail");
	if (err == KG_OK)
		err = copy_text(time, sizeof(time), document, "time");
	if (err == KG_OK)
		err = kg_json_get_i64(&r->time_ms, document, "time_ms", 0, INT64_MAX);
	if (err == KG_OK && strcmp(state, "good") != 0 && strcmp(state, "quarantined") != 0)
		err = kg_fail(KG_ECORRUPT, "its state is neither good nor quarantined");
	r->bad = err == KG_OK && strcmp(state, "quarantined") == 0;
	return err == KG_OK ? parse_heads(r, document) : err;
}

kg_err kg_remote_read(kg_remote *remote, const char *state_dir, const char *name)
{
	char path[KG_PATH_SIZE];
	json_t *document = NULL;
	kg_remote r = {0};
	kg_buf text;
	kg_err err = path_of(path, state_dir, name);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, FILE_MAX);
	err = kg_fs_read(&text, path);
	if (err == KG_OK) {
		err = kg_json_parse_up_to(&document, text.data, text.size, FILE_MAX);
		if (err == KG_OK)
			err = parse(&r, document);
		if (err == KG_OK && strcmp(r.name, name) != 0)
			err = kg_fail(KG_ECORRUPT, "it is another remote's");
		if (err != KG_OK)
			err = kg_fail_context(err, "remotes/%s.json", name);
	}
	json_decref(document);
	kg_buf_release(&text);
	if (err != KG_OK) {
		kg_remote_release(&r);
		return err;
	}
	*remote = r;
	return KG_OK;
}

/* ---- writing ---- */

static json_t *heads_json(const kg_remote *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->head_count; i++) {
		char agent[KG_PUBKEY_TEXT_SIZE];
		char commit[KG_COMMIT_TEXT_SIZE];

		kg_pubkey_format(agent, &r->heads[i].agent);
		kg_commit_format(commit, &r->heads[i].commit);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:I, s:s}", "chain", agent, "sequence",
					(json_int_t)r->heads[i].sequence, "commit", commit));
	}
	return list;
}

kg_err kg_remote_write(const kg_remote *r, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	char time[KG_TIME_TEXT_SIZE];
	json_t *detail = json_string(r->detail);
	json_t *document;
	char *text = NULL;
	kg_err err = kg_path(path, "%s/remotes", state_dir);

	kg_clock_format(time, r->time_ms);
	/* What the other side wrote may be no UTF-8. */
	document = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:o}", "name", r->name,
			     "url", r->url, "state", r->bad ? "quarantined" : "good", "reason",
			     r->reason, "chain", r->chain, "commit", r->commit, "detail",
			     detail != NULL ? detail : json_string("not printable"), "time", time,
			     "time_ms", (json_int_t)r->time_ms, "heads", heads_json(r));
	if (document == NULL)
		return kg_fail(KG_EINVAL, "the url is no text");
	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = path_of(path, state_dir, r->name);
	if (err == KG_OK)
		err = kg_json_dump(&text, document);
	if (err == KG_OK)
		err = kg_fs_write(path, text, strlen(text), 0600);
	free(text);
	json_decref(document);
	return err;
}

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The name in "<name>.json"; NULL for other files. */
static char *name_in(const char *file)
{
	static const char end[] = ".json";
	size_t length = strlen(file);
	char *name;

	if (length < sizeof(end) || strcmp(file + length - (sizeof(end) - 1), end) != 0)
		return NULL;
	name = strndup(file, length - (sizeof(end) - 1));
	if (name != NULL && kg_incoming_name_check(name) != KG_OK) {
		free(name);
		return NULL;
	}
	return name;
}

kg_err kg_remote_names(char ***names, size_t *count, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	char **found = calloc(KG_REMOTES_MAX, sizeof(char *));
	struct dirent *e;
	size_t n = 0;
	DIR *dir;
	kg_err err = kg_path(path, "%s/remotes", state_dir);

	if (err != KG_OK || found == NULL) {
		free(found);
		return err != KG_OK ? err : kg_fail(KG_ENOMEM, "no memory for remotes");
	}
	dir = opendir(path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream */
	while (dir != NULL && n < KG_REMOTES_MAX && (e = readdir(dir)) != NULL) {
		found[n] = name_in(e->d_name);
		n += found[n] != NULL ? 1 : 0;
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (n > 1)
		qsort(found, n, sizeof(char *), compare_names);
	*names = found;
	*count = n;
	return KG_OK;
}

/* "host/path/thing.git" → "thing"; "…/state/memory.git" → "state". */
static void base_name(char out[KG_REMOTE_NAME_SIZE], const char *url)
{
	char copy[KG_REMOTE_URL_MAX + 1] = {0};
	size_t length = 0;
	char *last = copy;

	strncpy(copy, url, sizeof(copy) - 1);
	for (;;) {
		size_t end = strlen(copy);

		while (end > 0 && (copy[end - 1] == '/' || copy[end - 1] == ':'))
			copy[--end] = '\0';
		for (size_t i = 0; i < end; i++)
			if (copy[i] == '/' || copy[i] == ':')
				last = copy + i + 1;
		if (strcmp(last, "memory.git") != 0 || last == copy)
			break;
		*last = '\0';
		last = copy;
	}
	for (const char *c = last; *c != '\0' && length < KG_REMOTE_NAME_SIZE - 6; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');

		if (strcmp(c, ".git") == 0)
			break;
		if (*c >= 'A' && *c <= 'Z')
			out[length++] = (char)(*c - 'A' + 'a');
		else if (letter || (length > 0 && strchr("-_.", *c) != NULL))
			out[length++] = *c;
		else if (length > 0)
			out[length++] = '-';
	}
	out[length] = '\0';
	if (length == 0)
		memcpy(out, "remote", sizeof("remote"));
}

/* Whether the name is free, or this url's already. */
static kg_err is_for(bool *fits, const char *state_dir, const char *name, const char *url)
{
	kg_remote r;
	kg_err err = kg_remote_read(&r, state_dir, name);

	*fits = err == KG_ENOTFOUND;
	if (err == KG_ENOTFOUND || err == KG_ECORRUPT)
		return KG_OK;
	if (err != KG_OK)
		return err;
	*fits = strcmp(r.url, url) == 0;
	kg_remote_release(&r);
	return KG_OK;
}

kg_err kg_remote_name_of(char name[KG_REMOTE_NAME_SIZE], const char *state_dir, const char *url)
{
	char base[KG_REMOTE_NAME_SIZE];
	char **names = NULL;
	size_t count = 0;
	bool fits = false;
	kg_err err = kg_remote_names(&names, &count, state_dir);

	for (size_t i = 0; err == KG_OK && i < count; i++) {
		kg_remote r;

		if (!fits && kg_remote_read(&r, state_dir, names[i]) == KG_OK) {
			fits = strcmp(r.url, url) == 0;
			if (fits)
				memcpy(name, r.name, sizeof(r.name));
			kg_remote_release(&r);
		}
		free(names[i]);
	}
	free(names);
	base_name(base, url);
	for (unsigned i = 1; err == KG_OK && !fits && i < LAST_TRY; i++) {
		if (i == 1)
			memcpy(name, base, sizeof(base));
		else
			(void)snprintf(name, KG_REMOTE_NAME_SIZE, "%.35s-%u", base, i);
		err = is_for(&fits, state_dir, name, url);
	}
	if (err == KG_OK && !fits)
		err = kg_fail(KG_EFULL, "too many remotes are called %s", base);
	return err;
}

void kg_remote_show_url(char out[KG_REMOTE_URL_MAX + 1], const char *url)
{
	const char *host = strstr(url, "://");
	const char *at = host != NULL ? strchr(host + 3, '@') : NULL;
	const char *path = host != NULL ? strchr(host + 3, '/') : NULL;
	const char *colon = host != NULL ? strchr(host + 3, ':') : NULL;

	if (at != NULL && colon != NULL && colon < at && (path == NULL || at < path))
		(void)snprintf(out, KG_REMOTE_URL_MAX + 1, "%.*s%s", (int)(colon - url), url, at);
	else
		(void)snprintf(out, KG_REMOTE_URL_MAX + 1, "%s", url);
}
