/* SPDX-License-Identifier: MIT */
/* Any bytes as a settings file: read or refused, and refused without a trace. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const kg_conf *conf, kg_err err)
{
	for (const kg_conf_key *k = kg_conf_keys; k->key != NULL; k++) {
		const char *text = kg_conf_value(conf, k->key);

		if (err != KG_OK)
			KG_ASSERT(strcmp(text, k->preset) == 0);
		if (k->type == KG_CONF_TEXT)
			KG_ASSERT(strlen(text) >= (size_t)k->min && strlen(text) <= (size_t)k->max);
		if (k->type == KG_CONF_INT)
			KG_ASSERT((double)kg_conf_int(conf, k->key) >= k->min &&
				  (double)kg_conf_int(conf, k->key) <= k->max);
		if (k->type == KG_CONF_DOUBLE)
			KG_ASSERT(kg_conf_double(conf, k->key) >= k->min &&
				  kg_conf_double(conf, k->key) <= k->max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_conf *conf = NULL;

	if (kg_conf_new(&conf) != KG_OK)
		abort();
	check(conf, kg_conf_parse(conf, (const char *)data, size, "fuzz"));
	kg_conf_free(conf);
	return 0;
}
