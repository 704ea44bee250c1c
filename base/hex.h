/* SPDX-License-Identifier: MIT */
/* hex – bytes as lowercase hexadecimal text and back; base64 with padding. */
#ifndef KG_BASE_HEX_H
#define KG_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Writes 2 * size digits and a terminator to `text`. */
void kg_hex_encode(char *text, const uint8_t *data, size_t size);

/* Exactly 2 * size lowercase digits and then the terminator; KG_EINVAL otherwise. */
KG_NODISCARD kg_err kg_hex_decode(uint8_t *data, size_t size, const char *text);

/* True when the first `length` characters of `text` are all lowercase hex digits. */
bool kg_hex_is(const char *text, size_t length);

/* Bytes that base64 of `size` bytes takes, terminator included. */
size_t kg_base64_size(size_t size);

/* Padded base64 (RFC 4648 §4) and a terminator. */
void kg_base64_encode(char *text, const uint8_t *data, size_t size);

/* Strict: the canonical padded form only, no white space; KG_ECORRUPT otherwise. `*size` in: room,
 * out: bytes written; KG_EFULL when they do not fit. */
KG_NODISCARD kg_err kg_base64_decode(uint8_t *data, size_t *size, const char *text, size_t length);

#endif
