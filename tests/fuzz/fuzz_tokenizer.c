/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tokenizer – a vocabulary and a text from any bytes: what is encoded decodes to the text.
 *
 * Input: the number of pieces; each piece as length (low 3 bits) and score (high 5), then its
 * bytes; the rest is the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES = KG_TOKENIZER_BYTE_MODEL_COUNT };

/* The bytes first, so that every text has tokens; then the pieces of the input. */
static kg_tokenizer *build(const uint8_t **data, size_t *size)
{
	static const kg_tokenizer_rules rules = {.bos = 1, .eos = 2};
	uint32_t pieces = *size > 0 ? (*data)[0] : 0;
	kg_tokenizer *bytes = NULL;
	kg_tokenizer *t = NULL;
	size_t at = 1;

	if (*size == 0 || kg_tokenizer_byte_model(&bytes) != KG_OK)
		return NULL;
	if (kg_tokenizer_new(&t, BYTES + pieces) != KG_OK)
		abort();
	for (uint32_t id = 0; id < BYTES; id++) {
		size_t length;
		const char *piece = kg_tokenizer_piece(bytes, id, &length);

		if (kg_tokenizer_put(t, id, piece, length, 0, kg_tokenizer_kind(bytes, id)) !=
		    KG_OK)
			abort();
	}
	kg_tokenizer_free(bytes);
	for (uint32_t id = BYTES; id < BYTES + pieces; id++) {
		size_t length = at < *size ? (*data)[at] & 7 : 0;
		float score = at < *size ? (float)((*data)[at] >> 3) : 0;

		at++;
		length = at + length <= *size ? length : 0;
		if (kg_tokenizer_put(t, id, *data + (length > 0 ? at : 0), length, score,
				     KG_TOKEN_NORMAL) != KG_OK)
			abort();
		at += length;
	}
	at = at < *size ? at : *size;
	*data += at;
	*size -= at;
	if (kg_tokenizer_finish(t, &rules) != KG_OK)
		abort();
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_tokenizer *t = build(&data, &size);
	uint32_t *ids = NULL;
	size_t count;
	kg_buf out;

	if (t == NULL)
		return 0;
	kg_buf_init(&out, 1 << 24);
	if (kg_tokenizer_encode(t, data, size, true, &ids, &count) != KG_OK ||
	    kg_tokenizer_decode(t, ids, count, &out) != KG_OK)
		abort();
	if (out.size != size || (size > 0 && memcmp(out.data, data, size) != 0))
		abort();
	kg_buf_release(&out);
	free(ids);
	kg_tokenizer_free(t);
	return 0;
}
