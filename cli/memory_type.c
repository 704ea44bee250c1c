/* SPDX-License-Identifier: MIT */
#include "cli/memory_type.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

kg_err kg_memory_type_parse(kg_entry_type *type, const char **tag, const char *name)
{
	static const char *const tags[] = {"task", "experience", "relationship", "custom"};
	char lower[32] = "";

	*tag = NULL;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (strcasecmp(name, tags[i]) == 0) {
			*type = KG_ENTRY_OBSERVATION;
			*tag = tags[i];
			return KG_OK;
		}
	for (size_t i = 0; i < sizeof(lower) - 1 && name[i] != '\0'; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	if (strlen(name) < sizeof(lower) && kg_entry_type_parse(type, lower) == KG_OK)
		return KG_OK;
	return kg_entry_type_parse(type, name);
}
