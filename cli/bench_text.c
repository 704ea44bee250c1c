/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/rng.h"
#include "cli/bench.h"

enum { TRIES = 1000, STEP = 16 };

/* Appends the text of tokens drawn from the vocabulary, until STEP of them were words;
 * of a vocabulary that has none, a sentence. */
static kg_err add_words(kg_buf *out, const kg_tokenizer *tokenizer, kg_rng *rng)
{
	uint32_t words = 0;

	for (uint32_t i = 0; i < TRIES && words < STEP; i++) {
		uint32_t id = (uint32_t)kg_rng_below(rng, kg_tokenizer_count(tokenizer));
		const char *piece;
		size_t size;

		if (kg_tokenizer_kind(tokenizer, id) != KG_TOKEN_NORMAL)
			continue;
		piece = kg_tokenizer_piece(tokenizer, id, &size);
		if (memchr(piece, '\0', size) != NULL)
			continue; /* not an argument of a command */
		kg_buf_put(out, piece, size);
		words++;
	}
	if (words == 0) /* a vocabulary of bytes spells anything */
		kg_buf_puts(out, "what is measured says more than what is hoped for ");
	return kg_buf_ok(out);
}

kg_err kg_bench_text(char **text, const kg_tokenizer *tokenizer, size_t count)
{
	kg_buf words;
	kg_rng rng;
	size_t made = 0;
	kg_err err = KG_OK;

	kg_buf_init(&words, KG_TOKENIZER_TEXT_MAX);
	kg_rng_init_u64(&rng, count);
	while (err == KG_OK && made < count) {
		uint32_t *ids = NULL;

		err = add_words(&words, tokenizer, &rng);
		if (err == KG_OK)
			err = kg_tokenizer_encode(tokenizer, kg_buf_text(&words), words.size, true,
						  &ids, &made);
		free(ids);
	}
	if (err == KG_OK)
		*text = (char *)kg_buf_take(&words, NULL);
	kg_buf_release(&words);
	return err;
}
