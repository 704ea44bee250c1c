/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tokenizer_json – any bytes as a tokenizer.json: what is accepted encodes a text, and does so
 * alike after a way through a model file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer_gguf.h"
#include "runtime/tokenizer_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "a  ab abc\n123 <s>A'll \xc3\xa9\xff <|a|>";

static kg_tokenizer *copy(const kg_tokenizer *t)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A model of few tokens: a million of them would be the time of a thousand inputs. */
	static const kg_tokenizer_hints hints = {
		.count = 1024, .bos = KG_TOKENIZER_NONE, .eos = KG_TOKENIZER_NONE};
	kg_tokenizer *t = NULL;
	kg_tokenizer *again;
	uint32_t *ids = NULL;
	uint32_t *same = NULL;
	size_t count = 0;
	size_t same_count = 0;
	kg_err err;
	kg_buf out;

	if (kg_tokenizer_from_json(&t, data, size, &hints) != KG_OK)
		return 0;
	again = copy(t);
	kg_buf_init(&out, 1 << 20);
	err = kg_tokenizer_encode(t, text, sizeof(text), true, &ids, &count);
	if (kg_tokenizer_encode(again, text, sizeof(text), true, &same, &same_count) != err)
		abort();
	if (err == KG_OK && (count != same_count || memcmp(ids, same, count * sizeof(*ids)) != 0 ||
			     kg_tokenizer_decode(t, ids, count, &out) != KG_OK))
		abort();
	kg_buf_release(&out);
	free(ids);
	free(same);
	kg_tokenizer_free(t);
	kg_tokenizer_free(again);
	return 0;
}
