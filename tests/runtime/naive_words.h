/* SPDX-License-Identifier: MIT */
/* naive_words – the published word patterns written out by hand, and texts that try them. */
#ifndef KG_TESTS_RUNTIME_NAIVE_WORDS_H
#define KG_TESTS_RUNTIME_NAIVE_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "runtime/pretokenizer.h"

enum { NAIVE_TEXT_MAX = 512 }; /* bytes */

/* Ends of the words of UTF-8 text into room for `size`; returns how many. */
size_t naive_words(kg_pretokenizer_kind kind, const char *text, size_t size, uint32_t *ends);

/* A text of 0..99 characters of all classes; returns its bytes, below NAIVE_TEXT_MAX. */
size_t naive_text(kg_rng *rng, char *text);

#endif
