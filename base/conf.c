/* SPDX-License-Identifier: MIT */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"

typedef struct {
	char *text;
	double number; /* numbers and booleans, parsed once */
	kg_conf_origin origin;
} value;

struct kg_conf {
	size_t count;
	value values[];
};

static size_t key_count(void)
{
	size_t n = 0;

	while (kg_conf_keys[n].key != NULL)
		n++;
	return n;
}

static kg_err parse_number(double *out, const kg_conf_key *key, const char *text)
{
	char *end;
	double d;

	if (key->type == KG_CONF_BOOL) {
		bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

		if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
			return kg_fail(KG_EINVAL, "%s = %s: yes or no", key->key, text);
		*out = yes ? 1 : 0;
		return KG_OK;
	}
	errno = 0;
	d = key->type == KG_CONF_INT ? (double)strtoll(text, &end, 10) : strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || isspace((unsigned char)text[0]))
		return kg_fail(KG_EINVAL, "%s = %s: not a %snumber", key->key, text,
			       key->type == KG_CONF_INT ? "whole " : "");
	if (!(d >= key->min && d <= key->max))
		return kg_fail(KG_EINVAL, "%s = %s: outside %g..%g", key->key, text, key->min,
			       key->max);
	*out = d;
	return KG_OK;
}

static kg_err set_at(kg_conf *conf, size_t i, const char *text, kg_conf_origin origin)
{
	const kg_conf_key *key = &kg_conf_keys[i];
	double number = 0;
	char *copy;

	if (key->type == KG_CONF_TEXT) {
		if (strlen(text) < (size_t)key->min || strlen(text) > (size_t)key->max)
			return kg_fail(KG_EINVAL, "%s: takes %g to %g bytes", key->key, key->min,
				       key->max);
	} else {
		kg_err err = parse_number(&number, key, text);

		if (err != KG_OK)
			return err;
	}
	copy = strdup(text);
	if (copy == NULL)
		return kg_fail(KG_ENOMEM, "settings: no memory");
	free(conf->values[i].text);
	conf->values[i] = (value){.text = copy, .number = number, .origin = origin};
	return KG_OK;
}

static kg_err find(size_t *out, const char *key)
{
	for (size_t i = 0; kg_conf_keys[i].key != NULL; i++) {
		if (strcmp(kg_conf_keys[i].key, key) == 0) {
			*out = i;
			return KG_OK;
		}
	}
	return kg_fail(KG_ENOTFOUND, "there is no setting '%s'", key);
}

kg_err kg_conf_new(kg_conf **out)
{
	size_t count = key_count();
	kg_conf *conf = calloc(1, sizeof(*conf) + count * sizeof(conf->values[0]));

	if (conf == NULL)
		return kg_fail(KG_ENOMEM, "settings: no memory");
	conf->count = count;
	for (size_t i = 0; i < count; i++) {
		kg_err err = set_at(conf, i, kg_conf_keys[i].preset, KG_FROM_DEFAULT);

		if (err != KG_OK) {
			kg_conf_free(conf);
			return err;
		}
	}
	*out = conf;
	return KG_OK;
}

void kg_conf_free(kg_conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf->count; i++)
		free(conf->values[i].text);
	free(conf);
}

typedef struct {
	kg_conf *conf;
	const char *name;
	const char *section;
	int line; /* number of the line in hand, from 1 */
} reading;

/* Removes white space at both ends, in place. */
static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t\r");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
		length--;
	text[length] = '\0';
	return text;
}

static kg_err read_line(reading *r, char *text)
{
	char *line = trim(text);
	char *equals = strchr(line, '=');
	size_t length = strlen(line);
	char key[256];
	size_t i = 0;
	kg_err err;

	if (length == 0 || line[0] == '#' || line[0] == ';')
		return KG_OK;
	if (line[0] == '[' && line[length - 1] == ']') {
		line[length - 1] = '\0';
		r->section = trim(line + 1);
		return KG_OK;
	}
	if (line[0] == '[' || equals == NULL || equals == line)
		return kg_fail(KG_EINVAL, "%s:%d: not 'key = value' or '[section]'", r->name,
			       r->line);
	*equals = '\0';
	(void)snprintf(key, sizeof(key), "%s%s%s", r->section, r->section[0] != '\0' ? "." : "",
		       trim(line));
	err = find(&i, key);
	if (err == KG_OK)
		err = set_at(r->conf, i, trim(equals + 1), KG_FROM_FILE);
	return err == KG_OK ? KG_OK : kg_fail_context(KG_EINVAL, "%s:%d", r->name, r->line);
}

/* A copy to read into, so that a failure in the middle changes nothing. */
static kg_err clone(kg_conf **out, const kg_conf *from)
{
	kg_err err = kg_conf_new(out);

	for (size_t i = 0; err == KG_OK && i < from->count; i++)
		err = set_at(*out, i, from->values[i].text, from->values[i].origin);
	return err;
}

/* Reads a text that may be written into. */
static kg_err read_lines(kg_conf *conf, char *text, const char *name)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	reading r = {.conf = conf, .name = name, .section = "", .line = 1};
	kg_err err = KG_OK;

	if (strncmp(text, byte_order_mark, 3) == 0)
		text += 3;
	for (char *line; err == KG_OK && (line = strsep(&text, "\n")) != NULL; r.line++)
		err = read_line(&r, line);
	return err;
}

kg_err kg_conf_parse(kg_conf *conf, const char *text, size_t size, const char *name)
{
	kg_conf *next = NULL;
	char *copy;
	kg_err err;

	if (size > KG_CONF_FILE_MAX)
		return kg_fail(KG_EFULL, "%s: more than %d bytes", name, KG_CONF_FILE_MAX);
	if (size > 0 && memchr(text, '\0', size) != NULL)
		return kg_fail(KG_EINVAL, "%s: contains a NUL byte", name);
	copy = strndup(size > 0 ? text : "", size);
	if (copy == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory", name);
	err = clone(&next, conf);
	if (err == KG_OK)
		err = read_lines(next, copy, name);
	free(copy);
	for (size_t i = 0; err == KG_OK && i < conf->count; i++) {
		value swap = conf->values[i];

		conf->values[i] = next->values[i];
		next->values[i] = swap;
	}
	kg_conf_free(next);
	return err;
}

kg_err kg_conf_load(kg_conf *conf, const char *path, bool required)
{
	kg_buf text;
	kg_err err;

	kg_buf_init(&text, KG_CONF_FILE_MAX);
	err = kg_fs_read(&text, path);
	if (err == KG_ENOTFOUND && !required)
		err = KG_OK;
	else if (err == KG_OK)
		err = kg_conf_parse(conf, kg_buf_text(&text), text.size, path);
	kg_buf_release(&text);
	return err;
}

enum { VARIABLE_SIZE = 128 };

/* The value of the key in the environment and the variable it is in; NULL when it is in none. */
static const char *environment_of(const kg_conf_key *key, char variable[VARIABLE_SIZE])
{
	size_t used = (size_t)snprintf(variable, VARIABLE_SIZE, "KINDERGARTEN_%s", key->key);
	const char *text;

	KG_ASSERT(used < VARIABLE_SIZE);
	for (char *c = variable; *c != '\0'; c++)
		*c = (char)(*c == '.' ? '_' : toupper((unsigned char)*c));
	text = getenv(variable);
	if (text != NULL || key->environment == NULL)
		return text;
	(void)snprintf(variable, VARIABLE_SIZE, "%s", key->environment);
	return getenv(variable);
}

kg_err kg_conf_environment(kg_conf *conf)
{
	char variable[VARIABLE_SIZE];

	for (size_t i = 0; i < conf->count; i++) {
		const char *text = environment_of(&kg_conf_keys[i], variable);
		kg_err err = text != NULL ? set_at(conf, i, text, KG_FROM_ENVIRONMENT) : KG_OK;

		if (err != KG_OK)
			return kg_fail_context(err, "environment %s", variable);
	}
	return KG_OK;
}

kg_err kg_conf_set(kg_conf *conf, const char *key, const char *text, kg_conf_origin origin)
{
	size_t i = 0;
	kg_err err = find(&i, key);

	return err == KG_OK ? set_at(conf, i, text, origin) : err;
}

static const value *at(const kg_conf *conf, const char *key, kg_conf_type type)
{
	size_t i = 0;

	KG_ASSERT(find(&i, key) == KG_OK);
	KG_ASSERT(kg_conf_keys[i].type == type);
	return &conf->values[i];
}

const char *kg_conf_text(const kg_conf *conf, const char *key)
{
	return at(conf, key, KG_CONF_TEXT)->text;
}

int64_t kg_conf_int(const kg_conf *conf, const char *key)
{
	return (int64_t)at(conf, key, KG_CONF_INT)->number;
}

double kg_conf_double(const kg_conf *conf, const char *key)
{
	return at(conf, key, KG_CONF_DOUBLE)->number;
}

bool kg_conf_bool(const kg_conf *conf, const char *key)
{
	return at(conf, key, KG_CONF_BOOL)->number != 0;
}

kg_conf_origin kg_conf_origin_of(const kg_conf *conf, const char *key)
{
	size_t i = 0;

	KG_ASSERT(find(&i, key) == KG_OK);
	return conf->values[i].origin;
}

const char *kg_conf_value(const kg_conf *conf, const char *key)
{
	size_t i = 0;

	KG_ASSERT(find(&i, key) == KG_OK);
	return conf->values[i].text;
}

const char *kg_conf_origin_name(kg_conf_origin origin)
{
	static const char *const names[] = {"default", "file", "environment", "option"};

	return names[origin];
}
