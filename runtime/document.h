/* SPDX-License-Identifier: MIT */
/*
 * document – a text as documents, and documents as one stream of tokens.
 *
 * A line that is exactly "<|endoftext|>" (a carriage return may follow) ends a document. White
 * space (blank, \t \n \v \f \r) is trimmed at both ends; what is empty then is no document.
 */
#ifndef KG_RUNTIME_DOCUMENT_H
#define KG_RUNTIME_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/tokenizer.h"

typedef struct {
	const char *text;
	size_t size;
	size_t at;
} kg_document_reader;

void kg_document_init(kg_document_reader *reader, const char *text, size_t size);

/* The next document, borrowed from the text, not terminated; false at the end. */
bool kg_document_next(kg_document_reader *reader, const char **document, size_t *size);

/* All documents, each encoded after bos, one after the other; free(*ids). KG_EINVAL when there is
 * none or the text is too long for the tokenizer, KG_ENOMEM. */
KG_NODISCARD kg_err kg_document_stream(uint32_t **ids, size_t *count, const kg_tokenizer *tokenizer,
				       const char *text, size_t size);

#endif
