/* SPDX-License-Identifier: MIT */
/*
 * conf – settings from one typed table: default < file < environment < option.
 *
 * The table drives parsing, `config show` (value and where it came from) and the documentation. The
 * file is INI ("kindergarten.conf"): sections, key = value, # comments; an unknown key, a wrong
 * type or a value out of range is an error with its line. A comment stands on its own line. In the
 * environment the key "section.key" is KINDERGARTEN_SECTION_KEY.
 */
#ifndef KG_BASE_CONF_H
#define KG_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum { KG_CONF_TEXT, KG_CONF_INT, KG_CONF_DOUBLE, KG_CONF_BOOL } kg_conf_type;
typedef enum { KG_FROM_DEFAULT, KG_FROM_FILE, KG_FROM_ENVIRONMENT, KG_FROM_OPTION } kg_conf_origin;

typedef struct {
	const char *key; /* "section.key" */
	kg_conf_type type;
	const char *preset; /* default, as text */
	double min, max;    /* of a number; of a text's length in bytes */
	const char *about;
	const char *environment; /* another variable for it, or NULL */
} kg_conf_key;

typedef struct kg_conf kg_conf;

enum { KG_CONF_FILE_MAX = 64 << 10 };

/* All settings of the program; ends with a NULL key. */
extern const kg_conf_key kg_conf_keys[];

/* Every setting at its default. */
KG_NODISCARD kg_err kg_conf_new(kg_conf **out);
void kg_conf_free(kg_conf *conf);

/* `name` appears in messages. On failure nothing is changed. KG_EINVAL with "<name>:<line>: ";
 * KG_EFULL beyond KG_CONF_FILE_MAX. */
KG_NODISCARD kg_err kg_conf_parse(kg_conf *conf, const char *text, size_t size, const char *name);

/* A missing file is fine unless `required`. */
KG_NODISCARD kg_err kg_conf_load(kg_conf *conf, const char *path, bool required);

/* KG_EINVAL naming the variable. */
KG_NODISCARD kg_err kg_conf_environment(kg_conf *conf);

/* KG_ENOTFOUND for an unknown key, KG_EINVAL for a value that does not fit it. */
KG_NODISCARD kg_err kg_conf_set(kg_conf *conf, const char *key, const char *value,
				kg_conf_origin origin);

/* Values; the key must be in the table with that type (asserted). Text is borrowed. */
const char *kg_conf_text(const kg_conf *conf, const char *key);
int64_t kg_conf_int(const kg_conf *conf, const char *key);
double kg_conf_double(const kg_conf *conf, const char *key);
bool kg_conf_bool(const kg_conf *conf, const char *key);
kg_conf_origin kg_conf_origin_of(const kg_conf *conf, const char *key);

/* The value as text, whatever its type. Borrowed. */
const char *kg_conf_value(const kg_conf *conf, const char *key);
const char *kg_conf_origin_name(kg_conf_origin origin);

#endif
