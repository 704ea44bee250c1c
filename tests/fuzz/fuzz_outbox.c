/* SPDX-License-Identifier: MIT */
/* The file of an outbox: what reading accepts is what writing makes of it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/outfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kg_err gather(void *payload, const uint8_t *object, size_t size)
{
	kg_outfile_put(payload, object, size);
	return KG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_buf records;
	size_t end = 0;

	kg_buf_init(&records, size + 1);
	if (kg_outfile_parse(&end, data, size, gather, &records) == KG_OK && end > 0) {
		KG_ASSERT(end <= size && end == records.size + KG_OUTFILE_HEADER_SIZE);
		KG_ASSERT(records.size == 0 ||
			  memcmp(data + KG_OUTFILE_HEADER_SIZE, records.data, records.size) == 0);
	}
	kg_buf_release(&records);
	return 0;
}
