/* SPDX-License-Identifier: MIT */
/* A witness file of any bytes: what is read from it is written back the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static kg_entry_head claims[KG_CLAIMS_MAX];
	const char *text = (const char *)data;
	size_t count = 0;

	if (kg_claims_parse(claims, &count, text, size) != KG_OK)
		return 0;
	for (size_t i = 0; i < count; i++) {
		char line[256];
		char key[KG_PUBKEY_TEXT_SIZE];
		char commit[KG_COMMIT_TEXT_SIZE];
		size_t length;

		kg_pubkey_format(key, &claims[i].agent);
		kg_commit_format(commit, &claims[i].commit);
		length = (size_t)snprintf(line, sizeof(line), "%s %llu %s\n", key,
					  (unsigned long long)claims[i].sequence, commit);
		if (length > size || memcmp(line, text, length) != 0)
			abort();
		text += length;
		size -= length;
	}
	if (size != 0)
		abort();
	return 0;
}
