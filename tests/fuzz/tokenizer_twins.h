/* SPDX-License-Identifier: MIT */
/* tokenizer_twins – a tokenizer and its copy by way of a model file have to agree; for the targets
 * that read tokenizers. */
#ifndef KG_TESTS_FUZZ_TOKENIZER_TWINS_H
#define KG_TESTS_FUZZ_TOKENIZER_TWINS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer_gguf.h"

static const char twins_text[] = "a  ab abc\n123 <s>A'll \xc3\xa9\xff <|a|>";

static inline kg_tokenizer *twins_copy(const kg_tokenizer *t)
{
	kg_tokenizer *again = NULL;
	kg_gguf_writer writer;
	kg_gguf *gguf = NULL;
	kg_buf file;

	kg_gguf_writer_init(&writer, KG_GGUF_ALIGNMENT);
	kg_buf_init(&file, 1 << 26);
	if (kg_tokenizer_to_gguf(t, &writer) != KG_OK ||
	    kg_gguf_writer_finish(&writer, &file) != KG_OK ||
	    kg_gguf_open(&gguf, file.data, file.size) != KG_OK ||
	    kg_tokenizer_from_gguf(&again, gguf) != KG_OK)
		abort();
	kg_gguf_free(gguf);
	kg_gguf_writer_release(&writer);
	kg_buf_release(&file);
	return again;
}

/* Encodes a text with both; consumes the tokenizer. */
static inline void twins_agree(kg_tokenizer *t)
{
	const size_t size = sizeof(twins_text);
	kg_tokenizer *again = twins_copy(t);
	uint32_t *ids = NULL;
	uint32_t *same = NULL;
	size_t count = 0;
	size_t same_count = 0;
	kg_err err;
	kg_buf out;

	kg_buf_init(&out, 1 << 20);
	err = kg_tokenizer_encode(t, twins_text, size, true, &ids, &count);
	if (kg_tokenizer_encode(again, twins_text, size, true, &same, &same_count) != err)
		abort();
	if (err == KG_OK && (count != same_count || memcmp(ids, same, count * sizeof(*ids)) != 0 ||
			     kg_tokenizer_decode(t, ids, count, &out) != KG_OK))
		abort();
	kg_buf_release(&out);
	free(ids);
	free(same);
	kg_tokenizer_free(t);
	kg_tokenizer_free(again);
}

#endif
