/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tokenizer_sentencepiece – any bytes as a tokenizer.model: what is accepted encodes a text,
 * and does so alike after a way through a model file.
 */
#include "runtime/tokenizer_sentencepiece.h"
#include "tests/fuzz/tokenizer_twins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A model of few tokens: a million of them would be the time of a thousand inputs. */
	static const kg_tokenizer_hints hints = {
		.count = 1024, .bos = KG_TOKENIZER_NONE, .eos = KG_TOKENIZER_NONE};
	kg_tokenizer *t = NULL;

	if (kg_tokenizer_from_sentencepiece(&t, data, size, &hints) == KG_OK)
		twins_agree(t);
	return 0;
}
