/* SPDX-License-Identifier: MIT */
/*
 * quote – any bytes as one line of printable text and back, with one form for every run of bytes.
 *
 * The form is a JSON string (\" \\ \n \r \t, \u00XX for the other control characters), everything
 * else of UTF-8 as it is, and beyond JSON \xHH for a byte that is not part of UTF-8.
 */
#ifndef KG_MEMORY_QUOTE_H
#define KG_MEMORY_QUOTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Bytes of the UTF-8 character that `data` begins with (1..4), and its code point; 0 when there is
 * none (RFC 3629: no surrogates, no long forms, at most U+10FFFF). */
size_t kg_utf8_step(uint32_t *point, const uint8_t *data, size_t size);

void kg_quote_put(kg_buf *out, const void *data, size_t size);

/* Appends what the quoted text stands for; KG_ECORRUPT for what kg_quote_put never writes. */
KG_NODISCARD kg_err kg_quote_parse(kg_buf *out, const char *text, size_t length);

#endif
