/* SPDX-License-Identifier: MIT */
#include "memory/delta.h"

#include <stdlib.h>
#include <string.h>

enum {
	RUN = 8,          /* shorter runs cost as much as they save */
	INSERT_MAX = 127, /* of one instruction */
	COPY_MAX = 0xffff
};

_Static_assert((int)KG_DELTA_BASE_MAX < (int)COPY_MAX,
	       "places in a base and lengths of copies fit two bytes");

static uint64_t load(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static size_t slot(uint64_t word)
{
	return (size_t)((word * UINT64_C(0x9e3779b185ebca87)) >> 53);
}

_Static_assert(KG_DELTA_TABLE == 1 << (64 - 53), "slot() reaches the whole table");

kg_err kg_delta_base_set(kg_delta_base *base, const void *data, size_t size)
{
	uint8_t *copy;

	KG_ASSERT(size > 0 && size <= KG_DELTA_BASE_MAX);
	copy = realloc(base->data, size);
	if (copy == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a delta");
	memcpy(copy, data, size);
	base->data = copy;
	base->size = size;
	memset(base->at, 0, sizeof(base->at));
	for (size_t i = 0; i + RUN <= size; i++)
		base->at[slot(load(copy + i))] = (uint16_t)(i + 1);
	return KG_OK;
}

void kg_delta_base_release(kg_delta_base *base)
{
	free(base->data);
	base->data = NULL;
	base->size = 0;
}

/* Seven bits a byte, the lowest first, the top bit set on all but the last. */
static void put_size(kg_buf *out, size_t size)
{
	while (size > 0x7f) {
		kg_buf_put_u8(out, (uint8_t)(size | 0x80));
		size >>= 7;
	}
	kg_buf_put_u8(out, (uint8_t)size);
}

static void put_insert(kg_buf *out, const uint8_t *data, size_t size)
{
	while (size > 0) {
		size_t part = size < INSERT_MAX ? size : INSERT_MAX;

		kg_buf_put_u8(out, (uint8_t)part);
		kg_buf_put(out, data, part);
		data += part;
		size -= part;
	}
}

/* The bytes of offset and size that are not zero, told by bits of the first. */
static void put_copy(kg_buf *out, size_t offset, size_t size)
{
	uint8_t code[5] = {0x80};
	size_t length = 1;

	if ((offset & 0xff) != 0) {
		code[0] |= 0x01;
		code[length++] = (uint8_t)offset;
	}
	if (offset >> 8 != 0) {
		code[0] |= 0x02;
		code[length++] = (uint8_t)(offset >> 8);
	}
	if ((size & 0xff) != 0) {
		code[0] |= 0x10;
		code[length++] = (uint8_t)size;
	}
	if (size >> 8 != 0) {
		code[0] |= 0x20;
		code[length++] = (uint8_t)(size >> 8);
	}
	kg_buf_put(out, code, length);
}

void kg_delta_make(kg_buf *out, const kg_delta_base *base, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	size_t told = 0;
	size_t i = 0;

	put_size(out, base->size);
	put_size(out, size);
	while (i + RUN <= size) {
		size_t from = base->at[slot(load(bytes + i))];
		size_t end;

		if (from == 0 || load(base->data + from - 1) != load(bytes + i)) {
			i++;
			continue;
		}
		from--;
		end = i + RUN;
		while (end < size && from + (end - i) < base->size &&
		       bytes[end] == base->data[from + (end - i)])
			end++;
		while (i > told && from > 0 && bytes[i - 1] == base->data[from - 1]) {
			i--;
			from--;
		}
		put_insert(out, bytes + told, i - told);
		put_copy(out, from, end - i);
		told = end;
		i = end;
	}
	put_insert(out, bytes + told, size - told);
}
