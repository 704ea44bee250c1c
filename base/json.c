/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson limits nesting at build time (2,048); ours is far lower, so it is counted beforehand. */
static kg_err check_depth(const char *text, size_t size)
{
	bool in_text = false;
	int depth = 0;

	for (size_t i = 0; i < size; i++) {
		if (in_text) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_text = false;
			continue;
		}
		if (text[i] == '"')
			in_text = true;
		else if (text[i] == '{' || text[i] == '[')
			depth++;
		else if (text[i] == '}' || text[i] == ']')
			depth--;
		if (depth > KG_JSON_DEPTH_MAX)
			return kg_fail(KG_ECORRUPT, "JSON: nested deeper than %d levels",
				       KG_JSON_DEPTH_MAX);
	}
	return KG_OK;
}

kg_err kg_json_parse(json_t **out, const void *data, size_t size)
{
	return kg_json_parse_up_to(out, data, size, KG_JSON_SIZE_MAX);
}

kg_err kg_json_parse_up_to(json_t **out, const void *data, size_t size, size_t size_max)
{
	json_error_t why;
	json_t *value;
	kg_err err;

	if (size > size_max)
		return kg_fail(KG_EFULL, "JSON: more than %zu bytes", size_max);
	err = check_depth(data, size);
	if (err != KG_OK)
		return err;
	/* An empty file is mapped nowhere, which jansson takes for a misuse. */
	value = json_loadb(size == 0 ? "" : data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
			   &why);
	if (value == NULL)
		return kg_fail(KG_ECORRUPT, "JSON: line %d: %s", why.line, why.text);
	*out = value;
	return KG_OK;
}

kg_err kg_json_dump(char **out, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text == NULL)
		return kg_fail(KG_ENOMEM, "JSON: no memory");
	*out = text;
	return KG_OK;
}

void kg_json_print(const json_t *value, bool pretty)
{
	(void)json_dumpf(value, stdout,
			 (pretty ? JSON_INDENT(2) : JSON_COMPACT) | JSON_ENCODE_ANY |
				 JSON_REAL_PRECISION(15));
	(void)putchar('\n');
}

static kg_err missing(const char *key, const char *want)
{
	return kg_fail(KG_ECORRUPT, "JSON: \"%s\" is missing or not %s", key, want);
}

kg_err kg_json_get_text(const char **out, const json_t *object, const char *key, size_t size_max)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_string(v))
		return missing(key, "a text");
	if (json_string_length(v) > size_max)
		return kg_fail(KG_ECORRUPT, "JSON: \"%s\" is longer than %zu bytes", key, size_max);
	if (strlen(json_string_value(v)) != json_string_length(v))
		return kg_fail(KG_ECORRUPT, "JSON: \"%s\" contains a NUL", key);
	*out = json_string_value(v);
	return KG_OK;
}

kg_err kg_json_get_i64(int64_t *out, const json_t *object, const char *key, int64_t min,
		       int64_t max)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_integer(v))
		return missing(key, "a whole number");
	if (json_integer_value(v) < min || json_integer_value(v) > max)
		return kg_fail(KG_ECORRUPT, "JSON: \"%s\" is outside %lld..%lld", key,
			       (long long)min, (long long)max);
	*out = json_integer_value(v);
	return KG_OK;
}

kg_err kg_json_get_double(double *out, const json_t *object, const char *key, double min,
			  double max)
{
	const json_t *v = json_object_get(object, key);
	double d;

	if (!json_is_number(v))
		return missing(key, "a number");
	d = json_number_value(v);
	if (!(d >= min && d <= max))
		return kg_fail(KG_ECORRUPT, "JSON: \"%s\" is outside %g..%g", key, min, max);
	*out = d;
	return KG_OK;
}

kg_err kg_json_get_bool(bool *out, const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_boolean(v))
		return missing(key, "true or false");
	*out = json_is_true(v);
	return KG_OK;
}

kg_err kg_json_get_array(json_t **out, const json_t *object, const char *key, size_t count_max)
{
	json_t *v = json_object_get(object, key);

	if (!json_is_array(v))
		return missing(key, "an array");
	if (json_array_size(v) > count_max)
		return kg_fail(KG_ECORRUPT, "JSON: \"%s\" has more than %zu members", key,
			       count_max);
	*out = v;
	return KG_OK;
}
