/* SPDX-License-Identifier: MIT */
/* Any bytes as a JSON document: refused, or read, written and read again to the same value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void get_everything(const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		const char *text = NULL;
		int64_t i = 0;
		double d = 0;
		bool b;
		json_t *array = NULL;

		if (kg_json_get_text(&text, object, key, 16) == KG_OK)
			KG_ASSERT(strlen(text) <= 16 && json_is_string(value));
		if (kg_json_get_i64(&i, object, key, -5, 5) == KG_OK)
			KG_ASSERT(i >= -5 && i <= 5);
		if (kg_json_get_double(&d, object, key, 0, 1) == KG_OK)
			KG_ASSERT(d >= 0 && d <= 1);
		if (kg_json_get_bool(&b, object, key) == KG_OK)
			KG_ASSERT(json_is_boolean(value));
		if (kg_json_get_array(&array, object, key, 4) == KG_OK)
			KG_ASSERT(json_array_size(array) <= 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *value = NULL;
	json_t *again = NULL;
	char *text = NULL;

	if (kg_json_parse(&value, data, size) != KG_OK)
		return 0;
	if (json_is_object(value))
		get_everything(value);
	if (kg_json_dump(&text, value) != KG_OK)
		abort();
	KG_ASSERT(kg_json_parse(&again, text, strlen(text)) == KG_OK);
	KG_ASSERT(json_equal(value, again));
	json_decref(again);
	json_decref(value);
	free(text);
	return 0;
}
