/* SPDX-License-Identifier: MIT */
/* json_check – 0 when standard input is one JSON document within our limits, else 1 and why. */
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"

int main(void)
{
	kg_buf text;
	json_t *value = NULL;
	size_t got;
	kg_err err;

	kg_buf_init(&text, KG_JSON_SIZE_MAX);
	do {
		char part[4096];

		got = fread(part, 1, sizeof(part), stdin);
		kg_buf_put(&text, part, got);
	} while (got > 0);
	err = kg_buf_ok(&text);
	if (err == KG_OK)
		err = kg_json_parse(&value, kg_buf_text(&text), text.size);
	if (err != KG_OK)
		(void)fprintf(stderr, "json_check: %s\n", kg_err_text());
	json_decref(value);
	kg_buf_release(&text);
	return err == KG_OK ? 0 : 1;
}
