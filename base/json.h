/* SPDX-License-Identifier: MIT */
/*
 * json – jansson with limits, errors in our terms, and typed getters.
 *
 * Parsing refuses duplicate keys, trailing text, more than KG_JSON_SIZE_MAX bytes and more than
 * KG_JSON_DEPTH_MAX levels. Getters set `*out` only when the member is there and of the type.
 */
#ifndef KG_BASE_JSON_H
#define KG_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { KG_JSON_SIZE_MAX = 4 << 20, KG_JSON_DEPTH_MAX = 32 };

/* One document; `*out` is the caller's (json_decref). KG_ECORRUPT with line and cause; KG_EFULL
 * beyond KG_JSON_SIZE_MAX. */
KG_NODISCARD kg_err kg_json_parse(json_t **out, const void *data, size_t size);

/* The same with a limit of the caller's own: for files that are larger by nature. */
KG_NODISCARD kg_err kg_json_parse_up_to(json_t **out, const void *data, size_t size,
					size_t size_max);

/* Compact text with keys in the order of insertion; free() it. */
KG_NODISCARD kg_err kg_json_dump(char **out, const json_t *value);

/* Prints the document and a newline on stdout; indented by 2 when `pretty`. Numbers have 15 digits,
 * so that 0.1 reads 0.1; kg_json_dump gives all 17. */
void kg_json_print(const json_t *value, bool pretty);

/* Required members: KG_ECORRUPT naming `key` when missing, of another type or out of range.
 * Text is borrowed from `object` and at most size_max bytes. */
KG_NODISCARD kg_err kg_json_get_text(const char **out, const json_t *object, const char *key,
				     size_t size_max);
KG_NODISCARD kg_err kg_json_get_i64(int64_t *out, const json_t *object, const char *key,
				    int64_t min, int64_t max);
KG_NODISCARD kg_err kg_json_get_double(double *out, const json_t *object, const char *key,
				       double min, double max);
KG_NODISCARD kg_err kg_json_get_bool(bool *out, const json_t *object, const char *key);

/* Arrays of at most count_max members; borrowed. */
KG_NODISCARD kg_err kg_json_get_array(json_t **out, const json_t *object, const char *key,
				      size_t count_max);

#endif
