/* SPDX-License-Identifier: MIT */
/* A segment of any bytes: every object seen lies inside it, and every byte is counted once. */
#include <stdint.h>
#include <stdlib.h>

#include "memory/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
	const uint8_t *from;
	const uint8_t *end;
	uint64_t bytes;
} seen;

static kg_err look(void *payload, kg_journal_kind kind, const uint8_t *object, size_t size)
{
	seen *s = payload;

	if (kind >= KG_JOURNAL_KINDS || object < s->from || size == 0 ||
	    size > (size_t)(s->end - object))
		abort();
	s->from = object + size;
	s->bytes += size + KG_JOURNAL_RECORD_SIZE;
	return KG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	seen s = {data, data + size, 0};
	uint64_t torn = 0;

	if (kg_journal_parse(&torn, data, size, look, &s) != KG_OK)
		return 0;
	if (torn + s.bytes + KG_JOURNAL_HEADER_SIZE != size)
		abort();
	return 0;
}
